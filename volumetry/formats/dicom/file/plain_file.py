"""Plain files, walked at once: explicit little endian, short elements, native pixels at the very end.

Most files of a series are of this kind and differ in nothing but values. What is met here for the first
time, or is not of this kind, is left to `volumetry.formats.dicom.file.walk`, which has an answer for every
file; both give the same answer for a plain one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.file.header_table import HeaderTable
from volumetry.formats.dicom.file.selection import ElementSelection, PixelElement, Walked
from volumetry.formats.dicom.file.syntax import DICOMDIR_SOP_CLASS, EXPLICIT, EXPLICIT_LITTLE_ENDIAN

_START = b"DICM\x02\0\0\0UL\x04\0"
_VERSION_ELEMENT = b"\x02\0\x01\0OB\0\0\x02\0\0\0\0\x01"
_PIXELS = {b"\xe0\x7f\x10\0OW\0\0": "OW", b"\xe0\x7f\x10\0OB\0\0": "OB"}
_PIXEL_TAG = b"\xe0\x7f\x10\0O"
_SYNTAX = EXPLICIT_LITTLE_ENDIAN.encode() + b"\0"
_MOST_LAYOUTS = 1024


class _Layout(NamedTuple):
    """The headers of a whole file as one number, values masked out, and where its values lie."""

    mask: int
    headers: int
    unpack_values: struct.Struct
    in_order: Callable[[tuple[bytes | None, ...]], tuple[bytes | None, ...]]
    media_class: bytes


class PlainFiles:
    """The layouts of plain files that were met, for one selection of elements."""

    __slots__ = ("_layouts", "_meta", "_seen", "_selection", "_table")

    def __init__(self, selection: ElementSelection, meta: ElementSelection) -> None:
        self._selection = selection
        self._table: HeaderTable = selection.tables[EXPLICIT.number]
        self._meta: HeaderTable = meta.tables[EXPLICIT.number]
        self._layouts: dict[int, _Layout] = {}
        self._seen: set[int] = set()

    def walk(self, head: bytes, file_bytes: int) -> tuple[bytes, Walked] | None:
        """Walk a file by its first bytes.

        Parameters
        ----------
        head : bytes
            The first bytes of the file.
        file_bytes : int
            Its size.

        Returns
        -------
        media_storage_sop_class_uid : bytes
        walked : Walked
            None instead of both where the file is not plain, or has headers that were not met before.
        """
        if head[128:140] != _START:
            return None
        place = head.find(_PIXEL_TAG, 144)
        if place < 0:
            return None
        representation = _PIXELS.get(head[place : place + 8])
        length = int.from_bytes(head[place + 8 : place + 12], "little")
        if representation is None or place + 12 + length != file_bytes:
            return None
        found = self._by_layout(head, place) or self._by_runs(head, place)
        if found is None:
            return None
        media_class, values = found
        pixel = _pixel_element(representation, place + 12, length)
        return media_class, Walked(values=values, sequences={}, pixel=pixel, trailing_bytes=0)

    def _by_layout(self, head: bytes, place: int) -> tuple[bytes, tuple[bytes | None, ...]] | None:
        layout = self._layouts.get(place)
        if layout is None or int.from_bytes(head[140:place], "little") & layout.mask != layout.headers:
            return None
        return layout.media_class, layout.in_order((*layout.unpack_values.unpack_from(head, 140), None))

    def _by_runs(self, head: bytes, place: int) -> tuple[bytes, tuple[bytes | None, ...]] | None:
        start = 144 + int.from_bytes(head[140:144], "little")
        first = 158 if head[144:158] == _VERSION_ELEMENT else 144
        meta: list[bytes | None] = [None, None]
        if start > place or self._meta.follow(head, first, start, meta) != start:
            return None
        syntax, media_class = meta
        if syntax != _SYNTAX or media_class is None or media_class.startswith(DICOMDIR_SOP_CLASS.encode()):
            return None
        values: list[bytes | None] = [None] * len(self._selection.tags)
        if self._table.follow(head, start, place, values) != place:
            return None
        if place in self._seen:
            self._learn(head, first, start, place, media_class)
        elif len(self._seen) < _MOST_LAYOUTS:
            self._seen.add(place)
        return media_class, tuple(values)

    def _learn(self, head: bytes, first: int, start: int, place: int, media_class: bytes) -> None:
        """Remember the layout of a file whose elements were all passed: short ones, each after the other."""
        if len(self._layouts) >= _MOST_LAYOUTS:
            self._layouts.clear()
        slots = self._selection.slots
        order: dict[int, int] = {}
        mask, values, gap = b"\xff" * (first - 140), "=", first - 140
        offset = first
        while offset < place:
            group, element, _, size = EXPLICIT.header.unpack_from(head, offset)
            tag = group << 16 | element
            if tag in (tags.TransferSyntaxUID, tags.MediaStorageSOPClassUID):  # they say how to read on
                mask += b"\xff" * (8 + size)
            else:
                mask += b"\xff" * 8 + bytes(size)
            slot = slots.get(tag, -1) if offset >= start else -1
            if slot < 0:
                gap += 8 + size
            else:
                values += f"{gap + 8}x{size}s"
                gap = 0
                order[slot] = len(order)
            offset += 8 + size
        masked = int.from_bytes(mask, "little")
        self._layouts[place] = _Layout(
            mask=masked,
            headers=int.from_bytes(head[140:place], "little") & masked,
            unpack_values=struct.Struct(values),
            in_order=_getter([order.get(slot, len(order)) for slot in range(len(slots))]),
            media_class=media_class,
        )


def _getter(places: list[int]) -> Callable[[tuple[bytes | None, ...]], tuple[bytes | None, ...]]:
    if len(places) > 1:
        return itemgetter(*places)
    return lambda found: tuple(found[place] for place in places)


@lru_cache(maxsize=256)
def _pixel_element(representation: str, offset: int, length: int) -> PixelElement:
    return PixelElement(
        tag=tags.PixelData, representation=representation, offset=offset, length_bytes=length, fragments=None
    )
