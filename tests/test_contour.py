import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phantoms import SQUARE, circle, ring

from volumetry.contours.contour import Contour
from volumetry.contours.rings import (
    even_odd_area,
    find_crossing,
    points_inside,
    ring_inside,
    rings_overlap,
    shared_area,
)
from volumetry.contours.slice_contours import check_slice_contours, slice_area_pixels
from volumetry.errors import TraceError

SMALL = ((6.0, 6.0), (6.0, 8.0), (8.0, 8.0), (8.0, 6.0))
KEYHOLE = ((0, 0), (0, 4), (4, 4), (4, 0), (0, 0), (1, 1), (3, 1), (3, 3), (1, 3), (1, 1))
TWO_PIXELS_AT_A_CORNER = ((0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 1), (1, 1), (1, 0))
BOW_TIE = ((0, 0), (2, 2), (2, 0), (0, 2))
BOW_TIE_THROUGH_A_VERTEX = ((0, 0), (1, 1), (2, 2), (2, 0), (1, 1), (0, 2))
LOOP_RUN_TWICE = ((0, 0), (0, 2), (2, 2), (2, 0), (0, 0), (0, 2), (2, 2), (2, 0))


@pytest.mark.parametrize(
    ("vertices", "area"),
    [
        (SQUARE, 100.0),
        (((0, 0), (0, 1), (1, 0)), 0.5),
        (((1e6, 1e6), (1e6, 1e6 + 3), (1e6 + 3, 1e6)), 4.5),
        (KEYHOLE, 12.0),
        (TWO_PIXELS_AT_A_CORNER, 2.0),
    ],
)
def test_area_is_the_shoelace(vertices, area):
    assert ring(0, vertices).area_pixels == pytest.approx(area, rel=1e-12)


def test_area_and_centroid_of_a_regular_polygon():
    n, radius = 17, 8.25
    angles = 2 * np.pi * np.arange(n) / n + 0.3
    contour = ring(0, np.column_stack((np.cos(angles), np.sin(angles))) * radius + (100.25, -40.5))
    assert contour.area_pixels == pytest.approx(n / 2 * radius**2 * np.sin(2 * np.pi / n), rel=1e-12)
    assert contour.centroid == pytest.approx((100.25, -40.5), rel=1e-12)


def test_centroid_of_a_ring_without_area_is_that_of_its_vertices():
    assert ring(0, ((0, 0), (1, 1), (2, 2))).centroid == pytest.approx((1, 1))


def test_the_ring_closes_itself_and_repeats_are_dropped():
    contour = ring(3, ((0, 0), (0, 2), (0, 2), (2, 2), (2, 0), (0, 0)))
    assert contour.vertices.tolist() == [[0, 0], [0, 2], [2, 2], [2, 0]]
    assert contour.slice_index == 3


def test_vertices_are_a_copy_nobody_can_write_to():
    mine = np.array(SQUARE)
    contour = Contour(slice_index=0, vertices=mine)
    mine[:] = 0
    assert contour.area_pixels == 100
    with pytest.raises(ValueError, match="read-only"):
        contour.vertices[0] = 1


@pytest.mark.parametrize(
    "vertices", [[], [(0, 0), (1, 1)], [(0, 0), (1, 1), (0, 0)], [(0, 0), (1, np.nan), (2, 2)]]
)
def test_what_is_no_outline_is_refused(vertices):
    with pytest.raises(TraceError) as caught:
        Contour(slice_index=2, vertices=vertices)
    assert caught.value.code == "invalid-contour"
    assert caught.value.values["slice_index"] == 2


@pytest.mark.parametrize(
    "vertices", [SQUARE, KEYHOLE, TWO_PIXELS_AT_A_CORNER, ((0, 0), (0, 2), (0, 1), (2, 1))]
)
@pytest.mark.parametrize("start", [0, 1, 3])
@pytest.mark.parametrize("step", [1, -1])
def test_touching_is_no_crossing(vertices, start, step):
    assert find_crossing(np.roll(np.array(vertices, float), start, axis=0)[::step]) is None


@pytest.mark.parametrize("vertices", [BOW_TIE, BOW_TIE_THROUGH_A_VERTEX, LOOP_RUN_TWICE])
@pytest.mark.parametrize("start", range(4))
@pytest.mark.parametrize("step", [1, -1])
def test_a_bow_tie_is_a_crossing(vertices, start, step):
    vertices = np.roll(np.array(vertices, float), start, axis=0)[::step]
    assert find_crossing(vertices) is not None
    assert find_crossing(vertices[:, ::-1]) is not None


def test_the_crossing_is_named():
    assert ring(0, BOW_TIE).crossing() == pytest.approx((1, 1))


def test_a_crossing_is_found_among_many_vertices():
    smooth = circle(50.0, n=3000)
    assert find_crossing(smooth) is None
    loop = smooth.copy()
    loop[[1500, 1501]] = loop[[1501, 1500]]
    assert find_crossing(loop) is not None


def _crosses_by_trying_all(vertices):
    n = len(vertices)
    a, b = vertices, np.roll(vertices, -1, axis=0)

    def side(p, q, r):
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return any(
        side(a[i], b[i], a[j]) * side(a[i], b[i], b[j]) < 0
        and side(a[j], b[j], a[i]) * side(a[j], b[j], b[i]) < 0
        for i in range(n)
        for j in range(i + 1, n)
    )


