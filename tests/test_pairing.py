import pytest

from volumetry.change import ChangeRule
from volumetry.study.identity import natural
from volumetry.study.other_tables.changes import changes_of_table
from volumetry.study.rows.pairing import changes_of, visit_ranks
from volumetry.tables import MEASUREMENTS


def row(visit, volume=1000.0, **cells):
    plain = dict.fromkeys(MEASUREMENTS.column_names)
    return (
        plain
        | {
            "patient": "p1",
            "side": "L",
            "lesion": "L1",
            "visit": visit,
            "visit_order": int(visit[-1]),
            "read": 1,
        }
        | {"status": "measured", "volume_mm3": volume, "n_slices": 8, "height_rule": "thickness"}
        | {"slice_thickness_mm": 4.0, "slice_spacing_mm": 4.4, "pixel_area_mm2": 1.0}
        | cells
    )


def changed(*rows, rule=None):
    return list(changes_of(rows, rule or ChangeRule()))


def test_every_followup_is_compared_with_the_first_visit():
    changes = changed(row("v0"), row("v1", 1151.0), row("v2", 700.0))
    assert [(c["baseline_visit"], c["followup_visit"], c["category"]) for c in changes] == [
        ("v0", "v1", "increase"),
        ("v0", "v2", "decrease"),
    ]
    assert changes[1]["change_percent"] == pytest.approx(-30)


def test_days_and_change_per_year():
    change = changed(row("v0", study_date="2020-01-01"), row("v1", 1200.0, study_date="2022-01-01"))[0]
    assert change["days"] == 731
    assert change["change_percent_per_year"] == pytest.approx(20 * 365.25 / 731)


def test_a_visit_without_the_lesion_is_a_row_that_says_so():
    untraced = row("v1", None, side=None, lesion=None, status="not_traced", n_slices=None)
    assert [(c["category"], c["reason"]) for c in changed(row("v0"), untraced)] == [
        ("not_evaluable", "followup-not-traced")
    ]
    late = [row("v0", lesion="L2"), row("v1", lesion="L1"), row("v1", lesion="L2")]
    assert {(c["lesion"], c["reason"]) for c in changed(*late)} == {
        ("L1", "baseline-not-traced"),
        ("L2", None),
    }


def test_a_file_that_failed_gives_its_code_to_every_lesion_it_may_have_held():
    failed = row("v1", None, side=None, lesion=None, status="failed", code="truncated")
    assert changed(row("v0"), failed)[0]["reason"] == "truncated"
    refused = row("v1", None, status="not_measurable", code="untraced-slice")
    assert changed(row("v0"), refused)[0]["reason"] == "untraced-slice"


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"n_slices": 2}, "few-slices"),
        ({"height_rule": "spacing"}, "height-rules-differ"),
        ({"slice_spacing_mm": 5.0}, "gap-ratio-changed"),
        ({"slice_spacing_mm": None}, "gap-ratio-unknown"),
    ],
)
def test_guards(cells, reason):
    change = changed(row("v0"), row("v1", 2000.0, **cells))[0]
    assert (change["category"], change["reason"]) == ("not_evaluable", reason)
    assert change["threshold_category"] == "increase"


def test_a_changed_pixel_size_is_a_flag_and_no_guard():
    change = changed(row("v0"), row("v1", pixel_area_mm2=0.5))[0]
    assert (change["category"], change["flags"]) == ("no_change", "protocol-changed;error-unknown")


def test_readers_are_followed_apart_and_the_first_read_counts():
    rows = [
        row("v0", reader="A"),
        row("v0", 5.0, reader="A", read=2),
        row("v0", 500.0, reader="B"),
        row("v1", 1000.0, reader="A"),
        row("v1", 1000.0, reader="B"),
    ]
    assert [(c["reader"], c["category"]) for c in changed(*rows)] == [("A", "no_change"), ("B", "increase")]


@pytest.mark.parametrize(
    ("first", "second", "category"),
    [(0.0, 5.0, "new"), (5.0, 0.0, "resolved"), (0.0, 0.0, "absent")],
)
def test_volumes_of_zero(first, second, category):
    zero = {"n_slices": 0}
    change = changed(
        row("v0", first, **({} if first else zero)), row("v1", second, **({} if second else zero))
    )[0]
    assert change["category"] == category
    assert change["change_percent"] == (-100 if category == "resolved" else None)


def test_ranks_by_protocol_by_date_by_name():
    assert visit_ranks({"b": "", "a": "", "c": ""}, ("c", "b", "a")) == {"c": 0, "b": 1, "a": 2}
    assert visit_ranks({"pre": "", "post": ""}) == {"post": 0, "pre": 1}  # for lists only
    assert visit_ranks({"x": "2021-01-01", "y": "2020-01-01"}) == {"y": 0, "x": 1}
    assert visit_ranks({"month12": "", "month2": "2020-01-01"}) == {"month2": 0, "month12": 1}
    assert sorted(["v10", "v9", "v"], key=natural) == ["v", "v9", "v10"]


