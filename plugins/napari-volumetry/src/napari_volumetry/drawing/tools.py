"""The tools that draw, as steps of one stroke: press, move, release. Showing them is the overlay's matter.

Positions are those of the mouse, as fractions of a pixel; nothing is rounded to pixels, and none is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_volumetry.drawing.strokes import (
    Place,
    Stroke,
    Tool,
    brushed,
    clicked_outline,
    mean_gap_mm,
    nearest_ring,
    nearest_vertex,
    outline_of,
    pushed,
    sparse_note,
    with_vertex_at,
)
from napari_volumetry.drawing.wire import Wire
from volumetry.tracing import LiveWire

Array = NDArray[np.float64]
Position = tuple[float, float]

CLOSE_PIXELS = 8.0
"""Distance on the canvas within which a click closes a polygon, or takes a vertex."""


class Hand(Protocol):
    """What a drawing needs of the tracer, and gives to it."""

    def stroke_place(self) -> Place:
        """Return where a stroke would begin now."""

    def refusal(self) -> str:
        """Return why nothing can be drawn now; empty where it can."""

    def outlines(self) -> list[tuple[str, Array]]:
        """Return (contour id, ring on the screen) of what can be pushed."""

    def live_wire(self) -> LiveWire | None:
        """Return the live-wire of the slice in view, in positions on the screen's slice."""

    def take_outline(self, stroke: Stroke, ring: Array, note: str) -> None:
        """Take a finished outline."""

    def take_vertices(self, stroke: Stroke, ring: Array) -> None:
        """Take the new vertices of an outline."""

    def take_brush(self, stroke: Stroke, inside: NDArray[np.bool_]) -> None:
        """Take painted, or erased, pixels of the screen's slice."""

    def say(self, text: str, is_error: bool) -> None:
        """Tell the reader something."""


