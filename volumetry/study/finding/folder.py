"""What lies below a folder: DICOM series and objects, volume files, native traces."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from volumetry.errors import VolumetryError
from volumetry.formats.dicom.file.values import iso_date
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.index import FolderIndex, index_folder
from volumetry.formats.dicom.person import person_marks
from volumetry.formats.recognise import NEVER_DICOM, RTSTRUCT_CLASS, SEG_CLASSES, TRACE_SUFFIX, is_volume
from volumetry.study.finding.files import FilesByFolder
from volumetry.study.finding.names import bids_who, folder_of, folders_of, is_hidden, is_mask_name
from volumetry.study.finding.session_dates import is_table_of_dates, session_dates
from volumetry.study.hash_index import NameSet

SeriesKey = tuple[str, str, str]
"""PatientID, StudyInstanceUID, SeriesInstanceUID: what names a series."""

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, kw_only=True)
class ImageSeries:
    """A DICOM image series: its headers and the folder that holds them, relative to the study folder."""

    headers: tuple[DicomHeader, ...]
    files: tuple[str, ...]
    folder: str

    @property
    def first(self) -> DicomHeader:
        """The header of the first file by name."""
        return self.headers[0]

    @property
    def series_uid(self) -> str:
        """SeriesInstanceUID."""
        return text_of(self.first, "series_instance_uid")

    @property
    def key(self) -> SeriesKey:
        """What names the series."""
        return _series_key(self.first)

    @property
    def study_uid(self) -> str:
        """StudyInstanceUID."""
        return text_of(self.first, "study_instance_uid")


@dataclass(kw_only=True)
class Found:
    """What lies below the folder, and what has been claimed by a trace so far."""

    root: str
    index: FolderIndex
    series: dict[SeriesKey, ImageSeries] = field(default_factory=dict)
    objects: list[DicomHeader] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)
    traced_series: set[SeriesKey] = field(default_factory=set)
    traced_volumes: NameSet = field(default_factory=NameSet)
    named_by_folders: set[str] = field(default_factory=set)
    documents: NameSet = field(default_factory=NameSet)
    """JSON files, which may be sidecars of images."""
    tables: list[str] = field(default_factory=list)
    """Tables of BIDS that say when sessions and scans were."""
    acquired: dict[str, str] = field(default_factory=dict)
    """Days on which images without a StudyDate were made, by their files."""

    @cached_property
    def images_by_folder(self) -> FilesByFolder:
        """Volume files that are no masks, by the folder that holds them; the study folder is empty."""
        return FilesByFolder(name for name in self.volumes if not is_mask_name(name))

    @cached_property
    def images_by_who(self) -> dict[tuple[str, str], list[str]]:
        """Volume files that are no masks, by the patient and visit of their BIDS names."""
        images = (name for name in self.volumes if not is_mask_name(name))
        return grouped((who, name) for name in images if (who := bids_who(name)) is not None)

    @cached_property
    def series_by_folder(self) -> dict[str, list[ImageSeries]]:
        """DICOM series, by the folder that holds their files."""
        return grouped((series.folder or ".", series) for series in self.series.values())

    @cached_property
    def series_below(self) -> dict[str, list[ImageSeries]]:
        """DICOM series, by every folder above the one that holds their files."""
        return grouped((place, s) for s in self.series.values() for place in above(s.folder)[1:])

    @cached_property
    def sessions(self) -> dict[tuple[str, str], str]:
        """Dates by the patient and visit of BIDS, from ``sub-*_sessions.tsv`` and ``sub-*_scans.tsv``."""
        if not self.tables:
            return {}
        files = (*self.volumes, *self.traces, *(series.files[0] for series in self.series.values()))
        return session_dates(self.root, self.tables, {who for name in files if (who := bids_who(name))})

    @cached_property
    def series_by_uid(self) -> dict[str, list[ImageSeries]]:
        """DICOM series by SeriesInstanceUID; two studies may share one."""
        return grouped((series.series_uid, series) for series in self.series.values())

    def images(self) -> Iterator[str]:
        """Yield one file of every DICOM series, and the volume files that are no masks."""
        yield from (series.files[0] for series in self.series.values())
        yield from (name for name in self.volumes if not is_mask_name(name))

    def relative(self, path: str) -> str:
        """Return a path relative to the study folder."""
        if path.startswith(self._inside):  # as all do that were found by walking; much faster
            return path[len(self._inside) :].replace(os.sep, "/")
        return os.path.relpath(path, self.root).replace(os.sep, "/")

    @cached_property
    def _inside(self) -> str:
        """The beginning of the path of every file that was found below the root."""
        return os.path.join(self.root, "")  # noqa: PTH118


def look_around(folder: Path | str) -> Found:
    """Index a folder and sort its files by kind."""
    documents = NameSet()

    def is_listed(path: str) -> bool:
        if path.endswith(".json") and not path.endswith(TRACE_SUFFIX):
            documents.add(os.path.relpath(path, folder).replace(os.sep, "/"))
            return False
        return True

    index = index_folder(folder, never_dicom=NEVER_DICOM, is_listed=is_listed)
    found = Found(root=str(folder), index=index, documents=documents)
    images: dict[SeriesKey, list[DicomHeader]] = {}
    for header in found.index.headers:
        if is_hidden(found.relative(header.path)):
            continue
        if header.sop_class_uid == RTSTRUCT_CLASS or header.sop_class_uid in SEG_CLASSES:
            found.objects.append(header)
        elif header.pixel is not None:
            images.setdefault(_series_key(header), []).append(header)
    for uid, headers in _with_joined_studies(images).items():
        files = tuple(found.relative(header.path) for header in headers)
        common = os.path.commonpath({os.path.dirname(name) for name in files})  # noqa: PTH120
        found.series[uid] = ImageSeries(
            headers=tuple(headers), files=files, folder=common.replace(os.sep, "/") or "."
        )
    others = found.index.other_files
    others.reverse()
    while others:  # each is let go of, for there may be very many
        path = others.pop()
        name = found.relative(path)
        if is_hidden(name):
            continue
        if name.endswith(TRACE_SUFFIX):
            found.traces.append(name)
        elif is_volume(path):
            found.volumes.append(name)
        elif is_table_of_dates(name):
            found.tables.append(name)
    return found


def _with_joined_studies(images: dict[SeriesKey, list[DicomHeader]]) -> dict[SeriesKey, list[DicomHeader]]:
    """Join the images of a series in one folder whose writer gave every slice a study of its own."""
    alike: dict[tuple[str, str], list[SeriesKey]] = {}
    for patient, study, series in images:
        alike.setdefault((patient, series), []).append((patient, study, series))
    for keys in alike.values():
        headers = [header for key in keys for header in images[key]]
        if len(keys) < 2 or len(headers) > len(keys) or len({Path(h.path).parent for h in headers}) > 1:
            continue
        with suppress(VolumetryError):
            if all(header.number_of_frames == 1 and not header.is_mosaic for header in headers):
                for key in keys[1:]:
                    images[keys[0]] += images.pop(key)
    return images


def above(folder: str) -> list[str]:
    """Return a folder and those above it, the study folder last: ``a/b``, ``a``, ``.``."""
    places = [folder or "."]
    while places[-1] != ".":
        places.append(folder_of(places[-1]))
    return places


def grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, list[V]]:
    """Return the values by their keys, in the order given."""
    groups: dict[K, list[V]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def _series_key(header: DicomHeader) -> SeriesKey:
    """What names the series of an image: anonymisers give two studies one SeriesInstanceUID."""
    names = ("patient_id", "study_instance_uid", "series_instance_uid")
    patient, study, series = (text_of(header, name) for name in names)
    return patient, study, series


def text_of(header: DicomHeader, name: str) -> str:
    """Return a text of a header, empty where it is missing or malformed."""
    try:
        return getattr(header, name) or ""
    except VolumetryError:
        return ""


def dicom_who(found: Found, header: DicomHeader) -> tuple[str, str, str]:
    """Patient, visit and study date of a DICOM file: PatientID and StudyDate, else the folders.

    The date of images without a StudyDate is the day on which they were made; it does not name their visit.
    """
    patient, visit = folders_of(found.relative(header.path))
    date = ""
    try:
        date = iso_date(header.study_date or "")
        patient = header.patient_id or patient
    except VolumetryError:
        pass
    visit = date or visit
    if not date and header.pixel is not None:
        if header.path not in found.acquired:
            found.acquired[header.path] = person_marks(header.path).acquired
        date = found.acquired[header.path]
    return patient, visit, date
