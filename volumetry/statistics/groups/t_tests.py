"""Student's, Welch's and the paired t test, from rows or from printed means and standard deviations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from scipy import stats

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.clusters import cluster_error
from volumetry.statistics.result import Estimate, Result, StatisticResult, Used
from volumetry.statistics.rows import not_estimable
from volumetry.statistics.samples import read_pairs, read_samples
from volumetry.statistics.types import Alternative, ClusterPair, Column, FloatArray, Table
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
    variances : {'unequal', 'equal'}
        Unequal is Welch's test, the default; equal is Student's.
    cluster : pair of sequences, or column, optional
        Patients of both groups' rows. Where patients repeat, the standard error is cluster-robust (that of
        least squares on a group indicator, with the factor G/(G-1) (N-1)/(N-2)) and df is clusters - 1.
    first, second, alternative, data, group, levels, level : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        Estimate: mean difference, first less second. ``details["groups"]``: n, mean and SD of each.

    Raises
    ------
    StatisticsError
        `not-estimable` if a group is too small or nothing varies.
    """
    rows = read_samples(first, second, cluster, data=data, group=group, levels=levels)
    one, two = _summary(rows.first), _summary(rows.second)
    if rows.repeats is None:
        return _from_summaries(rows, one, two, variances, alternative, level)
    if min(one.n, two.n) == 0 or rows.n_used < 3:
        raise not_estimable("a group is empty", **rows.sizes)
    shares = np.concatenate([(rows.first - one.mean) / one.n, (two.mean - rows.second) / two.n])
    error, n_clusters = cluster_error(shares, rows.repeats)
    _require_error(0.0 if one.sd == two.sd == 0 else error)
    error *= math.sqrt((rows.n_used - 1) / (rows.n_used - 2))
    estimate = _difference(one.mean - two.mean, error, n_clusters - 1.0, alternative, level)
    return rows.result(
        "t test, cluster-robust",
        estimate,
        df=n_clusters - 1.0,
        alternative=alternative,
        correction="G/(G-1) (N-1)/(N-2)",
        details={"groups": _group_details(one, two)},
    )


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
    rows = Used(n_used=first.n + second.n)
    return _from_summaries(rows, first, second, variances, alternative, level)


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
    cluster : column, optional
        Patient of each pair. Where patients repeat the standard error is cluster-robust with factor
        G/(G-1), and df is clusters - 1.
    alternative, data, level : as in every function of `volumetry.statistics`

    Raises
    ------
    StatisticsError
        `not-estimable` for fewer than two pairs (or clusters), or if all differences are equal.
    """
    rows = read_pairs(first, second, cluster, data=data)
    differences, n = rows.first - rows.second, rows.n_used
    if n < 2:
        raise not_estimable("a paired t test needs two pairs", n_pairs=n)
    mean, clustered = float(differences.mean()), rows.repeats is not None
    error, df = float(differences.std(ddof=1)) / math.sqrt(n), n - 1
    if rows.repeats is not None:
        error, n_clusters = cluster_error((differences - mean) / n, rows.repeats)
        df = n_clusters - 1
    if error <= 1e-14 * max(1.0, float(np.abs([rows.first, rows.second]).max())):
        raise not_estimable("all differences are equal", n_pairs=n)
    return rows.result(
        "Paired t test" + (", cluster-robust" if clustered else ""),
        _difference(mean, error, float(df), alternative, level),
        df=float(df),
        alternative=alternative,
        correction="clusters / (clusters - 1)" if clustered else "none",
        details={
            "sd_of_differences": float(differences.std(ddof=1)),
            "mean_first": float(rows.first.mean()),
            "mean_second": float(rows.second.mean()),
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
    difference, error = first.mean - second.mean, math.sqrt(variance / n)
    return Used(n_used=n).result(
        "Paired t test from summaries",
        _difference(difference, error, n - 1.0, alternative, level),
        df=float(n - 1),
        alternative=alternative,
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
    rows: Used,
    one: SampleSummary,
    two: SampleSummary,
    variances: Variances,
    alternative: Alternative,
    level: float,
) -> StatisticResult:
    least, welch = min(one.n, two.n), variances == "unequal"
    if least == 0 or (welch and least < 2) or one.n + two.n < 3:
        sizes = {"n_first": one.n, "n_second": two.n}
        raise not_estimable("a group is too small for a t test", **sizes, todo="Each group needs two values.")
    error, df = _welch_error(one, two) if welch else _student_error(one, two)
    _require_error(error)
    return rows.result(
        "Welch's t test" if welch else "Student's t test",
        _difference(one.mean - two.mean, error, df, alternative, level),
        df=df,
        alternative=alternative,
        correction="Welch-Satterthwaite df" if welch else "none",
        notes=("a group has a single value; its variance is that of the other group",) if least == 1 else (),
        details={"groups": _group_details(one, two)},
    )


def _require_error(error: float) -> None:
    if error == 0:
        raise not_estimable("neither group varies, so that the t statistic has no error to divide by")


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


def _difference(value: float, error: float, df: float, alternative: Alternative, level: float) -> Estimate:
    return wald_estimate("mean difference", value, error, level, df=df, alternative=alternative)


def _group_details(one: SampleSummary, two: SampleSummary) -> dict[str, dict[str, float]]:
    return {"first": asdict(one), "second": asdict(two)}
