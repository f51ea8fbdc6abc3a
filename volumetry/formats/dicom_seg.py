"""DICOM Segmentations: binary, fractional and label map; each frame at its own position, in any order.

A frame that is not there holds nothing of its segment: it is absent, and no slice is missing for it. The grid
is that of the series the segmentation was drawn on, where that is given or lies beside it. Else it is made of
the frames' positions and SpacingBetweenSlices of the segmentation, as far as the two agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import GeometryError, ReadError, VolumetryError
from volumetry.formats.dicom_elements import DicomElements, walk_file
from volumetry.formats.dicom_reference import (
    REFERENCE_SEQUENCES,
    REFERENCE_TAGS,
    References,
    SourceStack,
    check_belongs,
    references_of,
    source_beside,
    source_stack,
)
from volumetry.formats.dicom_seg_frames import FrameReader
from volumetry.formats.dicom_values import decode_text, decode_value
from volumetry.formats.dicom_walk import ElementSelection, Item
from volumetry.formats.grid_alignment import GridAlignment, align_grids
from volumetry.formats.limits import check_size
from volumetry.geometry import ScanGeometry
from volumetry.mask import LabelCounter, Mask, MaskLabel, find_label
from volumetry.scan import ScanSource
from volumetry.sections import CrossSections
from volumetry.trace import GRID_TOLERANCE

SEG_SOP_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")

MAX_SLICES = 65_536

_REFERENCES = ElementSelection(tags=REFERENCE_TAGS, sequences=REFERENCE_SEQUENCES)
_SELECTION = ElementSelection(
    tags=(
        *REFERENCE_TAGS,
        0x00280002,  # SamplesPerPixel
        0x00280008,  # NumberOfFrames
        0x00280010,  # Rows
        0x00280011,  # Columns
        0x00280100,  # BitsAllocated
        0x00280120,  # PixelPaddingValue
        0x00282110,  # LossyImageCompression
        0x00620001,  # SegmentationType
        0x0062000E,  # MaximumFractionalValue
    ),
    sequences=REFERENCE_SEQUENCES | {0x00620002, 0x52009229, 0x52009230},
)
_STEP_TOLERANCE = 1e-2
"""How far a step may be from a whole number of spacings, in spacings, to count as that number."""


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """One frame: its place in the file, the segment it shows (None: a label map), and where it lies."""

    number: int
    segment: int | None
    origin_mm: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class _Segmentation:
    """A segmentation as its header declares it."""

    elements: DicomElements
    references: References
    kind: str
    rows: int
    columns: int
    labels: tuple[MaskLabel, ...]
    frames: tuple[_Frame, ...]
    orientation: NDArray[np.float64]
    pixel_spacing_mm: tuple[float, float]
    slice_thickness_mm: float | None
    spacing_between_slices_mm: float | None
    maximum_fractional_value: int
    padding_value: int
    is_lossy: bool

    @property
    def path(self) -> str:
        return self.elements.path


@dataclass(frozen=True, kw_only=True)
class _Placed:
    """A segmentation on its grid: the slice of every frame."""

    geometry: ScanGeometry
    slice_indices: tuple[int, ...]
    alignment: GridAlignment
    source: ScanSource
    flags: tuple[str, ...]

    def aligned(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return a frame's pixels in the order of the grid."""
        return np.asarray(self.alignment.aligned(pixels[np.newaxis])[0])


def referenced(path: Path | str) -> References:
    """Return what a segmentation belongs to, without reading its frames.

    Raises
    ------
    ReadError
        As `volumetry.formats.dicom_elements.walk_file`.
    """
    return references_of(walk_file(path, _REFERENCES))


def list_segments(path: Path | str) -> tuple[MaskLabel, ...]:
    """Return the segments that a segmentation declares.

    Raises
    ------
    ReadError
    """
    return _read_header(path).labels


