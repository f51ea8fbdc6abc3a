from __future__ import annotations

import dataclasses
import gzip
import json
import struct
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from voxel_phantoms import (
    COUNTS,
    PIXEL_MM,
    STEP_MM,
    VOXEL_MM3,
    affine,
    cuts,
    lesion,
    mutants,
    nifti_bytes,
    nifti_image,
    patched,
    write,
)

import volumetry as vm
from volumetry.errors import VolumetryError
from volumetry.formats.voxels import grid_alignment
from volumetry.formats.voxels.nifti.header import parse_header

QFORM_CODE, SFORM_CODE, PIXDIM, XYZT, DIM_INFO, SLOPE = 252, 254, 76, 123, 39, 112


def volumes(path: Path, **options: Any) -> dict[int | None, float]:
    return {
        s.label: vm.measure_volume(s).volume_spacing_mm3 or 0.0 for s in vm.read_sections(path, **options)
    }


def code(path: Path, **options: Any) -> str:
    with pytest.raises(VolumetryError) as caught:
        vm.read_sections(path, **options)
    assert str(path) in str(caught.value)
    return caught.value.code


EXPECTED = {label: pytest.approx(count * VOXEL_MM3, rel=1e-12) for label, count in COUNTS.items()}


# -- the same volume from every way to store it ------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("dtype", ["u1", "i1", "<i2", ">i2", "<u2", "<i4", ">u4", "<i8", "<f4", ">f4", "<f8"])
def test_versions_types_and_byte_orders(tmp_path: Path, name: str, version: int, dtype: str) -> None:
    image = nifti_image(lesion(np.dtype(dtype).newbyteorder("=")), version=version)
    if dtype[0] == ">":
        image = type(image)(lesion(dtype), image.affine, image.header.as_byteswapped(">"))
    path = write(tmp_path / name, image.to_bytes())
    assert volumes(path) == EXPECTED
    mask = vm.read_mask(path)
    assert {n: int(mask.binary(n).sum()) for n in COUNTS} == COUNTS
    assert mask.layers[0].dtype.isnative
    assert mask.flags == ()


def test_a_clean_mask_raises_no_flag_but_its_thickness(tmp_path: Path) -> None:
    (sections,) = vm.read_sections(write(tmp_path / "a.nii.gz", nifti_bytes()), label=1)
    assert vm.measure_volume(sections).flags == ("thickness-unknown",)


@given(
    flips=st.tuples(*[st.sampled_from([-1, 1])] * 3),
    order=st.permutations([0, 1, 2]),
    turned=st.booleans(),
    factor=st.floats(0.1, 20),
)
def test_flips_axis_order_and_scale(
    tmp_path_factory: pytest.TempPathFactory, flips: Any, order: Any, turned: bool, factor: float
) -> None:
    matrix = affine(flips=flips, turned=turned)
    matrix[:3] *= factor
    content = nib.Nifti2Image(lesion(), matrix).as_reoriented(np.array([[n, 1] for n in order]))
    content.header.set_xyzt_units("mm")
    path = tmp_path_factory.getbasetemp() / "flipped.nii"
    path.write_bytes(content.to_bytes())
    found = volumes(path)
    for label, count in COUNTS.items():
        assert found[label] == pytest.approx(count * VOXEL_MM3 * factor**3, rel=1e-9)
    mask = vm.read_mask(path)
    centre = vm.measure_volume(mask, label=2).centroid_mm
    expected = nib.affines.apply_affine(matrix, np.argwhere(lesion() == 2).mean(axis=0)) * (-1, -1, 1)
    np.testing.assert_allclose(centre, expected, atol=1e-6 * factor)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, -1)])
