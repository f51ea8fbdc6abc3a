"""DICOM tracings, DICOM series and masks of voxels together: each patient and each visit has one name."""

from dataclasses import replace

import pytest
from dicom_phantoms import stack_voxels, uid_of, write_enhanced, write_series
from study_phantoms import batch_results, write_box
from test_taken_for_another import GEOMETRY, write_study

import volumetry as vm
from volumetry.cli import main

DATES = {"v1": ("2020-03-01", 10), "v2": ("2021-04-01", 5)}


def series(folder, visit, *, patient="P1", name="mr", study=""):
    write_series(
        folder / name, GEOMETRY, stack_voxels(GEOMETRY), patient_id=patient,
        study_date=DATES[visit][0].replace("-", ""), series_uid=uid_of("s", str(folder), name),
        study_uid=uid_of("t", study or str(folder)),
    )  # fmt: skip


def mask(path, visit):
    rows = DATES[visit][1]
    write_box(path, GEOMETRY, rows=(5, 5 + rows))


def of_one_patient(rows, changes, patient, visits):
    assert {row["code"] for row in rows} == {""}
    assert {row["patient"] for row in rows} == {patient}
    measured = [(row["visit"], row["study_date"]) for row in rows if row["status"] == "measured"]
    assert measured == list(zip(visits, (date for date, _ in DATES.values()), strict=True))
    assert {row["visit"] for row in rows} == set(visits)
    assert [(row["category"], row["days"]) for row in changes] == [("decrease", "396")]


@pytest.mark.parametrize("others", ["", "t2"])
@pytest.mark.parametrize("patient", ["P1", "0815"])
def test_a_visit_by_a_structure_set_and_one_by_a_mask(tmp_path, patient, others):
    root = tmp_path / "study"
    write_study(root / "P1/v1", patient=patient, date="20200301", region="1")
    series(root / "P1/v2", "v2", patient=patient)
    if others:
        series(root / "P1/v2", "v2", patient=patient, name=others)
    mask(root / "P1/v2" / ("mr" if others else "") / "lesion_mask.nii.gz", "v2")
    code, rows, changes = batch_results(root)
    assert code == 0
    of_one_patient(rows, changes, patient, [date for date, _ in DATES.values()])


@pytest.mark.parametrize("place", ["{v}/lesion_mask", "{v}/masks/lesion_mask", "{v}_lesion_mask"])
@pytest.mark.parametrize("patient", ["P1", "0815"])
def test_a_mask_above_several_series_of_one_study(tmp_path, place, patient):
    root = tmp_path / "study"
    for visit in DATES:
        series(root / "P1" / visit, visit, patient=patient, name="t1")
        series(root / "P1" / visit, visit, patient=patient, name="t2")
        mask(root / "P1" / f"{place.format(v=visit)}.nii.gz", visit)
    code, rows, changes = batch_results(root)
    assert code == 0
    of_one_patient(rows, changes, "P1", ["v1", "v2"])


def test_a_mask_above_series_of_two_studies_has_no_date(tmp_path):
    root = tmp_path / "study"
    for visit in DATES:
        series(root / "P1" / visit, visit, name="t1")
        series(root / "P1" / visit, visit, name="t2", study=f"other {visit}")
        mask(root / f"P1/{visit}/lesion_mask.nii.gz", visit)
    _, rows, changes = batch_results(root)
    assert {row["study_date"] for row in rows if row["status"] == "measured"} == {""}
    assert [row["category"] for row in changes] == ["decrease"]  # by the numbers of the visits


@pytest.mark.parametrize("place", ["{v}/T1_mask", "{v}_mask"])
def test_a_mask_with_the_name_of_a_folder_of_dicom(tmp_path, place):
    root = tmp_path / "study"
    for visit in DATES:
        if "T1" in place:
            series(root / "P1" / visit, visit, name="T1")
            series(root / "P1" / visit, visit, name="T2")
        else:
            series(root / "P1" / visit, visit, name="mr")
        mask(root / "P1" / f"{place.format(v=visit)}.nii.gz", visit)
    code, rows, changes = batch_results(root)
    assert code == 0
    of_one_patient(rows, changes, "P1", ["v1", "v2"])
    measured = [row["scan"] for row in rows if row["status"] == "measured"]
    assert measured == ([f"P1/{v}/T1" for v in DATES] if "T1" in place else [f"P1/{v}/mr" for v in DATES])


