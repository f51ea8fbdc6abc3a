"""Scans and masks to and from nibabel, SimpleITK and numpy: the same voxels at the same places."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import rotation, stack
from voxel_phantoms import VOXEL_MM3, affine, lesion, nifti_image

import volumetry as vm

itk: Any = SimpleITK
SPACING = vm.MeasurementRule(height="spacing")
turns = st.tuples(*[st.floats(-180, 180)] * 3)


def oblique(angles: Any, slices: int = 5) -> vm.ScanGeometry:
    turn = rotation(angles)
    return stack(
        slices,
        spacing_mm=4.4,
        rows=6,
        columns=7,
        pixel_spacing_mm=(0.75, 0.5),
        directions=(turn[:, 0], turn[:, 1]),
        origin_mm=(20.5, -10.25, 30.125),
    )


def voxels(geometry: vm.ScanGeometry) -> np.ndarray[Any, np.dtype[np.int16]]:
    shape = (geometry.n_slices, geometry.rows, geometry.columns)
    return np.arange(np.prod(shape), dtype=np.int16).reshape(shape)


@settings(max_examples=40, deadline=None)
@given(angles=turns, by=st.sampled_from(["to_nibabel", "to_sitk"]))
def test_there_and_back(angles: Any, by: str) -> None:
    geometry = oblique(angles)
    scan = vm.scan_from(voxels(geometry), geometry=geometry)
    back = vm.scan_from(getattr(scan, by)(), slice_thickness_mm=geometry.slice_thickness_mm)
    assert np.array_equal(back.voxels, scan.voxels)
    assert back.geometry.voxel_distance(geometry) < 1e-5
    assert back.geometry.slice_thickness_mm == geometry.slice_thickness_mm


@settings(max_examples=20, deadline=None)
@given(angles=turns)
def test_each_program_finds_a_voxel_where_it_is(angles: Any) -> None:
    geometry = oblique(angles)
    scan = vm.scan_from(voxels(geometry), geometry=geometry)
    (place,) = geometry.pixel_to_patient(3, [(4, 6)])
    value = scan.voxels[3, 4, 6]
    image = scan.to_nibabel()
    assert (image.affine @ (6, 4, 3, 1))[:3] * (-1, -1, 1) == pytest.approx(place, abs=1e-6)
    assert image.get_fdata()[6, 4, 3] == value
    other: Any = scan.to_sitk()
    assert other.TransformIndexToPhysicalPoint((6, 4, 3)) == pytest.approx(tuple(place), abs=1e-6)
    assert other[6, 4, 3] == value


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, -1, -1)])
@pytest.mark.parametrize("turned", [False, True])
def test_flipped_images_have_the_analytic_volume(flips: Any, turned: bool, tmp_path: Any) -> None:
    image = nifti_image(lesion(), affine(flips=flips, turned=turned))
    mask = vm.mask_from(image)
    nib.save(image, tmp_path / "a.nii")
    read = vm.read_mask(tmp_path / "a.nii")
    assert np.array_equal(mask.layers[0], read.layers[0])
    assert mask.geometry.voxel_distance(read.geometry) < 1e-4
    for one in (mask, vm.mask_from(mask.to_sitk()), vm.mask_from(mask.to_nibabel())):
        sections = one.cross_sections(1)
        assert vm.measure_volume(sections, rule=SPACING).volume_mm3 == pytest.approx(62 * VOXEL_MM3, rel=1e-5)
    binary = vm.mask_from(mask.to_sitk(label=2))
    assert [label.number for label in binary.labels] == [1]


def test_a_sheared_stack_goes_to_nibabel_alone() -> None:
    geometry = oblique((10, 20, 30))
    shift = np.arange(5)[:, np.newaxis] * geometry.row_direction * 0.7
    tilted = replace(geometry, slice_origins_mm=geometry.slice_origins_mm + shift)
    scan = vm.scan_from(voxels(tilted), geometry=tilted)
    assert vm.scan_from(scan.to_nibabel()).geometry.voxel_distance(tilted) < 1e-5
    with pytest.raises(vm.VolumetryError) as caught:
        scan.to_sitk()
    assert caught.value.code == "inconsistent-series"


def test_uneven_slices_have_no_affine() -> None:
    geometry = stack(5)
    uneven = replace(geometry, slice_origins_mm=geometry.slice_origins_mm[[0, 1, 3, 4]])
    mask = vm.mask_from(np.zeros((4, geometry.rows, geometry.columns), bool), geometry=uneven)
    with pytest.raises(vm.VolumetryError) as caught:
        mask.to_nibabel()
    assert caught.value.code == "inconsistent-series"


def bad_images() -> list[tuple[Any, str]]:
    conflict = nifti_image(lesion())
    conflict.header["pixdim"][1] = 2
    conflict.set_qform(None, 0, update_affine=False)
    forms = nifti_image(lesion())
    forms.set_qform(affine(turned=True), 1)
    squashed = itk.GetImageFromArray(lesion())
    squashed.SetDirection([3, 0, 0, 0, 1, 0, 0, 0, 1])
    return [
        (conflict, "header-conflict"),
        (forms, "affine-conflict"),
        (squashed, "header-conflict"),
        (nifti_image(lesion(), np.diag([1e-6, 1, 1, 1])), "header-conflict"),
        (nifti_image(np.zeros((3, 3, 3, 2), np.uint8)), "not-3d"),
        (itk.Image(4, 4, itk.sitkUInt8), "not-3d"),
        (nifti_image(lesion(np.float32) * np.float32(0.4)), "not-labels"),
        (nifti_image(lesion(np.float32) * np.float32("nan")), "non-finite"),
        (lesion(), "usage"),
        ("mask.nii", "usage"),
    ]


@pytest.mark.parametrize(("image", "code"), bad_images(), ids=range(len(bad_images())))
def test_what_has_no_right_answer_is_refused(image: Any, code: str) -> None:
    with pytest.raises(vm.VolumetryError) as caught:
        vm.mask_from(image)
    assert caught.value.code == code


def test_micrometres_are_converted() -> None:
    image = nifti_image(lesion(), affine() @ np.diag([1e3, 1e3, 1e3, 1]), units="micron")
    image.affine[:3, 3] *= 1
    assert vm.mask_from(image).geometry.slice_spacing_mm == pytest.approx(3.3, rel=1e-6)


def test_what_is_given_is_not_shared() -> None:
    geometry = stack(2)
    values = np.zeros((2, geometry.rows, geometry.columns), np.int16)
    scan = vm.scan_from(values, geometry=geometry)
    values[:] = 1
    assert not scan.voxels.any()
    assert not scan.voxels.flags.writeable
