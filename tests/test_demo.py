import csv

import pytest
from conftest import ROOT

from volumetry import VolumetryError
from volumetry.demo import run_demo
from volumetry.samples.folder import find_samples, make_study, the_samples

SAMPLES = ROOT / "sample_scans"


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "results"
    assert run_demo(folder, SAMPLES) == 0
    return folder


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_volumes_are_the_analytic_truth(out):
    measured = {
        (r["patient"], r["visit"], r["side"], r["lesion"]): r for r in table(out / "measurements.csv")
    }
    compared = 0
    for truth in table(SAMPLES / "expected_volumes.csv"):
        name = truth["name_in_file"] if truth["patient"] != "sub-hip06" else truth["lesion"]
        row = measured.get((truth["patient"], truth["visit"], truth["side"], name))
        if row is None or not row["volume_mm3"]:
            continue
        expected = float(truth["expected_volume_thickness_mm3"])
        tolerance = 0.03 if truth["patient"] == "sub-hip06" else 1e-5  # pixels against outlines
        assert float(row["volume_mm3"]) == pytest.approx(expected, rel=tolerance)
        compared += 1
    assert compared >= 20


def test_classes_are_the_expected_ones(out):
    changes = {
        (r["patient"], r["side"], r["lesion"].removeprefix("lesion_"), r["followup_visit"]): r
        for r in table(out / "changes.csv")
    }
    classes = set()
    for truth in table(SAMPLES / "expected_volumes.csv"):
        key = (truth["patient"], truth["side"], truth["lesion"], truth["visit"])
        if key in changes and truth["expected_category"]:
            assert changes[key]["category"] == truth["expected_category"], key
            assert changes[key]["reason"] == truth["expected_reason"], key
            classes.add(truth["expected_category"])
    assert {"increase", "no_change", "decrease", "new", "resolved", "not_evaluable"} <= classes


def test_it_ends_with_the_table_and_where_the_files_are(out, capsys):
    run_demo(out, SAMPLES)
    told = capsys.readouterr().out
    assert "hip01" in told
    assert "increase" in told
    assert "measurements.csv" in told.splitlines()[-3]
    assert "results.md" in told.splitlines()[-2]
    assert "report.html" in told.splitlines()[-1]
    assert (out / "report.html").is_file()
    assert (out / "outcomes/results.md").is_file()


def test_without_a_checkout_the_samples_are_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("volumetry.samples.folder.__file__", str(tmp_path / "a/b/folder.py"))
    monkeypatch.setattr(
        "volumetry.samples.folder._study", lambda: iter([("study/p01/a.txt", b"a"), ("plan.toml", b"")])
    )
    assert find_samples() is None
    assert the_samples() == tmp_path / "sample_scans"
    assert find_samples() == tmp_path / "sample_scans"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["sample_scans"]


def test_samples_that_cannot_be_made_leave_nothing(tmp_path, monkeypatch):
    def broken():
        yield "study/a.txt", b"a"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("volumetry.samples.folder._study", broken)
    with pytest.raises(VolumetryError) as caught:
        make_study(tmp_path / "sample_scans")
    assert caught.value.code == "disk-full"
    assert list(tmp_path.iterdir()) == []
