"""From the patient to the slices: which slice a ring lies on, and which rings are holes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from volumetry.contours.contour import Contour
from volumetry.contours.rings import close_rings, find_crossing, next_vertices, ring_inside, signed_area
from volumetry.errors import GeometryError, TraceError, VolumetryError
from volumetry.formats.dicom.traced.references import SourceStack, slice_uids_of
from volumetry.formats.dicom.traced.rtstruct_items import Ring
from volumetry.geometry import ScanGeometry

OFF_PLANE = 0.1
"""Distance from the nearest slice, relative to the slice spacing, from which a contour lies on none."""

SNAPPED = 1e-3
"""Distance, relative to the slice spacing, above which taking a contour to its slice is worth a flag."""

NO_WIDTH_PIXELS = 1e-3
"""Mean width of a ring, in pixels, below which it is a line."""


def contours_of(rings: Iterable[Ring], stack: SourceStack) -> tuple[tuple[Contour, ...], set[str]]:
    """Place rings on the slices they lie on.

    Returns
    -------
    contours : tuple of Contour
        Rings without area (fewer than three points that differ, points on one line) are left out.
    flags : set of str
        ``contour-degenerate``, ``contour-snapped``.

    Raises
    ------
    TraceError, GeometryError
        ``contour-off-plane``, ``missing-slice``.
    """
    flags: set[str] = set()
    slices: dict[int, list[tuple[Contour, bool]]] = {}
    slice_numbers = _slice_numbers(stack)
    for ring in rings:
        if _has_no_area(ring.points_mm, stack.geometry):
            flags.add("contour-degenerate")
            continue
        named = [slice_numbers[uid] for uid in ring.instance_uids if uid in slice_numbers]
        index, is_snapped = _slice_of(ring.points_mm, stack.geometry, named)
        if is_snapped:
            flags.add("contour-snapped")
        pixels = stack.geometry.patient_to_pixel(index, ring.points_mm)
        slices.setdefault(index, []).append((Contour(slice_index=index, vertices=pixels), ring.is_xor))
    return tuple(c for found in slices.values() for c in _with_holes(found)), flags


def _slice_numbers(stack: SourceStack) -> dict[str, int]:
    """Return the slice that every image or frame is; an image of many frames names none of them."""
    return {uid: index for index, uid in enumerate(slice_uids_of(stack)) if uid}


def _has_no_area(points_mm: NDArray[np.float64], geometry: ScanGeometry) -> bool:
    """Whether a ring encloses nothing: fewer than three points, or a line drawn there and back.

    A ring that crosses itself has an area, whatever the sum of its parts.
    """
    if _encloses_enough(points_mm, geometry):
        return False
    if len(np.unique(points_mm, axis=0)) < 3:
        return True
    # In the ring's own plane: one that stands across the slices has an area, and lies on no slice.
    centred = points_mm - points_mm.mean(axis=0)
    pixels = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T / min(geometry.pixel_spacing_mm)
    length = float(np.linalg.norm(np.roll(pixels, -1, axis=0) - pixels, axis=1).sum())
    if 2 * abs(signed_area(pixels)) >= NO_WIDTH_PIXELS * length:
        return False
    across = float(np.linalg.svd(pixels - pixels.mean(axis=0), compute_uv=False)[-1]) / math.sqrt(len(pixels))
    return across < NO_WIDTH_PIXELS or find_crossing(pixels) is None


def _encloses_enough(points_mm: NDArray[np.float64], geometry: ScanGeometry) -> bool:
    """Whether the area on a slice is above that of a line: so it is of nearly all rings.

    What a ring encloses in its own plane is never less.
    """
    if len(points_mm) < 3:
        return False
    edges_mm = next_vertices(points_mm) - points_mm
    length_mm = math.sqrt(len(edges_mm) * float(np.einsum("ij,ij->", edges_mm, edges_mm)))
    in_plane = points_mm @ np.stack((geometry.row_direction, geometry.column_direction), axis=1)
    return 2 * abs(signed_area(in_plane)) > NO_WIDTH_PIXELS * length_mm * min(geometry.pixel_spacing_mm)


def lies_on(rings: Sequence[Ring], geometry: ScanGeometry) -> bool:
    """Whether every ring that encloses an area lies on a slice, within the matrix."""
    for ring in rings:
        if len(np.unique(ring.points_mm, axis=0)) < 3:
            continue
        try:
            index, _ = _slice_of(ring.points_mm, geometry, ())
        except VolumetryError:
            return False
        pixels = geometry.patient_to_pixel(index, ring.points_mm)
        if pixels.min() < -0.5 or np.any(pixels.max(axis=0) > (geometry.rows - 0.5, geometry.columns - 0.5)):
            return False
    return True


def _slice_of(
    points_mm: NDArray[np.float64], geometry: ScanGeometry, named: Sequence[int]
) -> tuple[int, bool]:
    """Return the slice a ring lies on, and whether it lay beside it by more than rounding.

    The slice it names counts where it also lies there; else the nearest.
    """
    along = points_mm @ geometry.normal
    tolerance_mm = OFF_PLANE * _spacing_mm(geometry)
    nearest, _ = geometry.nearest_slice(points_mm.mean(axis=0))
    for index in (*named, nearest):
        distance_mm = float(np.abs(along - geometry.slice_positions_mm[index]).max())
        if distance_mm <= tolerance_mm:
            return index, distance_mm > SNAPPED * _spacing_mm(geometry)
    raise _off_plane(along, geometry, nearest)


def _spacing_mm(geometry: ScanGeometry) -> float:
    return geometry.regular_step_mm or geometry.slice_thickness_mm or min(geometry.pixel_spacing_mm)


def _off_plane(along: NDArray[np.float64], geometry: ScanGeometry, nearest: int) -> VolumetryError:
    position = float(along.mean())
    positions = geometry.slice_positions_mm
    values = {
        "contour_mm": position,
        "nearest slice_mm": float(positions[nearest]),
        "contour depth_mm": float(np.ptp(along)),
        "slice spacing_mm": _spacing_mm(geometry),
    }
    if any(positions[hole] < position < positions[hole + 1] for hole in geometry.holes):
        return GeometryError(
            "missing-slice",
            "a contour lies where slices are missing from the scan",
            values=values,
            todo="Find the missing images.",
        )
    return TraceError(
        "contour-off-plane",
        "a contour lies on no slice",
        values=values,
        todo="Check that the contours were drawn on this series; else name another one with --scan.",
    )


def _with_holes(found: Sequence[tuple[Contour, bool]]) -> list[Contour]:
    """Say of the rings of one slice which are holes: odd ones by nesting, where an XOR ring says so."""
    if not any(is_xor for _, is_xor in found):
        return [contour for contour, _ in found]
    around: list[list[int]] = [[] for _ in found]
    for one, other in close_rings([contour.vertices for contour, _ in found]):
        for inner, outer in ((one, other), (other, one)):
            if ring_inside(found[inner][0].vertices, found[outer][0].vertices):
                around[inner].append(outer)
    contours = []
    for (contour, is_xor), outside in zip(found, around, strict=True):
        parent = max(outside, key=lambda k: len(around[k]), default=None)
        combines = is_xor or (parent is not None and found[parent][1])
        contours.append(
            Contour(
                slice_index=contour.slice_index,
                vertices=contour.vertices,
                is_hole=combines and len(outside) % 2 == 1,
            )
        )
    return contours
