"""Which traced lesions lie below a folder, by these conventions, in this order:

1. a manifest;
2. DICOM SEG and RTSTRUCT objects, tied to their series by the UIDs they reference;
3. BIDS names (``sub-<label>[/ses-<label>]/...``, masks ``*_mask.nii.gz`` or ``*_dseg.nii.gz``);
4. the layouts of other programs (`volumetry.study.layouts`);
5. pairs in one folder (``X_mask.nii.gz`` beside ``X.nii.gz``...) and native ``*.trace.json`` anywhere;
   patient and visit are then the first and second folder.

Nothing below the folder is written to. Links are followed only with ``--follow-links``, DICOMDIR files never.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TypeVar

from volumetry.errors import ReadError, VolumetryError
from volumetry.formats.dicom.headers import DicomHeader, FolderIndex, index_folder
from volumetry.formats.dicom.traced import rtstruct, seg
from volumetry.formats.dicom.traced.references import References, iso_date
from volumetry.formats.lesion_names import side_of_name
from volumetry.formats.recognise import (
    NEVER_DICOM,
    RTSTRUCT_CLASS,
    SEG_CLASSES,
    TRACE_SUFFIX,
    is_volume,
    without_suffix,
)
from volumetry.formats.trace_json import read_trace
from volumetry.scan import ScanSource
from volumetry.study.cases import Case
from volumetry.study.identity import date_of_name, doubted, named_by_folders, side_of_file
from volumetry.study.layouts import cases_of_layouts
from volumetry.study.manifest import MANIFEST_NAME, manifest_cases
from volumetry.study.protocol import Protocol, ScanSection
from volumetry.study.series_choice import choose_series
from volumetry.study.session_dates import session_dates
from volumetry.study.traces_apart import with_traces

_LOG = logging.getLogger(__name__)

SeriesKey = tuple[str, str, str]
"""PatientID, StudyInstanceUID, SeriesInstanceUID: what names a series."""

K = TypeVar("K")
V = TypeVar("V")

_MASK_NAME = re.compile(r"^(?P<image>.*?)(?:^|[_.-])(?:mask|label|labels|seg|dseg)$", re.IGNORECASE)
_ENTITY = re.compile(r"([A-Za-z0-9]+)-([A-Za-z0-9.+]+)")
_DERIVED_ENTITIES = {"label", "desc", "seg", "res", "den", "space", "hemi"}


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
        return _text(self.first, "series_instance_uid")

    @property
    def key(self) -> SeriesKey:
        """What names the series."""
        return _series_key(self.first)

    @property
    def study_uid(self) -> str:
        """StudyInstanceUID."""
        return _text(self.first, "study_instance_uid")


@dataclass(kw_only=True)
class _Found:
    """What lies below the folder, and what has been claimed by a trace so far."""

    root: str
    index: FolderIndex
    series: dict[SeriesKey, ImageSeries] = field(default_factory=dict)
    objects: list[DicomHeader] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)
    traced_series: set[SeriesKey] = field(default_factory=set)
    traced_volumes: set[str] = field(default_factory=set)

    @cached_property
    def images_by_folder(self) -> dict[str, list[str]]:
        """Volume files that are no masks, by the folder that holds them."""
        return _grouped((_folder_of(name), name) for name in self.volumes if not is_mask_name(name))

    @cached_property
    def images_by_who(self) -> dict[tuple[str, str], list[str]]:
        """Volume files that are no masks, by the patient and visit of their BIDS names."""
        images = (name for name in self.volumes if not is_mask_name(name))
        return _grouped((who, name) for name in images if (who := _bids_who(name)) is not None)

    @cached_property
    def series_by_folder(self) -> dict[str, list[ImageSeries]]:
        """DICOM series, by the folder that holds their files."""
        return _grouped((series.folder or ".", series) for series in self.series.values())

    @cached_property
    def sessions(self) -> dict[tuple[str, str], str]:
        """Dates by the patient and visit of BIDS, from ``sub-*_sessions.tsv``."""
        return session_dates(self.root)

    @cached_property
    def series_by_uid(self) -> dict[str, list[ImageSeries]]:
        """DICOM series by SeriesInstanceUID; two studies may share one."""
        return _grouped((series.series_uid, series) for series in self.series.values())

    def relative(self, path: str) -> str:
        if path.startswith(self._inside):  # as all do that were found by walking; much faster
            return path[len(self._inside) :].replace(os.sep, "/")
        return os.path.relpath(path, self.root).replace(os.sep, "/")

    @cached_property
    def _inside(self) -> str:
        """The beginning of the path of every file that was found below the root."""
        return os.path.join(self.root, "")  # noqa: PTH118


def discover(
    folder: Path | str,
    *,
    manifest: Path | str | None = None,
    traces: Path | str | None = None,
    protocol: Protocol | None = None,
) -> tuple[Case, ...]:
    """Find every traced lesion, and every scan without a trace, below a folder.

    Parameters
    ----------
    folder : path
    manifest : path, optional
        Table with a row per lesion; ``manifest.csv`` in the folder is used where it exists.
    traces : path, optional
        Folder of native traces that are kept apart from the scans.
    protocol : Protocol, optional
        Its ``[identity]`` says where patient and visit are named, its ``[scan]`` which series count; a
        manifest names the scans itself.

    Returns
    -------
    tuple of Case
        In order of patient, visit and path. Files that should be readable and are not are cases with
        an error.

    Raises
    ------
    ReadError, UsageError
        The folder or the manifest itself cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ReadError("not-found", "there is no such folder", where=folder, todo="Check the name.")
    protocol = protocol or Protocol()
    if traces is not None:
        everything = replace(protocol, scan=ScanSection())
        apart = with_traces(discover(folder, manifest=manifest, protocol=everything), folder, Path(traces))
        if manifest is not None or (folder / MANIFEST_NAME).is_file():
            return _ordered(apart)
        return _ordered(choose_series(apart, protocol.scan, folder))
    if manifest is None and (folder / MANIFEST_NAME).is_file():
        manifest = folder / MANIFEST_NAME
    if manifest is not None:
        if protocol.scan.chooses:
            _LOG.warning("[scan] of the protocol is not applied: the manifest names the scans")
        return _ordered(_dated(case) for case in manifest_cases(Path(manifest), folder))
    found = look_around(folder)
    laid_out, found.traced_volumes = cases_of_layouts(
        found.root, found.volumes, is_mask=is_mask_name, mask_stem=image_stem
    )
    cases = [
        *_dicom_cases(found),
        *_mask_cases(found),
        *_native_cases(found),
        *_untraced_cases(found),
        *_refused_cases(found),
    ]
    traced = {case.scan for case in cases if case.trace}  # a native trace may lie in any layout
    cases += [case for case in laid_out if case.trace or case.scan not in traced]
    named = [_dated(named_by_folders(case, protocol.identity), found.sessions) for case in cases]
    headers = {series.files[0]: series.headers for series in found.series.values()}
    believed = doubted(named, protocol.identity)
    return _ordered(choose_series(believed, protocol.scan, folder, headers))


