"""How a worklist is made: of all scans of a study folder, or of the reads that a plan gives a reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from volumetry.study.protocol import Protocol, protocol_of_study
from volumetry.study.reading import second_part_opens
from volumetry.tracing.worklist.assignment import Assignment, read_assignment
from volumetry.tracing.worklist.blinding import complete_key
from volumetry.tracing.worklist.folder_contents import what_lies_in
from volumetry.tracing.worklist.rows import assigned_rows, in_order, rows_of
from volumetry.tracing.worklist.scans import StudyScan, look_up, scans_of_study
from volumetry.tracing.worklist.series import StudyCases, cases_of_study
from volumetry.tracing.worklist.worklist import Worklist

NO_CASE = "The plan of the reader study has no case for this reader."
NO_READER = "Write your initials at the top first: everybody has cases of their own in this reader study."


def read_worklist(
    study: Path | str,
    *,
    protocol: Protocol | None = None,
    reader: str = "",
    place: Path | str | None = None,
    now: datetime | None = None,
    known: Worklist | None = None,
) -> Worklist:
    """Read what there is to trace in a study folder.

    Parameters
    ----------
    study : path
    protocol : Protocol, optional
        Its blinding, seed and visits; `study.toml` in the folder by default, else no blinding.
    reader : str
        Who reads. Under blinding, rows of other readers are left out.
    place : path, optional
        Where traces are written, if not in the study folder.
    now : datetime, optional
        With zone; decides which cases of a reader study (`plan_study`) are due. The present by default.
    known : Worklist, optional
        Of the same folder: its scans are taken from it, and only what is traced on them is looked at again.

    Raises
    ------
    ReadError, UsageError
        The folder or the protocol cannot be read.
    OutputError
        The names of a blinded reading cannot be kept; name another place.

    Examples
    --------
    >>> worklist = vt.read_worklist("sample_scans/study", reader="A")
    >>> sorted({row.patient for row in worklist.rows})
    ['hip01', 'hip02', 'hip03', 'hip04', 'hip05', 'sub-hip06']
    """
    study = Path(study)
    base = study if place is None else Path(place)
    protocol = protocol_of_study(study, base) if protocol is None else protocol
    found = cases_of_study(study, protocol) if known is None else known.found
    scans = scans_of_study(found, study, base)
    assignment = read_assignment(base)
    if assignment is not None:
        moment = datetime.now(UTC) if now is None else now
        return _assigned_worklist(study, base, assignment, scans, found, protocol, reader, moment)
    key = None
    if protocol.reading.blinding != "none":
        key = complete_key(
            base,
            seed=protocol.reading.seed,
            scans=[scan.identity for scan in scans],
            patients={scan.patient for scan in scans},
        )
    for scan in scans:
        if key is not None:
            scan.place = key.place(base, scan.identity)
        look_up(scan, reader)
    numbered = in_order(scans, protocol, key)
    rows = tuple(
        row
        for number, scan in numbered.items()
        for row in rows_of(number, scan, scans, protocol, key, reader)
    )
    errors = [case.error for case in found.cases if case.error]
    return Worklist(
        study=study,
        rows=rows,
        protocol=protocol,
        scans=numbered,
        reader=reader,
        nothing_found="" if rows else what_lies_in(study, errors),
        base=base,
        found=found,
    )


def _assigned_worklist(
    study: Path,
    base: Path,
    assignment: Assignment,
    scans: Sequence[StudyScan],
    found: StudyCases,
    protocol: Protocol,
    reader: str,
    now: datetime,
) -> Worklist:
    """The reads of one reader that are due; nothing in it depends on whether a read is a repeat."""
    known = {scan.identity: scan for scan in scans}
    reads = [read for read in assignment.of_reader(reader) if read.scan in known]
    cases: dict[int, StudyScan] = {}
    for read in reads:
        case = replace(known[read.scan], place=assignment.place(base, read), traced=[])
        look_up(case, reader)
        cases[read.number] = case
    opens = second_part_opens(
        [_signed_time(cases[read.number]) for read in reads if read.part == 1], assignment.reading
    )
    is_open = opens is not None and now >= opens
    due = [read for read in reads if read.part == 1 or is_open or cases[read.number].traced]
    rows = [
        row
        for read in due
        for row in assigned_rows(assignment.case_name(read), read, cases[read.number], assignment)
    ]
    return Worklist(
        study=study,
        rows=tuple(rows),
        protocol=replace(protocol, reading=replace(protocol.reading, blinding="time")),
        scans={read.number: cases[read.number] for read in due},
        reader=reader,
        nothing_found="" if rows else NO_CASE if reader else NO_READER,
        second_part_opens=opens,
        not_due={read.number for read in assignment.reads} - {read.number for read in due},
        n_not_due=len(reads) - len(due),
        found=found,
    )


def _signed_time(scan: StudyScan) -> str:
    """When the last lesion of a case was signed; empty while one is not, or none is traced."""
    times = [traced.signed_time for traced in scan.traced]
    return max(times, key=datetime.fromisoformat) if times and all(times) else ""
