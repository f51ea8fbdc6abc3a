"""Maximising a log likelihood, whole or with a coefficient held, and the limits and tests that follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import special

from volumetry.errors import StatisticsError
from volumetry.statistics.rows import not_estimable
from volumetry.statistics.types import BoolArray, FloatArray

_MAX_ITERATIONS = 100
#: A step of this many standard errors is no step.
_CONVERGED = 1e-11
#: A step that promises to raise the log likelihood by less than this share is no step either.
_NOTHING_LEFT = 1e-10
_ROUNDING = 1e-17
#: Fisher scoring closes in on a penalised maximum by a constant factor only; then Newton takes over.
_SCORING_STEPS = 12


@dataclass(frozen=True)
class Point:
    """A log likelihood with its score and information at one coefficient vector."""

    value: float
    score: FloatArray
    information: FloatArray


class Likelihood(Protocol):
    """What can be maximised."""

    def at(self, beta: FloatArray) -> Point:
        """Return the likelihood at `beta`; its value is -inf where it is not defined."""
        ...

    def is_endless(self, beta: FloatArray) -> bool:
        """Say whether `beta` is so far out that there can be no maximum."""
        ...

    def endless_message(self, beta: FloatArray) -> str:
        """Say why there is no maximum, naming the covariate."""
        ...


@dataclass(frozen=True)
class Maximum:
    """Coefficients that maximise a likelihood, and the likelihood there."""

    coefficients: FloatArray
    point: Point


def maximise(model: Likelihood, start: FloatArray, free: BoolArray) -> Maximum:
    """Maximise over the `free` coefficients by Fisher scoring, halving steps that overshoot."""
    beta, at = start.copy(), model.at(start)
    if not np.isfinite(at.value):
        beta[free] = 0.0
        at = model.at(beta)
    for iteration in range(_MAX_ITERATIONS):
        if not free.any():
            return Maximum(beta, at)
        step = _step(at, free)
        if iteration >= _SCORING_STEPS:
            step = _newton_step(model, beta, at, free, fallback=step)
        if step is None:
            break
        moved = float(np.abs(step * np.sqrt(np.abs(np.diag(at.information)))[free]).max())
        left = float(at.score[free] @ step) / (1 + abs(at.value))
        before = beta
        beta, at = _climb(model, beta, at, step, free)
        # Far out, rounding can be larger than what is left to climb: no part of the step then gains.
        stuck = left < _NOTHING_LEFT and np.array_equal(beta, before)
        if moved < _CONVERGED or left < _ROUNDING or stuck:
            return Maximum(beta, at)
        if model.is_endless(beta):
            break
    else:
        # Far out on a profile, rounding of the penalty can be larger than what is left to climb.
        if step is not None and float(at.score[free] @ step) < _NOTHING_LEFT * (1 + abs(at.value)):
            return Maximum(beta, at)
    raise no_maximum(model.endless_message(beta))


def no_maximum(why: str) -> StatisticsError:
    """Return the error of a likelihood that rises for ever."""
    return not_estimable(
        f"the likelihood has no maximum: {why}",
        todo="Leave the covariate out, or take firth_logistic or firth_cox if the model is not penalised.",
    )


def profile_limits(model: Likelihood, best: Maximum, names: tuple[str, ...], level: float) -> FloatArray:
    """Return profile-likelihood limits, (p, 2).

    A limit is where twice the drop of the likelihood, maximised over the other coefficients, equals the
    chi-squared quantile (Venzon and Moolgavkar 1988).
    """
    quantile = float(special.chdtri(1, 1 - level))
    errors = model_errors(best.point)
    limits = np.empty((len(names), 2))
    for j, name in enumerate(names):
        for side, sign in enumerate((-1.0, 1.0)):
            step = sign * float(errors[j]) * np.sqrt(quantile)
            limits[j, side] = _limit(model, best, j, step, best.point.value - quantile / 2, name)
    return limits


def model_errors(point: Point) -> FloatArray:
    """Return the standard errors that the information gives, (p,)."""
    try:
        variances = np.diag(np.linalg.inv(point.information))
    except np.linalg.LinAlgError:
        variances = np.zeros(1)
    if not (variances > 0).all() or not np.isfinite(variances).all():
        raise not_estimable("the information is singular: the rows do not tell the coefficients apart")
    return np.asarray(np.sqrt(variances), dtype=np.float64)


def profile_tests(model: Likelihood, best: Maximum) -> FloatArray:
    """Return the likelihood ratio chi-squared of each coefficient being 0, (p,)."""
    drops = [
        2 * (best.point.value - _profile(model, best, j, 0.0).value) for j in range(len(best.coefficients))
    ]
    return np.array(drops, dtype=np.float64).clip(min=0.0)


def _step(at: Point, free: BoolArray) -> FloatArray | None:
    try:
        step = np.asarray(
            np.linalg.solve(at.information[np.ix_(free, free)], at.score[free]), dtype=np.float64
        )
    except np.linalg.LinAlgError:
        return None
    return step if np.isfinite(step).all() else None


def _newton_step(
    model: Likelihood, beta: FloatArray, at: Point, free: BoolArray, fallback: FloatArray | None
) -> FloatArray | None:
    """Return the step with the true curvature, by differences of the score, if that points uphill."""
    if fallback is None:
        return None
    indices = np.flatnonzero(free)
    curvature = np.empty((len(indices), len(indices)))
    for column, j in enumerate(indices):
        h = 1e-4 / np.sqrt(max(float(at.information[j, j]), 1e-300))
        move = np.zeros_like(beta)
        move[j] = h
        change = model.at(beta + move).score[free] - model.at(beta - move).score[free]
        curvature[:, column] = change / (2 * h)
    curvature = -(curvature + curvature.T) / 2
    if not np.isfinite(curvature).all():
        return fallback
    values = np.linalg.eigvalsh(curvature)
    if values[0] <= 1e-12 * values[-1]:
        return fallback
    return np.asarray(np.linalg.solve(curvature, at.score[free]), dtype=np.float64)


def _climb(
    model: Likelihood, beta: FloatArray, at: Point, step: FloatArray, free: BoolArray
) -> tuple[FloatArray, Point]:
    """Go one step, or the largest of its halves that does not lose."""
    # Rounding decides about the last digits of a likelihood; they must not stop the search.
    floor = at.value - 1e-13 * (1 + abs(at.value))
    for _ in range(40):
        proposed = beta.copy()
        proposed[free] += step
        new = model.at(proposed)
        if new.value >= floor:
            return proposed, new
        step = step / 2
    return beta, at


def _profile(model: Likelihood, best: Maximum, j: int, value: float) -> Point:
    """Return the likelihood maximised with coefficient j held at `value`."""
    free = np.arange(len(best.coefficients)) != j
    start = best.coefficients.copy()
    information = best.point.information
    if free.any():  # along the ridge of the quadratic approximation, which is close for small moves
        across = np.linalg.solve(information[np.ix_(free, free)], information[free, j])
        start[free] -= across * (value - start[j])
    start[j] = value
    return maximise(model, start, free).point


def _limit(model: Likelihood, best: Maximum, j: int, step: float, target: float, name: str) -> float:
    """Return where the profile of coefficient j falls to `target`: steps outward, then safeguarded Newton."""
    inner = float(best.coefficients[j])
    outer = inner + step
    point = _profile(model, best, j, outer)
    for _ in range(25):
        if point.value <= target:
            break
        step *= 1.5
        inner, outer = outer, outer + step
        point = _profile(model, best, j, outer)
    else:
        raise not_estimable(f"the profile limit of {name} is infinite")
    at = outer
    for _ in range(100):
        gap, slope = point.value - target, float(point.score[j])
        inner, outer = (at, outer) if gap > 0 else (inner, at)
        proposed = at - gap / slope if slope != 0 else np.inf
        if not min(inner, outer) < proposed < max(inner, outer):
            proposed = (inner + outer) / 2
        if abs(proposed - at) < 1e-12 * (1 + abs(at)):
            return float(proposed)
        at = float(proposed)
        point = _profile(model, best, j, at)
    return at
