"""The declared columns of every table that is written, and their checks.

The statistics read these tables and nothing else. ``docs/reference/tables.md`` is generated from here.
"""

from volumetry.tables.cells import cell_value, csv_cell, neutralised
from volumetry.tables.columns import Column, Kind, Row, Table
from volumetry.tables.declared import (
    CATEGORIES,
    CHANGES,
    HEIGHT_RULES,
    MEASUREMENTS,
    PLANES,
    SIDES,
    SLICES,
    STATUS,
    TABLES,
    THRESHOLD_CATEGORIES,
    WEIGHTINGS,
    YES_NO,
)
from volumetry.tables.reading import check_table, checked_rows, read_table, to_frame
from volumetry.tables.reference import table_reference
from volumetry.tables.writing import write_parquet, write_table

__all__ = [
    "CATEGORIES",
    "CHANGES",
    "HEIGHT_RULES",
    "MEASUREMENTS",
    "PLANES",
    "SIDES",
    "SLICES",
    "STATUS",
    "TABLES",
    "THRESHOLD_CATEGORIES",
    "WEIGHTINGS",
    "YES_NO",
    "Column",
    "Kind",
    "Row",
    "Table",
    "cell_value",
    "check_table",
    "checked_rows",
    "csv_cell",
    "neutralised",
    "read_table",
    "table_reference",
    "to_frame",
    "write_parquet",
    "write_table",
]
