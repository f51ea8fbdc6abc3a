"""The state of a tracing, and the one function that changes it: the fold of its events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from volumetry.errors import TraceError
from volumetry.tracing.session.events import Event, Replacement
from volumetry.tracing.session.records import (
    PaintedSlice,
    Record,
    TracedContour,
    TracedLesion,
    record_from_document,
)


def _none() -> Mapping[Any, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class SavedLesion:
    """What a lesion was when it was last saved: the hash of its trace file, its records, and its name."""

    sha256: str
    content: frozenset[Record]
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class TracingState:
    """Everything that is traced, at one moment.

    Attributes
    ----------
    lesions : mapping of id to TracedLesion
    contours : mapping of id to TracedContour
        Outlines and holes, confirmed and proposed.
    painted : mapping of (lesion id, slice) to PaintedSlice
    contours_by_slice : mapping of (lesion id, slice) to tuple of TracedContour
    saved : mapping of lesion id to SavedLesion
    undo_numbers, redo_numbers : tuple of int
        Events that undo and redo would take, the next one last.
    number : int
        Of the last event; 0 before any.
    next_id : int
        From which the next lesion or outline takes its id; never goes back.

    Examples
    --------
    >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> session = vt.TracingSession(geometry=scan.geometry, reader="A")
    >>> lesion = session.add_lesion("L1")
    >>> len(session.state.lesions), len(session.state.contours)
    (1, 0)
    """

    lesions: Mapping[str, TracedLesion] = field(default_factory=_none)
    contours: Mapping[str, TracedContour] = field(default_factory=_none)
    painted: Mapping[tuple[str, int], PaintedSlice] = field(default_factory=_none)
    contours_by_slice: Mapping[tuple[str, int], tuple[TracedContour, ...]] = field(default_factory=_none)
    saved: Mapping[str, SavedLesion] = field(default_factory=_none)
    undo_numbers: tuple[int, ...] = ()
    redo_numbers: tuple[int, ...] = ()
    number: int = 0
    next_id: int = field(default=1, compare=False)

    @property
    def records(self) -> tuple[Record, ...]:
        """Everything it is made of."""
        return (*self.lesions.values(), *self.contours.values(), *self.painted.values())

    def record(self, key: str) -> Record | None:
        """Return the record under a key, or None."""
        kind, _, rest = key.partition(":")
        if kind == "lesion":
            return self.lesions.get(rest)
        if kind == "contour":
            return self.contours.get(rest)
        lesion_id, _, index = rest.rpartition(":")
        return self.painted.get((lesion_id, int(index)))

    def contours_on(
        self, lesion_id: str, slice_index: int, *, status: str | None = None
    ) -> tuple[TracedContour, ...]:
        """Return the outlines of a lesion on a slice, outlines before holes; of one status, if given."""
        found = self.contours_by_slice.get((lesion_id, slice_index), ())
        return found if status is None else tuple(c for c in found if c.status == status)

    def slices_of(self, lesion_id: str, *, status: str | None = None) -> tuple[int, ...]:
        """Return the slices on which a lesion has outlines (of one status, if given) or paint, ascending.

        Paint is always confirmed.
        """
        outlined = {
            index
            for (owner, index), found in self.contours_by_slice.items()
            if owner == lesion_id and (status is None or any(c.status == status for c in found))
        }
        painted = {index for owner, index in self.painted if owner == lesion_id}
        return tuple(sorted(outlined if status == "proposed" else outlined | painted))

    def content(self, lesion_id: str) -> frozenset[Record]:
        """Return what would be saved of a lesion: its record, confirmed outlines and paint."""
        lesion = self.lesions.get(lesion_id)
        records: list[Record] = [] if lesion is None else [lesion]
        records += [c for c in self.contours.values() if c.lesion_id == lesion_id and c.status == "confirmed"]
        records += [p for p in self.painted.values() if p.lesion_id == lesion_id]
        return frozenset(records)

    def is_empty(self, lesion_id: str) -> bool:
        """Whether a lesion has neither confirmed outlines nor paint."""
        return not any(
            c.lesion_id == lesion_id and c.status == "confirmed" for c in self.contours.values()
        ) and not any(owner == lesion_id for owner, _ in self.painted)

    @property
    def unsaved_lesions(self) -> tuple[str, ...]:
        """Ids of lesions that differ from what was last saved; one not traced yet does not count."""
        return tuple(
            lesion_id
            for lesion_id, lesion in self.lesions.items()
            if (lesion_id in self.saved or lesion.is_judged or not self.is_empty(lesion_id))
            and not (lesion_id in self.saved and self.saved[lesion_id].content == self.content(lesion_id))
        )

    @property
    def deleted_lesions(self) -> Mapping[str, str]:
        """Ids of lesions that were saved and are deleted, with their names: their files still lie there."""
        held = {self.saved[found].sha256 for found in self.lesions if found in self.saved}
        return {
            lesion_id: saved.name
            for lesion_id, saved in self.saved.items()
            # A lesion that was read from that file anew has taken its place.
            if lesion_id not in self.lesions and saved.sha256 not in held
        }

    @property
    def withdrawn_lesions(self) -> tuple[str, ...]:
        """Ids of lesions that were saved, and of which nothing is left to save: deleted, or without outlines.

        Their files are still counted until that is saved.
        """
        emptied = (
            lesion_id
            for lesion_id, lesion in self.lesions.items()
            if lesion_id in self.saved and not lesion.is_judged and self.is_empty(lesion_id)
        )
        return (*self.deleted_lesions, *emptied)

    @property
    def has_unsaved(self) -> bool:
        """Whether something differs from what was last saved."""
        return bool(self.unsaved_lesions or self.deleted_lesions)


def apply_event(state: TracingState, event: Event) -> TracingState:
    """Return the state after an event.

    Raises
    ------
    TraceError
        ``unreadable``: the event does not follow from the state (its number, or what it says was there
        before).

    Examples
    --------
    >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> session = vt.TracingSession(geometry=scan.geometry, reader="A")
    >>> lesion = session.add_lesion("L1")
    >>> state = vt.apply_event(vt.TracingState(), session.events[0])
    >>> len(state.lesions)
    1
    """
    if event.number != state.number + 1:
        raise _unfit(event, "is out of order")
    lesions, contours, painted = dict(state.lesions), dict(state.contours), dict(state.painted)
    by_slice = dict(state.contours_by_slice)
    next_id = state.next_id
    for change in event.replacements:
        held = state.record(change.key)
        if held is not change.before and held != change.before:
            raise _unfit(event, "changes what is not there")
        _replace(change, lesions, contours, painted, by_slice)
        next_id = max(next_id, _id_number(change) + 1)
    done = replace(
        state,
        lesions=MappingProxyType(lesions),
        contours=MappingProxyType(contours),
        painted=MappingProxyType(painted),
        contours_by_slice=MappingProxyType(by_slice),
        number=event.number,
        next_id=next_id,
    )
    return _with_saved(_with_history(done, event), event)


def replay(events: Iterable[Event], state: TracingState | None = None) -> TracingState:
    """Return the state after all of `events`, from `state` or from nothing. Raises as `apply_event`.

    Examples
    --------
    >>> vt.replay([]) == vt.TracingState()
    True
    """
    state = state or TracingState()
    for event in events:
        state = apply_event(state, event)
    return state


def _replace(
    change: Replacement,
    lesions: dict[str, TracedLesion],
    contours: dict[str, TracedContour],
    painted: dict[tuple[str, int], PaintedSlice],
    by_slice: dict[tuple[str, int], tuple[TracedContour, ...]],
) -> None:
    before, after = change.before, change.after
    if isinstance(before, TracedLesion) or isinstance(after, TracedLesion):
        _put(lesions, change.lesion_id, after)
    elif isinstance(before, PaintedSlice) or isinstance(after, PaintedSlice):
        record = after or before
        assert isinstance(record, PaintedSlice)
        _put(painted, (record.lesion_id, record.slice_index), after)
    else:
        record = after or before
        assert isinstance(record, TracedContour)
        _put(contours, record.id, after)
        for side in (before, after):
            if isinstance(side, TracedContour):
                _regroup(by_slice, (side.lesion_id, side.slice_index), before, after)


def _put(records: dict[Any, Any], key: Any, after: Record | None) -> None:
    if after is None:
        records.pop(key, None)
    else:
        records[key] = after


def _regroup(
    by_slice: dict[tuple[str, int], tuple[TracedContour, ...]],
    place: tuple[str, int],
    before: Record | None,
    after: Record | None,
) -> None:
    ids = {r.id for r in (before, after) if isinstance(r, TracedContour)}
    group = [c for c in by_slice.get(place, ()) if c.id not in ids]
    if isinstance(after, TracedContour) and (after.lesion_id, after.slice_index) == place:
        group.append(after)
    if group:
        by_slice[place] = tuple(sorted(group, key=lambda c: (c.is_hole, int(c.id[1:]))))
    else:
        by_slice.pop(place, None)


def _id_number(change: Replacement) -> int:
    record = change.after or change.before
    if isinstance(record, PaintedSlice) or record is None:
        return 0
    return int(record.id[1:])


def _with_history(state: TracingState, event: Event) -> TracingState:
    if event.action == "undo":
        return replace(
            state, undo_numbers=state.undo_numbers[:-1], redo_numbers=(*state.redo_numbers, event.target)
        )
    if event.action == "redo":
        return replace(
            state, undo_numbers=(*state.undo_numbers, event.target), redo_numbers=state.redo_numbers[:-1]
        )
    if event.is_undoable:
        return replace(state, undo_numbers=(*state.undo_numbers, event.number), redo_numbers=())
    if event.replacements and event.action in {"open", "discard"}:
        # What was there is not what is there now: earlier commands no longer fit.
        return replace(state, undo_numbers=(), redo_numbers=())
    return state


def _with_saved(state: TracingState, event: Event) -> TracingState:
    if not event.saved:
        return state
    saved = dict(state.saved)
    for lesion_id, sha256 in event.saved.items():
        if sha256:
            lesion = state.lesions.get(lesion_id)
            saved[lesion_id] = SavedLesion(
                sha256=sha256, content=state.content(lesion_id), name=lesion.name if lesion else ""
            )
        else:
            saved.pop(lesion_id, None)
    return replace(state, saved=MappingProxyType(saved))


def state_document(state: TracingState) -> dict[str, Any]:
    """Return a state as plain values."""
    return {**state_summary(state), "records": [record.document() for record in state.records]}


def state_summary(state: TracingState) -> dict[str, Any]:
    """Return a state as plain values but for its records."""
    return {
        "number": state.number,
        "next_id": state.next_id,
        "undo": list(state.undo_numbers),
        "redo": list(state.redo_numbers),
        "saved": {
            lesion_id: {
                "sha256": saved.sha256,
                "is_current": saved.content == state.content(lesion_id),
                "name": saved.name,
            }
            for lesion_id, saved in state.saved.items()
        },
    }


def state_from_document(document: Mapping[str, Any]) -> TracingState:
    """Return the state of plain values as `state_document` made them.

    Raises
    ------
    KeyError, TypeError, ValueError, VolumetryError
        Where they are not.
    """
    records = [record_from_document(values) for values in document["records"]]
    changes = tuple(Replacement(before=None, after=record) for record in records)
    event = Event(number=1, time="", reader="", action="open", replacements=changes)
    state = apply_event(TracingState(), event)
    saved = {
        str(lesion_id): SavedLesion(
            sha256=str(held["sha256"]),
            content=state.content(lesion_id) if held["is_current"] else frozenset(),
            name=str(held.get("name", "")),
        )
        for lesion_id, held in document["saved"].items()
    }
    return replace(
        state,
        number=int(document["number"]),
        next_id=int(document["next_id"]),
        undo_numbers=tuple(int(n) for n in document["undo"]),
        redo_numbers=tuple(int(n) for n in document["redo"]),
        saved=MappingProxyType(saved),
    )


def _unfit(event: Event, what: str) -> TraceError:
    return TraceError(
        "unreadable",
        f"an event of the journal {what}",
        values={"event": event.number, "action": event.action},
        todo="Open the last snapshot, or the saved trace.",
    )
