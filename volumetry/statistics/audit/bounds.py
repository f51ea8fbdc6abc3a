"""What printed summaries cannot be together: parts and wholes, and bounds on SDs, errors and correlations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.audit.printed import Finding, Printed, PrintedSummary, Verdict
from volumetry.statistics.groups.t_tests import (
    SampleSummary,
    correlation_of_paired_p,
    paired_t_test_from_summary,
)
from volumetry.statistics.rows import check_counts

_Z95 = 1.959963984540054

#: Two measurements of one thing correlate more than this, or they are of little use.
LEAST_PLAUSIBLE_CORRELATION = 0.2


@checked
def audit_subgroups(item: str, whole: PrintedSummary, parts: Sequence[PrintedSummary]) -> tuple[Finding, ...]:
    """Check that mean and SD of a whole are those that its parts make, within the rounding of all.

    Raises
    ------
    UsageError
        ``usage`` for a whole without parts, or a group without rows.
    """
    if not parts:
        raise UsageError("usage", "a whole without parts", todo="Give its parts.")
    sizes = [part.n for part in parts]
    for n in (whole.n, *sizes):
        check_counts(least=1, n=n)
    found = partial(_part_finding, item)
    findings = []
    if sum(sizes) != whole.n:
        findings.append(audit_total(f"{item}, n", sizes, whole.n))
    means = [_pooled_mean([p.mean.value for p in parts], sizes)]
    means += [_pooled_mean([_ends(p.mean)[side] for p in parts], sizes) for side in (0, 1)]
    findings.append(found("mean of parts", whole.mean, means))
    if whole.sd is not None and None not in [part.sd for part in parts]:
        corners = product(*(part.corners() for part in parts))
        if sum(sizes) < 2:
            raise UsageError("usage", "one row has no SD", todo="Leave the SDs empty.")
        values = [_pooled_sd([part.printed() for part in parts]), *map(_pooled_sd, corners)]
        findings.append(found("SD of parts", whole.sd, values))
    return tuple(findings)


def _part_finding(item: str, method: str, printed: Printed, values: Sequence[float]) -> Finding:
    low, high = min(values), max(values)
    verdict: Verdict = "consistent" if printed.fits(low, high) else "inconsistent"
    found = partial(Finding, item=item, check="parts and whole", printed=printed.text, verdict=verdict)
    return found(method=method, recomputed=values[0], low=low, high=high)


def _pooled_mean(means: Sequence[float], sizes: Sequence[int]) -> float:
    return sum(m * n for m, n in zip(means, sizes, strict=True)) / sum(sizes)


def _pooled_sd(parts: Sequence[SampleSummary]) -> float:
    total = sum(part.n for part in parts)
    mean = _pooled_mean([part.mean for part in parts], [part.n for part in parts])
    squares = sum((part.n - 1) * part.sd**2 + part.n * (part.mean - mean) ** 2 for part in parts)
    return math.sqrt(squares / (total - 1))


@checked
def audit_total(item: str, parts: Sequence[int], total: int) -> Finding:
    """Check that counts add up."""
    made = sum(parts)
    verdict: Verdict = "consistent" if made == total else "inconsistent"
    found = partial(Finding, item=item, check="parts and whole", method=" + ".join(map(str, parts)))
    return found(printed=str(total), recomputed=float(made), verdict=verdict)


@checked
def audit_relative_change(item: str, baseline: Printed, followup: Printed, printed: str = "") -> Finding:
    """Recompute a change in percent of the baseline.

    Raises
    ------
    UsageError
        ``usage`` if the baseline may be 0 within its rounding.
    """
    if min(baseline.value, *_ends(baseline)) <= 0 <= max(baseline.value, *_ends(baseline)):
        raise UsageError(
            "usage", "a baseline of 0 has no relative change", values={"baseline": baseline.text}
        )
    values = [
        100 * (b - a) / a
        for a, b in [(baseline.value, followup.value), *product(_ends(baseline), _ends(followup))]
    ]
    verdict: Verdict = "recomputed"
    if printed:
        fits = Printed.of(printed).fits(min(values), max(values))
        verdict = "consistent" if fits else "inconsistent"
    method = f"{baseline.text} to {followup.text}"
    found = partial(Finding, item=item, check="relative change", method=method, printed=printed)
    return found(recomputed=values[0], low=min(values), high=max(values), verdict=verdict)


@checked
def audit_survival_interval(
    item: str, survival: Printed, low: Printed, high: Printed, n: int
) -> tuple[Finding, ...]:
    """Check a printed 95 % interval of a survival percentage against the least error there can be.

    Greenwood's variance is never below S (1 - S) / N, its value without any censoring. An interval that is
    narrower is no 95 % interval; often S +- 1 SE was printed for S +- 1.96 SE. Nor is one that does not hold
    its own estimate.
    """
    check_counts(least=1, n=n)
    ends = [min(max(end / 100, 0.0), 1.0) for end in (survival.low, survival.high)]
    share = min(max(survival.value / 100, 0.0), 1.0)
    half = (high.value - low.value) / 200
    widest = (high.high - low.low) / 200
    least = math.sqrt(share * (1 - share) / n)
    smallest = min(math.sqrt(s * (1 - s) / n) for s in ends)
    possible = widest / _Z95 >= smallest
    note = f"least possible standard error {least:.6f}"
    if survival.low > 100 or survival.high < 0:
        possible, note = False, "a survival lies between 0 and 100 %"
    elif low.low > survival.high or high.high < survival.low:
        possible, note = False, "the interval does not hold its own estimate"
    elif possible and half / _Z95 < 1.05 * least:
        note += "; possible only with hardly any censoring"
    low_end, high_end = (100 * (share + sign * _Z95 * half) for sign in (-1, 1))
    printed = f"{survival.text} ({low.text}-{high.text})"
    found = partial(Finding, item=item, check="interval of a survival curve", printed=printed)
    return (
        found(
            method="standard error if 95 %",
            recomputed=half / _Z95,
            verdict="possible" if possible else "impossible",
            note=note,
        ),
        found(
            method="95 % interval if the half-width is one standard error",
            recomputed=100 * share,
            low=low_end,
            high=high_end,
            verdict="recomputed",
        ),
    )


@checked
def audit_difference_sd(
    item: str, first_sd: Printed, second_sd: Printed, mean: Printed, sd: Printed
) -> tuple[Finding, ...]:
    """Check the SD of a difference of two measurements, and of its size, against the SDs of the two.

    SD(A - B) lies between abs(SD(A) - SD(B)) and SD(A) + SD(B), whatever the correlation, and that of
    abs(A - B) is not above it. The mean square of abs(A - B), its mean squared plus its variance, is at least
    the square of the lower bound.
    """
    gap, total = abs(first_sd.value - second_sd.value), first_sd.value + second_sd.value
    surely = max(0.0, gap - first_sd.half_unit - second_sd.half_unit)
    square = mean.high**2 + sd.high**2
    found = partial(Finding, item=item, check="SD of a difference")
    return (
        found(
            method="signed difference: least SD",
            printed=sd.text,
            recomputed=gap,
            verdict="possible" if sd.high >= surely else "impossible",
        ),
        found(
            method="difference or its size: largest SD",
            printed=sd.text,
            recomputed=total,
            verdict="possible" if sd.low <= first_sd.high + second_sd.high else "impossible",
        ),
        found(
            method="size of the difference: least mean square",
            printed=f"{mean.text} ± {sd.text}",
            recomputed=gap**2,
            verdict="possible" if square >= surely**2 else "impossible",
            note=f"printed mean and SD give {mean.value**2 + sd.value**2:.2f}",
        ),
    )


@checked
def audit_exceedance(item: str, mean: Printed, sd: Printed, cut: float, count: int, n: int) -> Finding:
    """Check an SD against how many values lie beyond a cut: SD >= abs(cut - mean) sqrt(q / (1 - q))."""
    check_counts(least=1, n=n)
    method = f"least SD with {count} of {n} beyond {cut:g}"
    found = partial(Finding, item=item, check="SD and values beyond a cut", method=method, printed=sd.text)
    if not 0 <= count <= n:
        return found(verdict="impossible", note=f"a count out of {n} lies between 0 and {n}")
    if count == n:
        raise UsageError("usage", "every value lies beyond the cut", todo="Such a count bounds no SD.")
    share = count / n
    factor = math.sqrt(share / (1 - share))
    least = min(abs(cut - value) for value in (mean.low, mean.high)) * factor
    verdict: Verdict = "possible" if sd.high >= least else "impossible"
    return found(recomputed=abs(cut - mean.value) * factor, verdict=verdict)


@checked
def audit_paired(
    item: str, first: PrintedSummary, second: PrintedSummary, printed_p: str
) -> tuple[Finding, ...]:
    """Find the correlation that a paired t test needs to give the printed p value.

    The SD of the differences is seldom printed, so the test itself cannot be recomputed. But the correlation
    lies between -1 and 1, and that of two measurements of one hip should not be near 0.
    """
    printed = Printed.of(printed_p)
    found = partial(Finding, item=item, check="paired t test")
    if printed.outside_probability:
        bad: Verdict = "impossible"
        return (found(method="-", printed=printed_p, verdict=bad, note="a p value lies between 0 and 1"),)
    before, after = first.printed(), second.printed()
    needed = correlation_of_paired_p(before, after, printed.value)
    verdict, note = _paired_verdict(printed.sign, needed)
    known: dict[str, Any] = {"printed": printed_p, "recomputed": needed, "verdict": verdict, "note": note}
    findings = [found(method="correlation needed", **known)]
    for correlation in (-1.0, 0.0, 0.5, 0.9):
        p_value = paired_t_test_from_summary(before, after, correlation=correlation).p_value
        method = f"p at correlation {correlation:g}"
        findings.append(found(method=method, recomputed=p_value, verdict="recomputed"))
    return tuple(findings)


def _paired_verdict(sign: str, needed: float) -> tuple[Verdict, str]:
    if sign == "<":
        if needed > 1:
            return "impossible", "no correlation makes p as small"
        return "possible", "any correlation" if needed < -1 else f"any correlation above {needed:.4f}"
    if sign == ">":
        if needed < -1:
            return "impossible", "no correlation makes p as large"
        return "possible", "any correlation" if needed > 1 else f"any correlation below {needed:.4f}"
    if not -1 <= needed <= 1:
        return "impossible", "a correlation lies between -1 and 1"
    if needed < LEAST_PLAUSIBLE_CORRELATION:
        return "implausible", "two measurements of the same hips correlate more than that"
    return "possible", ""


def _ends(printed: Printed) -> tuple[float, float]:
    return printed.low, printed.high
