"""Freehand strokes made into outlines."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def clean_outline(
    points: ArrayLike, *, spacing_pixels: float = 1.0, shape: tuple[int, int] | None = None
) -> NDArray[np.float64]:
    """Return a freehand stroke as the vertices of an outline.

    Repeated points are dropped, points between which the outline hardly bends are thinned out to
    `spacing_pixels` apart or less, and the area stays that of the stroke within 0.1 %. Nothing is rounded.

    Parameters
    ----------
    points : (n, 2) array_like
        (row, column), as the mouse gave them.
    spacing_pixels : float
    shape : (rows, columns), optional
        Points outside the image are moved to its edge (half a pixel beyond the last pixel centre).
    """
    raise NotImplementedError
