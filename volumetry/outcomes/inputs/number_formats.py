"""Numbers as tables write them: decimal mark and mark of thousands, as declared; and what would read them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

DECIMALS = (".", ",")
THOUSANDS = ("", ".", ",", " ", "'")

_ONE_MEANING = str.maketrans({"\u2212": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'"})
"""The minus sign, spaces that do not break, and the typographic apostrophe."""

_DIGITS_AND_MARKS = re.compile(r"[-+]?[\d.,' ]*\d[.,]?")


def read_number(text: str, decimal: str, thousands: str) -> float | None:
    """Return a finite number that is written with the declared marks; None for everything else.

    Examples
    --------
    >>> from volumetry.outcomes.inputs.number_formats import read_number
    >>> read_number("1.234,5", ",", "."), read_number("1.234,5", ".", "")
    (1234.5, None)
    """
    text = text.translate(_ONE_MEANING).strip()
    if thousands and thousands != decimal:
        mark = re.escape(thousands)
        if re.fullmatch(rf"[-+]?\d{{1,3}}({mark}\d{{3}})+({re.escape(decimal)}\d+)?", text):
            text = text.replace(thousands, "")
        elif thousands in text:
            return None
    if decimal != ".":
        text = "" if "." in text else text.replace(decimal, ".")
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None


def decimal_places(text: str, decimal: str) -> int:
    """Return how many digits stand behind the decimal mark: with what precision a number is printed."""
    found = re.search(rf"\d*{re.escape(decimal)}(\d+)", text)
    return len(found[1]) if found else 0


def ways_to_read(cell: str, others: Sequence[str], decimal: str, thousands: str) -> list[dict[str, str]]:
    """Return which declarations would read a cell, and every other that has digits and marks alone.

    Parameters
    ----------
    cell : str
    others : sequence of str
        Cells of the same column.
    decimal, thousands : str
        What is declared, which does not read the cell.

    Returns
    -------
    list of dict
        The smallest changes: ``{"decimal": ","}``, ``{"thousands": ","}``, or both keys.
    """
    texts = [text for text in (cell, *others) if _DIGITS_AND_MARKS.fullmatch(text.translate(_ONE_MEANING))]
    if cell not in texts:
        return []
    ways = []
    for mark in DECIMALS:
        for group in THOUSANDS:
            if group != mark and all(read_number(text, mark, group) is not None for text in texts):
                both = {"decimal": (mark, decimal), "thousands": (group, thousands)}
                ways.append({key: new for key, (new, old) in both.items() if new != old})
    return [way for way in ways if not any(other.items() < way.items() for other in ways)]
