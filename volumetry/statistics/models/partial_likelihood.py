"""Cox's partial likelihood: value, score, information and score residuals, by sorting and running sums.

Every set of tied events is a row of steps: one with all of its weight (Breslow), or one per event, from
whose risk set the fraction k/d of the tied events' own sum is taken away (Efron 1977). Stratum, weights and
both rules then share one form: with risk r = weight exp(x'b), step sums s0 and s1, and a = weight / s0,

    log likelihood  sum over events of w x'b - sum over steps of w log s0
    score           X'(w event - r A),        A(i) = sum of a over the steps that row i is at risk in
    information     X' diag(r A) X - sum over steps of w xbar xbar',     xbar = s1 / s0

so that one iteration costs a sort done once, two running sums and one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from volumetry.statistics.rows import sum_by
from volumetry.statistics.types import BoolArray, FloatArray, IntArray

TieRule = Literal["efron", "breslow"]


@dataclass(frozen=True, kw_only=True)
class RiskSets:
    """The rows of a Cox model, sorted by stratum and time, and their event times.

    Attributes
    ----------
    order : (n,) array of int
        Rows of the input in this order.
    X : (n, p) array
    weight : (n,) array
    event : (n,) array of bool
    last_cell : (n,) array of int
        Last event time (a cell, over all strata) at which a row is at risk; -1 if there is none.
    cell_stratum : (m,) array of int
    cell_time : (m,) array
    step_cell, step_fraction, step_weight : (s,) arrays
        The steps of tied events.
    """

    order: IntArray
    X: FloatArray
    weight: FloatArray
    event: BoolArray
    last_cell: IntArray
    cell_stratum: IntArray
    cell_time: FloatArray
    step_cell: IntArray
    step_fraction: FloatArray
    step_weight: FloatArray

    @property
    def n_cells(self) -> int:
        """Distinct event times, strata apart."""
        return len(self.cell_time)

    def over_risk(self, values: FloatArray) -> FloatArray:
        """Return the sum of the rows' `values` over those at risk at each cell."""
        at_risk = self.last_cell >= 0
        first = np.searchsorted(self.last_cell[at_risk], np.arange(self.n_cells), side="left")
        # Every cell has an event in it, so no cell is empty and reduceat is safe.
        sums = np.add.reduceat(values[at_risk], first, axis=0)
        return _running(sums[::-1], self.cell_stratum[::-1])[::-1]

    def over_deaths(self, values: FloatArray) -> FloatArray:
        """Return the sum of the rows' `values` over the events of each cell."""
        cell = self.last_cell[self.event]
        return np.add.reduceat(
            values[self.event], np.searchsorted(cell, np.arange(self.n_cells), side="left"), axis=0
        )

    def at_rows(self, total: FloatArray, tied: FloatArray) -> FloatArray:
        """Return for each row the running sum of `total` over its cells, less `tied` at its own event."""
        running = _running(total, self.cell_stratum)
        sums = np.concatenate([running, np.zeros_like(running[:1])])[self.last_cell]
        sums[self.event] -= tied[self.last_cell[self.event]]
        return sums

    def by_cell(self, values: FloatArray) -> FloatArray:
        """Return the sum of the steps' `values` in each cell."""
        return np.add.reduceat(values, np.searchsorted(self.step_cell, np.arange(self.n_cells)), axis=0)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The partial likelihood at one coefficient vector."""

    log_likelihood: float
    score: FloatArray
    information: FloatArray
    risk: FloatArray
    step_hazard: FloatArray
    step_mean: FloatArray


def build_risk_sets(
    X: FloatArray,
    time_index: IntArray,
    event: BoolArray,
    *,
    weight: FloatArray,
    strata: IntArray,
    ties: TieRule,
) -> RiskSets:
    """Sort rows and find their event times. `time_index` orders the times; `strata` are whole numbers."""
    order = np.lexsort((~event, time_index, strata))
    event, weight, time, stratum = event[order], weight[order], time_index[order], strata[order]
    span = int(time.max()) + 1 if len(time) else 1
    key = stratum * span + time
    cell_key, deaths = np.unique(key[event], return_counts=True)
    last = np.searchsorted(cell_key, key, side="right") - 1
    outside = (last < 0) | (cell_key[last] // span != stratum)
    last = np.where(outside, -1, last)
    total = sum_by(last[event], weight[event], len(cell_key))
    if ties == "breslow":
        step_cell, fraction, step_weight = np.arange(len(cell_key)), np.zeros(len(cell_key)), total
    else:
        step_cell = np.repeat(np.arange(len(cell_key)), deaths)
        first = np.repeat(np.cumsum(deaths) - deaths, deaths)
        fraction = (np.arange(len(step_cell)) - first) / deaths[step_cell]
        step_weight = (total / deaths)[step_cell]
    # Rows before the first event of their stratum are never at risk; the sums need them in front.
    front = np.argsort(last, kind="stable")
    return RiskSets(
        order=order[front],
        X=np.ascontiguousarray(X[order[front]]),
        weight=weight[front],
        event=event[front],
        last_cell=last[front],
        cell_stratum=cell_key // span,
        cell_time=(cell_key % span).astype(np.float64),
        step_cell=step_cell,
        step_fraction=fraction,
        step_weight=step_weight,
    )


def evaluate(sets: RiskSets, coefficients: FloatArray) -> Evaluation:
    """Return the partial likelihood and its derivatives."""
    eta = sets.X @ coefficients
    eta -= eta.max()  # cancels in every ratio, and keeps exp from overflowing
    risk = sets.weight * np.exp(eta)
    s0, s1 = step_sums(sets, risk), step_sums(sets, sets.X * risk[:, None])
    s0[s0 == 0] = 1.0  # rows of weight 0 alone: every sum of the step is 0
    hazard = sets.step_weight / s0
    mean = s1 / s0[:, None]
    row_hazard = risk * sets.at_rows(sets.by_cell(hazard), sets.by_cell(hazard * sets.step_fraction))
    weighted_event = sets.weight * sets.event
    return Evaluation(
        log_likelihood=float(weighted_event @ eta - sets.step_weight @ np.log(s0)),
        score=sets.X.T @ (weighted_event - row_hazard),
        information=weighted_information(sets, row_hazard, sets.step_weight, mean),
        risk=risk,
        step_hazard=hazard,
        step_mean=mean,
    )


def weighted_information(
    sets: RiskSets, row_hazard: FloatArray, step_weight: FloatArray, step_mean: FloatArray
) -> FloatArray:
    """Return X' diag(row_hazard) X - the steps' weighted sum of xbar xbar'."""
    result: FloatArray = sets.X.T @ (sets.X * row_hazard[:, None])
    result -= step_mean.T @ (step_mean * step_weight[:, None])
    return result


