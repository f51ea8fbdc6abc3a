"""The commands, one function each: read what was asked for, call the library, write what came of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from volumetry.console import DONE, NONE_SUCCEEDED, SOME_FAILED, progress_bar, write_error, write_rows
from volumetry.errors import UsageError, VolumetryError
from volumetry.formats import read_regions
from volumetry.volume import LesionVolume, MeasurementRule, measure_volume

_MEASURE_COLUMNS = (
    "source", "label", "name", "volume_mm3", "volume_cm3", "height_rule", "volume_thickness_mm3",
    "volume_spacing_mm3", "slice_thickness_mm", "slice_spacing_mm", "n_slices", "flags",
)  # fmt: skip
_SLICE_COLUMNS = ("source", "label", "name", "index", "position_mm", "area_mm2", "height_mm")


def exit_code(succeeded: int, failed: int) -> int:
    """0 where nothing failed, 3 where some did, 4 where nothing succeeded."""
    if not succeeded:
        return NONE_SUCCEEDED
    return SOME_FAILED if failed else DONE


# -- measure ------------------------------------------------------------------------------------------------


def run_measure(chosen: argparse.Namespace) -> int:
    """``volumetry measure``."""
    rule = MeasurementRule(
        height=chosen.height,
        skipped_slices=chosen.skipped or "refuse",
        interpolate_missing=bool(chosen.interpolate_missing),
    )
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
    columns: tuple[str, ...] = _MEASURE_COLUMNS
    if chosen.layout != "json":
        rows, columns = _flat(rows, chosen.per_slice), _SLICE_COLUMNS if chosen.per_slice else columns
    write_rows(rows, columns, chosen.layout)
    return exit_code(sum(not row.get("code") for row in rows), failed)


def _measured(
    path: str, chosen: argparse.Namespace, rule: MeasurementRule
) -> Iterable[LesionVolume | VolumetryError]:
    label = chosen.roi if chosen.label is None else chosen.label
    try:
        regions = read_regions(path, label=label, threshold=chosen.threshold, scan=chosen.scan)
    except VolumetryError as error:
        yield error
        return
    for region in regions:
        if region.sections is None:
            yield region.error or VolumetryError("unreadable", "the region cannot be read")
            continue
        try:
            yield measure_volume(region.sections, rule=rule)
        except VolumetryError as error:
            yield error


def _flat(rows: list[dict[str, Any]], per_slice: bool) -> list[dict[str, Any]]:
    if per_slice:
        return [{**row, **section} for row in rows for section in row["slices"]]
    for row in rows:
        volume = row["volume_mm3"]
        row |= {"volume_cm3": None if volume is None else volume / 1000, "flags": ";".join(row["flags"])}
    return rows


# -- series -------------------------------------------------------------------------------------------------


def run_series(chosen: argparse.Namespace) -> int:
    """``volumetry series``."""
    from volumetry.study.inventory import SERIES_COLUMNS, inventory

    rows = [row for path in chosen.paths for row in inventory(path)]
    write_rows(rows, SERIES_COLUMNS, chosen.layout)
    refused = sum(bool(row["problems"]) for row in rows)
    return exit_code(len(rows) - refused, refused)


# -- batch --------------------------------------------------------------------------------------------------


def run_batch(chosen: argparse.Namespace) -> int:
    """``volumetry batch``."""
    from volumetry.study.batch import BatchOptions
    from volumetry.study.batch import run_batch as run

    if chosen.jobs < 0:
        raise UsageError("usage", "--jobs is negative", todo="Give the number of processes.")
    options: dict[str, Any] = {
        "protocol": _protocol(chosen),
        "manifest": chosen.manifest,
        "jobs": chosen.jobs,
        "fresh": chosen.fresh,
        "threshold": chosen.threshold,
        "parquet": chosen.parquet,
        "command": _noted(chosen),
    }
    if chosen.pseudonyms:
        options["pseudonymiser"] = _key(chosen)
    with _executor(chosen) as executor, progress_bar("measuring") as progress:
        batch = BatchOptions(**options, executor=executor)
        summary = run(chosen.folder, chosen.out, batch, progress=progress)
    if chosen.figures:
        from volumetry.study.figures import draw_batch

        with progress_bar("drawing") as progress:
            draw_batch(chosen.folder, chosen.out, batch, progress=progress)
    _report_batch(summary)
    return exit_code(summary.n_succeeded, summary.n_failed)


def _protocol(chosen: argparse.Namespace) -> Any:
    """The protocol a call asks for: the file's, with the call's own options on top."""
    from dataclasses import replace

    from volumetry.study.protocol import Protocol, read_protocol

    protocol = read_protocol(Path(chosen.protocol)) if chosen.protocol else Protocol()
    measurement = protocol.measurement
    if chosen.skipped is not None:
        measurement = replace(measurement, skipped_slices=chosen.skipped)
    if chosen.interpolate_missing:
        measurement = replace(measurement, interpolate_missing=True)
    return replace(protocol, measurement=measurement)


def _executor(chosen: argparse.Namespace) -> Any:
    """A context: the executor of the scheduler that is named, or None."""
    if not chosen.scheduler:
        return nullcontext()
    from volumetry.study.cluster import cluster_executor

    return cluster_executor(chosen.scheduler)


def _noted(chosen: argparse.Namespace) -> tuple[str, ...]:
    """The command without its paths, which are this machine's."""
    flags = ("fresh", "figures", "parquet", "interpolate_missing")
    given = [f"--{name.replace('_', '-')}" for name in flags if getattr(chosen, name)]
    given += [
        f"--{name}={getattr(chosen, name)}" for name in ("skipped", "threshold") if getattr(chosen, name)
    ]
    given += [
        f"--{name}" for name in ("manifest", "protocol", "pseudonyms", "scheduler") if getattr(chosen, name)
    ]
    return ("volumetry", "batch", *given)


