"""Voxel files that contradict themselves are refused; whole-voxel crops and pads are the same lattice."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from voxel_phantoms import VOXEL_MM3, affine, lesion, nifti_bytes, patched, write

import volumetry as vm

QFORM_CODE, SFORM, PIXDIM = 252, 280, 80


def code(path: Path, **options: Any) -> str:
    with pytest.raises(vm.VolumetryError) as caught:
        vm.read_sections(path, **options)
    assert str(path) in str(caught.value)
    assert "inf" not in str(caught.value.values)
    return caught.value.code


# -- NIfTI ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("factor", [1.01, 0.5, 10.0])
def test_sform_against_pixdim(tmp_path: Path, axis: int, factor: float) -> None:
    spacing = [0.7, 0.9, 3.3]
    spacing[axis] *= factor
    alone = patched(nifti_bytes(), QFORM_CODE, "<h", 0)
    path = write(tmp_path / "a.nii", patched(alone, PIXDIM, "<3f", *spacing))
    assert code(path) == "header-conflict"
    both = patched(nifti_bytes(), PIXDIM, "<3f", *spacing)
    assert code(write(tmp_path / "b.nii", both)) == "affine-conflict"
    assert vm.read_sections(write(tmp_path / "c.nii", alone), label=1)[0].areas_mm2.sum() > 0


@pytest.mark.parametrize("scale", [1e-12, 1e-4, 1e4])
def test_voxels_of_impossible_size(tmp_path: Path, scale: float) -> None:
    matrix = affine() @ np.diag([scale, scale, scale, 1])
    assert code(write(tmp_path / "a.nii", nifti_bytes(matrix=matrix))) == "header-conflict"


# -- MetaImage -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("matrix", ["3 0 0 0 1 0 0 0 1", "1 0 0 0 1 0 0 0 1.01", "1 0.1 0 0 1 0 0 0 1"])
def test_a_matrix_that_is_no_rotation(tmp_path: Path, matrix: str) -> None:
    path = tmp_path / "a.mha"
    header = (
        "ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nElementSpacing = 1 1 2\nOffset = 0 0 0\n"
        f"TransformMatrix = {matrix}\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    )
    path.write_bytes(header.encode() + bytes([1] * 8))
    assert code(path) == "header-conflict"


# -- .seg.nrrd -----------------------------------------------------------------------------------------------


def seg_nrrd(path: Path, voxels: NDArray[np.uint8], segments: str, *, four: bool = False) -> Path:
    """A segmentation with voxels (i, j, k), or (i, j, k, 1) in four dimensions of space."""
    directions = "(1,0,0,0) (0,1,0,0) (0,0,3,0) (0,0,0,1)" if four else "(1,0,0) (0,1,0) (0,0,3)"
    where = "space dimension: 4\nspace origin: (1,2,3,0)" if four else "space: LPS\nspace origin: (1,2,3)"
    sizes = " ".join(map(str, (*voxels.shape, 1) if four else voxels.shape))
    header = (
        f"NRRD0004\ntype: uchar\ndimension: {4 if four else 3}\n{where}\nsizes: {sizes}\n"
        f"space directions: {directions}\nencoding: gzip\n{segments}\n"
    )
    path.write_bytes(header.encode() + gzip.compress(voxels.tobytes(order="F")))
    return path


def segment(number: int, name: str, value: int) -> str:
    return f"Segment{number}_Name:={name}\nSegment{number}_LabelValue:={value}\nSegment{number}_Layer:=0\n"


def test_two_segments_on_one_value(tmp_path: Path) -> None:
    both = segment(0, "lesion", 1) + segment(1, "head", 1)
    assert code(seg_nrrd(tmp_path / "a.seg.nrrd", lesion(), both)) == "header-conflict"


def test_a_value_without_a_segment_is_flagged(tmp_path: Path) -> None:
    path = seg_nrrd(tmp_path / "a.seg.nrrd", lesion(), segment(0, "lesion", 1))
    (sections,) = vm.read_sections(path)
    assert "unlisted-label" in sections.flags
    assert "unlisted-label" in vm.read_mask(path).flags
    assert sections.areas_mm2.sum() == 62
    clean = seg_nrrd(tmp_path / "b.seg.nrrd", lesion(), segment(0, "lesion", 1) + segment(1, "core", 2))
    assert all("unlisted-label" not in one.flags for one in vm.read_sections(clean))


def test_four_dimensions_of_space(tmp_path: Path) -> None:
    one = (lesion() == 1).astype(np.uint8)
    path = seg_nrrd(tmp_path / "a.seg.nrrd", one, "Segment0_ID:=s0\nSegment0_Name:=lesion\n", four=True)
    (sections,) = vm.read_sections(path)
    assert sections.areas_mm2.sum() == 62
    assert sections.geometry.slice_spacing_mm == 3.0


# -- the same lattice ----------------------------------------------------------------------------------------


def hip(folder: Path) -> Path:
    return write(folder / "scan.nii", nifti_bytes(lesion(np.int16), affine(turned=True)))


def moved(voxels: NDArray[np.uint8], shift: tuple[float, float, float]) -> bytes:
    """A file whose first voxel lies `shift` voxels into the grid of `hip`."""
    matrix = affine(turned=True)
    matrix[:3, 3] += matrix[:3, :3] @ shift
    return nifti_bytes(voxels, matrix)


@settings(max_examples=30, deadline=None)
@given(
    before=st.tuples(*[st.integers(-4, 1)] * 3),
    behind=st.tuples(*[st.integers(-4, 1)] * 3),
    flips=st.tuples(*[st.sampled_from([1, -1])] * 3),
)
def test_crops_and_pads_by_whole_voxels(
    before: Any, behind: Any, flips: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("crop")
    scan = hip(folder)
    whole = np.pad(lesion(), 5)
    first = [5 + n for n in before]
    last = [5 + size - n for size, n in zip((12, 10, 9), behind, strict=True)]
    part = whole[first[0] : last[0], first[1] : last[1], first[2] : last[2]]
    matrix = affine(turned=True)
    corner = [
        n if flip > 0 else n + size - 1 for n, size, flip in zip(before, part.shape, flips, strict=True)
    ]
    matrix[:3, 3] += matrix[:3, :3] @ corner
    matrix[:3, :3] = matrix[:3, :3] * flips
    stored = part[:: flips[0], :: flips[1], :: flips[2]]
    path = write(folder / "part.nii.gz", nifti_bytes(np.ascontiguousarray(stored), matrix))
    mask = vm.read_mask(path, scan=vm.read_scan(scan))
    reference = vm.read_mask(write(folder / "whole.nii", nifti_bytes(lesion(), affine(turned=True))))
    assert np.array_equal(mask.layers[0], reference.layers[0])
    for label in (1, 2):
        (found,) = vm.read_sections(path, label=label, scan=scan)
        right = reference.cross_sections(label)
        assert np.array_equal(found.slice_indices, right.slice_indices)
        assert found.areas_mm2 == pytest.approx(right.areas_mm2, rel=1e-6)
        assert found.centroids_mm == pytest.approx(right.centroids_mm, abs=1e-3)
        assert found.touches_edge == right.touches_edge


@pytest.mark.parametrize("shift", [(0.5, 0, 0), (0, 0.5, 0), (0, 0, 0.5), (2, 3, 1.5), (0.01, 0, 0)])
def test_half_a_voxel_off_is_refused_with_the_offset(tmp_path: Path, shift: Any) -> None:
    path = write(tmp_path / "a.nii", moved(lesion(), shift))
    with pytest.raises(vm.VolumetryError) as caught:
        vm.read_sections(path, label=1, scan=hip(tmp_path))
    assert caught.value.code == "grid-mismatch"
    offset = np.abs(caught.value.values["offset_voxels"])
    assert offset.max() == pytest.approx(max(abs(x - round(x)) for x in shift), abs=1e-3)


def test_a_lesion_beyond_its_scan_is_refused(tmp_path: Path) -> None:
    scan = hip(tmp_path)
    assert code(write(tmp_path / "a.nii", moved(lesion(), (6, 0, 0))), scan=scan) == "grid-mismatch"
    assert code(write(tmp_path / "b.nii", moved(lesion(), (0, 0, 40))), scan=scan) == "grid-mismatch"
    assert code(write(tmp_path / "c.nii", moved(lesion(), (0, 0, 5))), scan=scan) == "grid-mismatch"


def test_a_crop_measures_what_the_whole_does(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", moved(lesion()[2:8, 3:7, 2:6], (2, 3, 2)))
    (sections,) = vm.read_sections(path, label=1, scan=hip(tmp_path))
    assert vm.measure_volume(sections).volume_mm3 == pytest.approx(62 * VOXEL_MM3, rel=1e-6)
    assert not sections.touches_edge


# -- one thing said twice ------------------------------------------------------------------------------------

NRRD = (
    "NRRD0004\ntype: uchar\ndimension: 3\nspace: LPS\nsizes: 12 10 9\nspace origin: (1,2,3)\n"
    "space directions: (0.7,0,0) (0,0.9,0) (0,0,3.3)\nkinds: domain domain domain\nencoding: raw\n"
)
META = (
    "ObjectType = Image\nNDims = 3\nDimSize = 12 10 9\nElementSpacing = 0.7 0.9 3.3\nOffset = 1 2 3\n"
    "TransformMatrix = 1 0 0 0 1 0 0 0 1\nElementType = MET_UCHAR\n"
)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a.nrrd", "space directions: (1,0,0) (0,1,0) (0,0,1)"),
        ("a.nrrd", "spacings: 0.7 0.9 3"),
        ("a.nrrd", "space: RAS"),
        ("a.nrrd", "space origin: (1,2,4)"),
        ("a.nrrd", "encoding: gzip"),
        ("a.seg.nrrd", "Segment0_Name:=a\nSegment0_LabelValue:=1\nSegment0_LabelValue:=2"),
        ("a.seg.nrrd", "Segment0_Name:=a\nSegment0_LabelValue:=0"),
        ("a.mha", "Position = 1 2 4"),
        ("a.mha", "Origin = 0 0 0"),
        ("a.mha", "ElementSpacing = 1 1 1"),
        ("a.mha", "Rotation = 0 1 0 1 0 0 0 0 1"),
        ("a.mha", "ElementType = MET_CHAR"),
    ],
)
def test_one_thing_said_twice_and_not_the_same(tmp_path: Path, name: str, line: str) -> None:
    nrrd = name.endswith("nrrd")
    header, last = (NRRD, "\n") if nrrd else (META, "ElementDataFile = LOCAL\n")
    voxels = lesion().tobytes(order="F")
    path = tmp_path / name
    path.write_bytes(f"{header}{line}\n{last}".encode() + voxels)
    assert code(path) == "header-conflict"
    # The way out: the wrong one is deleted. To say the same thing twice is no conflict.
    path.write_bytes(f"{header}{header.splitlines()[-1]}\n{last}".encode() + voxels)
    first, _ = vm.read_sections(path)
    assert vm.measure_volume(first).volume_mm3 == pytest.approx(62 * VOXEL_MM3, rel=1e-9)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("space directions", "(0.7,0,0) (0,0.9,0) (0,0,3.3) none"),
        ("space directions", "(0.7,0,0) (0,0.9,0)"),
        ("kinds", "domain domain"),
        ("kinds", "list domain domain domain"),
    ],
)
def test_more_or_fewer_entries_than_axes(tmp_path: Path, field: str, value: str) -> None:
    lines = [f"{field}: {value}" if line.startswith(field) else line for line in NRRD.splitlines()]
    path = tmp_path / "a.nrrd"
    path.write_bytes("\n".join([*lines, "\n"]).encode() + lesion().tobytes(order="F"))
    assert code(path) == "header-conflict"


def test_analyze_that_disagrees_about_the_size_of_a_value(tmp_path: Path) -> None:
    import nibabel as nib

    kind: Any = nib.AnalyzeImage
    kind(lesion(np.int16), np.diag([0.7, 0.9, 3.3, 1])).to_filename(tmp_path / "a.hdr")
    path = tmp_path / "a.hdr"
    path.write_bytes(patched(path.read_bytes(), 72, "<h", 8))
    assert code(path) == "header-conflict"