class Drawing:
    """What is being drawn on the slice in view.

    Parameters
    ----------
    hand : Hand
    shape : (rows, columns)
        Of the screen's slice.
    scale_mm : (rows, columns)
    on_change : callable
        Called when the preview should be painted again.
    """

    def __init__(
        self,
        hand: Hand,
        *,
        shape: tuple[int, int],
        scale_mm: tuple[float, float],
        on_change: Callable[[], None],
    ) -> None:
        self.hand, self.shape, self.scale_mm = hand, shape, scale_mm
        self.tool: Tool = "none"
        self.is_hole = False
        self.radius_mm = {"nudge": 8.0, "paint": 3.0, "erase": 3.0}
        self.zoom = 1.0
        self.stroke: Stroke | None = None
        self.clicks: Stroke | None = None
        self.wire: Wire | None = None
        self._has_closed = False
        """Whether the last press closed a polygon."""
        self.here: Position | None = None
        self._on_change = on_change

    # -- state ------------------------------------------------------------------------------------------

    @property
    def is_half_drawn(self) -> bool:
        """Whether a stroke, or a polygon, has begun and is not finished."""
        return self.stroke is not None or self.clicks is not None

    def choose(self, tool: Tool) -> None:
        """Choose a tool."""
        if tool != self.tool:
            self.cancel("another tool was chosen")
        self.tool = tool
        self._on_change()

    def cancel(self, why: str = "") -> bool:
        """Drop what is half drawn and say so; return whether there was something."""
        held = self.stroke or self.clicks
        self.stroke = self.clicks = self.wire = None
        if held is None:
            return False
        what = {"polygon": "polygon", "wire": "live-wire"}.get(held.tool, "stroke")
        self.hand.say(f"The {what} was dropped: {why}." if why else f"The {what} was dropped.", bool(why))
        self._on_change()
        return True

    def take_back(self) -> bool:
        """Take the last click of a polygon back, or drop the stroke; return whether there was something."""
        if self.stroke is None and self.clicks is not None and len(self.clicks.points) > 1:
            self.clicks.points.pop()
            if self.wire is not None:
                self.wire.take_back()
            self._on_change()
            return True
        return self.cancel()

    # -- the mouse --------------------------------------------------------------------------------------

    def press(self, at: Position) -> None:
        """The button went down."""
        self.here = at
        self._has_closed = False
        if self.tool == "none":
            return
        self.cancel_if_moved()
        why = self.hand.refusal()
        if why:
            self.cancel("nothing can be drawn now")
            self.hand.say(why, True)
            return
        if self.tool in ("polygon", "wire"):
            self._click(at)
        else:
            self.stroke = self._begun(at)
        self._on_change()

    def _begun(self, at: Position) -> Stroke | None:
        stroke = Stroke(tool=self.tool, place=self.hand.stroke_place(), is_hole=self.is_hole, points=[at])
        if self.tool == "nudge":
            found = nearest_ring(self.hand.outlines(), at)
            if found is None:
                self.hand.say("There is no outline of this lesion to push on this slice.", False)
                return None
            stroke.contour_id, stroke.ring = found
        elif self.tool == "vertices":
            taken = nearest_vertex(self.hand.outlines(), at, self.scale_mm, CLOSE_PIXELS / self.zoom)
            if taken is None:
                return None
            stroke.contour_id, stroke.ring, stroke.vertex = taken
        return stroke

    def move(self, at: Position) -> None:
        """The mouse moved, with the button down or not."""
        self.here = at
        if self.stroke is not None:
            self.stroke.points.append(at)
        self._on_change()

    def release(self, at: Position) -> None:
        """The button went up."""
        self.here = at
        stroke, self.stroke = self.stroke, None
        if stroke is None:
            return
        if stroke.points[-1] != at:
            stroke.points.append(at)
        if stroke.place != self.hand.stroke_place():
            self.stroke = stroke
            self.cancel("it ended on another slice, lesion or case than it began")
            return
        # What the panel says when a stroke ends is what it is.
        stroke.is_hole = self.is_hole
        self._finish(stroke)
        self._on_change()

    def double_click(self, at: Position) -> bool:
        """Close a polygon; return whether there was one.

        On its first point, the first of the two presses has closed it: the second begins no other.
        """
        if self.tool not in ("polygon", "wire"):
            return False
        if self.clicks is None:
            return self._has_closed
        self.here = at
        self._close_polygon()
        return True

    def cancel_if_moved(self) -> None:
        """Drop a half-drawn polygon that belongs elsewhere."""
        held = self.stroke or self.clicks
        if held is not None and held.place != self.hand.stroke_place():
            self.cancel("the slice, lesion or case changed")

    # -- finishing --------------------------------------------------------------------------------------

    def _finish(self, stroke: Stroke) -> None:
        if stroke.tool == "freehand":
            ring = outline_of(stroke.path, self.shape)
            if ring is not None:
                self.hand.take_outline(stroke, ring, self._note(stroke))
            elif mean_gap_mm(stroke.path, self.scale_mm) and len(stroke.points) > 3:
                self.hand.say("The stroke encloses no area of the image. Go round the lesion.", True)
        elif stroke.tool == "nudge":
            ring = self.pushed_ring(stroke)
            if not np.array_equal(ring, stroke.ring):
                self.hand.take_vertices(stroke, ring)
        elif stroke.tool == "vertices":
            if len(stroke.points) > 1:
                self.hand.take_vertices(
                    stroke, with_vertex_at(stroke.ring, stroke.vertex, stroke.points[-1], self.shape)
                )
        else:
            self.hand.take_brush(stroke, self.brushed_pixels(stroke))

    def _note(self, stroke: Stroke) -> str:
        note = sparse_note(stroke.path, self.scale_mm)
        if note:
            gap = mean_gap_mm(stroke.path, self.scale_mm)
            self.hand.say(
                f"The stroke was fast: the mouse told a position every {gap:.1f} mm only. Look at it, "
                "and draw it again, slower, where it cuts corners.",
                True,
            )
        return note

    def pushed_ring(self, stroke: Stroke) -> Array:
        """Return the outline of a push, as far as it went."""
        return pushed(stroke.ring, stroke.path, self.radius_mm["nudge"], self.scale_mm)

    def brushed_pixels(self, stroke: Stroke) -> NDArray[np.bool_]:
        """Return the pixels that the brush has covered."""
        return brushed(stroke.path, self.radius_mm[stroke.tool], self.scale_mm, self.shape)

    # -- clicks -----------------------------------------------------------------------------------------

    def _click(self, at: Position) -> None:
        if self.clicks is None:
            self.clicks = Stroke(
                tool=self.tool, place=self.hand.stroke_place(), is_hole=self.is_hole, points=[at]
            )
            if self.tool == "wire":
                found = self.hand.live_wire()
                self.wire = None if found is None else Wire(found, at)
                if self.wire is not None:
                    self.clicks.points = [self.wire.anchors[0]]
        elif self._is_near_first(at) and len(self.clicks.points) >= 3:
            self._close_polygon()
            self._has_closed = True
        elif self.wire is not None:
            self.clicks.points.append(self.wire.add(at))
        else:
            self.clicks.points.append(at)

    def _is_near_first(self, at: Position) -> bool:
        assert self.clicks is not None
        apart = (np.array(at) - self.clicks.points[0]) * self.scale_mm
        return float(np.hypot(*apart)) * self.zoom <= CLOSE_PIXELS

    def _close_polygon(self) -> None:
        assert self.clicks is not None
        self.cancel_if_moved()
        clicks, self.clicks = self.clicks, None
        wire, self.wire = self.wire, None
        if clicks is not None:
            clicks.is_hole = self.is_hole
            if wire is not None:
                ring = outline_of(wire.closed(), self.shape)
                if wire.n_straightened and ring is not None:
                    self.hand.say(
                        "The wire led over itself: between "
                        f"{'one pair' if wire.n_straightened == 1 else f'{wire.n_straightened} pairs'} of "
                        "clicks it is straight now. Look at it.",
                        True,
                    )
            else:
                ring = clicked_outline(_without_repeats(clicks.path), self.shape)
            if ring is None:
                self.hand.say("The clicks enclose no area of the image.", True)
            else:
                self.hand.take_outline(clicks, ring, "live-wire" if wire is not None else "")
        self._on_change()


def _without_repeats(path: Array) -> Array:
    """A double click is two clicks at one place."""
    keep = np.ones(len(path), dtype=bool)
    keep[1:] = np.hypot(*np.diff(path, axis=0).T) > 1e-3
    return path[keep]
