"""Tracing sessions: commands, events, undo, and live numbers that are those of `measure_volume`."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from volumetry import LesionVolume, MeasurementRule, ScanGeometry, ScanSource, VolumetryError, measure_volume
from volumetry.acquisition import Acquisition
from volumetry.comparability import RESERVATIONS, ComparabilityRule
from volumetry.error_model import ReadingError
from volumetry.errors import TraceError, UsageError
from volumetry.tracing import Event, TracingSession, brush_pixels, replay
from volumetry.tracing.session.state import TracingState, state_document, state_from_document

ANGLES = np.linspace(0, 2 * np.pi, 40, endpoint=False)


def disc(radius: float = 8.0, centre: tuple[float, float] = (30.0, 50.0), n: int = 40) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.column_stack((centre[0] + radius * np.cos(angles), centre[1] + radius * np.sin(angles)))


def coronal(n_slices: int = 12, *, spacing_mm: float = 4.4, thickness_mm: float | None = 4.0) -> ScanGeometry:
    return ScanGeometry(
        rows=64,
        columns=96,
        pixel_spacing_mm=(0.8, 0.7),
        row_direction=(1, 0, 0),
        column_direction=(0, 0, -1),
        slice_origins_mm=[(-20.0, spacing_mm * i, 40.0) for i in range(n_slices)],
        slice_thickness_mm=thickness_mm,
    )


def session(**options: object) -> TracingSession:
    made = TracingSession(geometry=coronal(), reader="A", **options)  # type: ignore[arg-type]
    made.add_lesion("L1", "L")
    return made


def test_an_outline_a_hole_and_their_numbers() -> None:
    made = session()
    for index in range(2, 6):
        made.add_outline(index, disc())
    made.add_hole(3, disc(3))
    readout = made.readout(3)
    measured = measure_volume(made.trace())
    assert readout.volume_cm3 == measured.volume_cm3
    assert readout.volume_thickness_cm3 == pytest.approx(measured.volume_thickness_mm3 / 1000, rel=1e-12)
    assert readout.volume_spacing_cm3 == pytest.approx(measured.volume_spacing_mm3 / 1000, rel=1e-12)
    assert readout.slice_area_mm2 == pytest.approx(np.pi * (64 - 9) * 0.56, rel=5e-3)
    assert readout.slices_traced == (2, 3, 4, 5)
    assert readout.max_area_mm2 == measured.max_area_mm2
    assert readout.max_area_slice == 2
    assert [w.code for w in readout.warnings] == ["slice-gap"]


def test_paint_counts_pixels_and_saves_edges() -> None:
    made = session()
    stroke = brush_pixels([(30, 50), (30, 60)], 5, (64, 96))
    made.paint(4, stroke)
    assert made.readout(4).slice_area_mm2 == pytest.approx(len(stroke) * 0.56, rel=1e-12)
    made.paint(4, brush_pixels([(30, 55)], 2, (64, 96)), erase=True)
    image = made.painted_image(4)
    trace = made.trace()
    assert trace.cross_sections().areas_mm2[0] == pytest.approx(image.sum() * 0.56, rel=1e-12)
    with pytest.raises(TraceError, match="ambiguous-overlap"):
        made.add_outline(4, disc())
    made.outline_paint(4)
    assert made.readout(4).slice_area_mm2 == pytest.approx(image.sum() * 0.56, rel=1e-12)
    made.paint(4, [(0, 0)])  # outlines along pixel edges turn back exactly
    assert np.array_equal(made.painted_image(4).sum(), image.sum() + 1)


def test_painting_over_an_outline_is_refused_unless_it_is_meant() -> None:
    made = session()
    made.add_outline(4, disc())
    with pytest.raises(TraceError, match="ambiguous-overlap"):
        made.paint(4, [(1, 1)])
    made.paint(4, [(1, 1)], convert=True)
    assert made.painted_image(4)[1, 1]
    assert made.painted_image(4)[30, 50]
    made.undo()
    assert len(made.state.contours) == 1
    assert not made.state.painted


def test_proposals_are_not_counted_until_accepted() -> None:
    made = session()
    made.add_outline(2, disc(6))
    made.add_outline(6, disc(10))
    proposed = made.propose_between()
    assert len(proposed) == 3
    readout = made.readout(3)
    assert readout.slice_area_mm2 == 0
    assert readout.slices_unconfirmed == (3, 4, 5)
    assert readout.slices_skipped == (3, 4, 5)
    assert readout.code == "untraced-slice"
    assert readout.volume_cm3 is None
    assert {w.code for w in readout.warnings} >= {"untraced-slice", "unconfirmed", "few-slices"}
    with pytest.raises(TraceError, match="unconfirmed"):
        made.sign()
    made.accept()
    radii = np.sqrt(made.readout().area_by_slice_mm2[2:7] / np.pi / 0.56)
    assert radii == pytest.approx([6, 7, 8, 9, 10], rel=0.01)
    assert made.readout().code == ""


def test_interpolation_keeps_what_is_traced() -> None:
    made = session()
    made.add_outline(1, disc(6))
    kept = made.add_outline(3, disc(9))
    made.add_outline(5, disc(6))
    made.propose_between()
    assert {c.slice_index for c in made.proposed_contours("l1")} == {2, 4}
    assert kept in made.state.contours
    assert made.reject(2)
    assert {c.slice_index for c in made.proposed_contours("l1")} == {4}


def test_a_drawn_outline_answers_the_proposal_that_it_overlaps() -> None:
    made = session()
    for index in (2, 6):
        made.add_outline(index, disc(8))
        made.add_outline(index, disc(4, (30, 80)))
        made.add_hole(index, disc(3))
    made.propose_between()
    assert len(made.proposed_contours("l1", 4)) == 3
    # The other part of the lesion is not answered; the hole of the one that is goes with it.
    made.add_outline(4, disc(7, (31, 51)))
    (left,) = made.proposed_contours("l1", 4)
    assert left.contour.centroid[1] == pytest.approx(80, abs=1)
    made.accept()
    assert made.readout().code == ""
    assert len(made.confirmed_contours("l1", 4)) == 2
    made.undo()
    made.undo()
    assert len(made.proposed_contours("l1", 4)) == 3
    # What lies inside a proposal answers it, too; and so does what is copied.
    made.add_outline(3, disc(2, (30, 56)))
    made.copy_slice(2, 5)
    assert {c.slice_index for c in made.proposed_contours("l1")} == {3, 4}
    made.accept()
    assert made.readout().code == ""


def test_a_proposal_over_an_outline_or_paint_is_not_accepted() -> None:
    made = session()
    for index in (2, 4, 6):
        made.add_outline(index, disc(6))
    made.paint(3, [(30, 50), (30, 51)])
    made.propose([replace(c, slice_index=i) for i in (3, 4, 5) for c in made.confirmed_contours("l1", 2)])
    assert {made.state.contours[found].slice_index for found in made.accept()} == {5}
    assert made.readout().slices_unconfirmed == (3, 4)
    assert made.readout().code == ""
    before = made.state
    for index in (3, 4, None):
        with pytest.raises(TraceError) as caught:
            made.accept(index)
        assert caught.value.code == "ambiguous-overlap"
    assert made.state is before
    made.reject()
    assert made.readout().slices_unconfirmed == ()


def test_undo_and_redo_over_slices() -> None:
    made = session()
    first = made.add_outline(2, disc())
    made.copy_slice(2, 3)
    made.replace_vertices(first, disc(5))
    area = made.readout(2).slice_area_mm2
    event = made.undo()
    assert event is not None
    assert event.slice_indices == (2,)
    assert made.readout(2).slice_area_mm2 > area
    made.undo()
    assert made.readout().slices_traced == (2,)
    made.redo()
    made.redo()
    assert made.readout(2).slice_area_mm2 == area
    assert made.redo() is None
    made.undo()
    made.clear_slice(3)
    assert not made.can_redo


def test_signing_locks_and_reopening_needs_a_reason() -> None:
    made = session()
    with pytest.raises(TraceError, match="untraced-slice"):
        made.sign()
    contour = made.add_outline(2, disc())
    made.sign()
    for command in (
        lambda: made.add_outline(2, disc()),
        lambda: made.replace_vertices(contour, disc(5)),
        lambda: made.delete_contour(contour),
        lambda: made.change_lesion("l1", name="L2"),
        lambda: made.paint(5, [(1, 1)]),
        made.undo,
    ):
        with pytest.raises(TraceError, match="signed"):
            command()
    with pytest.raises(UsageError):
        made.reopen("  ")
    made.reopen("wrong slice")
    made.delete_contour(contour)
    assert made.trace().provenance.reason == "wrong slice"
    assert made.trace().provenance.signed_time == ""


def test_absent_is_said_and_never_assumed() -> None:
    made = session()
    assert made.state.unsaved_lesions == ()
    made.mark_absent("l1")
    assert made.state.unsaved_lesions == ("l1",)
    assert made.readout().volume_cm3 == 0
    made.add_outline(2, disc())
    assert not made.state.lesions["l1"].is_absent
    with pytest.raises(TraceError):
        made.mark_absent("l1")


@pytest.mark.parametrize(
    ("vertices", "code"),
    [
        ([(10, 10), (20, 20), (10, 20), (20, 10)], "self-intersection"),
        (None, "ambiguous-overlap"),
    ],
)
def test_warnings_name_what_would_be_refused(vertices: list[tuple[int, int]] | None, code: str) -> None:
    made = session()
    made.add_outline(2, vertices or disc(centre=(30, 55)))
    if vertices is None:
        made.add_outline(2, disc())
    readout = made.readout(2)
    assert readout.code == code
    assert [w.slice_index for w in readout.warnings if w.refuses] == [2]
    with pytest.raises(VolumetryError, match=code):
        measure_volume(made.trace())


def test_the_other_side_is_told() -> None:
    made = TracingSession(geometry=coronal(), reader="A")
    made.add_lesion("R1", "R")
    made.add_outline(2, disc(centre=(30, 60)))
    assert made.readout().code == "side-mismatch"
    made.change_lesion("l1", name="L1", side="L")
    assert made.readout().code == ""


def test_overlapping_slices_are_told() -> None:
    made = TracingSession(geometry=coronal(spacing_mm=2.5, thickness_mm=5.0), reader="A")
    made.add_lesion("L1")
    made.add_outline(2, disc())
    readout = made.readout()
    assert readout.code == "slices-overlap"
    assert (readout.volume_spacing_cm3, readout.volume_cm3) == (None, None)


def baseline_of(made: TracingSession) -> LesionVolume:
    return measure_volume(made.trace())


def test_change_against_a_baseline() -> None:
    first = session()
    second = session()
    for index in range(2, 6):
        first.add_outline(index, disc(8))
        second.add_outline(index, disc(9))
    baseline = baseline_of(first)
    change = second.readout(baseline=baseline).change
    assert change is not None
    assert change.category == "increase"
    assert change.percent == pytest.approx(100 * (81 / 64 - 1), rel=1e-9)
    second.clear_slice(3)
    change = second.readout(baseline=baseline).change
    assert change is not None
    assert (change.category, change.reason) == ("not_evaluable", "untraced-slice")
    assert change.reason_text
    untraced = session().readout(baseline=baseline).change
    assert untraced is not None
    assert untraced.reason == "followup-not-traced"


@pytest.mark.parametrize(
    ("differs", "code"),
    [
        ({"acquisition": Acquisition(weighting="T2")}, "weighting-differs"),
        ({"modality": "CT"}, "modality-differs"),
        ({}, "reader-differs"),
    ],
)
def test_visits_that_are_not_comparable_have_no_class(differs: dict[str, object], code: str) -> None:
    """As ``changes.csv``: the percentage stays, the class and the verdict go, and the reason is named."""
    error = ReadingError(
        model="constant",
        log_sd_at_1_cm3=0.02,
        exponent=0.0,
        df=60,
        n_pairs=60,
        n_lesions=60,
        n_patients=60,
        size_range_mm3=(10.0, 60_000.0),
    )
    source = ScanSource(modality="MR", acquisition=Acquisition(weighting="T1"))
    first, second = session(source=source), session(source=replace(source, **differs))  # type: ignore[arg-type]
    for index in range(2, 6):
        first.add_outline(index, disc(8))
        second.add_outline(index, disc(9))
    baseline = measure_volume(first.trace())
    told = {}
    for name, comparability in (
        ("refused", ComparabilityRule(refuse=frozenset({code}))),
        ("ignored", ComparabilityRule(ignore=frozenset({code}))),
    ):
        change = second.readout(
            baseline=baseline, baseline_reader="B", comparability_rule=comparability, reading_error=error
        ).change
        assert change is not None
        assert change.comparability is not None
        assert change.percent == pytest.approx(100 * (81 / 64 - 1), rel=1e-9)
        told[name] = (change.category, change.verdict, change.reason, change.comparability.comparable)
        assert (RESERVATIONS[code][1:] in change.reason_text) == (name == "refused")
        assert ("increase" in change.words) == (name == "ignored")
    assert told["refused"] == ("not_evaluable", "not_evaluable", code, "no")
    assert told["ignored"][:3] == ("increase", "increase", "")


@pytest.mark.parametrize(
    ("held", "flags"),
    [
        ({}, ()),
        ({"readers": ("B",)}, ("reader-outside-repeatability",)),
        ({"height_rules": ("spacing",)}, ("rule-outside-repeatability",)),
        ({"df": 5.0, "undecided": True}, ("few-repeated-reads", "error-model-undecided")),
    ],
    ids=str,
)
def test_a_doubtful_error_is_told_beside_the_verdict(held: dict[str, object], flags: tuple[str, ...]) -> None:
    """As ``changes.csv``: the error of others, or of few reads, is flagged."""
    known: dict[str, object] = {
        "model": "constant", "log_sd_at_1_cm3": 0.02, "exponent": 0.0, "df": 60, "n_pairs": 60,
        "n_lesions": 60, "n_patients": 60, "size_range_mm3": (10.0, 60_000.0),
    }  # fmt: skip
    first, second = session(), session()
    for index in range(2, 6):
        first.add_outline(index, disc(8))
        second.add_outline(index, disc(9))
    change = second.readout(
        baseline=measure_volume(first.trace()),
        baseline_reader="C",
        reading_error=ReadingError(**(known | held)),  # type: ignore[arg-type]
    ).change
    assert change is not None
    assert set(change.error_flags) == set(flags)
    assert len(change.doubts) == len(flags)


@pytest.mark.parametrize("ways", [{}, {"self_intersections": "resolve", "overlapping_outlines": "union"}])
@pytest.mark.parametrize("kind", ["tiny loop", "figure of eight", "overlap"])
def test_crossing_and_overlapping_outlines_are_answered_as_in_a_file(ways: dict, kind: str) -> None:
    """Where the command measures a saved file by the rule, so does the window; where it refuses, too."""
    rule = MeasurementRule(**ways)
    made = session(rule=rule)
    for index in range(2, 6):
        made.add_outline(index, disc(8))
    first = disc(8)
    if kind == "tiny loop":
        made.add_outline(6, with_tiny_loop(first))
    elif kind == "figure of eight":
        made.add_outline(6, np.array([(20.0, 40.0), (30.0, 50.0), (20.0, 50.0), (30.0, 40.0)]))
    else:
        made.add_outline(6, first)
        made.add_outline(6, first + 3)
    shown = made.readout()
    if not ways and kind != "tiny loop":
        with pytest.raises(VolumetryError) as refused:
            measure_volume(made.trace(), rule=rule)
        assert (shown.volume_cm3, shown.code) == (None, refused.value.code)
        return
    volume = measure_volume(made.trace(), rule=rule)
    assert shown.volume_cm3 == pytest.approx(volume.volume_cm3, rel=1e-9)
    assert set(volume.flags) <= {w.code for w in shown.warnings}


def with_tiny_loop(ring: np.ndarray) -> np.ndarray:
    """A ring two of whose vertices are in the wrong order, a little apart: it crosses itself."""
    ring = ring.copy()
    middle = (ring[10] + ring[11]) / 2
    along = (ring[11] - ring[10]) * 0.05
    return np.concatenate((ring[:11], [middle + along, middle - along + 0.02], ring[11:]))


def test_another_slice_of_the_same_state_has_the_same_numbers() -> None:
    """What is not measured anew, since only another slice is looked at, is what would be measured."""
    made = session()
    for index in range(2, 6):
        made.add_outline(index, disc(6 + index))
    made.add_outline(5, disc(5, centre=(20.0, 45.0)))
    first = made.readout(2)
    for index in (-1, 0, 3, 5, 99):
        made._last_readout = None
        anew = made.readout(index)
        again = first.on_slice(index)
        assert (again.slice_index, again.slice_area_mm2) == (index, anew.slice_area_mm2)
        assert again.answer == anew.answer
        assert again.warnings == anew.warnings
    assert made.readout(5).slice_area_mm2 is None
    made.clear_slice(5)
    assert made.readout(5).slice_area_mm2 == 0.0
    made.rule = MeasurementRule(height="spacing")
    assert made.readout(2).volume_cm3 == pytest.approx(1.1 * made.readout(2).volume_thickness_cm3, rel=1e-9)


def test_bridging_rule_and_live_numbers_agree() -> None:
    made = session(rule=MeasurementRule(skipped_slices="bridge"))
    made.add_outline(2, disc())
    made.add_outline(5, disc())
    measured = measure_volume(made.trace(), rule=made.rule)
    assert made.readout().volume_cm3 == measured.volume_cm3
    assert {w.code for w in made.readout().warnings} >= {"skipped-slices"}


@pytest.mark.parametrize(
    "command",
    [
        lambda s: s.add_outline(99, disc()),
        lambda s: s.add_outline(2, disc(), lesion_id="l7"),
        lambda s: s.delete_contour("c99"),
        lambda s: s.add_lesion("L1"),
        lambda s: s.add_lesion("L2", "left"),
        lambda s: s.add_lesion(" "),
        lambda s: s.change_lesion("l1", side="x"),
        lambda s: s.add_outline(2, [(1, 1), (2, 2)]),
        lambda s: s.reopen("why"),
    ],
)
def test_what_is_not_there_is_named_and_changes_nothing(command) -> None:
    made = session()
    before = made.state
    with pytest.raises(VolumetryError):
        command(made)
    assert made.state is before


def test_read_only_sessions_refuse() -> None:
    made = session()
    made.is_read_only = True
    with pytest.raises(UsageError, match="locked"):
        made.add_outline(2, disc())


def test_an_event_that_does_not_follow_is_refused() -> None:
    made = session()
    made.add_outline(2, disc())
    with pytest.raises(TraceError, match="unreadable"):
        replay(made.events[1:])
    with pytest.raises(TraceError, match="unreadable"):
        replay([*made.events, replace(made.events[-1], number=3, replacements=made.events[0].replacements)])


def test_loading_what_is_there_records_nothing() -> None:
    made = session()
    made.add_outline(2, disc())
    trace = made.trace()
    made.record_saved({"l1": trace.sha256})
    before = len(made.events)
    made.load_traces([trace])
    assert len(made.events) == before
    other = TracingSession(geometry=coronal(), reader="A")
    other.load_traces([trace])
    assert other.trace().contours[0].area_pixels == trace.contours[0].area_pixels
    assert other.state.unsaved_lesions == ()


class AnyCommands(RuleBasedStateMachine):
    """Whatever is done: the state is the fold of the events, and undo goes all the way back."""

    def __init__(self) -> None:
        super().__init__()
        self.session = session()
        self.session.add_lesion("R1", "R")

    slices = st.integers(0, 11)
    lesions = st.sampled_from(["l1", "l2"])
    radii = st.floats(2, 12)

    def attempt(self, command) -> None:
        before = self.session.state
        try:
            command()
        except VolumetryError:
            assert self.session.state is before

    @rule(index=slices, lesion=lesions, radius=radii, hole=st.booleans())
    def outline(self, index: int, lesion: str, radius: float, hole: bool) -> None:
        vertices = disc(radius, n=12)
        self.attempt(lambda: self.session.add_outline(index, vertices, lesion_id=lesion, is_hole=hole))

    @rule(index=slices, lesion=lesions, radius=radii, erase=st.booleans(), convert=st.booleans())
    def paint(self, index: int, lesion: str, radius: float, erase: bool, convert: bool) -> None:
        pixels = brush_pixels([(30, 40 + radius)], radius, (64, 96))
        self.attempt(
            lambda: self.session.paint(index, pixels, erase=erase, lesion_id=lesion, convert=convert)
        )

    @rule(index=slices, other=slices, lesion=lesions)
    def copy(self, index: int, other: int, lesion: str) -> None:
        self.attempt(lambda: self.session.copy_slice(index, other, lesion_id=lesion))

    @rule(index=slices, lesion=lesions)
    def clear(self, index: int, lesion: str) -> None:
        self.attempt(lambda: self.session.clear_slice(index, lesion_id=lesion))

    @rule(index=slices, lesion=lesions)
    def outline_paint(self, index: int, lesion: str) -> None:
        self.attempt(lambda: self.session.outline_paint(index, lesion_id=lesion))

    @rule(lesion=lesions)
    def accept(self, lesion: str) -> None:
        self.attempt(lambda: self.session.accept(lesion_id=lesion))

    @rule(index=slices, lesion=lesions, radius=radii)
    def propose(self, index: int, lesion: str, radius: float) -> None:
        self.attempt(
            lambda: self.session.add_outline(index, disc(radius, n=9), lesion_id=lesion, status="proposed")
        )

    @rule(lesion=lesions)
    def delete_lesion(self, lesion: str) -> None:
        self.attempt(lambda: self.session.delete_lesion(lesion))

    @precondition(lambda self: self.session.state.contours)
    @rule(data=st.data(), radius=radii)
    def edit(self, data: st.DataObject, radius: float) -> None:
        contour = data.draw(st.sampled_from(sorted(self.session.state.contours)))
        self.attempt(lambda: self.session.replace_vertices(contour, disc(radius, n=7)))

    @rule(lesion=lesions)
    def sign(self, lesion: str) -> None:
        self.attempt(lambda: self.session.sign(lesion))

    @rule(lesion=lesions)
    def reopen(self, lesion: str) -> None:
        self.attempt(lambda: self.session.reopen("look again", lesion))

    @rule()
    def undo(self) -> None:
        self.attempt(self.session.undo)

    @rule()
    def redo(self) -> None:
        self.attempt(self.session.redo)

    @invariant()
    def state_is_the_fold_of_the_events(self) -> None:
        plain = json.loads(json.dumps([event.document() for event in self.session.events]))
        assert replay(Event.from_document(document) for document in plain) == self.session.state
        assert [e.number for e in self.session.events] == list(range(1, len(self.session.events) + 1))

    @invariant()
    def a_snapshot_is_the_state(self) -> None:
        plain = json.loads(json.dumps(state_document(self.session.state)))
        assert state_from_document(plain) == self.session.state

    @invariant()
    def live_numbers_are_those_of_the_trace(self) -> None:
        for lesion_id in self.session.state.lesions:
            readout = self.session.readout(lesion_id=lesion_id)
            try:
                measured = measure_volume(self.session.trace(lesion_id))
            except VolumetryError as error:
                refused = error.code
            else:
                refused = measured.code
                is_traced = readout.answer.status != "not_traced"
                assert is_traced or readout.volume_cm3 is None
                if not refused and is_traced:
                    assert readout.volume_cm3 == pytest.approx(measured.volume_cm3, rel=1e-9)
            assert bool(readout.code) == bool(refused)
            assert not refused or refused in {w.code for w in readout.warnings}

    def teardown(self) -> None:
        for lesion in list(self.session.state.lesions.values()):
            if lesion.is_signed:
                self.session.reopen("end", lesion.id)
        while self.session.can_redo:
            self.session.redo()
        end = self.session.state
        while self.session.can_undo:
            self.session.undo()
        while self.session.can_redo:
            self.session.redo()
        assert self.session.state.contours == end.contours
        assert self.session.state.painted == end.painted


AnyCommands.TestCase.settings = settings(max_examples=6, stateful_step_count=15, deadline=None)
test_any_commands = AnyCommands.TestCase


def test_a_state_begins_empty() -> None:
    assert replay([]) == TracingState()
