"""Rigid motions of patient space."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volumetry.errors import GeometryError
from volumetry.geometry import frozen_array

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class RigidTransform:
    """A rigid motion of LPS points: ``p -> rotation @ p + translation_mm``.

    Attributes
    ----------
    rotation : (3, 3) array
    translation_mm : (3,) array

    Raises
    ------
    GeometryError
        ``bad-spacing``: the matrix is no rotation.

    Examples
    --------
    >>> moved = vt.RigidTransform(rotation=np.eye(3), translation_mm=np.array([1.0, 0.0, 0.0]))
    >>> moved.translation_mm.tolist()
    [1.0, 0.0, 0.0]
    """

    rotation: Array
    translation_mm: Array

    def __post_init__(self) -> None:
        rotation = frozen_array(self.rotation).reshape(3, 3)
        translation = frozen_array(self.translation_mm).reshape(3)
        if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-6) or np.linalg.det(rotation) < 0:
            raise GeometryError(
                "bad-spacing", "the matrix of a motion is no rotation", todo="Give an orthonormal matrix."
            )
        object.__setattr__(self, "rotation", rotation)
        object.__setattr__(self, "translation_mm", translation)

    @classmethod
    def identity(cls) -> RigidTransform:
        """Return the motion that moves nothing."""
        return cls(rotation=np.eye(3), translation_mm=np.zeros(3))

    def apply(self, points_mm: ArrayLike) -> Array:
        """Return points (n, 3) moved."""
        points = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
        return np.asarray(points @ self.rotation.T + self.translation_mm)

    @property
    def inverse(self) -> RigidTransform:
        """The way back."""
        return RigidTransform(rotation=self.rotation.T, translation_mm=-self.rotation.T @ self.translation_mm)

    @property
    def angle_degrees(self) -> float:
        """Angle of the rotation about its axis."""
        # Of the skew part, which small angles do not drown in the rounding of the cosine.
        skew = self.rotation - self.rotation.T
        sine = math.sqrt(skew[2, 1] ** 2 + skew[0, 2] ** 2 + skew[1, 0] ** 2) / 2
        return math.degrees(math.atan2(sine, (float(np.trace(self.rotation)) - 1) / 2))
