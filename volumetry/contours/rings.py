"""Rings of vertices in the plane: area, centre, crossings, and what two of them share.

A ring is an (n, 2) array of (row, column) that closes itself. Area is the shoelace formula on the float
vertices; no polygon is ever filled to be measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_PAIRS = 1 << 18
"""Pairs (of edges, or of edge and point) looked at together: bounds the memory for any number of vertices."""

_NOTHING = 1e-9
"""Relative area that is rounding."""


def next_vertices(ring: Array) -> Array:
    """Return for every vertex of a ring (n, ...) the one after it: where its edge ends."""
    return np.concatenate((ring[1:], ring[:1]))


def signed_area(vertices: Array) -> float:
    """Shoelace area of a ring (n, 2) in pixels; the sign tells its direction."""
    # About a vertex, so that distance from the origin costs no digits.
    shifted = vertices - vertices[0]
    (rows, columns), (next_rows, next_columns) = shifted.T, next_vertices(shifted).T
    return float(np.dot(rows, next_columns) - np.dot(columns, next_rows)) / 2


def ring_centroid(vertices: Array) -> Array:
    """Centroid (row, column) of the area of a ring (n, 2)."""
    shifted = vertices - vertices[0]
    following = next_vertices(shifted)
    cross = shifted[:, 0] * following[:, 1] - shifted[:, 1] * following[:, 0]
    total = cross.sum()
    if abs(total) < 1e-12:
        return np.asarray(vertices.mean(axis=0))
    return np.asarray(vertices[0] + ((shifted + following) * cross[:, None]).sum(axis=0) / (3 * total))


def ring_second_moments(vertices: Array) -> Array:
    """Second moments, (2, 2), of the area of a ring (n, 2) about its centroid: of rows, columns, and both."""
    about = vertices - ring_centroid(vertices)
    following = next_vertices(about)
    cross = about[:, 0] * following[:, 1] - about[:, 1] * following[:, 0]
    total = cross.sum()
    if abs(total) < 1e-12:
        return np.zeros((2, 2))
    both = about + following
    sums = (both * cross[:, None]).T @ both + (about * cross[:, None]).T @ about
    return np.asarray((sums + (following * cross[:, None]).T @ following) / (12 * total))


def points_inside(vertices: Array, points: Array) -> NDArray[np.bool_]:
    """Return for every point (m, 2) whether it lies inside the ring (n, 2), by the even-odd rule."""
    end = next_vertices(vertices)
    slanted = vertices[:, 0] != end[:, 0]
    start, end = vertices[slanted, np.newaxis], end[slanted, np.newaxis]
    slope = (end[..., 1] - start[..., 1]) / (end[..., 0] - start[..., 0])
    inside = np.zeros(len(points), dtype=bool)
    block = max(1, _PAIRS // max(1, len(points)))
    for first in range(0, len(start), block):
        a, b = start[first : first + block], end[first : first + block]
        spans = (a[..., 0] > points[:, 0]) != (b[..., 0] > points[:, 0])
        crossed = points[:, 1] < a[..., 1] + (points[:, 0] - a[..., 0]) * slope[first : first + block]
        inside ^= np.logical_xor.reduce(spans & crossed, axis=0)
    return inside


def find_crossing(vertices: Array) -> tuple[float, float] | None:
    """Return a point where the ring (n, 2) crosses itself, or None. See `Contour.crossing`."""
    ends = next_vertices(vertices)
    if _is_star_shaped(vertices, ends):
        return None
    touch: tuple[float, float] | None = None
    for i, j in close_edges(vertices, ends):
        apart = np.abs(i - j)
        # Neighbouring edges share a vertex and cannot cross.
        strangers = (apart > 1) & (apart != len(vertices) - 1)
        i, j = i[strangers], j[strangers]
        crossing, contact = _contacts(vertices, ends, i, j)
        if crossing is not None:
            return crossing
        touch = touch or contact
    # Edges that meet only in vertices or run along each other may touch or cross: the areas tell.
    if touch is not None and not np.isclose(
        abs(signed_area(vertices)), even_odd_area(vertices, ends), rtol=1e-9, atol=1e-12
    ):
        return touch
    return None


def _is_star_shaped(vertices: Array, ends: Array) -> bool:
    """Whether the ring, seen from the mean of its vertices, runs round it once and never back.

    Its edges then lie in sectors of their own, so that none meets another. Most lesions are such, and this
    takes a tenth of the time that looking at the pairs of edges does.
    """
    centre = vertices.mean(axis=0)
    rows, columns = (vertices - centre).T
    next_rows, next_columns = (ends - centre).T
    turns = rows * next_columns - columns * next_rows
    # Far above rounding; what is nearer to it is looked at edge by edge.
    least = 1e-9 * max(float(np.abs(rows).max()), float(np.abs(columns).max())) ** 2
    if turns[0] < 0:
        turns = -turns
    if not turns.min() > least:
        return False
    return int(np.count_nonzero((rows < 0) & (next_rows >= 0))) == 1


def close_edges(start: Array, end: Array) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield pairs of edges (n, 2) whose boxes meet.

    Sorted by their lower end along the longer side of them all, an edge can only meet those that begin
    before it ends: few, where edges are short.
    """
    yield from _close_boxes(np.minimum(start, end), np.maximum(start, end))


