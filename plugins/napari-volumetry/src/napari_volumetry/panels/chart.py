"""A small bar chart of the area of every slice."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qtpy.QtCore import QEvent, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPixmap
from qtpy.QtWidgets import QSizePolicy, QWidget

AXIS_HEIGHT = 14
FRAME = QColor(128, 128, 128)
LEAST_RIMMED = 6.0
"""Pixels of a bar from which on it has a rim; without it a pale one is lost on a light panel."""


class AreaChart(QWidget):
    """Bars of area by slice: full where confirmed, pale where proposed, the slice in view underlined.

    A click goes to the slice under the pointer (`slice_chosen`).
    """

    slice_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._areas: NDArray[np.float64] = np.zeros(0)
        self._proposed: NDArray[np.float64] = np.zeros(0)
        self._slice = 0
        self._colour = QColor("white")
        self._bars: QPixmap | None = None
        """All but the slice in view: who scrolls has it painted once."""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumHeight(56)
        self.setToolTip("Area of every slice in mm². A click goes to the slice.")

    def show_areas(
        self, areas_mm2: ArrayLike, proposed_mm2: ArrayLike, slice_index: int, colour: str
    ) -> None:
        """Show the confirmed and proposed areas of every slice, (n_slices,)."""
        areas, proposed = np.asarray(areas_mm2, dtype=float), np.asarray(proposed_mm2, dtype=float)
        is_same = np.array_equal(areas, self._areas) and np.array_equal(proposed, self._proposed)
        if not is_same or QColor(colour) != self._colour:
            self._bars = None
        self._areas, self._proposed = areas, proposed
        self._slice, self._colour = slice_index, QColor(colour)
        self.update()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802, D102
        self._bars = None
        super().changeEvent(event)

    def sizeHint(self) -> QSize:  # noqa: N802, D102
        return QSize(280, 56)

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802, D102
        ratio = self.devicePixelRatioF()
        wanted = self.size() * ratio
        if self._bars is None or self._bars.size() != wanted:
            self._bars = QPixmap(wanted)
            self._bars.setDevicePixelRatio(ratio)
            self._bars.fill(QColor(0, 0, 0, 0))
            self._paint_bars(self._bars)
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._bars)
        if len(self._areas):
            step, low = self.width() / len(self._areas), self.height() - AXIS_HEIGHT + 1
            # In the colour of the text: that of the lesion would be pale on a light panel.
            marker = self.palette().color(self.foregroundRole())
            painter.fillRect(QRectF(self._slice * step, low, max(2.0, step - 1), 3), marker)
        painter.end()

    def _paint_bars(self, onto: QPixmap) -> None:
        painter = QPainter(onto)
        height = self.height() - AXIS_HEIGHT
        painter.fillRect(QRectF(0, height, self.width(), 1), FRAME)
        if len(self._areas):
            step = self.width() / len(self._areas)
            top = max(float(self._areas.max()), float(self._proposed.max()), 1e-9)
            pale = QColor(self._colour)
            pale.setAlphaF(0.4)
            for values, colour in ((self._proposed, pale), (self._areas, self._colour)):
                for index in np.flatnonzero(values > 0):
                    tall = max(1.0, values[index] / top * (height - 14))
                    bar = QRectF(index * step, height - tall, max(1.0, step - 1), tall)
                    painter.fillRect(bar, colour)
                    if step >= LEAST_RIMMED:
                        painter.setPen(FRAME)
                        painter.drawRect(bar.adjusted(0.5, 0.5, -0.5, -0.5))
            self._write_labels(painter, top)
        painter.end()

    def _write_labels(self, painter: QPainter, top: float) -> None:
        painter.setPen(self.palette().color(self.foregroundRole()))
        font = self.font()
        font.setPointSizeF(max(6.0, font.pointSizeF() * 0.8))
        painter.setFont(font)
        area = QRectF(0, 0, self.width(), self.height())
        if self._areas.any() or self._proposed.any():
            painter.drawText(
                area, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop), f"{top:.0f} mm²"
            )
        bottom = Qt.AlignmentFlag.AlignBottom
        painter.drawText(area, int(Qt.AlignmentFlag.AlignLeft | bottom), "1")
        painter.drawText(area, int(Qt.AlignmentFlag.AlignRight | bottom), str(len(self._areas)))

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802, D102
        if event is not None and len(self._areas):
            index = int(event.position().x() / self.width() * len(self._areas))
            self.slice_chosen.emit(min(max(index, 0), len(self._areas) - 1))
