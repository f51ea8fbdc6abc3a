"""The worklist of the sample study, and what a blinded reader sees of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

import volumetry as vm
from volumetry.error_model import ReadingError
from volumetry.errors import ReadError, UsageError
from volumetry.export import TracedFile as ExportedFile
from volumetry.export import export_traced
from volumetry.study.protocol import Protocol, Reading, read_protocol
from volumetry.tracing import (
    Worklist,
    WorklistRow,
    chosen_rows,
    open_case,
    read_worklist,
    release_blinded,
    scan_title,
    traced_beside,
)
from volumetry.tracing.worklist.beside import printable

SAMPLE = ROOT / "sample_scans" / "study"

pytestmark = pytest.mark.skipif(not SAMPLE.is_dir(), reason="sample_scans/make_sample_scans.py has not run")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    for patient in ("hip01", "hip02", "hip05"):
        shutil.copytree(SAMPLE / patient, folder / patient)
    return folder


def blinded(kind: str, seed: int = 11) -> Protocol:
    return Protocol(reading=Reading(blinding=kind, seed=seed))  # type: ignore[arg-type]


def trace_one(worklist: Worklist, number: int, *, reader: str = "A", save: bool = True) -> Path:
    scan = vm.read_scan(worklist.scan_path(number), series_uid=worklist.series_uid(number) or None)
    case = open_case(scan, worklist.place(number), reader=reader, take_over=True)
    held = [x.id for x in case.session.state.lesions.values() if x.name == "L1"]
    lesion = held[0] if held else case.session.add_lesion("L1")
    if case.session.state.lesions[lesion].is_signed:
        case.session.reopen("again", lesion)
    case.session.clear_slice(5, lesion_id=lesion)
    angles = np.linspace(0, 2 * np.pi, 30, endpoint=False)
    vertices = np.column_stack((50 + 9 * np.sin(angles), 60 + 9 * np.cos(angles)))
    case.session.add_outline(5, vertices, lesion_id=lesion)
    if save:
        case.session.sign(lesion)
        path = case.save([lesion])[0].path
    case.close()
    return path if save else case.place.folder


def test_an_open_worklist_names_everything(study: Path) -> None:
    worklist = read_worklist(study, reader="B")
    rows = [row for row in worklist.rows if row.patient == "hip01"]
    assert [row.visit for row in rows] == sorted(row.visit for row in rows)
    assert {(row.lesion, row.side, row.state) for row in rows if not row.reader} == {
        ("lesion_L1", "L", "saved"),
        ("lesion_R1", "R", "saved"),
    }
    native = [row for row in worklist.rows if row.patient == "hip05" and row.reader == "A"]
    assert {(row.lesion, row.state) for row in native} == {("L1", "saved"), ("R1", "saved")}
    assert {row.lesion for row in worklist.rows if row.patient == "hip05" and row.state == "untraced"} == {
        "L1",
        "R1",
    }
    assert rows[0].name == f"hip01, {rows[0].visit}"
    with pytest.raises(UsageError):
        worklist.scan_path(999)


def test_states_follow_the_work(study: Path) -> None:
    worklist = read_worklist(study, reader="B")
    number = next(row.number for row in worklist.rows if row.patient == "hip05")

    def states() -> set[str]:
        found = read_worklist(study, reader="B").rows
        return {
            row.state for row in found if row.number == number and row.reader == "B" and row.lesion == "L1"
        }

    assert states() == {"untraced"}
    trace_one(worklist, number, reader="B", save=False)
    assert states() == {"in progress"}
    path = trace_one(worklist, number, reader="B")
    assert states() == {"signed"}
    assert path.parent == study / "hip05" / "2021-06-01"
    shutil.copy(path, path.with_name("L1_B.conflict-1.trace.json"))
    assert states() == {"signed", "conflict"}


def test_saved_lesions_have_colours_of_their_own(study: Path) -> None:
    worklist = read_worklist(study, reader="A")
    number = next(row.number for row in worklist.rows if row.patient == "hip05")
    case = open_case(vm.read_scan(worklist.scan_path(number)), worklist.place(number), reader="A")
    assert {x.name: x.colour for x in case.session.state.lesions.values()} == {"L1": 0, "R1": 1}
    assert case.session.add_lesion("L2") not in ("l1", "c1")
    assert case.session.state.lesions[case.session.current_lesion].colour == 2
    case.close()


def test_baselines_are_found(study: Path) -> None:
    worklist = read_worklist(study, reader="A")
    numbers = list(dict.fromkeys(row.number for row in worklist.rows if row.patient == "hip05"))
    assert worklist.baseline_path(numbers[0]) is None
    assert worklist.baseline_path(numbers[1]) == worklist.scan_path(numbers[0])
    trace = worklist.baseline_trace(numbers[1], "L1", "A")
    assert trace is not None
    assert trace.lesion == "L1"
    assert worklist.baseline_trace(numbers[1], "L9") is None
    region = [row.number for row in worklist.rows if row.patient == "hip01"][-1]
    trace = worklist.baseline_trace(region, "L1")
    assert trace is not None
    assert trace.lesion == "lesion_L1"


def words_written(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        yield path.name


def test_blinded_to_time_nothing_says_when(study: Path, tmp_path: Path) -> None:
    place = tmp_path / "out"
    worklist = read_worklist(study, protocol=blinded("time"), reader="A", place=place)
    secrets = {"hip01", "hip02", "hip05", "2021", "2022", "-03-", "-06-", "t1_cor"}
    shown = [str(value) for row in worklist.rows for value in astuple(row)]
    assert not [word for word in shown if any(secret in word for secret in secrets)]
    assert [row.number for row in worklist.rows] == sorted(row.number for row in worklist.rows)
    numbers = list(dict.fromkeys(row.number for row in worklist.rows))
    assert numbers == list(range(1, 9))
    assert all(worklist.baseline_path(number) is None for number in numbers)
    trace_one(worklist, 3)
    trace_one(worklist, 4, save=False)
    assert not [name for name in words_written(place) if any(secret in name for secret in secrets)]
    again = read_worklist(study, protocol=blinded("time"), reader="A", place=place)
    assert {row.state for row in again.rows if row.number == 3 and row.lesion == "L1"} == {"signed"}
    assert {row.state for row in again.rows if row.number == 4 and row.lesion == "L1"} == {"in progress"}
    assert {row.reader for row in again.rows} <= {"A", ""}


def test_the_order_is_shuffled_and_stays(study: Path, tmp_path: Path) -> None:
    orders = []
    for seed in range(6):
        place = tmp_path / f"out{seed}"
        worklist = read_worklist(study, protocol=blinded("time", seed), reader="A", place=place)
        orders.append([worklist.scan_path(n) for n in range(1, 9)])
    assert all(sorted(order) == sorted(orders[0]) for order in orders)
    assert len({tuple(order) for order in orders}) > 3
    again = read_worklist(study, protocol=blinded("time", 0), reader="A", place=tmp_path / "out0")
    assert [again.scan_path(n) for n in range(1, 9)] == orders[0]
    shutil.copytree(SAMPLE / "hip03", study / "hip03")
    more = read_worklist(study, protocol=blinded("time", 0), reader="A", place=tmp_path / "out0")
    assert [more.scan_path(n) for n in range(1, 9)] == orders[0]
    assert {more.scan_path(n).parts[-3] for n in (9, 10)} == {"hip03"}
    key = json.loads((tmp_path / "out0" / ".volumetry" / "blinded" / "key.json").read_text())
    assert key["seed"] == 0


def test_blinded_to_the_patient(study: Path, tmp_path: Path) -> None:
    worklist = read_worklist(study, protocol=blinded("patient"), reader="A", place=tmp_path / "out")
    assert {row.patient for row in worklist.rows} == {"Patient 01", "Patient 02", "Patient 03"}
    assert "hip0" not in " ".join(str(value) for row in worklist.rows for value in astuple(row))
    first = [row for row in worklist.rows if row.patient == "Patient 01"]
    assert [row.visit for row in first] == sorted(row.visit for row in first)
    assert worklist.baseline_path(first[-1].number) is not None


@pytest.mark.parametrize("blinding", ["time", "patient"])
def test_a_blinded_reader_is_told_of_nothing_that_others_found_or_other_visits_hold(
    blinding: str, study: Path
) -> None:
    def rows() -> list[WorklistRow]:
        return list(read_worklist(study, protocol=blinded(blinding), reader="A").rows)

    before = rows()
    # Another reader's lesion, on every scan of one patient but the last.
    theirs = read_worklist(study, protocol=blinded(blinding), reader="B")
    visits: dict[Path, list[int]] = {}
    for number in {row.number for row in theirs.rows}:
        visits.setdefault(theirs.scan_path(number).parents[1], []).append(number)
    followed = max(visits.values(), key=len)
    for number in followed[:-1]:
        trace_one(theirs, number, reader="B")
    assert rows() == before
    assert theirs.trace_at(followed[0], "L1", "A") is None
    # An own lesion on one scan: under time it does not say which other scans are of the same patient.
    own = read_worklist(study, protocol=blinded(blinding), reader="A")
    trace_one(own, followed[-1])
    awaited = {row.number for row in rows() if row.lesion == "L1" and row.state == "untraced"}
    assert awaited == (set() if blinding == "time" else set(followed[:-1]))


def test_what_was_read_blinded_is_released_once(study: Path) -> None:
    worklist = read_worklist(study, protocol=blinded("time"), reader="C")
    path = trace_one(worklist, 2, reader="C")
    assert ".volumetry/blinded/Case 02" in path.as_posix()
    (released,) = release_blinded(study)
    scan = worklist.scan_path(2)
    assert released == scan.parent / "L1_C.trace.json"
    assert vm.read_trace(released).sha256 == vm.read_trace(path).sha256
    assert release_blinded(study) == ()
    with pytest.raises(ReadError, match="not-found"):
        release_blinded(study, place=study / "nowhere")


def test_a_damaged_key_is_no_reason_to_number_anew(study: Path) -> None:
    read_worklist(study, protocol=blinded("time"), reader="A")
    (study / ".volumetry" / "blinded" / "key.json").write_text("{")
    with pytest.raises(ReadError, match="unreadable"):
        read_worklist(study, protocol=blinded("time"), reader="A")


def test_the_protocol_in_the_folder_counts(study: Path) -> None:
    (study / "study.toml").write_text('[reading]\nblinding = "time"\nseed = 4\n')
    assert read_worklist(study, reader="A").blinding == "time"
    assert read_worklist(study, reader="A").rows[0].name == "Case 01"


def test_no_scan_is_changed_by_tracing(study: Path) -> None:
    before = {path: path.read_bytes() for path in study.rglob("*.dcm")}
    worklist = read_worklist(study, reader="A")
    trace_one(worklist, worklist.rows[0].number)
    assert {path: path.read_bytes() for path in study.rglob("*.dcm")} == before


def test_the_next_untraced_scan_comes_after_the_open_one_and_then_from_the_start(study: Path) -> None:
    worklist = read_worklist(study, reader="B")
    left = [n for n in dict.fromkeys(row.number for row in worklist.rows) if worklist._is_left(n)]
    # What an RTSTRUCT, or a trace without a reader, holds is nobody's read.
    assert left == list(dict.fromkeys(row.number for row in worklist.rows))
    assert worklist.next_untraced() == left[0]
    assert worklist.next_untraced(left[0]) == left[1]
    assert worklist.next_untraced(left[-1]) == left[0]
    for number in left:
        lesions = {row.lesion for row in worklist.rows if row.number == number and row.reader == "B"}
        scan = vm.read_scan(worklist.scan_path(number), series_uid=worklist.series_uid(number) or None)
        case = open_case(scan, worklist.place(number), reader="B")
        for lesion in lesions:
            case.session.mark_absent(case.session.add_lesion(lesion or "L1"))
        case.save()
        case.close()
    done = read_worklist(study, reader="B")
    assert done.next_untraced() is None
    assert {row.finding for row in done.rows if row.reader == "B"} == {"absent"}
    assert done.minutes(left[0], "B") > 0
    assert done.minutes(left[0], "C") == 0


def test_rows_are_filtered_and_sorted(study: Path) -> None:
    rows = read_worklist(study, reader="B").rows
    assert chosen_rows(rows) == rows
    assert {row.patient for row in chosen_rows(rows, words="HIP05 l1")} == {"hip05"}
    assert {row.state for row in chosen_rows(rows, states=("untraced",))} == {"untraced"}
    assert chosen_rows(rows, words="nobody") == ()
    assert [row.lesion for row in chosen_rows(rows, by="lesion")] == sorted(row.lesion for row in rows)
    assert chosen_rows(rows, by="state")[0].state == "untraced"


def test_an_empty_folder_says_what_lies_there(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    assert read_worklist(folder).nothing_found == "There is no scan here: the folder is empty."
    (folder / "p01").mkdir()
    for number in range(3):
        (folder / "p01" / f"letter{number}.docx").write_text("x")
    (folder / "p01" / "<img src=x>").write_text("x")
    said = read_worklist(folder).nothing_found
    assert said == "There is no scan here. The folder holds 4 files: 3 *.docx, 1 without a known ending."
    (folder / "scan.nii").write_text("x")
    assert "could not be read" in read_worklist(folder).nothing_found or read_worklist(folder).rows


def test_an_archive_that_cannot_be_written_has_its_traces_elsewhere(study: Path, tmp_path: Path) -> None:
    traces = tmp_path / "traces"
    traces.mkdir()
    (traces / "study.toml").write_text('[reading]\nreaders = ["AB"]\n')
    before = {path: path.stat().st_mtime_ns for path in study.rglob("*")}
    for folder in [study, *(path for path in study.rglob("*") if path.is_dir())]:
        folder.chmod(0o555)
    try:
        worklist = read_worklist(study, reader="AB", place=traces)
        assert worklist.may_trace("AB")
        assert not worklist.may_trace("ZZ")
        path = trace_one(worklist, worklist.rows[0].number, reader="AB")
    finally:
        for folder in [study, *(path for path in study.rglob("*") if path.is_dir())]:
            folder.chmod(0o755)
    assert path.is_relative_to(traces)
    assert {path: path.stat().st_mtime_ns for path in study.rglob("*")} == before


def test_a_single_series_has_a_title_and_its_rtstruct_is_found(study: Path) -> None:
    series = next(path for path in (study / "hip01").rglob("*.dcm") if path.parent.name == "t1_cor").parent
    scan = vm.read_scan(series)
    assert scan_title(scan, series) == f"{scan.source.patient}, {scan.source.study_date}, t1_cor"
    (found,) = traced_beside(scan, series)
    assert (found.path.name, found.kind) == ("rtstruct.dcm", "RTSTRUCT")
    assert set(found.lesions) >= {"lesion_L1", "lesion_R1"}
    native = next((study / "hip05").rglob("*.dcm")).parent
    assert traced_beside(vm.read_scan(native), native) == ()


def test_visits_that_tables_refuse_are_told_before_anybody_reads(study: Path) -> None:
    assert read_worklist(study, reader="A").refused == {}
    shutil.copytree(study / "hip01" / "2021-03-02", study / "backup" / "hip01" / "2021-03-02")
    worklist = read_worklist(study, reader="A")
    refused = {row.patient for row in worklist.rows if row.number in worklist.refused}
    assert refused == {"hip01"}
    assert set(worklist.refused.values()) == {"patient-unclear"}


def test_the_segments_of_a_seg_are_rows_and_have_outlines(study: Path) -> None:
    visit = study / "hip01" / "2021-03-02"
    names = ("lesion_L1", "lesion_R1")
    traces = tuple(vm.read_trace(visit / "rtstruct.dcm", roi=name) for name in names)
    series = next(path.parent for path in visit.rglob("*.dcm") if path.parent != visit)
    traced = ExportedFile(path=visit, traces=traces)
    export_traced(traced, visit / "both.seg.dcm", "seg", scan=series)
    (visit / "rtstruct.dcm").unlink()
    worklist = read_worklist(study, reader="A")
    rows = [row for row in worklist.rows if row.form == "SEG"]
    assert tuple(sorted(row.lesion for row in rows)) == names
    measured = {section.lesion: section for section in vm.read_sections(visit / "both.seg.dcm", scan=series)}
    for name in names:
        trace = worklist.trace_at(rows[0].number, name, "A")
        assert trace is not None
        drawn, counted = (vm.measure_volume(x).volume_mm3 for x in (trace, measured[name]))
        assert drawn == pytest.approx(counted)
    (beside,) = traced_beside(vm.read_scan(series), series)
    assert (beside.kind, beside.lesions) == ("SEG", names)


def test_a_mask_beside_a_file_is_found_and_others_are_not(tmp_path: Path) -> None:
    source = ROOT / "sample_scans" / "orientation" / "axial"
    for name in ("axial.nii.gz", "axial_mask.nii.gz"):
        shutil.copy(source / name, tmp_path / name)
    shutil.copy(source / "axial.nii.gz", tmp_path / "other.nii.gz")
    (found,) = traced_beside(vm.read_scan(tmp_path / "axial.nii.gz"), tmp_path / "axial.nii.gz")
    assert (found.path.name, found.kind) == ("axial_mask.nii.gz", "mask")
    assert traced_beside(vm.read_scan(tmp_path / "other.nii.gz"), tmp_path / "other.nii.gz") == ()


def test_titles_hold_no_control_characters() -> None:
    assert printable("a\u202eb\x1b[31m") == "a\ufffdb\ufffd[31m"
    assert len(printable("x" * 300)) == 59


def test_numbers_and_names_stay_when_a_scan_is_traced(study: Path) -> None:
    (study / "hip05").rename(study / "a folder of another name")
    before = read_worklist(study, reader="B")
    names = {row.number: (row.name, before.scan_path(row.number)) for row in before.rows}
    for number in names:
        trace_one(before, number, reader="B")
        after = read_worklist(study, reader="B")
        assert {row.number: (row.name, after.scan_path(row.number)) for row in after.rows} == names


def test_a_lesion_that_was_deleted_and_not_saved_is_in_progress(study: Path) -> None:
    worklist = read_worklist(study, reader="A")
    number = next(row.number for row in worklist.rows if row.patient == "hip05" and row.state == "saved")
    scan = vm.read_scan(worklist.scan_path(number), series_uid=worklist.series_uid(number) or None)
    case = open_case(scan, worklist.place(number), reader="A")
    lesion, *_others = case.session.state.lesions.values()
    case.session.delete_lesion(lesion.id)
    case.close()

    def state() -> str:
        rows = read_worklist(study, reader="A").rows
        return next(row.state for row in rows if (row.number, row.lesion) == (number, lesion.name))

    assert state() == "in progress"
    case = open_case(scan, worklist.place(number), reader="A")
    case.save()
    case.close()
    assert state() == "untraced"


@pytest.mark.parametrize(("height", "is_used"), [("thickness", True), ("spacing", False)])
def test_an_error_of_reads_that_other_rules_measured_is_not_used(
    study: Path, height: str, is_used: bool
) -> None:
    error = ReadingError(
        model="constant", log_sd_at_1_cm3=0.05, exponent=0.0, df=60, n_pairs=60, n_lesions=60, n_patients=60,
        size_range_mm3=(10.0, 60_000.0), measured_by={"height": height},
    )  # fmt: skip
    (study / "r.json").write_text(json.dumps(error.as_dict()))
    (study / "volumetry.toml").write_text('[repeatability]\nfile = "r.json"\n')
    worth = read_worklist(study, reader="B", protocol=read_protocol(study / "volumetry.toml")).worth
    assert (worth.reading_error is not None) == is_used


@pytest.mark.parametrize("reader", ["B", "A", ""])
def test_what_a_case_does_not_open_with_is_left_to_trace(study: Path, reader: str) -> None:
    worklist = read_worklist(study, reader=reader)
    for number in dict.fromkeys(row.number for row in worklist.rows):
        rows = [row for row in worklist.rows if row.number == number]
        scan = vm.read_scan(worklist.scan_path(number), series_uid=worklist.series_uid(number) or None)
        case = open_case(scan, worklist.place(number), reader=reader, only_look=True)
        opened = {lesion.name for lesion in case.session.state.lesions.values()}
        own = [row for row in rows if row.reader == reader and not row.form]
        assert {row.lesion for row in own if row.state == "saved"} == (opened if reader else set())
        if reader:
            done = {row.lesion for row in own}
            assert {row.lesion for row in rows} <= done  # tables follow a lesion by its very name
        for row in rows:
            path = worklist.file_of(number, row.lesion) if row.form else None
            assert bool(row.form) == (path is not None)
            assert path is None or row.form == ("trace" if path.name.endswith(".trace.json") else "RTSTRUCT")
    assert chosen_rows(worklist.rows, words="rtstruct lesion_L1")
