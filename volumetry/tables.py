"""The declared columns of every table that is written, and their checks.

The statistics read these tables and nothing else. ``docs/reference/tables.md`` is generated from here.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from volumetry.atomic import atomic_output
from volumetry.errors import ReadError, UsageError

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]
Kind = Literal["text", "integer", "number", "date"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TRUE_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


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
    """

    name: str
    kind: Kind
    what: str
    unit: str = ""
    nullable: bool = True
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Table:
    """A declared table: its columns in order, and the columns that name a row."""

    name: str
    what: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)


STATUS = ("measured", "absent", "not_measurable", "not_traced", "failed")
THRESHOLD_CATEGORIES = ("increase", "no_change", "decrease", "new", "resolved", "absent")
CATEGORIES = (*THRESHOLD_CATEGORIES, "not_evaluable")
SIDES = ("L", "R")
HEIGHT_RULES = ("thickness", "spacing")

_PATIENT = Column(
    name="patient",
    kind="text",
    what="PatientID, pseudonym or folder name; the key that joins tables.",
    nullable=False,
)
_SIDE = Column(name="side", kind="text", what="Side in patient coordinates.", allowed=SIDES)
_LESION = Column(name="lesion", kind="text", what="Name of the lesion within the patient.")
_VISIT = Column(name="visit", kind="text", what="Name of the visit; the study date for DICOM studies.")
_READER = Column(name="reader", kind="text", what="Who traced.")
_READ = Column(
    name="read", kind="integer", what="Which read of this lesion and visit by this reader, from 1."
)
_HEIGHT_RULE = Column(
    name="height_rule", kind="text", what="Rule of the primary volume, as it was used.", allowed=HEIGHT_RULES
)
_FLAGS = Column(name="flags", kind="text", what="What is worth knowing about the number, separated by `;`.")

MEASUREMENTS = Table(
    name="measurements",
    what="A row per patient x side x lesion x visit x reader x read.",
    key=("patient", "side", "lesion", "visit", "reader", "read"),
    columns=(
        _PATIENT,
        _SIDE,
        _LESION,
        _VISIT,
        Column(name="visit_order", kind="integer", what="Rank of the visit within the patient, 0 the first."),
        Column(name="study_date", kind="date", what="Date of the scan."),
        _READER,
        _READ,
        Column(
            name="status",
            kind="text",
            what="Whether there is a number: absent is volume 0; the last three have none.",
            nullable=False,
            allowed=STATUS,
        ),
        Column(name="code", kind="text", what="Error code, why there is no number."),
        Column(name="message", kind="text", what="The same in words."),
        Column(name="volume_mm3", kind="number", unit="mm3", what="Primary volume, by `height_rule`."),
        Column(name="volume_cm3", kind="number", unit="cm3", what="Primary volume (1 cm3 = 1 mL)."),
        _HEIGHT_RULE,
        Column(name="volume_thickness_mm3", kind="number", unit="mm3", what="Sum of area x slice thickness."),
        Column(
            name="volume_spacing_mm3",
            kind="number",
            unit="mm3",
            what="Sum of area x distance between slice centres.",
        ),
        Column(name="n_slices", kind="integer", what="Number of slices with the lesion."),
        Column(name="max_area_mm2", kind="number", unit="mm2", what="Largest area on a slice."),
        Column(name="slice_thickness_mm", kind="number", unit="mm", what="Slice thickness as declared."),
        Column(
            name="slice_spacing_mm",
            kind="number",
            unit="mm",
            what="Distance between slice centres along the normal; empty where uneven.",
        ),
        Column(name="gap_mm", kind="number", unit="mm", what="Spacing minus thickness; negative: overlap."),
        Column(name="pixel_area_mm2", kind="number", unit="mm2", what="Area of a pixel."),
        Column(name="modality", kind="text", what="DICOM modality of the scan."),
        Column(name="series_uid", kind="text", what="SeriesInstanceUID of the scan."),
        Column(name="scan", kind="text", what="Scan, relative to the study folder."),
        Column(name="trace", kind="text", what="Traced file, relative to the study folder."),
        Column(name="scan_sha256", kind="text", what="SHA-256 over the scan's files."),
        Column(name="trace_sha256", kind="text", what="SHA-256 of the traced file."),
        _FLAGS,
        Column(name="volumetry_version", kind="text", what="Version of this program."),
    ),
)

