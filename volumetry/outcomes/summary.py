"""A published summary table, ``SUMMARY.toml``, and the findings of all checks that it allows."""

# ruff: noqa: RUF009 - `setting` is dataclasses.field with a sentence
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from volumetry.errors import VolumetryError
from volumetry.files.documents import build, read_document, setting

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

    An item that allows no check (a p value printed as ``n.s.``, a baseline of 0) is a finding of its own,
    with the verdict ``not-checked`` and the reason; the others are checked.
    """
    findings: list[Finding] = []
    for section, check in _CHECKS.items():
        for entry in getattr(summary, section):
            findings += _checked(section, entry, check)
    return findings


def _checked(section: str, entry: Any, check: Callable[[Any], Iterable[Finding]]) -> list[Finding]:
    from volumetry.statistics.audit.printed import Finding

    found = partial(Finding, item=entry.item, check=f"[[{section}]]", method="-")
    try:
        negative = _negative_sd(entry)
        if negative:
            return [found(printed=negative, verdict="impossible", note="an SD is not below 0")]
        return list(check(entry))
    except VolumetryError as error:
        return [found(verdict="not-checked", note=error.message)]


def _negative_sd(entry: Any) -> str:
    """Return an SD that is printed below 0, of the entry or of a group in it; empty: there is none."""
    from volumetry.statistics.audit.printed import Printed

    for item in fields(entry):
        value = getattr(entry, item.name)
        groups = value if isinstance(value, tuple) else (value,)
        inner = next(
            (text for group in groups if isinstance(group, MeanSd) and (text := _negative_sd(group))), ""
        )
        if inner:
            return inner
        if value and item.name in ("sd", "first_sd", "second_sd") and Printed.of(value).high < 0:
            return str(value)
    return ""


def _counts(entry: Counts) -> Iterable[Finding]:
    from volumetry.statistics.audit.checks import audit_counts

    return audit_counts(entry.item, entry.table, entry.p, ordered=entry.ordered)


def _means(entry: Means) -> Iterable[Finding]:
    from volumetry.statistics.audit.checks import audit_means

    return audit_means(entry.item, _of(entry.first), _of(entry.second), entry.p)


def _paired(entry: Paired) -> Iterable[Finding]:
    from volumetry.statistics.audit.bounds import audit_paired

    return audit_paired(entry.item, _of(entry.first), _of(entry.second), entry.p)


def _percentage(entry: Percentage) -> Iterable[Finding]:
    from volumetry.statistics.audit.checks import audit_percentage

    return [audit_percentage(entry.item, entry.count, entry.n, entry.percent)]


def _share(entry: Share) -> Iterable[Finding]:
    from volumetry.statistics.audit.checks import audit_share

    return audit_share(entry.item, entry.percent, entry.n)


def _share_pair(entry: SharePair) -> Iterable[Finding]:
    from volumetry.statistics.audit.checks import tables_behind_shares
    from volumetry.statistics.audit.printed import Finding

    found = partial(Finding, item=entry.item, check="counts behind two percentages", printed=entry.p)
    tables = tables_behind_shares(entry.percent, entry.largest, entry.p, smallest=entry.smallest)
    if not tables:
        return [found(method="every table and test", verdict="impossible")]
    return [
        found(method=f"{k1}/{n1} against {k2}/{n2}, {method}", verdict="possible")
        for k1, n1, k2, n2, method in tables
    ]


def _subgroups(entry: Subgroups) -> Iterable[Finding]:
    from volumetry.statistics.audit.bounds import audit_subgroups

    return audit_subgroups(entry.item, _of(entry.whole), [_of(part) for part in entry.parts])


def _total(entry: Total) -> Iterable[Finding]:
    from volumetry.statistics.audit.bounds import audit_total

    return [audit_total(entry.item, entry.parts, entry.total)]


def _change(entry: Change) -> Iterable[Finding]:
    from volumetry.statistics.audit.bounds import audit_relative_change

    baseline, followup = _numbers(entry.baseline, entry.followup)
    return [audit_relative_change(entry.item, baseline, followup, entry.percent)]


def _survival(entry: Survival) -> Iterable[Finding]:
    from volumetry.statistics.audit.bounds import audit_survival_interval

    survival, low, high = _numbers(entry.percent, entry.low, entry.high)
    return audit_survival_interval(entry.item, survival, low, high, entry.n)


def _difference(entry: DifferenceSd) -> Iterable[Finding]:
    from volumetry.statistics.audit.bounds import audit_difference_sd

    printed = _numbers(entry.first_sd, entry.second_sd, entry.mean, entry.sd)
    return audit_difference_sd(entry.item, *printed)


def _exceedance(entry: Exceedance) -> Iterable[Finding]:
    from volumetry.statistics.audit.bounds import audit_exceedance

    mean, sd = _numbers(entry.mean, entry.sd)
    return [audit_exceedance(entry.item, mean, sd, entry.cut, entry.count, entry.n)]


def _size(entry: SampleSize) -> Iterable[Finding]:
    from volumetry.statistics.audit.checks import audit_sample_size

    known = {"alpha": entry.alpha, "power": entry.power, "printed_n": entry.n}
    return audit_sample_size(entry.item, entry.p1, entry.p2, **known)  # type: ignore[arg-type]


_CHECKS: MappingProxyType[str, Callable[[Any], Iterable[Finding]]] = MappingProxyType(
    {
        "counts": _counts, "means": _means, "paired": _paired, "percentages": _percentage, "shares": _share,
        "share_pairs": _share_pair, "subgroups": _subgroups, "totals": _total, "changes": _change,
        "survival": _survival, "differences": _difference, "exceedances": _exceedance, "sample_sizes": _size,
    }
)  # fmt: skip
"""The check of each section, in the order of the rows."""


def _numbers(*texts: str) -> list[Any]:
    from volumetry.statistics.audit.printed import Printed

    return [Printed.of(text) for text in texts]


def _of(entry: MeanSd) -> PrintedSummary:
    from volumetry.statistics.audit.printed import Printed, PrintedSummary

    sd = Printed.of(entry.sd) if entry.sd else None
    return PrintedSummary(mean=Printed.of(entry.mean), sd=sd, n=entry.n)
