"""The voxels of a stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.formats.dicom.pixels.voxels import read_voxels
from volumetry.formats.dicom.series.choose import find_stack
from volumetry.formats.dicom.series.stacks import SeriesStack
from volumetry.geometry import BAD_THICKNESS, bad_thickness
from volumetry.scan import Scan


def read_scan(path: Path | str, *, series_uid: str | None = None) -> Scan:
    """Read the scan of a DICOM folder or file.

    Parameters
    ----------
    path : path
        A folder, read with its sub-folders; or a file, which stands for the stack it belongs to among the
        files of its folder (or for itself, where it is a multi-frame image or a mosaic).
    series_uid : str, optional
        SeriesInstanceUID of the series that is meant; with ``#2`` after it, the second stack of that series,
        as the message of ``ambiguous-series`` numbers them.

    Returns
    -------
    Scan

    Raises
    ------
    ReadError, GeometryError
        ``ambiguous-series`` where several stacks could be meant; else by what is wrong with it.
    """
    return read_stack(find_stack(path, series_uid=series_uid))


def read_stack(stack: SeriesStack) -> Scan:
    """Read the pixels of a stack.

    Raises
    ------
    ReadError, GeometryError
        As `volumetry.formats.dicom.pixels.voxels.read_voxels`.
    """
    if BAD_THICKNESS in stack.flags:
        raise bad_thickness().at(stack.headers[0].path)
    voxels = _unfolded(stack) if stack.tiles else read_voxels(stack.frames)
    return Scan(
        voxels=voxels,
        geometry=stack.geometry,
        source=stack.source,
        flags=stack.flags,
        slice_uids=stack.slice_uids,
        shown_window=stack.frames[len(stack.frames) // 2].header.shown_window,
    )


def _unfolded(stack: SeriesStack) -> NDArray[Any]:
    """Cut a mosaic into its slices."""
    image = read_voxels(stack.frames[:1])[0]
    rows, columns = stack.geometry.rows, stack.geometry.columns
    return np.stack(
        [image[tile.row : tile.row + rows, tile.column : tile.column + columns] for tile in stack.tiles]
    )