def _key(chosen: argparse.Namespace) -> Any:
    from volumetry.study.pseudonyms import read_key

    path = Path(chosen.pseudonyms)
    for folder, what in ((chosen.out, "results"), (chosen.folder, "scans")):
        if path.resolve().is_relative_to(Path(folder).resolve()):
            raise UsageError(
                "usage",
                f"the key file may not lie among the {what}",
                where=path,
                todo="Keep it where those who get the results cannot read it.",
            )
    return read_key(path)


def _report_batch(summary: Any) -> None:
    counts = ", ".join(f"{number} {status}" for status, number in summary.counts.items()) or "nothing found"
    sys.stdout.write(
        f"{counts}\n{summary.n_done} of {summary.n_cases} cases measured now, in {summary.seconds:.1f} s\n"
        f"measurements.csv, slices.csv, changes.csv and run.json are in {summary.out}\n"
    )


# -- change -------------------------------------------------------------------------------------------------


def run_change(chosen: argparse.Namespace) -> int:
    """``volumetry change``."""
    from volumetry.change import ChangeRule
    from volumetry.study.pairing import changes_of_table
    from volumetry.tables import CHANGES, MEASUREMENTS, read_table, write_table

    rule = ChangeRule(threshold_percent=chosen.threshold, minimum_slices=chosen.minimum_slices)
    rows = read_table(chosen.measurements, MEASUREMENTS, required=("patient", "visit", "volume_mm3"))
    changes = list(changes_of_table(rows, rule))
    write_table(chosen.out, CHANGES, changes)
    not_evaluable = sum(row["category"] == "not_evaluable" for row in changes)
    sys.stdout.write(f"{len(changes)} changes, {not_evaluable} of them not evaluable, in {chosen.out}\n")
    return DONE


# -- figure, trace, outcomes, audit, demo --------------------------------------------------------------------


def run_figure(chosen: argparse.Namespace) -> int:
    """``volumetry figure``."""
    from volumetry.figures.lesion_figures import draw_file

    label = chosen.roi if chosen.label is None else chosen.label
    rule = MeasurementRule(height=chosen.height)
    draw_file(chosen.trace, scan=chosen.scan, out=chosen.out, label=label, rule=rule)
    sys.stdout.write(f"{chosen.out}\n")
    return DONE


def run_trace(chosen: argparse.Namespace) -> int:
    """``volumetry trace``: hands over to the plugin, which is a distribution of its own."""
    from importlib.metadata import entry_points

    found = entry_points(group="volumetry.tracer", name="open")
    if not found:
        raise UsageError(
            "missing-dependency",
            "the tracer is not installed",
            todo="Install it: pip install napari-volumetry.",
        )
    return int(next(iter(found)).load()(chosen.path, traces=chosen.traces) or DONE)


def run_outcomes(chosen: argparse.Namespace) -> int:
    """``volumetry outcomes``."""
    from volumetry.outcomes.run import run_outcomes as run

    with progress_bar("analysing") as progress:
        run(chosen.plan, chosen.out, progress=progress)
    sys.stdout.write(f"results.md, results.json, tables and figures are in {chosen.out}\n")
    return DONE


def run_audit(chosen: argparse.Namespace) -> int:
    """``volumetry audit``."""
    from volumetry.outcomes.audit_command import audit_file

    rows, columns = audit_file(chosen.summary)
    write_rows(rows, columns, chosen.layout)
    return DONE


def run_demo(chosen: argparse.Namespace) -> int:
    """``volumetry demo``."""
    from volumetry.demo import run_demo as run

    return int(run(Path(chosen.out)))
