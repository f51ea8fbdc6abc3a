"""The tracer: what keys, buttons and the mouse ask for, done to the session of the case in view."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from napari.components import ViewerModel
from numpy.typing import NDArray
from qtpy.QtCore import Signal

from napari_volumetry.canvas_input import CanvasInput
from napari_volumetry.case_controller import CaseController, command
from napari_volumetry.compare import Comparison
from napari_volumetry.drawing import CLOSE_PIXELS, Drawing
from napari_volumetry.keys import KEYS
from napari_volumetry.layers import colour_of
from napari_volumetry.scene import Scene
from napari_volumetry.strokes import Place, Stroke, Tool, nearest_vertex
from volumetry import Contour
from volumetry.tracing import LiveWire, TracedLesion, TracingSession, WindowPreset

Array = NDArray[np.float64]

MIDLINE_MM = 5.0
"""Nearer to the patient's middle than this, an outline does not say its side."""


class Tracer(CaseController):
    """The tracer of a viewer.

    Signals are those of `CaseController`, and: ``state_changed`` (drawing began or ended, another tool or
    brush), ``pointed`` (where the mouse is on the screen's slice, or None), ``window_chosen`` (number),
    ``keys_wanted``, ``layers_wanted``.

    Parameters
    ----------
    viewer : ViewerModel
    reader : str
        Initials or number of who traces.
    place : Path, optional
        Where traces are written, if not in the study folder.
    """

    state_changed = Signal()
    pointed = Signal(object)
    window_chosen = Signal(int)
    keys_wanted = Signal()
    layers_wanted = Signal()

    def __init__(self, viewer: ViewerModel, *, reader: str = "", place: Path | None = None) -> None:
        super().__init__(viewer, reader=reader, place=place)
        self.drawing: Drawing | None = None
        self.comparison = Comparison()
        self.brush_mm = {"nudge": 8.0, "paint": 3.0, "erase": 3.0}
        self._commands = {key.key: key for key in KEYS}
        self._was_half_drawn = False
        self._wire: tuple[tuple[int, int], LiveWire] | None = None
        self.input = CanvasInput(self.canvas, self)

    def begin_drawing(self, scene: Scene) -> None:  # noqa: D102
        _, rows, columns = scene.orientation.shape
        scale = scene.orientation.scale_mm
        self.drawing = Drawing(
            self, shape=(rows, columns), scale_mm=(scale[1], scale[2]), on_change=self._on_drawing
        )
        self.drawing.radius_mm = self.brush_mm
        scene.overlay.drawing = self.drawing
        self.input.set_all_positions(True)
        self.canvas.setFocus()

    def end_drawing(self) -> None:  # noqa: D102
        if self.drawing is not None:
            self.drawing.cancel("the case was closed")
        self.drawing = None
        self.input.set_all_positions(False)

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

    def on_slice(self) -> None:  # noqa: D102
        if self.drawing is not None:
            self.drawing.cancel("the slice changed")
        super().on_slice()

    # -- the mouse and the keys over the picture (see `canvas_input.Target`) ----------------------------

    def is_active(self) -> bool:
        """Return whether a case is open."""
        return self.scene is not None and self.drawing is not None

    def has_tool(self) -> bool:
        """Return whether the left button draws."""
        return self.drawing is not None and self.drawing.tool != "none"

    def _shown_at(self, at: tuple[float, float]) -> tuple[float, float]:
        """Row and column on the screen's slice of a position on the canvas."""
        assert self.scene is not None
        row, column = self.scene.view.to_display([at])[0]
        return float(row), float(column)

    def draw_press(self, at: tuple[float, float]) -> None:  # noqa: D102
        if self.scene is not None and self.drawing is not None:
            self.scene.show_image()
            self.drawing.zoom = self.scene.view.zoom
            self.drawing.press(self._shown_at(at))

    def draw_move(self, at: tuple[float, float]) -> None:  # noqa: D102
        if self.drawing is not None:
            self.drawing.move(self._shown_at(at))

    def draw_release(self, at: tuple[float, float]) -> None:  # noqa: D102
        if self.drawing is not None:
            self.drawing.release(self._shown_at(at))

    def draw_double_click(self, at: tuple[float, float]) -> bool:  # noqa: D102
        return self.drawing is not None and self.drawing.double_click(self._shown_at(at))

    def hover(self, at: tuple[float, float] | None) -> None:  # noqa: D102
        if self.drawing is None or self.scene is None:
            return
        if at is None:
            self.drawing.here = None
            self._on_drawing()
        else:
            self.drawing.move(self._shown_at(at))
        self.pointed.emit(self.drawing.here)

    def pan(self, dx: float, dy: float) -> None:  # noqa: D102
        if self.scene is not None:
            self.scene.set_view(self.scene.view.moved(dx, dy))

    def zoom(self, factor: float, at: tuple[float, float]) -> None:  # noqa: D102
        if self.scene is not None:
            self.scene.set_view(self.scene.view.zoomed(factor, at))

    def change_window(self, dx: float, dy: float) -> None:
        """Change window width (to the right: wider) and level (down: higher), as PACS do."""
        if self.scene is not None:
            low, high = self.scene.window
            level, width = (low + high) / 2, high - low
            least = max(abs(high), abs(low), 1e-3) * 1e-3
            step = self.scene.windows[0].width / 500
            width, level = max(width + dx * step, least), level + dy * step
            self.scene.set_limits(level - width / 2, level + width / 2)

    def step_slices(self, steps: int) -> None:
        """Go a number of slices further."""
        self.go_to_slice(self.slice_index + steps)

    def resized(self) -> None:  # noqa: D102
        if self.scene is not None:
            self.scene.overlay.setGeometry(self.canvas.rect())
            self.scene.on_view()

    def press_key(self, key: str, *, is_repeat: bool) -> bool:
        """Do what a key stands for; return whether it stands for something."""
        found = self._commands.get(key)
        if found is None or (is_repeat and not found.repeats):
            return False
        getattr(self, found.command)()
        return True

    def release_key(self, key: str) -> bool:
        """End what a key does while it is held."""
        found = self._commands.get(key.split("-")[-1])
        if found is not None and found.command == "hide_outlines":
            self._hide_outlines(False)
            return True
        return False

    def hide_outlines(self) -> None:
        """Hide the outlines while the key is held."""
        self._hide_outlines(True)

    def _hide_outlines(self, is_hidden: bool) -> None:
        if self.scene is not None:
            self.scene.overlay.hides_outlines = is_hidden
            self.scene.overlay.refresh()

    def drop(self) -> None:
        """Drop what is half drawn; without, stop drawing."""
        if self.drawing is not None and not self.drawing.cancel():
            self.stop_drawing()

    def take_back(self) -> None:
        """Take the last click back, or drop the stroke; in the vertices tool, delete a vertex."""
        if self.drawing is None or self.drawing.take_back():
            return
        if self.drawing.tool == "vertices":
            self._delete_vertex()

    @command
    def _delete_vertex(self, session: TracingSession) -> None:
        assert self.scene is not None
        assert self.drawing is not None
        here = self.drawing.here
        if here is None:
            return
        reach = CLOSE_PIXELS / self.scene.view.zoom
        found = nearest_vertex(self.outlines(), here, self.drawing.scale_mm, reach)
        if found is None:
            self.say("There is no vertex under the pointer.", False)
        elif len(found[1]) <= 3:
            self.say("An outline has at least three vertices.", False)
        else:
            ring = np.delete(found[1], found[2], axis=0)
            session.replace_vertices(found[0], self.scene.orientation.display_to_pixels(ring))

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

    def toggle_smooth(self) -> None:
        """Show pixels blended, or as blocks."""
        if self.scene is not None:
            self.scene.set_smooth(not self.scene.overlay.is_smooth)

    def window_1(self) -> None:
        """Show the scan in its first window."""
        self._choose_window(0)

    def window_2(self) -> None:
        """Show the scan in its second window."""
        self._choose_window(1)

    def window_3(self) -> None:
        """Show the scan in its third window."""
        self._choose_window(2)

    def window_4(self) -> None:
        """Show the scan in its fourth window."""
        self._choose_window(3)

    def _choose_window(self, number: int) -> None:
        if self.scene is not None and number < len(self.scene.windows):
            window = self.scene.windows[number]
            self.scene.set_window(window)
            self.window_chosen.emit(number)
            self.say(f"Window {window.name}: level {window.level:g}, width {window.width:g}.", False)

    def show_keys(self) -> None:
        """Show the keys beside the picture."""
        self.keys_wanted.emit()

    def show_layers(self) -> None:
        """Show, or hide, napari's list of layers."""
        self.layers_wanted.emit()

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
            if lesion_id != session.current_lesion:
                self.drop_for("the lesion changed")
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
        self.drop_for("the lesion changed")
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
        self.drop_for("the lesion was deleted")
        session.delete_lesion(session.current_lesion)

    @command
    def mark_absent(self, session: TracingSession, is_absent: bool) -> None:
        """Say that there is no lesion, or take it back."""
        session.mark_absent(session.current_lesion, is_absent=is_absent)

    @command
    def mark_not_measurable(self, session: TracingSession, reason: str) -> None:
        """Say that the lesion cannot be measured, and why; an empty reason takes it back."""
        session.mark_not_measurable(session.current_lesion, reason)

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

    def set_window(self, window: WindowPreset) -> None:
        """Show the scan in a window."""
        if self.scene is not None:
            self.scene.set_window(window)

    @property
    def state_words(self) -> str:
        """The state of the current lesion in words: drawing, unsaved, saved, signed."""
        if self.drawing is not None and self.drawing.is_half_drawn:
            return "Drawing"
        return super().state_words

    @property
    def has_unsaved(self) -> bool:
        """Whether something is traced that is not saved."""
        session = self.session
        return session is not None and not session.is_read_only and bool(session.state.unsaved_lesions)

    @property
    def picture_label(self) -> str:
        """What the picture is that is read: its role and visit, as blinding allows."""
        if self.worklist is None or self.number is None or self.worklist.blinding == "time":
            return ""
        row = next(row for row in self.worklist.rows if row.number == self.number)
        is_baseline = self.worklist.baseline_number(self.number) is None
        return f"{'Baseline' if is_baseline else 'Follow-up'}  {row.visit}".strip()

    # -- what the mouse drew (see `drawing.Hand`) --------------------------------------------------------

    def stroke_place(self) -> Place:
        """Return where a stroke would begin now."""
        session = self.session
        return Place(
            case=self.opening if self.case is not None else 0,
            slice_index=self.slice_index,
            lesion_id="" if session is None else session.current_lesion,
        )

    def refusal(self) -> str:
        """Return why nothing can be drawn now; empty where it can."""
        session, lesion = self.session, self.lesion
        if session is None:
            return "Open a case first."
        if session.is_read_only:
            return "This case is read-only: nothing can be drawn."
        if lesion is not None and lesion.is_signed:
            return f"{lesion.name} is signed. Open it again, with a reason, to change it."
        return ""

    def say(self, text: str, is_error: bool) -> None:
        """Tell the reader something."""
        self.message_shown.emit(text, is_error)

    def drop_for(self, why: str) -> None:
        """Drop what is half drawn, and say why."""
        if self.drawing is not None:
            self.drawing.cancel(why)

    def _colour(self) -> str:
        lesion = self.lesion
        return colour_of(lesion.colour if lesion else 0)

    def outlines(self) -> list[tuple[str, Array]]:
        """Return (contour id, ring on the screen) of the outlines of the lesion on the slice in view."""
        if self.scene is None or self.session is None:
            return []
        found = self.session.state.contours_on(self.session.current_lesion, self.slice_index)
        return [(c.id, self.scene.orientation.pixels_to_display(c.vertices)) for c in found]

    def live_wire(self) -> LiveWire | None:
        """Return the live-wire of the slice in view, in positions on the screen's slice."""
        scene = self.scene
        if scene is None:
            return None
        here = (self.opening, self.slice_index)
        if self._wire is None or self._wire[0] != here:
            shown = scene.orientation.to_display(scene.scan.voxels)[self.slice_index]
            scale = scene.orientation.scale_mm
            self._wire = (here, LiveWire(shown, (scale[1], scale[2])))
        return self._wire[1]

    @command
    def take_outline(self, session: TracingSession, stroke: Stroke, ring: Array, note: str) -> None:  # noqa: D102
        assert self.scene is not None
        assert self.drawing is not None
        vertices = self.scene.orientation.display_to_pixels(ring)
        lesion = stroke.place.lesion_id or self._lesion_for(vertices)
        session.add_outline(
            stroke.place.slice_index, vertices, lesion_id=lesion, is_hole=stroke.is_hole, note=note
        )
        self.drawing.is_hole = False

    @command
    def take_vertices(self, session: TracingSession, stroke: Stroke, ring: Array) -> None:  # noqa: D102
        assert self.scene is not None
        session.replace_vertices(stroke.contour_id, self.scene.orientation.display_to_pixels(ring))

    @command
    def take_brush(self, session: TracingSession, stroke: Stroke, inside: NDArray[np.bool_]) -> None:  # noqa: D102
        assert self.scene is not None
        pixels = np.argwhere(self.scene.orientation.from_display(inside))
        lesion = stroke.place.lesion_id
        if not lesion:
            if stroke.tool == "erase":
                return
            lesion = self._lesion_for(pixels.astype(float) if len(pixels) else None)
        session.paint(stroke.place.slice_index, pixels, erase=stroke.tool == "erase", lesion_id=lesion)

    def _lesion_for(self, vertices: Array | None) -> str:
        """Return the lesion that is traced; where there is none, a new one on the side where it is drawn."""
        session = self.session
        assert session is not None
        if session.current_lesion:
            return session.current_lesion
        side = ""
        if vertices is not None:
            x_mm = float(session.geometry.pixel_to_patient(self.slice_index, [vertices.mean(axis=0)])[0, 0])
            side = "L" if x_mm > MIDLINE_MM else "R" if x_mm < -MIDLINE_MM else ""
        name = self._free_name(side)
        where = {"L": "on the patient's left", "R": "on the patient's right"}.get(side, "without a side")
        self.message_shown.emit(f"New lesion {name}, {where}. Change it above if that is wrong.", False)
        return session.add_lesion(name, side)

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
            self.message_shown.emit("There is nothing to copy on this slice.", False)

    @command
    def interpolate(self, session: TracingSession) -> None:
        """Propose outlines for the slices between traced ones."""
        proposed = session.propose_between()
        text = (
            "There is no slice between traced ones."
            if not proposed
            else ("Dashed outlines are proposals: look at each slice, then accept them.")
        )
        self.message_shown.emit(text, False)

    @command
    def propose(self, session: TracingSession, contours: Sequence[Contour]) -> None:
        """Propose outlines from elsewhere: the baseline's. Only accepting makes them count."""
        if not session.propose(contours):
            self.message_shown.emit("There is no outline to propose.", False)

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

    def undo(self) -> None:
        """Take back what is half drawn, else the last command, and go where it was."""
        if self.drawing is None or not self.drawing.take_back():
            self._undo()

    @command
    def _undo(self, session: TracingSession) -> None:
        self._follow(session.undo())

    @command
    def redo(self, session: TracingSession) -> None:
        """Do again what was taken back, and go where it was."""
        self._follow(session.redo())

    def _follow(self, event: object) -> None:
        slices = getattr(event, "slice_indices", ())
        if slices and self.slice_index not in slices:
            self.go_to_slice(slices[0])
