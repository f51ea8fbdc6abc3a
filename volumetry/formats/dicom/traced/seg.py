"""DICOM Segmentations: binary, fractional and label map; each frame at its own position, in any order.

A frame that is not there holds nothing of its segment: it is absent, and no slice is missing for it. The grid
is that of the series the segmentation was drawn on, where that is given or lies beside it. Else it is made of
the frames' positions and SpacingBetweenSlices of the segmentation, as far as the two agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import GeometryError, ReadError, VolumetryError
from volumetry.formats.dicom.file.elements import walk_file
from volumetry.formats.dicom.file.walk import ElementSelection
from volumetry.formats.dicom.traced.images import images_beside, images_of
from volumetry.formats.dicom.traced.references import (
    FRAME_SEQUENCES,
    REFERENCE_SEQUENCES,
    REFERENCE_TAGS,
    References,
    SourceStack,
    check_belongs,
    references_of,
)
from volumetry.formats.dicom.traced.seg_frames import FrameReader
from volumetry.formats.dicom.traced.seg_header import (
    Segmentation,
    SegmentFrame,
    read_segmentation_header,
    unreadable,
)
from volumetry.formats.limits import check_size
from volumetry.formats.voxels.grid_alignment import GridAlignment, align_grids
from volumetry.geometry import GRID_TOLERANCE, ScanGeometry
from volumetry.mask import LabelCounter, Mask, MaskLabel, find_label
from volumetry.scan import ScanSource
from volumetry.sections import CrossSections

MAX_SLICES = 65_536

_REFERENCES = ElementSelection(tags=REFERENCE_TAGS, sequences=REFERENCE_SEQUENCES | FRAME_SEQUENCES)
_STEP_TOLERANCE = 1e-2
"""How far a step may be from a whole number of spacings, in spacings, to count as that number."""


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
        As `volumetry.formats.dicom.file.elements.walk_file`.
    """
    return references_of(walk_file(path, _REFERENCES))


def list_segments(path: Path | str) -> tuple[MaskLabel, ...]:
    """Return the segments that a segmentation declares.

    Raises
    ------
    ReadError
    """
    return read_segmentation_header(path).labels


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
    header = read_segmentation_header(path)
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
    header = read_segmentation_header(path)
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


# -- the grid ---------------------------------------------------------------------------------------------


def _place(header: Segmentation, scan: object) -> _Placed:
    try:
        return _on_grid(header, scan)
    except VolumetryError as error:
        raise error.at(header.path) from None


def _on_grid(header: Segmentation, scan: object) -> _Placed:
    stack = _stack_of(header, scan)
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


def _stack_of(header: Segmentation, scan: object) -> SourceStack | None:
    """Return the images it was drawn on; None where no scan is named and none lies beside it."""
    if scan is not None:
        images = images_of(header.path, header.references, scan)
        return images.stack_of((), partial(_lies_on, header))
    beside = images_beside(header.path, header.references)
    with suppress(VolumetryError):
        return None if beside is None else beside.stack_of((), partial(_lies_on, header))
    return None


def _lies_on(header: Segmentation, geometry: ScanGeometry) -> bool:
    """Whether every frame lies on a slice of a geometry."""
    tolerance_mm = GRID_TOLERANCE * (geometry.regular_step_mm or min(geometry.pixel_spacing_mm))
    return all(abs(geometry.nearest_slice(frame.origin_mm)[1]) <= tolerance_mm for frame in header.frames)


def _own_source(references: References) -> ScanSource:
    series = references.referenced_series_uids
    return ScanSource(
        patient=references.patient,
        series_uid=series[0] if len(series) == 1 else "",
        study_date=references.study_date,
        format="dicom",
    )


def _slice_of(header: Segmentation, frame: SegmentFrame, geometry: ScanGeometry) -> tuple[int, GridAlignment]:
    """Return the slice of a scan that a frame covers, pixel for pixel, and which way round."""
    index, _ = geometry.nearest_slice(frame.origin_mm)
    there = replace(geometry, slice_origins_mm=geometry.slice_origins_mm[index : index + 1])
    return index, align_grids(_plane(header, frame.origin_mm), there, where=header.path)


def _plane(header: Segmentation, origin_mm: NDArray[np.float64]) -> ScanGeometry:
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


def _own_geometry(header: Segmentation) -> tuple[ScanGeometry, tuple[int, ...], set[str]]:
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
    positions_mm: NDArray[np.float64], header: Segmentation
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


def _check_frames_differ(header: Segmentation, indices: Sequence[int]) -> None:
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
    header: Segmentation, frames: Iterable[SegmentFrame], threshold: float | None
) -> Iterator[tuple[SegmentFrame, NDArray[Any]]]:
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


def _known_labels(pixels: NDArray[Any], known: NDArray[Any], header: Segmentation) -> NDArray[Any]:
    if header.padding_value and header.padding_value not in known:
        pixels = np.where(pixels == header.padding_value, 0, pixels)
    found = np.flatnonzero(np.bincount(pixels.ravel()))
    strange = np.setdiff1d(found, known)
    if strange.size:
        raise unreadable(
            header.path, "a pixel has a value that no segment is listed for", value=int(strange[0])
        )
    return pixels


def _fraction_to_label(pixels: NDArray[Any], header: Segmentation, threshold: float | None) -> NDArray[Any]:
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


def _dtype(header: Segmentation) -> np.dtype[Any]:
    largest = max((label.number for label in header.labels), default=1)
    return np.dtype(np.uint8 if largest < 256 else np.uint16)


def _empty_layer(header: Segmentation, placed: _Placed) -> NDArray[Any]:
    geometry = placed.geometry
    shape = (geometry.n_slices, geometry.rows, geometry.columns)
    return np.zeros(shape, dtype=_dtype(header))


def _layers(
    header: Segmentation, placed: _Placed, threshold: float | None
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
