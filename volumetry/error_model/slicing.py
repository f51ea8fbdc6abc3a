"""The error of slicing: how far a sum of slices may lie from the volume, told from the areas alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volumetry.errors import UsageError

Array = NDArray[np.float64]

MINIMUM_SLICES = 3
"""Below three slices the areas say nothing of the error of slicing."""

SAFETY = 1.12
"""Factor on the estimate from the slopes. It was tuned on one set of bodies and held on another."""

_ENDS_TOGETHER = 0.5
_INNER_WEIGHT = 0.8
_ENDS_FACTOR = 0.62
_BEYOND_AT_MOST = 1.18
_IRREGULARITY_FACTOR = 3.0
_IRREGULARITY_UNKNOWN = 0.05
_FEW_SLICES = 6
"""Up to which sections that are not known are taken as those of a moderately bumpy body."""

_PIT_ABOVE = 0.1
_MINIMUM_SLICES_OF_SMOOTHNESS = 6
_FLAT_BELOW = 0.25


@dataclass(frozen=True, kw_only=True)
class SamplingError:
    """The error of slicing of one volume.

    Attributes
    ----------
    percent : float or None
        Coefficient of error in percent of the volume; None below three slices. For one lesion this is an
        order of magnitude: it is within a factor of 2 of the truth in 83 to 88 % of single lesions.
    n_slices : int
        Slices with an area above 0.
    smoothness : float or None
        The estimated smoothness constant q of the area function, 0 to 1: near 1 for rounded ends, near 0
        for flat ones. None below six slices.
    flat_ends : bool
        The area seems to begin or end abruptly, as in a body cut parallel to a flat end; `percent` is then
        too small. Tracing noise can have the same effect, so this is a warning and no number.
    pitted : bool
        An area is clearly smaller than areas on both sides of it, as in a ring, a dumbbell or a lesion of
        several parts. `percent` is then less sure: of rings, pooled over directions, 0.5 to 2 times the
        truth, and more where one spacing fits the ring by chance.

    Examples
    --------
    >>> error = vm.sampling_error([0, 100, 200, 100, 0])
    >>> error.n_slices, round(error.percent, 2)
    (3, 5.2)
    """

    percent: float | None
    n_slices: int
    smoothness: float | None = None
    flat_ends: bool = False
    pitted: bool = False

    @property
    def warning(self) -> str:
        """What makes the estimate doubtful: ``flat-ends``, ``pitted``, or empty."""
        return "flat-ends" if self.flat_ends else "pitted" if self.pitted else ""


def sampling_error(
    areas_mm2: ArrayLike, heights_mm: ArrayLike | None = None, *, irregularity: float | None = None
) -> SamplingError:
    """Estimate the error of slicing from the areas of a lesion's slices, and from how regular they are.

    The estimate is ``sqrt((1.12 CE_slopes)**2 + max(CE_ends, CE_shape)**2)`` with

    - ``CE_slopes = sqrt((G_1**2 + G_n**2 + r G_1 G_n + 0.8 D) / 720) / S``;
    - ``CE_ends = 0.62 sqrt(E_1**2 + E_n**2) / (n S)``;
    - ``CE_shape = 3 sqrt(irregularity) / n**3``,

    where S is the sum of the areas P_i, n counts the slices from the first to the last of the lesion, and the
    other letters are explained below.

    By the formula of Euler and Maclaurin a sum of slices errs by ``sum(J B_2(phase)) / 2`` at first order: J
    are the jumps in the slope of the area as a function of position, in areas per slice, and phase is where
    between two slices each lies (Kieu, Souchet and Istas, J Stat Plan Inference 77, 263 (1999)). A jump at a
    random phase has the variance ``J**2 / 720``. The area of a rounded body jumps where the body begins and
    where it ends, that of a lobed one or a ring also between.

    - G_1 and G_n are the jumps at both ends: the slope, where it comes to 0, of the parabola through the
      three areas there. ``G_1**2 = b**2 - 4 a P_1``, at least 0, with ``a = (P_1 - 2 P_2 + P_3) / 2`` and ``b
      = (-3 P_1 + 4 P_2 - P_3) / 2``.
    - r is the correlation of both ends. They lie a known length apart, so that their errors add up or cancel:
      ``r = -30 B_4(f)``, f the fractional part of the length in slices, B_4 the Bernoulli polynomial. Half of
      it is taken, since the length is an estimate.
    - D is the sum of the squares of all third differences ``P_i - 3 P_(i+1) + 3 P_(i+2) - P_(i+3)``. A jump
      of J between makes ``J**2`` on average, a parabola none.
    - E_1 and E_n are what the lesion would still measure one slice beyond its ends if its area went on as
      that parabola: ``E_1 = 3 P_1 - 3 P_2 + P_3``, at least 0 and at most 1.18 P_1. The area of an ellipsoid
      has ended there and E is 0. Rings, shells, dumbbells and bodies with flat sides end more abruptly.

    The area of an ellipsoid is one parabola, for which G is exact and the other terms vanish.

    Equal areas may hide different errors: two balls on three slices show the areas of an ellipsoid. The
    sections themselves tell them apart. Every section of an ellipsoid is an ellipse. Where the surface of a
    body departs from an ellipsoid by a small part a of its radius, so do the sections from ellipses: their
    irregularity grows as a squared and the error of slicing as a. Hence the root. Abrupt ends and irregular
    sections are two signs of one thing, so the larger term counts. Where nothing is known of the sections,
    three to six slices are taken to be as irregular as those of a moderately bumpy body (0.05), and more
    slices to be regular. The numbers and the power of n were chosen by simulation of 34 kinds of bodies.

    Parameters
    ----------
    areas_mm2 : (n,) array_like
        Areas in the order of the slices, an area 0 where a slice between holds nothing.
    heights_mm : (n,) array_like, optional
        What each area is multiplied by. Where heights differ, P_i is area x height; left out, heights are
        taken as equal and P_i is the area.
    irregularity : float, optional
        How far the sections are from ellipses, at least 0, as `LesionVolume.irregularity` tells it: the area
        of the ellipse with a section's second moments over its own area, less 1; the mean of all sections.

    Returns
    -------
    SamplingError

    Raises
    ------
    UsageError
        ``usage``: areas or an irregularity that are negative or not finite, or heights of another number.

    Examples
    --------
    >>> round(sampling_error([0, 100, 200, 100, 0]).percent, 2)
    5.2
    >>> round(sampling_error([0, 100, 200, 100, 0], irregularity=0.0).percent, 2)
    4.57
    >>> sampling_error([100, 200]).percent is None
    True
    """
    parts = _parts(areas_mm2, heights_mm)
    inside = parts[: np.flatnonzero(parts)[-1] + 1] if parts.any() else parts[:0]
    inside = inside[np.flatnonzero(inside)[0] :] if len(inside) else inside
    n_slices = int(np.count_nonzero(inside))
    if n_slices < MINIMUM_SLICES:
        return SamplingError(percent=None, n_slices=n_slices)
    total = float(inside.sum())
    variation = max(3 * _lagged(inside, 0) - 4 * _lagged(inside, 1) + _lagged(inside, 2), 0.0)
    pit = _deepest_pit(inside)
    slopes = SAFETY * math.sqrt(_jumps(inside) / 720) / total
    ends = _ENDS_FACTOR * math.hypot(_area_beyond(inside), _area_beyond(inside[::-1])) / (len(inside) * total)
    shape = _IRREGULARITY_FACTOR * math.sqrt(_irregularity(irregularity, len(inside))) / len(inside) ** 3
    smoothness = _smoothness(inside, variation) if n_slices >= _MINIMUM_SLICES_OF_SMOOTHNESS else None
    return SamplingError(
        percent=100 * math.hypot(slopes, max(ends, shape)),
        n_slices=n_slices,
        smoothness=smoothness,
        flat_ends=smoothness is not None and smoothness < _FLAT_BELOW,
        pitted=pit > _PIT_ABOVE,
    )


def _deepest_pit(parts: Array) -> float:
    """How far an area lies below areas on both sides of it, as a part of the largest area."""
    before = np.maximum.accumulate(parts)
    after = np.maximum.accumulate(parts[::-1])[::-1]
    return float((np.minimum(before, after) - parts).max() / parts.max())


def _jumps(parts: Array) -> float:
    """Sum of the squared jumps in the slope of the area, in areas per slice: see `sampling_error`."""
    (first, before), (last, behind) = (_end(end) for end in (parts, parts[::-1]))
    fraction = (before + behind) % 1
    together = -30 * (fraction**4 - 2 * fraction**3 + fraction**2 - 1 / 30)
    inner = np.diff(parts, 3)
    ends = first**2 + last**2 + 2 * _ENDS_TOGETHER * together * first * last
    return float(ends + _INNER_WEIGHT * (inner @ inner))


def _end(parts: Array) -> tuple[float, float]:
    """The slope with which the area begins, and how far before the first slice, by a parabola."""
    p, q, s = (float(v) for v in parts[:3])
    bend, slope = (p - 2 * q + s) / 2, (-3 * p + 4 * q - s) / 2
    jump = math.sqrt(max(slope**2 - 4 * bend * p, 0.0))
    return jump, min(2 * p / (slope + jump), 1.0) if slope + jump > 0 else 1.0


def _area_beyond(parts: Array) -> float:
    """The area one slice before the first, by a parabola through the first three."""
    first, second, third = (float(v) for v in parts[:3])
    return min(max(3 * first - 3 * second + third, 0.0), _BEYOND_AT_MOST * first)


def _irregularity(told: float | None, n: int) -> float:
    if told is None:
        return _IRREGULARITY_UNKNOWN if n <= _FEW_SLICES else 0.0
    if not (math.isfinite(told) and told >= 0):
        raise UsageError(
            "usage",
            "an irregularity is negative or not a finite number",
            values={"irregularity": told},
            todo="Give a number of at least 0, or leave it out where it is not known.",
        )
    return float(told)


def _parts(areas_mm2: ArrayLike, heights_mm: ArrayLike | None) -> Array:
    areas = np.asarray(areas_mm2, dtype=np.float64)
    heights = np.ones_like(areas) if heights_mm is None else np.asarray(heights_mm, dtype=np.float64)
    if areas.ndim != 1 or areas.shape != heights.shape:
        raise UsageError(
            "usage",
            "areas and heights are not two lists of one length",
            values={"areas": areas.shape, "heights": heights.shape},
            todo="Give one area, and one height if any, for each slice.",
        )
    if not (np.isfinite(areas).all() and np.isfinite(heights).all() and (areas >= 0).all()):
        raise UsageError(
            "usage",
            "an area is negative, or an area or a height is not a finite number",
            todo="Give areas in mm2 of at least 0.",
        )
    mean_height = float(heights.mean()) if len(heights) else 1.0
    return np.asarray(areas * heights / mean_height if mean_height > 0 else areas)


def _lagged(parts: Array, lag: int) -> float:
    """Sum of P_i P_(i + lag)."""
    return float(parts[: len(parts) - lag] @ parts[lag:]) if lag < len(parts) else 0.0


def _smoothness(parts: Array, variation: float) -> float:
    """Estimate q by comparing the variation at one and at two slice spacings.

    The variation grows with spacing as T**(2q + 1): Kieu, Souchet and Istas, J Stat Plan Inference 77, 263
    (1999); Garcia-Finana and Cruz-Orive, Statistics 38, 505 (2004).
    """
    doubled = 3 * _lagged(parts, 0) - 4 * _lagged(parts, 2) + _lagged(parts, 4)
    if variation <= 0 or doubled <= 0:
        return 0.0
    return float(np.clip(0.5 * math.log2(doubled / variation) - 0.5, 0.0, 1.0))
