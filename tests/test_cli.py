import argparse
import csv
import importlib.metadata
import io
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
from study_phantoms import box_trace, coronal, small_study, write_box, write_box_trace

from volumetry.cli import build_parser, main
from volumetry.commands import NAMES, load
from volumetry.commands.options import HEIGHT_RULES
from volumetry.contours.loops import SelfIntersections
from volumetry.contours.overlaps import OverlappingOutlines
from volumetry.export import EXPORT_NAMES, ExportFormat, ExportOptions
from volumetry.formats.dicom.written.lesions import FINDINGS
from volumetry.measurement import SkippedSlices
from volumetry.tables import MEASUREMENTS
from volumetry.volume import HeightRule


@pytest.fixture
def run(capsys):
    def call(*arguments):
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as exit_:
            code = exit_.code
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return code, told.out, told.err

    return call


@pytest.mark.parametrize("command", NAMES)
def test_every_command_has_help_with_an_example(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"example: volumetry {command}" in " ".join(out.split())


def test_help_names_every_command(run):
    _, out, _ = run("--help")
    assert all(command in out for command in NAMES)
    assert "not a medical device" in " ".join(out.split())


@pytest.mark.parametrize(
    "arguments", [(), ("nonsense",), ("measure",), ("measure", "x", "--height", "width")]
)
def test_wrong_usage_is_2_and_one_line(run, arguments):
    code, _, err = run(*arguments)
    assert code == 2
    assert err.startswith("error: usage: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("call", [("mesure", "demo"), ("-v", "mesure", "batch"), ("measur",)])
def test_a_misspelt_command_is_named_with_the_nearest(run, call):
    code, out, err = run(*call)
    assert (code, out) == (2, "")
    assert "there is no command mes" in err or "there is no command measur" in err
    assert "Did you mean measure?" in err


def test_quiet_and_verbose(run, tmp_path):
    small_study(tmp_path / "s")
    code, out, err = run("batch", tmp_path / "s", "--out", tmp_path / "o", "--quiet", "--height", "spacing")
    assert (code, out, err) == (0, "", "")
    with (tmp_path / "o/measurements.csv").open(encoding="utf-8") as file:
        assert {row["height_rule"] for row in csv.DictReader(file)} == {"spacing"}
    code, out, _ = run("-v", "batch", tmp_path / "s", "--out", tmp_path / "o")
    assert "cases measured now" in out
    assert run("batch", tmp_path / "s", "--out", tmp_path / "o", "-v", "--quiet")[0] == 2


def test_measure_json_is_the_contract(run, tmp_path):
    path = tmp_path / "lesion.nii.gz"
    write_box(path)
    code, out, err = run("measure", path, "--format", "json")
    assert (code, err) == (0, "")
    (lesion,) = json.loads(out)
    names = """source label name volume_mm3 height_rule volume_thickness_mm3 volume_spacing_mm3
        slice_thickness_mm slice_spacing_mm n_slices centroid_mm extent_mm flags slices"""
    assert set(names.split()) <= set(lesion)
    assert lesion["source"] == str(path)
    assert (lesion["label"], lesion["n_slices"], lesion["flags"]) == (1, 4, ["slice-gap"])
    assert lesion["volume_mm3"] == lesion["volume_thickness_mm3"] == 6400
    assert lesion["volume_spacing_mm3"] == pytest.approx(7040)
    assert lesion["centroid_mm"] == pytest.approx([40 + 10.5 * 2, 4.5 * 4.4, 50 - 9.5 * 2])
    assert lesion["extent_mm"] == pytest.approx([20, 4 * 4.4, 20])
    assert set(lesion["slices"][0]) == {"index", "position_mm", "area_mm2", "height_mm"}
    assert lesion["slices"][0] == {
        "index": 3,
        "position_mm": pytest.approx(13.2),
        "area_mm2": 400,
        "height_mm": 4,
    }


def test_measure_by_spacing_and_per_slice_as_csv(run, tmp_path):
    path = tmp_path / "lesion.nii.gz"
    write_box(path)
    code, out, _ = run("measure", path, "--height", "spacing", "--per-slice", "--format", "csv")
    slices = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [float(s["height_mm"]) for s in slices] == pytest.approx([4.4] * 4)
    assert sum(float(s["area_mm2"]) * float(s["height_mm"]) for s in slices) == pytest.approx(7040)


def test_exit_codes_3_and_4_and_the_form_of_errors(run, tmp_path):
    good, bad = tmp_path / "good.nii.gz", tmp_path / "bad.nii.gz"
    write_box(good)
    bad.write_bytes(good.read_bytes()[:50])
    code, out, err = run("measure", good, bad)
    assert code == 3
    assert "good.nii.gz" in out
    assert err.startswith("error: truncated: ")
    assert str(bad) in err
    assert err.rstrip().endswith(".")
    assert run("measure", bad)[0] == 4
    assert run("measure", tmp_path / "none.nii.gz")[0] == 4


def test_what_skipped_slices_mean(run, tmp_path):
    gap = box_trace().contours
    contours = tuple(c for c in gap if c.slice_index != 4)
    write_box_trace(tmp_path / "L1.trace.json", contours=contours)
    code, _, err = run("measure", tmp_path / "L1.trace.json")
    assert (code, err.split(":")[1]) == (4, " untraced-slice")
    volumes = {}
    for meaning in ("absent", "bridge"):
        code, out, _ = run("measure", tmp_path / "L1.trace.json", "--skipped", meaning, "--format", "json")
        (lesion,) = json.loads(out)
        assert "skipped-slices" in lesion["flags"]
        volumes[meaning] = (lesion["volume_mm3"], lesion["volume_spacing_mm3"])
    assert volumes["absent"] == pytest.approx((3 * 400 * 4, 3 * 400 * 4.4))
    # 3 and 5 are 8.8 apart, 5 and 6 4.4: heights 8.8, 6.6, 4.4 by spacing.
    assert volumes["bridge"] == pytest.approx((400 * 18.0, 400 * 19.8))


def test_labels_are_named_or_all_measured(run, tmp_path):
    write_box(tmp_path / "m.nii.gz", number=3)
    assert json.loads(run("measure", tmp_path / "m.nii.gz", "--format", "json")[1])[0]["label"] == 3
    absent = json.loads(run("measure", tmp_path / "m.nii.gz", "--label", "2", "--format", "json")[1])[0]
    assert (absent["volume_mm3"], absent["status"]) == (0, "absent")
    assert "empty-mask" in absent["flags"]
    code, _, err = run("measure", tmp_path / "m.nii.gz", "--roi", "tumour")
    assert (code, "no-such-label" in err) == (4, True)


def test_batch_writes_and_says_where(run, tmp_path):
    study, out = small_study(tmp_path / "study", 1, visits=("v0", "v1", "v2", "v3")), tmp_path / "out"
    code, told, err = run("batch", study, "--out", out, "--jobs", "1", "--figures", "--parquet")
    assert (code, err) == (0, "")
    assert "4 measured" in told
    assert str(out) in told
    for name in ("measurements", "slices", "changes"):
        assert (out / f"{name}.csv").is_file()
        assert (out / f"{name}.parquet").is_file()
    assert run("change", out / "measurements.csv", "--out", out / "changes.csv")[0] == 0
    assert {path.name for path in out.glob("*.parquet")} == {"measurements.parquet", "slices.parquet"}


def test_batch_exit_codes(run, tmp_path):
    study = small_study(tmp_path / "study", 1)
    assert run("batch", study, "--out", study / "in")[0] == 2
    assert run("batch", study, "--out", tmp_path / "o", "--jobs", "-1")[0] == 2
    assert run("batch", study, "--out", tmp_path / "o", "--pseudonyms", tmp_path / "o/key")[0] == 2
    assert run("batch", tmp_path / "none", "--out", tmp_path / "o")[0] == 4
    (study / "p000/v1/lesion_mask.nii.gz").write_bytes(b"\x1f\x8b\x08")
    assert run("batch", study, "--out", tmp_path / "o")[0] == 3
    (study / "p000/v0/lesion_mask.nii.gz").write_bytes(b"\x1f\x8b\x08")
    assert run("batch", study, "--out", tmp_path / "o")[0] == 4
    (tmp_path / "empty").mkdir()
    assert run("batch", tmp_path / "empty", "--out", tmp_path / "o2")[0] == 4


def test_batch_with_protocol_pseudonyms_and_scheduler_faults(run, tmp_path):
    study = small_study(tmp_path / "study", 1)
    protocol = tmp_path / "study.toml"
    protocol.write_text("[measurement]\nheight_rule = 'spacing'\n", encoding="utf-8")
    out = tmp_path / "out"
    code, *_ = run("batch", study, "--out", out, "--protocol", protocol, "--pseudonyms", tmp_path / "key")
    assert code == 0
    text = (out / "measurements.csv").read_text(encoding="utf-8")
    assert "spacing" in text
    assert "p000" not in text + (out / "run.json").read_text(encoding="utf-8")
    protocol.write_text("[measurement]\nheight = 'spacing'\n", encoding="utf-8")
    code, _, err = run("batch", study, "--out", out, "--protocol", protocol)
    assert (code, "line 2" in err) == (2, True)
    assert run("batch", study, "--out", out, "--scheduler", "nonsense://x")[0] == 2


def table_of(pairs):
    text = io.StringIO()
    writer = csv.DictWriter(text, MEASUREMENTS.column_names, lineterminator="\n")
    writer.writeheader()
    for number, pair in enumerate(pairs):
        for visit, volume in enumerate(pair):
            writer.writerow(
                {"patient": f"p{number}", "side": "L", "lesion": "L1", "visit": f"v{visit}", "read": 1}
                | {"visit_order": visit, "status": "measured", "volume_mm3": volume, "n_slices": 9}
                | {"height_rule": "thickness", "slice_thickness_mm": 4, "slice_spacing_mm": 4.4}
            )
    return text.getvalue()


def changed(run, tmp_path, pairs, *options):
    (tmp_path / "m.csv").write_text(table_of(pairs), encoding="utf-8")
    code, *_ = run("change", tmp_path / "m.csv", "--out", tmp_path / "c.csv", *options)
    assert code == 0
    with (tmp_path / "c.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("unit", ["1", "0.001", "1000"])
def test_exactly_15_percent_is_no_change_on_500_decimal_pairs(run, tmp_path, unit):
    random = np.random.default_rng(15)
    exact, more = [], []
    for _ in range(500):
        baseline = Decimal(int(random.integers(1, 10**6))).scaleb(-int(random.integers(0, 4))) * Decimal(unit)
        for sign in (1, -1):
            exact.append((baseline, baseline * (1 + sign * Decimal("0.15"))))
            more.append((baseline, baseline * (1 + sign * Decimal("0.1501"))))
    assert {c["threshold_category"] for c in changed(run, tmp_path, exact)} == {"no_change"}
    categories = [c["threshold_category"] for c in changed(run, tmp_path, more)]
    assert {c["category"] for c in changed(run, tmp_path, exact)} == {"no_change"}
    # Rows come by patient in natural order, so up and down alternate.
    assert categories == ["increase", "decrease"] * 500


def test_the_example_of_the_paper_and_zeros(run, tmp_path):
    pairs = [("23770", "14330"), ("0", "5"), ("5", "0"), ("0", "0"), ("2.0", "1.7"), ("20", "17")]
    changes = changed(run, tmp_path, pairs)
    assert round(float(changes[0]["change_percent"]), 2) == -39.71
    assert [c["threshold_category"] for c in changes] == [
        "decrease",
        "new",
        "resolved",
        "absent",
        "no_change",
        "no_change",
    ]


def test_threshold_and_minimum_slices(run, tmp_path):
    change = changed(run, tmp_path, [("100", "110")], "--threshold", "5", "--minimum-slices", "10")[0]
    assert (change["threshold_category"], change["reason"]) == ("increase", "few-slices")
    assert run("change", tmp_path / "m.csv", "--out", tmp_path / "c.csv", "--threshold", "-1")[0] == 2
    assert run("change", tmp_path / "none.csv", "--out", tmp_path / "c.csv")[0] == 4


def test_series_of_files_and_folders(run, tmp_path):
    write_box(tmp_path / "s/a/v0/X.nii.gz", coronal(spacing_mm=5.0))
    write_box(tmp_path / "s/a/v0/X_mask.nii.gz", coronal(spacing_mm=5.0))
    code, out, _ = run("series", tmp_path / "s", "--format", "json")
    (row,) = json.loads(out)
    assert code == 0
    assert (row["matrix"], row["orientation"], row["gap_mm"]) == ("24x24x10", "coronal", 1.0)
    assert row["traces"] == "a/v0/X_mask.nii.gz"
    (tmp_path / "s/a/v0/cut.nii.gz").write_bytes(b"\x1f\x8b")
    code, out, _ = run("series", tmp_path / "s")
    assert (code, "truncated" in out) == (3, True)
    assert run("series", tmp_path / "s/a/v0/cut.nii.gz")[0] == 4


def test_a_fault_of_ours_is_named_and_no_traceback(run, tmp_path, monkeypatch):
    write_box(tmp_path / "m.nii.gz")
    monkeypatch.setattr("volumetry.measurement.measure_volume", lambda *_, **__: 1 / 0)
    code, _, err = run("measure", tmp_path / "m.nii.gz")
    assert code == 4
    assert err.split(": ")[1] == "internal-error"
    assert "ZeroDivisionError" in err
    monkeypatch.setenv("VOLUMETRY_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["measure", str(tmp_path / "m.nii.gz")])


def test_a_closed_pipe_is_no_error(tmp_path):
    write_box(tmp_path / "m.nii.gz")
    command = (
        f"{sys.executable} -m volumetry measure "
        + " ".join([str(tmp_path / "m.nii.gz")] * 200)
        + " | head -1"
    )
    told = subprocess.run(
        command, shell=True, capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert told.stderr == ""


def test_the_tracer_is_a_distribution_of_its_own(run, monkeypatch):
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: ())
    code, _, err = run("trace", "x")
    assert (code, "missing-dependency" in err, "napari-volumetry[qt]" in err) == (2, True, True)


class _Plugin:
    """An installed tracer: it answers what it was asked to open, or lacks its Qt."""

    asked: object = None
    error: Exception | None = None

    def load(self):
        if self.error is not None:
            raise self.error
        return self.opened

    def opened(self, path, *, traces):
        self.asked = (path, traces)
        return 0


@pytest.fixture
def plugin(monkeypatch):
    found = _Plugin()
    others = importlib.metadata.entry_points  # libraries that are imported meanwhile ask for theirs

    def entry_points(**wanted):
        return (found,) if wanted.get("group", "").startswith("volumetry") else others(**wanted)

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    monkeypatch.setattr("volumetry.commands.trace._loads", lambda library: True)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    return found


def test_the_tracer_without_qt_says_what_to_install(run, plugin):
    plugin.error = ImportError("No Qt bindings could be found")
    code, _, err = run("trace", "x")
    assert (code, "napari-volumetry[qt]" in err, "No Qt bindings" in err) == (2, True, True)


def test_the_tracer_without_a_library_of_the_system_names_its_package(run, plugin, monkeypatch):
    monkeypatch.setattr("volumetry.commands.trace._loads", lambda library: "cursor" not in library)
    code, _, err = run("trace", "x")
    assert (code, "apt install libxcb-cursor0." in err) == (2, True)


def test_the_tracer_without_a_screen_says_so(run, plugin, monkeypatch):
    monkeypatch.delenv("DISPLAY")
    code, _, err = run("trace", "x")
    assert (code, "missing-dependency" in err, "screen" in err) == (2, True, True)


def test_the_tracer_opens_the_sample_study(run, plugin, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample_scans/study").mkdir(parents=True)
    assert run("trace", "--demo")[0] == 0
    assert plugin.asked == (str(tmp_path / "sample_scans/study"), "sample_traces")
    assert run("trace", "--demo", "x")[0] == 2


def test_the_parser_is_built_without_the_library(tmp_path):
    code = "import sys; from volumetry.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "heavy = {'pandas', 'pydicom', 'nibabel', 'rich', 'volumetry.formats', 'volumetry.study'}\n"
    code += "assert not heavy & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    assert build_parser().prog == "volumetry"


def _shell(command, tmp_path):
    """Run a command line of a shell; ``V`` stands for the program."""
    program = f"{sys.executable} -m volumetry"
    return subprocess.run(
        ["sh", "-c", command.replace("V ", f"{program} ")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_standard_output_is_named(tmp_path):
    told = _shell("V series . --format csv > /dev/full", tmp_path)
    assert told.stderr.startswith("error: disk-full: ")
    assert told.stderr.count("\n") == 1
    assert told.returncode == 4


@pytest.mark.skipif(sys.platform == "win32", reason="needs sh")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_silence_and_no_file_takes_their_place(tmp_path, closed):
    small_study(tmp_path / "study", 2)
    told = _shell(f"V batch study --out out {closed}", tmp_path)
    assert "Traceback" not in told.stderr
    assert told.returncode == 0
    assert (tmp_path / "out/measurements.csv").read_text(encoding="utf-8").count("measured") == 4
    again = _shell("V batch study --out out", tmp_path)
    assert "0 of 4 cases" in again.stdout + again.stderr


# -- choices ------------------------------------------------------------------------------------------------

CHOICES = {
    "height": get_args(HeightRule),
    "skipped": get_args(SkippedSlices),
    "self_intersections": get_args(SelfIntersections),
    "overlapping_outlines": get_args(OverlappingOutlines),
    "as_": EXPORT_NAMES,
    "finding": tuple(FINDINGS),
    "holes": get_args(get_type_hints(ExportOptions)["holes"]),
}
"""What the library takes. The command line has the words again, since its help loads no more than numpy."""


@pytest.mark.parametrize("name", NAMES)
def test_the_choices_of_a_command_are_those_of_the_library(name):
    parser = argparse.ArgumentParser()
    load(name).add_arguments(parser)
    named = [action for action in parser._actions if action.choices and action.dest in CHOICES]
    assert {a.dest: tuple(a.choices) for a in named} == {a.dest: CHOICES[a.dest] for a in named}


def test_the_library_takes_what_the_choices_are_compared_with():
    assert set(CHOICES["as_"]) == set(get_args(ExportFormat))
    assert CHOICES["height"] == HEIGHT_RULES
