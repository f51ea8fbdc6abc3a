"""A series of MR images and an RTSTRUCT with its tracings, as bytes.

Everything that could differ between two runs is fixed: UIDs are hashes of names, dates belong to the
cohort, and the file's meta information names this generator and no version of a library.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from uuid import NAMESPACE_OID, uuid5

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    MRImageStorage,
    RLELossless,
    RTStructureSetStorage,
)

from volumetry.samples.bodies import Array
from volumetry.samples.planes import SlicePlan

Image = NDArray[np.uint16]
RING_COLOURS = ([230, 159, 0], [86, 180, 233], [0, 158, 115])


@dataclass(frozen=True, kw_only=True)
class Study:
    """What the images and the tracings of one visit share."""

    patient: str
    date: str
    description: str = "T1 TSE"

    @property
    def name(self) -> str:
        """The name that all UIDs of the study are hashes of."""
        return f"{self.patient}/{self.date}/{self.description}"

    def image_uid(self, index: int) -> str:
        """SOP Instance UID of a slice."""
        return hashed_uid(f"{self.name}/image/{index}")

    @property
    def series_uid(self) -> str:
        """Series Instance UID of the images."""
        return hashed_uid(f"{self.name}/series")


def hashed_uid(name: str) -> str:
    """Return the UID under the 2.25 root that belongs to a name: a UUID of version 5."""
    return f"2.25.{uuid5(NAMESPACE_OID, 'volumetry sample scans/' + name).int}"


def image_files(study: Study, plan: SlicePlan, voxels: Image, *, rle: bool = False) -> dict[str, bytes]:
    """Return the files of a series by name; rows and columns as `plan` says."""
    return {f"{k + 1:04d}.dcm": _image_file(study, plan, voxels[k], k, rle=rle) for k in range(plan.n_slices)}


def rtstruct_file(study: Study, plan: SlicePlan, regions: dict[str, dict[int, Array]]) -> bytes:
    """Return an RTSTRUCT with a region for each name, and a ring (n, 3) in LPS for each of its slices.

    A region without rings says nothing: its lesion was not traced.
    """
    ds = _common(study, RTStructureSetStorage, hashed_uid(f"{study.name}/rtstruct"))
    ds.Modality = "RTSTRUCT"
    ds.SeriesInstanceUID = hashed_uid(f"{study.name}/rtstruct series")
    ds.SeriesNumber = 901
    ds.OperatorsName = ""
    ds.StructureSetLabel = "LESIONS"
    ds.StructureSetDate = study.date.replace("-", "")
    ds.StructureSetTime = "120000"
    ds.ApprovalStatus = "UNAPPROVED"
    ds.ReferencedFrameOfReferenceSequence = [_referenced_frame(study, plan)]
    ds.StructureSetROISequence = [_region(study, number, name) for number, name in enumerate(regions, 1)]
    ds.ROIContourSequence = [
        _region_contours(study, number, rings) for number, rings in enumerate(regions.values(), 1)
    ]
    ds.RTROIObservationsSequence = [_observation(number) for number in range(1, len(regions) + 1)]
    return _bytes(ds)


def decimal(value: float, places: int) -> str:
    """Return a decimal string without a negative zero."""
    text = f"{value:.{places}f}"
    return text.lstrip("-") if float(text) == 0.0 else text


def _common(study: Study, sop_class: str, sop_uid: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(sop_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(hashed_uid("implementation"))
    meta.ImplementationVersionName = "SAMPLE_SCANS_1"
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = sop_uid
    ds.StudyInstanceUID = hashed_uid(f"{study.patient}/{study.date}")
    ds.StudyDate = study.date.replace("-", "")
    ds.StudyTime = "090000"
    ds.StudyID = ""
    ds.AccessionNumber = ""
    ds.ReferringPhysicianName = ""
    ds.PatientName = f"SYNTHETIC^{study.patient.upper()}"
    ds.PatientID = study.patient
    ds.PatientBirthDate = ""
    ds.PatientSex = ""
    ds.Manufacturer = "SYNTHETIC"
    return ds


def _image_file(study: Study, plan: SlicePlan, pixels: NDArray[np.uint16], index: int, *, rle: bool) -> bytes:
    ds = _common(study, MRImageStorage, study.image_uid(index))
    ds.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    ds.Modality = "MR"
    ds.SeriesInstanceUID = study.series_uid
    ds.SeriesNumber = 3
    ds.SeriesDescription = study.description
    ds.InstanceNumber = index + 1
    ds.Laterality = ""
    ds.BodyPartExamined = "HIP"
    ds.PatientPosition = "HFS"
    ds.FrameOfReferenceUID = hashed_uid(f"{study.patient}/{study.date}/frame")
    ds.PositionReferenceIndicator = ""
    ds.ScanningSequence = "SE"
    ds.SequenceVariant = "SK"
    ds.ScanOptions = ""
    ds.MRAcquisitionType = "2D"
    ds.RepetitionTime, ds.EchoTime, ds.EchoTrainLength = "550", "11", "3"
    _add_plane(ds, plan, index)
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = plan.rows, plan.columns
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.WindowCenter, ds.WindowWidth = "420", "840"
    ds.PixelData = pixels.astype("<u2").tobytes()
    if rle:
        # The encoder is named, since others pack the same pixels into other bytes.
        ds.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    return _bytes(ds)


def _add_plane(ds: Dataset, plan: SlicePlan, index: int) -> None:
    directions = (*plan.row_direction, *plan.column_direction)
    ds.ImagePositionPatient = [decimal(v, 6) for v in plan.position_mm(index)]
    ds.ImageOrientationPatient = [decimal(v, 12) for v in directions]
    ds.PixelSpacing = [decimal(plan.pixel_mm, 3)] * 2
    ds.SliceThickness = decimal(plan.thickness_mm, 2)
    ds.SpacingBetweenSlices = decimal(plan.spacing_mm, 2)


def _referenced_frame(study: Study, plan: SlicePlan) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = study.series_uid
    series.ContourImageSequence = [_referenced_image(study, k) for k in range(plan.n_slices)]
    referenced_study = Dataset()
    # What the standard asks for here: the retired Detached Study Management class.
    referenced_study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    referenced_study.ReferencedSOPInstanceUID = hashed_uid(f"{study.patient}/{study.date}")
    referenced_study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = hashed_uid(f"{study.patient}/{study.date}/frame")
    frame.RTReferencedStudySequence = [referenced_study]
    return frame


def _referenced_image(study: Study, index: int) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = MRImageStorage
    item.ReferencedSOPInstanceUID = study.image_uid(index)
    return item


def _region(study: Study, number: int, name: str) -> Dataset:
    item = Dataset()
    item.ROINumber = number
    item.ReferencedFrameOfReferenceUID = hashed_uid(f"{study.patient}/{study.date}/frame")
    item.ROIName = name
    item.ROIGenerationAlgorithm = "MANUAL"
    return item


def _region_contours(study: Study, number: int, rings: dict[int, Array]) -> Dataset:
    item = Dataset()
    item.ReferencedROINumber = number
    item.ROIDisplayColor = RING_COLOURS[(number - 1) % len(RING_COLOURS)]
    if rings:
        item.ContourSequence = [_contour(study, index, ring) for index, ring in rings.items()]
    return item


def _contour(study: Study, index: int, ring: Array) -> Dataset:
    item = Dataset()
    item.ContourImageSequence = [_referenced_image(study, index)]
    item.ContourGeometricType = "CLOSED_PLANAR"
    item.NumberOfContourPoints = len(ring)
    item.ContourData = [decimal(v, 4) for v in ring.ravel()]
    return item


def _observation(number: int) -> Dataset:
    item = Dataset()
    item.ObservationNumber = number
    item.ReferencedROINumber = number
    item.RTROIInterpretedType = ""
    item.ROIInterpreter = ""
    return item


def _bytes(ds: FileDataset) -> bytes:
    buffer = BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()
