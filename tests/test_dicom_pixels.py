"""Pixels: every way in which they are stored gives the same voxels, and nothing claims more than it holds."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dicom_phantoms import stack_geometry, stack_voxels, write_series
from numpy.typing import NDArray
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from volumetry.errors import VolumetryError
from volumetry.formats.dicom.index import read_header
from volumetry.formats.dicom.pixels.codecs import _jpeg_2000_size, _jpeg_size, split_frames
from volumetry.formats.dicom.pixels.frames import classic_frame
from volumetry.formats.dicom.pixels.voxels import read_voxels
from volumetry.formats.dicom.series.volume import read_scan
from volumetry.formats.limits import Limits

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
RLE = "1.2.840.10008.1.2.5"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
GEOMETRY = stack_geometry(n_slices=4, rows=33, columns=35, slice_spacing_mm=4.0)

Change = Callable[[Dataset, int], None]


def written(
    folder: Path, voxels: NDArray[np.generic], syntax: str = EXPLICIT, change: Change | None = None
) -> Path:
    write_series(folder, GEOMETRY, voxels, transfer_syntax=syntax, change=change)
    return folder


def code_of(path: Path) -> str:
    with pytest.raises(VolumetryError) as caught:
        read_scan(path)
    return caught.value.code


@pytest.mark.parametrize(
    "syntax", [IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED, RLE, JPEG_LOSSLESS, JPEG_LS, JPEG_2000]
)
@pytest.mark.parametrize("dtype", ["int16", "uint16", "uint8"])
def test_every_transfer_syntax_gives_the_same_voxels(tmp_path: Path, syntax: str, dtype: str) -> None:
    voxels = stack_voxels(GEOMETRY, dtype)
    if dtype == "int16":
        voxels = (voxels - 1500).astype(dtype)
    if syntax == BIG_ENDIAN and dtype == "uint8":
        pytest.skip("8 bit pixels in big-endian words are a test of their own, below")
    scan = read_scan(written(tmp_path, voxels, syntax))
    assert scan.voxels.dtype == np.dtype(dtype)
    assert scan.voxels.dtype.isnative
    assert np.array_equal(scan.voxels, voxels)
    assert scan.flags == ()


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED])
def test_wide_integers(tmp_path: Path, syntax: str) -> None:
    voxels = stack_voxels(GEOMETRY, "int32") * 100_003 - 5
    assert np.array_equal(read_scan(written(tmp_path / "i", voxels, syntax)).voxels, voxels)
    unsigned = voxels.astype("uint32")
    assert np.array_equal(read_scan(written(tmp_path / "u", unsigned, syntax)).voxels, unsigned)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_float_pixels(tmp_path: Path, dtype: str) -> None:
    voxels = stack_voxels(GEOMETRY, dtype) / 7
    scan = read_scan(written(tmp_path, voxels))
    assert scan.voxels.dtype == np.dtype(dtype)
    assert np.array_equal(scan.voxels, voxels)


def test_bytes_in_words_of_big_endian_files(tmp_path: Path) -> None:
    geometry = stack_geometry(n_slices=4, rows=32, columns=34)
    voxels = stack_voxels(geometry, "uint8")

    def words(ds: Dataset, index: int) -> None:
        ds["PixelData"].VR = "OW"
        ds.PixelData = voxels[index].reshape(-1, 2)[:, ::-1].tobytes()

    write_series(tmp_path / "w", geometry, voxels, transfer_syntax=BIG_ENDIAN, change=words)
    assert np.array_equal(read_scan(tmp_path / "w").voxels, voxels)
    write_series(tmp_path / "b", geometry, voxels, transfer_syntax=BIG_ENDIAN)
    assert np.array_equal(read_scan(tmp_path / "b").voxels, voxels)
    odd = written(tmp_path / "o", stack_voxels(GEOMETRY, "uint8"), BIG_ENDIAN, as_words)
    assert code_of(odd) == "unsupported-format"


def in_ges_syntax(folder: Path) -> Path:
    """Rewrite a series as GE's workstations did: implicit little endian elements, big endian pixels."""
    for file in folder.iterdir():
        ds = dcmread(file)
        words = np.frombuffer(ds.PixelData, f"<u{ds.BitsAllocated // 8}")
        ds.PixelData = words.byteswap().tobytes()
        ds.file_meta.TransferSyntaxUID = UID("1.2.840.113619.5.2")
        dcmwrite(file, ds, implicit_vr=True, little_endian=True)
    return folder


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32"])
def test_ges_private_syntax_is_read(tmp_path: Path, dtype: str) -> None:
    voxels = stack_voxels(GEOMETRY, dtype)
    scan = read_scan(in_ges_syntax(written(tmp_path, voxels)))
    assert np.array_equal(scan.voxels, voxels)
    assert scan.geometry == read_scan(written(tmp_path / "plain", voxels)).geometry


def test_bytes_in_ges_private_syntax_are_refused(tmp_path: Path) -> None:
    assert code_of(in_ges_syntax(written(tmp_path, stack_voxels(GEOMETRY, "uint8")))) == "unsupported-codec"


