"""What a worker does: one case in, the rows of its lesions out; an error is a row too."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from volumetry._version import __version__
from volumetry.error_model.slicing import sampling_error
from volumetry.errors import (
    MismatchError,
    ReadError,
    VolumetryError,
    WorkerError,
    internal_error,
    plain_values,
)
from volumetry.formats import read_regions, read_scan, read_scan_header, recognise
from volumetry.formats.dicom.file.values import MODALITIES
from volumetry.formats.dicom.headers import read_header
from volumetry.formats.opening import links_followed
from volumetry.formats.recognise import HEAD_BYTES, TRACE_SUFFIX, files_of, is_voxel_file, remember
from volumetry.formats.trace_json import read_trace
from volumetry.geometry import plane_of
from volumetry.sections import CrossSections
from volumetry.study.cases import Case
from volumetry.study.pseudonyms import Pseudonymiser
from volumetry.study.worth import geometry_facts
from volumetry.tables import Row
from volumetry.trace import check_trace
from volumetry.volume import LesionVolume, MeasurementRule, measure_volume


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is the same for all cases of a batch.

    Attributes
    ----------
    root : str
        The study folder.
    rule : MeasurementRule
    threshold : float or None
        For probability maps and fractional segmentations.
    pseudonymiser : Pseudonymiser or None
    follow_links : bool
        Follow symbolic links within the folder of a series.
    """

    root: str
    rule: MeasurementRule = field(default_factory=MeasurementRule)
    threshold: float | None = None
    pseudonymiser: Pseudonymiser | None = None
    follow_links: bool = False

    @property
    def key(self) -> str:
        """Hash of everything that decides what is measured in a case, besides its files.

        Who, when and which visit comes first are no part of it: they are joined to the record afterwards.
        """
        secret = "" if self.pseudonymiser is None else self.pseudonymiser.mark
        return digest_of([__version__, asdict(self.rule), self.threshold, secret])


@dataclass(frozen=True, kw_only=True)
class Job:
    """A case to do, with what the ledger remembers of it."""

    case: Case
    settings: Settings
    known_content: str = ""


def digest_of(parts: Any) -> str:
    """Return the hash of a plain value; texts may be file names of any bytes."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def case_id(case: Case, settings: Settings) -> str:
    """Return what names a case in the ledger: what is measured of which files, and by which rules."""
    error = "" if case.error is None else str(case.error)
    where = [case.trace, case.scan, case.series_uid, case.label, case.roi, case.side]
    return digest_of([settings.key, *where, error])


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The files that decide what is measured in a case, relative to the study folder.

    Attributes
    ----------
    trace, scan : tuple of str
        Every file whose bytes count: the named ones, their sidecars and their detached data.
    """

    trace: tuple[str, ...]
    scan: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((*self.scan, *self.trace)))


def input_files(case: Case, root: str) -> Inputs:
    """Return the files that decide what is measured in a case."""
    base = Path(root)

    def every(names: Iterable[str]) -> tuple[str, ...]:
        found = (file for name in names for file in files_of(base / name))
        return tuple(dict.fromkeys(os.path.relpath(file, base).replace(os.sep, "/") for file in found))

    # The files of a series are all listed: a DICOM file has no companions.
    scan = case.scan_files if _is_series(case) else every(case.scan_files)
    return Inputs(trace=every([case.trace] if case.trace else []), scan=scan)


def _is_series(case: Case) -> bool:
    return len(case.scan_files) > 1 and not any(map(is_voxel_file, case.scan_files))


def stat_signature(inputs: Inputs, root: str) -> str:
    """Return a hash of size, times and inode of every input: equal means unchanged, without reading."""
    return digest_of([_mark(name, root) for name in inputs.all])


