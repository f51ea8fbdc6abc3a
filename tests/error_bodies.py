"""Bodies whose slice areas follow from formulas: for the error of slicing.

No body is filled with points: the noise of counting them looks like roughness, and from eight slices on it is
as large as the error of slicing itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_GRID = 1200
_PLANES = 320
_SECTIONS = 1000


def rotations(rng: np.random.Generator) -> Array:
    """A random direction of cutting, uniform on the sphere, (3,)."""
    direction = rng.standard_normal(3)
    return np.asarray(direction / np.linalg.norm(direction))


class AreaProfile:
    """The area of a body as a function of the position along a direction, tabulated finely."""

    def __init__(self, positions: Array, areas: Array) -> None:
        self.positions, self.areas = positions, areas
        self.volume = float(np.trapezoid(areas, positions))
        inside = positions[areas > areas.max() * 1e-6]
        self.length = float(inside[-1] - inside[0])

    def sampled(self, spacing: float, phase: float) -> Array:
        """Areas of slices at one spacing, the first at a random phase in [0, 1)."""
        at = np.arange(self.positions[0] + phase * spacing, self.positions[-1], spacing)
        return np.asarray(np.interp(at, self.positions, self.areas))


def ellipsoid(semi_axes: tuple[float, float, float], direction: Array) -> AreaProfile:
    """An ellipsoid: its area is a parabola of the position along any direction."""
    a = np.asarray(semi_axes)
    half = float(np.sqrt(((a * direction) ** 2).sum()))
    z = np.linspace(-half * 1.001, half * 1.001, _GRID)
    peak = np.pi * a.prod() / half
    return AreaProfile(z, peak * np.clip(1 - (z / half) ** 2, 0, None))


def _padded(edges: Array, volumes: Array) -> AreaProfile:
    step = edges[1] - edges[0]
    middle = (edges[1:] + edges[:-1]) / 2
    positions = np.concatenate(([edges[0]], middle, [edges[-1]]))
    return AreaProfile(positions, np.concatenate(([0.0], volumes / step, [0.0])))


# -- star-shaped bodies --------------------------------------------------------------------------------


def _directions(n: int = 30_000) -> Array:
    """Directions that cover the sphere evenly (a Fibonacci lattice), (n, 3)."""
    k = np.arange(n) + 0.5
    z = 1 - 2 * k / n
    angle = np.pi * (1 + 5**0.5) * k
    radius = np.sqrt(1 - z**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)


DIRECTIONS = _directions()


def bumpy_radius(
    rng: np.random.Generator, amplitude: float, degrees: Iterable[int], *, each: int = 8
) -> Array:
    """Radii of a sphere with random smooth waves of each degree, over `DIRECTIONS`, (n,)."""
    waves, variance = np.zeros(len(DIRECTIONS)), 0.0
    for degree in degrees:
        for _ in range(each):
            weight = rng.standard_normal() / degree**0.5
            waves += weight * np.polynomial.legendre.legval(
                np.clip(DIRECTIONS @ rotations(rng), -1, 1), [0.0] * degree + [1.0]
            )
            variance += weight**2 / (2 * degree + 1)
    return np.asarray(np.clip(1 + amplitude * waves / np.sqrt(variance), 0.15, None))


def star(radius: Array, direction: Array) -> AreaProfile:
    """A star-shaped body cut along a direction: the volume of its cones below each plane, differenced."""
    cosine = DIRECTIONS @ direction
    cosine = np.where(np.abs(cosine) < 1e-6, 1e-6, cosine)
    ends = radius * cosine
    edges = np.linspace(ends.min() * 1.0005, ends.max() * 1.0005, _PLANES + 1)
    within = np.zeros(_PLANES + 1)
    for side in (1, -1):
        chosen = np.sign(cosine) == side
        order = np.argsort(np.abs(ends[chosen]))
        tips = np.abs(ends[chosen])[order]
        whole = np.concatenate(([0.0], np.cumsum(radius[chosen][order] ** 3)))
        cut = np.concatenate((np.cumsum(np.abs(cosine[chosen][order])[::-1] ** -3.0)[::-1], [0.0]))
        reach = np.clip(side * edges, 0, None)
        below = np.searchsorted(tips, reach)
        within += side * (whole[below] + reach**3 * cut[below])
    return _padded(edges, np.clip(np.diff(within), 0, None))


# -- bodies along an axis ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class AlongAxis:
    """A body whose sections across an axis are ellipses, perhaps with an ellipse left out.

    Attributes
    ----------
    at : (m,) array
        Positions along the axis, evenly spaced.
    outer, inner : pair of (m,) arrays
        Half-axes of the ellipses.
    """

    at: Array
    outer: tuple[Array, Array]
    inner: tuple[Array, Array] | None = None

    def cut(self, direction: Array) -> AreaProfile:
        """Cut along a direction: chords of the ellipses, summed along the axis."""
        along, across = direction[0], direction[1:]
        if abs(along) > 0.995:  # chords of sections that are parallel to the planes do not exist
            across = across / np.linalg.norm(across) * 0.1
            along = np.sign(along) * np.sqrt(0.99)
        width = np.hypot(self.outer[0] * across[0], self.outer[1] * across[1])
        low, high = (along * self.at - width).min(), (along * self.at + width).max()
        planes = np.linspace(low - 0.002 * (high - low), high + 0.002 * (high - low), _PLANES)
        areas = self._chords(planes, self.outer, along, across)
        if self.inner is not None:
            areas -= self._chords(planes, self.inner, along, across)
        return AreaProfile(planes, np.clip(areas, 0, None))

    def _chords(self, planes: Array, axes: tuple[Array, Array], along: float, across: Array) -> Array:
        width = np.hypot(axes[0] * across[0], axes[1] * across[1])
        there = width > 1e-12
        from_centre = (planes[:, None] - along * self.at[there]) / width[there]
        chords = (
            np.sqrt(np.clip(1 - from_centre**2, 0, None))
            * (axes[0] * axes[1] / np.where(there, width, 1))[there]
        )
        return np.asarray(2 * chords.sum(axis=1) * (self.at[1] - self.at[0]))


def _root(square: Array) -> Array:
    return np.asarray(np.sqrt(np.clip(square, 0, None)))


def _between(low: float, high: float) -> Array:
    return low + (np.arange(_SECTIONS) + 0.5) / _SECTIONS * (high - low)


def ring(tube: float) -> AlongAxis:
    """A torus of radius 1 whose tube has the given radius."""
    x = _between(-tube, tube)
    half = _root(tube**2 - x**2)
    return AlongAxis(at=x, outer=(1 + half, 1 + half), inner=(1 - half, 1 - half))


def along_axis(rng: np.random.Generator, name: str) -> AlongAxis:
    """A body of a kind; its size and shape are drawn."""
    a, b, c, d = rng.uniform(size=4)  # as many for each kind
    x = _between(-1, 1)
    ball = _root(1 - x**2)
    if name == "egg":
        x = _between(-(0.9**0.5), 0.9**0.5)
        ball = _root(1 - x**2 / 0.9)
        return AlongAxis(at=x, outer=(ball * np.sqrt(0.7 / (1 + (0.1 + 0.2 * a) * x)), ball * np.sqrt(0.5)))
    if name == "capsule":
        half, radius = 0.2 + 0.4 * a, 0.4 + 0.3 * b
        x = _between(-half - radius, half + radius)
        round_ = _root(radius**2 - np.maximum(np.abs(x) - half, 0) ** 2)
        return AlongAxis(at=x, outer=(round_, round_))
    if name == "pear":
        width = _root((0.4 + 0.5 * a) * (1 - x**2)) * (1 + (0.2 + 0.3 * b) * x)
        return AlongAxis(at=x, outer=(width, width))
    if name == "cone":
        x = _between(0, 1)
        return AlongAxis(at=x, outer=((0.3 + 0.7 * a) * (1 - x), (0.3 + 0.7 * a) * (1 - x)))
    if name == "crescent":
        bite = np.minimum(_root((0.7 + 0.3 * a) ** 2 - (x - 0.4 - 0.4 * b) ** 2), ball)
        return AlongAxis(at=x, outer=(ball, ball), inner=(bite, bite))
    if name == "shell":
        hole = _root((0.5 + 0.3 * a) ** 2 - x**2)
        return AlongAxis(at=x, outer=(ball, ball), inner=(hole, hole))
    if name == "bowl":
        x = _between(-0.2 + 0.7 * b, 1)
        hole = _root((0.5 + 0.35 * a) ** 2 - x**2)
        return AlongAxis(at=x, outer=(_root(1 - x**2),) * 2, inner=(hole, hole))
    apart, one, other = 0.6 + 0.35 * a, 0.35 + 0.25 * b, 0.35 + 0.25 * c
    x = _between(-apart - other, apart + one)
    width = _root(np.maximum(one**2 - (x - apart) ** 2, other**2 - (x + apart) ** 2))
    if name == "dumbbell":
        width = np.maximum(width, (0.1 + 0.2 * d) * (np.abs(x) < apart))
    return AlongAxis(at=x, outer=(width, width))


def unseen(rng: np.random.Generator, name: str, bodies: int, cuts: int) -> list[AreaProfile]:
    """Bodies of a kind, each cut along random directions."""
    found = []
    for _ in range(bodies):
        radius = _radius(rng, name)
        body = along_axis(rng, name) if radius is None else None
        for _ in range(cuts):
            direction = rotations(rng)
            found.append(star(radius, direction) if body is None else body.cut(direction))
    return found


def _radius(rng: np.random.Generator, name: str) -> Array | None:
    """Of the kinds that are star-shaped."""
    if name == "superellipsoid":
        half_axes, power = rng.uniform(0.6, 1, 3), rng.uniform(1.4, 5)
        return np.asarray((np.abs(DIRECTIONS / half_axes) ** power).sum(axis=1) ** (-1 / power))
    if name == "bumpy":
        return bumpy_radius(rng, 0.1, range(2, 7), each=4)
    if name == "lobed":
        return bumpy_radius(rng, 0.25, range(3, 8), each=4)
    return None