SLICES = Table(
    name="slices",
    what="A row per traced slice.",
    key=("patient", "side", "lesion", "visit", "reader", "read", "slice_index"),
    columns=(
        _PATIENT,
        _SIDE,
        _LESION,
        _VISIT,
        _READER,
        _READ,
        Column(name="slice_index", kind="integer", what="Slice, from 0 along the normal.", nullable=False),
        Column(
            name="position_mm", kind="number", unit="mm", what="Position along the normal.", nullable=False
        ),
        Column(name="area_mm2", kind="number", unit="mm2", what="Area of the lesion.", nullable=False),
        Column(name="height_thickness_mm", kind="number", unit="mm", what="Height by the thickness rule."),
        Column(name="height_spacing_mm", kind="number", unit="mm", what="Height by the spacing rule."),
    ),
)

CHANGES = Table(
    name="changes",
    what="A row per lesion x follow-up visit.",
    key=("patient", "side", "lesion", "reader", "followup_visit"),
    columns=(
        _PATIENT,
        _SIDE,
        _LESION,
        _READER,
        Column(name="baseline_visit", kind="text", what="First visit of the patient."),
        Column(name="followup_visit", kind="text", what="The visit it is compared with."),
        Column(name="days", kind="integer", unit="d", what="Days between the two scans."),
        Column(name="baseline_volume_mm3", kind="number", unit="mm3", what="Primary volume at baseline."),
        Column(name="followup_volume_mm3", kind="number", unit="mm3", what="Primary volume at follow-up."),
        Column(name="change_mm3", kind="number", unit="mm3", what="Follow-up minus baseline."),
        Column(name="change_percent", kind="number", unit="%", what="Change in percent of the baseline."),
        Column(
            name="change_percent_per_year",
            kind="number",
            unit="%/a",
            what="The same per year of 365.25 days.",
        ),
        Column(name="threshold_percent", kind="number", unit="%", what="More than so much counts."),
        Column(
            name="threshold_category",
            kind="text",
            what="Class by the bare published rule; empty where a volume is missing.",
            allowed=THRESHOLD_CATEGORIES,
        ),
        Column(
            name="category",
            kind="text",
            what="The same unless a guard speaks.",
            nullable=False,
            allowed=CATEGORIES,
        ),
        Column(name="reason", kind="text", what="Why the change is not evaluable."),
        _HEIGHT_RULE,
        _FLAGS,
    ),
)

TABLES = (MEASUREMENTS, SLICES, CHANGES)


# -- cells ------------------------------------------------------------------------------------------------


def neutralised(text: str) -> str:
    """Return text that a spreadsheet takes for text: no formula, no control characters."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return f"'{shown}" if text.startswith(_FORMULA) else shown


def csv_cell(value: Any) -> str:
    """Return the text of a cell: text neutralised for spreadsheets, floats in full, None empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        # A volume of more than 15 digits is noise, but the shortest text that reads back the same is exact.
        return repr(value)
    return neutralised(str(value))


def _value(text: str, column: Column) -> Any:
    """Return the value of a cell's text; raises ValueError where it does not fit the column."""
    text = text.strip()
    if text == "" or (text == "NA" and column.kind != "text"):
        return None
    if column.kind == "text":
        return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text
    if column.kind == "date":
        if not _TRUE_DATE.fullmatch(text):
            raise ValueError
        return date.fromisoformat(text).isoformat()
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    if column.kind == "number":
        return number
    if number != int(number):
        raise ValueError
    return int(number)


# -- writing ------------------------------------------------------------------------------------------------


