"""The header of a DICOM image: raw values that are decoded when they are asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from volumetry.acquisition import Acquisition, Parameters, acquisition_of
from volumetry.errors import ReadError
from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.file.selection import PixelElement
from volumetry.formats.dicom.file.syntax import EXPLICIT_BIG_ENDIAN, GE_IMPLICIT
from volumetry.formats.dicom.file.values import MODALITIES, Value, decode_value, is_time, iso_date
from volumetry.formats.dicom.header_tags import HEADER_SELECTION, OPTIONAL_TAGS

_SLOTS = HEADER_SELECTION.slots
_CHARACTER_SET = _SLOTS[tags.SpecificCharacterSet]


@dataclass(frozen=True, kw_only=True, slots=True)
class DicomHeader:
    """What stacking and tracing need to know of one DICOM file.

    Every property decodes its element when it is asked for: None where the element is absent or empty,
    `ReadError` ``unreadable`` where its value is no value of its kind. Lengths are in millimetres, times in
    milliseconds. Nothing else of the file is kept: no name, birth date or free text of a patient.

    Parameters
    ----------
    path : str
        The file.
    file_bytes : int
        Its size.
    transfer_syntax_uid : str
        How elements and pixels are written.
    pixel : PixelElement or None
        Where the pixels lie; None where the file holds no image.
    trailing_bytes : int
        Bytes after the end of the contents.
    raw_values : tuple of (bytes or None)
        In the order of ``HEADER_SELECTION.tags``.
    """

    path: str
    file_bytes: int
    transfer_syntax_uid: str
    pixel: PixelElement | None
    trailing_bytes: int
    raw_values: tuple[bytes | None, ...]

    @property
    def little_endian(self) -> bool:
        """Byte order of binary values."""
        return self.transfer_syntax_uid != EXPLICIT_BIG_ENDIAN

    @property
    def has_little_endian_pixels(self) -> bool:
        """Byte order of native pixels."""
        return self.transfer_syntax_uid not in (EXPLICIT_BIG_ENDIAN, GE_IMPLICIT)

    @property
    def sop_class_uid(self) -> str | None:
        """What kind of object this is."""
        return self._text(tags.SOPClassUID)

    @property
    def sop_instance_uid(self) -> str | None:
        """The object itself."""
        return self._text(tags.SOPInstanceUID)

    @property
    def series_instance_uid(self) -> str | None:
        """The series it belongs to."""
        return self._text(tags.SeriesInstanceUID)

    @property
    def study_instance_uid(self) -> str | None:
        """The study it belongs to."""
        return self._text(tags.StudyInstanceUID)

    @property
    def frame_of_reference_uid(self) -> str | None:
        """The coordinate system of its positions."""
        return self._text(tags.FrameOfReferenceUID)

    @property
    def patient_id(self) -> str | None:
        """PatientID, decoded by the character set of the file."""
        return self._text(tags.PatientID)

    @property
    def study_date(self) -> str | None:
        """``YYYYMMDD``, as stored."""
        return self._text(tags.StudyDate)

    @property
    def acquisition_time(self) -> str | None:
        """``HHMMSS.FFFFFF``, as stored."""
        return self._text(tags.AcquisitionTime)

    @property
    def modality(self) -> str | None:
        """``MR``, ``CT``, ``SEG``, ``RTSTRUCT``, ...; None where it is none of `MODALITIES`."""
        found = self._code(tags.Modality)
        return found if found in MODALITIES else None

    @property
    def image_type(self) -> tuple[str, ...]:
        """The values of ImageType; empty where absent."""
        return cast("tuple[str, ...] | None", self._value(tags.ImageType)) or ()

    @property
    def is_mosaic(self) -> bool:
        """Whether the slices of a volume lie side by side in one image (Siemens)."""
        return "MOSAIC" in self.image_type

    @property
    def series_number(self) -> int | None:
        """SeriesNumber."""
        return self._integer(tags.SeriesNumber)

    @property
    def acquisition_number(self) -> int | None:
        """AcquisitionNumber."""
        return self._integer(tags.AcquisitionNumber)

    @property
    def instance_number(self) -> int | None:
        """InstanceNumber; says nothing of where the slice lies."""
        return self._integer(tags.InstanceNumber)

    @property
    def temporal_position(self) -> int | None:
        """TemporalPositionIdentifier."""
        return self._integer(tags.TemporalPositionIdentifier)

    @property
    def echo_number(self) -> int | None:
        """EchoNumbers."""
        return self._integer(tags.EchoNumbers)

    @property
    def echo_time_ms(self) -> float | None:
        """EchoTime."""
        return self._number(tags.EchoTime)

    @property
    def echo_pulse_sequence(self) -> str | None:
        """``SPIN``, ``GRADIENT`` or ``BOTH``, of Enhanced images."""
        return self._code(tags.EchoPulseSequence)

    @property
    def acquisition(self) -> Acquisition:
        """How the image was acquired; of a multi-frame image, as far as its top level says so."""
        agent = self._raw(tags.ContrastBolusAgent)
        return acquisition_of(
            Parameters(
                modality=self.modality or "",
                repetition_time_ms=self._number(tags.RepetitionTime),
                echo_time_ms=self.echo_time_ms,
                inversion_time_ms=self._number(tags.InversionTime),
                field_strength_t=self._number(tags.MagneticFieldStrength),
                flip_angle_degrees=self._number(tags.FlipAngle),
                b_value=self.diffusion_b_value,
                sequence=self._codes(tags.ScanningSequence),
                variant=self._codes(tags.SequenceVariant),
                options=self._codes(tags.ScanOptions),
                image_type=self.image_type,
                # Free text: whether there is any is looked at, and nothing of it is kept.
                agent=None if agent is None else agent.decode("ascii", errors="replace"),
            )
        )

    @property
    def trigger_time_ms(self) -> float | None:
        """TriggerTime."""
        return self._number(tags.TriggerTime)

    @property
    def diffusion_b_value(self) -> float | None:
        """DiffusionBValue, in s/mm2."""
        return self._number(tags.DiffusionBValue)

    @property
    def rows(self) -> int | None:
        """Number of rows."""
        return self._integer(tags.Rows)

    @property
    def columns(self) -> int | None:
        """Number of columns."""
        return self._integer(tags.Columns)

    @property
    def number_of_frames(self) -> int:
        """Number of frames, 1 where the file does not say."""
        frames = self._integer(tags.NumberOfFrames)
        return 1 if frames is None else frames

    @property
    def pixel_spacing_mm(self) -> tuple[float, ...] | None:
        """Distance between rows, distance between columns."""
        return self._numbers(tags.PixelSpacing, 2)

    @property
    def has_imager_pixel_spacing(self) -> bool:
        """Whether ImagerPixelSpacing is there, which is no substitute for PixelSpacing."""
        return bool(self._raw(tags.ImagerPixelSpacing))

    @property
    def image_position_mm(self) -> tuple[float, ...] | None:
        """Centre of the first pixel, in LPS."""
        return self._numbers(tags.ImagePositionPatient, 3)

    @property
    def image_orientation(self) -> tuple[float, ...] | None:
        """Direction along a row, then along a column, in LPS."""
        return self._numbers(tags.ImageOrientationPatient, 6)

    @property
    def slice_thickness_mm(self) -> float | None:
        """SliceThickness."""
        return self._number(tags.SliceThickness)

    @property
    def spacing_between_slices_mm(self) -> float | None:
        """SpacingBetweenSlices as the file has it, which may be the gap, or negative."""
        return self._number(tags.SpacingBetweenSlices)

    @property
    def samples_per_pixel(self) -> int | None:
        """1, or 3 for colour."""
        return self._integer(tags.SamplesPerPixel)

    @property
    def photometric_interpretation(self) -> str | None:
        """``MONOCHROME2``, ..."""
        return self._code(tags.PhotometricInterpretation)

    @property
    def bits_allocated(self) -> int | None:
        """Bits a pixel takes."""
        return self._integer(tags.BitsAllocated)

    @property
    def bits_stored(self) -> int | None:
        """Bits of a pixel that count."""
        return self._integer(tags.BitsStored)

    @property
    def high_bit(self) -> int | None:
        """Number of the highest bit that counts."""
        return self._integer(tags.HighBit)

    @property
    def pixel_representation(self) -> int | None:
        """0 for unsigned pixels, 1 for signed."""
        return self._integer(tags.PixelRepresentation)

    @property
    def rescale_slope(self) -> float | None:
        """RescaleSlope; NaN where it is no number, which only those who read pixels mind."""
        return self._rescale(tags.RescaleSlope)

    @property
    def rescale_intercept(self) -> float | None:
        """RescaleIntercept, as `rescale_slope`."""
        return self._rescale(tags.RescaleIntercept)

    @property
    def shown_window(self) -> tuple[float, float] | None:
        """WindowCenter and WindowWidth, the first where there are several; None where they say nothing."""
        try:
            level, width = self._number(tags.WindowCenter), self._number(tags.WindowWidth)
        except ReadError:
            return None
        if level is None or width is None or not math.isfinite(level) or not 0 < width < math.inf:
            return None
        return level, width

    def _rescale(self, tag: int) -> float | None:
        raw = self._raw(tag)
        if raw is None:
            return None
        number = self._number(tag)
        return math.nan if number is None and raw.strip(b" \0") else number

    @property
    def is_lossy(self) -> bool:
        """Whether the pixels were ever compressed with loss."""
        return self._code(tags.LossyImageCompression) == "01"

    @property
    def laterality(self) -> str | None:
        """ImageLaterality or, without it, Laterality: ``L``, ``R``, ``B`` or ``U``."""
        return self._code(tags.ImageLaterality) or self._code(tags.Laterality)

    def _raw(self, tag: int) -> bytes | None:
        return self.raw_values[_SLOTS[tag]]

    @property
    def malformed_tags(self) -> tuple[str, ...]:
        """Elements that no volume needs and whose value is not of their kind, as ``(gggg,eeee)``."""
        return tuple(f"({t >> 16:04X},{t & 0xFFFF:04X})" for t in OPTIONAL_TAGS if self.is_malformed(t))

    def is_malformed(self, tag: int) -> bool:
        """Return whether the value of an element is not of its kind."""
        raw = self.raw_values[_SLOTS[tag]]
        if raw is None:
            return False
        return _is_malformed(tag, raw, self.little_endian, self.raw_values[_CHARACTER_SET] or b"")

    def _value(self, tag: int) -> Value | None:
        values = self.raw_values
        raw = values[_SLOTS[tag]]
        if raw is None:
            return None
        little_endian = self.transfer_syntax_uid != EXPLICIT_BIG_ENDIAN
        try:
            return _decoded(tag, raw, little_endian, values[_CHARACTER_SET] or b"")
        except ReadError as error:
            if tag in OPTIONAL_TAGS:
                return None  # `malformed_tags` names it
            raise error.at(self.path) from None

    def _text(self, tag: int) -> str | None:
        return cast("str | None", self._value(tag))

    def _code(self, tag: int) -> str | None:
        codes = self._value(tag)
        return codes[0] if isinstance(codes, tuple) and isinstance(codes[0], str) else None

    def _codes(self, tag: int) -> tuple[str, ...]:
        return cast("tuple[str, ...] | None", self._value(tag)) or ()

    def _integer(self, tag: int) -> int | None:
        numbers = cast("tuple[int, ...] | None", self._value(tag))
        return None if numbers is None else numbers[0]

    def _number(self, tag: int) -> float | None:
        numbers = cast("tuple[float, ...] | None", self._value(tag))
        return None if numbers is None else numbers[0]

    def _numbers(self, tag: int, count: int) -> tuple[float, ...] | None:
        numbers = cast("tuple[float, ...] | None", self._value(tag))
        if numbers is not None and len(numbers) != count:
            raise ReadError(
                "unreadable",
                "an element has another number of values than the data dictionary",
                where=self.path,
                values={"tag": tags.tag_name(tag), "found": len(numbers), "due": count},
                todo="Export the file again.",
            )
        return numbers


@lru_cache(maxsize=8192)
def _decoded(tag: int, raw: bytes, little_endian: bool, character_set: bytes) -> Value | None:
    """Decode a value; the files of a series share most of theirs."""
    return decode_value(tag, raw, little_endian=little_endian, character_set=character_set)


@lru_cache(maxsize=8192)
def _is_malformed(tag: int, raw: bytes, little_endian: bool, character_set: bytes) -> bool:
    try:
        value = _decoded(tag, raw, little_endian, character_set)
    except ReadError:
        return True
    if tag == tags.RescaleSlope and value == (0.0,):
        return True  # every pixel would be one value
    if isinstance(value, tuple):
        return any(isinstance(number, float) and not math.isfinite(number) for number in value)
    if tag == tags.StudyDate:
        return bool(value) and not iso_date(str(value))
    return tag == tags.AcquisitionTime and bool(value) and not is_time(str(value))
