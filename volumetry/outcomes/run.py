"""Run a plan: read its tables, do its analyses, write what came of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Progress = Callable[[int, int], None]


def run_outcomes(
    plan_path: Path | str,
    out: Path | str,
    *,
    progress: Progress | None = None,
    measurements: Path | str | None = None,
    changes: Path | str | None = None,
) -> None:
    """Run the plan and write results, tables and figures below `out`."""
    raise NotImplementedError
