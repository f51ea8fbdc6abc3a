import numpy as np
import pytest
from phantoms import mask_of, ring, squares, stack, trace_of, without_slices

from volumetry.errors import GeometryError, MismatchError, TraceError, UsageError, VolumetryError
from volumetry.measurement import MeasurementRule, measure_volume

SPACING = MeasurementRule(height="spacing")


def test_both_volumes_of_slices_with_a_gap():
    volume = measure_volume(trace_of(squares(range(2, 7)), stack(9, spacing_mm=4.4, thickness_mm=4.0)))
    assert volume.volume_thickness_mm3 == pytest.approx(5 * 100 * 4.0, rel=1e-12)
    assert volume.volume_spacing_mm3 == pytest.approx(5 * 100 * 4.4, rel=1e-12)
    assert volume.volume_mm3 == volume.volume_thickness_mm3
    assert volume.volume_cm3 == pytest.approx(2.0)
    assert (volume.height_rule, volume.flags, volume.status) == ("thickness", ("slice-gap",), "measured")
    assert volume.slice_indices.tolist() == [2, 3, 4, 5, 6]
    assert volume.max_area_mm2 == pytest.approx(100)


def test_the_spacing_rule():
    volume = measure_volume(trace_of(squares(range(1, 5)), stack(spacing_mm=4.4)), rule=SPACING)
    assert (volume.volume_mm3, volume.height_rule) == (pytest.approx(1760), "spacing")


def test_a_clean_case_raises_no_flag():
    assert measure_volume(trace_of(squares(range(1, 5)))).flags == ()


def test_a_gap_of_one_percent_is_none():
    assert measure_volume(trace_of(squares(range(1, 5)), stack(spacing_mm=4.039))).flags == ()
    assert measure_volume(trace_of(squares(range(1, 5)), stack(spacing_mm=4.041))).flags == ("slice-gap",)


def test_overlapping_slices_leave_the_thickness_rule_without_a_number():
    trace = trace_of(squares(range(1, 5)), stack(spacing_mm=2.5, thickness_mm=5.0))
    volume = measure_volume(trace)
    assert (volume.volume_mm3, volume.volume_cm3, volume.code) == (None, None, "slices-overlap")
    assert volume.status == "not_measurable"
    assert "5 mm" not in volume.code
    assert "thickness_mm 5" in volume.message
    assert volume.volume_spacing_mm3 == pytest.approx(4 * 100 * 2.5)
    assert volume.volume_thickness_mm3 == pytest.approx(4 * 100 * 5.0)
    assert "slices-overlap" in volume.flags
    allowed = measure_volume(trace, rule=MeasurementRule(allow_overlap=True))
    assert (allowed.volume_mm3, allowed.code) == (pytest.approx(2000), "")
    by_spacing = measure_volume(trace, rule=SPACING)
    assert (by_spacing.volume_mm3, by_spacing.code) == (pytest.approx(1000), "")


def test_thickness_unknown_is_never_one_millimetre():
    volume = measure_volume(trace_of(squares(range(1, 5)), stack(thickness_mm=None)))
    assert volume.volume_thickness_mm3 is None
    assert (volume.volume_mm3, volume.height_rule) == (pytest.approx(1600), "spacing")
    assert volume.flags == ("thickness-unknown",)


def test_one_slice_has_a_thickness_and_no_spacing():
    trace = trace_of(squares([0]), stack(1))
    volume = measure_volume(trace)
    assert (volume.volume_mm3, volume.volume_spacing_mm3) == (pytest.approx(400), None)
    for rule, geometry in ((SPACING, stack(1)), (None, stack(1, thickness_mm=None))):
        with pytest.raises(GeometryError) as caught:
            measure_volume(trace_of(squares([0]), geometry), rule=rule)
        assert caught.value.code == "single-slice"


