"""Who responded: classes of change with their denominators, and the three averages of a relative change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.clusters import check_clusters, cluster_error, patient_columns, repeated_patients
from volumetry.statistics.groups.proportions import wilson_interval
from volumetry.statistics.groups.two_groups import TableLike
from volumetry.statistics.result import Estimate, Result, StatisticResult
from volumetry.statistics.rows import as_frame, column_values, is_missing, not_estimable
from volumetry.statistics.samples import read_pairs
from volumetry.statistics.types import Column, FloatArray, IntArray, Table
from volumetry.statistics.wald import ordered_estimate, wald_estimate

CHANGE_CLASSES = ("increase", "no_change", "decrease", "new", "resolved", "absent")
NOT_EVALUABLE = "not_evaluable"


_LARGEST_PERCENT = 1e60


@dataclass(frozen=True, kw_only=True, repr=False)
class ResponderRow(Result):
    """One class of change in one group.

    Attributes
    ----------
    group : Any
        Value of the grouping column; None where there is none.
    category : str
        One of `CHANGE_CLASSES`, or ``not_evaluable``.
    reason : str
        Why not evaluable; empty for classes.
    n : int
    denominator : int
        Evaluable rows of the group for a class; all its rows for ``not_evaluable``.
    percent, ci_low_percent, ci_high_percent : float or None
        Share of the denominator with Wilson's interval; None where the denominator is 0.

    Examples
    --------
    >>> changes = pd.DataFrame({'category': ['decrease', 'no_change', 'decrease'], 'reason': ''})
    >>> table = vs.responder_table(changes)
    >>> [(row.category, row.n) for row in table.rows if row.n]
    [('no_change', 1), ('decrease', 2)]
    """

    group: Any
    category: str
    reason: str = ""
    n: int
    denominator: int
    percent: float | None = None
    ci_low_percent: float | None = None
    ci_high_percent: float | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class ResponderTable(Result):
    """The responder table as tidy rows.

    Attributes
    ----------
    rows : tuple of ResponderRow
        Classes by group, then the reasons of those not evaluable.
    n_rows : int
        Rows of the changes table; the counts of all rows add up to it.
    notes : tuple of str

    Examples
    --------
    >>> changes = pd.DataFrame({'category': ['decrease', 'no_change', 'decrease'], 'reason': ''})
    >>> table = vs.responder_table(changes)
    >>> table.n_rows
    3
    """

    rows: tuple[ResponderRow, ...]
    n_rows: int
    notes: tuple[str, ...] = ()

    def counts(self, group: Any = None) -> dict[str, int]:
        """Return the number of rows by category in one group."""
        total: Counter[str] = Counter()
        for row in self.rows:
            if row.group == group:
                total[row.category] += row.n
        return dict(total)


@checked
def responder_table(
    changes: TableLike,
    *,
    group: str | None = None,
    category: str = "category",
    reason: str = "reason",
    level: float = 0.95,
) -> ResponderTable:
    """Count the classes of change by group, with the reasons of those who cannot be classed.

    Parameters
    ----------
    changes : DataFrame or mapping of columns
        A changes table: a row per lesion and follow-up visit.
    group : str, optional
        Column to count by.
    category, reason : str
        Columns of the class and of why there is none. An empty class counts as ``not_evaluable``.
    level : float
        Confidence level; the intervals take rows as independent, and a repeated ``patient`` is warned about.

    Raises
    ------
    UsageError
        `invalid-table` for an unknown class or a missing column.
    """
    frame = as_frame(changes)
    categories = [entry or NOT_EVALUABLE for entry in _texts(frame, category)]
    unknown = sorted({entry for entry in categories if entry not in (*CHANGE_CLASSES, NOT_EVALUABLE)})
    if unknown:
        raise UsageError(
            "invalid-table",
            f"column {category!r} holds unknown classes: {', '.join(unknown[:5])}",
            todo=f"Classes are {', '.join((*CHANGE_CLASSES, NOT_EVALUABLE))}.",
        )
    reasons = _texts(frame, reason) if reason in frame else [""] * len(categories)
    groups: list[Any] = [None] * len(categories)
    if group is not None:
        groups = ["" if _blank(entry) else entry for entry in column_values(group, frame, "group")]
    notes = check_clusters(None, frame, used=np.array([c != NOT_EVALUABLE for c in categories], bool)).notes
    rows: list[ResponderRow] = []
    for name in dict.fromkeys(groups):
        members = [row for row, entry in enumerate(groups) if entry == name]
        rows += _group_rows(name, [(categories[row], reasons[row]) for row in members], level)
    return ResponderTable(rows=tuple(rows), n_rows=len(categories), notes=notes)


@checked
def relative_change(
    baseline: Column,
    followup: Column,
    *,
    data: Table | None = None,
    cluster: Column | None = None,
    level: float = 0.95,
) -> StatisticResult:
    """Average a relative change in the three ways that papers confuse.

    Parameters
    ----------
    baseline, followup : sequence
        Volumes of the same lesions. A pair lacking either is missing; a pair with baseline 0 has no relative
        change and is left out of the first two, and counted in ``details["n_baseline_zero"]``.
    cluster : column, optional
        Patient of each pair; where patients repeat, whole patients are counted in the standard errors and the
        median's interval is left out.
    data, level : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        Estimates in percent: ``median relative change`` (interval from order statistics),
        ``mean relative change`` (t interval), ``relative change of means`` (delta method).

    Raises
    ------
    StatisticsError
        `not-estimable` without a pair with a baseline above 0.
    """
    pairs = read_pairs(baseline, followup, cluster, data=data, names=("baseline", "followup"))
    before, after = pairs.first, pairs.second
    if (before < 0).any() or (after < 0).any():
        raise UsageError("invalid-table", "a volume is negative")
    positive = before > 0
    if not positive.any():
        raise not_estimable("no pair has a baseline above 0", n_pairs=before.size)
    percent = 100 * (after[positive] - before[positive]) / before[positive]
    if np.abs(percent).max() > _LARGEST_PERCENT:
        raise not_estimable("a baseline is next to 0: its change in percent leaves the range of numbers")
    rows = np.arange(before.size) if pairs.codes is None else pairs.codes
    mean, ratio = float(percent.mean()), float(after.sum() / before.sum())
    of_means = 100 * (after - ratio * before) / before.sum()
    clustered = pairs.repeats is not None
    return pairs.result(
        "Relative change: median, mean, and of the means",
        estimates=(
            _median_estimate(percent, level, clustered),
            _averaged("mean relative change", mean, (percent - mean) / percent.size, rows[positive], level),
            _averaged("relative change of means", 100 * (ratio - 1), of_means, rows, level),
        ),
        alternative="",
        notes=("the median's interval does not heed clusters and is left out",) if clustered else (),
        details={"n_baseline_zero": int((~positive).sum()), "mean_baseline": float(before.mean())},
    )


@checked
def changes_relative_change(changes: TableLike, *, level: float = 0.95) -> StatisticResult:
    """Apply `relative_change` to the evaluable rows of a changes table, with ``patient`` as the cluster."""
    frame = as_frame(changes)
    evaluable = np.array([text not in ("", NOT_EVALUABLE) for text in _texts(frame, "category")], bool)
    frame = frame[evaluable]
    patient = repeated_patients(frame)
    cluster = next(iter(patient_columns(frame.columns)), None) if patient is None else patient
    columns = ("baseline_volume_mm3", "followup_volume_mm3")
    return relative_change(*columns, data=frame, cluster=cluster, level=level)


def _blank(entry: Any) -> bool:
    return is_missing(entry) or entry == ""


def _texts(frame: Table, name: str) -> list[str]:
    """Return a column as texts, missing as empty."""
    return ["" if _blank(entry) else str(entry) for entry in column_values(name, frame, name)]


def _group_rows(name: Any, members: Sequence[tuple[str, str]], level: float) -> list[ResponderRow]:
    counts = Counter(category for category, _ in members)
    evaluable = len(members) - counts[NOT_EVALUABLE]
    rows = [
        _row(name, category, "", counts[category], evaluable, level)
        for category in CHANGE_CLASSES
        if counts[category] or category in CHANGE_CLASSES[:3]
    ]
    reasons = Counter(why or "no reason given" for category, why in members if category == NOT_EVALUABLE)
    rows += [_row(name, NOT_EVALUABLE, why, n, len(members), level) for why, n in sorted(reasons.items())]
    return rows


def _row(group: Any, category: str, reason: str, n: int, denominator: int, level: float) -> ResponderRow:
    shares: dict[str, float] = {}
    if denominator:
        low, high = (100 * limit for limit in wilson_interval(n, denominator, level))
        shares = {"percent": 100 * n / denominator, "ci_low_percent": low, "ci_high_percent": high}
    return ResponderRow(group=group, category=category, reason=reason, n=n, denominator=denominator, **shares)


def _median_estimate(percent: FloatArray, level: float, clustered: bool) -> Estimate:
    ordered = np.sort(percent)
    # The k-th from either end, with k - 1 the largest that leaves at most half of 1 - level outside.
    place = 0 if clustered else int(stats.binom.ppf((1 - level) / 2, ordered.size, 0.5))
    return ordered_estimate("median relative change", ordered, place, level, unit="%")


def _averaged(name: str, value: float, influence: FloatArray, rows: IntArray, level: float) -> Estimate:
    if len(np.unique(rows)) < 2:
        return Estimate(name=name, value=value, level=level, unit="%")
    error, n = cluster_error(influence, rows)
    return wald_estimate(name, value, error, level, df=n - 1, unit="%", tested=False)
