"""A CSV table of anybody's making: cells as text, read as numbers, dates or yes and no where asked."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from volumetry.errors import ReadError, UsageError

_YES = {"1", "1.0", "yes", "y", "true", "t"}
_NO = {"0", "0.0", "no", "n", "false", "f"}


@dataclass(frozen=True, kw_only=True)
class SourceTable:
    """Rows of text.

    Attributes
    ----------
    name : str
        What messages call it: the file's name.
    columns : dict of str to tuple of (str or None)
        Cells by column; None where missing.
    lines : tuple of int
        Line of each row in the file.
    """

    name: str
    columns: dict[str, tuple[str | None, ...]]
    lines: tuple[int, ...]

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.lines)

    def take(self, rows: Sequence[int]) -> SourceTable:
        """Return some rows, in that order."""
        columns = {name: tuple(cells[row] for row in rows) for name, cells in self.columns.items()}
        return replace(self, columns=columns, lines=tuple(self.lines[row] for row in rows))

    def with_column(self, name: str, cells: Sequence[object]) -> SourceTable:
        """Return the table with one more column (or another in its place)."""
        texts = tuple(None if cell is None else _text(cell) for cell in cells)
        return replace(self, columns={**self.columns, name: texts})

    def text(self, name: str) -> list[str | None]:
        """Return the cells of a column.

        Raises
        ------
        UsageError
            ``invalid-table`` if there is no such column.
        """
        if name not in self.columns:
            raise UsageError(
                "invalid-table", f"there is no column {name!r}", where=self.name,
                todo=f"Its columns are {', '.join(self.columns)}.",
            )  # fmt: skip
        return list(self.columns[name])

    def numbers(self, name: str) -> list[float | None]:
        """Return a column as finite numbers; raises ``invalid-table``, naming the line, for other text."""
        values: list[float | None] = []
        for cell, line in zip(self.text(name), self.lines, strict=True):
            try:
                number = None if cell is None else float(cell)
            except ValueError:
                number = math.inf
            if number is not None and not math.isfinite(number):
                raise self._wrong(name, line, cell, "a number")
            values.append(number)
        return values

    def is_numeric(self, name: str) -> bool:
        """Say whether every cell of a column that is not missing is a number."""
        try:
            self.numbers(name)
        except UsageError:
            return False
        return True

    def events(self, name: str) -> list[int | None]:
        """Return a column of yes and no as 1 and 0."""
        values: list[int | None] = []
        for cell, line in zip(self.text(name), self.lines, strict=True):
            word = None if cell is None else cell.strip().lower()
            if word is not None and word not in _YES | _NO:
                raise self._wrong(name, line, cell, "1 or 0, yes or no")
            values.append(None if word is None else int(word in _YES))
        return values

    def dates(self, name: str) -> list[date | None]:
        """Return a column of ISO dates (2021-03-02)."""
        values: list[date | None] = []
        for cell, line in zip(self.text(name), self.lines, strict=True):
            try:
                values.append(None if cell is None else date.fromisoformat(cell))
            except ValueError:
                raise self._wrong(name, line, cell, "a date like 2021-03-02") from None
        return values

    def _wrong(self, name: str, line: int, cell: str | None, wanted: str) -> UsageError:
        return UsageError(
            "invalid-table", f"{name} is not {wanted}", where=self.name, values={"line": line, "cell": cell},
            todo="Correct the cell, or declare its text under columns.missing in the plan.",
        )  # fmt: skip


def read_source(path: Path, missing: Sequence[str]) -> SourceTable:
    """Read a CSV file (UTF-8, comma, semicolon or tab; one header line).

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``, ``truncated`` for a file without a header.
    UsageError
        ``invalid-table`` for two columns of one name, or a row of another length.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True))
    except FileNotFoundError:
        raise ReadError(
            "not-found", "there is no such table", where=path, todo="Paths are relative to the plan."
        ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ReadError(
            "unreadable", "the table cannot be read", where=path, values={"reason": type(error).__name__},
            todo="Save it as CSV in UTF-8.",
        ) from None  # fmt: skip
    numbered = [
        (number, row) for number, row in enumerate(rows, start=1) if any(cell.strip() for cell in row)
    ]
    if not numbered:
        raise ReadError("truncated", "the table is empty", where=path, todo="It needs a header line.")
    header = [name.strip() for name in numbered[0][1]]
    _check_shape(path, header, numbered[1:])
    empty = {word.strip() for word in missing} | {""}
    cells = [[_cell(cell, empty) for cell in row] for _, row in numbered[1:]]
    columns = {name: tuple(row[place] for row in cells) for place, name in enumerate(header)}
    return SourceTable(name=path.name, columns=columns, lines=tuple(line for line, _ in numbered[1:]))


def _delimiter(text: str) -> str:
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count)


def _check_shape(path: Path, header: list[str], rows: list[tuple[int, list[str]]]) -> None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise UsageError(
            "invalid-table", f"two columns are called {twice[0]!r}", where=path, todo="Rename one of them."
        )
    for line, row in rows:
        if len(row) != len(header):
            raise UsageError(
                "invalid-table", "a row has another number of cells than the header", where=path,
                values={"line": line, "cells": len(row), "header": len(header)}, todo="Correct the row.",
            )  # fmt: skip


def _cell(text: str, empty: set[str]) -> str | None:
    bare = text.strip()
    if bare[:1] == "'" and bare[1:2] in ("=", "+", "-", "@"):
        bare = bare[1:]  # as this program writes text that a spreadsheet would take for a formula
    return None if bare in empty else bare


def _text(cell: object) -> str:
    if isinstance(cell, bool):
        return str(int(cell))
    return repr(cell) if isinstance(cell, float) else str(cell)
