"""Endpoints of a plan: what is compared, and by which tests."""

# ruff: noqa: RUF009 - `setting` is dataclasses.field with a sentence
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from volumetry.errors import UsageError
from volumetry.files.documents import setting
from volumetry.outcomes.plan.rows import _PER, Per

Better = Literal["", "more", "less"]
FourfoldTest = Literal[
    "pearson", "yates", "likelihood-ratio", "n-1", "fisher", "fisher-less", "fisher-greater", "mid-p"
]
MeanTest = Literal["welch", "student", "mann-whitney"]
PairedTest = Literal["paired-t", "wilcoxon"]
ClassTest = Literal["pearson", "likelihood-ratio", "exact", "linear-by-linear"]
_NAME = "name of the endpoint, used in tables and file names"
_BETTER = "which is good for a patient: `more` or `less` of it; a forest plot sorts by it"
_ADJUST = "columns of covariates that the recommended model adjusts for; text columns become factors"


@dataclass(frozen=True, kw_only=True)
class Binary:
    """Yes or no: a share by group."""

    name: str = setting(_NAME)
    column: str = setting("column with 1 for the event and 0 for none (also yes/no, true/false)")
    published: FourfoldTest = setting("the test as papers print it, rows taken as independent", "fisher")
    adjust: tuple[str, ...] = setting(_ADJUST, ())
    effect: Literal["odds-ratio", "risk-difference"] = setting(
        "which effect answers where nothing is adjusted for; the other is named as sensitivity", "odds-ratio"
    )
    better: Better = setting(_BETTER, "")
    per: Per = setting(_PER, "row")


@dataclass(frozen=True, kw_only=True)
class TimeToEvent:
    """Time to an event, from dates or from a time and a status."""

    name: str = setting("name of the event (collapse), not of being free of it; used in axes and file names")
    time: str = setting("column of the follow-up time, a number; or give dates", "")
    event: str = setting(
        "column of the event: 1 or yes, 0 or no (censored); 2 for the event that `competing` names", ""
    )
    start: str = setting("column of the date from which time counts", "")
    event_date: str = setting("column of the date of the event; empty cells: none", "")
    last_date: str = setting("column of the last date known, where those without event are censored", "")
    competing_date: str = setting("column of the date of the competing event", "")
    last_negative_date: str = setting(
        "column of the last date free of the event; events are then also tested as between two films",
        "",
    )
    competing: str = setting("name of the competing event, where there is one", "")
    unit: Literal["days", "months", "years"] = setting("unit of time in tables and figures", "years")
    horizon: float | None = setting("time at which curves are read off and restricted means end", None)
    interval: Literal["log-log", "log", "plain"] = setting("interval of the curves", "log-log")
    published_interval: Literal["log-log", "log", "plain"] = setting(
        "interval of the curves as papers print them, rows taken as independent (SPSS: `plain`)", "plain"
    )
    axis_end: float | None = setting(
        "where the time axis of figures ends, in `unit`; empty: at the last follow-up", None
    )
    axis_percent: float | None = setting("top of the axis of cumulative shares, in percent", None)
    adjust: tuple[str, ...] = setting(_ADJUST, ())
    better: Better = setting("`less` where the event is harm, `more` where it is the goal", "less")

    def __post_init__(self) -> None:
        numeric, dated = bool(self.time and self.event), bool(self.start and self.last_date)
        if numeric == dated or (dated and not self.event_date):
            raise UsageError(
                "usage", f"{self.name} has no single way to tell time", values={"key": "name"},
                todo="Give time and event, or start, event_date and last_date.",
            )  # fmt: skip
        for key in ("horizon", "axis_end", "axis_percent"):
            limit = getattr(self, key)
            if limit is not None and limit <= 0:
                raise UsageError(
                    "usage", f"{key} of {self.name} is {limit:g}", values={"key": key},
                    todo="Write a number above 0, or leave it out.",
                )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Continuous:
    """A number at one time, compared between groups."""

    name: str = setting(_NAME)
    column: str = setting("column of the number")
    unit: str = setting("its unit", "")
    published: MeanTest = setting("the test as papers print it, rows taken as independent", "student")
    adjust: tuple[str, ...] = setting(_ADJUST, ())
    better: Better = setting(_BETTER, "")
    per: Per = setting(_PER, "row")


@dataclass(frozen=True, kw_only=True)
class Paired:
    """A number before and after, within groups and between them."""

    name: str = setting(_NAME)
    baseline: str = setting("column of the number before")
    followup: str = setting("column of the number after")
    unit: str = setting("its unit", "")
    published: PairedTest = setting("the test within each group, rows taken as independent", "paired-t")
    adjust: tuple[str, ...] = setting(_ADJUST, ())
    better: Better = setting(_BETTER, "")


@dataclass(frozen=True, kw_only=True)
class Categorical:
    """Classes without an order: aetiology, side."""

    name: str = setting(_NAME)
    column: str = setting("column of the class")
    classes: tuple[str, ...] = setting("the classes, in the order of the table; empty: as they occur", ())
    published: Literal["pearson", "likelihood-ratio", "exact"] = setting(
        "the test as papers print it, rows taken as independent", "pearson"
    )
    per: Per = setting(_PER, "row")


@dataclass(frozen=True, kw_only=True)
class Ordinal:
    """Classes with an order: stage, grade of a score."""

    name: str = setting(_NAME)
    column: str = setting("column of the class")
    classes: tuple[str, ...] = setting("the classes, lowest first")
    published: Literal["pearson", "likelihood-ratio", "exact", "linear-by-linear"] = setting(
        "the test as papers print it, rows taken as independent", "linear-by-linear"
    )
    better: Better = setting("which is good for a patient: `more` (a higher class) or `less`", "")
    per: Per = setting(_PER, "row")

    def __post_init__(self) -> None:
        if len(set(self.classes)) < 2:
            raise UsageError(
                "usage", f"{self.name} has fewer than two classes", values={"key": "classes"},
                todo="Name them, lowest first.",
            )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Change:
    """The class of change of lesion volume: increase, no change, decrease."""

    name: str = setting(_NAME, "volume change")
    published: ClassTest = setting("the test as papers print it, rows taken as independent", "pearson")
    worst: str = setting(
        "column of an event (collapse) that takes the follow-up volume away; a further analysis then counts "
        "such rows as increases",
        "",
    )


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Two or more measurements of the same lesions."""

    name: str = setting(_NAME)
    columns: tuple[str, ...] = setting("columns of the clinical table, one per reader or read", ())
    readers: tuple[str, ...] = setting("readers of `measurements.csv`, instead of columns", ())
    unit: str = setting("unit of the measurement", "cm3")
    threshold_percent: float | None = setting("threshold whose false-change rate is asked for", None)

    def __post_init__(self) -> None:
        if (len(self.columns) < 2) == (len(self.readers) < 2):
            raise UsageError(
                "usage", f"{self.name} needs two measurements", values={"key": "name"},
                todo="Give two columns, or two readers.",
            )  # fmt: skip
