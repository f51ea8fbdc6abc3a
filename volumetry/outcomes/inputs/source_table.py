"""A table of anybody's making: cells as text, read as numbers, dates or yes and no as the plan declares."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from volumetry.errors import ReadError, UsageError
from volumetry.outcomes.inputs.csv_file import read_csv
from volumetry.outcomes.inputs.date_formats import formats_for, read_by_any
from volumetry.outcomes.inputs.number_formats import decimal_places, read_number, ways_to_read
from volumetry.outcomes.inputs.workbook import KnownCell, read_sheet
from volumetry.outcomes.plan.tables import Format, Values

_YES = {"1", "1.0", "yes", "y", "true", "t"}
_NO = {"0", "0.0", "no", "n", "false", "f"}
_WORKBOOKS = {".xlsx", ".xlsm"}


@dataclass(frozen=True, kw_only=True)
class SourceTable:
    """Rows of text.

    Attributes
    ----------
    name : str
        What messages call it: the file's name.
    columns : dict of str to tuple of (str or None)
        Cells by column, synonyms replaced; None where missing.
    lines : tuple of int
        Line of each row in the file.
    format : Format
        How numbers and dates are written.
    values : dict of str to Values
        The same of single columns.
    own : frozenset of str
        Columns that this program made: their numbers have a point, their dates are ISO dates.
    origin : dict of str to (str, tuple of int)
        Of columns that came from another table: its name, and the line there of each row's cell.
    section : str
        Section of the plan that declares the format, for messages.
    """

    name: str
    columns: dict[str, tuple[str | None, ...]]
    lines: tuple[int, ...]
    format: Format = field(default_factory=Format)
    values: Mapping[str, Values] = field(default_factory=dict)
    own: frozenset[str] = frozenset()
    origin: Mapping[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    section: str = "format"

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.lines)

    def take(self, rows: Sequence[int]) -> SourceTable:
        """Return some rows, in that order."""
        columns = {name: tuple(cells[row] for row in rows) for name, cells in self.columns.items()}
        origin = {
            name: (file, tuple(lines[row] for row in rows)) for name, (file, lines) in self.origin.items()
        }
        lines = tuple(self.lines[row] for row in rows)
        return replace(self, columns=columns, lines=lines, origin=origin)

    def lines_of(self, name: str) -> tuple[int, ...]:
        """Return the line of each cell of a column, in the file it came from."""
        return self.origin[name][1] if name in self.origin else self.lines

    def with_column(self, name: str, cells: Sequence[object]) -> SourceTable:
        """Return the table with one more column (or another in its place) of this program's making."""
        texts = tuple(None if cell is None else _text(cell) for cell in cells)
        return replace(self, columns={**self.columns, name: texts}, own=self.own | {name})

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
        """Return a column as finite numbers; raises ``invalid-table``, naming the cell, for other text."""
        values: list[float | None] = []
        for cell, line in zip(self.text(name), self.lines_of(name), strict=True):
            number = None if cell is None else self.number(name, cell)
            if cell is not None and number is None:
                raise self._wrong(name, line, cell, "a number", self._number_advice(name, cell))
            values.append(number)
        return values

    def is_numeric(self, name: str) -> bool:
        """Say whether every cell of a column that is not missing is a number."""
        return all(cell is None or self.number(name, cell) is not None for cell in self.text(name))

    def events(self, name: str) -> list[int | None]:
        """Return a column of yes and no as 1 and 0."""
        values: list[int | None] = []
        for cell, line in zip(self.text(name), self.lines_of(name), strict=True):
            word = None if cell is None else cell.strip().lower()
            if cell is not None and word not in _YES | _NO:
                advice = (
                    f'Correct the cell, or declare [[values]] column = "{name}" with synonyms = '
                    f'{{ yes = ["{cell}"] }} or {{ no = ["{cell}"] }} in the plan.'
                )
                raise self._wrong(name, line, cell, "1 or 0, yes or no", advice)
            values.append(None if word is None else int(word in _YES))
        return values

    def dates(self, name: str) -> list[date | None]:
        """Return a column of dates, as the plan says that they are written."""
        values: list[date | None] = []
        formats = self._date_formats(name)
        for cell, line in zip(self.text(name), self.lines_of(name), strict=True):
            if cell is None or (isinstance(cell, KnownCell) and isinstance(cell.value, date)):
                values.append(None if cell is None else cell.value)  # type: ignore[arg-type]
                continue
            found = read_by_any(cell, formats)
            if len(found) != 1:
                wanted = f"a date like {' or '.join(formats)}"
                if found:
                    wanted = (
                        f"one date: by the declared formats it is {' and '.join(map(str, sorted(found)))}"
                    )
                raise self._wrong(name, line, cell, wanted, self._date_advice(name, bool(found)))
            values.append(found.pop())
        return values

    def spellings(self, name: str) -> list[tuple[str, ...]]:
        """Return values of a column that differ in case, spaces or a hyphen alone."""
        known: dict[str, dict[str, None]] = {}
        for cell in self.text(name):
            if cell is not None:
                known.setdefault(re.sub(r"[\s_-]+", " ", cell).strip().lower(), {})[cell] = None
        return [tuple(cells) for cells in known.values() if len(cells) > 1]

    def number(self, name: str, cell: str) -> float | None:
        """Return a cell of a column as a finite number; None where it is not written as the plan says."""
        if isinstance(cell, KnownCell) and not isinstance(cell.value, date):
            return cell.value
        if name in self.own:
            return read_number(cell, ".", "")
        return read_number(self._without_unit(name, cell), self._decimal(name), self._thousands(name))

    def decimals(self, name: str, cell: str) -> int:
        """Return with how many decimal places a cell is written."""
        return decimal_places(cell, self._decimal(name))

    def is_one_of(self, name: str, cell: str, wanted: Iterable[str]) -> bool:
        """Say whether a cell is one of some values; a number is itself however it is written."""
        wanted = set(wanted)
        if cell in wanted:
            return True
        number = self.number(name, cell)
        return number is not None and any(read_number(text, ".", "") == number for text in wanted)

    def _without_unit(self, name: str, cell: str) -> str:
        text = cell.strip()
        declared = self.values.get(name)
        for unit in declared.units if declared else ():
            text = text.removesuffix(unit).strip()
        return text

    def _decimal(self, name: str) -> str:
        declared = self.values.get(name)
        return (declared.decimal if declared else "") or self.format.decimal

    def _thousands(self, name: str) -> str:
        declared = self.values.get(name)
        return (declared.thousands if declared else "") or self.format.thousands

    def _date_formats(self, name: str) -> tuple[str, ...]:
        if name in self.own:
            return ("Y-m-d",)
        declared = self.values.get(name)
        return (declared.dates if declared else ()) or self.format.dates

    def _number_advice(self, name: str, cell: str) -> str:
        column = f'[[values]] column = "{name}"'
        bare = self._without_unit(name, cell)
        others = [
            self._without_unit(name, text)
            for text in self.text(name)
            if text is not None and not isinstance(text, KnownCell)
        ]
        ways = ways_to_read(bare, others, self._decimal(name), self._thousands(name))
        if ways:
            return self._marks_advice(column, bare, ways, self._decimal(name), self._thousands(name))
        match = re.fullmatch(r"([-+]?[\d.,']*\d)\s*([^\d\s<>_].*)", bare)
        if match and not match[2].strip(" .,'").isdigit():
            return f'Declare {column} with units = ["{match[2].strip()}"] in the plan, or correct the cell.'
        return (
            f'Correct the cell, or declare {column} with synonyms = {{ "number" = ["{cell}"] }} or '
            f'missing = ["{cell}"] in the plan.'
        )

    def _marks_advice(
        self, column: str, cell: str, ways: list[dict[str, str]], decimal: str, thousands: str
    ) -> str:
        def keys(way: dict[str, str], section: str = "") -> str:
            return " and ".join(f'{section}{key} = "{mark}"' for key, mark in way.items())

        if len(ways) == 1:
            whole = keys(ways[0], f"{self.section}.")
            return f"Declare {whole}, or {column} with {keys(ways[0])}, in the plan."
        known = {"decimal": decimal, "thousands": thousands}
        shown = " or ".join(
            f"{keys(way, f'{self.section}.')} (then it is {read_number(cell, **(known | way)):.15g})"
            for way in ways
        )
        return f"Declare {shown}, or the same keys of {column}, in the plan; only you know which it is."

    def _date_advice(self, name: str, ambiguous: bool) -> str:
        if ambiguous:
            return f'Declare one format: [[values]] column = "{name}" with dates = [...] in the plan.'
        cells = [c for c in self.text(name) if c is not None and not isinstance(c, KnownCell)]
        fitting = formats_for(cells)
        if not fitting:
            return (
                f'Declare format.dates, or [[values]] column = "{name}" with dates = ["d/m/Y"] or '
                "whatever it is, in the plan; no common format reads every cell of the column."
            )
        shown = " or ".join(f'["{text}"]' for text in fitting)
        return f"Declare how dates are written: format.dates = {shown} in the plan" + (
            " (both read every cell; only you know which it is)." if len(fitting) > 1 else "."
        )

    def _wrong(self, name: str, line: int, cell: str, wanted: str, todo: str) -> UsageError:
        return UsageError(
            "invalid-table", f"{name} is not {wanted}",
            where=self.origin[name][0] if name in self.origin else self.name,
            values={"column": name, "line": line, "cell": cell}, todo=todo,
        )  # fmt: skip


