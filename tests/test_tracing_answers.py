"""A number in the window is the number of the saved file, and what the file refuses is never shown or signed.

25 random sessions; ``VOLUMETRY_PROVE=1`` makes 500 of them.
"""

from __future__ import annotations

import json
import os
import random
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from test_tracing_session import coronal, disc

from volumetry import VolumetryError
from volumetry.cli import main
from volumetry.errors import TraceError, UsageError
from volumetry.formats.trace_json import decode_trace, encode_trace, write_trace
from volumetry.measurement import MeasurementRule
from volumetry.trace import NOT_MEASURABLE_REASONS
from volumetry.tracing import TracingSession, brush_pixels, number_or_reason

SESSIONS = 500 if os.environ.get("VOLUMETRY_PROVE") else 25
STEPS = 30


def ring(chance: random.Random) -> np.ndarray:
    """An outline as a hand may draw it: some cross themselves, some lie on the other side."""
    centre = (chance.uniform(10, 55), chance.uniform(25, 95))
    vertices = disc(chance.uniform(1.5, 14), centre, n=chance.randint(5, 30))
    if chance.random() < 0.1:
        chance.shuffle(order := list(range(len(vertices))))
        vertices = vertices[order]
    return vertices


def step(session: TracingSession, chance: random.Random) -> None:
    lesion = chance.choice(list(session.state.lesions) or ["l1"])
    index = chance.randrange(session.geometry.n_slices)
    near = chance.choice(session.state.slices_of(lesion) or (index,))
    contours = list(session.state.contours) or ["c0"]
    commands = {
        "outline": lambda: session.add_outline(
            near + chance.choice((-1, 0, 1)), ring(chance), lesion_id=lesion
        ),
        "proposal": lambda: session.add_outline(index, ring(chance), lesion_id=lesion, status="proposed"),
        "hole": lambda: session.add_hole(near, ring(chance), lesion_id=lesion),
        "paint": lambda: session.paint(
            near,
            brush_pixels([(chance.uniform(5, 60), chance.uniform(5, 90))], chance.uniform(0.5, 9), (64, 96)),
            lesion_id=lesion,
            erase=chance.random() < 0.3,
            convert=chance.random() < 0.5,
        ),
        "outline paint": lambda: session.outline_paint(near, lesion_id=lesion),
        "edit": lambda: session.replace_vertices(chance.choice(contours), ring(chance)),
        "delete": lambda: session.delete_contour(chance.choice(contours)),
        "clear": lambda: session.clear_slice(near, lesion_id=lesion),
        "copy": lambda: session.copy_slice(near, near + 1, lesion_id=lesion),
        "fill": lambda: session.propose_between(lesion_id=lesion),
        "accept": lambda: session.accept(lesion_id=lesion),
        "reject": lambda: session.reject(lesion_id=lesion),
        "absent": lambda: session.mark_absent(lesion, is_absent=chance.random() < 0.7),
        "not measurable": lambda: session.mark_not_measurable(
            lesion, chance.choice(["", *NOT_MEASURABLE_REASONS])
        ),
        "side": lambda: session.change_lesion(lesion, side=chance.choice(["", "L", "R"])),
        "sign": lambda: session.sign(lesion),
        "reopen": lambda: session.reopen("look again", lesion),
        "undo": session.undo,
        "redo": session.redo,
        "delete lesion": lambda: session.delete_lesion(lesion),
        "add lesion": lambda: session.add_lesion(f"L{session.state.next_id}", "L"),
    }
    often = ("outline", "outline", "outline", "accept", "fill", "copy")
    with suppress(VolumetryError):
        commands[chance.choice([*commands, *often])]()


