"""Mann-Whitney and Wilcoxon signed-rank tests, exact with ties, and the shifts that go with them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from scipy import stats

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.clusters import cluster_sums
from volumetry.statistics.groups.rank_distributions import rank_sum_tail, signed_rank_tail
from volumetry.statistics.result import Estimate, StatisticResult
from volumetry.statistics.rows import column_values, not_estimable, one_column
from volumetry.statistics.samples import Samples, read_pairs, read_samples
from volumetry.statistics.types import Alternative, ClusterPair, Column, FloatArray, IntArray, Table
from volumetry.statistics.wald import ordered_estimate, tail_p, wald_estimate, wald_quantile

Distribution = Literal["auto", "exact", "asymptotic"]

# As in R, a group of fifty is large; unlike R, ties do not forbid the exact distribution.
_SMALL = 50
_MAX_EXACT_PAIRS = 60_000
_MAX_DIFFERENCES = 25_000_000
_MIDRANKS = "midranks"


@checked
def mann_whitney_test(
    first: Column,
    second: Column | None = None,
    *,
    distribution: Distribution = "auto",
    continuity: bool = True,
    alternative: Alternative = "two-sided",
    data: Table | None = None,
    group: Column | None = None,
    levels: Sequence[Any] | None = None,
    cluster: Column | ClusterPair | None = None,
    level: float = 0.95,
) -> StatisticResult:
    """Compare two groups by ranks (Wilcoxon rank sum, Mann-Whitney U).

    Parameters
    ----------
    distribution : {'auto', 'exact', 'asymptotic'}
        Exact is the permutation distribution of the midranks, ties included; its two-sided p value is the
        probability of a rank sum at least as far from its expectation. Auto is exact while both groups have
        fewer than fifty values; asked for, it takes seconds for some hundred rows.
    continuity : bool
        Whether the asymptotic test is corrected by half (R's default; SPSS does not correct).
    cluster : pair of sequences, or column, optional
        Patients of both groups' rows. Where patients repeat the test is that of the probability of
        superiority with Obuchowski's clustered variance (Biometrics 1997;53:567-578).
    first, second, alternative, data, group, levels, level : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        The statistic is U of the first group (R's W). Estimates: Hodges-Lehmann shift (median of all
        differences, first less second) and probability of superiority P(first > second) + P(equal) / 2.

    Raises
    ------
    StatisticsError
        `not-estimable` if a group is empty or all values are equal.
    """
    rows = read_samples(first, second, cluster, data=data, group=group, levels=levels)
    pooled, m, n = np.concatenate([rows.first, rows.second]), rows.first.size, rows.second.size
    if min(m, n) == 0:
        raise not_estimable("one of the groups is empty", **rows.sizes)
    if np.ptp(pooled) == 0:
        raise not_estimable("all values are equal: every rank is tied", n=pooled.size)
    ranks = stats.rankdata(pooled)
    u = float(ranks[:m].sum()) - m * (m + 1) / 2
    superiority = _superiority(rows, u, level)
    shift, notes = _hodges_lehmann(rows.first, rows.second, level)
    exact = distribution == "exact" or (distribution == "auto" and max(m, n) < _SMALL)
    corrected = False
    if rows.repeats is not None:
        if superiority.statistic is None:
            raise not_estimable("there are too few clusters, or they do not vary, for a rank test")
        method, p_value = "clustered (Obuchowski)", tail_p(superiority.statistic, alternative)
    elif exact:
        method, p_value = "exact", _exact_p(ranks, m, alternative)
    else:
        method, corrected = "asymptotic", continuity
        p_value = _asymptotic_p(ranks, u, m, continuity, alternative)
    return rows.result(
        f"Mann-Whitney test, {method}",
        estimates=(*shift, superiority),
        statistic=u,
        p_value=p_value,
        alternative=alternative,
        correction="continuity" if corrected else "none",
        ties=_MIDRANKS,
        notes=notes,
        details={
            **rows.sizes,
            "median_first": float(np.median(rows.first)),
            "median_second": float(np.median(rows.second)),
            "n_tied": int(pooled.size - np.unique(pooled).size),
        },
    )


@checked
def wilcoxon_signed_rank_test(
    first: Column,
    second: Column | None = None,
    *,
    distribution: Distribution = "auto",
    continuity: bool = True,
    alternative: Alternative = "two-sided",
    data: Table | None = None,
    cluster: Column | None = None,
    level: float = 0.95,
) -> StatisticResult:
    """Test whether paired differences, first less second, lie symmetrically about 0.

    Parameters
    ----------
    first, second : array_like
        Two measurements of the same rows; without `second` the first are differences already. Differences
        of exactly 0 are left out (Wilcoxon's rule, as in R) and counted in ``details["n_zero"]``.
    distribution, continuity, alternative, level
        As in `mann_whitney_test`; auto is exact below fifty differences.
    cluster : column, optional
        Patient of each pair. Where patients repeat, all signs of a patient flip together: the variance of the
        signed-rank sum is the sum of the squared patients' sums (Larocque, Biometrical J 2005;47:116-121).
    data : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        The statistic is V, the sum of the ranks of positive differences. Estimate: pseudomedian (median of
        the Walsh averages).

    Raises
    ------
    StatisticsError
        `not-estimable` if no difference is other than 0.
    """
    first = column_values(first, data, "first")
    other = np.zeros(len(one_column(first, "first"))) if second is None else second
    rows = read_pairs(first, other, cluster, data=data)
    differences = rows.first - rows.second
    kept = differences != 0
    if not kept.any():
        raise not_estimable("every difference is 0", n_pairs=differences.size)
    moved = differences[kept]
    ranks = stats.rankdata(np.abs(moved))
    v = float(ranks[moved > 0].sum())
    codes = None if rows.codes is None else rows.codes[kept]
    corrected = False
    if codes is not None and len(np.unique(codes)) < codes.size:
        method, p_value = "clustered sign flips", _sign_flip_p(ranks * np.sign(moved), codes, alternative)
    elif distribution == "exact" or (distribution == "auto" and moved.size < _SMALL):
        method, p_value = "exact", _exact_signed_rank_p(ranks, v, alternative)
    else:
        method, corrected = "asymptotic", continuity
        p_value = _asymptotic_signed_rank_p(ranks, v, continuity, alternative)
    estimates, notes = _pseudomedian(moved, level)
    return rows.result(
        f"Wilcoxon signed-rank test, {method}",
        estimates=estimates,
        statistic=v,
        p_value=p_value,
        alternative=alternative,
        correction="continuity" if corrected else "none",
        ties=f"{_MIDRANKS}; differences of 0 left out",
        notes=notes,
        details={"n_zero": int((~kept).sum()), "n_ranked": int(kept.sum())},
    )


def _doubled(ranks: FloatArray) -> IntArray:
    return np.rint(2 * ranks).astype(np.int64)


def _exact_p(ranks: FloatArray, n_first: int, alternative: Alternative) -> float:
    doubled = _doubled(ranks)
    n = doubled.size
    if n_first * (n - n_first) > _MAX_EXACT_PAIRS:
        raise UsageError(
            "usage",
            "there are too many rows for the exact distribution",
            values={"n_first": n_first, "n_second": n - n_first},
            todo="Use distribution='asymptotic'; at this size it agrees.",
        )
    observed = int(doubled[:n_first].sum())
    if alternative == "greater":
        return rank_sum_tail(-doubled, n_first, -observed)
    if alternative == "less":
        return rank_sum_tail(doubled, n_first, observed)
    # 2 n E = n_first * sum: compare distances from the expectation without rounding.
    expected_times_n = n_first * int(doubled.sum())
    distance = abs(n * observed - expected_times_n)
    low = (expected_times_n - distance) // n
    high = -((-expected_times_n - distance) // n)
    if distance == 0:
        return 1.0
    tails = rank_sum_tail(doubled, n_first, low) + rank_sum_tail(-doubled, n_first, -high)
    return min(1.0, tails)


def _asymptotic_p(
    ranks: FloatArray, u: float, n_first: int, continuity: bool, alternative: Alternative
) -> float:
    n = ranks.size
    n_second = n - n_first
    _, ties = np.unique(ranks, return_counts=True)
    correction = float((ties.astype(float) ** 3 - ties).sum()) / (n * (n - 1))
    deviation = math.sqrt(n_first * n_second / 12 * (n + 1 - correction))
    return _normal_p(u - n_first * n_second / 2, deviation, continuity, alternative)


def _normal_p(distance: float, deviation: float, continuity: bool, alternative: Alternative) -> float:
    half = 0.5 if continuity else 0.0
    if alternative == "less":
        return float(stats.norm.cdf((distance + half) / deviation))
    if alternative == "greater":
        return float(stats.norm.sf((distance - half) / deviation))
    return min(1.0, float(2 * stats.norm.sf((abs(distance) - half) / deviation)))


def _superiority(rows: Samples, u: float, level: float) -> Estimate:
    """Estimate P(first > second) + P(equal) / 2 with DeLong's, or with clusters Obuchowski's, error."""
    name, value = "probability of superiority", u / (rows.first.size * rows.second.size)
    variance = 0.0
    if min(rows.first.size, rows.second.size) > 1:
        above = _placements(rows.first, np.sort(rows.second)) - value
        below = 1 - _placements(rows.second, np.sort(rows.first)) - value
        variance = _placement_variance(rows.repeats, above, below)
    if variance <= 0:
        return Estimate(name=name, value=value, level=level)
    return wald_estimate(name, value, math.sqrt(variance), level, null=0.5, within=(0.0, 1.0))


def _placements(values: FloatArray, others: FloatArray) -> FloatArray:
    below = np.searchsorted(others, values, side="left") + np.searchsorted(others, values, side="right")
    return np.asarray(below / (2 * others.size), dtype=np.float64)


def _placement_variance(codes: IntArray | None, above: FloatArray, below: FloatArray) -> float:
    m, n = above.size, below.size
    if codes is None:
        return float((above**2).sum()) / (m * (m - 1)) + float((below**2).sum()) / (n * (n - 1))
    clusters, dense = np.unique(codes, return_inverse=True)
    parts = (dense[:m], above / m), (dense[m:], below / n)
    sums = [np.bincount(part, values, len(clusters)) for part, values in parts]
    factors = [g / (g - 1) if g > 1 else 0.0 for g in (*(len(np.unique(p)) for p, _ in parts), len(clusters))]
    if 0.0 in factors:
        return 0.0
    own = factors[0] * float(sums[0] @ sums[0]) + factors[1] * float(sums[1] @ sums[1])
    return own + 2 * factors[2] * float(sums[0] @ sums[1])


def _hodges_lehmann(
    first: FloatArray, second: FloatArray, level: float
) -> tuple[tuple[Estimate, ...], tuple[str, ...]]:
    """Estimate the shift; its limits are order statistics of the differences (Hollander and Wolfe)."""
    m, n = first.size, second.size
    if m * n > _MAX_DIFFERENCES:
        return (), (f"no Hodges-Lehmann shift: {m * n} differences are more than {_MAX_DIFFERENCES}",)
    differences = np.sort(np.subtract.outer(first, second), axis=None)
    if m < _SMALL and n < _SMALL:
        place = _exact_rank_sum_quantile(m, n, (1 - level) / 2)
    else:
        spread = math.sqrt(m * n * (m + n + 1) / 12)
        place = int(m * n / 2 - wald_quantile(level) * spread)
    return _ordered_estimate("Hodges-Lehmann shift", differences, place, level)


def _exact_rank_sum_quantile(m: int, n: int, tail: float) -> int:
    """Return how many differences to leave off at either end: the largest k with P(U <= k - 1) <= tail."""
    ranks = np.arange(1, m + n + 1)
    low, high = 0, m * n // 2
    while low < high:
        middle = (low + high + 1) // 2
        if rank_sum_tail(ranks, m, m * (m + 1) // 2 + middle - 1) <= tail:
            low = middle
        else:
            high = middle - 1
    return low


def _ordered_estimate(
    name: str, ordered: FloatArray, place: int, level: float
) -> tuple[tuple[Estimate, ...], tuple[str, ...]]:
    note = () if place > 0 else (f"too few values for a {level:.0%} interval of the {name}",)
    return (ordered_estimate(name, ordered, max(place, 0), level),), note


def _exact_signed_rank_p(ranks: FloatArray, v: float, alternative: Alternative) -> float:
    doubled = _doubled(ranks)
    total, observed = int(doubled.sum()), round(2 * v)
    # Symmetric about half the total: the upper tail is the lower tail of the rest.
    if alternative == "less":
        return signed_rank_tail(doubled, observed)
    if alternative == "greater":
        return signed_rank_tail(doubled, total - observed)
    return min(1.0, 2 * signed_rank_tail(doubled, min(observed, total - observed)))


def _asymptotic_signed_rank_p(
    ranks: FloatArray, v: float, continuity: bool, alternative: Alternative
) -> float:
    n = ranks.size
    _, ties = np.unique(ranks, return_counts=True)
    correction = float((ties.astype(float) ** 3 - ties).sum()) / 48
    deviation = math.sqrt(n * (n + 1) * (2 * n + 1) / 24 - correction)
    return _normal_p(v - n * (n + 1) / 4, deviation, continuity, alternative)


def _sign_flip_p(signed_ranks: FloatArray, codes: IntArray, alternative: Alternative) -> float:
    sums = cluster_sums(signed_ranks, codes)
    if sums.size < 2 or not sums.any():
        raise not_estimable("there are too few clusters for a signed-rank test", n_clusters=sums.size)
    return _normal_p(float(sums.sum()), math.sqrt(float((sums**2).sum())), False, alternative)


def _pseudomedian(differences: FloatArray, level: float) -> tuple[tuple[Estimate, ...], tuple[str, ...]]:
    n = differences.size
    if n * (n + 1) // 2 > _MAX_DIFFERENCES:
        return (), (f"no pseudomedian: the averages of {n} differences are too many",)
    upper = np.triu_indices(n)
    walsh = np.sort((differences[upper[0]] + differences[upper[1]]) / 2)
    tail = (1 - level) / 2
    if n < _SMALL:
        ranks = np.arange(1, n + 1)
        place = 0
        while signed_rank_tail(ranks, place) <= tail:
            place += 1
    else:
        spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        place = int(n * (n + 1) / 4 - wald_quantile(level) * spread)
    return _ordered_estimate("pseudomedian", walsh, place, level)
