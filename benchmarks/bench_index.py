"""Index folders of DICOM files: this program beside SimpleITK, gdcm and pydicom.

Run ``python benchmarks/bench_index.py``. It writes its own files to a temporary folder: 50 series of 40
slices for the comparison, then 1,250 to 20,000 files for the scaling. Candidates are interleaved and rotated
within one run; what counts is the ratio of their medians.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pydicom
import SimpleITK
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

from volumetry.formats.dicom.index import index_folder

try:
    import gdcm
except ImportError:  # a peer that only the dependency group "bench" installs
    gdcm = None

Candidate = Callable[[list[Path]], int]


def make_series(folder: Path, series: int, slices: int) -> None:
    """Write an uncompressed MR series of 32 x 32 pixels, with the elements that scanners write."""
    folder.mkdir(parents=True)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = MRImageStorage
    data_set = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data_set.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "NORM"]
    data_set.SOPClassUID = MRImageStorage
    for name in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "PatientBirthDate"):
        setattr(data_set, name, "20240302")
    for name in ("StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime"):
        setattr(data_set, name, "101112.130000")
    data_set.AccessionNumber = "A1"
    data_set.Modality = "MR"
    data_set.Manufacturer = "benchmark"
    data_set.StudyDescription = "hips"
    data_set.SeriesDescription = "t1 tse cor"
    data_set.ManufacturerModelName = "none"
    data_set.PatientName = "Phantom^Hip"
    data_set.PatientID = f"P{series:03d}"
    data_set.PatientSex = "O"
    data_set.BodyPartExamined = "HIP"
    data_set.ScanningSequence = "SE"
    data_set.SequenceVariant = "SK"
    data_set.MRAcquisitionType = "2D"
    data_set.SliceThickness = "4.0"
    data_set.RepetitionTime = "520"
    data_set.EchoTime = "11"
    data_set.NumberOfAverages = "2"
    data_set.ImagingFrequency = "123.2"
    data_set.EchoNumbers = "1"
    data_set.MagneticFieldStrength = "3"
    data_set.SpacingBetweenSlices = "4.4"
    data_set.FlipAngle = "150"
    data_set.PatientPosition = "HFS"
    data_set.StudyInstanceUID = f"1.2.826.0.1.3680043.8.498.{series}"
    data_set.SeriesInstanceUID = f"1.2.826.0.1.3680043.8.498.{series}.1"
    data_set.StudyID = "1"
    data_set.SeriesNumber = str(series)
    data_set.AcquisitionNumber = "1"
    data_set.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    data_set.FrameOfReferenceUID = f"1.2.826.0.1.3680043.8.498.{series}.2"
    data_set.SamplesPerPixel = 1
    data_set.PhotometricInterpretation = "MONOCHROME2"
    data_set.Rows = data_set.Columns = 32
    data_set.PixelSpacing = [0.6875, 0.6875]
    data_set.BitsAllocated = 16
    data_set.BitsStored = 12
    data_set.HighBit = 11
    data_set.PixelRepresentation = 0
    data_set.SmallestImagePixelValue = 0
    data_set.LargestImagePixelValue = 4095
    data_set.WindowCenter = "600"
    data_set.WindowWidth = "1200"
    data_set.PixelData = bytes(2 * 32 * 32)
    for k in range(slices):
        instance = f"1.2.826.0.1.3680043.8.498.{series}.1.{k}"
        data_set.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = UID(instance)
        data_set.InstanceNumber = str(k + 1)
        data_set.ImagePositionPatient = [-110.25, round(-80 + 4.4 * k, 4), 110.25]
        data_set.SliceLocation = round(-80 + 4.4 * k, 4)
        data_set.save_as(folder / f"IM{k:04d}.dcm", enforce_file_format=True)


def with_volumetry(folders: list[Path]) -> int:
    """One call a folder, decoding the positions and the series, as the peers are called."""
    found = 0
    for folder in folders:
        found += len(index_folder(folder).by_series())
    return found


def with_simpleitk(folders: list[Path]) -> int:
    """The series identifiers of every folder."""
    series_ids: Callable[[str], tuple[str, ...]] = SimpleITK.ImageSeriesReader.GetGDCMSeriesIDs
    return sum([len(series_ids(str(folder))) for folder in folders])


def with_gdcm(folders: list[Path]) -> int:
    """gdcm's scanner for the series identifier and the position."""
    found = 0
    for folder in folders:
        scanner = gdcm.Scanner()
        scanner.AddTag(gdcm.Tag(0x0020, 0x000E))
        scanner.AddTag(gdcm.Tag(0x0020, 0x0032))
        scanner.Scan([str(file) for file in sorted(folder.iterdir())])
        found += len({scanner.GetValue(str(f), gdcm.Tag(0x0020, 0x000E)) for f in folder.iterdir()})
    return found


