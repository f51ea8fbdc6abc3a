"""A live-wire: between two clicks the path that follows the outer margin of a dark band.

Mortensen and Barrett, Graph Models Image Process 60, 349 (1998): the path of least cost over the edges of
the image. Here only edges count across which the image gets brighter to the outside, so that the path keeps
to the outer margin of a dark band and does not change to its inner one. Vertices lie between pixels, at the
steepest place of the edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

BLUR_PIXELS = 1.0
"""Width of the Gaussian derivative, in pixels."""

MARGIN_PIXELS = 20
"""How far beside its two ends a path may run."""

MAX_NODES = 9000
"""Nodes of a preview's graph; a longer way is previewed on a coarser grid."""

SNAP_PIXELS = 3.0
"""How far from the mouse an edge is looked for."""

EDGE_FREE = 0.03
"""Cost of a step along a perfect edge, against 1 where there is none."""

TAKEN_COST = 100.0
"""Cost of a step onto what is drawn already, against 1 where there is no edge."""

FREE_PIXELS = 2.5
"""So near to its own ends a path may lie on what is drawn already."""

EVERY_PIXELS = 1.0
"""Distance of the vertices of a path."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Window:
    """The part of the image in which a path is looked for: its corner, and its gradient on a coarser grid."""

    corner: Array
    step: int
    gradient: Array

    def to_window(self, point: Array) -> tuple[int, int]:
        place = np.rint((point - self.corner) / self.step).astype(int)
        row, column = np.clip(place, 0, np.array(self.gradient.shape[1:]) - 1)
        return int(row), int(column)


class LiveWire:
    """The live-wire of one slice; made once, then asked for a path at every move of the mouse.

    Parameters
    ----------
    image : (rows, columns) array_like
        Grey values of the slice.
    pixel_spacing_mm : (row, column)

    Examples
    --------
    >>> import numpy as np
    >>> rows, columns = np.indices((64, 64))
    >>> distance = np.hypot(rows - 32, columns - 32)
    >>> image = np.where((distance > 12) & (distance < 16), 20.0, 100.0)
    >>> path = LiveWire(image).path((16, 32), (32, 48))
    >>> bool(np.abs(np.hypot(*(path - 32).T) - 16).max() < 0.75)
    True
    """

    def __init__(self, image: ArrayLike, pixel_spacing_mm: tuple[float, float] = (1.0, 1.0)) -> None:
        from scipy.ndimage import gaussian_filter

        grey = np.asarray(image, dtype=np.float32)
        self._spacing = pixel_spacing_mm
        self._gradient = np.stack(
            [
                gaussian_filter(grey, BLUR_PIXELS, order=order) / spacing
                for order, spacing in zip(((1, 0), (0, 1)), pixel_spacing_mm, strict=True)
            ]
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the slice."""
        return self._gradient.shape[1], self._gradient.shape[2]

    def snap(self, point: ArrayLike, *, inside: ArrayLike | None = None) -> Array:
        """Return the steepest place of the edge nearby; the point itself where there is no edge.

        Parameters
        ----------
        point : (2,) array_like
            (row, column), integers at pixel centres.
        inside : (2,) array_like, optional
            A place within the lesion: only edges brighter on the other side count.
        """
        here = np.asarray(point, dtype=np.float64)
        reach = np.arange(-SNAP_PIXELS, SNAP_PIXELS + 0.01, 0.5)
        offsets = np.stack(np.meshgrid(reach, reach, indexing="ij"), axis=-1).reshape(-1, 2)
        offsets = offsets[np.hypot(*offsets.T) <= SNAP_PIXELS]
        places = here + offsets
        found = self._at(places)
        if inside is None:
            strength = np.hypot(*found)
        else:
            strength = (found.T * _directions(places - np.asarray(inside, dtype=np.float64))).sum(axis=1)
        # Nearer edges count more: a stronger one at the end of the reach may belong to something else.
        strength = strength * (1 - 0.5 * (np.hypot(*offsets.T) / SNAP_PIXELS) ** 2)
        best = int(np.argmax(strength))
        if strength[best] <= 0:
            return here
        return np.asarray(self._steepest(places[best : best + 1], _directions(found.T[best : best + 1]))[0])

    def path(
        self,
        start: ArrayLike,
        end: ArrayLike,
        *,
        inside: ArrayLike | None = None,
        taken: ArrayLike | None = None,
    ) -> Array:
        """Return the path between two clicks, at the full resolution of the slice.

        Parameters
        ----------
        start, end : (2,) array_like
            (row, column), integers at pixel centres. They are kept as the ends of the path.
        inside : (2,) array_like, optional
            A place within the lesion, for instance the centroid of the vertices so far. Without it, the
            outside is where the image is brighter beside the two clicks.
        taken : (n, 2) array_like, optional
            What is drawn already: the path keeps off it, but near its own ends.

        Returns
        -------
        (n, 2) array
            Vertices about one pixel apart, `start` first and `end` last.
        """
        return self._path(start, end, inside, taken, max_nodes=0)

    def preview(
        self,
        start: ArrayLike,
        end: ArrayLike,
        *,
        inside: ArrayLike | None = None,
        taken: ArrayLike | None = None,
    ) -> Array:
        """Return the path as `path` does, but on a coarser grid where it is long: within a frame."""
        return self._path(start, end, inside, taken, max_nodes=MAX_NODES)

    def _path(
        self,
        start: ArrayLike,
        end: ArrayLike,
        inside: ArrayLike | None,
        taken: ArrayLike | None,
        *,
        max_nodes: int,
    ) -> Array:
        first, last = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
        if np.hypot(*(last - first)) < EVERY_PIXELS:
            return np.stack((first, last))
        window = self._window(first, last, max_nodes)
        outward = self._outward(window, first, last, inside)
        rising = (window.gradient * outward).sum(axis=0)
        if rising.max() <= 0:
            return _smooth(first, np.zeros((0, 2)), last)
        nodes = self._cheapest(window, rising, first, last, taken)
        rough = nodes * window.step + window.corner
        normals = _directions(self._at(rough).T)
        expected = outward[:, *nodes.astype(int).T].T
        doubtful = (normals * expected).sum(axis=1) < 0.3
        normals[doubtful] = expected[doubtful]
        fine = self._steepest(rough, normals, reach=1.0 if window.step == 1 else float(window.step))
        return _smooth(first, fine[1:-1], last)

    def _window(self, first: Array, last: Array, max_nodes: int) -> _Window:
        low = np.floor(np.minimum(first, last)).astype(int) - MARGIN_PIXELS
        high = np.ceil(np.maximum(first, last)).astype(int) + MARGIN_PIXELS + 1
        low, high = np.maximum(low, 0), np.minimum(high, self.shape)
        step = 1
        while max_nodes and np.prod(np.ceil((high - low) / step)) > max_nodes:
            step += 1
        part = self._gradient[:, low[0] : high[0] : step, low[1] : high[1] : step]
        return _Window(corner=low.astype(np.float64), step=step, gradient=part.astype(np.float64))

    def _outward(self, window: _Window, first: Array, last: Array, inside: ArrayLike | None) -> Array:
        """Unit vectors (2, rows, columns) that point out of the lesion, at every node."""
        shape = window.gradient.shape[1:]
        rows, columns = np.ogrid[: shape[0], : shape[1]]
        places = np.stack(np.broadcast_arrays(rows, columns)) * window.step + window.corner[:, None, None]
        if inside is not None:
            away = places - np.asarray(inside, dtype=np.float64)[:, None, None]
        else:
            ends = _directions(self._at(np.stack((first, last))).T)
            along = last - first
            share = ((places - first[:, None, None]) * along[:, None, None]).sum(axis=0) / (along @ along)
            share = np.clip(share, 0, 1)
            away = ends[0][:, None, None] * (1 - share) + ends[1][:, None, None] * share
        return np.asarray(away / np.maximum(np.hypot(*away), 1e-9))

    def _cheapest(
        self, window: _Window, rising: Array, first: Array, last: Array, taken: ArrayLike | None
    ) -> Array:
        from skimage.graph import MCP_Geometric

        ends = [window.to_window(first), window.to_window(last)]
        # What is a full edge is said by the strong edges here, not by the strongest of the image.
        full = max(float(np.percentile(rising, 97)), 1e-9)
        missing = 1 - np.clip(rising / full, 0, 1)
        costs = EDGE_FREE + (1 - EDGE_FREE) * missing**2
        if taken is not None:
            _keep_off(costs, window, np.asarray(taken, dtype=np.float64), first, last)
        graph = MCP_Geometric(costs, sampling=self._spacing)
        graph.find_costs([ends[0]], [ends[1]])
        return np.asarray(graph.traceback(ends[1]), dtype=np.float64)

    def _steepest(self, places: Array, normals: Array, *, reach: float = 1.0) -> Array:
        """Places moved along their normals to where the image rises most steeply."""
        offsets = np.linspace(-reach, reach, 2 * max(2, round(2 * reach)) + 1)
        tried = places[:, None] + offsets[None, :, None] * normals[:, None]
        found = self._at(tried.reshape(-1, 2)).T.reshape(*tried.shape)
        rising = (found * normals[:, None]).sum(axis=-1)
        best = np.clip(np.argmax(rising, axis=1), 1, len(offsets) - 2)
        number = np.arange(len(places))
        before, here, after = (rising[number, best + n] for n in (-1, 0, 1))
        bend = before - 2 * here + after
        shift = np.where(bend < -1e-12, 0.5 * (before - after) / np.minimum(bend, -1e-12), 0)
        moved = offsets[best] + np.clip(shift, -1, 1) * (offsets[1] - offsets[0])
        return np.asarray(places + np.where(here > 0, moved, 0)[:, None] * normals)

    def _at(self, places: Array) -> Array:
        """The gradient (2, n) at places (n, 2) between the pixels."""
        from scipy.ndimage import map_coordinates

        return np.stack(
            [map_coordinates(part, places.T, order=1, mode="nearest") for part in self._gradient]
        ).astype(np.float64)


