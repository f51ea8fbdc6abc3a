"""Commands about painted pixels."""

from __future__ import annotations

from collections.abc import Sequence

from volumetry.errors import TraceError
from volumetry.geometry import ScanGeometry
from volumetry.masks.outlines import fill_contours
from volumetry.tracing.session.edit import Edit, check_slice, new_contours, no_longer_absent, open_lesion
from volumetry.tracing.session.events import Replacement
from volumetry.tracing.session.outline_edits import overlapped
from volumetry.tracing.session.paint import follows_pixels, outlines_of_paint
from volumetry.tracing.session.pixels import NO_RUNS, Runs, combine_runs, runs_from_image
from volumetry.tracing.session.records import PaintedSlice, TracedContour, TracedLesion
from volumetry.tracing.session.state import TracingState


def paint(
    state: TracingState,
    geometry: ScanGeometry,
    lesion_id: str,
    slice_index: int,
    stroke: Runs,
    *,
    erase: bool,
    convert: bool,
) -> Edit | None:
    """Add the pixels of a brush stroke to a lesion, or take them away."""
    lesion = open_lesion(state, lesion_id)
    held, removed = _paintable(state, geometry, lesion, slice_index, convert=convert)
    runs = combine_runs(held, stroke, erase=erase)
    return _put_paint(state, lesion, slice_index, runs, removed, erase=erase)


def set_painted(
    state: TracingState,
    geometry: ScanGeometry,
    lesion_id: str,
    slice_index: int,
    runs: Runs,
    *,
    convert: bool,
) -> Edit | None:
    """Make the painted pixels of a lesion on a slice those that are given."""
    lesion = open_lesion(state, lesion_id)
    _, removed = _paintable(state, geometry, lesion, slice_index, convert=convert)
    return _put_paint(state, lesion, slice_index, runs, removed, erase=False)


def outline_paint(state: TracingState, lesion_id: str, slice_index: int) -> Edit | None:
    """Turn the paint of a slice into outlines along the pixel edges, of exactly the same area."""
    lesion = open_lesion(state, lesion_id)
    painted = state.painted.get((lesion.id, slice_index))
    if painted is None:
        return None
    added = new_contours(state, lesion.id, outlines_of_paint(painted), "confirmed")
    changes = [Replacement(before=painted, after=None)]
    changes += [Replacement(before=None, after=contour) for contour in added]
    return Edit(action="outline-paint", changes=changes, ids=tuple(contour.id for contour in added))


def _paintable(
    state: TracingState, geometry: ScanGeometry, lesion: TracedLesion, slice_index: int, *, convert: bool
) -> tuple[Runs, tuple[TracedContour, ...]]:
    """The pixels of a slice to paint on, and the outlines they stand for."""
    check_slice(geometry, slice_index)
    painted = state.painted.get((lesion.id, slice_index))
    outlines = state.contours_on(lesion.id, slice_index, status="confirmed")
    if not outlines:
        return (NO_RUNS if painted is None else painted.runs), ()
    shape = (geometry.rows, geometry.columns)
    runs = runs_from_image(fill_contours([c.contour for c in outlines], shape))
    if not convert and not follows_pixels(outlines, runs):
        raise TraceError(
            "ambiguous-overlap",
            "the slice has outlines, and paint over an outline has no one area",
            values={"lesion": lesion.name, "slice_index": slice_index},
            todo="Turn the outlines into paint first, or clear the slice.",
        )
    return runs, outlines


def _put_paint(
    state: TracingState,
    lesion: TracedLesion,
    slice_index: int,
    runs: Runs,
    removed: Sequence[TracedContour],
    *,
    erase: bool,
) -> Edit | None:
    before = state.painted.get((lesion.id, slice_index))
    after = PaintedSlice(lesion_id=lesion.id, slice_index=slice_index, runs=runs) if len(runs) else None
    changes = [Replacement(before=contour, after=None) for contour in removed]
    if before != after:
        changes.append(Replacement(before=before, after=after))
    if not changes:
        return None
    if after is not None and not erase and state.contours_on(lesion.id, slice_index, status="proposed"):
        # Who paints on a slice has answered the proposal there, as who draws has.
        answered = overlapped(state, lesion.id, slice_index, outlines_of_paint(after))
        changes = [*(Replacement(before=contour, after=None) for contour in answered), *changes]
    return Edit(action="erase" if erase else "paint", changes=[*changes, *no_longer_absent(lesion)])
