"""Headers of DICOM images that contradict who, when and which: nothing is one or earlier by accident."""

import csv
import json
from dataclasses import replace

import pytest
from dicom_phantoms import stack_voxels, write_enhanced
from phantoms import write_seg
from pydicom import DataElement, Dataset, config, dcmread
from pydicom.datadict import dictionary_VR, tag_for_keyword
from study_phantoms import batch_results, box_mask, box_trace, coronal, write_box
from test_taken_for_another import GEOMETRY, write_study

from volumetry import read_scan, read_sections, write_trace
from volumetry.cli import main
from volumetry.errors import TraceError
from volumetry.formats.dicom.person import PersonMarks, is_placeholder, may_be_several, person_marks
from volumetry.study.cases import Case
from volumetry.study.finding.doubts.headers import doubted
from volumetry.study.protocol import IdentitySection

MIDDLE = coronal(size=24, x_mm=-22)
DATES = ("20200301", "20210401")


def saying(**elements):
    """A change of a data set: these elements, whatever their values."""

    def change(ds):
        for name, value in elements.items():
            tag = tag_for_keyword(name)
            ds[tag] = DataElement(tag, dictionary_VR(tag), value, validation_mode=config.IGNORE)

    return change


def two_visits(root, first, second, places=("P1/a", "P1/b"), patient="77", dates=DATES):
    """Two studies of a lesion that halves; what their headers say besides."""
    for place, date, said, rows in zip(places, dates, (first, second), (10, 5), strict=True):
        write_study(root / place, patient=patient, date=date, rows=rows, change=saying(**said))
    return batch_results(root)


# -- who ----------------------------------------------------------------------------------------------------

TWO_PEOPLE = {
    "issuer": ({"IssuerOfPatientID": "HOSP_A"}, {"IssuerOfPatientID": "HOSP_B"}),
    "trial": ({"ClinicalTrialSubjectID": "SUBJ-001"}, {"ClinicalTrialSubjectID": "SUBJ-002"}),
    "one trial": (
        {"ClinicalTrialProtocolID": "T", "ClinicalTrialSubjectReadingID": "K1"},
        {"ClinicalTrialProtocolID": "T", "ClinicalTrialSubjectReadingID": "K2"},
    ),
    "name": ({"PatientName": "MEIER^HANS"}, {"PatientName": "HUBER^EVA"}),
    "number for a name": ({"PatientName": "SUBJ001"}, {"PatientName": "SUBJ002"}),
    "age": ({"PatientAge": "030Y"}, {"PatientAge": "070Y"}),
    "a few years": ({"PatientAge": "031Y"}, {"PatientAge": "035Y"}),
    "months": ({"PatientAge": "006M"}, {"PatientAge": "012Y"}),
}
ONE_PERSON = {
    "issuer with blanks": ({"IssuerOfPatientID": "Hosp A "}, {"IssuerOfPatientID": "HOSP  A"}),
    "issuer blank": ({"IssuerOfPatientID": ""}, {"IssuerOfPatientID": "HOSP_B"}),
    "issuer removed": ({"IssuerOfPatientID": "REMOVED"}, {"IssuerOfPatientID": "HOSP_B"}),
    "married": ({"PatientName": "MEIER^EVA"}, {"PatientName": "HUBER^EVA^MARIA"}),
    "order of names": ({"PatientName": "EVA MEIER"}, {"PatientName": "Meier^Eva"}),
    "family names": ({"PatientName": "MEIER"}, {"PatientName": "HUBER"}),
    "name removed": ({"PatientName": "ANON^PATIENT"}, {"PatientName": "HUBER^EVA"}),
    "two trials": (
        {"ClinicalTrialProtocolID": "T1", "ClinicalTrialSubjectID": "001"},
        {"ClinicalTrialProtocolID": "T2", "ClinicalTrialSubjectID": "907"},
    ),
    "a birthday": ({"PatientAge": "030Y"}, {"PatientAge": "032Y"}),
    "same age": ({"PatientAge": "030Y"}, {"PatientAge": "030Y"}),
    "rounded ages": ({"PatientAge": "030Y"}, {"PatientAge": "035Y"}),
    "rounded to ten": ({"PatientAge": "030Y"}, {"PatientAge": "040Y"}),
    "old": ({"PatientAge": "089Y"}, {"PatientAge": "095Y"}),
    "no age": ({"PatientAge": "000Y"}, {"PatientAge": "054Y"}),
    "odd age": ({"PatientAge": "54"}, {"PatientAge": "030Y"}),
    "born on one day": (
        {"PatientAge": "030Y", "PatientBirthDate": "19800305"},
        {"PatientAge": "041Y", "PatientBirthDate": "19800305"},
    ),
}


