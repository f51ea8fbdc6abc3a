"""Tables of several sites as one: the site in every row, and no two persons taken for one."""

import csv
import json
import shutil

import pytest
from study_phantoms import small_study

from volumetry.cli import main


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sites")
    small_study(folder / "study", 2)
    protocol = folder / "south.toml"
    protocol.write_text('[study]\nsite = "south"\n', encoding="utf-8")
    strict = folder / "strict.toml"
    strict.write_text('[study]\nsite = "east"\n[change]\nthreshold_percent = 30\n', encoding="utf-8")
    for name, more in (
        ("north", []),
        ("south", ["--protocol", str(protocol)]),
        ("east", ["--protocol", str(strict)]),
    ):
        assert main(["batch", str(folder / "study"), "--out", str(folder / name), *more]) == 0
    shutil.copytree(folder / "north", folder / "same")
    return folder


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_sites_are_joined_and_every_row_says_its_site(results, tmp_path):
    out = tmp_path / "all"
    call = ["merge", str(results / "south"), f"north={results / 'north'}", "--out", str(out)]
    assert main(call) == 0
    for name in ("measurements", "slices", "changes"):
        joined = rows(out / f"{name}.csv")
        parts = [
            row | {"site": site}
            for site in ("north", "south")
            for row in rows(results / site / f"{name}.csv")
        ]
        assert joined == parts
    run = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert run["sites"] == {"north": 4, "south": 4}
    assert main(["change", str(out / "measurements.csv"), "--out", str(tmp_path / "c.csv")]) == 0
    classes = [(r["site"], r["patient"], r["category"]) for r in rows(out / "changes.csv")]
    assert [(r["site"], r["patient"], r["category"]) for r in rows(tmp_path / "c.csv")] == classes
    again = tmp_path / "again"
    assert main(["merge", str(out), "--out", str(again)]) == 0
    assert (again / "changes.csv").read_bytes() == (out / "changes.csv").read_bytes()


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["north"], "the table names no site"),
        (["west=south"], "(line 2, table south, given west)"),
        (["a=north", "a=same"], "(site a, patient p000, other north)"),
        (["a=north", "b=north"], "one folder is named twice"),
        (["a=north", "east"], "[change] threshold_percent 30.0 and 15.0"),
        (["a=nowhere"], "the folder holds no measurements.csv"),
    ],
)
def test_what_cannot_be_joined_is_named(names, told, results, tmp_path, capsys):
    given = [f"{s}={results / f}" if m else str(results / s) for s, m, f in (n.partition("=") for n in names)]
    assert main(["merge", *given, "--out", str(tmp_path / "out")]) in (2, 4)
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_results_are_not_joined_into_themselves(results, capsys):
    assert main(["merge", str(results / "south"), "--out", str(results / "south")]) == 2
    assert "the results to be joined lie there" in capsys.readouterr().err
