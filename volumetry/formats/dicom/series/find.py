"""The stacks of all series among some headers: classic images, multi-frame images and mosaics.

No pixels are decoded, so that a folder can be listed, and contours placed, at the speed of headers.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from operator import itemgetter
from typing import Literal

from volumetry.errors import VolumetryError
from volumetry.formats.dicom.classes import ENHANCED_CLASSES
from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.header_tags import HEADER_SELECTION
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.series import enhanced, mosaic
from volumetry.formats.dicom.series.groups import groups_of
from volumetry.formats.dicom.series.repetitions import without_copies
from volumetry.formats.dicom.series.slices import Slice, slices_of, unplaced_error
from volumetry.formats.dicom.series.stacks import (
    SeriesStack,
    StackRefusal,
    refusal_of,
    stacks_of_group,
    with_flag,
)

_SERIES = itemgetter(*(HEADER_SELECTION.slots[tag] for tag in (tags.SOPClassUID, tags.SeriesInstanceUID)))

_STORAGE = itemgetter(
    *(HEADER_SELECTION.slots[tag] for tag in (tags.ImageType, tags.SOPClassUID, tags.NumberOfFrames))
)
"""ImageType, SOPClassUID, NumberOfFrames: how the slices of a volume are laid out in files."""

_NO_IMAGES = re.compile(r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.(66\.[47]|481\.\d+|11\.\d+|88\.\d+|104\.\d+)")
"""SEG, RT objects (also dose, which is no scan), presentation states, reports and documents."""


def is_image(header: DicomHeader) -> bool:
    """Return whether a file holds an image that could be part of a scan: pixels, and no segmentation."""
    return header.pixel is not None and _NO_IMAGES.fullmatch(header.sop_class_uid or "") is None


def stacks_of(
    headers: Iterable[DicomHeader], named: Collection[str] = ()
) -> tuple[SeriesStack | StackRefusal, ...]:
    """Find the stacks of every series among the headers; files that hold no image are passed over.

    Parameters
    ----------
    headers : iterable of DicomHeader
        Of one series or of many, in any order.
    named : collection of str, optional
        SOPInstanceUIDs that a tracing names, with ``#n`` for frames. They decide where nothing else tells
        images at one position apart, and an image without position is set aside where they leave it out.

    Returns
    -------
    tuple of SeriesStack or StackRefusal
        In the order of series UID, and within a series of the first file's path. Nothing is raised: what
        cannot be a stack is a refusal with its error.
    """
    series: dict[str, list[DicomHeader]] = {}
    found: list[SeriesStack | StackRefusal] = []
    uids: dict[tuple[bytes | None, ...], str | None] = {}  # decoded once for all images of a series
    for header in sorted(headers, key=lambda h: h.path):
        try:
            raw = _SERIES(header.raw_values)
            if header.pixel is not None and raw not in uids:
                uids[raw] = (header.series_instance_uid or "") if is_image(header) else None
            uid = None if header.pixel is None else uids[raw]
            if uid is not None:
                series.setdefault(uid, []).append(header)
        except VolumetryError as error:
            found.append(refusal_of(error, [header]))
    for uid in sorted(series):
        found += _stacks_of_series(series[uid], named)
    return tuple(found)


def _stacks_of_series(headers: list[DicomHeader], named: Collection[str]) -> list[SeriesStack | StackRefusal]:
    """Find the stacks of one series."""
    try:
        layouts: dict[tuple[bytes | None, ...], Layout] = {}
        laid_out: dict[Layout, list[DicomHeader]] = {"mosaic": [], "frames": [], "classic": []}
        for header in headers:
            raw = _STORAGE(header.raw_values)
            if raw not in layouts:
                layouts[raw] = _layout_of(header)
            laid_out[layouts[raw]].append(header)
        found = _mosaic_stacks(laid_out["mosaic"]) + _frame_stacks(laid_out["frames"], named)
        if laid_out["classic"]:
            found += _classic_stacks(laid_out["classic"], named)
    except VolumetryError as error:
        return [refusal_of(error, headers)]
    if len(found) > 1:
        found = [with_flag(s, "split-series") if isinstance(s, SeriesStack) else s for s in found]
    return found


Layout = Literal["classic", "frames", "mosaic"]


def _layout_of(header: DicomHeader) -> Layout:
    """How the slices of a volume are laid out in files: one a file, frames of files, tiles of one image."""
    if header.number_of_frames > 1 or header.sop_class_uid in ENHANCED_CLASSES:
        return "frames"
    return "mosaic" if header.is_mosaic else "classic"


def _mosaic_stacks(headers: Iterable[DicomHeader]) -> list[SeriesStack | StackRefusal]:
    found: list[SeriesStack | StackRefusal] = []
    for header in headers:
        try:
            found += mosaic.stacks_of_file(header)
        except VolumetryError as error:
            found.append(refusal_of(error.at(header.path), [header]))
    return found


def _frame_stacks(headers: Iterable[DicomHeader], named: Collection[str]) -> list[SeriesStack | StackRefusal]:
    """Find the stacks of multi-frame images: one file may hold several, and several files one."""
    found: list[SeriesStack | StackRefusal] = []
    slices: list[Slice] = []
    for header in headers:
        try:
            slices += enhanced.slices_of_file(header)
        except VolumetryError as error:
            found.append(refusal_of(error.at(header.path), [header]))
    for group in groups_of(slices):
        try:
            kept = without_copies(group)
            found += stacks_of_group(kept, ("duplicate-file",) if len(kept) < len(group) else (), named)
        except VolumetryError as error:
            files = {image.header.path: image.header for image in group}
            found.append(refusal_of(error, list(files.values())))
    return found


def _classic_stacks(headers: list[DicomHeader], named: Collection[str]) -> list[SeriesStack | StackRefusal]:
    slices, unplaced = slices_of(headers)
    found: list[SeriesStack | StackRefusal] = []
    for group in groups_of(slices):
        try:
            kept = without_copies(group)
            found += stacks_of_group(kept, ("duplicate-file",) if len(kept) < len(group) else (), named)
        except VolumetryError as error:
            found.append(refusal_of(error, [s.header for s in group]))
    for header in unplaced:
        if not _is_no_slice(header, slices, found, named):
            raise unplaced_error(header)  # a slice of the series that lost its place
    found += [refusal_of(unplaced_error(header), [header]) for header in unplaced]
    return found


_NO_SLICE = ("LOCALIZER", "PROJECTION IMAGE", "MIP")
"""Values of ImageType of images that are no slice of a stack."""


def _is_no_slice(
    header: DicomHeader,
    slices: Iterable[Slice],
    found: Iterable[SeriesStack | StackRefusal],
    named: Collection[str],
) -> bool:
    """Whether an image without position can be set aside: it is no slice of the stacks that were found.

    Its tracing leaves it out and names others; or it says nothing at all of where it lies (a picture of the
    screen), and no slice is missing without it; or it says that it is something else.
    """
    if named and header.sop_instance_uid not in named and any(s.is_named(named) for s in slices):
        return True
    if header.image_position_mm is None and header.image_orientation is None:
        stacks = [s for s in found if isinstance(s, SeriesStack)]
        if len(stacks) == 1 and stacks[0].n_slices > 1 and not stacks[0].geometry.holes:
            return True
    return not any(_could_be_beside(header, s) for s in slices)


def _could_be_beside(header: DicomHeader, placed: Slice) -> bool:
    """Whether an image without position can be a slice of the stack of another: nothing says otherwise.

    A projection or a localizer says so, as does an image that is derived among original ones.
    """
    mine, theirs = header.image_type, placed.kind.image_type
    return (
        header.sop_class_uid == placed.header.sop_class_uid
        and all((word in mine) == (word in theirs) for word in _NO_SLICE)
        and (not mine or not theirs or mine[0] == theirs[0])
    )
