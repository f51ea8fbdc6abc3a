"""FreeSurfer's ``.mgh`` and ``.mgz``: the header is read by nibabel, its voxels are streamed."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from volumetry.errors import GeometryError
from volumetry.formats.opening import truncated
from volumetry.formats.voxels.by_library.library_calls import by_library, check_matrix
from volumetry.formats.voxels.header import LPS_FROM_RAS, VoxelFile, check_rotation
from volumetry.formats.voxels.nifti.header import shortest_decimal
from volumetry.formats.voxels.reader import VoxelReader
from volumetry.formats.voxels.streams import GzipStream, open_stream

_HEADER_BYTES = 284
_USED_BYTES = 90


def read_header(path: Path | str) -> VoxelFile:
    """Read the header, and check the declared size against the file before any memory is taken.

    Raises
    ------
    ReadError, GeometryError
    """
    path = Path(path)
    with open_stream(path, None) as (stream, on_disk_bytes):
        is_compressed = isinstance(stream, GzipStream)
        content = stream.read(_HEADER_BYTES)
    if len(content) < _HEADER_BYTES:
        raise truncated("the file ends within its header", path, _HEADER_BYTES, len(content))
    header, dtype, axes, affine = by_library(lambda: _parsed(content), "FreeSurfer's header", path)
    sizes = check_matrix(tuple(int(n) for n in header["dims"]), path)
    # nibabel takes 1 mm where the flag is not set, and leaves the flag set.
    if not int.from_bytes(content[28:30], "big", signed=True) > 0:
        raise GeometryError(
            "bad-spacing",
            "the header says that its voxel size and axes do not count (goodRASFlag 0)",
            where=path,
            values={"goodRASFlag": 0},
            todo="Give the file its voxel size, say with FreeSurfer's mri_convert, or export it as NIfTI.",
        )
    check_rotation(axes, path, field="Mdc", lengths_field="delta")
    lps = affine[:3] * LPS_FROM_RAS[:, np.newaxis]
    stored = [float(length) for length in header["delta"]]
    exact = [shortest_decimal(length) / length if length else 1.0 for length in stored]
    file = VoxelFile(
        path=path,
        format="mgh",
        dtype=dtype.newbyteorder(">"),
        sizes=sizes,
        steps_mm=lps[:, :3].T * np.array(exact)[:, np.newaxis],
        origin_mm=lps[:, 3],
        data_path=path,
        encoding="gzip" if is_compressed else "raw",
        data_offset=_HEADER_BYTES,
        has_footer=True,
    )
    file.check_size(on_disk_bytes)
    return file


def _parsed(content: bytes) -> tuple[Any, np.dtype[Any], Any, Any]:
    """Return the header, the type of the voxels, the axes one a row, and the affine, in RAS."""
    kind: Any = import_module("nibabel.freesurfer.mghformat").MGHHeader
    header = kind(content[:_USED_BYTES])
    with np.errstate(all="ignore"):
        axes, affine = (np.asarray(part, np.float64) for part in (header["Mdc"], header.get_affine()))
    return header, np.dtype(header.get_data_dtype()), axes, affine


READER = VoxelReader("mgh", read_header)
