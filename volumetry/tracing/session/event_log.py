"""The events of a session and their fold: the one way in which anything changes, and undo over all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol as Interface

from volumetry.errors import UsageError
from volumetry.tracing.session import history
from volumetry.tracing.session.edit import Edit
from volumetry.tracing.session.events import Action, Event, Replacement
from volumetry.tracing.session.state import TracingState, apply_event, replay


class EventSink(Interface):
    """Where events go: a journal. Must return at once."""

    def append(self, event: Event) -> None:
        """Take an event."""


def now() -> str:
    """Return the time, ISO 8601 with zone."""
    return datetime.now().astimezone().isoformat(timespec="milliseconds")


class EventLog:
    """Events, and the state that they make of the one before the first of them.

    Parameters
    ----------
    reader : str
    start : TracingState, optional
        The state before the first event, if not an empty one.
    events : iterable of Event
        A history to go on from.
    journal : EventSink, optional
    clock : callable
        Returns the time, ISO 8601 with zone.
    """

    def __init__(
        self,
        *,
        reader: str,
        start: TracingState | None = None,
        events: Iterable[Event] = (),
        journal: EventSink | None = None,
        clock: Callable[[], str] = now,
    ) -> None:
        self.reader = reader
        self.events = list(events)
        self.start = start or TracingState()
        self.state: TracingState = replay(self.events, self.start)
        self.journal = journal
        self.is_read_only = False
        self.current_lesion = next(iter(self.state.lesions), "")
        self.clock = clock

    # -- the one way to change anything -----------------------------------------------------------------

    def _do(
        self,
        action: Action,
        changes: Sequence[Replacement],
        *,
        target: int = 0,
        reason: str = "",
        saved: Mapping[str, str] | None = None,
    ) -> Event:
        if self.is_read_only:
            raise UsageError(
                "locked",
                "this session is read-only",
                todo="Close the other program that has the case open, or take the case over.",
            )
        event = Event(
            number=self.state.number + 1,
            time=self.clock(),
            reader=self.reader,
            action=action,
            replacements=tuple(changes),
            target=target,
            reason=reason,
            saved=dict(saved or {}),
        )
        self.state = apply_event(self.state, event)
        self.events.append(event)
        if self.journal is not None:
            self.journal.append(event)
        return event

    def _apply(self, edit: Edit | None) -> tuple[str, ...]:
        """Make an edit, where there is something to do, and return the ids it is about."""
        if edit is None:
            return ()
        self._do(edit.action, edit.changes, reason=edit.reason)
        return edit.ids

    def _id(self, lesion_id: str | None) -> str:
        return self.current_lesion if lesion_id is None else lesion_id

    def _choose_one_that_is_there(self) -> None:
        if self.current_lesion not in self.state.lesions:
            self.current_lesion = next(iter(self.state.lesions), "")

    # -- undo -------------------------------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        """Whether there is a command to take back."""
        return bool(self.state.undo_numbers) and self.state.undo_numbers[-1] > self.start.number

    @property
    def can_redo(self) -> bool:
        """Whether there is a command to do again."""
        return bool(self.state.redo_numbers) and self.state.redo_numbers[-1] > self.start.number

    def undo(self) -> Event | None:
        """Take back the last command, wherever it was; return the event that does so (`slice_indices`).

        None where there is nothing to take back. Undo is an event itself.

        Raises
        ------
        TraceError
            ``signed``: the lesion has been signed since.
        """
        if not self.can_undo:
            return None
        return self._repeat(history.undo(self.state, self._event(self.state.undo_numbers[-1])))

    def redo(self) -> Event | None:
        """Do again what was last taken back. As `undo`."""
        if not self.can_redo:
            return None
        return self._repeat(history.redo(self.state, self._event(self.state.redo_numbers[-1])))

    def _event(self, number: int) -> Event:
        return self.events[number - self.start.number - 1]

    def _repeat(self, edit: Edit) -> Event:
        event = self._do(edit.action, edit.changes, target=edit.target)
        self._choose_one_that_is_there()
        return event
