"""Statistical figures: one column wide, no text clipped or overlapping its axis, SVG text is text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from volumetry.error_model import ReadingError
from volumetry.figures.agreement_figures import draw_error_by_size
from volumetry.figures.flow_figure import draw_flow
from volumetry.figures.forest_figure import ForestRow, draw_forest
from volumetry.figures.statistics_figures import (
    Bar,
    draw_bars,
    draw_bland_altman,
    draw_love_plot,
    draw_paired_lines,
    draw_responders,
    draw_waterfall,
)
from volumetry.figures.statistics_style import GROUP_COLOURS, STYLE, WIDTH_MM, rendered
from volumetry.figures.survival_figures import draw_incidence, draw_schoenfeld, draw_survival
from volumetry.statistics.agreement.limits import bland_altman
from volumetry.statistics.time.competing_risks import cumulative_incidence
from volumetry.statistics.time.survival import kaplan_meier

RANDOM = np.random.default_rng(3)
TIMES = RANDOM.exponential(20, 80).round(1)
CODES = RANDOM.integers(0, 3, 80)
GROUPS = np.repeat(["denosumab 60 mg", "control"], 40)
LABELS = ("denosumab 60 mg", "control")


def survival(falling: bool) -> Figure:
    result = kaplan_meier(TIMES, (CODES == 1).astype(int), GROUPS)
    curves = result.details["curves"]
    return draw_survival(curves, event="collapse", unit="months", p_value=0.0123, falling=falling)


def incidence() -> Figure:
    curves = cumulative_incidence(TIMES, CODES, GROUPS).details["curves"]
    return draw_incidence(curves, unit="months", p_value=None)


def agreement() -> Figure:
    first = RANDOM.normal(12, 4, 50)
    result = bland_altman(first, first + RANDOM.normal(0.2, 0.8, 50), unit="cm3")
    return draw_bland_altman(result, unit="cm3", mean_unit="cm3", contrast="reader1 - reader2")


def bars(p_value: float | None) -> Figure:
    shown = [
        Bar(label=label, percent=p, low=p - 8, high=p + 9, n_events=k, n=50)
        for label, p, k in zip(LABELS, (36.0, 8.0), (18, 4), strict=True)
    ]
    return draw_bars(shown, title="osteolysis", p_value=p_value)


FLOW = [
    ("input", "", "hips in the clinical table", 272, 184),
    ("left out", "", "another group: observation only", 12, 9),
    ("left out", "", "no group", 3, 3),
    ("group", LABELS[0], LABELS[0], 146, 104),
    ("no volume", LABELS[0], "followup-not-measured", 34, 30),
    ("volume", LABELS[0], "volume change evaluable", 112, 81),
    ("group", LABELS[1], LABELS[1], 126, 80),
    ("no volume", LABELS[1], "baseline-not-measured", 52, 30),
    ("volume", LABELS[1], "volume change evaluable", 74, 50),
]
FOREST = [
    ForestRow(endpoint="collapse", what="odds ratio, adjusted", value=0.45, low=0.2, high=0.9),
    ForestRow(
        endpoint="a good or excellent Harris hip score",
        what="odds ratio, Firth",
        value=60,
        low=1.2,
        high=None,
    ),
    ForestRow(endpoint="hip replacement", what="hazard ratio", value=0.01, low=0.0001, high=3),
]

LONG = ("recombinant human bone protein-2 plus denosumab", "historical controls without any treatment")
PERCENTS = RANDOM.normal(-5, 18, 200)
SMALL = [
    ForestRow(
        endpoint="higher class", what="threshold 10 %", value=0.02, low=0.005, high=0.04, better="less"
    ),
    ForestRow(endpoint="higher class", what="threshold 25 %", value=None, low=None, high=None, better="less"),
]
ERROR = ReadingError(
    model="constant", log_sd_at_1_cm3=0.1, exponent=0.0, df=1, n_pairs=1, n_lesions=1, n_patients=1,
    size_range_mm3=(10265.0, 10266.0),
)  # fmt: skip

FIGURES: dict[str, Callable[[], Figure]] = {
    "survival": lambda: survival(True),
    "cumulative": lambda: survival(False),
    "incidence": incidence,
    "schoenfeld": lambda: draw_schoenfeld(
        np.arange(30.0), RANDOM.normal(size=30), unit="years", label="log hazard ratio"
    ),
    "bars": lambda: bars(0.0013),
    "bars without p": lambda: bars(None),
    "waterfall": lambda: draw_waterfall(
        list(RANDOM.normal(-5, 25, 80)), list(GROUPS), band=(-15, 15), labels=LABELS, unit="hip"
    ),
    "paired": lambda: draw_paired_lines(
        {label: RANDOM.normal(12, 4, (30, 2)) for label in LABELS}, label="lesion volume (cm3)"
    ),
    "responders": lambda: draw_responders(
        {LABELS[0]: [59, 40, 3], LABELS[1]: [12, 36, 26]},
        classes=("decrease", "no change", "increase"), band=(-15, 15), unit="hip",
    ),
    "bland-altman": agreement,
    "love": lambda: draw_love_plot(
        ["propensity score", "age", "aetiology[idiopathic]"], [0.5, -0.2, None], [0.02, -0.05, 0.01]
    ),
    "forest": lambda: draw_forest(FOREST, labels=LABELS),
    "flow": lambda: draw_flow(FLOW, labels=LABELS, unit="hip"),
    "empty groups": lambda: draw_responders(
        {LABELS[0]: [0, 0, 0]}, classes=("decrease", "no change", "increase"), band=(-15, 15), unit="hip"
    ),
    "waterfall of 200 with long names": lambda: draw_waterfall(
        list(PERCENTS), list(np.resize(LONG, 200)), band=(-15, 15), labels=LONG, unit="hip",
        intervals=[(v - 12, v + 14) for v in PERCENTS], within_error=list(np.abs(PERCENTS) < 13),
        not_comparable=list(np.abs(PERCENTS) > 25),
    ),
    "responders with long names": lambda: draw_responders(
        {LONG[0]: [59, 40, 3], LONG[1]: [12, 36, 26]},
        classes=("decrease", "no change", "increase"), band=(-15, 15), unit="hip",
    ),
    "forest with long names": lambda: draw_forest(SMALL, labels=LONG),
    "error by size of one lesion": lambda: draw_error_by_size([10265.5], [4.0], ERROR),
    "no pairs": lambda: draw_paired_lines({label: np.empty((0, 2)) for label in LABELS}, label="x"),
}  # fmt: skip


def drawn(name: str) -> tuple[Figure, Any]:
    with mpl.rc_context(STYLE):
        figure = FIGURES[name]()
        figure.draw_without_rendering()
        return figure, figure.canvas.get_renderer()  # type: ignore[attr-defined]


def visible_texts(figure: Figure) -> list[Text]:
    undrawn = {label for axes in figure.axes for label in undrawn_labels(axes)}
    return [
        text
        for text in figure.findobj(Text)
        if isinstance(text, Text) and text.get_visible() and text.get_text().strip() and text not in undrawn
    ]


def undrawn_labels(axes: Axes) -> Iterator[Text]:
    """Labels of ticks beyond the limits of their axis, which matplotlib keeps but does not draw."""
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not (axes.axison and low - 1e-9 <= tick.get_loc() <= high + 1e-9):
                yield tick.label1
                yield tick.label2


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_clipped_and_all_is_legible(name: str) -> None:
    figure, renderer = drawn(name)
    width, height = figure.get_size_inches() * figure.dpi
    assert figure.get_size_inches()[0] * 25.4 == pytest.approx(WIDTH_MM)
    for text in visible_texts(figure):
        box = text.get_window_extent(renderer)
        assert box.x0 >= -1, text.get_text()
        assert box.x1 <= width + 1, text.get_text()
        assert box.y0 >= -1, text.get_text()
        assert box.y1 <= height + 1, text.get_text()
        assert text.get_fontsize() >= 6


@pytest.mark.parametrize("name", ["survival", "cumulative", "incidence"])
def test_numbers_at_risk_stand_clear_of_their_labels(name: str) -> None:
    figure, renderer = drawn(name)
    table = figure.axes[-1]
    numbers = [text.get_window_extent(renderer) for text in table.texts]
    labels = [label.get_window_extent(renderer) for label in table.get_yticklabels()]
    assert len(numbers) >= 6
    assert not any(number.overlaps(label) for number in numbers for label in labels)
    assert [text.get_text() for text in table.texts if text.get_position()[0] == 0] == ["40", "40"]


def test_svg_text_stays_text_and_the_bytes_stay_the_same() -> None:
    first, second = (rendered(lambda: bars(0.0013)) for _ in range(2))
    assert first == second
    svg = first["svg"].decode()
    assert "* p = 0.001</text>" in svg
    assert "Osteolysis (%)" in svg
    assert "<text" in svg
    assert "date" not in svg.lower()
    assert first["png"].startswith(b"\x89PNG")


def test_groups_differ_for_every_eye() -> None:
    # Blue against vermilion, of Okabe and Ito; and in dash, so that no colour is needed at all.
    first, second = (np.array(mpl.colors.to_rgb(colour)) for colour in GROUP_COLOURS)
    assert abs(first - second).max() > 0.5
    figure, _ = drawn("survival")
    assert (
        len({str(line.get_linestyle()) for line in figure.axes[0].lines if line.get_label() in LABELS}) == 2
    )


def test_a_bracket_has_a_star_only_below_alpha() -> None:
    def texts(p_value: float) -> str:
        with mpl.rc_context(STYLE):
            return " ".join(text.get_text() for text in visible_texts(bars(p_value)))

    assert "* p = 0.013" in texts(0.013)
    assert "*" not in texts(0.3)
    assert "p < 0.001" in texts(0.0001)


def test_matching_after_volumes_begins_with_the_whole_group() -> None:
    """155 with 102 volumes and 109 matched: no arrow leads from the 102 to the 109."""
    volumes = [("no volume", "A", "gap ratio changed", 53, 40), ("volume", "A", "evaluable", 102, 78)]
    matching = [("not matched", "A", "no match", 46, 30), ("matched", "A", "matched", 109, 74)]
    group = [("group", "A", "A", 155, 104)]
    arrows = {}
    for name, steps in (("volumes first", volumes + matching), ("matching first", matching + volumes)):
        axes = draw_flow(group + steps, labels=("A",), unit="hip").axes[0]
        arrows[name] = [(note.xyann, note.xy) for note in axes.texts if note.get_text() == ""]
    across = [[start[1] == end[1] for start, end in found] for found in arrows.values()]
    assert across == [[False, True, False, True, False], [False] * 5]


def test_words_of_the_flow_stay_in_their_boxes() -> None:
    steps = [("group", label, label, 9, 9) for label in "AB"]
    steps += [("no volume", label, "followup not measured", 9, 9) for label in "AB"]
    figure = draw_flow(steps, labels=("A", "B"), unit="hip")
    axes, renderer = figure.axes[0], figure.canvas.get_renderer()
    boxes = [patch.get_window_extent(renderer) for patch in axes.patches if hasattr(patch, "get_boxstyle")]
    for text in axes.texts:
        if text.get_text():
            extent = text.get_window_extent(renderer)
            assert any(box.x0 <= extent.x0 and extent.x1 <= box.x1 for box in boxes)


def test_the_legend_of_a_waterfall_hides_no_axis_and_no_bar() -> None:
    for name in ("waterfall", "waterfall of 200 with long names"):
        figure, renderer = drawn(name)
        (legend,) = figure.legends
        box, axes = legend.get_window_extent(renderer), figure.axes[0]
        assert not box.overlaps(axes.get_window_extent(renderer))
        assert not box.overlaps(axes.yaxis.label.get_window_extent(renderer))


def test_bars_of_visits_that_are_not_comparable_are_hatched() -> None:
    figure, _ = drawn("waterfall of 200 with long names")
    axes = figure.axes[0]
    heights = [bar.get_height() for bars in axes.containers for bar in bars if bar.get_hatch()]
    assert sorted(heights) == pytest.approx(sorted(v for v in PERCENTS if abs(v) > 25))
    assert f"hatched: {len(heights)} not comparable" in axes.get_xlabel()


def test_many_rows_have_two_curves_of_error_and_few_a_line_each() -> None:
    def lines(n: int) -> list[Any]:
        heights = list(PERCENTS[:n])
        figure = draw_waterfall(
            heights, list(np.resize(LABELS, n)), band=(-15, 15), labels=LABELS, unit="hip",
            intervals=[(v - 12, v + 14) for v in heights],
        )  # fmt: skip
        return [line for line in figure.axes[0].lines if line.get_linewidth() in (0.5, 0.6)][:-1]

    assert len(lines(40)) == 40
    low, high = lines(200)
    assert list(high.get_ydata() - low.get_ydata()) == pytest.approx([26] * 200)


def test_ratios_far_from_1_stand_on_the_axis_of_a_forest() -> None:
    figure, _ = drawn("forest with long names")
    axes = figure.axes[0]
    marks = [line for line in axes.lines if line.get_marker() == "s"]
    low, high = axes.get_xlim()
    assert [low < float(mark.get_xdata()[0]) < high for mark in marks] == [True]
    words = [text.get_text() for text in visible_texts(figure)]
    assert "not estimable" in words
    assert "0.02 (0.005, 0.04)" in words


def test_differences_by_size_are_percent_of_the_first_as_their_limits_are() -> None:
    """Of pairs alike on the logarithmic scale as many lie above the upper limit as below the lower."""
    first = np.geomspace(800, 20_000, 400)
    ratio = np.exp(np.tile([0.3, -0.3, 0.1, -0.1], 100))
    error = replace(ERROR, log_sd_at_1_cm3=0.1, size_range_mm3=(800.0, 20_000.0))
    figure = draw_error_by_size(first * np.sqrt(ratio), 100 * (ratio - 1), error)
    points, above, below = figure.axes[0].lines[:3]
    heights = points.get_ydata()
    assert (heights > above.get_ydata().max()).sum() == (heights < below.get_ydata().min()).sum() == 100
