"""Masks as NIfTI-1, on the grid of their scan."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from volumetry.errors import GeometryError, UsageError
from volumetry.formats.voxels.header import LPS_FROM_RAS
from volumetry.formats.voxels.nifti.header import HEADER_SIZES
from volumetry.geometry import ScanGeometry
from volumetry.masks.mask import Mask

_LONGEST_AXIS = 32767
_TYPES = {"u1": 2, "i2": 4, "i4": 8, "i1": 256, "u2": 512, "u4": 768, "i8": 1024, "u8": 1280}
_LEVEL = 6


def write_mask(mask: Mask, path: Path | str) -> None:
    """Write a mask as NIfTI-1 on the grid of its scan, atomically; the same mask gives the same bytes.

    Voxel (i, j, k) is column i, row j, slice k of the geometry; sform and qform both say where it lies
    (4-byte floats: positions with more than seven digits are rounded), units are millimetres. Slice
    thickness has no place in NIfTI; who reads the mask takes it from the scan.

    Parameters
    ----------
    mask : Mask
    path : path
        Gzipped where it ends in ``.gz``.

    Raises
    ------
    UsageError
        ``usage``: labels overlap (several layers), or the matrix is larger than NIfTI-1 can hold.
    GeometryError
        ``single-slice``, or ``inconsistent-series``: one affine cannot say where the slices lie, because they
        are unevenly spaced, sheared (gantry tilt), or some are missing.
    OutputError
        ``read-only``, ``disk-full``.
    """
    if len(mask.layers) != 1:
        raise UsageError(
            "usage",
            "labels that overlap do not fit into one NIfTI file",
            where=path,
            values={"layers": len(mask.layers)},
            todo="Write each label to a file of its own.",
        )
    values = mask.layers[0]
    header = _header(mask.geometry, values.dtype.str[1:], path)
    little = values.dtype.newbyteorder("<")
    from volumetry.files.atomic import atomic_output  # with tempfile and shutil, which no reader needs

    with atomic_output(path) as file:
        if not str(path).endswith(".gz"):
            file.write(header)
            for pixels in values:
                file.write(np.ascontiguousarray(pixels, dtype=little).tobytes())
            return
        from zlib_ng import zlib_ng

        # The header that zlib writes has no name and no time, so equal masks give equal bytes.
        deflate = zlib_ng.compressobj(_LEVEL, zlib_ng.DEFLATED, 31)
        file.write(deflate.compress(header))
        for pixels in values:
            file.write(deflate.compress(np.ascontiguousarray(pixels, dtype=little).tobytes()))
        file.write(deflate.flush())


def _header(geometry: ScanGeometry, kind: str, path: Path | str) -> bytes:
    """Return the 352 bytes before the voxels: header, and the mark that no extension follows."""
    step = _even_step(geometry, path)
    sizes = (geometry.columns, geometry.rows, geometry.n_slices)
    if max(sizes) > _LONGEST_AXIS:
        raise UsageError(
            "usage",
            "the matrix is larger than NIfTI-1 can hold",
            where=path,
            values={"size": sizes, "allowed": _LONGEST_AXIS},
            todo="Keep the trace as *.trace.json.",
        )
    between_rows, between_columns = geometry.pixel_spacing_mm
    pixdim = (between_columns, between_rows, step)
    directions = np.column_stack((geometry.row_direction, geometry.column_direction, geometry.normal))
    rotation = directions * LPS_FROM_RAS[:, np.newaxis]
    origin = geometry.slice_origins_mm[0] * LPS_FROM_RAS
    affine = np.column_stack((rotation * pixdim, origin)) + 0.0  # no negative zeros
    header = bytearray(352)
    put = struct.pack_into
    put("<i", header, 0, next(size for size, version in HEADER_SIZES.items() if version == 1))
    put("<B", header, 39, 3 << 4)  # slices along k
    put("<8h", header, 40, 3, *sizes, 1, 1, 1, 1)
    put("<2h", header, 70, _TYPES[kind], 8 * int(kind[1]))
    put("<8f", header, 76, 1.0, *pixdim, 1.0, 0.0, 0.0, 0.0)
    put("<3f", header, 108, 352.0, 1.0, 0.0)
    put("<B", header, 123, 2)  # millimetres
    put("<2h", header, 252, 1, 1)  # scanner coordinates
    put("<6f", header, 256, *_quaternion(rotation), *(origin + 0.0))
    put("<12f", header, 280, *affine.ravel())
    header[344:348] = b"n+1\0"
    return bytes(header)


def _even_step(geometry: ScanGeometry, path: Path | str) -> float:
    if geometry.slice_spacing_mm is None and not geometry.is_uneven:
        raise GeometryError(
            "single-slice",
            "one slice has no spacing to write",
            where=path,
            values={"slices": 1},
            todo="Keep the trace as *.trace.json.",
        )
    crooked = geometry.is_sheared_grid or geometry.is_sheared_stack
    if geometry.slice_spacing_mm is None or geometry.holes or crooked:
        raise GeometryError(
            "inconsistent-series",
            "one affine cannot say where these slices lie",
            where=path,
            values={
                "uneven": geometry.is_uneven,
                "missing slices": len(geometry.holes),
                "sheared": crooked,
            },
            todo="Keep the trace as *.trace.json, which has a position for every slice.",
        )
    return geometry.slice_spacing_mm


def _quaternion(rotation: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[float, float, float]:
    """Return b, c, d of the unit quaternion of a (3, 3) rotation, with a >= 0.

    The eigenvector of the largest eigenvalue of a symmetric matrix of its elements (Bar-Itzhack 2000), which
    is exact near half turns, too.
    """
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = rotation.tolist()
    matrix = np.array(
        [
            [xx + yy + zz, zy - yz, xz - zx, yx - xy],
            [zy - yz, xx - yy - zz, xy + yx, xz + zx],
            [xz - zx, xy + yx, yy - xx - zz, yz + zy],
            [yx - xy, xz + zx, yz + zy, zz - xx - yy],
        ]
    )
    quaternion = np.linalg.eigh(matrix)[1][:, -1]
    a, b, c, d = (quaternion if quaternion[0] >= 0 else -quaternion).tolist()
    del a
    return b, c, d
