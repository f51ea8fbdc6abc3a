"""The frames of a segmentation, one at a time: bit-packed, plain, deflated or compressed."""

from __future__ import annotations

import os
import warnings
import zlib
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import ReadError
from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.file.elements import DicomElements
from volumetry.formats.dicom.file.gzipped import open_dicom
from volumetry.formats.dicom.file.selection import PixelElement
from volumetry.formats.dicom.file.source import FileSource, InflateSource, deflated_start
from volumetry.formats.dicom.file.syntax import DEFLATED_LITTLE_ENDIAN
from volumetry.formats.dicom.pixels.codecs import (
    DEFLATED_FRAMES,
    CompressedFrame,
    FrameFormat,
    decoded_frames,
    split_frames,
)
from volumetry.formats.limits import check_size
from volumetry.formats.opening import truncated


class FrameReader:
    """Reads frames of unsigned pixels of 1, 8 or 16 bits, never more than one at a time.

    Parameters
    ----------
    elements : DicomElements
        A walked file, with SamplesPerPixel and BitsAllocated in its selection.
    n_frames, rows, columns : int

    Raises
    ------
    ReadError
        ``truncated`` where the pixels are fewer than declared, ``too-large``, ``unsupported-codec``,
        ``unsupported-format`` for other kinds of pixels.
    """

    def __init__(self, elements: DicomElements, *, n_frames: int, rows: int, columns: int) -> None:
        self._elements = elements
        self._n_frames = n_frames
        self._shape = (rows, columns)
        self._bits = _only(elements.value(tags.BitsAllocated))
        self._pixel = self._checked_pixel()
        self._descriptor = -1
        self._loaded: bytes | None = None

    def _checked_pixel(self) -> PixelElement:
        elements, pixel = self._elements, self._elements.pixel
        pixels = self._n_frames * self._shape[0] * self._shape[1]
        if pixel is None:
            raise truncated("the segmentation has no pixels", elements.path, None, 0)
        if (
            not pixels
            or self._bits not in (1, 8, 16)
            or _only(elements.value(tags.SamplesPerPixel)) not in (0, 1)
        ):
            raise ReadError(
                "unsupported-format",
                "the pixels of the segmentation are of no kind that is read here",
                where=elements.path,
                values={"bits allocated": self._bits, "rows": self._shape[0], "columns": self._shape[1]},
                todo="Export it with 1, 8 or 16 bits a pixel.",
            )
        needed = (pixels * self._bits + 7) // 8
        check_size(needed, elements.file_bytes, elements.path)
        if pixel.fragments is None and pixel.length_bytes < needed:
            raise truncated(
                "the segmentation has fewer pixels than it declares",
                elements.path,
                needed,
                pixel.length_bytes,
            )
        return pixel

    def __enter__(self) -> FrameReader:
        self._descriptor, _ = open_dicom(self._elements.path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def read(self, numbers: Sequence[int]) -> Iterator[NDArray[Any]]:
        """Yield the frames of those numbers, counted from 0, as (rows, columns) of unsigned integers."""
        if self._pixel.fragments is not None:
            yield from self._decoded(numbers)
            return
        for number in numbers:
            yield self._native(number)

    def _native(self, number: int) -> NDArray[Any]:
        """Return a frame that is not compressed; frames of single bits need not begin at a byte."""
        n_pixels = self._shape[0] * self._shape[1]
        first_bit = number * n_pixels * self._bits
        first, rest = divmod(first_bit, 8)
        last = (first_bit + n_pixels * self._bits + 7) // 8
        raw = self._bytes(first, last - first)
        if self._bits > 1:
            array = np.frombuffer(raw, np.dtype("<u2") if self._bits == 16 else np.uint8)
            return array.reshape(self._shape)
        packed = np.frombuffer(raw, np.uint8)
        bits = np.unpackbits(packed, bitorder="little", count=rest + n_pixels)
        return bits[rest:].reshape(self._shape)

    def _bytes(self, offset: int, count: int) -> bytes:
        elements, pixel = self._elements, self._pixel
        if elements.transfer_syntax_uid != DEFLATED_LITTLE_ENDIAN and elements.little_endian:
            raw = os.pread(self._descriptor, count, pixel.offset + offset)
        else:
            if self._loaded is None:
                self._loaded = self._all_bytes()
            raw = self._loaded[offset : offset + count]
        if len(raw) < count:
            raise truncated("the pixels end too early", elements.path, offset + count, offset + len(raw))
        return raw

    def _all_bytes(self) -> bytes:
        """Return all pixels of a deflated or big-endian file, in little endian; their size was checked."""
        elements, pixel = self._elements, self._pixel
        if elements.transfer_syntax_uid == DEFLATED_LITTLE_ENDIAN:
            start = deflated_start(self._descriptor, elements.path)
            inflate = InflateSource(self._descriptor, start, elements.file_bytes, elements.path)
            return inflate.read(pixel.offset, pixel.length_bytes)
        raw = FileSource(self._descriptor, elements.file_bytes, elements.path).read(
            pixel.offset, pixel.length_bytes
        )
        if pixel.representation == "OW":
            return np.frombuffer(raw[: len(raw) // 2 * 2], ">u2").astype("<u2").tobytes()
        return raw

    def _decoded(self, numbers: Sequence[int]) -> Iterator[NDArray[Any]]:
        elements, pixel = self._elements, self._pixel
        syntax = elements.transfer_syntax_uid
        if self._bits == 1 and syntax != DEFLATED_FRAMES:
            raise self._no_decoder()
        encapsulated = os.pread(self._descriptor, pixel.length_bytes, pixel.offset)
        streams = split_frames(encapsulated, self._n_frames, elements.path)
        if self._bits == 1:
            for number in numbers:
                yield self._inflated_bits(streams[number])
            return
        pixel_format = FrameFormat(
            rows=self._shape[0],
            columns=self._shape[1],
            bits_allocated=self._bits,
            bits_stored=self._bits,
            high_bit=self._bits - 1,
            is_signed=False,
            is_float=False,
            photometric_interpretation="MONOCHROME2",
        )
        for number in numbers:
            frame = CompressedFrame(stream=streams[number], path=elements.path)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of decoders; what matters is raised
                decoded = list(decoded_frames([frame], pixel_format, syntax))
            yield from decoded

    def _inflated_bits(self, stream: bytes) -> NDArray[Any]:
        n_pixels = self._shape[0] * self._shape[1]
        try:
            packed = zlib.decompressobj(-zlib.MAX_WBITS).decompress(stream, (n_pixels + 7) // 8)
            bits = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little", count=n_pixels)
            return bits.reshape(self._shape)
        except (zlib.error, ValueError):
            raise ReadError(
                "unreadable",
                "a deflated frame cannot be inflated",
                where=self._elements.path,
                todo="Export the segmentation again, without compression.",
            ) from None

    def _no_decoder(self) -> ReadError:
        return ReadError(
            "unsupported-codec",
            "no decoder here reads single bits that are compressed so",
            where=self._elements.path,
            values={"transfer_syntax_uid": self._elements.transfer_syntax_uid[:64]},
            todo="Convert the file to Explicit VR Little Endian.",
        )


def _only(value: object) -> int:
    return value[0] if isinstance(value, tuple) and isinstance(value[0], int) else 0
