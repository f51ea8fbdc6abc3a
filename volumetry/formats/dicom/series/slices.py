"""The slices of classic DICOM images, and which of them can belong to one stack."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from volumetry.acquisition import Acquisition
from volumetry.errors import GeometryError, ReadError, VolumetryError
from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.header_tags import HEADER_SELECTION
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.pixels.frames import Frame, frame_format
from volumetry.geometry import HOLE, JITTER

SAME_DIRECTION = 2e-3
"""Largest difference of direction cosines that is rounding."""

SAME_FAMILY_DEGREES = 15.0
"""Images tilted by less against each other are not told apart by their orientation alone."""

SAME_SPACING = 1e-4
"""Largest relative difference of pixel spacing that is rounding."""

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
_KIND_SLOTS = tuple(HEADER_SELECTION.slots[tag] for tag in _KIND_TAGS)

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
        raw = tuple([header.raw_values[slot] for slot in _KIND_SLOTS])
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


def groups_of(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Group slices that can be one stack: one subject, one orientation, and one contrast where it matters.

    Orientations count as one within `SAME_FAMILY_DEGREES`. A difference of contrast (image type, echo,
    b-value) splits only where geometry needs it: see `merged_parts`.
    """
    by_subject: dict[Contrast, list[Slice]] = {}
    for image in slices:
        by_subject.setdefault(image.kind.subject, []).append(image)
    groups: list[list[Slice]] = []
    for images in by_subject.values():
        families: list[tuple[Numbers, list[Slice]]] = []
        for image in images:
            for orientation, members in families:
                same = orientation is image.kind.orientation
                if same or degrees_between(orientation, image.kind.orientation) < SAME_FAMILY_DEGREES:
                    members.append(image)
                    break
            else:
                families.append((image.kind.orientation, [image]))
        for _, members in families:
            groups += merged_parts(members)
    return groups


def merged_parts(images: Sequence[Slice]) -> list[list[Slice]]:
    """Part images of one orientation by contrast, and join the parts that are slices of one stack.

    What differs between images at one place (echo, b-value, a value of ImageType...) tells volumes apart.
    What differs from place to place only does not: two parts are one stack where no two of their images lie
    at one place, they have one grid, and the images of the smaller part fill holes of the larger or go on
    where it ends. Parts that are whole stacks side by side, with a gap between them or interleaved, stay
    apart.
    """
    groups = [part for volume in _volumes_of(images) for part in _stacks_of_volume(volume)]
    groups = _joined(groups) if len(groups) > 1 else groups
    order = {id(image): number for number, image in enumerate(images)}
    return sorted((sorted(g, key=lambda s: order[id(s)]) for g in groups), key=lambda g: order[id(g[0])])


def _volumes_of(images: Sequence[Slice]) -> list[list[Slice]]:
    """Part images by the values of their contrast that differ at one place."""
    if len({image.kind.contrast for image in images}) == 1:
        return [list(images)]
    values = [_contrast_values(image.kind, images) for image in images]
    by_place: dict[int, list[tuple[object, ...]]] = {}
    for place, contrast in zip(places_of(images), values, strict=True):
        by_place.setdefault(place, []).append(contrast)
    telling = [
        k for k in range(len(values[0])) if any(len({v[k] for v in at}) > 1 for at in by_place.values())
    ]
    volumes: dict[tuple[object, ...], list[Slice]] = {}
    for image, contrast in zip(images, values, strict=True):
        volumes.setdefault(tuple([contrast[k] for k in telling]), []).append(image)
    return list(volumes.values())


def _contrast_values(kind: SliceKind, images: Sequence[Slice]) -> tuple[object, ...]:
    """Return the values of a contrast one by one, those of ImageType too, as many for every image."""
    n_types = max(len(image.kind.image_type) for image in images)
    n_rest = max(len(image.kind.contrast) for image in images) - 1
    types, *rest = kind.contrast
    names = types if isinstance(types, tuple) else (types,)
    return (
        *(names[k] if k < len(names) else None for k in range(n_types)),
        *(rest[k] if k < len(rest) else None for k in range(n_rest)),
    )


def _stacks_of_volume(images: Sequence[Slice]) -> list[list[Slice]]:
    """Part images, whose contrast differs from place to place alone, into whole stacks."""
    parts: dict[Contrast, list[Slice]] = {}
    for image in images:
        parts.setdefault(image.kind.contrast, []).append(image)
    groups = list(parts.values())
    if len(groups) > 1:
        return [list(images)] if _is_one_stack(images, groups) else _joined(groups)
    return groups


