from dataclasses import replace

import numpy as np
import pytest
from phantoms import AXIAL, CORONAL, SAGITTAL, rotation, stack, without_slices

from volumetry.errors import GeometryError
from volumetry.geometry import ScanGeometry, sorted_by_position


def code_of(**values):
    with pytest.raises(GeometryError) as caught:
        replace(stack(), **values)
    return caught.value.code


def test_arrays_are_copies_nobody_can_write_to():
    origins = np.array([[0.0, 0, 0], [0, 0, 4]])
    geometry = replace(stack(), slice_origins_mm=origins)
    origins[:] = 7
    assert geometry.slice_positions_mm.tolist() == [0, 4]
    for array in (geometry.slice_origins_mm, geometry.row_direction, geometry.column_direction):
        assert not array.flags.writeable


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"pixel_spacing_mm": (0.0, 1.0)}, "bad-spacing"),
        ({"pixel_spacing_mm": (1.0, -1.0)}, "bad-spacing"),
        ({"pixel_spacing_mm": (1.0, float("nan"))}, "bad-spacing"),
        ({"slice_thickness_mm": 0.0}, "bad-spacing"),
        ({"slice_thickness_mm": float("inf")}, "bad-spacing"),
        ({"row_direction": (2.0, 0, 0)}, "bad-spacing"),
        ({"row_direction": (np.nan, 0, 0)}, "bad-spacing"),
        ({"slice_origins_mm": [[0, 0, np.inf]]}, "bad-spacing"),
        ({"slice_origins_mm": [[0, 0, 0], [0, 0, 0]]}, "duplicate-position"),
        ({"slice_origins_mm": [[0, 0, 4], [0, 0, 0]]}, "duplicate-position"),
        ({"slice_origins_mm": [[0, 0, 0], [9, 9, 0]]}, "duplicate-position"),
        ({"slice_origins_mm": np.empty((0, 3))}, "not-3d"),
        ({"rows": 0}, "not-3d"),
    ],
)
def test_what_is_no_geometry_is_refused(values, code):
    assert code_of(**values) == code


def test_the_error_names_the_value():
    with pytest.raises(GeometryError, match=r"spacing between columns_mm -1"):
        replace(stack(), pixel_spacing_mm=(1.0, -1.0))


def test_spacing_is_the_difference_of_positions():
    geometry = stack(5, spacing_mm=4.4, thickness_mm=4.0)
    assert geometry.slice_spacing_mm == pytest.approx(4.4)
    assert (geometry.gap_mm, geometry.gap_ratio) == (pytest.approx(0.4), pytest.approx(1.1))
    assert geometry.slice_heights_mm() == pytest.approx([4.4] * 5)


@pytest.mark.parametrize("directions", [AXIAL, CORONAL, SAGITTAL])
def test_gantry_tilt_is_taken_along_the_normal(directions):
    row = np.asarray(directions[0])
    tilted = stack(5, spacing_mm=5.0, directions=directions, shift_mm=row * 5 * np.tan(np.deg2rad(20)))
    assert tilted.slice_spacing_mm == pytest.approx(5.0)
    assert tilted.is_sheared_stack
    assert not stack(5, directions=directions).is_sheared_stack
    assert not stack(1).is_sheared_stack


def test_a_drift_of_a_third_of_a_degree_is_no_shear():
    assert not stack(20, shift_mm=(0.004 * 4, 0, 0)).is_sheared_stack
    assert stack(20, shift_mm=(0.02 * 4, 0, 0)).is_sheared_stack


def test_jitter_is_no_finding():
    jitter = np.array([0, 1, -1, 2, -2, 0]) * 1e-4
    geometry = stack(positions_mm=np.arange(6) * 4.0 + jitter)
    assert not geometry.is_uneven
    assert geometry.slice_spacing_mm == pytest.approx(4.0)


def test_uneven_slices_have_no_one_spacing():
    geometry = stack(positions_mm=[0, 4, 8, 13, 17])
    assert geometry.is_uneven
    assert (geometry.slice_spacing_mm, geometry.gap_mm) == (None, None)
    assert geometry.regular_step_mm == pytest.approx(4)
    assert geometry.slice_heights_mm() == pytest.approx([4, 4, 4.5, 4.5, 4])


