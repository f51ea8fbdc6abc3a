"""A transparent widget over napari's canvas: outlines, letters and what is being drawn.

It is painted with Qt's painter, so that a stroke never makes the scene be drawn again, and the mouse goes
through it to the canvas.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, Qt, QTimer
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent
from qtpy.QtWidgets import QWidget

from napari_volumetry.drawing.strokes import with_vertex_at
from napari_volumetry.drawing.tools import Drawing
from napari_volumetry.drawing.wire import Wire
from napari_volumetry.picture.canvas_map import CanvasMap
from napari_volumetry.picture.painting import (
    Ring,
    mask_image,
    paint_crosshair,
    paint_image,
    paint_labels,
    paint_letters,
    paint_marks,
    paint_rings,
    paint_scale_bar,
    path_of,
    pen,
    polygon,
)

Array = NDArray[np.float64]

PREVIEW_S = 1 / 40
"""Least time between two paintings of what is being drawn."""

LATE = 3.0
"""A preview waits at least this many times as long as the last one took: drawing comes first."""


class PictureOverlay(QWidget):
    """What lies over the picture.

    Attributes
    ----------
    rings, other_rings, read_rings : list of Ring
        Of the scan that is read, of another visit, and of other readers.
    painted : list of QImage
        Painted pixels of the slice.
    crossings : list of (1, 2) array
        Where outlines cross themselves, so that the slice has no area.
    over : (image, opacity) or None
        Another visit, over the picture.
    letters : dict of edge to letter
        Empty while the picture is not shown as it should be: no letter is better than a wrong one.
    last_painted, last_cost_s : float
        When it was painted last (`time.perf_counter`), and how long that took.
    """

    def __init__(self, canvas: QWidget, view: Callable[[], CanvasMap | None]) -> None:
        super().__init__(canvas)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._view = view
        self.rings: list[Ring] = []
        self.painted: list[QImage] = []
        self.other_rings: list[Ring] = []
        self.read_rings: list[Ring] = []
        self.over: tuple[QImage, float] | None = None
        self.letters: dict[str, str] = {}
        self.top = self.note = self.bottom = ""
        self.crosshair: tuple[float, float] | None = None
        self.drawing: Drawing | None = None
        self.colour = "#ffffff"
        self.is_smooth = True
        self.hides_outlines = False
        self.crossings: list[Array] = []
        self.last_painted = self.last_cost_s = 0.0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.update)
        self.setGeometry(canvas.rect())
        self.hide()

    def refresh(self) -> None:
        """Paint again at once."""
        self._timer.stop()
        self.update()

    def refresh_soon(self) -> None:
        """Paint again when there is time: previews are dropped, never mouse events."""
        if not self._timer.isActive():
            wait = max(PREVIEW_S, LATE * self.last_cost_s) - (perf_counter() - self.last_painted)
            self._timer.start(max(0, round(wait * 1000)))

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802, D102
        began = perf_counter()
        view = self._view()
        if view is not None:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self._paint(painter, view)
            painter.end()
        self.last_painted = perf_counter()
        self.last_cost_s = self.last_painted - began

    def _paint(self, painter: QPainter, view: CanvasMap) -> None:
        if self.over is not None:
            painter.setOpacity(self.over[1])
            paint_image(painter, view, self.over[0], is_smooth=self.is_smooth)
            painter.setOpacity(1.0)
        if not self.hides_outlines:
            for image in self.painted:
                paint_image(painter, view, image, is_smooth=False)
            paint_rings(painter, view, self.other_rings)
            paint_rings(painter, view, self.read_rings)
            paint_rings(painter, view, self.rings)
            paint_marks(painter, view, self.crossings)
            self._paint_drawing(painter, view)
        if self.crosshair is not None:
            paint_crosshair(painter, view, self.crosshair)
        paint_letters(painter, view.size, self.letters)
        paint_scale_bar(painter, view)
        paint_labels(painter, view.size, top=self.top, note=self.note, bottom=self.bottom)

    # -- what is being drawn ----------------------------------------------------------------------------

    def _paint_drawing(self, painter: QPainter, view: CanvasMap) -> None:
        drawing = self.drawing
        if drawing is None:
            return
        painter.setBrush(Qt.BrushStyle.NoBrush)
        stroke, clicks = drawing.stroke, drawing.clicks
        if clicks is not None:
            if drawing.wire is not None:
                self._paint_wire(painter, view, drawing.wire, drawing.here)
            else:
                self._paint_clicks(painter, view, clicks.path, drawing.here)
        elif stroke is not None and stroke.tool == "freehand":
            painter.setPen(pen(self.colour))
            painter.drawPath(path_of(view.to_canvas(stroke.path)))
        elif stroke is not None and stroke.tool == "nudge":
            self._paint_ring(painter, view, drawing.pushed_ring(stroke))
        elif stroke is not None and stroke.tool == "vertices":
            self._paint_ring(
                painter, view, with_vertex_at(stroke.ring, stroke.vertex, stroke.points[-1], drawing.shape)
            )
        elif stroke is not None:
            colour = self.colour if stroke.tool == "paint" else "#000000"
            paint_image(painter, view, mask_image(drawing.brushed_pixels(stroke), colour), is_smooth=False)
        self._paint_tool(painter, view, drawing)

    def _paint_ring(self, painter: QPainter, view: CanvasMap, ring: Array) -> None:
        painter.setPen(pen("#ffffff"))
        painter.drawPolygon(polygon(view.to_canvas(ring)))

    def _paint_clicks(
        self, painter: QPainter, view: CanvasMap, path: Array, here: tuple[float, float] | None
    ) -> None:
        shown = np.concatenate((path, [here])) if here is not None else path
        painter.setPen(pen(self.colour))
        points = view.to_canvas(shown)
        painter.drawPath(path_of(points))
        painter.setBrush(QColor(self.colour))
        for x, y in points[: len(path)]:
            painter.drawEllipse(QPointF(x, y), 2.5, 2.5)
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _paint_wire(
        self, painter: QPainter, view: CanvasMap, wire: Wire, here: tuple[float, float] | None
    ) -> None:
        painter.setPen(pen(self.colour))
        painter.drawPath(path_of(view.to_canvas(wire.path)))
        if here is not None:
            painter.setPen(pen("#ffffff"))
            painter.drawPath(path_of(view.to_canvas(wire.preview(here))))
        painter.setBrush(QColor(self.colour))
        for x, y in view.to_canvas(wire.anchors):
            painter.drawEllipse(QPointF(x, y), 2.5, 2.5)
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _paint_tool(self, painter: QPainter, view: CanvasMap, drawing: Drawing) -> None:
        if drawing.tool == "vertices":
            painter.setPen(pen("#ffffff", width=1.0))
            for _, ring in drawing.hand.outlines():
                for x, y in view.to_canvas(ring):
                    painter.drawRect(round(x) - 2, round(y) - 2, 4, 4)
        radius_mm = drawing.radius_mm.get(drawing.tool)
        if radius_mm is not None and drawing.here is not None:
            x, y = view.to_canvas([drawing.here])[0]
            painter.setPen(pen("#ffffff", width=1.0))
            painter.drawEllipse(QPointF(x, y), radius_mm * view.zoom, radius_mm * view.zoom)