@pytest.mark.parametrize("kind", TWO_PEOPLE)
@pytest.mark.parametrize("places", [("P1/a", "P1/b"), ("export/x1", "export/x2")])
def test_headers_that_cannot_be_of_one_person_are_not_believed(tmp_path, kind, places, capsys):
    code, rows, changes = two_visits(tmp_path / "study", *TWO_PEOPLE[kind], places)
    assert code == 4
    assert {row["code"] for row in rows} == {"patient-unclear"}
    assert {change["category"] for change in changes} <= {"not_evaluable"}
    said = [value for header in TWO_PEOPLE[kind] for value in header.values() if len(value) > 2]
    written = "".join(file.read_text() for file in (tmp_path / "study_out").iterdir() if file.is_file())
    assert not [value for value in said if value in written + capsys.readouterr().out]


def test_who_says_that_the_patient_is_one_is_believed(tmp_path):
    two_visits(tmp_path / "study", *TWO_PEOPLE["age"])
    (tmp_path / "p.toml").write_text('[identity]\npatient = "PatientID"\n', encoding="utf-8")
    _, _, changes = batch_results(tmp_path / "study", "--protocol", tmp_path / "p.toml")
    assert [change["category"] for change in changes] == ["decrease"]


@pytest.mark.parametrize("kind", ONE_PERSON)
def test_what_one_person_may_have_in_two_headers_is_no_contradiction(tmp_path, kind):
    code, _, changes = two_visits(tmp_path / "study", *ONE_PERSON[kind])
    assert code == 0
    assert [change["category"] for change in changes] == ["decrease"]


def test_masks_beside_images_of_two_people_are_not_believed(tmp_path):
    for visit, said, rows in (("v1", "HOSP_A", 10), ("v2", "HOSP_B", 5)):
        place = tmp_path / "study/P1" / visit
        date = DATES[visit == "v2"]
        write_study(place, patient="77", date=date, change=saying(IssuerOfPatientID=said))
        (place / "rt.dcm").unlink()
        write_box(place / "lesion_mask.nii.gz", GEOMETRY, rows=(5, 5 + rows))
    _, rows, changes = batch_results(tmp_path / "study")
    assert {row["code"] for row in rows} == {"patient-unclear"}
    assert {change["category"] for change in changes} <= {"not_evaluable"}


@pytest.mark.parametrize(("patients", "code"), [(("A", "B"), 4), (("A", "A"), 0), (("A", ""), 0)])
def test_masks_of_one_folder_lie_on_images_of_one_patient(tmp_path, patients, code):
    for visit, patient, rows in zip(("v1", "v2"), patients, (10, 5), strict=True):
        place = tmp_path / "study/P1" / visit
        write_study(place, patient=patient, date=DATES[visit == "v2"])
        (place / "rt.dcm").unlink()
        write_box(place / "lesion_mask.nii.gz", GEOMETRY, rows=(5, 5 + rows))
    found, rows, changes = batch_results(tmp_path / "study")
    assert found == code
    assert {row["code"] for row in rows} == ({"patient-unclear"} if code else {""})
    assert [change["category"] for change in changes] == ([] if code else ["decrease"])
    (tmp_path / "p.toml").write_text('[identity]\npatient = "folder:1"\n', encoding="utf-8")
    _, _, changes = batch_results(tmp_path / "study", "--protocol", tmp_path / "p.toml")
    assert [change["category"] for change in changes] == ["decrease"]


@pytest.mark.parametrize("places", [("orig/P1", "anon/A1"), ("P1", "P2")])
def test_one_study_under_two_patient_ids_is_not_two_patients(tmp_path, places):
    for place, patient in zip(places, ("12345", "A1"), strict=True):
        write_study(tmp_path / "study" / place, patient=patient, key="one study")
    write_study(tmp_path / "study/P9", patient="P9")
    _, rows, _ = batch_results(tmp_path / "study")
    assert {(row["patient"], row["code"]) for row in rows} == {
        ("12345", "patient-unclear"),
        ("A1", "patient-unclear"),
        ("P9", ""),
    }


def test_a_copy_that_nobody_traced_takes_no_patient_away(tmp_path):
    for place, patient in (("orig/P1", "12345"), ("anon/A1", "A1")):
        write_study(tmp_path / "study" / place, patient=patient, key="one study")
    (tmp_path / "study/orig/P1/rt.dcm").unlink()
    _, rows, _ = batch_results(tmp_path / "study")
    assert [(row["patient"], row["status"]) for row in rows if row["trace"]] == [("A1", "measured")]


def test_marks_hold_nothing_that_can_be_read(tmp_path):
    secret = {"IssuerOfPatientID": "HOSP_A", "ClinicalTrialSubjectID": "SUBJ", "PatientBirthDate": "19500304"}
    write_study(tmp_path, change=saying(**secret))
    marks = person_marks(tmp_path / "mr/IM0000.dcm")
    assert marks.issuer
    assert marks.subject
    assert marks.born
    assert not [value for value in secret.values() if value in repr(marks)]
    assert person_marks(tmp_path / "nothing.dcm") == PersonMarks()
    assert not may_be_several((marks, PersonMarks()))


@pytest.mark.parametrize(
    "name", ["ANON", "anonymous", "0000", "XXX", "removed", "n/a", "Patient", "-", ".", "ID", "XXX-XXX"]
)
def test_what_anonymisers_write_for_everybody_is_no_name(name):
    assert is_placeholder(name)
    assert not is_placeholder(f"{name}-7f")


