"""Published studies beside the study's own row: a table, and a plot of the outcome that they share.

Nothing is pooled: that needs a systematic search, and a model of why studies differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from volumetry.errors import UsageError
from volumetry.outcomes.analysis import Context, Drawing, Outcome, Tidy
from volumetry.outcomes.inputs.source_table import SourceTable
from volumetry.outcomes.plan import LiteraturePlan

OWN = "present study"


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One arm of one study.

    Attributes
    ----------
    study, arm : str
    events, n : int or None
        None where they are not printed and no count gives the printed percentage.
    percent : float or None
    note : str
    """

    study: str
    arm: str
    events: int | None
    n: int | None
    percent: float | None
    note: str = ""


def describe_literature(context: Context, plan: LiteraturePlan) -> Outcome:
    """Return the table of published studies with the study's own row, and its plot."""
    table = context.cohort.inputs.literature
    if table is None:
        return Outcome(name="Literature", kind="literature")
    rows: list[dict[str, Any]] = []
    arms: list[Arm] = []
    for row in range(table.n_rows):
        arm = _published_arm(table, plan, row)
        arms.append(arm)
        rows.append(_row(plan, arm, {name: table.columns[name][row] or "" for name in plan.show}, context))
    for arm in _own_arms(context, plan):
        arms.append(arm)
        rows.append(_row(plan, arm, dict(plan.own or {}), context))
    return Outcome(
        name="Literature",
        kind="literature",
        population=context.population,
        tables=(Tidy(name="literature", rows=tuple(rows)),),
        drawings=(_drawing(context, plan, rows),),
        notes=tuple(f"{arm.study}: {arm.note}" for arm in arms if arm.note),
    )


def _published_arm(table: SourceTable, plan: LiteraturePlan, row: int) -> Arm:
    def number(name: str) -> float | None:
        return table.numbers(name)[row] if name else None

    events, n, percent = number(plan.events), number(plan.n), number(plan.percent)
    line = table.lines[row]
    for value, name in ((events, plan.events), (n, plan.n)):
        if value is not None and (value < 0 or value != int(value)):
            raise UsageError(
                "invalid-table", f"{name} is no count", where=table.name,
                values={"line": line, "cell": value},
                todo="Write a whole number.",
            )  # fmt: skip
    if events is not None and n is not None and events > n:
        raise UsageError(
            "invalid-table", "a study has more events than rows", where=table.name,
            values={"line": line, "events": events, "n": n}, todo="Correct the row.",
        )  # fmt: skip
    if percent is not None and not 0 <= percent <= 100:
        raise UsageError(
            "invalid-table", f"{plan.percent} is no percentage", where=table.name,
            values={"line": line, "cell": percent}, todo="Write a number from 0 to 100.",
        )  # fmt: skip
    note = ""
    if n and percent is not None:
        cell = table.text(plan.percent)[row] or ""
        printed = f"{percent:.{table.decimals(plan.percent, cell)}f}"
        if events is None:
            events, note = _count_behind(printed, int(n))
        else:
            note = _contradiction(printed, int(events), int(n))
    return Arm(
        study=table.columns[plan.study][row] or "",
        arm=(table.columns[plan.arm][row] or "") if plan.arm else "",
        events=None if events is None else int(events),
        n=None if n is None else int(n),
        percent=100 * events / n if events is not None and n else percent,
        note=note,
    )


def _count_behind(printed: str, n: int) -> tuple[float | None, str]:
    """Return the count that rounds to a printed percentage, where there is exactly one."""
    from volumetry.statistics.audit.checks import grim_counts

    fitting = grim_counts(printed, n)
    if len(fitting) == 1:
        return fitting[0], f"count {fitting[0]} computed from {printed} % of {n}"
    many = "no count" if not fitting else "several counts"
    return None, f"{many} of {n} gives the printed {printed} %; it has no interval"


def _contradiction(printed: str, events: int, n: int) -> str:
    """Say where a printed percentage is not that of the printed count; empty where it is."""
    from volumetry.statistics.audit.checks import audit_percentage

    finding = audit_percentage("", events, n, printed)
    if finding.verdict == "consistent":
        return ""
    return f"{events} of {n} are {finding.recomputed:.4g} %, not the printed {printed} %; the count is shown"


def _own_arms(context: Context, plan: LiteraturePlan) -> list[Arm]:
    endpoint = next(entry for entry in context.plan.binary if entry.name == plan.endpoint)
    own = context.per_unit(endpoint.per, endpoint.column)
    values = own.cohort.table.events(endpoint.column)
    arms = []
    for label in own.cohort.labels:
        known = [
            v for v, group in zip(values, own.cohort.group, strict=True) if group == label and v is not None
        ]
        share = 100 * sum(known) / len(known) if known else None
        arms.append(Arm(study=OWN, arm=label, events=sum(known), n=len(known), percent=share))
    return arms


def _row(plan: LiteraturePlan, arm: Arm, cells: dict[str, str], context: Context) -> dict[str, Any]:
    from volumetry.statistics.groups.proportions import proportion

    low = high = None
    if arm.events is not None and arm.n:
        estimate = proportion(arm.events, arm.n, level=context.level).estimate
        low, high = estimate.ci_low, estimate.ci_high
    return {
        "study": arm.study,
        "arm": arm.arm,
        **{name: cells.get(name, "") for name in plan.show},
        "outcome": plan.outcome,
        "events": arm.events,
        "n": arm.n,
        "percent": arm.percent,
        "ci_low_percent": None if low is None else 100 * low,
        "ci_high_percent": None if high is None else 100 * high,
        "own": arm.study == OWN,
    }


def _drawing(context: Context, plan: LiteraturePlan, rows: Sequence[dict[str, Any]]) -> Drawing:
    def draw() -> Any:
        from volumetry.figures.literature_figure import StudyRow, draw_studies

        shown = [
            StudyRow(
                label=f"{row['study']}, {row['arm']}" if row["arm"] else row["study"],
                counts="" if row["events"] is None else f"{row['events']}/{row['n']}",
                percent=row["percent"],
                low=row["ci_low_percent"],
                high=row["ci_high_percent"],
                own=row["own"],
            )
            for row in rows
            if row["percent"] is not None
        ]
        return draw_studies(shown, outcome=plan.outcome)

    return Drawing(
        name="literature",
        caption=f"{plan.outcome}: published shares and those of this study, with Wilson's "
        f"{100 * context.level:g} % intervals of rows as independent. Studies differ in whom they treated "
        "and how long they followed them; nothing is pooled.",
        draw=draw,
    )
