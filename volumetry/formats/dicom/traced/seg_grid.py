"""Where the frames of a segmentation lie: on its scan's slices and pixels, or on a lattice of its own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import GeometryError, MismatchError, ReadError, VolumetryError
from volumetry.formats.dicom.traced.image_search import images_beside, images_of
from volumetry.formats.dicom.traced.references import References, SourceStack, check_belongs, slice_uids_of
from volumetry.formats.dicom.traced.seg_header import Segmentation, SegmentFrame
from volumetry.formats.dicom.traced.seg_lattice import STEP_TOLERANCE, own_lattice, plane_of_frame
from volumetry.formats.voxels.grid_alignment import GridAlignment
from volumetry.geometry import GRID_TOLERANCE, ScanGeometry
from volumetry.scan import ScanSource

_NEARLY_THE_SAME = 0.05
"""Difference of pixel sizes, in pixels, below which a segmentation cannot mean another lattice."""


@dataclass(frozen=True, kw_only=True)
class PlacedFrames:
    """A segmentation on its grid: the slice of every frame, and how its pixels lie there.

    Attributes
    ----------
    geometry : ScanGeometry
    slice_indices : tuple of int
        Of every frame.
    alignment : GridAlignment
    first_pixel : (int, int) or None
        Row and column of the grid where a frame begins, where frames are a part of the grid's matrix.
    source : ScanSource
    flags : tuple of str
    has_scan : bool
        Whether the slices are those of a scan, or end where it ends: else nobody knows whether the scan ends
        where the frames end.
    """

    geometry: ScanGeometry
    slice_indices: tuple[int, ...]
    alignment: GridAlignment = field(default_factory=GridAlignment)
    first_pixel: tuple[int, int] | None = None
    source: ScanSource = field(default_factory=ScanSource)
    flags: tuple[str, ...] = ()
    has_scan: bool = False

    def aligned(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return a frame's pixels in the order and matrix of the grid."""
        turned = np.asarray(self.alignment.aligned(pixels[np.newaxis])[0])
        if self.first_pixel is None or turned.shape == (self.geometry.rows, self.geometry.columns):
            return turned
        whole = np.zeros((self.geometry.rows, self.geometry.columns), dtype=turned.dtype)
        row, column = self.first_pixel
        whole[row : row + turned.shape[0], column : column + turned.shape[1]] = turned
        return whole


def placed_on_grid(header: Segmentation, scan: object) -> PlacedFrames:
    """Find the grid of a segmentation and the slice of every frame.

    Raises
    ------
    VolumetryError
        ``grid-mismatch``, ``duplicate-position``, what is wrong with the scan.
    """
    try:
        return _on_grid(header, scan)
    except VolumetryError as error:
        raise error.at(header.path) from None


def _on_grid(header: Segmentation, scan: object) -> PlacedFrames:
    stack = _stack_of(header, scan)
    header = _placed_like_images(header, stack)
    flags = {"lossy"} if header.is_lossy else set()
    if header.has_malformed_tag:
        flags.add("malformed-tag")
    if stack is None:
        geometry, indices, found = own_lattice(header)
        _check_frames_differ(header, indices)
        return PlacedFrames(
            geometry=geometry,
            slice_indices=indices,
            source=_own_source(header.references),
            flags=tuple(flags | found),
        )
    flags |= check_belongs(
        header.references, stack, header.path, named=header.references.referenced_instance_uids
    ) | set(stack.flags)
    placed = _on_scan(header, stack.geometry)
    ends_known = True
    if placed is None:
        geometry, indices, found = own_lattice(header)
        placed = PlacedFrames(geometry=geometry, slice_indices=indices)
        flags |= found
        ends_known = _ends_with(geometry, stack.geometry)
    _check_frames_differ(header, placed.slice_indices)
    return replace(placed, source=stack.source, flags=tuple(flags), has_scan=ends_known)


def _ends_with(own: ScanGeometry, scan: ScanGeometry) -> bool:
    """Whether slices of a segmentation's own end where the scan ends: another one would lie beyond it."""
    if abs(abs(float(own.normal @ scan.normal)) - 1) > 1e-6:
        return False
    along = own.slice_origins_mm @ scan.normal
    margin_mm = (own.regular_step_mm or own.slice_thickness_mm or 0.0) - (scan.regular_step_mm or 0.0) / 2
    first, last = scan.slice_positions_mm[[0, -1]]
    return bool(along.min() - margin_mm < first or along.max() + margin_mm > last)