def test_a_table_of_somebody_elses_making():
    cells = dict.fromkeys(MEASUREMENTS.column_names)
    rows = [
        cells | {"patient": "b", "visit": "v2", "volume_mm3": 100.0},
        cells | {"patient": "a", "visit": "month12", "volume_mm3": None},
        cells | {"patient": "b", "visit": "v10", "volume_mm3": 116.0},
        cells | {"patient": "a", "visit": "month2", "volume_mm3": 3.0},
    ]
    changes = list(changes_of_table(rows, ChangeRule()))
    assert [(c["patient"], c["followup_visit"], c["category"], c["reason"]) for c in changes] == [
        ("a", "month12", "not_evaluable", "followup-not-measured"),
        ("b", "v10", "increase", None),
    ]


def test_two_visits_by_one_reader_each_are_one_pair():
    """A read the baseline, B the follow-up: the lesion was traced at both visits."""
    rows = [row("v0", reader="A"), row("v1", 1300.0, reader="B"), row("v1", 900.0, reader="B", read=2)]
    (change,) = changed(*rows)
    assert (change["reader"], change["baseline_reader"], change["followup_reader"]) == ("A;B", "A", "B")
    assert (change["category"], change["reason"], change["change_percent"]) == ("increase", None, 30.0)
    assert change["comparable"] == "with_reservations"
    assert "reader-differs" in change["reservations"]


def test_the_order_of_the_readers_is_that_of_the_visits():
    (change,) = changed(row("v0", reader="B"), row("v1", reader="A"))
    assert (change["reader"], change["baseline_reader"], change["followup_reader"]) == ("B;A", "B", "A")


def test_a_reader_who_has_both_visits_is_followed_alone():
    rows = [row("v0", reader="A"), row("v1", reader="A"), row("v1", 5.0, reader="B")]
    found = {c["reader"]: (c["category"], c["reason"]) for c in changed(*rows)}
    assert found == {"A": ("no_change", None), "B": ("not_evaluable", "baseline-not-traced")}
    assert all(c["baseline_reader"] is None for c in changed(*rows))


def test_two_readers_at_a_visit_are_never_mixed():
    rows = [row("v0", reader="A"), row("v0", reader="B"), row("v1", reader="C")]
    assert [(c["reader"], c["reason"]) for c in changed(*rows)] == [
        ("A", "followup-not-traced"),
        ("B", "followup-not-traced"),
        ("C", "baseline-not-traced"),
    ]
    both = [row("v0", reader="A"), row("v0", reader="B"), row("v1", reader="C"), row("v1", reader="D")]
    assert [c["reader"] for c in changed(*both)] == ["A", "B", "C", "D"]


def test_each_followup_is_paired_by_itself():
    """A read two visits, B the third; C read it in another hip."""
    rows = [row("v0", reader="A"), row("v1", 1200.0, reader="A"), row("v2", 700.0, reader="B")]
    rows += [row("v2", side="R", reader="C")]
    found = [(c["side"], c["reader"], c["followup_visit"], c["category"]) for c in changed(*rows)]
    assert ("L", "A", "v1", "increase") in found
    assert ("L", "A;B", "v2", "decrease") in found
    assert ("L", "A", "v2", "not_evaluable") not in found
    assert not any(reader == "B" for _, reader, _, _ in found)
    assert ("R", "C", "v2", "not_evaluable") in found


def test_a_tracing_without_a_reader_is_paired_with_nobody_else():
    """Who traced it is not known: it may be the same person, and no error of reading is known of it."""
    found = changed(row("v0", reader=None), row("v1", reader="B"))
    assert [(c["reader"], c["reason"]) for c in found] == [
        (None, "followup-not-traced"),
        ("B", "baseline-not-traced"),
    ]


def test_a_visit_that_another_reader_could_not_measure_gives_its_code():
    refused = row("v1", None, reader="B", status="not_measurable", code="untraced-slice")
    (change,) = changed(row("v0", reader="A"), refused)
    assert (change["reader"], change["reason"]) == ("A;B", "untraced-slice")


def test_a_third_reader_of_a_later_visit_takes_no_part_in_the_first_pair():
    """A at the baseline, B at the first follow-up, C at the second: one row a follow-up."""
    rows = [row("v0", reader="A"), row("v1", reader="B"), row("v2", reader="C")]
    assert [(c["reader"], c["followup_visit"]) for c in changed(*rows)] == [("A;B", "v1"), ("A;C", "v2")]
