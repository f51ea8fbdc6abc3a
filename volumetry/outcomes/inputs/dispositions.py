"""What became of every row of every input: used, or left out and why."""

from __future__ import annotations

from collections.abc import Sequence

from volumetry.outcomes.inputs.further_tables import Disposition
from volumetry.outcomes.inputs.lesion_volumes import (
    Key,
    VisitKey,
    is_of_reader,
    read_keys,
    unit_key,
    visit_key,
)
from volumetry.outcomes.inputs.source_table import SourceTable
from volumetry.outcomes.plan import Plan
from volumetry.tables import Row


def literature_dispositions(table: SourceTable | None) -> list[Disposition]:
    """Return the rows of the published studies: all are shown."""
    lines = () if table is None else table.lines
    name = "" if table is None else table.name
    return [disposition(name, line, ("", "", ""), {}, True, "a published study") for line in lines]


def disposition(table: str, line: int, key: Key, row: Row, used: bool, reason: str) -> Disposition:
    """Return what became of one row."""
    return Disposition(
        table=table,
        line=line,
        patient=key[0],
        side=row.get("side") or key[1],
        lesion=row.get("lesion") or key[2],
        visit=row.get("followup_visit") or row.get("visit") or "",
        reader=row.get("reader") or "",
        used=used,
        reason=reason,
    )


def change_dispositions(
    plan: Plan, changes: Sequence[Row], used: Sequence[int], kept: set[Key], reader: str
) -> list[Disposition]:
    """Return what became of each change, with the reason where it is not analysed."""
    chosen = set(used)
    found = []
    for place, row in enumerate(changes):
        key = unit_key(row, plan.volumes.unit)
        if plan.volumes.baseline_column:
            reason = "volumes are taken from the clinical table"
        elif not is_of_reader(row, reader):
            reason = "another reader"
        elif place not in chosen:
            reason = "another follow-up visit"
        elif key not in kept:
            reason = "not among the analysed rows of the clinical table"
        else:
            reason = ""
        found.append(disposition("changes", place + 2, key, row, not reason, reason or _in_words(row)))
    return found


def _in_words(row: Row) -> str:
    return f"not evaluable: {row['reason']}" if row["category"] == "not_evaluable" else "analysed"


def measurement_dispositions(
    plan: Plan, measurements: Sequence[Row], changes: Sequence[Row], kept: set[Key]
) -> list[Disposition]:
    """A measurement is used if it is one end of a change that is."""
    ends = {key for row in changes for key in read_keys(row)}
    first_read: dict[VisitKey, int] = {}
    for row in measurements:
        end = visit_key(row, row["visit"])
        first_read[end] = min(first_read.get(end, row["read"] or 1), row["read"] or 1)
    found = []
    for place, row in enumerate(measurements):
        key = unit_key(row, plan.volumes.unit)
        end = visit_key(row, row["visit"])
        if key not in kept:
            reason = "not among the analysed rows of the clinical table"
        elif end not in ends:
            reason = "not an end of an analysed change"
        elif (row["read"] or 1) != first_read[end]:
            reason = "a repeated read"
        else:
            reason = ""
        found.append(
            disposition("measurements", place + 2, key, row, not reason, reason or "an end of a change")
        )
    return found
