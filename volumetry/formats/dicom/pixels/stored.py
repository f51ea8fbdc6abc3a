"""From stored values to real ones: byte order, bits that count, rescale."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import ReadError
from volumetry.formats.dicom.file.syntax import GE_IMPLICIT
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.pixels.codecs import FrameFormat
from volumetry.formats.dicom.pixels.frames import Frame


def significant(values: NDArray[Any], header: DicomHeader, pixel_format: FrameFormat) -> NDArray[Any]:
    """Bring stored values to this machine's byte order and clear the bits that do not count, in place."""
    if not header.has_little_endian_pixels:
        if pixel_format.bits_allocated > 8:
            values.byteswap(inplace=True)
        elif header.transfer_syntax_uid == GE_IMPLICIT:
            raise ReadError(
                "unsupported-codec",
                "pixels of 8 bits in GE's private transfer syntax, whose order is stated nowhere",
                where=header.path,
                values={"transfer_syntax_uid": GE_IMPLICIT},
                todo="Convert the file to Explicit VR Little Endian; outlines are measured on it as it is.",
            )
        elif header.pixel is not None and header.pixel.representation == "OW":
            _swap_bytes_in_words(values, header)
    unused = pixel_format.bits_allocated - pixel_format.bits_stored
    if pixel_format.is_float or not unused:
        return values
    above = pixel_format.bits_allocated - 1 - pixel_format.high_bit
    if above == unused and _are_within(values, pixel_format):
        return values  # nothing to clear: to look costs less than to write
    if pixel_format.is_signed:
        np.left_shift(values, above, out=values)
        np.right_shift(values, unused, out=values)
    elif above == unused:
        np.bitwise_and(values, values.dtype.type((1 << pixel_format.bits_stored) - 1), out=values)
    else:
        np.left_shift(values, above, out=values)
        np.right_shift(values, unused, out=values)
    return values


def _are_within(values: NDArray[Any], pixel_format: FrameFormat) -> bool:
    """Whether all values are such as the stored bits hold, so that the bits above them say nothing else."""
    bits = pixel_format.bits_stored
    if pixel_format.is_signed:
        half = 1 << bits - 1
        return bool(-half <= int(values.min()) and int(values.max()) < half)
    return int(values.max()) < 1 << bits


def _swap_bytes_in_words(values: NDArray[Any], header: DicomHeader) -> None:
    """Put bytes in their order that lie swapped within 16 bit words."""
    if values.size % 2:
        raise ReadError(
            "unsupported-format",
            "an odd number of pixels is stored in big endian words",
            where=header.path,
            values={"pixels": values.size},
            todo="Convert the file to Explicit VR Little Endian.",
        )
    words = values.reshape(-1, 2)
    words[:] = words[:, ::-1].copy()


def put(values: NDArray[Any], frame: Frame, target: NDArray[Any]) -> None:
    """Rescale stored values into their slice."""
    if frame.slope == 1 and frame.intercept == 0:
        if values is not target and not np.shares_memory(values, target):
            np.copyto(target, values, casting="unsafe")
    elif target.dtype.kind == "f":
        np.multiply(values, frame.slope, out=target, casting="unsafe")
        target += frame.intercept
    else:
        np.add(values, int(frame.intercept), out=target, dtype=target.dtype, casting="unsafe")
