"""What a table and a column declare."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

Row = dict[str, Any]
Kind = Literal["text", "integer", "number", "date"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One declared column.

    Attributes
    ----------
    name : str
    kind : {"text", "integer", "number", "date"}
    what : str
        One sentence on what it holds.
    unit : str
        Empty for text and counts.
    nullable : bool
        Whether a cell may be empty.
    allowed : tuple of str
        The only values a text cell may have; empty: any.
    since : str
        Version of this program that writes the column first; tables of older versions lack it.

    Examples
    --------
    >>> from volumetry.tables import MEASUREMENTS
    >>> column = next(c for c in MEASUREMENTS.columns if c.name == "volume_mm3")
    >>> column.kind, column.unit, column.nullable
    ('number', 'mm3', True)
    """

    name: str
    kind: Kind
    what: str
    unit: str = ""
    nullable: bool = True
    allowed: tuple[str, ...] = ()
    since: str = "0.1"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A declared table: its columns in order, and the columns that name a row.

    Examples
    --------
    >>> from volumetry.tables import CHANGES
    >>> CHANGES.name, CHANGES.key
    ('changes', ('site', 'patient', 'side', 'lesion', 'reader', 'followup_visit'))
    """

    name: str
    what: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def first_names(self) -> tuple[str, ...]:
        """Names of the columns that every version has written."""
        return tuple(column.name for column in self.columns if column.since == "0.1")