def test_positions_are_those_of_nibabel_and_simpleitk(tmp_path: Path, turned: bool, flips: Any) -> None:
    path = write(tmp_path / "a.nii.gz", nifti_bytes(lesion(np.int16), affine(flips=flips, turned=turned)))
    scan = vm.read_scan(path)
    image: Any = SimpleITK.ReadImage(str(path))
    reference: Any = nib.load(path)
    for index in (0, 4, 8):
        k = 8 - index if np.prod(flips) < 0 else index
        point = scan.geometry.pixel_to_patient(index, [(3, 5)])[0]
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((5, 3, k)), point, atol=1e-4)
        np.testing.assert_allclose(reference.affine @ (5, 3, k, 1), [*(point * (-1, -1, 1)), 1], atol=1e-4)
        np.testing.assert_array_equal(scan.voxels[index], lesion()[:, :, k].T)
    assert scan.geometry.n_slices == 9
    assert np.all(np.diff(scan.geometry.slice_positions_mm) > 0)


# -- header rules ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("units", "factor", "flags"), [("micron", 1e3, ()), ("meter", 1e-3, ())])
def test_units_of_length(tmp_path: Path, units: str, factor: float, flags: tuple[str, ...]) -> None:
    matrix = affine()
    matrix[:3] *= factor
    path = write(tmp_path / "a.nii", nifti_bytes(matrix=matrix, units=units))
    assert volumes(path) == {n: pytest.approx(c * VOXEL_MM3, rel=1e-6) for n, c in COUNTS.items()}
    assert vm.read_mask(path).flags == flags


def test_unknown_unit_is_millimetres_and_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", patched(nifti_bytes(), XYZT, "<B", 0))
    assert volumes(path) == EXPECTED
    assert vm.read_mask(path).flags == ("units-unknown",)


def test_spacing_is_the_decimal_that_was_written(tmp_path: Path) -> None:
    geometry = vm.read_scan(write(tmp_path / "a.nii", nifti_bytes())).geometry
    assert geometry.pixel_spacing_mm == (PIXEL_MM[1], PIXEL_MM[0])
    assert geometry.slice_spacing_mm == pytest.approx(STEP_MM, abs=1e-14)


@pytest.mark.parametrize(
    "change",
    [
        (SFORM_CODE + 26 + 40, "<f", 3.0),  # srow_z[2]: 3.0 instead of 3.3 mm
        (268, "<f", -30.0),  # qoffset_x
        (256, "<f", 0.01),  # quatern_b
        (PIXDIM + 12, "<f", 3.0),  # the qform's own spacing
        (280, "<f", float("nan")),
    ],
)
def test_sform_and_qform_in_conflict(tmp_path: Path, change: tuple[int, str, float]) -> None:
    assert code(write(tmp_path / "a.nii", patched(nifti_bytes(), *change))) == "affine-conflict"


@given(
    axis=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: np.linalg.norm(v) > 0.1),
    angle=st.floats(-180, 180),
    flip=st.booleans(),
)
def test_rounding_of_a_quaternion_is_no_conflict(axis: Any, angle: float, flip: bool) -> None:
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn = np.eye(3) * c + s * cross + (1 - c) * np.outer((x, y, z), (x, y, z))
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ np.diag([0.7, 0.9, -3.3 if flip else 3.3])
    header = parse_header(nifti_bytes(matrix=matrix)[:348], "a.nii")
    np.testing.assert_allclose(header.steps_mm, (matrix[:3, :3] * [[-1], [-1], [1]]).T, atol=1e-5)
    alone = patched(nifti_bytes(matrix=matrix)[:348], SFORM_CODE, "<h", 0)
    np.testing.assert_allclose(parse_header(alone, "a.nii").steps_mm, header.steps_mm, atol=4e-3)


