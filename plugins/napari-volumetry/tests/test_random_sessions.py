"""Random sessions in the window: a number it shows is that of ``volumetry measure``; no error is signed.

8 sessions; ``VOLUMETRY_PROVE=1`` makes 500 of them.
"""

from __future__ import annotations

import json
import os
import random

import numpy as np
import pytest
from conftest import SAMPLES

from volumetry import VolumetryError
from volumetry.cli import main
from volumetry.formats.trace_json import write_trace
from volumetry.trace import NOT_MEASURABLE_REASONS
from volumetry.tracing import CasePlace

SESSIONS = 500 if os.environ.get("VOLUMETRY_PROVE") else 8
CHUNK = 50 if os.environ.get("VOLUMETRY_PROVE") else 8
"""Sessions in one window."""
STEPS = 24
SERIES = SAMPLES / "study" / "hip04" / "2022-10-18" / "t1_cor"
NUMBERS = ("volume_thickness_cm3", "volume_spacing_cm3")


class Reader:
    """Somebody who does at random what the panel offers."""

    def __init__(self, person, seed: int) -> None:
        self.person, self.chance = person, random.Random(seed)
        self.done: list[str] = []

    @property
    def tracer(self):
        return self.person.tracer

    @property
    def panel(self):
        return self.person.panel

    def step(self) -> None:
        ways = {
            "outline": self.outline,
            "hole": self.hole,
            "brush": self.brush,
            "slice": lambda: self.tracer.go_to_slice(self.chance.randrange(2, 10)),
            "choice": self.choose,
            "absent": lambda: self.panel.absent.click(),
            "judge": self.judge,
            "side": self.side,
            "sign": self.sign,
            "reopen": lambda: self.tracer.reopen("look again"),
            "save": lambda: self.panel.save.click(),
            "reopened case": self.open_again,
        } | {name: made.click for name, made in self.panel.commands.items()}
        often = (
            ("outline",) * 6 + ("slice",) * 3 + ("interpolate", "accept_all", "copy_to_next", "sign", "sign")
        )
        name = self.chance.choice([*ways, *often])
        self.done.append(name)
        ways[name]()

    def ring(self) -> np.ndarray:
        centre = (self.chance.uniform(30, 70), self.chance.uniform(20, 100))
        angles = np.linspace(0, 2 * np.pi, self.chance.randint(5, 24), endpoint=False)
        radius = self.chance.uniform(2, 15)
        ring = np.column_stack((centre[0] + radius * np.sin(angles), centre[1] + radius * np.cos(angles)))
        if self.chance.random() < 0.1:
            self.chance.shuffle(order := list(range(len(ring))))
            ring = ring[order]
        return ring

    def draw(self, tool: str) -> None:
        getattr(self.tracer, tool)()
        view = self.tracer.scene.view
        path = view.to_canvas(self.ring())
        self.tracer.draw_press(tuple(path[0]))
        for at in path[1:]:
            self.tracer.draw_move(tuple(at))
        self.tracer.draw_release(tuple(path[-1]))

    def outline(self) -> None:
        self.draw("draw_freehand")

    def hole(self) -> None:
        self.tracer.toggle_hole()
        self.draw("draw_freehand")

    def brush(self) -> None:
        self.draw(self.chance.choice(("paint", "erase", "nudge")))

    def choose(self) -> None:
        if self.chance.random() < 0.3:
            self.panel.new_lesion.click()
        else:
            self.tracer.next_lesion()

    def judge(self) -> None:
        reason = self.chance.choice(("", *NOT_MEASURABLE_REASONS))
        self.panel.measurable.setCurrentIndex(self.panel.measurable.findData(reason))
        self.panel.measurable.activated.emit(self.panel.measurable.currentIndex())

    def side(self) -> None:
        self.panel.side.setCurrentIndex(self.chance.randrange(3))
        self.panel.side.activated.emit(self.panel.side.currentIndex())

    def sign(self) -> None:
        lesion, signing = self.tracer.lesion, self.panel.messages.signing
        if lesion is None or lesion.is_signed:
            return
        self.panel.sign.click()
        for box in signing.boxes:
            box.click()
        if self.chance.random() < 0.2:
            self.outline()  # what was read in the list is what is signed
        signing.sign.click()

    def open_again(self) -> None:
        wanted = self.tracer.case.place
        self.tracer.close_case()
        assert self.tracer.open_series(SERIES, place=wanted)


def measured(path, capsys):
    code = main(["measure", str(path), "--format", "json"])
    said = capsys.readouterr()
    if code:
        return None, said.err.split(":")[1].strip()
    (row,) = json.loads(said.out)
    return row["volume_mm3"] / 1000, ""


def check(reader, path, capsys):
    """Every lesion, as the window shows it, against the command on its file."""
    tracer, panel = reader.tracer, reader.panel
    session = tracer.session
    for lesion in list(session.state.lesions.values()):
        tracer.choose_lesion(lesion.id)
        shown = {name: panel.numbers.values[name].toolTip() for name in NUMBERS}
        texts = {name: panel.numbers.values[name].text() for name in NUMBERS}
        assert all((texts[name] == "\u2013") == (not shown[name]) for name in NUMBERS)
        if session.state.is_empty(lesion.id) and not lesion.is_judged:
            assert not any(shown.values())
            assert not lesion.is_signed
            continue
        write_trace(session.trace(lesion.id), path)
        number, code = measured(path, capsys)
        if number is None:
            assert not any(shown.values()), (code, shown)
            assert panel.messages.errors.text() or lesion.not_measurable
            assert not lesion.is_signed or lesion.not_measurable
            continue
        assert float(shown[f"volume_{session.rule.height}_cm3"].split()[0]) == pytest.approx(number, rel=1e-9)
        saved = tracer.case.path_of(lesion.id)
        if saved is not None and saved.is_file() and lesion.id not in session.state.unsaved_lesions:
            assert measured(saved, capsys)[0] == pytest.approx(number, rel=1e-9)


@pytest.mark.prove
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("chunk", range(SESSIONS // CHUNK))
def test_no_state_of_the_window_shows_what_measure_refuses(person, tmp_path, capsys, chunk):
    person.viewer.window._qt_window.setUpdatesEnabled(False)
    refused = []
    person.tracer.message_shown.connect(lambda text, is_error: is_error and refused.append(text))
    for seed in range(CHUNK * chunk, CHUNK * (chunk + 1)):
        assert person.tracer.open_series(SERIES, place=CasePlace(folder=tmp_path / f"traces{seed}"))
        reader = Reader(person, seed)
        try:
            for number in range(STEPS):
                reader.step()
                person.look()
                if number % 3 == 2:
                    check(reader, tmp_path / "x.trace.json", capsys)
        except (AssertionError, LookupError, VolumetryError) as error:
            error.add_note(f"session {seed}: {' '.join(reader.done)}")
            raise
        person.tracer.close_case()
    person.viewer.window._qt_window.setUpdatesEnabled(True)
    assert refused  # there was something to refuse
