"""Keeping what is traced: kills, full disks, damaged journals, two programs on one case."""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import signal
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import volumetry as vm
from volumetry import Scan, ScanGeometry, ScanSource
from volumetry.errors import OutputError, ReadError, TraceError, UsageError
from volumetry.tracing import (
    CasePlace,
    Event,
    JournalWriter,
    TracingCase,
    open_case,
    place_for,
    read_journal,
    remember_reader,
    remembered_reader,
)
from volumetry.tracing.disk import case as case_module
from volumetry.tracing.disk import journal as journal_module
from volumetry.tracing.disk.journal import JournalContent, minutes_of
from volumetry.tracing.disk.places import scan_key
from volumetry.tracing.disk.recovery import recover
from volumetry.tracing.disk.revisions import read_saved, save_revision

KILLS = int(os.environ.get("TRACING_KILLS", "40"))
SAVES = int(os.environ.get("TRACING_SAVES", "60"))

needs_fork = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="needs a system that forks"
)


def make_scan() -> Scan:
    geometry = ScanGeometry(
        rows=48,
        columns=64,
        pixel_spacing_mm=(0.8, 0.7),
        row_direction=(1, 0, 0),
        column_direction=(0, 0, -1),
        slice_origins_mm=[(-10.0, 4.4 * i, 40.0) for i in range(10)],
        slice_thickness_mm=4.0,
    )
    return Scan(
        voxels=np.zeros((10, 48, 64), np.int16),
        geometry=geometry,
        source=ScanSource(patient="p01", series_uid="1.2.3", modality="MR"),
    )


SCAN = make_scan()


def ring(radius: float, n: int = 24) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.column_stack((24 + radius * np.cos(angles), 32 + radius * np.sin(angles)))


@pytest.fixture
def place(tmp_path: Path) -> CasePlace:
    return CasePlace(folder=tmp_path / "p01" / "v1")


@pytest.fixture
def opened() -> Iterator[Callable[..., TracingCase]]:
    cases: list[TracingCase] = []

    def opening(place: CasePlace, reader: str = "A", **options: bool) -> TracingCase:
        cases.append(open_case(SCAN, place, reader=reader, **options))
        return cases[-1]

    yield opening
    for case in cases:
        case.close()


def traced(case: TracingCase, slices: int = 4) -> TracingCase:
    case.session.add_lesion("L1", "L")
    for index in range(2, 2 + slices):
        case.session.add_outline(index, ring(8 + index / 3))
    return case


def abandon(case: TracingCase) -> None:
    """Leave a case as a killed program does: what it holds stays, and nobody answers for it."""
    case.wait()
    case._writer, case._lock = None, None


def test_saved_traces_are_measured_as_the_panel_said(place: CasePlace, opened) -> None:
    case = traced(opened(place))
    (saved,) = case.save()
    assert saved.path == place.folder / "L1_A.trace.json"
    assert vm.measure_volume(vm.read_trace(saved.path)).volume_cm3 == case.session.readout().volume_cm3
    assert case.save()[0].is_unchanged
    case.close()
    again = opened(place)
    assert again.unsaved_events == 0
    assert again.session.readout().volume_cm3 == case.session.readout().volume_cm3
    assert again.session.can_undo
    assert again.problems == ()


def test_a_hundred_round_trips_change_no_digit(place: CasePlace, opened) -> None:
    case = traced(opened(place))
    case.session.add_outline(3, ring(2.1) + 0.1234567890123, is_hole=True)
    case.session.paint(6, [(10, 10), (10, 11)])
    first = case.save()[0]
    volume = vm.measure_volume(vm.read_trace(first.path)).volume_mm3
    contours = vm.read_trace(first.path).document()["contours"]
    case.close()
    for _ in range(100):
        case = opened(place)
        case.session.change_lesion("l1", colour=case.session.state.number)  # so that it is written again
        case.save()
        case.close()
    trace = vm.read_trace(first.path)
    assert trace.document()["contours"] == contours
    assert vm.measure_volume(trace).volume_mm3 == volume
    versions = list(place.versions.rglob("*.trace.json"))
    assert len(versions) == 101
    assert sum(path.name.startswith("first-") for path in versions) == 1


