"""Student's, Welch's and the paired t test, from rows or from printed means and standard deviations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy import stats

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.clusters import (
    Sample,
    check_clusters,
    clean_pairs,
    clean_two_samples,
    cluster_sums,
    has_repeats,
)
from volumetry.statistics.result import Estimate, Result, StatisticResult
from volumetry.statistics.rows import not_estimable
from volumetry.statistics.types import Alternative, ClusterPair, Column, FloatArray, IntArray, Table
from volumetry.statistics.wald import wald_estimate

Variances = Literal["unequal", "equal"]


@dataclass(frozen=True, kw_only=True, repr=False)
class SampleSummary(Result):
    """Mean, standard deviation (n - 1) and size of a sample, as papers print them.

    Examples
    --------
    >>> first = vs.SampleSummary(mean=13.8, sd=7.3, n=112)
    >>> first.n
    112
    """

    mean: float
    sd: float
    n: int

    def __post_init__(self) -> None:
        if self.n < 0 or self.sd < 0 or not (math.isfinite(self.mean) and math.isfinite(self.sd)):
            raise UsageError(
                "usage",
                "a summary has a finite mean, an SD not below 0 and a size",
                values={"mean": self.mean, "sd": self.sd, "n": self.n},
            )


@checked
def t_test(
    first: Column,
    second: Column | None = None,
    *,
    variances: Variances = "unequal",
    alternative: Alternative = "two-sided",
    data: Table | None = None,
    group: Column | None = None,
    levels: Sequence[Any] | None = None,
    cluster: Column | ClusterPair | None = None,
    level: float = 0.95,
) -> StatisticResult:
    """Compare two means: Welch's t test, or Student's with equal variances.

    Parameters
    ----------
    first, second : array_like
        Values of the two groups; missing ones are left out and counted.
    variances : {'unequal', 'equal'}
        Unequal is Welch's test, the default; equal is Student's.
    alternative : {'two-sided', 'less', 'greater'}
        "less": the mean of the first group is the lower one. The interval is always two-sided.
    cluster : pair of sequences, or column, optional
        Patients of both groups' rows. Where patients repeat, the standard error is cluster-robust (that of
        least squares on a group indicator, with the factor G/(G-1) (N-1)/(N-2)) and df is clusters - 1.
    data, group, levels, level : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        Estimate: mean difference, first less second. ``details["groups"]``: n, mean and SD of each.

    Raises
    ------
    StatisticsError
        `not-estimable` if a group is too small or nothing varies.
    """
    one, two = clean_two_samples(first, second, cluster, data=data, group=group, levels=levels)
    warned = check_clusters(cluster, data).notes if cluster is None else ()
    n_missing = one.n_missing + two.n_missing
    if one.clusters is not None and two.clusters is not None:
        codes = np.concatenate([one.clusters, two.clusters])
        if has_repeats(codes):
            return _clustered_t_test(one, two, codes, alternative, level)
    summaries = [_summary(sample.values) for sample in (one, two)]
    n_clusters = None if one.clusters is None else one.size + two.size
    result = _from_summaries(
        summaries, variances, alternative, level, n_missing=n_missing, n_clusters=n_clusters
    )
    return replace(result, notes=(*result.notes, *warned))


@checked
def t_test_from_summary(
    first: SampleSummary,
    second: SampleSummary,
    *,
    variances: Variances = "unequal",
    alternative: Alternative = "two-sided",
    level: float = 0.95,
) -> StatisticResult:
    """Compare two means of which only mean, SD and n are known, as in a published table.

    Parameters are those of `t_test`. Whether rows were clustered cannot be known from summaries.
    """
    return _from_summaries([first, second], variances, alternative, level)


@checked
def paired_t_test(
    first: Column,
    second: Column,
    *,
    alternative: Alternative = "two-sided",
    data: Table | None = None,
    cluster: Column | None = None,
    level: float = 0.95,
) -> StatisticResult:
    """Test whether the mean of the differences, first less second, is 0.

    Parameters
    ----------
    first, second : array_like
        Two measurements of the same rows, for example follow-up and baseline; a pair lacking either is
        left out and counted.
    alternative : {'two-sided', 'less', 'greater'}
        "less": the first is the lower one. The interval is always two-sided.
    cluster : column, optional
        Patient of each pair. Where patients repeat the standard error is cluster-robust with factor
        G/(G-1), and df is clusters - 1.
    data, level : as in every function of `volumetry.statistics`

    Raises
    ------
    StatisticsError
        `not-estimable` for fewer than two pairs (or clusters), or if all differences are equal.
    """
    one, two, codes, n_missing = clean_pairs(first, second, cluster, data=data)
    warned = check_clusters(cluster, data).notes if cluster is None else ()
    differences = one - two
    if differences.size < 2:
        raise not_estimable("a paired t test needs two pairs", n_pairs=differences.size)
    clustered = codes is not None and has_repeats(codes)
    error, df = _mean_error(differences, codes if clustered else None)
    if error <= 1e-14 * max(1.0, float(np.abs(one).max()), float(np.abs(two).max())):
        raise not_estimable("all differences are equal", n_pairs=differences.size)
    mean = float(differences.mean())
    estimate = _difference(mean, error, df, alternative, level)
    return StatisticResult(
        method="Paired t test" + (", cluster-robust" if clustered else ""),
        estimates=(estimate,),
        statistic=estimate.statistic,
        df=df,
        p_value=estimate.p_value,
        alternative=alternative,
        correction="clusters / (clusters - 1)" if clustered else "none",
        n_used=differences.size,
        n_missing=n_missing,
        n_clusters=None if codes is None else int(codes.max()) + 1,
        notes=warned,
        details={
            "sd_of_differences": float(differences.std(ddof=1)),
            "mean_first": float(one.mean()),
            "mean_second": float(two.mean()),
        },
    )


@checked
def paired_t_test_from_summary(
    first: SampleSummary,
    second: SampleSummary,
    *,
    correlation: float,
    alternative: Alternative = "two-sided",
    level: float = 0.95,
) -> StatisticResult:
    """Do a paired t test where only both means and SDs are printed, for an assumed correlation.

    Parameters
    ----------
    first, second : SampleSummary
        Of the same subjects, so that their sizes are equal.
    correlation : float
        Between both measurements, in [-1, 1]; it decides the answer and is seldom printed.
    alternative, level
        As in `paired_t_test`.

    Raises
    ------
    UsageError
        `usage` for unequal sizes or an impossible correlation.
    StatisticsError
        `not-estimable` for fewer than two pairs, or differences that would not vary.
    """
    n = _pair_count(first, second)
    if not -1 <= correlation <= 1:
        raise UsageError("usage", "a correlation lies in [-1, 1]", values={"correlation": correlation})
    variance = first.sd**2 + second.sd**2 - 2 * correlation * first.sd * second.sd
    if variance <= 1e-14 * (first.sd**2 + second.sd**2):
        raise not_estimable("with this correlation the differences do not vary")
    error, difference = math.sqrt(variance / n), first.mean - second.mean
    estimate = _difference(difference, error, n - 1.0, alternative, level)
    return StatisticResult(
        method="Paired t test from summaries",
        estimates=(estimate,),
        statistic=estimate.statistic,
        df=float(n - 1),
        p_value=estimate.p_value,
        alternative=alternative,
        n_used=n,
        notes=(f"the correlation {correlation:g} is assumed",),
        details={"sd_of_differences": math.sqrt(variance)},
    )


@checked
def correlation_of_paired_p(first: SampleSummary, second: SampleSummary, p_value: float) -> float:
    """Return the correlation at which a paired t test gives the two-sided `p_value`.

    A value outside [-1, 1] means that no data with these means and SDs can give that p value.

    Raises
    ------
    StatisticsError
        `not-estimable` for equal means, an SD of 0 or fewer than two pairs.
    """
    n = _pair_count(first, second)
    if not 0 < p_value < 1:
        raise UsageError("usage", "a p value lies between 0 and 1", values={"p_value": p_value})
    if first.mean == second.mean or first.sd * second.sd == 0:
        raise not_estimable("equal means, or an SD of 0, say nothing about the correlation")
    error = abs(first.mean - second.mean) / float(stats.t.isf(p_value / 2, n - 1))
    return (first.sd**2 + second.sd**2 - n * error**2) / (2 * first.sd * second.sd)


def _pair_count(first: SampleSummary, second: SampleSummary) -> int:
    if first.n != second.n:
        raise UsageError("usage", "pairs have one size", values={"n_first": first.n, "n_second": second.n})
    if first.n < 2:
        raise not_estimable("a paired t test needs two pairs", n_pairs=first.n)
    return first.n


def _summary(values: FloatArray) -> SampleSummary:
    n = int(values.size)
    if n == 0:
        return SampleSummary(mean=0.0, sd=0.0, n=0)
    sd = float(values.std(ddof=1)) if n > 1 else 0.0
    # A constant column may keep a rounding error for an SD.
    return SampleSummary(mean=float(values.mean()), sd=0.0 if np.ptp(values) == 0 else sd, n=n)


def _from_summaries(
    groups: Sequence[SampleSummary],
    variances: Variances,
    alternative: Alternative,
    level: float,
    *,
    n_missing: int = 0,
    n_clusters: int | None = None,
) -> StatisticResult:
    one, two = groups
    least = min(one.n, two.n)
    if least == 0 or (variances == "unequal" and least < 2) or one.n + two.n < 3:
        raise not_estimable(
            "a group is too small for a t test",
            n_first=one.n,
            n_second=two.n,
            todo="Each group needs two values.",
        )
    error, df = _welch_error(one, two) if variances == "unequal" else _student_error(one, two)
    if error == 0:
        raise not_estimable("neither group varies, so that the t statistic has no error to divide by")
    estimate = _difference(one.mean - two.mean, error, df, alternative, level)
    notes = ("a group has a single value; its variance is that of the other group",) if least == 1 else ()
    return StatisticResult(
        method="Welch's t test" if variances == "unequal" else "Student's t test",
        estimates=(estimate,),
        statistic=estimate.statistic,
        df=df,
        p_value=estimate.p_value,
        alternative=alternative,
        correction="Welch-Satterthwaite df" if variances == "unequal" else "none",
        n_used=one.n + two.n,
        n_missing=n_missing,
        n_clusters=n_clusters,
        notes=notes,
        details={"groups": _group_details(groups)},
    )


def _welch_error(one: SampleSummary, two: SampleSummary) -> tuple[float, float]:
    parts = [group.sd**2 / group.n for group in (one, two)]
    total = sum(parts)
    if total == 0:
        return 0.0, 1.0
    # Shares first: squares of tiny variances would underflow.
    shares = [part / total for part in parts]
    df = 1 / (shares[0] ** 2 / (one.n - 1) + shares[1] ** 2 / (two.n - 1))
    return math.sqrt(total), df


def _student_error(one: SampleSummary, two: SampleSummary) -> tuple[float, float]:
    df = one.n + two.n - 2
    pooled = ((one.n - 1) * one.sd**2 + (two.n - 1) * two.sd**2) / df
    return math.sqrt(pooled * (1 / one.n + 1 / two.n)), float(df)


def _clustered_t_test(
    one: Sample, two: Sample, codes: IntArray, alternative: Alternative, level: float
) -> StatisticResult:
    n, n_clusters = codes.size, int(codes.max()) + 1
    if min(one.size, two.size) == 0 or n < 3 or n_clusters < 2:
        raise not_estimable(
            "a group is empty or all rows are of one cluster",
            n_first=one.size,
            n_second=two.size,
            n_clusters=n_clusters,
        )
    shares = np.concatenate(
        [(one.values - one.values.mean()) / one.size, -(two.values - two.values.mean()) / two.size]
    )
    sums = cluster_sums(shares, codes)
    error = math.sqrt(n_clusters / (n_clusters - 1) * (n - 1) / (n - 2) * float((sums**2).sum()))
    if error == 0 or (np.ptp(one.values) == 0 and np.ptp(two.values) == 0):
        raise not_estimable("neither group varies, so that the t statistic has no error to divide by")
    difference = float(one.values.mean() - two.values.mean())
    df = float(n_clusters - 1)
    estimate = _difference(difference, error, df, alternative, level)
    return StatisticResult(
        method="t test, cluster-robust",
        estimates=(estimate,),
        statistic=estimate.statistic,
        df=df,
        p_value=estimate.p_value,
        alternative=alternative,
        correction="G/(G-1) (N-1)/(N-2)",
        n_used=n,
        n_missing=one.n_missing + two.n_missing,
        n_clusters=n_clusters,
        details={"groups": _group_details([_summary(one.values), _summary(two.values)])},
    )


def _mean_error(values: FloatArray, codes: IntArray | None) -> tuple[float, float]:
    n = values.size
    if codes is None:
        return float(values.std(ddof=1)) / math.sqrt(n), float(n - 1)
    sums = cluster_sums(values - values.mean(), codes)
    if sums.size < 2:
        raise not_estimable("all pairs are of one cluster", n_clusters=sums.size)
    variance = sums.size / (sums.size - 1) * float((sums**2).sum()) / n**2
    return math.sqrt(variance), float(sums.size - 1)


def _difference(value: float, error: float, df: float, alternative: Alternative, level: float) -> Estimate:
    return wald_estimate("mean difference", value, error, level, df=df, alternative=alternative)


def _group_details(groups: Sequence[SampleSummary]) -> dict[str, dict[str, float]]:
    return {
        name: {"n": group.n, "mean": group.mean, "sd": group.sd}
        for name, group in zip(("first", "second"), groups, strict=True)
    }
