"""1:1 nearest-neighbour matching on the propensity score, greedy, without replacement."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Literal

import numpy as np

from volumetry.errors import StatisticsError, UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.matching.propensity import PropensityScore
from volumetry.statistics.result import Result
from volumetry.statistics.rows import FloatArray, IntArray

CaliperScale = Literal["probability", "sd-probability", "sd-logit", "none"]
MatchOrder = Literal["largest", "smallest", "data", "random", "closest"]


@dataclass(frozen=True, kw_only=True)
class MatchOptions:
    """How treated and controls are paired.

    Attributes
    ----------
    caliper : float
        Largest distance of a pair, in units of `scale`; a pair at exactly this distance is kept.
    scale : "probability", "sd-probability", "sd-logit" or "none"
        What the caliper is measured in, and what is matched on: the score itself; the score, in standard
        deviations of the score; its logit, in standard deviations of the logit. The deviation is over all
        rows, as in MatchIt. ``none`` is no caliper, on the score itself; say ``caliper=inf`` with it.
        There is no default: 0.1 is fourteen times wider on the first scale than on the second.
    order : "largest", "smallest", "data", "random" or "closest"
        Who chooses first: treated by falling or rising score, in order of the rows, at random, or the
        closest pair of all.
    seed : int, optional
        Needed by ``random``.
    """

    caliper: float
    scale: CaliperScale
    order: MatchOrder = "largest"
    seed: int | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class Matching(Result):
    """Matched pairs.

    Attributes
    ----------
    treated_rows, control_rows : (m,) arrays of int
        Positions in the input, pair by pair, in order of the treated row.
    distances : (m,) array
        On the scale matched on.
    caliper : float
        On the scale matched on; infinite where there is none.
    options : MatchOptions
    n_treated, n_control : int
        Rows that could have been matched.
    n_missing : int
    notes : tuple of str
    """

    treated_rows: IntArray
    control_rows: IntArray
    distances: FloatArray
    caliper: float
    options: MatchOptions
    n_treated: int
    n_control: int
    n_missing: int
    notes: tuple[str, ...] = ()

    @property
    def n_pairs(self) -> int:
        """Number of pairs."""
        return len(self.treated_rows)

    @property
    def rows(self) -> IntArray:
        """Matched rows of the input: all treated, then all controls."""
        return np.concatenate([self.treated_rows, self.control_rows])

    @property
    def pair(self) -> IntArray:
        """Number of the pair of each of `rows`: the cluster for the analysis after matching."""
        return np.tile(np.arange(self.n_pairs), 2)


@checked
def match_pairs(score: PropensityScore, options: MatchOptions) -> Matching:
    """Pair each treated row with the nearest control that is still free, within the caliper.

    Ties in distance go to the earlier row. Costs O(n log n): controls are sorted once, and the nearest free
    one on either side is found through links that skip the taken ones.

    Parameters
    ----------
    score : PropensityScore
    options : MatchOptions

    Returns
    -------
    Matching

    Raises
    ------
    StatisticsError
        ``not-estimable`` if no pair lies within the caliper.
    UsageError
        ``usage`` for an unknown scale or order, a caliper that is not positive, ``random`` without a seed.
    """
    distance, caliper = _scale(score, options)
    treated, control = np.flatnonzero(score.treated), np.flatnonzero(~score.treated)
    queue = _FreeControls(distance[control])
    if options.order == "closest":
        chosen = _closest_first(distance[treated], queue, caliper)
    else:
        chosen = {}
        for t in _order(distance[treated], options):
            found = queue.nearest(float(distance[treated[t]]))
            if found is not None and found[0] <= caliper:
                chosen[int(t)] = queue.take(found[1])
    if not chosen:
        raise StatisticsError(
            "not-estimable",
            "no treated row has a control within the caliper",
            values={"caliper": caliper, "treated": len(treated), "control": len(control)},
        )
    t = treated[np.array(sorted(chosen))]
    c = control[np.array([chosen[key] for key in sorted(chosen)])]
    return Matching(
        treated_rows=score.rows[t],
        control_rows=score.rows[c],
        distances=np.abs(distance[t] - distance[c]),
        caliper=caliper,
        options=options,
        n_treated=len(treated),
        n_control=len(control),
        n_missing=score.n_missing,
        notes=_notes(len(t), len(treated)),
    )


class _FreeControls:
    """Controls sorted by score, in blocks of equal scores, with links over the blocks that are used up."""

    def __init__(self, scores: FloatArray) -> None:
        order = np.lexsort((np.arange(len(scores)), scores))
        values, first, count = np.unique(scores[order], return_index=True, return_counts=True)
        self._rows: list[int] = order.tolist()
        self._values: list[float] = values.tolist()
        self._array = values
        self._next: list[int] = first.tolist()
        self._end: list[int] = (first + count).tolist()
        # Block i is at position i + 1; 0 and the last position are stops that are never used up.
        self._left = list(range(len(values) + 2))
        self._right = list(range(len(values) + 2))

    def nearest(self, score: float) -> tuple[float, int] | None:
        """Return distance and block of the nearest free control; ties go to the earlier row."""
        at = int(np.searchsorted(self._array, score))
        right = _root(self._right, at + 1) - 1
        left = _root(self._left, at) - 1
        candidates = [
            (abs(self._values[block] - score), self._rows[self._next[block]], block)
            for block in (left, right)
            if 0 <= block < len(self._values)
        ]
        if not candidates:
            return None
        distance, _, block = min(candidates)
        return distance, block

    def take(self, block: int) -> int:
        """Use up the first free control of a block and return it."""
        row = self._rows[self._next[block]]
        self._next[block] += 1
        if self._next[block] == self._end[block]:
            self._left[block + 1] = block
            self._right[block + 1] = block + 2
        return row


def _root(links: list[int], at: int) -> int:
    """Follow links to one that points to itself, halving the path on the way."""
    while links[at] != at:
        links[at] = links[links[at]]
        at = links[at]
    return at


def _closest_first(scores: FloatArray, queue: _FreeControls, caliper: float) -> dict[int, int]:
    """Pair the closest of all first: a heap of each treated row's nearest, looked up anew if it is gone."""
    heap: list[tuple[float, int]] = []
    for t, score in enumerate(scores.tolist()):
        found = queue.nearest(score)
        if found is not None:
            heap.append((found[0], t))
    heapq.heapify(heap)
    chosen: dict[int, int] = {}
    while heap:
        distance, t = heapq.heappop(heap)
        found = queue.nearest(float(scores[t]))
        if found is None or distance > caliper:
            break
        if found[0] > distance:
            heapq.heappush(heap, (found[0], t))
        else:
            chosen[t] = queue.take(found[1])
    return chosen


