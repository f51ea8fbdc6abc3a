"""Responder table and relative changes: every row accounted for, three averages by their names."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from r_reference import HIPS, close
from scipy import stats

import volumetry.statistics as vs
from volumetry.errors import StatisticsError, UsageError


def changes_of_the_paper() -> dict[str, list[object]]:
    """112 of 146 denosumab and 74 of 126 control hips classed; the others have no follow-up MRI."""
    counts = {
        "denosumab": {"increase": 13, "no_change": 40, "decrease": 59, "not_evaluable": 34},
        "control": {"increase": 26, "no_change": 36, "decrease": 12, "not_evaluable": 52},
    }
    rows = [(arm, name) for arm, classes in counts.items() for name, n in classes.items() for _ in range(n)]
    return {
        "arm": [arm for arm, _ in rows],
        "category": [name for _, name in rows],
        "reason": ["collapsed" if name == "not_evaluable" else "" for _, name in rows],
    }


def test_papers_change_classes() -> None:
    table = vs.responder_table(changes_of_the_paper(), group="arm")
    by_class = {(row.group, row.category): row for row in table.rows}
    decrease = by_class["denosumab", "decrease"]
    assert (decrease.n, decrease.denominator) == (59, 112)
    assert decrease.percent == pytest.approx(52.7, abs=0.05)
    assert decrease.ci_low_percent < 52.7 < decrease.ci_high_percent
    missing = by_class["control", "not_evaluable"]
    assert (missing.n, missing.denominator, missing.reason) == (52, 126, "collapsed")
    assert table.counts("control") == {"increase": 26, "no_change": 36, "decrease": 12, "not_evaluable": 52}


classes = st.sampled_from(
    ["increase", "no_change", "decrease", "new", "resolved", "absent", "not_evaluable", None, ""]
)


@given(st.lists(st.tuples(classes, st.sampled_from(["a", "b", None]), st.sampled_from(["", "why", None]))))
def test_every_row_is_accounted_for(rows: list[tuple[str, str, str]]) -> None:
    changes = {"category": [c for c, _, _ in rows], "arm": [g for _, g, _ in rows]}
    changes["reason"] = [why for _, _, why in rows]
    table = vs.responder_table(changes, group="arm")
    assert sum(row.n for row in table.rows) == table.n_rows == len(rows)
    for group in {row.group for row in table.rows}:
        classed = [row for row in table.rows if row.group == group and row.category != "not_evaluable"]
        assert {row.denominator for row in classed} == {sum(row.n for row in classed)}
        if classed[0].denominator:
            assert sum(row.percent for row in classed) == pytest.approx(100)
        else:
            assert all(row.percent is None for row in classed)


def test_a_row_without_reason_says_so_and_repeated_patients_warn() -> None:
    changes = pd.DataFrame(
        {"patient": ["1", "1", "2"], "category": ["increase", "decrease", None], "reason": [None, "", ""]}
    )
    with pytest.warns(vs.ClusteredDataWarning, match="2 rows of 1 clusters"):
        table = vs.responder_table(changes)
    assert table.rows[-1].reason == "no reason given"
    assert any("analysed as independent" in note for note in table.notes)
    assert table.rows[0].group is None


def test_wrong_changes_are_refused() -> None:
    with pytest.raises(UsageError, match="unknown classes: bigger"):
        vs.responder_table({"category": ["bigger"]})
    with pytest.raises(UsageError, match="no column 'category'"):
        vs.responder_table({"class": ["increase"]})


def test_three_averages_of_one_change() -> None:
    rows = HIPS[HIPS["group"] == 1]
    result = vs.relative_change(rows["vol0_r1"], rows["vol1_r1"])
    pairs = rows.dropna(subset=["vol0_r1", "vol1_r1"])
    percent = 100 * (pairs["vol1_r1"] / pairs["vol0_r1"] - 1)
    median, mean, of_means = (
        result[name]
        for name in ("median relative change", "mean relative change", "relative change of means")
    )
    assert (result.n_used, result.n_missing) == (len(pairs), len(rows) - len(pairs))
    assert median.value == close(percent.median())
    assert mean.value == close(percent.mean())
    plain = stats.ttest_1samp(percent, 0).confidence_interval()
    assert [mean.ci_low, mean.ci_high] == close([plain.low, plain.high])
    assert of_means.value == close(100 * (pairs["vol1_r1"].mean() / pairs["vol0_r1"].mean() - 1))
    assert len({median.value, mean.value, of_means.value}) == 3
    for estimate in (median, mean, of_means):
        assert estimate.unit == "%"
        assert estimate.ci_low < estimate.value < estimate.ci_high


def test_papers_relative_changes_of_means() -> None:
    for baseline, followup, expected in (
        (13.79, 11.87, -13.923),
        (11.37, 12.39, 8.971),
        (23.77, 14.33, -39.714),
    ):
        result = vs.relative_change([baseline], [followup])
        assert result["relative change of means"].value == pytest.approx(expected, abs=5e-4)


def test_median_interval_leaves_at_most_half_of_the_rest_on_either_side() -> None:
    before, after = np.full(20, 100.0), 100 + np.arange(20.0)
    median = vs.relative_change(before, after)["median relative change"]
    # Sign test for n = 20: the sixth value from either end, 95.9 %.
    assert (median.ci_low, median.ci_high) == (pytest.approx(5), pytest.approx(14))
    few = vs.relative_change(before[:4], after[:4])["median relative change"]
    assert (few.ci_low, few.ci_high) == (None, None)


def test_clusters_widen_the_mean_and_leave_the_median_bare() -> None:
    before, after, patients = [10, 10, 20, 20, 15, 15], [12, 12, 18, 18, 15, 15], [1, 1, 2, 2, 3, 3]
    single = vs.relative_change(before[::2], after[::2])["mean relative change"]
    result = vs.relative_change(before, after, cluster=patients)
    assert result.n_clusters == 3
    assert result["mean relative change"].standard_error == close(single.standard_error)
    assert result["median relative change"].ci_low is None
    assert any("does not heed clusters" in note for note in result.notes)


def test_lesions_that_were_not_there_have_no_relative_change() -> None:
    result = vs.relative_change([0, 10, 10, None], [5, 5, 0, 3])
    assert result.details["n_baseline_zero"] == 1
    assert result["median relative change"].value == pytest.approx(-75)
    assert (result.n_used, result.n_missing) == (3, 1)
    with pytest.raises(StatisticsError, match="no pair has a baseline"):
        vs.relative_change([0, None], [1, 2])
    with pytest.raises(UsageError, match="negative"):
        vs.relative_change([-1], [2])


def test_changes_table_gives_relative_changes_by_patient() -> None:
    changes = {
        "patient": ["1", "1", "2", "3"],
        "baseline_volume_mm3": [1000.0, 2000.0, 500.0, None],
        "followup_volume_mm3": [800.0, 2100.0, 500.0, None],
        "category": ["decrease", "no_change", "no_change", "not_evaluable"],
    }
    result = vs.changes_relative_change(changes)
    assert (result.n_used, result.n_clusters) == (3, 2)
    assert result["mean relative change"].value == pytest.approx(-5)
