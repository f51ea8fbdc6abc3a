"""A folder of traced scans into tables: discover, measure what is new, write measurements, slices, changes.

Every case is a row, whatever becomes of it. Results go to the ledger as they come; the tables are built
from the ledger at the end, row by row, so that neither an interruption nor the number of cases matters.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from volumetry.errors import UsageError, WorkerError
from volumetry.files.atomic import make_folder
from volumetry.formats.dicom.kept_headers import headers_noted
from volumetry.formats.opening import links_followed
from volumetry.study.case_table import CaseTable
from volumetry.study.cases import Case
from volumetry.study.finding.discovery import discover
from volumetry.study.identity import composed_text, natural
from volumetry.study.order_messages import unordered_message
from volumetry.study.protocol.repeatability import check_measured_alike
from volumetry.study.pseudonyms import write_map
from volumetry.study.rows.alike import (
    MANIFEST,
    VISITS_IN_NAMES,
    alike_message,
    names_alike,
    names_that_begin_alike,
    renamed_message,
)
from volumetry.study.runs.accounting import account, account_apart, without_image
from volumetry.study.runs.ledger import LEDGER_NAME, Ledger, check_ledger
from volumetry.study.runs.measuring import Job, Settings, case_id, do_job, failed_record, may_end_a_process
from volumetry.study.runs.options import BatchOptions, BatchSummary, Progress
from volumetry.study.runs.out_folder import (
    check_out,
    refuse_clear_ids,
    refuse_pseudonyms,
    remove_leftovers,
)
from volumetry.study.runs.out_tables import write_run, write_tables
from volumetry.study.runs.outdated import outdated_removed
from volumetry.study.runs.pending import PendingJobs
from volumetry.study.runs.study_rows import StudyRows
from volumetry.study.runs.workers import refuse_unguarded, run_in_executor, run_in_processes
from volumetry.tables import Row

_LOG = logging.getLogger(__name__)
_FEW = 4
"""So few cases are measured in this process: starting others takes longer."""
_TOLD = 5


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
    _check_visits(options.protocol.visits, cases)
    out = make_folder(out)
    refuse_pseudonyms(out) if options.pseudonymiser is None else refuse_clear_ids(out)
    with Ledger(out / LEDGER_NAME, fresh=options.fresh) as ledger:
        remove_leftovers(out)
        jobs = PendingJobs(cases, settings, ledger)
        with headers_noted(headers):
            _measure(jobs, ledger, options, len(cases), progress)
        del headers
        ledger.sync()
        rows = StudyRows(cases=cases, settings=settings, ledger=ledger, protocol=options.protocol)
        with outdated_removed(out) as removed:
            write_tables(rows, folder, out, options)
    _tell_of_names(cases, rows, options)
    if options.pseudonymiser is not None and options.key_file is not None:
        write_map(options.key_file, options.pseudonymiser, cases, rows.hidden)
    summary = BatchSummary(
        counts=dict(sorted(rows.counts.items())),
        n_cases=len(cases),
        n_done=sum(case.error is None for case in jobs.cases()),
        seconds=time.monotonic() - begin,
        out=str(out),
        files=account(folder, cases),
        files_apart=account_apart(folder, options.traces, cases),
        without_image=without_image(cases),
        removed=removed,
    )
    write_run(out, options, summary)
    return summary


def _tell_of_names(cases: CaseTable, rows: StudyRows, options: BatchOptions) -> None:
    """Say which names may name a patient under pseudonyms, and which may be one or have no order."""
    if rows.n_hidden:
        _LOG.warning(
            "names of lesions or visits in %d rows may name a person: case ids stand for them (the map "
            "beside the key tells which); a manifest can give them plain names",
            rows.n_hidden,
        )
    shown = options.pseudonymiser is None
    patients = cases.column("patient")
    for what, groups in (
        ("patients", names_alike(patients)),
        ("lesions", rows.lesions_alike),
        ("visits", rows.visits_alike),
    ):
        if groups:
            _LOG.warning("%s", alike_message(what, groups, shown=shown))
    if groups := names_that_begin_alike(patients):
        _LOG.warning(
            "%s", alike_message("patients", groups, shown=shown, todo=VISITS_IN_NAMES.format(MANIFEST))
        )
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


def _check_visits(declared: Sequence[str], cases: CaseTable) -> None:
    """Refuse an order of visits that names none of the study's: other dates or numbers would order them."""
    known = {composed_text(visit) for visit in cases.column("visit")} - {""}
    if not declared or len(known) < 2 or known & set(map(composed_text, declared)):
        return
    raise UsageError(
        "usage",
        "visits in [study] of the protocol names none of the visits of the study",
        values={"visits": ", ".join(declared), "of the study": ", ".join(sorted(known, key=natural)[:_TOLD])},
        todo="Write the names as the study has them, in their letters; for those of folders, write visit = "
        '"folder:2" in [identity] of the protocol.',
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
    jobs: PendingJobs, ledger: Ledger, options: BatchOptions, total: int, progress: Progress | None
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


def _results(jobs: PendingJobs, options: BatchOptions) -> Iterable[tuple[Job, dict[str, Any] | WorkerError]]:
    if options.executor is not None:
        return run_in_executor(do_job, jobs, options.executor)
    workers = options.jobs or os.cpu_count() or 1
    here = options.case_timeout is None and (workers == 1 or len(jobs) < _FEW)
    if here and not any(map(may_end_a_process, jobs.cases())):
        return ((job, do_job(job)) for job in jobs)
    return run_in_processes(do_job, jobs, jobs=workers, case_timeout=options.case_timeout)
