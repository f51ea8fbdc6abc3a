"""The conditional odds ratio of a 2 x 2 table: its maximum likelihood and its exact limits (Cornfield)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import optimize
from scipy.special import gammaln

from volumetry.statistics.types import FloatArray, IntArray


def conditional_odds(a: int, b: int, c: int, d: int, tail: float) -> tuple[float, float, float]:
    """Return the conditional maximum-likelihood odds ratio and its exact limits.

    Parameters
    ----------
    a, b, c, d : int
        Events and non-events of the first and of the second group.
    tail : float
        Probability left off at either side, 0.025 for 95 %.

    Returns
    -------
    value, low, high : float
        0 and infinity where the table lies at the end of what its margins allow.
    """
    cells, ways = log_ways(a, b, c, d)
    lowest, highest = int(cells[0]), int(cells[-1])

    def shares(log_odds: float) -> FloatArray:
        # About the observed cell, so that large margins do not cost digits.
        weights = ways + log_odds * (cells - a)
        weights = np.exp(weights - weights.max())
        return np.asarray(weights / weights.sum(), dtype=np.float64)

    place = a - lowest
    value, low, high = 0.0, 0.0, math.inf
    if a > lowest:
        low = _solve(lambda t: float(shares(t)[place:].sum()) - tail)
        value = math.inf
    if a < highest:
        high = _solve(lambda t: tail - float(shares(t)[: place + 1].sum()))
    if lowest < a < highest:
        value = _solve(lambda t: float(shares(t) @ (cells - a)))
    return value, low, high


def log_ways(a: int, b: int, c: int, d: int) -> tuple[IntArray, FloatArray]:
    """Return what the first cell can be with these margins, and the log of the ways to get each."""
    cells = np.arange(max(0, a - d), min(a + b, a + c) + 1)
    return cells, log_choose(a + b, cells) + log_choose(c + d, a + c - cells)


def _solve(rising: Callable[[float], float]) -> float:
    """Return the odds ratio at whose logarithm `rising` is 0."""
    reach = 1.0
    while rising(-reach) > 0 or rising(reach) < 0:
        reach *= 2
    return math.exp(optimize.brentq(rising, -reach, reach, xtol=1e-14, rtol=1e-14))


def log_choose(n: int, k: IntArray) -> FloatArray:
    """Return the logarithm of n over k."""
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1), dtype=np.float64)
