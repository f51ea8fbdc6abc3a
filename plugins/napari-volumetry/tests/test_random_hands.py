"""Random hands at the window, held against a model: what is in the journal is what the hand finished."""

from __future__ import annotations

import gc
import os
import random
import shutil
from dataclasses import dataclass, field

import numpy as np
import pytest
from conftest import SAMPLES
from napari_volumetry.drawing.strokes import clicked_outline, outline_of
from napari_volumetry.drawing.tools import CLOSE_PIXELS
from napari_volumetry.tracer import MOVED_PIXELS
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication

from volumetry.tracing import number_or_reason, read_journal

SEQUENCES = 5000 if os.environ.get("VOLUMETRY_PROVE") else 250
CHUNK = 250
"""Sequences in one window: making a window takes longer than fifty of them."""
FRESH = 50
"""Sequences after which a fresh copy of the study is opened in the same window."""
STEPS = 14
HELD_OFF = ("Control-Y", "Control-E", "Control-T", "P", "R", "Shift-L", "2", "Control-G", "Delete")
ACTIONS = (
    *("press", "move", "move", "move", "move", "release") * 24,
    *("G", "G", "Shift-G", "H", "W", "Q", "Escape", "Backspace", "Control-Z", "Control-Shift-Z") * 6,
    *("Shift-S", "PageDown", "PageUp", "off", "3D", "turn", "wheel") * 2,
    # Half as often: each takes napari half a second.
    *("layers", "panel"),
)


@dataclass
class Model:
    """What should be so."""

    tool: str = "none"
    is_hole: bool = False
    path: list[np.ndarray] | None = None
    clicks: list[np.ndarray] | None = None
    begun: int = 0
    lesion: str = ""
    """The lesion of what is half drawn: redo may bring another one."""
    wanted: list[tuple[str, int, float]] = field(default_factory=list)

    def drop(self) -> bool:
        held = self.path is not None or self.clicks is not None
        self.path = self.clicks = None
        return held