def test_uneven_slices_stand_for_half_the_way_to_each_neighbour():
    geometry = stack(positions_mm=[0, 4, 8, 13, 16, 20], thickness_mm=4.0)
    volume = measure_volume(trace_of(squares(range(1, 5)), geometry), rule=SPACING)
    assert volume.heights_spacing_mm.tolist() == pytest.approx([4, 4.5, 4, 3.5])
    assert volume.volume_mm3 == pytest.approx(1600)
    assert volume.flags == ("nonuniform-spacing",)


def test_end_slices_use_their_one_neighbour_on_both_sides():
    geometry = stack(positions_mm=[0, 5, 9], thickness_mm=4.0)
    volume = measure_volume(trace_of(squares(range(3)), geometry), rule=SPACING)
    assert volume.heights_spacing_mm.tolist() == pytest.approx([5, 4.5, 4])


# -- slices that are not traced, and slices that are not there ---------------------------------------------


def test_an_untraced_slice_is_refused():
    with pytest.raises(TraceError) as caught:
        measure_volume(trace_of(squares([1, 2, 4, 5]), stack(8)))
    assert caught.value.code == "untraced-slice"
    assert caught.value.values == {"slice_index": "3"}


def test_an_untraced_slice_is_absent_if_the_user_says_so():
    rule = MeasurementRule(skipped_slices="absent")
    volume = measure_volume(trace_of(squares([1, 2, 4, 5]), stack(8, spacing_mm=4.4)), rule=rule)
    assert volume.volume_thickness_mm3 == pytest.approx(4 * 100 * 4.0)
    assert volume.volume_spacing_mm3 == pytest.approx(4 * 100 * 4.4)
    assert volume.flags == ("skipped-slices", "slice-gap")


def test_an_untraced_slice_is_bridged_if_the_user_says_so():
    rule = MeasurementRule(skipped_slices="bridge")
    small = [(4, 4), (4, 9), (14, 9), (14, 4)]
    contours = [ring(1), ring(2), ring(4, small), ring(5, small)]
    volume = measure_volume(trace_of(contours, stack(8, spacing_mm=4.4)), rule=rule)
    # Slices 2 and 4 reach to the middle of slice 3: 1.5 steps each.
    assert volume.heights_spacing_mm.tolist() == pytest.approx([4.4, 6.6, 6.6, 4.4])
    assert volume.volume_spacing_mm3 == pytest.approx(100 * 4.4 + 100 * 6.6 + 50 * 6.6 + 50 * 4.4)
    assert volume.volume_thickness_mm3 == pytest.approx(100 * 4 + 100 * 6 + 50 * 6 + 50 * 4)
    assert volume.flags == ("skipped-slices", "slice-gap")


def test_bridging_changes_nothing_where_nothing_is_skipped():
    trace = trace_of(squares(range(1, 5)))
    rule = MeasurementRule(skipped_slices="bridge")
    assert measure_volume(trace, rule=rule).volume_mm3 == measure_volume(trace).volume_mm3


def test_a_mask_may_skip_slices():
    layer = np.zeros((8, 24, 32), np.uint8)
    layer[[1, 2, 4, 5], 4:14, 4:14] = 1
    volume = measure_volume(mask_of(layer, stack(8)))
    assert (volume.volume_mm3, volume.flags, volume.label) == (1600, (), 1)


def test_a_missing_slice_inside_the_lesion_is_refused():
    trace = trace_of(squares(range(1, 7)), without_slices(stack(9), [4]))
    with pytest.raises(GeometryError) as caught:
        measure_volume(trace)
    assert caught.value.code == "missing-slice"
    assert caught.value.values["between slice_index"] == (3, 4)
    assert caught.value.values["positions_mm"] == (42.0, 50.0)


