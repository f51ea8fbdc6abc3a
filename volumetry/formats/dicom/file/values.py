"""Decoding of the few DICOM attributes that are read here, and of no others.

The table is a whitelist: a patient's name, birth date, address, descriptions and comments have no entry, so
nothing here can decode them, whatever a file holds. PatientID is the one text that identifies, and the key
that joins tables.
"""

from __future__ import annotations

import struct
from pathlib import Path
from types import MappingProxyType

from volumetry.errors import ReadError

VALUE_REPRESENTATIONS = MappingProxyType(
    {
        0x00020002: "UI",  # MediaStorageSOPClassUID
        0x00020010: "UI",  # TransferSyntaxUID
        0x00080005: "CS",  # SpecificCharacterSet
        0x00080008: "CS",  # ImageType
        0x00080016: "UI",  # SOPClassUID
        0x00080018: "UI",  # SOPInstanceUID
        0x00080020: "DA",  # StudyDate
        0x00080032: "TM",  # AcquisitionTime
        0x00080060: "CS",  # Modality
        0x00081150: "UI",  # ReferencedSOPClassUID
        0x00081155: "UI",  # ReferencedSOPInstanceUID
        0x00081160: "IS",  # ReferencedFrameNumber
        0x00100020: "LO",  # PatientID
        0x00180010: "LO",  # ContrastBolusAgent: only whether there is any
        0x00180020: "CS",  # ScanningSequence
        0x00180021: "CS",  # SequenceVariant
        0x00180022: "CS",  # ScanOptions
        0x00180050: "DS",  # SliceThickness
        0x00180080: "DS",  # RepetitionTime
        0x00180081: "DS",  # EchoTime
        0x00180082: "DS",  # InversionTime
        0x00180086: "IS",  # EchoNumbers
        0x00180087: "DS",  # MagneticFieldStrength
        0x00180088: "DS",  # SpacingBetweenSlices
        0x00181060: "DS",  # TriggerTime
        0x00181164: "DS",  # ImagerPixelSpacing
        0x00189008: "CS",  # EchoPulseSequence
        0x00181314: "DS",  # FlipAngle
        0x00189087: "FD",  # DiffusionBValue
        0x0020000D: "UI",  # StudyInstanceUID
        0x0020000E: "UI",  # SeriesInstanceUID
        0x00200011: "IS",  # SeriesNumber
        0x00200012: "IS",  # AcquisitionNumber
        0x00200013: "IS",  # InstanceNumber
        0x00200032: "DS",  # ImagePositionPatient
        0x00200037: "DS",  # ImageOrientationPatient
        0x00200052: "UI",  # FrameOfReferenceUID
        0x00200060: "CS",  # Laterality
        0x00200062: "CS",  # ImageLaterality
        0x00200100: "IS",  # TemporalPositionIdentifier
        0x00280002: "US",  # SamplesPerPixel
        0x00280004: "CS",  # PhotometricInterpretation
        0x00280008: "IS",  # NumberOfFrames
        0x00280010: "US",  # Rows
        0x00280011: "US",  # Columns
        0x00280030: "DS",  # PixelSpacing
        0x00280100: "US",  # BitsAllocated
        0x00280101: "US",  # BitsStored
        0x00280102: "US",  # HighBit
        0x00280103: "US",  # PixelRepresentation
        0x00281050: "DS",  # WindowCenter
        0x00281051: "DS",  # WindowWidth
        0x00281052: "DS",  # RescaleIntercept
        0x00281053: "DS",  # RescaleSlope
        0x00282110: "CS",  # LossyImageCompression
        0x00280120: "US",  # PixelPaddingValue: the background of a label map segmentation
        0x00620001: "CS",  # SegmentationType
        0x00620004: "US",  # SegmentNumber
        0x00620005: "LO",  # SegmentLabel: the name by which a user asks for a segment
        0x0062000B: "US",  # ReferencedSegmentNumber
        0x0062000E: "US",  # MaximumFractionalValue
        0x30060022: "IS",  # ROINumber
        0x30060024: "UI",  # ReferencedFrameOfReferenceUID
        0x30060026: "LO",  # ROIName: the name by which a user asks for a region
        0x30060042: "CS",  # ContourGeometricType
        0x30060046: "IS",  # NumberOfContourPoints
        0x30060050: "DS",  # ContourData
        0x30060084: "IS",  # ReferencedROINumber
    }
)
"""The attributes that are ever decoded, and their value representations in the data dictionary."""

SEQUENCES = frozenset(
    {
        0x00081115,  # ReferencedSeriesSequence
        0x0008114A,  # ReferencedInstanceSequence
        0x00082112,  # SourceImageSequence
        0x00081140,  # ReferencedImageSequence
        0x00089124,  # DerivationImageSequence
        0x30060010,  # ReferencedFrameOfReferenceSequence
        0x30060012,  # RTReferencedStudySequence
        0x30060014,  # RTReferencedSeriesSequence
        0x30060016,  # ContourImageSequence
        0x30060020,  # StructureSetROISequence
        0x30060039,  # ROIContourSequence
        0x30060040,  # ContourSequence
        0x00620002,  # SegmentSequence
        0x0062000A,  # SegmentIdentificationSequence
        0x52009229,  # SharedFunctionalGroupsSequence
        0x52009230,  # PerFrameFunctionalGroupsSequence
        0x00209113,  # PlanePositionSequence
        0x00209116,  # PlaneOrientationSequence
        0x00289110,  # PixelMeasuresSequence
    }
)
"""The sequences whose items may be asked for."""

