"""Two groups of a table compared by a named test, with the patients' clusters in view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.clusters import has_repeats, independence_note, patient_columns
from volumetry.statistics.groups.clustered_proportions import compare_proportions
from volumetry.statistics.groups.ordered import proportional_odds
from volumetry.statistics.groups.rank_tests import mann_whitney_test
from volumetry.statistics.groups.t_tests import t_test
from volumetry.statistics.groups.two_by_two import METHODS, Primary
from volumetry.statistics.result import StatisticResult
from volumetry.statistics.rows import is_missing
from volumetry.statistics.types import BoolArray, ClusterPair

#: Columns by name: a DataFrame, or a dictionary of them.
TableLike = Mapping[str, Any]

TESTS = ("welch", "student", "mann-whitney", "proportional-odds", *METHODS)


@checked
def compare_groups(
    table: TableLike,
    value: str,
    *,
    group: str,
    levels: tuple[Any, Any],
    test: str = "welch",
    cluster: str | None = None,
    classes: Sequence[Any] | None = None,
    level: float = 0.95,
) -> StatisticResult:
    """Compare one column of a table between two groups.

    Parameters
    ----------
    table : DataFrame or mapping of columns
    value, group : str
        Columns of the outcome and of the group.
    levels : pair
        The two groups; differences and ratios are of the first against the second. Rows of other groups are
        counted in ``details["n_other_groups"]``, rows without a group as missing.
    test : str
        ``"welch"`` (default), ``"student"``, ``"mann-whitney"``, ``"proportional-odds"`` (with `classes`), or
        for 0/1 outcomes any `primary` of `two_by_two`.
    cluster : str, optional
        Column of the patient. Without it rows are taken as independent; if the table has a column named
        like a patient (``patient``, ``subject_id``) whose entries repeat, that is warned about
        (`ClusteredDataWarning`) and recorded.
    classes : sequence, optional
        Ordered classes for ``"proportional-odds"``.
    level : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        That of the named test; see its function.

    Raises
    ------
    UsageError
        `invalid-table` for a column that is not there, `usage` for an unknown test.
    StatisticsError
        `not-estimable` as the test says.
    """
    if test not in TESTS:
        raise UsageError("usage", f"test {test!r} is not known", todo=f"Choose one of: {', '.join(TESTS)}.")
    groups = column(table, group)
    values = column(table, value)
    first, second = (np.array([entry == name for entry in _plain(groups)], dtype=bool) for name in levels)
    n_groupless = sum(is_missing(entry) for entry in groups)
    labels = None if cluster is None else column(table, cluster)
    pair = None if labels is None else (labels[first], labels[second])
    notes = () if cluster is not None else _patient_notes(table, values, first | second, test)
    result = _run(test, values[first], values[second], pair, classes, level)
    n_other = len(groups) - n_groupless - int(first.sum() + second.sum())
    return replace(
        result,
        n_missing=result.n_missing + n_groupless,
        notes=(*result.notes, *notes),
        details={**result.details, "levels": list(levels), "value": value, "n_other_groups": n_other},
    )


def column(table: TableLike, name: str) -> NDArray[Any]:
    """Return a column of a table as an array of objects."""
    if name not in table:
        raise UsageError(
            "invalid-table",
            f"the table has no column {name!r}",
            todo=f"Its columns are: {', '.join(map(str, table.keys()))}.",
        )
    return np.asarray(table[name], dtype=object)


def patient_repeats(table: TableLike, kept: BoolArray, method: str) -> tuple[str, ...]:
    """Warn and return a note if a patient of the table repeats among the kept rows; else nothing."""
    name = patient_column(table)
    if name is None:
        return ()
    patients = [patient for patient, keep in zip(column(table, name), kept, strict=True) if keep]
    return independence_note([patient for patient in patients if not is_missing(patient)], method)


def patient_column(table: TableLike) -> str | None:
    """Return the column that by its name holds the patient, None where there is none."""
    named = patient_columns(table)
    repeated = [name for name in named if has_repeats(np.asarray(table[name], dtype=object))]
    return next(iter([*repeated, *named]), None)


def _plain(values: NDArray[Any]) -> list[Any]:
    return [None if is_missing(entry) else entry for entry in values]


def _patient_notes(
    table: TableLike, values: NDArray[Any], in_groups: BoolArray, test: str
) -> tuple[str, ...]:
    present = np.array([not is_missing(entry) for entry in values], dtype=bool)
    return patient_repeats(table, in_groups & present, test)


def _run(
    test: str,
    first: NDArray[Any],
    second: NDArray[Any],
    cluster: ClusterPair | None,
    classes: Sequence[Any] | None,
    level: float,
) -> StatisticResult:
    if test == "welch":
        return t_test(first, second, cluster=cluster, level=level)
    if test == "student":
        return t_test(first, second, variances="equal", cluster=cluster, level=level)
    if test == "mann-whitney":
        return mann_whitney_test(first, second, cluster=cluster, level=level)
    if test == "proportional-odds":
        if classes is None:
            raise UsageError("usage", "proportional-odds needs classes=", todo="Name them, lowest first.")
        return proportional_odds(first, second, classes=classes, cluster=cluster, level=level)
    return compare_proportions(first, second, primary=cast(Primary, test), cluster=cluster, level=level)
