"""Lesions whose areas and volumes are known by formula, and the files that hold them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from dicom_phantoms import FRAME_OF_REFERENCE_UID, save, uid_of
from numpy.typing import ArrayLike, NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from volumetry.contours.contour import Contour
from volumetry.geometry import ScanGeometry
from volumetry.masks.mask import Mask
from volumetry.scan import ScanSource
from volumetry.trace import Trace

Array = NDArray[np.float64]

AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
CORONAL = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0))
SAGITTAL = ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0))

SQUARE = ((4.0, 4.0), (4.0, 14.0), (14.0, 14.0), (14.0, 4.0))
"""A ring of 10 x 10 pixels: 100 pixels."""


def rotation(angles_degrees: Sequence[float]) -> Array:
    """Rotation matrix by three angles about x, y and z."""
    x, y, z = np.deg2rad(angles_degrees)
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


def stack(
    n_slices: int = 6,
    *,
    spacing_mm: float = 4.0,
    thickness_mm: float | None = 4.0,
    rows: int = 24,
    columns: int = 32,
    pixel_spacing_mm: tuple[float, float] = (1.0, 1.0),
    directions: tuple[ArrayLike, ArrayLike] = AXIAL,
    origin_mm: ArrayLike = (20.0, -10.0, 30.0),
    positions_mm: Sequence[float] | None = None,
    shift_mm: ArrayLike = (0.0, 0.0, 0.0),
    frame_of_reference_uid: str | None = FRAME_OF_REFERENCE_UID,
) -> ScanGeometry:
    """A stack of slices; a clean one by default. `positions_mm` along the normal replace the even spacing."""
    row, column = (np.asarray(d, float) for d in directions)
    along = np.arange(n_slices) * spacing_mm if positions_mm is None else np.asarray(positions_mm, float)
    sideways = np.outer(np.arange(len(along)), np.asarray(shift_mm, float))
    normal = np.cross(row, column)
    return ScanGeometry(
        rows=rows,
        columns=columns,
        pixel_spacing_mm=pixel_spacing_mm,
        row_direction=row,
        column_direction=column,
        slice_origins_mm=np.asarray(origin_mm, float)
        + np.outer(along, normal / np.linalg.norm(normal))
        + sideways,
        slice_thickness_mm=thickness_mm,
        frame_of_reference_uid=frame_of_reference_uid,
    )


def without_slices(geometry: ScanGeometry, missing: Iterable[int]) -> ScanGeometry:
    """The same stack with slices lost."""
    from dataclasses import replace

    return replace(geometry, slice_origins_mm=np.delete(geometry.slice_origins_mm, list(missing), axis=0))


def ring(slice_index: int, vertices: ArrayLike = SQUARE, *, is_hole: bool = False) -> Contour:
    return Contour(slice_index=slice_index, vertices=np.asarray(vertices, float), is_hole=is_hole)


def squares(slices: Iterable[int]) -> tuple[Contour, ...]:
    """The square of 100 pixels on each of the slices."""
    return tuple(ring(index) for index in slices)


def trace_of(
    contours: Iterable[Contour], geometry: ScanGeometry | None = None, *, lesion: str = "L1", **values: Any
) -> Trace:
    return Trace(
        lesion=lesion,
        contours=tuple(contours),
        geometry=stack() if geometry is None else geometry,
        source=values.pop("source", ScanSource(patient="P1", modality="MR", format="dicom")),
        **values,
    )


# -- analytic bodies ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Body:
    """A body in millimetres about the origin: its volume, its half height, and its rings at a height."""

    volume_mm3: float
    half_height_mm: float
    rings: Callable[[float], list[tuple[Array, bool]]]


def circle(radius_mm: float, n: int = 240) -> Array:
    """A regular polygon of the circle's exact area, (n, 2) in mm."""
    angles = 2 * np.pi * np.arange(n) / n
    same_area = np.sqrt(2 * np.pi / n / np.sin(2 * np.pi / n))
    return radius_mm * same_area * np.column_stack((np.cos(angles), np.sin(angles)))


