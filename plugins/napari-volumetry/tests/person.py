"""What a person does with mouse and keys, as Qt events sent to the widgets that are shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import numpy as np
from napari_volumetry.launch import add_tracer
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QKeyEvent, QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLabel, QWidget

KEYS = {
    name: getattr(Qt.Key, f"Key_{name}")
    for name in ("PageDown", "PageUp", "Escape", "Backspace", "Space", "F9", "Delete")
} | {"?": Qt.Key.Key_Question, "[": Qt.Key.Key_BracketLeft, "]": Qt.Key.Key_BracketRight}
MODIFIERS = {
    "Shift": Qt.KeyboardModifier.ShiftModifier,
    "Control": Qt.KeyboardModifier.ControlModifier,
}


PATIENCE_S = 30.0


class Person:
    """Somebody at a viewer with the tracer."""

    def __init__(self, viewer, *, reader: str = "AB") -> None:
        self.viewer = viewer
        viewer.window.resize(1100, 760)
        self.widget = add_tracer(viewer, reader=reader)
        self.tracer, self.panel, self.worklist = self.widget.tracer, self.widget.panel, self.widget.worklist
        self.look()

    def look(self, seconds: float = 0.0) -> None:
        """Let the window answer."""
        until = time.monotonic() + seconds
        for _ in range(3):
            QApplication.processEvents()
        while time.monotonic() < until:
            QApplication.processEvents()
            time.sleep(0.002)

    def until(self, condition: Callable[[], object]) -> None:
        """Let the window answer until something is so, however slow the machine is."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            self.look(0.02)

    def reopen_panel(self) -> None:
        """Close the panel, and open it again."""
        self.viewer.window.remove_dock_widget(self.widget)
        self.widget = add_tracer(self.viewer)
        assert self.widget.tracer is self.tracer
        self.panel, self.worklist = self.widget.panel, self.widget.worklist
        self.look()

    # -- the canvas -------------------------------------------------------------------------------------

    @property
    def canvas(self) -> QWidget:
        # The one private name of napari in this repository: there is no public way to its canvas widget.
        return self.viewer.window._qt_viewer.canvas.native

    def on_canvas(self, shown: np.ndarray) -> np.ndarray:
        """Return where positions (row, column) on the screen's slice lie on the canvas: (n, 2) of x, y."""
        world = np.asarray(shown, dtype=float) * np.array(self.tracer.scene.orientation.scale_mm[1:])
        centre, zoom = np.array(self.viewer.scene.camera.center)[-2:], self.viewer.scene.camera.zoom
        middle = np.array([self.canvas.height(), self.canvas.width()]) / 2
        return ((world - centre) * zoom + middle)[:, ::-1]

    def zoom_to(self, row: float, column: float, zoom: float) -> None:
        """Look at one place of the slice closely (as the wheel does)."""
        scale = self.tracer.scene.orientation.scale_mm
        self.viewer.scene.camera.center = (0.0, row * scale[1], column * scale[2])
        self.viewer.scene.camera.zoom = zoom
        self.look()

    def event(self, kind: QEvent.Type, at: np.ndarray, *, held: bool, button: bool = True) -> QMouseEvent:
        """Return an event of the left button."""
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        return QMouseEvent(
            kind,
            QPointF(*at),
            QPointF(self.canvas.mapToGlobal(QPoint(*np.round(at).astype(int)))),
            left if button else none,
            left if held else none,
            Qt.KeyboardModifier.NoModifier,
        )

    def mouse(self, kind: QEvent.Type, at: np.ndarray, *, held: bool, button: bool = True) -> None:
        """Send one event of the left button."""
        QApplication.sendEvent(self.canvas, self.event(kind, at, held=held, button=button))
        QApplication.processEvents()

    def drag(self, shown: np.ndarray) -> None:
        """Hold the left button and move along positions (row, column) of the slice."""
        path = self.on_canvas(shown)
        self.mouse(QEvent.Type.MouseMove, path[0], held=False, button=False)
        self.mouse(QEvent.Type.MouseButtonPress, path[0], held=True)
        # Drawing every move would take a software renderer seconds.
        self.canvas.setUpdatesEnabled(False)
        for at in path[1:]:
            self.mouse(QEvent.Type.MouseMove, at, held=True, button=False)
        self.canvas.setUpdatesEnabled(True)
        self.mouse(QEvent.Type.MouseButtonRelease, path[-1], held=False)
        self.look()

    def click(self, shown: np.ndarray) -> None:
        """Click positions (row, column) of the slice, one after the other."""
        for at in self.on_canvas(shown):
            self.mouse(QEvent.Type.MouseMove, at, held=False, button=False)
            self.mouse(QEvent.Type.MouseButtonPress, at, held=True)
            self.mouse(QEvent.Type.MouseButtonRelease, at, held=False)
            # Two clicks in a row are not a double click.
            self.look()

    def hover(self, shown: np.ndarray) -> None:
        """Move over a position without a button."""
        (at,) = self.on_canvas(shown)
        self.mouse(QEvent.Type.MouseMove, at, held=False, button=False)

    def double_click(self, shown: np.ndarray) -> None:
        """Double click a position."""
        (at,) = self.on_canvas(shown)
        self.mouse(QEvent.Type.MouseButtonPress, at, held=True)
        self.mouse(QEvent.Type.MouseButtonRelease, at, held=False)
        self.mouse(QEvent.Type.MouseButtonDblClick, at, held=True)
        self.mouse(QEvent.Type.MouseButtonRelease, at, held=False)
        self.look()

    def key(self, *names: str) -> None:
        """Press keys, one after the other: ``G``, ``Shift-W``, ``Control-Z``."""
        for name in names:
            *modifiers, last = name.split("-")
            held = Qt.KeyboardModifier.NoModifier
            for modifier in modifiers:
                held |= MODIFIERS[modifier]
            code = KEYS.get(last) or getattr(Qt.Key, f"Key_{last.upper()}")
            text = "" if last in KEYS else last
            for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
                QApplication.sendEvent(self.canvas, QKeyEvent(kind, code, held, text))
            self.look()

    # -- the widgets ------------------------------------------------------------------------------------

    def press(self, button: QWidget) -> None:
        """Click a button of the panel."""
        # A check box is as wide as its column; its box is at the left.
        place = QPoint(min(10, button.width() // 2), button.height() // 2)
        QTest.mouseClick(button, Qt.MouseButton.LeftButton, pos=place)
        self.look()

    def pick(self, row: int) -> None:
        """Double click a row of the worklist."""
        self.widget.tabs.setCurrentWidget(self.worklist)
        self.look()
        table = self.worklist.table
        place = table.visualItemRect(table.item(row, 0)).center()
        QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        QTest.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        self.look()

    def row_of(self, *, name: str, lesion: str = "", reader: str | None = None) -> int:
        """Return the row of the worklist, which is shown, of a case and lesion."""
        self.widget.tabs.setCurrentWidget(self.worklist)
        self.look()
        table = self.worklist.table
        for row in range(table.rowCount()):
            texts = [table.item(row, place).text() for place in range(table.columnCount())]
            if texts[0] == name and lesion in ("", texts[2]) and reader in (None, texts[3]):
                return row
        raise AssertionError(f"no row {name} {lesion} in the worklist")

    # -- reading the panel ------------------------------------------------------------------------------

    def number(self, name: str) -> float:
        """Return a number of the panel, unrounded, as its tooltip says it."""
        return float(self.panel.numbers.values[name].toolTip().split()[0])

    @property
    def said(self) -> str:
        """What the panel says."""
        return self.panel.said.text()

    @staticmethod
    def texts_of(part: QWidget) -> list[str]:
        """Return what the labels within a part of the panel say."""
        return [label.text() for label in part.findChildren(QLabel)]

    def texts(self) -> list[str]:
        """Return every text that can be seen or hovered over in the window."""
        found: list[str] = [
            self.viewer.title,
            self.viewer.window.title() if callable(getattr(self.viewer.window, "title", None)) else "",
        ]
        window = self.widget.window()
        for widget in [window, *window.findChildren(QWidget)]:
            found += [widget.toolTip(), widget.windowTitle(), widget.statusTip(), widget.whatsThis()]
            for name in ("text", "title", "currentText", "placeholderText", "toPlainText"):
                value = getattr(widget, name, None)
                if callable(value):
                    try:
                        found.append(str(value()))
                    except TypeError:
                        continue
            count = getattr(widget, "count", None)
            if hasattr(widget, "itemText") and callable(count):
                found += [widget.itemText(index) for index in range(count())]
            model = getattr(widget, "model", None)
            if callable(model) and model() is not None:
                found += list(model_texts(model()))
        found += [layer.name for layer in self.viewer.layers]
        found += [str(layer.source.path or "") for layer in self.viewer.layers]
        found += [
            str(overlay.text) for overlay in self.viewer.canvas.overlays.values() if hasattr(overlay, "text")
        ]
        # One of napari's own tips, which is chosen at random, and may have any word in it.
        return [text for text in found if text and not text.startswith("Did you know?")]


def model_texts(model) -> Iterable[str]:
    """Yield what a model shows in its first level."""
    for row in range(model.rowCount()):
        for column in range(20):
            place = model.index(row, column)
            if not place.isValid():
                break
            for role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
                value = model.data(place, role)
                if isinstance(value, str):
                    yield value
