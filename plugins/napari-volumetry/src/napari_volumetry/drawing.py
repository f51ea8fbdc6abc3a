"""Drawing with the mouse: freehand, by clicks, and pushing with a round brush.

Positions are those of the mouse, as fractions of a pixel; nothing is rounded to pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any, Literal

import numpy as np
from napari.components import ViewerModel
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from napari_volumetry.layers import strokes
from napari_volumetry.scene import Scene
from volumetry.tracing import clean_outline, nudge_outline

Array = NDArray[np.float64]
Tool = Literal["none", "freehand", "polygon", "nudge"]

PREVIEW_S = 0.02
"""Seconds between two redrawings of the stroke while the mouse moves."""

CLOSE_PIXELS = 8.0
"""Distance on the screen from the first point within which a click closes a polygon."""


class Drawing:
    """The tools that draw with the mouse on the slice in view.

    Parameters
    ----------
    viewer : ViewerModel
    scene : Scene
    colour : callable
        Returns the colour of what is drawn.
    on_outline : callable
        Given the vertices (n, 2) on the screen of a finished outline.
    on_nudge : callable
        Given the id of the outline that was pushed, and its new vertices on the screen.
    outlines : callable
        Returns (contour id, vertices on the screen) of what can be pushed.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        scene: Scene,
        *,
        colour: Callable[[], str],
        on_outline: Callable[[Array], None],
        on_nudge: Callable[[str, Array], None],
        outlines: Callable[[], list[tuple[str, Array]]],
    ) -> None:
        self.viewer, self.scene = viewer, scene
        self.tool: Tool = "none"
        self.radius_mm = 8.0
        self._colour, self._outlines = colour, outlines
        self._on_outline, self._on_nudge = on_outline, on_nudge
        self._clicked: list[Array] = []
        self._drawn_at = 0.0
        self._zooms = [c for c in viewer.mouse_double_click_callbacks if c.__name__ == "double_click_to_zoom"]
        viewer.mouse_drag_callbacks.append(self._on_drag)
        viewer.mouse_move_callbacks.append(self._on_move)
        viewer.mouse_double_click_callbacks.append(self._on_double_click)

    def close(self) -> None:
        """Let go of the mouse."""
        self.choose("none")
        self.viewer.mouse_drag_callbacks.remove(self._on_drag)
        self.viewer.mouse_move_callbacks.remove(self._on_move)
        self.viewer.mouse_double_click_callbacks.remove(self._on_double_click)

    def choose(self, tool: Tool) -> None:
        """Take a tool into the hand; what was half drawn is dropped."""
        self.cancel()
        self.tool = tool
        is_drawing = tool != "none"
        # Layers are panned by the left button; the drawing tools need it.
        self.scene.outlines.mouse_pan = not is_drawing
        doubles = self.viewer.mouse_double_click_callbacks
        for zoom in self._zooms:
            if is_drawing and zoom in doubles:
                doubles.remove(zoom)
            elif not is_drawing and zoom not in doubles:
                doubles.append(zoom)

    def cancel(self) -> None:
        """Drop what is half drawn."""
        self._clicked = []
        self.scene.show_stroke(np.zeros((0, 2, 2)), "white")

    # -- the mouse --------------------------------------------------------------------------------------

    def _position(self, event: Any) -> Array:
        """Row and column on the screen."""
        return np.asarray(self.scene.outlines.world_to_data(event.position), dtype=np.float64)[-2:]

    def _on_drag(self, _viewer: object, event: Any) -> Iterator[None]:
        if event.button != 1 or self.tool == "none":
            return iter(())
        if self.viewer.layers.selection.active is not self.scene.outlines:
            return iter(())
        draw = {"freehand": self._freehand, "polygon": self._click, "nudge": self._push}[self.tool]
        return draw(event)

    def _freehand(self, event: Any) -> Iterator[None]:
        points = [self._position(event)]
        yield
        while event.type == "mouse_move":
            points.append(self._position(event))
            self._preview(strokes(points))
            yield
        points.append(self._position(event))
        self._drop_stroke_later()
        ring = self._cleaned(np.array(points))
        if ring is not None:
            self._on_outline(ring)

    def _click(self, event: Any) -> Iterator[None]:
        here = self._position(event)
        yield
        while event.type == "mouse_move":
            yield
        if self._clicked and self._is_near_first(here):
            self._close_polygon()
        else:
            self._clicked.append(here)
            self._preview(strokes(self._clicked), now=True)

    def _on_double_click(self, _viewer: object, event: Any) -> None:
        if self.tool == "polygon" and len(self._clicked) >= 2:
            event.handled = True
            self._close_polygon()

    def _drop_stroke_later(self) -> None:
        """Take the finished stroke off the picture, when the numbers are there."""
        QTimer.singleShot(0, lambda: self.scene.show_stroke(np.zeros((0, 2, 2)), "white"))

    def _is_near_first(self, here: Array) -> bool:
        apart = (here - self._clicked[0]) * np.array(self.scene.orientation.scale_mm[1:])
        return float(np.hypot(*apart)) * float(self.viewer.scene.camera.zoom) <= CLOSE_PIXELS

    def _close_polygon(self) -> None:
        points, self._clicked = self._clicked, []
        self._drop_stroke_later()
        if len(points) >= 3:
            self._on_outline(np.array(points))

    def _push(self, event: Any) -> Iterator[None]:
        start = self._position(event)
        found = self._nearest_outline(start)
        path = [start]
        yield
        ring = None
        while event.type == "mouse_move":
            path.append(self._position(event))
            if found is not None and self._is_time():
                ring = self._pushed(found[1], path)
                self.scene.show_stroke(
                    np.concatenate((strokes(_closed(ring)), self._circle(path[-1]))), self._colour()
                )
            yield
        self._drop_stroke_later()
        if found is not None:
            ring = self._pushed(found[1], path)
            if not np.array_equal(ring, found[1]):
                self._on_nudge(found[0], ring)

    def _on_move(self, _viewer: object, event: Any) -> None:
        if self.tool == "nudge" and self._is_time():
            self.scene.show_stroke(self._circle(self._position(event)), "white")
        elif self.tool == "polygon" and self._clicked:
            self._preview(strokes([*self._clicked, self._position(event)]))

    # -- shapes -----------------------------------------------------------------------------------------

    def _is_time(self) -> bool:
        now = perf_counter()
        if now - self._drawn_at < PREVIEW_S:
            return False
        self._drawn_at = now
        return True

    def _preview(self, pieces: Array, *, now: bool = False) -> None:
        if now or self._is_time():
            self.scene.show_stroke(pieces, self._colour())

    def _cleaned(self, points: Array) -> Array | None:
        """An outline of the stroke; None for a click without a stroke."""
        if len(points) < 4 or np.ptp(points, axis=0).min() < 0.5:
            return None
        return clean_outline(points, shape=self.scene.orientation.shape[1:])

    def _nearest_outline(self, here: Array) -> tuple[str, Array] | None:
        found = [
            (float(np.hypot(*(ring - here).T).min()), number)
            for number, (_, ring) in enumerate(self._outlines())
        ]
        return self._outlines()[min(found)[1]] if found else None

    def _pushed(self, ring: Array, path: list[Array]) -> Array:
        # In units of a column's width, so that the brush is round in millimetres.
        scale = np.array(self.scene.orientation.scale_mm[1:])
        stretch = scale / scale[1]
        pushed = nudge_outline(ring * stretch, np.array(path) * stretch, self.radius_mm / float(scale[1]))
        return np.asarray(pushed / stretch)

    def _circle(self, centre: Array) -> Array:
        angles = np.linspace(0, 2 * np.pi, 49)
        around = np.column_stack((np.sin(angles), np.cos(angles)))
        return strokes(centre + around * self.radius_mm / np.array(self.scene.orientation.scale_mm[1:]))


def _closed(ring: Array) -> Array:
    return np.concatenate((ring, ring[:1]))
