"""Real mouse and keys: xdotool sends them to the X server, and a window manager stands between.

What `person.Person` sends are Qt's own events; these go the whole way that a hand's go.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QEventLoop, QObject, QPoint, Qt, QTimer
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QWidget

NEEDED = ("xdotool", "openbox")
missing = [name for name in NEEDED if shutil.which(name) is None]
needs_x = pytest.mark.skipif(
    bool(missing) or not os.environ.get("DISPLAY") or sys.platform != "linux",
    reason=f"real X events need an X display and {' and '.join(missing or NEEDED)}",
)

POLL_MS = 5
PATIENCE_S = 30.0
"""How long a condition is waited for: a busy machine is slow, and that is not what is tested."""
MARK_BUTTON, MARK_S = "9", 2.0
"""Nothing listens to this button of the mouse: when it arrives, all that went before it has arrived."""
KEYS = {
    "PageDown": "Next",
    "PageUp": "Prior",
    "Backspace": "BackSpace",
    "Space": "space",
    "Control": "ctrl",
    "Shift": "shift",
    "?": "question",
    "[": "bracketleft",
    "]": "bracketright",
}


def turn_loop(milliseconds: int) -> None:
    """Let the real event loop of Qt run for a while."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def until(condition: Callable[[], object], what: object = "") -> None:
    """Let the real event loop of Qt run until something is so."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        turn_loop(20)


def stand_still(person) -> None:
    """Let the loop run until the picture stays where it is: a busy machine lays the window out late."""
    before = None
    while before != (now := (person.tracer.scene.view, person.canvas.size())):
        before = now
        turn_loop(200)


def _is_managed() -> bool:
    """Whether a window manager answers on the display."""
    asked = subprocess.run(["xdotool", "get_num_desktops"], capture_output=True, check=False)
    return asked.returncode == 0


@contextmanager
def window_manager() -> Iterator[None]:
    """Run openbox on the display."""
    process = subprocess.Popen(["openbox", "--sm-disable"], stderr=subprocess.DEVNULL)
    try:
        until(_is_managed, "a window manager")
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def both_cores_busy() -> Iterator[None]:
    """Let other processes keep two cores busy."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def _done(words: Sequence[str]) -> None:
    """Run a program to its end while Qt's loop turns."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    loop = QEventLoop()
    timer = QTimer()
    timer.timeout.connect(lambda: loop.quit() if process.poll() is not None else None)
    timer.start(POLL_MS)
    loop.exec()
    timer.stop()
    assert process.returncode == 0


class Mark(QObject):
    """Waits for the button that nothing else listens to, and keeps it from everybody."""

    def __init__(self) -> None:
        super().__init__()
        self.has_arrived = False
        QApplication.instance().installEventFilter(self)

    def end(self) -> None:
        QApplication.instance().removeEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QMouseEvent) and event.button() == Qt.MouseButton.ForwardButton:
            self.has_arrived = self.has_arrived or event.type() == QEvent.Type.MouseButtonRelease
            return True
        return False


class RealHand:
    """The mouse and the keys of the display, at the window of a person."""

    def __init__(self, person) -> None:
        self.person = person
        window = person.viewer.window._qt_window
        window.move(20, 40)
        asked_at = [0.0]

        def is_active() -> bool:
            # Asked again and again: a window manager that has just started may not have heard it.
            if not window.isActiveWindow() and time.monotonic() - asked_at[0] > 0.5:
                asked_at[0] = time.monotonic()
                subprocess.run(["xdotool", "windowactivate", str(int(window.winId()))], check=False)
            return window.isActiveWindow()

        until(is_active, "the window to be active")
        turn_loop(200)

    # -- words for xdotool ------------------------------------------------------------------------------

    def on_screen(self, widget: QWidget, at: Sequence[float]) -> tuple[str, str]:
        """Return a position of a widget as xdotool wants it."""
        place = widget.mapToGlobal(QPoint(*np.round(at).astype(int)))
        return str(place.x()), str(place.y())

    def to(self, shown: Sequence[float]) -> list[str]:
        """Words: move to a position (row, column) on the screen's slice."""
        person = self.person
        return ["mousemove", *self.on_screen(person.canvas, person.on_canvas(np.array([shown]))[0])]

    def along(self, canvas_path: np.ndarray, seconds: float) -> list[str]:
        """Words: move along positions (x, y) of the canvas."""
        pause = f"{seconds / max(len(canvas_path), 1):.5f}"
        words: list[str] = []
        for at in canvas_path:
            words += ["mousemove", *self.on_screen(self.person.canvas, at), "sleep", pause]
        return words

    def key_words(self, name: str) -> list[str]:
        """Words: press a key."""
        parts = [KEYS.get(part, part) for part in name.split("-")]
        if len(parts[-1]) == 1:
            parts[-1] = parts[-1].lower()
        return ["key", "+".join(parts)]

    # -- doing ------------------------------------------------------------------------------------------

    def run(self, words: Sequence[str], *, settle_ms: int = 60) -> None:
        """Let xdotool do it, while Qt's loop turns, and let the window answer once all of it has arrived."""
        _done(["xdotool", *words])
        # Only now: a filter over all events in Python would cost time while a stroke is drawn.
        mark = Mark()
        _done(["xdotool", "click", MARK_BUTTON])
        end = time.monotonic() + MARK_S
        while not mark.has_arrived and time.monotonic() < end:
            turn_loop(POLL_MS)
        mark.end()
        turn_loop(settle_ms)

    def key(self, *names: str) -> None:
        """Press keys, one after the other."""
        for name in names:
            self.run(self.key_words(name))

    def press(self, widget: QWidget, at: Sequence[float] | None = None, *, times: int = 1) -> None:
        """Click on a widget."""
        place = (widget.width() / 2, widget.height() / 2) if at is None else at
        words = ["mousemove", *self.on_screen(widget, place), "sleep", "0.03"]
        for _ in range(times):
            words += ["click", "1"]
        self.run(words)

    def drag(self, shown: np.ndarray, seconds: float, *, settle_ms: int = 60) -> np.ndarray:
        """Hold the left button along positions (row, column) of the slice; return where it went, (n, 2)."""
        person = self.person
        canvas = np.round(person.on_canvas(shown))
        words = ["mousemove", *self.on_screen(person.canvas, canvas[0]), "sleep", "0.1", "mousedown", "1"]
        self.run([*words, *self.along(canvas, seconds), "mouseup", "1"], settle_ms=settle_ms)
        return person.tracer.scene.view.to_display(canvas)


