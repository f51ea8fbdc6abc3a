"""GIPL (``.gipl``, ``.gipl.gz``) and legacy VTK structured points (``.vtk``): headers are read by SimpleITK.

Both say where the first voxel is and how large voxels are, and nothing of how the axes lie in the patient.
The voxels are streamed as everywhere: SimpleITK fills up a VTK file that is cut without an error.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from volumetry.errors import GeometryError, ReadError
from volumetry.formats.opening import truncated
from volumetry.formats.voxels.by_library.library_calls import by_library, check_matrix
from volumetry.formats.voxels.header import VoxelFile, not_3d
from volumetry.formats.voxels.nifti.header import shortest_decimal
from volumetry.formats.voxels.reader import VoxelReader
from volumetry.formats.voxels.streams import GzipStream, open_stream

_GIPL_HEADER_BYTES = 256
_GIPL_MAGIC = {b"\xef\xff\xe9\xb0", b"\x2a\xe3\x89\xb8"}
_VTK_HEADER_BYTES = 4096
_VTK_DATA = re.compile(rb"\n[ \t]*SCALARS[^\n]*\n(?:[ \t]*LOOKUP_TABLE[^\n]*\n)?", re.I)


def read_gipl_header(path: Path | str) -> VoxelFile:
    """Read the header of a GIPL file; its voxels are stored, or gzip'ed, in one block that is streamed.

    Raises
    ------
    ReadError, GeometryError
    """
    path = Path(path)
    with open_stream(path, None) as (stream, on_disk_bytes):
        is_compressed = isinstance(stream, GzipStream)
        head = stream.read(_GIPL_HEADER_BYTES)
    if len(head) < _GIPL_HEADER_BYTES:
        raise truncated("the file ends within its header", path, _GIPL_HEADER_BYTES, len(head))
    if head[252:256] not in _GIPL_MAGIC:
        raise ReadError(
            "unreadable",
            "this is no GIPL header: its mark is missing",
            where=path,
            todo="Check what kind of file it is, or export it as NIfTI.",
        )
    encoding = "gzip" if is_compressed else "raw"
    file = _file(path, "gipl", "GiplImageIO", encoding=encoding, data_offset=_GIPL_HEADER_BYTES)
    file.check_size(on_disk_bytes)
    return file


def read_vtk_header(path: Path | str) -> VoxelFile:
    """Read the header of a VTK file of structured points.

    Raises
    ------
    ReadError, GeometryError
    """
    path = Path(path)
    with open_stream(path) as (stream, on_disk_bytes):
        head = stream.read(_VTK_HEADER_BYTES)
    words = head.upper().split()
    if not head.startswith(b"# vtk DataFile") or b"STRUCTURED_POINTS" not in words:
        raise ReadError(
            "unsupported-format",
            "this VTK file holds no structured points (an image), but a surface or another kind of data",
            where=path,
            todo="Export the segmentation as a label image: NIfTI (.nii.gz) or NRRD.",
        )
    if b"SPACING" not in words and b"ASPECT_RATIO" not in words:
        raise GeometryError(
            "bad-spacing",
            "the header does not say how large a voxel is",
            where=path,
            values={"SPACING": "none"},
            todo="Write the file again with its SPACING.",
        )
    start = _VTK_DATA.search(head)
    if start is None:
        raise ReadError(
            "unsupported-format",
            "the VTK file holds no scalars that are read here",
            where=path,
            todo="Write the image as point data, one number a point.",
        )
    encoding = "raw" if b"BINARY" in words else "text"
    file = _file(path, "vtk", "VTKImageIO", encoding=encoding, file_offset=start.end())
    points = next((words[i + 1] for i, word in enumerate(words[:-1]) if word == b"POINT_DATA"), b"none")
    if points != str(np.prod(file.sizes, dtype=object)).encode():
        raise GeometryError(
            "header-conflict",
            "the header declares another number of points than its dimensions have",
            where=path,
            values={"DIMENSIONS": file.sizes, "POINT_DATA": points[:20].decode(errors="replace")},
            todo="Correct the header or export the file again.",
        )
    file.check_size(on_disk_bytes - start.end())
    return file


def _file(
    path: Path, name: str, kind: str, *, encoding: str, file_offset: int = 0, data_offset: int = 0
) -> VoxelFile:
    sizes, spacing, origin, dtype = by_library(lambda: _information(path, kind), "the header", path)
    spacing = tuple(map(shortest_decimal, spacing))
    if not all(np.isfinite(spacing)) or min(spacing) <= 0:
        raise GeometryError(
            "bad-spacing",
            "the header does not say how large a voxel is",
            where=path,
            values={"spacing_mm": spacing},
            todo="Export the image again with its voxel size.",
        )
    return VoxelFile(
        path=path,
        format=name,
        dtype=dtype.newbyteorder(">"),
        sizes=check_matrix(sizes, path),
        steps_mm=np.diag(spacing),
        origin_mm=np.array(origin),
        data_path=path,
        encoding=encoding,
        file_offset=file_offset,
        data_offset=data_offset,
        flags=("orientation-unknown",),
        has_footer=name == "vtk",
    )


def _reader(path: Path, kind: str) -> Any:
    itk: Any = import_module("SimpleITK")
    reader = itk.ImageFileReader()
    reader.SetImageIO(kind)
    reader.SetFileName(str(path))
    return reader


def _information(
    path: Path, kind: str
) -> tuple[tuple[int, ...], tuple[float, ...], tuple[float, ...], np.dtype[Any]]:
    itk: Any = import_module("SimpleITK")
    reader = _reader(path, kind)
    with _without_warnings():
        reader.ReadImageInformation()
    if reader.GetNumberOfComponents() != 1 or reader.GetDimension() != 3:
        raise not_3d(reader.GetSize(), path, channels=reader.GetNumberOfComponents())
    # A pixel of that type tells numpy's name for it.
    pixel = itk.GetArrayFromImage(itk.Image([1, 1, 1], reader.GetPixelIDValue()))
    return reader.GetSize(), reader.GetSpacing(), reader.GetOrigin(), pixel.dtype


class _without_warnings:  # noqa: N801 - used like a function
    """Keep ITK from writing its warnings to the terminal."""

    def __enter__(self) -> None:
        self._settings: Any = import_module("SimpleITK").ProcessObject
        self._shown = self._settings.GetGlobalWarningDisplay()
        self._settings.SetGlobalWarningDisplay(False)

    def __exit__(self, *_: object) -> None:
        self._settings.SetGlobalWarningDisplay(self._shown)


GIPL_READER = VoxelReader("gipl", read_gipl_header)
VTK_READER = VoxelReader("vtk", read_vtk_header)
