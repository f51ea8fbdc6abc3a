"""Outlines that cross themselves, taken apart into loops that do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from volumetry.contours.contour import Contour
from volumetry.contours.rings import Array, close_edges, sides, signed_area
from volumetry.contours.slice_contours import crosses_itself

SelfIntersections = Literal["refuse", "resolve"]
"""What an outline that crosses itself means: no area, or loops that count by even-odd."""

TINY_LOOP = 5e-3
"""Part of a ring's area below which the loops of a crossing change no volume that matters.

Half of the 1 % from which a difference of spacing is worth a flag (docs/decisions/0018).
"""

MOST_CROSSINGS = 1_000
"""Crossings up to which an outline is taken apart; one with more is a scribble, and bounds no area."""

_SLIVER = 1e-6
"""Part of the largest loop's area below which a loop is left out: it is nothing, and rounding moves it."""

_DIGITS = (9, 6)
"""Decimals of a pixel to which meeting points are rounded; the second where the first leaves a doubt."""

_Cuts = tuple[NDArray[np.intp], Array, Array]


def split_loops(vertices: Array) -> list[tuple[Array, bool]] | None:
    """Take a ring (n, 2) apart into rings that do not cross themselves or each other.

    The edges are cut where they meet, and what runs along itself an even number of times is dropped. The
    faces between the rest lie by turns inside and outside; those inside are the rings. Takes a time that
    grows with the edges and crossings, and not with their square.

    Returns
    -------
    list of (ring, is_hole) or None
        The largest ring first. Outlines minus holes enclose what the ring encloses by the even-odd rule. A
        ring is a hole where the outline turns back along itself (a keyhole). None: there are more than
        `MOST_CROSSINGS`, or edges so nearly along each other that rounding decides.
    """
    ends = np.roll(vertices, -1, axis=0)
    cuts = _cuts(vertices, ends)
    if cuts is None:
        return None
    for digits in _DIGITS:
        rings = _rings(*_edges_between(vertices, cuts, digits))
        if rings is not None:
            return rings
    return None


def _cuts(start: Array, end: Array) -> _Cuts | None:
    """Where edges (n, 2) are met by others: the edge, how far along it (0 to 1), and the point.

    None where more than `MOST_CROSSINGS` pairs cross.
    """
    found: list[_Cuts] = []
    n_crossings = 0
    for i, j in close_edges(start, end):
        a, b, c, d = start[i], end[i], start[j], end[j]
        signs = sides(a, b, c), sides(a, b, d), sides(c, d, a), sides(c, d, b)
        crossing = (signs[0] * signs[1] < 0) & (signs[2] * signs[3] < 0)
        n_crossings += int(np.count_nonzero(crossing))
        if n_crossings > MOST_CROSSINGS:
            return None
        along, other, apart = (b - a)[crossing], (d - c)[crossing], (c - a)[crossing]
        t = _cross(apart, other) / _cross(along, other)
        points = a[crossing] + t[:, np.newaxis] * along
        found.append((i[crossing], t, points))
        found.append((j[crossing], _cross(apart, along) / _cross(along, other), points))
        for sign, edge, (first, last), point in zip(
            signs, (i, i, j, j), ((a, b), (a, b), (c, d), (c, d)), (c, d, a, b), strict=True
        ):
            along = last - first
            place = ((point - first) * along).sum(axis=1) / (along * along).sum(axis=1)
            on = ~crossing & (sign == 0) & (place > 1e-12) & (place < 1 - 1e-12)
            found.append((edge[on], place[on], point[on]))
    return (
        np.concatenate([edges for edges, _, _ in found]),
        np.concatenate([places for _, places, _ in found]),
        np.concatenate([points for _, _, points in found]),
    )


def _cross(first: Array, second: Array) -> Array:
    return np.asarray(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])


def _edges_between(vertices: Array, cuts: _Cuts, digits: int) -> tuple[Array, NDArray[np.intp]]:
    """Return the points of a path cut at `cuts`, and the pieces (m, 2) taken an odd number of times."""
    number = np.concatenate((np.arange(len(vertices)), cuts[0]))
    place = np.concatenate((np.zeros(len(vertices)), cuts[1]))
    path = np.concatenate((vertices, cuts[2]))[np.lexsort((place, number))]
    # Points are one where they round to one, and stay where they are: else thin loops would overlap.
    _, first, visits = np.unique(np.round(path, digits) + 0.0, axis=0, return_index=True, return_inverse=True)
    points, visits = path[first], visits.reshape(-1)
    pieces = np.sort(np.stack((visits, np.roll(visits, -1)), axis=1), axis=1)
    pieces, times = np.unique(pieces[pieces[:, 0] != pieces[:, 1]], axis=0, return_counts=True)
    return points, pieces[times % 2 == 1]


