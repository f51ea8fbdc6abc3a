"""What is seen on the screen: pixels of the display, and letters read from them."""

from __future__ import annotations

from itertools import product

import numpy as np
from napari_volumetry.picture.painting import NARROW, paint_letters
from numpy.typing import NDArray
from qtpy.QtCore import QPoint
from qtpy.QtGui import QImage, QPainter
from qtpy.QtWidgets import QWidget

EDGES = ("left", "right", "top", "bottom")
OPPOSITE = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}
OUTWARD = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1)}
"""Towards an edge, (x, y) on the screen."""

PAIRS = (("L", "R"), ("A", "P"), ("H", "F"))
OTHER_LETTER = dict(PAIRS) | {b: a for a, b in PAIRS}
TEXTS = ["", *OTHER_LETTER] + [
    a + b for a, b in product(OTHER_LETTER, OTHER_LETTER) if b not in (a, OTHER_LETTER[a])
]
BAND = 46
"""Pixels of the edge in which a letter stands."""


def as_array(image: QImage) -> NDArray[np.uint8]:
    """Return an image as (rows, columns, 3) of red, green, blue."""
    made = image.convertToFormat(QImage.Format.Format_RGB888)
    flat = np.frombuffer(made.constBits(), dtype=np.uint8).reshape(made.height(), made.bytesPerLine())
    return flat[:, : 3 * made.width()].reshape(made.height(), made.width(), 3).copy()


def screen_of(widget: QWidget) -> NDArray[np.uint8]:
    """Return what the display shows where a widget is."""
    corner = widget.mapToGlobal(QPoint(0, 0))
    taken = widget.screen().grabWindow(0, corner.x(), corner.y(), widget.width(), widget.height())
    return as_array(taken.toImage())


def is_yellow(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    red, green, blue = (pixels[..., n].astype(int) for n in range(3))
    return (red > 150) & (red - blue > 90) & (np.abs(red - green * 255 / 212) < 40)


def band(pixels: NDArray, edge: str) -> NDArray:
    """Return the part of a picture in which the letter of an edge stands."""
    rows, columns = pixels.shape[:2]
    if edge in ("left", "right"):
        middle = slice(rows // 2 - BAND // 2, rows // 2 + BAND // 2)
        return pixels[middle, :BAND] if edge == "left" else pixels[middle, -BAND:]
    middle = slice(columns // 2 - BAND // 2, columns // 2 + BAND // 2)
    return pixels[:BAND, middle] if edge == "top" else pixels[-BAND:, middle]


_drawn: dict[tuple[int, int], dict[tuple[str, str], NDArray[np.bool_]]] = {}


def drawn_letters(rows: int, columns: int) -> dict[tuple[str, str], NDArray[np.bool_]]:
    """Return where yellow would be for every text at every edge."""
    if (rows, columns) not in _drawn:
        found = {}
        for text in TEXTS:
            image = QImage(columns, rows, QImage.Format.Format_RGB888)
            image.fill(0)
            painter = QPainter(image)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            paint_letters(painter, (columns, rows), dict.fromkeys(EDGES, text))
            painter.end()
            pixels = is_yellow(as_array(image))
            found |= {(edge, text): band(pixels, edge) for edge in EDGES}
        _drawn[rows, columns] = found
    return _drawn[rows, columns]


def read_letters(pixels: NDArray[np.uint8]) -> dict[str, str]:
    """Read the letters at the edges of a picture; an edge without one is left out."""
    drawn, letters = drawn_letters(*pixels.shape[:2]), {}
    for edge in EDGES:
        here = is_yellow(band(pixels, edge))
        if here.sum() < 10:
            continue

        def likeness(text: str, edge: str = edge, here: NDArray[np.bool_] = here) -> float:
            there = drawn[edge, text]
            return float((here & there).sum() / max((here | there).sum(), 1))

        letters[edge] = max(TEXTS, key=likeness)
        assert likeness(letters[edge]) > 0.6, (edge, letters[edge], likeness(letters[edge]))
    return letters


def bright_middle(pixels: NDArray[np.uint8], above: int) -> NDArray[np.float64] | None:
    """Return the middle (x, y) of what is gray and brighter than a value; None where nothing is.

    What is written at the corners is left out.
    """
    gray = pixels.max(axis=-1) - pixels.min(axis=-1) < 12
    found = gray & (pixels[..., 1] > above)
    columns = found.shape[1]
    if columns < NARROW:
        # There the labels stand between the letters.
        found[:100] = found[-80:] = False
    found[:44, : columns // 2] = False
    found[-40:] = False
    places = np.argwhere(found)
    return places.mean(axis=0)[::-1] if len(places) > 20 else None
