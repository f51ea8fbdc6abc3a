"""From headers to stacks: which DICOM images are the slices of one volume, and where each of them lies.

No pixels are decoded here, so that a folder can be listed, and contours placed, at the speed of headers.

A series is taken apart by what its images say of themselves (patient, frame of reference, image type, echo,
b-value), then by orientation, matrix and pixel spacing. Several images at one position are taken apart by
temporal position, acquisition, trigger or acquisition time, or by their numbers, where that gives whole
volumes; what still lies at one position is refused. Slices are sorted by position along the normal and by
nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from volumetry.acquisition import Acquisition
from volumetry.errors import VolumetryError
from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.file.values import iso_date
from volumetry.formats.dicom.header_tags import HEADER_SELECTION, OPTIONAL_TAGS
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.pixels.codecs import LOSSY_SYNTAXES
from volumetry.formats.dicom.pixels.frames import Frame, check_grey, classic_frame
from volumetry.formats.dicom.series.grids import grids_of
from volumetry.formats.dicom.series.groups import SAME_FAMILY_DEGREES
from volumetry.formats.dicom.series.repetitions import repetitions
from volumetry.formats.dicom.series.slices import Slice, degrees_between
from volumetry.formats.scan_header import ScanHeader
from volumetry.geometry import BAD_THICKNESS, GAP, ScanGeometry, sorted_by_position
from volumetry.scan import ScanSource

FEW_SLICES = 4
"""A lesion on a stack of fewer slices lies on few slices, whichever it is."""

_OPTIONAL_VALUES = itemgetter(*(HEADER_SELECTION.slots[tag] for tag in OPTIONAL_TAGS))

THICKNESS_VARIES = 1e-3
"""Relative difference of slice thickness from which no one thickness is known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MosaicTile:
    """Where the tile of one slice lies in a mosaic: its first row and column."""

    row: int
    column: int


@dataclass(frozen=True, kw_only=True, eq=False)
class SeriesStack:
    """One volume of a series: its frames in slice order, and where they lie.

    Attributes
    ----------
    frames : tuple of Frame
        One for each slice, ascending along the normal. Slices of an Enhanced image or mosaic share a file.
    geometry : ScanGeometry
    source : ScanSource
    flags : tuple of str
        Of the files (``duplicate-file``, ``lossy``, ``spacing-tag-disagrees``, ``split-series``,
        ``trailing-data``) and of the geometry (``slice-gap``, ``sheared-stack``...).
    slice_uids : tuple of str
        SOPInstanceUID of every slice; with ``#`` and the frame number, from 1, in a multi-frame image.
    image_type : tuple of str
    tiles : tuple of MosaicTile
        Of every slice in a mosaic; else empty.
    """

    frames: tuple[Frame, ...]
    geometry: ScanGeometry
    source: ScanSource
    flags: tuple[str, ...] = ()
    slice_uids: tuple[str, ...] = ()
    image_type: tuple[str, ...] = ()
    tiles: tuple[MosaicTile, ...] = ()

    @property
    def headers(self) -> tuple[DicomHeader, ...]:
        """Headers of the files, each once, in slice order."""
        return tuple({frame.header.path: frame.header for frame in self.frames}.values())

    @property
    def n_slices(self) -> int:
        """Number of slices."""
        return self.geometry.n_slices

    def holds(self, name: str) -> bool:
        """Whether an image or frame (``#n``) is a slice of the stack; of a whole image, any of its frames."""
        whole = name.partition("#")[0]
        return any(uid in (name, whole) or uid.partition("#")[0] == name for uid in self.slice_uids)

    @property
    def scan_header(self) -> ScanHeader:
        """The scan without its voxels."""
        return ScanHeader(
            geometry=self.geometry, source=self.source, flags=self.flags, slice_uids=self.slice_uids
        )

    @property
    def is_localizer(self) -> bool:
        """Whether the images say that they are localizers."""
        return "LOCALIZER" in self.image_type


@dataclass(frozen=True, kw_only=True, eq=False)
class StackRefusal:
    """Images that should be slices of a volume, and why they are not.

    Attributes
    ----------
    error : VolumetryError
    headers : tuple of DicomHeader
    source : ScanSource
    """

    error: VolumetryError
    headers: tuple[DicomHeader, ...]
    source: ScanSource


