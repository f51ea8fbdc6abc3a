"""Errors in the words of the window: no flag, command or table of the command line. No Qt, no napari."""

from __future__ import annotations

import re

from volumetry import VolumetryError

NOT_OF_THIS_SCAN = {
    "patient-mismatch": "another patient's scan",
    "wrong-series": "another scan",
    "grid-mismatch": "another scan",
    "image-changed": "other images than those in view",
}
"""On what outlines were drawn that do not fit the scan in view, by the code of the error."""

NOT_WRITTEN = "Traces cannot be written to their folder."

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_COMMAND_LINE = re.compile(r"--\w|manifest|\bvolumetry \w+|docs/")


def in_window_words(error: VolumetryError) -> VolumetryError:
    """Return an error without the ways out that only the command line has, its slice counted from 1.

    >>> error = VolumetryError("unreadable", "it is cut off", todo="Copy it again. Leave it out with --skip.")
    >>> in_window_words(error).message
    'it is cut off. Copy it again.'
    """
    index = error.values.get("slice_index")
    values = error.values
    if isinstance(index, int):
        named = {("slice" if name == "slice_index" else name): value for name, value in values.items()}
        values = named | {"slice": index + 1}
    todo = " ".join(part for part in _SENTENCE.split(error.todo) if not _COMMAND_LINE.search(part))
    return VolumetryError(error.code, error.what, where=error.where, values=values, todo=todo)


def refused_file(error: VolumetryError, name: str) -> str:
    """Say in one sentence why the outlines of a file are not taken over.

    >>> refused_file(VolumetryError("grid-mismatch", "the grids differ"), "x.nii.gz")
    'x.nii.gz was drawn on another scan.'
    """
    known = NOT_OF_THIS_SCAN.get(error.code)
    return f"{name} was drawn on {known}." if known else f"{name} cannot be loaded: {error.what.rstrip('.')}."


def not_written(error: VolumetryError) -> str:
    """Say in one sentence why traces cannot be written.

    >>> not_written(VolumetryError("disk-full", "there is no room for the output"))
    'The disk is full: traces cannot be written.'
    """
    return "The disk is full: traces cannot be written." if error.code == "disk-full" else NOT_WRITTEN
