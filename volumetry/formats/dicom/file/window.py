"""A window of bytes that moves forwards over a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from volumetry.errors import ReadError
from volumetry.formats.dicom.file.source import ByteSource
from volumetry.formats.opening import truncated

EXPORT_AGAIN = "Export the file again."

_WINDOW_BYTES = 64 << 10


class ByteWindow:
    """The bytes around a position, read where they are asked for, and the errors of what is found there."""

    __slots__ = ("base", "buffer", "path", "source")

    def __init__(self, source: ByteSource, path: Path | str) -> None:
        self.source = source
        self.path = path
        self.buffer = b""
        self.base = 0

    def _offset(self, position: int, count: int) -> int:
        """Return where `position` lies in the window, moving it so that it holds `count` bytes if it can."""
        offset = position - self.base
        if offset + count > len(self.buffer) or offset < 0:
            self.buffer = self.source.read(position, max(count, _WINDOW_BYTES))
            self.base = position
            return 0
        return offset

    def peek(self, position: int) -> bytes:
        """Return the next 8 bytes, fewer at the end."""
        offset = self._offset(position, 8)
        return self.buffer[offset : offset + 8]

    def _read(self, position: int, count: int) -> bytes:
        """Return exactly `count` bytes."""
        offset = self._offset(position, count)
        value = self.buffer[offset : offset + count]
        if len(value) < count:
            raise truncated(
                "the file ends within an element", self.path, position + count, position + len(value)
            )
        return value

    def _bytes_after(self, position: int) -> int:
        end = self.source.size_bytes()
        if position > end:
            raise truncated("the last element ends beyond the end of the file", self.path, position, end)
        return end - position

    def _unreadable(self, what: str, **values: Any) -> NoReturn:
        raise ReadError("unreadable", what, where=self.path, values=values, todo=EXPORT_AGAIN)

    def _too_large(self, what: str, found_bytes: int, allowed_bytes: int, **values: Any) -> NoReturn:
        self._over(what, values | {"bytes": found_bytes, "allowed_bytes": allowed_bytes})

    def _too_many(self, elements: int, allowed: int) -> NoReturn:
        self._over("there are more elements than are read", {"elements": elements, "allowed": allowed})

    def _over(self, what: str, values: dict[str, Any]) -> NoReturn:
        todo = "Check where the file comes from, or export less to one file."
        raise ReadError("too-large", what, where=self.path, values=values, todo=todo)
