"""What the hand draws, apart from how it is shown: strokes, and the pure steps of every tool. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volumetry.tracing import brush_pixels, clean_outline, nudge_outline

Array = NDArray[np.float64]
Tool = Literal["none", "freehand", "polygon", "wire", "nudge", "vertices", "paint", "erase"]

SPARSE_GAP_MM = 3.0
"""A stroke whose positions lie further apart than this, on average, is told and marked in the journal."""

LEAST_AREA_PIXELS = 0.5
"""An outline that is smaller (a click, or a stroke outside the image) is dropped."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """To what a stroke belongs: where it began.

    Attributes
    ----------
    case : int
        Number of the opening of the case; no two are equal.
    slice_index : int
    lesion_id : str
        Empty where the stroke begins the first lesion.
    """

    case: int
    slice_index: int
    lesion_id: str


@dataclass(kw_only=True, eq=False)
class Stroke:
    """A stroke of the mouse from press to release; every mouse event is a position.

    Attributes
    ----------
    tool : Tool
    place : Place
    is_hole : bool
    points : list of (row, column)
        On the screen's slice, as fractions of a pixel.
    contour_id : str
        Of the outline that is pushed, or one of whose vertices is dragged.
    ring : (n, 2) array
        That outline as it was.
    vertex : int
        Which of its vertices is dragged.
    """

    tool: Tool
    place: Place
    is_hole: bool = False
    points: list[tuple[float, float]] = field(default_factory=list)
    contour_id: str = ""
    ring: Array = field(default_factory=lambda: np.zeros((0, 2)))
    vertex: int = -1

    @property
    def path(self) -> Array:
        """The positions, (n, 2)."""
        return np.array(self.points, dtype=np.float64).reshape(-1, 2)


def mean_gap_mm(points: ArrayLike, scale_mm: tuple[float, float]) -> float:
    """Return the mean distance between neighbouring positions (n, 2) of a stroke; 0 for fewer than two."""
    path = np.asarray(points, dtype=np.float64).reshape(-1, 2) * scale_mm
    steps = np.hypot(*np.diff(path, axis=0).T)
    steps = steps[steps > 0]
    return float(steps.mean()) if len(steps) else 0.0


def sparse_note(points: ArrayLike, scale_mm: tuple[float, float]) -> str:
    """Return what the journal keeps of a stroke whose positions are too few for its length; else nothing."""
    gap = mean_gap_mm(points, scale_mm)
    return f"sparse stroke: mean gap {gap:.1f} mm" if gap > SPARSE_GAP_MM else ""


def outline_of(points: ArrayLike, shape: tuple[int, int]) -> Array | None:
    """Return the outline of a stroke, inside an image of `shape`; None where there is no area."""
    path = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    if len(path) < 3 or np.ptp(path, axis=0).min() < LEAST_AREA_PIXELS:
        return None
    ring = clean_outline(path, shape=shape)
    if len(ring) < 3 or abs(_area(ring)) < LEAST_AREA_PIXELS:
        return None
    return ring


def clicked_outline(points: ArrayLike, shape: tuple[int, int]) -> Array | None:
    """Return the outline of clicked corners, clipped to the image; None where there is no area."""
    ring = np.clip(np.asarray(points, dtype=np.float64).reshape(-1, 2), -0.5, np.array(shape) - 0.5)
    return ring if len(ring) >= 3 and abs(_area(ring)) >= LEAST_AREA_PIXELS else None


def _area(ring: Array) -> float:
    rows, columns = (ring - ring.mean(axis=0)).T
    return float((rows * np.roll(columns, -1) - columns * np.roll(rows, -1)).sum() / 2)


def pushed(ring: Array, path: ArrayLike, radius_mm: float, scale_mm: tuple[float, float]) -> Array:
    """Return an outline (n, 2) pushed along a path by a brush that is round in millimetres."""
    return nudge_outline(ring, path, radius_mm / scale_mm[1], aspect=scale_mm[0] / scale_mm[1])


def brushed(
    path: ArrayLike, radius_mm: float, scale_mm: tuple[float, float], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return the pixels (rows, columns) covered by a brush that is round in mm and moves straight."""
    inside = np.zeros(shape, dtype=bool)
    pixels = brush_pixels(path, radius_mm / scale_mm[1], shape, aspect=scale_mm[0] / scale_mm[1])
    inside[pixels[:, 0], pixels[:, 1]] = True
    return inside


def nearest_ring(outlines: list[tuple[str, Array]], here: ArrayLike) -> tuple[str, Array] | None:
    """Return the outline with the vertex nearest to a position."""
    place = np.asarray(here, dtype=np.float64)
    found = [float(np.hypot(*(ring - place).T).min()) for _, ring in outlines]
    return outlines[int(np.argmin(found))] if found else None


def nearest_vertex(
    outlines: list[tuple[str, Array]], here: ArrayLike, scale_mm: tuple[float, float], reach_mm: float
) -> tuple[str, Array, int] | None:
    """Return (contour id, ring, index) of the vertex nearest to a position, within `reach_mm`."""
    place = np.asarray(here, dtype=np.float64)
    best: tuple[float, str, Array, int] | None = None
    for contour_id, ring in outlines:
        apart = np.hypot(*((ring - place) * scale_mm).T)
        index = int(np.argmin(apart))
        if apart[index] <= reach_mm and (best is None or apart[index] < best[0]):
            best = (float(apart[index]), contour_id, ring, index)
    return None if best is None else best[1:]


def with_vertex_at(ring: Array, vertex: int, here: ArrayLike, shape: tuple[int, int]) -> Array:
    """Return an outline with one vertex elsewhere, inside the image."""
    moved = ring.copy()
    moved[vertex] = np.clip(np.asarray(here, dtype=np.float64), -0.5, np.array(shape) - 0.5)
    return moved
