"""The bytes of a voxel file, read forwards: stored as they are, or inflated piece by piece.

Nothing here holds more than what was asked for and one piece of the file, so memory does not grow with what
a file claims. Inflation is zlib-ng's: whole masks are measured at the speed of their decoder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from zlib_ng import zlib_ng

from volumetry.errors import ReadError
from volumetry.formats.opening import open_regular, truncated

Encoding = Literal["raw", "gzip", "zlib", "bzip2"]
GZIP_MAGIC = b"\x1f\x8b"

_ZlibError = cast(type[Exception], zlib_ng.error)  # its stub calls it an instance
_PIECE_BYTES = 1 << 16
_PADDING_BYTES = 1 << 20
_SKIP_BYTES = 1 << 18


class ByteStream(Protocol):
    """Bytes that are read forwards."""

    def read(self, count: int) -> bytes:
        """Return up to `count` bytes, fewer only at the end.

        Raises
        ------
        ReadError
            ``truncated`` or ``unreadable`` (corrupt).
        """

    def read_unless(self, blank: bytes, times: int = 1) -> bytes | None:
        """Return `times` as many bytes as `blank` has, fewer only at the end; None where they repeat it."""


class RawStream:
    """A file as it is."""

    def __init__(self, descriptor: int, path: Path | str) -> None:
        self._descriptor = descriptor
        self._path = path

    def read(self, count: int) -> bytes:
        """Return up to `count` bytes, fewer only at the end of the file."""
        data = self._read(count)
        if len(data) == count or not data:
            return data
        # One call to the system returns 2 GiB at most, and less from some network folders.
        parts, held = [data], len(data)
        while held < count and (data := self._read(count - held)):
            parts.append(data)
            held += len(data)
        return b"".join(parts)

    def read_unless(self, blank: bytes, times: int = 1) -> bytes | None:
        """Return `times` as many bytes as `blank` has, or None where they repeat it."""
        data = self.read(len(blank) * times)
        return None if _repeats(blank, times, data) else data

    def _read(self, count: int) -> bytes:
        try:
            return os.read(self._descriptor, count)
        except OSError as error:
            raise _unreadable(error.strerror or type(error).__name__, self._path) from None


class MemoryStream:
    """Bytes that are in memory already."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def read(self, count: int) -> bytes:
        """Return up to `count` bytes, fewer only at the end."""
        begin = self._position
        self._position = min(begin + count, len(self._data))
        return self._data[begin : self._position]

    def read_unless(self, blank: bytes, times: int = 1) -> bytes | None:
        """Return `times` as many bytes as `blank` has, or None where they repeat it."""
        data = self.read(len(blank) * times)
        return None if _repeats(blank, times, data) else data


