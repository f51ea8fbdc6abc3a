"""A DICOM structured report of measured lesions, and the segmentation that it refers to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from volumetry.formats.dicom.written.lesions import ExportedLesion, SourceImages, values_of_the_source
from volumetry.formats.dicom.written.report import MeasuredLesion, Method
from volumetry.formats.exporting import ExportOptions, save_dicom
from volumetry.volume import LesionVolume

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def measured_lesion(
    lesion: ExportedLesion, volume: LesionVolume, segment_number: int, method: Method
) -> MeasuredLesion:
    """Return a lesion with its numbers, as a report holds it.

    Examples
    --------
    >>> from volumetry.export import ExportOptions, measured_lesion, read_traced
    >>> traced = read_traced("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> lesion, volume = traced.lesions(ExportOptions())[0], traced.volumes(vm.MeasurementRule())[0]
    >>> measured_lesion(lesion, volume, 1, "outlines").height_rule
    'thickness'
    """
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
    *,
    finish: Callable[[Dataset], None] | None = None,
) -> Dataset:
    """Write a structured report and the segmentation it refers to; return the report.

    `finish` is given both objects before they are written.

    Examples
    --------
    >>> from volumetry.export import ExportOptions, measured_lesion, read_traced, write_report
    >>> from volumetry.formats.dicom.written.lesions import source_images
    >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> traced = read_traced("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> lesion, volume = traced.lesions(ExportOptions())[0], traced.volumes(vm.MeasurementRule())[0]
    >>> images = source_images("sample_scans/study/hip05/2021-06-01/t1_cor", scan)
    >>> one = measured_lesion(lesion, volume, 1, "outlines")
    >>> write_report([one], Path("L1.sr.dcm"), Path("L1.seg.dcm"), images, ExportOptions()).Modality
    'SR'
    """
    from volumetry.formats.dicom.written.report import measurement_report
    from volumetry.formats.dicom.written.segmentation import segmentation

    with values_of_the_source():
        segments = segmentation([one.lesion for one in measured], images, empty_frames=options.empty_frames)
        report = measurement_report(measured, images, segments)
    if finish is not None:
        for written in (segments, report):
            finish(written)
    save_dicom(segments, segments_out)
    save_dicom(report, out)
    return report
