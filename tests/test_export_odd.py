"""Exports from images and names as people have them: anonymised, unusual, long, in any script."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, needs_shared
from dicom_phantoms import stack_geometry, write_enhanced
from exported_lesions import _ring, by_pynrrd, drawn, errors_of, two_parts
from pydicom import dcmread
from pydicom.dataset import Dataset

import volumetry as vm
from volumetry.cli import main
from volumetry.export import ExportOptions, export_file

pytest.importorskip("highdicom")

GRID = stack_geometry(n_slices=7, rows=48, columns=60)
DISC = [_ring(k, (22.3, 31.4), 9.7) for k in range(2, 6)]
N_PIXELS = 1180
NAMES = ("股骨头 坏死", 'Läsion "L1"', "a\\b", "tab\tnew\nline", "x" * 70, "=1+1", "..//..", "")


def without(*names: str) -> Callable[[Dataset, int], None]:
    def change(ds: Dataset, index: int) -> None:
        for name in set(names) & set(ds.dir()):
            delattr(ds, name)

    return change


def with_(**values: object) -> Callable[[Dataset, int], None]:
    def change(ds: Dataset, index: int) -> None:
        for name, value in values.items():
            setattr(ds, name, value)

    return change


IMAGES = {
    "anonymised": without("PatientName", "PatientID", "PatientBirthDate", "StudyDate", "StudyTime"),
    "no frame of reference": without("FrameOfReferenceUID"),
    "no thickness": without("SliceThickness"),
    "empty thickness": with_(SliceThickness=None),
    "two character sets": with_(SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName="Y^T=山田^太郎"),
    "another class": with_(SOPClassUID="1.2.840.10008.5.1.4.1.1.7"),
    "a sex that DICOM does not know": with_(PatientSex="W"),
}


def check(images: Path, trace: Path, out: Path, n_pixels: int = N_PIXELS) -> None:
    first = images if images.is_file() else min(p for p in images.rglob("*") if p.is_file())
    for as_ in ("seg", "rtstruct", "sr"):
        export_file(trace, out / f"{as_}.dcm", as_, scan=images)  # type: ignore[arg-type]
        if shutil.which("dciodvfy"):
            assert errors_of(out / f"{as_}.dcm") - errors_of(first) == set()
    scan = vm.read_scan(images)
    held = vm.read_mask(out / "seg.dcm", scan=scan)
    assert np.count_nonzero(held.layers[0]) == n_pixels
    again = vm.read_trace(out / "rtstruct.dcm", scan=scan).cross_sections()
    assert np.allclose(again.areas_mm2, vm.read_trace(trace).cross_sections().areas_mm2, rtol=1e-9)


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of the values that are meant
@pytest.mark.parametrize("name", IMAGES)
def test_images_that_lack_or_misstate_something(name: str, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    geometry = replace(GRID, frame_of_reference_uid=None) if name == "no frame of reference" else GRID
    images, trace = drawn(tmp_path / "p", geometry, DISC, change=IMAGES[name])
    check(images, trace, tmp_path)


def test_slices_in_enhanced_files_of_their_own(tmp_path: Path) -> None:
    for k in range(7):
        one = replace(GRID, slice_origins_mm=np.asarray(GRID.slice_origins_mm)[k : k + 1])

        def change(ds: Dataset, k: int = k) -> None:
            ds.SOPInstanceUID = f"1.2.3.4.{k + 1}"

        pixels = np.zeros((1, 48, 60), np.int16)
        write_enhanced(tmp_path / "images" / f"{k}.dcm", one, pixels, series_uid="1.2.3.4", change=change)
    trace = trace_on(tmp_path / "images", tmp_path / "L1.trace.json")
    check(tmp_path / "images", trace, tmp_path)
    reference = dcmread(tmp_path / "rtstruct.dcm").ROIContourSequence[0].ContourSequence[0]
    assert reference.ContourImageSequence[0].ReferencedFrameNumber == 1


def trace_on(images: Path, out: Path) -> Path:
    scan = vm.read_scan(images)
    vm.write_trace(
        vm.Trace(lesion="L1", contours=tuple(DISC), geometry=scan.geometry, source=scan.source), out
    )
    return out


@needs_shared
@pytest.mark.parametrize("name", ["dcm_qa_orientation/In/Orientation/cor/corasc36", "dcm_qa_enh/In/Siemens"])
def test_mosaics_and_enhanced_images_of_scanners(name: str, tmp_path: Path, shared: Path) -> None:
    files = sorted(p for p in (shared / "data" / name).rglob("*") if p.is_file())
    images = next(p for p in files if not p.name.endswith(("json", "nii", "txt")))
    check(images, trace_on(images, tmp_path / "L1.trace.json"), tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_length_and_script(name: str, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    images, path = drawn(tmp_path / "p", GRID, DISC, lesion=name)
    for as_, out in (("seg", "a.dcm"), ("rtstruct", "b.dcm"), ("sr", "c.dcm"), ("nrrd", "d.seg.nrrd")):
        export_file(path, tmp_path / out, as_, scan=images)  # type: ignore[arg-type]
    label = vm.read_mask(tmp_path / "a.dcm").labels[0].name
    region = vm.read_trace(tmp_path / "b.dcm", scan=vm.read_scan(images)).lesion
    assert label == region
    assert len(label) <= 64
    if name.isprintable() and "\\" not in name and 0 < len(name) <= 64:
        assert label == name
    assert vm.read_mask(tmp_path / "d.seg.nrrd").labels[0].name == (name or "label 1")
    by_pynrrd(tmp_path / "d.seg.nrrd")


def test_long_names_that_differ_at_the_end_stay_different(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    images, path = two_parts(tmp_path / "p")
    held = vm.read_trace(path)
    found = set()
    for end in "ab":
        vm.write_trace(
            replace(held, lesion="x" * 80 + end), tmp_path / f"{end}.dcm", as_="rtstruct", scan=images
        )
        found.add(vm.read_trace(tmp_path / f"{end}.dcm", scan=vm.read_scan(images)).lesion)
    assert len(found) == 2


def test_a_tracking_uid_outlives_every_export(tmp_path: Path) -> None:
    """The side of ``L1`` is known to the trace, and not to the name that a segmentation keeps."""
    (tmp_path / "p").mkdir()
    images, path = drawn(tmp_path / "p", GRID, DISC)
    trace = replace(vm.read_trace(path), side="L")
    vm.write_trace(trace, tmp_path / "a.dcm", as_="seg", scan=images)
    export_file(tmp_path / "a.dcm", tmp_path / "b.dcm", "rtstruct", scan=images)
    export_file(tmp_path / "b.dcm", tmp_path / "c.dcm", "seg", scan=images)
    first, last = (dcmread(tmp_path / name).SegmentSequence[0].TrackingUID for name in ("a.dcm", "c.dcm"))
    assert first == last == dcmread(tmp_path / "b.dcm").StructureSetROISequence[0].TrackingUID


def test_unnamed_masks_of_different_patients_have_different_tracking_uids(tmp_path: Path) -> None:
    uids = []
    for patient in ("p", "q"):
        (tmp_path / patient).mkdir()
        images, path = drawn(tmp_path / patient, GRID, DISC)
        export_file(path, tmp_path / "m.nii.gz")
        export_file(tmp_path / "m.nii.gz", tmp_path / "m.dcm", "seg", scan=images)
        uids.append(dcmread(tmp_path / "m.dcm").SegmentSequence[0].TrackingUID)
    assert len(set(uids)) == 2


def test_a_mask_keeps_its_label_numbers_and_one_may_be_written_alone(tmp_path: Path) -> None:
    layer = np.zeros((7, 48, 60), np.uint16)
    layer[2:4, 5:9, 5:9], layer[3:5, 20:30, 20:30] = 7, 300
    mask = vm.mask_from(layer, geometry=GRID)
    vm.write_mask(mask, tmp_path / "m.seg.nrrd")
    assert [label.number for label in vm.read_mask(tmp_path / "m.seg.nrrd").labels] == [7, 300]
    export_file(
        tmp_path / "m.seg.nrrd", tmp_path / "one.nii.gz", label=300, options=ExportOptions(lesion="L")
    )
    assert np.unique(vm.read_mask(tmp_path / "one.nii.gz").layers[0]).tolist() == [0, 300]


def test_the_right_series_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    images, path = drawn(tmp_path / "p", GRID, DISC)
    other = stack_geometry(n_slices=9, rows=32, columns=32)
    (tmp_path / "q").mkdir()
    beside, _ = drawn(tmp_path / "q", other, [_ring(3, (12, 12), 4)])
    shutil.copytree(beside, images / "other")
    export_file(path, tmp_path / "a.dcm", "seg", scan=images)
    wanted = vm.read_trace(path).source.series_uid
    assert dcmread(tmp_path / "a.dcm").ReferencedSeriesSequence[0].SeriesInstanceUID == wanted
    export_file(tmp_path / "a.dcm", tmp_path / "b.dcm", "rtstruct", scan=images)


def test_outputs_that_would_replace_an_input_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p").mkdir()
    images, path = drawn(tmp_path / "p", GRID, DISC)
    before = path.read_bytes()
    assert main(["export", str(path), "--out", str(path)]) == 2
    assert path.read_bytes() == before
    assert main(["export", str(path), "--as", "seg", "--scan", str(images), "--out", str(images)]) == 2
    assert main(["export", str(path), "--as", "nifti", "--out", str(tmp_path / "x.nrrd")]) == 2
    deep = tmp_path / "new" / "folder" / "x.seg.nrrd"
    assert main(["export", str(path), "--out", str(deep)]) == 0
    assert deep.is_file()
    capsys.readouterr()
    other = ROOT / "sample_scans/study/hip01/2021-03-02/t1_cor"
    call = ["export", str(path), "--as", "seg", "--scan", str(other), "--out", str(tmp_path / "y.dcm")]
    assert main(call) == 4
    assert "patient-mismatch" in capsys.readouterr().err
