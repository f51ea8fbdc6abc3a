"""Kaplan-Meier, log-rank and restricted means, held to R's survival and survRM2."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import SHARED
from hypothesis import given, settings
from hypothesis import strategies as st
from r_reference import HIPS, R, close

import volumetry.statistics as vs
from volumetry.errors import StatisticsError, UsageError
from volumetry.statistics.clusters import ClusteredDataWarning, check_clusters
from volumetry.statistics.time.survival_rows import distinct_times

LUNG_FILE = SHARED / "oracle" / "lung.csv"
needs_lung = pytest.mark.skipif(not LUNG_FILE.is_file(), reason="lung.csv is not beside this repository")

# One row per hip without the patient's column: what R was given without cluster().
ROWS = HIPS.drop(columns="patient")

CURVES = [
    ("km_lung_sex", "time", "dead", "sex"),
    ("km_lung_all", "time", "dead", None),
    ("km_hips_collapse", "collapse_time", "collapse", "group"),
    ("km_hips_tha", "tha_time", "tha", "group"),
]
COLUMNS = {
    "surv": "survival",
    "se": "standard_error",
    "lower": "ci_low",
    "upper": "ci_high",
    "n.risk": "n_at_risk",
    "n.event": "n_events",
}


def table_of(section: str) -> pd.DataFrame:
    if "lung" not in section:
        return ROWS
    if not LUNG_FILE.is_file():
        pytest.skip("lung.csv is not beside this repository")
    return lung(LUNG_FILE)


def lung(file: Path) -> pd.DataFrame:
    table = pd.read_csv(file)
    return table.assign(dead=(table["status"] == 2).astype(int))


def rows_of(rows: list[dict[str, object]] | dict[str, object], label: str) -> list[dict[str, object]]:
    """R's rows of one curve; it names them only where there are several."""
    rows = [rows] if isinstance(rows, dict) else rows
    named = [row for row in rows if str(row.get("strata", row.get("_row"))).partition("=")[2] == label]
    return named or rows


@pytest.mark.parametrize("interval", ["plain", "log", "log-log"])
@pytest.mark.parametrize(("section", "duration", "event", "group"), CURVES)
def test_curves_are_rs(section: str, duration: str, event: str, group: str | None, interval: str) -> None:
    options = vs.CurveOptions(interval=interval)
    result = vs.kaplan_meier(duration, event, group, data=table_of(section), options=options)
    for curve in result.details["curves"]:
        expected = rows_of(R[section][interval], curve.label)
        found = curve.at([row["time"] for row in expected])
        for theirs, own in COLUMNS.items():
            assert found[own] == close([row[theirs] for row in expected])


@pytest.mark.parametrize("interval", ["plain", "log", "log-log"])
@pytest.mark.parametrize(("section", "duration", "event", "group"), CURVES)
def test_medians_and_means_are_rs(
    section: str, duration: str, event: str, group: str | None, interval: str
) -> None:
    options = vs.CurveOptions(interval=interval)
    result = vs.kaplan_meier(duration, event, group, data=table_of(section), options=options)
    end = max(curve.times[-1] for curve in result.details["curves"])
    for curve in result.details["curves"]:
        (row,) = rows_of(R[section][f"median_{interval}"], curve.label)
        median, mean = curve.quantile(), curve.restricted_mean(end)
        assert (median.value, median.ci_low, median.ci_high) == (
            row["median"],
            row["0.95LCL"],
            row["0.95UCL"],
        )
        assert [mean.value, mean.standard_error] == close([row["rmean"], row["se(rmean)"]])


def test_errors_of_curves_with_clusters_are_rs() -> None:
    result = vs.kaplan_meier("collapse_time", "collapse", "group", data=HIPS, cluster="patient")
    assert result.n_clusters == 180
    for curve in result.details["curves"]:
        expected = rows_of(R["km_hips_collapse_clusterSE"], curve.label)
        found = curve.at([row["time"] for row in expected])
        for theirs in ("surv", "se", "lower", "upper"):
            assert found[COLUMNS[theirs]] == close([row[theirs] for row in expected])


def test_clusters_of_one_row_have_the_jackknife_of_independent_rows() -> None:
    single = vs.kaplan_meier("collapse_time", "collapse", data=ROWS, cluster=np.arange(len(ROWS)))
    weighted = vs.kaplan_meier(
        "collapse_time", "collapse", data=ROWS, options=vs.CurveOptions(weights=np.full(len(ROWS), 2.5))
    )
    (one,), (other,) = single.details["curves"], weighted.details["curves"]
    assert one.survival == close(other.survival)
    assert one.standard_error == close(other.standard_error)


