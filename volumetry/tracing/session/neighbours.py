"""Lesions over the same ground: what both cover counts twice, and no file of one lesion can say so."""

from __future__ import annotations

from typing import NamedTuple

from volumetry.contours.contour import Contour
from volumetry.contours.rings import rings_overlap
from volumetry.tracing.session.edit import confirmed_contours
from volumetry.tracing.session.records import PaintedSlice, TracedContour, TracedLesion
from volumetry.tracing.session.state import TracingState


class _Drawn(NamedTuple):
    """What a lesion has on a slice."""

    contours: tuple[TracedContour, ...]
    painted: PaintedSlice | None


class Neighbours:
    """Where lesions overlap; a slice that has not changed since is not looked at again."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str, int], tuple[_Drawn, _Drawn, bool]] = {}

    def shared_slices(self, state: TracingState, lesion: TracedLesion) -> dict[str, tuple[int, ...]]:
        """Return, by the name of the other lesion, the slices on which outlines of both overlap."""
        own = set(state.slices_of(lesion.id, status="confirmed"))
        found = {}
        for other in state.lesions.values():
            if other.id == lesion.id:
                continue
            common = sorted(own & set(state.slices_of(other.id, status="confirmed")))
            slices = tuple(index for index in common if self._overlap(state, lesion.id, other.id, index))
            if slices:
                found[other.name] = slices
        return found

    def _overlap(self, state: TracingState, one: str, other: str, slice_index: int) -> bool:
        first, second = (_drawn(state, lesion, slice_index) for lesion in (one, other))
        held = self._held.get((one, other, slice_index))
        if held is None or not (_is_same(held[0], first) and _is_same(held[1], second)):
            held = first, second, _overlap(state, one, other, slice_index)
            self._held[one, other, slice_index] = held
        return held[2]


def _drawn(state: TracingState, lesion_id: str, slice_index: int) -> _Drawn:
    place = (lesion_id, slice_index)
    return _Drawn(contours=state.contours_by_slice.get(place, ()), painted=state.painted.get(place))


def _is_same(held: _Drawn, drawn: _Drawn) -> bool:
    # States share what did not change: the same objects are the same slice.
    return held.contours is drawn.contours and held.painted is drawn.painted


def _overlap(state: TracingState, one: str, other: str, slice_index: int) -> bool:
    first, second = (_rings(confirmed_contours(state, lesion, slice_index)) for lesion in (one, other))
    return any(rings_overlap(a.vertices, b.vertices) for a in first for b in second)


def _rings(contours: tuple[Contour, ...]) -> list[Contour]:
    # A lesion that lies in the hole of another is told, too: it is rare, and worth a look.
    return [contour for contour in contours if not contour.is_hole]