def test_a_mask_with_the_name_of_a_file_of_dicom(tmp_path):
    root = tmp_path / "study/P1"
    for name, visit in (("a", "v1"), ("b", "v2")):
        date = DATES[visit][0].replace("-", "")
        write_enhanced(
            root / f"{name}.dcm", GEOMETRY, stack_voxels(GEOMETRY), patient_id="P1", study_date=date
        )
        mask(root / f"{name}_mask.nii.gz", visit)
    code, rows, changes = batch_results(tmp_path / "study")
    assert code == 0
    of_one_patient(rows, changes, "P1", [date for date, _ in DATES.values()])


def test_patients_by_folders_under_one_patient_id_stay_apart(tmp_path):
    root = tmp_path / "study"
    write_study(root / "P1/v1", patient="ANON", date="20200301", region="1")
    for visit in DATES:
        series(root / "P2" / visit, visit, patient="ANON")
        mask(root / f"P2/{visit}/lesion_mask.nii.gz", visit)
    _, rows, changes = batch_results(root)
    assert {row["patient"] for row in rows if row["status"] == "measured"} <= {"ANON", "P2"}
    assert [(row["patient"], row["category"]) for row in changes] == [("P2", "decrease")]


@pytest.mark.parametrize(
    ("region", "name", "is_one"),
    [
        ("GTV", "lesion_mask", True),
        ("L1", "L1_mask", True),
        ("left head", "left_mask", True),
        ("GTV", "bladder_mask", False),
        (("GTV", "CTV"), "lesion_mask", False),
    ],
)
def test_a_mask_and_a_region_of_one_visit_may_be_one_lesion(tmp_path, region, name, is_one):
    """Counted as two it would count twice; ``prefer`` says which form counts."""
    root = tmp_path / "study"
    for visit, (date, rows) in DATES.items():
        date = date.replace("-", "")
        write_study(root / "P1" / visit, patient="P1", date=date, rows=rows + 1, region=region)
        mask(root / f"P1/{visit}/{name}.nii.gz", visit)
    _, rows, changes = batch_results(root)
    codes = {row["code"] for row in rows if row["trace"]}
    assert codes == ({"ambiguous-lesion"} if is_one else {""})
    protocol = tmp_path / "protocol.toml"
    for first, form in (("mask", "lesion_mask"), ("rtstruct", "rt.dcm")) if is_one else ():
        protocol.write_text(f'[tracings]\nprefer = ["{first}"]\n', encoding="utf-8")
        code, rows, changes = batch_results(root, "--protocol", protocol)
        assert (code, [c["category"] for c in changes]) == (0, ["decrease"])
        assert {row["trace"].endswith(".dcm") for row in rows} == {form == "rt.dcm"}


def test_what_the_protocol_says_of_names_stands(tmp_path):
    root = tmp_path / "study"
    write_study(root / "P1/v1", patient="0815", date="20200301", region="1")
    series(root / "P1/v2", "v2", patient="0815")
    mask(root / "P1/v2/lesion_mask.nii.gz", "v2")
    protocol = tmp_path / "protocol.toml"
    protocol.write_text('[identity]\npatient = "folder:1"\nvisit = "folder:2"\n', encoding="utf-8")
    _, rows, changes = batch_results(root, "--protocol", protocol)
    of_one_patient(rows, changes, "P1", ["v1", "v2"])


@pytest.mark.parametrize("traced_first", [False, True])
def test_a_first_visit_that_nobody_traced_is_told(tmp_path, caplog, traced_first):
    root = tmp_path / "study"
    for visit, rows in (("v0", 12), ("v1", 10), ("v2", 5)):
        write_box(root / f"P1/{visit}/t1.nii.gz", GEOMETRY)
        if visit != "v0" or traced_first:
            write_box(root / f"P1/{visit}/t1_mask.nii.gz", GEOMETRY, rows=(5, 5 + rows))
    assert main(["batch", str(root), "--out", str(tmp_path / "out"), "--jobs", "1"]) == 0
    told = [record.getMessage() for record in caplog.records]
    assert any("nothing is traced at the first visit of P1 (v0)" in text for text in told) is not traced_first


def test_one_mask_in_two_formats(tmp_path):
    root = tmp_path / "study"
    for visit in DATES:
        mask(root / f"P1/{visit}/lesion_mask.nii.gz", visit)
    read = vm.read_mask(root / "P1/v1/lesion_mask.nii.gz")
    named = replace(read, labels=(replace(read.labels[0], name="tumor"),))
    vm.write_mask(named, root / "P1/v1/lesion.seg.nrrd")
    _, rows, changes = batch_results(root)
    assert [row["code"] for row in rows if row["visit"] == "v1"] == ["ambiguous-lesion"] * 2
    assert {change["category"] for change in changes} == {"not_evaluable"}
