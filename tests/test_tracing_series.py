"""The worklist shows the series that ``[scan]`` chooses; where several fit, somebody chooses once."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_series_choice import VISITS, archive, traced, write

from volumetry.errors import ReadError, UsageError
from volumetry.formats import read_scan
from volumetry.study.protocol import Protocol, parse_protocol
from volumetry.tracing import Worklist, open_case, plan_study, read_worklist, release_blinded
from volumetry.tracing.worklist.series import FOLDER

__all__ = ["archive"]  # the fixture

CORONAL_T1 = {"plane": "coronal", "weighting": "T1"}


def protocol(scan: dict[str, object], **reading: object) -> Protocol:
    return parse_protocol({"scan": scan, "reading": reading} if reading else {"scan": scan})


def scans(worklist: Worklist) -> list[str]:
    numbers = dict.fromkeys(row.number for row in worklist.rows)
    return [f"{worklist.scan_path(n).parent.name}/{worklist.scan_path(n).name}" for n in numbers]


def test_without_scan_every_series_is_a_case(archive: Path) -> None:
    assert len(scans(read_worklist(archive, protocol=Protocol()))) == 8


@pytest.mark.parametrize("blinding", ["none", "patient", "time"])
def test_one_series_of_every_visit_is_shown(archive: Path, blinding: str) -> None:
    worklist = read_worklist(archive, protocol=protocol(CORONAL_T1, blinding=blinding), reader="A")
    assert sorted(scans(worklist)) == ["v1/t1", "v2/t1"]
    assert worklist.n_unfit == 0
    assert {worklist.choices(row.number) for row in worklist.rows} == {()}


def test_a_visit_without_a_series_that_fits_is_counted(archive: Path) -> None:
    worklist = read_worklist(archive, protocol=protocol({"plane": "sagittal"}))
    assert (worklist.rows, worklist.n_unfit) == ((), 2)
    assert "4 series" not in worklist.nothing_found
    assert "[scan]" in worklist.nothing_found


def test_tracings_of_other_series_are_not_shown(archive: Path) -> None:
    traced(archive, "stir", "v1")
    traced(archive, "t1", "v1")
    worklist = read_worklist(archive, protocol=protocol(CORONAL_T1))
    assert sorted(scans(worklist)) == ["v1/t1", "v2/t1"]
    assert [row.reader for row in worklist.rows if row.state == "saved"] == ["A"]


@pytest.mark.parametrize("blinding", ["none", "patient", "time"])
def test_where_several_fit_somebody_chooses_once(archive: Path, blinding: str) -> None:
    rules = protocol({"plane": "coronal"}, blinding=blinding, seed=3)
    first = read_worklist(archive, protocol=rules, reader="A")
    assert {row.state for row in first.rows} == {"untraced"}
    names = {row.number: row.name for row in first.rows}
    assert len(names) == 2
    number = min(names)
    assert sorted(first.choices(number)) == ["coronal, STIR, 6 slices", "coronal, T1, 6 slices"]
    chosen = first.choices(number).index("coronal, T1, 6 slices")
    assert first.choose(number, chosen)
    # Another reader, who looked at the list before, asks for another one.
    assert not first.choose(number, 1 - chosen)
    for worklist in (
        read_worklist(archive, protocol=rules, reader="B"),
        read_worklist(archive, protocol=rules, reader="A", known=first),
    ):
        assert {row.number: row.name for row in worklist.rows} == names
        assert worklist.choices(number) == ()
        assert worklist.scan_path(number).name == "t1"
        assert len(worklist.choices(max(names))) == 2


def test_a_read_of_the_chosen_series_is_kept_and_released(archive: Path) -> None:
    rules = protocol({"plane": "coronal"}, blinding="time", seed=3)
    (archive / "study.toml").write_text('[scan]\nplane = "coronal"\n[reading]\nblinding = "time"\nseed = 3\n')
    worklist = read_worklist(archive, protocol=rules, reader="A")
    number = worklist.rows[0].number
    worklist.choose(number, worklist.choices(number).index("coronal, T1, 6 slices"))
    worklist = read_worklist(archive, reader="A", known=worklist)
    scan = read_scan(worklist.scan_path(number), series_uid=worklist.series_uid(number))
    case = open_case(scan, worklist.place(number), reader="A")
    case.session.add_lesion("L1", "")
    case.session.add_outline(2, [(3, 3), (3, 9), (9, 9), (9, 3)])
    case.save()
    case.close()
    again = read_worklist(archive, reader="A", known=worklist)
    assert [row.state for row in again.rows if row.number == number] == ["saved"]
    (released,) = release_blinded(archive)
    assert released.parent.is_relative_to(archive / "P1")


def test_a_reader_study_is_planned_when_every_series_is_chosen(archive: Path) -> None:
    rules = protocol({"plane": "coronal"}, blinding="time", readers=["A", "B"])
    with pytest.raises(UsageError, match="several series fit") as caught:
        plan_study(archive, protocol=rules)
    assert caught.value.code == "several-matching-series"
    worklist = read_worklist(archive, protocol=rules, reader="A")
    for number in {row.number for row in worklist.rows}:
        worklist.choose(number, 0)
    assignment, _ = plan_study(archive, protocol=rules)
    assert {read.scan.split()[0] for read in assignment.reads} == {"P1/v1/stir", "P1/v2/stir"}


def test_choices_are_kept_with_the_traces_of_a_read_only_archive(archive: Path, tmp_path: Path) -> None:
    traces = tmp_path / "traces"
    rules = protocol({"plane": "coronal"})
    worklist = read_worklist(archive, protocol=rules, place=traces)
    before = sorted(archive.rglob("*"))
    worklist.choose(1, 0)
    assert sorted(archive.rglob("*")) == before
    assert read_worklist(archive, protocol=rules, place=traces).choices(1) == ()


def test_a_damaged_choice_is_said(archive: Path) -> None:
    rules = protocol({"plane": "coronal"})
    read_worklist(archive, protocol=rules).choose(1, 0)
    (path,) = (archive / ".volumetry" / FOLDER).iterdir()
    path.write_text("{")
    with pytest.raises(ReadError, match="choice of a series"):
        read_worklist(archive, protocol=rules)


def test_two_series_in_one_folder_are_chosen_apart(tmp_path: Path) -> None:
    study = tmp_path / "study"
    for kind in ("t1", "stir"):
        folder = write(study / "P1/v1", kind, VISITS["v1"])
        (study / "P1/v1/all").mkdir(exist_ok=True)
        for path in folder.iterdir():
            path.rename(study / "P1/v1/all" / f"{kind}{path.name}")
        folder.rmdir()
    rules = protocol({"plane": "coronal"})
    worklist = read_worklist(study, protocol=rules)
    (number,) = {row.number for row in worklist.rows}
    worklist.choose(number, worklist.choices(number).index("coronal, T1, 6 slices"))
    worklist = read_worklist(study, protocol=rules)
    scan = read_scan(worklist.scan_path(number), series_uid=worklist.series_uid(number))
    assert scan.source.acquisition.weighting == "T1"