def test_work_in_progress_is_found_again_with_its_undo(place: CasePlace, opened) -> None:
    case = traced(opened(place))
    case.save()
    case.session.copy_slice(5, 6)
    case.session.add_outline(7, ring(4), status="proposed")
    state = case.session.state
    abandon(case)
    told = opened(place)
    assert told.is_read_only
    assert told.holder is not None
    assert told.holder.pid == os.getpid()
    assert told.session.state == state
    with pytest.raises(UsageError, match="locked"):
        told.session.undo()
    with pytest.raises(UsageError, match="locked"):
        told.save()
    again = opened(place, take_over=True)
    assert again.session.state == state
    assert again.unsaved_events == 2
    while again.session.can_undo:
        again.session.undo()
    assert not again.session.state.contours
    assert again.session.state.lesions == {}


def test_outlines_loaded_before_a_crash_are_found_again_with_the_undo_before_them(
    place: CasePlace, opened
) -> None:
    case = traced(opened(place))
    loaded = replace(case.session.trace(case.session.current_lesion), lesion="L2")
    case.save()
    before = case.session.state
    case.session.load_traces([loaded], action="load", are_saved=False)
    state = case.session.state
    abandon(case)
    again = opened(place, take_over=True)
    assert again.session.state == state
    assert again.unsaved_events == 1
    assert len(again.session.state.contours) == 2 * len(before.contours)
    again.session.undo()
    assert again.session.state.contours == before.contours
    again.session.undo()
    assert len(again.session.state.contours) == len(before.contours) - 1


def test_unsaved_work_can_be_thrown_away(place: CasePlace, opened) -> None:
    case = traced(opened(place))
    case.save()
    volume = case.session.readout().volume_cm3
    case.session.clear_slice(3)
    case.session.add_lesion("R1", "R")
    abandon(case)
    again = opened(place, take_over=True)
    again.discard_unsaved()
    assert again.session.readout(lesion_id="l1").volume_cm3 == volume
    assert [x.name for x in again.session.state.lesions.values()] == ["L1"]
    assert again.session.state.unsaved_lesions == ()


def _end():
    """What a program does that has nothing to do."""


def test_a_program_that_ended_is_told_from_one_that_works(place: CasePlace, opened) -> None:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_end)
    process.start()
    process.join()
    case = opened(place)
    lock = next(place.hidden.glob("*.lock"))
    holder = opened(place).holder
    assert holder is not None
    assert not holder.is_gone
    assert not holder.is_stale
    lock.write_text(lock.read_text().replace(f'"pid":{os.getpid()}', f'"pid":{process.pid}'))
    holder = opened(place).holder
    assert holder is not None
    assert holder.is_gone
    assert not case.heartbeat() or case.session.is_read_only is False


def test_who_loses_a_case_is_told_and_loses_no_stroke(place: CasePlace, opened) -> None:
    first = traced(opened(place))
    first.save()
    second = opened(place, take_over=True)
    first.session.add_outline(7, ring(5))  # before it is told
    assert not first.heartbeat()
    assert first.is_read_only
    second.session.clear_slice(2)
    second.save()
    (kept,) = first.save()
    assert kept.is_conflict
    assert kept.path.name == "L1_A.conflict-1.trace.json"
    assert 7 in vm.read_trace(kept.path).slice_indices
    assert vm.read_trace(place.folder / "L1_A.trace.json").slice_indices == (3, 4, 5)


