"""A half-drawn live-wire: clicks on the margin, and between them the paths that follow it. No Qt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from volumetry.tracing import LiveWire, largest_loop

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
        self.n_straightened = 0

    def add(self, at: Position) -> Position:
        """Take a click, and return where on the edge it lies."""
        end = self._snapped(at)
        self.paths.append(self._stretch(end))
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
        return self._live_wire.preview(self.anchors[-1], here, inside=self._inside(), taken=self.path)

    def closed(self) -> Array:
        """Return the outline, (n, 2): all paths, and the one from the last click to the first.

        It does not cross itself where the clicks themselves do not: stretches that lead over others are made
        straight, those with the longest way round first; `n_straightened` says how many.
        """
        paths = [*self.paths, self._stretch(self.anchors[0])]
        self.n_straightened = 0
        # Most often it is the last stretch, which nobody has seen yet, that leads over the others.
        order = [len(paths) - 1, *sorted(range(len(self.paths)), key=lambda n: -_detour(paths[n]))]
        for number in order:
            ring = largest_loop(_ring(paths))
            if ring is not None:
                return ring
            if len(paths[number]) > 2:
                paths[number] = paths[number][[0, -1]]
                self.n_straightened += 1
        ring = largest_loop(_ring(paths))
        return _ring(paths) if ring is None else ring

    def _stretch(self, end: Position) -> Array:
        """The path from the last click to a place."""
        return self._live_wire.path(self.anchors[-1], end, inside=self._inside(), taken=self.path)

    def _snapped(self, at: Position) -> Position:
        row, column = self._live_wire.snap(at)
        return float(row), float(column)

    def _inside(self) -> Array | None:
        return self.path.mean(axis=0) if len(self.anchors) >= INSIDE_FROM else None


def _ring(paths: list[Array]) -> Array:
    ring = np.vstack([path[:-1] for path in paths])
    keep = np.ones(len(ring), dtype=bool)
    keep[1:] = np.hypot(*np.diff(ring, axis=0).T) > 1e-6
    return np.asarray(ring[keep])


def _detour(path: Array) -> float:
    """How much longer a path is than the straight way between its ends."""
    straight = float(np.hypot(*(path[-1] - path[0])))
    return float(np.hypot(*np.diff(path, axis=0).T).sum()) / max(straight, 1e-9)
