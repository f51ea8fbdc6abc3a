"""Which rows a condition is true of."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any

from volumetry.errors import UsageError
from volumetry.outcomes.inputs.number_formats import read_number
from volumetry.outcomes.inputs.source_table import SourceTable
from volumetry.outcomes.plan import Condition

_ORDERS: MappingProxyType[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {"at-least": operator.ge, "at-most": operator.le, "more-than": operator.gt, "less-than": operator.lt}
)


def truths(table: SourceTable, condition: Condition) -> list[bool | None]:
    """Return, for each row, whether a condition is true; None where its cell is missing.

    Raises
    ------
    UsageError
        ``invalid-table`` for a cell that is compared by size and is neither a number nor a date.
    """
    cells = table.text(condition.column)
    if condition.rule in ("present", "absent"):
        return [(cell is not None) == (condition.rule == "present") for cell in cells]
    if condition.rule in _ORDERS:
        return _by_size(table, condition)
    wanted = set(condition.values) if condition.values else {str(condition.value)}
    positive = condition.rule in ("equals", "one-of")
    name = condition.column
    return [None if cell is None else table.is_one_of(name, cell, wanted) == positive for cell in cells]


def rows_where(table: SourceTable, conditions: Sequence[Condition]) -> list[int]:
    """Return the rows of which every condition is true."""
    answers = [truths(table, condition) for condition in conditions]
    return [row for row in range(table.n_rows) if all(answer[row] for answer in answers)]


def _by_size(table: SourceTable, condition: Condition) -> list[bool | None]:
    order = _ORDERS[condition.rule]
    values: Sequence[Any]
    bound: Any
    if isinstance(condition.value, str):
        from datetime import date

        try:
            bound = date.fromisoformat(condition.value)
        except ValueError:
            number = read_number(condition.value, ".", "")
            raise UsageError(
                "invalid-plan", f"{condition.value!r} is neither a number nor a date",
                values={"column": condition.column},
                todo="Write a number, or a date like 2018-02-01 in quotes."
                if number is None
                else f"Write the number without quotes: value = {number:.15g}.",
            ) from None  # fmt: skip
        values = table.dates(condition.column)
    else:
        bound, values = condition.value, table.numbers(condition.column)
    return [None if value is None else order(value, bound) for value in values]
