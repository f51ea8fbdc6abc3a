"""The keys, in a panel."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QScrollArea, QVBoxLayout, QWidget

from napari_volumetry.keys import KEYS, MOUSE, written

STEPS = (
    "Open a study (by the button above) and double click a case in the worklist.",
    "Go to the first slice of the lesion (Q and W), press G, and draw round it with the left button.",
    "Draw the other slices. U proposes the slices between; look at each, then J accepts it.",
    "Shift+S saves. Sign, in the panel, locks the read.",
)  # fmt: skip


NAMES_PERCENT = 34
"""Of the width, for what is pressed."""


class HelpPanel(QWidget):
    """How to trace, and with which keys."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        text = QLabel(help_text())
        text.setWordWrap(True)
        text.setTextFormat(Qt.TextFormat.RichText)
        text.setAlignment(Qt.AlignmentFlag.AlignTop)
        text.setMargin(6)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setWidget(text)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(scroll)


def help_text() -> str:
    """Return the help as rich text."""
    steps = "".join(f"<li>{escape(step)}</li>" for step in STEPS)
    told = (*MOUSE, ("", ""), *((written(key.key), key.does) for key in KEYS))
    # One table: what a key does stands below what the mouse does.
    rows = "".join(
        f"<tr><td width='{NAMES_PERCENT}%'><b>{escape(name)}</b></td><td>{escape(does)}</td></tr>"
        for name, does in told
    )
    return f"<ol>{steps}</ol><table width='100%' cellspacing='2'>{rows}</table>"
