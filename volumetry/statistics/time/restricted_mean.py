"""Restricted mean survival time (RMST): groups compared by the area under their curves."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from volumetry.statistics.arguments import checked
from volumetry.statistics.result import Estimate, StatisticResult
from volumetry.statistics.rows import not_estimable
from volumetry.statistics.time.survival import (
    CurveOptions,
    SurvivalCurve,
    curves_by_group,
    greenwood_terms,
    jumps,
)
from volumetry.statistics.time.survival_rows import SurvivalRows, read_survival
from volumetry.statistics.types import Column, FloatArray, Table
from volumetry.statistics.wald import wald_estimate

_TOLERANCE = float(np.sqrt(np.finfo(float).eps))


@checked
def restricted_mean_time(
    duration: Column,
    event: Column,
    group: Column | None = None,
    *,
    tau: float,
    data: Table | None = None,
    cluster: Column | None = None,
    level: float = 0.95,
) -> StatisticResult:
    """Compare mean survival times up to `tau` between groups (restricted mean survival time, RMST).

    Differences are of each later group against the first, tested by z with the summed variances, as in
    R's survRM2 (Uno et al., J Clin Oncol 2014;32:2380-5). With `cluster`, variances and covariances come
    from the clusters' summed influence.

    Parameters
    ----------
    tau : float
        Horizon, in the unit of `duration`; not beyond the last follow-up of any group, unless that one
        ended with the event.
    duration, event, group, cluster, data, level : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        Estimates: ``"difference <b> - <a>"`` first if there are groups, then ``"restricted mean <group>"``,
        then ``"ratio <b> / <a>"`` of the means and ``"ratio of time lost <b> / <a>"``.

    Raises
    ------
    StatisticsError
        ``not-estimable`` if `tau` is beyond what a group was followed for, or not positive.
    """
    rows = read_survival(duration, event, data, cluster, group=group)
    rows = replace(rows, group=rows.group.without_empty())
    curves, notes = curves_by_group(rows, CurveOptions(level=level), robust=False)
    _check_horizon(curves, tau)
    means = [curve.restricted_mean(tau) for curve in curves]
    if cluster is None:
        covariance = np.diag([mean.standard_error or 0.0 for mean in means]) ** 2
    else:
        covariance = _clustered_covariance(rows, curves, tau)
        means = [
            wald_estimate(mean.name, mean.value, math.sqrt(covariance[i, i]), level, tested=False)
            for i, mean in enumerate(means)
        ]
    differences = [_difference(means, i, covariance) for i in range(1, len(means))]
    first = differences[0] if differences else None
    return rows.result(
        "restricted mean survival time",
        first,
        estimates=(*differences, *means, *_ratios(means, covariance, tau)),
        alternative="two-sided" if first else "",
        notes=notes,
        details={"tau": tau, "curves": curves},
    )


def _check_horizon(curves: tuple[SurvivalCurve, ...], tau: float) -> None:
    for curve in curves:
        last = float(curve.times[-1])
        if not tau > 0 or (tau > last + _TOLERANCE and curve.survival[-1] > 0):
            raise not_estimable(
                f"the horizon lies outside the follow-up of {curve.label}",
                tau=float(tau),
                last_follow_up=last,
                todo="Take a horizon within every group's follow-up.",
            )


def _clustered_covariance(rows: SurvivalRows, curves: tuple[SurvivalCurve, ...], tau: float) -> FloatArray:
    """Return the covariance of the groups' restricted means from clusters' summed influence.

    A row's influence is minus the sum over times s <= min(T, tau) of (area from s to tau) dM(s) / (n - d).
    """
    _, cluster = np.unique(rows.cluster.codes, return_inverse=True)
    sums = np.zeros((int(cluster.max()) + 1, len(curves)))
    for k, curve in enumerate(curves):
        inside = rows.group.codes == k
        at = np.searchsorted(curve.times, rows.duration[inside])
        edges = np.append(curve.times, np.inf).clip(max=tau)
        after = np.cumsum((np.diff(edges) * curve.survival)[::-1])[::-1]
        jump = after * jumps(curve.n_events, curve.n_at_risk)
        drift = np.cumsum(after * greenwood_terms(curve.n_events, curve.n_at_risk))
        influence = drift[at] - (rows.event[inside] == 1) * jump[at]
        sums[:, k] = np.bincount(cluster[inside], influence, len(sums))
    sums[np.abs(sums) < 1e-12 * tau] = 0.0  # what rounding leaves of influences that cancel
    return sums.T @ sums


def _ratios(means: list[Estimate], covariance: FloatArray, tau: float) -> list[Estimate]:
    """Return the ratios to the first group of restricted means, and of the mean times lost before tau.

    On the log scale by the delta method, as R's survRM2 (Uno et al., J Clin Oncol 2014;32:2380-2385).
    """
    names = [mean.name.removeprefix("restricted mean ") for mean in means]
    found = []
    for what, values in (
        ("ratio", [mean.value for mean in means]),
        ("ratio of time lost", [tau - mean.value for mean in means]),
    ):
        for i in range(1, len(means)):
            if min(values[0], values[i]) <= 1e-12 * tau:
                continue
            slope = np.array([-1 / values[0], 1 / values[i]])
            error = math.sqrt(max(float(slope @ covariance[np.ix_([0, i], [0, i])] @ slope), 0.0))
            log = math.log(values[i] / values[0])
            name = f"{what} {names[i]} / {names[0]}"
            found.append(wald_estimate(name, log, error, means[0].level, ratio=True))
    return found


def _difference(means: list[Estimate], i: int, covariance: FloatArray) -> Estimate:
    error = math.sqrt(max(covariance[i, i] + covariance[0, 0] - 2 * covariance[i, 0], 0.0))
    names = [mean.name.removeprefix("restricted mean ") for mean in means]
    value = means[i].value - means[0].value
    return wald_estimate(f"difference {names[i]} - {names[0]}", value, error, means[0].level)
