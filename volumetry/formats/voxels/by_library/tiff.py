"""Stacks in TIFF that say how far apart their slices are: those of ImageJ and OME-TIFF, read by tifffile.

Any other TIFF is refused: its resolution is that of print, and nothing in it tells the distance of slices.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from volumetry.errors import GeometryError, ReadError
from volumetry.formats.opening import truncated
from volumetry.formats.voxels.by_library.library_calls import by_library, check_matrix
from volumetry.formats.voxels.header import VoxelFile, not_3d
from volumetry.formats.voxels.reader import VoxelReader
from volumetry.formats.voxels.streams import open_stream

_MM = {
    "mm": 1.0, "millimeter": 1.0, "cm": 10.0, "centimeter": 10.0, "m": 1e3, "meter": 1e3, "inch": 25.4,
    "in": 25.4, "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "\\u00b5m": 1e-3, "\\u00B5m": 1e-3, "micron": 1e-3,
    "microns": 1e-3, "micrometer": 1e-3, "nm": 1e-6,
}  # fmt: skip
_STORED = 1
_COMPRESSIONS = {_STORED, 5, 8, 32773, 32946}  # none, LZW, deflate, PackBits
_MAX_PAGES = 65535
_MAX_XML_BYTES = 1 << 20


def read_header(path: Path | str) -> VoxelFile:
    """Read sizes and spacing, and check the declared size against the file before any memory is taken.

    Raises
    ------
    ReadError, GeometryError
        ``bad-spacing``: the file does not say its spacing.
    """
    path = Path(path)
    with open_stream(path) as (_, on_disk_bytes):
        pass
    stack = by_library(lambda: _parsed(path), "the TIFF file", path)
    if stack.axes not in ("ZYX", "QYX", "IYX") or len(stack.shape) != 3:
        raise _not_one_volume(stack, path)
    sizes = check_matrix(stack.shape[::-1], path)
    if stack.spacing_mm is None:
        raise GeometryError(
            "bad-spacing",
            "the TIFF does not say how large a voxel is and how far apart its slices are",
            where=path,
            values={"read": "the spacing of ImageJ and OME-TIFF"},
            todo="Export it as NIfTI or NRRD with its spacing, or set spacing and unit in ImageJ "
            "(Image > Properties) and save it again.",
        )
    if stack.compressions - _COMPRESSIONS or stack.dtype.kind not in "iuf":
        raise ReadError(
            "unsupported-format",
            "the compression or type of the TIFF is not read here",
            where=path,
            values={"compression": sorted(stack.compressions), "type": stack.dtype.name},
            todo="Save it without compression, as integers or floats.",
        )
    file = VoxelFile(
        path=path,
        format="tiff",
        dtype=stack.dtype,
        sizes=sizes,
        steps_mm=np.diag(stack.spacing_mm),
        origin_mm=np.zeros(3),
        data_path=path,
        encoding="library",
        flags=("orientation-unknown",),
        load=_loader(path, stack.shape, stack.dtype),
    )
    file.check_size(on_disk_bytes)
    if stack.compressions == {_STORED} and file.n_bytes > on_disk_bytes:
        raise truncated("the file ends before its voxels do", path, file.n_bytes, on_disk_bytes)
    return file


def _not_one_volume(stack: _Stack, path: Path) -> GeometryError:
    axes = list(zip(stack.shape, stack.axes, strict=True))
    colours = math.prod(n for n, axis in axes if axis == "S")
    spatial = [n for n, axis in axes if axis in "XYZ"][::-1]
    others = [n for n, axis in axes if axis not in "XYZS"]
    return not_3d((*spatial, *others), path, channels=colours, axes=stack.axes)


class _Stack:
    """What a TIFF file says of its first series of pages."""

    def __init__(self, tiff: Any) -> None:
        if len(tiff.pages) > _MAX_PAGES:
            raise ValueError("more pages than are read")
        series = tiff.series[0]
        self.axes: str = series.axes
        self.shape: tuple[int, ...] = tuple(int(n) for n in series.shape)
        self.dtype = np.dtype(series.dtype).newbyteorder("=")
        self.compressions = {int(page.compression) for page in series.pages if page is not None}
        self.spacing_mm = _ome_spacing(tiff.ome_metadata) or _imagej_spacing(tiff)


def _parsed(path: Path) -> _Stack:
    with _opened(path) as tiff:
        return _Stack(tiff)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open with tifffile, which writes to its log what it makes of a damaged file."""
    logger = logging.getLogger("tifffile")
    before = logger.disabled
    logger.disabled = True
    try:
        with import_module("tifffile").TiffFile(path) as tiff:
            yield tiff
    finally:
        logger.disabled = before


def _imagej_spacing(tiff: Any) -> tuple[float, float, float] | None:
    """Columns, rows and slices; ImageJ writes pixels per unit, and the distance of slices in words."""
    said = tiff.imagej_metadata or {}
    unit = _MM.get(str(said.get("unit", "")).strip().lower())
    tags = tiff.pages[0].tags
    if unit is None or "spacing" not in said or "XResolution" not in tags or "YResolution" not in tags:
        return None
    lengths = [tags[name].value[1] / tags[name].value[0] for name in ("XResolution", "YResolution")]
    return _usable([*lengths, abs(float(said["spacing"]))], unit)


def _ome_spacing(document: str | None) -> tuple[float, float, float] | None:
    if not document or len(document) > _MAX_XML_BYTES:
        return None
    pixels = next((e for e in ElementTree.fromstring(document).iter() if e.tag.endswith("}Pixels")), None)
    if pixels is None:
        return None
    lengths = []
    for axis in "XYZ":
        unit = _MM.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        length = pixels.get(f"PhysicalSize{axis}")
        if unit is None or length is None:
            return None
        lengths.append(float(length) * unit)
    return _usable(lengths, 1.0)


def _usable(lengths: list[float], unit: float) -> tuple[float, float, float] | None:
    x, y, z = (float(f"{length * unit:.9g}") for length in lengths)
    return (x, y, z) if all(math.isfinite(n) and n > 0 for n in (x, y, z)) else None


def _loader(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Callable[[], bytes]:
    def load() -> bytes:
        with _opened(path) as tiff:
            values = tiff.series[0].asarray(maxworkers=1)
        if values.shape != shape:
            raise ValueError("another image than its header")
        return np.ascontiguousarray(values, dtype=dtype).tobytes()

    return lambda: by_library(load, "the image", path)


READER = VoxelReader("tiff", read_header)