def test_who_loses_a_case_with_all_that_was_drawn_saves_nothing(place: CasePlace, opened) -> None:
    first = traced(opened(place))
    first.save()
    first.session.add_outline(7, ring(5))
    first.wait()
    second = opened(place, take_over=True)
    assert 7 in {c.contour.slice_index for c in second.session.state.contours.values()}
    # Nobody has told the first yet: saving asks first.
    with pytest.raises(UsageError, match=r"locked.*taken over"):
        first.save()
    assert first.is_read_only
    second.session.clear_slice(2)
    assert [saved.is_conflict for saved in second.save()] == [False]
    with pytest.raises(UsageError, match="locked"):
        first.save()
    assert [path.name for path in place.traces()] == ["L1_A.trace.json"]


def test_what_lies_beside_is_saved_once(place: CasePlace, opened) -> None:
    first = traced(opened(place))
    first.save()
    second = opened(place, take_over=True)
    first.session.add_outline(7, ring(5))
    (kept,) = first.save()
    assert kept.is_conflict
    # The file itself is the new owner's: it was not written over.
    second.session.clear_slice(2)
    assert [saved.is_conflict for saved in second.save()] == [False]
    (again,) = first.save()
    assert again.is_unchanged
    assert again.path == kept.path
    assert len(place.traces()) == 2


def test_what_the_disk_does_not_take_is_counted(place: CasePlace, opened, monkeypatch) -> None:
    case = traced(opened(place, in_background=False))
    case.save()
    assert case.n_unkept == 0
    write = os.write
    monkeypatch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    case.session.add_outline(7, ring(5))
    case.session.add_outline(8, ring(5))
    assert case.n_unkept == 2
    monkeypatch.setattr(os, "write", write)
    case.session.add_outline(9, ring(5))
    assert case.n_unkept == 0
    case.close()
    assert len(opened(place).session.state.contours) == len(case.session.state.contours)


def test_a_full_disk_leaves_no_empty_journal(place: CasePlace, opened, monkeypatch) -> None:
    traced(opened(place)).close()
    case = opened(place, in_background=False)
    monkeypatch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    case.session.add_outline(7, ring(5))
    assert case.n_unkept == 1
    case.close()
    monkeypatch.undo()
    again = opened(place)
    assert again.problems == ()
    assert 7 not in {c.contour.slice_index for c in again.session.state.contours.values()}


def test_a_file_changed_by_others_is_never_overwritten(place: CasePlace, opened) -> None:
    case = traced(opened(place))
    (saved,) = case.save()
    other = vm.read_trace(saved.path)
    vm.write_trace(
        vm.Trace(lesion="L1", side="L", contours=other.contours[:1], geometry=other.geometry), saved.path
    )
    before = saved.path.read_bytes()
    case.session.clear_slice(4)
    (beside,) = case.save()
    assert beside.is_conflict
    assert saved.path.read_bytes() == before
    case.session.clear_slice(5)
    (further,) = case.save()
    assert further.path == beside.path
    assert not further.is_conflict


def test_signing_is_kept_and_a_new_version_names_its_parent(place: CasePlace, opened) -> None:
    case = traced(opened(place))
    case.session.sign()
    (signed,) = case.save()
    case.close()
    case = opened(place)
    assert case.session.state.lesions["l1"].is_signed
    case.session.reopen("boundary rule misread")
    case.session.clear_slice(2)
    case.save()
    trace = vm.read_trace(signed.path)
    assert trace.provenance.parent_sha256 == signed.sha256
    assert trace.provenance.reason == "boundary rule misread"
    kept = [read_saved(path).sha256 for path in place.versions.rglob("*.trace.json")]
    assert trace.sha256 in kept
    actions = [event.action for event in recover(place, case._key, "A").events]
    assert "sign" in actions
    assert "reopen" in actions


def test_another_reader_has_files_of_her_own(place: CasePlace, opened) -> None:
    case = traced(opened(place))
    case.save()
    case.close()
    other = opened(place, reader="B")
    assert not other.session.state.lesions
    traced(other, slices=2)
    assert other.save()[0].path.name == "L1_B.trace.json"