def _dated(case: Case, sessions: Mapping[tuple[str, str], str] | None = None) -> Case:
    """A case with the date of its visit, where BIDS or the visit's own name gives it."""
    if case.study_date:
        return case
    day = (sessions or {}).get((case.patient, case.visit), "") or date_of_name(case.visit)
    return replace(case, study_date=day) if day else case


def _ordered(cases: Iterable[Case]) -> tuple[Case, ...]:
    return tuple(sorted(cases, key=lambda case: case.identity))


def look_around(folder: Path | str) -> _Found:
    """Index a folder and sort its files by kind."""
    found = _Found(root=str(folder), index=index_folder(folder, never_dicom=NEVER_DICOM))
    images: dict[SeriesKey, list[DicomHeader]] = {}
    for header in found.index.headers:
        if _is_hidden(found.relative(header.path)):
            continue
        if header.sop_class_uid == RTSTRUCT_CLASS or header.sop_class_uid in SEG_CLASSES:
            found.objects.append(header)
        elif header.pixel is not None:
            images.setdefault(_series_key(header), []).append(header)
    for uid, headers in _with_joined_studies(images).items():
        files = tuple(found.relative(header.path) for header in headers)
        common = os.path.commonpath([str(PurePosixPath(name).parent) for name in files])
        found.series[uid] = ImageSeries(
            headers=tuple(headers), files=files, folder=common.replace(os.sep, "/") or "."
        )
    for path in found.index.other_files:
        name = found.relative(path)
        if _is_hidden(name):
            continue
        if name.endswith(TRACE_SUFFIX):
            found.traces.append(name)
        elif is_volume(Path(path)):
            found.volumes.append(name)
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


