"""The folder of the results of a batch: which one may be taken, and what a killed run has left in it."""

from __future__ import annotations

import json
from pathlib import Path

from volumetry.errors import UsageError
from volumetry.study.runs.ledger import LEDGER_NAME, Ledger


def remove_leftovers(out: Path) -> None:
    """Remove what a killed run was writing; the lock of the ledger says that no other run is."""
    names = ("measurements.*", "slices.*", "changes.*", "run.json")
    for name in names:
        for path in out.glob(f".{name}.*.part"):
            path.unlink(missing_ok=True)
    for path in (out / "figures").glob(".*.png.*.part"):
        path.unlink(missing_ok=True)


def refuse_clear_ids(out: Path) -> None:
    """Refuse a folder in which a run without pseudonyms has left its results."""
    found = any((out / name).exists() for name in ("measurements.csv", "figures", "export"))
    if not found and (ledger := out / LEDGER_NAME).is_file() and ledger.stat().st_size:
        with Ledger(ledger) as records:
            found = any(not record.get("pseudonyms") for record in records.records())
    if not found:
        return
    if not _are_pseudonymous(out):
        raise UsageError(
            "usage",
            "the folder holds results in which patients stand under their own names",
            where=out,
            todo="Name another folder with --out.",
        )


def refuse_pseudonyms(out: Path) -> None:
    """Refuse a folder in which a run with pseudonyms has left its results: somebody may share it."""
    if _are_pseudonymous(out):
        raise UsageError(
            "usage",
            "the folder holds results under pseudonyms, and this run would write clear names over them",
            where=out,
            todo="Add --pseudonyms KEYFILE, or name another folder with --out.",
        )


def _are_pseudonymous(out: Path) -> bool:
    """Whether ``run.json`` says that results stand under pseudonyms."""
    try:
        return bool(json.loads((out / "run.json").read_bytes()).get("pseudonyms"))
    except (OSError, ValueError, AttributeError):
        return False


def check_out(folder: Path, out: Path) -> None:
    """Refuse results below the folder of the study."""
    if out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(
            "usage",
            "results may not go into the folder that is measured, to which nothing is ever written",
            where=out,
            todo="Name a folder beside it with --out.",
        )
