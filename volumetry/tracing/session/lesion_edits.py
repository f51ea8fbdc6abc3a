"""Commands about a lesion as a whole: adding, naming, judging, signing, opening again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from volumetry.errors import TraceError, UsageError
from volumetry.trace import NOT_MEASURABLE_REASONS
from volumetry.tracing.session.edit import Edit, lesion_of, open_lesion, pieces
from volumetry.tracing.session.events import Action, Replacement
from volumetry.tracing.session.records import Record, TracedLesion
from volumetry.tracing.session.signing import SigningCheck
from volumetry.tracing.session.state import TracingState


def add_lesion(state: TracingState, name: str, side: str, colour: int | None) -> Edit:
    """Add a lesion, in the first free colour unless one is given."""
    _check_name(state, name, side)
    if colour is None:
        colour = free_colour({lesion.colour for lesion in state.lesions.values()})
    lesion = TracedLesion(id=f"l{state.next_id}", name=name, side=side, colour=colour)
    return Edit(action="add-lesion", changes=[Replacement(before=None, after=lesion)], ids=(lesion.id,))


def change_lesion(
    state: TracingState, lesion_id: str, *, name: str | None, side: str | None, colour: int | None
) -> Edit | None:
    """Give a lesion another name, side or colour."""
    lesion = open_lesion(state, lesion_id)
    changed = replace(
        lesion,
        name=lesion.name if name is None else name,
        side=lesion.side if side is None else side,
        colour=lesion.colour if colour is None else colour,
    )
    _check_name(state, changed.name, changed.side, lesion_id)
    return _changed("change-lesion", lesion, changed)


def delete_lesion(state: TracingState, lesion_id: str) -> Edit:
    """Delete a lesion and all that is traced of it."""
    lesion = open_lesion(state, lesion_id)
    records: list[Record] = [lesion, *pieces(state, lesion_id)]
    changes = [Replacement(before=record, after=None) for record in records]
    return Edit(action="delete-lesion", changes=changes)


def mark_absent(state: TracingState, lesion_id: str, *, is_absent: bool) -> Edit | None:
    """Say that there is no lesion, or take it back."""
    lesion = open_lesion(state, lesion_id)
    if is_absent and pieces(state, lesion_id):
        raise TraceError(
            "invalid-contour",
            "a lesion with outlines cannot be absent",
            values={"lesion": lesion.name},
            todo="Delete its outlines first.",
        )
    if lesion.is_absent == is_absent:
        return None
    return _changed("mark-absent", lesion, replace(lesion, is_absent=is_absent, not_measurable=""))


def mark_not_measurable(state: TracingState, lesion_id: str, reason: str) -> Edit | None:
    """Say that a lesion has no volume that can be measured, and why; an empty reason takes it back."""
    lesion = open_lesion(state, lesion_id)
    if reason and reason not in NOT_MEASURABLE_REASONS:
        raise UsageError(
            "usage",
            "the reason why a lesion is not measurable is not known",
            values={"reason": reason},
            todo=f"Use one of {', '.join(NOT_MEASURABLE_REASONS)}.",
        )
    after = replace(lesion, not_measurable=reason, is_absent=lesion.is_absent and not reason)
    return _changed("mark-not-measurable", lesion, after)


def sign(
    state: TracingState, lesion_id: str, check: SigningCheck, *, time: str, acknowledged: Iterable[str]
) -> Edit:
    """Lock the read of a lesion, unless its check list has an error."""
    lesion = open_lesion(state, lesion_id)
    if check.errors:
        first = check.errors[0]
        raise TraceError(
            first.code,
            first.text[:1].lower() + first.text[1:].rstrip("."),
            values={"lesion": lesion.name},
            todo="Correct it, then sign.",
        )
    said = " ".join(acknowledged)
    return Edit(
        action="sign",
        changes=[Replacement(before=lesion, after=replace(lesion, signed_time=time))],
        reason=said and f"acknowledged: {said}",
    )


def reopen(state: TracingState, lesion_id: str, reason: str) -> Edit:
    """Open a signed lesion again, with a reason."""
    lesion = lesion_of(state, lesion_id)
    if not reason.strip() or not lesion.is_signed:
        raise UsageError(
            "usage",
            "a lesion is opened again without a reason" if lesion.is_signed else "it is not signed",
            values={"lesion": lesion.name},
            todo="Give a reason." if lesion.is_signed else "Go on tracing.",
        )
    opened = replace(lesion, signed_time="", reason=reason.strip())
    return Edit(action="reopen", changes=[Replacement(before=lesion, after=opened)], reason=reason.strip())


def free_colour(used: set[int]) -> int:
    """Return the first colour that no lesion has."""
    return next(index for index in range(len(used) + 1) if index not in used)


def _changed(action: Action, lesion: TracedLesion, after: TracedLesion) -> Edit | None:
    if after == lesion:
        return None
    return Edit(action=action, changes=[Replacement(before=lesion, after=after)])


def _check_name(state: TracingState, name: str, side: str, own_id: str = "") -> None:
    taken = any(x.name == name and x.id != own_id for x in state.lesions.values())
    if taken or not name.strip() or name != name.strip() or not name.isprintable():
        raise UsageError(
            "usage",
            "there is a lesion of that name" if taken else "a lesion needs a name",
            values={"name": name},
            todo="Name it like L2.",
        )
    if side not in ("", "L", "R"):
        raise UsageError("usage", "a side is neither L nor R", values={"side": side}, todo="Write L or R.")
