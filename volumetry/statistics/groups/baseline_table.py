"""Table 1: the groups described, with standardised differences and everything that is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from volumetry.errors import StatisticsError, UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.clusters import repeated_patients
from volumetry.statistics.groups.spread import quantiles
from volumetry.statistics.groups.standardized_difference import (
    SMD_FIRST,
    SMD_POOLED,
    categorical_difference,
    standardized_mean_difference,
)
from volumetry.statistics.groups.two_groups import TableLike
from volumetry.statistics.result import Result
from volumetry.statistics.rows import as_frame, column_values, is_missing, read_labels, read_numbers
from volumetry.statistics.types import BoolArray, FloatArray, IntArray, Table


@dataclass(frozen=True, kw_only=True, repr=False)
class TableOneRow(Result):
    """One variable, or one class of it, in one group.

    Attributes
    ----------
    variable, category : str
        `category` is empty for numeric variables.
    group : Any
    n, n_missing : int
        Rows of the group with and without a value.
    mean, sd, median, quartile_low, quartile_high : float or None
        Of numeric variables; None where n is too small. The SD divides by n - 1.
    count : int or None
    percent : float or None
        Of classes, in percent of `n`.

    Examples
    --------
    >>> table = vs.table_one(hips, group='arm', levels=('drug', 'none'), numeric=['age'])
    >>> table.rows[0].n
    30
    """

    variable: str
    category: str = ""
    group: Any
    n: int
    n_missing: int
    mean: float | None = None
    sd: float | None = None
    median: float | None = None
    quartile_low: float | None = None
    quartile_high: float | None = None
    count: int | None = None
    percent: float | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class TableOneDifference(Result):
    """Standardised difference of one variable between two groups.

    Attributes
    ----------
    variable : str
    smd_pooled : float or None
        Divided by the root of the mean of both variances.
    smd_first : float or None
        Divided by the first (by custom: the treated) group's SD.
    note : str
        Why a difference is None. Variables with classes have a distance without sign (Yang and Dalton 2012).

    Examples
    --------
    >>> table = vs.table_one(hips, group='arm', levels=('drug', 'none'), numeric=['age'])
    >>> table.differences[0].variable
    'age'
    """

    variable: str
    smd_pooled: float | None
    smd_first: float | None
    note: str = ""


@dataclass(frozen=True, kw_only=True, repr=False)
class TableOne(Result):
    """Table 1 as tidy rows.

    Attributes
    ----------
    rows : tuple of TableOneRow
    differences : tuple of TableOneDifference
        Between the first two groups; empty for a single group.
    group_sizes : dict
        Rows by group.
    quantile_kind : int
        Rule of the quartiles (Hyndman and Fan), see `quantiles`.
    notes : tuple of str

    Examples
    --------
    >>> table = vs.table_one(hips, group='arm', levels=('drug', 'none'), numeric=['age'])
    >>> table.group_sizes
    {'drug': 30, 'none': 30}
    """

    rows: tuple[TableOneRow, ...]
    differences: tuple[TableOneDifference, ...]
    group_sizes: dict[Any, int]
    quantile_kind: int
    notes: tuple[str, ...] = ()

    def records(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries, with the differences repeated in each group's row."""
        known = {difference.variable: difference for difference in self.differences}
        records = []
        for row in self.rows:
            difference = known.get(row.variable)
            smds = {
                "smd_pooled": None if difference is None else difference.smd_pooled,
                "smd_first": None if difference is None else difference.smd_first,
            }
            records.append({**asdict(row), **smds})
        return records


