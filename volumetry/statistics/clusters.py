"""Rows that belong together: hips of one patient, lesions of one hip.

Two hips of one patient are not two independent observations. Every function of `volumetry.statistics`
that would treat them so takes ``cluster=``; this module holds what those functions share.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from volumetry.errors import UsageError
from volumetry.statistics.rows import Labels, not_estimable, read_labels
from volumetry.statistics.types import BoolArray, Column, FloatArray, IntArray, Table

#: With a table and without ``cluster=``, a column is taken as the patient if its name consists of one of
#: these words, with or without words of the next list: "Pat. ID", "patient_id", "PatientID", "Subject No".
PATIENT_WORDS = frozenset(
    {
        "patient", "patients", "patienten", "pat", "subject", "subj", "participant", "person", "proband",
        "mrn", "pid",
    }
)  # fmt: skip
#: A column whose name consists of these alone numbers something: it is the patient if no name above is found.
NUMBER_WORDS = frozenset(
    {"id", "nr", "no", "num", "number", "nummer", "code", "key", "case", "fall", "record"}
)
#: With one of these in its name, a column may be the patient: "Hosp-Nr.", "nhs number", "Patient Name".
NAME_WORDS = frozenset(
    {"name", "names", "initials", "uid", "hosp", "hospital", "nhs", "ssn", "chart", "file"}
)
#: A column with one of these in its name numbers something else than patients, or counts.
OTHER_WORDS = frozenset(
    {
        "of", "hip", "lesion", "visit", "slice", "read", "reader", "session", "level", "site", "centre",
        "center", "surgeon", "operator", "post", "postal", "zip", "icd", "ops", "atc", "drug", "diagnosis",
        "procedure", "implant", "device", "lot", "batch", "item", "dose", "street", "city", "group", "arm",
    }
)  # fmt: skip
_IDENTIFIER = re.compile(r"[A-Za-z]{1,10}[-_ ./]?\d{2,}")
_FEWEST, _LARGEST_MEAN = 5, 4.0
"""A column of identifiers has so many values at least, and so many rows of each on average at most."""


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
        `NUMBER_WORDS`) in which a value comes twice is taken as proof that the rows are clustered; so is any
        other column of numbers or codes of which many values come a few times each ("Hosp-Nr.").
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
    return check_labels(labels, data, used, accounted, stacklevel + 1)


def check_labels(
    labels: Labels | None, data: Table | None, used: BoolArray | None, accounted: bool, stacklevel: int
) -> Clusters:
    """Do what `check_clusters` does, with labels that are read already."""
    if labels is not None and accounted:
        return Clusters(labels=labels, n_clusters=_count(labels, used)[0])
    name, found = "cluster", labels
    if found is None:
        repeated = repeated_patients(data, used)
        repeated = _repeated_identifiers(data, used) if repeated is None else repeated
        if data is None or repeated is None:
            return Clusters()
        name, found = f"column {repeated!r}", _numbered(data[repeated])
    n_clusters, n_rows = _count(found, used)
    if n_rows == n_clusters:
        return Clusters()
    note = (
        f"clustered data analysed as independent: {n_rows} rows of {n_clusters} clusters ({name}); "
        "intervals are too narrow and p values too small"
    )
    warnings.warn(note, ClusteredDataWarning, stacklevel=stacklevel)
    return Clusters(notes=(note,))


def account(found: Clusters, used: BoolArray) -> dict[str, Any]:
    """Return the fields of `volumetry.statistics.result.Used` for rows of which some are used."""
    sizes = {"n_used": int(used.sum()), "n_missing": int((~used).sum())}
    return {**sizes, "n_clusters": found.n_clusters, "notes": found.notes}


def _count(labels: Labels, used: BoolArray | None) -> tuple[int, int]:
    """Return the numbers of clusters and of rows that belong to one."""
    codes = labels.codes
    if used is not None:
        used = np.asarray(used)
        if used.shape != codes.shape or used.dtype != bool:
            raise UsageError("usage", "used= must say of each row whether it is used")
        codes = codes[used]
    counts = np.bincount(codes[codes >= 0])
    return int((counts > 0).sum()), int(counts.sum())


def cluster_sums(values: FloatArray, codes: IntArray) -> FloatArray:
    """Return the sum of the rows of `values` over each cluster that occurs, in the order of their codes."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    return np.add.reduceat(values[order], starts, axis=0)


