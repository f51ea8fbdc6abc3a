"""Competing risks: a hip that is replaced can no longer collapse.

One minus Kaplan-Meier, with replacements censored, overstates how many collapse; the Aalen-Johansen estimate
does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.result import Result, StatisticResult
from volumetry.statistics.rows import present_values, sum_by
from volumetry.statistics.time.influence import Leaving, curve_variance
from volumetry.statistics.time.survival import greenwood_terms, interval_limits, jumps
from volumetry.statistics.time.survival_rows import SurvivalRows, read_survival
from volumetry.statistics.types import BoolArray, Column, FloatArray, Table

Variance = Literal["jackknife", "aalen"]

_TOLERANCE = float(np.sqrt(np.finfo(float).eps))


@dataclass(frozen=True, kw_only=True)
class IncidenceOptions:
    """How cumulative incidence is estimated.

    Attributes
    ----------
    variance : "jackknife" or "aalen"
        Infinitesimal jackknife (R's survfit; the one that allows for clusters), or Aalen's as in R's
        cmprsk.
    interval : "log-log", "log" or "plain"
        On the scale of the incidence itself (log-log: Choudhury, Stat Med 2002;21:1129-44).
    level : float
    causes : mapping of int to str, optional
        Names of the event codes, for example ``{1: "collapse", 2: "hip replacement"}``.
    weights : column, optional

    Examples
    --------
    >>> vs.IncidenceOptions(interval='log').interval
    'log'
    """

    variance: Variance = "jackknife"
    interval: Literal["log-log", "log", "plain"] = "log-log"
    level: float = 0.95
    causes: Mapping[int, str] | None = None
    weights: Column | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class IncidenceCurve(Result):
    """Cumulative incidence of one cause in one group.

    Attributes
    ----------
    label, cause : str
    times : (m,) array
        Every distinct follow-up time of the group.
    n_at_risk, n_events : (m,) array
        Before each time, and events of this cause at it.
    incidence, standard_error, ci_low, ci_high : (m,) array
        From each time on; limits are 0 before the first event.
    level : float

    Examples
    --------
    >>> curves = vs.cumulative_incidence('months', 'cause', data=hips).details['curves']
    >>> curves[0].cause
    '1'
    """

    label: str
    cause: str
    times: FloatArray
    n_at_risk: FloatArray
    n_events: FloatArray
    incidence: FloatArray
    standard_error: FloatArray
    ci_low: FloatArray
    ci_high: FloatArray
    level: float

    def at(self, times: Any) -> dict[str, FloatArray]:
        """Return the curve at some times: a dict of ``times, incidence, standard_error, ci_low, ci_high``."""
        wanted = np.asarray(times, dtype=np.float64)
        index = np.searchsorted(self.times, wanted + _TOLERANCE, side="right")
        names = ("incidence", "standard_error", "ci_low", "ci_high")
        return {"times": wanted} | {name: np.append(0.0, getattr(self, name))[index] for name in names}


@checked
def cumulative_incidence(
    duration: Column,
    event: Column,
    group: Column | None = None,
    *,
    data: Table | None = None,
    cluster: Column | None = None,
    options: IncidenceOptions | None = None,
) -> StatisticResult:
    """Estimate the cumulative incidence of each cause by group (Aalen and Johansen 1978).

    Parameters
    ----------
    duration, event : column
        Time to the first event, and which: 0 censored, 1, 2, ... the causes.
    cluster : column, optional
        The patient; needs the jackknife variance.
    group, options, data : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        ``details["curves"]`` is a tuple of `IncidenceCurve`, groups within causes.

    Raises
    ------
    UsageError
        ``invalid-table`` for wrong columns; ``usage`` for clusters with Aalen's variance.
    """
    chosen = options or IncidenceOptions()
    if chosen.variance == "aalen" and (cluster is not None or chosen.weights is not None):
        raise UsageError(
            "usage", "Aalen's variance knows neither clusters nor weights", todo="Take jackknife."
        )
    rows = read_survival(duration, event, data, cluster, group=group, weights=chosen.weights, causes=True)
    found = sorted(int(cause) for cause in np.unique(rows.event[rows.event > 0]))
    names = {cause: (chosen.causes or {}).get(cause, str(cause)) for cause in found}
    curves = tuple(
        _curve(rows, rows.group.codes == code, str(level), (cause, name), chosen)
        for cause, name in names.items()
        for code, level in enumerate(rows.group.levels)
        if (rows.group.codes == code).any()
    )
    return rows.result(
        f"Aalen-Johansen cumulative incidence, {chosen.variance} variance",
        alternative="",
        notes=() if names else ("every row is censored",),
        details={"curves": curves, "causes": names},
    )


@dataclass(frozen=True, kw_only=True)
class _Table:
    """Events and risk sets of one group."""

    times: FloatArray
    index: np.ndarray[Any, np.dtype[np.int64]]
    at_risk: FloatArray
    of_cause: FloatArray
    of_any: FloatArray
    before: FloatArray


def _event_table(rows: SurvivalRows, inside: BoolArray, cause: int) -> _Table:
    present, index = present_values(rows.time_index[inside])
    weights, event = rows.weights[inside], rows.event[inside]
    m = len(present)
    at_risk = np.cumsum(sum_by(index, weights, m)[::-1])[::-1]
    of_any = sum_by(index, weights * (event > 0), m)
    left = np.where(at_risk - of_any > _TOLERANCE * at_risk, 1 - of_any / at_risk, 0.0)
    return _Table(
        times=rows.times[present],
        index=index,
        at_risk=at_risk,
        of_cause=sum_by(index, weights * (event == cause), m),
        of_any=of_any,
        before=np.append(1.0, left.cumprod()[:-1]),
    )


def _curve(
    rows: SurvivalRows, inside: BoolArray, label: str, cause: tuple[int, str], options: IncidenceOptions
) -> IncidenceCurve:
    table = _event_table(rows, inside, cause[0])
    incidence = np.cumsum(table.before * table.of_cause / table.at_risk)
    if options.variance == "aalen":
        variance = _aalen_variance(table, incidence)
    else:
        variance = _jackknife_variance(table, incidence, rows, inside, cause[0])
    error = np.sqrt(np.maximum(variance, 0.0))
    low, high = interval_limits(incidence, error, options.interval, options.level)
    none_yet = incidence <= 0
    return IncidenceCurve(
        label=label,
        cause=cause[1],
        times=table.times,
        n_at_risk=table.at_risk,
        n_events=table.of_cause,
        incidence=incidence,
        standard_error=error,
        ci_low=np.where(none_yet, 0.0, low),
        ci_high=np.where(none_yet, 0.0, high),
        level=options.level,
    )


def _jackknife_variance(
    table: _Table, incidence: FloatArray, rows: SurvivalRows, inside: BoolArray, cause: int
) -> FloatArray:
    """Return the sum over clusters of their squared influence on the incidence F.

    With H the sum of Greenwood's terms, dF the steps of F, n at risk, and B(t) the sum of
    dF (H before - 1 / n), the influence of a row still at risk is B(t). Of one that left at T, with c =
    event / (n - d)(T) - H(T), it is B(T) + c F(T) + [this cause] S(T-) / n(T) - c F(t).
    """
    hazard_square = np.cumsum(greenwood_terms(table.of_any, table.at_risk))
    steps = np.diff(incidence, prepend=0.0)
    B = np.cumsum(steps * (np.append(0.0, hazard_square[:-1]) - 1 / table.at_risk))
    event = rows.event[inside]
    at = table.index
    c = (event > 0) * jumps(table.of_any, table.at_risk)[at] - hazard_square[at]
    ended = B[at] + c * incidence[at] + (event == cause) * table.before[at] / table.at_risk[at]
    leaving = Leaving(
        index=at, weights=rows.weights[inside], cluster=rows.cluster.codes[inside], n_times=len(table.times)
    )
    loadings = np.column_stack([np.ones_like(incidence), -incidence, B])
    return curve_variance(leaving, np.column_stack([ended, c]), loadings)


def _aalen_variance(table: _Table, incidence: FloatArray) -> FloatArray:
    """Return Aalen's variance with hypergeometric ties, as R's cmprsk reports it.

    Events of this cause and of the others contribute the variance of their own increments, propagated to
    each later time by 1 - (F(t) - F(u)) / S(u) and -(F(t) - F(u)) / S(u).
    """
    n, d1 = table.at_risk, table.of_cause
    d2 = table.of_any - d1
    after = table.before * (1 - table.of_any / n)
    inverse = np.where(after > _TOLERANCE, 1 / np.maximum(after, 1e-300), 0.0)

    def own(d: FloatArray) -> FloatArray:
        tied = np.where(d > 1, 1 - (d - 1) / np.maximum(n - 1, 1), 1.0)
        return table.before**2 * tied * d / n**2

    first, other = own(d1), np.where(inverse > 0, own(d2), 0.0)
    # F(t)^2 sum(b^2) - 2 F(t) sum(a b) + sum(a^2), with a + -b F(t) the propagation of one increment.
    a1, a2 = 1 + incidence * inverse, incidence * inverse
    aa = np.cumsum(a1**2 * first + a2**2 * other)
    ab = np.cumsum(inverse * (a1 * first + a2 * other))
    bb = np.cumsum(inverse**2 * (first + other))
    return aa - 2 * incidence * ab + incidence**2 * bb
