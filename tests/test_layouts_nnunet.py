"""nnU-Net: regions of several labels, the label ``ignore``, and predictions beside the images."""

import json

import nibabel
import numpy as np
import pytest
from study_phantoms import coronal, write_box
from test_layouts import run, told

from volumetry import read_mask
from volumetry.cli import main
from volumetry.sections import joined_sections

VOXEL = 2.0 * 2.0 * 4.4
BOXES = {1: (2, 12), 2: (12, 18), 3: (18, 22)}
"""Rows of every label: bands beside each other, 10 columns wide, on four slices."""


def write_labels(path, boxes):
    geometry = coronal()
    voxels = np.zeros((geometry.n_slices, geometry.rows, geometry.columns), dtype=np.int16)
    for number, (first, last) in boxes.items():
        voxels[3 if number < 3 else 4 : 7, first:last, 6:16] = number
    path.parent.mkdir(parents=True, exist_ok=True)
    write_box(path)
    image = nibabel.load(path)
    nibabel.save(nibabel.Nifti1Image(_as_stored(voxels, image.shape), image.affine, image.header), path)


def _as_stored(voxels, shape):
    """From slices, rows, columns to the axes of the file."""
    return voxels.transpose([voxels.shape.index(n) for n in shape] if len(set(shape)) == 3 else (2, 1, 0))


def data_set(study, labels, cases):
    (study).mkdir(parents=True, exist_ok=True)
    (study / "dataset.json").write_text(json.dumps({"labels": labels}), encoding="utf-8")
    for case, boxes in cases.items():
        write_box(study / f"imagesTr/{case}_0000.nii.gz")
        write_labels(study / f"labelsTr/{case}.nii.gz", boxes)


REGIONS = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enh": 3}


def voxels_of(path, *numbers):
    found = np.asanyarray(nibabel.load(path).dataobj)
    return int(np.isin(found, numbers).sum())


def test_regions_are_the_union_of_their_labels(tmp_path):
    study = tmp_path / "study"
    data_set(study, REGIONS, {"P1_2020-01-01": BOXES, "P1_2021-01-01": BOXES | {3: (18, 19)}})
    code, rows, changes = run(study, tmp_path / "out")
    assert code == 0
    found = {(row["visit"], row["lesion"]): float(row["volume_mm3"]) for row in rows}
    expected = {
        (visit, region): voxels_of(study / f"labelsTr/P1_{visit}.nii.gz", *numbers) * VOXEL
        for visit in ("2020-01-01", "2021-01-01")
        for region, numbers in {"whole": (1, 2, 3), "core": (2, 3), "enh": (3,)}.items()
    }
    assert found == pytest.approx(expected)
    assert {c["lesion"]: c["category"] for c in changes} == {
        "core": "decrease",
        "enh": "decrease",
        "whole": "decrease" if expected["2021-01-01", "whole"] < 0.85 * expected["2020-01-01", "whole"]
        else "no_change",
    }  # fmt: skip


def test_a_region_that_is_not_drawn_is_absent(tmp_path):
    study = tmp_path / "study"
    data_set(study, REGIONS, {"P1_v1": {1: BOXES[1]}, "P1_v2": {}})
    _, rows, _ = run(study, tmp_path / "out")
    assert told(rows, "visit", "lesion", "status") == [
        ("v1", "core", "absent"), ("v2", "core", "absent"), ("v1", "enh", "absent"), ("v2", "enh", "absent"),
        ("v1", "whole", "measured"), ("v2", "whole", "absent"),
    ]  # fmt: skip


def test_labels_in_no_region_are_still_measured_and_manifests_say_what_they_lack(tmp_path, capsys):
    study = tmp_path / "study"
    data_set(study, REGIONS, {"P1_v1": BOXES | {4: (0, 2)}})
    _, rows, _ = run(study, tmp_path / "out")
    assert {row["lesion"] for row in rows} == {"whole", "core", "enh", "4"}
    capsys.readouterr()
    assert main(["--quiet", "manifest", str(study)]) == 0
    text = capsys.readouterr().out
    assert "# labels that dataset.json does not name have no line" in text


