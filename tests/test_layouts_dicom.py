"""Masks of voxels beside the DICOM series that they were drawn on; series of two patients under one UID."""

import numpy as np
import pytest
from dicom_phantoms import stack_voxels, uid_of, write_series
from phantoms import contour_items, write_rtstruct
from study_phantoms import batch_results, box_contours, box_trace, coronal, write_box

GEOMETRY = coronal(8)
VISITS = {"v1": ("20210301", 10), "v2": ("20200301", 5)}
"""Folders whose order by number is not that of their dates: folder, date, rows of the box."""


def series(folder, date, patient="P1", seed=7, **ids):
    uids = {"series_uid": uid_of("s", str(folder)), "study_uid": uid_of("t", str(folder))} | ids
    voxels = stack_voxels(GEOMETRY, seed=seed)
    write_series(folder, GEOMETRY, voxels, patient_id=patient, study_date=date, **uids)


@pytest.mark.parametrize("place", ["", "dicom", "dicom/t1"])
@pytest.mark.parametrize("mask", ["lesion_mask", "segmentations/lesion", "masks/lesion", "masks/lesion_mask"])
def test_the_series_beside_or_below_is_the_image(tmp_path, place, mask):
    root = tmp_path / "study"
    for visit, (date, rows) in VISITS.items():
        series(root / "P1" / visit / place, date)
        write_box(root / f"P1/{visit}/{mask}.nii.gz", GEOMETRY, slices=range(2, 6), rows=(5, 5 + rows))
    code, rows, changes = batch_results(root)
    assert code == 0
    assert {(r["status"], r["study_date"], r["modality"]) for r in rows} == {
        ("measured", "2021-03-01", "MR"),
        ("measured", "2020-03-01", "MR"),
    }
    assert [(c["category"], c["baseline_visit"], c["days"]) for c in changes] == [("increase", "v2", "365")]


def test_other_series_of_the_visit_are_of_the_visit(tmp_path):
    root = tmp_path / "study"
    for visit, (date, rows) in VISITS.items():
        series(root / "P1" / visit, date)
        series(root / "P1" / visit / "other", date)
        write_box(root / f"P1/{visit}/a_mask.nii.gz", GEOMETRY, slices=range(2, 6), rows=(5, 5 + rows))
    code, rows, changes = batch_results(root)
    assert code == 0
    assert sorted((r["patient"], r["visit"], r["status"]) for r in rows) == [
        ("P1", "v1", "measured"),
        ("P1", "v1", "not_traced"),
        ("P1", "v2", "measured"),
        ("P1", "v2", "not_traced"),
    ]
    assert [c["category"] for c in changes] == ["increase"]


def test_two_patients_whose_series_share_every_uid(tmp_path):
    root = tmp_path / "study"
    shared = {"series_uid": uid_of("one"), "study_uid": uid_of("one study")}
    for patient, rows in (("P1", 10.0), ("P2", 5.0)):
        seed = int(rows)  # the images of two people differ; those of one study under two names do not
        series(root / patient / "mr", "20200301", patient, seed, **shared)
        trace = box_trace(GEOMETRY, contours=box_contours(range(2, 6), (5.0, 5.0 + rows)))

        def change(ds):
            ds.StudyInstanceUID = shared["study_uid"]

        outlines = {"lesion_L1": contour_items(trace)}
        path = root / patient / "rt.dcm"
        write_rtstruct(path, outlines, series_uid=shared["series_uid"], patient_id=patient, change=change)
    code, rows, _ = batch_results(root)
    assert code == 0
    volumes = {r["patient"]: float(r["volume_mm3"]) for r in rows}
    assert np.isclose(volumes["P1"], 2 * volumes["P2"])
    assert {r["scan"] for r in rows} == {"P1/mr", "P2/mr"}
