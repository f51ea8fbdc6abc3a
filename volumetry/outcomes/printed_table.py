"""Table 1 as journals print it: a column per group, a row per variable or class, p and SMD."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from volumetry.errors import VolumetryError
from volumetry.outcomes.analysis import Context
from volumetry.outcomes.endpoints.class_endpoint import compare_counts, read_classes
from volumetry.outcomes.plan import TableOne, TableOneVariable
from volumetry.statistics.result import StatisticResult

PLUS_MINUS = "\N{PLUS-MINUS SIGN}"
EN_DASH = "\N{EN DASH}"


def variables_of(plan: TableOne) -> list[TableOneVariable]:
    """Return all variables of Table 1 in order: the bare lists first."""
    return [
        *(TableOneVariable(column=name) for name in plan.numeric),
        *(TableOneVariable(column=name, show="counts") for name in plan.categorical),
        *plan.variable,
    ]


def printed_rows(context: Context, plan: TableOne) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows of the printed table, and notes.

    The first row holds the sizes. Of a variable with classes the first row is its heading, with p and
    standardised difference. Percent are of the rows that are known; missing ones have a column of their own.
    """
    rows = [_sizes(context)]
    notes: list[str] = []
    for variable in variables_of(plan):
        try:
            own = context.per_unit(variable.per, variable.column, within_groups=True)
            both = variable.per == "patient" and len(own.cohort.patient) > len(set(own.cohort.patient))
            rows += _variable(own, replace(variable, test="none") if both else variable)
        except VolumetryError as error:
            rows.append(_row(context, variable, reason=error.message))
            notes.append(f"{variable.column}: {error.message}")
    shared = _in_both_groups(context)
    if shared and any(variable.per == "patient" for variable in variables_of(plan)):
        notes.append(
            f"{shared} patients have {context.plan.volumes.unit}s in both groups: variables of patients "
            "count them in either column, without a test"
        )
    tests = sorted({row["test"] for row in rows if row["test"]})
    if tests:
        notes.append(f"p of Table 1 takes rows as independent: {'; '.join(tests)}")
    return rows, notes


def _in_both_groups(context: Context) -> int:
    groups: dict[str, set[str]] = {}
    for patient, group in zip(context.cohort.patient, context.cohort.group, strict=True):
        groups.setdefault(patient, set()).add(group)
    return sum(len(own) > 1 for own in groups.values())


def _sizes(context: Context) -> dict[str, Any]:
    unit = context.plan.volumes.unit
    row = {"variable": "n", "category": "", "counted": f"{unit}s"}
    for label in context.cohort.labels:
        own = [
            patient
            for patient, group in zip(context.cohort.patient, context.cohort.group, strict=True)
            if group == label
        ]
        patients = f" ({len(set(own))} patients)" if unit != "patient" else ""
        row[label] = f"{len(own)}{patients}"
    return row | {"p": None, "test": "", "smd": None, "missing": "", "reason": ""}


def _row(
    context: Context,
    variable: TableOneVariable,
    *,
    category: str = "",
    cells: Sequence[str] = ("", ""),
    test: StatisticResult | None = None,
    smd: float | None = None,
    missing: str = "",
    reason: str = "",
) -> dict[str, Any]:
    unit = "patient" if variable.per == "patient" else context.plan.volumes.unit
    return {
        "variable": variable.label or variable.column,
        "category": category,
        "counted": f"{unit}s",
        **dict(zip(context.cohort.labels, cells, strict=True)),
        "p": None if test is None else test.p_value,
        "test": "" if test is None else test.method,
        "smd": smd,
        "missing": missing,
        "reason": reason,
    }


def _variable(context: Context, variable: TableOneVariable) -> list[dict[str, Any]]:
    return _classes(context, variable) if variable.show == "counts" else [_numbers(context, variable)]


# -- numbers ------------------------------------------------------------------------------------------------


def _numbers(context: Context, variable: TableOneVariable) -> dict[str, Any]:
    from volumetry.statistics.groups.baseline_table import table_one

    values = context.cohort.table.numbers(variable.column)
    table = {"group": context.cohort.group, "value": values}
    found = table_one(table, group="group", levels=context.cohort.labels, numeric=["value"])
    cells, missing = [], []
    for row in found.rows:
        own = [
            v
            for v, group in zip(values, context.cohort.group, strict=True)
            if group == row.group and v is not None
        ]
        missing.append(row.n_missing)
        cells.append(_shown(vars(row), own, variable))
    return _row(
        context,
        variable,
        cells=cells,
        test=_mean_test(context, variable, values),
        smd=found.differences[0].smd_pooled,
        missing=_missing(missing),
    )


