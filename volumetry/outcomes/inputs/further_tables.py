"""Further tables joined to the clinical one by declared keys, and what became of each of their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from volumetry.errors import UsageError
from volumetry.outcomes.inputs.source_table import SourceTable

NOWHERE = 0
"""Line of a cell that a joined table does not have."""


@dataclass(frozen=True, kw_only=True)
class Disposition:
    """What became of one row of one input."""

    table: str
    line: int
    patient: str
    side: str
    lesion: str
    visit: str
    reader: str
    used: bool
    reason: str


def join_tables(
    clinical: SourceTable, further: Sequence[tuple[SourceTable, tuple[str, ...]]], patient: str
) -> tuple[SourceTable, list[Disposition]]:
    """Return the clinical table with the columns of the further ones, and an account of their rows.

    Raises
    ------
    UsageError
        ``invalid-table`` for a key column that is not there, two rows of one key, or a column that both
        tables have.
    """
    found: list[Disposition] = []
    for table, keys in further:
        clinical, rows = _join(clinical, table, keys, patient)
        found += rows
    return clinical, found


def _join(
    clinical: SourceTable, table: SourceTable, keys: tuple[str, ...], patient: str
) -> tuple[SourceTable, list[Disposition]]:
    both = sorted(set(table.columns) & set(clinical.columns) - set(keys))
    if both:
        raise UsageError(
            "invalid-table", f"two tables have a column {both[0]!r}", where=table.name,
            values={"other table": clinical.name},
            todo="Rename one, or name it under by = [...] if it is part of the key.",
        )  # fmt: skip
    place = _places(table, keys)
    rows = [place.get(key) for key in _keys(clinical, keys)]
    columns = dict(clinical.columns)
    origin = dict(clinical.origin)
    lines = tuple(NOWHERE if row is None else table.lines[row] for row in rows)
    for name, cells in table.columns.items():
        if name not in keys:
            columns[name] = tuple(None if row is None else cells[row] for row in rows)
            origin[name] = (table.name, lines)
    used = set(rows)
    patients = table.columns.get(patient, (None,) * table.n_rows)
    found = [
        Disposition(
            table=table.name, line=line, patient=patients[row] or "", side="", lesion="", visit="", reader="",
            used=row in used,
            reason="joined" if row in used else _reason(table, keys, row),
        )
        for row, line in enumerate(table.lines)
    ]  # fmt: skip
    return replace(clinical, columns=columns, origin=origin), found


def _reason(table: SourceTable, keys: tuple[str, ...], row: int) -> str:
    missing = [name for name in keys if table.columns[name][row] is None]
    return f"no {missing[0]}" if missing else "no row of the clinical table has its key"


def _keys(table: SourceTable, names: tuple[str, ...]) -> list[tuple[str | None, ...]]:
    return list(zip(*(table.text(name) for name in names), strict=True))


def _places(table: SourceTable, names: tuple[str, ...]) -> dict[tuple[str | None, ...], int]:
    place: dict[tuple[str | None, ...], int] = {}
    for row, key in enumerate(_keys(table, names)):
        if None in key:
            continue
        if key in place:
            raise UsageError(
                "invalid-table", "two rows have the same key", where=table.name,
                values={
                    "key": " ".join(map(str, key)), "lines": (table.lines[place[key]], table.lines[row]),
                },
                todo="Keep one, or name more columns under by = [...].",
            )  # fmt: skip
        place[key] = row
    return place