@pytest.mark.parametrize(
    ("section", "duration", "event", "group", "strata", "rho"),
    [
        ("lung_sex", "time", "dead", "sex", None, 0.0),
        ("lung_sex_strat_ecog", "time", "dead", "sex", "ph.ecog", 0.0),
        ("lung_sex_peto_rho1", "time", "dead", "sex", None, 1.0),
        ("hips_collapse", "collapse_time", "collapse", "group", None, 0.0),
        ("hips_tha", "tha_time", "tha", "group", None, 0.0),
    ],
)
def test_logrank_is_rs(
    section: str, duration: str, event: str, group: str, strata: str | None, rho: float
) -> None:
    expected = R["logrank"][section]
    result = vs.logrank_test(duration, event, group, data=table_of(section), strata=strata, rho=rho)
    assert [result.statistic, result.p_value] == close([expected["chisq"], expected["p"]])
    assert result.df == expected["df"]
    by_stratum = "_by_stratum" if strata else ""
    assert result.details[f"observed{by_stratum}"] == close(expected["obs"])
    assert result.details[f"expected{by_stratum}"] == close(expected["exp"])


def test_logrank_of_clusters_is_coxs_robust_score() -> None:
    robust = vs.logrank_test("collapse_time", "collapse", "group", data=HIPS, cluster="patient")
    naive = vs.logrank_test("collapse_time", "collapse", "group", data=ROWS)
    assert robust.n_clusters == 180
    assert 0.5 < robust.statistic / naive.statistic < 1.2
    three = vs.logrank_test("collapse_time", "collapse", "aetiology", data=HIPS, cluster="patient")
    assert three.df == 2


@pytest.mark.parametrize(
    ("section", "duration", "event", "group", "tau"),
    [
        ("lung_sex_tau700", "time", "dead", "sex", 700),
        ("hips_collapse_tau24", "collapse_time", "collapse", "group", 24),
    ],
)
def test_restricted_means_are_rs(section: str, duration: str, event: str, group: str, tau: float) -> None:
    expected = R["rmst"][section]
    result = vs.restricted_mean_time(duration, event, group, tau=tau, data=table_of(section))
    difference = result.estimate
    assert [
        difference.value,
        difference.standard_error,
        difference.ci_low,
        difference.ci_high,
        difference.p_value,
    ] == close([expected[key] for key in ("diff", "se", "lower", "upper", "p")])
    for label, row in expected["groups"].items():
        mean = result[f"restricted mean {label}"]
        assert [mean.value, mean.standard_error] == close([row["rmst"], row["se_survRM2"]])


def test_restricted_means_of_single_rows_as_clusters_are_close_to_greenwoods() -> None:
    single = vs.restricted_mean_time(
        "collapse_time", "collapse", "group", tau=24, data=ROWS, cluster=np.arange(len(ROWS))
    )
    plain = vs.restricted_mean_time("collapse_time", "collapse", "group", tau=24, data=ROWS)
    assert single.estimate.standard_error == pytest.approx(plain.estimate.standard_error, rel=0.01)


def test_a_horizon_beyond_the_follow_up_is_refused() -> None:
    with pytest.raises(StatisticsError, match="horizon") as caught:
        vs.restricted_mean_time("collapse_time", "collapse", "group", tau=1000, data=ROWS)
    assert caught.value.code == "not-estimable"


def test_clustered_hips_without_their_patients_are_warned_about_and_recorded() -> None:
    with pytest.warns(ClusteredDataWarning, match="180 clusters"):
        result = vs.kaplan_meier("collapse_time", "collapse", data=HIPS)
    assert any("analysed as independent" in note for note in result.notes)
    with pytest.warns(ClusteredDataWarning):
        assert vs.logrank_test("collapse_time", "collapse", "group", data=HIPS).notes
    with pytest.warns(ClusteredDataWarning):
        assert vs.restricted_mean_time("collapse_time", "collapse", tau=12, data=HIPS).notes


def test_one_row_per_patient_is_not_warned_about() -> None:
    found = check_clusters(None, HIPS.drop_duplicates("patient"))
    assert (found.n_clusters, found.notes) == (None, ())


def test_all_censored_is_answered_by_name() -> None:
    result = vs.kaplan_meier([1.0, 2.0, 3.0], [0, 0, 0], ["a", "a", "b"])
    assert result.estimates == ()
    assert "every row is censored: a" in result.notes
    assert "median not reached: b" in result.notes
    assert all((curve.survival == 1).all() for curve in result.details["curves"])
    with pytest.raises(StatisticsError, match="every row is censored"):
        vs.logrank_test([1.0, 2.0], [0, 0], ["a", "b"])


