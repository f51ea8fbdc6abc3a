"""One closed planar outline with sub-pixel vertices: its area, its validity, its holes.

Area is the shoelace formula on the float vertices, times the pixel area; no polygon is ever filled to be
measured (filling costs +12 % at 10 px radius with OpenCV; see docs/decisions/0001).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from volumetry.contours.rings import (
    Array,
    find_crossing,
    next_vertices,
    points_inside,
    ring_centroid,
    ring_second_moments,
    signed_area,
)
from volumetry.errors import TraceError


@dataclass(frozen=True, kw_only=True, eq=False)
class Contour:
    """One closed outline on one slice.

    Parameters
    ----------
    slice_index : int
        Slice of the scan geometry, counted from 0 along the normal.
    vertices : (n, 2) array_like
        (row, column) with integers at pixel centres; the ring closes itself, a repeated first vertex at
        the end is dropped, and so are vertices that the next one repeats.
    is_hole : bool
        Whether the enclosed area is taken away.

    Raises
    ------
    TraceError
        ``invalid-contour``: fewer than three vertices, or one that is not finite.

    Examples
    --------
    >>> square = [(4, 4), (4, 12), (12, 12), (12, 4)]
    >>> vm.Contour(slice_index=2, vertices=square).area_pixels
    64.0
    """

    slice_index: int
    vertices: Array
    is_hole: bool = False

    def __post_init__(self) -> None:
        vertices = np.array(self.vertices, dtype=np.float64).reshape(-1, 2)
        if not np.isfinite(vertices).all():
            raise TraceError(
                "invalid-contour",
                "an outline has a vertex that is not finite",
                values={"slice_index": self.slice_index},
                todo="Draw the outline again.",
            )
        if len(vertices):
            vertices = vertices[(vertices != next_vertices(vertices)).any(axis=1)]
        if len(vertices) < 3:
            raise TraceError(
                "invalid-contour",
                "an outline has fewer than three vertices",
                values={"slice_index": self.slice_index, "vertices": len(vertices)},
                todo="Draw the outline again, or delete it.",
            )
        vertices.flags.writeable = False
        object.__setattr__(self, "slice_index", int(self.slice_index))
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "is_hole", bool(self.is_hole))

    @cached_property
    def area_pixels(self) -> float:
        """Enclosed area in pixels, positive (shoelace formula)."""
        return abs(signed_area(self.vertices))

    @cached_property
    def centroid(self) -> Array:
        """Centre of the enclosed area, (row, column); of the vertices where the area is 0."""
        return ring_centroid(self.vertices)

    @cached_property
    def second_moments(self) -> Array:
        """Second moments of the enclosed area about its centre, (2, 2), in pixels squared."""
        return ring_second_moments(self.vertices)

    def crossing(self) -> tuple[float, float] | None:
        """Return a point (row, column) where the outline crosses itself, or None.

        A ring that only touches itself (a keyhole, two pixels that meet at a corner) does not cross.
        """
        return self._crossing

    @cached_property
    def _crossing(self) -> tuple[float, float] | None:
        return find_crossing(self.vertices)

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Return for every point (n, 2) whether it lies inside, by the even-odd rule."""
        return points_inside(self.vertices, points)
