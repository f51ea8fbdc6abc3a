"""Leaving a case, and going to the next: no stroke is lost, or goes to another case than the one shown."""

from __future__ import annotations

import errno
import subprocess
import sys

import numpy as np
import pytest
from napari.settings import get_settings
from qtpy.QtCore import QEvent, QTimer
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QApplication, QDialog, QMessageBox

from volumetry.tracing.disk.journal import JournalWriter

CASE, NEXT, THIRD = "hip04, 2020-10-06", "hip04, 2021-10-12", "hip04, 2022-10-18"
TAKE_OVER = """
import sys
from volumetry import read_scan
from volumetry.tracing import open_case, place_for
series, study, reader = sys.argv[1:]
case = open_case(read_scan(series), place_for(series, study=study), reader=reader, take_over=True)
case.session.add_lesion("X9", "R")
case.wait()
print("ready", flush=True)
sys.stdin.readline()
print([saved.is_conflict for saved in case.save()], flush=True)
case.close()
"""


@pytest.fixture
def drawn(person, study, disc):
    """Two outlines in the first of two cases, not saved."""
    person.tracer.open_study(study)
    person.pick(person.row_of(name=CASE))
    person.zoom_to(40, 40, 5.0)
    person.key("G")
    person.drag(disc(40, 40, 8))
    person.key("W")
    person.drag(disc(40, 40, 8))
    person.tracer.case.wait()
    return person


def is_open(person, name: str) -> bool:
    return person.tracer.case is not None and person.panel.title.text() == name


def damage(person, name: str) -> int:
    """Make the scan of a row unreadable; return its number."""
    rows = {row.name: row.number for row in person.tracer.worklist.rows}
    scan = person.tracer.worklist.scan_path(rows[name])
    for path in scan.iterdir() if scan.is_dir() else [scan]:
        path.write_bytes(b"nothing")
    return rows[name]


def states(person, name: str) -> set[str]:
    table = person.worklist.table
    return {table.item(row, 4).text() for row in range(table.rowCount()) if table.item(row, 0).text() == name}


@pytest.fixture
def full(monkeypatch):
    """Let the disk take no more, until it is called."""

    def fail(*_args):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(JournalWriter, "_write", fail)
    return monkeypatch.undo


def test_what_cannot_be_opened_leaves_no_other_case_under_the_mouse(drawn):
    person = drawn
    damage(person, NEXT)
    person.pick(person.row_of(name=NEXT))
    assert person.tracer.case is None
    assert NEXT in person.worklist.said.text()
    assert CASE not in person.viewer.title
    person.key("G")
    assert states(person, NEXT) == {"unreadable"}
    person.pick(person.row_of(name=CASE))
    assert len(person.tracer.session.state.contours) == 2


def test_steps_pass_over_what_cannot_be_opened(drawn):
    person = drawn
    damage(person, NEXT)
    for key, wanted in (("PageDown", THIRD), ("PageUp", CASE), ("PageDown", THIRD), ("PageUp", CASE)):
        person.key(key)
        assert is_open(person, wanted)
        assert f"Passed over, since it cannot be opened: {NEXT}" in person.said
    person.key("Shift-PageDown")
    assert person.tracer.case is not None
    assert not is_open(person, CASE)
    # The last one: there is nothing behind it, and the case in view stays.
    last = person.tracer.worklist.rows[-1]
    before = [row for row in person.tracer.worklist.rows if row.number != last.number][-1]
    damage(person, last.name)
    assert person.tracer.open_row(before.number)
    person.key("PageDown")
    assert is_open(person, before.name)
    assert last.name in person.said


def test_the_worklist_says_at_once_what_is_in_progress(drawn):
    person = drawn
    person.widget.tabs.setCurrentWidget(person.worklist)
    person.look()
    assert "in progress" in states(person, CASE)
    person.key("Control-S")
    assert person.panel.state.text().startswith("Saved ")


@pytest.mark.parametrize("way", ["PageDown", "worklist", "reader"])
def test_strokes_that_cannot_be_kept_are_not_left_without_a_question(drawn, disc, full, tmp_path, way):
    person, notice = drawn, drawn.panel.notice

    def leave():
        if way == "worklist":
            person.pick(person.row_of(name=NEXT))
        elif way == "reader":
            person.widget.reader.setText("CD")
            person.widget.reader.editingFinished.emit()
            person.look()
        else:
            person.key("PageDown")

    person.key("W")
    person.drag(disc(40, 40, 8))
    leave()
    assert is_open(person, CASE)
    assert person.tracer.reader == "AB" == person.widget.reader.text()
    assert notice.text.text().startswith(f"The last step of {CASE} cannot be written")
    stay = next(made for made in notice.buttons if made.text() == "Stay")
    person.press(stay)
    assert len(person.tracer.session.state.contours) == 3
    leave()
    lose = next(made for made in notice.buttons if made.text() == "Lose 1 step")
    person.press(lose)
    assert person.tracer.case is not None
    assert is_open(person, CASE if way == "reader" else NEXT)
    assert person.tracer.reader == ("CD" if way == "reader" else "AB")


