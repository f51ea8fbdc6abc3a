"""Shares of published studies beside the study's own, with their intervals."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from volumetry.figures.statistics_style import FIRST, INK, SECOND, new_figure, sentence

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class StudyRow:
    """One arm of one study: a share in percent, its interval where it has one, its counts."""

    label: str
    counts: str
    percent: float
    low: float | None
    high: float | None
    own: bool = False


def draw_studies(rows: Sequence[StudyRow], *, outcome: str) -> Figure:
    """Draw a row per arm; squares are published, diamonds this study's own."""
    names = [textwrap.fill(row.label, 30) for row in rows]
    heights = np.array([1.0 + 0.75 * name.count("\n") for name in names])
    centres = np.cumsum(heights) - heights / 2
    figure = new_figure(18 + 4.2 * float(heights.sum()))
    axes = figure.subplots()
    for centre, row in zip(centres, rows, strict=True):
        if row.low is not None and row.high is not None:
            axes.plot([row.low, row.high], [centre, centre], color=INK, lw=0.9)
        marker, colour = ("D", SECOND) if row.own else ("s", FIRST)
        axes.plot(row.percent, centre, marker, color=colour, ms=4)
        interval = "" if row.low is None else f" ({row.low:.1f}, {row.high:.1f})"
        axes.annotate(
            f"{row.percent:.1f} %{interval}  {row.counts}", (1.0, centre),
            xycoords=("axes fraction", "data"), xytext=(3, 0), textcoords="offset points", va="center",
            fontsize=6, annotation_clip=False,
        )  # fmt: skip
    first_own = next((place for place, row in enumerate(rows) if row.own), None)
    if first_own:
        axes.axhline(float(np.cumsum(heights)[first_own - 1]), color=INK, lw=0.5)
    top = max((row.high if row.high is not None else row.percent for row in rows), default=100.0)
    axes.set_xlim(0, min(100.0, top * 1.1))
    axes.locator_params(axis="x", nbins=4, min_n_ticks=3)
    axes.set_ylim(float(heights.sum()), 0)
    axes.set_yticks(centres, names)
    axes.tick_params(axis="y", length=0, labelsize=6)
    axes.set_xlabel(f"{sentence(outcome)} (%)")
    return figure
