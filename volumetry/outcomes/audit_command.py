"""``volumetry audit``: the checks of a summary table, as rows."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volumetry.outcomes.summary import audit_summary, read_summary

if TYPE_CHECKING:
    from volumetry.statistics.audit.printed import Finding

COLUMNS = ("item", "check", "method", "printed", "gives", "verdict", "note")


def audit_file(path: Path | str) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Return the findings about a summary file, a row each, and the names of the columns to show.

    Rows hold more than is shown: ``recomputed``, ``low`` and ``high`` in full precision, as JSON has them.

    Parameters
    ----------
    path : path
        A TOML file as ``docs/reference/plan.md`` describes it.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``.
    UsageError
        ``invalid-plan`` for what the file may not hold. An item without a readable number is ``not-checked``.
    """
    findings = audit_summary(read_summary(path))
    return [{**asdict(finding), "gives": _gives(finding)} for finding in findings], COLUMNS


def _gives(finding: Finding) -> str:
    """Return the recomputed number with its range over rounding, six digits each."""
    if finding.recomputed is None:
        return ""
    if finding.low is None or finding.high is None:
        return f"{finding.recomputed:.6g}"
    return f"{finding.recomputed:.6g} ({finding.low:.6g} to {finding.high:.6g})"
