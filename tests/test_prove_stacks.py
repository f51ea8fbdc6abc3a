"""Any stack in any files, and tracings that name any part of it: the analytic volume, or the right code.

Positions, thicknesses, gaps and planes; phases told apart in nine ways; image types and echoes that jitter
within a stack; classic files, Enhanced files of one frame, concatenations and whole Enhanced files, shuffled,
with other files beside them. An RTSTRUCT and a SEG name any part of any phase, image by image, by the series
or by nothing.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from dicom_phantoms import uid_of, write_enhanced, write_series
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from phantoms import (
    AXIAL,
    CORONAL,
    SAGITTAL,
    contour_item,
    rotation,
    squares,
    trace_of,
    write_rtstruct,
    write_seg,
)
from pydicom.dataset import Dataset

import volumetry as vm
from volumetry.errors import VolumetryError
from volumetry.geometry import ScanGeometry

SERIES = "1.2.826.0.1.3680043.10.79"
EXAMPLES = 2000 if os.environ.get("VOLUMETRY_PROVE") else 100
ROWS, COLUMNS = 24, 32
AREA_MM2 = 100.0
OBLIQUE = rotation((20, -15, 30))
PLANES = {
    "axial": AXIAL,
    "coronal": CORONAL,
    "sagittal": SAGITTAL,
    "oblique": (OBLIQUE[:, 0], OBLIQUE[:, 1]),
    "feet first": ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0)),
}
CLASSIC_WAYS = ("time", "acquisition", "trigger", "clock", "number", "echo", "b-value", "type", "series")
ENHANCED_WAYS = ("time", "echo", "b-value", "type", "stack", "series")
JITTERS = ("none", "NORM", "fourth", "echo time", "echo number", "direction", "spacing tag", "spacing text")
NAMED = ("images", "images alone", "series", "nothing")
BESIDE = ("nothing", "copy", "localizer", "AppleDouble", "text", "report")

Numbers = list[float]


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One volume as it was made: geometry, thickness of every slice (None: not stated), a lost slice."""

    geometry: ScanGeometry
    thick: list[float] | None
    lost: int | None
    plane: str


@dataclass(frozen=True, kw_only=True)
class Files:
    """How volumes are written: layout, phases and what tells them apart, what jitters within a stack."""

    layout: str
    per_file: int
    n_phases: int
    by: str
    jitter: str
    beside: str
    together: bool


@dataclass(frozen=True, kw_only=True)
class Lesion:
    """A lesion on the slices from `first` to `last` of one phase."""

    phase: int
    first: int
    last: int

    @property
    def slices(self) -> range:
        return range(self.first, self.last + 1)


