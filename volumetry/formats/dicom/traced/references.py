"""What a DICOM segmentation or structure set belongs to, and where the series it names lies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from volumetry.errors import MismatchError, ReadError, VolumetryError
from volumetry.formats.dicom.file.elements import DicomElements
from volumetry.formats.dicom.file.walk import Item
from volumetry.formats.dicom.headers import read_header
from volumetry.formats.dicom.series.choose import find_stack
from volumetry.formats.reader import DicomImages
from volumetry.geometry import ScanGeometry
from volumetry.scan import ScanSource

MAX_SEARCHED_FILES = 20_000
"""Files looked at in search of a series before the search is given up."""

MAX_FILES_BESIDE = 2_000
"""The same for a segmentation, which can do without."""

REFERENCE_TAGS = (
    0x00080005,  # SpecificCharacterSet
    0x00080016,  # SOPClassUID
    0x00080018,  # SOPInstanceUID
    0x00080020,  # StudyDate
    0x00100020,  # PatientID
    0x0020000D,  # StudyInstanceUID
    0x0020000E,  # SeriesInstanceUID
    0x00200052,  # FrameOfReferenceUID
)
REFERENCE_SEQUENCES = frozenset({0x00081115, 0x30060010})


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
        StudyInstanceUID; StudyDate as ``YYYY-MM-DD``, empty where it is none.
    series_uid : str
        SeriesInstanceUID of the file itself.
    referenced_series_uids : tuple of str
        Series it was drawn on.
    referenced_instance_uids : frozenset of str
        Images it was drawn on, as far as the file lists them.
    frame_of_reference_uids : tuple of str
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


def references_of(elements: DicomElements) -> References:
    """Return the references of a walked file; its selection holds `REFERENCE_TAGS` and `REFERENCE_SEQUENCES`.

    Raises
    ------
    ReadError
        ``unreadable`` where an element is no value of its kind.
    """
    series: list[Item] = list(elements.sequences.get(0x00081115, []))
    frames = [_text(elements, 0x00200052)]
    for frame in elements.sequences.get(0x30060010, []):
        frames.append(uid_of_item(frame, 0x00200052))
        for study in frame.get(0x30060012, []):
            series += study.get(0x30060014, [])
    images = [i for item in series for tag in (0x0008114A, 0x30060016) for i in item.get(tag, [])]
    return References(
        path=elements.path,
        sop_class_uid=_text(elements, 0x00080016),
        sop_instance_uid=_text(elements, 0x00080018),
        patient=_text(elements, 0x00100020),
        study_uid=_text(elements, 0x0020000D),
        study_date=iso_date(_text(elements, 0x00080020)),
        series_uid=_text(elements, 0x0020000E),
        referenced_series_uids=_distinct(uid_of_item(item, 0x0020000E) for item in series),
        referenced_instance_uids=frozenset(_distinct(uid_of_item(i, 0x00081155) for i in images)),
        frame_of_reference_uids=_distinct(iter(frames)),
    )


def uid_of_item(item: Item, tag: int) -> str:
    """Return a UID of a sequence item, empty where it is absent."""
    raw: bytes = item.get(tag, b"")
    return raw.decode("ascii", "replace").strip(" \0")


def iso_date(text: str) -> str:
    """Return ``20240302`` as ``2024-03-02``, and empty what is no such date."""
    digits = text.replace(".", "")
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}" if len(digits) == 8 and digits.isdecimal() else ""


def _text(elements: DicomElements, tag: int) -> str:
    value = elements.value(tag)
    return value if isinstance(value, str) else ""


def _distinct(uids: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(uid for uid in uids if uid))


# -- the series it was drawn on -----------------------------------------------------------------------------


def source_stack(path: Path | str, references: References, scan: object = None) -> SourceStack:
    """Return the geometry and identity of the scan that a file belongs to; pixels are not read.

    Parameters
    ----------
    path : path
        The segmentation or structure set.
    references : References
    scan : Scan, SourceStack or path, optional
        The scan; without it the series the file names is looked for in its folder, below it, and in the
        folders beside it.

    Raises
    ------
    ReadError
        ``not-found`` where the series is not there; what is wrong with its files.
    GeometryError
        What is wrong with the series.
    """
    if isinstance(scan, DicomImages):
        return _stack_at(scan.path, references)
    if isinstance(scan, Path | str):
        return _stack_at(scan, references)
    if scan is not None:
        return scan  # type: ignore[return-value]
    folder = find_series_folder(path, references)
    if folder is None:
        raise ReadError(
            "not-found",
            "the series that the contours were drawn on is not beside the file",
            where=path,
            values={"series": " ".join(references.referenced_series_uids)[:140] or "none named"},
            todo="Name its folder with --scan.",
        )
    return _referenced_stack(folder, references)


def source_beside(path: Path | str, references: References) -> SourceStack | None:
    """Return the series that a segmentation was drawn on, where it lies beside it and can be read.

    A segmentation declares a grid of its own, so that a series that is not there is no error.
    """
    try:
        folder = find_series_folder(path, references, max_files=MAX_FILES_BESIDE)
        return None if folder is None else _referenced_stack(folder, references)
    except VolumetryError:
        return None


def find_series_folder(
    path: Path | str, references: References, *, max_files: int = MAX_SEARCHED_FILES
) -> Path | None:
    """Return the folder that holds an image of the referenced series, or None.

    Looked at in this order, `max_files` at most: the folder of the file, the folders below it, the folders
    beside it. Symbolic links are not followed.
    """
    here = Path(path).absolute().parent  # links are not resolved
    for file in islice(_files_around(here), max_files):
        if _is_referenced(file, references):
            return file.parent
    return None


def _files_around(here: Path) -> Iterator[Path]:
    """Yield files of a folder, then below it, then below the folders beside it."""
    yield from _files_below(here)
    for sibling in _entries(here.parent):
        if sibling.is_dir(follow_symlinks=False) and Path(sibling.path) != here:
            yield from _files_below(Path(sibling.path))


def _files_below(folder: Path) -> Iterator[Path]:
    waiting = [folder]
    while waiting:
        entries = _entries(waiting.pop(0))
        yield from (Path(e.path) for e in entries if e.is_file(follow_symlinks=False))
        waiting += [Path(e.path) for e in entries if e.is_dir(follow_symlinks=False)]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def _is_referenced(file: Path, references: References) -> bool:
    try:
        header = read_header(file)
        if header.pixel is None or header.sop_instance_uid == references.sop_instance_uid:
            return False
        if references.referenced_series_uids:
            return header.series_instance_uid in references.referenced_series_uids
        return header.sop_instance_uid in references.referenced_instance_uids
    except VolumetryError:
        return False


def check_belongs(
    references: References, stack: SourceStack, path: Path | str, frame_of_reference_uid: str = ""
) -> set[str]:
    """Check that a file belongs to a scan, and return the flags of what is worth knowing.

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
            todo="Name the scan it was drawn on.",
        )
    if series and references.referenced_series_uids and series not in references.referenced_series_uids:
        raise MismatchError(
            "wrong-series",
            "the file was drawn on another series",
            where=path,
            values={"series": " ".join(references.referenced_series_uids)[:140], "scan": series},
            todo="Name the scan it was drawn on.",
        )
    frames = (frame_of_reference_uid,) if frame_of_reference_uid else references.frame_of_reference_uids
    here = stack.geometry.frame_of_reference_uid
    return {"frame-of-reference-differs"} if here and frames and here not in frames else set()


def slice_uids_of(stack: SourceStack) -> tuple[str, ...]:
    """Return the SOPInstanceUID of every slice; empty for formats without UIDs."""
    uids: tuple[str, ...] = getattr(stack, "slice_uids", ())
    return uids


def _stack_at(path: Path | str, references: References) -> SourceStack:
    """Return the scan at a path that a user named, without reading its pixels."""
    try:
        return find_stack(path)
    except VolumetryError as error:
        if error.code != "ambiguous-series":
            raise
    return _referenced_stack(path, references)


def _referenced_stack(folder: Path | str, references: References) -> SourceStack:
    """Return the series that a file names, from the folder that holds it."""
    uids = references.referenced_series_uids
    return find_stack(folder, series_uid=uids[0] if len(uids) == 1 else None)