def measured_by_command(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[float | None, str]:
    """What ``volumetry measure`` says of a file: its number, or the code of its error."""
    code = main(["measure", str(path), "--format", "json"])
    said = capsys.readouterr()
    if code:
        return None, said.err.split(":")[1].strip()
    (row,) = json.loads(said.out)
    return row["volume_mm3"] / 1000, ""


def check_state(session: TracingSession, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for lesion in session.state.lesions.values():
        shown = session.readout(lesion_id=lesion.id).answer
        if lesion.is_signed:
            assert shown.has_number or lesion.not_measurable
        if session.state.is_empty(lesion.id) and not lesion.is_judged:
            assert (shown.status, shown.volume_cm3, bool(shown.reason)) == ("not_traced", None, True)
            continue
        trace = session.trace(lesion.id)
        assert number_or_reason(decode_trace(encode_trace(trace), where="trace")).code == shown.code
        write_trace(trace, path)
        number, code = measured_by_command(path, capsys)
        assert shown.code == code
        if number is None:
            volumes = (shown.volume_cm3, shown.volume_thickness_cm3, shown.volume_spacing_cm3)
            assert volumes == (None, None, None)
            assert shown.reason
        else:
            assert shown.volume_cm3 == pytest.approx(number, rel=1e-12)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(SESSIONS))
def test_no_state_shows_a_volume_that_measure_refuses(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(seed)
    geometry = coronal(9, spacing_mm=chance.choice((4.4, 4.4, 3.0)))
    session = TracingSession(geometry=geometry, reader="A")
    session.add_lesion("L1", "L")
    for number in range(STEPS):
        step(session, chance)
        if number % 3 == 0 or number == STEPS - 1:
            check_state(session, tmp_path / "L1.trace.json", capsys)


def test_what_is_refused_has_a_reason_for_people() -> None:
    session = TracingSession(geometry=coronal(), reader="A")
    session.add_lesion("L1", "L")
    assert session.readout().answer.reason == "The lesion is not traced."
    session.add_outline(2, disc())
    session.add_outline(5, disc())
    answer = session.readout().answer
    assert (answer.code, answer.volume_cm3) == ("untraced-slice", None)
    assert answer.reason == "Slices between traced slices have no outline (slices 4, 5 of 12)."
    assert number_or_reason(session.trace()) == answer
    assert number_or_reason(session.trace(), MeasurementRule(skipped_slices="absent")).has_number


def test_a_hole_alone_has_no_area_and_no_volume() -> None:
    session = TracingSession(geometry=coronal(), reader="A")
    session.add_lesion("L1", "L")
    session.add_hole(3, disc())
    readout = session.readout(3)
    assert (readout.slice_area_mm2, readout.volume_cm3, readout.code) == (None, None, "ambiguous-overlap")
    assert readout.slices_refused == (3,)
    assert readout.max_area_slice is None
    assert readout.area_by_slice_mm2.min() == 0


@pytest.mark.parametrize(
    "code", ["ambiguous-overlap", "self-intersection", "side-mismatch", "untraced-slice"]
)
def test_no_error_can_be_signed(code: str) -> None:
    session = TracingSession(geometry=coronal(), reader="A")
    session.add_lesion("L1", "R" if code == "side-mismatch" else "L")
    session.add_outline(2, disc(centre=(30, 60)))
    if code == "ambiguous-overlap":
        session.add_outline(2, disc(5, centre=(30, 62)))
    if code == "self-intersection":
        session.add_outline(4, [(10, 60), (20, 70), (10, 70), (20, 60)])
    if code == "untraced-slice":
        session.add_outline(6, disc(centre=(30, 60)))
    check = session.signing_check()
    assert not check.can_be_signed
    assert code in {error.code for error in check.errors}
    with pytest.raises(TraceError, match=check.errors[0].code):
        session.sign()
    assert not session.state.lesions["l1"].is_signed


def test_warnings_are_acknowledged_in_the_journal() -> None:
    session = TracingSession(geometry=coronal(), reader="A")
    session.add_lesion("L1", "L")
    session.add_outline(2, disc())
    warnings = [warning.code for warning in session.signing_check().warnings]
    assert warnings == ["few-slices", "slice-gap"]
    session.sign(acknowledged=warnings)
    assert session.events[-1].reason == "acknowledged: few-slices slice-gap"


@pytest.mark.parametrize("reason", NOT_MEASURABLE_REASONS)
def test_a_lesion_that_cannot_be_measured_is_saved_with_its_reason(
    reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = TracingSession(geometry=coronal(), reader="A")
    session.add_lesion("L1", "L")
    session.mark_not_measurable("l1", reason)
    assert session.readout().answer.status == "not_measurable"
    assert NOT_MEASURABLE_REASONS[reason] in session.readout().answer.reason
    session.sign()
    path = tmp_path / "L1.trace.json"
    write_trace(session.trace(), path)
    assert json.loads(path.read_text())["version"] == 2
    assert measured_by_command(path, capsys) == (None, "not-measurable")
    other = TracingSession(geometry=coronal(), reader="A")
    other.load_traces([decode_trace(path.read_bytes(), where=path)])
    (lesion,) = other.state.lesions.values()
    assert (lesion.not_measurable, lesion.is_absent, lesion.is_signed) == (reason, False, True)
    assert other.trace().sha256 == session.trace(time=other.trace().provenance.time).sha256


def test_not_measurable_and_absent_exclude_each_other() -> None:
    session = TracingSession(geometry=coronal(), reader="A")
    session.add_lesion("L1", "L")
    with pytest.raises(UsageError, match="not known"):
        session.mark_not_measurable("l1", "tired")
    session.mark_not_measurable("l1", "prosthesis")
    session.mark_absent("l1")
    assert session.readout().volume_cm3 == 0
    session.mark_not_measurable("l1", "artefact")
    assert not session.state.lesions["l1"].is_absent
    session.mark_not_measurable("l1", "")
    assert session.readout().answer.status == "not_traced"


def test_a_trace_without_a_reason_is_what_it_was() -> None:
    session = TracingSession(geometry=coronal(), reader="A")
    session.add_lesion("L1", "L")
    session.add_outline(2, disc())
    document = session.trace().document()
    assert document["version"] == 1
    assert "not_measurable" not in document


@pytest.mark.parametrize("side", ["L", "R"])
def test_what_has_no_area_lies_on_no_side(side: str) -> None:
    """Of a hole alone no side is told from its middle, which is nowhere."""
    session = TracingSession(geometry=coronal(), reader="A")
    session.add_lesion("X1", side)
    session.add_outline(3, [(20, 10), (20, 14), (24, 14), (24, 10)], is_hole=True)
    found = session.readout().warnings
    assert [w.code for w in found if w.refuses]
    assert "side-mismatch" not in [w.code for w in found]
    assert not any("e+" in w.text for w in found)
