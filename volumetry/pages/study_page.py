"""The report of a study: accounting, Table 1, volumes, changes, figures, text, and where it is all from."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from volumetry.pages import texts
from volumetry.pages.evidence import LesionRows
from volumetry.pages.inputs import MeasuredResults, OutcomeResults, ReportInputs, section
from volumetry.pages.lesion_page import label
from volumetry.pages.numbers import Source, shown, shown_p
from volumetry.pages.templating import page

_VOLUMES = (
    "site", "patient", "side", "lesion", "visit", "study_date", "reader", "read", "status", "volume_cm3",
    "volume_thickness_mm3", "volume_spacing_mm3", "sampling_error_percent", "sampling_warning", "n_slices",
    "max_area_mm2", "slice_thickness_mm", "slice_spacing_mm", "code", "flags",
)  # fmt: skip
_CHANGES = (
    "site", "patient", "side", "lesion", "reader", "baseline_visit", "followup_visit", "days",
    "baseline_volume_mm3", "followup_volume_mm3", "change_percent", "category", "verdict",
    "change_error_percent", "change_error_lower_bound_percent", "detectable_change_percent", "comparable",
    "reservations", "explained_percent", "reason", "flags",
)  # fmt: skip
_ANALYSES = (
    "endpoint", "population", "role", "what", "contrast", "estimate", "value", "ci_low", "ci_high", "p_value",
    "p_adjusted", "n_used", "n_missing", "n_clusters", "method", "reason", "notes",
)  # fmt: skip
_FLOW = ("stage", "group", "what", "n_rows", "n_patients")
_TABLE_ONE_LAST = ("p", "smd", "missing")
_TABLE_ONE_FIXED = (
    "population", "variable", "category", "counted", "p", "test", "smd", "missing", "reason",
)  # fmt: skip
_RUN_FACTS = ("volumetry_version", "python_version", "numpy_version", "protocol_sha256", "pseudonyms")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_LONG = 14
"""Letters from which on a text may break anywhere, so that wide tables fit."""

_P_VALUES = ("p", "p_value", "p_adjusted")


@dataclass(frozen=True, kw_only=True)
class ShownCell:
    """A cell of a table on the page; the column and the file's line say which cell of the file it is."""

    text: str
    column: str
    is_number: bool

    @property
    def kind(self) -> str:
        """How a cell that is no number is drawn: by its class of change, as a date, or as a long text."""
        if self.text in ("increase", "decrease"):
            return self.text
        if _DATE.fullmatch(self.text):
            return "date"
        return "text" if len(self.text) > _LONG else ""


@dataclass(frozen=True, kw_only=True)
class ShownRow:
    """A row; `href`: where its cells link to."""

    line: int
    cells: tuple[ShownCell, ...]
    href: str = ""


@dataclass(frozen=True, kw_only=True)
class ShownTable:
    """A table; columns that are empty in all rows are left out."""

    file: str
    anchor: str
    heads: tuple[tuple[str, bool], ...]
    rows: tuple[ShownRow, ...]


def study_page(inputs: ReportInputs, lesions: Sequence[LesionRows], *, folder: str, version: str) -> str:
    """Return the report as HTML.

    Parameters
    ----------
    inputs : ReportInputs
    lesions : sequence of LesionRows
        That have a page in `folder`.
    folder : str
        Beside the report.
    version : str
        Of this program.
    """
    measured, outcomes = inputs.measured, inputs.outcomes
    volumes = changes = None
    if measured is not None:
        of_row = {line: f"{folder}/{lesion.id}.html#v{line}" for lesion in lesions for line in lesion.lines}
        of_change = {
            line: f"{folder}/{lesion.id}.html#c{line}" for lesion in lesions for line in lesion.changes
        }
        volumes = shown_table(measured.measurements, _VOLUMES, of_row)
        changes = shown_table(measured.changes, _CHANGES, of_change)
    return page(
        "report.html",
        script="report.js",
        title=_title(inputs),
        measured=measured,
        methods=texts.methods(inputs),
        results=texts.results(inputs),
        counts=_counts(measured),
        volumes=volumes,
        changes=changes,
        flow=_of(outcomes, "flow", _FLOW),
        table_one=_table_one(outcomes),
        analyses=_of(outcomes, "analyses", _ANALYSES),
        accounts=_accounts(outcomes),
        notes=notes_of(outcomes),
        figures=_figures(outcomes),
        origin=_origin(inputs, version),
        protocol=_flat(section(measured.run, "protocol")) if measured is not None else [],
        hashes=_hashes(inputs),
        version=version,
    )


def shown_table(
    source: Source, names: Sequence[str], links: Mapping[int, str] | None = None
) -> ShownTable | None:
    """Return a table of the page, of the columns that hold something; None where it has no rows."""
    if not source.rows:
        return None
    used = [name for name in names if any(row.get(name) not in (None, "") for row in source.rows)]
    return ShownTable(
        file=source.table,
        anchor=source.anchor,
        heads=tuple((label(name), _is_number(source, name)) for name in used),
        rows=tuple(
            ShownRow(
                line=line,
                cells=tuple(_cell(row.get(name), name, source.units.get(name, "")) for name in used),
                href=(links or {}).get(line, ""),
            )
            for line, row in source.lines()
        ),
    )