@pytest.mark.parametrize(("missing", "holes"), [([3], (2,)), ([3, 4], (2,)), ([2, 6], (1, 4)), ([], ())])
def test_holes(missing, holes):
    geometry = without_slices(stack(10), missing)
    assert geometry.holes == holes
    assert not geometry.is_uneven
    assert geometry.slice_spacing_mm == pytest.approx(4.0)
    assert geometry.slice_heights_mm() == pytest.approx(np.full(geometry.n_slices, 4.0))


def test_heights_across_a_hole():
    geometry = without_slices(stack(6), [2])
    assert geometry.slice_heights_mm(across_holes=True) == pytest.approx([4, 6, 6, 4, 4])


def test_one_slice_has_no_spacing():
    geometry = stack(1)
    assert (geometry.slice_spacing_mm, geometry.regular_step_mm, geometry.gap_ratio, geometry.holes) == (
        None,
        None,
        None,
        (),
    )
    assert not geometry.is_uneven
    with pytest.raises(GeometryError) as caught:
        geometry.slice_heights_mm()
    assert caught.value.code == "single-slice"


def test_two_slices():
    assert stack(2, spacing_mm=7.0).slice_heights_mm() == pytest.approx([7, 7])


def test_pixels_are_named_row_column_and_spacings_likewise():
    geometry = stack(pixel_spacing_mm=(0.5, 2.0), origin_mm=(10, 20, 30), directions=CORONAL)
    assert geometry.pixel_to_patient(1, [(3, 5)])[0] == pytest.approx([10 + 5 * 2.0, 20 + 4, 30 - 3 * 0.5])
    assert geometry.pixel_area_mm2 == 1.0


def test_there_and_back():
    turn = rotation((10, 20, 30))
    geometry = stack(pixel_spacing_mm=(0.5, 2.0), directions=(turn[:, 0], turn[:, 1]))
    pixels = np.random.default_rng(1).random((50, 2)) * 20
    points = geometry.pixel_to_patient(3, pixels)
    assert geometry.patient_to_pixel(3, points) == pytest.approx(pixels)
    assert geometry.patient_to_pixel(3, points + 0.7 * geometry.normal) == pytest.approx(pixels)
    index, distance = geometry.nearest_slice(points[0] + 0.7 * geometry.normal)
    assert (index, distance) == (3, pytest.approx(0.7))


def test_a_sheared_grid_is_measured_by_its_determinant():
    geometry = stack(directions=((1, 0, 0), (0.6, 0.8, 0)), pixel_spacing_mm=(2.0, 3.0))
    assert geometry.is_sheared_grid
    assert geometry.pixel_area_mm2 == pytest.approx(6 * 0.8)
    assert not stack().is_sheared_grid
    pixels = [(3.0, 4.0)]
    assert geometry.patient_to_pixel(0, geometry.pixel_to_patient(0, pixels)) == pytest.approx(
        np.array(pixels)
    )


def test_distance_of_grids_in_voxels():
    geometry = stack()
    assert geometry.voxel_distance(geometry) == 0
    assert geometry.voxel_distance(stack(origin_mm=(20, -10, 30.002))) == pytest.approx(0.002)
    assert geometry.voxel_distance(stack(n_slices=5)) == np.inf
    assert geometry.voxel_distance(stack(pixel_spacing_mm=(1.0, 1.001))) == pytest.approx(0.031)


def test_equality_is_of_values():
    assert stack() == stack()
    assert stack() != stack(thickness_mm=None)
    assert stack() != stack(frame_of_reference_uid=None)
    assert stack() != "a stack"
    with pytest.raises(TypeError):
        hash(stack())


def test_slices_are_sorted_by_position():
    geometry = stack(directions=CORONAL)
    order = np.random.default_rng(0).permutation(6)
    shuffled = geometry.slice_origins_mm[order]
    found = sorted_by_position(geometry.row_direction, geometry.column_direction, shuffled)
    assert np.array_equal(shuffled[found], geometry.slice_origins_mm)


def test_plain_lists_are_taken():
    geometry = ScanGeometry(
        rows=4,
        columns=4,
        pixel_spacing_mm=(1, 1),
        row_direction=[1, 0, 0],
        column_direction=[0, 1, 0],
        slice_origins_mm=[0, 0, 0],
    )
    assert geometry.n_slices == 1
