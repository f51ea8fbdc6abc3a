"""Voxel files as programs of many kinds write them: one answer where there is one, else a true refusal."""

from __future__ import annotations

import bz2
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from voxel_phantoms import VOXEL_MM3, lesion

import volumetry as vm

VOXELS = lesion().tobytes(order="F")
RIGHT = 62 * VOXEL_MM3
NRRD = {
    "type": "uchar",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "12 10 9",
    "space directions": "(0.7,0,0) (0,0.9,0) (0,0,3.3)",
    "encoding": "raw",
    "space origin": "(0,0,0)",
}
META = {
    "ObjectType": "Image",
    "NDims": "3",
    "DimSize": "12 10 9",
    "ElementSpacing": "0.7 0.9 3.3",
    "Offset": "0 0 0",
    "TransformMatrix": "1 0 0 0 1 0 0 0 1",
    "ElementType": "MET_UCHAR",
}


def nrrd(path: Path, data: bytes = VOXELS, *, leave_out: tuple[str, ...] = (), **changes: str) -> Path:
    fields = NRRD | {name.replace("_", " "): value for name, value in changes.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if name not in leave_out]
    path.write_bytes(("NRRD0005\n" + "\n".join(lines) + "\n\n").encode() + data)
    return path


def meta(path: Path, data: bytes = VOXELS, *, file: str = "LOCAL", **changes: str) -> Path:
    lines = [f"{name} = {value}" for name, value in (META | changes).items()]
    path.write_bytes("\n".join([*lines, f"ElementDataFile = {file}\n"]).encode() + data)
    return path


def measured(path: Path) -> Any:
    return vm.measure_volume(vm.read_sections(path, label=1)[0], rule=vm.MeasurementRule(height="spacing"))


def flags(path: Path) -> set[str]:
    return set(measured(path).flags) - {"thickness-unknown"}


def refused(path: Path) -> vm.VolumetryError:
    with pytest.raises(vm.VolumetryError) as caught:
        vm.read_sections(path)
    assert str(path.parent) in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("cm", 0.1), ("um", 1e3), ("microns", 1e3), ("Millimeters", 1.0), ("m", 1e-3), ("", 1.0)],
)
def test_units_of_nrrd_with_directions_and_with_spacings(tmp_path: Path, unit: str, factor: float) -> None:
    a, b, c = (f"{size * factor:.9g}" for size in (0.7, 0.9, 3.3))
    named = " ".join([f'"{unit}"'] * 3)
    there = nrrd(tmp_path / "a.nrrd", space_directions=f"({a},0,0) (0,{b},0) (0,0,{c})", space_units=named)
    assert measured(there).volume_mm3 == pytest.approx(RIGHT, rel=1e-9)
    alone = nrrd(
        tmp_path / "b.nrrd",
        leave_out=("space", "space directions", "space origin"),
        spacings=f"{a} {b} {c}",
        units=named,
    )
    assert measured(alone).volume_mm3 == pytest.approx(RIGHT, rel=1e-9)
    assert flags(alone) == {"orientation-unknown"}


def test_units_that_nobody_knows_are_flagged(tmp_path: Path) -> None:
    for named in ('"mm" "mm" "cm"', '"furlong" "furlong" "furlong"'):
        assert flags(nrrd(tmp_path / "a.nrrd", space_units=named)) == {"units-unknown"}


