"""Participant flow: boxes from all rows to those analysed, with who was left out and why."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from volumetry.figures.statistics_style import INK, NEUTRAL, canvas, colour_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: A new figure, or the axes that were given.
Drawn = Any

Step = tuple[str, str, str, int, int]
"""Stage, group, what, rows, patients."""

_STAGES = ("screened", "not in the table", "input", "left out")
"""Boxes above the groups."""

_BESIDE = ("not in the table", "left out")
"""Those of them that stand beside the stem."""

_HEADINGS = {
    "not in the table": "left out:",
    "left out": "left out:",
    "not matched": "left out:",
    "no volume": "change of volume not evaluable:",
}

_KINDS = {"not matched": "matching", "matched": "matching", "no volume": "volume", "volume": "volume"}
"""Which step a box of a group belongs to; matching that follows volumes begins anew with all of the group."""

_LINE_MM = 3.0
_PAD_MM = 2.6
_GAP_MM = 5.0
_SPAN = 85.0


def draw_flow(steps: Sequence[Step], *, labels: Sequence[str], unit: str, ax: Axes | None = None) -> Drawn:
    """Draw the flow of rows, patients in brackets.

    Into `ax` if axes are given, which are then returned.

    Parameters
    ----------
    steps : sequence of (stage, group, what, rows, patients)
        Stages of no group are ``screened``, ``not in the table``, ``input`` and ``left out``; of a group
        ``group``, ``not matched``, ``matched``, ``no volume`` and ``volume``, drawn in the order given, with
        their words as they are. Matching after volumes begins with the whole group, as volumes do.
    labels : sequence of str
        Groups in order.
    unit : str
        What a row is: hip, lesion, patient.
    """
    boxes = [(stage, _lines([s for s in steps if s[0] == stage], 42, unit)) for stage in _STAGES]
    boxes = [(stage, lines) for stage, lines in boxes if lines]
    columns = [_column(steps, label, unit) for label in labels]
    body = max(sum(_height(lines) + _GAP_MM for _, lines in column) for column in columns)
    height = sum(_height(lines) + _GAP_MM for _, lines in boxes) + body + 1
    figure = canvas(height, ax)
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(0, _SPAN)
    axes.set_ylim(height, 0)
    # Beside the stem lies who was left out; where nobody was, the stem goes down the middle.
    beside = any(stage in _BESIDE for stage, _ in boxes)
    stem, above = (14.0, 32.0) if beside else (_SPAN / 2, _SPAN / 2)
    y = 2.0
    for number, (stage, lines) in enumerate(boxes):
        if stage in _BESIDE:
            y = _left_out(axes, stem, y, lines)
            continue
        if number:
            _arrow(axes, (stem, y), (stem, y + _GAP_MM - 0.4))
            y += _GAP_MM - 0.4
        y = _box(axes, above, y, 60, lines, INK)
    centres = [_SPAN * (place + 0.5) / len(labels) for place in range(len(labels))]
    axes.plot([stem, stem], [y, y + 2], color=INK, lw=0.7)
    axes.plot([min(stem, centres[0]), max(stem, centres[-1])], [y + 2, y + 2], color=INK, lw=0.7)
    for place, (centre, column) in enumerate(zip(centres, columns, strict=True)):
        _draw_column(axes, centre, y + 2, column, _SPAN / len(labels) - 3, colour_of(place))
    axes.set_title("patients" if unit == "patient" else f"{unit}s (patients)", fontsize=6.5, loc="left")
    return figure if ax is None else ax


def _left_out(axes: Axes, stem: float, y: float, lines: Sequence[str]) -> float:
    """Draw the box of those left out beside the stem and return where the stem ends."""
    bottom = _box(axes, 54, y + _GAP_MM / 2, 58, lines, NEUTRAL)
    middle = (y + _GAP_MM / 2 + bottom) / 2
    axes.plot([stem, stem], [y, bottom + 1], color=INK, lw=0.7)
    _arrow(axes, (stem, middle), (25, middle))
    return bottom + 1


def _draw_column(
    axes: Axes, centre: float, y: float, column: Sequence[tuple[str, list[str]]], width: float, colour: str
) -> None:
    """Draw the boxes of a group; steps that each begin with the whole group hang on a line from its box."""
    kinds = [_KINDS.get(stage, "") for stage, _ in column]
    begins = [number for number in range(1, len(kinds)) if kinds[number] != kinds[number - 1]]
    parallel = "matching" in kinds and "volume" in kinds and kinds.index("volume") < kinds.index("matching")
    rail, group_end = centre - width / 2 + 1.5, y
    for number, (_, lines) in enumerate(column):
        top = y + _GAP_MM - 0.4
        if number and parallel:
            middle = top + _height(lines) / 2
            if number in begins:
                axes.plot([rail, rail], [group_end, middle], color=INK, lw=0.7)
                _arrow(axes, (rail, middle), (rail + 3.5, middle))
            else:
                _arrow(axes, (centre + 2.5, y), (centre + 2.5, top))
            y = _box(axes, centre + 2.5, top, width - 5, lines, INK)
            continue
        _arrow(axes, (centre, y), (centre, top))
        y = _box(axes, centre, top, width, lines, INK if number else colour)
        group_end = y if not number else group_end


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    shape = {"arrowstyle": "-|>", "lw": 0.7, "color": INK, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=shape)


def _column(steps: Sequence[Step], label: str, unit: str) -> list[tuple[str, list[str]]]:
    own = [step for step in steps if step[1] == label]
    stages = dict.fromkeys(step[0] for step in own)
    return [(stage, _lines([s for s in own if s[0] == stage], 23, unit)) for stage in stages]


def _lines(steps: Sequence[Step], width: int, unit: str) -> list[str]:
    """Return the text of one box: a count and its reason for each step."""
    lines = textwrap.wrap(_HEADINGS.get(steps[0][0], ""), width) if steps else []
    for _, _, what, rows, patients in steps:
        count = f"{rows}" if unit == "patient" else f"{rows}\N{NO-BREAK SPACE}({patients})"
        lines += textwrap.wrap(f"{what}: {count}", width, break_on_hyphens=False) or [""]
    return lines


def _height(lines: Sequence[str]) -> float:
    return _LINE_MM * len(lines) + _PAD_MM


def _box(axes: Axes, centre: float, top: float, width: float, lines: Sequence[str], colour: str) -> float:
    """Draw a box and return its lower edge."""
    from matplotlib.patches import FancyBboxPatch

    height = _height(lines)
    axes.add_patch(
        FancyBboxPatch(
            (centre - width / 2, top), width, height, boxstyle="round,pad=0,rounding_size=1", fill=False,
            edgecolor=colour, lw=0.9,
        )
    )  # fmt: skip
    axes.text(
        centre, top + height / 2, "\n".join(lines), ha="center", va="center", fontsize=6, linespacing=1.25
    )
    return top + height
