"""The frames of DICOM files, and how their pixels are stored."""

from __future__ import annotations

from dataclasses import dataclass

from volumetry.errors import GeometryError, ReadError
from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.pixels.codecs import FrameFormat
from volumetry.formats.opening import truncated

_GREY = "MONOCHROME2"
_FLOAT_BITS = {tags.FloatPixelData: 32, tags.DoubleFloatPixelData: 64}


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One frame of a file, and how its stored values become real ones: ``slope * stored + intercept``."""

    header: DicomHeader
    index: int = 0
    slope: float = 1.0
    intercept: float = 0.0


def classic_frame(header: DicomHeader) -> Frame:
    """Return the one frame of a classic image with the rescale of its header."""
    return frame_of(header, 0, header.rescale_slope, header.rescale_intercept)


def frame_of(header: DicomHeader, index: int, slope: float | None, intercept: float | None) -> Frame:
    """Return a frame with its rescale, 1 and 0 where the file names none."""
    slope = 1.0 if slope is None else float(slope)
    intercept = 0.0 if intercept is None else float(intercept)
    return Frame(header=header, index=index, slope=slope, intercept=intercept)


def check_grey(header: DicomHeader) -> None:
    """Refuse colour, on which nothing is measured; other facts of pixels matter to who reads them.

    Raises
    ------
    GeometryError
        ``not-3d`` for colour.
    """
    samples = header.samples_per_pixel or 1
    photometric = header.photometric_interpretation or _GREY
    if samples != 1 or not photometric.startswith("MONOCHROME"):
        raise GeometryError(
            "not-3d",
            "the image is in colour",
            where=header.path,
            values={"samples_per_pixel": samples},
            todo="Name the original series, which is not.",
        )


def frame_format(header: DicomHeader) -> FrameFormat:
    """Return how the pixels of a file are stored.

    Raises
    ------
    GeometryError
        ``not-3d`` for colour.
    ReadError
        ``truncated`` without pixels; ``unsupported-format`` for bits that are not read here; ``unreadable``
        where the header contradicts itself.
    """
    check_grey(header)
    rows, columns = header.rows, header.columns
    if header.pixel is None or not rows or not columns:
        raise truncated("the file holds no pixels", header.path, 1, 0)
    float_bits = _FLOAT_BITS.get(header.pixel.tag)
    allocated = float_bits or header.bits_allocated or 0
    stored = allocated if float_bits else header.bits_stored or allocated
    high = stored - 1 if float_bits or header.high_bit is None else header.high_bit
    if allocated not in (8, 16, 32, 64) or (allocated == 64 and not float_bits):
        raise ReadError(
            "unsupported-format",
            "pixels of so many bits are not read here",
            where=header.path,
            values={"bits_allocated": allocated},
            todo="Export the series as 8, 16 or 32 bit images.",
        )
    if not 1 <= stored <= allocated or not stored - 1 <= high < allocated:
        raise ReadError(
            "unreadable",
            "the bits of a pixel contradict each other",
            where=header.path,
            values={"bits_allocated": allocated, "bits_stored": stored, "high_bit": high},
            todo="Export the series again.",
        )
    return FrameFormat(
        rows=rows,
        columns=columns,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high,
        is_signed=header.pixel_representation == 1,
        is_float=float_bits is not None,
        photometric_interpretation=header.photometric_interpretation or _GREY,
    )