@pytest.mark.parametrize("n_axes", [4, 5])
def test_metaimage_of_one_volume_in_more_dimensions(tmp_path: Path, n_axes: int) -> None:
    more = " 1" * (n_axes - 3)
    turned = np.eye(n_axes)
    turned[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    changes = {
        "NDims": str(n_axes),
        "DimSize": f"12 10 9{more}",
        "ElementSpacing": f"0.7 0.9 3.3{more}",
        "Offset": f"5 6 7{more}",
        "TransformMatrix": " ".join(map(str, turned.ravel())),
    }
    path = meta(tmp_path / "a.mha", **changes)
    assert measured(path).volume_mm3 == pytest.approx(RIGHT, rel=1e-9)
    assert vm.read_mask(path).geometry.row_direction.tolist() == [0, -1, 0]
    two = meta(tmp_path / "b.mha", VOXELS * 2, **(changes | {"DimSize": f"12 10 9 2{more[2:]}"}))
    assert refused(two).code == "not-3d"
    short = meta(tmp_path / "c.mha", **(changes | {"TransformMatrix": "1 0 0 0 1 0 0 0 1"}))
    assert refused(short).code == "unreadable"


@pytest.mark.parametrize(("before", "said"), [(b"HEAD", "4"), (b"HEAD", "-1"), (b"", "0"), (b"", "-1")])
def test_metaimage_whose_data_begin_later(tmp_path: Path, before: bytes, said: str) -> None:
    (tmp_path / "d.raw").write_bytes(before + VOXELS)
    path = meta(tmp_path / "a.mhd", b"", file="d.raw", HeaderSize=said)
    assert measured(path).volume_mm3 == pytest.approx(RIGHT, rel=1e-9)
    assert flags(path) == set()
    late = meta(tmp_path / "b.mhd", b"", file="d.raw", HeaderSize="5")
    assert refused(late).code == "truncated"
    assert refused(meta(tmp_path / "c.mhd", b"", file="d.raw", HeaderSize="-2")).code == "unsupported-format"


@pytest.mark.parametrize("name", ["v.raw", "./v.raw", "my v.raw"])
def test_data_beside_a_header_however_it_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name.removeprefix("./")).write_bytes(VOXELS)
    paths = (
        meta(tmp_path / "a.mhd", b"", file=name),
        nrrd(tmp_path / "a.nhdr", b"", data_file=name),
    )
    from volumetry.formats.recognise import files_of

    for path in paths:
        assert measured(path).volume_mm3 == pytest.approx(RIGHT, rel=1e-9)
        assert tmp_path / name.removeprefix("./") in files_of(path)


@pytest.mark.parametrize("name", ["../v.raw", "sub/v.raw", "v%03s.raw 1 9 1", "s/v%03d.raw 1 9 1"])
def test_data_elsewhere_are_refused_by_name(tmp_path: Path, name: str) -> None:
    for path in (
        meta(tmp_path / "a.mhd", b"", file=name),
        nrrd(tmp_path / "a.nhdr", b"", data_file=name),
    ):
        error = refused(path)
        assert error.code == "unsupported-format"
        assert name.split("%")[0].strip() in str(error)


@pytest.mark.parametrize(
    ("suffix", "pack", "kind"),
    [
        (".bz2", bz2.compress, "bzip2"),
        (".xz", lzma.compress, "xz"),
        (".zst", lambda b: b"\x28\xb5\x2f\xfd" + b, "zstd"),
    ],
)
def test_files_packed_in_ways_that_are_not_read_are_called_by_their_name(
    tmp_path: Path, suffix: str, pack: Any, kind: str
) -> None:
    path = tmp_path / f"a.nii{suffix}"
    path.write_bytes(pack(VOXELS))
    error = refused(path)
    assert error.code == "unsupported-format"
    assert kind in str(error)
    assert "Unpack" in error.todo


@pytest.mark.parametrize("suffix", [".gipl", ".vtk"])
def test_a_mask_that_does_not_say_how_it_lies_beside_a_turned_scan(tmp_path: Path, suffix: str) -> None:
    import SimpleITK
    from voxel_phantoms import affine, nifti_bytes, write

    scan = write(tmp_path / "scan.nii", nifti_bytes(lesion(np.int16), affine(turned=True)))
    image: Any = SimpleITK.ReadImage(scan)
    for name in image.GetMetaDataKeys():
        image.EraseMetaData(name)
    SimpleITK.WriteImage(image, tmp_path / f"mask{suffix}")
    with pytest.raises(vm.VolumetryError) as caught:
        vm.read_sections(tmp_path / f"mask{suffix}", label=1, scan=scan)
    assert caught.value.code == "grid-mismatch"
    assert "does not say how its voxels lie" in str(caught.value)
    # The ways out: without a scan, or in a format that says it.
    assert measured(tmp_path / f"mask{suffix}").volume_mm3 == pytest.approx(RIGHT, rel=1e-5)
    SimpleITK.WriteImage(image, tmp_path / "mask.nrrd")
    (sections,) = vm.read_sections(tmp_path / "mask.nrrd", label=1, scan=scan)
    assert vm.measure_volume(sections).volume_mm3 == pytest.approx(RIGHT, rel=1e-5)


def test_what_has_no_end_is_not_said_to_need_so_many_bytes(tmp_path: Path) -> None:
    import gzip

    from voxel_phantoms import nifti_bytes

    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(nifti_bytes())[:-20])
    error = refused(path)
    assert error.code == "truncated"
    assert error.values == {"present_bytes": path.stat().st_size}