class Hands:
    """Does random things, and tells the model."""

    def __init__(self, person, seed: int) -> None:
        self.person, self.random, self.model = person, random.Random(seed), Model()
        self.is_down = False
        self.at = np.array([200.0, 200.0])
        self.done: list[str] = []

    @property
    def tracer(self):
        return self.person.tracer

    def shown(self, at: np.ndarray) -> np.ndarray:
        return self.tracer.scene.view.to_display([at])[0]

    def send(self, kind: QEvent.Type, *, held: bool, button: bool) -> None:
        QApplication.sendEvent(self.person.canvas, self.person.event(kind, self.at, held=held, button=button))

    def do(self, action: str) -> None:
        self.done.append(action)
        doer = {"press": self.press, "move": self.move, "release": self.release}.get(action)
        if doer is not None:
            doer()
        elif action in ("off", "layers", "3D", "turn", "panel", "wheel"):
            getattr(self, {"off": "press_off", "3D": "flat", "turn": "turned"}.get(action, action))()
        else:
            self.press_key(action)

    def press(self) -> None:
        if self.is_down:
            return
        self.is_down = True
        self.at = np.array([self.random.uniform(100, 500), self.random.uniform(100, 400)])
        # Before it is sent: where there is no lesion, what is drawn makes one.
        lesion = self.lesion
        self.send(QEvent.Type.MouseButtonPress, held=True, button=True)
        model, here = self.model, self.shown(self.at)
        if model.tool == "freehand":
            model.path, model.begun, model.lesion = [here], self.tracer.slice_index, lesion
        elif model.tool == "polygon":
            self.click(here, lesion)

    @property
    def lesion(self) -> str:
        return self.tracer.session.current_lesion

    def click(self, here: np.ndarray, lesion: str) -> None:
        model, scene = self.model, self.tracer.scene
        if model.clicks is not None and model.lesion != lesion:
            model.clicks = None
        if model.clicks is None:
            model.lesion = lesion
        first = (model.clicks or [here])[0]
        apart = np.hypot(*((here - first) * scene.orientation.scale_mm[1:])) * scene.view.zoom
        if len(model.clicks or ()) < 3 or apart > CLOSE_PIXELS:
            model.clicks = [*(model.clicks or []), here]
            return
        ring = clicked_outline(np.array(model.clicks), scene.orientation.shape[1:])
        model.clicks = None
        if ring is not None:
            name = "add-hole" if model.is_hole else "add-outline"
            model.wanted.append((name, self.tracer.slice_index, area(ring)))
            model.is_hole = False

    def drop_where_moved(self) -> None:
        """A stroke goes when the picture moves under the mouse: its layer was deleted and made anew."""
        if self.model.path is not None:
            now = self.tracer.scene.view.to_canvas([self.model.path[-1]])[0]
            if np.abs(now - self.at).max() > MOVED_PIXELS:
                self.model.path = None

    def move(self) -> None:
        self.drop_where_moved()
        step = [self.random.uniform(-120, 120), self.random.uniform(-120, 120)]
        self.at = self.at + np.array(step)
        self.send(QEvent.Type.MouseMove, held=self.is_down, button=False)
        if self.model.path is not None:
            self.model.path.append(self.shown(self.at))

    def release(self) -> None:
        if not self.is_down:
            return
        self.is_down = False
        self.drop_where_moved()
        lesion = self.lesion
        self.send(QEvent.Type.MouseButtonRelease, held=False, button=True)
        model = self.model
        path, model.path = model.path, None
        if path is not None and model.lesion == lesion:
            here = self.shown(self.at)
            path += [] if np.array_equal(path[-1], here) else [here]
            ring = outline_of(np.array(path), self.tracer.scene.orientation.shape[1:])
            if ring is not None:
                model.wanted.append(("add-hole" if model.is_hole else "add-outline", model.begun, area(ring)))
                model.is_hole = False

    def press_key(self, key: str) -> None:
        session, model = self.tracer.session, self.model
        undo, redo = session.can_undo, session.can_redo
        before, case = self.tracer.slice_index, self.tracer.opening
        self.person.key(key)
        if key in ("G", "Shift-G"):
            wanted = {"G": "freehand", "Shift-G": "polygon"}[key]
            if wanted != model.tool:
                model.drop()
            model.tool = wanted
        elif key == "H":
            model.is_hole = not model.is_hole
            if model.is_hole and model.tool not in ("freehand", "polygon"):
                model.tool = "freehand"
        elif key == "Escape" and not model.drop():
            model.tool = "none"
        elif key in ("Backspace", "Control-Z") and (model.path is not None or model.clicks is not None):
            if model.path is None and len(model.clicks or ()) > 1:
                model.clicks.pop()
            else:
                model.drop()
        elif key == "Control-Z" and undo:
            model.wanted.append(("undo", -1, 0.0))
        elif key == "Control-Shift-Z" and redo:
            model.wanted.append(("redo", -1, 0.0))
        if self.tracer.opening != case:
            self.check(session)
            self.model = Model()
        elif self.tracer.slice_index != before:
            model.drop()

    def press_off(self) -> None:
        self.person.key(self.random.choice(HELD_OFF))

    def layers(self) -> None:
        self.person.viewer.layers.clear()
        self.person.look()

    def flat(self) -> None:
        self.person.viewer.dims.ndisplay = 3

    def turned(self) -> None:
        self.person.viewer.dims.transpose()

    def wheel(self) -> None:
        before = self.tracer.slice_index
        self.tracer.step_slices(self.random.choice((-1, 1)))
        if self.tracer.slice_index != before:
            self.model.drop()

    def panel(self) -> None:
        self.person.reopen_panel()

    def check(self, session) -> None:
        """Compare the session, and what the window shows, with the model."""
        done = [e for e in session.events if e.action in ("add-outline", "add-hole", "undo", "redo")]
        wanted = self.model.wanted
        assert [e.action for e in done[len(done) - len(wanted) :]] == [name for name, _, _ in wanted]
        for event, (name, index, pixels) in zip(done[len(done) - len(wanted) :], wanted, strict=True):
            if name.startswith("add-"):
                (contour,) = [r.after for r in event.replacements if hasattr(r.after, "contour")]
                assert contour.slice_index == index
                assert contour.contour.area_pixels == pytest.approx(pixels, rel=2e-3)


