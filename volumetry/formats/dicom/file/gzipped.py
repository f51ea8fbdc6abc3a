"""DICOM files that were gzip'ed as a whole (``.dcm.gz``), as archives and BIDS tools keep them."""

from __future__ import annotations

import os
import tempfile
import zlib
from pathlib import Path
from typing import BinaryIO

from volumetry.errors import ReadError
from volumetry.formats.limits import DEFAULT_LIMITS, Limits, check_size
from volumetry.formats.opening import open_regular, truncated

GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_PIECE_BYTES = 1 << 20
_HEAD_BYTES = 132


def open_dicom(path: Path | str) -> tuple[int, int]:
    """Open a DICOM file for reading; what is gzip'ed is inflated into a nameless temporary file.

    Returns
    -------
    descriptor : int
        Of the file, or of what it inflates to; to be closed by the caller.
    file_bytes : int
        Size of the file itself.

    Raises
    ------
    ReadError
        As `volumetry.formats.opening.open_regular` and `inflated`.
    """
    descriptor, file_bytes = open_regular(path)
    try:
        if os.pread(descriptor, 2, 0) != GZIP_MAGIC:
            return descriptor, file_bytes
        whole = inflated(descriptor, file_bytes, path)
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return whole, file_bytes


def open_stream(path: Path | str) -> BinaryIO:
    """Open a DICOM file for a library that reads streams; what is gzip'ed is inflated before.

    Raises
    ------
    ReadError
        As `open_dicom`.
    """
    stream = os.fdopen(open_dicom(path)[0], "rb")
    stream.seek(0)
    return stream


def inflated(descriptor: int, file_bytes: int, path: Path | str, limits: Limits = DEFAULT_LIMITS) -> int:
    """Inflate an open gzip file; nothing is kept of one that does not hold DICOM.

    Returns
    -------
    int
        Descriptor of a nameless temporary file, to be closed by the caller.

    Raises
    ------
    ReadError
        ``unsupported-format`` where no DICOM is inside, ``truncated``, ``unreadable``, ``too-large``.
    """
    with tempfile.TemporaryFile() as whole:
        inflate, offset, size = zlib.decompressobj(_GZIP_WINDOW), 0, 0
        while not inflate.eof:
            piece = inflate.unconsumed_tail or os.pread(descriptor, _PIECE_BYTES, offset)
            if not inflate.unconsumed_tail:
                offset += len(piece)
            try:
                plain = inflate.decompress(piece, _PIECE_BYTES)
            except zlib.error:
                raise ReadError(
                    "unreadable", "the gzip'ed file is damaged", where=path, todo="Copy the file again."
                ) from None
            if not piece and not plain:
                raise truncated("the gzip'ed file has no end", path, None, size)
            is_dicom = size > 0 or plain[128:_HEAD_BYTES] == b"DICM"
            if plain and not is_dicom:
                raise ReadError(
                    "unsupported-format",
                    "the gzip'ed file holds no DICOM file",
                    where=path,
                    todo="Unpack it, and name a DICOM, NIfTI, NRRD or MetaImage file.",
                )
            size += len(plain)
            check_size(size, file_bytes, path, limits=limits)
            whole.write(plain)
        whole.flush()
        return os.dup(whole.fileno())
