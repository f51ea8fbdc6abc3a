"""DICOM files that were refused although one answer is right, and messages whose way out has to work."""

from __future__ import annotations

import ast
import csv
import io
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from conftest import ROOT
from dicom_phantoms import stack_geometry, stack_voxels, uid_of, write_series
from phantoms import SQUARE, contour_item, contour_items, squares, stack, trace_of, write_rtstruct, write_seg
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from test_dicom_rtstruct import BOW_TIE
from test_dicom_series import replacing_text
from test_dicom_stacks_and_tracings import CLEAN, SERIES, images, lattice, phases, spoil

import volumetry as vm
from volumetry.cli import main
from volumetry.contours.contour import Contour
from volumetry.errors import VolumetryError
from volumetry.formats.dicom.series.choose import find_stack
from volumetry.measurement import MeasurementRule
from volumetry.study.runs.outcome_rows import in_batch

EXPECTED_MM3 = 4 * 100 * CLEAN.pixel_area_mm2 * 4.0


def mask_voxels() -> np.ndarray:
    voxels = np.zeros((CLEAN.n_slices, CLEAN.rows, CLEAN.columns), np.uint8)
    voxels[2:6, 5:15, 5:15] = 1
    return voxels


def test_a_dicom_file_with_the_preamble_of_a_tiff_is_dicom(tmp_path: Path) -> None:
    folder = images(tmp_path / "mr")
    for file in folder.iterdir():
        content = file.read_bytes()
        file.write_bytes(b"II*\0" + content[4:])
    assert find_stack(sorted(folder.iterdir())[0]).n_slices == CLEAN.n_slices
    assert vm.read_scan(sorted(folder.iterdir())[0]).geometry == CLEAN


def test_a_study_for_every_slice_is_no_series_for_every_slice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(ds: Dataset, index: int) -> None:
        ds.StudyInstanceUID = uid_of("study", index)

    images(tmp_path / "mr", change=change)
    assert main(["series", str(tmp_path), "--format", "json"]) == 0  # it is read all the same
    rows = json.loads(capsys.readouterr().out)
    assert [row["matrix"] for row in rows] == [f"{CLEAN.rows}x{CLEAN.columns}x{CLEAN.n_slices}"]


def test_every_way_out_of_an_ambiguous_series_works(tmp_path: Path) -> None:
    folder = phases(tmp_path / "mr")
    with pytest.raises(VolumetryError) as caught:
        vm.read_scan(folder)
    assert caught.value.code == "ambiguous-series"
    assert "Name one file" in caught.value.todo
    for name in caught.value.values:
        assert vm.read_scan(folder, series_uid=str(name)).geometry == CLEAN
    one = sorted((folder / "2").iterdir())[0]
    assert vm.read_scan(one).geometry == CLEAN


def test_a_mask_of_voxels_means_the_stack_that_has_its_grid(tmp_path: Path) -> None:
    from dicom_phantoms import stack_geometry

    folder = tmp_path / "mr"
    images(folder / "a")
    other = stack_geometry(slice_spacing_mm=4.0, n_slices=8, rows=20, columns=24)
    images(folder / "b", other, series_uid=f"{SERIES}.2")
    mask = vm.mask_from(mask_voxels(), geometry=CLEAN)
    vm.write_mask(mask, tmp_path / "L1.nii.gz")
    with pytest.raises(VolumetryError, match="ambiguous-series"):
        vm.read_scan(folder)
    (sections,) = vm.read_sections(tmp_path / "L1.nii.gz", scan=folder)
    assert sections.source.series_uid == SERIES
    assert vm.measure_volume(sections).volume_mm3 == pytest.approx(EXPECTED_MM3)


def test_phases_of_one_geometry_without_references_are_measured_and_said(tmp_path: Path) -> None:
    folder = phases(tmp_path / "mr")
    drawn = trace_of(squares(range(2, 6)), CLEAN)
    path = write_rtstruct(tmp_path / "rs.dcm", {"L1": contour_items(drawn)}, series_uid=SERIES)
    (sections,) = vm.read_sections(path, scan=folder)
    assert vm.measure_volume(sections).volume_mm3 == pytest.approx(EXPECTED_MM3)
    assert "split-series" in sections.flags


def test_series_names_the_malformed_tag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = images(tmp_path / "mr")
    spoil(sorted(folder.iterdir())[3], 0x00180081, "DS", b"23,7")
    assert main(["series", str(tmp_path), "--format", "json"]) == 0  # it is read all the same
    (row,) = json.loads(capsys.readouterr().out)
    assert row["problems"] == "malformed-tag (0018,0081)"
    assert "malformed-tag" in row["flags"]


