"""Measure lesions on medical images, slice by slice, and follow them over time."""

from volumetry._version import __version__
from volumetry.change import ChangeRule, MeasuredVisit, VolumeChange, classify_change
from volumetry.codes import ERROR_CODES, FLAGS
from volumetry.contour import Contour
from volumetry.errors import VolumetryError
from volumetry.formats import read_mask, read_scan, read_sections, read_trace, write_mask, write_trace
from volumetry.geometry import ScanGeometry
from volumetry.mask import Mask, MaskLabel, contours_from_mask, mask_from_contours
from volumetry.scan import Scan, ScanSource
from volumetry.sections import CrossSections
from volumetry.trace import Provenance, Trace, check_trace
from volumetry.volume import LesionVolume, MeasurementRule, measure_volume

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
    "Scan",
    "ScanGeometry",
    "ScanSource",
    "Trace",
    "VolumeChange",
    "VolumetryError",
    "__version__",
    "check_trace",
    "classify_change",
    "contours_from_mask",
    "mask_from_contours",
    "measure_volume",
    "read_mask",
    "read_scan",
    "read_sections",
    "read_trace",
    "write_mask",
    "write_trace",
]
