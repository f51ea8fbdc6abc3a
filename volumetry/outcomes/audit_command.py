"""``volumetry audit``: the checks of a summary table, as rows."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from volumetry.errors import VolumetryError
from volumetry.outcomes.summary import audit_summary, read_summary

COLUMNS = ("item", "check", "method", "printed", "recomputed", "low", "high", "verdict", "note")


def audit_file(path: Path | str) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Return the findings about a summary file, a row each, and the names of their columns.

    Parameters
    ----------
    path : path
        A TOML file as ``docs/reference/plan.md`` describes it.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``.
    UsageError
        ``invalid-plan`` for what the file may not hold, ``usage`` for numbers that are none.
    """
    summary = read_summary(path)
    try:
        findings = audit_summary(summary)
    except VolumetryError as error:
        raise error.at(path) from None
    return [asdict(finding) for finding in findings], COLUMNS
