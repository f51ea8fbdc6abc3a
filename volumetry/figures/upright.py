"""A slice turned as radiologists look at it, and millimetres on the picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.geometry import ScanGeometry

ToMillimetres = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From (row, column), (n, 2), to (right, down) on the picture in millimetres."""


def upright(pixels: NDArray[Any], geometry: ScanGeometry) -> tuple[NDArray[Any], ToMillimetres]:
    """The slice turned upright, and the map from (row, column) to (right, down) in millimetres.

    Radiological convention: the patient's right, or front, on the left; head, or front, at the top.
    """
    row_axis, column_axis = geometry.column_direction, geometry.row_direction
    swapped = _rank(row_axis) < _rank(column_axis)
    across, down = (row_axis, column_axis) if swapped else (column_axis, row_axis)
    spacing_rows, spacing_columns = geometry.pixel_spacing_mm
    across_sign, down_sign = _sign(across, horizontal=True), _sign(down, horizontal=False)
    image = pixels.T if swapped else pixels
    image = image[:: int(down_sign), :: int(across_sign)]

    def to_mm(vertices: NDArray[np.float64]) -> NDArray[np.float64]:
        rows, columns = vertices[:, 0] * spacing_rows, vertices[:, 1] * spacing_columns
        x, y = (rows, columns) if swapped else (columns, rows)
        return np.column_stack((x * across_sign, y * down_sign))

    return image, to_mm


def _rank(direction: NDArray[np.float64]) -> int:
    """0 where a direction runs between left and right, 1 front and back, 2 head and feet."""
    return int(np.argmax(np.abs(direction)))


def _sign(direction: NDArray[np.float64], *, horizontal: bool) -> float:
    """1 where a direction runs as it is shown: across to the patient's left or back, down to back or feet."""
    axis = _rank(direction)
    positive = bool(direction[axis] > 0)
    return 1.0 if positive == (horizontal or axis != 2) else -1.0


def side_letter(geometry: ScanGeometry) -> str:
    """The patient's side at the left edge of the picture."""
    ranks = sorted((_rank(geometry.row_direction), _rank(geometry.column_direction)))
    return "R" if ranks[0] == 0 else "A"
