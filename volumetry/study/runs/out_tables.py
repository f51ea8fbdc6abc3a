"""What a batch writes: its tables, built from the ledger row by row, and `run.json`."""

from __future__ import annotations

import json
import logging
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from volumetry._version import __version__
from volumetry.files.atomic import atomic_output
from volumetry.study.order_messages import untraced_first_message
from volumetry.study.rows.joining import printable
from volumetry.study.rows.pairing import changes_of
from volumetry.study.rows.worth import tilt_explainer, worth_rule
from volumetry.study.runs.options import BatchOptions, BatchSummary
from volumetry.study.runs.study_rows import StudyRows
from volumetry.tables import CHANGES, MEASUREMENTS, SLICES, Row, Table, write_parquet, write_table
from volumetry.tables.writing import remove_former_parquet, table_written

_LOG = logging.getLogger(__name__)


def write_tables(rows: StudyRows, folder: Path | str, out: Path, options: BatchOptions) -> None:
    """Write measurements, slices and changes, row by row."""
    protocol = options.protocol
    # Under pseudonyms the rows name no files, so no lesion can be cut anew.
    explain = None if options.pseudonymiser else tilt_explainer(Path(folder), options.traces)
    worth = worth_rule(protocol, explain)
    _write_measurements_and_slices(rows, out)
    if rows.shared:
        _LOG.warning(
            "%d images or tracings are of several patients, byte by byte: see the flag duplicate-file",
            len(rows.shared),
        )
    if rows.untraced_firsts:
        _LOG.warning("%s", untraced_first_message(rows.untraced_firsts))

    def changes(measurements: Iterable[Row]) -> Iterator[Row]:
        return changes_of(measurements, protocol.change, worth, rows.shared)

    with _measurements_again(rows, out) if rows.shared else nullcontext(rows.measurements()) as measurements:
        write_table(_csv(out, CHANGES), CHANGES, changes(measurements))
    for table in (MEASUREMENTS, SLICES, CHANGES):
        remove_former_parquet(_csv(out, table), table)
    if options.parquet:
        for table, found in (
            (MEASUREMENTS, rows.measurements()),
            (SLICES, rows.slices()),
            (CHANGES, changes(rows.measurements())),
        ):
            write_parquet(out / f"{table.name}.parquet", table, found)


def _csv(out: Path, table: Table) -> Path:
    return out / f"{table.name}.csv"


def _write_measurements_and_slices(rows: StudyRows, out: Path) -> None:
    """Write both tables in one pass: the ledger is read, and identities are joined, once for both."""
    with (
        table_written(_csv(out, MEASUREMENTS), MEASUREMENTS) as write_row,
        table_written(_csv(out, SLICES), SLICES) as write_slice,
    ):
        for row, slices in rows.measurements_with_slices():
            write_row(row)
            for one in slices:
                write_slice(one)


@contextmanager
def _measurements_again(rows: StudyRows, out: Path) -> Iterator[Iterator[Row]]:
    """Yield the rows of measurements, and write those that are taken.

    Which files several patients have is known once all rows were made, so that the table is written again.
    """
    with table_written(_csv(out, MEASUREMENTS), MEASUREMENTS) as write_row:

        def written() -> Iterator[Row]:
            for row in rows.measurements():
                write_row(row)
                yield row

        yield written()


def write_run(out: Path, options: BatchOptions, summary: BatchSummary) -> None:
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
    """The protocol; under pseudonyms, without what its texts may say of persons and true dates."""
    told, hidden = asdict(options.protocol), options.pseudonymiser
    if hidden is not None:
        told["visits"] = [hidden.visit_of_all(visit) for visit in options.protocol.visits]
        if told["scan"]["description"]:
            told["scan"]["description"] = "withheld under pseudonyms"
    return told


def _named_or_counted(names: dict[str, str], options: BatchOptions) -> dict[str, Any]:
    """What is written of tracings without an image; under pseudonyms, their number alone."""
    if options.pseudonymiser is None:
        if all(name.isascii() and why.isascii() for name, why in names.items()):
            return names
        return {printable(name): printable(why) for name, why in names.items()}
    return {"n": len(names)} if names else {}