def _scale(score: PropensityScore, options: MatchOptions) -> tuple[FloatArray, float]:
    """Return what is matched on and the caliper in its unit."""
    if not options.caliper > 0:
        raise UsageError("usage", "the caliper is not positive", values={"caliper": options.caliper})
    scales = {
        "probability": (score.probability, 1.0),
        "sd-probability": (score.probability, float(score.probability.std(ddof=1))),
        "sd-logit": (score.logit, float(score.logit.std(ddof=1))),
        "none": (score.probability, np.inf),
    }
    if options.scale not in scales:
        raise UsageError(
            "usage", f"unknown caliper scale {options.scale!r}", todo=f"Take one of {', '.join(scales)}."
        )
    values, unit = scales[options.scale]
    return values, options.caliper * unit


def _order(scores: FloatArray, options: MatchOptions) -> IntArray:
    rows = np.arange(len(scores))
    if options.order == "largest":
        return np.lexsort((rows, -scores)).astype(np.int64)
    if options.order == "smallest":
        return np.lexsort((rows, scores)).astype(np.int64)
    if options.order == "data":
        return rows
    if options.order == "random":
        if options.seed is None:
            raise UsageError("usage", "random order needs a seed", todo="Give seed=.")
        return np.random.default_rng(options.seed).permutation(len(scores)).astype(np.int64)
    raise UsageError(
        "usage",
        f"unknown matching order {options.order!r}",
        todo="Take largest, smallest, data, random or closest.",
    )


def _notes(n_pairs: int, n_treated: int) -> tuple[str, ...]:
    if n_pairs == n_treated:
        return ()
    return (
        f"{n_treated - n_pairs} of {n_treated} treated rows have no match: the effect is that in the "
        "treated who could be matched",
    )
