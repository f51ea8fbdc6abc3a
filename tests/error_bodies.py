"""Bodies whose slice areas follow from formulas or fine sampling: for the error of slicing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_GRID = 1200


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


def _directions(n: int = 24_000) -> Array:
    """Directions that cover the sphere evenly (a Fibonacci lattice), (n, 3)."""
    k = np.arange(n) + 0.5
    z = 1 - 2 * k / n
    angle = np.pi * (1 + 5**0.5) * k
    radius = np.sqrt(1 - z**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)


def bumpy_radius(rng: np.random.Generator, amplitude: float, degree: int) -> Array:
    """Radii of a star-shaped body over `_directions`: a sphere with random smooth waves, (n,)."""
    directions = _directions()
    waves = np.zeros(len(directions))
    for _ in range(8):
        waves += rng.standard_normal() * np.polynomial.legendre.legval(
            np.clip(directions @ rotations(rng), -1, 1), [0.0] * degree + [1.0]
        )
    return np.asarray(np.clip(1 + amplitude * waves / waves.std(), 0.15, None))


def star(radius: Array, direction: Array, n_bins: int = 240) -> AreaProfile:
    """A star-shaped body cut along a direction: every cone of it is cut exactly."""
    cosine = _directions() @ direction
    cosine = np.where(np.abs(cosine) < 1e-9, 1e-9, cosine)
    ends = radius * cosine
    edges = np.linspace(ends.min() * 1.0001, ends.max() * 1.0001, n_bins + 1)
    reach = np.clip(
        edges[None, :] / cosine[:, None], 0, radius[:, None]
    )  # r at which the cone leaves the edge
    parts = np.abs(np.diff(reach**3, axis=1)) / 3 * (4 * np.pi / len(radius))
    return _padded(edges, parts.sum(axis=0))


def torus(tube: float, direction: Array, n_bins: int = 400) -> AreaProfile:
    """A torus of radius 1 whose tube has the given radius: the volume below a plane, differenced."""
    rho = (np.arange(40) + 0.5) / 40 * tube
    theta = (np.arange(120) + 0.5) / 120 * 2 * np.pi
    r, t = (v.ravel() for v in np.meshgrid(rho, theta, indexing="ij"))
    reach = 1 + r * np.cos(t)
    tilt = float(np.clip(direction[2], -1, 1))
    across = max(float(np.sqrt(1 - tilt**2)), 1e-6) * reach
    centre = tilt * r * np.sin(t)
    edges = np.linspace(
        -(across + np.abs(centre)).max() * 1.0001, (across + np.abs(centre)).max() * 1.0001, n_bins + 1
    )
    share = np.pi - np.arccos(np.clip((edges[:, None] - centre) / across, -1, 1))
    weights = 2 * r * reach * (tube / 40) * (2 * np.pi / 120)
    return _padded(edges, np.diff(share @ weights))


def _lattice(n: int = 128, half: float = 1.6) -> Array:
    """A point anywhere in every cell: planes along an axis of an even lattice hold all its points or none."""
    axis = (np.arange(n) + 0.5) / n * 2 * half - half
    even = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    return np.asarray(even + np.random.default_rng(n).uniform(-half / n, half / n, even.shape))


def _bumps(rng: np.random.Generator, points: Array, amplitude: float, degrees: range) -> NDArray[np.bool_]:
    """A star-shaped body with several random waves of each degree."""
    distance = np.linalg.norm(points, axis=1)
    near = np.flatnonzero((distance > 1e-9) & (distance < 1 + 4 * amplitude))
    directions = points[near] / distance[near, None]
    waves, variance = np.zeros(len(near)), 0.0
    for degree in degrees:
        for _ in range(4):
            weight = rng.standard_normal() / degree**0.5
            waves += weight * np.polynomial.legendre.legval(
                np.clip(directions @ rotations(rng), -1, 1), [0.0] * degree + [1.0]
            )
            variance += weight**2 / (2 * degree + 1)
    inside = np.zeros(len(points), dtype=bool)
    inside[near] = distance[near] < np.clip(1 + amplitude * waves / np.sqrt(variance), 0.15, None)
    return inside


def _inside(rng: np.random.Generator, name: str, points: Array) -> NDArray[np.bool_]:
    """Which points lie in a body of a kind; its size and shape are drawn."""
    x, y, z = points.T
    if name == "superellipsoid":
        return np.asarray((np.abs(points / rng.uniform(0.6, 1, 3)) ** rng.uniform(1.4, 5)).sum(1) < 1)
    if name == "egg":
        return np.asarray(x**2 / 0.9 + y**2 / 0.7 * (1 + rng.uniform(0.1, 0.3) * x) + z**2 / 0.5 < 1)
    if name == "capsule":
        beyond = np.maximum(np.abs(z) - rng.uniform(0.2, 0.6), 0)
        return np.asarray(x**2 + y**2 + beyond**2 < rng.uniform(0.4, 0.7) ** 2)
    if name == "pear":
        width = rng.uniform(0.4, 0.9) * (1 - z**2) * (1 + rng.uniform(0.2, 0.5) * z) ** 2
        return np.asarray((np.abs(z) < 1) & (x**2 + y**2 < width))
    if name == "crescent":
        bite = (x - rng.uniform(0.4, 0.8)) ** 2 + y**2 + z**2 > rng.uniform(0.7, 1.0) ** 2
        return np.asarray((x**2 + y**2 + z**2 < 1) & bite)
    if name in ("dumbbell", "two balls"):
        apart = rng.uniform(0.6, 0.95)
        one, other = rng.uniform(0.35, 0.6, 2)
        balls = ((x - apart) ** 2 + y**2 + z**2 < one**2) | ((x + apart) ** 2 + y**2 + z**2 < other**2)
        bar = (np.abs(x) < apart) & (y**2 + z**2 < rng.uniform(0.1, 0.3) ** 2)
        return np.asarray(balls | bar if name == "dumbbell" else balls)
    if name == "bumpy":
        return _bumps(rng, points, 0.1, range(2, 7))
    return _bumps(rng, points, 0.25, range(3, 8))


def unseen(
    rng: np.random.Generator, name: str, bodies: int, cuts: int, n_bins: int = 45
) -> list[AreaProfile]:
    """Bodies of a kind, each cut along random directions; their points are counted between planes."""
    lattice = _lattice()
    found = []
    for _ in range(bodies):
        points = lattice[_inside(rng, name, lattice)]
        for _ in range(cuts):
            along = points @ rotations(rng)
            counts, edges = np.histogram(along, n_bins, (along.min() - 1e-9, along.max() + 1e-9))
            found.append(_padded(edges, counts.astype(np.float64)))
    return found