def score_residuals(sets: RiskSets, at: Evaluation) -> FloatArray:
    """Return each row's unweighted share of the score, (n, p), in the order of the input.

    The weighted sum over rows is the score; its product with the inverse information is dfbeta (Lin and
    Wei 1989; Therneau and Grambsch 2000, section 7.2).
    """
    hazard, fraction = at.step_hazard, sets.step_fraction
    drift = sets.at_rows(sets.by_cell(hazard), sets.by_cell(hazard * fraction))
    moved = hazard[:, None] * at.step_mean
    mean_drift = sets.at_rows(sets.by_cell(moved), sets.by_cell(moved * fraction[:, None]))
    relative = np.divide(at.risk, sets.weight, out=np.zeros_like(at.risk), where=sets.weight > 0)
    residuals = -relative[:, None] * (sets.X * drift[:, None] - mean_drift)
    residuals[sets.event] += schoenfeld_residuals(sets, at)
    result = np.empty_like(residuals)
    result[sets.order] = residuals
    return result


def schoenfeld_residuals(sets: RiskSets, at: Evaluation) -> FloatArray:
    """Return covariate less its risk-set mean at each event, in the order of `RiskSets`."""
    n_steps = np.bincount(sets.step_cell, minlength=sets.n_cells)
    mean = sets.by_cell(at.step_mean) / n_steps[:, None]
    return sets.X[sets.event] - mean[sets.last_cell[sets.event]]


def step_sums(sets: RiskSets, values: FloatArray) -> FloatArray:
    """Return sums over those at risk at each step of values that are weighted by their risks already."""
    total: FloatArray = sets.over_risk(values)[sets.step_cell]
    if sets.step_fraction.any():
        fraction = sets.step_fraction.reshape(-1, *[1] * (values.ndim - 1))
        total = total - fraction * sets.over_deaths(values)[sets.step_cell]
    return total


def _running(values: FloatArray, stratum: IntArray) -> FloatArray:
    """Return running sums that start anew with each stratum (no subtraction, so nothing cancels)."""
    starts = np.flatnonzero(np.append(True, stratum[1:] != stratum[:-1]))
    if len(starts) == 1:
        return np.cumsum(values, axis=0)
    return np.concatenate([np.cumsum(part, axis=0) for part in np.split(values, starts[1:])])
