"""What segmentations and structure sets say of a region besides its name, to be compared between visits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from volumetry.errors import ReadError
from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.file.elements import walk_file
from volumetry.formats.dicom.file.selection import ElementSelection, Item
from volumetry.formats.dicom.file.values import decode_text, decode_value
from volumetry.formats.lesion_names import side_of_name
from volumetry.formats.reader import RegionDetails

_SEGMENTS = ElementSelection(tags=(), sequences=frozenset({tags.SegmentSequence}))


def details_of_segments(path: Path | str) -> dict[int, RegionDetails]:
    """Return what a segmentation says of its segments, by their numbers; nothing where it cannot be read."""
    try:
        elements = walk_file(path, _SEGMENTS)
        return {
            number: _of_segment(item)
            for item in elements.sequences.get(tags.SegmentSequence, [])
            if (number := _number(item, tags.SegmentNumber, elements.little_endian)) is not None
        }
    except (ReadError, OSError):
        return {}


def details_of_region(region: Item, observations: Iterable[Item]) -> RegionDetails:
    """Return what a structure set says of a region: its description, and what observations it belongs to."""
    kinds = {_text(item, tags.RTROIInterpretedType) for item in observations} - {""}
    return RegionDetails(
        kind=_hash(*kinds) if len(kinds) == 1 else "", side=side_of_name(_text(region, tags.ROIDescription))
    )


def _of_segment(item: Item) -> RegionDetails:
    sequences = (tags.SegmentedPropertyTypeCodeSequence, tags.AnatomicRegionSequence)
    nothing: list[Item] = [{}]
    codes = [_text(one, tags.CodeValue) for name in sequences for one in item.get(name) or nothing]
    return RegionDetails(
        tracking_uid=_hash(_text(item, tags.TrackingUID)),
        tracking_id=_hash(_text(item, tags.TrackingID)),
        kind=_hash(*codes) if any(codes) else "",
        side=side_of_name(_text(item, tags.SegmentDescription)),
        maker=_text(item, tags.SegmentAlgorithmType).upper(),
    )


def _text(item: Item, tag: int) -> str:
    return decode_text(item.get(tag) or b"", b"").strip()


def _number(item: Item, tag: int, little_endian: bool) -> int | None:
    value = decode_value(tag, item.get(tag) or b"", little_endian=little_endian)
    return value[0] if isinstance(value, tuple) and isinstance(value[0], int) else None


def _hash(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12] if any(texts) else ""
