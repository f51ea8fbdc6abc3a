"""``batch --export`` of files that hold several lesions: each object has the pixels of its own row."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

import volumetry as vm
from volumetry.cli import main
from volumetry.study.runs.figures import draw_batch
from volumetry.study.runs.options import BatchOptions

SERIES = ROOT / "sample_scans/study/hip01/2021-03-02/t1_cor"

pytest.importorskip("highdicom")


def two_lesions(scan: vm.Scan, names: tuple[str, str]) -> vm.Mask:
    values = np.zeros(scan.voxels.shape, np.uint8)
    values[3:8, 20:40, 20:40] = 1
    values[4:9, 60:70, 100:120] = 2
    labels = tuple(vm.MaskLabel(number=number, name=name) for number, name in enumerate(names, start=1))
    return vm.Mask(layers=(values,), geometry=scan.geometry, labels=labels)


@pytest.mark.parametrize(
    ("file", "names"),
    [("t1_mask.nii.gz", ("", "")), ("t1.seg.nrrd", ("upper", "lower")), ("t1.seg.nrrd", ("2", "1"))],
)
def test_every_lesion_of_a_mask_is_exported_with_its_own_pixels(
    tmp_path: Path, file: str, names: tuple[str, str]
) -> None:
    visit = tmp_path / "study/p1/v1"
    shutil.copytree(SERIES, visit / "t1")
    scan = vm.read_scan(visit / "t1")
    vm.write_mask(two_lesions(scan, names), visit / file)
    out = tmp_path / "out"
    line = ["batch", str(tmp_path / "study"), "--out", str(out), "--jobs", "1", "--export", "seg,sr"]
    assert main(line) == 0
    with (out / "measurements.csv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    assert sorted(float(row["volume_thickness_mm3"]) for row in rows) == pytest.approx([11560, 23120])
    for row in rows:
        (segments,) = (out / "export").glob(f"p1_*{row['lesion']}_v1.seg.dcm")
        again = vm.measure_volume(vm.read_mask(segments, scan=scan))
        assert again.volume_thickness_mm3 == pytest.approx(float(row["volume_thickness_mm3"]))
    drawn = draw_batch(tmp_path / "study", out, BatchOptions())
    assert len(drawn) == 2
    assert drawn[0].read_bytes() != drawn[1].read_bytes()
