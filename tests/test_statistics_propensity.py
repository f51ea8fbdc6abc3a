"""Propensity scores, matching, balance, weighting, and analysis after them, held to R."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from r_reference import HIPS, ITERATED, PATIENTS, R, close

import volumetry.statistics as vs
from volumetry.errors import StatisticsError, UsageError

COVARIATES = ["age", "male", "bmi", "aetiology"]
TABLE = PATIENTS.assign(aetiology=pd.Categorical(PATIENTS["aetiology"], ["idiopathic", "steroid", "alcohol"]))
PSM = R["psm_patients"]
SCORE = vs.propensity_score("group", COVARIATES, data=TABLE)

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


def test_scores_are_glms() -> None:
    assert [str(p) for p in TABLE["patient"]] == PSM["ids"]
    assert SCORE.probability == close(PSM["ps"], ITERATED)
    assert SCORE.coefficients == close(list(PSM["ps_coef"].values()), ITERATED)
    assert SCORE.standard_errors == close(list(PSM["ps_se"].values()), ITERATED)


def test_every_variant_of_the_reference_is_tried() -> None:
    assert set(VARIANTS) == {name for name, section in PSM.items() if "pairs" in section}


@pytest.mark.parametrize("variant", VARIANTS)
def test_pairs_are_matchits(variant: str) -> None:
    expected, matching = PSM[variant], vs.match_pairs(SCORE, VARIANTS[variant])
    ids = TABLE["patient"].astype(str).to_numpy()
    pairs = set(zip(ids[matching.treated_rows], ids[matching.control_rows], strict=True))
    assert pairs == {(pair["treated"], pair["control"]) for pair in expected["pairs"]}
    assert matching.n_pairs == expected["n"]
    assert matching.distances.max() == close(expected["maxdist"])
    if expected.get("caliper"):
        assert matching.caliper == close(expected["caliper"])
        assert matching.distances.max() <= matching.caliper


def test_the_numbers_of_pairs_depend_on_scale_and_order() -> None:
    """The issue's own figures: a caliper of 0.1 says nothing without its scale."""
    counts = {
        order: [
            vs.match_pairs(SCORE, vs.MatchOptions(caliper=0.1, scale=scale, order=order)).n_pairs
            for scale in SCALES.values()
        ]
        for order in ("largest", "data")
    }
    assert counts == {"largest": [76, 66, 66], "data": [76, 65, 65]}


@pytest.mark.parametrize("variant", VARIANTS)
def test_balance_is_matchits(variant: str) -> None:
    matching = vs.match_pairs(SCORE, VARIANTS[variant])
    for moment, table in (
        ("unmatched", vs.matched_balance(SCORE)),
        ("matched", vs.matched_balance(SCORE, matching)),
    ):
        for row, expected in zip(table.rows, PSM[variant][moment], strict=True):
            if row.name == "distance" and moment == "unmatched" and matching.options.scale == "sd-logit":
                continue  # MatchIt shows its own distance, the logit; ours shows the score before matching
            for ours, theirs in BALANCE.items():
                found = getattr(row, ours)
                if expected[theirs] is None:
                    assert found is None
                elif ours == "pair_distance" and abs(expected["Std. Mean Diff."]) < 1e-9:
                    # MatchIt forgets to standardise where the means agree exactly.
                    x = (TABLE["aetiology"] == row.name[10:-1]).to_numpy(float)
                    raw = np.abs(x[matching.treated_rows] - x[matching.control_rows]).mean()
                    assert raw == close(expected[theirs])
                else:
                    assert found == pytest.approx(expected[theirs], rel=1e-8, abs=1e-10)


@pytest.mark.parametrize(("column", "denominator"), [(0, "pooled"), (1, "treated")])
def test_differences_with_either_denominator_are_rs(column: int, denominator: str) -> None:
    weights = vs.propensity_weights(SCORE, "ate")
    for section, weight in (("smd_un", None), ("smd_ate", weights)):
        table = vs.balance_table(
            "group",
            ["age", "male", "bmi"],
            data=TABLE,
            weights=weight,
            denominator=denominator,
            binary_variance="sample",
        )
        for name, expected in R["iptw"][section].items():
            assert table[name].standardised_difference == close(expected[column], 1e-6)
    assert [table.effective_treated, table.effective_control] == close(list(R["iptw"]["ess"].values()))


