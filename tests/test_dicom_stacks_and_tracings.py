"""Which images are one stack, and which of them a tracing means: kinds of series, each with its volume."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from dicom_phantoms import stack_geometry, stack_voxels, uid_of, write_enhanced, write_series
from phantoms import contour_items, squares, trace_of, write_rtstruct, write_seg
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

import volumetry as vm
from volumetry.errors import VolumetryError
from volumetry.formats.dicom.index import read_header
from volumetry.formats.dicom.series.choose import find_stack
from volumetry.geometry import ScanGeometry

SERIES = "1.2.826.0.1.3680043.10.79"
CLEAN = stack_geometry(slice_spacing_mm=4.0, n_slices=8)


def images(folder: Path, geometry: ScanGeometry = CLEAN, **values: object) -> Path:
    values.setdefault("series_uid", SERIES)
    write_series(folder, geometry, stack_voxels(geometry), **values)  # type: ignore[arg-type]
    return folder


# -- one stack ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda ds, i: setattr(ds, "ImageType", ["ORIGINAL", "PRIMARY", "M", "NORM" if i % 2 else "DIS2D"]),
        lambda ds, i: setattr(ds, "ImageType", ["ORIGINAL", "PRIMARY", "M"] + ["NORM"] * (i > 3)),
        lambda ds, i: setattr(ds, "EchoTime", "23.7" if i % 2 else "23.71"),
        lambda ds, i: setattr(ds, "EchoTime", "23.7" if i < 4 else "23.9"),
        lambda ds, i: setattr(ds, "EchoNumbers", 1 + (i == 3)),
    ],
)
def test_a_difference_that_geometry_does_not_need_splits_no_stack(
    tmp_path: Path, change: Callable[[Dataset, int], None]
) -> None:
    stack = find_stack(images(tmp_path, change=change))
    assert stack.geometry == CLEAN
    assert "split-series" not in stack.flags


def test_two_echoes_at_the_same_places_are_two_stacks(tmp_path: Path) -> None:
    def echo(number: int) -> Callable[[Dataset, int], None]:
        def change(ds: Dataset, index: int) -> None:
            ds.EchoTime = str(20 * number)
            ds.ImageType = ["ORIGINAL", "PRIMARY", "M"] + ["NORM"] * (index % 2)
            ds.SOPInstanceUID = uid_of("echo", number, index)

        return change

    images(tmp_path / "1", change=echo(1))
    images(tmp_path / "2", change=echo(2))
    with pytest.raises(VolumetryError) as caught:
        find_stack(tmp_path)
    assert caught.value.code == "ambiguous-series"
    assert caught.value.what == "2 stacks could be meant"


def test_slices_of_two_thicknesses_are_one_stack(tmp_path: Path) -> None:
    """Three slices of 2.5 mm and three of 7.5 mm that touch: 100 mm2 each are 3000 mm3."""
    z = [0.0, 2.5, 5.0, 10.0, 17.5, 25.0]
    geometry = ScanGeometry(
        rows=32,
        columns=40,
        pixel_spacing_mm=(1, 1),
        row_direction=(1, 0, 0),
        column_direction=(0, 1, 0),
        slice_origins_mm=[(0, 0, p) for p in z],
        slice_thicknesses_mm=[2.5] * 3 + [7.5] * 3,
    )

    def thickness(ds: Dataset, index: int) -> None:
        ds.SliceThickness = "2.5" if index < 3 else "7.5"

    stack = find_stack(images(tmp_path / "mr", geometry, change=thickness))
    assert stack.geometry.holes == ()
    assert stack.geometry.slice_thicknesses_mm is not None
    trace = trace_of(squares(range(6)), stack.geometry)
    assert vm.measure_volume(trace).volume_mm3 == pytest.approx(3000)
    vm.write_trace(trace, tmp_path / "L1.trace.json")
    assert vm.measure_volume(vm.read_trace(tmp_path / "L1.trace.json")).volume_mm3 == pytest.approx(3000)


def test_a_slice_is_missing_where_there_is_room_for_the_thinner_neighbour() -> None:
    def holes(z: list[float], thickness: list[float]) -> tuple[int, ...]:
        return ScanGeometry(
            rows=2,
            columns=2,
            pixel_spacing_mm=(1, 1),
            row_direction=(1, 0, 0),
            column_direction=(0, 1, 0),
            slice_origins_mm=[(0, 0, p) for p in z],
            slice_thicknesses_mm=thickness,
        ).holes

    assert holes([0, 4, 8, 13.5, 20.5], [4, 4, 4, 7, 7]) == ()
    assert holes([0, 4, 8, 17.5, 24.5], [4, 4, 4, 7, 7]) == (2,)
    assert holes([0, 5, 10, 16.5, 24.5], [4, 4, 4, 7, 7]) == ()


def test_overlap_of_slices_of_two_thicknesses_is_seen() -> None:
    geometry = ScanGeometry(
        rows=32,
        columns=40,
        pixel_spacing_mm=(1, 1),
        row_direction=(1, 0, 0),
        column_direction=(0, 1, 0),
        slice_origins_mm=[(0, 0, p) for p in (0, 2, 4, 6, 8)],
        slice_thicknesses_mm=[4, 4, 4, 3, 3],
    )
    assert vm.measure_volume(trace_of(squares(range(5)), geometry)).code == "slices-overlap"


@pytest.mark.parametrize("per_file", [1, 3, 8])
def test_enhanced_files_of_one_volume_are_one_stack(tmp_path: Path, per_file: int) -> None:
    """Files of one frame each, and a concatenation."""
    for number, first in enumerate(range(0, 8, per_file)):
        part = slice(first, first + per_file)
        geometry = stack_geometry(slice_spacing_mm=4.0, n_slices=8)
        piece = ScanGeometry(
            rows=geometry.rows,
            columns=geometry.columns,
            pixel_spacing_mm=geometry.pixel_spacing_mm,
            row_direction=geometry.row_direction,
            column_direction=geometry.column_direction,
            slice_origins_mm=geometry.slice_origins_mm[part],
            slice_thickness_mm=geometry.slice_thickness_mm,
        )
        write_enhanced(tmp_path / f"{number}.dcm", piece, stack_voxels(geometry)[part], series_uid=SERIES)
    scan = vm.read_scan(tmp_path)
    assert np.allclose(scan.geometry.slice_origins_mm, CLEAN.slice_origins_mm)
    assert np.array_equal(scan.voxels, stack_voxels(CLEAN))


# -- malformed tags -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "representation", "value"),
    [
        (0x00180081, "DS", b"23,7"),
        (0x00180086, "IS", b"one "),
        (0x00180088, "DS", b"4.4mm "),
        (0x00181060, "DS", b"none"),
        (0x00200012, "IS", b"1.5 "),
        (0x00200013, "IS", b"A3"),
        (0x00281053, "DS", b"1,0 "),
        (0x00281053, "DS", b"0 "),
        (0x00080020, "DA", b"20241345"),
        (0x00080032, "TM", b"256100"),
        (0x00080032, "TM", b"noon"),
        (0x00180088, "DS", b"nan "),
        (0x00180081, "DS", b"inf "),
    ],
)
def test_a_malformed_tag_that_no_volume_needs_is_flagged(
    tmp_path: Path, tag: int, representation: str, value: bytes
) -> None:
    folder = images(tmp_path / "mr")
    for file in sorted(folder.iterdir()):
        spoil(file, tag, representation, value)
    drawn = trace_of(squares(range(2, 6)), CLEAN)
    path = write_rtstruct(tmp_path / "rs.dcm", {"L1": contour_items(drawn)}, series_uid=SERIES)
    (sections,) = vm.read_sections(path, scan=folder)
    expected = vm.measure_volume(drawn).volume_mm3
    assert vm.measure_volume(sections).volume_mm3 == pytest.approx(expected)
    assert "malformed-tag" in sections.flags
    header = read_header(sorted(folder.iterdir())[0])
    assert header.malformed_tags == (f"({tag >> 16:04X},{tag & 0xFFFF:04X})",)
    if tag == 0x00281053:
        with pytest.raises(VolumetryError) as caught:
            vm.read_scan(folder)
        assert caught.value.code == "unreadable"


def spoil(file: Path, tag: int, representation: str, value: bytes) -> None:
    """Write a value that pydicom would refuse to write."""
    import pydicom

    ds = pydicom.dcmread(file)
    valid = "1" * len(value)
    ds[tag] = DataElement(tag, representation, valid)
    ds.save_as(file)
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little") + representation.encode()
    stored = head + len(value).to_bytes(2, "little")
    raw = file.read_bytes()
    assert stored + valid.encode() in raw
    file.write_bytes(raw.replace(stored + valid.encode(), stored + value))


# -- which images a tracing means ---------------------------------------------------------------------------


def phases(folder: Path, n: int = 4) -> Path:
    """Phases under one series UID, at the same places, told apart by their acquisition."""
    for phase in range(n):

        def change(ds: Dataset, index: int, phase: int = phase) -> None:
            ds.SOPInstanceUID = uid_of("phase", phase, index)
            ds.TemporalPositionIdentifier = phase + 1

        images(folder / str(phase), change=change)
    return folder


def test_an_rtstruct_means_the_phase_whose_images_it_names(tmp_path: Path) -> None:
    folder = phases(tmp_path / "mr")
    drawn = trace_of(squares(range(2, 6)), CLEAN)
    items = contour_items(drawn, slice_uids=[uid_of("phase", 2, i) for i in range(8)])
    path = write_rtstruct(tmp_path / "rs.dcm", {"L1": items}, series_uid=SERIES)
    trace = vm.read_trace(path, scan=folder)
    expected = vm.measure_volume(drawn).volume_mm3
    assert vm.measure_volume(trace).volume_mm3 == pytest.approx(expected)
    assert "split-series" in trace.flags


# -- segmentations on lattices of their own ------------------------------------------------------------------


def lesion(
    geometry: ScanGeometry, rows: slice, columns: slice
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    voxels = np.zeros((geometry.n_slices, geometry.rows, geometry.columns), np.uint8)
    voxels[2:6, rows, columns] = 1
    return voxels


def lattice(**values: object) -> ScanGeometry:
    return dataclasses.replace(CLEAN, **values)  # type: ignore[arg-type]


def moved(rows: float, columns: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The origins of slices whose matrix begins so many pixels further down and right."""
    return CLEAN.slice_origins_mm + CLEAN.pixel_to_patient_matrix @ (rows, columns)


