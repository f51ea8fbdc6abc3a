"""Tables of any size: Pearson, likelihood ratio, and the exact test of Freeman and Halton."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from scipy import optimize, stats
from scipy.special import gammaln

from volumetry.statistics.arguments import checked
from volumetry.statistics.clusters import cluster_sums
from volumetry.statistics.groups.exact_tables import TooManyTablesError, freeman_halton_p
from volumetry.statistics.groups.two_by_two import count_table, likelihood_ratio_statistic, pearson_statistic
from volumetry.statistics.result import Estimate, StatisticResult, Used
from volumetry.statistics.rows import column_values, not_estimable
from volumetry.statistics.samples import Samples, positions, read_pairs
from volumetry.statistics.types import Column, IntArray, Table

TablePrimary = Literal["pearson", "likelihood-ratio", "exact"]

EXACT = "Fisher's exact test (Freeman-Halton)"
_METHODS = {
    "pearson": "Pearson's chi-squared test",
    "likelihood-ratio": "Likelihood-ratio chi-squared test",
    "exact": EXACT,
}
_MONTE_CARLO_TABLES = 100_000
_NAMES = ("groups", "classes")


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
        try:
            p_values["exact"] = freeman_halton_p(counts, max_steps)
        except TooManyTablesError:
            p_values["exact"] = _sampled_p(counts, seed)
            method = f"{EXACT}, Monte Carlo with {_MONTE_CARLO_TABLES} tables"
            notes += (
                f"too many tables to count: p is from {_MONTE_CARLO_TABLES} random tables, seed {seed}",
            )
    least = float(np.outer(counts.sum(1), counts.sum(0)).min() / n)
    if primary != "exact" and least < 5:
        notes += (f"the least expected count is {least:.2f}, below 5: prefer the exact test",)
    return Used(n_used=n).result(
        method,
        estimates=(_cramers_v(statistics["pearson"], counts, level),),
        statistic=statistics.get(primary),
        df=float(df) if primary in statistics else None,
        p_value=p_values[primary],
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
    both = [column_values(part, data, name) for part, name in zip((groups, classes), _NAMES, strict=True)]
    readers = positions(group_levels), positions(class_levels)
    rows = read_pairs(both[0], both[1], None, names=_NAMES, readers=readers)
    return count_levels(rows, len(group_levels), len(class_levels)), rows.n_missing


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
    readers = positions(group_levels), positions(class_levels)
    rows = read_pairs(groups, classes, cluster, data=data, names=_NAMES, readers=readers)
    counts = count_levels(rows, len(group_levels), len(class_levels))
    plain = contingency_test(counts, primary=primary, level=level)
    details = {**plain.details, "group_levels": list(group_levels), "class_levels": list(class_levels)}
    known = replace(plain, n_missing=rows.n_missing, details=details, notes=(*plain.notes, *rows.notes))
    if rows.repeats is None:
        return known
    statistic, df = _cluster_wald(counts, rows.first.astype(int), rows.second.astype(int), rows.repeats)
    return replace(
        known,
        method="Wald test of equal shares, cluster-robust",
        statistic=statistic,
        df=float(df),
        p_value=float(stats.chi2.sf(statistic, df)),
        correction="clusters / (clusters - 1)",
        n_clusters=rows.n_clusters,
        notes=(*known.notes, "the interval of Cramér's V takes rows as independent"),
        details={**details, "p_value_as_independent": plain.p_value},
    )


def count_levels(rows: Samples, n_rows: int, n_columns: int) -> IntArray:
    """Return the table that pairs of positions make."""
    counts = np.zeros((n_rows, n_columns), dtype=np.int64)
    np.add.at(counts, (rows.first.astype(int), rows.second.astype(int)), 1)
    return counts


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


def _cluster_wald(counts: IntArray, rows: IntArray, columns: IntArray, codes: IntArray) -> tuple[float, int]:
    used_rows, used_columns = np.flatnonzero(counts.sum(1)), np.flatnonzero(counts.sum(0))
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    reference, last = used_rows[0], used_columns[:-1]
    influence = ((columns[:, None] == last) - shares[rows][:, last]) / counts.sum(1)[rows][:, None]
    signs = [(rows == row).astype(float) - (rows == reference) for row in used_rows[1:]]
    difference = np.concatenate([shares[row, last] - shares[reference, last] for row in used_rows[1:]])
    sums = cluster_sums(np.column_stack([influence * sign[:, None] for sign in signs]), codes)
    n_clusters = len(sums)
    covariance = sums.T @ sums * n_clusters / max(n_clusters - 1, 1)
    if n_clusters < 2 or np.linalg.matrix_rank(covariance) < difference.size:
        raise not_estimable(
            "there are too few clusters, or too little variation within them, for a cluster-robust test",
            n_clusters=n_clusters,
        )
    return float(difference @ np.linalg.solve(covariance, difference)), difference.size
