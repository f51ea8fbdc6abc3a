"""A published summary table, ``SUMMARY.toml``, and the findings of all checks that it allows."""

# ruff: noqa: RUF009 - `setting` is dataclasses.field with a sentence
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from volumetry.documents import build, read_document, setting
from volumetry.errors import UsageError

if TYPE_CHECKING:
    from volumetry.statistics.audit.printed import Finding, PrintedSummary

_P = "p value as printed, a text: `0.012` or `<0.001`"
_ITEM = "what the number is of"


@dataclass(frozen=True, kw_only=True)
class MeanSd:
    """Mean, SD and n of one group. Numbers are texts, written as printed."""

    mean: str = setting("mean as printed")
    sd: str = setting("standard deviation as printed; empty: only the mean is checked", "")
    n: int = setting("rows in the group")


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Counts by group and class, against a printed p value."""

    item: str = setting(_ITEM)
    table: tuple[tuple[int, ...], ...] = setting("a row per group, a column per class")
    p: str = setting(_P, "")
    ordered: bool = setting("whether the classes have an order, so that tests of trend apply", False)


@dataclass(frozen=True, kw_only=True)
class Means:
    """Means of two groups, against a printed p value."""

    item: str = setting(_ITEM)
    first: MeanSd = setting("first group")
    second: MeanSd = setting("second group")
    p: str = setting(_P, "")


@dataclass(frozen=True, kw_only=True)
class Paired:
    """Two means of the same rows, against the printed p value of a paired t test."""

    item: str = setting(_ITEM)
    first: MeanSd = setting("before")
    second: MeanSd = setting("after, with the same n")
    p: str = setting(_P)


@dataclass(frozen=True, kw_only=True)
class Percentage:
    """A percentage printed beside its count."""

    item: str = setting(_ITEM)
    count: int = setting("numerator")
    n: int = setting("denominator")
    percent: str = setting("percentage as printed, without the sign")


@dataclass(frozen=True, kw_only=True)
class Share:
    """A percentage printed without its count: which denominators are possible (GRIM)."""

    item: str = setting(_ITEM)
    percent: str = setting("percentage as printed, without the sign")
    n: tuple[int, ...] = setting("denominators to try")


@dataclass(frozen=True, kw_only=True)
class SharePair:
    """Two percentages printed without counts, and the p value of their comparison."""

    item: str = setting(_ITEM)
    percent: tuple[str, str] = setting("both percentages as printed")
    largest: tuple[int, int] = setting("largest possible denominators")
    smallest: int = setting("smallest denominator to try", 15)
    p: str = setting(_P)


@dataclass(frozen=True, kw_only=True)
class Subgroups:
    """Mean and SD of a whole and of the parts that make it."""

    item: str = setting(_ITEM)
    whole: MeanSd = setting("the whole")
    parts: tuple[MeanSd, ...] = setting("its parts")


@dataclass(frozen=True, kw_only=True)
class Total:
    """Counts that must add up."""

    item: str = setting(_ITEM)
    parts: tuple[int, ...] = setting("the parts")
    total: int = setting("their total as printed")


@dataclass(frozen=True, kw_only=True)
class Change:
    """A relative change of two printed numbers."""

    item: str = setting(_ITEM)
    baseline: str = setting("number before, as printed")
    followup: str = setting("number after, as printed")
    percent: str = setting("change in percent as printed, with its sign", "")


@dataclass(frozen=True, kw_only=True)
class Survival:
    """A survival percentage with its printed 95 % interval."""

    item: str = setting(_ITEM)
    percent: str = setting("survival in percent as printed")
    low: str = setting("lower limit as printed")
    high: str = setting("upper limit as printed")
    n: int = setting("rows at the start")


@dataclass(frozen=True, kw_only=True)
class DifferenceSd:
    """The SD of a difference of two measurements whose SDs are printed."""

    item: str = setting(_ITEM)
    first_sd: str = setting("SD of the first measurement")
    second_sd: str = setting("SD of the second")
    mean: str = setting("mean of the difference as printed")
    sd: str = setting("SD of the difference as printed")


@dataclass(frozen=True, kw_only=True)
class Exceedance:
    """A mean and SD, and how many values lie beyond a cut."""

    item: str = setting(_ITEM)
    mean: str = setting("mean as printed")
    sd: str = setting("SD as printed")
    cut: float = setting("the cut")
    count: int = setting("values beyond it")
    n: int = setting("values")


@dataclass(frozen=True, kw_only=True)
class SampleSize:
    """A sample size per group for two proportions."""

    item: str = setting(_ITEM)
    p1: float = setting("proportion in the first group")
    p2: float = setting("proportion in the second group")
    alpha: float = setting("significance level", 0.05)
    power: float = setting("power")
    n: int = setting("size per group as printed")


@dataclass(frozen=True, kw_only=True)
class Unknowable:
    """A printed number that the other printed numbers cannot give; listed, not checked."""

    item: str = setting(_ITEM)
    printed: str = setting("the number as printed")
    why: str = setting("what it would take")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The printed numbers of one publication. Every section may be given any number of times."""

    title: str = setting("title of the publication", "")
    source: str = setting("where it was published", "")
    counts: tuple[Counts, ...] = setting("counts against p values", ())
    means: tuple[Means, ...] = setting("means against p values", ())
    paired: tuple[Paired, ...] = setting("paired means against p values", ())
    percentages: tuple[Percentage, ...] = setting("percentages beside counts", ())
    shares: tuple[Share, ...] = setting("percentages without counts", ())
    share_pairs: tuple[SharePair, ...] = setting("two percentages without counts and their p value", ())
    subgroups: tuple[Subgroups, ...] = setting("parts and wholes of means", ())
    totals: tuple[Total, ...] = setting("parts and wholes of counts", ())
    changes: tuple[Change, ...] = setting("relative changes", ())
    survival: tuple[Survival, ...] = setting("survival percentages with intervals", ())
    differences: tuple[DifferenceSd, ...] = setting("SDs of differences", ())
    exceedances: tuple[Exceedance, ...] = setting("SDs against values beyond a cut", ())
    sample_sizes: tuple[SampleSize, ...] = setting("sample sizes", ())
    unknowable: tuple[Unknowable, ...] = setting("printed numbers that cannot be recomputed", ())


