"""``docs/reference/tables.md`` from the declarations."""

from __future__ import annotations

from volumetry.tables.declared import TABLES


def table_reference() -> str:
    """Return ``docs/reference/tables.md``.

    Examples
    --------
    >>> from volumetry.tables import table_reference
    >>> table_reference().splitlines()[0]
    '# Tables'
    """
    lines = [
        "# Tables",
        "",
        "Generated from `volumetry/tables/declared.py` by `python docs/make_reference.py`; do not edit.",
        "",
        "CSV, UTF-8, one header line. Empty cells are unknown or not applicable. Text cells that a",
        "spreadsheet would take for a formula begin with an apostrophe; numbers never do.",
    ]
    for table in TABLES:
        lines += [
            "",
            f"## {table.name}.csv",
            "",
            table.what,
            "",
            "| column | type | unit | may be empty | holds |",
        ]
        lines.append("|---|---|---|---|---|")
        for column in table.columns:
            values = f" One of {', '.join(f'`{a}`' for a in column.allowed)}." if column.allowed else ""
            lines.append(
                f"| `{column.name}` | {column.kind} | {column.unit} | "
                f"{'yes' if column.nullable else 'no'} | {column.what}{values} |"
            )
    return "\n".join(lines) + "\n"
