"""Outlines of one slice that overlap each other, turned into outlines that do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from volumetry.contours.contour import Contour
from volumetry.contours.rings import (
    Array,
    close_edges,
    close_rings,
    meeting_point,
    points_inside,
    rings_overlap,
    sides,
    signed_area,
)
from volumetry.contours.slice_contours import check_slice_contours
from volumetry.errors import TraceError

OverlappingOutlines = Literal["refuse", "even-odd", "union"]
"""What outlines that overlap mean: no area; holes of each other; or one outline around all."""

_BESIDE = 1e-6
"""Distance in pixels from an edge at which it is asked what lies there."""

Point = tuple[float, float]
Edge = tuple[Point, Point]


def without_overlaps(
    contours: Sequence[Contour], how: OverlappingOutlines
) -> tuple[tuple[Contour, ...], set[str]]:
    """Return the outlines of one slice with those that overlap replaced by the outlines of what they enclose.

    Parameters
    ----------
    contours : sequence of Contour
        None crosses itself.
    how : {"refuse", "even-odd", "union"}
        ``even-odd``: what an even number of outlines enclose is outside, so that an outline within another is
        its hole. ``union``: what any outline encloses counts once. ``refuse``: nothing is replaced.

    Returns
    -------
    contours : tuple of Contour
    flags : set of str
        ``ambiguous-overlap`` where outlines were replaced.
    """
    if how == "refuse" or _say_one_area(contours):
        return tuple(contours), set()
    found: list[Contour] = []
    is_inside = _is_odd if how == "even-odd" else _is_any
    replaced = False
    for cluster in _clusters(contours):
        if _say_one_area(cluster):
            found += cluster
            continue
        rings = _outlines_of(cluster, is_inside)
        replaced |= bool(rings)
        found += rings or cluster  # two equal ones enclose nothing by even-odd, which nobody means
    return tuple(found), {"ambiguous-overlap"} if replaced else set()


def _is_odd(outlines: NDArray[np.intp], holes: NDArray[np.intp]) -> NDArray[np.bool_]:
    return np.asarray((outlines + holes) % 2 == 1)


def _is_any(outlines: NDArray[np.intp], holes: NDArray[np.intp]) -> NDArray[np.bool_]:
    return outlines > holes


def _say_one_area(contours: Sequence[Contour]) -> bool:
    try:
        check_slice_contours(contours)
    except TraceError:
        return False
    return True


def _clusters(contours: Sequence[Contour]) -> list[list[Contour]]:
    """Part outlines so that those that overlap, directly or by others, are together."""
    cluster = list(range(len(contours)))

    def root(number: int) -> int:
        while cluster[number] != number:
            cluster[number] = cluster[cluster[number]]
            number = cluster[number]
        return number

    for one, other in close_rings([c.vertices for c in contours]):
        if root(one) != root(other) and rings_overlap(contours[one].vertices, contours[other].vertices):
            cluster[root(other)] = root(one)
    parts: dict[int, list[Contour]] = {}
    for number, contour in enumerate(contours):
        parts.setdefault(root(number), []).append(contour)
    return list(parts.values())


def _outlines_of(
    cluster: Sequence[Contour],
    is_inside: Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.bool_]],
) -> list[Contour] | None:
    """Return the outlines and holes of the area that overlapping outlines enclose; None where they fail."""
    edges = _cut_edges(cluster)
    start, end = np.array([e[0] for e in edges]), np.array([e[1] for e in edges])
    along = end - start
    left = np.column_stack((-along[:, 1], along[:, 0]))
    left *= _BESIDE / np.linalg.norm(left, axis=1, keepdims=True)
    middle = (start + end) / 2
    on_left, on_right = (is_inside(*_depths(cluster, middle + side * left)) for side in (1, -1))
    # Directed so that the inside is on the left.
    bounds = [edges[i] if on_left[i] else edges[i][::-1] for i in np.flatnonzero(on_left != on_right)]
    rings = _rings(bounds)
    if rings is None:
        return None
    index = cluster[0].slice_index
    return [
        Contour(slice_index=index, vertices=ring, is_hole=signed_area(ring) < 0)
        for ring in rings
        if abs(signed_area(ring)) > _BESIDE * float(np.ptp(ring, axis=0).max())
    ]


def _depths(cluster: Sequence[Contour], points: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return how many outlines, and how many holes, enclose each point."""
    outlines, holes = np.zeros(len(points), np.intp), np.zeros(len(points), np.intp)
    for contour in cluster:
        (holes if contour.is_hole else outlines)[:] += points_inside(contour.vertices, points)
    return outlines, holes


