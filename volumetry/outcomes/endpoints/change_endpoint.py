"""Classes of volume change: responder table, the published test, ordered models, and sensitivity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from volumetry.change import ChangeRule
from volumetry.outcomes.analysis import Analysis, Context, Outcome, Question, Role, Tidy, ask
from volumetry.outcomes.endpoints.binary_endpoint import binary_question, recommended_binary
from volumetry.outcomes.endpoints.change_figures import change_drawings
from volumetry.outcomes.endpoints.class_endpoint import compare_counts
from volumetry.outcomes.endpoints.error_part import error_drawings, error_notes, error_tables
from volumetry.outcomes.endpoints.judged_changes import error_word
from volumetry.outcomes.inputs.lesion_volumes import (
    CLASSES,
    HeightRule,
    UnitVolume,
    change_rule,
    changes_by_height,
    chosen_visits,
    is_of_reader,
    three_classes,
    volumes_of_changes,
    volumes_of_columns,
)
from volumetry.outcomes.plan import Change, Sensitivity
from volumetry.statistics.result import StatisticResult

NAN = float("nan")


def analyse_change(context: Context, endpoint: Change) -> Outcome:
    """Analyse the classes of volume change."""
    volumes = context.cohort.volumes
    classes = [three_classes(volume.category) for volume in volumes]
    analyses = [
        *(_relative(context, endpoint, label) for label in context.cohort.labels),
        _published(context, endpoint, classes),
        *_ordered(context, endpoint, classes),
        *_responders(context, endpoint, classes),
        *_composite(context, endpoint, classes),
    ]
    sensitivity = (
        sensitivity_rows(context) if context.plan.sensitivity and context.population == "all" else []
    )
    tables = [Tidy(name="responders", rows=tuple(responder_rows(context, endpoint.name)))]
    if sensitivity:
        tables.append(Tidy(name="sensitivity", rows=tuple(sensitivity)))
    of_error = error_tables(context, endpoint, sensitivity, ordered_model)
    return Outcome(
        name=endpoint.name,
        kind="change",
        population=context.population,
        analyses=tuple(analyses),
        tables=(*tables, *of_error),
        drawings=(*change_drawings(context, endpoint), *error_drawings(context, endpoint, of_error)),
        notes=(
            "new counts as increase, resolved as decrease, absent as no change in tests of three classes",
            *error_notes(context),
        ),
    )


def _question(
    context: Context, endpoint: Change, role: Role, asks: str, *, contrast: str = "", **more: Any
) -> Question:
    known = {"contrast": contrast} if contrast else {}
    return context.question(endpoint.name, "change", role, asks, **known, **more)


def _relative(context: Context, endpoint: Change, label: str) -> Analysis:
    from volumetry.statistics.groups.responders import relative_change

    rows = [
        (volume.baseline_cm3, volume.followup_cm3, patient)
        for volume, patient, group in zip(
            context.cohort.volumes, context.clusters, context.cohort.group, strict=True
        )
        if group == label and volume.category != "not_evaluable"
    ]

    def answer() -> StatisticResult:
        before, after, patients = ([row[place] for row in rows] for place in range(3))
        return relative_change(before, after, cluster=patients, level=context.level)

    return ask(_question(context, endpoint, "description", "relative-change", contrast=label), answer)


def _published(context: Context, endpoint: Change, classes: Sequence[str | None]) -> Analysis:
    question = _question(context, endpoint, "published", "classes-compared")
    return ask(question, lambda: compare_counts(context, endpoint.published, classes, CLASSES))


def _ordered(
    context: Context, endpoint: Change, classes: Sequence[str | None], subject: str = ""
) -> list[Analysis]:
    """Return the ordered model, which answers where no variant is its subject, and the shares of classes."""
    from volumetry.statistics.groups.contingency import compare_classes
    from volumetry.statistics.groups.two_groups import compare_groups

    table: dict[str, Any] = {
        "patient": list(context.clusters),
        "group": context.cohort.group,
        "value": list(classes),
    }
    levels = context.cohort.labels
    return [
        ask(
            _question(
                context, endpoint, "sensitivity" if subject else "recommended", "odds-of-higher-class",
                primary=not subject, subject=subject, better="less",
            ),
            lambda: compare_groups(
                table, "value", group="group", levels=levels, test="proportional-odds", classes=CLASSES,
                cluster="patient", level=context.level,
            ),
        ),
        ask(
            _question(context, endpoint, "sensitivity", "class-shares-clustered", subject=subject),
            lambda: compare_classes(
                table["group"], table["value"], group_levels=levels, class_levels=CLASSES,
                cluster=table["patient"], level=context.level,
            ),
        ),
    ]  # fmt: skip


def ordered_model(context: Context, classes: Sequence[str | None]) -> StatisticResult | None:
    """Return the ordered model of given classes; None where the data do not determine it."""
    return _ordered(context, Change(), classes)[0].result


def _responders(context: Context, endpoint: Change, classes: Sequence[str | None]) -> list[Analysis]:
    """Return the comparison of those with a decrease against all other evaluable rows."""
    values = [NAN if entry is None else float(entry == "decrease") for entry in classes]
    asked = binary_question(endpoint.name, kind="change", subject="decrease", better="more")
    return recommended_binary(context, asked, context.frame({"value": values}))


def _composite(context: Context, endpoint: Change, classes: Sequence[str | None]) -> list[Analysis]:
    """Return the ordered comparison with rows that lost their volume to the worst event as increases.

    Volumes exist only of hips that did not collapse; to analyse those alone conditions on an outcome.
    """
    if not endpoint.worst:
        return []
    events = context.cohort.table.events(endpoint.worst)
    with_worst = ["increase" if event == 1 else entry for event, entry in zip(events, classes, strict=True)]
    return _ordered(context, endpoint, with_worst, f"{endpoint.worst} as increase")


# -- tables -------------------------------------------------------------------------------------------------


def responder_rows(context: Context, name: str) -> list[dict[str, Any]]:
    """Return the responder table, with the reasons of those without a class."""
    import warnings

    from volumetry.statistics.clusters import ClusteredDataWarning
    from volumetry.statistics.groups.responders import responder_table

    table = {
        "patient": list(context.clusters),
        "group": context.cohort.group,
        "category": [volume.category for volume in context.cohort.volumes],
        "reason": [volume.reason for volume in context.cohort.volumes],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ClusteredDataWarning)  # the table describes rows; tests say more
        found = responder_table(table, group="group", level=context.level)
    error = error_word(context)
    return [
        {"endpoint": name, "population": context.population, **asdict(row), "change_error": error}
        for row in found.rows
    ]


def sensitivity_rows(context: Context) -> list[dict[str, Any]]:
    """Return classes and their comparison at other thresholds, each other choice by itself."""
    chosen = context.plan.sensitivity or Sensitivity()
    rows, error = [], error_word(context)
    reader = context.cohort.reader
    settings: list[tuple[str, HeightRule, bool]] = [(reader, "as measured", True)]
    settings += [(reader, height, True) for height in chosen.height_rules]
    settings += [(other, "as measured", True) for other in chosen.readers if other != reader]
    settings += [(reader, "as measured", False)] if chosen.ignore_guards else []
    for own_reader, height, guarded in settings:
        for threshold in chosen.thresholds_percent:
            rule = change_rule(context.plan.volumes, threshold)
            volumes = _volumes(context, own_reader, height, rule, guarded)
            row = {"threshold_percent": threshold, "height_rule": height, "reader": own_reader}
            told = {**_sensitivity(context, volumes), "change_error": error}
            rows.append({**row, "guards": guarded, **told})
    return rows


def _volumes(
    context: Context, reader: str, height: HeightRule, rule: ChangeRule, guarded: bool
) -> Sequence[UnitVolume | None]:
    plan, inputs = context.plan.volumes, context.cohort.inputs
    if plan.baseline_column:
        table = context.cohort.table
        return volumes_of_columns(
            table.numbers(plan.baseline_column), table.numbers(plan.followup_column), rule
        )
    own = [row for row in inputs.changes if is_of_reader(row, reader)]
    visits = chosen_visits(own, plan)
    changes = [row for row in own if visits.get(row["patient"]) == (row["followup_visit"] or "")]
    if height != "as measured":
        changes = changes_by_height(changes, inputs.measurements, height, rule)
    found = volumes_of_changes(changes, plan, rule, guarded=guarded)
    return [found.get(key) for key in context.cohort.keys]


def _sensitivity(context: Context, volumes: Sequence[UnitVolume | None]) -> Mapping[str, Any]:
    classes = [None if volume is None else three_classes(volume.category) for volume in volumes]
    row: dict[str, Any] = {}
    for label in context.cohort.labels:
        own = [c for c, group in zip(classes, context.cohort.group, strict=True) if group == label]
        row |= {f"{label}: {name}": own.count(name) for name in CLASSES}
        row[f"{label}: not evaluable"] = own.count(None)
    published = ask(
        _question(context, Change(), "published", "classes-compared"),
        lambda: compare_counts(context, "linear-by-linear", classes, CLASSES),
    )
    ordered = _ordered(context, Change(), classes)[0]
    estimate = ordered.result.estimate if ordered.result else None
    return {
        **row,
        "p_trend_as_independent": published.result.p_value if published.result else None,
        "odds_ratio_clustered": estimate.value if estimate else None,
        "ci_low": estimate.ci_low if estimate else None,
        "ci_high": estimate.ci_high if estimate else None,
        "p_clustered": ordered.result.p_value if ordered.result else None,
        "reason": ordered.reason or published.reason,
    }