def _on_scan(header: Segmentation, scan: ScanGeometry) -> PlacedFrames | None:
    """Place frames on the slices of a scan; None where the segmentation has other slices than the scan.

    Frames of the scan's pixels, cropped or not, are placed among them; frames of other pixels keep theirs.

    Raises
    ------
    MismatchError
        ``grid-mismatch`` where pixels or slices are those of the scan, a part of one beside them.
    """
    plane = plane_of_frame(header, header.frames[0].origin_mm)
    if abs(abs(float(plane.normal @ scan.normal)) - 1) > 1e-6:
        return None
    nearest = [scan.nearest_slice(frame.origin_mm) for frame in header.frames]
    step = scan.regular_step_mm or scan.slice_thickness_mm or min(scan.pixel_spacing_mm)
    beside = max((abs(distance) for _, distance in nearest), default=0.0) / step
    offset = scan.patient_to_pixel(nearest[0][0], header.frames[0].origin_mm)[0]
    turn = scan.patient_to_pixel_matrix @ plane.pixel_to_patient_matrix
    signs = np.rint(turn).astype(int)
    is_turn = all(np.array_equal(np.abs(signs).sum(axis=axis), [1, 1]) for axis in (0, 1))
    drift = float(np.abs(turn - signs).max()) * max(header.rows, header.columns)
    same_pixels = is_turn and drift <= 10 * GRID_TOLERANCE
    if is_turn and not same_pixels and np.abs(turn - signs).max() < _NEARLY_THE_SAME:
        raise _beside(header, scan, offset + drift, beside)  # no other lattice: the same one, misstated
    if beside > GRID_TOLERANCE:
        if same_pixels:
            _check_holes(header, scan, step)
        if same_pixels and beside < 1 and _has_steps_of(header, step):
            raise _beside(header, scan, offset, beside)
        return None
    indices = tuple(index for index, _ in nearest)
    if same_pixels and np.abs(offset - np.rint(offset)).max() > GRID_TOLERANCE:
        raise _beside(header, scan, offset, beside)
    if same_pixels:
        placed = _among_pixels(header, scan, signs, np.rint(offset).astype(int), indices)
        if placed is not None:
            return placed
    first = header.frames[0].origin_mm - scan.slice_origins_mm[indices[0]]
    origins = scan.slice_origins_mm + first
    geometry = replace(
        plane,
        slice_origins_mm=origins if float(plane.normal @ scan.normal) > 0 else origins[::-1],
        slice_thickness_mm=scan.slice_thickness_mm or plane.slice_thickness_mm,
        frame_of_reference_uid=scan.frame_of_reference_uid,
    )
    if float(plane.normal @ scan.normal) < 0:
        indices = tuple(scan.n_slices - 1 - index for index in indices)
    return PlacedFrames(geometry=geometry, slice_indices=indices)


def _check_holes(header: Segmentation, scan: ScanGeometry, step_mm: float) -> None:
    """Refuse frames that lie whole steps of a scan apart, where slices are missing from it.

    Raises
    ------
    GeometryError
        ``missing-slice``.
    """
    positions = scan.slice_positions_mm
    for frame in header.frames:
        along = float(frame.origin_mm @ scan.normal)
        hole = next((h for h in scan.holes if positions[h] < along < positions[h + 1]), None)
        if hole is None:
            continue
        steps = (along - positions[hole]) / step_mm
        if steps > 0.5 and abs(steps - round(steps)) <= STEP_TOLERANCE:
            raise GeometryError(
                "missing-slice",
                "a frame of the segmentation lies where slices are missing from the scan",
                where=header.path,
                values={
                    "frame": frame.number + 1,
                    "frame_mm": along,
                    "between slice_index": (hole, hole + 1),
                    "positions_mm": (float(positions[hole]), float(positions[hole + 1])),
                },
                todo="Find the missing images; or measure a copy of the segmentation in a folder of its own, "
                "by the positions of its frames.",
            )


def _has_steps_of(header: Segmentation, step_mm: float) -> bool:
    """Whether the frames lie whole steps of a scan apart."""
    along = np.array([frame.origin_mm for frame in header.frames]) @ np.cross(
        header.orientation[:3], header.orientation[3:]
    )
    steps = (along - along[0]) / step_mm
    return bool(np.abs(steps - np.rint(steps)).max() <= STEP_TOLERANCE)


def _among_pixels(
    header: Segmentation,
    scan: ScanGeometry,
    signs: NDArray[np.intp],
    offset: NDArray[np.intp],
    indices: tuple[int, ...],
) -> PlacedFrames | None:
    """Place frames whose pixels are pixels of the scan; None where they reach beyond its matrix."""
    alignment = GridAlignment(
        transposed=bool(signs[0, 0] == 0),
        flipped_rows=bool(signs[0].sum() < 0),
        flipped_columns=bool(signs[1].sum() < 0),
    )
    rows, columns = (header.columns, header.rows) if alignment.transposed else (header.rows, header.columns)
    first_row = int(offset[0]) - (rows - 1 if alignment.flipped_rows else 0)
    first_column = int(offset[1]) - (columns - 1 if alignment.flipped_columns else 0)
    inside = 0 <= first_row <= scan.rows - rows and 0 <= first_column <= scan.columns - columns
    if not inside:
        return None
    return PlacedFrames(
        geometry=scan, slice_indices=indices, alignment=alignment, first_pixel=(first_row, first_column)
    )