def as_words(ds: Dataset, index: int) -> None:
    ds["PixelData"].VR = "OW"


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("high", [11, 13, 15])
def test_bits_that_do_not_count_are_cleared(tmp_path: Path, signed: bool, high: int) -> None:
    values = np.arange(GEOMETRY.rows * GEOMETRY.columns * 4).reshape(4, GEOMETRY.rows, GEOMETRY.columns)
    wanted = values % 4096 - (2048 if signed else 0)
    shift = high - 11
    noise = 0xFFFF & ~(0xFFF << shift)  # overlays in the unused bits
    stored = (((wanted & 0xFFF) << shift) | noise).astype("uint16")

    def change(ds: Dataset, index: int) -> None:
        ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 12, high, int(signed)

    scan = read_scan(written(tmp_path, stored, change=change))
    assert scan.voxels.dtype == ("int16" if signed else "uint16")
    assert np.array_equal(scan.voxels, wanted)


@pytest.mark.parametrize(
    ("bits", "slope", "intercept", "dtype"),
    [
        (16, "1", "0", "uint16"),
        (12, "1", "-1024", "int16"),
        (16, "1", "-1024", "int32"),
        (12, "1", "100", "uint16"),
        (16, "1.5", "3", "float32"),
        (16, "1", "0.5", "float32"),
    ],
)
def test_rescale_keeps_integers_where_it_can(
    tmp_path: Path, bits: int, slope: str, intercept: str, dtype: str
) -> None:
    def change(ds: Dataset, index: int) -> None:
        ds.RescaleSlope, ds.RescaleIntercept = slope, intercept
        ds.BitsStored, ds.HighBit = bits, bits - 1

    voxels = stack_voxels(GEOMETRY, "uint16")
    for syntax in (EXPLICIT, RLE):
        scan = read_scan(written(tmp_path / syntax, voxels, syntax, change))
        assert scan.voxels.dtype == np.dtype(dtype)
        expected = voxels.astype(float) * float(slope) + float(intercept)
        np.testing.assert_allclose(scan.voxels, expected, rtol=1e-6)


def test_every_slice_has_its_own_rescale(tmp_path: Path) -> None:
    def change(ds: Dataset, index: int) -> None:
        ds.RescaleSlope, ds.RescaleIntercept = str(index + 0.25), str(index)

    voxels = stack_voxels(GEOMETRY, "uint16")
    scan = read_scan(written(tmp_path, voxels, change=change))
    expected = [voxels[i] * (i + 0.25) + i for i in range(4)]
    np.testing.assert_allclose(scan.voxels, expected, rtol=1e-6)


def test_wide_integers_with_a_slope_are_double(tmp_path: Path) -> None:
    voxels = stack_voxels(GEOMETRY, "int32") * 100_003
    scan = read_scan(written(tmp_path, voxels, change=lambda ds, i: setattr(ds, "RescaleSlope", "0.5")))
    assert scan.voxels.dtype == np.float64
    assert np.array_equal(scan.voxels, voxels * 0.5)


@pytest.mark.parametrize("slope", ["0", "NaN"])
def test_a_rescale_that_is_none_is_refused(tmp_path: Path, slope: str) -> None:
    def change(ds: Dataset, index: int) -> None:
        ds.add_new("RescaleSlope", "LO", slope)

    assert code_of(written(tmp_path, stack_voxels(GEOMETRY), change=change)) == "unreadable"


@pytest.mark.parametrize(
    ("allocated", "stored", "high", "code"),
    [(16, 17, 16, "unreadable"), (16, 12, 16, "unreadable"), (12, 12, 11, "unsupported-format")],
)
def test_bits_that_contradict_each_other(
    tmp_path: Path, allocated: int, stored: int, high: int, code: str
) -> None:
    def change(ds: Dataset, index: int) -> None:
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = allocated, stored, high

    assert code_of(written(tmp_path, stack_voxels(GEOMETRY), change=change)) == code


