"""Lesions as bodies whose volume, and whose area on any plane, is known by formula.

A body is the affine image of the unit sphere, with or without a *bite*: a second sphere taken away before
the affine map. An affine map multiplies every volume by its determinant, and every area on a plane by one
factor, so that the formulas of two overlapping spheres and of two overlapping circles give exact answers
for obliquely lying ellipsoids and crescents too.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import acos, atan2, cbrt, pi, sin, sqrt

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Triple = tuple[float, float, float]

N_VERTICES = 100


def rotation_matrix(degrees: Triple) -> Array:
    """Rotation by the three angles about x, then y, then z of the patient (LPS), shape (3, 3)."""
    a, b, c = np.deg2rad(degrees)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x, dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Motion:
    """A rigid motion: ``p -> R (p - centre) + centre + translation``, in LPS millimetres."""

    rotation_deg: Triple = (0.0, 0.0, 0.0)
    translation_mm: Triple = (0.0, 0.0, 0.0)
    centre_mm: Triple = (0.0, 0.0, 0.0)

    @property
    def matrix(self) -> Array:
        """The rotation, shape (3, 3)."""
        return rotation_matrix(self.rotation_deg)

    def apply(self, points: Array) -> Array:
        """Move points of shape (..., 3)."""
        centre = np.asarray(self.centre_mm)
        return np.asarray((points - centre) @ self.matrix.T + centre + np.asarray(self.translation_mm))

    def undo(self, points: Array) -> Array:
        """Move points of shape (..., 3) back."""
        centre = np.asarray(self.centre_mm)
        return np.asarray((points - centre - np.asarray(self.translation_mm)) @ self.matrix + centre)


@dataclass(frozen=True, kw_only=True)
class Section:
    """Where a plane cuts a body: the exact area, and a polygon of 100 vertices on the plane."""

    area_mm2: float
    centroid_mm: Array
    polygon_mm: Array


@dataclass(frozen=True, kw_only=True)
class Bite:
    """The sphere that is taken away, in the coordinates of the unit sphere before the affine map."""

    centre: Triple
    radius: float


@dataclass(frozen=True, kw_only=True)
class Body:
    """``centre + matrix @ (unit sphere minus bite)``, in LPS millimetres."""

    centre_mm: Array
    matrix_mm: Array
    bite: Bite | None = None

    @property
    def volume_mm3(self) -> float:
        """The exact volume."""
        unit = 4.0 / 3.0 * pi
        if self.bite is not None:
            unit -= _lens_volume(self.bite.radius, float(np.linalg.norm(self.bite.centre)))
        return float(abs(np.linalg.det(self.matrix_mm))) * unit

    @property
    def reach_mm(self) -> float:
        """Radius of a ball around the centre that holds the body."""
        return float(np.linalg.norm(self.matrix_mm, ord=2))

    def moved(self, motion: Motion) -> Body:
        """Return the body after a rigid motion."""
        return Body(
            centre_mm=motion.apply(self.centre_mm),
            matrix_mm=np.asarray(motion.matrix @ self.matrix_mm),
            bite=self.bite,
        )

    def scaled(self, volume_factor: float) -> Body:
        """Return the body grown about its centre so that its volume is multiplied by the factor."""
        return Body(centre_mm=self.centre_mm, matrix_mm=self.matrix_mm * cbrt(volume_factor), bite=self.bite)

    def inside(self, points: Array) -> NDArray[np.bool_]:
        """Which points of shape (..., 3) lie in the body."""
        q = (points - self.centre_mm) @ np.linalg.inv(self.matrix_mm).T
        held = np.einsum("...i,...i", q, q) <= 1.0
        if self.bite is not None:
            d = q - np.asarray(self.bite.centre)
            held &= np.einsum("...i,...i", d, d) > self.bite.radius**2
        return np.asarray(held, dtype=np.bool_)

    def signed_distance_mm(self, points: Array) -> Array:
        """Distance to the surface, negative inside; exact at the surface, first order beside it."""
        inverse = np.asarray(np.linalg.inv(self.matrix_mm), dtype=np.float64)
        q = (points - self.centre_mm) @ inverse.T
        distance = _sphere_distance(q, 1.0, inverse)
        if self.bite is None:
            return distance
        return np.maximum(
            distance, -_sphere_distance(q - np.asarray(self.bite.centre), self.bite.radius, inverse)
        )

    def section(self, point_mm: Array, normal: Array) -> Section | None:
        """Cut the body with the plane through a point; None where they do not meet.

        Raises
        ------
        ValueError
            If the bite leaves a hole in the section: one polygon could not say it.
        """
        pulled = self.matrix_mm.T @ normal
        half_width = float(np.linalg.norm(pulled))
        axis = pulled / half_width
        height = float(normal @ (point_mm - self.centre_mm)) / half_width
        if abs(height) >= 1.0:
            return None
        towards, ring, area = _unit_section(axis, height, self.bite)
        if area <= 0.0:
            return None
        basis = np.stack([towards, np.cross(axis, towards)])
        to_patient = basis @ self.matrix_mm.T
        start = self.centre_mm + self.matrix_mm @ (axis * height)
        return Section(
            area_mm2=area * float(abs(np.linalg.det(self.matrix_mm))) / half_width,
            centroid_mm=start + _ring_centroid(ring) @ to_patient,
            polygon_mm=start + ring @ to_patient,
        )


def make_body(
    centre_mm: Triple, semi_axes_mm: Triple, rotation_deg: Triple, bite: Bite | None = None
) -> Body:
    """Return an ellipsoid with given semi-axes, rotated, with or without a bite."""
    matrix = rotation_matrix(rotation_deg) @ np.diag(semi_axes_mm)
    return Body(centre_mm=np.array(centre_mm, dtype=np.float64), matrix_mm=np.asarray(matrix), bite=bite)


def ring_area(ring: Array) -> float:
    """Area within a ring of shape (n, 2), by the shoelace formula."""
    x, y = (ring - ring[0]).T
    return 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def _ring_centroid(ring: Array) -> Array:
    following = np.roll(ring, -1, axis=0)
    cross = ring[:, 0] * following[:, 1] - following[:, 0] * ring[:, 1]
    return np.asarray(((ring + following) * cross[:, None]).sum(axis=0) / (3.0 * cross.sum()))


def _sphere_distance(q: Array, radius: float, inverse: Array) -> Array:
    length = np.sqrt(np.einsum("...i,...i", q, q)) + 1e-12
    gradient = (q / length[..., None]) @ inverse
    return np.asarray((length - radius) / np.sqrt(np.einsum("...i,...i", gradient, gradient)))


def _lens_volume(r: float, d: float) -> float:
    """Volume common to the unit sphere and a sphere of radius r whose centres are d apart."""
    if d >= 1.0 + r:
        return 0.0
    if d <= abs(1.0 - r):
        return 4.0 / 3.0 * pi * min(1.0, r) ** 3
    return pi * (1 + r - d) ** 2 * (d * d + 2 * d * (1 + r) - 3 * (1 - r) ** 2) / (12.0 * d)


def _lens_area(a: float, b: float, d: float) -> float:
    """Area common to circles of radii a and b whose centres are d apart, and which cross."""
    alpha = acos((d * d + a * a - b * b) / (2 * d * a))
    beta = acos((d * d + b * b - a * a) / (2 * d * b))
    return a * a * (alpha - sin(2 * alpha) / 2) + b * b * (beta - sin(2 * beta) / 2)


def _unit_section(axis: Array, height: float, bite: Bite | None) -> tuple[Array, Array, float]:
    """Cut the unit sphere minus bite at a height along an axis.

    Returns
    -------
    tuple
        First direction in the plane; ring (n, 2) along that and ``cross(axis, it)``; exact area.
    """
    radius = sqrt(1.0 - height * height)
    if bite is not None:
        centre = np.asarray(bite.centre)
        above = float(axis @ centre)
        flat = centre - above * axis
        distance = float(np.linalg.norm(flat))
        bite_radius = sqrt(max(bite.radius**2 - (above - height) ** 2, 0.0))
        if bite_radius > 0.0 and distance < radius + bite_radius:
            if distance + bite_radius <= radius:
                raise ValueError("the bite leaves a hole in the section")
            if distance + radius <= bite_radius:
                return flat / distance, np.zeros((0, 2)), 0.0
            area = pi * radius**2 - _lens_area(radius, bite_radius, distance)
            return flat / distance, _crescent_ring(radius, bite_radius, distance, area), area
    return _any_direction(axis), _circle_ring(radius), pi * radius**2


def _any_direction(axis: Array) -> Array:
    """Return a unit vector perpendicular to the axis."""
    other = np.eye(3)[int(np.argmin(np.abs(axis)))]
    direction = np.cross(axis, other)
    return np.asarray(direction / np.linalg.norm(direction))


def _circle_ring(radius: float) -> Array:
    """Ring of 100 vertices with exactly the area of the circle (its corners lie 0.03 % outside)."""
    step = 2 * pi / N_VERTICES
    angle = np.arange(N_VERTICES) * step
    return radius * sqrt(step / sin(step)) * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _crescent_ring(a: float, b: float, d: float, area: float) -> Array:
    """Ring of 100 vertices around the circle of radius a without the circle of radius b at (d, 0).

    The vertices between the tips lie a little outside that circle, so that the area is the exact one.
    """
    alpha = acos((d * d + a * a - b * b) / (2 * d * a))
    beta = atan2(a * sin(alpha), a * np.cos(alpha) - d)
    n_inner = max(8, round(N_VERTICES * b * (pi - beta) / (b * (pi - beta) + a * (pi - alpha))))
    outer = np.linspace(alpha, 2 * pi - alpha, N_VERTICES - n_inner)
    inner = np.linspace(2 * pi - beta, beta, n_inner + 2)[1:-1]
    inner_arc = b * np.stack([np.cos(inner), np.sin(inner)], axis=1) + np.array([d, 0.0])
    outer_arc = a * np.stack([np.cos(outer), np.sin(outer)], axis=1)

    def ring(stretch: float) -> Array:
        between_tips = outer_arc[1:-1] * stretch
        return np.concatenate([outer_arc[:1], between_tips, outer_arc[-1:], inner_arc])

    one, more = ring_area(ring(1.0)), ring_area(ring(1.001))
    return ring(1.0 + 0.001 * (area - one) / (more - one))
