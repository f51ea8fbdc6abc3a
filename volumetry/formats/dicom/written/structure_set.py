"""Lesions as an RTSTRUCT: the outlines themselves, vertex by vertex."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from volumetry._version import __version__
from volumetry.contours.contour import Contour
from volumetry.formats.dicom.written.lesions import (
    ExportedLesion,
    SourceImages,
    key_of,
    text_of,
    uid_of,
)

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

HoleStyle = Literal["xor", "keyhole"]

_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
_COLOURS = ((255, 200, 0), (0, 200, 255), (255, 80, 160), (120, 230, 60), (180, 120, 255), (255, 140, 60))
_COPIED = (
    "SpecificCharacterSet",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
)


def structure_set(
    lesions: Sequence[ExportedLesion], images: SourceImages, *, holes: HoleStyle = "xor"
) -> Dataset:
    """Return the structure set of lesions on one scan.

    Parameters
    ----------
    lesions : sequence of ExportedLesion
    images : SourceImages
    holes : {"xor", "keyhole"}
        Write rings of a slice that has holes as CLOSEDPLANAR_XOR, or cut each hole open to its outline by a
        channel of no width, for programs that do not know XOR.

    Returns
    -------
    pydicom Dataset
        An RT Structure Set (PS3.3, A.19). Coordinates have up to 16 characters (a decimal string), which
        keeps a position of 100 mm to 1e-12 mm.
    """
    key = key_of(lesions, images)
    written = _frame(images, uid_of("rtstruct", *key, holes), uid_of("rtstruct-series", *key), lesions)
    written.StructureSetROISequence = [
        _region(number, lesion, images) for number, lesion in enumerate(lesions, start=1)
    ]
    written.ROIContourSequence = [
        _contours(number, lesion, images, holes) for number, lesion in enumerate(lesions, start=1)
    ]
    written.RTROIObservationsSequence = [_observation(number) for number in range(1, len(lesions) + 1)]
    return written


def _frame(
    images: SourceImages, instance_uid: str, series_uid: str, lesions: Sequence[ExportedLesion]
) -> Dataset:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    source = images.datasets[0]
    written = Dataset()
    written.file_meta = FileMetaDataset()
    written.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    written.file_meta.MediaStorageSOPClassUID = UID(_STRUCTURE_SET)
    written.file_meta.MediaStorageSOPInstanceUID = UID(instance_uid)
    for name in _COPIED:
        if name in source:
            setattr(written, name, source[name].value)
        elif name in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID",
                      "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName"):  # fmt: skip
            setattr(written, name, "")  # type 2: present, and empty where it is not known
    written.SOPClassUID = _STRUCTURE_SET
    written.SOPInstanceUID = instance_uid
    written.SeriesInstanceUID = series_uid
    written.SeriesNumber = 901
    written.InstanceNumber = 1
    written.Modality = "RTSTRUCT"
    written.OperatorsName = ""
    written.Manufacturer = "volumetry"
    written.ManufacturerModelName = "volumetry"
    written.SoftwareVersions = __version__
    written.SeriesDescription = "Lesion outlines"
    written.StructureSetLabel = "LESIONS"
    date, time = date_and_time(next((lesion.time for lesion in lesions if lesion.time), ""))
    written.StructureSetDate, written.StructureSetTime = date, time
    written.FrameOfReferenceUID = str(source.get("FrameOfReferenceUID", ""))
    written.PositionReferenceIndicator = str(source.get("PositionReferenceIndicator", "") or "")
    written.ApprovalStatus = "UNAPPROVED"
    written.ReferencedFrameOfReferenceSequence = [_referenced_frame(images)]
    return written


def _referenced_frame(images: SourceImages) -> Dataset:
    from pydicom.dataset import Dataset

    source = images.datasets[0]
    series = Dataset()
    series.SeriesInstanceUID = source.SeriesInstanceUID
    series.ContourImageSequence = [
        _reference(str(image.SOPClassUID), str(image.SOPInstanceUID)) for image in images.datasets
    ]
    study = Dataset()
    study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"  # Detached Study Management, as the standard asks
    study.ReferencedSOPInstanceUID = source.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = str(source.get("FrameOfReferenceUID", ""))
    frame.RTReferencedStudySequence = [study]
    return frame


def _reference(sop_class: str, instance: str, frame: int | None = None) -> Dataset:
    from pydicom.dataset import Dataset

    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = sop_class, instance
    if frame is not None:
        reference.ReferencedFrameNumber = frame
    return reference


def _region(number: int, lesion: ExportedLesion, images: SourceImages) -> Dataset:
    from pydicom.dataset import Dataset

    region = Dataset()
    region.ROINumber = number
    region.ReferencedFrameOfReferenceUID = str(images.datasets[0].get("FrameOfReferenceUID", ""))
    region.ROIName = text_of(lesion.lesion) or f"lesion {number}"
    region.ROIGenerationAlgorithm = lesion.algorithm
    region.TrackingID = lesion.tracking_identifier
    region.TrackingUID = lesion.tracking_uid
    return region


def _contours(number: int, lesion: ExportedLesion, images: SourceImages, holes: HoleStyle) -> Dataset:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.ReferencedROINumber = number
    item.ROIDisplayColor = list(_COLOURS[(number - 1) % len(_COLOURS)])
    rings = []
    for index in sorted({c.slice_index for c in lesion.contours}):
        on_slice = [c for c in lesion.contours if c.slice_index == index]
        pierced = any(c.is_hole for c in on_slice)
        if pierced and holes == "keyhole":
            vertices = [_keyhole(outline, on_slice) for outline in on_slice if not outline.is_hole]
            rings += [_ring(index, v, images, "CLOSED_PLANAR") for v in vertices]
        else:
            kind = "CLOSEDPLANAR_XOR" if pierced else "CLOSED_PLANAR"
            rings += [_ring(index, c.vertices, images, kind) for c in on_slice]
    for ring_number, ring in enumerate(rings, start=1):
        ring.ContourNumber = ring_number
    item.ContourSequence = rings
    return item


def _ring(index: int, vertices: NDArray[np.float64], images: SourceImages, kind: str) -> Dataset:
    from pydicom.dataset import Dataset
    from pydicom.valuerep import format_number_as_ds

    ring = Dataset()
    ring.ContourImageSequence = [_reference(*images.reference(index))]
    ring.ContourGeometricType = kind
    points = images.scan.geometry.pixel_to_patient(index, vertices)
    ring.NumberOfContourPoints = len(points)
    ring.ContourData = [format_number_as_ds(float(v)) for v in points.ravel()]
    return ring


def _keyhole(outline: Contour, on_slice: Sequence[Contour]) -> NDArray[np.float64]:
    """Join every hole of an outline to it: out along a channel, round the hole, and back."""
    from volumetry.contours.rings import ring_inside, signed_area

    ring = outline.vertices
    for hole in (c for c in on_slice if c.is_hole and ring_inside(c.vertices, outline.vertices)):
        inner = hole.vertices
        if signed_area(inner) * signed_area(ring) > 0:
            inner = inner[::-1]
        distances = np.linalg.norm(ring[:, None] - inner[None], axis=2)
        i, j = np.unravel_index(int(distances.argmin()), distances.shape)
        turned = np.concatenate((inner[j:], inner[: j + 1]))
        ring = np.concatenate((ring[: i + 1], turned, ring[i:]))
    return ring


def _observation(number: int) -> Dataset:
    from pydicom.dataset import Dataset

    observation = Dataset()
    observation.ObservationNumber = number
    observation.ReferencedROINumber = number
    observation.RTROIInterpretedType = ""
    observation.ROIInterpreter = ""
    return observation


def date_and_time(iso: str) -> tuple[str, str]:
    """Return date and time as DICOM writes them; both empty where there is none."""
    if not iso:
        return "", ""
    moment = datetime.fromisoformat(iso)
    return moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")
