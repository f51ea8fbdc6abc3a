from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from voxel_phantoms import COUNTS, VOXEL_MM3, cuts, lesion, mutants

import volumetry as vm
from volumetry.errors import VolumetryError

EXPECTED = {label: pytest.approx(count * VOXEL_MM3, rel=1e-12) for label, count in COUNTS.items()}


def image_of(voxels: Any, direction: Any = None) -> Any:
    image: Any = SimpleITK.GetImageFromArray(voxels.T)
    image.SetSpacing((0.7, 0.9, 3.3))
    image.SetOrigin((10, -20, 30))
    if direction is not None:
        image.SetDirection(np.asarray(direction, dtype=float).ravel().tolist())
    return image


def written(path: Path, voxels: Any = None, *, packed: bool = False, direction: Any = None) -> Path:
    SimpleITK.WriteImage(image_of(lesion() if voxels is None else voxels, direction), str(path), packed)
    return path


def volumes(path: Path, **options: Any) -> dict[int | None, float]:
    return {
        s.label: vm.measure_volume(s).volume_spacing_mm3 or 0.0 for s in vm.read_sections(path, **options)
    }


def code(path: Path) -> str:
    with pytest.raises(VolumetryError) as caught:
        vm.read_sections(path)
    assert path.parent.name in str(caught.value)
    return caught.value.code


@pytest.mark.parametrize("name", ["a.mha", "a.mhd"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_what_simpleitk_writes(tmp_path: Path, name: str, packed: bool, dtype: str) -> None:
    path = written(tmp_path / name, lesion(dtype), packed=packed)
    assert volumes(path) == EXPECTED
    mask = vm.read_mask(path)
    np.testing.assert_array_equal(mask.layers[0], lesion().T)
    assert mask.flags == ()
    np.testing.assert_allclose(mask.geometry.slice_origins_mm[0], (10, -20, 30))


@given(axis=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: np.linalg.norm(v) > 0.1), flip=st.booleans())
def test_positions_are_those_of_simpleitk(
    tmp_path_factory: pytest.TempPathFactory, axis: Any, flip: bool
) -> None:
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn = np.eye(3) + np.sin(1) * cross + (1 - np.cos(1)) * cross @ cross
    direction = turn @ np.diag([1, 1, -1 if flip else 1])
    path = written(tmp_path_factory.getbasetemp() / "turned.mha", direction=direction)
    image: Any = SimpleITK.ReadImage(str(path))
    geometry = vm.read_mask(path).geometry
    for index in (0, 8):
        k = 8 - index if flip else index
        point = geometry.pixel_to_patient(index, [(3, 5)])[0]
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((5, 3, k)), point, atol=1e-6)
    assert volumes(path) == {n: pytest.approx(c * VOXEL_MM3, rel=1e-9) for n, c in COUNTS.items()}


def header(**changes: str | None) -> str:
    fields: dict[str, str | None] = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
        "TransformMatrix": "1 0 0 0 1 0 0 0 1",
        "Offset": "10 -20 30",
        "ElementSpacing": "0.7 0.9 3.3",
        "DimSize": "12 10 9",
        "ElementType": "MET_UCHAR",
        **changes,
        "ElementDataFile": changes.get("ElementDataFile", "LOCAL"),
    }
    return "".join(f"{name} = {value}\n" for name, value in fields.items() if value is not None)


def put(path: Path, text: str, data: bytes | None = None) -> Path:
    path.write_bytes(text.encode() + (lesion().tobytes(order="F") if data is None else data))
    return path


def test_byte_order_and_text(tmp_path: Path) -> None:
    big = lesion(">i2").tobytes(order="F")
    changes = {"ElementType": "MET_SHORT", "BinaryDataByteOrderMSB": "True"}
    assert volumes(put(tmp_path / "a.mha", header(**changes), big)) == EXPECTED
    text = " ".join(map(str, lesion().ravel(order="F"))).encode()
    assert volumes(put(tmp_path / "b.mha", header(BinaryData="False"), text)) == EXPECTED


def test_without_a_matrix_the_orientation_is_unknown(tmp_path: Path) -> None:
    path = put(tmp_path / "a.mha", header(TransformMatrix=None))
    assert volumes(path) == EXPECTED
    assert vm.read_mask(path).flags == ("orientation-unknown",)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"NDims": "4"}, "unreadable"),
        ({"DimSize": "12 x 9"}, "unreadable"),
        ({"DimSize": "12 0 9"}, "unreadable"),
        ({"NDims": "2", "DimSize": "12 90"}, "not-3d"),
        ({"ElementNumberOfChannels": "3"}, "not-3d"),
        ({"ElementType": "MET_STRING"}, "unsupported-format"),
        ({"HeaderSize": "100"}, "unsupported-format"),
        ({"ElementDataFile": "../a.raw"}, "unsupported-format"),
        ({"ElementDataFile": "LIST"}, "unsupported-format"),
        ({"ElementDataFile": "none.raw"}, "not-found"),
        ({"ElementSpacing": None}, "bad-spacing"),
        ({"ElementSpacing": "0.7 0 3.3"}, "bad-spacing"),
        ({"ElementSpacing": "0.7 nan 3.3"}, "bad-spacing"),
        ({"TransformMatrix": "1 0 0 1 0 0 0 0 1"}, "header-conflict"),
        ({"TransformMatrix": "1 0 0"}, "unreadable"),
        ({"Offset": "1 2 ?"}, "unreadable"),
        ({"DimSize": "30000 30000 30000"}, "too-large"),
        ({"DimSize": "3000 300 300", "CompressedData": "True"}, "too-large"),
        ({"CompressedData": "True"}, "unreadable"),
        ({"DimSize": "12 10 10"}, "truncated"),
    ],
)
def test_damaged_headers(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    assert code(put(tmp_path / "a.mha", header(**changes))) == expected


def test_data_beyond_the_end_are_flagged(tmp_path: Path) -> None:
    path = put(tmp_path / "a.mha", header(), lesion().tobytes(order="F") + b"more")
    assert volumes(path) == EXPECTED
    assert vm.read_mask(path).flags == ("trailing-data",)


@pytest.mark.parametrize("packed", [False, True])
def test_a_cut_file_is_truncated(tmp_path: Path, packed: bool) -> None:
    content = written(tmp_path / "a.mha", packed=packed).read_bytes()
    for cut in cuts(content):
        path = tmp_path / "cut.mha"
        path.write_bytes(cut)
        assert code(path) in ("truncated", "unreadable", "not-found")  # a cut name is another name
    start = content.index(b"LOCAL\n") + 6
    path.write_bytes(content[: start + 20])
    assert code(path) == "truncated"


def test_mutants_are_read_or_refused_by_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    codes = set()
    content = written(tmp_path / "a.mha", lesion(np.int16), packed=True).read_bytes()
    for mutant in mutants(content, 300, seed=6):
        path = tmp_path / "b.mha"
        path.write_bytes(mutant)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                for sections in vm.read_sections(path):
                    vm.measure_volume(sections)
            codes.add("")
        except VolumetryError as error:
            codes.add(error.code)
    assert len(codes) > 3
    assert capfd.readouterr() == ("", "")


def test_a_scan_in_metaimage(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mha", lesion(np.int16))
    scan = vm.read_scan(path)
    np.testing.assert_array_equal(scan.voxels, lesion().T)
    assert scan.source.format == "metaimage"
    assert volumes(written(tmp_path / "b.mha"), scan=path) == EXPECTED
