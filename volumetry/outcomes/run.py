"""Run a plan: read its tables, do its analyses, write what came of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from volumetry.outcomes.analysis import Analysis, Context, Drawing, Outcome, adjusted
from volumetry.outcomes.inputs.joining import join, read_inputs
from volumetry.outcomes.plan import ENDPOINTS, Plan, read_plan

Progress = Callable[[int, int], None]
Part = Callable[[], Outcome]


def run_outcomes(
    plan_path: Path | str,
    out: Path | str,
    *,
    progress: Progress | None = None,
    measurements: Path | str | None = None,
    changes: Path | str | None = None,
) -> tuple[Outcome, ...]:
    """Run a plan and write results, tables and figures below a folder.

    Everything is computed before anything is written, and each file is replaced as a whole: whoever kills the
    run half-way finds the old files, or new ones, and no half of one.

    Parameters
    ----------
    plan_path : path
        A TOML file as ``docs/reference/plan.md`` describes it; its tables lie relative to it.
    out : path
        Folder of the results; made if it is not there.
    progress : callable, optional
        Told (done, total) after every part.
    measurements, changes : path, optional
        Stand in for the tables of that name in the plan, for example what a batch has just written.

    Returns
    -------
    tuple of Outcome
        What came of each part of the plan.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``, ``truncated``.
    UsageError
        ``invalid-plan`` with key, line and what would be right; ``invalid-table`` with file and line.
    OutputError
        ``read-only``, ``disk-full``.
    """
    from volumetry.outcomes.writing import Report, write_report

    plan_path = Path(plan_path)
    plan, document = read_plan(plan_path)
    inputs = read_inputs(plan, plan_path.parent, measurements=measurements, changes=changes)
    context = Context(plan=plan, cohort=join(plan, document, inputs))
    parts = _parts(context)
    outcomes: list[Outcome] = []
    for number, part in enumerate(parts, start=1):
        outcomes.append(part())
        _tell(progress, number, len(parts) + 1)
    outcomes = _with_adjusted(outcomes, plan)
    forest = _forest(context, outcomes)
    report = Report(
        context=context,
        plan_text=document.text,
        outcomes=tuple(outcomes),
        further=(forest,) if forest else (),
    )
    write_report(report, Path(out))
    _tell(progress, len(parts) + 1, len(parts) + 1)
    return tuple(outcomes)


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)


def _parts(context: Context) -> list[Part]:
    """Return what is run, in order: flow, all rows, subgroups, matched rows, agreement, sample sizes."""
    from volumetry.outcomes.agreement_part import analyse_agreement
    from volumetry.outcomes.description import describe_flow, plan_size
    from volumetry.outcomes.inputs.conditions import rows_where
    from volumetry.outcomes.literature_part import describe_literature
    from volumetry.outcomes.matched_part import describe_matching, match, matched_context

    plan = context.plan
    pairs = match(context, plan.matching) if plan.matching else None
    matched = None
    if plan.matching and pairs is not None and not isinstance(pairs, Exception):
        matched = matched_context(context, plan.matching, pairs)
    whole = replace(context, leading=not (plan.matching and plan.matching.primary))
    parts: list[Part] = [lambda: describe_flow(context, matched), *_analyses(whole)]
    for subgroup in plan.subgroup:
        rows = rows_where(context.cohort.table, subgroup.where)
        own = context.subset(rows, subgroup.name)
        parts += _analyses(own, subgroup.endpoints, table_one=subgroup.table_one)
    if plan.matching and pairs is not None:
        matching = plan.matching
        parts.append(lambda: describe_matching(context, matching, pairs))
        parts += _analyses(matched) if matched else []
    if plan.literature:
        literature, main = plan.literature, matched if plan.matching and plan.matching.primary else context
        parts.append(lambda: describe_literature(main or context, literature))
    parts += [lambda e=e: analyse_agreement(context, e) for e in plan.agreement]  # type: ignore[misc]
    parts += [lambda e=e: plan_size(context, e) for e in plan.sample_size]  # type: ignore[misc]
    return parts


def _analyses(context: Context, names: Sequence[str] = (), *, table_one: bool = True) -> list[Part]:
    """Return Table 1 and the endpoints of one population; of those named, if any are."""
    from volumetry.outcomes.description import describe_baseline
    from volumetry.outcomes.endpoints.binary_endpoint import analyse_binary
    from volumetry.outcomes.endpoints.change_endpoint import analyse_change
    from volumetry.outcomes.endpoints.class_endpoint import analyse_categorical, analyse_ordinal
    from volumetry.outcomes.endpoints.number_endpoint import analyse_continuous, analyse_paired
    from volumetry.outcomes.endpoints.time_endpoint import analyse_time

    analyse: dict[str, Callable[[Context, Any], Outcome]] = {
        "binary": analyse_binary,
        "time_to_event": analyse_time,
        "continuous": analyse_continuous,
        "paired": analyse_paired,
        "categorical": analyse_categorical,
        "ordinal": analyse_ordinal,
        "change": analyse_change,
    }
    parts: list[Part] = []
    table = context.plan.table_one
    if table and table_one:
        parts.append(lambda: describe_baseline(context, table))
    for kind in ENDPOINTS:
        parts += [
            lambda kind=kind, e=endpoint: analyse[kind](context, e)  # type: ignore[misc]
            for endpoint in getattr(context.plan, kind)
            if not names or endpoint.name in names
        ]
    return parts


def _with_adjusted(outcomes: Sequence[Outcome], plan: Plan) -> list[Outcome]:
    """Adjust the primary p values for the number of endpoints; one answer that is given twice counts once."""
    outcomes = _without_repeats(outcomes)
    every = [analysis for outcome in outcomes for analysis in outcome.analyses]
    answers = iter(adjusted(every, plan.study.multiplicity))
    return [replace(o, analyses=tuple(next(answers) for _ in o.analyses)) for o in outcomes]


def _without_repeats(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Name as sensitivity what has the same model and numbers as an earlier primary answer."""
    seen: dict[Any, str] = {}

    def checked(analysis: Analysis) -> Analysis:
        if not analysis.primary or analysis.result is None:
            return analysis
        known = (analysis.result.method, analysis.result.n_used, analysis.result.estimate)
        first = seen.setdefault(repr(known), analysis.endpoint)
        if first == analysis.endpoint:
            return analysis
        note = f"the same answer as that of {first}, which is counted there"
        return replace(analysis, primary=False, role="sensitivity", warned=(*analysis.warned, note))

    return [replace(o, analyses=tuple(checked(a) for a in o.analyses)) for o in outcomes]


