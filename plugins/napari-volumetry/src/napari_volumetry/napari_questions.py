"""napari's own questions that the tracer answers itself: whether to close, and who reads a file."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QChildEvent, QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QCheckBox, QDialog, QRadioButton, QWidget

CLOSING, READING = "ConfirmCloseDialog", "QtReaderDialog"
"""napari's classes of the questions."""

OURS, BUILT_IN = "Volumetry", "napari builtins"
"""What the readers of files are called in the question."""


class NapariQuestions(QObject):
    """Answers napari's questions before they are shown.

    Parameters
    ----------
    canvas : QWidget
        napari's canvas.
    may_close : callable
        Whether the window may be closed without napari's question.
    """

    def __init__(self, canvas: QWidget, may_close: Callable[[], bool]) -> None:
        super().__init__(canvas)
        self._may_close = may_close
        # Questions are children of the window, or of a part of it.
        part: QWidget | None = canvas
        while part is not None:
            part.installEventFilter(self)
            part = part.parentWidget()

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:  # noqa: N802, D102
        if isinstance(event, QChildEvent) and event.polished():
            question = event.child()
            kind = type(question).__name__
            if isinstance(question, QDialog) and (
                (kind == CLOSING and self._may_close() and _is_of_closing_alone(question))
                or (kind == READING and _takes_ours(question))
            ):
                question.setAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen)
                QTimer.singleShot(0, question, question.accept)
        return False


def _is_of_closing_alone(question: QDialog) -> bool:
    """Return whether the question is only whether to close; without a box it is of work that goes on."""
    return any(not box.isHidden() for box in question.findChildren(QCheckBox))


def _takes_ours(question: QDialog) -> bool:
    """Choose our reader where napari's own is the only other: it loses the letters and the size of pixels.

    For this time only; and not where somebody asked for the question, which then is to be remembered.
    """
    readers = {made.text(): made for made in question.findChildren(QRadioButton)}
    if set(readers) != {OURS, BUILT_IN} or any(box.isChecked() for box in question.findChildren(QCheckBox)):
        return False
    readers[OURS].setChecked(True)
    return True
