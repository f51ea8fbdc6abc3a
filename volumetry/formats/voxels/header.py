"""What the headers of NIfTI, NRRD and MetaImage have in common: voxels on a regular grid, in one block.

File axes are counted from the fastest; the slice axis is usually the third. Of the two others the faster one
runs along the columns, the slower one along the rows. Slices are counted along the normal (row direction x
column direction), as everywhere: where the file's slice axis runs against it, their order is turned round.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.acquisition import Acquisition
from volumetry.errors import GeometryError, ReadError
from volumetry.formats.limits import check_size
from volumetry.formats.voxels.streams import Encoding
from volumetry.geometry import ScanGeometry
from volumetry.masks.labels import MaskLabel
from volumetry.scan import ScanSource

Array = NDArray[np.float64]

LPS_FROM_RAS = np.array([-1.0, -1.0, 1.0])
LENGTH_TOLERANCE = 1e-3
"""Relative difference up to which two statements of one length are rounding."""

_FLATTEST = 1e-6  # a voxel whose volume is below this part of its edges' product is flat
_LONGEST_MM = 1e9
_SHORTEST_MM, _LONGEST_STEP_MM = 1e-3 * (1 - 1e-6), 1e3 * (1 + 1e-6)
_ROTATION_TOLERANCE = 2e-3  # of products of unit vectors: 1e-3 of a length
_MAX_AXIS = 65535  # as in DICOM; every slice costs memory for its position


@dataclass(frozen=True, kw_only=True, eq=False)
class VoxelFile:
    """A header of voxels on a regular grid.

    Attributes
    ----------
    path : Path
        The file that was named.
    format : str
        ``nifti``, ``nrrd``, ``metaimage``, ``mgh``...
    dtype : numpy.dtype
        Of the stored values, with their byte order.
    sizes : (int, int, int)
        Voxels along the file's axes, the fastest first.
    steps_mm : (3, 3) array
        LPS offset of one voxel along each file axis, one row an axis.
    origin_mm : (3,) array
        LPS centre of the first voxel.
    slice_axis : int
        Which file axis counts the slices: 0, 1 or 2.
    slice_thickness_mm : float or None
    data_path : Path
        Where the values are: `path`, or a file beside it.
    more_data_paths : tuple of Path
        Where the voxels go on: files of as many bytes of values as the first, each encoded by itself.
    encoding : str
        How they are compressed (`volumetry.formats.voxels.streams.Encoding`), ``text``, ``hex``, or
        ``library``.
    file_offset : int
        Bytes before the values, in the file as it is on disk.
    data_offset : int
        Bytes before the values, after decompression.
    slope, intercept : float
        Value = stored x slope + intercept.
    n_layers : int
        Values a voxel has: layers of overlapping segments.
    layers_fastest : bool
        Whether the layers of a voxel lie beside one another, or one layer follows the other.
    modality, study_date : str
    acquisition : Acquisition
        Of the sidecar; empty without one.
    labels : tuple of MaskLabel
        As the file declares them.
    flags : tuple of str
    load : callable, optional
        Returns all values, in the order of the file's axes, where ``encoding`` is ``library``.
    has_footer : bool
        Whether the format has bytes of its own behind the values.
    """

    path: Path
    format: str
    dtype: np.dtype[Any]
    sizes: tuple[int, int, int]
    steps_mm: Array
    origin_mm: Array
    data_path: Path
    more_data_paths: tuple[Path, ...] = ()
    slice_axis: int = 2
    slice_thickness_mm: float | None = None
    encoding: Encoding | str = "raw"
    file_offset: int = 0
    data_offset: int = 0
    slope: float = 1.0
    intercept: float = 0.0
    n_layers: int = 1
    layers_fastest: bool = False
    modality: str = ""
    study_date: str = ""
    acquisition: Acquisition = Acquisition()  # noqa: RUF009 - frozen
    labels: tuple[MaskLabel, ...] = ()
    flags: tuple[str, ...] = ()
    load: Callable[[], bytes] | None = None
    has_footer: bool = False

    @property
    def n_bytes(self) -> int:
        """Declared size of the values in bytes; a Python integer, so that it cannot overflow."""
        return math.prod(self.sizes) * self.n_layers * self.dtype.itemsize

    @property
    def n_bytes_a_file(self) -> int:
        """Declared size of the values in each of its data files."""
        return self.n_bytes // (1 + len(self.more_data_paths))

    @property
    def source(self) -> ScanSource:
        """What was scanned, as far as a sidecar says so: these formats know no more than themselves."""
        return ScanSource(
            format=self.format,
            modality=self.modality,
            study_date=self.study_date,
            acquisition=self.acquisition,
        )

    @property
    def in_plane_axes(self) -> tuple[int, int]:
        """The file axes along the columns and along the rows."""
        across, down = (axis for axis in range(3) if axis != self.slice_axis)
        return across, down

    @cached_property
    def geometry(self) -> ScanGeometry:
        """Where the slices and pixels lie.

        Raises
        ------
        GeometryError
            ``bad-spacing``, ``header-conflict`` (a voxel shorter than 0.001 mm or longer than 1 m).
        """
        lengths = self._lengths_mm
        across, down = self.in_plane_axes
        origins = (
            self.origin_mm
            + np.arange(self.sizes[self.slice_axis])[:, np.newaxis] * self.steps_mm[self.slice_axis]
        )
        try:
            return ScanGeometry(
                rows=self.sizes[down],
                columns=self.sizes[across],
                pixel_spacing_mm=(lengths[down], lengths[across]),
                row_direction=self.steps_mm[across] / lengths[across],
                column_direction=self.steps_mm[down] / lengths[down],
                slice_origins_mm=origins[::-1] if self.is_reversed else origins,
                slice_thickness_mm=self.slice_thickness_mm,
            )
        except GeometryError as error:
            raise error.at(self.path) from None

    @cached_property
    def is_reversed(self) -> bool:
        """Whether the file's slices run against the normal."""
        # The file axes across, down and along the slices, in this order, are turned round once where the
        # slice axis is the middle one.
        return (self._determinant < 0) != (self.slice_axis == 1)

    @cached_property
    def _determinant(self) -> float:
        """Signed volume of a voxel; written out, as three vectors are few for a library."""
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = self.steps_mm.tolist()
        volume: float = ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
        return volume

    @property
    def shear_flags(self) -> tuple[str, ...]:
        """``sheared-grid`` where the axes are not perpendicular."""
        geometry = self.geometry
        return ("sheared-grid",) if geometry.is_sheared_grid or geometry.is_sheared_stack else ()

    def sliced_like(self, geometry: ScanGeometry) -> VoxelFile:
        """Return the file with that axis as its slice axis which runs along the normal of `geometry`."""
        lengths = self._lengths_mm
        cosines = np.abs(self.steps_mm @ geometry.normal) / lengths
        if self.sizes[self.slice_axis] == geometry.n_slices and cosines[self.slice_axis] > math.sqrt(0.5):
            return self
        return replace(self, slice_axis=int(np.argmax(cosines)))

    def check_size(self, on_disk_bytes: int) -> None:
        """Refuse a file that declares too much, before memory is taken.

        Raises
        ------
        ReadError
            ``too-large``; ``truncated`` where the values are stored raw and are not all there.
        """
        end = self.data_offset + self.n_bytes_a_file
        if max(self.sizes) > _MAX_AXIS:
            raise ReadError(
                "too-large",
                "the header declares more rows, columns or slices than are read",
                where=self.path,
                values={"size": self.sizes, "allowed": _MAX_AXIS},
                todo="Check where the file comes from.",
            )
        if self.more_data_paths:
            check_size(self.n_bytes, max(self.n_bytes, on_disk_bytes), self.path)
        if self.encoding == "raw":
            # Raw values take no more than the file has: before `truncated` only the absolute limit counts.
            check_size(end, max(on_disk_bytes, end), self.path)
            if end > on_disk_bytes:
                raise ReadError(
                    "truncated",
                    "the file ends before its voxels do",
                    where=self.data_path,
                    values={"needed_bytes": end, "present_bytes": on_disk_bytes},
                    todo="Copy or export the file again.",
                )
        else:
            check_size(end, on_disk_bytes, self.path)

    @cached_property
    def _lengths_mm(self) -> Array:
        lengths = [math.sqrt(x * x + y * y + z * z) for x, y, z in self.steps_mm.tolist()]
        good = all(abs(n) < _LONGEST_MM for n in (*lengths, *self.origin_mm.tolist()))
        good = good and abs(self._determinant) > _FLATTEST * math.prod(lengths)
        if not good:  # as where one is NaN
            raise GeometryError(
                "bad-spacing",
                "the axes of the grid do not span a voxel",
                where=self.path,
                values={"steps_mm": tuple(lengths)},
                todo="Correct the header or export the file again.",
            )
        if not (min(lengths) >= _SHORTEST_MM and max(lengths) <= _LONGEST_STEP_MM):
            raise GeometryError(
                "header-conflict",
                "a voxel is not 0.001 to 1000 mm long; spacing and unit of length do not fit together",
                where=self.path,
                values={"steps_mm": tuple(lengths)},
                todo="Correct the spacing or its unit in the header, or export the file again.",
            )
        return np.array(lengths)


