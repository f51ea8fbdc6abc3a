"""The keys of the tracer: one table for binding them, for the help panel and for the documentation.

One hand stays on the mouse; the keys lie under the other. While a case is open the tracer takes the keys over
the picture before napari does.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key and what it does.

    Attributes
    ----------
    key : str
        As napari names it: ``Shift-W``.
    command : str
        Method of `Tracer`.
    does : str
        In words.
    repeats : bool
        Whether it goes on while the key is held.
    """

    key: str
    command: str
    does: str
    repeats: bool = False


KEYS = (
    Key(key="Q", command="previous_slice", does="previous slice", repeats=True),
    Key(key="W", command="next_slice", does="next slice", repeats=True),
    Key(key="G", command="draw_freehand", does="draw an outline freehand: hold the left button and go round"),
    Key(key="Shift-G", command="draw_polygon", does="draw an outline by clicks; a double click closes it"),
    Key(key="L", command="draw_wire", does="live-wire: clicks on the margin of a dark band; lines follow it"),
    Key(key="H", command="toggle_hole", does="what is drawn next is a hole (again: an outline)"),
    Key(key="N", command="nudge", does="push the outline with a round brush, from inside or outside"),
    Key(key="Shift-N", command="edit_vertices", does="drag single vertices"),
    Key(key="K", command="paint", does="paint pixels with a brush"),
    Key(key="Shift-K", command="erase", does="erase painted pixels"),
    Key(key="Shift-D", command="next_lesion", does="next lesion"),
    Key(key="Shift-F", command="new_lesion", does="new lesion"),
    Key(key="Shift-W", command="copy_to_next", does="copy this slice's outlines to the next slice"),
    Key(key="Shift-Q", command="copy_to_previous", does="copy this slice's outlines to the previous slice"),
    Key(key="U", command="interpolate", does="propose outlines for the slices between traced ones (dashed)"),
    Key(key="J", command="accept_slice", does="accept the dashed outlines of this slice"),
    Key(key="Shift-J", command="accept_all", does="accept all dashed outlines of the lesion"),
    Key(key="Shift-U", command="reject_slice", does="throw the dashed outlines of this slice away"),
    Key(key="Shift-X", command="clear_slice", does="delete this lesion's outlines on this slice"),
    Key(key="Shift-H", command="stop_drawing", does="stop drawing: the mouse moves the picture again"),
    Key(key="Shift-S", command="save", does="save"),
    Key(key="Control-S", command="save", does="save, too"),
    Key(key="PageDown", command="next_case", does="next case of the worklist (what is drawn is kept)"),
    Key(key="PageUp", command="previous_case", does="previous case of the worklist"),
    Key(key="Shift-PageDown", command="next_untraced", does="next case with something left to trace"),
    Key(key="Control-Z", command="undo", does="undo, on whatever slice it was; what is half drawn first"),
    Key(key="Control-Shift-Z", command="redo", does="redo"),
    Key(key="Escape", command="drop", does="drop what is half drawn; without, stop drawing"),
    Key(key="Backspace", command="take_back", does="take back a click; delete the vertex at the pointer"),
    Key(key="[", command="smaller_brush", does="smaller brush", repeats=True),
    Key(key="]", command="larger_brush", does="larger brush", repeats=True),
    Key(key="F", command="fit", does="show all of the slice (a double click does, too)"),
    Key(key="V", command="hide_outlines", does="hide the outlines while the key is held"),
    Key(key="B", command="toggle_smooth", does="pixels smooth, or as blocks"),
    Key(key="1", command="window_1", does="first window: that of the file, if it has one"),
    Key(key="2", command="window_2", does="second window"),
    Key(key="3", command="window_3", does="third window"),
    Key(key="4", command="window_4", does="fourth window"),
    Key(key="F9", command="show_layers", does="show or hide napari's layers"),
    Key(key="?", command="show_keys", does="these keys, beside the picture"),
)  # fmt: skip


MOUSE = (
    ("wheel", "slices"),
    ("Ctrl and wheel", "zoom"),
    ("right drag", "window (left, right) and level (up, down)"),
    ("middle drag, or Space and drag", "move the picture, also while drawing"),
    ("double click", "show all of the slice"),
)
"""What the mouse does besides drawing, for the help panel and the documentation."""


def written(key: str) -> str:
    """Return a key as people write it: ``Shift+W``, ``Ctrl+Z``."""
    return key.replace("Control", "Ctrl").replace("-", "+")


def key_of(command: str) -> str:
    """Return the key of a command, as people write it (``Shift+W``); empty where it has none."""
    return next((written(key.key) for key in KEYS if key.command == command), "")


def keys_table() -> str:
    """Return the keys as a Markdown table, for the documentation."""
    rows = [f"| {written(key.key)} | {key.does} |" for key in KEYS]
    return "\n".join(("| key | does |", "|---|---|", *rows))
