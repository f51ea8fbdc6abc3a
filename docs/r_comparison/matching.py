"""Propensity scores, pairs, balance and weighting beside R's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import volumetry.statistics as vs

from .compared import ITERATED, Cohort, Compared, Section, beside, column

COVARIATES = ["age", "male", "bmi", "aetiology"]
SCALES = {"raw_abs": "probability", "raw_sd": "sd-probability", "logit_sd": "sd-logit"}
VARIANTS = {
    f"{scale}{width}_{order}": vs.MatchOptions(caliper=width, scale=name, order=order)
    for scale, name in SCALES.items()
    for width in ((0.1, 0.2) if scale == "logit_sd" else (0.1,))
    for order in ("largest", "smallest", "data")
} | {
    "closest_logit_sd0.1": vs.MatchOptions(caliper=0.1, scale="sd-logit", order="closest"),
    "nocaliper_largest": vs.MatchOptions(caliper=np.inf, scale="none"),
}
BALANCE = {
    "mean_treated": "Means Treated",
    "mean_control": "Means Control",
    "standardised_difference": "Std. Mean Diff.",
    "variance_ratio": "Var. Ratio",
    "ecdf_mean": "eCDF Mean",
    "ecdf_max": "eCDF Max",
    "pair_distance": "Std. Pair Dist.",
}
# Differences of means that agree have no relative accuracy: 1e-8 of the floor is 1e-10.
BALANCE_FLOOR = 1e-2


def score_of(cohort: Cohort) -> vs.PropensityScore:
    """The score of the patients that all sections start from."""
    return vs.propensity_score("group", COVARIATES, data=cohort.patients)


def matched(cohort: Cohort) -> vs.Matching:
    """The pairs that the sections after matching were given."""
    return vs.match_pairs(score_of(cohort), VARIANTS["logit_sd0.1_largest"])


def pairs(cohort: Cohort) -> Iterator[Compared]:
    """The score, then the pairs of each variant and their balance, as MatchIt's."""
    expected, score = cohort.r["psm_patients"], score_of(cohort)
    identifiers = cohort.patients["patient"].astype(str).to_numpy()
    for variant, options in VARIANTS.items():
        section, matching = expected[variant], vs.match_pairs(score, options)
        ours = set(zip(identifiers[matching.treated_rows], identifiers[matching.control_rows], strict=True))
        theirs = {(pair["treated"], pair["control"]) for pair in section["pairs"]}
        yield beside(f"pairs in common with R's, {variant}", len(ours & theirs), len(theirs))
        yield beside("n", matching.n_pairs, section["n"])
        yield beside("largest distance", matching.distances.max(), section["maxdist"])
        if section.get("caliper"):
            yield beside("caliper", matching.caliper, section["caliper"])
        yield from balance(cohort, score, matching, section)
    yield beside("probability", score.probability, expected["ps"], ITERATED)
    yield beside("coefficients", score.coefficients, list(expected["ps_coef"].values()), ITERATED)
    yield beside("errors", score.standard_errors, list(expected["ps_se"].values()), ITERATED)


def balance(
    cohort: Cohort, score: vs.PropensityScore, matching: vs.Matching, section: dict[str, Any]
) -> Iterator[Compared]:
    """Balance before and after matching, as MatchIt's summary."""
    for moment, table in (
        ("unmatched", vs.matched_balance(score)),
        ("matched", vs.matched_balance(score, matching)),
    ):
        for row, expected in zip(table.rows, section[moment], strict=True):
            if row.name == "distance" and moment == "unmatched" and matching.options.scale == "sd-logit":
                continue  # MatchIt shows its own distance, the logit; ours shows the score before matching
            for ours, theirs in BALANCE.items():
                found = getattr(row, ours)
                if ours == "pair_distance" and _not_standardised(expected):
                    # MatchIt forgets to standardise where the means agree exactly.
                    x = (cohort.patients["aetiology"] == row.name[10:-1]).to_numpy(float)
                    found = np.abs(x[matching.treated_rows] - x[matching.control_rows]).mean()
                yield beside(f"{theirs}, {row.name}", found, expected[theirs], floor=BALANCE_FLOOR)


def _not_standardised(expected: dict[str, Any]) -> bool:
    return expected["Std. Pair Dist."] is not None and abs(expected["Std. Mean Diff."]) < 1e-9


def outcomes(cohort: Cohort) -> Iterator[Compared]:
    """The outcome of matched patients, clustered on pairs, and McNemar's tests."""
    expected, matching = cohort.r["psm_patients_outcome"], matched(cohort)
    result = vs.matched_effect(matching, "any_collapse", data=cohort.patients)
    rows, details = expected["cl"], result.details
    yield beside("coefficient of group", details["coefficients"][1], rows[1]["Estimate"], ITERATED)
    yield beside("coefficients", details["coefficients"], column(rows, "Estimate"), ITERATED)
    yield beside("errors", details["standard_errors"], column(rows, "Std. Error"), ITERATED)
    mcnemar = vs.mcnemar_test(matching, "any_collapse", data=cohort.patients)
    yield beside("table", mcnemar.details["table"], expected["mcnemar_tab"])
    yield beside("exact", mcnemar.p_value, expected["mcnemar_exact"])
    for key, name in (("mcnemar", "chi_square"), ("mcnemar_corr", "chi_square_corrected")):
        yield beside(key, mcnemar.details[name][1], expected[key])