def _is_number(source: Source, name: str) -> bool:
    known = [row[name] for row in source.rows if row.get(name) not in (None, "")]
    return all(isinstance(value, int | float) for value in known)


def _cell(value: Any, name: str, unit: str = "") -> ShownCell:
    is_number = isinstance(value, int | float)
    text = shown_p(value) if name in _P_VALUES and is_number else shown(value, unit)
    return ShownCell(text="" if text == "-" else text, column=name, is_number=is_number)


def _title(inputs: ReportInputs) -> str:
    if inputs.outcomes is not None and inputs.outcomes.document.get("title"):
        return str(inputs.outcomes.document["title"])
    name = "" if inputs.measured is None else section(inputs.measured.run, "protocol").get("name", "")
    return f"Lesion volumes: {name}" if name and name != "default" else "Lesion volumes"


def _counts(measured: MeasuredResults | None) -> list[tuple[str, Any]]:
    """What became of every file and of every row."""
    if measured is None:
        return []
    rows = measured.measurements
    found: list[tuple[str, Any]] = [
        (f"files: {name.replace('_', ' ')}", texts.of_json(measured.run, "run.json", f"files.{name}"))
        for name in section(measured.run, "files")
    ]
    found.append(("rows of measurements", rows.count()))
    for status in dict.fromkeys(str(row["status"]) for row in rows.rows):
        found.append((f"rows: {status.replace('_', ' ')}", rows.count(status=status)))
        codes = sorted({str(r["code"]) for r in rows.rows if r["status"] == status and r.get("code")})
        found += [(f"rows: {code}", rows.count(status=status, code=code)) for code in codes]
    return found


def notes_of(outcomes: OutcomeResults | None) -> list[str]:
    """Return what the statistics note about the inputs."""
    notes = None if outcomes is None else outcomes.document.get("notes")
    return [str(note) for note in notes] if isinstance(notes, list) else []


def _of(outcomes: OutcomeResults | None, name: str, columns: Sequence[str]) -> ShownTable | None:
    if outcomes is None or name not in outcomes.tables:
        return None
    return shown_table(outcomes.tables[name], columns)


def _table_one(outcomes: OutcomeResults | None) -> ShownTable | None:
    """Table 1 as the statistics give it for print."""
    if outcomes is None or "table_one_printed" not in outcomes.tables:
        return None
    source = outcomes.tables["table_one_printed"]
    if not source.rows:
        return None
    groups = [name for name in source.rows[0] if name not in _TABLE_ONE_FIXED]
    several = len({row.get("population") for row in source.rows}) > 1
    first = [*(["population"] if several else []), "variable", "category", "counted"]
    return shown_table(source, [*first, *groups, *_TABLE_ONE_LAST, "reason"])


def _accounts(outcomes: OutcomeResults | None) -> list[tuple[str, str, Any]]:
    """Rows of every input of the statistics, by what became of them."""
    if outcomes is None:
        return []
    return [
        (str(table), str(reason), n)
        for table, reasons in section(outcomes.document, "rows_by_table").items()
        for reason, n in section({"": reasons}, "").items()
    ]


def _figures(outcomes: OutcomeResults | None) -> list[tuple[str, str, str]]:
    """Figures as images: what is in an image cannot run."""
    if outcomes is None:
        return []
    return [
        (one.name, one.caption, f"data:image/svg+xml;base64,{b64encode(one.svg).decode()}")
        for one in outcomes.figures
    ]


def _origin(inputs: ReportInputs, version: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = [("report made with", f"volumetry {version}")]
    if inputs.measured is not None:
        run = inputs.measured.run
        names = _RUN_FACTS
        found += [
            (f"measurements: {name.replace('_', ' ')}", str(run[name])) for name in names if name in run
        ]
        if isinstance(run.get("command"), list):
            found.append(("measurements: command", " ".join(map(str, run["command"]))))
    if inputs.outcomes is not None:
        document = inputs.outcomes.document
        found += [
            (f"statistics: {name.replace('_', ' ')}", str(document[name]))
            for name in ("volumetry_version", "plan_sha256")
            if name in document
        ]
        found += [(f"statistics: {k}", str(v)) for k, v in section(document, "packages").items()]
    return found


def _flat(value: Mapping[str, Any], stem: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, item in value.items():
        key = f"{stem}{name}"
        if isinstance(item, Mapping):
            found += _flat(item, f"{key}.")
        elif item not in (None, "", [], ()):
            found.append((key, ", ".join(map(str, item)) if isinstance(item, list) else str(item)))
    return found


def _hashes(inputs: ReportInputs) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for part in (inputs.measured, inputs.outcomes):
        found |= part.hashes if part is not None else {}
    return list(found.items())
