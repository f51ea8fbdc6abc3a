"""Firth's regressions, held to R's logistf and brglm2."""

import numpy as np
import pandas as pd
import pytest
from r_reference import ITERATED, R, close
from test_statistics_survival import ROWS

import volumetry.statistics as vs
from volumetry.errors import StatisticsError, UsageError
from volumetry.statistics.clusters import ClusteredDataWarning

# logistf stops at a change of 1e-5 in the coefficients; its limits are found from the likelihood alone.
LOGISTF_COEFFICIENTS = 1e-4

STAGE_ONE = pd.DataFrame({"x": [1] * 9 + [0] * 117, "y": [1] * 9 + [1] * 39 + [0] * 78})


@pytest.mark.parametrize(
    ("section", "outcome", "covariates", "table"),
    [
        ("hips_full", "collapse", ["group", "arco", "vol0_r1"], ROWS),
        ("hips_first40", "collapse", ["group", "arco", "vol0_r1"], ROWS[:40]),
        ("stageI_control", "y", ["x"], STAGE_ONE),
    ],
)
def test_limits_tests_and_likelihoods_are_logistfs(
    section: str, outcome: str, covariates: list[str], table: pd.DataFrame
) -> None:
    expected = R["logistf"][section]
    result = vs.firth_logistic(outcome, covariates, data=table)
    details = result.details
    assert details["coefficients"] == close(list(expected["coef"].values()), LOGISTF_COEFFICIENTS)
    assert details["limits"][:, 0] == close(expected["lower"], ITERATED)
    assert details["limits"][:, 1] == close(expected["upper"], ITERATED)
    p_values = [e.p_value for e in result.estimates]
    assert [p_values[-1], *p_values[:-1]] == close(expected["p"], ITERATED)
    assert sorted(details["log_likelihood"]) == close(sorted(expected["loglik"]))


@pytest.mark.parametrize("section", ["firth_hips_small", "firth_separated"])
def test_coefficients_and_errors_are_brglm2s(section: str) -> None:
    if section == "firth_hips_small":
        result = vs.firth_logistic("collapse", ["group", "arco", "vol0_r1"], data=ROWS[:40])
    else:
        x = np.repeat([0, 1], 6)
        result = vs.firth_logistic(x, {"x": x})
    rows = R[section]
    assert result.details["coefficients"] == close([row["Estimate"] for row in rows], ITERATED)
    assert result.details["standard_errors"] == close([row["Std. Error"] for row in rows], ITERATED)


def test_two_separating_covariates_still_have_an_answer() -> None:
    x = np.repeat([0.0, 1.0], 6)
    result = vs.firth_logistic(x, {"x": x, "z": np.arange(12.0)})
    assert np.isfinite(result.details["limits"]).all()


def test_a_fourfold_table_is_half_an_observation_more_in_each_cell() -> None:
    """With one binary covariate Firth's estimate is the odds ratio of the table with 1/2 added."""
    a, b, c, d = 7, 3, 0, 9
    y, x = np.repeat([1, 0, 1, 0], [a, b, c, d]), np.repeat([1, 1, 0, 0], [a, b, c, d])
    found = vs.firth_logistic(y, {"x": x}).estimate.value
    assert found == pytest.approx((a + 0.5) * (d + 0.5) / ((b + 0.5) * (c + 0.5)), rel=1e-9)


def test_a_group_without_events_has_a_hazard_ratio() -> None:
    table = ROWS.assign(safe=((ROWS["collapse"] == 0) & (ROWS["age"] > 60)).astype(int))
    with pytest.raises(StatisticsError, match="Firth"):
        vs.cox_regression("collapse_time", "collapse", "safe", data=table)
    estimate = vs.firth_cox("collapse_time", "collapse", "safe", data=table).estimate
    assert 0 < estimate.ci_low < estimate.value < estimate.ci_high < 1
    assert estimate.p_value < 1e-4


def test_the_penalty_shrinks_a_well_determined_cox_model_little() -> None:
    covariates = ["group", "vol0_r1"]
    plain = vs.cox_regression("collapse_time", "collapse", covariates, data=ROWS)
    firth = vs.firth_cox("collapse_time", "collapse", covariates, data=ROWS)
    ratio = firth.details["coefficients"] / plain.details["coefficients"]
    assert ratio == pytest.approx([1, 1], abs=0.05)
    limits = np.log([[e.ci_low, e.ci_high] for e in plain.estimates])
    assert firth.details["limits"] == pytest.approx(limits, abs=0.05)


def test_the_maximum_of_the_penalised_partial_likelihood_is_one() -> None:
    """By brute force over a grid: log likelihood plus half the log of the information."""
    time, event, x = np.arange(1, 8), np.array([1, 1, 0, 1, 0, 1, 1]), np.array([1, 0, 1, 1, 0, 0, 0])

    def penalised(b: float) -> float:
        value = information = 0.0
        for i in np.flatnonzero(event):
            weight = np.exp(b * x[i:])
            mean = (weight * x[i:]).sum() / weight.sum()
            value += b * x[i] - np.log(weight.sum())
            information += mean * (1 - mean)
        return float(value + 0.5 * np.log(information))

    grid = np.linspace(-2, 4, 6001)
    best = grid[np.argmax([penalised(b) for b in grid])]
    found = vs.firth_cox(time, event, {"x": x}).details["coefficients"][0]
    assert found == pytest.approx(best, abs=1e-3)


def test_clusters_are_warned_about() -> None:
    with pytest.warns(ClusteredDataWarning):
        result = vs.firth_logistic([0, 1, 1, 0, 1], {"x": [1, 2, 3, 4, 5]}, cluster=[1, 1, 2, 2, 3])
    assert "analysed as independent" in result.notes[0]


def test_what_cannot_be_estimated_is_named() -> None:
    with pytest.raises(StatisticsError, match="constant"):
        vs.firth_logistic([0, 1, 0], {"x": [1, 1, 1]})
    with pytest.raises(UsageError, match="not coded 0 and 1"):
        vs.firth_logistic([0, 1, 2], {"x": [1, 2, 4]})
    with pytest.raises(StatisticsError, match="censored"):
        vs.firth_cox([1, 2, 3], [0, 0, 0], {"x": [1, 2, 4]})
