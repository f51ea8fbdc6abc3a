"""The stored bytes of a voxel file as one stream: from one file or several, as numbers or as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import cast

import numpy as np

from volumetry.errors import ReadError
from volumetry.formats.limits import Limits, check_size
from volumetry.formats.opening import truncated
from volumetry.formats.voxels.header import VoxelFile
from volumetry.formats.voxels.streams import (
    ByteStream,
    Encoding,
    MemoryStream,
    goes_on,
    open_stream,
    skip,
)

_TEXT_LIMITS = Limits(max_bytes=64 * 1024**2)  # numbers in words take many times the memory of numbers


@contextmanager
def open_voxels(file: VoxelFile) -> Iterator[ByteStream]:
    """Open the values of a file, from the first one on.

    Raises
    ------
    ReadError
        ``truncated``, ``unreadable``, ``too-large``; while it is read, too.
    """
    if file.load is not None:
        yield MemoryStream(file.load())
    elif file.more_data_paths:
        paths = (file.data_path, *file.more_data_paths)
        with ExitStack() as held:
            yield JoinedStream(file, paths, held)
    else:
        with _open_one(file, file.data_path) as stream:
            yield stream


def voxels_cut_short(file: VoxelFile, present_bytes: int) -> ReadError:
    """Return the error for a file whose values end after `present_bytes`."""
    return truncated(
        "the voxels end before they are all there",
        file.data_path,
        file.data_offset + file.n_bytes,
        file.data_offset + present_bytes,
    )


class JoinedStream:
    """The values of several files, one after the other; each holds as many.

    Attributes
    ----------
    has_padding : bool
        Whether a file goes on after its values.
    """

    def __init__(self, file: VoxelFile, paths: Sequence[Path], held: ExitStack) -> None:
        self._file = file
        self._waiting = list(reversed(paths))
        self._held = held
        self._path = paths[0]
        self._stream: ByteStream = MemoryStream(b"")
        self._left = 0
        self.has_padding = False

    def read(self, count: int) -> bytes:
        """Return up to `count` bytes, fewer only at the end of the last file."""
        parts: list[bytes] = []
        while count and (self._left or self._next()):
            data = self._stream.read(min(count, self._left))
            if not data:
                missing = self._file.n_bytes_a_file
                raise truncated(
                    "the voxels end before they are all there", self._path, missing, missing - self._left
                )
            parts.append(data)
            count -= len(data)
            self._left -= len(data)
            if not self._left and goes_on(self._stream):
                self.has_padding = True
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_unless(self, blank: bytes, times: int = 1) -> bytes | None:
        """Return `times` as many bytes as `blank` has, or None where they repeat it."""
        data = self.read(len(blank) * times)
        return None if data == blank * times else data

    def _next(self) -> bool:
        self._held.close()
        if not self._waiting:
            return False
        self._path = self._waiting.pop()
        opened: AbstractContextManager[ByteStream] = _open_one(self._file, self._path)
        self._stream = self._held.enter_context(opened)
        self._left = self._file.n_bytes_a_file
        return True


@contextmanager
def _open_one(file: VoxelFile, path: Path) -> Iterator[ByteStream]:
    is_text = file.encoding in ("text", "hex")
    encoding = "raw" if is_text else cast(Encoding, file.encoding)
    with open_stream(path, encoding, offset=file.file_offset, follow_link=path == file.path) as (
        stream,
        size_bytes,
    ):
        if is_text:
            yield _from_text(file, path, stream, size_bytes)
            return
        passed = skip(stream, file.data_offset)
        if passed < file.data_offset:
            raise voxels_cut_short(file, passed - file.data_offset)
        yield stream


def _from_text(file: VoxelFile, path: Path, stream: ByteStream, size_bytes: int) -> ByteStream:
    """Return the bytes of values that are written as text."""
    check_size(max(size_bytes, file.n_bytes), size_bytes, path, limits=_TEXT_LIMITS)
    text = stream.read(size_bytes)
    try:
        if file.encoding == "hex":
            return MemoryStream(bytes.fromhex(text.decode("ascii")))
        values = np.array(text.split(), dtype="S32").astype(np.float64)
        with np.errstate(invalid="raise", over="raise"):
            stored = values.astype(file.dtype)
    except (ValueError, FloatingPointError, OverflowError):
        raise ReadError(
            "unreadable",
            "the values are no numbers of their type",
            where=path,
            values={"type": file.dtype.name},
            todo="Copy or export the file again.",
        ) from None
    return MemoryStream(stored.tobytes())
