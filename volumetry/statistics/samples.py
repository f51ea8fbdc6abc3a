"""Samples as the tests want them: finite numbers, missing values counted, clusters alongside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volumetry.errors import StatisticsError, UsageError
from volumetry.statistics.clusters import cluster_codes, is_missing

Alternative = Literal["two-sided", "less", "greater"]
ClusterPair = tuple[Sequence[Any] | NDArray[Any], Sequence[Any] | NDArray[Any]]

# Squares of what is larger would leave the range of floats.
_LARGEST = 1e100


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Values without the missing ones.

    Attributes
    ----------
    values : ndarray of float
    clusters : ndarray of int or None
        Cluster number of each value; None where no cluster was given.
    n_missing : int
        How many values were missing and left out.
    """

    values: NDArray[np.float64]
    clusters: NDArray[np.intp] | None = None
    n_missing: int = 0

    @property
    def size(self) -> int:
        """Number of values."""
        return int(self.values.size)


def not_estimable(what: str, *, todo: str = "", **values: Any) -> StatisticsError:
    """Return the error that says why the data do not determine the statistic."""
    return StatisticsError("not-estimable", what, values=values, todo=todo)


def to_numbers(values: ArrayLike | Sequence[Any], name: str = "values") -> NDArray[np.float64]:
    """Return `values` as a float array in which every kind of missing value is NaN.

    Raises
    ------
    UsageError
        `invalid-table` for text that is no number, for infinity (or beyond 1e100), and for more than one
        dimension.
    """
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.array([_number(value, name) for value in np.asarray(values, dtype=object).ravel()])
    if numbers.ndim != 1:
        raise UsageError("invalid-table", f"{name} must be one column", values={"dimensions": numbers.ndim})
    if np.isinf(numbers).any():
        raise UsageError("invalid-table", f"{name} holds infinity", todo="Leave such cells empty.")
    if (np.abs(numbers) > _LARGEST).any():
        raise UsageError(
            "invalid-table", f"{name} holds a number beyond {_LARGEST:g}, which is no measurement"
        )
    return numbers


def clean_sample(
    values: ArrayLike | Sequence[Any],
    cluster: Sequence[Any] | NDArray[Any] | None = None,
    name: str = "values",
) -> Sample:
    """Drop and count missing values; number the clusters of what remains."""
    numbers = to_numbers(values, name)
    kept = ~np.isnan(numbers)
    clusters = _kept_codes(cluster, kept, name)
    return Sample(values=numbers[kept], clusters=clusters, n_missing=int((~kept).sum()))


def clean_two_samples(
    first: ArrayLike | Sequence[Any], second: ArrayLike | Sequence[Any], cluster: ClusterPair | None
) -> tuple[Sample, Sample]:
    """Drop and count missing values in both samples; clusters are numbered across both."""
    one, two = to_numbers(first, "first"), to_numbers(second, "second")
    kept = ~np.isnan(np.concatenate([one, two]))
    n_first = int(kept[: one.size].sum())
    codes = None
    if cluster is not None:
        labels = _two_label_lists(cluster, one.size, two.size)
        codes = cluster_codes([label for label, keep in zip(labels, kept, strict=True) if keep])
    samples = []
    for numbers, part in ((one, slice(None, n_first)), (two, slice(n_first, None))):
        finite = numbers[~np.isnan(numbers)]
        clusters = None if codes is None else codes[part]
        samples.append(Sample(values=finite, clusters=clusters, n_missing=numbers.size - finite.size))
    return samples[0], samples[1]


def clean_pairs(
    first: ArrayLike | Sequence[Any],
    second: ArrayLike | Sequence[Any],
    cluster: Sequence[Any] | NDArray[Any] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp] | None, int]:
    """Return both columns without the rows in which either is missing, the clusters, and the rows lost.

    Raises
    ------
    UsageError
        `invalid-table` if the columns differ in length.
    """
    one, two = to_numbers(first, "first"), to_numbers(second, "second")
    if one.size != two.size:
        raise UsageError(
            "invalid-table",
            "paired columns differ in length",
            values={"n_first": one.size, "n_second": two.size},
            todo="Give one value per pair and visit; leave missing ones empty.",
        )
    kept = ~(np.isnan(one) | np.isnan(two))
    clusters = _kept_codes(cluster, kept, "pairs")
    return one[kept], two[kept], clusters, int((~kept).sum())


def check_level(level: float) -> None:
    """Refuse a confidence level outside (0, 1)."""
    if not 0 < level < 1:
        raise UsageError("usage", "the confidence level lies between 0 and 1", values={"level": level})


def check_alternative(alternative: str) -> None:
    """Refuse an unknown alternative."""
    check_choice("alternative", alternative, ("two-sided", "less", "greater"))


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a value that is not among the choices, and list them."""
    if value not in choices:
        raise UsageError(
            "usage", f"{name} {value!r} is not known", todo=f"Choose one of: {', '.join(map(str, choices))}."
        )


def _number(value: Any, name: str) -> float:
    if is_missing(value) or value == "":
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UsageError("invalid-table", f"{name} holds {value!r}, which is no number") from None


def kept_labels(
    cluster: Sequence[Any] | NDArray[Any] | None, kept: NDArray[np.bool_], name: str
) -> list[Any] | None:
    """Return the cluster labels of the kept rows, None where there are no labels.

    Raises
    ------
    UsageError
        `usage` if there is not one label for each row.
    """
    if cluster is None:
        return None
    labels = list(cluster)
    if len(labels) != kept.size:
        raise UsageError(
            "usage",
            f"cluster= must have one label for each of the {name}",
            values={"n_labels": len(labels), "n_values": kept.size},
        )
    return [label for label, keep in zip(labels, kept, strict=True) if keep]


def _two_label_lists(cluster: ClusterPair, n_first: int, n_second: int) -> list[Any]:
    if not isinstance(cluster, tuple) or len(cluster) != 2:
        raise UsageError(
            "usage",
            "cluster= of two samples is a pair",
            todo="Pass cluster=(labels of the first sample, labels of the second).",
        )
    labels = [list(part) for part in cluster]
    if [len(part) for part in labels] != [n_first, n_second]:
        raise UsageError(
            "usage",
            "cluster= must have one label for every value",
            values={"n_labels": [len(part) for part in labels], "n_values": [n_first, n_second]},
        )
    return labels[0] + labels[1]


def _kept_codes(
    cluster: Sequence[Any] | NDArray[Any] | None, kept: NDArray[np.bool_], name: str
) -> NDArray[np.intp] | None:
    labels = kept_labels(cluster, kept, name)
    return None if labels is None else cluster_codes(labels)
