"""What a report is made from: the tables of a batch, and the results of outcome statistics."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from volumetry.errors import ReadError, UsageError
from volumetry.pages.numbers import Source
from volumetry.tables import CHANGES, MEASUREMENTS, SLICES, Table, read_table

_CAPTION = re.compile(r"^!\[[^\]]*\]\((figures/[^)]+\.svg)\)\n\n(.*)$", re.MULTILINE)
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[-+]?\d+)?")
_OWN_NAME = re.compile(r"figures/[^/\\]+\.svg")
_NUMBERS = frozenset(("value", "ci_low", "ci_high", "level", "p_value", "p_adjusted", "n_used", "p", "smd"))
OUTCOME_TABLES = ("analyses", "flow", "table_one_printed", "responders")


@dataclass(frozen=True, kw_only=True)
class MeasuredResults:
    """What ``volumetry batch`` wrote.

    Attributes
    ----------
    measurements, slices, changes : Source
    run : mapping
        ``run.json``; empty where there is none.
    hashes : mapping
        SHA-256 by name of file.
    """

    measurements: Source
    slices: Source
    changes: Source
    run: Mapping[str, Any] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PictureFile:
    """A figure of the statistics: SVG, with its caption."""

    name: str
    caption: str
    svg: bytes


@dataclass(frozen=True, kw_only=True)
class OutcomeResults:
    """What ``volumetry outcomes`` wrote.

    Attributes
    ----------
    document : mapping
        ``results.json``.
    tables : mapping
        Source by name of table; those that are there.
    figures : tuple of PictureFile
    hashes : mapping
    """

    document: Mapping[str, Any]
    tables: Mapping[str, Source]
    figures: tuple[PictureFile, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ReportInputs:
    """Either or both."""

    measured: MeasuredResults | None = None
    outcomes: OutcomeResults | None = None


def read_inputs(folders: Sequence[Path | str]) -> ReportInputs:
    """Read the results in some folders, and in ``outcomes`` below them.

    Raises
    ------
    ReadError
        ``not-found``: a folder holds neither; ``unreadable``: a file of them is broken.
    UsageError
        ``invalid-table``.
    """
    measured, outcomes = None, None
    for folder in map(Path, folders):
        places = (folder, folder / "outcomes")
        batch = next((place for place in places if (place / "measurements.csv").is_file()), None)
        statistics = next((place for place in places if (place / "results.json").is_file()), None)
        if batch is None and statistics is None:
            raise ReadError(
                "not-found",
                "the folder holds neither measurements.csv nor results.json",
                where=folder,
                todo="Name a folder that `volumetry batch` or `volumetry outcomes` wrote.",
            )
        measured = _measured(batch) if batch is not None else measured
        outcomes = _outcomes(statistics) if statistics is not None else outcomes
    return ReportInputs(measured=measured, outcomes=outcomes)


def section(document: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """Return a part of a JSON document; empty where it is absent or something else."""
    part: Any = document
    for key in keys:
        part = part.get(key) if isinstance(part, Mapping) else None
    return part if isinstance(part, Mapping) else {}


def _measured(folder: Path) -> MeasuredResults:
    names = ("measurements.csv", "slices.csv", "changes.csv", "run.json")
    return MeasuredResults(
        measurements=_source(folder, MEASUREMENTS, "m"),
        slices=_source(folder, SLICES, "s"),
        changes=_source(folder, CHANGES, "c"),
        run=_json(folder / "run.json") if (folder / "run.json").is_file() else {},
        hashes=_hashes(folder, names),
    )


def _source(folder: Path, table: Table, anchor: str) -> Source:
    path = folder / f"{table.name}.csv"
    rows = read_table(path, table) if path.is_file() else []
    units = {column.name: column.unit for column in table.columns}
    return Source(table=path.name, rows=rows, anchor=anchor, units=units)


def _outcomes(folder: Path) -> OutcomeResults:
    tables = {}
    for name in OUTCOME_TABLES:
        path = folder / f"{name}.csv"
        if path.is_file():
            tables[name] = Source(table=path.name, rows=_plain_rows(path), anchor=f"{name}-")
    document = _json(folder / "results.json")
    return OutcomeResults(
        document=document,
        tables=tables,
        figures=tuple(_figures(folder, document)),
        hashes=_hashes(folder, ("results.json", *(source.table for source in tables.values()))),
    )


def _figures(folder: Path, document: Mapping[str, Any]) -> list[PictureFile]:
    page = folder / "results.md"
    captions = dict(_CAPTION.findall(page.read_text(encoding="utf-8"))) if page.is_file() else {}
    listed = [name for name in _list(document.get("files")) if _OWN_NAME.fullmatch(str(name))]
    in_order = [name for name in captions if name in listed]
    names = [*in_order, *(name for name in listed if name not in captions)]
    return [
        PictureFile(name=Path(name).stem, caption=captions.get(name, ""), svg=(folder / name).read_bytes())
        for name in names
        if (folder / name).is_file()
    ]


def _plain_rows(path: Path) -> list[dict[str, Any]]:
    """Read a table whose columns are not declared: numbers where a cell is one."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        lines = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise ReadError(
            "unreadable", "the table cannot be read", where=path, todo="Run `volumetry outcomes` again."
        ) from None
    rows = [{str(name): _value(cell) for name, cell in row.items()} for row in lines]
    for line, row in enumerate(rows, start=2):
        for name in _NUMBERS & set(row):
            if isinstance(row[name], str | list):
                raise UsageError(
                    "invalid-table",
                    f"line {line}: {name} is no number",
                    where=path,
                    todo="Run `volumetry outcomes` again.",
                )
    return rows


def _value(cell: Any) -> Any:
    if not cell:
        return None
    if not isinstance(cell, str) or not _NUMBER.fullmatch(cell):
        return cell
    return int(cell) if cell.lstrip("-").isdecimal() else float(cell)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
        if isinstance(document, dict):
            return document
    except (OSError, ValueError):
        pass
    raise ReadError("unreadable", "the file is no JSON document", where=path, todo="Run the command again.")


def _hashes(folder: Path, names: Sequence[str]) -> dict[str, str]:
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in names
        if (folder / name).is_file()
    }