def places_of(slices: Sequence[Slice]) -> list[int]:
    """Number the distinct positions: the same number is the same position, within rounding."""
    positions = positions_along_normal(slices)
    order = np.argsort(positions, kind="stable")
    steps = np.diff(positions[order])
    largest = float(steps.max()) if steps.size else 0.0
    numbers = np.concatenate(([0], np.cumsum(steps > max(JITTER * largest, JITTER * 1e-3))))
    places = np.empty(len(slices), int)
    places[order] = numbers
    return [int(place) for place in places]


_MOST_PARTS = 32
"""Parts of different contrast that are compared pair by pair; more of them are no stacks of their own."""


def _joined(parts: Sequence[list[Slice]]) -> list[list[Slice]]:
    """Join parts that are one stack, those that are most alike first."""
    groups = sorted(parts, key=len, reverse=True)
    while 1 < len(groups) <= _MOST_PARTS:
        pairs = [
            (_likeness(groups[i][0].kind, groups[j][0].kind), -i, -j)
            for i in range(len(groups))
            for j in range(i + 1, len(groups))
            if _are_one_stack(groups[i], groups[j])
        ]
        if not pairs:
            break
        _, first, second = max(pairs)
        groups[-first] = [*groups[-first], *groups.pop(-second)]
    return groups


def _likeness(one: SliceKind, other: SliceKind) -> float:
    """How alike two contrasts are: one for each equal value, nearly one for a number nearly equal."""
    likeness = 0.0
    for a, b in zip(one.contrast, other.contrast, strict=False):
        if isinstance(a, float) and isinstance(b, float):
            likeness += 1 / (1 + abs(a - b))
        else:
            likeness += a == b
    return likeness


def _is_one_stack(images: Sequence[Slice], parts: Sequence[Sequence[Slice]]) -> bool:
    """Whether images of several contrasts are one stack: one grid, evenly apart, or no part a stack alone."""
    first = images[0].kind
    if not all(_can_share_a_stack(first, image.kind) for image in images):
        return False
    places = _one_a_place(images)
    if len(places) < 2:
        return False
    steps = np.diff(positions_along_normal(places))
    if _overlaps(steps, places):
        return False
    if _are_even(places) or (_is_lattice(steps) and _interleave(parts)):
        return True
    return not any(len(part) > 1 and _is_whole(part) for part in parts)


def _one_a_place(images: Sequence[Slice]) -> list[Slice]:
    """Return one image of every place, in order of their positions."""
    found = dict(zip(places_of(images), images, strict=True))
    return [found[place] for place in sorted(found)]


def _are_even(images: Sequence[Slice]) -> bool:
    """Whether sorted images are evenly apart; of several thicknesses, whether gap or overlap is even."""
    steps = np.diff(positions_along_normal(images))
    if _is_even(steps):
        return True
    thick = np.array([image.kind.slice_thickness_mm or 0.0 for image in images])
    if not (np.isfinite(thick).all() and thick.min() > 0):
        return False
    means = (thick[:-1] + thick[1:]) / 2
    return bool(np.ptp(steps - means) < 0.25 * thick.min()) or _is_even(steps / means)


