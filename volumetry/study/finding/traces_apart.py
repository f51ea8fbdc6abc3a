"""Tracings that are kept apart from a read-only archive: ``--traces FOLDER``.

The tracer puts its traces below that folder as it would below the archive; here they are tied to their scans
again. `volumetry.study.finding.tracings_of_others` does so for the tracings of other programs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from volumetry.errors import ReadError, UsageError, VolumetryError
from volumetry.formats import read_scan
from volumetry.formats.trace_json import SUFFIX, read_trace
from volumetry.study.cases import Case
from volumetry.study.finding.doubts.headers import doubted
from volumetry.study.finding.tracings_of_others import tracings_of_others
from volumetry.study.protocol import IdentitySection
from volumetry.trace import Trace


def with_traces(
    cases: Sequence[Case],
    folder: Path,
    traces: Path,
    rules: IdentitySection | None = None,
    *,
    listed: bool = False,
) -> tuple[Case, ...]:
    """Return the cases of a folder with the tracings of another folder among them.

    Parameters
    ----------
    cases : sequence of Case
        Found in `folder`.
    folder : Path
        The archive.
    traces : Path
        The folder of the traces. Hidden folders in it, of blinded readings and versions, are left out.
    rules : IdentitySection, optional
        How patients and visits are named.
    listed : bool
        Whether a manifest lists the scans.

    Returns
    -------
    tuple of Case
        A trace of a known scan takes patient, visit and scan from it; that scan is no longer untraced.

    Raises
    ------
    ReadError
        ``not-found``: there is no such folder of traces.
    UsageError
        ``usage``: it cannot be reached from the archive (another drive).
    """
    if not traces.is_dir():
        raise ReadError("not-found", "there is no such folder", where=traces, todo="Check --traces.")
    rules = rules or IdentitySection()
    scans = _by_scan(cases)
    held = {case.trace for case in cases}
    added: list[Case] = []
    traced: set[tuple[str, str] | None] = set()
    for path in sorted(_files(traces)):
        inside = _relative(path, traces)
        name = _relative(path, folder)
        if name in held:
            continue
        case, scan = _case_of(path, name, inside, scans, folder)
        added.append(case)
        traced.add(scan)
    for case, keys in tracings_of_others(folder, traces, scans, rules, listed=listed):
        if case.trace not in held:
            added.append(case)
            traced.update(keys)
    kept = [case for case in cases if case.trace or (case.scan, case.series_uid) not in traced]
    if listed:
        return (*kept, *added)
    return _doubted_together((*kept, *added), rules, folder)


def _doubted_together(cases: Sequence[Case], rules: IdentitySection, folder: Path) -> tuple[Case, ...]:
    """Return the cases, doubted as if every tracing lay beside its scan: before, scans alone were seen.

    Where a tracing lies that is tied to no scan says nothing.
    """
    placed = [case for case in cases if case.scan_files or not case.shown_trace]
    judged = doubted([_beside_scan(case) for case in placed], rules, folder)
    found = {id(case): judgement for case, judgement in zip(placed, judged, strict=True)}
    return tuple(
        replace(case, error=found[id(case)].error, visit=found[id(case)].visit) if id(case) in found else case
        for case in cases
    )


def _beside_scan(case: Case) -> Case:
    if not case.shown_trace:
        return case
    place = PurePosixPath(case.scan_files[0]).with_name(PurePosixPath(case.trace).name)
    return replace(case, trace=str(place))


def _by_scan(cases: Iterable[Case]) -> dict[tuple[str, str], Case]:
    """One case of every scan that could be traced; what is doubted of it is doubted of its traces."""
    doubts = ("patient-unclear", "visit-unclear")
    return {
        (case.scan, case.series_uid): case
        for case in cases
        if case.scan and (case.error is None or case.error.code in doubts)
    }


def _files(traces: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(traces):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place) / name for name in files if name.endswith(SUFFIX) and name[0] != ".")


def _relative(path: Path, base: Path) -> str:
    try:
        return os.path.relpath(path.absolute(), base.absolute()).replace(os.sep, "/")
    except ValueError:
        raise UsageError(
            "usage",
            "the traces lie on another drive than the scans",
            where=path,
            todo="Keep both on one drive.",
        ) from None


def _case_of(
    path: Path, name: str, inside: str, scans: Mapping[tuple[str, str], Case], folder: Path
) -> tuple[Case, tuple[str, str] | None]:
    parts = PurePosixPath(inside).parts
    patient, visit = parts[0] if len(parts) > 1 else "", parts[1] if len(parts) > 2 else ""
    try:
        trace = read_trace(path)
    except VolumetryError as error:
        return Case(patient=patient, visit=visit, trace=name, shown_trace=inside, error=error), None
    scan = _scan_of(trace, inside, scans, folder)
    known = Case(
        patient=patient or trace.source.patient,
        visit=visit or trace.source.study_date,
        study_date=trace.source.study_date,
        modality=trace.source.modality,
        series_uid=trace.source.series_uid,
    )
    if scan is not None:
        known = replace(scans[scan], label=None, roi="")
    case = replace(
        known,
        side=trace.side,
        lesion=trace.lesion,
        reader=trace.provenance.reader,
        trace=name,
        shown_trace=inside,
        read=trace.provenance.read,
        form="trace",
        version=trace.sha256,
        parent=trace.provenance.parent_sha256,
    )
    return case, scan


def _scan_of(
    trace: Trace, inside: str, scans: Mapping[tuple[str, str], Case], folder: Path
) -> tuple[str, str] | None:
    """The scan of a trace: by its UID, else the file in the same folder that has its voxels."""
    if trace.source.series_uid:
        same = [scan for scan in scans if scan[1] == trace.source.series_uid]
        return same[0] if len(same) == 1 else None
    place = str(PurePosixPath(inside).parent)
    beside = [scan for scan in scans if not scan[1] and str(PurePosixPath(scan[0]).parent) == place]
    if len(beside) <= 1:
        return beside[0] if beside else None
    return next((scan for scan in beside if _has_voxels(folder / scan[0], trace)), None)


def _has_voxels(path: Path, trace: Trace) -> bool:
    try:
        return read_scan(path).voxels_sha256 == trace.source.voxels_sha256
    except VolumetryError:
        return False