@pytest.mark.parametrize("name", ["1", "0001", "12345", "99", "subject1", "TEST001", "XY", "Phantom"])
def test_what_may_be_the_number_of_a_person_is_a_name(name):
    assert not is_placeholder(name)


def study_at(place, patient_id, day):
    """A traced DICOM study that lies at a place."""
    patient, place = patient_id or place.split("/")[0], f"{place}/" if place else ""
    return Case(
        patient=patient, patient_id=patient_id, visit=day, study_date=day, study_uid=f"{place} {day}",
        trace=f"{place}rt.dcm", scan_files=(f"{place}1.dcm",), form="rtstruct",
    )  # fmt: skip


INTERLEAVED = ("2020-01-10", "2020-03-03", "2021-02-11", "2021-04-04")
ONE_AFTER_THE_OTHER = ("2020-01-10", "2021-02-11", "2020-03-03", "2021-04-04")


@pytest.mark.parametrize(
    ("places", "patient_id", "days", "is_believed"),
    [
        ("export/Meier export/Huber", "S1", INTERLEAVED, False),
        ("a/DICOM/PA000000/ST a/DICOM/PA000001/ST", "S1", INTERLEAVED, False),
        ("T001 T002", "S1", INTERLEAVED, False),
        ("x/T001 x/T002", "S1", INTERLEAVED, False),
        ("x/dir1 x/dir2", "S1", ONE_AFTER_THE_OTHER, False),
        ("export/S1/a export/S1/b", "S1", INTERLEAVED, True),
        ("x/MR x/CT", "S1", INTERLEAVED, True),
        ("x/left_hip x/right_hip", "S1", INTERLEAVED, True),
        ("x/2020 x/2021", "S1", ONE_AFTER_THE_OTHER, True),
        ("x/baseline x/month12", "S1", ONE_AFTER_THE_OTHER, True),
        ("", "ANONYMOUS", INTERLEAVED, False),
        ("", "DE-ID", INTERLEAVED, False),
        ("export/mr", "ANONYMOUS", INTERLEAVED, False),
        ("Meier", "ANONYMOUS", INTERLEAVED, True),
        ("", "S1", INTERLEAVED, True),
    ],
)
def test_folders_that_no_visit_can_be_are_patients(tmp_path, places, patient_id, days, is_believed):
    """One PatientID for everybody: each folder holds several days, between those of the others."""
    folders = places.split() or [""]
    cases = [study_at(folders[i % len(folders)], patient_id, day) for i, day in enumerate(days)]
    errors = [case.error and case.error.code for case in doubted(cases, IdentitySection(), tmp_path)]
    assert errors == [None if is_believed else "patient-unclear"] * 4
    said = IdentitySection(patient="PatientID")
    assert not any(case.error for case in doubted(cases, said, tmp_path))


def test_images_of_nobody_beside_each_other_may_be_of_several(tmp_path):
    cases = [replace(study_at("", "", day), patient=day) for day in INTERLEAVED]
    assert all(case.error for case in doubted(cases, IdentitySection(), tmp_path))
    assert not doubted(cases[:1], IdentitySection(), tmp_path)[0].error


def test_dates_that_are_shifted_by_centuries_are_dates(tmp_path):
    _, rows, changes = two_visits(tmp_path / "study", {}, {}, dates=("21800506", "21801201"))
    assert [(change["category"], change["days"]) for change in changes] == [("decrease", "209")]
    assert not any("malformed-tag" in row["flags"] for row in rows)


# -- which --------------------------------------------------------------------------------------------------


def rejected(folder, status="REJECTED"):
    ds = dcmread(folder / "rt.dcm")
    saying(ApprovalStatus=status)(ds)
    ds.save_as(folder / "rt.dcm")


@pytest.mark.parametrize("status", ["REJECTED", "rejected "])
def test_a_rejected_structure_set_is_not_measured(tmp_path, status):
    for place, date, rows in (("a", DATES[0], 10), ("b", DATES[1], 5)):
        write_study(tmp_path / "study/P1" / place, date=date, rows=rows)
    rejected(tmp_path / "study/P1/b", status)
    _, rows, changes = batch_results(tmp_path / "study")
    of_visits = {row["visit"]: row for row in rows}
    assert [of_visits[visit]["code"] for visit in ("2020-03-01", "2021-04-01")] == ["", "not-measurable"]
    assert "ApprovalStatus REJECTED" in of_visits["2021-04-01"]["message"]
    assert [(change["category"], change["reason"]) for change in changes] == [
        ("not_evaluable", "not-measurable")
    ]
    with pytest.raises(TraceError, match="rejected"):
        read_sections(tmp_path / "study/P1/b/rt.dcm")


@pytest.mark.parametrize("status", ["UNAPPROVED", "APPROVED", ""])
def test_other_structure_sets_are_measured(tmp_path, status):
    write_study(tmp_path / "study/P1/a")
    rejected(tmp_path / "study/P1/a", status)
    _, rows, _ = batch_results(tmp_path / "study")
    assert [row["status"] for row in rows] == ["measured"]


