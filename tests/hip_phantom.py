"""A hip whose lesion is known by a formula, and the strokes of a hand that shakes round it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from dicom_phantoms import stack_geometry, stack_voxels, write_series
from numpy.typing import NDArray

N_SLICES = 12
"""Of the hip; its lesion lies on all of them."""

THICKNESS_MM = 3.0
PIXEL_MM = 0.5
HALF_AXES_MM = np.array([14.0, 10.0])
MIDDLE = np.array([64.2, 63.7])
"""Of the lesion on every slice, (row, column)."""


def write_hip(folder: Path) -> None:
    """A scan of 12 slices, 3 mm thick and 3.3 mm apart; `stroke` knows where the lesion is."""
    geometry = stack_geometry(
        n_slices=N_SLICES,
        rows=128,
        columns=128,
        pixel_spacing_mm=(PIXEL_MM, PIXEL_MM),
        slice_spacing_mm=3.3,
        slice_thickness_mm=THICKNESS_MM,
        origin_mm=(60, 0, 40),
    )
    write_series(folder, geometry, stack_voxels(geometry))


def scale(index: int) -> float:
    """How large the section of an ellipsoid is, against the largest."""
    middle = (N_SLICES - 1) / 2
    return float(np.sqrt(1 - ((index - middle) / (middle + 0.5)) ** 2))


def stroke(index: int, chance: np.random.Generator, jitter_mm: float = 0.25) -> NDArray[np.float64]:
    """60 places of the mouse round the section, with a shake that goes on from one to the next."""
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    shake = chance.normal(0, 1, 60)
    shake = np.convolve(np.concatenate((shake, shake[:4])), np.ones(5) / np.sqrt(5), mode="valid")
    radii_mm = HALF_AXES_MM * scale(index) + jitter_mm * shake[:, None]
    return np.asarray(MIDDLE + radii_mm * np.column_stack((np.sin(angles), np.cos(angles))) / PIXEL_MM)


def true_volume_cm3() -> float:
    """Area of the sections times thickness."""
    areas = [np.pi * HALF_AXES_MM.prod() * scale(index) ** 2 for index in range(N_SLICES)]
    return float(sum(areas)) * THICKNESS_MM / 1000
