"""Figures and objects of an earlier run: those of which the new tables say something else are removed."""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from volumetry.files.atomic import write_atomically
from volumetry.study.runs.lesion_files import has_former, possible_names, remove_former

FOLDERS = ("figures", "export")
"""Where a batch writes files of lesions, beside its tables."""

_UNIT = ("site", "patient", "side", "lesion", "reader")
_OF_PROGRAM = "volumetry_version"
_MARK = ".tables.part"
"""Beside the tables while they are replaced: what a killed run has left cannot be compared."""

_Unit = tuple[str, ...]
_Said = dict[_Unit, dict[tuple[str, str], bytes]]
"""Of every lesion by every reader: its visits and reads, with a hash of what the tables say of them."""


@contextmanager
def outdated_removed(out: Path) -> Iterator[dict[str, int]]:
    """While the tables in a folder are replaced: compare them, and remove what they no longer agree with.

    Parameters
    ----------
    out : Path
        Folder of the results. In its folders `FOLDERS` only files that this program wrote are removed.

    Yields
    ------
    dict
        Once the block has ended: the number of files that were removed, by folder.
    """
    removed: dict[str, int] = {}
    if not any(has_former(out / name) for name in FOLDERS):
        yield removed
        return
    mark = out / _MARK
    before = {} if mark.exists() else _said_by_tables(out)
    write_atomically(mark, b"")
    try:
        yield removed
    finally:
        for name, kept in _kept(before, _said_by_tables(out)).items():
            if number := remove_former(out / name, map(Path, kept)):
                removed[name] = number
        mark.unlink(missing_ok=True)


def _kept(before: _Said, now: _Said) -> dict[str, set[str]]:
    """The names of files, by folder, of which the tables say what they said before."""
    figures, objects = set[str](), set[str]()
    for unit, visits in now.items():
        former = before.get(unit, {})
        if former == visits:
            figures.update(f"{name}.png" for name in possible_names(unit))
        for (visit, read), said in visits.items():
            if former.get((visit, read)) == said:
                for name in possible_names((*unit, visit, read)):
                    objects |= {f"{name}.seg.dcm", f"{name}.sr.dcm"}
    return {"figures": figures, "export": objects}


def _said_by_tables(out: Path) -> _Said:
    """What measurements and changes say of every visit of a lesion."""
    found: dict[_Unit, dict[tuple[str, str], hashlib._Hash]] = defaultdict(dict)
    try:
        for row in _rows(out / "measurements.csv"):
            read = "" if row.get("read", "") in ("", "1") else f"read-{row['read']}"
            key = row.get("visit", ""), read
            found[_unit(row)].setdefault(key, hashlib.sha256()).update(_text(row))
        baselines = set[tuple[_Unit, str]]()
        for row in _rows(out / "changes.csv"):
            first, second = _end(row, "baseline"), _end(row, "followup")
            _add(found, second, _text(row))
            if first not in baselines:
                baselines.add(first)
                _add(found, first, b"baseline")
    except (OSError, ValueError, csv.Error):
        return {}
    return {unit: {key: said.digest() for key, said in own.items()} for unit, own in found.items()}


def _end(change: Mapping[str, str], end: str) -> tuple[_Unit, str]:
    """The lesion and the visit of an end of a change, which may be by another reader than the other end."""
    reader = change.get(f"{end}_reader") or change.get("reader", "")
    return _unit({**change, "reader": reader}), change.get(f"{end}_visit", "")


def _add(
    found: Mapping[_Unit, dict[tuple[str, str], hashlib._Hash]], end: tuple[_Unit, str], text: bytes
) -> None:
    """Add what a change says to the reads of one of its visits."""
    for (visit, _), said in found.get(end[0], {}).items():
        if visit == end[1]:
            said.update(text)


def _unit(row: Mapping[str, str]) -> _Unit:
    return tuple(row.get(name, "") for name in _UNIT)


def _text(row: Mapping[str, str]) -> bytes:
    cells = (f"{name}={cell}" for name, cell in row.items() if name != _OF_PROGRAM)
    return "\0".join(cells).encode(errors="surrogateescape")


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, restkey="", restval=""):
            yield {str(name): str(cell) for name, cell in row.items()}