def test_masks_are_written_on_request(place: CasePlace, opened, tmp_path: Path) -> None:
    case = traced(opened(place))
    path = case.export_mask(tmp_path / "L1.nii.gz")
    mask = vm.read_mask(path)
    readout = case.session.readout()
    assert vm.measure_volume(mask, label=1).volume_spacing_mm3 == pytest.approx(
        1000 * readout.volume_spacing_cm3, rel=0.05
    )


def test_where_traces_lie(tmp_path: Path) -> None:
    series = tmp_path / "study" / "p01" / "v1" / "t1_cor"
    series.mkdir(parents=True)
    image = tmp_path / "study" / "sub-1" / "ses-1" / "anat" / "x.nii.gz"
    image.parent.mkdir(parents=True)
    image.touch()
    study, other = tmp_path / "study", tmp_path / "other"
    assert place_for(series, study=study).folder == study / "p01" / "v1"
    assert place_for(image, study=study).folder == image.parent
    assert place_for(series, study=study, place=other).folder == other / "p01" / "v1"
    assert place_for(series).folder == series
    assert place_for(image, place=other).folder == other


# -- killing ------------------------------------------------------------------------------------------------


def trace_until_killed(folder: Path, pipe: int, seed: int) -> None:
    """Trace at random; after every event that is on the disk, say so."""
    chance = random.Random(seed)
    case = open_case(SCAN, CasePlace(folder=folder), reader="A", take_over=True)
    session = case.session
    if not session.state.lesions:
        session.add_lesion("L1", "L")
    while True:
        index = chance.randrange(10)
        act = chance.randrange(8)
        if act < 3:
            session.clear_slice(index)
            session.add_outline(index, ring(chance.uniform(3, 12)))
        elif act == 3:
            session.undo()
        elif act == 4:
            session.redo()
        elif act == 5:
            session.propose_between() if session.state.number < 0 else session.clear_slice(index)
        elif act == 6:
            session.paint(index, [(5, chance.randrange(60))], convert=True)
        else:
            case.save()
        case.wait()
        os.write(pipe, b"%d\n" % case.durable)


@needs_fork
def test_killed_at_any_moment_at_most_the_stroke_in_progress_is_missing(tmp_path: Path) -> None:
    place = CasePlace(folder=tmp_path)
    chance = random.Random(7)
    context = multiprocessing.get_context("fork")
    told = 0
    for seed in range(KILLS):
        reading, writing = os.pipe()
        process = context.Process(target=trace_until_killed, args=(tmp_path, writing, seed), daemon=True)
        process.start()
        os.close(writing)
        time.sleep(chance.uniform(0.005, 0.15))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        said = b""
        while chunk := os.read(reading, 65536):
            said += chunk
        os.close(reading)
        told = max([told, *(int(line) for line in said.split()[: said.count(b"\n")])])
        found = recover(place, scan_key(SCAN), "A")
        assert found.state.number >= told
        for path in place.traces():
            assert read_saved(path).lesion == "L1"
    case = open_case(SCAN, place, reader="A", take_over=True)
    assert case.session.state.number >= told > 0
    assert not [path for path in place.traces() if "conflict" in path.name]
    while case.session.can_undo:
        case.session.undo()
    case.close()


# -- two programs -------------------------------------------------------------------------------------------


def save_many(folder: Path, name: str, report: str) -> None:
    """Save over and over, each from what is there; note every save that was acknowledged."""
    path, versions = folder / "L1_A.trace.json", folder / ".volumetry" / "versions"
    acknowledged = []
    for number in range(SAVES):
        parent = read_saved(path).sha256 if path.exists() else ""
        session = vm.Trace(
            lesion="L1",
            contours=(vm.Contour(slice_index=1, vertices=ring(5 + number / 100)),),
            geometry=SCAN.geometry,
            provenance=vm.Provenance(reader=name, read=number + 1, parent_sha256=parent),
        )
        revision = save_revision(session, path, parent_sha256=parent, versions=versions)
        acknowledged.append(f"{session.sha256} {revision.path.name}")
    Path(report).write_text("\n".join(acknowledged))


