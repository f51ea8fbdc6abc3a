"""Rigid registration of two scans of one patient, in patient space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volumetry.scan import Scan

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class RigidTransform:
    """A rigid motion of LPS points: ``p -> rotation @ p + translation_mm``.

    Attributes
    ----------
    rotation : (3, 3) array
    translation_mm : (3,) array
    """

    rotation: Array
    translation_mm: Array

    @classmethod
    def identity(cls) -> RigidTransform:
        """Return the motion that moves nothing."""
        raise NotImplementedError

    def apply(self, points_mm: ArrayLike) -> Array:
        """Return points (n, 3) moved."""
        raise NotImplementedError

    @property
    def inverse(self) -> RigidTransform:
        """The way back."""
        raise NotImplementedError

    @property
    def angle_degrees(self) -> float:
        """Angle of the rotation about its axis."""
        raise NotImplementedError


class CancelToken:
    """Tells a registration to stop; may be set from another thread."""

    def cancel(self) -> None:
        """Stop as soon as possible."""
        raise NotImplementedError

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class RegistrationBox:
    """A box around what is registered, for instance one femoral head: LPS mm."""

    centre_mm: tuple[float, float, float]
    size_mm: tuple[float, float, float]


def register_rigid(
    fixed: Scan,
    moving: Scan,
    *,
    box: RegistrationBox | None = None,
    progress: Callable[[float], None] | None = None,
    cancel: CancelToken | None = None,
) -> RigidTransform:
    """Return the rigid motion from the patient space of `fixed` to that of `moving`.

    Parameters
    ----------
    fixed : Scan
        The baseline.
    moving : Scan
        The follow-up.
    box : RegistrationBox, optional
        In the space of `fixed`: only what lies in it counts.
    progress : callable, optional
        Called with the share that is done, 0 to 1, from the calling thread.
    cancel : CancelToken, optional

    Raises
    ------
    UsageError
        ``cancelled``. GeometryError where a scan has fewer than two slices.

    Notes
    -----
    Run it in a thread; SimpleITK lets go of the interpreter lock.
    """
    raise NotImplementedError
