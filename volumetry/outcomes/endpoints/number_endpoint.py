"""Numbers at one time, and before and after: the published test, and models with patients as clusters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from volumetry.outcomes.analysis import (
    Analysis,
    Context,
    Drawing,
    Outcome,
    Question,
    Role,
    Tidy,
    ask,
    columns_of,
)
from volumetry.outcomes.endpoints.binary_endpoint import with_p
from volumetry.outcomes.plan import Continuous, Paired, file_name
from volumetry.statistics.result import StatisticResult

if TYPE_CHECKING:
    import pandas as pd


def analyse_continuous(context: Context, endpoint: Continuous) -> Outcome:
    """Compare a number between the groups."""
    context = context.per_unit(endpoint.per, endpoint.column)
    frame = context.frame({"value": as_numbers(context, endpoint.column)}, endpoint.adjust)
    analyses = [_published(context, endpoint, frame)]
    asks = "mean-difference-adjusted" if endpoint.adjust else "mean-difference"
    analyses += _models(context, endpoint, frame, endpoint.adjust, asks)
    return Outcome(
        name=endpoint.name,
        kind="continuous",
        population=context.population,
        analyses=tuple(_with_unit(a, endpoint.unit) for a in analyses),
        tables=(Tidy(name="numbers", rows=tuple(_described(context, endpoint.name, frame, "value"))),),
    )


def analyse_paired(context: Context, endpoint: Paired) -> Outcome:
    """Compare a number before and after within groups, and the follow-up between them given the baseline."""
    before, after = (as_numbers(context, name) for name in (endpoint.baseline, endpoint.followup))
    frame = context.frame({"baseline": before, "value": after}, endpoint.adjust)
    analyses = [a for label in context.cohort.labels for a in _within(context, endpoint, frame, label)]
    adjust = ("baseline", *endpoint.adjust)
    analyses += _models(context, endpoint, frame, adjust, "difference-given-baseline")
    rows = [
        row
        for column, visit in (("baseline", "baseline"), ("value", "follow-up"))
        for row in _described(context, endpoint.name, frame, column, visit)
    ]
    return Outcome(
        name=endpoint.name,
        kind="paired",
        population=context.population,
        analyses=tuple(_with_unit(a, endpoint.unit) for a in analyses),
        tables=(Tidy(name="numbers", rows=tuple(rows)),),
        drawings=(paired_drawing(context, endpoint.name, frame, endpoint.unit),),
    )


def as_numbers(context: Context, column: str) -> list[float]:
    """Return a column of the cohort as floats, missing as NaN."""
    return [float("nan") if v is None else v for v in context.cohort.table.numbers(column)]


def paired_drawing(context: Context, name: str, frame: pd.DataFrame, unit: str) -> Drawing:
    """Return the figure of paired lines, a panel per group."""
    known = frame.dropna(subset=["baseline", "value"])

    def draw() -> Any:
        from volumetry.figures.statistics_figures import draw_paired_lines

        groups = {
            label: known.loc[known["group"] == label, ["baseline", "value"]].to_numpy()
            for label in context.cohort.labels
        }
        return draw_paired_lines(groups, label=f"{name} ({unit})" if unit else name)

    return Drawing(
        name=context.drawing_name(f"{file_name(name)}-paired"),
        caption=f"{name}{context.among} at baseline and follow-up: a line per row, the mean in bold.",
        draw=draw,
    )


def _published(context: Context, endpoint: Continuous, frame: pd.DataFrame) -> Analysis:
    from volumetry.statistics.groups.two_groups import compare_groups

    question = context.question(
        endpoint.name, "continuous", "published", "means-compared", better=endpoint.better
    )
    return ask(
        question,
        lambda: compare_groups(
            columns_of(frame),
            "value",
            group="group",
            levels=context.cohort.labels,
            test=endpoint.published,
            level=context.level,
        ),
    )


def _models(
    context: Context,
    endpoint: Continuous | Paired,
    frame: pd.DataFrame,
    adjust: tuple[str, ...],
    asks: str,
) -> list[Analysis]:
    """Return the linear model, which answers, and the mixed model where clusters have several rows."""
    from volumetry.statistics.models.mixed import MixedOptions, mixed_model
    from volumetry.statistics.models.regression import RegressionOptions, linear_regression

    terms = ["first", *adjust]
    kind = "paired" if isinstance(endpoint, Paired) else "continuous"

    def question(asks: str, role: Role) -> Question:
        return context.question(
            endpoint.name, kind, role, asks, primary=role == "recommended", better=endpoint.better
        )

    def linear() -> StatisticResult:
        context.require_groups(frame, ["value", *adjust])
        options = RegressionOptions(level=context.level)
        return with_p(
            linear_regression("value", terms, data=frame, cluster="patient", options=options),
            "mean difference",
        )

    def mixed() -> StatisticResult:
        context.require_groups(frame, ["value", *adjust])
        options = MixedOptions(level=context.level)
        return with_p(
            mixed_model("value", terms, cluster="patient", data=frame, options=options), "mean difference"
        )

    analyses = [ask(question(asks, "recommended"), linear)]
    if not frame.dropna(subset=["value", *adjust])["patient"].is_unique:
        analyses.append(ask(question(f"{asks}-mixed", "sensitivity"), mixed))
    return analyses


def _within(context: Context, endpoint: Paired, frame: pd.DataFrame, label: str) -> list[Analysis]:
    from volumetry.statistics.clusters import check_clusters
    from volumetry.statistics.groups.rank_tests import wilcoxon_signed_rank_test
    from volumetry.statistics.groups.t_tests import paired_t_test

    part = frame[frame["group"] == label]
    after, before = part["value"].to_numpy(), part["baseline"].to_numpy()
    clusters = part.dropna(subset=["baseline", "value"])["patient"].tolist()
    test = {"paired-t": paired_t_test, "wilcoxon": wilcoxon_signed_rank_test}[endpoint.published]

    def published() -> StatisticResult:
        result = test(after, before, level=context.level)
        return replace(result, notes=(*result.notes, *check_clusters(clusters, accounted=False).notes))

    def clustered() -> StatisticResult:
        return paired_t_test(after, before, cluster=part["patient"].tolist(), level=context.level)

    def question(role: Role) -> Question:
        return context.question(endpoint.name, "paired", role, "change-within-group", contrast=label)

    return [ask(question("published"), published), ask(question("recommended"), clustered)]


def _described(
    context: Context, name: str, frame: pd.DataFrame, column: str, visit: str = ""
) -> list[dict[str, Any]]:
    from volumetry.statistics.groups.baseline_table import table_one

    table = table_one(columns_of(frame), group="group", levels=context.cohort.labels, numeric=[column])
    return [
        {
            "endpoint": name,
            "population": context.population,
            "visit": visit,
            "group": row.group,
            "n": row.n,
            "n_missing": row.n_missing,
            "mean": row.mean,
            "sd": row.sd,
            "median": row.median,
            "quartile_low": row.quartile_low,
            "quartile_high": row.quartile_high,
        }
        for row in table.rows
    ]


def _with_unit(analysis: Analysis, unit: str) -> Analysis:
    result = analysis.result
    if result is None or not unit:
        return analysis
    named = tuple(replace(e, unit=unit) if e.name == "mean difference" else e for e in result.estimates)
    return replace(analysis, result=replace(result, estimates=named))
