"""Linear mixed models: random patients, hips within patients, random slopes over visits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize

from volumetry.statistics.arguments import checked
from volumetry.statistics.models.design import Covariates, read_covariates, require_full_rank
from volumetry.statistics.result import StatisticResult, Used
from volumetry.statistics.rows import complete_rows, not_estimable, read_labels, read_numbers
from volumetry.statistics.types import Column, FloatArray, IntArray, Table
from volumetry.statistics.wald import coefficient_estimates


@dataclass(frozen=True, kw_only=True)
class MixedOptions:
    """What is random in a mixed model, and how it is fitted.

    Attributes
    ----------
    nested : column, optional
        A unit within the cluster with an intercept of its own: the hip within the patient, when there are
        several visits.
    slope : column, optional
        A covariate (time) whose slope varies between clusters, correlated with the intercept.
    reml : bool
        Restricted maximum likelihood (default), or maximum likelihood, which likelihood ratio tests of fixed
        effects need.
    level : float

    Examples
    --------
    >>> vs.MixedOptions(reml=False).reml
    False
    """

    nested: Column | None = None
    slope: Column | None = None
    reml: bool = True
    level: float = 0.95


@checked
def mixed_model(
    outcome: Column,
    covariates: Covariates,
    *,
    cluster: Column,
    data: Table | None = None,
    options: MixedOptions | None = None,
) -> StatisticResult:
    """Fit a linear mixed model with a random intercept per cluster (patient).

    Parameters
    ----------
    outcome : column
        A number: a column's name in `data`, or an array.
    covariates : names of columns, mapping of names to values, DataFrame or (n, p) array
        Fixed effects; ``"group:time"`` is the product of two columns.
    cluster, options, data : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        Estimates are fixed effects (covariates first, intercept last) with Wald z tests, which are a little
        too sure of themselves with few clusters. ``details``: ``names``, ``coefficients``,
        ``standard_errors`` (intercept first), ``variances`` (``"cluster"``, ``"nested"``, ``"slope"``,
        ``"slope covariance"``, ``"residual"``), ``intraclass_correlation``, ``log_likelihood``.

    Raises
    ------
    StatisticsError
        ``not-estimable``: no convergence, redundant covariates, or no cluster with two rows.
    """
    chosen = options or MixedOptions()
    y = read_numbers(outcome, data, name="outcome")
    read = read_covariates(covariates, data)
    nested = None if chosen.nested is None else read_labels(chosen.nested, data, name="nested")
    slope = None if chosen.slope is None else read_numbers(chosen.slope, data, name="slope")
    labels = read_labels(cluster, data, name="cluster")
    used = complete_rows(y, nested, slope, labels, *read.values)
    design = read.design(used).with_intercept()
    require_full_rank(design, centred=False)
    group = np.unique(labels.codes[used], return_inverse=True)[1]
    _check_groups(group, len(design.names))
    random = _Random(
        group=group,
        nested=None if nested is None else nested.codes[used],
        slope=None if slope is None else slope[used],
    )
    fit, theta = _fit(y[used], design.values, random, chosen.reml)
    variances = _variances(theta, random, fit.residual_variance)
    errors = np.sqrt(np.diag(fit.inverse) * fit.residual_variance)
    floor = 1e-8 * (variances["cluster"] + variances["residual"])
    zero = [name for name, value in variances.items() if "covariance" not in name and value < floor]
    between = variances["cluster"] + variances.get("nested", 0.0)
    rows = Used(n_used=len(group), n_missing=int((~used).sum()), n_clusters=int(group.max()) + 1)
    return rows.result(
        f"linear mixed model ({'REML' if chosen.reml else 'maximum likelihood'})",
        estimates=coefficient_estimates(design.names, fit.coefficients, errors, chosen.level),
        notes=(f"singular fit: the variance of {', '.join(zero)} is 0",) if zero else (),
        details={
            "names": design.names,
            "coefficients": fit.coefficients,
            "standard_errors": errors,
            "variances": variances,
            "intraclass_correlation": between / (between + variances["residual"]),
            "log_likelihood": -fit.deviance / 2,
        },
    )


@dataclass(frozen=True, kw_only=True)
class _Random:
    """What is random: the cluster, a unit within it, a slope."""

    group: IntArray
    nested: IntArray | None
    slope: FloatArray | None

    @property
    def n_parameters(self) -> int:
        """Standard deviations (and one covariance) relative to the residual's."""
        return 1 + 2 * (self.slope is not None) + (self.nested is not None)


