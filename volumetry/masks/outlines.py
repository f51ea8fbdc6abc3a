"""From outlines to pixels and back, by one rule.

Outline to mask: a pixel belongs to the lesion if its centre lies inside, by the even-odd rule. Mask to
outline: along the pixel edges, so that the outline's area is exactly the number of pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from volumetry.contours.contour import Contour
from volumetry.contours.rings import signed_area
from volumetry.geometry import ScanGeometry
from volumetry.masks.labels import MaskLabel
from volumetry.masks.mask import Mask
from volumetry.scan import ScanSource

# -- outline to mask ------------------------------------------------------------------------------------


def fill_contours(contours: Iterable[Contour], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels of one slice whose centre lies inside the outlines, by the even-odd rule.

    Parameters
    ----------
    contours : iterable of Contour
        All outlines and holes of one slice; whether one is a hole does not matter to even-odd.
    shape : (rows, columns)

    Notes
    -----
    Every crossing of an outline with a pixel row toggles all pixels to its right, so the running parity
    along the row tells inside from outside without sorting.
    """
    rows, columns = shape
    toggles = np.zeros((rows, columns + 1), dtype=np.int32)
    for contour in contours:
        start = contour.vertices
        end = np.roll(start, -1, axis=0)
        low = np.ceil(np.minimum(start[:, 0], end[:, 0])).astype(np.intp)
        high = np.ceil(np.maximum(start[:, 0], end[:, 0])).astype(np.intp)
        crossed = np.maximum(np.minimum(high, rows), 0) - np.clip(low, 0, rows)
        edge = np.repeat(np.arange(len(start)), crossed)
        offset = np.arange(len(edge)) - np.repeat(np.cumsum(crossed) - crossed, crossed)
        row = np.clip(low, 0, rows)[edge] + offset
        slope = (end[edge, 1] - start[edge, 1]) / (end[edge, 0] - start[edge, 0])
        column = start[edge, 1] + (row - start[edge, 0]) * slope
        np.add.at(toggles, (row, np.clip(np.ceil(column), 0, columns).astype(np.intp)), 1)
    return np.asarray(np.cumsum(toggles[:, :-1], axis=1) & 1, dtype=bool)


def mask_from_contours(
    lesions: Mapping[int, Sequence[Contour]], geometry: ScanGeometry, *, source: ScanSource | None = None
) -> Mask:
    """Return a mask of outlines by label number; labels that overlap get layers of their own.

    Examples
    --------
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> mask = vm.mask_from_contours({1: trace.contours}, trace.geometry)
    >>> vm.measure_volume(mask).n_slices == vm.measure_volume(trace).n_slices
    True
    """
    layers: list[NDArray[np.int16]] = []
    labels = []
    for number, contours in lesions.items():
        binary = np.zeros((geometry.n_slices, geometry.rows, geometry.columns), dtype=bool)
        for index in {c.slice_index for c in contours}:
            binary[index] = fill_contours(
                (c for c in contours if c.slice_index == index), (geometry.rows, geometry.columns)
            )
        place = next((i for i, layer in enumerate(layers) if not np.any(layer[binary])), len(layers))
        if place == len(layers):
            layers.append(np.zeros(binary.shape, dtype=np.int16))
        layers[place][binary] = number
        labels.append(MaskLabel(number=number, layer=place))
    return Mask(
        layers=tuple(layers),
        geometry=geometry,
        labels=tuple(labels),
        source=source or ScanSource(),
        declared=True,
    )


# -- mask to outline ------------------------------------------------------------------------------------


def outline_pixels(inside: NDArray[np.bool_], slice_index: int) -> tuple[Contour, ...]:
    """Return the outlines of a slice's pixels, along their edges; their area is exactly the pixel count.

    Pixels that meet only at a corner belong to different outlines; a hole is a contour of its own.
    """
    following = _edges_by_start(inside)
    contours = []
    while following:
        ring = _follow(following)
        # Drawn with the pixels always on one side, outlines and holes run in opposite directions.
        contours.append(
            Contour(
                slice_index=slice_index, vertices=_corners_only(ring) - 0.5, is_hole=signed_area(ring) < 0
            )
        )
    return tuple(sorted(contours, key=lambda c: c.is_hole))


def _edges_by_start(inside: NDArray[np.bool_]) -> dict[tuple[int, int], list[tuple[int, int]]]:
    padded = np.pad(np.asarray(inside, dtype=np.int8), 1)
    down = np.diff(padded, axis=0)[:, 1:-1]
    right = np.diff(padded, axis=1)[1:-1]
    edges: list[tuple[tuple[int, int], tuple[int, int]]] = []
    for (r, c), start, end in (
        *(((r, c), (0, 1), (0, 0)) for r, c in np.argwhere(down == 1).tolist()),
        *(((r, c), (0, 0), (0, 1)) for r, c in np.argwhere(down == -1).tolist()),
        *(((r, c), (0, 0), (1, 0)) for r, c in np.argwhere(right == 1).tolist()),
        *(((r, c), (1, 0), (0, 0)) for r, c in np.argwhere(right == -1).tolist()),
    ):
        edges.append(((r + start[0], c + start[1]), (r + end[0], c + end[1])))
    following: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for begin, finish in edges:
        following.setdefault(begin, []).append(finish)
    return following


def _follow(following: dict[tuple[int, int], list[tuple[int, int]]]) -> NDArray[np.float64]:
    start = point = next(iter(following))
    heading: tuple[int, int] | None = None
    ring = []
    while True:
        ring.append(point)
        options = following[point]
        choice = 0
        if len(options) > 1 and heading is not None:
            # Two pixels meet at this corner: turn so as to stay with the one we came along.
            turns = [heading[0] * (o[1] - point[1]) - heading[1] * (o[0] - point[0]) for o in options]
            choice = int(np.argmax(turns))
        step = options.pop(choice)
        if not options:
            del following[point]
        heading = (step[0] - point[0], step[1] - point[1])
        point = step
        if point == start and (start not in following or _closes(heading, following[start], point)):
            return np.array(ring, dtype=np.float64)


def _closes(heading: tuple[int, int], options: list[tuple[int, int]], point: tuple[int, int]) -> bool:
    """Whether a ring that comes back to its start, where another edge leaves, ends there."""
    turns = [heading[0] * (o[1] - point[1]) - heading[1] * (o[0] - point[0]) for o in options]
    return max(turns) <= 0


def _corners_only(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    return ring[np.any(before != after, axis=1)]


def contours_from_mask(mask: Mask, label: int | str | None = None) -> tuple[Contour, ...]:
    """Return the outlines of one label along the pixel edges, slice by slice.

    Examples
    --------
    >>> mask = vm.read_mask("sample_scans/orientation/axial/axial_mask.nii.gz")
    >>> outlines = vm.contours_from_mask(mask)
    >>> int(sum(outline.area_pixels for outline in outlines)) == int((mask.layers[0] == 1).sum())
    True
    """
    binary = mask.binary(label)
    filled = np.flatnonzero(binary.any(axis=(1, 2)))
    return tuple(contour for index in filled for contour in outline_pixels(binary[index], int(index)))