def cluster_error(influence: FloatArray, codes: IntArray, of: str = "") -> tuple[float, int]:
    """Return the cluster-robust standard error of an estimate, with G / (G - 1), and the clusters G.

    `influence` is what each row adds to the error of the estimate; `of` says whose rows they are.
    """
    sums = cluster_sums(influence, codes)
    n = len(sums)
    if n < 2:
        raise not_estimable(f"there is one cluster only{of}; no error can be estimated from it", n_clusters=n)
    return math.sqrt(n / (n - 1) * float((sums**2).sum())), n


def patient_columns(names: Iterable[Any]) -> list[Any]:
    """Return the names that say patient; where none does, those that say that a column numbers something."""
    words = {name: _words(name) for name in names}
    known = PATIENT_WORDS | NUMBER_WORDS | NAME_WORDS
    named = [name for name, said in words.items() if said & PATIENT_WORDS and said <= known]
    return named or [name for name, said in words.items() if said and said <= NUMBER_WORDS]


def repeated_patients(data: Table | None, used: BoolArray | None = None) -> Any | None:
    """Return the column named like a patient in which a value comes twice among the rows used, or None."""
    for column in [] if data is None else patient_columns(data.columns):
        n_clusters, n_rows = _count(_numbered(data[column]), used)  # type: ignore[index]
        if n_clusters < n_rows:
            return column
    return None


def _numbered(column: Any) -> Labels:
    """Return labels that are only to be counted: in the order of their appearance, which takes no sorting."""
    return Labels(codes=pd.factorize(column)[0], levels=())


def _repeated_identifiers(data: Table | None, used: BoolArray | None) -> Any | None:
    """Return a column that repeats as a patient's number does, whatever it is called, or None.

    Its name says that it numbers or names something ("Hosp-Nr."), or its cells are codes ("P017"); it has
    many values, and a few rows of each.
    """
    for column in [] if data is None else data.columns:
        values = data[column]  # type: ignore[index]
        if getattr(values, "ndim", 1) != 1 or not (_says_number(_words(column)) or _holds_codes(values)):
            continue
        n_clusters, n_rows = _count(_numbered(values), used)
        if _FEWEST <= n_clusters < n_rows <= _LARGEST_MEAN * n_clusters:
            return column
    return None


def _says_number(words: set[str]) -> bool:
    joined = any(word.endswith(("nummer", "number")) for word in words)
    return not words & OTHER_WORDS and (joined or bool(words & (NUMBER_WORDS | NAME_WORDS)))


def _holds_codes(values: Any) -> bool:
    """Say whether the cells are codes of letters and a number, as far as the first of them show."""
    first = [value for value in values.iloc[:20] if isinstance(value, str)]
    return len(first) > 1 and all(_IDENTIFIER.fullmatch(value.strip()) for value in first)


def _words(name: Any) -> set[str]:
    """Return the words of a column's name in small letters: "Pat. ID", "patID" and "PATID" to pat and id."""
    words = {part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", str(name))}
    for joined in words - PATIENT_WORDS - NUMBER_WORDS:
        for person in PATIENT_WORDS:
            if joined.startswith(person) and joined.removeprefix(person) in NUMBER_WORDS:
                words = words - {joined} | {person, joined.removeprefix(person)}
    return words


def labelled_rows(cluster: Column | None, n_rows: int, data: Table | None = None) -> Labels | None:
    """Return the cluster of each row; None where none is given."""
    if cluster is None:
        return None
    labels = read_labels(cluster, data, name="cluster")
    if len(labels.codes) != n_rows:
        sizes = {"n_labels": len(labels.codes), "n_values": n_rows}
        raise UsageError("usage", "cluster= must have one label for every row", values=sizes)
    return labels
