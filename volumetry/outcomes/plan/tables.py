"""The part of a plan that says how tables of anybody's making are written. Nothing of it is guessed."""

# ruff: noqa: RUF009 - `setting` is dataclasses.field with a sentence
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from volumetry.errors import UsageError
from volumetry.files.documents import setting

_DATES = (
    'how dates are written: `"d/m/Y"`, `"Y-m-d H:M:S"`, with the letters Y m d H M S for digits and b for '
    'the English name of a month; `"excel"` for a count of days since 1899-12-30; several may be given, but '
    "no cell may be two dates"
)


@dataclass(frozen=True, kw_only=True)
class JoinedTable:
    """A further table whose columns are added to the rows of the clinical table with the same key."""

    file: str = setting("CSV or xlsx, relative to the plan; it may be the clinical table's own workbook")
    sheet: str = setting("sheet of a workbook; needed where there are several", "")
    by: tuple[str, ...] = setting("columns that both tables have and that name a row here once")


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The files, relative to the plan. Only the clinical table is needed."""

    clinical: str = setting("CSV or xlsx with a row per unit (hip, lesion or patient), any column names")
    sheet: str = setting("sheet of a workbook; needed where there are several", "")
    joined: tuple[JoinedTable, ...] = setting("further tables, for example of patients or of visits", ())
    measurements: str = setting("`measurements.csv` of `volumetry batch`", "")
    changes: str = setting("`changes.csv` of `volumetry batch` or `volumetry change`", "")


@dataclass(frozen=True, kw_only=True)
class Format:
    """How the clinical table and those joined to it are written."""

    delimiter: Literal["", ",", ";", "\t", "|"] = setting(
        "between cells; empty: the one of comma, semicolon and tab that the header has, if it has only one",
        "",
    )
    encoding: Literal["utf-8", "cp1252", "latin-1", "utf-16"] = setting("of a CSV file", "utf-8")
    header_line: int = setting("line of the column names; lines above it are left out", 1)
    decimal: Literal[".", ","] = setting("decimal mark", ".")
    thousands: Literal["", ".", ",", " ", "'"] = setting("mark between thousands", "")
    dates: tuple[str, ...] = setting(_DATES, ("Y-m-d",))

    def __post_init__(self) -> None:
        _check_dates(self.dates)
        if self.decimal == self.thousands:
            raise UsageError(
                "usage", "decimal and thousands mark are the same", values={"key": "thousands"},
                todo="Name two marks, or leave thousands empty.",
            )  # fmt: skip
        if self.header_line < 1:
            raise UsageError("usage", "lines count from 1", values={"key": "header_line"}, todo="Write 1.")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns of the clinical table name a row, and how it writes sides and missing values."""

    patient: str = setting("column of the patient; the key, and the cluster of every analysis", "patient")
    side: str = setting("column of the side; empty where the table has no such column", "side")
    lesion: str = setting("column of the lesion, where the unit is the lesion", "lesion")
    left: tuple[str, ...] = setting("how the left side is written", ("L", "l", "left", "Left"))
    right: tuple[str, ...] = setting("how the right side is written", ("R", "r", "right", "Right"))
    missing: tuple[str, ...] = setting("what an empty cell may say", ("", "NA", "NaN", "nan", "."))


@dataclass(frozen=True, kw_only=True)
class Values:
    """How the cells of one column are written, where it differs from the rest of the table."""

    column: str = setting("the column")
    synonyms: dict[str, tuple[str, ...]] | None = setting(
        'what else a value is called: `{ alcohol = ["Alcohol", "EtOH"], "60" = [">60"] }`', None
    )
    missing: tuple[str, ...] = setting("what an empty cell may say here, besides columns.missing", ())
    units: tuple[str, ...] = setting('units written behind numbers, which are taken off: `["cm3"]`', ())
    decimal: Literal["", ".", ","] = setting("decimal mark of this column; empty: that of the table", "")
    thousands: Literal["", ".", ",", " ", "'"] = setting(
        "mark between thousands of this column; empty: that of the table", ""
    )
    dates: tuple[str, ...] = setting("how dates are written in this column; empty: as in the table", ())

    def __post_init__(self) -> None:
        _check_dates(self.dates)
        if self.decimal and self.decimal == self.thousands:
            raise UsageError(
                "usage", "decimal and thousands mark are the same", values={"key": "thousands"},
                todo="Name two marks, or leave thousands empty.",
            )  # fmt: skip
        seen: dict[str, str] = {}
        for value, others in (self.synonyms or {}).items():
            for other in others:
                if seen.setdefault(other, value) != value:
                    raise UsageError(
                        "usage", f"{other!r} is called both {seen[other]!r} and {value!r}",
                        values={"key": "synonyms"}, todo="Keep one.",
                    )  # fmt: skip


def _check_dates(formats: tuple[str, ...]) -> None:
    from volumetry.outcomes.inputs.date_formats import fault_of

    for text in formats:
        fault = fault_of(text)
        if fault:
            raise UsageError("usage", fault, values={"key": "dates"}, todo='Write for example "d/m/Y".')
