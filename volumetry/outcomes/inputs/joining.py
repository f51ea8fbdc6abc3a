"""The clinical table joined with volumes by checked keys, and what became of every row of every input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from volumetry.error_model import ReadingError, read_repeatability
from volumetry.errors import UsageError, did_you_mean
from volumetry.files.documents import Document
from volumetry.outcomes.inputs.conditions import truths
from volumetry.outcomes.inputs.derived import derive
from volumetry.outcomes.inputs.dispositions import (
    change_dispositions,
    disposition,
    literature_dispositions,
    measurement_dispositions,
)
from volumetry.outcomes.inputs.further_tables import Disposition, join_tables
from volumetry.outcomes.inputs.lesion_volumes import (
    ANY_READER,
    Key,
    UnitVolume,
    change_rule,
    chosen_visits,
    is_of_reader,
    volumes_of_changes,
    volumes_of_columns,
)
from volumetry.outcomes.inputs.published_studies import read_literature
from volumetry.outcomes.inputs.source_table import SourceTable, read_source
from volumetry.outcomes.plan import VOLUME_COLUMNS, Condition, Plan, column_uses
from volumetry.tables import CHANGES, MEASUREMENTS, Row, read_table

NO_VOLUME = UnitVolume(
    baseline_cm3=None, followup_cm3=None, category="not_evaluable", reason="no-measurements", days=None,
    n_lesions=0,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The tables as read: clinical as text, the others as declared."""

    clinical: SourceTable
    joined: tuple[tuple[SourceTable, tuple[str, ...]], ...] = ()
    changes: list[Row] = field(default_factory=list)
    measurements: list[Row] = field(default_factory=list)
    literature: SourceTable | None = None
    reading_error: ReadingError | None = None


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """Rows that are analysed, and the account of all others.

    Attributes
    ----------
    table : SourceTable
        Clinical, derived and volume columns of the rows in either group.
    patient : tuple of str
        The cluster of each row.
    first : tuple of bool
        Whether each row is of the first group.
    labels : pair of str
    keys : tuple of Key
    changes : tuple of Row
        Changes of the chosen reader and follow-up visit.
    volumes : tuple of UnitVolume
    reader : str
        Whose changes these are.
    inputs : Inputs
    dispositions : tuple of Disposition
        One for every row of every input.
    notes : tuple of str
        What the tables make one doubt: values that differ in spelling alone.
    """

    table: SourceTable
    patient: tuple[str, ...]
    first: tuple[bool, ...]
    labels: tuple[str, str]
    keys: tuple[Key, ...]
    changes: tuple[Row, ...]
    volumes: tuple[UnitVolume, ...]
    reader: str
    inputs: Inputs
    dispositions: tuple[Disposition, ...]
    notes: tuple[str, ...] = ()

    def take(self, rows: Sequence[int]) -> Cohort:
        """Return some of the rows, in that order; the account of all inputs stays whole."""
        return replace(
            self,
            table=self.table.take(rows),
            patient=tuple(self.patient[row] for row in rows),
            first=tuple(self.first[row] for row in rows),
            keys=tuple(self.keys[row] for row in rows),
            volumes=tuple(self.volumes[row] for row in rows),
        )

    @property
    def n_rows(self) -> int:
        """Rows analysed."""
        return len(self.first)

    @property
    def group(self) -> list[str]:
        """Label of each row's group."""
        return [self.labels[0] if first else self.labels[1] for first in self.first]


