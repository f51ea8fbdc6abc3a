"""Parts of which the panels are made."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent, QPainter, QPaintEvent
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QLabel,
    QPushButton,
    QSizePolicy,
    QTabBar,
    QWidget,
)

CHOSEN_BY_WHEEL = (QComboBox, QAbstractSpinBox, QTabBar)
"""Widgets in which Qt lets the wheel choose another value."""


def button(text: str, do: Callable[[], object], *, tip: str = "") -> QPushButton:
    """Return a button that leaves the keyboard to the picture."""
    made = QPushButton(text)
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    made.clicked.connect(lambda _checked=False: do())
    made.setToolTip(plain_tip(tip))
    return made


def plain_tip(text: str) -> str:
    """Return a tool tip that shows a text as it is: Qt would take names with tags in them for HTML.

    >>> plain_tip("hip <b>1</b>")
    '<span>hip &lt;b&gt;1&lt;/b&gt;</span>'
    """
    if "<" not in text:
        return text
    return f"<span>{escape(text).replace(chr(10), '<br>')}</span>"


class ElidedLabel(QLabel):
    """Shows as much of a plain text as there is room for; all of it in the tip."""

    def __init__(self) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def setText(self, text: str) -> None:  # noqa: N802, D102
        super().setText(text)
        self.setToolTip(plain_tip(text))

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802, D102
        painter = QPainter(self)
        shown = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideMiddle, self.width())
        painter.drawText(self.rect(), self.alignment(), shown)
        painter.end()


class WheelGuard(QObject):
    """Keeps the wheel from choosing values in a panel.

    Every hand scrolls slices with the wheel: what the mouse passes over must stay as it is. A list that a
    click has opened scrolls as usual.
    """

    def __init__(self, panel: QWidget) -> None:
        super().__init__(panel)
        for kind in CHOSEN_BY_WHEEL:
            for part in panel.findChildren(kind):
                part.installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:  # noqa: N802, D102
        if event.type() != QEvent.Type.Wheel:
            return False
        event.ignore()  # then the panel around scrolls
        return True


class OwnKeys(QObject):
    """Keeps a key that was held already when a field was entered from being written into it."""

    def __init__(self, field: QWidget) -> None:
        super().__init__(field)
        self._begun: set[int] = set()
        field.installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:  # noqa: N802, D102
        if event.type() == QEvent.Type.FocusIn:
            self._begun.clear()
        elif isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.isAutoRepeat():
                return event.key() not in self._begun
            self._begun.add(event.key())
        return False
