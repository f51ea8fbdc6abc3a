"""A question in the panel, with a button for every answer: nothing pops up over the picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QBoxLayout, QFrame, QLabel, QPushButton, QVBoxLayout, QWidget

ROOM_PIXELS = 320
"""Width of the narrowest panel within its margins."""


class Notice(QFrame):
    """What the reader has to decide."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setStyleSheet("Notice { border: 1px solid #ff9a3c; border-radius: 3px }")
        self.text = QLabel()
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.buttons: list[QPushButton] = []
        self._row = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._row.setSpacing(4)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 4, 6, 4)
        column.addWidget(self.text)
        column.addLayout(self._row)
        self.clear()

    def ask(self, text: str, choices: Sequence[tuple[str, Callable[[], object]]]) -> None:
        """Show a question; a click on an answer takes it away."""
        self.clear()
        self.text.setText(text)
        for name, do in choices:
            made = QPushButton(name)
            made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            made.clicked.connect(lambda _checked=False, do=do: self._answer(do))
            self._row.addWidget(made)
            self.buttons.append(made)
        # Side by side where the panel is wide enough for their words.
        wide = sum(made.sizeHint().width() + 4 for made in self.buttons)
        fits = wide <= ROOM_PIXELS
        self._row.setDirection(QBoxLayout.Direction.LeftToRight if fits else QBoxLayout.Direction.TopToBottom)
        self.setVisible(True)

    def clear(self) -> None:
        """Take the question away."""
        for made in self.buttons:
            self._row.removeWidget(made)
            made.deleteLater()
        self.buttons = []
        self.text.clear()
        self.setVisible(False)

    def _answer(self, do: Callable[[], object]) -> None:
        self.clear()
        do()
