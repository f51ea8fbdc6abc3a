"""Source images as an exported object may name them under pseudonyms.

An exported DICOM object copies what its source images say of patient and study, and refers to them by their
UIDs. Here the images are made anew from a list of elements that hold no text about a person: geometry, and
what kind of image it is. Every UID is replaced by one that is made with the key of the pseudonyms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from volumetry.formats.dicom.written.lesions import SourceImages

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_KEPT = (
    "SOPClassUID", "Modality", "NumberOfFrames", "Rows", "Columns", "PixelSpacing", "SliceThickness",
    "SpacingBetweenSlices", "ImageOrientationPatient", "ImagePositionPatient", "SamplesPerPixel",
    "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
)  # fmt: skip
_KEPT_BY_FRAME = ("PixelMeasuresSequence", "PlaneOrientationSequence", "PlanePositionSequence")
_UIDS = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
_EMPTY = (
    "PatientBirthDate", "PatientSex", "StudyID", "StudyTime", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip


def images_under_pseudonym(
    images: SourceImages, *, pseudonym: str, study_date: str, uid: Callable[[str], str]
) -> SourceImages:
    """Return the images of a scan without anything that says who it is.

    Parameters
    ----------
    images : SourceImages
    pseudonym : str
        Stands for PatientID and PatientName.
    study_date : str
        ``yyyy-mm-dd`` or ``yyyymmdd``, moved where dates are to be moved; may be empty.
    uid : callable
        Returns the UID that stands for another. It has to use a key: UIDs of a hospital can be guessed.

    Returns
    -------
    SourceImages
    """
    scan = images.scan
    named = tuple(_frame_named(text, uid) for text in scan.slice_uids)
    return SourceImages(
        datasets=tuple(_hidden(image, pseudonym, study_date, uid) for image in images.datasets),
        scan=replace(scan, slice_uids=named),
    )


def _frame_named(text: str, uid: Callable[[str], str]) -> str:
    image, hash_, frame = text.partition("#")
    return f"{uid(image)}{hash_}{frame}"


def _hidden(image: Dataset, pseudonym: str, study_date: str, uid: Callable[[str], str]) -> Dataset:
    from pydicom.dataset import Dataset, FileMetaDataset

    hidden = Dataset()
    hidden.SpecificCharacterSet = "ISO_IR 192"
    for name in _KEPT:
        if name in image:
            hidden[name] = image[name]
    for name in _UIDS:
        setattr(hidden, name, uid(str(image.get(name) or f"no {name}")))
    for name in _EMPTY:
        setattr(hidden, name, "")
    hidden.PatientID = hidden.PatientName = pseudonym
    hidden.StudyDate = study_date.replace("-", "")
    if "SharedFunctionalGroupsSequence" in image:
        hidden.SharedFunctionalGroupsSequence = [
            _groups(item) for item in image.SharedFunctionalGroupsSequence
        ]
    if "PerFrameFunctionalGroupsSequence" in image:
        hidden.PerFrameFunctionalGroupsSequence = [
            _groups(item) for item in image.PerFrameFunctionalGroupsSequence
        ]
    hidden.file_meta = FileMetaDataset()
    meta = getattr(image, "file_meta", None)
    if meta is not None and "TransferSyntaxUID" in meta:
        hidden.file_meta.TransferSyntaxUID = meta.TransferSyntaxUID
    return hidden


def _groups(item: Dataset) -> Dataset:
    from pydicom.dataset import Dataset

    kept = Dataset()
    for name in _KEPT_BY_FRAME:
        if name in item:
            kept[name] = item[name]
    return kept


def mark_as_pseudonymous(written: Dataset, *, dates_moved: bool) -> None:
    """Say in an object that nobody is named in it (PS3.3, C.7.1.1, and C.12.1.1)."""
    written.PatientIdentityRemoved = "YES"
    written.DeidentificationMethod = "Pseudonyms and UIDs by a keyed hash; volumetry"
    written.LongitudinalTemporalInformationModified = "MODIFIED" if dates_moved else "UNMODIFIED"
