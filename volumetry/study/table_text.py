"""The cells of a table that a spreadsheet saved: CSV in its dialects, or xlsx."""

from __future__ import annotations

import csv
import io
import logging
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from volumetry.errors import ReadError, UsageError
from volumetry.files.small_files import check_regular

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_MAX_BYTES = 1 << 28
_SHOWN = 10
_LOG = logging.getLogger(__name__)
_SEPARATOR = re.compile(r"sep=(.)\s*", re.IGNORECASE)
_ERROR = re.compile(r"#(?:N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!)")
_NOTHING = frozenset({"nan", "nat", "none", "null", "<na>", "n/a", "#n/a n/a", "#na"})
_ROUNDED = re.compile(r"\d(?:[.,]\d+)?[Ee]\+\d+")
_UNSEEN = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\ufeff]")
_NUMBER_AS_TEXT = re.compile(r"\d+(?:[.,]\d+)+")
_SMALL = 1 << 22
_MOST_DIGITS = 15
"""Digits of a number that a spreadsheet keeps."""


def seen_name(text: str) -> str:
    """Return a name without the characters that nobody sees, such as U+200B.

    >>> seen_name("P1\u200b")
    'P1'
    """
    return text if text.isascii() else _UNSEEN.sub("", text).strip()


def fault_of_name(text: str) -> str:
    """Return why the cell of a patient, visit, lesion or reader names nobody; empty where it may.

    >>> fault_of_name("1.23457E+11")
    'a number that a spreadsheet has rounded; write it anew, in a column that is formatted as text'
    >>> fault_of_name("#N/A")
    'no name, but what stands for a missing value; write the name, or leave the cell empty'
    """
    if _ROUNDED.fullmatch(text):
        return "a number that a spreadsheet has rounded; write it anew, in a column that is formatted as text"
    if _ERROR.fullmatch(text) or text.casefold() in _NOTHING or text == "NA":
        return "no name, but what stands for a missing value; write the name, or leave the cell empty"
    return ""


@dataclass(frozen=True, kw_only=True)
class TableText:
    """A table whose cells are texts.

    Attributes
    ----------
    names : list of str
        Of the columns.
    lines : list of list of str
    numbers : list of int
        Where every line stands in the file, from 1, comments and empty lines counted.
    without_value : mapping of line and column to text
        Cells of xlsx, in words, that hold a formula whose value the writer did not store; of lines that are
        no comments.
    with_error : mapping of line and column to text
        Those that hold an error, such as ``#REF!``.
    mark : str
        What parts the cells of CSV; empty for xlsx.
    as_text : set of line and column
        Cells of xlsx that hold the text of a number, and no number.
    """

    names: list[str]
    lines: list[list[str]]
    numbers: list[int]
    without_value: Mapping[tuple[int, int], str] = field(default_factory=dict)
    with_error: Mapping[tuple[int, int], str] = field(default_factory=dict)
    mark: str = ""
    as_text: Collection[tuple[int, int]] = ()

    def check_values(self, where: Path | str, columns: Iterable[str], *, errors: bool = True) -> None:
        """Raise `UsageError` ``invalid-table`` for cells of some columns without value or with an error."""
        wanted = set(columns)
        cells = {**self.without_value, **(self.with_error if errors else {})}
        read = {place for place, name in enumerate(self.names) if name in wanted}
        told = [text for (_, place), text in sorted(cells.items()) if place in read]
        if told:
            more = f"; and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
            raise UsageError(
                "invalid-table",
                f"the cell {'; '.join(told[:_SHOWN])}{more}",
                where=where,
                todo="Open the table in a spreadsheet program and save it, or write the values themselves.",
            )

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        return zip(self.numbers, self.lines, strict=True)


def table_text(path: Path | str) -> TableText:
    """Return a table, all cells as texts.

    CSV with commas, semicolons or tabs, in UTF-8 or UTF-16; a first line ``sep=;`` names another mark. xlsx:
    its first sheet that is not hidden. Lines that begin with ``#`` and a blank are comments; of CSV, not
    where the cell stands in quotation marks.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``, ``too-large``, ``truncated`` where there is no header line.
    UsageError
        ``invalid-table`` where two sheets that are seen have the same columns.
    """
    path = Path(path)
    if not path.exists():
        raise ReadError("not-found", "there is no such table", where=path, todo="Check the name.")
    check_regular(path)
    if path.stat().st_size > _MAX_BYTES:
        raise ReadError("too-large", "the table is over 256 MiB", where=path, todo="Split it.")
    mark, as_text = "", set[tuple[int, int]]()
    if path.suffix.lower() == ".xlsx":
        found, without_value, with_error, as_text = _sheet(path)
    else:
        (found, mark), without_value, with_error = _csv(path), {}, {}
    comments = {number for number, line in found if line and f"{line[0]} ".startswith("# ")}
    kept = [(n, line) for n, line in found if any(map(str.strip, line)) and n not in comments]
    if not kept:
        raise ReadError("truncated", "the table is empty", where=path, todo="It needs a header line.")
    (_, names), *rest = kept
    return TableText(
        names=[name.strip() for name in names],
        lines=[line for _, line in rest],
        numbers=[number for number, _ in rest],
        without_value={place: text for place, text in without_value.items() if place[0] not in comments},
        with_error={place: text for place, text in with_error.items() if place[0] not in comments},
        mark=mark,
        as_text=as_text,
    )


