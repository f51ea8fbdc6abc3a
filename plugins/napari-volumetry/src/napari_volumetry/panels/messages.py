"""The message area of the panel: one place, below all buttons, for what is said, asked, and wrong.

All of it is plain text: names from files are never taken for HTML.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_volumetry.panels.notice import Notice
from napari_volumetry.panels.tones import Tone, set_tone
from volumetry.tracing import LesionReadout, SigningCheck

LEAST_HEIGHT = 92


LONGEST_WORD = re.compile(r"\w{28}(?=\w)")
"""What has no room on a line of the panel is broken; names of lesions can be as long as one likes."""


class PlainLabel(QLabel):
    """A label whose longest words are broken where they have to be."""

    def setText(self, text: str) -> None:  # noqa: N802, D102
        super().setText(LONGEST_WORD.sub("\\g<0>\u200b", text))


def plain_label(text: str = "", *, tone: Tone = "", colour: str = "") -> QLabel:
    """Return a label that shows its text as it is, in as many lines as it needs."""
    made = PlainLabel()
    made.setText(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setWordWrap(True)
    set_tone(made, tone)
    if colour:
        made.setStyleSheet(f"color: {colour}")
    return made


class SigningList(QFrame):
    """The check list before a signature: errors block it, warnings are acknowledged one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.setStyleSheet("SigningList { border: 1px solid #5a7fd0; border-radius: 3px }")
        self.boxes: list[QCheckBox] = []
        self.sign = QPushButton("Sign now")
        self.cancel = QPushButton("Not yet")
        self._column = QVBoxLayout(self)
        self._parts: list[QWidget] = []
        self._codes: list[str] = []
        self._texts: list[str] = []
        self._lesion = ""
        self._do: Callable[[list[str]], object] = lambda _codes: None
        self.on_toggle: Callable[[], object] = lambda: None
        """Called when the list was opened or closed."""
        self._column.setContentsMargins(5, 4, 5, 4)
        self._head = plain_label()
        # Above the list: where it is long, the buttons are in view all the same.
        row = QHBoxLayout()
        row.addWidget(self._head, 1)
        for made in (self.sign, self.cancel):
            made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            row.addWidget(made)
        self._column.addLayout(row)
        self.sign.clicked.connect(self._on_sign)
        self.cancel.clicked.connect(self.close_list)
        self.setVisible(False)

    @property
    def is_open(self) -> bool:
        """Whether the list is shown."""
        return not self.isHidden()

    def _ticked(self) -> set[str]:
        return {text for box, text in zip(self.boxes, self._texts, strict=True) if box.isChecked()}

    def open_list(
        self, lesion: str, check: SigningCheck, do: Callable[[list[str]], object], *, verdict: str = ""
    ) -> None:
        """Show what stands before a signature; `do` is given the codes that were acknowledged.

        `verdict` is what the reader found in place of a volume: absent, or not measurable.
        """
        # Of the same lesion a box stays ticked while its text is the same.
        held = self._ticked() if lesion == self._lesion else set()
        self.close_list()
        self._do, self._codes, self._lesion = do, [warning.code for warning in check.warnings], lesion
        said = f"{lesion}: {verdict}" if verdict else lesion
        head = f"Sign {said}" if check.can_be_signed else f"{lesion} cannot be signed yet"
        self._head.setText(head)
        for error in check.errors:
            self._add(plain_label(f"\u2717 {error.text}", tone="error"))
        for warning in check.warnings:
            line = QWidget()
            row = QHBoxLayout(line)
            row.setContentsMargins(0, 0, 0, 0)
            box = QCheckBox()
            box.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            box.setChecked(warning.text in held)
            box.toggled.connect(self._refresh)
            row.addWidget(box, 0, Qt.AlignmentFlag.AlignTop)
            row.addWidget(plain_label(warning.text, tone="warning"), 1)
            self.boxes.append(box)
            self._texts.append(warning.text)
            self._add(line)
        self._blocked = not check.can_be_signed
        self._refresh()
        self.setVisible(True)
        self.on_toggle()

    def close_list(self) -> None:
        """Take the list away."""
        for part in self._parts:
            self._column.removeWidget(part)
            part.deleteLater()
        self._parts, self.boxes, self._codes, self._texts = [], [], [], []
        self._blocked, self._lesion = True, ""
        self.setVisible(False)
        self.on_toggle()

    def _add(self, part: QWidget) -> None:
        self._column.addWidget(part)
        self._parts.append(part)

    def _refresh(self) -> None:
        self.sign.setEnabled(not self._blocked and all(box.isChecked() for box in self.boxes))

    def _on_sign(self) -> None:
        codes, do = self._codes, self._do
        self.close_list()
        do(codes)


class MessageArea(QScrollArea):
    """What is said, asked and wrong, in a place whose height does not depend on it."""

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumHeight(LEAST_HEIGHT)
        self.said = plain_label()
        self.notice = Notice()
        self.signing = SigningList()
        self.errors = plain_label(tone="error")
        self.warnings = plain_label(tone="warning")
        self.signing.on_toggle = self._show_told
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(4, 2, 4, 2)
        column.setSpacing(3)
        for part in (self.notice, self.signing, self.said, self.errors, self.warnings):
            column.addWidget(part)
        column.addStretch()
        self.setWidget(inner)

    def say(self, text: str, is_error: bool) -> None:
        """Show what happened."""
        self.said.setText(text)
        self.said.setToolTip("")
        set_tone(self.said, "error" if is_error else "done")
        self.said.setVisible(bool(text))
        self.verticalScrollBar().setValue(0)

    def show_readout(self, readout: LesionReadout | None) -> None:
        """Show what is wrong with a lesion, and what to know of it."""
        found = readout.warnings if readout is not None else ()
        # That a lesion cannot be measured is a finding of the reader's, no error.
        wrong = [w.text for w in found if w.refuses and w.code != "not-measurable"]
        for label, texts in (
            (self.errors, wrong),
            (self.warnings, [w.text for w in found if w.text not in wrong]),
        ):
            # A number stays with its unit.
            label.setText("\n".join(texts).replace(" %", "\u00a0%").replace(" mm", "\u00a0mm"))
        self._show_told()

    def _show_told(self) -> None:
        """Show what is wrong and to be known, unless the check list says it."""
        for label in (self.errors, self.warnings):
            label.setVisible(bool(label.text()) and not self.signing.is_open)

    def clear(self) -> None:
        """Show nothing."""
        self.notice.clear()
        self.signing.close_list()
        self.say("", False)
        self.show_readout(None)