def read_mask(path: Path | str, *, threshold: float | None = None, scan: object = None) -> Mask:
    """Read a segmentation as a mask.

    Parameters
    ----------
    path : path
    threshold : float, optional
        From 0 to 1, for fractional segmentations: where the fraction is at least that, the segment is.
    scan : Scan, SourceStack or path, optional
        The scan it was drawn on; its grid is taken and must be the segmentation's.

    Returns
    -------
    Mask
        Segments that overlap lie on layers of their own.

    Raises
    ------
    ReadError
        Also ``not-labels`` where fractions are given and no threshold.
    GeometryError, MismatchError
        ``grid-mismatch``, ``duplicate-position``, ``patient-mismatch``, ``wrong-series``...
    """
    header = _read_header(path)
    placed = _place(header, scan)
    check_size(
        placed.geometry.n_slices * header.rows * header.columns * _dtype(header).itemsize,
        header.elements.file_bytes,
        path,
    )
    if header.kind == "LABELMAP":
        layers, labels = [_empty_layer(header, placed)], list(header.labels)
        for frame, pixels in _pixels(header, header.frames, threshold):
            layers[0][placed.slice_indices[frame.number]] = placed.aligned(pixels)
    else:
        layers, labels = _layers(header, placed, threshold)
    return Mask(
        layers=tuple(layers),
        geometry=placed.geometry,
        labels=tuple(labels),
        source=placed.source,
        flags=placed.flags,
        declared=True,
    )


def read_sections(
    path: Path | str,
    *,
    label: int | str | None = None,
    threshold: float | None = None,
    scan: object = None,
) -> tuple[CrossSections, ...]:
    """Measure the areas of every segment, or of the named one, frame by frame.

    Parameters
    ----------
    path, threshold, scan
        As in `read_mask`.
    label : int or str, optional
        SegmentNumber or SegmentLabel.

    Raises
    ------
    ReadError, GeometryError, MismatchError
        As `read_mask`.
    TraceError
        ``no-such-label``.
    """
    header = _read_header(path)
    labels = header.labels
    if label is not None:
        named = int(label) if isinstance(label, str) and label.isdecimal() else label
        known = {x for found in labels for x in (found.number, found.name)}
        labels = (find_label(labels, label if label in known else named, declared=True),)
    placed = _place(header, scan)
    counters = {found.number: LabelCounter(placed.geometry, only=1) for found in labels}
    wanted = [frame for frame in header.frames if frame.segment is None or frame.segment in counters]
    for frame, pixels in _pixels(header, wanted, threshold):
        index, pixels = placed.slice_indices[frame.number], placed.aligned(pixels)
        if frame.segment is not None:
            counters[frame.segment].add(index, pixels)
            continue
        for number in np.flatnonzero(np.bincount(pixels.ravel())).tolist():
            if number in counters:
                counters[number].add(index, pixels == number)
    return tuple(
        replace(
            counters[found.number].cross_sections(
                MaskLabel(number=1, name=found.name), source=placed.source, flags=placed.flags
            ),
            label=found.number,
        )
        for found in labels
    )


# -- the header -------------------------------------------------------------------------------------------


def _read_header(path: Path | str) -> _Segmentation:
    elements = walk_file(path, _SELECTION)
    if elements.value(0x00080016) not in SEG_SOP_CLASSES:
        raise ReadError(
            "unsupported-format", "the file is no segmentation", where=path, todo="Name a DICOM SEG file."
        )
    declared = elements.value(0x00620001)
    kind = declared[0] if isinstance(declared, tuple) else None
    if kind not in ("BINARY", "FRACTIONAL", "LABELMAP"):
        raise ReadError(
            "unsupported-format",
            "the segmentation is of an unknown type",
            where=path,
            values={"type": str(kind)[:16]},
            todo="Export it as a binary, fractional or label map segmentation.",
        )
    shared = (elements.sequences.get(0x52009229) or [{}])[0]
    groups = elements.sequences.get(0x52009230, [])
    n_frames = _number(elements, 0x00280008, 1)
    if not groups or len(groups) != n_frames:
        raise _unreadable(
            path, "frames lack their functional groups", frames=n_frames, functional_groups=len(groups)
        )
    padding = _number(elements, 0x00280120, 0)
    segments = _labels(elements, {0, padding} if kind == "LABELMAP" else set())
    measures = _shared_values(shared, groups, 0x00289110, 0x00280030, 2, path)
    if measures is None:
        raise GeometryError(
            "no-pixel-spacing",
            "the segmentation has no PixelSpacing",
            where=path,
            todo="Export the segmentation again.",
        )
    orientation = _shared_values(shared, groups, 0x00209116, 0x00200037, 6, path)
    if orientation is None:
        raise _unreadable(path, "the segmentation does not say how its frames lie in the patient")
    return _Segmentation(
        elements=elements,
        references=references_of(elements),
        kind=str(kind),
        rows=_number(elements, 0x00280010, 0),
        columns=_number(elements, 0x00280011, 0),
        labels=segments,
        frames=_frames(elements, shared, groups, str(kind), segments),
        orientation=np.array(orientation),
        pixel_spacing_mm=(measures[0], measures[1]),
        slice_thickness_mm=_one(_shared_values(shared, groups, 0x00289110, 0x00180050, 1, path)),
        spacing_between_slices_mm=_one(_shared_values(shared, groups, 0x00289110, 0x00180088, 1, path)),
        maximum_fractional_value=_number(elements, 0x0062000E, 255),
        padding_value=padding,
        is_lossy=elements.value(0x00282110) == ("01",),
    )


