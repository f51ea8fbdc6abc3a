"""Decoding of the few DICOM attributes that are read here, and of no others.

The table is a whitelist: a patient's name and address, and comments on images, have no entry, so nothing here
can decode them, whatever a file holds. PatientID is the one text that identifies, and the key that joins
tables. Birth date, sex, age and numbers of a person are only compared, in memory, and kept nowhere
(`volumetry.formats.dicom.person`). Descriptions of series and regions are asked for a side word alone.
"""

from __future__ import annotations

import re
import struct
from datetime import date
from pathlib import Path
from types import MappingProxyType

from volumetry.errors import ReadError
from volumetry.formats.dicom.file import tags

VALUE_REPRESENTATIONS = MappingProxyType(
    {
        tags.MediaStorageSOPClassUID: "UI",
        tags.TransferSyntaxUID: "UI",
        tags.SpecificCharacterSet: "CS",
        tags.ImageType: "CS",
        tags.SOPClassUID: "UI",
        tags.SOPInstanceUID: "UI",
        tags.StudyDate: "DA",
        tags.SeriesDate: "DA",  # compared in memory by `person`, as are those with its name
        tags.AcquisitionDate: "DA",
        tags.AcquisitionDateTime: "DT",
        tags.AcquisitionTime: "TM",
        tags.Modality: "CS",
        tags.ReferencedSOPClassUID: "UI",
        tags.ReferencedSOPInstanceUID: "UI",
        tags.ReferencedFrameNumber: "IS",
        tags.CodeValue: "SH",
        tags.StudyDescription: "LO",  # only which side it names, if any
        tags.SeriesDescription: "LO",  # only which side it names, if any
        tags.ProtocolName: "LO",  # the same
        tags.PatientID: "LO",
        tags.IssuerOfPatientID: "LO",  # `person`
        tags.PatientName: "PN",  # `person`
        tags.PatientBirthDate: "DA",  # `person`
        tags.PatientSex: "CS",  # `person`
        tags.PatientAge: "AS",  # `person`
        tags.BodyPartExamined: "CS",  # `person`: a zone of the body, no text
        tags.ClinicalTrialProtocolID: "LO",  # `person`
        tags.ClinicalTrialSubjectID: "LO",  # `person`
        tags.ClinicalTrialSubjectReadingID: "LO",  # `person`
        tags.ContrastBolusAgent: "LO",  # only whether there is any
        tags.ScanningSequence: "CS",
        tags.SequenceVariant: "CS",
        tags.ScanOptions: "CS",
        tags.SliceThickness: "DS",
        tags.RepetitionTime: "DS",
        tags.EchoTime: "DS",
        tags.InversionTime: "DS",
        tags.EchoNumbers: "IS",
        tags.MagneticFieldStrength: "DS",
        tags.SpacingBetweenSlices: "DS",
        tags.TriggerTime: "DS",
        tags.ImagerPixelSpacing: "DS",
        tags.EchoPulseSequence: "CS",
        tags.FlipAngle: "DS",
        tags.DiffusionBValue: "FD",
        tags.StudyInstanceUID: "UI",
        tags.SeriesInstanceUID: "UI",
        tags.SeriesNumber: "IS",
        tags.AcquisitionNumber: "IS",
        tags.InstanceNumber: "IS",
        tags.ImagePositionPatient: "DS",
        tags.ImageOrientationPatient: "DS",
        tags.FrameOfReferenceUID: "UI",
        tags.Laterality: "CS",
        tags.ImageLaterality: "CS",
        tags.FrameLaterality: "CS",
        tags.TemporalPositionIdentifier: "IS",
        tags.SamplesPerPixel: "US",
        tags.PhotometricInterpretation: "CS",
        tags.NumberOfFrames: "IS",
        tags.Rows: "US",
        tags.Columns: "US",
        tags.PixelSpacing: "DS",
        tags.BitsAllocated: "US",
        tags.BitsStored: "US",
        tags.HighBit: "US",
        tags.PixelRepresentation: "US",
        tags.WindowCenter: "DS",
        tags.WindowWidth: "DS",
        tags.RescaleIntercept: "DS",
        tags.RescaleSlope: "DS",
        tags.LossyImageCompression: "CS",
        tags.PixelPaddingValue: "US",  # the background of a label map segmentation
        tags.SegmentationType: "CS",
        tags.SegmentNumber: "US",
        tags.SegmentLabel: "LO",  # the name by which a user asks for a segment
        tags.SegmentDescription: "ST",  # only which side it names, if any
        tags.TrackingID: "UT",  # compared as a hash, as is its UID
        tags.SegmentAlgorithmType: "CS",
        tags.TrackingUID: "UI",
        tags.ReferencedSegmentNumber: "US",
        tags.MaximumFractionalValue: "US",
        tags.ROINumber: "IS",
        tags.ReferencedFrameOfReferenceUID: "UI",
        tags.ROIName: "LO",  # the name by which a user asks for a region
        tags.ROIDescription: "ST",  # only which side it names, if any
        tags.RTROIInterpretedType: "CS",
        tags.ContourGeometricType: "CS",
        tags.NumberOfContourPoints: "IS",
        tags.ContourData: "DS",
        tags.ReferencedROINumber: "IS",
        tags.ApprovalStatus: "CS",
    }
)
"""The attributes that are ever decoded, and their value representations in the data dictionary."""

