"""Another visit beside the one that is read, or over it: linked in patient space."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_volumetry.picture.layers import BASELINE_COLOUR
from napari_volumetry.picture.painting import Ring
from napari_volumetry.picture.reslicing import letters_of, resliced
from napari_volumetry.picture.scene import Scene
from volumetry import Contour, LesionVolume, MeasurementRule, Scan, Trace, VolumetryError, measure_volume
from volumetry.tracing import (
    CancelToken,
    RigidTransform,
    WindowPreset,
    project_contours,
    register_rigid,
    window_presets,
)

Array = NDArray[np.float64]

VIEWS = ("hidden", "side by side", "one over the other")
KEPT_SLICES = 24


class Comparison(QObject):
    """The other visit of the case in view: the baseline, or one that was chosen.

    Signals
    -------
    progressed : share of a registration that is done, 0 to 1.
    registered : (whether it was, what to tell).
    changed : what is to be shown is another.
    visit_wanted : number of the scan of a visit that was chosen in the strip.

    Attributes
    ----------
    visits : list of (number of the scan, what to call it)
        Of the patient, as blinding allows.
    visit, read : int or None
        Numbers of the scan that is compared with, and of the one that is read.
    """

    progressed = Signal(float)
    registered = Signal(bool, str)
    changed = Signal()
    visit_wanted = Signal(int)
    _finished = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.scene: Scene | None = None
        self.scan: Scan | None = None
        self.role = self.label = ""
        self.visits: list[tuple[int, str]] = []
        self.visit: int | None = None
        self.read: int | None = None
        self._registered: dict[str, RigidTransform] = {}
        self.traces: dict[str, Trace] = {}
        self.volumes: dict[str, LesionVolume] = {}
        self.to_followup = RigidTransform.identity()
        self.is_registered = False
        self.view = VIEWS[0]
        self.shows_outline = False
        self.windows: tuple[WindowPreset, ...] = ()
        self.limits = (0.0, 1.0)
        self._slices: OrderedDict[int, NDArray[np.float32]] = OrderedDict()
        self._cancel: CancelToken | None = None
        self._finished.connect(self._take)

    # -- the other visit --------------------------------------------------------------------------------

    def open(self, scene: Scene, scan: Scan, *, role: str, visit: str = "") -> None:
        """Take the scan of the other visit, with its role and what to call it, as blinding allows."""
        view, outline = self.view, self.shows_outline
        known = self._registered if self.scene is scene else {}
        self.close()
        label = f"{role}  {visit}".strip()
        self.scene, self.scan, self.role, self.label = scene, scan, role, label
        self.windows = window_presets(scan)
        self.limits = (self.windows[0].low, self.windows[0].high)
        self.view, self.shows_outline = view, outline
        self._registered = known
        if label in known:
            self.to_followup, self.is_registered = known[label], True
        self.changed.emit()

    def show_visits(self, visits: list[tuple[int, str]], *, visit: int, read: int) -> None:
        """Say which visits there are, which is compared with, and which is read."""
        self.visits, self.visit, self.read = visits, visit, read
        self.changed.emit()

    def add_trace(self, lesion: str, trace: Trace, rule: MeasurementRule) -> None:
        """Take the trace of a lesion at the other visit.

        Raises
        ------
        VolumetryError
            It cannot be measured; its outlines are shown all the same.
        """
        self.traces[lesion] = trace
        volume = measure_volume(trace, rule=rule)
        if self.scan is not None:
            # A trace of another program does not say how its scan was acquired.
            scanned, said = self.scan.source, volume.source
            known = scanned.acquisition.known | said.acquisition.known
            source = replace(
                said,
                modality=said.modality or scanned.modality,
                acquisition=scanned.acquisition.from_known(known),
            )
            volume = replace(volume, source=source)
        self.volumes[lesion] = volume

    def close(self) -> None:
        """Forget the other visit."""
        self.cancel()
        self.scene = self.scan = None
        self.role = self.label = ""
        self.visits, self.visit, self.read, self._registered = [], None, None, {}
        self.traces, self.volumes = {}, {}
        self.to_followup, self.is_registered = RigidTransform.identity(), False
        self.view, self.shows_outline = VIEWS[0], False
        self._slices.clear()
        self.changed.emit()

    def outlines_on_followup(self, lesion: str) -> tuple[Contour, ...]:
        """Return the other visit's outlines of a lesion as they lie on the slices of the follow-up."""
        trace = self.traces.get(lesion)
        if trace is None or self.scan is None or self.scene is None:
            return ()
        followup = self.scene.scan.geometry
        return project_contours(trace.contours, self.scan.geometry, followup, transform=self.to_followup)

    # -- showing ----------------------------------------------------------------------------------------

    def set_view(self, view: str) -> None:
        """Show the other visit beside the one that is read, over it, or not."""
        self.view = view
        self.changed.emit()

    def slice_values(self) -> NDArray[np.float32] | None:
        """Return the other visit in the plane of the slice in view, (rows, columns) on the screen."""
        if self.scan is None or self.scene is None:
            return None
        index = self.scene.slice_index
        if index not in self._slices:
            to_other = self.to_followup.inverse
            self._slices[index] = resliced(self.scan, self.scene.orientation, index, to_other)
            while len(self._slices) > KEPT_SLICES:
                self._slices.popitem(last=False)
        self._slices.move_to_end(index)
        return self._slices[index]

    @property
    def letters(self) -> dict[str, str]:
        """Letters at the edges of the other visit's picture."""
        if self.scene is None or not self.scene.is_upright:
            return {}
        return letters_of(self.scene.orientation, self.to_followup.inverse)

    def rings(self, lesion: str) -> list[Ring]:
        """Return the other visit's outlines that lie on the slice in view."""
        if self.scene is None or not self.shows_outline:
            return []
        here, orientation = self.scene.slice_index, self.scene.orientation
        return [
            Ring(vertices=orientation.pixels_to_display(c.vertices), colour=BASELINE_COLOUR, is_dashed=True)
            for c in self.outlines_on_followup(lesion)
            if c.slice_index == here
        ]

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
        self._registered[self.label] = found
        self._slices.clear()
        self.changed.emit()
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
