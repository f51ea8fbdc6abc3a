"""The cells of a table that a spreadsheet saved: CSV in its dialects, or xlsx."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from volumetry.errors import ReadError
from volumetry.small_files import check_regular

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_MAX_BYTES = 1 << 28


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
    """

    names: list[str]
    lines: list[list[str]]
    numbers: list[int]

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
    found = _sheet(path) if path.suffix.lower() == ".xlsx" else _csv(path)
    kept = [(n, line) for n, line in found if any(line) and not f"{line[0]} ".startswith("# ")]
    if not kept:
        raise ReadError("truncated", "the table is empty", where=path, todo="It needs a header line.")
    (_, names), *rest = kept
    return TableText(
        names=[name.strip() for name in names],
        lines=[line for _, line in rest],
        numbers=[number for number, _ in rest],
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


def _sheet(path: Path) -> _Lines:
    import openpyxl

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            rows = book.worksheets[0].iter_rows(values_only=True)
            return [(number, [_text(cell) for cell in row]) for number, row in enumerate(rows, start=1)]
        finally:
            book.close()
    except Exception as error:  # noqa: BLE001 - openpyxl raises what its parsers raise
        raise _unreadable(path, type(error).__name__) from None


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
