"""Estimating equations, cluster-robust, mixed and Firth's regressions beside R's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import volumetry.statistics as vs

from .compared import (
    GEE,
    GEE_P_VALUES,
    GLM_P_VALUES,
    ITERATED,
    LOGISTF_COEFFICIENTS,
    MASS_LIMITS,
    VARIANCES,
    Cohort,
    Compared,
    Comparison,
    Section,
    beside,
    column,
    intercept_first,
)

COVARIATES = ["group", "age", "arco", "vol0_r1"]
FIRTH = ["group", "arco", "vol0_r1"]
EQUATIONS = {
    "gee_hips_collapse_exch": ("collapse", COVARIATES, vs.GeeOptions()),
    "gee_hips_collapse_ind": ("collapse", COVARIATES, vs.GeeOptions(correlation="independence")),
    "gee_hips_collapse_groupOnly_exch": ("collapse", ["group"], vs.GeeOptions()),
    "gee_hips_logRR": ("collapse", ["group"], vs.GeeOptions(family="poisson")),
    "gee_hips_relchange_gauss": ("rel", ["group"], vs.GeeOptions(family="gaussian")),
}


def fields(result: vs.StatisticResult, name: str) -> list[Any]:
    """One field of every estimate, in R's order."""
    return intercept_first([getattr(estimate, name) for estimate in result.estimates])


def equations(section: str) -> Comparison:
    """Compare estimating equations with geepack's."""

    def compare(cohort: Cohort) -> Iterator[Compared]:
        outcome, covariates, options = EQUATIONS[section]
        expected = cohort.r[section]
        result = vs.estimating_equations(
            outcome, covariates, data=cohort.hips, cluster="patient", options=options
        )
        details, coefficients = result.details, list(expected["coef"].values())
        # The group first, since it is what is asked for; then all.
        yield beside("coefficient of group", details["coefficients"][1], coefficients[1], GEE)
        yield beside("coefficients", details["coefficients"], coefficients, GEE)
        yield beside("errors", details["standard_errors"], expected["se"], GEE)
        yield beside("scale", details["scale"], expected["scale"], GEE)
        if options.correlation == "exchangeable":
            yield beside("alpha", details["alpha"], expected["alpha"], GEE)
        yield beside("p of the intercept", fields(result, "p_value"), expected["p"], GEE_P_VALUES)

    return compare


def logistic(cohort: Cohort) -> Iterator[Compared]:
    """Logistic regression with glm's and sandwich's errors, and MASS's profile limits."""
    expected = cohort.r["logit_hips"]
    late = []
    for section, clustered, correction in (
        ("naive", False, None),
        ("clHC0", True, "none"),
        ("clHC0_cadjust", True, "clusters"),
    ):
        result = vs.logistic_regression(
            "collapse",
            COVARIATES,
            data=cohort.hips if clustered else cohort.hips_alone,
            cluster="patient" if clustered else None,
            options=vs.RegressionOptions(correction=correction),
        )
        rows, details = expected[section], result.details
        errors = details["standard_errors"]
        yield beside("error of group", errors[1], rows[1]["Std. Error"], ITERATED)
        yield beside("coefficients", details["coefficients"], column(rows, "Estimate"), ITERATED)
        yield beside("errors", errors, column(rows, "Std. Error"), ITERATED)
        yield beside("z", fields(result, "statistic"), column(rows, "z value"), ITERATED)
        name = "p of the intercept"
        late.append(beside(name, fields(result, "p_value"), column(rows, "Pr(>|z|)"), GLM_P_VALUES))
    yield from late
    options = vs.RegressionOptions(interval="profile")
    profile = vs.logistic_regression("collapse", COVARIATES, data=cohort.hips_alone, options=options)
    for field, theirs in (("ci_low", "2.5 %"), ("ci_high", "97.5 %")):
        found = np.log(fields(profile, field))
        name = "profile limit of the intercept"
        yield beside(name, found, column(expected["profile_ci"], theirs), MASS_LIMITS, floor=1.0)


def mixed_change(cohort: Cohort) -> Iterator[Compared]:
    """Linear regression with sandwich's and clubSandwich's errors; lme4's mixed model."""
    expected = cohort.r["lmm_relchange"]
    late = []
    for kind, variances in (("reml", "var"), ("ml", "var_ml")):
        options = vs.MixedOptions(reml=kind == "reml")
        result = vs.mixed_model("rel", "group", cluster="patient", data=cohort.hips, options=options)
        rows, details, found = expected[kind], result.details, result.details["variances"]
        yield beside("coefficient of group", details["coefficients"][1], rows[1]["Estimate"], ITERATED)
        yield beside("coefficients", details["coefficients"], column(rows, "Estimate"), ITERATED)
        yield beside("errors", details["standard_errors"], column(rows, "Std. Error"), ITERATED)
        components = [found["cluster"], found["residual"]]
        name = "variance between patients"
        late.append(beside(name, components, column(expected[variances], "vcov"), VARIANCES))
        yield beside("n", result.n_used, expected["n"])
    names = ("Estimate", "Std. Error", "t value", "Pr(>|t|)")
    for section, correction, theirs in (("ols_cl", "hc1", names), ("cr2", None, ("beta", "SE", "t", "p"))):
        options_linear = vs.RegressionOptions(correction=correction)
        result = vs.linear_regression(
            "rel", "group", data=cohort.hips, cluster="patient", options=options_linear
        )
        rows = expected[section]
        for field, name in zip(("value", "standard_error", "statistic", "p_value"), theirs, strict=True):
            label = "intercept, cluster-robust" if field == "value" else name
            yield beside(label, fields(result, field), column(rows, name))
        if section == "cr2":
            yield beside("df", result.details["df"], column(rows, "df"))
    yield from late


