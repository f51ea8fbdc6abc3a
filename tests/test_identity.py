"""Who, when, which: names that the input does not give are not guessed."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from study_phantoms import write_box

from volumetry import classify_change
from volumetry.change import MeasuredVisit
from volumetry.errors import UsageError
from volumetry.study.cases import Case
from volumetry.study.finding.doubts.headers import doubted
from volumetry.study.identity import date_of_name, number_of_name
from volumetry.study.order_messages import unknown_order_message
from volumetry.study.other_tables.changes import changes_of_table
from volumetry.study.protocol import IdentitySection, parse_protocol
from volumetry.study.rows.reads import Claim, settle_reads
from volumetry.study.runs.batch import run_batch
from volumetry.study.runs.options import BatchOptions
from volumetry.study.visit_order import order_of_visits, visits_against_names
from volumetry.tables import CHANGES, MEASUREMENTS, read_table


def tables(folder, out, **protocol):
    run_batch(folder, out, BatchOptions(protocol=parse_protocol(protocol)))
    return read_table(out / "measurements.csv", MEASUREMENTS), read_table(out / "changes.csv", CHANGES)


@pytest.mark.parametrize(
    "names",
    [
        ("pre", "post"),
        ("screening", "month12"),
        ("06-15-2019", "01-10-2020"),
        ("10.06.2019", "09.01.2020"),
        ("2", "10"),
        ("v1", "month2"),
        ("v1", "v01"),
        ("a1", "a2"),
    ],
)
def test_an_order_that_nothing_says_is_unknown(names):
    order = order_of_visits(dict.fromkeys(names, ""))
    assert (order.by, dict(order.ranks)) == ("unknown", {})


@pytest.mark.parametrize(
    ("first", "second", "by"),
    [
        ("month2", "month12", "numbers"),
        ("ses-1", "ses-02", "numbers"),
        ("ses-month3", "ses-month12", "numbers"),
        ("V1", "v2", "numbers"),
        ("2019-06-15", "2020-01-10", "dates"),
        ("20190615", "20200110", "dates"),
        ("ses-20190615", "ses-20200110", "dates"),
    ],
)
def test_an_order_that_names_say(first, second, by):
    order = order_of_visits({second: "", first: ""})
    assert (order.by, dict(order.ranks)) == (by, {first: 0, second: 1})


def test_the_protocol_comes_before_dates_and_dates_before_numbers():
    dates = {"v1": "2020-01-01", "v2": "2019-01-01"}
    assert order_of_visits(dates).ranks == {"v2": 0, "v1": 1}
    assert order_of_visits(dates, ("v1", "v2")).ranks == {"v1": 0, "v2": 1}
    assert order_of_visits({"v1": "1900-01-01", "v2": "1900-01-01"}).by == "numbers"
    assert order_of_visits(dates, (), {"v1": 1, "v2": 2}).ranks == {"v1": 0, "v2": 1}
    assert (date_of_name("2019-02-30"), number_of_name("visit 3")) == ("", ("visit", 3))


def test_equal_tracings_are_no_two_reads():
    key = ("", "p", "L", "1", "v", "")
    equal = [Claim(key=key, trace="a"), Claim(key=key, trace="b")]
    settled = settle_reads(equal)
    assert all("a, b" in read.message for read in settled)
    numbered = [Claim(key=key, trace="a", read=1), Claim(key=key, trace="b", read=2)]
    assert [one.read for one in settle_reads(numbered)] == [1, 2]
    forms = [Claim(key=key, trace="a", form="seg"), Claim(key=key, trace="b", form="rtstruct")]
    assert [one.counts for one in settle_reads(forms, ("rtstruct", "seg"))] == [False, True]
    assert all(one.message for one in settle_reads(forms))
    versions = [Claim(key=key, trace="a", version="x"), Claim(key=key, trace="b", version="y", parent="x")]
    assert [one.counts for one in settle_reads(versions)] == [False, True]


def test_visits_without_an_order_make_no_class(tmp_path):
    for visit, rows in (("pre", (5, 15)), ("post", (5, 10))):
        write_box(tmp_path / "s/p01" / visit / "lesion_mask.nii.gz", rows=rows)
    measured, (change,) = tables(tmp_path / "s", tmp_path / "o")
    assert (change["category"], change["reason"]) == ("not_evaluable", "visit-order-unknown")
    empty = ("baseline_visit", "followup_visit", "change_mm3", "change_percent", "threshold_category")
    assert all(change[name] is None for name in empty)
    assert all(row["status"] == "measured" and "'post', 'pre'" in row["message"] for row in measured)
    study = {"visits": ["pre", "post"], "site": "A"}
    measured, (change,) = tables(tmp_path / "s", tmp_path / "o2", study=study)
    assert (change["category"], change["change_percent"]) == ("decrease", -50)
    assert {row["visit_order_by"] for row in measured} == {"protocol"}
    assert {row["site"] for row in measured} == {"A"} == {change["site"]}


def test_sessions_give_dates(tmp_path):
    for session in ("a", "b"):
        folder = tmp_path / f"s/sub-01/ses-{session}/anat"
        write_box(folder / f"sub-01_ses-{session}_T1w.nii.gz")
        for side in "LR":
            write_box(folder / f"sub-01_ses-{session}_hemi-{side}_mask.nii.gz")
    table = "session_id\tacq_time\nses-b\t2020-01-01T10:00:00\nses-a\t2021-01-01T10:00:00\n"
    (tmp_path / "s/sub-01/sub-01_sessions.tsv").write_text(table, encoding="utf-8")
    _, changes = tables(tmp_path / "s", tmp_path / "o", measurement={"check_side": False})
    assert [(c["side"], c["baseline_visit"], c["days"]) for c in changes] == [
        ("L", "ses-b", 366),
        ("R", "ses-b", 366),
    ]


def bids_study(root, sessions=("1", "2"), below=""):
    """A subject whose lesion halves from the first session to the second."""
    for session, rows in zip(sessions, ((5, 15), (5, 10)), strict=True):
        place = f"sub-01/ses-{session}/anat/sub-01_ses-{session}"
        write_box(root / f"{place}_T1w.nii.gz")
        write_box(root / f"{below}{place}_label-les_mask.nii.gz", rows=rows)


def write_tsv(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join("\t".join(row) for row in (header, *rows)) + "\n", encoding="utf-8")


def write_sessions(path, *dates, sessions=("ses-1", "ses-2")):
    write_tsv(path, ("session_id", "acq_time"), zip(sessions, dates, strict=True))


def write_scans(folder, *dates, sessions=("1", "2")):
    for session, day in zip(sessions, dates, strict=True):
        file = f"anat/sub-01_ses-{session}_T1w.nii.gz"
        path = folder / f"ses-{session}/sub-01_ses-{session}_scans.tsv"
        write_tsv(path, ("filename", "acq_time"), [(file, day)])


LATE, EARLY = "2021-01-01T10:00:00", "2020-01-01T10:00:00"


def laid_out(name, root):
    """Write a study whose dates say that session 2 was a year before session 1."""
    subject = root / "sub-01"
    table = subject / "sub-01_sessions.tsv"
    if name == "a folder above":
        bids_study(root / "bids")
        write_sessions(root / "bids/sub-01/sub-01_sessions.tsv", LATE, EARLY)
    elif name == "derivatives":
        bids_study(root, below="derivatives/man/")
        write_sessions(root / "derivatives/man/sub-01/sub-01_sessions.tsv", LATE, EARLY)
    elif name == "derivatives of dated images":
        bids_study(root, below="derivatives/man/")
        write_scans(subject, LATE, EARLY)
    elif name == "scans":
        bids_study(root)
        write_scans(subject, LATE, EARLY)
    elif name == "scans and sessions":
        bids_study(root)
        write_scans(subject, LATE, EARLY)
        write_sessions(table, LATE, "n/a")
    elif name == "scans in the folder of the subject":
        bids_study(root)
        files = [(f"ses-{n}/anat/sub-01_ses-{n}_T1w.nii.gz", day) for n, day in (("1", LATE), ("2", EARLY))]
        write_tsv(subject / "sub-01_scans.tsv", ("filename", "acq_time"), files)
    elif name == "shifted to before 1900":
        bids_study(root)
        write_sessions(table, "1868-01-01T00:00:00", "1867-01-01T00:00:00")
    elif name == "fewer zeros":
        bids_study(root, ("01", "02"))
        write_sessions(table, LATE, EARLY)
    elif name == "more zeros":
        bids_study(root)
        write_sessions(table, LATE, EARLY, sessions=("001", "002"))
    else:
        bids_study(root)
        write_sessions(table, LATE, EARLY)


@pytest.mark.parametrize(
    "name",
    [
        "as ever",
        "a folder above",
        "derivatives",
        "derivatives of dated images",
        "scans",
        "scans and sessions",
        "scans in the folder of the subject",
        "shifted to before 1900",
        "fewer zeros",
        "more zeros",
    ],
)
def test_dates_of_bids_order_sessions_before_their_numbers(name, tmp_path, caplog):
    laid_out(name, tmp_path / "s")
    _, (change,) = tables(tmp_path / "s", tmp_path / "o")
    assert (change["category"], change["days"]) == ("increase", 365 if name.startswith("shifted") else 366)
    assert "acq_time" not in caplog.text


def test_dates_of_bids_order_tracings_that_are_kept_apart(tmp_path):
    bids_study(tmp_path / "both")
    write_sessions(tmp_path / "both/sub-01/sub-01_sessions.tsv", LATE, EARLY)
    for mask in sorted((tmp_path / "both").rglob("*_mask.nii.gz")):
        apart = tmp_path / "apart" / mask.relative_to(tmp_path / "both")
        apart.parent.mkdir(parents=True)
        mask.rename(apart)
    run_batch(tmp_path / "both", tmp_path / "o", BatchOptions(traces=tmp_path / "apart"))
    (change,) = read_table(tmp_path / "o/changes.csv", CHANGES)
    assert (change["category"], change["days"]) == ("increase", 366)


def test_names_without_order_are_ordered_by_dates_before_1900(tmp_path):
    bids_study(tmp_path / "s", ("pre", "post"))
    write_sessions(
        tmp_path / "s/sub-01/sub-01_sessions.tsv",
        "1867-01-01",
        "1868-01-01",
        sessions=("ses-pre", "ses-post"),
    )
    _, (change,) = tables(tmp_path / "s", tmp_path / "o")
    assert (change["category"], change["days"]) == ("decrease", 365)


@pytest.mark.parametrize(
    ("dates", "told"),
    [
        (("2021-01-01", "n/a"), True),
        (("01/02/2021", "01/02/2020"), True),
        (("n/a", "n/a"), False),
        (("2020-01-01", "2021-01-01"), False),
    ],
)
def test_sessions_without_a_date_where_others_have_one_are_told_of(dates, told, tmp_path, caplog):
    bids_study(tmp_path / "s")
    write_sessions(tmp_path / "s/sub-01/sub-01_sessions.tsv", *dates)
    _, (change,) = tables(tmp_path / "s", tmp_path / "o")
    assert change["category"] == "decrease"
    assert ("acq_time" in caplog.text) == told


def test_a_session_with_two_dates_has_none(tmp_path, caplog):
    bids_study(tmp_path / "s")
    write_sessions(tmp_path / "s/sub-01/sub-01_sessions.tsv", "2020-01-01", "2021-01-01")
    write_scans(tmp_path / "s/sub-01", "2020-01-01", "2019-01-01")
    _, (change,) = tables(tmp_path / "s", tmp_path / "o")
    assert change["days"] is None
    assert "for 1 sessions" in caplog.text


def test_a_session_of_two_days_has_the_first(tmp_path):
    bids_study(tmp_path / "s")
    write_scans(tmp_path / "s/sub-01", "2020-01-01", "2021-01-02")
    path = tmp_path / "s/sub-01/ses-2/sub-01_ses-2_scans.tsv"
    path.write_text(path.read_text() + "anat/sub-01_ses-2_T2w.nii.gz\t2021-01-01\n", encoding="utf-8")
    _, (change,) = tables(tmp_path / "s", tmp_path / "o")
    assert change["days"] == 366


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"session_id\tacq_time\n" + b"x" * 200_000, b"acq_time\nx\n"]
)
def test_a_table_of_sessions_that_cannot_be_read_gives_no_dates(content, tmp_path):
    bids_study(tmp_path / "s")
    (tmp_path / "s/sub-01/sub-01_sessions.tsv").write_bytes(content)
    _, (change,) = tables(tmp_path / "s", tmp_path / "o")
    assert (change["category"], change["days"]) == ("decrease", None)


def test_two_sessions_that_differ_in_zeros_are_not_taken_for_each_other(tmp_path):
    bids_study(tmp_path / "s", ("2", "02"))
    write_sessions(tmp_path / "s/sub-01/sub-01_sessions.tsv", "2020-01-01", sessions=("ses-2",))
    rows, _ = tables(tmp_path / "s", tmp_path / "o")
    assert {row["visit"]: row["study_date"] for row in rows} == {"ses-2": "2020-01-01", "ses-02": None}


def test_an_empty_mask_may_mean_not_traced(tmp_path):
    write_box(tmp_path / "s/p/v1/lesion_mask.nii.gz")
    write_box(tmp_path / "s/p/v2/lesion_mask.nii.gz", rows=(5, 5))
    _, (change,) = tables(tmp_path / "s", tmp_path / "o")
    assert (change["category"], "empty-mask" in change["flags"]) == ("resolved", True)
    measured, (change,) = tables(tmp_path / "s", tmp_path / "o2", study={"empty_mask": "not_measurable"})
    assert (change["category"], change["reason"]) == ("not_evaluable", "no-outline")
    assert [row["status"] for row in measured] == ["measured", "not_measurable"]


@pytest.mark.parametrize("volume", [-1.0, math.nan, math.inf])
def test_a_volume_that_is_none_has_no_class(volume):
    with pytest.raises(UsageError, match="negative or not finite"):
        classify_change(MeasuredVisit(volume_mm3=volume), MeasuredVisit(volume_mm3=1.0))


def test_tables_with_negative_volumes_or_equal_rows_are_refused():
    row = dict.fromkeys(MEASUREMENTS.column_names) | {"patient": "p", "visit": "v1", "volume_mm3": 1.0}
    with pytest.raises(UsageError, match="line 3"):
        list(changes_of_table([row, row | {"volume_mm3": -1.0}], parse_protocol({}).change))
    with pytest.raises(UsageError, match="lines 2 and 3"):
        list(changes_of_table([row, row], parse_protocol({}).change))


def dicom_case(folder, study, day="1900-01-01"):
    return Case(
        patient="ANON",
        visit=day,
        study_date=day,
        patient_id="ANON",
        study_uid=study,
        trace=f"{folder}/rs.dcm",
        form="rtstruct",
    )


def codes(cases, **rules):
    return [case.error and case.error.code for case in doubted(cases, IdentitySection(**rules), Path())]


@pytest.mark.parametrize(
    ("places", "is_believed"),
    [
        ("v1/P01 v2/P01", False),
        ("baseline/P01 fu1/P01 baseline/P02 fu1/P02", False),
        ("pre/Meier post/Huber", False),
        ("v1/P01 v2/P02", True),
        ("V001/MRI1 V002/MRI1", True),
        ("V001/pre V002/pre", True),
        ("P01/v1 P02/v1", True),
        ("v1/P01", True),
    ],
)
def test_patients_in_folders_of_visits_are_not_visits_of_patients(places, is_believed):
    """``V1`` may be a patient, but not where folders of one name lie in it and in ``V2``."""
    of_places = [place.split("/") for place in places.split()]
    cases = [Case(patient=a, visit=b, trace=f"{a}/{b}/t1_mask.nii.gz") for a, b in of_places]
    assert codes(cases) == [None if is_believed else "patient-unclear"] * len(cases)


@pytest.mark.parametrize(
    ("first", "second"),
    [("pre", "post"), ("vor_OP", "nach_OP"), ("baseline", "fu1"), ("M0", "M12"), ("v1", "v2")],
)
def test_dates_that_contradict_the_names_of_visits_are_seen(first, second):
    assert visits_against_names({first: "2021-01-01", second: "2020-01-01"}) == {
        first: [second],
        second: [first],
    }
    assert visits_against_names({first: "2020-01-01", second: "2021-01-01"}) == {}


def test_one_patient_id_or_one_date_for_several_is_not_believed():
    patients = [dicom_case("p01", "1"), dicom_case("p02", "2")]
    assert codes(patients) == ["patient-unclear"] * 2
    assert codes(patients, patient="PatientID") == ["visit-unclear"] * 2
    assert codes(patients, patient="PatientID", visit="StudyDate") == [None, None]
    visits = [dicom_case("v1", "1", "2024-01-01"), dicom_case("v2", "2", "2024-07-01")]
    assert codes(visits) == ["patient-unclear"] * 2  # ANON is everybody
    named = [replace(case, patient="77", patient_id="77") for case in visits]
    assert codes(named) == [None, None]


def test_two_masks_of_one_lesion_are_ambiguous_and_named(tmp_path):
    for name in ("one_mask", "two_mask"):
        write_box(tmp_path / f"s/p/v1/{name}.nii.gz")
    measured, _ = tables(tmp_path / "s", tmp_path / "o")
    assert {(row["code"], row["volume_mm3"]) for row in measured} == {("ambiguous-lesion", None)}
    assert all("one_mask" in row["message"] and "two_mask" in row["message"] for row in measured)


def test_a_visit_that_the_list_of_visits_lacks_is_named():
    told = unknown_order_message(["Pre", "POST", "late"], ["Pre", "post"])
    assert "visits in [study] of the protocol lacks 'POST' (it has 'post'), 'late'." in told
    assert "'Pre'" not in told.partition("lacks")[2]
    assert "Give their order as visits" in unknown_order_message(["Pre", "POST"])


def test_a_blank_behind_the_name_of_a_visit_does_not_hide_its_number():
    assert number_of_name("week9 ") == ("week", 9)
    assert date_of_name(" 2020-01-05 ") == "2020-01-05"
    assert order_of_visits({"week1": "", "week10": "", "week9 ": ""}).by == "numbers"
