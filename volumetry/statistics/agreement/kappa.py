"""Cohen's kappa of two readers, plain and weighted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.groups.contingency import count_levels
from volumetry.statistics.groups.two_by_two import count_table
from volumetry.statistics.result import StatisticResult, Used
from volumetry.statistics.rows import not_estimable
from volumetry.statistics.samples import positions, read_pairs
from volumetry.statistics.types import Column, FloatArray, Table
from volumetry.statistics.wald import tail_p, wald_estimate

KappaWeights = Literal["none", "linear", "quadratic"]


@checked
def cohen_kappa(table: Column, *, weights: KappaWeights = "none", level: float = 0.95) -> StatisticResult:
    """Estimate Cohen's kappa from a square table of counts.

    Parameters
    ----------
    table : array_like of int, shape (k, k)
        Rows are the first reader's classes, columns the second's, in the same order.
    weights : {'none', 'linear', 'quadratic'}
        How disagreement grows with the distance of ordered classes.
    level : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        Estimate ``kappa`` with its asymptotic error (Fleiss, Cohen and Everitt, Psychol Bull
        1969;72:323-327). The statistic is z against kappa = 0, with the error under that hypothesis, as R's
        ``irr::kappa2``. ``details["agreement_percent"]``: pairs in full agreement.

    Raises
    ------
    StatisticsError
        `not-estimable` if chance alone explains all agreement (one class only).
    """
    counts = count_table(table)
    if counts.shape[0] != counts.shape[1]:
        raise UsageError("usage", "kappa takes a square table", values={"shape": counts.shape})
    n = int(counts.sum())
    if n == 0:
        raise not_estimable("the table is empty")
    shares = counts / n
    agreement = _agreement_weights(len(counts), weights)
    observed = float((agreement * shares).sum())
    expected = float(shares.sum(1) @ agreement @ shares.sum(0))
    if math.isclose(expected, 1):
        raise not_estimable("both readers use one class only, so that chance explains all agreement")
    kappa = (observed - expected) / (1 - expected)
    error, null_error = _errors(shares, agreement, kappa, expected, n)
    z = kappa / null_error if null_error > 0 else None
    return Used(n_used=n).result(
        "Cohen's kappa" + ("" if weights == "none" else f", {weights} weights"),
        estimates=(wald_estimate("kappa", kappa, error, level, tested=False, within=(-1.0, 1.0)),),
        statistic=z,
        p_value=None if z is None else tail_p(z),
        details={
            "agreement_percent": 100 * float(np.trace(shares)),
            "standard_error_null": null_error,
            "table": counts.tolist(),
        },
    )


@checked
def cohen_kappa_of_readers(
    first: Column,
    second: Column,
    *,
    classes: Sequence[Any],
    weights: KappaWeights = "none",
    data: Table | None = None,
    cluster: Column | None = None,
    level: float = 0.95,
) -> StatisticResult:
    """Estimate Cohen's kappa from two readers' classes, row by row.

    Parameters
    ----------
    first, second : sequence
        Classes by either reader; rows lacking one are left out and counted.
    classes : sequence
        All classes, in their order.
    cluster : column, optional
        Not heeded: where clusters repeat, this is warned about and recorded.
    weights, level
        As in `cohen_kappa`.
    data : as in every function of `volumetry.statistics`
    """
    readers = (positions(classes), positions(classes))
    rows = read_pairs(first, second, cluster, data=data, readers=readers, accounted=False)
    table = count_levels(rows, len(classes), len(classes))
    result = cohen_kappa(table, weights=weights, level=level)
    return replace(result, n_missing=rows.n_missing, notes=(*result.notes, *rows.notes))


def _agreement_weights(size: int, weights: str) -> FloatArray:
    if weights == "none" or size == 1:
        return np.eye(size)
    distance = np.abs(np.subtract.outer(np.arange(size), np.arange(size))) / (size - 1)
    return np.asarray(1 - distance ** (1 if weights == "linear" else 2), dtype=np.float64)


def _errors(
    shares: FloatArray, agreement: FloatArray, kappa: float, expected: float, n: int
) -> tuple[float, float]:
    rows, columns = shares.sum(1), shares.sum(0)
    row_mean, column_mean = agreement @ columns, rows @ agreement
    around = agreement - (row_mean[:, None] + column_mean) * (1 - kappa)
    variance = float((shares * around**2).sum()) - (kappa - expected * (1 - kappa)) ** 2
    null = agreement - (row_mean[:, None] + column_mean)
    null_variance = float((np.outer(rows, columns) * null**2).sum()) - expected**2
    scale = n * (1 - expected) ** 2
    return math.sqrt(max(0.0, variance) / scale), math.sqrt(max(0.0, null_variance) / scale)
