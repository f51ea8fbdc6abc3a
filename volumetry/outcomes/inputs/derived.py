"""Columns made from others by named rules, before anything is analysed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from volumetry.errors import UsageError
from volumetry.files.documents import Document
from volumetry.outcomes.inputs.source_table import SourceTable
from volumetry.outcomes.plan import Derived

Cells = list[Any]

RULES = MappingProxyType(
    {
        "present": "1 where the cell has a value, else 0 (a date of an event)",
        "equals": "1 where the cell is `value`, else 0",
        "one-of": "1 where the cell is one of `values`, else 0",
        "not": "1 where the cell is 0 or no, 0 where it is 1 or yes",
        "any": "1 where any of the columns of yes and no is yes (either of two views, films or readers)",
        "all": "1 where all are yes",
        "at-least": "1 where the number is `value` or more",
        "more-than": "1 where the number is more than `value`",
        "classes": "the class of a number: `labels` parted at `cuts`, a cut belonging to the class above it",
        "difference": "first number minus second",
        "sum": "sum of the numbers",
        "mean": "mean of the numbers",
        "max": "largest of the numbers (the worst of several views)",
        "min": "smallest of the numbers",
        "percent-change": "change from the first number to the second, in percent of the first",
        "days-between": "days from the first date to the second",
        "years-between": "the same in years of 365.25 days",
        "harris-category": "class of a Harris hip score: excellent, good, fair, poor",
        "good-or-excellent": "1 where a Harris hip score is 80 or more",
        "collapse-progression": "largest increase of depression, mm, over the views: columns are baseline "
        "and follow-up of the first view, then of the second, and so on",
        "collapse": "1 where that increase is 2 mm or more (or `value`)",
        "arco-stage": "ARCO 2019 stage from findings: columns MRI positive, radiograph abnormal, fracture, "
        "depression in mm, osteoarthritis; all but the depression yes or no",
        "arco-agrees": "1 where a stage as read (first column) agrees with those findings (the other five)",
        "subsidence": "1 where disc height fell by 2 mm or more (columns: reference, follow-up)",
        "nonunion": "1 where flexion and extension differ by more than 4 degrees",
        "bone-density": "class of a T score: normal, osteopenia, osteoporosis",
    }
)
"""What each rule does; the clinical ones are functions of `volumetry.clinical`."""

_COUNTS = MappingProxyType(
    {
        "difference": 2, "percent-change": 2, "days-between": 2, "years-between": 2, "subsidence": 2,
        "nonunion": 2, "arco-stage": 5, "arco-agrees": 6,
    }
)  # fmt: skip
"""How many columns a rule reads; those of neither table read one."""

_MANY = {"any", "all", "sum", "mean", "max", "min"}
_VIEWS = {"collapse-progression", "collapse"}
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
        wanted = _wanted_columns(entry)
        if wanted:
            raise document.fault(
                (*path, "columns"),
                f"{entry.rule} reads {wanted}, not {len(entry.columns)}",
                f"Name {wanted}; the reference of plans says in which order.",
            )
        for name in entry.columns:
            if name not in table.columns:
                known = ", ".join(table.columns)
                raise document.fault(
                    (*path, "columns"), f"there is no column {name!r}", f"Known are {known}."
                )
        if entry.rule in _VALUED and entry.value is None:
            raise document.fault(path, f"{entry.rule} needs a value", "Give value.")
        if entry.rule == "one-of" and not entry.values:
            raise document.fault(path, "one-of needs values", 'Give values = ["a", "b"].')
        rising = list(entry.cuts) == sorted(set(entry.cuts)) and bool(entry.cuts)
        if entry.rule == "classes" and (len(entry.labels) != len(entry.cuts) + 1 or not rising):
            raise document.fault(
                (*path, "cuts"), "cuts and labels do not part a line", "Give rising cuts and one label more."
            )
        try:
            table = table.with_column(entry.name, _cells(table, entry))
        except UsageError as error:
            raise error.at(f"column {entry.name} of the plan") from None
    return table


def _wanted_columns(entry: Derived) -> str:
    """Return how many columns a rule reads where the entry has another number; empty if it has not."""
    n = len(entry.columns)
    if entry.rule in _MANY:
        return "" if n >= 2 else "two columns or more"
    if entry.rule in _VIEWS:
        return "" if n and n % 2 == 0 else "two columns for each view"
    wanted = _COUNTS.get(entry.rule, 1)
    return "" if n == wanted else f"{wanted} column{'s' if wanted > 1 else ''}"


def _cells(table: SourceTable, entry: Derived) -> Cells:
    if entry.rule in ("present", "equals", "one-of"):
        return _of_text(table, entry)
    if entry.rule in ("not", "any", "all"):
        return _of_events(table, entry)
    if entry.rule in ("days-between", "years-between"):
        first, second = (table.dates(name) for name in entry.columns)
        days = _rowwise(lambda a, b: (b - a).days, first, second)
        return days if entry.rule == "days-between" else _rowwise(lambda d: d / 365.25, days)
    if entry.rule in ("arco-stage", "arco-agrees"):
        return _arco(table, entry)
    columns = [table.numbers(name) for name in entry.columns]
    if entry.rule in _VIEWS:
        return [_progression(row, entry) for row in zip(*columns, strict=True)]
    if entry.rule in _MANY:
        combine = _COMBINED[entry.rule]
        return [_combined(combine, row, entry.need) for row in zip(*columns, strict=True)]
    return _rowwise(_rule(entry), *columns)


_COMBINED: MappingProxyType[str, Callable[[Sequence[float]], float]] = MappingProxyType(
    {"sum": math.fsum, "mean": lambda row: math.fsum(row) / len(row), "max": max, "min": min}
)


def _combined(
    combine: Callable[[Sequence[float]], float], row: Sequence[float | None], need: str
) -> float | None:
    known = [value for value in row if value is not None]
    return None if not known or (need == "all" and len(known) < len(row)) else combine(known)


def _of_text(table: SourceTable, entry: Derived) -> Cells:
    cells = table.text(entry.columns[0])
    if entry.rule == "present":
        return [int(cell is not None) for cell in cells]
    wanted = set(entry.values) if entry.rule == "one-of" else {str(entry.value)}
    name = entry.columns[0]
    return _rowwise(lambda cell: int(table.is_one_of(name, cell, wanted)), cells)


def _of_events(table: SourceTable, entry: Derived) -> Cells:
    columns = [table.events(name) for name in entry.columns]
    if entry.rule == "not":
        return _rowwise(lambda event: 1 - event, columns[0])
    decisive = 1 if entry.rule == "any" else 0
    cells: Cells = []
    for row in zip(*columns, strict=True):
        known = [event for event in row if event is not None]
        if decisive in known:
            cells.append(decisive)
        elif not known or (entry.need == "all" and len(known) < len(row)):
            cells.append(None)
        else:
            cells.append(1 - decisive)
    return cells


def _progression(row: Sequence[float | None], entry: Derived) -> Any:
    from volumetry.clinical.collapse import COLLAPSE_MM, collapse_progression
    from volumetry.clinical.threshold import Threshold

    views = list(zip(row[::2], row[1::2], strict=True))
    known = {str(n): pair for n, pair in enumerate(views) if None not in pair}
    if not known or (entry.need == "all" and len(known) < len(views) and not _reached(known, entry)):
        return None
    limit = COLLAPSE_MM if entry.value is None else Threshold(value=float(entry.value), inclusive=True)
    found = collapse_progression(
        {view: before for view, (before, _) in known.items() if before is not None},
        {view: after for view, (_, after) in known.items() if after is not None},
        threshold=limit,
    )
    return found.progression_mm if entry.rule == "collapse-progression" else int(found.collapsed)


def _reached(known: Mapping[str, tuple[float | None, float | None]], entry: Derived) -> bool:
    """Whether the views that are there show a collapse already; a further view can only add to it."""
    from volumetry.clinical.collapse import COLLAPSE_MM
    from volumetry.clinical.threshold import Threshold

    limit = COLLAPSE_MM if entry.value is None else Threshold(value=float(entry.value), inclusive=True)
    return entry.rule == "collapse" and any(
        limit.reached(after - before)
        for before, after in known.values()
        if before is not None and after is not None
    )


def _arco(table: SourceTable, entry: Derived) -> Cells:
    from volumetry.clinical.staging import HipFindings, arco_stage, check_arco_stage

    names = entry.columns[-5:]
    mri, film, fracture, osteoarthritis = (table.events(names[place]) for place in (0, 1, 2, 4))
    depression = table.numbers(names[3])
    read = table.text(entry.columns[0]) if entry.rule == "arco-agrees" else [""] * table.n_rows
    cells: Cells = []
    for m, f, c, d, o, stage in zip(mri, film, fracture, depression, osteoarthritis, read, strict=True):
        if f is None or c is None or d is None or o is None or stage is None:
            cells.append(None)
            continue
        findings = HipFindings(
            mri_positive=None if m is None else bool(m), radiograph_abnormal=bool(f), fracture=bool(c),
            depression_mm=d, osteoarthritis=bool(o),
        )  # fmt: skip
        if entry.rule == "arco-agrees":
            cells.append(int(check_arco_stage(stage, findings).agrees))
        else:
            cells.append(arco_stage(findings))
    return cells


def _rule(entry: Derived) -> Callable[..., Any]:
    from volumetry.clinical import hip_scores, spine
    from volumetry.clinical.threshold import Threshold

    if entry.rule in ("at-least", "more-than"):
        cut = Threshold(value=float(entry.value or 0), inclusive=entry.rule == "at-least")
        return lambda value: int(cut.reached(value))
    if entry.rule == "classes":
        return lambda value: entry.labels[sum(value >= cut for cut in entry.cuts)]
    rules: dict[str, Callable[..., Any]] = {
        "difference": lambda a, b: a - b,
        "percent-change": lambda a, b: 100 * (b - a) / a if a else None,
        "harris-category": hip_scores.harris_category,
        "good-or-excellent": lambda total: int(hip_scores.is_good_or_excellent(total)),
        "subsidence": lambda a, b: int(spine.disc_height_loss(a, b).subsided),
        "nonunion": lambda a, b: int(spine.is_nonunion(a, b)),
        "bone-density": spine.bone_density_category,
    }
    return rules[entry.rule]


def _rowwise(rule: Callable[..., Any], *columns: Sequence[Any]) -> Cells:
    return [None if None in row else rule(*row) for row in zip(*columns, strict=True)]