def _mark(name: str, root: str) -> list[str | int]:
    try:
        status = os.stat(f"{root}/{name}")  # noqa: PTH116 - a Path for each of many files takes longer
    except OSError as error:
        return [name, type(error).__name__]
    return [name, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def do_job(job: Job) -> dict[str, Any]:
    """Measure one case and return its ledger record; raises nothing that a file can cause.

    The record is ``{"case", "content", "stat", "rows", "slices"}``; where the inputs hash to what the ledger
    remembers, ``rows`` is absent and the old ones stand. Its rows know nothing of patient, visit and paths:
    `volumetry.study.joining` adds those.
    """
    with links_followed(job.settings.follow_links):
        return _done(job)


def _done(job: Job) -> dict[str, Any]:
    case, settings = job.case, job.settings
    # Times first, bytes second: what is changed in between is seen by the next run. The named files are read
    # before their companions are asked for, so that none is opened just to see what it is.
    marks, hashes, series = {}, {}, _is_series(case)
    for name in dict.fromkeys(filter(None, (*case.scan_files, case.trace))):
        is_named = name == case.trace or not series
        marks[name] = _mark(name, settings.root)
        hashes[name] = _hash(name, settings.root, is_named=is_named)
    inputs = input_files(case, settings.root)
    for name in inputs.all:
        if name not in marks:
            marks[name], hashes[name] = _mark(name, settings.root), _hash(name, settings.root)
    signature = digest_of([marks[name] for name in inputs.all])
    record: dict[str, Any] = {
        "case": case_id(case, settings),
        "pseudonyms": settings.pseudonymiser is not None,
        "content": digest_of(sorted(hashes.items())),
        "stat": signature,
    }
    if record["content"] == job.known_content:
        return record
    cells = {
        "trace_sha256": _joint_hash([hashes[name] for name in inputs.trace if not _is_sidecar(name)]),
        "scan_sha256": _joint_hash([hashes[name] for name in inputs.scan if name != case.trace]),
    }
    cells |= _scan_cells(case, settings.root)
    found = ((cells | _filled(row), slices) for row, slices in _outcomes(case, settings))
    lines = [(_kept(row, settings), slices) for row, slices in found]
    return record | {"rows": [row for row, _ in lines], "slices": [slices for _, slices in lines]}


def _scan_cells(case: Case, root: str) -> Row:
    """How the named scan was acquired, for tracings that do not know it and scans without a tracing."""
    name = case.scan_files[0] if case.scan_files else ""
    try:
        if case.error is not None or not name:
            return {}
        if is_voxel_file(name):
            if case.trace:
                return {}  # the tracing was read with its scan
            facts = read_scan_header(f"{root}/{name}")
            cells = {"plane": facts.geometry.plane, "modality": facts.source.modality or None}
            return cells | facts.source.acquisition.known
        header = read_header(f"{root}/{name}")
        plane = {} if header.image_orientation is None else {"plane": plane_of(header.image_orientation)}
        return plane | header.acquisition.known
    except VolumetryError:
        return {}  # measuring, or finding, says why


def failed_record(job: Job, error: VolumetryError) -> dict[str, Any]:
    """Return the ledger record of a case that nobody could finish; it is tried again next time."""
    return {
        "case": case_id(job.case, job.settings),
        "pseudonyms": job.settings.pseudonymiser is not None,
        "content": "",
        "stat": "",
        "rows": [_kept(_row(job.case, error=error), job.settings)],
        "slices": [[]],
    }


def _is_sidecar(name: str) -> bool:
    return name.endswith(".json") and not name.endswith(TRACE_SUFFIX)


def _hash(name: str, root: str, *, is_named: bool = False) -> str:
    """The hash of a file, empty where it cannot be read; of a named one, what it is by its bytes is kept."""
    path = f"{root}/{name}"
    try:
        status = os.stat(path)  # noqa: PTH116 - as above
        if not stat.S_ISREG(status.st_mode):  # opening a pipe or a device may never end
            return ""
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            head = file.read(HEAD_BYTES) if is_named else b""
            if head:
                remember(path, status, head)
                file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


# -- outcomes -----------------------------------------------------------------------------------------------

Outcome = tuple[Row, list[list[float | int | None]]]


def _outcomes(case: Case, settings: Settings) -> Iterator[Outcome]:
    """Rows and slices of every lesion of a case; at least one row."""
    if case.error is not None:
        yield _row(case, error=case.error), []
        return
    if not case.trace:
        error = _unreadable(case, settings)
        yield (_row(case) if error is None else _row(case, error=error)), []
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
    for region in read_regions(
        path,
        label=label,
        threshold=settings.threshold,
        scan=scan,
        self_intersections=settings.rule.self_intersections,
    ):
        try:
            if region.error is not None:
                raise region.error
            assert region.sections is not None
            sections = replace(region.sections, lesion=region.name, side=region.side)
            yield region.name, region.side, _sided(replace(sections, flags=(*sections.flags, *flags)), case)
        except VolumetryError as error:
            yield region.name, case.side or region.side, error


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
    names = {"lesion": sections.lesion or None, "side": sections.side or None}
    try:
        volume = measure_volume(sections, rule=settings.rule)
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
    row: Row = {"status": "not_traced"}
    if sections is not None:
        source = sections.source
        row |= {"study_date": source.study_date, "modality": source.modality, "series_uid": source.series_uid}
        row |= _geometry_cells(sections) | source.acquisition.known
    if volume is not None:
        row |= volume_cells(volume)
    if error is not None:
        status = "failed" if isinstance(error, ReadError | WorkerError) else "not_measurable"
        row |= {"status": status, "code": error.code, "message": error.what, "about": _about(error, case)}
    if row.get("modality") not in MODALITIES:
        row["modality"] = None  # a code by the standard, but a file may hold any text there
    return row


def _about(error: VolumetryError, case: Case) -> dict[str, Any]:
    """Where an error is, without the folder of this machine, its values as text, and what to do."""
    where = error.where or ""
    if case.trace and where.endswith(case.trace):
        where = "trace"
    elif case.scan and where.endswith(case.scan):
        where = "scan"
    elif name := next((name for name in case.scan_files if name and where.endswith(name)), ""):
        where = f"file:{name}"
    else:
        where = f"file:{Path(where).name}" if where else ""
    return {"where": where, "values": plain_values(error.values), "todo": error.todo}


def _geometry_cells(sections: CrossSections) -> Row:
    geometry = sections.geometry
    return {
        "slice_thickness_mm": geometry.slice_thickness_mm,
        "slice_spacing_mm": geometry.slice_spacing_mm,
        "gap_mm": geometry.gap_mm,
        "pixel_area_mm2": geometry.pixel_area_mm2,
        "n_slices": sections.n_slices,
        "plane": geometry.plane,
        **geometry_facts(geometry),
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
        "sampling_error_percent": sampling_error(volume.areas_mm2, volume.heights_mm).percent,
        "max_area_mm2": volume.max_area_mm2,
        "flags": ";".join(volume.flags) or None,
    }


def _filled(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None and value != ""}


def _kept(row: Row, settings: Settings) -> Row:
    """A row as the ledger keeps it: without empty cells, and with nothing that a pseudonym stands for."""
    if settings.pseudonymiser is not None:
        row = settings.pseudonymiser.record(row)
    return _filled(row)


def _joint_hash(hashes: list[str]) -> str | None:
    """The hash of one file; of several, that of their sorted hashes."""
    if not hashes or not all(hashes):
        return None
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()
