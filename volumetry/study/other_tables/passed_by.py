"""What a table of somebody else may say besides what its mapping reads: points, and columns passed by."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from volumetry.errors import UsageError
from volumetry.files.documents import Document
from volumetry.formats.lesion_names import side_of_name
from volumetry.formats.side_words import MAY_BE_SIDES, said_side
from volumetry.study.other_tables.column_names import about
from volumetry.study.other_tables.units import UNITS_MM3, are_units, unit_of, units_in_name
from volumetry.study.table_text import TableText, table_text
from volumetry.tables import MEASUREMENTS

if TYPE_CHECKING:
    from volumetry.study.other_tables.mapping import TableMapping

_POINT = re.compile(r"[\d.]*\d\.\d[\d.]*(,\d*)?")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")
_DECIMAL_POINT = re.compile(r"\d*\.\d+")
_WHERE = {",": 'where decimal is ","', None: 'that may part thousands; give decimal = "." or ","'}
_OF_A_TRACING = ("site", "patient", "side", "lesion", "reader", "read", "visit")
_MOST_CLASSES = 8
_NAME = re.compile(r"\D+(?:\d{1,2}\D*)?|\d{1,2}[^\W\d_]\D*")
"""A word, perhaps with a number of one or two digits: no date, no number of an examination."""
_MEASURED = re.compile(r"[-+]?\d+[.,]\d+|\d{4,}")
_ANSWERS = {"yes", "no", "y", "n", "ja", "nein", "j", "oui", "non", "si", "sí", "true", "false", "x", "-"}


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
    """Refuse a table with a column that may tell tracings apart, in whatever language, and is passed by."""
    names, columns = table.names, mapping.columns
    read = {name: names.index(getattr(columns, name)) for name in _OF_A_TRACING if getattr(columns, name)}
    for name, told in _telling(table, read, {*used.values(), *mapping.ignored}):
        raise document.fault(
            ("columns",),
            f"the column {name!r}, which is not named, differs between the visits of a lesion ({told})",
            f'Give side, lesion, reader or site = "{name}" in [columns], or ignored = ["{name}"] where '
            "it tells nothing apart.",
        )


def check_columns_besides(path: Path | str) -> None:
    """Refuse a table of measurements with a column of somebody else's that may tell tracings apart.

    Raises
    ------
    UsageError
        ``invalid-table``, with the column and what it says.
    """
    table = table_text(path)
    names = table.names
    if set(names) <= {*MEASUREMENTS.column_names, ""} or not {"patient", "visit"} <= set(names):
        return
    read = {name: names.index(name) for name in _OF_A_TRACING if name in names}
    for name, told in _telling(table, read, MEASUREMENTS.column_names):
        raise UsageError(
            "invalid-table",
            f"the column {name!r}, which this program does not know, differs between the visits of a lesion",
            where=path,
            values={"values": told},
            todo="Call it side, lesion, reader or site, or remove it where it tells nothing apart.",
        )


def _telling(table: TableText, read: Mapping[str, int], passed: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield columns, not `passed`, that may tell tracings apart, with some of their cells.

    The cells differ between the rows of what is taken for one lesion. A column whose name says person, side,
    lesion or reader may hold anything that is no decimal; another has few values, that come back. One that
    is the same for every patient at a visit says no more than the visit.
    """
    names = table.names
    for place, name in enumerate(names):
        if not name or name in passed:
            continue
        values: dict[tuple[str, ...], dict[str, set[str]]] = {}
        counts: Counter[str] = Counter()
        for _, cells in table:
            line = [*(cell.strip() for cell in cells), *[""] * len(names)]
            if value := line[place].casefold():
                counts[value] += 1
                unit = tuple(line[at].casefold() for key, at in read.items() if key != "visit")
                values.setdefault(unit, {}).setdefault(line[read["visit"]], set()).add(value)
        if are_units(counts) and len({UNITS_MM3[unit_of(value)] for value in counts}) == 1:
            continue
        differing = sorted({v for own in values.values() if _differ(own) for v in set().union(*own.values())})
        if differing and _may_tell(name, counts, values.values()):
            yield name, ", ".join(map(repr, differing[:3]))


