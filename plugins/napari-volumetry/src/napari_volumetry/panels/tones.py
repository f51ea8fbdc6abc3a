"""The colours of what is said: wrong, to be known, done; to be read on a dark panel and on a light one."""

from __future__ import annotations

from typing import Literal

from qtpy.QtWidgets import QWidget

Tone = Literal["", "error", "warning", "done", "signed", "quiet"]

ON_DARK = {
    "error": "#ff6b5e",
    "warning": "#e09a3e",
    "done": "#5cbf72",
    "signed": "#4db0e0",
    "quiet": "#9a9a9a",
}
ON_LIGHT = {
    "error": "#b3261e",
    "warning": "#8a4b00",
    "done": "#1e6b34",
    "signed": "#0b5c86",
    "quiet": "#5c5c5c",
}


def tone_sheet(theme: str) -> str:
    """Return the style sheet of a panel in a theme of napari, for labels with a tone (`set_tone`)."""
    from napari.utils.theme import get_theme

    is_light = sum(get_theme(theme).background.as_rgb_tuple()[:3]) > 3 * 128
    colours = ON_LIGHT if is_light else ON_DARK
    return "\n".join(f'QLabel[tone="{tone}"] {{ color: {colour} }}' for tone, colour in colours.items())


def set_tone(label: QWidget, tone: Tone) -> None:
    """Show a label in a tone."""
    if label.property("tone") != tone:
        label.setProperty("tone", tone)
        label.style().unpolish(label)
        label.style().polish(label)
