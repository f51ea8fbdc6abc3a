"""What there is to trace in a study, what has been done, and what of it a reader may see."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from volumetry.agreement.adjudication import CONSENSUS
from volumetry.atomic import make_folder
from volumetry.errors import ReadError, UsageError, VolumetryError
from volumetry.formats import read_scan, read_trace
from volumetry.study.cases import Case
from volumetry.study.pairing import visit_ranks
from volumetry.study.protocol import Blinding, Protocol, read_protocol
from volumetry.study.reading import PlannedRead, plan_reads, second_part_opens
from volumetry.study.worth import WorthRule, worth_rule
from volumetry.trace import Trace
from volumetry.tracing.assignment import Assignment, read_assignment, write_assignment
from volumetry.tracing.beside import printable
from volumetry.tracing.blinding import BlindingKey, complete_key, read_key
from volumetry.tracing.disk.journal import minutes_of, read_journal
from volumetry.tracing.disk.places import CasePlace, key_of_identity, place_for, safe_name
from volumetry.tracing.disk.recovery import recover
from volumetry.tracing.disk.revisions import read_saved, save_revision
from volumetry.tracing.folder_contents import what_lies_in

CaseState = Literal["untraced", "in progress", "saved", "signed", "conflict"]

PROTOCOL_NAME = "study.toml"


@dataclass(frozen=True, kw_only=True)
class WorklistRow:
    """A lesion, or a scan without one, as the reader may see it.

    Attributes
    ----------
    number : int
        Identifies the scan within the worklist: rows of one scan share it. Give it to `Worklist.scan_path`.
    name : str
        What to show as the case's name in titles and layers: ``p01, 2021-03-02``, or ``Case 07``.
    patient, visit : str
        Empty where the blinding hides them; under ``patient`` the patient is a neutral name.
    side, lesion, reader : str
        Empty for a scan that is not traced.
    state : str
        ``untraced``, ``in progress``, ``saved``, ``signed`` or ``conflict``.
    finding : str
        ``absent``, or ``not measurable`` and why, where the reader said so; else empty.
    """

    number: int
    name: str
    patient: str
    visit: str
    side: str
    lesion: str
    reader: str
    state: CaseState
    finding: str = ""


ROW_COLUMNS = ("name", "side", "lesion", "reader", "state", "finding")
"""The columns of a row that may be shown and sorted by, also under blinding."""

STATES: tuple[CaseState, ...] = get_args(CaseState)


def chosen_rows(
    rows: Iterable[WorklistRow], *, words: str = "", states: Sequence[str] = (), by: str = ""
) -> tuple[WorklistRow, ...]:
    """Return the rows that hold all words and have one of the states, sorted.

    Parameters
    ----------
    rows : iterable of WorklistRow
    words : str
        Separated by spaces; each must stand in one of the columns, in any case of letters.
    states : sequence of str
        Empty: any.
    by : str
        A name of `ROW_COLUMNS`; rows that are equal in it keep the reading order. Empty: the reading order.
    """
    wanted = words.casefold().split()
    found = [
        row
        for row in rows
        if (not states or row.state in states) and all(word in _text(row) for word in wanted)
    ]
    if by == "state":
        return tuple(sorted(found, key=lambda row: STATES.index(row.state)))
    order: Callable[[WorklistRow], str] = lambda row: str(getattr(row, by))  # noqa: E731
    return tuple(sorted(found, key=order)) if by in ROW_COLUMNS else tuple(found)


def _text(row: WorklistRow) -> str:
    return "\n".join(str(getattr(row, name)) for name in ROW_COLUMNS).casefold()


@dataclass(frozen=True, kw_only=True)
class _Traced:
    """A lesion that has been traced on a scan."""

    lesion: str
    side: str
    reader: str
    state: CaseState
    path: Path | None = None
    finding: str = ""
    signed_time: str = ""


@dataclass(kw_only=True)
class _Scan:
    """A scan of the study with what is traced on it."""

    patient: str
    visit: str
    study_date: str
    scan: str
    series_uid: str
    place: CasePlace
    traced: list[_Traced] = field(default_factory=list)

    @property
    def identity(self) -> str:
        return f"{self.scan} {self.series_uid}".strip()


class Worklist:
    """The worklist of a study. Made by `read_worklist`.

    Attributes
    ----------
    rows : tuple of WorklistRow
        In the order they are to be read.
    blinding : str
    protocol : Protocol
    reader : str
        For whom it was read.
    nothing_found : str
        What lies in the folder instead, where there is no scan to trace; else empty.
    second_part_opens : datetime or None
        Of a reader study; None while the first part is not signed.
    """

    def __init__(
        self,
        *,
        study: Path,
        rows: tuple[WorklistRow, ...],
        protocol: Protocol,
        scans: dict[int, _Scan],
        reader: str = "",
        nothing_found: str = "",
        not_due: Collection[int] = (),
        second_part_opens: datetime | None = None,
    ) -> None:
        self.rows = rows
        self.reader = reader
        self.nothing_found = nothing_found
        self.protocol = protocol
        self.blinding: Blinding = protocol.reading.blinding
        self._study = study
        self._scans = scans
        self._not_due = frozenset(not_due)
        self.second_part_opens = second_part_opens

    def _scan(self, number: int) -> _Scan:
        if number in self._not_due:
            raise UsageError(
                "not-due",
                "the case is not to be read yet",
                values={"number": number},
                todo="Read the cases that the worklist shows.",
            )
        try:
            return self._scans[number]
        except KeyError:
            raise UsageError(
                "usage", "there is no such scan", values={"number": number}, todo="Choose a row."
            ) from None

    def scan_path(self, number: int) -> Path:
        """Return the file or series folder of a scan. Never to be shown under blinding."""
        return self._study / self._scan(number).scan

    def series_uid(self, number: int) -> str:
        """Return the SeriesInstanceUID to give to `read_scan`; empty where there is none."""
        return self._scan(number).series_uid

    def place(self, number: int) -> CasePlace:
        """Return where the files of a scan are written: under neutral names where the reading is blinded."""
        return self._scan(number).place

    def next_number(self, number: int) -> int | None:
        """Return the next scan in reading order; None after the last."""
        order = list(dict.fromkeys(row.number for row in self.rows))
        place = order.index(number) + 1
        return order[place] if place < len(order) else None

    def next_untraced(self, number: int | None = None) -> int | None:
        """Return the next scan in reading order that has something left to trace by the reader.

        After the last scan the search goes on at the first. A scan is left to trace where a lesion of it is
        untraced or in progress; None where all is saved or signed.

        Parameters
        ----------
        number : int, optional
            The scan that is open; it comes last.
        """
        order = list(dict.fromkeys(row.number for row in self.rows))
        start = order.index(number) + 1 if number in order else 0
        return next((n for n in order[start:] + order[:start] if self._is_left(n)), None)

    def _is_left(self, number: int) -> bool:
        own = [r for r in self.rows if r.number == number and r.reader in ("", self.reader)]
        return not own or any(row.state in ("untraced", "in progress") for row in own)

    def may_trace(self, reader: str) -> bool:
        """Return whether the protocol lets a reader trace; with no readers named, anybody."""
        readers = self.protocol.reading.readers
        return not readers or reader in readers

    def minutes(self, number: int, reader: str) -> float:
        """Return the minutes that a reader has worked on a scan, by the journals (`minutes_of`)."""
        scan = self._scan(number)
        contents = []
        for key in _keys(scan, reader):
            for path in scan.place.journals(key, reader):
                with suppress(ReadError):
                    contents.append(read_journal(path))
        return minutes_of(contents)

    @property
    def worth(self) -> WorthRule:
        """By what a change is judged, as the protocol says."""
        return worth_rule(self.protocol)

    def baseline_number(self, number: int) -> int | None:
        """Return the baseline scan of a follow-up; None for a baseline, and under blinding ``time``."""
        wanted = self._scan(number)
        if self.blinding == "time":
            return None
        own = {n: scan for n, scan in self._scans.items() if scan.patient == wanted.patient}
        dates = {scan.visit: scan.study_date for scan in own.values()}
        ranks = visit_ranks(dates, self.protocol.visits)
        first = min(ranks, key=lambda visit: ranks[visit])
        if wanted.visit == first:
            return None
        return min(n for n, scan in own.items() if scan.visit == first)

    def baseline_path(self, number: int) -> Path | None:
        """Return the file or series folder of the baseline scan; None as `baseline_number`."""
        baseline = self.baseline_number(number)
        return None if baseline is None else self.scan_path(baseline)

    def baseline_trace_path(self, number: int, lesion: str, reader: str = "") -> Path | None:
        """Return the file of the baseline trace of a lesion: as `baseline_trace`."""
        found = self._baseline_trace(number, lesion, reader)
        return found.path if found else None

    def baseline_trace(self, number: int, lesion: str, reader: str = "") -> Trace | None:
        """Return the baseline trace of a lesion: a reader's own, else anybody's; None where there is none.

        Raises
        ------
        VolumetryError
            It is there and cannot be read.
        """
        found = self._baseline_trace(number, lesion, reader)
        if found is None or found.path is None:
            return None
        is_native = found.path.name.endswith(".trace.json")
        scan = self.baseline_path(number)
        return read_trace(
            found.path, roi=None if is_native else found.lesion, scan=None if is_native else scan
        )

    def _baseline_trace(self, number: int, lesion: str, reader: str) -> _Traced | None:
        baseline = self.baseline_number(number)
        if baseline is None:
            return None
        same = [t for t in self._scans[baseline].traced if t.path and _short(t.lesion) == _short(lesion)]
        same.sort(key=lambda t: (t.reader != reader, t.state == "conflict"))
        return same[0] if same else None


def read_worklist(
    study: Path | str,
    *,
    protocol: Protocol | None = None,
    reader: str = "",
    place: Path | str | None = None,
    now: datetime | None = None,
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

    Raises
    ------
    ReadError, UsageError
        The folder or the protocol cannot be read.
    OutputError
        The names of a blinded reading cannot be kept; name another place.
    """
    from volumetry.study.discovery import discover

    study = Path(study)
    base = study if place is None else Path(place)
    protocol = protocol_of_study(study, base) if protocol is None else protocol
    cases = discover(study)
    scans = _scans_of(cases, study, base)
    assignment = read_assignment(base)
    if assignment is not None:
        return _assigned_worklist(
            study, base, assignment, scans, protocol, reader, datetime.now(UTC) if now is None else now
        )
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
        _look_up(scan, reader)
    numbered = _in_order(scans, protocol, key)
    rows = tuple(
        row for number, scan in numbered.items() for row in _rows(number, scan, scans, protocol, key, reader)
    )
    return Worklist(
        study=study,
        rows=rows,
        protocol=protocol,
        scans=numbered,
        reader=reader,
        nothing_found="" if rows else what_lies_in(study, [case.error for case in cases if case.error]),
    )


