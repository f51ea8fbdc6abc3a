"""Painted pixels as runs: how a brush adds to them and takes from them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Runs = NDArray[np.int32]
"""(n, 3): row, first column, column after the last; ascending and disjoint."""

NO_RUNS: Runs = np.zeros((0, 3), dtype=np.int32)
NO_RUNS.flags.writeable = False


def frozen_runs(runs: ArrayLike) -> Runs:
    """Return a read-only copy of runs, (n, 3)."""
    array = np.array(runs, dtype=np.int32).reshape(-1, 3)
    array.flags.writeable = False
    return array


def count_pixels(runs: Runs) -> int:
    """Return the number of pixels of runs."""
    return int((runs[:, 2] - runs[:, 1]).sum(dtype=np.int64))


def runs_from_image(inside: NDArray[Any], *, corner: tuple[int, int] = (0, 0)) -> Runs:
    """Return the runs of a boolean image (rows, columns) whose pixel (0, 0) is `corner`."""
    padded = np.pad(np.asarray(inside, dtype=bool).view(np.int8), ((0, 0), (1, 1)))
    steps = np.diff(padded, axis=1)
    rows, first = np.nonzero(steps == 1)
    stop = np.nonzero(steps == -1)[1]
    return frozen_runs(np.column_stack((rows + corner[0], first + corner[1], stop + corner[1])))


def image_from_runs(
    runs: Runs, shape: tuple[int, int], *, corner: tuple[int, int] = (0, 0)
) -> NDArray[np.bool_]:
    """Return a boolean image (rows, columns) of runs; its pixel (0, 0) is `corner`."""
    toggles = np.zeros((shape[0], shape[1] + 1), dtype=np.int8)
    np.add.at(toggles, (runs[:, 0] - corner[0], runs[:, 1] - corner[1]), 1)
    np.add.at(toggles, (runs[:, 0] - corner[0], runs[:, 2] - corner[1]), -1)
    return np.asarray(np.cumsum(toggles[:, :-1], axis=1, dtype=np.int8), dtype=bool)


def runs_from_pixels(pixels: ArrayLike, shape: tuple[int, int]) -> Runs:
    """Return the runs of pixels (n, 2) of (row, column); those outside `shape` are left out."""
    array = np.asarray(pixels, dtype=np.int64).reshape(-1, 2)
    array = array[((array >= 0) & (array < shape)).all(axis=1)]
    if not len(array):
        return NO_RUNS
    low = array.min(axis=0)
    image = np.zeros(array.max(axis=0) - low + 1, dtype=bool)
    image[tuple((array - low).T)] = True
    return runs_from_image(image, corner=(int(low[0]), int(low[1])))


def combine_runs(runs: Runs, stroke: Runs, *, erase: bool = False) -> Runs:
    """Return `runs` with the pixels of `stroke` added, or taken away."""
    if not len(stroke) or (erase and not len(runs)):
        return runs
    both = np.concatenate((runs, stroke))
    corner = (int(both[:, 0].min()), int(both[:, 1].min()))
    shape = (int(both[:, 0].max()) - corner[0] + 1, int(both[:, 2].max()) - corner[1])
    image = image_from_runs(runs, shape, corner=corner)
    brushed = image_from_runs(stroke, shape, corner=corner)
    return runs_from_image(image & ~brushed if erase else image | brushed, corner=corner)


def brush_pixels(
    path: ArrayLike, radius_pixels: float, shape: tuple[int, int], *, aspect: float = 1.0
) -> NDArray[np.int64]:
    """Return the pixels (n, 2) whose centre a round brush covers.

    Parameters
    ----------
    path : (n, 2) array_like
        (row, column) positions of the brush; between them it moves straight.
    radius_pixels : float
        In columns.
    shape : (rows, columns)
    aspect : float
        Spacing between rows over spacing between columns, so that the brush is round in millimetres.

    Examples
    --------
    >>> vt.brush_pixels([(8.0, 8.0)], 2.0, (24, 32)).shape[1]
    2
    """
    points = np.asarray(path, dtype=np.float64).reshape(-1, 2)
    reach = radius_pixels / np.array([aspect, 1.0])
    low = np.maximum(np.floor(points.min(axis=0) - reach), 0).astype(int)
    high = np.minimum(np.ceil(points.max(axis=0) + reach), np.array(shape) - 1).astype(int)
    if (high < low).any():
        return np.zeros((0, 2), dtype=np.int64)
    rows, columns = np.ogrid[low[0] : high[0] + 1, low[1] : high[1] + 1]
    points, rows = points * (aspect, 1.0), rows * aspect
    covered = np.zeros((high[0] - low[0] + 1, high[1] - low[1] + 1), dtype=bool)
    starts = points[:-1] if len(points) > 1 else points
    for start, end in zip(starts, points[1:] if len(points) > 1 else points, strict=True):
        along = end - start
        length = float(along @ along)
        share = 0.0
        if length > 0:
            share = np.clip(((rows - start[0]) * along[0] + (columns - start[1]) * along[1]) / length, 0, 1)
        nearest_row, nearest_column = start[0] + share * along[0], start[1] + share * along[1]
        covered |= (rows - nearest_row) ** 2 + (columns - nearest_column) ** 2 <= radius_pixels**2
    return np.asarray(np.argwhere(covered) + low, dtype=np.int64)
