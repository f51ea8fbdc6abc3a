"""Ordered classes (increase, no change, decrease): trend, ranks and the proportional-odds model."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.clusters import cluster_error
from volumetry.statistics.groups.rank_tests import Distribution, mann_whitney_test
from volumetry.statistics.groups.two_by_two import count_table
from volumetry.statistics.result import Estimate, StatisticResult, Used
from volumetry.statistics.rows import not_estimable
from volumetry.statistics.samples import positions, read_samples
from volumetry.statistics.types import Alternative, ClusterPair, Column, FloatArray, IntArray, Table
from volumetry.statistics.wald import wald_estimate, wald_quantile


@checked
def linear_by_linear_test(
    table: Column,
    *,
    row_scores: Sequence[float] | None = None,
    column_scores: Sequence[float] | None = None,
    level: float = 0.95,
) -> StatisticResult:
    """Test for a trend across ordered classes (linear-by-linear association, Mantel).

    Parameters
    ----------
    table : array_like of int, shape (r, c)
        Rows are groups, columns are classes in their order.
    row_scores, column_scores : sequence of float, optional
        Scores of rows and classes; 1, 2, 3, ... where not given.
    level : float
        Confidence level of the correlation (Fisher's z).

    Returns
    -------
    StatisticResult
        Statistic ``M2 = (N - 1) r**2`` with one df, as in SPSS and R's ``coin::lbl_test``. Estimate: the
        correlation r of the scores.

    Raises
    ------
    StatisticsError
        `not-estimable` if rows or classes do not vary.
    """
    counts = count_table(table)
    rows, columns = _scores(row_scores, counts.shape[0]), _scores(column_scores, counts.shape[1])
    n = int(counts.sum())
    if n < 2:
        raise not_estimable("only one row or one class has counts", n=n)
    centred_rows = rows - np.average(rows, weights=counts.sum(1))
    centred_columns = columns - np.average(columns, weights=counts.sum(0))
    spreads = float(counts.sum(1) @ centred_rows**2), float(counts.sum(0) @ centred_columns**2)
    if 0.0 in spreads:
        raise not_estimable("only one row or one class has counts", n=n)
    covariance = float(centred_rows @ counts @ centred_columns)
    correlation = max(-1.0, min(1.0, covariance / math.sqrt(spreads[0] * spreads[1])))
    statistic = (n - 1) * correlation**2
    return Used(n_used=n).result(
        "Linear-by-linear association test",
        estimates=(_correlation_estimate(correlation, n, level),),
        statistic=statistic,
        df=1.0,
        p_value=float(stats.chi2.sf(statistic, 1)),
        details={"row_scores": rows.tolist(), "column_scores": columns.tolist(), "table": counts.tolist()},
    )


@checked
def mann_whitney_on_classes(
    table: Column,
    *,
    distribution: Distribution = "asymptotic",
    continuity: bool = True,
    alternative: Alternative = "two-sided",
    level: float = 0.95,
) -> StatisticResult:
    """Compare ordered classes of two groups by ranks, from counts.

    Parameters
    ----------
    table : array_like of int, shape (2, c)
        Rows are groups, columns are classes in their order.
    distribution, continuity, alternative, level
        As in `mann_whitney_test`, which also takes rows with clusters.
    """
    counts = count_table(table)
    if counts.shape[0] != 2:
        raise UsageError(
            "usage", "the Mann-Whitney test compares two groups", values={"n_rows": counts.shape[0]}
        )
    classes = np.arange(counts.shape[1], dtype=float)
    first, second = np.repeat(classes, counts[0]), np.repeat(classes, counts[1])
    return mann_whitney_test(
        first, second, distribution=distribution, continuity=continuity, alternative=alternative, level=level
    )


@checked
def proportional_odds(
    first: Column,
    second: Column | None = None,
    *,
    classes: Sequence[Any],
    data: Table | None = None,
    group: Column | None = None,
    levels: Sequence[Any] | None = None,
    cluster: Column | ClusterPair | None = None,
    level: float = 0.95,
) -> StatisticResult:
    """Compare ordered classes of two groups by the proportional-odds model.

    Parameters
    ----------
    first, second : sequence
        The class of each row; missing ones are left out and counted.
    classes : sequence
        All classes, lowest first, for example ``("decrease", "no_change", "increase")``.
    cluster : pair of sequences, or column, optional
        Patients of both groups' rows. Where patients repeat the standard error is cluster-robust, with the
        factor G/(G-1).
    data, group, levels, level : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        Estimate: common odds ratio of a higher class in the first group; statistic z.
        ``details["log_likelihood"]``, ``details["likelihood_ratio"]`` (statistic and p against the model
        without groups), ``details["table"]``.

    Notes
    -----
    Fitted by statsmodels' ``OrderedModel`` (McCullagh, J R Stat Soc B 1980;42:109-142).

    Raises
    ------
    StatisticsError
        `not-estimable` if a group or all but one class is empty, the groups are perfectly separated, or the
        fit does not converge.
    """
    reader = positions(classes, "the classes")
    rows = read_samples(first, second, cluster, data=data, group=group, levels=levels, reader=reader)
    parts = rows.first.astype(int), rows.second.astype(int)
    table = np.array([np.bincount(part, minlength=len(classes)) for part in parts])
    _refuse_separated(table)
    _, dense = np.unique(np.concatenate(parts), return_inverse=True)
    fit = _fit(dense, (np.arange(dense.size) < parts[0].size).astype(float))
    slope, error = float(fit.params[0]), math.sqrt(_variance(fit, rows.repeats))
    totals = table.sum(0)[table.sum(0) > 0]
    null = float((totals * np.log(totals / totals.sum())).sum())
    ratio = max(0.0, 2 * (float(fit.llf) - null))
    clustered = rows.repeats is not None
    return rows.result(
        "Proportional-odds model" + (", cluster-robust" if clustered else ""),
        wald_estimate("common odds ratio", slope, error, level, ratio=True),
        correction="clusters / (clusters - 1)" if clustered else "none",
        details={
            "log_likelihood": float(fit.llf),
            "likelihood_ratio": {"statistic": ratio, "p_value": float(stats.chi2.sf(ratio, 1))},
            "classes": list(classes),
            "table": table.tolist(),
        },
    )


def _scores(scores: Sequence[float] | None, size: int) -> FloatArray:
    if scores is None:
        return np.arange(1, size + 1, dtype=float)
    if len(scores) != size:
        raise UsageError("usage", "there must be one score for each row or class", values={"n": len(scores)})
    return np.asarray(scores, dtype=float)


def _correlation_estimate(correlation: float, n: int, level: float) -> Estimate:
    name = "correlation of scores"
    if n < 4 or abs(correlation) == 1:
        return Estimate(name=name, value=correlation, level=level)
    half = wald_quantile(level) / math.sqrt(n - 3)
    z = math.atanh(correlation)
    return Estimate(
        name=name, value=correlation, ci_low=math.tanh(z - half), ci_high=math.tanh(z + half), level=level
    )


def _refuse_separated(table: IntArray) -> None:
    if (table.sum(1) == 0).any() or (table.sum(0) > 0).sum() < 2:
        raise not_estimable("a group is empty or only one class occurs", table=str(table.tolist()))
    used = [np.flatnonzero(row) for row in table]
    if used[0].min() >= used[1].max() or used[1].min() >= used[0].max():
        raise not_estimable(
            "the groups are separated: the odds ratio has no finite estimate",
            table=str(table.tolist()),
            todo="Report the table with an exact test.",
        )


def _fit(outcome: IntArray, indicator: FloatArray) -> Any:
    from scipy.special import expit
    from scipy.stats import logistic
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    class Logistic(type(logistic)):  # type: ignore[misc]
        """The same numbers without the checks of scipy, which take longer than the function itself."""

        def cdf(self, x: Any) -> Any:
            return expit(x)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = OrderedModel(outcome, indicator[:, None], distr=Logistic(name="logistic"))
        start = model.fit(method="bfgs", disp=False, maxiter=500, gtol=1e-6)
        fit = model.fit(method="newton", start_params=start.params, disp=False, maxiter=50, tol=1e-12)
    if not np.isfinite(fit.params).all():
        raise not_estimable("the proportional-odds model does not converge")
    return fit


def _variance(fit: Any, codes: IntArray | None) -> float:
    plain = np.asarray(fit.normalized_cov_params, dtype=float)
    if not np.isfinite(plain).all() or plain[0, 0] <= 0:
        raise not_estimable("the proportional-odds model has no finite standard error")
    if codes is None:
        return float(plain[0, 0])
    scores = np.asarray(fit.model.score_obs(fit.params), dtype=float)
    return cluster_error(scores @ plain[0], codes)[0] ** 2
