"""The keys of the tracer: one table for binding them, for the help panel and for the documentation.

One hand stays on the mouse; the keys lie under the other. None is a key of napari's (held by a test); undo
and redo are those of its Labels layers, over everything that is traced.
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
    """

    key: str
    command: str
    does: str


KEYS = (
    Key(key="Q", command="previous_slice", does="previous slice"),
    Key(key="W", command="next_slice", does="next slice"),
    Key(key="G", command="draw_freehand", does="draw an outline freehand: hold the left button and go round"),
    Key(key="Shift-G", command="draw_polygon", does="draw an outline by clicks; a double click closes it"),
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
    Key(key="PageDown", command="next_case", does="next case of the worklist (what is drawn is kept)"),
    Key(key="PageUp", command="previous_case", does="previous case of the worklist"),
    Key(key="Control-Z", command="undo", does="undo, on whatever slice it was"),
    Key(key="Control-Shift-Z", command="redo", does="redo"),
)  # fmt: skip


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