class InflateStream:
    """The inflated bytes of a compressed file; members of a gzip or bzip2 file follow one another.

    Attributes
    ----------
    has_padding : bool
        Whether something that is no member, and not all zero, follows the last one.
    """

    def __init__(self, source: RawStream, path: Path | str) -> None:
        self._source = source
        self._path = path
        self._waiting = b""
        self._at_end = False
        self.has_padding = False
        self._begin()

    def read(self, count: int) -> bytes:
        """Return up to `count` inflated bytes, fewer only at the end of the last member."""
        if not count:  # to the library 0 means all
            return b""
        data = self._some(count, None)
        return data if len(data) == count or not data else self._rest(data, count)

    def read_unless(self, blank: bytes, times: int = 1) -> bytes | None:
        """Return `times` as many bytes as `blank` has, or None where they repeat it."""
        count = len(blank) * times
        data = self._some(count, blank, times)
        if data is blank:
            return None
        if len(data) == count or not data:
            return data
        data = self._rest(data, count)
        return None if _repeats(blank, times, data) else data

    def _rest(self, data: bytes, count: int) -> bytes:
        parts, held = [data], len(data)
        while held < count and (data := self._some(count - held, None)):
            parts.append(data)
            held += len(data)
        return b"".join(parts)

    def _some(self, count: int, blank: bytes | None, times: int = 1) -> bytes:
        """Return at least one byte and at most `count`, none at the end; `blank` itself for its equal."""
        while not self._at_end:
            waiting = self._waiting or self._source.read(_PIECE_BYTES)
            try:
                data: bytes = self._inflate.decompress(waiting, count)
            except (_ZlibError, OSError, ValueError):
                raise _unreadable("the compressed data are corrupt", self._path) from None
            self._waiting = getattr(self._inflate, "unconsumed_tail", b"")
            if blank is not None and _repeats(blank, times, data):
                self._pass_blank(blank, times)
                data = blank
            else:
                self._pass(data)
            if self._inflate.eof:
                self._next_member(self._end())
            elif not waiting and not data:
                raise self._truncated()
            if data:
                return data
        return b""

    def _next_member(self, rest: bytes) -> None:
        """Go on behind the end of a member: another one, padding with zeros, or something else."""
        seen = 0
        while not rest.strip(b"\0"):
            seen += len(rest)
            rest = self._source.read(_PIECE_BYTES) if seen < _PADDING_BYTES else b"?"
            if not rest:
                self._at_end = True
                return
        rest = rest.lstrip(b"\0")
        if len(rest) < len(self._magic):
            rest += self._source.read(_PIECE_BYTES)
        if not self._magic or not rest.startswith(self._magic):
            self.has_padding = self._at_end = True
            return
        self._waiting = rest
        self._begin()

    def _truncated(self) -> ReadError:
        present = Path(self._path).stat().st_size
        return truncated("the compressed data have no end", self._path, None, present)

    # -- what differs between the encodings -------------------------------------------------------------

    _magic = b""

    def _begin(self) -> None:
        """Begin a member (here: the one and only zlib stream)."""
        self._inflate: Any = zlib_ng.decompressobj(zlib_ng.MAX_WBITS)

    def _pass(self, data: bytes) -> None:
        """Count `data` into the member's checksum, where the library does not."""

    def _pass_blank(self, blank: bytes, times: int) -> None:
        """Count data that repeat the blank into the member's checksum."""

    def _end(self) -> bytes:
        """Check the end of a member, and return what was read beyond it."""
        rest: bytes = self._inflate.unused_data
        return rest


class Bzip2Stream(InflateStream):
    """bzip2, by the standard library."""

    _magic = b"BZh"

    def _begin(self) -> None:
        from bz2 import BZ2Decompressor

        self._inflate = BZ2Decompressor()


class GzipStream(InflateStream):
    """gzip (RFC 1952), with a checksum that costs little where data are blank.

    The checksum takes as long as inflation. That of a blank slice is known, and is combined with that of what
    came before in no time, so only slices that hold something are summed byte by byte.
    """

    _magic = GZIP_MAGIC

    def __init__(self, source: RawStream, path: Path | str) -> None:
        self._blank_checksum: tuple[bytes, int] = (b"", 0)
        super().__init__(source, path)

    def _begin(self) -> None:
        self._skip_header()
        self._checksum = self._n_bytes = 0
        self._inflate = zlib_ng.decompressobj(-zlib_ng.MAX_WBITS)

    def _take(self, count: int) -> bytes:
        """Return `count` bytes as they are in the file."""
        if len(self._waiting) < count:
            self._waiting += self._source.read(_PIECE_BYTES)
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        if len(taken) < count:
            raise self._truncated()
        return taken

    def _skip_header(self) -> None:
        fixed = self._take(10)
        marks = fixed[3]
        if fixed[:3] != GZIP_MAGIC + b"\x08" or marks & 0xE0:
            raise _unreadable("the gzip header is corrupt", self._path)
        if marks & 4:  # an extra field, of stated length
            self._take(int.from_bytes(self._take(2), "little"))
        for mark in (8, 16):  # name, comment: up to a zero
            while marks & mark and self._take(1) != b"\0":
                continue
        if marks & 2:  # a checksum of the header
            self._take(2)

    def _pass(self, data: bytes) -> None:
        self._n_bytes += len(data)
        self._checksum = zlib_ng.crc32(data, self._checksum)

    def _pass_blank(self, blank: bytes, times: int) -> None:
        if self._blank_checksum[0] is not blank:
            self._blank_checksum = (blank, zlib_ng.crc32(blank))
        self._n_bytes += len(blank) * times
        for _ in range(times):
            self._checksum = zlib_ng.crc32_combine(self._checksum, self._blank_checksum[1], len(blank))

    def _end(self) -> bytes:
        self._waiting = self._inflate.unused_data
        trailer = self._take(8)
        stated = int.from_bytes(trailer[:4], "little"), int.from_bytes(trailer[4:], "little")
        if stated != (self._checksum, self._n_bytes & 0xFFFFFFFF):
            raise _unreadable("the checksum of the compressed data is wrong", self._path)
        rest, self._waiting = self._waiting, b""
        return rest