def _assigned_worklist(
    study: Path,
    base: Path,
    assignment: Assignment,
    scans: Sequence[_Scan],
    protocol: Protocol,
    reader: str,
    now: datetime,
) -> Worklist:
    """The reads of one reader that are due; nothing in it depends on whether a read is a repeat."""
    known = {scan.identity: scan for scan in scans}
    reads = [read for read in assignment.of_reader(reader) if read.scan in known]
    cases: dict[int, _Scan] = {}
    for read in reads:
        case = replace(known[read.scan], place=assignment.place(base, read), traced=[])
        _look_up(case, reader)
        cases[read.number] = case
    opens = second_part_opens(
        [_signed_time(cases[read.number]) for read in reads if read.part == 1], assignment.reading
    )
    is_open = opens is not None and now >= opens
    due = [read for read in reads if read.part == 1 or is_open or cases[read.number].traced]
    rows = [
        row
        for read in due
        for row in _assigned_rows(assignment.case_name(read), read, cases[read.number], assignment)
    ]
    return Worklist(
        study=study,
        rows=tuple(rows),
        protocol=replace(protocol, reading=replace(protocol.reading, blinding="time")),
        scans={read.number: cases[read.number] for read in due},
        reader=reader,
        nothing_found="" if rows else "The plan of the reader study has no case for this reader.",
        second_part_opens=opens,
        not_due={read.number for read in assignment.reads} - {read.number for read in due},
    )