@pytest.mark.parametrize("keyword", ["SliceThickness", "SpacingBetweenSlices"])
@pytest.mark.parametrize("value", [b"-4.0", b"4,00", b"0.00"])
def test_a_segmentation_with_a_malformed_length_is_measured_by_its_positions(
    tmp_path: Path, keyword: str, value: bytes
) -> None:
    folder = images(tmp_path / "mr")
    path = write_seg(tmp_path / "seg.dcm", CLEAN, {"L1": mask_voxels()}, series_uid=SERIES)
    ds = pydicom.dcmread(path)
    measures = ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    setattr(measures, keyword, "7777")
    ds.save_as(path)
    content = path.read_bytes()
    assert content.count(b"7777") == 1
    path.write_bytes(content.replace(b"7777", value))
    (sections,) = vm.read_sections(path, scan=folder)
    assert vm.measure_volume(sections).volume_mm3 == pytest.approx(EXPECTED_MM3)
    is_number = b"," not in value and keyword == "SpacingBetweenSlices"
    assert ("malformed-tag" in sections.flags) is not is_number  # numbers were never needed: slices are known


def test_crossings_are_resolved_in_a_batch_and_by_a_protocol(tmp_path: Path) -> None:
    import csv

    scan = images(tmp_path / "study" / "P1" / "V1" / "mr")
    drawn = trace_of((Contour(slice_index=3, vertices=np.array(BOW_TIE, float)),), CLEAN)
    write_rtstruct(scan.parent / "rs.dcm", {"L1": contour_items(drawn)}, series_uid=SERIES)
    expected = vm.measure_volume(drawn, rule=MeasurementRule(self_intersections="resolve")).volume_mm3
    with pytest.raises(VolumetryError, match="self-intersection"):
        vm.measure_volume(drawn)
    protocol = tmp_path / "protocol.toml"
    protocol.write_text('[measurement]\nself_intersections = "resolve"\n')

    def rows(*options: str) -> list[dict[str, str]]:
        main(["batch", str(tmp_path / "study"), "--out", str(tmp_path / "out"), "--jobs", "1", *options])
        with (tmp_path / "out" / "measurements.csv").open() as file:
            return list(csv.DictReader(file))

    assert [row["code"] for row in rows()] == ["self-intersection"]
    for options in (("--self-intersections", "resolve"), ("--protocol", str(protocol))):
        (row,) = rows(*options)
        assert float(row["volume_mm3"]) == pytest.approx(expected)
        assert "self-intersection" in row["flags"]


def test_the_image_that_differs_is_named_with_what_differs(tmp_path: Path) -> None:
    def change(ds: Dataset, index: int) -> None:
        if index == 2:
            ds.FrameOfReferenceUID = "1.2.3"

    folder = tmp_path / "mr"
    geometry = stack_geometry()
    write_series(folder, geometry, stack_voxels(geometry), change=change)
    with pytest.raises(VolumetryError) as caught:
        vm.read_scan(folder)
    assert caught.value.code == "inconsistent-series"
    assert str(caught.value.where).endswith("IM0002.dcm")
    assert caught.value.values["FrameOfReferenceUID"] == f"1.2.3 beside {geometry.frame_of_reference_uid}"


