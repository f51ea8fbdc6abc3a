"""Lesions written in the formats that other programs read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from volumetry.contours.loops import simple_contours
from volumetry.contours.overlaps import without_overlaps
from volumetry.errors import UsageError, VolumetryError
from volumetry.export.report import measured_lesion, write_report
from volumetry.export.traced_file import TracedFile, read_traced
from volumetry.files.atomic import make_folder
from volumetry.formats import read_scan, trace_json
from volumetry.formats.dicom.written.lesions import (
    ExportedLesion,
    SourceImages,
    of_patient,
    source_images,
    tracked_in,
)
from volumetry.formats.dicom.written.report import Method
from volumetry.formats.exporting import (
    ExportFormat,
    ExportOptions,
    float32_offset_mm,
    format_of,
    nothing_to_export,
    only_its_labels,
    without_images,
    write_lesions,
    write_voxels,
)
from volumetry.masks.mask import Mask
from volumetry.measurement import MeasurementRule
from volumetry.scan_match import check_trace
from volumetry.trace import Trace

EXPORT_NAMES: tuple[ExportFormat, ...] = ("seg", "rtstruct", "sr", "nifti", "nrrd", "trace")

NEEDS_IMAGES = frozenset({"seg", "rtstruct", "sr"})
NIFTI_OFFSET_MM = 1e-5
"""Offset of a NIfTI file's grid above which ``.seg.nrrd`` is recommended instead."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written.

    Attributes
    ----------
    paths : tuple of Path
    n_lesions : int
    notes : tuple of str
        What the format could not keep, in sentences.

    Examples
    --------
    >>> done = vm.export_file("sample_scans/study/hip05/2021-06-01/L1.trace.json", "L1.nii.gz")
    >>> done.paths, done.n_lesions
    ((PosixPath('L1.nii.gz'),), 1)
    """

    paths: tuple[Path, ...]
    n_lesions: int
    notes: tuple[str, ...] = ()


def export_file(
    path: Path | str,
    out: Path | str,
    as_: ExportFormat | None = None,
    *,
    scan: Path | str | None = None,
    label: int | str | None = None,
    threshold: float | None = None,
    options: ExportOptions | None = None,
    rule: MeasurementRule | None = None,
) -> Exported:
    """Write the lesions of a traced file in another format.

    Parameters
    ----------
    path : path
        A trace, RTSTRUCT or mask.
    out : path
        The file to write. ``sr`` writes the segmentation that the report refers to beside it, as
        ``NAME.seg.dcm``.
    as_ : str, optional
        One of `EXPORT_NAMES`; without it the suffix of `out` says the format.
    scan : path, optional
        The scan it was traced on; needed for ``seg``, ``rtstruct`` and ``sr``.
    label : int or str, optional
        Only the lesion of that number or name.
    threshold : float, optional
        As in `volumetry.read_mask`.
    options : ExportOptions, optional
    rule : MeasurementRule, optional
        How a report's volumes are measured, and whether outlines that cross themselves are resolved.

    Returns
    -------
    Exported

    Raises
    ------
    VolumetryError
        ``not-dicom-scan``, ``nothing-to-export``, ``inconsistent-series``, ``grid-mismatch``; what
        `volumetry.measure_volume` says of outlines that enclose no one area.

    Examples
    --------
    >>> visit = "sample_scans/study/hip01/2021-03-02"
    >>> done = vm.export_file(f"{visit}/rtstruct.dcm", "lesions.dcm", "seg", scan=f"{visit}/t1_cor")
    >>> done.n_lesions
    2
    """
    name = format_of(out, as_)
    _refuse_to_replace(path, scan, out)
    if scan is None and name in NEEDS_IMAGES:
        raise without_images(out)
    traced = read_traced(path, scan=scan, label=label, threshold=threshold)
    images = _images(traced, name, scan, out)
    traced = replace(traced, tracked=tracked_in(Path(path)))
    if traced.is_empty and name not in ("trace", "rtstruct"):
        raise nothing_to_export(path)
    make_folder(Path(out).parent)
    return _write(traced, Path(out), name, images, options or ExportOptions(), rule or MeasurementRule())


def _refuse_to_replace(path: Path | str, scan: Path | str | None, out: Path | str) -> None:
    """Refuse an output that is the traced file, or lies among the images."""
    out = Path(out)
    held = [Path(path)] if scan is None else [Path(path), Path(scan)]
    if out.exists() and any(out.samefile(one) for one in held if one.exists()):
        raise UsageError(
            "usage",
            "the file to write is one of those that are read",
            where=out,
            todo="Give another name with --out.",
        )


def write_trace(
    trace: Trace,
    path: Path | str,
    *,
    as_: ExportFormat | None = None,
    scan: Path | str | None = None,
    options: ExportOptions | None = None,
    rule: MeasurementRule | None = None,
) -> None:
    """Write a trace, in the format that the suffix or `as_` says.

    Parameters
    ----------
    trace : Trace
    path : path
        ``.trace.json`` keeps all of a trace; ``.seg.nrrd``, ``.nii`` and ``.nii.gz`` keep its pixels. A path
        that says no format, or another one, is a trace.
    as_ : {"trace", "nifti", "nrrd", "seg", "rtstruct", "sr"}, optional
    scan : path, optional
        The DICOM images it was drawn on; needed for ``seg``, ``rtstruct`` and ``sr``.
    options, rule
        As in `export_file`.

    Raises
    ------
    VolumetryError
        As `export_file`; ``read-only``, ``disk-full``.

    Examples
    --------
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> vm.write_trace(trace, "L1.trace.json")
    >>> vm.write_trace(trace, "L1.dcm", as_="rtstruct", scan="sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> vm.read_trace("L1.trace.json").sha256 == trace.sha256
    True
    """
    traced = TracedFile(path=Path(path), traces=(trace,))
    export_traced(traced, path, as_, scan=scan, options=options, rule=rule)


def write_mask(
    mask: Mask,
    path: Path | str,
    *,
    as_: ExportFormat | None = None,
    scan: Path | str | None = None,
    options: ExportOptions | None = None,
    rule: MeasurementRule | None = None,
) -> None:
    """Write a mask, in the format that the suffix or `as_` says.

    Parameters
    ----------
    mask : Mask
    path : path
        ``.seg.nrrd`` keeps names, overlaps and positions; ``.nii`` and ``.nii.gz`` are read everywhere.
    as_ : {"nifti", "nrrd", "seg", "rtstruct", "sr", "trace"}, optional
        A mask of one label can be a trace, along the edges of its pixels.
    scan : path, optional
        The DICOM images it was drawn on; needed for ``seg``, ``rtstruct`` and ``sr``.
    options, rule
        As in `export_file`.

    Raises
    ------
    VolumetryError
        As `export_file`; ``read-only``, ``disk-full``.

    Examples
    --------
    >>> mask = vm.read_mask("sample_scans/orientation/axial/axial_mask.nii.gz")
    >>> vm.write_mask(mask, "L1.seg.nrrd")
    >>> vm.read_mask("L1.seg.nrrd").labels[0].number
    1
    """
    traced = TracedFile(path=Path(path), mask=mask)
    export_traced(traced, path, as_, scan=scan, options=options, rule=rule)


def export_traced(
    traced: TracedFile,
    out: Path | str,
    as_: ExportFormat | None = None,
    *,
    scan: Path | str | None = None,
    options: ExportOptions | None = None,
    rule: MeasurementRule | None = None,
) -> Exported:
    """Write lesions in memory, several traces of one scan for instance, into one file.

    Parameters
    ----------
    traced : TracedFile
        The lesions, all on one grid.
    out, as_, scan, options, rule
        As in `export_file`.

    Raises
    ------
    VolumetryError
        As `export_file`.

    Examples
    --------
    >>> from volumetry.export import TracedFile, export_traced
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> export_traced(TracedFile(path=Path("L1"), traces=(trace,)), "L1.seg.nrrd").n_lesions
    1
    """
    name = format_of(out, as_)
    images = _images(traced, name, scan, out)
    return _write(traced, Path(out), name, images, options or ExportOptions(), rule or MeasurementRule())


def _write(
    traced: TracedFile,
    out: Path,
    name: ExportFormat,
    images: SourceImages | None,
    options: ExportOptions,
    rule: MeasurementRule,
) -> Exported:
    lesions = traced.lesions(options)
    if name == "trace":
        return _as_trace(traced, lesions, out)
    lesions = _of_one_area(traced, lesions, rule)
    if images is not None:
        for held in (*traced.traces, *(() if traced.mask is None else (traced.mask,))):
            check_trace(held, images.scan)
        lesions = tuple(of_patient(lesion, images) for lesion in lesions)
    if name == "sr":
        assert images is not None
        return _as_report(traced, lesions, out, images, options, rule)
    if traced.mask is not None and name in ("nifti", "nrrd"):
        write_voxels(only_its_labels(traced.mask), out, name)
    else:
        write_lesions(lesions, out, name, geometry=traced.geometry, images=images, options=options)
    notes: tuple[str, ...] = ()
    offset = float32_offset_mm(traced.geometry)
    if name == "nifti" and offset > NIFTI_OFFSET_MM:
        notes = (f"NIfTI keeps positions to {offset:.2g} mm here; .seg.nrrd keeps them whole.",)
    return Exported(paths=(out,), n_lesions=len(lesions), notes=notes)


def _images(traced: TracedFile, name: str, scan: Path | str | None, out: Path | str) -> SourceImages | None:
    """Return the images that a DICOM object names; other formats need none."""
    if name not in NEEDS_IMAGES:
        return None
    if scan is None:
        raise without_images(out)
    drawn = traced.mask.source if traced.mask is not None else traced.traces[0].source
    try:
        found = read_scan(scan)
    except VolumetryError as error:
        if error.code != "ambiguous-series" or not drawn.series_uid:
            raise
        found = read_scan(scan, series_uid=drawn.series_uid)
    return source_images(scan, found)


def _of_one_area(
    traced: TracedFile, lesions: tuple[ExportedLesion, ...], rule: MeasurementRule
) -> tuple[ExportedLesion, ...]:
    """Refuse outlines that enclose no one area, which pixels would hide; resolve crossings on request."""
    resolve = rule.self_intersections == "resolve"
    overlaps = rule.overlapping_outlines
    found = []
    for lesion, trace in zip(lesions, traced.traces, strict=False):
        trace.cross_sections(self_intersections=rule.self_intersections, overlapping_outlines=overlaps)
        contours = lesion.contours
        if resolve or overlaps != "refuse":
            slices = (trace.contours_on(index) for index in trace.slice_indices)
            simple = (simple_contours(on_slice, resolve=resolve)[0] for on_slice in slices)
            contours = tuple(c for on_slice in simple for c in without_overlaps(on_slice, overlaps)[0])
        found.append(replace(lesion, contours=contours))
    return tuple(found) or lesions


def _as_trace(traced: TracedFile, lesions: Sequence[ExportedLesion], out: Path) -> Exported:
    if len(lesions) != 1:
        raise UsageError(
            "usage",
            "a trace holds one lesion",
            where=traced.path,
            values={"lesions": " ".join(lesion.lesion for lesion in lesions)},
            todo="Name one with --label or --roi.",
        )
    if traced.traces:
        trace_json.write_trace(traced.traces[0], out)
    else:
        lesion, mask = lesions[0], traced.mask
        assert mask is not None
        trace_json.write_trace(
            Trace(
                lesion=lesion.lesion,
                side=lesion.side,
                contours=lesion.contours,
                geometry=mask.geometry,
                source=mask.source,
                flags=mask.flags,
            ),
            out,
        )
    return Exported(paths=(out,), n_lesions=1)


def _as_report(
    traced: TracedFile,
    lesions: Sequence[ExportedLesion],
    out: Path,
    images: SourceImages,
    options: ExportOptions,
    rule: MeasurementRule,
) -> Exported:
    method: Method = "voxels" if traced.mask is not None else "outlines"
    measured = [
        measured_lesion(lesion, volume, number, method)
        for number, (lesion, volume) in enumerate(zip(lesions, traced.volumes(rule), strict=True), start=1)
    ]
    beside = out.with_name(f"{out.name.removesuffix('.dcm')}.seg.dcm")
    write_report(measured, out, beside, images, options)
    return Exported(paths=(out, beside), n_lesions=len(lesions))
