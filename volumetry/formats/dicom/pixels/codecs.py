"""Compressed DICOM frames: one frame in, its pixels out, through decoders of which none is GPL.

What a compressed image says of its own size is compared with the header before a decoder sees it, so that a
few bytes cannot make a decoder take gigabytes.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from os import cpu_count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import ReadError, VolumetryError
from volumetry.formats.opening import truncated

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS = frozenset({"1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"})
JPEG_LS = frozenset({"1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"})
JPEG_2000 = frozenset({"1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"})
HTJ2K = frozenset({"1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203"})
RLE = "1.2.840.10008.1.2.5"
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"

LOSSY_SYNTAXES = frozenset(
    {
        JPEG_BASELINE,
        JPEG_EXTENDED,
        "1.2.840.10008.1.2.4.81",
        "1.2.840.10008.1.2.4.91",
        "1.2.840.10008.1.2.4.203",
    }
)
"""Transfer syntaxes whose pixels may have been changed."""

_BY_IMAGECODECS = {
    **dict.fromkeys(JPEG_LOSSLESS | {JPEG_BASELINE, JPEG_EXTENDED}, "jpeg8_decode"),
    **dict.fromkeys(JPEG_LS, "jpegls_decode"),
    **dict.fromkeys(JPEG_2000 | HTJ2K, "jpeg2k_decode"),
}
"""Its decoders that only raise at corrupt input (docs/decisions/0010). Two others end the process there,
``dicomrle_decode`` and ``ljpeg_decode``: they decode nothing here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameFormat:
    """What a header says of the pixels of one frame.

    Parameters
    ----------
    rows, columns : int
    bits_allocated, bits_stored, high_bit : int
    is_signed : bool
    is_float : bool
        Float or Double Float Pixel Data.
    photometric_interpretation : str
        ``MONOCHROME1`` or ``MONOCHROME2``.
    """

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    is_float: bool
    photometric_interpretation: str

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame without compression."""
        return self.rows * self.columns * self.bits_allocated // 8

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a stored value, in the byte order of this machine."""
        kind = "f" if self.is_float else "i" if self.is_signed else "u"
        return np.dtype(f"{kind}{self.bits_allocated // 8}")


@dataclass(frozen=True, kw_only=True, slots=True)
class CompressedFrame:
    """The code stream of one frame, and the file it is from."""

    stream: bytes
    path: str


def decoded_frames(
    frames: Sequence[CompressedFrame], frame_format: FrameFormat, transfer_syntax_uid: str
) -> Iterable[NDArray[Any]]:
    """Decode compressed frames of one format.

    Parameters
    ----------
    frames : sequence of CompressedFrame
    frame_format : FrameFormat
    transfer_syntax_uid : str

    Returns
    -------
    iterable of (rows, columns) arrays
        Stored values, sign extended, without rescale.

    Raises
    ------
    ReadError
        ``unsupported-codec``, ``unreadable``, ``truncated``.
    """
    decode = _decoder(frame_format, transfer_syntax_uid, frames[0].path)
    for frame in frames:
        _check_stream(frame.stream, frame_format, transfer_syntax_uid, frame.path)

    def decoded(frame: CompressedFrame) -> NDArray[Any]:
        return _shielded(decode, frame.stream, frame.path)

    # These let other threads run while they decode; the others are slower on several threads than on one.
    workers = min(4, cpu_count() or 1, len(frames))
    if workers < 2 or transfer_syntax_uid not in _BY_IMAGECODECS:
        return map(decoded, frames)
    with ThreadPoolExecutor(workers) as executor:
        return list(executor.map(decoded, frames))


def _shielded(decode: Callable[[bytes], NDArray[Any]], frame: bytes, path: Path | str) -> NDArray[Any]:
    """Turn whatever a decoder raises into one error: the thin edge to foreign code."""
    try:
        return decode(frame)
    except VolumetryError:
        raise
    except Exception as error:  # noqa: BLE001 - decoders raise anything at corrupt input
        raise ReadError(
            "unreadable",
            "the compressed pixels cannot be decoded",
            where=path,
            values={"reason": type(error).__name__},
            todo="Export the file again.",
        ) from None


def _decoder(
    frame_format: FrameFormat, transfer_syntax_uid: str, path: Path | str
) -> Callable[[bytes], NDArray[Any]]:
    if transfer_syntax_uid == DEFLATED_FRAMES:
        return lambda frame: _inflated(frame, frame_format)
    if transfer_syntax_uid == RLE:
        return _rle_decoder(frame_format)
    name = _BY_IMAGECODECS.get(transfer_syntax_uid)
    if name is None:
        raise ReadError(
            "unsupported-codec",
            "no decoder here reads this compression",
            where=path,
            values={"transfer_syntax_uid": transfer_syntax_uid},
            todo="Convert the file to Explicit VR Little Endian.",
        )
    decode: Callable[[bytes], NDArray[Any]] = getattr(import_module("imagecodecs"), name)
    return lambda frame: _as_declared(decode(frame), frame_format)


