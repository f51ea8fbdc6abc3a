"""The slices of classic DICOM images, and where they lie."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from volumetry.acquisition import Acquisition
from volumetry.errors import ReadError, VolumetryError
from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.header_tags import HEADER_SELECTION
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.pixels.frames import Frame, frame_format
from volumetry.slice_steps import JITTER

_KIND_TAGS = (
    tags.ImageType,
    tags.SOPClassUID,
    tags.PatientID,
    tags.SliceThickness,
    tags.EchoTime,
    tags.EchoNumbers,
    tags.SpacingBetweenSlices,
    tags.DiffusionBValue,
    tags.ImageOrientationPatient,
    tags.FrameOfReferenceUID,
    tags.Rows,
    tags.Columns,
    tags.PixelSpacing,
)


_KIND_VALUES = itemgetter(*(HEADER_SELECTION.slots[tag] for tag in _KIND_TAGS))


Contrast = tuple[object, ...]


Numbers = tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceKind:
    """What the slices of one stack have in common.

    Parameters
    ----------
    subject : tuple
        Patient, frame of reference, kind of object: images that differ in it are never one stack.
    contrast : tuple
        Image type, echo and b-value: images that differ in it are one stack where geometry allows it.
    orientation : tuple of float
        Direction along a row, then along a column.
    matrix : (int, int)
        Rows and columns.
    pixel_spacing_mm : tuple of float or None
    slice_thickness_mm, spacing_between_slices_mm : float or None
        As declared.
    image_type : tuple of str
        ImageType, or FrameType in a multi-frame image.
    """

    subject: Contrast
    contrast: Contrast
    orientation: Numbers
    matrix: tuple[int, int]
    pixel_spacing_mm: Numbers | None
    slice_thickness_mm: float | None
    spacing_between_slices_mm: float | None
    image_type: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Repetition:
    """What tells images at one position apart: which time point or acquisition they belong to."""

    temporal_position: int | None
    acquisition_number: int | None
    trigger_time_ms: float | None
    acquisition_time: str | None
    dimensions: tuple[int, ...]
    """Indices of the dimensions of a multi-frame image, without those of space."""
    number: int | None
    """InstanceNumber, or number of the frame."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice:
    """One image, or one frame of a multi-frame image, with its place in the patient."""

    header: DicomHeader
    kind: SliceKind
    origin_mm: Numbers
    frame: Frame | None = None
    frame_repetition: Repetition | None = None
    frame_acquisition: Acquisition | None = None
    """Of a multi-frame image, whose header knows little of it."""

    @property
    def uid(self) -> str:
        """SOPInstanceUID; with ``#`` and the frame number, from 1, in a multi-frame image."""
        uid = self.header.sop_instance_uid or ""
        return uid if self.frame is None else f"{uid}#{self.frame.index + 1}"

    def is_named(self, named: Collection[str]) -> bool:
        """Whether the image, or the whole image of its frame, is among those that are named."""
        return self.uid in named or (self.frame is not None and (self.header.sop_instance_uid or "") in named)

    @property
    def repetition(self) -> Repetition:
        """Decoded only where it is needed: of images that lie at one position."""
        if self.frame_repetition is not None:
            return self.frame_repetition
        header = self.header
        return Repetition(
            temporal_position=header.temporal_position,
            acquisition_number=header.acquisition_number,
            trigger_time_ms=header.trigger_time_ms,
            acquisition_time=header.acquisition_time,
            dimensions=(),
            number=header.instance_number,
        )


def slices_of(headers: Iterable[DicomHeader]) -> tuple[list[Slice], list[DicomHeader]]:
    """Return the images that say where they lie, and the headers of those that do not.

    Raises
    ------
    ReadError
        ``unreadable`` where an element is no value of its kind.
    """
    kinds: dict[tuple[bytes | None, ...], SliceKind | None] = {}
    slices, unplaced = [], []
    for header in headers:
        raw = _KIND_VALUES(header.raw_values)
        if raw not in kinds:
            kinds[raw] = _kind(header)
        kind, origin = kinds[raw], header.image_position_mm
        if kind is None or origin is None:
            unplaced.append(header)
        else:
            slices.append(Slice(header=header, kind=kind, origin_mm=origin))
    return slices, unplaced


def _kind(header: DicomHeader) -> SliceKind | None:
    orientation = header.image_orientation
    if orientation is None:
        return None
    echo_time_ms = header.echo_time_ms
    image_type = header.image_type
    return SliceKind(
        subject=(header.patient_id, header.frame_of_reference_uid, header.sop_class_uid),
        contrast=(
            image_type,
            header.echo_number,
            None if echo_time_ms is None or not math.isfinite(echo_time_ms) else round(echo_time_ms, 1),
            header.diffusion_b_value,
        ),
        orientation=orientation,
        matrix=(header.rows or 0, header.columns or 0),
        pixel_spacing_mm=header.pixel_spacing_mm,
        slice_thickness_mm=header.slice_thickness_mm,
        spacing_between_slices_mm=header.spacing_between_slices_mm,
        image_type=image_type,
    )


def places_of(slices: Sequence[Slice]) -> list[int]:
    """Number the distinct positions: the same number is the same position, within rounding."""
    positions = positions_along_normal(slices)
    order = np.argsort(positions, kind="stable")
    numbers = np.concatenate(([0], np.cumsum(are_apart(np.diff(positions[order])))))
    places = np.empty(len(slices), int)
    places[order] = numbers
    return [int(place) for place in places]


def are_apart(steps: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which of the steps between sorted positions are more than rounding."""
    largest = float(steps.max()) if steps.size else 0.0
    return np.asarray(steps > max(JITTER * largest, JITTER * 1e-3))


def positions_along_normal(slices: Sequence[Slice]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the position of every slice along the normal of the first, in mm."""
    ax, ay, az, bx, by, bz = slices[0].kind.orientation  # written out: two vectors are few for a library
    normal = np.array((ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx))
    length = math.sqrt(float(normal @ normal))
    return np.asarray([s.origin_mm for s in slices]) @ (normal / (length or 1.0))


def degrees_between(first: Numbers, second: Numbers) -> float:
    """Return the larger of the angles between two row directions and two column directions, in degrees."""
    cosines = (sum(a * b for a, b in zip(first[i : i + 3], second[i : i + 3], strict=True)) for i in (0, 3))
    return max(math.degrees(math.acos(min(1.0, max(-1.0, c)))) if math.isfinite(c) else 180 for c in cosines)


def unplaced_error(header: DicomHeader) -> VolumetryError:
    """Return the error for an image that does not say where it lies: ``not-3d`` where it is in colour."""
    try:
        frame_format(header)
    except VolumetryError as error:
        return error
    return ReadError(
        "unsupported-format",
        "the image does not say where it lies in the patient",
        where=header.path,
        values={"sop_class_uid": header.sop_class_uid},
        todo="Name the original series; a screenshot or a projection has no volume.",
    )
