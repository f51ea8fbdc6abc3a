"""Lesions as a DICOM segmentation: binary, one segment a lesion, with its region, side and tracking UID."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from volumetry._version import __version__
from volumetry.errors import TraceError
from volumetry.formats.dicom.written.lesions import (
    ABNORMAL_STRUCTURE,
    FINDINGS,
    REGIONS,
    SIDES,
    ExportedLesion,
    SourceImages,
    code,
    key_of,
    person_name,
    text_of,
    uid_of,
)
from volumetry.geometry import ScanGeometry
from volumetry.masks.outlines import fill_contours

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def segmentation(
    lesions: Sequence[ExportedLesion], images: SourceImages, *, empty_frames: bool = False
) -> Dataset:
    """Return the segmentation of lesions on one scan.

    Parameters
    ----------
    lesions : sequence of ExportedLesion
    images : SourceImages
    empty_frames : bool
        Write a frame for every slice, also where no lesion is: some viewers want them.

    Returns
    -------
    pydicom Dataset
        A Segmentation object (PS3.3, A.51), type BINARY.

    Raises
    ------
    TraceError
        ``nothing-to-export``: no lesion has a pixel.
    VolumetryError
        ``missing-dependency``: highdicom is not installed.
    """
    hd = highdicom()
    geometry = images.scan.geometry
    pixels = _pixels_of(lesions, geometry)
    key = key_of(lesions, images)
    sources = _sources(hd, images)
    written = hd.seg.Segmentation(
        source_images=sources,
        further_source_images=list(images.datasets[len(sources) :]) or None,
        pixel_array=pixels,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_description(hd, i + 1, lesion) for i, lesion in enumerate(lesions)],
        series_instance_uid=uid_of("seg-series", *key),
        series_number=900,
        sop_instance_uid=uid_of("seg", *key, str(empty_frames)),
        instance_number=1,
        manufacturer="volumetry",
        manufacturer_model_name="volumetry",
        software_versions=__version__,
        device_serial_number="0",
        content_label="LESIONS",
        content_description="Lesions for volumetry",
        content_creator_name=_creator(lesions),
        omit_empty_frames=not empty_frames,
        pixel_measures=_pixel_measures(hd, images),
        plane_orientation=_orientation(hd, images),
        plane_positions=[
            hd.PlanePositionSequence("PATIENT", origin) for origin in geometry.slice_origins_mm.tolist()
        ],
    )
    written.SeriesDescription = "Lesion segmentation"
    return written  # type: ignore[no-any-return]


def _pixels_of(lesions: Sequence[ExportedLesion], geometry: ScanGeometry) -> NDArray[np.uint8]:
    """Return the pixels of the lesions, (slice, row, column, lesion)."""
    pixels = np.zeros((geometry.n_slices, geometry.rows, geometry.columns, len(lesions)), dtype=np.uint8)
    for number, lesion in enumerate(lesions):
        for index in sorted({c.slice_index for c in lesion.contours}):
            contours = [c for c in lesion.contours if c.slice_index == index]
            pixels[index, :, :, number] = fill_contours(contours, (geometry.rows, geometry.columns))
    if not pixels.any():
        raise TraceError(
            "nothing-to-export",
            "no lesion has a pixel, and a segmentation needs one",
            values={"lesions": len(lesions)},
            todo="Export as trace or rtstruct, which can hold an absent lesion.",
        )
    return pixels


def _sources(hd: Any, images: SourceImages) -> list[Dataset]:
    """Return the images that highdicom compares the segments with, all with the grid of the scan.

    It reads thickness, spacing and orientation where it expects them, and not where an image without a
    thickness, or with functional groups of its own for every frame, has them.
    """
    from copy import copy

    measures, orientation = _pixel_measures(hd, images), _orientation(hd, images)
    found = []
    for image in images.datasets[:1] if images.is_multiframe else images.datasets:
        source = copy(image)
        if "SharedFunctionalGroupsSequence" in source:
            shared = copy(source.SharedFunctionalGroupsSequence[0])
            shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = measures, orientation
            source.SharedFunctionalGroupsSequence = [shared]
        else:
            source.SliceThickness = measures[0].SliceThickness
        found.append(source)
    return found


def _orientation(hd: Any, images: SourceImages) -> Any:
    geometry = images.scan.geometry
    cosines = (*geometry.row_direction.tolist(), *geometry.column_direction.tolist())
    return hd.PlaneOrientationSequence("PATIENT", cosines)


def _pixel_measures(hd: Any, images: SourceImages) -> Any:
    geometry = images.scan.geometry
    between_rows, between_columns = geometry.pixel_spacing_mm
    thickness = geometry.slice_thickness_mm or geometry.regular_step_mm or 1.0
    return hd.PixelMeasuresSequence(
        pixel_spacing=(between_rows, between_columns),
        slice_thickness=float(thickness),
        spacing_between_slices=geometry.slice_spacing_mm,
    )


def _description(hd: Any, number: int, lesion: ExportedLesion) -> Any:
    region = REGIONS.get(lesion.region.strip().lower())
    algorithm = None
    if lesion.algorithm != "MANUAL":
        algorithm = hd.AlgorithmIdentificationSequence(
            name="volumetry", version=__version__, family=code(("123109", "DCM", "Manual Processing"))
        )
    described = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=text_of(lesion.lesion) or f"lesion {number}",
        segmented_property_category=code(ABNORMAL_STRUCTURE),
        segmented_property_type=code(FINDINGS[lesion.finding]),
        algorithm_type=lesion.algorithm,
        algorithm_identification=algorithm,
        tracking_uid=lesion.tracking_uid,
        tracking_id=lesion.tracking_identifier,
        anatomic_regions=None if region is None else [code(region)],
    )
    if lesion.side in SIDES:
        side = [hd.sr.CodedConcept(*SIDES[lesion.side])]
        if region is not None:
            described.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = side
        else:
            kind = described.SegmentedPropertyTypeCodeSequence[0]
            kind.SegmentedPropertyTypeModifierCodeSequence = side
    return described


def _creator(lesions: Sequence[ExportedLesion]) -> str | None:
    """The reader as the object's creator, where one reader traced all of it."""
    readers = {lesion.reader for lesion in lesions}
    reader = readers.pop() if len(readers) == 1 else ""
    return person_name(reader) if reader else None


def highdicom() -> Any:
    """Return the highdicom package, or say how to get it."""
    from volumetry.errors import VolumetryError

    try:
        import highdicom as hd
    except ImportError:
        raise VolumetryError(
            "missing-dependency",
            "highdicom is not installed; it writes DICOM segmentations and reports",
            todo="Install it: pip install highdicom (Python 3.11 to 3.13).",
        ) from None
    return hd
