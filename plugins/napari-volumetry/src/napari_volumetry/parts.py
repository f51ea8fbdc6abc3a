"""Parts of which the panels are made."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton


def button(text: str, do: Callable[[], object], *, tip: str = "") -> QPushButton:
    """Return a button that leaves the keyboard to the picture."""
    made = QPushButton(text)
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    made.clicked.connect(lambda _checked=False: do())
    made.setToolTip(tip)
    return made
