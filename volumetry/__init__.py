"""Measure lesions on medical images, slice by slice, and follow them over time."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from volumetry._version import __version__

if TYPE_CHECKING:
    from volumetry.change import ChangeRule, MeasuredVisit, VolumeChange, classify_change
    from volumetry.codes import ERROR_CODES, FLAGS
    from volumetry.comparability import VisitFacts, compare_visits
    from volumetry.contours.contour import Contour
    from volumetry.error_model import (
        ReadingError,
        SamplingError,
        fit_reading_error,
        judge_change,
        sampling_error,
    )
    from volumetry.errors import VolumetryError
    from volumetry.export import export_file, write_mask, write_trace
    from volumetry.formats import read_mask, read_scan, read_sections, read_trace
    from volumetry.geometry import ScanGeometry
    from volumetry.masks.labels import MaskLabel
    from volumetry.masks.mask import Mask, mask_from
    from volumetry.masks.outlines import contours_from_mask, mask_from_contours
    from volumetry.measurement import MeasurementRule, measure_volume
    from volumetry.scan import Scan, ScanSource, scan_from
    from volumetry.scan_match import check_trace
    from volumetry.sections import CrossSections
    from volumetry.study.runs.results import StudyResults, measure_folder, read_results
    from volumetry.trace import Provenance, Trace
    from volumetry.volume import LesionVolume

__all__ = [
    "ChangeRule",
    "Contour",
    "CrossSections",
    "ERROR_CODES",
    "FLAGS",
    "LesionVolume",
    "Mask",
    "MaskLabel",
    "MeasuredVisit",
    "MeasurementRule",
    "Provenance",
    "ReadingError",
    "SamplingError",
    "Scan",
    "ScanGeometry",
    "ScanSource",
    "StudyResults",
    "Trace",
    "VisitFacts",
    "VolumeChange",
    "VolumetryError",
    "__version__",
    "check_trace",
    "classify_change",
    "compare_visits",
    "contours_from_mask",
    "export_file",
    "fit_reading_error",
    "judge_change",
    "mask_from",
    "mask_from_contours",
    "measure_folder",
    "measure_volume",
    "read_mask",
    "read_results",
    "read_scan",
    "read_sections",
    "read_trace",
    "sampling_error",
    "scan_from",
    "write_mask",
    "write_trace",
]

# Where the public names live: each module is imported when a name of it is first asked for, so that the
# command line starts with what its command needs (docs/decisions/0007).
_HOMES = {
    "ChangeRule": "change",
    "Contour": "contours.contour",
    "CrossSections": "sections",
    "ERROR_CODES": "codes",
    "FLAGS": "codes",
    "LesionVolume": "volume",
    "Mask": "masks.mask",
    "MaskLabel": "masks.labels",
    "MeasuredVisit": "change",
    "MeasurementRule": "measurement",
    "Provenance": "trace",
    "ReadingError": "error_model",
    "SamplingError": "error_model",
    "Scan": "scan",
    "ScanGeometry": "geometry",
    "ScanSource": "scan",
    "StudyResults": "study.runs.results",
    "Trace": "trace",
    "VisitFacts": "comparability",
    "VolumeChange": "change",
    "VolumetryError": "errors",
    "check_trace": "scan_match",
    "classify_change": "change",
    "compare_visits": "comparability",
    "contours_from_mask": "masks.outlines",
    "export_file": "export",
    "fit_reading_error": "error_model",
    "judge_change": "error_model",
    "mask_from": "masks.mask",
    "mask_from_contours": "masks.outlines",
    "measure_folder": "study.runs.results",
    "measure_volume": "measurement",
    "read_mask": "formats",
    "read_results": "study.runs.results",
    "read_scan": "formats",
    "read_sections": "formats",
    "read_trace": "formats",
    "sampling_error": "error_model",
    "scan_from": "scan",
    "write_mask": "export",
    "write_trace": "export",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__} - {"Any", "TYPE_CHECKING", "import_module"})
