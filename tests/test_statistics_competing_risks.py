"""Competing risks and Gray's test, held to R's survfit and cmprsk."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from r_reference import HIPS, R, close

import volumetry.statistics as vs
from volumetry.errors import StatisticsError, UsageError
from volumetry.statistics.clusters import ClusteredDataWarning

CIF = R["cif_hips"]
CAUSES = {1: "collapse", 2: "tha"}
NAMES = vs.IncidenceOptions(causes=CAUSES)
FIRST = np.where(
    HIPS["event"] == 1, HIPS["collapse_time"], np.minimum(HIPS["collapse_time"], HIPS["tha_time"])
)


def curves(**options: object) -> tuple[vs.IncidenceCurve, ...]:
    chosen = vs.IncidenceOptions(causes=CAUSES, **options)
    result = vs.cumulative_incidence(FIRST, HIPS["event"], HIPS["group"], options=chosen)
    found: tuple[vs.IncidenceCurve, ...] = result.details["curves"]
    return found


def test_incidences_and_their_errors_are_survfits() -> None:
    found = curves()
    assert len(found) == 4
    for curve in found:
        rows = [row for row in CIF["aalen_johansen"] if row["strata"] == f"group={curve.label}"]
        at = curve.at([row["time"] for row in rows])
        assert at["incidence"] == close([row[f"p_{curve.cause}"] for row in rows])
        assert at["standard_error"] == close([row[f"se_{curve.cause}"] for row in rows])


def test_incidences_and_variances_are_cmprsks() -> None:
    codes = {name: code for code, name in CAUSES.items()}
    for curve in curves(variance="aalen"):
        for section, value in (("cuminc_est", "incidence"), ("cuminc_var", "standard_error")):
            (row,) = (r for r in CIF[section] if r["_row"] == f"{curve.label} {codes[curve.cause]}")
            times = [key for key in row if key != "_row"]
            found = curve.at([float(time) for time in times])[value]
            expected = [row[time] for time in times]
            assert (found**2 if section == "cuminc_var" else found) == close(expected)


@pytest.mark.parametrize("cause", [1, 2])
def test_gray_is_cmprsks(cause: int) -> None:
    expected = CIF["gray"][cause - 1]
    result = vs.gray_test(FIRST, HIPS["event"], HIPS["group"], cause=cause)
    assert [result.statistic, result.p_value, result.df] == close([expected[k] for k in ("stat", "pv", "df")])


def test_one_minus_kaplan_meier_overstates() -> None:
    naive = vs.kaplan_meier(FIRST, HIPS["event"] == 1, HIPS["group"]).details["curves"]
    kept = [curve.at([24])["survival"][0] for curve in naive]
    assert kept == close(CIF["km_naive"])
    for curve, survival in zip(curves()[:2], kept, strict=True):
        assert curve.at([24])["incidence"][0] < 1 - survival


def test_patients_change_the_errors_only() -> None:
    alone = curves()
    result = vs.cumulative_incidence(
        FIRST, HIPS["event"], HIPS["group"], cluster=HIPS["patient"], options=NAMES
    )
    assert result.n_clusters == 180
    for one, other in zip(alone, result.details["curves"], strict=True):
        assert one.incidence == close(other.incidence)
        assert (one.standard_error != other.standard_error).any()
    with pytest.warns(ClusteredDataWarning):
        vs.gray_test(FIRST, HIPS["event"], HIPS["group"], cluster=HIPS["patient"])


def test_gray_in_strata_adds_up() -> None:
    result = vs.gray_test(FIRST, HIPS["event"], HIPS["aetiology"], strata=HIPS["male"])
    assert result.df == 2
    assert result.details["score"].sum() == pytest.approx(0, abs=1e-9)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 8), st.integers(0, 2), st.integers(0, 3)), min_size=2, max_size=25))
def test_incidences_and_survival_add_to_one(rows: list[tuple[int, int, int]]) -> None:
    time, event, patient = (np.array(column) for column in zip(*rows, strict=True))
    (survival,) = vs.kaplan_meier(time, event > 0).details["curves"]
    result = vs.cumulative_incidence(time, event, cluster=patient)
    total = sum(curve.incidence for curve in result.details["curves"])
    assert total + survival.survival == pytest.approx(np.ones(len(survival.times)))
    assert all(np.isfinite(curve.standard_error).all() for curve in result.details["curves"])


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 8), st.integers(0, 1), st.integers(0, 3)), min_size=4, max_size=25))
def test_one_cause_alone_is_kaplan_meier(rows: list[tuple[int, int, int]]) -> None:
    time, event, patient = (np.array(column) for column in zip(*rows, strict=True))
    (survival,) = vs.kaplan_meier(time, event, cluster=patient).details["curves"]
    for curve in vs.cumulative_incidence(time, event, cluster=patient).details["curves"]:
        alive = survival.survival > 0
        assert curve.incidence == pytest.approx(1 - survival.survival)
        assert curve.standard_error[alive] == pytest.approx(survival.standard_error[alive], abs=1e-7)


def test_what_cannot_be_answered_is_named() -> None:
    none = vs.cumulative_incidence([1, 2, 3], [0, 0, 0])
    assert none.notes == ("every row is censored",)
    with pytest.raises(StatisticsError, match="no event of cause 2"):
        vs.gray_test([1, 2, 3], [1, 0, 1], [0, 1, 1], cause=2)
    with pytest.raises(StatisticsError, match="more than one group"):
        vs.gray_test([1, 2, 3, 4], [0, 0, 1, 1], [0, 0, 1, 1])
    with pytest.raises(UsageError, match="cause above 1"):
        vs.cumulative_incidence([1, 2], [1, -1])
    with pytest.raises(UsageError, match="neither clusters"):
        vs.cumulative_incidence([1, 2], [1, 0], cluster=[1, 1], options=vs.IncidenceOptions(variance="aalen"))
