"""Lesions over the same ground: what both cover counts twice, and no file of one lesion can say so."""

from __future__ import annotations

from volumetry.contours.contour import Contour
from volumetry.contours.rings import rings_overlap
from volumetry.tracing.session.edit import confirmed_contours
from volumetry.tracing.session.records import TracedLesion
from volumetry.tracing.session.state import TracingState


def shared_slices(state: TracingState, lesion: TracedLesion) -> dict[str, tuple[int, ...]]:
    """Return, by the name of the other lesion, the slices on which outlines of both overlap."""
    own = set(state.slices_of(lesion.id, status="confirmed"))
    found = {}
    for other in state.lesions.values():
        if other.id == lesion.id:
            continue
        common = sorted(own & set(state.slices_of(other.id, status="confirmed")))
        slices = tuple(index for index in common if _overlap(state, lesion.id, other.id, index))
        if slices:
            found[other.name] = slices
    return found


def _overlap(state: TracingState, one: str, other: str, slice_index: int) -> bool:
    first, second = (_rings(confirmed_contours(state, lesion, slice_index)) for lesion in (one, other))
    return any(rings_overlap(a.vertices, b.vertices) for a in first for b in second)


def _rings(contours: tuple[Contour, ...]) -> list[Contour]:
    # A lesion that lies in the hole of another is told, too: it is rare, and worth a look.
    return [contour for contour in contours if not contour.is_hole]
