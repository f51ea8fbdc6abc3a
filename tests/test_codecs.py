"""Decoders of compressed frames: bit for bit those of GDCM, and no process ends at a damaged stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from conftest import SHARED
from dicom_phantoms import jpeg_lossless_stream
from numpy.typing import NDArray
from peer_of_codecs import decode_frames
from pydicom import data, dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.filereader import read_file_meta_info

from volumetry.formats.dicom.pixels.codecs import (
    HTJ2K,
    JPEG_2000,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LS,
    CompressedFrame,
    FrameFormat,
    decoded_frames,
)

PROVE = os.environ.get("VOLUMETRY_PROVE") == "1"
OF_IMAGECODECS = JPEG_2000 | JPEG_LOSSLESS | JPEG_LS | HTJ2K | {JPEG_BASELINE, JPEG_EXTENDED}
SYNTAXES = {
    "JPEG lossless": "1.2.840.10008.1.2.4.70",
    "JPEG baseline": JPEG_BASELINE,
    "JPEG extended": JPEG_EXTENDED,
    "JPEG 2000": "1.2.840.10008.1.2.4.90",
    "JPEG-LS": "1.2.840.10008.1.2.4.80",
}


def format_of(ds: Dataset) -> FrameFormat:
    return FrameFormat(
        rows=ds.Rows,
        columns=ds.Columns,
        bits_allocated=ds.BitsAllocated,
        bits_stored=ds.BitsStored,
        high_bit=ds.HighBit,
        is_signed=bool(ds.PixelRepresentation),
        is_float=False,
        photometric_interpretation=ds.PhotometricInterpretation,
    )


def grey(bits: int, *, signed: bool = False) -> FrameFormat:
    return FrameFormat(
        rows=61,
        columns=64,
        bits_allocated=8 if bits <= 8 else 16,
        bits_stored=bits,
        high_bit=bits - 1,
        is_signed=signed,
        is_float=False,
        photometric_interpretation="MONOCHROME2",
    )


def ours(stream: bytes, frame_format: FrameFormat, syntax: str) -> NDArray[np.generic]:
    (frame,) = decoded_frames([CompressedFrame(stream=stream, path="a.dcm")], frame_format, syntax)
    return frame


def gdcm(stream: bytes, frame_format: FrameFormat, syntax: str) -> NDArray[np.generic]:
    frames: NDArray[np.generic] = decode_frames(
        [stream],
        syntax,
        rows=frame_format.rows,
        columns=frame_format.columns,
        bits_allocated=frame_format.bits_allocated,
        bits_stored=frame_format.bits_stored,
        is_signed=frame_format.is_signed,
    )
    return np.asarray(frames[0])


def real_files() -> Iterator[Path]:
    """Files of one component with compressed pixels: those of pydicom, and the shared data where present."""
    folders = [Path(data.__file__).parent / "test_files"]
    folders += [SHARED / "data" / "dicom2nifti"] if SHARED.is_dir() else []
    for path in sorted(path for folder in folders for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            if file.read(132)[128:] != b"DICM":
                continue
        if path.name == "JPEG2000-embedded-sequence-delimiter.dcm":
            continue  # damaged on purpose
        with suppress(Exception):  # some files of pydicom are damaged on purpose
            syntax = read_file_meta_info(path).get("TransferSyntaxUID")
            if syntax in OF_IMAGECODECS and dcmread(path, stop_before_pixels=True).SamplesPerPixel == 1:
                yield path


FILES = list(real_files())


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_real_files_decode_to_the_bits_of_gdcm(path: Path) -> None:
    ds = dcmread(path)
    syntax, frame_format = str(ds.file_meta.TransferSyntaxUID), format_of(ds)
    n_frames = int(ds.get("NumberOfFrames", 1))
    for stream in list(generate_frames(ds.PixelData, number_of_frames=n_frames))[:3]:
        found, expected = ours(stream, frame_format, syntax), gdcm(stream, frame_format, syntax)
        assert found.dtype == frame_format.dtype
        assert np.array_equal(found, expected)


def test_there_are_real_files_of_every_kind() -> None:
    found = {str(dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID) for path in FILES}
    wanted = {JPEG_EXTENDED, "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.90"}
    assert wanted <= found


def pixels(bits: int, *, signed: bool = False) -> NDArray[np.int32]:
    """A ramp with noise over the whole range of values."""
    rng = np.random.default_rng(bits)
    ramp = np.add.outer(np.arange(61), np.arange(64)) * (1 << bits) // 125
    values = np.clip(ramp + rng.integers(-9, 9, ramp.shape), 0, (1 << bits) - 1)
    return np.asarray(values - (1 << (bits - 1)) if signed else values, dtype=np.int32)


def stream_of(values: NDArray[np.int32], bits: int, kind: str, *, predictor: int = 1) -> bytes:
    masked = (values & ((1 << bits) - 1)).astype(np.uint8 if bits <= 8 else np.uint16)
    if kind == "JPEG-LS":
        return bytes(imagecodecs.jpegls_encode(masked))
    if kind == "JPEG 2000":
        typed = values.astype(np.int8 if bits <= 8 else np.int16) if values.min() < 0 else masked
        return bytes(imagecodecs.jpeg2k_encode(typed, level=0, codecformat="j2k", bitspersample=bits))
    if kind == "JPEG lossless":
        return bytes(imagecodecs.jpeg8_encode(masked, lossless=True, predictor=predictor, bitspersample=bits))
    return bytes(imagecodecs.jpeg8_encode(masked, level=95, bitspersample=bits))


@pytest.mark.parametrize("kind", ["JPEG lossless", "JPEG 2000", "JPEG-LS"])
@pytest.mark.parametrize("bits", [8, 10, 12, 15, 16])
@pytest.mark.parametrize("signed", [False, True])
def test_lossless_codecs_give_back_every_bit(kind: str, bits: int, signed: bool) -> None:
    values = pixels(bits, signed=signed)
    frame_format = grey(bits, signed=signed)
    found = ours(stream_of(values, bits, kind), frame_format, SYNTAXES[kind])
    assert found.dtype == frame_format.dtype
    assert np.array_equal(found, values)


@pytest.mark.parametrize("predictor", range(1, 8))
def test_every_predictor_of_jpeg_lossless(predictor: int) -> None:
    values = pixels(12)
    stream = stream_of(values, 12, "JPEG lossless", predictor=predictor)
    assert np.array_equal(ours(stream, grey(12), "1.2.840.10008.1.2.4.57"), values)
    assert np.array_equal(gdcm(stream, grey(12), "1.2.840.10008.1.2.4.57"), values)


@pytest.mark.parametrize(("kind", "bits"), [("JPEG baseline", 8), ("JPEG extended", 12)])
def test_lossy_jpeg_is_that_of_gdcm(kind: str, bits: int) -> None:
    stream = stream_of(pixels(bits), bits, kind)
    found = ours(stream, grey(bits), SYNTAXES[kind])
    assert np.array_equal(found, gdcm(stream, grey(bits), SYNTAXES[kind]))


_MUTANTS = """
import json, sys
from collections import Counter
from pathlib import Path
import numpy as np
from volumetry.errors import VolumetryError
from volumetry.formats.dicom.pixels.codecs import CompressedFrame, FrameFormat, decoded_frames
content, told = Path(sys.argv[1]).read_bytes(), json.loads(sys.argv[2])
frame_format, syntax = FrameFormat(**told["format"]), told["syntax"]
rng, seen = np.random.default_rng(11), Counter()
for number in range(told["count"]):
    changed = bytearray(content)
    if number % 5 == 0:
        changed = changed[: int(rng.integers(2, len(changed)))] + b"\\xff\\xd9"
    for _ in range(int(rng.integers(1, 6))):
        end = len(changed) if rng.random() < 0.6 else min(200, len(changed))
        changed[int(rng.integers(0, end))] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.integers(256)]))
    try:
        (values,) = decoded_frames([CompressedFrame(stream=bytes(changed), path="a")], frame_format, syntax)
        assert values.shape == (61, 64) and values.dtype == frame_format.dtype
        seen["read"] += 1
    except VolumetryError as error:
        seen[error.code] += 1
