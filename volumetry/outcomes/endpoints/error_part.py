"""What the error of measurement does to the classes of change and to the conclusion drawn from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.change import threshold_category
from volumetry.codes import FLAGS
from volumetry.outcomes.analysis import Context, Drawing, Tidy
from volumetry.outcomes.endpoints.judged_changes import change_limits, judging_notes, log_errors, verdicts
from volumetry.outcomes.inputs.lesion_volumes import CLASSES, change_rule, three_classes
from volumetry.outcomes.plan import Change, ErrorPlan, file_name
from volumetry.statistics.result import StatisticResult

Classes = list[str | None]
Comparison = Callable[[Context, Sequence[str | None]], StatisticResult | None]

_MODEL_RUNS = 25
"""Simulations in which the ordered model is fitted; it takes most of the time."""


def error_tables(
    context: Context, endpoint: Change, sensitivity: Sequence[Mapping[str, Any]], compare: Comparison
) -> tuple[Tidy, ...]:
    """Return the responder table with its uncertainty, and what the conclusion depends on.

    `compare` is the ordered model of given classes.
    """
    plan, error = context.plan.error, context.cohort.inputs.reading_error
    if plan is None or error is None or context.population != "all":
        return ()
    simulated = simulated_classes(context, plan)
    rows = _responder_rows(context, endpoint.name, simulated)
    conclusion = [*_choices(sensitivity), _under_error(context, simulated, compare)]
    return (
        Tidy(name="responders-with-error", rows=tuple(rows)),
        Tidy(name="changes-with-error", rows=tuple(change_rows(context, endpoint.name))),
        Tidy(name="conclusion", rows=tuple(conclusion)),
    )


def error_notes(context: Context) -> tuple[str, ...]:
    """Say where the error of the plan is that of other readers or rules, or lacks a part."""
    error = context.cohort.inputs.reading_error
    if context.plan.error is None or error is None:
        return tuple(_unknown_notes(context))
    rows = [row for row in context.cohort.inputs.measurements if row.get("volume_mm3") is not None]
    readers, rules, sites = (
        {str(row.get(name) or "") for row in rows} for name in ("reader", "height_rule", "site")
    )
    flags = error.is_of_others(readers, rules, sites)
    of_others = (f"{FLAGS[flag]} ({context.plan.error.repeatability})" for flag in flags)
    return (*of_others, *judging_notes(context))


def _unknown_notes(context: Context) -> Iterator[str]:
    """Say of how many changes nobody knows the error, so that no class says what it is worth."""
    changes = context.cohort.changes
    unknown = sum("error-unknown" in str(row.get("flags") or "").split(";") for row in changes)
    if unknown:
        yield (
            f"error-unknown: the error of measurement of {unknown} of {len(changes)} changes is not known, "
            "so nothing says whether their classes lie within it; repeat some reads (volumetry agreement)"
        )


def error_drawings(context: Context, endpoint: Change, tables: Sequence[Tidy]) -> tuple[Drawing, ...]:
    """Return one figure of the conclusion under every other choice and under the error."""
    rows = next((table.rows for table in tables if table.name == "conclusion"), ())
    if all(row["odds_ratio"] is None for row in rows):
        return ()
    runs = next((row["simulations"] for row in rows if row["simulations"] is not None), 0)
    name = f"{context.drawing_name(file_name(endpoint.name))}-conclusion"
    return (
        Drawing(
            name=name,
            caption="Odds ratio of a higher class (increase, no change, decrease), clustered on the "
            "patient, under other thresholds, height rules and readers, and under the error of measurement: "
            f"there the median, the lowest and the highest of {runs} simulations, dotted, since they are no "
            "confidence limits. A choice whose model cannot be fitted is not estimable.",
            draw=lambda: _forest(context, rows),
        ),
    )


def simulated_classes(context: Context, plan: ErrorPlan) -> list[Classes]:
    """Return the classes of all rows in every simulation: each change is measured once more, with its error.

    The logarithm of the ratio of volumes is drawn about the measured one with the standard deviation of the
    change. Rows without a percentage keep their class.
    """
    rule = change_rule(context.plan.volumes)
    volumes = context.cohort.volumes
    classes: Classes = [three_classes(volume.category) for volume in volumes]
    rng = np.random.default_rng(plan.seed)
    draws: dict[int, NDArray[np.float64]] = {}
    for row, sd in enumerate(log_errors(context)):
        if sd is not None and classes[row] is not None:
            draws[row] = np.exp(sd * rng.standard_normal(plan.simulations))
    found = []
    for run in range(plan.simulations):
        again = list(classes)
        for row, factors in draws.items():
            first, second = volumes[row].baseline_cm3, volumes[row].followup_cm3
            assert first is not None
            assert second is not None
            again[row] = three_classes(threshold_category(first, second * float(factors[run]), rule))
        found.append(again)
    return found


def change_rows(context: Context, name: str) -> Iterator[dict[str, Any]]:
    """Yield a row for each evaluable change with a percentage, as the waterfall draws it."""
    cohort = context.cohort
    judged = zip(verdicts(context), log_errors(context), strict=True)
    rows = zip(cohort.keys, cohort.group, cohort.volumes, judged, strict=True)
    for key, group, volume, (verdict, log_error) in rows:
        if volume.percent is None or volume.category == "not_evaluable":
            continue
        low, high = change_limits(volume.percent, log_error) or (None, None)
        yield {
            "endpoint": name,
            "unit": " ".join(str(part) for part in key if part),
            "group": group,
            "change_percent": volume.percent,
            "low": low,
            "high": high,
            "class": three_classes(volume.category),
            "verdict": verdict,
        }


def _responder_rows(context: Context, name: str, simulated: Sequence[Classes]) -> list[dict[str, Any]]:
    observed: Classes = [three_classes(volume.category) for volume in context.cohort.volumes]
    rows = []
    for label in context.cohort.labels:
        own = [row for row, group in enumerate(context.cohort.group) if group == label]
        changing = [sum(again[row] != observed[row] for row in own) for again in simulated]
        for cls in CLASSES:
            counts = np.array([sum(again[row] == cls for row in own) for again in simulated])
            low, high = (float(v) for v in np.percentile(counts, (2.5, 97.5)))
            rows.append(
                {
                    "endpoint": name,
                    "population": context.population,
                    "group": label,
                    "class": cls,
                    "n_observed": sum(observed[row] == cls for row in own),
                    "n_mean": float(counts.mean()),
                    "n_low": low,
                    "n_high": high,
                    "n_changing_class": float(np.mean(changing)),
                    "n_evaluable": sum(observed[row] is not None for row in own),
                    "simulations": len(simulated),
                }
            )
    return rows


def _choices(sensitivity: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the sensitivity analysis, each named by what it changes."""
    found = []
    for row in sensitivity:
        words = [f"threshold {row['threshold_percent']:g} %"]
        if row["height_rule"] != "as measured":
            words.append(f"by {row['height_rule']}")
        if row["reader"]:
            words.append(f"reader {row['reader']}")
        if not row["guards"]:
            words.append("without checks")
        found.append(
            {
                "choice": ", ".join(words),
                "odds_ratio": row["odds_ratio_clustered"],
                "low": row["ci_low"],
                "high": row["ci_high"],
                "p_value": row["p_clustered"],
                "share_below_5_percent": None,
                "simulations": None,
                "reason": row["reason"] if row["odds_ratio_clustered"] is None else None,
            }
        )
    return found


