"""Headers of DICOM images that contradict who, when and which: nothing is one or earlier by accident."""

import pytest
from pydicom import DataElement, config, dcmread
from pydicom.datadict import dictionary_VR, tag_for_keyword
from study_phantoms import batch_results, write_box
from test_taken_for_another import GEOMETRY, write_study

from volumetry import read_sections
from volumetry.errors import TraceError
from volumetry.formats.dicom.person import PersonMarks, is_placeholder, may_be_several, person_marks

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
    "age": ({"PatientAge": "030Y"}, {"PatientAge": "070Y"}),
    "a few years": ({"PatientAge": "031Y"}, {"PatientAge": "035Y"}),
    "months": ({"PatientAge": "006M"}, {"PatientAge": "012Y"}),
}
ONE_PERSON = {
    "issuer with blanks": ({"IssuerOfPatientID": "Hosp A "}, {"IssuerOfPatientID": "HOSP  A"}),
    "issuer blank": ({"IssuerOfPatientID": ""}, {"IssuerOfPatientID": "HOSP_B"}),
    "issuer removed": ({"IssuerOfPatientID": "REMOVED"}, {"IssuerOfPatientID": "HOSP_B"}),
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
    secret = {"IssuerOfPatientID": "HOSP_A", "ClinicalTrialSubjectID": "001", "PatientBirthDate": "19500304"}
    write_study(tmp_path, change=saying(**secret))
    marks = person_marks(tmp_path / "mr/IM0000.dcm")
    assert marks.issuer
    assert marks.subject
    assert marks.born
    assert not [value for value in secret.values() if value in repr(marks)]
    assert person_marks(tmp_path / "nothing.dcm") == PersonMarks()
    assert not may_be_several((marks, PersonMarks()))


@pytest.mark.parametrize("name", ["ANON", "anonymous", "0000", "XXX", "removed", "n/a", "Patient", "test"])
def test_what_anonymisers_write_for_everybody_is_no_name(name):
    assert is_placeholder(name)
    assert not is_placeholder(f"{name}-7f")


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
