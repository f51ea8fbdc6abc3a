"""Undo and redo: what takes an event back, or does it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from volumetry.tracing.session.edit import Edit, is_signed_error
from volumetry.tracing.session.events import Action, Event, Replacement
from volumetry.tracing.session.records import TracedLesion
from volumetry.tracing.session.state import TracingState


def undo(state: TracingState, target: Event) -> Edit:
    """Take an event back. Raises `TraceError` ``signed`` where a lesion of it has been signed since."""
    return _repeated(state, "undo", target, [change.reversed() for change in target.replacements])


def redo(state: TracingState, target: Event) -> Edit:
    """Do an event again. Raises as `undo`."""
    return _repeated(state, "redo", target, target.replacements)


def _repeated(state: TracingState, action: Action, target: Event, changes: Sequence[Replacement]) -> Edit:
    for change in changes:
        held = state.lesions.get(change.lesion_id)
        if held is not None and held.is_signed:
            raise is_signed_error(held)
    found = [_as_it_is(state, change) for change in changes]
    return Edit(action=action, changes=found, target=target.number)


def _as_it_is(state: TracingState, change: Replacement) -> Replacement:
    """A change of a lesion's record that leaves alone what signing has changed since."""
    held = state.lesions.get(change.lesion_id)
    if held is None or not isinstance(change.before, TracedLesion):
        return change
    if not isinstance(change.after, TracedLesion):
        return Replacement(before=held, after=change.after)
    after = replace(change.after, signed_time=held.signed_time, reason=held.reason, read=held.read)
    return Replacement(before=held, after=after)