def test_a_rejected_structure_set_hides_no_approved_one(tmp_path):
    for place, date, rows in (("a", DATES[0], 10), ("b", DATES[1], 5)):
        write_study(tmp_path / "study/P1" / place, date=date, rows=rows)
    (tmp_path / "study/P1/b/rt.dcm").rename(tmp_path / "study/P1/b/good.dcm")
    write_study(tmp_path / "study/P1/b", date=DATES[1], rows=8)
    rejected(tmp_path / "study/P1/b")
    _, rows, changes = batch_results(tmp_path / "study")
    assert sorted(row["status"] for row in rows) == ["measured", "measured", "not_measurable"]
    assert [(change["category"], float(change["change_percent"])) for change in changes] == [
        ("decrease", -50)
    ]


# -- when ---------------------------------------------------------------------------------------------------

TWO_ORDERS = {
    "AcquisitionDate": ({"AcquisitionDate": "20210101"}, {"AcquisitionDate": "20200101"}),
    "AcquisitionDateTime": (
        {"AcquisitionDateTime": "20210105101500.00+0100"},
        {"AcquisitionDateTime": "20200105101500"},
    ),
    "SeriesDate": ({"SeriesDate": "20210105"}, {"SeriesDate": "20200105"}),
    "one of them": ({"AcquisitionDate": "20220105"}, {}),
    "falling age": ({"PatientAge": "035Y"}, {"PatientAge": "030Y"}),
    "before birth": ({"PatientBirthDate": "20200505"}, {"PatientBirthDate": "20200505"}),
    "a day to come": ({}, {"StudyDate": "22790601"}),
}
ONE_ORDER = {
    "the same": ({"AcquisitionDate": "20200301"}, {"AcquisitionDate": "20210401"}),
    "midnight": ({"AcquisitionDate": "20200302"}, {"AcquisitionDate": "20210401"}),
    "missing": ({"AcquisitionDate": "20200301"}, {"AcquisitionDate": ""}),
    "no days": ({"AcquisitionDate": "19000101"}, {"AcquisitionDate": "00010101"}),
    "one day for everybody": ({"AcquisitionDate": "20230505"}, {"AcquisitionDate": "20230505"}),
    "shifted alike": ({"AcquisitionDate": "20100301"}, {"AcquisitionDate": "20110401"}),
    "derived later": (
        {"SeriesDate": "20230505", "ImageType": ["DERIVED", "SECONDARY"]},
        {"SeriesDate": "20210401"},
    ),
    "of one age": ({"PatientAge": "035Y"}, {"PatientAge": "035Y"}),
    "months and years": ({"PatientAge": "012M"}, {"PatientAge": "002Y"}),
    "long after birth": ({"PatientBirthDate": "19500505"}, {"PatientBirthDate": "19500505"}),
    "a clock's first day": ({"PatientBirthDate": "20250101"}, {"PatientBirthDate": "20250101"}),
}


@pytest.mark.parametrize("kind", TWO_ORDERS)
def test_headers_that_say_two_orders_give_none(tmp_path, kind):
    code, rows, changes = two_visits(tmp_path / "study", *TWO_ORDERS[kind])
    assert code == 0
    assert {(row["status"], row["visit_order"], row["visit_order_by"]) for row in rows} == {
        ("measured", "", "unknown")
    }
    assert {"visit-dates-conflict" in row["flags"].split(";") for row in rows} == {True}
    assert "AcquisitionDate, PatientAge" in rows[0]["message"]
    assert [(c["category"], c["reason"], c["flags"]) for c in changes] == [
        ("not_evaluable", "visit-order-unknown", "visit-dates-conflict")
    ]


@pytest.mark.parametrize("kind", ONE_ORDER)
def test_what_headers_of_real_archives_say_is_one_order(tmp_path, kind):
    _, rows, changes = two_visits(tmp_path / "study", *ONE_ORDER[kind])
    assert [change["category"] for change in changes] == ["decrease"]
    assert not any("visit-dates-conflict" in row["flags"] for row in rows)


@pytest.mark.parametrize(
    ("protocol", "category"),
    [
        ('[study]\nvisits = ["2021-04-01", "2020-03-01"]', "increase"),
        ('[study]\nvisits = ["2020-03-01", "2021-04-01"]', "decrease"),
        ('[identity]\nvisit = "StudyDate"', "decrease"),
    ],
)
def test_who_says_the_order_has_a_class_with_a_flag(tmp_path, protocol, category):
    two_visits(tmp_path / "study", *TWO_ORDERS["AcquisitionDate"])
    (tmp_path / "p.toml").write_text(protocol, encoding="utf-8")
    _, _, changes = batch_results(tmp_path / "study", "--protocol", tmp_path / "p.toml")
    assert [change["category"] for change in changes] == [category]
    assert "visit-dates-conflict" in changes[0]["flags"]


