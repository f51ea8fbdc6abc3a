"""RT Structure Sets: the outlines of regions, drawn in patient coordinates on the slices of one series.

Only elements of the whitelist are decoded (`volumetry.formats.dicom.file.values`); of a patient's texts
that is PatientID, and of the reader's texts ROIName, by which a region is asked for.

Rings of one slice add up. ``CLOSEDPLANAR_XOR`` rings combine by even-odd, so that one inside another is a
hole, and one inside that an island (DICOM PS3.3 C.8.8.6.3). Plain ``CLOSED_PLANAR`` rings that are nested say
neither hole nor sum, and are refused when they are measured (``ambiguous-overlap``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.contour import Contour, ring_inside
from volumetry.errors import GeometryError, MismatchError, ReadError, TraceError, VolumetryError
from volumetry.formats.dicom.classes import RTSTRUCT_CLASS
from volumetry.formats.dicom.file.elements import DicomElements, walk_file
from volumetry.formats.dicom.file.values import decode_text, decode_value
from volumetry.formats.dicom.file.walk import ElementSelection, Item
from volumetry.formats.dicom.traced.references import (
    REFERENCE_SEQUENCES,
    REFERENCE_TAGS,
    References,
    SourceStack,
    check_belongs,
    references_of,
    slice_uids_of,
    source_stack,
)
from volumetry.formats.lesion_names import side_of_name
from volumetry.geometry import ScanGeometry
from volumetry.sections import CrossSections
from volumetry.trace import Trace

OFF_PLANE = 0.1
"""Distance from the nearest slice, relative to the slice spacing, from which a contour lies on none."""

SNAPPED = 1e-3
"""Distance, relative to the slice spacing, above which taking a contour to its slice is worth a flag."""

_SELECTION = ElementSelection(tags=REFERENCE_TAGS, sequences=REFERENCE_SEQUENCES | {0x30060020, 0x30060039})
_REFERENCES = ElementSelection(tags=REFERENCE_TAGS, sequences=REFERENCE_SEQUENCES)
_XOR = "CLOSEDPLANAR_XOR"
_CLOSED = ("CLOSED_PLANAR", _XOR)


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
        Points and open lines it holds, which have no area and are left aside.
    """

    number: int
    name: str
    n_contours: int
    n_other: int


@dataclass(frozen=True, kw_only=True)
class RegionOutcome:
    """What became of one region: its trace, or the error that says why there is none."""

    region: Region
    trace: Trace | None = None
    error: VolumetryError | None = None


@dataclass(frozen=True, kw_only=True)
class _Ring:
    points_mm: NDArray[np.float64]
    is_xor: bool
    instance_uids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _RegionItems:
    region: Region
    frame_of_reference_uid: str
    contours: tuple[Item, ...]


def referenced(path: Path | str) -> References:
    """Return what a structure set belongs to, without reading its contours.

    Raises
    ------
    ReadError
        As `volumetry.formats.dicom.file.elements.walk_file`.
    """
    return references_of(walk_file(path, _REFERENCES))


def list_rois(path: Path | str) -> tuple[Region, ...]:
    """Return the regions of a structure set, in order of their numbers.

    Raises
    ------
    ReadError
    """
    return tuple(items.region for items in _region_items(_walk(path)))


def read_trace(path: Path | str, *, roi: str | int | None = None, scan: object = None) -> Trace:
    """Read one region of a structure set.

    Parameters
    ----------
    path : path
    roi : str or int, optional
        Name or number of the region, where the file holds several.
    scan : Scan, SourceStack or path, optional
        The scan it was drawn on; without it the series it names is looked for beside the file.

    Returns
    -------
    Trace
        Without contours where the region has none: the reader found it absent.

    Raises
    ------
    ReadError
        Also ``not-found`` where the series it names is not beside it.
    TraceError
        ``ambiguous-series`` where several regions could be meant, ``no-such-label``, ``contour-off-plane``.
    MismatchError
        ``patient-mismatch``, ``wrong-series``.
    """
    elements = _walk(path)
    wanted = _wanted_region(_region_items(elements), roi, path)
    references = references_of(elements)
    stack = source_stack(path, references, scan)
    return _trace(wanted, references, stack, path)


def read_regions(
    path: Path | str, *, roi: str | int | None = None, scan: object = None
) -> tuple[RegionOutcome, ...]:
    """Read every region of a structure set, or the named one; one that fails hides no other.

    Regions of nothing but points and open lines (markers) are no regions to measure, and left out unless
    named.

    Parameters
    ----------
    path, roi, scan
        As in `read_trace`.

    Raises
    ------
    ReadError, TraceError, MismatchError
        Where the file as a whole cannot be read, or does not belong to the scan.
    """
    elements = _walk(path)
    regions = _region_items(elements)
    if roi is not None:
        regions = (_wanted_region(regions, roi, path),)
    else:
        regions = tuple(r for r in regions if r.region.n_contours or not r.region.n_other)
    references = references_of(elements)
    stack = source_stack(path, references, scan)
    return tuple(_outcome(items, references, stack, path) for items in regions)


