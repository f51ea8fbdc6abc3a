"""Rows that belong together: hips of one patient, lesions of one hip.

Two hips of one patient are not two independent observations. Every function of `volumetry.statistics`
that would treat them so takes ``cluster=``; this module holds what those functions share.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import UsageError

INDEPENDENT = "analysed as independent"


class ClusteredDataWarning(UserWarning):
    """Rows that share a patient were analysed as if they were independent."""


def is_missing(value: Any) -> bool:
    """Whether `value` is None, NaN or another of pandas' missing values."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:
        # pandas.NA cannot say whether it differs from itself.
        return True


def cluster_codes(labels: Iterable[Any]) -> NDArray[np.intp]:
    """Return cluster numbers from 0, in the order of first appearance.

    Raises
    ------
    UsageError
        `usage` if a label is missing: a row without a patient belongs to no cluster.
    """
    seen: dict[Any, int] = {}
    codes = []
    for row, label in enumerate(labels):
        if is_missing(label):
            raise UsageError(
                "usage",
                "a cluster label is missing",
                values={"row": row},
                todo="Give every row its patient, or leave the row out.",
            )
        codes.append(seen.setdefault(label, len(seen)))
    return np.asarray(codes, dtype=np.intp)


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
