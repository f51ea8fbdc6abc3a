"""The regions of an RT Structure Set as its file lists them: names, numbers, rings and their types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import ReadError, TraceError
from volumetry.formats.dicom.classes import RTSTRUCT_CLASS
from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.file.elements import DicomElements, walk_file
from volumetry.formats.dicom.file.selection import ElementSelection, Item
from volumetry.formats.dicom.file.values import decode_text, decode_value
from volumetry.formats.dicom.traced.details import details_of_region
from volumetry.formats.dicom.traced.references import REFERENCE_SEQUENCES, REFERENCE_TAGS, instances_of
from volumetry.formats.reader import RegionDetails

_SELECTION = ElementSelection(
    tags=(*REFERENCE_TAGS, tags.ApprovalStatus),
    sequences=REFERENCE_SEQUENCES
    | {tags.StructureSetROISequence, tags.ROIContourSequence, tags.RTROIObservationsSequence},
)
XOR = "CLOSEDPLANAR_XOR"
CLOSED = frozenset({"CLOSED_PLANAR", XOR})
KNOWN_TYPES = CLOSED | {"POINT", "OPEN_PLANAR", "OPEN_NONPLANAR"}
"""The values that ContourGeometricType may have (DICOM PS3.3 C.8.8.6.1)."""


@dataclass(frozen=True, kw_only=True)
class Region:
    """One region (ROI) as a structure set lists it.

    Attributes
    ----------
    number : int
        ROINumber, unique in the file.
    name : str
        ROIName, which need not be unique.
    n_contours : int
        Closed outlines it holds.
    n_other : int
        Rings of any other type: points, open lines, and types that are missing or unknown.
    details : RegionDetails
        What else the file says of it.
    """

    number: int
    name: str
    n_contours: int
    n_other: int
    details: RegionDetails = field(default=RegionDetails(), repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Ring:
    """A closed ring: its points (n, 3) in LPS mm, and the images it names."""

    points_mm: NDArray[np.float64]
    is_xor: bool
    instance_uids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RegionItems:
    """A region with its rings as the file has them."""

    region: Region
    frame_of_reference_uid: str
    contours: tuple[Item, ...]


def walk_structures(path: Path | str) -> DicomElements:
    """Walk a structure set with all its rings."""
    elements = walk_file(path, _SELECTION)
    if elements.value(tags.SOPClassUID) != RTSTRUCT_CLASS:
        raise ReadError(
            "unsupported-format",
            "the file is no RT Structure Set",
            where=path,
            todo="Name a file that holds contours.",
        )
    return elements


def check_not_rejected(elements: DicomElements) -> None:
    """Refuse a structure set that was reviewed and rejected; one that nobody has reviewed counts.

    Raises
    ------
    TraceError
        ``not-measurable``.
    """
    status = (elements.raw(tags.ApprovalStatus) or b"").decode("latin-1").strip(" \0").upper()
    if status == "REJECTED":
        raise TraceError(
            "not-measurable",
            "the structure set was rejected by its reviewer",
            where=elements.path,
            values={"ApprovalStatus": status},
            todo="Export the approved one instead, or approve this one where it was drawn and export again.",
        )


def region_items(elements: DicomElements) -> tuple[RegionItems, ...]:
    """Return the regions of a structure set with their rings, in order of their numbers."""
    contours: dict[int, list[Item]] = {}
    for item in elements.sequences.get(tags.ROIContourSequence, []):
        number = _integer(item, tags.ReferencedROINumber, elements.path)
        rings = (ring for ring in item.get(tags.ContourSequence, []) if not _is_empty(ring))
        contours.setdefault(number, []).extend(rings)
    observed: dict[int, list[Item]] = {}
    for item in elements.sequences.get(tags.RTROIObservationsSequence, []):
        with suppress(ReadError):  # no volume needs it
            observed.setdefault(_integer(item, tags.ReferencedROINumber, elements.path), []).append(item)
    regions: dict[int, RegionItems] = {}
    character_set = elements.raw(tags.SpecificCharacterSet) or b""
    for item in elements.sequences.get(tags.StructureSetROISequence, []):
        number = _integer(item, tags.ROINumber, elements.path)
        if number in regions:
            raise unreadable(elements.path, "two regions have one number", number=number)
        mine = tuple(contours.pop(number, ()))
        closed = sum(geometric_type(contour) in CLOSED for contour in mine)
        name = decode_text(item.get(tags.ROIName, b""), item.get(tags.SpecificCharacterSet) or character_set)
        region = Region(
            number=number,
            name=name,
            n_contours=closed,
            n_other=len(mine) - closed,
            details=details_of_region(item, observed.get(number, ())),
        )
        frame = item.get(tags.ReferencedFrameOfReferenceUID, b"").decode("ascii", "replace").strip(" \0")
        regions[number] = RegionItems(region=region, frame_of_reference_uid=frame, contours=mine)
    if any(contours.values()):
        raise unreadable(
            elements.path, "contours belong to a region that the file does not list", number=min(contours)
        )
    return tuple(regions[number] for number in sorted(regions))


def wanted_region(regions: Sequence[RegionItems], roi: str | int | None, path: Path | str) -> RegionItems:
    """Return the one region that is asked for by its name or number."""
    listed = " ".join(f"{r.region.number}={r.region.name}" for r in regions)
    named = [r for r in regions if roi is None or roi in (r.region.number, r.region.name)]
    if roi is not None and not named:
        # On a command line a number is a text.
        named = [r for r in regions if str(r.region.number) == roi]
    if len(named) > 1 and roi is None:
        named = [r for r in named if r.region.n_contours] or named
    if len(named) > 1:
        raise TraceError(
            "ambiguous-series",
            "several regions could be meant",
            where=path,
            values={"regions": listed},
            todo="Name one with --roi; where names repeat, by its number.",
        )
    if not named:
        raise TraceError(
            "no-such-label",
            "the region asked for is not in the file",
            where=path,
            values={"asked": "any" if roi is None else roi, "regions": listed or "none"},
            todo="Name one of those.",
        )
    return named[0]


def _is_empty(contour: Item) -> bool:
    """Whether an item of ContourSequence holds nothing at all: no type, no points, no number of points."""
    held = (tags.ContourGeometricType, tags.ContourData, tags.NumberOfContourPoints)
    return not any(contour.get(tag, b"").strip(b" \0") for tag in held)


def geometric_type(contour: Item) -> str:
    """Return the ContourGeometricType of a ring as it stands there; empty where it is missing."""
    raw: bytes = contour.get(tags.ContourGeometricType, b"")
    return raw.decode("ascii", "replace").strip(" \0")


def _integer(item: Item, tag: int, where: str) -> int:
    value = decode_value(tag, item.get(tag, b""), where=where)
    if not isinstance(value, tuple) or not isinstance(value[0], int):
        raise unreadable(where, "a region has no number")
    return value[0]


def check_types(items: RegionItems, where: Path | str) -> None:
    """Refuse a region whose rings are not all closed: something of it would be left out unseen.

    Raises
    ------
    TraceError
        ``ring-type`` where closed rings stand beside others, or a type is missing or unknown; ``no-outline``
        where there are only points and open lines, or nothing.
    """
    types = Counter(geometric_type(contour) for contour in items.contours)
    listed = " ".join(f"{name[:20] or 'none'}={n}" for name, n in sorted(types.items()))
    values = {"region": items.region.name, "rings by type": listed or "no rings"}
    if set(types) - KNOWN_TYPES or (types.keys() & CLOSED and types.keys() - CLOSED):
        raise TraceError(
            "ring-type",
            "the rings of a region are of mixed or unknown types, so that its extent is not known",
            where=where,
            values=values,
            todo="Export the region again with all its outlines closed, or name another region with --roi.",
        )
    if not types.keys() & CLOSED:
        raise no_outline(items, where, values)


def no_outline(
    items: RegionItems, where: Path | str, values: Mapping[str, object] | None = None
) -> TraceError:
    """Return the error for a region without any outline that encloses an area."""
    return TraceError(
        "no-outline",
        "the region has no closed outline with an area, so that nothing says whether the lesion is there",
        where=where,
        values=values or {"region": items.region.name, "rings": len(items.contours)},
        todo="Draw its outlines; where the lesion is gone, say so in a trace that is marked absent.",
    )


def rings_of(items: RegionItems, where: str) -> list[Ring]:
    """Return the closed rings of a region in patient coordinates."""
    return [
        Ring(
            points_mm=_points(contour, where),
            is_xor=geometric_type(contour) == XOR,
            instance_uids=tuple(sorted(instances_of(contour.get(tags.ContourImageSequence, [])))),
        )
        for contour in items.contours
        if geometric_type(contour) in CLOSED
    ]


def _points(contour: Item, where: str) -> NDArray[np.float64]:
    raw = contour.get(tags.ContourData, b"").strip(b" \0")
    try:
        values = np.array(raw.split(b"\\") if raw else [], dtype=np.bytes_).astype(np.float64)
    except ValueError:
        raise unreadable(where, "a coordinate of a contour is no number") from None
    declared = decode_value(
        tags.NumberOfContourPoints, contour.get(tags.NumberOfContourPoints, b""), where=where
    )
    n_points = declared[0] if isinstance(declared, tuple) else None
    if len(values) % 3 or (n_points is not None and n_points != len(values) // 3):
        raise unreadable(
            where,
            "the ContourData of a contour does not have three coordinates for each of its points",
            coordinates=len(values),
            NumberOfContourPoints="none" if n_points is None else n_points,
        )
    if not np.isfinite(values).all():
        raise unreadable(where, "a coordinate of a contour is not finite")
    return values.reshape(-1, 3)


def unreadable(where: Path | str, what: str, **values: Any) -> ReadError:
    """Return the error for a structure set that contradicts itself."""
    return ReadError("unreadable", what, where=where, values=values, todo="Export the structure set again.")
