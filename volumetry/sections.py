"""The cross-sections of one lesion: what outlines and masks have in common before heights are applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volumetry.geometry import ScanGeometry, frozen_array
from volumetry.scan import ScanSource

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossSections:
    """The areas of one lesion, slice by slice, and where they lie.

    Attributes
    ----------
    geometry : ScanGeometry
        Of the whole scan, so that every slice knows its neighbours.
    slice_indices : (n,) int array
        Slices that hold the lesion, ascending.
    areas_mm2 : (n,) array
    centroids_mm : (n, 3) array
        Centre of each section, LPS.
    bounds_mm : (n, 2, 3) array
        Smallest and largest LPS coordinate of each section, in its plane.
    second_moments_mm2 : (n, 2, 2) array or None
        Mean products of the distances of a section's points from its centre, along the image's columns (from
        row to row) and along its rows. None where only areas are known.
    touches_edge : bool
        Whether a section reaches the edge of the image.
    lesion : str
        Name of the lesion, or the label's number in words.
    side : str
        ``L``, ``R`` or empty: the side the trace says it is on.
    label : int or None
        Number of the label in a mask.
    source : ScanSource
    flags : tuple of str
    ends_known : bool
        Whether the first and last slice are those of the scan: a tracing without a scan has only its own.
    not_measurable : str
        Why the reader found the lesion not measurable (`Trace.not_measurable`); else empty.

    Examples
    --------
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> sections = trace.cross_sections()
    >>> sections.slice_indices.tolist()
    [2, 3, 4, 5, 6, 7]
    """

    geometry: ScanGeometry
    slice_indices: NDArray[np.intp]
    areas_mm2: Array
    centroids_mm: Array
    bounds_mm: Array
    second_moments_mm2: Array | None = None
    touches_edge: bool = False
    lesion: str = ""
    side: str = ""
    label: int | None = None
    source: ScanSource = field(default_factory=ScanSource)
    flags: tuple[str, ...] = ()
    not_measurable: str = ""
    ends_known: bool = True

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "slice_indices", frozen_array(self.slice_indices, np.intp))
        set_(self, "areas_mm2", frozen_array(self.areas_mm2))
        set_(self, "centroids_mm", frozen_array(self.centroids_mm).reshape(-1, 3))
        set_(self, "bounds_mm", frozen_array(self.bounds_mm).reshape(-1, 2, 3))
        if self.second_moments_mm2 is not None:
            moments = frozen_array(self.second_moments_mm2).reshape(-1, 2, 2)
            set_(self, "second_moments_mm2", moments)

    @property
    def n_slices(self) -> int:
        """Number of slices that hold the lesion."""
        return len(self.slice_indices)

    @property
    def irregularities(self) -> Array | None:
        """How far each section is from an ellipse, (n,): 0 for an ellipse of any form, more for all else.

        The area of the ellipse that has the section's second moments, over the section's own area, less 1:
        0.05 for a rectangle, 0.2 for a triangle, 0.67 for a ring half as wide inside as outside.
        """
        if self.second_moments_mm2 is None:
            return None
        determinant = np.clip(np.linalg.det(self.second_moments_mm2), 0, None)
        ellipse = 4 * np.pi * np.sqrt(determinant)
        known = self.areas_mm2 > 0
        ratio = np.divide(ellipse, self.areas_mm2, out=np.ones(self.n_slices), where=known)
        return np.asarray(np.clip(ratio - 1, 0, None))

    @property
    def untraced_slices(self) -> tuple[int, ...]:
        """Slices without the lesion that lie between slices with it."""
        if not self.n_slices:
            return ()
        every = range(int(self.slice_indices[0]), int(self.slice_indices[-1]) + 1)
        return tuple(sorted(set(every) - set(self.slice_indices.tolist())))


def in_mm2(geometry: ScanGeometry, moments: ArrayLike) -> Array:
    """Return second moments, (n, 2, 2) or (2, 2), in pixels squared, as (n, 2, 2) in mm2."""
    step = np.linalg.norm(geometry.pixel_to_patient_matrix, axis=0)
    return np.asarray(np.asarray(moments, dtype=np.float64).reshape(-1, 2, 2) * np.outer(step, step))


def runs_second_moments(rows: Array, first: Array, last: Array, slices: Sequence[int]) -> Array:
    """Return second moments, (n, 2, 2), in pixels squared, of slices that are given as runs of pixels.

    Pixels count as points: the moments of an ellipse that was cut into pixels are then those of the ellipse.

    Parameters
    ----------
    rows, first, last : (m,) arrays
        Row, first and last column of each run.
    slices : sequence of int
        Where the runs of each slice begin.
    """
    rows, first, last = (np.asarray(part, dtype=np.float64) for part in (rows, first, last))
    lengths, middle = last - first + 1, (first + last) / 2
    count = np.add.reduceat(lengths, slices)
    number = np.repeat(np.arange(len(slices)), np.diff([*slices, len(rows)]))
    # About the centre, so that distance from the origin costs no digits.
    rows = rows - (np.add.reduceat(rows * lengths, slices) / count)[number]
    middle = middle - (np.add.reduceat(middle * lengths, slices) / count)[number]
    found = np.empty((len(slices), 2, 2))
    found[:, 0, 0] = np.add.reduceat(rows**2 * lengths, slices) / count
    found[:, 1, 1] = np.add.reduceat((middle**2 + (lengths**2 - 1) / 12) * lengths, slices) / count
    found[:, 0, 1] = found[:, 1, 0] = np.add.reduceat(rows * middle * lengths, slices) / count
    return found


def section_bounds(geometry: ScanGeometry, slice_index: int, pixels: ArrayLike) -> Array:
    """Return smallest and largest LPS coordinate, (2, 3), of pixels (row, column) of one slice."""
    points = geometry.pixel_to_patient(slice_index, pixels)
    return np.stack((points.min(axis=0), points.max(axis=0)))


def joined_sections(parts: Sequence[CrossSections], *, lesion: str) -> CrossSections:
    """Return labels of one mask as one lesion; a pixel has one label, so their areas add up.

    Parameters
    ----------
    parts : sequence of CrossSections
        Of one grid, at least one.
    lesion : str
        Name of the whole.

    Returns
    -------
    CrossSections
        Centres weighted by area, bounds around all parts, flags of all; without a number of a label. Parts
        that are empty, and flagged so, say nothing where another is not.
    """
    parts = [part for part in parts if part.n_slices] or parts[:1]
    indices = sorted({int(index) for part in parts for index in part.slice_indices})
    areas, centres, bounds, moments = [], [], [], []
    for index in indices:
        here = [(part, int(n)) for part in parts for n in np.flatnonzero(part.slice_indices == index)]
        own = np.array([part.areas_mm2[n] for part, n in here])
        areas.append(own.sum())
        centres.append(np.average([part.centroids_mm[n] for part, n in here], axis=0, weights=own))
        low = np.min([part.bounds_mm[n, 0] for part, n in here], axis=0)
        bounds.append((low, np.max([part.bounds_mm[n, 1] for part, n in here], axis=0)))
        moments.append(_joined_moments(here, own, centres[-1]))
    return replace(
        parts[0],
        slice_indices=np.array(indices, dtype=np.intp),
        areas_mm2=np.array(areas),
        centroids_mm=np.array(centres).reshape(-1, 3),
        bounds_mm=np.array(bounds).reshape(-1, 2, 3),
        second_moments_mm2=(
            None if any(part.second_moments_mm2 is None for part in parts) else np.array(moments)
        ),
        touches_edge=any(part.touches_edge for part in parts),
        lesion=lesion,
        label=None,
        flags=tuple(dict.fromkeys(flag for part in parts for flag in part.flags)),
    )


def _joined_moments(here: Sequence[tuple[CrossSections, int]], areas: Array, centre: Array) -> Array:
    """Second moments of parts of one slice about the centre of all: their own, and those of their centres."""
    matrix = here[0][0].geometry.pixel_to_patient_matrix
    directions = matrix / np.linalg.norm(matrix, axis=0)
    found = np.zeros((2, 2))
    for (part, n), area in zip(here, areas, strict=True):
        apart = (part.centroids_mm[n] - centre) @ directions
        own = np.zeros((2, 2)) if part.second_moments_mm2 is None else part.second_moments_mm2[n]
        found += area / areas.sum() * (own + np.outer(apart, apart))
    return found