print(json.dumps(seen))
"""


@pytest.mark.parametrize("kind", SYNTAXES)
def test_damaged_streams_are_refused_or_read_and_end_no_process(kind: str, tmp_path: Path) -> None:
    """In a process of its own, so that one that ends is seen; what decodes has the matrix of the header."""
    bits = 8 if kind == "JPEG baseline" else 12
    frame_format = grey(bits)
    (tmp_path / "stream").write_bytes(stream_of(pixels(bits), bits, kind))
    told: dict[str, Any] = {"syntax": SYNTAXES[kind], "count": 2000 if PROVE else 100}
    told |= {"format": {name: getattr(frame_format, name) for name in FrameFormat.__slots__}}
    done = subprocess.run(
        [sys.executable, "-c", _MUTANTS, str(tmp_path / "stream"), json.dumps(told)],
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert sum(seen.values()) == told["count"]
    assert set(seen) <= {"read", "unreadable", "truncated"}


def test_the_written_streams_of_the_phantoms_decode() -> None:
    values = pixels(16)
    assert np.array_equal(ours(jpeg_lossless_stream(values), grey(16), SYNTAXES["JPEG lossless"]), values)


def test_nothing_but_registration_and_rare_formats_imports_simpleitk() -> None:
    """SimpleITK is 262 MB and takes a third of a second: no DICOM or common mask loads it."""
    program = (
        "import sys\nfrom volumetry.formats.dicom.pixels import codecs, frames\n"
        "from volumetry.formats.dicom import reader\n"
        "from volumetry.formats.voxels import metaimage\n"
        "from volumetry.formats.voxels.nifti import reader, writer\n"
        "from volumetry.formats.voxels.nrrd import reader, writer\n"
        "assert 'SimpleITK' not in sys.modules and 'nibabel' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
    package = Path(sys.modules["volumetry"].__file__ or "").parent
    users = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if 'import_module("SimpleITK' in (text := path.read_text(encoding="utf-8"))
        or "import SimpleITK as" in text
    }
    assert users == {
        "bridges.py",
        "formats/voxels/by_library/itk_images.py",
        "tracing/planes/registration.py",
    }