def weighting(cohort: Cohort) -> Iterator[Compared]:
    """Weighted and doubly robust effects, balance after weighting, a weighted Cox model."""
    expected, score, table = cohort.r["iptw"], score_of(cohort), cohort.patients
    for estimand in ("ate", "att", "overlap"):
        weights = vs.propensity_weights(score, estimand)
        result = vs.weighted_effect("any_collapse", "group", weights, data=table)
        rows, details = expected[f"{estimand}_logit"], result.details
        name = f"coefficient of group, {estimand}"
        yield beside(name, details["coefficients"][1], rows[1]["Estimate"], ITERATED)
        yield beside("coefficients", details["coefficients"], column(rows, "Estimate"), ITERATED)
        yield beside("errors", details["standard_errors"], column(rows, "Std. Error"), ITERATED)
        yield beside("p", result.estimate.p_value, rows[1]["Pr(>|t|)"], ITERATED)
    weights = vs.propensity_weights(score, "ate")
    e = vs.weighted_effect("any_collapse", "group", weights, data=table, measure="difference").estimate
    row = expected["ate_rd"][1]
    found = [e.value, e.standard_error, e.p_value]
    yield beside("risk difference", found, [row[key] for key in ("Estimate", "Std. Error", "Pr(>|t|)")])
    e = vs.augmented_weighting("any_collapse", "group", COVARIATES, data=table).estimate
    doubly_robust = [expected["aipw"][key] for key in ("rd", "se")]
    yield beside("doubly robust", [e.value, e.standard_error], doubly_robust)
    yield from weighted_balance(cohort, weights)
    yield from weighted_cox(cohort, weights)


def weighted_balance(cohort: Cohort, weights: Any) -> Iterator[Compared]:
    """Standardised differences with either denominator, and effective sample sizes."""
    expected = cohort.r["iptw"]
    for place, denominator in enumerate(("pooled", "treated")):
        for section, chosen in (("smd_un", None), ("smd_ate", weights)):
            table = vs.balance_table(
                "group",
                ["age", "male", "bmi"],
                data=cohort.patients,
                weights=chosen,
                denominator=denominator,
                binary_variance="sample",
            )
            for name, both in expected[section].items():
                yield beside(section, table[name].standardised_difference, both[place], ITERATED)
    sizes = [table.effective_treated, table.effective_control]
    yield beside("effective sizes", sizes, list(expected["ess"].values()))


def cox_figures(result: vs.StatisticResult, expected: dict[str, Any], name: str) -> Iterator[Compared]:
    """Coefficient, both errors and likelihoods of a Cox model of the group."""
    details = result.details
    coefficient = details["coefficients"]
    yield beside(f"coefficient of group, {name}", coefficient, expected["coef"]["group"], ITERATED)
    yield beside("robust error", details["standard_errors"], expected["se"], ITERATED)
    yield beside("naive error", details["naive_standard_errors"], expected["naive_se"], ITERATED)
    yield beside("log likelihood", details["log_likelihood"], expected["loglik"])


def weighted_cox(cohort: Cohort, weights: Any) -> Iterator[Compared]:
    """Hips with the weights of their patients."""
    weight = dict(zip(cohort.patients["patient"], weights, strict=True))
    result = vs.cox_regression(
        "collapse_time",
        "collapse",
        "group",
        data=cohort.hips.assign(weight=cohort.hips["patient"].map(weight)),
        cluster="patient",
        options=vs.CoxOptions(weights="weight"),
    )
    yield from cox_figures(result, cohort.r["iptw"]["cox_iptw_robust"], "weighted Cox")


def matched_hips(cohort: Cohort) -> Iterator[Compared]:
    """Hips of the matched patients, clustered on pairs or on patients."""
    expected = cohort.r["cox_matched_hips"]
    row_of = {patient: row for row, patient in enumerate(cohort.patients["patient"])}
    rows, pair = vs.rows_of_pairs(matched(cohort), cohort.hips["patient"].map(row_of))
    for name, cluster in (("cluster_pair", pair), ("cluster_patient", "patient")):
        data = cohort.hips.iloc[rows]
        result = vs.cox_regression("collapse_time", "collapse", "group", data=data, cluster=cluster)
        yield from cox_figures(result, expected[name], name)
    yield beside("n", len(rows), expected["n"])


SECTIONS = (
    Section(
        name="psm_patients",
        functions=("propensity_score", "match_pairs", "matched_balance"),
        compare=pairs,
    ),
    Section(name="psm_patients_outcome", functions=("matched_effect", "mcnemar_test"), compare=outcomes),
    Section(
        name="iptw",
        functions=(
            "propensity_weights",
            "weighted_effect",
            "augmented_weighting",
            "balance_table",
            "cox_regression",
        ),
        compare=weighting,
    ),
    Section(name="cox_matched_hips", functions=("rows_of_pairs", "cox_regression"), compare=matched_hips),
)
