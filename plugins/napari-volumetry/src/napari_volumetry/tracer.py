"""The tracer: what keys, buttons and the mouse ask for, done to the session of the case in view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from napari.components import ViewerModel
from numpy.typing import NDArray

from napari_volumetry.desk import CaseDesk, command
from napari_volumetry.drawing import Drawing, Tool
from napari_volumetry.keys import KEYS
from napari_volumetry.layers import colour_of
from napari_volumetry.scene import Edit, Scene, paint_number
from volumetry import Contour
from volumetry.tracing import TracedLesion, TracingSession, WindowPreset

Array = NDArray[np.float64]

MIDLINE_MM = 5.0
"""Nearer to the patient's middle than this, an outline does not say its side."""


class Tracer(CaseDesk):
    """The tracer of a viewer.

    Signals are those of `CaseDesk`.

    Parameters
    ----------
    viewer : ViewerModel
    reader : str
        Initials or number of who traces.
    place : Path, optional
        Where traces are written, if not in the study folder.
    """

    def __init__(self, viewer: ViewerModel, *, reader: str = "", place: Path | None = None) -> None:
        super().__init__(viewer, reader=reader, place=place)
        self.drawing: Drawing | None = None
        self.nudge_radius_mm = 8.0
        self.is_hole = False
        for key in KEYS:
            viewer.bind_key(key.key, self._pressed(key.command), overwrite=True)

    def _pressed(self, command: str) -> Callable[[object], None]:
        def press(_viewer: object) -> None:
            getattr(self, command)()

        return press

    def begin_drawing(self, scene: Scene) -> None:  # noqa: D102
        self.is_hole = False
        self.drawing = Drawing(
            self.viewer,
            scene,
            colour=self._colour,
            on_outline=self._on_outline,
            on_nudge=self._on_nudge,
            outlines=self._pushable,
        )
        self.drawing.radius_mm = self.nudge_radius_mm

    def end_drawing(self) -> None:  # noqa: D102
        if self.drawing is not None:
            self.drawing.close()
        self.drawing = None

    def on_slice(self) -> None:  # noqa: D102
        if self.drawing is not None:
            self.drawing.cancel()
        super().on_slice()

    # -- lesions -----------------------------------------------------------------------------------------

    @property
    def lesion(self) -> TracedLesion | None:
        """The lesion that is being traced."""
        session = self.session
        return None if session is None else session.state.lesions.get(session.current_lesion)

    def choose_lesion(self, lesion_id: str) -> None:
        """Trace another lesion."""
        session = self.session
        if session is not None and lesion_id in session.state.lesions:
            session.current_lesion = lesion_id
            self.update_view()

    def next_lesion(self) -> None:
        """Trace the next lesion."""
        session = self.session
        if session is not None and session.state.lesions:
            ids = list(session.state.lesions)
            here = ids.index(session.current_lesion) + 1 if session.current_lesion in ids else 0
            self.choose_lesion(ids[here % len(ids)])

    @command
    def new_lesion(self, session: TracingSession, side: str | None = None) -> None:
        """Add a lesion, on the side of the current one unless another is given."""
        if side is None:
            side = self.lesion.side if self.lesion else ""
        session.add_lesion(self._free_name(side), side)

    @command
    def begin_lesion(self, session: TracingSession, name: str, side: str) -> None:
        """Add a lesion of a name."""
        session.add_lesion(name, side)

    def _free_name(self, side: str) -> str:
        assert self.session is not None
        taken = {lesion.name for lesion in self.session.state.lesions.values()}
        stem = side or "lesion"
        return next(f"{stem}{n}" for n in range(1, len(taken) + 2) if f"{stem}{n}" not in taken)

    @command
    def rename_lesion(self, session: TracingSession, name: str, side: str) -> None:
        """Give the current lesion another name and side."""
        session.change_lesion(session.current_lesion, name=name, side=side)

    @command
    def delete_lesion(self, session: TracingSession) -> None:
        """Delete the current lesion with all its outlines."""
        session.delete_lesion(session.current_lesion)

    @command
    def mark_absent(self, session: TracingSession, is_absent: bool) -> None:
        """Say that there is no lesion, or take it back."""
        session.mark_absent(session.current_lesion, is_absent=is_absent)

    # -- tools -------------------------------------------------------------------------------------------

    @property
    def tool(self) -> str:
        """What is in the hand: none, freehand, polygon, nudge, vertices, paint or erase."""
        if self.scene is None or self.drawing is None:
            return "none"
        active = self.viewer.layers.selection.active
        if active is self.scene.paint and active is not None:
            mode = str(self.scene.paint.mode)
            return mode if mode in ("paint", "erase") else "none"
        if active is self.scene.outlines and self.drawing.tool == "none":
            return "vertices" if str(self.scene.outlines.mode) == "direct" else "none"
        return self.drawing.tool

    def draw_freehand(self) -> None:
        """Draw outlines freehand."""
        self._take("freehand")

    def draw_polygon(self) -> None:
        """Draw outlines by clicks."""
        self._take("polygon")

    def nudge(self) -> None:
        """Push outlines with a round brush."""
        self._take("nudge")

    def edit_vertices(self) -> None:
        """Drag single vertices, with napari's own tool."""
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

    def _take(self, tool: str) -> None:
        if self.scene is None or self.drawing is None:
            return
        self.drawing.choose("none")
        self.scene.outlines.mode = "pan_zoom"
        if tool in ("paint", "erase"):
            self._take_brush(tool)
        else:
            if self.scene.paint is not None:
                self.scene.paint.mode = "pan_zoom"
            self.viewer.layers.selection.active = self.scene.outlines
            if tool == "vertices":
                self.scene.outlines.mode = "direct"
            elif tool in ("freehand", "polygon", "nudge"):
                self.drawing.choose(cast(Tool, tool))
        self.drawn.emit()

    def _take_brush(self, mode: str) -> None:
        assert self.scene is not None
        self._lesion_for(None)
        layer = self.scene.paint_layer()
        # A Labels layer has an undo of its own for the same keys; here it goes over everything.
        layer.bind_key("Control-Z", self._pressed("undo"), overwrite=True)
        layer.bind_key("Control-Shift-Z", self._pressed("redo"), overwrite=True)
        if self.lesion is not None:
            layer.selected_label = paint_number(self.lesion.colour)
        layer.mode = mode
        self.viewer.layers.selection.active = layer

    def toggle_hole(self) -> None:
        """What is drawn next is a hole, or again an outline."""
        self.is_hole = not self.is_hole
        if self.is_hole and self.tool not in ("freehand", "polygon"):
            self._take("freehand")
        self.drawn.emit()

    def set_nudge_radius(self, radius_mm: float) -> None:
        """Choose the size of the round brush that pushes."""
        self.nudge_radius_mm = radius_mm
        if self.drawing is not None:
            self.drawing.radius_mm = radius_mm

    def set_window(self, window: WindowPreset) -> None:
        """Show the scan in a window."""
        if self.scene is not None:
            self.scene.set_window(window)

    # -- what the mouse did ------------------------------------------------------------------------------

    def _colour(self) -> str:
        lesion = self.lesion
        return colour_of(lesion.colour if lesion else 0)

    def _pushable(self) -> list[tuple[str, Array]]:
        if self.scene is None or self.session is None:
            return []
        found = self.session.state.contours_on(self.session.current_lesion, self.slice_index)
        return [(c.id, self.scene.orientation.pixels_to_display(c.vertices)) for c in found]

    @command
    def _on_outline(self, session: TracingSession, ring: Array) -> None:
        assert self.scene is not None
        self._add_ring(session, ring)

    def _add_ring(self, session: TracingSession, ring: Array) -> None:
        assert self.scene is not None
        vertices = self.scene.orientation.display_to_pixels(ring)
        self._lesion_for(vertices)
        if self.is_hole:
            session.add_hole(self.slice_index, vertices)
            self.is_hole = False
        else:
            session.add_outline(self.slice_index, vertices)

    def _lesion_for(self, vertices: Array | None) -> None:
        """Add a lesion where there is none yet, on the side of the patient where it is drawn."""
        session = self.session
        if session is None or session.current_lesion:
            return
        side = ""
        if vertices is not None:
            x_mm = float(session.geometry.pixel_to_patient(self.slice_index, [vertices.mean(axis=0)])[0, 0])
            side = "L" if x_mm > MIDLINE_MM else "R" if x_mm < -MIDLINE_MM else ""
        name = self._free_name(side)
        session.add_lesion(name, side)
        where = {"L": "on the patient's left", "R": "on the patient's right"}.get(side, "without a side")
        self.told.emit(f"New lesion {name}, {where}. Change it above if that is wrong.", False)

    @command
    def _on_nudge(self, session: TracingSession, contour_id: str, ring: Array) -> None:
        assert self.scene is not None
        session.replace_vertices(contour_id, self.scene.orientation.display_to_pixels(ring))

    @command
    def take_edit(self, session: TracingSession, edit: Edit) -> None:  # noqa: D102
        assert self.scene is not None
        for contour_id in edit.removed:
            session.delete_contour(contour_id)
        for contour_id, ring in edit.changed:
            session.replace_vertices(contour_id, self.scene.orientation.display_to_pixels(ring))
        for ring in edit.added:
            self._add_ring(session, ring)
        if edit.is_refused:
            self.told.emit("A line encloses no area. Draw a closed outline.", True)

    @command
    def take_paint(self, session: TracingSession) -> None:  # noqa: D102
        assert self.scene is not None
        self._lesion_for(None)
        if self.lesion is not None:
            inside = self.scene.painted_pixels(paint_number(self.lesion.colour))
            session.set_painted(self.slice_index, inside)

    # -- commands over slices ----------------------------------------------------------------------------

    def copy_to_next(self) -> None:
        """Copy the outlines of the slice in view to the next one, and go there."""
        self._copy(1)

    def copy_to_previous(self) -> None:
        """Copy the outlines of the slice in view to the previous one, and go there."""
        self._copy(-1)

    @command
    def _copy(self, session: TracingSession, step: int) -> None:
        here = self.slice_index
        if session.copy_slice(here, here + step):
            self.go_to_slice(here + step)
        else:
            self.told.emit("There is nothing to copy on this slice.", False)

    @command
    def interpolate(self, session: TracingSession) -> None:
        """Propose outlines for the slices between traced ones."""
        proposed = session.propose_between()
        text = (
            "There is no slice between traced ones."
            if not proposed
            else ("Dashed outlines are proposals: look at each slice, then accept them.")
        )
        self.told.emit(text, False)

    @command
    def propose(self, session: TracingSession, contours: Sequence[Contour]) -> None:
        """Propose outlines from elsewhere: the baseline's. Only accepting makes them count."""
        if not session.propose(contours):
            self.told.emit("There is no outline to propose.", False)

    @command
    def accept_slice(self, session: TracingSession) -> None:
        """Accept the proposals on the slice in view."""
        session.accept(self.slice_index)

    @command
    def accept_all(self, session: TracingSession) -> None:
        """Accept all proposals of the lesion."""
        session.accept()

    @command
    def reject_slice(self, session: TracingSession) -> None:
        """Throw the proposals on the slice in view away."""
        session.reject(self.slice_index)

    @command
    def clear_slice(self, session: TracingSession) -> None:
        """Delete what is traced of the lesion on the slice in view."""
        session.clear_slice(self.slice_index)

    @command
    def paint_outlines(self, session: TracingSession) -> None:
        """Turn the outlines of the slice in view into paint; the area becomes the pixel count."""
        session.paint(self.slice_index, np.zeros((0, 2)), convert=True)

    @command
    def outline_paint(self, session: TracingSession) -> None:
        """Turn the paint of the slice in view into outlines of the same area."""
        session.outline_paint(self.slice_index)

    @command
    def undo(self, session: TracingSession) -> None:
        """Take the last command back, and go where it was."""
        self._follow(session.undo())

    @command
    def redo(self, session: TracingSession) -> None:
        """Do again what was taken back, and go where it was."""
        self._follow(session.redo())

    def _follow(self, event: object) -> None:
        slices = getattr(event, "slice_indices", ())
        if slices and self.slice_index not in slices:
            self.go_to_slice(slices[0])
