"""Generalised estimating equations: average effects when hips belong to patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.clusters import cluster_sums
from volumetry.statistics.models.design import Covariates, require_full_rank
from volumetry.statistics.models.logistic_likelihood import build_model, fit_logistic, separating_direction
from volumetry.statistics.models.profile_likelihood import no_maximum
from volumetry.statistics.models.regression import RegressionRows, read_regression
from volumetry.statistics.result import StatisticResult
from volumetry.statistics.rows import not_estimable, sum_by
from volumetry.statistics.types import Column, FloatArray, IntArray, Table
from volumetry.statistics.wald import coefficient_estimates

Family = Literal["binomial", "poisson", "gaussian"]
Correlation = Literal["exchangeable", "independence"]

#: Under this many clusters the sandwich is too small, and the bias-reduced one is taken.
FEW_CLUSTERS = 40
_EFFECTS = {"binomial": "odds ratio", "poisson": "risk ratio", "gaussian": "difference"}


@dataclass(frozen=True, kw_only=True)
class GeeOptions:
    """How estimating equations are set up.

    Attributes
    ----------
    family : "binomial", "poisson" or "gaussian"
        Odds ratios (logit link); risk ratios of a 0/1 outcome, or rate ratios (log link; Zou 2004);
        differences of means.
    correlation : "exchangeable" or "independence"
        Working correlation within a cluster.
    covariance : "robust", "bias_reduced" or None
        The sandwich, or Mancl and DeRouen's (2001); None takes the latter under 40 clusters.
    level : float

    Examples
    --------
    >>> vs.GeeOptions(correlation='independence').correlation
    'independence'
    """

    family: Family = "binomial"
    correlation: Correlation = "exchangeable"
    covariance: Literal["robust", "bias_reduced"] | None = None
    level: float = 0.95


@checked
def estimating_equations(
    outcome: Column,
    covariates: Covariates,
    *,
    cluster: Column | None = None,
    data: Table | None = None,
    options: GeeOptions | None = None,
) -> StatisticResult:
    """Fit a marginal model by generalised estimating equations (Liang and Zeger 1986).

    Parameters
    ----------
    outcome : column
        A column's name in `data`, or an array; 0 or 1 for the binomial family.
    cluster : column, optional
        The patient. Without it every row is its own cluster.
    covariates, options, data : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        Estimates are **ratios** for the binomial and Poisson families, differences for the Gaussian
        (covariates first, intercept last); ``standard_error`` is of the coefficient. ``details``: ``names``,
        ``coefficients``, ``standard_errors`` (intercept first), ``alpha`` (working correlation within a
        cluster), ``scale``, ``effect`` (what the estimates are).

    Raises
    ------
    StatisticsError
        ``not-estimable``: no convergence, one outcome only, separation, redundant covariates.
    """
    chosen = options or GeeOptions()
    rows = read_regression(outcome, covariates, data, cluster=cluster)
    _check(rows, chosen)
    covariance = chosen.covariance
    n_clusters = int(rows.cluster.max()) + 1
    if covariance is None:
        covariance = "bias_reduced" if n_clusters < FEW_CLUSTERS else "robust"
    try:
        beta, spread, alpha, scale = _fit(rows, chosen, covariance)
    except np.linalg.LinAlgError as error:
        raise not_estimable(
            "the clusters leave nothing to estimate an error from",
            clusters=n_clusters,
            rows=len(rows.outcome),
        ) from error
    errors = np.sqrt(np.diag(spread))
    if not (np.isfinite(errors).all() and (errors > 0).all()):
        raise not_estimable("the data leave nothing to estimate an error from")
    return rows.result(
        f"generalised estimating equations, {chosen.family} family, {chosen.correlation} "
        f"correlation, {covariance.replace('_', '-')} errors",
        estimates=coefficient_estimates(
            rows.design.names, beta, errors, chosen.level, ratio=chosen.family != "gaussian"
        ),
        correction="Mancl-DeRouen" if covariance == "bias_reduced" else "none",
        details={
            "names": rows.design.names,
            "coefficients": beta,
            "standard_errors": errors,
            "alpha": alpha if chosen.correlation == "exchangeable" else None,
            "scale": scale,
            "effect": _EFFECTS[chosen.family],
        },
    )


def _check(rows: RegressionRows, options: GeeOptions) -> None:
    """Refuse what the equations cannot answer, before statsmodels does in its own words."""
    require_full_rank(rows.design, centred=False)
    if int(rows.cluster.max()) < 1:
        raise not_estimable("there is one cluster only; no error can be estimated from it")
    if options.family == "gaussian":
        return
    y = rows.outcome
    if options.family == "binomial":
        # The logistic fit names a single outcome, and a covariate that separates the outcomes.
        fit_logistic(build_model(rows.design, y, rows.weights))
        return
    if (y < 0).any():
        raise UsageError("invalid-table", "a count is negative")
    X, none = rows.design.values, y == 0
    if none.any() and separating_direction(-X[none], X[~none] if not none.all() else None) is not None:
        raise no_maximum("some covariate tells who has no event, so that its ratio is 0")


def _fit(
    rows: RegressionRows, options: GeeOptions, covariance: str
) -> tuple[FloatArray, FloatArray, float, float]:
    """Return coefficients and their covariance, correlation and scale.

    Coefficients and correlation are solved for in turn, by moments without degrees of freedom.

    Scale is the mean squared Pearson residual, correlation the mean product of a cluster's pairs over the
    scale, as in R's geepack (statsmodels takes degrees of freedom off both).
    """
    order = np.argsort(rows.cluster, kind="stable")
    X, y, cluster = rows.design.values[order], rows.outcome[order], rows.cluster[order]
    beta, alpha = np.zeros(X.shape[1]), 0.0
    if options.family == "poisson":
        beta[0] = np.log(max(float(y.mean()), 1e-8))
    for _ in range(200):
        mean, spread = _moments(X @ beta, options.family)
        residual = (y - mean) / np.sqrt(spread)
        scale = float((residual**2).mean())
        if options.correlation == "exchangeable":
            alpha = _pair_correlation(residual, cluster, scale)
        # d mean / d beta over the deviation: sqrt(spread) x for canonical links, and for the Gaussian 1 x.
        D = X * np.sqrt(spread)[:, None]
        W = _decorrelate(D, cluster, alpha)
        try:
            step = np.linalg.solve(D.T @ W, W.T @ residual)
        except np.linalg.LinAlgError:
            break
        beta = beta + step
        if not np.isfinite(beta).all() or np.abs(beta).max() > 1e8:
            break
        if np.abs(step).max() < 1e-11 * (1 + np.abs(beta).max()):
            bread: FloatArray = np.asarray(np.linalg.inv(D.T @ W), dtype=np.float64)
            scores = _scores(D, W, residual, cluster, bread if covariance == "bias_reduced" else None)
            spread_of_scores = scores @ bread
            return beta, spread_of_scores.T @ spread_of_scores, alpha, scale
    raise not_estimable(
        "the estimating equations did not converge",
        todo="Take the independence correlation, or a simpler model.",
    )


def _moments(eta: FloatArray, family: str) -> tuple[FloatArray, FloatArray]:
    """Return mean and variance function of a family with its canonical link."""
    if family == "binomial":
        mean = np.asarray(special.expit(eta), dtype=np.float64)
        return mean, np.maximum(mean * (1 - mean), 1e-300)
    if family == "poisson":
        mean = np.exp(np.minimum(eta, 700.0))
        return mean, mean
    return eta, np.ones_like(eta)


def _pair_correlation(residual: FloatArray, cluster: IntArray, scale: float) -> float:
    sizes = np.bincount(cluster)
    n_pairs = float((sizes * (sizes - 1)).sum())
    if n_pairs == 0 or scale == 0:
        return 0.0
    products = sum_by(cluster, residual, len(sizes)) ** 2 - sum_by(cluster, residual**2, len(sizes))
    # Kept where the working correlation matrix has an inverse.
    return float(np.clip(products.sum() / n_pairs / scale, -0.99 / max(sizes.max() - 1, 1), 0.99))


def _decorrelate(values: FloatArray, cluster: IntArray, alpha: float) -> FloatArray:
    """Multiply by the inverse of the exchangeable correlation, cluster by cluster."""
    sizes = np.bincount(cluster)
    sums = cluster_sums(values, cluster)
    share = alpha / (1 + (sizes - 1) * alpha)
    return (values - share[cluster, None] * sums[cluster]) / (1 - alpha)


def _scores(
    D: FloatArray, W: FloatArray, residual: FloatArray, cluster: IntArray, bread: FloatArray | None
) -> FloatArray:
    """Return each cluster's score; with `bread`, of residuals times (I - H)^-1 (Mancl and DeRouen 2001)."""
    if bread is None:
        return cluster_sums(W * residual[:, None], cluster)
    scores = []
    for rows in np.split(np.arange(len(cluster)), np.flatnonzero(np.diff(cluster)) + 1):
        hat = D[rows] @ bread @ W[rows].T
        scores.append(W[rows].T @ np.linalg.solve(np.eye(len(rows)) - hat, residual[rows]))
    return np.array(scores)
