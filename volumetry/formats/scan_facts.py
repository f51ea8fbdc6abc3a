"""What a mask takes over from the scan it belongs to, without the scan's voxels where they are not needed."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from volumetry.formats import recognise
from volumetry.geometry import ScanGeometry
from volumetry.scan import Scan, ScanSource


@dataclass(frozen=True, kw_only=True, eq=False)
class ScanFacts:
    """A scan without its voxels."""

    geometry: ScanGeometry
    source: ScanSource
    flags: tuple[str, ...] = ()


def scan_facts(scan: Scan | Path | str) -> ScanFacts:
    """Return geometry, source and flags of a scan, or of the file or folder of one.

    A format module that knows them without decoding voxels offers ``read_facts(path) -> ScanFacts``; of the
    others the whole scan is read.

    Raises
    ------
    ReadError, GeometryError
        As `volumetry.formats.read_scan`.
    """
    if not isinstance(scan, Scan):
        module = import_module(recognise(scan).module)
        read_facts = getattr(module, "read_facts", None)
        if read_facts is not None:
            facts: ScanFacts = read_facts(Path(scan))
            return facts
        from volumetry.formats import read_scan

        scan = read_scan(scan)
    return ScanFacts(geometry=scan.geometry, source=scan.source, flags=scan.flags)
