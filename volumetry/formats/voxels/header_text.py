"""Text headers before voxels, as NRRD and MetaImage have: lines up to an end, within a limit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from volumetry.errors import GeometryError, ReadError
from volumetry.formats.opening import truncated
from volumetry.formats.voxels.streams import ByteStream

MAX_HEADER_BYTES = 1 << 20
_PIECE_BYTES = 1 << 13
SHOWN = 80


class HeaderLines:
    """The lines of a header, and how many bytes they took.

    Parameters
    ----------
    stream : ByteStream
    path : path
        Names the file in errors.
    """

    def __init__(self, stream: ByteStream, path: Path | str) -> None:
        self._stream = stream
        self._path = path
        self._held = b""
        self._at_end = False
        self.n_bytes = 0

    def __iter__(self) -> Iterator[str]:
        """Yield the lines that are left."""
        while (line := self.next()) is not None:
            yield line

    def next(self) -> str | None:
        """Return the next line without its end; None at the end of the file.

        Raises
        ------
        ReadError
            ``unreadable``: there is no end of the header within a mebibyte.
        """
        while (end := self._held.find(b"\n")) < 0 and not self._at_end:
            if self.n_bytes + len(self._held) > MAX_HEADER_BYTES:
                raise unreadable("the header has no end", self._path)
            piece = self._stream.read(_PIECE_BYTES)
            self._at_end = not piece
            self._held += piece
        if end < 0 and not self._held:
            return None
        line, self._held = (self._held, b"") if end < 0 else (self._held[: end + 1], self._held[end + 1 :])
        self.n_bytes += len(line)
        return line.rstrip(b"\r\n").decode("utf-8", errors="replace")


def put_field(fields: dict[str, str], name: str, value: str, path: Path | str) -> None:
    """Keep what a header says of one thing. To say it twice, and not the same, is to contradict oneself.

    Raises
    ------
    GeometryError
        ``header-conflict``.
    """
    before = fields.setdefault(name, value)
    if before.split() != value.split():
        raise GeometryError(
            "header-conflict",
            "the header says one thing twice, and not the same",
            where=path,
            values={"field": name[:SHOWN], "first": before[:SHOWN], "then": value[:SHOWN]},
            todo="Find out which of the two is right and delete the other, or export the file again.",
        )


def unreadable(what: str, path: Path | str, **values: str) -> ReadError:
    """Return the error for a header that does not say what it must."""
    return ReadError("unreadable", what, where=path, values=values, todo="Copy or export the file again.")


def cut_short(path: Path | str, present_bytes: int) -> ReadError:
    """Return the error for a header that the file ends in."""
    return truncated("the file ends within its header", path, None, present_bytes)


def integers(text: str, name: str, path: Path | str) -> tuple[int, ...]:
    """Return the integers of a header field. Raises ``unreadable``."""
    try:
        return tuple(int(word[:20]) for word in text.split())
    except ValueError:
        raise unreadable("a header field holds no integers", path, field=name) from None


def floats(text: str, name: str, path: Path | str) -> tuple[float, ...]:
    """Return the numbers of a header field, ``nan`` among them. Raises ``unreadable``."""
    try:
        return tuple(float(word) for word in text.split())
    except ValueError:
        raise unreadable("a header field holds no numbers", path, field=name) from None


def finite(values: tuple[float, ...], count: int) -> bool:
    """Whether there are `count` values, all finite."""
    return len(values) == count and all(map(math.isfinite, values))