def test_a_structure_set_that_names_no_images_says_so_and_its_way_out_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    geometry = stack()
    write_series(tmp_path / "mr", geometry, stack_voxels(geometry), series_uid="1.2.3")
    rings = [contour_item(geometry.pixel_to_patient(k, SQUARE)) for k in (2, 3)]

    def change(ds: Dataset) -> None:
        del ds.ReferencedFrameOfReferenceSequence
        del ds.StructureSetROISequence[0].ReferencedFrameOfReferenceUID

    path = write_rtstruct(tmp_path / "rt" / "rs.dcm", {"L1": rings}, change=change)
    assert main(["measure", str(path)]) == 4
    assert "does not say which images" in capsys.readouterr().err
    assert main(["measure", str(path), "--scan", str(tmp_path / "mr"), "--format", "csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert float(row["volume_mm3"]) == pytest.approx(2 * 100 * 4)


def test_a_series_whose_files_cannot_be_read_is_said_to_be_there(tmp_path: Path) -> None:
    geometry, series = stack_geometry(), uid_of("unread")
    tmp_path = tmp_path / "site" / "patient"
    write_series(tmp_path / "mr", geometry, stack_voxels(geometry), series_uid=series)
    for file in (tmp_path / "mr").iterdir():
        file.write_bytes(file.read_bytes()[:-100])
    drawn = trace_of(squares(range(2, 5)), geometry)
    path = write_rtstruct(tmp_path / "rs.dcm", {"L1": contour_items(drawn)}, series_uid=series)
    with pytest.raises(VolumetryError) as caught:
        vm.read_trace(path)
    assert caught.value.code == "not-found"
    assert caught.value.values["files that cannot be read"] == geometry.n_slices
    assert str(caught.value.values["the first"]).startswith("IM0000.dcm: truncated, ")
    write_series(tmp_path / "mr", geometry, stack_voxels(geometry), series_uid=series)  # exported again
    assert vm.measure_volume(vm.read_trace(path)).n_slices == 3


# -- a tracing on slices that the scan lacks -----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["nifti", "seg", "rtstruct"])
def test_a_tracing_where_the_scan_lacks_a_slice_says_so_and_its_way_out_works(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scan = images(tmp_path / "mr")
    lost = sorted(scan.iterdir())[4]
    mask = vm.mask_from(mask_voxels(), geometry=CLEAN) if kind == "nifti" else None
    drawn = trace_of(squares(range(2, 6)), CLEAN)
    if mask is not None:
        path = tmp_path / "mask.nii.gz"
        vm.write_mask(mask, path)
    elif kind == "seg":
        marked = np.asarray(mask_voxels(), np.uint8)
        path = write_seg(tmp_path / "seg" / "seg.dcm", CLEAN, {"L1": marked}, series_uid=SERIES)
    else:
        path = write_rtstruct(tmp_path / "rs.dcm", {"L1": contour_items(drawn)}, series_uid=SERIES)
    content = lost.read_bytes()
    lost.unlink()
    command = ["measure", str(path), "--scan", str(scan), "--format", "json", "--height", "spacing"]
    assert main(command) == 4
    message = capsys.readouterr().err
    assert message.startswith("error: missing-slice")
    lost.write_bytes(content)  # found again
    assert main(command) == 0
    (row,) = json.loads(capsys.readouterr().out)
    expected = row["volume_mm3"]
    assert expected == pytest.approx(EXPECTED_MM3)
    if kind == "rtstruct":
        return
    alone = tmp_path / "alone" / path.name  # by its own positions
    alone.parent.mkdir()
    alone.write_bytes(path.read_bytes())
    assert main(["measure", str(alone), "--format", "json", "--height", "spacing"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["volume_mm3"] == pytest.approx(expected, rel=1e-6)


def test_a_mask_that_reaches_beyond_its_scan_is_measured_without_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = stack_geometry(slice_spacing_mm=4.0, n_slices=4)
    scan = images(tmp_path / "mr", part)
    path = tmp_path / "mask.nii.gz"
    vm.write_mask(vm.mask_from(mask_voxels(), geometry=CLEAN), path)
    command = ["measure", str(path), "--format", "json", "--height", "spacing"]
    assert main([*command, "--scan", str(scan)]) == 4
    message = capsys.readouterr().err
    assert message.startswith("error: grid-mismatch")
    assert "without --scan" in message
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)[0]["volume_mm3"] == pytest.approx(EXPECTED_MM3, rel=1e-6)


@pytest.mark.parametrize("bits", [(16, 17, 11), (12, 12, 11), (16, 12, 3)])
def test_outlines_need_no_pixel(tmp_path: Path, bits: tuple[int, int, int]) -> None:
    def change(ds: Dataset, index: int) -> None:
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits

    images(tmp_path / "mr", change=change)
    write_rtstruct(
        tmp_path / "rs.dcm", {"L1": contour_items(trace_of(squares(range(2, 6)), CLEAN))}, series_uid=SERIES
    )
    (sections,) = vm.read_sections(tmp_path / "rs.dcm")
    assert vm.measure_volume(sections).volume_mm3 == pytest.approx(EXPECTED_MM3)
    with pytest.raises(VolumetryError) as caught:
        vm.read_scan(tmp_path / "mr")
    assert caught.value.code in ("unreadable", "unsupported-format", "truncated")


@pytest.mark.parametrize("n_points", [45_000])
def test_an_outline_of_megabytes_is_read(tmp_path: Path, n_points: int) -> None:
    """ContourData of more than 1 MiB, as programs write that trace along every pixel of a fine grid."""
    images(tmp_path / "mr")
    turn = np.linspace(0, 2 * np.pi, n_points, endpoint=False)
    vertices = np.column_stack((10 + 5 * np.sin(turn), 10 + 5 * np.cos(turn)))
    ring = contour_item(CLEAN.pixel_to_patient(3, vertices))
    write_rtstruct(
        tmp_path / "rs.dcm", {"L1": [ring]}, series_uid=SERIES, transfer_syntax=ImplicitVRLittleEndian
    )
    assert (tmp_path / "rs.dcm").stat().st_size > 1 << 20
    (sections,) = vm.read_sections(tmp_path / "rs.dcm")
    assert sections.areas_mm2 == pytest.approx([25 * np.pi * CLEAN.pixel_area_mm2], rel=1e-6)


@pytest.mark.parametrize("broken", ["cut outside", "empty beside", "cut inside", "cut outside, one unnamed"])
def test_a_broken_file_fails_only_the_tracings_that_it_could_belong_to(
    tmp_path: Path, broken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    scan = images(folder / "mr")
    names = sorted(scan.iterdir())
    drawn = trace_of(squares(range(2, 5)), CLEAN)
    items = contour_items(drawn, slice_uids=[str(pydicom.dcmread(name).SOPInstanceUID) for name in names])
    if broken.endswith("unnamed"):
        del items[0].ContourImageSequence
    write_rtstruct(folder / "rs.dcm", {"L1": items}, series_uid=SERIES)
    if broken == "empty beside":
        (scan / "download.dcm").write_bytes(b"")
    else:
        lost = names[3 if broken == "cut inside" else 7]
        lost.write_bytes(lost.read_bytes()[:-300])
    out = tmp_path / "out"
    assert main(["batch", str(folder), "--out", str(out), "--jobs", "1", "--quiet"]) in (3, 4)
    with (out / "measurements.csv").open() as file:
        rows = list(csv.DictReader(file))
    lesions = [row for row in rows if row["trace"].endswith("rs.dcm")]
    assert any(row["code"] == "truncated" for row in rows)
    is_measured = broken in ("cut outside", "empty beside")
    assert [row["status"] == "measured" for row in lesions] == [is_measured]
    if is_measured:
        assert float(lesions[0]["volume_mm3"]) == pytest.approx(vm.measure_volume(drawn).volume_mm3)
    capsys.readouterr()


# -- a slice thickness that is wrong ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["nifti", "seg", "rtstruct"])
@pytest.mark.parametrize(("thickness", "odd"), [("0", None), ("-4", None), ("0", 3), ("NaN", 0)])
def test_the_way_out_of_a_thickness_that_is_none(
    tmp_path: Path, kind: str, thickness: str, odd: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(ds: Dataset, index: int) -> None:
        if odd in (None, index):
            replacing_text("SliceThickness", [thickness])(ds, index)

    folder = tmp_path / "in"
    scan = images(folder / "mr", change=change)
    if kind == "nifti":
        path = folder / "mask.nii.gz"
        vm.write_mask(vm.mask_from(mask_voxels(), geometry=lattice(slice_thickness_mm=None)), path)
    elif kind == "seg":
        marked = np.asarray(mask_voxels(), np.uint8)
        path = write_seg(folder / "seg.dcm", CLEAN, {"L1": marked}, series_uid=SERIES)
    else:
        items = contour_items(trace_of(squares(range(2, 6)), CLEAN))
        path = write_rtstruct(folder / "rs.dcm", {"L1": items}, series_uid=SERIES)
    command = ["measure", str(path), "--scan", str(scan), "--format", "json"]
    assert main(command) == 4
    message = capsys.readouterr().err
    assert message.startswith("error: bad-spacing")
    assert "--height spacing" in message
    assert main([*command, "--height", "spacing"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["volume_mm3"] == pytest.approx(EXPECTED_MM3)
    assert row["volume_thickness_mm3"] is None
    assert "bad-thickness" in row["flags"]
    main(["series", str(folder), "--format", "json"])
    problems = [line["problems"] for line in json.loads(capsys.readouterr().out)]
    assert any("bad-spacing" in (problem or "") for problem in problems)
    for options, code in (([], "bad-spacing"), (["--height", "spacing"], "")):
        out = tmp_path / f"out {len(options)}"
        main(["batch", str(folder), "--out", str(out), "--jobs", "1", *options])
        with (out / "measurements.csv").open() as file:
            (line,) = [r for r in csv.DictReader(file) if r["trace"]]
        assert line["code"] == code
    capsys.readouterr()


def test_a_batch_names_no_option_that_it_does_not_have():
    """Whatever readers of formats say of ``--scan`` is said in words of a manifest."""
    texts = [text for path in (ROOT / "volumetry/formats").rglob("*.py") for text in _strings(path)]
    said = [in_batch(text) for text in texts if "--scan" in text]
    assert len(said) > 8
    assert not [text for text in said if "--scan" in text]
    assert all("column scan" in text for text in said)


def _strings(path):
    """The texts of a module, joined where they stand side by side."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