Number = int | float
Value = str | tuple[str, ...] | tuple[int, ...] | tuple[float, ...]

_BINARY = MappingProxyType({"US": ("H", 2), "SS": ("h", 2), "UL": ("I", 4), "FL": ("f", 4), "FD": ("d", 8)})
_TEXT = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "SH", "ST", "TM", "UI", "UT", "UC"})
_PADDING = " \0"

MODALITIES = frozenset(
    "BMD CR CT DX ES IO IVOCT IVUS MG MR NM OCT OP OPT OT PT PX RF RTIMAGE RTSTRUCT SC SEG US XA XC".split()  # noqa: SIM905
)
"""Modalities of images (DICOM PS3.3 C.7.3.1.1.1) that are passed on: a file may hold any text there."""


def decode_value(
    tag: int,
    raw: bytes,
    *,
    little_endian: bool = True,
    character_set: bytes = b"",
    where: Path | str | None = None,
) -> Value | None:
    """Decode the raw bytes of a whitelisted attribute.

    Parameters
    ----------
    tag : int
        ``0xggggeeee``, a key of `VALUE_REPRESENTATIONS`.
    raw : bytes
        The value as stored, padding included.
    little_endian : bool, optional
        Byte order of binary values.
    character_set : bytes, optional
        Raw value of SpecificCharacterSet, used for PatientID and the names of segments and regions.
    where : path or str, optional
        The file, for the message.

    Returns
    -------
    str, tuple or None
        Numbers as a tuple (one entry for one value), code strings as a tuple, UIDs, dates, times and
        PatientID as str; None where the value is empty. Not-a-number stays what it is: whether a spacing
        may be that is judged where spacings are.

    Raises
    ------
    KeyError
        For an attribute that is not in the whitelist.
    ReadError
        ``unreadable`` where the bytes are not a value of that kind.
    """
    representation = VALUE_REPRESENTATIONS[tag]
    try:
        if representation in _BINARY:
            return _decode_binary(raw, representation, little_endian)
        if representation == "LO":
            return decode_text(raw, character_set) or None
        text = raw.decode("ascii").strip(_PADDING)
        if not text:
            return None
        return _decode_text(text, representation)
    except (ValueError, OverflowError):
        raise ReadError(
            "unreadable",
            f"an element is no value of its kind, {representation}",
            where=where,
            values={"tag": tag_name(tag), "length_bytes": len(raw)},
            todo="Export the file again.",
        ) from None


def decode_text(raw: bytes, character_set: bytes = b"") -> str:
    """Decode a text by the SpecificCharacterSet of its file.

    Parameters
    ----------
    raw : bytes
        The value as stored.
    character_set : bytes, optional
        Raw value of SpecificCharacterSet.

    Returns
    -------
    str
        The text without padding. Bytes that the character set does not know are written as hex, so
        that two different values stay different.
    """
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii").strip(_PADDING)
    import warnings

    from pydicom.charset import convert_encodings, decode_bytes

    names = character_set.decode("ascii", "replace").strip(_PADDING).split("\\")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            encodings = convert_encodings([name.strip(_PADDING) for name in names])
            return decode_bytes(raw, encodings, set()).strip(_PADDING)
    except (UserWarning, LookupError, ValueError):
        return raw.decode("ascii", "backslashreplace").strip(_PADDING)


def is_compatible(tag: int, representation: str) -> bool:
    """Return whether a file may store whitelisted `tag` as `representation`.

    Texts are stored alike, so one kind of text may stand for another, and UN for any; a binary value of
    another kind would be misread.
    """
    declared = VALUE_REPRESENTATIONS.get(tag)
    if declared is None:
        return tag in SEQUENCES and representation in ("SQ", "UN")
    if representation in (declared, "UN"):
        return True
    return declared in _TEXT and representation in _TEXT


def tag_name(tag: int) -> str:
    """Return a tag as DICOM writes it: ``(0028,0030)``."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _decode_binary(raw: bytes, representation: str, little_endian: bool) -> Value | None:
    code, size = _BINARY[representation]
    count, rest = divmod(len(raw), size)
    if rest:
        raise ValueError(representation)
    if not count:
        return None
    return struct.unpack(f"{'<' if little_endian else '>'}{count}{code}", raw)


def _decode_text(text: str, representation: str) -> Value:
    if representation == "DS":
        return tuple([_number(part) for part in text.split("\\")])
    if representation == "IS":
        return tuple([_integer(part) for part in text.split("\\")])
    if representation == "CS":
        return tuple([part.strip(_PADDING) for part in text.split("\\")])
    return text


def _number(text: str) -> float:
    if "_" in text:  # Python reads 1_0 as 10; DICOM does not
        raise ValueError(text)
    return float(text)


def _integer(text: str) -> int:
    try:
        if "_" in text:
            raise ValueError(text)
        return int(text)
    except ValueError:
        number = _number(text)  # some devices write 1.0
        if number != int(number):
            raise
        return int(number)
