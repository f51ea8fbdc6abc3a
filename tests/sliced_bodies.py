"""Bodies that are filled with points and cut into layers, so that the form of each section is known.

Every ``step``-th layer of a body is one way of slicing it. Its volume is that of all layers, so that what
counting pixels adds to an area is the same in both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from study_phantoms import coronal

from volumetry import Mask
from volumetry.masks.labels import MaskLabel

Array = NDArray[np.float64]
Inside = Callable[[Array], NDArray[np.bool_]]
"""Whether points (n, 3) lie inside a body."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LayeredBody:
    """Areas and irregularities of the layers of a body, from the first to the last that holds it."""

    areas: Array
    irregularities: Array

    def sliced(self, step: int, first: int) -> tuple[Array, float]:
        """Areas of every `step`-th layer, and the mean irregularity."""
        areas, irregularities = self.areas[first::step], self.irregularities[first::step]
        return areas, float(np.average(irregularities, weights=areas)) if areas.any() else 0.0

    def steps(self, n: int) -> range:
        """Steps by which the body is about n slices long, n - 1/2 to n + 1/2."""
        return range(int(np.ceil(len(self.areas) / (n + 0.5))), int(len(self.areas) / (n - 0.5)) + 1)


def layered(inside: Inside, rotation: Array, reach: float, *, pixels: int = 80) -> LayeredBody:
    """Fill a body that lies within `reach` of the origin, turned by a rotation (3, 3), and cut it."""
    layers = 3 * pixels // 2
    plane = (np.arange(pixels) + 0.5) / pixels * 2 * reach - reach
    coarse = np.stack(np.meshgrid(plane[::3], plane[::3], plane[::3], indexing="ij"), -1).reshape(-1, 3)
    heights = coarse[inside(coarse @ rotation), 2]
    margin = 4 * (plane[3] - plane[0])
    along = np.linspace(heights.min() - margin, heights.max() + margin, layers)
    points = np.stack(np.meshgrid(along, plane, plane, indexing="ij"), -1).reshape(-1, 3)[:, ::-1]
    filled = inside(points @ rotation).reshape(layers, pixels, pixels)
    geometry = coronal(layers, 1.0, 1.0, pixel_mm=1.0, size=pixels)
    mask = Mask(layers=(filled.astype(np.uint8),), geometry=geometry, labels=(MaskLabel(number=1),))
    sections = mask.cross_sections()
    assert sections.irregularities is not None
    whole = np.zeros((2, layers))
    whole[:, sections.slice_indices] = sections.areas_mm2, sections.irregularities
    whole = whole[:, sections.slice_indices[0] : sections.slice_indices[-1] + 1]
    return LayeredBody(areas=whole[0], irregularities=whole[1])


def random_rotation(rng: np.random.Generator) -> Array:
    """A rotation (3, 3), uniform over all directions."""
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    return np.asarray(q * np.sign(np.diag(r)))


def body(rng: np.random.Generator, name: str) -> tuple[Inside, float]:
    """A body of a kind, its form drawn, and how far it reaches from the origin."""
    if name == "ellipsoid":
        axes = rng.uniform(0.5, 1, 3)
        return lambda p: ((p / axes) ** 2).sum(1) < 1, 1.05
    if name == "hemisphere":
        return lambda p: ((p**2).sum(1) < 1) & (p[:, 2] > 0), 1.05
    if name == "cone":
        height, radius = rng.uniform(0.8, 1.4), rng.uniform(0.5, 0.9)
        return (
            lambda p: (
                (np.abs(p[:, 2]) < height / 2)
                & (np.hypot(p[:, 0], p[:, 1]) < radius * (0.5 - p[:, 2] / height))
            ),
            1.2,
        )
    if name == "ring":
        tube = rng.uniform(0.2, 0.5)
        return lambda p: (np.hypot(p[:, 0], p[:, 1]) - 1) ** 2 + p[:, 2] ** 2 < tube**2, 1.55
    if name == "balls":
        n = int(rng.integers(2, 4))
        centres, radii = rng.uniform(-0.6, 0.6, (n, 3)), rng.uniform(0.35, 0.6, n)
        return lambda p: np.any(
            [((p - c) ** 2).sum(1) < r**2 for c, r in zip(centres, radii, strict=True)], axis=0
        ), 1.7
    amplitude, degrees = {"bumpy": (0.1, range(2, 6)), "lobed": (0.25, range(3, 6))}[name]
    waves = [(d, rng.standard_normal(3), rng.standard_normal()) for d in degrees for _ in range(4)]
    spread = np.sqrt(sum(weight**2 / (2 * degree + 1) for degree, _, weight in waves))

    def inside(points: Array) -> NDArray[np.bool_]:
        far = np.linalg.norm(points, axis=1)
        near = np.flatnonzero(far < 2.0)
        direction = points[near] / np.maximum(far[near], 1e-9)[:, None]
        radius = np.zeros(len(near))
        for degree, axis, weight in waves:
            cosine = direction @ (axis / np.linalg.norm(axis))
            radius += weight * np.polynomial.legendre.legval(cosine, [0.0] * degree + [1.0])
        found = np.zeros(len(points), dtype=bool)
        found[near] = far[near] < np.clip(1 + amplitude * radius / spread, 0.15, None)
        return found

    return inside, 1.9