def test_a_missing_slice_can_be_interpolated():
    geometry = without_slices(stack(9, spacing_mm=4.4), [4])
    small = [(4, 4), (4, 9), (14, 9), (14, 4)]
    contours = [ring(1), ring(2), ring(3), ring(4, small), ring(5, small)]
    rule = MeasurementRule(interpolate_missing=True)
    volume = measure_volume(trace_of(contours, geometry), rule=rule)
    # The area of the lost slice is the mean of its neighbours, 75 mm2.
    assert volume.volume_spacing_mm3 == pytest.approx(4.4 * (300 + 75 + 100))
    assert volume.volume_thickness_mm3 == pytest.approx(4.0 * (300 + 75 + 100))
    assert volume.flags == ("interpolated", "slice-gap")


def test_a_missing_slice_outside_the_lesion_is_a_flag():
    geometry = without_slices(stack(10), [7])
    volume = measure_volume(trace_of(squares(range(1, 6)), geometry))
    assert (volume.volume_mm3, volume.volume_spacing_mm3) == (pytest.approx(2000), pytest.approx(2000))
    assert volume.flags == ("missing-slice-outside",)
    rule = MeasurementRule(interpolate_missing=True)
    assert measure_volume(trace_of(squares(range(1, 6)), geometry), rule=rule).flags == volume.flags


def test_missing_slices_inside_and_outside():
    geometry = without_slices(stack(14), [3, 10])
    rule = MeasurementRule(interpolate_missing=True)
    volume = measure_volume(trace_of(squares(range(1, 7)), geometry), rule=rule)
    assert volume.flags == ("interpolated", "missing-slice-outside")
    assert volume.volume_spacing_mm3 == pytest.approx(7 * 100 * 4)


# -- absence, size and place -------------------------------------------------------------------------------


def test_a_trace_without_outlines_is_absent():
    volume = measure_volume(trace_of([]))
    assert (volume.volume_mm3, volume.status, volume.n_slices) == (0.0, "absent", 0)
    assert (volume.centroid_mm, volume.extent_mm, volume.max_area_mm2) == (None, None, 0.0)


def test_an_empty_mask_is_absent():
    volume = measure_volume(mask_of(np.zeros((6, 24, 32), np.uint8), stack()))
    assert (volume.volume_mm3, volume.status, volume.flags) == (0.0, "absent", ("empty-mask",))


def test_absent_where_slices_overlap_is_absent():
    volume = measure_volume(trace_of([], stack(spacing_mm=2.5, thickness_mm=5.0)))
    assert (volume.volume_mm3, volume.status) == (0.0, "absent")


@pytest.mark.parametrize(("slices", "few"), [(range(1, 4), True), (range(1, 5), False)])
def test_few_slices(slices, few):
    assert ("few-slices" in measure_volume(trace_of(squares(slices))).flags) == few


@pytest.mark.parametrize(
    "contours",
    [
        squares(range(4)),
        squares(range(2, 6)),
        [ring(i, [(-0.5, 4), (-0.5, 9), (5, 9), (5, 4)]) for i in range(1, 5)],
        [ring(i, [(4, 20), (4, 31.5), (14, 31.5), (14, 20)]) for i in range(1, 5)],
    ],
)
def test_a_lesion_at_the_edge(contours):
    assert measure_volume(trace_of(contours)).flags == ("touches-edge",)


def test_a_mask_at_the_edge():
    layer = np.zeros((6, 24, 32), np.uint8)
    layer[1:5, 4:14, 25:] = 1
    assert measure_volume(mask_of(layer, stack())).flags == ("touches-edge",)


def test_place_in_the_patient():
    geometry = stack(8, spacing_mm=5.0, pixel_spacing_mm=(0.5, 2.0), origin_mm=(10, 20, 30))
    volume = measure_volume(trace_of(squares(range(2, 6)), geometry), rule=SPACING)
    assert volume.centroid_mm == pytest.approx([10 + 9 * 2.0, 20 + 9 * 0.5, 30 + 3.5 * 5])
    assert volume.extent_mm == pytest.approx([20, 5, 20])