def test_neither_form_is_measured_with_unknown_orientation(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", patched(nifti_bytes(), QFORM_CODE, "<2h", 0, 0))
    assert volumes(path) == EXPECTED
    assert vm.read_mask(path).flags == ("orientation-unknown",)
    (sections,) = vm.read_sections(path, label=1)
    object.__setattr__(sections, "side", "L")
    assert vm.measure_volume(sections).status == "measured"  # no side to hold it to


@pytest.mark.parametrize("value", [0.0, -7.7, float("nan"), float("inf")])
@pytest.mark.parametrize("axis", [1, 2, 3])
def test_bad_spacing(tmp_path: Path, axis: int, value: float) -> None:
    path = write(tmp_path / "a.nii", patched(nifti_bytes(), PIXDIM + 4 * axis, "<f", value))
    assert code(path) == "bad-spacing"


@pytest.mark.parametrize("negative", [(1,), (2,), (3,), (1, 2, 3)])
@pytest.mark.parametrize("qform_code", [0, 1])
def test_negative_sizes_whose_lengths_the_sform_bears_out(
    tmp_path: Path, negative: tuple[int, ...], qform_code: int
) -> None:
    plain = patched(nifti_bytes(), QFORM_CODE, "<h", qform_code)
    content = plain
    for axis in negative:
        (size,) = struct.unpack_from("<f", content, PIXDIM + 4 * axis)
        content = patched(content, PIXDIM + 4 * axis, "<f", -size)
    scan = vm.read_scan(write(tmp_path / "a.nii", content))
    assert scan.geometry == vm.read_scan(write(tmp_path / "b.nii", plain)).geometry
    without_sform = patched(content, SFORM_CODE, "<h", 0)
    assert code(write(tmp_path / "c.nii", without_sform)) == "bad-spacing"


def test_a_flat_voxel_is_bad_spacing(tmp_path: Path) -> None:
    content = patched(nifti_bytes(), QFORM_CODE, "<h", 0)
    content = patched(content, 80, "<3f", *[3**0.5] * 3)  # as long as the steps, which all point one way
    assert code(write(tmp_path / "a.nii", patched(content, 280, "<12f", *[1.0] * 12))) == "bad-spacing"


def test_shear_is_the_grid_and_the_voxel_the_determinant(tmp_path: Path) -> None:
    matrix = affine()
    matrix[1, 2] = 1.2
    image = nib.Nifti1Image(lesion(), matrix)
    image.header.set_xyzt_units("mm")
    path = write(tmp_path / "a.nii.gz", image.to_bytes())
    (sections,) = vm.read_sections(path, label=1)
    measured = vm.measure_volume(sections)
    assert measured.volume_mm3 == pytest.approx(62 * abs(np.linalg.det(matrix)), rel=1e-7)
    assert set(measured.flags) == {"sheared-grid", "thickness-unknown"}
    assert vm.read_mask(path).flags == ("sheared-grid",)


@pytest.mark.parametrize("slope", [0.0, float("nan")])
def test_no_slope_is_one(tmp_path: Path, slope: float) -> None:
    path = write(tmp_path / "a.nii", patched(nifti_bytes(), SLOPE, "<2f", slope, 5.0))
    assert volumes(path) == EXPECTED


def test_slope_and_intercept_are_applied(tmp_path: Path) -> None:
    stored = nifti_bytes(lesion(np.int16) * 10 - 20)
    path = write(tmp_path / "a.nii", patched(stored, SLOPE, "<2f", 0.1, 2.0))
    assert volumes(path) == EXPECTED
    np.testing.assert_allclose(vm.read_scan(path).voxels[4], lesion()[:, :, 4].T, atol=1e-6)
    assert vm.read_scan(path).voxels.dtype == np.float32
    broken = patched(stored, SLOPE, "<2f", 0.1, float("nan"))
    assert code(write(tmp_path / "b.nii", broken)) == "unreadable"


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_dim_info_names_the_slice_axis(tmp_path: Path, axis: int) -> None:
    path = write(tmp_path / "a.nii.gz", patched(nifti_bytes(), DIM_INFO, "<B", (axis + 1) << 4))
    mask = vm.read_mask(path)
    assert mask.geometry.n_slices == lesion().shape[axis]
    assert volumes(path) == {n: pytest.approx(c * VOXEL_MM3) for n, c in COUNTS.items()}
    for n in COUNTS:
        streamed, whole = vm.read_sections(path, label=n)[0], mask.cross_sections(n)
        np.testing.assert_array_equal(streamed.slice_indices, whole.slice_indices)
        np.testing.assert_allclose(streamed.centroids_mm, whole.centroids_mm)


def test_one_volume_in_four_dimensions_is_three(tmp_path: Path) -> None:
    assert volumes(write(tmp_path / "a.nii", nifti_bytes(lesion()[..., np.newaxis]))) == EXPECTED


def test_what_is_not_one_volume_of_numbers(tmp_path: Path) -> None:
    four = np.stack([lesion()] * 2, axis=-1)
    assert code(write(tmp_path / "4d.nii", nifti_bytes(four))) == "not-3d"
    assert code(write(tmp_path / "2d.nii", patched(nifti_bytes(), 40, "<h", 2))) == "not-3d"
    colour = np.zeros((4, 4, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert code(write(tmp_path / "rgb.nii", nifti_bytes(colour))) == "not-3d"
    assert code(write(tmp_path / "c.nii", nifti_bytes(lesion(np.complex64)))) == "unsupported-format"


@pytest.mark.parametrize(
    ("offset", "form", "value", "expected"),
    [
        (344, "<4s", b"\0\0\0\0", "unsupported-format"),  # Analyze
        (0, "<i", 349, "unreadable"),
        (40, "<h", 9, "unreadable"),
        (42, "<h", 0, "unreadable"),
        (72, "<h", 7, "unreadable"),
        (108, "<f", 100.0, "unreadable"),
        (108, "<f", float("nan"), "unreadable"),
        (108, "<f", 1e9, "truncated"),
        (256, "<f", 7.0, "unreadable"),
    ],
)
def test_damaged_headers(tmp_path: Path, offset: int, form: str, value: Any, expected: str) -> None:
    assert code(write(tmp_path / "a.nii", patched(nifti_bytes(), offset, form, value))) == expected


# -- labels ------------------------------------------------------------------------------------------------


def test_almost_integers_are_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz", nifti_bytes(lesion(np.float32) * np.float32(0.99999)))
    assert volumes(path) == EXPECTED
    assert {n: int(vm.read_mask(path).binary(n).sum()) for n in COUNTS} == COUNTS


def test_a_probability_map_needs_a_threshold(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz", nifti_bytes(lesion(np.float32) * 0.4))
    assert code(path) == "not-labels"
    with pytest.raises(VolumetryError, match="not-labels"):
        vm.read_mask(path)
    assert volumes(path, threshold=0.5) == {1: pytest.approx(14 * VOXEL_MM3)}
    assert int(vm.read_mask(path, threshold=0.4).binary().sum()) == 76
    everything = vm.read_sections(path, threshold=0.0)[0]
    assert everything.areas_mm2.sum() == pytest.approx(lesion().size * 0.63)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32])
def test_a_threshold_is_for_values_that_are_no_labels(tmp_path: Path, kind: type) -> None:
    """A batch that holds one probability map merges no labels of its masks, and makes none absent."""
    path = write(tmp_path / "a.nii.gz", nifti_bytes(lesion(kind)))
    assert volumes(path, threshold=0.5) == volumes(path, threshold=1.0) == EXPECTED
    assert {n: int(vm.read_mask(path, threshold=0.5).binary(n).sum()) for n in COUNTS} == COUNTS
    with pytest.raises(VolumetryError, match="no-such-label"):
        vm.read_mask(path, threshold=15)
    assert code(path, threshold=15) == "no-such-label"
    bytes_of_probability = write(tmp_path / "b.nii.gz", nifti_bytes(lesion(kind) * kind(100)))
    assert list(volumes(bytes_of_probability, threshold=128)) == [1]
    empty = write(tmp_path / "c.nii.gz", nifti_bytes(lesion(kind) * kind(0)))
    assert vm.read_sections(empty, threshold=15)[0].n_slices == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite(tmp_path: Path, value: float) -> None:
    voxels = lesion(np.float32)
    voxels[0, 0, 0] = value
    path = write(tmp_path / "a.nii.gz", nifti_bytes(voxels))
    assert code(path) == code(path, threshold=0.5) == "non-finite"
    assert not np.isfinite(vm.read_scan(path).voxels).all()


def test_labels_named_absent_and_negative(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz", nifti_bytes(-lesion(np.int16)))
    assert sorted(volumes(path), key=str) == [-1, -2]
    (absent,) = vm.read_sections(path, label=7)
    assert vm.measure_volume(absent).status == "absent"
    assert absent.flags == ("empty-mask",)
    assert code(path, label="necrosis") == code(path, label=0) == "no-such-label"


def test_an_empty_mask_is_absent(tmp_path: Path) -> None:
    (sections,) = vm.read_sections(write(tmp_path / "a.nii.gz", nifti_bytes(lesion() * 0)))
    assert vm.measure_volume(sections).volume_mm3 == 0
    assert sections.flags == ("empty-mask",)


def test_an_image_is_no_mask(tmp_path: Path) -> None:
    image = np.arange(40 * 40 * 3, dtype=np.int16).reshape(40, 40, 3)
    assert code(write(tmp_path / "a.nii.gz", nifti_bytes(image))) == "not-labels"
    huge = lesion(np.float64) * 3e9
    assert code(write(tmp_path / "b.nii.gz", nifti_bytes(huge))) == "not-labels"


# -- thickness and scan ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sidecar", ["x_mask.json", "x.json"])
def test_thickness_comes_from_the_sidecar(tmp_path: Path, sidecar: str) -> None:
    path = write(tmp_path / "x_mask.nii.gz", nifti_bytes())
    (tmp_path / sidecar).write_text(json.dumps({"SliceThickness": 3.0}))
    (sections,) = vm.read_sections(path, label=1)
    measured = vm.measure_volume(sections)
    assert measured.volume_mm3 == pytest.approx(62 * 0.63 * 3.0)
    assert measured.height_rule == "thickness"
    assert measured.flags == ("slice-gap",)


@pytest.mark.parametrize("content", ["[]", "{", '{"SliceThickness": "3"}', '{"SliceThickness": true}'])
def test_a_sidecar_that_says_nothing(tmp_path: Path, content: str) -> None:
    path = write(tmp_path / "x.nii.gz", nifti_bytes())
    (tmp_path / "x.json").write_text(content)
    assert vm.read_scan(path).geometry.slice_thickness_mm is None


def test_a_sidecar_without_a_possible_thickness(tmp_path: Path) -> None:
    path = write(tmp_path / "x.nii.gz", nifti_bytes())
    (tmp_path / "x.json").write_text('{"SliceThickness": 0}')
    assert code(path) == "bad-spacing"


def scan_of(voxels_ijk: np.ndarray[Any, Any], tmp_path: Path) -> vm.Scan:
    plain = vm.read_scan(write(tmp_path / "scan.nii", nifti_bytes(voxels_ijk)))
    geometry = vm.ScanGeometry(
        rows=plain.geometry.rows,
        columns=plain.geometry.columns,
        pixel_spacing_mm=plain.geometry.pixel_spacing_mm,
        row_direction=plain.geometry.row_direction,
        column_direction=plain.geometry.column_direction,
        slice_origins_mm=plain.geometry.slice_origins_mm,
        slice_thickness_mm=3.0,
    )
    source = vm.ScanSource(patient="p01", series_uid="1.2.3", modality="MR", format="dicom")
    return vm.Scan(voxels=plain.voxels, geometry=geometry, source=source, flags=("duplicate-file",))


@given(flips=st.tuples(*[st.booleans()] * 3), order=st.permutations([0, 1, 2]), units=st.booleans())
def test_a_mask_in_another_order_of_voxels_lies_on_its_scan(
    tmp_path_factory: pytest.TempPathFactory, flips: Any, order: Any, units: bool
) -> None:
    folder = tmp_path_factory.getbasetemp()
    scan = scan_of(lesion(np.int16), folder)
    turn = np.array([[axis, -1 if flip else 1] for axis, flip in zip(order, flips, strict=True)])
    image = nifti_image(lesion()).as_reoriented(turn)
    content = image.to_bytes() if units else patched(image.to_bytes(), XYZT, "<B", 0)
    path = folder / "reordered.nii"
    path.write_bytes(content)
    mask = vm.read_mask(path, scan=scan)
    np.testing.assert_array_equal(mask.layers[0], scan.voxels)
    assert mask.geometry == scan.geometry
    assert mask.source == scan.source
    for sections in vm.read_sections(path, scan=scan):
        whole = mask.cross_sections(sections.label)
        for name in ("slice_indices", "areas_mm2", "centroids_mm", "bounds_mm"):
            np.testing.assert_allclose(getattr(sections, name), getattr(whole, name), atol=1e-4)
        assert sections.geometry == scan.geometry
        assert sections.source == scan.source
        assert sections.flags == whole.flags == ("duplicate-file",)


def test_a_scan_by_its_path_lends_its_thickness(tmp_path: Path) -> None:
    scan = write(tmp_path / "t1.nii.gz", nifti_bytes(lesion(np.int16)))
    (tmp_path / "t1.json").write_text('{"SliceThickness": 3.3}')
    mask = write(tmp_path / "lesion.nii.gz", nifti_bytes())
    (sections,) = vm.read_sections(mask, scan=scan, label=2)
    assert vm.measure_volume(sections).height_rule == "thickness"
    assert vm.measure_volume(sections).flags == ()
    (tmp_path / "lesion.json").write_text('{"SliceThickness": 3.0}')
    assert vm.read_sections(mask, scan=scan, label=2)[0].geometry.slice_thickness_mm == 3.0


def test_a_trace_is_no_scan(tmp_path: Path) -> None:
    (tmp_path / "a.trace.json").write_text("{}")
    with pytest.raises(VolumetryError, match="no scan"):
        vm.read_sections(write(tmp_path / "a.nii", nifti_bytes()), scan=tmp_path / "a.trace.json")


@pytest.mark.parametrize(
    "matrix",
    [
        affine() + np.diag([0, 0, 0.01, 0]),
        affine() + np.array([[0, 0, 0, 0.01], *np.zeros((3, 4))]),
        affine(turned=True),
        affine()[[1, 0, 2, 3]],
    ],
)
def test_another_grid_is_refused(tmp_path: Path, matrix: Any) -> None:
    scan = scan_of(lesion(np.int16), tmp_path)
    path = write(tmp_path / "a.nii.gz", nifti_bytes(matrix=matrix))
    assert code(path, scan=scan) == "grid-mismatch"


@pytest.mark.parametrize("off", [0.0, 1e-5, 2e-4, 6e-4, 9e-4, 1.1e-3])
@pytest.mark.parametrize("part", ["origin", "direction", "spacing", "step"])
def test_grids_that_are_seen_at_once_to_be_one_are_one_by_all_that_is_compared(
    part: str, off: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`off` is in voxels, at the corner that is farthest away."""
    scan = vm.ScanGeometry(
        rows=20, columns=30, pixel_spacing_mm=(0.7, 0.9), row_direction=(1, 0, 0), column_direction=(0, 1, 0),
        slice_origins_mm=[(5, -7, 3.3 * k) for k in range(9)], slice_thickness_mm=3.0,
    )  # fmt: skip
    changes: dict[str, Any] = {
        "origin": {"slice_origins_mm": scan.slice_origins_mm + np.array((0, 0.7 * off, 0))},
        "direction": {"row_direction": (1, 0.7 * off / (29 * 0.9), 0)},
        "spacing": {"pixel_spacing_mm": (0.7 + 0.7 * off / 19, 0.9)},
        "step": {"slice_origins_mm": scan.slice_origins_mm * np.array((1, 1, 1 + off / 8))},
    }
    mask = dataclasses.replace(scan, **changes[part])

    def aligned() -> grid_alignment.GridAlignment | str:
        try:
            return grid_alignment.align_grids(mask, scan, where="a.nii", allow_part=True)
        except VolumetryError as error:
            return error.code

    found = aligned()
    monkeypatch.setattr(grid_alignment, "_is_the_same", lambda *_: False)
    assert found == aligned() == (grid_alignment.GridAlignment() if off < 1e-3 else "grid-mismatch")


# -- files -------------------------------------------------------------------------------------------------


def test_the_file_that_was_named(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.nii", nifti_bytes())
    packed = write(tmp_path / "a.nii.gz", nifti_bytes((lesion() == 2).astype(np.uint8)))
    assert set(volumes(plain)) == {1, 2}
    assert volumes(packed) == {1: pytest.approx(14 * VOXEL_MM3)}


def test_gzip_is_known_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(gzip.compress(nifti_bytes()))
    (tmp_path / "b.nii.gz").write_bytes(nifti_bytes())
    assert volumes(tmp_path / "a.nii") == volumes(tmp_path / "b.nii.gz") == EXPECTED


@pytest.mark.parametrize("suffix", [".img", ".img.gz"])
def test_header_and_image_in_two_files(tmp_path: Path, suffix: str) -> None:
    content = nifti_bytes()
    header = patched(patched(content[:348], 344, "<4s", b"ni1\0"), 108, "<f", 0.0)
    path = write(tmp_path / "a.hdr", header)
    assert code(path) == "not-found"
    write(tmp_path / f"a{suffix}", content[352:])
    assert volumes(path) == EXPECTED


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_data_beyond_the_end_are_flagged(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, nifti_bytes() + b"more")
    assert volumes(path) == EXPECTED
    assert vm.read_mask(path).flags == vm.read_scan(path).flags == ("trailing-data",)


def test_gzip_members_and_what_follows_them(tmp_path: Path) -> None:
    content = nifti_bytes()
    members = gzip.compress(content[:500]) + gzip.compress(b"") + gzip.compress(content[500:])
    path = tmp_path / "a.nii.gz"
    for rest, flags in ((b"", ()), (bytes(100_000), ()), (b"junk", ("trailing-data",))):
        path.write_bytes(members + rest)
        assert volumes(path) == EXPECTED
        assert vm.read_mask(path).flags == flags


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_cut_file_is_truncated(tmp_path: Path, name: str) -> None:
    whole = write(tmp_path / name, nifti_bytes()).read_bytes()
    for content in cuts(whole):
        path = tmp_path / f"cut{name}"
        path.write_bytes(content)
        assert code(path) == "truncated"


def test_damage_shows_by_the_checksum(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz", nifti_bytes(), level=0)
    content = bytearray(path.read_bytes())
    content[-60] ^= 1
    path.write_bytes(content)
    assert code(path) == "unreadable"


def test_a_header_that_claims_terabytes(tmp_path: Path) -> None:
    content = patched(nifti_bytes(), 42, "<3h", 30000, 30000, 30000)
    for name in ("a.nii", "a.nii.gz"):
        assert code(write(tmp_path / name, content)) == "too-large"
    second = patched(nifti_bytes(version=2), 24, "<3q", 2**62, 2**62, 2**62)
    assert code(write(tmp_path / "b.nii", second)) == "too-large"
    slices = patched(nifti_bytes(version=2), 24, "<3q", 1, 1, 2**27)
    assert code(write(tmp_path / "c.nii.gz", slices)) == "too-large"


BOMB = r"""
import re, sys, volumetry as vm
from volumetry.errors import VolumetryError
try:
    vm.read_mask(sys.argv[1])
except VolumetryError as error:
    print(error.code)
print(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read as Linux tells it")
def test_a_small_gzip_that_expands_to_gigabytes(tmp_path: Path) -> None:
    from zlib_ng import zlib_ng

    header = patched(nifti_bytes()[:352], 42, "<3h", 1024, 1024, 2048)
    deflate = zlib_ng.compressobj(1, zlib_ng.DEFLATED, 31)
    blank = bytes(1 << 24)
    path = tmp_path / "bomb.nii.gz"
    with path.open("wb") as file:
        file.write(deflate.compress(header))
        for _ in range(64):  # a gibibyte is bomb enough; the header claims two
            file.write(deflate.compress(blank))
        file.write(deflate.flush())
    done = subprocess.run([sys.executable, "-c", BOMB, str(path)], capture_output=True, text=True, check=True)
    found, peak_kib = done.stdout.split()
    assert found == "too-large"
    assert int(peak_kib) < 200 * 1024


@pytest.mark.parametrize(
    ("name", "version"), [("a.nii", 1), ("a.nii", 2), ("a.nii.gz", 1), ("hidden.nii.gz", 2)]
)
def test_mutants_are_read_or_refused_by_name(tmp_path: Path, name: str, version: int) -> None:
    content = nifti_bytes(lesion(np.int16), version=version)
    hidden = name.startswith("hidden")  # the mutation, within the compressed data
    whole = gzip.compress(content) if name == "a.nii.gz" else content
    codes = set()
    for mutant in mutants(whole, 150, seed=version):
        path = tmp_path / name
        path.write_bytes(gzip.compress(mutant, 1) if hidden else mutant)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                for sections in vm.read_sections(path):
                    vm.measure_volume(sections)
                vm.read_mask(path)
            codes.add("")
        except VolumetryError as error:
            codes.add(error.code)
    assert len(codes) > 2


# -- writing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out.nii", "out.nii.gz"])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64])
def test_a_mask_comes_back_as_it_was(tmp_path: Path, name: str, turned: bool, dtype: Any) -> None:
    mask = vm.read_mask(write(tmp_path / "a.nii", nifti_bytes(lesion(dtype), affine(turned=turned))))
    path = tmp_path / name
    vm.write_mask(mask, path)
    again = vm.read_mask(path)
    np.testing.assert_array_equal(again.layers[0], mask.layers[0])
    assert again.layers[0].dtype == mask.layers[0].dtype
    assert again.geometry.voxel_distance(mask.geometry) < 1e-5
    if not turned:
        assert again.geometry == mask.geometry
    assert again.flags == ()
    first = path.read_bytes()
    vm.write_mask(again, path)
    assert path.read_bytes() == first
    reference: Any = nib.load(path)
    np.testing.assert_allclose(reference.get_qform(), reference.get_sform(), atol=1e-4)
    np.testing.assert_array_equal(np.asarray(reference.dataobj).T, mask.layers[0])
    image: Any = SimpleITK.ReadImage(str(path))
    np.testing.assert_allclose(image.GetOrigin(), mask.geometry.slice_origins_mm[0], atol=1e-4)


def mask_on(origins: Any, **changes: Any) -> vm.Mask:
    values: dict[str, Any] = {
        "rows": 4,
        "columns": 5,
        "pixel_spacing_mm": (1, 1),
        "row_direction": (1, 0, 0),
        "column_direction": (0, 1, 0),
        "slice_origins_mm": origins,
    }
    geometry = vm.ScanGeometry(**values | changes)
    layer = np.ones((geometry.n_slices, geometry.rows, geometry.columns), np.uint8)
    return vm.Mask(layers=(layer,), geometry=geometry, labels=(vm.MaskLabel(number=1),))


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (mask_on([(0, 0, 0)]), "single-slice"),
        (mask_on([(0, 0, z) for z in (0, 3, 6, 8)]), "inconsistent-series"),
        (mask_on([(0, 0, z) for z in (0, 3, 6, 12)]), "inconsistent-series"),
        (mask_on([(0, z, 3 * z) for z in range(4)]), "inconsistent-series"),
        (mask_on([(0, 0, z) for z in range(4)], column_direction=(0.6, 0.8, 0)), "inconsistent-series"),
        (mask_on([(0, 0, z) for z in range(2)], columns=40000), "usage"),
    ],
)
def test_what_an_affine_cannot_say_is_not_written(tmp_path: Path, mask: vm.Mask, expected: str) -> None:
    with pytest.raises(VolumetryError) as caught:
        vm.write_mask(mask, tmp_path / "a.nii.gz")
    assert caught.value.code == expected
    assert list(tmp_path.iterdir()) == []


def test_overlapping_labels_need_a_file_each(tmp_path: Path) -> None:
    one = mask_on([(0, 0, z) for z in range(3)])
    second = vm.MaskLabel(number=2, name="L2", layer=1)
    both = vm.Mask(
        layers=(one.layers[0], 2 * one.layers[0]), geometry=one.geometry, labels=(*one.labels, second)
    )
    with pytest.raises(VolumetryError, match="each label"):
        vm.write_mask(both, tmp_path / "a.nii")


def test_a_rescale_beyond_the_range_of_small_floats_is_applied_in_large_ones(tmp_path: Path) -> None:
    content = patched(nifti_bytes(lesion()), 112, "<2f", 3e38, 0.0)
    scan = vm.read_scan(write(tmp_path / "a.nii", content))
    assert scan.voxels.dtype == np.float64
    assert np.isfinite(scan.voxels).all()
    assert scan.voxels.max() == pytest.approx(2 * 3e38)
