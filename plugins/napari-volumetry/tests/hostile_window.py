"""A window on a study of hostile names, started under strace by test_hostile_names: it shows all it can."""

from __future__ import annotations

import sys
from pathlib import Path

import napari
from napari_volumetry.launch import add_tracer
from napari_volumetry.panels.worklist_panel import WorklistPanel
from person import Person
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QHelpEvent, QMouseEvent
from qtpy.QtWidgets import QAbstractItemView, QApplication, QFileDialog, QToolTip, QWidget

HTML = "<img src=canary.png>"


def look(times: int = 8) -> None:
    for _ in range(times):
        QApplication.processEvents()


def show_tooltips(widget: QWidget) -> None:
    for child in widget.findChildren(QWidget):
        if child.toolTip():
            QToolTip.showText(QPoint(20, 20), child.toolTip(), child)
            look(1)


def hover_items(window: QWidget) -> None:
    """Ask every list and table of the window for the tool tip of its rows, headers too."""
    for view in window.findChildren(QAbstractItemView):
        model = view.model()
        for row in range(min(model.rowCount(), 30) if model is not None else 0):
            place = view.visualRect(model.index(row, 0)).center()
            where = view.viewport().mapToGlobal(place)
            QApplication.sendEvent(view.viewport(), QHelpEvent(QEvent.Type.ToolTip, place, where))
            look(1)


def hover_canvas(person: Person) -> None:
    """Move over the picture: napari's status bar names the layer under the mouse."""
    canvas = person.canvas
    for part in (0.4, 0.5, 0.6):
        at = QPointF(canvas.width() * part, canvas.height() * part)
        none = Qt.MouseButton.NoButton
        moved = QMouseEvent(
            QEvent.Type.MouseMove, at, canvas.mapToGlobal(at), none, none, Qt.KeyboardModifier.NoModifier
        )
        QApplication.sendEvent(canvas, moved)
        look(4)


def look_through(worklist: WorklistPanel) -> None:
    """Sort by every column, filter by HTML, and show all again."""
    for column in range(worklist.table.columnCount()):
        worklist.sort_by(column)
        look(1)
    worklist.words.setText(HTML)
    look(2)
    worklist.words.clear()
    worklist.sort_by(0)
    hover_items(worklist)


def show_dialogs(person: Person, study: Path) -> None:
    """Dialogs in which names of files, or of lesions, are shown."""
    dialog = QFileDialog(person.widget, "Open study", str(study))
    dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
    dialog.show()
    look()
    hover_items(dialog)
    dialog.close()
    signing = person.panel.messages.signing
    session, lesion = person.tracer.session, person.tracer.lesion
    if session is not None and lesion is not None:
        signing.open_list(lesion.name, session.signing_check(lesion.id), lambda _codes: None)
        look()
        signing.close_list()


def open_as_layers(person: Person, study: Path) -> None:
    """File > Open: a series, a trace, and what napari says of them in its lists."""
    person.tracer.close_case()
    look()
    for path in (*sorted(study.rglob("*t1"))[:2], *sorted(study.rglob("*.trace.json"))[:2]):
        person.viewer.open(str(path), plugin="napari-volumetry")
        look()
        hover_items(person.widget.window())
        for layer in person.viewer.layers:
            person.viewer.layers.selection.active = layer
            look(2)


def trace(person: Person) -> None:
    """Draw a lesion of a hostile name on two slices, and save it."""
    session = person.tracer.session
    if session is None or session.is_read_only:
        return
    lesion = session.add_lesion("<img src='canary.png'>")
    for index in (1, 3):
        session.add_outline(index, [(5, 5), (5, 15), (15, 15), (15, 5)], lesion_id=lesion)
    person.tracer.update_view()
    person.tracer.save()


def settle_between_readers(person: Person) -> None:
    """The tab of readers: a second one of a hostile name, both over one picture, and a choice."""
    widget, tracer = person.widget, person.tracer
    number = tracer.worklist.rows[0].number
    widget.reader.setText(f"{HTML}2")
    widget.reader.editingFinished.emit()
    assert tracer.reader == f"{HTML}2"
    assert tracer.open_row(number)
    trace(person)
    tracer.close_case()
    widget.tabs.setCurrentWidget(widget.adjudication)
    look()
    adjudication = widget.adjudication.adjudication
    assert adjudication is not None
    assert adjudication.rows
    hover_items(widget.adjudication)
    assert widget.adjudication.open(adjudication.rows[0].number)
    look()
    show_tooltips(widget.adjudication)
    (first, *_) = widget.adjudication.buttons
    assert HTML in first.text()
    first.click()
    look()
    hover_items(widget.adjudication)
    show_tooltips(widget.window())


def main(study: Path) -> None:
    viewer = napari.Viewer(show=True)
    widget = add_tracer(viewer, reader=HTML)
    tracer = widget.tracer
    person = Person(viewer, reader=HTML)
    tracer.message_shown.connect(
        lambda text, is_error: is_error and print(repr(text), file=sys.stderr, flush=True)
    )
    print("begin", flush=True)
    assert widget.open_path(study)
    look()
    numbers = list(dict.fromkeys(row.number for row in tracer.worklist.rows))
    assert len(numbers) >= 4
    for number in numbers:
        assert tracer.open_row(number)
        look()
        trace(person)
        look()
        show_tooltips(widget.window())
        person.key("F9")
        hover_items(widget.window())
        hover_canvas(person)
        person.key("F9")
    look_through(widget.worklist)
    show_dialogs(person, study)
    tracer.message_shown.emit(f"{HTML} <b>told</b>", True)
    tracer.decision_needed.emit(HTML, ((HTML, lambda: None),))
    look()
    settle_between_readers(person)
    open_as_layers(person, study)
    tracer.close_case()
    print("end", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
