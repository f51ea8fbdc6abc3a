"""From a traced file to files that other programs read, with the measurements where the format holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from volumetry.errors import UsageError, VolumetryError
from volumetry.formats import read_mask, read_scan, read_trace, write_trace
from volumetry.formats.dicom.written.lesions import (
    ExportedLesion,
    SourceImages,
    source_images,
    values_of_the_source,
)
from volumetry.formats.dicom.written.report import MeasuredLesion, Method
from volumetry.formats.exporting import (
    OF_DICOM,
    ExportOptions,
    float32_offset_mm,
    lesions_of_mask,
    lesions_of_trace,
    save_dicom,
    without_images,
    write_lesions,
)
from volumetry.formats.recognise import RTSTRUCT_CLASS, recognise
from volumetry.geometry import ScanGeometry
from volumetry.mask import Mask
from volumetry.scan import Scan
from volumetry.trace import Trace
from volumetry.volume import LesionVolume, MeasurementRule, measure_volume

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

ExportName = Literal["seg", "rtstruct", "sr", "nifti", "nrrd", "trace"]
EXPORT_NAMES: tuple[ExportName, ...] = ("seg", "rtstruct", "sr", "nifti", "nrrd", "trace")

NIFTI_OFFSET_MM = 1e-5
"""Offset of a NIfTI file's grid above which ``.seg.nrrd`` is recommended instead."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TracedFile:
    """The lesions of one traced file, on one grid.

    Attributes
    ----------
    path : Path
    traces : tuple of Trace
        Empty where the file is a mask.
    mask : Mask or None
    """

    path: Path
    traces: tuple[Trace, ...] = ()
    mask: Mask | None = None

    @property
    def geometry(self) -> ScanGeometry:
        """Grid of the lesions."""
        return self.mask.geometry if self.mask is not None else self.traces[0].geometry

    def lesions(self, options: ExportOptions) -> tuple[ExportedLesion, ...]:
        """Return the lesions as they are exported."""
        if self.mask is not None:
            return lesions_of_mask(self.mask, options)
        return tuple(lesion for trace in self.traces for lesion in lesions_of_trace(trace, options))

    def volumes(self, rule: MeasurementRule) -> tuple[LesionVolume, ...]:
        """Measure the lesions, in the order of `lesions`."""
        if self.mask is not None:
            return tuple(
                measure_volume(self.mask, label=label.number, rule=rule) for label in self.mask.labels
            )
        return tuple(measure_volume(trace, rule=rule) for trace in self.traces)


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written.

    Attributes
    ----------
    paths : tuple of Path
    n_lesions : int
    notes : tuple of str
        What the format could not keep, in sentences.
    """

    paths: tuple[Path, ...]
    n_lesions: int
    notes: tuple[str, ...] = ()


def read_traced(
    path: Path | str,
    *,
    scan: Scan | Path | str | None = None,
    label: int | str | None = None,
    threshold: float | None = None,
) -> TracedFile:
    """Read a traced file whole: all its lesions, or the named one.

    Parameters
    ----------
    path : path
    scan : Scan or path, optional
        What it was traced on.
    label : int or str, optional
    threshold : float, optional
        As in `volumetry.read_mask`.

    Raises
    ------
    VolumetryError
        As `volumetry.read_trace` and `volumetry.read_mask`.
    """
    path = Path(path)
    if recognise(path).name == "trace":
        return TracedFile(path=path, traces=(read_trace(path),))
    stack = scan if scan is None or isinstance(scan, Scan) else read_scan(scan)
    if _is_structure_set(path):
        from volumetry.formats.dicom.traced.rtstruct import read_regions

        traces = []
        for region in read_regions(path, roi=label, scan=stack):
            if region.error is not None:
                raise region.error.at(path)
            if region.trace is not None:
                traces.append(region.trace)
        return TracedFile(path=path, traces=tuple(traces))
    mask = read_mask(path, threshold=threshold, scan=stack)
    if label is not None:
        mask = replace(mask, labels=(mask.label(label),))
    return TracedFile(path=path, mask=mask)


def _is_structure_set(path: Path) -> bool:
    if recognise(path).name != "dicom" or path.is_dir():
        return False
    from volumetry.formats.dicom.headers import read_header

    return bool(read_header(path).sop_class_uid == RTSTRUCT_CLASS)


def export_file(
    path: Path | str,
    out: Path | str,
    as_: ExportName,
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
    as_ : str
        One of `EXPORT_NAMES`.
    scan : path, optional
        The scan it was traced on; needed for ``seg``, ``rtstruct`` and ``sr``.
    label : int or str, optional
        Only the lesion of that number or name.
    threshold : float, optional
        As in `volumetry.read_mask`.
    options : ExportOptions, optional
    rule : MeasurementRule, optional
        How a report's volumes are measured.

    Returns
    -------
    Exported

    Raises
    ------
    VolumetryError
        ``not-dicom-scan``, ``nothing-to-export``, ``inconsistent-series``, ``grid-mismatch``...
    """
    options = options or ExportOptions()
    traced = read_traced(path, scan=scan, label=label, threshold=threshold)
    lesions = traced.lesions(options)
    out = Path(out)
    if as_ == "trace":
        return _as_trace(traced, lesions, out)
    images = _images(scan) if as_ in OF_DICOM or as_ == "sr" else None
    if as_ == "sr":
        if images is None:
            raise without_images(out)
        return _as_report(traced, lesions, out, images, options, rule or MeasurementRule())
    write_lesions(lesions, out, as_, geometry=traced.geometry, images=images, options=options)
    notes: tuple[str, ...] = ()
    offset = float32_offset_mm(traced.geometry)
    if as_ == "nifti" and offset > NIFTI_OFFSET_MM:
        notes = (f"NIfTI keeps positions to {offset:.2g} mm here; .seg.nrrd keeps them whole.",)
    return Exported(paths=(out,), n_lesions=len(lesions), notes=notes)


def _images(scan: Path | str | None) -> SourceImages | None:
    return None if scan is None else source_images(scan, read_scan(scan))


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
        write_trace(traced.traces[0], out)
    else:
        lesion, mask = lesions[0], traced.mask
        assert mask is not None
        write_trace(
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


def measured_lesion(
    lesion: ExportedLesion, volume: LesionVolume, segment_number: int, method: Method
) -> MeasuredLesion:
    """Return a lesion with its numbers, as a report holds it."""
    return MeasuredLesion(
        lesion=lesion,
        segment_number=segment_number,
        volume_thickness_mm3=volume.volume_thickness_mm3,
        volume_spacing_mm3=volume.volume_spacing_mm3,
        max_area_mm2=volume.max_area_mm2,
        method=method,
        height_rule=volume.height_rule,
    )


def write_report(
    measured: Sequence[MeasuredLesion],
    out: Path,
    segments_out: Path,
    images: SourceImages,
    options: ExportOptions,
) -> Dataset:
    """Write a structured report and the segmentation it refers to; return the report."""
    from volumetry.formats.dicom.written.report import measurement_report
    from volumetry.formats.dicom.written.segmentation import segmentation

    with values_of_the_source():
        segments = segmentation([one.lesion for one in measured], images, empty_frames=options.empty_frames)
        report = measurement_report(measured, images, segments)
    save_dicom(segments, segments_out)
    save_dicom(report, out)
    return report


__all__ = [
    "EXPORT_NAMES",
    "ExportName",
    "ExportOptions",
    "Exported",
    "TracedFile",
    "VolumetryError",
    "export_file",
    "measured_lesion",
    "read_traced",
    "write_report",
]
