"""A slice of another visit, as it lies in the plane of the slice that is read. No Qt, no napari."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from volumetry import Scan
from volumetry.tracing import DisplayOrientation, RigidTransform, direction_letters, locate

Array = NDArray[np.float64]


def resliced(
    other: Scan, orientation: DisplayOrientation, slice_index: int, to_other: RigidTransform
) -> NDArray[np.float32]:
    """Return the values of another scan at the pixels of a slice that is shown, by linear interpolation.

    Parameters
    ----------
    other : Scan
    orientation : DisplayOrientation
        Of the scan that is read.
    slice_index : int
        Its slice.
    to_other : RigidTransform
        From the patient space of the scan that is read to that of `other`.

    Returns
    -------
    (rows, columns) array
        As the screen shows them; not a number where `other` has no slice. Its first and last slice reach half
        a step further, as what they show does.
    """
    from scipy.ndimage import map_coordinates

    places = _places(other, orientation, slice_index, to_other)
    last = np.array(other.voxels.shape)[:, None, None] - 1
    inside = np.all((places >= -0.5 - 1e-6) & (places <= last + 0.5 + 1e-6), axis=0)
    values = np.full(places.shape[1:], np.nan, dtype=np.float32)
    if not inside.any():
        return values
    wanted = np.clip(places[:, inside], 0, last.reshape(3, 1))
    low = int(np.floor(wanted[0].min()))
    high = int(np.ceil(wanted[0].max())) + 1
    wanted[0] -= low
    slab = np.asarray(other.voxels[low:high], dtype=np.float32)
    values[inside] = map_coordinates(slab, wanted, order=1, mode="nearest", prefilter=False)
    return values


def _places(
    other: Scan, orientation: DisplayOrientation, slice_index: int, to_other: RigidTransform
) -> NDArray[np.float64]:
    """Where the pixels of a slice lie in another scan: (3, rows, columns) of slice, row, column."""
    _, rows, columns = orientation.shape
    geometry = other.geometry
    if geometry.is_uneven or geometry.is_sheared_stack:
        grid = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), axis=-1)
        points = to_other.apply(orientation.display_to_patient(slice_index, grid.reshape(-1, 2)))
        return np.moveaxis(locate(geometry, points).reshape(rows, columns, 3), -1, 0)
    # Evenly spaced slices: places are linear in the pixels.
    corners = orientation.display_to_patient(slice_index, [(0, 0), (1, 0), (0, 1)])
    first, down, right = locate(geometry, to_other.apply(corners))
    steps = np.arange(rows)[None, :, None], np.arange(columns)[None, None, :]
    return np.asarray(
        first[:, None, None]
        + (down - first)[:, None, None] * steps[0]
        + (right - first)[:, None, None] * steps[1]
    )


def letters_of(orientation: DisplayOrientation, to_other: RigidTransform) -> dict[str, str]:
    """Return the letters of the patient's sides, as they were at the other visit, at the edges."""
    down, right = (to_other.rotation @ direction for direction in orientation.down_and_right)
    return {
        "left": direction_letters(-right),
        "right": direction_letters(right),
        "top": direction_letters(-down),
        "bottom": direction_letters(down),
    }
