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

SAFETY = 1.2
"""Factor on the larger of the two estimates. It was tuned on one set of bodies and held on another."""

_ALPHA_SMOOTH = 1 / 240
_FEW_SLICES = 6
_IRREGULARITY_FACTOR = 3.5
_IRREGULARITY_UNKNOWN = 0.035
"""Of a moderately bumpy body: balls on three slices are then told 1.3 times their error, rings 0.9 times."""

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
        order of magnitude: it is within a factor of 2 of the truth in 63 to 84 % of single lesions.
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
        several parts. `percent` is then less sure: of rings, pooled over directions, 0.4 to 2 times the
        truth, and more where one spacing fits the ring by chance.

    Examples
    --------
    >>> error = vm.sampling_error([0, 100, 200, 100, 0])
    >>> error.n_slices, round(error.percent, 2)
    (3, 4.43)
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

    The estimate is ``sqrt((1.2 max(CE_1, CE_ellipsoid))**2 + max(CE_ends, CE_shape)**2)`` with

    - ``CE_1 = sqrt((3A - 4B + C) / 240) / S``, the coefficient of error of systematic sampling for a smooth
      area function (Gundersen and Jensen, J Microsc 147, 229 (1987); Gundersen, Jensen, Kieu and Nielsen,
      J Microsc 193, 199 (1999));
    - ``CE_ellipsoid = 1 / (sqrt(10) n_eff**2)`` with ``n_eff = 1.2 S**2 / A``, which is derived for an
      ellipsoid cut at a random phase;
    - ``CE_ends = (E_1 + E_n) / (2 n S)`` on three to six slices, 0 on more;
    - ``CE_shape = 3.5 sqrt(irregularity) / n**3``,

    where ``S``, ``A``, ``B`` and ``C`` are the sums of P_i, P_i**2, P_i P_(i+1) and P_i P_(i+2), and n counts
    the slices from the first to the last of the lesion.

    E_1 and E_n are what the lesion would still measure one slice beyond its ends if its area went on as a
    parabola: ``E_1 = 3 P_1 - 3 P_2 + P_3``, at least 0 and at most P_1, and likewise at the other end. The
    area of an ellipsoid is a parabola that has ended there: E is 0 and the term vanishes. Rings, shells,
    dumbbells and bodies with flat sides end more abruptly, and on few slices the other two terms do not see
    it. The factor 1/2 was chosen by simulation, on each half of the kinds of bodies alike.

    Equal areas may hide different errors: two balls on three slices show the areas of an ellipsoid. The
    sections themselves tell them apart. Every section of an ellipsoid is an ellipse. Where the surface of a
    body departs from an ellipsoid by a small part a of its radius, so do the sections from ellipses: their
    irregularity grows as a squared and the error of slicing as a. Hence the root. The factor 3.5 and the
    power of n were chosen by simulation. Abrupt ends and irregular sections are two signs of one thing, so
    the larger term counts. Where nothing is known of the sections, three to six slices are taken to be as
    irregular as those of a moderately bumpy body (0.035), and more slices to be regular.

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
    4.43
    >>> round(sampling_error([0, 100, 200, 100, 0], irregularity=0.0).percent, 2)
    3.71
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
    a = _lagged(inside, 0)
    variation = max(3 * a - 4 * _lagged(inside, 1) + _lagged(inside, 2), 0.0)
    pit = _deepest_pit(inside)
    smooth = math.sqrt(_ALPHA_SMOOTH * variation) / total
    effective_slices = 1.2 * total**2 / a
    ellipsoid = 1 / (math.sqrt(10) * effective_slices**2)
    shape = _IRREGULARITY_FACTOR * math.sqrt(_irregularity(irregularity, len(inside))) / len(inside) ** 3
    smoothness = _smoothness(inside, variation) if n_slices >= _MINIMUM_SLICES_OF_SMOOTHNESS else None
    return SamplingError(
        percent=100 * math.hypot(SAFETY * max(smooth, ellipsoid), max(_ends(inside) / total, shape)),
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


def _ends(parts: Array) -> float:
    """What abrupt ends add to the error on few slices, as an area: see `sampling_error`."""
    n = len(parts)
    if not MINIMUM_SLICES <= n <= _FEW_SLICES:
        return 0.0
    return sum(_area_beyond(end) for end in (parts, parts[::-1])) / (2 * n)


def _area_beyond(parts: Array) -> float:
    """The area one slice before the first, by a parabola through the first three."""
    first, second, third = (float(v) for v in parts[:3])
    return min(max(3 * first - 3 * second + third, 0.0), first)


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

    The variation grows with spacing as T**(2q + 1): Kieu, Souchet and Istas, J Microsc 196, 263 (1999);
    Garcia-Finana and Cruz-Orive, Statistics 38, 505 (2004).
    """
    doubled = 3 * _lagged(parts, 0) - 4 * _lagged(parts, 2) + _lagged(parts, 4)
    if variation <= 0 or doubled <= 0:
        return 0.0
    return float(np.clip(0.5 * math.log2(doubled / variation) - 0.5, 0.0, 1.0))
