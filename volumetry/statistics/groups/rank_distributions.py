"""Exact null distributions of rank sums with ties, by counting (Streitberg and Roehmel 1986).

Midranks are doubled, so that they are whole numbers; counts are kept as floats, whose relative error stays
near machine precision since only positive numbers are added.
"""

from __future__ import annotations

import numpy as np

from volumetry.statistics.types import FloatArray, IntArray


def rank_sum_tail(doubled_ranks: IntArray, size: int, limit: int) -> float:
    """Return P(sum <= `limit`) of the ranks of `size` rows drawn from all without replacement.

    Parameters
    ----------
    doubled_ranks : ndarray of int
        Twice the midranks (or any whole scores) of all rows.
    size : int
        How many are drawn.
    limit : int
        On the doubled scale.
    """
    ranks = np.sort(doubled_ranks)
    ranks = ranks - ranks[0]
    limit = int(limit - size * doubled_ranks.min())
    n = ranks.size
    prefix = np.concatenate([[0], np.cumsum(ranks)])
    if limit < prefix[size]:
        return 0.0
    # counts[j][s]: share of the ways to draw j of the rows seen so far with sum s. Rows come in ascending
    # order, so that a partial sum from which even the next ranks lead beyond the limit is dropped.
    counts: list[FloatArray] = [np.ones(1)] + [np.zeros(0)] * size
    log_scale = 0.0
    for seen, rank in enumerate(ranks.tolist(), start=1):
        for drawn in range(min(seen, size), max(0, size - (n - seen)) - 1, -1):
            missing = size - drawn
            room = limit - int(prefix[min(n, seen + missing)] - prefix[seen]) + 1
            counts[drawn] = _add_shifted(counts[drawn], counts[drawn - 1] if drawn else None, rank, room)
        if seen % 64 == 0:
            counts, log_scale = _rescaled(counts, log_scale)
    total = float(counts[size].sum())
    if total == 0:
        return 0.0
    from scipy.special import gammaln

    log_all = gammaln(n + 1) - gammaln(size + 1) - gammaln(n - size + 1)
    return float(np.exp(np.log(total) + log_scale - log_all))


def signed_rank_tail(doubled_ranks: IntArray, limit: int) -> float:
    """Return P(sum <= `limit`) of the ranks that get a plus when each sign is a fair coin."""
    shares = np.ones(1)
    for rank in np.sort(doubled_ranks).tolist():
        grown = np.zeros(shares.size + rank)
        grown[: shares.size] += shares / 2
        grown[rank:] += shares / 2
        # Sums beyond the limit never come back under it.
        shares = grown[: max(0, limit + 1)]
    return float(shares.sum())


def _add_shifted(kept: FloatArray, fewer: FloatArray | None, shift: int, room: int) -> FloatArray:
    room = max(0, room)
    if fewer is None or fewer.size == 0:
        return kept[:room]
    size = min(room, max(kept.size, fewer.size + shift))
    grown = np.zeros(size)
    grown[: min(kept.size, size)] = kept[:size]
    if size > shift:
        grown[shift:] += np.pad(fewer, (0, max(0, size - shift - fewer.size)))[: size - shift]
    return grown


def _rescaled(counts: list[FloatArray], log_scale: float) -> tuple[list[FloatArray], float]:
    largest = max((float(part.max()) for part in counts if part.size), default=0.0)
    if largest == 0:
        return counts, log_scale
    return [part / largest for part in counts], log_scale + float(np.log(largest))
