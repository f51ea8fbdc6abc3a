"""``volumetry audit``: the checks of a summary table."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def audit_file(path: Path | str) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Return the rows of the checks of a summary file, and their columns."""
    raise NotImplementedError
