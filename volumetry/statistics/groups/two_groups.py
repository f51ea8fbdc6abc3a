"""Two groups of a table compared by a named test, with the patients' clusters in view."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.clusters import check_clusters
from volumetry.statistics.groups.clustered_proportions import compare_proportions
from volumetry.statistics.groups.ordered import proportional_odds
from volumetry.statistics.groups.rank_tests import mann_whitney_test
from volumetry.statistics.groups.t_tests import t_test
from volumetry.statistics.groups.two_by_two import METHODS, Primary
from volumetry.statistics.result import StatisticResult
from volumetry.statistics.rows import as_frame, column_values, is_missing
from volumetry.statistics.types import ClusterPair

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
    """
    if test not in TESTS:
        raise UsageError("usage", f"test {test!r} is not known", todo=f"Choose one of: {', '.join(TESTS)}.")
    if test == "proportional-odds" and classes is None:
        raise UsageError("usage", "proportional-odds needs classes=", todo="Name them, lowest first.")
    frame = as_frame(table)
    values, groups = (column_values(name, frame, what) for name, what in ((value, "value"), (group, "group")))
    plain = [None if is_missing(entry) else entry for entry in groups]
    first, second = (np.array([entry == name for entry in plain], dtype=bool) for name in levels)
    pair: ClusterPair | None = None
    notes: tuple[str, ...] = ()
    if cluster is None:
        notes = check_clusters(None, frame, used=(first | second) & values.notna().to_numpy()).notes
    else:
        labels = column_values(cluster, frame, "cluster")
        pair = (labels[first], labels[second])
    runs: dict[str, Callable[..., StatisticResult]] = {
        "welch": t_test,
        "student": partial(t_test, variances="equal"),
        "mann-whitney": mann_whitney_test,
        "proportional-odds": partial(proportional_odds, classes=classes or ()),
    }
    run = runs.get(test, partial(compare_proportions, primary=cast(Primary, test)))
    result = run(values[first], values[second], cluster=pair, level=level)
    n_groupless = int(groups.isna().sum())
    n_other = len(groups) - n_groupless - int(first.sum() + second.sum())
    return replace(
        result,
        n_missing=result.n_missing + n_groupless,
        notes=(*result.notes, *notes),
        details={**result.details, "levels": list(levels), "value": value, "n_other_groups": n_other},
    )
