"""The mouse and the keys over the picture, while a case is open: all of them are the tracer's.

An event filter on napari's canvas takes every event before napari does. So every position of the mouse
arrives, whatever drawing the scene costs, and no tool or key of napari changes what is shown.
"""

from __future__ import annotations

from typing import Protocol

from napari.components import ViewerModel
from qtpy.QtCore import QCoreApplication, QEvent, QObject, QPointF, Qt
from qtpy.QtGui import QKeyEvent, QMouseEvent, QWheelEvent
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QWidget

Position = tuple[float, float]

WHEEL_STEP = 120
STILL_PIXELS = 3.0
"""A press and release nearer than this are a click."""

LEFT_TO_NAPARI = ("Control-Q", "Control-W", "Control-O", "Control-Shift-O", "F11", "Control-Shift-P")
"""Keys of the window itself, which change nothing of what is shown."""

_COMPRESS = Qt.ApplicationAttribute.AA_CompressHighFrequencyEvents


def canvas_of(viewer: ViewerModel) -> QWidget:
    """Return napari's canvas of a viewer with a window."""
    window = viewer.window.main_menu.window()
    found: QWidget | None = window.centralWidget().findChild(QOpenGLWidget)
    assert found is not None
    return found


class Target(Protocol):
    """What the mouse and the keys ask for. Positions are (x, y) on the canvas."""

    def is_active(self) -> bool:
        """Return whether a case is open."""

    def has_tool(self) -> bool:
        """Return whether the left button draws."""

    def draw_press(self, at: Position) -> None: ...  # noqa: D102
    def draw_move(self, at: Position) -> None: ...  # noqa: D102
    def draw_release(self, at: Position) -> None: ...  # noqa: D102
    def draw_double_click(self, at: Position) -> bool: ...  # noqa: D102
    def hover(self, at: Position | None) -> None: ...  # noqa: D102
    def pan(self, dx: float, dy: float) -> None: ...  # noqa: D102
    def zoom(self, factor: float, at: Position) -> None: ...  # noqa: D102
    def change_window(self, dx: float, dy: float) -> None: ...  # noqa: D102
    def step_slices(self, steps: int) -> None: ...  # noqa: D102
    def fit(self) -> None: ...  # noqa: D102
    def press_key(self, key: str, *, is_repeat: bool) -> bool: ...  # noqa: D102
    def release_key(self, key: str) -> bool: ...  # noqa: D102
    def resized(self) -> None: ...  # noqa: D102
    def take_keys(self) -> None: ...  # noqa: D102