def _labels(elements: DicomElements, background: set[int]) -> tuple[MaskLabel, ...]:
    character_set = elements.raw(0x00080005) or b""
    labels: dict[int, MaskLabel] = {}
    for item in elements.sequences.get(0x00620002, []):
        number = _item_number(item, 0x00620004, elements)
        if number is None or number in labels:
            raise _unreadable(elements.path, "segments have no number, or the same", number=number)
        name = decode_text(item.get(0x00620005, b""), character_set)
        labels[number] = MaskLabel(number=number, name=name)
    return tuple(labels[n] for n in sorted(labels) if n not in background)


def _frames(
    elements: DicomElements, shared: Item, groups: Sequence[Item], kind: str, labels: Sequence[MaskLabel]
) -> tuple[_Frame, ...]:
    known = {label.number for label in labels}
    frames = []
    for number, group in enumerate(groups):
        segment = None
        if kind != "LABELMAP":
            # A file of one segment may name it once for all frames, or not at all.
            item = (group.get(0x0062000A) or shared.get(0x0062000A) or [{}])[0]
            segment = _item_number(item, 0x0062000B, elements)
            if segment is None and len(known) == 1:
                (segment,) = known
            if segment not in known:
                raise _unreadable(
                    elements.path, "a frame shows a segment that is not listed", segment=segment
                )
        plane = (group.get(0x00209113) or shared.get(0x00209113) or [{}])[0]
        origin = _item_values(plane, 0x00200032, 3, elements.path)
        if origin is None:
            raise _unreadable(elements.path, "a frame does not say where it lies", frame=number + 1)
        frames.append(_Frame(number=number, segment=segment, origin_mm=np.array(origin)))
    return tuple(frames)


def _shared_values(
    shared: Item, groups: Sequence[Item], sequence: int, tag: int, count: int, path: Path | str
) -> tuple[float, ...] | None:
    """Values that all frames share, wherever they stand; frames that differ are no one stack."""
    items = [group[sequence][0] for group in groups if group.get(sequence)]
    if not items:
        return _item_values((shared.get(sequence) or [{}])[0], tag, count, path)
    raw = {item.get(tag, b"") for item in items}
    values = {_item_values({tag: one}, tag, count, path) for one in raw}
    first = next(iter(values))
    for other in values - {first}:
        if first is None or other is None or not np.allclose(first, other, rtol=1e-4, atol=1e-5):
            raise GeometryError(
                "inconsistent-series",
                "frames of the segmentation differ in orientation or spacing",
                where=path,
                values={"one": first, "other": other},
                todo="Export one segmentation for each stack.",
            )
    return first


def _item_values(item: Item, tag: int, count: int, path: Path | str) -> tuple[float, ...] | None:
    value = decode_value(tag, item.get(tag, b""), where=path)
    if value is None:
        return None
    if len(value) != count:
        raise _unreadable(path, "an element has another number of values than it should", found=len(value))
    return cast("tuple[float, ...]", value)


def _item_number(item: Item, tag: int, elements: DicomElements) -> int | None:
    value = decode_value(tag, item.get(tag, b""), little_endian=elements.little_endian, where=elements.path)
    return value[0] if isinstance(value, tuple) and isinstance(value[0], int) else None


def _number(elements: DicomElements, tag: int, default: int) -> int:
    value = elements.value(tag)
    return value[0] if isinstance(value, tuple) and isinstance(value[0], int) else default


def _one(values: tuple[float, ...] | None) -> float | None:
    return None if values is None else values[0]


def _unreadable(where: Path | str, what: str, **values: Any) -> ReadError:
    return ReadError("unreadable", what, where=where, values=values, todo="Export the segmentation again.")


# -- the grid ---------------------------------------------------------------------------------------------


def _place(header: _Segmentation, scan: object) -> _Placed:
    try:
        return _on_grid(header, scan)
    except VolumetryError as error:
        raise error.at(header.path) from None