def _shown(row: Mapping[str, Any], values: Sequence[float], variable: TableOneVariable) -> str:
    if not values:
        return "-"
    d = variable.digits
    low, high = min(values), max(values)
    mean = f"{row['mean']:.{d}f}"
    sd = f" {PLUS_MINUS} {row['sd']:.{d}f}" if row["sd"] is not None else ""
    limits = f"({low:.{d}f}{EN_DASH}{high:.{d}f})"
    quartiles = f"({row['quartile_low']:.{d}f}{EN_DASH}{row['quartile_high']:.{d}f})"
    return {
        "mean-sd": f"{mean}{sd}",
        "mean-range": f"{mean} {limits}",
        "mean-sd-range": f"{mean}{sd} {limits}",
        "median-quartiles": f"{row['median']:.{d}f} {quartiles}",
        "median-range": f"{row['median']:.{d}f} {limits}",
    }[variable.show]


def _mean_test(
    context: Context, variable: TableOneVariable, values: Sequence[float | None]
) -> StatisticResult | None:
    from volumetry.statistics.groups.two_groups import compare_groups

    if variable.test == "none":
        return None
    # No column of patients: the table says once that its p values take rows as independent.
    table = {"group": context.cohort.group, "value": [float("nan") if v is None else v for v in values]}
    return compare_groups(
        table, "value", group="group", levels=context.cohort.labels, test=variable.test, level=context.level
    )


# -- classes ------------------------------------------------------------------------------------------------


def _classes(context: Context, variable: TableOneVariable) -> list[dict[str, Any]]:
    from volumetry.statistics.groups.standardized_difference import categorical_difference

    cells, classes = read_classes(context, variable.column, variable.classes)
    counts = []
    for label in context.cohort.labels:
        own = [cell for cell, group in zip(cells, context.cohort.group, strict=True) if group == label]
        counts.append([own.count(name) for name in classes] + [own.count(None)])
    try:
        smd = categorical_difference(*(np.array(own[:-1], dtype=np.int64) for own in counts))[0]
    except VolumetryError:
        smd = None
    rows = [
        _row(
            context,
            variable,
            test=_class_test(context, variable, cells, classes),
            smd=smd,
            missing=_missing([own[-1] for own in counts]),
        )
    ]
    for place, name in enumerate(classes):
        shown = [_count(own, place) for own in counts]
        rows.append(_row(context, variable, category=name, cells=shown))
    return rows


def _count(own: Sequence[int], place: int) -> str:
    known = sum(own[:-1])
    return f"{own[place]} ({100 * own[place] / known:.1f} %)" if known else "0"


def _class_test(
    context: Context, variable: TableOneVariable, cells: Sequence[str | None], classes: Sequence[str]
) -> StatisticResult | None:
    import warnings

    from volumetry.statistics.clusters import ClusteredDataWarning
    from volumetry.statistics.groups.contingency import cross_tabulate
    from volumetry.statistics.groups.two_by_two import two_by_two

    if variable.test == "none":
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ClusteredDataWarning)  # said once below the table
        if variable.test in ("pearson", "exact", "linear-by-linear"):
            return compare_counts(context, variable.test, cells, classes)
        counts, _ = cross_tabulate(
            context.cohort.group, cells, group_levels=context.cohort.labels, class_levels=classes
        )
        if len(classes) == 2:
            return two_by_two(counts, primary=variable.test)  # type: ignore[arg-type]
        return compare_counts(context, "exact" if variable.test == "fisher" else "pearson", cells, classes)


def _missing(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers)) if any(numbers) else ""


def as_long(context: Context, plan: TableOne) -> Iterator[Mapping[str, Any]]:
    """Yield Table 1 as tidy rows: a row per variable, class and group."""
    from volumetry.statistics.groups.baseline_table import table_one

    for variable in variables_of(plan):
        try:
            own = context.per_unit(variable.per, variable.column, within_groups=True)
            counted = variable.show == "counts"
            cells: Sequence[Any] = (
                read_classes(own, variable.column, variable.classes)[0]
                if counted
                else own.cohort.table.numbers(variable.column)
            )
        except VolumetryError:
            continue  # the printed table has the reason
        names: dict[str, Sequence[str]] = {"categorical" if counted else "numeric": [variable.column]}
        found = table_one(
            {"group": own.cohort.group, variable.column: list(cells)},
            group="group",
            levels=own.cohort.labels,
            numeric=names.get("numeric", ()),
            categorical=names.get("categorical", ()),
        )
        for row in found.records():
            yield {"population": context.population, "per": variable.per, **row}
