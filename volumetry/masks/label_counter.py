"""Pixels of the labels of a mask, counted slice by slice as they are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import TraceError
from volumetry.geometry import ScanGeometry
from volumetry.masks.labels import MaskLabel
from volumetry.scan import ScanSource
from volumetry.sections import CrossSections, in_mm2, runs_second_moments

MAX_LABELS = 1024
"""So many different values are an image, not labels."""

_FEW_LABELS = 10
_FEW_PAIRS = 100
_SCATTERED = 0.4
"""Of labels, most neighbours are equal; of an image with whole numbers, a small part is."""

_MOST_WAITING = 1 << 14


_Runs = tuple[int, NDArray[np.intp], int, int, int]
"""Slice index; where its rows of pixels enter or leave a label, as offsets in a padded part of the slice; and
width, first row and first column of that part."""


class _Counts:
    """What was counted of one label, an entry a slice; the runs of the latest slices wait to be summed.

    Centroids are offsets in pixels, (n, 2); second moments are in pixels squared, (n, 2, 2); bounds are
    offsets in mm, (n, 2, 3).
    """

    def __init__(self) -> None:
        self.slice_indices: list[int] = []
        self.pixels: list[NDArray[np.intp]] = []
        self.centroids: list[NDArray[np.float64]] = []
        self.bounds: list[NDArray[np.float64]] = []
        self.moments: list[NDArray[np.float64]] = []
        self.touches_edge = False
        self._waiting: list[_Runs] = []
        self._n_waiting = 0

    def add(self, runs: _Runs, geometry: ScanGeometry) -> None:
        """Take the runs of a slice; sum when so many wait that memory would show it."""
        self._waiting.append(runs)
        self._n_waiting += len(runs[1])
        if self._n_waiting > _MOST_WAITING:
            self.sum(geometry)

    def sum(self, geometry: ScanGeometry) -> None:
        """Sum the runs that wait, those of all slices at once."""
        if not self._waiting:
            return
        n_runs = [len(changes) // 2 for _, changes, *_ in self._waiting]
        corners = np.array([runs[2:] for runs in self._waiting]).repeat(n_runs, axis=0)
        changes = np.concatenate([changes for _, changes, *_ in self._waiting])
        starts, lengths = changes[::2], changes[1::2] - changes[::2]
        rows, first = np.divmod(starts, corners[:, 0])
        rows += corners[:, 1]
        first += corners[:, 2]
        last = first + lengths - 1
        slices = [0, *accumulate(n_runs[:-1])]
        count = np.add.reduceat(lengths, slices)
        centroids = np.empty((len(count), 2))
        centroids[:, 0] = np.add.reduceat(rows * lengths, slices) / count
        centroids[:, 1] = np.add.reduceat((first + last) * lengths, slices) / (2 * count)
        self.slice_indices += [index for index, *_ in self._waiting]
        self.pixels.append(count)
        self.centroids.append(centroids)
        self.moments.append(runs_second_moments(rows, first, last, slices))
        self.bounds.append(_bounds(rows, first, last, slices, geometry.pixel_to_patient_matrix))
        self.touches_edge |= bool(
            rows.min() == 0
            or rows.max() == geometry.rows - 1
            or first.min() == 0
            or last.max() == geometry.columns - 1
        )
        self._waiting, self._n_waiting = [], 0


def _bounds(
    rows: NDArray[np.intp],
    first: NDArray[np.intp],
    last: NDArray[np.intp],
    slices: Sequence[int],
    matrix: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return smallest and largest offset in mm, (n, 2, 3), of the pixels' corners of every slice."""
    along_rows, along_columns = matrix.T
    half = (np.abs(along_rows) + np.abs(along_columns)) / 2
    middle = rows[:, np.newaxis] * along_rows
    begin = middle + first[:, np.newaxis] * along_columns
    end = middle + last[:, np.newaxis] * along_columns
    bounds = np.empty((len(slices), 2, 3))
    # Whether an axis of the patient grows with the columns decides which end of a run lies outside.
    bounds[:, 0] = np.minimum.reduceat(np.minimum(begin, end), slices) - half
    bounds[:, 1] = np.maximum.reduceat(np.maximum(begin, end), slices) + half
    return bounds