class Counter(QObject):
    """A bare event filter: how many positions of the mouse arrive where nothing is drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.positions: list[tuple[float, float]] = []

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.MouseMove:
            self.positions.append((event.position().x(), event.position().y()))
        return False


def bare_count(hand: RealHand, canvas_path: np.ndarray, seconds: float) -> int:
    """Return how many positions a plain widget, in the place of the canvas, receives of a drag."""
    canvas = hand.person.canvas
    plain = QWidget(None, Qt.WindowType.FramelessWindowHint | Qt.WindowType.WindowStaysOnTopHint)
    plain.setGeometry(canvas.mapToGlobal(QPoint(0, 0)).x(), canvas.mapToGlobal(QPoint(0, 0)).y(), 10, 10)
    plain.resize(canvas.size())
    plain.setMouseTracking(True)
    counter = Counter()
    plain.installEventFilter(counter)
    compress = QApplication.testAttribute(Qt.ApplicationAttribute.AA_CompressHighFrequencyEvents)
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_CompressHighFrequencyEvents, False)
    plain.show()
    turn_loop(300)
    words: list[str] = ["mousemove", *hand.on_screen(plain, canvas_path[0]), "sleep", "0.1", "mousedown", "1"]
    for at in canvas_path:
        words += ["mousemove", *hand.on_screen(plain, at), "sleep", f"{seconds / len(canvas_path):.5f}"]
    hand.run([*words, "mouseup", "1"], settle_ms=200)
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_CompressHighFrequencyEvents, compress)
    plain.close()
    turn_loop(100)
    return len(set(counter.positions))
