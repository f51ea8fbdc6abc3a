"""Bars, waterfall, paired lines, responders, limits of agreement, and balance, one column wide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from volumetry.figures.statistics_style import (
    FIRST,
    INK,
    NEUTRAL,
    SECOND,
    canvas,
    colour_of,
    format_p,
    sentence,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from volumetry.statistics.result import Estimate, StatisticResult

#: A new figure, or the axes that were given.
Drawn = Any


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar: a share in percent with its interval and its counts."""

    label: str
    percent: float
    low: float
    high: float
    n_events: int
    n: int


def draw_bars(
    bars: Sequence[Bar],
    *,
    title: str,
    p_value: float | None,
    alpha: float = 0.05,
    level: float = 0.95,
    ax: Axes | None = None,
) -> Drawn:
    """Draw shares by group with intervals of `level`, and a bracket that says whether they differ.

    A star means p < `alpha`. Into `ax` if axes are given, which are then returned.
    """
    figure = canvas(62, ax)
    axes = figure.subplots()
    for place, bar in enumerate(bars):
        axes.bar(place, bar.percent, width=0.55, color=colour_of(place), alpha=0.85)
        error = [[max(0.0, bar.percent - bar.low)], [max(0.0, bar.high - bar.percent)]]
        axes.errorbar(place, bar.percent, yerr=error, color=INK, capsize=2.5, lw=0.8)
    axes.set_xticks(range(len(bars)), [f"{bar.label}\n{bar.n_events}/{bar.n}" for bar in bars])
    axes.set_xlim(-0.6, max(1, len(bars)) - 0.4)
    axes.set_ylabel(wrapped(f"{sentence(title)} (%), {100 * level:g} % interval"))
    top = max((bar.high for bar in bars), default=1.0)
    text = format_p(p_value)
    if len(bars) == 2 and text:
        height = top + 4
        axes.plot([0, 0, 1, 1], [height, height + 2, height + 2, height], color=INK, lw=0.7)
        mark = "* " if p_value is not None and p_value < alpha else ""
        axes.text(0.5, height + 3, f"{mark}{text}", ha="center", va="bottom")
        top = height + 12
    axes.set_ylim(0, top + 2)
    axes.set_yticks([tick for tick in axes.get_yticks() if tick <= 100])
    return figure if ax is None else ax


def draw_waterfall(
    percents: Sequence[float],
    groups: Sequence[str],
    *,
    band: tuple[float, float],
    labels: Sequence[str],
    unit: str,
    intervals: Sequence[tuple[float, float] | None] = (),
    within_error: Sequence[bool] = (),
    not_comparable: Sequence[bool] = (),
    note: str = "",
    ax: Axes | None = None,
) -> Drawn:
    """Draw the change of each row in percent, ordered, with the band of no change.

    Into `ax` if axes are given, which are then returned. `intervals` are the limits of each row's change
    under the error of measurement, in percent, where known; rows `within_error` are pale, those of visits
    that are `not_comparable` hatched. A `note` stands below.
    """
    sizes = {label: sum(group == label for group in groups) for label in labels}
    entries = {
        label: wrapped(f"{label} (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{n})", 46).replace(
            "\N{NO-BREAK SPACE}", " "
        )
        for label, n in sizes.items()
    }
    n_lines = 1 + sum(1 + text.count("\n") for text in entries.values())
    figure = canvas(54 + 3.2 * n_lines, ax)
    axes = figure.subplots()
    order = np.argsort(np.asarray(percents, dtype=float), kind="stable")[::-1]
    axes.axhspan(*band, color=NEUTRAL, alpha=0.35, lw=0, label=f"no change ({band[0]:g} to +{band[1]:g} %)")
    for place, label in enumerate(labels):
        own = [rank for rank, row in enumerate(order) if groups[row] == label]
        heights = [percents[order[rank]] for rank in own]
        axes.bar(own, heights, width=0.9, color=colour_of(place), label=entries[label])
    hatched = [rank for rank, row in enumerate(order) if not_comparable and not_comparable[row]]
    if hatched:
        heights = [percents[order[rank]] for rank in hatched]
        axes.bar(hatched, heights, width=0.9, facecolor="none", edgecolor="white", hatch="//////", lw=0)
    pale = [rank for rank, row in enumerate(order) if within_error and within_error[row]]
    if pale:
        axes.bar(pale, [percents[order[rank]] for rank in pale], width=0.9, color="white", alpha=0.65)
    limits = [(rank, intervals[row]) for rank, row in enumerate(order) if intervals and intervals[row]]
    _error_lines(axes, limits, len(order))
    axes.axhline(0, color=INK, lw=0.6)
    told = [f"pale: {len(pale)} within the error"] if pale else []
    told += [f"hatched: {len(hatched)} not comparable"] if hatched else []
    told += [note] if note else []
    within = "".join(f"\n{line}" for line in told)
    axes.set_xlabel(f"{sentence(unit)}s in order of change (n = {len(order)}){within}")
    axes.set_ylabel(
        "Change of lesion volume (%)" + ("\nlines: 95 % by error of measurement" if limits else "")
    )
    axes.set_xticks([])
    axes.set_xlim(-1, max(len(order), 1))
    figure.legend(loc="outside upper center", ncols=1)
    return figure if ax is None else ax