@pytest.mark.parametrize(
    ("name", "geometry"),
    [
        ("sheared-stack", stack(shift_mm=(0, 1.0, 0))),
        ("sheared-grid", stack(directions=((1, 0, 0), (0.6, 0.8, 0)))),
    ],
)
def test_shear(name, geometry):
    volume = measure_volume(trace_of(squares(range(1, 5)), geometry), rule=SPACING)
    assert volume.flags == (name,)
    # Gantry tilt moves slices sideways and leaves their distance; a sheared pixel is its determinant.
    assert volume.volume_mm3 == pytest.approx(1600 * (0.8 if name == "sheared-grid" else 1))


@pytest.mark.parametrize(
    ("side", "origin_x", "fits"), [("L", 20, True), ("R", 20, False), ("R", -60, True), ("L", -60, False)]
)
def test_the_side_is_told_by_the_patient(side, origin_x, fits):
    trace = trace_of(squares(range(1, 5)), stack(origin_mm=(origin_x, 0, 0)), side=side)
    if fits:
        assert measure_volume(trace).side == side
        return
    with pytest.raises(MismatchError) as caught:
        measure_volume(trace)
    assert caught.value.code == "side-mismatch"
    assert measure_volume(trace, rule=MeasurementRule(check_side=False)).volume_mm3 == pytest.approx(1600)


def test_near_the_midline_either_side_is_right():
    for side in "LR":
        measured = measure_volume(trace_of(squares(range(1, 5)), stack(origin_mm=(-12, 0, 0)), side=side))
        assert measured.side == side


# -- holes, and what says no area --------------------------------------------------------------------------


def test_holes_are_taken_away():
    hole = [(6, 6), (6, 8), (8, 8), (8, 6)]
    contours = [c for i in range(1, 5) for c in (ring(i), ring(i, hole, is_hole=True))]
    volume = measure_volume(trace_of(contours))
    assert volume.volume_mm3 == pytest.approx(4 * 96 * 4)
    assert volume.centroid_mm[0] == pytest.approx(20 + (9 * 100 - 7 * 4) / 96)


@pytest.mark.parametrize(
    ("vertices", "code"),
    [([(0, 0), (4, 4), (4, 0), (0, 4)], "self-intersection"), (None, "ambiguous-overlap")],
)
def test_outlines_that_say_no_area(vertices, code):
    contours = [ring(2), ring(2, [(6, 6), (6, 8), (8, 8)] if vertices is None else vertices)]
    with pytest.raises(TraceError) as caught:
        measure_volume(trace_of(contours))
    assert caught.value.code == code


@pytest.mark.parametrize("wrong", [{"height": "thick"}, {"skipped_slices": "guess"}])
def test_a_rule_that_is_none(wrong):
    with pytest.raises(UsageError):
        MeasurementRule(**wrong)


def test_several_labels_need_a_name():
    layer = np.zeros((6, 24, 32), np.uint8)
    layer[1:5, 4:14, 4:14], layer[1:5, 16:18, 4:14] = 1, 2
    mask = mask_of(layer, stack())
    with pytest.raises(VolumetryError) as caught:
        measure_volume(mask)
    assert caught.value.code == "ambiguous-series"
    assert measure_volume(mask, label=2).volume_mm3 == pytest.approx(4 * 20 * 4)
    assert measure_volume(mask, label=7).status == "absent"


def test_plain_values():
    values = measure_volume(trace_of(squares(range(1, 5)), stack(spacing_mm=4.4))).as_dict()
    assert values["volume_mm3"] == pytest.approx(1600)
    assert (values["slice_thickness_mm"], values["slice_spacing_mm"]) == (4.0, pytest.approx(4.4))
    assert values["slices"][0] == {
        "index": 1,
        "position_mm": pytest.approx(34.4),
        "area_mm2": 100.0,
        "height_mm": 4.0,
    }
    assert (values["name"], values["flags"], values["status"]) == ("L1", ["slice-gap"], "measured")