def test_a_table_of_doubted_dates_gives_no_class_later(tmp_path):
    two_visits(tmp_path / "study", *TWO_ORDERS["AcquisitionDate"])
    table, out = tmp_path / "study_out/measurements.csv", tmp_path / "changes.csv"
    assert main(["change", str(table), "--out", str(out)]) == 0
    with out.open(encoding="utf-8", newline="") as file:
        assert [change["reason"] for change in csv.DictReader(file)] == ["visit-order-unknown"]


def test_the_manifest_of_doubted_dates_asks_for_the_visits(tmp_path, capsys):
    two_visits(tmp_path / "study", *TWO_ORDERS["AcquisitionDate"])
    manifest = tmp_path / "manifest.csv"
    assert main(["manifest", str(tmp_path / "study"), "--out", str(manifest)]) == 0
    text = manifest.read_text(encoding="utf-8")
    assert text.count("visit-order-unknown") == 2
    call = ["batch", tmp_path / "study", "--out", tmp_path / "again", "--manifest", manifest]
    assert main(list(map(str, call))) == 2
    assert "the visit is not written yet" in capsys.readouterr().err
    manifest.write_text(text.replace("77,?,2020", "77,first,2020").replace("77,?,2021", "77,second,2021"))
    _, _, changes = batch_results(tmp_path / "study", "--manifest", manifest)
    assert [change["category"] for change in changes] == ["decrease"]


def test_dates_that_differ_in_time_alone_are_flagged(tmp_path):
    said = ({"AcquisitionDate": "20100301"}, {"AcquisitionDate": "20200401"})
    _, rows, changes = two_visits(tmp_path / "study", *said)
    assert [change["category"] for change in changes] == ["decrease"]
    assert "visit-dates-conflict" in changes[0]["flags"]
    assert "contradicts AcquisitionDate" in rows[0]["message"]


@pytest.mark.parametrize("form", ["rtstruct", "mask"])
@pytest.mark.parametrize("places", [("P1/v2", "P1/v1"), ("P1/2021-04-01", "P1/2020-03-01")])
def test_folders_in_another_order_than_the_dates_of_images_are_flagged(tmp_path, form, places):
    for place, date, rows in zip(places, DATES, (10, 5), strict=True):
        write_study(tmp_path / "study" / place, patient="P1", date=date, rows=rows)
        if form == "mask":
            (tmp_path / "study" / place / "rt.dcm").unlink()
            write_box(tmp_path / "study" / place / "lesion_mask.nii.gz", GEOMETRY, rows=(5, 5 + rows))
    _, rows, changes = batch_results(tmp_path / "study")
    assert {row["study_date"] for row in rows} == {"2020-03-01", "2021-04-01"}
    assert [(change["category"], change["days"]) for change in changes] == [("decrease", "396")]
    assert "visit-dates-conflict" in changes[0]["flags"]
    assert {"visit-dates-conflict" in row["flags"] for row in rows} == {True}


@pytest.mark.parametrize("said", ["AcquisitionDate", "SeriesDate"])
@pytest.mark.parametrize("lacking", [("a", "b"), ("b",)])
@pytest.mark.parametrize("form", ["rtstruct", "manifest"])
def test_the_day_of_the_images_is_their_date_where_there_is_no_study_date(tmp_path, said, lacking, form):
    root = tmp_path / "study"
    for place, date, rows in (("a", DATES[0], 10), ("b", DATES[1], 5)):
        elements = {said: date} if place in lacking else {}
        own = "" if place in lacking else date
        write_study(root / "P1" / place, patient="P1", date=own, rows=rows, change=saying(**elements))
    options = []
    if form == "manifest":
        options = ["--manifest", tmp_path / "m.csv"]
        lines = [f"P1,{v},L1,study/P1/{v}/mr,study/P1/{v}/rt.dcm" for v in ("a", "b")]
        options[1].write_text("\n".join(["patient,visit,lesion,scan,trace", *lines]), encoding="utf-8")
    _, rows, changes = batch_results(root, *options)
    assert {row["study_date"] for row in rows} == {"2020-03-01", "2021-04-01"}
    assert [(change["category"], change["days"]) for change in changes] == [("decrease", "396")]


def test_who_says_one_patient_for_all_is_told_of_headers_against_it(tmp_path):
    two_visits(tmp_path / "study", *TWO_PEOPLE["issuer"])
    (tmp_path / "p.toml").write_text('[identity]\npatient = "PatientID"\n', encoding="utf-8")
    _, rows, changes = batch_results(tmp_path / "study", "--protocol", tmp_path / "p.toml")
    assert {row["flags"] for row in rows} == {"slice-gap;patient-conflict"}
    assert [change["category"] for change in changes] == ["decrease"]
    assert "patient-conflict" in changes[0]["flags"]


# -- side ---------------------------------------------------------------------------------------------------


def sides_of(rows):
    return {row["visit"]: row["side"] for row in rows}