SEQUENCES = frozenset(
    {
        tags.ReferencedSeriesSequence,
        tags.ReferencedInstanceSequence,
        tags.SourceImageSequence,
        tags.AnatomicRegionSequence,
        tags.AnatomicRegionModifierSequence,
        tags.ReferencedImageSequence,
        tags.DerivationImageSequence,
        tags.ReferencedFrameOfReferenceSequence,
        tags.RTReferencedStudySequence,
        tags.RTReferencedSeriesSequence,
        tags.ContourImageSequence,
        tags.StructureSetROISequence,
        tags.ROIContourSequence,
        tags.RTROIObservationsSequence,
        tags.ContourSequence,
        tags.SegmentSequence,
        tags.SegmentIdentificationSequence,
        tags.SegmentedPropertyTypeCodeSequence,
        tags.SegmentedPropertyTypeModifierCodeSequence,
        tags.SharedFunctionalGroupsSequence,
        tags.PerFrameFunctionalGroupsSequence,
        tags.FrameAnatomySequence,
        tags.PlanePositionSequence,
        tags.PlaneOrientationSequence,
        tags.PixelMeasuresSequence,
    }
)
"""The sequences whose items may be asked for."""

Number = int | float
Value = str | tuple[str, ...] | tuple[int, ...] | tuple[float, ...]

_BINARY = MappingProxyType(
    {"US": ("H", 2), "SS": ("h", 2), "UL": ("I", 4), "SL": ("i", 4), "FL": ("f", 4), "FD": ("d", 8)}
)
_INTEGERS = frozenset({"US", "SS", "UL", "SL", "IS"})
_NUMBERS = _INTEGERS | {"FL", "FD", "DS"}
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
            values={"tag": tags.tag_name(tag), "length_bytes": len(raw)},
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


def as_declared(tag: int, representation: str, raw: bytes, *, little_endian: bool) -> bytes | None:
    """Return a number that a file stores as another kind of number, as the data dictionary stores it.

    The file says how to read it (PixelSpacing as FD, Rows as UL), so that it has one value.

    Returns
    -------
    bytes or None
        None where the kinds are not numbers, or the declared kind cannot hold the value.
    """
    declared = VALUE_REPRESENTATIONS.get(tag, "")
    if declared not in _NUMBERS or representation not in (_INTEGERS if declared in _INTEGERS else _NUMBERS):
        return None
    try:
        if representation in _BINARY:
            value = _decode_binary(raw, representation, little_endian)
        else:
            text = raw.decode("ascii").strip(_PADDING)
            value = _decode_text(text, representation) if text else None
        if value is None:
            return b""
        if declared in _BINARY:
            code = _BINARY[declared][0]
            return struct.pack(f"{'<' if little_endian else '>'}{len(value)}{code}", *value)
        return "\\".join(map(repr, value)).encode()
    except (ValueError, OverflowError, struct.error):
        return None


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


_DAY = re.compile(r"(\d{4})([.-]?)(\d\d)\2(\d\d)(?:\d{6}(?:\.\d+)?)?", re.ASCII)


_TIME = re.compile(
    r"([01]\d|2[0-3])(?:(:?)[0-5]\d(?:\2(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?"  # old files have colons
)


def is_time(text: str) -> bool:
    """Return whether a text is a time of day as DICOM writes it, ``101530.25`` or a part of it."""
    return _TIME.fullmatch(text.strip()) is not None


def iso_date(text: str) -> str:
    """Return ``20240302`` as ``2024-03-02``, and empty what is no day on which a scan can have been made.

    Old files have ``2024.03.02``; some writers put ``2024-03-02``, or a time behind the date. Anonymisers
    write ``00000000``, ``00010101`` and ``99999999``, which are no days from 1900 to 2299; some shift
    dates by centuries, so that nobody takes them for real ones.
    """
    matched = _DAY.fullmatch(text.strip())
    if matched is None:
        return ""
    try:
        day = date(int(matched[1]), int(matched[3]), int(matched[4]))
    except ValueError:
        return ""
    return day.isoformat() if 1900 <= day.year < 2300 else ""
