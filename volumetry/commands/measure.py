"""``volumetry measure``: the volumes of named files."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from volumetry.commands.options import (
    HEIGHT_RULES,
    add_layout,
    add_measurement_options,
    add_region,
    chosen_region,
    chosen_rule,
    exit_code,
)
from volumetry.console import write_error, write_rows
from volumetry.errors import VolumetryError

if TYPE_CHECKING:
    from volumetry.measurement import MeasurementRule
    from volumetry.volume import LesionVolume

WHAT = "measure the lesion volumes of traced files"
EXAMPLE = "volumetry measure p01/lesion.nii.gz --height spacing --per-slice"


_COLUMNS = (
    "source", "label", "name", "volume_mm3", "volume_cm3", "height_rule", "volume_thickness_mm3",
    "volume_spacing_mm3", "slice_thickness_mm", "slice_spacing_mm", "n_slices", "flags",
)  # fmt: skip
_SLICE_COLUMNS = ("source", "label", "name", "index", "position_mm", "area_mm2", "height_mm")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("paths", nargs="+", metavar="TRACE_OR_MASK")
    parser.add_argument("--scan", metavar="PATH", help="the scan the traces belong to")
    add_region(parser)
    parser.add_argument(
        "--height", choices=HEIGHT_RULES, default="thickness", help="primary rule; default: thickness"
    )
    add_measurement_options(parser)
    parser.add_argument("--per-slice", action="store_true", help="a row per slice")
    add_layout(parser)


def run(chosen: argparse.Namespace) -> int:
    """Measure every lesion of the named files."""
    rule = chosen_rule(chosen)
    rows: list[dict[str, Any]] = []
    failed = 0
    for path in chosen.paths:
        for outcome in _measured(path, chosen, rule):
            if isinstance(outcome, VolumetryError):
                write_error(outcome.at(path))
                failed += 1
                continue
            if outcome.code:
                write_error(VolumetryError(outcome.code, ""), text=f"{outcome.message} ({path})")
                failed += 1
            rows.append(outcome.as_dict() | {"source": str(path)})
    columns: tuple[str, ...] = _COLUMNS
    if chosen.layout != "json":
        rows, columns = _flat(rows, chosen.per_slice), _SLICE_COLUMNS if chosen.per_slice else columns
    write_rows(rows, columns, chosen.layout)
    return exit_code(sum(not row.get("code") for row in rows), failed)


def _measured(
    path: str, chosen: argparse.Namespace, rule: MeasurementRule
) -> Iterable[LesionVolume | VolumetryError]:
    from volumetry.formats import read_regions
    from volumetry.measurement import measure_volume

    region = chosen_region(chosen)
    try:
        _check_scan(path, chosen.scan)
        regions = read_regions(
            path,
            label=region,
            threshold=chosen.threshold,
            scan=chosen.scan,
            self_intersections=rule.self_intersections,
            overlapping_outlines=rule.overlapping_outlines,
        )
    except VolumetryError as error:
        yield error
        return
    for item in regions:
        if item.sections is None:
            yield item.error or VolumetryError("unreadable", "the region cannot be read")
            continue
        try:
            yield measure_volume(item.sections, rule=rule)
        except VolumetryError as error:
            yield error


def _check_scan(path: str, scan: str | None) -> None:
    """Refuse a native trace that was drawn on another scan than the named one, or on other pixels."""
    from volumetry.formats import read_scan, recognise
    from volumetry.formats.trace_json import read_trace
    from volumetry.scan_match import check_trace

    if scan is not None and recognise(path).name == "trace":
        trace = read_trace(path)
        check_trace(trace, read_scan(scan, series_uid=trace.source.series_uid or None))


def _flat(rows: list[dict[str, Any]], per_slice: bool) -> list[dict[str, Any]]:
    if per_slice:
        return [{**row, **section} for row in rows for section in row["slices"]]
    for row in rows:
        volume = row["volume_mm3"]
        row |= {"volume_cm3": None if volume is None else volume / 1000, "flags": ";".join(row["flags"])}
    return rows
