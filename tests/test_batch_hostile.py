"""A study folder as it should not be: every good case is measured, every other has its code."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from study_phantoms import box_contours, small_study, write_box, write_box_trace

from volumetry.cli import main
from volumetry.errors import ReadError
from volumetry.files.small_files import check_depth
from volumetry.study.runs.lesion_files import figure_name

SECONDS = 200  # of a machine with much else to do; alone it takes 2


def run(*arguments, cwd):
    """Run a command of its own process, for which a pipe that is waited for is no end."""
    return subprocess.run(
        [sys.executable, "-m", "volumetry", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        cwd=cwd,
    )


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "measurements.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_names_that_are_no_utf_8_are_written_byte_by_byte(tmp_path):
    small_study(tmp_path / "study", 1)
    mask = (tmp_path / "study/p000/v0/lesion_mask.nii.gz").read_bytes()
    folder = os.fsencode(tmp_path / "study") + b"/Gr\xf6n/v0"
    Path(os.fsdecode(folder)).mkdir(parents=True)
    Path(os.fsdecode(folder + b"/l\xe4sion_mask.nii.gz")).write_bytes(mask)
    for out in ("one", "two"):
        assert run("batch", "study", "--out", out, "--figures", cwd=tmp_path).returncode == 0
    found = {row["trace"]: row for row in rows(tmp_path / "one")}
    assert found[r"Gr\xf6n/v0/l\xe4sion_mask.nii.gz"]["status"] == "measured"
    assert (tmp_path / "one/measurements.csv").read_bytes() == (
        tmp_path / "two/measurements.csv"
    ).read_bytes()
    hidden = run("batch", "study", "--out", "three", "--pseudonyms", "key", cwd=tmp_path)
    assert hidden.returncode == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
@pytest.mark.parametrize("place", ["trace", "scan"])
def test_a_manifest_that_names_a_pipe_or_a_device(tmp_path, place):
    small_study(tmp_path / "study", 1)
    os.mkfifo(tmp_path / "pipe")
    good = "study/p000/v0/lesion_mask.nii.gz"
    bad = [f",{name}" if place == "trace" else f"{name},{good}" for name in ("pipe", "/dev/zero")]
    silent = "/proc/kmsg"  # a regular file of no bytes, of which a read never ends
    if Path(silent).exists():
        bad.append(f",{silent}" if place == "trace" else f"{silent},{good}")
    lines = [
        "patient,visit,scan,trace",
        f"a,v0,,{good}",
        *(f"b{i},v0,{cells}" for i, cells in enumerate(bad)),
    ]
    (tmp_path / "m.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert run("batch", "study", "--out", "out", "--manifest", "m.csv", cwd=tmp_path).returncode == 3
    found = {row["patient"]: (row["status"], row["code"]) for row in rows(tmp_path / "out")}
    wrong = ("failed", "unsupported-format")
    # Machines differ: the kernel's log says 0 bytes (an empty file), or may not be read by anybody.
    assert found.pop("b2", ("failed", "unreadable")) in {("failed", "truncated"), ("failed", "unreadable")}
    assert found == {"a": ("measured", ""), "b0": wrong, "b1": wrong}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
@pytest.mark.parametrize("option", ["--manifest", "--protocol"])
def test_a_pipe_instead_of_a_manifest_or_protocol(tmp_path, option):
    small_study(tmp_path / "study", 1)
    os.mkfifo(tmp_path / "pipe")
    told = run("batch", "study", "--out", "out", option, "pipe", cwd=tmp_path)
    assert told.stderr.startswith("error: unsupported-format: this is no regular file")
    assert told.returncode == 4


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 20_000 + "]" * 20_000,
        "a = " + "{b=" * 20_000,
        "[" + ".".join("a" * 20_000) + "]",
        ".".join("a" * 20_000) + " = 1",
        "a = '''[" + "[" * 20_000,
    ],
)
def test_a_deep_protocol_is_refused_before_it_is_parsed(tmp_path, text, capsys):
    (tmp_path / "study").mkdir()
    (tmp_path / "deep.toml").write_text(text, encoding="utf-8")
    call = ["batch", str(tmp_path / "study"), "--out", str(tmp_path / "out")]
    assert main([*call, "--protocol", str(tmp_path / "deep.toml")]) == 4
    assert "error: too-deep: " in capsys.readouterr().err


def test_a_large_protocol_is_refused(tmp_path, capsys):
    (tmp_path / "study").mkdir()
    (tmp_path / "large.toml").write_bytes(b"#" * (9 << 20))
    call = ["batch", str(tmp_path / "study"), "--out", str(tmp_path / "out")]
    assert main([*call, "--protocol", str(tmp_path / "large.toml")]) == 4
    assert "error: too-large: " in capsys.readouterr().err


def test_brackets_in_texts_and_long_lists_are_not_deep():
    numbers = "\n".join("  1.5, 2.5, 3.5, 4.5," for _ in range(100))
    text = f"# {'[' * 99}\na = \"{'[' * 99}\"\nb = '{'.' * 99}'\nc = [\n{numbers}\n]\n[d.e]\n"
    check_depth(text.encode(), "plan.toml")
    with pytest.raises(ReadError):
        check_depth(b"a = " + b"[" * 65, "plan.toml")


def test_region_names_of_any_length_and_kind_have_their_figures(tmp_path):
    names = ("ä" * 300, "$\\frac{", "a/../b", "x" * 300 + "1", "x" * 300 + "2")
    for number, name in enumerate(names):
        place = tmp_path / f"study/p{number}/v0/L.trace.json"
        write_box_trace(place, lesion=name, contours=box_contours())
    small_study(tmp_path / "more", 1)
    assert main(["batch", str(tmp_path / "study"), "--out", str(tmp_path / "out"), "--figures"]) == 0
    assert {row["lesion"] for row in rows(tmp_path / "out")} == set(names)


def test_names_of_figures_are_short_and_differ():
    names = [figure_name("p", "x" * 300 + end) for end in "12"]
    assert len(set(names)) == 2
    assert max(len(name.encode()) for name in (*names, figure_name("ä" * 300))) <= 120
    assert figure_name("p 1", "", "L$1") == "p-1_L-1"


def test_a_figure_that_cannot_be_drawn_is_a_line_and_no_failure(tmp_path, monkeypatch, caplog):
    from nibabel import load, save

    study = small_study(tmp_path / "study", 1)
    for mask in study.rglob("lesion_mask.nii.gz"):
        save(load(mask), mask.with_name("lesion.nii.gz"))

    def fail(_views):
        raise ValueError("too many panels")

    monkeypatch.setattr("volumetry.study.runs.figures.draw_lesion", fail)
    assert main(["batch", str(study), "--out", str(tmp_path / "out"), "--figures"]) == 0
    assert "no figure p000_1.png: internal-error" in caplog.text


def test_a_huge_trace_is_refused_before_it_is_read(tmp_path):
    write_box(tmp_path / "study/good/v0/mask.nii.gz")
    huge = tmp_path / "study/p/v0/L1.trace.json"
    huge.parent.mkdir(parents=True)
    with huge.open("wb") as file:
        file.write(b"{")
        file.truncate(60 << 20)
    assert main(["batch", str(tmp_path / "study"), "--out", str(tmp_path / "out")]) == 3
    with (tmp_path / "out/measurements.csv").open(encoding="utf-8", newline="") as file:
        told = {row["patient"]: (row["status"], row["code"]) for row in csv.DictReader(file)}
    assert told == {"good": ("measured", ""), "p": ("failed", "too-large")}
