"""The state machine that passes the elements of one DICOM data set, without recursion."""

from __future__ import annotations

import struct
from pathlib import Path

from volumetry.errors import ReadError
from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.file.header_table import HeaderTable, Step
from volumetry.formats.dicom.file.selection import ElementSelection, Item, PixelElement, Walked, header_tables
from volumetry.formats.dicom.file.source import ByteSource
from volumetry.formats.dicom.file.surroundings import (
    UNDEFINED,
    Container,
    ElementHeader,
    check_padding,
    holds_items,
    may_follow_pixels,
    pass_fragments,
)
from volumetry.formats.dicom.file.syntax import (
    DEFLATED_LITTLE_ENDIAN,
    EXPLICIT,
    IMPLICIT,
    LONG_LENGTH,
    PIXEL_TAGS,
    SHORT_LENGTH,
    Encoding,
)
from volumetry.formats.dicom.file.tags import tag_name
from volumetry.formats.dicom.file.values import SEQUENCES, VALUE_REPRESENTATIONS, as_declared, is_compatible
from volumetry.formats.dicom.file.window import ByteWindow
from volumetry.formats.limits import Limits
from volumetry.formats.opening import truncated

# Counted are elements that were not met before, and items; the others are bounded by _MAX_RUN_BYTES.
_MAX_ELEMENTS = 1_000_000
_MAX_TOP_ELEMENTS = 50_000
_MAX_LEARNING_ELEMENTS = 10_000
_MAX_RUN_BYTES = 64 << 20
_MAX_VALUE_BYTES = 1 << 20
_MAX_COLLECTED_BYTES = 256 << 20  # the outlines of a region may take megabytes
_ITEM, _ITEM_END, _SEQUENCE_END = tags.Item, tags.ItemDelimitationItem, tags.SequenceDelimitationItem
_VERSION_ELEMENT = b"\x02\0\x01\0OB\0\0\x02\0\0\0\0\x01"

# Headers of elements inside sequences; shared, as nothing of them is kept.
_NESTED_TABLES = header_tables()


