"""A reader study end to end, and that no repeat is recognisable in it."""

from __future__ import annotations

import csv
import json
import os
import re
from collections import Counter
from dataclasses import astuple
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from reader_study import numbers, read_all, read_case, write_study

import volumetry as vm
from volumetry.agreement.adjudication import read_lesions
from volumetry.cli import main
from volumetry.errors import ReadError, UsageError
from volumetry.study.reading import n_of_share
from volumetry.tracing import plan_study, read_worklist, release_blinded, settle, study_status

N_SCANS = 30 if os.environ.get("VOLUMETRY_PROVE") else 8
FIRST, EARLY, LATE = "2024-03-02T10:00:00+00:00", "2024-03-16T09:59:59+00:00", "2024-03-16T10:00:00+00:00"


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# -- no repeat is recognisable ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def read_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that reader A has read, both parts, and nobody else."""
    study = write_study(tmp_path_factory.mktemp("blind") / "study", 10)
    plan_study(study)
    read_all(study, "A", FIRST)
    early = read_worklist(study, reader="A", now=datetime.fromisoformat(EARLY))
    assert numbers(early) == list(range(1, 9))
    read_all(study, "A", LATE)
    return study


def test_the_files_of_a_repeat_share_nothing_with_those_of_its_first_read(read_once: Path) -> None:
    assignment, _ = plan_study(read_once)
    own = assignment.of_reader("A")
    files = {
        read: {
            path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8", errors="replace")
            for folder in [assignment.place(read_once, read).folder]
            for path in folder.rglob("*")
            if path.is_file()
        }
        for read in own
    }
    assert {len(held) for held in files.values()} == {len(files[own[0]])}
    secrets = {scan.split("/")[0] for scan in assignment.lesions} | {"2021-"}
    for held in files.values():
        text = "\n".join([*held, *held.values()])
        assert not [secret for secret in secrets if secret in text]
    # names of journals are made of a hash: of the read, not of the scan
    names = Counter(name for held in files.values() for name in held)
    assert {count for name, count in names.items() if "journal" in name} == {1}
    traces = {
        read: next(v for k, v in held.items() if k.endswith("A.trace.json")) for read, held in files.items()
    }
    sources = [json.dumps(vm_source(text), sort_keys=True) for text in traces.values()]
    assert len(set(sources)) == len(own)
    without_hash = {
        json.dumps({**vm_source(t), "voxels_sha256": ""}, sort_keys=True) for t in traces.values()
    }
    assert len(without_hash) == 1
    geometries = {json.dumps(json.loads(text)["geometry"], sort_keys=True) for text in traces.values()}
    assert len(geometries) == 1
    assert (
        len({vm.read_scan(path).geometry.slice_origins_mm.tobytes() for path in read_once.rglob("t1.nii.gz")})
        == 10
    )
    assert {json.loads(text)["provenance"]["read"] for text in traces.values()} == {1}


def test_no_word_number_name_or_size_is_of_two_reads_of_one_scan_alone(read_once: Path) -> None:
    """As a cunning reader would look: what do exactly two cases have in common?"""
    assignment, _ = plan_study(read_once)
    own = assignment.of_reader("A")
    held: dict[str, set[int]] = {}
    for read in own:
        folder = assignment.place(read_once, read).folder
        for path in (path for path in folder.rglob("*") if path.is_file()):
            text = f"{path.relative_to(folder)} {path.read_text(encoding='utf-8', errors='replace')}"
            for word in {*re.findall(r"[\w.+-]{2,}", text), f"{path.suffix} {path.stat().st_size} bytes"}:
                held.setdefault(word, set()).add(read.number)
    by_scan: dict[str, set[int]] = {}
    for read in own:
        by_scan.setdefault(read.scan, set()).add(read.number)
    twice = [numbers_ for numbers_ in by_scan.values() if len(numbers_) == 2]
    assert len(twice) == 2
    assert [word for word, cases in held.items() if cases in twice] == []


def vm_source(text: str) -> dict[str, str]:
    source: dict[str, str] = json.loads(text)["source"]
    return source


