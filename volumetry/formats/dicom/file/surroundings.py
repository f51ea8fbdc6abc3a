"""What surrounds the elements of a data set: open sequences, compressed pixels, zeros and what follows."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from volumetry.errors import ReadError
from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.file.selection import Item
from volumetry.formats.dicom.file.source import ByteSource
from volumetry.formats.dicom.file.syntax import KNOWN_REPRESENTATIONS, Encoding
from volumetry.formats.dicom.file.values import SEQUENCES
from volumetry.formats.dicom.file.window import EXPORT_AGAIN
from volumetry.formats.opening import truncated

UNDEFINED = 0xFFFFFFFF
"""Length of an element that a delimiter ends."""

_ITEM_BYTES = b"\xfe\xff\x00\xe0"
_MAX_PIXEL_ITEMS = 1_000_000
_MAX_PADDING_BYTES = 64 << 20
_PADDING_WINDOW_BYTES = 1 << 20


class ElementHeader(NamedTuple):
    """Tag, value representation, length of an element, and where its value starts."""

    tag: int
    representation: str
    length: int
    start: int


class Container:
    """A sequence or an item that is being walked."""

    __slots__ = ("encoding", "end", "is_item", "items", "limit")

    def __init__(
        self, is_item: bool, end: int | None, limit: int, encoding: Encoding, items: list[Item] | None
    ) -> None:
        self.is_item = is_item
        self.end = end  # None: ended by a delimiter
        self.limit = limit  # where the innermost enclosing length ends
        self.encoding = encoding
        self.items = items  # of the sequence, where they are kept


def holds_items(header: ElementHeader, encoding: Encoding, peek: Callable[[int], bytes]) -> bool:
    """Return whether an element of defined length holds items that are to be walked.

    Private ones are passed by unseen: nobody here opens them.
    """
    tag, representation, length, start = header
    if tag & 0x10000:
        return False
    if encoding.explicit and representation != "UN":
        return representation == "SQ"
    if representation == "UN" and tag not in SEQUENCES:
        return False
    return length >= 8 and peek(start)[:4] == _ITEM_BYTES


def pass_fragments(source: ByteSource, position: int, path: Path | str) -> tuple[int, int]:
    """Pass encapsulated pixels; return where they end and how many items they have.

    Raises
    ------
    ReadError
        ``truncated``, ``unreadable``, ``too-large``.
    """
    count = 0
    while True:
        head = source.read(position, 8)
        if len(head) < 8:
            raise truncated(
                "the file ends within its compressed pixels", path, position + 8, position + len(head)
            )
        group, element, length = struct.unpack("<HHI", head)
        position += 8
        if (group << 16 | element) == tags.SequenceDelimitationItem:
            return position, count
        if (group << 16 | element) != tags.Item or length == UNDEFINED:
            raise ReadError(
                "unreadable",
                "the compressed pixels are not a sequence of items",
                where=path,
                values={"offset_bytes": position - 8},
                todo=EXPORT_AGAIN,
            )
        position += length
        source.check(position)
        count += 1
        if count > _MAX_PIXEL_ITEMS:
            raise ReadError(
                "too-large",
                "there are more items of pixels than are read",
                where=path,
                values={"items": count},
                todo="Check where the file comes from.",
            )


def may_follow_pixels(head: bytes, encoding: Encoding) -> bool:
    """Return whether the bytes after the pixels are elements; else they are trailing data."""
    if len(head) < 8:
        return False
    group = int.from_bytes(head[:2], "little" if encoding.little_endian else "big")
    known = not encoding.explicit or head[4:6] in KNOWN_REPRESENTATIONS
    return known and group in (0x7FE0, 0x7FE1, 0xFFFA, 0xFFFC)


def check_padding(source: ByteSource, position: int, path: Path | str) -> None:
    """Pass zeros after the contents; anything after them would be lost, so it is refused.

    Raises
    ------
    ReadError
        ``unreadable``.
    """
    for offset in range(position, position + _MAX_PADDING_BYTES, _PADDING_WINDOW_BYTES):
        zeros = source.read(offset, _PADDING_WINDOW_BYTES)
        if zeros.count(0) < len(zeros):
            break
        if len(zeros) < _PADDING_WINDOW_BYTES:
            return
    raise ReadError(
        "unreadable",
        "the elements are interrupted by zeros",
        where=path,
        values={"offset_bytes": position},
        todo=EXPORT_AGAIN,
    )
