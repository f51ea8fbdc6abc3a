"""Times and events of a table, checked, with ties made exact and incomplete rows left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from volumetry.errors import UsageError
from volumetry.statistics.rows import Labels, complete_rows, not_estimable, read_labels, read_numbers
from volumetry.statistics.types import BoolArray, Column, FloatArray, IntArray, Table

#: Times closer than this, absolutely or relative to their mean, are one time (as R's survival does).
_SAME_TIME = float(np.sqrt(np.finfo(float).eps))


_MOST_CAUSES = 1000


@dataclass(frozen=True, kw_only=True)
class SurvivalColumns:
    """The columns of a survival analysis, names or values.

    Attributes
    ----------
    duration, event : column
        Follow-up time, 0 or more; event 0 or 1.
    group, strata, cluster : column of labels, optional
    weights : column of numbers, optional
        Case weights, 0 or more.
    """

    duration: Column
    event: Column
    group: Column | None = None
    strata: Column | None = None
    weights: Column | None = None
    cluster: Column | None = None


@dataclass(frozen=True, kw_only=True)
class SurvivalRows:
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
    def n_missing(self) -> int:
        """Rows left out."""
        return int((~self.used).sum())

    @property
    def duration(self) -> FloatArray:
        """Follow-up time of each row."""
        return self.times[self.time_index]


def read_survival(
    columns: SurvivalColumns,
    data: Table | None = None,
    *,
    also: tuple[FloatArray | Labels, ...] = (),
    causes: bool = False,
) -> SurvivalRows:
    """Read and check the columns of a survival analysis.

    Parameters
    ----------
    columns : SurvivalColumns
    data : DataFrame, optional
    also : tuple of columns
        More columns that must be complete (covariates).
    causes : bool
        Events may be above 1 (competing causes).
    """
    duration = read_numbers(columns.duration, data, name="duration")
    event = read_numbers(columns.event, data, name="event")
    weights = None if columns.weights is None else read_numbers(columns.weights, data, name="weights")
    labels = [
        None if column is None else read_labels(column, data, name=name)
        for name, column in (
            ("group", columns.group),
            ("strata", columns.strata),
            ("cluster", columns.cluster),
        )
    ]
    used = complete_rows(duration, event, weights, *labels, *also)
    _check_times(duration[used])
    _check_events(event[used], causes)
    kept_weights = np.ones(int(used.sum())) if weights is None else weights[used]
    if (kept_weights < 0).any() or not kept_weights.sum() > 0 or not np.isfinite(kept_weights).all():
        raise UsageError("invalid-table", "weights are negative, infinite or all 0")
    if (event[used] > _MOST_CAUSES).any():
        raise UsageError("invalid-table", f"an event is coded above {_MOST_CAUSES}")
    times, index = distinct_times(duration[used])
    group, strata, cluster = (None if one is None else one.take(used) for one in labels)
    n_rows = len(index)
    return SurvivalRows(
        times=times,
        time_index=index,
        event=event[used].astype(np.int64),
        group=group or _one_level(n_rows),
        strata=(strata or _one_level(n_rows)).without_empty(),
        cluster=cluster or Labels(codes=np.arange(n_rows), levels=()),
        weights=kept_weights,
        used=used,
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


def _one_level(n_rows: int) -> Labels:
    return Labels(codes=np.zeros(n_rows, dtype=np.int64), levels=("all",))


def _check_times(duration: FloatArray) -> None:
    wrong = (duration < 0) | ~np.isfinite(duration)
    if wrong.any():
        raise UsageError(
            "invalid-table",
            "a follow-up time is negative or not finite",
            values={"rows": int(wrong.sum()), "duration": float(duration[wrong][0])},
        )


def _check_events(event: FloatArray, causes: bool) -> None:
    right = (event >= 0) & (event == np.floor(event)) if causes else np.isin(event, (0, 1))
    if not right.all():
        raise UsageError(
            "invalid-table",
            "an event is not 0 (censored) or 1" + (" or a cause above 1" if causes else ""),
            values={"rows": int((~right).sum()), "event": float(event[~right][0])},
            todo="Code events as 1 and censored rows as 0.",
        )
