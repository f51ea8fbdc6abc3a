"""A traced lesion cut along other slices: what a tilted or shifted plane makes of an unchanged lesion.

The outlines of a trace are joined to a body by shape-based interpolation (after Raya and Udupa, IEEE Trans
Med Imaging 9, 32 (1990)): signed distances to the outline, in the plane, are interpolated from slice to
slice. Beyond its first and last slice the body goes on as its last three slices say, for less than one step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from volumetry.contours.contour import Contour
from volumetry.errors import TraceError, UsageError
from volumetry.geometry import ScanGeometry
from volumetry.masks.outlines import fill_contours

Array = NDArray[np.float64]

_PITCH_MM = 0.4
_SUBDIVISIONS = 8
_MARGIN_MM = 3.0
_MINIMUM_SLICES = 3
_MINIMUM_SLICES_OF_TILT = 5
_MINIMUM_SLICES_WHERE_MOVED = 6
"""Where frames of reference differ, and centroids are brought together.

From these numbers on ellipsoids tilted by 10 degrees were told within 1.8 points; on five slices in another
frame 3, on three up to 15 points wrong.
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class LesionBody:
    """A lesion between its slices.

    Attributes
    ----------
    geometry : ScanGeometry
        Of the scan it was traced on.
    positions_mm : (m,) array
        Along the slice normal, ascending.
    distances_mm : (m, rows, columns) array
        Signed distance to the outline in the plane, positive inside.
    first_pixel : (2,) array
        Row and column of the scan at the centre of the first sample.
    pitch_pixels : (2,) array
        Rows and columns of the scan from sample to sample.

    Examples
    --------
    >>> from volumetry.reslice import lesion_body
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> lesion_body(trace.contours, trace.geometry).positions_mm.shape
    (57,)
    """

    geometry: ScanGeometry
    positions_mm: Array
    distances_mm: Array
    first_pixel: Array
    pitch_pixels: Array

    def corners_mm(self) -> Array:
        """Return the corners of the box of samples in patient coordinates, (8, 3)."""
        last = self.first_pixel + self.pitch_pixels * (np.array(self.distances_mm.shape[1:]) - 1)
        return np.array(
            [
                self._patient(position, pixel)
                for position in (self.positions_mm[0], self.positions_mm[-1])
                for pixel in (
                    self.first_pixel,
                    last,
                    [self.first_pixel[0], last[1]],
                    [last[0], self.first_pixel[1]],
                )
            ]
        )

    def _patient(self, position_mm: float, pixel: Array | list[float]) -> Array:
        geometry = self.geometry
        origin = geometry.pixel_to_patient(0, np.asarray([pixel], dtype=np.float64))[0]
        return np.asarray(origin + (position_mm - geometry.slice_positions_mm[0]) * geometry.normal)

    def distance_at(self, points_mm: Array) -> Array:
        """Return the signed distance at points in patient coordinates, (n, 3) -> (n,); far outside: -1e3."""
        from scipy.ndimage import map_coordinates

        geometry = self.geometry
        along = (points_mm - geometry.slice_origins_mm[0]) @ geometry.normal + geometry.slice_positions_mm[0]
        in_plane = points_mm - np.outer(along - geometry.slice_positions_mm[0], geometry.normal)
        pixels = geometry.patient_to_pixel(0, in_plane)[:, -2:]
        samples = (pixels - self.first_pixel) / self.pitch_pixels
        planes = np.interp(
            along,
            self.positions_mm,
            np.arange(len(self.positions_mm)),
            left=-10,
            right=len(self.positions_mm) + 10,
        )
        coordinates = np.vstack([planes, samples.T])
        return np.asarray(
            map_coordinates(self.distances_mm, coordinates, order=1, cval=-1e3), dtype=np.float64
        )


def lesion_body(contours: Sequence[Contour], geometry: ScanGeometry) -> LesionBody:
    """Join the outlines of one lesion to a body.

    Parameters
    ----------
    contours : sequence of Contour
    geometry : ScanGeometry

    Returns
    -------
    LesionBody

    Raises
    ------
    TraceError
        ``not-estimable`` below three traced slices.

    Examples
    --------
    >>> from volumetry.reslice import lesion_body, resliced_areas_mm2
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> body = lesion_body(trace.contours, trace.geometry)
    >>> resliced_areas_mm2(body, trace.geometry).shape
    (12,)
    """
    indices = sorted({contour.slice_index for contour in contours})
    if len(indices) < _MINIMUM_SLICES:
        raise TraceError(
            "not-estimable",
            "a lesion on fewer than three slices cannot be cut anew",
            values={"traced slices": len(indices)},
            todo="Compare visits on parallel planes instead.",
        )
    spacing = np.array(geometry.pixel_spacing_mm)
    vertices = np.concatenate([contour.vertices for contour in contours])
    margin = _MARGIN_MM / spacing
    first = vertices.min(axis=0) - margin
    pitch = np.minimum(_PITCH_MM / spacing, 1.0)
    shape = np.ceil((vertices.max(axis=0) + margin - first) / pitch).astype(int) + 1
    maps = np.stack(
        [
            _signed_distance(
                [c for c in contours if c.slice_index == index],
                first,
                pitch,
                (int(shape[0]), int(shape[1])),
                spacing,
            )
            for index in indices
        ]
    )
    positions = geometry.slice_positions_mm[indices]
    positions, maps = _closed(positions, maps)
    return LesionBody(
        geometry=geometry, positions_mm=positions, distances_mm=maps, first_pixel=first, pitch_pixels=pitch
    )


