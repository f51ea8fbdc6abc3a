"""NIfTI-1 images, as bytes, without a library whose header or compression could change."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.samples.bodies import Array
from volumetry.samples.planes import SlicePlan

DATA_TYPES = {"uint8": (2, 8), "uint16": (512, 16)}


def nifti_file(plan: SlicePlan, voxels: NDArray[Any], *, flip_columns: bool = False) -> bytes:
    """Return a ``.nii.gz`` of voxels (slice, row, column), stored from the lowest row upwards.

    Axis i runs along columns (backwards with `flip_columns`), j up the rows, k through the slices.
    """
    stored = voxels[:, ::-1, ::-1] if flip_columns else voxels[:, ::-1, :]
    header = _header(stored.shape[::-1], str(stored.dtype), plan, _affine(plan, flip_columns))
    little_endian = stored.astype(stored.dtype.newbyteorder("<"))
    return _stored_gzip(header + little_endian.tobytes())


def _affine(plan: SlicePlan, flip_columns: bool) -> Array:
    """Index (i, j, k) to RAS millimetres, shape (3, 4)."""
    corner = plan.position_mm(0) + plan.column_direction * plan.pixel_mm * (plan.rows - 1)
    along = plan.row_direction * plan.pixel_mm
    if flip_columns:
        corner, along = corner + along * (plan.columns - 1), -along
    lps = np.stack([along, -plan.column_direction * plan.pixel_mm, plan.normal * plan.spacing_mm, corner])
    return np.asarray(lps.T * np.array([[-1.0], [-1.0], [1.0]]) + 0.0)


def _header(shape: tuple[int, ...], dtype: str, plan: SlicePlan, affine: Array) -> bytes:
    header = bytearray(352)
    code, bits = DATA_TYPES[dtype]
    qfac, quaternion = _quaternion(affine[:, :3] / [plan.pixel_mm, plan.pixel_mm, plan.spacing_mm])
    struct.pack_into("<i", header, 0, 348)
    header[39] = 3 << 4  # dim_info: axis k is the slice axis
    struct.pack_into("<8h", header, 40, 3, *shape, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, code, bits)
    struct.pack_into("<8f", header, 76, qfac, plan.pixel_mm, plan.pixel_mm, plan.spacing_mm, 0, 0, 0, 0)
    struct.pack_into("<3f", header, 108, 352, 1, 0)
    header[123] = 2  # xyzt_units: millimetres
    struct.pack_into("<2h", header, 252, 1, 1)
    struct.pack_into("<6f", header, 256, *quaternion, *affine[:, 3])
    struct.pack_into("<12f", header, 280, *affine.ravel())
    header[344:348] = b"n+1\0"
    return bytes(header)


def _quaternion(directions: Array) -> tuple[float, tuple[float, float, float]]:
    """Return qfac and the last three parts of the unit quaternion of three directions (columns)."""
    qfac = 1.0 if np.linalg.det(directions) > 0 else -1.0
    m = directions * np.array([1.0, 1.0, qfac])
    # The quaternion is the eigenvector of this matrix for its largest eigenvalue (Bar-Itzhack 2000).
    k = np.array(
        [
            [m[0, 0] - m[1, 1] - m[2, 2], m[1, 0] + m[0, 1], m[2, 0] + m[0, 2], m[2, 1] - m[1, 2]],
            [m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], m[2, 1] + m[1, 2], m[0, 2] - m[2, 0]],
            [m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], m[0, 0] + m[1, 1] + m[2, 2]],
        ]
    )
    vector = np.linalg.eigh(k)[1][:, -1]
    # A sign that does not hang on rounding; digits beyond float32 would not be stable between machines.
    leading = vector[3] if abs(vector[3]) > 1e-9 else vector[int(np.argmax(np.abs(vector)))]
    x, y, z, _ = np.round(vector * np.sign(leading), 7) + 0.0
    return qfac, (float(x), float(y), float(z))


def _stored_gzip(data: bytes) -> bytes:
    """Gzip without compression: what a compressor makes of the same bytes changes with its version."""
    blocks = [data[i : i + 65535] for i in range(0, len(data), 65535)]
    body = b"".join(
        struct.pack("<BHH", index == len(blocks) - 1, len(block), len(block) ^ 0xFFFF) + block
        for index, block in enumerate(blocks)
    )
    start = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    return start + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)