def _keep_off(costs: Array, window: _Window, taken: Array, first: Array, last: Array) -> None:
    """Make what is drawn already dear, one node to each side, but near the ends of the path."""
    apart = np.minimum(np.hypot(*(taken - first).T), np.hypot(*(taken - last).T))
    places = np.rint((taken[apart > FREE_PIXELS] - window.corner) / window.step).astype(int)
    around = np.stack(np.meshgrid((-1, 0, 1), (-1, 0, 1), indexing="ij"), axis=-1).reshape(-1, 2)
    nodes = (places[:, None] + around).reshape(-1, 2)
    nodes = nodes[((nodes >= 0) & (nodes < costs.shape)).all(axis=1)]
    near = np.minimum(*(np.hypot(*(nodes * window.step + window.corner - end).T) for end in (first, last)))
    nodes = nodes[near > 1.5 * window.step]
    costs[nodes[:, 0], nodes[:, 1]] = TAKEN_COST


def _directions(vectors: Array) -> Array:
    return np.asarray(vectors / np.maximum(np.hypot(*vectors.T), 1e-9)[:, None])


def _smooth(first: Array, middle: Array, last: Array) -> Array:
    """A path without the steps of the pixels, its vertices evenly spaced, its ends kept."""
    from scipy.ndimage import gaussian_filter1d

    path = np.vstack((first, middle, last))
    if len(path) > 4:
        straight = _straight(path)
        # Mirrored about the straight line between its ends, so that it is not drawn away from them.
        smoothed = gaussian_filter1d(path - straight, 1.2, axis=0, mode="mirror") + straight
        path = np.vstack((first, smoothed[1:-1], last))
    along = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))))
    even = np.linspace(0, along[-1], max(2, round(along[-1] / EVERY_PIXELS) + 1))
    return np.column_stack([np.interp(even, along, values) for values in path.T])


def _straight(path: Array) -> Array:
    share = np.linspace(0, 1, len(path))[:, None]
    return np.asarray(path[:1] * (1 - share) + path[-1:] * share)
