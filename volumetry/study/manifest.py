"""The manifest: a CSV that names every traced lesion of a study, where folder names cannot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from volumetry.errors import ReadError, UsageError
from volumetry.small_files import check_regular
from volumetry.study.cases import SIDE_WORDS, Case
from volumetry.tables import Column, Table, read_table

MANIFEST_NAME = "manifest.csv"

MANIFEST = Table(
    name="manifest",
    what="A row per traced lesion.",
    key=("patient", "visit", "side", "lesion", "reader"),
    columns=(
        Column(name="patient", kind="text", what="Patient.", nullable=False),
        Column(name="visit", kind="text", what="Name of the visit."),
        Column(name="side", kind="text", what="L, R, left or right."),
        Column(name="lesion", kind="text", what="Name of the lesion within the patient."),
        Column(name="reader", kind="text", what="Who traced."),
        Column(name="scan", kind="text", what="Scan, relative to the manifest: a file or a series' folder."),
        Column(name="trace", kind="text", what="Traced file, relative to the manifest; empty: not traced."),
        Column(name="label", kind="integer", what="Number of the label in a mask that holds several."),
        Column(name="roi", kind="text", what="Name of the region in an RTSTRUCT or segmentation."),
    ),
)


def manifest_cases(path: Path, folder: Path) -> Iterator[Case]:
    """Yield the cases of a manifest, their paths relative to `folder`.

    Raises
    ------
    ReadError, UsageError
        ``invalid-table`` with all faults at once.
    """
    check_regular(path)
    rows = read_table(path, MANIFEST, required=("patient", "visit", "scan", "trace"))
    for line, row in enumerate(rows, start=2):
        side = SIDE_WORDS.get((row["side"] or "").lower())
        if side is None:
            raise UsageError(
                "invalid-table",
                "a side is neither left nor right",
                where=path,
                values={"line": line, "side": row["side"]},
                todo="Write L or R.",
            )
        yield _case(row, side, path.parent, folder)


def _case(row: dict[str, Any], side: str, base: Path, folder: Path) -> Case:
    paths = {name: _relative(row[name], base, folder) for name in ("scan", "trace")}
    missing = [name for name in paths.values() if name and not (folder / name).exists()]
    special = [
        name
        for name in paths.values()
        if name and not ((folder / name).is_file() or (folder / name).is_dir())
    ]
    error = None
    if special and not missing:
        error = ReadError(
            "unsupported-format",
            "the manifest names what is no regular file",
            where=special[0],
            todo="Name a file or a folder.",
        )
    if missing:
        error = ReadError(
            "not-found",
            "the manifest names what is not there",
            where=missing[0],
            todo="Correct the manifest.",
        )
    return Case(
        patient=row["patient"],
        visit=row["visit"] or "",
        side=side,
        lesion=row["lesion"] or "",
        reader=row["reader"] or "",
        trace=paths["trace"],
        scan=paths["scan"],
        scan_files=() if error else _files_of(paths["scan"], folder),
        label=row["label"],
        roi=row["roi"] or "",
        error=error,
    )


def _relative(text: str | None, base: Path, folder: Path) -> str:
    if not text:
        return ""
    return os.path.relpath(base / text, folder).replace(os.sep, "/")


def _files_of(scan: str, folder: Path) -> tuple[str, ...]:
    if not scan:
        return ()
    path = folder / scan
    if not path.is_dir():
        return (scan,)
    names = sorted(entry.name for entry in os.scandir(path) if entry.is_file(follow_symlinks=False))
    return tuple(f"{scan}/{name}" for name in names)
