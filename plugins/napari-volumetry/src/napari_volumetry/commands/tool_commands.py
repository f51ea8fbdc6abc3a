"""The tools that draw: which is chosen, whether it draws holes, how large its brush is."""

from __future__ import annotations

from pathlib import Path

from napari.components import ViewerModel
from qtpy.QtCore import Signal

from napari_volumetry.commands.lesion_commands import LesionCommands
from napari_volumetry.drawing.strokes import Tool
from napari_volumetry.drawing.tools import Drawing
from napari_volumetry.picture.layers import colour_of


class ToolCommands(LesionCommands):
    """The lesions of the case in view, and the tools that draw them.

    Signals are those of `PictureCommands`, and ``state_changed`` (drawing began or ended, another tool or
    brush).
    """

    state_changed = Signal()

    def __init__(self, viewer: ViewerModel, *, reader: str = "", place: Path | None = None) -> None:
        super().__init__(viewer, reader=reader, place=place)
        self.drawing: Drawing | None = None
        self.brush_mm = {"nudge": 8.0, "paint": 3.0, "erase": 3.0}
        self._was_half_drawn = False

    def _on_drawing(self) -> None:
        if self.scene is None or self.drawing is None:
            return
        overlay = self.scene.overlay
        overlay.colour = self._colour()
        overlay.refresh_soon()
        state = self.drawing.is_half_drawn
        if state != self._was_half_drawn:
            self._was_half_drawn = state
            self.state_changed.emit()

    def _colour(self) -> str:
        lesion = self.lesion
        return colour_of(lesion.colour if lesion else 0)

    # -- tools -------------------------------------------------------------------------------------------

    @property
    def tool(self) -> Tool:
        """Which tool is chosen: none, freehand, polygon, wire, nudge, vertices, paint or erase."""
        return "none" if self.drawing is None else self.drawing.tool

    @property
    def is_hole(self) -> bool:
        """Whether what is drawn next is a hole."""
        return self.drawing is not None and self.drawing.is_hole

    def draw_freehand(self) -> None:
        """Draw outlines freehand."""
        self._take("freehand")

    def draw_polygon(self) -> None:
        """Draw outlines by clicks."""
        self._take("polygon")

    def draw_wire(self) -> None:
        """Draw outlines by clicks on the margin of a dark band; the line between follows it."""
        self._take("wire")

    def nudge(self) -> None:
        """Push outlines with a round brush."""
        self._take("nudge")

    def edit_vertices(self) -> None:
        """Drag single vertices."""
        self._take("vertices")

    def paint(self) -> None:
        """Paint pixels."""
        self._take("paint")

    def erase(self) -> None:
        """Erase painted pixels."""
        self._take("erase")

    def stop_drawing(self) -> None:
        """Give the mouse back to the picture."""
        self._take("none")

    def _take(self, tool: Tool) -> None:
        if self.drawing is not None:
            self.drawing.choose(tool)
            self.state_changed.emit()

    def toggle_hole(self) -> None:
        """What is drawn next is a hole, or again an outline."""
        if self.drawing is None:
            return
        self.drawing.is_hole = not self.drawing.is_hole
        if self.is_hole and self.tool not in ("freehand", "polygon", "wire"):
            self._take("freehand")
        self.state_changed.emit()

    # -- the brush ---------------------------------------------------------------------------------------

    def smaller_brush(self) -> None:
        """Make the brush smaller."""
        self._scale_brush(1 / 1.25)

    def larger_brush(self) -> None:
        """Make the brush larger."""
        self._scale_brush(1.25)

    def _scale_brush(self, factor: float) -> None:
        tool = self.tool if self.tool in self.brush_mm else "nudge"
        self.set_brush_radius(min(max(self.brush_mm[tool] * factor, 0.5), 50.0))

    def set_brush_radius(self, radius_mm: float) -> None:
        """Choose the size of the round brush of the tool that is chosen: push, brush or eraser."""
        tool = self.tool if self.tool in self.brush_mm else "nudge"
        for name in ("paint", "erase") if tool in ("paint", "erase") else (tool,):
            self.brush_mm[name] = radius_mm
        self._on_drawing()
        self.state_changed.emit()
