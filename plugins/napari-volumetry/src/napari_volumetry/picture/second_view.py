"""The picture of another visit, beside the one that is read: same place, same zoom, no drawing.

It is a light widget of its own, painted with Qt's painter: it has no tool, no layer and no key.
"""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QEvent, QPointF, Qt, QTimer, Signal
from qtpy.QtGui import QColor, QEnterEvent, QImage, QMouseEvent, QPainter, QPaintEvent, QWheelEvent
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_volumetry.picture.canvas_map import CanvasMap
from napari_volumetry.picture.compare import Comparison
from napari_volumetry.picture.painting import (
    Ring,
    gray_image,
    paint_crosshair,
    paint_image,
    paint_labels,
    paint_letters,
    paint_rings,
    paint_scale_bar,
)

WHEEL_STEP = 120
STRIP_PIXELS = 38
"""Below the buttons of the visits: room for the letter of the lower edge."""


class OtherPicture(QWidget):
    """Paints the other visit in the plane of the slice in view.

    Signals
    -------
    dragged : (dx, dy) in pixels, of the picture.
    zoomed : (factor, x, y).
    turned : slices, of the wheel.
    pointed : (row, column) on the screen's slice, or None.
    fit_wanted
    """

    dragged = Signal(float, float)
    zoomed = Signal(float, float, float)
    turned = Signal(int)
    pointed = Signal(object)
    fit_wanted = Signal()

    def __init__(
        self, comparison: Comparison, view: Callable[[], CanvasMap | None], lesion: Callable[[], str]
    ) -> None:
        super().__init__()
        self.comparison, self._view, self._lesion = comparison, view, lesion
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setMouseTracking(True)
        self.setMinimumWidth(120)
        policy = QSizePolicy.Policy.Expanding
        self.setSizePolicy(policy, policy)
        self.crosshair: tuple[float, float] | None = None
        self.is_smooth = True
        self.image: QImage | None = None
        self.rings: list[Ring] = []
        self._button = Qt.MouseButton.NoButton
        self._last = QPointF()
        self._is_still = False
        self._wheel = 0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.refill)
        self.strip = VisitStrip()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, STRIP_PIXELS)
        column.addStretch()
        column.addWidget(self.strip)

    @property
    def view(self) -> CanvasMap | None:
        """Where the slice lies in this widget: as on the canvas, about its own middle."""
        found = self._view()
        if found is None:
            return None
        return CanvasMap(
            scale_mm=found.scale_mm,
            centre_mm=found.centre_mm,
            zoom=found.zoom,
            size=(max(self.width(), 1), max(self.height(), 1)),
        )

    def refill_soon(self) -> None:
        """Show what is in view now, after the picture that is read is there."""
        if not self._timer.isActive():
            self._timer.start(0)

    def refill(self) -> None:
        """Show what is in view now."""
        if not self.isVisible():
            return
        values = self.comparison.slice_values()
        self.image = None if values is None else gray_image(values, *self.comparison.limits)
        self.rings = self.comparison.rings(self._lesion())
        self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802, D102
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor("black"))
        view = self.view
        if view is not None and self.image is not None:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            paint_image(painter, view, self.image, is_smooth=self.is_smooth)
            paint_rings(painter, view, self.rings)
            if self.crosshair is not None:
                paint_crosshair(painter, view, self.crosshair)
            paint_letters(painter, view.size, self.comparison.letters)
            paint_scale_bar(painter, view)
            note = "" if self.comparison.is_registered else "not registered"
            paint_labels(painter, view.size, top=self.comparison.label, note=note, bottom="to compare only")
        painter.end()

    # -- the mouse --------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802, D102
        if event is not None:
            self._button, self._last = event.button(), event.position()
            self._is_still = False

    def mouseReleaseEvent(self, _event: QMouseEvent | None) -> None:  # noqa: N802, D102
        self._button = Qt.MouseButton.NoButton
        if self._is_still:
            self._is_still = False
            self.fit_wanted.emit()

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802, D102
        # A second drag that follows quickly is a drag.
        self.mousePressEvent(event)
        self._is_still = self._button == Qt.MouseButton.LeftButton

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802, D102
        if event is None:
            return
        step, self._last = event.position() - self._last, event.position()
        self._is_still = self._is_still and step.isNull()
        if self._button in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            self.dragged.emit(step.x(), step.y())
        elif self._button == Qt.MouseButton.RightButton:
            self._change_window(step.x(), step.y())
        view = self.view
        if view is not None:
            row, column = view.to_display([(event.position().x(), event.position().y())])[0]
            self.pointed.emit((float(row), float(column)))

    def _change_window(self, dx: float, dy: float) -> None:
        low, high = self.comparison.limits
        step = self.comparison.windows[0].width / 500 if self.comparison.windows else 1.0
        level, width = (low + high) / 2 + dy * step, max(high - low + dx * step, step)
        self.comparison.limits = (level - width / 2, level + width / 2)
        self.refill_soon()

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802, D102
        if event is None:
            return
        turned = event.angleDelta().y()
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            place = event.position()
            self.zoomed.emit(1.15 ** (turned / WHEEL_STEP), place.x(), place.y())
        else:
            self._wheel += turned
            steps = int(self._wheel / WHEEL_STEP)
            self._wheel -= steps * WHEEL_STEP
            if steps:
                self.turned.emit(-steps)
        event.accept()

    def enterEvent(self, _event: QEnterEvent | None) -> None:  # noqa: N802, D102
        self.setCursor(Qt.CursorShape.OpenHandCursor)

    def leaveEvent(self, _event: QEvent | None) -> None:  # noqa: N802, D102
        self.pointed.emit(None)


class VisitStrip(QWidget):
    """A button for every visit of the patient."""

    visit_chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.buttons: dict[int, QPushButton] = {}
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(2, 2, 2, 2)
        self._row.setSpacing(2)

    def show_visits(self, visits: list[tuple[int, str]], chosen: int | None, read: int | None) -> None:
        """Show the visits: (number of the scan, what to call it); the one that is read cannot be chosen."""
        for made in self.buttons.values():
            self._row.removeWidget(made)
            made.deleteLater()
        self.buttons = {}
        for number, name in visits:
            made = QPushButton(f"{name} (read)" if number == read else name)
            made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            if number == read:
                # Not disabled: dimmed on the black picture it could not be read in a light theme.
                made.setToolTip("This visit is the one that is read")
            else:
                made.setCheckable(True)
                made.setChecked(number == chosen)
                made.clicked.connect(lambda _checked=False, number=number: self.visit_chosen.emit(number))
            self._row.addWidget(made)
            self.buttons[number] = made
        self.setVisible(len(visits) > 2)
