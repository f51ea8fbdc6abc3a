"""The segments of a ``.seg.nrrd`` file, as 3D Slicer describes them in key/value pairs."""

from __future__ import annotations

import re
from pathlib import Path

from volumetry.errors import GeometryError
from volumetry.formats.lesion_names import side_of_codes
from volumetry.formats.voxels.header_text import unreadable
from volumetry.masks.labels import MaskLabel

_SEGMENT = re.compile(r"Segment(\d{1,6})_(Name|LabelValue|Layer|ID|Tags)")
_CODE = re.compile(r"\^([\w-]+)\^")  # of ``SCT^7771000^Left`` within a segment's terminology


def segments_of(pairs: dict[str, str], n_layers: int, path: Path) -> tuple[MaskLabel, ...]:
    """Return the segments that the key/value pairs of a file describe.

    Raises
    ------
    ReadError
        ``unreadable`` where a segment has no number, or lies on a layer that is not there.
    GeometryError
        ``header-conflict`` where two segments are the same voxels.
    """
    found: dict[int, dict[str, str]] = {}
    for key, value in pairs.items():
        match = _SEGMENT.fullmatch(key)
        if match:
            found.setdefault(int(match[1]), {})[match[2]] = value
    labels = []
    for index, segment in sorted(found.items()):
        try:
            # Before layers there was one segment an axis position, each with value 1.
            layer = int(segment.get("Layer", index if n_layers > 1 else 0))
            number = int(segment.get("LabelValue", 1))
        except ValueError:
            raise unreadable("a segment has no number", path, segment=str(index)) from None
        if not 0 <= layer < n_layers:
            raise unreadable("a segment lies on a layer that is not there", path, segment=str(index))
        name = segment.get("Name") or segment.get("ID", "")
        side = side_of_codes(_CODE.findall(segment.get("Tags", "")))
        labels.append(MaskLabel(number=number, name=name, layer=layer, side=side))
    _check_segments(labels, path)
    return tuple(labels)


def _check_segments(labels: list[MaskLabel], path: Path) -> None:
    """Refuse two segments that are the same voxels: one value of one layer belongs to one of them."""
    owners: dict[tuple[int, int], MaskLabel] = {}
    for label in labels:
        if label.number == 0:
            raise GeometryError(
                "header-conflict",
                "a segment claims the value 0, which is the background",
                where=path,
                values={"segment": label.name, "layer": label.layer},
                todo="Give the segment a value of its own, or export the segmentation again.",
            )
        other = owners.setdefault((label.layer, label.number), label)
        if other is not label:
            raise GeometryError(
                "header-conflict",
                "two segments claim one value of one layer",
                where=path,
                values={
                    "segments": f"{other.name}, {label.name}",
                    "value": label.number,
                    "layer": label.layer,
                },
                todo="Give each segment a value of its own, or export the segmentation again.",
            )
