import os

import numpy as np
import pytest
from dicom_phantoms import stack_geometry, stack_voxels, write_series
from study_phantoms import box_trace, coronal, write_box, write_box_trace

from volumetry import ScanSource, VolumetryError, write_trace
from volumetry.study.finding import conventions
from volumetry.study.finding import folder as folders
from volumetry.study.finding.discovery import discover


def found(root, **options):
    return [(c.patient, c.visit, c.trace, c.scan) for c in discover(root, **options)]


def test_pairs_in_one_folder(tmp_path):
    for name in ("a/v0/X_mask.nii.gz", "a/v0/X.nii.gz", "b/v0/mask.nii.gz", "b/v0/t1.nii.gz"):
        write_box(tmp_path / name)
    write_box(tmp_path / "c/v1/MR_mask.nii.gz")
    write_box(tmp_path / "c/v1/MR_image.nii.gz")
    assert found(tmp_path) == [
        ("a", "v0", "a/v0/X_mask.nii.gz", "a/v0/X.nii.gz"),
        ("b", "v0", "b/v0/mask.nii.gz", "b/v0/t1.nii.gz"),
        ("c", "v1", "c/v1/MR_mask.nii.gz", "c/v1/MR_image.nii.gz"),
    ]


def test_a_scan_without_a_trace_is_a_case(tmp_path):
    write_box(tmp_path / "a/v0/t1.nii.gz")
    assert found(tmp_path) == [("a", "v0", "", "a/v0/t1.nii.gz")]


def test_bids(tmp_path):
    raw = tmp_path / "sub-01/ses-2/anat"
    write_box(raw / "sub-01_ses-2_acq-cor_T1w.nii.gz")
    write_box(raw / "sub-01_ses-2_acq-sag_T1w.nii.gz")
    derived = tmp_path / "derivatives/tracing/sub-01/ses-2/anat"
    name = "sub-01_ses-2_acq-cor_label-R1_desc-readerB_mask.nii.gz"
    write_box(derived / name)
    traced = next(case for case in discover(tmp_path) if case.trace)
    assert (traced.patient, traced.visit, traced.side, traced.lesion, traced.reader) == (
        "sub-01",
        "ses-2",
        "R",
        "R1",
        "B",
    )
    assert traced.scan == "sub-01/ses-2/anat/sub-01_ses-2_acq-cor_T1w.nii.gz"


def test_native_traces_anywhere(tmp_path):
    write_box_trace(tmp_path / "a/v0/deep/er/L1.trace.json")
    write_trace(
        box_trace(source=ScanSource(patient="PID", study_date="2020-01-02")), tmp_path / "L1.trace.json"
    )
    assert [(c.patient, c.visit, c.side, c.lesion, c.reader) for c in discover(tmp_path)] == [
        ("PID", "2020-01-02", "L", "L1", "A"),
        ("a", "v0", "L", "L1", "A"),
    ]


def test_dicom_series_are_patients_and_dates(tmp_path):
    geometry = stack_geometry()
    write_series(tmp_path / "x/y", geometry, stack_voxels(geometry), patient_id="PID7", study_date="20240302")
    case = discover(tmp_path)[0]
    assert (case.patient, case.visit, case.study_date, case.modality) == (
        "PID7",
        "2024-03-02",
        "2024-03-02",
        "MR",
    )
    assert len(case.scan_files) == geometry.n_slices


def test_a_native_trace_claims_its_series(tmp_path):
    geometry = stack_geometry()
    folder = tmp_path / "p1/v0"
    write_series(folder / "t1", geometry, stack_voxels(geometry), series_uid="2.25.77")
    write_trace(box_trace(coronal(), source=ScanSource(series_uid="2.25.77")), folder / "L1.trace.json")
    assert found(tmp_path) == [("P1", "2024-03-02", "p1/v0/L1.trace.json", "p1/v0/t1")]


