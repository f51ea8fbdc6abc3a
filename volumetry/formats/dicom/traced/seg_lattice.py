"""The lattice of a segmentation by itself: the positions of its frames, and SpacingBetweenSlices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import GeometryError, ReadError
from volumetry.formats.dicom.traced.seg_header import Segmentation
from volumetry.geometry import GRID_TOLERANCE, ScanGeometry

MAX_SLICES = 65_536
"""Slices of a lattice that are counted."""

STEP_TOLERANCE = 1e-2
"""How far a step may be from a whole number of spacings, in spacings, to count as that number."""


def plane_of_frame(header: Segmentation, origin_mm: NDArray[np.float64]) -> ScanGeometry:
    """Return the geometry of one frame."""
    return ScanGeometry(
        rows=header.rows,
        columns=header.columns,
        pixel_spacing_mm=header.pixel_spacing_mm,
        row_direction=header.orientation[:3],
        column_direction=header.orientation[3:],
        slice_origins_mm=origin_mm,
        slice_thickness_mm=header.slice_thickness_mm or None,
        frame_of_reference_uid=next(iter(header.references.frame_of_reference_uids), None),
    )


def own_lattice(header: Segmentation) -> tuple[ScanGeometry, tuple[int, ...], set[str]]:
    """Return the lattice of the frames' positions, the slice of every frame, and flags.

    Raises
    ------
    GeometryError
        ``bad-spacing`` where a position is not finite.
    ReadError
        ``too-large`` where the frames lie too far apart.
    """
    origins = np.array([frame.origin_mm for frame in header.frames])
    if not np.isfinite(origins).all():
        raise GeometryError("bad-spacing", "a position is not finite", todo="Export the segmentation again.")
    flat = plane_of_frame(header, origins[0])
    along = origins @ flat.normal
    order = np.argsort(along, kind="stable")
    is_new = np.diff(along[order], prepend=-np.inf) > GRID_TOLERANCE * min(header.pixel_spacing_mm)
    position = np.empty(len(along), dtype=np.intp)
    position[order] = np.cumsum(is_new) - 1
    distinct = origins[order][is_new]
    numbers, flags = _slice_numbers(along[order][is_new], header)
    if numbers[-1] >= MAX_SLICES:
        raise ReadError(
            "too-large",
            "the frames lie further apart than slices are counted",
            values={"slices": int(numbers[-1]) + 1, "allowed": MAX_SLICES},
            todo="Check SpacingBetweenSlices, or name the scan with --scan.",
        )
    every = np.arange(numbers[-1] + 1)
    filled = np.column_stack([np.interp(every, numbers, distinct[:, axis]) for axis in range(3)])
    return replace(flat, slice_origins_mm=filled), tuple(int(numbers[p]) for p in position), flags


def _slice_numbers(
    positions_mm: NDArray[np.float64], header: Segmentation
) -> tuple[NDArray[np.intp], set[str]]:
    """Return which slice each position is, counting slices that no frame shows, and flags.

    SpacingBetweenSlices is believed where the positions are whole numbers of it apart: then slices without
    a frame are absent. Where it holds the gap between slices instead, or nothing that fits, the positions
    alone count. Where it is left out, as it may be, neighbours tell it (`_step_of_neighbours`).
    """
    consecutive = np.arange(len(positions_mm))
    if len(positions_mm) < 2:
        return consecutive, set()
    steps = np.diff(positions_mm)
    spacing = header.spacing_between_slices_mm
    if spacing is None:
        spacing = _step_of_neighbours(steps, header)
        if spacing is None:
            return consecutive, set()
        return np.concatenate(([0], np.cumsum(np.rint(steps / spacing)))).astype(np.intp), set()
    disagrees = {"spacing-tag-disagrees"}
    if not (np.isfinite(spacing) and spacing > 0):
        return consecutive, disagrees
    multiples = np.rint(steps / spacing)
    off = np.abs(steps / spacing - multiples)
    if multiples.min() < 1 or off.max() > STEP_TOLERANCE:
        return consecutive, disagrees
    thickness = header.slice_thickness_mm
    holds_gap = thickness is not None and abs(spacing + thickness - steps.min()) <= STEP_TOLERANCE * thickness
    if multiples.min() > 1 and holds_gap:
        return consecutive, disagrees
    return np.concatenate(([0], np.cumsum(multiples))).astype(np.intp), set()


def _step_of_neighbours(steps_mm: NDArray[np.float64], header: Segmentation) -> float | None:
    """Return the step between neighbouring slices, as the frames tell it; None where they do not.

    Most frames have a neighbour at the smallest step, no further slice fits between these, and the other
    steps are whole numbers of it. Slices that differ in thickness lie unevenly by themselves.
    """
    step = float(steps_mm.min())
    multiples = np.rint(steps_mm / step)
    is_whole = np.abs(steps_mm / step - multiples).max() <= STEP_TOLERANCE
    are_neighbours = header.slice_thickness_mm is None or step < 2 * header.slice_thickness_mm
    is_usual = 2 * np.count_nonzero(multiples == 1) >= len(steps_mm)
    if not (is_whole and are_neighbours and is_usual) or header.has_several_thicknesses:
        return None
    return step
