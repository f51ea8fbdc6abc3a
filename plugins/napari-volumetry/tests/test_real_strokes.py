"""Strokes by a real mouse: what the hand did is what is measured, at every speed, however busy the machine.

A part of it runs in CI. The whole, ten times each, prints its figures:

    VOLUMETRY_PROVE=1 .ci/on-a-screen pytest -n 0 -s plugins/napari-volumetry/tests/test_real_strokes.py
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from contextlib import nullcontext

import numpy as np
import pytest
from napari_volumetry.drawing.strokes import brushed, outline_of, pushed
from real_hand import RealHand, bare_count, both_cores_busy, needs_x, stand_still, turn_loop, window_manager

PROVES = bool(os.environ.get("VOLUMETRY_PROVE"))
TIMES = 10 if PROVES else 1
SPEEDS_S = (3.2, 1.35, 0.6, 0.3) if PROVES else (0.6, 0.3)
LOADS = ("idle", "loaded") if PROVES else ("loaded",)
SLOW_S = 0.2
N = 60
LEAST_SHARE = 0.95
PIXELS = (60.0, 45.0)
"""Half axes of the ellipse on the canvas."""

pytestmark = [pytest.mark.prove, pytest.mark.timeout(3600), needs_x]
figures: dict[tuple[str, ...], list[float]] = defaultdict(list)


def ellipse(person) -> np.ndarray:
    """60 positions round an ellipse, as (row, column) of the slice, at whole pixels of the canvas."""
    angles = 2 * np.pi * np.arange(N) / N
    middle = np.array([person.canvas.width(), person.canvas.height()]) / 2
    canvas = np.round(middle + np.column_stack((PIXELS[0] * np.cos(angles), PIXELS[1] * np.sin(angles))))
    return person.tracer.scene.view.to_display(canvas)


def area(ring: np.ndarray) -> float:
    rows, columns = (ring - ring.mean(axis=0)).T
    return abs(float((rows * np.roll(columns, -1) - columns * np.roll(rows, -1)).sum()) / 2)


@pytest.fixture
def hand(person, study):
    """A real hand at a case, zoomed in; a lesion that is traced between strokes is taken back."""
    with window_manager():
        assert person.tracer.open_series(study / "hip04" / "2022-10-18" / "t1_cor")
        made = RealHand(person)
        stand_still(person)
        person.zoom_to(50, 50, 4.0)
        yield made


def slow_redraws(person, seconds: float) -> None:
    """Make every redraw of the scene take longer."""
    canvas = person.viewer.window._qt_viewer.canvas._scene_canvas
    canvas.events.draw.connect(lambda _event: time.sleep(seconds))


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("redraw", ["plain", "slow"] if PROVES else ["plain"])
def test_the_area_does_not_depend_on_the_speed(hand, load, redraw):
    person = hand.person
    if redraw == "slow":
        slow_redraws(person, SLOW_S)
    hand.key("G")
    assert person.tracer.tool == "freehand"
    shown = ellipse(person)
    canvas = np.round(person.on_canvas(shown))
    with both_cores_busy() if load == "loaded" else nullcontext():
        for seconds in SPEEDS_S:
            bare = bare_count(hand, canvas, seconds)
            for _ in range(TIMES):
                arrived: list[int] = []
                take = person.tracer.take_outline

                def watched(stroke, ring, note, arrived=arrived, take=take):
                    arrived.append(len(set(stroke.points)))
                    take(stroke, ring, note)

                person.tracer.take_outline = watched
                path = hand.drag(shown, seconds, settle_ms=400 if redraw == "slow" else 60)
                del person.tracer.take_outline
                (contour,) = person.tracer.session.state.contours.values()
                error = 100 * (contour.contour.area_pixels / area(path) - 1)
                figures[("freehand", load, redraw, f"{seconds:g} s")].append(error)
                figures[("positions", load, redraw, f"{seconds:g} s")].append(arrived[0])
                assert arrived[0] >= LEAST_SHARE * bare, (seconds, arrived[0], bare)
                assert abs(error) <= (1.5 if seconds == 0.3 else 0.5), (seconds, error)
                person.tracer.undo()
                turn_loop(30)
    report(load, redraw)


@pytest.mark.parametrize("load", LOADS)
def test_the_brush_does_not_depend_on_the_speed(hand, load):
    person = hand.person
    orientation = person.tracer.scene.orientation
    scale, shape = orientation.scale_mm[1:], orientation.shape[1:]
    person.tracer.session.add_lesion("R1", "R")
    hand.key("K")
    with both_cores_busy() if load == "loaded" else nullcontext():
        for seconds in SPEEDS_S:
            for _ in range(TIMES):
                path = hand.drag(ellipse(person), seconds)
                wanted = int(brushed(path, person.tracer.brush_mm["paint"], scale, shape).sum())
                got = sum(piece.n_pixels for piece in person.tracer.session.state.painted.values())
                figures[("brush", load, "plain", f"{seconds:g} s")].append(100 * (got / wanted - 1))
                assert abs(got / wanted - 1) <= 0.005
                person.tracer.undo()
    report(load, "plain")


@pytest.mark.parametrize("load", LOADS)
def test_the_push_does_not_depend_on_the_speed(hand, load):
    person = hand.person
    orientation = person.tracer.scene.orientation
    scale = orientation.scale_mm[1:]
    person.tracer.session.add_lesion("R1", "R")
    ring = outline_of(ellipse(person), orientation.shape[1:])
    person.tracer.session.add_outline(person.tracer.slice_index, orientation.display_to_pixels(ring))
    held = person.tracer.outlines()[0][1]
    outside = np.column_stack((np.full(N, 50.0), np.linspace(50, 62, N)))
    hand.key("N")
    with both_cores_busy() if load == "loaded" else nullcontext():
        for seconds in SPEEDS_S:
            for _ in range(TIMES):
                path = hand.drag(outside, seconds)
                wanted = area(pushed(held, path, person.tracer.brush_mm["nudge"], scale))
                (contour,) = person.tracer.session.state.contours.values()
                got = contour.contour.area_pixels
                assert abs(got / area(held) - 1) > 0.01, "the push did nothing"
                figures[("push", load, "plain", f"{seconds:g} s")].append(100 * (got / wanted - 1))
                assert abs(got / wanted - 1) <= 0.005
                person.tracer.undo()
    report(load, "plain")


def report(load: str, redraw: str) -> None:
    """Print the figures of what was run, for those who prove."""
    for (tool, busy, how, speed), values in figures.items():
        if PROVES and (busy, how) == (load, redraw):
            low, high = min(values), max(values)
            print(f"{tool:10} {busy:7} {how:6} {speed:7} n={len(values):3}  {low:9.3f} to {high:9.3f}")
    figures.clear()