@given(st.integers(3, 40), st.integers(0, 2**32 - 1))
def test_crossings_are_those_that_trying_all_edges_finds(n, seed):
    vertices = np.random.default_rng(seed).random((n, 2)) * 10
    assert (find_crossing(vertices) is not None) == _crosses_by_trying_all(vertices)


@given(st.integers(3, 24), st.integers(1, 4), st.floats(0, 0.6), st.integers(0, 2**32 - 1))
def test_round_rings_that_wind_several_times_or_turn_back_cross_as_trying_all_edges_finds(
    n, turns, jitter, seed
):
    random = np.random.default_rng(seed)
    angles = np.sort(random.uniform(0, 2 * np.pi * turns, n)) + jitter * random.normal(size=n)
    radius = random.uniform(2, 20, n)
    vertices = np.stack((radius * np.cos(angles), radius * np.sin(angles)), axis=1)[:: random.choice((1, -1))]
    assert (find_crossing(vertices) is not None) == _crosses_by_trying_all(vertices)


@pytest.mark.parametrize("pieces", [5, 7, 9])
def test_a_star_of_many_points_drawn_in_one_stroke_crosses(pieces):
    angles = np.arange(pieces) * 2 * np.pi * (pieces // 2) / pieces
    assert find_crossing(np.stack((np.cos(angles), np.sin(angles)), axis=1)) is not None


def test_even_odd_area_of_touching_edges():
    vertices = np.array(KEYHOLE, float)
    assert even_odd_area(vertices, np.roll(vertices, -1, axis=0)) == pytest.approx(12)


def test_points_inside_by_even_odd():
    inside = points_inside(np.array(KEYHOLE, float), np.array([(0.5, 2), (2, 2), (5, 2), (3.5, 0.5)]))
    assert inside.tolist() == [True, False, False, True]
    assert ring(0, KEYHOLE).contains(np.array([(2.0, 2.0)])).tolist() == [False]


# -- several rings of one slice ----------------------------------------------------------------------------


def moved(vertices, rows, columns):
    return np.add(vertices, (rows, columns))


@pytest.mark.parametrize(
    ("other", "shared"),
    [
        (moved(SQUARE, 0, 20), 0),  # beside
        (moved(SQUARE, 0, 10), 0),  # edge to edge
        (moved(SQUARE, 10, 10), 0),  # corner to corner
        (moved(SQUARE, 0, 5), 50),  # half over, along common edges: no edge crosses another
        (moved(SQUARE, 0, 0), 100),  # the same
        (SMALL, 4),  # inside
        (moved(SMALL, -2, -2), 4),  # inside, touching two edges
    ],
)
def test_shared_area(other, shared):
    square, other = np.array(SQUARE), np.array(other, float)
    assert shared_area(square, other) == pytest.approx(shared, abs=1e-12)
    assert shared_area(other, square) == pytest.approx(shared, abs=1e-12)
    assert rings_overlap(square, other) == (shared > 0)
    assert ring_inside(other, square) == (shared == pytest.approx(abs(ring(0, other).area_pixels)))


def test_crossing_rings_share_an_area_that_is_not_told():
    assert shared_area(np.array(SQUARE), moved(SQUARE, 3, 5)) is None
    assert rings_overlap(np.array(SQUARE), moved(SQUARE, 3, 5))
    assert not ring_inside(moved(SQUARE, 3, 5), np.array(SQUARE))


def code_of(*contours):
    try:
        check_slice_contours(contours)
    except TraceError as error:
        return error.code
    return ""


def test_outlines_add_up_and_holes_are_taken_away():
    contours = [ring(0), ring(0, SMALL, is_hole=True), ring(0, moved(SMALL, 0, 20))]
    assert code_of(*contours) == ""
    assert slice_area_pixels(contours) == pytest.approx(100 - 4 + 4)


@pytest.mark.parametrize(
    ("contours", "code"),
    [
        ([ring(0), ring(0, moved(SQUARE, 0, 10))], ""),
        ([ring(0), ring(0, SMALL)], "ambiguous-overlap"),
        ([ring(0), ring(0)], "ambiguous-overlap"),
        ([ring(0), ring(0, moved(SQUARE, 0, 5))], "ambiguous-overlap"),
        ([ring(0), ring(0, moved(SQUARE, 3, 5))], "ambiguous-overlap"),
        ([ring(0), ring(0, moved(SMALL, 0, 20), is_hole=True)], "ambiguous-overlap"),
        ([ring(0), ring(0, moved(SQUARE, 3, 5), is_hole=True)], "ambiguous-overlap"),
        (
            [ring(0), ring(0, SMALL, is_hole=True), ring(0, moved(SMALL, 1, 1), is_hole=True)],
            "ambiguous-overlap",
        ),
        ([ring(0), ring(0, SMALL, is_hole=True), ring(0, moved(SMALL, 2, 2), is_hole=True)], ""),
        ([ring(0), ring(0, moved(SMALL, -2, -2), is_hole=True)], ""),
        ([ring(0, SMALL, is_hole=True)], "ambiguous-overlap"),
        ([ring(0), ring(0, BOW_TIE)], "self-intersection"),
    ],
)
def test_what_the_rings_of_a_slice_may_be(contours, code):
    assert code_of(*contours) == code
    assert code_of(*contours[::-1]) == code


def test_an_island_lies_in_a_hole():
    hole = moved(SQUARE, 0, 0) * 0.5 + 4.5
    contours = [ring(0), ring(0, hole, is_hole=True), ring(0, moved(SMALL, 2, 2))]
    assert code_of(*contours) == ""
    assert slice_area_pixels(contours) == pytest.approx(100 - 25 + 4)
