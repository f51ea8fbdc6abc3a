"""``volumetry batch``: every traced lesion below a folder, into tables."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volumetry.commands.options import (
    HEIGHT_RULES,
    add_follow_links,
    add_measurement_options,
    add_protocol,
    add_repeatability,
    add_traces,
    chosen_protocol,
    exit_code,
)
from volumetry.console import ended_by_signals, progress_bar, write_note
from volumetry.errors import UsageError

if TYPE_CHECKING:
    from volumetry.study.pseudonyms import Pseudonymiser
    from volumetry.study.runs.options import BatchOptions, BatchSummary

WHAT = "find and measure every traced lesion below a folder"
EXAMPLE = "volumetry batch scans/ --out results/ --jobs 8"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="FOLDER")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the tables")
    parser.add_argument(
        "--manifest", metavar="CSV", help="names the cases; default: FOLDER/manifest.csv, if there"
    )
    add_traces(parser)
    add_follow_links(parser)
    add_protocol(parser)
    parser.add_argument(
        "--height", choices=HEIGHT_RULES, help="primary rule; default: the protocol's, else thickness"
    )
    add_measurement_options(parser)
    parser.add_argument(
        "--jobs", type=int, default=0, metavar="N", help="processes; default: as many as cores"
    )
    parser.add_argument(
        "--case-timeout",
        type=float,
        metavar="SECONDS",
        help="end a case that takes longer (code timed-out)",
    )
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="a dask.distributed scheduler that takes the cases"
    )
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    parser.add_argument("--figures", action="store_true", help="draw every lesion")
    parser.add_argument(
        "--export", metavar="FORMATS", help="write measured lesions as DICOM: seg, sr or seg,sr"
    )
    add_repeatability(parser)
    parser.add_argument("--parquet", action="store_true", help="write the tables as Parquet, too")
    parser.add_argument(
        "--pseudonyms",
        metavar="KEYFILE",
        help="write a keyed hash for PatientID; the key is made on first use",
    )


def run(chosen: argparse.Namespace) -> int:
    """Find, measure, write the tables and, where asked for, the figures."""
    from volumetry.formats.opening import files_told
    from volumetry.study.runs.batch import run_batch

    exports = _exports(chosen)
    options = _options(chosen)
    with ended_by_signals(), _executor(chosen) as executor, progress_bar("measuring") as progress:
        batch = replace(options, executor=executor)
        with files_told(lambda count: progress(count, 0)):
            summary = run_batch(chosen.folder, chosen.out, batch, progress=progress)
    if chosen.figures:
        from volumetry.study.runs.figures import draw_batch

        with progress_bar("drawing") as progress:
            draw_batch(chosen.folder, chosen.out, batch, progress=progress)
    if exports:
        from volumetry.study.runs.exporting import export_batch

        with progress_bar("exporting") as progress:
            export_batch(chosen.folder, chosen.out, batch, exports, progress=progress)
    _tell_of_former(chosen, summary, has_exports=bool(exports))
    _report(summary)
    return exit_code(summary.n_succeeded, summary.n_failed)


def _options(chosen: argparse.Namespace) -> BatchOptions:
    from volumetry.study.runs.options import BatchOptions

    if chosen.jobs < 0:
        raise UsageError("usage", "--jobs is negative", todo="Give the number of processes.")
    if chosen.case_timeout is not None and not chosen.case_timeout > 0:
        raise UsageError("usage", "--case-timeout is not above 0", todo="Give a number of seconds.")
    protocol = chosen_protocol(chosen, chosen.folder)
    return BatchOptions(
        protocol=protocol,
        manifest=chosen.manifest,
        traces=chosen.traces,
        jobs=chosen.jobs,
        case_timeout=chosen.case_timeout,
        follow_links=chosen.follow_links,
        fresh=chosen.fresh,
        threshold=chosen.threshold,
        parquet=chosen.parquet,
        command=_noted(chosen),
        pseudonymiser=_key(chosen, protocol.privacy.shift_dates) if chosen.pseudonyms else None,
        key_file=chosen.pseudonyms,
    )


def _tell_of_former(chosen: argparse.Namespace, summary: BatchSummary, *, has_exports: bool) -> None:
    """Say which results of an earlier run were removed, and which are still right."""
    from volumetry.study.runs.lesion_files import has_former

    for name, is_new, flag in (("figures", chosen.figures, "--figures"), ("export", has_exports, "--export")):
        if is_new:
            continue
        if number := summary.removed.get(name, 0):
            write_note(
                f"{number} files of an earlier run were removed from {name}/: their lesions have changed or "
                f"are gone; {flag} writes them anew."
            )
        if has_former(Path(chosen.out) / name):
            write_note(f"{name}/ is of an earlier run, of lesions that have not changed; {flag} renews it.")


def _exports(chosen: argparse.Namespace) -> tuple[Any, ...]:
    """Return the formats that are asked for, checked."""
    if chosen.export is None:
        return ()
    names = tuple(chosen.export.split(","))
    if not set(names) <= {"seg", "sr"}:
        raise UsageError(
            "usage",
            "--export names a format that is not known",
            values={"formats": chosen.export},
            todo="Give seg, sr or seg,sr.",
        )
    return names


def _executor(chosen: argparse.Namespace) -> AbstractContextManager[Any]:
    """A context: the executor of the scheduler that is named, or None."""
    if not chosen.scheduler:
        return nullcontext()
    from volumetry.study.runs.cluster import cluster_executor

    return cluster_executor(chosen.scheduler)


def _noted(chosen: argparse.Namespace) -> tuple[str, ...]:
    """The command without its paths, which are this machine's."""
    flags = ("fresh", "follow_links", "figures", "parquet", "interpolate_missing")
    given = [f"--{name.replace('_', '-')}" for name in flags if getattr(chosen, name)]
    given += [
        f"--{name.replace('_', '-')}={getattr(chosen, name)}"
        for name in ("height", "skipped", "self_intersections", "overlapping_outlines", "threshold")
        if getattr(chosen, name) is not None
    ]
    given += [
        f"--{name}"
        for name in ("manifest", "traces", "protocol", "repeatability", "pseudonyms", "scheduler")
        if getattr(chosen, name)
    ]
    return ("volumetry", "batch", *given)


