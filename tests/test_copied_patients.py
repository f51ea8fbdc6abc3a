"""Images and tracings that are in the folders of two patients, byte by byte, are flagged."""

import shutil

import pytest
from phantoms import mask_of
from study_phantoms import batch_results, coronal, rows_of_csv, write_box

from volumetry import read_mask, write_mask
from volumetry.cli import main


def patient(folder, number, *, image=True, sizes=(10, 5)):
    """A patient whose files are like nobody else's: the boxes lie one pixel further for each number."""
    for visit, rows in zip(("v1", "v2"), sizes, strict=True):
        columns = (6 + number, 16 + number)
        write_box(folder / visit / "t1_mask.nii.gz", rows=(5, 5 + rows), columns=columns)
        if image:
            write_box(folder / visit / "t1.nii.gz", rows=(1, 2 + rows), columns=columns)


def flagged(rows):
    return {
        (row["patient"], row.get("visit", "")) for row in rows if "duplicate-file" in row["flags"].split(";")
    }


@pytest.mark.parametrize("image", [True, False])
@pytest.mark.parametrize("name", ["P1 (1)", "P1_backup", "Q"])
def test_a_copied_patient(tmp_path, image, name):
    root = tmp_path / "study"
    patient(root / "P1", 0, image=image)
    shutil.copytree(root / "P1", root / name)
    patient(root / "P3", 1, image=image)
    _, rows, changes = batch_results(root)
    assert flagged(rows) == {(who, visit) for who in ("P1", name) for visit in ("v1", "v2")}
    assert flagged(changes) == {("P1", ""), (name, "")}
    table = tmp_path / "changes.csv"
    assert main(["change", str(tmp_path / "study_out/measurements.csv"), "--out", str(table)]) == 0
    assert flagged(rows_of_csv(table)) == flagged(changes)


@pytest.mark.parametrize("kind", ["t1_mask", "t1", "both"])
def test_one_file_copied_to_another_patient(tmp_path, kind):
    root = tmp_path / "study"
    patient(root / "P1", 0)
    patient(root / "P2", 1)
    for name in ("t1_mask", "t1") if kind == "both" else (kind,):
        shutil.copy(root / f"P1/v2/{name}.nii.gz", root / f"P2/v2/{name}.nii.gz")
    _, rows, changes = batch_results(root)
    assert flagged(rows) == {("P1", "v2"), ("P2", "v2")}
    assert flagged(changes) == {("P1", ""), ("P2", "")}


def test_empty_masks_of_two_patients_are_no_copies(tmp_path):
    root = tmp_path / "study"
    for number, name in enumerate(("P1", "P2")):
        patient(root / name, number)
        write_mask(mask_of(read_mask(root / "P1/v1/t1_mask.nii.gz").layers[0] * 0, coronal()),
                   root / name / "v2/t1_mask.nii.gz")  # fmt: skip
    _, rows, changes = batch_results(root)
    assert len(changes) == 2
    assert flagged(rows) | flagged(changes) == set()
