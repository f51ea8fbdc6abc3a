"""A folder of traced scans into tables: discover, measure what is new, write measurements, slices, changes.

Every case is a row, whatever becomes of it. Results go to the ledger as they come; the tables are built
from the ledger at the end, row by row, so that neither an interruption nor the number of cases matters.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from volumetry._version import __version__
from volumetry.atomic import make_folder, write_atomically
from volumetry.errors import UsageError, WorkerError
from volumetry.study.cases import Case
from volumetry.study.discovery import discover
from volumetry.study.ledger import LEDGER_NAME, Ledger
from volumetry.study.measuring import Job, Settings, case_id, do_job, failed_record, stat_signature
from volumetry.study.pairing import changes_of, natural, visit_ranks
from volumetry.study.protocol import Protocol
from volumetry.study.pseudonyms import Pseudonymiser
from volumetry.study.workers import refuse_unguarded, run_in_executor, run_in_processes
from volumetry.tables import CHANGES, MEASUREMENTS, SLICES, Row, write_parquet, write_table

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
    parquet : bool
        Also write the tables as Parquet.
    command : tuple of str
        What is noted in ``run.json``; without paths.
    """

    protocol: Protocol = field(default_factory=Protocol)
    manifest: Path | str | None = None
    jobs: int = 1
    case_timeout: float | None = None
    executor: Executor | None = None
    fresh: bool = False
    threshold: float | None = None
    pseudonymiser: Pseudonymiser | None = None
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
    """

    counts: dict[str, int]
    n_cases: int
    n_done: int
    seconds: float
    out: str

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
    begin = time.monotonic()
    options = options or BatchOptions()
    _check_out(Path(folder), Path(out))
    settings = _settings(folder, options)
    cases = discover(folder, manifest=options.manifest)
    out = make_folder(out)
    with Ledger(out / LEDGER_NAME, fresh=options.fresh) as ledger:
        jobs = list(_pending(cases, settings, ledger))
        _measure(jobs, ledger, options, len(cases), progress)
        ledger.sync()
        entries = _entries(cases, settings, ledger, options.protocol)
        _write_tables(entries, ledger, out, options)
    summary = BatchSummary(
        counts=dict(sorted(Counter(entry.status for entry in entries).items())),
        n_cases=len(cases),
        n_done=len(jobs),
        seconds=time.monotonic() - begin,
        out=str(out),
    )
    _write_run(out, options, summary)
    return summary


def rows_with_cases(folder: Path | str, out: Path | str, options: BatchOptions) -> Iterator[tuple[Row, Case]]:
    """Yield the rows of measurements of a finished batch, each with the case it came from.

    The case knows the files by their true names, which a row under pseudonyms does not.
    """
    settings = _settings(folder, options)
    cases = {case_id(case, settings): case for case in discover(folder, manifest=options.manifest)}
    with Ledger(Path(out) / LEDGER_NAME) as ledger:
        known = [case for name, case in cases.items() if name in ledger]
        entries = _entries(known, settings, ledger, options.protocol)
        for entry, row in zip(entries, _rows(entries, ledger), strict=True):
            yield row, cases[entry.case]


def _settings(folder: Path | str, options: BatchOptions) -> Settings:
    return Settings(
        root=str(Path(folder).absolute()),
        protocol=options.protocol,
        threshold=options.threshold,
        pseudonymiser=options.pseudonymiser,
    )


def _check_out(folder: Path, out: Path) -> None:
    if out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(
            "usage",
            "results may not go into the folder that is measured, to which nothing is ever written",
            where=out,
            todo="Name a folder beside it with --out.",
        )


# -- measuring ----------------------------------------------------------------------------------------------


def _pending(cases: Iterable[Case], settings: Settings, ledger: Ledger) -> Iterator[Job]:
    """The cases whose inputs are not those the ledger has a result of."""
    for case in cases:
        known = ""
        name = case_id(case, settings)
        if name in ledger:
            record = ledger[name]
            if record["stat"] and record["stat"] == stat_signature(case, settings.root):
                continue
            known = record["content"]
        yield Job(case=case, settings=settings, known_content=known)


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
    if options.case_timeout is None and (workers == 1 or len(jobs) < _FEW):
        return ((job, do_job(job)) for job in jobs)
    return run_in_processes(do_job, jobs, jobs=workers, case_timeout=options.case_timeout)


# -- tables -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Entry:
    """One row of measurements: how it sorts, and where in the ledger it is."""

    patient: str
    side: str
    lesion: str
    visit: str
    visit_order: int
    reader: str
    read: int
    trace: str
    status: str
    case: str
    place: int

    @property
    def unit(self) -> tuple[Any, ...]:
        return (natural(self.patient), self.patient, self.side, natural(self.lesion), self.lesion)


def _entries(cases: Iterable[Case], settings: Settings, ledger: Ledger, protocol: Protocol) -> list[_Entry]:
    """Every row's entry, in the order of the tables."""
    dates: dict[str, dict[str, str]] = {}
    light: list[tuple[Row, str, int]] = []
    wanted = ("patient", "side", "lesion", "visit", "reader", "trace", "status")
    for case in cases:
        record = ledger[case_id(case, settings)]
        for place, row in enumerate(record["rows"]):
            light.append(({name: row.get(name) or "" for name in wanted}, record["case"], place))
            visits = dates.setdefault(row["patient"], {})
            visit = row.get("visit") or ""
            visits[visit] = min(filter(None, (visits.get(visit), row.get("study_date"))), default="")
    ranks = {patient: visit_ranks(visits, protocol.visits) for patient, visits in dates.items()}
    reads: Counter[tuple[str, ...]] = Counter()
    entries = []
    for row, name, place in sorted(light, key=lambda item: (item[0]["trace"], item[1], item[2])):
        same = tuple(row[column] for column in ("patient", "side", "lesion", "visit", "reader"))
        reads[same] += 1
        order = ranks[row["patient"]][row["visit"]]
        entries.append(_Entry(**row, visit_order=order, read=reads[same], case=name, place=place))
    return sorted(entries, key=lambda e: (*e.unit, e.visit_order, e.visit, e.reader, e.read))


