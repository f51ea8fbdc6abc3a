"""Outlines that cross themselves, taken apart: the even-odd area, in rings that say it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from volumetry.contours.contour import Contour
from volumetry.contours.loops import MOST_CROSSINGS, simple_contours
from volumetry.contours.slice_contours import check_slice_contours, slice_area_pixels
from volumetry.errors import TraceError

PENTAGRAM = [(10 * np.cos(0.8 * np.pi * k), 10 * np.sin(0.8 * np.pi * k)) for k in range(5)]


def even_odd_by_bands(vertices: np.ndarray) -> float:
    """Even-odd area, exact: between two rows where edges end or cross, every second gap is a trapezoid."""
    ends = np.roll(vertices, -1, axis=0)
    levels = list(vertices[:, 0])
    for i in range(len(vertices)):
        for j in range(i + 2, len(vertices)):
            along, other, apart = ends[i] - vertices[i], ends[j] - vertices[j], vertices[j] - vertices[i]
            if (across := along[0] * other[1] - along[1] * other[0]) == 0:
                continue
            t = (apart[0] * other[1] - apart[1] * other[0]) / across
            if 0 < t < 1:
                levels.append(float(vertices[i][0] + t * along[0]))
    total = 0.0
    for low, high in pairwise(np.unique(levels)):
        middle = (low + high) / 2
        spans = (vertices[:, 0] > middle) != (ends[:, 0] > middle)
        first, last = vertices[spans], ends[spans]
        at = first[:, 1] + (middle - first[:, 0]) / (last[:, 0] - first[:, 0]) * (last[:, 1] - first[:, 1])
        columns = np.sort(at)
        total += (high - low) * float((columns[1::2] - columns[::2]).sum())
    return total


hundredths = st.integers(-2_000, 2_000).map(lambda n: n / 100)
points = st.tuples(hundredths, hundredths)
grid_points = st.tuples(st.integers(0, 5), st.integers(0, 5))


@example([(0.001, 0.0), (-0.001, -0.001), (0.0, -0.001), (0.0, 0.0), (-0.001, -1.766)])
@given(st.one_of(st.lists(points, min_size=3, max_size=25), st.lists(grid_points, min_size=3, max_size=25)))
def test_any_ring_is_resolved_to_its_even_odd_area_in_rings_that_do_not_overlap(ring):
    try:
        contour = Contour(slice_index=0, vertices=ring)
    except TraceError:
        return  # no ring
    rings, flags = simple_contours([contour], resolve=True)
    check_slice_contours(rings)
    expected = even_odd_by_bands(contour.vertices)
    assert slice_area_pixels(rings) == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert flags or contour.crossing() is None


def test_a_star_drawn_in_one_stroke_has_a_hole_in_its_middle():
    rings, flags = simple_contours([Contour(slice_index=0, vertices=PENTAGRAM)], resolve=True)
    assert (len(rings), flags) == (5, {"self-intersection"})
    inner = 10 * np.cos(0.4 * np.pi) / np.cos(0.2 * np.pi)
    assert slice_area_pixels(rings) == pytest.approx(5 * 10 * inner * np.sin(0.2 * np.pi) - pentagon(inner))


def pentagon(radius: float) -> float:
    return 2.5 * radius**2 * float(np.sin(0.4 * np.pi))


def test_a_hole_that_crosses_itself_is_taken_away_in_its_loops():
    outline = Contour(slice_index=0, vertices=[(-20, -20), (-20, 20), (20, 20), (20, -20)])
    hole = Contour(slice_index=0, vertices=[(0, 0), (10, 10), (10, 0), (0, 10)], is_hole=True)
    rings, _ = simple_contours([outline, hole], resolve=True)
    check_slice_contours(rings)
    assert slice_area_pixels(rings) == pytest.approx(1600 - 50)


@pytest.mark.parametrize("n_points", [90, 2000, 50_000])
@pytest.mark.parametrize("resolve", [False, True])
def test_a_scribble_is_answered_whatever_its_size(n_points, resolve):
    scribble = np.random.default_rng(0).uniform(-10, 10, (n_points, 2))
    contour = Contour(slice_index=0, vertices=scribble)
    if n_points < 100 and resolve:
        rings, _ = simple_contours([contour], resolve=True)
        assert 100 < len(rings) < MOST_CROSSINGS
        assert slice_area_pixels(rings) == pytest.approx(even_odd_by_bands(scribble))
        return
    with pytest.raises(TraceError) as caught:
        simple_contours([contour], resolve=resolve)
    assert caught.value.code == "self-intersection"
    if n_points < 100:
        assert 0 < float(caught.value.values["loops in percent of the area"]) < 100
    else:
        assert "too often" in caught.value.what
        assert "--self-intersections" not in caught.value.todo
