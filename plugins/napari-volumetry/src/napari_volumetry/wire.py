"""A half-drawn live-wire: clicks on the margin, and between them the paths that follow it. No Qt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from volumetry.tracing import LiveWire

Array = NDArray[np.float64]
Position = tuple[float, float]

INSIDE_FROM = 3
"""From so many clicks on, their middle says where the lesion is."""


class Wire:
    """Clicks and the paths between them.

    Parameters
    ----------
    live_wire : LiveWire
        Of the slice in view.
    at : (row, column)
        The first click. Every click is moved to the steepest place of the edge nearby.
    """

    def __init__(self, live_wire: LiveWire, at: Position) -> None:
        self._live_wire = live_wire
        self.anchors: list[Position] = [self._snapped(at)]
        self.paths: list[Array] = []

    def add(self, at: Position) -> Position:
        """Take a click, and return where on the edge it lies."""
        end = self._snapped(at)
        self.paths.append(self._live_wire.path(self.anchors[-1], end, inside=self._inside()))
        self.anchors.append(end)
        return end

    def take_back(self) -> None:
        """Forget the last click, unless it is the first."""
        if self.paths:
            self.paths.pop()
            self.anchors.pop()

    @property
    def path(self) -> Array:
        """All that is fixed, (n, 2)."""
        return np.vstack((self.anchors[:1], *self.paths))

    def preview(self, here: Position) -> Array:
        """Return the path from the last click to the mouse, (n, 2)."""
        return self._live_wire.preview(self.anchors[-1], here, inside=self._inside())

    def closed(self) -> Array:
        """Return the outline, (n, 2): all paths, and the one from the last click to the first."""
        last = self._live_wire.path(self.anchors[-1], self.anchors[0], inside=self._inside())
        ring = np.vstack((self.path, last[:-1]))
        keep = np.ones(len(ring), dtype=bool)
        keep[1:] = np.hypot(*np.diff(ring, axis=0).T) > 1e-6
        return ring[keep]

    def _snapped(self, at: Position) -> Position:
        row, column = self._live_wire.snap(at)
        return float(row), float(column)

    def _inside(self) -> Array | None:
        return self.path.mean(axis=0) if len(self.anchors) >= INSIDE_FROM else None
