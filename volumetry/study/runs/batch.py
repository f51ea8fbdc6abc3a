"""A folder of traced scans into tables: discover, measure what is new, write measurements, slices, changes.

Every case is a row, whatever becomes of it. Results go to the ledger as they come; the tables are built
from the ledger at the end, row by row, so that neither an interruption nor the number of cases matters.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from volumetry._version import __version__
from volumetry.errors import UsageError, WorkerError
from volumetry.files.atomic import atomic_output, make_folder
from volumetry.formats.dicom.kept_headers import headers_noted
from volumetry.formats.opening import links_followed
from volumetry.formats.recognise import is_by_library
from volumetry.study.case_table import CaseTable
from volumetry.study.cases import Case
from volumetry.study.finding.discovery import discover
from volumetry.study.identity import unordered_message, untraced_first_message
from volumetry.study.protocol import Protocol
from volumetry.study.protocol.repeatability import check_measured_alike
from volumetry.study.pseudonyms import Pseudonymiser, is_unplain_of_file, write_map
from volumetry.study.rows.alike import alike_message, names_alike, names_that_begin_alike, renamed_message
from volumetry.study.rows.joining import printable
from volumetry.study.rows.pairing import changes_of
from volumetry.study.rows.worth import tilt_explainer, worth_rule
from volumetry.study.runs.accounting import account, account_apart, without_image
from volumetry.study.runs.ledger import LEDGER_NAME, Ledger, check_ledger
from volumetry.study.runs.measuring import Job, Settings, case_id, do_job, failed_record
from volumetry.study.runs.out_folder import check_out, refuse_clear_ids, remove_leftovers
from volumetry.study.runs.outdated import outdated_removed
from volumetry.study.runs.pending import PendingJobs
from volumetry.study.runs.study_rows import StudyRows
from volumetry.study.runs.workers import refuse_unguarded, run_in_executor, run_in_processes
from volumetry.tables import CHANGES, MEASUREMENTS, SLICES, Row, Table, write_parquet, write_table
from volumetry.tables.writing import remove_former_parquet

_LOG = logging.getLogger(__name__)
_FEW = 4
"""So few cases are measured in this process: starting others takes longer."""

Progress = Callable[[int, int], None]
"""Called with the number of cases done and the number of all."""


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """How a batch is run.

    Attributes
    ----------
    protocol : Protocol
    manifest : path or None
    traces : path or None
        Folder of tracings that are kept apart from the scans.
    jobs : int
        Processes on this machine; 1 measures in this one. 0: as many as there are cores.
    case_timeout : float or None
        Seconds that one case may take; it is then ``timed-out``. Not with an `executor`, whose owner decides.
    executor : Executor or None
        Takes the cases instead, for example ``dask.distributed.Client(...).get_executor()``.
    fresh : bool
        Forget what the ledger holds.
    threshold : float or None
        For probability maps and fractional segmentations.
    pseudonymiser : Pseudonymiser or None
    key_file : path or None
        Where its key lies; who is meant by which pseudonym is written beside it.
    follow_links : bool
        Follow symbolic links below the folder (link farms).
    parquet : bool
        Also write the tables as Parquet.
    command : tuple of str
        What is noted in ``run.json``; without paths.
    """

    protocol: Protocol = field(default_factory=Protocol)
    manifest: Path | str | None = None
    traces: Path | str | None = None
    jobs: int = 1
    case_timeout: float | None = None
    executor: Executor | None = None
    fresh: bool = False
    threshold: float | None = None
    pseudonymiser: Pseudonymiser | None = None
    key_file: Path | str | None = None
    follow_links: bool = False
    parquet: bool = False
    command: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BatchSummary:
    """What a batch did.

    Attributes
    ----------
    counts : dict
        Number of rows by status.
    n_cases, n_done : int
        All cases, and those measured this time (the others were in the ledger).
    seconds : float
    out : str
        Folder of the tables.
    files : dict
        What became of every file below the folder, as `volumetry.study.runs.accounting.account` counts.
    files_apart : dict
        The same of the folder of tracings that are kept apart; empty without one.
    without_image : dict
        The tracings that are tied to no image, each with the reason.
    removed : dict
        The number of figures and of DICOM objects of an earlier run, by folder, that were removed because
        their lesions are gone or have changed.
    """

    counts: dict[str, int]
    n_cases: int
    n_done: int
    seconds: float
    out: str
    files: dict[str, int] = field(default_factory=dict)
    files_apart: dict[str, int] = field(default_factory=dict)
    without_image: dict[str, str] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)

    @property
    def n_succeeded(self) -> int:
        """Rows with a number."""
        return self.counts.get("measured", 0) + self.counts.get("absent", 0)

    @property
    def n_failed(self) -> int:
        """Rows that should have a number and have none."""
        return self.counts.get("failed", 0) + self.counts.get("not_measurable", 0)


def run_batch(
    folder: Path | str,
    out: Path | str,
    options: BatchOptions | None = None,
    *,
    progress: Progress | None = None,
) -> BatchSummary:
    """Find and measure every traced lesion below a folder, and write the tables.

    Parameters
    ----------
    folder : path
    out : path
        Folder of the results; made where it does not exist. Not below `folder`.
    options : BatchOptions, optional
    progress : callable, optional
        Told the number of cases done, and of all.

    Returns
    -------
    BatchSummary

    Raises
    ------
    UsageError, ReadError, OutputError
        Of the batch as a whole. What goes wrong with a case is in its row.
    """
    refuse_unguarded()
    options = options or BatchOptions()
    with links_followed(options.follow_links):
        return _run(Path(folder), Path(out), options, progress)


def _run(folder: Path, out: Path, options: BatchOptions, progress: Progress | None) -> BatchSummary:
    begin = time.monotonic()
    check_out(folder, out)
    check_ledger(out / LEDGER_NAME)
    _check_privacy(options)
    for error in (options.protocol.reading_error, options.protocol.between_readers_error):
        check_measured_alike(error, options.protocol.measurement)
    settings = _settings(folder, options)
    with headers_noted() as headers:
        cases = discover(folder, manifest=options.manifest, traces=options.traces, protocol=options.protocol)
    out = make_folder(out)
    if options.pseudonymiser is not None:
        refuse_clear_ids(out)
    with Ledger(out / LEDGER_NAME, fresh=options.fresh) as ledger:
        remove_leftovers(out)
        jobs = PendingJobs(cases, settings, ledger)
        with headers_noted(headers):
            _measure(jobs, ledger, options, len(cases), progress)
        del headers
        ledger.sync()
        rows = StudyRows(cases=cases, settings=settings, ledger=ledger, protocol=options.protocol)
        with outdated_removed(out) as removed:
            _write_tables(rows, folder, out, options)
    if rows.n_naming:
        _LOG.warning(
            "names of lesions, readers or visits hold those of their patients in %d rows, which pseudonyms "
            "do not change: name them otherwise in a manifest",
            rows.n_naming,
        )
    if options.pseudonymiser is not None and (n := sum(is_unplain_of_file(c.lesion, c) for c in cases)):
        _LOG.warning(
            "names of lesions come from those of files in %d tracings and may name the patient: case ids "
            "stand for them; name these lesions in a manifest",
            n,
        )
    _tell_names_alike(cases, rows, options)
    if options.pseudonymiser is not None and options.key_file is not None:
        write_map(options.key_file, options.pseudonymiser, cases)
    summary = BatchSummary(
        counts=dict(sorted(rows.counts.items())),
        n_cases=len(cases),
        n_done=len(jobs),
        seconds=time.monotonic() - begin,
        out=str(out),
        files=account(folder, cases),
        files_apart=account_apart(folder, options.traces, cases),
        without_image=without_image(cases),
        removed=removed,
    )
    _write_run(out, options, summary)
    return summary


def _tell_names_alike(cases: CaseTable, rows: StudyRows, options: BatchOptions) -> None:
    shown = options.pseudonymiser is None
    patients = cases.column("patient")
    for what, groups in (
        ("patients", names_alike(patients)),
        ("patients", names_that_begin_alike(patients)),
        ("lesions", rows.lesions_alike),
    ):
        if groups:
            _LOG.warning("%s", alike_message(what, groups, shown=shown))
    if rows.unordered:
        _LOG.warning("%s", unordered_message(rows.unordered))
    if rows.renamed:
        _LOG.warning("%s", renamed_message(rows.renamed, shown=shown))


def rows_with_cases(folder: Path | str, out: Path | str, options: BatchOptions) -> Iterator[tuple[Row, Case]]:
    """Yield the rows of measurements of a finished batch, each with the case it came from.

    The case knows the files by their true names, which a row under pseudonyms does not; and it names the
    region of the row alone, where a file holds several.
    """
    settings = _settings(folder, options)
    with links_followed(options.follow_links):
        cases = discover(folder, manifest=options.manifest, traces=options.traces, protocol=options.protocol)
    with Ledger(Path(out) / LEDGER_NAME) as ledger:
        known = CaseTable(case for case in cases if case_id(case, settings) in ledger)
        rows = StudyRows(cases=known, settings=settings, ledger=ledger, protocol=options.protocol)
        for entry in rows.entries():
            kept = rows.record(entry.case)["rows"][entry.place]
            yield rows.row(entry), _of_one_region(entry.case, _region(kept, options))


def _region(kept: Mapping[str, Any], options: BatchOptions) -> str:
    """What the file calls the region of a row of the ledger."""
    name = str(kept.get("lesion") or "")
    return name if options.pseudonymiser is None else options.pseudonymiser.opened(name)


def _of_one_region(case: Case, region: str) -> Case:
    """The case with the region that a row was measured from, as the file calls it."""
    if case.label is not None or case.roi or case.form == "trace":
        return case
    return replace(case, roi=region)


def _check_privacy(options: BatchOptions) -> None:
    """Refuse to write true dates where shifted ones are asked for: the key alone decides by how many days."""
    if options.protocol.privacy.shift_dates and options.pseudonymiser is None:
        raise UsageError(
            "usage",
            "dates are to be shifted, and no key says by how many days",
            values={"[privacy]": "shift_dates = true"},
            todo="Add --pseudonyms KEYFILE, or write shift_dates = false for true dates.",
        )


def _settings(folder: Path | str, options: BatchOptions) -> Settings:
    return Settings(
        root=str(Path(folder).absolute()),
        rule=options.protocol.measurement,
        threshold=options.threshold,
        pseudonymiser=options.pseudonymiser,
        follow_links=options.follow_links,
    )


# -- measuring ----------------------------------------------------------------------------------------------


def _measure(
    jobs: Sequence[Job], ledger: Ledger, options: BatchOptions, total: int, progress: Progress | None
) -> None:
    done = total - len(jobs)
    for job, record in _results(jobs, options):
        if isinstance(record, WorkerError):
            record = failed_record(job, record)
        elif "rows" not in record:
            record = ledger[record["case"]] | {"stat": record["stat"]}
        ledger.append(record)
        done += 1
        if progress is not None:
            progress(done, total)


def _results(
    jobs: Sequence[Job], options: BatchOptions
) -> Iterable[tuple[Job, dict[str, Any] | WorkerError]]:
    if options.executor is not None:
        return run_in_executor(do_job, jobs, options.executor)
    workers = options.jobs or os.cpu_count() or 1
    here = options.case_timeout is None and (workers == 1 or len(jobs) < _FEW)
    if here and not any(map(_may_end_a_process, jobs)):
        return ((job, do_job(job)) for job in jobs)
    return run_in_processes(do_job, jobs, jobs=workers, case_timeout=options.case_timeout)


def _may_end_a_process(job: Job) -> bool:
    """Whether a damaged file could end the process: that is to cost one case, and not the batch."""
    return any(is_by_library(name) for name in (job.case.trace, job.case.scan) if name)


# -- tables -------------------------------------------------------------------------------------------------


def _write_tables(rows: StudyRows, folder: Path | str, out: Path, options: BatchOptions) -> None:
    protocol = options.protocol
    # Under pseudonyms the rows name no files, so no lesion can be cut anew.
    explain = None if options.pseudonymiser else tilt_explainer(Path(folder), options.traces)
    worth = worth_rule(protocol, explain)
    _write_both(MEASUREMENTS, rows.measurements, out, options)
    if rows.shared:  # which files several patients have is known once all rows were made
        _write_both(MEASUREMENTS, rows.measurements, out, options)
        _LOG.warning(
            "%d images or tracings are of several patients, byte by byte: see the flag duplicate-file",
            len(rows.shared),
        )
    if rows.untraced_firsts:
        _LOG.warning("%s", untraced_first_message(rows.untraced_firsts))
    _write_both(SLICES, rows.slices, out, options)

    def changes() -> Iterator[Row]:
        return changes_of(rows.measurements(), protocol.change, worth, rows.shared)

    _write_both(CHANGES, changes, out, options)


def _write_both(table: Table, rows: Callable[[], Iterator[Row]], out: Path, options: BatchOptions) -> None:
    """Write a table as CSV, and as Parquet where asked; a Parquet table of an earlier run is removed."""
    write_table(out / f"{table.name}.csv", table, rows())
    remove_former_parquet(out / f"{table.name}.csv", table)
    if options.parquet:
        write_parquet(out / f"{table.name}.parquet", table, rows())


def _write_run(out: Path, options: BatchOptions, summary: BatchSummary) -> None:
    """Write ``run.json``: versions, protocol, command, counts and wall time."""
    import numpy as np

    document = {
        "volumetry_version": __version__,
        "python_version": platform.python_version(),
        "numpy_version": np.__version__,
        "command": list(options.command),
        "protocol": _protocol_told(options),
        "protocol_sha256": options.protocol.sha256,
        "threshold": options.threshold,
        "pseudonyms": options.pseudonymiser is not None,
        "counts": summary.counts,
        "n_cases": summary.n_cases,
        "n_measured_now": summary.n_done,
        "files": summary.files,
        "files_apart": summary.files_apart,
        "without_image": _named_or_counted(summary.without_image, options),
        "wall_time_s": round(summary.seconds, 3),
    }
    with atomic_output(out / "run.json") as file:  # piece by piece: it may name very many tracings
        for piece in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(document):
            file.write(piece.encode())
        file.write(b"\n")


def _protocol_told(options: BatchOptions) -> dict[str, Any]:
    """The protocol; where dates are shifted, without the true dates that names of visits may be."""
    told, hidden = asdict(options.protocol), options.pseudonymiser
    if hidden is not None:
        told["visits"] = [hidden.visit_of_all(visit) for visit in options.protocol.visits]
    return told


def _named_or_counted(names: dict[str, str], options: BatchOptions) -> dict[str, Any]:
    """What is written of tracings without an image; under pseudonyms, their number alone."""
    if options.pseudonymiser is None:
        if all(name.isascii() and why.isascii() for name, why in names.items()):
            return names
        return {printable(name): printable(why) for name, why in names.items()}
    return {"n": len(names)} if names else {}
