"""A scan without its voxels: what tracing and measuring need of it."""

from __future__ import annotations

from dataclasses import dataclass

from volumetry.geometry import ScanGeometry
from volumetry.scan import Scan, ScanSource


@dataclass(frozen=True, kw_only=True, eq=False)
class ScanHeader:
    """A scan without its voxels.

    Attributes
    ----------
    geometry : ScanGeometry
    source : ScanSource
    flags : tuple of str
    slice_uids : tuple of str
        SOPInstanceUID of every slice; empty for formats without UIDs.
    """

    geometry: ScanGeometry
    source: ScanSource
    flags: tuple[str, ...] = ()
    slice_uids: tuple[str, ...] = ()

    @classmethod
    def of(cls, scan: Scan) -> ScanHeader:
        """Return the header of a scan that was read."""
        return cls(geometry=scan.geometry, source=scan.source, flags=scan.flags, slice_uids=scan.slice_uids)
