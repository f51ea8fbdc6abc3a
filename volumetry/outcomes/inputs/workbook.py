"""A sheet of an xlsx workbook as rows of cells; dates and numbers keep that they are dates and numbers."""

from __future__ import annotations

import zipfile
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from volumetry.errors import ReadError, UsageError


class KnownCell(str):
    """The text of a cell of which the workbook says that it is a date or a number."""

    value: date | float

    def __new__(cls, text: str, value: date | float) -> KnownCell:
        """Return the text with its value."""
        cell = super().__new__(cls, text)
        cell.value = value
        return cell

    def __getnewargs__(self) -> tuple[str, date | float]:  # type: ignore[override]
        return str(self), self.value


def read_sheet(path: Path, sheet: str) -> list[list[str]]:
    """Return the rows of a sheet, from its first line.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``.
    UsageError
        ``invalid-table`` for a sheet that is not named or not there, and for a formula without a value.
    """
    import openpyxl

    try:
        book = openpyxl.load_workbook(path, data_only=True)
        formulas = openpyxl.load_workbook(path, data_only=False)
    except FileNotFoundError:
        raise ReadError(
            "not-found", "there is no such table", where=path, todo="Paths are relative to the plan."
        ) from None
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise ReadError(
            "unreadable", "the workbook cannot be read", where=path, values={"reason": type(error).__name__},
            todo="Save it as xlsx, or its sheet as CSV.",
        ) from None  # fmt: skip
    name = _sheet_name(path, book.sheetnames, sheet)
    rows = [[_text(cell) for cell in row] for row in book[name].iter_rows(values_only=True)]
    for line, (row, written) in enumerate(
        zip(rows, formulas[name].iter_rows(values_only=True), strict=True), 1
    ):
        for place, (cell, formula) in enumerate(zip(row, written, strict=True)):
            if not cell and isinstance(formula, str) and formula.startswith("="):
                raise UsageError(
                    "invalid-table", "a formula has no value", where=path,
                    values={"sheet": name, "line": line, "column": place + 1, "cell": formula},
                    todo="Open the workbook, let it compute, and save it; or write the value.",
                )  # fmt: skip
    width = max((len(row) for row in rows if any(row)), default=0)
    used = max((place + 1 for row in rows for place, cell in enumerate(row) if cell), default=0)
    return [row[: min(width, used)] for row in rows]


def _sheet_name(path: Path, names: list[str], sheet: str) -> str:
    if not sheet and len(names) == 1:
        return names[0]
    if sheet in names:
        return sheet
    what = f"there is no sheet {sheet!r}" if sheet else "the workbook has several sheets"
    raise UsageError(
        "invalid-table", what, where=path, values={"sheets": names},
        todo=f'Name one in the plan: tables.sheet = "{names[0]}".',
    )  # fmt: skip


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(int(cell))
    if isinstance(cell, datetime):
        day = cell.date()
        return KnownCell(cell.isoformat(sep=" ") if cell.time() != time(0) else day.isoformat(), day)
    if isinstance(cell, date):
        return KnownCell(cell.isoformat(), cell)
    if isinstance(cell, int):
        return KnownCell(str(cell), float(cell))
    if isinstance(cell, float):
        return KnownCell(str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell), cell)
    return str(cell)
