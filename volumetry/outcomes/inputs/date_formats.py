"""Dates as tables write them, by declared formats: a cell is one date, or it is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, time, timedelta
from types import MappingProxyType

#: Letters of a declared format, with the pattern of the digits that they stand for.
LETTERS = MappingProxyType(
    {
        "Y": r"(?P<Y>\d{4})",
        "m": r"(?P<m>\d{1,2})",
        "d": r"(?P<d>\d{1,2})",
        "H": r"(?P<H>\d{1,2})",
        "M": r"(?P<M>\d{2})",
        "S": r"(?P<S>\d{2}(?:\.\d+)?)",
        "b": r"(?P<b>[A-Za-z]{3,9})",
    }
)

EXCEL = "excel"
EXCEL_EPOCH = date(1899, 12, 30)

#: Formats that an error may suggest, if they read every cell of the column.
COMMON = (
    "Y-m-d", "d/m/Y", "m/d/Y", "d.m.Y", "d-m-Y", "m-d-Y", "Y/m/d", "Y.m.d", "Ymd", "Y-m-d H:M:S", "Y-m-d H:M",
    "Y-m-dTH:M:S", "d/m/Y H:M", "m/d/Y H:M", "d/m/Y H:M:S", "m/d/Y H:M:S", "d.m.Y H:M", "d.m.Y H:M:S",
    "d b Y", "b d, Y", "d-b-Y", EXCEL,
)  # fmt: skip

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def fault_of(text: str) -> str:
    """Return what is wrong with a declared format; empty if nothing is."""
    if text == EXCEL:
        return ""
    letters = re.findall(r"[A-Za-z]", text.replace("T", ""))
    unknown = sorted({letter for letter in letters if letter not in LETTERS})
    if "y" in unknown:
        return f"{text!r} has two-digit years, whose century nobody can know; write four digits in the table"
    if unknown:
        return f"{text!r} has {', '.join(unknown)}; known are {', '.join(LETTERS)}"
    months = letters.count("m") + letters.count("b")
    if letters.count("Y") != 1 or letters.count("d") != 1 or months != 1 or len(letters) != len(set(letters)):
        return f"{text!r} does not name year, month and day once each"
    return ""


def read_date(cell: str, text: str) -> date | None:
    """Return the date of a cell by one format; None where it is not written so."""
    if text == EXCEL:
        if not re.fullmatch(r"\d{4,6}(\.\d+)?", cell):
            return None
        days = float(cell)
        return EXCEL_EPOCH + timedelta(days=int(days)) if 61 <= days < 2958466 else None
    match = re.fullmatch(_pattern(text), cell.strip())
    if match is None:
        return None
    found = match.groupdict()
    month = _MONTHS.index(found["b"][:3].lower()) + 1 if _is_month(found.get("b")) else found.get("m")
    if month is None:
        return None
    try:
        hour, minute, second = (int(float(found.get(letter) or 0)) for letter in "HMS")
        time(hour, minute, second)
        return date(int(found["Y"]), int(month), int(found["d"]))
    except ValueError:
        return None


def _is_month(name: str | None) -> bool:
    return name is not None and name[:3].lower() in _MONTHS


def read_by_any(cell: str, formats: Sequence[str]) -> set[date]:
    """Return every date that a cell is by the declared formats."""
    found = {read_date(cell, text) for text in formats}
    return {day for day in found if day is not None}


def formats_for(cells: Sequence[str]) -> list[str]:
    """Return the common formats that read every cell of a column."""
    return [text for text in COMMON if cells and all(read_date(cell, text) is not None for cell in cells)]


def _pattern(text: str) -> str:
    if text == "Ymd":
        return r"(?P<Y>\d{4})(?P<m>\d{2})(?P<d>\d{2})"
    return "".join(LETTERS.get(letter, re.escape(letter)) for letter in text)
