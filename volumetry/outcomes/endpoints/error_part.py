"""What the error of measurement does to the classes of change and to the conclusion drawn from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.change import ChangeRule, threshold_category
from volumetry.codes import FLAGS
from volumetry.error_model import ChangeWorth, ReadingError, judge_change
from volumetry.outcomes.analysis import Context, Drawing, Tidy
from volumetry.outcomes.inputs.lesion_volumes import CLASSES, UnitVolume, change_rule, three_classes
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
        Tidy(name="changes-with-error", rows=tuple(_change_rows(context, endpoint.name))),
        Tidy(name="conclusion", rows=tuple(conclusion)),
    )


def error_notes(context: Context) -> tuple[str, ...]:
    """Say where the error of the plan is that of other readers, or of volumes by another height rule."""
    error = context.cohort.inputs.reading_error
    if context.plan.error is None or error is None:
        return ()
    rows = [row for row in context.cohort.inputs.measurements if row.get("volume_mm3") is not None]
    readers, rules = ({str(row.get(name) or "") for row in rows} for name in ("reader", "height_rule"))
    flags = error.is_of_others(readers, rules)
    return tuple(f"{FLAGS[flag]} ({context.plan.error.repeatability})" for flag in flags)


def error_drawings(context: Context, endpoint: Change, tables: Sequence[Tidy]) -> tuple[Drawing, ...]:
    """Return one figure of the conclusion under every other choice and under the error."""
    rows = next((table.rows for table in tables if table.name == "conclusion"), ())
    known = [row for row in rows if row["odds_ratio"] is not None]
    if not known:
        return ()
    name = f"{context.drawing_name(file_name(endpoint.name))}-conclusion"
    return (
        Drawing(
            name=name,
            caption="Odds ratio of a higher class (increase, no change, decrease), clustered on the "
            "patient, under other thresholds, height rules and readers, and under the error of measurement: "
            "there the median and the middle 95 % of simulations.",
            draw=lambda: _forest(context, known),
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


def judged_changes(context: Context) -> list[ChangeWorth | None]:
    """Return what the change of each row is worth; None where it or the error is not known.

    Rows of several lesions are judged by the error of reading alone: that of slicing is known of one lesion.
    """
    error = context.cohort.inputs.reading_error
    if context.plan.error is None or error is None:
        return [None] * len(context.cohort.volumes)
    slicing, rule = _slicing_percents(context), change_rule(context.plan.volumes)
    return [
        _judged(volume, error, slicing.get(row, (0.0, 0.0)), rule)
        for row, volume in enumerate(context.cohort.volumes)
    ]


def _judged(
    volume: UnitVolume, error: ReadingError, slicing: tuple[float, float], rule: ChangeRule
) -> ChangeWorth | None:
    first, second = volume.baseline_cm3, volume.followup_cm3
    if not first or not second:
        return None
    return judge_change(
        1000 * first,
        1000 * second,
        sampling_error_percent=slicing,
        reading_error=error,
        change_rule=rule,
        category=None if three_classes(volume.category) is not None else "not_evaluable",
    )


def log_errors(context: Context) -> list[float | None]:
    """Return the standard deviation of the logarithm of each row's ratio of volumes; None where not known."""
    return [
        None
        if worth is None or worth.change_error_percent is None
        else math.sqrt(math.log1p((worth.change_error_percent / 100) ** 2))
        for worth in judged_changes(context)
    ]


def change_limits(percent: float, log_error: float | None) -> tuple[float, float] | None:
    """Return the change at 1.96 standard deviations of the logarithm of the ratio to either side."""
    if log_error is None:
        return None
    ratio, spread = 1 + percent / 100, math.exp(1.96 * log_error)
    return 100 * (ratio / spread - 1), 100 * (ratio * spread - 1)


def _change_rows(context: Context, name: str) -> Iterator[dict[str, Any]]:
    """A row for each evaluable change with a percentage, as the waterfall draws it."""
    cohort = context.cohort
    judged = zip(judged_changes(context), log_errors(context), strict=True)
    rows = zip(cohort.keys, cohort.group, cohort.volumes, judged, strict=True)
    for key, group, volume, (worth, log_error) in rows:
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
            "verdict": None if worth is None else worth.verdict,
        }


def _slicing_percents(context: Context) -> dict[int, tuple[float, float]]:
    """Errors of slicing of the rows that are one lesion, where the plan names ``measurements.csv``."""
    reads: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in context.cohort.inputs.measurements:
        percent = row.get("sampling_error_percent")
        if percent is not None:
            key = (str(row["patient"]), str(row["side"] or ""), str(row["lesion"] or ""))
            reads.setdefault(key, {})[str(row["visit"] or "")] = float(percent)
    found: dict[tuple[str, str], tuple[float, float]] = {}
    several: set[tuple[str, str]] = set()
    for change in context.cohort.changes:
        unit = (str(change["patient"]), str(change["side"] or ""))
        visits = reads.get((*unit, str(change["lesion"] or "")), {})
        pair = (
            visits.get(str(change["baseline_visit"] or "")),
            visits.get(str(change["followup_visit"] or "")),
        )
        if unit in found:
            several.add(unit)
        if pair[0] is not None and pair[1] is not None:
            found[unit] = (pair[0], pair[1])
    by_row = {row: tuple(str(v or "") for v in key[:2]) for row, key in enumerate(context.cohort.keys)}
    return {row: found[unit] for row, unit in by_row.items() if unit in found and unit not in several}


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
            }
        )
    return found


def _under_error(context: Context, simulated: Sequence[Classes], compare: Comparison) -> dict[str, Any]:
    ratios, below = [], []
    for classes in simulated[:_MODEL_RUNS]:
        result = compare(context, classes)
        if result is not None and result.estimate is not None:
            ratios.append(result.estimate.value)
            below.append(result.p_value is not None and result.p_value < 0.05)
    known = bool(ratios)
    low, high = (float(v) for v in np.percentile(ratios, (2.5, 97.5))) if known else (None, None)
    return {
        "choice": "measured once more, with its error",
        "odds_ratio": float(np.median(ratios)) if known else None,
        "low": low,
        "high": high,
        "p_value": None,
        "share_below_5_percent": float(np.mean(below)) if known else None,
    }


def _forest(context: Context, rows: Sequence[Mapping[str, Any]]) -> Any:
    from volumetry.figures.forest_figure import ForestRow, draw_forest

    return draw_forest(
        [
            ForestRow(
                endpoint="higher class",
                what=row["choice"],
                value=row["odds_ratio"],
                low=row["low"],
                high=row["high"],
                better="less",
            )
            for row in rows
        ],
        labels=context.cohort.labels,
    )
