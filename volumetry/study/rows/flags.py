"""The flags of a row of a table: one text, its flags parted by semicolons."""

from __future__ import annotations

from volumetry.tables import Row


def flags_of(row: Row) -> tuple[str, ...]:
    """Return the flags of a row.

    >>> flags_of({"flags": "lossy;split-series"}), flags_of({"flags": None})
    (('lossy', 'split-series'), ())
    """
    return tuple(filter(None, (row.get("flags") or "").split(";")))


def with_flags(row: Row, *flags: str) -> Row:
    """Return a row with more flags behind its own, each of them once.

    >>> with_flags({"flags": "lossy"}, "duplicate-file", "lossy")
    {'flags': 'lossy;duplicate-file'}
    """
    return row | {"flags": ";".join(dict.fromkeys((*flags_of(row), *flags)))}
