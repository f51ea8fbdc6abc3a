"""The guarded walk through the elements of a DICOM file.

Every DICOM file passes here before anything else reads it. The walk reads no more than the header, takes no
memory for what a file merely declares, uses no recursion, and has an answer for every file: its elements, or
an error with a code. What pydicom would guess (an unknown value representation, an element that comes twice)
is refused by name.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from volumetry.errors import ReadError
from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.file.gzipped import GZIP_MAGIC, inflated
from volumetry.formats.dicom.file.plain_file import PlainFiles
from volumetry.formats.dicom.file.selection import ElementSelection, Item, PixelElement, Walked
from volumetry.formats.dicom.file.source import FileSource, InflateSource
from volumetry.formats.dicom.file.syntax import (
    DEFLATED_LITTLE_ENDIAN,
    DICOMDIR_SOP_CLASS,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    encoding_of,
    first_element,
    is_encapsulated,
)
from volumetry.formats.dicom.file.values import Value, decode_value
from volumetry.formats.dicom.file.walk import ElementWalk
from volumetry.formats.limits import DEFAULT_LIMITS, Limits
from volumetry.formats.opening import open_regular

_FIRST_WINDOW_BYTES = 8 << 10
_META = ElementSelection(tags=(tags.TransferSyntaxUID, tags.MediaStorageSOPClassUID))


@dataclass(frozen=True, kw_only=True, slots=True)
class DicomElements:
    """What a walk found.

    Parameters
    ----------
    path : str
        The file.
    file_bytes : int
        Its size.
    transfer_syntax_uid : str
        As declared; where there is no declaration, or a wrong one, as the elements are written.
    media_storage_sop_class_uid : str
        Of the file meta information; empty without it.
    selection : ElementSelection
        What was asked for.
    values : tuple of (bytes or None)
        Raw values in the order of ``selection.tags``; None where absent.
    sequences : dict of int to list of Item
        The sequences asked for.
    pixel : PixelElement or None
        The pixels of the image.
    little_endian : bool
        Byte order of binary values and pixels.
    trailing_bytes : int
        Bytes after the end of the contents.
    """

    path: str
    file_bytes: int
    transfer_syntax_uid: str
    media_storage_sop_class_uid: str
    selection: ElementSelection
    values: tuple[bytes | None, ...] = field(repr=False)  # some are of the patient
    sequences: dict[int, list[Item]] = field(repr=False)
    pixel: PixelElement | None
    little_endian: bool
    trailing_bytes: int

    @property
    def is_dicomdir(self) -> bool:
        """Whether this is a DICOMDIR, a list of other files; its elements were not walked."""
        return self.media_storage_sop_class_uid == DICOMDIR_SOP_CLASS

    def raw(self, tag: int) -> bytes | None:
        """Return the bytes of a selected element, None where absent."""
        return self.values[self.selection.slots[tag]]

    def value(self, tag: int) -> Value | None:
        """Return a selected element, decoded by `decode_value`; None where absent or empty."""
        raw = self.raw(tag)
        if raw is None:
            return None
        slot = self.selection.slots.get(tags.SpecificCharacterSet)
        charset = (slot is not None and self.values[slot]) or b""
        return decode_value(
            tag, raw, little_endian=self.little_endian, character_set=charset, where=self.path
        )


def walk_file(
    path: Path | str,
    selection: ElementSelection,
    *,
    limits: Limits = DEFAULT_LIMITS,
    follow_link: bool = True,
) -> DicomElements:
    """Walk the elements of a DICOM file.

    Parameters
    ----------
    path : path or str
        A file with or without preamble and meta information, in implicit or explicit little endian, explicit
        big endian, deflated, or with encapsulated pixels.
    selection : ElementSelection
        What to keep of it.
    limits : Limits, optional
        Sizes and depth to hold it to.
    follow_link : bool, optional
        Whether `path` may be a symbolic link.

    Returns
    -------
    DicomElements
        The raw values; for a DICOMDIR only that it is one.

    Raises
    ------
    ReadError
        ``unsupported-format`` where it is not DICOM, ``truncated`` where it ends too early (also where it is
        empty), ``too-deep``, ``too-large``, ``unsupported-codec`` for an unknown transfer syntax,
        ``unreadable`` where elements contradict each other or the standard; ``not-found``.
    """
    descriptor, file_bytes = open_regular(path, follow_link=follow_link)
    try:
        return walk_descriptor(descriptor, file_bytes, path, selection, limits=limits)
    except OSError as error:
        raise ReadError(
            "unreadable",
            f"reading failed: {error.strerror}",
            where=path,
            todo="Check the disk or copy the file again.",
        ) from None
    finally:
        os.close(descriptor)


def walk_descriptor(
    descriptor: int,
    file_bytes: int,
    path: Path | str,
    selection: ElementSelection,
    *,
    limits: Limits = DEFAULT_LIMITS,
) -> DicomElements:
    """Walk the elements of an open file; see `walk_file`."""
    syntax, media_class, walk = walk_open_file(descriptor, file_bytes, path, selection, limits)
    return _elements(path, file_bytes, syntax, media_class, selection, walk)


def walk_open_file(
    descriptor: int, file_bytes: int, path: Path | str, selection: ElementSelection, limits: Limits
) -> tuple[str, str, Walked | None]:
    """Walk the elements of an open file, for callers that make another record of them.

    Returns
    -------
    transfer_syntax_uid, media_storage_sop_class_uid : str
        As in `DicomElements`.
    walked : Walked or None
        With values, sequences and pixels; None for a DICOMDIR.
    """
    head = os.pread(descriptor, _FIRST_WINDOW_BYTES, 0)
    plain = _plain_files(selection).walk(head, file_bytes)
    if plain is not None:
        return EXPLICIT_LITTLE_ENDIAN, _uid(plain[0]), plain[1]
    if head.startswith(GZIP_MAGIC):
        whole = inflated(descriptor, file_bytes, path, limits)
        try:
            return walk_open_file(whole, os.fstat(whole).st_size, path, selection, limits)
        finally:
            os.close(whole)
    start = first_element(head, file_bytes, path)
    walk = ElementWalk(FileSource(descriptor, file_bytes, path), path, _META, limits)
    walk.buffer = head
    position = walk.meta(start, head)
    declared, media_class = _uid(walk.values[0]), _uid(walk.values[1])
    if media_class == DICOMDIR_SOP_CLASS:
        return declared, media_class, None
    syntax, encoding = encoding_of(declared, walk.peek(position), file_bytes - position, path)
    if syntax == DEFLATED_LITTLE_ENDIAN:
        deflated = InflateSource(descriptor, position, file_bytes, path, limits)
        walk = ElementWalk(deflated, path, _META, limits)
        position = 0
    walk.data_set(position, encoding, is_encapsulated(syntax), selection)
    return syntax, media_class, walk.walked()


_PLAIN_FILES: dict[int, tuple[ElementSelection, PlainFiles]] = {}


def _plain_files(selection: ElementSelection) -> PlainFiles:
    """Return the layouts that were met with a selection, which is kept so that its number stays its own."""
    found = _PLAIN_FILES.get(id(selection))
    if found is None:
        found = _PLAIN_FILES.setdefault(id(selection), (selection, PlainFiles(selection, _META)))
    return found[1]


def _elements(
    path: Path | str,
    file_bytes: int,
    syntax: str,
    media_class: str,
    selection: ElementSelection,
    walked: Walked | None,
) -> DicomElements:
    none: Walked = Walked((None,) * len(selection.tags), {}, None, 0)
    found = none if walked is None else walked
    return DicomElements(
        path=os.fspath(path),
        file_bytes=file_bytes,
        transfer_syntax_uid=syntax,
        media_storage_sop_class_uid=media_class,
        selection=selection,
        values=found.values,
        sequences=found.sequences,
        pixel=found.pixel,
        little_endian=syntax != EXPLICIT_BIG_ENDIAN,
        trailing_bytes=found.trailing_bytes,
    )


@lru_cache(maxsize=256)
def _uid(raw: bytes | None) -> str:
    return (raw or b"").decode("ascii", "replace").strip(" \0")
