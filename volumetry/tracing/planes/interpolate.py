"""Outlines between two traced slices, by shape interpolation on signed distances.

Raya and Udupa, IEEE Trans Med Imaging 9, 32 (1990): the signed distance to the outline, positive inside, is
interpolated between the slices and followed at zero, so that islands and numbers of outlines may differ
between the slices. A straight line makes every convex lesion too small: with six of twelve slices of an
ellipsoid traced it loses 4 to 6 % of its volume. So between more than two traced slices the distance follows
Akima's curve (J ACM 17, 589 (1970)) where it bends the same way at both ends of the gap, as a rounded body
does, and elsewhere the monotone cubic of Fritsch and Carlson (SIAM J Numer Anal 17, 238 (1980)), which never
goes beyond its neighbours: 0.2 to 0.6 % are lost.

Holes are interpolated apart from the outlines round them, and taken out of them; so is every part of a lesion
(an island) that lies apart from the others: see ``docs/decisions/0016-fill-between.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from volumetry.contours.contour import Contour
from volumetry.contours.rings import signed_area
from volumetry.geometry import ScanGeometry
from volumetry.masks.outlines import fill_contours

Array = NDArray[np.float64]

FINE = 4
"""Grid points per pixel, unless the outlines are large."""

MAX_GRID = 280
"""Grid points along a side, at most."""

SMALLEST_PIXELS = 0.5
"""Outlines of less area than this are remains, and left out."""


PART_END = 0.75
"""Share of the way to a slice without a hole, or without a part of the lesion, at which it ends.

