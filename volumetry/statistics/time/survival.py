"""Kaplan-Meier curves with their intervals, numbers at risk, and medians."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.result import Estimate, Result, StatisticResult
from volumetry.statistics.rows import present_values, read_numbers, sum_by
from volumetry.statistics.time.influence import Leaving, curve_variance
from volumetry.statistics.time.survival_rows import SurvivalRows, read_survival
from volumetry.statistics.types import BoolArray, Column, FloatArray, Table
from volumetry.statistics.wald import wald_estimate, wald_quantile

IntervalKind = Literal["log-log", "log", "plain"]

_TOLERANCE = float(np.sqrt(np.finfo(float).eps))


@dataclass(frozen=True, kw_only=True)
class CurveOptions:
    """How a survival curve is computed.

    Attributes
    ----------
    interval : "log-log", "log" or "plain"
        Scale of the pointwise confidence interval. ``log`` is R's default; ``plain`` is the one that SPSS's
        standard errors lead to.
    level : float
        Confidence level.
    weights : column, optional
        Case weights, for example inverse probability weights; the standard error is then robust.
    last_negative : column, optional
        Time of the last visit known to be free of the event. Only the width of the gap before each event
        is taken from it, for a note: the curve takes an event to happen on the day it is seen.

    Examples
    --------
    >>> vs.CurveOptions(interval='plain').interval
    'plain'
    """

    interval: IntervalKind = "log-log"
    level: float = 0.95
    weights: Column | None = None
    last_negative: Column | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class SurvivalQuantile(Result):
    """A quantile of the survival time, None where the curve (or its limit) does not fall that far.

    Examples
    --------
    >>> vs.SurvivalQuantile(value=18.0, ci_low=12.0, ci_high=None).value
    18.0
    """

    value: float | None
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True, kw_only=True, repr=False)
class SurvivalCurve(Result):
    """A Kaplan-Meier curve.

    Attributes
    ----------
    label : str
        Its group.
    times : (m,) array
        Every distinct follow-up time of the group, in the unit of the input.
    n_at_risk, n_events, n_censored : (m,) array
        Before, at, and just after each time; weighted if there are weights.
    survival, standard_error, ci_low, ci_high : (m,) array
        From each time on. The limits are NaN where survival is 0, since no interval is defined there.
    interval, level
        As in `CurveOptions`.

    Examples
    --------
    >>> answer = vs.kaplan_meier('months', 'collapse', 'arm', data=hips, cluster='patient')
    >>> [curve.label for curve in answer.details['curves']]
    ['drug', 'none']
    """

    label: str
    times: FloatArray
    n_at_risk: FloatArray
    n_events: FloatArray
    n_censored: FloatArray
    survival: FloatArray
    standard_error: FloatArray
    ci_low: FloatArray
    ci_high: FloatArray
    interval: IntervalKind
    level: float

    def at(self, times: Any) -> dict[str, FloatArray]:
        """Return the curve at some times: a dict of ``times, n_at_risk, n_events, survival, ...``.

        ``n_events`` counts from after the time before (the first: from 0) up to each time.
        """
        wanted = np.asarray(times, dtype=np.float64)
        index = np.searchsorted(self.times, wanted + _TOLERANCE, side="right")
        counted = np.append(0.0, np.cumsum(self.n_events))[index]
        start = {"survival": 1.0, "standard_error": 0.0, "ci_low": 1.0, "ci_high": 1.0}
        found = {"times": wanted, "n_at_risk": self.numbers_at_risk(wanted)}
        found["n_events"] = np.diff(counted, prepend=0.0)
        return found | {name: np.append(first, getattr(self, name))[index] for name, first in start.items()}

    def numbers_at_risk(self, times: Any) -> FloatArray:
        """Return how many are followed up to each time or longer."""
        index = np.searchsorted(self.times, np.asarray(times, dtype=np.float64) - _TOLERANCE, side="left")
        return np.append(self.n_at_risk, 0.0)[index]

    def quantile(self, share: float = 0.5) -> SurvivalQuantile:
        """Return the time by which `share` have had the event, with limits where the band crosses."""
        return SurvivalQuantile(
            value=_crossing(self.times, self.survival, 1 - share),
            ci_low=_crossing(self.times, self.ci_low, 1 - share),
            ci_high=_crossing(self.times, self.ci_high, 1 - share),
        )

    def restricted_mean(self, tau: float) -> Estimate:
        """Return the mean survival time up to `tau`, the curve kept flat behind its last time.

        The variance is the sum over event times of (area from there to tau)^2 d / (n (n - d)).
        """
        inside = self.times < tau
        edges = np.concatenate([[0.0], self.times[inside], [tau]])
        areas = np.diff(edges) * np.append(1.0, self.survival[inside])
        after = areas.sum() - np.cumsum(areas)[:-1]
        variance = float((after**2 * greenwood_terms(self.n_events, self.n_at_risk)[inside]).sum())
        name = f"restricted mean {self.label}"
        return wald_estimate(name, float(areas.sum()), math.sqrt(variance), self.level, tested=False)


@checked
def kaplan_meier(
    duration: Column,
    event: Column,
    group: Column | None = None,
    *,
    data: Table | None = None,
    cluster: Column | None = None,
    options: CurveOptions | None = None,
) -> StatisticResult:
    """Estimate survival by group after Kaplan and Meier (1958), with Greenwood's variance.

    With `cluster` or weights the variance is the grouped infinitesimal jackknife (as in R's
    ``survfit(..., cluster=)``).

    Parameters
    ----------
    duration, event, group, cluster, options, data : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        Estimates are the medians, named ``"median <group>"``, of the groups that reach them;
        ``details["curves"]`` holds a `SurvivalCurve` per group, ``details["medians"]`` a
        `SurvivalQuantile` per group.
    """
    chosen = options or CurveOptions()
    rows = read_survival(duration, event, data, cluster, group=group, weights=chosen.weights)
    robust = cluster is not None or chosen.weights is not None
    curves, notes = curves_by_group(rows, chosen, robust=robust)
    medians = {curve.label: curve.quantile() for curve in curves}
    notes += tuple(f"median not reached: {label}" for label, m in medians.items() if m.value is None)
    if chosen.last_negative is not None:
        notes += _film_note(chosen.last_negative, data, rows)
    variance = "grouped infinitesimal jackknife" if robust else "Greenwood"
    return rows.result(
        f"Kaplan-Meier, {chosen.interval} interval, {variance} variance",
        estimates=tuple(
            Estimate(name=f"median {label}", level=chosen.level, **vars(median))
            for label, median in medians.items()
            if median.value is not None
        ),
        alternative="",
        notes=notes,
        details={"curves": curves, "medians": medians},
    )


def interval_limits(
    survival: FloatArray, standard_error: FloatArray, interval: IntervalKind, level: float
) -> tuple[FloatArray, FloatArray]:
    """Return pointwise limits of a survival probability; NaN where it is 0, 1 where it is 1 without error."""
    half = wald_quantile(level)
    inside = np.where((survival > 0) & (survival < 1), survival, np.nan)
    if interval == "plain":
        low, high = inside - half * standard_error, inside + half * standard_error
    elif interval == "log":
        factor = np.exp(half * standard_error / inside)
        low, high = inside / factor, inside * factor
    else:
        # Next to 1 the exponents leave the range of floats; the limits are then 0 and 1.
        with np.errstate(over="ignore"):
            exponent = half * standard_error / (inside * np.log(inside))
            low, high = inside ** np.exp(-exponent), inside ** np.exp(exponent)
    certain = survival >= 1
    return (np.where(certain, 1.0, np.maximum(low, 0.0)), np.where(certain, 1.0, np.minimum(high, 1.0)))


def curves_by_group(
    rows: SurvivalRows, options: CurveOptions, *, robust: bool
) -> tuple[tuple[SurvivalCurve, ...], tuple[str, ...]]:
    """Return the curve of every group that has rows, and notes on what they lack."""
    curves = []
    notes: tuple[str, ...] = ()
    for code, level in enumerate(rows.group.levels):
        inside = rows.group.codes == code
        if not inside.any():
            notes += (f"empty group left out: {level}",)
            continue
        curves.append(_curve(rows, inside, str(level), options, robust))
        if not (rows.event[inside] == 1).any():
            notes += (f"every row is censored: {level}",)
    return tuple(curves), notes


def _curve(
    rows: SurvivalRows, inside: BoolArray, label: str, options: CurveOptions, robust: bool
) -> SurvivalCurve:
    present, index = present_values(rows.time_index[inside])
    weights = rows.weights[inside]
    event = rows.event[inside] == 1
    deaths = sum_by(index, weights * event, len(present))
    gone = sum_by(index, weights, len(present))
    at_risk = np.cumsum(gone[::-1])[::-1]
    kept: FloatArray = np.where(at_risk - deaths > _TOLERANCE * at_risk, 1 - deaths / at_risk, 0.0)
    survival = kept.cumprod()
    if robust:
        leaving = Leaving(
            index=index, weights=weights, cluster=rows.cluster.codes[inside], n_times=len(present)
        )
        error = survival * np.sqrt(_jackknife_variance(leaving, event, deaths, at_risk))
    else:
        error = survival * np.sqrt(np.cumsum(greenwood_terms(deaths, at_risk)))
    low, high = interval_limits(survival, error, options.interval, options.level)
    return SurvivalCurve(
        label=label,
        times=rows.times[present],
        n_at_risk=at_risk,
        n_events=deaths,
        n_censored=gone - deaths,
        survival=survival,
        standard_error=error,
        ci_low=low,
        ci_high=high,
        interval=options.interval,
        level=options.level,
    )


def greenwood_terms(deaths: FloatArray, at_risk: FloatArray) -> FloatArray:
    """Return d / (n (n - d)), 0 where nobody is left (survival is 0 there, and needs no variance)."""
    left = at_risk - deaths
    safe = np.where(left > _TOLERANCE * at_risk, at_risk * left, np.inf)
    return deaths / safe


def jumps(deaths: FloatArray, at_risk: FloatArray) -> FloatArray:
    """Return 1 / (n - d), 0 where nobody is left."""
    left = at_risk - deaths
    return np.where(left > _TOLERANCE * at_risk, 1 / np.where(left > 0, left, np.inf), 0.0)


def _jackknife_variance(
    leaving: Leaving, event: BoolArray, deaths: FloatArray, at_risk: FloatArray
) -> FloatArray:
    """Return the variance of log S(t): the sum over clusters of their squared influence.

    The influence of a row with time T on -log S(t) is event / (n - d)(T) - H(T) once T <= t, and -H(t)
    before, with H the running sum of Greenwood's terms.
    """
    hazard_square, jump = np.cumsum(greenwood_terms(deaths, at_risk)), jumps(deaths, at_risk)
    finished = event * jump[leaving.index] - hazard_square[leaving.index]
    return curve_variance(
        leaving, finished[:, None], np.column_stack([np.ones_like(hazard_square), -hazard_square])
    )


def _crossing(times: FloatArray, values: FloatArray, level: float) -> float | None:
    """Return where a falling step curve passes `level`; the middle of the step if it runs along it."""
    known = ~np.isnan(values)
    below = np.flatnonzero(known & (values < level + _TOLERANCE))
    if len(below) == 0:
        return None
    first = below[0]
    if abs(values[first] - level) < _TOLERANCE:
        lower = below[values[below] < values[first] - _TOLERANCE]
        if len(lower):
            return float((times[first] + times[lower[0]]) / 2)
    return float(times[first])


def _film_note(last_negative: Column, data: Table | None, rows: SurvivalRows) -> tuple[str, ...]:
    before = read_numbers(last_negative, data, name="last_negative")
    if before.shape != rows.used.shape:
        raise UsageError("usage", "the columns differ in length", values={"last_negative": len(before)})
    before = before[rows.used]
    gap = (rows.duration - before)[(rows.event == 1) & ~np.isnan(before)]
    if len(gap) == 0:
        return ()
    return (
        f"interval-censored: {len(gap)} events lie between two visits a median of {np.median(gap):.4g} "
        f"(at most {gap.max():.4g}) apart; each is taken to happen at the later one",
    )
