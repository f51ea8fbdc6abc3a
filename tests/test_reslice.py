"""A lesion cut along other planes: held to ellipsoids, whose sections along any plane are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from volumetry.contours.contour import Contour
from volumetry.errors import TraceError
from volumetry.geometry import ScanGeometry
from volumetry.reslice import explained_by_tilt, lesion_body, resliced_areas_mm2

Array = np.ndarray


def coronal(tilt_degrees: float = 0.0, *, shift_mm: float = 0.0, spacing_mm: float = 4.4) -> ScanGeometry:
    """Coronal slices about the origin, turned about the patient's left-right axis."""
    a = math.radians(tilt_degrees)
    row = np.array([1.0, 0.0, 0.0])
    column = np.array([0.0, math.sin(a), -math.cos(a)])
    normal = np.cross(row, column)
    n, pixel = 15, 0.7
    centres = (np.arange(n) - (n - 1) / 2)[:, None] * spacing_mm * normal + shift_mm * normal
    return ScanGeometry(
        rows=120,
        columns=120,
        pixel_spacing_mm=(pixel, pixel),
        row_direction=row,
        column_direction=column,
        slice_origins_mm=centres - 59.5 * pixel * (row + column),
        slice_thickness_mm=4.0,
    )


def section(semi: Array, geometry: ScanGeometry, index: int) -> tuple[float, Contour | None]:
    """Area and outline of the ellipsoid about the origin on one slice."""
    origin = geometry.pixel_to_patient(index, [[59.5, 59.5]])[0]
    u, v = np.asarray(geometry.row_direction), np.asarray(geometry.column_direction)
    w = 1 / semi**2
    m = np.array([[u @ (w * u), u @ (w * v)], [u @ (w * v), v @ (w * v)]])
    b = np.array([u @ (w * origin), v @ (w * origin)])
    centre = -np.linalg.solve(m, b)
    level = 1 - origin @ (w * origin) + b @ np.linalg.solve(m, b)
    if level <= 0:
        return 0.0, None
    area = math.pi * level / math.sqrt(np.linalg.det(m))
    angles = np.linspace(0, 2 * math.pi, 160, endpoint=False)
    root = np.linalg.inv(np.linalg.cholesky(m)).T * math.sqrt(level)
    flat = centre[:, None] + root @ np.stack([np.cos(angles), np.sin(angles)])
    pixels = np.stack([59.5 + flat[1] / 0.7, 59.5 + flat[0] / 0.7], axis=1)
    return area, Contour(slice_index=index, vertices=pixels)


def traced(semi: Array, geometry: ScanGeometry) -> tuple[Array, list[Contour]]:
    found = [section(semi, geometry, index) for index in range(geometry.n_slices)]
    return np.array([a for a, _ in found]), [c for _, c in found if c is not None]


SEMI_AXES = [np.array(v) for v in ((14.0, 12.0, 10.0), (9.0, 15.0, 12.0), (18.0, 11.0, 7.5))]


@pytest.mark.parametrize("semi", SEMI_AXES, ids=str)
def test_its_own_slices_give_its_own_areas(semi: Array) -> None:
    geometry = coronal(shift_mm=0.7)
    areas, contours = traced(semi, geometry)
    again = resliced_areas_mm2(lesion_body(contours, geometry), geometry)
    assert again.sum() == pytest.approx(areas.sum(), rel=0.005)


@pytest.mark.parametrize("semi", SEMI_AXES, ids=str)
@pytest.mark.parametrize("tilt", [5.0, 10.0, -10.0])
@pytest.mark.parametrize("shift", [0.0, 1.1, 2.2, 3.3])
def test_a_tilted_plane_explains_what_cutting_the_ellipsoid_gives(
    semi: Array, tilt: float, shift: float
) -> None:
    baseline, followup = coronal(shift_mm=0.9), coronal(tilt, shift_mm=shift)
    areas, contours = traced(semi, baseline)
    true = 100 * (traced(semi, followup)[0].sum() / areas.sum() - 1)
    assert explained_by_tilt(contours, baseline, followup) == pytest.approx(true, abs=2.0)


def test_random_ellipsoids_on_few_slices_too() -> None:
    rng = np.random.default_rng(5)
    worst = 0.0
    for _ in range(12):
        semi = rng.uniform(7.5, 18, 3)
        spacing = float(rng.choice([3.0, 3.6, 4.4, 5.0]))
        baseline = coronal(shift_mm=float(rng.uniform(-2, 2)), spacing_mm=spacing)
        followup = coronal(
            float(rng.choice([-10, 10])), shift_mm=float(rng.uniform(-2, 2)), spacing_mm=spacing
        )
        areas, contours = traced(semi, baseline)
        if np.count_nonzero(areas) > 3:
            true = 100 * (traced(semi, followup)[0].sum() / areas.sum() - 1)
            worst = max(worst, abs(explained_by_tilt(contours, baseline, followup) - true))
    assert 0 < worst <= 2.0


def test_a_changed_gap_is_found_by_cutting_too() -> None:
    semi = SEMI_AXES[0]
    baseline, followup = coronal(), coronal(spacing_mm=5.0)
    areas, contours = traced(semi, baseline)
    true = 100 * (traced(semi, followup)[0].sum() / areas.sum() - 1)
    assert explained_by_tilt(contours, baseline, followup) == pytest.approx(true, abs=2.0)
    by_spacing = explained_by_tilt(contours, baseline, followup, height="spacing")
    assert abs(by_spacing) < 3


def test_what_cannot_be_cut_is_refused() -> None:
    geometry = coronal()
    _, contours = traced(SEMI_AXES[0], geometry)
    with pytest.raises(TraceError, match="not-estimable"):
        lesion_body([c for c in contours if c.slice_index < contours[2].slice_index], geometry)
    with pytest.raises(TraceError, match="not-estimable"):
        explained_by_tilt(contours, geometry, coronal(shift_mm=500))
