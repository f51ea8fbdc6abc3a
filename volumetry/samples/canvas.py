"""Painting soft-edged shapes on a stack of slices, each in the box that holds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.samples.bodies import Array, Motion
from volumetry.samples.planes import SlicePlan

# Points of shape (3, ...) to one value for each.
Field = Callable[[Array], Array]
N_LEVELS = 2  # levels through the thickness of a slice that are averaged: partial volume


class Patch:
    """A box of the canvas: where its pixels lie in the body, and a view of their signal."""

    def __init__(self, points_mm: Array, signal: Array, edge_mm: float) -> None:
        self.points_mm = points_mm
        self._signal = signal
        self._edge_mm = edge_mm

    def paint(self, distance_mm: Array, signal: float | Array | Field) -> None:
        """Paint where the distance is negative, with an edge one pixel wide."""
        touched = distance_mm < 0.5 * self._edge_mm
        weight = np.minimum(0.5 - distance_mm[touched] / self._edge_mm, 1.0)
        value: float | Array
        if callable(signal):
            value = signal(self.points_mm[:, touched])
        else:
            value = signal[touched] if isinstance(signal, np.ndarray) else signal
        old = self._signal[touched]
        self._signal[touched] = old + weight * (value - old)


class Canvas:
    """Signal at two levels through each slice, in the frame of a body that may have moved.

    Parameters
    ----------
    plan : SlicePlan
        Where the slices lie in the scanner.
    motion : Motion
        How the body lies in the scanner, from the position for which the shapes are described.
    """

    def __init__(self, plan: SlicePlan, motion: Motion) -> None:
        depth = (np.arange(N_LEVELS) + 0.5) / N_LEVELS - 0.5
        levels = np.arange(plan.n_slices)[:, None] + depth * plan.thickness_mm / plan.spacing_mm
        back = motion.matrix.T
        self._places_mm = (
            levels.ravel() * plan.spacing_mm,
            np.arange(plan.rows) * plan.pixel_mm,
            np.arange(plan.columns) * plan.pixel_mm,
        )
        self._axes = (back @ plan.normal, back @ plan.column_direction, back @ plan.row_direction)
        self._start_mm = motion.undo(plan.position_mm(0))
        self._edge_mm = plan.pixel_mm
        self._signal = np.zeros((levels.size, plan.rows, plan.columns))

    def slices(self) -> Array:
        """Return the mean signal of each slice, shape (slices, rows, columns)."""
        shape = (-1, N_LEVELS, *self._signal.shape[1:])
        return np.asarray(self._signal.reshape(shape).mean(axis=1))

    def patch(self, centre_mm: Array | None = None, reach_mm: float = 0.0) -> Patch:
        """Return the box that holds a ball; without one, the whole canvas."""
        ranges = tuple(
            slice(None)
            if centre_mm is None
            else _range(places, float(axis @ (centre_mm - self._start_mm)), reach_mm)
            for axis, places in zip(self._axes, self._places_mm, strict=True)
        )
        depth, down, along = (
            places[part] * axis[:, None]
            for places, part, axis in zip(self._places_mm, ranges, self._axes, strict=True)
        )
        plane = down[:, :, None] + along[:, None, :]
        start = self._start_mm[:, None] + depth
        return Patch(start[:, :, None, None] + plane[:, None], self._signal[ranges], self._edge_mm)


def _range(places: NDArray[Any], middle: float, reach: float) -> slice:
    low, high = np.searchsorted(places, [middle - reach - 2.0, middle + reach + 2.0])
    return slice(int(low), int(high))