def _signed_time(scan: _Scan) -> str:
    """When the last lesion of a case was signed; empty while one is not, or none is traced."""
    times = [traced.signed_time for traced in scan.traced]
    return max(times, key=datetime.fromisoformat) if times and all(times) else ""


def _assigned_rows(
    name: str, read: PlannedRead, scan: _Scan, assignment: Assignment
) -> Iterator[WorklistRow]:
    done = {_short(traced.lesion) for traced in scan.traced}
    awaited = [
        _Traced(lesion=lesion, side=side, reader=read.reader, state="untraced")
        for lesion, side in assignment.lesions.get(read.scan, ())
        if lesion not in done
    ]
    shown = sorted([*scan.traced, *awaited], key=lambda t: (t.side, t.lesion))
    for t in shown or [_Traced(lesion="", side="", reader="", state="untraced")]:
        yield WorklistRow(
            number=read.number,
            name=name,
            patient="",
            visit="",
            side=t.side,
            lesion=t.lesion,
            reader=t.reader,
            state=t.state,
            finding=t.finding,
        )


def _scans_of(cases: Iterable[Case], study: Path, base: Path) -> list[_Scan]:
    scans: dict[tuple[str, str], _Scan] = {}
    for case in cases:
        if not case.scan or not case.scan_files:
            continue
        place = place_for(study / case.scan, study=study, place=base)
        patient, visit = _who(case, study)
        scan = scans.setdefault(
            (case.scan, case.series_uid),
            _Scan(
                patient=patient,
                visit=visit,
                study_date=case.study_date,
                scan=case.scan,
                series_uid=case.series_uid,
                place=place,
            ),
        )
        if case.trace and case.error is None:
            scan.traced += _traced_in(case, study)
    return list(scans.values())


