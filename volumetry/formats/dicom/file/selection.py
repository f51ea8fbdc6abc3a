"""What a walk is to keep of a file, and what it finds there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from volumetry.formats.dicom.file.header_table import HeaderTable
from volumetry.formats.dicom.file.tags import tag_name
from volumetry.formats.dicom.file.values import SEQUENCES, VALUE_REPRESENTATIONS

Tables = tuple[HeaderTable, HeaderTable, HeaderTable]


def header_tables() -> Tables:
    """Return empty tables, one for each encoding."""
    return HeaderTable(), HeaderTable(), HeaderTable()


@dataclass(frozen=True, kw_only=True, slots=True)
class ElementSelection:
    """The elements of the top level that a walk is to keep.

    Parameters
    ----------
    tags : tuple of int
        Keys of `VALUE_REPRESENTATIONS`; each has its slot in `DicomElements.values`, in this order.
    sequences : frozenset of int, optional
        Members of `SEQUENCES` whose items are kept, with all that is whitelisted inside them.
    """

    tags: tuple[int, ...]
    sequences: frozenset[int] = frozenset()
    slots: dict[int, int] = field(init=False, repr=False, compare=False)
    tables: Tables = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        unknown = set(self.tags) - VALUE_REPRESENTATIONS.keys() | self.sequences - SEQUENCES
        if unknown:
            raise ValueError(f"not in the whitelist: {sorted(map(tag_name, unknown))}")
        object.__setattr__(self, "slots", {tag: slot for slot, tag in enumerate(self.tags)})
        object.__setattr__(self, "tables", header_tables())


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelElement:
    """Where the pixels lie.

    Parameters
    ----------
    tag : int
        PixelData, or FloatPixelData (7FE0,0008) or DoubleFloatPixelData (7FE0,0009).
    representation : str
        Value representation, ``OW`` where the file does not say.
    offset : int
        First byte of the value, in the file or, for a deflated one, in its inflated data set.
    length_bytes : int
        Bytes of the value; with all item headers where it is encapsulated.
    fragments : int or None
        Number of items of encapsulated pixels, the offset table included; None for native pixels.
    """

    tag: int
    representation: str
    offset: int
    length_bytes: int
    fragments: int | None = None


Item = dict[int, Any]
"""Whitelisted elements of a sequence item: raw bytes, or a list of items, by tag."""


class Walked(NamedTuple):
    """What a walk found: values in the order of the selection, sequences, pixels, bytes after the end."""

    values: tuple[bytes | None, ...]
    sequences: dict[int, list[Item]]
    pixel: PixelElement | None
    trailing_bytes: int
