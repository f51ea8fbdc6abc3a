"""Standardised mean differences, with either denominator by its name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from volumetry.statistics.arguments import checked
from volumetry.statistics.result import Estimate, StatisticResult
from volumetry.statistics.rows import column_values, not_estimable
from volumetry.statistics.samples import read_samples
from volumetry.statistics.types import Column, FloatArray, IntArray, Table
from volumetry.statistics.wald import wald_estimate

SMD_POOLED = "SMD, pooled SD"
SMD_FIRST = "SMD, first group's SD"


@checked
def standardized_mean_difference(
    first: Column,
    second: Column | None = None,
    *,
    data: Table | None = None,
    group: Column | None = None,
    levels: Sequence[Any] | None = None,
    level: float = 0.95,
) -> StatisticResult:
    """Estimate the difference of two means, first less second, in standard deviations.

    Parameters
    ----------
    first, second, data, group, levels, level : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        Estimates ``"SMD, pooled SD"`` (root of the mean of the two variances; tableone, cobalt for the ATE;
        interval after Hedges and Olkin 1985) and ``"SMD, first group's SD"`` (MatchIt, cobalt for the ATT).
        The latter is absent, with a note, if the first group does not vary.

    Raises
    ------
    StatisticsError
        `not-estimable` if a group has fewer than two values or neither varies.
    """
    named = (("first", first), ("second", second), ("group", group))
    known: dict[str, Any] = {
        name: None if part is None else column_values(part, data, name) for name, part in named
    }
    rows = read_samples(**known, cluster=None, levels=levels)
    m, n = rows.first.size, rows.second.size
    if min(m, n) < 2:
        raise not_estimable("a group is too small for an SD", **rows.sizes)
    sds = [0.0 if np.ptp(part) == 0 else float(part.std(ddof=1)) for part in (rows.first, rows.second)]
    pooled = math.sqrt((sds[0] ** 2 + sds[1] ** 2) / 2)
    if pooled == 0:
        raise not_estimable("neither group varies: there is no SD to divide by")
    difference = float(rows.first.mean() - rows.second.mean())
    value = difference / pooled
    error = math.sqrt((m + n) / (m * n) + value**2 / (2 * (m + n)))
    estimates = [wald_estimate(SMD_POOLED, value, error, level, tested=False)]
    notes: tuple[str, ...] = ()
    if sds[0] > 0:
        estimates.append(Estimate(name=SMD_FIRST, value=difference / sds[0], level=level))
    else:
        notes = ("the first group does not vary: no difference in its SDs",)
    method = "Standardised mean difference"
    return rows.result(method, estimates=tuple(estimates), alternative="", notes=notes)


def categorical_difference(first: IntArray, second: IntArray) -> tuple[float, float | None]:
    """Return the standardised difference of two distributions over classes, with either denominator.

    Parameters
    ----------
    first, second : ndarray of int
        Counts by class.

    Returns
    -------
    pooled, first : float, float or None
        With the mean of both covariance matrices, and with that of the first group (None where singular).

    Notes
    -----
    Mahalanobis distance of the shares, never negative: Yang D, Dalton JE, SAS Global Forum 2012, 335. With
    two classes it is the size of the binary SMD.
    """
    used = (first + second) > 0
    if first.sum() == 0 or second.sum() == 0 or used.sum() < 2:
        raise not_estimable("a group is empty or only one class occurs")
    shares = [counts[used][1:] / counts.sum() for counts in (first, second)]
    covariances = [np.diag(share) - np.outer(share, share) for share in shares]
    difference = shares[0] - shares[1]
    pooled = _distance(difference, (covariances[0] + covariances[1]) / 2)
    if pooled is None:
        raise not_estimable("the groups share no class: the standardised difference is infinite")
    return pooled, _distance(difference, covariances[0])


def _distance(difference: FloatArray, covariance: FloatArray) -> float | None:
    if np.linalg.matrix_rank(covariance) < difference.size:
        return None
    return math.sqrt(max(0.0, float(difference @ np.linalg.solve(covariance, difference))))
