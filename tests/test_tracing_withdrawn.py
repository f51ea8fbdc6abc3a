"""What was saved and is deleted, or has no outline left: saving says so on the disk, too."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import volumetry as vm
from volumetry import Scan, ScanGeometry, ScanSource
from volumetry.errors import OutputError, UsageError
from volumetry.tracing import CasePlace, TracingCase, open_case
from volumetry.tracing.session.state import state_document, state_from_document

SCAN = Scan(
    voxels=np.zeros((8, 48, 64), np.int16),
    geometry=ScanGeometry(
        rows=48,
        columns=64,
        pixel_spacing_mm=(0.8, 0.7),
        row_direction=(1, 0, 0),
        column_direction=(0, 0, -1),
        slice_origins_mm=[(-60.0, 4.4 * i, 40.0) for i in range(8)],
        slice_thickness_mm=4.0,
    ),
    source=ScanSource(patient="p01", series_uid="1.2.3", modality="MR"),
)


def ring(radius: float) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return np.column_stack((24 + radius * np.cos(angles), 32 + radius * np.sin(angles)))


def draw(case: TracingCase, radius: float = 8.0) -> None:
    case.session.add_lesion("R1", "R")
    for index in range(2, 6):
        case.session.add_outline(index, ring(radius))


def empty(case: TracingCase) -> None:
    for index in range(2, 6):
        case.session.clear_slice(index, lesion_id="l1")


def delete(case: TracingCase) -> None:
    case.session.delete_lesion("l1")


def names(place: CasePlace) -> list[str]:
    return [path.name for path in place.traces()]


Opening = Callable[[], TracingCase]


@pytest.fixture
def place(tmp_path: Path) -> CasePlace:
    return CasePlace(folder=tmp_path / "p01" / "v1")


@pytest.fixture
def reopen(place: CasePlace) -> Iterator[Opening]:
    """Open the case; again: close it, and open it anew."""
    cases: list[TracingCase] = []

    def opening() -> TracingCase:
        if cases:
            cases.pop().close()
        cases.append(open_case(SCAN, place, reader="A"))
        return cases[-1]

    yield opening
    for case in cases:
        case.close()


@pytest.fixture
def case(reopen: Opening) -> TracingCase:
    made = reopen()
    draw(made)
    made.save()
    return made


@pytest.mark.parametrize("take_away", [delete, empty])
def test_what_is_taken_away_is_unsaved_and_saving_takes_its_file_away(take_away, case, place, reopen) -> None:
    content = (place.folder / "R1_A.trace.json").read_bytes()
    take_away(case)
    assert case.session.state.withdrawn_lesions == ("l1",)
    assert names(place) == ["R1_A.trace.json"]
    (saved,) = case.save()
    assert (saved.is_deleted, saved.is_conflict) == (True, False)
    assert saved.path.is_relative_to(place.versions)
    assert saved.path.read_bytes() == content
    assert names(place) == []
    assert not case.session.state.has_unsaved
    assert case.save() == ()
    again = reopen()
    assert not again.session.state.has_unsaved
    assert again.unsaved_events == 0
    draw(again) if take_away is delete else again.session.add_outline(3, ring(5))
    assert [found.path.name for found in again.save()] == ["R1_A.trace.json"]


@pytest.mark.parametrize("take_away", [delete, empty])
def test_what_is_taken_away_and_not_saved_stays_so_and_can_be_undone(take_away, case, place, reopen) -> None:
    take_away(case)
    again = reopen()
    assert again.unsaved_events
    assert again.session.state.withdrawn_lesions == ("l1",)
    assert again.session.state.is_empty("l1")
    assert names(place) == ["R1_A.trace.json"]
    while again.session.state.withdrawn_lesions or again.session.state.unsaved_lesions:
        assert again.session.undo() is not None
    assert len(again.session.state.contours) == 4
    assert [found.is_unchanged for found in again.save()] == [True]


@pytest.mark.parametrize("way", ["at once", "reopened", "saved between"])
def test_another_lesion_of_that_name_has_the_file_to_itself(way, case, place, reopen) -> None:
    case.session.delete_lesion("l1")
    if way == "saved between":
        case.save()
    draw(case, radius=5)
    if way == "reopened":
        case = reopen()
    case.save()
    (path,) = place.traces()
    assert path.name == "R1_A.trace.json"
    assert vm.measure_volume(vm.read_trace(path)).volume_cm3 == case.session.readout().volume_cm3
    again = reopen()
    assert [lesion.name for lesion in again.session.state.lesions.values()] == ["R1"]
    assert not again.session.state.has_unsaved


def test_undone_after_it_was_saved_it_is_saved_anew(case, place, reopen) -> None:
    delete(case)
    case.save()
    case.session.undo()
    assert case.session.state.unsaved_lesions == ("l1",)
    case.save()
    assert names(place) == ["R1_A.trace.json"]
    case.session.redo()
    case.save()
    assert names(place) == []
    assert reopen().session.state.lesions == {}


def test_what_somebody_else_changed_meanwhile_stays(case, place, reopen) -> None:
    path = place.folder / "R1_A.trace.json"
    delete(case)
    trace = case.session.__class__(geometry=SCAN.geometry, source=SCAN.hashed_source, reader="A")
    trace.add_lesion("R1", "R")
    trace.add_outline(3, ring(4))
    vm.write_trace(trace.trace(), path)
    content = path.read_bytes()
    (saved,) = case.save()
    assert (saved.is_deleted, saved.is_conflict, saved.path) == (True, True, path)
    assert path.read_bytes() == content
    again = reopen()
    assert len(again.session.state.contours) == 1
    assert not again.session.state.has_unsaved


def test_back_to_what_was_saved_brings_it_back_with_its_file(case, place) -> None:
    delete(case)
    draw(case, radius=3)
    case.discard_unsaved()
    assert len(case.session.state.contours) == 4
    assert not case.session.state.has_unsaved
    assert [(found.path.name, found.is_unchanged) for found in case.save()] == [("R1_A.trace.json", True)]
    assert names(place) == ["R1_A.trace.json"]


def test_an_end_after_the_file_is_gone_and_before_that_is_noted(case, place, reopen, monkeypatch) -> None:
    delete(case)
    monkeypatch.setattr(case.session, "record_saved", lambda _saved: None)
    case.save()
    again = reopen()
    assert again.session.state.withdrawn_lesions == ("l1",)
    assert again.save() == ()
    assert not again.session.state.has_unsaved
    assert names(place) == []


def test_a_disk_that_does_not_let_it_go_leaves_it_unsaved(case, place, monkeypatch) -> None:
    delete(case)

    renamed = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path.name == "R1_A.trace.json":
            raise OSError(errno.EROFS, "read-only")
        return renamed(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OutputError) as caught:
        case.save()
    assert caught.value.code == "read-only"
    assert case.session.state.withdrawn_lesions == ("l1",)
    assert names(place) == ["R1_A.trace.json"]
    monkeypatch.undo()
    case.save()
    assert names(place) == []


def test_who_has_lost_the_case_takes_no_file_away(case, place) -> None:
    delete(case)
    other = open_case(SCAN, place, reader="A", take_over=True)
    try:
        other.session.undo()
        with pytest.raises(UsageError, match="taken over"):
            case.save()
        other.save()
        assert names(place) == ["R1_A.trace.json"]
    finally:
        other.close()


def test_a_state_that_is_written_and_read_knows_what_was_taken_away(case) -> None:
    delete(case)
    state = state_from_document(state_document(case.session.state))
    assert state.withdrawn_lesions == ("l1",)
    assert state.saved["l1"].name == "R1"
    # Files of earlier versions name no lesion there.
    document = state_document(case.session.state)
    for held in document["saved"].values():
        del held["name"]
    assert state_from_document(document).withdrawn_lesions == ("l1",)


@pytest.mark.parametrize("way", ["at once", "reopened", "the old name anew"])
def test_the_file_of_a_renamed_lesion_is_named_after_it(way, case, place, reopen) -> None:
    case.session.change_lesion("l1", name="L9", side="L")
    if way == "the old name anew":
        case.session.add_lesion("R1", "R")
        case.session.add_outline(3, ring(4))
    elif way == "reopened":
        case = reopen()
        assert [lesion.name for lesion in case.session.state.lesions.values()] == ["L9"]
    case.save()
    assert names(place) == ["L9_A.trace.json"] + (["R1_A.trace.json"] if "anew" in way else [])
    held = vm.read_trace(place.folder / "L9_A.trace.json")
    assert (held.lesion, held.side, len(held.contours)) == ("L9", "L", 4)
    again = reopen()
    assert not again.session.state.has_unsaved
    assert next(iter(again.session.state.lesions.values())).name == "L9"
    again.session.change_lesion("l1", name="L8")
    again.save()
    assert "L8_A.trace.json" in names(place)
    assert "L9_A.trace.json" not in names(place)


def test_a_file_of_another_name_keeps_it_and_so_does_one_that_somebody_changed(case, place, reopen) -> None:
    (place.folder / "R1_A.trace.json").rename(place.folder / "right hip.trace.json")
    again = reopen()
    again.session.change_lesion("l1", name="L9")
    again.save()
    assert names(place) == ["right hip.trace.json"]
