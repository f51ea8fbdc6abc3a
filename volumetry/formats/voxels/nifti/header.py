"""The NIfTI header, versions 1 and 2, both byte orders: 348 or 540 bytes at fixed places.

Read here and not by nibabel, which ignores the unit of length, does not compare sform with qform, takes 1 for
a pixdim of 0, and takes longer to import than a mask takes to measure (docs/decisions/0004).

The fields are those of the NIfTI-1.1 and NIfTI-2 standards (nifti1.h, nifti2.h).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import GeometryError, ReadError
from volumetry.formats.opening import truncated
from volumetry.formats.voxels.header import not_3d

Array = NDArray[np.float64]

AFFINE_TOLERANCE = 1e-3
"""Largest difference of sform and qform: of a step, relative to its length; of the origin, in voxels."""

HEADER_SIZES = {348: 1, 540: 2}

_DTYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"
}  # fmt: skip
_FLOAT = struct.Struct("<f")
_COLOUR = {128, 2304}
_UNITS_PER_MM = {1: 0.001, 2: 1.0, 3: 1000.0}

# name: (offset, struct format); every version names the same fields.
_FIELDS: dict[int, dict[str, tuple[int, str]]] = {
    1: {
        "dim_info": (39, "B"), "dim": (40, "8h"), "datatype": (70, "h"), "bitpix": (72, "h"),
        "pixdim": (76, "8f"), "vox_offset": (108, "f"), "scl_slope": (112, "f"), "scl_inter": (116, "f"),
        "xyzt_units": (123, "B"), "qform_code": (252, "h"), "sform_code": (254, "h"), "quatern": (256, "3f"),
        "qoffset": (268, "3f"), "srow": (280, "12f"), "magic": (344, "4s"),
    },
    2: {
        "magic": (4, "8s"), "datatype": (12, "h"), "bitpix": (14, "h"), "dim": (16, "8q"),
        "pixdim": (104, "8d"), "vox_offset": (168, "q"), "scl_slope": (176, "d"), "scl_inter": (184, "d"),
        "qform_code": (344, "i"), "sform_code": (348, "i"), "quatern": (352, "3d"), "qoffset": (376, "3d"),
        "srow": (400, "12d"), "xyzt_units": (500, "i"), "dim_info": (524, "B"),
    },
}  # fmt: skip


def _layout(fields: dict[str, tuple[int, str]]) -> tuple[str, list[tuple[str, int, bool]]]:
    """Return the format of a whole header, and of every field its name, number of values and whether it is
    stored in 4-byte floats, in the order of their places.
    """
    form, end, order = "", 0, []
    for name, (offset, field) in sorted(fields.items(), key=lambda item: item[1]):
        form += f"{offset - end}x{field}"
        end = offset + struct.calcsize(f"<{field}")
        order.append((name, 1 if field[-1] == "s" else int(field[:-1] or 1), field[-1] == "f"))
    return form, order


_LAYOUTS = {version: _layout(fields) for version, fields in _FIELDS.items()}
_MAGIC = {b"n+1\0": True, b"ni1\0": False, b"n+2\0\r\n\x1a\n": True, b"ni2\0\r\n\x1a\n": False}


@dataclass(frozen=True, kw_only=True, eq=False)
class NiftiHeader:
    """What a NIfTI header says, with its units and transforms resolved.

    Attributes
    ----------
    dtype : numpy.dtype
    sizes : (int, int, int)
    steps_mm : (3, 3) array
        LPS offset of one voxel along i, j and k.
    origin_mm : (3,) array
        LPS centre of the first voxel.
    slice_axis : int
    vox_offset : int
        Bytes before the voxels.
    slope, intercept : float
    in_one_file : bool
        Whether the voxels follow in the same file (``n+1``), or lie in an ``.img`` beside it (``ni1``).
    flags : tuple of str
        ``units-unknown``, ``orientation-unknown``.
    """

    dtype: np.dtype[Any]
    sizes: tuple[int, int, int]
    steps_mm: Array
    origin_mm: Array
    slice_axis: int
    vox_offset: int
    slope: float
    intercept: float
    in_one_file: bool
    flags: tuple[str, ...]


def header_size(start: bytes, path: Path | str) -> tuple[int, str]:
    """Return the size of the header that begins with `start`, and its byte order (``<`` or ``>``).

    Raises
    ------
    ReadError
        ``truncated`` or ``unreadable``.
    """
    if len(start) < 4:
        raise truncated("the file ends within its header", path, 348, len(start))
    for order in "<>":
        (size,) = struct.unpack(f"{order}i", start[:4])
        if size in HEADER_SIZES:
            return size, order
    raise ReadError(
        "unreadable", "this is no NIfTI header", where=path, todo="Check what kind of file it is."
    )


def is_nifti_header(content: bytes) -> bool:
    """Return whether a whole header bears the mark of NIfTI-1 or -2; that of Analyze 7.5 bears none."""
    return content[344:348] in _MAGIC or content[4:12] in _MAGIC


def parse_header(content: bytes, path: Path | str) -> NiftiHeader:
    """Read a header.

    Parameters
    ----------
    content : bytes
        The first 348 or 540 bytes.
    path : path or str
        Names the file in errors.

    Raises
    ------
    ReadError
        ``truncated``, ``unreadable``, ``unsupported-format``.
    GeometryError
        ``not-3d``, ``bad-spacing``, ``affine-conflict``, ``header-conflict``.
    """
    size, order = header_size(content, path)
    if len(content) < size:
        raise truncated("the file ends within its header", path, size, len(content))
    fields = _unpack(content, HEADER_SIZES[size], order)
    in_one_file = _MAGIC.get(fields["magic"])
    if in_one_file is None:
        raise ReadError(
            "unsupported-format",
            "the header has the size of NIfTI, but not its mark; it is damaged, or Analyze 7.5 in one file",
            where=path,
            todo="Export the image again, or name the .hdr of an Analyze pair.",
        )
    slope, intercept = _rescale(fields, path)
    steps, origin, flags = _grid(fields, path)
    return NiftiHeader(
        dtype=_dtype(fields, order, path),
        sizes=_sizes(fields["dim"], path),
        steps_mm=steps,
        origin_mm=origin,
        slice_axis=((fields["dim_info"] >> 4) & 3 or 3) - 1,
        vox_offset=_offset(fields["vox_offset"], size if in_one_file else 0, path),
        slope=slope,
        intercept=intercept,
        in_one_file=in_one_file,
        flags=flags,
    )


def _unpack(content: bytes, version: int, order: str) -> dict[str, Any]:
    form, layout = _LAYOUTS[version]
    stored = struct.unpack_from(order + form, content)
    fields: dict[str, Any] = {}
    place = 0
    for name, count, is_short in layout:
        values = stored[place : place + count]
        if is_short:
            values = tuple(map(shortest_decimal, values))
        fields[name] = values if count > 1 else values[0]
        place += count
    return fields


def shortest_decimal(value: float) -> float:
    """Return the shortest decimal that is stored as this 4-byte float: 4.4, not 4.400000095367432.

    Lengths are decimal numbers in DICOM and in people's minds; the two differ by less than the rounding of
    the format.
    """
    if value.is_integer() or not math.isfinite(value):
        return value
    short = float(f"{value:.6g}")  # a decimal of six digits survives 4 bytes
    if _FLOAT.unpack(_FLOAT.pack(short))[0] == value:
        return short
    return float(str(np.float32(value)))


def _sizes(dim: tuple[int, ...], path: Path | str) -> tuple[int, int, int]:
    if not 1 <= dim[0] <= 7 or any(n < 1 for n in dim[1 : dim[0] + 1]):
        raise ReadError(
            "unreadable",
            "the header declares no possible matrix",
            where=path,
            values={"dim": dim},
            todo="Copy or export the file again.",
        )
    if dim[0] < 3 or any(n > 1 for n in dim[4 : dim[0] + 1]):
        raise not_3d(dim[1 : dim[0] + 1], path)
    return dim[1], dim[2], dim[3]


def _dtype(fields: dict[str, Any], order: str, path: Path | str) -> np.dtype[Any]:
    code = fields["datatype"]
    if code in _COLOUR:
        raise not_3d(fields["dim"][1 : fields["dim"][0] + 1], path, channels=3, datatype=code)
    if code not in _DTYPES:
        raise ReadError(
            "unsupported-format",
            "the type of the voxels is not read here",
            where=path,
            values={"datatype": code},
            todo="Convert the voxels to integers or floats of 8 bytes at most.",
        )
    dtype = np.dtype(order + _DTYPES[code])
    if fields["bitpix"] not in (0, 8 * dtype.itemsize):
        raise ReadError(
            "unreadable",
            "type and size of the voxels disagree",
            where=path,
            values={"datatype": code, "bitpix": fields["bitpix"]},
            todo="Copy or export the file again.",
        )
    return dtype


def _offset(vox_offset: float, smallest: int, path: Path | str) -> int:
    if not (math.isfinite(vox_offset) and vox_offset >= smallest and vox_offset == int(vox_offset)):
        raise ReadError(
            "unreadable",
            "the voxels cannot begin where the header says",
            where=path,
            values={"vox_offset": vox_offset},
            todo="Copy or export the file again.",
        )
    return int(vox_offset)


def _rescale(fields: dict[str, Any], path: Path | str) -> tuple[float, float]:
    slope, intercept = fields["scl_slope"], fields["scl_inter"]
    if slope == 0 or not math.isfinite(slope):
        return 1.0, 0.0
    if not math.isfinite(intercept):
        raise ReadError(
            "unreadable",
            "the rescale has a slope but no intercept",
            where=path,
            values={"scl_slope": slope, "scl_inter": intercept},
            todo="Correct the header or export the file again.",
        )
    return slope, intercept


# -- where the voxels lie -------------------------------------------------------------------------------
# In plain Python: three vectors are few for a library.


def _grid(fields: dict[str, Any], path: Path | str) -> tuple[Array, Array, tuple[str, ...]]:
    """Return steps and origin in LPS mm, from the sform, the qform or, with neither, the pixdims."""
    pixdim = fields["pixdim"][1:4]
    sform = _sform(fields) if fields["sform_code"] > 0 else None
    if sform is not None and _has_voxel_size(sform, tuple(map(abs, pixdim))):
        pixdim = tuple(map(abs, pixdim))  # old programs give a flipped axis a negative size
    if not (all(map(math.isfinite, pixdim)) and min(pixdim) > 0):
        raise GeometryError(
            "bad-spacing",
            "a voxel size is zero, negative or not finite",
            where=path,
            values={"pixdim": pixdim},
            todo="Correct the header or export the file again.",
        )
    flags = []
    qform = _qform(fields, pixdim, path) if fields["qform_code"] > 0 else None
    if sform is not None and qform is not None:
        _check_agreement(sform, qform, path)
    elif sform is not None:
        _check_voxel_size(sform, pixdim, path)
    affine = sform if sform is not None else qform
    if affine is None:
        flags.append("orientation-unknown")
        affine = [[pixdim[0], 0.0, 0.0, 0.0], [0.0, pixdim[1], 0.0, 0.0], [0.0, 0.0, pixdim[2], 0.0]]
    units_per_mm = _UNITS_PER_MM.get(fields["xyzt_units"] & 7)
    if units_per_mm is None:
        flags.append("units-unknown")
    # A quotient keeps 4400 micron at 4.4 mm, where a product with 0.001 would not.
    unit = units_per_mm or 1.0
    x, y, z = affine
    steps = [(-x[axis] / unit, -y[axis] / unit, z[axis] / unit) for axis in range(3)]
    return np.array(steps), np.array((-x[3] / unit, -y[3] / unit, z[3] / unit)), tuple(flags)


_Affine = list[list[float]]
"""Three rows of four."""


def _steps(affine: _Affine) -> list[tuple[float, ...]]:
    """Return the offset of one voxel along i, j and k."""
    return [(affine[0][axis], affine[1][axis], affine[2][axis]) for axis in range(3)]


def _sform(fields: dict[str, Any]) -> _Affine:
    values = fields["srow"]
    return [list(values[0:4]), list(values[4:8]), list(values[8:12])]


def _qform(fields: dict[str, Any], pixdim: tuple[float, ...], path: Path | str) -> _Affine:
    """Return the affine of the quaternion: method 2 of the standard."""
    b, c, d = fields["quatern"]
    rest = 1.0 - (b * b + c * c + d * d)
    if not rest > -AFFINE_TOLERANCE:
        raise ReadError(
            "unreadable",
            "the quaternion of the qform is no rotation",
            where=path,
            values={"quatern": fields["quatern"]},
            todo="Correct the header or export the file again.",
        )
    a = math.sqrt(max(rest, 0.0))
    norm = math.sqrt(a * a + b * b + c * c + d * d)
    a, b, c, d = a / norm, b / norm, c / norm, d / norm
    rotation = (
        (a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)),
        (2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)),
        (2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c),
    )
    x, y, z = pixdim
    z *= -1.0 if fields["pixdim"][0] < 0 else 1.0
    return [[i * x, j * y, k * z, at] for (i, j, k), at in zip(rotation, fields["qoffset"], strict=True)]


def _check_voxel_size(sform: _Affine, pixdim: tuple[float, ...], path: Path | str) -> None:
    """Hold the lengths of the sform's steps to the pixdims, where there is no qform to hold it to."""
    if not _has_voxel_size(sform, pixdim):
        lengths = [math.hypot(*step) for step in _steps(sform)]
        raise GeometryError(
            "header-conflict",
            "sform and pixdim disagree about the size of a voxel",
            where=path,
            values={"sform voxel_mm": tuple(lengths), "pixdim": pixdim},
            todo="Find out which of the two is right, and write it to both.",
        )


def _has_voxel_size(sform: _Affine, pixdim: tuple[float, ...]) -> bool:
    lengths = [math.hypot(*step) for step in _steps(sform)]
    # NaN compares as false.
    return all(
        size > 0 and abs(n / size - 1) <= AFFINE_TOLERANCE for n, size in zip(lengths, pixdim, strict=True)
    )


def _check_agreement(sform: _Affine, qform: _Affine, path: Path | str) -> None:
    """Compare step by step: corners would turn the rounding of a stored quaternion into a conflict."""
    steps, others = _steps(sform), _steps(qform)
    lengths = [math.hypot(*other) for other in others]
    off = [math.dist(*pair) / n for *pair, n in zip(steps, others, lengths, strict=True)]
    off.append(math.dist([row[3] for row in sform], [row[3] for row in qform]) / min(lengths))
    if not all(part <= AFFINE_TOLERANCE for part in off):  # NaN compares as false
        raise GeometryError(
            "affine-conflict",
            "sform and qform say different things",
            where=path,
            values={
                "sform voxel_mm": tuple(math.hypot(*step) for step in steps),
                "qform voxel_mm": tuple(lengths),
                "difference_voxels": float(np.max(off)),
            },
            todo="Find out which of the two is right, and write it to both.",
        )