def _beside(
    header: Segmentation, scan: ScanGeometry, offset: NDArray[np.float64], slices: float
) -> MismatchError:
    return MismatchError(
        "grid-mismatch",
        "the segmentation lies a part of a voxel beside the voxels of its scan",
        where=header.path,
        values={
            "offset in rows": float(offset[0] - np.rint(offset[0])),
            "offset in columns": float(offset[1] - np.rint(offset[1])),
            "offset in slices": slices,
            "scan": f"{scan.n_slices}x{scan.rows}x{scan.columns}",
        },
        todo="Name the scan that it was drawn on, with --scan, or export the segmentation again.",
    )


def _stack_of(header: Segmentation, scan: object) -> SourceStack | None:
    """Return the images it was drawn on; None where no scan is named and none lies beside it."""
    named = {frame.source_uid for frame in header.frames if frame.source_uid}
    if scan is not None:
        images = images_of(header.path, header.references, scan)
        return images.stack_of(named, partial(_lies_on, header))
    beside = images_beside(header.path, header.references)
    with suppress(VolumetryError):
        return None if beside is None else beside.stack_of(named, partial(_lies_on, header))
    return None


def _placed_like_images(header: Segmentation, stack: SourceStack | None) -> Segmentation:
    """Take what a segmentation leaves out of its geometry from the images that its frames were made from.

    Raises
    ------
    ReadError
        ``unreadable`` where such an image is not in the scan, or has another matrix.
    """
    if not header.needs_images:
        return header
    uids = () if stack is None else slice_uids_of(stack)
    frames = []
    for frame in header.frames:
        if stack is None or (frame.source_uid and frame.source_uid not in uids):
            raise ReadError(
                "unreadable",
                "a frame lacks position, orientation or PixelSpacing, and the image that it was made from "
                "is not in the scan",
                where=header.path,
                values={"frame": frame.number + 1, "image": frame.source_uid},
                todo="Name the scan that it was drawn on, with --scan.",
            )
        frames.append(_like_its_image(frame, header, stack.geometry, uids))
    assert stack is not None
    own, theirs = (header.rows, header.columns), (stack.geometry.rows, stack.geometry.columns)
    if own != theirs:
        raise ReadError(
            "unreadable",
            "a segmentation leaves its geometry to the images it was made from, and has another matrix",
            where=header.path,
            values={"matrix": own, "matrix of the images": theirs},
            todo="Export the segmentation again, with position, orientation and PixelSpacing.",
        )
    return _with_geometry(replace(header, frames=tuple(frames)), stack.geometry)


def _like_its_image(
    frame: SegmentFrame, header: Segmentation, scan: ScanGeometry, uids: Sequence[str]
) -> SegmentFrame:
    """Return a frame with the position of its image, which must be its own where it states one."""
    if not frame.source_uid:
        return frame
    origin = scan.slice_origins_mm[uids.index(frame.source_uid)]
    apart_mm = float(np.abs(frame.origin_mm - origin).max()) if frame.is_placed else 0.0
    if apart_mm > GRID_TOLERANCE * min(scan.pixel_spacing_mm):
        raise ReadError(
            "unreadable",
            "a frame does not lie where the image lies that it leaves its geometry to",
            where=header.path,
            values={"frame": frame.number + 1, "apart_mm": apart_mm},
            todo="Export the segmentation again, with position, orientation and PixelSpacing.",
        )
    return replace(frame, origin_mm=origin)


def _with_geometry(header: Segmentation, scan: ScanGeometry) -> Segmentation:
    """Fill orientation and pixel spacing in from a scan, where the segmentation says nothing."""
    if np.isnan(header.orientation).any():
        turned = np.concatenate((scan.row_direction, scan.column_direction))
        header = replace(header, orientation=turned)
    if np.isnan(header.pixel_spacing_mm).any():
        header = replace(header, pixel_spacing_mm=scan.pixel_spacing_mm)
    return header


def _lies_on(header: Segmentation, geometry: ScanGeometry) -> bool:
    """Whether every frame lies on a slice of a geometry."""
    if header.needs_images:
        return True  # it names them
    tolerance_mm = GRID_TOLERANCE * (geometry.regular_step_mm or min(geometry.pixel_spacing_mm))
    return all(abs(geometry.nearest_slice(frame.origin_mm)[1]) <= tolerance_mm for frame in header.frames)


def _own_source(references: References) -> ScanSource:
    series = references.referenced_series_uids
    return ScanSource(
        patient=references.patient,
        series_uid=series[0] if len(series) == 1 else "",
        study_date=references.study_date,
        format="dicom",
    )


def _check_frames_differ(header: Segmentation, indices: Sequence[int]) -> None:
    seen: set[tuple[int | None, int]] = set()
    for frame, index in zip(header.frames, indices, strict=True):
        if (frame.segment, index) in seen:
            raise GeometryError(
                "duplicate-position",
                "two frames of one segment lie at one position",
                where=header.path,
                values={"frame": frame.number + 1, "segment": frame.segment or "label map"},
                todo="Export one segmentation for each time point.",
            )
        seen.add((frame.segment, index))