@needs_fork
def test_two_programs_saving_one_case_lose_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    context = multiprocessing.get_context("fork")
    reports = [tmp_path / "A.txt", tmp_path / "B.txt"]
    processes = [
        context.Process(target=save_many, args=(folder, report.stem, str(report))) for report in reports
    ]
    for process in processes:
        process.start()
    head = folder / "L1_A.trace.json"
    while any(process.is_alive() for process in processes):
        if head.exists():
            assert read_saved(head).lesion == "L1"  # never torn
        time.sleep(0.002)
    assert [process.exitcode for process in processes] == [0, 0]
    kept = {}
    for path in folder.rglob("*.trace.json"):
        kept.setdefault(read_saved(path).sha256, set()).add(path)
    acknowledged = [line.split() for report in reports for line in report.read_text().splitlines()]
    assert len(acknowledged) == 2 * SAVES
    assert [line for line in acknowledged if line[0] not in kept] == []
    beside = [line for line in acknowledged if "conflict" in line[1]]
    assert all(folder / name in kept[sha] for sha, name in beside)
    # What was not saved beside is one unbroken chain that ends in the file itself.
    chain, sha = 0, read_saved(head).sha256
    while sha:
        chain += 1
        parents = [read_saved(path) for path in kept.get(sha, ())]
        sha = parents[0].provenance.parent_sha256 if parents else ""
    assert chain == 2 * SAVES - len(beside)
    assert not list(folder.glob(".*.part"))


def test_a_save_that_was_cut_short_is_carried_on(place: CasePlace, opened) -> None:
    case = traced(opened(place))
    (saved,) = case.save()
    trace = vm.read_trace(saved.path)
    successor = vm.Trace(
        lesion="L1",
        side="L",
        contours=trace.contours[:1],
        geometry=trace.geometry,
        source=trace.source,
        provenance=vm.Provenance(reader="A", parent_sha256=trace.sha256),
    )
    folder = place.versions / "L1_A"
    folder.mkdir(parents=True)
    vm.write_trace(successor, folder / f"after-{trace.sha256}.trace.json")
    case.close()
    again = opened(place)
    assert vm.read_trace(saved.path).sha256 == successor.sha256
    assert again.session.trace("l1").slice_indices == (2,)


# -- journals -----------------------------------------------------------------------------------------------


@pytest.fixture
def sample_journal(tmp_path: Path) -> Path:
    case = open_case(SCAN, CasePlace(folder=tmp_path / "sample"), reader="A", in_background=False)
    case.session.add_lesion("L1", "L")
    case.session.add_outline(2, [(1, 1), (1, 5.25), (6, 3)])
    case.session.paint(3, [(1, 1), (1, 2)])
    case.session.undo()
    case.close()
    return next((tmp_path / "sample" / ".volumetry").glob("*.journal"))


def test_a_journal_cut_anywhere_opens_up_to_the_cut(sample_journal: Path, tmp_path: Path) -> None:
    content = sample_journal.read_bytes()
    events = read_journal(sample_journal).events
    assert len(events) == 4
    ends = np.cumsum([len(line) for line in content.splitlines(keepends=True)])
    cut = tmp_path / "cut.journal"
    for length in range(len(content) + 1):
        cut.write_bytes(content[:length])
        found = read_journal(cut)
        whole = max(0, int(np.searchsorted(ends, length, side="right")) - 1)
        assert found.events == events[:whole]
        assert found.is_damaged == (length not in {int(end) for end in ends})


def test_a_journal_flipped_anywhere_opens_up_to_the_damage(sample_journal: Path, tmp_path: Path) -> None:
    content = sample_journal.read_bytes()
    events = read_journal(sample_journal).events
    ends = np.cumsum([len(line) for line in content.splitlines(keepends=True)])
    chance = random.Random(3)
    flipped = tmp_path / "flipped.journal"
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << chance.randrange(8)
        flipped.write_bytes(bytes(damaged))
        found = read_journal(flipped)
        assert found.events == events[: max(0, int(np.searchsorted(ends, place, side="right")) - 1)]
        assert found.is_damaged