def area(ring: np.ndarray) -> float:
    rows, columns = (ring - ring.mean(axis=0)).T
    return abs(float((rows * np.roll(columns, -1) - columns * np.roll(rows, -1)).sum()) / 2)


def check_window(person) -> None:
    """What the window says is so: letters, and a number only where the saved file would have one."""
    tracer, scene = person.tracer, person.tracer.scene
    assert scene.is_upright
    assert scene.markers == scene.orientation.markers
    assert scene.image in person.viewer.layers
    lesion = tracer.lesion
    shown = person.panel.numbers.values["volume_thickness_cm3"].toolTip()
    if lesion is None or (tracer.session.state.is_empty(lesion.id) and not lesion.is_judged):
        assert not shown
        return
    trace = tracer.session.trace(lesion.id)
    answer = number_or_reason(trace, tracer.session.rule)
    assert bool(shown) == (answer.volume_thickness_cm3 is not None)
    if shown:
        assert float(shown.split()[0]) == pytest.approx(answer.volume_thickness_cm3, rel=1e-9)
    assert tracer.session.signing_check(lesion.id).can_be_signed <= answer.has_number


@pytest.fixture
def nothing_is_drawn(person):
    """A window whose picture nobody looks at: drawing it takes a software renderer most of the time."""
    person.viewer.window._qt_window.setUpdatesEnabled(False)
    # napari collects garbage after every layer that goes; what is there already need not be looked through.
    gc.collect()
    gc.freeze()
    yield person
    gc.unfreeze()
    person.viewer.window._qt_window.setUpdatesEnabled(True)


@pytest.mark.prove
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("chunk", range(SEQUENCES // CHUNK))
def test_what_the_hand_finished_is_what_is_kept(nothing_is_drawn, tmp_path, chunk):
    for part in range(0, CHUNK, FRESH):
        study = tmp_path / f"study{part}"
        shutil.copytree(SAMPLES / "study", study)
        seeds = range(CHUNK * chunk + part, CHUNK * chunk + part + FRESH)
        check_sequences(nothing_is_drawn, study, seeds)


def check_sequences(person, study, seeds):
    """Do random sequences, each by its seed, in a study; then compare the journals with the session."""
    assert person.tracer.open_study(study)
    numbers = sorted({row.number for row in person.tracer.worklist.rows})
    assert person.tracer.open_row(numbers[seeds[0] % len(numbers)])
    person.look()
    for seed in seeds:
        hands = Hands(person, seed)
        person.tracer.stop_drawing()
        person.tracer.drawing.is_hole = False
        try:
            for _ in range(STEPS):
                hands.do(hands.random.choice(ACTIONS))
            if hands.is_down:
                hands.release()
            person.key("Escape", "Escape")
            person.look()
            hands.check(person.tracer.session)
            check_window(person)
        except BaseException as error:
            error.add_note(f"sequence {seed}: {' '.join(hands.done)}")
            raise
    check_journal(person.tracer.case)


def check_journal(case):
    """Compare what is on the disk with the session, event by event."""
    assert case.wait(timeout_s=60)
    journals = sorted(case.place.hidden.glob("*.journal"), key=lambda path: path.stat().st_mtime_ns)
    if not journals:
        # The last case was opened and nothing was drawn on it: a journal begins with the first event.
        assert not any(event.is_undoable for event in case.session.events)
        return
    kept = read_journal(journals[-1])
    assert not kept.is_damaged
    held = {event.number: event for event in case.session.events}
    assert all(held[event.number] == event for event in kept.events if event.number in held)
    assert not kept.events or kept.events[-1].number == case.session.events[-1].number
