"""Real events in the middle of a stroke: nothing lands elsewhere, and what was finished stays."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from napari_volumetry.picture.compare import VIEWS
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QMessageBox, QWidget
from real_hand import RealHand, both_cores_busy, needs_x, stand_still, turn_loop, until, window_manager

PROVES = bool(os.environ.get("VOLUMETRY_PROVE"))
pytestmark = [pytest.mark.prove, pytest.mark.timeout(3600), needs_x]
CASE = "hip04, 2022-10-18"

ENDS_IT = {
    "next case": ["key", "Next"],
    "previous case": ["key", "Prior"],
    "next slice by key": ["key", "w"],
    "previous slice by key": ["key", "q"],
    "next slice by wheel": ["click", "5"],
    "previous slice by wheel": ["click", "4"],
    "undo": ["key", "ctrl+z"],
    "Escape": ["key", "Escape"],
    "Backspace": ["key", "BackSpace"],
    "another tool": ["key", "n"],
    "new lesion": ["key", "shift+f"],
    "window close, then stay": ["key", "alt+F4"],
}
GOES_ON = {
    "save": ["key", "shift+s"],
    "zoom by wheel": ["keydown", "ctrl", "click", "4", "keyup", "ctrl"],
    "redo": ["key", "ctrl+shift+z"],
    "hide outlines": ["key", "v"],
    "a window": ["key", "2"],
    "the page of keys": ["key", "question", "key", "question"],
    "the other buttons": ["click", "2", "click", "3"],
    "napari's 3D": ["key", "ctrl+y"],
    "napari's transpose": ["key", "ctrl+t"],
    "another window in front": ["key", "F12"],
}


def chosen(table: dict[str, list[str]], *some: str) -> dict[str, list[str]]:
    """All of a table where it is proved, and some of it in CI."""
    return table if PROVES else {name: table[name] for name in some}


@pytest.fixture(params=("idle", "loaded") if PROVES else ("idle",))
def hand(person, study, request):
    with window_manager(), both_cores_busy() if request.param == "loaded" else nullcontext():
        assert person.tracer.open_study(study)
        person.pick(person.row_of(name=CASE))
        made = RealHand(person)
        stand_still(person)
        yield made


def ring_at(row: float, column: float, radius: float = 9.0) -> np.ndarray:
    angles = 2 * np.pi * np.arange(24) / 24
    return np.column_stack((row + radius * np.sin(angles), column + radius * np.cos(angles)))


def interrupted(hand: RealHand, name: str, words: list[str], shown: np.ndarray) -> None:
    """Begin a stroke, do something else in its middle, and end it."""
    person = hand.person
    path = np.round(person.on_canvas(shown))
    half = len(path) // 2
    first = ["mousemove", *hand.on_screen(person.canvas, path[0]), "sleep", "0.05", "mousedown", "1"]
    hand.run([*first, *hand.along(path[:half], 0.1)])
    if name.startswith("window close"):
        stay_when_asked(hand, words)
    else:
        hand.run(words)
    hand.run([*hand.along(path[half:], 0.1), "mouseup", "1"], settle_ms=120)


def stay_when_asked(hand: RealHand, words: list[str]) -> None:
    """Close the window, and answer its question by Escape, whenever it comes."""
    asked: list[QWidget] = []

    def escape() -> None:
        box = QApplication.activeModalWidget()
        if isinstance(box, QMessageBox) and box.isActiveWindow() and not asked:
            asked.append(box)
            subprocess.run(["xdotool", "key", "Escape"], check=True)

    timer = QTimer()
    timer.timeout.connect(escape)
    timer.start(50)
    hand.run(words)
    until(lambda: asked and QApplication.activeModalWidget() is None, "the question before closing")
    timer.stop()
    until(hand.person.viewer.window._qt_window.isActiveWindow, "the window to be active again")


def outlines(person) -> list[tuple[int, float, float]]:
    """(slice, area in pixels, row of the middle) of what is traced in the case in view."""
    found = person.tracer.session.state.contours.values()
    return sorted((c.slice_index, round(c.contour.area_pixels, 6), c.vertices[:, 0].mean()) for c in found)


def begin(hand: RealHand, name: str) -> list[tuple[int, float, float]]:
    """Open the case, with one finished outline more on its middle slice, and the tool chosen."""
    person = hand.person
    if person.tracer.name != CASE:
        person.pick(person.row_of(name=CASE))
    stand_still(person)
    person.tracer.go_to_slice(5)
    if person.tracer.session.state.contours:
        person.tracer.choose_lesion(next(iter(person.tracer.session.state.lesions)))
        person.tracer.clear_slice()
    person.zoom_to(45, 45, 4.0)
    person.tracer.draw_freehand()
    hand.drag(ring_at(45, 25, 7.0), 0.1)
    held = outlines(person)
    assert len(held) == 1, name
    assert held[0][0] == 5
    return held


def test_what_ends_a_stroke_leaves_nothing_behind(hand):
    person = hand.person
    some = chosen(ENDS_IT, "next case", "next slice by wheel", "undo", "window close, then stay")
    for name, words in some.items():
        held = begin(hand, name)
        before = person.tracer.opening
        interrupted(hand, name, words, ring_at(45, 55))
        assert "dropped" in person.said or person.tracer.opening != before, (name, person.said)
        if person.tracer.opening != before:
            assert person.tracer.name != CASE
            assert not any(e.action == "add-outline" for e in person.tracer.session.events), name
            person.pick(person.row_of(name=CASE))
        assert outlines(person) == held, name
        assert person.tracer.case is not None


def test_what_does_not_end_a_stroke_leaves_it_as_it_was_drawn(hand):
    person = hand.person
    other = QWidget()
    other.setGeometry(1200, 700, 200, 200)
    for name, words in chosen(GOES_ON, "save", "another window in front").items():
        held = begin(hand, name)
        if name == "another window in front":
            other.show()
            until(other.isActiveWindow, "the other window")
            hand.press(person.canvas, (5, 5))
            until(person.viewer.window._qt_window.isActiveWindow, "the window to be active again")
            words = ["windowactivate", "--sync", str(int(other.winId()))]
        shown = ring_at(45, 55)
        interrupted(hand, name, words, shown)
        found = outlines(person)
        assert held[0] in found, name
        assert len(found) == 2, (name, person.said)
        ((index, area, _),) = [one for one in found if one != held[0]]
        assert index == 5, name
        if "zoom" not in name:
            assert area == pytest.approx(np.pi * 81, rel=0.02), name
    other.close()


def laid_out_anew(person) -> Iterator[tuple[str, Callable[[], object], bool]]:
    """(name, what is done in mid-stroke, whether the picture then lies elsewhere under the mouse)."""
    window, tracer = person.viewer.window, person.tracer
    compare = person.panel.compare
    yield "second picture shown", lambda: compare._set_view(VIEWS.index("side by side")), True
    yield "second picture hidden", lambda: compare._set_view(VIEWS.index("hidden")), True
    yield "window made smaller", lambda: window.resize(1000, 640), True
    yield "window made larger", lambda: window.resize(1250, 860), True
    yield "layers shown", tracer.layers_wanted.emit, True
    yield "layers hidden", tracer.layers_wanted.emit, True
    yield "panel closed", lambda: person.widget.parentWidget().hide(), True
    yield "panel opened", lambda: person.widget.parentWidget().show(), True
    yield "fit", tracer.fit, True
    yield "zoom by somebody else", lambda: tracer.scene.set_view(replace(tracer.scene.view, zoom=5.0)), True
    yield "light", lambda: setattr(person.viewer, "theme", "light"), False
    yield "dark", lambda: setattr(person.viewer, "theme", "dark"), False
    yield "the same view again", lambda: tracer.scene.set_view(tracer.scene.view), False


def test_a_stroke_under_which_the_picture_moves_is_dropped(hand):
    """Its vertices are what the hand saw under the mouse, or there is no stroke and the window says so."""
    person = hand.person
    some = ("second picture shown", "second picture hidden", "window made smaller", "fit", "light")
    for name, act, moves in laid_out_anew(person):
        if not PROVES and name not in some:
            continue
        held = begin(hand, name)
        stand_still(person)
        person.zoom_to(45, 45, 4.0)
        stand_still(person)
        seen = person.tracer.scene.view
        shown = ring_at(45, 55)
        path = np.round(person.on_canvas(shown))
        half = len(path) // 2
        begun = ["mousemove", *hand.on_screen(person.canvas, path[0]), "sleep", "0.05", "mousedown", "1"]
        rest = hand.along(path[half:], 0.1)
        events = len(person.tracer.session.events)
        hand.run([*begun, *hand.along(path[:half], 0.1)])
        act()
        stand_still(person)
        hand.run([*rest, "mouseup", "1"], settle_ms=120)
        found, kept = outlines(person), person.tracer.session.events[events:]
        assert held[0] in found, name
        if moves or not kept:
            assert moves, (name, person.said)
            assert not kept, name
            assert "the picture moved under the mouse" in person.said, (name, person.said)
        else:
            assert len(kept) == 1, name
            assert person.tracer.scene.view == seen, name
        if not moves:
            ((index, area, row),) = [one for one in found if one != held[0]]
            assert (index, area) == (5, pytest.approx(np.pi * 81, rel=0.02)), name
            assert row == pytest.approx(45, abs=0.3), name
        if PROVES:
            print(f"{name}: {'dropped and told' if not kept else 'kept as seen'}")


def test_a_half_drawn_polygon_goes_with_its_case(hand):
    """Clicked in part, and then another case is opened by a double click in the worklist."""
    person = hand.person
    held = begin(hand, "polygon")
    hand.key("Shift-G")
    for shown in ((40.0, 50.0), (40.0, 60.0), (50.0, 60.0)):
        hand.run([*hand.to(shown), "sleep", "0.03", "click", "1"])
    assert person.tracer.drawing.is_half_drawn
    person.widget.tabs.setCurrentWidget(person.worklist)
    turn_loop(100)
    table = person.worklist.table
    row = person.row_of(name="hip03, 2022-02-15")
    table.scrollToItem(table.item(row, 0))
    turn_loop(50)
    place = table.visualItemRect(table.item(row, 0)).center()
    hand.press(table.viewport(), (place.x(), place.y()), times=2)
    until(lambda: person.tracer.name == "hip03, 2022-02-15", "the other case")
    assert not any(e.action == "add-outline" for e in person.tracer.session.events)
    assert not person.tracer.drawing.is_half_drawn
    # The first click there draws nothing: no tool is chosen, nothing is half drawn.
    hand.run([*hand.to((45.0, 45.0)), "click", "1"])
    assert not any(e.action == "add-outline" for e in person.tracer.session.events)
    person.pick(person.row_of(name=CASE))
    assert outlines(person) == held


def test_closing_asks_for_what_is_not_saved(hand, monkeypatch):
    """By the window's button (Alt+F4), and by napari's own Ctrl+W and Ctrl+Q: each is asked, once."""
    person = hand.person
    begin(hand, "close")
    asked: list[str] = []

    def answer(box: QMessageBox) -> int:
        asked.append(box.text())
        (stay,) = [b for b in box.buttons() if b.text() == "Stay"]
        stay.click()
        return 0

    monkeypatch.setattr(QMessageBox, "exec", answer)
    for number, key in enumerate(("alt+F4", "ctrl+w", "ctrl+q"), start=1):
        hand.run(["key", key])
        until(lambda number=number: len(asked) >= number, key)
        turn_loop(300)
        assert len(asked) == number, key
        assert asked[-1].startswith("Unsaved: "), asked
        assert person.viewer.window._qt_window.isVisible()
    assert len(outlines(person)) == 1
    # napari would otherwise end the application with the next window that is closed.
    person.viewer.window._qt_window._quit_app = False