def stacks_of_group(
    group: Sequence[Slice], flags: tuple[str, ...] = (), named: Collection[str] = ()
) -> list[SeriesStack]:
    """Take slices of one contrast and orientation apart into stacks; `named` as in `repetitions`.

    Raises
    ------
    GeometryError
        ``inconsistent-series``, ``no-pixel-spacing``, ``bad-spacing``, ``duplicate-position``, ``not-3d``.
    """
    stacks = []
    for grid in grids_of(group):
        parts, found = repetitions(grid, named)
        stacks += [stack_of_slices(part, (*flags, *found)) for part in parts]
    return stacks


def stack_of_slices(slices: Sequence[Slice], flags: tuple[str, ...] = ()) -> SeriesStack:
    """Sort the slices of one stack by position, and gather their geometry.

    Raises
    ------
    GeometryError, ReadError
    """
    kind = slices[0].kind
    check_grey(slices[0].header)  # before anything is measured on it
    orientation = np.reshape(kind.orientation, (2, 3))
    origins = np.array([s.origin_mm for s in slices])
    order = sorted_by_position(orientation[0], orientation[1], origins)
    slices = [slices[i] for i in order]
    header = slices[0].header
    between_rows_mm, between_columns_mm = kind.pixel_spacing_mm or (math.nan, math.nan)
    thicknesses = [s.kind.slice_thickness_mm for s in slices]
    try:
        geometry = ScanGeometry(
            rows=kind.matrix[0],
            columns=kind.matrix[1],
            pixel_spacing_mm=(between_rows_mm, between_columns_mm),
            row_direction=orientation[0],
            column_direction=orientation[1],
            slice_origins_mm=origins[order],
            slice_thickness_mm=common_thickness(thicknesses),
            slice_thicknesses_mm=varying_thickness(thicknesses),
            frame_of_reference_uid=frame_of_reference_of(slices),
        )
    except VolumetryError as error:
        raise error.at(header.path) from None
    spacing_tags = {s.kind.spacing_between_slices_mm for s in slices}
    headers = list({s.header.path: s.header for s in slices}.values())
    found = {*flags, *file_flags(headers), *spacing_flags(geometry, spacing_tags), *geometry_flags(geometry)}
    if has_bad_thickness(thicknesses):
        found.add(BAD_THICKNESS)
    return SeriesStack(
        frames=_frames_of(slices),
        geometry=geometry,
        source=source_of(header, slices[0].frame_acquisition),
        flags=tuple(sorted(found)),
        slice_uids=tuple([s.uid for s in slices]),
        image_type=kind.image_type,
    )


_RESCALE = itemgetter(*(HEADER_SELECTION.slots[tag] for tag in (tags.RescaleSlope, tags.RescaleIntercept)))


def _frames_of(slices: Iterable[Slice]) -> tuple[Frame, ...]:
    """Return the frames of slices; a rescale that classic images share is decoded once."""
    known: dict[tuple[bytes | None, ...], Frame] = {}
    frames = []
    for image in slices:
        raw = _RESCALE(image.header.raw_values)
        frame, like = image.frame, known.get(raw)
        if frame is None:
            frame = (
                classic_frame(image.header)
                if like is None
                else Frame(header=image.header, slope=like.slope, intercept=like.intercept)
            )
            known[raw] = frame
        frames.append(frame)
    return tuple(frames)


def frame_of_reference_of(slices: Iterable[Slice]) -> str | None:
    """Return the frame of reference of a stack; single images may leave it out."""
    return next((uid for uid in (s.header.frame_of_reference_uid for s in slices) if uid), None)


def geometry_flags(geometry: ScanGeometry) -> set[str]:
    """Return the flags that every measurement on such a stack will raise."""
    flags = set()
    ratio = geometry.gap_ratio
    if ratio is not None and abs(ratio - 1) > GAP:
        flags.add("slice-gap" if ratio > 1 else "slices-overlap")
    for name, is_so in (
        ("nonuniform-spacing", geometry.is_uneven),
        ("sheared-stack", geometry.is_sheared_stack),
        ("sheared-grid", geometry.is_sheared_grid),
        ("missing-slice-outside", bool(geometry.holes)),
        ("few-slices", geometry.n_slices < FEW_SLICES),
    ):
        if is_so:
            flags.add(name)
    return flags


def common_thickness(thicknesses_mm: Sequence[float | None]) -> float | None:
    """Return the thickness that all slices declare; None where one declares none or they differ."""
    known = {thickness for thickness in thicknesses_mm if thickness is not None}
    if not known or None in thicknesses_mm or has_bad_thickness(thicknesses_mm):
        return None
    return None if max(known) - min(known) > THICKNESS_VARIES * max(known) else min(known)


