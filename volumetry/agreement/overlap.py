"""Two tracings of one lesion on one grid: how much they share, and where they differ.

Areas are those of the outlines themselves, not of pixels. Distances are measured in the plane of each slice,
since the distance between slices is no property of a reader's hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from volumetry.contours.contour import Contour
from volumetry.geometry import ScanGeometry

Array = NDArray[np.float64]

_SAMPLE_MM = 0.1


@dataclass(frozen=True, kw_only=True)
class SliceDifference:
    """One slice of two tracings.

    Attributes
    ----------
    slice_index : int
    position_mm, first_area_mm2, second_area_mm2 : float
    shared_area_mm2 : float
    at_end : bool
        One of the tracings begins or ends on this slice, or does not reach it.
    mean_distance_mm : float or None
        Between the outlines; None where only one of them has this slice.
    """

    slice_index: int
    position_mm: float
    first_area_mm2: float
    second_area_mm2: float
    shared_area_mm2: float
    at_end: bool
    mean_distance_mm: float | None

    @property
    def difference_mm2(self) -> float:
        """Second minus first area."""
        return self.second_area_mm2 - self.first_area_mm2


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """How two tracings of one lesion agree.

    Attributes
    ----------
    dice : float or None
        Twice the shared area over the sum of the areas, over all slices; None where both are empty.
    hausdorff95_mm : float or None
        95th percentile of the distances from each outline to the other, in the plane, both ways, over the
        slices that both have; None where there is no such slice.
    mean_surface_distance_mm : float or None
        Mean of the same distances.
    slices : tuple of SliceDifference
        Every slice that one of them has, ascending.
    """

    dice: float | None
    hausdorff95_mm: float | None
    mean_surface_distance_mm: float | None
    slices: tuple[SliceDifference, ...]

    @property
    def n_shared(self) -> int:
        """Slices that both tracings have."""
        return sum(s.first_area_mm2 > 0 and s.second_area_mm2 > 0 for s in self.slices)

    @property
    def end_share(self) -> float | None:
        """Part of the summed absolute area difference that lies on end slices, 0 to 1; None without any."""
        total = sum(abs(s.difference_mm2) for s in self.slices)
        at_ends = sum(abs(s.difference_mm2) for s in self.slices if s.at_end)
        return float(at_ends / total) if total > 0 else None


def compare_outlines(first: Sequence[Contour], second: Sequence[Contour], geometry: ScanGeometry) -> Overlap:
    """Compare two tracings that lie on one grid.

    Parameters
    ----------
    first, second : sequence of Contour
        Outlines and holes; by the even-odd rule.
    geometry : ScanGeometry
        Of the scan that both were traced on.

    Returns
    -------
    Overlap
    """
    found = []
    distances: list[Array] = []
    one, other = _by_slice(first), _by_slice(second)
    ends = {index for traced in (one, other) if traced for index in (min(traced), max(traced))}
    for index in sorted(one.keys() | other.keys()):
        a, b = one.get(index, []), other.get(index, [])
        area_a, area_b, differing = _areas(a, b)
        between = _distances(a, b, geometry) if a and b else None
        if between is not None:
            distances.append(between)
        found.append(
            SliceDifference(
                slice_index=index,
                position_mm=float(geometry.slice_positions_mm[index]),
                first_area_mm2=float(area_a * geometry.pixel_area_mm2),
                second_area_mm2=float(area_b * geometry.pixel_area_mm2),
                shared_area_mm2=float(max(0.0, (area_a + area_b - differing) / 2) * geometry.pixel_area_mm2),
                at_end=index in ends or not a or not b,
                mean_distance_mm=None if between is None else float(between.mean()),
            )
        )
    total = sum(s.first_area_mm2 + s.second_area_mm2 for s in found)
    pooled = np.concatenate(distances) if distances else None
    return Overlap(
        dice=float(2 * sum(s.shared_area_mm2 for s in found) / total) if total > 0 else None,
        hausdorff95_mm=None if pooled is None else float(np.percentile(pooled, 95)),
        mean_surface_distance_mm=None if pooled is None else float(pooled.mean()),
        slices=tuple(found),
    )


def _by_slice(contours: Sequence[Contour]) -> dict[int, list[Array]]:
    rings: dict[int, list[Array]] = {}
    for contour in contours:
        rings.setdefault(contour.slice_index, []).append(np.asarray(contour.vertices))
    return rings


def _edges(rings: Sequence[Array]) -> tuple[Array, Array]:
    if not rings:
        return np.empty((0, 2)), np.empty((0, 2))
    return np.concatenate(rings), np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])


def _areas(first: Sequence[Array], second: Sequence[Array]) -> tuple[float, float, float]:
    """Areas in pixels of both, and of what only one of them covers."""
    a, b = _edges(first), _edges(second)
    rows = _crossing_rows(a, b)
    both = np.concatenate((a[0], b[0])), np.concatenate((a[1], b[1]))
    return _even_odd(a, np.empty(0)), _even_odd(b, np.empty(0)), _even_odd(both, rows)


def _even_odd(edges: tuple[Array, Array], crossing_rows: Array) -> float:
    """Area inside closed edges by the even-odd rule; edges may cross where `crossing_rows` says.

    Between two neighbouring levels no edges cross, so every second gap between them is a trapezoid inside.
    """
    start, end = edges
    levels = np.unique(np.concatenate((start[:, 0], crossing_rows)))
    if len(levels) < 2:
        return 0.0
    total = 0.0
    for low, high in pairwise(levels):
        middle = (low + high) / 2
        spans = (start[:, 0] > middle) != (end[:, 0] > middle)
        p, q = start[spans], end[spans]
        columns = np.sort(p[:, 1] + (middle - p[:, 0]) / (q[:, 0] - p[:, 0]) * (q[:, 1] - p[:, 1]))
        total += (high - low) * float((columns[1::2] - columns[::2]).sum())
    return total


def _crossing_rows(first: tuple[Array, Array], second: tuple[Array, Array]) -> Array:
    """Rows at which an edge of the first crosses one of the second."""
    a, along = first[0][:, None, :], (first[1] - first[0])[:, None, :]
    b, other = second[0][None, :, :], (second[1] - second[0])[None, :, :]
    denominator = along[..., 0] * other[..., 1] - along[..., 1] * other[..., 0]
    offset = b - a
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (offset[..., 0] * other[..., 1] - offset[..., 1] * other[..., 0]) / denominator
        u = (offset[..., 0] * along[..., 1] - offset[..., 1] * along[..., 0]) / denominator
    crosses = (denominator != 0) & (t > 0) & (t < 1) & (u > 0) & (u < 1)
    i, j = np.nonzero(crosses)
    return np.asarray(first[0][i, 0] + t[i, j] * (first[1] - first[0])[i, 0])


def _distances(first: Sequence[Array], second: Sequence[Array], geometry: ScanGeometry) -> Array:
    """Distances in mm from samples of each outline to the other, both ways."""
    from scipy.spatial import cKDTree

    spacing = np.array(geometry.pixel_spacing_mm)
    one, other = (np.concatenate([_sampled(ring * spacing) for ring in rings]) for rings in (first, second))
    return np.concatenate((cKDTree(other).query(one)[0], cKDTree(one).query(other)[0]))


def _sampled(ring_mm: Array) -> Array:
    """Points along a closed ring, equally far apart and at most 0.1 mm.

    Each point stands for the same length, however many vertices a part of the ring has.
    """
    closed = np.concatenate((ring_mm, ring_mm[:1]))
    along = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))))
    count = max(1, math.ceil(along[-1] / _SAMPLE_MM))
    at = (np.arange(count) + 0.5) / count * along[-1]
    return np.stack([np.interp(at, along, closed[:, axis]) for axis in (0, 1)], axis=1)


def differs_beyond(first_mm3: float, second_mm3: float, percent: float) -> bool:
    """Whether the larger of two volumes exceeds the smaller by more than so many percent.

    Examples
    --------
    >>> differs_beyond(100, 115, 15), differs_beyond(100, 86, 15)
    (False, True)
    """
    low, high = sorted((first_mm3, second_mm3))
    if low <= 0:
        return high > 0
    return high / low > 1 + percent / 100 and not math.isclose(high / low, 1 + percent / 100, rel_tol=1e-9)


__all__ = ["Overlap", "SliceDifference", "compare_outlines", "differs_beyond"]
