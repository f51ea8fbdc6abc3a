"""Damaged DICOM files: no traceback, no hang, and no other volume from a file that contradicts itself.

4,000 mutants of every object and way with ``make prove``, a twentieth of them in every run. Bytes are changed
as damage changes them, values as people and programs do; contradictions are made on purpose, and must end in
a code, a flag, or the volume there was.
"""

from __future__ import annotations

import copy
import os
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_phantoms import stack_geometry, stack_voxels, write_enhanced, write_series
from phantoms import contour_items, ring, squares, trace_of, write_rtstruct, write_seg
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

import volumetry as vm
from volumetry.codes import ERROR_CODES
from volumetry.errors import VolumetryError
from volumetry.formats.reader import RegionSections

COUNT = 4000 if os.environ.get("VOLUMETRY_PROVE") else 200
SERIES = "1.2.826.0.1.3680043.10.79"
N_SLICES = 4
GEOMETRY = stack_geometry(n_slices=N_SLICES, rows=20, columns=24, slice_spacing_mm=4.0)
HOLE = ((7.0, 7.0), (7.0, 11.0), (11.0, 11.0), (11.0, 7.0))

Answer = dict[str, tuple[float | None, str, frozenset[str]]]
"""By lesion: its volume, the code why there is none, and flags."""


def written(folder: Path) -> dict[str, Path]:
    """Write one file of every object, small: a mutant changes one of them."""
    voxels = stack_voxels(GEOMETRY)
    paths = write_series(folder / "classic", GEOMETRY, voxels, series_uid=SERIES)
    enhanced = write_enhanced(folder / "enhanced" / "e.dcm", GEOMETRY, voxels, series_uid=SERIES)
    contours = (*squares(range(N_SLICES)), ring(1, HOLE, is_hole=True))
    items = contour_items(trace_of(contours, GEOMETRY))
    filled = np.zeros(voxels.shape, np.uint8)
    filled[1:3, 4:14, 4:14] = 1
    other = np.zeros_like(filled)
    other[2:, 12:18, 12:18] = 1
    outlines = write_rtstruct(folder / "rs.dcm", {"L1": items, "L2": items[2:4]}, series_uid=SERIES)
    seg = write_seg(folder / "seg.dcm", GEOMETRY, {"L1": filled, "L2": other}, series_uid=SERIES)
    write_rtstruct(folder / "plain.dcm", {"L1": items}, series_uid=SERIES)
    return {"classic": paths[1], "enhanced": enhanced, "rtstruct": outlines, "seg": seg}


def answer(folder: Path, name: str) -> Answer:
    """Return what a whole folder says: volumes of every lesion, or the code that stands instead."""
    if name in ("classic", "enhanced"):
        images, traced = folder / name, folder / "plain.dcm"
    else:
        images, traced = folder / "classic", folder / f"{'rs' if name == 'rtstruct' else name}.dcm"
    found: Answer = {}
    try:
        for region in vm.formats.read_regions(traced, scan=images):
            found[region.name] = measured(region)
        if name in ("classic", "enhanced"):
            vm.read_scan(images)
        if name == "seg":
            vm.read_mask(traced, scan=images)
    except VolumetryError as error:
        found["file"] = (None, error.code, frozenset())
    assert all(code in ERROR_CODES or not code for _, code, _ in found.values())
    return found


