"""Blinded traces go to their patients and visits, once all is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from volumetry.errors import ReadError
from volumetry.files.atomic import make_folder
from volumetry.formats import read_scan
from volumetry.study.protocol import protocol_of_study
from volumetry.study.reading import PlannedRead
from volumetry.trace import Trace
from volumetry.tracing.disk.places import CasePlace
from volumetry.tracing.disk.revisions import read_saved, save_revision
from volumetry.tracing.worklist.assignment import Assignment, read_assignment
from volumetry.tracing.worklist.blinding import read_key
from volumetry.tracing.worklist.scans import StudyScan, fits, scans_of_study
from volumetry.tracing.worklist.series import cases_of_study

_Released = dict[tuple[str, str, int], tuple[Path, Trace]]


def release_blinded(study: Path | str, *, place: Path | str | None = None) -> tuple[Path, ...]:
    """Copy the traces of a blinded reading to their patients and visits, once all is read.

    Nothing is overwritten: a trace that is there already, the same, is left out; another is kept as a
    conflict. Of a reader study (`plan_study`) the signed reads are copied; a repeat becomes read 2.

    Returns
    -------
    tuple of Path
        The files written.

    Raises
    ------
    ReadError
        ``not-found``: there is no blinded reading; ``unreadable``: its key.
    OutputError

    Examples
    --------
    >>> from volumetry.errors import VolumetryError
    >>> try:
    ...     vt.release_blinded("sample_scans/study")
    ... except VolumetryError as error:
    ...     print(error.code)
    not-found
    """
    study = Path(study)
    base = study if place is None else Path(place)
    assignment = read_assignment(base)
    if assignment is not None:
        return tuple(_released_reads(assignment, _scans(study, base), study, base))
    key = read_key(base)
    if key is None:
        raise ReadError(
            "not-found", "there is no blinded reading here", where=base, todo="Name the study folder."
        )
    written: list[Path] = []
    for scan in _scans(study, base):
        if scan.identity in key.scans:
            written += _released(key.place(base, scan.identity), scan.place)
    return tuple(written)


def _scans(study: Path, base: Path) -> list[StudyScan]:
    return scans_of_study(cases_of_study(study, protocol_of_study(study, base)), study, base)


def _released(blinded: CasePlace, place: CasePlace) -> Iterator[Path]:
    there = {}
    for path in place.traces():
        try:
            there[read_saved(path).sha256] = path
        except ReadError:
            continue
    for path in blinded.traces():
        trace = read_saved(path)
        if trace.sha256 not in there:
            place.folder.mkdir(parents=True, exist_ok=True)
            target = place.folder / path.name
            yield save_revision(trace, target, parent_sha256="", versions=place.versions).path


def _released_reads(
    assignment: Assignment, scans: Sequence[StudyScan], study: Path, base: Path
) -> Iterator[Path]:
    known = {scan.identity: scan for scan in scans}
    for read in assignment.reads:
        signed = _signed(assignment, read, base)
        if signed and read.scan in known:
            yield from _released_read(signed, read, known[read.scan], study)


def unreleased_reads(study: Path | str, *, place: Path | str | None = None) -> int:
    """Return how many reads of a reader study are signed and not beside their scans; 0 without a study.

    Raises
    ------
    ReadError
        ``unreadable``: the assignment.

    Examples
    --------
    >>> from volumetry.tracing.worklist.release import unreleased_reads
    >>> unreleased_reads("sample_scans/study")
    0
    """
    study = Path(study)
    base = study if place is None else Path(place)
    assignment = read_assignment(base)
    if assignment is None:
        return 0
    there = {scan.identity: _beside(scan) for scan in _scans(study, base)}
    return sum(
        bool(_missing(_signed(assignment, read, base), there[read.scan]))
        for read in assignment.reads
        if read.scan in there
    )


def open_reads(study: Path | str, *, place: Path | str | None = None) -> int:
    """Return how many reads of a reader study are not signed yet; 0 without a study.

    Raises
    ------
    ReadError
        ``unreadable``: the assignment.

    Examples
    --------
    >>> from volumetry.tracing.worklist.release import open_reads
    >>> open_reads("sample_scans/study")
    0
    """
    base = Path(study) if place is None else Path(place)
    assignment = read_assignment(base)
    if assignment is None:
        return 0
    return sum(not _signed(assignment, read, base) for read in assignment.reads)


def _signed(assignment: Assignment, read: PlannedRead, base: Path) -> list[Trace]:
    traces = [read_saved(path) for path in assignment.place(base, read).traces()]
    return [trace for trace in traces if trace.provenance.signed_time]


def _beside(scan: StudyScan) -> _Released:
    """The traces beside a scan by lesion, reader and read."""
    there: _Released = {}
    for path in scan.place.traces():
        with suppress(ReadError):
            held = read_saved(path)
            if fits(path, scan):
                there[held.lesion, held.provenance.reader, held.provenance.read] = (path, held)
    return there


def _missing(traces: Sequence[Trace], there: _Released) -> list[Trace]:
    """Those whose copy is not beside the scan."""
    released = {held.provenance.parent_sha256 for _, held in there.values()}
    return [trace for trace in traces if trace.sha256 not in released]


def _released_read(
    traces: Sequence[Trace], read: PlannedRead, scan: StudyScan, study: Path
) -> Iterator[Path]:
    """Put the number of the read and the true source into signed traces, and save them beside the scan."""
    there = _beside(scan)
    missing = _missing(traces, there)
    if not missing:
        return
    image = read_scan(study / scan.scan, series_uid=scan.series_uid or None)
    for trace in missing:
        provenance = replace(trace.provenance, read=read.read, parent_sha256=trace.sha256)
        released = replace(trace, geometry=image.geometry, source=image.hashed_source, provenance=provenance)
        earlier = there.get((trace.lesion, read.reader, read.read))
        make_folder(scan.place.folder)
        yield save_revision(
            released,
            earlier[0] if earlier else scan.place.trace(trace.lesion, read.reader),
            parent_sha256=earlier[1].sha256 if earlier else "",
            versions=scan.place.versions,
        ).path
