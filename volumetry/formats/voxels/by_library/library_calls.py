"""The thin edge to the libraries that read the less common voxel formats."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from volumetry.errors import ReadError, VolumetryError
from volumetry.formats.voxels.header import not_3d

T = TypeVar("T")


def by_library(call: Callable[[], T], what: str, path: Path) -> T:
    """Return what a library's reader returns; whatever it raises at a damaged file is one error.

    Raises
    ------
    ReadError
        ``unreadable``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return call()
    except (VolumetryError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - libraries raise anything at corrupt input
        raise ReadError(
            "unreadable",
            f"{what} is damaged, or of a kind that the library for it does not read",
            where=path,
            values={"reason": type(error).__name__},
            todo="Copy the file again, or export it as NIfTI (.nii.gz) or NRRD.",
        ) from None


def check_matrix(sizes: tuple[int, ...], path: Path) -> tuple[int, int, int]:
    """Return the three sizes of one volume; axes beyond the third must be 1.

    Raises
    ------
    ReadError
        ``unreadable``: a size below 1.
    GeometryError
        ``not-3d``.
    """
    if not sizes or min(sizes) < 1:
        raise ReadError(
            "unreadable",
            "the header declares no possible matrix",
            where=path,
            values={"size": sizes},
            todo="Copy or export the file again.",
        )
    if len(sizes) < 3 or any(n > 1 for n in sizes[3:]):
        raise not_3d(sizes, path)
    return sizes[0], sizes[1], sizes[2]