def not_3d(sizes: Sequence[int], path: Path | str, *, channels: int = 1, **values: object) -> GeometryError:
    """Return the error for an image that is not one volume of one number a voxel, and say why it is not.

    Parameters
    ----------
    sizes : sequence of int
        Voxels along the file's axes.
    path : path or str
    channels : int
        Numbers a voxel has.
    **values
        To be shown beside the sizes.
    """
    if channels != 1:
        what, todo = (
            "a voxel holds several numbers, as those of a picture in colour do",
            "Export the labels as one number a voxel.",
        )
    elif sum(size > 1 for size in sizes[3:]):
        what, todo = "the file holds more than one volume", "Extract the one volume that is meant."
    else:
        what, todo = (
            "the image is flat: it has no slices",
            "Export it as a volume, with the distance of its slices.",
        )
    return GeometryError("not-3d", what, where=path, values={"size": tuple(sizes), **values}, todo=todo)


def check_rotation(directions: Array, path: Path, *, field: str, lengths_field: str) -> None:
    """Refuse axes that are not three perpendicular unit vectors, (3, 3): lengths belong to the spacing.

    Raises
    ------
    GeometryError
        ``header-conflict``.
    """
    with np.errstate(all="ignore"):
        worst = float(np.abs(directions @ directions.T - np.eye(3)).max())
    if not worst <= _ROTATION_TOLERANCE:
        raise GeometryError(
            "header-conflict",
            "the matrix is no rotation, so that it and the spacing disagree about the size of a voxel",
            where=path,
            values={field: tuple(directions.ravel().tolist()), "off_by": worst},
            todo=f"Write the lengths to {lengths_field} and unit vectors to {field}.",
        )
