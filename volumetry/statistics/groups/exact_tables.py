"""Fisher's exact test for tables of any size (Freeman and Halton 1951), by counting instead of sampling.

All tables with the observed margins are split in the middle. The left columns give *paths*: how the rows can
be filled so far, and how probable that is. For every state of the rows that the paths reach, the right
columns give all *completions*, sorted; how many complete a path to a table no more probable than the
observed one is then one binary search. Nothing is approximated.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import gammaln

from volumetry.statistics.types import FloatArray, IntArray

# Tables within this relative difference of the observed one's probability count as equally probable.
_TIE = 1e-7
_CHUNK = 500_000
_MAX_PATHS = 2_000_000


class TooManyTablesError(Exception):
    """There are more tables with these margins than will be counted."""


def freeman_halton_p(counts: IntArray, max_steps: int) -> float:
    """Return the exact p value of a table of counts.

    Parameters
    ----------
    counts : ndarray of int, shape (r, c)
        Without empty rows or columns.
    max_steps : int
        Work allowed, in extensions of a path by a column.
    """
    table = counts if counts.shape[0] <= counts.shape[1] else counts.T
    # The largest columns last: of the very last one there is no choice left.
    table = table[:, np.argsort(table.sum(0), kind="stable")]
    columns = table.sum(0)
    half = (columns.size - 1) // 2
    budget = _Budget(max_steps)
    start = table.sum(1)[None, :]
    states, logs = _paths(start, columns[:half], budget)
    constant = gammaln(table.sum(1) + 1).sum() + gammaln(columns + 1).sum() - gammaln(columns.sum() + 1)
    limit = -gammaln(table + 1).sum() + _TIE
    total = 0.0
    for state, state_logs in _by_state(states, logs):
        rests, rest_logs = _paths(state[None, :], columns[half:-1], budget)
        completions = np.sort(rest_logs - _log_factorials(rests))
        # Relative to the most probable completion: neither factor alone would fit a float.
        upto = np.concatenate([[0.0], np.cumsum(np.exp(completions - completions[-1]))])
        reached = np.searchsorted(completions, limit - state_logs, side="right")
        total += float((np.exp(state_logs + completions[-1] + constant) * upto[reached]).sum())
    return min(1.0, total)


class _Budget:
    def __init__(self, steps: int) -> None:
        self.left = steps

    def take(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise TooManyTablesError


def _paths(states: IntArray, columns: IntArray, budget: _Budget) -> tuple[IntArray, FloatArray]:
    """Fill `columns` in every possible way: the rows' remaining totals, and the log of prod 1/x!."""
    logs = np.zeros(len(states))
    for total in columns:
        states, logs = _extend(states, logs, int(total), budget)
    return states, logs


def _extend(states: IntArray, logs: FloatArray, total: int, budget: _Budget) -> tuple[IntArray, FloatArray]:
    fillings = _compositions(total, states.max(0), budget)
    filling_logs = -_log_factorials(fillings)
    budget.take(len(states) * len(fillings))
    if len(states) == 1:
        # Within its own limits every filling fits.
        return states - fillings, logs + filling_logs
    new_states, new_logs = [], []
    step = max(1, _CHUNK // max(1, len(fillings)))
    for begin in range(0, len(states), step):
        remaining = states[begin : begin + step, None, :] - fillings[None, :, :]
        path, filling = np.nonzero((remaining >= 0).all(2))
        new_states.append(remaining[path, filling])
        new_logs.append(logs[begin + path] + filling_logs[filling])
        if sum(map(len, new_logs)) > _MAX_PATHS:
            raise TooManyTablesError
    return np.concatenate(new_states), np.concatenate(new_logs)


def _log_factorials(counts: IntArray) -> FloatArray:
    """Return the sum over each row of log x!."""
    known = gammaln(np.arange(int(counts.max(initial=0)) + 1) + 1)
    return np.asarray(known[counts].sum(1), dtype=np.float64)


def _compositions(total: int, limits: IntArray, budget: _Budget) -> IntArray:
    """Return every way to write `total` as a sum of whole numbers, each at most its limit."""
    rows = np.zeros((1, 0), dtype=np.int64)
    left = np.array([total])
    for position, limit in enumerate(limits[:-1]):
        room = int(limits[position + 1 :].sum())
        low = np.maximum(0, left - room)
        choices = np.maximum(0, np.minimum(left, limit) - low + 1)
        budget.take(int(choices.sum()))
        parent = np.repeat(np.arange(len(rows)), choices)
        first = np.cumsum(choices) - choices
        value = np.arange(parent.size) - np.repeat(first, choices) + low[parent]
        rows = np.column_stack([rows[parent], value])
        left = left[parent] - value
    return np.column_stack([rows, left])


def _by_state(states: IntArray, logs: FloatArray) -> Iterator[tuple[IntArray, FloatArray]]:
    # The order of the rows does not change how the rest can be filled.
    unique, inverse = np.unique(np.sort(states, axis=1), axis=0, return_inverse=True)
    order = np.argsort(inverse.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(inverse.ravel()))
    for state, members in zip(unique, np.split(order, ends[:-1]), strict=True):
        yield state, logs[members]
