"""Tables of any size: Pearson, likelihood ratio, and the exact test of Freeman and Halton."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from scipy import optimize, stats
from scipy.special import gammaln

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.clusters import (
    check_clusters,
    cluster_codes,
    cluster_sums,
    has_repeats,
    labelled_rows,
)
from volumetry.statistics.groups.exact_tables import TooManyTablesError, freeman_halton_p
from volumetry.statistics.groups.two_by_two import count_table, likelihood_ratio_statistic, pearson_statistic
from volumetry.statistics.result import Estimate, StatisticResult
from volumetry.statistics.rows import column_values, is_missing, not_estimable, one_column
from volumetry.statistics.types import Column, IntArray, Table

TablePrimary = Literal["pearson", "likelihood-ratio", "exact"]

EXACT = "Fisher's exact test (Freeman-Halton)"
_METHODS = {
    "pearson": "Pearson's chi-squared test",
    "likelihood-ratio": "Likelihood-ratio chi-squared test",
    "exact": EXACT,
}
_MONTE_CARLO_TABLES = 100_000


@checked
def contingency_test(
    table: Column,
    *,
    primary: TablePrimary = "pearson",
    level: float = 0.95,
    max_steps: int = 60_000_000,
    seed: int = 0,
) -> StatisticResult:
    """Test whether rows and columns of a table of counts are independent.

    Parameters
    ----------
    table : array_like of int, shape (r, c)
        Rows are groups, columns are classes. Empty rows and columns are left out, with a note.
    primary : {'pearson', 'likelihood-ratio', 'exact'}
        Which p value is *the* p value. The exact one is computed only where it is asked for.
    level : float
        Confidence level of Cramér's V (from the noncentral chi-squared distribution).
    max_steps : int
        Work allowed for the exact test. Beyond it 100,000 tables are drawn at random, and the method's
        name says so.
    seed : int
        Of that draw.

    Returns
    -------
    StatisticResult
        ``details["p_values"]`` and ``details["statistics"]`` by name; ``details["table"]``.

    Raises
    ------
    StatisticsError
        `not-estimable` if fewer than two rows or columns have counts.
    """
    counts, notes = _without_empty(count_table(table))
    n = int(counts.sum())
    df = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    statistics = {
        "pearson": pearson_statistic(counts),
        "likelihood-ratio": likelihood_ratio_statistic(counts),
    }
    p_values = {name: float(stats.chi2.sf(value, df)) for name, value in statistics.items()}
    method = _METHODS[primary]
    if primary == "exact":
        p_values["exact"], sampled = _exact_p(counts, max_steps, seed)
        if sampled:
            method = f"{EXACT}, Monte Carlo with {_MONTE_CARLO_TABLES} tables"
            notes += (
                f"too many tables to count: p is from {_MONTE_CARLO_TABLES} random tables, seed {seed}",
            )
    least = float(np.outer(counts.sum(1), counts.sum(0)).min() / n)
    if primary != "exact" and least < 5:
        notes += (f"the least expected count is {least:.2f}, below 5: prefer the exact test",)
    return StatisticResult(
        method=method,
        estimates=(_cramers_v(statistics["pearson"], counts, level),),
        statistic=statistics.get(primary),
        df=float(df) if primary in statistics else None,
        p_value=p_values[primary],
        alternative="two-sided",
        n_used=n,
        notes=notes,
        details={
            "p_values": p_values,
            "statistics": statistics,
            "primary": primary,
            "table": counts.tolist(),
            "expected_minimum": least,
        },
    )


@checked
def cross_tabulate(
    groups: Column,
    classes: Column,
    *,
    group_levels: Sequence[Any],
    class_levels: Sequence[Any],
    data: Table | None = None,
) -> tuple[IntArray, int]:
    """Count classes by group; return the table and the number of rows missing either.

    Raises
    ------
    UsageError
        `invalid-table` for a value that is not among the levels.
    """
    rows, columns, _, n_missing = level_numbers(groups, classes, group_levels, class_levels, data=data)
    return count_levels(rows, columns, len(group_levels), len(class_levels)), n_missing


@checked
def compare_classes(
    groups: Column,
    classes: Column,
    *,
    group_levels: Sequence[Any],
    class_levels: Sequence[Any],
    primary: TablePrimary = "pearson",
    data: Table | None = None,
    cluster: Column | None = None,
    level: float = 0.95,
) -> StatisticResult:
    """Compare the shares of classes between groups, row by row, so that clusters can be heeded.

    Parameters
    ----------
    groups, classes : column
        Group and class of each row; missing ones are left out and counted.
    group_levels, class_levels : sequence
        What may occur, in the order of the table.
    primary : {'pearson', 'likelihood-ratio', 'exact'}
        As in `contingency_test`; used where rows are independent.
    cluster : column, optional
        Patient of each row. Where patients repeat the test is a Wald test of equal shares with a
        cluster-robust covariance, and ``details["p_value_as_independent"]`` keeps the other p value.
    data, level : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
    """
    rows, columns, codes, n_missing = level_numbers(
        groups, classes, group_levels, class_levels, data=data, cluster=cluster
    )
    warned = check_clusters(cluster, data).notes if cluster is None else ()
    counts = count_levels(rows, columns, len(group_levels), len(class_levels))
    plain = contingency_test(counts, primary=primary, level=level)
    details = {**plain.details, "group_levels": list(group_levels), "class_levels": list(class_levels)}
    if codes is None or not has_repeats(codes):
        return replace(plain, n_missing=n_missing, details=details, notes=(*plain.notes, *warned))
    statistic, df, n_clusters = _cluster_wald(counts, rows, columns, cluster_codes(codes))
    details["p_value_as_independent"] = plain.p_value
    return StatisticResult(
        method="Wald test of equal shares, cluster-robust",
        estimates=plain.estimates,
        statistic=statistic,
        df=float(df),
        p_value=float(stats.chi2.sf(statistic, df)),
        alternative="two-sided",
        correction="clusters / (clusters - 1)",
        n_used=plain.n_used,
        n_missing=n_missing,
        n_clusters=n_clusters,
        notes=(*plain.notes, "the interval of Cramér's V takes rows as independent"),
        details=details,
    )


def count_levels(rows: IntArray, columns: IntArray, n_rows: int, n_columns: int) -> IntArray:
    """Return the table that numbered rows and columns make."""
    counts = np.zeros((n_rows, n_columns), dtype=np.int64)
    np.add.at(counts, (rows, columns), 1)
    return counts


def level_numbers(
    groups: Column,
    classes: Column,
    group_levels: Sequence[Any],
    class_levels: Sequence[Any],
    *,
    data: Table | None = None,
    cluster: Column | None = None,
) -> tuple[IntArray, IntArray, IntArray | None, int]:
    """Return group and class of each complete row as numbers, its cluster, and how many were left out."""
    given = {
        name: one_column(column_values(column, data, name), name).to_numpy(dtype=object)
        for name, column in (("group", groups), ("class", classes))
    }
    sizes = [len(values) for values in given.values()]
    if sizes[0] != sizes[1]:
        raise UsageError(
            "invalid-table",
            "groups and classes differ in length",
            values={"n_groups": sizes[0], "n_classes": sizes[1]},
        )
    codes, kept = labelled_rows(cluster, sizes[0], data=data)
    kept = kept & np.array(
        [not (is_missing(g) or is_missing(c)) for g, c in zip(*given.values(), strict=True)], bool
    )
    numbered = [
        number_levels(values[kept], levels, name)
        for (name, values), levels in zip(given.items(), (group_levels, class_levels), strict=True)
    ]
    return numbered[0], numbered[1], None if codes is None else codes[kept], int((~kept).sum())


def number_levels(
    values: Iterable[Any], levels: Sequence[Any], name: str, *, among: str = "its levels"
) -> IntArray:
    """Return the position of each value among the levels."""
    order = {level: number for number, level in enumerate(levels)}
    present = list(values)
    unknown = sorted({str(value) for value in present if value not in order})
    if unknown:
        raise UsageError(
            "invalid-table",
            f"a {name} is not among {among}",
            values={"found": ", ".join(unknown[:5]), among.split()[-1]: ", ".join(map(str, levels))},
        )
    return np.array([order[value] for value in present], dtype=np.intp)


def _without_empty(counts: IntArray) -> tuple[IntArray, tuple[str, ...]]:
    kept = counts[counts.sum(1) > 0][:, counts.sum(0) > 0]
    if min(kept.shape) < 2:
        raise not_estimable(
            "fewer than two rows or columns of the table have counts",
            n_rows=kept.shape[0],
            n_columns=kept.shape[1],
        )
    if kept.shape == counts.shape:
        return kept, ()
    return kept, ("empty rows or columns were left out of the table",)


def _exact_p(counts: IntArray, max_steps: int, seed: int) -> tuple[float, bool]:
    try:
        return freeman_halton_p(counts, max_steps), False
    except TooManyTablesError:
        return _sampled_p(counts, seed), True


def _sampled_p(counts: IntArray, seed: int) -> float:
    tables = stats.random_table(counts.sum(1), counts.sum(0))
    limit = -gammaln(counts + 1).sum() + 1e-7
    generator = np.random.default_rng(seed)
    hits = 0
    for _ in range(10):
        drawn = tables.rvs(size=_MONTE_CARLO_TABLES // 10, random_state=generator)
        hits += int((-gammaln(drawn + 1).sum(axis=(1, 2)) <= limit).sum())
    return (hits + 1) / (_MONTE_CARLO_TABLES + 1)


def _cramers_v(chi_squared: float, counts: IntArray, level: float) -> Estimate:
    n = int(counts.sum())
    scale = n * (min(counts.shape) - 1)
    df = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    tail = (1 - level) / 2
    low, high = (_noncentrality(chi_squared, df, p) for p in (1 - tail, tail))
    return Estimate(
        name="Cramér's V",
        value=math.sqrt(chi_squared / scale),
        ci_low=math.sqrt(low / scale),
        ci_high=min(1.0, math.sqrt(high / scale)),
        level=level,
    )


def _noncentrality(chi_squared: float, df: int, probability: float) -> float:
    """Return the noncentrality under which `chi_squared` is the quantile of `probability`; 0 if none."""
    if stats.chi2.cdf(chi_squared, df) <= probability:
        return 0.0
    highest = chi_squared + 10 * math.sqrt(chi_squared + df) + 50
    root = optimize.brentq(lambda nc: stats.ncx2.cdf(chi_squared, df, nc) - probability, 1e-12, highest)
    return float(root)


def _cluster_wald(
    counts: IntArray, rows: IntArray, columns: IntArray, codes: IntArray
) -> tuple[float, int, int]:
    used_rows, used_columns = np.flatnonzero(counts.sum(1)), np.flatnonzero(counts.sum(0))
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    reference, last = used_rows[0], used_columns[:-1]
    influence = ((columns[:, None] == last) - shares[rows][:, last]) / counts.sum(1)[rows][:, None]
    differences, contributions = [], []
    for row in used_rows[1:]:
        differences.append(shares[row, last] - shares[reference, last])
        sign = (rows == row).astype(float) - (rows == reference)
        contributions.append(influence * sign[:, None])
    difference = np.concatenate(differences)
    sums = cluster_sums(np.concatenate(contributions, axis=1), codes)
    n_clusters = len(sums)
    covariance = sums.T @ sums * n_clusters / (n_clusters - 1) if n_clusters > 1 else np.zeros((1, 1))
    if np.linalg.matrix_rank(covariance) < difference.size:
        raise not_estimable(
            "there are too few clusters, or too little variation within them, for a cluster-robust test",
            n_clusters=n_clusters,
        )
    statistic = float(difference @ np.linalg.solve(covariance, difference))
    return statistic, difference.size, n_clusters