class LabelCounter:
    """Counts labels slice by slice, so that no more than one slice need be in memory.

    Parameters
    ----------
    geometry : ScanGeometry
    only : int, optional
        Count this label alone.

    Notes
    -----
    A slice is reduced to the runs of pixels in its rows: a few hundred numbers say everything about areas,
    centroids and bounds, and those of many slices are summed at once.
    """

    def __init__(self, geometry: ScanGeometry, *, only: int | None = None) -> None:
        self.geometry = geometry
        self._only = only
        self._counts: dict[int, _Counts] = {}
        self._n_pairs = self._n_equal = 0

    @property
    def found(self) -> tuple[int, ...]:
        """Numbers of the labels met so far, ascending."""
        return tuple(sorted(self._counts))

    def add(self, slice_index: int, pixels: NDArray[Any]) -> None:
        """Count one slice, (rows, columns) of integers; slices may come in any order.

        Raises
        ------
        TraceError
            ``not-labels``: more different values than a label image has.
        """
        crop, corner = _cropped(pixels)
        if not crop.size:
            return
        if self._only is not None:
            self._add_label(self._only, slice_index, _padded(crop, self._only), corner)
            return
        highest = int(crop.max())
        inside = _padded(crop, highest)
        zero_or_one = highest == 1 and crop.dtype.kind == "u"
        if zero_or_one or (highest and np.count_nonzero(inside) == np.count_nonzero(crop)):
            self._add_label(highest, slice_index, inside, corner)
            return
        numbers = _numbers(crop, highest)
        if len(self._counts.keys() | set(numbers)) > MAX_LABELS:
            raise TraceError(
                "not-labels",
                "the mask holds more different values than labels are likely to have",
                values={"values over": MAX_LABELS},
                todo="Name the mask instead of the image, or the one label that is meant: --label.",
            )
        if len(numbers) >= _FEW_LABELS:
            self._compare_neighbours(crop)
        for number in numbers:
            self._add_label(number, slice_index, _padded(crop, number), corner)

    def _compare_neighbours(self, crop: NDArray[Any]) -> None:
        """Count the neighbours in a slice that both have a label, and those that have the same."""
        for first, second in ((crop[1:], crop[:-1]), (crop[:, 1:], crop[:, :-1])):
            both = (first != 0) & (second != 0)
            self._n_pairs += int(np.count_nonzero(both))
            self._n_equal += int(np.count_nonzero(both & (first == second)))

    def refuse_image(self) -> None:
        """Refuse many labels whose neighbours differ as those of an image do.

        Slices with few labels, and labels that touch no other, say nothing.

        Raises
        ------
        TraceError
            ``not-labels``
        """
        if self._n_pairs < _FEW_PAIRS or self._n_equal >= _SCATTERED * self._n_pairs:
            return
        raise TraceError(
            "not-labels",
            "the values differ from pixel to pixel, as those of an image do",
            values={"values": len(self.found), "equal neighbours": f"{self._n_equal / self._n_pairs:.0%}"},
            todo="Name the mask instead of the image, or the one label that is meant: --label.",
        )

    def _add_label(
        self, number: int, slice_index: int, inside: NDArray[np.bool_], corner: tuple[int, int]
    ) -> None:
        flat = inside.ravel()
        changes = (flat[1:] != flat[:-1]).nonzero()[0]
        if changes.size:
            runs = (slice_index, changes, inside.shape[1], *corner)
            self._counts.setdefault(number, _Counts()).add(runs, self.geometry)

    def cross_sections(
        self, label: MaskLabel, *, source: ScanSource | None = None, flags: Iterable[str] = ()
    ) -> CrossSections:
        """Return what was counted of one label; without any pixel it is absent (flag ``empty-mask``)."""
        counts = self._counts.get(label.number)
        if counts is None:
            counts = _Counts()
            counts.pixels.append(np.empty(0, np.intp))
            counts.centroids.append(np.empty((0, 2)))
            counts.bounds.append(np.empty((0, 2, 3)))
            counts.moments.append(np.empty((0, 2, 2)))
            flags = {*flags, "empty-mask"}
        counts.sum(self.geometry)
        indices = np.array(counts.slice_indices, dtype=np.intp)
        pixels, centroids, bounds, moments = (
            _joined(counts.pixels),
            _joined(counts.centroids),
            _joined(counts.bounds),
            _joined(counts.moments),
        )
        if counts.slice_indices != sorted(counts.slice_indices):
            order = np.argsort(indices)
            indices, pixels, centroids, bounds, moments = (
                part[order] for part in (indices, pixels, centroids, bounds, moments)
            )
        origins = self.geometry.slice_origins_mm[indices]
        return CrossSections(
            geometry=self.geometry,
            slice_indices=indices,
            areas_mm2=pixels * self.geometry.pixel_area_mm2,
            centroids_mm=centroids @ self.geometry.pixel_to_patient_matrix.T + origins,
            bounds_mm=bounds + origins[:, np.newaxis],
            second_moments_mm2=in_mm2(self.geometry, moments),
            touches_edge=counts.touches_edge,
            lesion=label.name,
            side=label.side,
            label=label.number,
            source=source or ScanSource(),
            flags=tuple(sorted(set(flags))),
        )


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _cropped(pixels: NDArray[Any]) -> tuple[NDArray[Any], tuple[int, int]]:
    """Return a part of a slice that holds all its pixels that are not 0, and where it begins.

    Eight bytes are looked at together where the memory allows it; the part may then be some columns wider.
    """
    together, looked_at = 1, pixels
    if pixels.flags.c_contiguous and pixels.shape[1] * pixels.itemsize % 8 == 0:
        together, looked_at = 8 // pixels.itemsize, pixels.view(np.uint64)
    used = (looked_at.ravel() != 0).nonzero()[0]
    if not used.size:
        return pixels[:0], (0, 0)
    width = looked_at.shape[1]
    top, bottom = int(used[0]) // width, int(used[-1]) // width + 1
    columns = np.bitwise_or.reduce(looked_at[top:bottom], axis=0).nonzero()[0]
    left, right = int(columns[0]) * together, (int(columns[-1]) + 1) * together
    return pixels[top:bottom, left:right], (top, left)


def _padded(crop: NDArray[Any], number: int) -> NDArray[np.bool_]:
    """Return where a label is, with a column of background before every row, and a row behind the last."""
    inside = np.zeros((crop.shape[0] + 1, crop.shape[1] + 1), dtype=np.bool_)
    np.equal(crop, number, out=inside[:-1, 1:])
    return inside


def _numbers(crop: NDArray[Any], highest: int) -> list[int]:
    if crop.min() >= 0 and highest < 1 << 16:
        return [int(n) for n in np.bincount(crop.ravel()).nonzero()[0] if n]
    return [int(n) for n in np.unique(crop) if n]