class CanvasInput(QObject):
    """Takes the events of a canvas."""

    def __init__(self, canvas: QWidget, target: Target) -> None:
        super().__init__(canvas)
        self.target = target
        self._mode = ""
        self._began = self._last = QPointF()
        self._wheel = 0
        self._holds_space = False
        self._held: set[str] = set()
        """Keys that are down, but Space."""
        canvas.installEventFilter(self)
        canvas.setMouseTracking(True)

    def set_all_positions(self, is_wanted: bool) -> None:
        """Ask Qt for every position of the mouse, or for as many as it thinks good."""
        QCoreApplication.setAttribute(_COMPRESS, not is_wanted)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:  # noqa: N802, D102
        kind = event.type()
        if kind == QEvent.Type.Resize:
            self.target.resized()
            return False
        if kind in (QEvent.Type.FocusOut, QEvent.Type.WindowDeactivate):
            self.let_go()
        if not self.target.is_active():
            return False
        if isinstance(event, QMouseEvent):
            return self._on_mouse(kind, event)
        if isinstance(event, QWheelEvent):
            self._on_wheel(event)
            return True
        if isinstance(event, QKeyEvent):
            return self._on_key(kind, event)
        if kind == QEvent.Type.Leave:
            self.target.hover(None)
        elif kind == QEvent.Type.Enter:
            self.target.take_keys()
        return False

    # -- the mouse --------------------------------------------------------------------------------------

    def _on_mouse(self, kind: QEvent.Type, event: QMouseEvent) -> bool:
        place = event.position()
        at = (place.x(), place.y())
        if kind == QEvent.Type.MouseMove:
            self._on_move(place, at, event)
        elif kind == QEvent.Type.MouseButtonPress:
            self._on_press(place, at, event.button())
        elif kind == QEvent.Type.MouseButtonDblClick:
            self._on_double_click(place, at, event.button())
        elif kind == QEvent.Type.MouseButtonRelease:
            self._on_release(place, at, event.button())
        else:
            return False
        return True

    def _on_press(self, place: QPointF, at: Position, button: Qt.MouseButton) -> None:
        if self._mode:
            return  # a second button while one is down
        self._began = self._last = place
        if button == Qt.MouseButton.LeftButton:
            draws = self.target.has_tool() and not self._holds_space
            self._mode = "draw" if draws else "pan"
            if draws:
                self.target.draw_press(at)
        elif button == Qt.MouseButton.RightButton:
            self._mode = "window"
        elif button == Qt.MouseButton.MiddleButton:
            self._mode = "pan"

    def _on_move(self, place: QPointF, at: Position, event: QMouseEvent) -> None:
        if self._mode and event.buttons() == Qt.MouseButton.NoButton:
            # The release went to somebody else.
            mode, self._mode = self._mode, ""
            if mode.startswith("draw"):
                self.target.draw_release(at)
        step, self._last = place - self._last, place
        if self._mode.startswith("draw"):
            self.target.draw_move(at)
        elif self._mode.startswith("pan"):
            self.target.pan(step.x(), step.y())
        elif self._mode == "window":
            self.target.change_window(step.x(), step.y())
        else:
            self.target.hover(at)

    def _on_double_click(self, place: QPointF, at: Position, button: Qt.MouseButton) -> None:
        draws = button == Qt.MouseButton.LeftButton and self.target.has_tool() and not self._holds_space
        if draws and self.target.draw_double_click(at):
            return
        # A second stroke, or a second drag of the picture, that follows quickly is just that.
        self._on_press(place, at, button)
        if button == Qt.MouseButton.LeftButton and self._mode in ("draw", "pan"):
            self._mode += " or fit"

    def _on_release(self, place: QPointF, at: Position, button: Qt.MouseButton) -> None:
        mode = self._mode
        expected = {
            "draw": Qt.MouseButton.LeftButton,
            "draw or fit": Qt.MouseButton.LeftButton,
            "window": Qt.MouseButton.RightButton,
        }
        if mode in expected and button != expected[mode]:
            return
        self._mode = ""
        if mode.startswith("draw"):
            self.target.draw_release(at)
        moved = place - self._began
        if mode.endswith("or fit") and abs(moved.x()) + abs(moved.y()) < STILL_PIXELS:
            self.target.fit()

    def _on_wheel(self, event: QWheelEvent) -> None:
        turned = event.angleDelta().y() or event.angleDelta().x()
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            place = event.position()
            self.target.zoom(1.15 ** (turned / WHEEL_STEP), (place.x(), place.y()))
            return
        self._wheel += turned
        steps = int(self._wheel / WHEEL_STEP)
        self._wheel -= steps * WHEEL_STEP
        if steps:
            self.target.step_slices(-steps)

    # -- the keys ---------------------------------------------------------------------------------------

    def let_go(self) -> None:
        """End what held keys do: their release goes to somebody else now, and never arrives."""
        held, self._held, self._holds_space = self._held, set(), False
        for key in held:
            self.target.release_key(key)

    def take_key(self, event: QKeyEvent) -> bool:
        """Take a key that came to another widget of the window; return whether it was taken."""
        return self.target.is_active() and self._on_key(event.type(), event)

    def _on_key(self, kind: QEvent.Type, event: QKeyEvent) -> bool:
        key = key_name(event)
        if not key or key in LEFT_TO_NAPARI:
            return False
        if kind == QEvent.Type.ShortcutOverride:
            event.accept()  # then it comes as a key, and no menu takes it
            return True
        is_repeat = event.isAutoRepeat()
        if key == "Space":
            if not is_repeat:
                self._holds_space = kind == QEvent.Type.KeyPress
            return True
        if kind == QEvent.Type.KeyPress:
            if not is_repeat:
                self._held.add(key)
            self.target.press_key(key, is_repeat=is_repeat)
        elif not is_repeat:
            self._held.discard(key)
            self.target.release_key(key)
        return True


def key_name(event: QKeyEvent) -> str:
    """Return the name of a key: ``Shift-W``, ``PageDown``, ``?``; empty for a modifier alone."""
    try:
        code = Qt.Key(event.key())
    except ValueError:
        return "unknown"
    if code in (Qt.Key.Key_Shift, Qt.Key.Key_Control, Qt.Key.Key_Alt, Qt.Key.Key_Meta, Qt.Key.Key_AltGr):
        return ""
    if event.text() == "?" or code == Qt.Key.Key_Question:
        return "?"
    name = code.name.removeprefix("Key_")
    held = event.modifiers()
    parts = [
        word
        for word, modifier in (
            ("Control", Qt.KeyboardModifier.ControlModifier),
            ("Alt", Qt.KeyboardModifier.AltModifier),
            ("Shift", Qt.KeyboardModifier.ShiftModifier),
        )
        if held & modifier
    ]
    return "-".join((*parts, {"Return": "Enter", "BracketLeft": "[", "BracketRight": "]"}.get(name, name)))
