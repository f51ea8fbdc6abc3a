"""Outcomes after matching: a model clustered on the pair, with McNemar's test as a check."""

from __future__ import annotations

import numpy as np
from scipy import special, stats

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.matching.pairs import Matching
from volumetry.statistics.models.regression import linear_regression, logistic_regression
from volumetry.statistics.result import Estimate, StatisticResult, Used
from volumetry.statistics.rows import not_estimable, read_numbers
from volumetry.statistics.types import Column, FloatArray, IntArray, Table


@checked
def matched_effect(matching: Matching, outcome: Column, *, data: Table | None = None) -> StatisticResult:
    """Compare an outcome between matched arms, with errors clustered on the pair.

    A 0/1 outcome gets an odds ratio from a logistic model, any other a difference of means.

    Parameters
    ----------
    matching : Matching
    outcome : column
        Of the table that was matched, in its order.
    data : DataFrame, optional
        That table.

    Returns
    -------
    StatisticResult
        As from `logistic_regression` or `linear_regression`; the first estimate is named ``"treated"``.
    """
    y = _matched_values(matching, outcome, data)
    arm = np.repeat([1.0, 0.0], matching.n_pairs)
    known = y[~np.isnan(y)]
    fit = logistic_regression if np.isin(known, (0.0, 1.0)).all() else linear_regression
    return fit(y, {"treated": arm}, cluster=matching.pair)


@checked
def mcnemar_test(matching: Matching, outcome: Column, *, data: Table | None = None) -> StatisticResult:
    """Compare a 0/1 outcome within matched pairs (McNemar 1947).

    Parameters
    ----------
    matching, outcome, data
        As in `matched_effect`.

    Returns
    -------
    StatisticResult
        The exact test. The estimate is the odds ratio of discordant pairs (treated only over control only)
        with its exact interval. ``details``: ``table`` (outcome of the control by that of the treated, 0
        first), ``chi_square`` and ``chi_square_corrected`` (each statistic and p).

    Raises
    ------
    StatisticsError
        ``not-estimable`` if no pair is discordant.
    UsageError
        ``invalid-table`` if the outcome is not coded 0 and 1.
    """
    y = _matched_values(matching, outcome, data).reshape(2, -1)
    complete = ~np.isnan(y).any(axis=0)
    treated, control = y[:, complete]
    if not np.isin(y[:, complete], (0.0, 1.0)).all():
        raise UsageError("invalid-table", "the outcome is not coded 0 and 1")
    table = np.array([[((control == i) & (treated == j)).sum() for j in (0, 1)] for i in (0, 1)])
    b, c = int(table[0, 1]), int(table[1, 0])
    if b + c == 0:
        raise not_estimable("no pair differs in the outcome", pairs=int(complete.sum()))
    exact = stats.binomtest(b, b + c)
    share = exact.proportion_ci(0.95, method="exact")
    n_pairs, n_all = int(complete.sum()), complete.size
    rows = Used(n_used=2 * n_pairs, n_missing=2 * (n_all - n_pairs), n_clusters=n_pairs)
    infinite = "the odds ratio is infinite: no pair has the outcome in the control only"
    return rows.result(
        "McNemar's exact test",
        estimates=(_odds_ratio(b, c, share.low, share.high),) if c else (),
        p_value=float(exact.pvalue),
        notes=() if c else (infinite,),
        details={
            "table": table,
            "chi_square": _chi_square((b - c) ** 2 / (b + c)),
            "chi_square_corrected": _chi_square(max(abs(b - c) - 1, 0) ** 2 / (b + c)),
        },
    )


@checked
def rows_of_pairs(
    matching: Matching, unit: Column, *, data: Table | None = None
) -> tuple[IntArray, IntArray]:
    """Return rows of a finer table (hips) that belong to the matched units (patients), and their pairs.

    Parameters
    ----------
    matching : Matching
        Of a table with one row per unit (patient).
    unit : column of int
        For each row of the finer table, the row of its unit in the matched table.
    data : DataFrame, optional
        The finer table.

    Returns
    -------
    rows, pair : (m,) arrays of int
        Rows of the finer table, ascending, and the pair of each.
    """
    position = read_numbers(unit, data, name="unit")
    known = position[~np.isnan(position)]
    if (known != np.floor(known)).any() or (known < 0).any():
        raise UsageError("invalid-table", "unit holds what is no row of the matched table: 0, 1, 2, ...")
    order = np.argsort(matching.rows)
    matched, pair = matching.rows[order], matching.pair[order]
    at = np.minimum(np.searchsorted(matched, position), len(matched) - 1)
    rows = np.flatnonzero(matched[at] == position)
    return rows, pair[at[rows]]


def _matched_values(matching: Matching, outcome: Column, data: Table | None) -> FloatArray:
    values = read_numbers(outcome, data, name="outcome")
    if len(values) <= int(matching.rows.max()):
        raise UsageError("usage", "the outcome is not of the table that was matched")
    return values[matching.rows]


def _odds_ratio(b: int, c: int, low: float, high: float) -> Estimate:
    upper = high / (1 - high) if high < 1 else None
    return Estimate(name="odds ratio", value=b / c, ci_low=low / (1 - low), ci_high=upper)


def _chi_square(statistic: float) -> tuple[float, float]:
    return float(statistic), float(special.chdtrc(1, statistic))
