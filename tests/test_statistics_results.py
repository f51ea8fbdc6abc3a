"""Results in hand, and one way to call: every result type is copied, printed and tabled the same way."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

import volumetry.clinical as vc
import volumetry.statistics as vs
from volumetry.errors import UsageError


def cohort(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    table = pd.DataFrame(
        {
            "patient": np.arange(n) // 2,
            "arm": np.where(np.arange(n) // 2 % 2, "deno", "control"),
            "age": rng.normal(50, 10, n),
            "before": rng.lognormal(2, 0.5, n),
            "days": rng.integers(30, 900, n).astype(float),
            "event": rng.integers(0, 2, n),
            "stage": rng.choice(["I", "II", "III"], n),
        }
    )
    table["after"] = table["before"] * rng.lognormal(-0.1, 0.1, n)
    table["cause"] = table["event"] * rng.integers(1, 3, n)
    table["treated"] = (table["arm"] == "deno").astype(int)
    table["category"] = np.where(table["after"] < 0.85 * table["before"], "decrease", "no_change")
    table["reason"] = ""
    return table


D = cohort()
SCORE = vs.propensity_score("treated", ["age", "before"], data=D)
PAIRS = vs.match_pairs(SCORE, vs.MatchOptions(caliper=1.0, scale="sd-logit"))
COX = vs.cox_regression("days", "event", ["arm", "age"], data=D, cluster="patient")
CURVES = vs.kaplan_meier("days", "event", "arm", data=D, cluster="patient")
CIRCLE = vc.fit_circle([[0, 1], [1, 0], [0, -1], [-1, 0.01]])

RESULTS: dict[str, Any] = {
    "StatisticResult": CURVES,
    "Estimate": COX.estimate,
    "SurvivalCurve": CURVES.details["curves"][0],
    "IncidenceCurve": vs.cumulative_incidence("days", "cause", data=D, cluster="patient").details["curves"][
        0
    ],
    "IntervalCurve": vs.interval_censored_survival([0, 6, 6], [6, 12, None]).details["curves"][0],
    "CoxFit": COX.details["fit"],
    "BalanceTable": vs.matched_balance(SCORE, PAIRS),
    "CovariateBalance": vs.matched_balance(SCORE, PAIRS).rows[0],
    "PropensityScore": SCORE,
    "Matching": PAIRS,
    "TableOne": vs.table_one(
        D, group="arm", levels=("deno", "control"), numeric=["age"], categorical=["stage"]
    ),
    "ResponderTable": vs.responder_table(D.drop_duplicates("patient"), group="arm"),
    "Finding": vs.audit_percentage("sex", 19, 146, "13.1"),
    "Printed": vs.Printed(text="0.012", value=0.012, half_unit=0.0005, sign="="),
    "SampleSummary": vs.SampleSummary(mean=1.0, sd=2.0, n=3),
    "FittedCircle": CIRCLE,
    "CollapseProgression": vc.collapse_progression({"ap": 1.0}, {"ap": 3.5}),
    "StageCheck": vc.check_arco_stage(
        "II",
        vc.HipFindings(
            mri_positive=True,
            radiograph_abnormal=True,
            fracture=False,
            depression_mm=0.0,
            osteoarthritis=False,
        ),
    ),
    "DiscHeightLoss": vc.disc_height_loss(10.0, 7.0),
    "OozingTime": vc.oozing_time(date(2020, 1, 1), [(date(2020, 1, 2), 3)], date(2020, 1, 9)),
    "WomacTotal": vc.womac_total(pain=1, stiffness=1, function=1, version="LK3.1"),
    "SchoenfeldResiduals": vs.proportional_hazards_test(COX).details["schoenfeld"],
    "t test": vs.t_test("age", data=D, group="arm", cluster="patient"),
    "ICC": vs.icc(["before", "after"], data=D.drop_duplicates("patient")),
    "GEE": vs.estimating_equations("event", ["arm"], cluster="patient", data=D),
    "mixed": vs.mixed_model("age", ["arm"], cluster="patient", data=D),
}


def same(one: Any, other: Any) -> bool:
    """Whether two results say the same, arrays and NaN included."""
    if is_dataclass(one):
        return type(one) is type(other) and all(same(getattr(one, n), getattr(other, n)) for n in vars(one))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray | float):
        return bool(np.array_equal(one, other, equal_nan=np.asarray(one).dtype.kind == "f"))
    return bool(one == other)


@pytest.mark.parametrize("name", RESULTS)
def test_results_can_be_copied_tabled_and_printed(name: str) -> None:
    result = RESULTS[name]
    for copied in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        assert same(result, copied)
    assert set(asdict(result)) == set(vars(result))
    frame = result.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert len(frame) >= 1
    assert isinstance(result.summary(), pd.DataFrame)
    assert 0 < len(repr(result)) < 2000
    assert repr(result) == str(result)
    assert "<table" in result._repr_html_()


def test_every_public_result_type_is_tested() -> None:
    settings = {name for name in vs.__all__ if name.endswith("Options")}
    inputs = {"Threshold", "HipFindings", "HipFollowUp"}
    types = {name for name in vs.__all__ if is_dataclass(getattr(vs, name))} - settings - inputs
    parts = {"ResponderRow", "TableOneRow", "TableOneDifference", "PrintedSummary", "SurvivalQuantile"}
    parts |= {"Depression", "FailureTime"}  # one row of plain cells each, as FittedCircle
    assert types - parts - {type(result).__name__ for result in RESULTS.values()} == set()


def test_details_cannot_be_changed() -> None:
    with pytest.raises(TypeError, match="cannot be changed"):
        CURVES.details["curves"] = ()  # type: ignore[index]
    with pytest.raises(TypeError, match="cannot be changed"):
        CURVES.details.update(curves=())  # type: ignore[attr-defined]


def test_labels_are_escaped_in_notebooks() -> None:
    table = D.assign(arm=D["arm"].replace("deno", "<script>"))
    assert (
        "<script>" not in vs.kaplan_meier("days", "event", "arm", data=table, cluster="patient")._repr_html_()
    )


def one_arm(arm: str, column: str) -> Any:
    return D.loc[D["arm"] == arm, column]


TWO_SAMPLES: dict[str, tuple[Callable[..., Any], str, dict[str, Any]]] = {
    "t": (vs.t_test, "age", {}),
    "Mann-Whitney": (vs.mann_whitney_test, "age", {}),
    "Levene": (vs.levene_test, "age", {}),
    "shares": (vs.compare_proportions, "event", {"primary": "pearson"}),
    "ordered": (vs.proportional_odds, "stage", {"classes": ["I", "II", "III"]}),
}


@pytest.mark.parametrize("name", TWO_SAMPLES)
@pytest.mark.filterwarnings("ignore::volumetry.statistics.ClusteredDataWarning")
def test_names_with_data_and_arrays_are_the_same_call(name: str) -> None:
    function, column, settings = TWO_SAMPLES[name]
    named = function(column, data=D, group="arm", levels=("deno", "control"), cluster="patient", **settings)
    clusters = (one_arm("deno", "patient"), one_arm("control", "patient"))
    arrays = function(one_arm("deno", column), one_arm("control", column), cluster=clusters, **settings)
    assert same(named, arrays)
    alone = function(D[column], group=D["arm"], levels=("deno", "control"), cluster=D["patient"], **settings)
    assert same(named, alone)


PAIRED: dict[str, Callable[..., Any]] = {
    "paired t": vs.paired_t_test,
    "Wilcoxon": vs.wilcoxon_signed_rank_test,
    "Bland-Altman": vs.bland_altman,
    "Lin": vs.lin_concordance,
    "change": vs.relative_change,
}


@pytest.mark.parametrize("name", PAIRED)
@pytest.mark.filterwarnings("ignore::volumetry.statistics.ClusteredDataWarning")
def test_pairs_are_given_by_name_or_as_arrays(name: str) -> None:
    named = PAIRED[name]("before", "after", data=D, cluster="patient")
    assert same(named, PAIRED[name](D["before"], D["after"], cluster=D["patient"]))


def lost(column: str) -> pd.DataFrame:
    table = D.copy()
    table[column] = table[column].astype(object)
    table.loc[[3, 10], column] = None
    return table


CLUSTERED: dict[str, Callable[[pd.DataFrame], Any]] = {
    **{
        name: lambda d, call=call: call[0](call[1], data=d, group="arm", cluster="patient", **call[2])
        for name, call in TWO_SAMPLES.items()
    },
    **{
        name: lambda d, call=call: call("before", "after", data=d, cluster="patient")
        for name, call in PAIRED.items()
    },
    "classes": lambda d: vs.compare_classes(
        "arm",
        "stage",
        group_levels=["control", "deno"],
        class_levels=["I", "II", "III"],
        data=d,
        cluster="patient",
    ),
    "kappa": lambda d: vs.cohen_kappa_of_readers(
        "stage", "stage", classes=["I", "II", "III"], data=d, cluster="patient"
    ),
    "ICC": lambda d: vs.icc(["before", "after"], data=d, cluster="patient"),
    "reads": lambda d: vs.repeatability(["before", "after"], data=d, cluster="patient"),
    "curves": lambda d: vs.kaplan_meier("days", "event", "arm", data=d, cluster="patient"),
    "log-rank": lambda d: vs.logrank_test("days", "event", "arm", data=d, cluster="patient"),
    "incidence": lambda d: vs.cumulative_incidence("days", "cause", data=d, cluster="patient"),
    "Cox": lambda d: vs.cox_regression("days", "event", ["age"], data=d, cluster="patient"),
    "linear": lambda d: vs.linear_regression("after", ["age"], data=d, cluster="patient"),
    "logistic": lambda d: vs.logistic_regression("event", ["age"], data=d, cluster="patient"),
    "GEE": lambda d: vs.estimating_equations("event", ["age"], data=d, cluster="patient"),
    "mixed": lambda d: vs.mixed_model("after", ["age"], data=d, cluster="patient"),
}


@pytest.mark.parametrize("name", CLUSTERED)
@pytest.mark.filterwarnings("ignore::volumetry.statistics.ClusteredDataWarning")
def test_a_row_without_its_cluster_is_left_out_and_counted(name: str) -> None:
    table = lost("patient")
    result = CLUSTERED[name](table)
    without = CLUSTERED[name](table.dropna(subset="patient"))
    assert (result.n_missing, result.n_used) == (2, len(D) - 2)
    assert same([e.value for e in result.estimates], [e.value for e in without.estimates])
    assert result.p_value == without.p_value


@pytest.mark.parametrize("name", [n for n in CLUSTERED if n not in {"shares", "ordered", "classes", "kappa"}])
@pytest.mark.filterwarnings("ignore::volumetry.statistics.ClusteredDataWarning")
def test_infinity_is_refused_by_name_everywhere(name: str) -> None:
    table = D.copy().astype({"days": float, "event": float, "cause": float})
    for column in ("age", "before", "after", "days"):
        table.loc[5, column] = np.inf
    with pytest.raises(UsageError, match="holds infinity"):
        CLUSTERED[name](table)


@pytest.mark.parametrize("column", ["patient", "Pat. ID", "id", "Nr", "PatientID", "Subject No", "Fall-Nr."])
def test_a_repeated_patient_is_seen_whatever_its_column_is_called(column: str) -> None:
    table = D.rename(columns={"patient": column})
    with pytest.warns(vs.ClusteredDataWarning, match="60 rows of 30 clusters"):
        result = vs.cox_regression("days", "event", ["age"], data=table)
    assert any(column in note for note in result.notes)
    with pytest.warns(vs.ClusteredDataWarning):
        vs.compare_groups(table, "age", group="arm", levels=("deno", "control"))
    with pytest.warns(vs.ClusteredDataWarning):
        vs.t_test("age", data=table, group="arm")


@pytest.mark.parametrize("column", ["hip", "hip_id", "pat.karno", "patient age", "visit", "site id"])
def test_what_is_no_patient_is_not_taken_for_one(column: str) -> None:
    table = D.drop(columns="patient").assign(**{column: D["patient"]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vs.t_test("age", data=table, group="arm")