def _forest(context: Context, outcomes: Sequence[Outcome]) -> Drawing | None:
    """Return the forest plot of the ratios that answer a question, sorted by which direction is good."""
    found = [
        (analysis, analysis.result.estimate)
        for outcome in outcomes
        for analysis in outcome.analyses
        if analysis.result is not None
        and analysis.role in ("recommended", "sensitivity")
        and analysis.asked.scale == "ratio"
        and analysis.result.estimate.ci_low is not None
        and analysis.result.estimate.value > 0
    ]
    if not found:
        return None

    def draw() -> object:
        from volumetry.figures.forest_figure import ForestRow, draw_forest

        rows = [
            ForestRow(
                endpoint=a.endpoint if a.population == "all" else f"{a.endpoint} ({a.population})",
                what=a.what,
                value=e.value,
                low=e.ci_low,
                high=e.ci_high,
                better=a.better,
            )
            for a, e in found
        ]
        return draw_forest(rows, labels=context.cohort.labels)

    return Drawing(
        name="forest",
        caption=f"Ratios of {context.cohort.labels[0]} against {context.cohort.labels[1]} with "
        f"{100 * context.level:g} % intervals, on a logarithmic scale. Ratios that are better below 1, that "
        "are better above 1, and of which the plan does not say so have a panel each.",
        draw=draw,  # type: ignore[arg-type]
    )
