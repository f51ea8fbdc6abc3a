"""Reconstructed tomograms of nuclear medicine (SPECT): one multi-frame file, placed by its first slice.

They have no functional groups. DetectorInformationSequence says where the first slice lies, SliceVector which
slice every frame is, and SpacingBetweenSlices how far they are apart along the normal, which is row direction
x column direction; a negative one stacks them the other way (PS3.3 C.8.4.15).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.series.slices import Numbers

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_RECONSTRUCTED = "RECON TOMO"


def planes_of_tomogram(dataset: Dataset, header: DicomHeader) -> tuple[Numbers, list[Numbers]] | None:
    """Return the orientation of a reconstructed tomogram, and the origin of every frame in mm.

    None where the file is not a tomogram, or does not say all of it: gated ones hold a volume for each phase.
    """
    detectors = list(dataset.get("DetectorInformationSequence") or [])
    spacing_mm = header.spacing_between_slices_mm
    numbers = [int(number) for number in _several(dataset.get("SliceVector"))]
    if _RECONSTRUCTED not in header.image_type[2:3] or len(detectors) != 1:
        return None
    if spacing_mm is None or not math.isfinite(spacing_mm) or not spacing_mm:
        return None
    if len(numbers) != header.number_of_frames or sorted(numbers) != list(range(1, len(numbers) + 1)):
        return None
    orientation: Numbers = tuple(map(float, _several(detectors[0].get("ImageOrientationPatient"))))
    first: Numbers = tuple(map(float, _several(detectors[0].get("ImagePositionPatient"))))
    if (len(orientation), len(first)) != (6, 3):
        return None
    row, column = np.reshape(orientation, (2, 3))
    normal = np.cross(row, column)
    origins = np.array(first) + (np.array(numbers)[:, np.newaxis] - 1) * spacing_mm * normal
    return orientation, [(x, y, z) for x, y, z in origins.tolist()]


def _several(value: object) -> list[float]:
    """Return the values of an element that may hold none, one or several."""
    if value is None or value == "":
        return []
    return list(value) if hasattr(value, "__iter__") else [value]  # type: ignore[list-item]
