"""SeriesDescription, read to be matched against a pattern; it is free text, and is written nowhere."""

from __future__ import annotations

import warnings
from pathlib import Path

from volumetry.formats.dicom.file.gzipped import open_stream


def series_description(path: Path | str) -> str:
    """Return the SeriesDescription of a file that passed the guarded walk; empty where it has none."""
    from pydicom import dcmread

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tags = ["SpecificCharacterSet", "SeriesDescription"]
            with open_stream(path) as stream:
                dataset = dcmread(stream, stop_before_pixels=True, force=True, specific_tags=tags)
            return str(dataset.get("SeriesDescription") or "")
    except Exception:  # noqa: BLE001 - pydicom raises anything at corrupt input; nothing is described then
        return ""
