"""Scans, masks and traces are read and written here, whatever their format.

The bytes of a file say its format (`recognise`), and the `FormatReader` of that format reads it. Readers are
imported when a file of their format is met. The scan that a user names for a traced file is found here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from volumetry.contours.loops import SelfIntersections
from volumetry.contours.overlaps import OverlappingOutlines
from volumetry.errors import UsageError, VolumetryError
from volumetry.formats.reader import DicomImages, RegionSections, TracedScan
from volumetry.formats.recognise import FORMATS, Format, recognise
from volumetry.formats.scan_header import ScanHeader
from volumetry.masks.mask import Mask
from volumetry.scan import Scan
from volumetry.sections import CrossSections

if TYPE_CHECKING:
    from volumetry.trace import Trace


def _resolved(
    scan: Scan | ScanHeader | Path | str | None, traced: Format, traced_path: Path | str
) -> TracedScan:
    """Resolve what a user named as the scan of a traced file: the one place where that is done.

    A DICOM tracing names its images, so that it chooses among those of a DICOM folder by itself. A mask of
    voxels means the one stack of the folder that has its grid.
    """
    if scan is None or isinstance(scan, ScanHeader):
        return scan
    if isinstance(scan, Scan):
        return ScanHeader.of(scan)
    if traced.name == "dicom" and recognise(scan).name == "dicom":
        return DicomImages(path=Path(scan))
    try:
        return read_scan_header(scan)
    except VolumetryError as error:
        if error.code != "ambiguous-series" or traced.name == "trace":
            raise
        mask = traced.reader().read_scan_header(Path(traced_path))
        meant = recognise(scan).reader().read_scan_header_like(Path(scan), mask.geometry)
        if meant is None:
            raise
        return meant


def read_scan_header(path: Path | str, *, series_uid: str | None = None) -> ScanHeader:
    """Return the geometry, source and flags of the scan of a file or folder; no voxel is decoded.

    Parameters
    ----------
    path : path
    series_uid : str, optional
        As in `read_scan`.

    Raises
    ------
    ReadError, GeometryError
        As `read_scan`.

    Examples
    --------
    >>> from volumetry.formats import read_scan_header
    >>> read_scan_header("sample_scans/study/hip05/2021-06-01/t1_cor").geometry.n_slices
    12
    """
    return recognise(path).reader().read_scan_header(Path(path), series_uid=series_uid)


def read_scan(path: Path | str, *, series_uid: str | None = None) -> Scan:
    """Read a scan: a DICOM folder or multi-frame file, NIfTI, NRRD or MetaImage.

    Parameters
    ----------
    path : path
    series_uid : str, optional
        SeriesInstanceUID, where a folder holds several series.

    Raises
    ------
    ReadError, GeometryError
        By code, naming the file and the values; see ``docs/reference/codes.md``.

    Examples
    --------
    >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> scan.voxels.shape, scan.geometry.slice_spacing_mm
    ((12, 100, 200), 4.399999952315256)
    """
    return recognise(path).reader().read_scan(Path(path), series_uid=series_uid)


def read_mask(path: Path | str, *, threshold: float | None = None, scan: Scan | None = None) -> Mask:
    """Read a mask: NIfTI, NRRD, ``.seg.nrrd``, MetaImage or DICOM SEG.

    Parameters
    ----------
    path : path
    threshold : float, optional
        Values at or above it belong to label 1, for probability maps and fractional segmentations.
    scan : Scan, optional
        The scan it belongs to; its grid must be the same, and its slice thickness is taken over where
        the mask's file knows none.

    Raises
    ------
    ReadError, GeometryError, MismatchError
        ``not-labels``, ``non-finite``, ``not-3d``, ``grid-mismatch``...

    Examples
    --------
    >>> mask = vm.read_mask("sample_scans/orientation/axial/axial_mask.nii.gz")
    >>> mask
    <Mask: labels 1, slices x rows x columns 18 x 44 x 48, pixel_spacing_mm 2 2, slice_spacing_mm 4.4,
    normal 0 0 1>
    """
    found = recognise(path)
    return found.reader().read_mask(Path(path), threshold=threshold, scan=_resolved(scan, found, path))


def read_trace(path: Path | str, *, roi: str | None = None, scan: Scan | Path | str | None = None) -> Trace:
    """Read a trace: ``*.trace.json``, or one region of a DICOM RTSTRUCT.

    Parameters
    ----------
    path : path
    roi : str, optional
        Name of the region, where the file holds several.
    scan : Scan or path, optional
        The scan of an RTSTRUCT; without it the series it names is looked for beside the file.

    Raises
    ------
    ReadError, TraceError, MismatchError

    Examples
    --------
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> trace.lesion, trace.side, trace.slice_indices
    ('L1', 'L', (2, 3, 4, 5, 6, 7))
    """
    found = recognise(path)
    return found.reader().read_trace(Path(path), roi=roi, scan=_resolved(scan, found, path))


def read_sections(
    path: Path | str,
    *,
    label: int | str | None = None,
    threshold: float | None = None,
    scan: Scan | Path | str | None = None,
) -> tuple[CrossSections, ...]:
    """Measure the areas of every lesion of a traced file, or of the named one, whatever its format.

    Masks are counted slice by slice as they are decoded, so that no whole volume is held in memory.

    Parameters
    ----------
    path : path
    label : int or str, optional
        Only the label or region of that number or name.
    threshold : float, optional
        As in `read_mask`.
    scan : Scan or path, optional
        The scan it belongs to.

    Examples
    --------
    >>> sections = vm.read_sections("sample_scans/study/hip01/2021-03-02/rtstruct.dcm")
    >>> [(one.lesion, len(one.areas_mm2)) for one in sections]
    [('lesion_L1', 6), ('lesion_R1', 7)]
    """
    path = Path(path)
    found = recognise(path)
    return found.reader().read_sections(
        path, label=label, threshold=threshold, scan=_resolved(scan, found, path)
    )


def read_regions(
    path: Path | str,
    *,
    label: int | str | None = None,
    threshold: float | None = None,
    scan: Scan | ScanHeader | Path | str | None = None,
    self_intersections: SelfIntersections = "refuse",
    overlapping_outlines: OverlappingOutlines = "refuse",
) -> tuple[RegionSections, ...]:
    """Measure the areas of every lesion of a traced file; one that fails hides no other.

    As `read_sections`, for those who want a row for every lesion, whatever becomes of it; with
    `self_intersections` and `overlapping_outlines` as in `volumetry.trace.Trace.cross_sections`.

    Raises
    ------
    VolumetryError
        Where the file as a whole cannot be read.

    Examples
    --------
    >>> from volumetry.formats import read_regions
    >>> regions = read_regions("sample_scans/study/hip01/2021-03-02/rtstruct.dcm")
    >>> [region.name for region in regions]
    ['lesion_L1', 'lesion_R1']
    """
    found = recognise(path)
    return found.reader().read_regions(
        Path(path),
        label=label,
        threshold=threshold,
        scan=_resolved(scan, found, path),
        self_intersections=self_intersections,
        overlapping_outlines=overlapping_outlines,
    )


def write_trace(trace: Trace, path: Path | str) -> None:
    """Write a trace as ``*.trace.json``, atomically.

    Raises
    ------
    OutputError, UsageError

    Examples
    --------
    >>> from volumetry.formats import write_trace
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> write_trace(trace, "copy.trace.json")
    >>> vm.read_trace("copy.trace.json").sha256 == trace.sha256
    True
    """
    if not str(path).endswith(".trace.json"):
        raise UsageError(
            "usage", "a trace file ends in .trace.json", where=path, todo="Name it like L1.trace.json."
        )
    from volumetry.formats import trace_json

    trace_json.write_trace(trace, path)


def write_mask(mask: Mask, path: Path | str) -> None:
    """Write a mask as NIfTI (``.nii`` or ``.nii.gz``) on the grid of its scan, atomically.

    Raises
    ------
    UsageError
        ``usage``: another suffix, or labels that overlap.
    GeometryError
        ``inconsistent-series``, ``single-slice``: one affine cannot say where the slices lie.
    OutputError
        ``read-only``, ``disk-full``.

    Examples
    --------
    >>> from volumetry.formats import write_mask
    >>> mask = vm.read_mask("sample_scans/orientation/axial/axial_mask.nii.gz")
    >>> write_mask(mask, "copy.nii.gz")
    >>> bool((vm.read_mask("copy.nii.gz").layers[0] == mask.layers[0]).all())
    True
    """
    if not str(path).endswith((".nii", ".nii.gz")):
        raise UsageError("usage", "a mask is written as NIfTI", where=path, todo="Name it like L1.nii.gz.")
    from volumetry.formats.voxels.nifti import writer

    writer.write_mask(mask, path)


__all__ = [
    "FORMATS",
    "Format",
    "RegionSections",
    "read_mask",
    "read_regions",
    "read_scan",
    "read_scan_header",
    "read_sections",
    "read_trace",
    "recognise",
    "write_mask",
    "write_trace",
]
