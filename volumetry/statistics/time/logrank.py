"""The log-rank test for any number of groups, stratified, weighted, and robust to clusters."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from volumetry.statistics.arguments import checked
from volumetry.statistics.clusters import cluster_sums
from volumetry.statistics.result import StatisticResult
from volumetry.statistics.rows import not_estimable, present_values
from volumetry.statistics.time.survival_rows import (
    SurvivalRows,
    read_survival,
    require_events,
    require_groups,
)
from volumetry.statistics.types import BoolArray, Column, FloatArray, Table


@dataclass(frozen=True, kw_only=True)
class _Comparison:
    """Observed and expected events by group, and the covariance of their difference."""

    observed: FloatArray
    expected: FloatArray
    covariance: FloatArray
    influence: FloatArray


@checked
def logrank_test(
    duration: Column,
    event: Column,
    group: Column,
    *,
    data: Table | None = None,
    strata: Column | None = None,
    rho: float = 0.0,
    cluster: Column | None = None,
) -> StatisticResult:
    """Compare the survival of two or more groups (Mantel 1966; Harrington and Fleming 1982).

    Parameters
    ----------
    duration, event, group : column
        Follow-up time, event (1) or censoring (0), and group: names of columns of `data`, or arrays.
    strata : column, optional
        Groups are compared within its levels.
    rho : float
        Events are weighted by S(t-)^rho with the pooled Kaplan-Meier curve of their stratum: 0 is the
        log-rank test, 1 Peto and Peto's.
    cluster : column, optional
        The patient. The variance is then the sum over patients of their squared scores (Lee, Wei and
        Amato 1992) instead of the hypergeometric one.
    data : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        Chi-squared `statistic` on groups - 1 `df`. ``details``: ``groups``, ``n``, ``observed``,
        ``expected`` (by group, over all strata), and ``observed_by_stratum``, ``expected_by_stratum``
        (groups x strata).

    Raises
    ------
    StatisticsError
        ``not-estimable`` if nothing can be compared: fewer than two groups, no event, or all at one time.
    """
    rows = read_survival(duration, event, data, cluster, group=group, strata=strata)
    found, notes = require_groups(rows.group)
    require_events(rows.event)
    rows = replace(rows, group=found)
    parts = [
        _compare(rows, rows.strata.codes == code, rho, cluster is not None)
        for code in range(len(rows.strata.levels))
    ]
    difference = np.sum([part.observed - part.expected for part in parts], axis=0)
    covariance = np.sum([part.covariance for part in parts], axis=0)
    if cluster is not None:
        scores = np.empty((rows.n_used, len(found.levels)))
        for code, part in enumerate(parts):
            scores[rows.strata.codes == code] = part.influence
        sums = cluster_sums(scores, rows.cluster.codes)
        covariance = sums.T @ sums
    statistic, df = _quadratic_form(difference, covariance)
    return rows.result(
        _name(rho, strata is not None, cluster is not None),
        statistic=statistic,
        df=float(df),
        p_value=float(special.chdtrc(df, statistic)),
        ties="hypergeometric variance" if cluster is None else "events at one time share one risk set",
        notes=notes,
        details={
            "groups": tuple(str(level) for level in found.levels),
            "n": tuple(int(n) for n in found.counts),
            "observed": np.sum([part.observed for part in parts], axis=0),
            "expected": np.sum([part.expected for part in parts], axis=0),
            "observed_by_stratum": np.column_stack([part.observed for part in parts]),
            "expected_by_stratum": np.column_stack([part.expected for part in parts]),
            "strata": tuple(str(level) for level in rows.strata.levels),
        },
    )


def _compare(rows: SurvivalRows, inside: BoolArray, rho: float, with_influence: bool) -> _Comparison:
    """Compare the groups within one stratum."""
    present, index = present_values(rows.time_index[inside])
    code = rows.group.codes[inside]
    event = rows.event[inside] == 1
    n_groups, n_times = len(rows.group.levels), len(present)
    cell = index * n_groups + code
    deaths = np.bincount(cell[event], minlength=n_times * n_groups).reshape(n_times, n_groups)
    leaving = np.bincount(cell, minlength=n_times * n_groups).reshape(n_times, n_groups)
    at_risk = np.cumsum(leaving[::-1], axis=0)[::-1].astype(np.float64)
    d, n = deaths.sum(axis=1).astype(np.float64), at_risk.sum(axis=1)
    weight = np.append(1.0, np.cumprod(1 - d / n)[:-1]) ** rho
    share = at_risk / n[:, None]
    spread = weight**2 * d * (n - d) / np.maximum(n - 1, 1)
    covariance = np.diag(spread @ share) - (share * spread[:, None]).T @ share
    influence = np.empty((0, n_groups))
    if with_influence:
        gain = weight[index, None] * event[:, None] * (np.eye(n_groups)[code] - share[index])
        hazard = np.cumsum(weight * d / n)
        drift = np.cumsum(share * (weight * d / n)[:, None], axis=0)
        influence = gain - (np.eye(n_groups)[code] * hazard[index, None] - drift[index])
    return _Comparison(
        observed=weight @ deaths, expected=(weight * d) @ share, covariance=covariance, influence=influence
    )


def _quadratic_form(difference: FloatArray, covariance: FloatArray) -> tuple[float, int]:
    """Return the chi-squared and its df; a group that is never at risk with an event does not count."""
    known = np.flatnonzero(np.diag(covariance) > 1e-12)
    if len(known) < 2:
        raise not_estimable(
            "no event happened while more than one group was at risk and anyone survived it",
            todo="The groups' survival cannot be compared.",
        )
    kept = known[1:]
    solved = np.linalg.lstsq(covariance[np.ix_(kept, kept)], difference[kept], rcond=None)[0]
    return float(difference[kept] @ solved), len(kept)


def _name(rho: float, stratified: bool, clustered: bool) -> str:
    base = "log-rank test" if rho == 0 else f"weighted log-rank test, rho = {rho:g}"
    return ("stratified " if stratified else "") + base + (", cluster-robust" if clustered else "")
