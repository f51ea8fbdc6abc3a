"""Small masks with known volumes, and the NIfTI, NRRD and MetaImage files of them that tests need."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

PIXEL_MM = (0.7, 0.9)  # between columns (i), between rows (j)
STEP_MM = 3.3
COUNTS = {1: 62, 2: 14}  # voxels of each label in `lesion`
VOXEL_MM3 = 0.7 * 0.9 * 3.3


def lesion(dtype: Any = np.uint8) -> NDArray[Any]:
    """Voxels (i, j, k) of two labels, neither symmetric nor at the edge: 12 x 10 x 9."""
    voxels = np.zeros((12, 10, 9), dtype=dtype)
    voxels[2:7, 3:6, 2:6] = 1  # 60
    voxels[7, 3, 2] = voxels[2, 6, 5] = 1
    voxels[8:10, 7, 1:8] = 2  # 14
    return voxels


def affine(*, flips: tuple[int, int, int] = (1, 1, 1), turned: bool = False) -> NDArray[np.float64]:
    """A RAS affine of the spacings above."""
    matrix = np.diag([PIXEL_MM[0], PIXEL_MM[1], STEP_MM]) * flips
    if turned:
        a, b = 0.3, -0.2
        turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
        tilt = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
        matrix = turn @ tilt @ matrix
    full = np.eye(4)
    full[:3, :3] = matrix
    full[:3, 3] = (-31.5, 12.25, 40.0)
    return full


def nifti_image(voxels: NDArray[Any], matrix: Any = None, *, version: int = 1, units: str = "mm") -> Any:
    """A nibabel image with both forms set."""
    kind: Any = nib.Nifti1Image if version == 1 else nib.Nifti2Image
    image = kind(voxels, affine() if matrix is None else matrix, dtype=voxels.dtype)
    image.header.set_xyzt_units(units)
    image.set_sform(affine() if matrix is None else matrix, 1)
    image.set_qform(affine() if matrix is None else matrix, 1)
    return image


def nifti_bytes(voxels: NDArray[Any] | None = None, matrix: Any = None, **options: Any) -> bytes:
    """The bytes of a ``.nii``."""
    content: bytes = nifti_image(lesion() if voxels is None else voxels, matrix, **options).to_bytes()
    return content


def patched(content: bytes, offset: int, form: str, *values: Any) -> bytes:
    """A header with other values at one place."""
    changed = bytearray(content)
    struct.pack_into(form, changed, offset, *values)
    return bytes(changed)


def write(path: Path, content: bytes, *, level: int = 6) -> Path:
    """Write a file, gzipped where its name says so."""
    path.write_bytes(gzip.compress(content, level, mtime=0) if path.name.endswith(".gz") else content)
    return path


def mutants(content: bytes, count: int, *, seed: int, head: int = 400) -> Iterator[bytes]:
    """Copies with a few bytes changed, most of them in the header."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        changed = bytearray(content)
        for _ in range(int(rng.integers(1, 6))):
            end = len(changed) if rng.random() < 0.3 else min(head, len(changed))
            changed[int(rng.integers(0, end))] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.integers(256)]))
        yield bytes(changed)


def cuts(content: bytes, count: int = 100) -> Iterator[bytes]:
    """Copies that end at evenly spread points, before the end."""
    yield from (content[: len(content) * n // count] for n in range(count))
