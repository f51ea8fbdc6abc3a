"""What a table of somebody else may say besides what its mapping reads: points, and columns passed by."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from volumetry.files.documents import Document
from volumetry.study.table_text import TableText

if TYPE_CHECKING:
    from volumetry.study.rows.mapping import TableMapping

_POINT = re.compile(r"[\d.]*\d\.\d[\d.]*(,\d*)?")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")
_DECIMAL_POINT = re.compile(r"\d*\.\d+")
_WHERE = {",": 'where decimal is ","', None: 'that may part thousands; give decimal = "." or ","'}
_UNIT = ("site", "patient", "side", "lesion", "reader", "read", "visit")
_MOST_CLASSES = 8


def points_in_doubt(table: TableText, columns: Iterable[str], mapping: TableMapping) -> Iterator[str]:
    """Name the volumes whose point may part thousands: 1.234 where a comma is, or may be, that of decimals.

    Numbers of xlsx have no mark, cells of text have. Where the mapping does not say, CSV with commas between
    its cells has points, and so has a column in which one volume can be read no other way.
    """
    if mapping.decimal == "." or (mapping.decimal is None and table.mark == ","):
        return
    names = table.names
    pattern = _POINT if mapping.decimal == "," else _THOUSANDS
    found: list[str] = []
    for column in columns:
        place = names.index(column)
        for number, cells in table:
            text = cells[place].strip() if place < len(cells) else ""
            if not text or (not table.mark and (number, place) not in table.as_text):
                continue
            if pattern.fullmatch(text):
                found.append(f"line {number}: {names[place]} is {text!r}, a point {_WHERE[mapping.decimal]}")
            elif mapping.decimal is None and _DECIMAL_POINT.fullmatch(text):
                return
    yield from found


def check_telling(
    table: TableText, mapping: TableMapping, used: Mapping[tuple[str, ...], str], document: Document
) -> None:
    """Refuse a table with a column that may tell tracings apart, in whatever language, and is passed by.

    Such a column has few values, that come back, and they differ between the rows of what the mapping takes
    for one lesion. One that is the same for every patient at a visit says no more than the visit.
    """
    names, columns = table.names, mapping.columns
    read = {name: names.index(getattr(columns, name)) for name in _UNIT if getattr(columns, name)}
    for place, name in enumerate(names):
        if not name or name in used.values() or name in mapping.ignored:
            continue
        values: dict[tuple[str, ...], dict[str, set[str]]] = {}
        counts: Counter[str] = Counter()
        for _, cells in table:
            line = [*(cell.strip() for cell in cells), *[""] * len(names)]
            if value := line[place].casefold():
                counts[value] += 1
                unit = tuple(line[at].casefold() for key, at in read.items() if key != "visit")
                values.setdefault(unit, {}).setdefault(line[read["visit"]], set()).add(value)
        differing = sorted({v for own in values.values() if _differ(own) for v in set().union(*own.values())})
        if differing and _are_classes(counts) and not _is_of_visit(values.values()):
            told = ", ".join(map(repr, differing[:3]))
            raise document.fault(
                ("columns",),
                f"the column {name!r}, which is not named, differs between the visits of a lesion ({told})",
                f'Give side, lesion or reader = "{name}" in [columns], or ignored = ["{name}"].',
            )


def _differ(of_visits: Mapping[str, set[str]]) -> bool:
    return len(of_visits) > 1 and len({frozenset(own) for own in of_visits.values()}) > 1


def _are_classes(counts: Mapping[str, int]) -> bool:
    """Whether the values of a column are a few that come back: words, or whole numbers from 0 or 1 on."""
    if not 1 < len(counts) <= _MOST_CLASSES or (len(counts) > 2 and min(counts.values()) < 2):
        return False
    if not any(value.isdecimal() for value in counts):
        return not any(c.isdigit() for value in counts for c in value) or all(
            re.fullmatch(r"[a-z]+[-_ ]?\d{1,2}", value) for value in counts
        )
    numbers = sorted(int(value) for value in counts if value.isdecimal())
    return len(numbers) == len(counts) and numbers in (
        [*range(len(numbers))],
        [*range(1, len(numbers) + 1)],
    )


def _is_of_visit(of_units: Iterable[Mapping[str, set[str]]]) -> bool:
    """Whether several patients have one value at each visit, the same for all."""
    units = [own for own in of_units if len(own) > 1]
    said: dict[str, set[str]] = {}
    for own in units:
        for visit, values in own.items():
            said.setdefault(visit, set()).update(values)
    return len(units) > 1 and all(len(values) == 1 for values in said.values())
