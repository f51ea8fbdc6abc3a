"""How a batch scales: with workers, and with the number of cases.

Prints ratios of medians, candidates interleaved in one run:

- 60 DICOM series with RTSTRUCTs: two workers against one;
- 4,000 small mask cases against 1,000: time and peak memory; and the time a case takes beside reading and
  counting its mask.

Run it as ``python benchmarks/bench_batch.py``; it makes its data in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from dicom_phantoms import stack_geometry, stack_voxels, write_series
from study_phantoms import coronal, write_box

_RUN = """
import json, resource, sys, time
begin = time.perf_counter()
from volumetry.study.runs.batch import run_batch
from volumetry.study.runs.options import BatchOptions
summary = run_batch(sys.argv[1], sys.argv[2], BatchOptions(jobs=int(sys.argv[3])))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"s": time.perf_counter() - begin, "MiB": peak, "counts": summary.counts}))
"""

_BARE = """
import json, sys, time
from pathlib import Path
from volumetry.formats import read_sections
paths = sorted(Path(sys.argv[1]).rglob("*_mask.nii.gz"))
begin = time.perf_counter()
for path in paths:
    read_sections(path)
print(json.dumps({"s": time.perf_counter() - begin, "n": len(paths)}))
"""


def run(code: str, *arguments: object) -> dict:
    begin = time.perf_counter()
    told = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return json.loads(told.stdout) | {"wall": time.perf_counter() - begin}


def write_rtstruct(path: Path, series: list[Path], n_slices: int) -> None:
    """A structure set of one round lesion on the middle half of a series."""
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.sequence import Sequence

    first = pydicom.dcmread(series[0], stop_before_pixels=True)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = first.SOPInstanceUID + ".9"
    ds.PatientID, ds.StudyDate, ds.Modality = first.PatientID, first.StudyDate, "RTSTRUCT"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = first.StudyInstanceUID, first.SeriesInstanceUID + ".9"
    referenced = Dataset()
    referenced.SeriesInstanceUID = first.SeriesInstanceUID
    study = Dataset()
    study.RTReferencedSeriesSequence = Sequence([referenced])
    frame = Dataset()
    frame.FrameOfReferenceUID = first.FrameOfReferenceUID
    frame.RTReferencedStudySequence = Sequence([study])
    ds.ReferencedFrameOfReferenceSequence = Sequence([frame])
    region = Dataset()
    region.ROINumber, region.ROIName = 1, "lesion"
    region.ReferencedFrameOfReferenceUID = first.FrameOfReferenceUID
    ds.StructureSetROISequence = Sequence([region])
    contours = []
    angles = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    for name in series[n_slices // 4 : 3 * n_slices // 4]:
        header = pydicom.dcmread(name, stop_before_pixels=True)
        origin = np.array(header.ImagePositionPatient, float)
        row, column = (
            np.array(header.ImageOrientationPatient[:3], float),
            np.array(header.ImageOrientationPatient[3:], float),
        )
        extent = np.array(header.PixelSpacing, float) * (header.Rows, header.Columns)
        centre = origin + row * extent[1] / 2 + column * extent[0] / 2
        points = centre + np.outer(np.cos(angles), row) * 15 + np.outer(np.sin(angles), column) * 15
        contour = Dataset()
        contour.ContourGeometricType = "CLOSED_PLANAR"
        contour.NumberOfContourPoints = len(points)
        contour.ContourData = [f"{value:.6g}" for value in points.ravel()]
        contours.append(contour)
    drawn = Dataset()
    drawn.ReferencedROINumber = 1
    drawn.ContourSequence = Sequence(contours)
    ds.ROIContourSequence = Sequence([drawn])
    ds.save_as(path, enforce_file_format=True)


def make_series_study(root: Path, count: int, size: int) -> None:
    geometry = stack_geometry(n_slices=40, rows=size, columns=size, pixel_spacing_mm=(0.8, 0.8))
    voxels = stack_voxels(geometry)
    for number in range(count):
        folder = root / f"p{number:03}"
        names = write_series(
            folder / "t1", geometry, voxels, patient_id=f"P{number}", series_uid=f"2.25.{number + 7}"
        )
        write_rtstruct(folder / "rt.dcm", names, geometry.n_slices)


def make_mask_study(root: Path, count: int) -> None:
    geometry = coronal(n_slices=12, size=64)
    one = root / "one_mask.nii.gz"
    write_box(one, geometry)
    for number in range(count):
        folder = root / f"p{number:05}" / "v0"
        folder.mkdir(parents=True)
        shutil.copyfile(one, folder / "lesion_mask.nii.gz")
    one.unlink()
    one.with_name("one_mask.json").unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--series", type=int, default=60)
    parser.add_argument("--size", type=int, default=256, help="rows and columns of the series")
    parser.add_argument("--cases", type=int, default=1000)
    chosen = parser.parse_args()
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {chosen.rounds} rounds, medians")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        make_series_study(root / "series", chosen.series, chosen.size)
        times: dict[int, list[float]] = {1: [], 2: []}
        for number in range(chosen.rounds):
            for jobs in (1, 2) if number % 2 else (2, 1):
                result = run(_RUN, root / "series", root / f"out{number}{jobs}", jobs)
                assert result["counts"] == {"measured": chosen.series}, result
                times[jobs].append(result["wall"])
        one, two = statistics.median(times[1]), statistics.median(times[2])
        print(
            f"{chosen.series} series with RTSTRUCT: 1 worker {one:.2f} s, "
            f"2 workers {two:.2f} s, ratio {two / one:.2f}"
        )
        few, many = chosen.cases, 4 * chosen.cases
        for count in (few, many):
            make_mask_study(root / f"masks{count}", count)
        results: dict[int, list[dict]] = {few: [], many: []}
        bare = []
        for number in range(max(3, chosen.rounds // 2)):
            for count in (few, many):
                results[count].append(run(_RUN, root / f"masks{count}", root / f"m{number}{count}", 1))
            bare.append(run(_BARE, root / f"masks{few}")["s"] / few)
        seconds = {n: statistics.median(r["s"] for r in results[n]) for n in results}
        memory = {n: statistics.median(r["MiB"] for r in results[n]) for n in results}
        print(
            f"{many} cases against {few}: time {seconds[many] / seconds[few]:.2f}, "
            f"memory {memory[many] / memory[few]:.3f}"
        )
        print(f"peak memory {memory[few]:.0f} MiB at {few} cases, {memory[many]:.0f} MiB at {many}")
        beside = 1000 * (seconds[many] / many - statistics.median(bare))
        print(
            f"beside reading and counting ({1000 * statistics.median(bare):.2f} ms): {beside:.2f} ms a case"
        )


if __name__ == "__main__":
    main()
