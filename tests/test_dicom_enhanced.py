"""Enhanced multi-frame images: every frame where its functional groups put it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dicom_phantoms import stack_geometry, stack_voxels, uid_of, write_enhanced, write_series
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from test_dicom_pixels import mutants

from volumetry.errors import VolumetryError
from volumetry.formats.dicom.series.choose import find_stack
from volumetry.formats.dicom.series.volume import read_scan

GEOMETRY = stack_geometry(n_slices=5, slice_spacing_mm=4.0)
VOXELS = stack_voxels(GEOMETRY)


TOMOGRAM = stack_geometry(n_slices=6, rows=20, columns=22)


def code_of(path: Path) -> str:
    with pytest.raises(VolumetryError) as caught:
        read_scan(path)
    assert caught.value.where
    return caught.value.code


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("modality", ["MR", "CT", "PT"])
@pytest.mark.parametrize(
    "syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.80"]
)
def test_frames_in_any_order(tmp_path: Path, shared: bool, modality: str, syntax: str) -> None:
    path = write_enhanced(
        tmp_path / "e.dcm",
        GEOMETRY,
        VOXELS,
        modality=modality,
        transfer_syntax=syntax,
        frame_order=[3, 0, 4, 2, 1],
        shared_orientation=shared,
    )
    for place in (path, tmp_path):
        scan = read_scan(place)
        assert scan.geometry == GEOMETRY
        assert np.array_equal(scan.voxels, VOXELS)
        assert scan.flags == ()
        assert scan.source.modality == modality
        uid = uid_of(scan.source.series_uid, "image")
        assert scan.slice_uids == tuple(f"{uid}#{n}" for n in (2, 5, 4, 1, 3))


def test_the_same_geometry_as_the_classic_series(tmp_path: Path) -> None:
    geometry = stack_geometry(row_direction=(0.8, 0.6, 0), column_direction=(0, 0, -1))
    voxels = stack_voxels(geometry)
    write_series(tmp_path / "classic", geometry, voxels)
    write_enhanced(tmp_path / "enhanced" / "e.dcm", geometry, voxels)
    classic, enhanced = read_scan(tmp_path / "classic"), read_scan(tmp_path / "enhanced")
    assert classic.geometry == enhanced.geometry
    assert np.array_equal(classic.voxels, enhanced.voxels)
    assert classic.flags == enhanced.flags == ("slice-gap",)


def per_frame(keyword: str, item: Callable[[int], Dataset | None]) -> Callable[[Dataset], None]:
    """Give every frame one more functional group."""

    def change(ds: Dataset) -> None:
        for index, group in enumerate(ds.PerFrameFunctionalGroupsSequence):
            added = item(index)
            if added is not None:
                setattr(group, keyword, Sequence([added]))

    return change


def dataset(**elements: object) -> Dataset:
    ds = Dataset()
    for name, value in elements.items():
        setattr(ds, name, value)
    return ds


@pytest.mark.parametrize(
    "key", ["temporal", "echo", "b-value", "frame type", "trigger", "dimensions", "order"]
)
def test_several_volumes_are_stacks_of_their_own(tmp_path: Path, key: str) -> None:
    volumes = np.stack([stack_voxels(GEOMETRY, seed=seed) for seed in (1, 2)])
    groups = {
        "echo": ("MREchoSequence", lambda i: dataset(EffectiveEchoTime=20.0 + 60 * (i // 5))),
        "b-value": ("MRDiffusionSequence", lambda i: dataset(DiffusionBValue=800.0 * (i // 5))),
        "frame type": (
            "MRImageFrameTypeSequence",
            lambda i: dataset(FrameType=["ORIGINAL", "PRIMARY", "T1", "MP"[i // 5]]),
        ),
        "trigger": (
            "CardiacSynchronizationSequence",
            lambda i: dataset(NominalCardiacTriggerDelayTime=33.0 * (i // 5)),
        ),
    }

    def change(ds: Dataset) -> None:
        if key != "temporal":
            for group in ds.PerFrameFunctionalGroupsSequence:
                del group.FrameContentSequence[0].TemporalPositionIndex
        if key == "dimensions":
            ds.DimensionIndexSequence = [
                dataset(DimensionIndexPointer=tag) for tag in (0x00209056, 0x00209057, 0x00209128)
            ]
        if key in groups:
            per_frame(*groups[key])(ds)

    path = write_enhanced(tmp_path / "e.dcm", GEOMETRY, volumes, change=change)
    assert code_of(path) == "ambiguous-series"
    uid = uid_of("enhanced", "P1", "20240302", "MR", "e.dcm")
    for number in (1, 2):
        scan = read_scan(path, series_uid=f"{uid}#{number}")
        assert np.array_equal(scan.voxels, volumes[number - 1])
        assert scan.geometry == GEOMETRY
        assert scan.flags == ("split-series",)


def test_rescale_of_every_frame(tmp_path: Path) -> None:
    change = per_frame(
        "PixelValueTransformationSequence",
        lambda i: dataset(RescaleSlope=str(i + 0.5), RescaleIntercept=str(-i), RescaleType="US"),
    )
    scan = read_scan(write_enhanced(tmp_path / "e.dcm", GEOMETRY, VOXELS, change=change))
    expected = [VOXELS[i] * (i + 0.5) - i for i in range(5)]
    np.testing.assert_allclose(scan.voxels, expected, rtol=1e-6)


def test_two_frames_at_one_position_are_refused(tmp_path: Path) -> None:
    def change(ds: Dataset) -> None:
        groups = ds.PerFrameFunctionalGroupsSequence
        groups[3].PlanePositionSequence = groups[1].PlanePositionSequence

    assert (
        code_of(write_enhanced(tmp_path / "e.dcm", GEOMETRY, VOXELS, change=change)) == "duplicate-position"
    )


def test_a_missing_frame_is_a_hole(tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "e.dcm", GEOMETRY, VOXELS, frame_order=[0, 1, 2, 4])
    stack = find_stack(path)
    assert stack.geometry.holes == (2,)
    assert len(stack.headers) == 1
    assert stack.flags == ("missing-slice-outside",)


def without_positions(ds: Dataset) -> None:
    del ds.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence


def without_orientation(ds: Dataset) -> None:
    del ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence


def without_spacing(ds: Dataset) -> None:
    del ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing


def with_zero_spacing(ds: Dataset) -> None:
    ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = ["0", "1"]


def without_groups(ds: Dataset) -> None:
    del ds.PerFrameFunctionalGroupsSequence, ds.SharedFunctionalGroupsSequence


def with_fewer_groups(ds: Dataset) -> None:
    del ds.PerFrameFunctionalGroupsSequence[4]


def nuclear(ds: Dataset) -> None:
    without_groups(ds)
    ds.SOPClassUID, ds.Modality = "1.2.840.10008.5.1.4.1.1.20", "NM"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (without_positions, "unsupported-format"),
        (without_orientation, "unsupported-format"),
        (without_spacing, "no-pixel-spacing"),
        (with_zero_spacing, "bad-spacing"),
        (without_groups, "unsupported-format"),
        (with_fewer_groups, "unreadable"),
        (nuclear, "unsupported-format"),
    ],
)
def test_what_frames_must_say(tmp_path: Path, change: Callable[[Dataset], None], code: str) -> None:
    assert code_of(write_enhanced(tmp_path / "e.dcm", GEOMETRY, VOXELS, change=change)) == code


def test_the_spacing_tag_is_only_compared(tmp_path: Path) -> None:
    def change(ds: Dataset) -> None:
        ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices = "0.4"

    scan = read_scan(write_enhanced(tmp_path / "e.dcm", GEOMETRY, VOXELS, change=change))
    assert scan.flags == ("spacing-tag-disagrees",)
    assert scan.geometry.slice_spacing_mm == pytest.approx(4.0)


def test_an_unfinished_mosaic_is_refused(tmp_path: Path) -> None:
    def mosaic(ds: Dataset, index: int) -> None:
        ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]
        ds.SpacingBetweenSlices = "4"

    write_series(tmp_path, stack_geometry(n_slices=1), VOXELS, change=mosaic)
    assert code_of(tmp_path) == "unsupported-format"


def test_mutants_are_scans_or_errors_with_a_code(tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "e.dcm", GEOMETRY, VOXELS, frame_order=[3, 0, 4, 2, 1])
    original = path.read_bytes()
    pixels = original.index(b"\xe0\x7f\x10\x00OW")
    generator = random.Random(5)
    outcomes = []
    for mutant in mutants(original[:pixels], 200, seed=3):
        data = bytearray(mutant)
        place = generator.randrange(len(data))  # anywhere in the functional groups
        data[place] = generator.randrange(256)
        path.write_bytes(bytes(data) + original[pixels:])
        try:
            outcomes.append(read_scan(path).source.format)
        except VolumetryError as error:
            outcomes.append(error.code)
    assert len(outcomes) == 200
    assert {"dicom", "unreadable"} <= set(outcomes)


def as_tomogram(
    order: list[int], *, turned: bool = False, changes: dict[str, object] | None = None
) -> Callable[[Dataset], None]:
    """Say where frames lie as reconstructed SPECT does: a first slice, a spacing, a number for a frame."""

    def change(ds: Dataset) -> None:
        orientation = ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient
        places = [
            g.PlanePositionSequence[0].ImagePositionPatient for g in ds.PerFrameFunctionalGroupsSequence
        ]
        ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.20"
        ds.Modality, ds.ImageType = "NM", ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
        ds.PixelSpacing = ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
        ds.SliceThickness, ds.SpacingBetweenSlices = "4", "-4.4" if turned else "4.4"
        last = len(order) - 1
        ds.SliceVector = [last - k + 1 if turned else k + 1 for k in order]
        first = places[order.index(last if turned else 0)]
        ds.DetectorInformationSequence = [
            dataset(ImagePositionPatient=first, ImageOrientationPatient=orientation)
        ]
        del ds.PerFrameFunctionalGroupsSequence, ds.SharedFunctionalGroupsSequence
        for name, value in (changes or {}).items():
            if value is None:
                delattr(ds, name)
            else:
                setattr(ds, name, value)

    return change


@pytest.mark.parametrize("turned", [False, True])
def test_reconstructed_tomograms_are_placed_by_their_first_slice(tmp_path: Path, turned: bool) -> None:
    voxels = stack_voxels(TOMOGRAM)
    order = list(range(TOMOGRAM.n_slices))
    random.Random(3).shuffle(order)
    change = as_tomogram(order, turned=turned)
    scan = read_scan(write_enhanced(tmp_path / "nm.dcm", TOMOGRAM, voxels, frame_order=order, change=change))
    assert np.array_equal(scan.voxels, voxels)
    assert np.allclose(scan.geometry.slice_origins_mm, TOMOGRAM.slice_origins_mm)
    assert scan.geometry.slice_thickness_mm == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"SpacingBetweenSlices": None},
        {"SpacingBetweenSlices": "0"},
        {"SliceVector": None},
        {"SliceVector": [1] * 6},
        {"ImageType": ["ORIGINAL", "PRIMARY", "RECON GATED TOMO", "EMISSION"]},
        {"DetectorInformationSequence": None},
        {"DetectorInformationSequence": [Dataset()]},
    ],
)
def test_a_tomogram_that_does_not_say_all_of_it_is_refused(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    change = as_tomogram(list(range(6)), changes=changes)
    path = write_enhanced(tmp_path / "nm.dcm", TOMOGRAM, stack_voxels(TOMOGRAM), change=change)
    assert code_of(path) == "unsupported-format"