def read_source(
    path: Path,
    missing: Sequence[str],
    *,
    sheet: str = "",
    form: Format | None = None,
    values: Sequence[Values] = (),
    section: str = "format",
) -> SourceTable:
    """Read a CSV file or a sheet of a workbook, with one line of column names.

    Parameters
    ----------
    path : Path
    missing : sequence of str
        What an empty cell may say.
    sheet : str
        Of a workbook.
    form : Format, optional
    values : sequence of Values
        How single columns are written; those of other tables are passed over.
    section : str
        Section of the plan that `form` comes from, for messages.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``, ``truncated`` for a file without a header.
    UsageError
        ``invalid-table`` for two columns of one name, or a row of another length.
    """
    form = form or Format()
    rows = read_sheet(path, sheet) if path.suffix.lower() in _WORKBOOKS else read_csv(path, form, section)
    numbered = [
        (number, row)
        for number, row in enumerate(rows, start=1)
        if number >= form.header_line and any(cell.strip() for cell in row)
    ]
    if not numbered:
        raise ReadError("truncated", "the table is empty", where=path, todo="It needs a header line.")
    header, *body = _without_empty_columns([row for _, row in numbered])
    header = [name.strip() for name in header]
    numbered = [(line, row) for (line, _), row in zip(numbered[1:], body, strict=True)]
    _check_shape(path, header, numbered, section)
    own = {entry.column: entry for entry in values}
    columns = {}
    for place, name in enumerate(header):
        declared = own.get(name)
        empty = {word.strip() for word in (*missing, *(declared.missing if declared else ()))} | {""}
        other = _other_names(declared)
        columns[name] = tuple(_cell(row[place], empty, other) for _, row in numbered)
    return SourceTable(
        name=f"{path.name}, sheet {sheet}" if sheet else path.name,
        columns=columns,
        lines=tuple(line for line, _ in numbered),
        format=form,
        values=own,
        section=section,
    )