EXPECTED_MM3 = 4 * 4.0 * 100 * 0.5 * 0.8


@pytest.mark.parametrize(
    ("geometry", "rows", "columns"),
    [
        (CLEAN, slice(4, 14), slice(4, 14)),
        (lattice(rows=20, columns=22, slice_origins_mm=moved(3, 2)), slice(1, 11), slice(2, 12)),
        (lattice(rows=40, columns=60, slice_origins_mm=moved(-3, -2)), slice(7, 17), slice(6, 16)),
        (
            lattice(rows=64, columns=80, pixel_spacing_mm=(0.25, 0.4), slice_origins_mm=moved(-0.25, -0.25)),
            slice(8, 28),
            slice(8, 28),
        ),
    ],
    ids=["same", "cropped", "padded", "finer"],
)
def test_a_segmentation_may_have_a_lattice_of_its_own(
    tmp_path: Path, geometry: ScanGeometry, rows: slice, columns: slice
) -> None:
    folder = images(tmp_path / "mr")
    path = write_seg(
        tmp_path / "seg.dcm", geometry, {"L1": lesion(geometry, rows, columns)}, series_uid=SERIES
    )
    (sections,) = vm.read_sections(path, scan=folder)
    measured = vm.measure_volume(sections)
    assert measured.volume_mm3 == pytest.approx(EXPECTED_MM3)
    assert "touches-edge" not in measured.flags
    mask = vm.read_mask(path, scan=vm.read_scan(folder))
    assert vm.measure_volume(mask).volume_mm3 == pytest.approx(EXPECTED_MM3)


