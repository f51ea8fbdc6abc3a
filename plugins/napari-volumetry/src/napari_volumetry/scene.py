"""The napari layers of an open case: the scan, and what is traced on the slice in view.

Outlines, dashes and paint are layers of one slice, filled anew when the slice changes: so a stroke costs the
same whether three slices are traced or three hundred. What counts is in the session; layers only show it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from napari.components import ViewerModel
from napari.components.overlays import TextOverlay
from napari.layers import Image, Labels, Shapes, Vectors
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from napari_volumetry.layers import (
    COLOURS,
    colour_of,
    dashes,
    image_arguments,
    plane_arguments,
    ring_of_shape,
)
from volumetry import Scan
from volumetry.tracing import TracedContour, TracingSession, WindowPreset, display_orientation, window_presets

Array = NDArray[np.float64]
EDGES = {"left": "middle_left", "right": "middle_right", "top": "top_center", "bottom": "bottom_center"}
HOLE_LIGHTNESS = 0.55


@dataclass(frozen=True, kw_only=True)
class Edit:
    """What the reader did with napari's own tools to the outlines of the slice in view.

    Attributes
    ----------
    added : tuple of (n, 2) array
        New rings, on the screen.
    changed : tuple of (contour id, (n, 2) array)
    removed : tuple of contour id
    is_refused : bool
        Whether something was drawn that encloses no area (a line).
    """

    added: tuple[Array, ...] = ()
    changed: tuple[tuple[str, Array], ...] = ()
    removed: tuple[str, ...] = ()
    is_refused: bool = False


class Scene:
    """Shows a scan and what is traced on it in a viewer.

    Parameters
    ----------
    viewer : ViewerModel
    scan : Scan
    name : str
        What to call the scan in the list of layers: nothing that blinding hides.
    on_edit : callable
        Given an `Edit` when the reader uses napari's own tools.
    on_paint : callable
        Called when the reader has finished a stroke of napari's brush.
    held : Scene, optional
        The case before, whose layers are gone on with.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        scan: Scan,
        *,
        name: str,
        on_edit: Callable[[Edit], None],
        on_paint: Callable[[], None],
        held: Scene | None = None,
    ) -> None:
        self.viewer, self.scan = viewer, scan
        self.orientation = display_orientation(scan.geometry)
        self.windows = window_presets(scan)
        self._on_edit, self._on_paint = on_edit, on_paint
        self._shown: list[tuple[str, Array, str]] = []
        self._is_showing = False
        self._edge_width = max(self.orientation.shape[1:]) / 300
        self.paint: Labels | None = None
        if held is not None and held.is_open:
            self._take_layers(held, name)
        else:
            self._make_layers(name)
        self.outlines.events.data.connect(self._on_data)
        self._add_overlays()
        viewer.reset_view()
        viewer.layers.selection.active = self.outlines

    def _make_layers(self, name: str) -> None:
        self.image = Image(
            self.orientation.to_display(self.scan.voxels),
            name=name,
            **image_arguments(self.scan, self.orientation, window=self.windows[0]),
        )
        plane = plane_arguments(self.orientation)
        nothing, width = np.zeros((0, 2, 2)), self._edge_width * 1.2
        self.proposed = Vectors(
            nothing, name="proposed (dashed)", vector_style="line", edge_width=width, **plane
        )
        self.stroke = Vectors(
            nothing, name="stroke", vector_style="line", edge_width=width, edge_color="white", **plane
        )
        self.outlines = Shapes(None, name="outlines", face_color="transparent", **plane)
        for layer in (self.image, self.proposed, self.stroke, self.outlines):
            self.viewer.add_layer(layer)

    def _take_layers(self, held: Scene, name: str) -> None:
        """Go on with the layers of the case before: to make new ones takes napari seconds."""
        held.detach()
        self.image, self.proposed, self.stroke, self.outlines = (
            held.image,
            held.proposed,
            held.stroke,
            held.outlines,
        )
        self.outlines.mode = "pan_zoom"
        self.outlines.selected_data = set()
        self.outlines.data = []
        for layer in (self.proposed, self.stroke):
            layer.data = np.zeros((0, 2, 2))
            layer.edge_width = self._edge_width * 1.2
        if held.paint is not None:
            self.viewer.layers.remove(held.paint)
        self.image.data = self.orientation.to_display(self.scan.voxels)
        self.image.name, self.image.visible = name, True
        self.image.scale = self.orientation.scale_mm
        for layer in (self.proposed, self.stroke, self.outlines):
            layer.scale, layer.visible = self.orientation.scale_mm[1:], True
        limits = (self.windows[0].low, self.windows[0].high)
        self.image.contrast_limits_range = limits
        self.image.contrast_limits = limits

    # -- the view ---------------------------------------------------------------------------------------

    def _add_overlays(self) -> None:
        overlays = self.viewer.canvas.overlays
        for edge, position in EDGES.items():
            key = f"volumetry_{edge}"
            overlays[key] = TextOverlay(
                text=self.orientation.markers[edge],
                position=position,
                visible=True,
                font_size=18,
                color="#ffd42a",
                box=False,
            )
        overlays.scale_bar.visible = True
        notes = self.orientation.warnings
        overlays["volumetry_note"] = TextOverlay(
            text="\n".join(notes), position="top_left", visible=bool(notes), font_size=11, color="#ff9a3c"
        )

    @property
    def markers(self) -> dict[str, str]:
        """Letters shown at the edges of the picture."""
        return {edge: self.viewer.canvas.overlays[f"volumetry_{edge}"].text for edge in EDGES}

    @property
    def slice_index(self) -> int:
        """The slice in view."""
        position = self.viewer.dims.point[0]
        index = round(float(position) / self.orientation.scale_mm[0])
        return min(max(index, 0), self.orientation.shape[0] - 1)

    @property
    def is_open(self) -> bool:
        """Whether its layers are there: somebody may have deleted them, or closed the window."""
        return self.image in self.viewer.layers and self.outlines in self.viewer.layers

    def go_to(self, slice_index: int) -> None:
        """Bring a slice into view."""
        index = min(max(slice_index, 0), self.orientation.shape[0] - 1)
        self.viewer.dims.set_point(0, index * self.orientation.scale_mm[0])

    def set_window(self, window: WindowPreset) -> None:
        """Show the scan in a window."""
        self.image.contrast_limits_range = (
            min(window.low, self.image.contrast_limits_range[0]),
            max(window.high, self.image.contrast_limits_range[1]),
        )
        self.image.contrast_limits = (window.low, window.high)

    def detach(self) -> None:
        """Listen to the layers no longer."""
        self.outlines.events.data.disconnect(self._on_data)
        if self.paint is not None:
            self.paint.events.paint.disconnect(self._on_painted)

    def close(self) -> None:
        """Take the layers and the letters out of the viewer."""
        self.detach()
        for layer in (self.paint, self.outlines, self.stroke, self.proposed, self.image):
            if layer is not None and layer in self.viewer.layers:
                self.viewer.layers.remove(layer)
        overlays = self.viewer.canvas.overlays
        for key in [*(f"volumetry_{edge}" for edge in EDGES), "volumetry_note"]:
            overlays.pop(key, None)

    # -- what is traced ---------------------------------------------------------------------------------

    def show(self, session: TracingSession) -> None:
        """Show what is traced on the slice in view."""
        index, state = self.slice_index, session.state
        outlines: list[tuple[str, Array, str]] = []
        dashed: list[tuple[Array, str]] = []
        for lesion in state.lesions.values():
            colour = colour_of(lesion.colour)
            for contour in state.contours_on(lesion.id, index):
                ring = self._on_screen(contour)
                if contour.status == "confirmed":
                    outlines.append((contour.id, ring, _lighter(colour) if contour.is_hole else colour))
                else:
                    dashed.append((ring, colour))
        self._is_showing = True
        try:
            self._show_outlines(outlines)
            self.show_dashes(self.proposed, dashed)
            self._show_paint(session, index)
        finally:
            self._is_showing = False

    def _on_screen(self, contour: TracedContour) -> Array:
        return self.orientation.pixels_to_display(contour.vertices)

    def _show_outlines(self, wanted: list[tuple[str, Array, str]]) -> None:
        held = self._shown
        kept = len(held) <= len(wanted) and all(
            a[0] == b[0] and a[2] == b[2] and np.array_equal(a[1], b[1])
            for a, b in zip(held, wanted, strict=False)
        )
        fits = len(self.outlines.data) == len(held)
        new = wanted[len(held) :] if kept and fits else wanted
        if not (kept and fits):
            self.outlines.selected_data = set()
            self.outlines.data = []
        if new:
            self.outlines.add(
                [ring for _, ring, _ in new],
                shape_type="polygon",
                edge_color=[colour for _, _, colour in new],
                face_color="transparent",
                edge_width=self._edge_width,
            )
        self._shown = wanted

    def show_dashes(self, layer: Vectors, rings: Iterable[tuple[Array, str]]) -> None:
        """Show rings as dashed lines in a layer of vectors, each in its colour."""
        pieces = [
            (dashes(ring, dash_pixels=self._edge_width * 3, gap_pixels=self._edge_width * 2), colour)
            for ring, colour in rings
        ]
        if not pieces and not len(layer.data):
            return
        layer.data = np.concatenate([p for p, _ in pieces]) if pieces else np.zeros((0, 2, 2))
        if pieces:
            layer.edge_color = [colour for p, colour in pieces for _ in p]

    def show_stroke(self, pieces: Array, colour: str) -> None:
        """Show the stroke that is being drawn: (n, 2, 2) of start and direction."""
        if not len(pieces) and not len(self.stroke.data):
            return
        self.stroke.data = pieces
        if len(pieces):
            self.stroke.edge_color = colour

    # -- paint ------------------------------------------------------------------------------------------

    def paint_layer(self) -> Labels:
        """Return the layer to paint on, made when it is first needed."""
        if self.paint is None:
            plane = plane_arguments(self.orientation)
            plane.pop("ndim")
            colours: dict[int | None, object] = {n + 1: colour for n, colour in enumerate(COLOURS)}
            colours |= {0: "transparent", None: "transparent"}
            self.paint = Labels(
                np.zeros(self.orientation.shape[1:], dtype=np.uint8),
                name="paint",
                colormap=DirectLabelColormap(color_dict=colours),
                opacity=0.5,
                **plane,
            )
            self.viewer.layers.insert(1, self.paint)
            self.paint.preserve_labels = True
            self.paint.events.paint.connect(self._on_painted)
        return self.paint

    def painted_pixels(self, number: int) -> NDArray[np.bool_]:
        """Return the pixels that bear a number, in the order of the scan's pixels."""
        shown = np.asarray(self.paint_layer().data) == number
        return np.asarray(self.orientation.from_display(shown), dtype=bool)

    def _show_paint(self, session: TracingSession, index: int) -> None:
        painted = [
            lesion for lesion in session.state.lesions.values() if (lesion.id, index) in session.state.painted
        ]
        if self.paint is None and not painted:
            return
        layer = self.paint_layer()
        shown = np.zeros(self.orientation.shape[1:], dtype=np.uint8)
        for lesion in painted:
            inside = session.painted_image(index, lesion_id=lesion.id)
            shown[self.orientation.to_display(inside)] = paint_number(lesion.colour)
        if not np.array_equal(shown, np.asarray(layer.data)):
            layer.data = shown

    def _on_painted(self) -> None:
        if not self._is_showing:
            self._on_paint()

    # -- napari's own tools -----------------------------------------------------------------------------

    def _on_data(self, event: object) -> None:
        action = str(getattr(event, "action", "")).lower()
        if self._is_showing or not action.endswith(("added", "changed", "removed")):
            return
        edit = self._edit(tuple(getattr(event, "data_indices", ())))
        self._shown = []
        self._on_edit(edit)

    def _edit(self, indices: Sequence[int]) -> Edit:
        rings = [np.asarray(ring, dtype=np.float64) for ring in self.outlines.data]
        held = self._shown
        if len(rings) < len(held):
            gone = {index % len(held) for index in indices}
            return Edit(removed=tuple(held[index][0] for index in sorted(gone)))
        changed = tuple(
            (contour_id, ring)
            for (contour_id, before, _), ring in zip(held, rings, strict=False)
            if not np.array_equal(before, ring)
        )
        added, refused = [], False
        for kind, ring in list(zip(self.outlines.shape_type, rings, strict=True))[len(held) :]:
            closed = ring_of_shape(str(kind), ring)
            refused = refused or closed is None
            if closed is not None and len(closed) >= 3:
                added.append(closed)
        return Edit(added=tuple(added), changed=changed, is_refused=refused)


def warm_up() -> None:
    """Make napari import what its first layers need, before somebody waits for a case."""
    Vectors(np.zeros((0, 2, 2)), ndim=2)
    Shapes(None, ndim=2)
    Image(np.zeros((2, 2, 2), dtype=np.int16))


def paint_number(colour: int) -> int:
    """Return the number that stands for a lesion's colour in the paint layer."""
    return colour % len(COLOURS) + 1


def _lighter(colour: str) -> str:
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(p + (255 - p) * HOLE_LIGHTNESS):02x}" for p in parts)
