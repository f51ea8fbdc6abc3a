"""The baseline beside the follow-up, or over it: linked in patient space, and never copied silently."""

from __future__ import annotations

import threading

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Vectors
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_volumetry.layers import AXES, BASELINE_COLOUR, UNITS
from napari_volumetry.scene import Scene
from volumetry import (
    Contour,
    LesionVolume,
    MeasurementRule,
    Scan,
    Trace,
    VolumetryError,
    measure_volume,
)
from volumetry.tracing import (
    CancelToken,
    RigidTransform,
    link_slice,
    project_contours,
    register_rigid,
    window_presets,
)

Array = NDArray[np.float64]

SIDE_GAP_MM = 12.0
VIEWS = ("hidden", "side by side", "one over the other")


class Comparison(QObject):
    """The baseline of the case in view.

    Signals
    -------
    progressed : share of a registration that is done, 0 to 1.
    registered : (whether it was, what to tell).
    """

    progressed = Signal(float)
    registered = Signal(bool, str)
    _finished = Signal(object)

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self.viewer = viewer
        self.scene: Scene | None = None
        self.scan: Scan | None = None
        self.traces: dict[str, Trace] = {}
        self.volumes: dict[str, LesionVolume] = {}
        self.to_followup = RigidTransform.identity()
        self.is_registered = False
        self.view = VIEWS[0]
        self.shows_outline = False
        self._image: Image | None = None
        self._outline: Vectors | None = None
        self._cancel: CancelToken | None = None
        self._finished.connect(self._take)

    # -- the baseline -----------------------------------------------------------------------------------

    def open(self, scene: Scene, scan: Scan) -> None:
        """Take the baseline's scan."""
        self.close()
        self.scene, self.scan = scene, scan

    def add_trace(self, lesion: str, trace: Trace, rule: MeasurementRule) -> None:
        """Take the baseline's trace of a lesion.

        Raises
        ------
        VolumetryError
            It cannot be measured; its outlines are shown all the same.
        """
        self.traces[lesion] = trace
        self.volumes[lesion] = measure_volume(trace, rule=rule)

    def close(self) -> None:
        """Forget the baseline."""
        self.cancel()
        self.set_view(VIEWS[0])
        self._remove_layers()
        self.scene = self.scan = None
        self.traces, self.volumes = {}, {}
        self.to_followup, self.is_registered = RigidTransform.identity(), False
        self.shows_outline = False

    def outlines_on_followup(self, lesion: str) -> tuple[Contour, ...]:
        """Return the baseline's outlines of a lesion as they lie on the slices of the follow-up."""
        trace = self.traces.get(lesion)
        if trace is None or self.scan is None or self.scene is None:
            return ()
        followup = self.scene.scan.geometry
        return project_contours(trace.contours, self.scan.geometry, followup, transform=self.to_followup)

    # -- showing ----------------------------------------------------------------------------------------

    def set_view(self, view: str) -> None:
        """Show the baseline beside the follow-up, over it, or not."""
        if view == self.view:
            return
        self.view = view
        if view == VIEWS[0] and not self.shows_outline:
            self._remove_layers()
        self.show("")
        if self.scene is not None:
            self.viewer.reset_view()

    def show(self, lesion: str) -> None:
        """Show the slice of the baseline that shows what the slice in view shows."""
        if self.scan is None or self.scene is None:
            return
        if self.view == VIEWS[0] and not self.shows_outline:
            self._remove_layers()
            return
        self._make_layers()
        assert self._image is not None
        assert self._outline is not None
        linked = link_slice(
            self.scene.scan.geometry,
            self.scene.slice_index,
            self.scan.geometry,
            transform=self.to_followup.inverse,
        )
        matrix = self._matrix(linked.slice_index)
        self._image.visible = self.view != VIEWS[0] and not linked.is_outside
        self._image.data = np.asarray(self.scan.voxels[linked.slice_index])
        self._image.affine = matrix
        self._show_outline(lesion, linked.slice_index, matrix)

    def _show_outline(self, lesion: str, slice_index: int, matrix: Array) -> None:
        assert self.scene is not None
        assert self._outline is not None
        rings: list[Array] = []
        if self.shows_outline:
            here = self.scene.slice_index
            scale = np.array(self.scene.orientation.scale_mm[1:])
            rings += [
                self.scene.orientation.pixels_to_display(c.vertices) * scale
                for c in self.outlines_on_followup(lesion)
                if c.slice_index == here
            ]
            trace = self.traces.get(lesion)
            if self.view == VIEWS[1] and trace is not None:
                rings += [
                    c.vertices @ matrix[:2, :2].T + matrix[:2, 2] for c in trace.contours_on(slice_index)
                ]
        self.scene.show_dashes(self._outline, [(ring, BASELINE_COLOUR) for ring in rings])

    def _matrix(self, slice_index: int) -> Array:
        """Where pixels (row, column) of a slice of the baseline lie in the picture, in mm: (3, 3)."""
        assert self.scan is not None
        assert self.scene is not None
        geometry, orientation = self.scan.geometry, self.scene.orientation
        last = (geometry.rows - 1, geometry.columns - 1)
        corners = geometry.pixel_to_patient(slice_index, [(0, 0), (last[0], 0), (0, last[1]), last])
        shown = orientation.patient_to_display(self.to_followup.apply(corners))[:, 1:]
        shown = shown * np.array(orientation.scale_mm[1:])
        matrix = np.eye(3)
        matrix[:2, 0] = (shown[1] - shown[0]) / max(last[0], 1)
        matrix[:2, 1] = (shown[2] - shown[0]) / max(last[1], 1)
        matrix[:2, 2] = shown[0]
        if self.view == VIEWS[1]:
            matrix[1, 2] -= shown[:, 1].max() + SIDE_GAP_MM
        return matrix

    def _make_layers(self) -> None:
        if self._image is not None or self.scan is None or self.scene is None:
            return
        window = window_presets(self.scan)[0]
        shared = {"units": UNITS[1:], "axis_labels": AXES[1:]}
        self._image = Image(
            np.asarray(self.scan.voxels[0]),
            name="baseline",
            colormap="gray",
            contrast_limits=(window.low, window.high),
            opacity=0.5 if self.view == VIEWS[2] else 1.0,
            **shared,
        )
        self._outline = Vectors(
            np.zeros((0, 2, 2)),
            ndim=2,
            name="baseline outline",
            vector_style="line",
            edge_width=max(self.scene.orientation.scale_mm[1:]) * max(self.scene.orientation.shape[1:]) / 300,
            **shared,
        )
        active = self.viewer.layers.selection.active
        self.viewer.layers.insert(1, self._image)
        self.viewer.layers.insert(2, self._outline)
        self.viewer.layers.selection.active = active

    def _remove_layers(self) -> None:
        for layer in (self._image, self._outline):
            if layer is not None and layer in self.viewer.layers:
                self.viewer.layers.remove(layer)
        self._image = self._outline = None

    # -- registration -----------------------------------------------------------------------------------

    @property
    def is_registering(self) -> bool:
        """Whether a registration runs."""
        return self._cancel is not None

    def register(self) -> None:
        """Find the rigid motion between the two scans, in the background."""
        if self.scan is None or self.scene is None or self.is_registering:
            return
        self._cancel = CancelToken()
        job = threading.Thread(
            target=self._run,
            args=(self.scan, self.scene.scan, self._cancel),
            name="registration",
            daemon=True,
        )
        job.start()

    def cancel(self) -> None:
        """Stop the registration that runs."""
        if self._cancel is not None:
            self._cancel.cancel()
            self._cancel = None

    def _run(self, baseline: Scan, followup: Scan, cancel: CancelToken) -> None:
        """In a thread: signals carry what comes of it back to the window."""
        found: RigidTransform | VolumetryError
        try:
            found = register_rigid(baseline, followup, progress=self.progressed.emit, cancel=cancel)
        except VolumetryError as error:
            found = error
        if not cancel.is_cancelled:
            self._finished.emit((cancel, found))

    def _take(self, outcome: tuple[CancelToken, RigidTransform | VolumetryError]) -> None:
        cancel, found = outcome
        if cancel is not self._cancel:
            return
        self._cancel = None
        if isinstance(found, VolumetryError):
            self.registered.emit(False, found.what)
            return
        self.to_followup, self.is_registered = found, True
        shift = float(np.linalg.norm(self._shift_mm()))
        text = f"Registered: turned by {found.angle_degrees:.1f} degrees, moved by {shift:.1f} mm."
        self.registered.emit(True, text)

    def _shift_mm(self) -> Array:
        """How far the middle of the baseline moves."""
        assert self.scan is not None
        geometry = self.scan.geometry
        middle = geometry.pixel_to_patient(
            geometry.n_slices // 2, [((geometry.rows - 1) / 2, (geometry.columns - 1) / 2)]
        )
        return np.asarray(self.to_followup.apply(middle) - middle)
