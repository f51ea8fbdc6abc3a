"""How values look in a terminal and in a notebook: one line, and a small table with a picture."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

Facts = Sequence[tuple[str, Any]]
"""Names and values, as they are to be read."""

_PICTURE_PIXELS = 160


class Shown:
    """A value that shows itself by its facts.

    A class that inherits has ``_facts()``, and may have ``_picture()``, which returns HTML.
    """

    def _facts(self) -> Facts:
        raise NotImplementedError

    def _picture(self) -> str:
        return ""

    def __repr__(self) -> str:
        """Return one line: the name of the class and its facts that are not empty."""
        known = [f"{name} {_text(value)}" for name, value in self._facts() if not _empty(value)]
        return f"<{type(self).__name__}: {', '.join(known)}>"

    def _repr_html_(self) -> str:
        """Return a small table, with a picture where there is one."""
        rows = "".join(
            f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">'
            f"{escape(_text(value))}</td></tr>"
            for name, value in self._facts()
            if not _empty(value)
        )
        table = f"<table><caption>{escape(type(self).__name__)}</caption>{rows}</table>"
        picture = self._picture()
        if not picture:
            return table
        return f'<div style="display:flex;gap:1em;align-items:flex-start">{picture}{table}</div>'


def _empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, tuple | list) and not value)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple | list):
        return " ".join(_text(v) for v in value)
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def picture_of_pixels(pixels: NDArray[Any]) -> str:
    """Return an image of one slice, (rows, columns), as HTML: grey, from its 1st to its 99th percentile."""
    from io import BytesIO

    from PIL import Image

    values = np.asarray(pixels, dtype=np.float32)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return ""
    low, high = (float(v) for v in np.percentile(finite, (1, 99)))
    grey = np.clip((np.nan_to_num(values) - low) / max(high - low, 1e-9), 0, 1)
    image = Image.fromarray((255 * grey).astype(np.uint8))
    image.thumbnail((_PICTURE_PIXELS, _PICTURE_PIXELS))
    stream = BytesIO()
    image.save(stream, format="PNG")
    return f'<img alt="slice" src="data:image/png;base64,{b64encode(stream.getvalue()).decode()}">'


def picture_of_rings(rings: Iterable[NDArray[np.float64]]) -> str:
    """Return rings of (row, column), (n, 2), as an SVG drawing."""
    found = [np.asarray(ring, dtype=np.float64) for ring in rings]
    if not found:
        return ""
    points = np.concatenate(found)
    low, size = points.min(axis=0), float(max(np.ptp(points, axis=0).max(), 1e-9))
    scale = 120 / size
    paths = "".join(
        '<path fill="none" stroke="#d55e00" stroke-width="1.5" d="M'
        + "L".join(f"{x:.1f},{y:.1f}" for y, x in (ring - low) * scale + 5)
        + 'Z"/>'
        for ring in found
    )
    return f'<svg role="img" aria-label="outline" width="130" height="130">{paths}</svg>'


def picture_of_bars(values: Sequence[float]) -> str:
    """Return a row of bars, one for each slice, as an SVG drawing."""
    if not len(values):
        return ""
    top, width = max(max(values), 1e-9), 120 / len(values)
    bars = "".join(
        f'<rect x="{5 + i * width:.1f}" y="{65 - 60 * v / top:.1f}" width="{0.85 * width:.1f}" '
        f'height="{60 * v / top:.1f}" fill="#0072b2"/>'
        for i, v in enumerate(values)
    )
    return f'<svg role="img" aria-label="areas by slice" width="130" height="70">{bars}</svg>'
