"""Two groups, one event: every customary p value of a 2 x 2 table, and the effects with their intervals."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from scipy import stats

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.groups.conditional_odds import log_ways
from volumetry.statistics.groups.proportions import (
    conditional_odds_ratio,
    risk_difference,
    risk_ratio,
    sample_odds_ratio,
    wald_risk_difference,
)
from volumetry.statistics.result import Estimate, StatisticResult, Used
from volumetry.statistics.rows import not_estimable
from volumetry.statistics.types import Column, FloatArray, IntArray

Primary = Literal[
    "pearson",
    "yates",
    "likelihood-ratio",
    "n-1",
    "fisher",
    "fisher-less",
    "fisher-greater",
    "mid-p",
    "mid-p-less",
    "mid-p-greater",
]

METHODS = {
    "pearson": "Pearson's chi-squared test",
    "yates": "Chi-squared test with Yates' continuity correction",
    "likelihood-ratio": "Likelihood-ratio chi-squared test",
    "n-1": "N - 1 chi-squared test",
    "fisher": "Fisher's exact test",
    "fisher-less": "Fisher's exact test, one-sided",
    "fisher-greater": "Fisher's exact test, one-sided",
    "mid-p": "Fisher's exact test, mid-p",
    "mid-p-less": "Fisher's exact test, mid-p, one-sided",
    "mid-p-greater": "Fisher's exact test, mid-p, one-sided",
}

# Two tables count as equally probable within this relative difference, as in R's fisher.test.
_TIE = 1 + 1e-7


@checked
def two_by_two(table: Column, *, primary: Primary, level: float = 0.95) -> StatisticResult:
    """Compare two proportions given as counts, with all customary p values at once.

    Parameters
    ----------
    table : array_like of int, shape (2, 2)
        Rows are groups, columns are event and no event: ``[[36, 110], [48, 78]]``.
    primary : str
        Which p value is *the* p value, to be named before looking: ``"pearson"``, ``"yates"``,
        ``"likelihood-ratio"``, ``"n-1"``, ``"fisher"``, ``"fisher-less"``, ``"fisher-greater"``,
        ``"mid-p"``, ``"mid-p-less"`` or ``"mid-p-greater"``. "less": fewer events in the first group.
    level : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        Estimates: risk difference (Newcombe), risk ratio, odds ratio (sample, Woolf), odds ratio
        (conditional, exact interval), risk difference (Wald). ``details["p_values"]`` holds every p value
        by the names above, None where it is not determined; ``details["statistics"]`` the chi-squared
        values; ``details["expected_minimum"]`` the least expected count; ``details["table"]`` the counts.
        A two-sided mid-p is twice the smaller one-sided one; ``details["mid_p_by_probability"]`` is the
        other convention, Fisher's two-sided p less half the probability of the table.

    Raises
    ------
    StatisticsError
        `not-estimable` if a group is empty.
    UsageError
        `usage` if the table is not 2 x 2 counts or `primary` is unknown.
    """
    counts = count_table(table, shape=(2, 2))
    a, b, c, d = (int(count) for count in counts.ravel())
    if min(a + b, c + d) == 0:
        raise not_estimable("one of the groups is empty", n_first=a + b, n_second=c + d)
    statistics = _chi_squared_statistics(counts)
    p_values, mid_p = _exact_p_values(counts)
    for name in ("pearson", "yates", "likelihood-ratio", "n-1"):
        p_values[name] = float(stats.chi2.sf(statistics[name], 1)) if name in statistics else None
    estimates, notes = _effects(a, b, c, d, level)
    expected = counts.sum(0) * counts.sum(1)[:, None] / counts.sum()
    if p_values[primary] is None:
        notes += (f"{METHODS[primary]}: not estimable, nobody or everybody has the event",)
    if expected.min() < 5 and primary in ("pearson", "likelihood-ratio"):
        notes += (
            f"the least expected count is {expected.min():.2f}, below 5: prefer an exact or mid-p test",
        )
    return Used(n_used=int(counts.sum())).result(
        METHODS[primary],
        estimates=estimates,
        statistic=statistics.get(primary),
        df=1.0 if primary in statistics else None,
        p_value=p_values[primary],
        alternative=next((side for side in ("less", "greater") if primary.endswith(side)), "two-sided"),
        correction="Yates" if primary == "yates" else "mid-p" if "mid-p" in primary else "none",
        notes=notes,
        details={
            "p_values": p_values,
            "statistics": statistics,
            "primary": primary,
            "table": counts.tolist(),
            "expected_minimum": float(expected.min()),
            "mid_p_by_probability": mid_p,
        },
    )


def count_table(table: Column, shape: tuple[int, int] | None = None) -> IntArray:
    """Return `table` as integer counts."""
    try:
        numbers = np.asarray(table, dtype=float)
    except (TypeError, ValueError):
        raise UsageError(
            "usage", "the table does not hold counts", todo="Give rows of whole numbers."
        ) from None
    if numbers.ndim != 2 or (shape is not None and numbers.shape != shape):
        raise UsageError(
            "usage",
            "the table has another shape than it must have",
            values={"shape": numbers.shape, "must_be": shape or "two-dimensional"},
        )
    if not np.isfinite(numbers).all() or (numbers < 0).any() or (numbers != np.rint(numbers)).any():
        raise UsageError("usage", "counts are whole and not negative", todo="Give counts, not percentages.")
    return numbers.astype(np.int64)


def pearson_statistic(counts: IntArray) -> float:
    """Return Pearson's chi-squared of a table without empty rows or columns."""
    expected = _expected(counts)
    return float(((counts - expected) ** 2 / expected).sum())


