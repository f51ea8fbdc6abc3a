"""Compressed frames decoded by GDCM through SimpleITK: the peer of this program's decoders.

A frame is handed over as a DICOM file of nothing but the matrix and the code stream.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_ANY_UID = "2.25.1"


def decode_frames(
    frames: Sequence[bytes],
    transfer_syntax_uid: str,
    *,
    rows: int,
    columns: int,
    bits_allocated: int,
    bits_stored: int,
    is_signed: bool,
) -> NDArray[Any]:
    """Decode code streams of one kind into (n_frames, rows, columns) stored values.

    Raises
    ------
    RuntimeError
        Where SimpleITK cannot read one of them.
    """
    itk: Any = import_module("SimpleITK")
    elements = [
        (0x0002, "US", struct.pack("<H", 1)),
        (0x0004, "CS", b"MONOCHROME2 "),
        (0x0010, "US", struct.pack("<H", rows)),
        (0x0011, "US", struct.pack("<H", columns)),
        (0x0100, "US", struct.pack("<H", bits_allocated)),
        (0x0101, "US", struct.pack("<H", bits_stored)),
        (0x0102, "US", struct.pack("<H", bits_stored - 1)),
        (0x0103, "US", struct.pack("<H", int(is_signed))),
    ]
    reader = itk.ImageSeriesReader()  # looks at a file once; the reader of single files twice
    reader.SetImageIO("GDCMImageIO")
    reader.SetOutputPixelType(getattr(itk, f"sitk{'' if is_signed else 'U'}Int{bits_allocated}"))
    settings = itk.ProcessObject
    shown = settings.GetGlobalWarningDisplay()
    settings.SetGlobalWarningDisplay(False)
    try:
        with ExitStack() as stack:
            files = (_file_of(frame, transfer_syntax_uid, elements) for frame in frames)
            reader.SetFileNames([stack.enter_context(_path_to(file)) for file in files])
            image = reader.Execute()
    finally:
        settings.SetGlobalWarningDisplay(shown)
    return np.asarray(itk.GetArrayFromImage(image)).reshape(len(frames), rows, columns)


def _file_of(frame: bytes, transfer_syntax_uid: str, elements: list[tuple[int, str, bytes]]) -> bytes:
    """Return the shortest DICOM file that holds a code stream."""
    meta = b"".join(
        (
            _element(0x0002, 0x0002, "UI", _uid(_SECONDARY_CAPTURE)),
            _element(0x0002, 0x0003, "UI", _uid(_ANY_UID)),
            _element(0x0002, 0x0010, "UI", _uid(transfer_syntax_uid)),
        )
    )
    frame += b"\0" * (len(frame) % 2)
    return b"".join(
        (
            b"\0" * 128 + b"DICM",
            _element(0x0002, 0x0000, "UL", struct.pack("<I", len(meta))),
            meta,
            _element(0x0008, 0x0016, "UI", _uid(_SECONDARY_CAPTURE)),
            _element(0x0008, 0x0018, "UI", _uid(_ANY_UID)),
            *(_element(0x0028, number, kind, value) for number, kind, value in elements),
            struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF),
            struct.pack("<HHI", 0xFFFE, 0xE000, 0),
            struct.pack("<HHI", 0xFFFE, 0xE000, len(frame)),
            frame,
            struct.pack("<HHI", 0xFFFE, 0xE0DD, 0),
        )
    )


def _element(group: int, number: int, kind: str, value: bytes) -> bytes:
    return struct.pack("<HH2sH", group, number, kind.encode(), len(value)) + value


def _uid(uid: str) -> bytes:
    return uid.encode() + b"\0" * (len(uid) % 2)


@contextmanager
def _path_to(data: bytes) -> Iterator[str]:
    """Give bytes a path: of anonymous memory where there is such a thing, else of a temporary file."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("frame")
        try:
            os.write(descriptor, data)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
        file.write(data)
        file.flush()
        yield file.name
