"""Files in and out: one module a format, chosen by an ordered list and the file's own bytes.

Every format module offers some of

- ``read_scan(path, *, series_uid=None) -> Scan``
- ``read_mask(path, *, threshold=None, scan=None) -> Mask``
- ``read_trace(path, *, roi=None, scan=None) -> Trace``
- ``read_sections(path, *, label=None, threshold=None, scan=None) -> tuple[CrossSections, ...]``: every label
  or region of the file (or the named one), measured without keeping more in memory than needed.

The modules are imported when a file of theirs is met, never before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volumetry.errors import ReadError, UsageError, VolumetryError
from volumetry.formats.recognise import FORMATS, RTSTRUCT_CLASS, Format, recognise
from volumetry.mask import Mask
from volumetry.scan import Scan
from volumetry.sections import CrossSections

if TYPE_CHECKING:
    from volumetry.trace import Trace


def _reader(path: Path | str, function: str, kind: str) -> Callable[..., Any]:
    found = recognise(path)
    reader = getattr(import_module(found.module), function, None)
    if reader is None:
        raise ReadError(
            "unsupported-format",
            f"a file of this format holds no {kind}",
            where=path,
            values={"format": found.name},
            todo=f"Name a file that holds a {kind}.",
        )
    return reader  # type: ignore[no-any-return]


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
    """
    scan: Scan = _reader(path, "read_scan", "scan")(path, series_uid=series_uid)
    return scan


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
    """
    mask: Mask = _reader(path, "read_mask", "mask")(path, threshold=threshold, scan=scan)
    return mask


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
    """
    trace: Trace = _reader(path, "read_trace", "trace")(path, roi=roi, scan=scan)
    return trace


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
    """
    reader = _reader(path, "read_sections", "trace or mask")
    sections: tuple[CrossSections, ...] = reader(path, label=label, threshold=threshold, scan=scan)
    return sections


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
    """

    name: str
    side: str = ""
    sections: CrossSections | None = None
    error: VolumetryError | None = None


def read_regions(
    path: Path | str,
    *,
    label: int | str | None = None,
    threshold: float | None = None,
    scan: Scan | Path | str | None = None,
) -> tuple[RegionSections, ...]:
    """Measure the areas of every lesion of a traced file; one that fails hides no other.

    As `read_sections`, for those who want a row for every lesion, whatever becomes of it.

    Raises
    ------
    VolumetryError
        Where the file as a whole cannot be read.
    """
    from volumetry.formats.lesion_names import side_of_name

    if recognise(path).name == "dicom" and not Path(path).is_dir():
        from volumetry.formats.dicom.headers import read_header

        if read_header(path).sop_class_uid == RTSTRUCT_CLASS:
            return _structure_regions(path, label, scan)
    return tuple(
        RegionSections(
            name=section.lesion or str(section.label),
            side=section.side or side_of_name(section.lesion),
            sections=section,
        )
        for section in read_sections(path, label=label, threshold=threshold, scan=scan)
    )


def _structure_regions(
    path: Path | str, label: int | str | None, scan: Scan | Path | str | None
) -> tuple[RegionSections, ...]:
    from volumetry.formats.dicom.traced.rtstruct import read_regions
    from volumetry.formats.lesion_names import side_of_name

    regions = []
    for outcome in read_regions(path, roi=label, scan=scan):
        name, sections, error = outcome.region.name, None, outcome.error
        if outcome.trace is not None:
            try:
                sections = outcome.trace.cross_sections()
            except VolumetryError as invalid:
                error = invalid.at(path)
        regions.append(RegionSections(name=name, side=side_of_name(name), sections=sections, error=error))
    return tuple(regions)


def write_trace(trace: Trace, path: Path | str) -> None:
    """Write a trace as ``*.trace.json``, atomically.

    Raises
    ------
    OutputError, UsageError
    """
    if not str(path).endswith(".trace.json"):
        raise UsageError(
            "usage", "a trace file ends in .trace.json", where=path, todo="Name it like L1.trace.json."
        )
    import_module("volumetry.formats.trace_json").write_trace(trace, path)


def write_mask(mask: Mask, path: Path | str) -> None:
    """Write a mask as NIfTI (``.nii`` or ``.nii.gz``) on the grid of its scan, atomically.

    Raises
    ------
    OutputError, UsageError, GeometryError
        ``affine-conflict``-free grids only: slices must be evenly spaced to be written as NIfTI.
    """
    if not str(path).endswith((".nii", ".nii.gz")):
        raise UsageError("usage", "a mask is written as NIfTI", where=path, todo="Name it like L1.nii.gz.")
    import_module("volumetry.formats.voxels.nifti").write_mask(mask, path)


__all__ = [
    "FORMATS",
    "Format",
    "RegionSections",
    "read_mask",
    "read_regions",
    "read_scan",
    "read_sections",
    "read_trace",
    "recognise",
    "write_mask",
    "write_trace",
]