def measured(region: RegionSections) -> tuple[float | None, str, frozenset[str]]:
    if region.sections is None:
        assert region.error is not None
        return None, region.error.code, frozenset()
    try:
        volume = vm.measure_volume(region.sections)
    except VolumetryError as error:
        return None, error.code, frozenset(region.sections.flags)
    return volume.volume_mm3, volume.code, frozenset((*volume.flags, *region.sections.flags))


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Bytes flipped, cut, doubled, lost and overwritten, mostly in the header."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5))):
        if not data:
            break
        place = rng.randrange(min(len(data), rng.choice((700, 1600, len(data)))))
        kind = rng.randrange(7)
        if kind == 0:
            data[place] = rng.randrange(256)
        elif kind == 1:
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 2:
            data[place : place + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x7f"))
        elif kind == 3:
            del data[place : place + rng.randrange(1, 40)]
        elif kind == 4:
            data[place:place] = data[place : place + rng.randrange(1, 40)]
        elif kind == 5:
            del data[max(1, place) :]
        else:
            end = rng.randrange(place, len(data) + 1)
            data[place:end] = bytes(end - place)
    return bytes(data) or b"\0"


TEXTS = [b"", b"0", b"-1", b"1", b"2", b"7", b"1.5", b"-0", b"1e300", b"-1e-13", b"nan", b"inf", b"1,5"]
TEXTS += [b"1_0", b"A\\B", b"1\\2", b"1\\0\\0\\0\\1\\0", b"0\\0\\0", b"\xff\xfe", b"1.2.3", b" ", b"POINT"]
TEXTS += [b"99999999999"]


def edited(content: Dataset, rng: random.Random) -> Dataset:
    """Values that people and programs change: another text, nothing, twice, lost, another number of items."""
    ds = copy.deepcopy(content)
    for _ in range(rng.choice((1, 1, 2, 3))):
        holders = [ds]
        for element in ds.iterall():
            if element.VR == "SQ":
                holders += list(element.value)
        here = rng.choice(holders if rng.random() < 0.7 else [ds])
        elements = [e for e in here if e.tag != 0x7FE00010]
        if not elements:
            continue
        element = rng.choice(elements)
        if element.VR == "SQ":
            items = list(element.value)
            kind = rng.randrange(4)
            if kind == 0 or not items:
                element.value = []
            elif kind == 1:
                element.value = [*items, copy.deepcopy(rng.choice(items))]
            elif kind == 2:
                element.value = items[:-1]
            else:
                rng.shuffle(items)
                element.value = items
        elif rng.random() < 0.15:
            del here[element.tag]
        else:
            raw = rng.choice(TEXTS)
            if isinstance(element.value, int) and rng.random() < 0.5:
                raw = rng.choice((0, 1, 2, 255, 65535)).to_bytes(2, "little")
            kind = "UN" if rng.random() < 0.1 else element.VR
            # Raw, as pydicom would not write what is not of its kind.
            here._dict[element.tag] = RawDataElement(element.tag, kind, len(raw), raw, 0, False, True)
    return ds


def saved(ds: Dataset, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds.save_as(path, enforce_file_format=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    folder = tmp_path_factory.mktemp("mutants of DICOM")
    return folder, written(folder)


OBJECTS = ("classic", "enhanced", "rtstruct", "seg")


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", OBJECTS)
def test_damaged_bytes_are_answered(made: tuple[Path, dict[str, Path]], name: str) -> None:
    folder, paths = made
    content, rng = paths[name].read_bytes(), random.Random(7)
    right = answer(folder, name)
    assert all(volume for volume, _, _ in right.values())
    try:
        for number in range(COUNT):
            paths[name].write_bytes(damaged(content, rng))
            try:
                answer(folder, name)
            except Exception as error:
                raise AssertionError(f"mutant {number} of {name}") from error
    finally:
        paths[name].write_bytes(content)
    assert answer(folder, name) == right


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", OBJECTS)
def test_edited_values_are_answered(
    made: tuple[Path, dict[str, Path]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
    folder, paths = made
    content, rng = paths[name].read_bytes(), random.Random(11)
    ds = pydicom.dcmread(paths[name])
    right, n_written = answer(folder, name), 0
    try:
        while n_written < COUNT:
            try:
                saved(edited(ds, rng), paths[name])
            except Exception:  # noqa: BLE001 - pydicom cannot write it at all
                continue
            n_written += 1
            try:
                answer(folder, name)
            except Exception as error:
                raise AssertionError(f"mutant {n_written} of {name}") from error
    finally:
        paths[name].write_bytes(content)
    assert answer(folder, name) == right


# -- files that contradict themselves ----------------------------------------------------------------------

Contradict = Callable[[Dataset, random.Random], None]


def _frame(ds: Dataset, rng: random.Random) -> Any:
    return rng.choice(list(ds.PerFrameFunctionalGroupsSequence))


def _ring(ds: Dataset, rng: random.Random) -> Any:
    return rng.choice([c for region in ds.ROIContourSequence for c in region.ContourSequence])


def _set(**values: Callable[[Dataset, random.Random], Any]) -> Contradict:
    def change(ds: Dataset, rng: random.Random) -> None:
        for name, value in values.items():
            setattr(ds, name, value(ds, rng))

    return change


def _ring_type(ds: Dataset, rng: random.Random) -> None:
    _ring(ds, rng).ContourGeometricType = rng.choice(
        ["OPEN_PLANAR", "POINT", "OPEN_NONPLANAR", "", "CLOSED", "X"]
    )


def _ring_without_type(ds: Dataset, rng: random.Random) -> None:
    del _ring(ds, rng).ContourGeometricType


def _ring_count(ds: Dataset, rng: random.Random) -> None:
    item = _ring(ds, rng)
    item.NumberOfContourPoints = int(item.NumberOfContourPoints) + rng.choice((-2, -1, 1, 5))


def _ring_cut(ds: Dataset, rng: random.Random) -> None:
    item = _ring(ds, rng)
    item.ContourData = list(item.ContourData)[: -rng.choice((1, 2, 3, 6))]


def _ring_between_slices(ds: Dataset, rng: random.Random) -> None:
    item, step = _ring(ds, rng), rng.uniform(0.6, 3.4)
    points = np.array(item.ContourData, float).reshape(-1, 3) + GEOMETRY.normal * step
    item.ContourData = [f"{x:.6f}" for x in points.ravel()]


def _ring_across(ds: Dataset, rng: random.Random) -> None:
    item = _ring(ds, rng)
    points = np.array(item.ContourData, float).reshape(-1, 3)
    points[0] += GEOMETRY.normal * rng.uniform(0.5, 6)
    item.ContourData = [f"{x:.6f}" for x in points.ravel()]


def _region_number(ds: Dataset, rng: random.Random) -> None:
    rng.choice(list(ds.ROIContourSequence)).ReferencedROINumber = rng.choice((0, 7, 99))


def _regions_of_one_number(ds: Dataset, _: random.Random) -> None:
    ds.StructureSetROISequence[1].ROINumber = ds.StructureSetROISequence[0].ROINumber


def _segment_of_frame(ds: Dataset, rng: random.Random) -> None:
    item = _frame(ds, rng).SegmentIdentificationSequence[0]
    item.ReferencedSegmentNumber = rng.choice((0, 3, 9, 65535))


def _segments_of_one_number(ds: Dataset, _: random.Random) -> None:
    ds.SegmentSequence[1].SegmentNumber = ds.SegmentSequence[0].SegmentNumber


def _segment_not_listed(ds: Dataset, rng: random.Random) -> None:
    del ds.SegmentSequence[rng.randrange(2)]


def _frame_twice(ds: Dataset, rng: random.Random) -> None:
    groups = list(ds.PerFrameFunctionalGroupsSequence)
    one, other = rng.sample(range(len(groups)), 2)
    groups[one] = copy.deepcopy(groups[other])
    ds.PerFrameFunctionalGroupsSequence = groups


def _frame_beside(ds: Dataset, rng: random.Random) -> None:
    plane = _frame(ds, rng).PlanePositionSequence[0]
    position = np.array(plane.ImagePositionPatient, float) + GEOMETRY.normal * rng.uniform(0.3, 3.7)
    plane.ImagePositionPatient = [f"{x:.6f}" for x in position]


def _frame_without_place(ds: Dataset, rng: random.Random) -> None:
    del _frame(ds, rng).PlanePositionSequence


def _frames_said(ds: Dataset, rng: random.Random) -> None:
    ds.NumberOfFrames = max(1, int(ds.NumberOfFrames) + rng.choice((-2, -1, 1, 7)))


def _groups_lost(ds: Dataset, rng: random.Random) -> None:
    groups = list(ds.PerFrameFunctionalGroupsSequence)
    del groups[rng.randrange(len(groups))]
    ds.PerFrameFunctionalGroupsSequence = groups


def _larger_matrix(ds: Dataset, rng: random.Random) -> None:
    ds.Rows = ds.Rows * rng.choice((2, 3, 9))


def _other_bits(ds: Dataset, rng: random.Random) -> None:
    ds.BitsStored, ds.HighBit = rng.choice([(33, 32), (0, 0), (12, 20), (70, 69), (8, 99)])


def _no_directions(ds: Dataset, rng: random.Random) -> None:
    ds.ImageOrientationPatient = rng.choice(
        [
            [1, 0, 0, 1, 0, 0],
            [0, 0, 0, 0, 0, 0],
            [2, 0, 0, 0, 2, 0],
            [1, 0, 0, 0.5, 0.5, 0],
            [3, 1, 2, 1, 1, 1],
        ]
    )


def _shared_directions(ds: Dataset, rng: random.Random) -> None:
    shared = ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    _no_directions(shared, rng)


def _position_of_another(ds: Dataset, rng: random.Random) -> None:
    other = rng.choice([0, 2, 3])
    ds.ImagePositionPatient = [f"{x:g}" for x in GEOMETRY.slice_origins_mm[other]]


def _thickness_no_length(ds: Dataset, rng: random.Random) -> None:
    ds.SliceThickness = rng.choice(["0", "-4", "9", "40"])


def _other_pixel_spacing(ds: Dataset, rng: random.Random) -> None:
    ds.PixelSpacing = rng.choice(
        [["0.5", "0.9"], ["5", "8"], ["0", "0.8"], ["-0.5", "0.8"], ["1e-13", "1e-13"]]
    )


CONTRADICTIONS: dict[str, list[Contradict]] = {
    "classic": [
        _larger_matrix,
        _other_bits,
        _no_directions,
        _position_of_another,
        _thickness_no_length,
        _other_pixel_spacing,
        _set(SpacingBetweenSlices=lambda _, rng: rng.choice(["1", "8", "40", "-1"])),
        _set(NumberOfFrames=lambda _, rng: rng.choice((2, 9, 4000))),
        _set(SOPInstanceUID=lambda *_: "1.2.3.4", SeriesInstanceUID=lambda *_: "1.2.3"),
    ],
    "enhanced": [
        _larger_matrix,
        _other_bits,
        _frame_twice,
        _frame_without_place,
        _frames_said,
        _groups_lost,
        _shared_directions,
    ],
    "rtstruct": [
        _ring_type,
        _ring_without_type,
        _ring_count,
        _ring_cut,
        _ring_between_slices,
        _ring_across,
        _region_number,
        _regions_of_one_number,
    ],
    "seg": [
        _larger_matrix,
        _segment_of_frame,
        _segments_of_one_number,
        _segment_not_listed,
        _frame_twice,
        _frame_beside,
        _frame_without_place,
        _frames_said,
        _groups_lost,
        _shared_directions,
    ],
}


def silent(right: Answer, found: Answer) -> list[str]:
    """Lesions that have another volume than there was, and no code and no flag that says so."""
    wrong = []
    if any(code for _, code, _ in found.values()):
        return wrong  # the file is answered for: a code, and who reads it sees that something is wrong
    unlisted = frozenset[str]().union(*(flags for _, _, flags in found.values())) & {"unlisted-label"}
    for lesion, (volume, _, flags) in right.items():
        now, _, more = found.get(lesion, (None, "", unlisted))  # the others say that a segment is not listed
        if now != pytest.approx(volume, rel=1e-6) and not more - flags:
            wrong.append(f"{lesion}: {volume} became {now}")
    return wrong


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", OBJECTS)
def test_contradictions_change_nothing_in_silence(
    made: tuple[Path, dict[str, Path]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
    folder, paths = made
    content, rng = paths[name].read_bytes(), random.Random(13)
    ds = pydicom.dcmread(paths[name])
    right = answer(folder, name)
    found: list[str] = []
    try:
        for _ in range(COUNT):
            contradict, changed = rng.choice(CONTRADICTIONS[name]), copy.deepcopy(ds)
            contradict(changed, rng)
            saved(changed, paths[name])
            found += [f"{contradict.__qualname__}: {text}" for text in silent(right, answer(folder, name))]
    finally:
        paths[name].write_bytes(content)
    assert sorted(set(found)) == []
