"""A round brush that pushes an outline."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volumetry.contours.rings import points_inside
from volumetry.tracing.planes.simplify import resampled

Array = NDArray[np.float64]

STEP = 0.25
"""How far the brush goes between two pushes, in its radii."""


def nudge_outline(
    vertices: ArrayLike,
    path: ArrayLike,
    radius_pixels: float,
    *,
    spacing_pixels: float = 1.0,
    aspect: float = 1.0,
) -> Array:
    """Return an outline pushed by a round brush that moves along a path.

    A brush that starts inside the outline pushes it outwards, one that starts outside pushes it inwards;
    nothing of the outline is left inside the brush but the sag of its short edges. Where it was pushed the
    outline is resampled, so that its spacing stays even; elsewhere its vertices stay as they are.

    Parameters
    ----------
    vertices : (n, 2) array_like
        (row, column) of the outline.
    path : (m, 2) array_like
        Positions of the brush's centre, from where the button went down.
    radius_pixels : float
        In columns.
    spacing_pixels : float
        Largest distance between neighbouring vertices where the outline was pushed.
    aspect : float
        Spacing between rows over spacing between columns, so that the brush is round in millimetres.

    Returns
    -------
    (k, 2) array
        Equal to `vertices` where the brush never touched it. It may cross itself after a brush that was
        pushed right through the outline; `Contour.crossing` tells.

    Examples
    --------
    >>> square = [(4, 4), (4, 12), (12, 12), (12, 4)]
    >>> moved = vt.nudge_outline(square, [(8.0, 2.0), (8.0, 5.0)], 2.0)
    >>> vm.Contour(slice_index=0, vertices=moved).area_pixels < 64
    True
    """
    scale = np.array([aspect, 1.0])
    ring = np.array(vertices, dtype=np.float64).reshape(-1, 2) * scale
    centres = np.asarray(path, dtype=np.float64).reshape(-1, 2) * scale
    if not len(ring) or not len(centres):
        return np.asarray(ring / scale)
    outwards = bool(points_inside(ring, centres[:1])[0])
    touched = False
    for centre, heading in _stations(centres, STEP * radius_pixels):
        pushed = _pushed(ring, centre, heading, radius_pixels, spacing_pixels, outwards=outwards)
        touched |= pushed is not ring
        ring = pushed
    if not touched:
        return np.array(vertices, dtype=np.float64).reshape(-1, 2)
    return np.asarray(ring / scale)


def _stations(centres: Array, step: float) -> list[tuple[Array, Array]]:
    """Positions along the path, at most `step` apart, and where the brush is heading at each."""
    stations = [(centres[0], np.zeros(2))]
    for start, end in pairwise(centres):
        length = float(np.hypot(*(end - start)))
        count = max(1, int(np.ceil(length / step))) if length > 0 else 0
        heading = (end - start) / length if length > 0 else np.zeros(2)
        stations += [(start + (end - start) * k / count, heading) for k in range(1, count + 1)]
    return stations


def _pushed(
    ring: Array, centre: Array, heading: Array, radius: float, spacing: float, *, outwards: bool
) -> Array:
    if not _reaches(ring, centre, radius):
        return ring
    # Finer where the brush is, so that it meets vertices and not only edges.
    near = np.hypot(*(ring - centre).T) < radius + spacing
    touched = near | np.roll(near, 1) | np.roll(near, -1) | _crossed(ring, centre, radius)
    fine = resampled(ring, spacing, touched)
    offset = fine - centre
    distance = np.hypot(*offset.T)
    inside = distance < radius
    if not inside.any():
        return ring
    direction = np.where(distance[:, None] > 1e-9, offset / np.maximum(distance, 1e-9)[:, None], heading)
    if outwards != bool(points_inside(ring, centre[None])[0]) and heading.any():
        # The centre has run over the outline: what lies behind it is carried along in front.
        behind = direction @ heading < 0
        mirrored = direction - 2 * np.outer(direction @ heading, heading)
        direction = np.where(behind[:, None], mirrored, direction)
    moved = fine.copy()
    moved[inside] = centre + radius * direction[inside]
    return resampled(moved, spacing, inside)


def _reaches(ring: Array, centre: Array, radius: float) -> bool:
    return bool(_crossed(ring, centre, radius).any())


def _crossed(ring: Array, centre: Array, radius: float) -> NDArray[np.bool_]:
    """Which vertices begin or end an edge that comes into the brush."""
    along = np.roll(ring, -1, axis=0) - ring
    offset = centre - ring
    share = np.clip((offset * along).sum(axis=1) / np.maximum((along**2).sum(axis=1), 1e-30), 0, 1)
    close = np.hypot(*(offset - share[:, None] * along).T) < radius
    return np.asarray(close | np.roll(close, 1))
