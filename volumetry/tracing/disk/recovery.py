"""What earlier sessions of a case have left: journals in a chain, and snapshots."""

from __future__ import annotations

from dataclasses import dataclass

from volumetry.errors import ReadError, VolumetryError
from volumetry.tracing.disk.journal import JournalContent, read_journal
from volumetry.tracing.disk.places import CasePlace
from volumetry.tracing.disk.snapshot import read_snapshot
from volumetry.tracing.session.events import Event
from volumetry.tracing.session.state import TracingState, apply_event, state_from_document


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """The history of a case.

    Attributes
    ----------
    start : TracingState
        From which the events go on.
    events : tuple of Event
    state : TracingState
        After the events.
    last_hash : str
        Of the last journal line; empty where the state comes from a snapshot.
    problems : tuple of VolumetryError
    """

    start: TracingState
    events: tuple[Event, ...]
    state: TracingState
    last_hash: str = ""
    problems: tuple[VolumetryError, ...] = ()

    @property
    def unsaved_events(self) -> int:
        """Number of events since the last save; 0 where everything is saved."""
        if not self.state.has_unsaved:
            return 0
        marks = [event.number for event in self.events if event.action in {"open", "save", "discard"}]
        return max(1, self.state.number - max(marks, default=self.start.number))


def recover(place: CasePlace, key: str, reader: str) -> Recovered:
    """Return the history of a scan by a reader, as far as it can be read.

    Journals follow each other; where one does not follow from those before, because they are damaged, the
    state in its own first line is gone on from. A snapshot counts where it is newer than all of them.
    """
    found = Recovered(start=TracingState(), events=(), state=TracingState())
    hashes: dict[int, str] = {0: ""}
    problems: list[VolumetryError] = []
    for path in place.journals(key, reader):
        try:
            content = read_journal(path)
        except ReadError as error:
            problems.append(error)
            continue
        if content.is_damaged:
            problems.append(_damaged(str(path), content))
        if content.header:
            found, hashes = _joined(found, hashes, content)
    newest = _newest_snapshot(place, key, reader)
    if newest is not None and newest.number > found.state.number:
        found = Recovered(start=newest, events=(), state=newest)
        hashes = {newest.number: ""}
    return Recovered(
        start=found.start,
        events=found.events,
        state=found.state,
        last_hash=hashes.get(found.state.number, ""),
        problems=tuple(problems),
    )


def _joined(
    found: Recovered, hashes: dict[int, str], content: JournalContent
) -> tuple[Recovered, dict[int, str]]:
    """The history with a further journal: events beyond its beginning were written by a session that had
    lost the case, and stay in their file.
    """
    before = int(content.header.get("events_before", 0))
    if hashes.get(before) != content.header.get("previous_hash"):
        try:
            start = state_from_document(content.header["state"])
        except (KeyError, TypeError, ValueError, AttributeError, VolumetryError):
            return found, hashes
        found, hashes = Recovered(start=start, events=(), state=start), {}
    elif before < found.state.number:
        kept = tuple(event for event in found.events if event.number <= before)
        found = Recovered(start=found.start, events=kept, state=_replayed(found.start, kept)[1])
        hashes = {number: line for number, line in hashes.items() if number <= before}
    events, state = _replayed(found.state, content.events)
    hashes[before] = str(content.header.get("previous_hash"))
    hashes.update(zip((event.number for event in content.events), content.hashes[1:], strict=True))
    return Recovered(start=found.start, events=(*found.events, *events), state=state), hashes


def _replayed(start: TracingState, events: tuple[Event, ...]) -> tuple[tuple[Event, ...], TracingState]:
    state, done = start, []
    for event in events:
        try:
            state = apply_event(state, event)
        except VolumetryError:
            break
        done.append(event)
    return tuple(done), state


def _newest_snapshot(place: CasePlace, key: str, reader: str) -> TracingState | None:
    states = [read_snapshot(place.snapshot(key, reader, generation)) for generation in (1, 2)]
    return max((s for s in states if s is not None), key=lambda state: state.number, default=None)


def _damaged(path: str, content: JournalContent) -> ReadError:
    return ReadError(
        "truncated",
        "the journal ends in what is no whole entry: the program or the machine stopped while writing it",
        where=path,
        values={"events read": len(content.events)},
        todo="Look at the last outline: the stroke in progress may be missing.",
    )
