"""Two proportions from rows, so that hips of one patient can be told from hips of two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.clusters import Sample, check_clusters, clean_two_samples, cluster_sums, has_repeats
from volumetry.statistics.groups.proportions import log_ratio
from volumetry.statistics.groups.two_by_two import Primary, two_by_two
from volumetry.statistics.result import Estimate, StatisticResult
from volumetry.statistics.rows import not_estimable
from volumetry.statistics.types import ClusterPair, Column, FloatArray, Table
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
    one, two = clean_two_samples(first, second, cluster, data=data, group=group, levels=levels)
    warned = check_clusters(cluster, data).notes if cluster is None else ()
    for sample in (one, two):
        if not np.isin(sample.values, (0, 1)).all():
            raise UsageError("invalid-table", "an event is neither 0 nor 1", todo="Code events as 0 and 1.")
    plain = two_by_two(_counts(one, two), primary=primary, level=level)
    n_missing = one.n_missing + two.n_missing
    plain = replace(plain, n_missing=n_missing, notes=(*plain.notes, *warned))
    if one.clusters is None or two.clusters is None:
        return plain
    if not has_repeats(np.concatenate([one.clusters, two.clusters])):
        return replace(plain, n_clusters=plain.n_used)
    return _clustered(plain, one, two, level)


def _counts(one: Sample, two: Sample) -> list[list[int]]:
    return [[int(sample.values.sum()), int(sample.size - sample.values.sum())] for sample in (one, two)]


def _clustered(plain: StatisticResult, one: Sample, two: Sample, level: float) -> StatisticResult:
    assert one.clusters is not None
    assert two.clusters is not None
    codes = np.concatenate([one.clusters, two.clusters])
    n_clusters = len(np.unique(codes))
    influences = _influences(one, two)
    shared = bool(np.intersect1d(one.clusters, two.clusters).size)
    estimates = _robust_effects(one, two, influences, level)
    z_squared = estimates[0].statistic
    robust_p = estimates[0].p_value
    effects = tuple(_design_effect(sample) for sample in (one, two))
    statistic = None if shared else _rao_scott(one, two, effects)
    rao_scott_p = None if statistic is None else float(stats.chi2.sf(statistic, 1))
    details = {
        **plain.details,
        "p_values_clustered": {"rao-scott": rao_scott_p, "cluster-robust": robust_p},
        "design_effects": effects,
    }
    return replace(
        plain,
        method="Cluster-robust z test of the risk difference"
        if statistic is None
        else "Rao-Scott chi-squared test (ratio estimator)",
        estimates=estimates,
        statistic=z_squared if statistic is None else statistic,
        df=None if statistic is None else 1.0,
        p_value=robust_p if statistic is None else rao_scott_p,
        alternative="two-sided",
        correction="clusters / (clusters - 1)",
        n_clusters=n_clusters,
        details=details,
    )


def _influences(one: Sample, two: Sample) -> tuple[FloatArray, FloatArray]:
    """Return each cluster's share in the error of either group's proportion; shape (clusters,) each."""
    assert one.clusters is not None
    assert two.clusters is not None
    codes = np.concatenate([one.clusters, two.clusters])
    none = np.zeros
    first = np.concatenate([(one.values - one.values.mean()) / one.size, none(two.size)])
    second = np.concatenate([none(one.size), (two.values - two.values.mean()) / two.size])
    _, dense = np.unique(codes, return_inverse=True)
    return cluster_sums(first, dense), cluster_sums(second, dense)


def _robust_effects(
    one: Sample, two: Sample, influences: tuple[FloatArray, FloatArray], level: float
) -> tuple[Estimate, ...]:
    p1, p2 = float(one.values.mean()), float(two.values.mean())
    n_clusters = influences[0].size
    if n_clusters < 2:
        raise not_estimable("all rows are of one cluster", n_clusters=n_clusters)
    factor = n_clusters / (n_clusters - 1)

    def error(weight1: float, weight2: float) -> float:
        sums = weight1 * influences[0] - weight2 * influences[1]
        return math.sqrt(factor * float((sums**2).sum()))

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


def _design_effect(sample: Sample) -> float:
    assert sample.clusters is not None
    share = float(sample.values.mean())
    _, dense = np.unique(sample.clusters, return_inverse=True)
    sums = cluster_sums(sample.values - share, dense)
    if sums.size < 2:
        raise not_estimable("a group has fewer than two clusters", n_clusters=sums.size)
    if share in (0.0, 1.0):
        return 1.0
    variance = sums.size / (sums.size - 1) * float((sums**2).sum()) / sample.size**2
    return sample.size * variance / (share * (1 - share))


def _rao_scott(one: Sample, two: Sample, effects: tuple[float, ...]) -> float | None:
    # A design effect of 0 (within every cluster the events cancel) leaves no size to divide by.
    if min(effects) <= 0:
        return None
    sizes = np.array([one.size, two.size]) / effects
    events = np.array([one.values.sum(), two.values.sum()]) / effects
    share = events.sum() / sizes.sum()
    if share in (0.0, 1.0):
        return None
    return float(((events - sizes * share) ** 2 / (sizes * share * (1 - share))).sum())