def test_room_that_is_made_ends_the_question(drawn, disc, full):
    person = drawn
    person.key("W")
    person.drag(disc(40, 40, 8))
    person.until(lambda: person.tracer.case.n_unkept)
    person.tracer.update_view()
    person.look()
    assert person.panel.notice.isVisible()
    assert person.panel.notice.text.text().endswith("what was drawn since then is in this window alone.")
    full()
    person.key("Shift-S")
    assert person.panel.state.text().startswith("Saved")
    assert not person.panel.notice.isVisible()
    person.key("PageDown")
    assert is_open(person, NEXT)


@pytest.mark.parametrize("tool", ["freehand", "K", "L"])
def test_what_is_half_drawn_is_dropped_with_a_word(drawn, disc, tool):
    person, is_held = drawn, tool != "L"
    before = person.tracer.session.state.contours
    person.key("W")
    if tool != "freehand":
        person.key(tool)
    path = person.on_canvas(disc(40, 40, 8)[:12])
    person.mouse(QEvent.Type.MouseButtonPress, path[0], held=True)
    if not is_held:
        person.mouse(QEvent.Type.MouseButtonRelease, path[0], held=False)
    for at in path[1:]:
        person.mouse(QEvent.Type.MouseMove, at, held=is_held, button=False)
    person.key("PageDown")
    assert is_open(person, NEXT)
    assert "dropped" in person.said
    if is_held:
        person.mouse(QEvent.Type.MouseButtonRelease, path[-1], held=False)
    assert not person.tracer.session.state.contours
    person.key("PageUp")
    assert dict(person.tracer.session.state.contours) == dict(before)
    assert "dropped" not in person.said


def test_closing_says_what_would_be_lost(drawn, disc, full, monkeypatch):
    person = drawn
    asked: list[tuple[str, list[str]]] = []

    def stay(box):
        asked.append((box.text(), [made.text() for made in box.buttons()]))
        return 0

    monkeypatch.setattr(QMessageBox, "exec", stay)
    person.key("W")
    person.drag(disc(40, 40, 8))
    QApplication.sendEvent(person.widget.window(), QCloseEvent())
    ((text, buttons),) = asked
    assert "cannot be written to the disk, and would be lost" in text
    assert "kept" not in text
    assert "Close, and lose it" in buttons
    assert person.tracer.case is not None
    full()


@pytest.mark.parametrize("is_foreign", [False, True])
def test_closing_asks_one_question(drawn, monkeypatch, is_foreign):
    """The tracer's; napari's own question is for what the tracer did not bring."""
    person = drawn
    monkeypatch.setattr(get_settings().application, "confirm_close_window", True)
    if is_foreign:
        person.viewer.add_points(np.zeros((1, 3)))
    asked, seen = [], []

    def answered(box):
        asked.append(box.text())
        next(made for made in box.buttons() if made.text() == "Stay").click()
        return 0

    def look():
        dialog = QApplication.activeModalWidget()
        if isinstance(dialog, QDialog):
            seen.append(dialog.windowTitle())
            dialog.accept()

    monkeypatch.setattr(QMessageBox, "exec", answered)
    timer = QTimer()
    timer.timeout.connect(look)
    timer.start(100)
    window = person.widget.window()
    window.close(confirm_need=True)  # as Ctrl+W and the menu do
    timer.stop()
    assert len(asked) == 1
    assert asked[0].startswith("Unsaved: ")
    assert seen == (["Close Window?"] if is_foreign else [])
    assert window.isVisible()
    assert is_open(person, CASE)


def test_from_whom_a_case_is_taken_saves_nothing_over_it(drawn, study):
    person = drawn
    person.key("Shift-S")
    (saved,) = (path for path in study.rglob("*_AB.trace.json"))
    content = saved.read_bytes()
    series = str(person.tracer.scan_path)
    other = subprocess.Popen(
        [sys.executable, "-c", TAKE_OVER, series, str(study), "AB"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert other.stdout.readline() == "ready\n"
        person.key("Shift-S")
        assert person.panel.state.text() == "Read-only"
        assert "taken over" in person.panel.notice.text.text()
        assert saved.read_bytes() == content
        assert [made.text() for made in person.panel.notice.buttons] == ["Only look", "Take over"]
        said, _ = other.communicate("save\n")
        assert said == "[False]\n"
    finally:
        other.kill()
        other.wait()
    assert not list(study.rglob("*conflict*"))
    person.press(person.panel.notice.buttons[1])
    assert not person.tracer.session.is_read_only
    assert {lesion.name for lesion in person.tracer.session.state.lesions.values()} >= {"X9"}