def write_table(path: Path | str, table: Table, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as CSV (UTF-8, one header line), atomically, and return how many there were.

    Rows are written as they come, so any number of them fits into memory. Text that a spreadsheet would
    take for a formula is neutralised; numbers never are.

    Raises
    ------
    OutputError
        ``read-only`` or ``disk-full``; what was there before is intact.
    """
    count = 0
    with atomic_output(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(table.column_names)
        for row in rows:
            writer.writerow([csv_cell(row.get(name)) for name in table.column_names])
            count += 1
        text.flush()
        text.detach()
    return count


def write_parquet(path: Path | str, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as Parquet with the same columns, atomically (extra ``[parquet]``)."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError(
            "missing-dependency",
            "writing Parquet needs pyarrow",
            todo='Install it: pip install "volumetry[parquet]".',
        ) from None
    kinds = {"text": pyarrow.string(), "date": pyarrow.string(), "integer": pyarrow.int64()}
    schema = pyarrow.schema([(c.name, kinds.get(c.kind, pyarrow.float64())) for c in table.columns])
    plain = [{name: row.get(name) for name in table.column_names} for row in rows]
    with atomic_output(path) as file:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(plain, schema=schema), file)


# -- reading and checking -----------------------------------------------------------------------------------


def read_table(path: Path | str, table: Table, *, required: Sequence[str] | None = None) -> list[Row]:
    """Read a CSV table and check it.

    Parameters
    ----------
    path : path
    table : Table
    required : sequence of str, optional
        Columns that must be there; all of the table's by default. Others that are missing are empty.

    Returns
    -------
    list of dict
        One per row, typed, empty cells None.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``.
    UsageError
        ``invalid-table``, naming all faults at once.
    """
    names, texts = _csv_rows(path)
    faults = _missing_columns(required or table.column_names, names)
    columns = {column.name: column for column in table.columns}
    rows: list[Row] = []
    for number, cells in enumerate(texts, start=2):
        row: Row = dict.fromkeys(table.column_names)
        for name, text in zip(names, cells, strict=False):
            if name not in columns:
                continue
            try:
                row[name] = _value(text, columns[name])
            except (ValueError, OverflowError):
                faults.append(f"line {number}: {name} is no {columns[name].kind}")
        rows.append(row)
    present = [columns[name] for name in names if name in columns]
    faults += _row_faults(rows, present)
    _raise_faults(faults, path)
    return rows


def _missing_columns(required: Iterable[str], present: Iterable[str]) -> list[str]:
    missing = sorted(set(required) - set(present))
    return [f"missing columns: {', '.join(missing)}"] if missing else []


def _csv_rows(path: Path | str) -> tuple[list[str], list[list[str]]]:
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
    except FileNotFoundError:
        raise ReadError("not-found", "there is no such table", where=path, todo="Check the name.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ReadError(
            "unreadable",
            "the table cannot be read",
            where=path,
            values={"reason": type(error).__name__},
            todo="Save it as CSV in UTF-8.",
        ) from None
    if not lines:
        raise ReadError("truncated", "the table is empty", where=path, todo="It needs a header line.")
    return [name.strip() for name in lines[0]], lines[1:]


def _row_faults(rows: Sequence[Row], columns: Sequence[Column]) -> Iterator[str]:
    for number, row in enumerate(rows, start=2):
        for column in columns:
            value = row.get(column.name)
            if value is None:
                if not column.nullable:
                    yield f"line {number}: {column.name} is empty"
            elif column.allowed and value not in column.allowed:
                yield f"line {number}: {column.name} is {value!r}, not one of {', '.join(column.allowed)}"


def _raise_faults(faults: Sequence[str], where: Path | str | None) -> None:
    if faults:
        shown = "; ".join(faults[:20]) + (f"; and {len(faults) - 20} more" if len(faults) > 20 else "")
        raise UsageError(
            "invalid-table",
            shown,
            where=where,
            todo="Correct the table; docs/reference/tables.md names the columns.",
        )


def check_table(frame: pd.DataFrame, table: Table) -> None:
    """Check that a data frame has the declared columns, and cells that fit them.

    Raises
    ------
    UsageError
        ``invalid-table``, naming all faults at once.
    """
    faults = _missing_columns(table.column_names, frame.columns)
    present = [column for column in table.columns if column.name in frame.columns]
    rows = []
    for number, record in enumerate(frame.to_dict("records"), start=2):
        row: Row = {}
        for column in present:
            value = record[column.name]
            empty = value is None or value != value  # NaN, NaT
            try:
                row[column.name] = None if empty else _value(str(value), column)
            except (ValueError, OverflowError):
                faults.append(f"line {number}: {column.name} is no {column.kind}")
        rows.append(row)
    faults += _row_faults(rows, present)
    _raise_faults(faults, None)


def to_frame(rows: Iterable[Mapping[str, Any]], table: Table) -> pd.DataFrame:
    """Return rows as a pandas data frame with the declared columns and types."""
    import pandas as pd

    types = {"text": "object", "date": "object", "integer": "Int64", "number": "float64"}
    plain = [{name: row.get(name) for name in table.column_names} for row in rows]
    frame = pd.DataFrame(plain, columns=list(table.column_names))
    return frame.astype({column.name: types[column.kind] for column in table.columns})


def table_reference() -> str:
    """Return ``docs/reference/tables.md``."""
    lines = [
        "# Tables",
        "",
        "Generated from `volumetry/tables.py` by `python docs/make_reference.py`; do not edit.",
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