def has_bad_thickness(thicknesses_mm: Iterable[float | None]) -> bool:
    """Whether a declared thickness is zero, negative or not finite."""
    return any(t is not None and not (math.isfinite(t) and t > 0) for t in set(thicknesses_mm))


def varying_thickness(thicknesses_mm: Sequence[float | None]) -> NDArray[np.float64] | None:
    """Return the thickness of every slice, where all declare one and they differ; else None."""
    known = [thickness for thickness in thicknesses_mm if thickness is not None]
    if len(known) < len(thicknesses_mm) or has_bad_thickness(known):
        return None
    if common_thickness(known) is not None:
        return None
    return np.array(known)


def spacing_flags(geometry: ScanGeometry, spacing_tags_mm: Iterable[float | None]) -> set[str]:
    """Return ``spacing-tag-disagrees`` where SpacingBetweenSlices is not the distance of the positions."""
    step = geometry.regular_step_mm
    if step is None:
        return set()
    tags = [abs(tag) for tag in spacing_tags_mm if tag is not None]
    return {"spacing-tag-disagrees"} if any(not abs(tag - step) <= GAP * step for tag in tags) else set()


def file_flags(headers: Iterable[DicomHeader]) -> set[str]:
    """Return the flags that files raise by themselves: ``lossy``, ``trailing-data``."""
    headers = list(headers)
    flags = {"trailing-data"} if any(header.trailing_bytes for header in headers) else set()
    syntaxes = {header.transfer_syntax_uid for header in headers}
    # Element by element: decoding a value that many files share for each of them is slow.
    columns = zip(*[_OPTIONAL_VALUES(header.raw_values) for header in headers], strict=True)
    for tag, values in zip(OPTIONAL_TAGS, columns, strict=False):
        distinct = dict(zip(values, headers, strict=True)) if len(set(values)) > 1 else {b"": headers[0]}
        if any(header.is_malformed(tag) for header in distinct.values()):
            flags.add("malformed-tag")
        if tag == tags.LossyImageCompression and any(header.is_lossy for header in distinct.values()):
            flags.add("lossy")
    if syntaxes & LOSSY_SYNTAXES:
        flags.add("lossy")
    return flags


def source_of(header: DicomHeader, acquisition: Acquisition | None = None) -> ScanSource:
    """Return what was scanned, from the header of any of its files; a frame knows its acquisition better."""
    laterality = header.laterality or ""
    return ScanSource(
        patient=header.patient_id or "",
        series_uid=header.series_instance_uid or "",
        modality=header.modality or "",
        study_date=iso_date(header.study_date or ""),
        format="dicom",
        laterality=laterality if laterality in ("L", "R") else "",
        acquisition=acquisition or header.acquisition,
    )


def is_lost_slice(image: SeriesStack, stack: SeriesStack) -> bool:
    """Return whether a single image fills a hole of a stack, or goes on where the stack ends.

    Such an image is a slice of it that says something else of itself; to set it aside would lose tissue.
    """
    one, many = image.geometry, stack.geometry
    if image.is_localizer or many.regular_step_mm is None:
        return False
    if image.source.series_uid != stack.source.series_uid or _tilt_degrees(one, many) > SAME_FAMILY_DEGREES:
        return False
    position = float(one.slice_origins_mm[0] @ many.normal)
    distances = np.abs(many.slice_positions_mm - position)
    return bool(0.25 * many.regular_step_mm < distances.min() < 1.75 * many.regular_step_mm)


def _tilt_degrees(one: ScanGeometry, other: ScanGeometry) -> float:
    return degrees_between(
        (*one.row_direction.tolist(), *one.column_direction.tolist()),
        (*other.row_direction.tolist(), *other.column_direction.tolist()),
    )


def with_flag(stack: SeriesStack, flag: str) -> SeriesStack:
    """Return the stack with one more flag."""
    return replace(stack, flags=tuple(sorted({*stack.flags, flag})))


def refusal_of(error: VolumetryError, headers: Sequence[DicomHeader]) -> StackRefusal:
    """Return the refusal of some images, with what is known of them."""
    try:
        source = source_of(headers[0])
    except VolumetryError:
        source = ScanSource(format="dicom")
    return StackRefusal(error=error.at(headers[0].path), headers=tuple(headers), source=source)