@pytest.mark.parametrize("estimand", ["ate", "att", "overlap"])
def test_weighted_odds_ratios_are_svyglms(estimand: str) -> None:
    weights = vs.propensity_weights(SCORE, estimand)
    result = vs.weighted_effect("any_collapse", "group", weights, data=TABLE)
    rows = R["iptw"][f"{estimand}_logit"]
    assert result.details["coefficients"] == close([row["Estimate"] for row in rows], ITERATED)
    assert result.details["standard_errors"] == close([row["Std. Error"] for row in rows], ITERATED)
    assert result.estimate.p_value == close(rows[1]["Pr(>|t|)"], ITERATED)


def test_weighted_risk_difference_is_svyglms() -> None:
    weights = vs.propensity_weights(SCORE, "ate")
    result = vs.weighted_effect("any_collapse", "group", weights, data=TABLE, measure="difference")
    row = R["iptw"]["ate_rd"][1]
    found = result.estimate
    assert [found.value, found.standard_error, found.p_value] == close(
        [row["Estimate"], row["Std. Error"], row["Pr(>|t|)"]]
    )


def test_doubly_robust_difference_is_rs() -> None:
    result = vs.augmented_weighting("any_collapse", "group", COVARIATES, data=TABLE)
    expected = R["iptw"]["aipw"]
    assert [result.estimate.value, result.estimate.standard_error] == close([expected["rd"], expected["se"]])
    assert result["mean treated"].value - result["mean control"].value == close(expected["rd"])


def test_outcomes_after_matching_are_rs() -> None:
    expected = R["psm_patients_outcome"]
    matching = vs.match_pairs(SCORE, VARIANTS["logit_sd0.1_largest"])
    result = vs.matched_effect(matching, "any_collapse", data=TABLE)
    rows = expected["cl"]
    assert result.details["coefficients"] == close([row["Estimate"] for row in rows], ITERATED)
    assert result.details["standard_errors"] == close([row["Std. Error"] for row in rows], ITERATED)
    assert result.n_clusters == 66
    mcnemar = vs.mcnemar_test(matching, "any_collapse", data=TABLE)
    assert mcnemar.details["table"].tolist() == expected["mcnemar_tab"]
    assert mcnemar.p_value == close(expected["mcnemar_exact"])
    assert mcnemar.details["chi_square"][1] == close(expected["mcnemar"])
    assert mcnemar.details["chi_square_corrected"][1] == close(expected["mcnemar_corr"])


@pytest.mark.parametrize("cluster", ["cluster_pair", "cluster_patient"])
def test_survival_of_matched_patients_hips_is_rs(cluster: str) -> None:
    matching = vs.match_pairs(SCORE, VARIANTS["logit_sd0.1_largest"])
    row_of = {patient: row for row, patient in enumerate(TABLE["patient"])}
    rows, pair = vs.rows_of_pairs(matching, HIPS["patient"].map(row_of))
    assert len(rows) == R["cox_matched_hips"]["n"]
    expected = R["cox_matched_hips"][cluster]
    clusters = pair if cluster == "cluster_pair" else "patient"
    result = vs.cox_regression("collapse_time", "collapse", "group", data=HIPS.iloc[rows], cluster=clusters)
    assert result.details["coefficients"] == close([expected["coef"]["group"]], ITERATED)
    assert result.details["standard_errors"] == close(expected["se"], ITERATED)
    assert result.details["naive_standard_errors"] == close(expected["naive_se"], ITERATED)
    assert result.details["log_likelihood"] == close(expected["loglik"])


def naive_pairs(score: np.ndarray, treated: np.ndarray, caliper: float) -> set[tuple[int, int]]:
    """Greedy matching as it is told: each treated in turn, every place of the line looked at."""
    line = sorted(range(len(score)), key=lambda row: (score[row], row))
    free = set(np.flatnonzero(~treated).tolist())
    pairs = set()
    for t in sorted(np.flatnonzero(treated).tolist(), key=lambda row: (-score[row], row)):
        at, sides = line.index(t), []
        for side, places in ((0, range(at - 1, -1, -1)), (1, range(at + 1, len(line)))):
            control = next((line[place] for place in places if line[place] in free), None)
            if control is not None:
                away = abs(line.index(control) - at)
                sides.append((abs(score[control] - score[t]), away, side, control))
        if sides and min(sides)[0] <= caliper:
            pairs.add((t, min(sides)[-1]))
            free.remove(min(sides)[-1])
    return pairs


