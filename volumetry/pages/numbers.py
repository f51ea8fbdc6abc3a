"""Numbers on a page that say where they are from: table, row, column, or how they were counted.

The tags are ``data-`` attributes; a test walks all numbers of a report and works each out again.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from markupsafe import Markup

Stat = Literal["value", "count", "distinct", "median", "lower quartile", "upper quartile", "json"]

_DECIMALS = {"mm3": 1, "cm3": 2, "mm2": 1, "%": 1, "%/a": 1}
NO_VALUE = "-"


def shown(value: Any, unit: str = "") -> str:
    """Return a value for people: decimals by its unit, four significant digits without one.

    Examples
    --------
    >>> shown(5.6628453, "cm3"), shown(0.38933), shown(189), shown(None)
    ('5.66', '0.3893', '189', '-')
    """
    if value is None or value == "":
        return NO_VALUE
    if isinstance(value, float):
        if unit in _DECIMALS:
            return f"{value:.{_DECIMALS[unit]}f}"
        return f"{value:.0f}" if value == int(value) and abs(value) < 1e6 else f"{value:.4g}"
    return str(value)


def shown_p(value: float | None) -> str:
    """Return a p value as papers print it.

    Examples
    --------
    >>> shown_p(0.011082), shown_p(0.00002)
    ('0.0111', '<0.0001')
    """
    if value is None:
        return NO_VALUE
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"


@dataclass(frozen=True, kw_only=True)
class Linked:
    """A text on the page that links to where it is from.

    Attributes
    ----------
    text : str
    href : str
        Place on the page.
    table : str
        File that holds it.
    stat : str
        How it is worked out from the rows of the table that `where` picks; ``value``: the cell of `row`.
    column : str
        Of the table; of JSON, the keys with dots.
    row : int or None
        Line of the row in the file; the header is line 1.
    where : mapping
        Cells that a row must have to count.
    """

    text: str
    href: str
    table: str
    stat: Stat = "value"
    column: str = ""
    row: int | None = None
    where: Mapping[str, str] = field(default_factory=dict)

    def __html__(self) -> Markup:
        """Return the link; every text is escaped."""
        tags = {"table": self.table, "stat": self.stat, "column": self.column}
        if self.row is not None:
            tags["row"] = str(self.row)
        if self.where:
            tags["where"] = json.dumps(self.where, sort_keys=True)
        attributes = Markup(" ").join(Markup('data-{}="{}"').format(k, v) for k, v in tags.items() if v)
        return Markup('<a class="of" href="{}" {}>{}</a>').format(self.href, attributes, self.text)


def sentence(pattern: str, *parts: Any) -> Markup:
    """Return a sentence with its parts, each escaped or linked, in the place of ``{}``."""
    return Markup(pattern).format(*parts)


def joined(parts: Iterable[Any], comma: str = ", ", last: str = " and ") -> Markup:
    """Return parts as a list in words."""
    every = list(parts)
    before = Markup(comma).join(every[:-1])
    return Markup("{}{}{}").format(before, last if before else "", every[-1]) if every else Markup()


@dataclass(frozen=True, kw_only=True)
class Source:
    """Rows of one table, with their lines in the file and their place on the page.

    Attributes
    ----------
    table : str
        Name of the file.
    rows : sequence of mapping
        In the order of the file, the first on line 2.
    anchor : str
        Rows are at ``#<anchor><line>``, and the whole at ``#<anchor>``.
    units : mapping
        Of the columns.
    """

    table: str
    rows: Sequence[Mapping[str, Any]]
    anchor: str
    units: Mapping[str, str] = field(default_factory=dict)

    def lines(self) -> Iterable[tuple[int, Mapping[str, Any]]]:
        """Return every row with its line."""
        return enumerate(self.rows, start=2)

    def where(self, **cells: str) -> list[Mapping[str, Any]]:
        """Return the rows that have these cells, as text; empty stands for no value."""
        return [
            row for row in self.rows if all(_text(row.get(name)) == value for name, value in cells.items())
        ]

    def count(self, **cells: str) -> Linked:
        """Return the number of rows that have these cells."""
        return self._linked(str(len(self.where(**cells))), "count", "", cells)

    def distinct(self, *columns: str, **cells: str) -> Linked:
        """Return the number of different values of some columns together."""
        found = {tuple(_text(row.get(name)) for name in columns) for row in self.where(**cells)}
        return self._linked(str(len(found)), "distinct", " ".join(columns), cells)

    def of(self, stat: Stat, column: str, **cells: str) -> Linked:
        """Return the median or a quartile (inclusive method) of a column."""
        values = self.numbers(column, **cells)
        quartiles = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
        place = {"lower quartile": 0, "median": 1, "upper quartile": 2}[stat]
        return self._linked(shown(float(quartiles[place]), self.units.get(column, "")), stat, column, cells)

    def numbers(self, column: str, **cells: str) -> list[float]:
        """Return the values of a column that are there."""
        return [float(row[column]) for row in self.where(**cells) if row.get(column) not in (None, "")]

    def cell(self, line: int, column: str, text: str | None = None) -> Linked:
        """Return one cell, linked to its row."""
        value = self.rows[line - 2].get(column)
        return Linked(
            text=shown(value, self.units.get(column, "")) if text is None else text,
            href=f"#{self.anchor}{line}",
            table=self.table,
            column=column,
            row=line,
        )

    def _linked(self, text: str, stat: Stat, column: str, cells: Mapping[str, str]) -> Linked:
        return Linked(
            text=text, href=f"#{self.anchor}", table=self.table, stat=stat, column=column, where=cells
        )


def _text(value: Any) -> str:
    return "" if value is None else str(value)
