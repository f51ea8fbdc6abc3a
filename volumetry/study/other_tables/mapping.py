"""Other people's tables of volumes, read by a mapping: which column holds what, in which unit.

Nothing is guessed: what the table does not say, the mapping says, and what neither says is asked for by the
key that would say it.
"""

# ruff: noqa: RUF009 - `setting` is dataclasses.field with a sentence

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from volumetry.errors import UsageError, did_you_mean
from volumetry.files.documents import Document, build, read_document, setting, table_setting
from volumetry.study.cases import SIDE_WORDS
from volumetry.study.identity import composed_text, twice_named
from volumetry.study.other_tables.passed_by import (
    check_sides_of_visits,
    check_telling,
    check_units,
    points_in_doubt,
)
from volumetry.study.other_tables.units import UNITS_MM3
from volumetry.study.table_text import fault_of_name, seen_name, table_text
from volumetry.tables import MEASUREMENTS, Row
from volumetry.tables.cells import surplus_cells, year_first_date

_WHOSE = ("site", "side", "lesion", "reader", "read")
"""Columns of these names are not passed by: they tell tracings apart."""


@dataclass(frozen=True, kw_only=True)
class ColumnNames:
    """The columns of the table by what they hold; `visit` and `volume` where it has a row a visit."""

    patient: str = setting("Column of the patient.", example="Pat-ID")
    visit: str = setting("Column of the name of the visit; not with `[visits]`.", "")
    volume: str = setting("Column of the volume; not with `[visits]`.", "")
    study_date: str = setting("Column of the date of the visit; not with `[visits]`.", "")
    site: str = setting("Column of the hospital or site.", "")
    side: str = setting("Column of the side: L, R, left or right, or as `[sides]` says.", "")
    lesion: str = setting("Column of the lesion within the patient.", "")
    reader: str = setting("Column of who traced.", "")
    read: str = setting("Column of the number of the read.", "")
    n_slices: str = setting("Column of the number of traced slices; not with `[visits]`.", "")


@dataclass(frozen=True, kw_only=True)
class TableMapping:
    """How a table of somebody else is read."""

    volume_unit: Literal["mm3", "cm3", "ml", "ul", "l"] = setting(
        "Unit of the volumes: `mm3`, `cm3`, `ml`, `ul` (microlitres) or `l` (litres)."
    )
    columns: ColumnNames = setting("Which column holds what.")
    visits: dict[str, str] = table_setting(
        "For a table of a column a visit: the column of the volumes, and the name of its visit."
    )
    visit_order: tuple[str, ...] = setting(
        "Names of the visits in their order; without it by dates, else by numbers (`month12`).", ()
    )
    dates: dict[str, str] = table_setting(
        "With `[visits]`: the name of a visit, and the column of its dates."
    )
    date_format: str = setting("How dates are written, as `%d.%m.%Y`; without it as 2024-03-02.", "")
    decimal: Literal[".", ","] | None = setting(
        "Mark before the decimals; without it a point, but where `1.234` may be over a thousand.", None
    )
    sides: dict[str, str] = table_setting('Words for sides, and L or R: `links = "L"`.')
    ignored: tuple[str, ...] = setting(
        "Columns that do not tell tracings apart, though their names or cells look so.", ()
    )
    not_measured: tuple[str, ...] = setting(
        "What cells say where there is no volume; an empty cell says so, too.", ()
    )


def read_mapping(path: Path | str) -> tuple[TableMapping, Document]:
    """Read a mapping.

    Raises
    ------
    ReadError
        The file cannot be read.
    UsageError
        ``invalid-mapping`` with the key and the line.
    """
    values, document = read_document(path, "mapping", code="invalid-mapping")
    mapping = build(TableMapping, values, document)
    columns = mapping.columns
    if mapping.visits:
        twice = [n for n in ("visit", "volume", "study_date", "n_slices") if getattr(columns, n)]
        if twice:
            raise document.fault(
                ("columns", twice[0]),
                "the table has either a row or a column a visit",
                f"Leave out {twice[0]} or [visits].",
            )
    else:
        for name in ("visit", "volume"):
            if not getattr(columns, name):
                raise document.fault(
                    ("columns",), f"{name} is missing", f"Give {name}, or [visits] for a column a visit."
                )
    for column, visit in mapping.visits.items():
        same = [other for other, own in mapping.visits.items() if own == visit]
        if len(same) > 1:
            raise document.fault(
                ("visits", column),
                f"two columns are of the visit {visit!r}: {', '.join(same)}",
                "Name every visit once: leave a column out, or change one table for each side or reader.",
            )
    if visit := twice_named(mapping.visit_order):
        raise document.fault(("visit_order",), f"{visit!r} is named twice", "Name every visit once.")
    for word, side in mapping.sides.items():
        if side not in ("L", "R"):
            raise document.fault(("sides", word), f"the side is {side!r}", "Write L or R.")
    return mapping, document


