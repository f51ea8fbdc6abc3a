"""Two proportions from rows, so that hips of one patient can be told from hips of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.clusters import cluster_error
from volumetry.statistics.groups.proportions import log_ratio
from volumetry.statistics.groups.two_by_two import Primary, two_by_two
from volumetry.statistics.result import Estimate, StatisticResult
from volumetry.statistics.rows import not_estimable
from volumetry.statistics.samples import Samples, read_samples
from volumetry.statistics.types import ClusterPair, Column, FloatArray, IntArray, Table
from volumetry.statistics.wald import wald_estimate


@checked
def compare_proportions(
    first: Column,
    second: Column | None = None,
    *,
    primary: Primary,
    data: Table | None = None,
    group: Column | None = None,
    levels: Sequence[Any] | None = None,
    cluster: Column | ClusterPair | None = None,
    level: float = 0.95,
) -> StatisticResult:
    """Compare the proportions of events in two groups given row by row.

    Parameters
    ----------
    first, second : array_like
        1 (or True) for an event, 0 (or False) for none; missing ones are left out and counted.
    primary : str
        As in `two_by_two`: the p value where rows are independent.
    cluster : pair of sequences, or column, optional
        Patients of both groups' rows. Where patients repeat, the intervals are cluster-robust and the p value
        is that of the Rao-Scott chi-squared test if no patient is in both groups (Rao and Scott, Biometrics
        1992;48:577-585: ratio estimator), else that of the cluster-robust z test of the difference.
    data, group, levels, level : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        ``details["p_values"]`` are those of `two_by_two`; with clusters ``details["p_values_clustered"]``
        has ``"rao-scott"`` (None where it does not apply) and ``"cluster-robust"``, and
        ``details["design_effects"]`` the variance inflation of each group.

    Raises
    ------
    StatisticsError
        `not-estimable` if a group is empty, or there are fewer than two clusters in a group.
    """
    rows = read_samples(first, second, cluster, data=data, group=group, levels=levels)
    parts = rows.first, rows.second
    if not np.isin(np.concatenate(parts), (0, 1)).all():
        raise UsageError("invalid-table", "an event is neither 0 nor 1", todo="Code events as 0 and 1.")
    counts = [[int(part.sum()), int(part.size - part.sum())] for part in parts]
    plain = two_by_two(counts, primary=primary, level=level)
    more = {"n_missing": rows.n_missing, "n_clusters": rows.n_clusters}
    plain = replace(plain, **more, notes=(*plain.notes, *rows.notes))  # type: ignore[arg-type]
    return plain if rows.repeats is None else _clustered(plain, rows, rows.repeats, level)


def _clustered(plain: StatisticResult, rows: Samples, codes: IntArray, level: float) -> StatisticResult:
    m = rows.first.size
    estimates = _robust_effects(rows, codes, level)
    effects = (_design_effect(rows.first, codes[:m]), _design_effect(rows.second, codes[m:]))
    shared = bool(np.intersect1d(codes[:m], codes[m:]).size)
    statistic = None if shared else _rao_scott(rows, effects)
    rao_scott_p = None if statistic is None else float(stats.chi2.sf(statistic, 1))
    robust_p = estimates[0].p_value
    details = {
        **plain.details,
        "p_values_clustered": {"rao-scott": rao_scott_p, "cluster-robust": robust_p},
        "design_effects": effects,
    }
    known = replace(
        plain,
        method="Cluster-robust z test of the risk difference",
        estimates=estimates,
        statistic=estimates[0].statistic,
        df=None,
        p_value=robust_p,
        alternative="two-sided",
        correction="clusters / (clusters - 1)",
        details=details,
    )
    if statistic is None:
        return known
    method = "Rao-Scott chi-squared test (ratio estimator)"
    return replace(known, method=method, statistic=statistic, df=1.0, p_value=rao_scott_p)


def _robust_effects(rows: Samples, codes: IntArray, level: float) -> tuple[Estimate, ...]:
    p1, p2 = float(rows.first.mean()), float(rows.second.mean())
    one, two = (rows.first - p1) / rows.first.size, (rows.second - p2) / rows.second.size

    def error(weight1: float, weight2: float) -> float:
        return cluster_error(np.concatenate([weight1 * one, -weight2 * two]), codes)[0]

    plain = error(1, 1)
    if plain == 0:
        raise not_estimable("the outcome does not vary, so that its cluster-robust error is 0")
    difference = wald_estimate("risk difference", p1 - p2, plain, level)
    if min(p1, p2) == 0 or max(p1, p2) == 1:
        return (difference,)
    ratio = log_ratio("risk ratio", p1 / p2, error(1 / p1, 1 / p2), level)
    odds = p1 * (1 - p2) / (p2 * (1 - p1))
    odds_error = error(1 / (p1 * (1 - p1)), 1 / (p2 * (1 - p2)))
    return difference, ratio, log_ratio("odds ratio", odds, odds_error, level)


def _design_effect(values: FloatArray, codes: IntArray) -> float:
    share = float(values.mean())
    error, _ = cluster_error((values - share) / values.size, codes, " in a group")
    return 1.0 if share in (0.0, 1.0) else values.size * error**2 / (share * (1 - share))


def _rao_scott(rows: Samples, effects: tuple[float, float]) -> float | None:
    # A design effect of 0 (within every cluster the events cancel) leaves no size to divide by.
    if min(effects) <= 0:
        return None
    sizes = np.array([rows.first.size, rows.second.size]) / effects
    events = np.array([rows.first.sum(), rows.second.sum()]) / effects
    share = events.sum() / sizes.sum()
    if share in (0.0, 1.0):
        return None
    return float(((events - sizes * share) ** 2 / (sizes * share * (1 - share))).sum())
