"""Analyze 7.5: ``.hdr`` and ``.img``, the ancestor of NIfTI, whose header is read by nibabel.

It says how large voxels are, and nothing of how they lie in the patient: only the program that wrote it knew.
SPM's variants add a scale factor and an origin, and may have a ``.mat`` file with the axes beside them, which
is not read here: volumes do not depend on it.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from volumetry.errors import GeometryError
from volumetry.formats.voxels.by_library.library_calls import by_library, check_matrix
from volumetry.formats.voxels.header import LPS_FROM_RAS, VoxelFile
from volumetry.formats.voxels.nifti.header import shortest_decimal
from volumetry.formats.voxels.streams import Encoding


def parse_header(
    content: bytes, path: Path, *, data_path: Path, encoding: Encoding, slice_thickness_mm: float | None
) -> VoxelFile:
    """Read the 348 bytes of a header.

    Raises
    ------
    ReadError, GeometryError
        ``not-3d``, ``bad-spacing``, ``unreadable``.
    """
    header, dtype = by_library(lambda: _parsed(content), "the Analyze header", path)
    dim = [int(n) for n in header["dim"]]
    sizes = check_matrix(tuple(dim[1 : max(0, min(dim[0], 7)) + 1]), path)
    pixdim = [shortest_decimal(float(size)) for size in header["pixdim"][1:4]]
    if not all(np.isfinite(pixdim)) or min(pixdim) <= 0:
        raise GeometryError(
            "bad-spacing",
            "the header does not say how large a voxel is",
            where=path,
            values={"pixdim": tuple(pixdim)},
            todo="Export the image again with its voxel size.",
        )
    bits = int(header["bitpix"])
    if bits not in (0, 8 * dtype.itemsize):
        raise GeometryError(
            "header-conflict",
            "type and size of the voxels disagree",
            where=path,
            values={"datatype": int(header["datatype"]), "bitpix": bits},
            todo="Copy or export both files again.",
        )
    offset = float(header["vox_offset"])
    slope = float(header["scl_slope"])
    usable = np.isfinite(slope) and slope != 0
    return VoxelFile(
        path=path,
        format="analyze",
        dtype=dtype,
        sizes=sizes,
        steps_mm=np.diag(LPS_FROM_RAS) * np.array(pixdim)[:, np.newaxis],
        origin_mm=np.zeros(3),
        data_path=data_path,
        encoding=encoding,
        data_offset=int(offset) if np.isfinite(offset) and 0 < offset < 2**31 else 0,
        slope=shortest_decimal(slope) if usable else 1.0,
        slice_thickness_mm=slice_thickness_mm,
        flags=("orientation-unknown",),
    )


def _parsed(content: bytes) -> tuple[Any, np.dtype[Any]]:
    kind: Any = import_module("nibabel.spm99analyze").Spm99AnalyzeHeader
    header = kind(content, check=False)
    dtype = np.dtype(header.get_data_dtype())
    if dtype.kind not in "iuf":
        raise TypeError("colour or complex values")
    return header, dtype
