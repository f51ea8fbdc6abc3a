"""What a DICOM Segmentation says of itself: its segments, its frames, and where they lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import GeometryError, ReadError
from volumetry.formats.dicom.classes import SEG_CLASSES
from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.file.elements import DicomElements, walk_file
from volumetry.formats.dicom.file.selection import ElementSelection, Item
from volumetry.formats.dicom.file.values import decode_text, decode_value
from volumetry.formats.dicom.traced.references import (
    FRAME_SEQUENCES,
    REFERENCE_SEQUENCES,
    REFERENCE_TAGS,
    References,
    instances_of,
    references_of,
    source_images,
)
from volumetry.formats.lesion_names import side_of_codes
from volumetry.masks.labels import MaskLabel

_SELECTION = ElementSelection(
    tags=(
        *REFERENCE_TAGS,
        tags.SamplesPerPixel,
        tags.NumberOfFrames,
        tags.Rows,
        tags.Columns,
        tags.BitsAllocated,
        tags.PixelPaddingValue,
        tags.LossyImageCompression,
        tags.SegmentationType,
        tags.MaximumFractionalValue,
    ),
    sequences=REFERENCE_SEQUENCES | FRAME_SEQUENCES | {tags.SegmentSequence},
)


@dataclass(frozen=True, kw_only=True)
class SegmentFrame:
    """One frame: its place in the file, the segment it shows (None: a label map), and where it lies.

    A frame without position has an origin of NaN; it lies where the image lies that it was made from.
    """

    number: int
    segment: int | None
    origin_mm: NDArray[np.float64]
    source_uid: str = ""
    """The one image, or frame (``#n``), that it was made from, where it names one."""

    @property
    def is_placed(self) -> bool:
        """Whether the file says where the frame lies."""
        return bool(np.isfinite(self.origin_mm).all()) or not self.source_uid


@dataclass(frozen=True, kw_only=True)
class Segmentation:
    """A segmentation as its header declares it."""

    elements: DicomElements
    references: References
    kind: str
    rows: int
    columns: int
    labels: tuple[MaskLabel, ...]
    frames: tuple[SegmentFrame, ...]
    orientation: NDArray[np.float64]
    """Of the frames; NaN where the file leaves it to the images that they were made from."""
    pixel_spacing_mm: tuple[float, float]
    """As `orientation`."""
    slice_thickness_mm: float | None
    has_several_thicknesses: bool
    """Whether its frames state different ones, so that the file has none."""
    spacing_between_slices_mm: float | None
    maximum_fractional_value: int
    padding_value: int
    is_lossy: bool
    has_malformed_tag: bool
    """Whether SliceThickness or SpacingBetweenSlices is no length: it counts as absent, positions decide."""

    @property
    def path(self) -> str:
        """The file."""
        return self.elements.path

    @property
    def needs_images(self) -> bool:
        """Whether only the images that its frames were made from say where these lie."""
        known = (*self.orientation.tolist(), *self.pixel_spacing_mm)
        return any(math.isnan(x) for x in known) or not all(frame.is_placed for frame in self.frames)


def read_segmentation_header(path: Path | str) -> Segmentation:
    """Read the header of a segmentation; its pixels are not touched.

    Raises
    ------
    ReadError
        ``unsupported-format`` where it is no segmentation; ``unreadable`` where it contradicts itself.
    GeometryError
        ``no-pixel-spacing``; ``inconsistent-series`` where frames differ in orientation or spacing.
    """
    elements = walk_file(path, _SELECTION)
    if elements.value(tags.SOPClassUID) not in SEG_CLASSES:
        raise ReadError(
            "unsupported-format", "the file is no segmentation", where=path, todo="Name a DICOM SEG file."
        )
    kind = _kind_of(elements)
    shared, groups = _functional_groups(elements)
    padding = _number(elements, tags.PixelPaddingValue, 0)
    segments = _labels(elements, {0, padding} if kind == "LABELMAP" else set())
    frames = _frames(elements, shared, groups, kind, segments)
    of_images = all(frame.source_uid for frame in frames)
    measures = _shared_values(shared, groups, tags.PixelMeasuresSequence, tags.PixelSpacing, 2, path)
    if measures is None and not of_images:
        raise GeometryError(
            "no-pixel-spacing",
            "the segmentation has no PixelSpacing, and not every frame names one image that it was made from",
            where=path,
            todo="Export the segmentation again.",
        )
    orientation = _shared_values(
        shared, groups, tags.PlaneOrientationSequence, tags.ImageOrientationPatient, 6, path
    )
    if orientation is None and not of_images:
        raise unreadable(path, "the segmentation does not say how its frames lie in the patient")
    thickness_mm, is_thickness, thickness_varies = _length(shared, groups, tags.SliceThickness, path)
    spacing_mm, is_spacing, _ = _length(shared, groups, tags.SpacingBetweenSlices, path)
    if thickness_mm is not None and not (np.isfinite(thickness_mm) and thickness_mm > 0):
        thickness_mm, is_thickness = None, False
    return Segmentation(
        elements=elements,
        references=references_of(elements),
        kind=kind,
        rows=_number(elements, tags.Rows, 0),
        columns=_number(elements, tags.Columns, 0),
        labels=segments,
        frames=frames,
        orientation=np.array((math.nan,) * 6 if orientation is None else orientation),
        pixel_spacing_mm=(math.nan, math.nan) if measures is None else (measures[0], measures[1]),
        slice_thickness_mm=thickness_mm,
        has_several_thicknesses=thickness_varies,
        spacing_between_slices_mm=spacing_mm,
        has_malformed_tag=not (is_thickness and is_spacing),
        maximum_fractional_value=_number(elements, tags.MaximumFractionalValue, 255),
        padding_value=padding,
        is_lossy=elements.value(tags.LossyImageCompression) == ("01",),
    )


def _kind_of(elements: DicomElements) -> str:
    declared = elements.value(tags.SegmentationType)
    kind = declared[0] if isinstance(declared, tuple) else None
    if kind not in ("BINARY", "FRACTIONAL", "LABELMAP"):
        raise ReadError(
            "unsupported-format",
            "the segmentation is of an unknown type",
            where=elements.path,
            values={"type": str(kind)[:16]},
            todo="Export it as a binary, fractional or label map segmentation.",
        )
    return str(kind)


def _functional_groups(elements: DicomElements) -> tuple[Item, list[Item]]:
    """Return what all frames share, and what each of them has of its own."""
    shared = (elements.sequences.get(tags.SharedFunctionalGroupsSequence) or [{}])[0]
    groups = elements.sequences.get(tags.PerFrameFunctionalGroupsSequence, [])
    n_frames = _number(elements, tags.NumberOfFrames, 1)
    if not groups or len(groups) != n_frames:
        raise unreadable(
            elements.path,
            "frames lack their functional groups",
            frames=n_frames,
            functional_groups=len(groups),
        )
    return shared, groups


def _labels(elements: DicomElements, background: set[int]) -> tuple[MaskLabel, ...]:
    character_set = elements.raw(tags.SpecificCharacterSet) or b""
    labels: dict[int, MaskLabel] = {}
    for item in elements.sequences.get(tags.SegmentSequence, []):
        number = _item_number(item, tags.SegmentNumber, elements)
        if number is None or number in labels:
            raise unreadable(elements.path, "segments have no number, or the same", number=number)
        name = decode_text(item.get(tags.SegmentLabel, b""), character_set)
        labels[number] = MaskLabel(number=number, name=name, side=_side_of(item))
    return tuple(labels[n] for n in sorted(labels) if n not in background)


def _side_of(segment: Item) -> str:
    """The side of a segment: a modifier of its anatomic region or, as some programs write it, of its type."""
    regions = segment.get(tags.AnatomicRegionSequence) or ()
    types = segment.get(tags.SegmentedPropertyTypeCodeSequence) or ()
    modifiers = [
        *(one for region in regions for one in region.get(tags.AnatomicRegionModifierSequence) or ()),
        *(one for kind in types for one in kind.get(tags.SegmentedPropertyTypeModifierCodeSequence) or ()),
        *(segment.get(tags.SegmentedPropertyTypeModifierCodeSequence) or ()),
    ]
    return side_of_codes(decode_text(one.get(tags.CodeValue, b""), b"").strip() for one in modifiers)


def _frames(
    elements: DicomElements, shared: Item, groups: Sequence[Item], kind: str, labels: Sequence[MaskLabel]
) -> tuple[SegmentFrame, ...]:
    known = {label.number for label in labels}
    frames = []
    for number, group in enumerate(groups):
        segment = None
        if kind != "LABELMAP":
            # A file of one segment may name it once for all frames, or not at all.
            item = (
                group.get(tags.SegmentIdentificationSequence)
                or shared.get(tags.SegmentIdentificationSequence)
                or [{}]
            )[0]
            segment = _item_number(item, tags.ReferencedSegmentNumber, elements)
            if segment is None and len(known) == 1:
                (segment,) = known
            if not segment:  # numbers of segments begin with 1
                raise unreadable(
                    elements.path, "a frame does not say which segment it shows", frame=number + 1
                )
        plane = (group.get(tags.PlanePositionSequence) or shared.get(tags.PlanePositionSequence) or [{}])[0]
        origin = _item_values(plane, tags.ImagePositionPatient, 3, elements.path)
        # DICOM lets a frame that is made from one image leave out its position: it lies where the image lies.
        source = _sole_source(group)
        if origin is None and not source:
            raise unreadable(
                elements.path,
                "a frame has neither ImagePositionPatient nor one image that it was made from",
                frame=number + 1,
            )
        origin_mm = np.array((np.nan,) * 3 if origin is None else origin)
        frames.append(SegmentFrame(number=number, segment=segment, origin_mm=origin_mm, source_uid=source))
    return tuple(frames)


def _sole_source(group: Item) -> str:
    """Return the one image, or frame (``#n``), that a frame was made from; empty where there is not one."""
    found = instances_of(source_images(group))
    return next(iter(found)) if len(found) == 1 else ""


def _shared_values(
    shared: Item, groups: Sequence[Item], sequence: int, tag: int, count: int, path: Path | str
) -> tuple[float, ...] | None:
    """Values that all frames share, wherever they stand; frames that differ are no one stack."""
    items = [group[sequence][0] for group in groups if group.get(sequence)]
    if not items:
        return _item_values((shared.get(sequence) or [{}])[0], tag, count, path)
    raw = {item.get(tag, b"") for item in items}
    values = {_item_values({tag: one}, tag, count, path) for one in raw}
    first = next(iter(values))
    for other in values - {first}:
        if first is None or other is None or not np.allclose(first, other, rtol=1e-4, atol=1e-5):
            raise GeometryError(
                "inconsistent-series",
                "frames of the segmentation differ in orientation or spacing",
                where=path,
                values={"one": first, "other": other},
                todo="Export one segmentation for each stack.",
            )
    return first


def _item_values(item: Item, tag: int, count: int, path: Path | str) -> tuple[float, ...] | None:
    value = decode_value(tag, item.get(tag, b""), where=path)
    if value is None:
        return None
    if len(value) != count:
        raise unreadable(
            path,
            "an element has another number of values than the data dictionary",
            tag=tags.tag_name(tag),
            found=len(value),
            due=count,
        )
    return cast("tuple[float, ...]", value)


def _item_number(item: Item, tag: int, elements: DicomElements) -> int | None:
    value = decode_value(tag, item.get(tag, b""), little_endian=elements.little_endian, where=elements.path)
    return value[0] if isinstance(value, tuple) and isinstance(value[0], int) else None


def _number(elements: DicomElements, tag: int, default: int) -> int:
    value = elements.value(tag)
    return value[0] if isinstance(value, tuple) and isinstance(value[0], int) else default


def _length(
    shared: Item, groups: Sequence[Item], tag: int, path: Path | str
) -> tuple[float | None, bool, bool]:
    """Return a number that positions can replace, whether it is one where it is there, and whether it varies.

    Where it differs from frame to frame the file has no one such length.
    """
    try:
        values = _shared_values(shared, groups, tags.PixelMeasuresSequence, tag, 1, path)
    except ReadError:
        return None, False, False
    except GeometryError:
        return None, True, True
    return (None if values is None else values[0]), True, False


def unreadable(where: Path | str, what: str, **values: Any) -> ReadError:
    """Return the error for a segmentation that contradicts itself."""
    return ReadError("unreadable", what, where=where, values=values, todo="Export the segmentation again.")
