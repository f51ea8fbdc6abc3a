"""What a worker does: one case in, the rows of its lesions out; an error is a row too."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from volumetry._version import __version__
from volumetry.errors import MismatchError, ReadError, VolumetryError, WorkerError, internal_error
from volumetry.formats import read_regions, read_scan, read_scan_header, recognise
from volumetry.formats.dicom.file.values import MODALITIES
from volumetry.formats.recognise import files_of, is_voxel_file
from volumetry.formats.trace_json import read_trace
from volumetry.sections import CrossSections
from volumetry.study.cases import Case
from volumetry.study.protocol import Protocol
from volumetry.study.pseudonyms import Pseudonymiser
from volumetry.tables import Row
from volumetry.trace import canonical_json, check_trace
from volumetry.volume import LesionVolume, measure_volume

_TEXTS = ("patient", "visit", "side", "lesion", "reader", "message", "scan", "trace")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is the same for all cases of a batch.

    Attributes
    ----------
    root : str
        The study folder.
    protocol : Protocol
    threshold : float or None
        For probability maps and fractional segmentations.
    pseudonymiser : Pseudonymiser or None
    """

    root: str
    protocol: Protocol = field(default_factory=Protocol)
    threshold: float | None = None
    pseudonymiser: Pseudonymiser | None = None

    @property
    def key(self) -> str:
        """Hash of everything that decides what a case's rows are, besides its files."""
        secret = "" if self.pseudonymiser is None else self.pseudonymiser.pseudonym("")
        parts = [__version__, self.protocol.sha256, self.threshold, secret]
        return hashlib.sha256(canonical_json(parts).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Job:
    """A case to do, with what the ledger remembers of it."""

    case: Case
    settings: Settings
    known_content: str = ""


def case_id(case: Case, settings: Settings) -> str:
    """Return what names a case in the ledger."""
    parts = [settings.key, *case.identity]
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()


def input_files(case: Case, root: str) -> tuple[str, ...]:
    """Return the files that decide a case's rows, relative: scan, trace, and their sidecars."""
    named = [*case.scan_files, *([case.trace] if case.trace else [])]
    base = Path(root)
    return tuple(
        dict.fromkeys(file.relative_to(base).as_posix() for name in named for file in files_of(base / name))
    )


def stat_signature(case: Case, root: str) -> str:
    """Return a hash of size, times and inode of every input: equal means unchanged, without reading."""
    digest = hashlib.sha256()
    for name in input_files(case, root):
        try:
            status = Path(f"{root}/{name}").stat()
            mark = f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
        except OSError as error:
            mark = type(error).__name__
        digest.update(f"{name}\0{mark}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()


def do_job(job: Job) -> dict[str, Any]:
    """Measure one case and return its ledger record; raises nothing that a file can cause.

    The record is ``{"case", "content", "stat", "rows", "slices"}``; where the inputs hash to what the ledger
    remembers, ``rows`` is absent and the old ones stand.
    """
    case, settings = job.case, job.settings
    stat = stat_signature(case, settings.root)
    hashes = _hashes(case, settings.root)
    content = hashlib.sha256(canonical_json(sorted(hashes.items())).encode()).hexdigest()
    record: dict[str, Any] = {"case": case_id(case, settings), "content": content, "stat": stat}
    if content == job.known_content:
        return record
    patients = {case.patient}
    lines = [
        _finished(*outcome, hashes, settings, patients) for outcome in _outcomes(case, settings, patients)
    ]
    return record | {"rows": [row for row, _ in lines], "slices": [slices for _, slices in lines]}


def failed_record(job: Job, error: VolumetryError) -> dict[str, Any]:
    """Return the ledger record of a case that nobody could finish; it is tried again next time."""
    row = _row(job.case, error=error)
    return {
        "case": case_id(job.case, job.settings),
        "content": "",
        "stat": "",
        "rows": [_finished(row, [], {}, job.settings, {job.case.patient})[0]],
        "slices": [[]],
    }


def _hashes(case: Case, root: str) -> dict[str, str]:
    hashes = {}
    for name in input_files(case, root):
        try:
            with Path(f"{root}/{name}").open("rb") as file:
                hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            hashes[name] = ""
    return hashes


# -- outcomes -----------------------------------------------------------------------------------------------

Outcome = tuple[Row, list[list[float | int | None]]]


def _outcomes(case: Case, settings: Settings, patients: set[str]) -> Iterator[Outcome]:
    """Rows and slices of every lesion of a case; at least one row."""
    if case.error is not None:
        yield _row(case, error=case.error), []
        return
    if not case.trace:
        error = _unreadable(case, settings)
        yield (_row(case) | {"status": "not_traced"} if error is None else _row(case, error=error)), []
        return
    try:
        regions = list(_regions(case, settings))
    except VolumetryError as error:
        yield _row(case, error=error.at(case.trace)), []
        return
    except MemoryError:
        yield _row(case, error=_no_memory(case)), []
        return
    except Exception as fault:  # noqa: BLE001 - a fault of ours must not end the batch
        yield _row(case, error=internal_error(fault, case.trace)), []
        return
    for lesion, side, sections in regions:
        if isinstance(sections, VolumetryError):
            yield _row(case, error=sections.at(case.trace)) | {"lesion": lesion, "side": side or None}, []
            continue
        patients.add(sections.source.patient)
        yield _measured(case, sections, settings)


def _unreadable(case: Case, settings: Settings) -> VolumetryError | None:
    """Why an image that nobody traced cannot be read either, as far as its header tells."""
    if not is_voxel_file(case.scan):
        return None  # the headers of a series were read when it was found
    try:
        read_scan_header(f"{settings.root}/{case.scan}")
    except ReadError as error:
        return None if error.code == "not-3d" else error
    except VolumetryError:
        return None  # what is amiss with its geometry matters once it is traced
    return None


def _no_memory(case: Case) -> VolumetryError:
    return ReadError(
        "too-large", "there is not enough memory for the file", where=case.trace, todo="Measure it alone."
    )


def _regions(case: Case, settings: Settings) -> Iterator[tuple[str, str, CrossSections | VolumetryError]]:
    """Every lesion of the traced file: its name, its side, and its sections or why there are none."""
    path = f"{settings.root}/{case.trace}"
    scan = f"{settings.root}/{case.scan}" if case.scan else None
    label = case.label if case.label is not None else (case.roi or None)
    flags: tuple[str, ...] = ()
    if scan is not None and recognise(path).name == "trace":
        flags = check_trace(read_trace(path), read_scan(scan, series_uid=case.series_uid or None))
    for region in read_regions(path, label=label, threshold=settings.threshold, scan=scan):
        try:
            if region.error is not None:
                raise region.error
            assert region.sections is not None
            sections = replace(region.sections, lesion=region.name, side=region.side)
            yield region.name, region.side, _sided(replace(sections, flags=(*sections.flags, *flags)), case)
        except VolumetryError as error:
            yield case.lesion or region.name, case.side or region.side, error


def _sided(sections: CrossSections, case: Case) -> CrossSections:
    """The sections with the side that manifest and trace agree on."""
    if case.side and sections.side and case.side != sections.side:
        raise MismatchError(
            "side-mismatch",
            "the trace names another side than the manifest",
            values={"trace": sections.side, "manifest": case.side},
            todo="Correct the one that is wrong.",
        )
    return sections if sections.side or not case.side else replace(sections, side=case.side)


def _measured(case: Case, sections: CrossSections, settings: Settings) -> Outcome:
    names = {"lesion": case.lesion or sections.lesion or None, "side": sections.side or None}
    try:
        volume = measure_volume(sections, rule=settings.protocol.measurement)
    except VolumetryError as error:
        return _row(case, sections=sections, error=error.at(case.trace)) | names, []
    return _row(case, sections=sections, volume=volume) | names, _slices(volume)


def _slices(volume: LesionVolume) -> list[list[float | int | None]]:
    by_thickness = (
        [None] * volume.n_slices if volume.heights_thickness_mm is None else volume.heights_thickness_mm
    )
    by_spacing = [None] * volume.n_slices if volume.heights_spacing_mm is None else volume.heights_spacing_mm
    return [
        [int(i), float(p), float(a), None if t is None else float(t), None if s is None else float(s)]
        for i, p, a, t, s in zip(
            volume.slice_indices,
            volume.slice_positions_mm,
            volume.areas_mm2,
            by_thickness,
            by_spacing,
            strict=True,
        )
    ]


# -- rows ---------------------------------------------------------------------------------------------------


def _row(
    case: Case,
    *,
    sections: CrossSections | None = None,
    volume: LesionVolume | None = None,
    error: VolumetryError | None = None,
) -> Row:
    row: Row = {
        "patient": case.patient,
        "side": case.side or None,
        "lesion": case.lesion or None,
        "visit": case.visit or None,
        "study_date": case.study_date or None,
        "reader": case.reader or None,
        "modality": case.modality or None,
        "series_uid": case.series_uid or None,
        "scan": case.scan or None,
        "trace": case.trace or None,
        "volumetry_version": __version__,
    }
    if sections is not None:
        row["study_date"] = row["study_date"] or sections.source.study_date or None
        row["modality"] = row["modality"] or sections.source.modality or None
        row["series_uid"] = row["series_uid"] or sections.source.series_uid or None
        row |= _geometry_cells(sections)
    if volume is not None:
        row |= volume_cells(volume)
    if error is not None:
        status = "failed" if isinstance(error, ReadError | WorkerError) else "not_measurable"
        row |= {"status": status, "code": error.code, "message": _about(error, case)}
    if row["modality"] not in MODALITIES:
        row["modality"] = None  # a code by the standard, but a file may hold any text there
    return row


def _about(error: VolumetryError, case: Case) -> str:
    """The message without the folder of this machine."""
    where = error.where or ""
    for name in (case.trace, case.scan, *case.scan_files):
        if name and where.endswith(name):
            where = name
            break
    else:
        where = Path(where).name
    about = type(error)(error.code, error.what, where=where or None, values=error.values, todo=error.todo)
    return about.message


def _geometry_cells(sections: CrossSections) -> Row:
    geometry = sections.geometry
    return {
        "slice_thickness_mm": geometry.slice_thickness_mm,
        "slice_spacing_mm": geometry.slice_spacing_mm,
        "gap_mm": geometry.gap_mm,
        "pixel_area_mm2": geometry.pixel_area_mm2,
        "n_slices": sections.n_slices,
    }


def volume_cells(volume: LesionVolume) -> Row:
    """Return the cells of a row of measurements that a volume fills."""
    return {
        "status": volume.status,
        "code": volume.code or None,
        "message": volume.message or None,
        "volume_mm3": volume.volume_mm3,
        "volume_cm3": volume.volume_cm3,
        "height_rule": volume.height_rule,
        "volume_thickness_mm3": volume.volume_thickness_mm3,
        "volume_spacing_mm3": volume.volume_spacing_mm3,
        "max_area_mm2": volume.max_area_mm2,
        "flags": ";".join(volume.flags) or None,
    }


def _finished(
    row: Row,
    slices: list[list[float | int | None]],
    hashes: dict[str, str],
    settings: Settings,
    patients: Iterable[str],
) -> Outcome:
    """A row with its hashes, without empty cells, under pseudonyms where those are asked for."""
    scan_files = [name for name in hashes if name != row.get("trace")]
    row["trace_sha256"] = hashes.get(row["trace"] or "") or None
    row["scan_sha256"] = _joint_hash([hashes[name] for name in scan_files]) if row.get("scan") else None
    if settings.pseudonymiser is not None:
        row = settings.pseudonymiser.row(row, {name for name in patients if name}, _TEXTS)
    return {name: value for name, value in row.items() if value is not None}, slices


def _joint_hash(hashes: list[str]) -> str | None:
    """The hash of one file; of several, that of their sorted hashes."""
    if not hashes or not all(hashes):
        return None
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()
