"""The pixels of DICOM frames, read into one array.

Uncompressed frames are read from where they lie in the file straight into their slice of the array; bits
that do not count are cleared and signs extended in place. The rescale of each frame is applied.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import GeometryError, ReadError
from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.file.gzipped import open_dicom
from volumetry.formats.dicom.file.source import InflateSource
from volumetry.formats.dicom.file.syntax import DEFLATED_LITTLE_ENDIAN
from volumetry.formats.dicom.header_tags import HEADER_SELECTION
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.pixels.codecs import CompressedFrame, FrameFormat, decoded_frames, split_frames
from volumetry.formats.limits import DEFAULT_LIMITS, Limits, check_size
from volumetry.formats.opening import truncated

_BATCH_BYTES = 16 << 20
"""Code streams held at a time, of files that are decoded together."""

_FLOAT_BITS = {tags.FloatPixelData: 32, tags.DoubleFloatPixelData: 64}
_FORMAT_SLOTS = tuple(
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
_INTEGER_TYPES: tuple[np.dtype[Any], ...] = tuple(
    np.dtype(t) for t in ("u1", "i1", "u2", "i2", "u4", "i4", "i8")
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One frame of a file, and how its stored values become real ones: ``slope * stored + intercept``."""

    header: DicomHeader
    index: int = 0
    slope: float = 1.0
    intercept: float = 0.0


def classic_frame(header: DicomHeader) -> Frame:
    """Return the one frame of a classic image with the rescale of its header."""
    return frame_of(header, 0, header.rescale_slope, header.rescale_intercept)


def frame_of(header: DicomHeader, index: int, slope: float | None, intercept: float | None) -> Frame:
    """Return a frame with its rescale, 1 and 0 where the file names none."""
    slope = 1.0 if slope is None else float(slope)
    intercept = 0.0 if intercept is None else float(intercept)
    return Frame(header=header, index=index, slope=slope, intercept=intercept)


def frame_format(header: DicomHeader) -> FrameFormat:
    """Return how the pixels of a file are stored.

    Raises
    ------
    GeometryError
        ``not-3d`` for colour.
    ReadError
        ``truncated`` without pixels; ``unsupported-format`` for bits that are not read here; ``unreadable``
        where the header contradicts itself.
    """
    samples = header.samples_per_pixel or 1
    photometric = header.photometric_interpretation or "MONOCHROME2"
    if samples != 1 or not photometric.startswith("MONOCHROME"):
        raise GeometryError(
            "not-3d",
            "the image is in colour",
            where=header.path,
            values={"samples_per_pixel": samples},
            todo="Name the original series, which is not.",
        )
    rows, columns = header.rows, header.columns
    if header.pixel is None or not rows or not columns:
        raise truncated("the file holds no pixels", header.path, 1, 0)
    float_bits = _FLOAT_BITS.get(header.pixel.tag)
    allocated = float_bits or header.bits_allocated or 0
    stored = allocated if float_bits else header.bits_stored or allocated
    high = stored - 1 if float_bits or header.high_bit is None else header.high_bit
    if allocated not in (8, 16, 32, 64) or (allocated == 64 and not float_bits):
        raise ReadError(
            "unsupported-format",
            "pixels of so many bits are not read here",
            where=header.path,
            values={"bits_allocated": allocated},
            todo="Export the series as 8, 16 or 32 bit images.",
        )
    if not 1 <= stored <= allocated or not stored - 1 <= high < allocated:
        raise ReadError(
            "unreadable",
            "the bits of a pixel contradict each other",
            where=header.path,
            values={"bits_allocated": allocated, "bits_stored": stored, "high_bit": high},
            todo="Export the series again.",
        )
    return FrameFormat(
        rows=rows,
        columns=columns,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high,
        is_signed=header.pixel_representation == 1,
        is_float=float_bits is not None,
        photometric_interpretation=photometric,
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
            _read_file(header, formats[path], places, voxels, limits)
    _decode(waiting, voxels)
    return voxels


def _formats(frames: Sequence[Frame]) -> dict[str, FrameFormat]:
    formats: dict[str, FrameFormat] = {}
    known: dict[object, FrameFormat] = {}  # the headers of a series are alike: decoded once
    for frame in frames:
        header = frame.header
        if header.path not in formats:
            raw = [header.raw_values[slot] for slot in _FORMAT_SLOTS]
            key = (*raw, header.little_endian, header.pixel and header.pixel.tag)
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
                todo="Name one stack of the series.",
            )
    return formats


def _check_rescale(frames: Sequence[Frame]) -> None:
    """Refuse pixels whose rescale is no number: their values would be guessed."""
    for frame in frames:
        if not (np.isfinite(frame.slope) and np.isfinite(frame.intercept)) or frame.slope == 0:
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


def _read_file(
    header: DicomHeader,
    pixel_format: FrameFormat,
    places: list[tuple[int, Frame]],
    voxels: NDArray[Any],
    limits: Limits,
) -> None:
    """Read the named frames of one file into their places."""
    pixel = header.pixel
    if pixel is None:
        raise truncated("the file holds no pixels", header.path, 1, 0)
    needed = (max(frame.index for _, frame in places) + 1) * pixel_format.frame_bytes
    if needed > pixel.length_bytes:
        raise truncated("the image has fewer pixels than its matrix", header.path, needed, pixel.length_bytes)
    with _opened(header) as descriptor:
        if header.transfer_syntax_uid == DEFLATED_LITTLE_ENDIAN:
            _read_deflated(descriptor, header, pixel_format, places, voxels, limits)
        else:
            _read_native(descriptor, header, pixel_format, places, voxels)