def _rows(entries: Iterable[_Entry], ledger: Ledger) -> Iterator[Row]:
    """The rows of measurements, read back from the ledger one by one."""
    for entry in entries:
        row: Row = dict.fromkeys(MEASUREMENTS.column_names)
        row |= ledger[entry.case]["rows"][entry.place]
        row["visit_order"] = entry.visit_order
        row["read"] = entry.read if entry.status != "not_traced" else None
        yield row


def _slice_rows(entries: Iterable[_Entry], ledger: Ledger) -> Iterator[Row]:
    names = ("slice_index", "position_mm", "area_mm2", "height_thickness_mm", "height_spacing_mm")
    for entry in entries:
        for values in ledger[entry.case]["slices"][entry.place]:
            key = {n: getattr(entry, n) for n in ("patient", "side", "lesion", "visit", "reader", "read")}
            yield {name: value or None for name, value in key.items()} | dict(zip(names, values, strict=True))


def _write_tables(entries: Sequence[_Entry], ledger: Ledger, out: Path, options: BatchOptions) -> None:
    rule = options.protocol.change
    tables: tuple[tuple[Any, Callable[[], Iterator[Row]]], ...] = (
        (MEASUREMENTS, lambda: _rows(entries, ledger)),
        (SLICES, lambda: _slice_rows(entries, ledger)),
        (CHANGES, lambda: changes_of(_rows(entries, ledger), rule)),
    )
    for table, rows in tables:
        write_table(out / f"{table.name}.csv", table, rows())
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
        "protocol": asdict(options.protocol),
        "protocol_sha256": options.protocol.sha256,
        "threshold": options.threshold,
        "pseudonyms": options.pseudonymiser is not None,
        "counts": summary.counts,
        "n_cases": summary.n_cases,
        "n_measured_now": summary.n_done,
        "wall_time_s": round(summary.seconds, 3),
    }
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    write_atomically(out / "run.json", text.encode())
