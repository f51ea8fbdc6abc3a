"""What comes before any test: participant flow, Table 1, and the sample sizes that were planned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from volumetry.outcomes.analysis import Context, Drawing, Outcome, Question, Tidy, ask
from volumetry.outcomes.inputs.joining import Cohort
from volumetry.outcomes.plan import SampleSizePlan, Screening, TableOne
from volumetry.statistics.result import StatisticResult


@dataclass(frozen=True, kw_only=True)
class FlowStep:
    """One box of the participant flow.

    Attributes
    ----------
    stage : str
        ``screened``, ``not in the table``, ``input``, ``left out``, ``group``, ``not matched``, ``matched``,
        ``volume`` or ``no volume``.
    group : str
        Empty before rows are in groups.
    what : str
    n_rows, n_patients : int
    """

    stage: str
    group: str
    what: str
    n_rows: int
    n_patients: int


def participant_flow(
    cohort: Cohort,
    unit: str,
    *,
    screening: Screening | None = None,
    matched: Cohort | None = None,
    matched_leads: bool = False,
) -> list[FlowStep]:
    """Return the flow from those screened to those analysed; every row is in one box of each level.

    Matching comes before the volumes where it gives the primary answers, which are then of matched rows.
    Else both begin with all rows of a group, each by itself.
    """
    clinical = [d for d in cohort.dispositions if d.table == "clinical"]

    def step(stage: str, group: str, what: str, patients: Sequence[str]) -> FlowStep:
        known = {patient for patient in patients if patient}
        return FlowStep(stage=stage, group=group, what=what, n_rows=len(patients), n_patients=len(known))

    steps = _screened(screening)
    steps.append(step("input", "", f"{unit}s in the clinical table", [d.patient for d in clinical]))
    steps += [
        step("left out", "", reason, [d.patient for d in clinical if d.reason == reason])
        for reason in dict.fromkeys(d.reason for d in clinical if not d.used)
    ]
    for label in cohort.labels:
        rows = [row for row, group in enumerate(cohort.group) if group == label]
        steps.append(step("group", label, label, [cohort.patient[row] for row in rows]))
        pairing = _matched_steps(cohort, matched, rows, label, step) if matched is not None else []
        leading = matched is not None and matched_leads
        if leading and matched is not None:
            keys = set(matched.keys)
            rows = [row for row in rows if cohort.keys[row] in keys]
        volumes = _volume_steps(cohort, rows, label, step)
        steps += [*pairing, *volumes] if leading else [*volumes, *pairing]
    return steps


Counting = Callable[[str, str, str, Sequence[str]], FlowStep]


def _matched_steps(
    cohort: Cohort, matched: Cohort, rows: Sequence[int], label: str, step: Counting
) -> list[FlowStep]:
    keys = set(matched.keys)
    inside = [cohort.patient[row] for row in rows if cohort.keys[row] in keys]
    outside = [cohort.patient[row] for row in rows if cohort.keys[row] not in keys]
    return [
        step("not matched", label, "no match", outside),
        step("matched", label, "matched and analysed", inside),
    ]


def _volume_steps(cohort: Cohort, rows: Sequence[int], label: str, step: Counting) -> list[FlowStep]:
    reasons = Counter(cohort.volumes[row].reason for row in rows)
    if set(reasons) <= {"no-measurements"}:
        return []
    steps = []
    for reason in sorted(reasons, reverse=True):
        patients = [cohort.patient[row] for row in rows if cohort.volumes[row].reason == reason]
        if reason:
            steps.append(step("no volume", label, reason.replace("-", " "), patients))
        else:
            steps.append(step("volume", label, "volume change evaluable", patients))
    return steps


def _screened(screening: Screening | None) -> list[FlowStep]:
    if screening is None:
        return []
    return [
        FlowStep(
            stage=stage, group="", what=part.what, n_rows=part.n,
            n_patients=part.n if part.patients is None else part.patients,
        )
        for stage, parts in (("screened", (screening.assessed,)), ("not in the table", screening.left_out))
        for part in parts
    ]  # fmt: skip


def describe_flow(context: Context, matched: Context | None = None) -> Outcome:
    """Return the participant flow as a table and a figure."""
    unit = context.plan.volumes.unit
    steps = participant_flow(
        context.cohort,
        unit,
        screening=context.plan.screening,
        matched=None if matched is None else matched.cohort,
        matched_leads=matched is not None and matched.leading,
    )

    def draw() -> Any:
        from volumetry.figures.flow_figure import draw_flow

        return draw_flow(
            [(s.stage, s.group, s.what, s.n_rows, s.n_patients) for s in steps],
            labels=context.cohort.labels,
            unit=unit,
        )

    units = "patients" if unit == "patient" else f"{unit}s, and patients in brackets"
    drawing = Drawing(name="flow", caption=f"Participant flow: {units}.", draw=draw)
    table = Tidy(name="flow", rows=tuple(vars(step) for step in steps))
    return Outcome(name="participant flow", kind="flow", tables=(table,), drawings=(drawing,))


def describe_baseline(context: Context, plan: TableOne) -> Outcome:
    """Return Table 1: as journals print it, and as tidy rows."""
    from volumetry.outcomes.printed_table import as_long, printed_rows

    printed, notes = printed_rows(context, plan)
    rows = tuple({"population": context.population, **row} for row in printed)
    return Outcome(
        name="Table 1",
        kind="table_one",
        population=context.population,
        tables=(
            Tidy(name="table_one_printed", rows=rows),
            Tidy(name="table_one", rows=tuple(as_long(context, plan))),
        ),
        notes=tuple(notes),
    )


def plan_size(context: Context, plan: SampleSizePlan) -> Outcome:
    """Return a sample size, and the same with the design effect of the cohort's own patients."""
    from volumetry.statistics.planning.power import design_effect, power_two_proportions

    sizes = list(Counter(context.cohort.patient).values())

    def answer(effect: float) -> StatisticResult:
        return power_two_proportions(
            plan.p1,
            plan.p2,
            power=plan.power,
            alpha=plan.alpha,
            sides=plan.sides,
            method=plan.method,
            design_effect=effect,
        )

    def question(asks: str, detail: str = "") -> Question:
        return Question(endpoint=plan.name, kind="sample_size", role="description", id=asks, detail=detail)

    analyses = [ask(question("sample-size"), lambda: answer(1.0))]
    if plan.rows_correlation:
        detail = f"at correlation {plan.rows_correlation:g}"
        analyses.append(
            ask(
                question("sample-size-clustered", detail),
                lambda: answer(design_effect(sizes, plan.rows_correlation)),
            )
        )
    return Outcome(name=plan.name, kind="sample_size", analyses=tuple(analyses))
