import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from phantoms import SQUARE, mask_of, ring, squares, stack, trace_of

from volumetry.contours.rings import points_inside
from volumetry.contours.slice_contours import slice_area_pixels
from volumetry.errors import GeometryError, TraceError
from volumetry.masks.label_counter import LabelCounter
from volumetry.masks.labels import MaskLabel, find_label
from volumetry.masks.mask import Mask
from volumetry.masks.outlines import contours_from_mask, fill_contours, mask_from_contours, outline_pixels
from volumetry.measurement import measure_volume

PATTERNS = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


# -- outline to mask and back ------------------------------------------------------------------------------


@given(st.integers(3, 30), st.integers(0, 2**32 - 1))
def test_a_pixel_belongs_if_its_centre_is_inside(n, seed):
    vertices = np.random.default_rng(seed).uniform(-4, 16, (n, 2))
    pixels = np.array([(r, c) for r in range(12) for c in range(12)], float)
    filled = fill_contours([ring(0, vertices)], (12, 12))
    assert np.array_equal(filled.ravel(), points_inside(vertices, pixels))


def test_holes_and_islands_fill_by_even_odd():
    hole, island = np.array(SQUARE) * 0.6 + 3.6, np.array(SQUARE) * 0.2 + 7.2
    filled = fill_contours([ring(0), ring(0, hole, is_hole=True), ring(0, island)], (24, 24))
    assert filled.sum() == 100 - 36 + 4


@given(PATTERNS)
def test_an_outline_of_pixels_has_exactly_their_area(pattern):
    contours = outline_pixels(pattern, 3)
    assert slice_area_pixels(contours) == pattern.sum()
    assert np.array_equal(fill_contours(contours, pattern.shape), pattern)
    assert all(contour.crossing() is None and contour.slice_index == 3 for contour in contours)


@given(PATTERNS)
def test_outlines_of_pixels_can_be_measured(pattern):
    layer = np.zeros((6, 11, 11), np.uint8)
    layer[1:5, 1 : 1 + pattern.shape[0], 1 : 1 + pattern.shape[1]] = pattern
    mask = mask_of(layer, stack(rows=11, columns=11))
    trace = trace_of(contours_from_mask(mask, 1), mask.geometry)
    assert measure_volume(trace).volume_mm3 == pytest.approx(16 * pattern.sum(), rel=1e-12)
    assert measure_volume(mask).volume_mm3 == pytest.approx(16 * pattern.sum(), rel=1e-12)


def test_a_traced_pixel_has_an_area_of_one_after_any_number_of_turns():
    contours = (ring(0, [(4.5, 6.5), (4.5, 7.5), (5.5, 7.5), (5.5, 6.5)]),)
    for _ in range(100):
        mask = mask_from_contours({1: contours}, stack(1))
        contours = contours_from_mask(mask)
        assert [c.area_pixels for c in contours] == [1.0]


def test_pixels_that_meet_at_a_corner_are_two_outlines():
    assert len(outline_pixels(np.eye(3, dtype=bool), 0)) == 3


def test_nothing_is_filled_outside_the_image():
    filled = fill_contours([ring(0, [(-50, -50), (-50, 60), (60, 60), (60, -50)])], (5, 7))
    assert filled.all()
    assert not fill_contours([ring(0, np.array(SQUARE) - 100)], (5, 7)).any()
    assert not fill_contours([ring(0, np.array(SQUARE) + 100)], (5, 7)).any()


def test_lesions_that_overlap_get_layers_of_their_own():
    far = np.add(SQUARE, (0, 12))
    mask = mask_from_contours(
        {1: squares([1]), 2: [ring(1, np.array(SQUARE) + 3)], 5: [ring(1, far)]}, stack()
    )
    assert [label.layer for label in mask.labels] == [0, 1, 0]
    assert [mask.binary(n).sum() for n in (1, 2, 5)] == [100, 100, 100]


# -- the mask ----------------------------------------------------------------------------------------------


def test_layers_are_read_only_and_copied_where_they_must():
    layer = np.zeros((6, 24, 32), np.uint8)
    mask = mask_of(layer[:], stack())
    assert not mask.layers[0].flags.writeable
    layer[:] = 1
    assert not mask.layers[0].any()


@pytest.mark.parametrize("layer", [np.zeros((5, 24, 32), np.uint8), np.zeros((6, 24, 32))])
def test_layers_that_do_not_fit(layer):
    with pytest.raises(GeometryError) as caught:
        Mask(layers=(layer,), geometry=stack(), labels=())
    assert caught.value.code == "grid-mismatch"


LABELS = (
    MaskLabel(number=1, name="liver"),
    MaskLabel(number=3, name="lesion"),
    MaskLabel(number=4, name="lesion"),
)


@pytest.mark.parametrize(
    ("wanted", "declared", "outcome"),
    [
        (1, True, 1),
        ("liver", True, 1),
        (None, True, "ambiguous-series"),
        ("lesion", True, "ambiguous-series"),
        (9, True, "no-such-label"),
        (9, False, 9),
        ("spleen", False, "no-such-label"),
    ],
)
def test_the_label_asked_for(wanted, declared, outcome):
    if isinstance(outcome, int):
        assert find_label(LABELS, wanted, declared=declared).number == outcome
        return
    with pytest.raises(TraceError) as caught:
        find_label(LABELS, wanted, declared=declared)
    assert caught.value.code == outcome


def test_the_only_label_needs_no_name():
    assert find_label(LABELS[:1], None).number == 1
    assert find_label((), None).number == 1


# -- counting ------------------------------------------------------------------------------------------------


@given(arrays(np.int16, (3, 7, 8), elements=st.integers(-1, 3)), st.permutations(range(3)))
def test_counting_is_that_of_numpy(layer, order):
    geometry = stack(3, rows=7, columns=8, pixel_spacing_mm=(0.5, 2.0))
    counter = LabelCounter(geometry)
    for index in order:
        counter.add(index, layer[index])
    assert counter.found == tuple(sorted({int(n) for n in np.unique(layer)} - {0}))
    for number in counter.found:
        sections = counter.cross_sections(MaskLabel(number=number))
        filled = [i for i in range(3) if (layer[i] == number).any()]
        assert sections.slice_indices.tolist() == filled
        assert sections.areas_mm2.tolist() == [(layer[i] == number).sum() for i in filled]
        for row, index in enumerate(filled):
            pixels = np.argwhere(layer[index] == number)
            points = geometry.pixel_to_patient(index, pixels)
            assert sections.centroids_mm[row] == pytest.approx(points.mean(axis=0))
            half = np.array([1.0, 0.25, 0.0])
            assert sections.bounds_mm[row] == pytest.approx(
                np.stack((points.min(0) - half, points.max(0) + half))
            )
        rows, columns = np.argwhere(layer == number)[:, 1:].T
        at_edge = rows.min() == 0 or rows.max() == 6 or columns.min() == 0 or columns.max() == 7
        assert sections.touches_edge == at_edge


def test_counting_one_label_alone():
    layer = np.arange(6 * 24 * 32, dtype=np.int32).reshape(6, 24, 32) % 5
    mask = mask_of(layer, stack())
    assert mask.cross_sections(3).areas_mm2.sum() == (layer == 3).sum()
    assert mask.cross_sections(77).flags == ("empty-mask",)
