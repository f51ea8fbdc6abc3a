"""Where positions on the screen's slice lie on the canvas, and back. No Qt, no napari."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CanvasMap:
    """The view of a slice in a widget.

    Attributes
    ----------
    scale_mm : (float, float)
        Millimetres of one step of the screen's (rows, columns).
    centre_mm : (float, float)
        What lies in the middle of the widget, from the centre of the first pixel: (down, right).
    zoom : float
        Pixels of the widget per millimetre.
    size : (int, int)
        (width, height) of the widget, in pixels.
    """

    scale_mm: tuple[float, float]
    centre_mm: tuple[float, float]
    zoom: float
    size: tuple[int, int]

    def to_canvas(self, shown: ArrayLike) -> Array:
        """Return (x, y) in the widget, (n, 2), of positions (row, column) on the screen's slice."""
        world = np.asarray(shown, dtype=np.float64).reshape(-1, 2) * self.scale_mm
        middle = np.array(self.size[::-1]) / 2
        return np.asarray(((world - self.centre_mm) * self.zoom + middle)[:, ::-1])

    def to_display(self, canvas: ArrayLike) -> Array:
        """Return (row, column) on the screen's slice, (n, 2), of positions (x, y) in the widget."""
        place = np.asarray(canvas, dtype=np.float64).reshape(-1, 2)[:, ::-1]
        world = (place - np.array(self.size[::-1]) / 2) / self.zoom + self.centre_mm
        return np.asarray(world / self.scale_mm)

    def moved(self, dx: float, dy: float) -> CanvasMap:
        """Return the view after the picture was dragged by pixels of the widget."""
        down, right = self.centre_mm
        return replace(self, centre_mm=(down - dy / self.zoom, right - dx / self.zoom))

    def zoomed(self, factor: float, at: tuple[float, float]) -> CanvasMap:
        """Return the view at another zoom, with what lies at (x, y) of the widget left in its place."""
        offset = np.array((at[1] - self.size[1] / 2, at[0] - self.size[0] / 2)) / self.zoom
        centre = np.array(self.centre_mm) + offset * (1 - 1 / factor)
        return replace(self, zoom=self.zoom * factor, centre_mm=(float(centre[0]), float(centre[1])))


def fitted(
    scale_mm: tuple[float, float], shape: tuple[int, int], size: tuple[int, int], *, share: float = 0.98
) -> CanvasMap:
    """Return the view that shows all of a slice of `shape` (rows, columns) in a widget of `size`."""
    extent = np.array(shape) * scale_mm
    zoom = share * min(size[0] / extent[1], size[1] / extent[0])
    middle = (np.array(shape) - 1) * scale_mm / 2
    centre = (float(middle[0]), float(middle[1]))
    return CanvasMap(scale_mm=scale_mm, centre_mm=centre, zoom=max(float(zoom), 1e-6), size=size)