def likelihood_ratio_statistic(counts: IntArray) -> float:
    """Return the likelihood-ratio chi-squared (G) of a table without empty rows or columns."""
    seen = counts > 0
    return float(2 * (counts[seen] * np.log(counts[seen] / _expected(counts)[seen])).sum())


def _expected(counts: IntArray) -> FloatArray:
    return np.asarray(counts.sum(1)[:, None] * counts.sum(0) / counts.sum(), dtype=np.float64)


def _chi_squared_statistics(counts: IntArray) -> dict[str, float]:
    if not counts.sum(0).all():
        return {}
    n = int(counts.sum())
    expected = _expected(counts)
    pearson = pearson_statistic(counts)
    # Yates' half is not taken further than the difference itself (as in R).
    shift = min(0.5, float(np.abs(counts - expected).min()))
    yates = float(((np.abs(counts - expected) - shift) ** 2 / expected).sum())
    likelihood = likelihood_ratio_statistic(counts)
    return {"pearson": pearson, "yates": yates, "likelihood-ratio": likelihood, "n-1": pearson * (n - 1) / n}


def _exact_p_values(counts: IntArray) -> tuple[dict[str, float | None], float]:
    """Return the p values of the hypergeometric distribution of the first cell, and mid-p by probability."""
    a, b, c, d = (int(count) for count in counts.ravel())
    cells, ways = log_ways(a, b, c, d)
    null = np.exp(ways - ways.max())
    null /= null.sum()
    here = float(null[cells == a][0])
    less, greater = float(null[cells <= a].sum()), float(null[cells >= a].sum())
    two_sided = float(null[null <= here * _TIE].sum())
    p_values: dict[str, float | None] = {
        "fisher": min(1.0, two_sided),
        "fisher-less": min(1.0, less),
        "fisher-greater": min(1.0, greater),
        "mid-p": min(1.0, 2 * min(less - here / 2, greater - here / 2)),
        "mid-p-less": less - here / 2,
        "mid-p-greater": greater - here / 2,
    }
    return p_values, two_sided - here / 2


def _effects(a: int, b: int, c: int, d: int, level: float) -> tuple[tuple[Estimate, ...], tuple[str, ...]]:
    notes: tuple[str, ...] = ()
    ratios: tuple[Estimate, ...] = ()
    if a + c and b + d:
        ratios = tuple(make(a, b, c, d, level=level) for make in _RATIOS)
        if 0 in (a, b, c, d):
            notes += ("a cell is zero: 0.5 was added for the ratios; the conditional odds ratio is exact",)
        if math.isinf(ratios[-1].value):
            notes += ("the conditional odds ratio is infinite; its lower limit stands",)
    else:
        notes += ("nobody or everybody has the event: ratios are not estimable",)
    difference = risk_difference(a, b, c, d, level=level)
    return (difference, *ratios, wald_risk_difference(a, b, c, d, level=level)), notes


_RATIOS = (risk_ratio, sample_odds_ratio, conditional_odds_ratio)
