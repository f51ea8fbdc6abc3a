"""One grid, stored in two orders: from the slices, rows and columns of a mask file to those of its scan.

Converters turn rows upside down, swap axes or write slices from head to foot. As long as the voxels are the
same voxels, that changes no volume; anything more is another grid, and refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import MismatchError
from volumetry.geometry import GRID_TOLERANCE, ScanGeometry


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
    """

    reversed_slices: bool = False
    transposed: bool = False
    flipped_rows: bool = False
    flipped_columns: bool = False

    def aligned(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """Return (slice, row, column) voxels of the mask in the order of the scan (a view)."""
        if self.transposed:
            voxels = voxels.transpose(0, 2, 1)
        slices, rows, columns = (
            slice(None, None, -1 if turned else 1)
            for turned in (self.reversed_slices, self.flipped_rows, self.flipped_columns)
        )
        return voxels[slices, rows, columns]


def align_grids(mask: ScanGeometry, scan: ScanGeometry, *, where: Path | str) -> GridAlignment:
    """Find how the grid of a mask file lies in that of its scan.

    Parameters
    ----------
    mask, scan : ScanGeometry
    where : path or str
        The mask file, for the message.

    Raises
    ------
    MismatchError
        ``grid-mismatch``: the voxels are not the same ones, within 1e-3 voxel.
    """
    turn = scan.patient_to_pixel_matrix @ mask.pixel_to_patient_matrix  # scan pixels of a mask row, a column
    signs = np.rint(turn).astype(int)
    distance = np.inf
    alignment = GridAlignment()
    if np.array_equal(np.abs(signs).sum(axis=0), [1, 1]) and np.array_equal(
        np.abs(signs).sum(axis=1), [1, 1]
    ):
        transposed = signs[0, 0] == 0
        alignment = GridAlignment(
            reversed_slices=bool(mask.normal @ scan.normal < 0),
            transposed=bool(transposed),
            flipped_rows=bool(signs[0].sum() < 0),
            flipped_columns=bool(signs[1].sum() < 0),
        )
        distance = _distance(mask, scan, alignment)
    if not distance <= GRID_TOLERANCE:
        raise MismatchError(
            "grid-mismatch",
            "the grids of mask and scan differ",
            where=where,
            values={"distance_voxels": float(distance), "mask": _size(mask), "scan": _size(scan)},
            todo="Resample the mask onto the scan, or name the scan it was drawn on.",
        )
    return alignment


def _distance(mask: ScanGeometry, scan: ScanGeometry, alignment: GridAlignment) -> float:
    """Largest distance of the corners of all slices, in voxels; infinite where the matrices differ."""
    rows, columns = (mask.columns, mask.rows) if alignment.transposed else (mask.rows, mask.columns)
    if (rows, columns, mask.n_slices) != (scan.rows, scan.columns, scan.n_slices):
        return float("inf")
    corners = np.array([(r, c) for r in (0, rows - 1) for c in (0, columns - 1)], dtype=np.float64)
    there = corners.copy()
    if alignment.flipped_rows:
        there[:, 0] = rows - 1 - there[:, 0]
    if alignment.flipped_columns:
        there[:, 1] = columns - 1 - there[:, 1]
    here = there[:, ::-1] if alignment.transposed else there
    origins = mask.slice_origins_mm[:: -1 if alignment.reversed_slices else 1]
    in_mask = origins[:, np.newaxis] + here @ mask.pixel_to_patient_matrix.T
    in_scan = scan.slice_origins_mm[:, np.newaxis] + corners @ scan.pixel_to_patient_matrix.T
    smallest = min(*scan.pixel_spacing_mm, scan.regular_step_mm or np.inf)
    return float(np.sqrt(((in_mask - in_scan) ** 2).sum(axis=-1)).max() / smallest)


def _size(geometry: ScanGeometry) -> str:
    return f"{geometry.n_slices}x{geometry.rows}x{geometry.columns}"
