"""From saved traces back to what a session is made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from volumetry.contours.contour import Contour
from volumetry.trace import Trace
from volumetry.tracing.session.events import Replacement
from volumetry.tracing.session.records import Record, TracedContour, TracedLesion
from volumetry.tracing.session.state import TracingState


def loading(
    state: TracingState,
    trace: Trace,
    held: TracedLesion | None,
    traced: Sequence[Contour],
    *,
    number: int,
    colour: int,
) -> tuple[list[Replacement], str, int]:
    """Return what turns a lesion into that of a saved trace, its id, and the next free number.

    Parameters
    ----------
    state : TracingState
    trace : Trace
    held : TracedLesion or None
        The lesion of that name, if there is one.
    traced : sequence of Contour
        What counts of it now; where that is the same, its outlines (or paint) stay what they are.
    number : int
        The next free number of ids.
    colour : int
        Index of its colour.
    """
    lesion_id = held.id if held else f"l{number}"
    lesion = TracedLesion(
        id=lesion_id,
        name=trace.lesion,
        side=trace.side,
        colour=colour,
        is_absent=not trace.contours and not trace.not_measurable,
        not_measurable=trace.not_measurable,
        read=trace.provenance.read,
        signed_time=trace.provenance.signed_time,
        reason=trace.provenance.reason,
    )
    changes = [] if held == lesion else [Replacement(before=held, after=lesion)]
    number += 0 if held else 1
    if held and same_contours(traced, trace.contours):
        return changes, lesion_id, number
    changes += [Replacement(before=record, after=None) for record in _confirmed(state, lesion_id)]
    added = [
        TracedContour(id=f"c{free_number}", lesion_id=lesion_id, contour=contour)
        for free_number, contour in enumerate(trace.contours, number)
    ]
    changes += [Replacement(before=None, after=contour) for contour in added]
    return changes, lesion_id, number + len(added)


def _confirmed(state: TracingState, lesion_id: str) -> list[Record]:
    found = (record for record in state.content(lesion_id) if not isinstance(record, TracedLesion))
    return sorted(found, key=lambda record: record.key)


def same_contours(first: Sequence[Contour], second: Sequence[Contour]) -> bool:
    """Return whether two sequences of outlines are the same to the last digit."""
    return len(first) == len(second) and all(
        (a.slice_index, a.is_hole) == (b.slice_index, b.is_hole) and np.array_equal(a.vertices, b.vertices)
        for a, b in zip(first, second, strict=True)
    )
