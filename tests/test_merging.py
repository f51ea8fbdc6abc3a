"""Tables of several sites as one: the site in every row, and no two persons taken for one."""

import csv
import json
import shutil

import pytest
from study_phantoms import small_study, write_box

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


def without_copies(row):
    return ";".join(flag for flag in row.get("flags", "").split(";") if flag != "duplicate-file")


def test_what_two_sites_have_is_flagged(results, tmp_path, caplog):
    other = tmp_path / "other"
    write_box(tmp_path / "study/q/v1/lesion_mask.nii.gz", rows=(1, 3))
    write_box(tmp_path / "study/q/v2/lesion_mask.nii.gz", rows=(1, 4))
    assert main(["batch", str(tmp_path / "study"), "--out", str(other)]) == 0
    out = tmp_path / "all"
    call = ["merge", *(f"{n}={results / 'north' if n != 'west' else other}" for n in ("north", "west"))]
    assert main([*call, str(results / "south"), "--out", str(out)]) == 0
    for name in ("measurements", "changes"):
        flagged = {row["site"] for row in rows(out / f"{name}.csv") if "duplicate-file" in row["flags"]}
        assert flagged == {"north", "south"}
    assert "at north and south" in caplog.text


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
        for row in joined:  # both sites have the same files, which is told
            assert "flags" not in row or row["volume_mm3" if "volume_mm3" in row else "change_percent"]
            row["flags"] = without_copies(row)
        assert joined == [part | {"flags": without_copies(part)} for part in parts]
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


@pytest.mark.parametrize(
    ("table", "edit", "told"),
    [
        ("measurements", lambda lines: [*lines, lines[1]], "measurements.csv (lines 2 and 6)"),
        (
            "measurements",
            lambda lines: lines[:-1],
            "a change is of a volume that measurements.csv does not have",
        ),
        ("changes", lambda lines: [*lines[:-1], lines[-1].replace("p001", "p002")], "changes.csv (line 3"),
    ],
)
def test_tables_that_contradict_each_other_are_refused(table, edit, told, results, tmp_path, capsys):
    shutil.copytree(results / "north", tmp_path / "edited")
    path = tmp_path / f"edited/{table}.csv"
    path.write_text("\n".join(edit(path.read_text("utf-8").splitlines())) + "\n", "utf-8")
    assert main(["merge", f"a={tmp_path / 'edited'}", "--out", str(tmp_path / "out")]) == 2
    assert told in capsys.readouterr().err


def test_names_of_sites_that_may_be_one_are_told(results, tmp_path, caplog):
    given = [f"north={results / 'north'}", f"North ={results / 'same'}"]
    assert main(["merge", *given, "--out", str(tmp_path / "out")]) == 0
    assert "sites with nearly equal names count as several: 'North', 'north'" in caplog.text


def test_results_are_not_joined_into_themselves(results, capsys):
    assert main(["merge", str(results / "south"), "--out", str(results / "south")]) == 2
    assert "the results to be joined lie there" in capsys.readouterr().err


SETTINGS = {
    "plain": "",
    "half": "--threshold=0.5",
    "low": "--threshold=0.2",
    "thickness": "--height=thickness",
    "spacing": "--height=spacing",
    "untraced": '[study]\nempty_mask = "not_measurable"\n',
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Results of one small study by different settings."""
    folder = tmp_path_factory.mktemp("settings")
    for visit, last in (("v1", 15), ("v2", 5)):
        write_box(folder / f"study/P1/{visit}/t1_mask.nii.gz", rows=(5, last))
        write_box(folder / f"study/P1/{visit}/t1.nii.gz")
        (folder / f"study/P1/{visit}/t1_mask.json").write_text('{"SliceThickness": 4.0}', encoding="utf-8")
    protocol = folder / "study.toml"
    for name, setting in SETTINGS.items():
        protocol.write_text(setting if setting.startswith("[") else "", encoding="utf-8")
        more = [setting] if setting.startswith("--") else ["--protocol", str(protocol)]
        assert main(["batch", str(folder / "study"), "--out", str(folder / name), "--jobs", "1", *more]) in (
            0,
            3,
        )
    for name in ("thickness", "spacing"):
        shutil.copytree(folder / name, folder / f"{name}-alone")
        (folder / f"{name}-alone/run.json").unlink()
    return folder


def joined(measured, out, *names):
    return main(["merge", *(f"{name}={measured / name}" for name in names), "--out", str(out)])


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["half", "low"], "(--threshold 0.2 and 0.5, other half)"),
        (["plain", "half", "low"], "(--threshold 0.2 and 0.5, other half)"),
        (["plain", "untraced"], "([study] empty_mask not_measurable and absent, other plain)"),
        (["thickness", "spacing-alone"], "(--height spacing and thickness, other thickness)"),
    ],
)
def test_what_decides_volumes_and_classes_is_compared(names, told, measured, tmp_path, capsys):
    assert joined(measured, tmp_path / "out", *names) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_site_without_probability_maps_needs_no_threshold(measured, tmp_path, capsys):
    assert joined(measured, tmp_path / "one", "plain", "half") == 0
    assert json.loads((tmp_path / "one/run.json").read_text(encoding="utf-8"))["rules"]["threshold"] == 0.5
    assert (
        main(["merge", str(tmp_path / "one"), f"low={measured / 'low'}", "--out", str(tmp_path / "two")]) == 2
    )
    assert "(--threshold 0.2 and 0.5, other one)" in capsys.readouterr().err


def test_results_that_do_not_say_their_rules_are_told_of(measured, tmp_path, caplog):
    assert joined(measured, tmp_path / "out", "thickness", "thickness-alone") == 0
    assert "thickness-alone has no run.json" in caplog.text
