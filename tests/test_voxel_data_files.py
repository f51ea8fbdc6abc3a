"""Voxels in several files beside one header, and the rarer ways in which NRRD says where its data begin."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from test_nrrd import EXPECTED, code, nrrd_bytes, volumes
from voxel_phantoms import lesion

import volumetry as vm
from volumetry.formats.recognise import files_of

SLICES = [voxels.tobytes(order="F") for voxels in np.moveaxis(lesion(), 2, 0)]
META = (
    "ObjectType = Image\nNDims = 3\nDimSize = 12 10 9\nElementType = MET_UCHAR\n"
    "ElementSpacing = 0.7 0.9 3.3\nElementDataFile = "
)


def parts(
    folder: Path, name: str = "s%02d.raw", first: int = 1, step: int = 1, pack: Any = bytes
) -> list[str]:
    """Write a file for every slice; return their names in the order of the slices."""
    names = [name % (first + step * index) for index in range(9)]
    for one, content in zip(names, SLICES, strict=True):
        (folder / one).write_bytes(pack(content))
    return names


def by_simpleitk(path: Path) -> np.ndarray:
    return np.asarray(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))))


@pytest.mark.parametrize("words", ["LIST", "LIST 2D", "list"])
def test_metaimage_lists_a_file_for_every_slice(tmp_path: Path, words: str) -> None:
    names = parts(tmp_path)
    path = tmp_path / "a.mhd"
    path.write_text(META + words + "\n" + "\n".join(names) + "\n")
    assert volumes(path) == EXPECTED
    if words.isupper():
        assert np.array_equal(vm.read_scan(path).voxels, by_simpleitk(path))
    assert files_of(path) == (path, *(tmp_path / name for name in names))


@pytest.mark.parametrize(("first", "step"), [(0, 1), (1, 1), (5, 5)])
def test_metaimage_numbers_its_files(tmp_path: Path, first: int, step: int) -> None:
    names = parts(tmp_path, "slice %03d.raw".replace(" ", ""), first, step)
    path = tmp_path / "a.mhd"
    path.write_text(META + f"slice%03d.raw {first} {first + 8 * step} {step}\n")
    assert volumes(path) == EXPECTED
    assert np.array_equal(vm.read_scan(path).voxels, by_simpleitk(path))
    assert set(files_of(path)) == {path, *(tmp_path / name for name in names)}


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
@pytest.mark.parametrize("said", ["LIST", "LIST 2", "s%02d.raw 1 9 1", "s%02d.raw 1 9 1 2"])
def test_nrrd_names_a_file_for_every_slice(tmp_path: Path, said: str, encoding: str) -> None:
    names = parts(tmp_path, pack=gzip.compress if encoding == "gzip" else bytes)
    content = nrrd_bytes(data=b"", encoding=encoding).decode().removesuffix("\n")
    path = tmp_path / "a.nhdr"
    path.write_text(content + f"data file: {said}\n" + ("\n".join(names) if "LIST" in said else ""))
    assert volumes(path) == EXPECTED
    assert np.array_equal(vm.read_mask(path).layers[0], lesion().T)
    assert set(files_of(path)) == {path, *(tmp_path / name for name in names)}


def test_nrrd_counts_its_files_down_and_reads_slabs(tmp_path: Path) -> None:
    parts(tmp_path, "s%d.raw", 9, -1)
    path = tmp_path / "a.nhdr"
    path.write_bytes(nrrd_bytes(data=b"", encoding="raw", data_file="s%d.raw 9 1 -1"))
    assert volumes(path) == EXPECTED
    for number in range(3):
        (tmp_path / f"slab{number}.raw").write_bytes(b"".join(SLICES[3 * number : 3 * number + 3]))
    path.write_bytes(nrrd_bytes(data=b"", encoding="raw", data_file="slab%d.raw 0 2 1 3"))
    assert volumes(path) == EXPECTED


@pytest.mark.parametrize("said", ["LIST", "s%02d.raw 1 9 1"])
def test_what_is_wrong_with_one_of_several_files_is_said_of_it(tmp_path: Path, said: str) -> None:
    names = parts(tmp_path)
    path = tmp_path / "a.mhd"
    listed = "\n".join(names) if said == "LIST" else ""
    path.write_text(META + said + "\n" + listed)
    whole = (tmp_path / names[4]).read_bytes()
    (tmp_path / names[4]).write_bytes(whole[:-1])
    assert code(path) == "truncated"
    (tmp_path / names[4]).write_bytes(whole + b"x")
    assert vm.read_mask(path).flags == ("orientation-unknown", "trailing-data")
    (tmp_path / names[4]).unlink()
    with pytest.raises(vm.VolumetryError, match=names[4]) as caught:
        vm.read_mask(path)
    assert caught.value.code == "not-found"
    (tmp_path / names[4]).symlink_to(tmp_path / names[5])
    assert code(path) == "unreadable"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("LIST\ns01.raw", "header-conflict"),
        ("LIST 3D\ns01.raw\ns02.raw", "header-conflict"),
        ("LIST 9\ns01.raw", "header-conflict"),
        ("s%02d.raw 1 8 1", "header-conflict"),
        ("s%02d.raw 1 9 0", "unsupported-format"),
        ("s%02d.raw 9 1 1", "unsupported-format"),
        ("s%02d.raw 1 999999999 1", "unsupported-format"),
        ("LIST\n../s01.raw", "unsupported-format"),
        ("s%02d%02d.raw 1 9 1", "unsupported-format"),
    ],
)
def test_lists_that_do_not_fit(tmp_path: Path, said: str, expected: str) -> None:
    parts(tmp_path)
    (tmp_path / "a.mhd").write_text(META + said + "\n")
    assert code(tmp_path / "a.mhd") == expected


def test_nrrd_in_hexadecimal_digits(tmp_path: Path) -> None:
    digits = b"".join(SLICES).hex().encode()
    spread = b"\n".join(digits[at : at + 60] for at in range(0, len(digits), 60))
    path = tmp_path / "a.nrrd"
    path.write_bytes(nrrd_bytes(encoding="hex", data=spread + b"\n"))
    assert volumes(path) == EXPECTED


@pytest.mark.parametrize("encoding", ["raw", "gzip", "ascii"])
def test_lines_before_the_data_are_skipped(tmp_path: Path, encoding: str) -> None:
    data = b"".join(SLICES)
    packed = {"raw": data, "gzip": gzip.compress(data), "ascii": " ".join(map(str, data)).encode()}[encoding]
    path = tmp_path / "a.nrrd"
    path.write_bytes(nrrd_bytes(encoding=encoding, line_skip="2", data=b"a\nb c\n" + packed))
    assert volumes(path) == EXPECTED
    path.write_bytes(nrrd_bytes(encoding=encoding, line_skip="9", data=b"a\nb c\n"))
    assert code(path) == "truncated"


@pytest.mark.parametrize(("kind", "ends"), [("cell", (8.4, 9.0, 29.7)), ("node", (7.7, 8.1, 26.4))])
def test_nrrd_whose_axes_state_their_ends(tmp_path: Path, kind: str, ends: tuple[float, ...]) -> None:
    def put(**fields: str | None) -> Path:
        plain = {"space": None, "space_directions": None, "space_origin": None, "encoding": "raw"}
        (tmp_path / "a.nrrd").write_bytes(nrrd_bytes(**plain | fields))
        return tmp_path / "a.nrrd"

    said = {"axis_mins": "0 0 0", "axis_maxs": " ".join(map(str, ends))}
    path = put(**said, centerings=f"{kind} {kind} {kind}")
    assert volumes(path) == pytest.approx(EXPECTED)
    first = np.array((0.7, 0.9, 3.3)) / 2 * (kind == "cell")
    mask = vm.read_mask(path)
    assert mask.geometry.pixel_to_patient(0, [(0, 0)])[0][2] == pytest.approx(first[2])
    assert "orientation-unknown" in mask.flags
    assert code(put(**said)) == "bad-spacing"
    assert code(put(**said, centerings=f"{kind} {kind} {kind}", spacings="0.7 0.9 3")) == "header-conflict"
    assert volumes(put(**said, centerings=f"{kind} {kind} {kind}", spacings="0.7 0.9 3.3")) == EXPECTED