def read_inputs(
    plan: Plan, folder: Path, *, measurements: Path | str | None = None, changes: Path | str | None = None
) -> Inputs:
    """Read the plan's tables; paths given here stand in for those of the plan."""
    paths = {
        "changes": changes or (folder / plan.tables.changes if plan.tables.changes else None),
        "measurements": measurements
        or (folder / plan.tables.measurements if plan.tables.measurements else None),
    }

    def source(file: str, sheet: str) -> SourceTable:
        return read_source(
            folder / file, plan.columns.missing, sheet=sheet, form=plan.format, values=plan.values
        )

    return Inputs(
        clinical=source(plan.tables.clinical, plan.tables.sheet),
        literature=read_literature(plan, folder),
        reading_error=read_repeatability(folder / plan.error.repeatability) if plan.error else None,
        joined=tuple((source(part.file, part.sheet), part.by) for part in plan.tables.joined),
        changes=[] if paths["changes"] is None else read_table(paths["changes"], CHANGES),
        measurements=[] if paths["measurements"] is None else read_table(paths["measurements"], MEASUREMENTS),
    )


def join(plan: Plan, document: Document, inputs: Inputs) -> Cohort:
    """Join the inputs.

    Raises
    ------
    UsageError
        ``invalid-plan`` for columns or readers that are not there; ``invalid-table`` for two rows of one
        key, an unknown side, or a cell that cannot be read.
    """
    _check_values(plan, document, inputs)
    whole, joined = join_tables(inputs.clinical, inputs.joined, plan.columns.patient)
    table = derive(whole, plan.derived, document)
    _check_columns(plan, document, [*table.columns, *VOLUME_COLUMNS])
    _check_screening(plan, document, table.n_rows)
    reader = _reader(plan, document, inputs.changes)
    keys = _keys(plan, table)
    used = _used_changes(plan, inputs.changes, reader)
    changes = [inputs.changes[place] for place in used]
    volumes = _volumes(plan, table, keys, changes)
    outside = _outside(plan, _with_volumes(table, volumes), keys)
    rows = [row for row, reason in enumerate(outside) if not reason]
    if not rows:
        counts = ", ".join(f"{reason}: {outside.count(reason)}" for reason in dict.fromkeys(outside))
        raise document.fault(
            ("groups", "column"),
            f"no row is left to analyse ({counts})",
            "Check both values of the groups, and the criteria.",
        )
    first = [_same(cell, plan.groups.first) for cell in table.text(plan.groups.column)]
    kept_keys = {keys[row] for row in rows}
    clinical = [
        disposition("clinical", line, key, {}, not reason, reason or "analysed")
        for line, key, reason in zip(table.lines, keys, outside, strict=True)
    ]
    return Cohort(
        table=_with_sides(_with_volumes(table, volumes).take(rows), [keys[row] for row in rows]),
        patient=tuple(keys[row][0] for row in rows),
        first=tuple(first[row] for row in rows),
        labels=(
            plan.groups.first_label or str(plan.groups.first),
            plan.groups.second_label or str(plan.groups.second),
        ),
        keys=tuple(keys[row] for row in rows),
        changes=tuple(changes),
        volumes=tuple(volumes[row] for row in rows),
        reader=reader,
        notes=tuple(_spellings(plan, table)),
        inputs=inputs,
        dispositions=(
            *clinical,
            *joined,
            *literature_dispositions(inputs.literature),
            *change_dispositions(plan, inputs.changes, used, kept_keys, reader),
            *measurement_dispositions(plan, inputs.measurements, changes, kept_keys),
        ),
    )


# -- keys and columns ---------------------------------------------------------------------------------------


def _check_columns(plan: Plan, document: Document, known: Sequence[str]) -> None:
    for path, name in column_uses(plan):
        if name and name not in known:
            hint = did_you_mean(name, known)
            raise document.fault(path, f"there is no column {name!r}", f"{hint}Known are {', '.join(known)}.")


def _check_values(plan: Plan, document: Document, inputs: Inputs) -> None:
    """Refuse a `[[values]]` of a column that no table has."""
    tables = [inputs.clinical, *(table for table, _ in inputs.joined)]
    tables += [inputs.literature] if inputs.literature else []
    known = list(dict.fromkeys(name for table in tables for name in table.columns))
    for number, entry in enumerate(plan.values):
        if entry.column not in known:
            raise document.fault(
                ("values", number, "column"),
                f"there is no column {entry.column!r}",
                f"Known are {', '.join(known)}.",
            )


