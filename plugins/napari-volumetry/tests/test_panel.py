"""What the panel shows is so, and only clicks and keys change anything."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QEnterEvent, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QScrollArea, QTabBar, QWidget

CASE = "hip04, 2022-10-18"


def turn_wheel(widget: QWidget, notches: int = -1) -> None:
    """Turn the wheel over a widget."""
    at = QPointF(widget.width() / 2, widget.height() / 2)
    event = QWheelEvent(
        at,
        widget.mapToGlobal(at),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)


def chosen(part: QWidget) -> object:
    """The value of a part in which the wheel could choose another."""
    return part.text() if isinstance(part, QAbstractSpinBox) else part.currentIndex()


@pytest.fixture
def traced(person, study, disc):
    """A case with outlines on slices 5, 7 and 9."""
    person.tracer.open_study(study)
    person.pick(person.row_of(name=CASE))
    session = person.tracer.session
    assert person.tracer.lesion.name == "lesion_R1"
    for slice_number in (5, 7, 9):
        session.add_outline(slice_number - 1, disc(40, 40, 8)[:-1])
    person.tracer.update_view(redraw_now=True)
    person.look()
    return person


def test_the_wheel_chooses_nothing(traced):
    person = traced
    person.tracer.new_lesion("L")
    person.key("K")
    kinds = (QComboBox, QAbstractSpinBox, QTabBar)
    for place in range(person.widget.tabs.count()):
        person.widget.tabs.setCurrentIndex(place)
        person.look()
        parts = [part for kind in kinds for part in person.widget.findChildren(kind) if part.isVisible()]
        assert parts
        state, lesion = person.tracer.session.state, person.tracer.lesion
        before = [chosen(part) for part in parts], person.tracer.scene.window
        for part in parts:
            for over in (part, *part.findChildren(QWidget)):
                turn_wheel(over)
                turn_wheel(over, 1)
                turn_wheel(over, -2)
        person.look()
        assert ([chosen(part) for part in parts], person.tracer.scene.window) == before
        assert person.tracer.session.state is state
        assert person.tracer.lesion is lesion


def test_the_check_list_says_what_is_so_now(traced):
    person, signing = traced, traced.panel.messages.signing

    def said() -> str:
        return " ".join(person.texts_of(signing))

    person.press(person.panel.sign)
    assert "cannot be signed yet" in said()
    assert "slices 6, 8 of 12" in said()
    assert "fewer than four slices" in said()
    person.key("U", "Shift-J")
    assert signing.is_open
    assert "cannot be signed" not in said()
    assert "fewer than four" not in said()
    # What was acknowledged stays so while it is so.
    person.tracer.rename_lesion("lesion_R1", "L")
    boxes = signing.boxes
    assert boxes
    boxes[-1].click()
    person.key("Q")
    person.key("Shift-W")
    assert [box.isChecked() for box in signing.boxes] == [True] * len(signing.boxes)
    person.key("Shift-F")
    assert not signing.is_open
    person.key("Shift-D")
    person.press(person.panel.sign)
    assert not any(box.isChecked() for box in signing.boxes)
    person.tracer.close_case()
    assert not signing.is_open


def test_no_area_is_called_the_largest_where_a_slice_has_none(traced, disc):
    person, largest = traced, traced.panel.numbers.values["max_area_mm2"]
    assert (largest.text(), largest.toolTip()) == ("–", "")  # slices 6 and 8 have no outline
    person.key("U", "Shift-J")
    assert person.number("max_area_mm2") > 0
    person.tracer.session.add_outline(5, disc(44, 44, 8)[:-1])
    person.tracer.update_view()
    assert person.panel.numbers.values["volume_thickness_cm3"].text() == "–"
    assert (largest.text(), largest.toolTip()) == ("–", "")  # two outlines overlap on slice 6


def test_another_reader_goes_on_with_the_case(person, study, disc):
    person.tracer.reader = ""
    person.tracer.open_study(study)
    person.pick(person.row_of(name=CASE))
    assert "Write your initials" in person.said
    person.tracer.go_to_slice(3)
    person.zoom_to(40, 40, 5.0)
    person.key("G")
    view = person.tracer.scene.view

    def become(reader: str) -> None:
        person.widget.reader.setText(reader)
        person.widget.reader.editingFinished.emit()
        person.look()

    become("CD")
    assert person.panel.title.text() == CASE
    assert "initials" not in person.said
    assert (person.tracer.slice_index, person.tracer.tool, person.tracer.scene.view) == (3, "freehand", view)
    person.drag(disc(40, 40, 8))
    assert person.panel.state.text() == "Unsaved: R1"
    become("EF")
    # Whose the unsaved work is, is asked first; nothing has changed until then.
    assert (person.widget.reader.text(), person.panel.state.text()) == ("CD", "Unsaved: R1")
    person.press(notice_button(person, "It stays with CD"))
    assert person.widget.reader.text() == "EF"
    assert person.panel.state.text() == "Nothing traced yet"
    assert "What CD drew and did not save is kept" in person.said
    become("CD")
    # Nothing ended: it was left in this window.
    assert not person.panel.notice.isVisible()
    assert person.said.startswith("Not saved yet: the last 2 steps")
    assert len(person.tracer.session.state.contours) == 1
    # Drawn under the wrong initials, it is the other one's.
    become("GH")
    person.press(notice_button(person, "It is GH's"))
    assert person.panel.state.text() == "Unsaved: R1"
    assert person.tracer.session.can_undo
    person.press(person.panel.save)
    (saved,) = study.rglob("R1_*.trace.json")
    assert saved.name == "R1_GH.trace.json"
    become("CD")
    assert person.panel.state.text() == "Nothing traced yet"


def notice_button(person, text):
    return next(made for made in person.panel.notice.buttons if made.text() == text)


def test_without_a_case_nothing_says_there_is_one(person, study):
    person.tracer.open_study(study)
    person.pick(person.row_of(name=CASE))
    person.key("G")
    assert CASE in person.viewer.title
    person.tracer.close_case()
    person.look()
    assert CASE not in " ".join((person.viewer.title, person.panel.title.text(), person.panel.state.text()))
    for made in (*person.panel.tools.values(), *person.panel.commands.values(), person.panel.save):
        person.press(made)
        assert not made.isChecked()
        assert not made.isEnabled()


def test_a_blinded_case_of_another_reader_is_not_opened_by_its_number(person, study):
    """Numbers of a reader study belong to a reader: another one's case of that number is another scan."""
    from volumetry.tracing import plan_study

    (study / "study.toml").write_text('[reading]\nreaders = ["AB", "CD"]\nblinding = "time"\nseed = 3\n')
    plan_study(study)
    person.tracer.open_study(study)
    person.pick(0)
    assert person.tracer.case is not None
    path = person.tracer.scan_path
    person.widget.reader.setText("CD")
    person.widget.reader.editingFinished.emit()
    person.look()
    assert person.tracer.case is None or person.tracer.scan_path == path
    if person.tracer.case is None:
        assert person.widget.tabs.currentWidget() is person.worklist
        assert "was closed" in person.worklist.said.text()


