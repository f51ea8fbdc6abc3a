"""What napari's layers are given: scans, outlines and dashes as arrays on the screen. No Qt, no napari."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volumetry import Contour, Scan
from volumetry.tracing import DisplayOrientation, WindowPreset, window_presets

Array = NDArray[np.float64]

COLOURS = ("#ffd42a", "#2ad4ff", "#ff6ad5", "#7bea6f", "#ff9a3c", "#c39bff")
"""Of lesions in their order; told apart by readers with the common kinds of colour blindness."""

BASELINE_COLOUR = "#ffffff"
UNITS = ("mm", "mm", "mm")
AXES = ("slice", "row", "column")
ARC_SIDES = 64


def colour_of(index: int) -> str:
    """Return the colour of a lesion, as a hexadecimal text."""
    return COLOURS[index % len(COLOURS)]


def image_arguments(
    scan: Scan, orientation: DisplayOrientation, *, window: WindowPreset | None = None
) -> dict[str, Any]:
    """Return the arguments, but for its data, of an upright Image layer with true pixels."""
    chosen = window or window_presets(scan)[0]
    return {
        "scale": orientation.scale_mm,
        "units": UNITS,
        "axis_labels": AXES,
        "colormap": "gray",
        "contrast_limits": (chosen.low, chosen.high),
        "interpolation2d": "nearest",
    }


def plane_arguments(orientation: DisplayOrientation) -> dict[str, Any]:
    """Return scale, units and names of the axes of a layer that holds one slice."""
    return {"scale": orientation.scale_mm[1:], "units": UNITS[1:], "axis_labels": AXES[1:], "ndim": 2}


def stacked_outlines(contours: Iterable[Contour], orientation: DisplayOrientation) -> list[Array]:
    """Return outlines of many slices as polygons (n, 3) of (slice, row, column) on the screen."""
    return [
        np.column_stack(
            (np.full(len(c.vertices), float(c.slice_index)), orientation.pixels_to_display(c.vertices))
        )
        for c in contours
    ]


def contours_of_polygons(
    polygons: Sequence[ArrayLike], orientation: DisplayOrientation, holes: Sequence[bool] = ()
) -> tuple[Contour, ...]:
    """Return the outlines of polygons (n, 3) on the screen: the way back of `stacked_outlines`."""
    contours = []
    for index, polygon in enumerate(polygons):
        corners = np.asarray(polygon, dtype=np.float64)
        contour = Contour(
            slice_index=round(float(corners[0, 0])),
            vertices=orientation.display_to_pixels(corners[:, 1:]),
            is_hole=bool(holes[index]) if index < len(holes) else False,
        )
        contours.append(contour)
    return tuple(contours)


def ring_of_shape(kind: str, corners: ArrayLike) -> Array | None:
    """Return the outline of a shape that was drawn with napari's own tools; None for lines and paths.

    Parameters
    ----------
    kind : str
        napari's: ``polygon``, ``rectangle``, ``ellipse``, ``path``, ``line``.
    corners : (n, 2) array_like
        Its data: for an ellipse the four corners of its box.
    """
    array = np.asarray(corners, dtype=np.float64)
    if kind in ("polygon", "rectangle"):
        return array
    if kind != "ellipse":
        return None
    angles = 2 * np.pi * np.arange(ARC_SIDES) / ARC_SIDES
    # Widened so that the polygon has the ellipse's area, not that of the polygon inside it.
    reach = np.sqrt(np.pi / (ARC_SIDES / 2 * np.sin(2 * np.pi / ARC_SIDES)))
    centre, across, down = array.mean(axis=0), (array[1] - array[0]) / 2, (array[3] - array[0]) / 2
    return np.asarray(centre + reach * (np.outer(np.cos(angles), across) + np.outer(np.sin(angles), down)))


def dashes(ring: ArrayLike, *, dash_pixels: float = 2.0, gap_pixels: float = 2.0) -> Array:
    """Return a closed outline (n, 2) as dashes: (m, 2, 2) of start and direction, as a Vectors layer has."""
    closed = np.asarray(ring, dtype=np.float64)
    closed = np.concatenate((closed, closed[:1]))
    along = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))))
    length = float(along[-1])
    if length <= 0:
        return np.zeros((0, 2, 2))
    number = max(3, round(length / (dash_pixels + gap_pixels)))
    starts = np.arange(number) * length / number
    ends = starts + length / number * dash_pixels / (dash_pixels + gap_pixels)
    first, last = (
        np.column_stack([np.interp(at, along, closed[:, axis]) for axis in (0, 1)]) for at in (starts, ends)
    )
    return np.stack((first, last - first), axis=1)


def strokes(points: ArrayLike) -> Array:
    """Return an open line (n, 2) as (n - 1, 2, 2) of start and direction, as a Vectors layer has."""
    line = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    if len(line) < 2:
        return np.zeros((0, 2, 2))
    return np.stack((line[:-1], np.diff(line, axis=0)), axis=1)


def moved_to_slice(contours: Iterable[Contour], slice_index: int) -> tuple[Contour, ...]:
    """Return the outlines of one slice as those of another."""
    return tuple(replace(contour, slice_index=slice_index) for contour in contours)
