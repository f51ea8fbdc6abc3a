"""From a traced file to files that other programs read, with the measurements where the format holds them."""

from volumetry.errors import VolumetryError
from volumetry.export.report import measured_lesion, write_report
from volumetry.export.traced_file import TracedFile, read_traced
from volumetry.export.writing import (
    EXPORT_NAMES,
    Exported,
    export_file,
    export_traced,
    write_mask,
    write_trace,
)
from volumetry.formats.exporting import ExportFormat, ExportOptions

__all__ = [
    "EXPORT_NAMES",
    "ExportFormat",
    "ExportOptions",
    "Exported",
    "TracedFile",
    "VolumetryError",
    "export_file",
    "export_traced",
    "measured_lesion",
    "read_traced",
    "write_mask",
    "write_report",
    "write_trace",
]
