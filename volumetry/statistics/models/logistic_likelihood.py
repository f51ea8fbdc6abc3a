"""The logistic likelihood, plain or with Firth's penalty.

Firth's penalty adds half the log determinant of the information to the log likelihood, which takes away the
first-order bias and keeps every estimate finite, separated data included (Firth 1993; Heinze and Schemper,
Stat Med 2002;21:2409-19).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from volumetry.errors import UsageError
from volumetry.statistics.models.design import Design, require_full_rank
from volumetry.statistics.models.profile_likelihood import Maximum, Point, maximise, no_maximum
from volumetry.statistics.rows import not_estimable
from volumetry.statistics.types import FloatArray

#: Separation is looked for where a row's outcome is fitted this closely.
_CLOSE = 1e-6


@dataclass(frozen=True, kw_only=True)
class LogisticModel:
    """Data of a logistic model.

    Attributes
    ----------
    X : (n, p) array
        With its intercept.
    y : (n,) array
        0 or 1.
    weights : (n,) array
    names : tuple of str
        Of the columns of `X`.
    firth : bool
        With Firth's penalty.
    """

    X: FloatArray
    y: FloatArray
    weights: FloatArray
    names: tuple[str, ...]
    firth: bool = False

    def probability(self, beta: FloatArray) -> FloatArray:
        """Return each row's probability of the outcome."""
        return np.asarray(special.expit(self.X @ beta), dtype=np.float64)

    def at(self, beta: FloatArray) -> Point:
        """Return the (penalised) log likelihood with its score, and the unpenalised information."""
        eta, p = self.X @ beta, self.probability(beta)
        spread = self.weights * p * (1 - p)
        information = self.X.T @ (self.X * spread[:, None])
        value = float(self.weights @ (self.y * eta - np.logaddexp(0, eta)))
        residual = self.weights * (self.y - p)
        if self.firth:
            sign, log_determinant = np.linalg.slogdet(information)
            if sign <= 0:
                return Point(-np.inf, np.zeros_like(beta), information)
            value += 0.5 * float(log_determinant)
            half = np.linalg.solve(information, self.X.T)
            residual += spread * np.einsum("ij,ji->i", self.X, half) * (0.5 - p)
        return Point(value, self.X.T @ residual, information)

    def is_endless(self, beta: FloatArray) -> bool:  # noqa: ARG002
        """Whether there is no maximum; separated outcomes are looked for after the search."""
        return False

    def endless_message(self, beta: FloatArray) -> str:
        """Name the covariates that separate the outcomes."""
        size = np.abs(beta) * self.X.std(axis=0)
        names = [n for n, s in zip(self.names, size, strict=True) if s > 0.3 * max(size.max(), 1e-300)]
        return f"{', '.join(names) or 'a covariate'} separates the outcomes, so its coefficient is infinite"


def build_model(
    design: Design, outcome: FloatArray, weights: FloatArray, *, firth: bool = False
) -> LogisticModel:
    """Check a design (intercept included) and an outcome, and put them together."""
    wrong = ~np.isin(outcome, (0.0, 1.0))
    if wrong.any():
        raise UsageError(
            "invalid-table",
            "the outcome is not coded 0 and 1",
            values={"rows": int(wrong.sum()), "value": float(outcome[wrong][0])},
        )
    require_full_rank(design, centred=False)
    return LogisticModel(X=design.values, y=outcome, weights=weights, names=design.names, firth=firth)


def fit_logistic(model: LogisticModel) -> Maximum:
    """Maximise the (penalised) likelihood; without penalty, refuse outcomes that covariates separate."""
    rows = model.weights > 0
    seen = model.y[rows]
    if not model.firth and seen.min() == seen.max():
        raise not_estimable(
            "only one outcome occurs",
            outcome=float(seen[0]),
            rows=len(seen),
            todo="A logistic model needs both outcomes.",
        )
    p = model.X.shape[1]
    fit = maximise(model, np.zeros(p), np.ones(p, dtype=bool))
    if not model.firth and (np.abs(model.y - model.probability(fit.coefficients)) < _CLOSE)[rows].any():
        direction = separating_direction((2 * seen - 1)[:, None] * model.X[rows])
        if direction is not None:
            raise no_maximum(model.endless_message(direction))
    return fit


def separating_direction(rising: FloatArray, held: FloatArray | None = None) -> FloatArray | None:
    """Return coefficients along which no row of `rising` falls, some rise, and none of `held` moves.

    There is a finite maximum where there are none (Albert and Anderson, Biometrika 1984;71:1-10). They are
    found by linear programming.
    """
    rising = np.unique(rising, axis=0)
    held = np.empty((0, rising.shape[1])) if held is None else np.unique(held, axis=0)
    scale = np.maximum(np.abs(np.vstack([rising, held])).max(axis=0), 1e-300)
    found = optimize.linprog(
        -(rising / scale).sum(axis=0),
        A_ub=-rising / scale,
        b_ub=np.zeros(len(rising)),
        A_eq=held / scale,
        b_eq=np.zeros(len(held)),
        bounds=(-1, 1),
    )
    moved = 0.0 if found.x is None else float((rising / scale @ found.x).max())
    return found.x / scale if moved > 1e-6 else None