def _check_screening(plan: Plan, document: Document, n_rows: int) -> None:
    if plan.screening is None:
        return
    left_out = sum(part.n for part in plan.screening.left_out)
    if plan.screening.assessed.n - left_out != n_rows:
        raise document.fault(
            ("screening",),
            f"{plan.screening.assessed.n} less {left_out} left out are not the table's {n_rows} rows",
            "Correct the numbers; everybody must be accounted for.",
        )


def _keys(plan: Plan, table: SourceTable) -> list[Key]:
    columns, unit = plan.columns, plan.volumes.unit
    patients = table.text(columns.patient)
    sides = [""] * table.n_rows if unit == "patient" or not columns.side else _sides(plan, table)
    lesions = table.text(columns.lesion) if unit == "lesion" else [""] * table.n_rows
    keys = [
        (patient or "", side, lesion or "")
        for patient, side, lesion in zip(patients, sides, lesions, strict=True)
    ]
    seen: dict[Key, int] = {}
    for key, line in zip(keys, table.lines, strict=True):
        if key[0] and key in seen:
            raise UsageError(
                "invalid-table", f"two rows are of the same {unit}", where=table.name,
                values={"key": " ".join(filter(None, key)), "lines": (seen[key], line)},
                todo="Keep one, or say another unit in the plan (volumes.unit).",
            )  # fmt: skip
        seen[key] = line
    return keys


def _sides(plan: Plan, table: SourceTable) -> list[str]:
    names = {**dict.fromkeys(plan.columns.left, "L"), **dict.fromkeys(plan.columns.right, "R")}
    sides = []
    for cell, line in zip(table.text(plan.columns.side), table.lines, strict=True):
        if cell is not None and cell not in names:
            raise UsageError(
                "invalid-table", "a side is neither left nor right", where=table.name,
                values={"line": line, "cell": cell},
                todo="Declare how sides are written: columns.left and columns.right in the plan.",
            )  # fmt: skip
        sides.append("" if cell is None else names[cell])
    return sides


def _outside(plan: Plan, table: SourceTable, keys: Sequence[Key]) -> list[str]:
    """Why each clinical row is not analysed; empty if it is. The first reason counts."""
    reasons = ["" if key[0] else "no patient" for key in keys]
    for criterion in plan.eligibility:
        unknown = f"not recorded: {criterion.column}"
        for row, answer in enumerate(truths(table, criterion)):
            if answer is False:
                reasons[row] = reasons[row] or criterion.reason
            elif answer is None and criterion.unknown == "leave-out":
                reasons[row] = reasons[row] or unknown
    for row, cell in enumerate(table.text(plan.groups.column)):
        if cell is None:
            reasons[row] = reasons[row] or "no group"
        elif not (_same(cell, plan.groups.first) or _same(cell, plan.groups.second)):
            reasons[row] = reasons[row] or f"another group: {cell}"
    for condition in plan.filter:
        outside = f"outside the filter: {_condition_in_words(condition)}"
        for row, answer in enumerate(truths(table, condition)):
            if not answer:
                unknown = f"not recorded: {condition.column}"
                reasons[row] = reasons[row] or (unknown if answer is None else outside)
    return reasons


def _condition_in_words(condition: Condition) -> str:
    shown = ", ".join(condition.values) if condition.values else condition.value
    return " ".join(str(part) for part in (condition.column, condition.rule, shown) if part is not None)


def _with_sides(table: SourceTable, keys: Sequence[Key]) -> SourceTable:
    """Add how many analysed rows a patient has, and whether both sides are among them."""
    rows: dict[str, int] = {}
    sides: dict[str, set[str]] = {}
    for patient, side, _ in keys:
        rows[patient] = rows.get(patient, 0) + 1
        sides.setdefault(patient, set()).update({side} - {""})
    number = {0: None, 1: "unilateral", 2: "bilateral"}
    table = table.with_column("patient_rows", [rows[patient] for patient, _, _ in keys])
    return table.with_column("laterality", [number[len(sides[patient])] for patient, _, _ in keys])