def score_of(probability: np.ndarray, treated: np.ndarray) -> vs.PropensityScore:
    return vs.PropensityScore(
        probability=probability,
        logit=np.log(probability / (1 - probability)),
        treated=treated,
        rows=np.arange(len(probability)),
        used=np.ones(len(probability), dtype=bool),
        names=(),
        coefficients=np.empty(0),
        standard_errors=np.empty(0),
        covariates=SCORE.covariates,
    )


@pytest.mark.parametrize("order", ["largest", "data", "closest"])
def test_ties_of_the_score_are_paired_as_matchit_does(order: Any) -> None:
    """In the lalonde data many treated and controls have equal scores."""
    text = (Path(__file__).parent / "data" / "lalonde_pairs.json").read_text(encoding="utf-8")
    lalonde = json.loads(text)
    n, probability = lalonde["n_treated"], np.array(lalonde["probability"])
    score = score_of(probability, np.arange(len(probability)) < n)
    matching = vs.match_pairs(score, vs.MatchOptions(caliper=math.inf, scale="none", order=order))
    assert matching.treated_rows.tolist() == list(range(n))
    assert matching.control_rows.tolist() == lalonde["pairs"][order]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 15), st.booleans()), min_size=2, max_size=40), st.integers(1, 6))
def test_links_find_what_looking_at_every_control_finds(rows: list[tuple[int, bool]], width: int) -> None:
    values, treated = (np.array(column) for column in zip(*rows, strict=True))
    probability, caliper = values / 16, width / 16
    score = score_of(probability, treated)
    expected = naive_pairs(probability, treated, caliper)
    options = vs.MatchOptions(caliper=caliper, scale="probability")
    if not expected:
        with pytest.raises(StatisticsError, match="within the caliper"):
            vs.match_pairs(score, options)
        return
    found = vs.match_pairs(score, options)
    assert set(zip(found.treated_rows.tolist(), found.control_rows.tolist(), strict=True)) == expected


def test_random_order_is_repeatable_and_needs_a_seed() -> None:
    def pairs(seed: int | None) -> list[int]:
        options = vs.MatchOptions(caliper=0.1, scale="sd-logit", order="random", seed=seed)
        found: list[int] = vs.match_pairs(SCORE, options).control_rows.tolist()
        return found

    assert pairs(1) == pairs(1)
    with pytest.raises(UsageError, match="seed"):
        pairs(None)


def test_rows_keep_their_places_when_others_are_missing() -> None:
    holes = TABLE.assign(bmi=TABLE["bmi"].where(TABLE.index % 7 != 0))
    score = vs.propensity_score("group", COVARIATES, data=holes)
    matching = vs.match_pairs(score, vs.MatchOptions(caliper=0.2, scale="sd-logit"))
    assert score.n_missing == matching.n_missing == holes["bmi"].isna().sum()
    assert (TABLE["group"].to_numpy()[matching.treated_rows] == 1).all()
    assert (TABLE["group"].to_numpy()[matching.control_rows] == 0).all()
    assert holes["bmi"].notna().to_numpy()[matching.rows].all()
    weights = vs.propensity_weights(score, "overlap")
    assert np.isnan(weights).sum() == score.n_missing


def test_what_cannot_be_matched_is_named() -> None:
    with pytest.raises(StatisticsError, match="separates"):
        vs.propensity_score([1, 1, 0, 0], {"x": [4, 3, 2, 1]})
    with pytest.raises(StatisticsError, match="one arm is empty"):
        vs.propensity_score([1, 1, 1], {"x": [4, 3, 2]})
    with pytest.raises(UsageError, match="not coded"):
        vs.propensity_score([1, 2, 1], {"x": [4, 3, 2]})
    with pytest.raises(UsageError, match="scale"):
        vs.match_pairs(SCORE, vs.MatchOptions(caliper=0.1, scale="sd"))
    with pytest.raises(UsageError, match="caliper"):
        vs.match_pairs(SCORE, vs.MatchOptions(caliper=0, scale="probability"))
    with pytest.raises(UsageError, match="order"):
        vs.match_pairs(SCORE, vs.MatchOptions(caliper=1, scale="probability", order="best"))
    with pytest.raises(UsageError, match="denominator"):
        vs.balance_table("group", "age", data=TABLE, denominator="all")
    with pytest.raises(UsageError, match="estimand"):
        vs.propensity_weights(SCORE, "atc")


def test_constant_covariates_have_no_standardised_difference() -> None:
    table = vs.balance_table([1, 1, 0, 0], {"x": [2, 2, 2, 2]}, denominator="pooled")
    assert table["x"].standardised_difference is None
    assert table.largest == 0
