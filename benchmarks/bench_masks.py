"""Volume and per-slice areas of gzipped NIfTI masks, against SimpleITK and against inflation alone.

    python benchmarks/bench_masks.py [--rounds 15] [--only lesion]

Every candidate runs once a round, the first of a round being another one each time, on files that were read
before (the page cache is warm). Printed are medians, and ratios of medians, of one run: absolute times belong
to the machine. Peak memory is the high-water mark of a process of its own.

The masks are uint8 with 0.7 mm pixels and slices 3.3 mm apart:

- *lesion*: one ellipsoid of 25 pixels radius on 12.5 % of the slices;
- *organ*: one ellipsoid of 110 pixels radius on 50 % of the slices.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK
from zlib_ng import zlib_ng

import volumetry as vm

SIDE = 512
PEERS = ("numpy", "SimpleITK", "nibabel", "zlib-ng")

# name: (slices, gzip level, share of the slices with the lesion, radius in pixels)
MASKS = {
    "lesion 40 slices level 1": (40, 1, 0.125, 25),
    "lesion 40 slices level 6": (40, 6, 0.125, 25),
    "organ 40 slices level 1": (40, 1, 0.5, 110),
    "organ 40 slices level 6": (40, 6, 0.5, 110),
    "lesion 400 slices level 1": (400, 1, 0.125, 25),
    "lesion 400 slices level 6": (400, 6, 0.125, 25),
    "organ 400 slices level 1": (400, 1, 0.5, 110),
    "organ 400 slices level 6": (400, 6, 0.5, 110),
}


def ellipsoid(n_slices: int, share: float, radius: float) -> np.ndarray:
    """A mask (i, j, k) of one ellipsoid on that share of the slices."""
    mask = np.zeros((SIDE, SIDE, n_slices), np.uint8, order="F")
    half = n_slices * share / 2
    i, j = np.ogrid[:SIDE, :SIDE]
    for k in range(n_slices):
        here = 1 - ((k - (n_slices - 1) / 2) / half) ** 2
        if here > 0:
            mask[:, :, k] = (i - 230) ** 2 + ((j - 270) / 0.8) ** 2 <= radius**2 * here
    return mask


def write(path: Path, mask: np.ndarray, level: int) -> None:
    kind: Any = nibabel.Nifti1Image
    image = kind(mask, np.diag([-0.7, -0.7, 3.3, 1]))
    image.header.set_xyzt_units("mm")
    path.write_bytes(gzip.compress(image.to_bytes(), level, mtime=0))


def by_volumetry(path: str) -> float:
    (sections,) = vm.read_sections(path)
    volume = vm.measure_volume(sections).volume_mm3
    assert volume is not None
    return volume


def by_simpleitk(path: str) -> float:
    shape: Any = SimpleITK.LabelShapeStatisticsImageFilter()
    shape.Execute(SimpleITK.ReadImage(path))
    return float(shape.GetPhysicalSize(1))


def by_simpleitk_numpy(path: str) -> float:
    image: Any = SimpleITK.ReadImage(path)
    counts = (SimpleITK.GetArrayFromImage(image) == 1).sum(axis=(1, 2))
    width, height, depth = image.GetSpacing()
    return float((counts * width * height * depth).sum())


def by_nibabel_numpy(path: str) -> float:
    image: Any = nibabel.load(path)
    counts = np.count_nonzero(image.get_fdata() == 1, axis=(0, 1))
    return float((counts * abs(np.linalg.det(image.affine[:3, :3]))).sum())


def inflation_streamed(path: str) -> None:
    """Inflation in pieces of a slice, each dropped at once."""
    inflate = zlib_ng.decompressobj(31)
    data = Path(path).read_bytes()
    while data:
        inflate.decompress(data, SIDE * SIDE)
        data = inflate.unconsumed_tail


def inflation_at_once(path: str) -> None:
    zlib_ng.decompress(Path(path).read_bytes(), 31)


def medians(candidates: dict[str, Callable[[str], object]], path: str, rounds: int) -> dict[str, float]:
    names = list(candidates)
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-1, rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            begin = time.perf_counter()
            candidates[name](path)
            if turn >= 0:
                times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values) for name, values in times.items()}


HIGH_WATER = """
import re, numpy
{statements}
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""
MEASURE = """
import sys, volumetry as vm
(sections,) = vm.read_sections({path!r})
vm.measure_volume(sections).as_dict()
"""


def peak_mebibytes(statements: str) -> float:
    program = HIGH_WATER.format(statements=statements)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


def compare(folder: Path, rounds: int, only: str) -> None:
    for name, (n_slices, level, share, radius) in MASKS.items():
        if only not in name:
            continue
        path = folder / f"{name.replace(' ', '-')}.nii.gz"
        write(path, ellipsoid(n_slices, share, radius), level)
        candidates: dict[str, Callable[[str], object]] = {
            "volumetry": by_volumetry,
            "SimpleITK LabelShapeStatistics (no areas)": by_simpleitk,
            "SimpleITK + numpy areas": by_simpleitk_numpy,
            "zlib-ng inflation alone, streamed": inflation_streamed,
            "zlib-ng inflation alone, at once": inflation_at_once,
        }
        if n_slices == 40:
            candidates["nibabel get_fdata + numpy areas"] = by_nibabel_numpy
        volumes = [by_volumetry(str(path)), by_simpleitk(str(path)), by_simpleitk_numpy(str(path))]
        assert max(volumes) - min(volumes) < 1e-6 * max(volumes), volumes
        found = medians(candidates, str(path), rounds)
        print(f"\n{name}: {path.stat().st_size} bytes, {volumes[0]:.0f} mm3")
        for candidate, seconds in found.items():
            print(f"  {candidate:44s}{seconds * 1e3:9.2f} ms{seconds / found['volumetry']:9.2f} x volumetry")
        # Once more without the others, which leave nothing in the processor's caches: a batch measures one
        # mask after the other.
        pair: dict[str, Callable[[str], object]] = {"ours": by_volumetry, "bare": inflation_streamed}
        alone = medians(pair, str(path), 4 * rounds)
        print(f"  volumetry over streamed inflation: {alone['ours'] / alone['bare']:.2f}")


def compare_memory(folder: Path) -> None:
    bare = statistics.median(peak_mebibytes("") for _ in range(3))
    print(f"\npeak memory over bare numpy ({bare:.1f} MiB):")
    for n_slices in (24, 40, 400):
        for share, radius, name in ((0.125, 25, "lesion"), (0.5, 110, "organ")):
            path = folder / f"memory-{name}-{n_slices}.nii.gz"
            write(path, ellipsoid(n_slices, share, radius), 6)
            peak = statistics.median(peak_mebibytes(MEASURE.format(path=str(path))) for _ in range(3))
            print(f"  volumetry {name:7s}{n_slices:4d} slices{peak - bare:8.1f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="", help="part of the names of the masks to be measured")
    arguments = parser.parse_args()
    print("python", sys.version.split()[0], *(f"{peer} {version(peer)}" for peer in PEERS))
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), arguments.rounds, arguments.only)
        compare_memory(Path(folder))


if __name__ == "__main__":
    main()