def _signed_distance(
    contours: Sequence[Contour], first: Array, pitch: Array, shape: tuple[int, int], spacing: Array
) -> Array:
    from scipy.ndimage import distance_transform_edt

    moved = [
        Contour(slice_index=c.slice_index, vertices=(c.vertices - first) / pitch, is_hole=c.is_hole)
        for c in contours
    ]
    inside = fill_contours(moved, shape)
    steps = tuple(pitch * spacing)
    half = float(np.mean(steps)) / 2
    within = np.asarray(distance_transform_edt(inside, sampling=steps))
    beyond = np.asarray(distance_transform_edt(~inside, sampling=steps))
    return np.where(inside, within - half, half - beyond)


def _closed(positions: Array, maps: Array) -> tuple[Array, Array]:
    """Add planes between the slices and beyond both ends, ascending in position.

    What is interpolated is ``D**2 - (D - d)**2``, with d the distance to the outline and D its largest value
    on the slice: 0 on the outline, and for a ball ``r**2 - rho**2``, a parabola along the slices. Distances
    themselves would make every bulge too thin.
    """
    from scipy.interpolate import CubicSpline

    if positions[0] > positions[-1]:
        positions, maps = positions[::-1], maps[::-1]
    depths = maps.max(axis=(1, 2), keepdims=True)
    squares = depths**2 - (depths - maps) ** 2
    between = CubicSpline(positions, squares, axis=0, bc_type="not-a-knot")
    inside = np.concatenate(
        [np.linspace(a, b, _SUBDIVISIONS, endpoint=False) for a, b in pairwise(positions)] + [positions[-1:]]
    )
    before = _end(positions[:3], squares[:3])
    after = _end(positions[:-4:-1], squares[:-4:-1])
    planes = np.concatenate([before[1][::-1], between(inside), after[1]])
    return np.concatenate([before[0][::-1], inside, after[0]]), _as_distances(planes)


def _as_distances(squares: Array) -> Array:
    """Turn interpolated squares back to signed distances."""
    deepest = np.maximum(squares.max(axis=(1, 2), keepdims=True), 0.0)
    return np.asarray(np.sqrt(deepest) - np.sqrt(np.maximum(deepest - squares, 0.0)))


def _end(positions: Array, squares: Array) -> tuple[Array, Array]:
    """Planes beyond the end slice, up to the next one: the parabola through the last three slices, falling.

    Parameters
    ----------
    positions : (3,) array
        Of the end slice and the next two inwards.
    squares : (3, rows, columns) array
    """
    step = float(positions[0] - positions[1])
    ahead = np.linspace(0, 1, _SUBDIVISIONS + 1)[1:] * 0.999
    at = positions[0] + ahead * step
    x0, x1, x2 = positions
    planes = []
    for x in at:
        weights = (
            (x - x1) * (x - x2) / ((x0 - x1) * (x0 - x2)),
            (x - x0) * (x - x2) / ((x1 - x0) * (x1 - x2)),
            (x - x0) * (x - x1) / ((x2 - x0) * (x2 - x1)),
        )
        planes.append(np.minimum(sum(w * q for w, q in zip(weights, squares, strict=True)), squares[0]))
    return at, np.stack(planes)


def resliced_areas_mm2(body: LesionBody, geometry: ScanGeometry) -> Array:
    """Return the area of a body on every slice of another scan, (slices,).

    Both scans are taken to lie in the same patient coordinates.

    Examples
    --------
    >>> from volumetry.reslice import lesion_body, resliced_areas_mm2
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> body = lesion_body(trace.contours, trace.geometry)
    >>> areas = resliced_areas_mm2(body, trace.geometry)
    >>> int((areas > 0).sum())
    6
    """
    corners = body.corners_mm()
    positions = geometry.slice_positions_mm
    along = (corners - geometry.slice_origins_mm[0]) @ geometry.normal + positions[0]
    areas = np.zeros(geometry.n_slices)
    row, column = np.asarray(geometry.row_direction), np.asarray(geometry.column_direction)
    column = np.cross(geometry.normal, row)
    u, v = corners @ row, corners @ column
    grid_u = np.arange(u.min(), u.max() + _PITCH_MM, _PITCH_MM)
    grid_v = np.arange(v.min(), v.max() + _PITCH_MM, _PITCH_MM)
    plane = (grid_u[:, None, None] * row + grid_v[None, :, None] * column).reshape(-1, 3)
    offset = float(geometry.slice_origins_mm[0] @ geometry.normal) - positions[0]
    for index in np.flatnonzero((positions >= along.min()) & (positions <= along.max())):
        points = plane + (positions[index] + offset) * geometry.normal
        share = np.clip(body.distance_at(points) / _PITCH_MM + 0.5, 0, 1)
        areas[index] = float(share.sum()) * _PITCH_MM**2
    return areas


