"""Covariates as the columns of a model matrix: numbers as they are, factors as indicators, products."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from volumetry.errors import UsageError
from volumetry.statistics.rows import (
    Labels,
    column_values,
    is_categorical,
    not_estimable,
    read_labels,
    read_numbers,
)
from volumetry.statistics.types import BoolArray, Column, FloatArray, IntArray, Table

#: What ``covariates=`` takes: names of columns of ``data`` (``"a:b"`` is the product of two), a mapping
#: of names to values, a DataFrame, or an (n, p) array.
Covariates = str | Iterable[Any] | Mapping[str, Any]

#: A direction in which the columns vary less than this share of their length is no direction.
_RANK_TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Design:
    """A model matrix.

    Attributes
    ----------
    values : (n, p) array
    names : tuple of str
        Name of each column; ``"aetiology[steroid]"`` for the indicator of a factor's level.
    terms : tuple of str
        The covariate that each column belongs to.
    """

    values: FloatArray
    names: tuple[str, ...]
    terms: tuple[str, ...]

    def with_intercept(self) -> Design:
        """Return the design with a leading column of ones."""
        ones = np.ones((len(self.values), 1))
        return Design(
            values=np.hstack([ones, self.values]),
            names=("intercept", *self.names),
            terms=("intercept", *self.terms),
        )


@dataclass(frozen=True, kw_only=True)
class CovariateSet:
    """Covariates as read, before rows are left out: factors are expanded afterwards, by levels in use."""

    columns: tuple[tuple[str, FloatArray | Labels], ...]
    terms: tuple[str, ...]

    @property
    def values(self) -> tuple[FloatArray | Labels, ...]:
        """The columns, for `complete_rows`."""
        return tuple(values for _, values in self.columns)

    def design(self, rows: BoolArray | IntArray, *, all_levels: bool = False) -> Design:
        """Return the model matrix of some rows.

        Parameters
        ----------
        rows : (n,) array of bool or of indices
        all_levels : bool
            An indicator for every level of a factor, not only for those after the first.
        """
        known = {
            name: _expand(name, values.take(rows) if isinstance(values, Labels) else values[rows], all_levels)
            for name, values in self.columns
        }
        n_rows = int(rows.sum()) if rows.dtype == bool else len(rows)
        parts: list[FloatArray] = [np.empty((n_rows, 0))]
        names: list[str] = []
        terms: list[str] = []
        for term in self.terms:
            factors = [term] if term in known else term.split(":")
            part, part_names = _product([known[factor] for factor in factors])
            parts.append(part)
            names += part_names
            terms += [term] * len(part_names)
        return Design(values=np.hstack(parts), names=tuple(names), terms=tuple(terms))


def read_covariates(covariates: Covariates, data: Table | None = None, *, least: int = 0) -> CovariateSet:
    """Read covariates in any of the forms of `Covariates`."""
    named = _named(covariates, data)
    if len(named) < least:
        raise UsageError("usage", "the model needs a covariate", values={"covariates": len(named)})
    columns: dict[str, FloatArray | Labels] = {}
    for term, column in named.items():
        parts = {term: column} if column is not None else dict.fromkeys(term.split(":"))
        for name, values in parts.items():
            source = column_values(name, data, "a covariate") if values is None else values
            read = read_labels if is_categorical(source) else read_numbers
            columns.setdefault(name, read(source, name=name))
    return CovariateSet(columns=tuple(columns.items()), terms=tuple(named))


def require_full_rank(design: Design, *, centred: bool) -> None:
    """Refuse a design in which a column says nothing that the ones before it do not say.

    Parameters
    ----------
    design : Design
    centred : bool
        True for models whose baseline absorbs a constant (Cox), so that a constant column says nothing.
    """
    values = design.values - design.values.mean(axis=0) if centred else design.values
    redundant = [design.names[j] for j in _redundant_columns(values, design.values)]
    if redundant:
        raise not_estimable(
            f"{', '.join(redundant)} is constant or follows from the other covariates",
            rows=len(values),
            columns=values.shape[1],
            todo="Leave it out, or merge levels.",
        )


def _redundant_columns(values: FloatArray, raw: FloatArray) -> list[int]:
    """Return columns that add no rank, from a Gram-Schmidt sweep over the correlation-scaled columns."""
    scale = np.sqrt((values**2).sum(axis=0))
    floor = 1e-12 * np.sqrt((raw**2).sum(axis=0))
    constant = scale <= np.maximum(floor, 1e-300)
    unit = values / np.where(constant, 1.0, scale)
    basis = np.empty((len(values), 0))
    redundant = []
    for j in range(values.shape[1]):
        rest = unit[:, j]
        for _ in range(2):  # twice is enough against rounding
            rest = rest - basis @ (basis.T @ rest)
        length = float(np.sqrt(rest @ rest))
        if constant[j] or length < _RANK_TOLERANCE:
            redundant.append(j)
        else:
            basis = np.column_stack([basis, rest / length])
    return redundant


def _named(covariates: Covariates, data: Table | None) -> dict[str, Column | None]:
    """Return covariates by name; None for the value of one that `data` has."""
    if isinstance(covariates, str):
        return {covariates: None}
    if isinstance(covariates, pd.DataFrame):
        return {str(name): covariates[name] for name in covariates.columns}
    if isinstance(covariates, pd.Series):
        return {str(covariates.name or "x"): covariates}
    if isinstance(covariates, Mapping):
        return {name: None if isinstance(value, str) else value for name, value in covariates.items()}
    if isinstance(covariates, Iterable) and not isinstance(covariates, np.ndarray):
        items = list(covariates)
        if all(isinstance(item, str) for item in items):
            return dict.fromkeys(items)
        if any(isinstance(item, str) for item in items) or len({np.shape(item) for item in items}) > 1:
            raise UsageError("usage", "covariates are neither names nor columns of one length")
    array = np.asarray(covariates)
    if array.ndim == 1:
        return {"x": array}
    if array.ndim != 2:
        raise UsageError("usage", "covariates are neither names nor columns")
    if data is not None and len(array) != len(data):
        raise UsageError("usage", "covariates and data differ in length")
    return {f"x{j + 1}": array[:, j] for j in range(array.shape[1])}


def _expand(name: str, values: FloatArray | Labels, all_levels: bool) -> tuple[FloatArray, list[str]]:
    if not isinstance(values, Labels):
        return values[:, None], [name]
    used = values.without_empty()
    first = 0 if all_levels else 1
    levels = used.levels[first:]
    indicators = used.codes[:, None] == np.arange(first, len(used.levels))
    if not levels:  # a factor with one level is a constant; the rank check names it
        return np.zeros((len(used.codes), 1)), [name]
    return indicators.astype(np.float64), [f"{name}[{level}]" for level in levels]


def _product(parts: list[tuple[FloatArray, list[str]]]) -> tuple[FloatArray, list[str]]:
    values, names = parts[0]
    for more, more_names in parts[1:]:
        values = (values[:, None, :] * more[:, :, None]).reshape(len(values), -1)
        names = [f"{a}:{b}" for b in more_names for a in names]
    return values, names
