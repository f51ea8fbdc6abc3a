"""What lies below a folder: one row per image series, with its geometry, its traces and its problems."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from volumetry.errors import VolumetryError
from volumetry.formats import read_scan_header, recognise
from volumetry.formats.dicom.kept_headers import headers_kept, headers_noted
from volumetry.formats.dicom.series.find import stacks_of
from volumetry.formats.dicom.series.stacks import SeriesStack, StackRefusal
from volumetry.geometry import BAD_THICKNESS, ScanGeometry
from volumetry.study.cases import Case
from volumetry.study.finding.discovery import discover
from volumetry.study.finding.folder import look_around

SERIES_COLUMNS = (
    "path",
    "format",
    "modality",
    "matrix",
    "pixel_spacing_mm",
    "slice_thickness_mm",
    "slice_spacing_mm",
    "gap_mm",
    "orientation",
    "weighting",
    "repetition_time_ms",
    "echo_time_ms",
    "inversion_time_ms",
    "field_strength_t",
    "contrast",
    "fat_suppression",
    "n_files",
    "traces",
    "flags",
    "problems",
    "series_uid",
)

_OBLIQUE_DEGREES = 0.5


def orientation_of(geometry: ScanGeometry) -> str:
    """Return the plane of the slices: ``coronal``, or ``coronal oblique 12 deg`` where it is tilted."""
    normal = np.abs(geometry.normal)
    degrees = math.degrees(math.acos(min(1.0, float(normal.max()))))
    return geometry.plane if degrees < _OBLIQUE_DEGREES else f"{geometry.plane} oblique {degrees:.0f} deg"


def inventory(path: Path | str) -> list[dict[str, Any]]:
    """Return a row, with `SERIES_COLUMNS`, for every image series below a folder, or for one file.

    Raises
    ------
    ReadError
        ``not-found`` where there is nothing.
    """
    path = Path(path)
    if path.is_file():
        return [_file_row(path, path.name, [])]
    with headers_noted() as headers:
        cases = list(discover(path))
    with headers_noted(headers), headers_kept():
        found = look_around(path)
    root, traces = str(path), _TracesOf(cases)
    rows: list[dict[str, Any]] = []
    for series in found.series.values():
        for stack in stacks_of(series.headers):
            found_here = traces.of(series.series_uid, series.folder)
            rows.append(_stack_row(stack, series.folder or ".", found_here))
    masks = {case.trace for case in cases}
    images = [name for name in found.volumes if name not in masks]
    rows += [_file_row(Path(root) / name, name, traces.of("", name)) for name in images]
    rows += [_problem_row(case) for case in cases if case.error is not None]
    return sorted(rows, key=lambda row: (row["path"], row["series_uid"] or ""))


class _TracesOf:
    """The tracings of every series and of every scan, in the order of the cases."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self._by_series: dict[str, list[int]] = defaultdict(list)
        self._by_scan: dict[str, list[int]] = defaultdict(list)
        self._traces = [case.trace for case in cases]
        for place, case in enumerate(cases):
            if case.trace:
                self._by_series[case.series_uid].append(place)
                self._by_scan[case.scan].append(place)

    def of(self, series_uid: str, scan: str) -> list[str]:
        """Return the tracings that name a series, or whose scan it is."""
        of_series = self._by_series.get(series_uid, []) if series_uid else []
        of_scan = self._by_scan.get(scan, []) if scan else []
        return [self._traces[place] for place in sorted({*of_series, *of_scan})]


def _stack_row(stack: SeriesStack | StackRefusal, folder: str, traces: list[str]) -> dict[str, Any]:
    row = _empty_row(folder, "dicom", traces)
    row |= {
        "modality": stack.source.modality or None,
        "n_files": len(stack.headers),
        "series_uid": stack.source.series_uid or None,
    }
    if isinstance(stack, StackRefusal):
        return row | {"problems": stack.error.code}
    row |= geometry_cells(stack.geometry, stack.flags) | stack.source.acquisition.known
    problems = ["bad-spacing"] if BAD_THICKNESS in stack.flags else []
    return row | {"problems": " ".join([*problems, *_malformed(stack)])}


def _malformed(stack: SeriesStack) -> list[str]:
    """Name the tags whose values are malformed, which measuring only flags."""
    if "malformed-tag" not in stack.flags:
        return []
    tags = sorted({tag for header in stack.headers for tag in header.malformed_tags})
    return ["malformed-tag", *tags]


def _file_row(path: Path, name: str, traces: list[str]) -> dict[str, Any]:
    try:
        row = _empty_row(name, recognise(path).name, traces)
        facts = read_scan_header(path)
    except VolumetryError as error:
        return _empty_row(name, None, traces) | {"problems": error.code, "n_files": 1}
    row |= {"modality": facts.source.modality or None, "series_uid": facts.source.series_uid or None}
    return row | {"n_files": 1} | geometry_cells(facts.geometry, facts.flags) | facts.source.acquisition.known


def _problem_row(case: Case) -> dict[str, Any]:
    assert case.error is not None
    return _empty_row(case.trace or case.scan, None, []) | {"problems": case.error.code, "n_files": 1}


def _empty_row(path: str, kind: str | None, traces: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(SERIES_COLUMNS)
    return row | {"path": path, "format": kind, "traces": ";".join(traces), "flags": "", "problems": ""}


def geometry_cells(geometry: ScanGeometry, flags: Sequence[str]) -> dict[str, Any]:
    """Return the cells of a row that the geometry of a stack fills."""
    return {
        "matrix": f"{geometry.rows}x{geometry.columns}x{geometry.n_slices}",
        "pixel_spacing_mm": "x".join(f"{value:.6g}" for value in geometry.pixel_spacing_mm),
        "slice_thickness_mm": geometry.slice_thickness_mm,
        "slice_spacing_mm": geometry.slice_spacing_mm,
        "gap_mm": geometry.gap_mm,
        "orientation": orientation_of(geometry),
        "flags": ";".join(sorted({*flags, *_geometry_findings(geometry)})),
    }


def _geometry_findings(geometry: ScanGeometry) -> Iterator[str]:
    if geometry.holes:
        yield "missing-slice-outside"  # inside or outside a lesion: only a trace tells
    if geometry.is_uneven:
        yield "nonuniform-spacing"
    if geometry.is_sheared_stack:
        yield "sheared-stack"


__all__ = ["SERIES_COLUMNS", "geometry_cells", "inventory", "orientation_of"]
