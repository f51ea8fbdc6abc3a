"""Rows into CSV and Parquet."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from volumetry.errors import UsageError
from volumetry.files.atomic import atomic_output, named_output_errors
from volumetry.tables.cells import csv_cell
from volumetry.tables.columns import Table


def write_table(path: Path | str, table: Table, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as CSV (UTF-8, one header line), atomically, and return how many there were.

    Rows are written as they come, so any number of them fits into memory. Text that a spreadsheet would
    take for a formula is neutralised; numbers never are.

    Raises
    ------
    OutputError
        ``read-only`` or ``disk-full``; what was there before is intact.

    Examples
    --------
    >>> from volumetry.tables import CHANGES, read_table, write_table
    >>> _ = vm.measure_folder("sample_scans/study", "results")
    >>> rows = read_table("results/changes.csv", CHANGES)
    >>> write_table("again.csv", CHANGES, rows) == len(rows)
    True
    """
    count = 0
    with table_written(path, table) as write_row:
        for row in rows:
            write_row(row)
            count += 1
    return count


@contextmanager
def table_written(path: Path | str, table: Table) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Yield what writes a row of a CSV table, as `write_table` does: for rows of several tables in turns.

    Examples
    --------
    >>> from volumetry.tables import CHANGES
    >>> from volumetry.tables.writing import table_written
    >>> with table_written("changes.csv", CHANGES) as write_row:
    ...     write_row({"patient": "P1", "lesion": "L1"})
    """
    names = table.column_names
    with atomic_output(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(names)
        yield lambda row: writer.writerow([csv_cell(row.get(name)) for name in names])
        text.flush()
        text.detach()


def write_parquet(path: Path | str, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as Parquet with the same columns, atomically (extra ``[parquet]``).

    Examples
    --------
    >>> from volumetry.tables import CHANGES, read_table, write_parquet
    >>> _ = vm.measure_folder("sample_scans/study", "results")
    >>> write_parquet("changes.parquet", CHANGES, read_table("results/changes.csv", CHANGES))
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError(
            "missing-dependency",
            "writing Parquet needs pyarrow",
            todo='Install it: pip install "volumetry[parquet]".',
        ) from None
    kinds = {"text": pyarrow.string(), "date": pyarrow.string(), "integer": pyarrow.int64()}
    schema = pyarrow.schema([(c.name, kinds.get(c.kind, pyarrow.float64())) for c in table.columns])
    plain = [{name: row.get(name) for name in table.column_names} for row in rows]
    with atomic_output(path) as file:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(plain, schema=schema), file)


_MAGIC = b"PAR1"


def remove_former_parquet(path: Path, table: Table) -> None:
    """Remove the Parquet table beside a CSV table that was written anew: it says what that one said before.

    A file of that name without the columns of `table` is somebody else's, and stays.
    """
    former = path.with_suffix(".parquet")
    if former != path and former.is_file() and _has_columns(former, table):
        with named_output_errors(former):
            former.unlink(missing_ok=True)


def _has_columns(path: Path, table: Table) -> bool:
    """Whether a Parquet file names the columns of a table: it does so at its end, before their length."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 8))
        last = file.read()
        if size < 12 or last[4:] != _MAGIC:
            return False
        file.seek(max(0, size - 8 - int.from_bytes(last[:4], "little")))
        footer = file.read()
    return all(name.encode() in footer for name in table.first_names)