def _under_error(context: Context, simulated: Sequence[Classes], compare: Comparison) -> dict[str, Any]:
    ratios, below, runs = [], [], simulated[:_MODEL_RUNS]
    for classes in runs:
        result = compare(context, classes)
        if result is not None and result.estimate is not None:
            ratios.append(result.estimate.value)
            below.append(result.p_value is not None and result.p_value < 0.05)
    known = bool(ratios)
    # Of so few runs the middle 95 % would be these two in any case.
    low, high = (float(min(ratios)), float(max(ratios))) if known else (None, None)
    return {
        "choice": "measured once more, with its error",
        "odds_ratio": float(np.median(ratios)) if known else None,
        "low": low,
        "high": high,
        "p_value": None,
        "share_below_5_percent": float(np.mean(below)) if known else None,
        "simulations": len(ratios),
        "reason": None
        if len(ratios) == len(runs)
        else f"the ordered model cannot be fitted in {len(runs) - len(ratios)} of {len(runs)} simulations",
    }


def _runs_in_words(context: Context, row: Mapping[str, Any]) -> str:
    """How many runs a range is of, and how often the conclusion stood."""
    if not row["simulations"] or context.plan.error is None:
        return ""
    share = row.get("share_below_5_percent")
    stood = "" if share is None else f", p < 0.05 in {100 * share:.0f} %"
    return f" ({row['simulations']} of {min(_MODEL_RUNS, context.plan.error.simulations)} runs{stood})"


def _forest(context: Context, rows: Sequence[Mapping[str, Any]]) -> Any:
    from volumetry.figures.forest_figure import ForestRow, draw_forest

    return draw_forest(
        [
            ForestRow(
                endpoint="higher class",
                what=row["choice"] + _runs_in_words(context, row),
                is_range=row["simulations"] is not None,
                value=row["odds_ratio"],
                low=row["low"],
                high=row["high"],
                better="less",
            )
            for row in rows
        ],
        labels=context.cohort.labels,
    )