def mapped_rows(path: Path | str, mapping_path: Path | str) -> tuple[list[Row], tuple[str, ...]]:
    """Read a table of somebody else as measurements.

    Parameters
    ----------
    path : path
        CSV with commas, semicolons or tabs, or the first sheet of an xlsx file.
    mapping_path : path
        The mapping, in TOML; see ``docs/reference/mapping.md``.

    Returns
    -------
    rows : list of dict
        Cells of `volumetry.tables.MEASUREMENTS`.
    unused : tuple of str
        Columns that the mapping does not name.

    Raises
    ------
    ReadError, UsageError
        ``invalid-mapping``: a column that is named is not there. ``invalid-table``: cells that are no volume,
        date or side, with their lines, all at once.
    """
    mapping, document = read_mapping(mapping_path)
    table = table_text(path)
    names = table.names
    used = _used(mapping)
    _check_unused(names, used, mapping, document)
    _check_columns(used, names, document, path)
    table.check_values(path, used.values(), errors=False)
    volumes = [*mapping.visits] or [mapping.columns.volume]
    check_units(table, volumes, mapping, used, document)
    check_sides_of_visits(mapping, document)
    faults = [*points_in_doubt(table, volumes, mapping)]
    if not mapping.visits:
        check_telling(table, mapping, used, document)
    rows: list[Row] = []
    for number, cells in table:
        line = dict(zip(names, (cell.strip() for cell in cells), strict=False))
        if fault := surplus_cells(names, cells):
            faults.append(f"line {number}: {fault}")
            continue
        rows += _rows_of_line(line, mapping, number, faults)
    if faults:
        shown = "; ".join(faults[:20]) + (f"; and {len(faults) - 20} more" if len(faults) > 20 else "")
        raise UsageError("invalid-table", shown, where=path, todo="Correct the table or the mapping.")
    return rows, tuple(name for name in names if name and name not in used.values())


def _used(mapping: TableMapping) -> dict[tuple[str, ...], str]:
    """Every column that the mapping names, by the key that names it."""
    columns = mapping.columns
    used: dict[tuple[str, ...], str] = {
        ("columns", name): column
        for name in ColumnNames.__dataclass_fields__
        if (column := getattr(columns, name))
    }
    used |= {("visits", column): column for column in mapping.visits}
    return used | {("dates", visit): column for visit, column in mapping.dates.items()}


def _check_columns(
    used: Mapping[tuple[str, ...], str], names: Sequence[str], document: Document, path: Path | str
) -> None:
    twice = sorted({name for name in used.values() if names.count(name) > 1})
    if twice:
        raise UsageError(
            "invalid-table",
            "two columns have one name",
            where=path,
            values={"column": twice[0]},
            todo="Rename one of them.",
        )
    for key, column in used.items():
        if column not in names:
            hint = did_you_mean(column, names)
            raise document.fault(
                key, f"the table has no column {column!r}", f"{hint}It has {', '.join(filter(None, names))}."
            )


def _check_unused(
    names: Sequence[str], used: Mapping[tuple[str, ...], str], mapping: TableMapping, document: Document
) -> None:
    """Refuse a table that says whose a volume is in a column that the mapping passes by."""
    for name in names:
        key = name.strip().casefold()
        if key in _WHOSE and name not in used.values() and name not in mapping.ignored:
            raise document.fault(
                ("columns",),
                f"the table has a column {name!r}, which is not named",
                f'Give {key} = "{name}" in [columns], or ignored = ["{name}"].',
            )


