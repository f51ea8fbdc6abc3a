"""Table 1: descriptions, missing values, and standardised differences held to R."""

import math

import numpy as np
import pytest
from r_reference import HIPS, PATIENTS, R, close

import volumetry.statistics as vs
from volumetry.errors import StatisticsError, UsageError

DENOMINATORS = ("SMD, pooled SD", "SMD, first group's SD")


@pytest.mark.parametrize("name", [name for name in R["two_group"] if name != "mtcars_like_small"])
def test_pooled_differences_agree_with_r(name: str) -> None:
    table = PATIENTS if name in ("age", "bmi") else HIPS
    groups = (table.loc[table["group"] == group, name] for group in (1, 0))
    result = vs.standardized_mean_difference(*groups)
    assert result["SMD, pooled SD"].value == close(R["two_group"][name]["smd_pooled"])
    assert result.estimate.ci_low < result.estimate.value < result.estimate.ci_high


@pytest.mark.parametrize("name", ["age", "male", "bmi"])
def test_both_denominators_agree_with_r(name: str) -> None:
    groups = (PATIENTS.loc[PATIENTS["group"] == group, name] for group in (1, 0))
    result = vs.standardized_mean_difference(*groups)
    assert [result[d].value for d in DENOMINATORS] == close(R["iptw"]["smd_un"][name])


def cohort_table_one() -> vs.TableOne:
    return vs.table_one(
        PATIENTS,
        group="group",
        levels=(1, 0),
        numeric=["age", "bmi"],
        categorical=["male", "aetiology"],
    )


def test_table_one_of_the_cohort() -> None:
    table = cohort_table_one()
    age = next(row for row in table.rows if (row.variable, row.group) == ("age", 0))
    expected = R["two_group"]["age"]
    assert [age.n, age.mean, age.sd] == close([expected["n"][0], expected["mean"][0], expected["sd"][0]])
    assert age.quartile_low <= age.median <= age.quartile_high
    assert table.group_sizes == {1: 104, 0: 76}
    smds = {difference.variable: difference for difference in table.differences}
    assert smds["age"].smd_pooled == close(expected["smd_pooled"])
    assert smds["age"].smd_first == close(R["iptw"]["smd_un"]["age"][1])
    for group in (1, 0):
        shares = [row.percent for row in table.rows if (row.variable, row.group) == ("aetiology", group)]
        assert len(shares) == 3
        assert sum(shares) == pytest.approx(100)
    assert table.notes == ()


def test_records_are_tidy() -> None:
    records = cohort_table_one().records()
    assert len({tuple(record) for record in records}) == 1
    steroid = next(r for r in records if r["category"] == "steroid" and r["group"] == 1)
    assert steroid["count"] == int(((PATIENTS["aetiology"] == "steroid") & (PATIENTS["group"] == 1)).sum())
    assert steroid["smd_pooled"] > 0


def test_binary_difference_is_that_of_shares() -> None:
    table = vs.table_one(PATIENTS, group="group", levels=(1, 0), categorical=["male"])
    p1, p0 = (PATIENTS.loc[PATIENTS["group"] == group, "male"].mean() for group in (1, 0))
    pooled = math.sqrt((p1 * (1 - p1) + p0 * (1 - p0)) / 2)
    difference = table.differences[0]
    assert difference.smd_pooled == close(abs(p1 - p0) / pooled)
    assert difference.smd_first == close(abs(p1 - p0) / math.sqrt(p1 * (1 - p1)))


def test_missing_values_and_other_groups_are_counted() -> None:
    table = {
        "arm": ["a", "a", "a", "b", "b", "c", None],
        "x": [1.0, None, 3.0, 4.0, 6.0, 7.0, 8.0],
        "stage": ["I", "", "II", "I", None, "I", "II"],
    }
    result = vs.table_one(table, group="arm", levels=("a", "b"), numeric=["x"], categorical=["stage"])
    rows = {(row.variable, row.category, row.group): row for row in result.rows}
    assert (rows["x", "", "a"].n, rows["x", "", "a"].n_missing) == (2, 1)
    assert (rows["stage", "I", "b"].count, rows["stage", "I", "b"].n_missing) == (1, 1)
    assert rows["stage", "II", "b"].percent == 0
    assert any("2 rows belong to none" in note for note in result.notes)


def test_hips_in_table_one_are_noted() -> None:
    result = vs.table_one(HIPS, group="group", levels=(1, 0), numeric=["hhs0"])
    assert result.notes == ("270 rows of 180 patients: the table describes rows",)


def test_quantile_rules_are_named() -> None:
    table = {"arm": ["a"] * 7, "x": R["quantile_types"]["x"]}
    for kind in (6, 7):
        result = vs.table_one(table, group="arm", levels=("a",), numeric=["x"], quantile_kind=kind)
        row = result.rows[0]
        assert [row.quartile_low, row.median, row.quartile_high] == close(R["quantile_types"][f"t{kind}"])
        assert result.quantile_kind == kind
        assert result.differences == ()


def test_differences_that_do_not_exist_say_why() -> None:
    table = {
        "arm": ["a", "a", "b", "b", "b"],
        "constant": [1, 1, 1, 1, 1],
        "half": [1, 1, 1, 2, 3],
        "empty": [None] * 5,
        "apart": ["x", "x", "y", "y", "y"],
        "one": ["x"] * 5,
        "rare": ["x", "x", "x", "y", "y"],
    }
    result = vs.table_one(
        table,
        group="arm",
        levels=("a", "b"),
        numeric=["constant", "half", "empty"],
        categorical=["apart", "one", "rare"],
    )
    notes = {difference.variable: difference for difference in result.differences}
    assert notes["constant"].smd_pooled is None
    assert "neither group varies" in notes["constant"].note
    assert notes["half"].smd_pooled is not None
    assert notes["half"].smd_first is None
    assert "too small" in notes["empty"].note
    assert "share no class" in notes["apart"].note
    assert "only one class" in notes["one"].note
    assert notes["rare"].smd_pooled == close(2 / 3 / math.sqrt(2 / 9 / 2))
    assert notes["rare"].smd_first is None
    assert result.rows[0].sd == 0
    assert result.rows[4].mean is None


def test_wrong_tables_are_refused() -> None:
    with pytest.raises(UsageError, match="at least one variable"):
        vs.table_one(PATIENTS, group="group", levels=(1, 0))
    with pytest.raises(UsageError, match="no column 'height'"):
        vs.table_one(PATIENTS, group="group", levels=(1, 0), numeric=["height"])
    with pytest.raises(UsageError, match="not a number"):
        vs.table_one(PATIENTS, group="group", levels=(1, 0), numeric=["aetiology"])
    with pytest.raises(StatisticsError, match="not-estimable"):
        vs.standardized_mean_difference([1.0], np.array([1.0, 2.0]))
