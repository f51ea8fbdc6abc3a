"""Curves of time to an event, with the numbers at risk below them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from volumetry.figures.statistics_style import (
    FIRST,
    INK,
    canvas,
    colour_of,
    dashes_of,
    format_p,
    sentence,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from volumetry.statistics.time.competing_risks import IncidenceCurve
    from volumetry.statistics.time.survival import SurvivalCurve

#: A new figure, or the axes that were given.
Drawn = Any

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class AxisLimits:
    """Where the axes of curves end; None: at the last follow-up, at what the curves reach.

    Attributes
    ----------
    time : float or None
        End of the time axis, in the curves' unit.
    percent : float or None
        Top of the axis of shares.
    """

    time: float | None = None
    percent: float | None = None


def draw_survival(
    curves: Sequence[SurvivalCurve],
    *,
    event: str,
    unit: str,
    p_value: float | None,
    falling: bool = True,
    limits: AxisLimits = AxisLimits(),
    ax: Axes | None = None,
) -> Drawn:
    """Draw Kaplan-Meier curves, or one minus them, with intervals, censoring ticks and numbers at risk.

    Into `ax` if axes are given, which are then returned.

    Parameters
    ----------
    curves : sequence of SurvivalCurve
    event : str
        What the curves are free of.
    unit : str
        Of time.
    p_value : float or None
    falling : bool
        Survival; False: cumulative share with the event.
    limits : AxisLimits
    """
    figure = canvas(62 + 4 * len(curves), ax)
    axes, table = _panels(figure, len(curves))
    for place, curve in enumerate(curves):
        values = [curve.survival, curve.ci_low, curve.ci_high]
        shown = values if falling else [1 - v for v in values]
        _steps(axes, curve.times, shown, 1.0 if falling else 0.0, place, curve.label)
        _ticks(axes, curve, shown[0], place)
    text = f"Free of {event} (%)" if falling else f"Cumulative {event} (%)"
    _finish(axes, curves, text, unit, p_value, limits)
    axes.legend(loc="lower left" if falling else "upper left", handlelength=2.6)
    _at_risk(axes, table, [(c.label, c.numbers_at_risk) for c in curves])
    return figure if ax is None else ax


def draw_incidence(
    curves: Sequence[IncidenceCurve],
    *,
    unit: str,
    p_value: float | None,
    limits: AxisLimits = AxisLimits(),
    ax: Axes | None = None,
) -> Drawn:
    """Draw cumulative incidence by cause and group: a colour per group, a panel per cause.

    Into `ax` if axes are given, which are then returned.
    """
    causes = list(dict.fromkeys(curve.cause for curve in curves))
    labels = list(dict.fromkeys(curve.label for curve in curves))
    figure = canvas(38 * len(causes) + 16 + 4 * len(labels), ax)
    ratios = [1.0] * len(causes) + [0.11 * len(labels) + 0.1]
    panels = figure.subplots(len(causes) + 1, 1, gridspec_kw={"height_ratios": ratios})
    highest = max(float(np.nanmax(curve.incidence)) for curve in curves)
    end = max(float(curve.times[-1]) for curve in curves)
    for row, cause in enumerate(causes):
        axes = panels[row]
        own = [curve for curve in curves if curve.cause == cause]
        for curve in own:
            values = [curve.incidence, curve.ci_low, curve.ci_high]
            _steps(axes, curve.times, values, 0.0, labels.index(curve.label), curve.label)
        axes.set_ylabel(wrapped(f"{sentence(cause)} (%)", 22))
        axes.set_xlim(0, end if limits.time is None else limits.time)
        axes.set_ylim(0, limits.percent or min(100.0, 100 * highest * 1.35 + 1))
        if row == 0:
            axes.legend(loc="upper left", handlelength=2.6)
            axes.set_title(format_p(p_value), loc="right")
    panels[len(causes) - 1].set_xlabel(f"Time ({unit})")
    at_risk = [(c.label, _incidence_at_risk(c)) for c in curves if c.cause == causes[0]]
    _at_risk(panels[len(causes) - 1], panels[-1], at_risk)
    return figure if ax is None else ax


def draw_schoenfeld(times: Values, values: Values, *, unit: str, label: str, ax: Axes | None = None) -> Drawn:
    """Draw scaled Schoenfeld residuals over time with a running mean: level is proportional hazards.

    Into `ax` if axes are given, which are then returned.
    """
    figure = canvas(55, ax)
    axes = figure.subplots()
    axes.plot(times, values, "o", ms=2.2, color=FIRST, alpha=0.6, mew=0)
    if len(times) >= 8:
        window = max(5, len(times) // 4)
        order = np.argsort(times, kind="stable")
        smooth = np.convolve(values[order], np.ones(window) / window, mode="valid")
        centre = np.convolve(times[order], np.ones(window) / window, mode="valid")
        axes.plot(centre, smooth, color=INK, label=f"running mean of {window} events")
        axes.legend(loc="best")
    axes.axhline(float(values.mean()), color=INK, lw=0.7, ls=(0, (4, 2)))
    axes.set_xlabel(f"Time ({unit})")
    axes.set_ylabel(wrapped(f"Residual + {label}"))
    return figure if ax is None else ax


def _panels(figure: Figure, n_groups: int) -> tuple[Axes, Axes]:
    panels = figure.subplots(2, 1, gridspec_kw={"height_ratios": [1, 0.09 * n_groups + 0.06]})
    return panels[0], panels[1]


def _steps(axes: Axes, times: Values, values: Sequence[Values], start: float, place: int, label: str) -> None:
    x = np.concatenate([[0.0], times])
    estimate, low, high = (100 * np.concatenate([[start], v]) for v in values)
    axes.step(
        x, estimate, where="post", color=colour_of(place), ls=dashes_of(place), label=label, clip_on=True
    )
    known = ~(np.isnan(low) | np.isnan(high))
    if known.any():
        axes.fill_between(
            x, low, high, where=known.tolist(), step="post", color=colour_of(place), alpha=0.15, lw=0
        )


def _ticks(axes: Axes, curve: SurvivalCurve, values: Values, place: int) -> None:
    censored = curve.n_censored > 0
    axes.plot(curve.times[censored], 100 * values[censored], "|", color=colour_of(place), ms=3.5, mew=0.6)


def _finish(
    axes: Axes, curves: Sequence[Any], text: str, unit: str, p_value: float | None, limits: AxisLimits
) -> None:
    axes.set_ylim(0, limits.percent or 101)
    last = max(float(curve.times[-1]) for curve in curves)
    axes.set_xlim(0, last * 1.01 if limits.time is None else limits.time)
    axes.set_ylabel(wrapped(text))
    axes.set_xlabel(f"Time ({unit})")
    axes.set_title(format_p(p_value), loc="right")


def _at_risk(axes: Axes, table: Axes, groups: Sequence[tuple[str, Any]]) -> None:
    """Write the numbers at risk below the ticks of the curves' time axis."""
    low, high = axes.get_xlim()
    ticks = [t for t in axes.get_xticks() if low <= t <= high]
    table.set_xlim(low, high)
    table.set_ylim(len(groups) - 0.5, -0.5)
    for place, (_, at_risk) in enumerate(groups):
        for tick, number in zip(ticks, at_risk(ticks), strict=True):
            table.text(tick, place, f"{number:.0f}", ha="center", va="center", fontsize=6.5)
    table.set_yticks(range(len(groups)), [label for label, _ in groups])
    table.set_xticks([])
    table.tick_params(length=0, pad=9)
    table.set_title("Number at risk", loc="left", fontsize=6.5)
    for spine in table.spines.values():
        spine.set_visible(False)


def _incidence_at_risk(curve: IncidenceCurve) -> Any:
    def numbers(times: Sequence[float]) -> Values:
        index = np.searchsorted(curve.times, np.asarray(times) - math.sqrt(np.finfo(float).eps))
        return np.append(curve.n_at_risk, 0.0)[index]

    return numbers
