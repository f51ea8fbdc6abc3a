"""``volumetry demo``: the main job, on the sample scans."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from volumetry.console import aligned, progress_bar
from volumetry.samples.folder import PLAN, the_samples
from volumetry.study.finding.inventory import inventory
from volumetry.study.runs.batch import run_batch
from volumetry.study.runs.options import BatchOptions
from volumetry.tables import CHANGES, MEASUREMENTS, read_table

_SERIES = (
    "path",
    "format",
    "matrix",
    "slice_thickness_mm",
    "slice_spacing_mm",
    "orientation",
    "n_files",
    "traces",
)
_VOLUMES = (
    "patient", "side", "lesion", "visit", "status", "volume_cm3", "by_spacing_cm3", "n_slices",
    "change_percent", "class", "why", "flags",
)  # fmt: skip
_COMPARISONS = (
    "endpoint", "role", "analysis", "groups", "estimate", "value", "ci_low", "ci_high", "p_value", "n_used",
)  # fmt: skip


def run_demo(out: Path, samples: Path | None = None) -> int:
    """List, measure and class the sample study, print its tables, and return the exit code."""
    folder = samples or the_samples()
    study = folder / "study"
    write = sys.stdout.write
    write(f"1. What is in {_short(study)} (volumetry series)\n\n{aligned(inventory(study), _SERIES)}\n")
    with progress_bar("measuring") as progress:
        summary = run_batch(study, out, BatchOptions(command=("volumetry", "demo")), progress=progress)
    write("2. Volumes and classes of change (volumetry batch)\n\n")
    write(aligned(_lines(out), _VOLUMES))
    counts = ", ".join(f"{number} {status}" for status, number in summary.counts.items())
    write(
        f"\n{counts}, in {summary.seconds:.1f} s. A class is against the first visit, by the 15 % rule.\n\n"
    )
    write("3. Outcome statistics (volumetry outcomes): groups compared, as published and as recommended\n\n")
    write(aligned(_comparisons(folder, out), _COMPARISONS))
    results = _short(out / "outcomes" / "results.md")
    write(
        f"\nNine hips show how it works and prove nothing; 270 are in {_short(folder / 'cohort')}.\n\n"
        f"The files are in {_short(out)}: measurements.csv, slices.csv, changes.csv, run.json;\n"
        f"{results}: the outcome statistics with their methods; tables and figures lie beside it\n"
        f"{_short(_report(study, out))}: the report, with every traced slice; open it in a browser\n"
    )
    return 0


def _report(study: Path, out: Path) -> Path:
    from volumetry.pages.run import write_report

    with progress_bar("drawing") as progress:
        return write_report([out], out / "report.html", study=study, progress=progress).path


def _short(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _lines(out: Path) -> list[dict[str, Any]]:
    changes = {
        tuple(row[name] for name in ("patient", "side", "lesion", "reader", "followup_visit")): row
        for row in read_table(out / "changes.csv", CHANGES)
    }
    lines = []
    for row in read_table(out / "measurements.csv", MEASUREMENTS):
        key = tuple(row[name] for name in ("patient", "side", "lesion", "reader", "visit"))
        change = changes.get(key, {})
        spacing = row["volume_spacing_mm3"]
        lines.append(
            row
            | {
                "by_spacing_cm3": None if spacing is None else spacing / 1000,
                "change_percent": change.get("change_percent"),
                "class": change.get("category"),
                "why": change.get("reason") or row["code"],
            }
        )
    return lines


def _comparisons(folder: Path, out: Path) -> list[dict[str, Any]]:
    """Run the plan of the sample study on the tables just written; return how its groups compare."""
    import csv

    from volumetry.outcomes.run import run_outcomes

    with progress_bar("analysing") as progress:
        run_outcomes(
            folder / PLAN,
            out / "outcomes",
            progress=progress,
            measurements=out / "measurements.csv",
            changes=out / "changes.csv",
        )
    with (out / "outcomes" / "analyses.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["role"] in ("published", "recommended")]
    return [_comparison(row) for row in rows]


def _comparison(row: dict[str, str]) -> dict[str, Any]:
    """Return the cells of one analysis; what could not be estimated is said in place of the estimate."""
    numbers = ("value", "ci_low", "ci_high", "p_value")
    estimated = row["status"] == "estimated"
    return {
        **row,
        **{name: float(row[name]) if row[name] else None for name in numbers},
        "analysis": row["what"],
        "groups": row["contrast"],
        "estimate": row["estimate"] if estimated else row["status"].replace("-", " "),
    }
