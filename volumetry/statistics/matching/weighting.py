"""Effects by propensity weights: inverse probability, overlap, and the doubly robust AIPW."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from scipy import special

from volumetry.statistics.arguments import checked
from volumetry.statistics.clusters import account, check_labels, cluster_error, labelled_rows
from volumetry.statistics.matching.propensity import PropensityScore, propensity_score
from volumetry.statistics.models.design import Covariates, Design, read_covariates, require_full_rank
from volumetry.statistics.models.logistic_likelihood import build_model, fit_logistic
from volumetry.statistics.models.regression import RegressionOptions, linear_regression, logistic_regression
from volumetry.statistics.result import Estimate, StatisticResult, Used
from volumetry.statistics.rows import complete_rows, read_numbers
from volumetry.statistics.types import Column, FloatArray, IntArray, Table
from volumetry.statistics.wald import wald_estimate

Estimand = Literal["ate", "att", "overlap"]


@checked
def propensity_weights(score: PropensityScore, estimand: Estimand) -> FloatArray:
    """Return each row's weight, for the whole input; NaN for rows without a score.

    Parameters
    ----------
    score : PropensityScore
    estimand : "ate", "att" or "overlap"
        Effect in everybody (1/e and 1/(1-e)), in the treated (1 and e/(1-e)), or in those who could have
        been either (1-e and e; Li, Morgan and Zaslavsky 2018), with e the score.

    Returns
    -------
    (N,) array
    """
    e, t = score.probability, score.treated
    one = np.ones_like(e)
    arms = {"ate": (1 / e, 1 / (1 - e)), "att": (one, e / (1 - e)), "overlap": (1 - e, e)}[estimand]
    weights = np.full(len(score.used), np.nan)
    weights[score.rows] = np.where(t, *arms)
    return weights


@checked
def weighted_effect(
    outcome: Column,
    treated: Column,
    weights: Column,
    *,
    data: Table | None = None,
    cluster: Column | None = None,
    measure: Literal["odds ratio", "difference"] = "odds ratio",
    level: float = 0.95,
) -> StatisticResult:
    """Compare an outcome between arms under weights, with robust errors (as R's svyglm).

    The weights are taken as known; their estimation makes the interval slightly too wide for the effect in
    everybody (Lunceford and Davidian 2004).

    Parameters
    ----------
    outcome, treated, weights : column
        Names of columns of `data`, or arrays; weights from `propensity_weights`.
    measure : "odds ratio" or "difference"
        Of a 0/1 outcome by a logistic model; or of means (risks) by a linear one.
    cluster, data, level : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        As from `logistic_regression` or `linear_regression`, the first estimate named ``"treated"``; t tests
        on clusters less 2 degrees of freedom.
    """
    arm = read_numbers(treated, data, name="treated")
    options = RegressionOptions(weights=weights, level=level)
    fit = logistic_regression if measure == "odds ratio" else linear_regression
    return fit(outcome, {"treated": arm}, data=data, cluster=cluster, options=options)


@checked
def augmented_weighting(
    outcome: Column,
    treated: Column,
    covariates: Covariates,
    *,
    data: Table | None = None,
    cluster: Column | None = None,
    level: float = 0.95,
) -> StatisticResult:
    """Estimate the risk (or mean) difference by augmented inverse probability weighting (AIPW).

    Right if either the propensity model or the outcome models are (Robins, Rotnitzky and Zhao 1994). Both
    use the same covariates; outcomes are modelled in each arm apart, by logistic regression if they are 0
    and 1 and by least squares otherwise. The error is from the influence function, with n - 1.

    Parameters
    ----------
    outcome, treated : column
    covariates, cluster, data, level : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        Estimates ``"difference"``, ``"mean treated"``, ``"mean control"``. ``details["influence"]``: each
        used row's influence.

    Raises
    ------
    StatisticsError
        ``not-estimable``: a model cannot be fitted (separation, redundant covariates, an empty arm).
    """
    y = read_numbers(outcome, data, name="outcome")
    arm = read_numbers(treated, data, name="treated")
    read = read_covariates(covariates, data)
    labels = labelled_rows(cluster, len(y), data)
    used = complete_rows(y, arm, labels, *read.values)
    rows = Used(**account(check_labels(labels, data, used, True, 4), used))
    score = propensity_score(np.where(used, arm, np.nan), covariates, data=data)
    design = read.design(used).with_intercept()
    e, t, y = score.probability, score.treated, y[used]
    in_treated, in_control = (
        _predict(replace(design, values=design.values[arm_rows]), y[arm_rows], design.values)
        for arm_rows in (t, ~t)
    )
    one = in_treated + t * (y - in_treated) / e
    zero = in_control + ~t * (y - in_control) / (1 - e)
    codes = np.arange(len(y)) if labels is None else labels.codes[used]
    outside = int(((e < 0.01) | (e > 0.99)).sum())
    poor = f"poor overlap: {outside} rows have a propensity score below 0.01 or above 0.99"
    return rows.result(
        "augmented inverse probability weighting (AIPW)",
        estimates=(
            _mean("difference", one - zero, codes, level),
            _mean("mean treated", one, codes, level),
            _mean("mean control", zero, codes, level),
        ),
        correction="n - 1",
        notes=(poor,) if outside else (),
        details={"influence": one - zero - (one - zero).mean()},
    )


def _predict(design: Design, y: FloatArray, X: FloatArray) -> FloatArray:
    """Fit the outcome on one arm's rows and predict it on all."""
    if np.isin(y, (0.0, 1.0)).all():
        model = build_model(design, y, np.ones(len(y)))
        return np.asarray(special.expit(X @ fit_logistic(model).coefficients), dtype=np.float64)
    require_full_rank(design, centred=False)
    return np.asarray(X @ np.linalg.lstsq(design.values, y, rcond=None)[0], dtype=np.float64)


def _mean(name: str, values: FloatArray, cluster: IntArray, level: float) -> Estimate:
    """Return the mean with the error of its clusters' sums."""
    value = float(values.mean())
    error, _ = cluster_error((values - value) / len(values), cluster)
    return wald_estimate(name, value, error, level)
