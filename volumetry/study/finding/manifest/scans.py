"""The scans that a manifest names: a file, or the folder of a series."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from volumetry.errors import ReadError, VolumetryError
from volumetry.formats.dicom.file.values import iso_date
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.index import FolderIndex, index_folder
from volumetry.formats.dicom.person import person_marks
from volumetry.formats.dicom.series.find import is_image
from volumetry.formats.recognise import is_voxel_file

SeriesKey = tuple[str | None, str | None, str | None]


@dataclass(frozen=True, kw_only=True)
class NamedScan:
    """A scan that a manifest names.

    Attributes
    ----------
    scan : str
        File, or folder of the series, relative to the study folder.
    files : tuple of str
    series_uid, modality, study_date, patient_id : str
        Empty where the folder holds several series, and for files without these.
    error : VolumetryError or None
        Why it is no scan.
    """

    scan: str
    files: tuple[str, ...] = ()
    series_uid: str = ""
    modality: str = ""
    study_date: str = ""
    patient_id: str = ""
    error: VolumetryError | None = None


class NamedScans:
    """Finds the files of scans below a study folder; every folder is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._indexed: dict[str, FolderIndex] = {}

    def find(self, scan: str) -> NamedScan:
        """Return what a manifest names; one DICOM file stands for its series."""
        if not scan or is_voxel_file(scan):
            return NamedScan(scan=scan, files=(scan,) if scan else ())
        path = self._folder / scan
        place = scan if path.is_dir() else str(PurePosixPath(scan).parent)
        try:
            index = self._index(place)
            if place == scan:
                return self._of_folder(scan, index)
            return self._of_file(scan, place, index)
        except VolumetryError as error:
            return NamedScan(scan=scan, error=error)

    def _index(self, place: str) -> FolderIndex:
        if place not in self._indexed:
            self._indexed[place] = index_folder(self._folder / place)
        return self._indexed[place]

    def _relative(self, path: str) -> str:
        return os.path.relpath(path, self._folder).replace(os.sep, "/")

    def _of_folder(self, scan: str, index: FolderIndex) -> NamedScan:
        series = {_key(header) for header in index.headers if _holds_image(header)}
        if len(series) == 1:
            return self._of_series(scan, [h for h in index.headers if _holds_image(h)])
        paths = sorted((*(header.path for header in index.headers), *index.other_files))
        refused = None if series or not index.refusals else index.refusals[0][1]
        return NamedScan(scan=scan, files=tuple(map(self._relative, paths)), error=refused)

    def _of_file(self, scan: str, place: str, index: FolderIndex) -> NamedScan:
        named = [h for h in index.headers if self._relative(h.path) == os.path.normpath(scan)]
        if not named or not _holds_image(named[0]):
            return NamedScan(scan=scan, files=(scan,), error=self._refusal(scan, index))
        same = [h for h in index.headers if _holds_image(h) and _key(h) == _key(named[0])]
        return self._of_series(place, same)

    def _refusal(self, scan: str, index: FolderIndex) -> VolumetryError | None:
        return next((e for p, e in index.refusals if self._relative(p) == os.path.normpath(scan)), None)

    def _of_series(self, scan: str, headers: list[DicomHeader]) -> NamedScan:
        first = headers[0]
        return NamedScan(
            scan=scan,
            files=tuple(self._relative(header.path) for header in headers),
            series_uid=first.series_instance_uid or "",
            modality=first.modality or "",
            patient_id=first.patient_id or "",
            study_date=iso_date(first.study_date or "") or person_marks(first.path).acquired,
        )


def _key(header: DicomHeader) -> SeriesKey:
    try:
        return header.patient_id, header.study_instance_uid, header.series_instance_uid
    except ReadError:
        return None, None, None


def _holds_image(header: DicomHeader) -> bool:
    try:
        return is_image(header)
    except ReadError:
        return False
