"""What a DICOM segmentation or structure set says of itself, and of the images it was drawn on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from volumetry.errors import MismatchError
from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.file.elements import DicomElements
from volumetry.formats.dicom.file.selection import Item
from volumetry.formats.dicom.file.values import iso_date
from volumetry.geometry import ScanGeometry
from volumetry.scan import ScanSource

REFERENCE_TAGS = (
    tags.SpecificCharacterSet,
    tags.SOPClassUID,
    tags.SOPInstanceUID,
    tags.StudyDate,
    tags.PatientID,
    tags.StudyInstanceUID,
    tags.SeriesInstanceUID,
    tags.FrameOfReferenceUID,
)
REFERENCE_SEQUENCES = frozenset({tags.ReferencedSeriesSequence, tags.ReferencedFrameOfReferenceSequence})
FRAME_SEQUENCES = frozenset(
    {tags.SourceImageSequence, tags.SharedFunctionalGroupsSequence, tags.PerFrameFunctionalGroupsSequence}
)
"""Where a segmentation names the images that its frames were made from."""


class SourceStack(Protocol):
    """A scan, or a series whose pixels were not read: what contours and segments lie on."""

    @property
    def geometry(self) -> ScanGeometry: ...  # noqa: D102
    @property
    def source(self) -> ScanSource: ...  # noqa: D102
    @property
    def flags(self) -> tuple[str, ...]: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class References:
    """What a segmentation or structure set says of itself and of what it was drawn on.

    Attributes
    ----------
    path : str
    sop_class_uid, sop_instance_uid : str
        What the file is, and which.
    patient : str
        PatientID.
    study_uid, study_date : str
        StudyInstanceUID; StudyDate as ``YYYY-MM-DD``, empty where it is no date.
    series_uid : str
        SeriesInstanceUID of the file itself.
    referenced_series_uids : tuple of str
        Series it was drawn on.
    referenced_instance_uids : frozenset of str
        Images it was drawn on, as far as the file lists them; ``uid#n`` for frame n of a multi-frame image.
    frame_of_reference_uids : tuple of str
    traced_instance_uids : frozenset of str
        Those of the images that single outlines or frames name: finer than a series, and first to count.
    names_every_image : bool
        Whether every outline or frame names its images.
    """

    path: str
    sop_class_uid: str
    sop_instance_uid: str
    patient: str
    study_uid: str
    study_date: str
    series_uid: str
    referenced_series_uids: tuple[str, ...]
    referenced_instance_uids: frozenset[str]
    frame_of_reference_uids: tuple[str, ...]
    traced_instance_uids: frozenset[str] = frozenset()
    names_every_image: bool = False

    @property
    def sought_series_uids(self) -> tuple[str, ...]:
        """Series to look for: those that are listed, but where every outline or frame names its images."""
        return () if self.names_every_image else self.referenced_series_uids


def references_of(elements: DicomElements) -> References:
    """Return the references of a walked file; its selection holds `REFERENCE_TAGS` and `REFERENCE_SEQUENCES`.

    Raises
    ------
    ReadError
        ``unreadable`` where an element is no value of its kind.
    """
    series: list[Item] = list(elements.sequences.get(tags.ReferencedSeriesSequence, []))
    frames = [_text(elements, tags.FrameOfReferenceUID)]
    for frame in elements.sequences.get(tags.ReferencedFrameOfReferenceSequence, []):
        frames.append(uid_of_item(frame, tags.FrameOfReferenceUID))
        for study in frame.get(tags.RTReferencedStudySequence, []):
            series += study.get(tags.RTReferencedSeriesSequence, [])
    images = [
        i
        for item in series
        for tag in (tags.ReferencedInstanceSequence, tags.ContourImageSequence)
        for i in item.get(tag, [])
    ]
    images += elements.sequences.get(tags.SourceImageSequence, [])
    by_part = _images_by_part(elements)
    traced = [image for part in by_part for image in part]
    return References(
        path=elements.path,
        sop_class_uid=_text(elements, tags.SOPClassUID),
        sop_instance_uid=_text(elements, tags.SOPInstanceUID),
        patient=_text(elements, tags.PatientID),
        study_uid=_text(elements, tags.StudyInstanceUID),
        study_date=iso_date(_text(elements, tags.StudyDate)),
        series_uid=_text(elements, tags.SeriesInstanceUID),
        referenced_series_uids=_distinct(uid_of_item(item, tags.SeriesInstanceUID) for item in series),
        referenced_instance_uids=instances_of([*images, *traced]),
        frame_of_reference_uids=_distinct(iter(frames)),
        traced_instance_uids=instances_of(traced),
        names_every_image=bool(by_part) and all(by_part),
    )


def _images_by_part(elements: DicomElements) -> list[list[Item]]:
    """Return the images that every frame of a segmentation, or every outline of a structure set, names."""
    shared = [
        i for g in elements.sequences.get(tags.SharedFunctionalGroupsSequence, []) for i in source_images(g)
    ]
    frames = elements.sequences.get(tags.PerFrameFunctionalGroupsSequence, [])
    rings = [
        ring
        for region in elements.sequences.get(tags.ROIContourSequence, [])
        for ring in region.get(tags.ContourSequence, [])
    ]
    return [source_images(frame) or shared for frame in frames] + [
        list(ring.get(tags.ContourImageSequence, [])) for ring in rings
    ]


def source_images(group: Item) -> list[Item]:
    """Return the images that a frame of a segmentation was made from, by its functional groups."""
    return [
        image
        for made in group.get(tags.DerivationImageSequence, [])
        for image in made.get(tags.SourceImageSequence, [])
    ]


def instances_of(images: Iterable[Item]) -> frozenset[str]:
    """Return the SOPInstanceUIDs of image references; with ``#n`` for every frame they name."""
    found: set[str] = set()
    for image in images:
        uid = uid_of_item(image, tags.ReferencedSOPInstanceUID)
        frames = uid_of_item(image, tags.ReferencedFrameNumber).split("\\")
        numbers = [int(frame) for frame in frames if frame.strip().isdecimal()]
        found.update(f"{uid}#{number}" for number in numbers)
        if uid and not numbers:
            found.add(uid)
    return frozenset(found)


