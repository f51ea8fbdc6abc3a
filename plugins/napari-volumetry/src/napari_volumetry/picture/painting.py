"""What is painted over a slice, in the tracer's picture and in the one beside it, with Qt's painter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QFont, QImage, QPainter, QPainterPath, QPen, QPolygonF, QTransform

from napari_volumetry.picture.canvas_map import CanvasMap

Array = NDArray[np.float64]

LINE_PIXELS = 1.5
"""Width of outlines, at every zoom."""

LETTER_COLOUR = "#ffd42a"
WRONG_COLOUR = "#ff5050"
MARK_PIXELS = 11.0
"""Radius of a mark, at every zoom."""
NOTE_COLOUR = "#ff9a3c"
TEXT_COLOUR = "#e8e8e8"
SCALE_BARS_MM = (100.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Ring:
    """An outline to be painted.

    Attributes
    ----------
    vertices : (n, 2) array
        (row, column) on the screen's slice.
    colour : str
    is_dashed : bool
        Proposed, or of another visit.
    """

    vertices: Array
    colour: str
    is_dashed: bool = False


DARK_EDGE = "#80000000"
"""Under dashes: half transparent black (alpha first)."""


def polygon(points: Array) -> QPolygonF:
    """Return positions (x, y), (n, 2), for Qt."""
    return QPolygonF([QPointF(x, y) for x, y in points.tolist()])


def pen(colour: str, *, is_dashed: bool = False, width: float = LINE_PIXELS) -> QPen:
    """Return a pen whose width does not depend on the zoom."""
    made = QPen(QColor(colour), width)
    made.setCosmetic(True)
    if is_dashed:
        made.setDashPattern([4.0, 3.0])
    return made


def paint_rings(painter: QPainter, view: CanvasMap, rings: Iterable[Ring]) -> None:
    """Paint closed outlines."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for ring in rings:
        shown = polygon(view.to_canvas(ring.vertices))
        if ring.is_dashed:
            # On bright fat, light dashes alone cannot be seen.
            painter.setPen(pen(DARK_EDGE, width=3.0))
            painter.drawPolygon(shown)
        painter.setPen(pen(ring.colour, is_dashed=ring.is_dashed))
        painter.drawPolygon(shown)


def paint_marks(painter: QPainter, view: CanvasMap, places: Iterable[Array]) -> None:
    """Paint a red circle round each place, (1, 2): something is wrong there."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for place in places:
        x, y = view.to_canvas(place)[0]
        for colour, width in ((DARK_EDGE, 5.0), (WRONG_COLOUR, 2.5)):
            painter.setPen(pen(colour, width=width))
            painter.drawEllipse(QPointF(x, y), MARK_PIXELS, MARK_PIXELS)


def paint_image(painter: QPainter, view: CanvasMap, image: QImage, *, is_smooth: bool) -> None:
    """Paint an image whose pixels are those of the screen's slice."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, is_smooth)
    corner = view.to_canvas([(-0.5, -0.5)])[0]
    down, right = view.scale_mm[0] * view.zoom, view.scale_mm[1] * view.zoom
    painter.setTransform(QTransform(right, 0, 0, down, corner[0], corner[1]), True)
    painter.drawImage(0, 0, image)
    painter.restore()


def write(
    painter: QPainter, area: QRectF, text: str, flags: Qt.AlignmentFlag, *, colour: str, points: int
) -> None:
    """Write plain text with a dark rim, so that it can be read on fat and on air."""
    if not text:
        return
    font = QFont(painter.font())
    font.setPointSize(points)
    font.setBold(points > 12)
    painter.setFont(font)
    painter.setPen(QColor(0, 0, 0, 200))
    plain = int(flags) | int(Qt.TextFlag.TextWordWrap)
    for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1), (1, 1), (-1, -1)):
        painter.drawText(area.translated(dx, dy), plain, text)
    painter.setPen(QColor(colour))
    painter.drawText(area, plain, text)