def _is_lattice(steps: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bool:
    """Whether most steps are even, and the others wide enough for a lost slice."""
    small = steps[steps < 1.5 * steps.min()]
    return bool(2 * small.size > steps.size and _is_even(small))


def _interleave(parts: Sequence[Sequence[Slice]]) -> bool:
    """Whether the images of every part lie between those of others, and not side by side."""
    every = positions_along_normal([image for part in parts for image in part])
    ends = np.cumsum([len(part) for part in parts])[:-1]
    ranges = sorted((float(part.min()), float(part.max())) for part in np.split(every, ends))
    reached = ranges[0][1]
    for first, last in ranges[1:]:
        if first > reached:
            return False
        reached = max(reached, last)
    return True


def _can_share_a_stack(one: SliceKind, other: SliceKind) -> bool:
    return _same_grid(one, other) and ("LOCALIZER" in one.image_type) == ("LOCALIZER" in other.image_type)


def _is_even(steps: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bool:
    return bool(steps.max() < 1.25 * steps.min())


def _overlaps(steps: np.ndarray[tuple[int], np.dtype[np.float64]], images: Sequence[Slice]) -> bool:
    """Whether slices would be much thicker than they are apart, as those of two stacks between each other."""
    thickness = min((s.kind.slice_thickness_mm or 0.0 for s in images), default=0.0)
    return bool(np.median(steps) < 0.75 * thickness)


def _are_one_stack(group: Sequence[Slice], part: Sequence[Slice]) -> bool:
    """Whether the images of the smaller part fill holes of the larger, lie evenly between, or go on there."""
    if not _can_share_a_stack(group[0].kind, part[0].kind) or len(group) < 2:
        return False
    places = places_of([*group, *part])
    if set(places[: len(group)]) & set(places[len(group) :]):
        return False  # two images at one place
    positions = positions_along_normal([*group, *part])
    mine, theirs = np.unique(positions[: len(group)]), np.unique(positions[len(group) :])
    both = _one_a_place([*group, *part])
    steps = np.diff(positions_along_normal(both))
    if _are_even(both) or (_is_lattice(steps) and _interleave((group, part))):
        return not _overlaps(steps, both)
    if steps.min() < 0.75 * float(np.diff(mine).min()):
        return False  # between the others
    step = float(np.median(np.diff(mine)))
    largest = max(step, float(np.median(np.diff(theirs)))) if len(theirs) > 1 else step
    if theirs.min() > mine.max() or theirs.max() < mine.min():
        between = max(theirs.min() - mine.max(), mine.min() - theirs.max())
        return bool(between < (HOLE if len(theirs) > 1 else HOLE + 1) * largest)
    return bool(steps.max() < HOLE * step) or len(theirs) == 1 or not _is_whole(part)


def grids_of(group: Sequence[Slice]) -> list[list[Slice]]:
    """Split slices by orientation, matrix and pixel spacing where each part is whole without the others.

    Raises
    ------
    GeometryError
        ``no-pixel-spacing``; ``inconsistent-series`` where a part is a single image, or has holes.
    """
    parts: list[list[Slice]] = []
    for image in group:
        part = next((p for p in parts if _same_grid(p[0].kind, image.kind)), None)
        if part is None:
            parts.append([image])
        else:
            part.append(image)
    for part in parts:
        if part[0].kind.pixel_spacing_mm is None:
            raise _no_pixel_spacing(part[0].header)
    if len(parts) > 1 and not all(_is_whole(part) for part in parts):
        raise _inconsistent(parts)
    return parts


def positions_along_normal(slices: Sequence[Slice]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the position of every slice along the normal of the first, in mm."""
    row, column = np.reshape(slices[0].kind.orientation, (2, 3))
    normal = np.cross(row, column)
    length = float(np.linalg.norm(normal))
    return np.asarray([s.origin_mm for s in slices]) @ (normal / (length or 1.0))


def degrees_between(first: Numbers, second: Numbers) -> float:
    """Return the larger of the angles between two row directions and two column directions, in degrees."""
    cosines = (sum(a * b for a, b in zip(first[i : i + 3], second[i : i + 3], strict=True)) for i in (0, 3))
    return max(math.degrees(math.acos(min(1.0, max(-1.0, c)))) if math.isfinite(c) else 180 for c in cosines)


def _same_grid(first: SliceKind, second: SliceKind) -> bool:
    if first is second:
        return True
    if first.matrix != second.matrix:
        return False
    if any(abs(a - b) > SAME_DIRECTION for a, b in zip(first.orientation, second.orientation, strict=True)):
        return False
    one, other = first.pixel_spacing_mm, second.pixel_spacing_mm
    if one is None or other is None:
        return one is other
    return all(abs(a - b) <= SAME_SPACING * abs(a) for a, b in zip(one, other, strict=True))


def _is_whole(part: Sequence[Slice]) -> bool:
    positions = np.unique(positions_along_normal(part))
    steps = np.diff(positions)
    steps = steps[steps > JITTER * steps.max()] if steps.size else steps
    return bool(steps.size and steps.max() < HOLE * np.median(steps))


def _no_pixel_spacing(header: DicomHeader) -> GeometryError:
    return GeometryError(
        "no-pixel-spacing",
        "PixelSpacing is absent",
        where=header.path,
        values={"has ImagerPixelSpacing": header.has_imager_pixel_spacing},
        todo="Export the series with its pixel spacing; ImagerPixelSpacing is measured at the detector.",
    )


def _inconsistent(parts: Sequence[Sequence[Slice]]) -> GeometryError:
    parts = sorted(parts, key=len)
    odd, most = parts[0][0], parts[-1][0]
    return GeometryError(
        "inconsistent-series",
        "images of one stack differ in matrix, pixel spacing or orientation",
        where=odd.header.path,
        values={
            "matrix": odd.kind.matrix,
            "pixel_spacing_mm": odd.kind.pixel_spacing_mm,
            "tilt_degrees": degrees_between(odd.kind.orientation, most.kind.orientation),
            "matrix of the others": most.kind.matrix,
            "pixel_spacing_mm of the others": most.kind.pixel_spacing_mm,
        },
        todo="Remove the image that does not belong there, or export the series again.",
    )


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
