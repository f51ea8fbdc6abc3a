"""Two scans of one patient, linked in patient space."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volumetry.contours.contour import Contour
from volumetry.geometry import ScanGeometry
from volumetry.tracing.planes.display import locate
from volumetry.tracing.planes.transform import RigidTransform


@dataclass(frozen=True, kw_only=True)
class LinkedSlice:
    """The slice of another scan nearest to a slice of this one.

    Attributes
    ----------
    slice_index : int
    distance_mm : float
        From the other slice's plane to the point that matters, signed along its normal.
    angle_degrees : float
        Between the two planes.
    is_outside : bool
        Whether the point lies more than half a spacing beyond the other scan's ends.

    Examples
    --------
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> later = vm.read_trace("sample_scans/study/hip05/2022-06-14/L1.trace.json")
    >>> vt.link_slice(trace.geometry, 5, later.geometry).slice_index
    5
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

    Examples
    --------
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> later = vm.read_trace("sample_scans/study/hip05/2022-06-14/L1.trace.json")
    >>> linked = vt.link_slice(trace.geometry, 5, later.geometry)
    >>> linked.is_outside
    False
    """
    transform = transform or RigidTransform.identity()
    pixel = at_pixel or ((geometry.rows - 1) / 2, (geometry.columns - 1) / 2)
    point = transform.apply(geometry.pixel_to_patient(slice_index, [pixel]))[0]
    index, distance = other.nearest_slice(point)
    cosine = abs(float(transform.rotation @ geometry.normal @ other.normal))
    half = (other.regular_step_mm or other.slice_thickness_mm or math.inf) / 2
    return LinkedSlice(
        slice_index=index,
        distance_mm=distance,
        angle_degrees=math.degrees(math.acos(min(1.0, cosine))),
        is_outside=index in (0, other.n_slices - 1) and abs(distance) > half * (1 + 1e-6),
    )


def link_pixel(
    geometry: ScanGeometry,
    slice_index: int,
    pixels: ArrayLike,
    other: ScanGeometry,
    *,
    transform: RigidTransform | None = None,
) -> NDArray[np.float64]:
    """Return (slice, row, column), (n, 3) floats, in `other` of pixels (n, 2) of a slice.

    Examples
    --------
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> later = vm.read_trace("sample_scans/study/hip05/2022-06-14/L1.trace.json")
    >>> vt.link_pixel(trace.geometry, 5, [(20.0, 30.0)], later.geometry).shape
    (1, 3)
    """
    transform = transform or RigidTransform.identity()
    return locate(other, transform.apply(geometry.pixel_to_patient(slice_index, pixels)))


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

    Examples
    --------
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> later = vm.read_trace("sample_scans/study/hip05/2022-06-14/L1.trace.json")
    >>> len(vt.project_contours(trace.contours, trace.geometry, later.geometry)) == len(trace.contours)
    True
    """
    transform = transform or RigidTransform.identity()
    shown = []
    for contour in contours:
        linked = link_slice(
            geometry,
            contour.slice_index,
            other,
            transform=transform,
            at_pixel=(float(contour.centroid[0]), float(contour.centroid[1])),
        )
        if linked.is_outside:
            continue
        points = transform.apply(geometry.pixel_to_patient(contour.slice_index, contour.vertices))
        shown.append(
            Contour(
                slice_index=linked.slice_index,
                vertices=other.patient_to_pixel(linked.slice_index, points),
                is_hole=contour.is_hole,
            )
        )
    return tuple(shown)
