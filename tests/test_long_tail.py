"""The less common voxel formats: right volumes, sizes checked first, true refusals; also in a study folder.

Those that say how they lie in the patient (.mgh, .mgz, pairs of NIfTI) are held to the contract of every
format, too, in test_format_contract.py.
"""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
import tifffile
from voxel_phantoms import COUNTS, PIXEL_MM, STEP_MM, VOXEL_MM3, lesion, mutants

import volumetry as vm
from volumetry.cli import main
from volumetry.formats.recognise import files_of, is_volume

PROVE = os.environ.get("VOLUMETRY_PROVE") == "1"
VOXELS = lesion().transpose(2, 1, 0)  # slices, rows, columns


def by_itk(path: Path, voxels: Any, *, compressed: bool = False) -> Path:
    image: Any = SimpleITK.GetImageFromArray(voxels)
    image.SetSpacing((*PIXEL_MM, STEP_MM))
    image.SetOrigin((20.5, -10.25, 30.125))
    SimpleITK.WriteImage(image, path, useCompression=compressed)
    return path


def by_nibabel(path: Path, voxels: Any, kind: Any = nib.AnalyzeImage) -> Path:
    image = kind(
        np.ascontiguousarray(voxels.transpose(2, 1, 0)), np.diag([-PIXEL_MM[0], PIXEL_MM[1], STEP_MM, 1])
    )
    image.to_filename(path)
    return path


def spm(path: Path, voxels: Any) -> Path:
    made = by_nibabel(path, voxels.astype(np.int16), nib.Spm99AnalyzeImage)
    path.with_suffix(".mat").unlink(missing_ok=True)
    return made


def mgh(path: Path, voxels: Any) -> Path:
    return by_nibabel(path, voxels.astype(np.int32), nib.MGHImage)


def imagej(path: Path, voxels: Any, *, unit: str = "mm", factor: float = 1.0, **more: Any) -> Path:
    said = {"spacing": STEP_MM * factor, "unit": unit, "axes": "ZYX"}
    resolution: Any = tuple(1 / (size * factor) for size in PIXEL_MM)
    tifffile.imwrite(path, voxels, imagej=True, resolution=resolution, metadata=said, **more)
    return path


def ome(path: Path, voxels: Any) -> Path:
    sizes = dict(zip("XYZ", (*PIXEL_MM, STEP_MM), strict=True))
    said: dict[str, Any] = {f"PhysicalSize{axis}": size for axis, size in sizes.items()}
    said |= {f"PhysicalSize{axis}Unit": "mm" for axis in sizes}
    tifffile.imwrite(path, voxels, metadata={"axes": "ZYX", **said})
    return path


Writer = Callable[[Path, Any], Path]
FORMATS: dict[str, tuple[str, Writer]] = {
    "gipl": (".gipl", by_itk),
    "gipl, gzip": (".gipl.gz", by_itk),
    "vtk": (".vtk", by_itk),
    "analyze, its header": (".hdr", by_nibabel),
    "analyze, its image": (".img", by_nibabel),
    "spm": (".hdr", spm),
    "mgh": (".mgh", mgh),
    "mgz": (".mgz", mgh),
    "nifti pair": (".hdr", by_itk),
    "tiff of ImageJ": (".tif", imagej),
    "tiff of ImageJ, deflate": (".tif", lambda path, voxels: imagej(path, voxels, compression="zlib")),
    "tiff of ImageJ, cm": (".tif", lambda path, voxels: imagej(path, voxels, unit="cm", factor=0.1)),
    "tiff of OME": (".ome.tif", ome),
}


def written(name: str, folder: Path, voxels: Any = VOXELS, stem: str = "m") -> Path:
    suffix, write = FORMATS[name]
    folder.mkdir(parents=True, exist_ok=True)
    return write(folder / f"{stem}{suffix}", voxels)