def _rows_of_line(
    line: Mapping[str, str], mapping: TableMapping, number: int, faults: list[str]
) -> Iterator[Row]:
    columns = mapping.columns
    base: Row = dict.fromkeys(MEASUREMENTS.column_names)
    for name in ("patient", "site", "lesion", "reader"):
        column = getattr(columns, name)
        base[name] = _name(line, column, number, faults)
    if not base["patient"]:
        faults.append(f"line {number}: {columns.patient} is empty")
        return
    base["side"] = _side(line, mapping, number, faults)
    base["read"] = _whole(line, columns.read, number, faults)
    if base["read"] == 0:
        faults.append(f"line {number}: {columns.read} is 0; reads are numbered from 1")
    cells = mapping.visits.items() if mapping.visits else ((columns.volume, line.get(columns.visit, "")),)
    for column, visit in cells:
        visit = composed_text(seen_name(visit))
        if fault := fault_of_name(visit):
            faults.append(f"line {number}: {columns.visit} is {visit!r}, {fault}")
            continue
        if not visit:
            faults.append(f"line {number}: {columns.visit} is empty")
            continue
        day = mapping.dates.get(visit, "") if mapping.visits else columns.study_date
        volume = _volume(line, column, mapping, number, faults)
        yield base | {
            "line": number,
            "visit": visit,
            "visit_order": _place(visit, mapping, number, faults),
            "study_date": _date(line, day, mapping, number, faults),
            "n_slices": _whole(line, columns.n_slices, number, faults),
            "volume_mm3": volume,
            "status": "not_measurable" if volume is None else "absent" if volume == 0 else "measured",
        }


def _name(line: Mapping[str, str], column: str, number: int, faults: list[str]) -> str | None:
    text = composed_text(seen_name(line.get(column, ""))) if column else ""
    if fault := fault_of_name(text):
        faults.append(f"line {number}: {column} is {text!r}, {fault}")
    return text or None


def _place(visit: str, mapping: TableMapping, number: int, faults: list[str]) -> int | None:
    if not mapping.visit_order:
        return None
    order = [composed_text(name) for name in mapping.visit_order]
    if visit not in order:
        faults.append(f"line {number}: visit_order of the mapping does not name the visit {visit!r}")
        return None
    return order.index(visit)


def _side(line: Mapping[str, str], mapping: TableMapping, number: int, faults: list[str]) -> str | None:
    column = mapping.columns.side
    text = line.get(column, "") if column else ""
    side = mapping.sides.get(text, SIDE_WORDS.get(text.lower()))
    if side is None:
        faults.append(f"line {number}: {column} is {text!r}; say in [sides] which side that is")
    return side or None


def _whole(line: Mapping[str, str], column: str, number: int, faults: list[str]) -> int | None:
    text = line.get(column, "") if column else ""
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        faults.append(f"line {number}: {column} is {text!r}, no whole number")
        return None
    return int(text)


def _volume(
    line: Mapping[str, str], column: str, mapping: TableMapping, number: int, faults: list[str]
) -> float | None:
    text = line.get(column, "")
    if not text or text in mapping.not_measured:
        return None
    plain = text.replace(",", ".") if mapping.decimal == "," and "." not in text else text
    try:
        value = float(plain)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in plain:
        hint = ' (decimal = ","?)' if "," in text and mapping.decimal != "," else ""
        faults.append(
            f"line {number}: {column} is {text!r}, no volume{hint}; say in not_measured if it means none"
        )
        return None
    if value < 0:
        faults.append(f"line {number}: {column} is {text!r}, a negative volume")
        return None
    return value * UNITS_MM3[mapping.volume_unit]


def _date(
    line: Mapping[str, str], column: str, mapping: TableMapping, number: int, faults: list[str]
) -> str | None:
    text = line.get(column, "") if column else ""
    if not text:
        return None
    with suppress(ValueError):
        if not mapping.date_format:
            return year_first_date(text)
    for form in filter(None, (mapping.date_format, "%Y-%m-%d")):
        with suppress(ValueError):
            day = datetime.strptime(text, form).date()
            if "%y" not in form or day <= date.today():
                return day.isoformat()
            faults.append(f"line {number}: {column} is {text!r}, a day to come; write all of the year")
            return None
    faults.append(f"line {number}: {column} is {text!r}, no date; say in date_format how dates are written")
    return None


def unused_columns(unused: Sequence[str]) -> str:
    """Return the sentence that names the columns that were not read; empty where there is none."""
    return f"columns that the mapping does not name: {', '.join(unused)}" if unused else ""


__all__: list[str] = ["ColumnNames", "TableMapping", "mapped_rows", "read_mapping", "unused_columns"]
