"""Adjudication: rows of what several readers traced, and who may see them when."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_series_choice import VISITS, write

from volumetry.errors import UsageError
from volumetry.formats import read_scan, read_trace
from volumetry.study.protocol import parse_protocol
from volumetry.tracing import open_case, place_for, read_adjudication


def trace(series: Path, study: Path, reader: str, size: float, name: str = "L1") -> Path:
    case = open_case(read_scan(series), place_for(series, study=study), reader=reader)
    lesion = case.session.add_lesion(name, "")
    for index in (1, 2, 3):
        square = [(3, 3), (3, 3 + size), (3 + size, 3 + size), (3 + size, 3)]
        case.session.add_outline(index, square, lesion_id=lesion)
    case.session.sign(lesion)
    (saved,) = case.save([lesion])
    case.close()
    return saved.path


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    for patient, sizes in (("P1", (6, 6.1)), ("P2", (6, 8)), ("P3", (5, 5))):
        series = write(folder / f"{patient}/v1", "t1", VISITS["v1"], patient=patient)
        for reader, size in zip("AB", sizes, strict=True):
            trace(series, folder, reader, size)
    return folder


def test_what_differs_comes_first_and_what_is_settled_last(study: Path) -> None:
    seen = read_adjudication(study, reader="C")
    assert [(row.name.split(",")[0], row.to_settle) for row in seen.rows] == [
        ("P2", True),
        ("P1", False),
        ("P3", False),
    ]
    first = seen.rows[0]
    assert (first.readers, first.consensus) == (("A", "B"), "")
    assert first.difference_percent == pytest.approx(100 * (64 - 36) / 50)
    assert first.volumes_cm3[1] == pytest.approx(first.volumes_cm3[0] * 64 / 36)
    path = seen.settle(first.number, "B", how="chosen")
    assert path is not None
    assert read_trace(path).provenance.reader == "consensus"
    again = read_adjudication(study, reader="C")
    assert [row.name.split(",")[0] for row in again.rows] == ["P1", "P3", "P2"]
    assert again.rows[-1].consensus == "chosen from B"
    assert again.number_of(seen, first.number) == again.rows[-1].number
    assert again.settle(again.rows[-1].number, "B", how="chosen") is None


@pytest.mark.parametrize(("reader", "how"), [("C", "chosen"), ("A", "drawn"), ("A", "tossed")])
def test_what_is_no_consensus_is_refused(study: Path, reader: str, how: str) -> None:
    seen = read_adjudication(study)
    with pytest.raises(UsageError) as caught:
        seen.settle(seen.rows[0].number, reader, how=how)
    assert caught.value.code == "usage"
    with pytest.raises(UsageError):
        seen.reads(99)


def test_a_third_reader_settles_what_the_protocol_leaves_to_one(study: Path) -> None:
    rules = parse_protocol({"reading": {"readers": ["A", "B"], "consensus": "third-reader"}})
    trace(study / "P2/v1/t1", study, "C", 7)
    seen = read_adjudication(study, protocol=rules, reader="C")
    row = seen.rows[0]
    assert (seen.ways, row.readers) == (("drawn",), ("A", "B", "C"))
    with pytest.raises(UsageError):
        seen.settle(row.number, "A", how="chosen")
    path = seen.settle(row.number, "C", how="drawn")
    assert path is not None
    assert read_trace(path).provenance.reason.startswith("drawn by C; of A ")


def test_under_blinding_own_reads_come_first_and_names_are_neutral(study: Path) -> None:
    rules = parse_protocol({"reading": {"blinding": "time", "readers": ["A", "B"], "seed": 5}})
    assert len(read_adjudication(study, protocol=rules, reader="A").rows) == 3
    write(study / "P4/v1", "t1", VISITS["v1"], patient="P4")
    with pytest.raises(UsageError) as caught:
        read_adjudication(study, protocol=rules, reader="A")
    assert caught.value.code == "not-due"
    seen = read_adjudication(study, protocol=rules, reader="C")
    assert {row.name for row in seen.rows} == {f"Case {n} of 3" for n in (1, 2, 3)}
    order = {
        seed: [
            read_adjudication(
                study,
                reader="C",
                protocol=parse_protocol({"reading": {"blinding": "time", "readers": ["A"], "seed": seed}}),
            ).scan_path(n)
            for n in (1, 2, 3)
        ]
        for seed in range(6)
    }
    assert len({tuple(paths) for paths in order.values()}) > 1
