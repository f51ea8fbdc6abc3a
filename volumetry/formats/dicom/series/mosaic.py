"""Siemens mosaics: the slices of a volume side by side in one image.

The position of a mosaic is that of its own corner, as if it were one large image around the centre of the
first slice; the positions of its slices follow from the private CSA header, which says how many there are
and in which direction they are stacked. Without it a mosaic is refused.
"""

from __future__ import annotations

import math
import struct
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import ReadError
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.pixels.frames import classic_frame
from volumetry.formats.dicom.series.slices import Slice, slices_of
from volumetry.formats.dicom.series.stacks import MosaicTile, SeriesStack, StackRefusal, stack_of_slices

_CSA_CREATOR = "SIEMENS CSA HEADER"
_CSA_IMAGE_HEADER = 0x10
_MAX_CSA_TAGS = 1000
_MAX_TILES = 4096


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
    count, direction = _csa_facts(header)
    spacing_mm = abs(mosaic.kind.spacing_between_slices_mm or 0.0)
    if not (math.isfinite(spacing_mm) and spacing_mm > 0):
        raise _no_mosaic(header, "has no SpacingBetweenSlices")
    across = math.isqrt(count - 1) + 1
    rows, columns = (n // across for n in mosaic.kind.matrix)
    if not rows or not columns or rows * across != mosaic.kind.matrix[0]:
        raise _no_mosaic(header, "has a matrix that its number of slices does not divide")
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


def _csa_facts(header: DicomHeader) -> tuple[int, NDArray[np.float64]]:
    """Return how many slices there are, and the unit vector along which they are stacked."""
    raw = _csa_image_header(header)
    try:
        tags = _parse_csa(raw)
        count = int(float(tags["NumberOfImagesInMosaic"][0]))
        direction = np.array([float(x) for x in tags["SliceNormalVector"]])
    except (KeyError, IndexError, ValueError, OverflowError, struct.error):
        raise _no_mosaic(header, "has no readable CSA header") from None
    orientation = np.reshape(header.image_orientation or (0.0,) * 6, (2, 3))
    normal = np.cross(orientation[0], orientation[1])
    if direction.shape != (3,) or not abs(abs(float(direction @ normal)) - 1) < 1e-2:
        raise _no_mosaic(header, "has slices that are not stacked along its normal")
    if not 1 <= count <= _MAX_TILES:
        raise _no_mosaic(header, "has a number of slices that is not possible")
    return count, direction / np.linalg.norm(direction)


def _csa_image_header(header: DicomHeader) -> bytes:
    """Return the private element: the thin edge to pydicom."""
    from pydicom import dcmread

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = dcmread(header.path, stop_before_pixels=True, force=True)
            value: Any = dataset.private_block(0x0029, _CSA_CREATOR)[_CSA_IMAGE_HEADER].value
    except Exception:  # noqa: BLE001 - pydicom raises anything at corrupt input
        raise _no_mosaic(header, "has no CSA header") from None
    return value if isinstance(value, bytes) else b""


def _parse_csa(raw: bytes) -> dict[str, list[str]]:
    """Parse a CSA2 header: ``SV10``, then named tags with their items as text."""
    if raw[:4] != b"SV10":
        raise ValueError("not CSA2")
    (n_tags,) = struct.unpack_from("<I", raw, 8)
    if n_tags > _MAX_CSA_TAGS:
        raise ValueError("too many tags")
    position, tags = 16, {}
    for _ in range(n_tags):
        name, _, _, _, n_items, _ = struct.unpack_from("<64si4siii", raw, position)
        position += 84
        values = []
        for _ in range(min(n_items, _MAX_CSA_TAGS)):
            (length,) = struct.unpack_from("<4xi8x", raw, position)
            if length < 0:
                raise ValueError("negative length")
            position += 16
            text = raw[position : position + length].split(b"\0")[0].decode("ascii", "replace").strip()
            position += -(-length // 4) * 4
            if text:
                values.append(text)
        tags[name.split(b"\0")[0].decode("ascii", "replace")] = values
    return tags


def _no_mosaic(header: DicomHeader, what: str) -> ReadError:
    return ReadError(
        "unsupported-format",
        f"a mosaic {what}, so its slices have no known place",
        where=header.path,
        todo="Export the series as separate slices or as an Enhanced image.",
    )
