"""Bodies with a volume by formula, traced on slices that lie anywhere."""

import numpy as np
import pytest
from phantoms import circle, ellipsoid, ring, stack, torus, trace_body, trace_of

from volumetry.masks.outlines import mask_from_contours
from volumetry.measurement import MeasurementRule, measure_volume

SPACING = MeasurementRule(height="spacing")

BODIES = {
    "sphere": ellipsoid((20.0, 20.0, 20.0)),
    "ellipsoid": ellipsoid((25.0, 15.0, 18.0)),
    "oblique ellipsoid": ellipsoid((32.0, 18.0, 20.0), (25.0, -40.0, 70.0)),
    "torus": torus(40.0, 15.5),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("spacing_mm", [3.0, 5.0])
def test_the_mean_over_100_offsets_is_the_formula(name, spacing_mm):
    body = BODIES[name]
    offsets = np.random.default_rng(20).random(100)
    volumes = [
        measure_volume(trace_body(body, spacing_mm=spacing_mm, offset=o), rule=SPACING) for o in offsets
    ]
    assert min(v.n_slices for v in volumes) >= 6
    mean = np.mean([v.volume_mm3 for v in volumes])
    assert mean == pytest.approx(body.volume_mm3, rel=5e-3)
    assert all(v.volume_mm3 == pytest.approx(body.volume_mm3, rel=0.06) for v in volumes)


@pytest.mark.parametrize("name", BODIES)
def test_fine_slices_approach_the_formula(name):
    body = BODIES[name]
    trace = trace_body(body, spacing_mm=0.25, offset=0.3)
    volume = measure_volume(trace, rule=SPACING)
    assert volume.volume_mm3 == pytest.approx(body.volume_mm3, rel=2e-4)
    assert volume.centroid_mm == pytest.approx([0, 0, 0], abs=0.01)
    assert volume.volume_thickness_mm3 == pytest.approx(volume.volume_mm3, rel=1e-9)


@pytest.mark.parametrize("n", [3, 4, 5, 17, 360])
@pytest.mark.parametrize("pixel_spacing_mm", [(0.9765625, 0.9765625), (0.3, 2.5)])
def test_prisms_equal_the_formula(n, pixel_spacing_mm):
    angles = 2 * np.pi * np.arange(n) / n
    polygon = np.column_stack((np.cos(angles), np.sin(angles))) * 7.3 + (11.2, 13.7)
    geometry = stack(8, spacing_mm=3.3, thickness_mm=3.0, pixel_spacing_mm=pixel_spacing_mm)
    volume = measure_volume(trace_of([ring(i, polygon) for i in range(2, 7)], geometry))
    area_mm2 = n / 2 * 7.3**2 * np.sin(2 * np.pi / n) * pixel_spacing_mm[0] * pixel_spacing_mm[1]
    assert volume.volume_thickness_mm3 == pytest.approx(5 * 3.0 * area_mm2, rel=1e-6)
    assert volume.volume_spacing_mm3 == pytest.approx(5 * 3.3 * area_mm2, rel=1e-6)


def test_filling_is_fair_on_average():
    """The rule pixel centre inside, even-odd, neither adds nor takes a rim."""
    areas = []
    for offset in np.random.default_rng(3).random((200, 2)):
        contour = ring(0, circle(10.0) + 20 + offset)
        mask = mask_from_contours({1: [contour]}, stack(1, rows=48, columns=48))
        areas.append(mask.layers[0].sum())
    assert np.mean(areas) == pytest.approx(np.pi * 100, rel=2e-3)
