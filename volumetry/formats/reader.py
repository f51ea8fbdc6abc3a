"""What a format offers: the one interface that every reader of files has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from volumetry.contours.loops import SelfIntersections
from volumetry.contours.overlaps import OverlappingOutlines
from volumetry.errors import MismatchError, ReadError, VolumetryError
from volumetry.formats.lesion_names import side_of_name
from volumetry.formats.scan_header import ScanHeader
from volumetry.geometry import ScanGeometry
from volumetry.masks.mask import Mask
from volumetry.scan import Scan
from volumetry.sections import CrossSections

if TYPE_CHECKING:
    from volumetry.trace import Trace


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionDetails:
    """What a file says of a region besides its name: hashes that can be compared, and nothing to read.

    Attributes
    ----------
    tracking_uid, tracking_id : str
        TrackingUID and TrackingID of a segment.
    kind : str
        Property type and anatomic region of a segment, RTROIInterpretedType of a region.
    side : str
        ``L``, ``R`` or empty: the side that its description names.
    maker : str
        ``AUTOMATIC``, ``SEMIAUTOMATIC``, ``MANUAL`` or empty: how a segment was made.
    """

    tracking_uid: str = ""
    tracking_id: str = ""
    kind: str = ""
    side: str = ""
    maker: str = ""


@dataclass(frozen=True, kw_only=True)
class RegionSections:
    """One lesion of a traced file: its cross-sections, or the error that says why there are none.

    Attributes
    ----------
    name : str
        Of the region, the label, or its number in words.
    side : str
        ``L``, ``R`` or empty, as the file says.
    sections : CrossSections or None
    error : VolumetryError or None
    details : RegionDetails
        What else the file says of it.

    Examples
    --------
    >>> from volumetry.formats import read_regions
    >>> regions = read_regions("sample_scans/study/hip01/2021-03-02/rtstruct.dcm")
    >>> [(region.name, region.side, region.error) for region in regions]
    [('lesion_L1', 'L', None), ('lesion_R1', 'R', None)]
    """

    name: str
    side: str = ""
    sections: CrossSections | None = None
    error: VolumetryError | None = None
    details: RegionDetails = RegionDetails()


@dataclass(frozen=True, kw_only=True)
class DicomImages:
    """A DICOM folder or file named as the scan: which of its images are meant, the tracing says."""

    path: Path


TracedScan = ScanHeader | DicomImages | None
"""The scan of a traced file, as `volumetry.formats` has found it."""


class FormatReader(Protocol):
    """Reads one format. A reader overrides what its files can hold; the rest is refused by name.

    Attributes
    ----------
    name : str
        Of the format: ``nifti``, ``dicom``...
    """

    name: str

    def companions(self, path: Path) -> list[Path]:  # noqa: ARG002
        """Return the other files, present or not, whose bytes decide what is read from a file."""
        return []

    def read_scan(self, path: Path, *, series_uid: str | None = None) -> Scan:  # noqa: ARG002
        """Read a scan. Arguments and errors are those of `volumetry.formats.read_scan`."""
        raise self.holds_no("scan", path)

    def read_scan_header(self, path: Path, *, series_uid: str | None = None) -> ScanHeader:  # noqa: ARG002
        """Return the geometry, source and flags of a scan; no voxel is decoded."""
        raise self.holds_no("scan", path)

    def read_scan_header_like(self, path: Path, geometry: ScanGeometry) -> ScanHeader | None:  # noqa: ARG002
        """Return the one scan of a folder that has the voxels of a mask; None where none or several do."""
        return None

    def read_mask(
        self,
        path: Path,
        *,
        threshold: float | None = None,  # noqa: ARG002
        scan: TracedScan = None,  # noqa: ARG002
    ) -> Mask:
        """Read a mask. Arguments and errors are those of `volumetry.formats.read_mask`."""
        raise self.holds_no("mask", path)

    def read_trace(
        self,
        path: Path,
        *,
        roi: str | None = None,  # noqa: ARG002
        scan: TracedScan = None,  # noqa: ARG002
    ) -> Trace:
        """Read a trace. Arguments and errors are those of `volumetry.formats.read_trace`."""
        raise self.holds_no("trace", path)

    def read_sections(
        self,
        path: Path,
        *,
        label: int | str | None = None,  # noqa: ARG002
        threshold: float | None = None,  # noqa: ARG002
        scan: TracedScan = None,  # noqa: ARG002
    ) -> tuple[CrossSections, ...]:
        """Measure every lesion. Arguments and errors are those of `volumetry.formats.read_sections`."""
        raise self.holds_no("trace or mask", path)

    def read_regions(
        self,
        path: Path,
        *,
        label: int | str | None = None,
        threshold: float | None = None,
        scan: TracedScan = None,
        self_intersections: SelfIntersections = "refuse",  # noqa: ARG002 - masks have no outlines
        overlapping_outlines: OverlappingOutlines = "refuse",  # noqa: ARG002 - as above
    ) -> tuple[RegionSections, ...]:
        """Measure every lesion, failures among them, as `volumetry.formats.read_regions`."""
        found = self.read_sections(path, label=label, threshold=threshold, scan=scan)
        return tuple(_region(section, path) for section in found)

    def holds_no(self, kind: str, path: Path) -> ReadError:
        """Return the error for a format that cannot hold what is asked for."""
        return ReadError(
            "unsupported-format",
            f"a file of this format holds no {kind}",
            where=path,
            values={"format": self.name},
            todo=f"Name a file that holds a {kind}.",
        )


def _region(sections: CrossSections, path: Path) -> RegionSections:
    """One label as a lesion; its side is what its code or its name says, and both say the same."""
    name, of_name = sections.lesion or str(sections.label), side_of_name(sections.lesion)
    if sections.side and of_name and sections.side != of_name:
        error = MismatchError(
            "side-mismatch",
            "the code of the segment and its name say two sides",
            where=path,
            values={"code": sections.side, "name": name},
            todo="Correct the one that is wrong.",
        )
        return RegionSections(name=name, error=error)
    return RegionSections(name=name, side=sections.side or of_name, sections=sections)
