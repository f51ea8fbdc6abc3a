"""Freehand strokes made into outlines."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volumetry.contours.loops import split_loops
from volumetry.contours.rings import find_crossing, signed_area

Array = NDArray[np.float64]

AREA_TOLERANCE = 1e-3
"""Largest relative change of the area by thinning."""


def clean_outline(
    points: ArrayLike, *, spacing_pixels: float = 1.0, shape: tuple[int, int] | None = None
) -> Array:
    """Return a freehand stroke as the vertices of an outline.

    Repeated points are dropped, and so are points in between where the mouse gave more than one every
    `spacing_pixels`, as long as the area stays that of the stroke within 0.1 %. Nothing is rounded, and no
    point is moved but those outside the image.

    Parameters
    ----------
    points : (n, 2) array_like
        (row, column), as the mouse gave them.
    spacing_pixels : float
        Largest distance that thinning leaves between neighbours.
    shape : (rows, columns), optional
        Points outside the image are moved to its edge (half a pixel beyond the last pixel centre).

    Examples
    --------
    >>> drawn = [(4, 4), (4, 4.2), (4, 12), (12, 12), (12, 4)]
    >>> vm.Contour(slice_index=0, vertices=vt.clean_outline(drawn)).area_pixels
    64.0
    """
    stroke = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    if shape is not None:
        stroke = np.clip(stroke, -0.5, np.array(shape) - 0.5)
    if len(stroke):
        stroke = stroke[np.any(stroke != np.roll(stroke, 1, axis=0), axis=1)]
    spacing = spacing_pixels
    while len(stroke) > 8 and spacing > spacing_pixels / 64:
        thin = _thinned(stroke, spacing)
        area = abs(signed_area(stroke))
        if len(thin) >= 8 and abs(abs(signed_area(thin)) - area) <= AREA_TOLERANCE * area:
            return thin
        spacing /= 2
    return stroke


def largest_loop(vertices: ArrayLike, *, least_share: float = 0.97) -> Array | None:
    """Return an outline without the small loops in which it crosses itself.

    Parameters
    ----------
    vertices : (n, 2) array_like
    least_share : float
        Part of the area of all loops that the largest one must have.

    Returns
    -------
    (n, 2) array or None
        The outline itself where it does not cross itself; None where its largest loop is too small a part.

    Examples
    --------
    >>> ring = [(0, 0), (0, 10), (10, 10), (10, 0.1), (10.1, -0.1), (10.1, 0), (10, 0)]
    >>> vm.Contour(slice_index=0, vertices=vt.largest_loop(ring)).area_pixels
    100.0025
    >>> vt.largest_loop([(0, 0), (10, 10), (10, 0), (0, 10)]) is None
    True
    """
    ring = np.asarray(vertices, dtype=np.float64).reshape(-1, 2)
    if len(ring) < 3 or find_crossing(ring) is None:
        return ring
    loops = split_loops(ring)
    if not loops:
        return None
    areas = [abs(signed_area(loop)) for loop, _ in loops]
    return loops[0][0] if areas[0] >= least_share * sum(areas) else None


def _thinned(stroke: Array, spacing: float) -> Array:
    """The points of a stroke, each as far as possible from the last one kept but not beyond `spacing`."""
    kept = [0]
    for index in range(1, len(stroke)):
        following = stroke[(index + 1) % len(stroke)]
        if np.hypot(*(following - stroke[kept[-1]])) > spacing:
            kept.append(index)
    return np.asarray(stroke[kept])


def resampled(vertices: Array, spacing_pixels: float, moved: NDArray[np.bool_]) -> Array:
    """Return a ring with even spacing along edges whose ends were moved; the other vertices stay.

    Points between moved vertices closer than half the spacing are dropped; longer edges are divided.
    """
    ends, moved_ends = np.roll(vertices, -1, axis=0), np.roll(moved, -1)
    pieces: list[Array] = []
    last: Array | None = None
    for vertex, end, here, there in zip(vertices, ends, moved, moved_ends, strict=True):
        near = last is not None and np.hypot(*(vertex - last)) < spacing_pixels / 2
        if not (here and there and near):
            pieces.append(vertex[None])
            last = vertex
        length = float(np.hypot(*(end - vertex)))
        if (here or there) and length > spacing_pixels:
            steps = np.arange(1, int(np.ceil(length / spacing_pixels))) / np.ceil(length / spacing_pixels)
            pieces.append(vertex + steps[:, None] * (end - vertex))
            last = pieces[-1][-1]
    return np.concatenate(pieces)