def paint_letters(painter: QPainter, size: tuple[int, int], letters: Mapping[str, str]) -> None:
    """Write the letters of the patient's sides at the edges."""
    area = QRectF(6, 4, size[0] - 12, size[1] - 8)
    middle, across = Qt.AlignmentFlag.AlignVCenter, Qt.AlignmentFlag.AlignHCenter
    places = {
        "left": middle | Qt.AlignmentFlag.AlignLeft,
        "right": middle | Qt.AlignmentFlag.AlignRight,
        "top": across | Qt.AlignmentFlag.AlignTop,
        "bottom": across | Qt.AlignmentFlag.AlignBottom,
    }
    for edge, flags in places.items():
        write(painter, area, letters.get(edge, ""), flags, colour=LETTER_COLOUR, points=18)


def paint_scale_bar(painter: QPainter, view: CanvasMap) -> None:
    """Draw a bar of a round length in the lower right corner."""
    width, height = view.size
    length = next((mm for mm in SCALE_BARS_MM if mm * view.zoom <= width / 4), SCALE_BARS_MM[-1])
    right, bottom = width - 12.0, height - 10.0
    left = right - length * view.zoom
    for colour, thick in (("#000000", 4.0), (TEXT_COLOUR, 2.0)):
        painter.setPen(pen(colour, width=thick))
        painter.drawLine(QPointF(left, bottom), QPointF(right, bottom))
    area = QRectF(right - 120, bottom - 26, 120, 22)
    flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom
    write(painter, area, f"{length:g} mm", flags, colour=TEXT_COLOUR, points=9)


NARROW = 390
"""Pixels of a picture's width below which its labels have no room beside a letter."""


def paint_labels(painter: QPainter, size: tuple[int, int], *, top: str, note: str, bottom: str) -> None:
    """Write what the picture is (top left), what to know of it (below), and the slice (bottom left)."""
    left, (width, height) = Qt.AlignmentFlag.AlignLeft, size
    is_narrow = width < NARROW
    # Beside the letter in the middle of an edge; where there is no room, between those of both edges.
    area = QRectF(8, 6, width / 2 - 24, height - 14)
    if is_narrow:
        area = QRectF(8, 32, width - 16, height - 66)
    write(painter, area, top, left | Qt.AlignmentFlag.AlignTop, colour=TEXT_COLOUR, points=11)
    lower = area.translated(0, (44 if is_narrow else 22) if top else 0)
    write(painter, lower, note, left | Qt.AlignmentFlag.AlignTop, colour=NOTE_COLOUR, points=9)
    write(painter, area, bottom, left | Qt.AlignmentFlag.AlignBottom, colour=TEXT_COLOUR, points=11)


def paint_crosshair(painter: QPainter, view: CanvasMap, place: Sequence[float]) -> None:
    """Mark a position (row, column) with a cross that is open in its middle."""
    x, y = view.to_canvas([place])[0]
    painter.setPen(pen("#7fd0ff", width=1.0))
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        painter.drawLine(QPointF(x + 6 * dx, y + 6 * dy), QPointF(x + 22 * dx, y + 22 * dy))


def path_of(points: Array) -> QPainterPath:
    """Return an open line through positions (x, y)."""
    path = QPainterPath()
    path.addPolygon(polygon(points))
    return path


def gray_image(values: NDArray[np.float32], low: float, high: float) -> QImage:
    """Return a slice (rows, columns) in a window as an image of 8 bits; what is no number is black."""
    scaled = (values - np.float32(low)) * np.float32(255.0 / max(high - low, 1e-12))
    bytes_ = np.ascontiguousarray(np.clip(np.nan_to_num(scaled), 0, 255).astype(np.uint8))
    rows, columns = bytes_.shape
    made = QImage(bytes_.data, columns, rows, columns, QImage.Format.Format_Grayscale8)
    return made.copy()  # Qt does not keep the array


def mask_image(inside: NDArray[np.bool_], colour: str) -> QImage:
    """Return pixels (rows, columns) in a colour, half transparent."""
    c = QColor(colour)
    pixels = np.zeros((*inside.shape, 4), dtype=np.uint8)
    pixels[inside] = (c.blue(), c.green(), c.red(), 110)
    rows, columns = inside.shape
    return QImage(pixels.data, columns, rows, columns * 4, QImage.Format.Format_ARGB32).copy()
