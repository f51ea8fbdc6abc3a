"""Columns made from others by named rules, before anything is analysed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any

from volumetry.documents import Document
from volumetry.errors import UsageError
from volumetry.outcomes.plan import Derived
from volumetry.outcomes.source_table import SourceTable

Cells = list[Any]

RULES = MappingProxyType(
    {
        "present": "1 where the cell has a value, else 0 (a date of an event)",
        "equals": "1 where the cell is `value`, else 0",
        "at-least": "1 where the number is `value` or more",
        "more-than": "1 where the number is more than `value`",
        "difference": "first number minus second",
        "days-between": "days from the first date to the second",
        "years-between": "the same in years of 365.25 days",
        "harris-category": "class of a Harris hip score: excellent, good, fair, poor",
        "good-or-excellent": "1 where a Harris hip score is 80 or more",
        "subsidence": "1 where disc height fell by 2 mm or more (columns: reference, follow-up)",
        "nonunion": "1 where flexion and extension differ by more than 4 degrees",
        "bone-density": "class of a T score: normal, osteopenia, osteoporosis",
    }
)
"""What each rule does; the clinical ones are functions of `volumetry.statistics`."""

_TWO = {"difference", "days-between", "years-between", "subsidence", "nonunion"}
_VALUED = {"equals", "at-least", "more-than"}


def derive(table: SourceTable, entries: Sequence[Derived], document: Document) -> SourceTable:
    """Return the table with the derived columns, in the order of the plan.

    Raises
    ------
    UsageError
        ``invalid-plan`` for a wrong number of columns or a missing value; ``invalid-table`` for cells.
    """
    for number, entry in enumerate(entries):
        path = ("derived", number)
        wanted = 2 if entry.rule in _TWO else 1
        if len(entry.columns) != wanted:
            raise document.fault(
                (*path, "columns"),
                f"{entry.rule} reads {wanted} columns, not {len(entry.columns)}",
                f"Write {wanted} names.",
            )
        for name in entry.columns:
            if name not in table.columns:
                known = ", ".join(table.columns)
                raise document.fault(
                    (*path, "columns"), f"there is no column {name!r}", f"Known are {known}."
                )
        if entry.rule in _VALUED and entry.value is None:
            raise document.fault(path, f"{entry.rule} needs a value", "Give value.")
        try:
            table = table.with_column(entry.name, _cells(table, entry))
        except UsageError as error:
            raise error.at(f"column {entry.name} of the plan") from None
    return table


def _cells(table: SourceTable, entry: Derived) -> Cells:
    if entry.rule in ("present", "equals"):
        return _of_text(table, entry)
    if entry.rule in ("days-between", "years-between"):
        first, second = (table.dates(name) for name in entry.columns)
        days = _rowwise(lambda a, b: (b - a).days, first, second)
        return days if entry.rule == "days-between" else _rowwise(lambda d: d / 365.25, days)
    return _rowwise(_rule(entry), *(table.numbers(name) for name in entry.columns))


def _of_text(table: SourceTable, entry: Derived) -> Cells:
    cells = table.text(entry.columns[0])
    if entry.rule == "present":
        return [int(cell is not None) for cell in cells]
    return _rowwise(lambda cell: int(cell == str(entry.value)), cells)


def _rule(entry: Derived) -> Callable[..., Any]:
    from volumetry.clinical import hip_scores, spine
    from volumetry.clinical.threshold import Threshold

    if entry.rule in ("at-least", "more-than"):
        cut = Threshold(value=float(entry.value or 0), inclusive=entry.rule == "at-least")
        return lambda value: int(cut.reached(value))
    rules: dict[str, Callable[..., Any]] = {
        "difference": lambda a, b: a - b,
        "harris-category": hip_scores.harris_category,
        "good-or-excellent": lambda total: int(hip_scores.is_good_or_excellent(total)),
        "subsidence": lambda a, b: int(spine.disc_height_loss(a, b).subsided),
        "nonunion": lambda a, b: int(spine.is_nonunion(a, b)),
        "bone-density": spine.bone_density_category,
    }
    return rules[entry.rule]


def _rowwise(rule: Callable[..., Any], *columns: Sequence[Any]) -> Cells:
    return [None if None in row else rule(*row) for row in zip(*columns, strict=True)]