class ElementWalk(ByteWindow):
    """The state of one walk: a window of bytes, open sequences, and what is kept."""

    __slots__ = (
        "collected_bytes",
        "elements",
        "encapsulated",
        "encoding",
        "limits",
        "pixel",
        "run_bytes",
        "selection",
        "sequences",
        "stack",
        "top_elements",
        "trailing_bytes",
        "values",
    )

    def __init__(
        self,
        source: ByteSource,
        path: Path | str,
        selection: ElementSelection,
        limits: Limits,
    ) -> None:
        super().__init__(source, path)
        self.selection = selection
        self.values: list[bytes | None] = [None] * len(selection.tags)
        self.sequences: dict[int, list[Item]] = {}
        self.limits = limits
        self.stack: list[Container] = []
        self.elements = 0
        self.top_elements = 0
        self.run_bytes = 0
        self.collected_bytes = 0
        self.pixel: PixelElement | None = None
        self.trailing_bytes = 0
        self.encoding = EXPLICIT
        self.encapsulated = False

    # -- the two levels of a file

    def meta(self, start: int, head: bytes) -> int:
        """Walk the file meta information, and return where the data set begins."""
        end = None
        position = start
        if head[start : start + 8] == b"\x02\0\0\0UL\x04\0" and len(head) >= start + 12:
            position = start + 12
            end = position + int.from_bytes(head[start + 8 : position], "little")
            if head[position : position + 14] == _VERSION_ELEMENT:
                position += 14
        while end is None or position < end:
            position = self._known(position, EXPLICIT, None)
            if self.peek(position)[:2] != b"\x02\0":
                break
            header = self._header(position, EXPLICIT)
            if header is None or header.length == UNDEFINED:
                self._unreadable("the file meta information is not readable", offset_bytes=position)
            position = self._plain(header, EXPLICIT, position)
        if end is not None and position != end and self.values[0] == DEFLATED_LITTLE_ENDIAN.encode() + b"\0":
            self._unreadable("the file meta information has another length than it says", length_bytes=end)
        return position

    def data_set(
        self, position: int, encoding: Encoding, encapsulated: bool, selection: ElementSelection
    ) -> None:
        """Walk the data set to its end, keeping what is selected of it instead of the meta information."""
        self.selection = selection
        self.values = [None] * len(selection.tags)
        self.encoding = encoding
        self.encapsulated = encapsulated
        following: int | None = position
        stack, end = self.stack, self.source.known_bytes
        while following is not None and (stack or following != end):
            following = self._step(following, stack[-1] if stack else None)

    def _step(self, position: int, container: Container | None) -> int | None:
        """Go on by a run of known elements and one other, or by one item; None at the end."""
        if container is not None:
            if position == container.end:
                self.stack.pop()
                return position
            if not container.is_item:
                return self._item(position, container)
        encoding = container.encoding if container else self.encoding
        if self.pixel is None or container is not None:
            position = self._known(position, encoding, container)
            if container is not None and position == container.end:
                return position
        elif position >= self.source.known_bytes or not may_follow_pixels(self.peek(position), self.encoding):
            self.trailing_bytes = self._bytes_after(position)
            return None
        if container is None and self.peek(position)[:4] == b"\0\0\0\0":
            check_padding(self.source, position, self.path)
            return None
        header = self._header(position, encoding)
        if header is None:
            self._at_end(position, container)
            return None
        if header.tag == _ITEM_END and container is not None and container.end is None:
            self.stack.pop()
            return header.start
        return self._element(header, position, container)

    def walked(self) -> Walked:
        """Return what was found."""
        return Walked(tuple(self.values), self.sequences, self.pixel, self.trailing_bytes)

    # -- elements

    def _known(self, position: int, encoding: Encoding, container: Container | None) -> int:
        """Pass elements whose header bytes were met before."""
        first = position - self.base
        stop = len(self.buffer)
        if container is None:
            table = self.selection.tables[encoding.number]
        elif container.items is None:
            table = _NESTED_TABLES[encoding.number]
            stop = min(stop, container.limit - self.base)
        else:
            return position
        offset = table.follow(
            self.buffer, first, stop, self.values, learn=self.elements < _MAX_LEARNING_ELEMENTS
        )
        self.run_bytes += offset - first
        if self.run_bytes > _MAX_RUN_BYTES:
            self._too_large("the header is larger than is read", self.run_bytes, _MAX_RUN_BYTES)
        return self.base + offset

    def _header(self, position: int, encoding: Encoding) -> ElementHeader | None:
        """Read an element's header; None at the end of the data, also within a header."""
        self.elements += 1
        if self.elements > _MAX_ELEMENTS:
            self._too_many(self.elements, _MAX_ELEMENTS)
        offset = self._offset(position, 12)
        available = len(self.buffer) - offset
        if available < 8:
            return None
        group, element, representation, length = (
            encoding.header.unpack_from(self.buffer, offset)
            if encoding.explicit
            else (*IMPLICIT.header.unpack_from(self.buffer, offset)[:2], b"", 0)
        )
        tag = group << 16 | element
        if not encoding.explicit or group == 0xFFFE:
            (length,) = encoding.length.unpack_from(self.buffer, offset + 4)
            return ElementHeader(tag, "", length, position + 8)
        if representation in SHORT_LENGTH:
            return ElementHeader(tag, representation.decode(), length, position + 8)
        if representation not in LONG_LENGTH:
            self._unreadable(
                "an element has an unknown value representation", tag=tag_name(tag), offset_bytes=position
            )
        if available < 12:
            return None
        (length,) = encoding.length.unpack_from(self.buffer, offset + 8)
        return ElementHeader(tag, representation.decode(), length, position + 12)

    def _element(self, header: ElementHeader, position: int, container: Container | None) -> int:
        """Pass one element: into it where it is a sequence, else beyond it."""
        tag, representation, length, start = header
        encoding = container.encoding if container else self.encoding
        if tag >> 16 in (0xFFFE, 0):
            self._unreadable("a delimiter stands where an element should", offset_bytes=position)
        if container is None and tag in PIXEL_TAGS:
            return self._pixels(header)
        if length == UNDEFINED:
            return self._undefined(header, position, container)
        end = start + length
        self.source.check(end)
        if container is not None and end > container.limit:
            self._unreadable(
                "an element ends beyond the item that holds it", tag=tag_name(tag), length_bytes=length
            )
        if holds_items(header, encoding, self.peek):
            # Implicit: as a value representation UN has no other content.
            inner = IMPLICIT if representation == "UN" else encoding
            self._open_sequence(tag, start, end, inner, container)
            return start
        if container is not None:
            self._keep_nested(header, encoding, container, position)
            return end
        return self._plain(header, encoding, position)

    def _plain(self, header: ElementHeader, encoding: Encoding, position: int) -> int:
        """Pass an element of the top level that is no sequence, keeping it where it is selected."""
        tag, representation, length, start = header
        end = start + length
        self.source.check(end)
        self.top_elements += 1
        if self.top_elements > _MAX_TOP_ELEMENTS:
            self._too_many(self.top_elements, _MAX_TOP_ELEMENTS)
        slot = self.selection.slots.get(tag, -1)
        if slot >= 0:
            if self.values[slot] is not None:
                self._unreadable("an element comes twice", tag=tag_name(tag), offset_bytes=position)
            self.values[slot] = self._kept(header, encoding)
        as_stored = slot < 0 or not representation or is_compatible(tag, representation)
        if start == position + 8 and as_stored:
            self._remember(self.selection.tables[encoding.number], header, slot, encoding, position)
        return end

    def _kept(self, header: ElementHeader, encoding: Encoding, allowed: int = _MAX_VALUE_BYTES) -> bytes:
        """Read the value of an element that is kept, as the data dictionary stores it."""
        tag, representation, length, start = header
        if length > allowed:
            self._too_large("an element is larger than is read", length, allowed, tag=tag_name(tag))
        raw = self._read(start, length)
        if not representation or is_compatible(tag, representation):
            return raw
        value = as_declared(tag, representation, raw, little_endian=encoding.little_endian)
        if value is None:
            self._unreadable(
                "an element has another value representation than the data dictionary",
                tag=tag_name(tag),
                found=representation,
            )
        return value

    def _remember(
        self, table: HeaderTable, header: ElementHeader, slot: int, encoding: Encoding, position: int
    ) -> None:
        """Remember what these 8 header bytes mean. They say all: tag, representation and length."""
        may_nest = not encoding.explicit and not header.tag & 0x10000 and header.length >= 8
        offset = position - self.base
        if 0 <= offset <= len(self.buffer) - 8 and header.length <= _MAX_VALUE_BYTES:
            raw = self.buffer[offset : offset + 8]
            table.remember(Step(raw, slot, 8 + header.length, may_nest))

    def _undefined(self, header: ElementHeader, position: int, container: Container | None) -> int:
        """Enter an element that is ended by a delimiter."""
        tag, representation, _, start = header
        if representation in ("OB", "OW"):
            return pass_fragments(self.source, start, self.path)[0]
        if representation not in ("", "SQ", "UN"):
            self._unreadable("an element has no length", tag=tag_name(tag), offset_bytes=position)
        encoding = container.encoding if container else self.encoding
        self._open_sequence(tag, start, None, IMPLICIT if representation == "UN" else encoding, container)
        return start

    # -- sequences

    def _open_sequence(
        self, tag: int, start: int, end: int | None, encoding: Encoding, container: Container | None
    ) -> None:
        depth = len(self.stack) // 2 + 1
        if depth > self.limits.max_depth:
            raise ReadError(
                "too-deep",
                "sequences are nested deeper than is read",
                where=self.path,
                values={"depth": depth, "allowed_depth": self.limits.max_depth},
                todo="Check where the file comes from.",
            )
        items: list[Item] | None = None
        if container is None and tag in self.selection.sequences:
            if tag in self.sequences:
                self._unreadable("an element comes twice", tag=tag_name(tag), offset_bytes=start)
            items = self.sequences.setdefault(tag, [])
        elif container is not None and container.items is not None and tag in SEQUENCES:
            items = container.items[-1].setdefault(tag, [])
        limit = container.limit if container else 1 << 63
        self.stack.append(Container(False, end, limit if end is None else end, encoding, items))

    def _item(self, position: int, sequence: Container) -> int:
        """Enter the next item of a sequence, or leave the sequence."""
        head = self.peek(position)
        if len(head) < 8:
            raise truncated("the file ends within a sequence", self.path, position + 8, position + len(head))
        self.elements += 1
        if self.elements > _MAX_ELEMENTS:
            self._too_many(self.elements, _MAX_ELEMENTS)
        group, element, length = struct.unpack("<HHI" if sequence.encoding.little_endian else ">HHI", head)
        tag, start = group << 16 | element, position + 8
        if tag == _SEQUENCE_END and sequence.end is None:
            self.stack.pop()
            return start
        if tag != _ITEM:
            self._unreadable("a sequence holds something else than items", offset_bytes=position)
        end = None if length == UNDEFINED else start + length
        if end is not None:
            self.source.check(end)
            if end > sequence.limit:
                self._unreadable(
                    "an item ends beyond its sequence", offset_bytes=position, length_bytes=length
                )
        if sequence.items is not None:
            sequence.items.append({})
        limit = sequence.limit if end is None else end
        self.stack.append(Container(True, end, limit, sequence.encoding, sequence.items))
        return start

    def _keep_nested(
        self, header: ElementHeader, encoding: Encoding, container: Container, position: int
    ) -> None:
        if container.items is None:
            if header.start == position + 8:
                self._remember(_NESTED_TABLES[encoding.number], header, -1, encoding, position)
            return
        if header.tag not in VALUE_REPRESENTATIONS:
            return
        self.collected_bytes += header.length
        if self.collected_bytes > _MAX_COLLECTED_BYTES:
            self._too_large("sequences are larger than is read", self.collected_bytes, _MAX_COLLECTED_BYTES)
        value = self._kept(header, encoding, _MAX_COLLECTED_BYTES)
        container.items[-1][header.tag] = value

    # -- pixels and the end

    def _pixels(self, header: ElementHeader) -> int:
        """Note where the pixels lie, and pass them."""
        tag, representation, length, start = header
        if self.pixel is not None:
            self._unreadable("an image has two elements of pixels", tag=tag_name(tag))
        if (length == UNDEFINED) != self.encapsulated:
            self._unreadable(
                "the pixels are not stored as the transfer syntax says",
                tag=tag_name(tag),
                encapsulated=length == UNDEFINED,
            )
        fragments = None
        if length == UNDEFINED:
            end, fragments = pass_fragments(self.source, start, self.path)
        else:
            end = start + length
            self.source.check(end)
        self.pixel = PixelElement(
            tag=tag,
            representation=representation or "OW",
            offset=start,
            length_bytes=end - start,
            fragments=fragments,
        )
        return end

    def _at_end(self, position: int, container: Container | None) -> None:
        """Answer the end of the data: complete here, or cut."""
        if container is not None:
            raise truncated(
                "the file ends within a sequence", self.path, position + 8, self.source.size_bytes()
            )
        rest = self.peek(position)
        # A few zeros are padding, except where a tag begins with a zero.
        if self._bytes_after(position) and (any(rest) or not self.encoding.little_endian):
            raise truncated(
                "the file ends within an element", self.path, position + 8, self.source.size_bytes()
            )