def test_after_a_name_is_written_the_keys_are_the_pictures(traced):
    person = traced
    field = person.panel.lesion_name
    index = person.tracer.slice_index
    # Without a window manager nobody else makes the window the active one.
    person.canvas.window().activateWindow()
    QTest.qWaitForWindowActive(person.canvas.window(), 3000)
    for give_back in ("Return", "mouse"):
        field.setFocus()
        field.selectAll()
        QTest.keyClicks(field, f"R{len(give_back)}")
        if give_back == "Return":
            QTest.keyClick(field, Qt.Key.Key_Return)
        else:
            at = QPointF(50, 50)
            QApplication.sendEvent(person.canvas, QEnterEvent(at, at, person.canvas.mapToGlobal(at)))
        person.look()
        focus = person.canvas.window().focusWidget()
        assert focus is person.canvas
        QTest.keyClicks(focus, "w")
        person.look()
        assert person.tracer.lesion.name == f"R{len(give_back)}" == field.text()
    assert person.tracer.slice_index == index + 2


def test_long_names_do_not_widen_the_panel(traced):
    person = traced
    session = person.tracer.session
    for number in range(3):
        name = f"a lesion of the femoral head that has a long name, {number}"
        session.add_lesion(name, "L")
        session.add_outline(2 + number, np.array([(30, 30), (30, 40), (40, 40)]))
    person.tracer.update_view()
    person.tracer.decision_needed.emit(
        "What now?",
        (("Choose another folder...", print), ("Leave, and lose 12 steps", print), ("Stay", print)),
    )
    person.look()
    assert person.panel.state.text() == "Unsaved: 4 lesions"
    scroll = person.panel.findChild(QScrollArea)
    for area in (scroll, person.panel.messages):
        assert area.widget().width() <= area.viewport().width()
        for part in area.widget().findChildren(QWidget):
            if part.isVisible():
                right = part.mapTo(area.widget(), QPoint(part.width(), 0)).x()
                assert right <= area.viewport().width(), part
    assert person.widget.width() <= person.widget.maximumWidth()


