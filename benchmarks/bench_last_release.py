"""`series` and `batch` beside the last release, on a study of 20,000 DICOM files in 500 series.

    python benchmarks/bench_last_release.py [--kinds rtstruct seg] [--rounds 5] [--jobs 0 1]

The last release is taken out of the history of this repository (``git archive``) and run by the same
Python and libraries. Every series of 40 images of 64 x 64 pixels has one tracing of the given kind: an
RTSTRUCT, a SEG, a NIfTI mask, a trace of this program, or none. Candidates are interleaved within one run;
what counts is the ratio of the medians of their times, and of their processor times, which a busy machine
changes less.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from bench_batch import write_rtstruct
from dicom_phantoms import stack_geometry, stack_voxels, write_series
from phantoms import mask_of, write_seg

import volumetry as vm
from volumetry.geometry import ScanGeometry

ROOT = Path(__file__).resolve().parents[1]
LAST_RELEASE = "8d14df7"
"""The last commit of version 0.1."""

VISITS = 5
SLICES = 40

Tracing = Callable[[Path, list[Path], ScanGeometry], None]


def box(geometry: ScanGeometry) -> np.ndarray:
    """A round lesion on the middle half of the slices."""
    rows, columns = np.mgrid[: geometry.rows, : geometry.columns]
    disc = (rows - geometry.rows / 2) ** 2 + (columns - geometry.columns / 2) ** 2 < 18**2
    found = np.zeros((geometry.n_slices, geometry.rows, geometry.columns), dtype=np.uint8)
    found[geometry.n_slices // 4 : 3 * geometry.n_slices // 4] = disc
    return found


def add_rtstruct(visit: Path, images: list[Path], geometry: ScanGeometry) -> None:
    write_rtstruct(visit / "rt.dcm", images, geometry.n_slices)


def add_seg(visit: Path, images: list[Path], geometry: ScanGeometry) -> None:
    import pydicom

    first = pydicom.dcmread(images[0], stop_before_pixels=True)

    def belong(ds: pydicom.Dataset) -> None:
        ds.StudyDate, ds.StudyInstanceUID = first.StudyDate, first.StudyInstanceUID
        ds.SOPInstanceUID, ds.SeriesInstanceUID = first.SOPInstanceUID + ".9", first.SeriesInstanceUID + ".9"

    write_seg(
        visit / "seg.dcm",
        geometry,
        {"lesion": box(geometry)},
        series_uid=first.SeriesInstanceUID,
        patient_id=first.PatientID,
        change=belong,
    )


def add_mask(visit: Path, images: list[Path], geometry: ScanGeometry) -> None:  # noqa: ARG001
    vm.write_mask(mask_of(box(geometry).astype(np.int16), geometry), visit / "lesion_mask.nii.gz")


def add_trace(visit: Path, images: list[Path], geometry: ScanGeometry) -> None:  # noqa: ARG001
    angles = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    ring = np.stack((32 + 18 * np.cos(angles), 32 + 18 * np.sin(angles)), axis=1)
    scan = vm.read_scan(images[0].parent)
    contours = tuple(vm.Contour(slice_index=k, vertices=ring) for k in range(SLICES // 4, 3 * SLICES // 4))
    trace = vm.Trace(lesion="L1", geometry=scan.geometry, source=scan.source, contours=contours)
    vm.write_trace(trace, visit / "L1.trace.json")


def add_nothing(visit: Path, images: list[Path], geometry: ScanGeometry) -> None:
    """Nobody has traced it."""


KINDS: dict[str, Tracing] = {
    "untraced": add_nothing,
    "rtstruct": add_rtstruct,
    "seg": add_seg,
    "mask": add_mask,
    "trace": add_trace,
}


def make_study(root: Path, count: int, add: Tracing) -> None:
    geometry = stack_geometry(n_slices=SLICES, rows=64, columns=64, pixel_spacing_mm=(0.8, 0.8))
    voxels = stack_voxels(geometry)
    for number in range(count):
        patient, visit = divmod(number, VISITS)
        folder = root / f"p{patient:03}" / f"v{visit}"
        images = write_series(
            folder / "t1",
            geometry,
            voxels,
            patient_id=f"P{patient:03}",
            series_uid=f"2.25.{number + 7000}",
            study_date=f"202{visit}0110",
        )
        add(folder, images, geometry)


def last_release(folder: Path) -> Path:
    """Take the last release out of the history; needs a clone that has it."""
    held = subprocess.run(
        ["git", "-C", str(ROOT), "archive", LAST_RELEASE, "volumetry"], capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(held.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def environment(release: Path, bytecode: Path) -> dict[str, str]:
    """Where a release is imported from, with its modules compiled, as those of an installed package are."""
    own = {"PYTHONPATH": str(release), "PYTHONPYCACHEPREFIX": str(bytecode), "PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", str(release / "volumetry")],
        env=os.environ | own,
        check=True,
    )
    return own


def run(release: Path, own: dict[str, str], *arguments: object) -> dict[str, float]:
    """Run a command of a release; wall and processor seconds, and the largest process of it in MB."""
    code = (
        "import resource, subprocess, sys, time, json\n"
        "begin = time.perf_counter()\n"
        "subprocess.run(sys.argv[1:], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(json.dumps({'wall': time.perf_counter() - begin, 'cpu': used.ru_utime + used.ru_stime,"
        " 'MB': used.ru_maxrss / 1000}))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, sys.executable, "-m", "volumetry", *map(str, arguments)],
        env=os.environ | own,
        cwd=release,
        capture_output=True,
        check=True,
        text=True,
    )
    return dict(json.loads(told.stdout))


def n_rows(out: Path) -> int:
    counts = json.loads((out / "run.json").read_bytes())["counts"]
    return int(counts.get("measured") or counts.get("not_traced") or 0)


def compare(
    name: str,
    releases: dict[str, tuple[Path, dict[str, str]]],
    rounds: int,
    arguments: Callable[[str], list[object]],
) -> None:
    """Print what a command takes now beside the last release."""
    seen: dict[str, list[dict[str, float]]] = {which: [] for which in releases}
    for number in range(rounds):
        for which in sorted(releases, reverse=bool(number % 2)):
            seen[which].append(run(*releases[which], *arguments(f"{which}{number}")))
    median = {
        which: {key: statistics.median(r[key] for r in results) for key in ("wall", "cpu", "MB")}
        for which, results in seen.items()
    }
    now, before = median["now"], median["before"]
    wall, cpu = (now[key] / before[key] for key in ("wall", "cpu"))
    print(
        f"{name:24} {now['wall']:6.2f} s ({before['wall']:.2f} s): ratio {wall:.2f}, "
        f"of processor time {cpu:.2f}; {now['MB']:.0f} MB ({before['MB']:.0f} MB)",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="0: make the studies only")
    parser.add_argument("--series", type=int, default=500)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--jobs", type=int, nargs="+", default=[0, 1], help="0: as many as cores")
    parser.add_argument("--folder", type=Path, help="where studies are kept for the next run (1.6 GB)")
    chosen = parser.parse_args()
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {chosen.rounds} rounds, medians")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        releases = {
            which: (place, environment(place, scratch / "bytecode"))
            for which, place in (("now", ROOT), ("before", last_release(scratch / "last")))
        }
        for kind in chosen.kinds:
            study = (chosen.folder or scratch) / f"{kind}{chosen.series}"
            if not study.exists():
                make_study(study, chosen.series, KINDS[kind])
            if not chosen.rounds:
                continue
            compare(f"series, {kind}", releases, chosen.rounds, lambda _, at=study: ["series", at])
            for jobs in chosen.jobs:
                outs = scratch / f"{kind}{jobs}"
                compare(
                    f"batch, {kind}, --jobs {jobs}",
                    releases,
                    chosen.rounds,
                    lambda run, at=study, to=outs, n=jobs: ["batch", at, "--out", to / run, "--jobs", n],
                )
                counts = {out.name: n_rows(out) for out in outs.iterdir()}
                assert set(counts.values()) == {chosen.series}, counts


if __name__ == "__main__":
    main()