def explained_by_tilt(
    contours: Sequence[Contour],
    traced_on: ScanGeometry,
    followup: ScanGeometry,
    *,
    height: str = "thickness",
    followup_contours: Sequence[Contour] | None = None,
) -> float:
    """Return the change in percent that other slices make of an unchanged lesion.

    The baseline's lesion is cut along the slices of the follow-up, measured by the same rule, and compared
    with the baseline's own volume. Where both scans do not name one frame of reference, positions of one say
    nothing in the other: the baseline's lesion is then moved so that the centroids of both tracings agree.
    Directions are taken as they are.

    Parameters
    ----------
    contours : sequence of Contour
        Of the baseline.
    traced_on, followup : ScanGeometry
    height : {"thickness", "spacing"}
        The rule of both volumes. By ``spacing`` a changed gap has no part in the answer.
    followup_contours : sequence of Contour, optional
        Of the follow-up; needed where the frames of reference differ. Where a frame is not known and these
        are not given, both scans are taken to lie in the same patient coordinates.

    Raises
    ------
    TraceError
        ``not-estimable``: fewer than five traced slices of the baseline, or six where the frames of reference
        differ: the answer can then be 15 points wrong; or the follow-up's slices miss the lesion.
    UsageError
        ``usage``: the frames of reference differ, and the follow-up's outlines are not given.

    Examples
    --------
    >>> from volumetry.reslice import explained_by_tilt
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> explained_by_tilt(trace.contours, trace.geometry, trace.geometry)
    0.0
    """
    slices = len({contour.slice_index for contour in contours})
    is_moved = bool(followup_contours) and not _is_one_frame(traced_on, followup)
    least = _MINIMUM_SLICES_WHERE_MOVED if is_moved else _MINIMUM_SLICES_OF_TILT
    if slices < least:
        raise TraceError(
            "not-estimable",
            "a lesion on so few slices does not say what another plane would make of it",
            values={"traced slices": slices, "needed": least},
            todo="Compare visits on parallel planes instead.",
        )
    body = lesion_body(contours, traced_on)
    first = _volume(resliced_areas_mm2(body, traced_on), traced_on, height)
    moved = _moved(body, contours, followup, followup_contours)
    second = _volume(resliced_areas_mm2(moved, followup), followup, height)
    if not first or not second:
        raise TraceError(
            "not-estimable",
            "the follow-up's slices do not reach the baseline's lesion",
            todo="Check that both visits name the same frame of reference.",
        )
    return 100 * (second / first - 1)


def _is_one_frame(one: ScanGeometry, other: ScanGeometry) -> bool:
    return bool(one.frame_of_reference_uid) and one.frame_of_reference_uid == other.frame_of_reference_uid


def _moved(
    body: LesionBody,
    contours: Sequence[Contour],
    followup: ScanGeometry,
    followup_contours: Sequence[Contour] | None,
) -> LesionBody:
    """Move the body into the follow-up's frame of reference, centroid onto centroid."""
    frames = body.geometry.frame_of_reference_uid, followup.frame_of_reference_uid
    if _is_one_frame(body.geometry, followup):
        return body
    if followup_contours:
        step = _centroid_mm(followup_contours, followup) - _centroid_mm(contours, body.geometry)
        geometry = replace(body.geometry, slice_origins_mm=body.geometry.slice_origins_mm + step)
        along = geometry.slice_positions_mm[0] - body.geometry.slice_positions_mm[0]
        return replace(body, geometry=geometry, positions_mm=body.positions_mm + along)
    if all(frames):
        raise UsageError(
            "usage",
            "the two scans have different frames of reference",
            values={"frame_of_reference_uid": " and ".join(map(str, frames))},
            todo="Give the outlines of the follow-up, too.",
        )
    return body


def _centroid_mm(contours: Sequence[Contour], geometry: ScanGeometry) -> Array:
    """Centroid of all outlines in patient coordinates, weighted by area, (3,)."""
    areas = np.array([-c.area_pixels if c.is_hole else c.area_pixels for c in contours])
    centres = np.array([geometry.pixel_to_patient(c.slice_index, c.centroid[None])[0] for c in contours])
    return np.asarray(areas @ centres / areas.sum())


def _volume(areas: Array, geometry: ScanGeometry, height: str) -> float:
    thickness = geometry.slice_thickness_mm
    if height == "thickness" and thickness is not None:
        return float((areas * thickness).sum())
    return float(areas @ geometry.slice_heights_mm())


__all__ = ["LesionBody", "explained_by_tilt", "lesion_body", "resliced_areas_mm2"]
