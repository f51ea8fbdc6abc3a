"""The test of proportional hazards of R's survival >= 3, and scaled Schoenfeld residuals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import special, stats

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.models.cox import CoxFit
from volumetry.statistics.models.partial_likelihood import (
    RiskSets,
    schoenfeld_residuals,
    weighted_information,
)
from volumetry.statistics.result import Estimate, Result, StatisticResult, Used
from volumetry.statistics.rows import not_estimable, sum_by
from volumetry.statistics.types import FloatArray

TimeTransform = Literal["km", "rank", "identity", "log"]


@dataclass(frozen=True, kw_only=True, repr=False)
class SchoenfeldResiduals(Result):
    """Scaled Schoenfeld residuals: a smooth through them shows how a log hazard ratio moves.

    One row per event, in order of time.

    Attributes
    ----------
    times, transformed : (d,) array
        Event times, and what the test's time transform makes of them.
    values : (d, p) array
        Residual times events times covariance, plus the coefficient (Grambsch and Therneau 1994).
    names : tuple of str
        Columns of `values`.

    Examples
    --------
    >>> ones, values = np.ones(2), np.zeros((2, 1))
    >>> vs.SchoenfeldResiduals(times=ones, transformed=ones, values=values, names=('age',)).names
    ('age',)
    """

    times: FloatArray
    transformed: FloatArray
    values: FloatArray
    names: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return one row an event: its time, the transformed time, and the residual of each covariate."""
        columns = dict(zip(self.names, self.values.T, strict=True))
        return pd.DataFrame({"time": self.times, "transformed_time": self.transformed, **columns})


@checked
def proportional_hazards_test(
    model: StatisticResult | CoxFit, *, transform: TimeTransform = "km"
) -> StatisticResult:
    """Test whether the coefficients of a Cox model change with time.

    The score test of adding covariate x g(time) for each term, and for all together, with the full
    information matrix, as ``cox.zph`` does since survival 3.0 (lifelines' test is the older approximation,
    and differs by up to a factor of 4).

    Parameters
    ----------
    model : StatisticResult or CoxFit
        What `volumetry.statistics.models.cox.cox_regression` returned.
    transform : "km", "rank", "identity" or "log"
        g(time): 1 - Kaplan-Meier before the time, rank among all times (censored included), the time, its
        logarithm.

    Returns
    -------
    StatisticResult
        The global test. Estimates: one per term, whose ``value`` is the chi-squared (also ``statistic``);
        ``details["terms"]`` maps each term, and ``"GLOBAL"``, to (chi-squared, df, p);
        ``details["schoenfeld"]`` is a `SchoenfeldResiduals`.

    Raises
    ------
    StatisticsError
        ``not-estimable`` if the events do not spread in time.
    UsageError
        ``usage`` for an unknown transform or a model of another kind.
    """
    fit = model if isinstance(model, CoxFit) else model.details.get("fit")
    if not isinstance(fit, CoxFit):
        raise UsageError("usage", "the proportional hazards test needs a Cox regression's result")
    g_cell = _transformed(fit, transform)[fit.sets.cell_time.astype(np.int64)]
    if np.ptp(g_cell) < 1e-12 * (1 + np.abs(g_cell).max()):
        raise not_estimable("all events happen at one time; nothing can change with time")
    score, information = _extended(fit, g_cell)
    tests = _term_tests(fit, score, information)
    chi_square, df, p_value = tests["GLOBAL"]
    return Used(n_used=fit.rows.n_used, n_missing=fit.rows.n_missing).result(
        f"proportional hazards test (score test), {transform} transform",
        estimates=tuple(
            Estimate(name=name, value=test[0], statistic=test[0], p_value=test[2])
            for name, test in tests.items()
            if name != "GLOBAL"
        ),
        statistic=chi_square,
        df=df,
        p_value=p_value,
        details={"terms": tests, "transform": transform, "schoenfeld": _scaled_residuals(fit, g_cell)},
    )


def _transformed(fit: CoxFit, transform: str) -> FloatArray:
    """Return g at every distinct time of the model."""
    rows = fit.rows
    if transform == "identity":
        return rows.times
    if transform == "log":
        if rows.times[np.unique(rows.time_index[rows.event == 1])[0]] <= 0:
            raise not_estimable("the logarithm of an event time of 0 is infinite")
        return np.log(np.maximum(rows.times, np.finfo(float).tiny))
    if transform == "rank":
        first = np.unique(rows.time_index, return_index=True)[1]
        return stats.rankdata(rows.time_index)[first]
    n_times = len(rows.times)
    deaths = sum_by(rows.time_index, rows.weights * (rows.event == 1), n_times)
    at_risk = np.cumsum(sum_by(rows.time_index, rows.weights, n_times)[::-1])[::-1]
    return 1 - np.append(1.0, np.cumprod(1 - deaths / at_risk)[:-1])


def _extended(fit: CoxFit, g_cell: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return score and information of the model with x and x g(time), at no change with time."""
    sets, at = fit.sets, fit.final
    g_cell = g_cell - g_cell.mean()
    g_step = g_cell[sets.step_cell]
    blocks = [_information(sets, fit, g_step**power) for power in (0, 1, 2)]
    information = np.block([[blocks[0], blocks[1]], [blocks[1], blocks[2]]])
    event = sets.event
    weighted = sets.weight[event] * g_cell[sets.last_cell[event]]
    score = sets.X[event].T @ weighted - at.step_mean.T @ (sets.step_weight * g_step)
    return np.concatenate([np.zeros_like(score), score]), information


def _information(sets: RiskSets, fit: CoxFit, factor: FloatArray) -> FloatArray:
    """Return the sum over steps of `factor` times the risk set's covariance."""
    hazard = fit.final.step_hazard * factor
    row = fit.final.risk * sets.at_rows(sets.by_cell(hazard), sets.by_cell(hazard * sets.step_fraction))
    return weighted_information(sets, row, sets.step_weight * factor, fit.final.step_mean)


def _term_tests(
    fit: CoxFit, score: FloatArray, information: FloatArray
) -> dict[str, tuple[float, float, float]]:
    terms = np.array(fit.design.terms)
    p = len(terms)
    tests = {}
    for term in (*dict.fromkeys(fit.design.terms), "GLOBAL"):
        columns = np.arange(p) if term == "GLOBAL" else np.flatnonzero(terms == term)
        kept = np.concatenate([np.arange(p), p + columns])
        part = information[np.ix_(kept, kept)]
        scale = np.sqrt(np.diag(part))
        if not (scale > 0).all() or np.linalg.cond(part / np.outer(scale, scale)) > 1e13:
            raise not_estimable(f"the data do not show how {term} changes with time")
        u = score[kept] / scale
        chi_square = float(u @ np.linalg.solve(part / np.outer(scale, scale), u))
        tests[str(term)] = (chi_square, float(len(columns)), float(special.chdtrc(len(columns), chi_square)))
    return tests


def _scaled_residuals(fit: CoxFit, g_cell: FloatArray) -> SchoenfeldResiduals:
    sets = fit.sets
    cell = sets.last_cell[sets.event]
    raw = schoenfeld_residuals(sets, fit.final) * sets.weight[sets.event, None]
    order = np.argsort(sets.cell_time[cell], kind="stable")
    scaled = len(cell) * raw @ fit.naive_covariance + fit.coefficients
    return SchoenfeldResiduals(
        times=fit.rows.times[sets.cell_time[cell].astype(np.int64)][order],
        transformed=g_cell[cell][order],
        values=scaled[order],
        names=fit.design.names,
    )