def with_pydicom(folders: list[Path]) -> int:
    """pydicom without pixels."""
    found = 0
    for folder in folders:
        files = sorted(folder.iterdir())
        found += len({pydicom.dcmread(file, stop_before_pixels=True).SeriesInstanceUID for file in files})
    return found


def seconds(candidate: Candidate, folders: list[Path], series: int) -> float:
    """Time one run, and hold it to the right number of series."""
    start = time.perf_counter()
    found = candidate(folders)
    elapsed = time.perf_counter() - start
    if found != series:
        raise SystemExit(f"{candidate.__name__} found {found} series instead of {series}")
    return elapsed


def compare(folders: list[Path], files: int, rounds: int) -> None:
    """Print files per second of every candidate, and how many times as long it takes as this program."""
    candidates: list[Candidate] = [with_volumetry, with_simpleitk, with_pydicom]
    if gdcm is not None:
        candidates.append(with_gdcm)
    times: dict[str, list[float]] = {candidate.__name__: [] for candidate in candidates}
    for turn in range(rounds + 1):
        first = turn % len(candidates)
        for candidate in candidates[first:] + candidates[:first]:
            elapsed = seconds(candidate, folders, len(folders))
            if turn:  # the first round warms the page cache
                times[candidate.__name__].append(elapsed)
    ours = statistics.median(times["with_volumetry"])
    print(f"{files} files in {len(folders)} folders, {rounds} rounds")
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"  {name[5:]:<10} {files / median:>9,.0f} files/s   ratio {median / ours:.2f}")


def scaling(folders: list[Path], slices: int, rounds: int) -> None:
    """Print the time per file over 1,250 to 20,000 files, relative to the fewest."""
    files = len(folders) * slices
    sizes = [size for size in (1_250, 2_500, 5_000, 10_000, 20_000) if size <= files] or [files]
    times: dict[int, list[float]] = {size: [] for size in sizes}
    for turn in range(rounds):
        first = turn % len(sizes)
        for size in sizes[first:] + sizes[:first]:
            part = folders[: size // slices]
            times[size].append(seconds(with_volumetry, part, len(part)) / (len(part) * slices))
    base = statistics.median(times[sizes[0]])
    print("time per file")
    for size, taken in times.items():
        median = statistics.median(taken)
        print(f"  {size:>6} files {median * 1e6:6.1f} us   ratio {median / base:.2f}")


def main() -> None:
    """Make the files, and print the comparison and the scaling."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--series", type=int, default=50)
    parser.add_argument("--slices", type=int, default=40)
    parser.add_argument("--scaling-series", type=int, default=500)
    options = parser.parse_args()
    for package in ("SimpleITK", "pydicom"):
        print(f"{package} {version(package)}")
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        folders = [root / f"series{n:04d}" for n in range(max(options.series, options.scaling_series))]
        for number, folder in enumerate(folders):
            make_series(folder, number, options.slices)
        part = folders[: options.series]
        compare(part, len(part) * options.slices, options.rounds)
        if options.scaling_series:
            scaling(folders[: options.scaling_series], options.slices, options.rounds)


if __name__ == "__main__":
    main()