@checked
def table_one(
    table: TableLike,
    *,
    group: str,
    levels: Sequence[Any],
    numeric: Sequence[str] = (),
    categorical: Sequence[str] = (),
    quantile_kind: int = 7,
) -> TableOne:
    """Describe variables by group.

    Parameters
    ----------
    table : DataFrame or mapping of columns
    group : str
        Column of the group.
    levels : sequence
        The groups, in order; the first is the one whose SD is the second denominator. Rows of no listed group
        are counted in the notes.
    numeric, categorical : sequence of str
        Columns to describe by mean, SD and quartiles, or by counts of classes.
    quantile_kind : {7, 6, 2}
        See `quantiles`; 6 is that of SPSS.

    Raises
    ------
    UsageError
        `invalid-table` for a column that is not there or not numeric, `usage` without variables.
    """
    if not (numeric or categorical):
        raise UsageError(
            "usage", "Table 1 needs at least one variable", todo="Name numeric= or categorical=."
        )
    frame = as_frame(table)
    entries = [None if is_missing(entry) else entry for entry in column_values(group, frame, "group")]
    masks = {name: np.array([entry == name for entry in entries], dtype=bool) for name in levels}
    rows: list[TableOneRow] = []
    differences: list[TableOneDifference] = []
    for variable in numeric:
        values = read_numbers(variable, frame)
        rows += [_numeric_row(variable, name, values[mask], quantile_kind) for name, mask in masks.items()]
        differences += _numeric_differences(variable, [values[mask] for mask in masks.values()])
    for variable in categorical:
        classes, counts, missing = _class_counts(
            column_values(variable, frame, variable), list(masks.values())
        )
        rows += _class_rows(variable, classes, list(levels), counts, missing)
        differences += _class_differences(variable, counts)
    sizes = {name: int(mask.sum()) for name, mask in masks.items()}
    return TableOne(
        rows=tuple(rows),
        differences=tuple(differences),
        group_sizes=sizes,
        quantile_kind=quantile_kind,
        notes=_notes(frame, len(entries) - sum(sizes.values())),
    )


def _numeric_row(variable: str, group: Any, values: FloatArray, kind: int) -> TableOneRow:
    known = values[~np.isnan(values)]
    if known.size == 0:
        return TableOneRow(variable=variable, group=group, n=0, n_missing=values.size)
    low, middle, high = quantiles(known, kind=kind)
    return TableOneRow(
        variable=variable,
        group=group,
        n=known.size,
        n_missing=int(values.size - known.size),
        mean=float(known.mean()),
        sd=float(known.std(ddof=1)) if known.size > 1 else None,
        median=middle,
        quartile_low=low,
        quartile_high=high,
    )


def _numeric_differences(variable: str, groups: list[FloatArray]) -> list[TableOneDifference]:
    if len(groups) < 2:
        return []
    try:
        result = standardized_mean_difference(groups[0], groups[1])
    except StatisticsError as error:
        return [TableOneDifference(variable=variable, smd_pooled=None, smd_first=None, note=error.message)]
    values, note = {estimate.name: estimate.value for estimate in result.estimates}, "; ".join(result.notes)
    pooled, first = values[SMD_POOLED], values.get(SMD_FIRST)
    return [TableOneDifference(variable=variable, smd_pooled=pooled, smd_first=first, note=note)]


def _class_counts(column: Any, masks: list[BoolArray]) -> tuple[list[Any], list[IntArray], list[int]]:
    values = np.asarray(column, dtype=object)
    known = np.array([not (is_missing(entry) or entry == "") for entry in values], dtype=bool)
    classes = sorted(set(values[known].tolist()), key=lambda entry: (str(type(entry)), entry))
    counts, missing = [], []
    for mask in masks:
        present = values[mask & known].tolist()
        counts.append(np.array([present.count(entry) for entry in classes], dtype=np.int64))
        missing.append(int((mask & ~known).sum()))
    return classes, counts, missing


def _class_rows(
    variable: str, classes: list[Any], groups: list[Any], counts: list[IntArray], missing: list[int]
) -> list[TableOneRow]:
    rows = []
    for name, group_counts, n_missing in zip(groups, counts, missing, strict=True):
        n = int(group_counts.sum())
        rows += [
            TableOneRow(
                variable=variable,
                category=str(entry),
                group=name,
                n=n,
                n_missing=n_missing,
                count=int(count),
                percent=100 * int(count) / n if n else None,
            )
            for entry, count in zip(classes, group_counts, strict=True)
        ]
    return rows


def _class_differences(variable: str, counts: list[IntArray]) -> list[TableOneDifference]:
    if len(counts) < 2:
        return []
    try:
        pooled, first = categorical_difference(counts[0], counts[1])
    except StatisticsError as error:
        return [TableOneDifference(variable=variable, smd_pooled=None, smd_first=None, note=error.message)]
    note = "" if first is not None else "a class is empty in the first group: no difference in its SDs"
    return [TableOneDifference(variable=variable, smd_pooled=pooled, smd_first=first, note=note)]


def _notes(frame: Table, n_other: int) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    if n_other:
        notes += (f"{n_other} rows belong to none of the groups",)
    name = repeated_patients(frame)
    if name is not None:
        counts = read_labels(frame[name]).counts
        notes += (f"{counts.sum()} rows of {len(counts)} patients: the table describes rows",)
    return notes