A rounded cavity ends anywhere between the slices; the volume that it has there in the mean, a quarter of its
area times the gap, is that of a cone that ends here. So with an island.
"""

NEIGHBOURS = 2
"""Traced slices on either side that a slice in between is interpolated from."""


def fill_between(
    traced: Mapping[int, Sequence[Contour]],
    geometry: ScanGeometry,
    *,
    first: int | None = None,
    last: int | None = None,
) -> tuple[Contour, ...]:
    """Return outlines and holes for all slices between the traced ones of a lesion.

    Parameters
    ----------
    traced : mapping of slice to sequence of Contour
        All outlines and holes of every traced slice.
    geometry : ScanGeometry
    first, last : int, optional
        Fill only gaps between these slices.

    Returns
    -------
    tuple of Contour
        Slice by slice, outlines before holes. A part of the lesion that nothing on the next traced slice
        overlaps ends on the way there. None on slices in which the interpolated shape vanishes, as it does
        between two slices of which no outlines overlap.

    Examples
    --------
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> first, *_, last = trace.slice_indices
    >>> outlined = {k: trace.contours_on(k) for k in (first, last)}
    >>> made = vt.fill_between(outlined, trace.geometry)
    >>> sorted({outline.slice_index for outline in made}) == list(range(first + 1, last))
    True
    """
    # A hole alone has no body to interpolate; its slice is traced all the same, and stays as it is.
    indices = sorted(i for i, contours in traced.items() if any(not c.is_hole for c in contours))
    held = {index for index, contours in traced.items() if contours}
    found: list[Contour] = []
    for before, after in pairwise(indices):
        if (first is not None and before < first) or (last is not None and after > last):
            continue
        place = indices.index(before)
        near = indices[max(0, place - NEIGHBOURS + 1) : place + 1 + NEIGHBOURS]
        if after - before > 1:
            found += _gap({index: traced[index] for index in near}, before, after, geometry)
    return tuple(contour for contour in found if contour.slice_index not in held)


def _gap(
    near: Mapping[int, Sequence[Contour]], before: int, after: int, geometry: ScanGeometry
) -> list[Contour]:
    grid = _Grid.around([contour for contours in near.values() for contour in contours], geometry)
    positions = geometry.slice_positions_mm
    x, first = positions[list(near)], list(near).index(before)
    wanted = [float(positions[index]) for index in range(before + 1, after)]
    parts = [part for part in _parts(near, grid) if part.keys() & {before, after}]
    values = _of_part(grid, parts[0], near, x, first, wanted)
    for part in parts[1:]:
        values = np.maximum(values, _of_part(grid, part, near, x, first, wanted))
    if any(c.is_hole for index in (before, after) for c in near[index]):
        holes = {index: _as_outlines(near[index]) for index in near}
        values = np.minimum(values, -_of_part(grid, holes, near, x, first, wanted))
    found: list[Contour] = []
    for index, value in zip(range(before + 1, after), values, strict=True):
        found += grid.outlines(value, index)
    return found


def _parts(near: Mapping[int, Sequence[Contour]], grid: _Grid) -> list[dict[int, list[Contour]]]:
    """The parts of a lesion: outlines that overlap from one traced slice to the next, by slice.

    Between two slices of which no outlines overlap the lesion has moved: all of it is one part there.
    """
    outlines = [(index, contour) for index in near for contour in near[index] if not contour.is_hole]
    masks = [grid.inside([contour]) for _, contour in outlines]
    links = np.zeros((len(outlines), len(outlines)), dtype=bool)
    for one, other in pairwise(near):
        pairs = [
            (i, j)
            for i, (here, _) in enumerate(outlines)
            for j, (there, _) in enumerate(outlines)
            if (here, there) == (one, other)
        ]
        overlapping = [(i, j) for i, j in pairs if (masks[i] & masks[j]).any()]
        for i, j in overlapping or pairs:
            links[i, j] = True
    from scipy.sparse.csgraph import connected_components

    n_parts, numbers = connected_components(links, directed=False)
    parts: list[dict[int, list[Contour]]] = [{} for _ in range(n_parts)]
    for number, (index, contour) in zip(numbers, outlines, strict=True):
        parts[number].setdefault(index, []).append(contour)
    return parts


def _of_part(
    grid: _Grid,
    part: Mapping[int, Sequence[Contour]],
    near: Mapping[int, Sequence[Contour]],
    x: Array,
    first: int,
    wanted: Sequence[float],
) -> Array:
    """Distances to a part of the lesion, or to its holes, at wanted positions: (n, rows, columns)."""
    held = [grid.signed_distance(part[index]) if part.get(index) else None for index in near]
    return _between(x, _with_ends(held), first, wanted)


def _as_outlines(contours: Sequence[Contour]) -> list[Contour]:
    """The holes of a slice, as if they were outlines."""
    return [replace(contour, is_hole=False) for contour in contours if contour.is_hole]


def _with_ends(fields: Sequence[Array | None]) -> Array:
    """Distances on all slices: a slice without the part continues the nearest that has it.

    Along a straight line it then ends at `PART_END` of the way.
    """
    held = [number for number, field in enumerate(fields) if field is not None]
    found = []
    for number, field in enumerate(fields):
        if field is not None:
            found.append(field)
            continue
        nearest = fields[min(held, key=lambda one: abs(one - number))]
        assert nearest is not None
        found.append(nearest - nearest.max() / PART_END)
    return np.stack(found)


def _between(x: Array, fields: Array, first: int, wanted: Sequence[float]) -> Array:
    """Distances at wanted positions between slice number `first` and the next: (n, rows, columns)."""
    from scipy.interpolate import Akima1DInterpolator, PchipInterpolator

    values = np.asarray(PchipInterpolator(x, fields, axis=0)(wanted))
    if not 0 < first < len(x) - 2:
        return values
    slopes = np.diff(fields, axis=0) / np.diff(x)[:, None, None]
    bends = np.diff(slopes, axis=0)
    is_rounded = bends[first - 1] * bends[first] > 0
    return np.where(is_rounded, np.asarray(Akima1DInterpolator(x, fields, axis=0)(wanted)), values)


def interpolate_slice(
    before: Sequence[Contour], after: Sequence[Contour], slice_index: int, geometry: ScanGeometry
) -> tuple[Contour, ...]:
    """Return outlines and holes for a slice between two traced ones.

    Parameters
    ----------
    before, after : sequence of Contour
        All outlines and holes of one traced slice each.
    slice_index : int
        A slice between them; the weights are those of the true positions along the normal.
    geometry : ScanGeometry

    Returns
    -------
    tuple of Contour
        Outlines before holes; empty where the interpolated shape vanishes.

    Notes
    -----
    Where the shapes of the two slices do not overlap at all, they have nothing in between by this rule, and
    nothing is proposed.

    Examples
    --------
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> first, *_, last = trace.slice_indices
    >>> before, after = trace.contours_on(first), trace.contours_on(last)
    >>> len(vt.interpolate_slice(before, after, first + 1, trace.geometry))
    1
    """
    if not before or not after:
        return ()
    share = _share(before[0].slice_index, after[0].slice_index, slice_index, geometry)
    grid = _Grid.around([*before, *after], geometry)
    blended = (1 - share) * grid.signed_distance(before) + share * grid.signed_distance(after)
    return grid.outlines(blended, slice_index)


def _share(first: int, last: int, index: int, geometry: ScanGeometry) -> float:
    positions = geometry.slice_positions_mm
    return float((positions[index] - positions[first]) / (positions[last] - positions[first]))


class _Grid:
    """A fine grid over a part of a slice."""

    def __init__(self, corner: Array, shape: tuple[int, int], step: float, spacing: tuple[float, float]):
        self.corner, self.shape, self.step, self.spacing = corner, shape, step, spacing

    @classmethod
    def around(cls, contours: Sequence[Contour], geometry: ScanGeometry) -> _Grid:
        vertices = np.concatenate([c.vertices for c in contours])
        low, high = vertices.min(axis=0) - 2, vertices.max(axis=0) + 2
        step = max(1 / FINE, float((high - low).max()) / MAX_GRID)
        rows, columns = (int(n) + 2 for n in np.ceil((high - low) / step))
        return cls(low, (rows, columns), step, geometry.pixel_spacing_mm)

    def to_grid(self, vertices: Array) -> Array:
        return (vertices - self.corner) / self.step

    def inside(self, contours: Sequence[Contour]) -> NDArray[np.bool_]:
        """Whether each grid point lies inside the outlines."""
        on_grid = [
            Contour(slice_index=0, vertices=self.to_grid(c.vertices), is_hole=c.is_hole) for c in contours
        ]
        return fill_contours(on_grid, self.shape)

    def signed_distance(self, contours: Sequence[Contour]) -> Array:
        """Distance in mm to the nearest outline, positive inside, on every grid point.

        The distance transform knows the outline to the grid only; near the outline, where that would show,
        the exact distance to its edges takes its place.
        """
        from scipy.ndimage import distance_transform_edt

        inside = self.inside(contours)
        sampling = (self.step * self.spacing[0], self.step * self.spacing[1])
        seeds = self._exact_near([self.to_grid(c.vertices) for c in contours], sampling)
        known = np.isfinite(seeds)
        far, nearest = distance_transform_edt(~known, sampling=sampling, return_indices=True)
        # From a far point to the outline: the way to the nearest known point, and what that one has left.
        distance = np.where(known, seeds, far + seeds[tuple(nearest)])
        return np.asarray(np.where(inside, distance, -distance))

    def _exact_near(self, rings: Sequence[Array], sampling: tuple[float, float]) -> Array:
        """Exact distances on the grid points around the outlines' edges, infinity elsewhere."""
        reach = 2
        seeds = np.full(self.shape, np.inf)
        scale = np.array(sampling)
        offsets = np.indices((2 * reach + 1, 2 * reach + 1)).reshape(2, -1).T - reach
        for ring in rings:
            start, end = _short_edges(ring)
            middle = np.rint((start + end) / 2).astype(int)
            points = middle[:, None] + offsets[None]
            along = ((end - start) * scale)[:, None]
            from_start = (points - start[:, None]) * scale
            length = np.maximum((along**2).sum(axis=-1), 1e-30)
            share = np.clip((from_start * along).sum(axis=-1) / length, 0, 1)
            distance = np.sqrt(((from_start - share[..., None] * along) ** 2).sum(axis=-1))
            within = ((points >= 0) & (points < self.shape)).all(axis=-1)
            np.minimum.at(seeds, tuple(points[within].T), distance[within])
        return seeds

    def outlines(self, values: Array, slice_index: int) -> tuple[Contour, ...]:
        """The outlines and holes along which interpolated distances are 0, outlines first."""
        rings = [ring for ring in self.level_rings(values) if abs(signed_area(ring)) >= SMALLEST_PIXELS]
        contours = [
            Contour(slice_index=slice_index, vertices=ring, is_hole=self.is_hole(values, ring))
            for ring in rings
        ]
        return tuple(sorted(contours, key=lambda c: c.is_hole))

    def level_rings(self, values: Array) -> list[Array]:
        """Closed rings along which the values are 0, (row, column) in pixels."""
        from skimage.measure import find_contours

        found = find_contours(values, 0.0)  # type: ignore[no-untyped-call]
        closed = [ring[:-1] for ring in found if len(ring) > 3 and np.array_equal(ring[0], ring[-1])]
        return [thinned(ring * self.step + self.corner) for ring in closed]

    def is_hole(self, values: Array, ring: Array) -> bool:
        """Whether the values inside a ring, just beside it, are negative."""
        grid_ring = self.to_grid(ring)
        inside = fill_contours([Contour(slice_index=0, vertices=grid_ring)], self.shape)
        points = np.argwhere(inside)
        if not len(points):
            return False
        gap = np.abs(points[:, None] - grid_ring[None, :1]).max(axis=-1)[:, 0]
        nearest = points[int(np.argmin(gap))]
        return bool(values[tuple(nearest)] < 0)


def _short_edges(ring: Array) -> tuple[Array, Array]:
    """The edges of a ring cut into pieces of at most one grid step."""
    start, end = ring, np.roll(ring, -1, axis=0)
    pieces = np.maximum(1, np.ceil(np.abs(end - start).max(axis=1))).astype(int)
    edge = np.repeat(np.arange(len(ring)), pieces)
    number = np.arange(len(edge)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    along = (end - start)[edge] / pieces[edge, None]
    first = start[edge] + along * number[:, None]
    return first, first + along


def thinned(ring: Array, tolerance_pixels: float = 0.02) -> Array:
    """Return a ring without the vertices that lie on the line between their neighbours (Douglas, Peucker)."""
    from skimage.measure import approximate_polygon

    closed = np.vstack((ring, ring[:1]))
    kept = approximate_polygon(closed, tolerance_pixels)[:-1]  # type: ignore[no-untyped-call]
    return np.asarray(kept if len(kept) >= 3 else ring, dtype=np.float64)