def test_damaged_files_are_cases_with_their_error(tmp_path):
    folder = tmp_path / "a/v0"
    folder.mkdir(parents=True)
    (folder / "x.dcm").write_text("no DICOM", encoding="utf-8")
    (folder / "y.trace.json").write_text("{", encoding="utf-8")
    errors = {case.scan or case.trace: case.error.code for case in discover(tmp_path)}
    assert errors == {"a/v0/x.dcm": "unsupported-format", "a/v0/y.trace.json": "truncated"}


def test_links_hidden_files_and_devices_are_passed_by(tmp_path):
    study = tmp_path / "study"
    write_box(study / "a/v0/t1.nii.gz")
    write_box(tmp_path / "outside/secret_mask.nii.gz")
    (study / "loop").symlink_to(study)
    (study / "out").symlink_to(tmp_path / "outside")
    for folder in (".volumetry", ".snapshot", ".Trash-1000", "@eaDir", "__MACOSX"):
        write_box(study / folder / "b/mask.nii.gz")
    write_box(study / "a/v0/._t1.nii.gz")
    os.mkfifo(study / "a/pipe.dcm")
    assert found(study) == [("a", "v0", "", "a/v0/t1.nii.gz")]


def test_folders_with_a_dot_are_read(tmp_path):
    write_box(tmp_path / ".scans/v0/mask.nii.gz")
    assert found(tmp_path) == [(".scans", "v0", ".scans/v0/mask.nii.gz", "")]


def test_the_manifest_alone_counts(tmp_path):
    write_box(tmp_path / "scans/1.nii.gz")
    write_box(tmp_path / "scans/1_mask.nii.gz")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(
        "patient,visit,side,lesion,reader,scan,trace,label\n"
        "P9,base,left,L1,B,scans/1.nii.gz,scans/1_mask.nii.gz,1\n"
        "P9,late,R,,B,scans/1.nii.gz,,\n"
        "P9,never,R,,B,scans/none.nii.gz,,\n",
        encoding="utf-8",
    )
    cases = discover(tmp_path)
    assert [(c.patient, c.visit, c.side, c.lesion, c.label, c.error and c.error.code) for c in cases] == [
        ("P9", "base", "L", "L1", 1, None),
        ("P9", "late", "R", "", None, None),
        ("P9", "never", "R", "", None, "not-found"),
    ]


def test_a_wrong_side_in_the_manifest(tmp_path):
    manifest = tmp_path / "m.csv"
    manifest.write_text("patient,visit,side,scan,trace\nP,v,up,,\n", encoding="utf-8")
    with pytest.raises(VolumetryError, match="line 2, side up"):
        discover(tmp_path, manifest=manifest)


def test_no_folder(tmp_path):
    with pytest.raises(VolumetryError) as caught:
        discover(tmp_path / "none")
    assert caught.value.code == "not-found"


def test_sts_finds_all_six_without_a_manifest(shared):
    cases = [case for case in discover(shared / "data/sts/dicom") if case.trace]
    assert sorted(case.patient for case in cases) == sorted(
        ["STS_002", "STS_008", "STS_012", "STS_018", "STS_024", "STS_032"]
    )
    assert all(case.scan and len(case.scan_files) > 10 for case in cases)
    assert np.all([case.study_date != "" for case in cases])


def test_the_work_grows_with_the_files_and_not_with_their_square(tmp_path, monkeypatch):
    write_box(tmp_path / "p0/v/mask.nii.gz")
    content = (tmp_path / "p0/v/mask.nii.gz").read_bytes()
    for number in range(1, 60):
        place = tmp_path / f"p{number}/v"
        place.mkdir(parents=True)
        (place / "mask.nii.gz").write_bytes(content)
    asked = []
    for module in (conventions, folders):
        monkeypatch.setattr(module, "is_mask_name", lambda name: asked.append(name) or "mask" in name)
    assert len(discover(tmp_path)) == 60
    assert len(asked) <= 5 * 60
