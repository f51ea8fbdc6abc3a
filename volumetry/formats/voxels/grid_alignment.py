"""One lattice, stored in two orders: from the slices, rows and columns of a mask file to those of its scan.

Converters turn rows upside down, swap axes, write slices from head to foot, and cut a mask to its extent or
pad it. As long as the voxels are the same voxels, that changes no volume; anything more is another lattice,
and refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import GeometryError, MismatchError
from volumetry.geometry import GRID_TOLERANCE, ScanGeometry

Array = NDArray[np.float64]

_MOST_COMPARED = 2_000
"""Slices of a mask that are compared with each of its scan's, to say why the two do not fit."""


@dataclass(frozen=True, kw_only=True)
class GridAlignment:
    """How a mask's slices and pixels are brought into the order of its scan.

    Attributes
    ----------
    reversed_slices : bool
    transposed : bool
        Whether the mask's rows run along the scan's columns; applied before the flips.
    flipped_rows, flipped_columns : bool
        Whether the scan counts them from the other end.
    shift : (int, int, int)
        Slice, row and column of the scan at which the first voxel of the mask lies, after the flips.
    shape : (int, int, int) or None
        Slices, rows and columns of the scan; None where the mask has the same.
    """

    reversed_slices: bool = False
    transposed: bool = False
    flipped_rows: bool = False
    flipped_columns: bool = False
    shift: tuple[int, int, int] = (0, 0, 0)
    shape: tuple[int, int, int] | None = None

    @property
    def is_part(self) -> bool:
        """Whether the mask was cut or padded: it covers other voxels of the lattice than the scan."""
        return self.shape is not None

    def aligned(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """Return (slice, row, column) voxels of the mask in the order of the scan, and of its shape.

        Raises
        ------
        MismatchError
            ``grid-mismatch``: voxels that are not 0 lie outside the scan.
        """
        turned = self._turned(voxels)[:: -1 if self.reversed_slices else 1]
        return turned if self.shape is None else _placed(turned, self.shift, self.shape)

    def aligned_slice(self, index: int, pixels: NDArray[Any], n_slices: int) -> tuple[int, NDArray[Any]]:
        """Return index and (rows, columns) pixels in the scan of one slice of a mask with `n_slices` slices.

        Raises
        ------
        MismatchError
            As `aligned`; a slice beyond the scan that holds nothing is returned as its first slice, empty.
        """
        index = (n_slices - 1 - index if self.reversed_slices else index) + self.shift[0]
        turned = self._turned(pixels)
        if self.shape is None:
            return index, turned
        n_scan, rows, columns = self.shape
        inside = 0 <= index < n_scan
        placed = _placed(turned[np.newaxis], (0 if inside else 1, *self.shift[1:]), (1, rows, columns))
        return (index if inside else 0), placed[0]

    def _turned(self, pixels: NDArray[Any]) -> NDArray[Any]:
        if self.transposed:
            pixels = pixels.swapaxes(-1, -2)
        rows, columns = (
            slice(None, None, -1 if turned else 1) for turned in (self.flipped_rows, self.flipped_columns)
        )
        return pixels[..., rows, columns]


def _placed(voxels: NDArray[Any], shift: tuple[int, int, int], shape: tuple[int, int, int]) -> NDArray[Any]:
    """Return zeros of `shape` with `voxels` at `shift`; what lies outside must be 0."""
    here, there = [], []
    for start, size, length in zip(shift, shape, voxels.shape, strict=True):
        first, last = max(start, 0), max(min(start + length, size), 0)
        last = max(first, last)
        there.append(slice(first, last))
        here.append(slice(first - start, last - start))
    part = voxels[tuple(here)]
    outside = 0 if part.size == voxels.size else np.count_nonzero(voxels) - np.count_nonzero(part)
    if outside:
        raise MismatchError(
            "grid-mismatch",
            "a part of the mask lies outside its scan",
            values={"voxels outside": int(outside)},
            todo="Name the scan it was drawn on with --scan, or measure the mask alone: "
            "volumetry measure without --scan.",
        )
    placed = np.zeros(shape, dtype=voxels.dtype)
    placed[tuple(there)] = part
    return placed


def align_grids(
    mask: ScanGeometry, scan: ScanGeometry, *, where: Path | str, allow_part: bool = False
) -> GridAlignment:
    """Find how the grid of a mask file lies in that of its scan.

    Parameters
    ----------
    mask, scan : ScanGeometry
    where : path or str
        The mask file, for the message.
    allow_part : bool
        Whether the mask may be cut or padded by whole voxels.

    Raises
    ------
    MismatchError
        ``grid-mismatch``: the voxels are not the same ones, within 1e-3 voxel.
    GeometryError
        ``missing-slice``: they are, and the scan lacks some of them.
    """
    if _is_the_same(mask, scan):
        return GridAlignment()
    turn = scan.patient_to_pixel_matrix @ mask.pixel_to_patient_matrix  # scan pixels of a mask row, a column
    signs = np.rint(turn).astype(int)
    steps = np.abs(signs)
    if (steps.sum(axis=0) != 1).any() or (steps.sum(axis=1) != 1).any():
        raise _mismatch("the pixels of mask and scan differ in size or direction", mask, scan, where)
    alignment = GridAlignment(
        reversed_slices=bool(mask.normal @ scan.normal < 0),
        transposed=bool(signs[0, 0] == 0),
        flipped_rows=bool(signs[0].sum() < 0),
        flipped_columns=bool(signs[1].sum() < 0),
    )
    sizes = _sizes(mask, alignment)
    corners = _corners(mask, alignment)
    nearest = _shift(corners[:, 0], scan)
    shape = (scan.n_slices, scan.rows, scan.columns)
    whole = np.rint(nearest).astype(int)
    shift = (int(whole[0]), int(whole[1]), int(whole[2])) if allow_part else (0, 0, 0)
    if shift == (0, 0, 0) and sizes == shape:
        found = alignment
    elif allow_part:
        found = replace(alignment, shift=shift, shape=shape)
    else:
        raise _mismatch("mask and scan differ in rows, columns or slices", mask, scan, where)
    distance = _distance(corners, sizes, mask, scan, shift)
    if not np.isfinite(distance):
        raise _mismatch("mask and scan have no slice in common", mask, scan, where)
    if not distance <= GRID_TOLERANCE and _fills_holes(corners, sizes, scan, shift):
        raise _in_hole(mask, scan, where)
    if not distance <= GRID_TOLERANCE:
        offset = nearest - np.rint(nearest) if allow_part else nearest
        raise _mismatch(
            "the voxels of the mask lie between those of the scan, or are of another size",
            mask,
            scan,
            where,
            distance_voxels=round(distance, 4),
            offset_voxels=tuple(round(float(x), 3) + 0.0 for x in offset),
        )
    return found


def _is_the_same(mask: ScanGeometry, scan: ScanGeometry) -> bool:
    """Whether two grids surely are one, in one order, as most are; where not, more work has to say."""
    shape = (mask.n_slices, mask.rows, mask.columns)
    if shape != (scan.n_slices, scan.rows, scan.columns) or scan.is_sheared_grid:
        return False
    edge = min(*scan.pixel_spacing_mm, _step_of(scan))
    apart = np.abs(mask.slice_origins_mm - scan.slice_origins_mm).max()
    across = np.abs(mask.pixel_to_patient_matrix - scan.pixel_to_patient_matrix) @ (scan.rows, scan.columns)
    # A vector is at most twice as long as its largest part.
    return bool(2 * (apart + across.max()) < GRID_TOLERANCE / 2 * edge)


def _sizes(mask: ScanGeometry, alignment: GridAlignment) -> tuple[int, int, int]:
    """Slices, rows and columns of the mask in the order of the scan."""
    rows, columns = (mask.columns, mask.rows) if alignment.transposed else (mask.rows, mask.columns)
    return mask.n_slices, rows, columns


def _corners(mask: ScanGeometry, alignment: GridAlignment) -> Array:
    """LPS centres of the corner pixels of every slice, (n_slices, 4, 3), all in the order of the scan."""
    _, rows, columns = _sizes(mask, alignment)
    there = np.array([(r, c) for r in (0, rows - 1) for c in (0, columns - 1)], dtype=np.float64)
    if alignment.flipped_rows:
        there[:, 0] = rows - 1 - there[:, 0]
    if alignment.flipped_columns:
        there[:, 1] = columns - 1 - there[:, 1]
    here = there[:, ::-1] if alignment.transposed else there
    origins = mask.slice_origins_mm[:: -1 if alignment.reversed_slices else 1]
    return np.asarray(origins[:, np.newaxis] + here @ mask.pixel_to_patient_matrix.T)


def _shift(first_corners: Array, scan: ScanGeometry) -> Array:
    """Slice, row and column of the scan, (3,), where the first voxel lies; a whole slice, and the rest of it.

    Found where a slice of the mask lies nearest to one of the scan, so that uneven steps do not matter.
    """
    positions = first_corners @ scan.normal
    apart = positions[:, np.newaxis] - scan.slice_positions_mm
    of_mask, of_scan = np.unravel_index(int(np.argmin(np.abs(apart))), apart.shape)
    row, column = scan.patient_to_pixel(int(of_scan), first_corners[of_mask])[0]
    beside = float(apart[of_mask, of_scan]) / (scan.regular_step_mm or scan.slice_thickness_mm or 1.0)
    return np.array((of_scan - of_mask + beside, row, column)).round(6)


def _distance(
    corners: Array,
    sizes: tuple[int, int, int],
    mask: ScanGeometry,
    scan: ScanGeometry,
    shift: tuple[int, int, int],
) -> float:
    """Largest distance in voxels of the corners of the slices that both have; infinite without any."""
    first, last = max(shift[0], 0), min(shift[0] + sizes[0], scan.n_slices)
    if first >= last:
        return float("inf")
    in_scan = _corners_in_scan(sizes, scan, shift)[first:last]
    in_mask = corners[first - shift[0] : last - shift[0]]
    distance = float(_in_voxels(in_mask - in_scan, scan).max())
    if last - first == 1 and mask.regular_step_mm is not None and scan.regular_step_mm is not None:
        distance = max(distance, abs(mask.regular_step_mm - scan.regular_step_mm) / scan.regular_step_mm)
    return distance


def _corners_in_scan(sizes: tuple[int, int, int], scan: ScanGeometry, shift: tuple[int, int, int]) -> Array:
    """LPS centres, (n_slices, 4, 3), of the pixels of every slice of the scan where the mask has corners."""
    pixels = np.array([(r, c) for r in (0, sizes[1] - 1) for c in (0, sizes[2] - 1)], dtype=np.float64)
    pixels += shift[1:]
    return np.asarray(scan.slice_origins_mm[:, np.newaxis] + pixels @ scan.pixel_to_patient_matrix.T)


def _in_voxels(apart_mm: Array, scan: ScanGeometry) -> Array:
    """Length of vectors (..., 3) in voxels of a scan: each part by the edge along which it lies."""
    in_plane = apart_mm @ scan.patient_to_pixel_matrix.T
    along = apart_mm @ scan.normal / _step_of(scan)
    return np.asarray(np.sqrt((in_plane**2).sum(axis=-1) + along**2))


def _step_of(scan: ScanGeometry) -> float:
    return scan.regular_step_mm or scan.slice_thickness_mm or min(scan.pixel_spacing_mm)


def _fills_holes(
    corners: Array, sizes: tuple[int, int, int], scan: ScanGeometry, shift: tuple[int, int, int]
) -> bool:
    """Whether a mask has every slice of its scan, and more of them where slices are missing from the scan."""
    if not scan.holes or not scan.n_slices < sizes[0] < _MOST_COMPARED:
        return False
    apart = corners[:, np.newaxis] - _corners_in_scan(sizes, scan, shift)
    nearest = _in_voxels(apart, scan).max(axis=-1).min(axis=0)
    return bool((nearest <= GRID_TOLERANCE).all())


def _in_hole(mask: ScanGeometry, scan: ScanGeometry, where: Path | str) -> GeometryError:
    hole = scan.holes[0]
    return GeometryError(
        "missing-slice",
        "slices of the mask lie where slices are missing from the scan",
        where=where,
        values={
            "mask": _size(mask),
            "scan": _size(scan),
            "between slice_index of the scan": (hole, hole + 1),
            "positions_mm": tuple(float(p) for p in scan.slice_positions_mm[hole : hole + 2]),
        },
        todo="Find the missing images, or measure the mask alone: volumetry measure without --scan.",
    )


def _mismatch(
    what: str, mask: ScanGeometry, scan: ScanGeometry, where: Path | str, **values: object
) -> MismatchError:
    return MismatchError(
        "grid-mismatch",
        what,
        where=where,
        values={
            **values,
            "mask": _size(mask),
            "mask voxel_mm": _voxel(mask),
            "scan": _size(scan),
            "scan voxel_mm": _voxel(scan),
        },
        todo="Resample the mask onto the scan where both lie in one space, or name the scan it was drawn on.",
    )


def _size(geometry: ScanGeometry) -> str:
    return f"{geometry.n_slices}x{geometry.rows}x{geometry.columns}"


def _voxel(geometry: ScanGeometry) -> str:
    step = geometry.regular_step_mm
    sizes = (*(() if step is None else (step,)), *geometry.pixel_spacing_mm)
    return " x ".join(f"{size:.6g}" for size in sizes)
