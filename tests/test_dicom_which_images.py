"""Tracings whose images lie in several series or stacks: the right one, or a reason that is true."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from dicom_phantoms import uid_of
from phantoms import contour_items, squares, trace_of, write_rtstruct, write_seg
from pydicom.dataset import Dataset
from test_dicom_stacks_and_tracings import CLEAN, SERIES, images, lattice, lesion, run, source_item

import volumetry as vm
from volumetry.formats.dicom.series.choose import find_stack
from volumetry.geometry import ScanGeometry

DRAWN = trace_of(squares(range(2, 6)), CLEAN)


def series(folder: Path, letter: str, geometry: ScanGeometry = CLEAN, **values: object) -> list[str]:
    """Write a series; return its UIDs in order of the slices."""

    def change(ds: Dataset, index: int) -> None:
        ds.SOPInstanceUID = uid_of("which", letter, index)
        for keyword, value in values.items():
            setattr(ds, keyword, value)

    images(folder / letter, geometry, series_uid=f"{SERIES}.{ord(letter)}", change=change)
    return [uid_of("which", letter, index) for index in range(geometry.n_slices)]


def rows_of(folder: Path, *options: str) -> list[dict[str, str]]:
    out = folder.parent / "out"
    run(["batch", str(folder), "--out", str(out), "--jobs", "1", *options])
    with (out / "measurements.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["status"] != "not_traced"]


def volume(row: dict[str, str]) -> float:
    return float(row["volume_mm3"])


def on_two_series(folder: Path, first: Sequence[str], second: Sequence[str]) -> Path:
    """Outlines on slices 2 and 3 name the first series, on 4 and 5 the second; the file lists the first."""
    items = contour_items(DRAWN, slice_uids=[*first[:4], *second[4:]])
    return write_rtstruct(folder / "rs.dcm", {"L1": items}, series_uid=f"{SERIES}.{ord('A')}")


@pytest.mark.parametrize(("thickness_mm", "code"), [(4.0, ""), (2.0, "ambiguous-series")])
def test_a_region_on_two_series_has_a_volume_where_their_slices_are_the_same(
    tmp_path: Path, thickness_mm: float, code: str
) -> None:
    folder = tmp_path / "in"
    uids = series(folder, "A"), series(folder, "B", lattice(slice_thickness_mm=thickness_mm))
    path = on_two_series(folder, *uids)
    (row,) = rows_of(folder)
    assert row["code"] == code
    if not code:
        assert volume(row) == pytest.approx(vm.measure_volume(DRAWN).volume_mm3)
        return
    assert "slice thickness_mm 2" in row["message"]
    for letter in "AB":  # naming one of them does not make the outlines on the other its own
        assert "wrong-series" in run(["measure", str(path), "--scan", str(folder / letter)])[2]


def test_a_region_whose_images_are_not_all_there_is_refused_with_the_image(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    uids = series(folder, "A"), series(tmp_path / "elsewhere", "B")
    path = on_two_series(folder, *uids)
    (row,) = rows_of(folder)
    assert row["code"] == "wrong-series"
    assert uids[1][4] in row["message"]
    (tmp_path / "elsewhere" / "B").rename(folder / "B")
    code, out, _ = run(["measure", str(path), "--scan", str(folder), "--format", "json"])
    assert code == 0, out


def test_a_region_over_two_stacks_of_a_series_is_inconsistent(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    first = series(folder, "A", lattice(slice_origins_mm=CLEAN.slice_origins_mm[:4]))
    coarse = lattice(slice_origins_mm=CLEAN.slice_origins_mm[4:], pixel_spacing_mm=(1.6, 1.6))
    second = series(folder, "B", coarse, SeriesInstanceUID=f"{SERIES}.{ord('A')}")
    drawn = contour_items(DRAWN, slice_uids=[*first, *second])
    write_rtstruct(folder / "rs.dcm", {"L1": drawn}, series_uid=f"{SERIES}.{ord('A')}")
    (row,) = rows_of(folder)
    assert row["code"] == "inconsistent-series"


def test_a_segmentation_that_names_two_series_of_one_lattice_is_measured(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    uids = series(folder, "A"), series(folder, "B")

    def change(ds: Dataset) -> None:
        ds.ReferencedSeriesSequence = []
        for letter, named in zip("BA", uids[::-1], strict=True):
            item = Dataset()
            item.SeriesInstanceUID = f"{SERIES}.{ord(letter)}"
            item.ReferencedInstanceSequence = [source_item(uid) for uid in named]
            ds.ReferencedSeriesSequence.append(item)

    marked = lesion(CLEAN, slice(4, 14), slice(4, 14))
    write_seg(folder / "seg.dcm", CLEAN, {"L1": marked}, change=change)
    (row,) = rows_of(folder)
    assert volume(row) == pytest.approx(vm.measure_volume(DRAWN).volume_mm3)


def test_a_region_is_measured_in_its_own_frame_of_reference(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    series(folder, "A", FrameOfReferenceUID="1.2.3.1")
    series(folder, "B", lattice(slice_thickness_mm=2.0), FrameOfReferenceUID="1.2.3.2")

    def change(ds: Dataset) -> None:
        one = ds.ReferencedFrameOfReferenceSequence[0]
        other = Dataset()
        for number, (frame, letter) in enumerate(((one, "A"), (other, "B"))):
            named, study = Dataset(), Dataset()
            named.SeriesInstanceUID, named.ContourImageSequence = f"{SERIES}.{ord(letter)}", []
            study.RTReferencedSeriesSequence = [named]
            frame.RTReferencedStudySequence = [study]
            frame.FrameOfReferenceUID = f"1.2.3.{number + 1}"
            ds.StructureSetROISequence[number].ReferencedFrameOfReferenceUID = f"1.2.3.{number + 1}"
        ds.ReferencedFrameOfReferenceSequence = [one, other]

    items = contour_items(DRAWN)
    write_rtstruct(folder / "rs.dcm", {"onA": items, "onB": items}, change=change)
    found = {row["lesion"]: volume(row) for row in rows_of(folder)}
    expected = vm.measure_volume(DRAWN).volume_mm3
    assert expected is not None
    assert found == {"onA": pytest.approx(expected), "onB": pytest.approx(expected / 2)}


@pytest.mark.parametrize("is_same_plane", [False, True])
def test_geometry_decides_in_a_batch_where_nothing_is_named(tmp_path: Path, is_same_plane: bool) -> None:
    folder = tmp_path / "in"
    series(folder, "A")
    series(folder, "B", CLEAN if is_same_plane else dataclasses.replace(CLEAN, **across(CLEAN)))
    write_rtstruct(folder / "rs.dcm", {"L1": contour_items(DRAWN)})
    (row,) = rows_of(folder)
    if is_same_plane:
        assert row["code"] == "ambiguous-series"
        assert "column scan of a manifest" in row["message"]
        manifest = tmp_path / "m.csv"
        line = f"P1,v1,,L1,,{next((folder / 'B').iterdir()).relative_to(folder)},rs.dcm"
        manifest.write_text(f"patient,visit,side,lesion,reader,scan,trace\n{line}\n")
        (row,) = rows_of(folder, "--manifest", str(manifest), "--fresh")
    assert volume(row) == pytest.approx(vm.measure_volume(DRAWN).volume_mm3)


def across(geometry: ScanGeometry) -> dict[str, object]:
    """Slices across those of a geometry: its normal is a direction in their plane."""
    origins = geometry.slice_origins_mm[0] + 4.0 * geometry.row_direction * [[k] for k in range(8)]
    return {
        "row_direction": geometry.column_direction,
        "column_direction": geometry.normal,
        "slice_origins_mm": origins,
    }


@pytest.mark.parametrize("offset_mm", [0.0, 0.4])
@pytest.mark.parametrize("letter", ["A", "B"])
def test_thick_and_thin_reconstructions_in_one_series_are_two_stacks(
    tmp_path: Path, offset_mm: float, letter: str
) -> None:
    folder = tmp_path / "in"
    first = CLEAN.slice_origins_mm[0] + offset_mm * CLEAN.normal
    thin = lattice(
        slice_thickness_mm=2.0, slice_origins_mm=first + 2.0 * CLEAN.normal * [[k] for k in range(16)]
    )
    uids = {
        "A": series(folder, "A"),
        "B": series(folder, "B", thin, SeriesInstanceUID=f"{SERIES}.{ord('A')}"),
    }
    drawn = trace_of(squares(range(2, 6)), CLEAN if letter == "A" else thin)
    items = contour_items(drawn, slice_uids=uids[letter])
    write_rtstruct(folder / "rs.dcm", {"L1": items}, series_uid=f"{SERIES}.{ord('A')}")
    (row,) = rows_of(folder)
    assert volume(row) == pytest.approx(vm.measure_volume(drawn).volume_mm3)
    assert "split-series" in row["flags"]
    with pytest.raises(vm.VolumetryError) as caught:
        find_stack(folder)
    assert caught.value.code == "ambiguous-series"


# -- the images that are named one by one come before the series that is listed ------------------------------

LISTED = f"{SERIES}.{ord('A')}"
THIN = lattice(slice_thickness_mm=2.0)


def derived_from(names: Sequence[str]) -> Callable[[Dataset], None]:
    """Name the image of every frame (slices 2 to 5), and leave the thickness to it."""

    def change(ds: Dataset) -> None:
        del ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SliceThickness
        for index, frame in zip(range(2, 6), ds.PerFrameFunctionalGroupsSequence, strict=True):
            made = Dataset()
            made.SourceImageSequence = [source_item(names[index])]
            frame.DerivationImageSequence = [made]

    return change


def traced(folder: Path, kind: str, names: Sequence[str]) -> Path:
    if kind == "seg":
        marked = lesion(CLEAN, slice(4, 14), slice(4, 14))
        return write_seg(
            folder / "t.dcm", CLEAN, {"L1": marked}, series_uid=LISTED, change=derived_from(names)
        )
    items = contour_items(DRAWN, slice_uids=names)
    if kind == "one outline":
        for item in items[1:]:
            del item.ContourImageSequence
    return write_rtstruct(folder / "t.dcm", {"L1": items}, series_uid=LISTED)


@pytest.mark.parametrize("kind", ["rtstruct", "one outline", "seg"])
@pytest.mark.parametrize("is_named_in_call", [None, False, True])
def test_named_images_come_before_the_listed_series(
    tmp_path: Path, kind: str, is_named_in_call: bool | None
) -> None:
    folder = tmp_path / "site" / "in"
    series(folder, "A")
    names = series(folder, "B", THIN)
    path = traced(folder, kind, names)
    right = (vm.measure_volume(DRAWN).volume_mm3 or 0.0) / 2
    if is_named_in_call is None:
        (row,) = rows_of(folder)
        assert volume(row) == pytest.approx(right)
        assert row["series_uid"] in ("", f"{SERIES}.{ord('B')}")
        return
    scan = ["--scan", str(folder)] if is_named_in_call else []
    code, out, err = run(["measure", str(path), *scan, "--format", "json"])
    assert code == 0, err
    assert json.loads(out)[0]["volume_thickness_mm3"] == pytest.approx(right)


def test_a_segmentation_of_frames_from_stacks_that_differ_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    first, second = series(folder, "A"), series(folder, "B", THIN)
    traced(folder, "seg", [*first[:4], *second[4:]])
    (row,) = rows_of(folder)
    assert row["code"] == "ambiguous-series"


@pytest.mark.parametrize("kind", ["two regions", "one region", "seg"])
@pytest.mark.parametrize("patient_id", ["P1", ""])
def test_a_region_belongs_to_the_visit_of_the_images_that_it_names(
    tmp_path: Path, kind: str, patient_id: str
) -> None:
    folder = tmp_path / "in"
    visits = {
        letter: series(folder / "P1", letter, StudyDate=f"20240{month}01", StudyInstanceUID=f"1.2.9.{month}")
        for letter, month in (("A", 7), ("B", 1))
    }
    expected = {"L1": "2024-01-01"}
    if kind == "seg":
        marked = lesion(CLEAN, slice(4, 14), slice(4, 14))
        change = derived_from(visits["B"])
        write_seg(folder / "P1" / "t.dcm", CLEAN, {"L1": marked}, series_uid=LISTED, change=change)
    else:
        regions = {"L1": contour_items(DRAWN, slice_uids=visits["B"])}
        if kind == "two regions":
            regions["L2"] = contour_items(DRAWN, slice_uids=visits["A"])
            expected["L2"] = "2024-07-01"
        path = folder / "P1" / "t.dcm"
        write_rtstruct(path, regions, series_uid=LISTED, patient_id=patient_id)
    found = rows_of(folder)
    assert {row["lesion"]: row["visit"] for row in found} == expected
    assert {row["patient"] for row in found} == {"P1"}
    assert all(row["status"] == "measured" for row in found)


@pytest.mark.parametrize("is_one_study", [True, False])
def test_a_folder_for_every_series_of_one_study_is_one_patient(tmp_path: Path, is_one_study: bool) -> None:
    folder = tmp_path / "in"
    for letter, study in (("A", "1.2.9.1"), ("B", "1.2.9.1" if is_one_study else "1.2.9.2")):
        series(folder, letter, StudyInstanceUID=study)

    def change(ds: Dataset) -> None:
        ds.StudyInstanceUID = "1.2.9.1"

    write_rtstruct(folder / "RT" / "rs.dcm", {"L1": contour_items(DRAWN)}, series_uid=LISTED, change=change)
    (row,) = (row for row in rows_of(folder) if row["trace"])
    assert row["code"] == ("" if is_one_study else "patient-unclear")
