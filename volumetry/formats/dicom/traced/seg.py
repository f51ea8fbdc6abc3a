"""DICOM Segmentations: binary, fractional and label map; each frame at its own position, in any order.

A frame that is not there holds nothing of its segment: it is absent, and no slice is missing for it. The grid
is that of the series the segmentation was drawn on, where that is given or lies beside it. Else it is made of
the frames' positions and SpacingBetweenSlices of the segmentation, as far as the two agree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import ReadError
from volumetry.formats.dicom.file.elements import walk_file
from volumetry.formats.dicom.file.selection import ElementSelection
from volumetry.formats.dicom.traced.references import (
    FRAME_SEQUENCES,
    REFERENCE_SEQUENCES,
    REFERENCE_TAGS,
    References,
    references_of,
)
from volumetry.formats.dicom.traced.seg_frames import FrameReader
from volumetry.formats.dicom.traced.seg_grid import PlacedFrames, placed_on_grid
from volumetry.formats.dicom.traced.seg_header import (
    Segmentation,
    SegmentFrame,
    read_segmentation_header,
    unreadable,
)
from volumetry.formats.limits import check_size
from volumetry.masks.label_counter import LabelCounter
from volumetry.masks.labels import MaskLabel, find_label
from volumetry.masks.mask import Mask
from volumetry.sections import CrossSections

_REFERENCES = ElementSelection(tags=REFERENCE_TAGS, sequences=REFERENCE_SEQUENCES | FRAME_SEQUENCES)


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
    placed = placed_on_grid(header, scan)
    check_size(
        placed.geometry.n_slices * header.rows * header.columns * _dtype(header).itemsize,
        header.elements.file_bytes,
        path,
    )
    values = _segments_shown(header)
    if header.kind == "LABELMAP":
        layers, labels = [_empty_layer(header, placed)], list(header.labels)
        for frame, pixels in _pixels(header, header.frames, threshold, values):
            layers[0][placed.slice_indices[frame.number]] = placed.aligned(pixels)
    else:
        layers, labels = _layers(header, placed, threshold)
    return Mask(
        layers=tuple(layers),
        geometry=placed.geometry,
        labels=tuple(labels),
        source=placed.source,
        flags=(*placed.flags, *_unlisted(header, values)),
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
    placed = placed_on_grid(header, scan)
    counters = {found.number: LabelCounter(placed.geometry, only=1) for found in labels}
    wanted = [frame for frame in header.frames if frame.segment is None or frame.segment in counters]
    values = _segments_shown(header)
    for frame, pixels in _pixels(header, wanted, threshold, values):
        index, pixels = placed.slice_indices[frame.number], placed.aligned(pixels)
        if frame.segment is not None:
            counters[frame.segment].add(index, pixels)
            continue
        for number in np.flatnonzero(np.bincount(pixels.ravel())).tolist():
            if number in counters:
                counters[number].add(index, pixels == number)
    flags = (*placed.flags, *_unlisted(header, values))
    return tuple(
        replace(
            counters[found.number].cross_sections(
                replace(found, number=1), source=placed.source, flags=flags
            ),
            label=found.number,
            ends_known=placed.has_scan,
        )
        for found in labels
    )


# -- the pixels -------------------------------------------------------------------------------------------


def _pixels(
    header: Segmentation,
    frames: Iterable[SegmentFrame],
    threshold: float | None,
    values: set[int] | None = None,
) -> Iterator[tuple[SegmentFrame, NDArray[Any]]]:
    """Yield frames with their labels: 0 and 1, or the numbers of a label map, whose values are collected."""
    wanted = list(frames)
    known = np.array(sorted({0, *(label.number for label in header.labels)}))
    with FrameReader(
        header.elements, n_frames=len(header.frames), rows=header.rows, columns=header.columns
    ) as reader:
        for frame, pixels in zip(wanted, reader.read([f.number for f in wanted]), strict=True):
            if header.kind == "LABELMAP":
                yield frame, _known_labels(pixels, known, header, set() if values is None else values)
            elif header.kind == "FRACTIONAL":
                yield frame, _fraction_to_label(pixels, header, threshold)
            else:
                yield frame, _inside(pixels, header)


def _inside(pixels: NDArray[Any], header: Segmentation) -> NDArray[Any]:
    """Return 0 and 1 for a binary frame; written with 8 bits it may mark the segment with 255."""
    found = set(np.flatnonzero(np.bincount(pixels.ravel())).tolist()) - {0}
    if found - {1} and found != {255}:
        raise unreadable(
            header.path,
            "the pixels of a binary segmentation have values other than 0 and 1, or 0 and 255",
            values=" ".join(map(str, sorted(found)[:8])),
        )
    return np.asarray(pixels != 0, dtype=np.uint8) if found == {255} else pixels


def _known_labels(
    pixels: NDArray[Any], known: NDArray[Any], header: Segmentation, values: set[int]
) -> NDArray[Any]:
    """Return the labels of a frame, 0 for what is background or not listed; its values are collected."""
    if header.padding_value and header.padding_value not in known:
        pixels = np.where(pixels == header.padding_value, 0, pixels)
    found = np.flatnonzero(np.bincount(pixels.ravel()))
    values.update(found.tolist())
    return np.where(np.isin(pixels, known), pixels, 0) if np.setdiff1d(found, known).size else pixels


def _segments_shown(header: Segmentation) -> set[int]:
    """Return the segments that frames show; of a label map none, as its pixels say so."""
    return {frame.segment for frame in header.frames if frame.segment is not None}


def _unlisted(header: Segmentation, values: Collection[int]) -> tuple[str, ...]:
    """Return ``unlisted-label`` where frames or pixels show a segment that is not listed.

    Raises
    ------
    ReadError
        ``unreadable`` where a listed segment is not shown then: the numbers may be those of others.
    """
    listed = {label.number for label in header.labels}
    strange = sorted(set(values) - listed - {0})
    empty = sorted(listed - set(values))
    if strange and empty:
        raise unreadable(
            header.path,
            "a segment is shown that is not listed, and one that is listed is not shown",
            shown=strange[0],
            listed=empty[0],
        )
    return ("unlisted-label",) if strange else ()


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


def _empty_layer(header: Segmentation, placed: PlacedFrames) -> NDArray[Any]:
    geometry = placed.geometry
    shape = (geometry.n_slices, geometry.rows, geometry.columns)
    return np.zeros(shape, dtype=_dtype(header))


def _layers(
    header: Segmentation, placed: PlacedFrames, threshold: float | None
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
