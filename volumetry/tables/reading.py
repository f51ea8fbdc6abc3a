"""CSV into checked rows; data frames and their checks."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volumetry.errors import ReadError, UsageError
from volumetry.tables.cells import cell_value, surplus_cells
from volumetry.tables.columns import Column, Row, Table

if TYPE_CHECKING:
    import pandas as pd

_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")


def read_table(path: Path | str, table: Table, *, required: Sequence[str] | None = None) -> list[Row]:
    """Read a CSV table and check it; also as a spreadsheet saves it, with ``;`` and commas in numbers.

    Parameters
    ----------
    path : path
    table : Table
    required : sequence of str, optional
        Columns that must be there; by default those that every version of this program has written.
        Others that are missing are empty.

    Returns
    -------
    list of dict
        One per row, typed, empty cells None.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``.
    UsageError
        ``invalid-table``, naming all faults at once.

    Examples
    --------
    >>> from volumetry.tables import CHANGES, read_table
    >>> _ = vm.measure_folder("sample_scans/study", "results")
    >>> read_table("results/changes.csv", CHANGES)[0]["category"]
    'increase'
    """
    names, texts, mark = _csv_rows(path)
    if mark != ",":
        texts = _with_points(names, texts, table, path)
    return checked_rows(names, texts, table, path, required=required)


def checked_rows(
    names: Sequence[str],
    texts: Sequence[Sequence[str]],
    table: Table,
    path: Path | str,
    *,
    required: Sequence[str] | None = None,
    numbers: Sequence[int] | None = None,
) -> list[Row]:
    """Return typed rows of cells that are texts; `numbers` are those of their lines, by default from 2.

    Raises ``invalid-table``, naming all faults at once.

    Examples
    --------
    >>> from volumetry.tables import SLICES, checked_rows
    >>> names = ["patient", "slice_index", "area_mm2"]
    >>> rows = checked_rows(names, [["p01", "3", "12.5"]], SLICES, "mine.csv", required=names)
    >>> rows[0]["area_mm2"]
    12.5
    """
    faults = _missing_columns(required or table.first_names, names)
    columns = {column.name: column for column in table.columns}
    numbers = numbers or range(2, len(texts) + 2)
    rows: list[Row] = []
    for number, cells in zip(numbers, texts, strict=True):
        row: Row = dict.fromkeys(table.column_names)
        if fault := surplus_cells(names, cells):
            faults.append(f"line {number}: {fault}")
        for name, text in zip(names, cells, strict=False):
            if name not in columns:
                continue
            try:
                row[name] = cell_value(text, columns[name])
            except (ValueError, OverflowError):
                such = " such as 2024-03-02" if columns[name].kind == "date" else ""
                faults.append(f"line {number}: {name} is {text!r}, no {columns[name].kind}{such}")
        rows.append(row)
    present = [columns[name] for name in names if name in columns]
    faults += _row_faults(zip(numbers, rows, strict=True), present)
    _raise_faults(faults, path)
    return rows


def _missing_columns(required: Iterable[str], present: Iterable[str]) -> list[str]:
    missing = sorted(set(required) - set(present))
    return [f"missing columns: {', '.join(missing)}"] if missing else []


def _with_points(
    names: Sequence[str], texts: Sequence[Sequence[str]], table: Table, path: Path | str
) -> list[list[str]]:
    """Cells of a table that a spreadsheet has parted by ``;``, their numbers with a point for a comma.

    A point in a number is not believed beside commas: 1.234 may be over a thousand.
    """
    kinds = {column.name: column.kind for column in table.columns}
    places = [place for place, name in enumerate(names) if kinds.get(name) == "number"]
    cells = [list(line) for line in texts]
    marked = [(line, place) for line in cells for place in places if place < len(line)]
    if not any("," in line[place] for line, place in marked):
        _check_thousands([line[place].strip() for line, place in marked], path)
        return cells
    faults = [
        f"{names[place]} is {line[place]!r}, a point beside numbers with a comma"
        for line, place in marked
        if "." in line[place]
    ]
    _raise_faults(faults, path)
    for line, place in marked:
        line[place] = line[place].replace(",", ".")
    return cells


def _check_thousands(numbers: Sequence[str], path: Path | str) -> None:
    """Refuse numbers of a spreadsheet whose points, all of them, may part thousands: 1.234 beside 987."""
    pointed = [text for text in numbers if "." in text]
    if pointed and all(map(_THOUSANDS.fullmatch, pointed)):
        _raise_faults([f"{pointed[0]!r} has a point that may part thousands: write 1234 or 1.2340"], path)


def _csv_rows(path: Path | str) -> tuple[list[str], list[list[str]], str]:
    """The names of the columns, the lines, and the mark between cells: that which the header has most."""
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
        header = text.partition("\n")[0]
        mark = max(",;\t", key=header.count)
        reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=mark)
        lines = [line for line in reader if line]
    except FileNotFoundError:
        raise ReadError("not-found", "there is no such table", where=path, todo="Check the name.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ReadError(
            "unreadable",
            "the table cannot be read",
            where=path,
            values={"reason": type(error).__name__},
            todo="Save it as CSV in UTF-8.",
        ) from None
    if not lines:
        raise ReadError("truncated", "the table is empty", where=path, todo="It needs a header line.")
    return [name.strip() for name in lines[0]], lines[1:], mark


def _row_faults(rows: Iterable[tuple[int, Row]], columns: Sequence[Column]) -> Iterator[str]:
    for number, row in rows:
        for column in columns:
            value = row.get(column.name)
            if value is None:
                if not column.nullable:
                    yield f"line {number}: {column.name} is empty"
            elif column.allowed and value not in column.allowed:
                yield f"line {number}: {column.name} is {value!r}, not one of {', '.join(column.allowed)}"


def _raise_faults(faults: Sequence[str], where: Path | str | None) -> None:
    if faults:
        shown = "; ".join(faults[:20]) + (f"; and {len(faults) - 20} more" if len(faults) > 20 else "")
        raise UsageError(
            "invalid-table",
            shown,
            where=where,
            todo="Correct the table; docs/reference/tables.md names the columns.",
        )


def check_table(frame: pd.DataFrame, table: Table) -> None:
    """Check that a data frame has the declared columns, and cells that fit them.

    Raises
    ------
    UsageError
        ``invalid-table``, naming all faults at once.

    Examples
    --------
    >>> from volumetry.tables import CHANGES, check_table
    >>> check_table(vm.measure_folder("sample_scans/study").changes, CHANGES)
    """
    faults = _missing_columns(table.column_names, frame.columns)
    present = [column for column in table.columns if column.name in frame.columns]
    rows = []
    for number, record in enumerate(frame.to_dict("records"), start=2):
        row: Row = {}
        for column in present:
            value = record[column.name]
            empty = value is None or value != value  # NaN, NaT
            try:
                row[column.name] = None if empty else cell_value(str(value), column)
            except (ValueError, OverflowError):
                faults.append(f"line {number}: {column.name} is no {column.kind}")
        rows.append(row)
    faults += _row_faults(enumerate(rows, start=2), present)
    _raise_faults(faults, None)


def to_frame(rows: Iterable[Mapping[str, Any]], table: Table) -> pd.DataFrame:
    """Return rows as a pandas data frame with the declared columns and types.

    Examples
    --------
    >>> from volumetry.tables import CHANGES, read_table, to_frame
    >>> _ = vm.measure_folder("sample_scans/study", "results")
    >>> to_frame(read_table("results/changes.csv", CHANGES), CHANGES)["change_percent"].dtype
    dtype('float64')
    """
    import pandas as pd

    types = {"text": "object", "date": "object", "integer": "Int64", "number": "float64"}
    plain = [{name: row.get(name) for name in table.column_names} for row in rows]
    frame = pd.DataFrame(plain, columns=list(table.column_names))
    return frame.astype({column.name: types[column.kind] for column in table.columns})
