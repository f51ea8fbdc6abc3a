"""Events known to lie between two films: Turnbull's estimator, and a test of groups.

An event seen on the film of day R and not on that of day L happened in (L, R]. Hips without it have R missing
or infinite; an event whose day is known has L = R.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.clusters import account, check_labels, labelled_rows
from volumetry.statistics.result import Estimate, Result, StatisticResult, Used
from volumetry.statistics.rows import (
    Labels,
    column_values,
    complete_rows,
    is_missing,
    not_estimable,
    one_column,
    read_labels,
    read_numbers,
)
from volumetry.statistics.types import BoolArray, Column, FloatArray, IntArray, Table

Scores = Literal["sun", "finkelstein"]

_MOST_ROUNDS = 20_000
_GAP = 1e-9
"""The estimate is final when no shift of probability can raise the log likelihood by more than this a row."""


@dataclass(frozen=True, kw_only=True, repr=False)
class IntervalCurve(Result):
    """Turnbull's estimate of one group.

    Attributes
    ----------
    label : str
    left, right : (m,) arrays
        The intervals (left, right] in which events can lie; between them the curve is flat. Within one the
        data do not say where it falls.
    probability : (m,) array
        Of an event in each.
    survival : (m,) array
        Probability of no event up to `right`.

    Examples
    --------
    >>> curves = vs.interval_censored_survival([0, 6, 6, 12], [6, 12, None, None]).details['curves']
    >>> curves[0].survival.round(3).tolist()
    [0.75, 0.375, 0.0]
    """

    label: str
    left: FloatArray
    right: FloatArray
    probability: FloatArray
    survival: FloatArray


@dataclass(frozen=True, kw_only=True)
class _Rows(Used):
    left: FloatArray
    right: FloatArray
    group: Labels


@checked
def interval_censored_survival(
    left: Column,
    right: Column,
    group: Column | None = None,
    *,
    data: Table | None = None,
    cluster: Column | None = None,
) -> StatisticResult:
    """Estimate survival by group from intervals that hold the events.

    Turnbull's nonparametric estimate of greatest likelihood (J R Stat Soc B 1976;38:290-295).

    Parameters
    ----------
    left, right : column
        Last time without the event and first time with it: the event lies in (left, right]. `right` missing
        or infinite: no event seen. Equal times: an event at that time.
    cluster : column, optional
        Patient; the estimate needs none, and there are no intervals that could be too narrow.
    group, data : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        Estimates: the median of each group, the end of the interval in which its curve crosses one half;
        absent with a note where it does not. ``details["curves"]``: an `IntervalCurve` for each group.

    Raises
    ------
    UsageError
        `invalid-table` for a negative time, or a right end before the left.

    Examples
    --------
    >>> months = {"left": [0, 6, 6, 12, 24], "right": [6, 12, 12, 24, None]}
    >>> result = vs.interval_censored_survival(months["left"], months["right"])
    >>> result.details["curves"][0].survival.round(3)
    array([0.8, 0.4, 0.2, 0. ])
    """
    rows = _read(left, right, group, data, cluster)
    curves = tuple(
        _curve(rows, rows.group.codes == code, str(level)) for code, level in enumerate(rows.group.levels)
    )
    estimates, notes = [], []
    for curve in curves:
        below = np.flatnonzero(curve.survival <= 0.5 + 1e-9)
        if below.size and np.isfinite(curve.right[below[0]]):
            estimates.append(Estimate(name=f"median {curve.label}", value=float(curve.right[below[0]])))
        else:
            notes.append(f"the median of {curve.label} is not reached")
    return rows.result(
        "Turnbull's estimator of interval-censored survival",
        estimates=tuple(estimates),
        alternative="",
        notes=tuple(notes),
        details={"curves": curves},
    )


@checked
def interval_logrank_test(
    left: Column,
    right: Column,
    group: Column,
    *,
    data: Table | None = None,
    scores: Scores = "sun",
    cluster: Column | None = None,
) -> StatisticResult:
    """Compare the interval-censored survival of groups by a log-rank test.

    Parameters
    ----------
    left, right, group, data
        As in `interval_censored_survival`.
    scores : {'sun', 'finkelstein'}
        Log-rank scores of Sun (Stat Med 1996;15:1387-1395; ``"logrank1"`` of R's interval, its default) or of
        Finkelstein (Biometrics 1986;42:845-854; ``"logrank2"``).
    cluster : column, optional
        Not heeded: where clusters repeat, this is warned about and recorded.

    Returns
    -------
    StatisticResult
        Chi-squared of the asymptotic permutation test, df groups - 1. ``details["scores"]``: the sum of the
        scores of each group, below 0 where events come early; ``details["z"]`` for two groups, of the second.

    Notes
    -----
    Fay MP, Shaw PA, J Stat Softw 2010;36(2): R's ``interval::ictest(method = "pclt")``.

    Raises
    ------
    StatisticsError
        `not-estimable` for fewer than two groups, or if all rows have the same score.

    Examples
    --------
    >>> result = vs.interval_logrank_test(
    ...     [0, 0, 6, 6, 12, 12], [6, 6, 12, 12, None, None], ["a", "a", "a", "b", "b", "b"]
    ... )
    >>> round(result.p_value, 4)
    0.073
    """
    rows = _read(left, right, group, data, cluster, accounted=False)
    names = rows.group.levels
    if len(names) < 2:
        raise not_estimable("a test needs two groups", groups=len(names))
    every = np.ones(rows.left.size, dtype=bool)
    score = _scores(rows, _curve(rows, every, "all"), scores)
    score = score - score.mean()
    spread = float((score**2).sum()) / (score.size - 1)
    if spread < 1e-14:
        raise not_estimable("all rows have the same score", rows=score.size)
    counts = rows.group.counts.astype(float)
    sums = np.bincount(rows.group.codes, score, len(names))
    covariance = spread * (np.diag(counts) - np.outer(counts, counts) / score.size)
    statistic = float(sums[1:] @ np.linalg.solve(covariance[1:, 1:], sums[1:]))
    details: dict[str, object] = {"scores": dict(zip(map(str, names), sums.tolist(), strict=True))}
    if len(names) == 2:
        details["z"] = math.copysign(math.sqrt(statistic), float(sums[1]))
    return rows.result(
        f"Interval-censored log-rank test, {scores.capitalize()}'s scores, permutation form",
        statistic=statistic,
        df=float(len(names) - 1),
        p_value=float(stats.chi2.sf(statistic, len(names) - 1)),
        details=details,
    )


def _read(
    left: Column,
    right: Column,
    group: Column | None,
    data: Table | None,
    cluster: Column | None,
    *,
    accounted: bool = True,
) -> _Rows:
    starts = read_numbers(left, data, name="left")
    ends = one_column(column_values(right, data, "right"), "right")
    open_ended = np.array([is_missing(end) or end == np.inf for end in ends], dtype=bool)
    finite = read_numbers(ends.astype(object).mask(open_ended, 0), name="right")
    stops = np.where(open_ended, np.inf, finite)
    labels = Labels(codes=np.zeros(len(starts), dtype=np.int64), levels=("all",))
    if group is not None:
        labels = read_labels(group, data, name="group")
    clusters = labelled_rows(cluster, len(starts), data)
    used = complete_rows(starts, finite, labels, clusters)
    starts, stops, labels = starts[used], stops[used], labels.take(used).without_empty()
    if (starts < 0).any() or (stops < starts).any():
        raise UsageError("invalid-table", "a right end lies before its left end, or a time is negative")
    known = account(check_labels(clusters, None if accounted else data, used, accounted, 5), used)
    return _Rows(left=starts, right=stops, group=labels, **known)


def _curve(rows: _Rows, inside: BoolArray, label: str) -> IntervalCurve:
    left, right = rows.left[inside], rows.right[inside]
    starts, stops, first, last = _innermost(left, right)
    probability = _maximum(first, last, starts.size)
    survival = np.clip(1 - np.cumsum(probability), 0, 1)
    survival[survival < 1e-12] = 0.0
    return IntervalCurve(label=label, left=starts, right=stops, probability=probability, survival=survival)


def _innermost(left: FloatArray, right: FloatArray) -> tuple[FloatArray, FloatArray, IntArray, IntArray]:
    """Return Turnbull's intervals, and the first and (exclusive) last of them that each row covers.

    Ends are ordered as (time, kind): an exact event opens just before its time (0), rows close at theirs (1),
    and open just after theirs (2).
    """
    opens = np.where(left == right, 0, 2)
    times = np.concatenate([left, right])
    kinds = np.concatenate([opens, np.ones(right.size, dtype=int)])
    order = np.lexsort((kinds, times))
    is_open = kinds[order] != 1
    at = np.flatnonzero(is_open[:-1] & ~is_open[1:])
    place = np.empty(order.size, dtype=np.int64)
    place[order] = np.arange(order.size)
    # Equal ends share the first place (opening) or the last (closing) among them.
    keys = times[order], kinds[order]
    new = np.append(True, (np.diff(keys[1]) != 0) | (keys[0][1:] != keys[0][:-1]))
    run = np.cumsum(new) - 1
    starts_at, ends_at = run[at], run[at + 1]
    first = np.searchsorted(starts_at, run[place[: left.size]])
    last = np.searchsorted(ends_at, run[place[left.size :]], side="right")
    return times[order][at], times[order][at + 1], first.astype(np.int64), last.astype(np.int64)


def _maximum(first: IntArray, last: IntArray, size: int) -> FloatArray:
    """Return the probabilities of greatest likelihood, by self-consistency (EM)."""
    p = np.full(size, 1 / size)
    for _ in range(_MOST_ROUNDS):
        total = np.append(0.0, np.cumsum(p))
        share = 1 / np.maximum(total[last] - total[first], 1e-300)
        gain = np.cumsum(np.bincount(first, share, size + 1) - np.bincount(last, share, size + 1))[:size]
        gain /= first.size
        p = p * gain
        p /= p.sum()
        if gain.max() < 1 + _GAP:
            break
    p[p < 1e-12] = 0.0
    result: FloatArray = p / p.sum()
    return result


def _scores(rows: _Rows, curve: IntervalCurve, scores: Scores) -> FloatArray:
    """Return each row's log-rank score: the mean of S log S over its interval (Fay and Shaw, equation 7)."""
    before = np.append(1.0, curve.survival[:-1])
    with np.errstate(divide="ignore"):
        if scores == "finkelstein":
            log = np.append(0.0, np.log(curve.survival))
        else:
            hazard = np.where(before > 0, curve.probability / np.where(before > 0, before, 1.0), 0.0)
            log = np.append(0.0, -np.cumsum(hazard))
    survival = np.append(1.0, curve.survival)
    product = np.where(survival > 0, survival * np.where(survival > 0, log, 0.0), 0.0)
    _, _, first, last = _innermost(rows.left, rows.right)
    inside = survival[first] - survival[last]
    if (inside <= 0).any():
        raise not_estimable("an interval has no probability in the estimate of all groups")
    result: FloatArray = (product[last] - product[first]) / inside
    return result
