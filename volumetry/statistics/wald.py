"""Wald estimates: a value and its standard error, with the normal or t interval and test made of them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy import special

from volumetry.statistics.result import Estimate
from volumetry.statistics.rows import not_estimable
from volumetry.statistics.types import Alternative, FloatArray


def wald_quantile(level: float, df: float = math.inf) -> float:
    """Return the two-sided quantile of a confidence level: 1.96 for 0.95 where `df` is infinite."""
    upper = 0.5 + level / 2
    return float(special.ndtri(upper) if math.isinf(df) else special.stdtrit(df, upper))


def tail_p(statistic: float, alternative: Alternative = "two-sided", df: float = math.inf) -> float:
    """Return the p value of a z statistic, or of a t statistic with `df` degrees of freedom."""
    signed = {"two-sided": -abs(statistic), "less": statistic, "greater": -statistic}[alternative]
    tail = float(special.ndtr(signed) if math.isinf(df) else special.stdtr(df, signed))
    return 2 * tail if alternative == "two-sided" else tail


def held_exp(value: float) -> float | None:
    """Return the exponential; None where no float holds it: a limit that large says nothing."""
    return None if value > 700 else math.exp(value)


def wald_estimate(
    name: str,
    value: float,
    error: float,
    level: float = 0.95,
    *,
    df: float = math.inf,
    null: float = 0.0,
    alternative: Alternative = "two-sided",
    unit: str = "",
    tested: bool = True,
    ratio: bool = False,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> Estimate:
    """Return value, interval and test.

    `ratio` says that `value` and `error` are those of a logarithm, and gives the ratio; an upper limit that
    no float holds is then None. Limits are cut at the ends of `within`. Without error nothing is tested.
    """
    value, error = float(value), float(error)
    if ratio and value > 700:
        raise not_estimable(f"{name}: the ratio leaves the range of numbers", todo="Rescale the covariates.")
    half = wald_quantile(level, df) * error
    statistic = (value - null) / error if tested and error > 0 else None
    low, high = max(value - half, within[0]), min(value + half, within[1])
    return Estimate(
        name=name,
        value=math.exp(value) if ratio else value,
        ci_low=math.exp(low) if ratio else low,
        ci_high=held_exp(high) if ratio else high,
        level=level,
        unit=unit,
        standard_error=error,
        statistic=statistic,
        p_value=None if statistic is None else tail_p(statistic, alternative, df),
    )


def ordered_estimate(name: str, ordered: FloatArray, place: int, level: float, unit: str = "") -> Estimate:
    """Return the median of ordered values, with the `place`-th from either end as limits; 0: without."""
    low, high = (float(ordered[place - 1]), float(ordered[-place])) if place > 0 else (None, None)
    value = float(np.median(ordered))
    return Estimate(name=name, value=value, ci_low=low, ci_high=high, level=level, unit=unit)


def coefficient_estimates(
    names: tuple[str, ...],
    values: FloatArray,
    errors: FloatArray,
    level: float,
    *,
    df: FloatArray | float = math.inf,
    ratio: bool = False,
    limits: FloatArray | None = None,
    chi_squared: FloatArray | None = None,
) -> tuple[Estimate, ...]:
    """Return the estimates of a model's coefficients, the intercept last.

    `limits`, (p, 2), and `chi_squared`, (p,), are those of a likelihood's profile and stand in for Wald's. A
    coefficient without error has neither interval nor test.
    """
    found = []
    for j, (name, one_df) in enumerate(zip(names, np.broadcast_to(df, len(names)), strict=True)):
        estimate = wald_estimate(name, values[j], errors[j], level, df=one_df, ratio=ratio)
        if errors[j] == 0:
            estimate = replace(estimate, ci_low=None, ci_high=None)
        if limits is not None:
            low, high = limits[j].tolist()
            estimate = replace(estimate, ci_low=held_exp(low), ci_high=held_exp(high))
        if chi_squared is not None:
            p_value = float(special.chdtrc(1, chi_squared[j]))
            estimate = replace(estimate, statistic=float(chi_squared[j]), p_value=p_value)
        found.append(estimate)
    return (*found[1:], found[0]) if names[0] == "intercept" else tuple(found)
