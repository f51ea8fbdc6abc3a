"""Samples as the tests of groups and of pairs read them: values without gaps, each with its cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from volumetry.errors import UsageError
from volumetry.statistics.clusters import account, check_labels, labelled_rows
from volumetry.statistics.result import Used
from volumetry.statistics.rows import Labels, column_values, is_missing, one_column, read_labels, read_numbers
from volumetry.statistics.types import ClusterPair, Column, FloatArray, IntArray, Table


@dataclass(frozen=True, kw_only=True)
class Samples(Used):
    """Two groups of values, or pairs of them, without what is missing.

    Attributes
    ----------
    first, second : arrays
    codes : array of int or None
        Cluster of each pair; of two groups, of each value of the first and then of the second. None where no
        cluster was given.
    """

    first: FloatArray
    second: FloatArray
    codes: IntArray | None

    @property
    def repeats(self) -> IntArray | None:
        """The clusters where one has several rows; None where rows are independent."""
        return self.codes if self.codes is not None and self.n_clusters != self.codes.size else None

    @property
    def sizes(self) -> dict[str, Any]:
        """Number of values in each."""
        return {"n_first": self.first.size, "n_second": self.second.size}


#: How the values of a column become numbers: values and the column's name in, NaN for what is missing.
Reader = Callable[[Any, str], FloatArray]


def numbers(values: Any, name: str) -> FloatArray:
    """Read numbers."""
    return read_numbers(values, name=name)


def positions(levels: Sequence[Any], among: str = "its levels") -> Reader:
    """Return the reader of labels, whose number is the position among `levels`."""
    order = {level: number for number, level in enumerate(levels)}

    def read(values: Any, name: str) -> FloatArray:
        present = [None if is_missing(value) else value for value in one_column(values, name)]
        unknown = sorted({str(value) for value in present if value is not None and value not in order})
        if unknown:
            raise UsageError(
                "invalid-table",
                f"{name} holds what is not among {among}",
                values={"found": ", ".join(unknown[:5]), among.split()[-1]: ", ".join(map(str, levels))},
            )
        return np.array([np.nan if value is None else order[value] for value in present], dtype=np.float64)

    return read


def read_samples(
    first: Column,
    second: Column | None,
    cluster: Column | ClusterPair | None,
    *,
    data: Table | None = None,
    group: Column | None = None,
    levels: Sequence[Any] | None = None,
    reader: Reader = numbers,
    accounted: bool = True,
) -> Samples:
    """Read two groups, and their clusters, from any of the ways to give them.

    Either `first` and `second` are the two groups, and `cluster` is a pair; or `first` is the column of all
    rows, `group` says which group each is in, and `cluster` is a column, too.
    """
    parts, labels, rows = (
        _two_columns(first, second, cluster, data)
        if group is None
        else _split_column(first, second, group, levels, cluster, data)
    )
    read = [reader(values, name) for values, name in parts]
    both = np.concatenate(read)
    kept = ~np.isnan(both) if labels is None else ~np.isnan(both) & (labels.codes >= 0)
    used = None if labels is None else kept
    if labels is None and rows is not None and data is not None:
        used = np.isin(np.arange(len(data)), rows[kept])
    n_first = int(kept[: read[0].size].sum())
    return Samples(
        first=both[kept][:n_first],
        second=both[kept][n_first:],
        codes=None if labels is None else labels.codes[kept],
        **account(check_labels(labels, data, used, accounted, 5), kept),
    )


Part = tuple[Any, str]


def _two_columns(
    first: Column, second: Column | None, cluster: Column | ClusterPair | None, data: Table | None
) -> tuple[list[Part], Labels | None, IntArray | None]:
    """Return both columns with their names, and the clusters of all their rows."""
    if second is None:
        raise UsageError("usage", "the second group is not given", todo="Give second=, or group=.")
    parts = [_named(first, data, "first"), _named(second, data, "second")]
    if cluster is None:
        return parts, None, None
    if not isinstance(cluster, tuple) or len(cluster) != 2:
        raise UsageError(
            "usage",
            "cluster= of two samples is a pair",
            todo="Pass cluster=(labels of the first sample, labels of the second).",
        )
    labels = [one_column(column_values(part, data, "cluster"), "cluster").tolist() for part in cluster]
    sizes = [tuple(map(len, labels)), tuple(len(values) for values, _ in parts)]
    if sizes[0] != sizes[1]:
        values = {"n_labels": sizes[0], "n_values": sizes[1]}
        raise UsageError("usage", "cluster= must have one label for every row", values=values)
    return parts, read_labels([*labels[0], *labels[1]], name="cluster"), None


def _split_column(
    first: Column,
    second: Column | None,
    group: Column,
    levels: Sequence[Any] | None,
    cluster: Column | None,
    data: Table | None,
) -> tuple[list[Part], Labels | None, IntArray | None]:
    """Return the rows of two groups of a column, their clusters, and their places in it."""
    if second is not None:
        raise UsageError("usage", "both second= and group= are given", todo="Give one of them.")
    values, name = _named(first, data, "first")
    groups = read_labels(group, data, name="group")
    if len(groups.codes) != len(values):
        sizes = (len(values), len(groups.codes))
        raise UsageError("usage", "the columns differ in length", values={"rows": sizes})
    named = list(groups.without_empty().levels if levels is None else levels)
    if len(named) != 2 or any(level not in groups.levels for level in named):
        raise UsageError(
            "usage",
            "group= must have two groups",
            values={"groups": ", ".join(map(str, groups.levels))},
            todo="Name the two to compare in levels=, the first one first.",
        )
    rows = [np.flatnonzero(groups.codes == groups.levels.index(level)) for level in named]
    labels, both = labelled_rows(cluster, len(values), data), np.concatenate(rows)
    return [(values.iloc[part], name) for part in rows], None if labels is None else labels.take(both), both


def _named(column: Column, data: Table | None, name: str) -> tuple[Any, str]:
    return one_column(column_values(column, data, name), name), column if isinstance(column, str) else name


def read_pairs(
    first: Column,
    second: Column,
    cluster: Column | None,
    *,
    data: Table | None = None,
    names: tuple[str, str] = ("first", "second"),
    readers: tuple[Reader, Reader] = (numbers, numbers),
    accounted: bool = True,
) -> Samples:
    """Read two columns row by row; rows that miss a value or a cluster are left out."""
    one, two = (
        read(*_named(column, data, name))
        for column, name, read in zip((first, second), names, readers, strict=True)
    )
    if one.size != two.size:
        raise UsageError(
            "invalid-table",
            "paired columns differ in length",
            values={f"n_{names[0]}": one.size, f"n_{names[1]}": two.size},
            todo="Give one value per pair and visit; leave missing ones empty.",
        )
    labels = labelled_rows(cluster, one.size, data)
    kept = ~np.isnan(one) & ~np.isnan(two)
    if labels is not None:
        kept &= labels.codes >= 0
    used = kept if labels is not None or (data is not None and len(data) == kept.size) else None
    return Samples(
        first=one[kept],
        second=two[kept],
        codes=None if labels is None else labels.codes[kept],
        **account(check_labels(labels, data, used, accounted, 5), kept),
    )


@dataclass(frozen=True, kw_only=True)
class Block(Used):
    """Repeated measurements: a row of values for each subject.

    Attributes
    ----------
    values : (n, k) array
        Of the rows used.
    """

    values: FloatArray


def read_block(
    columns: Any,
    cluster: Column | None,
    data: Table | None,
    *,
    name: str,
    shape: str,
    least: int | None = None,
) -> Block:
    """Read names of columns of `data`, or rows of values; rows that miss one are left out.

    With `least`, those that have fewer values than that; the others keep NaN where one is missing.
    """
    columns = list(columns) if isinstance(columns, Iterable) and not hasattr(columns, "ndim") else columns
    if data is not None and isinstance(columns, list) and columns and isinstance(columns[0], str):
        table = np.column_stack([read_numbers(column, data, name=name) for column in columns])
    else:
        table = np.asarray(columns, dtype=object)
        if table.ndim != 2:
            raise UsageError("usage", f"{name} have {shape}", todo="Or name the columns of data=.")
        table = read_numbers(table.ravel(), name=name).reshape(table.shape)
    labels = labelled_rows(cluster, len(table), data)
    used = (~np.isnan(table)).sum(axis=1) >= (table.shape[1] if least is None else least)
    if labels is not None:
        used &= labels.codes >= 0
    return Block(values=table[used], **account(check_labels(labels, data, used, False, 5), used))