def uid_of_item(item: Item, tag: int) -> str:
    """Return a UID of a sequence item, empty where it is absent."""
    raw: bytes = item.get(tag, b"")
    return raw.decode("ascii", "replace").strip(" \0")


def _text(elements: DicomElements, tag: int) -> str:
    value = elements.value(tag)
    return value if isinstance(value, str) else ""


def _distinct(uids: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(uid for uid in uids if uid))


def check_belongs(
    references: References,
    stack: SourceStack,
    path: Path | str,
    frame_of_reference_uid: str = "",
    named: Collection[str] = (),
) -> set[str]:
    """Check that a file belongs to a scan, and return the flags of what is worth knowing.

    Where images of the scan are `named` one by one, they count, whichever series the file lists.

    Raises
    ------
    MismatchError
        ``patient-mismatch`` or ``wrong-series``.
    """
    patient, series = stack.source.patient.strip(), stack.source.series_uid
    if patient and references.patient.strip() and patient != references.patient.strip():
        # Identities of patients are not repeated in messages.
        raise MismatchError(
            "patient-mismatch",
            "the file belongs to another patient than the scan",
            where=path,
            todo="Name the scan that it was drawn on, with --scan or in a manifest.",
        )
    listed = references.referenced_series_uids
    if series and listed and series not in listed and not _holds_one_of(stack, named):
        raise MismatchError(
            "wrong-series",
            "the file was drawn on another series",
            where=path,
            values={"series in the file": " ".join(listed)[:140], "series of the scan": series},
            todo="Name the scan that it was drawn on, with --scan or in a manifest. If its images were given "
            "new UIDs, give the tracing the same ones: anonymise both together.",
        )
    frames = (frame_of_reference_uid,) if frame_of_reference_uid else references.frame_of_reference_uids
    here = stack.geometry.frame_of_reference_uid
    return {"frame-of-reference-differs"} if here and frames and here not in frames else set()


def _holds_one_of(stack: SourceStack, named: Collection[str]) -> bool:
    """Whether a scan holds one of the images, or frames of images, that are named."""
    uids = {name.partition("#")[0] for name in named}
    return bool(uids) and any(uid.partition("#")[0] in uids for uid in slice_uids_of(stack))


def slice_uids_of(stack: SourceStack) -> tuple[str, ...]:
    """Return the SOPInstanceUID of every slice; empty for formats without UIDs."""
    uids: tuple[str, ...] = getattr(stack, "slice_uids", ())
    return uids
