"""Opening a case: its saved traces, the journal of a session that did not end, and what changed meanwhile."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from volumetry.change import ChangeRule
from volumetry.errors import TraceError, UsageError, VolumetryError
from volumetry.measurement import MeasurementRule
from volumetry.scan import Scan
from volumetry.scan_match import check_trace
from volumetry.trace import Trace
from volumetry.tracing.disk.case import TracingCase
from volumetry.tracing.disk.lock import locked
from volumetry.tracing.disk.places import CasePlace, drawn_on, scan_key
from volumetry.tracing.disk.recovery import recover
from volumetry.tracing.disk.revisions import read_saved, roll_forward
from volumetry.tracing.session.event_log import now as now_text
from volumetry.tracing.session.loading import same_contours
from volumetry.tracing.session.session import TracingSession


def open_case(
    scan: Scan,
    place: CasePlace,
    *,
    reader: str,
    rule: MeasurementRule | None = None,
    change_rule: ChangeRule | None = None,
    protocol: str = "",
    readers: Collection[str] = (),
    take_over: bool = False,
    only_look: bool = False,
    in_background: bool = True,
    now: datetime | None = None,
) -> TracingCase:
    """Open a scan for tracing: its saved traces, and the journal of a session that did not end.

    Parameters
    ----------
    scan : Scan
    place : CasePlace
    reader : str
    rule : MeasurementRule, optional
    change_rule : ChangeRule, optional
    protocol : str
        Name of the study protocol.
    readers : collection of str
        Who may trace, as the protocol says; empty: anybody. For anybody else the case opens read-only, and
        `TracingCase.problems` says so (``unknown-reader``).
    take_over : bool
        Take the case from where the same reader has it open (`TracingCase.holder` of an earlier attempt).
    only_look : bool
        Open it read-only: nothing is written, so the folder need not be writable.
    in_background : bool
        Write the journal in a thread of its own.
    now : datetime, optional
        The time of everything that is done in this session, as for a reading that a script simulates; left
        out, the computer's. A time without a zone is taken as local.

    Returns
    -------
    TracingCase
        Read-only where the same reader has the case open elsewhere, or may not trace; then nothing is
        written.

    Raises
    ------
    OutputError
        ``read-only``, ``disk-full``: the journal cannot be begun; name another place.

    Examples
    --------
    >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> case = vt.open_case(scan, vt.CasePlace(folder=Path("case")), reader="A", in_background=False)
    >>> case.problems
    ()
    >>> case.close()
    """
    key = scan_key(scan, place.secret)
    geometry, source = drawn_on(scan, place)
    unknown = [_unknown_reader(reader, readers)] if readers and reader not in readers else []
    lock, holder = None, None
    if not unknown and not only_look:
        lock, holder = locked(place, key, reader, take_over=take_over)
    try:
        recovered = recover(place, key, reader)
        session = TracingSession(
            geometry=geometry,
            source=source,
            reader=reader,
            rule=rule,
            change_rule=change_rule,
            protocol=protocol,
            start=recovered.start,
            events=recovered.events,
            clock=now_text if now is None else lambda: _text(now),
        )
        session.is_read_only = lock is None
        saved, problems = _saved_traces(scan, place, reader, roll=lock is not None)
        case = TracingCase(
            session=session,
            place=place,
            key=key,
            lock=lock,
            holder=holder,
            recovered=recovered,
            paths={},
            problems=(*unknown, *recovered.problems, *problems),
            in_background=in_background,
            is_taken_over=take_over,
        )
    except BaseException:
        if lock is not None:
            lock.release()
        raise
    session.journal = case
    _load(case, saved)
    return case


def _text(moment: datetime) -> str:
    return (moment if moment.tzinfo else moment.astimezone()).isoformat(timespec="milliseconds")


def _unknown_reader(reader: str, readers: Collection[str]) -> UsageError:
    return UsageError(
        "unknown-reader",
        "the protocol does not name this reader",
        values={"reader": reader, "readers": " ".join(readers)},
        todo="Write the initials as the protocol has them, or add them to [reading] readers.",
    )


def _saved_traces(
    scan: Scan, place: CasePlace, reader: str, *, roll: bool
) -> tuple[list[tuple[Path, Trace]], list[VolumetryError]]:
    """The reader's saved traces of a scan, and what could not be read."""
    found, problems = [], []
    for path in place.traces():
        try:
            # Another reader may be saving at this moment: only what is the reader's own is carried on.
            if read_saved(path).provenance.reader != reader:
                continue
            if roll:
                with suppress(OSError):
                    roll_forward(path, versions=place.versions)
            trace = read_saved(path)
            if trace.source == drawn_on(scan, place)[1] if place.secret else _is_of(trace, scan):
                found.append((path, trace))
        except VolumetryError as error:
            problems.append(error)
    return found, problems