def test_a_stroke_that_a_case_was_left_with_is_told(traced):
    person = traced
    person.key("G")
    (at,) = person.on_canvas(np.array([(40.0, 40.0)]))
    person.mouse(QEvent.Type.MouseButtonPress, at, held=True)
    person.mouse(QEvent.Type.MouseMove, at + 20, held=True, button=False)
    person.key("PageUp")
    assert person.panel.title.text() != CASE
    assert "dropped" in person.said
    assert person.panel.title.text() in person.said


def test_a_deleted_lesion_is_unsaved_until_its_file_is_gone(traced, study):
    person = traced
    person.key("U", "Shift-J", "Shift-S")
    (path,) = study.rglob("lesion*_AB.trace.json")
    person.press(person.panel.commands["delete_lesion"])
    assert "Ctrl+Z" in person.said
    assert person.panel.state.text() == "Unsaved: lesion_R1 deleted"
    assert person.tracer.has_unsaved
    assert path.is_file()
    person.key("Shift-S")
    assert not path.exists()
    assert person.said.startswith(f"Deleted: {path.name}")
    assert not person.tracer.has_unsaved
    person.key("Control-Z", "Shift-S")
    assert path.is_file()


@pytest.mark.parametrize("key", ["G", "K"])
def test_a_new_lesion_takes_the_side_on_which_it_is_drawn(traced, disc, key):
    person = traced
    person.viewer.reset_view()
    person.look()
    columns = person.tracer.scene.orientation.shape[2]
    person.key("Shift-F")
    assert (person.tracer.lesion.name, person.tracer.lesion.side) == ("R2", "R")
    person.key(key)
    person.drag(disc(35, columns - 15, 6))
    assert (person.tracer.lesion.name, person.tracer.lesion.side) == ("L1", "L")
    assert "New lesion L1, on the patient's left" in person.said
    assert not [w for w in person.tracer.readout.warnings if w.code == "side-mismatch"]
    # What the reader has written stays.
    person.key("Shift-F")
    person.tracer.rename_lesion("mine", "R")
    person.key(key)
    person.drag(disc(45, columns - 15, 4))
    assert (person.tracer.lesion.name, person.tracer.lesion.side) == ("mine", "R")


@pytest.mark.parametrize("name", ["hip01", "a very long name " * 3])
def test_how_far_a_case_is_can_be_read_whole(person, study, name):
    person.viewer.window.resize(1280, 800)
    for path in (study / "hip01").rglob("*.dcm"):
        data = pydicom.dcmread(path)
        data.PatientID = name
        data.save_as(path)
    person.tracer.open_study(study)
    person.widget.tabs.setCurrentWidget(person.worklist)
    person.look(0.2)
    table = person.worklist.table
    assert any(name[:12] in table.item(row, 0).text() for row in range(table.rowCount()))
    assert table.horizontalScrollBar().maximum() == 0
    for column in range(1, table.columnCount()):
        if not table.isColumnHidden(column):
            assert table.columnWidth(column) >= table.sizeHintForColumn(column)


def test_what_is_asked_and_listed_can_be_answered_without_scrolling(traced):
    """At 1280 x 800 too: the buttons of a question, and those above a check list, are in view."""
    person = traced
    person.viewer.window.resize(1280, 800)
    person.look(0.2)
    messages = person.panel.messages

    def is_in_view(part: QWidget) -> bool:
        top = part.mapTo(messages.viewport(), QPoint(0, 0)).y()
        return top >= 0 and top + part.height() <= messages.viewport().height()

    person.press(person.panel.sign)
    person.look(0.1)
    assert is_in_view(messages.signing.sign)
    assert is_in_view(messages.signing.cancel)
    # What the list says does not stand below it once more.
    told = messages.errors, messages.warnings
    assert not any(label.isVisible() for label in told)
    messages.signing.close_list()
    assert any(label.isVisible() for label in told)
    person.tracer.decision_needed.emit(
        "The last 12 steps of hip04, 2022-10-18 cannot be written to the disk, and would be lost. There "
        "is no room for the output; what was there before is intact.",
        (("Choose another folder...", print), ("Lose 12 steps", print), ("Stay", print)),
    )
    person.look(0.1)
    assert all(is_in_view(made) for made in messages.notice.buttons)


