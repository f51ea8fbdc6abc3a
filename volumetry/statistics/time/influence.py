"""Sums over clusters of squared influence, at every time of a curve, from one sort."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from volumetry.statistics.rows import sum_by
from volumetry.statistics.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """Rows of a curve and what each has contributed once it has left.

    Attributes
    ----------
    index : (n,) array of int
        Time at which each row leaves.
    weights : (n,) array
    cluster : (n,) array of int
    n_times : int
    """

    index: IntArray
    weights: FloatArray
    cluster: IntArray
    n_times: int


def curve_variance(leaving: Leaving, finished: FloatArray, loadings: FloatArray) -> FloatArray:
    """Return the sum over clusters of (sum over their rows of influence)^2, at every time.

    The influence of a row on a curve at time t is the product of its `finished` values with the first of the
    `loadings` at t once it has left, and the last of the loadings before. A cluster's sum is thus a
    product with its gathered finished values and its weight still at risk; these change only when a row
    leaves, so their cross products over all clusters follow from differences, and cost one sort.

    Parameters
    ----------
    leaving : Leaving
    finished : (n, q) array
        Unweighted.
    loadings : (times, q + 1) array

    Returns
    -------
    (times,) array
    """
    order = np.lexsort((leaving.index, leaving.cluster))
    at, own, weight = leaving.index[order], leaving.cluster[order], leaving.weights[order]
    new = np.append(True, own[1:] != own[:-1])
    block = np.cumsum(new) - 1
    gathered = [_within(weight * column, new, block) for column in finished[order].T]
    gone = _within(weight, new, block)
    total = sum_by(block, weight, int(block[-1]) + 1)
    after = [*gathered, total[block] - gone]
    before = [g - weight * column for g, column in zip(gathered, finished[order].T, strict=True)]
    before.append(total[block] - gone + weight)
    variance = loadings[:, -1] ** 2 * float(total @ total)
    for i in range(len(after)):
        for j in range(len(after)):
            change = after[i] * after[j] - before[i] * before[j]
            product = np.cumsum(sum_by(at, change, leaving.n_times))
            variance += loadings[:, i] * loadings[:, j] * product
    return np.maximum(variance, 0.0)


def _within(values: FloatArray, new: BoolArray, block: IntArray) -> FloatArray:
    """Return running sums that start anew where `new` is True."""
    running = np.cumsum(values)
    start = (running - values)[new]
    return running - start[block]