def check_sides_of_visits(mapping: TableMapping, document: Document) -> None:
    """Refuse columns of visits of which one says left and another right: they are two lesions."""
    told: dict[tuple[str, str], str] = {}
    for column in mapping.visits:
        said = said_side((column.replace("_", " "),))
        sides = {("left/right", said.side or side_of_name(column)), *said.hints}
        for pair, side in sorted(sides):
            if not side:
                continue
            other = told.get((pair, "R" if side == "L" else "L"))
            if other is not None:
                raise document.fault(
                    ("visits", column),
                    f"the columns {other!r} and {column!r} are of two sides",
                    "Name the columns of one side; read the other side with a mapping of its own.",
                )
            told.setdefault((pair, side), column)


def check_units(
    table: TableText,
    volumes: Iterable[str],
    mapping: TableMapping,
    used: Mapping[tuple[str, ...], str],
    document: Document,
) -> None:
    """Refuse a table that says another unit than its mapping, in the name of a column of volumes or in cells.

    A column of units that the mapping does not name says it where all of its cells are units of volume.
    """
    wanted = UNITS_MM3[mapping.volume_unit]
    for column in volumes:
        for text, size_mm3 in units_in_name(column, table.names):
            if size_mm3 != wanted:
                is_left = " Where L is left, write left in its name." if text in ("l", "L") else ""
                raise document.fault(
                    ("volume_unit",),
                    f"the unit is {mapping.volume_unit}, and the name of the column says another: {column!r}",
                    f"Correct volume_unit, or the name of the column ({text}); volumes in other units than "
                    f"mm3, ul, cm3, ml and l are converted first.{is_left}",
                )
    for place, name in enumerate(table.names):
        if not name or name in used.values() or name in mapping.ignored:
            continue
        said = {cells[place].strip() for _, cells in table if place < len(cells) and cells[place].strip()}
        if are_units(said) and any(UNITS_MM3[unit_of(cell)] != wanted for cell in said):
            raise document.fault(
                ("volume_unit",),
                f"the unit is {mapping.volume_unit}, and the column {name!r} says {', '.join(sorted(said))}",
                "Write all volumes in one unit, and that unit as volume_unit; "
                f'or ignored = ["{name}"] where the units are of other cells.',
            )


def _may_tell(name: str, counts: Mapping[str, int], values: Iterable[Mapping[str, set[str]]]) -> bool:
    """Whether a column, whose cells differ between visits, may say which lesion or whose it is."""
    what = about(name)
    if what == "person" or MAY_BE_SIDES.issuperset(counts):
        return True
    if what in ("tracing", "unit") and not all(map(_MEASURED.fullmatch, counts)):
        return True
    if what == "visit" or _ANSWERS.issuperset(counts):
        return False
    return _are_classes(counts) and not _is_of_visit(values)


def _differ(of_visits: Mapping[str, set[str]]) -> bool:
    return len(of_visits) > 1 and len({frozenset(own) for own in of_visits.values()}) > 1


def _are_classes(counts: Mapping[str, int]) -> bool:
    """Whether the values of a column are a few that come back: words, or whole numbers from 0 or 1 on."""
    total = sum(counts.values())
    few = len(counts) == 2 or 2 * len(counts) <= total
    if any(value.isdecimal() for value in counts):
        numbers = sorted(int(value) for value in counts if value.isdecimal())
        first = [*range(len(numbers))], [*range(1, len(numbers) + 1)]
        return few and 1 < len(counts) == len(numbers) <= _MOST_CLASSES and numbers in first
    if not all(map(_NAME.fullmatch, counts)):
        return False
    are_short = all(len(value.split()) < 3 for value in counts)
    return few or (are_short and 4 * len(counts) <= 3 * total)


def _is_of_visit(of_units: Iterable[Mapping[str, set[str]]]) -> bool:
    """Whether several patients have one value at each visit, the same for all."""
    units = [own for own in of_units if len(own) > 1]
    said: dict[str, set[str]] = {}
    for own in units:
        for visit, values in own.items():
            said.setdefault(visit, set()).update(values)
    return len(units) > 1 and all(len(values) == 1 for values in said.values())