def ellipsoid(semi_axes_mm: Sequence[float], angles_degrees: Sequence[float] = (0, 0, 0)) -> Body:
    """An ellipsoid turned by three angles; a sphere where the semi-axes are the same."""
    turn = rotation(angles_degrees)
    quadric = turn @ np.diag(1 / np.square(semi_axes_mm)) @ turn.T
    plane, mixed = quadric[:2, :2], quadric[:2, 2]
    drift = -np.linalg.solve(plane, mixed)
    height = 1 / np.sqrt(quadric[2, 2] + drift @ mixed)
    values, vectors = np.linalg.eigh(plane)

    def rings(z: float) -> list[tuple[Array, bool]]:
        left = 1 - (z / height) ** 2
        if left <= 0:
            return []
        unit = circle(1.0)
        return [((unit * np.sqrt(left / values)) @ vectors.T + drift * z, False)]

    return Body(
        volume_mm3=float(4 / 3 * np.pi * np.prod(semi_axes_mm)), half_height_mm=float(height), rings=rings
    )


def torus(ring_radius_mm: float, tube_radius_mm: float) -> Body:
    """A torus lying in the slices: every section is a ring with a hole."""

    def rings(z: float) -> list[tuple[Array, bool]]:
        left = tube_radius_mm**2 - z**2
        if left <= 0:
            return []
        half = np.sqrt(left)
        return [(circle(ring_radius_mm + half), False), (circle(ring_radius_mm - half), True)]

    return Body(
        volume_mm3=2 * np.pi**2 * ring_radius_mm * tube_radius_mm**2,
        half_height_mm=tube_radius_mm,
        rings=rings,
    )


def trace_body(body: Body, *, spacing_mm: float, offset: float, pixel_mm: float = 0.7) -> Trace:
    """Trace a body on slices `spacing_mm` apart, moved by `offset` (0 to 1) of the spacing."""
    n = int(np.ceil(body.half_height_mm / spacing_mm)) + 2
    geometry = stack(
        2 * n,
        spacing_mm=spacing_mm,
        thickness_mm=spacing_mm,
        rows=256,
        columns=256,
        pixel_spacing_mm=(pixel_mm, pixel_mm),
        origin_mm=(-128 * pixel_mm, -128 * pixel_mm, (offset - n) * spacing_mm),
    )
    contours = [
        ring(index, points[:, ::-1] / pixel_mm + 128, is_hole=is_hole)
        for index, z in enumerate(geometry.slice_positions_mm)
        for points, is_hole in body.rings(float(z))
    ]
    return trace_of(contours, geometry)


# -- RTSTRUCT -------------------------------------------------------------------------------------------


def contour_item(
    points_mm: ArrayLike, *, kind: str = "CLOSED_PLANAR", instance_uid: str | None = None
) -> Dataset:
    """One item of ContourSequence."""
    points = np.asarray(points_mm, float).reshape(-1, 3)
    item = Dataset()
    item.ContourGeometricType = kind
    item.NumberOfContourPoints = len(points)
    item.ContourData = [f"{x:.10g}"[:16] for x in points.ravel()]
    if instance_uid:
        image = Dataset()
        image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = (
            "1.2.840.10008.5.1.4.1.1.4",
            instance_uid,
        )
        item.ContourImageSequence = [image]
    return item


def contour_items(trace: Trace, slice_uids: Sequence[str] = (), **kinds: str) -> list[Dataset]:
    """Items of a trace's contours; holes become CLOSEDPLANAR_XOR."""
    return [
        contour_item(
            trace.geometry.pixel_to_patient(c.slice_index, c.vertices),
            kind="CLOSEDPLANAR_XOR" if c.is_hole else "CLOSED_PLANAR",
            instance_uid=slice_uids[c.slice_index] if slice_uids else None,
        )
        for c in trace.contours
    ]


