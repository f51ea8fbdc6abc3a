"""Rigid registration of two scans of one patient, in patient space."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import GeometryError, UsageError
from volumetry.scan import Scan
from volumetry.tracing.planes.transform import RigidTransform

Array = NDArray[np.float64]

_LEVELS = ((4.0, 2.0), (2.0, 1.0), (1.0, 0.5))
"""For every resolution: smoothing (and roughly the pixel size) in mm, and the first step in mm."""

_ITERATIONS = 100
_SAMPLES = 400_000
_SEED = 20260101


class CancelToken:
    """Tells a registration to stop; may be set from another thread.

    Examples
    --------
    >>> token = vt.CancelToken()
    >>> token.cancel()
    >>> token.is_cancelled
    True
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Stop as soon as possible."""
        self._event.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._event.is_set()


@dataclass(frozen=True, kw_only=True)
class RegistrationBox:
    """A box around what is registered, for instance one femoral head: LPS mm.

    Examples
    --------
    >>> vt.RegistrationBox(centre_mm=(0, 0, 0), size_mm=(60, 60, 60)).size_mm
    (60, 60, 60)
    """

    centre_mm: tuple[float, float, float]
    size_mm: tuple[float, float, float]


def register_rigid(
    fixed: Scan,
    moving: Scan,
    *,
    box: RegistrationBox | None = None,
    progress: Callable[[float], None] | None = None,
    cancel: CancelToken | None = None,
) -> RigidTransform:
    """Return the rigid motion from the patient space of `fixed` to that of `moving`.

    Parameters
    ----------
    fixed : Scan
        The baseline.
    moving : Scan
        The follow-up.
    box : RegistrationBox, optional
        In the space of `fixed`: only what lies in it counts.
    progress : callable, optional
        Called with the share that is done, 0 to 1, from the calling thread.
    cancel : CancelToken, optional

    Raises
    ------
    UsageError
        ``cancelled``.
    GeometryError
        ``single-slice``: a scan has one slice; ``grid-mismatch``: the box or the scans do not meet.

    Notes
    -----
    Mattes' mutual information over three resolutions, from where the scanner put the two; deterministic.
    The last resolution stays a little smoothed: interpolation between thick slices blurs, and without it the
    metric prefers motions that blur alike.
    Run it in a thread: SimpleITK releases the interpreter between iterations.

    Examples
    --------
    >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> centre = tuple(scan.geometry.pixel_to_patient(5, [(50.0, 50.0)])[0])
    >>> box = vt.RegistrationBox(centre_mm=centre, size_mm=(40, 40, 30))
    >>> transform = vt.register_rigid(scan, scan, box=box)
    >>> bool(np.abs(transform.translation_mm).max() < 0.1)
    True
    """
    import SimpleITK as sitk  # noqa: N813

    images = [_image(sitk, scan) for scan in (fixed, moving)]
    transform: Any = sitk.Euler3DTransform()  # type: ignore[no-untyped-call]
    transform.SetCenter([float(x) for x in (box.centre_mm if box else _centre(fixed))])
    for level, (smoothing_mm, step_mm) in enumerate(_LEVELS):
        coarse = [_coarsened(sitk, image, smoothing_mm) for image in images]
        method = _method(sitk, coarse[0], box, step_mm)
        method.SetInitialTransform(transform, inPlace=True)
        _watch(sitk, method, level, progress, cancel)
        _run(method, coarse, cancel)
    if progress is not None:
        progress(1.0)
    return _as_rigid(transform)


def _run(method: Any, images: Sequence[Any], cancel: CancelToken | None) -> None:
    try:
        method.Execute(*images)
    except RuntimeError as error:
        if cancel is None or not cancel.is_cancelled:
            raise GeometryError(
                "grid-mismatch",
                "the scans share too little to be registered",
                values={"reason": str(error).strip().splitlines()[-1][-120:]},
                todo="Choose scans of one region, or another box.",
            ) from None
    if cancel is not None and cancel.is_cancelled:
        raise UsageError("cancelled", "the registration was stopped", todo="Start it again.")


def _method(sitk: Any, fixed: Any, box: RegistrationBox | None, step_mm: float) -> Any:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(numberOfHistogramBins=48)
    if fixed.GetNumberOfPixels() > _SAMPLES:
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(_SAMPLES / fixed.GetNumberOfPixels(), _SEED)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=step_mm,
        minStep=5e-4,
        numberOfIterations=_ITERATIONS,
        gradientMagnitudeTolerance=1e-8,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    if box is not None:
        method.SetMetricFixedMask(_box_mask(sitk, fixed, box))
    return method


def _watch(
    sitk: Any,
    method: Any,
    level: int,
    progress: Callable[[float], None] | None,
    cancel: CancelToken | None,
) -> None:
    def at_iteration() -> None:
        if cancel is not None and cancel.is_cancelled:
            method.StopRegistration()
        elif progress is not None:
            within = min(1.0, (method.GetOptimizerIteration() + 1) / _ITERATIONS)
            progress(min(0.99, (level + within) / len(_LEVELS)))

    method.AddCommand(sitk.sitkIterationEvent, at_iteration)


def _coarsened(sitk: Any, image: Any, smoothing_mm: float) -> Any:
    """An image smoothed, and with pixels of about that size; axes that are coarser stay."""
    smooth = sitk.SmoothingRecursiveGaussian(image, smoothing_mm)
    factors = [
        max(1, min(int(smoothing_mm / spacing + 0.5), size // 8))
        for spacing, size in zip(image.GetSpacing(), image.GetSize(), strict=True)
    ]
    return sitk.Shrink(smooth, factors) if max(factors) > 1 else smooth


def _image(sitk: Any, scan: Scan) -> Any:
    """The scan as a SimpleITK image; uneven slices are interpolated to an even grid."""
    geometry = scan.geometry
    if geometry.n_slices < 2:
        raise GeometryError(
            "single-slice",
            "one slice cannot be registered",
            values={"slices": geometry.n_slices},
            todo="Choose a scan of several slices.",
        )
    voxels = np.asarray(scan.voxels, dtype=np.float32)
    if geometry.is_uneven or geometry.holes:
        voxels = _evened(voxels, geometry.slice_positions_mm)
    along = (geometry.slice_origins_mm[-1] - geometry.slice_origins_mm[0]) / (len(voxels) - 1)
    step = float(np.linalg.norm(along))
    image = sitk.GetImageFromArray(voxels)
    between_rows, between_columns = geometry.pixel_spacing_mm
    image.SetSpacing((between_columns, between_rows, step))
    image.SetOrigin([float(x) for x in geometry.slice_origins_mm[0]])
    direction = np.column_stack((geometry.row_direction, geometry.column_direction, along / step))
    image.SetDirection([float(x) for x in direction.ravel()])
    return image


def _evened(voxels: NDArray[np.float32], positions_mm: Array) -> NDArray[np.float32]:
    count = 1 + round(float(positions_mm[-1] - positions_mm[0]) / float(np.median(np.diff(positions_mm))))
    wanted = np.linspace(positions_mm[0], positions_mm[-1], count)
    below = np.clip(np.searchsorted(positions_mm, wanted, side="right") - 1, 0, len(positions_mm) - 2)
    share = (wanted - positions_mm[below]) / np.diff(positions_mm)[below]
    share = share[:, None, None].astype(np.float32)
    return np.asarray(voxels[below] * (1 - share) + voxels[below + 1] * share)


def _centre(scan: Scan) -> Array:
    geometry = scan.geometry
    middle = [((geometry.rows - 1) / 2, (geometry.columns - 1) / 2)]
    ends = [geometry.pixel_to_patient(index, middle)[0] for index in (0, geometry.n_slices - 1)]
    return np.asarray(np.mean(ends, axis=0))


def _box_mask(sitk: Any, fixed: Any, box: RegistrationBox) -> Any:
    low = np.array(box.centre_mm) - np.array(box.size_mm) / 2
    size = fixed.GetSize()
    grid = np.indices(size[::-1]).reshape(3, -1)[::-1]
    direction = np.array(fixed.GetDirection()).reshape(3, 3)
    offsets = direction @ (grid * np.array(fixed.GetSpacing())[:, None])
    points = offsets + np.array(fixed.GetOrigin())[:, None]
    high = (low + np.array(box.size_mm))[:, None]
    inside = ((points >= low[:, None]) & (points <= high)).all(axis=0)
    if not inside.any():
        raise GeometryError(
            "grid-mismatch", "the box lies outside the baseline", todo="Put it around the femoral head."
        )
    mask = sitk.GetImageFromArray(inside.reshape(size[::-1]).astype(np.uint8))
    mask.CopyInformation(fixed)
    return mask


def _as_rigid(transform: Any) -> RigidTransform:
    rotation = np.array(transform.GetMatrix()).reshape(3, 3)
    centre = np.array(transform.GetCenter())
    moved = centre + np.array(transform.GetTranslation()) - rotation @ centre
    return RigidTransform(rotation=rotation, translation_mm=moved)
