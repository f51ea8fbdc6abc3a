"""How statistical figures look: one column wide, colour-blind safe, and text that stays text."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_MM = 85.0
"""Width of a single column."""

FIRST, SECOND, THIRD = "#0072B2", "#D55E00", "#009E73"
"""Colours of Okabe and Ito's palette that every kind of colour vision tells apart."""

NEUTRAL = "#BBBBBB"
INK = "#222222"
GROUP_COLOURS = (FIRST, SECOND)
GROUP_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)))
"""Groups differ in dash, too, for prints without colour."""

STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],  # the first comes with matplotlib
    "font.size": 7.0,
    "axes.labelsize": 7.0,
    "axes.titlesize": 7.0,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.1,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.edgecolor": INK,
    "figure.dpi": 300,
    "savefig.dpi": 300,
    "svg.fonttype": "none",
    "svg.hashsalt": "volumetry",
    "axes.unicode_minus": True,
}


def new_figure(height_mm: float) -> Figure:
    """Return an empty figure of one column's width, laid out so that no text is clipped."""
    figure = Figure(figsize=(WIDTH_MM / 25.4, height_mm / 25.4), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


class AxesCanvas:
    """Axes of the caller in place of a figure: one panel is the axes, several are laid out within them."""

    def __init__(self, ax: Axes) -> None:
        self.ax = ax

    def subplots(self, n_rows: int = 1, n_columns: int = 1, **settings: Any) -> Any:
        """Return the axes, or an array of panels within them, as `Figure.subplots` does."""
        if n_rows * n_columns == 1 and settings.get("squeeze", True):
            return self.ax
        self.ax.set_axis_off()
        parts = settings.get("gridspec_kw", {}).get("height_ratios", [1.0] * n_rows)
        ends = np.cumsum([0.0, *parts]) / sum(parts)
        heights = np.diff(ends) * (0.88 if n_rows > 1 else 1.0)
        panels = [
            [
                self.ax.inset_axes((column / n_columns, 1 - ends[row + 1], 0.92 / n_columns, heights[row]))
                for column in range(n_columns)
            ]
            for row in range(n_rows)
        ]
        for panel in [panel for row in panels for panel in row][1:]:
            if settings.get("sharey"):
                panel.sharey(panels[0][0])
            if settings.get("sharex"):
                panel.sharex(panels[0][0])
        grid = np.array(panels, dtype=object)
        return grid if not settings.get("squeeze", True) else grid.squeeze()

    def legend(self, *, loc: str = "best", **settings: Any) -> Any:
        """Put the legend on the axes."""
        place: Any = "upper right" if loc.startswith("outside") else loc
        return self.ax.legend(loc=place, **settings)


def canvas(height_mm: float, ax: Axes | None) -> Any:
    """Return a new figure, or what stands for one within the caller's axes."""
    return new_figure(height_mm) if ax is None else AxesCanvas(ax)


def rendered(draw: Callable[[], Figure]) -> dict[str, bytes]:
    """Draw a figure and return it as ``svg`` and ``png``, the same bytes every time."""
    with mpl.rc_context(STYLE):
        figure = draw()
        # The layout is solved once, for the raster and the vector file alike.
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.execute(figure)
        # With no engine at all, `savefig` does not draw a second time to solve it again.
        figure.set_layout_engine(None)
        contents = {}
        for kind, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
            stream = io.BytesIO()
            figure.savefig(stream, format=kind, metadata=metadata)
            contents[kind] = stream.getvalue()
    return contents


def format_p(value: float | None) -> str:
    """Return a p value for a figure; empty where there is none."""
    if value is None or value != value:
        return ""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def sentence(text: str) -> str:
    """Return a label with a capital first letter, and units with raised digits."""
    raised = text.replace("cm3", "cm\N{SUPERSCRIPT THREE}").replace("mm3", "mm\N{SUPERSCRIPT THREE}")
    return raised[:1].upper() + raised[1:]


def wrapped(label: str, width: int = 34) -> str:
    """Return the label of an upright axis in lines that are no longer than the axis."""
    import textwrap

    return textwrap.fill(label, width, break_long_words=False, break_on_hyphens=False)


def colour_of(place: int) -> str:
    """Return the colour of the n-th group."""
    return (*GROUP_COLOURS, THIRD, "#CC79A7", "#56B4E9", "#E69F00")[place % 6]


def dashes_of(place: int) -> Any:
    """Return the dash of the n-th group."""
    return (*GROUP_DASHES, ":", "-.")[place % 4]