@pytest.mark.parametrize("name", ["Laterality", "ImageLaterality"])
@pytest.mark.parametrize("form", ["rtstruct", "mask"])
def test_images_of_two_sides_are_of_two_lesions(tmp_path, name, form):
    for place, date, side, rows in (("v1", DATES[0], "L", 10), ("v2", DATES[1], "R", 5)):
        folder = tmp_path / "study/P1" / place
        write_study(
            folder, patient="P1", date=date, rows=rows, change=saying(**{name: side}), geometry=MIDDLE
        )
        if form == "mask":
            (folder / "rt.dcm").unlink()
            write_box(folder / "lesion_mask.nii.gz", MIDDLE, rows=(5, 5 + rows))
    _, rows, changes = batch_results(tmp_path / "study")
    assert [row["side"] for row in rows] == ["L", "R"]
    assert {change["reason"] for change in changes} == {"followup-not-traced", "baseline-not-traced"}


@pytest.mark.parametrize(
    ("said", "sides"),
    [(("L", "L"), "LL"), (("L", ""), ""), (("", ""), ""), (("B", "U"), ""), (("U", "L"), "")],
)
def test_one_lesion_is_not_parted_by_a_blank(tmp_path, said, sides):
    first, second = ({"Laterality": side} for side in said)
    _, rows, changes = two_visits(tmp_path / "study", first, second)
    assert "".join(sides_of(rows).values()) == sides
    assert [change["category"] for change in changes] == ["decrease"]


def test_a_region_that_names_the_other_side_than_its_images_is_refused(tmp_path):
    for place, date, rows in (("a", DATES[0], 10), ("b", DATES[1], 5)):
        said = saying(Laterality="L" if place == "a" else "R")
        write_study(tmp_path / "study/P1" / place, date=date, rows=rows, region="left lesion", change=said)
    _, rows, changes = batch_results(tmp_path / "study")
    assert [(row["side"], row["code"]) for row in rows] == [("L", ""), ("L", "side-mismatch")]
    assert [change["reason"] for change in changes] == ["side-mismatch"]


def test_images_that_show_both_sides_are_of_neither(tmp_path):
    for place, date in (("a", DATES[0]), ("b", DATES[1])):
        folder = tmp_path / "study/P1" / place
        names = ("left lesion", "right lesion")
        write_study(folder, date=date, change=saying(Laterality="L"), region=names, geometry=MIDDLE)
    _, rows, _ = batch_results(tmp_path / "study")
    assert {(row["lesion"], row["side"], row["code"]) for row in rows} == {
        ("left lesion", "L", ""),
        ("right lesion", "R", ""),
    }


@pytest.mark.parametrize(
    "names", [("RS_left", "RS_right"), ("left/rs", "right/rs"), ("rs hemi-L", "rs hemi-R")]
)
def test_names_of_structure_sets_say_the_side_as_those_of_masks_do(tmp_path, names):
    for place, date, name, rows in zip("ab", DATES, names, (10, 5), strict=True):
        folder = tmp_path / "study/P1" / place
        write_study(folder, date=date, rows=rows, region="lesion", geometry=MIDDLE)
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / "rt.dcm").rename(folder / f"{name}.dcm")
    _, rows, changes = batch_results(tmp_path / "study")
    assert [row["side"] for row in rows] == ["L", "R"]
    assert {change["category"] for change in changes} == {"not_evaluable"}


@pytest.mark.parametrize(
    ("places", "category", "flags"),
    [
        ((40, 44), "decrease", ""),
        ((-60, 10), "decrease", "side-changed"),
        ((-120, 40), "not_evaluable", "side-changed"),
    ],
)
def test_lesions_without_a_side_on_both_sides_are_told_of(tmp_path, places, category, flags):
    for visit, x_mm, rows in zip(("v1", "v2"), places, (10, 5), strict=True):
        write_box(tmp_path / f"study/P1/{visit}/lesion_mask.nii.gz", coronal(x_mm=x_mm), rows=(5, 5 + rows))
    _, _, changes = batch_results(tmp_path / "study")
    assert [change["category"] for change in changes] == [category]
    assert ("side-changed" in changes[0]["flags"]) is bool(flags)


# -- what a file says of a region besides its name ----------------------------------------------------------


def code_item(value):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", "x"
    return item


def segment_saying(**elements):
    def change(ds):
        for name, value in elements.items():
            setattr(ds.SegmentSequence[0], name, value)

    return change


def region_saying(name, value):
    def change(ds):
        if name == "ROIDescription":
            ds.StructureSetROISequence[0].ROIDescription = value
            return
        item = Dataset()
        item.ObservationNumber, item.ReferencedROINumber, item.RTROIInterpretedType = 1, 1, value
        ds.RTROIObservationsSequence = [item]

    return change


def segmented(root, said, label="Lesion"):
    """Two studies with a SEG each; what their one segment says besides its label."""
    for place, date, rows, change in zip("ab", DATES, (10, 5), said, strict=True):
        folder = root / "P1" / place
        write_study(folder, date=date, patient="P1", geometry=MIDDLE)
        study = dcmread(folder / "rt.dcm").StudyInstanceUID
        (folder / "rt.dcm").unlink()
        series = dcmread(next((folder / "mr").iterdir())).SeriesInstanceUID
        layer = box_mask(MIDDLE, rows=(5, 5 + rows)).layers[0]

        def also(ds, date=date, change=change, study=study):
            ds.StudyDate, ds.StudyInstanceUID = date, study
            change(ds)

        write_seg(
            folder / "seg.dcm", MIDDLE, {label: layer}, series_uid=series, patient_id="P1", change=also
        )  # fmt: skip
    return batch_results(root)