def _who(case: Case, study: Path) -> tuple[str, str]:
    """Patient and visit of a scan: the same before and after it has been traced."""
    if case.series_uid and case.trace.endswith(".trace.json") and case.error is None:
        # Discovery takes those of a native trace from its folders, those of its series from the headers.
        with suppress(ReadError):
            source = read_saved(study / case.trace).source
            return source.patient or case.patient, source.study_date or case.visit
    return case.patient, case.visit


def _traced_in(case: Case, study: Path) -> Iterator[_Traced]:
    """The lesions in a traced file of the study."""
    path = study / case.trace
    if path.name.endswith(".trace.json"):
        yield from _native(path)
        return
    named = [case.roi or case.lesion] if case.roi or case.lesion else _region_names(path)
    for name in named:
        yield _Traced(
            lesion=name, side=case.side or _side(name), reader=case.reader, state="saved", path=path
        )


def _region_names(path: Path) -> list[str]:
    from volumetry.formats.dicom.traced.rtstruct import list_rois

    try:
        return [region.name for region in list_rois(path)]
    except VolumetryError:
        return []


def _native(path: Path) -> Iterator[_Traced]:
    try:
        trace = read_saved(path)
    except ReadError:
        return
    signed: CaseState = "signed" if trace.provenance.signed_time else "saved"
    yield _Traced(
        lesion=trace.lesion,
        side=trace.side,
        reader=trace.provenance.reader,
        state="conflict" if ".conflict-" in path.name else signed,
        path=path,
        signed_time=trace.provenance.signed_time,
        finding=_finding(is_absent=not trace.contours, not_measurable=trace.not_measurable),
    )


def _finding(*, is_absent: bool, not_measurable: str) -> str:
    if not_measurable:
        return f"not measurable: {not_measurable}"
    return "absent" if is_absent else ""