_MOST_LINES = 60
"""Rows up to which each has an error line of its own; of more the lines hide the bars."""


def _error_lines(axes: Axes, limits: Sequence[tuple[int, Any]], n: int) -> None:
    """Draw the limits of each row as a line across it, or of many rows as a step curve to either side."""
    if n <= _MOST_LINES:
        for rank, limit in limits:
            axes.plot([rank, rank], limit, color=INK, lw=0.5)
        return
    curves = np.full((n, 2), np.nan)
    for rank, limit in limits:
        curves[rank] = limit
    for place in range(2):
        axes.plot(np.arange(n), curves[:, place], color=INK, lw=0.6, drawstyle="steps-mid")


def draw_paired_lines(groups: Mapping[str, Any], *, label: str, ax: Axes | None = None) -> Drawn:
    """Draw a line per row from baseline to follow-up, a panel per group, the mean in bold.

    Into `ax` if axes are given, which are then returned.

    Parameters
    ----------
    groups : mapping of label to (n, 2) array
        Complete pairs.
    label : str
        Of the measure, with its unit.
    """
    figure = canvas(62, ax)
    panels = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    for place, (axes, (name, pairs)) in enumerate(zip(panels, groups.items(), strict=True)):
        values = np.asarray(pairs, dtype=float).reshape(-1, 2)
        for pair in values:
            axes.plot([0, 1], pair, color=colour_of(place), lw=0.5, alpha=0.45)
        if len(values):
            axes.plot([0, 1], values.mean(axis=0), "o-", color=INK, lw=1.8, ms=3.5)
        axes.set_xticks([0, 1], ["baseline", "follow-up"])
        axes.set_xlim(-0.25, 1.25)
        axes.set_title(f"{name}\nn = {len(values)}")
    panels[0].set_ylabel(wrapped(sentence(label)))
    return figure if ax is None else ax


def draw_responders(
    counts: Mapping[str, Sequence[int]],
    *,
    classes: Sequence[str],
    band: tuple[float, float],
    unit: str,
    ax: Axes | None = None,
) -> Drawn:
    """Draw the shares of the classes of change as a bar per group, with counts in them.

    Into `ax` if axes are given, which are then returned.
    """
    names = {name: wrapped(name, 20) for name in counts}
    n_lines = sum(text.count("\n") for text in names.values())
    figure = canvas(26 + 9 * len(counts) + 2 * n_lines, ax)
    axes = figure.subplots()
    colours = (FIRST, "#E6E6E6", SECOND)
    for row, numbers in enumerate(counts.values()):
        total = sum(numbers)
        left = 0.0
        for colour, number in zip(colours, numbers, strict=True):
            share = 100 * number / total if total else 0.0
            axes.barh(row, share, left=left, height=0.62, color=colour, edgecolor="white", lw=0.5)
            inside = share >= 2.5 * len(str(number))
            ink = "white" if inside and colour != colours[1] else INK
            height = row if inside else row - 0.42
            if number:
                # Beside a bar at an edge, clear of the axis.
                place = left + share / 2 if inside else min(max(left + share / 2, 2.0), 98.0)
                axes.text(place, height, str(number), ha="center", va="center", color=ink)
            left += share
    axes.set_yticks(range(len(counts)), [f"{names[name]}\n(n = {sum(n)})" for name, n in counts.items()])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel(f"Share of evaluable {unit}s (%)\nno change: {band[0]:g} to +{band[1]:g} %")
    from matplotlib.patches import Patch

    handles = [Patch(facecolor=c, label=name) for c, name in zip(colours, classes, strict=True)]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, handlelength=1.2)
    return figure if ax is None else ax


