"""The window around the picture while a case is read: the second picture, and what of napari is put away.

What is put away (layer list, layer controls, the slider under the picture, the buttons that turn it, the
line that names napari's keys) comes back when no case is open.
"""

from __future__ import annotations

from typing import cast

from qtpy.QtCore import QChildEvent, QEvent, QObject, Qt, QTimer
from qtpy.QtGui import QCloseEvent, QKeyEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QDockWidget,
    QHBoxLayout,
    QLineEdit,
    QMainWindow,
    QMessageBox,
    QPushButton,
    QWidget,
)

from napari_volumetry.napari_questions import NapariQuestions
from napari_volumetry.picture.canvas_map import CanvasMap
from napari_volumetry.picture.compare import VIEWS
from napari_volumetry.picture.painting import gray_image
from napari_volumetry.picture.second_view import OtherPicture
from napari_volumetry.tracer import Tracer

PUT_AWAY = ("layer list", "layer controls")
TURNING = ("ndisplay_button", "roll", "transpose", "grid_view_button")
OVER_OPACITY = 0.5
WRITTEN_IN = (QLineEdit, QAbstractSpinBox, QAbstractItemView)
"""Widgets that want keys for themselves."""


class ReadingWindow(QObject):
    """Arranges the window of a tracer.

    Parameters
    ----------
    tracer : Tracer
    """

    def __init__(self, tracer: Tracer) -> None:
        super().__init__(tracer.canvas)
        self.tracer = tracer
        self.panel: QWidget | None = None
        self.comparison = tracer.comparison
        self.other = OtherPicture(self.comparison, self._view, self._lesion)
        # napari's viewer is in a row, alone.
        row = cast(QHBoxLayout, self.window.centralWidget().layout())
        row.addWidget(self.other, 1)
        row.setStretch(0, 1)
        self.other.hide()
        self._hidden: list[QWidget] = []
        self._off: list[QPushButton] = []
        # Timers of its own: they end with the window.
        self._back, self._fit, self._choose = QTimer(self), QTimer(self), QTimer(self)
        self._wanted = 0
        self._visits_shown: tuple[list[tuple[int, str]], int | None, int | None] = ([], None, None)
        for timer, do in (
            (self._back, self._bring_back),
            (self._fit, self._fit_after_layout),
            (self._choose, lambda: self.comparison.visit_wanted.emit(self._wanted)),
        ):
            timer.setSingleShot(True)
            timer.timeout.connect(do)
        self._connect()
        self.window.installEventFilter(self)
        self.questions = NapariQuestions(tracer.canvas, self._closes_unasked)
        # Keys that nothing in a dock wants would go to napari, not to the window.
        for dock in self.window.findChildren(QDockWidget):
            dock.installEventFilter(self)

    def _connect(self) -> None:
        tracer, other = self.tracer, self.other
        tracer.case_opened.connect(self._on_opened)
        tracer.case_closed.connect(self._on_closed)
        tracer.drawn.connect(self.refresh)
        tracer.pointed.connect(self._on_pointed)
        tracer.layers_wanted.connect(self.toggle_layers)
        self.comparison.changed.connect(self.refresh)
        self.comparison.changed.connect(self._show_visits)
        other.dragged.connect(tracer.pan)
        other.turned.connect(tracer.step_slices)
        other.zoomed.connect(self._zoom)
        other.fit_wanted.connect(tracer.fit)
        other.pointed.connect(self._on_other_pointed)
        other.strip.visit_chosen.connect(self._choose_visit)

    @property
    def window(self) -> QMainWindow:
        """Napari's window."""
        return cast(QMainWindow, self.tracer.canvas.window())

    # -- the two pictures -------------------------------------------------------------------------------

    def _view(self) -> CanvasMap | None:
        scene = self.tracer.scene
        return None if scene is None else scene.view_for_painting()

    def _lesion(self) -> str:
        lesion = self.tracer.lesion
        return lesion.name if lesion else ""

    def refresh(self) -> None:
        """Show the other visit where and how it is wanted."""
        scene, comparison = self.tracer.scene, self.comparison
        is_beside = scene is not None and comparison.scan is not None and comparison.view == VIEWS[1]
        if is_beside != (not self.other.isHidden()):
            self.other.setVisible(is_beside)
            self._fit.start(0)
        if scene is None:
            return
        overlay = scene.overlay
        overlay.top = self.tracer.picture_label if is_beside else ""
        overlay.over = None
        if comparison.scan is not None and comparison.view == VIEWS[2]:
            values = comparison.slice_values()
            if values is not None:
                overlay.over = (gray_image(values, *comparison.limits), OVER_OPACITY)
        overlay.other_rings = comparison.rings(self._lesion())
        said = (*self._said_for_panel(), *scene.orientation.warnings, *self._said_of_other())
        overlay.note = "\n".join(said)
        overlay.refresh()
        self.other.is_smooth = overlay.is_smooth
        if is_beside:
            self.other.refill_soon()

    def _said_for_panel(self) -> list[str]:
        """What the panel would say, and how it is shown again, where somebody has closed it."""
        if self.panel is None or self.panel.isVisible() or not self.window.isVisible():
            return []
        return [f"{self.tracer.state_words}. Plugins > Volumetry > Tracer shows the panel again"]

    def _said_of_other(self) -> list[str]:
        """What of the other visit lies over the picture, and whether it lies where it belongs."""
        comparison = self.comparison
        if comparison.scan is None or comparison.view == VIEWS[1]:
            return []  # the picture beside says it
        is_over = comparison.view == VIEWS[2]
        if not is_over and not comparison.shows_outline:
            return []
        registered = "" if comparison.is_registered else ", not registered"
        return [f"{'Over it' if is_over else 'Dashed in white'}: {comparison.label}{registered}"]

    def _show_visits(self) -> None:
        shown = (self.comparison.visits, self.comparison.visit, self.comparison.read)
        if shown != self._visits_shown:
            self._visits_shown = shown
            self.other.strip.show_visits(*shown)

    def _choose_visit(self, number: int) -> None:
        # Not within the button's own click: its strip is made anew.
        self._wanted = number
        self._choose.start(0)

    def _fit_after_layout(self) -> None:
        self._level_pictures()
        self.tracer.fit()

    def _level_pictures(self) -> None:
        """Give both pictures the same height: the same place is at the same place in both."""
        canvas, central = self.tracer.canvas, self.window.centralWidget()
        top = canvas.mapTo(central, canvas.rect().topLeft()).y()
        # At most, not exactly: a fixed height would keep the window from being made smaller.
        self.other.setMaximumHeight(canvas.height())
        self.other.move(self.other.x(), top)

    def _on_view(self) -> None:
        if not self.other.isHidden():
            if self.other.height() != self.tracer.canvas.height():
                self._level_pictures()
            self.other.update()

    def _zoom(self, factor: float, x: float, y: float) -> None:
        canvas, other = self.tracer.canvas, self.other
        at = (x + (canvas.width() - other.width()) / 2, y + (canvas.height() - other.height()) / 2)
        self.tracer.zoom(factor, at)

    def _on_pointed(self, place: tuple[float, float] | None) -> None:
        if not self.other.isHidden():
            self.other.crosshair = place
            self.other.update()

    def _on_other_pointed(self, place: tuple[float, float] | None) -> None:
        if self.tracer.scene is not None:
            self.tracer.scene.overlay.crosshair = place
            self.tracer.scene.overlay.refresh_soon()

    # -- what of napari is put away ---------------------------------------------------------------------

    def _on_opened(self) -> None:
        scene = self.tracer.scene
        if scene is not None:
            scene.on_view = self._on_view
        if not self._hidden:
            self._put_away()
        self.refresh()

    def _put_away(self) -> None:
        docks = [d for d in self.window.findChildren(QDockWidget) if d.objectName() in PUT_AWAY]
        sliders = [
            w
            for w in self.window.centralWidget().findChildren(QWidget)
            if w.metaObject().className() == "QtDims"
        ]
        # Its keys are the tracer's now, and its slices are counted from 0.
        status = self.window.statusBar()
        self._hidden = [w for w in (*docks, *sliders, status) if not w.isHidden()]
        for widget in self._hidden:
            widget.hide()
        self._off = [b for b in self.window.findChildren(QPushButton) if b.property("mode") in TURNING]
        for made in self._off:
            made.setEnabled(False)

    def _on_closed(self) -> None:
        # Another case may follow at once; what is put away then stays so.
        self._back.start(0)

    def _bring_back(self) -> None:
        if self.tracer.scene is not None:
            return
        for widget in self._hidden:
            widget.show()
        for made in self._off:
            made.setEnabled(True)
        self._hidden, self._off = [], []
        self.refresh()

    def toggle_layers(self) -> None:
        """Show, or hide, napari's layer list and controls."""
        docks = [d for d in self.window.findChildren(QDockWidget) if d.objectName() in PUT_AWAY]
        is_hidden = all(dock.isHidden() for dock in docks)
        for dock in docks:
            dock.setVisible(is_hidden)
        if not is_hidden:
            # One of them may have had the keys.
            self.tracer.canvas.setFocus()

    # -- closing ----------------------------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802, D102
        if isinstance(event, QChildEvent):
            if (event.added() or event.polished()) and isinstance(event.child(), QDockWidget):
                event.child().installEventFilter(self)
            return False
        if isinstance(event, QKeyEvent):
            # Nobody below wanted it: a click beside the picture must not make the keys dead.
            is_function = Qt.Key.Key_F1 <= event.key() <= Qt.Key.Key_F35
            is_written = isinstance(QApplication.focusWidget(), WRITTEN_IN) and not is_function
            return not is_written and self.tracer.input.take_key(event)
        # A program that closes the viewer has put the picture away before: it is not asked.
        if not isinstance(event, QCloseEvent) or watched is not self.window:
            return False
        if event.spontaneous() or self.tracer.canvas.isVisible():
            self.tracer.drop_for("the window was to be closed")
            self.tracer.wait()
            if self.tracer.has_unsaved or self.tracer.said_of_unkept():
                return self._ask_before(event)
        return False

    def _closes_unasked(self) -> bool:
        """Return whether napari need not ask before it closes the window: the tracer asks of unsaved work.

        Not where there are layers that the tracer did not bring: of those only napari can ask.
        """
        scene, layers = self.tracer.scene, self.tracer.viewer.layers
        return scene is not None and all(
            layer is scene.image or "volumetry" in layer.metadata for layer in layers
        )

    def _ask_before(self, event: QCloseEvent) -> bool:
        """Ask what is to become of unsaved work; return whether this event is dealt with."""
        may_close = self._may_close()
        if may_close and not event.spontaneous():
            return False
        event.ignore()
        if may_close:
            # Closed anew, by the program: napari would ask a second time whether to close.
            self.tracer.close_case()
            QTimer.singleShot(0, self.window.close)
        return True

    def _may_close(self) -> bool:
        """Ask what is to become of unsaved work; return whether the window may close."""
        box = QMessageBox(self.window)
        box.setWindowTitle("Volumetry tracer")
        box.setTextFormat(Qt.TextFormat.PlainText)
        lost = self.tracer.said_of_unkept()
        kept = "What is drawn and not saved is kept in the journal."
        box.setText(f"{self.tracer.state_words}. {lost or kept}")
        save = box.addButton("Save and close", QMessageBox.ButtonRole.AcceptRole)
        keep = box.addButton(
            "Close, and lose it" if lost else "Close: go on next time", QMessageBox.ButtonRole.DestructiveRole
        )
        box.addButton("Stay", QMessageBox.ButtonRole.RejectRole)
        box.exec()
        if box.clickedButton() is save:
            return self.tracer.save()
        return box.clickedButton() is keep