def test_fewer_pixels_than_declared_is_truncated(tmp_path: Path) -> None:
    def change(ds: Dataset, index: int) -> None:
        ds.PixelData = ds.PixelData[:-2]

    assert code_of(written(tmp_path, stack_voxels(GEOMETRY), change=change)) == "truncated"


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    (path, *_) = sorted(written(tmp_path, stack_voxels(GEOMETRY)).iterdir())
    header = read_header(path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(VolumetryError, match="changed"):
        read_voxels([classic_frame(header)])


# -- compressed ----------------------------------------------------------------------------------------------


def damaged(path: Path, change: Callable[[Dataset], None]) -> Path:
    ds = dcmread(path)
    change(ds)
    dcmwrite(path, ds, implicit_vr=False, little_endian=True, force_encoding=True)
    return path


def test_a_matrix_that_the_code_stream_does_not_have_is_refused(tmp_path: Path) -> None:
    for syntax in (JPEG_LS, JPEG_2000):
        folder = written(tmp_path / syntax, stack_voxels(GEOMETRY), syntax)
        for path in folder.iterdir():
            damaged(path, lambda ds: setattr(ds, "Rows", 20))
        assert code_of(folder) == "unreadable"


@pytest.mark.parametrize("syntax", [RLE, JPEG_LOSSLESS, JPEG_LS, JPEG_2000])
def test_a_compressed_image_that_declares_gigabytes_is_refused(tmp_path: Path, syntax: str) -> None:
    folder = written(tmp_path, stack_voxels(GEOMETRY), syntax)
    for path in folder.iterdir():

        def huge(ds: Dataset) -> None:
            ds.Rows = ds.Columns = 65_000

        damaged(path, huge)
    assert code_of(folder) == "too-large"


def test_limits_are_those_that_are_given(tmp_path: Path) -> None:
    (path, *_) = written(tmp_path, stack_voxels(GEOMETRY), RLE).iterdir()
    with pytest.raises(VolumetryError) as caught:
        read_voxels([classic_frame(read_header(path))], limits=Limits(max_bytes=100))
    assert caught.value.code == "too-large"


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.112"])
def test_a_codec_without_decoder_is_named(tmp_path: Path, syntax: str) -> None:
    folder = written(tmp_path, stack_voxels(GEOMETRY), RLE)
    for path in folder.iterdir():
        damaged(path, lambda ds: setattr(ds.file_meta, "TransferSyntaxUID", syntax))
    assert code_of(folder) == "unsupported-codec"


@pytest.mark.parametrize("syntax", [RLE, JPEG_LOSSLESS, JPEG_LS, JPEG_2000])
def test_damaged_code_streams_are_refused(tmp_path: Path, syntax: str) -> None:
    folder = written(tmp_path, stack_voxels(GEOMETRY), syntax)

    def cut(ds: Dataset) -> None:
        stream = split_frames(ds.PixelData, 1, "")[0]
        ds.PixelData = encapsulate([stream[: len(stream) // 3]])

    for path in folder.iterdir():
        damaged(path, cut)
    assert code_of(folder) in ("unreadable", "truncated")


def test_items_without_frames_are_refused() -> None:
    for value in (b"", b"\xfe\xff\x00\xe0", struct.pack("<HHI", 0xFFFE, 0xE000, 0)):
        with pytest.raises(VolumetryError):
            split_frames(value, 1, "file")


def test_sizes_of_code_streams() -> None:
    start = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc3\x00\x0b\x10\x00\x21\x00\x23\x01\x01\x11\x00"
    assert _jpeg_size(start) == (33, 35, 1)
    assert _jpeg_size(b"\xff\xd8\xff\xda\x00\x02") is None
    assert _jpeg_size(b"no image") is None
    assert _jpeg_2000_size(b"no image") is None


def test_deflated_frames_never_inflate_beyond_their_size(tmp_path: Path) -> None:
    import zlib

    voxels = stack_voxels(GEOMETRY)
    folder = written(tmp_path, voxels, RLE)
    for index, path in enumerate(sorted(folder.iterdir())):
        compress = zlib.compressobj(wbits=-15)
        stream = compress.compress(voxels[index].tobytes() + bytes(10_000_000)) + compress.flush()

        def deflate(ds: Dataset, stream: bytes = stream) -> None:
            ds.PixelData = encapsulate([stream])
            ds.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.8.1")

        damaged(path, deflate)
    assert np.array_equal(read_scan(folder).voxels, voxels)


# -- hostile -------------------------------------------------------------------------------------------------


def mutants(original: bytes, count: int, seed: int) -> list[bytes]:
    """Bytes flipped, cut, doubled and overwritten, mostly in the header."""
    generator = random.Random(seed)
    found = []
    for _ in range(count):
        data = bytearray(original)
        for _ in range(generator.choice((1, 1, 2, 5))):
            place = generator.randrange(min(len(data), generator.choice((700, 1400, len(data)))))
            kind = generator.randrange(5)
            if kind == 0:
                data[place] = generator.randrange(256)
            elif kind == 1:
                data[place] ^= 1 << generator.randrange(8)
            elif kind == 2:
                data[place : place + 4] = generator.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x7f"))
            elif kind == 3:
                del data[place : place + generator.randrange(1, 40)]
            else:
                data[place:place] = data[place : place + generator.randrange(1, 40)]
        found.append(bytes(data))
    return found


def outcome(path: Path) -> str:
    try:
        return read_scan(path).source.format
    except VolumetryError as error:
        return error.code


@pytest.mark.parametrize("syntax", [EXPLICIT, RLE, JPEG_LOSSLESS, JPEG_LS, JPEG_2000, DEFLATED])
def test_mutants_are_scans_or_errors_with_a_code(tmp_path: Path, syntax: str) -> None:
    folder = written(tmp_path, stack_voxels(GEOMETRY), syntax)
    path = folder / "IM0001.dcm"
    outcomes = {}
    for number, mutant in enumerate(mutants(path.read_bytes(), 60, seed=11)):
        path.write_bytes(mutant)
        outcomes[number] = outcome(folder)
    assert len(outcomes) == 60
    assert len(set(outcomes.values())) > 2
