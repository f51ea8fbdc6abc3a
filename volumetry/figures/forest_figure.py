"""Ratios with their intervals on one logarithmic scale."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from volumetry.figures.statistics_style import FIRST, INK, canvas, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: A new figure, or the axes that were given.
Drawn = Any

_WIDEST = 32.0
"""How far from 1 the axis reaches for the end of an interval; a ratio itself stands on it, up to `_LIMIT`."""

_LIMIT = 3000.0


@dataclass(frozen=True, kw_only=True)
class ForestRow:
    """One ratio with its interval; an end that is not known is None or infinite.

    Attributes
    ----------
    endpoint, what : str
    value : float or None
        None where the ratio cannot be estimated; the row says so.
    low, high : float or None
    better : {"", "less", "more"}
        Whether a ratio below or above 1 is good for the first group; empty where nobody says.
    is_range : bool
        Low and high are the ends of a range of simulations and no confidence limits: drawn dotted.
    """

    endpoint: str
    what: str
    value: float | None
    low: float | None
    high: float | None
    better: str = ""
    is_range: bool = False


_PANELS = ("less", "more", "")


def draw_forest(rows: Sequence[ForestRow], *, labels: tuple[str, str], ax: Axes | None = None) -> Drawn:
    """Draw ratios of the first group against the second; arrows where an interval leaves the axis.

    Into `ax` if axes are given, which are then returned.

    Ratios that are good below 1, above 1, and of which nobody says so have a panel each.
    """
    panels = [(kind, [row for row in rows if row.better == kind]) for kind in _PANELS]
    panels = [(kind, own) for kind, own in panels if own]
    names = [[textwrap.fill(f"{row.endpoint}: {row.what}", 30) for row in own] for _, own in panels]
    heights = [np.array([1.0 + 0.75 * name.count("\n") for name in own]) for own in names]
    totals = [float(h.sum()) for h in heights]
    titles = [_title(kind, labels, len(panels)) for kind, _ in panels]
    below = wrapped(f"{labels[0]} against {labels[1]}", 40)
    more = sum(text.count("\n") for text in titles) + below.count("\n")
    figure = canvas(14 + 4.2 * sum(totals) + 9 * len(panels) + 3 * more, ax)
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": totals})[
        :, 0
    ]
    limits = _limits(rows)
    for axes, (_, own), own_names, own_heights, title in zip(
        grid, panels, names, heights, titles, strict=True
    ):
        _panel(axes, own, own_names, own_heights, limits)
        if title:
            axes.set_title(title, fontsize=6, loc="left")
    _scale(grid[-1], *limits)
    grid[-1].set_xlabel(f"Ratio (log scale)\n{below}")
    return figure if ax is None else ax


def _title(kind: str, labels: tuple[str, str], n_panels: int) -> str:
    if kind == "less":
        return wrapped(f"\N{LEFTWARDS ARROW} better with {labels[0]}", 36)
    if kind == "more":
        return wrapped(f"better with {labels[0]} \N{RIGHTWARDS ARROW}", 36)
    return "which direction is better is not declared" if n_panels > 1 else ""


def _panel(
    axes: Axes,
    rows: Sequence[ForestRow],
    names: Sequence[str],
    heights: NDArray[np.float64],
    limits: tuple[float, float],
) -> None:
    low, high = limits
    centres = np.cumsum(heights) - heights / 2
    for centre, row in zip(centres, rows, strict=True):
        text = _in_words(row)
        axes.annotate(
            text, (1.0, centre), xycoords=("axes fraction", "data"), xytext=(3, 0),
            textcoords="offset points", va="center", fontsize=6, annotation_clip=False,
        )  # fmt: skip
        if row.value is None:
            continue
        ends = [_within(end, low, high, other) for end, other in ((row.low, low), (row.high, high))]
        axes.plot(ends, [centre, centre], color=INK, lw=0.9, ls=":" if row.is_range else "-")
        for end, limit, marker in ((ends[0], low, "<"), (ends[1], high, ">")):
            if end == limit:
                axes.plot(end, centre, marker, color=INK, ms=3, clip_on=False)
        if low < row.value < high:
            fill = "white" if row.is_range else FIRST
            axes.plot(row.value, centre, "o" if row.is_range else "s", color=FIRST, mfc=fill, ms=4)
    axes.axvline(1, color=INK, lw=0.6, ls=(0, (4, 2)))
    axes.set_ylim(float(heights.sum()), 0)
    axes.set_yticks(centres, list(names))
    axes.tick_params(axis="y", length=0, labelsize=6)


def _scale(axes: Axes, low: float, high: float) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator

    axes.set_xscale("log")
    axes.set_xlim(low, high)
    choices: tuple[float, ...] = (0.25, 0.5, 1, 2, 4)
    if high / low >= 40:
        choices = (0.03, 0.1, 0.3, 1, 3, 10, 30)
    if high / low >= 1100:
        choices = (0.001, 0.01, 0.1, 1, 10, 100, 1000)
    axes.set_xticks([t for t in choices if low <= t <= high])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.tick_params(axis="x", labelsize=6)


def _limits(rows: Sequence[ForestRow]) -> tuple[float, float]:
    values = [row.value for row in rows if row.value is not None and 0 < row.value < np.inf]
    ends = [v for row in rows for v in (row.low, row.high) if v is not None and 0 < v < np.inf] + values
    least = max(min([*values, 1.5 / _WIDEST]) / 1.5, 1 / _LIMIT)
    most = min(max([*values, _WIDEST / 1.5]) * 1.5, _LIMIT)
    return max(min([*ends, 0.5]) / 1.15, least), min(max([*ends, 2.0]) * 1.15, most)


def _within(value: float | None, low: float, high: float, missing: float) -> float:
    return missing if value is None or not np.isfinite(value) else float(min(max(value, low), high))


def _in_words(row: ForestRow) -> str:
    if row.value is None:
        return "not estimable"
    return f"{_shown(row.value)} ({_shown(row.low)}, {_shown(row.high)})"


def _shown(value: float | None) -> str:
    if value is None or not np.isfinite(value):
        return "-"
    if 0 < value < 0.001:
        return "<0.001"
    if 0 < value < 0.1:
        return f"{value:.{1 if value < 0.01 else 2}g}"
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"
