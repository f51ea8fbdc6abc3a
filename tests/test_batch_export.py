"""``batch --export``: the lesions of a study as DICOM objects, with the numbers of its tables."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from conftest import ROOT

from volumetry.cli import main

HIP = ROOT / "sample_scans/study/hip01"

pytest.importorskip("highdicom")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    shutil.copytree(HIP, folder / "study" / "hip01")
    run(folder, "--export", "seg,sr")
    return folder


def run(folder: Path, *more: str) -> None:
    out = str(folder / "results")
    assert main(["batch", str(folder / "study"), "--out", out, "--jobs", "1", *more]) == 0


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def texts(item: object) -> list[str]:
    found: list[str] = []
    for child in getattr(item, "ContentSequence", []):
        if child.ValueType == "NUM":
            value = child.MeasuredValueSequence[0]
            found.append(str(float(getattr(value, "FloatingPointValue", value.NumericValue))))
        elif child.ValueType == "CODE":
            found.append(child.ConceptCodeSequence[0].CodeMeaning)
        found += texts(child)
    return found


def test_reports_say_what_the_tables_say(done: Path) -> None:
    from pydicom import dcmread

    rows = table(done / "results/measurements.csv")
    changes = {
        (row["side"], row["lesion"], row["followup_visit"]): row
        for row in table(done / "results/changes.csv")
    }
    reports = sorted((done / "results/export").glob("*.sr.dcm"))
    assert len(reports) == len(rows) == 6
    classes = {"increase": "Increase in size", "no_change": "No significant changes in the finding"}
    for row in rows:
        path = next(
            p for p in reports if row["lesion"].replace("_", "-") in p.name and row["visit"] in p.name
        )
        said = texts(dcmread(path))
        for column in ("volume_thickness_mm3", "volume_spacing_mm3"):
            wanted = float(row[column])
            assert any(n.replace(".", "").isdigit() and abs(float(n) - wanted) < 1e-3 for n in said)
        change = changes.get((row["side"], row["lesion"], row["visit"]))
        assert ("Baseline" in said) == (change is None)
        if change is not None:
            assert classes[change["category"]] in said


def test_the_protocol_names_the_finding_and_the_region(done: Path, tmp_path: Path) -> None:
    from pydicom import dcmread

    protocol = tmp_path / "study.toml"
    protocol.write_text('[study]\nfinding = "necrosis"\nregion = "Femoral head"\n')
    out = tmp_path / "results"
    command = ["batch", str(done / "study"), "--out", str(out), "--jobs", "1", "--export", "seg"]
    assert main([*command, "--protocol", str(protocol)]) == 0
    for path in (out / "export").glob("*.seg.dcm"):
        for segment in dcmread(path).SegmentSequence:
            assert segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Necrosis"
            region = segment.AnatomicRegionSequence[0]
            assert region.CodeMeaning == "Femoral head"
            assert region.AnatomicRegionModifierSequence[0].CodeMeaning in ("Left", "Right")


def test_a_second_export_writes_the_same_bytes(done: Path) -> None:
    before = {p.name: p.read_bytes() for p in (done / "results/export").iterdir()}
    run(done, "--export", "seg,sr")
    after = {p.name: p.read_bytes() for p in (done / "results/export").iterdir()}
    assert sorted(before) == sorted(after)
    assert [name for name in before if before[name] != after[name]] == []


def test_exports_in_the_study_add_no_lesion_and_no_read(done: Path, tmp_path: Path) -> None:
    shutil.copytree(done / "study", tmp_path / "study")
    shutil.copytree(done / "results/export", tmp_path / "study/hip01/export")
    protocol = tmp_path / "study.toml"
    protocol.write_text('[tracings]\nprefer = ["trace", "rtstruct"]\n', encoding="utf-8")
    run(tmp_path, "--protocol", str(protocol))

    def lesions(path: Path) -> list[tuple[str, ...]]:
        names = ("patient", "side", "lesion", "reader", "visit", "read", "volume_mm3")
        return [tuple(row[name] for name in names) for row in table(path)]

    assert lesions(tmp_path / "results/measurements.csv") == lesions(done / "results/measurements.csv")


def test_a_format_that_is_not_known_and_pseudonyms_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["batch", str(HIP), "--out", str(tmp_path / "out")]
    assert main([*call, "--export", "xyz"]) == 2
    assert main([*call, "--export", "sr", "--pseudonyms", str(tmp_path / "key")]) == 2
    assert "name the patient" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
