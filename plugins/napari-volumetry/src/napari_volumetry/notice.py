"""A question in the panel, with a button for every answer: nothing pops up over the picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QLabel, QPushButton, QVBoxLayout, QWidget


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
        # Below each other: side by side the words of three answers are wider than the panel.
        self._row = QVBoxLayout()
        column = QVBoxLayout(self)
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
