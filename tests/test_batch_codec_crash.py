"""A decoder that ends its process, or never returns: one case of a batch is lost, and no other.

The library calls are replaced by what damage makes of them: a fault in compiled code, and a wait in compiled
code that holds Python's lock, so that nothing in the process could end it.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_long_tail import VOXELS, written

BROKEN = """
import ctypes, sys
from volumetry.formats.voxels.by_library import {module} as module
from volumetry.cli import main
read = module.{function}
def broken(*arguments):
    if "p1" in str(arguments) and "the TIFF file" not in arguments:  # not while folders are looked through
        {fault}
    return read(*arguments)
module.{function} = broken
sys.exit(main(sys.argv[1:]))
"""
FAULTS = {
    "ends": ("ctypes.string_at(0)", "worker-died"),
    "hangs": ("ctypes.PyDLL(None).sleep(60)", "timed-out"),
}
CALLS = {"tiff of ImageJ": ("tiff", "by_library"), "gipl": ("itk_images", "_information")}

linux = pytest.mark.skipif(sys.platform != "linux", reason="calls the C library by its Linux name")


def batch(study: Path, out: Path, name: str, fault: str, *more: str) -> tuple[int, dict[str, str], bytes]:
    module, function = CALLS[name]
    code = BROKEN.format(module=module, function=function, fault=fault)
    command = [
        sys.executable,
        "-X",
        "faulthandler=0",
        "-c",
        code,
        "batch",
        str(study),
        "--out",
        str(out),
        *more,
    ]
    told = subprocess.run(command, capture_output=True, timeout=120, check=False)
    if not (out / "measurements.csv").exists():
        return told.returncode, {}, told.stderr
    with (out / "measurements.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return told.returncode, {row["patient"]: row["code"] or row["status"] for row in rows}, told.stderr


@linux
@pytest.mark.parametrize(
    ("name", "fault", "n_cases"),
    [("tiff of ImageJ", "ends", 5), ("gipl", "ends", 1), ("gipl", "hangs", 2)],
)
def test_a_decoder_that_ends_or_hangs_costs_one_case(
    name: str, fault: str, n_cases: int, tmp_path: Path
) -> None:
    mask: Any = (VOXELS == 1).astype(np.uint8)
    for patient in range(1, n_cases + 1):
        written(name, tmp_path / "study" / f"p{patient}" / "v1", mask, stem="hip_mask")
    statement, code = FAULTS[fault]
    limit = ["--case-timeout", "5"] if fault == "hangs" else []
    told, rows, errors = batch(tmp_path / "study", tmp_path / "out", name, statement, *limit, "--jobs", "2")
    assert rows == {f"p{n}": "measured" for n in range(2, n_cases + 1)} | {"p1": code}
    assert told == (3 if n_cases > 1 else 4)
    assert b"Traceback" not in errors
