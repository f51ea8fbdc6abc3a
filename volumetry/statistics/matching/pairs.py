"""1:1 nearest-neighbour matching on the propensity score, greedy, without replacement."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Literal

import numpy as np

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.matching.propensity import PropensityScore
from volumetry.statistics.result import Result
from volumetry.statistics.rows import not_estimable
from volumetry.statistics.types import BoolArray, FloatArray, IntArray

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

    Examples
    --------
    >>> options = vs.MatchOptions(caliper=0.5, scale='sd-logit')
    >>> options.order
    'largest'
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

    Examples
    --------
    >>> score = vs.propensity_score('treated', ['age', 'before'], data=hips)
    >>> pairs = vs.match_pairs(score, vs.MatchOptions(caliper=0.5, scale='sd-logit'))
    >>> len(pairs.treated_rows) == len(pairs.control_rows)
    True
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

    Ties are broken as in R's MatchIt since 4.5.1, so that the pairs are its pairs. All rows stand in a line
    by score, equal scores in the order of the data. A treated row looks at the nearest free control on either
    side: the smaller distance wins; at equal distance the one fewer places away, then the left one.
    Treated rows of equal score choose in the order of the data. Costs O(n log n).

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
        ``usage`` for a caliper that is not positive, or ``random`` without a seed.
    """
    distance, caliper = _scale(score, options)
    line = _Line(distance, score.treated)
    if options.order == "closest":
        chosen = _closest_first(line, score.treated, caliper)
    else:
        chosen = {}
        for t in np.flatnonzero(score.treated)[_order(distance[score.treated], options)].tolist():
            found = line.nearest(t)
            if found is not None and found[0] <= caliper:
                chosen[t] = line.take(found[1])
    n_treated = int(score.treated.sum())
    if not chosen:
        raise not_estimable(
            "no treated row has a control within the caliper",
            caliper=caliper,
            treated=n_treated,
            control=len(distance) - n_treated,
        )
    t = np.array(sorted(chosen))
    left_over = (
        f"{n_treated - len(t)} of {n_treated} treated rows have no match: the effect is that in the "
        "treated who could be matched"
    )
    c = np.array([chosen[key] for key in t.tolist()])
    return Matching(
        treated_rows=score.rows[t],
        control_rows=score.rows[c],
        distances=np.abs(distance[t] - distance[c]),
        caliper=caliper,
        options=options,
        n_treated=n_treated,
        n_control=len(distance) - n_treated,
        n_missing=score.n_missing,
        notes=(left_over,) if len(t) < n_treated else (),
    )


class _Line:
    """All rows in a line by score, with links from each place to the nearest free control on either side."""

    def __init__(self, scores: FloatArray, treated: BoolArray) -> None:
        order = np.argsort(scores, kind="stable")
        places = np.empty(len(scores), dtype=np.int64)
        places[order] = np.arange(1, len(scores) + 1)
        self._rows: list[int] = [-1, *order.tolist(), -1]
        self._place: list[int] = places.tolist()
        self._scores: list[float] = scores.tolist()
        # A free control links to itself; the first and the last place are stops that never get used up.
        here = np.arange(len(scores) + 2)
        used = np.concatenate(([False], treated[order], [False]))
        self._left: list[int] = np.where(used, here - 1, here).tolist()
        self._right: list[int] = np.where(used, here + 1, here).tolist()

    def nearest(self, row: int, gone: int | None = None) -> tuple[float, int] | None:
        """Return distance and row of the nearest free control, None where no control is left.

        `gone` is the control that was nearest before: places are counted from it on its side.
        """
        at = self._place[row]
        ends = (at, at) if gone is None else sorted((at, self._place[gone]))
        found = []
        for side, links, start in ((0, self._left, ends[0]), (1, self._right, ends[1])):
            place = _root(links, start)
            control = self._rows[place]
            if control >= 0:
                distance = abs(self._scores[row] - self._scores[control])
                found.append((distance, abs(place - start), side, control))
        return None if not found else min(found)[::3]

    def take(self, control: int) -> int:
        """Use up a control and return it."""
        place = self._place[control]
        self._left[place], self._right[place] = place - 1, place + 1
        return control


def _root(links: list[int], at: int) -> int:
    """Follow links to one that points to itself, halving the path on the way."""
    while links[at] != at:
        links[at] = links[links[at]]
        at = links[at]
    return at


def _closest_first(line: _Line, treated: BoolArray, caliper: float) -> dict[int, int]:
    """Pair the closest of all first: a heap of each treated row's nearest, looked up anew if it is gone.

    At equal distance, the row that was looked up anew last comes first, as in MatchIt.
    """
    heap: list[tuple[float, int, int, int]] = []
    for t in np.flatnonzero(treated).tolist():
        found = line.nearest(t)
        if found is not None and found[0] <= caliper:
            heap.append((found[0], 0, t, found[1]))
    heapq.heapify(heap)
    again = 0
    taken: set[int] = set()
    chosen: dict[int, int] = {}
    while heap:
        _, _, t, control = heapq.heappop(heap)
        if control not in taken:
            chosen[t] = line.take(control)
            taken.add(control)
            continue
        found = line.nearest(t, control)
        if found is not None and found[0] <= caliper:
            again -= 1
            heapq.heappush(heap, (found[0], again, t, found[1]))
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
    values, unit = scales[options.scale]
    return values, options.caliper * unit


def _order(scores: FloatArray, options: MatchOptions) -> IntArray:
    keys = {"largest": -scores, "smallest": scores, "data": np.arange(len(scores))}
    if options.order in keys:
        return np.argsort(keys[options.order], kind="stable")
    if options.seed is None:
        raise UsageError("usage", "random order needs a seed", todo="Give seed=.")
    return np.random.default_rng(options.seed).permutation(len(scores)).astype(np.int64)
