"""Agreement of two measurements: limits of agreement, and Lin's concordance."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from volumetry.statistics.arguments import checked
from volumetry.statistics.result import Estimate, StatisticResult
from volumetry.statistics.rows import not_estimable
from volumetry.statistics.samples import read_pairs
from volumetry.statistics.types import Column, FloatArray, Table
from volumetry.statistics.wald import wald_estimate, wald_quantile

Scale = Literal["absolute", "log", "percent"]
_UNITS = {"log": "", "percent": "%"}


@checked
def bland_altman(
    first: Column,
    second: Column,
    *,
    scale: Scale = "absolute",
    unit: str = "",
    data: Table | None = None,
    cluster: Column | None = None,
    level: float = 0.95,
) -> StatisticResult:
    """Estimate bias and limits of agreement of two measurements of the same lesions.

    Parameters
    ----------
    scale : {'absolute', 'log', 'percent'}
        Differences first less second; differences of natural logarithms; or differences in percent of the
        pair's mean.
    unit : str
        Of the measurements, for the absolute scale.
    cluster : column, optional
        Not heeded: where clusters repeat, this is warned about and recorded.
    level : float
        Of the limits (0.95: bias +- 1.96 SD) and of all intervals.
    first, second, data : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        Estimates ``bias``, ``lower limit``, ``upper limit``; on the log scale also ``ratio``, ``lower ratio``
        and ``upper ratio``, their exponentials. Intervals of the limits use the variance
        SD**2 (1/n + z**2 / (2 (n - 1))). The p value is that of proportional bias (slope of the difference on
        the mean). In ``details``: ``sd_of_differences``, ``within_subject_sd`` (root of the mean squared
        difference / 2), ``repeatability_coefficient``, ``slope`` (Estimate), ``limit_error_1986``
        (root of 3 SD**2 / n, Lancet 1986), ``means`` and ``differences`` for the figure.

    Notes
    -----
    Bland JM, Altman DG, Lancet 1986;1:307-310 and Stat Methods Med Res 1999;8:135-160.

    Raises
    ------
    StatisticsError
        `not-estimable` for fewer than three pairs, or values not above 0 on the log or percent scale.
    """
    rows = read_pairs(first, second, cluster, data=data, accounted=False)
    n = rows.n_used
    if n < 3:
        raise not_estimable("limits of agreement need three pairs", n_pairs=n)
    differences, means = _differences(rows.first, rows.second, scale)
    within = math.sqrt(float((differences**2).mean()) / 2)
    slope, slope_note = _slope(means, differences, level)
    estimates = _limits(differences, _UNITS.get(scale, unit), level)
    if scale == "log":
        names = ("ratio", "lower ratio", "upper ratio")
        estimates += tuple(_ratio(name, e) for name, e in zip(names, estimates, strict=True))
    return rows.result(
        f"Bland-Altman limits of agreement, {scale} scale",
        slope,
        estimates=estimates,
        df=float(n - 2),
        notes=slope_note,
        details={
            "sd_of_differences": float(differences.std(ddof=1)),
            "within_subject_sd": within,
            "repeatability_coefficient": wald_quantile(level) * math.sqrt(2) * within,
            "slope": slope,
            "limit_error_1986": math.sqrt(3 * float(differences.var(ddof=1)) / n),
            "means": means.tolist(),
            "differences": differences.tolist(),
        },
    )


@checked
def lin_concordance(
    first: Column,
    second: Column,
    *,
    data: Table | None = None,
    cluster: Column | None = None,
    level: float = 0.95,
) -> StatisticResult:
    """Estimate Lin's concordance correlation with its interval on Fisher's z scale.

    Parameters
    ----------
    cluster : column, optional
        Not heeded: where clusters repeat, this is warned about and recorded.
    first, second, data, level : as in every function of `volumetry.statistics`

    Notes
    -----
    Lin LI, Biometrics 1989;45:255-268, with the correction of 2000;56:324-325. As R's ``epiR::epi.ccc``.

    Raises
    ------
    StatisticsError
        `not-estimable` for fewer than three pairs, or a constant measurement.
    """
    rows = read_pairs(first, second, cluster, data=data, accounted=False)
    one, two, n = rows.first, rows.second, rows.n_used
    if n < 3 or np.ptp(one) == 0 or np.ptp(two) == 0:
        raise not_estimable("a concordance needs three pairs, and both measurements must vary", n_pairs=n)
    # The concordance does not depend on the unit; squares of tiny values would underflow.
    scale = max(float(np.ptp(one)), float(np.ptp(two)))
    one, two = one / scale, two / scale
    variance_one, variance_two = float(one.var()), float(two.var())
    if variance_one * variance_two == 0:
        raise not_estimable("one measurement hardly varies beside the other", n_pairs=n)
    covariance = float(((one - one.mean()) * (two - two.mean())).mean())
    shift = float(one.mean() - two.mean())
    value = 2 * covariance / (variance_one + variance_two + shift**2)
    r = covariance / math.sqrt(variance_one * variance_two)
    u = shift / (variance_one * variance_two) ** 0.25
    notes: tuple[str, ...] = ()
    if abs(r) >= 1 or r == 0 or abs(value) >= 1:
        estimate = Estimate(name="concordance correlation", value=value, level=level)
        notes = ("the interval is not defined for a correlation of 0 or 1",)
    else:
        estimate = _concordance_estimate(value, r, u, n, level)
    return rows.result(
        "Lin's concordance correlation",
        estimates=(estimate,),
        alternative="",
        notes=notes,
        details={"pearson_r": r, "bias_correction": value / r if r else None},
    )


def _differences(one: FloatArray, two: FloatArray, scale: str) -> tuple[FloatArray, FloatArray]:
    if scale == "absolute":
        return one - two, (one + two) / 2
    if (one <= 0).any() or (two <= 0).any():
        raise not_estimable(
            f"the {scale} scale needs values above 0",
            n_not_above_zero=int(((one <= 0) | (two <= 0)).sum()),
            todo="Leave such lesions out, or use the absolute scale.",
        )
    if scale == "log":
        return np.log(one) - np.log(two), (np.log(one) + np.log(two)) / 2
    return 200 * (one - two) / (one + two), (one + two) / 2


def _limits(differences: FloatArray, unit: str, level: float) -> tuple[Estimate, ...]:
    n = differences.size
    bias, sd = float(differences.mean()), float(differences.std(ddof=1))
    z = wald_quantile(level)
    bias_error = sd / math.sqrt(n)
    limit_error = sd * math.sqrt(1 / n + z**2 / (2 * (n - 1)))
    places = (("bias", bias, bias_error), ("lower limit", bias - z * sd, limit_error))
    return tuple(
        wald_estimate(name, value, error, level, df=n - 1, unit=unit, tested=False)
        for name, value, error in (*places, ("upper limit", bias + z * sd, limit_error))
    )


def _ratio(name: str, estimate: Estimate) -> Estimate:
    assert estimate.ci_low is not None
    assert estimate.ci_high is not None
    return Estimate(
        name=name,
        value=math.exp(estimate.value),
        ci_low=math.exp(estimate.ci_low),
        ci_high=math.exp(estimate.ci_high),
        level=estimate.level,
    )


def _slope(
    means: FloatArray, differences: FloatArray, level: float
) -> tuple[Estimate | None, tuple[str, ...]]:
    n = means.size
    spread = float(((means - means.mean()) ** 2).sum())
    if spread == 0:
        return None, ("proportional bias: the means do not vary",)
    slope = float(((means - means.mean()) * differences).sum()) / spread
    residual = differences - differences.mean() - slope * (means - means.mean())
    error = math.sqrt(float((residual**2).sum()) / (n - 2) / spread)
    if error <= 1e-14 * max(1.0, abs(slope)):
        return None, ("proportional bias: the differences lie on a line, without error",)
    return wald_estimate("slope of difference on mean", slope, error, level, df=n - 2), ()


def _concordance_estimate(value: float, r: float, u: float, n: int, level: float) -> Estimate:
    first = (1 - r**2) * value**2 * (1 - value**2) / r**2
    second = 2 * value**3 * (1 - value) * u**2 / r
    third = value**4 * u**4 / (2 * r**2)
    error = math.sqrt(max(0.0, first + second - third) / (n - 2))
    half = wald_quantile(level) * error / (1 - value**2)
    return Estimate(
        name="concordance correlation",
        value=value,
        ci_low=math.tanh(math.atanh(value) - half),
        ci_high=math.tanh(math.atanh(value) + half),
        level=level,
        standard_error=error,
    )
