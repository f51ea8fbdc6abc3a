"""Distances between neighbouring slices along their normal: the regular one, holes, the height of a slice.

`ScanGeometry` has them for a scan. Here they are functions of the distances alone.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

JITTER = 1e-3
"""Deviation of a step between slices, relative to the regular step, that is rounding and no finding."""

HOLE = 1.9
"""A step of so many regular steps leaves room for a whole slice: one is missing."""


def regular_step(steps_mm: Array) -> float:
    """Return the usual one of some distances (n,), n > 0: their lower median.

    Examples
    --------
    >>> from volumetry.slice_steps import regular_step
    >>> regular_step(np.array([4.4, 4.4, 8.8, 4.4]))
    4.4
    """
    return float(np.sort(steps_mm)[(steps_mm.size - 1) // 2])


def holes_in(steps_mm: Array, thicknesses_mm: Array | None = None) -> tuple[int, ...]:
    """Return the indices i where at least one slice is missing between slice i and slice i + 1.

    One is missing where, beyond the regular gap between slices, there is room for the thinner neighbour and
    its gap. Where all slices are of one thickness, or state none, that is a step of nearly two regular ones.

    Parameters
    ----------
    steps_mm : (n - 1,) array
        From every slice to the next.
    thicknesses_mm : (n,) array, optional
        Thickness of every slice, where they differ.

    Examples
    --------
    >>> from volumetry.slice_steps import holes_in
    >>> holes_in(np.array([4.4, 4.4, 8.8, 4.4]))
    (2,)
    """
    if not steps_mm.size:
        return ()
    if thicknesses_mm is None:
        return tuple((steps_mm > HOLE * regular_step(steps_mm)).nonzero()[0].tolist())
    before, after = thicknesses_mm[:-1], thicknesses_mm[1:]
    gaps = steps_mm - (before + after) / 2
    regular_gap = regular_step(gaps)
    room = np.minimum(before, after) + regular_gap
    if regular_gap < 0:  # slices that overlap: a missing one leaves a step, not a gap
        room = np.maximum(room, regular_step(steps_mm))
    return tuple(int(i) for i in np.flatnonzero(gaps - regular_gap > (HOLE - 1) * room))


def slice_heights(steps_mm: Array, holes: Collection[int] = ()) -> Array:
    """Return the height that every slice stands for: half the way to each neighbour (Cavalieri's rule).

    End slices, and slices beside a hole, use their one neighbour's distance on both sides.

    Parameters
    ----------
    steps_mm : (n - 1,) array, n > 1
    holes : collection of int
        As `holes_in` returns them; without them the heights run across.

    Returns
    -------
    (n,) array

    Examples
    --------
    >>> from volumetry.slice_steps import slice_heights
    >>> slice_heights(np.array([4.0, 6.0])).tolist()
    [4.0, 5.0, 6.0]
    """
    before = np.concatenate((steps_mm[:1], steps_mm))
    after = np.concatenate((steps_mm, steps_mm[-1:]))
    if holes:
        before[0] = after[-1] = np.nan
        for hole in holes:
            after[hole] = before[hole + 1] = np.nan
        other = np.where(np.isnan(before), after, before)
        before = np.where(np.isnan(other), regular_step(steps_mm), other)
        after = np.where(np.isnan(after), before, after)
    return np.asarray((before + after) / 2)