@pytest.mark.parametrize(("rows", "columns"), [(0.5, 0), (0, 0.5), (3.25, -2)])
def test_half_a_voxel_beside_is_refused_with_the_offset(tmp_path: Path, rows: float, columns: float) -> None:
    folder = images(tmp_path / "mr")
    geometry = lattice(slice_origins_mm=moved(rows, columns))
    voxels = lesion(geometry, slice(4, 14), slice(4, 14))
    path = write_seg(tmp_path / "seg.dcm", geometry, {"L1": voxels}, series_uid=SERIES)
    with pytest.raises(VolumetryError) as caught:
        vm.read_sections(path, scan=folder)
    assert caught.value.code == "grid-mismatch"
    assert abs(float(str(caught.value.values["offset in rows"]))) == pytest.approx(rows % 1, abs=1e-6)
    assert abs(float(str(caught.value.values["offset in columns"]))) == pytest.approx(columns % 1, abs=1e-6)


def test_where_only_the_frames_end_nothing_touches_an_edge(tmp_path: Path) -> None:
    path = write_seg(tmp_path / "seg.dcm", CLEAN, {"L1": lesion(CLEAN, slice(4, 14), slice(4, 14))})
    (sections,) = vm.read_sections(path)
    assert "touches-edge" not in vm.measure_volume(sections).flags


