"""Cox regression with Efron's or Breslow's ties, strata, weights and cluster-robust errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from volumetry.statistics.arguments import checked
from volumetry.statistics.clusters import cluster_sums
from volumetry.statistics.models.design import Covariates, Design, read_covariates, require_full_rank
from volumetry.statistics.models.partial_likelihood import (
    Evaluation,
    RiskSets,
    TieRule,
    build_risk_sets,
    evaluate,
    score_residuals,
)
from volumetry.statistics.result import Result, StatisticResult
from volumetry.statistics.rows import not_estimable
from volumetry.statistics.time.survival_rows import SurvivalRows, read_survival, require_events
from volumetry.statistics.types import Column, FloatArray, IntArray, Table
from volumetry.statistics.wald import coefficient_estimates

_MAX_ITERATIONS = 60
#: A Newton step (in standard deviations of a covariate) below this is no step.
_CONVERGED = 1e-10
#: Where less of the information of no effects than this is left, a coefficient ran off to infinity.
_NO_INFORMATION = 1e-9


@dataclass(frozen=True, kw_only=True)
class CoxOptions:
    """How a Cox model is fitted.

    Attributes
    ----------
    ties : "efron" or "breslow"
        Efron is R's default; Breslow is SPSS's.
    level : float
        Confidence level.
    weights : column, optional
        Case weights; if they are not whole numbers, errors are robust even without clusters, as in R.
    strata : column, optional
        Each level has a baseline hazard of its own.

    Examples
    --------
    >>> options = vs.CoxOptions(ties='breslow')
    >>> options.ties, options.level
    ('breslow', 0.95)
    """

    ties: TieRule = "efron"
    level: float = 0.95
    weights: Column | None = None
    strata: Column | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class CoxFit(Result):
    """A fitted Cox model, for what is computed from it.

    Attributes
    ----------
    design : Design
        Covariates of the rows used.
    rows : SurvivalRows
    sets : RiskSets
        Of the covariates less their means.
    coefficients, covariance, naive_covariance : arrays
        Log hazard ratios; covariance is robust if `robust`.
    null, final : Evaluation
        The likelihood at 0 and at `coefficients`.
    robust : bool

    Examples
    --------
    >>> cox = vs.cox_regression('months', 'collapse', ['arm', 'age'], data=hips, cluster='patient')
    >>> [estimate.name for estimate in cox.estimates]
    ['arm[none]', 'age']
    """

    design: Design
    rows: SurvivalRows
    sets: RiskSets
    coefficients: FloatArray
    covariance: FloatArray
    naive_covariance: FloatArray
    null: Evaluation
    final: Evaluation
    robust: bool

    def to_frame(self) -> pd.DataFrame:
        """Return one row a covariate: its log hazard ratio and the standard error of that."""
        errors = np.sqrt(np.diag(self.covariance))
        return pd.DataFrame(
            {"name": self.design.names, "log_hazard_ratio": self.coefficients, "standard_error": errors}
        )


@checked
def cox_regression(
    duration: Column,
    event: Column,
    covariates: Covariates,
    *,
    data: Table | None = None,
    cluster: Column | None = None,
    options: CoxOptions | None = None,
) -> StatisticResult:
    """Fit a proportional hazards model (Cox 1972).

    Parameters
    ----------
    cluster : column, optional
        The patient; errors are then the grouped-dfbeta sandwich (Lin and Wei 1989).
    duration, event, covariates, options, data : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        Estimates are **hazard ratios**, named by covariate; their ``standard_error`` is that of the log.
        The test as a whole is Wald's. ``details``: ``coefficients``, ``standard_errors``,
        ``naive_standard_errors`` (log scale), ``covariance``, ``log_likelihood`` (null, final),
        ``likelihood_ratio``, ``wald``, ``score`` (each chi-squared, df, p), ``n_events``, and ``fit``, a
        `CoxFit` for `proportional_hazards_test`.

    Raises
    ------
    StatisticsError
        ``not-estimable``: no event, a constant or redundant covariate, or a coefficient that is infinite
        because a covariate separates events from the rest (use `firth_cox`).
    """
    chosen = options or CoxOptions()
    read = read_covariates(covariates, data, least=1)
    rows = read_survival(
        duration, event, data, cluster, strata=chosen.strata, weights=chosen.weights, also=read.values
    )
    require_events(rows.event)
    fit = fit_cox(read.design(rows.used), rows, ties=chosen.ties, clustered=cluster is not None)
    kind = "cluster-robust" if cluster is not None else "robust" if fit.robust else "model"
    errors, wald = np.sqrt(np.diag(fit.covariance)), _wald(fit)
    events = int((rows.event == 1).sum())
    few = f"few events: {events} for {len(errors)} coefficients; estimates are unstable"
    return rows.result(
        f"Cox regression, {chosen.ties.capitalize()} ties, {kind} errors",
        estimates=coefficient_estimates(fit.design.names, fit.coefficients, errors, chosen.level, ratio=True),
        statistic=wald[0],
        df=wald[1],
        p_value=wald[2],
        ties=chosen.ties,
        notes=(few,) if events < 5 * len(errors) else (),
        details=_details(fit),
    )


def fit_cox(design: Design, rows: SurvivalRows, *, ties: TieRule, clustered: bool) -> CoxFit:
    """Fit a Cox model to prepared rows."""
    require_full_rank(design, centred=True)
    X = design.values - design.values.mean(axis=0)
    scale = X.std(axis=0)
    sets = build_risk_sets(
        X / scale, rows.time_index, rows.event == 1, weight=rows.weights, strata=rows.strata.codes, ties=ties
    )
    scaled = _newton(sets, design.names)
    inverse = _inverse(evaluate(sets, scaled).information, design.names) / np.outer(scale, scale)
    # Everything that leaves is in the covariates' own units.
    sets = build_risk_sets(
        X, rows.time_index, rows.event == 1, weight=rows.weights, strata=rows.strata.codes, ties=ties
    )
    final = evaluate(sets, scaled / scale)
    robust = clustered or bool((rows.weights != np.floor(rows.weights)).any())
    covariance = _sandwich(sets, final, inverse, rows.cluster.codes) if robust else inverse
    return CoxFit(
        design=design,
        rows=rows,
        sets=sets,
        coefficients=scaled / scale,
        covariance=covariance,
        naive_covariance=inverse,
        null=evaluate(sets, np.zeros(len(scale))),
        final=final,
        robust=robust,
    )


def _newton(sets: RiskSets, names: tuple[str, ...]) -> FloatArray:
    """Maximise the partial likelihood, halving steps that overshoot."""
    beta = np.zeros(sets.X.shape[1])
    at = null = evaluate(sets, beta)
    step = beta
    for _ in range(_MAX_ITERATIONS):
        step = _inverse(at.information, names) @ at.score
        if np.abs(step).max(initial=0.0) < _CONVERGED * (1 + np.abs(beta).max(initial=0.0)):
            left = np.linalg.eigvals(np.linalg.solve(null.information, at.information)).real
            if left.min(initial=1.0) < _NO_INFORMATION:
                break
            return beta + step
        for _halving in range(30):
            proposed = evaluate(sets, beta + step)
            # Rounding decides about the last digits of the likelihood; they must not stop the search.
            slack = 1e-12 * abs(at.log_likelihood)
            if np.isfinite(proposed.log_likelihood) and (
                proposed.log_likelihood >= at.log_likelihood - slack
            ):
                break
            step = step / 2
        beta, at = beta + step, proposed
        if np.abs(beta).max() > 50:
            break
    endless = [name for name, b, s in zip(names, beta, step, strict=True) if abs(s) > 1e-4 or abs(b) > 10]
    raise not_estimable(
        f"the likelihood has no maximum: the coefficient of {', '.join(endless or names)} is infinite "
        "(a group without events, or one that separates them)",
        iterations=_MAX_ITERATIONS,
        events=int(sets.event.sum()),
        todo="Use Firth's penalised Cox regression, or leave the covariate out.",
    )


def _inverse(information: FloatArray, names: tuple[str, ...]) -> FloatArray:
    """Invert an information matrix by its eigenvalues."""
    values, vectors = np.linalg.eigh(information)
    floor = 1e-14 * max(float(np.abs(values).max(initial=0.0)), 1e-300)
    if len(values) and (not np.isfinite(values).all() or values[0] <= floor):
        weakest = [n for n, v in zip(names, vectors[:, 0], strict=True) if abs(v) > 0.1]
        raise not_estimable(
            f"the information on {', '.join(weakest)} is 0: it does not vary, or its coefficient is infinite "
            "(a group without events, or one that separates them)",
            columns=len(names),
            todo="Leave it out, merge levels, or use Firth's penalised regression.",
        )
    result: FloatArray = (vectors / values) @ vectors.T
    return result


def _sandwich(sets: RiskSets, at: Evaluation, inverse: FloatArray, cluster: IntArray) -> FloatArray:
    """Return the robust covariance: dfbeta summed by cluster, squared."""
    weight = np.empty(len(sets.weight))
    weight[sets.order] = sets.weight
    dfbeta = (score_residuals(sets, at) * weight[:, None]) @ inverse
    sums = cluster_sums(dfbeta, cluster)
    covariance = sums.T @ sums
    # Scaled to correlations of the model's, so that units do not decide.
    unit = np.sqrt(np.diag(inverse))
    if np.linalg.eigvalsh(covariance / np.outer(unit, unit))[0] < 1e-12:
        raise not_estimable(
            "the clusters do not determine robust errors for all coefficients",
            clusters=len(sums),
            coefficients=len(unit),
            todo="Take fewer covariates, or leave the cluster out.",
        )
    return covariance


def _chi_square(statistic: float, df: int) -> tuple[float, float, float]:
    return float(statistic), float(df), float(special.chdtrc(df, max(statistic, 0.0)))


def _wald(fit: CoxFit) -> tuple[float, float, float]:
    b = fit.coefficients
    return _chi_square(float(b @ np.linalg.solve(fit.covariance, b)), len(b))


def _details(fit: CoxFit) -> dict[str, object]:
    p = len(fit.coefficients)
    score = fit.null.score @ np.linalg.solve(fit.null.information, fit.null.score)
    ratio = 2 * (fit.final.log_likelihood - fit.null.log_likelihood)
    return {
        "names": fit.design.names,
        "coefficients": fit.coefficients,
        "standard_errors": np.sqrt(np.diag(fit.covariance)),
        "naive_standard_errors": np.sqrt(np.diag(fit.naive_covariance)),
        "covariance": fit.covariance,
        "log_likelihood": (fit.null.log_likelihood, fit.final.log_likelihood),
        "likelihood_ratio": _chi_square(ratio, p),
        "wald": _wald(fit),
        "score": _chi_square(float(score), p),
        "n_events": int((fit.rows.event == 1).sum()),
        "fit": fit,
    }
