"""NRRD: ``.nrrd``, ``.nhdr`` with its data beside it, and the segmentations of 3D Slicer, ``.seg.nrrd``.

The fields are those of the NRRD definition (teem, format NRRD0001 to NRRD0005); segments are named by
``Segment0_Name``, ``Segment0_LabelValue`` and ``Segment0_Layer``, as 3D Slicer writes them. Lengths are
millimetres unless ``space units`` says otherwise: the programs that write medical NRRD leave it out.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import GeometryError, ReadError
from volumetry.formats.voxels.data_files import data_files, data_files_named, is_list
from volumetry.formats.voxels.header import LPS_FROM_RAS, VoxelFile, not_3d
from volumetry.formats.voxels.header_text import (
    HeaderLines,
    cut_short,
    finite,
    floats,
    integers,
    put_field,
    unreadable,
)
from volumetry.formats.voxels.nrrd.axes import check_spacings, per_axis, spacings_of
from volumetry.formats.voxels.nrrd.segments import segments_of
from volumetry.formats.voxels.reader import VoxelReader
from volumetry.formats.voxels.streams import bytes_of_lines, open_stream, smallest_bytes

Array = NDArray[np.float64]

_TYPES = {
    "i1": "signed char|int8|int8_t",
    "u1": "uchar|unsigned char|uint8|uint8_t",
    "i2": "short|short int|signed short|signed short int|int16|int16_t",
    "u2": "ushort|unsigned short|unsigned short int|uint16|uint16_t",
    "i4": "int|signed int|int32|int32_t",
    "u4": "uint|unsigned int|uint32|uint32_t",
    "i8": "longlong|long long|long long int|signed long long|signed long long int|int64|int64_t",
    "u8": "ulonglong|unsigned long long|unsigned long long int|uint64|uint64_t",
    "f4": "float",
    "f8": "double",
}
_DTYPES = {name: code for code, names in _TYPES.items() for name in names.split("|")}
_ENCODINGS = {
    "raw": "raw",
    "gzip": "gzip",
    "gz": "gzip",
    "bzip2": "bzip2",
    "bz2": "bzip2",
    "txt": "text",
    "text": "text",
    "ascii": "text",
    "hex": "hex",
}
_SPACES = {
    "left-posterior-superior": np.ones(3),
    "lps": np.ones(3),
    "right-anterior-superior": LPS_FROM_RAS,
    "ras": LPS_FROM_RAS,
    "left-anterior-superior": np.array([1.0, -1.0, 1.0]),
    "las": np.array([1.0, -1.0, 1.0]),
}
_UNITS = {
    1.0: "mm|millimeter|millimeters|millimetre|millimetres",
    1e-3: "um|\u00b5m|\u03bcm|micron|microns|micrometer|micrometers|micrometre|micrometres",
    10.0: "cm|centimeter|centimeters|centimetre|centimetres",
    1e3: "m|meter|meters|metre|metres",
}
_UNITS_MM = {name: length for length, names in _UNITS.items() for name in names.split("|")}
_OTHER_NAMES = {
    "datafile": "data file",
    "lineskip": "line skip",
    "byteskip": "byte skip",
    "axismins": "axis mins",
    "axismaxs": "axis maxs",
}
_ESCAPED = re.compile(r"\\([\\n])")  # in a value: a backslash and a line break


@dataclass(frozen=True, kw_only=True, eq=False)
class _Axes:
    """Which file axes are space, and what the other one is."""

    spatial: tuple[int, int, int]
    layers: int | None


def read_header(path: Path | str) -> VoxelFile:
    """Read the header, and check the declared size against the file before any memory is taken.

    Raises
    ------
    ReadError, GeometryError
    """
    path = Path(path)
    with open_stream(path) as (stream, on_disk_bytes):
        lines = HeaderLines(stream, path)
        fields, pairs, header_bytes = _fields(lines, path)
        listed = list(lines) if is_list(fields.get("data file", "")) else []
    encoding = _encoding(fields, path)
    sizes = integers(fields.get("sizes", ""), "sizes", path)
    data_paths: tuple[Path, ...] = (path,)
    file_offset = header_bytes
    if "data file" in fields:
        detached = data_files(path, fields["data file"], listed)
        detached.check_count(sizes, path)
        data_paths, file_offset = detached.paths, 0
        on_disk_bytes = smallest_bytes(data_paths)
    axes = _axes(fields, sizes, path)
    dtype = _dtype(fields, encoding, path)
    n_layers = 1 if axes.layers is None else sizes[axes.layers]
    labels = segments_of(pairs, n_layers, path)
    if n_layers > 1 and not labels:
        raise _not_one_volume(fields, sizes, path)
    steps, origin, thickness, flags = _grid(fields, axes, sizes, path)
    i, j, k = axes.spatial
    file = VoxelFile(
        path=path,
        format="nrrd",
        dtype=dtype,
        sizes=(sizes[i], sizes[j], sizes[k]),
        steps_mm=steps,
        origin_mm=origin,
        slice_thickness_mm=thickness,
        data_path=data_paths[0],
        more_data_paths=data_paths[1:],
        encoding=encoding,
        file_offset=file_offset,
        data_offset=0,
        n_layers=n_layers,
        layers_fastest=axes.layers == 0,
        labels=labels,
        flags=flags,
    )
    return _skipping(file, fields, on_disk_bytes - file_offset)


def _encoding(fields: dict[str, str], path: Path) -> str:
    encoding = _ENCODINGS.get(fields.get("encoding", "").lower())
    if encoding is None:
        raise ReadError(
            "unsupported-codec",
            "the encoding is not read here",
            where=path,
            values={"encoding": fields.get("encoding", "none")},
            todo="Write the file with encoding gzip.",
        )
    return encoding


def _fields(lines: HeaderLines, path: Path) -> tuple[dict[str, str], dict[str, str], int]:
    """Return the fields, the key/value pairs, and the size of the header in bytes."""
    magic = lines.next() or ""
    if not re.fullmatch(r"NRRD000[1-5]", magic):
        raise ReadError(
            "newer-format" if re.fullmatch(r"NRRD\d{4}", magic) else "unreadable",
            "this is no NRRD header, or one of a newer version",
            where=path,
            todo="Write the file again in format NRRD0005 or older.",
        )
    fields: dict[str, str] = {}
    pairs: dict[str, str] = {}
    while (line := lines.next()) is not None:
        if not line:
            return fields, pairs, lines.n_bytes
        if line.startswith("#"):
            continue
        name, colon, value = line.partition(":")
        if not colon:
            raise unreadable("a line of the header is neither a field nor a comment", path)
        if value.startswith("="):
            text = _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else "\\", value[1:])
            put_field(pairs, name, text, path)
        else:
            name = name.strip().lower()
            put_field(fields, _OTHER_NAMES.get(name, name), value.strip(), path)
            if _OTHER_NAMES.get(name, name) == "data file" and is_list(value):
                break  # what follows are names of files
    if "data file" in fields:
        return fields, pairs, lines.n_bytes
    raise cut_short(path, lines.n_bytes)


def _dtype(fields: dict[str, str], encoding: str, path: Path) -> np.dtype[Any]:
    code = _DTYPES.get(fields.get("type", "").lower())
    if code is None:
        raise ReadError(
            "unsupported-format",
            "the type of the voxels is not read here",
            where=path,
            values={"type": fields.get("type", "none")},
            todo="Write the voxels as integers or floats.",
        )
    order = {"little": "<", "big": ">"}.get(fields.get("endian", "").lower())
    if order is None and code[1] != "1" and encoding != "text":
        raise unreadable("the byte order is not stated", path, endian=fields.get("endian", "none"))
    return np.dtype((order or "<") + code)


def _axes(fields: dict[str, str], sizes: tuple[int, ...], path: Path) -> _Axes:
    """Find the axis that is not space: the one without a direction, or of a kind that is not of space."""
    if not sizes or any(size < 1 for size in sizes) or fields.get("dimension") != str(len(sizes)):
        raise unreadable("the header declares no possible matrix", path, sizes=fields.get("sizes", ""))
    if len(sizes) in (3, 4):
        _check_counts(fields, len(sizes), path)
    if len(sizes) == 3 and _is_spatial(fields, 3) == [0, 1, 2]:
        return _Axes(spatial=(0, 1, 2), layers=None)
    if len(sizes) == 4:
        spatial = _is_spatial(fields, 4)
        if len(spatial) == 4 and 1 in (sizes[0], sizes[3]):
            spatial = [0, 1, 2] if sizes[3] == 1 else [1, 2, 3]
        if spatial in ([0, 1, 2], [1, 2, 3]):
            return _Axes(spatial=(spatial[0], spatial[1], spatial[2]), layers=3 if spatial[0] == 0 else 0)
    raise _not_one_volume(fields, sizes, path)


def _not_one_volume(fields: dict[str, str], sizes: tuple[int, ...], path: Path) -> GeometryError:
    kinds = fields.get("kinds", "").lower().split()
    plain = ("domain", "space", "time", "list", "none", "???")
    channels = math.prod(n for n, kind in zip(sizes, kinds, strict=False) if kind not in plain)
    return not_3d(sizes, path, channels=channels, kinds=" ".join(kinds) or "none")


def _check_counts(fields: dict[str, str], dimension: int, path: Path) -> None:
    """Refuse a header that lists more, or fewer, directions or kinds than it has axes."""
    for name, count in (
        ("space directions", len(_vectors(fields.get("space directions", "")))),
        ("kinds", len(fields.get("kinds", "").split())),
    ):
        if count not in (0, dimension):
            raise GeometryError(
                "header-conflict",
                "the header lists another number of entries than it has axes",
                where=path,
                values={"field": name, "entries": count, "dimension": dimension},
                todo="Correct the header or export the file again.",
            )


def _is_spatial(fields: dict[str, str], dimension: int) -> list[int]:
    directions = _vectors(fields.get("space directions", ""))
    kinds = fields.get("kinds", "").lower().split()
    axes = []
    for axis in range(dimension):
        without = axis < len(directions) and directions[axis] is None
        kind = kinds[axis] if axis < len(kinds) else "domain"
        if not without and kind in ("domain", "space", "???", "none"):
            axes.append(axis)
    return axes


def _vectors(text: str) -> list[str | None]:
    """Return the words between parentheses, or None for each ``none``."""
    return [
        None if word.lower() == "none" else word[1:-1].replace(",", " ")
        for word in re.findall(r"\([^()]*\)|none", text, flags=re.I)
    ]


def _grid(
    fields: dict[str, str], axes: _Axes, sizes: tuple[int, ...], path: Path
) -> tuple[Array, Array, float | None, tuple[str, ...]]:
    """Return steps and origin in LPS mm, the slice thickness, and flags."""
    flags = []
    fields = _in_three_dimensions(fields, axes, path)
    to_lps = _SPACES.get(fields.get("space", "").lower())
    directions = _vectors(fields.get("space directions", ""))
    if directions:
        steps = np.array([_direction(directions, axis, path) for axis in axes.spatial])
        if "spacings" in fields:
            check_spacings(per_axis(fields, "spacings", axes.spatial, path), steps, path)
    else:
        to_lps = None
        spacings, first = spacings_of(fields, axes.spatial, sizes, path)
        steps = np.diag(np.array(spacings))
        if first is not None:
            fields = {"space origin": f"({first[0]!r},{first[1]!r},{first[2]!r})"} | fields
    origins = [v for v in _vectors(fields.get("space origin", "")) if v is not None]
    origin = floats(origins[0], "space origin", path) if origins else (0.0, 0.0, 0.0)
    if not finite(origin, 3):
        raise unreadable("the space origin is no point", path)
    if to_lps is None:
        flags.append("orientation-unknown")
        to_lps = LPS_FROM_RAS
    unit_mm, unit_flags = _unit_mm(fields, "space units" if directions else "units")
    thickness = (
        per_axis(fields, "thicknesses", axes.spatial, path)[2] * unit_mm if "thicknesses" in fields else None
    )
    if thickness is not None and np.isnan(thickness):
        thickness = None
    scale = to_lps * unit_mm
    return steps * scale, np.array(origin) * scale, thickness, (*flags, *unit_flags)


def _in_three_dimensions(fields: dict[str, str], axes: _Axes, path: Path) -> dict[str, str]:
    """Return the fields of a file of ``space dimension: 4`` in the three dimensions of its voxels.

    Old segmentations of 3D Slicer count the list of segments as a fourth dimension of space, along which no
    other axis may point.
    """
    if fields.get("space dimension") != "4":
        return fields
    vectors = [
        floats(v or "", "space directions", path) for v in _vectors(fields.get("space directions", ""))
    ]
    origins = [floats(v or "", "space origin", path) for v in _vectors(fields.get("space origin", ""))]
    spatial = [vectors[axis] if axis < len(vectors) else () for axis in axes.spatial]
    if any(len(v) != 4 or not finite(v, 4) for v in (*spatial, *origins)) or any(v[3] for v in spatial):
        raise unreadable("the axes do not lie in three dimensions of space", path)
    listed = [v[:3] if len(v) == 4 else v for v in vectors]
    fields = dict(fields)
    fields["space directions"] = " ".join(f"({','.join(map(repr, v))})" for v in listed)
    if origins:
        fields["space origin"] = f"({','.join(map(repr, origins[0][:3]))})"
    return fields


def _direction(directions: list[str | None], axis: int, path: Path) -> tuple[float, ...]:
    words = directions[axis] if axis < len(directions) else None
    vector = floats(words or "", "space directions", path)
    if len(vector) != 3:
        raise unreadable("an axis has no direction in space", path)
    return vector


def _unit_mm(fields: dict[str, str], name: str) -> tuple[float, tuple[str, ...]]:
    """Return the unit of length that a field names for all axes; flagged where none or several."""
    units = set(re.findall(r'"([^"]*)"', fields.get(name, ""))) - {""}
    if not units:
        return 1.0, ()
    known = _UNITS_MM.get(units.pop().strip().lower()) if len(units) == 1 else None
    return (1.0, ("units-unknown",)) if known is None else (known, ())


def _skipping(file: VoxelFile, fields: dict[str, str], on_disk_bytes: int) -> VoxelFile:
    """Return the file with its ``line skip`` and ``byte skip`` applied; sizes checked."""
    (lines,) = integers(fields.get("line skip", "0"), "line skip", file.path) or (0,)
    (count,) = integers(fields.get("byte skip", "0"), "byte skip", file.path) or (0,)
    is_text = file.encoding in ("text", "hex")
    is_last = count == -1 and (file.encoding != "raw" or bool(file.more_data_paths))
    if lines < 0 or (lines and file.more_data_paths) or count < -1 or (count and is_text) or is_last:
        raise ReadError(
            "unsupported-format",
            "the data begin where they are not looked for here",
            where=file.path,
            values={"line skip": lines, "byte skip": count},
            todo="Write header and data to one file.",
        )
    if lines:
        passed = bytes_of_lines(
            file.data_path, file.file_offset, lines, follow_link=file.data_path == file.path
        )
        file = replace(file, file_offset=file.file_offset + passed)
        on_disk_bytes -= passed
    if count == -1:
        count = max(on_disk_bytes - file.n_bytes_a_file, 0)
    file = replace(file, data_offset=count)
    file.check_size(on_disk_bytes)
    return file


_DATA_FILE = re.compile(rb"^data ?file\s*:=?([^\r\n]*)", re.I | re.M)

READER = VoxelReader("nrrd", read_header, partial(data_files_named, _DATA_FILE))
