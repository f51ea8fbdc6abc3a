"""Spread and shape of samples: Levene's test, Shapiro and Wilk's test (only reported), quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from scipy import stats

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.result import StatisticResult, Used
from volumetry.statistics.rows import not_estimable, read_numbers
from volumetry.statistics.samples import read_samples
from volumetry.statistics.types import ClusterPair, Column, Table

_QUANTILE_METHODS = {2: "averaged_inverted_cdf", 6: "weibull", 7: "linear"}


@checked
def levene_test(
    first: Column,
    second: Column | None = None,
    *,
    center: Literal["median", "mean"] = "median",
    data: Table | None = None,
    group: Column | None = None,
    levels: Sequence[Any] | None = None,
    cluster: Column | ClusterPair | None = None,
) -> StatisticResult:
    """Test whether two groups vary equally.

    Parameters
    ----------
    center : {'median', 'mean'}
        Median is Brown and Forsythe's version (R's default), mean is Levene's own (SPSS).
    cluster : pair of sequences, or column, optional
        Not heeded: where clusters repeat, this is warned about and recorded.
    first, second, data, group, levels : as in every function of `volumetry.statistics`

    Raises
    ------
    StatisticsError
        `not-estimable` if a group has fewer than two values or no group varies.
    """
    rows = read_samples(first, second, cluster, data=data, group=group, levels=levels, accounted=False)
    if min(rows.first.size, rows.second.size) < 2:
        raise not_estimable("a group is too small for Levene's test", **rows.sizes)
    if np.ptp(rows.first) == 0 and np.ptp(rows.second) == 0:
        raise not_estimable("neither group varies")
    with np.errstate(divide="ignore", invalid="ignore"):
        answer = stats.levene(rows.first, rows.second, center=center)
    if not np.isfinite(answer.statistic):
        raise not_estimable("the distances from the centre do not vary within the groups")
    return rows.result(
        f"Levene's test about the {center}",
        statistic=float(answer.statistic),
        df=(1.0, float(rows.n_used - 2)),
        p_value=float(answer.pvalue),
        details={"sd_first": float(rows.first.std(ddof=1)), "sd_second": float(rows.second.std(ddof=1))},
    )


@checked
def shapiro_wilk_test(values: Column, *, data: Table | None = None) -> StatisticResult:
    """Report Shapiro and Wilk's test of normality.

    It is reported only: choosing between tests by its p value would spoil theirs.

    Raises
    ------
    StatisticsError
        `not-estimable` for fewer than three values, more than 5000, or a constant.
    """
    numbers = read_numbers(values, data)
    known = numbers[~np.isnan(numbers)]
    if not 3 <= known.size <= 5000:
        raise not_estimable("Shapiro and Wilk's test takes 3 to 5000 values", n=known.size)
    if np.ptp(known) == 0:
        raise not_estimable("all values are equal", n=known.size)
    # The statistic does not depend on place and scale; tiny values would underflow.
    answer = stats.shapiro((known - known.min()) / np.ptp(known))
    return Used(n_used=known.size, n_missing=numbers.size - known.size).result(
        "Shapiro-Wilk test",
        statistic=float(answer.statistic),
        p_value=float(answer.pvalue),
        notes=("reported only; no test was chosen by it",),
    )


@checked
def quantiles(
    values: Column,
    probabilities: Sequence[float] = (0.25, 0.5, 0.75),
    *,
    kind: int = 7,
    data: Table | None = None,
) -> tuple[float, ...]:
    """Return quantiles by a named rule of Hyndman and Fan (Am Stat 1996;50:361-365).

    Parameters
    ----------
    values : array_like
        Missing values are left out.
    probabilities : sequence of float
        In [0, 1].
    kind : {7, 6, 2}
        7 is the default of R, numpy and pandas; 6 that of SPSS (HAVERAGE) and Minitab; 2 that of SAS.

    Raises
    ------
    StatisticsError
        `not-estimable` without any value.
    """
    if kind not in _QUANTILE_METHODS:
        raise UsageError("usage", "the kind of quantile is 2, 6 or 7", values={"kind": kind})
    if any(not 0 <= probability <= 1 for probability in probabilities):
        raise UsageError("usage", "probabilities lie between 0 and 1")
    numbers = read_numbers(values, data)
    known = numbers[~np.isnan(numbers)]
    if known.size == 0:
        raise not_estimable("an empty sample has no quantiles")
    found = np.quantile(known, list(probabilities), method=_QUANTILE_METHODS[kind])  # type: ignore[call-overload]
    return tuple(float(value) for value in found)
