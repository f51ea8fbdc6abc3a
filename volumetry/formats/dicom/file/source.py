"""The bytes of a DICOM data set: a file read in pieces, or a deflated one inflated in pieces.

Both are read forwards and never held whole, so that what a file declares costs neither time nor memory
before it is checked.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Protocol

from volumetry.errors import ReadError
from volumetry.formats.limits import DEFAULT_LIMITS, Limits, check_size
from volumetry.formats.opening import truncated

_PIECE_BYTES = 1 << 18


class ByteSource(Protocol):
    """Bytes that are read forwards; offsets count from the start of the file or of the inflated part."""

    known_bytes: float
    """The offset of the end, infinite while it is not known."""

    def read(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes from `offset`, fewer only at the end."""

    def check(self, end: int) -> None:
        """Refuse an element that ends at `end`, where that is known to be too far."""

    def size_bytes(self) -> int:
        """Return the offset of the end; called when reading has come to it."""


class FileSource:
    """A file, read where it is asked for."""

    __slots__ = ("_descriptor", "_path", "known_bytes")

    def __init__(self, descriptor: int, size_bytes: int, path: Path | str) -> None:
        self._descriptor = descriptor
        self.known_bytes: float = size_bytes
        self._path = path

    def read(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes from `offset`, fewer only at the end of the file."""
        return os.pread(self._descriptor, count, offset)

    def check(self, end: int) -> None:
        """Raise ``truncated`` where `end` lies beyond the end of the file."""
        if end > self.known_bytes:
            raise truncated("an element ends beyond the end of the file", self._path, end, self.size_bytes())

    def size_bytes(self) -> int:
        """Return the size of the file in bytes."""
        return int(self.known_bytes)


def deflated_start(descriptor: int, path: Path | str) -> int:
    """Return where the deflated data set of a file begins: after the preamble and the meta information.

    Raises
    ------
    ReadError
        ``unreadable``: the meta information does not say its length.
    """
    head = os.pread(descriptor, 144, 0)
    if head[132:140] == b"\2\0\0\0UL\4\0":
        return 144 + int.from_bytes(head[140:144], "little")
    raise ReadError(
        "unreadable",
        "the file meta information does not say its length",
        where=path,
        todo="Export the file again.",
    )


class InflateSource:
    """The deflated part of a file, inflated piece by piece and dropped when it has been passed.

    A file is refused as ``too-large`` as soon as what came out is over the limits, judged by the compressed
    bytes that went in so far. So a file that inflates without end is refused after ``ratio_from_bytes``.
    """

    __slots__ = (
        "_base",
        "_buffer",
        "_end",
        "_file_bytes",
        "_inflate",
        "_input",
        "_limits",
        "_path",
        "_read",
        "known_bytes",
    )

    def __init__(
        self, descriptor: int, offset: int, file_bytes: int, path: Path | str, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self._read = FileSource(descriptor, file_bytes, path).read
        self._input = offset
        self._file_bytes = file_bytes
        self._path = path
        self._limits = limits
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        self._buffer = bytearray()
        self._base = 0
        self._end = False
        self.known_bytes = float("inf")

    def read(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes from `offset`, which is never before the last one asked for."""
        self._drop(offset)
        while not self._end and self._base + len(self._buffer) < offset + count:
            self._buffer += self._next_piece()
            self._drop(offset)
        start = offset - self._base  # beyond the buffer where the data end before `offset`
        return bytes(self._buffer[start : start + count])

    def check(self, end: int) -> None:
        """Raise ``too-large`` where `end` is over the limits."""
        check_size(end, self._file_bytes, self._path, limits=self._limits)

    def size_bytes(self) -> int:
        """Return the size in bytes of what was inflated."""
        while not self._end:
            self._drop(self._base + len(self._buffer))
            self._buffer += self._next_piece()
        return self._base + len(self._buffer)

    def _drop(self, offset: int) -> None:
        passed = min(offset - self._base, len(self._buffer))
        if passed > 0:
            del self._buffer[:passed]
            self._base += passed

    def _next_piece(self) -> bytes:
        compressed = self._inflate.unconsumed_tail
        if not compressed:
            compressed = self._read(self._input, _PIECE_BYTES)
            self._input += len(compressed)
        try:
            piece = self._inflate.decompress(compressed, _PIECE_BYTES)
        except zlib.error:
            raise ReadError(
                "unreadable",
                "the deflated data set is corrupt",
                where=self._path,
                todo="Copy or export the file again.",
            ) from None
        if self._inflate.eof:
            self._end = True
        elif not compressed and not piece:
            reached = self._base + len(self._buffer)
            raise truncated("the deflated data set has no end", self._path, reached + 1, reached)
        consumed = self._input - len(self._inflate.unconsumed_tail)
        check_size(
            self._base + len(self._buffer) + len(piece), max(consumed, 1), self._path, limits=self._limits
        )
        return piece