def _check_one_reader(document: Document, changes: Sequence[Row]) -> None:
    seen: dict[tuple[Any, ...], str] = {}
    for row in changes:
        lesion = tuple(row[name] or "" for name in ("patient", "side", "lesion", "followup_visit"))
        if seen.setdefault(lesion, row["reader"] or "") != (row["reader"] or ""):
            raise document.fault(
                ("volumes", "reader"),
                f"two readers traced {' '.join(map(str, lesion[:3]))}, and any is not one of them",
                "Name a reader.",
            )


def _same(cell: str | None, value: str | int) -> bool:
    if cell is None:
        return False
    return cell == str(value) or (isinstance(value, int) and cell == f"{value}.0")


def _reader(plan: Plan, document: Document, changes: Sequence[Row]) -> str:
    readers = sorted({row["reader"] or "" for row in changes})
    wanted = plan.volumes.reader
    if wanted == ANY_READER:
        _check_one_reader(document, changes)
        return ANY_READER
    if wanted and readers and wanted not in readers:
        raise document.fault(
            ("volumes", "reader"), f"there is no reader {wanted!r}", f"Known are {', '.join(readers)}."
        )
    if not wanted and len(readers) > 1:
        raise document.fault(
            ("volumes", "reader"),
            "there are several readers",
            f"Choose one of {', '.join(readers)}, or {ANY_READER} where every lesion has one of them.",
        )
    return wanted or (readers[0] if readers else "")


def _spellings(plan: Plan, table: SourceTable) -> Iterator[str]:
    """Tell values that differ in case, spaces or hyphens alone; they stay two, for nobody here can know."""
    for name in dict.fromkeys(name for _, name in column_uses(plan) if name in table.columns):
        if name in (plan.columns.patient, plan.columns.side):
            continue
        for several in table.spellings(name):
            cells = table.text(name)
            shown = " and ".join(f"{value!r} ({cells.count(value)} rows)" for value in several)
            first, *others = several
            yield (
                f"{name}: {shown} differ in spelling alone and are counted as two; if they are one, declare "
                f'[[values]] column = "{name}" with synonyms = {{ "{first}" = {list(others)} }}'
            )


# -- volumes ------------------------------------------------------------------------------------------------


def _used_changes(plan: Plan, changes: Sequence[Row], reader: str) -> list[int]:
    """Places of the changes of the chosen reader and follow-up visit."""
    visits = chosen_visits([row for row in changes if is_of_reader(row, reader)], plan.volumes)
    return [
        place
        for place, row in enumerate(changes)
        if is_of_reader(row, reader) and visits.get(row["patient"]) == (row["followup_visit"] or "")
    ]


def _volumes(plan: Plan, table: SourceTable, keys: Sequence[Key], changes: Sequence[Row]) -> list[UnitVolume]:
    rule = change_rule(plan.volumes)
    if plan.volumes.baseline_column:
        names = (plan.volumes.baseline_column, plan.volumes.followup_column)
        return volumes_of_columns(table.numbers(names[0]), table.numbers(names[1]), rule)
    known = volumes_of_changes(changes, plan.volumes, rule)
    return [known.get(key, NO_VOLUME) for key in keys]


def _with_volumes(table: SourceTable, volumes: Sequence[UnitVolume]) -> SourceTable:
    before = [volume.baseline_cm3 for volume in volumes]
    after = [volume.followup_cm3 for volume in volumes]
    change = [None if a is None or b is None else a - b for b, a in zip(before, after, strict=True)]
    values: tuple[Sequence[Any], ...] = (
        before,
        after,
        change,
        [volume.percent for volume in volumes],
        [volume.category for volume in volumes],
        [volume.reason or None for volume in volumes],
        [volume.days for volume in volumes],
    )
    for name, cells in zip(VOLUME_COLUMNS, values, strict=False):  # those of sides come later
        table = table.with_column(name, cells)
    return table