def test_lesions_over_the_same_ground_are_told_and_judged_ones_are_signed_as_such(person, study, disc):
    person.tracer.open_series(study / "hip04" / "2022-10-18" / "t1_cor")
    session = person.tracer.session
    for name in ("R1", "R2"):
        lesion = session.add_lesion(name)
        for index in range(3, 7):
            session.add_outline(
                index, disc(42, 42 + 30 * (name == "R2") * (index != 5), 8)[:-1], lesion_id=lesion
            )
    person.tracer.update_view()
    person.look()
    assert "R2 and R1 overlap (slice 6 of 12)" in person.panel.messages.warnings.text()
    person.press(person.panel.sign)
    listed = person.panel.messages.signing
    assert any("overlap" in text for text in listed._texts)
    assert not listed.sign.isEnabled()
    person.press(listed.cancel)
    person.tracer.mark_not_measurable("artefact")
    warned = person.panel.messages.warnings.text()
    assert warned.startswith("Not measurable: an artefact hides its margin.")
    assert "thick" not in warned  # nothing about a volume that there is not
    person.press(person.panel.sign)
    assert listed._head.text() == "Sign R2: not measurable, artefact"
    assert listed.boxes == []


def test_a_key_that_is_held_while_the_window_loses_the_keys_is_let_go(person, study, disc):
    from qtpy.QtCore import QEvent, Qt
    from qtpy.QtGui import QFocusEvent, QKeyEvent
    from qtpy.QtWidgets import QApplication

    person.tracer.open_series(study / "hip04" / "2022-10-18" / "t1_cor")
    person.look()
    person.zoom_to(42, 42, 5.0)
    person.key("G")
    for code, text in ((Qt.Key.Key_V, "v"), (Qt.Key.Key_Space, " ")):
        held = QKeyEvent(QEvent.Type.KeyPress, code, Qt.KeyboardModifier.NoModifier, text)
        QApplication.sendEvent(person.canvas, held)
    assert person.tracer.scene.overlay.hides_outlines
    QApplication.sendEvent(person.canvas, QFocusEvent(QEvent.Type.FocusOut))
    assert not person.tracer.scene.overlay.hides_outlines
    person.drag(disc(42, 42, 8))
    assert len(person.tracer.session.state.contours) == 1


def test_a_very_long_name_leaves_the_panel_in_its_place_and_can_be_corrected(person, study, disc):
    from qtpy.QtCore import QPoint

    person.viewer.window.resize(1280, 800)
    person.tracer.open_series(study / "hip04" / "2022-10-18" / "t1_cor")
    session = person.tracer.session
    session.add_outline(5, disc(42, 42, 8)[:-1], lesion_id=session.add_lesion("a" * 300, "L"))
    person.tracer.update_view()
    person.look(0.2)
    window = person.widget.window()
    for part in (person.panel.lesion_name, person.panel.side, person.panel.absent, person.panel.state):
        right = part.mapTo(window, QPoint(part.width(), 0)).x()
        assert right <= window.width(), part
    person.panel.lesion_name.setText(" R1 ")
    person.panel.lesion_name.editingFinished.emit()
    assert person.tracer.lesion.name == "R1"
    person.tracer.go_to_slice(11)
    person.key("Shift-W")
    assert person.said == "This is the last slice."


def test_a_fitted_picture_stays_fitted_in_a_smaller_window_and_a_zoomed_one_stays(person, study):
    person.viewer.window.resize(1600, 1000)
    person.tracer.open_series(study / "hip04" / "2022-10-18" / "t1_cor")
    person.look(0.2)

    def is_whole():
        corners = person.on_canvas(np.array([(0.0, 0.0), (99.0, 199.0)]))
        return bool(
            (corners > 0).all() and (corners[1] < [person.canvas.width(), person.canvas.height()]).all()
        )

    assert is_whole()
    person.viewer.window.resize(1000, 700)
    person.look(0.2)
    assert is_whole()
    person.zoom_to(42, 42, 7.0)
    view = person.tracer.scene.view
    person.viewer.window.resize(1280, 800)
    person.look(0.2)
    assert (person.tracer.scene.view.zoom, person.tracer.scene.view.centre_mm) == (view.zoom, view.centre_mm)