def read_sections(
    path: Path | str,
    *,
    label: int | str | None = None,
    threshold: float | None = None,  # noqa: ARG001
    scan: object = None,
) -> tuple[CrossSections, ...]:
    """Measure the areas of every region that can be measured, or of the named one.

    Raises
    ------
    VolumetryError
        The first region's error, where no region can be measured or the named one cannot.
    """
    measured: list[CrossSections] = []
    errors: list[VolumetryError] = []
    for outcome in read_regions(path, roi=label, scan=scan):
        try:
            if outcome.error is not None:
                raise outcome.error
            if outcome.trace is not None:
                measured.append(outcome.trace.cross_sections())
        except VolumetryError as error:
            errors.append(error.at(path))
    if errors and not measured:
        raise errors[0]
    return tuple(measured)


# -- the file ---------------------------------------------------------------------------------------------


def _walk(path: Path | str) -> DicomElements:
    elements = walk_file(path, _SELECTION)
    if elements.value(0x00080016) != RTSTRUCT_CLASS:
        raise ReadError(
            "unsupported-format",
            "the file is no RT Structure Set",
            where=path,
            todo="Name a file that holds contours.",
        )
    return elements


def _region_items(elements: DicomElements) -> tuple[_RegionItems, ...]:
    contours: dict[int, list[Item]] = {}
    for item in elements.sequences.get(0x30060039, []):
        number = _integer(item, 0x30060084, elements.path)
        contours.setdefault(number, []).extend(item.get(0x30060040, []))
    regions: dict[int, _RegionItems] = {}
    character_set = elements.raw(0x00080005) or b""
    for item in elements.sequences.get(0x30060020, []):
        number = _integer(item, 0x30060022, elements.path)
        if number in regions:
            raise _unreadable(elements.path, "two regions have one number", number=number)
        mine = tuple(contours.pop(number, ()))
        closed = sum(_geometric_type(contour, elements.path) in _CLOSED for contour in mine)
        name = decode_text(item.get(0x30060026, b""), item.get(0x00080005) or character_set)
        region = Region(number=number, name=name, n_contours=closed, n_other=len(mine) - closed)
        frame = item.get(0x30060024, b"").decode("ascii", "replace").strip(" \0")
        regions[number] = _RegionItems(region=region, frame_of_reference_uid=frame, contours=mine)
    if any(contours.values()):
        raise _unreadable(
            elements.path, "contours belong to a region that the file does not list", number=min(contours)
        )
    return tuple(regions[number] for number in sorted(regions))


def _wanted_region(regions: Sequence[_RegionItems], roi: str | int | None, path: Path | str) -> _RegionItems:
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


def _geometric_type(contour: Item, where: str) -> str:
    value = decode_value(0x30060042, contour.get(0x30060042, b""), where=where)
    return str(value[0]) if isinstance(value, tuple) else ""


def _integer(item: Item, tag: int, where: str) -> int:
    value = decode_value(tag, item.get(tag, b""), where=where)
    if not isinstance(value, tuple) or not isinstance(value[0], int):
        raise _unreadable(where, "a region has no number")
    return value[0]


def _rings(items: _RegionItems, where: str) -> list[_Ring]:
    rings = []
    for contour in items.contours:
        kind = _geometric_type(contour, where)
        if kind in _CLOSED:
            rings.append(
                _Ring(
                    points_mm=_points(contour, where),
                    is_xor=kind == _XOR,
                    instance_uids=tuple(
                        image.get(0x00081155, b"").decode("ascii", "replace").strip(" \0")
                        for image in contour.get(0x30060016, [])
                    ),
                )
            )
    return rings


