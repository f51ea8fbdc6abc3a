"""Start-up: importing volumetry, its help, and one mask measured from the command line.

    python benchmarks/bench_startup.py [--rounds 15]

Every candidate is a process of its own and runs once a round, the first of a round being another one each
time. Printed are medians and their ratios to ``import numpy`` in the same run.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from bench_masks import ellipsoid, write

PEERS = ("numpy", "SimpleITK", "nibabel", "zlib-ng")

BY_SIMPLEITK = """
import sys, SimpleITK
image = SimpleITK.ReadImage(sys.argv[1])
shape = SimpleITK.LabelShapeStatisticsImageFilter()
shape.Execute(image)
print(shape.GetPhysicalSize(1))
"""
BY_NIBABEL = """
import sys, nibabel, numpy
image = nibabel.load(sys.argv[1])
print(numpy.count_nonzero(image.get_fdata() == 1) * abs(numpy.linalg.det(image.affine[:3, :3])))
"""


def commands(mask: str) -> dict[str, list[str]]:
    python = [sys.executable, "-c"]
    return {
        "python alone": [*python, "pass"],
        "import numpy": [*python, "import numpy"],
        "import volumetry": [*python, "import volumetry"],
        "volumetry --help": [sys.executable, "-m", "volumetry", "--help"],
        "volumetry measure MASK": [sys.executable, "-m", "volumetry", "measure", mask],
        "SimpleITK measures MASK": [*python, BY_SIMPLEITK, mask],
        "nibabel measures MASK": [*python, BY_NIBABEL, mask],
    }


def medians(candidates: dict[str, list[str]], rounds: int) -> dict[str, float]:
    names = list(candidates)
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-1, rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            begin = time.perf_counter()
            subprocess.run(candidates[name], capture_output=True, check=True)
            if turn >= 0:
                times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    print("python", sys.version.split()[0], *(f"{peer} {version(peer)}" for peer in PEERS))
    with tempfile.TemporaryDirectory() as folder:
        mask = Path(folder) / "lesion.nii.gz"
        write(mask, ellipsoid(40, 0.125, 25), 6)
        found = medians(commands(str(mask)), arguments.rounds)
    for name, seconds in found.items():
        print(f"  {name:26s}{seconds * 1e3:9.0f} ms{seconds / found['import numpy']:9.2f} x import numpy")
    ratio = found["volumetry measure MASK"] / found["SimpleITK measures MASK"]
    print(f"volumetry measure / the same with SimpleITK: {ratio:.2f}")


if __name__ == "__main__":
    main()
