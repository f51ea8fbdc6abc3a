"""Commands about outlines and holes, drawn or proposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from volumetry.contours.contour import Contour
from volumetry.contours.rings import rings_overlap
from volumetry.contours.slice_contours import check_slice_contours
from volumetry.errors import TraceError
from volumetry.geometry import ScanGeometry
from volumetry.tracing.planes.interpolate import fill_between
from volumetry.tracing.session.edit import (
    Edit,
    check_slice,
    check_unpainted,
    confirmed_contours,
    new_contours,
    no_longer_absent,
    open_contour,
    open_lesion,
    pieces,
    proposed_contours,
)
from volumetry.tracing.session.events import Replacement
from volumetry.tracing.session.records import Record, Status, TracedContour, TracedLesion
from volumetry.tracing.session.state import TracingState


def add_outline(
    state: TracingState,
    geometry: ScanGeometry,
    lesion_id: str,
    slice_index: int,
    vertices: ArrayLike,
    *,
    is_hole: bool,
    status: Status,
    note: str,
) -> Edit:
    """Add an outline or a hole; an outline takes the place of the proposals that it overlaps."""
    lesion = open_lesion(state, lesion_id)
    check_slice(geometry, slice_index)
    if status == "confirmed":
        check_unpainted(state, lesion, slice_index)
    contour = Contour(slice_index=slice_index, vertices=np.asarray(vertices), is_hole=is_hole)
    added = new_contours(state, lesion.id, [contour], status)
    answered = overlapped(state, lesion.id, slice_index, [contour]) if status == "confirmed" else []
    changes = [*_gone(answered), *_put(added), *no_longer_absent(lesion)]
    return Edit(
        action="add-hole" if is_hole else "add-outline", changes=changes, ids=_ids(added), reason=note
    )


def replace_vertices(state: TracingState, contour_id: str, vertices: ArrayLike) -> Edit | None:
    """Give an outline other vertices; a proposed one is accepted so."""
    held = open_contour(state, contour_id)
    contour = Contour(slice_index=held.slice_index, vertices=np.asarray(vertices), is_hole=held.is_hole)
    after = replace(held, contour=contour, status="confirmed")
    if after == held:
        return None
    return Edit(action="replace-vertices", changes=[Replacement(before=held, after=after)])


def delete_contour(state: TracingState, contour_id: str) -> Edit:
    """Delete an outline or a hole."""
    held = open_contour(state, contour_id)
    return Edit(action="delete-contour", changes=[Replacement(before=held, after=None)])


def clear_slice(state: TracingState, lesion_id: str, slice_index: int) -> Edit | None:
    """Delete everything of a lesion on one slice."""
    lesion = open_lesion(state, lesion_id)
    found = [piece for piece in pieces(state, lesion.id) if piece.slice_index == slice_index]
    if not found:
        return None
    return Edit(action="clear-slice", changes=_gone(found))


def copy_slice(
    state: TracingState,
    geometry: ScanGeometry,
    lesion_id: str,
    from_slice: int,
    to_slice: int,
    *,
    status: Status,
) -> Edit | None:
    """Copy the confirmed outlines of a lesion to another slice, beside what is confirmed there."""
    lesion = open_lesion(state, lesion_id)
    check_slice(geometry, to_slice)
    if status == "confirmed":
        check_unpainted(state, lesion, to_slice)
    copied = [replace(c, slice_index=to_slice) for c in confirmed_contours(state, lesion.id, from_slice)]
    added = new_contours(state, lesion.id, copied, status)
    answered = overlapped(state, lesion.id, to_slice, copied) if status == "confirmed" else []
    changes = [*_gone(answered), *_put(added)]
    return Edit(action="copy-slice", changes=changes, ids=_ids(added)) if added else None


def propose_between(
    state: TracingState, geometry: ScanGeometry, lesion_id: str, first: int | None, last: int | None
) -> Edit | None:
    """Interpolate the untraced slices between traced ones and propose the outlines."""
    lesion = open_lesion(state, lesion_id)
    traced = {
        index: confirmed_contours(state, lesion.id, index)
        for index in state.slices_of(lesion.id, status="confirmed")
    }
    return propose(state, geometry, lesion_id, fill_between(traced, geometry, first=first, last=last))


def propose(
    state: TracingState, geometry: ScanGeometry, lesion_id: str, contours: Sequence[Contour]
) -> Edit | None:
    """Propose outlines; they replace proposals on their slices."""
    lesion = open_lesion(state, lesion_id)
    for contour in contours:
        check_slice(geometry, contour.slice_index)
    added = new_contours(state, lesion.id, contours, "proposed")
    if not added:
        return None
    replaced = [
        c for index in {c.slice_index for c in contours} for c in proposed_contours(state, lesion.id, index)
    ]
    changes = [*_gone(replaced), *_put(added)]
    return Edit(action="propose", changes=changes, ids=_ids(added))


def accept(state: TracingState, lesion_id: str, slice_index: int | None) -> Edit | None:
    """Confirm the proposed outlines of a lesion, on one slice, or on all where they have a place."""
    lesion = open_lesion(state, lesion_id)
    proposed = proposed_contours(state, lesion.id, slice_index)
    refused: dict[int, TraceError] = {}
    for index in sorted({c.slice_index for c in proposed}):
        try:
            _check_free(state, lesion, index)
        except TraceError as error:
            refused[index] = error
    found = [c for c in proposed if c.slice_index not in refused]
    if refused and not found:
        raise next(iter(refused.values()))
    if not found:
        return None
    changes = [Replacement(before=c, after=replace(c, status="confirmed")) for c in found]
    return Edit(action="accept", changes=[*changes, *no_longer_absent(lesion)], ids=_ids(found))


def reject(state: TracingState, lesion_id: str, slice_index: int | None) -> Edit | None:
    """Delete the proposed outlines of a lesion, on one slice or all."""
    lesion = open_lesion(state, lesion_id)
    found = proposed_contours(state, lesion.id, slice_index)
    if not found:
        return None
    return Edit(action="reject", changes=_gone(found), ids=_ids(found))


def _check_free(state: TracingState, lesion: TracedLesion, slice_index: int) -> None:
    """Raise `TraceError` ``ambiguous-overlap`` where a proposal would lie over what is confirmed."""
    check_unpainted(state, lesion, slice_index)
    confirmed = confirmed_contours(state, lesion.id, slice_index)
    if confirmed and overlapped(state, lesion.id, slice_index, confirmed):
        raise TraceError(
            "ambiguous-overlap",
            "the proposal overlaps an outline that was drawn",
            values={"lesion": lesion.name, "slice_index": slice_index},
            todo="Reject the proposal, or delete the outline first.",
        )


def overlapped(
    state: TracingState, lesion_id: str, slice_index: int, drawn: Sequence[Contour]
) -> list[TracedContour]:
    """Proposals of a slice that overlap outlines, with the holes in them.

    Those of other parts of the lesion, which lie beside the outlines, are left.
    """
    proposed = state.contours_on(lesion_id, slice_index, status="proposed")
    if not proposed:
        return []
    try:
        check_slice_contours([*drawn, *(c.contour for c in proposed)])
    except TraceError:
        pass
    else:
        return []
    rings = [c.vertices for c in drawn if not c.is_hole]
    found = [c for c in proposed if not c.is_hole and any(rings_overlap(c.vertices, ring) for ring in rings)]
    outer = [c.vertices for c in found]
    holes = [c for c in proposed if c.is_hole and any(rings_overlap(c.vertices, ring) for ring in outer)]
    return [*found, *holes]


def _gone(records: Sequence[Record]) -> list[Replacement]:
    return [Replacement(before=record, after=None) for record in records]


def _put(added: Sequence[TracedContour]) -> list[Replacement]:
    return [Replacement(before=None, after=contour) for contour in added]


def _ids(contours: Sequence[TracedContour]) -> tuple[str, ...]:
    return tuple(contour.id for contour in contours)
