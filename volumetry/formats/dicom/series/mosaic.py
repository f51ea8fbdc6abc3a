"""Siemens mosaics: the slices of a volume side by side in one image.

The position of a mosaic is that of its own corner, as if it were one large image around the centre of the
first slice; the positions of its slices follow from the private CSA headers: the image header says how many
there are and in which direction they are stacked, and the protocol in the series header where each of them
lies. A mosaic with neither is refused, and one that does not lie where its protocol says.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import ReadError
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.pixels.frames import classic_frame
from volumetry.formats.dicom.series.csa_header import (
    Stacking,
    private_elements,
    slice_positions_of_protocol,
    stacking_of_image,
)
from volumetry.formats.dicom.series.slices import Slice, slices_of
from volumetry.formats.dicom.series.stacks import MosaicTile, SeriesStack, StackRefusal, stack_of_slices

_MAX_TILES = 4096

_POSITIONS_AGREE = 0.02
"""Largest distance between what a protocol and an image say of a place, in slice spacings."""


def stacks_of_file(header: DicomHeader) -> list[SeriesStack | StackRefusal]:
    """Return the one stack of a mosaic.

    Parameters
    ----------
    header : DicomHeader

    Raises
    ------
    ReadError
        ``unsupported-format`` where the CSA header is missing or does not fit the image; ``unreadable``.
    GeometryError
        As for any stack.
    """
    slices, unplaced = slices_of([header])
    if unplaced:
        raise _no_mosaic(header, "has no position")
    mosaic = slices[0]
    stacking = _facts(header, mosaic)
    count, direction = stacking.count, stacking.direction
    spacing_mm = _spacing_mm(header, mosaic, stacking)
    across = math.isqrt(count - 1) + 1
    rows, columns = (n // across for n in mosaic.kind.matrix)
    if not rows or not columns or rows * across != mosaic.kind.matrix[0]:
        raise _no_mosaic(
            header,
            "has a matrix that its number of slices does not divide",
            matrix=mosaic.kind.matrix,
            slices=count,
        )
    first = _first_origin(mosaic, rows, columns)
    kind = replace(mosaic.kind, matrix=(rows, columns))
    frame = classic_frame(header)
    tiles = [
        Slice(
            header=header,
            kind=kind,
            origin_mm=tuple(first + k * spacing_mm * direction),
            frame=replace(frame, index=k),  # stands for the tile until the stack is sorted
        )
        for k in range(count)
    ]
    stack = stack_of_slices(tiles)
    places = [divmod(f.index, across) for f in stack.frames]
    return [
        replace(
            stack,
            frames=(frame,) * count,
            tiles=tuple(MosaicTile(row=r * rows, column=c * columns) for r, c in places),
        )
    ]


def _spacing_mm(header: DicomHeader, mosaic: Slice, stacking: Stacking) -> float:
    spacing_mm = abs(mosaic.kind.spacing_between_slices_mm or stacking.spacing_mm or 0.0)
    if not (math.isfinite(spacing_mm) and spacing_mm > 0):
        raise _no_mosaic(header, "has no SpacingBetweenSlices")
    if stacking.spacing_mm and abs(spacing_mm - stacking.spacing_mm) > _POSITIONS_AGREE * spacing_mm:
        raise _no_mosaic(
            header,
            "has another SpacingBetweenSlices than its protocol",
            spacing_between_slices_mm=spacing_mm,
            protocol_mm=stacking.spacing_mm,
        )
    return spacing_mm


def _first_origin(mosaic: Slice, rows: int, columns: int) -> NDArray[np.float64]:
    """Return the centre of the first pixel of the first slice: the mosaic's corner, moved inwards."""
    row_direction, column_direction = np.reshape(mosaic.kind.orientation, (2, 3))
    between_rows_mm, between_columns_mm = mosaic.kind.pixel_spacing_mm or (math.nan, math.nan)
    all_rows, all_columns = mosaic.kind.matrix
    return np.asarray(
        np.asarray(mosaic.origin_mm)
        + row_direction * between_columns_mm * (all_columns - columns) / 2
        + column_direction * between_rows_mm * (all_rows - rows) / 2
    )


def _facts(header: DicomHeader, mosaic: Slice) -> Stacking:
    """Return how the slices are stacked, by the CSA image header, or by the protocol in the series header.

    Both stand in private elements, of which anonymisation often leaves but one.
    """
    elements = private_elements(header.path)
    normal = np.cross(*np.reshape(mosaic.kind.orientation, (2, 3)))
    try:
        found = stacking_of_image(elements.image)
        if found is None:
            positions = slice_positions_of_protocol(elements.series)
            found = None if positions is None else _by_positions(header, mosaic, positions)
    except ValueError:
        raise _no_mosaic(header, "has no readable CSA header") from None
    if found is None:
        raise _no_mosaic(header, "has neither a CSA image header nor the slices of its protocol")
    if elements.count not in (None, found.count):
        raise _no_mosaic(header, "has another number of slices than its CSA header")
    if not abs(abs(float(found.direction @ normal)) - 1) < 1e-2:
        raise _no_mosaic(header, "has slices that are not stacked along its normal")
    if not 1 <= found.count <= _MAX_TILES:
        raise _no_mosaic(header, "has a number of slices that is not possible")
    return found


def _by_positions(header: DicomHeader, mosaic: Slice, centres_mm: NDArray[np.float64]) -> Stacking:
    """Return the stacking of slices whose centres are known; the first tile must lie at one of their ends."""
    count = len(centres_mm)
    across = math.isqrt(count - 1) + 1
    rows, columns = (n // across for n in mosaic.kind.matrix)
    row_direction, column_direction = np.reshape(mosaic.kind.orientation, (2, 3))
    between_rows_mm, between_columns_mm = mosaic.kind.pixel_spacing_mm or (math.nan, math.nan)
    centre = (
        _first_origin(mosaic, rows, columns)
        + row_direction * between_columns_mm * columns / 2
        + column_direction * between_rows_mm * rows / 2
    )
    steps = np.diff(centres_mm, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    if count < 2 or not lengths.min() > 0 or not np.ptp(lengths) <= _POSITIONS_AGREE * lengths.min():
        raise _no_mosaic(header, "has a protocol whose slices are not evenly apart")
    spacing_mm = float(lengths.mean())
    for ends, direction in ((centres_mm[0], steps[0]), (centres_mm[-1], -steps[0])):
        if float(np.linalg.norm(centre - ends)) <= _POSITIONS_AGREE * spacing_mm:
            return Stacking(
                count=count, direction=direction / np.linalg.norm(direction), spacing_mm=spacing_mm
            )
    raise _no_mosaic(header, "does not lie where its protocol says")


def _no_mosaic(header: DicomHeader, what: str, **values: object) -> ReadError:
    return ReadError(
        "unsupported-format",
        f"a mosaic {what}, so its slices have no known place",
        where=header.path,
        values=values,
        todo="Export the series as separate slices or as an Enhanced image.",
    )
