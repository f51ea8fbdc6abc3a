"""How slices are shown: upright in radiological convention, square in millimetres, with their sides named.

Coronal and axial slices have the patient's right on the viewer's left; coronal and sagittal ones the head
up, axial ones the front up, sagittal ones the front to the viewer's left. Oblique slices are shown like the
plane they are nearest to. Nothing is resampled: rows and columns are at most swapped and reversed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volumetry.geometry import ScanGeometry
from volumetry.scan import Scan

Array = NDArray[np.float64]

PLANES = ("sagittal", "coronal", "axial")
"""By the axis of LPS that their normal is nearest to."""

_DOWN_AND_RIGHT = {
    "axial": ((0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
    "coronal": ((0.0, 0.0, -1.0), (1.0, 0.0, 0.0)),
    "sagittal": ((0.0, 0.0, -1.0), (0.0, 1.0, 0.0)),
}
"""What lies at the bottom and at the right of the screen, LPS."""

_LETTERS = (("L", "R"), ("P", "A"), ("H", "F"))
"""Towards higher and lower x, y, z."""

SECOND_LETTER = math.sin(math.radians(10))


@dataclass(frozen=True, kw_only=True)
class DisplayOrientation:
    """How the slices of a geometry are turned for the screen.

    Attributes
    ----------
    geometry : ScanGeometry
    plane : str
        ``axial``, ``coronal`` or ``sagittal``: the nearest.
    oblique_degrees : float
        Angle between the normal and that of the plane.
    is_transposed : bool
        Whether the screen's rows are the columns of the pixels.
    is_flipped : (bool, bool)
        Whether the screen's (rows, columns) run against those of the pixels, after swapping.

    Examples
    --------
    >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> vt.display_orientation(scan.geometry).plane
    'coronal'
    """

    geometry: ScanGeometry
    plane: str
    oblique_degrees: float
    is_transposed: bool
    is_flipped: tuple[bool, bool]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(slices, rows, columns) on the screen."""
        rows, columns = self._swapped(self.geometry.rows, self.geometry.columns)
        return self.geometry.n_slices, rows, columns

    @property
    def scale_mm(self) -> tuple[float, float, float]:
        """Millimetres of one step on the screen: slices (the median spacing), rows, columns.

        One slice alone: its thickness, or 1 mm, which nothing is measured with.
        """
        step = self.geometry.regular_step_mm or self.geometry.slice_thickness_mm or 1.0
        rows, columns = self._swapped(*self.geometry.pixel_spacing_mm)
        return step, rows, columns

    def _swapped(self, first: Any, second: Any) -> tuple[Any, Any]:
        return (second, first) if self.is_transposed else (first, second)

    @property
    def down_and_right(self) -> tuple[Array, Array]:
        """LPS directions of the screen's rows (downwards) and columns (to the right)."""
        down, right = self._swapped(self.geometry.column_direction, self.geometry.row_direction)
        signs = [-1.0 if flipped else 1.0 for flipped in self.is_flipped]
        return down * signs[0], right * signs[1]

    @property
    def markers(self) -> dict[str, str]:
        """Letters for ``left``, ``right``, ``top``, ``bottom`` of the screen: R, L, A, P, H, F.

        Two letters, the stronger first, for an edge that is more than 10 degrees off the patient's axis.
        """
        down, right = self.down_and_right
        return {
            "left": direction_letters(-right),
            "right": direction_letters(right),
            "top": direction_letters(-down),
            "bottom": direction_letters(down),
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to tell about the view: uneven spacing shown at the median, missing slices, gantry tilt."""
        geometry = self.geometry
        told = []
        if geometry.is_uneven:
            steps = geometry.slice_steps_mm
            told.append(
                f"Slices are {steps.min():.2f} to {steps.max():.2f} mm apart; they are shown every "
                f"{geometry.regular_step_mm:.2f} mm and measured at their true positions."
            )
        if geometry.holes:
            after = ", ".join(str(hole + 1) for hole in geometry.holes)
            told.append(f"Slices are missing after slice {after}.")
        if geometry.is_sheared_stack:
            told.append("The slices are shifted sideways (gantry tilt); they are shown without the shift.")
        if geometry.n_slices == 1:
            told.append("There is one slice only.")
        return tuple(told)

    def to_display(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """Return a view of (..., rows, columns) as the screen shows it. Writing to it writes to `voxels`."""
        shown = voxels.swapaxes(-1, -2) if self.is_transposed else voxels
        return self._flipped(shown)

    def from_display(self, shown: NDArray[Any]) -> NDArray[Any]:
        """Return a view of what the screen shows, (..., rows, columns), in the order of the pixels."""
        voxels = self._flipped(shown)
        return voxels.swapaxes(-1, -2) if self.is_transposed else voxels

    def _flipped(self, shown: NDArray[Any]) -> NDArray[Any]:
        rows, columns = (slice(None, None, -1) if flipped else slice(None) for flipped in self.is_flipped)
        return shown[..., rows, columns]

    def pixels_to_display(self, pixels: ArrayLike) -> Array:
        """Return (row, column) on the screen, (n, 2), of pixel coordinates (n, 2)."""
        shown = np.array(pixels, dtype=np.float64).reshape(-1, 2)
        return self._mirrored(shown[:, ::-1] if self.is_transposed else shown)

    def display_to_pixels(self, shown: ArrayLike) -> Array:
        """Return pixel coordinates (row, column), (n, 2), of positions on the screen (n, 2)."""
        pixels = self._mirrored(np.array(shown, dtype=np.float64).reshape(-1, 2))
        return pixels[:, ::-1].copy() if self.is_transposed else pixels

    def _mirrored(self, shown: Array) -> Array:
        mirrored = shown.copy()
        for axis, (flipped, size) in enumerate(zip(self.is_flipped, self.shape[1:], strict=True)):
            if flipped:
                mirrored[:, axis] = size - 1 - mirrored[:, axis]
        return mirrored

    def display_to_patient(self, slice_index: int, shown: ArrayLike) -> Array:
        """Return LPS mm, (n, 3), of positions (row, column) on the screen, (n, 2), of one slice."""
        return self.geometry.pixel_to_patient(slice_index, self.display_to_pixels(shown))

    def patient_to_display(self, points_mm: ArrayLike) -> Array:
        """Return (slice, row, column) on the screen, (n, 3) floats, of LPS points (n, 3).

        The slice is a fraction between the true positions of its neighbours.
        """
        located = locate(self.geometry, points_mm)
        return np.column_stack((located[:, 0], self.pixels_to_display(located[:, 1:])))


def locate(geometry: ScanGeometry, points_mm: ArrayLike) -> Array:
    """Return (slice, row, column), (n, 3) floats, of LPS points (n, 3); beyond the ends by the last step.

    Examples
    --------
    >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> vt.locate(scan.geometry, scan.geometry.pixel_to_patient(3, [(10.0, 20.0)])).round(6).tolist()
    [[3.0, 10.0, 20.0]]
    """
    points = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
    positions = geometry.slice_positions_mm
    place = points @ geometry.normal
    if geometry.n_slices == 1:
        step = geometry.slice_thickness_mm or 1.0
        fraction = (place - positions[0]) / step
        origins = np.repeat(geometry.slice_origins_mm, len(points), axis=0)
    else:
        below = np.clip(np.searchsorted(positions, place, side="right") - 1, 0, geometry.n_slices - 2)
        share = (place - positions[below]) / geometry.slice_steps_mm[below]
        fraction = below + share
        origins = geometry.slice_origins_mm[below] * (1 - share[:, None])
        origins = origins + geometry.slice_origins_mm[below + 1] * share[:, None]
    return np.column_stack((fraction, (points - origins) @ geometry.patient_to_pixel_matrix.T))


def display_orientation(geometry: ScanGeometry) -> DisplayOrientation:
    """Return how the slices of a geometry are shown.

    Examples
    --------
    >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> vt.display_orientation(scan.geometry).plane
    'coronal'
    """
    nearest = int(np.argmax(np.abs(geometry.normal)))
    plane = PLANES[nearest]
    down, right = (np.array(direction) for direction in _DOWN_AND_RIGHT[plane])
    rows, columns = geometry.column_direction, geometry.row_direction
    straight = abs(float(rows @ down)) + abs(float(columns @ right))
    swapped = abs(float(columns @ down)) + abs(float(rows @ right))
    is_transposed = swapped > straight + 1e-9
    if is_transposed:
        rows, columns = columns, rows
    return DisplayOrientation(
        geometry=geometry,
        plane=plane,
        oblique_degrees=math.degrees(math.acos(min(1.0, abs(float(geometry.normal[nearest]))))),
        is_transposed=is_transposed,
        is_flipped=(bool(rows @ down < 0), bool(columns @ right < 0)),
    )


def direction_letters(direction: ArrayLike) -> str:
    """Return what lies in an LPS direction: ``L``, ``R``, ``P``, ``A``, ``H``, ``F``, or two of them.

    Examples
    --------
    >>> vt.direction_letters((1, 0, 0)), vt.direction_letters((0, 0.6, 0.8))
    ('L', 'HP')
    """
    vector = np.asarray(direction, dtype=np.float64)
    order = np.argsort(-np.abs(vector), kind="stable")
    letters = [_LETTERS[axis][0 if vector[axis] > 0 else 1] for axis in order]
    return letters[0] + (letters[1] if abs(vector[order[1]]) > SECOND_LETTER else "")


@dataclass(frozen=True, kw_only=True)
class WindowPreset:
    """A window: values from `low` to `high` are shown from black to white.

    Examples
    --------
    >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> [preset.name for preset in vt.window_presets(scan)]
    ['of the file', 'standard', 'bright', 'all']
    """

    name: str
    low: float
    high: float

    @property
    def level(self) -> float:
        """Middle of the window."""
        return (self.low + self.high) / 2

    @property
    def width(self) -> float:
        """Width of the window."""
        return self.high - self.low


_CT_PRESETS = (
    WindowPreset(name="bone", low=-450, high=1050),
    WindowPreset(name="soft tissue", low=-160, high=240),
    WindowPreset(name="lung", low=-1350, high=150),
)
"""In HU: level 300 and width 1500, 40 and 400, -600 and 1500."""

_SAMPLED_VOXELS = 500_000


def window_presets(scan: Scan) -> tuple[WindowPreset, ...]:
    """Return the windows to choose from, the first to begin with.

    The window that the file asks for comes first, if it has one. CT: bone, soft tissue, lung, all. Others
    (MR): ``standard`` (1st to 99th percentile of what is not background), ``bright`` (to the 90th), ``all``.

    Examples
    --------
    >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> len(vt.window_presets(scan)) > 0
    True
    """
    values = scan.voxels.ravel()
    everything = _window("all", float(values.min()), float(values.max()))
    own = scan.shown_window
    first_of_all = () if own is None else (_window("of the file", own[0] - own[1] / 2, own[0] + own[1] / 2),)
    if scan.source.modality == "CT":
        return (*first_of_all, *_CT_PRESETS, everything)
    sample = values[:: max(1, values.size // _SAMPLED_VOXELS)].astype(np.float64)
    sample = sample[np.isfinite(sample)]
    low, high = np.percentile(sample, (1, 99.5)) if sample.size else (0.0, 1.0)
    # Air around the patient is most of a slice, and no part of what is looked at.
    tissue = sample[sample > low + 0.05 * (high - low)]
    first, bright, last = np.percentile(tissue, (1, 90, 99)) if tissue.size else (low, high, high)
    return (
        *first_of_all,
        _window("standard", float(low if first > 0 else first), float(last)),
        _window("bright", float(low if first > 0 else first), float(bright)),
        everything,
    )


def _window(name: str, low: float, high: float) -> WindowPreset:
    return WindowPreset(name=name, low=low, high=high if high > low else low + 1.0)
