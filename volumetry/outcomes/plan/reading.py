"""The plan of an outcome analysis, ``plan.toml``: its tables, groups, endpoints and tests."""

# ruff: noqa: RUF009 - `setting` is dataclasses.field with a sentence
from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from volumetry.errors import UsageError
from volumetry.files.documents import Document, build, read_document, setting
from volumetry.outcomes.plan.endpoints import (
    Agreement,
    Binary,
    Categorical,
    Change,
    Continuous,
    Ordinal,
    Paired,
    TimeToEvent,
)
from volumetry.outcomes.plan.further import (
    ErrorPlan,
    LiteraturePlan,
    MatchingPlan,
    SampleSizePlan,
    Sensitivity,
    TableOne,
)
from volumetry.outcomes.plan.rows import (
    Condition,
    Derived,
    Eligibility,
    Groups,
    Screening,
    Subgroup,
    Volumes,
)
from volumetry.outcomes.plan.tables import Columns, Format, Tables, Values

#: Sections of endpoints, in the order of the results.
ENDPOINTS = ("binary", "time_to_event", "continuous", "paired", "categorical", "ordinal", "change")

#: Columns that joining adds to the clinical table.
VOLUME_COLUMNS = (
    "volume_baseline_cm3", "volume_followup_cm3", "volume_change_cm3", "volume_change_percent",
    "change_category", "change_reason", "change_days", "patient_rows", "laterality",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Study:
    """What the study is called, and what holds for all its analyses."""

    title: str = setting("title of the results", "Outcome statistics")
    level: float = setting("confidence level of every interval", 0.95)
    multiplicity: Literal["none", "holm", "benjamini-hochberg"] = setting(
        "adjustment of the recommended p values over all endpoints", "holm"
    )

    figure_p: Literal["clustered", "published"] = setting(
        "whose p value figures show: of the unadjusted comparison with patients as clusters, or of the "
        "published test",
        "clustered",
    )

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise UsageError(
                "usage", f"the level is {self.level:g}", values={"key": "level"}, todo="Write 0.95 for 95 %."
            )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that is run. Sections in double brackets may be given any number of times."""

    study: Study = setting("names and levels", Study())
    tables: Tables = setting("the files")
    format: Format = setting("how cells of the clinical table are written", Format())
    columns: Columns = setting("keys of the clinical table", Columns())
    values: tuple[Values, ...] = setting("how the cells of single columns are written", ())
    volumes: Volumes = setting("lesion volumes", Volumes())
    groups: Groups = setting("the two groups")
    derived: tuple[Derived, ...] = setting("columns made by rules", ())
    screening: Screening | None = setting("who was left out before the clinical table begins", None)
    eligibility: tuple[Eligibility, ...] = setting(
        "criteria, in order; the first that fails is the reason", ()
    )
    filter: tuple[Condition, ...] = setting("what else is true of the rows that are analysed", ())
    subgroup: tuple[Subgroup, ...] = setting("some of the rows by themselves", ())
    binary: tuple[Binary, ...] = setting("yes-or-no endpoints", ())
    time_to_event: tuple[TimeToEvent, ...] = setting("time-to-event endpoints", ())
    continuous: tuple[Continuous, ...] = setting("numbers", ())
    paired: tuple[Paired, ...] = setting("numbers before and after", ())
    categorical: tuple[Categorical, ...] = setting("classes without an order", ())
    ordinal: tuple[Ordinal, ...] = setting("classes with an order", ())
    change: tuple[Change, ...] = setting("classes of volume change", ())
    table_one: TableOne | None = setting("Table 1", None)
    agreement: tuple[Agreement, ...] = setting("agreement of readers", ())
    matching: MatchingPlan | None = setting("propensity score matching", None)
    literature: LiteraturePlan | None = setting("published studies beside this one", None)
    sensitivity: Sensitivity | None = setting("classes of change under other choices", None)
    error: ErrorPlan | None = setting("what the error of measurement does to the classes", None)
    sample_size: tuple[SampleSizePlan, ...] = setting("sample sizes", ())

    @property
    def endpoint_names(self) -> list[str]:
        """Names of all endpoints, in the order of the sections."""
        return [part.name for kind in ENDPOINTS for part in getattr(self, kind)]


def read_plan(path: Path | str) -> tuple[Plan, Document]:
    """Read a plan.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``.
    UsageError
        ``invalid-plan``: the key, its line, and what would be right. Unknown keys are errors.
    """
    values, document = read_document(path, "plan")
    plan = build(Plan, values, document)
    _check_names(plan, document)
    return plan, document


def _check_names(plan: Plan, document: Document) -> None:
    seen: set[str] = set()
    for kind in (*ENDPOINTS, "agreement", "subgroup"):
        for number, part in enumerate(getattr(plan, kind)):
            slug = file_name(part.name)
            if not slug or slug in seen:
                raise document.fault(
                    (kind, number, "name"), f"the name {part.name!r} is taken or empty", "Choose another."
                )
            seen.add(slug)
    if plan.volumes.unit != "patient" and not plan.columns.side:
        raise document.fault(
            ("columns", "side"),
            "a hip or lesion has a side",
            'Name its column, or set volumes.unit = "patient".',
        )
    for number, group in enumerate(plan.subgroup):
        for name in group.endpoints:
            if name not in plan.endpoint_names:
                known = ", ".join(plan.endpoint_names)
                raise document.fault(
                    ("subgroup", number, "endpoints"), f"there is no endpoint {name!r}", f"Known are {known}."
                )
    if plan.literature and plan.literature.endpoint not in [entry.name for entry in plan.binary]:
        known = ", ".join(entry.name for entry in plan.binary) or "none"
        raise document.fault(
            ("literature", "endpoint"), "it is no yes-or-no endpoint of the plan", f"Known are {known}."
        )
    if str(plan.groups.first) == str(plan.groups.second):
        raise document.fault(("groups", "second"), "both groups are the same", "Name two values.")


def column_uses(plan: Plan) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Columns that the plan reads, with the key that names each; derived ones included."""
    yield ("columns", "patient"), plan.columns.patient
    if plan.volumes.unit != "patient" and plan.columns.side:
        yield ("columns", "side"), plan.columns.side
    yield ("groups", "column"), plan.groups.column
    for key in ("baseline_column", "followup_column"):
        yield ("volumes", key), getattr(plan.volumes, key)
    single = {
        "binary": ("column",),
        "continuous": ("column",),
        "categorical": ("column",),
        "ordinal": ("column",),
        "eligibility": ("column",),
        "filter": ("column",),
        "paired": ("baseline", "followup"),
        "change": ("worst",),
        "time_to_event": (
            "time", "event", "start", "event_date", "last_date", "competing_date", "last_negative_date",
        ),
    }  # fmt: skip
    for kind, keys in single.items():
        for number, part in enumerate(getattr(plan, kind)):
            yield from (((kind, number, key), getattr(part, key)) for key in keys)
            yield from (((kind, number, "adjust"), name) for name in getattr(part, "adjust", ()))
    for number, entry in enumerate(plan.agreement):
        yield from ((("agreement", number, "columns"), name) for name in entry.columns)
    if plan.table_one:
        for key in ("numeric", "categorical"):
            yield from ((("table_one", key), name) for name in getattr(plan.table_one, key))
        for number, variable in enumerate(plan.table_one.variable):
            yield ("table_one", "variable", number, "column"), variable.column
    for number, group in enumerate(plan.subgroup):
        for place, condition in enumerate(group.where):
            yield ("subgroup", number, "where", place, "column"), condition.column
    if plan.matching:
        yield from ((("matching", "covariates"), name) for name in plan.matching.covariates)


def file_name(name: str) -> str:
    """Return a name as part of a file name: lower case, letters without accents, all else a hyphen."""
    plain = unicodedata.normalize("NFKD", name.lower().replace("ß", "ss"))
    bare = "".join(c for c in plain if not unicodedata.combining(c))
    return "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in bare).split())