SEVERAL = {
    "tracking": (
        {"TrackingID": "L1", "TrackingUID": "1.2.3.1"},
        {"TrackingID": "L2", "TrackingUID": "1.2.3.2"},
    ),
    "region": (
        {"AnatomicRegionSequence": [code_item("71341001")]},
        {"AnatomicRegionSequence": [code_item("12611008")]},
    ),
    "type": (
        {"SegmentedPropertyTypeCodeSequence": [code_item("108369006")]},
        {"SegmentedPropertyTypeCodeSequence": [code_item("79654002")]},
    ),
    "maker": ({"SegmentAlgorithmType": "AUTOMATIC"}, {"SegmentAlgorithmType": "MANUAL"}),
}
ONE = {
    "a new UID in every file": (
        {"TrackingID": "L1", "TrackingUID": "1.2.3.1"},
        {"TrackingID": "L1", "TrackingUID": "1.2.3.2"},
    ),
    "one tracking": (
        {"TrackingID": "L1", "TrackingUID": "1.2.3.1"},
        {"TrackingID": "L1", "TrackingUID": "1.2.3.1"},
    ),
    "a blank": ({"TrackingID": "L1", "TrackingUID": "1.2.3.1"}, {}),
    "no side": ({"SegmentDescription": "drawn by hand"}, {"SegmentDescription": "drawn again"}),
}


@pytest.mark.parametrize("kind", SEVERAL)
def test_segments_of_one_name_that_their_files_tell_apart_are_no_lesion(tmp_path, kind):
    _, rows, changes = segmented(tmp_path / "study", [segment_saying(**said) for said in SEVERAL[kind]])
    assert {row["code"] for row in rows} == {"ambiguous-lesion"}
    assert [change["reason"] for change in changes] == ["ambiguous-lesion"]


@pytest.mark.parametrize("kind", ONE)
def test_segments_that_are_not_told_apart_are_one_lesion(tmp_path, kind):
    _, _, changes = segmented(tmp_path / "study", [segment_saying(**said) for said in ONE[kind]])
    assert [change["category"] for change in changes] == ["decrease"]


@pytest.mark.parametrize("label", ["femoral head", "GTV hip"])
def test_codes_of_a_named_lesion_may_change(tmp_path, label):
    said = [segment_saying(**one) for one in SEVERAL["type"]]
    _, _, changes = segmented(tmp_path / "study", said, label)
    assert [change["category"] for change in changes] == ["decrease"]


def test_the_description_of_a_segment_may_say_its_side(tmp_path):
    said = [segment_saying(SegmentDescription=side) for side in ("left", "right")]
    _, rows, _ = segmented(tmp_path / "study", said)
    assert [row["side"] for row in rows] == ["L", "R"]


@pytest.mark.parametrize(
    ("name", "values", "sides", "code"),
    [
        ("ROIDescription", ("left hip", "right hip"), ["L", "R"], ""),
        ("ROIDescription", ("drawn", "again"), ["", ""], ""),
        ("RTROIInterpretedType", ("GTV", "ORGAN"), ["", ""], "ambiguous-lesion"),
        ("RTROIInterpretedType", ("GTV", ""), ["", ""], ""),
    ],
)
def test_structure_sets_tell_regions_apart_besides_their_names(tmp_path, name, values, sides, code):
    for place, date, rows, value in zip("ab", DATES, (10, 5), values, strict=True):
        folder = tmp_path / "study/P1" / place
        write_study(folder, date=date, rows=rows, region="ROI1", geometry=MIDDLE)
        ds = dcmread(folder / "rt.dcm")
        region_saying(name, value)(ds)
        ds.save_as(folder / "rt.dcm")
    _, rows, _ = batch_results(tmp_path / "study")
    assert [row["side"] for row in rows] == sides
    assert {row["code"] for row in rows} == {code}


@pytest.mark.parametrize(
    ("parts", "region", "code"),
    [
        (("HIP", "LSPINE"), "lesion", "ambiguous-lesion"),
        (("Knee", "BRAIN"), "ROI1", "ambiguous-lesion"),
        (("HIP", "LSPINE"), "sacral metastasis", ""),
        (("HIP", "PELVIS"), "lesion", ""),
        (("ABDOMEN", "LIVER"), "lesion", ""),
        (("HIP", "EXTREMITY"), "lesion", ""),
        (("HIP", ""), "lesion", ""),
    ],
)
def test_lesions_without_a_name_on_images_of_two_body_parts_are_not_one(tmp_path, parts, region, code):
    for place, date, rows, part in zip("ab", DATES, (10, 5), parts, strict=True):
        told = saying(BodyPartExamined=part)
        write_study(tmp_path / "study/P1" / place, date=date, rows=rows, region=region, change=told)
    _, rows, changes = batch_results(tmp_path / "study")
    assert {row["code"] for row in rows} == {code}
    assert [change["category"] for change in changes] == ["not_evaluable" if code else "decrease"]


