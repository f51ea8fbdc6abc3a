"""The live-wire on a dark band whose outer margin is a formula."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from volumetry.contours.rings import signed_area
from volumetry.tracing import LiveWire

CENTRE = np.array([80.3, 90.7])
HALF_AXES = np.array([36.0, 27.0])


def margin(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """The outer margin: an ellipse with three lobes."""
    lobes = (1 + 0.06 * np.cos(3 * angles))[:, None]
    return CENTRE + HALF_AXES * lobes * np.column_stack((np.sin(angles), np.cos(angles)))


def band(noise: float, seed: int = 1) -> NDArray[np.float64]:
    """A slice with a dark band of about 4 pixels within that margin, brighter on both its sides."""
    fine = 3
    rows, columns = ((np.indices((160 * fine, 180 * fine)) + 0.5) / fine - 0.5) - CENTRE[:, None, None]
    angles = np.arctan2(rows / HALF_AXES[0], columns / HALF_AXES[1])
    beyond = np.hypot(rows / HALF_AXES[0], columns / HALF_AXES[1]) - (1 + 0.06 * np.cos(3 * angles))
    beyond *= np.sqrt(HALF_AXES.prod())
    image = np.where(beyond > 0, 200.0, np.where(beyond > -4, 40.0, 160.0))
    image = image.reshape(160, fine, 180, fine).mean(axis=(1, 3))
    return gaussian_filter(image, 0.6) + np.random.default_rng(seed).normal(0, noise, (160, 180))


def distances(path: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of every vertex from the margin, in pixels."""
    dense = margin(np.linspace(0, 2 * np.pi, 4000))
    return np.sqrt(((path[:, None] - dense[None]) ** 2).sum(axis=-1)).min(axis=1)


@pytest.mark.parametrize("noise", [0.0, 8.0, 30.0])
@pytest.mark.parametrize("n_clicks", [4, 7])
@pytest.mark.parametrize("is_inside_known", [True, False])
def test_the_path_follows_the_outer_margin(noise: float, n_clicks: int, is_inside_known: bool) -> None:
    wire = LiveWire(band(noise))
    inside = CENTRE if is_inside_known else None
    chance = np.random.default_rng(n_clicks)
    clicked = margin(np.arange(n_clicks) / n_clicks * 2 * np.pi + 0.2) + chance.normal(0, 0.8, (n_clicks, 2))
    clicks = [wire.snap(click, inside=inside) for click in clicked]
    pairs = list(zip(clicks, clicks[1:] + clicks[:1], strict=True))
    ring = np.concatenate([wire.path(first, last, inside=inside)[:-1] for first, last in pairs])
    assert np.percentile(distances(ring), 95) < 0.5
    assert distances(ring).max() < 1
    true = abs(signed_area(margin(np.linspace(0, 2 * np.pi, 4000, endpoint=False))))
    assert abs(signed_area(ring)) == pytest.approx(true, rel=0.005)
    shown = np.concatenate([wire.preview(first, last, inside=inside) for first, last in pairs])
    assert distances(shown).max() < 1


def test_ends_are_kept_and_vertices_lie_between_pixels_at_even_distances() -> None:
    wire = LiveWire(band(8))
    first, last = margin(np.array([0.3, 1.9]))
    path = wire.path(first, last)
    assert (path[0] == first).all()
    assert (path[-1] == last).all()
    steps = np.hypot(*np.diff(path, axis=0).T)
    assert steps.max() < 1.05
    assert steps.min() > 0.8
    assert (path[1:-1] % 1 != 0).all()


def test_pixels_need_not_be_square() -> None:
    image = band(4)[:, ::2]
    wire = LiveWire(image, (0.5, 1.0))
    first, last = margin(np.array([0.3, 1.7])) * (1, 0.5)
    assert distances(wire.path(first, last) * (1, 2)).max() < 1.2


def test_without_any_edge_the_path_is_straight() -> None:
    wire = LiveWire(np.zeros((64, 64)))
    path = wire.path((10, 10), (50, 40))
    gap = (path - (10, 10)) @ (30 / 50, -40 / 50)
    assert np.abs(gap).max() < 1e-9
    assert wire.snap((10.4, 10)).tolist() == [10.4, 10]
    assert wire.path((10, 10), (10.2, 10)).tolist() == [[10, 10], [10.2, 10]]


def test_a_path_stays_within_the_image() -> None:
    wire = LiveWire(band(8))
    path = wire.preview((-0.4, -0.3), (159.4, 179.4))
    assert path.min() >= -2
    assert (path.max(axis=0) <= (161, 181)).all()
    assert (wire.path((0, 0), (159, 179))[-1] == (159, 179)).all()
