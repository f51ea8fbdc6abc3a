"""Logistic and linear regression with errors that allow for clusters, weights and few clusters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.clusters import account, check_labels, cluster_sums, labelled_rows
from volumetry.statistics.models.design import Covariates, Design, read_covariates, require_full_rank
from volumetry.statistics.models.logistic_likelihood import build_model, fit_logistic
from volumetry.statistics.models.profile_likelihood import profile_limits
from volumetry.statistics.result import StatisticResult, Used
from volumetry.statistics.rows import complete_rows, not_estimable, read_numbers
from volumetry.statistics.types import BoolArray, Column, FloatArray, IntArray, Table
from volumetry.statistics.wald import coefficient_estimates

Correction = Literal["none", "clusters", "hc1", "cr2"]
Interval = Literal["wald", "profile"]
Reference = Literal["normal", "t", "satterthwaite"]

_FEW_CLUSTERS = 40


@dataclass(frozen=True, kw_only=True)
class RegressionOptions:
    """How a regression's errors are computed.

    Attributes
    ----------
    level : float
        Confidence level.
    weights : column, optional
        Inverse probability or other weights; errors are then robust.
    correction : "none", "clusters", "hc1" or "cr2", optional
        Small-sample factor of robust errors, with G clusters, n rows, k coefficients: none (sandwich's
        HC0 without ``cadjust``), G/(G-1) (with it; the default for logistic models), times (n-1)/(n-k)
        (sandwich's default for linear models), or the bias-reduced linearisation of Bell and McCaffrey with
        Satterthwaite's degrees of freedom (linear models only; the default there).
    interval : "wald" or "profile"
        Profile likelihood is for logistic models without clusters or weights.

    Examples
    --------
    >>> vs.RegressionOptions(interval='profile').interval
    'profile'
    """

    level: float = 0.95
    weights: Column | None = None
    correction: Correction | None = None
    interval: Interval = "wald"


@dataclass(frozen=True, kw_only=True)
class RegressionRows(Used):
    """Complete rows of a regression: outcome, design with intercept, weights, cluster."""

    outcome: FloatArray
    design: Design
    weights: FloatArray
    cluster: IntArray
    used: BoolArray


@checked
def logistic_regression(
    outcome: Column,
    covariates: Covariates,
    *,
    data: Table | None = None,
    cluster: Column | None = None,
    options: RegressionOptions | None = None,
) -> StatisticResult:
    """Fit a logistic model by maximum likelihood, with cluster-robust errors if there are clusters.

    Parameters
    ----------
    outcome : column
        0 or 1: a column's name in `data`, or an array.
    covariates, cluster, options, data : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        Estimates are **odds ratios** (first the covariates, the intercept's odds last); their
        ``standard_error`` is that of the log. ``details``: ``names``, ``coefficients``,
        ``standard_errors`` (intercept first, log scale), ``covariance``, ``log_likelihood``.

    Raises
    ------
    StatisticsError
        ``not-estimable``: one outcome only, separation (use `firth_logistic`), redundant covariates.
    """
    chosen = options or RegressionOptions()
    rows = read_regression(outcome, covariates, data, cluster=cluster, weights=chosen.weights)
    robust = cluster is not None or chosen.weights is not None
    correction, limits = chosen.correction or "clusters", None
    if correction == "cr2":
        raise UsageError(
            "usage", "the cr2 correction is for linear models", todo="Take clusters, hc1 or none."
        )
    if robust and chosen.interval == "profile":
        raise UsageError("usage", "profile limits know neither clusters nor weights", todo="Take wald.")
    model = build_model(rows.design, rows.outcome, rows.weights)
    fit = fit_logistic(model)
    covariance: FloatArray = np.asarray(np.linalg.inv(fit.point.information), dtype=np.float64)
    if robust:
        scores = model.X * (model.weights * (model.y - model.probability(fit.coefficients)))[:, None]
        covariance = _sandwich(scores, covariance, rows, correction)
    if chosen.interval == "profile":
        limits = profile_limits(model, fit, model.names, chosen.level)
    errors, df = np.sqrt(np.diag(covariance)), math.inf
    if chosen.weights is not None:
        df = max(int(rows.cluster.max()) + 1 - len(errors), 1)  # as of a survey design
    return rows.result(
        f"logistic regression, {_error_name(chosen, cluster is not None, robust)}",
        estimates=coefficient_estimates(
            model.names, fit.coefficients, errors, chosen.level, df=df, ratio=True, limits=limits
        ),
        correction=correction if robust else "none",
        notes=_few_notes(rows),
        details={
            "names": model.names,
            "coefficients": fit.coefficients,
            "standard_errors": errors,
            "covariance": covariance,
            "log_likelihood": fit.point.value,
        },
    )


@checked
def linear_regression(
    outcome: Column,
    covariates: Covariates,
    *,
    data: Table | None = None,
    cluster: Column | None = None,
    options: RegressionOptions | None = None,
) -> StatisticResult:
    """Fit a linear model by least squares, with cluster-robust errors if there are clusters.

    Parameters
    ----------
    outcome, covariates, data, cluster, options
        As in `logistic_regression`; the default correction is ``"cr2"``.

    Returns
    -------
    StatisticResult
        Estimates are the coefficients (covariates first, intercept last), with t tests. ``details``:
        ``names``, ``coefficients``, ``standard_errors``, ``df`` (each with the intercept first),
        ``covariance``, ``residual_variance``.

    Raises
    ------
    StatisticsError
        ``not-estimable``: redundant covariates, or no more rows than coefficients.
    """
    chosen = options or RegressionOptions()
    rows = read_regression(outcome, covariates, data, cluster=cluster, weights=chosen.weights)
    require_full_rank(rows.design, centred=False)
    n, k = rows.design.values.shape
    if n <= k:
        raise not_estimable("there are no more rows than coefficients", rows=n, coefficients=k)
    X, w = rows.design.values, rows.weights
    bread: FloatArray = np.asarray(np.linalg.inv(X.T @ (X * w[:, None])), dtype=np.float64)
    beta = bread @ (X.T @ (w * rows.outcome))
    residual = rows.outcome - X @ beta
    variance = float(w @ residual**2) / (n - k)
    robust = cluster is not None or chosen.weights is not None
    correction = chosen.correction or ("cr2" if chosen.weights is None else "clusters")
    df = np.full(k, float(n - k))
    covariance = bread * variance
    if robust and correction == "cr2":
        covariance, df = _bias_reduced(rows, bread, residual)
    elif robust:
        covariance = _sandwich(X * (w * residual)[:, None], bread, rows, correction)
    errors = np.sqrt(np.diag(covariance))
    return rows.result(
        f"linear regression, {_error_name(chosen, cluster is not None, robust)}",
        estimates=coefficient_estimates(rows.design.names, beta, errors, chosen.level, df=df),
        correction=correction if robust else "none",
        notes=_few_notes(rows),
        details={
            "names": rows.design.names,
            "coefficients": beta,
            "standard_errors": errors,
            "df": df,
            "covariance": covariance,
            "residual_variance": variance,
        },
    )


def read_regression(
    outcome: Column,
    covariates: Covariates,
    data: Table | None,
    *,
    cluster: Column | None,
    weights: Column | None = None,
    accounted: bool = True,
) -> RegressionRows:
    """Read the complete rows of a regression; `accounted` says whether the method can allow for clusters."""
    y = read_numbers(outcome, data, name="outcome")
    weight = np.ones(len(y)) if weights is None else read_numbers(weights, data, name="weights")
    read = read_covariates(covariates, data)
    labels = labelled_rows(cluster, len(y), data)
    used = complete_rows(y, weight, labels, *read.values)
    if (weight[used] < 0).any() or not weight[used].sum() > 0:
        raise UsageError("invalid-table", "weights are negative or all 0")
    codes = np.arange(len(y)) if labels is None else labels.codes
    return RegressionRows(
        outcome=y[used],
        design=read.design(used).with_intercept(),
        weights=weight[used],
        cluster=np.unique(codes[used], return_inverse=True)[1],
        used=used,
        **account(check_labels(labels, data, used, accounted, 5), used),
    )


def _sandwich(
    scores: FloatArray, bread: FloatArray, rows: RegressionRows, correction: Correction
) -> FloatArray:
    sums = cluster_sums(scores, rows.cluster) @ bread
    g, (n, k) = len(sums), rows.design.values.shape
    if g < 2:
        raise not_estimable("there is one cluster only; no error can be estimated from it")
    if n <= k:
        raise not_estimable("there are no more rows than coefficients", rows=n, coefficients=k)
    factors = {"none": 1.0, "clusters": g / (g - 1), "hc1": g / (g - 1) * (n - 1) / (n - k)}
    result: FloatArray = sums.T @ sums * factors[correction]
    return result


def _bias_reduced(
    rows: RegressionRows, bread: FloatArray, residual: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the CR2 covariance and Satterthwaite's degrees of freedom (Bell and McCaffrey 2002).

    Each cluster's residuals are multiplied by A = (I - H)^(-1/2) with H its block of the hat matrix. The
    variance of coefficient c is a quadratic form whose matrix, with g_i = A_i X_i bread c, has the entries
    g_i'(I - H)_ij g_j; its trace squared over the trace of its square is the df.
    """
    if not (rows.weights == 1).all():
        raise UsageError("usage", "the cr2 correction is for models without weights", todo="Take clusters.")
    X = rows.design.values
    k = X.shape[1]
    order = np.argsort(rows.cluster, kind="stable")
    starts = np.flatnonzero(np.diff(rows.cluster[order], prepend=-1))
    if len(starts) < 2:
        raise not_estimable("there is one cluster only; no error can be estimated from it")
    meat, own, crossed = [], [], []
    for part in np.split(order, starts[1:]):
        x = X[part]
        adjusted = _inverse_root(np.eye(len(part)) - x @ bread @ x.T) @ np.column_stack([residual[part], x])
        meat.append(x.T @ adjusted[:, 0])
        g = adjusted[:, 1:] @ bread
        own.append((g**2).sum(axis=0))
        crossed.append(x.T @ g)
    sums = np.array(meat) @ bread
    z, d = np.array(crossed), np.array(own)
    df = np.empty(k)
    for c in range(k):
        zc = z[:, :, c]
        inner = np.einsum("ij,jk,ik->i", zc, bread, zc)
        cross = zc.T @ zc @ bread
        trace = float((d[:, c] - inner).sum())
        square = float((d[:, c] ** 2 - 2 * d[:, c] * inner).sum() + np.trace(cross @ cross))
        if not (trace > 0 and square > 0):
            raise not_estimable(
                "the clusters leave nothing to estimate an error from", clusters=len(starts), coefficients=k
            )
        df[c] = trace**2 / square
    return sums.T @ sums, df


def _inverse_root(matrix: FloatArray) -> FloatArray:
    """Return the symmetric inverse square root, with directions of variance 0 left out."""
    values, vectors = np.linalg.eigh(matrix)
    root = np.where(values > 1e-10, 1 / np.sqrt(np.maximum(values, 1e-300)), 0.0)
    result: FloatArray = (vectors * root) @ vectors.T
    return result


def _error_name(options: RegressionOptions, clustered: bool, robust: bool) -> str:
    kind = "cluster-robust errors" if clustered else "robust errors" if robust else "model errors"
    return kind + (", profile-likelihood interval" if options.interval == "profile" else "")


def _few_notes(rows: RegressionRows) -> tuple[str, ...]:
    n = rows.n_clusters
    if n is None or n >= _FEW_CLUSTERS:
        return ()
    return (f"few clusters: {n}; robust errors tend to be too small under about {_FEW_CLUSTERS}",)
