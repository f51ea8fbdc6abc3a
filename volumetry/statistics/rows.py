"""Rows as the statistics read them: columns of a table or bare arrays, finite numbers, complete rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from volumetry.errors import StatisticsError, UsageError
from volumetry.statistics.types import BoolArray, Column, FloatArray, IntArray, Table

# Fourth powers of what is larger would leave the range of floats.
LARGEST = 1e60


def is_missing(value: Any) -> bool:
    """Whether `value` is None, NaN or another of pandas' missing values."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:
        # pandas.NA cannot say whether it differs from itself.
        return True


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Values that name things (groups, strata, patients), as whole numbers and what they stand for.

    Attributes
    ----------
    codes : (n,) array of int
        Position in `levels` of each row's label; -1 where it is missing.
    levels : tuple
        The labels, in the order of a categorical column, else sorted.
    """

    codes: IntArray
    levels: tuple[Any, ...]

    def take(self, rows: BoolArray | IntArray) -> Labels:
        """Return the labels of some rows; levels stay as they are."""
        return Labels(codes=self.codes[rows], levels=self.levels)

    @property
    def counts(self) -> IntArray:
        """Rows of each level."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.levels)).astype(np.int64)

    def without_empty(self) -> Labels:
        """Return the same labels without the levels that no row has."""
        used = self.counts > 0
        new = np.append(np.cumsum(used) - 1, -1)
        levels = tuple(level for level, keep in zip(self.levels, used, strict=True) if keep)
        return Labels(codes=new[self.codes].astype(np.int64), levels=levels)


def column_values(column: Column, data: Table | None, name: str) -> Any:
    """Return the values of `column`: looked up in `data` if it is a name, else as they are."""
    if not isinstance(column, str):
        return column
    if data is None:
        raise UsageError("usage", f"{name} is the column name {column!r} without a table", todo="Give data=.")
    if not isinstance(data, pd.DataFrame):
        raise UsageError("usage", "data= must be a DataFrame", values={"given": type(data).__name__})
    if column not in data.columns:
        known = ", ".join(map(str, data.columns))
        raise UsageError(
            "invalid-table", f"there is no column {column!r} for {name}", todo=f"Columns: {known}."
        )
    return data[column]


def as_frame(table: Any) -> Table:
    """Return a table that may be a dictionary of columns as a DataFrame."""
    if isinstance(table, pd.DataFrame):
        return table
    try:
        return pd.DataFrame(dict(table))
    except (ValueError, TypeError) as error:
        raise UsageError("invalid-table", f"the columns make no table: {error}") from None


def one_column(values: Any, name: str) -> pd.Series[Any]:
    """Return values as a series."""
    if isinstance(values, pd.Series):
        return values
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise UsageError("invalid-table", f"{name} is a single value and no column", values={"value": values})
    entries = values if isinstance(values, np.ndarray | pd.api.extensions.ExtensionArray) else list(values)
    dimensions = getattr(entries, "ndim", 1)
    if dimensions != 1:
        raise UsageError("invalid-table", f"{name} must be one column", values={"dimensions": dimensions})
    return pd.Series(entries, dtype=object if len(entries) == 0 else None)


def read_numbers(column: Column, data: Table | None = None, *, name: str = "values") -> FloatArray:
    """Return a column as floats, missing (None, NaN, empty text) as NaN."""
    label = column if isinstance(column, str) else name
    series = one_column(column_values(column, data, name), label)
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biuf":
        numbers = series.to_numpy(dtype=np.float64)
    else:
        numbers = np.array([_number(value, label) for value in series], dtype=np.float64)
    return _require_finite(np.ascontiguousarray(numbers), label)


def read_labels(column: Column, data: Table | None = None, *, name: str = "labels") -> Labels:
    """Return a column as `Labels`. The order of a categorical column is kept; others are sorted."""
    values = column_values(column, data, name)
    series = one_column(values, column if isinstance(column, str) else name)
    if isinstance(series.dtype, pd.CategoricalDtype):
        positions: IntArray = np.asarray(series.cat.codes, dtype=np.int64)
        return Labels(codes=positions, levels=_plain_levels(series.cat.categories))
    try:
        codes, levels = pd.factorize(series, sort=True)
    except TypeError:  # mixed types have no order; their first appearance has
        codes, levels = pd.factorize(series)
    return Labels(codes=codes.astype(np.int64), levels=_plain_levels(levels))


def is_categorical(values: Any) -> bool:
    """Say whether a column holds labels (text, categories) rather than numbers."""
    dtype = values.dtype if hasattr(values, "dtype") else np.asarray(values).dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return True
    if not (pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype)):
        return False
    return any(isinstance(value, str) for value in values)


def complete_rows(*columns: FloatArray | Labels | None) -> BoolArray:
    """Return which rows are missing nothing; None among the columns is skipped."""
    present = [column for column in columns if column is not None]
    sizes = {len(column.codes) if isinstance(column, Labels) else len(column) for column in present}
    if len(sizes) > 1:
        raise UsageError("usage", "the columns differ in length", values={"rows": tuple(sorted(sizes))})
    kept = np.ones(sizes.pop() if sizes else 0, dtype=bool)
    for column in present:
        if isinstance(column, Labels):
            kept &= column.codes >= 0
        else:
            known = ~np.isnan(column)
            kept &= known if known.ndim == 1 else known.all(axis=1)
    if not kept.any():
        raise not_estimable("no row is complete", rows=len(kept), todo="Look at what is missing.")
    return kept


def _plain_levels(levels: Any) -> tuple[Any, ...]:
    """Return Python values, 1 for 1.0: whole numbers with a missing value among them come as floats."""
    values = levels.tolist()
    if any(isinstance(value, float) for value in values[:1]):
        values = [int(v) if isinstance(v, float) and v.is_integer() else v for v in values]
    return tuple(values)


def sum_by(index: IntArray, values: FloatArray, size: int) -> FloatArray:
    """Return the sum of `values` at each index from 0 to `size` - 1."""
    return np.bincount(index, np.asarray(values, dtype=np.float64), size).astype(np.float64)


def present_values(index: IntArray) -> tuple[IntArray, IntArray]:
    """Return the values that occur in whole numbers from 0, and the position of each row's among them."""
    seen = np.bincount(index) > 0
    position = np.cumsum(seen) - 1
    return np.flatnonzero(seen).astype(np.int64), position[index].astype(np.int64)


def not_estimable(what: str, *, todo: str = "", **values: Any) -> StatisticsError:
    """Return the error that says why the data do not determine the statistic."""
    return StatisticsError("not-estimable", what, values=values, todo=todo)


def _require_finite(numbers: FloatArray, name: str) -> FloatArray:
    """Refuse infinity, and what is too large to be a measurement; NaN passes."""
    with np.errstate(invalid="ignore"):
        beyond = np.abs(numbers) > LARGEST
    if beyond.any():
        infinite = bool(np.isinf(numbers[beyond]).any())
        what = "infinity" if infinite else f"a number beyond {LARGEST:g}, which is no measurement"
        raise UsageError("invalid-table", f"{name} holds {what}", todo="Leave such cells empty.")
    return numbers


def check_counts(*, least: int = 0, **counts: int) -> None:
    """Refuse a count below `least`."""
    for name, count in counts.items():
        if count < least:
            raise UsageError("usage", f"{name} must be {least} or more", values={name: count})


def _number(value: Any, name: str) -> float:
    if is_missing(value) or value == "":
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UsageError("invalid-table", f"{name} holds {value!r}, which is not a number") from None
