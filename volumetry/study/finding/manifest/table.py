"""The columns of a manifest, and its lines, read and checked."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from volumetry.errors import UsageError, did_you_mean
from volumetry.study.table_text import fault_of_name, seen_name, table_text
from volumetry.tables import Column, Row, Table, checked_rows

MANIFEST_NAME = "manifest.csv"
_SHOWN = 10
ASKED = "?"
"""What stands for a patient or visit that somebody has to write, and before a lesion to be confirmed."""

NEEDS_A_SERIES = ("no-matching-series", "several-matching-series")
"""Codes of a traced visit whose series somebody has to choose: after `ASKED`, they stand for its scan."""

MANIFEST = Table(
    name="manifest",
    what="A row per traced lesion.",
    key=("patient", "visit", "side", "lesion", "reader"),
    columns=(
        Column(name="patient", kind="text", what="Patient.", nullable=False),
        Column(name="visit", kind="text", what="Name of the visit."),
        Column(name="study_date", kind="date", what="Date of the visit, as 2024-03-02."),
        Column(name="visit_order", kind="integer", what="Place of the visit: a lower number is earlier."),
        Column(name="side", kind="text", what="L, R, left or right."),
        Column(
            name="lesion",
            kind="text",
            what="Name of the lesion within the patient; `? cyst`: to be confirmed.",
        ),
        Column(name="reader", kind="text", what="Person or program that traced the lesion."),
        Column(name="read", kind="integer", what="Number of the read by this reader, from 1."),
        Column(name="scan", kind="text", what="Scan, relative to the manifest: a file or a series' folder."),
        Column(name="trace", kind="text", what="Traced file, relative to the manifest; empty: not traced."),
        Column(name="label", kind="integer", what="Number of the label in a mask that holds several."),
        Column(
            name="roi",
            kind="text",
            what="Name of the region in an RTSTRUCT or segmentation; `1+2`: labels of a mask as one lesion.",
        ),
        Column(name="site", kind="text", what="Hospital or site of the patient."),
    ),
)


def read_manifest(path: Path | str) -> list[tuple[int, Row]]:
    """Return the lines of a manifest, with their numbers: CSV in UTF-8 or UTF-16, or xlsx.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``, ``truncated``.
    UsageError
        ``invalid-table`` with all faults at once. A column that is not known is an error.
    """
    table = table_text(path)
    known = MANIFEST.column_names
    names = table.names
    header = "".join(names) if len(list(filter(None, names))) == 1 else names[-1] if names else ""
    if marks := [mark for mark in ",;\t" if mark in header]:
        mark = marks[0] if len(names) == 1 else ","  # behind the line are those of the empty columns
        raise UsageError(
            "invalid-table",
            "all columns stand in one cell",
            where=path,
            values={"header": header[:60]},
            todo=f"Part the cells at {mark!r} in the spreadsheet program, and save again.",
        )
    for name in names:
        if name and names.count(name) > 1:
            raise UsageError(
                "invalid-table",
                f"there are two columns {name}",
                where=path,
                todo="Leave one of them.",
            )
        if name and name not in known:
            hint = did_you_mean(name, known)
            raise UsageError(
                "invalid-table",
                f"there is no column {name}",
                where=path,
                todo=f"{hint}Columns are {', '.join(known)}.",
            )
    long = [number for number, line in table if any(line[len(names) :])]
    if long:
        raise UsageError(
            "invalid-table",
            "a line has more cells than there are columns",
            where=path,
            values={"line": long[0]},
            todo="Put cells that hold a comma in quotation marks.",
        )
    table.check_values(path, known)
    _check_merged(names, table, path)
    required = ("patient", "visit", "scan", "trace")
    rows = checked_rows(names, table.lines, MANIFEST, path, required=required, numbers=table.numbers)
    numbered = list(zip(table.numbers, map(_with_seen_names, rows), strict=True))
    _check_names(numbered, path)
    return numbered


_SUMS = frozenset(("total", "totals", "sum", "summe", "gesamt", "insgesamt", "somme", "suma", "totale"))
_NAMES = ("site", "patient", "visit", "lesion", "reader")


def _check_merged(names: list[str], table: Iterable[tuple[int, list[str]]], path: Path | str) -> None:
    """Refuse a line without its patient below one that has one: a spreadsheet saves merged cells so."""
    place = names.index("patient") if "patient" in names else -1
    seen = False
    for number, line in table if place >= 0 else ():
        cells = [cell.strip() for cell in line]
        if place < len(cells) and cells[place]:
            seen = True
        elif seen and any(cells):
            raise UsageError(
                "invalid-table",
                f"line {number}: patient is empty",
                where=path,
                todo="Write the patient in every line: of merged cells, the first alone has the name.",
            )


def _is_sum(row: Row) -> bool:
    """Whether a line is what a spreadsheet program adds up below the others."""
    return (row["patient"] or "").casefold() in _SUMS and not row["scan"] and not row["trace"]


def _with_seen_names(row: Row) -> Row:
    return row | {name: seen_name(row[name]) or None for name in _NAMES if row[name]}


def _check_names(rows: Iterable[tuple[int, Row]], path: Path | str) -> None:
    """Refuse what is not a name: rounded numbers, errors of a spreadsheet, words for a missing value."""
    faults = [
        f"line {line}: {name} is {row[name]!r}, {fault}"
        for line, row in rows
        for name in _NAMES
        if row[name] and (fault := fault_of_name(row[name]))
    ]
    faults += [
        f"line {line}: {row['patient']!r} is no patient, but a sum" for line, row in rows if _is_sum(row)
    ]
    if faults:
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise UsageError(
            "invalid-table", "; ".join(faults[:_SHOWN]) + more, where=path, todo="Correct the table."
        )


def check_places(rows: Iterable[tuple[int, Row]], path: Path) -> None:
    """Refuse a visit with two places among those of its patient, and one without where others have one."""
    rows = list(rows)
    places: dict[tuple[Any, ...], tuple[int, int]] = {}
    for line, row in rows:
        place = row["visit_order"]
        if place is None:
            continue
        known = places.setdefault((row["site"], row["patient"], row["visit"]), (place, line))
        if known[0] != place:
            raise UsageError(
                "invalid-table",
                "one visit has two places in visit_order",
                where=path,
                values={"lines": f"{known[1]} and {line}", "visit_order": f"{known[0]} and {place}"},
                todo="Write the same number in all lines of a visit.",
            )
    placed = {who[:2]: line for who, (_, line) in places.items()}
    for line, row in rows:
        who = row["site"], row["patient"], row["visit"]
        if who[:2] in placed and who not in places:
            raise UsageError(
                "invalid-table",
                "visit_order is given for some visits of a patient and not for others",
                where=path,
                values={"line with": placed[who[:2]], "line without": line, "visit": row["visit"]},
                todo="Write the place of every visit, or of none.",
            )