def test_the_manifest_of_regions_gives_what_the_folder_gives(tmp_path):
    study = tmp_path / "study"
    data_set(study, REGIONS, {"P1_2020-01-01": BOXES, "P1_2021-01-01": {1: BOXES[1]}, "P1_2022-01-01": {}})
    code, rows, changes = run(study, tmp_path / "out")
    assert main(["--quiet", "manifest", str(study), "--out", str(tmp_path / "m.csv")]) == 0
    text = (tmp_path / "m.csv").read_text(encoding="utf-8")
    assert {line.split(",")[-2] for line in text.splitlines() if ",whole," in line} == {"1+2+3"}
    again = run(study, tmp_path / "again", "--manifest", str(tmp_path / "m.csv"))
    assert again == (code, rows, changes)


def test_the_label_ignore_is_no_lesion(tmp_path, caplog):
    study = tmp_path / "study"
    data_set(study, {"background": 0, "tumour": 1, "ignore": 2}, {"P1_v1": {1: BOXES[1], 2: BOXES[2]}})
    _, rows, _ = run(study, tmp_path / "out")
    assert told(rows, "lesion", "status") == [("tumour", "measured")]
    assert "the label ignore of dataset.json is no lesion" in caplog.text


@pytest.mark.parametrize("folder", ["predictions", "inference", "preds/fold_0/segmentations"])
def test_masks_beside_the_data_set_are_no_images(tmp_path, capsys, folder):
    study = tmp_path / "study"
    data_set(study, {"background": 0, "tumour": 1}, {"P1_v1": {1: BOXES[1]}})
    for name in ("P1_v1", "P1_v2"):
        write_labels(study / f"{folder}/{name}.nii.gz", {1: BOXES[1]})
    _, rows, _ = run(study, tmp_path / "out")
    if "segmentations" not in folder:  # which is TotalSegmentator's
        assert told(rows, "patient", "lesion", "status") == [("P1", "tumour", "measured")]
        assert "2 unused volumes" in capsys.readouterr().out
    assert "not_traced" not in {row["status"] for row in rows}


def test_one_case_of_two_data_sets_has_a_row_a_label(tmp_path):
    for number, name in enumerate(("Dataset011_Hip", "Dataset012_Knee")):
        data_set(tmp_path / "study" / name, {"background": 0, "tumour": 1}, {"c_001": {1: (2, 9 + number)}})
    _, rows, _ = run(tmp_path / "study", tmp_path / "out")
    assert told(rows, "lesion", "code") == [("tumour", "patient-unclear")] * 2


def test_a_region_is_measured_and_says_that_it_is_not_exported(tmp_path, caplog):
    study = tmp_path / "study"
    data_set(study, {"background": 0, "whole": [1, 2]}, {"P1_v1": BOXES})
    run(study, tmp_path / "out", "--figures")
    _, rows, _ = run(study, tmp_path / "out", "--export", "seg")
    assert ("whole", "measured") in told(rows, "lesion", "status")
    assert "region of several labels" in caplog.text


def test_joined_sections_have_the_areas_the_centre_and_the_bounds_of_all(tmp_path):
    write_labels(tmp_path / "m.nii.gz", BOXES)
    mask = read_mask(tmp_path / "m.nii.gz")
    parts = [mask.cross_sections(label=number) for number in (1, 2, 3)]
    joined = joined_sections(parts, lesion="whole")
    whole = np.asanyarray(nibabel.load(tmp_path / "m.nii.gz").dataobj) > 0
    write_box(tmp_path / "w.nii.gz")
    image = nibabel.load(tmp_path / "w.nii.gz")
    nibabel.save(
        nibabel.Nifti1Image(whole.astype(np.int16), image.affine, image.header), tmp_path / "w.nii.gz"
    )
    one = read_mask(tmp_path / "w.nii.gz").cross_sections(label=1)
    assert joined.slice_indices.tolist() == one.slice_indices.tolist()
    assert joined.areas_mm2 == pytest.approx(one.areas_mm2)
    assert joined.centroids_mm == pytest.approx(one.centroids_mm)
    assert joined.bounds_mm == pytest.approx(one.bounds_mm)