def _without_empty_columns(rows: list[list[str]]) -> list[list[str]]:
    """Return rows without columns that have neither a name nor a cell, and without empty cells behind them.

    Spreadsheets write such columns for cells that are formatted and empty.
    """
    width = len(rows[0])
    filled = [bool(name.strip()) for name in rows[0]]
    for row in rows[1:]:
        for place, cell in enumerate(row[:width]):
            filled[place] = filled[place] or bool(cell.strip())
    kept = [place for place in range(width) if filled[place]]
    return [
        [row[place] for place in kept if place < len(row)]
        + (row[width:] if any(cell.strip() for cell in row[width:]) else [])
        for row in rows
    ]


def _check_shape(path: Path, header: list[str], rows: list[tuple[int, list[str]]], section: str) -> None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        what = f"two columns are called {twice[0]!r}" if twice[0] else "two columns have cells and no name"
        places = " and ".join(str(place) for place, name in enumerate(header, start=1) if name == twice[0])
        raise UsageError(
            "invalid-table", what, where=path, values={"columns": places},
            todo=f"{'Rename one of them' if twice[0] else 'Name them'}; where the names stand on another "
            f"line, declare {section}.header_line.",
        )  # fmt: skip
    for line, row in rows:
        if len(row) != len(header):
            raise UsageError(
                "invalid-table", "a row has another number of cells than the header", where=path,
                values={"line": line, "cells": len(row), "header": len(header)},
                todo=f"Correct the row; or declare {section}.delimiter or {section}.header_line in the plan.",
            )  # fmt: skip


def _other_names(declared: Values | None) -> dict[str, str]:
    synonyms = declared.synonyms or {} if declared else {}
    return {other.strip(): value for value, others in synonyms.items() for other in others}


def _cell(text: str, empty: set[str], other: Mapping[str, str]) -> str | None:
    bare = text.strip()
    if isinstance(text, KnownCell) and bare == text and bare not in other and bare not in empty:
        return text
    if bare[:1] == "'" and bare[1:2] in ("=", "+", "-", "@"):
        bare = bare[1:]  # as this program writes text that a spreadsheet would take for a formula
    if bare in other or bare in empty:
        return other.get(bare)
    # The minus sign of typography, which word processors write.
    return f"-{bare[1:]}" if bare[:1] == "\u2212" and bare[1:2].isdigit() else bare


def _text(cell: object) -> str:
    if isinstance(cell, bool):
        return str(int(cell))
    return repr(cell) if isinstance(cell, float) else str(cell)
