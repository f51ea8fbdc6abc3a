"""Headers that were read a moment ago, for those who need them again: a file is opened once for both.

What a header says counts only while the file is the same (`volumetry.formats.opening.file_mark`): whoever
asks looks at the file's status first, and reads a file that was changed.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.opening import file_mark

SETTLED_SECONDS = 2.0
"""A file that was changed later than this before it was noted could change again unseen: the clocks of file
systems are coarse."""

_MARK = struct.Struct("=QQQqq")  # a fifth of the memory of a tuple


class KeptHeaders:
    """Headers by the marks of their files, whatever the path by which a file is reached.

    Parameters
    ----------
    before : KeptHeaders, optional
        Asked for what is not found here.
    """

    def __init__(self, before: KeptHeaders | None = None) -> None:
        self._before = before
        self._headers: dict[bytes, DicomHeader] = {}
        self.shared: dict[bytes | None, bytes | None] = {}
        """Values that the files kept here have in common."""

    def __len__(self) -> int:
        return len(self._headers)

    def add(self, status: os.stat_result, header: DicomHeader) -> None:
        """Keep the header of a file with a status from before it was read."""
        self._headers[_MARK.pack(*file_mark(status))] = header

    def add_settled(self, status: os.stat_result, header: DicomHeader) -> None:
        """Keep a header for longer: not that of a file that was changed just now."""
        if time.time_ns() - max(status.st_ctime_ns, status.st_mtime_ns) > SETTLED_SECONDS * 1e9:
            self.add(status, header)

    def of(self, status: os.stat_result, path: str) -> DicomHeader | None:
        """Return the header of a file with a status, under the given path; None where it has to be read."""
        mark = _MARK.pack(*file_mark(status))
        header = self._headers.get(mark)
        if header is None and self._before is not None:
            header = self._before._headers.get(mark)
        if header is None or header.path == path:
            return header
        return replace(header, path=path)

    def at(self, path: str, *, follow_link: bool = True) -> DicomHeader | None:
        """Return the header of a file that is still the same; None where it has to be read."""
        if not self._headers and not self._before:
            return None
        try:
            status = os.stat(path, follow_symlinks=follow_link)  # noqa: PTH116 - faster than a Path
        except (OSError, ValueError):
            return None
        return self.of(status, path)


_NOTED: ContextVar[KeptHeaders | None] = ContextVar("volumetry_noted_headers", default=None)
_KEPT: ContextVar[KeptHeaders | None] = ContextVar("volumetry_kept_headers", default=None)


@contextmanager
def headers_noted(headers: KeptHeaders | None = None) -> Iterator[KeptHeaders]:
    """While this context lasts, the headers of folders are noted for those who measure what was found.

    Parameters
    ----------
    headers : KeptHeaders, optional
        Those that were noted before.
    """
    noted = KeptHeaders() if headers is None else headers
    token = _NOTED.set(noted)
    try:
        yield noted
    finally:
        _NOTED.reset(token)


@contextmanager
def headers_kept() -> Iterator[KeptHeaders]:
    """While this context lasts, who reads a header asks the yielded headers first, and those noted before."""
    kept = KeptHeaders(_NOTED.get())
    token = _KEPT.set(kept)
    try:
        yield kept
    finally:
        _KEPT.reset(token)


def kept_headers() -> KeptHeaders | None:
    """Return the headers that are to be asked first; None outside `headers_kept`."""
    return _KEPT.get()


def noted_headers() -> KeptHeaders | None:
    """Return where headers are noted; None outside `headers_noted`, and where kept ones are asked."""
    return None if _KEPT.get() is not None else _NOTED.get()
