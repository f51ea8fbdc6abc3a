"""Outlines that cross themselves, taken apart into loops that do not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from volumetry.contour import (
    Array,
    Contour,
    close_edges,
    crosses_itself,
    meeting_point,
    ring_inside,
    sides,
    signed_area,
)

TINY_LOOP = 5e-3
"""Part of a ring's area below which the loops of a crossing change no volume that matters.

Half of the 1 % from which a difference of spacing is worth a flag (docs/decisions/0018).
"""


def split_loops(vertices: Array) -> list[Array]:
    """Cut a ring (n, 2) where it meets itself, into rings that do not cross themselves or each other.

    The loops together enclose, by even-odd, what the ring encloses. Those without area are left out; the
    largest comes first.
    """
    ends = np.roll(vertices, -1, axis=0)
    cuts: dict[int, list[tuple[float, float, float]]] = {}
    for i, j in close_edges(vertices, ends):
        for one, other in zip(i.tolist(), j.tolist(), strict=True):
            for row, column in _meeting_points(vertices[one], ends[one], vertices[other], ends[other]):
                for edge in (one, other):
                    along = ends[edge] - vertices[edge]
                    place = float(((row, column) - vertices[edge]) @ along) / float(along @ along)
                    cuts.setdefault(edge, []).append((place, row, column))
    path = []
    for number, vertex in enumerate(vertices.tolist()):
        inner = [
            (row, column) for place, row, column in sorted(cuts.get(number, [])) if 1e-12 < place < 1 - 1e-12
        ]
        path += [tuple(vertex), *inner]
    return _loops_of_path(path)


def _loops_of_path(path: Sequence[tuple[float, ...]]) -> list[Array]:
    """Take a closed path apart wherever it comes back to a point where it was."""
    loops: list[Array] = []
    open_path: list[tuple[float, ...]] = []
    seen: dict[tuple[float, ...], int] = {}
    for point in [*path, path[0]]:
        key = tuple(round(x, 9) for x in point)
        if key in seen:
            first = seen[key]
            loop = open_path[first:]
            for dropped in open_path[first + 1 :]:
                seen.pop(tuple(round(x, 9) for x in dropped), None)
            del open_path[first + 1 :]
            if len(loop) > 2:
                loops.append(np.array(loop))
            continue
        seen[key] = len(open_path)
        open_path.append(point)
    loops = [
        loop for loop in loops if abs(signed_area(loop)) > 1e-12 * float(np.ptp(loop, axis=0).max()) ** 2
    ]
    return sorted(loops, key=lambda loop: -abs(signed_area(loop)))


def _meeting_points(a: Array, b: Array, c: Array, d: Array) -> list[tuple[float, float]]:
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


def simple_contours(
    contours: Sequence[Contour], *, resolve: bool = False
) -> tuple[tuple[Contour, ...], set[str]]:
    """Return the outlines of one slice with those that cross themselves taken apart into simple ones.

    A crossing whose loops are together below `TINY_LOOP` of the ring's area is always resolved, by even-odd;
    a larger one where `resolve` is set.

    Parameters
    ----------
    contours : sequence of Contour
    resolve : bool, optional
        Also resolve larger loops.

    Returns
    -------
    contours : tuple of Contour
    flags : set of str
        ``tiny-loop``, ``self-intersection``.

    Raises
    ------
    TraceError
        ``self-intersection`` with the crossing and the part of the area that is in question.
    """
    simple: list[Contour] = []
    flags: set[str] = set()
    for contour in contours:
        crossing = contour.crossing()
        if crossing is None:
            simple.append(contour)
            continue
        loops = split_loops(contour.vertices)
        areas = [abs(signed_area(loop)) for loop in loops]
        part = sum(areas[1:]) / areas[0] if areas else 1.0
        if part >= TINY_LOOP and not resolve:
            raise crosses_itself(contour, crossing, part)
        flags.add("tiny-loop" if part < TINY_LOOP else "self-intersection")
        for loop in loops:
            depth = sum(ring_inside(loop, other) for other in loops if other is not loop)
            simple.append(
                Contour(
                    slice_index=contour.slice_index,
                    vertices=loop,
                    is_hole=contour.is_hole != (depth % 2 == 1),
                )
            )
    return tuple(simple), flags
