"""Rows that belong together: hips of one patient, lesions of one hip.

Two hips of one patient are not two independent observations. Every function of `volumetry.statistics`
that would treat them so takes ``cluster=``; this module holds what those functions share.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from volumetry.errors import UsageError
from volumetry.statistics.rows import Labels, column_values, one_column, read_labels, to_numbers
from volumetry.statistics.types import BoolArray, ClusterPair, Column, FloatArray, IntArray, Table

INDEPENDENT = "analysed as independent"

#: With a table and without ``cluster=``, a column is taken as the patient if its name consists of one of
#: these words, with or without words of the next list: "Pat. ID", "patient_id", "PatientID", "Subject No".
PATIENT_WORDS = frozenset(
    {"patient", "patients", "patienten", "pat", "subject", "subj", "participant", "person", "proband", "mrn"}
)
#: A column whose name consists of these alone numbers something: it is the patient if no name above is found.
NUMBER_WORDS = frozenset(
    {"id", "nr", "no", "num", "number", "nummer", "code", "key", "case", "fall", "record"}
)


class ClusteredDataWarning(UserWarning):
    """Rows that share a patient were analysed as if they were independent.

    Examples
    --------
    >>> issubclass(vs.ClusteredDataWarning, UserWarning)
    True
    """


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """What `check_clusters` found.

    Attributes
    ----------
    labels : Labels or None
        Cluster of each row of the whole table; None if rows are taken as independent.
    n_clusters : int or None
        Clusters among the rows used; None if rows are taken as independent.
    notes : tuple of str
        For `StatisticResult.notes`.
    """

    labels: Labels | None = None
    n_clusters: int | None = None
    notes: tuple[str, ...] = ()


def check_clusters(
    cluster: Column | None,
    data: Table | None = None,
    *,
    used: BoolArray | None = None,
    accounted: bool = True,
    stacklevel: int = 4,
) -> Clusters:
    """Read the clusters of a call, and warn if clustered rows are about to be taken as independent.

    Parameters
    ----------
    cluster : column or None
        The caller's ``cluster=``.
    data : DataFrame or None
        The caller's ``data=``. With no `cluster`, a column named like a patient (`PATIENT_WORDS`,
        `NUMBER_WORDS`) in which a value comes twice is taken as proof that the rows are clustered.
    used : (n,) array of bool, optional
        Rows that the analysis uses; all by default.
    accounted : bool
        False if the method cannot allow for clusters even when it is told about them.
    stacklevel : int
        As in `warnings.warn`, counted from here; 4 points to the caller of the calling function.

    Returns
    -------
    Clusters

    Warns
    -----
    ClusteredDataWarning
        If several rows of one cluster are used and the method takes them as independent.
    """
    labels = None if cluster is None else read_labels(cluster, data, name="cluster")
    if labels is not None and accounted:
        return Clusters(labels=labels, n_clusters=_count(labels, used)[0])
    if labels is not None:
        name, found = "cluster", labels
    else:
        repeated = repeated_patients(data, used)
        if repeated is None:
            return Clusters()
        name, found = f"column {repeated!r}", read_labels(data[repeated])  # type: ignore[index]
    n_clusters, n_rows = _count(found, used)
    if n_rows == n_clusters:
        return Clusters()
    note = (
        f"clustered data analysed as independent: {n_rows} rows of {n_clusters} clusters ({name}); "
        "intervals are too narrow and p values too small"
    )
    warnings.warn(note, ClusteredDataWarning, stacklevel=stacklevel)
    return Clusters(notes=(note,))


def _count(labels: Labels, used: BoolArray | None) -> tuple[int, int]:
    """Return the numbers of clusters and of rows that belong to one."""
    used = np.ones(len(labels.codes), dtype=bool) if used is None else np.asarray(used)
    if used.shape != labels.codes.shape or used.dtype != bool:
        raise UsageError("usage", "used= must say of each row whether it is used")
    codes = labels.codes[used]
    counts = np.bincount(codes[codes >= 0], minlength=1)
    return int((counts > 0).sum()), int(counts.sum())


def has_repeats(labels: Iterable[Any]) -> bool:
    """Whether any label occurs more than once, so that the rows are not independent."""
    codes = cluster_codes(labels)
    codes = codes[codes >= 0]
    return bool(codes.size and codes.size > codes.max() + 1)


def cluster_codes(labels: Iterable[Any]) -> IntArray:
    """Return cluster numbers from 0, in the order of first appearance; -1 where a label is missing."""
    if not (isinstance(labels, np.ndarray) and labels.dtype.kind in "iu"):
        entries = list(labels)
        labels = np.empty(len(entries), dtype=object)
        labels[:] = entries
    return np.asarray(pd.factorize(labels)[0], dtype=np.intp)


def independence_note(labels: Iterable[Any] | None, method: str) -> tuple[str, ...]:
    """Warn, and return the note for the result, if `method` ignores that `labels` repeat.

    Parameters
    ----------
    labels : sequence or None
        The cluster (patient) of every row used; None where nothing is known about clusters.
    method : str
        Name of the method, for the warning.

    Returns
    -------
    tuple of str
        Empty where the rows are independent as far as is known.
    """
    codes = np.empty(0, dtype=np.intp) if labels is None else cluster_codes(labels)
    codes = codes[codes >= 0]
    if not has_repeats(codes):
        return ()
    n_clusters = int(codes.max()) + 1
    note = f"{codes.size} rows of {n_clusters} clusters {INDEPENDENT}; p values and intervals are too small"
    warnings.warn(f"{method}: {note}", ClusteredDataWarning, stacklevel=5)
    return (note,)


def cluster_sums(contributions: FloatArray, codes: IntArray) -> FloatArray:
    """Sum the rows' contributions within each cluster; shape (clusters,) or (clusters, k)."""
    n_clusters = int(codes.max()) + 1
    total = np.zeros((n_clusters, *contributions.shape[1:]))
    np.add.at(total, codes, contributions)
    return total