def _cut_edges(cluster: Sequence[Contour]) -> list[Edge]:
    """Return the edges of all outlines, cut where those of different ones meet; each once."""
    start = np.concatenate([c.vertices for c in cluster])
    end = np.concatenate([np.roll(c.vertices, -1, axis=0) for c in cluster])
    ring = np.repeat(np.arange(len(cluster)), [len(c.vertices) for c in cluster])
    cuts: dict[int, list[Point]] = {}
    for i, j in close_edges(start, end):
        apart = ring[i] != ring[j]
        for one, other in zip(i[apart].tolist(), j[apart].tolist(), strict=True):
            for point in _meeting_points(start[one], end[one], start[other], end[other]):
                cuts.setdefault(one, []).append(point)
                cuts.setdefault(other, []).append(point)
    edges: dict[frozenset[Point], Edge] = {}
    for number in range(len(start)):
        along = end[number] - start[number]
        inner = sorted(cuts.get(number, ()), key=lambda point: float((point - start[number]) @ along))
        path = [_rounded(point) for point in (start[number], *inner, end[number])]
        for a, b in pairwise(path):
            if a != b:
                edges.setdefault(frozenset((a, b)), (a, b))
    return list(edges.values())


def _meeting_points(a: Array, b: Array, c: Array, d: Array) -> list[Point]:
    """Where two edges meet: a crossing, a touch, or the ends of what they share."""
    signs = [float(s) for s in (sides(a, b, c), sides(a, b, d), sides(c, d, a), sides(c, d, b))]
    if signs[0] * signs[1] < 0 and signs[2] * signs[3] < 0:
        return [meeting_point(a, b, c, d)]
    found = []
    for sign, (start, end), point in zip(signs, ((a, b), (a, b), (c, d), (c, d)), (c, d, a, b), strict=True):
        along = end - start
        if sign == 0 and 0 <= float((point - start) @ along) <= float(along @ along):
            found.append((float(point[0]), float(point[1])))
    return found


def _rounded(point: Sequence[float] | Array) -> Point:
    return round(float(point[0]), 9) + 0.0, round(float(point[1]), 9) + 0.0


def _rings(edges: Sequence[Edge]) -> list[Array] | None:
    """Join directed edges to rings, which part where they meet in a point; None where one does not close."""
    following: dict[Point, list[Point]] = {}
    for a, b in edges:
        following.setdefault(a, []).append(b)
    rings = []
    while following:
        first = point = next(iter(following))
        before: Point | None = None
        path: list[Point] = []
        while not path or point != first:
            choices = following.get(point)
            if not choices:
                return None
            path.append(point)
            after = choices.pop(_leftmost(before, point, choices))
            if not choices:
                del following[point]
            before, point = point, after
        rings.append(np.array(path))
    return rings


def _leftmost(before: Point | None, point: Point, choices: Sequence[Point]) -> int:
    """Return the choice that turns furthest to the left, towards the inside."""
    if before is None or len(choices) == 1:
        return 0
    heading = np.subtract(point, before)
    turns = []
    for choice in choices:
        step = np.subtract(choice, point)
        across = heading[0] * step[1] - heading[1] * step[0]
        turns.append(float(np.arctan2(across, heading @ step)))
    return int(np.argmax(turns))