def _rings(points: Array, edges: NDArray[np.intp]) -> list[tuple[Array, bool]] | None:
    """Return the faces inside of edges (m, 2) that meet in points only, and which of them are holes.

    None where the edges do meet elsewhere: their faces are then not as many as Euler's formula says.
    """
    if not len(edges):
        return []
    faces, face_of = _faces(points, edges)
    areas = [signed_area(points[face]) for face in faces]
    parts = _sides_of_faces(areas, face_of)
    if len(np.unique(edges)) - len(edges) + len(faces) != 2 * len(parts):
        return None
    ends = [points[edges[np.array(sorted(part[2]))]] for part in parts]
    rings = []
    for number, (outer, inside, _) in enumerate(parts):
        # Parts do not cross: one lies in the other as one of its points does.
        probe = points[faces[outer][0]]
        is_hole = sum(_encloses(ends[k], probe) for k in range(len(parts)) if k != number) % 2 == 1
        rings += [(areas[k], points[faces[k]], is_hole) for k in inside]
    rings.sort(key=lambda ring: -abs(ring[0]))
    return [
        (ring, is_hole)
        for area, ring, is_hole in rings
        if abs(area) > max(1e-12 * float(np.ptp(ring, axis=0).max()) ** 2, _SLIVER * abs(rings[0][0]))
    ]


def _faces(points: Array, edges: NDArray[np.intp]) -> tuple[list[list[int]], list[int]]:
    """Return the faces as their points in turn, and the face beside each edge in each direction.

    Edge k is number 2k from its first to its second point and 2k + 1 back. The face on one side of it goes
    on at its end with the neighbour, by angle, of the way back.
    """
    origins = edges.reshape(-1)
    directions = points[edges[:, ::-1].reshape(-1)] - points[origins]
    order = np.lexsort((np.arctan2(directions[:, 1], directions[:, 0]), origins))
    starts = np.flatnonzero(np.r_[True, np.diff(origins[order]) > 0])
    stops = np.r_[starts[1:], len(order)]
    before = np.roll(order, 1)
    before[starts] = order[stops - 1]
    neighbour = np.empty(len(order), dtype=np.intp)
    neighbour[order] = before
    following = neighbour[np.arange(len(order)) ^ 1].tolist()
    faces: list[list[int]] = []
    face_of = [-1] * len(order)
    begins = origins.tolist()
    for first in range(len(order)):
        face = []
        edge = first
        while face_of[edge] < 0:
            face_of[edge] = len(faces)
            face.append(begins[edge])
            edge = following[edge]
        if face:
            faces.append(face)
    return faces, face_of


def _sides_of_faces(areas: Sequence[float], face_of: Sequence[int]) -> list[tuple[int, list[int], set[int]]]:
    """Return of each part that hangs together its outer face, its faces inside, and its edges.

    The outer face is the one that runs the other way round; across every edge inside and outside change.
    """
    beside: list[list[int]] = [[] for _ in areas]
    for edge, face in enumerate(face_of):
        beside[face].append(edge)
    inside = [-1] * len(areas)
    parts = []
    for outer in sorted(range(len(areas)), key=lambda face: areas[face]):
        if inside[outer] >= 0:
            continue
        inside[outer] = 0
        held = [outer]
        edges: set[int] = set()
        for face in held:  # grows as it goes
            for edge in beside[face]:
                edges.add(edge // 2)
                other = face_of[edge ^ 1]
                if inside[other] < 0:
                    inside[other] = 1 - inside[face]
                    held.append(other)
        parts.append((outer, [face for face in held if inside[face]], edges))
    return parts


def _encloses(edges: Array, point: Array) -> bool:
    """Whether closed edges (m, 2, 2) have a point (2,) inside, by the even-odd rule."""
    (rows, columns), (other_rows, other_columns) = edges[:, 0].T, edges[:, 1].T
    spans = (rows > point[0]) != (other_rows > point[0])
    along = (point[0] - rows[spans]) / (other_rows[spans] - rows[spans])
    crossed = columns[spans] + along * (other_columns[spans] - columns[spans])
    return bool(np.count_nonzero(crossed > point[1]) % 2)


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
        ``self-intersection`` with the crossing, and what its loops but the largest are of all that the
        outline encloses; or of an outline with more than `MOST_CROSSINGS`.
    """
    simple: list[Contour] = []
    flags: set[str] = set()
    for contour in contours:
        crossing = contour.crossing()
        if crossing is None:
            simple.append(contour)
            continue
        loops = split_loops(contour.vertices)
        if loops is None:
            raise crosses_itself(contour, crossing, resolvable=False)
        areas = [abs(signed_area(loop)) for loop, _ in loops]
        part = sum(areas[1:]) / areas[0] if areas else 1.0
        if part >= TINY_LOOP and not resolve:
            raise crosses_itself(contour, crossing, sum(areas[1:]) / sum(areas) if areas else None)
        flags.add("tiny-loop" if part < TINY_LOOP else "self-intersection")
        simple += [
            Contour(slice_index=contour.slice_index, vertices=loop, is_hole=contour.is_hole != is_hole)
            for loop, is_hole in loops
        ]
    return tuple(simple), flags
