"""The window as a radiologist uses it, by real events: hands as in a PACS, two visits, napari's own tools."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QDockWidget
from real_hand import RealHand, needs_x, turn_loop, until, window_manager

pytestmark = [pytest.mark.prove, pytest.mark.timeout(3600), needs_x]
CASE = "hip01, 2021-09-07"


@pytest.fixture
def hand(person, study):
    person.viewer.window.resize(1280, 774)
    with window_manager():
        assert person.tracer.open_study(study)
        person.pick(person.row_of(name=CASE, lesion="lesion_L1"))
        turn_loop(300)
        yield RealHand(person)


def middle(hand: RealHand, widget=None) -> list[str]:
    """Words: move to the middle of the canvas, or of a widget."""
    shown = widget or hand.person.canvas
    return ["mousemove", *hand.on_screen(shown, (shown.width() / 2, shown.height() / 2))]


def drag(button: str, dx: int = 60, dy: int = 30) -> list[str]:
    """Words: press, move, release; with pauses, since the window manager holds a press back for a moment."""
    wait = ["sleep", "0.04"]
    return [
        *wait,
        "mousedown",
        button,
        *wait,
        "mousemove_relative",
        "--",
        str(dx),
        str(dy),
        *wait,
        "mouseup",
        button,
    ]


def stroke(hand: RealHand, row: float, column: float) -> None:
    angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    hand.drag(np.column_stack((row + 8 * np.sin(angles), column + 8 * np.cos(angles))), 0.2)


def test_hands_as_in_a_pacs(hand):
    person, tracer = hand.person, hand.person.tracer
    here, index = middle(hand), tracer.slice_index
    fitted = tracer.scene.view.zoom
    hand.run([*here, "click", "5"])
    assert tracer.slice_index == index + 1
    hand.run(["click", "4"])
    assert tracer.slice_index == index
    hand.run(["keydown", "ctrl", "click", "4", "keyup", "ctrl"])
    assert tracer.scene.view.zoom > 1.1 * fitted
    assert tracer.slice_index == index
    low, high = tracer.scene.window
    hand.run([*here, *drag("3")])
    assert np.ptp(tracer.scene.window) > high - low
    hand.key("G")
    n_outlines = len(tracer.session.state.contours)
    # Twice within the time of a double click: each is a drag, and none fits the picture or draws.
    wait = ["sleep", "0.1"]
    space = ["keydown", "space", *drag("1"), *here, *drag("1"), *wait, "keyup", "space"]
    for words in (drag("2"), space):
        view = tracer.scene.view
        hand.run([*here, *words])
        moved = (np.array(view.centre_mm) - tracer.scene.view.centre_mm) * view.zoom
        times = words.count("mouseup")
        assert moved == pytest.approx([30 * times, 60 * times], abs=1)
        assert tracer.scene.view.zoom == view.zoom
    assert len(tracer.session.state.contours) == n_outlines
    hand.run([*here, "click", "1", "click", "1"])
    until(lambda: tracer.scene.view.zoom == pytest.approx(fitted, rel=0.01), "the picture to fit")
    assert len(tracer.session.state.contours) == n_outlines
    hand.run(["keydown", "v"])
    until(lambda: tracer.scene.overlay.hides_outlines, "the outlines to be hidden")
    hand.run(["keyup", "v"])
    until(lambda: not tracer.scene.overlay.hides_outlines, "the outlines to be back")
    hand.key("B")
    assert tracer.scene.image.interpolation2d == "nearest"
    for key, window in zip("1234", tracer.scene.windows, strict=False):
        hand.key(key)
        assert tracer.scene.window == (window.low, window.high)
    hand.key("?")
    assert person.widget.tabs.currentWidget() is person.widget.help
    hand.key("?")
    assert person.widget.tabs.currentWidget() is person.panel
    assert tracer.scene.overlay.bottom == f"slice {index + 1} of 12"


def test_two_visits(hand):
    person, tracer = hand.person, hand.person.tracer
    panel, other = person.panel.compare, person.widget.reading_window.other
    panel.view.setCurrentIndex(1)
    panel.view.activated.emit(1)
    until(other.isVisible, "the second picture")
    turn_loop(300)
    assert tracer.scene.overlay.top == "Follow-up  2021-09-07"
    assert tracer.comparison.label == "Baseline  2021-03-02"
    names = [made.text() for made in other.strip.buttons.values()]
    assert names == ["2021-03-02", "2021-09-07 (read)", "2022-03-08"]
    hand.run(middle(hand))
    assert other.crosshair is not None
    hand.run(middle(hand, other))
    assert tracer.scene.overlay.crosshair is not None
    n_events = len(tracer.session.events)
    hand.key("G")
    hand.run([*middle(hand, other), *drag("1", 50, 10), *drag("1", -60, 40)])
    assert len(tracer.session.events) == n_events
    (later,) = [made for made in other.strip.buttons.values() if made.text() == "2022-03-08"]
    hand.press(later)
    until(lambda: tracer.comparison.label == "Other visit  2022-03-08", "the other visit")
    assert other.isVisible()
    # Nothing there takes the keys away.
    index = tracer.slice_index
    hand.run(["mousemove", *hand.on_screen(other, (20, 90)), "click", "1"])
    hand.key("Q")
    assert tracer.slice_index == index - 1
    # The window can be made smaller again.
    height = person.viewer.window._qt_window.height()
    person.viewer.window.resize(1000, height - 150)
    until(lambda: person.viewer.window._qt_window.height() <= height - 100, "the smaller window")
    until(lambda: other.height() == person.canvas.height(), "pictures of the same height")


def test_nothing_of_napari_breaks_a_session(hand):
    person, tracer, viewer = hand.person, hand.person.tracer, hand.person.viewer
    viewer.layers.clear()
    until(lambda: tracer.scene.image in viewer.layers, "the scan to be back")
    tracer.scene.image.visible = False
    hand.run([*middle(hand), "click", "2"])
    hand.key("G")
    person.zoom_to(45, 45, 4.0)
    n_outlines = len(tracer.session.state.contours)
    stroke(hand, 45, 30)
    assert tracer.scene.image.visible
    shapes = viewer.add_shapes(units=("mm",) * 2)
    turn_loop(100)
    stroke(hand, 45, 60)
    assert len(tracer.session.state.contours) == n_outlines + 2
    hand.key("R", "E", "P", "T", "Control-Y", "Control-T", "Control-E", "Control-G")
    assert (viewer.dims.ndisplay, viewer.canvas.grid.enabled, len(shapes.data)) == (2, False, 0)
    hand.key("F9")
    (layer_list,) = [
        d for d in person.widget.window().findChildren(QDockWidget) if d.objectName() == "layer list"
    ]
    until(layer_list.isVisible, "the list of layers")
    hand.run(["mousemove", *hand.on_screen(layer_list, (60, 120)), "click", "1"])
    hand.key("Control-Y", "Delete")
    until(lambda: tracer.scene.image in viewer.layers, "the scan to be back")
    assert viewer.dims.ndisplay == 2
    # From the list itself, which wants letters for its own: the key is taken, and the keys are the picture's.
    hand.run(["mousemove", *hand.on_screen(layer_list, (60, 120)), "click", "1"])
    hand.key("F9")
    until(lambda: not layer_list.isVisible(), "the list of layers to go")
    until(person.canvas.hasFocus, "the picture to have the keys")
    person.reopen_panel()
    assert person.panel.title.text() == CASE
    assert person.panel.state.text().startswith("Unsaved")
    index = tracer.slice_index
    hand.run([*middle(hand), "click", "2"])
    hand.key("W", "Shift-S")
    assert tracer.slice_index == index + 1
    assert person.panel.state.text().startswith("Saved")
    assert len(tracer.session.state.contours) == n_outlines + 2
    tracer.close_case()
    until(layer_list.isVisible, "the list of layers to be back")
    hand.run([*middle(hand), "click", "1"])
    hand.key("Control-Y")
    assert viewer.dims.ndisplay == 3
    viewer.dims.ndisplay = 2
