"""Figures of repeated reads: the error by size, and where readers differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from volumetry.error_model import ReadingError
from volumetry.figures.statistics_style import FIRST, INK, SECOND, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_error_by_size(
    sizes_mm3: ArrayLike, differences_percent: ArrayLike, error: ReadingError, *, ax: Axes | None = None
) -> Figure:
    """Draw the differences of repeated reads against size, with the limits that the error model sets.

    Parameters
    ----------
    sizes_mm3, differences_percent : (pairs,) array_like
        Geometric mean of the volumes of a pair, and what the second is above the first, in percent of the
        first, as the limits and the rule of 15 % are.
    error : ReadingError
    ax : matplotlib Axes, optional
        Drawn into a figure of its own where left out.
    """
    axes, figure = _axes(ax, 62)
    sizes = np.asarray(sizes_mm3, dtype=float) / 1000
    axes.plot(
        sizes, np.asarray(differences_percent, dtype=float), "o", ms=2.4, color=FIRST, alpha=0.55, mew=0
    )
    low, high = (v / 1000 for v in error.size_range_mm3)
    grid = np.geomspace(*_wide(min(low, sizes.min()), max(high, sizes.max())), 80)
    limits = np.array([error.detectable_change_percent(1000 * v) for v in grid])
    axes.plot(grid, limits[:, 1], color=SECOND, lw=1.0, label=f"smallest detectable change ({error.model})")
    axes.plot(grid, limits[:, 0], color=SECOND, lw=1.0)
    axes.axhline(0, color=INK, lw=0.6)
    for threshold, name in ((-15, None), (15, "15 %")):
        axes.axhline(threshold, color=INK, lw=0.6, ls=(0, (4, 2)), label=name)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}" if grid[-1] / grid[0] < 10 else "")
    axes.set_xlabel("Volume (cm³)")
    axes.set_ylabel("Second read above the first (%)")
    _legend(axes, figure, ax is None)
    return figure


def draw_where_readers_differ(
    positions: ArrayLike, differences_percent: ArrayLike, at_end: Sequence[bool], *, ax: Axes | None = None
) -> Figure:
    """Draw the area difference of every slice against its place in the lesion.

    Parameters
    ----------
    positions : (slices,) array_like
        0 on the first slice of the lesion, 1 on the last.
    differences_percent : (slices,) array_like
        Absolute area difference in percent of the lesion's mean slice area.
    at_end : sequence of bool
        Whether a read begins or ends on the slice.
    ax : matplotlib Axes, optional
    """
    axes, figure = _axes(ax, 62)
    x, y, ends = (
        np.asarray(positions, float),
        np.asarray(differences_percent, float),
        np.asarray(at_end, bool),
    )
    for chosen, colour, name in ((~ends, FIRST, "slice within"), (ends, SECOND, "end slice")):
        axes.plot(x[chosen], y[chosen], "o", ms=2.2, color=colour, alpha=0.5, mew=0, label=name)
        if chosen.any():
            mean = float(y[chosen].mean())
            axes.axhline(mean, color=colour, lw=0.9, ls=(0, (4, 2)), label=f"mean, {name}")
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(0, None)
    axes.set_xlabel("Place in the lesion (0 first, 1 last slice)")
    axes.set_ylabel("Area difference (% of mean area)")
    _legend(axes, figure, ax is None)
    return figure


def _axes(ax: Axes | None, height_mm: float) -> tuple[Axes, Figure]:
    if ax is not None:
        return ax, ax.figure  # type: ignore[return-value]
    figure = new_figure(height_mm)
    return figure.subplots(), figure


def _wide(low: float, high: float) -> tuple[float, float]:
    """Return the ends of a logarithmic axis, at least a factor of 2 apart; those of one lesion are one."""
    more = max(1.05, math.sqrt(2 * low / high))
    return low / more, high * more


def _legend(axes: Axes, figure: Figure, own: bool) -> None:
    if own:
        n_entries = len(axes.get_legend_handles_labels()[0])
        figure.legend(loc="outside upper center", ncols=2 if n_entries > 3 else 3, handlelength=1.4)
    else:
        axes.legend()
