from __future__ import annotations

import bz2
import gzip
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volumetry.errors import ReadError
from volumetry.formats.voxels.streams import ByteStream, Encoding, MemoryStream, goes_on, open_stream, skip

PACK: dict[Encoding, Any] = {
    "raw": bytes,
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "bzip2": bz2.compress,
}


def content(n_bytes: int = 300_000) -> bytes:
    """Blank stretches between stretches that do not compress."""
    data = np.random.default_rng(3).integers(0, 256, n_bytes, dtype=np.uint8)
    data[n_bytes // 4 : n_bytes // 2] = 0
    return data.tobytes()


def pieces(stream: ByteStream, size: int) -> bytes:
    parts = []
    while part := stream.read(size):
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("size", [1000, 4096, 70_000, 1 << 20])
def test_what_was_written_is_read(tmp_path: Path, encoding: Encoding, size: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"header" + PACK[encoding](content()))
    with open_stream(path, encoding, offset=6) as (stream, on_disk_bytes):
        assert pieces(stream, size) == content()
        assert on_disk_bytes == path.stat().st_size - 6
        assert stream.read(1) == b""


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("size", [1000, 25_000])
def test_blank_stretches_are_told_and_checked(tmp_path: Path, encoding: Encoding, size: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(PACK[encoding](content()))
    blank = bytes(size)
    with open_stream(path, encoding) as (stream, _):
        parts = [stream.read_unless(blank) for _ in range(300_000 // size)]
        assert b"".join(blank if part is None else part for part in parts) == content()
        assert parts.count(None) == 75_000 // size
        assert not goes_on(stream)


def test_bytes_in_memory() -> None:
    stream = MemoryStream(b"abc" + bytes(4) + b"d")
    assert (stream.read(3), stream.read_unless(bytes(4)), stream.read_unless(bytes(4))) == (
        b"abc",
        None,
        b"d",
    )
    assert not goes_on(stream)


@pytest.mark.parametrize("encoding", ["gzip", "bzip2"])
def test_members_follow_one_another(tmp_path: Path, encoding: Encoding) -> None:
    path = tmp_path / "a"
    pack = PACK[encoding]
    whole = content()
    path.write_bytes(pack(whole[:100_001]) + pack(b"") + pack(whole[100_001:]) + bytes(5000))
    with open_stream(path, encoding) as (stream, _):
        assert pieces(stream, 65_536) == whole
        assert not goes_on(stream)


@pytest.mark.parametrize("encoding", ["gzip", "zlib", "bzip2"])
@pytest.mark.parametrize("rest", [b"x", b"\0\0\x1f", b"junk" * 1000, bytes(3 << 20)])
def test_what_is_no_member_goes_on(tmp_path: Path, encoding: Encoding, rest: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(PACK[encoding](content()) + rest)
    with open_stream(path, encoding) as (stream, _):
        assert len(pieces(stream, 100_000)) == 300_000
        assert goes_on(stream)


def test_all_parts_of_a_gzip_header(tmp_path: Path) -> None:
    body = gzip.compress(b"voxels", mtime=0)
    header = body[:3] + bytes([4 | 8 | 16 | 2]) + body[4:10]
    optional = b"\x03\0abc" + b"name.nii\0" + b"a comment\0" + b"\0\0"
    path = tmp_path / "a.gz"
    path.write_bytes(header + optional + body[10:])
    with open_stream(path, "gzip") as (stream, _):
        assert stream.read(100) == b"voxels"
    path.write_bytes(body[:3] + b"\xe0" + body[4:])
    with pytest.raises(ReadError, match="unreadable"), open_stream(path, "gzip"):
        pass


@given(
    sizes=st.lists(st.integers(0, 5000), min_size=1, max_size=6),
    blank=st.integers(1, 4000),
    level=st.integers(0, 9),
)
def test_checksums_of_blank_parts_combine(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], blank: int, level: int
) -> None:
    data = b"".join(bytes([n % 2]) * size for n, size in enumerate(sizes))
    path = tmp_path_factory.getbasetemp() / "combined.gz"
    path.write_bytes(gzip.compress(data, level))
    with open_stream(path, "gzip") as (stream, _):
        found = b""
        while (part := stream.read_unless(bytes(blank))) != b"":
            found += bytes(blank) if part is None else part
        assert found == data


@pytest.mark.parametrize("encoding", ["gzip", "zlib", "bzip2"])
def test_cut_and_damaged(tmp_path: Path, encoding: Encoding) -> None:
    path = tmp_path / "a"
    whole = PACK[encoding](content(20_000))
    for n in range(1, 60):
        path.write_bytes(whole[: len(whole) * n // 60])
        with pytest.raises(ReadError) as caught, open_stream(path, encoding) as (stream, _):
            pieces(stream, 4096)
        assert caught.value.code == "truncated"
    for n in range(20, len(whole) - 1, len(whole) // 60):
        path.write_bytes(whole[:n] + bytes([whole[n] ^ 0x55]) + whole[n + 1 :])
        with pytest.raises(ReadError) as caught, open_stream(path, encoding) as (stream, _):
            pieces(stream, 4096)
        assert caught.value.code in ("unreadable", "truncated")


def test_skipping(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(400_000) + b"x")
    with open_stream(path) as (stream, _):
        assert skip(stream, 400_000) == 400_000
        assert stream.read(5) == b"x"
        assert skip(stream, 10) == 0


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name, follow, expected in (
        ("none", True, "not-found"),
        ("pipe", True, "unsupported-format"),
        ("link", False, "unreadable"),
        ("", True, "unsupported-format"),
    ):
        with pytest.raises(ReadError) as caught, open_stream(tmp_path / name, follow_link=follow):
            pass
        assert caught.value.code == expected


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("times", [1, 3, 7])
def test_stretches_of_blanks_are_told_and_checked(tmp_path: Path, encoding: Encoding, times: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(PACK[encoding](content()))
    blank = bytes(2500)
    with open_stream(path, encoding) as (stream, _):
        parts = []
        while sum(map(len, parts)) < 300_000:
            part = stream.read_unless(blank, times)
            parts.append(blank * times if part is None else part)
        assert b"".join(parts) == content()
        assert sum(not any(part) for part in parts) >= 75_000 // (2500 * times) - 1
        assert not goes_on(stream)
