"""Checks of a published summary table by its own numbers: counts, percentages, means, curves.

Nothing here says who is wrong, or why. A finding says what the printed numbers give, whether the printed
result is one of them, and what cannot be true together. A number as printed is a *text*: "0.10"
and "0.1" have been rounded differently.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import product
from typing import Any

from volumetry.errors import StatisticsError, UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.audit.printed import Finding, Printed, PrintedSummary, Verdict
from volumetry.statistics.groups.contingency import contingency_test
from volumetry.statistics.groups.ordered import linear_by_linear_test, mann_whitney_on_classes
from volumetry.statistics.groups.t_tests import SampleSummary, t_test_from_summary
from volumetry.statistics.groups.two_by_two import two_by_two
from volumetry.statistics.planning.power import power_two_proportions
from volumetry.statistics.rows import check_counts

NO_PROBABILITY = "a p value lies between 0 and 1"
FISHER_ONE_SIDED = "Fisher exact, one-sided"
_FOURFOLD = {
    "pearson": "Pearson chi-squared",
    "yates": "Yates chi-squared",
    "likelihood-ratio": "likelihood-ratio chi-squared",
    "n-1": "N - 1 chi-squared",
    "fisher": "Fisher exact, two-sided",
    "mid-p": "mid-p, two-sided",
}


@checked
def audit_counts(
    item: str, table: Sequence[Sequence[int]], printed_p: str = "", *, ordered: bool = False
) -> tuple[Finding, ...]:
    """Recompute the p value of a table of counts under every customary test.

    Parameters
    ----------
    item : str
    table : rows of int
        Rows are groups.
    printed_p : str
        Empty where none is printed.
    ordered : bool
        Whether the classes have an order, so that tests of trend apply.
    """
    found = partial(Finding, item=item, check="p value of counts", method="-", printed=printed_p)
    if any(count < 0 for row in table for count in row):
        return (found(verdict="impossible", note="a count is not below 0"),)
    try:
        p_values = _count_p_values(table, ordered)
    except StatisticsError as error:
        return (found(verdict="impossible", note=error.message),)
    return _beside(item, "p value of counts", printed_p, {name: (p, p, p) for name, p in p_values.items()})


def _count_p_values(table: Sequence[Sequence[int]], ordered: bool) -> dict[str, float]:
    if len(table) == 2 and all(len(row) == 2 for row in table):
        known = two_by_two(table, primary="pearson").details["p_values"]
        p_values = {name: known[key] for key, name in _FOURFOLD.items() if known[key] is not None}
        # Of both one-sided values SPSS prints the one on the observed side, the smaller.
        p_values[FISHER_ONE_SIDED] = min(known["fisher-less"], known["fisher-greater"])
        return p_values
    exact = contingency_test(table, primary="exact").details["p_values"]
    p_values = {
        "Pearson chi-squared": exact["pearson"],
        "likelihood-ratio chi-squared": exact["likelihood-ratio"],
        "Freeman-Halton exact": exact["exact"],
    }
    if ordered:
        p_values["linear-by-linear"] = linear_by_linear_test(table).p_value or 0.0
        if len(table) == 2:
            p_values["Mann-Whitney"] = mann_whitney_on_classes(table).p_value or 0.0
    return p_values


@checked
def audit_means(
    item: str, first: PrintedSummary, second: PrintedSummary, printed_p: str = ""
) -> tuple[Finding, ...]:
    """Recompute a two-sample t test from printed means and SDs, with its range over their rounding.

    Raises
    ------
    UsageError
        ``usage`` where an SD is not printed.
    StatisticsError
        ``not-estimable`` for a group of fewer than two.
    """
    if first.sd is None or second.sd is None:
        raise UsageError("usage", "a t test needs the SD of both groups", todo="Give both, or no p.")
    answers = {}
    for variances, name in (("equal", "Student"), ("unequal", "Welch")):
        answers[name] = _t_range(first, second, variances)
    return _beside(item, "p value of means", printed_p, answers)


def _t_range(first: PrintedSummary, second: PrintedSummary, variances: Any) -> tuple[float, float, float]:
    def p_of(one: SampleSummary, two: SampleSummary) -> float:
        if one.mean == two.mean:
            return 1.0
        if one.sd == two.sd == 0 and min(one.n, two.n) > 1:
            return 0.0  # the limit, where the printed SDs may be 0
        return t_test_from_summary(one, two, variances=variances).p_value or 0.0

    p_values = [p_of(one, two) for one, two in product(first.corners(), second.corners())]
    if first.mean.low <= second.mean.high and second.mean.low <= first.mean.high:
        p_values.append(1.0)  # the true means may be equal
    return p_of(first.printed(), second.printed()), min(p_values), max(p_values)


def _beside(
    item: str, check: str, printed_p: str, answers: dict[str, tuple[float, float, float]]
) -> tuple[Finding, ...]:
    found = partial(Finding, item=item, check=check, printed=printed_p)
    printed = Printed.of(printed_p) if printed_p else None
    findings = []
    for name, (value, low, high) in answers.items():
        known: dict[str, Any] = {"method": name, "recomputed": value}
        if low != high:
            known |= {"low": low, "high": high}
        if printed is None:
            known |= {"verdict": "recomputed"}
        elif printed.outside_probability:
            known |= {"verdict": "impossible", "note": NO_PROBABILITY}
        elif not printed.fits(low, high):
            known |= {"verdict": "differs"}
        else:
            note = "" if printed.fits(value) else "only within the rounding of the printed means and SDs"
            known |= {"verdict": "reproduces", "note": note}
        findings.append(found(**known))
    return tuple(findings)


def reproducing(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return the methods that reproduce the printed number; empty: none does."""
    return tuple(finding.method for finding in findings if finding.verdict == "reproduces")