def test_the_worklist_shows_a_repeat_like_any_other_case(read_once: Path) -> None:
    assignment, shown = plan_study(read_once)
    now = datetime.fromisoformat(LATE)
    worklist = read_worklist(read_once, reader="A", now=now)
    repeats = {read.number for read in assignment.of_reader("A") if read.read == 2}
    assert len(repeats) == 2
    kinds = {
        is_repeat: {astuple(row)[2:] for row in worklist.rows if (row.number in repeats) == is_repeat}
        for is_repeat in (True, False)
    }
    assert kinds[True] == kinds[False]
    assert [row.name for row in worklist.rows] == [f"Case {n:02d}" for n in range(1, 13)]
    assert all(worklist.baseline_path(number) is None for number in numbers(worklist))
    # another reader's list begins untouched, and nothing of A's shows in it
    others = read_worklist(read_once, reader="B", now=now)
    assert {(row.state, row.lesion) for row in others.rows} == {("untraced", "")}
    assert read_worklist(read_once, reader="Z", now=now).rows == ()
    columns = set(table(shown)[0])
    assert columns == {"reader", "position", "case", "part"}


def test_the_second_part_appears_as_a_whole_and_looks_untraced(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", 5)
    assignment, _ = plan_study(study)
    own = assignment.of_reader("A")
    first = [read.number for read in own if read.part == 1]
    late = [read for read in own if read.part == 2]
    assert {read.read for read in late} == {1, 2}
    read_all(study, "A", FIRST)
    early = read_worklist(study, reader="A", now=datetime.fromisoformat(EARLY))
    assert numbers(early) == first
    messages = set()
    for read in late:
        for ask in (early.scan_path, early.place, early.series_uid, early.baseline_path):
            with pytest.raises(UsageError) as refused:
                ask(read.number)
            assert refused.value.code == "not-due"
            messages.add(str(refused.value).replace(str(read.number), "N"))
    assert len(messages) == 1
    due = read_worklist(study, reader="A", now=datetime.fromisoformat(LATE))
    assert numbers(due) == [read.number for read in own]
    rows = [row for row in due.rows if row.number not in first]
    assert {(row.side, row.lesion, row.state, row.finding) for row in rows} == {("", "", "untraced", "")}
    # while one case of the first part is open again, those that were not begun are closed again
    read_case(due, rows[0].number, "A", LATE)
    place = assignment.place(study, own[0])
    path = next(iter(place.traces()))
    trace = vm.read_trace(path)
    path.unlink()
    open_again = read_worklist(study, reader="A", now=datetime.fromisoformat(LATE))
    assert numbers(open_again) == [*first, rows[0].number]
    assert datetime.fromisoformat(trace.provenance.signed_time) == datetime.fromisoformat(FIRST)


def test_released_reads_do_not_tell_in_the_worklist(read_once: Path, tmp_path: Path) -> None:
    import shutil

    study = tmp_path / "study"
    shutil.copytree(read_once, study)
    now = datetime.fromisoformat(LATE)
    before = read_worklist(study, reader="A", now=now).rows
    written = release_blinded(study)
    assert len(written) == 12
    assert sorted(vm.read_trace(path).provenance.read for path in written) == [1] * 10 + [2] * 2
    for path in written:
        trace = vm.read_trace(path)
        scan = vm.read_scan(path.parent / "t1.nii.gz")
        assert trace.source == scan.hashed_source
        assert trace.geometry.voxel_distance(scan.geometry) < 1e-6
        assert (vm.measure_volume(trace).volume_mm3 or 0) > 0
    assert release_blinded(study) == ()
    assert read_worklist(study, reader="A", now=now).rows == before
    assert {row.lesion for row in read_worklist(study, reader="B", now=now).rows} == {""}
    # planned again, the same: what was read says nothing to the plan
    assert plan_study(study)[0] == plan_study(read_once)[0]


def test_a_read_that_was_changed_after_its_release_replaces_it(read_once: Path, tmp_path: Path) -> None:
    import shutil

    from volumetry.tracing import open_case

    study = tmp_path / "study"
    shutil.copytree(read_once, study)
    released = release_blinded(study)
    worklist = read_worklist(study, reader="A", now=datetime.fromisoformat(LATE))
    case = open_case(vm.read_scan(worklist.scan_path(1)), worklist.place(1), reader="A", in_background=False)
    (lesion,) = case.session.state.lesions
    case.session.reopen("again", lesion)
    case.session.clear_slice(2, lesion_id=lesion)
    case.session.sign(lesion)
    case.save([lesion])
    case.close()
    (again,) = release_blinded(study)
    assert again in released
    assert vm.read_trace(again).slice_indices == (3, 4)


# -- the plan on the disk ---------------------------------------------------------------------------------


def test_a_plan_is_reproducible_and_is_not_replaced_once_begun(tmp_path: Path) -> None:
    studies = [write_study(tmp_path / name, 5) for name in ("one", "two")]
    for study in studies:
        assert main(["study", "plan", str(study)]) == 0
        assert main(["study", "plan", str(study)]) == 0
    names = (".volumetry/blinded/assignment.json", "reading_plan.csv")
    one, two = [[(study / name).read_bytes() for name in names] for study in studies]
    assert one == two
    key = studies[0] / names[0]
    assert key.stat().st_mode & 0o077 == 0
    write_study(tmp_path / "more", 6)
    (tmp_path / "more" / "p02").rename(studies[0] / "p09")
    plan_study(studies[0])
    assert key.read_bytes() != one[0]
    worklist = read_worklist(studies[0], reader="A")
    read_case(worklist, worklist.rows[0].number, "A", FIRST)
    plan_study(studies[0])
    (studies[0] / "p09" / "2021-01-15" / "t1.nii.gz").unlink()
    with pytest.raises(UsageError, match="begun"):
        plan_study(studies[0])
    assert len(read_worklist(studies[0], reader="A").rows) > 0
    key.write_text("{", encoding="utf-8")
    with pytest.raises(ReadError):
        read_worklist(studies[0], reader="A")


def test_readers_and_scans_that_come_later_get_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study(tmp_path / "study", 5)
    protocol = study / "study.toml"
    words = protocol.read_text(encoding="utf-8")
    protocol.write_text(words.replace('["A", "B", "C"]', '["A", "B"]'), encoding="utf-8")
    before, _ = plan_study(study)
    worklist = read_worklist(study, reader="A")
    read_case(worklist, worklist.rows[0].number, "A", FIRST)
    shown = {row.number: (row.name, row.state) for row in read_worklist(study, reader="A").rows}
    protocol.write_text(words, encoding="utf-8")
    write_study(tmp_path / "more", 6)
    (tmp_path / "more" / "p02").rename(study / "p09")
    assert main(["study", "status", str(study)]) == 0
    assert "C of the protocol have no reads: run volumetry study plan" in capsys.readouterr().err
    assert main(["study", "plan", str(study)]) == 0
    assert main(["study", "status", str(study)]) == 0
    assert "have no reads" not in capsys.readouterr().err
    after, _ = plan_study(study)
    assert after.reads[: len(before.reads)] == before.reads
    assert {read.reader for read in after.reads} == {"A", "B", "C"}
    assert len({read.scan for read in after.of_reader("A")}) == len({r.scan for r in before.reads}) + 2
    now = {row.number: (row.name, row.state) for row in read_worklist(study, reader="A").rows}
    assert {number: now[number] for number in shown} == shown
    assert {row["reader"]: row["signed"] for row in study_status(study).rows()} == {"A": 1, "B": 0, "C": 0}
    plan_study(study)
    # What was planned is not changed: neither by another share of repeats nor without a reader.
    for old, new in (("repeat_share = 0.2", "repeat_share = 0.5"), ('"A", "B", "C"', '"B", "C"')):
        protocol.write_text(words.replace(old, new), encoding="utf-8")
        with pytest.raises(UsageError, match="begun"):
            plan_study(study)


def test_too_many_repeats_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = write_study(tmp_path / "study", 6)
    protocol = study / "study.toml"
    words = protocol.read_text(encoding="utf-8").replace("repeat_share = 0.2", "repeat_share = 1.0")
    protocol.write_text(words, encoding="utf-8")
    assert main(["study", "plan", str(study)]) == 0
    assert "the second part of A holds 6 repeats and 0 scans that are new" in capsys.readouterr().err


def test_adjudication_says_what_was_not_released(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = write_study(tmp_path / "study", 4)
    assert main(["study", "adjudicate", str(study)]) == 0
    assert "no lesion has been read" in capsys.readouterr().err
    plan_study(study)
    for reader in "AB":
        worklist = read_worklist(study, reader=reader)
        for number in numbers(worklist)[:2]:
            read_case(worklist, number, reader, FIRST)
    assert main(["study", "adjudicate", str(study)]) == 0
    told = capsys.readouterr().err
    assert "4 signed reads are not compared yet: when the " in told
    assert "run volumetry study release" in told
    assert main(["study", "release", str(study)]) == 0
    assert "reads of the plan are not signed yet" in capsys.readouterr().err
    assert main(["study", "adjudicate", str(study)]) == 0
    assert "not compared yet" not in capsys.readouterr().err


def test_a_plan_can_lie_apart_from_an_archive(tmp_path: Path) -> None:
    archive, traces = write_study(tmp_path / "archive", 5), tmp_path / "traces"
    before = sorted(archive.rglob("*"))
    protocol = tmp_path / "study.toml"
    (archive / "study.toml").rename(protocol)
    before.remove(archive / "study.toml")
    options = ["--traces", str(traces), "--protocol", str(protocol)]
    assert main(["study", "plan", str(archive), *options]) == 0
    worklist = read_worklist(archive, reader="A", place=traces)
    read_case(worklist, worklist.rows[0].number, "A", FIRST)
    assert study_status(archive, place=traces).rows()[0]["signed"] == 1
    assert main(["study", "release", str(archive), "--traces", str(traces)]) == 0
    assert len(list(traces.glob("p*/*/L1_A.trace.json"))) == 1
    assert sorted(archive.rglob("*")) == before


def test_status_names_readers_and_cases_only(read_once: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "status", str(read_once), "--format", "csv"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [(r["reader"], r["reads"], r["signed"], r["untraced"], r["not_due"]) for r in rows] == [
        ("A", "12", "12", "0", "0"),
        ("B", "12", "0", "8", "4"),
        ("C", "12", "0", "8", "4"),
    ]
    assert rows[0]["second_part"] == "2024-03-16T10:00:00+00:00"
    assert main(["study", "status", str(read_once), "--cases", "--format", "csv"]) == 0
    said = capsys.readouterr().out
    cases = list(csv.DictReader(said.splitlines()))
    assert Counter(case["state"] for case in cases) == {"signed": 12, "untraced": 16, "not due": 8}
    assert not [word for word in ("p00", "2021", "t1") if word in said]


def test_status_of_a_folder_without_a_plan_is_refused(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", 2)
    with pytest.raises(ReadError) as refused:
        study_status(study)
    assert refused.value.code == "not-found"


# -- end to end ---------------------------------------------------------------------------------------------


PLAN = """
[study]
title = "Reader study"

[tables]
clinical = "clinical.csv"
measurements = "results/measurements.csv"
changes = "results/changes.csv"

[volumes]
unit = "hip"
reader = "consensus"

[groups]
column = "group"
first = "treated"
second = "control"

[[change]]
name = "volume change"

[sensitivity]
thresholds_percent = [10, 15, 30]
readers = ["A", "B", "C"]

[error]
repeatability = "agreement/repeatability.json"
simulations = 25
"""


def run_study(folder: Path, n_scans: int) -> Path:
    """From an empty folder to the outcomes under error, by commands; the readers are simulated."""
    study, results = write_study(folder / "study", n_scans, consensus="choose"), folder / "results"
    assert main(["study", "plan", str(study)]) == 0
    for reader in "ABC":
        read_all(study, reader, FIRST)
        read_all(study, reader, LATE)
    assert {row["signed"] for row in study_status(study).rows()} == {n_scans + n_of_share(n_scans, 0.2)}
    assert main(["study", "release", str(study)]) == 0
    decisions = folder / "decisions.csv"
    decisions.write_text(
        "patient,visit,side,lesion,how,reader,time\n"
        + "".join(f"p{n // 2:02},2021-0{1 + n % 2}-15,L,L1,chosen,B,{LATE}\n" for n in range(n_scans)),
        encoding="utf-8",
    )
    assert main(["study", "adjudicate", str(study), "--decisions", str(decisions)]) == 0
    measured = ["batch", str(study), "--jobs", "1"]
    assert main([*measured, "--out", str(folder / "first")]) == 0
    agreement = [
        "agreement",
        str(folder / "first"),
        "--study",
        str(study),
        "--out",
        str(folder / "agreement"),
    ]
    assert main(agreement) == 0
    file = folder / "agreement" / "repeatability.json"
    assert main([*measured, "--out", str(results), "--repeatability", str(file)]) == 0
    clinical = [f"p{n:02},L,{('treated', 'control')[n % 2]}" for n in range(n_scans // 2)]
    (folder / "clinical.csv").write_text("\n".join(["patient,side,group", *clinical, ""]), encoding="utf-8")
    (folder / "plan.toml").write_text(PLAN, encoding="utf-8")
    assert main(["outcomes", str(folder / "plan.toml"), "--out", str(folder / "outcomes")]) == 0
    return results


@pytest.mark.prove
@pytest.mark.timeout(1800)
def test_a_reader_study_from_an_empty_folder_twice(tmp_path: Path) -> None:
    results = [run_study(tmp_path / name, N_SCANS) for name in ("one", "two")]
    names = ("measurements.csv", "changes.csv", "slices.csv")
    for name in names:
        assert len({(folder / name).read_bytes() for folder in results}) == 1
    for name in ("pairs.csv", "pair_slices.csv", "agreement.csv", "repeatability.json"):
        assert len({(folder.parent / "agreement" / name).read_bytes() for folder in results}) == 1
    rows = table(results[0] / "measurements.csv")
    n_repeats = n_of_share(N_SCANS, 0.2)
    assert Counter((row["reader"], row["read"]) for row in rows) == {
        **{(reader, "1"): N_SCANS for reader in ("A", "B", "C", "consensus")},
        **{(reader, "2"): n_repeats for reader in "ABC"},
    }
    pairs = table(results[0].parent / "agreement" / "pairs.csv")
    assert Counter(pair["kind"] for pair in pairs) == {
        "within_reader": 3 * n_repeats,
        "between_readers": 3 * N_SCANS,
    }
    error = json.loads((results[0].parent / "agreement" / "repeatability.json").read_text())
    assert error["kind"] == "within_reader"
    changes = table(results[0] / "changes.csv")
    assert {change["reader"] for change in changes} == {"A", "B", "C", "consensus"}
    assert all(change["verdict"] not in ("", "error-unknown") for change in changes)
    outcomes = [folder.parent / "outcomes" for folder in results]
    written = [{p.relative_to(o).as_posix(): p.read_bytes() for p in o.rglob("*.csv")} for o in outcomes]
    assert written[0] == written[1]
    (responders,) = (name for name in written[0] if name.endswith("responders-with-error.csv"))
    assert {row["group"] for row in table(outcomes[0] / responders)} == {"treated", "control"}
    assert any(name.endswith("conclusion.csv") for name in written[0])


# -- consensus -------------------------------------------------------------------------------------------


@pytest.fixture
def two_readers(tmp_path: Path) -> Path:
    study = write_study(tmp_path / "study", 2)
    plan_study(study)
    for reader in "AB":
        read_all(study, reader, FIRST)
        read_all(study, reader, LATE)
    release_blinded(study)
    (study / "study.toml").unlink()
    return study


def decided(study: Path, *rows: str) -> Path:
    path = study.parent / "decisions.csv"
    path.write_text("\n".join(("patient,visit,side,lesion,how,reader,time", *rows)) + "\n", encoding="utf-8")
    return path


def test_disagreements_are_listed(two_readers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--threshold", "0.01", "--format", "csv"]
    assert main(["study", "adjudicate", str(two_readers), *options]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [(r["patient"], r["first_reader"], r["second_reader"]) for r in rows] == [("p00", "A", "B")] * 2
    assert all(0.5 < float(row["dice"]) < 1 for row in rows)
    assert {row["to_settle"] for row in rows} == {"yes"}
    assert {row["consensus"] for row in rows} == {""}
    first = float(rows[0]["first_volume_mm3"])
    second = float(rows[0]["second_volume_mm3"])
    assert float(rows[0]["difference_percent"]) == pytest.approx(200 * (second - first) / (first + second))
    # the outlines are polygons of one shape about one centre: Dice follows from the areas
    small, large = sorted((first, second))
    assert float(rows[0]["dice"]) == pytest.approx(2 * small / (small + large))


def test_a_consensus_lies_beside_the_originals(two_readers: Path) -> None:
    before = {path: path.read_bytes() for path in two_readers.rglob("*.trace.json")}
    (path,) = settle(two_readers, decided(two_readers, f"p00,2021-01-15,L,L1,chosen,A,{LATE}"))
    taken, other = (vm.read_trace(path.with_name(f"L1_{reader}.trace.json")) for reader in "AB")
    made = vm.read_trace(path)
    assert path.name == "L1_consensus.trace.json"
    assert made.provenance.reader == "consensus"
    assert made.provenance.parent_sha256 == taken.sha256
    assert made.provenance.reason == f"chosen from A; of A {taken.sha256}, B {other.sha256}"
    assert made.provenance.time == LATE
    assert vm.measure_volume(made).volume_mm3 == vm.measure_volume(taken).volume_mm3
    assert {path: path.read_bytes() for path in before} == before
    assert settle(two_readers, decided(two_readers, f"p00,2021-01-15,L,L1,chosen,A,{LATE}")) == ()
    # decided again: one consensus, and the earlier one is kept
    (again,) = settle(two_readers, decided(two_readers, f"p00,2021-01-15,L,L1,chosen,B,{LATE}"))
    assert again == path
    assert vm.read_trace(path).provenance.parent_sha256 == other.sha256
    kept = (path.parent / ".volumetry" / "versions" / "L1_consensus").glob("*.trace.json")
    assert made.sha256 in {vm.read_trace(version).sha256 for version in kept}


def test_lesions_on_which_readers_agree_have_a_consensus_too(two_readers: Path) -> None:
    apart = []
    for lesion in read_lesions(two_readers):
        (pair,) = lesion.disagreements()
        small, large = sorted(v for v in (pair.first_volume_mm3, pair.second_volume_mm3) if v is not None)
        apart.append(100 * (large / small - 1))
    threshold = f"{sum(apart) / 2:.6g}"  # one lesion of two differs by more
    before = vm_traces(two_readers)
    options = ["--threshold", threshold, "--format", "csv"]
    assert main(["study", "adjudicate", str(two_readers), "--agreed", "A", *options]) == 0
    lesions = read_lesions(two_readers)
    found = [None if held.consensus is None else held.consensus[1].provenance.reason for held in lesions]
    assert [reason is None for reason in found] == [value > float(threshold) for value in apart]
    (reason,) = filter(None, found)
    assert reason.startswith(f"agreed within {float(threshold):g} %, taken from A; of A ")
    assert {path: text for path, text in vm_traces(two_readers).items() if path in before} == before
    assert main(["study", "adjudicate", str(two_readers), "--agreed", "nobody"]) == 2


def vm_traces(study: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in study.rglob("*.trace.json")}


def test_a_third_reader_draws(two_readers: Path) -> None:
    held = vm.read_trace(two_readers / "p00" / "2021-01-15" / "L1_A.trace.json")
    from dataclasses import replace

    third = replace(held, provenance=replace(held.provenance, reader="Z"), contours=held.contours[:2])
    vm.write_trace(third, two_readers / "p00" / "2021-01-15" / "L1_Z.trace.json")
    (path,) = settle(two_readers, decided(two_readers, "p00,2021-01-15,L,L1,drawn,Z,"))
    made = vm.read_trace(path)
    assert made.provenance.reason.startswith("drawn by Z; of A ")
    assert made.slice_indices == third.slice_indices


@pytest.mark.parametrize(
    ("row", "consensus", "code"),
    [
        ("p77,2021-01-15,L,L1,chosen,A,", "none", "not-found"),
        ("p00,2021-01-15,L,L1,chosen,Z,", "none", "not-found"),
        ("p00,2021-01-15,L,L1,drawn,A,", "none", "usage"),
        ("p00,2021-01-15,L,L1,chosen,A,", "third-reader", "usage"),
        ("p00,2021-01-15,L,L1,drawn,A,", "choose", "usage"),
        ("p00,2021-01-15,L,L1,guessed,A,", "none", "invalid-table"),
        ("p00,2021-01-15,L,L1,chosen,A,yesterday", "none", "unreadable"),
    ],
)
def test_a_decision_that_does_not_fit_is_refused(
    two_readers: Path, row: str, consensus: Any, code: str
) -> None:
    from volumetry.study.protocol import Protocol, Reading

    before = sorted(two_readers.rglob("*"))
    with pytest.raises(vm.VolumetryError) as refused:
        settle(
            two_readers, decided(two_readers, row), protocol=Protocol(reading=Reading(consensus=consensus))
        )
    assert refused.value.code == code
    assert sorted(two_readers.rglob("*")) == before