def _on_grid(header: _Segmentation, scan: object) -> _Placed:
    stack: SourceStack | None
    if scan is None:
        stack = source_beside(header.path, header.references)
    else:
        stack = source_stack(header.path, header.references, scan)
    flags = {"lossy"} if header.is_lossy else set()
    alignment = GridAlignment()
    if stack is not None:
        flags |= check_belongs(header.references, stack, header.path)
        geometry, source = stack.geometry, stack.source
        found_slices = [_slice_of(header, frame, geometry) for frame in header.frames]
        indices = tuple(index for index, _ in found_slices)
        alignment = found_slices[0][1]  # the same for all: they share one orientation
        flags |= set(stack.flags)
    else:
        geometry, indices, found = _own_geometry(header)
        flags |= found
        source = _own_source(header.references)
    _check_frames_differ(header, indices)
    return _Placed(
        geometry=geometry,
        slice_indices=indices,
        alignment=alignment,
        source=source,
        flags=tuple(flags),
    )


def _own_source(references: References) -> ScanSource:
    series = references.referenced_series_uids
    return ScanSource(
        patient=references.patient,
        series_uid=series[0] if len(series) == 1 else "",
        study_date=references.study_date,
        format="dicom",
    )


def _slice_of(header: _Segmentation, frame: _Frame, geometry: ScanGeometry) -> tuple[int, GridAlignment]:
    """Return the slice of a scan that a frame covers, pixel for pixel, and which way round."""
    index, _ = geometry.nearest_slice(frame.origin_mm)
    there = replace(geometry, slice_origins_mm=geometry.slice_origins_mm[index : index + 1])
    return index, align_grids(_plane(header, frame.origin_mm), there, where=header.path)


def _plane(header: _Segmentation, origin_mm: NDArray[np.float64]) -> ScanGeometry:
    """Return the geometry of one frame."""
    return ScanGeometry(
        rows=header.rows,
        columns=header.columns,
        pixel_spacing_mm=header.pixel_spacing_mm,
        row_direction=header.orientation[:3],
        column_direction=header.orientation[3:],
        slice_origins_mm=origin_mm,
        slice_thickness_mm=header.slice_thickness_mm or None,
        frame_of_reference_uid=next(iter(header.references.frame_of_reference_uids), None),
    )


def _own_geometry(header: _Segmentation) -> tuple[ScanGeometry, tuple[int, ...], set[str]]:
    origins = np.array([frame.origin_mm for frame in header.frames])
    if not np.isfinite(origins).all():
        raise GeometryError("bad-spacing", "a position is not finite", todo="Export the segmentation again.")
    flat = _plane(header, origins[0])
    along = origins @ flat.normal
    order = np.argsort(along, kind="stable")
    is_new = np.diff(along[order], prepend=-np.inf) > GRID_TOLERANCE * min(header.pixel_spacing_mm)
    position = np.empty(len(along), dtype=np.intp)
    position[order] = np.cumsum(is_new) - 1
    distinct = origins[order][is_new]
    numbers, flags = _slice_numbers(along[order][is_new], header)
    if numbers[-1] >= MAX_SLICES:
        raise ReadError(
            "too-large",
            "the frames lie further apart than slices are counted",
            values={"slices": int(numbers[-1]) + 1, "allowed": MAX_SLICES},
            todo="Check SpacingBetweenSlices, or name the scan with --scan.",
        )
    every = np.arange(numbers[-1] + 1)
    filled = np.column_stack([np.interp(every, numbers, distinct[:, axis]) for axis in range(3)])
    return replace(flat, slice_origins_mm=filled), tuple(int(numbers[p]) for p in position), flags


def _slice_numbers(
    positions_mm: NDArray[np.float64], header: _Segmentation
) -> tuple[NDArray[np.intp], set[str]]:
    """Return which slice each position is, counting slices that no frame shows, and flags.

    SpacingBetweenSlices is believed where the positions are whole numbers of it apart: then slices without
    a frame are absent. Where it holds the gap between slices instead, or nothing that fits, the positions
    alone count.
    """
    consecutive = np.arange(len(positions_mm))
    spacing = header.spacing_between_slices_mm
    if spacing is None or len(positions_mm) < 2:
        return consecutive, set()
    steps = np.diff(positions_mm)
    disagrees = {"spacing-tag-disagrees"}
    if not (np.isfinite(spacing) and spacing > 0):
        return consecutive, disagrees
    multiples = np.rint(steps / spacing)
    off = np.abs(steps / spacing - multiples)
    if multiples.min() < 1 or off.max() > _STEP_TOLERANCE:
        return consecutive, disagrees
    thickness = header.slice_thickness_mm
    holds_gap = (
        thickness is not None and abs(spacing + thickness - steps.min()) <= _STEP_TOLERANCE * thickness
    )
    if multiples.min() > 1 and holds_gap:
        return consecutive, disagrees
    return np.concatenate(([0], np.cumsum(multiples))).astype(np.intp), set()