def _folder_of(name: str) -> str:
    return str(PurePosixPath(name).parent)


def _grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, list[V]]:
    groups: dict[K, list[V]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def _is_hidden(name: str) -> bool:
    """Whether a file is one that programs keep beside others; folders that begin with a dot are read."""
    return name.rpartition("/")[2].startswith(".")


def _series_key(header: DicomHeader) -> SeriesKey:
    """What names the series of an image: anonymisers give two studies one SeriesInstanceUID."""
    names = ("patient_id", "study_instance_uid", "series_instance_uid")
    patient, study, series = (_text(header, name) for name in names)
    return patient, study, series


def _text(header: DicomHeader, name: str) -> str:
    try:
        return getattr(header, name) or ""
    except VolumetryError:
        return ""


# -- who and when -----------------------------------------------------------------------------------------


def folders_of(name: str) -> tuple[str, str]:
    """Return patient and visit of a relative path: its first and second folder.

    A file that lies directly in the study folder stands for a patient of its own, named by its stem.
    """
    parts = name.split("/")
    patient = parts[0] if len(parts) > 1 else image_stem(name)
    return patient, parts[1] if len(parts) > 2 else ""


def image_stem(name: str) -> str:
    """Return the file name without folder, format suffix and mask suffix."""
    stem = without_suffix(PurePosixPath(name).name)
    matched = _MASK_NAME.match(stem)
    return (matched["image"] or stem) if matched else stem


def is_mask_name(name: str) -> bool:
    """Return whether a file's name says that it is a mask."""
    base = PurePosixPath(name).name
    return base.lower().endswith(".seg.nrrd") or bool(_MASK_NAME.match(without_suffix(base)))


def _dicom_who(found: _Found, header: DicomHeader) -> tuple[str, str, str]:
    """Patient, visit and study date of a DICOM file: PatientID and StudyDate, else the folders."""
    patient, visit = folders_of(found.relative(header.path))
    date = ""
    try:
        date = iso_date(header.study_date or "")
        patient = header.patient_id or patient
    except VolumetryError:
        pass
    return patient, date or visit, date


# -- the conventions ----------------------------------------------------------------------------------------


def _dicom_cases(found: _Found) -> Iterator[Case]:
    for header in found.objects:
        patient, visit, date = _dicom_who(found, header)
        trace = found.relative(header.path)
        form = "rtstruct" if header.sop_class_uid == RTSTRUCT_CLASS else "seg"
        try:
            module = rtstruct if header.sop_class_uid == RTSTRUCT_CLASS else seg
            references = module.referenced(header.path)
        except VolumetryError as error:
            yield Case(patient=patient, visit=visit, study_date=date, trace=trace, form=form, error=error)
            continue
        several = _referenced_series(found, references)
        if not several:
            yield Case(
                patient=patient,
                visit=visit,
                study_date=date,
                trace=trace,
                form=form,
                patient_id=_text(header, "patient_id"),
                study_uid=_text(header, "study_instance_uid"),
            )
            continue
        found.traced_series.update(series.key for series in several)
        series = several[0]
        scan_patient, scan_visit, scan_date = _dicom_who(found, series.first)
        yield Case(
            patient=patient or scan_patient,
            visit=scan_visit,
            study_date=scan_date,
            modality=series.first.modality or "",
            series_uid=series.series_uid if len(several) == 1 else "",
            patient_id=_text(header, "patient_id") or _text(series.first, "patient_id"),
            study_uid=series.study_uid,
            form=form,
            trace=trace,
            scan=os.path.commonpath([one.folder or "." for one in several]) or ".",
            scan_files=tuple(name for one in several for name in one.files),
        )


def _referenced_series(found: _Found, references: References) -> list[ImageSeries]:
    """The image series that an object was drawn on: by their UIDs, their images, else where they lie.

    The one series of the patient in the object's frame of reference counts where it names nothing that is
    there.
    """
    wanted = {name.partition("#")[0] for name in references.referenced_instance_uids}
    named = [s for uid in references.referenced_series_uids for s in found.series_by_uid.get(uid, [])]
    if len(named) > len({series.series_uid for series in named}):  # two studies under one SeriesInstanceUID
        named = [s for s in named if wanted & {_text(h, "sop_instance_uid") for h in s.headers}] or [
            series for series in named if series.study_uid == references.study_uid
        ]
    if named:
        return named
    named = [s for s in found.series.values() if wanted & {h.sop_instance_uid or "" for h in s.headers}]
    if named or wanted or references.referenced_series_uids:
        return named
    here = [s for s in found.series.values() if _shares_frame_of_reference(s, references)]
    return here if len(here) == 1 else []


def _shares_frame_of_reference(series: ImageSeries, references: References) -> bool:
    try:
        frame, patient = series.first.frame_of_reference_uid, series.first.patient_id or ""
    except VolumetryError:
        return False
    return frame in references.frame_of_reference_uids and patient == references.patient


def _mask_cases(found: _Found) -> Iterator[Case]:
    for name in found.volumes:
        if not is_mask_name(name) or name in found.traced_volumes:
            continue
        patient, visit = _bids_who(name) or folders_of(name)
        lesion = _bids_lesion(name)
        scan, files = _image_of(found, name)
        found.traced_volumes.add(name)
        found.traced_volumes.add(scan)
        yield Case(
            patient=patient,
            visit=visit,
            side=side_of_name(f"lesion {lesion}") or side_of_file(image_stem(name)),
            lesion=lesion,
            reader=_bids_reader(name),
            trace=name,
            scan=scan,
            scan_files=files,
        )


def _bids_who(name: str) -> tuple[str, str] | None:
    entities = dict(_ENTITY.findall(PurePosixPath(name).name))
    folders = [part for part in name.split("/")[:-1] if part.startswith(("sub-", "ses-"))]
    subject = next((part for part in folders if part.startswith("sub-")), None)
    if subject is None and "sub" not in entities:
        return None
    subject = subject or f"sub-{entities['sub']}"
    session = next((part for part in folders if part.startswith("ses-")), None)
    return subject, session or (f"ses-{entities['ses']}" if "ses" in entities else "")


def _bids_lesion(name: str) -> str:
    """The lesion of a BIDS mask, whose ``label`` names what is masked: ``label-R1`` is lesion ``R1``."""
    entities = dict(_ENTITY.findall(PurePosixPath(name).name))
    if "sub" not in entities:
        return ""
    described = entities.get("desc", "")
    return entities.get("label", "") or ("" if described.startswith("reader") else described)


def _bids_reader(name: str) -> str:
    """The reader of a BIDS name: ``desc-readerA`` is reader ``A``."""
    matched = re.search(r"_desc-reader([A-Za-z0-9]+)", PurePosixPath(name).name)
    return matched[1] if matched else ""


def _image_of(found: _Found, mask: str) -> tuple[str, tuple[str, ...]]:
    """The image a mask belongs to: of its name, in BIDS by entities, or the only one in its folder."""
    folder = _folder_of(mask)
    beside = found.images_by_folder.get(folder, [])
    stem = image_stem(mask)
    for wanted in (stem, f"{stem}_image", f"{stem}_img"):
        named = [name for name in beside if without_suffix(PurePosixPath(name).name) == wanted]
        if len(named) == 1:
            return named[0], (named[0],)
    who = _bids_who(mask)
    if who is not None:
        same = [name for name in found.images_by_who.get(who, []) if _same_entities(name, mask)]
        return (same[0], (same[0],)) if len(same) == 1 else ("", ())
    series = found.series_by_folder.get(folder, [])
    if len(beside) == 1 and not series:
        return beside[0], (beside[0],)
    if len(series) == 1 and not beside:
        found.traced_series.add(series[0].key)
        return series[0].folder, series[0].files
    return "", ()


def _same_entities(image: str, mask: str) -> bool:
    """Whether an image has all the entities of a mask, save those that only derivatives have."""
    of_image = dict(_ENTITY.findall(PurePosixPath(image).name))
    of_mask = dict(_ENTITY.findall(PurePosixPath(mask).name))
    return all(of_image.get(k) == v for k, v in of_mask.items() if k not in _DERIVED_ENTITIES)


def _native_cases(found: _Found) -> Iterator[Case]:
    for name in found.traces:
        patient, visit = _bids_who(name) or folders_of(name)
        try:
            trace = read_trace(Path(found.root) / name)
        except VolumetryError as error:
            yield Case(patient=patient, visit=visit, trace=name, error=error)
            continue
        scan, files, date = "", tuple[str, ...](), trace.source.study_date
        if "/" not in name:
            patient = trace.source.patient or patient
        series = _series_of_trace(found, name, trace.source)
        if series is not None:
            found.traced_series.add(series.key)
            scan, files = series.folder, series.files
            # Of one series, all tracings have one name of patient and visit, whatever their form.
            patient, visit, date = _dicom_who(found, series.first)
        elif not trace.source.series_uid:
            scan, files = _image_of(found, name)
            found.traced_volumes.add(scan)
        yield Case(
            patient=patient,
            visit=visit or date,
            side=trace.side,
            lesion=trace.lesion,
            reader=trace.provenance.reader,
            study_date=date,
            study_uid="" if series is None else series.study_uid,
            modality=trace.source.modality,
            series_uid=trace.source.series_uid,
            read=trace.provenance.read,
            form="trace",
            version=trace.sha256,
            parent=trace.provenance.parent_sha256,
            patient_id=trace.source.patient,
            trace=name,
            scan=scan,
            scan_files=files,
        )


def _series_of_trace(found: _Found, name: str, source: ScanSource) -> ImageSeries | None:
    """The series a native trace was drawn on: of its UID; of several, by its date, then its folder."""
    same = found.series_by_uid.get(source.series_uid, []) if source.series_uid else []
    if len(same) > 1:
        same = [s for s in same if _dicom_who(found, s.first)[2] == source.study_date] or same
    if len(same) > 1:
        same = [s for s in same if s.folder.startswith(_folder_of(name))] or same
    return same[0] if len(same) == 1 else None


def _untraced_cases(found: _Found) -> Iterator[Case]:
    for key, series in sorted(found.series.items()):
        if key not in found.traced_series:
            patient, visit, date = _dicom_who(found, series.first)
            yield Case(
                patient=patient,
                visit=visit,
                study_date=date,
                modality=series.first.modality or "",
                series_uid=series.series_uid,
                patient_id=_text(series.first, "patient_id"),
                study_uid=series.study_uid,
                scan=series.folder if len(series.files) > 1 else series.files[0],
                scan_files=series.files,
            )
    for name in found.volumes:
        if name not in found.traced_volumes:
            patient, visit = _bids_who(name) or folders_of(name)
            yield Case(patient=patient, visit=visit, scan=name, scan_files=(name,))


def _refused_cases(found: _Found) -> Iterator[Case]:
    for path, error in found.index.refusals:
        name = found.relative(path)
        if _is_hidden(name):
            continue
        patient, visit = folders_of(name)
        yield Case(patient=patient, visit=visit, scan=name, scan_files=(name,), error=error)