def read_summary(path: Path | str) -> Summary:
    """Read a summary table.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``.
    UsageError
        ``invalid-plan``: the key, its line, and what would be right.
    """
    values, document = read_document(path, "summary")
    return build(Summary, values, document)


def audit_summary(summary: Summary) -> list[Finding]:
    """Run every check that the printed numbers allow.

    Raises
    ------
    UsageError
        ``usage`` where an entry cannot be read as a number, or counts are none.
    """
    findings: list[Finding] = []
    for check in (_tests, _percentages, _totals, _bounds, _sizes):
        findings += check(summary)
    return findings


def _tests(summary: Summary) -> Iterator[Finding]:
    from volumetry.statistics.audit.bounds import audit_paired
    from volumetry.statistics.audit.checks import audit_counts, audit_means

    for counts in summary.counts:
        yield from audit_counts(counts.item, counts.table, counts.p, ordered=counts.ordered)
    for means in summary.means:
        yield from audit_means(means.item, _of(means.first), _of(means.second), means.p)
    for pair in summary.paired:
        yield from audit_paired(pair.item, _of(pair.first), _of(pair.second), pair.p)


def _percentages(summary: Summary) -> Iterator[Finding]:
    from volumetry.statistics.audit.checks import audit_percentage, audit_share, tables_behind_shares
    from volumetry.statistics.audit.printed import Finding

    for entry in summary.percentages:
        yield audit_percentage(entry.item, entry.count, _positive(entry.item, entry.n), entry.percent)
    for share in summary.shares:
        yield from audit_share(share.item, share.percent, share.n)
    for pair in summary.share_pairs:
        tables = tables_behind_shares(pair.percent, pair.largest, pair.p, smallest=pair.smallest)
        for k1, n1, k2, n2, method in tables:
            yield Finding(
                item=pair.item,
                check="counts behind two percentages",
                method=f"{k1}/{n1} against {k2}/{n2}, {method}",
                printed=pair.p,
                verdict="possible",
            )
        if not tables:
            yield Finding(
                item=pair.item, check="counts behind two percentages", method="every table and test",
                printed=pair.p, verdict="impossible",
            )  # fmt: skip


def _totals(summary: Summary) -> Iterator[Finding]:
    from volumetry.statistics.audit.bounds import audit_relative_change, audit_subgroups, audit_total
    from volumetry.statistics.audit.printed import Printed

    for group in summary.subgroups:
        yield from audit_subgroups(group.item, _of(group.whole), [_of(part) for part in group.parts])
    for total in summary.totals:
        yield audit_total(total.item, total.parts, total.total)
    for change in summary.changes:
        yield audit_relative_change(
            change.item, Printed.of(change.baseline), Printed.of(change.followup), change.percent
        )


def _bounds(summary: Summary) -> Iterator[Finding]:
    from volumetry.statistics.audit.bounds import (
        audit_difference_sd,
        audit_exceedance,
        audit_survival_interval,
    )
    from volumetry.statistics.audit.printed import Printed

    for curve in summary.survival:
        share, low, high = (Printed.of(text) for text in (curve.percent, curve.low, curve.high))
        yield from audit_survival_interval(curve.item, share, low, high, _positive(curve.item, curve.n))
    for entry in summary.differences:
        texts = (entry.first_sd, entry.second_sd, entry.mean, entry.sd)
        yield from audit_difference_sd(entry.item, *[Printed.of(text) for text in texts])
    for beyond in summary.exceedances:
        mean, sd = Printed.of(beyond.mean), Printed.of(beyond.sd)
        yield audit_exceedance(beyond.item, mean, sd, beyond.cut, beyond.count, beyond.n)


def _sizes(summary: Summary) -> Iterator[Finding]:
    from volumetry.statistics.audit.checks import audit_sample_size

    for size in summary.sample_sizes:
        yield from audit_sample_size(
            size.item, size.p1, size.p2, alpha=size.alpha, power=size.power, printed_n=size.n
        )


def _of(entry: MeanSd) -> PrintedSummary:
    from volumetry.statistics.audit.printed import Printed, PrintedSummary

    sd = Printed.of(entry.sd) if entry.sd else None
    return PrintedSummary(mean=Printed.of(entry.mean), sd=sd, n=entry.n)


def _positive(item: str, n: int) -> int:
    if n < 1:
        raise UsageError("usage", f"the denominator of {item} is not above 0", values={"n": n})
    return n