def _close_boxes(low: Array, high: Array) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield pairs of boxes that meet, given their lower and upper corners (n, 2)."""
    axis = int(np.argmax(np.ptp(low, axis=0)))
    order = np.argsort(low[:, axis], kind="stable")
    following = np.searchsorted(low[order, axis], high[order, axis], side="right")
    counts = following - np.arange(1, len(order) + 1)
    first = 0
    while first < len(order):
        stop = first + max(1, int(np.searchsorted(np.cumsum(counts[first:]), _PAIRS, side="right")))
        block = counts[first:stop]
        one = np.repeat(np.arange(first, stop), block)
        other = one + 1 + np.arange(len(one)) - np.repeat(np.cumsum(block) - block, block)
        i, j = order[one], order[other]
        across = 1 - axis
        meet = (low[i, across] <= high[j, across]) & (low[j, across] <= high[i, across])
        yield i[meet], j[meet]
        first = stop


def _contacts(
    start: Array, end: Array, i: NDArray[np.intp], j: NDArray[np.intp]
) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Where one of the edges i crosses its edge j, and where one merely touches it."""
    around_first = sides(start[i], end[i], start[j]) * sides(start[i], end[i], end[j])
    around_second = sides(start[j], end[j], start[i]) * sides(start[j], end[j], end[i])
    for k in np.flatnonzero((around_first < 0) & (around_second < 0))[:1]:
        return meeting_point(start[i[k]], end[i[k]], start[j[k]], end[j[k]]), None
    for k in np.flatnonzero((around_first <= 0) & (around_second <= 0))[:1]:
        return None, meeting_point(start[i[k]], end[i[k]], start[j[k]], end[j[k]])
    return None, None


def even_odd_area(start: Array, end: Array) -> float:
    """Area in pixels inside closed edges (n, 2) by the even-odd rule, if no two of them properly cross.

    Between two neighbouring vertex rows the edges are then in one order, and every second gap between
    them is a trapezoid inside.
    """
    levels = np.unique(start[:, 0])
    total = 0.0
    for low, high in pairwise(levels):
        middle = (low + high) / 2
        spans = (start[:, 0] > middle) != (end[:, 0] > middle)
        first, last = start[spans], end[spans]
        along = (middle - first[:, 0]) / (last[:, 0] - first[:, 0])
        columns = np.sort(first[:, 1] + along * (last[:, 1] - first[:, 1]))
        total += (high - low) * float((columns[1::2] - columns[::2]).sum())
    return total


def sides(a: Array, b: Array, p: Array) -> Array:
    """Return on which side of the directed lines a -> b the points p lie, 0 on them within rounding.

    All three are (..., 2) and broadcast.
    """
    along, offset = b - a, p - a
    value = along[..., 0] * offset[..., 1] - along[..., 1] * offset[..., 0]
    scale = np.abs(along).max(axis=-1) * np.maximum(np.abs(offset).max(axis=-1), np.abs(p - b).max(axis=-1))
    return np.where(np.abs(value) <= 1e-12 * scale, 0.0, value)


def meeting_point(a: Array, b: Array, c: Array, d: Array) -> tuple[float, float]:
    """Return where the lines of the edges a-b and c-d meet; `b` where they are parallel."""
    along, other = b - a, d - c
    denominator = along[0] * other[1] - along[1] * other[0]
    if denominator == 0:
        return float(b[0]), float(b[1])
    t = ((c[0] - a[0]) * other[1] - (c[1] - a[1]) * other[0]) / denominator
    return float(a[0] + t * along[0]), float(a[1] + t * along[1])


def rings_overlap(first: Array, second: Array) -> bool:
    """Return whether the areas of two rings overlap (one inside the other counts, touching does not)."""
    shared = shared_area(first, second)
    return shared is None or shared > _NOTHING * min(abs(signed_area(first)), abs(signed_area(second)))


def ring_inside(inner: Array, outer: Array) -> bool:
    """Return whether a ring lies inside another; the two may touch, also along edges."""
    if np.any(inner.min(axis=0) < outer.min(axis=0)) or np.any(inner.max(axis=0) > outer.max(axis=0)):
        return False
    area = abs(signed_area(inner))
    shared = shared_area(inner, outer)
    return shared is not None and shared > 0 and shared >= (1 - _NOTHING) * area


def shared_area(first: Array, second: Array) -> float | None:
    """Return the area in pixels that two rings share; None where their edges properly cross.

    Rings that do not meet lie inside or beside each other, as any one vertex tells. Where they touch, their
    edges together enclose by even-odd what only one of them covers.
    """
    if np.any(first.max(axis=0) <= second.min(axis=0)) or np.any(second.max(axis=0) <= first.min(axis=0)):
        return 0.0
    areas = abs(signed_area(first)), abs(signed_area(second))
    start = np.concatenate((first, second))
    end = np.concatenate((next_vertices(first), next_vertices(second)))
    touches = False
    for i, j in close_edges(start, end):
        between = (i < len(first)) != (j < len(first))
        crossing, contact = _contacts(start, end, i[between], j[between])
        if crossing is not None:
            return None
        touches = touches or contact is not None
    if touches:
        return max(0.0, (sum(areas) - even_odd_area(start, end)) / 2)
    within = points_inside(second, first[:1])[0], points_inside(first, second[:1])[0]
    return float(areas[0] if within[0] else areas[1] if within[1] else 0.0)


def close_rings(rings: Sequence[Array]) -> list[tuple[int, int]]:
    """Return the pairs of rings whose boxes meet: the only ones that can touch, overlap or be nested.

    Sorted by their lower end, a ring is compared with those that begin before it ends: near-linear time for
    rings that lie apart.
    """
    if len(rings) < 2:
        return []
    low = np.array([ring.min(axis=0) for ring in rings])
    high = np.array([ring.max(axis=0) for ring in rings])
    return [
        (min(a, b), max(a, b))
        for i, j in _close_boxes(low, high)
        for a, b in zip(i.tolist(), j.tolist(), strict=True)
    ]
