"""Results as pandas tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT

import volumetry as vm

VISITS = ROOT / "sample_scans/study"


def test_a_folder_measured_and_read_again(tmp_path: Path) -> None:
    results = vm.measure_folder(VISITS, tmp_path / "out")
    again = vm.read_results(tmp_path / "out")
    assert results.measurements.equals(again.measurements)
    assert len(results.changes) == len(again.changes) > 3
    assert set(results.measurements["status"]) >= {"measured"}
    assert len(results.slices) == results.measurements["n_slices"].sum()
    assert "measurements" in repr(results)


def test_nothing_is_kept_without_a_place(tmp_path: Path) -> None:
    results = vm.measure_folder(VISITS / "hip05")
    assert results.folder is None
    assert results.measurements["volume_mm3"].notna().any()


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(vm.VolumetryError, match="not-found"):
        vm.read_results(tmp_path)


def test_a_folder_is_measured_by_the_rules_that_are_given(tmp_path: Path) -> None:

    study = VISITS
    rule, change = vm.MeasurementRule(height="spacing"), vm.ChangeRule(threshold_percent=40)
    results = vm.measure_folder(study, rule=rule, change_rule=change)
    assert set(results.measurements["height_rule"].dropna()) == {"spacing"}
    assert set(results.changes["threshold_percent"]) == {40.0}
    protocol = tmp_path / "study.toml"
    protocol.write_text("[change]\nthreshold_percent = 30\n", encoding="utf-8")
    assert set(vm.measure_folder(study, protocol=protocol).changes["threshold_percent"]) == {30.0}
    with pytest.raises(vm.VolumetryError, match="not known"):
        vm.measure_folder(study, height="spacing")
