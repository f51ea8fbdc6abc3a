"""The cells of a table that a spreadsheet saved: CSV in its dialects, or xlsx."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from volumetry.errors import ReadError, UsageError
from volumetry.files.small_files import check_regular

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_MAX_BYTES = 1 << 28
_SHOWN = 10


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
    """

    names: list[str]
    lines: list[list[str]]
    numbers: list[int]
    without_value: Mapping[tuple[int, int], str] = field(default_factory=dict)
    with_error: Mapping[tuple[int, int], str] = field(default_factory=dict)

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

    CSV with commas, semicolons or tabs, in UTF-8 or UTF-16; xlsx: its first sheet. Lines that begin with
    ``#`` and a blank are comments.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``, ``too-large``, ``truncated`` where there is no header line.
    """
    path = Path(path)
    if not path.exists():
        raise ReadError("not-found", "there is no such table", where=path, todo="Check the name.")
    check_regular(path)
    if path.stat().st_size > _MAX_BYTES:
        raise ReadError("too-large", "the table is over 256 MiB", where=path, todo="Split it.")
    found, without_value, with_error = (
        _sheet(path) if path.suffix.lower() == ".xlsx" else (_csv(path), {}, {})
    )
    comments = {number for number, line in found if line and f"{line[0]} ".startswith("# ")}
    kept = [(number, line) for number, line in found if any(line) and number not in comments]
    if not kept:
        raise ReadError("truncated", "the table is empty", where=path, todo="It needs a header line.")
    (_, names), *rest = kept
    return TableText(
        names=[name.strip() for name in names],
        lines=[line for _, line in rest],
        numbers=[number for number, _ in rest],
        without_value={place: text for place, text in without_value.items() if place[0] not in comments},
        with_error={place: text for place, text in with_error.items() if place[0] not in comments},
    )


_Lines = list[tuple[int, list[str]]]


def _csv(path: Path) -> _Lines:
    try:
        content = path.read_bytes()
        text = content.decode(_encoding(content))
        header = next((line for line in text.splitlines() if not line.startswith("#")), "")
        delimiter = max(",;\t", key=header.count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        return [(reader.line_num, line) for line in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, type(error).__name__) from None


def _encoding(content: bytes) -> str:
    """UTF-16 with or without its mark, else UTF-8; a header line of a table is mostly ASCII."""
    if content.startswith(_UTF_16):
        return "utf-16"
    zeros = [content[place : place + 64 : 2].count(0) for place in (0, 1)]
    if max(zeros) < 8:
        return "utf-8-sig"
    return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"


_Cells = dict[tuple[int, int], str]


def _sheet(path: Path) -> tuple[_Lines, _Cells, _Cells]:
    """The lines of the first sheet, the cells in them whose formula has no value, and those with errors."""
    try:
        lines: _Lines = []
        blank: set[tuple[int, int]] = set()
        without_value, with_error = _Cells(), _Cells()
        for number, row in _rows(path, values=True):
            lines.append((number, [_text(cell.value) for cell in row]))
            for place, cell in enumerate(row):
                if cell.data_type == "e" and cell.value is not None:
                    with_error[number, place] = f"{cell.coordinate} is {cell.value}"
                elif cell.value is None and cell.data_type == "n" and hasattr(cell, "coordinate"):
                    blank.add((number, place))
        for number, row in _rows(path, values=False) if blank else ():
            for place, cell in enumerate(row):
                if cell.data_type == "f" and (number, place) in blank:
                    without_value[number, place] = f"{cell.coordinate} holds a formula without its value"
    except Exception as error:  # noqa: BLE001 - openpyxl raises what its parsers raise
        raise _unreadable(path, type(error).__name__) from None
    return lines, without_value, with_error


def _rows(path: Path, *, values: bool) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """The cells of the first sheet, with the values that the formulas had, or with the formulas."""
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True, data_only=values)
    try:
        yield from enumerate(book.worksheets[0].iter_rows(), start=1)
    finally:
        book.close()


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _unreadable(path: Path, reason: str) -> ReadError:
    return ReadError(
        "unreadable",
        "the table cannot be read",
        where=path,
        values={"reason": reason},
        todo="Save it as CSV in UTF-8, or as xlsx.",
    )