def test_lines_that_are_taken_out_or_put_in_show(sample_journal: Path) -> None:
    lines = sample_journal.read_bytes().splitlines(keepends=True)
    sample_journal.write_bytes(b"".join([*lines[:2], *lines[3:]]))
    assert len(read_journal(sample_journal).events) == 1
    sample_journal.write_bytes(b"".join([*lines, lines[-1]]))
    assert len(read_journal(sample_journal).events) == 4
    assert read_journal(sample_journal).is_damaged


def test_a_newer_journal_is_not_half_read(tmp_path: Path) -> None:
    path = tmp_path / "x.journal"
    writer = JournalWriter(path, {"reader": "A"}, in_background=False)
    writer._pending[0] = (
        -1,
        journal_module.checked_line(b'{"journal":{"format":"volumetry-journal","version":9}}'),
    )
    writer._pending.append((1, b""))
    writer.close()
    with pytest.raises(ReadError, match="newer-format"):
        read_journal(path)
    with pytest.raises(ReadError, match="not-found"):
        read_journal(tmp_path / "none.journal")


def test_damaged_journals_still_open_and_later_ones_stand_alone(place: CasePlace, opened) -> None:
    first = traced(opened(place))
    first.close()
    second = opened(place)
    second.session.clear_slice(2)
    state = second.session.state
    second.close()
    old, new = place.journals(second._key, "A")
    content = bytearray(old.read_bytes())
    content[len(content) // 2] ^= 1
    old.write_bytes(bytes(content))
    third = opened(place)
    assert third.session.state.contours == state.contours
    assert [problem.code for problem in third.problems] == ["truncated"]
    assert third.session.can_undo  # as far as the second journal goes
    third.session.undo()
    assert third.session.readout().slices_traced == (2, 3, 4, 5)
    assert not third.session.can_undo
    assert new.exists()


def test_a_snapshot_helps_where_the_journals_are_gone(
    place: CasePlace, opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case_module, "SNAPSHOT_EVERY", 2)
    case = traced(opened(place))
    case.session.add_outline(8, ring(3), status="proposed")
    state = case.session.state
    case.close()
    assert place.snapshot(case._key, "A", 1).exists()
    assert place.snapshot(case._key, "A", 2).exists()
    for path in place.journals(case._key, "A"):
        path.unlink()
    again = opened(place)
    assert again.session.state == state
    assert again.unsaved_events
    again.close()
    place.snapshot(case._key, "A", 1).write_text("{")
    assert recover(place, case._key, "A").state.number > 0


# -- full disks and folders that cannot be written --------------------------------------------------------


class FullDisk:
    """After so many calls of the system, there is no room; until there is again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = -1
        for module, name in (
            (os, "write"),
            (os, "fsync"),
            (os, "link"),
            (os, "replace"),
            (journal_module, "_sync"),
        ):
            monkeypatch.setattr(module, name, self._limited(getattr(module, name)))

    def _limited(self, call: Callable[..., object]) -> Callable[..., object]:
        def limited(*args: object, **options: object) -> object:
            if self.left == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self.left > 0:
                self.left -= 1
                if self.left == 0 and call.__name__ == "write" and len(args[1]) > 10:  # type: ignore[arg-type]
                    return call(args[0], args[1][:7])  # type: ignore[index]
            return call(*args, **options)

        return limited


@pytest.mark.parametrize("moment", range(50))
def test_a_full_disk_is_named_and_tracing_goes_on(
    moment: int, place: CasePlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = open_case(SCAN, place, reader="A", in_background=False)
    traced(case)
    (saved,) = case.save()
    before = saved.path.read_bytes()
    disk = FullDisk(monkeypatch)
    disk.left = moment
    named = []
    for index in range(2, 9):
        case.session.clear_slice(index)
        case.session.add_outline(index, ring(5))
        if case.error is not None:
            named.append(case.error.code)
        try:
            case.save()
        except OutputError as error:
            named.append(error.code)
        assert read_saved(saved.path).lesion == "L1"
    assert set(named) <= {"disk-full"}
    assert named
    disk.left = 0
    assert read_journal(case._writer.path).header
    if moment == 0:
        assert saved.path.read_bytes() == before
    state = case.session.state
    if moment % 2:
        disk.left = -1
        case.move_to(CasePlace(folder=tmp_path / "elsewhere"))
        assert case.wait()
        assert case.save()[0].path.parent == tmp_path / "elsewhere"
        place = case.place
    disk.left = -1
    case.session.add_outline(9, ring(4))
    assert case.error is None
    (last,) = case.save()
    assert not last.is_conflict
    assert 9 in read_saved(last.path).slice_indices
    state = case.session.state
    case.close()
    assert recover(place, case._key, "A").state == state


def test_a_folder_that_cannot_be_written_is_named_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    if os.geteuid() != 0:
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    else:  # root may write anywhere: say no in the system's place

        def refused(self: Path, *args: object, **options: object) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(OutputError, match="read-only"):
        open_case(SCAN, CasePlace(folder=folder), reader="A")
    assert list(folder.iterdir()) == []
    folder.chmod(0o755)
    monkeypatch.undo()
    case = open_case(SCAN, CasePlace(folder=tmp_path / "mine"), reader="A")
    traced(case)
    assert case.save()[0].path.parent == tmp_path / "mine"
    case.close()


def test_a_journal_in_the_background_blocks_nobody_and_says_when_it_is_safe(tmp_path: Path) -> None:
    case = open_case(SCAN, CasePlace(folder=tmp_path), reader="A")
    traced(case)
    assert case.wait(timeout_s=30)
    assert case.durable == case.session.state.number
    assert read_journal(case._writer.path).events == tuple(case.session.events)
    case.close()
    with pytest.raises(UsageError, match="locked"):
        case.session.undo()


def test_two_readers_have_one_case_open_at_the_same_time(place: CasePlace, opened) -> None:
    first = traced(opened(place))
    second = traced(opened(place, reader="B"), slices=3)
    assert second.holder is None
    assert not second.is_read_only
    assert {case.save()[0].path.name for case in (first, second)} == {"L1_A.trace.json", "L1_B.trace.json"}
    assert opened(place).is_read_only  # the same reader twice
    assert first.heartbeat()
    assert second.heartbeat()


def test_a_reader_that_the_protocol_does_not_name_only_looks(place: CasePlace) -> None:
    case = open_case(SCAN, place, reader="ZZ", readers=("AB", "CD"))
    assert case.is_read_only
    assert case.problems[0].code == "unknown-reader"
    assert "AB CD" in str(case.problems[0])
    with pytest.raises(UsageError, match="locked"):
        case.session.add_lesion("L1")
    with pytest.raises(UsageError, match="locked"):
        case.save()
    case.close()
    assert not place.folder.exists()
    case = open_case(SCAN, place, reader="AB", readers=("AB", "CD"))
    assert not case.is_read_only
    case.close()


def test_only_looking_writes_nothing(place: CasePlace, opened) -> None:
    traced(opened(place)).save()
    before = sorted(place.folder.rglob("*"))
    looking = open_case(SCAN, place, reader="A", only_look=True)
    assert looking.is_read_only
    assert [x.name for x in looking.session.state.lesions.values()] == ["L1"]
    looking.close()
    assert sorted(place.folder.rglob("*")) == before


def test_an_untraced_lesion_is_not_saved_as_absent(place: CasePlace, opened) -> None:
    case = opened(place)
    lesion = case.session.add_lesion("L1")
    assert case.save() == ()
    with pytest.raises(TraceError, match="untraced-slice"):
        case.save([lesion])
    case.session.mark_not_measurable(lesion, "artefact")
    (saved,) = case.save()
    case.close()
    assert vm.read_trace(saved.path).not_measurable == "artefact"
    again = opened(place)
    assert again.session.state.lesions[lesion].not_measurable == "artefact"
    assert again.unsaved_events == 0


def test_minutes_are_those_between_commands_without_long_pauses() -> None:
    def at(minute: float) -> str:
        return f"2026-03-02T10:{int(minute):02d}:{round(minute % 1 * 60):02d}+01:00"

    def content(opened_at: float, *times: float) -> JournalContent:
        events = tuple(
            Event(number=n, time=at(time), reader="A", action="save") for n, time in enumerate(times, 1)
        )
        return JournalContent(
            header={"time": at(opened_at)}, events=events, hashes=(), good_bytes=0, is_damaged=False
        )

    assert minutes_of([content(0, 1.5, 2)]) == 2
    assert minutes_of([content(0, 1, 31), content(40, 41)]) == 1 + 5 + 1
    assert minutes_of([]) == 0
    older = JournalContent(
        header={}, events=content(0, 1, 2).events, hashes=(), good_bytes=0, is_damaged=False
    )
    assert minutes_of([older]) == 1


def test_initials_are_remembered_in_the_users_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOLUMETRY_CONFIG", str(tmp_path / "config"))
    assert remembered_reader() == ""
    remember_reader("AB")
    assert remembered_reader() == "AB"
    file = tmp_path / "config" / "settings.json"
    for damaged in ("{", "[]", '{"reader": 3}', '{"reader": "a\\u0007"}', '{"reader": "<b>"}'):
        file.write_text(damaged)
        assert remembered_reader() == ("<b>" if "<b>" in damaged else "")
    file.unlink()
    file.mkdir()
    remember_reader("CD")  # no place for it: no loss
    assert remembered_reader() == ""


def test_a_deleted_lesion_leaves_the_folder_when_it_is_saved(place: CasePlace, opened) -> None:
    case = traced(opened(place))
    case.save()
    (path,) = place.traces()
    content = path.read_bytes()
    case.session.delete_lesion("l1")
    assert dict(case.session.state.deleted_lesions) == {"l1": "L1"}
    # Not saved: it is still there, also for a session that goes on with this one.
    assert place.traces() == [path]
    case.close()
    case = opened(place)
    assert case.unsaved_events
    assert case.session.state.lesions == {}
    (gone,) = case.save()
    assert gone.is_deleted
    assert place.traces() == []
    assert gone.path.read_bytes() == content
    assert case.save() == ()
    # The next lesion of that name is the only one, and what was deleted can come back.
    case.session.add_lesion("L1", "L")
    case.session.add_outline(3, ring(6))
    (new,) = case.save()
    assert not new.is_conflict
    assert new.path == path
    case.session.copy_slice(3, 4)
    (changed,) = case.save()
    assert not changed.is_conflict
    case.close()
    again = opened(place)
    assert again.unsaved_events == 0
    assert [lesion.name for lesion in again.session.state.lesions.values()] == ["L1"]


def test_a_deletion_that_is_undone_is_saved_again(place: CasePlace, opened) -> None:
    case = traced(opened(place))
    case.save()
    case.session.delete_lesion("l1")
    case.save()
    assert place.traces() == []
    case.session.undo()
    assert case.session.state.unsaved_lesions == ("l1",)
    (back,) = case.save()
    assert not back.is_conflict
    assert place.traces() == [back.path]
    case.session.delete_lesion("l1")
    case.save()
    assert place.traces() == []


def test_a_deleted_lesion_that_somebody_else_changed_is_theirs(place: CasePlace, opened) -> None:
    case = traced(opened(place))
    (saved,) = case.save()
    trace = vm.read_trace(saved.path)
    saved.path.unlink()
    vm.write_trace(replace(trace, contours=trace.contours[:1]), saved.path)
    case.session.delete_lesion("l1")
    assert [(found.is_deleted, found.is_conflict, found.path) for found in case.save()] == [
        (True, True, saved.path)
    ]
    assert place.traces() == [saved.path]
