"""Two scans of one patient, linked in patient space."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volumetry.contour import Contour
from volumetry.geometry import ScanGeometry
from volumetry.tracing.registration import RigidTransform


@dataclass(frozen=True, kw_only=True)
class LinkedSlice:
    """The slice of another scan nearest to a slice of this one.

    Attributes
    ----------
    slice_index : int
    distance_mm : float
        From the middle of the one to the other's plane, signed along its normal.
    angle_degrees : float
        Between the two planes.
    is_outside : bool
        Whether it lies more than half a spacing beyond the other scan's ends.
    """

    slice_index: int
    distance_mm: float
    angle_degrees: float
    is_outside: bool


def link_slice(
    geometry: ScanGeometry,
    slice_index: int,
    other: ScanGeometry,
    *,
    transform: RigidTransform | None = None,
    at_pixel: tuple[float, float] | None = None,
) -> LinkedSlice:
    """Return the slice of `other` that shows what a slice of `geometry` shows.

    Parameters
    ----------
    geometry, other : ScanGeometry
    slice_index : int
        Of `geometry`.
    transform : RigidTransform, optional
        From the patient space of `geometry` to that of `other`.
    at_pixel : (float, float), optional
        (row, column) that matters; the middle of the slice by default.
    """
    raise NotImplementedError


def link_pixel(
    geometry: ScanGeometry,
    slice_index: int,
    pixels: ArrayLike,
    other: ScanGeometry,
    *,
    transform: RigidTransform | None = None,
) -> NDArray[np.float64]:
    """Return (slice, row, column), (n, 3) floats, in `other` of pixels (n, 2) of a slice."""
    raise NotImplementedError


def project_contours(
    contours: Iterable[Contour],
    geometry: ScanGeometry,
    other: ScanGeometry,
    *,
    transform: RigidTransform | None = None,
) -> tuple[Contour, ...]:
    """Return outlines of one scan as they are shown on the slices of another.

    Each goes to the slice of `other` nearest to its centre, projected along that slice's normal; those
    beyond its ends are left out. They are for showing: `TracingSession.propose` makes proposals of them,
    and only accepting counts them.
    """
    raise NotImplementedError