@st.composite
def stacks(draw: st.DrawFn) -> Stack:
    n = draw(st.integers(4, 7))
    kinds = draw(
        st.sampled_from([(4.0,), (4.0, 7.0), (2.5, 7.5), (3.0, 2.0), (2.0, 4.0, 8.0), (0.6,), (None,)])
    )
    thick = None if kinds == (None,) else [kinds[i * len(kinds) // n] for i in range(n)]
    gap = draw(st.sampled_from([0.0, 0.0, 0.1, 0.4, 1.0, -0.5]))
    along = thick or [4.0] * n
    step = [(a + b) / 2 * (1 + gap / 4) for a, b in pairwise(along)]
    lost = draw(st.sampled_from([None, None, None, n // 2])) if n > 5 and len(kinds) == 1 else None
    if len(kinds) == 1 and lost is None and draw(st.booleans()):  # uneven positions
        uneven = draw(st.lists(st.sampled_from([1.0, 1.1, 0.95]), min_size=n - 1, max_size=n - 1))
        step = [a * b for a, b in zip(step, uneven, strict=True)]
    z = np.cumsum([draw(st.sampled_from([0.0, -37.25, 812.5])), *step])
    plane = draw(st.sampled_from(sorted(PLANES)))
    row, column = (np.asarray(d, float) for d in PLANES[plane])
    kept = [i for i in range(n) if i != lost]
    kept_thick = None if thick is None else [thick[i] for i in kept]
    same = kept_thick is not None and len(set(kept_thick)) == 1
    geometry = ScanGeometry(
        rows=ROWS,
        columns=COLUMNS,
        pixel_spacing_mm=(1.0, 1.0),
        row_direction=row,
        column_direction=column,
        slice_origins_mm=np.array([-11.5, 7.25, 3.0]) + np.outer(z[kept], np.cross(row, column)),
        slice_thickness_mm=kept_thick[0] if kept_thick is not None and same else None,
        slice_thicknesses_mm=None if kept_thick is None or same else kept_thick,
        frame_of_reference_uid="1.2.826.0.1.3680043.10.1",
    )
    return Stack(geometry=geometry, thick=kept_thick, lost=lost, plane=plane)


@st.composite
def layouts(draw: st.DrawFn) -> Files:
    layout = draw(st.sampled_from(["classic", "classic", "one frame", "concatenation", "one file"]))
    return Files(
        layout=layout,
        per_file=draw(st.integers(2, 5)),
        n_phases=draw(st.integers(1, 3)),
        by=draw(st.sampled_from(CLASSIC_WAYS if layout == "classic" else ENHANCED_WAYS)),
        jitter=draw(st.sampled_from(JITTERS)),
        beside=draw(st.sampled_from(BESIDE)),
        together=draw(st.booleans()),
    )


Name = tuple[str, int | None]
"""SOPInstanceUID of an image, and the number of the frame where it holds several."""


def series_of(files: Files, phase: int) -> str:
    return f"{SERIES}.{phase}" if files.by == "series" else SERIES


def write_classic(folder: Path, stack: Stack, files: Files, names: Sequence[str]) -> list[list[Name]]:
    for phase in range(files.n_phases):
        here = folder if files.together else folder / f"phase{phase}"
        first = phase * stack.geometry.n_slices
        write_series(
            here,
            stack.geometry,
            np.full((stack.geometry.n_slices, ROWS, COLUMNS), phase + 1, np.int16),
            series_uid=series_of(files, phase),
            names=names[first : first + stack.geometry.n_slices],
            change=changed_image(stack, files, phase),
        )
    n = range(stack.geometry.n_slices)
    return [[(uid_of("image", phase, i), None) for i in n] for phase in range(files.n_phases)]


def changed_image(stack: Stack, files: Files, phase: int) -> Callable[[Dataset, int], None]:
    """Return what makes an image one of a phase."""

    def change(ds: Dataset, index: int) -> None:
        ds.SOPInstanceUID = uid_of("image", phase, index)
        ds.ImageType = ["ORIGINAL", "PRIMARY", "P" if files.by == "type" and phase % 2 else "M", "ND"]
        ds.EchoTime, ds.InstanceNumber = "20", index + 1
        if stack.thick is not None:
            ds.SliceThickness = f"{stack.thick[index]:g}"
        set_phase(ds, files.by, phase, stack.geometry.n_slices, index)
        odd = index % 2 == 1
        if files.jitter == "NORM":
            ds.ImageType = [*ds.ImageType, *(["NORM"] if odd else [])]
        elif files.jitter == "fourth":
            ds.ImageType = [*list(ds.ImageType)[:3], "DIS2D" if odd else "ND"]
        elif files.jitter == "echo time":
            ds.EchoTime = f"{float(ds.EchoTime) + 0.01 * odd:.2f}"
        elif files.jitter == "echo number" and files.by != "echo":
            ds.EchoNumbers = 1 + (index == 1)
        elif files.jitter == "direction":
            turn = [float(x) + 1e-6 * odd for x in ds.ImageOrientationPatient]
            ds.ImageOrientationPatient = [f"{x:.9f}"[:16] for x in turn]
        elif files.jitter == "spacing tag":
            ds.SpacingBetweenSlices = "3.3" if odd else "4.4"
        elif files.jitter == "spacing text":
            ds.PixelSpacing = ["1.00000", "1"] if odd else ["1", "1.0"]

    return change


def set_phase(ds: Dataset, by: str, phase: int, n_slices: int, index: int) -> None:
    if by == "time":
        ds.TemporalPositionIdentifier = phase + 1
    elif by == "acquisition":
        ds.AcquisitionNumber = phase + 4
    elif by == "trigger":
        ds.TriggerTime = f"{37.5 * phase:g}"
    elif by == "clock":
        ds.AcquisitionTime = f"1200{phase:02d}.5"
    elif by == "number":
        ds.InstanceNumber = phase * n_slices + index + 1
    elif by == "echo":
        ds.EchoTime, ds.EchoNumbers = f"{20 + 40 * phase}", phase + 1
    elif by == "b-value":
        ds.DiffusionBValue = 500.0 * phase
    elif by == "type" and phase == 2:
        ds.ImageType = ["DERIVED", "SECONDARY", "ADC", "ND"]


def write_frames(folder: Path, stack: Stack, files: Files, order: Sequence[int]) -> list[list[Name]]:
    """Write frames of Enhanced images: `order` is that of all frames in the files, phase by phase counted."""
    n = stack.geometry.n_slices
    frames = [divmod(i, n) for i in order]
    size = {"one frame": 1, "concatenation": files.per_file, "one file": len(frames)}[files.layout]
    if files.by == "series":
        groups = [[f for f in frames if f[0] == phase] for phase in range(files.n_phases)]
    else:
        groups = [frames]
    pieces = [group[i : i + size] for group in groups for i in range(0, len(group), size)]
    names: list[list[Name]] = [[("", None)] * n for _ in range(files.n_phases)]
    for number, piece in enumerate(pieces):
        uid = uid_of("frames", number)
        for place, (phase, index) in enumerate(piece, start=1):
            names[phase][index] = (uid, place)
        # Positions are put into the functional groups: a stack out of order is no geometry.
        geometry = ScanGeometry(
            rows=ROWS,
            columns=COLUMNS,
            pixel_spacing_mm=(1.0, 1.0),
            row_direction=stack.geometry.row_direction,
            column_direction=stack.geometry.column_direction,
            slice_origins_mm=np.arange(len(piece))[:, None] * stack.geometry.normal,
            frame_of_reference_uid=stack.geometry.frame_of_reference_uid,
        )
        voxels = np.stack([np.full((ROWS, COLUMNS), phase + 1, np.int16) for phase, _ in piece])
        write_enhanced(
            folder / f"{number}.dcm",
            geometry,
            voxels,
            series_uid=series_of(files, piece[0][0]),
            shared_orientation=False,
            change=changed_frames(stack, files, piece, uid),
        )
    return names


def changed_frames(
    stack: Stack, files: Files, piece: Sequence[tuple[int, int]], uid: str
) -> Callable[[Dataset], None]:
    def change(ds: Dataset) -> None:
        ds.SOPInstanceUID = uid
        if files.layout == "concatenation":
            ds.ConcatenationUID = uid_of("concatenation")
        for group, (phase, index) in zip(ds.PerFrameFunctionalGroupsSequence, piece, strict=True):
            origin = stack.geometry.slice_origins_mm[index]
            group.PlanePositionSequence[0].ImagePositionPatient = [f"{x:.9f}"[:16] for x in origin]
            measures = Dataset()
            measures.PixelSpacing = [1.0, 1.0]
            if stack.thick is not None:
                measures.SliceThickness = stack.thick[index]
            group.PixelMeasuresSequence = [measures]
            content = group.FrameContentSequence[0]
            content.TemporalPositionIndex = 1 + phase * (files.by == "time")
            content.StackID = str(1 + phase * (files.by == "stack"))
            content.DimensionIndexValues = [1, index + 1, content.TemporalPositionIndex]
            kind, echo = Dataset(), Dataset()
            names = {0: ("ORIGINAL", "M"), 1: ("ORIGINAL", "P"), 2: ("DERIVED", "ADC")}
            first, third = names[phase if files.by == "type" else 0]
            fourth = "NORM" if files.jitter in ("NORM", "fourth") and index % 2 else "NONE"
            kind.FrameType = [first, "PRIMARY", third, fourth]
            group.MRImageFrameTypeSequence = [kind]
            jitter = 0.01 * (index % 2) * (files.jitter == "echo time")
            echo.EffectiveEchoTime = 20.0 + 40 * phase * (files.by == "echo") + jitter
            group.MREchoSequence = [echo]
            if files.by == "b-value":
                diffusion = Dataset()
                diffusion.DiffusionBValue = 500.0 * phase
                group.MRDiffusionSequence = [diffusion]

    return change


def put_beside(folder: Path, beside: str, stack: Stack) -> None:
    """Put another file beside the images: none of the stack."""
    first = next(p for p in sorted(folder.rglob("*")) if p.is_file())
    if beside == "copy":
        shutil.copy(first, folder / "copy.dcm")
    elif beside == "AppleDouble":
        (first.parent / f"._{first.name}").write_bytes(b"\0\5\x16\7" + b"\0" * 60)
    elif beside == "text":
        (folder / "notes.txt").write_text("read me")
    elif beside == "localizer":
        across = replace(
            stack.geometry,
            row_direction=stack.geometry.normal,
            column_direction=stack.geometry.row_direction,
            slice_origins_mm=stack.geometry.slice_origins_mm[:1],
            slice_thicknesses_mm=None,
        )

        def localizer(ds: Dataset, _: int) -> None:
            ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

        voxels = np.zeros((1, ROWS, COLUMNS), np.int16)
        write_series(folder / "scout", across, voxels, series_uid=SERIES, change=localizer)
    elif beside == "report":
        write_rtstruct(folder / "other.dcm", {"X": []}, series_uid=SERIES)


def expected_code(stack: Stack, lesion: Lesion) -> str:
    """The code of a lesion that has no volume, by the rules of the contract; empty where it has one."""
    if stack.lost is not None and lesion.first < stack.lost <= lesion.last:
        return "missing-slice"
    if stack.thick is None:
        return ""
    steps = np.diff(stack.geometry.slice_positions_mm)
    if len(set(stack.thick)) == 1:
        return "slices-overlap" if np.sort(steps)[(len(steps) - 1) // 2] < 0.99 * stack.thick[0] else ""
    means = [(a + b) / 2 for a, b in pairwise(stack.thick)]
    return "slices-overlap" if min(s / m for s, m in zip(steps, means, strict=True)) < 0.99 else ""


def expected_volume(stack: Stack, lesion: Lesion) -> float:
    """Area times thickness; where none is stated, area times half the way to each neighbour."""
    if stack.thick is not None:
        return AREA_MM2 * sum(stack.thick[i] for i in lesion.slices)
    z = stack.geometry.slice_positions_mm
    steps = [*np.diff(z)]
    if stack.lost is not None:
        steps[stack.lost - 1] = float("nan")
    below = [float("nan"), *steps]
    above = [*steps, float("nan")]
    total = 0.0
    for i in lesion.slices:
        sides = [s for s in (below[i], above[i]) if s == s]
        total += sum(sides) / len(sides)
    return AREA_MM2 * total


def structure_set(
    path: Path, stack: Stack, files: Files, lesions: Sequence[Lesion], names: list[list[Name]], named: str
) -> Path:
    """Write a structure set of lesions, each on images of its phase."""
    regions = {}
    for number, lesion in enumerate(lesions, start=1):
        items = []
        for contour in trace_of(squares(lesion.slices), stack.geometry).contours:
            points = stack.geometry.pixel_to_patient(contour.slice_index, contour.vertices)
            uid, frame = names[lesion.phase][contour.slice_index]
            item = contour_item(points, instance_uid=uid if named.startswith("images") else None)
            if named.startswith("images") and frame is not None:
                item.ContourImageSequence[0].ReferencedFrameNumber = frame
            items.append(item)
        regions[f"L{number}"] = items
    uid = "" if named in ("images alone", "nothing") else series_of(files, lesions[0].phase)
    return write_rtstruct(path, regions, series_uid=uid)


def segmentation(
    path: Path,
    stack: Stack,
    files: Files,
    lesion: Lesion,
    names: list[list[Name]],
    named: str,
    cropped: bool,
) -> Path:
    """Write a segmentation of one lesion, whose frames name their images or not, shuffled."""
    n, first = stack.geometry.n_slices, 2 if cropped else 0
    voxels = np.zeros((n, ROWS - 2 * first, COLUMNS - 2 * first), np.uint8)
    voxels[lesion.first : lesion.last + 1, 4 - first : 14 - first, 4 - first : 14 - first] = 1
    corner = stack.geometry.pixel_to_patient_matrix @ (first, first)
    geometry = replace(
        stack.geometry,
        rows=voxels.shape[1],
        columns=voxels.shape[2],
        slice_origins_mm=stack.geometry.slice_origins_mm + corner,
    )

    def change(ds: Dataset) -> None:
        if not named.startswith("images"):
            return
        for group in ds.PerFrameFunctionalGroupsSequence:
            position = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
            uid, frame = names[lesion.phase][geometry.nearest_slice(position)[0]]
            image, derived = Dataset(), Dataset()
            image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", uid
            if frame is not None:
                image.ReferencedFrameNumber = frame
            derived.SourceImageSequence = [image]
            group.DerivationImageSequence = [derived]

    uid = "" if named in ("images alone", "nothing") else series_of(files, lesion.phase)
    return write_seg(
        path,
        geometry,
        {"L1": voxels},
        series_uid=uid,
        order=lambda frames: frames[::-1],
        spacing_between_slices_mm=None,
        change=change,
    )


def references_decide(files: Files, named: str) -> bool:
    """Whether what a file names, or where its outlines lie, leaves one volume, or volumes of one geometry."""
    return files.n_phases == 1 or files.by != "series" or named in ("images", "images alone", "series")


def check(read: Callable[[], tuple[vm.CrossSections, ...]], stack: Stack, lesions: Sequence[Lesion]) -> None:
    for sections, lesion in zip(read(), lesions, strict=True):
        due = expected_code(stack, lesion)
        if due == "missing-slice":
            with pytest.raises(VolumetryError) as caught:
                vm.measure_volume(sections)
            assert caught.value.code == due
            continue
        measured = vm.measure_volume(sections)
        assert measured.code == due
        found = measured.volume_spacing_mm3 if stack.thick is None else measured.volume_thickness_mm3
        assert found == pytest.approx(expected_volume(stack, lesion), rel=1e-6)
        assert ("thickness-unknown" in measured.flags) == (stack.thick is None)


@pytest.mark.prove
@pytest.mark.timeout(3600)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(stack=stacks(), files=layouts(), data=st.data())
def test_any_part_of_any_stack(stack: Stack, files: Files, data: st.DataObject) -> None:
    n = stack.geometry.n_slices
    order = data.draw(st.permutations(range(n * files.n_phases)), "order")
    lesions = []
    for number in range(data.draw(st.integers(1, 2), "lesions")):
        phase = data.draw(st.integers(0, files.n_phases - 1), f"phase {number}")
        first = data.draw(st.integers(0, n - 1), f"first {number}")
        last = data.draw(st.integers(first, n - 1), f"last {number}")
        lesions.append(Lesion(phase=phase, first=first, last=last))
    named = data.draw(st.sampled_from(NAMED), "named")
    cropped = data.draw(st.booleans(), "cropped")
    event(f"{files.layout}, {files.n_phases} by {files.by}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if files.layout == "classic":
            names = write_classic(folder / "mr", stack, files, [f"I{i}" for i in order])
        else:
            names = write_frames(folder / "mr", stack, files, order)
        put_beside(folder / "mr", files.beside, stack)
        outlines = structure_set(folder / "rs.dcm", stack, files, lesions, names, named)
        filled = segmentation(folder / "seg.dcm", stack, files, lesions[0], names, named, cropped)
        for path, drawn in ((outlines, lesions), (filled, lesions[:1])):
            if references_decide(files, named):
                check(lambda path=path: vm.read_sections(path, scan=folder / "mr"), stack, drawn)  # type: ignore[misc]
            else:
                with pytest.raises(VolumetryError) as caught:
                    vm.read_sections(path, scan=folder / "mr")
                assert caught.value.code == "ambiguous-series"