@pytest.mark.parametrize(
    ("name", "said", "sides"),
    [
        ("SeriesDescription", ("HIP LEFT COR T1", "HIP RIGHT COR T1"), "LR"),
        ("ProtocolName", ("Hip_left", "Hip_left"), "LL"),
        ("ProtocolName", ("HIP LEFT", "HIP"), ""),
        ("SeriesDescription", ("T1 R", "T1 L"), "LR"),
        ("SeriesDescription", ("T1 RT", "T1"), ""),
        ("SeriesDescription", ("H\xfcfte RE", "H\xfcfte LI"), "LR"),
        ("ProtocolName", ("LEFT AND RIGHT", "RIGHT-LEFT"), ""),
        ("StudyDescription", ("Cadera derecha", "Cadera izquierda"), "LR"),
        ("StudyDescription", ("HIP LEFT", "HIP LEFT"), ""),
        ("BodyPartExamined", ("HIP LEFT", "HIP RIGHT"), "LR"),
    ],
)
def test_descriptions_of_series_may_say_the_side(tmp_path, name, said, sides):
    root = tmp_path / "study"
    for place, date, text, rows in zip("ab", DATES, said, (10, 5), strict=True):
        told = saying(**{name: text})
        write_study(root / "P1" / place, date=date, rows=rows, region="ROI1", change=told, geometry=MIDDLE)
    _, rows, changes = batch_results(root)
    assert "".join(row["side"] for row in rows) == sides
    assert ("decrease" in {change["category"] for change in changes}) == (len(set(sides)) < 2)
    written = "".join(path.read_text() for path in (tmp_path / "study_out").iterdir() if path.is_file())
    assert said[0] not in written


def test_frames_of_an_enhanced_image_say_their_side(tmp_path):
    write_enhanced(tmp_path / "e.dcm", MIDDLE, stack_voxels(MIDDLE))
    ds = dcmread(tmp_path / "e.dcm")
    anatomy = Dataset()
    anatomy.FrameLaterality = "R"
    ds.SharedFunctionalGroupsSequence[0].FrameAnatomySequence = [anatomy]
    ds.save_as(tmp_path / "e.dcm")
    assert person_marks(tmp_path / "e.dcm").side.side == "R"


# -- NIfTI --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["AcquisitionDateTime", "AcquisitionDate", "StudyDate"])
@pytest.mark.parametrize(
    ("visits", "flagged"), [(("pre", "post"), False), (("v2", "v1"), True), (("v1", "v2"), False)]
)
def test_the_date_of_a_sidecar_is_that_of_its_image(tmp_path, key, visits, flagged):
    for visit, day, rows in zip(visits, ("2020-03-01", "2021-04-01"), (10, 5), strict=True):
        folder = tmp_path / "study/P1" / visit
        write_box(folder / "t1.nii.gz", rows=(0, 9))
        write_box(folder / "t1_mask.nii.gz", rows=(5, 5 + rows))
        said = day if key == "AcquisitionDateTime" else day.replace("-", "")
        said = f"{said}T10:00:00.5" if key == "AcquisitionDateTime" else said
        (folder / "t1_mask.json").unlink()
        (folder / "t1.json").write_text(json.dumps({"SliceThickness": 4.0, key: said}), encoding="utf-8")
    _, rows, changes = batch_results(tmp_path / "study")
    assert {row["study_date"] for row in rows} == {"2020-03-01", "2021-04-01"}
    assert [(change["category"], change["days"]) for change in changes] == [("decrease", "396")]
    assert ("visit-dates-conflict" in changes[0]["flags"]) is flagged
    assert {"visit-dates-conflict" in row["flags"] for row in rows} == {flagged}


@pytest.mark.parametrize("said", ["", "0000-00-00", "1900-01-01", "10:00:00", 2020, None, ["2020-03-01"]])
def test_what_is_no_day_in_a_sidecar_is_none(tmp_path, said):
    write_box(tmp_path / "t1.nii.gz")
    (tmp_path / "t1.json").write_text(json.dumps({"AcquisitionDateTime": said}), encoding="utf-8")
    assert read_scan(tmp_path / "t1.nii.gz").source.study_date == ""


# -- one command --------------------------------------------------------------------------------------------


def test_measuring_a_trace_compares_the_pixels_of_the_named_scan(tmp_path, capsys):
    for name, rows in (("a", (0, 9)), ("b", (1, 9))):
        write_box(tmp_path / f"{name}.nii.gz", rows=rows)
    source = read_scan(tmp_path / "a.nii.gz").hashed_source
    geometry = read_scan(tmp_path / "a.nii.gz").geometry
    trace = box_trace(geometry, side="", source=source() if callable(source) else source)
    write_trace(trace, tmp_path / "L1.trace.json")
    for name, code in (("a", 0), ("b", 4)):
        call = ["measure", tmp_path / "L1.trace.json", "--scan", tmp_path / f"{name}.nii.gz"]
        assert main(list(map(str, call))) == code
    assert "image-changed" in capsys.readouterr().err