def _look_up(scan: _Scan, reader: str) -> None:
    """Add what lies in the place of a scan: traces saved there, and work in progress."""
    known = {traced.path.resolve() for traced in scan.traced if traced.path}
    for path in scan.place.traces():
        if path.resolve() not in known and _fits(path, scan):
            scan.traced += _native(path)
    if not reader:
        return
    for key in _keys(scan, reader):
        state = recover(scan.place, key, reader).state
        for lesion_id in state.unsaved_lesions:
            lesion = state.lesions[lesion_id]
            scan.traced = [t for t in scan.traced if (t.lesion, t.reader) != (lesion.name, reader)]
            finding = _finding(is_absent=lesion.is_absent, not_measurable=lesion.not_measurable)
            scan.traced.append(
                _Traced(
                    lesion=lesion.name,
                    side=lesion.side,
                    reader=reader,
                    state="in progress",
                    finding=finding,
                )
            )


def _fits(path: Path, scan: _Scan) -> bool:
    """Whether a trace in the place of a scan may be of it: several series share the folder of a visit."""
    if scan.place.secret:
        return True
    try:
        uid = read_saved(path).source.series_uid
    except ReadError:
        return False
    return not uid or not scan.series_uid or uid == scan.series_uid


def _keys(scan: _Scan, reader: str) -> list[str]:
    """Names under which journals of a scan may lie."""
    if scan.series_uid:
        return [key_of_identity(scan.series_uid, scan.place.secret)]
    if not scan.place.hidden.is_dir():
        return []
    end = f"_{safe_name(reader)}."
    names = (p.name for p in scan.place.hidden.iterdir() if p.name.endswith(".journal"))
    return sorted({name[: name.index(end)] for name in names if end in name})


def _in_order(scans: Sequence[_Scan], protocol: Protocol, key: BlindingKey | None) -> dict[int, _Scan]:
    """Scans by their number, in reading order."""
    if key is not None and protocol.reading.blinding == "time":
        return dict(sorted((key.scans[scan.identity], scan) for scan in scans))
    ranks: dict[str, dict[str, int]] = {}
    for patient in {scan.patient for scan in scans}:
        dates = {scan.visit: scan.study_date for scan in scans if scan.patient == patient}
        ranks[patient] = visit_ranks(dates, protocol.visits)

    def order(scan: _Scan) -> tuple[object, ...]:
        patient = scan.patient if key is None else key.patients[scan.patient]
        return (patient, ranks[scan.patient][scan.visit], scan.identity)

    return dict(enumerate(sorted(scans, key=order), 1))


def _rows(
    number: int,
    scan: _Scan,
    scans: Sequence[_Scan],
    protocol: Protocol,
    key: BlindingKey | None,
    reader: str,
) -> Iterator[WorklistRow]:
    blinding = protocol.reading.blinding
    name, patient, visit = f"{scan.patient}, {scan.visit}".strip(", "), scan.patient, scan.visit
    if key is not None and blinding == "time":
        name, patient, visit = key.case_name(scan.identity), "", ""
    elif key is not None:
        patient = key.patient_name(scan.patient)
        name = f"{patient}, {visit}".strip(", ")
    own = [t for t in scan.traced if blinding == "none" or t.reader == reader]
    shown = own + list(_to_be_traced(scan, own, scans, reader))
    for t in sorted(shown, key=lambda t: (t.side, t.lesion, t.reader)) or [
        _Traced(lesion="", side="", reader="", state="untraced")
    ]:
        yield WorklistRow(
            number=number,
            name=printable(name, longest=120),
            patient=printable(patient),
            visit=printable(visit),
            side=t.side,
            lesion=t.lesion,
            reader=t.reader,
            state=t.state,
            finding=t.finding,
        )


def _to_be_traced(
    scan: _Scan, own: Sequence[_Traced], scans: Sequence[_Scan], reader: str
) -> Iterator[_Traced]:
    """Lesions of the patient, known from any visit, that the reader has not traced on this scan."""
    done = {_short(t.lesion) for t in own if t.reader in (reader, "")}
    for other in scans:
        for t in other.traced if other.patient == scan.patient else ():
            if _short(t.lesion) not in done:
                done.add(_short(t.lesion))
                yield _Traced(lesion=_short(t.lesion), side=t.side, reader=reader, state="untraced")


def _short(lesion: str) -> str:
    """The name of a lesion without the word: ``lesion_L1`` is ``L1``."""
    rest = lesion[len("lesion") :].lstrip(" _-") if lesion.lower().startswith("lesion") else lesion
    return rest or lesion