def _is_of(trace: Trace, scan: Scan) -> bool:
    try:
        check_trace(trace, scan)
    except VolumetryError:
        return False
    return True


def _load(case: TracingCase, saved: list[tuple[Path, Trace]]) -> None:
    """Make the session what was saved, where nothing newer is in its journal.

    A lesion with unsaved work keeps it; what was saved by somebody else meanwhile then becomes a conflict
    when this is saved.
    """
    session = case.session
    by_name: dict[str, list[tuple[Path, Trace]]] = {}
    deleted = {session.state.saved[found].sha256: found for found in session.state.deleted_lesions}
    # What was saved as something else is still the lesion that was renamed since.
    own = {
        session.state.saved[lesion.id].sha256: lesion.name
        for lesion in session.state.lesions.values()
        if lesion.id in session.state.saved
    }
    for path, trace in saved:
        if trace.sha256 in deleted:
            # Deleted, and not saved since.
            case._paths[deleted[trace.sha256]] = path
            continue
        by_name.setdefault(own.get(trace.sha256, trace.lesion), []).append((path, trace))
    ids = {lesion.name: lesion.id for lesion in session.state.lesions.values()}
    unsaved = session.state.unsaved_lesions
    fresh = []
    for name, versions in by_name.items():
        held = session.state.saved.get(ids.get(name, ""))
        known = [path for path, trace in versions if held and trace.sha256 == held.sha256]
        path, trace = next(
            ((p, t) for p, t in versions if p in known),
            min(versions, key=lambda version: (".conflict-" in version[0].name, version[0].name)),
        )
        if name in ids:
            case._paths[ids[name]] = path
        if not known and (ids.get(name) not in unsaved or _is_own(session, ids[name], trace)):
            fresh.append((path, trace))
    if not fresh:
        return
    changed = [(path, trace) for path, trace in fresh if _changed_after_signing(session, ids, trace)]
    case.problems = (*case.problems, *(_changed_outside(path, trace) for path, trace in changed))
    read_only, session.is_read_only = session.is_read_only, False
    try:
        loaded = session.load_traces(trace for _, trace in fresh)
        for _, trace in changed:
            # A signature is of what was signed.
            session.reopen("changed outside of the tracer", ids[trace.lesion])
    finally:
        session.is_read_only = read_only
    for lesion_id, (path, _) in zip(loaded, fresh, strict=True):
        case._paths[lesion_id] = path


def _changed_after_signing(session: TracingSession, ids: dict[str, str], trace: Trace) -> bool:
    """Whether a saved trace bears the signature of what the session signed, and is not that."""
    held = session.state.lesions.get(ids.get(trace.lesion, ""))
    signed = trace.provenance.signed_time
    return (
        bool(signed)
        and held is not None
        and held.signed_time == signed
        and not _is_own(session, held.id, trace)
    )


def _changed_outside(path: Path, trace: Trace) -> TraceError:
    return TraceError(
        "signed",
        "the signed trace was changed outside of the tracer, and is not signed any more",
        where=path,
        values={"lesion": trace.lesion, "signed": trace.provenance.signed_time},
        todo="Look at every slice and sign it again, or put the signed version back (.volumetry/versions).",
    )


def _is_own(session: TracingSession, lesion_id: str, trace: Trace) -> bool:
    """Whether a saved trace is what the session holds: it ended after saving, before it noted that."""
    held = session.trace(lesion_id)
    parts = [(t.side, t.not_measurable, t.provenance.signed_time) for t in (held, trace)]
    return parts[0] == parts[1] and same_contours(held.contours, trace.contours)