def draw_bland_altman(
    result: StatisticResult, *, unit: str, mean_unit: str, contrast: str, ax: Axes | None = None
) -> Drawn:
    """Draw differences against means, with bias, limits of agreement and the intervals of all three.

    Into `ax` if axes are given, which are then returned.
    """
    figure = canvas(64, ax)
    axes = figure.subplots()
    means, differences = (np.asarray(result.details[name]) for name in ("means", "differences"))
    axes.plot(means, differences, "o", ms=2.4, color=FIRST, alpha=0.55, mew=0)
    for name, dash in (("bias", "-"), ("lower limit", (0, (4, 2))), ("upper limit", (0, (4, 2)))):
        _limit_line(axes, result[name], name, dash, unit)
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlabel(sentence(f"Mean of both ({mean_unit})"))
    axes.set_ylabel(wrapped(sentence(f"{contrast} ({unit})")))
    return figure if ax is None else ax


def _limit_line(axes: Axes, estimate: Estimate, name: str, dash: Any, unit: str) -> None:
    axes.axhline(estimate.value, color=INK, lw=0.8, ls=dash)
    if estimate.ci_low is not None and estimate.ci_high is not None:
        axes.axhspan(estimate.ci_low, estimate.ci_high, color=NEUTRAL, alpha=0.3, lw=0)
    digits = 0 if abs(estimate.value) >= 100 else 1 if abs(estimate.value) >= 10 else 2
    number = (
        f"{estimate.value:.{digits}f}".replace("-", "\u2212")
        if abs(estimate.value) >= 0.1
        else (f"{estimate.value:.3g}".replace("-", "\u2212"))
    )
    text = sentence(f"{name}\n{number} {unit}")
    axes.annotate(
        text, (1.0, estimate.value), xycoords=("axes fraction", "data"), xytext=(2, 0),
        textcoords="offset points", va="center", ha="left", fontsize=6, annotation_clip=False,
    )  # fmt: skip


def draw_love_plot(
    names: Sequence[str],
    before: Sequence[float | None],
    after: Sequence[float | None],
    *,
    ax: Axes | None = None,
) -> Drawn:
    """Draw standardised differences before and after matching, with lines at 0.1.

    Into `ax` if axes are given, which are then returned.
    """
    figure = canvas(24 + 5 * len(names), ax)
    axes = figure.subplots()
    rows = np.arange(len(names))
    for values, marker, fill, label in ((before, "o", "none", "before"), (after, "D", "full", "after")):
        known = [(v, r) for v, r in zip(values, rows, strict=True) if v is not None]
        colour = FIRST if fill == "full" else SECOND
        x, y = [v for v, _ in known], [r for _, r in known]
        axes.plot(x, y, marker, ms=4, color=colour, fillstyle=fill, ls="none", label=label)
    for limit in (-0.1, 0.1):
        axes.axvline(limit, color=INK, lw=0.6, ls=(0, (4, 2)))
    axes.axvline(0, color=INK, lw=0.6)
    axes.set_yticks(rows, [str(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    reach = max([0.25, *(abs(v) for v in (*before, *after) if v is not None)]) * 1.1
    axes.set_xlim(-reach, reach)
    axes.set_xlabel("Standardised mean difference (SD)")
    figure.legend(loc="outside upper center", ncols=2)
    return figure if ax is None else ax