# -- images that nothing but a tracing tells apart -----------------------------------------------------------


def phases_that_nothing_tells_apart(folder: Path) -> list[list[str]]:
    """Two phases with the same tags and numbers; returns their UIDs."""
    uids = [[uid_of("same", phase, index) for index in range(CLEAN.n_slices)] for phase in (0, 1)]
    for phase in (0, 1):

        def change(ds: Dataset, index: int, phase: int = phase) -> None:
            ds.SOPInstanceUID = uids[phase][index]
            ds.InstanceNumber = index + 1
            ds.PixelData = bytes([phase]) * len(ds.PixelData)

        images(folder / str(phase), change=change)
    return uids


@pytest.mark.parametrize("named", ["first", "second", "mixed", "two at one place", "none"])
@pytest.mark.parametrize("kind", ["rtstruct", "seg"])
def test_references_tell_phases_apart_that_nothing_else_does(tmp_path: Path, named: str, kind: str) -> None:
    uids = phases_that_nothing_tells_apart(tmp_path / "mr")
    drawn = trace_of(squares(range(2, 6)), CLEAN)
    by_slice = {
        "first": uids[0],
        "second": uids[1],
        "mixed": [uids[i % 2][i] for i in range(CLEAN.n_slices)],
        "two at one place": uids[0],
        "none": [],
    }[named]
    if kind == "rtstruct":
        items = contour_items(drawn, slice_uids=by_slice)
        if named == "two at one place":
            items[0].ContourImageSequence.append(source_item(uids[1][2]))
        path = write_rtstruct(tmp_path / "rs.dcm", {"L1": items}, series_uid=SERIES)
    else:
        marked = lesion(CLEAN, slice(4, 12), slice(4, 12))

        def change(ds: Dataset) -> None:
            for index, frame in zip(range(2, 6), ds.PerFrameFunctionalGroupsSequence, strict=True):
                if by_slice:
                    made = Dataset()
                    made.SourceImageSequence = [source_item(by_slice[index])]
                    frame.DerivationImageSequence = [made]
            if named == "two at one place":
                first = ds.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0]
                first.SourceImageSequence.append(source_item(uids[1][2]))

        path = write_seg(tmp_path / "seg.dcm", CLEAN, {"L1": marked}, series_uid=SERIES, change=change)
    command = ["measure", str(path), "--scan", str(tmp_path / "mr"), "--format", "json"]
    code, out, err = run(command)
    if named == "none" or (named == "two at one place" and kind == "rtstruct"):
        assert code == 4
        assert err.startswith("error: duplicate-position")
        return
    assert code == 0, err
    (row,) = json.loads(out)
    pixels = 100 if kind == "rtstruct" else 64
    assert row["volume_mm3"] == pytest.approx(pixels * 4 * CLEAN.pixel_area_mm2 * CLEAN.slice_thickness_mm)
    assert "split-series" in row["flags"]
    assert "touches-edge" not in row["flags"]


