"""Run a plan: read its tables, do its analyses, write what came of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from volumetry.outcomes.analysis import Context, Drawing, Outcome, adjusted
from volumetry.outcomes.joining import join, read_inputs
from volumetry.outcomes.plan import Plan, read_plan

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
    from volumetry.outcomes.agreement_part import analyse_agreement
    from volumetry.outcomes.binary_endpoint import analyse_binary
    from volumetry.outcomes.change_endpoint import analyse_change
    from volumetry.outcomes.description import describe_baseline, describe_flow, plan_size
    from volumetry.outcomes.matched_part import analyse_matching
    from volumetry.outcomes.number_endpoint import analyse_continuous, analyse_paired
    from volumetry.outcomes.time_endpoint import analyse_time

    plan = context.plan
    parts: list[Part] = [lambda: describe_flow(context)]
    if plan.table_one:
        table = plan.table_one
        parts.append(lambda: describe_baseline(context, table))
    parts += [lambda e=e: analyse_binary(context, e) for e in plan.binary]  # type: ignore[misc]
    parts += [lambda e=e: analyse_time(context, e) for e in plan.time_to_event]  # type: ignore[misc]
    parts += [lambda e=e: analyse_continuous(context, e) for e in plan.continuous]  # type: ignore[misc]
    parts += [lambda e=e: analyse_paired(context, e) for e in plan.paired]  # type: ignore[misc]
    parts += [lambda e=e: analyse_change(context, e) for e in plan.change]  # type: ignore[misc]
    parts += [lambda e=e: analyse_agreement(context, e) for e in plan.agreement]  # type: ignore[misc]
    if plan.matching:
        matching = plan.matching
        parts.append(lambda: analyse_matching(context, matching))
    parts += [lambda e=e: plan_size(context, e) for e in plan.sample_size]  # type: ignore[misc]
    return parts


def _with_adjusted(outcomes: Sequence[Outcome], plan: Plan) -> list[Outcome]:
    """Adjust the primary p values for the number of endpoints."""
    every = [analysis for outcome in outcomes for analysis in outcome.analyses]
    answers = iter(adjusted(every, plan.study.multiplicity))
    return [replace(o, analyses=tuple(next(answers) for _ in o.analyses)) for o in outcomes]


def _forest(context: Context, outcomes: Sequence[Outcome]) -> Drawing | None:
    """Return the forest plot of all recommended ratios, if there are any."""
    found = [
        (analysis.endpoint, analysis.what, analysis.result.estimate)
        for outcome in outcomes
        for analysis in outcome.analyses
        if analysis.result is not None
        and analysis.role in ("recommended", "sensitivity")
        and "ratio" in analysis.what
        and "proportional" not in analysis.what
        and analysis.result.estimate.ci_low is not None
        and analysis.result.estimate.value > 0
    ]
    if not found:
        return None

    def draw() -> object:
        from volumetry.figures.forest_figure import ForestRow, draw_forest

        rows = [
            ForestRow(endpoint=endpoint, what=what, value=e.value, low=e.ci_low, high=e.ci_high)
            for endpoint, what, e in found
        ]
        return draw_forest(rows, labels=context.cohort.labels)

    return Drawing(
        name="forest",
        caption=f"Ratios of {context.contrast.replace(' - ', ' against ')} with {100 * context.level:g} % "
        "intervals, on a logarithmic scale.",
        draw=draw,  # type: ignore[arg-type]
    )
