"""How slices are shown: upright in radiological convention, square in millimetres, with their sides named.

Coronal and axial slices have the patient's right on the viewer's left; coronal and sagittal ones the head
up, axial ones the front up, sagittal ones the front to the viewer's left. Oblique slices are shown like the
plane they are nearest to. Nothing is resampled: rows and columns are at most swapped and reversed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volumetry.geometry import ScanGeometry
from volumetry.scan import Scan

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class DisplayOrientation:
    """How the slices of a geometry are turned for the screen.

    Attributes
    ----------
    geometry : ScanGeometry
    plane : str
        ``axial``, ``coronal`` or ``sagittal``: the nearest.
    oblique_degrees : float
        Angle between the normal and that of the plane.
    is_transposed : bool
        Whether the screen's rows are the columns of the pixels.
    is_flipped : (bool, bool)
        Whether the screen's (rows, columns) run against those of the pixels, after swapping.
    """

    geometry: ScanGeometry
    plane: str
    oblique_degrees: float
    is_transposed: bool
    is_flipped: tuple[bool, bool]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(slices, rows, columns) on the screen."""
        raise NotImplementedError

    @property
    def scale_mm(self) -> tuple[float, float, float]:
        """Millimetres of one step on the screen: slices (the median spacing), rows, columns."""
        raise NotImplementedError

    @property
    def markers(self) -> dict[str, str]:
        """Letters for ``left``, ``right``, ``top``, ``bottom`` of the screen: R, L, A, P, H, F.

        Two letters, the stronger first, for an edge that is more than 10 degrees off the patient's axis.
        """
        raise NotImplementedError

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to tell about the view: uneven spacing shown at the median, missing slices, gantry tilt."""
        raise NotImplementedError

    def to_display(self, voxels: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return a view of (..., rows, columns) as the screen shows it. Writing to it writes to `voxels`."""
        raise NotImplementedError

    def from_display(self, shown: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return a view of what the screen shows, (..., rows, columns), in the order of the pixels."""
        raise NotImplementedError

    def pixels_to_display(self, pixels: ArrayLike) -> Array:
        """Return (row, column) on the screen, (n, 2), of pixel coordinates (n, 2)."""
        raise NotImplementedError

    def display_to_pixels(self, shown: ArrayLike) -> Array:
        """Return pixel coordinates (row, column), (n, 2), of positions on the screen (n, 2)."""
        raise NotImplementedError

    def display_to_patient(self, slice_index: int, shown: ArrayLike) -> Array:
        """Return LPS mm, (n, 3), of positions (row, column) on the screen, (n, 2), of one slice."""
        raise NotImplementedError

    def patient_to_display(self, points_mm: ArrayLike) -> Array:
        """Return (slice, row, column) on the screen, (n, 3) floats, of LPS points (n, 3).

        The slice is a fraction between the true positions of its neighbours.
        """
        raise NotImplementedError


def display_orientation(geometry: ScanGeometry) -> DisplayOrientation:
    """Return how the slices of a geometry are shown."""
    raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class WindowPreset:
    """A window: values from `low` to `high` are shown from black to white."""

    name: str
    low: float
    high: float

    @property
    def level(self) -> float:
        """Middle of the window."""
        return (self.low + self.high) / 2

    @property
    def width(self) -> float:
        """Width of the window."""
        return self.high - self.low


def window_presets(scan: Scan) -> tuple[WindowPreset, ...]:
    """Return the windows to choose from, the first to begin with.

    CT: bone, soft tissue, lung, all. Others (MR): ``standard`` (1st to 99th percentile of what is not
    background), ``bright`` (to the 90th), ``all``.
    """
    raise NotImplementedError
