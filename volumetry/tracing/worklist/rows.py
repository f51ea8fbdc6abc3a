"""The rows of a worklist: what a reader may see of the scans, in reading order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

from volumetry.study.protocol import Blinding, Protocol
from volumetry.study.reading import PlannedRead
from volumetry.study.rows.pairing import visit_ranks
from volumetry.tracing.worklist.assignment import Assignment
from volumetry.tracing.worklist.beside import printable
from volumetry.tracing.worklist.blinding import BlindingKey
from volumetry.tracing.worklist.scans import CaseState, StudyScan, Traced, short_name


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
        Empty for a scan that is not traced; `reader` also where a traced file names none.
    state : str
        ``untraced``, ``in progress``, ``saved``, ``signed`` or ``conflict``.
    finding : str
        ``absent``, or ``not measurable`` and why, where the reader said so; else empty.
    form : str
        ``RTSTRUCT``, ``SEG``, ``mask``, or ``trace`` without a reader, where a case does not open with these
        outlines (`Worklist.file_of`); empty for what the tracer has saved.

    Examples
    --------
    >>> worklist = vt.read_worklist("sample_scans/study", reader="A")
    >>> worklist.rows[0].patient
    'hip01'
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
    form: str = ""


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

    Examples
    --------
    >>> worklist = vt.read_worklist("sample_scans/study", reader="A")
    >>> {row.patient for row in vt.chosen_rows(worklist.rows, words="hip05")}
    {'hip05'}
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
    return "\n".join(str(getattr(row, name)) for name in (*ROW_COLUMNS, "form")).casefold()


def in_order(scans: Sequence[StudyScan], protocol: Protocol, key: BlindingKey | None) -> dict[int, StudyScan]:
    """Scans by their number, in reading order."""
    if key is not None and protocol.reading.blinding == "time":
        return dict(sorted((key.scans[scan.identity], scan) for scan in scans))
    ranks: dict[str, dict[str, int]] = {}
    for patient in {scan.patient for scan in scans}:
        dates = {scan.visit: scan.study_date for scan in scans if scan.patient == patient}
        ranks[patient] = visit_ranks(dates, protocol.visits)

    def order(scan: StudyScan) -> tuple[object, ...]:
        patient = scan.patient if key is None else key.patients[scan.patient]
        return (patient, ranks[scan.patient][scan.visit], scan.identity)

    return dict(enumerate(sorted(scans, key=order), 1))


def rows_of(
    number: int,
    scan: StudyScan,
    scans: Sequence[StudyScan],
    protocol: Protocol,
    key: BlindingKey | None,
    reader: str,
) -> Iterator[WorklistRow]:
    """Yield the rows of a scan, as far as the blinding lets the reader see them."""
    blinding = protocol.reading.blinding
    name, patient, visit = f"{scan.patient}, {scan.visit}".strip(", "), scan.patient, scan.visit
    if key is not None and blinding == "time":
        name, patient, visit = key.case_name(scan.identity), "", ""
    elif key is not None:
        patient = key.patient_name(scan.patient)
        name = f"{patient}, {visit}".strip(", ")
    own = [t for t in scan.traced if blinding == "none" or t.reader == reader]
    shown = own + list(_to_be_traced(scan, own, scans, reader, blinding))
    for t in sorted(shown, key=lambda t: (t.side, t.lesion, t.reader)) or [
        Traced(lesion="", side="", reader="", state="untraced")
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
            form=t.form,
        )


def _to_be_traced(
    scan: StudyScan, own: Sequence[Traced], scans: Sequence[StudyScan], reader: str, blinding: Blinding
) -> Iterator[Traced]:
    """Lesions of the patient, known from any visit, that the reader has not traced on this scan.

    Each is named as it is at the other visits, by the reader first: tables follow a lesion by its name. What
    stands in a file that names no reader is nobody's read. A blinded reader is told of nothing that
    others found; and, where the visits of a patient are hidden, of nothing from another scan.
    """
    if blinding == "time":
        return
    done = {short_name(t.lesion) for t in own if t.reader == reader}
    known = [t for other in scans if other.patient == scan.patient for t in other.traced]
    for t in sorted(known, key=lambda t: t.reader != reader):
        is_told = blinding == "none" or t.reader == reader
        if is_told and short_name(t.lesion) not in done:
            done.add(short_name(t.lesion))
            yield Traced(lesion=t.lesion, side=t.side, reader=reader, state="untraced")


def assigned_rows(
    name: str, read: PlannedRead, scan: StudyScan, assignment: Assignment
) -> Iterator[WorklistRow]:
    """Yield the rows of one read of a reader study."""
    done = {short_name(traced.lesion) for traced in scan.traced}
    awaited = [
        Traced(lesion=lesion, side=side, reader=read.reader, state="untraced")
        for lesion, side in assignment.lesions.get(read.scan, ())
        if lesion not in done
    ]
    shown = sorted([*scan.traced, *awaited], key=lambda t: (t.side, t.lesion))
    for t in shown or [Traced(lesion="", side="", reader="", state="untraced")]:
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
