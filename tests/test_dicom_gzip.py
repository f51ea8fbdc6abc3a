"""DICOM files that were gzip'ed as a whole."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from dicom_phantoms import stack_voxels, write_enhanced
from phantoms import contour_items, squares, trace_of, write_rtstruct, write_seg
from pydicom.dataset import Dataset
from test_dicom_stacks_and_tracings import CLEAN, SERIES, images
from test_dicom_ways_out import EXPECTED_MM3, mask_voxels

import volumetry as vm
from volumetry.errors import VolumetryError
from volumetry.formats.dicom.description import series_description


def gzipped(folder: Path) -> Path:
    for file in list(folder.iterdir()):
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    return folder


def test_gzipped_series_seg_and_rtstruct_are_read(tmp_path: Path) -> None:
    plain = vm.read_scan(images(tmp_path / "plain"))
    folder = gzipped(images(tmp_path / "mr"))
    scan = vm.read_scan(folder)
    assert scan.geometry == CLEAN
    assert (scan.voxels == plain.voxels).all()
    one = vm.read_scan(sorted(folder.iterdir())[2])
    assert one.geometry == CLEAN
    (tmp_path / "traced").mkdir()
    drawn = trace_of(squares(range(2, 6)), CLEAN)
    write_rtstruct(tmp_path / "traced" / "rs.dcm", {"L1": contour_items(drawn)}, series_uid=SERIES)
    write_seg(tmp_path / "traced" / "seg.dcm", CLEAN, {"L1": mask_voxels()}, series_uid=SERIES)
    for path in gzipped(tmp_path / "traced").iterdir():
        (sections,) = vm.read_sections(path, scan=folder)
        assert vm.measure_volume(sections).volume_mm3 == pytest.approx(EXPECTED_MM3)


def test_a_gzipped_enhanced_image_is_read_with_its_description(tmp_path: Path) -> None:
    def described(ds: Dataset) -> None:
        ds.SeriesDescription = "t1 cor"

    voxels = stack_voxels(CLEAN)
    write_enhanced(tmp_path / "mr" / "e.dcm", CLEAN, voxels, series_uid=SERIES, change=described)
    (path,) = gzipped(tmp_path / "mr").iterdir()
    scan = vm.read_scan(path)
    assert scan.geometry == CLEAN
    assert (scan.voxels == voxels).all()
    assert series_description(path) == "t1 cor"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (gzip.compress(b"a" * 500), "unsupported-format"),
        (gzip.compress(b"\0" * 128 + b"DICM" + b"\0" * (300 << 20)), "too-large"),
    ],
    ids=["text", "bomb"],
)
def test_what_is_no_gzipped_dicom_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "x.dcm.gz"
    path.write_bytes(content)
    with pytest.raises(VolumetryError) as caught:
        vm.read_scan(path)
    assert caught.value.code == code


@pytest.mark.parametrize(("keep", "spoiled"), [(-20, None), (None, 60)])
def test_damaged_gzip_is_refused(tmp_path: Path, keep: int | None, spoiled: int | None) -> None:
    folder = gzipped(images(tmp_path / "mr"))
    path = sorted(folder.iterdir())[0]
    content = bytearray(path.read_bytes()[:keep])
    if spoiled is not None:
        content[spoiled : spoiled + 8] = b"\xff" * 8
    path.write_bytes(content)
    with pytest.raises(VolumetryError) as caught:
        vm.read_scan(folder)
    assert caught.value.code in ("truncated", "unreadable")
