"""A round brush that pushes an outline."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def nudge_outline(
    vertices: ArrayLike, path: ArrayLike, radius_pixels: float, *, spacing_pixels: float = 1.0
) -> NDArray[np.float64]:
    """Return an outline pushed by a round brush that moves along a path.

    A brush that starts inside the outline pushes it outwards, one that starts outside pushes it inwards;
    no part of the outline is left inside the brush. Where it was pushed the outline is resampled, so that
    its spacing stays even; elsewhere its vertices stay as they are.

    Parameters
    ----------
    vertices : (n, 2) array_like
        (row, column) of the outline.
    path : (m, 2) array_like
        Positions of the brush's centre, from where the button went down.
    radius_pixels : float
    spacing_pixels : float
        Largest distance between neighbouring vertices where the outline was pushed.

    Returns
    -------
    (k, 2) array
        Equal to `vertices` where the brush never touched it.
    """
    raise NotImplementedError
