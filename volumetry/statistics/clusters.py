"""Rows that belong together: hips of one patient, lesions of one hip.

Two hips of one patient are not two independent observations. Every function of `volumetry.statistics`
that would treat them so takes ``cluster=``; this module holds what those functions share.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.statistics.rows import BoolArray, Column, Labels, Table, cluster_codes, read_labels

INDEPENDENT = "analysed as independent"

#: Columns taken as the patient, in any case, when a table is given and ``cluster=`` is not.
PATIENT_COLUMNS = ("patient", "patient_id", "patientid", "subject", "subject_id")


class ClusteredDataWarning(UserWarning):
    """Rows that share a patient were analysed as if they were independent."""


def has_repeats(labels: Sequence[Any] | NDArray[Any]) -> bool:
    """Whether any label occurs more than once, so that the rows are not independent."""
    codes = cluster_codes(labels)
    return bool(codes.size and codes.size > codes.max() + 1)


def independence_note(labels: Sequence[Any] | NDArray[Any] | None, method: str) -> tuple[str, ...]:
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
    if labels is None or not has_repeats(labels):
        return ()
    codes = cluster_codes(labels)
    n_clusters = int(codes.max()) + 1
    note = f"{codes.size} rows of {n_clusters} clusters {INDEPENDENT}; p values and intervals are too small"
    warnings.warn(f"{method}: {note}", ClusteredDataWarning, stacklevel=4)
    return (note,)


def cluster_sums(contributions: NDArray[np.float64], codes: NDArray[np.intp]) -> NDArray[np.float64]:
    """Sum the rows' contributions within each cluster; shape (clusters,) or (clusters, k)."""
    n_clusters = int(codes.max()) + 1
    total = np.zeros((n_clusters, *contributions.shape[1:]))
    np.add.at(total, codes, contributions)
    return total


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
    stacklevel: int = 3,
) -> Clusters:
    """Read the clusters of a call, and warn if clustered rows are about to be taken as independent.

    Parameters
    ----------
    cluster : column or None
        The caller's ``cluster=``.
    data : DataFrame or None
        The caller's ``data=``. With no `cluster`, a column named like one of `PATIENT_COLUMNS` in which
        a value comes twice is taken as proof that the rows are clustered.
    used : (n,) array of bool, optional
        Rows that the analysis uses; all by default.
    accounted : bool
        False if the method cannot allow for clusters even when it is told about them.
    stacklevel : int
        As in `warnings.warn`, counted from here; 3 points to the caller of the calling function.

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
    name, found = ("cluster", labels) if labels is not None else _patients(data)
    if found is None:
        return Clusters()
    n_clusters, n_rows = _count(found, used)
    if n_rows == n_clusters:
        return Clusters()
    note = (
        f"clustered data analysed as independent: {n_rows} rows of {n_clusters} clusters ({name}); "
        "intervals are too narrow and p values too small"
    )
    warnings.warn(note, ClusteredDataWarning, stacklevel=stacklevel)
    return Clusters(notes=(note,))


def _patients(data: Table | None) -> tuple[str, Labels | None]:
    if data is None:
        return "", None
    for column in data.columns:
        if str(column).lower() in PATIENT_COLUMNS:
            return f"column {column!r}", read_labels(data[column])
    return "", None


def _count(labels: Labels, used: BoolArray | None) -> tuple[int, int]:
    """Return the numbers of clusters and of rows that belong to one."""
    codes = labels.codes if used is None else labels.codes[used]
    counts = np.bincount(codes[codes >= 0], minlength=1)
    return int((counts > 0).sum()), int(counts.sum())
