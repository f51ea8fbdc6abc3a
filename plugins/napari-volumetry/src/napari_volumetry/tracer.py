"""The tracer: what keys, buttons and the mouse ask for, done to the session of the case in view."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from napari.components import ViewerModel
from numpy.typing import ArrayLike, NDArray
from qtpy.QtCore import QPoint, Signal
from qtpy.QtWidgets import QAbstractSpinBox, QLineEdit

from napari_volumetry.commands.command import command
from napari_volumetry.commands.tool_commands import ToolCommands
from napari_volumetry.drawing.canvas_input import CanvasInput
from napari_volumetry.drawing.strokes import Place, Stroke, nearest_vertex
from napari_volumetry.drawing.tools import CLOSE_PIXELS, Drawing
from napari_volumetry.keys import KEYS
from napari_volumetry.picture.compare import Comparison
from napari_volumetry.picture.scene import Scene
from volumetry.tracing import LiveWire, TracingSession

Array = NDArray[np.float64]

MOVED_PIXELS = 2.0
"""Where the picture under the mouse moves further than this between two events, a stroke is dropped."""


class Tracer(ToolCommands):
    """The tracer of a viewer.

    Signals are those of `ToolCommands`, and: ``pointed`` (where the mouse is on the screen's slice, or None),
    ``keys_wanted``, ``layers_wanted``.

    Parameters
    ----------
    viewer : ViewerModel
    reader : str
        Initials or number of who traces.
    place : Path, optional
        Where traces are written, if not in the study folder.
    """

    pointed = Signal(object)
    keys_wanted = Signal()
    layers_wanted = Signal()

    def __init__(self, viewer: ViewerModel, *, reader: str = "", place: Path | None = None) -> None:
        super().__init__(viewer, reader=reader, place=place)
        self.comparison = Comparison()
        self._commands = {key.key: key for key in KEYS}
        self._under_mouse: tuple[tuple[float, float], Array] | None = None
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
            self.was_dropped = self.drawing.cancel("the case was closed")
        self.drawing = None
        self.input.set_all_positions(False)

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
            self._hold_under_mouse(at)

    def draw_move(self, at: tuple[float, float]) -> None:  # noqa: D102
        if self.drawing is not None:
            self._drop_where_moved()
            self.drawing.move(self._shown_at(at))
            self._hold_under_mouse(at)

    def draw_release(self, at: tuple[float, float]) -> None:  # noqa: D102
        if self.drawing is not None:
            self._drop_where_moved()
            self.drawing.release(self._shown_at(at))

    def _hold_under_mouse(self, at: tuple[float, float]) -> None:
        """Keep where on the slice, and where in the window, the mouse was last."""
        self._under_mouse = self._shown_at(at), self._in_window(at)

    def _in_window(self, at: ArrayLike) -> Array:
        """(x, y) in the whole window: when a panel opens, the canvas itself moves."""
        corner = self.canvas.mapTo(self.canvas.window(), QPoint(0, 0))
        moved: Array = np.asarray(at, dtype=np.float64) + np.array([corner.x(), corner.y()])
        return moved

    def _drop_where_moved(self) -> None:
        """Drop a stroke under which the picture moved: the hand went on along what it saw before.

        A zoom round the mouse leaves in its place what lies under the mouse, and the stroke goes on.
        """
        assert self.drawing is not None
        if self.drawing.stroke is None or self._under_mouse is None or self.scene is None:
            return
        shown, held = self._under_mouse
        now = self._in_window(self.scene.view.to_canvas([shown])[0])
        if np.abs(now - held).max() > MOVED_PIXELS:
            self.drawing.cancel("the picture moved under the mouse. Draw it again")

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

    def resized(self) -> None:  # noqa: D102
        if self.scene is not None:
            self.scene.overlay.setGeometry(self.canvas.rect())
            self.fit_again()
            self.scene.on_view()

    def take_keys(self) -> None:
        """Give the keys to the picture: what is written in the panel is taken as it is."""
        if isinstance(self.canvas.window().focusWidget(), QLineEdit | QAbstractSpinBox):
            self.canvas.setFocus()

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

    def show_keys(self) -> None:
        """Show the keys beside the picture."""
        self.keys_wanted.emit()

    def show_layers(self) -> None:
        """Show, or hide, napari's list of layers."""
        self.layers_wanted.emit()

    @property
    def is_half_drawn(self) -> bool:
        """Whether a stroke or clicks have no end yet."""
        return self.drawing is not None and self.drawing.is_half_drawn

    @property
    def state_words(self) -> str:
        """The state of the current lesion in words: drawing, unsaved, saved, signed."""
        if self.is_half_drawn:
            return "Drawing"
        return super().state_words

    def change_reader(self, reader: str, *, takes: bool | None = None) -> None:
        """Go on as another reader, with the same tool."""
        tool = self.tool
        super().change_reader(reader, takes=takes)
        self._take(tool)

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

    def drop_for(self, why: str) -> None:  # noqa: D102
        if self.drawing is not None:
            self.drawing.cancel(why)

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
        lesion = self._lesion_for(stroke.place.lesion_id, vertices)
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
        if stroke.tool == "erase" and not lesion:
            return
        if stroke.tool != "erase":
            lesion = self._lesion_for(lesion, pixels.astype(float) if len(pixels) else None)
        session.paint(stroke.place.slice_index, pixels, erase=stroke.tool == "erase", lesion_id=lesion)

    # -- undo --------------------------------------------------------------------------------------------

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
