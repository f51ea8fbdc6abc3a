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
