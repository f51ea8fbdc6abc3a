"""The table of published studies, as the plan declares it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from volumetry.outcomes.inputs.source_table import SourceTable, read_source
from volumetry.outcomes.plan import Plan
from volumetry.outcomes.plan.tables import Values


def read_literature(plan: Plan, folder: Path) -> SourceTable | None:
    """Return the published studies; None where the plan has none.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``, ``truncated``.
    UsageError
        ``invalid-table`` for a table that cannot be read, or a column that it does not have.
    """
    if plan.literature is None:
        return None
    entry = plan.literature
    table = read_source(
        folder / entry.file, plan.columns.missing, sheet=entry.sheet, form=entry.form, section="literature",
        values=_with_percent_sign(plan.values, entry.percent),
    )  # fmt: skip
    for name in filter(None, (entry.study, entry.arm, entry.events, entry.n, entry.percent, *entry.show)):
        table.text(name)
    return table


def _with_percent_sign(values: Sequence[Values], column: str) -> list[Values]:
    """Return what is declared of columns, with the percent sign as a unit of a column of percentages."""
    own = next((entry for entry in values if entry.column == column), Values(column=column))
    return [*(entry for entry in values if entry is not own), replace(own, units=(*own.units, "%"))]