def test_a_group_of_one_and_full_ties_are_answered_by_name() -> None:
    one = vs.logrank_test([1.0, 2.0, 3.0, 4.0], [1, 1, 1, 0], ["a", "b", "b", "b"])
    assert one.p_value is not None
    with pytest.raises(StatisticsError, match="anyone survived"):
        vs.logrank_test([5.0] * 6, [1] * 6, list("aaabbb"))
    tied = vs.kaplan_meier([5.0] * 6, [1] * 6)
    assert tied.estimate.value == 5
    assert tied.details["curves"][0].survival == pytest.approx([0.0])


def test_groups_that_do_not_exist_are_named() -> None:
    group = pd.Categorical(["a", "a", "a"], categories=["a", "b"])
    with pytest.raises(StatisticsError, match="empty group left out: b"):
        vs.logrank_test([1.0, 2.0, 3.0], [1, 0, 1], group)
    three = pd.Categorical(["a", "b", "a", "b"], categories=["a", "b", "c"])
    assert vs.logrank_test([1.0, 2.0, 3.0, 4.0], [1, 1, 1, 1], three).notes == ("empty group left out: c",)


def test_missing_rows_are_left_out_and_counted() -> None:
    table = pd.DataFrame({"t": [1, 2, None, 4], "e": [1, None, 1, 0], "g": ["a", "b", "a", None]})
    result = vs.kaplan_meier("t", "e", data=table)
    assert (result.n_used, result.n_missing) == (2, 2)
    with pytest.raises(StatisticsError, match="no row is complete"):
        vs.kaplan_meier([np.nan, np.nan], [1, 0])


@pytest.mark.parametrize(
    ("duration", "event", "match"),
    [
        ([-1.0, 2.0], [1, 0], "negative"),
        ([1.0, 2.0], [1, 2], "not 0"),
        ([1.0, 2.0], ["yes", "no"], "not a number"),
        ([1.0, 2.0, 3.0], [1, 0], "differ in length"),
        ("months", [1, 0], "without a table"),
    ],
)
def test_wrong_columns_are_named(duration: object, event: object, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        vs.kaplan_meier(duration, event)


def test_an_unknown_column_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="collapse_time") as caught:
        vs.kaplan_meier("months", "collapse", data=HIPS)
    assert caught.value.code == "invalid-table"


def test_events_between_films_are_noted() -> None:
    options = vs.CurveOptions(last_negative=[0.0, 6.0, 12.0])
    result = vs.kaplan_meier([6.0, 12.0, 24.0], [1, 1, 0], options=options)
    assert any("2 events lie between two visits" in note for note in result.notes)


def test_times_apart_by_rounding_are_one() -> None:
    times, index = distinct_times(np.array([0.1 + 0.2, 0.3, 1.0]))
    assert len(times) == 2
    assert index.tolist() == [0, 0, 1]


@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(0, 1), st.integers(0, 4)), min_size=2, max_size=40),
)
def test_any_curve_falls_and_its_band_holds_it(rows: list[tuple[int, int, int]]) -> None:
    time, event, patient = (np.array(column) for column in zip(*rows, strict=True))
    for cluster in (None, patient):
        (curve,) = vs.kaplan_meier(time, event, cluster=cluster).details["curves"]
        assert (np.diff(curve.survival, prepend=1.0) <= 1e-15).all()
        assert np.isfinite(curve.standard_error).all()
        known = ~np.isnan(curve.ci_low)
        assert (curve.ci_low[known] <= curve.survival[known] + 1e-12).all()
        assert (curve.ci_high[known] >= curve.survival[known] - 1e-12).all()
        assert known[curve.survival > 0].all()


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 1), st.integers(0, 3)), min_size=2, max_size=15))
def test_the_jackknife_is_the_derivative_in_the_weights(rows: list[tuple[int, int, int]]) -> None:
    """Influence by definition: how the curve moves when a row's weight does."""
    time, event, patient = (np.array(column) for column in zip(*rows, strict=True))
    (curve,) = vs.kaplan_meier(time, event, cluster=patient).details["curves"]
    step = 1e-6
    sums = np.zeros((4, len(curve.times)))
    for row in range(len(time)):
        moved = []
        for sign in (1, -1):
            weights = np.ones(len(time))
            weights[row] += sign * step
            options = vs.CurveOptions(weights=weights)
            moved.append(vs.kaplan_meier(time, event, options=options).details["curves"][0].survival)
        sums[patient[row]] += (moved[0] - moved[1]) / (2 * step)
    alive = curve.survival > 0
    assert curve.standard_error[alive] == pytest.approx(np.sqrt((sums**2).sum(axis=0))[alive], abs=1e-6)