def _points(contour: Item, where: str) -> NDArray[np.float64]:
    raw = contour.get(0x30060050, b"").strip(b" \0")
    try:
        values = np.array(raw.split(b"\\") if raw else [], dtype=np.bytes_).astype(np.float64)
    except ValueError:
        raise _unreadable(where, "a coordinate of a contour is no number") from None
    declared = decode_value(0x30060046, contour.get(0x30060046, b""), where=where)
    if len(values) % 3 or (isinstance(declared, tuple) and declared[0] != len(values) // 3):
        raise _unreadable(
            where, "a contour has another number of coordinates than it says", coordinates=len(values)
        )
    if not np.isfinite(values).all():
        raise _unreadable(where, "a coordinate of a contour is not finite")
    return values.reshape(-1, 3)


def _unreadable(where: Path | str, what: str, **values: Any) -> ReadError:
    return ReadError("unreadable", what, where=where, values=values, todo="Export the structure set again.")


# -- from the patient to the slices -------------------------------------------------------------------------


def _outcome(
    items: _RegionItems, references: References, stack: SourceStack, path: Path | str
) -> RegionOutcome:
    try:
        return RegionOutcome(region=items.region, trace=_trace(items, references, stack, path))
    except VolumetryError as error:
        if isinstance(error, MismatchError):
            raise
        return RegionOutcome(region=items.region, error=error)


def _trace(items: _RegionItems, references: References, stack: SourceStack, path: Path | str) -> Trace:
    flags = set(stack.flags) | check_belongs(references, stack, path, items.frame_of_reference_uid)
    region = items.region
    if region.n_other and not region.n_contours:
        raise TraceError(
            "invalid-contour",
            "the region has points or open lines, but no closed outline",
            where=path,
            values={"region": region.name, "points and lines": region.n_other},
            todo="Draw closed outlines.",
        )
    try:
        contours, found = _contours(_rings(items, str(path)), stack)
    except VolumetryError as error:
        raise _named(error, region.name, path) from None
    return Trace(
        lesion=region.name,
        side=side_of_name(region.name),
        contours=contours,
        geometry=stack.geometry,
        source=stack.source,
        flags=tuple(flags | found),
    )


def _named(error: VolumetryError, region: str, path: Path | str) -> VolumetryError:
    values = {"region": region, **error.values}
    return type(error)(error.code, error.what, where=error.where or path, values=values, todo=error.todo)


def _contours(rings: Iterable[_Ring], stack: SourceStack) -> tuple[tuple[Contour, ...], set[str]]:
    flags: set[str] = set()
    slices: dict[int, list[tuple[Contour, bool]]] = {}
    slice_numbers = {uid: index for index, uid in enumerate(slice_uids_of(stack)) if uid}
    for ring in rings:
        if len(np.unique(ring.points_mm, axis=0)) < 3:
            flags.add("contour-degenerate")
            continue
        named = [slice_numbers[uid] for uid in ring.instance_uids if uid in slice_numbers]
        index, is_snapped = _slice_of(ring.points_mm, stack.geometry, named)
        if is_snapped:
            flags.add("contour-snapped")
        pixels = stack.geometry.patient_to_pixel(index, ring.points_mm)
        slices.setdefault(index, []).append((Contour(slice_index=index, vertices=pixels), ring.is_xor))
    return tuple(c for found in slices.values() for c in _with_holes(found)), flags


def _slice_of(
    points_mm: NDArray[np.float64], geometry: ScanGeometry, named: Sequence[int]
) -> tuple[int, bool]:
    """Return the slice a ring lies on, and whether it lay beside it by more than rounding.

    The slice it names counts where it also lies there; else the nearest.
    """
    along = points_mm @ geometry.normal
    tolerance_mm = OFF_PLANE * _spacing_mm(geometry)
    nearest, _ = geometry.nearest_slice(points_mm.mean(axis=0))
    for index in (*named, nearest):
        distance_mm = float(np.abs(along - geometry.slice_positions_mm[index]).max())
        if distance_mm <= tolerance_mm:
            return index, distance_mm > SNAPPED * _spacing_mm(geometry)
    raise _off_plane(along, geometry, nearest)


def _spacing_mm(geometry: ScanGeometry) -> float:
    return geometry.regular_step_mm or geometry.slice_thickness_mm or min(geometry.pixel_spacing_mm)


def _off_plane(along: NDArray[np.float64], geometry: ScanGeometry, nearest: int) -> VolumetryError:
    position = float(along.mean())
    positions = geometry.slice_positions_mm
    values = {
        "contour_mm": position,
        "nearest slice_mm": float(positions[nearest]),
        "contour depth_mm": float(np.ptp(along)),
        "slice spacing_mm": _spacing_mm(geometry),
    }
    if any(positions[hole] < position < positions[hole + 1] for hole in geometry.holes):
        return GeometryError(
            "missing-slice",
            "a contour lies where slices are missing from the scan",
            values=values,
            todo="Find the missing images.",
        )
    return TraceError(
        "contour-off-plane",
        "a contour lies on no slice",
        values=values,
        todo="Check that the contours were drawn on this series, with --scan for another one.",
    )


def _with_holes(found: Sequence[tuple[Contour, bool]]) -> list[Contour]:
    """Say of the rings of one slice which are holes: odd ones by nesting, where an XOR ring says so."""
    if not any(is_xor for _, is_xor in found):
        return [contour for contour, _ in found]
    around = [
        [j for j, (other, _) in enumerate(found) if j != i and ring_inside(contour.vertices, other.vertices)]
        for i, (contour, _) in enumerate(found)
    ]
    contours = []
    for (contour, is_xor), outer in zip(found, around, strict=True):
        parent = max(outer, key=lambda j: len(around[j]), default=None)
        combines = is_xor or (parent is not None and found[parent][1])
        contours.append(
            Contour(
                slice_index=contour.slice_index,
                vertices=contour.vertices,
                is_hole=combines and len(outer) % 2 == 1,
            )
        )
    return contours


__all__ = [
    "OFF_PLANE",
    "Region",
    "RegionOutcome",
    "list_rois",
    "read_regions",
    "read_sections",
    "read_trace",
    "referenced",
]