def _side(name: str) -> str:
    from volumetry.formats.lesion_names import side_of_name

    return side_of_name(name)


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
    """
    from volumetry.study.discovery import discover

    study = Path(study)
    base = study if place is None else Path(place)
    assignment = read_assignment(base)
    if assignment is not None:
        return tuple(_released_reads(assignment, _scans_of(discover(study), study, base), study, base))
    key = read_key(base)
    if key is None:
        raise ReadError(
            "not-found", "there is no blinded reading here", where=base, todo="Name the study folder."
        )
    written: list[Path] = []
    for scan in _scans_of(discover(study), study, base):
        if scan.identity in key.scans:
            written += _released(key.place(base, scan.identity), scan.place)
    return tuple(written)


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
    assignment: Assignment, scans: Sequence[_Scan], study: Path, base: Path
) -> Iterator[Path]:
    known = {scan.identity: scan for scan in scans}
    for read in assignment.reads:
        traces = [read_saved(path) for path in assignment.place(base, read).traces()]
        signed = [trace for trace in traces if trace.provenance.signed_time]
        if signed and read.scan in known:
            yield from _released_read(signed, read, known[read.scan], study)


def _released_read(traces: Sequence[Trace], read: PlannedRead, scan: _Scan, study: Path) -> Iterator[Path]:
    """Put the number of the read and the true source into signed traces, and save them beside the scan."""
    there: dict[tuple[str, str, int], tuple[Path, Trace]] = {}
    for path in scan.place.traces():
        with suppress(ReadError):
            held = read_saved(path)
            if _fits(path, scan):
                there[held.lesion, held.provenance.reader, held.provenance.read] = (path, held)
    missing = [
        t for t in traces if t.sha256 not in {held.provenance.parent_sha256 for _, held in there.values()}
    ]
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


def plan_study(
    study: Path | str, *, protocol: Protocol | None = None, place: Path | str | None = None
) -> tuple[Assignment, Path]:
    """Assign the scans of a study folder to its readers, and write the assignment.

    Parameters
    ----------
    study : path
    protocol : Protocol, optional
        Its readers, seed, repeats and order; `study.toml` in the folder by default.
    place : path, optional
        Where traces are written, if not in the study folder.

    Returns
    -------
    assignment : Assignment
        The private key, in ``.volumetry/blinded/assignment.json``.
    table : Path
        ``reading_plan.csv``, which the readers may see.

    Raises
    ------
    ReadError, UsageError, OutputError
        The folder or the protocol does not fit, the reading has begun by another plan, or it cannot be
        written.
    """
    from volumetry.study.discovery import discover

    study = Path(study)
    base = study if place is None else Path(place)
    protocol = protocol_of_study(study, base) if protocol is None else protocol
    scans = _scans_of(discover(study), study, base)
    reading = protocol.reading
    assignment = Assignment(
        seed=reading.seed,
        repeat_days=reading.repeat_days,
        reads=plan_reads([scan.identity for scan in scans], reading),
        lesions={scan.identity: _lesions_of(scan.patient, scans, reading.readers) for scan in scans},
    )
    return assignment, write_assignment(base, assignment)


def _lesions_of(
    patient: str, scans: Sequence[_Scan], readers: Collection[str]
) -> tuple[tuple[str, str], ...]:
    """Lesions of a patient that somebody else than the readers has named, from any visit."""
    found = {
        (_short(traced.lesion), traced.side)
        for scan in scans
        if scan.patient == patient
        for traced in scan.traced
        if traced.reader not in (*readers, CONSENSUS) and traced.lesion
    }
    return tuple(sorted(found))


def protocol_of_study(study: Path | str, place: Path | str | None = None) -> Protocol:
    """Return the protocol in a study folder, or in the folder that stands for it; else the published rules.

    Raises
    ------
    ReadError, UsageError
        It cannot be read.
    """
    # An archive that cannot be written has its protocol beside the traces.
    folders = [Path(folder) for folder in (place, study) if folder is not None]
    known = next((f / PROTOCOL_NAME for f in folders if (f / PROTOCOL_NAME).is_file()), None)
    return read_protocol(known) if known is not None else Protocol()
