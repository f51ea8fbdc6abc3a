"""What happens when things go wrong: crashes, two people, disks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from napari_volumetry.launch import add_tracer

from volumetry.errors import OutputError

SESSION = """
import os, sys, time
import numpy as np
from volumetry import read_scan
from volumetry.tracing import open_case, place_for
series, reader, then = sys.argv[1:]
case = open_case(read_scan(series), place_for(series), reader=reader)
case.session.add_lesion("R1", "R")
for index in (3, 4, 5):
    case.session.add_outline(index, [(30, 30), (30, 40), (40, 40), (40, 30)])
case.wait()
print("ready", flush=True)
if then == "crash":
    os._exit(9)
time.sleep(120)
"""


@pytest.fixture
def series(study: Path) -> Path:
    return study / "hip04" / "2022-10-18" / "t1_cor"


def test_after_a_crash_the_work_is_there(person, series):
    done = subprocess.run(
        [sys.executable, "-c", SESSION, str(series), "AB", "crash"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (9, "ready\n"), done.stderr
    assert person.tracer.open_series(series)
    person.look()
    assert "ended without saving" in person.panel.notice.text.text()
    assert person.number("slice_area_mm2") > 0
    person.press(person.panel.notice.buttons[0])
    assert not person.panel.notice.isVisible()
    person.key("Control-Z")
    assert len(person.tracer.session.state.contours) == 2


def test_after_a_crash_one_can_go_back(person, series):
    subprocess.run([sys.executable, "-c", SESSION, str(series), "AB", "crash"], capture_output=True)
    person.tracer.open_series(series)
    person.look()
    person.press(person.panel.notice.buttons[1])
    assert not person.tracer.session.state.contours


def test_who_draws_on_after_a_crash_has_answered_and_loses_nothing(person, series, disc):
    subprocess.run([sys.executable, "-c", SESSION, str(series), "AB", "crash"], capture_output=True)
    person.tracer.open_series(series)
    person.look()
    person.zoom_to(40, 40, 5.0)
    person.key("W")
    assert person.panel.notice.isVisible()
    person.tracer.go_to_slice(8)
    person.key("G")
    person.drag(disc(40, 40, 8))
    assert len(person.tracer.session.state.contours) == 4
    assert not person.panel.notice.isVisible()
    assert person.panel.notice.buttons == []
    person.key("Control-Z")
    assert len(person.tracer.session.state.contours) == 3


def test_the_second_to_open_is_told_and_cannot_draw(person, series, disc):
    other = subprocess.Popen(
        [sys.executable, "-c", SESSION, str(series), "AB", "wait"], stdout=subprocess.PIPE
    )
    try:
        assert other.stdout is not None
        other.stdout.readline()
        person.tracer.open_series(series)
        person.look()
        assert "AB has this case open" in person.panel.notice.text.text()
        person.viewer.reset_view()
        person.key("G")
        before = person.tracer.session.state.contours
        person.drag(disc(40, 40, 8))
        assert person.tracer.session.state.contours == before
        assert "read-only" in person.said
        # Nothing was taken from anybody: the first notice stays.
        person.key("Shift-S")
        assert "AB has this case open" in person.panel.notice.text.text()
        assert "taken over" not in person.panel.notice.text.text()
    finally:
        other.kill()
        other.wait()
        other.stdout.close()


@pytest.mark.parametrize("content", [b"", b"\0\xff", b'{"host": "here", "pid": "x"}'])
def test_a_damaged_lock_is_nobody(person, series, content):
    """Its file says of nobody that they have the case open; the case can be taken over."""
    person.tracer.open_series(series)
    (lock,) = (series / ".volumetry").glob("*.lock")
    person.tracer.close_case()
    lock.write_bytes(content)
    person.tracer.open_series(series)
    person.look()
    said = person.panel.notice.text.text()
    assert said.startswith("The file that says who has this case open is damaged.")
    assert person.tracer.session.is_read_only
    person.press(person.panel.notice.buttons[1])
    assert not person.tracer.session.is_read_only


def test_what_is_loaded_is_told_chosen_and_taken_back_by_one_undo(person, study, disc):
    person.tracer.open_series(study / "hip01" / "2021-09-07" / "t1_cor")
    person.tracer.new_lesion("R")
    own = person.tracer.lesion
    person.tracer.session.add_outline(3, disc(40, 40, 8)[:-1])
    before = person.tracer.session.state.records
    person.tracer.load_outlines(study / "hip01" / "2021-09-07" / "rtstruct.dcm")
    person.look()
    lesion, state = person.tracer.lesion, person.tracer.session.state
    assert lesion.id != own.id
    n_slices = len(state.slices_of(lesion.id))
    assert n_slices > 1
    assert person.said.startswith("Loaded: ")
    assert f"{lesion.name} ({n_slices} slices)" in person.said
    assert "Ctrl+Z" in person.said
    person.key("Control-Z")
    assert person.tracer.session.state.records == before
    assert person.tracer.lesion == own
    assert person.panel.commands["undo"].isEnabled()
    person.key("Control-Z")
    assert not person.tracer.session.state.contours


def test_outlines_from_another_file_are_not_saved_until_they_are(person, study):
    series = study / "hip01" / "2021-09-07" / "t1_cor"
    person.tracer.open_series(series)
    person.tracer.load_outlines(study / "hip01" / "2021-09-07" / "rtstruct.dcm")
    person.look()
    assert person.panel.state.text().startswith("Unsaved: ")
    assert person.tracer.has_unsaved
    person.key("Shift-S")
    assert person.panel.state.text().startswith("Saved ")
    assert not person.tracer.has_unsaved
    person.tracer.close_case()
    person.tracer.open_series(series)
    person.look()
    assert person.panel.state.text().startswith("Saved")


@pytest.mark.parametrize("code", ["disk-full", "read-only"])
def test_what_cannot_be_written_is_said_and_another_place_is_offered(
    person, series, disc, tmp_path, monkeypatch, code
):
    person.tracer.open_series(series)
    person.look()
    person.key("G")
    person.zoom_to(40, 40, 5.0)
    person.drag(disc(40, 40, 8))
    save = type(person.tracer.case).save

    def fail(case, *args):
        if case.place.folder != tmp_path / "elsewhere":
            raise OutputError(
                code, "the trace cannot be written", where=case.place.folder, todo="Name another place."
            )
        return save(case, *args)

    monkeypatch.setattr(type(person.tracer.case), "save", fail)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(
        "napari_volumetry.panels.panel.QFileDialog.getExistingDirectory",
        lambda *_: str(tmp_path / "elsewhere"),
    )
    person.key("Shift-S")
    assert "cannot be written" in person.panel.notice.text.text()
    assert not list(series.glob("*.trace.json"))
    person.key("W")
    person.drag(disc(40, 40, 7))
    assert len(person.tracer.session.state.contours) == 2
    person.press(person.panel.notice.buttons[0])
    assert list((tmp_path / "elsewhere").rglob("*.trace.json"))
    assert person.said.startswith("Saved")


def test_the_question_for_a_folder_goes_with_the_save_that_works(person, series, disc, monkeypatch):
    person.tracer.open_series(series)
    person.key("G")
    person.zoom_to(40, 40, 5.0)
    person.drag(disc(40, 40, 8))
    save, fails = type(person.tracer.case).save, [OutputError("disk-full", "there is no room")]

    def fail_once(case, *args):
        if fails:
            raise fails.pop()
        return save(case, *args)

    monkeypatch.setattr(type(person.tracer.case), "save", fail_once)
    person.key("Shift-S")
    # The strokes are on the disk: only the trace is not.
    assert person.panel.notice.text.text().endswith("what was drawn since then is kept in the journal.")
    person.key("Shift-S")
    assert person.panel.state.text().startswith("Saved")
    assert not person.panel.notice.isVisible()


def test_a_folder_that_cannot_be_written_is_said_at_once(person, series, tmp_path, monkeypatch):
    (series / ".volumetry").write_text("in the way")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(
        "napari_volumetry.panels.panel.QFileDialog.getExistingDirectory",
        lambda *_: str(tmp_path / "elsewhere"),
    )
    person.widget.tabs.setCurrentWidget(person.panel)
    assert not person.tracer.open_series(series)
    person.look()
    assert "Choose another folder..." in [made.text() for made in person.panel.notice.buttons]
    person.press(person.panel.notice.buttons[0])
    assert person.tracer.case is not None
    assert person.tracer.case.place.folder == tmp_path / "elsewhere"


def test_a_signed_lesion_is_locked_until_there_is_a_reason(person, series, disc, monkeypatch):
    person.tracer.open_series(series)
    person.look()
    person.key("G")
    person.zoom_to(40, 40, 5.0)
    person.drag(disc(40, 40, 8))
    area = person.number("slice_area_mm2")
    person.press(person.panel.sign)
    signing = person.panel.messages.signing
    assert signing.boxes
    assert not signing.sign.isEnabled()
    for box in signing.boxes:
        person.press(box)
    person.press(signing.sign)
    assert person.tracer.lesion.is_signed
    assert person.panel.state.text().startswith("Signed by AB, ")
    assert person.said.startswith("Signed by AB, ")
    person.drag(disc(40, 60, 5))
    assert "signed" in person.said
    assert person.number("slice_area_mm2") == area
    assert len(person.tracer.scene.outlines) == 1
    monkeypatch.setattr(
        "napari_volumetry.panels.save_row.QInputDialog.getText", lambda *_: ("the rim was missed", True)
    )
    person.press(person.panel.sign)
    assert not person.tracer.lesion.is_signed
    person.drag(disc(40, 60, 5))
    assert person.number("slice_area_mm2") > area


def test_a_panel_that_was_closed_for_good_hears_nothing_any_more(person, study, disc):
    assert person.tracer.open_study(study)
    assert person.tracer.open_row(1)
    first, overlay = person.panel, person.tracer.scene.overlay
    for _ in range(2):
        person.viewer.window.remove_dock_widget(person.widget)
        person.look()
        assert overlay.note == "Nothing traced yet. Plugins > Volumetry > Tracer shows the panel again"
        person.widget = add_tracer(person.viewer)
        person.look()
        assert overlay.note == ""
    said = []
    first.messages.say = lambda text, is_error: said.append(text)
    person.tracer.say("Saved.", False)
    assert said == []
    assert person.widget.panel.said.text() == "Saved."


def test_errors_count_slices_as_the_picture_does(person, study, disc):
    assert person.tracer.open_series(study / "hip04" / "2022-10-18" / "t1_cor")
    person.tracer.new_lesion("L")
    person.tracer.go_to_slice(4)
    person.tracer.session.paint(4, [(20, 20), (20, 21), (21, 20), (21, 21)])
    person.key("G")
    person.drag(disc(40, 40, 8))
    assert "slice is painted" in person.said
    assert "slice 5" in person.said
    assert "slice_index" not in person.said
