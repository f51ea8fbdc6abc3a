"""Classes with and without an order: counts, the published test, and models with patients as clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from volumetry.errors import UsageError
from volumetry.outcomes.analysis import Analysis, Context, Outcome, Tidy, ask
from volumetry.outcomes.plan import Categorical, Ordinal
from volumetry.statistics.result import StatisticResult


def analyse_categorical(context: Context, endpoint: Categorical) -> Outcome:
    """Compare the shares of classes without an order."""
    context = context.per_unit(endpoint.per, endpoint.column)
    cells, classes = read_classes(context, endpoint.column, endpoint.classes)
    published = context.question(endpoint.name, "categorical", "published", "classes-compared")
    clustered = context.question(
        endpoint.name, "categorical", "recommended", "class-shares-clustered", primary=True
    )
    return Outcome(
        name=endpoint.name,
        kind="categorical",
        population=context.population,
        analyses=(
            ask(published, lambda: compare_counts(context, endpoint.published, cells, classes)),
            ask(clustered, lambda: _shares(context, cells, classes)),
        ),
        tables=(Tidy(name="classes", rows=tuple(_counts(context, endpoint.name, cells, classes))),),
    )


def analyse_ordinal(context: Context, endpoint: Ordinal) -> Outcome:
    """Compare classes with an order."""
    context = context.per_unit(endpoint.per, endpoint.column)
    cells, classes = read_classes(context, endpoint.column, endpoint.classes)
    published = context.question(
        endpoint.name, "ordinal", "published", "classes-compared", better=endpoint.better
    )
    return Outcome(
        name=endpoint.name,
        kind="ordinal",
        population=context.population,
        analyses=(
            ask(published, lambda: compare_counts(context, endpoint.published, cells, classes)),
            *_ordered(context, endpoint, cells, classes),
        ),
        tables=(Tidy(name="classes", rows=tuple(_counts(context, endpoint.name, cells, classes))),),
    )


def read_classes(
    context: Context, column: str, declared: Sequence[str]
) -> tuple[list[str | None], tuple[str, ...]]:
    """Return the cells of a column and its classes in order.

    Raises
    ------
    UsageError
        ``invalid-table`` for a cell that is not one of the declared classes, naming column, line and cell.
    """
    table = context.cohort.table
    cells = table.text(column)
    for cell, line in zip(cells, table.lines, strict=True):
        if declared and cell is not None and cell not in declared:
            raise UsageError(
                "invalid-table", f"{column} is not one of {', '.join(declared)}", where=table.name,
                values={"column": column, "line": line, "cell": cell},
                todo=f'Add it to classes, or to the synonyms of a class ([[values]] column = "{column}").',
            )  # fmt: skip
    return cells, tuple(declared) or tuple(sorted({cell for cell in cells if cell is not None}))


def compare_counts(
    context: Context, test: str, cells: Sequence[str | None], classes: Sequence[str]
) -> StatisticResult:
    """Compare classes between groups with rows as independent, as papers print it."""
    from volumetry.statistics.clusters import check_clusters
    from volumetry.statistics.groups.contingency import contingency_test, cross_tabulate
    from volumetry.statistics.groups.ordered import linear_by_linear_test

    counts, missing = cross_tabulate(
        context.cohort.group, cells, group_levels=context.cohort.labels, class_levels=classes
    )
    result = (
        linear_by_linear_test(counts, level=context.level)
        if test == "linear-by-linear"
        else contingency_test(counts, primary=test, level=context.level)  # type: ignore[arg-type]
    )
    known = [c for c, entry in zip(context.clusters, cells, strict=True) if entry is not None]
    notes = (*result.notes, *check_clusters(known, accounted=False).notes)
    return replace(result, n_missing=missing, notes=notes)


def _shares(context: Context, cells: Sequence[str | None], classes: Sequence[str]) -> StatisticResult:
    from volumetry.statistics.groups.contingency import compare_classes

    return compare_classes(
        context.cohort.group,
        list(cells),
        group_levels=context.cohort.labels,
        class_levels=classes,
        cluster=list(context.clusters),
        level=context.level,
    )


def _ordered(
    context: Context, endpoint: Ordinal, cells: Sequence[str | None], classes: Sequence[str]
) -> list[Analysis]:
    from volumetry.statistics.groups.two_groups import compare_groups

    table: dict[str, Any] = {
        "patient": list(context.clusters),
        "group": context.cohort.group,
        "value": list(cells),
    }
    first = context.question(
        endpoint.name, "ordinal", "recommended", "odds-of-higher-class", primary=True, better=endpoint.better
    )
    second = context.question(endpoint.name, "ordinal", "sensitivity", "class-shares-clustered")
    return [
        ask(
            first,
            lambda: compare_groups(
                table, "value", group="group", levels=context.cohort.labels, test="proportional-odds",
                classes=classes, cluster="patient", level=context.level,
            ),
        ),
        ask(second, lambda: _shares(context, cells, classes)),
    ]  # fmt: skip


def _counts(
    context: Context, name: str, cells: Sequence[str | None], classes: Sequence[str]
) -> list[dict[str, Any]]:
    rows = []
    for label in context.cohort.labels:
        own = [cell for cell, group in zip(cells, context.cohort.group, strict=True) if group == label]
        known = len(own) - own.count(None)
        rows += [
            {
                "endpoint": name,
                "population": context.population,
                "group": label,
                "class": entry,
                "count": own.count(entry),
                "n": known,
                "n_missing": own.count(None),
                "percent": 100 * own.count(entry) / known if known else None,
            }
            for entry in classes
        ]
    return rows