def _check_groups(group: IntArray, n_coefficients: int) -> None:
    n_groups = int(group.max()) + 1
    if n_groups < 2 or n_groups == len(group):
        raise not_estimable(
            "a random effect needs several clusters, and several rows in some of them",
            rows=len(group),
            clusters=n_groups,
        )
    if len(group) <= n_coefficients + 1:
        raise not_estimable(
            "there are too few rows for the model", rows=len(group), coefficients=n_coefficients
        )


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Clusters of one size m, stacked: ``Z`` (g, m, q), ``same`` (g, m, m), ``data`` (g, m, p + 1)."""

    Z: FloatArray
    same: FloatArray | None
    data: FloatArray


@dataclass(frozen=True, kw_only=True)
class _Profile:
    """The likelihood at one set of relative standard deviations, fixed effects and residual profiled out."""

    deviance: float
    coefficients: FloatArray
    inverse: FloatArray
    residual_variance: float


def _batches(y: FloatArray, X: FloatArray, random: _Random) -> list[_Batch]:
    order = np.argsort(random.group, kind="stable")
    sizes = np.bincount(random.group)
    columns = [np.ones(len(y))] + ([] if random.slope is None else [random.slope])
    Z, data = np.column_stack(columns)[order], np.column_stack([X, y])[order]
    nested = None if random.nested is None else random.nested[order]
    size_of_row = sizes[random.group[order]]
    batches = []
    for m in np.unique(sizes):
        rows = np.flatnonzero(size_of_row == m).reshape(-1, int(m))
        same = None
        if nested is not None:
            same = (nested[rows][:, :, None] == nested[rows][:, None, :]).astype(np.float64)
        batches.append(_Batch(Z=Z[rows], same=same, data=data[rows]))
    return batches


def _factor(theta: FloatArray, q: int) -> FloatArray:
    """Return the lower triangle of the cluster's relative covariance."""
    if q == 1:
        return np.array([[theta[0]]])
    return np.array([[theta[0], 0.0], [theta[1], theta[2]]])


def _profile(theta: FloatArray, batches: list[_Batch], n: int, reml: bool) -> _Profile:
    """Profile fixed effects and residual variance out (Bates et al., J Stat Softw 2015;67(1))."""
    p = batches[0].data.shape[2] - 1
    cross, log_determinant = np.zeros((p + 1, p + 1)), 0.0
    for batch in batches:
        half = batch.Z @ _factor(theta, batch.Z.shape[2])
        V = np.eye(batch.Z.shape[1]) + half @ half.transpose(0, 2, 1)
        if batch.same is not None:
            V += theta[-1] ** 2 * batch.same
        root = np.linalg.cholesky(V)
        white = np.linalg.solve(root, batch.data).reshape(-1, p + 1)
        cross += white.T @ white
        log_determinant += 2 * float(np.log(np.diagonal(root, axis1=1, axis2=2)).sum())
    inverse = np.linalg.inv(cross[:p, :p])
    beta = inverse @ cross[:p, p]
    squares = float(cross[p, p] - cross[:p, p] @ beta)
    if squares <= 0:
        raise not_estimable("the model leaves no residual variance")
    df = n - p if reml else n
    deviance = log_determinant + df * (1 + np.log(2 * np.pi * squares / df))
    if reml:
        deviance += float(np.linalg.slogdet(cross[:p, :p])[1])
    return _Profile(
        deviance=float(deviance), coefficients=beta, inverse=inverse, residual_variance=squares / df
    )


def _fit(y: FloatArray, X: FloatArray, random: _Random, reml: bool) -> tuple[_Profile, FloatArray]:
    """Minimise the profiled deviance from several starts; the deviance is even in each parameter."""
    rest = y - X @ np.linalg.lstsq(X, y, rcond=None)[0]
    if float(rest @ rest) <= 1e-20 * max(float(y @ y), 1e-300):
        raise not_estimable("the outcome is constant, or follows from the covariates", rows=len(y))
    batches = _batches(y, X, random)

    def deviance(theta: FloatArray) -> float:
        try:
            return _profile(theta, batches, len(y), reml).deviance
        except np.linalg.LinAlgError:  # so far out that the covariance is singular in floating point
            return np.inf

    best = None
    for start in (1.0, 0.2):
        first = np.full(random.n_parameters, start)
        if random.slope is not None:
            first[1:3] = 0.0, start / max(float(random.slope.std()), 1e-12)
        found = optimize.minimize(
            deviance, first, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-11, "maxiter": 4000}
        )
        if found.success and (best is None or found.fun < best.fun):
            best = found
    if best is None:
        raise not_estimable("the mixed model did not converge", todo="Leave out a random effect.")
    theta = np.asarray(best.x, dtype=np.float64)
    return _profile(theta, batches, len(y), reml), theta


def _variances(theta: FloatArray, random: _Random, residual: float) -> dict[str, float]:
    factor = _factor(theta, 1 if random.slope is None else 2)
    covariance = factor @ factor.T * residual
    result = {"cluster": float(covariance[0, 0])}
    if len(factor) == 2:
        result["slope"] = float(covariance[1, 1])
        result["slope covariance"] = float(covariance[0, 1])
    if random.nested is not None:
        result["nested"] = float(theta[-1] ** 2) * residual
    result["residual"] = residual
    return result