_Lines = list[tuple[int, list[str]]]


def _csv(path: Path) -> tuple[_Lines, str]:
    """The lines, and the mark between their cells."""
    try:
        content = path.read_bytes()
        text = content.decode(_encoding(content))
        lines = list(io.StringIO(text, newline=""))
        named = _SEPARATOR.fullmatch(lines[0]) if lines else None
        if named is not None:
            lines[0] = "\n"
        header = next((line for line in lines if line.strip() and not line.startswith("#")), "")
        delimiter = named[1] if named is not None else max(",;\t", key=header.count)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        found, begin = _Lines(), 0
        for cells in reader:
            if lines[begin].startswith('"#'):  # a name that begins so, and no comment
                cells[0] = f"'{cells[0]}"
            found.append((reader.line_num, cells))
            begin = reader.line_num
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, type(error).__name__) from None
    return found, delimiter


def _encoding(content: bytes) -> str:
    """UTF-16 with or without its mark, else UTF-8; a header line of a table is mostly ASCII."""
    if content.startswith(_UTF_16):
        return "utf-16"
    zeros = [content[place : place + 64 : 2].count(0) for place in (0, 1)]
    if max(zeros) < 8:
        return "utf-8-sig"
    return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"


_Cells = dict[tuple[int, int], str]


def _sheet(path: Path) -> tuple[_Lines, _Cells, _Cells, set[tuple[int, int]]]:
    """The lines of the sheet, and its cells whose formula has no value, with errors, with numbers as text."""
    try:
        place, twice = _seen_sheet(path)
        lines: _Lines = []
        blank, as_text = set[tuple[int, int]](), set[tuple[int, int]]()
        without_value, with_error = _Cells(), _Cells()
        for number, row in _rows(path, place, values=True):
            lines.append((number, [_text(cell.value) for cell in row]))
            for column, cell in enumerate(row):
                if cell.data_type == "e" and cell.value is not None:
                    with_error[number, column] = f"{cell.coordinate} is {cell.value}"
                elif cell.value is None and cell.data_type == "n" and hasattr(cell, "coordinate"):
                    blank.add((number, column))
                elif isinstance(cell.value, str) and _NUMBER_AS_TEXT.fullmatch(cell.value.strip()):
                    as_text.add((number, column))
        for number, row in _rows(path, place, values=False) if blank else ():
            for column, cell in enumerate(row):
                if cell.data_type == "f" and (number, column) in blank:
                    without_value[number, column] = f"{cell.coordinate} holds a formula without its value"
    except Exception as error:  # noqa: BLE001 - openpyxl raises what its parsers raise
        raise _unreadable(path, type(error).__name__) from None
    if twice:
        raise UsageError(
            "invalid-table",
            "two sheets have these columns",
            where=path,
            values={"sheets": ", ".join(twice)},
            todo="Hide or delete the one that is not meant.",
        )
    if hidden := _n_hidden_rows(path, place):
        _LOG.warning("%s: rows that are hidden, as by a filter, are read, too: %d", path.name, hidden)
    return lines, without_value, with_error, as_text


def _seen_sheet(path: Path) -> tuple[int, tuple[str, ...]]:
    """Return the first sheet that is seen and not empty, by its place; and the names of two of one header."""
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        headers: list[tuple[int, str, tuple[Any, ...]]] = []
        for place, sheet in enumerate(book.worksheets):
            rows = sheet.iter_rows(values_only=True) if sheet.sheet_state == "visible" else iter(())
            header = next((row for row in rows if any(row) and not str(row[0] or "").startswith("#")), ())
            if header:
                headers.append((place, sheet.title, tuple(cell for cell in header if cell is not None)))
    finally:
        book.close()
    if not headers:
        return 0, ()
    first, name, columns = headers[0]
    same = [title for _, title, others in headers[1:] if others == columns]
    return first, (name, same[0]) if same else ()


def _n_hidden_rows(path: Path, place: int) -> int:
    """The number of rows with cells that are hidden; 0 for a large workbook, which takes much memory."""
    import openpyxl

    if path.stat().st_size > _SMALL:
        return 0
    sheet = openpyxl.load_workbook(path).worksheets[place]
    hidden = [number for number, row in sheet.row_dimensions.items() if row.hidden]
    return sum(any(cell.value is not None for cell in sheet[number]) for number in hidden)


def _rows(path: Path, place: int, *, values: bool) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """The cells of a sheet, with the values that the formulas had, or with the formulas."""
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True, data_only=values)
    try:
        yield from enumerate(book.worksheets[place].iter_rows(), start=1)
    finally:
        book.close()


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, int | float) and abs(cell) >= 10**_MOST_DIGITS:
        return f"{cell:.{_MOST_DIGITS}E}"  # the digits behind are not what was written
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _unreadable(path: Path, reason: str) -> ReadError:
    return ReadError(
        "unreadable",
        "the table cannot be read",
        where=path,
        values={"reason": reason},
        todo="Save it as CSV in UTF-8, or as xlsx.",
    )
