"""Figures of a time-to-event endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from volumetry.outcomes.analysis import Analysis, Context, Drawing
from volumetry.outcomes.plan import TimeToEvent, file_name

LEAST_EVENTS = 8
"""With fewer, residuals show nothing."""


def time_drawings(
    context: Context, endpoint: TimeToEvent, analyses: Sequence[Analysis]
) -> tuple[Drawing, ...]:
    """Return survival, cumulative curves and residuals, as far as they were estimated."""
    slug = context.drawing_name(file_name(endpoint.name))
    as_published = context.plan.study.figure_p == "published"
    role, p_id = ("published", "log-rank") if as_published else ("description", "log-rank-clustered")
    rows = (
        "rows as independent" if as_published else f"{'pairs' if context.pairs else 'patients'} as clusters"
    )
    interval = endpoint.published_interval if as_published else endpoint.interval
    survival = _curves(analyses, "survival-curves", role)
    p_value = _p(analyses, p_id)
    if not survival:
        return ()
    drawings = [
        Drawing(
            name=f"{slug}-survival",
            caption=f"Kaplan-Meier curves{context.among}: free of {endpoint.name}, {100 * context.level:g} % "
            f"{interval} intervals, ticks: censored rows. p: log-rank, {rows}.{_shown_until(endpoint)}",
            draw=lambda: _survival(endpoint, survival, p_value, falling=True),
        ),
        Drawing(
            name=f"{slug}-cumulative",
            caption=f"One minus Kaplan-Meier{context.among}: cumulative {endpoint.name}. p: log-rank, "
            f"{rows}. It overstates incidence where competing events are censored.{_shown_until(endpoint)}",
            draw=lambda: _survival(endpoint, survival, p_value, falling=False),
        ),
    ]
    incidence = _curves(analyses, "cumulative-incidence")
    if incidence:
        drawings.append(
            Drawing(
                name=f"{slug}-incidence",
                caption=f"Cumulative incidence (Aalen-Johansen) of {endpoint.name} and of "
                f"{endpoint.competing}, after which there can be none. p: Gray's test, rows as independent.",
                draw=lambda: _incidence(endpoint, incidence, _p(analyses, "gray-test")),
            )
        )
    residuals = _residuals(analyses)
    if residuals is not None:
        drawings.append(
            Drawing(
                name=f"{slug}-schoenfeld",
                caption="Scaled Schoenfeld residuals of the group: a level line is proportional hazards.",
                draw=lambda: _schoenfeld(endpoint, residuals),
            )
        )
    return tuple(drawings)


def _curves(analyses: Sequence[Analysis], asks: str, role: str = "description") -> tuple[Any, ...]:
    found = [
        a.result.details["curves"]
        for a in analyses
        if a.id == asks and a.role == role and a.result is not None
    ]
    return tuple(found[0]) if found else ()


def _p(analyses: Sequence[Analysis], asks: str) -> float | None:
    return next((a.result.p_value for a in analyses if a.id == asks and a.result is not None), None)


def _residuals(analyses: Sequence[Analysis]) -> Any:
    asks = "proportional-hazards"
    found = [a.result.details["schoenfeld"] for a in analyses if a.id == asks and a.result is not None]
    return found[0] if found and len(found[0].times) >= LEAST_EVENTS else None


def _survival(endpoint: TimeToEvent, curves: tuple[Any, ...], p_value: float | None, *, falling: bool) -> Any:
    from volumetry.figures.survival_figures import AxisLimits, draw_survival

    return draw_survival(
        curves,
        event=endpoint.name,
        unit=endpoint.unit,
        p_value=p_value,
        falling=falling,
        limits=AxisLimits(time=endpoint.axis_end, percent=None if falling else endpoint.axis_percent),
    )


def _incidence(endpoint: TimeToEvent, curves: tuple[Any, ...], p_value: float | None) -> Any:
    from volumetry.figures.survival_figures import AxisLimits, draw_incidence

    limits = AxisLimits(time=endpoint.axis_end, percent=endpoint.axis_percent)
    return draw_incidence(curves, unit=endpoint.unit, p_value=p_value, limits=limits)


def _schoenfeld(endpoint: TimeToEvent, residuals: Any) -> Any:
    from volumetry.figures.survival_figures import draw_schoenfeld

    return draw_schoenfeld(
        residuals.times, residuals.values[:, 0], unit=endpoint.unit, label="log hazard ratio"
    )


def _shown_until(endpoint: TimeToEvent) -> str:
    end = endpoint.axis_end
    return "" if end is None else f" The axis ends at {end:g} {endpoint.unit}; the analysis does not."
