"""What a command changes: worked out from a state, without changing it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from volumetry.contours.contour import Contour
from volumetry.errors import TraceError, UsageError
from volumetry.geometry import ScanGeometry
from volumetry.tracing.session.events import Action, Replacement
from volumetry.tracing.session.paint import outlines_of_paint
from volumetry.tracing.session.records import PaintedSlice, Status, TracedContour, TracedLesion
from volumetry.tracing.session.state import TracingState


@dataclass(frozen=True, kw_only=True)
class Edit:
    """What one command does to a state.

    Attributes
    ----------
    action : str
    changes : sequence of Replacement
    ids : tuple of str
        Of what the command is about or has made: a lesion, or outlines.
    reason : str
    target : int
        Number of the event that is taken back or done again.
    """

    action: Action
    changes: Sequence[Replacement]
    ids: tuple[str, ...] = ()
    reason: str = ""
    target: int = 0


def lesion_of(state: TracingState, lesion_id: str) -> TracedLesion:
    """Return a lesion. Raises `UsageError` ``usage`` where there is none of that id."""
    lesion = state.lesions.get(lesion_id)
    if lesion is None:
        raise UsageError(
            "usage", "there is no such lesion", values={"lesion": lesion_id}, todo="Add a lesion first."
        )
    return lesion


def open_lesion(state: TracingState, lesion_id: str) -> TracedLesion:
    """Return a lesion that may be changed. Raises `TraceError` ``signed`` where it is signed."""
    lesion = lesion_of(state, lesion_id)
    if lesion.is_signed:
        raise is_signed_error(lesion)
    return lesion


def is_signed_error(lesion: TracedLesion) -> TraceError:
    """Return the error that a lesion is signed."""
    return TraceError(
        "signed",
        "the lesion is signed",
        values={"lesion": lesion.name},
        todo="Open it again with a reason; that makes a new version.",
    )


def open_contour(state: TracingState, contour_id: str) -> TracedContour:
    """Return an outline of a lesion that may be changed."""
    held = state.contours.get(contour_id)
    if held is None:
        raise UsageError(
            "usage", "there is no such outline", values={"outline": contour_id}, todo="Choose another."
        )
    open_lesion(state, held.lesion_id)
    return held


def check_slice(geometry: ScanGeometry, slice_index: int) -> None:
    """Raise `UsageError` ``usage`` where the scan has no such slice."""
    if not 0 <= slice_index < geometry.n_slices:
        raise UsageError(
            "usage",
            "there is no such slice",
            values={"slice_index": slice_index, "n_slices": geometry.n_slices},
            todo="Choose a slice of the scan.",
        )


def check_unpainted(state: TracingState, lesion: TracedLesion, slice_index: int) -> None:
    """Raise `TraceError` ``ambiguous-overlap`` where a slice of a lesion is painted."""
    if (lesion.id, slice_index) in state.painted:
        raise TraceError(
            "ambiguous-overlap",
            "the slice is painted, and an outline over paint has no one area",
            values={"lesion": lesion.name, "slice_index": slice_index},
            todo="Turn the paint into an outline first, or clear the slice.",
        )


def pieces(state: TracingState, lesion_id: str) -> list[TracedContour | PaintedSlice]:
    """Return everything that is traced of a lesion."""
    contours = [c for c in state.contours.values() if c.lesion_id == lesion_id]
    return [*contours, *(p for p in state.painted.values() if p.lesion_id == lesion_id)]


def new_contours(
    state: TracingState, lesion_id: str, contours: Iterable[Contour], status: Status
) -> list[TracedContour]:
    """Return outlines as records, with the next free ids."""
    return [
        TracedContour(id=f"c{number}", lesion_id=lesion_id, contour=contour, status=status)
        for number, contour in enumerate(contours, state.next_id)
    ]


def no_longer_absent(lesion: TracedLesion) -> list[Replacement]:
    """Return what says that a lesion is there, where it was said to be absent."""
    return [Replacement(before=lesion, after=replace(lesion, is_absent=False))] if lesion.is_absent else []


def confirmed_contours(state: TracingState, lesion_id: str, slice_index: int) -> tuple[Contour, ...]:
    """Return what counts of a lesion on a slice: confirmed outlines and holes, or the edges of paint."""
    painted = state.painted.get((lesion_id, slice_index))
    if painted is not None:
        return outlines_of_paint(painted)
    found = state.contours_on(lesion_id, slice_index, status="confirmed")
    return tuple(c.contour for c in found)


def proposed_contours(
    state: TracingState, lesion_id: str, slice_index: int | None = None
) -> tuple[TracedContour, ...]:
    """Return the proposed outlines of a lesion, of one slice or all."""
    slices = state.slices_of(lesion_id, status="proposed") if slice_index is None else (slice_index,)
    return tuple(c for i in slices for c in state.contours_on(lesion_id, i, status="proposed"))