def patient_columns(names: Iterable[Any]) -> list[Any]:
    """Return the names that say patient; where none does, those that say that a column numbers something."""
    words = {name: _words(name) for name in names}
    named = [name for name, said in words.items() if said and said <= PATIENT_WORDS | NUMBER_WORDS]
    return [name for name in named if words[name] & PATIENT_WORDS] or named


def repeated_patients(data: Table | None, used: BoolArray | None = None) -> Any | None:
    """Return the column named like a patient in which a value comes twice among the rows used, or None."""
    for column in [] if data is None else patient_columns(data.columns):
        labels = read_labels(data[column])  # type: ignore[index]
        n_clusters, n_rows = _count(labels, used)
        if n_clusters < n_rows:
            return column
    return None


def _words(name: Any) -> set[str]:
    """Return the words of a column's name in small letters: "Pat. ID", "patID" and "PATID" to pat and id."""
    words = {part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", str(name))}
    for joined in words - PATIENT_WORDS - NUMBER_WORDS:
        for person in PATIENT_WORDS:
            if joined.startswith(person) and joined.removeprefix(person) in NUMBER_WORDS:
                words = words - {joined} | {person, joined.removeprefix(person)}
    return words


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Values without the missing ones.

    Attributes
    ----------
    values : ndarray of float
    clusters : ndarray of int or None
        Cluster number of each value; None where no cluster was given.
    n_missing : int
        How many values, or labels of clusters, were missing: these rows were left out.
    """

    values: FloatArray
    clusters: IntArray | None = None
    n_missing: int = 0

    @classmethod
    def of(
        cls,
        numbers: FloatArray,
        clusters: IntArray | None = None,
        kept: BoolArray | None = None,
    ) -> Sample:
        """Return the sample of the rows kept; without `kept`, of those that are not NaN."""
        kept = ~np.isnan(numbers) if kept is None else kept
        return cls(
            values=numbers[kept],
            clusters=None if clusters is None else clusters[kept],
            n_missing=int((~kept).sum()),
        )

    @property
    def size(self) -> int:
        """Number of values."""
        return int(self.values.size)


def labelled_rows(
    cluster: Column | None, n_rows: int, *, data: Table | None = None, each: str = "every row"
) -> tuple[IntArray | None, BoolArray]:
    """Return the cluster numbers of all rows, and which rows have one; every row where none are given."""
    if cluster is None:
        return None, np.ones(n_rows, dtype=bool)
    codes = cluster_codes(_labels_of(cluster, data))
    if codes.size != n_rows:
        raise UsageError(
            "usage",
            f"cluster= must have one label for {each}",
            values={"n_labels": codes.size, "n_values": n_rows},
        )
    return codes, codes >= 0


def clean_sample(values: Column, name: str = "values", *, data: Table | None = None) -> Sample:
    """Drop and count missing values."""
    numbers = to_numbers(column_values(values, data, name), name)
    kept = ~np.isnan(numbers)
    return Sample(values=numbers[kept], n_missing=int((~kept).sum()))


def split_groups(
    first: Column,
    second: Column | None,
    *,
    data: Table | None = None,
    group: Column | None = None,
    levels: Sequence[Any] | None = None,
    cluster: Column | ClusterPair | None = None,
) -> tuple[Any, Any, ClusterPair | None]:
    """Return the values of two groups, and their clusters, from any of the ways to give them.

    Either `first` and `second` are the two groups, and `cluster` is a pair; or `first` is the column of all
    rows, `group` says which group each is in, and `cluster` is a column, too.
    """
    if group is None:
        if second is None:
            raise UsageError("usage", "the second group is not given", todo="Give second=, or group=.")
        pair = cluster if isinstance(cluster, tuple) else None
        if cluster is not None and (pair is None or len(pair) != 2):
            raise UsageError(
                "usage",
                "cluster= of two samples is a pair",
                todo="Pass cluster=(labels of the first sample, labels of the second).",
            )
        if pair is not None:
            pair = (_labels_of(pair[0], data), _labels_of(pair[1], data))
        return column_values(first, data, "first"), column_values(second, data, "second"), pair
    if second is not None:
        raise UsageError("usage", "both second= and group= are given", todo="Give one of them.")
    values = one_column(column_values(first, data, "first"), "first").to_numpy(dtype=object)
    groups = read_labels(group, data, name="group")
    if len(groups.codes) != len(values):
        raise UsageError(
            "usage", "the columns differ in length", values={"rows": (len(values), len(groups.codes))}
        )
    named = list(groups.without_empty().levels if levels is None else levels)
    if len(named) != 2 or any(name not in groups.levels for name in named):
        raise UsageError(
            "usage",
            "group= must have two groups",
            values={"groups": ", ".join(map(str, groups.levels))},
            todo="Name the two to compare in levels=, the first one first.",
        )
    inside = [groups.codes == groups.levels.index(name) for name in named]
    codes, _ = labelled_rows(cluster, len(values), data=data)
    missing = np.array([None], dtype=object)
    labels = None if codes is None else np.where(codes < 0, missing, codes.astype(object))
    pair = None if labels is None else (labels[inside[0]], labels[inside[1]])
    return values[inside[0]], values[inside[1]], pair


def _labels_of(part: Any, data: Table | None) -> Any:
    """Return labels by their column's name, or as they are; a text without a table is one a character."""
    if isinstance(part, str):
        return list(part) if data is None else column_values(part, data, "cluster")
    return one_column(part, "cluster")


def clean_two_samples(
    first: Column,
    second: Column | None,
    cluster: Column | ClusterPair | None,
    *,
    data: Table | None = None,
    group: Column | None = None,
    levels: Sequence[Any] | None = None,
) -> tuple[Sample, Sample]:
    """Drop and count missing values in both samples; clusters are numbered across both."""
    one, two, pair = split_groups(first, second, data=data, group=group, levels=levels, cluster=cluster)
    numbers = (to_numbers(one, "first"), to_numbers(two, "second"))
    if pair is None:
        return Sample.of(numbers[0]), Sample.of(numbers[1])
    sizes = tuple(len(part) for part in pair)
    if sizes != (numbers[0].size, numbers[1].size):
        raise UsageError(
            "usage",
            "cluster= must have one label for every value",
            values={"n_labels": sizes, "n_values": (numbers[0].size, numbers[1].size)},
        )
    codes = cluster_codes([*pair[0], *pair[1]])
    kept = (codes >= 0) & ~np.isnan(np.concatenate(numbers))
    # Numbered anew, so that the numbers run from 0 among the rows kept.
    codes[kept] = cluster_codes(codes[kept])
    n = numbers[0].size
    return Sample.of(numbers[0], codes[:n], kept[:n]), Sample.of(numbers[1], codes[n:], kept[n:])


def clean_pairs(
    first: Column, second: Column, cluster: Column | None = None, *, data: Table | None = None
) -> tuple[FloatArray, FloatArray, IntArray | None, int]:
    """Return both columns without rows that miss a value or a cluster, the clusters, and the rows lost."""
    one = to_numbers(column_values(first, data, "first"), "first")
    two = to_numbers(column_values(second, data, "second"), "second")
    if one.size != two.size:
        raise UsageError(
            "invalid-table",
            "paired columns differ in length",
            values={"n_first": one.size, "n_second": two.size},
            todo="Give one value per pair and visit; leave missing ones empty.",
        )
    codes, kept = labelled_rows(cluster, one.size, data=data, each="each of the pairs")
    kept = kept & ~(np.isnan(one) | np.isnan(two))
    return one[kept], two[kept], None if codes is None else cluster_codes(codes[kept]), int((~kept).sum())
