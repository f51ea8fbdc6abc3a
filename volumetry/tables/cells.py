"""A value as the text of a cell, and back."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from volumetry.tables.columns import Column

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_DATE = re.compile(
    r"(?:(\d{4})([-/.])(\d{1,2})\2(\d{1,2})|((?:19|20)\d{2})(\d{2})(\d{2})(?:\.0)?)"
    r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[-+]\d{2}:?\d{2})?)?"
)


def neutralised(text: str) -> str:
    """Return text that a spreadsheet takes for text: no formula, no control characters.

    Examples
    --------
    >>> from volumetry.tables import neutralised
    >>> neutralised("=1+1"), neutralised("hip 1")
    ("'=1+1", 'hip 1')
    """
    shown = text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
    return f"'{shown}" if text.startswith(_FORMULA) else shown


def csv_cell(value: Any) -> str:
    """Return the text of a cell: text neutralised for spreadsheets, floats in full, None empty.

    Examples
    --------
    >>> from volumetry.tables import csv_cell
    >>> csv_cell(0.1), csv_cell(None), csv_cell("hip 1")
    ('0.1', '', 'hip 1')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        # A volume of more than 15 digits is noise, but the shortest text that reads back the same is exact.
        return repr(value)
    return neutralised(str(value))


def year_first_date(text: str) -> str:
    """Return the ISO date of a text that begins with the year, with or without a time of day.

    Such a text has one meaning only; ``03/04/2020`` has two, and is not read as a date.

    Raises
    ------
    ValueError
        The text is no such date.

    Examples
    --------
    >>> from volumetry.tables.cells import year_first_date
    >>> [year_first_date(text) for text in ("2024-03-02", "20240302", "2024/3/2", "2024-03-02 00:00:00")]
    ['2024-03-02', '2024-03-02', '2024-03-02', '2024-03-02']
    """
    matched = _DATE.fullmatch(text)
    if matched is None:
        raise ValueError
    year, _, month, day, *joined = matched.groups()
    year, month, day = (year, month, day) if year else joined
    return date(int(year), int(month), int(day)).isoformat()


def cell_value(text: str, column: Column) -> Any:
    """Return the value of a cell's text; raises ValueError where it does not fit the column.

    Examples
    --------
    >>> from volumetry.tables import MEASUREMENTS, cell_value
    >>> column = next(c for c in MEASUREMENTS.columns if c.name == "volume_mm3")
    >>> cell_value("812.5", column)
    812.5
    """
    text = text.strip()
    if text == "" or (text == "NA" and column.kind != "text"):
        return None
    if column.kind == "text":
        return text[1:] if text.startswith("'") and text[1:].startswith((*_FORMULA, "# ")) else text
    if column.kind == "date":
        return year_first_date(text)
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    if column.kind == "number":
        return number
    if number != int(number):
        raise ValueError
    return int(number)


def surplus_cells(names: Sequence[str], cells: Sequence[str]) -> str:
    """Return what is wrong with a line that has more cells than its table has columns; else empty.

    >>> surplus_cells(["patient", "volume"], ["P1", "4", "5"])
    'it has 3 cells for 2 columns; is a comma in a number that stands in no quotation marks?'
    """
    n_filled = max((place for place, cell in enumerate(cells, start=1) if cell.strip()), default=0)
    if n_filled <= len(names):
        return ""
    return (
        f"it has {n_filled} cells for {len(names)} columns; is a comma in a number that stands in no "
        "quotation marks?"
    )