@pytest.mark.parametrize("name", FORMATS)
def test_masks_and_scans_have_their_volumes(name: str, tmp_path: Path) -> None:
    path = written(name, tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    for sections in vm.read_sections(path):
        number = sections.label or 0
        measured = vm.measure_volume(sections, rule=vm.MeasurementRule(height="spacing"))
        assert measured.volume_mm3 == pytest.approx(COUNTS[number] * VOXEL_MM3, rel=1e-6)
        assert vm.read_mask(path).binary(number).sum() == COUNTS[number]
    scan = vm.read_scan(path)
    assert np.array_equal(np.sort(scan.voxels, axis=None), np.sort(VOXELS, axis=None))
    assert sorted(scan.geometry.pixel_spacing_mm) == pytest.approx(sorted(PIXEL_MM), rel=1e-6)
    says_how_it_lies = name in ("mgh", "mgz", "nifti pair")
    assert scan.flags == (() if says_how_it_lies else ("orientation-unknown",))
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", FORMATS)
def test_a_mask_is_measured_on_the_scan_of_its_own_format(name: str, tmp_path: Path) -> None:
    scan = vm.read_scan(written(name, tmp_path / "scan", VOXELS * 100))
    mask = vm.read_mask(written(name, tmp_path / "mask"), scan=scan)
    assert mask.binary(1).sum() == COUNTS[1]


@pytest.mark.parametrize("name", FORMATS)
def test_cut_files_are_refused(name: str, tmp_path: Path) -> None:
    path = written(name, tmp_path)
    for victim in list(tmp_path.iterdir()):
        whole = victim.read_bytes()
        # A footer follows the voxels of FreeSurfer's files; ImageJ's and OME's tables follow the pixels.
        for part in (0.1, 0.5, 0.9):
            victim.write_bytes(whole[: int(len(whole) * part)])
            with pytest.raises(vm.VolumetryError) as caught:
                vm.read_sections(path)
            assert caught.value.code in ("truncated", "unreadable", "not-3d", "bad-spacing")
            assert caught.value.where is not None
        victim.write_bytes(whole)


@pytest.mark.parametrize("name", FORMATS)
def test_mutants_are_read_or_refused(name: str, tmp_path: Path) -> None:
    path = written(name, tmp_path)
    content = path.read_bytes()
    for changed in mutants(content, 4000 if PROVE else 60, seed=17):
        path.write_bytes(changed)
        for call in (vm.read_sections, vm.read_scan):
            try:
                call(path)
            except vm.VolumetryError as error:
                assert error.where is not None  # noqa: PT017
                assert error.todo  # noqa: PT017


@pytest.mark.parametrize("name", FORMATS)
def test_a_study_folder_of_the_format(name: str, tmp_path: Path) -> None:
    """Scan and mask are found, paired, measured, and every file that decides is recorded with its hash."""
    study, out = tmp_path / "study", tmp_path / "out"
    written(name, study / "P1" / "v1", VOXELS * 100, stem="hip")
    written(name, study / "P1" / "v1", (VOXELS == 1).astype(np.uint8), stem="hip_mask")
    assert main(["batch", str(study), "--out", str(out)]) == 0
    rows = (out / "measurements.csv").read_text(encoding="utf-8").splitlines()
    cells = [dict(zip(rows[0].split(","), row.split(","), strict=False)) for row in rows[1:]]
    assert [row["status"] for row in cells] == ["measured"], cells
    assert float(cells[0]["volume_spacing_mm3"]) == pytest.approx(COUNTS[1] * VOXEL_MM3, rel=1e-4)
    for file in (study / "P1" / "v1").iterdir():
        if file.suffix in (".hdr", ".img"):
            assert file in files_of(file.with_suffix(".hdr"))


def gipl_header(sizes: tuple[int, ...]) -> bytes:
    head = bytearray(256)
    struct.pack_into(">4H H 4f", head, 0, *sizes, 1, 8, *PIXEL_MM, STEP_MM, 1.0)
    head[252:256] = b"\xef\xff\xe9\xb0"
    return bytes(head)


def test_declared_sizes_are_checked_before_memory_is_taken(tmp_path: Path) -> None:
    huge = {
        "a.gipl": gipl_header((60000, 60000, 60000)),
        "a.vtk": b"# vtk DataFile Version 3.0\nx\nBINARY\nDATASET STRUCTURED_POINTS\n"
        b"DIMENSIONS 60000 60000 60000\nSPACING 1 1 1\nORIGIN 0 0 0\nPOINT_DATA 216000000000000\n"
        b"SCALARS s unsigned_char 1\nLOOKUP_TABLE default\n\0",
        "a.mgh": struct.pack(">7i h", 1, 60000, 60000, 60000, 1, 0, 0, 1)
        + struct.pack(">15f", 1, 1, 1, -1, 0, 0, 0, 0, -1, 0, 1, 0, 0, 0, 0)
        + bytes(300),
    }
    for name, content in huge.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(vm.VolumetryError) as caught:
            vm.read_scan(tmp_path / name)
        assert caught.value.code in ("too-large", "truncated"), name


def test_a_tiff_without_spacing_is_refused_and_no_volume_of_a_study(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "figure.tif", np.zeros((30, 40, 3), np.uint8), photometric="rgb")
    by_itk(tmp_path / "stack.tif", VOXELS)
    for name, code in (("figure.tif", "not-3d"), ("stack.tif", "bad-spacing")):
        with pytest.raises(vm.VolumetryError) as caught:
            vm.read_scan(tmp_path / name)
        assert caught.value.code == code
        assert not is_volume(tmp_path / name)
    assert is_volume(imagej(tmp_path / "good.tif", VOXELS))


def test_a_surface_in_vtk_is_refused_and_no_volume_of_a_study(tmp_path: Path) -> None:
    surface = tmp_path / "bone.vtk"
    surface.write_bytes(b"# vtk DataFile Version 3.0\nx\nASCII\nDATASET POLYDATA\nPOINTS 1 float\n0 0 0\n")
    with pytest.raises(vm.VolumetryError) as caught:
        vm.read_mask(surface)
    assert caught.value.code == "unsupported-format"
    assert "surface" in str(caught.value)
    assert not is_volume(surface)


def test_vtk_without_spacing_or_with_another_number_of_points_is_refused(tmp_path: Path) -> None:
    path = by_itk(tmp_path / "m.vtk", VOXELS)
    content = path.read_bytes()
    for old, new, code in (
        (b"SPACING", b"SPACINK", "bad-spacing"),
        (b"POINT_DATA 1080", b"POINT_DATA 1079", "header-conflict"),
        (b"DIMENSIONS 12 10 9", b"DIMENSIONS 12 10 7", "header-conflict"),
    ):
        path.write_bytes(content.replace(old, new))
        with pytest.raises(vm.VolumetryError) as caught:
            vm.read_mask(path)
        assert caught.value.code == code, old


def test_freesurfer_headers_that_do_not_count_or_contradict_themselves(tmp_path: Path) -> None:
    path = mgh(tmp_path / "m.mgh", VOXELS)
    content = path.read_bytes()
    for offset, value, code in (
        (28, b"\0\0", "bad-spacing"),
        (42, struct.pack(">f", 3.0), "header-conflict"),
        (30, struct.pack(">f", 0.0), "bad-spacing"),
    ):
        path.write_bytes(content[:offset] + value + content[offset + len(value) :])
        with pytest.raises(vm.VolumetryError) as caught:
            vm.read_mask(path)
        assert caught.value.code == code, offset


def test_half_a_pair_names_what_is_missing(tmp_path: Path) -> None:
    by_nibabel(tmp_path / "m.img", VOXELS)
    lone = tmp_path / "lone"
    lone.mkdir()
    for suffix, other in ((".hdr", ".img"), (".img", ".hdr")):
        shutil.copy(tmp_path / f"m{suffix}", lone / f"only{suffix[1:]}{suffix}")
        with pytest.raises(vm.VolumetryError) as caught:
            vm.read_scan(lone / f"only{suffix[1:]}{suffix}")
        assert caught.value.code == "not-found"
        assert other in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.npy", b"\x93NUMPY\1\0", "numpy"),
        ("a.png", b"\x89PNG\r\n", "PNG"),
        ("a.jpg", b"\xff\xd8\xff\xe0", "JPEG"),
        ("a.stl", b"\0" * 80 + b"\1\0\0\0", "STL"),
        ("a.ascii.stl", b"solid bone\n", "STL"),
        ("a.xml", b"<?xml version='1.0'?>", "XML"),
        ("a.csv", b"a,b\n1,2\n", "table"),
        ("a.zip", b"PK\3\4", "ZIP"),
        ("a.pdf", b"%PDF-1.7", "PDF"),
        ("a.h5", b"\x89HDF\r\n", "HDF5"),
        ("a.txt", b"hello", "text"),
        ("a.raw", b"\1\2\3\4" * 40, "bare voxels"),
        ("a.xyz", b"hello, this is nothing", "not a DICOM file, nor of another format"),
    ],
)
def test_other_kinds_of_files_are_called_by_their_name(
    name: str, content: bytes, what: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content * 40)
    for call in (vm.read_scan, vm.read_mask, vm.read_sections):
        with pytest.raises(vm.VolumetryError) as caught:
            call(tmp_path / name)
        assert caught.value.code == "unsupported-format"
        assert what in str(caught.value)
        assert caught.value.todo
