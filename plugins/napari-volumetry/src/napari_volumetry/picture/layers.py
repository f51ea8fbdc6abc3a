"""What napari's layers are given: scans and outlines as arrays on the screen. No Qt, no napari."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry import Contour, Scan
from volumetry.tracing import DisplayOrientation, WindowPreset, printable, window_presets

Array = NDArray[np.float64]

COLOURS = ("#ffd42a", "#2ad4ff", "#ff6ad5", "#7bea6f", "#ff9a3c", "#c39bff")
"""Of lesions in their order; told apart by readers with the common kinds of colour blindness."""

SHOWN_COLOURS = ("#4a6bff", "#e8333f", "#00a07a", "#a05a2c", "#9b30c9", "#7f8c00")
"""Of masks and outlines that are only shown: none is like that of a lesion, which counts."""

BASELINE_COLOUR = "#ffffff"
UNITS = ("mm", "mm", "mm")
AXES = ("slice", "row", "column")


def colour_of(index: int) -> str:
    """Return the colour of a lesion, as a hexadecimal text."""
    return COLOURS[index % len(COLOURS)]


def shown_colour_of(index: int) -> str:
    """Return the colour of what is only shown, as a hexadecimal text."""
    return SHOWN_COLOURS[index % len(SHOWN_COLOURS)]


def layer_name(text: str) -> str:
    """Return a text as the name of a layer.

    napari shows names of layers in tool tips, and Qt takes a tool tip for HTML where a tag or ``&lt;`` stands
    in its first line: it would open the files that the HTML names.
    """
    return (
        printable(text).replace("<", "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}").replace("&lt;", "& lt;")
    )


def image_arguments(
    scan: Scan, orientation: DisplayOrientation, *, window: WindowPreset | None = None
) -> dict[str, Any]:
    """Return the arguments, but for its data, of an upright Image layer with true pixels."""
    chosen = window or window_presets(scan)[0]
    return {
        "scale": orientation.scale_mm,
        "units": UNITS,
        "axis_labels": AXES,
        "colormap": "gray",
        "contrast_limits": (chosen.low, chosen.high),
        "interpolation2d": "linear",
    }


def stacked_outlines(contours: Iterable[Contour], orientation: DisplayOrientation) -> list[Array]:
    """Return outlines of many slices as polygons (n, 3) of (slice, row, column) on the screen."""
    return [
        np.column_stack(
            (np.full(len(c.vertices), float(c.slice_index)), orientation.pixels_to_display(c.vertices))
        )
        for c in contours
    ]
