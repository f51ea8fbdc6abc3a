"""The reader of DICOM files and folders: images are scans, a SEG a mask, an RTSTRUCT traces."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from volumetry.contours.loops import SelfIntersections
from volumetry.contours.overlaps import OverlappingOutlines
from volumetry.errors import ReadError, VolumetryError
from volumetry.formats.dicom.classes import RTSTRUCT_CLASS, SEG_CLASSES, TRACED_CLASSES
from volumetry.formats.dicom.index import read_header
from volumetry.formats.dicom.series.choose import find_stack, find_stack_like
from volumetry.formats.dicom.series.volume import read_scan
from volumetry.formats.lesion_names import side_of_name
from volumetry.formats.reader import FormatReader, RegionSections, TracedScan
from volumetry.formats.scan_header import ScanHeader
from volumetry.formats.voxels.grid_alignment import align_grids
from volumetry.geometry import ScanGeometry
from volumetry.masks.mask import Mask
from volumetry.scan import Scan
from volumetry.sections import CrossSections
from volumetry.trace import Trace


class DicomReader(FormatReader):
    """Reads DICOM, each object by its SOP class."""

    name = "dicom"

    def read_scan(self, path: Path, *, series_uid: str | None = None) -> Scan:
        """Read the scan of a folder or file; see `volumetry.formats.dicom.series.volume.read_scan`."""
        return read_scan(path, series_uid=series_uid)

    def read_scan_header(self, path: Path, *, series_uid: str | None = None) -> ScanHeader:
        """Return geometry, source and flags of the stack that a folder or file stands for."""
        return find_stack(path, series_uid=series_uid).scan_header

    def read_scan_header_like(self, path: Path, geometry: ScanGeometry) -> ScanHeader | None:
        """Return the stack of a folder or file that has the voxels of a mask, whole or cut."""
        for allow_part in (False, True):
            stack = find_stack_like(path, partial(_has_voxels_of, geometry, path, allow_part))
            if stack is not None:
                return stack.scan_header
        return None

    def read_mask(self, path: Path, *, threshold: float | None = None, scan: TracedScan = None) -> Mask:
        """Read a SEG; see `volumetry.formats.dicom.traced.seg.read_mask`."""
        from volumetry.formats.dicom.traced import seg

        _check_class(path, "mask", SEG_CLASSES)
        return seg.read_mask(path, threshold=threshold, scan=scan)

    def read_trace(self, path: Path, *, roi: str | None = None, scan: TracedScan = None) -> Trace:
        """Read a region of an RTSTRUCT; see `volumetry.formats.dicom.traced.rtstruct.read_trace`."""
        from volumetry.formats.dicom.traced import rtstruct

        _check_class(path, "trace", frozenset({RTSTRUCT_CLASS}))
        return rtstruct.read_trace(path, roi=roi, scan=scan)

    def read_sections(
        self,
        path: Path,
        *,
        label: int | str | None = None,
        threshold: float | None = None,
        scan: TracedScan = None,
    ) -> tuple[CrossSections, ...]:
        """Measure the sections of a SEG or RTSTRUCT."""
        from volumetry.formats.dicom.traced import rtstruct, seg

        if _check_class(path, "trace or mask", TRACED_CLASSES) == RTSTRUCT_CLASS:
            return rtstruct.read_sections(path, label=label, scan=scan)
        return seg.read_sections(path, label=label, threshold=threshold, scan=scan)

    def read_regions(
        self,
        path: Path,
        *,
        label: int | str | None = None,
        threshold: float | None = None,
        scan: TracedScan = None,
        self_intersections: SelfIntersections = "refuse",
        overlapping_outlines: OverlappingOutlines = "refuse",
    ) -> tuple[RegionSections, ...]:
        """Measure every lesion; a region of an RTSTRUCT that fails hides no other."""
        from volumetry.formats.dicom.traced import rtstruct
        from volumetry.formats.dicom.traced.details import details_of_segments

        if _check_class(path, "trace or mask", TRACED_CLASSES) != RTSTRUCT_CLASS:
            segments = super().read_regions(path, label=label, threshold=threshold, scan=scan)
            details = details_of_segments(path)
            return tuple(
                replace(one, details=details[one.sections.label])
                if one.sections is not None and one.sections.label in details
                else one
                for one in segments
            )
        regions = []
        for outcome in rtstruct.read_regions(path, roi=label, scan=scan):
            region, sections, error = outcome.region, None, outcome.error
            if outcome.trace is not None:
                try:
                    sections = outcome.trace.cross_sections(
                        self_intersections=self_intersections, overlapping_outlines=overlapping_outlines
                    )
                except VolumetryError as invalid:
                    error = invalid.at(path)
            found = RegionSections(name=region.name, side=side_of_name(region.name), sections=sections)
            regions.append(replace(found, error=error, details=region.details))
        return tuple(regions)


def _has_voxels_of(mask: ScanGeometry, where: Path, allow_part: bool, scan: ScanGeometry) -> bool:
    """Whether the voxels of a mask are those of a scan, or a part of them."""
    if scan.n_slices < 2:
        return False
    with suppress(VolumetryError):
        align_grids(mask, scan, where=where, allow_part=allow_part)
        return True
    return False


def _check_class(path: Path, kind: str, classes: frozenset[str]) -> str:
    """Return the SOP class of an object that traces; refuse what is not one of `classes`."""
    found = "folder" if path.is_dir() else read_header(path).sop_class_uid or ""
    if found not in classes:
        raise ReadError(
            "unsupported-format",
            f"this DICOM file is no {kind}",
            where=path,
            values={"sop_class_uid": found},
            todo="Name a DICOM SEG for a mask, an RTSTRUCT for a trace.",
        )
    return found


READER = DicomReader()