@checked
def audit_percentage(item: str, count: int, n: int, printed: str) -> Finding:
    """Check that a printed percentage is that of its count, and that there can be such a count."""
    check_counts(least=1, n=n)
    value = 100 * count / n
    verdict: Verdict = "consistent" if Printed.of(printed).fits(value) else "inconsistent"
    note = ""
    if not 0 <= count <= n:
        verdict, note = "impossible", f"a count out of {n} lies between 0 and {n}"
    found = partial(Finding, item=item, check="percentage of count", method=f"{count}/{n}")
    return found(printed=printed, recomputed=value, verdict=verdict, note=note)


@checked
def grim_counts(printed: str, n: int) -> list[int]:
    """Return the counts out of n that round to a printed percentage; empty: impossible.

    Brown NJL, Heathers JAJ, Soc Psychol Personal Sci 2017;8:363-369.
    """
    check_counts(least=1, n=n)
    percent = Printed.of(printed)
    first, last = math.floor(percent.low * n / 100), math.ceil(percent.high * n / 100)
    return [k for k in range(max(0, first), min(n, last) + 1) if percent.fits(100 * k / n)]


@checked
def audit_share(item: str, printed: str, sizes: Sequence[int]) -> tuple[Finding, ...]:
    """Say for each possible denominator whether a whole count gives the printed percentage (GRIM)."""
    found = partial(Finding, item=item, check="GRIM", printed=printed)
    findings = []
    known: dict[str, Any]
    for n in sizes:
        counts = grim_counts(printed, n)
        if counts:
            known = {"recomputed": float(counts[0]), "verdict": "possible", "note": f"{counts[0]}/{n}"}
        else:
            known = {"verdict": "impossible", "note": f"no whole number out of {n} is {printed} %"}
        findings.append(found(method=f"n = {n}", **known))
    return tuple(findings)


@checked
def tables_behind_shares(
    printed: tuple[str, str], largest: tuple[int, int], printed_p: str, *, smallest: int = 15
) -> list[tuple[int, int, int, int, str]]:
    """Return every table k1/n1 against k2/n2 that gives both percentages and the p value, with the test."""
    groups = [
        [(k, n) for n in range(smallest, most + 1) for k in grim_counts(share, n)]
        for share, most in zip(printed, largest, strict=True)
    ]
    found = []
    for (k1, n1), (k2, n2) in product(*groups):
        findings = audit_counts("", [[k1, n1 - k1], [k2, n2 - k2]], printed_p)
        found += [(k1, n1, k2, n2, method) for method in reproducing(findings)]
    return found


@checked
def audit_sample_size(
    item: str, p1: float, p2: float, *, alpha: float, power: float, printed_n: int
) -> tuple[Finding, ...]:
    """Recompute a sample size per group for two proportions, by every customary method and sidedness."""
    found = partial(Finding, item=item, check="sample size", printed=str(printed_n))
    known = {"power": power, "alpha": alpha}
    findings = []
    for sides, (method, name) in product(("one-sided", "two-sided"), _SIZE_METHODS.items()):
        result = power_two_proportions(p1, p2, sides=sides, method=method, **known)  # type: ignore[arg-type]
        size, note = result.estimates[0].value, f"power {result.details['power_at_n']:.6f}"
        verdict: Verdict = "reproduces" if size == printed_n else "differs"
        findings.append(found(method=f"{name}, {sides}", recomputed=size, verdict=verdict, note=note))
    return tuple(findings)


_SIZE_METHODS = {
    "normal-unpooled": "normal, unpooled",
    "normal-pooled": "normal, pooled",
    "arcsine": "arcsine",
    "fleiss": "Fleiss, continuity-corrected",
    "fisher-exact": "exact power of Fisher's test",
}
