"""Gray's test: whether the cumulative incidence of one cause differs between groups."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from volumetry.statistics.arguments import checked
from volumetry.statistics.result import StatisticResult
from volumetry.statistics.rows import not_estimable, present_values, sum_by
from volumetry.statistics.time.survival_rows import SurvivalRows, read_survival, require_groups
from volumetry.statistics.types import BoolArray, Column, FloatArray, Table


@checked
def gray_test(
    duration: Column,
    event: Column,
    group: Column,
    *,
    cause: int = 1,
    data: Table | None = None,
    strata: Column | None = None,
    cluster: Column | None = None,
) -> StatisticResult:
    """Compare the subdistribution hazards of one cause between groups (Gray, Ann Stat 1988;16:1141-54).

    Parameters
    ----------
    duration, event, group : column
        Time to the first event; which one it was (0 censored, 1, 2, ... the causes); the group.
    cause : int
        The cause that is compared.
    strata : column, optional
        Groups are compared within its levels.
    cluster : column, optional
        Not heeded: where clusters repeat, this is warned about and recorded.
    data : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        Chi-squared on groups - 1 `df`, equal to R's ``cmprsk::cuminc``. ``details``: ``groups``,
        ``score`` (by group), ``cause``, ``n_events`` (of the cause, by group).

    Raises
    ------
    StatisticsError
        ``not-estimable``: fewer than two groups, no event of the cause, or nothing to compare.
    """
    rows = read_survival(
        duration, event, data, cluster, group=group, strata=strata, causes=True, accounted=False
    )
    found, notes = require_groups(rows.group)
    if not (rows.event == cause).any():
        raise not_estimable(f"there is no event of cause {cause}")
    rows = replace(rows, group=found)
    n_groups = len(found.levels)
    score, covariance = np.zeros(n_groups), np.zeros((n_groups, n_groups))
    for code in range(len(rows.strata.levels)):
        part = _stratum(rows, rows.strata.codes == code, cause)
        score += part[0]
        covariance += part[1]
    kept = np.flatnonzero(np.diag(covariance) > 1e-12)[1:]
    if len(kept) == 0:
        raise not_estimable("no event happened while more than one group was at risk")
    solved = np.linalg.lstsq(covariance[np.ix_(kept, kept)], score[kept], rcond=None)[0]
    statistic, df = float(score[kept] @ solved), len(kept)
    of_cause = rows.event == cause
    return rows.result(
        "Gray's test" + (", stratified" if strata is not None else ""),
        statistic=statistic,
        df=float(df),
        p_value=float(special.chdtrc(df, statistic)),
        ties="hypergeometric variance",
        notes=notes,
        details={
            "groups": tuple(str(level) for level in found.levels),
            "score": score,
            "cause": cause,
            "n_events": tuple(int((of_cause & (found.codes == k)).sum()) for k in range(n_groups)),
        },
    )


@dataclass(frozen=True, kw_only=True)
class _Counts:
    """Events and risk sets by group and time, (groups, times), and each group's all-cause survival."""

    of_cause: FloatArray
    of_others: FloatArray
    at_risk: FloatArray
    before: FloatArray
    after: FloatArray


def _counts(rows: SurvivalRows, inside: BoolArray, cause: int) -> _Counts:
    present, index = present_values(rows.time_index[inside])
    event, code = rows.event[inside], rows.group.codes[inside]
    shape = (len(rows.group.levels), len(present))
    cell = code * shape[1] + index

    def count(chosen: BoolArray) -> FloatArray:
        return sum_by(cell, chosen.astype(np.float64), shape[0] * shape[1]).reshape(shape)

    of_any = count(event > 0)
    at_risk = np.cumsum(count(event >= 0)[:, ::-1], axis=1)[:, ::-1]
    after = np.asarray(np.cumprod(1 - of_any / np.maximum(at_risk, 1), axis=1), dtype=np.float64)
    return _Counts(
        of_cause=count(event == cause),
        of_others=of_any - count(event == cause),
        at_risk=at_risk,
        before=np.column_stack([np.ones(shape[0]), after[:, :-1]]),
        after=after,
    )


def _stratum(rows: SurvivalRows, inside: BoolArray, cause: int) -> tuple[FloatArray, FloatArray]:
    """Return score and covariance of one stratum.

    The score compares each group's events with its share of R = n (1 - F before) / S before. To first order
    it is a sum of martingale increments: of the cause with weight a, of the others with weight b,

        c - (1 - F - S) / S  I / n S-        and      - (1 - F) / S  I / n S-,

    where c = [own group] - share, S is the group's survival, F the pooled incidence, and I the integral over
    later times of c R dF / (1 - F)^2.
    """
    counts = _counts(rows, inside, cause)
    n, before = counts.at_risk, counts.before
    inverse_before = np.where(before > 0, 1 / np.where(before > 0, before, 1.0), 0.0)
    own = np.cumsum(before * counts.of_cause / np.maximum(n, 1), axis=1)
    own_before = np.column_stack([np.zeros(len(n)), own[:, :-1]])
    risk = n * (1 - own_before) * inverse_before
    events = counts.of_cause.sum(axis=0)
    score = (counts.of_cause - risk / np.maximum(risk.sum(axis=0), 1e-300) * events).sum(axis=1)
    # Under the hypothesis all groups share one incidence, and R is n / S before up to a common factor.
    weight = n * inverse_before
    total = np.maximum(weight.sum(axis=0), 1e-300)
    step = events / total
    pooled = np.cumsum(step)
    pooled_before = np.append(0.0, pooled[:-1])
    share = weight / total
    covariance = np.zeros((len(n), len(n)))
    for group in range(len(n)):
        c = (np.arange(len(n)) == group)[:, None] - share
        change = c * weight[group] * step / np.maximum(1 - pooled_before, 1e-300)
        later = np.cumsum(change[:, ::-1], axis=1)[:, ::-1] - change
        after = counts.after[group]
        inverse_after = np.where(after > 0, 1 / np.where(after > 0, after, 1.0), 0.0)
        factor = before[group] / np.maximum(n[group], 1) * inverse_after * later
        a, b = c - factor * (1 - pooled - after), -factor * (1 - pooled)
        expected = weight[group] * step * _tied(events, total * before[group])
        others = counts.of_others[group] * _tied(counts.of_others[group], n[group])
        covariance += (a * expected) @ a.T + (b * others) @ b.T
    return score, covariance


def _tied(events: FloatArray, at_risk: FloatArray) -> FloatArray:
    """Return the hypergeometric factor (n - d) / (n - 1) of tied events."""
    return np.where((events > 1) & (at_risk > 1), 1 - (events - 1) / np.maximum(at_risk - 1, 1e-300), 1.0)
