"""MetaImage: ``.mha``, and ``.mhd`` with its data beside it.

The fields are those of ITK's MetaIO; lengths are millimetres and coordinates LPS, as ITK writes them. Read
here and not through SimpleITK, which takes the memory that a header claims before it looks at the file, and
which the tests hold these readings to.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import GeometryError, ReadError
from volumetry.formats.voxels.data_files import data_files, data_files_named, is_list
from volumetry.formats.voxels.header import LPS_FROM_RAS, VoxelFile, check_rotation, not_3d
from volumetry.formats.voxels.header_text import (
    HeaderLines,
    cut_short,
    finite,
    floats,
    integers,
    put_field,
    unreadable,
)
from volumetry.formats.voxels.reader import VoxelReader
from volumetry.formats.voxels.streams import open_stream, smallest_bytes

Array = NDArray[np.float64]

_DTYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}


_OTHER_NAMES = {
    "position": "offset",
    "origin": "offset",
    "rotation": "transformmatrix",
    "orientation": "transformmatrix",
    "binarydatabyteordermsb": "elementbyteordermsb",
}


def read_header(path: Path | str) -> VoxelFile:
    """Read the header, and check the declared size against the file before any memory is taken.

    Raises
    ------
    ReadError, GeometryError
    """
    path = Path(path)
    with open_stream(path) as (stream, on_disk_bytes):
        lines = HeaderLines(stream, path)
        fields, header_bytes = _fields(lines, path)
        listed = list(lines) if is_list(fields["elementdatafile"]) else []
    sizes = _sizes(fields, path)
    data_paths: tuple[Path, ...] = (path,)
    file_offset = header_bytes
    if fields["elementdatafile"].upper() != "LOCAL":
        detached = data_files(path, fields["elementdatafile"], listed)
        detached.check_count(integers(fields["dimsize"], "DimSize", path), path)
        data_paths, file_offset = detached.paths, 0
        on_disk_bytes = smallest_bytes(data_paths)
    steps, origin, flags = _grid(fields, path)
    file = VoxelFile(
        path=path,
        format="metaimage",
        dtype=_dtype(fields, path),
        sizes=sizes,
        steps_mm=steps,
        origin_mm=origin,
        data_path=data_paths[0],
        more_data_paths=data_paths[1:],
        encoding=_encoding(fields),
        file_offset=file_offset,
        flags=flags,
    )
    if "headersize" in fields:
        file = replace(file, file_offset=file_offset + _header_size(fields, file, on_disk_bytes))
    file.check_size(on_disk_bytes - file.file_offset)
    return file


def _header_size(fields: dict[str, str], file: VoxelFile, on_disk_bytes: int) -> int:
    """Return how many bytes of a detached data file come before the voxels; -1 means: these are its end."""
    (size,) = integers(fields.get("headersize", "0"), "HeaderSize", file.path) or (0,)
    is_detached = file.data_path != file.path
    if size < -1 or (size == -1 and file.encoding != "raw") or (size and not is_detached):
        raise ReadError(
            "unsupported-format",
            "the data begin where they are not looked for here",
            where=file.path,
            values={"HeaderSize": size},
            todo="Write header and data to one file.",
        )
    return size if size >= 0 else max(on_disk_bytes - file.n_bytes_a_file, 0)


def _fields(lines: HeaderLines, path: Path) -> tuple[dict[str, str], int]:
    """Return the fields up to ElementDataFile, which ends the header, and its size in bytes."""
    fields: dict[str, str] = {}
    while (line := lines.next()) is not None:
        name, equals, value = line.partition("=")
        if not equals:
            raise unreadable("a line of the header is no field", path)
        name = name.strip().lower()
        put_field(fields, _OTHER_NAMES.get(name, name), value.strip(), path)
        if name == "elementdatafile" and value.strip():
            return fields, lines.n_bytes
    raise cut_short(path, lines.n_bytes)


def _is_true(fields: dict[str, str], name: str) -> bool:
    return fields.get(name, "").lower() in ("true", "t", "1", "yes")


def _encoding(fields: dict[str, str]) -> str:
    if "binarydata" in fields and not _is_true(fields, "binarydata"):
        return "text"
    return "zlib" if _is_true(fields, "compresseddata") else "raw"


def _dtype(fields: dict[str, str], path: Path) -> np.dtype[Any]:
    code = _DTYPES.get(fields.get("elementtype", "").upper())
    if code is None:
        raise ReadError(
            "unsupported-format",
            "the type of the voxels is not read here",
            where=path,
            values={"ElementType": fields.get("elementtype", "none")},
            todo="Write the voxels as integers or floats.",
        )
    big = _is_true(fields, "elementbyteordermsb")
    return np.dtype((">" if big else "<") + code)


def _sizes(fields: dict[str, str], path: Path) -> tuple[int, int, int]:
    sizes = integers(fields.get("dimsize", ""), "DimSize", path)
    if fields.get("ndims") != str(len(sizes)) or any(size < 1 for size in sizes) or not sizes:
        raise unreadable("the header declares no possible matrix", path, DimSize=fields.get("dimsize", ""))
    channels = integers(fields.get("elementnumberofchannels", "1"), "ElementNumberOfChannels", path)
    if len(sizes) < 3 or max(sizes[3:], default=1) > 1 or channels != (1,):
        raise not_3d(sizes, path, channels=max((*channels, 0)))
    return sizes[0], sizes[1], sizes[2]


def _grid(fields: dict[str, str], path: Path) -> tuple[Array, Array, tuple[str, ...]]:
    """Return steps and origin in LPS mm, and flags; of axes beyond the third nothing is asked."""
    n_axes = len(fields["dimsize"].split())
    spacing = floats(fields.get("elementspacing", fields.get("elementsize", "")), "ElementSpacing", path)
    if len(spacing) != n_axes or not finite(spacing[:3], 3) or min(spacing[:3]) <= 0:
        raise GeometryError(
            "bad-spacing",
            "the header does not say how large a voxel is",
            where=path,
            values={"ElementSpacing": spacing, "NDims": n_axes},
            todo="Write the file again with a spacing for every axis.",
        )
    lengths = np.array(spacing[:3])[:, np.newaxis]
    origin = floats(fields.get("offset", "0 " * n_axes), "Offset", path)
    if len(origin) != n_axes or not finite(origin[:3], 3):
        raise unreadable("the origin is no point", path, Offset=fields.get("offset", ""))
    matrix = fields.get("transformmatrix")
    if matrix is None:
        return np.diag(LPS_FROM_RAS) * lengths, np.array(origin[:3]), ("orientation-unknown",)
    directions = floats(matrix, "TransformMatrix", path)
    if not finite(directions, n_axes * n_axes):
        raise unreadable("the directions are no numbers, or too few", path, TransformMatrix=matrix)
    axes = np.array(directions).reshape(n_axes, n_axes)[:3, :3]
    check_rotation(axes, path, field="TransformMatrix", lengths_field="ElementSpacing")
    # One axis after the other, as ITK writes the columns of its direction matrix.
    return axes * lengths, np.array(origin[:3]), ()


_DATA_FILE = re.compile(rb"^ElementDataFile\s*=([^\r\n]*)", re.I | re.M)

READER = VoxelReader("metaimage", read_header, partial(data_files_named, _DATA_FILE))
