"""Where the slices of one series lie in the patient."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from volumetry.samples.bodies import Array, Body, Section, Triple, rotation_matrix

# Direction of a row (towards higher columns) and of a column (towards higher rows), in LPS.
UPRIGHT = {
    "axial": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "coronal": ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    "sagittal": ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
}


@dataclass(frozen=True, kw_only=True)
class SlicePlan:
    """One stack of parallel slices.

    Parameters
    ----------
    plane : str
        A key of `UPRIGHT`.
    rows, columns, n_slices : int
        Size of the stack.
    pixel_mm, thickness_mm, spacing_mm : float
        Edge of the square pixels; thickness of a slice; distance between slice centres.
    centre_mm : tuple of float
        Centre of the stack in LPS.
    tilt_deg : tuple of float
        Rotation of the upright plane about x, y and z: an oblique stack.
    """

    plane: str = "coronal"
    rows: int = 112
    columns: int = 216
    n_slices: int = 12
    pixel_mm: float = 1.6
    thickness_mm: float = 4.0
    spacing_mm: float = 4.4
    centre_mm: Triple = (0.0, 0.0, 0.0)
    tilt_deg: Triple = (0.0, 0.0, 0.0)

    @cached_property
    def row_direction(self) -> Array:
        """Direction in which the column index grows."""
        return np.asarray(rotation_matrix(self.tilt_deg) @ np.array(UPRIGHT[self.plane][0]))

    @cached_property
    def column_direction(self) -> Array:
        """Direction in which the row index grows."""
        return np.asarray(rotation_matrix(self.tilt_deg) @ np.array(UPRIGHT[self.plane][1]))

    @cached_property
    def normal(self) -> Array:
        """Direction in which the slice index grows."""
        return np.cross(self.row_direction, self.column_direction)

    def position_mm(self, index: float) -> Array:
        """Centre of the first pixel of a slice, to the micrometre (what ImagePositionPatient says)."""
        position = (
            np.array(self.centre_mm)
            + self.normal * self.spacing_mm * (index - (self.n_slices - 1) / 2)
            - self.row_direction * self.pixel_mm * (self.columns - 1) / 2
            - self.column_direction * self.pixel_mm * (self.rows - 1) / 2
        )
        return np.round(position, 6) + 0.0

    def pixel_centres_mm(self) -> Array:
        """Every pixel centre, shape (slices, rows, columns, 3)."""
        start = np.stack([self.position_mm(k) for k in range(self.n_slices)])
        down = np.arange(self.rows)[:, None] * self.pixel_mm * self.column_direction
        along = np.arange(self.columns)[:, None] * self.pixel_mm * self.row_direction
        return np.asarray(start[:, None, None] + down[None, :, None] + along[None, None, :])

    def sections(self, body: Body) -> dict[int, Section]:
        """Return the exact cross-sections of a body with the slice planes, by slice index."""
        cuts = {k: body.section(self.position_mm(k), self.normal) for k in range(self.n_slices)}
        return {k: cut for k, cut in cuts.items() if cut is not None}
