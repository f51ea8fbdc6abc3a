"""Two tracings of one lesion: held to circles and squares whose overlap is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from volumetry.agreement.overlap import compare_outlines, differs_beyond
from volumetry.contours.contour import Contour
from volumetry.geometry import ScanGeometry

GEOMETRY = ScanGeometry(
    rows=200,
    columns=200,
    pixel_spacing_mm=(0.5, 0.5),
    row_direction=(1, 0, 0),
    column_direction=(0, 1, 0),
    slice_origins_mm=np.array([(0, 0, 4.0 * k) for k in range(6)]),
    slice_thickness_mm=4.0,
)


def circle(index: int, row: float, column: float, radius: float, *, hole: bool = False) -> Contour:
    angle = np.linspace(0, 2 * math.pi, 720, endpoint=False)
    ring = np.stack([row + radius * np.cos(angle), column + radius * np.sin(angle)], axis=1)
    return Contour(slice_index=index, vertices=ring, is_hole=hole)


def square(index: int, row: float, column: float, size: float) -> Contour:
    corners = np.array([(0, 0), (0, size), (size, size), (size, 0)], dtype=float)
    corners += row, column
    return Contour(slice_index=index, vertices=corners)


def test_a_tracing_agrees_with_itself() -> None:
    contours = [circle(1, 90.3, 90.1, 30), circle(2, 90, 90, 25), circle(2, 90, 90, 5, hole=True)]
    found = compare_outlines(contours, contours, GEOMETRY)
    assert found.dice == pytest.approx(1)
    assert found.hausdorff95_mm == pytest.approx(0, abs=1e-9)
    assert found.end_share is None


@pytest.mark.parametrize("shift", [3.0, 10.0, 31.7, 59.0])
def test_circles_beside_each_other(shift: float) -> None:
    r = 30.0
    lens = 2 * r**2 * math.acos(shift / 2 / r) - shift / 2 * math.sqrt(4 * r**2 - shift**2)
    found = compare_outlines([circle(2, 90, 90, r)], [circle(2, 90, 90 + shift, r)], GEOMETRY)
    assert found.dice == pytest.approx(lens / (math.pi * r**2), rel=1e-3)
    assert found.slices[0].shared_area_mm2 == pytest.approx(lens * 0.25, rel=1e-3)


@pytest.mark.parametrize("n_vertices", [24, 300, 3000])
def test_distances_weigh_length_and_not_vertices(n_vertices: int) -> None:
    """A circle beside the same circle with a bulge: vertices of the half that agrees do not matter."""

    def ring(bulge: float) -> Contour:
        angle = np.concatenate(
            [
                np.linspace(0, math.pi, 400, endpoint=False),
                np.linspace(math.pi, 2 * math.pi, n_vertices, endpoint=False),
            ]
        )
        radius = 40 + bulge * np.clip(np.sin(angle), 0, None)
        points = np.stack([90 + radius * np.cos(angle), 90 + radius * np.sin(angle)], axis=1)
        return Contour(slice_index=2, vertices=points)

    found = compare_outlines([ring(0)], [ring(6)], GEOMETRY)
    # By distances between points 0.002 mm apart: 0.9866 and 2.9661 mm.
    assert found.mean_surface_distance_mm == pytest.approx(0.9866, abs=0.01)
    assert found.hausdorff95_mm == pytest.approx(2.9661, abs=0.01)


def test_concentric_circles_are_their_radii_apart() -> None:
    found = compare_outlines([circle(2, 90, 90, 30)], [circle(2, 90, 90, 34)], GEOMETRY)
    assert found.mean_surface_distance_mm == pytest.approx(2.0, abs=0.01)
    assert found.hausdorff95_mm == pytest.approx(2.0, abs=0.01)
    assert found.dice == pytest.approx(2 * 30**2 / (30**2 + 34**2), rel=1e-4)


def test_squares_with_common_edges() -> None:
    found = compare_outlines([square(2, 50, 50, 20)], [square(2, 50, 60, 20)], GEOMETRY)
    assert found.dice == pytest.approx(0.5)
    apart = compare_outlines([square(2, 50, 50, 20)], [square(2, 90, 90, 20)], GEOMETRY)
    assert apart.dice == pytest.approx(0, abs=1e-12)


def test_a_slice_that_one_reader_left_out_is_an_end() -> None:
    first = [circle(k, 90, 90, 20) for k in (1, 2, 3)]
    second = [circle(k, 90, 90, 20) for k in (1, 2)]
    found = compare_outlines(first, second, GEOMETRY)
    assert found.n_shared == 2
    assert found.end_share == pytest.approx(1)
    assert found.dice == pytest.approx(4 / 5)
    assert [s.mean_distance_mm is None for s in found.slices] == [False, False, True]


def test_a_band_of_difference_is_not_at_the_ends() -> None:
    first = [circle(k, 90, 90, 20) for k in range(6)]
    second = [circle(k, 90, 90, 20 if k in (0, 5) else 22) for k in range(6)]
    assert compare_outlines(first, second, GEOMETRY).end_share == pytest.approx(0, abs=1e-9)


def test_nothing_on_either_side() -> None:
    found = compare_outlines([], [], GEOMETRY)
    assert (found.dice, found.hausdorff95_mm, found.slices) == (None, None, ())


@pytest.mark.parametrize(
    ("first", "second", "beyond"),
    [(100, 115, False), (100, 115.1, True), (115, 100, False), (0, 0, False), (0, 1, True)],
)
def test_differences_beyond_the_threshold(first: float, second: float, beyond: bool) -> None:
    assert differs_beyond(first, second, 15) is beyond
