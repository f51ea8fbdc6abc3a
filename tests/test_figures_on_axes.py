"""Statistical figures draw into axes that are given, and return them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import volumetry.statistics as vs
from volumetry.figures.forest_figure import ForestRow, draw_forest
from volumetry.figures.statistics_figures import Bar, draw_bars, draw_love_plot, draw_paired_lines
from volumetry.figures.survival_figures import draw_schoenfeld, draw_survival

RNG = np.random.default_rng(1)
CURVES = vs.kaplan_meier([1, 2, 3, 4], [1, 0, 1, 1], list("aabb")).details["curves"]
BAR = Bar(label="a", percent=20, low=10, high=30, n_events=6, n=30)
ROW = ForestRow(endpoint="collapse", what="odds ratio", value=0.5, low=0.3, high=0.9)

FIGURES: dict[str, Callable[..., Any]] = {
    "survival": lambda **k: draw_survival(CURVES, event="collapse", unit="months", p_value=0.03, **k),
    "schoenfeld": lambda **k: draw_schoenfeld(np.arange(9.0), RNG.normal(size=9), unit="d", label="b", **k),
    "bars": lambda **k: draw_bars([BAR], title="collapse", p_value=None, **k),
    "love plot": lambda **k: draw_love_plot(["age"], [0.2], [0.05], **k),
    "pairs": lambda **k: draw_paired_lines(
        {"a": RNG.normal(size=(5, 2)), "b": np.ones((2, 2))}, label="s", **k
    ),
    "forest": lambda **k: draw_forest([ROW], labels=("drug", "none"), **k),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_drawn_into_the_axes_given(name: str) -> None:
    figure = Figure()
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    assert FIGURES[name](ax=left) is left
    assert left.has_data() or left.child_axes
    assert not right.has_data()
    figure.draw_without_rendering()
    assert isinstance(FIGURES[name](), Figure)