def _check_frames_differ(header: _Segmentation, indices: Sequence[int]) -> None:
    seen: set[tuple[int | None, int]] = set()
    for frame, index in zip(header.frames, indices, strict=True):
        if (frame.segment, index) in seen:
            raise GeometryError(
                "duplicate-position",
                "two frames of one segment lie at one position",
                where=header.path,
                values={"frame": frame.number + 1, "segment": frame.segment or "label map"},
                todo="Export one segmentation for each time point.",
            )
        seen.add((frame.segment, index))


# -- the pixels -------------------------------------------------------------------------------------------


def _pixels(
    header: _Segmentation, frames: Iterable[_Frame], threshold: float | None
) -> Iterator[tuple[_Frame, NDArray[Any]]]:
    """Yield frames with their labels: 0 and 1, or the numbers of a label map."""
    wanted = list(frames)
    known = np.array(sorted({0, *(label.number for label in header.labels)}))
    with FrameReader(
        header.elements, n_frames=len(header.frames), rows=header.rows, columns=header.columns
    ) as reader:
        for frame, pixels in zip(wanted, reader.read([f.number for f in wanted]), strict=True):
            if header.kind == "LABELMAP":
                yield frame, _known_labels(pixels, known, header)
            elif header.kind == "FRACTIONAL":
                yield frame, _fraction_to_label(pixels, header, threshold)
            else:
                yield frame, pixels


def _known_labels(pixels: NDArray[Any], known: NDArray[Any], header: _Segmentation) -> NDArray[Any]:
    if header.padding_value and header.padding_value not in known:
        pixels = np.where(pixels == header.padding_value, 0, pixels)
    found = np.flatnonzero(np.bincount(pixels.ravel()))
    strange = np.setdiff1d(found, known)
    if strange.size:
        raise _unreadable(
            header.path, "a pixel has a value that no segment is listed for", value=int(strange[0])
        )
    return pixels


def _fraction_to_label(pixels: NDArray[Any], header: _Segmentation, threshold: float | None) -> NDArray[Any]:
    largest = header.maximum_fractional_value
    if threshold is None:
        present = pixels != 0
        if not np.array_equal(pixels[present], np.full(int(present.sum()), largest)):
            raise ReadError(
                "not-labels",
                "the segmentation holds fractions, and no threshold says which belong to the lesion",
                where=header.path,
                values={"smallest": int(pixels[present].min()), "maximum fractional value": largest},
                todo="Give a --threshold from 0 to 1.",
            )
        return np.asarray(present)
    # Above the whole number below: 0.5 of 255 is 127.5, and rounding must not decide.
    return np.asarray((pixels > 0) & (pixels >= threshold * largest * (1 - 1e-9)))


def _dtype(header: _Segmentation) -> np.dtype[Any]:
    largest = max((label.number for label in header.labels), default=1)
    return np.dtype(np.uint8 if largest < 256 else np.uint16)


def _empty_layer(header: _Segmentation, placed: _Placed) -> NDArray[Any]:
    geometry = placed.geometry
    shape = (geometry.n_slices, geometry.rows, geometry.columns)
    return np.zeros(shape, dtype=_dtype(header))


def _layers(
    header: _Segmentation, placed: _Placed, threshold: float | None
) -> tuple[list[NDArray[Any]], list[MaskLabel]]:
    """Put every segment wholly on the first layer where it covers no other."""
    layers = [_empty_layer(header, placed)]
    labels = []
    for label in header.labels:
        mine = [frame for frame in header.frames if frame.segment == label.number]
        slices = [
            (placed.slice_indices[frame.number], np.asarray(placed.aligned(pixels), dtype=bool))
            for frame, pixels in _pixels(header, mine, threshold)
        ]
        place = next(
            (n for n, layer in enumerate(layers) if not any(layer[i][inside].any() for i, inside in slices)),
            len(layers),
        )
        if place == len(layers):
            layers.append(_empty_layer(header, placed))
        for index, inside in slices:
            layers[place][index][inside] = label.number
        labels.append(replace(label, layer=place))
    return layers, labels


__all__ = ["list_segments", "read_mask", "read_sections", "referenced"]