def _key(chosen: argparse.Namespace, shift_dates: bool) -> Pseudonymiser:
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
    return read_key(path, shift_dates=shift_dates)


def _report(summary: BatchSummary) -> None:
    from volumetry.study.runs.accounting import told

    counts = ", ".join(f"{number} {status}" for status, number in summary.counts.items()) or "nothing found"
    write_note(
        f"{counts}\n{told(summary.files, summary.files_apart)}\n{_hints(summary)}"
        f"{summary.n_done} of {summary.n_cases} cases measured now, in {summary.seconds:.1f} s\n"
        f"measurements.csv, slices.csv, changes.csv and run.json are in {summary.out}"
    )


_SHOWN = 5
"""Tracings without an image that are named on the screen; ``run.json`` has them all."""


def _hints(summary: BatchSummary) -> str:
    """Return what is said below the counts: tracings without an image, or how tracings are found."""
    if not summary.n_cases:
        return (
            "A tracing is found by its name or place: X_mask.nii.gz beside X.nii.gz, BIDS, DICOM SEG and "
            "RTSTRUCT, *.trace.json, TotalSegmentator, nnU-Net, MONAI Label. A manifest names others.\n"
            + ("Links lie there: --follow-links follows them.\n" if summary.files.get("links") else "")
        )
    from volumetry.study.rows.joining import printable

    lines = [
        f"without an image: {printable(name)} ({printable(why)})\n"
        for name, why in islice(summary.without_image.items(), _SHOWN)
    ]
    more = len(summary.without_image) - _SHOWN
    return "".join(lines) + (f"and {more} others, named in run.json\n" if more > 0 else "")