def mixed_visits(cohort: Cohort) -> Iterator[Compared]:
    """lme4's model of visits within hips within patients."""
    import pandas as pd

    expected = cohort.r["lmm_long_logvol"]
    both = cohort.hips[cohort.hips["vol1_r1"].notna()]
    visits = pd.concat(
        [
            both.assign(t=0, log_volume=np.log(both["vol0_r1"])),
            both.assign(t=1, log_volume=np.log(both["vol1_r1"])),
        ]
    )
    options = vs.MixedOptions(nested="hip")
    covariates = ["group", "t", "group:t"]
    result = vs.mixed_model("log_volume", covariates, cluster="patient", data=visits, options=options)
    details, rows, found = result.details, expected["coef"], result.details["variances"]
    yield beside("coefficient of group:t", details["coefficients"][3], rows[3]["Estimate"], ITERATED)
    yield beside("coefficients", details["coefficients"], column(rows, "Estimate"), ITERATED)
    yield beside("errors", details["standard_errors"], column(rows, "Std. Error"), ITERATED)
    yield beside("log likelihood", details["log_likelihood"], expected["logLik"], ITERATED)
    components = [found["nested"], found["cluster"], found["residual"]]
    yield beside("variance between hips", components, column(expected["var"], "vcov"), VARIANCES)


def logistf(cohort: Cohort) -> Iterator[Compared]:
    """Firth's logistic regression with profile limits."""
    import pandas as pd

    hips = cohort.hips_alone
    stage_one = pd.DataFrame({"x": [1] * 9 + [0] * 117, "y": [1] * 9 + [1] * 39 + [0] * 78})
    late = []
    for section, outcome, covariates, table in (
        ("hips_full", "collapse", FIRTH, hips),
        ("hips_first40", "collapse", FIRTH, hips[:40]),
        ("stageI_control", "y", ["x"], stage_one),
    ):
        expected = cohort.r["logistf"][section]
        result = vs.firth_logistic(outcome, covariates, data=table)
        details = result.details
        name = f"p of {covariates[0]}, {section}"
        yield beside(name, result.estimates[0].p_value, expected["p"][1], ITERATED)
        yield beside("p", fields(result, "p_value"), expected["p"], ITERATED)
        for side, key in ((0, "lower"), (1, "upper")):
            yield beside(key, details["limits"][:, side], expected[key], ITERATED)
        yield beside("log likelihood", sorted(details["log_likelihood"]), sorted(expected["loglik"]))
        coefficients = list(expected["coef"].values())
        late.append(
            beside(f"intercept, {section}", details["coefficients"], coefficients, LOGISTF_COEFFICIENTS)
        )
    yield from late


def brglm(section: str) -> Comparison:
    """Compare Firth's logistic regression with brglm2's."""

    def compare(cohort: Cohort) -> Iterator[Compared]:
        if section == "firth_hips_small":
            result = vs.firth_logistic("collapse", FIRTH, data=cohort.hips_alone[:40])
        else:
            x = np.repeat([0, 1], 6)
            result = vs.firth_logistic(x, {"x": x})
        rows, details = cohort.r[section], result.details
        name = f"coefficient of {rows[1]['_row']}"
        yield beside(name, details["coefficients"][1], rows[1]["Estimate"], ITERATED)
        yield beside("coefficients", details["coefficients"], column(rows, "Estimate"), ITERATED)
        yield beside("errors", details["standard_errors"], column(rows, "Std. Error"), ITERATED)

    return compare


SECTIONS = (
    *(Section(name=name, functions=("estimating_equations",), compare=equations(name)) for name in EQUATIONS),
    Section(name="logit_hips", functions=("logistic_regression",), compare=logistic),
    *(
        Section(name=name, functions=("firth_logistic",), compare=brglm(name))
        for name in ("firth_hips_small", "firth_separated")
    ),
    Section(name="logistf", functions=("firth_logistic",), compare=logistf),
    Section(name="lmm_relchange", functions=("mixed_model", "linear_regression"), compare=mixed_change),
    Section(name="lmm_long_logvol", functions=("mixed_model",), compare=mixed_visits),
)
