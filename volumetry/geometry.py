"""Where every slice and every pixel of a scan lies in the patient.

Coordinates are DICOM's: LPS millimetres (x to the patient's left, y to the back, z to the head), integer
pixel coordinates at pixel centres, pixels named ``(row, column)`` and slices counted from 0 in order of
their position along the normal, which is ``row_direction x column_direction``.

The spacing of slices is only ever the difference of positions along the normal; SliceThickness is kept as
declared and never stands in for it (design decision 2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volumetry.errors import GeometryError
from volumetry.shown import Facts, Shown
from volumetry.slice_steps import JITTER, holes_in, regular_step, slice_heights

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

SHEAR = 5e-3
"""Sideways drift per millimetre along the normal (0.3 degrees) from which a stack counts as sheared."""

PARALLEL = 0.01
"""Sine of the angle between rows and columns below which they span no plane."""

GAP = 0.01
"""Relative difference of thickness and spacing from which slices have a gap, or overlap."""

GRID_TOLERANCE = 1e-3
"""Largest distance, in voxels, between grids that are the same."""

PLANES = ("sagittal", "coronal", "axial")
"""Planes of slices, by the axis (left, posterior, superior) that their normal is nearest to."""


def frozen_array(values: ArrayLike, dtype: type = np.float64) -> NDArray[Any]:
    """Return a read-only copy of `values`."""
    array: NDArray[Any] = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array


BAD_THICKNESS = "bad-thickness"
"""Flag of a scan whose SliceThickness is no length: the distance of its slices can stand in its place."""


def bad_thickness() -> GeometryError:
    """Return the error for a scan with that flag, where its thickness is asked for."""
    return GeometryError(
        "bad-spacing",
        "the declared slice thickness is zero, negative or not finite",
        todo="Measure by the distance of the slices, with --height spacing; or correct SliceThickness.",
    )


def single_slice() -> GeometryError:
    """Return the error for one slice, where the distance of slices is asked for."""
    return GeometryError(
        "single-slice",
        "one slice has no spacing",
        values={"slices": 1},
        todo="Measure by the thickness rule, or read the whole series.",
    )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ScanGeometry(Shown):
    """Where the slices and pixels of one stack lie in the patient.

    Parameters
    ----------
    rows, columns : int
        Matrix of a slice.
    pixel_spacing_mm : (float, float)
        Distance between rows, distance between columns: the order of DICOM's PixelSpacing.
    row_direction, column_direction : (3,) array_like
        Unit vectors in LPS: along a row (towards higher columns), along a column (towards higher rows);
        DICOM's ImageOrientationPatient. They need not be perpendicular (a sheared NIfTI grid).
    slice_origins_mm : (n_slices, 3) array_like
        Centre of pixel (0, 0) of every slice (ImagePositionPatient), ascending along the normal.
    slice_thickness_mm : float or None
        As declared; None where it is not known, or differs from slice to slice.
    slice_thicknesses_mm : (n_slices,) array_like or None
        The thickness of every slice, where the slices declare different ones; else None.
    frame_of_reference_uid : str or None

    Raises
    ------
    GeometryError
        ``bad-spacing``: a spacing or thickness is zero, negative or not finite, or directions are no
        directions. ``duplicate-position``: two slices at one position.

    Examples
    --------
    >>> grid = vm.ScanGeometry(
    ...     rows=24,
    ...     columns=32,
    ...     pixel_spacing_mm=(0.5, 0.5),
    ...     row_direction=(1, 0, 0),
    ...     column_direction=(0, 1, 0),
    ...     slice_origins_mm=[(0, 0, 4.4 * k) for k in range(5)],
    ...     slice_thickness_mm=4.0,
    ... )
    >>> grid.pixel_area_mm2, grid.slice_spacing_mm
    (0.25, 4.4)
    """

    rows: int
    columns: int
    pixel_spacing_mm: tuple[float, float]
    row_direction: Array
    column_direction: Array
    slice_origins_mm: Array
    slice_thickness_mm: float | None = None
    frame_of_reference_uid: str | None = None
    slice_thicknesses_mm: Array | None = None

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "rows", int(self.rows))
        set_(self, "columns", int(self.columns))
        between_rows, between_columns = self.pixel_spacing_mm
        set_(self, "pixel_spacing_mm", (float(between_rows), float(between_columns)))
        set_(self, "row_direction", _direction(self.row_direction, "row_direction"))
        set_(self, "column_direction", _direction(self.column_direction, "column_direction"))
        set_(self, "slice_origins_mm", frozen_array(self.slice_origins_mm).reshape(-1, 3))
        if self.slice_thickness_mm is not None:
            set_(self, "slice_thickness_mm", float(self.slice_thickness_mm))
        if self.slice_thicknesses_mm is not None:
            thicknesses = frozen_array(self.slice_thicknesses_mm).reshape(-1)
            set_(self, "slice_thicknesses_mm", thicknesses if len(thicknesses) == self.n_slices else None)
        self._check()

    def _check(self) -> None:
        if self.rows < 1 or self.columns < 1 or not self.n_slices:
            raise GeometryError(
                "not-3d",
                "the image has no pixels",
                values={"rows": self.rows, "columns": self.columns, "slices": self.n_slices},
                todo="Export the series again.",
            )
        if self._cross.dot(self._cross) < PARALLEL**2:
            raise GeometryError(
                "bad-spacing",
                "rows and columns run along one direction, so that the slices have no plane",
                values={
                    "row_direction": tuple(self.row_direction.tolist()),
                    "column_direction": tuple(self.column_direction.tolist()),
                },
                todo="Correct the orientation or export the series again.",
            )
        self._check_lengths()
        self._check_positions()

    def _check_lengths(self) -> None:
        for name, value in (
            ("spacing between rows_mm", self.pixel_spacing_mm[0]),
            ("spacing between columns_mm", self.pixel_spacing_mm[1]),
            ("slice thickness_mm", self.slice_thickness_mm),
            *(("slice thickness_mm", t) for t in set(self._varying.tolist())),
        ):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise GeometryError(
                    "bad-spacing",
                    "a length that must be positive is not",
                    values={name: value},
                    todo="Correct the header or export the series again.",
                )

    def _check_positions(self) -> None:
        if not np.isfinite(self.slice_origins_mm).all():
            raise GeometryError(
                "bad-spacing", "a slice position is not finite", todo="Export the series again."
            )
        steps = self.slice_steps_mm
        if steps.size and steps.min() <= JITTER * max(float(np.abs(steps).max()), 1e-6):
            where = int(np.argmin(steps))
            raise GeometryError(
                "duplicate-position",
                "two slices lie at one position, or the slices are not in order",
                values={"slices": (where, where + 1), "step_mm": float(steps[where])},
                todo="Keep one of the two.",
            )

    # -- directions and positions -------------------------------------------------------------------

    @property
    def n_slices(self) -> int:
        """Number of slices."""
        return len(self.slice_origins_mm)

    @cached_property
    def normal(self) -> Array:
        """Unit vector perpendicular to the slices, (3,); slices ascend along it."""
        cross = self._cross
        return np.asarray(cross / math.sqrt(cross.dot(cross)), dtype=np.float64)

    @property
    def plane(self) -> str:
        """The plane of the slices, the nearest of ``sagittal``, ``coronal``, ``axial``."""
        return plane_of((*self.row_direction.tolist(), *self.column_direction.tolist()))

    @cached_property
    def _cross(self) -> Array:
        """Row direction x column direction."""
        return np.array(_crossed(self.row_direction.tolist(), self.column_direction.tolist()))

    @cached_property
    def slice_positions_mm(self) -> Array:
        """Position of every slice along the normal, (n_slices,), ascending."""
        return self.slice_origins_mm @ self.normal

    @cached_property
    def slice_steps_mm(self) -> Array:
        """Distance from every slice to the next along the normal, (n_slices - 1,)."""
        return np.asarray(self.slice_positions_mm[1:] - self.slice_positions_mm[:-1])

    @cached_property
    def pixel_area_mm2(self) -> float:
        """Area of a pixel: product of the spacings and the sine of the angle between the directions."""
        sine = math.sqrt(self._cross.dot(self._cross))
        area = self.pixel_spacing_mm[0] * self.pixel_spacing_mm[1]
        return area if abs(sine - 1.0) < 1e-9 else area * sine

    # -- steps ----------------------------------------------------------------------------------------

    @cached_property
    def regular_step_mm(self) -> float | None:
        """The usual distance between neighbouring slices: the lower median of the steps."""
        return regular_step(self.slice_steps_mm) if self.slice_steps_mm.size else None

    @property
    def _varying(self) -> Array:
        """Thickness of every slice where they differ, else empty."""
        return np.empty(0) if self.slice_thicknesses_mm is None else self.slice_thicknesses_mm

    @cached_property
    def holes(self) -> tuple[int, ...]:
        """Indices i where at least one slice is missing between slice i and slice i + 1."""
        return holes_in(self.slice_steps_mm, self.slice_thicknesses_mm)

    @cached_property
    def is_uneven(self) -> bool:
        """Whether the steps differ, holes left aside, by more than rounding."""
        if self.regular_step_mm is None:
            return False
        off = np.abs(self._steps_without_holes_mm - self.regular_step_mm)
        return bool((off > JITTER * self.regular_step_mm).any())

    @property
    def _steps_without_holes_mm(self) -> Array:
        return np.delete(self.slice_steps_mm, self.holes) if self.holes else self.slice_steps_mm

    @cached_property
    def slice_spacing_mm(self) -> float | None:
        """Centre-to-centre distance of neighbouring slices; None where it is uneven or there is one slice."""
        if self.regular_step_mm is None or self.is_uneven:
            return None
        return float(self._steps_without_holes_mm.mean())

    @property
    def gap_mm(self) -> float | None:
        """Slice spacing minus slice thickness (negative where slices overlap); None where one is unknown."""
        if self.slice_spacing_mm is None or self.slice_thickness_mm is None:
            return None
        return self.slice_spacing_mm - self.slice_thickness_mm

    @property
    def gap_ratio(self) -> float | None:
        """Slice spacing (the regular step) over slice thickness; None where one is unknown.

        Of slices that differ in thickness the smallest ratio where any two overlap, else the usual one.
        """
        if self._varying.size > 1:
            ratios = self.slice_steps_mm / ((self._varying[:-1] + self._varying[1:]) / 2)
            return float(ratios.min() if ratios.min() < 1 - GAP else np.median(ratios))
        if self.regular_step_mm is None or self.slice_thickness_mm is None:
            return None
        return self.regular_step_mm / self.slice_thickness_mm

    @cached_property
    def is_sheared_stack(self) -> bool:
        """Whether the slices are shifted sideways against each other (gantry tilt)."""
        if self.n_slices < 2:
            return False
        offsets = self.slice_origins_mm - self.slice_origins_mm[0]
        along = offsets @ self.normal
        sideways = offsets - along[:, np.newaxis] * self.normal
        allowed = SHEAR * along + 1e-2 * self.slice_steps_mm.min()
        return bool(((sideways * sideways).sum(axis=1) > allowed * allowed).any())

    @cached_property
    def is_sheared_grid(self) -> bool:
        """Whether rows and columns are not perpendicular."""
        return bool(abs(float(self.row_direction @ self.column_direction)) > SHEAR)

    # -- slice heights ----------------------------------------------------------------------------------

    def slice_heights_mm(self, *, across_holes: bool = False) -> Array:
        """Height every slice stands for by the spacing rule: half the way to each neighbour.

        End slices, and slices beside a hole, use their one neighbour's distance on both sides
        (Cavalieri's rule with full slabs).

        Parameters
        ----------
        across_holes : bool
            Let the heights run across holes instead, which is linear interpolation of the areas.

        Returns
        -------
        (n_slices,) array

        Raises
        ------
        GeometryError
            ``single-slice``: one slice has no spacing.
        """
        if self.regular_step_mm is None:
            raise single_slice()
        return slice_heights(self.slice_steps_mm, () if across_holes else self.holes)

    # -- shown ------------------------------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """Return a row per slice: ``slice_index, position_mm, slice_thickness_mm``."""
        import pandas as pd

        return pd.DataFrame(
            {
                "slice_index": range(self.n_slices),
                "position_mm": self.slice_positions_mm,
                "slice_thickness_mm": self.slice_thickness_mm
                if self.slice_thicknesses_mm is None
                else self.slice_thicknesses_mm,
            }
        )

    def _facts(self) -> Facts:
        return (
            ("slices x rows x columns", f"{self.n_slices} x {self.rows} x {self.columns}"),
            ("pixel_spacing_mm", tuple(self.pixel_spacing_mm)),
            ("slice_spacing_mm", self.slice_spacing_mm),
            ("slice_thickness_mm", self.slice_thickness_mm),
            ("normal", tuple(round(float(v), 4) + 0.0 for v in self.normal)),
        )

    # -- between pixels and the patient ----------------------------------------------------------------

    @cached_property
    def pixel_to_patient_matrix(self) -> Array:
        """(3, 2) matrix: patient offset in mm of one row and one column."""
        between_rows, between_columns = self.pixel_spacing_mm
        matrix = np.empty((3, 2))
        matrix[:, 0] = self.column_direction * between_rows
        matrix[:, 1] = self.row_direction * between_columns
        return matrix

    @cached_property
    def patient_to_pixel_matrix(self) -> Array:
        """(2, 3) matrix: rows and columns of an offset that lies in the slice plane, in mm."""
        down, across = self.pixel_to_patient_matrix.T  # the pseudo-inverse, written out for two columns
        square, mixed, other = down.dot(down), down.dot(across), across.dot(across)
        rows = (other * down - mixed * across, square * across - mixed * down)
        return np.asarray(np.array(rows) / (square * other - mixed * mixed))

    def pixel_to_patient(self, slice_index: int, pixels: ArrayLike) -> Array:
        """Return the LPS positions in mm, (n, 3), of `pixels` (row, column), (n, 2), of one slice."""
        offsets = np.asarray(pixels, dtype=np.float64).reshape(-1, 2) @ self.pixel_to_patient_matrix.T
        return np.asarray(self.slice_origins_mm[slice_index] + offsets)

    def patient_to_pixel(self, slice_index: int, points_mm: ArrayLike) -> Array:
        """Return (row, column), (n, 2), of LPS points (n, 3) projected onto one slice along the normal."""
        points = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
        return np.asarray((points - self.slice_origins_mm[slice_index]) @ self.patient_to_pixel_matrix.T)

    def nearest_slice(self, point_mm: ArrayLike) -> tuple[int, float]:
        """Return the slice nearest to an LPS point along the normal, and the signed distance in mm to it."""
        position = float(np.asarray(point_mm, dtype=np.float64) @ self.normal)
        index = int(np.argmin(np.abs(self.slice_positions_mm - position)))
        return index, position - float(self.slice_positions_mm[index])

    # -- comparing --------------------------------------------------------------------------------------

    def voxel_distance(self, other: ScanGeometry) -> float:
        """Return how far two grids lie apart, in voxels: the largest offset of the corners.

        Infinite where matrix or number of slices differ.
        """
        if (self.rows, self.columns, self.n_slices) != (other.rows, other.columns, other.n_slices):
            return math.inf
        corners = [(r, c) for r in (0, self.rows - 1) for c in (0, self.columns - 1)]
        smallest = min(*self.pixel_spacing_mm, self.regular_step_mm or math.inf)
        offsets = [
            np.abs(self.pixel_to_patient(i, corners) - other.pixel_to_patient(i, corners)).max()
            for i in range(self.n_slices)
        ]
        return float(max(offsets)) / smallest

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ScanGeometry):
            return NotImplemented
        return (
            self.pixel_spacing_mm == other.pixel_spacing_mm
            and self.slice_thickness_mm == other.slice_thickness_mm
            and np.array_equal(self._varying, other._varying)
            and self.frame_of_reference_uid == other.frame_of_reference_uid
            and (self.rows, self.columns) == (other.rows, other.columns)
            and np.array_equal(self.row_direction, other.row_direction)
            and np.array_equal(self.column_direction, other.column_direction)
            and np.array_equal(self.slice_origins_mm, other.slice_origins_mm)
        )

    __hash__ = None  # type: ignore[assignment]


def plane_of(orientation: Sequence[float]) -> str:
    """Return the plane that is nearest to slices along a row and a column direction, in LPS.

    Parameters
    ----------
    orientation : sequence of 6 float
        Direction along a row, then along a column.

    Returns
    -------
    str
        ``sagittal``, ``coronal`` or ``axial``.

    Examples
    --------
    >>> plane_of((1, 0, 0, 0, 0, -1))
    'coronal'
    """
    normal = np.abs(_crossed(orientation[:3], orientation[3:]))
    return PLANES[int(np.argmax(normal))]


def _crossed(first: Sequence[float], second: Sequence[float]) -> tuple[float, float, float]:
    """Return the cross product, written out: two vectors are few for a library."""
    (ax, ay, az), (bx, by, bz) = first, second
    return ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx


def sorted_by_position(
    row_direction: ArrayLike, column_direction: ArrayLike, slice_origins_mm: ArrayLike
) -> NDArray[np.intp]:
    """Return the order in which slices ascend along the normal: indices into `slice_origins_mm` (n, 3)."""
    row, column = (np.asarray(d, np.float64).tolist() for d in (row_direction, column_direction))
    normal = np.array(_crossed(row, column))
    return np.argsort(np.asarray(slice_origins_mm, np.float64).reshape(-1, 3) @ normal, kind="stable")


def _direction(vector: ArrayLike, name: str) -> Array:
    array = np.array(vector, dtype=np.float64).reshape(3)
    length = math.sqrt(array.dot(array))
    if not math.isfinite(length) or abs(length - 1.0) > 0.01:
        raise GeometryError(
            "bad-spacing",
            "a direction is not a unit vector",
            values={name: tuple(float(x) for x in array)},
            todo="Correct ImageOrientationPatient or export the series again.",
        )
    array /= length
    array.setflags(write=False)
    return array
