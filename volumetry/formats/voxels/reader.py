"""The reader that all files of voxels share; a format adds how its header is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from volumetry.formats.reader import DicomImages, FormatReader, TracedScan
from volumetry.formats.scan_header import ScanHeader
from volumetry.formats.voxels.header import VoxelFile
from volumetry.formats.voxels.reading import mask_of, scan_header_of, scan_of, sections_of
from volumetry.masks.mask import Mask
from volumetry.scan import Scan
from volumetry.sections import CrossSections


def no_companions(_path: Path) -> list[Path]:
    """Return nothing: a file that stands alone."""
    return []


class VoxelReader(FormatReader):
    """Reads scans and masks of one voxel format.

    Parameters
    ----------
    name : str
    read_header : callable
        Returns the `VoxelFile` of a path, whose declared size was checked against the file.
    companions : callable, optional
        As `FormatReader.companions`.
    """

    def __init__(
        self,
        name: str,
        read_header: Callable[[Path], VoxelFile],
        companions: Callable[[Path], list[Path]] = no_companions,
    ) -> None:
        self.name = name
        self._read_header = read_header
        self._companions = companions

    def companions(self, path: Path) -> list[Path]:
        """Return the other files, present or not, whose bytes decide what is read from a file."""
        return self._companions(path)

    def read_scan(self, path: Path, *, series_uid: str | None = None) -> Scan:  # noqa: ARG002
        """Read a scan; these formats have no series to choose from."""
        return scan_of(self._read_header(path))

    def read_scan_header(self, path: Path, *, series_uid: str | None = None) -> ScanHeader:  # noqa: ARG002
        """Return the geometry, source and flags of a scan; no voxel is decoded."""
        return scan_header_of(self._read_header(path))

    def read_mask(self, path: Path, *, threshold: float | None = None, scan: TracedScan = None) -> Mask:
        """Read a mask, as `volumetry.formats.read_mask`."""
        return mask_of(self._read_header(path), threshold=threshold, scan=_resolved(scan))

    def read_sections(
        self,
        path: Path,
        *,
        label: int | str | None = None,
        threshold: float | None = None,
        scan: TracedScan = None,
    ) -> tuple[CrossSections, ...]:
        """Measure every label, or the named one, as `volumetry.formats.read_sections`."""
        file = self._read_header(path)
        return sections_of(file, label=label, threshold=threshold, scan=_resolved(scan))


def _resolved(scan: TracedScan) -> ScanHeader | None:
    if isinstance(scan, DicomImages):
        raise TypeError("volumetry.formats finds the scan of a mask that names no images")
    return scan