def _repeats(blank: bytes, times: int, data: bytes) -> bool:
    """Whether data are `times` the blank, which stays in the processor's cache from one piece to the next."""
    if times == 1 or len(data) != times * len(blank):
        return times == 1 and data == blank
    return all(data.startswith(blank, start) for start in range(0, len(data), len(blank)))


_STREAMS = {"gzip": GzipStream, "zlib": InflateStream, "bzip2": Bzip2Stream}


def skip(stream: ByteStream, count: int) -> int:
    """Read `count` bytes and drop them; return how many there were."""
    passed = 0
    while passed < count and (data := stream.read(min(_SKIP_BYTES, count - passed))):
        passed += len(data)
    return passed


def goes_on(stream: ByteStream) -> bool:
    """Whether anything follows; a compressed stream thereby checks its own end and checksum."""
    return bool(stream.read(1)) or (isinstance(stream, InflateStream) and stream.has_padding)


@contextmanager
def open_stream(
    path: Path | str, encoding: Encoding | None = "raw", *, offset: int = 0, follow_link: bool = True
) -> Iterator[tuple[ByteStream, int]]:
    """Open a file to be read forwards.

    Parameters
    ----------
    path : path or str
    encoding : {"raw", "gzip", "zlib", "bzip2"} or None
        None: gzip where the file begins like gzip, else raw.
    offset : int
        Bytes of the file, as it is on disk, before the stream begins.
    follow_link : bool
        Whether `path` may be a symbolic link: yes for what a user names, no for what a file names.

    Yields
    ------
    stream : ByteStream
    size_bytes : int
        Size of the file on disk, without `offset`.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``, ``unsupported-format`` (a folder, FIFO or device).
    """
    descriptor, size_bytes = open_regular(path, follow_link=follow_link)
    try:
        if encoding is None:
            encoding = "gzip" if os.pread(descriptor, len(GZIP_MAGIC), offset) == GZIP_MAGIC else "raw"
        if offset:
            os.lseek(descriptor, offset, os.SEEK_SET)
        raw = RawStream(descriptor, path)
        yield raw if encoding == "raw" else _STREAMS[encoding](raw, path), max(size_bytes - offset, 0)
    finally:
        os.close(descriptor)


def smallest_bytes(paths: Sequence[Path]) -> int:
    """Return the size of the smallest of the data files that a header names; links are not followed.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``, ``unsupported-format`` (a folder, FIFO or device).
    """
    sizes = []
    for path in paths:
        descriptor, size_bytes = open_regular(path, follow_link=False)
        os.close(descriptor)
        sizes.append(size_bytes)
    return min(sizes)


def bytes_of_lines(path: Path, offset: int, count: int, *, follow_link: bool) -> int:
    """Return how many bytes the next `count` lines of a file take, from `offset` on.

    Raises
    ------
    ReadError
        ``truncated`` where there are fewer.
    """
    passed = 0
    with open_stream(path, offset=offset, follow_link=follow_link) as (stream, size_bytes):
        while data := stream.read(_PIECE_BYTES):
            found = data.count(b"\n")
            if found < count:
                count -= found
                passed += len(data)
                continue
            for _ in range(count):
                passed += data.index(b"\n") + 1
                data = data[data.index(b"\n") + 1 :]
            return passed
    raise truncated(
        "the file ends before the voxels begin", path, offset + size_bytes + 1, offset + size_bytes
    )


def _unreadable(reason: str, path: Path | str) -> ReadError:
    return ReadError(
        "unreadable",
        "the file is damaged or cannot be read",
        where=path,
        values={"reason": reason},
        todo="Copy or export the file again.",
    )
