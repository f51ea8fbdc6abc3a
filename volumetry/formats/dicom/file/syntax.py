"""How the elements of a DICOM file are written, and whether a file is one."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

from volumetry.errors import ReadError
from volumetry.formats.opening import truncated

DICOMDIR_SOP_CLASS = "1.2.840.10008.1.3.10"
IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED_LITTLE_ENDIAN = "1.2.840.10008.1.2.1.99"

PIXEL_DATA = 0x7FE00010
PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, PIXEL_DATA})

SHORT_LENGTH = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split()  # 16 bit length
)
LONG_LENGTH = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())  # 32 bit length after a gap
KNOWN_REPRESENTATIONS = SHORT_LENGTH | LONG_LENGTH


class Encoding(NamedTuple):
    """How headers of elements are written."""

    number: int
    explicit: bool
    little_endian: bool
    header: struct.Struct
    length: struct.Struct


EXPLICIT = Encoding(0, True, True, struct.Struct("<HH2sH"), struct.Struct("<I"))
BIG = Encoding(1, True, False, struct.Struct(">HH2sH"), struct.Struct(">I"))
IMPLICIT = Encoding(2, False, True, struct.Struct("<HHI"), struct.Struct("<I"))


def first_element(head: bytes, file_bytes: int, path: Path | str) -> int:
    """Return where the elements begin, or raise where this is not DICOM."""
    if head[128:132] == b"DICM":
        return 132
    if not file_bytes:
        raise truncated("the file is empty", path, 132, 0)
    if file_bytes < 132 and not any(head):
        raise truncated("the file ends within its preamble", path, 132, file_bytes)
    if _is_element(head, file_bytes):
        return 0
    raise ReadError(
        "unsupported-format",
        "this is not a DICOM file",
        where=path,
        todo="Name a DICOM file, or one of another format by its own suffix.",
    )


def _is_element(head: bytes, file_bytes: int) -> bool:
    """Return whether bytes without preamble plausibly begin with an element of group 0002 or 0008."""
    if len(head) < 8:
        return False
    if head[4:6] in KNOWN_REPRESENTATIONS:
        if head[:2] == b"\0\x08":
            return head[2] == 0
        return head[:2] in (b"\x02\0", b"\x08\0") and head[3] == 0
    group, element, length = IMPLICIT.header.unpack_from(head)
    return bool(group == 0x0008 and element < 0x0100 and length <= min(1024, file_bytes - 8))


def encoding_of(declared: str, first: bytes, remaining_bytes: int, path: Path | str) -> tuple[str, Encoding]:
    """Return the transfer syntax and how its elements are written."""
    if remaining_bytes <= 0:
        raise truncated("the file ends after its meta information", path, 8, 0)
    if declared == DEFLATED_LITTLE_ENDIAN:
        return declared, EXPLICIT
    if not declared:
        declared = _sniffed(first)
    explicit = first[4:6] in KNOWN_REPRESENTATIONS
    if declared == IMPLICIT_LITTLE_ENDIAN:
        if explicit:
            raise _contradiction(path)
        return declared, IMPLICIT
    if declared == EXPLICIT_BIG_ENDIAN:
        return declared, BIG
    if declared == EXPLICIT_LITTLE_ENDIAN or is_encapsulated(declared):
        if len(first) == 8 and not explicit:
            raise _contradiction(path)
        return declared, EXPLICIT
    raise ReadError(
        "unsupported-codec",
        "the transfer syntax is not known here",
        where=path,
        values={"transfer_syntax_uid": declared[:64]},
        todo="Convert the file to Explicit VR Little Endian.",
    )


def _sniffed(first: bytes) -> str:
    if first[4:6] not in KNOWN_REPRESENTATIONS:
        return IMPLICIT_LITTLE_ENDIAN
    return EXPLICIT_BIG_ENDIAN if first[:2] == b"\0\x08" else EXPLICIT_LITTLE_ENDIAN


def _contradiction(path: Path | str) -> ReadError:
    return ReadError(
        "unreadable",
        "the elements are not written as the transfer syntax says",
        where=path,
        todo="Export the file again.",
    )


def is_encapsulated(syntax: str) -> bool:
    """Return whether pixels of this transfer syntax are encapsulated: JPEG and its kin, RLE, MPEG."""
    return syntax in _ENCAPSULATED or (
        syntax.startswith("1.2.840.10008.1.2.4.") and syntax not in _BY_REFERENCE
    )


# JPIP: the pixels are on a server.
_BY_REFERENCE = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (94, 95, 204, 205))
_ENCAPSULATED = frozenset({"1.2.840.10008.1.2.5", "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1"})
