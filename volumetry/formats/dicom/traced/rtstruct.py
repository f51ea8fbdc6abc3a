"""RT Structure Sets: the outlines of regions, drawn in patient coordinates on slices.

Only elements of the whitelist are decoded (`volumetry.formats.dicom.file.values`); of a patient's texts
that is PatientID, and of the reader's texts ROIName, by which a region is asked for.

Rings of one slice add up. ``CLOSEDPLANAR_XOR`` rings combine by even-odd, so that one inside another is a
hole, and one inside that an island (DICOM PS3.3 C.8.8.6.3). Plain ``CLOSED_PLANAR`` rings that are nested say
neither hole nor sum, and are refused when they are measured (``ambiguous-overlap``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from volumetry.errors import MismatchError, VolumetryError
from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.traced.image_search import images_of
from volumetry.formats.dicom.traced.images import TracedImages
from volumetry.formats.dicom.traced.references import (
    References,
    check_belongs,
    instances_of,
    references_of,
)
from volumetry.formats.dicom.traced.rtstruct_contours import OFF_PLANE, contours_of, lies_on
from volumetry.formats.dicom.traced.rtstruct_items import (
    Region,
    RegionItems,
    Ring,
    check_not_rejected,
    check_types,
    no_outline,
    region_items,
    rings_of,
    walk_structures,
    wanted_region,
)
from volumetry.formats.lesion_names import side_of_name
from volumetry.sections import CrossSections
from volumetry.trace import Trace


@dataclass(frozen=True, kw_only=True)
class RegionOutcome:
    """What became of one region: its trace, or the error that says why there is none."""

    region: Region
    trace: Trace | None = None
    error: VolumetryError | None = None


def referenced(path: Path | str) -> References:
    """Return what a structure set belongs to, by all that it names; its contours are not decoded.

    Raises
    ------
    ReadError
        As `volumetry.formats.dicom.file.elements.walk_file`.
    """
    return references_of(walk_structures(path))  # the rings may name images of more series


def images_of_regions(path: Path | str) -> tuple[tuple[int, frozenset[str]], ...]:
    """Return the number of every region, and the images that its outlines name.

    Raises
    ------
    ReadError
    """
    return tuple(
        (
            items.region.number,
            instances_of(i for ring in items.contours for i in ring.get(tags.ContourImageSequence, [])),
        )
        for items in region_items(walk_structures(path))
    )


def list_rois(path: Path | str) -> tuple[Region, ...]:
    """Return the regions of a structure set, in order of their numbers.

    Raises
    ------
    ReadError
    """
    return tuple(items.region for items in region_items(walk_structures(path)))


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

    Raises
    ------
    ReadError
        Also ``not-found`` where the series it names is not beside it.
    TraceError
        ``ambiguous-series`` where several regions could be meant, ``no-such-label``, ``contour-off-plane``,
        ``no-outline``, ``ring-type``; ``not-measurable`` where the structure set was rejected.
    MismatchError
        ``patient-mismatch``, ``wrong-series``.
    """
    elements = walk_structures(path)
    check_not_rejected(elements)
    wanted = wanted_region(region_items(elements), roi, path)
    references = references_of(elements)
    return _trace(wanted, references, images_of(path, references, scan), path)


def read_regions(
    path: Path | str, *, roi: str | int | None = None, scan: object = None
) -> tuple[RegionOutcome, ...]:
    """Read every region of a structure set, or the named one; one that fails hides no other.

    Parameters
    ----------
    path, roi, scan
        As in `read_trace`.

    Raises
    ------
    ReadError, TraceError, MismatchError
        Where the file as a whole cannot be read, or does not belong to the scan.
    """
    elements = walk_structures(path)
    check_not_rejected(elements)
    regions = region_items(elements)
    if roi is not None:
        regions = (wanted_region(regions, roi, path),)
    references = references_of(elements)
    images = images_of(path, references, scan)
    return tuple(_outcome(items, references, images, path) for items in regions)


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


def _outcome(
    items: RegionItems, references: References, images: TracedImages, path: Path | str
) -> RegionOutcome:
    try:
        return RegionOutcome(region=items.region, trace=_trace(items, references, images, path))
    except VolumetryError as error:
        if isinstance(error, MismatchError) and images.scan is None and not images.headers:
            raise
        return RegionOutcome(region=items.region, error=error)


def _trace(items: RegionItems, references: References, images: TracedImages, path: Path | str) -> Trace:
    region = items.region
    check_types(items, path)
    rings = rings_of(items, str(path))
    named = {uid for ring in rings for uid in ring.instance_uids}
    stack = images.stack_of(named, partial(lies_on, rings), items.frame_of_reference_uid)
    flags = set(stack.flags) | check_belongs(references, stack, path, items.frame_of_reference_uid, named)
    lost = [ring for ring in rings if images.lacks(ring.instance_uids)]
    try:
        contours, found = contours_of(rings, stack)
        if lost and len(lost) < len(rings):
            raise _of_other_images(lost[0], len(lost))
    except VolumetryError as error:
        if lost and error.code == "contour-off-plane":
            error = _of_other_images(lost[0], len(lost), code=error.code)
        raise _named(error, region.name, path) from None
    if not contours:
        raise no_outline(items, path)
    return Trace(
        lesion=region.name,
        side=side_of_name(region.name),
        contours=contours,
        geometry=stack.geometry,
        source=stack.source,
        flags=tuple(flags | found),
    )


def _of_other_images(ring: Ring, n_lost: int, code: str = "wrong-series") -> MismatchError:
    """Return the error for a region that names some images of its series, and others that are not there."""
    return MismatchError(
        code,
        "outlines name images that are not among those of the scan",
        values={"outlines": n_lost, "image": ring.instance_uids[0]},
        todo="Name the folder that holds all images that it was drawn on, with --scan.",
    )


def _named(error: VolumetryError, region: str, path: Path | str) -> VolumetryError:
    values = {"region": region, **error.values}
    return type(error)(error.code, error.what, where=error.where or path, values=values, todo=error.todo)


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
