"""Stacks from headers: every way in which a folder can be something else than one even stack."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dicom_phantoms import stack_geometry, stack_voxels, uid_of, write_enhanced, write_series
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

import volumetry as vm
from volumetry.errors import VolumetryError
from volumetry.formats.dicom.index import index_folder
from volumetry.formats.dicom.series.choose import find_stack
from volumetry.formats.dicom.series.find import stacks_of
from volumetry.formats.dicom.series.stacks import SeriesStack, StackRefusal
from volumetry.formats.dicom.series.volume import read_scan
from volumetry.geometry import ScanGeometry

Change = Callable[[Dataset, int], None]


def even() -> ScanGeometry:
    return stack_geometry(slice_spacing_mm=4.0)


def code_of(path: Path, **arguments: str) -> str:
    with pytest.raises(VolumetryError) as caught:
        read_scan(path, **arguments)
    assert caught.value.where
    assert caught.value.todo
    return caught.value.code


def written(folder: Path, change: Change | None = None, geometry: ScanGeometry | None = None) -> Path:
    geometry = geometry or even()
    write_series(folder, geometry, stack_voxels(geometry), change=change)
    return folder


def test_a_clean_series_is_itself_and_raises_no_flag(tmp_path: Path) -> None:
    geometry = even()
    voxels = stack_voxels(geometry)
    names = ["f", "b", "d", "a", "c", "e"]  # neither names nor numbers say where a slice lies

    def shuffled(ds: Dataset, index: int) -> None:
        ds.InstanceNumber = [3, 1, 2, 6, 5, 4][index]
        ds.SliceLocation = "0"
        ds.Laterality = "L"

    write_series(tmp_path, geometry, voxels, names=names, change=shuffled)
    scan = vm.read_scan(tmp_path)
    assert scan.geometry == geometry
    assert np.array_equal(scan.voxels, voxels)
    assert scan.flags == ()
    assert scan.slice_uids == tuple(uid_of(scan.source.series_uid, i) for i in range(6))
    assert (scan.source.patient, scan.source.study_date) == ("P1", "2024-03-02")
    assert (scan.source.modality, scan.source.format, scan.source.laterality) == ("MR", "dicom", "L")
    assert not scan.voxels.flags.writeable


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ((1, 0, 0), (0, 1, 0)),
        ((0, 1, 0), (0, 0, -1)),
        ((1, 0, 0), (0, 0, 1)),
        ((0.8, 0.6, 0), (0, 0, -1)),
        ((0.36, 0.48, -0.8), (-0.8, 0.6, 0.0)),
    ],
)
def test_every_orientation_keeps_its_positions(
    tmp_path: Path, row: tuple[float, ...], column: tuple[float, ...]
) -> None:
    geometry = stack_geometry(row_direction=row, column_direction=column, slice_thickness_mm=4.4)
    scan = read_scan(written(tmp_path, geometry=geometry))
    assert scan.geometry.voxel_distance(geometry) < 1e-6
    assert scan.flags == ()


def test_two_volumes_by_height_follow_thickness_and_positions(tmp_path: Path) -> None:
    scan = read_scan(written(tmp_path, geometry=stack_geometry()))
    assert scan.geometry.slice_spacing_mm == pytest.approx(4.4)
    assert scan.geometry.slice_thickness_mm == 4.0
    assert scan.flags == ("slice-gap",)


def test_a_tilted_gantry_is_flagged_and_measured_along_the_normal(tmp_path: Path) -> None:
    geometry = stack_geometry(slice_spacing_mm=4.0, shift_mm=(0.0, 0.0, 1.2))
    scan = read_scan(written(tmp_path, geometry=geometry))
    assert scan.geometry.slice_spacing_mm == pytest.approx(4.0)
    assert scan.flags == ("sheared-stack",)


def test_a_missing_slice_is_a_hole(tmp_path: Path) -> None:
    folder = written(tmp_path)
    (folder / "IM0002.dcm").unlink()
    scan = read_scan(folder)
    assert scan.geometry.holes == (1,)
    assert scan.flags == ("missing-slice-outside",)


def test_an_even_jitter_below_a_thousandth_is_silent(tmp_path: Path) -> None:
    def jitter(ds: Dataset, index: int) -> None:
        x, y, z = ds.ImagePositionPatient
        ds.ImagePositionPatient = [x, round(float(y) + 0.0008 * (-1) ** index, 6), z]

    scan = read_scan(written(tmp_path, jitter))
    assert scan.flags == ()


# -- copies and different images at one position ----------------------------------------------------------


def test_a_copied_file_is_read_once(tmp_path: Path) -> None:
    folder = written(tmp_path)
    shutil.copy(folder / "IM0002.dcm", folder / "copy of 2")
    scan = read_scan(folder)
    assert scan.flags == ("duplicate-file",)
    assert scan.geometry == even()


def test_the_same_pixels_under_another_uid_are_read_once(tmp_path: Path) -> None:
    folder = written(tmp_path / "a")
    other = written(tmp_path / "b", lambda ds, i: renamed(ds, folder.name, 100 + i))
    shutil.copy(other / "IM0003.dcm", folder / "again.dcm")
    assert read_scan(folder).flags == ("duplicate-file",)


def renamed(ds: Dataset, series: str, number: int) -> None:
    ds.SeriesInstanceUID = uid_of("series", "P1", "20240302", "MR", series)
    ds.SOPInstanceUID = uid_of("renamed", number)


@pytest.mark.parametrize("acquisition", [None, 7])
def test_different_pixels_at_one_position_are_refused(tmp_path: Path, acquisition: int | None) -> None:
    folder = written(tmp_path / "a")

    def other(ds: Dataset, index: int) -> None:
        renamed(ds, folder.name, index)
        ds.AcquisitionNumber = acquisition
        ds.PixelData = bytes(len(ds.PixelData))

    copy = written(tmp_path / "b", other)
    shutil.copy(copy / "IM0003.dcm", folder / "again.dcm")
    assert code_of(folder) == "duplicate-position"


def test_one_uid_at_two_positions_is_refused(tmp_path: Path) -> None:
    def same_uid(ds: Dataset, index: int) -> None:
        if index == 4:
            ds.SOPInstanceUID = uid_of(ds.SeriesInstanceUID, 3)

    assert code_of(written(tmp_path, same_uid)) == "inconsistent-series"


@pytest.mark.parametrize("key", ["temporal", "acquisition", "trigger", "time", "numbers", "slice by slice"])
def test_repetitions_become_stacks_of_their_own(tmp_path: Path, key: str) -> None:
    geometry = even()
    for repetition in range(3):

        def change(ds: Dataset, index: int, repetition: int = repetition) -> None:
            number = index * 3 + repetition if key == "slice by slice" else repetition * 6 + index
            renamed(ds, "all", 100 * repetition + index)
            ds.InstanceNumber = number + 1 if key in ("numbers", "slice by slice") else 1
            if key == "temporal":
                ds.TemporalPositionIdentifier = repetition + 1
            elif key == "acquisition":
                ds.AcquisitionNumber = repetition + 1
            elif key == "trigger":
                ds.TriggerTime = f"{repetition * 33.5}"
            elif key == "time":
                ds.AcquisitionTime = f"1000{repetition:02d}.5"

        write_series(
            tmp_path / str(repetition), geometry, stack_voxels(geometry, seed=repetition), change=change
        )
    assert code_of(tmp_path) == "ambiguous-series"
    uid = uid_of("series", "P1", "20240302", "MR", "all")
    for repetition in range(3):
        scan = read_scan(tmp_path, series_uid=f"{uid}#{repetition + 1}")
        assert np.array_equal(scan.voxels, stack_voxels(geometry, seed=repetition))
        assert scan.geometry == geometry
        assert scan.flags == ("split-series",)
    assert code_of(tmp_path, series_uid=f"{uid}#4") == "not-found"
    assert code_of(tmp_path, series_uid=f"{uid}#x") == "not-found"


def test_a_file_stands_for_the_stack_it_belongs_to(tmp_path: Path) -> None:
    def echoes(ds: Dataset, index: int) -> None:
        ds.EchoTime = "20" if index < 6 else "80"
        ds.EchoNumbers = 1 if index < 6 else 2
        ds.ImagePositionPatient = [str(x) for x in even().slice_origins_mm[index % 6]]

    geometry = stack_geometry(n_slices=12, slice_spacing_mm=4.0)
    voxels = stack_voxels(geometry)
    write_series(tmp_path, geometry, voxels, change=echoes)
    assert code_of(tmp_path) == "ambiguous-series"
    scan = read_scan(tmp_path / "IM0008.dcm")
    assert np.array_equal(scan.voxels, voxels[6:])
    assert scan.flags == ("split-series",)


# -- localizers and other images beside the stack ----------------------------------------------------------


def localizer(ds: Dataset, index: int) -> None:
    """An axial image, in the series of the stack."""
    renamed(ds, "stack", 100 + index)
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing = ["2", "2"]


def test_a_localizer_in_the_series_is_split_off(tmp_path: Path) -> None:
    written(tmp_path / "stack")
    written(tmp_path / "localizer", localizer, stack_geometry(n_slices=1))
    scan = read_scan(tmp_path)
    assert scan.geometry == even()
    assert scan.flags == ("split-series",)


def test_parallel_localizers_that_say_so_are_split_off(tmp_path: Path) -> None:
    def change(ds: Dataset, index: int) -> None:
        renamed(ds, "stack", 100 + index)
        ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    written(tmp_path / "stack")
    written(tmp_path / "localizer", change, stack_geometry(n_slices=3, column_direction=(0.0, 1.0, 0.0)))
    assert read_scan(tmp_path).flags == ("split-series",)
    assert find_stack(tmp_path / "localizer" / "IM0000.dcm").is_localizer


def test_a_screenshot_beside_the_stack_is_set_aside(tmp_path: Path) -> None:
    def change(ds: Dataset, index: int) -> None:
        ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
        ds.SeriesInstanceUID = uid_of("screenshot")
        del ds.ImagePositionPatient, ds.ImageOrientationPatient

    written(tmp_path / "stack")
    written(tmp_path / "shot", change, stack_geometry(n_slices=1))
    assert read_scan(tmp_path).flags == ("split-series",)
    assert code_of(tmp_path / "shot") == "unsupported-format"


def test_a_series_is_found_by_its_uid(tmp_path: Path) -> None:
    written(tmp_path / "a")
    written(tmp_path / "b", geometry=stack_geometry(n_slices=8, slice_spacing_mm=4.0))
    assert code_of(tmp_path) == "ambiguous-series"
    assert code_of(tmp_path, series_uid="1.2.3") == "not-found"
    scan = read_scan(tmp_path, series_uid=uid_of("series", "P1", "20240302", "MR", "b"))
    assert scan.geometry.n_slices == 8
    assert scan.flags == ()
    with pytest.raises(VolumetryError, match=r"8 slices, 4 mm apart"):
        read_scan(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda ds: setattr(ds, "FrameOfReferenceUID", "1.2.3"),
        lambda ds: setattr(ds, "PatientID", "P2"),
        lambda ds: setattr(ds, "PixelSpacing", ["0.6", "0.8"]),
        lambda ds: setattr(ds, "ImageOrientationPatient", [1, 0, 0, 0, 0.05, -0.99875]),
    ],
)
@pytest.mark.parametrize("odd", [3, 5])
def test_a_slice_that_differs_is_not_dropped_silently(
    tmp_path: Path, change: Callable[[Dataset], None], odd: int
) -> None:
    folder = written(tmp_path, lambda ds, index: change(ds) if index == odd else None)
    assert code_of(folder) == "inconsistent-series"


def test_a_slice_of_another_matrix_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "stack")
    other = written(
        tmp_path / "other",
        lambda ds, i: renamed(ds, "stack", 100 + i),
        stack_geometry(slice_spacing_mm=4.0, rows=34),
    )
    shutil.copy(other / "IM0002.dcm", folder / "IM0002.dcm")
    assert code_of(folder) == "inconsistent-series"


def test_a_slice_without_position_is_refused(tmp_path: Path) -> None:
    def change(ds: Dataset, index: int) -> None:
        if index == 2:
            del ds.ImagePositionPatient

    assert code_of(written(tmp_path, change)) == "unsupported-format"


# -- spacing and thickness -----------------------------------------------------------------------------------


@pytest.mark.parametrize("everywhere", [True, False])
def test_imager_pixel_spacing_is_no_substitute(tmp_path: Path, everywhere: bool) -> None:
    def change(ds: Dataset, index: int) -> None:
        if everywhere or index == 1:
            del ds.PixelSpacing
            ds.ImagerPixelSpacing = ["0.5", "0.5"]

    assert code_of(written(tmp_path, change)) == "no-pixel-spacing"


@pytest.mark.parametrize("spacing", [["0", "0.5"], ["0.5", "-0.5"], ["NaN", "0.5"], ["inf", "1"]])
def test_a_spacing_that_is_none_is_refused(tmp_path: Path, spacing: list[str]) -> None:
    folder = written(tmp_path, replacing_text("PixelSpacing", spacing))
    assert code_of(folder) == "bad-spacing"


@pytest.mark.parametrize("thickness", ["0", "-4", "NaN"])
def test_a_thickness_that_is_none_is_refused(tmp_path: Path, thickness: str) -> None:
    folder = written(tmp_path, replacing_text("SliceThickness", [thickness]))
    assert code_of(folder) == "bad-spacing"


def replacing_text(keyword: str, values: list[str]) -> Change:
    """Write text where numbers belong, which pydicom itself refuses to write."""

    def change(ds: Dataset, index: int) -> None:
        tag = tag_for_keyword(keyword)
        assert tag is not None
        ds[keyword] = DataElement(tag, "LO", values)

    return change


def test_a_thickness_that_varies_is_unknown(tmp_path: Path) -> None:
    def varying(ds: Dataset, index: int) -> None:
        ds.SliceThickness = "4" if index else "5"

    assert read_scan(written(tmp_path / "a", varying)).geometry.slice_thickness_mm is None
    absent = written(tmp_path / "b", lambda ds, i: ds.__delattr__("SliceThickness") if i == 1 else None)
    assert read_scan(absent).geometry.slice_thickness_mm is None


@pytest.mark.parametrize(
    ("tag", "flags"), [("4", ()), ("-4", ()), ("4.03", ()), ("0.4", ("spacing-tag-disagrees",))]
)
def test_spacing_between_slices_is_only_compared(tmp_path: Path, tag: str, flags: tuple[str, ...]) -> None:
    scan = read_scan(written(tmp_path, lambda ds, i: setattr(ds, "SpacingBetweenSlices", tag)))
    assert scan.flags == flags
    assert scan.geometry.slice_spacing_mm == pytest.approx(4.0)


# -- files ---------------------------------------------------------------------------------------------------


def test_colour_is_not_3d(tmp_path: Path) -> None:
    def change(ds: Dataset, index: int) -> None:
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "RGB", 0
        ds.PixelData = ds.PixelData * 3

    assert code_of(written(tmp_path, change)) == "not-3d"


def test_a_cut_slice_is_refused_and_not_skipped(tmp_path: Path) -> None:
    folder = written(tmp_path)
    cut = folder / "IM0002.dcm"
    cut.write_bytes(cut.read_bytes()[:-100])
    assert code_of(folder) == "truncated"
    assert code_of(folder / "IM0001.dcm") == "truncated"


def test_other_files_in_the_folder_are_passed_by(tmp_path: Path) -> None:
    folder = written(tmp_path)
    (folder / "notes.txt").write_text("read me")
    assert read_scan(folder).flags == ()
    assert read_scan(folder / "IM0000.dcm").flags == ()


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("read me")
    assert code_of(tmp_path) == "unsupported-format"
    assert code_of(tmp_path / "notes.txt") == "unsupported-format"


def test_bytes_after_the_pixels_are_flagged(tmp_path: Path) -> None:
    folder = written(tmp_path)
    with (folder / "IM0001.dcm").open("ab") as file:
        file.write(b"\x01\x02\x03\x04" * 30)
    assert read_scan(folder).flags == ("trailing-data",)


def test_lossy_compression_is_flagged(tmp_path: Path) -> None:
    scan = read_scan(written(tmp_path, lambda ds, i: setattr(ds, "LossyImageCompression", "01")))
    assert scan.flags == ("lossy",)


def test_an_image_is_no_mask_and_no_trace(tmp_path: Path) -> None:
    folder = written(tmp_path)
    image = folder / "IM0000.dcm"
    for reader in (vm.read_mask, vm.read_trace):
        with pytest.raises(VolumetryError) as caught:
            reader(image)
        assert caught.value.code == "unsupported-format"


def test_stacks_of_lists_what_is_there_and_raises_nothing(tmp_path: Path) -> None:
    written(tmp_path / "a")
    written(tmp_path / "b", lambda ds, i: ds.__delattr__("PixelSpacing"))
    geometry = even()
    write_enhanced(tmp_path / "c" / "enhanced.dcm", geometry, stack_voxels(geometry))
    found = stacks_of(index_folder(tmp_path).headers)
    stacks = [s for s in found if isinstance(s, SeriesStack)]
    assert [s.n_slices for s in stacks] == [6, 6]
    assert [len(s.headers) for s in sorted(stacks, key=lambda s: len(s.headers))] == [1, 6]
    (refused,) = [s for s in found if isinstance(s, StackRefusal)]
    assert refused.error.code == "no-pixel-spacing"
    assert len(refused.headers) == 6


@pytest.mark.parametrize(
    "image_type",
    [
        ["DERIVED", "SECONDARY", "PROJECTION IMAGE"],
        ["DERIVED", "SECONDARY", "OTHER"],
        ["ORIGINAL", "PRIMARY", "LOCALIZER"],
    ],
)
def test_an_image_without_position_that_is_no_slice_is_set_aside(
    tmp_path: Path, image_type: list[str]
) -> None:
    def change(ds: Dataset, index: int) -> None:
        renamed(ds, "stack", 100 + index)
        ds.ImageType = image_type
        del ds.ImagePositionPatient, ds.ImageOrientationPatient

    written(tmp_path / "stack")
    written(tmp_path / "projection", change, stack_geometry(n_slices=1))
    scan = read_scan(tmp_path)
    assert scan.geometry == even()
    assert scan.flags == ("split-series",)


@pytest.mark.parametrize("number", [1, 2])
def test_a_picture_of_the_screen_in_the_class_of_its_series_is_set_aside(tmp_path: Path, number: int) -> None:
    def change(ds: Dataset, index: int) -> None:
        renamed(ds, "stack", 100 + index)
        ds.Rows, ds.Columns = 4, 5
        ds.PixelData = bytes(40)
        del ds.ImagePositionPatient, ds.ImageOrientationPatient

    written(tmp_path / "stack")
    written(tmp_path / "screen", change, stack_geometry(n_slices=number))
    scan = read_scan(tmp_path)
    assert scan.geometry == even()
    assert scan.flags == ("split-series",)


def test_an_image_without_any_place_is_no_way_to_lose_a_slice(tmp_path: Path) -> None:
    def change(ds: Dataset, index: int) -> None:
        if index == 2:
            del ds.ImagePositionPatient, ds.ImageOrientationPatient

    assert code_of(written(tmp_path, change)) == "unsupported-format"


@pytest.mark.parametrize("without", [{0}, {3}, {0, 1, 4, 5}])
def test_images_without_frame_of_reference_belong_to_those_that_have_one(
    tmp_path: Path, without: set[int]
) -> None:
    def change(ds: Dataset, index: int) -> None:
        if index in without:
            del ds.FrameOfReferenceUID

    scan = read_scan(written(tmp_path, change))
    assert scan.geometry == even()
    assert scan.flags == ()
    assert scan.geometry.frame_of_reference_uid == even().frame_of_reference_uid


def test_an_image_without_frame_of_reference_among_two_is_not_dropped(tmp_path: Path) -> None:
    def change(ds: Dataset, index: int) -> None:
        if index == 2:
            del ds.FrameOfReferenceUID
        elif index > 2:
            ds.FrameOfReferenceUID = "1.2.3"

    assert code_of(written(tmp_path, change)) in ("inconsistent-series", "ambiguous-series")
