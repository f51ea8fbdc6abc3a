"""What a mask takes over from the scan it belongs to, without the scan's voxels where they are not needed."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from volumetry.errors import ReadError
from volumetry.formats.recognise import recognise
from volumetry.geometry import ScanGeometry
from volumetry.scan import Scan, ScanSource


@dataclass(frozen=True, kw_only=True, eq=False)
class ScanHeader:
    """A scan without its voxels."""

    geometry: ScanGeometry
    source: ScanSource
    flags: tuple[str, ...] = ()


def scan_header(scan: Scan | Path | str) -> ScanHeader:
    """Return geometry, source and flags of a scan, or of the file or folder of one.

    No voxels are decoded: a format module offers ``read_scan_header(path) -> ScanHeader``, or, for DICOM,
    ``find_stack(path)``.

    Raises
    ------
    ReadError, GeometryError
        As `volumetry.formats.read_scan`.
    """
    if not isinstance(scan, Scan):
        module = import_module(recognise(scan).module)
        read_scan_header = getattr(module, "read_scan_header", None)
        if read_scan_header is not None:
            facts: ScanHeader = read_scan_header(Path(scan))
            return facts
        find_stack = getattr(module, "find_stack", None)
        if find_stack is None:
            raise ReadError(
                "unsupported-format", "this file is no scan", where=scan, todo="Name the scan of the mask."
            )
        stack = find_stack(scan)
        return ScanHeader(geometry=stack.geometry, source=stack.source, flags=stack.flags)
    return ScanHeader(geometry=scan.geometry, source=scan.source, flags=scan.flags)
