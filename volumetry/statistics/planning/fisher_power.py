"""Power of Fisher's exact test by enumeration: binomial outcomes times the test's rejection region."""

from __future__ import annotations

import numpy as np
from scipy import stats

from volumetry.statistics.groups.conditional_odds import log_choose
from volumetry.statistics.types import FloatArray

# Outcomes rarer than this are left out; together they are below 1e-12 of the power.
_NEGLIGIBLE = 1e-17
_TIE = 1 + 1e-7


def fisher_power(p1: float, p2: float, n1: int, n2: int, alpha: float, *, two_sided: bool) -> float:
    """Return the probability that Fisher's exact test rejects at `alpha`.

    Parameters
    ----------
    p1, p2 : float
        True proportions. One-sided tests look in the direction of their difference.
    n1, n2 : int
        Group sizes.
    alpha : float
        Level of the test.
    two_sided : bool
        Two-sided p values sum the tables no more probable than the observed one.
    """
    if p1 > p2:
        p1, p2, n1, n2 = p2, p1, n2, n1
    first = stats.binom.pmf(np.arange(n1 + 1), n1, p1)
    second = stats.binom.pmf(np.arange(n2 + 1), n2, p2)
    log_ways = (log_choose(n1, np.arange(n1 + 1)), log_choose(n2, np.arange(n2 + 1)))
    power = 0.0
    totals = np.convolve(first, second)
    for events in np.flatnonzero(totals > _NEGLIGIBLE).tolist():
        lowest, highest = max(0, events - n2), min(events, n1)
        cells = np.arange(lowest, highest + 1)
        logs = log_ways[0][cells] + log_ways[1][events - cells]
        null = np.exp(logs - logs.max())
        null /= null.sum()
        rejected = _two_sided_p(null) <= alpha if two_sided else np.cumsum(null) <= alpha
        power += float((first[cells] * second[events - cells])[rejected].sum())
    return power


def smallest_fisher_n(
    p1: float, p2: float, target: float, alpha: float, *, ratio: float, two_sided: bool, guess: float
) -> tuple[int, float]:
    """Return the least size of the first group at which the power reaches `target`, and that power.

    The power of an exact test is a saw-tooth; the search climbs from clearly below the normal `guess`.
    """

    def power(n: int) -> float:
        return fisher_power(p1, p2, n, max(1, round(ratio * n)), alpha, two_sided=two_sided)

    n = max(1, int(0.98 * guess) - 6)
    while n > 1 and power(n) >= target:
        n = max(1, int(0.9 * n))
    reached = power(n)
    while reached < target:
        n += 1
        reached = power(n)
    return n, reached


def _two_sided_p(null: FloatArray) -> FloatArray:
    order = np.sort(null)
    upto = np.cumsum(order)
    return np.asarray(upto[np.searchsorted(order, null * _TIE, side="right") - 1], dtype=np.float64)
