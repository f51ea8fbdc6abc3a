"""The picture of an open case: the scan as a layer of napari, and what is traced on the slice in view.

Only the scan is a layer. What is traced is painted over it, so a stroke costs the same whether three slices
are traced or three hundred, and nothing that napari's tools do to layers changes what counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, cast

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image
from numpy.typing import NDArray
from qtpy.QtCore import QTimer
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QWidget
from vispy.gloo import gl

from napari_volumetry.picture.canvas_map import CanvasMap, fitted
from napari_volumetry.picture.layers import colour_of, image_arguments
from napari_volumetry.picture.overlay import PictureOverlay
from napari_volumetry.picture.painting import Ring, mask_image
from volumetry import Scan
from volumetry.tracing import TracingSession, WindowPreset, display_orientation, slice_name, window_presets

Array = NDArray[np.float64]
HOLE_LIGHTNESS = 0.55
LAYER = "scan"
"""Name of the layer: napari shows it where HTML is taken for markup, so it is not that of a file."""
PROPOSED_COLOUR = "#c8c8c8"
ATTRIBUTES = 16
"""Vertex attributes that every OpenGL has at least (OpenGL 4.6, table 23.57; 8 in OpenGL ES 2)."""


class Scene:
    """Shows a scan and what is traced on it in a viewer.

    Parameters
    ----------
    viewer : ViewerModel
    canvas : QWidget
        napari's canvas.
    scan : Scan
    name : str
        What to call the scan: nothing that blinding hides.
    on_undone : callable
        Told, in words, what of napari's commands was undone because a case is open.
    held : Scene, optional
        The case before, whose layer is gone on with.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        canvas: QWidget,
        scan: Scan,
        *,
        name: str,
        on_undone: Callable[[str], None],
        held: Scene | None = None,
    ) -> None:
        self.viewer, self.canvas, self.scan, self.name = viewer, canvas, scan, name
        self.orientation = display_orientation(scan.geometry)
        self.windows = window_presets(scan)
        self._on_undone = on_undone
        self._is_closed = self._is_guarding = self._is_rebuilding = False
        self._is_placed: bool | None = None
        """Whether the layer lies as it should; None: to be looked at, since something may have moved it."""
        self._usual = type(viewer.scene.camera)().orientation
        self._index = 0
        self._held_view: CanvasMap | None = None
        """Where the picture was shown last; napari moves it when the last layer goes."""
        self.image: Image
        self.outlines: list[tuple[str, Ring]] = []
        self.proposed: list[tuple[str, Ring]] = []
        self.overlay = PictureOverlay(canvas, self.view_for_painting)
        self.on_view: Callable[[], None] = lambda: None
        if held is not None and held.image in viewer.layers:
            held.detach()
            self.image = held.image
            self._refill()
        else:
            if held is not None:
                held.detach()
            self.image = self._new_image()
            viewer.add_layer(self.image)
        self._attach()
        self.overlay.note = "\n".join(self.orientation.warnings)
        self.overlay.setGeometry(canvas.rect())
        self.overlay.show()
        self.overlay.raise_()

    def _new_image(self) -> Image:
        return Image(
            self.orientation.to_display(self.scan.voxels),
            name=LAYER,
            **image_arguments(self.scan, self.orientation, window=self.windows[0]),
        )

    def _refill(self) -> None:
        """Go on with the layer of the case before: to make a new one takes napari longer."""
        image = self.image
        image.data = self.orientation.to_display(self.scan.voxels)
        image.name, image.visible = LAYER, True
        image.scale = self.orientation.scale_mm
        limits = (self.windows[0].low, self.windows[0].high)
        image.contrast_limits_range = limits
        image.contrast_limits = limits

    def _attach(self) -> None:
        viewer, image = self.viewer, self.image
        self._placement, self._is_placed = _placement(image), None
        for event, slot in self._heard():
            event.connect(slot)
        self._keep_status_away()
        # On white the edge of the body cannot be judged, whatever the theme.
        viewer.canvas.background_color_override = "black"
        # napari then advertises no tools of the layer, which are off.
        viewer.layers.selection.active = None
        self._guard()

    def _heard(self) -> tuple[tuple[Any, Callable[..., object]], ...]:
        """What of the viewer and the picture is listened to, and what is called then."""
        viewer, moved = self.viewer, self.image.events
        return (
            (viewer.dims.events.ndisplay, self._guard),
            (viewer.dims.events.order, self._guard),
            (viewer.scene.camera.events, self._on_camera),
            (viewer.canvas.grid.events.enabled, self._guard),
            (viewer.layers.events.removed, self._on_removed),
            (viewer.events.mouse_over_canvas, self._keep_status_away),
            (cast(QOpenGLWidget, self.canvas).frameSwapped, self._release_attributes),
            *((event, self._guard) for event in (moved.scale, moved.translate, moved.rotate)),
            *((event, self._guard) for event in (moved.shear, moved.affine)),
        )

    def detach(self) -> None:
        """Listen no longer, and paint nothing more."""
        if self._is_closed:
            return
        self._is_closed = True
        for event, slot in self._heard():
            event.disconnect(slot)
        self.overlay.hide()
        self.overlay.setParent(None)
        self.overlay.deleteLater()

    def close(self) -> None:
        """Take the picture out of the viewer."""
        self.detach()
        self.viewer.canvas.background_color_override = None
        if self.image in self.viewer.layers:
            self.viewer.layers.remove(self.image)

    def _release_attributes(self) -> None:
        """After a frame, switch off the vertex attributes that it has used.

        vispy leaves them on. When a layer goes, its buffers go too, and an attribute that is still on then
        points to no memory: whatever is drawn next with fewer attributes ends the process (vispy 0.17).
        """
        canvas = cast(QOpenGLWidget, self.canvas)
        canvas.makeCurrent()
        for attribute in range(ATTRIBUTES):
            gl.glDisableVertexAttribArray(attribute)
        canvas.doneCurrent()

    def _keep_status_away(self, _event: object = None) -> None:
        """Keep napari from looking up, in a thread, what is under the mouse: each slice would come later."""
        if self.viewer.mouse_over_canvas:
            self.viewer.mouse_over_canvas = False

    # -- what napari's own commands would change --------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether the picture is shown."""
        return not self._is_closed

    def _guard(self, _event: object = None) -> None:
        """Undo what would turn or move the picture under its letters."""
        self._is_placed = None
        if self._is_guarding or self._is_closed:
            return
        self._is_guarding = True
        try:
            undone = self._restored()
        finally:
            self._is_guarding = False
            self._is_placed = None
        if undone:
            self._on_undone(f"{undone} is off while a case is open: left and right must stay where they are.")
        self._show_letters()

    def _restored(self) -> str:
        dims, camera, image = self.viewer.dims, self.viewer.scene.camera, self.image
        undone = ""
        if dims.ndisplay != 2:
            dims.ndisplay, undone = 2, "The 3D view"
        if tuple(dims.order) != tuple(range(dims.ndim)):
            dims.order, undone = tuple(range(dims.ndim)), "Turning the axes"
        if camera.orientation != self._usual:
            camera.orientation, undone = self._usual, "Mirroring the axes"
        if self.viewer.canvas.grid.enabled:
            self.viewer.canvas.grid.enabled, undone = False, "The grid"
        if _placement(image) != self._placement:
            if image.ndim == 3:
                scale = self.orientation.scale_mm
                image.scale, image.translate, image.rotate = scale, (0, 0, 0), np.eye(3)
                image.shear, image.affine = np.zeros(3), np.eye(4)
            undone = "Moving the picture"
        return undone

    @property
    def is_upright(self) -> bool:
        """Whether the picture is shown as the letters say."""
        dims, camera = self.viewer.dims, self.viewer.scene.camera
        if self._is_placed is None:
            self._is_placed = _placement(self.image) == self._placement
        return (
            not self._is_closed
            and dims.ndisplay == 2
            and tuple(dims.order) == tuple(range(dims.ndim))
            and camera.orientation == self._usual
            and not self.viewer.canvas.grid.enabled
            and self._is_placed
        )

    def _on_removed(self, event: object) -> None:
        if not self._is_closed and getattr(event, "value", None) is self.image:
            # Not within napari's own removal.
            QTimer.singleShot(0, self.overlay, self._rebuild)

    def _rebuild(self) -> None:
        window = self.canvas.window()
        if self._is_closed or self.image in self.viewer.layers or not window.isVisible():
            return
        limits, index, view = self.image.contrast_limits, self.slice_index, self._held_view or self.view
        self._is_rebuilding = True
        for event in ("scale", "translate", "rotate", "shear", "affine"):
            getattr(self.image.events, event).disconnect(self._guard)
        self.image = self._new_image()
        for event in ("scale", "translate", "rotate", "shear", "affine"):
            getattr(self.image.events, event).connect(self._guard)
        self.image.contrast_limits = limits
        self.viewer.layers.insert(0, self.image)
        self.viewer.layers.selection.active = None
        self.go_to(index)
        self._is_rebuilding = False
        self.set_view(view)
        self._guard()
        self._on_undone(
            "The layer of the scan was deleted; it is there again. Nothing that is traced was lost."
        )

    def show_image(self) -> None:
        """Show the scan again where its layer was hidden."""
        if not self.image.visible:
            self.image.visible = True

    # -- the view ---------------------------------------------------------------------------------------

    @property
    def view(self) -> CanvasMap:
        """Where the slice lies on the canvas."""
        camera = self.viewer.scene.camera
        down, right = (float(value) for value in tuple(camera.center)[-2:])
        return CanvasMap(
            scale_mm=self.orientation.scale_mm[1:],
            centre_mm=(down, right),
            zoom=float(camera.zoom),
            size=(max(self.canvas.width(), 1), max(self.canvas.height(), 1)),
        )

    def view_for_painting(self) -> CanvasMap | None:
        """Where the slice lies on the canvas; None while the picture is not shown as it should be."""
        return self.view if self.is_upright else None

    def set_view(self, view: CanvasMap) -> None:
        """Move and zoom the picture."""
        camera = self.viewer.scene.camera
        camera.center = (0.0, *view.centre_mm)
        camera.zoom = view.zoom

    def fit(self) -> None:
        """Show all of the slice."""
        size = (max(self.canvas.width(), 1), max(self.canvas.height(), 1))
        self.set_view(fitted(self.orientation.scale_mm[1:], self.orientation.shape[1:], size))

    def _on_camera(self, event: object = None) -> None:
        if getattr(event, "type", "") == "orientation":
            self._guard()
        if self.image in self.viewer.layers and not self._is_rebuilding:
            self._held_view = self.view
        self.overlay.refresh()
        self.on_view()

    @property
    def markers(self) -> dict[str, str]:
        """Letters shown at the edges of the picture."""
        return dict(self.overlay.letters)

    def _show_letters(self) -> None:
        self.overlay.letters = dict(self.orientation.markers) if self.is_upright else {}
        self.overlay.refresh()

    @property
    def slice_index(self) -> int:
        """The slice in view."""
        point = self.viewer.dims.point
        # While the layer is gone napari has no slices: the last one is still that which is read.
        if len(point) >= 3 and self.image in self.viewer.layers and not self._is_rebuilding:
            index = round(float(point[-3]) / self.orientation.scale_mm[0])
            self._index = min(max(index, 0), self.orientation.shape[0] - 1)
        return self._index

    def go_to(self, slice_index: int) -> None:
        """Bring a slice into view."""
        index = min(max(slice_index, 0), self.orientation.shape[0] - 1)
        dims = self.viewer.dims
        if dims.ndim >= 3:
            # napari cuts every layer twice, for the point and again for the step it lies on: once is enough.
            with dims.events.point.blocker():
                dims.set_point(dims.ndim - 3, index * self.orientation.scale_mm[0])

    @property
    def window(self) -> tuple[float, float]:
        """Values shown black and white."""
        low, high = self.image.contrast_limits
        return float(low), float(high)

    def set_window(self, window: WindowPreset) -> None:
        """Show the scan in a window."""
        self.set_limits(window.low, window.high)

    def set_limits(self, low: float, high: float) -> None:
        """Show values from `low` to `high` from black to white."""
        held = self.image.contrast_limits_range
        self.image.contrast_limits_range = (min(low, held[0]), max(high, held[1]))
        self.image.contrast_limits = (low, high)

    def set_smooth(self, is_smooth: bool) -> None:
        """Show pixels blended into each other, or as blocks."""
        self.image.interpolation2d = "linear" if is_smooth else "nearest"
        self.overlay.is_smooth = is_smooth
        self.overlay.refresh()

    # -- what is traced ---------------------------------------------------------------------------------

    def show(self, session: TracingSession, *, refused: Collection[int] = ()) -> None:
        """Show what is traced on the slice in view; where it is `refused`, also where outlines cross."""
        index, state = self.slice_index, session.state
        traced = state.contours_on(session.current_lesion, index, status="confirmed")
        crossings = [c.contour.crossing() for c in traced] if index in refused else []
        self.overlay.crossings = [
            self.orientation.pixels_to_display(np.array([place])) for place in crossings if place is not None
        ]
        self.outlines, self.proposed = [], []
        for lesion in state.lesions.values():
            colour = colour_of(lesion.colour)
            for contour in state.contours_on(lesion.id, index):
                ring = self.orientation.pixels_to_display(contour.vertices)
                if contour.status == "confirmed":
                    shade = _lighter(colour) if contour.is_hole else colour
                    self.outlines.append((contour.id, Ring(vertices=ring, colour=shade)))
                else:
                    shown = Ring(vertices=ring, colour=PROPOSED_COLOUR, is_dashed=True)
                    self.proposed.append((contour.id, shown))
        self.overlay.painted = [
            mask_image(
                self.orientation.to_display(session.painted_image(index, lesion_id=lesion.id)),
                colour_of(lesion.colour),
            )
            for lesion in state.lesions.values()
            if (lesion.id, index) in state.painted
        ]
        self.overlay.rings = [ring for _, ring in (*self.outlines, *self.proposed)]
        self.overlay.bottom = slice_name(index, self.orientation.shape[0])
        self._show_letters()


def _placement(image: Image) -> tuple[tuple[float, ...], ...]:
    """How a layer lies in the world, as numbers that can be compared."""
    affine = np.round(np.asarray(image.affine.affine_matrix), 9)
    return (
        tuple(float(v) for v in np.round(image.scale, 9)),
        tuple(float(v) for v in np.round(image.translate, 9)),
        tuple(float(v) for v in np.round(np.asarray(image.rotate), 9).ravel()),
        tuple(float(v) for v in np.round(np.asarray(image.shear), 9).ravel()),
        tuple(float(v) for v in affine.ravel()),
    )


def warm_up() -> None:
    """Make napari import what its first layer needs, before somebody waits for a case."""
    Image(np.zeros((2, 2, 2), dtype=np.int16))


def _lighter(colour: str) -> str:
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(p + (255 - p) * HOLE_LIGHTNESS):02x}" for p in parts)
