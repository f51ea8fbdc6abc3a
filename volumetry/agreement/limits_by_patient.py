"""Confidence limits of Bland-Altman figures and of the ICC where patients have several lesions or pairs.

Lesions and pairs of one patient are not independent. Patients are left out one at a time (jackknife), and the
limits have Student's t with the patients less one, as those of the error of reading.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import StatisticsError

if TYPE_CHECKING:
    from volumetry.statistics.result import Estimate, StatisticResult

Array = NDArray[np.float64]
Figures = Callable[[NDArray[np.bool_]], Sequence[float]]
"""From the rows that are kept to the figures."""

Limits = tuple[float, float] | None

METHOD = "limits: jackknife over patients"
_MINIMUM_PATIENTS = 3


def repeat(patients: Sequence[Hashable]) -> bool:
    """Whether a patient has more than one row."""
    return len({*patients}) < len(patients)


def jackknife(
    figures: Figures, patients: Sequence[Hashable], level: float
) -> list[tuple[float, float] | None]:
    """Return limits of every figure; None below three patients, or where a figure does not exist without one.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.array([1.0, 2.0, 4.0, 5.0])
    >>> jackknife(lambda kept: [values[kept].mean()], ["a", "a", "b", "c"], 0.95)[0][0] < 3
    True
    """
    from scipy.stats import t

    codes: dict[Hashable, int] = {}
    numbers = np.array([codes.setdefault(patient, len(codes)) for patient in patients])
    n = len(codes)
    whole = np.array(figures(np.ones(len(numbers), dtype=bool)), dtype=float)
    if n < _MINIMUM_PATIENTS:
        return [None] * len(whole)
    left_out = np.array([figures(numbers != patient) for patient in range(n)], dtype=float)
    half = float(t.ppf((1 + level) / 2, n - 1)) * np.sqrt(
        (n - 1) / n * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0)
    )
    return [
        (float(v - h), float(v + h)) if math.isfinite(v) and math.isfinite(h) else None
        for v, h in zip(whole, half, strict=True)
    ]


def with_limits_by_patient(
    result: StatisticResult, differences: Array, patients: Sequence[Hashable], level: float
) -> StatisticResult:
    """Return a Bland-Altman analysis whose bias and limits of agreement have limits that respect patients."""
    from statistics import NormalDist

    z = NormalDist().inv_cdf((1 + level) / 2)

    def figures(kept: NDArray[np.bool_]) -> tuple[float, float, float]:
        own = differences[kept]
        bias, sd = float(own.mean()), float(own.std(ddof=1)) if len(own) > 1 else math.nan
        return bias, bias - z * sd, bias + z * sd

    found = dict(
        zip(("bias", "lower limit", "upper limit"), jackknife(figures, patients, level), strict=True)
    )
    return replace(result, estimates=tuple(_with(e, found) for e in result.estimates))


def _with(estimate: Estimate, limits: dict[str, Limits]) -> Estimate:
    if estimate.name not in limits:
        return estimate
    low, high = limits[estimate.name] or (None, None)
    return replace(estimate, ci_low=low, ci_high=high, standard_error=None)


def icc_limits(
    icc: Callable[[list[list[float]]], StatisticResult],
    table: Array,
    forms: Sequence[str],
    patients: Sequence[Hashable],
    level: float,
) -> dict[str, Limits]:
    """Return limits of intraclass correlations, computed on Fisher's scale."""

    def figures(kept: NDArray[np.bool_]) -> list[float]:
        try:
            values = {e.name: e.value for e in icc(table[kept].tolist()).estimates}
        except StatisticsError:
            values = {}
        return [math.atanh(v) if -1 < (v := values.get(form, math.nan)) < 1 else math.nan for form in forms]

    found = jackknife(figures, patients, level)
    return {
        form: None if limits is None else (math.tanh(limits[0]), math.tanh(limits[1]))
        for form, limits in zip(forms, found, strict=True)
    }