def _as_declared(values: NDArray[Any], frame_format: FrameFormat) -> NDArray[Any]:
    """Return decoded values in the type of the header: a code stream may know no signs, or others."""
    wanted = frame_format.dtype
    if values.shape != (frame_format.rows, frame_format.columns) or values.dtype.itemsize > wanted.itemsize:
        raise ValueError("another matrix or more bits than the header declares")
    is_signed = values.dtype.kind == "i"
    stored = values.astype(wanted, copy=False)
    unused = frame_format.bits_allocated - frame_format.bits_stored
    if is_signed == frame_format.is_signed or (not unused and not is_signed):
        return stored
    if frame_format.is_signed:
        return np.asarray(np.right_shift(np.left_shift(stored, unused), unused))
    return np.asarray(np.bitwise_and(stored, wanted.type((1 << frame_format.bits_stored) - 1)))


def _rle_decoder(frame_format: FrameFormat) -> Callable[[bytes], NDArray[Any]]:
    """Return pydicom's own decoder of RLE."""
    from pydicom.encaps import encapsulate
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    decoder = get_decoder(UID(RLE))
    options: dict[str, Any] = {
        "rows": frame_format.rows,
        "columns": frame_format.columns,
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "photometric_interpretation": frame_format.photometric_interpretation,
        "bits_allocated": frame_format.bits_allocated,
        "bits_stored": frame_format.bits_stored,
        "pixel_representation": int(frame_format.is_signed),
        "pixel_keyword": "PixelData",
    }

    def decode(frame: bytes) -> NDArray[Any]:
        single = encapsulate([frame], has_bot=False)
        return decoder.as_array(single, raw=True, decoding_plugin="pydicom", **options)[0]

    return decode


def _inflated(frame: bytes, frame_format: FrameFormat) -> NDArray[Any]:
    """Inflate a deflated frame, never beyond its declared size."""
    raw = zlib.decompressobj(-zlib.MAX_WBITS).decompress(frame, frame_format.frame_bytes)
    values = np.frombuffer(raw, frame_format.dtype.newbyteorder("<"))
    return values.reshape(frame_format.rows, frame_format.columns).astype(frame_format.dtype)


def split_frames(value: bytes, number_of_frames: int, path: Path | str) -> list[bytes]:
    """Split encapsulated pixels into the code streams of their frames.

    Parameters
    ----------
    value : bytes
        The value of Pixel Data: an offset table and fragments, as items.
    number_of_frames : int
    path : path or str
        The file, for the message.

    Raises
    ------
    ReadError
        ``truncated`` where there are fewer frames than declared; ``unreadable``.
    """
    from pydicom.encaps import generate_frames

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frames = list(generate_frames(value, number_of_frames=number_of_frames))
    except Exception as error:  # noqa: BLE001 - the thin edge to foreign code
        raise ReadError(
            "unreadable",
            "the items of the compressed pixels do not fit together",
            where=path,
            values={"reason": type(error).__name__, "frames": number_of_frames},
            todo="Export the file again.",
        ) from None
    if len(frames) < number_of_frames or not all(frames):
        raise ReadError(
            "truncated",
            "there are fewer compressed frames than declared",
            where=path,
            values={"declared": number_of_frames, "found": sum(map(bool, frames))},
            todo="Copy or export the file again.",
        )
    return frames


def _check_stream(
    frame: bytes, frame_format: FrameFormat, transfer_syntax_uid: str, path: Path | str
) -> None:
    """Refuse a code stream that has no end, or declares another matrix than the header."""
    if transfer_syntax_uid in (RLE, DEFLATED_FRAMES):
        return  # neither declares one: their decoders fill the matrix of the header
    is_2000 = transfer_syntax_uid in JPEG_2000 | HTJ2K
    if not is_2000 and not frame.rstrip(b"\0\xff").endswith(b"\xd9"):
        # CharLS, for one, takes ten seconds over a cut stream of a kilobyte.
        raise truncated("a compressed image has no end", path, len(frame) + 2, len(frame))
    found = _jpeg_2000_size(frame) if is_2000 else _jpeg_size(frame)
    if found != (frame_format.rows, frame_format.columns, 1):
        raise ReadError(
            "unreadable",
            "the compressed image has another matrix than its header, or none",
            where=path,
            values={
                "rows": frame_format.rows,
                "columns": frame_format.columns,
                "rows x columns x samples found": found or "none",
            },
            todo="Export the file again.",
        )


def _jpeg_size(frame: bytes) -> tuple[int, int, int] | None:
    """Rows, columns and components of the start-of-frame segment (ISO 10918-1 B.2.2, ISO 14495-1 C.2.2)."""
    position = 2
    while frame[:2] == b"\xff\xd8" and position + 10 <= len(frame) and frame[position] == 0xFF:
        marker = frame[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        is_start = (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7
        if is_start:
            precision, rows, columns, components = struct.unpack_from(">BHHB", frame, position + 4)
            # Beyond 16 bits GDCM does not return from its error.
            return (int(rows), int(columns), int(components)) if 2 <= precision <= 16 else None
        position += 2 + int.from_bytes(frame[position + 2 : position + 4], "big")
    return None


def _jpeg_2000_size(frame: bytes) -> tuple[int, int, int] | None:
    """Rows, columns and components of the SIZ segment (ISO 15444-1 A.5.1), inside a JP2 file or bare."""
    start = 0 if frame[:4] == b"\xff\x4f\xff\x51" else frame.find(b"\xff\x4f\xff\x51", 0, 4096)
    if start < 0 or start + 42 > len(frame):
        return None
    right, bottom, left, top = struct.unpack_from(">IIII", frame, start + 8)
    (components,) = struct.unpack_from(">H", frame, start + 40)
    return bottom - top, right - left, components
