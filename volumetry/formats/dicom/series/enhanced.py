"""Enhanced multi-frame images (MR, CT, PET, legacy converted): the stacks of one file.

Every frame has its own place, in the functional groups: per frame, or shared by all. Frames come in any
order. A multi-frame image without functional groups (ultrasound, secondary capture) does not say where its
frames lie, and is refused; but for reconstructed tomograms of nuclear medicine.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from volumetry.acquisition import Acquisition, Parameters, acquisition_of
from volumetry.errors import ReadError, VolumetryError
from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.file.gzipped import open_stream
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.pixels.frames import check_grey, frame_of
from volumetry.formats.dicom.series.slices import Numbers, Repetition, Slice, SliceKind
from volumetry.formats.dicom.series.tomogram import planes_of_tomogram

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_SPACE_DIMENSIONS = frozenset(
    {tags.StackID, tags.InStackPositionNumber, tags.ImagePositionPatient, tags.PlanePositionSequence}
)
"""StackID, InStackPositionNumber, ImagePositionPatient, PlanePositionSequence."""

_FRAME_TYPES = (
    "MRImageFrameTypeSequence",
    "CTImageFrameTypeSequence",
    "PETFrameTypeSequence",
    "ParametricMapFrameTypeSequence",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _FrameFacts:
    """What the functional groups say of one frame, as numbers and codes."""

    kind: SliceKind | None
    origin_mm: tuple[float, ...] | None
    slope: float | None
    intercept: float | None
    repetition: Repetition
    acquisition: Acquisition | None = None


def slices_of_file(header: DicomHeader) -> list[Slice]:
    """Return the frames of a multi-frame image as slices.

    Parameters
    ----------
    header : DicomHeader
        Of a file that passed the guarded walk.

    Raises
    ------
    ReadError
        ``unsupported-format`` where frames do not say where they lie; ``unreadable``.
    GeometryError
        ``not-3d`` for colour.
    """
    check_grey(header)
    return _slices(header, _facts_of_frames(header))


def _slices(header: DicomHeader, facts: Sequence[_FrameFacts]) -> list[Slice]:
    slices = []
    for index, frame in enumerate(facts):
        if frame.kind is None or frame.origin_mm is None or len(frame.origin_mm) != 3:
            raise _unplaced(header, index)
        slices.append(
            Slice(
                header=header,
                kind=frame.kind,
                origin_mm=frame.origin_mm,
                frame=frame_of(header, index, frame.slope, frame.intercept),
                frame_repetition=frame.repetition,
                frame_acquisition=frame.acquisition,
            )
        )
    return slices


def _unplaced(header: DicomHeader, index: int) -> ReadError:
    return ReadError(
        "unsupported-format",
        "a frame does not say where it lies in the patient",
        where=header.path,
        values={"frame": index + 1, "sop_class_uid": header.sop_class_uid},
        todo="Export the series as classic images, or as an Enhanced image with functional groups.",
    )


def _facts_of_frames(header: DicomHeader) -> list[_FrameFacts]:
    """Read the functional groups: the thin edge to pydicom, which raises anything at corrupt input."""
    from pydicom import dcmread

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_stream(header.path) as stream:
                dataset = dcmread(stream, stop_before_pixels=True, force=True)
            return _facts(dataset, header)
    except VolumetryError:
        raise
    except Exception as error:  # noqa: BLE001
        raise ReadError(
            "unreadable",
            "the functional groups cannot be read",
            where=header.path,
            values={"reason": type(error).__name__},
            todo="Export the file again.",
        ) from None


def _facts(dataset: Dataset, header: DicomHeader) -> list[_FrameFacts]:
    groups = dataset.get("PerFrameFunctionalGroupsSequence")
    if not groups and (planes := planes_of_tomogram(dataset, header)) is not None:
        return _facts_of_tomogram(header, *planes)
    if not groups:
        raise ReadError(
            "unsupported-format",
            "a multi-frame image does not say where its frames lie",
            where=header.path,
            values={"frames": header.number_of_frames, "sop_class_uid": header.sop_class_uid},
            todo="Export the series as classic images, or as an Enhanced image with functional groups.",
        )
    if len(groups) != header.number_of_frames:
        raise ReadError(
            "unreadable",
            "there are not as many functional groups as frames",
            where=header.path,
            values={"frames": header.number_of_frames, "functional groups": len(groups)},
            todo="Export the file again.",
        )
    shared = dataset.get("SharedFunctionalGroupsSequence")
    fixed = shared[0] if shared else None
    time_dimensions = [
        place
        for place, dimension in enumerate(dataset.get("DimensionIndexSequence") or ())
        if int(dimension.get("DimensionIndexPointer", 0)) not in _SPACE_DIMENSIONS
    ]
    kinds: dict[SliceKind, SliceKind] = {}
    agents = bool(dataset.get("ContrastBolusAgentSequence"))
    return [
        _frame_facts(group, fixed, header, index, time_dimensions, agents, kinds)
        for index, group in enumerate(groups)
    ]


def _facts_of_tomogram(
    header: DicomHeader, orientation: Numbers, origins_mm: Sequence[Numbers]
) -> list[_FrameFacts]:
    spacing_mm = header.spacing_between_slices_mm
    kind = SliceKind(
        subject=(header.patient_id, header.frame_of_reference_uid, header.sop_class_uid, ""),
        contrast=(header.image_type, None, None),
        orientation=orientation,
        matrix=(header.rows or 0, header.columns or 0),
        pixel_spacing_mm=header.pixel_spacing_mm,
        slice_thickness_mm=header.slice_thickness_mm,
        spacing_between_slices_mm=None if spacing_mm is None else abs(spacing_mm),
        image_type=header.image_type,
    )
    return [
        _FrameFacts(
            kind=kind,
            origin_mm=origin_mm,
            slope=header.rescale_slope,
            intercept=header.rescale_intercept,
            repetition=Repetition(
                temporal_position=None,
                acquisition_number=None,
                trigger_time_ms=None,
                acquisition_time="",
                dimensions=(),
                number=index + 1,
            ),
            acquisition=header.acquisition,
        )
        for index, origin_mm in enumerate(origins_mm)
    ]


def _frame_facts(
    group: Dataset,
    fixed: Dataset | None,
    header: DicomHeader,
    index: int,
    time_dimensions: Sequence[int],
    agents: bool,
    kinds: dict[SliceKind, SliceKind],
) -> _FrameFacts:
    def macro(keyword: str) -> Any:
        """First item of a functional group, of this frame or of all; an empty mapping without it."""
        for place in (group, fixed):
            items = place.get(keyword) if place is not None else None
            if items:
                return items[0]
        return {}

    content, rescale = macro("FrameContentSequence"), macro("PixelValueTransformationSequence")
    kind = _kind(macro, content, header)
    indices = [int(i) for i in _several(content.get("DimensionIndexValues"))]
    return _FrameFacts(
        kind=None if kind is None else kinds.setdefault(kind, kind),
        origin_mm=_numbers(macro("PlanePositionSequence").get("ImagePositionPatient")),
        slope=_number(rescale.get("RescaleSlope")),
        intercept=_number(rescale.get("RescaleIntercept")),
        repetition=Repetition(
            temporal_position=_integer(content.get("TemporalPositionIndex")),
            acquisition_number=_integer(content.get("FrameAcquisitionNumber")),
            trigger_time_ms=_optional(
                macro("CardiacSynchronizationSequence").get("NominalCardiacTriggerDelayTime")
            ),
            acquisition_time=str(content.get("FrameReferenceDateTime") or ""),
            dimensions=tuple(indices[i] for i in time_dimensions if i < len(indices)),
            number=index + 1,
        ),
        acquisition=_acquisition(macro, header, agents),
    )


def _acquisition(macro: Any, header: DicomHeader, agents: bool) -> Acquisition:
    """How a frame was acquired; the words of Enhanced images in those of classic ones."""
    timing, modifier = macro("MRTimingAndRelatedParametersSequence"), macro("MRModifierSequence")
    types = [macro(keyword) for keyword in _FRAME_TYPES]
    suppression = str(modifier.get("SpectrallySelectedSuppression") or "")
    echo_kind = str(header.echo_pulse_sequence or "")
    is_inverted = str(modifier.get("InversionRecovery") or "") == "YES"
    sequence = {"SPIN": ("SE",), "GRADIENT": ("GR",), "BOTH": ("GR", "SE")}.get(echo_kind, ())
    spoiled = str(modifier.get("Spoiling") or "NONE") != "NONE"
    return acquisition_of(
        Parameters(
            modality=header.modality or "",
            repetition_time_ms=_optional(timing.get("RepetitionTime")),
            echo_time_ms=_optional(macro("MREchoSequence").get("EffectiveEchoTime")),
            inversion_time_ms=_optional(modifier.get("InversionTimes")),
            field_strength_t=header.acquisition.field_strength_t,
            flip_angle_degrees=_optional(timing.get("FlipAngle")),
            b_value=_optional(macro("MRDiffusionSequence").get("DiffusionBValue")),
            sequence=(*sequence, "IR") if is_inverted else sequence,
            variant=("SP",) if spoiled else (),
            image_type=next((_codes(t.get("FrameType")) for t in types if t), ()) or header.image_type,
            agent="yes" if agents else None,
            fat_suppression={"FAT": "yes", "FAT_AND_WATER": "yes", "NONE": "no"}.get(suppression, ""),
        )
    )


def _kind(macro: Any, content: Any, header: DicomHeader) -> SliceKind | None:
    orientation = _numbers(macro("PlaneOrientationSequence").get("ImageOrientationPatient"))
    if orientation is None or len(orientation) != 6:
        return None
    measures = macro("PixelMeasuresSequence")
    spacing = _numbers(measures.get("PixelSpacing"))
    if spacing is not None and len(spacing) != 2:
        raise ValueError("PixelSpacing")
    types = [macro(keyword) for keyword in _FRAME_TYPES]
    image_type = next((_codes(t.get("FrameType")) for t in types if t), ()) or header.image_type
    echo_time_ms = _optional(macro("MREchoSequence").get("EffectiveEchoTime"))
    return SliceKind(
        subject=(
            header.patient_id,
            header.frame_of_reference_uid,
            header.sop_class_uid,
            str(content.get("StackID") or ""),
        ),
        contrast=(
            image_type,
            *[str(t.get("ComplexImageComponent") or "") for t in types if t],
            None if echo_time_ms is None else round(echo_time_ms, 1),
            _optional(macro("MRDiffusionSequence").get("DiffusionBValue")),
        ),
        orientation=orientation,
        matrix=(header.rows or 0, header.columns or 0),
        pixel_spacing_mm=spacing,
        slice_thickness_mm=_optional(measures.get("SliceThickness")),
        spacing_between_slices_mm=_optional(measures.get("SpacingBetweenSlices")),
        image_type=image_type,
    )


def _several(value: Any) -> list[Any]:
    """Return the values of an element that may hold none, one or several."""
    if value is None or value == "":
        return []
    return list(value) if not isinstance(value, str | bytes) and hasattr(value, "__iter__") else [value]


def _numbers(value: Any) -> tuple[float, ...] | None:
    return tuple(float(v) for v in _several(value)) or None


def _number(value: Any) -> float | None:
    numbers = _numbers(value)
    return None if numbers is None else numbers[0]


def _optional(value: Any) -> float | None:
    """Return the number of an element that no volume needs, None where it is not a number."""
    try:
        return _number(value)
    except (TypeError, ValueError):
        return None


def _integer(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _codes(value: Any) -> tuple[str, ...]:
    return tuple(str(v) for v in _several(value))
