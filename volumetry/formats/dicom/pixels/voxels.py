"""The pixels of DICOM frames, read into one array.

Uncompressed frames are read from where they lie in the file straight into their slice of the array; bits
that do not count are cleared and signs extended in place. The rescale of each frame is applied.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import GeometryError, ReadError
from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.header_tags import HEADER_SELECTION
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.pixels.codecs import CompressedFrame, FrameFormat, decoded_frames, split_frames
from volumetry.formats.dicom.pixels.frames import Frame, frame_format
from volumetry.formats.dicom.pixels.native import opened, read_file
from volumetry.formats.dicom.pixels.stored import put
from volumetry.formats.limits import DEFAULT_LIMITS, Limits, check_size

_BATCH_BYTES = 16 << 20
"""Code streams held at a time, of files that are decoded together."""


_STORED = itemgetter(
    *(
        HEADER_SELECTION.slots[tag]
        for tag in (
            tags.SamplesPerPixel,
            tags.PhotometricInterpretation,
            tags.Rows,
            tags.Columns,
            tags.BitsAllocated,
            tags.BitsStored,
            tags.HighBit,
            tags.PixelRepresentation,
        )
    )
)
"""Raw values of a header by which its pixels are stored."""


_INTEGER_TYPES: tuple[np.dtype[Any], ...] = tuple(
    np.dtype(t) for t in ("u1", "i1", "u2", "i2", "u4", "i4", "i8")
)


def read_voxels(frames: Sequence[Frame], *, limits: Limits = DEFAULT_LIMITS) -> NDArray[Any]:
    """Read frames of one matrix into an array, in the order they are given.

    Parameters
    ----------
    frames : sequence of Frame
    limits : Limits, optional
        Sizes to hold them to.

    Returns
    -------
    (n_frames, rows, columns) array
        Integers where every rescale keeps integers (the stored type where it holds the values), else
        float32, or float64 beyond 16 stored bits.

    Raises
    ------
    ReadError
        ``truncated``, ``unreadable``, ``unsupported-codec``, ``unsupported-format``, ``too-large``.
    GeometryError
        ``not-3d`` for colour; ``inconsistent-series`` where the matrix differs.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of decoders; what matters is raised
        return _read_voxels(frames, limits)


def _read_voxels(frames: Sequence[Frame], limits: Limits) -> NDArray[Any]:
    formats = _formats(frames)
    first = formats[frames[0].header.path]
    _check_rescale(frames)
    dtype = _voxel_type({(formats[f.header.path], f.slope, f.intercept) for f in frames})
    files = {frame.header.path: frame.header for frame in frames}
    on_disk = sum(header.file_bytes for header in files.values())
    check_size(
        len(frames) * first.rows * first.columns * dtype.itemsize,
        on_disk,
        frames[0].header.path,
        limits=limits,
    )
    voxels = np.empty((len(frames), first.rows, first.columns), dtype)
    waiting: list[_Waiting] = []
    for path, group in groupby(enumerate(frames), key=lambda item: item[1].header.path):
        places, header = list(group), files[path]
        if header.pixel is not None and header.pixel.fragments is not None:
            waiting += _compressed(header, formats[path], places)
            if sum(len(w.compressed.stream) for w in waiting) > _BATCH_BYTES:
                _decode(waiting, voxels)
                waiting = []
        else:
            read_file(header, formats[path], places, voxels, limits)
    _decode(waiting, voxels)
    return voxels


def _formats(frames: Sequence[Frame]) -> dict[str, FrameFormat]:
    formats: dict[str, FrameFormat] = {}
    known: dict[object, FrameFormat] = {}  # the headers of a series are alike: decoded once
    for frame in frames:
        header = frame.header
        if header.path not in formats:
            key = (_STORED(header.raw_values), header.little_endian, header.pixel and header.pixel.tag)
            if key not in known:
                known[key] = frame_format(header)
            formats[header.path] = known[key]
    first = formats[frames[0].header.path]
    for path, other in formats.items():
        if (other.rows, other.columns) != (first.rows, first.columns):
            raise GeometryError(
                "inconsistent-series",
                "the matrix differs within the stack",
                where=path,
                values={"matrix": (other.rows, other.columns), "others": (first.rows, first.columns)},
                todo="Remove the image that does not belong there, or export the series again.",
            )
    return formats


def _check_rescale(frames: Sequence[Frame]) -> None:
    """Refuse pixels whose rescale is no number: their values would be guessed."""
    for frame in frames:
        if not (math.isfinite(frame.slope) and math.isfinite(frame.intercept)) or frame.slope == 0:
            raise ReadError(
                "unreadable",
                "the pixels cannot be rescaled, as RescaleSlope or RescaleIntercept is no number, or zero",
                where=frame.header.path,
                values={"slope": frame.slope, "intercept": frame.intercept},
                todo="Export the file again; outlines drawn on it can be measured as it is.",
            )


def _voxel_type(kinds: set[tuple[FrameFormat, float, float]]) -> np.dtype[Any]:
    """Return the type that holds every rescaled value."""
    if any(f.is_float for f, _, _ in kinds):
        single = all(f.is_float and f.bits_allocated == 32 for f, _, _ in kinds)
        return np.dtype("f4" if single else "f8")
    if any(slope != 1 or intercept != int(intercept) for _, slope, intercept in kinds):
        return np.dtype("f4" if all(f.bits_stored <= 16 for f, _, _ in kinds) else "f8")
    lowest = min(_stored_range(f)[0] + int(intercept) for f, _, intercept in kinds)
    highest = max(_stored_range(f)[1] + int(intercept) for f, _, intercept in kinds)
    stored = {f.dtype for f, _, _ in kinds}
    candidates: list[np.dtype[Any]] = [*(stored if len(stored) == 1 else ()), *_INTEGER_TYPES]
    for dtype in candidates:
        info = np.iinfo(dtype)
        if info.min <= lowest and highest <= info.max:
            return dtype
    return np.dtype("f8")


def _stored_range(pixel_format: FrameFormat) -> tuple[int, int]:
    bits = pixel_format.bits_stored
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if pixel_format.is_signed else (0, (1 << bits) - 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Waiting:
    """A compressed frame that waits to be decoded with others."""

    place: int
    frame: Frame
    pixel_format: FrameFormat
    compressed: CompressedFrame


def _compressed(
    header: DicomHeader, pixel_format: FrameFormat, places: list[tuple[int, Frame]]
) -> list[_Waiting]:
    """Read the code streams of the named frames of one file."""
    assert header.pixel is not None
    with opened(header) as descriptor:
        value = os.pread(descriptor, header.pixel.length_bytes, header.pixel.offset)
    streams = split_frames(value, header.number_of_frames, header.path)
    return [
        _Waiting(
            place=place,
            frame=frame,
            pixel_format=pixel_format,
            compressed=CompressedFrame(stream=streams[frame.index], path=header.path),
        )
        for place, frame in places
    ]


def _decode(waiting: Sequence[_Waiting], voxels: NDArray[Any]) -> None:
    """Decode frames into their places, those of one kind together."""
    for (pixel_format, syntax), group in groupby(
        waiting, key=lambda w: (w.pixel_format, w.frame.header.transfer_syntax_uid)
    ):
        alike = list(group)
        decoded = decoded_frames([w.compressed for w in alike], pixel_format, syntax)
        for one, values in zip(alike, decoded, strict=True):
            put(values, one.frame, voxels[one.place])
