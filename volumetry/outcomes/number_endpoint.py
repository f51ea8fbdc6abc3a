"""Numbers at one time, and before and after: the published test, and models with patients as clusters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from volumetry.outcomes.analysis import Analysis, Context, Drawing, Outcome, Question, Tidy, ask, columns_of
from volumetry.outcomes.binary_endpoint import with_p
from volumetry.outcomes.plan import Continuous, Paired, file_name
from volumetry.statistics.result import StatisticResult

if TYPE_CHECKING:
    import pandas as pd


def analyse_continuous(context: Context, endpoint: Continuous) -> Outcome:
    """Compare a number between the groups."""
    frame = context.frame({"value": as_numbers(context, endpoint.column)}, endpoint.adjust)
    analyses = [_published(context, endpoint.name, frame, endpoint.published)]
    analyses += _models(context, endpoint.name, frame, endpoint.adjust, "continuous")
    analyses = [_with_unit(a, endpoint.unit) for a in analyses]
    return Outcome(
        name=endpoint.name,
        kind="continuous",
        analyses=tuple(analyses),
        tables=(Tidy(name="numbers", rows=tuple(_described(context, endpoint.name, frame, "value"))),),
    )


def analyse_paired(context: Context, endpoint: Paired) -> Outcome:
    """Compare a number before and after within groups, and the follow-up between them given the baseline."""
    before, after = (as_numbers(context, name) for name in (endpoint.baseline, endpoint.followup))
    frame = context.frame({"baseline": before, "value": after}, endpoint.adjust)
    analyses = [a for label in context.cohort.labels for a in _within(context, endpoint, frame, label)]
    adjust = ("baseline", *endpoint.adjust)
    analyses += _models(context, endpoint.name, frame, adjust, "paired")
    rows = [
        row
        for column, visit in (("baseline", "baseline"), ("value", "follow-up"))
        for row in _described(context, endpoint.name, frame, column, visit)
    ]
    return Outcome(
        name=endpoint.name,
        kind="paired",
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
        name=f"{file_name(name)}-paired",
        caption=f"{name} at baseline and follow-up: a line per row, the mean in bold.",
        draw=draw,
    )


def _published(context: Context, name: str, frame: pd.DataFrame, test: str) -> Analysis:
    from volumetry.statistics.groups.two_groups import compare_groups

    question = Question(
        endpoint=name,
        kind="continuous",
        role="published",
        what="comparison of groups",
        contrast=context.contrast,
    )
    return ask(
        question,
        lambda: compare_groups(
            columns_of(frame),
            "value",
            group="group",
            levels=context.cohort.labels,
            test=test,
            level=context.level,
        ),
    )


def _models(
    context: Context, name: str, frame: pd.DataFrame, adjust: tuple[str, ...], kind: str
) -> list[Analysis]:
    from volumetry.statistics.models.mixed import MixedOptions, mixed_model
    from volumetry.statistics.models.regression import RegressionOptions, linear_regression

    terms = ["first", *adjust]
    what = "mean difference, adjusted" if adjust else "mean difference"
    if kind == "paired":
        what = "difference at follow-up, given the baseline"

    def question(text: str, primary: bool = False) -> Question:
        return Question(
            endpoint=name,
            kind=kind,
            role="recommended",
            what=text,
            contrast=context.contrast,
            primary=primary,
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

    analyses = [ask(question(what, primary=True), linear)]
    if not frame.dropna(subset=["value", *adjust])["patient"].is_unique:
        analyses.append(ask(question(f"{what}, mixed model"), mixed))
    return analyses


def _within(context: Context, endpoint: Paired, frame: pd.DataFrame, label: str) -> list[Analysis]:
    from volumetry.statistics.clusters import independence_note
    from volumetry.statistics.groups.rank_tests import wilcoxon_signed_rank_test
    from volumetry.statistics.groups.t_tests import paired_t_test

    part = frame[frame["group"] == label]
    after, before = part["value"].to_numpy(), part["baseline"].to_numpy()
    patients = part.dropna(subset=["baseline", "value"])["patient"].tolist()

    def published() -> StatisticResult:
        test = paired_t_test if endpoint.published == "paired-t" else wilcoxon_signed_rank_test
        result = test(after, before, level=context.level)
        return replace(result, notes=(*result.notes, *independence_note(patients, result.method)))

    def clustered() -> StatisticResult:
        return paired_t_test(after, before, cluster=part["patient"].tolist(), level=context.level)

    def question(role: Any) -> Question:
        return Question(
            endpoint=endpoint.name, kind="paired", role=role, what="change within the group", contrast=label
        )

    return [ask(question("published"), published), ask(question("recommended"), clustered)]


def _described(
    context: Context, name: str, frame: pd.DataFrame, column: str, visit: str = ""
) -> list[dict[str, Any]]:
    from volumetry.statistics.groups.baseline_table import table_one

    table = table_one(columns_of(frame), group="group", levels=context.cohort.labels, numeric=[column])
    return [
        {
            "endpoint": name,
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
