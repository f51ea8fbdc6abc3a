"""The outlines of one slice together: whether they say one area, and how large it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from volumetry.contours.contour import Contour
from volumetry.contours.rings import close_rings, ring_inside, rings_overlap
from volumetry.errors import TraceError

Array = NDArray[np.float64]


def crosses_itself(
    contour: Contour, crossing: tuple[float, float], part: float | None = None, *, resolvable: bool = True
) -> TraceError:
    """Return the error for an outline that crosses itself.

    `part` is what its loops but the largest are of all that it encloses; one that is not `resolvable` crosses
    itself so often, or so nearly along itself, that it has no loops to count.
    """
    values: dict[str, object] = {"slice_index": contour.slice_index, "at row, column": crossing}
    if part is not None:
        values["loops in percent of the area"] = 100 * part
    if not resolvable:
        return TraceError(
            "self-intersection",
            "an outline crosses itself too often to enclose one area",
            values=values | {"vertices": len(contour.vertices)},
            todo="Draw the outline again.",
        )
    return TraceError(
        "self-intersection",
        "an outline crosses itself",
        values=values,
        todo="Draw the outline without a loop, or let its loops count by even-odd with "
        "--self-intersections resolve.",
    )


def check_slice_contours(contours: Sequence[Contour]) -> None:
    """Check that the outlines of one slice say one area.

    Outlines must not cross themselves or overlap each other; every hole lies inside one outline and
    holes do not overlap each other.

    Raises
    ------
    TraceError
        ``self-intersection`` with the crossing, or ``ambiguous-overlap``.
    """
    for contour in contours:
        crossing = contour.crossing()
        if crossing is not None:
            raise crosses_itself(contour, crossing)
    near: dict[int, list[int]] = {}
    for one, other in close_rings([c.vertices for c in contours]):
        near.setdefault(one, []).append(other)
        near.setdefault(other, []).append(one)
    for one, others in sorted(near.items()):
        contour = contours[one]
        for other in others:
            if other < one or contours[other].is_hole != contour.is_hole:
                continue
            if rings_overlap(contour.vertices, contours[other].vertices) and not _is_island(
                contour, contours[other], [contours[k] for k in near[one] if contours[k].is_hole]
            ):
                raise _ambiguous(contour, f"two {'holes' if contour.is_hole else 'outlines'} overlap")
    for number, hole in enumerate(contours):
        around = [contours[k] for k in near.get(number, []) if not contours[k].is_hole]
        if hole.is_hole and not any(ring_inside(hole.vertices, outline.vertices) for outline in around):
            raise _ambiguous(hole, "a hole does not lie inside an outline")


def _is_island(one: Contour, other: Contour, holes: Sequence[Contour]) -> bool:
    """Whether one of two nested outlines lies inside a hole of the other."""
    if one.is_hole:
        return False
    for inner, outer in ((one, other), (other, one)):
        for hole in holes:
            if ring_inside(inner.vertices, hole.vertices) and ring_inside(hole.vertices, outer.vertices):
                return True
    return False


def _ambiguous(contour: Contour, what: str) -> TraceError:
    return TraceError(
        "ambiguous-overlap",
        what,
        values={"slice_index": contour.slice_index},
        todo="Say what they mean with --overlapping-outlines: even-odd (one within another is its hole) or "
        "union (one outline around all); or draw them anew, in an RTSTRUCT with CLOSEDPLANAR_XOR for holes.",
    )


def slice_area_pixels(contours: Sequence[Contour]) -> float:
    """Area in pixels that the outlines of one slice enclose: outlines minus holes."""
    return sum(-c.area_pixels if c.is_hole else c.area_pixels for c in contours)


def slice_moments(contours: Sequence[Contour]) -> tuple[float, Array, Array]:
    """Return area, centre (2,) and second moments about it (2, 2) of what the outlines of one slice enclose.

    In pixels, rows first. Without an area the centre is that of the outlines, and the moments are 0.
    """
    area = slice_area_pixels(contours)
    weights = np.array([-c.area_pixels if c.is_hole else c.area_pixels for c in contours])
    centres = np.array([c.centroid for c in contours])
    if area <= 0:
        return area, np.asarray(centres.mean(axis=0)), np.zeros((2, 2))
    centre = np.asarray(weights @ centres / area)
    apart = centres - centre
    own = np.tensordot(weights, np.array([c.second_moments for c in contours]), axes=1)
    return area, centre, np.asarray((own + (apart.T * weights) @ apart) / area)
