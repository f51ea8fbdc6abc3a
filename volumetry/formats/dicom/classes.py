"""The SOP classes that are told apart here, and the suffixes by which people call DICOM files."""

from __future__ import annotations

RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
"""SOP class of an RT Structure Set."""

SEG_CLASSES = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})
"""SOP classes of a Segmentation and of a Label Map Segmentation."""

TRACED_CLASSES = SEG_CLASSES | {RTSTRUCT_CLASS}
"""SOP classes of objects that hold what was traced."""

ENHANCED_CLASSES = frozenset(
    f"1.2.840.10008.5.1.4.1.1.{suffix}"
    for suffix in ("2.1", "2.2", "4.1", "4.3", "4.4", "128.1", "130", "30")
)
"""Enhanced and legacy converted CT, MR (also colour) and PET; parametric maps."""

DICOM_SUFFIXES = (".dcm.gz", ".dicom.gz", ".ima.gz", ".dcm", ".dicom", ".ima")
