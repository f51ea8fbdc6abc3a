import csv
import json
import random
from datetime import date

import pytest
from study_phantoms import box_contours, write_box_trace

from volumetry.cli import main
from volumetry.errors import VolumetryError
from volumetry.study.cases import Case
from volumetry.study.pseudonyms import Pseudonymiser, read_key
from volumetry.study.runs.batch import run_batch
from volumetry.study.runs.options import BatchOptions


def test_the_key_is_made_once_and_kept_private(tmp_path):
    path = tmp_path / "key"
    first = read_key(path)
    assert path.stat().st_mode & 0o077 == 0
    assert read_key(path) == first
    assert read_key(tmp_path / "other").key != first.key


def test_same_patient_same_pseudonym():
    one, other = Pseudonymiser(key=b"1" * 32), Pseudonymiser(key=b"2" * 32)
    assert one.pseudonym("A") == one.pseudonym("A") != one.pseudonym("B")
    assert one.pseudonym("A") != other.pseudonym("A")


NAMED = ("1", "01", "R", "L", "2024", "measured", "15", "mask", "v1", "Canary-Meier")
_random = random.Random(7)
RANDOM = {
    "".join(_random.choices("0123456789-_LRabest", k=_random.randint(1, 6))).strip("-_.") for _ in range(230)
}
PATIENTS = (*NAMED, *sorted(RANDOM - {""} - set(NAMED))[:200])


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study whose patients are called like sides, dates, visits and words of the tables."""
    folder = tmp_path_factory.mktemp("pseudonyms")
    for number, patient in enumerate(PATIENTS):
        for visit, top in (("2024-01-15", 5), ("2024-07-01", 5 - number % 3)):
            write_box_trace(
                folder / "study" / patient / visit / f"{patient}.trace.json",
                contours=box_contours(rows=(float(top), 15.0)),
                lesion="1",
            )
    (folder / "study/Canary-Meier/2024-07-01/Canary-Meier.trace.json").write_text("{", encoding="utf-8")
    return folder


def table(out, name="measurements"):
    with (out / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_only_patient_paths_and_series_differ(study):
    assert main(["batch", str(study / "study"), "--out", str(study / "clear")]) == 3
    batch = ["batch", str(study / "study"), "--out", str(study / "out"), "--pseudonyms", str(study / "key")]
    assert main(batch) == 3
    key = read_key(study / "key")
    clear = {key.case_id(row["trace"]): row for row in table(study / "clear")}
    for row in table(study / "out"):
        other = clear.pop(row["trace"])
        differing = {name for name in row if row[name] != other[name]}
        assert differing <= {"patient", "scan", "trace", "message", "series_uid"}
        assert row["patient"] == key.pseudonym(other["patient"])
    assert not clear
    kinds = [
        sorted(
            (r["side"], r["lesion"], r["baseline_visit"], r["category"]) for r in table(study / n, "changes")
        )
        for n in ("clear", "out")
    ]
    assert kinds[0] == kinds[1]


def test_names_of_folders_and_files_are_nowhere_in_the_output(study):
    out = study / "nowhere"
    main(["batch", str(study / "study"), "--out", str(out), "--pseudonyms", str(study / "key"), "--figures"])
    for path in out.rglob("*"):
        assert "Canary" not in path.name
        assert path.is_dir() or b"Canary" not in path.read_bytes()
    told = (study / "key.map.csv").read_text(encoding="utf-8")
    assert "Canary-Meier/2024-01-15/Canary-Meier.trace.json" in told
    assert (study / "key.map.csv").stat().st_mode & 0o077 == 0


def test_an_output_with_pseudonyms_is_not_written_over_with_clear_names(study, tmp_path, capsys):
    out, hidden = tmp_path / "out", ["--pseudonyms", str(tmp_path / "key")]
    call = ["batch", str(study / "study"), "--out", str(out)]
    assert main([*call, *hidden]) == main([*call, *hidden])
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main(call) == main([*call, "--fresh"]) == 2
    assert "write clear names over them" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize("left", ["everything", "ledger.jsonl", "measurements.csv"])
def test_an_output_with_clear_names_is_refused(study, tmp_path, capsys, left):
    out = tmp_path / "out"
    main(["batch", str(study / "study"), "--out", str(out)])
    for path in out.iterdir():
        if left not in ("everything", path.name):
            path.unlink()
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    call = ["batch", str(study / "study"), "--out", str(out), "--pseudonyms", str(tmp_path / "key")]
    assert main(call) == 2
    assert "under their own names" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_dates_of_a_patient_move_together(study):
    options = BatchOptions(pseudonymiser=Pseudonymiser(key=b"k" * 32, shift_dates=True))
    run_batch(study / "study", study / "shifted", options)
    visits = {}
    for row in table(study / "shifted"):
        visits.setdefault(row["patient"], []).append(date.fromisoformat(row["visit"]))
    assert {(later - first).days for first, later in map(sorted, visits.values())} == {168}
    assert len({first for first, _ in map(sorted, visits.values())}) > 5
    assert b"2024-01-15" not in (study / "shifted/ledger.jsonl").read_bytes()


def test_dates_are_not_left_as_they_are_where_they_are_to_be_shifted(tmp_path, capsys):
    write_box_trace(tmp_path / "study/P1/2024-01-15/L1.trace.json")
    protocol = tmp_path / "study.toml"
    call = ["batch", str(tmp_path / "study"), "--out", str(tmp_path / "out"), "--protocol", str(protocol)]
    protocol.write_text("[privacy]\nshift_dates = true\n", encoding="utf-8")
    assert main(call) == 2
    assert "Add --pseudonyms KEYFILE" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*call, "--pseudonyms", str(tmp_path / "key")]) == 0
    visits = '[study]\nvisits = ["2024-01-15", "post", "Jan 2024"]\n[privacy]\nshift_dates = true\n'
    protocol.write_text(visits, encoding="utf-8")
    assert main([*call, "--pseudonyms", str(tmp_path / "key")]) == 0
    told = json.loads((tmp_path / "out/run.json").read_text(encoding="utf-8"))["protocol"]["visits"]
    assert told[1] == "post"
    assert not any("2024" in visit for visit in told)
    protocol.write_text("[privacy]\nshift_dates = false\n", encoding="utf-8")
    call[3] = str(tmp_path / "clear")
    assert main(call) == 0


@pytest.mark.parametrize("shift", [False, True])
def test_a_reader_whose_name_holds_a_date_is_hidden_where_dates_are_shifted(shift):
    hidden = Pseudonymiser(key=b"k" * 32, shift_dates=shift)
    case = Case(patient="P1", visit="v1")
    names = ("readerA", "Kim 2024-01-15")
    plain, dated = (hidden.row({"reader": name}, case)["reader"] for name in names)
    assert plain == "readerA"
    assert dated == (hidden.case_id("Kim 2024-01-15") if shift else "Kim 2024-01-15")


@pytest.mark.parametrize("name", ["GTV Meier", "Läsion 2", "\udcff", "x" * 500, "sealed:", "12"])
def test_the_ledger_keeps_names_of_regions_for_the_key_alone(name):
    hidden = Pseudonymiser(key=b"k" * 32)
    kept = hidden.record({"lesion": name})
    assert hidden.restored(kept)["lesion"] == name
    assert (kept["lesion"] == name) == name.isdigit()
    assert kept == hidden.record({"lesion": name})
    assert kept["lesion"].isascii()


@pytest.mark.parametrize("content", [b"", b"not hexadecimal", b"abcd"])
def test_a_file_without_a_key_is_refused(tmp_path, content):
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(VolumetryError) as caught:
        read_key(tmp_path / "key")
    assert caught.value.code == "unreadable"
