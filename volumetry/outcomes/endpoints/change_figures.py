"""Figures of the classes of volume change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from volumetry.outcomes.analysis import Context, Drawing
from volumetry.outcomes.endpoints.judged_changes import change_limits, error_word, log_errors, verdicts
from volumetry.outcomes.endpoints.number_endpoint import paired_drawing
from volumetry.outcomes.inputs.lesion_volumes import CLASSES, UnitVolume, change_rule, three_classes
from volumetry.outcomes.plan import Change, file_name

NAN = float("nan")
Evaluable = Sequence[UnitVolume | None]


def change_drawings(context: Context, endpoint: Change) -> tuple[Drawing, ...]:
    """Return waterfall, responder bars and paired lines of the evaluable rows; none if there are none."""
    slug = context.drawing_name(file_name(endpoint.name))
    volumes = [v if v.category != "not_evaluable" else None for v in context.cohort.volumes]
    if not any(volumes):
        return ()
    rule = change_rule(context.plan.volumes)
    band = (-rule.decrease_percent, rule.threshold_percent)
    limits = f"{band[0]:g} % and +{band[1]:g} %"
    frame = context.frame(
        {
            "baseline": [NAN if v is None or v.baseline_cm3 is None else v.baseline_cm3 for v in volumes],
            "value": [NAN if v is None or v.followup_cm3 is None else v.followup_cm3 for v in volumes],
        }
    )
    return (
        Drawing(
            name=f"{slug}-waterfall",
            caption=f"Change of volume of each row in percent of its baseline; band: no change ({limits}). "
            "Rows with baseline 0 have no percentage and are not drawn. With an [error] section in the plan, "
            "lines are the middle 95 % of what a change measured again would be, and pale bars lie within "
            "the error: neither a change nor its absence is shown. Visits of hatched bars are not "
            "comparable. Where the error of a change is not known (error-unknown) the figure says so.",
            draw=lambda: _waterfall(context, volumes, band),
        ),
        Drawing(
            name=f"{slug}-responders",
            caption=f"Classes of volume change ({limits}), with counts.",
            draw=lambda: _responders(context, volumes, band),
        ),
        paired_drawing(context, "lesion volume", frame, "cm3"),
    )


def _waterfall(context: Context, volumes: Evaluable, band: tuple[float, float]) -> Any:
    from volumetry.figures.statistics_figures import draw_waterfall

    judged = zip(verdicts(context), log_errors(context), strict=True)
    known = [
        (volume.percent, group, change_limits(volume.percent, error), verdict)
        for volume, group, (verdict, error) in zip(volumes, context.cohort.group, judged, strict=True)
        if volume is not None and volume.percent is not None
    ]
    return draw_waterfall(
        [percent for percent, _, _, _ in known],
        [group for _, group, _, _ in known],
        band=band,
        labels=context.cohort.labels,
        unit=context.plan.volumes.unit,
        intervals=[interval for _, _, interval, _ in known],
        within_error=[verdict == "within_error" for *_, verdict in known],
        not_comparable=[verdict == "not_evaluable" for *_, verdict in known],
        note=_error_note(context),
    )


def _error_note(context: Context) -> str:
    word = error_word(context)
    if "error-unknown" not in word:
        return ""
    return word.replace("error-unknown", "error of measurement unknown").replace(" for", "\nfor")


def _responders(context: Context, volumes: Evaluable, band: tuple[float, float]) -> Any:
    from volumetry.figures.statistics_figures import draw_responders

    counts: dict[str, list[int]] = {}
    for label in context.cohort.labels:
        own = [
            three_classes(volume.category)
            for volume, group in zip(volumes, context.cohort.group, strict=True)
            if group == label and volume is not None
        ]
        counts[label] = [own.count(name) for name in CLASSES]
    shown = tuple(name.replace("_", " ") for name in CLASSES)
    return draw_responders(counts, classes=shown, band=band, unit=context.plan.volumes.unit)
