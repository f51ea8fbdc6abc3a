"""Read a DICOM series to a checked scan: this program beside SimpleITK's series reader.

Run ``python benchmarks/bench_dicom.py``. It makes its own series in a temporary folder: 40 slices, once
uncompressed with 256 x 256 and 512 x 512 pixels, once in each compression. SimpleITK's time includes the scan
that finds and sorts its file names (GetGDCMSeriesFileNames), as this program's includes its own. Candidates
are interleaved and rotated within one run; what counts is the ratio of their medians.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import SimpleITK
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from volumetry.formats.dicom.series.volume import read_scan

itk: Any = SimpleITK
SLICES = 40
EXPLICIT = "1.2.840.10008.1.2.1"
COMPRESSED = {
    "RLE": "1.2.840.10008.1.2.5",
    "JPEG-LS": "1.2.840.10008.1.2.4.80",
    "JPEG 2000": "1.2.840.10008.1.2.4.90",
    "JPEG lossless": "1.2.840.10008.1.2.4.70",
}
ENCODERS: dict[str, Callable[[NDArray[np.uint16]], bytes]] = {
    COMPRESSED["JPEG-LS"]: lambda pixels: bytes(imagecodecs.jpegls_encode(pixels)),
    COMPRESSED["JPEG 2000"]: lambda pixels: bytes(
        imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k", bitspersample=12)
    ),
    COMPRESSED["JPEG lossless"]: lambda pixels: bytes(
        imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=1, bitspersample=12)
    ),
}


def hip_like(rows: int, seed: int = 3) -> NDArray[np.int16]:
    """Smooth bright bodies in the dark with noise, 12 bits: it compresses as MR images do."""
    random = np.random.default_rng(seed)
    r, c = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : rows * 1j]
    slices = []
    for k in range(SLICES):
        size = 0.3 + 0.2 * np.sin(k / 7)
        body = 1400 * np.exp(-((((r - 0.1) / size) ** 2 + (c / (size + 0.2)) ** 2) ** 3))
        head = 900 * np.exp(-(((r / 0.2) ** 2 + ((c - 0.3) / 0.2) ** 2) ** 4))
        noise = random.normal(0, 12, r.shape) * (body > 50)
        slices.append(np.clip(body + head + noise, 0, 4095))
    return np.asarray(slices).astype(np.int16)


def make_series(folder: Path, rows: int, transfer_syntax: str) -> None:
    """Write one coronal series of `SLICES` slices."""
    folder.mkdir(parents=True)
    voxels = hip_like(rows)
    for k in range(SLICES):
        ds = pydicom.Dataset()
        ds.file_meta = pydicom.dataset.FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = UID(EXPLICIT)
        ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
        ds.SOPInstanceUID = f"2.25.1.{rows}.{k + 1}"
        ds.StudyInstanceUID, ds.SeriesInstanceUID = "2.25.2", f"2.25.3.{rows}"
        ds.FrameOfReferenceUID = "2.25.4"
        ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "NORM"]
        ds.StudyDate, ds.Modality, ds.PatientID, ds.PatientName = "20240302", "MR", "P1", "Phantom"
        ds.StudyDescription, ds.SeriesDescription, ds.Manufacturer = "hips", "t1 tse cor", "benchmark"
        ds.SliceThickness, ds.SpacingBetweenSlices = "4.0", "4.4"
        ds.RepetitionTime, ds.EchoTime, ds.EchoNumbers, ds.FlipAngle = "520", "11", 1, "150"
        ds.SeriesNumber, ds.AcquisitionNumber, ds.InstanceNumber = 1, 1, SLICES - k
        ds.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        ds.ImagePositionPatient = ["-180", f"{-80 + 4.4 * k:.1f}", "180"]
        ds.PixelSpacing = ["0.703125", "0.703125"]
        ds.Rows = ds.Columns = rows
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
        ds.WindowCenter, ds.WindowWidth = "600", "1200"
        ds.add_new(0x7FE00010, "OW", voxels[k].tobytes())
        if transfer_syntax == COMPRESSED["RLE"]:
            ds.compress(UID(transfer_syntax), generate_instance_uid=False, encoding_plugin="pydicom")
        elif transfer_syntax in ENCODERS:
            ds.PixelData = encapsulate([ENCODERS[transfer_syntax](voxels[k].astype(np.uint16))])
            ds.file_meta.TransferSyntaxUID = UID(transfer_syntax)
        ds.save_as(folder / f"IM{(k * 17) % SLICES:03d}.dcm", enforce_file_format=True)


def by_volumetry(folder: Path) -> NDArray[np.generic]:
    return read_scan(folder).voxels


def by_simpleitk(folder: Path) -> object:
    reader = itk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def by_pydicom(folder: Path) -> NDArray[np.generic]:
    images = [pydicom.dcmread(path) for path in folder.iterdir()]
    images.sort(key=lambda ds: float(ds.ImagePositionPatient[1]))
    return np.stack([ds.pixel_array for ds in images])


def compare(folder: Path, candidates: dict[str, Callable[[Path], object]], rounds: int) -> None:
    """Time the candidates in rotation, and print medians and their ratio to this program's."""
    found = [read(folder) for read in candidates.values()]
    arrays = [x if isinstance(x, np.ndarray) else itk.GetArrayViewFromImage(x) for x in found]
    for array in arrays[1:]:
        assert np.array_equal(arrays[0], array), "the readers disagree"
    names = list(candidates)
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            gc.collect()  # what one candidate leaves behind is not the next one's work
            start = time.perf_counter()
            candidates[name](folder)
            times[name].append(time.perf_counter() - start)
    ours = statistics.median(times["volumetry"])
    for name in names:
        median = statistics.median(times[name])
        print(f"  {name:12} {median * 1e3:8.1f} ms   {median / ours:6.2f} times volumetry")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    packages = ("numpy", "pydicom", "SimpleITK", "imagecodecs")
    print(", ".join(f"{name} {version(name)}" for name in packages))
    peers: dict[str, Callable[[Path], object]] = {
        "volumetry": by_volumetry,
        "SimpleITK": by_simpleitk,
        "pydicom": by_pydicom,
    }
    with tempfile.TemporaryDirectory() as temporary:
        for rows in (256, 512):
            folder = Path(temporary, f"plain{rows}")
            make_series(folder, rows, EXPLICIT)
            print(f"uncompressed, {SLICES} slices of {rows} x {rows}, 16 bit")
            # One peer at a time: what pydicom gives back to the system, the next one has to fetch again.
            compare(folder, {k: peers[k] for k in ("volumetry", "SimpleITK")}, rounds)
            compare(folder, {k: peers[k] for k in ("volumetry", "pydicom")}, rounds)
        for name, syntax in COMPRESSED.items():
            folder = Path(temporary, name)
            make_series(folder, 512, syntax)
            print(f"{name}, {SLICES} slices of 512 x 512")
            compare(folder, {k: peers[k] for k in ("volumetry", "SimpleITK")}, max(3, rounds // 3))


if __name__ == "__main__":
    main()
