"""Distance fields, in millimetres and negative inside, and textures."""

from __future__ import annotations

import numpy as np

from volumetry.samples.bodies import Array
from volumetry.samples.canvas import Field


def ball(centre: Array, radius: float) -> Field:
    """Distance field of a ball."""
    a, b, c = centre
    return lambda p: np.asarray(np.sqrt((p[0] - a) ** 2 + (p[1] - b) ** 2 + (p[2] - c) ** 2) - radius)


def ellipsoid(centre: Array, semi: tuple[float, float, float], lean_deg: float = 0.0) -> Field:
    """Distance field of an ellipsoid leaning in the coronal plane; first order beside the surface."""
    c, s = np.cos(np.deg2rad(lean_deg)), np.sin(np.deg2rad(lean_deg))

    def distance(p: Array) -> Array:
        x, y, z = p[0] - centre[0], p[1] - centre[1], p[2] - centre[2]
        u, v, w = ((c * x + s * z) / semi[0]) ** 2, (y / semi[1]) ** 2, ((c * z - s * x) / semi[2]) ** 2
        level = u + v + w
        slope = np.sqrt(u / semi[0] ** 2 + v / semi[1] ** 2 + w / semi[2] ** 2) + 1e-9
        return np.asarray((level - np.sqrt(level)) / slope)

    return distance


def rod(start: Array, end: Array, radii: tuple[float, float], flat: float = 1.0) -> Field:
    """Distance field of a rod whose radius runs from one value to the other.

    With `flat` over 1 it is thinner from front to back; under 1 it is a sheet standing upright.
    """
    ax, ay, az = (end - start) * np.array([1.0, flat, 1.0])
    square = ax * ax + ay * ay + az * az

    def distance(p: Array) -> Array:
        x, y, z = p[0] - start[0], (p[1] - start[1]) * flat, p[2] - start[2]
        t = np.clip((x * ax + y * ay + z * az) / square, 0.0, 1.0)
        away = np.sqrt((x - t * ax) ** 2 + (y - t * ay) ** 2 + (z - t * az) ** 2)
        return np.asarray(away - (radii[0] + t * (radii[1] - radii[0])))

    return distance


def blend(fields: tuple[Field, ...], width: float) -> Field:
    """Union of shapes with fillets of a given width."""

    def distance(p: Array) -> Array:
        total = fields[0](p)
        for field in fields[1:]:
            other = field(p)
            near = np.maximum(width - np.abs(total - other), 0.0)
            total = np.minimum(total, other) - near * near / (4.0 * width)
        return total

    return distance


def mottled(level: float, depth: float, wave_mm: float, phase: float = 0.0) -> Field:
    """Return a signal that varies smoothly and irregularly around a level."""
    k = 2 * np.pi / wave_mm

    def signal(p: Array) -> Array:
        x, y, z = p
        first = np.sin(k * (0.9 * x + 0.45 * y) + 1.3 * np.sin(k * 0.53 * z + phase))
        second = np.sin(k * (0.8 * z - 0.5 * x + 0.3 * y) + first + phase)
        return np.asarray(level * (1.0 + depth * 0.5 * (first + second)))

    return signal
