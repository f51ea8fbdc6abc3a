"""Cox regression and the proportional hazards test, held to R's survival."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from r_reference import HIPS, ITERATED, PATIENTS, R, close
from test_statistics_survival import ROWS, table_of

import volumetry.statistics as vs
from volumetry.errors import StatisticsError, UsageError
from volumetry.statistics.clusters import ClusteredDataWarning
from volumetry.statistics.models.partial_likelihood import evaluate, score_residuals

AETIOLOGY = ["idiopathic", "steroid", "alcohol"]
MANY = ["group", "age", "male", "bmi", "aetiology", "arco", "vol0_r1"]


def in_rs_order(table: pd.DataFrame) -> pd.DataFrame:
    """With aetiology as the factor that R was given."""
    return table.assign(aetiology=pd.Categorical(table["aetiology"], AETIOLOGY))


def fit(section: str) -> vs.StatisticResult:
    options = vs.CoxOptions(ties="breslow" if "breslow" in section else "efron")
    if "lung" in section:
        return vs.cox_regression("time", "dead", ["age", "sex", "ph.ecog"], data=table_of(section))
    endpoint = "tha" if "tha" in section else "collapse"
    covariates = ["group"] if "group" in section else MANY
    clustered = section.endswith("cluster")
    return vs.cox_regression(
        f"{endpoint}_time",
        endpoint,
        covariates,
        data=in_rs_order(HIPS if clustered else ROWS),
        cluster="patient" if clustered else None,
        options=options,
    )


def values(column: dict[str, float] | list[float]) -> list[float]:
    return list(column.values()) if isinstance(column, dict) else column


@pytest.mark.parametrize(
    "section",
    [
        "cox_lung_efron",
        "cox_hips_efron",
        "cox_hips_breslow",
        "cox_hips_efron_cluster",
        "cox_hips_breslow_cluster",
        "cox_hips_group_only_cluster",
        "cox_hips_tha_group_cluster",
    ],
)
def test_coefficients_errors_and_tests_are_rs(section: str) -> None:
    expected, result = R[section], fit(section)
    details = result.details
    assert details["coefficients"] == close(values(expected["coef"]), ITERATED)
    assert details["standard_errors"] == close(values(expected["se"]), ITERATED)
    assert details["naive_standard_errors"] == close(values(expected["naive_se"]), ITERATED)
    assert [e.value for e in result.estimates] == close(values(expected["hr"]), ITERATED)
    assert [e.ci_low for e in result.estimates] == close(values(expected["lower"]), ITERATED)
    assert [e.ci_high for e in result.estimates] == close(values(expected["upper"]), ITERATED)
    assert [e.p_value for e in result.estimates] == close(values(expected["p"]), ITERATED)
    assert details["log_likelihood"] == close(expected["loglik"])
    for ours, theirs in (("likelihood_ratio", "lrt"), ("score", "score")):
        test = expected[theirs]
        assert details[ours] == close([test["test"], test["df"], test["pvalue"]], ITERATED)
    # R prints Wald's chi-squared to two decimals.
    assert result.statistic == pytest.approx(expected["wald"]["test"], abs=0.0051)
    assert [result.df, result.p_value] == close(
        [expected["wald"]["df"], expected["wald"]["pvalue"]], ITERATED
    )
    assert result.n_used == expected["n"]
    assert details["n_events"] == expected["nevent"]
    assert result.n_clusters == (180 if section.endswith("cluster") else None)


@pytest.mark.parametrize(
    "section",
    ["cox_lung_efron", "cox_hips_efron", "cox_hips_efron_cluster", "cox_hips_tha_group_cluster"],
)
def test_concordance_is_rs(section: str) -> None:
    expected, found = R[section]["concordance"], vs.concordance_index(fit(section)).estimate
    assert [found.value, found.standard_error] == close([expected["C"], expected["se(C)"]], ITERATED)


@pytest.mark.parametrize("section", ["lung_km", "lung_rank", "hips_km", "hips_rank"])
def test_proportional_hazards_are_tested_as_r_does(section: str) -> None:
    data, _, transform = section.partition("_")
    model = fit("cox_lung_efron" if data == "lung" else "cox_hips_efron")
    result = vs.proportional_hazards_test(model, transform=transform)
    for row in R["zph"][section]:
        assert result.details["terms"][row["term"]] == close([row["chisq"], row["df"], row["p"]], ITERATED)
    assert result.p_value == close(R["zph"][section][-1]["p"], ITERATED)


@pytest.mark.parametrize("transform", ["identity", "log", "km"])
def test_the_test_is_the_score_test_of_a_time_dependent_effect(transform: str) -> None:
    """With one covariate: the derivative of the likelihood in the added effect, by differences."""
    time, event, x = np.arange(1.0, 13.0), np.ones(12), np.tile([0.0, 1.0, 1.0], 4)
    model = vs.cox_regression(time, event, {"x": x})
    g = {"identity": time, "log": np.log(time), "km": np.arange(12) / 12}[transform]

    def likelihood(b: float, c: float) -> float:
        total = 0.0
        for i in range(12):
            eta = x[i:] * (b + c * g[i])
            total += eta[0] - np.log(np.exp(eta).sum())
        return total

    b, h = model.details["coefficients"][0], 1e-4
    slope = (likelihood(b, h) - likelihood(b, -h)) / (2 * h)
    cc = -(likelihood(b, h) - 2 * likelihood(b, 0) + likelihood(b, -h)) / h**2
    bb = -(likelihood(b + h, 0) - 2 * likelihood(b, 0) + likelihood(b - h, 0)) / h**2
    mixed = likelihood(b + h, h) - likelihood(b + h, -h) - likelihood(b - h, h) + likelihood(b - h, -h)
    bc = -mixed / (4 * h**2)
    result = vs.proportional_hazards_test(model, transform=transform)
    assert result.statistic == pytest.approx(slope**2 / (cc - bc**2 / bb), rel=1e-4)


def test_schoenfeld_residuals_are_around_the_coefficients() -> None:
    model = fit("cox_hips_efron")
    residuals = vs.proportional_hazards_test(model).details["schoenfeld"]
    assert residuals.values.shape == (88, 8)
    assert residuals.values.mean(axis=0) == pytest.approx(model.details["coefficients"], abs=1e-8)
    assert (np.diff(residuals.times) >= 0).all()


def test_weights_and_patients_after_weighting_are_rs() -> None:
    expected = R["iptw"]["cox_iptw_robust"]
    patients = in_rs_order(PATIENTS)
    score = vs.propensity_score("group", ["age", "male", "bmi", "aetiology"], data=patients)
    weight = pd.Series(vs.propensity_weights(score, "ate"), index=patients["patient"])
    result = vs.cox_regression(
        "collapse_time",
        "collapse",
        "group",
        data=HIPS.assign(weight=HIPS["patient"].map(weight)),
        cluster="patient",
        options=vs.CoxOptions(weights="weight"),
    )
    assert result.details["coefficients"] == close([expected["coef"]["group"]], ITERATED)
    assert result.details["standard_errors"] == close(expected["se"], ITERATED)
    assert result.details["naive_standard_errors"] == close(expected["naive_se"], ITERATED)
    assert result.details["log_likelihood"] == close(expected["loglik"])


def test_whole_weights_are_copies_of_rows() -> None:
    copies = ROWS.loc[ROWS.index.repeat(ROWS["arco"])]
    options = vs.CoxOptions(ties="breslow", weights="arco")
    weighted = vs.cox_regression("collapse_time", "collapse", ["age", "male"], data=ROWS, options=options)
    copied = vs.cox_regression(
        "collapse_time",
        "collapse",
        ["age", "male"],
        data=copies,
        options=vs.CoxOptions(ties="breslow"),
    )
    assert weighted.details["coefficients"] == close(copied.details["coefficients"])
    assert weighted.details["standard_errors"] == close(copied.details["standard_errors"])


def test_strata_are_separate_baselines() -> None:
    """The likelihood of two strata is the sum of both; far apart in time, they never share a risk set."""
    options = vs.CoxOptions(strata="male")
    result = vs.cox_regression("collapse_time", "collapse", ["group", "age"], data=ROWS, options=options)
    total = 0.0
    for _, part in ROWS.groupby("male"):
        model = vs.cox_regression("collapse_time", "collapse", ["group", "age"], data=part)
        total += model.details["log_likelihood"][0]
    assert result.details["log_likelihood"][0] == close(total)
    clustered = vs.cox_regression(
        "collapse_time", "collapse", ["group", "age"], data=HIPS, cluster="patient", options=options
    )
    assert clustered.details["coefficients"] == close(result.details["coefficients"])
    assert vs.proportional_hazards_test(result).df == 2


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(1, 6), st.integers(0, 1), st.integers(-3, 3), st.integers(0, 1)),
        min_size=8,
        max_size=30,
    ),
    st.sampled_from(["efron", "breslow"]),
)
def test_the_score_residuals_are_the_score(rows: list[tuple[int, int, int, int]], ties: str) -> None:
    """At the maximum they sum to 0, and the likelihood falls in every direction."""
    time, event, x, stratum = (np.array(column) for column in zip(*rows, strict=True))
    options = vs.CoxOptions(ties=ties, strata=stratum)
    try:
        result = vs.cox_regression(time, event, {"x": x}, options=options)
    except StatisticsError:
        reject()
    model = result.details["fit"]
    assert score_residuals(model.sets, model.final).sum() == pytest.approx(0, abs=1e-6)
    best = model.final.log_likelihood
    for step in (-0.01, 0.01):
        assert evaluate(model.sets, model.coefficients + step).log_likelihood < best + 1e-12


def test_hips_without_their_patients_are_warned_about() -> None:
    with pytest.warns(ClusteredDataWarning):
        result = vs.cox_regression("collapse_time", "collapse", "group", data=HIPS)
    assert "analysed as independent" in result.notes[0]


@pytest.mark.parametrize(
    ("event", "x", "match"),
    [
        ([0, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6], "every row is censored"),
        ([1, 0, 1, 0, 1, 1], [2, 2, 2, 2, 2, 2], "x is constant"),
        ([1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0], "x.* infinite"),
        ([1, 1, 1, 1, 1, 1], [6, 5, 4, 3, 2, 1], "x.* infinite"),
        ([1, 0, 1, 0, 1, 1], [None, None, None, None, None, None], "no row is complete"),
    ],
)
def test_what_cannot_be_estimated_is_named(event: list[int], x: list[int], match: str) -> None:
    with pytest.raises(StatisticsError, match=match) as caught:
        vs.cox_regression([1, 2, 3, 4, 5, 6], event, {"x": x})
    assert caught.value.code == "not-estimable"


def test_redundant_covariates_are_named() -> None:
    twice = ROWS.assign(age_twice=2 * ROWS["age"])
    with pytest.raises(StatisticsError, match="age_twice is constant or follows"):
        vs.cox_regression("collapse_time", "collapse", ["age", "age_twice"], data=twice)


def test_full_ties_have_an_answer() -> None:
    result = vs.cox_regression([3] * 6, [1, 1, 0, 0, 1, 0], {"x": [1, 2, 3, 4, 5, 6]})
    assert np.isfinite(result.details["coefficients"]).all()
    with pytest.raises(StatisticsError, match="at one time"):
        vs.proportional_hazards_test(result)


def test_products_and_factors_are_expanded() -> None:
    result = vs.cox_regression("collapse_time", "collapse", ["group", "aetiology", "group:age"], data=ROWS)
    assert [e.name for e in result.estimates] == [
        "group",
        "aetiology[idiopathic]",
        "aetiology[steroid]",
        "group:age",
    ]
    assert vs.proportional_hazards_test(result).details["terms"]["aetiology"][1] == 2


def test_unknown_options_are_refused() -> None:
    with pytest.raises(UsageError, match="ties"):
        vs.cox_regression([1, 2], [1, 0], [1, 2], options=vs.CoxOptions(ties="exact"))
    model = vs.cox_regression([1, 2, 3, 4], [1, 1, 0, 1], {"x": [1, 0, 1, 1]})
    with pytest.raises(UsageError, match="transform"):
        vs.proportional_hazards_test(model, transform="sqrt")
    with pytest.raises(UsageError, match="Cox"):
        vs.proportional_hazards_test(vs.kaplan_meier([1, 2], [1, 0]))