def write_rtstruct(
    path: Path,
    regions: Mapping[str, Sequence[Dataset]] | Sequence[tuple[str, Sequence[Dataset]]],
    *,
    series_uid: str = "",
    patient_id: str = "P1",
    frame_of_reference_uid: str = FRAME_OF_REFERENCE_UID,
    transfer_syntax: str = ExplicitVRLittleEndian,
    change: Callable[[Dataset], None] | None = None,
) -> Path:
    """Write a structure set of named regions, each a list of `contour_item`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.481.3", uid_of("rtstruct", path.name)
    ds.PatientID, ds.PatientName, ds.Modality = patient_id, "Synthetic^Phantom", "RTSTRUCT"
    ds.StudyDate, ds.StudyInstanceUID = "20240302", uid_of("study", patient_id, "20240302")
    ds.SeriesInstanceUID = uid_of("rtstruct series", path.name)
    frame = Dataset()
    frame.FrameOfReferenceUID = frame_of_reference_uid
    if series_uid:
        series, study = Dataset(), Dataset()
        series.SeriesInstanceUID, series.ContourImageSequence = series_uid, []
        study.RTReferencedSeriesSequence = [series]
        frame.RTReferencedStudySequence = [study]
    ds.ReferencedFrameOfReferenceSequence = [frame]
    ds.StructureSetROISequence, ds.ROIContourSequence = [], []
    pairs = regions.items() if isinstance(regions, Mapping) else regions
    for number, (name, items) in enumerate(pairs, start=1):
        roi, contours = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = number, name
        roi.ReferencedFrameOfReferenceUID = frame_of_reference_uid
        contours.ReferencedROINumber = number
        if items:
            contours.ContourSequence = list(items)
        ds.StructureSetROISequence.append(roi)
        ds.ROIContourSequence.append(contours)
    if change is not None:
        change(ds)
    save(ds, path, transfer_syntax)
    return path


# -- SEG ------------------------------------------------------------------------------------------------


def mask_of(layer: NDArray[Any], geometry: ScanGeometry, **values: Any) -> Mask:
    from volumetry.masks.labels import MaskLabel

    labels = tuple(MaskLabel(number=int(n)) for n in np.unique(layer) if n)
    return Mask(layers=(layer,), geometry=geometry, labels=labels, **values)


def write_seg(
    path: Path,
    geometry: ScanGeometry,
    segments: Mapping[str, NDArray[Any]],
    *,
    kind: str = "BINARY",
    keep_empty: bool = False,
    order: Callable[[list[Any]], list[Any]] | None = None,
    shared_identification: bool = False,
    spacing_between_slices_mm: float | None = -1.0,
    series_uid: str = "",
    patient_id: str = "P1",
    transfer_syntax: str = ExplicitVRLittleEndian,
    change: Callable[[Dataset], None] | None = None,
) -> Path:
    """Write a segmentation of named (n_slices, rows, columns) arrays.

    Parameters
    ----------
    kind : {"BINARY", "FRACTIONAL", "LABELMAP"}
        Fractions are from 0 to 1; a label map takes the segments in order, the later over the earlier.
    keep_empty : bool
        Write frames without pixels, too.
    order : callable
        Rearranges the frames.
    spacing_between_slices_mm : float or None
        None leaves it out; -1 takes the regular step of the geometry.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    ds = Dataset()
    label_map = kind == "LABELMAP"
    ds.SOPClassUID = f"1.2.840.10008.5.1.4.1.1.66.{7 if label_map else 4}"
    ds.SOPInstanceUID, ds.SeriesInstanceUID = uid_of("seg", path.name), uid_of("seg series", path.name)
    ds.PatientID, ds.PatientName, ds.Modality = patient_id, "Synthetic^Phantom", "SEG"
    ds.StudyDate, ds.StudyInstanceUID = "20240302", uid_of("study", patient_id, "20240302")
    ds.FrameOfReferenceUID = geometry.frame_of_reference_uid or FRAME_OF_REFERENCE_UID
    ds.Rows, ds.Columns, ds.SamplesPerPixel = geometry.rows, geometry.columns, 1
    ds.PhotometricInterpretation, ds.PixelRepresentation = "MONOCHROME2", 0
    bits = 1 if kind == "BINARY" else 8
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
    ds.SegmentationType = kind
    if kind == "FRACTIONAL":
        ds.MaximumFractionalValue, ds.SegmentationFractionalType = 255, "OCCUPANCY"
    ds.SegmentSequence = [_segment(n, name) for n, name in enumerate(segments, start=1)]
    if series_uid:
        series = Dataset()
        series.SeriesInstanceUID, series.ReferencedInstanceSequence = series_uid, []
        ds.ReferencedSeriesSequence = [series]
    ds.SharedFunctionalGroupsSequence = [_shared(geometry, spacing_between_slices_mm, shared_identification)]
    frames = _frames(segments, kind, keep_empty)
    if order is not None:
        frames = order(frames)
    ds.NumberOfFrames = len(frames)
    ds.PerFrameFunctionalGroupsSequence = [
        _frame_group(geometry, index, None if label_map or shared_identification else number)
        for number, index, _ in frames
    ]
    pixels = np.array([frame for _, _, frame in frames], dtype=np.uint8)
    data = np.packbits(pixels.ravel(), bitorder="little") if bits == 1 else pixels
    raw = data.tobytes()
    ds.add_new(0x7FE00010, "OB", raw + b"\0" * (len(raw) % 2))
    if change is not None:
        change(ds)
    save(ds, path, transfer_syntax)
    return path


