"""Uncompressed pixels, read from where they lie in the file straight into their slice of an array."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import ReadError
from volumetry.formats.dicom.file.gzipped import open_dicom
from volumetry.formats.dicom.file.source import InflateSource, deflated_start
from volumetry.formats.dicom.file.syntax import DEFLATED_LITTLE_ENDIAN
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.pixels.codecs import FrameFormat
from volumetry.formats.dicom.pixels.frames import Frame
from volumetry.formats.dicom.pixels.stored import put, significant
from volumetry.formats.limits import Limits
from volumetry.formats.opening import truncated


def read_file(
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
    last = places[0][1].index if len(places) == 1 else max(frame.index for _, frame in places)
    needed = (last + 1) * pixel_format.frame_bytes
    if needed > pixel.length_bytes:
        raise truncated("the image has fewer pixels than its matrix", header.path, needed, pixel.length_bytes)
    with opened(header) as descriptor:
        if header.transfer_syntax_uid == DEFLATED_LITTLE_ENDIAN:
            _read_deflated(descriptor, header, pixel_format, places, voxels, limits)
        else:
            _read_native(descriptor, header, pixel_format, places, voxels)


@contextmanager
def opened(header: DicomHeader) -> Iterator[int]:
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
        put(significant(values, header, pixel_format), frame, target)


def _read_deflated(
    descriptor: int,
    header: DicomHeader,
    pixel_format: FrameFormat,
    places: list[tuple[int, Frame]],
    voxels: NDArray[Any],
    limits: Limits,
) -> None:
    assert header.pixel is not None
    start = deflated_start(descriptor, header.path)
    source = InflateSource(descriptor, start, header.file_bytes, header.path, limits)
    for place, frame in sorted(places, key=lambda item: item[1].index):  # the source reads forwards only
        offset = header.pixel.offset + frame.index * pixel_format.frame_bytes
        raw = bytearray(source.read(offset, pixel_format.frame_bytes))
        if len(raw) < pixel_format.frame_bytes:
            raise truncated("the data end within the pixels", header.path, pixel_format.frame_bytes, len(raw))
        values = np.frombuffer(raw, pixel_format.dtype).reshape(voxels.shape[1:])
        put(significant(values, header, pixel_format), frame, voxels[place])
