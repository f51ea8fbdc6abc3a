"""Times and events of a table, checked, with ties made exact and incomplete rows left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from volumetry.errors import UsageError
from volumetry.statistics.clusters import account, check_labels
from volumetry.statistics.result import Used
from volumetry.statistics.rows import Labels, complete_rows, not_estimable, read_labels, read_numbers
from volumetry.statistics.types import BoolArray, Column, FloatArray, IntArray, Table

#: Times closer than this, absolutely or relative to their mean, are one time (as R's survival does).
_SAME_TIME = float(np.sqrt(np.finfo(float).eps))


_MOST_CAUSES = 1000


@dataclass(frozen=True, kw_only=True)
class SurvivalRows(Used):
    """Complete rows of a survival analysis.

    Attributes
    ----------
    times : (m,) array
        The distinct follow-up times, ascending.
    time_index : (n,) array of int
        Which of `times` each row has.
    event : (n,) array of int
        0 is censored; 1 an event; above 1 competing events.
    group, strata, cluster : Labels
        One level where none was given (for `cluster`: every row its own).
    weights : (n,) array
    used : (rows of the table,) array of bool
    """

    times: FloatArray
    time_index: IntArray
    event: IntArray
    group: Labels
    strata: Labels
    cluster: Labels
    weights: FloatArray
    used: BoolArray

    @property
    def duration(self) -> FloatArray:
        """Follow-up time of each row."""
        return self.times[self.time_index]


def read_survival(
    duration: Column,
    event: Column,
    data: Table | None,
    cluster: Column | None,
    *,
    group: Column | None = None,
    strata: Column | None = None,
    weights: Column | None = None,
    also: tuple[FloatArray | Labels, ...] = (),
    causes: bool = False,
    accounted: bool = True,
) -> SurvivalRows:
    """Read and check the columns of a survival analysis; `data` and `cluster` as in every function.

    Parameters
    ----------
    group, strata : column of labels, optional
    weights : column of numbers, optional
        Case weights, 0 or more.
    also : tuple of columns
        More columns that must be complete (covariates).
    causes : bool
        Events may be above 1 (competing causes).
    accounted : bool
        As in `check_clusters`.
    """
    times = read_numbers(duration, data, name="duration")
    events = read_numbers(event, data, name="event")
    weight = np.ones(len(times)) if weights is None else read_numbers(weights, data, name="weights")
    labels = [
        None if column is None else read_labels(column, data, name=name)
        for name, column in (("group", group), ("strata", strata), ("cluster", cluster))
    ]
    used = complete_rows(times, events, weight, *labels, *also)
    times, events, weight = times[used], events[used], weight[used]
    _check_times(times)
    _check_events(events, causes)
    if (weight < 0).any() or not weight.sum() > 0:
        raise UsageError("invalid-table", "weights are negative or all 0")
    distinct, index = distinct_times(times)
    one = Labels(codes=np.zeros(len(index), dtype=np.int64), levels=("all",))
    groups, strata_of, clusters = (None if part is None else part.take(used) for part in labels)
    return SurvivalRows(
        times=distinct,
        time_index=index,
        event=events.astype(np.int64),
        group=groups or one,
        strata=(strata_of or one).without_empty(),
        cluster=clusters or Labels(codes=np.arange(len(index)), levels=()),
        weights=weight,
        used=used,
        **account(check_labels(labels[2], data, used, accounted, 5), used),
    )


def distinct_times(duration: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the distinct times and which one each row has; times apart by rounding are one."""
    index, times = pd.factorize(duration, sort=True)
    if len(times) > 1:
        step = np.diff(times)
        mean = float(np.abs(times).mean())
        new = np.append(True, (step > _SAME_TIME) & (step > _SAME_TIME * mean))
        times, index = times[new], (np.cumsum(new) - 1)[index]
    return times, index.astype(np.int64)


def require_groups(group: Labels) -> tuple[Labels, tuple[str, ...]]:
    """Return the groups that have rows, with a note on those that have none."""
    empty = [str(level) for level, count in zip(group.levels, group.counts, strict=True) if count == 0]
    found = group.without_empty()
    note = f"empty group left out: {', '.join(empty)}" if empty else ""
    if len(found.levels) < 2:
        raise not_estimable(
            "there are not two groups with rows to compare" + (f"; {note}" if note else ""),
            groups=", ".join(map(str, found.levels)),
            rows=len(found.codes),
        )
    return found, (note,) if note else ()


def require_events(event: IntArray) -> None:
    """Refuse data without an event."""
    if not (event == 1).any():
        raise not_estimable("every row is censored; there is no event", rows=len(event))


def _check_times(duration: FloatArray) -> None:
    wrong = duration < 0
    if wrong.any():
        raise UsageError(
            "invalid-table",
            "a follow-up time is negative",
            values={"rows": int(wrong.sum()), "duration": float(duration[wrong][0])},
        )


def _check_events(event: FloatArray, causes: bool) -> None:
    right = np.isin(event, np.arange(_MOST_CAUSES + 1) if causes else (0, 1))
    if not right.all():
        raise UsageError(
            "invalid-table",
            "an event is not 0 (censored) or 1"
            + (f" or a cause above 1, up to {_MOST_CAUSES}" if causes else ""),
            values={"rows": int((~right).sum()), "event": float(event[~right][0])},
            todo="Code events as 1 and censored rows as 0.",
        )