def _segment(number: int, name: str) -> Dataset:
    item = Dataset()
    item.SegmentNumber, item.SegmentLabel, item.SegmentAlgorithmType = number, name, "MANUAL"
    return item


def _shared(geometry: ScanGeometry, spacing_mm: float | None, identify: bool) -> Dataset:
    plane, measures, shared = Dataset(), Dataset(), Dataset()
    plane.ImageOrientationPatient = [_ds(x) for x in (*geometry.row_direction, *geometry.column_direction)]
    measures.PixelSpacing = [_ds(x) for x in geometry.pixel_spacing_mm]
    if geometry.slice_thickness_mm is not None:
        measures.SliceThickness = _ds(geometry.slice_thickness_mm)
    if spacing_mm is not None:
        measures.SpacingBetweenSlices = _ds(geometry.regular_step_mm if spacing_mm == -1 else spacing_mm)
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [plane], [measures]
    if identify:
        shared.SegmentIdentificationSequence = [_identification(1)]
    return shared


def _frames(segments: Mapping[str, NDArray[Any]], kind: str, keep_empty: bool) -> list[Any]:
    arrays = list(segments.values())
    if kind == "LABELMAP":
        merged = np.zeros(arrays[0].shape, dtype=np.uint8)
        for number, array in enumerate(arrays, start=1):
            merged[array != 0] = number
        frames = [(None, index, frame) for index, frame in enumerate(merged)]
    else:
        scale = 255 if kind == "FRACTIONAL" else 1
        frames = [
            (number, index, np.rint(np.asarray(frame, float) * scale).astype(np.uint8))
            for number, array in enumerate(arrays, start=1)
            for index, frame in enumerate(array)
        ]
    return [f for f in frames if keep_empty or f[2].any()]


def _frame_group(geometry: ScanGeometry, index: int, segment: int | None) -> Dataset:
    plane, group = Dataset(), Dataset()
    plane.ImagePositionPatient = [_ds(x) for x in geometry.slice_origins_mm[index]]
    group.PlanePositionSequence = [plane]
    if segment is not None:
        group.SegmentIdentificationSequence = [_identification(segment)]
    return group


def _identification(number: int) -> Dataset:
    item = Dataset()
    item.ReferencedSegmentNumber = number
    return item


def _ds(value: float) -> str:
    return next(t for t in (f"{float(value):.{n}g}" for n in range(17, 5, -1)) if len(t) <= 16)