def test_phases_that_only_a_structure_set_tells_apart_in_a_batch(tmp_path: Path) -> None:
    uids = phases_that_nothing_tells_apart(tmp_path / "in" / "mr")
    drawn = trace_of(squares(range(2, 6)), CLEAN)
    items = contour_items(drawn, slice_uids=uids[1])
    write_rtstruct(tmp_path / "in" / "rs.dcm", {"L1": items}, series_uid=SERIES)
    code, _, err = run(["batch", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--jobs", "1"])
    assert code == 0, err
    with (tmp_path / "out" / "measurements.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["status"] == "measured"
    assert float(row["volume_mm3"]) == pytest.approx(vm.measure_volume(drawn).volume_mm3)


def interlocked_phases(folder: Path, offset_mm: float, told_by: str, lost: int | None = None) -> list[str]:
    """Two phases of a series, the second moved along the normal; returns the UIDs of the second."""
    uids = [[uid_of("locked", phase, index) for index in range(CLEAN.n_slices)] for phase in (0, 1)]
    for phase in (0, 1):

        def change(ds: Dataset, index: int, phase: int = phase) -> None:
            ds.SOPInstanceUID = uids[phase][index]
            ds.InstanceNumber = 1 + index + CLEAN.n_slices * phase
            if told_by == "acquisition":
                ds.AcquisitionNumber, ds.InstanceNumber = phase + 1, 1 + 2 * index + phase
            elif told_by == "numbers down":
                ds.InstanceNumber = 100 - ds.InstanceNumber

        origins = CLEAN.slice_origins_mm + phase * offset_mm * CLEAN.normal
        images(folder / str(phase), lattice(slice_origins_mm=origins), change=change)
        if lost is not None and phase == 0:
            sorted((folder / "0").iterdir())[lost].unlink()
    return uids[1]


@pytest.mark.parametrize("offset_mm", [0.05, 1.0, 1.6, 2.4, 3.0, -1.0])
@pytest.mark.parametrize("told_by", ["acquisition", "numbers", "numbers down"])
@pytest.mark.parametrize("lost", [None, 3])
def test_phases_that_lie_between_each_other_are_stacks_of_their_own(
    tmp_path: Path, offset_mm: float, told_by: str, lost: int | None
) -> None:
    uids = interlocked_phases(tmp_path / "mr", offset_mm, told_by, lost)
    moved_mm = CLEAN.slice_origins_mm + offset_mm * CLEAN.normal
    drawn = trace_of(squares(range(2, 6)), lattice(slice_origins_mm=moved_mm))
    items = contour_items(drawn, slice_uids=uids)
    path = write_rtstruct(tmp_path / "rs.dcm", {"L1": items}, series_uid=SERIES)
    code, out, err = run(["measure", str(path), "--scan", str(tmp_path / "mr"), "--format", "json"])
    assert code == 0, err
    (row,) = json.loads(out)
    expected = vm.measure_volume(drawn)
    assert row["volume_thickness_mm3"] == pytest.approx(expected.volume_thickness_mm3)
    assert row["volume_spacing_mm3"] == pytest.approx(expected.volume_spacing_mm3)
    assert "split-series" in row["flags"]


@pytest.mark.parametrize("numbered", ["acquisition", "number"])
@pytest.mark.parametrize("lost", [None, 2, 5])
def test_slices_that_were_acquired_in_turns_are_one_stack(
    tmp_path: Path, numbered: str, lost: int | None
) -> None:
    def change(ds: Dataset, index: int) -> None:
        ds.InstanceNumber = 1 + index // 2 + (index % 2) * 4
        if numbered == "acquisition":
            ds.AcquisitionNumber = 1 + index % 2

    folder = images(tmp_path, change=change)
    if lost is not None:
        sorted(folder.iterdir())[lost].unlink()
    stack = find_stack(folder)
    assert stack.n_slices == CLEAN.n_slices - (lost is not None)
    assert "split-series" not in stack.flags


def test_an_image_without_position_that_a_tracing_leaves_out_is_no_slice(tmp_path: Path) -> None:
    folder = images(tmp_path / "mr")

    def change(ds: Dataset, index: int) -> None:
        ds.SOPInstanceUID = uid_of("lost", index)
        del ds.ImagePositionPatient

    images(tmp_path / "mr" / "lost", stack_geometry(n_slices=1), change=change)
    drawn = trace_of(squares(range(2, 6)), CLEAN)
    named = contour_items(drawn, slice_uids=find_stack(tmp_path / "mr" / first_file(folder)).slice_uids)
    path = write_rtstruct(tmp_path / "rs.dcm", {"L1": named}, series_uid=SERIES)
    assert run(["measure", str(path), "--scan", str(folder)])[0] == 0
    path = write_rtstruct(tmp_path / "rs.dcm", {"L1": contour_items(drawn)}, series_uid=SERIES)
    code, _, err = run(["measure", str(path), "--scan", str(folder)])
    assert code == 4
    assert "unsupported-format" in err


def first_file(folder: Path) -> str:
    return next(p.name for p in sorted(folder.iterdir()) if p.is_file())


def source_item(uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", uid
    return item


def run(command: list[str]) -> tuple[int, str, str]:
    """Run a command; return its exit code, output and errors."""
    from volumetry.cli import main

    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = main(command)
    return code, out.getvalue(), err.getvalue()
