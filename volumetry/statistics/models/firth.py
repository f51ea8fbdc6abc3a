"""Firth's penalised regression for rare events and separation: logistic and Cox, with profile limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from volumetry.statistics.arguments import checked
from volumetry.statistics.models.cox import CoxOptions
from volumetry.statistics.models.design import Covariates, read_covariates, require_full_rank
from volumetry.statistics.models.logistic_likelihood import LogisticModel, build_model, fit_logistic
from volumetry.statistics.models.partial_likelihood import (
    Evaluation,
    RiskSets,
    build_risk_sets,
    evaluate,
    step_sums,
)
from volumetry.statistics.models.profile_likelihood import (
    Maximum,
    Point,
    maximise,
    model_errors,
    profile_limits,
    profile_tests,
)
from volumetry.statistics.models.regression import read_regression
from volumetry.statistics.result import StatisticResult, Used
from volumetry.statistics.time.survival_rows import read_survival, require_events
from volumetry.statistics.types import Column, FloatArray, Table
from volumetry.statistics.wald import coefficient_estimates

#: No log relative hazard is this large; a penalised likelihood that goes there is flat.
_ENDLESS = 200.0


@checked
def firth_logistic(
    outcome: Column,
    covariates: Covariates,
    *,
    data: Table | None = None,
    cluster: Column | None = None,
    level: float = 0.95,
) -> StatisticResult:
    """Fit a logistic model with Firth's penalty, profile-likelihood limits and likelihood ratio tests.

    Finite under separation, and nearly unbiased with few events. Standard errors are from the information
    of the likelihood (as in R's brglm2; logistf's are from the augmented one); limits and p values are from
    the penalised likelihood's profile, which is what should be reported.

    Parameters
    ----------
    outcome : column
        0 or 1: a column's name in `data`, or an array.
    cluster : column, optional
        Not heeded: where clusters repeat, this is warned about and recorded.
    covariates, data, level : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        Estimates are **odds ratios** (covariates first, the intercept's odds last), with ``statistic`` the
        penalised likelihood ratio chi-squared. ``details``: ``names``, ``coefficients``,
        ``standard_errors``, ``limits`` (intercept first, log scale), ``log_likelihood`` (null, full).

    Raises
    ------
    StatisticsError
        ``not-estimable``: redundant covariates, or an outcome not coded 0 and 1.
    """
    rows = read_regression(outcome, covariates, data, cluster=cluster, accounted=False)
    model = build_model(rows.design, rows.outcome, rows.weights, firth=True)
    fit = fit_logistic(model)
    only_intercept = np.arange(len(model.names)) == 0
    null = maximise(model, np.zeros(len(model.names)), only_intercept).point.value
    return _result(rows, "Firth's penalised logistic regression", model, fit, null, level)


@checked
def firth_cox(
    duration: Column,
    event: Column,
    covariates: Covariates,
    *,
    data: Table | None = None,
    cluster: Column | None = None,
    options: CoxOptions | None = None,
) -> StatisticResult:
    """Fit a Cox model with Firth's penalty (Heinze and Schemper, Biometrics 2001;57:114-9).

    Finite when a covariate separates events from the rest (no event in a group).

    Parameters
    ----------
    duration, event, covariates, data, options
        As in `volumetry.statistics.cox_regression`. Heinze's coxphf uses Breslow's ties; the default here
        is Efron's.
    cluster : column, optional
        Not heeded: where clusters repeat, this is warned about and recorded.

    Returns
    -------
    StatisticResult
        Estimates are **hazard ratios** with profile limits and penalised likelihood ratio tests; ``details``
        as in `firth_logistic`.

    Raises
    ------
    StatisticsError
        ``not-estimable``: no event, or redundant covariates.
    """
    chosen = options or CoxOptions()
    read = read_covariates(covariates, data, least=1)
    rows = read_survival(
        duration,
        event,
        data,
        cluster,
        strata=chosen.strata,
        weights=chosen.weights,
        also=read.values,
        accounted=False,
    )
    require_events(rows.event)
    design = read.design(rows.used)
    require_full_rank(design, centred=True)
    model = _FirthCox(
        names=design.names,
        sets=build_risk_sets(
            design.values - design.values.mean(axis=0),
            rows.time_index,
            rows.event == 1,
            weight=rows.weights,
            strata=rows.strata.codes,
            ties=chosen.ties,
        ),
    )
    start = np.zeros(len(design.names))
    fit = maximise(model, start, np.ones(len(start), dtype=bool))
    method = f"Firth's penalised Cox regression, {chosen.ties.capitalize()} ties"
    return _result(rows, method, model, fit, model.at(start).value, chosen.level)


@dataclass(frozen=True, kw_only=True)
class _FirthCox:
    """The partial likelihood plus half the log determinant of its information."""

    sets: RiskSets
    names: tuple[str, ...]

    def at(self, beta: FloatArray) -> Point:
        here = evaluate(self.sets, beta)
        sign, log_determinant = np.linalg.slogdet(here.information)
        if sign <= 0 or not np.isfinite(here.log_likelihood):
            return Point(-np.inf, np.zeros_like(beta), here.information)
        inverse: FloatArray = np.asarray(np.linalg.inv(here.information), dtype=np.float64)
        score: FloatArray = here.score + 0.5 * self._penalty_slope(here, inverse)
        return Point(here.log_likelihood + 0.5 * float(log_determinant), score, here.information)

    def _penalty_slope(self, here: Evaluation, inverse: FloatArray) -> FloatArray:
        """Return the traces of inverse x d information / d coefficient j.

        The information is the steps' sum of covariances, so its derivative is their sum of third central
        moments, of which the trace needs the moments of q = x' inverse x with x.
        """
        X, mean, total = self.sets.X, here.step_mean, self.sets.step_weight / here.step_hazard
        q = np.einsum("ij,jk,ik->i", X, inverse, X)
        products = here.risk[:, None, None] * X[:, :, None] * X[:, None, :]
        second = step_sums(self.sets, products) / total[:, None, None]
        mean_q = step_sums(self.sets, here.risk * q) / total
        with_q = step_sums(self.sets, (here.risk * q)[:, None] * X) / total[:, None]
        pull = mean @ inverse
        drawn = np.einsum("sjk,sk->sj", second, pull) - mean * (mean * pull).sum(axis=1)[:, None]
        slope: FloatArray = self.sets.step_weight @ (with_q - mean_q[:, None] * mean - 2 * drawn)
        return slope

    def is_endless(self, beta: FloatArray) -> bool:
        return bool(np.abs(self.sets.X @ beta).max(initial=0.0) > _ENDLESS)

    def endless_message(self, beta: FloatArray) -> str:  # noqa: ARG002 -- of no covariate alone
        return "the penalised partial likelihood does not converge"


def _result(
    rows: Used, method: str, model: LogisticModel | _FirthCox, best: Maximum, null: float, level: float
) -> StatisticResult:
    names, errors = model.names, model_errors(best.point)
    limits = profile_limits(model, best, names, level)
    ratio, df = max(2 * (best.point.value - null), 0.0), len(names) - (names[0] == "intercept")
    return rows.result(
        f"{method}, profile-likelihood interval",
        estimates=coefficient_estimates(
            names,
            best.coefficients,
            errors,
            level,
            ratio=True,
            limits=limits,
            chi_squared=profile_tests(model, best),
        ),
        statistic=ratio,
        df=float(df),
        p_value=float(special.chdtrc(df, ratio)) if df else None,
        correction="Firth's penalty",
        details={
            "names": names,
            "coefficients": best.coefficients,
            "standard_errors": errors,
            "limits": limits,
            "log_likelihood": (null, best.point.value),
        },
    )
