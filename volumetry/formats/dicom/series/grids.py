"""Matrix, pixel spacing and orientation: which slices have one grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from volumetry.errors import GeometryError
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.series.slices import (
    Slice,
    SliceKind,
    degrees_between,
    positions_along_normal,
)
from volumetry.slice_steps import HOLE, JITTER

SAME_DIRECTION = 2e-3
"""Largest difference of direction cosines that is rounding."""


SAME_SPACING = 1e-4
"""Largest relative difference of pixel spacing that is rounding."""


def grids_of(group: Sequence[Slice]) -> list[list[Slice]]:
    """Split slices by orientation, matrix and pixel spacing where each part is whole without the others.

    Raises
    ------
    GeometryError
        ``no-pixel-spacing``; ``inconsistent-series`` where a part is a single image, or has holes.
    """
    parts: list[list[Slice]] = []
    for image in group:
        part = next((p for p in parts if same_grid(p[0].kind, image.kind)), None)
        if part is None:
            parts.append([image])
        else:
            part.append(image)
    for part in parts:
        if part[0].kind.pixel_spacing_mm is None:
            raise _no_pixel_spacing(part[0].header)
    if len(parts) > 1 and not all(is_whole(part) for part in parts):
        raise _inconsistent(parts)
    return parts


def same_grid(first: SliceKind, second: SliceKind) -> bool:
    """Return whether matrix, orientation and pixel spacing are the same, within rounding."""
    if first is second:
        return True
    if first.matrix != second.matrix:
        return False
    if any(abs(a - b) > SAME_DIRECTION for a, b in zip(first.orientation, second.orientation, strict=True)):
        return False
    one, other = first.pixel_spacing_mm, second.pixel_spacing_mm
    if one is None or other is None:
        return one is other
    return all(abs(a - b) <= SAME_SPACING * abs(a) for a, b in zip(one, other, strict=True))


def is_whole(part: Sequence[Slice]) -> bool:
    """Return whether no slice is missing between the first and the last of a part."""
    positions = np.unique(positions_along_normal(part))
    steps = np.diff(positions)
    steps = steps[steps > JITTER * steps.max()] if steps.size else steps
    return bool(steps.size and steps.max() < HOLE * np.median(steps))


def _no_pixel_spacing(header: DicomHeader) -> GeometryError:
    return GeometryError(
        "no-pixel-spacing",
        "PixelSpacing is absent",
        where=header.path,
        values={"has ImagerPixelSpacing": header.has_imager_pixel_spacing},
        todo="Export the series with its pixel spacing; ImagerPixelSpacing is measured at the detector.",
    )


def _inconsistent(parts: Sequence[Sequence[Slice]]) -> GeometryError:
    parts = sorted(parts, key=len)
    odd, most = parts[0][0], parts[-1][0]
    return GeometryError(
        "inconsistent-series",
        "images of one stack differ in matrix, pixel spacing or orientation",
        where=odd.header.path,
        values={
            "matrix": odd.kind.matrix,
            "pixel_spacing_mm": odd.kind.pixel_spacing_mm,
            "tilt_degrees": degrees_between(odd.kind.orientation, most.kind.orientation),
            "matrix of the others": most.kind.matrix,
            "pixel_spacing_mm of the others": most.kind.pixel_spacing_mm,
        },
        todo="Remove the image that does not belong there, or export the series again.",
    )