@contextmanager
def _opened(header: DicomHeader) -> Iterator[int]:
    """Open a file whose header was read, if it is still the same."""
    descriptor, file_bytes = open_dicom(header.path)
    try:
        if file_bytes != header.file_bytes:
            raise ReadError(
                "unreadable",
                "the file changed while it was read",
                where=header.path,
                values={"bytes": file_bytes, "before": header.file_bytes},
                todo="Try again when it is complete.",
            )
        yield descriptor
    except OSError as error:
        raise ReadError(
            "unreadable",
            f"reading failed: {error.strerror}",
            where=header.path,
            todo="Check the disk or copy the file again.",
        ) from None
    finally:
        os.close(descriptor)


def _read_native(
    descriptor: int,
    header: DicomHeader,
    pixel_format: FrameFormat,
    places: list[tuple[int, Frame]],
    voxels: NDArray[Any],
) -> None:
    assert header.pixel is not None
    frame_bytes, stored_type = pixel_format.frame_bytes, pixel_format.dtype
    for place, frame in places:
        target = voxels[place]
        in_place = stored_type == voxels.dtype
        values = target if in_place else np.empty(target.shape, stored_type)
        offset = header.pixel.offset + frame.index * frame_bytes
        found = os.preadv(descriptor, [values.data.cast("B")], offset)
        while 0 < found < frame_bytes:  # interrupted, or a file system that reads in pieces
            rest = os.pread(descriptor, frame_bytes - found, offset + found)
            values.data.cast("B")[found : found + len(rest)] = rest
            found = found + len(rest) if rest else -found
        if found < frame_bytes:
            raise truncated(
                "the file ends within its pixels", header.path, offset + frame_bytes, offset + abs(found)
            )
        _put(_significant(values, header, pixel_format), frame, target)


def _read_deflated(
    descriptor: int,
    header: DicomHeader,
    pixel_format: FrameFormat,
    places: list[tuple[int, Frame]],
    voxels: NDArray[Any],
    limits: Limits,
) -> None:
    assert header.pixel is not None
    start = _deflated_start(descriptor, header)
    source = InflateSource(descriptor, start, header.file_bytes, header.path, limits)
    for place, frame in sorted(places, key=lambda item: item[1].index):  # the source reads forwards only
        offset = header.pixel.offset + frame.index * pixel_format.frame_bytes
        raw = bytearray(source.read(offset, pixel_format.frame_bytes))
        if len(raw) < pixel_format.frame_bytes:
            raise truncated("the data end within the pixels", header.path, pixel_format.frame_bytes, len(raw))
        values = np.frombuffer(raw, pixel_format.dtype).reshape(voxels.shape[1:])
        _put(_significant(values, header, pixel_format), frame, voxels[place])


def _deflated_start(descriptor: int, header: DicomHeader) -> int:
    """Return where the deflated data set begins: after the preamble and the meta information."""
    head = os.pread(descriptor, 144, 0)
    if head[132:140] == b"\2\0\0\0UL\4\0":
        return 144 + int.from_bytes(head[140:144], "little")
    raise ReadError(
        "unreadable",
        "the file meta information does not say its length",
        where=header.path,
        todo="Export the series again.",
    )


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
    with _opened(header) as descriptor:
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
            _put(values, one.frame, voxels[one.place])


def _significant(values: NDArray[Any], header: DicomHeader, pixel_format: FrameFormat) -> NDArray[Any]:
    """Bring stored values to this machine's byte order and clear the bits that do not count, in place."""
    if not header.little_endian:
        if pixel_format.bits_allocated > 8:
            values.byteswap(inplace=True)
        elif header.pixel is not None and header.pixel.representation == "OW":
            _swap_bytes_in_words(values, header)
    unused = pixel_format.bits_allocated - pixel_format.bits_stored
    if pixel_format.is_float or not unused:
        return values
    above = pixel_format.bits_allocated - 1 - pixel_format.high_bit
    if pixel_format.is_signed:
        np.left_shift(values, above, out=values)
        np.right_shift(values, unused, out=values)
    elif above == unused:
        np.bitwise_and(values, values.dtype.type((1 << pixel_format.bits_stored) - 1), out=values)
    else:
        np.left_shift(values, above, out=values)
        np.right_shift(values, unused, out=values)
    return values


def _swap_bytes_in_words(values: NDArray[Any], header: DicomHeader) -> None:
    """Put bytes in their order that lie swapped within 16 bit words."""
    if values.size % 2:
        raise ReadError(
            "unsupported-format",
            "an odd number of pixels is stored in big endian words",
            where=header.path,
            values={"pixels": values.size},
            todo="Convert the file to Explicit VR Little Endian.",
        )
    words = values.reshape(-1, 2)
    words[:] = words[:, ::-1].copy()


def _put(values: NDArray[Any], frame: Frame, target: NDArray[Any]) -> None:
    """Rescale stored values into their slice."""
    if frame.slope == 1 and frame.intercept == 0:
        if not np.shares_memory(values, target):
            np.copyto(target, values, casting="unsafe")
    elif target.dtype.kind == "f":
        np.multiply(values, frame.slope, out=target, casting="unsafe")
        target += frame.intercept
    else:
        np.add(values, int(frame.intercept), out=target, dtype=target.dtype, casting="unsafe")
