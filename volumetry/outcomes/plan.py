"""The plan of an outcome analysis, ``plan.toml``: its tables, groups, endpoints and tests."""

# ruff: noqa: RUF009 - `setting` is dataclasses.field with a sentence
from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from volumetry.documents import Document, build, read_document, setting
from volumetry.errors import UsageError
from volumetry.outcomes.plan_tables import Columns, Format, Tables, Values

Unit = Literal["hip", "lesion", "patient"]
Better = Literal["", "more", "less"]
Per = Literal["row", "patient"]
FourfoldTest = Literal[
    "pearson", "yates", "likelihood-ratio", "n-1", "fisher", "fisher-less", "fisher-greater", "mid-p"
]
MeanTest = Literal["welch", "student", "mann-whitney"]
PairedTest = Literal["paired-t", "wilcoxon"]
ClassTest = Literal["pearson", "likelihood-ratio", "exact", "linear-by-linear"]
Rule = Literal[
    "present", "equals", "one-of", "not", "any", "all", "at-least", "more-than", "classes", "difference",
    "sum", "mean", "max", "min", "percent-change", "days-between", "years-between", "harris-category",
    "good-or-excellent", "collapse-progression", "collapse", "arco-stage", "arco-agrees", "subsidence",
    "nonunion", "bone-density",
]  # fmt: skip
HeightRuleChoice = Literal["thickness", "spacing"]

_NAME = "name of the endpoint, used in tables and file names"
_PER = "`row`; or `patient`: one value a patient, its rows must agree"
_BETTER = "which is good for a patient: `more` or `less` of it; a forest plot sorts by it"
_ADJUST = "columns of covariates that the recommended model adjusts for; text columns become factors"


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
class Volumes:
    """How lesion volumes become one number per row of the clinical table."""

    unit: Unit = setting(
        "`hip`: lesions of a hip are summed; `lesion`: a row each; `patient`: no sides", "hip"
    )
    reader: str = setting(
        'whose changes are analysed; needed where there are several readers; `"any"`: whoever traced the '
        "lesion, where nobody else did",
        "",
    )
    followup: str = setting('`"last"`, `"first"`, or the name of a visit', "last")
    threshold_percent: float = setting("a change of more than this is an increase or decrease", 15.0)
    decrease_threshold_percent: float | None = setting("the same for decreases, where it differs", None)
    baseline_column: str = setting("column of the clinical table with the baseline volume, cm3", "")
    followup_column: str = setting("column of the clinical table with the follow-up volume, cm3", "")

    def __post_init__(self) -> None:
        if bool(self.baseline_column) != bool(self.followup_column):
            raise UsageError(
                "usage", "one of two volume columns is given", values={"key": "baseline_column"},
                todo="Give baseline_column and followup_column, or neither.",
            )  # fmt: skip
        down = self.decrease_threshold_percent
        if not 0 <= self.threshold_percent <= 1000 or (down is not None and not 0 <= down <= 100):
            raise UsageError(
                "usage", "the threshold is out of range", values={"key": "threshold_percent"},
                todo="Write percent, for example 15.",
            )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Groups:
    """The two groups. Differences and ratios are of the first against the second."""

    column: str = setting("column of the clinical table")
    first: str | int = setting("value of the first (treated) group, as the table writes it")
    second: str | int = setting("value of the second (control) group")
    first_label: str = setting("its name in tables and figures; empty: its value", "")
    second_label: str = setting("its name; empty: its value", "")


@dataclass(frozen=True, kw_only=True)
class Derived:
    """A column made from others by a named rule, before anything is analysed."""

    name: str = setting("name of the new column")
    rule: Rule = setting("the rule; see below")
    columns: tuple[str, ...] = setting("the columns it reads, in the order of the rule")
    value: str | float | int | None = setting(
        "what `equals`, `at-least` and `more-than` compare with; of `collapse` another threshold, mm", None
    )
    values: tuple[str, ...] = setting("what `one-of` compares with", ())
    cuts: tuple[float, ...] = setting("of `classes`: the lower bounds of all classes but the lowest", ())
    labels: tuple[str, ...] = setting("of `classes`: the names, lowest first, one more than cuts", ())
    need: Literal["all", "any"] = setting(
        "of rules over several columns: whether all cells must be there, or those that are there count", "all"
    )


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
    event: str = setting("column of the event: 1 yes, 0 censored; 2 for the competing event", "")
    start: str = setting("column of the date from which time counts", "")
    event_date: str = setting("column of the date of the event; empty cells: none", "")
    last_date: str = setting("column of the last date known, where those without event are censored", "")
    competing_date: str = setting("column of the date of the competing event", "")
    last_negative_date: str = setting("column of the last date known to be free of the event", "")
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
class Condition:
    """Rows of which a statement is true."""

    column: str = setting("column of the clinical table, or a derived or joined one")
    rule: Literal[
        "equals", "not-equals", "one-of", "none-of", "at-least", "at-most", "more-than", "less-than",
        "present", "absent",
    ] = setting("the statement; dates and numbers compare by size", "equals")  # fmt: skip
    value: str | float | int | None = setting("what the cell is compared with", None)
    values: tuple[str, ...] = setting("the same for `one-of` and `none-of`", ())

    def __post_init__(self) -> None:
        listed, bare = self.rule in ("one-of", "none-of"), self.rule in ("present", "absent")
        if listed != bool(self.values) or (not listed and not bare and self.value is None):
            raise UsageError(
                "usage", f"{self.rule} on {self.column} has nothing to compare with", values={"key": "rule"},
                todo="Give values = [...] for one-of and none-of, value = ... for the others.",
            )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Eligibility(Condition):
    """A criterion: rows of which it is not true are left out, with reason and number in the flow."""

    reason: str = setting("why such rows are left out, for the flow: `younger than 18 years`")
    unknown: Literal["leave-out", "keep"] = setting(
        "what becomes of rows whose cell is missing; those left out have a reason of their own", "leave-out"
    )


@dataclass(frozen=True, kw_only=True)
class Screened:
    """Who was left out before the clinical table begins: numbers, typed in."""

    what: str = setting("who they are: `assessed for eligibility`, or a reason why they were left out")
    n: int = setting("how many rows (hips, lesions, patients)")
    patients: int | None = setting("how many patients, where rows are not patients", None)


@dataclass(frozen=True, kw_only=True)
class Screening:
    """The flow before the clinical table."""

    assessed: Screened = setting("all that were screened")
    left_out: tuple[Screened, ...] = setting("why some are not in the clinical table", ())


@dataclass(frozen=True, kw_only=True)
class Subgroup:
    """Some of the rows, analysed by themselves; such analyses are sensitivity, never primary."""

    name: str = setting("name of the subgroup, used in tables and file names")
    where: tuple[Condition, ...] = setting("conditions that are all true of its rows")
    endpoints: tuple[str, ...] = setting("names of the endpoints that are analysed; empty: all", ())
    table_one: bool = setting("whether Table 1 is made of it, too", False)


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
class TableOneVariable:
    """One variable of Table 1, with what is printed of it."""

    column: str = setting("column of the clinical table, or a derived or joined one")
    label: str = setting("its name and unit as printed; empty: the column's name", "")
    show: Literal["mean-sd", "mean-range", "mean-sd-range", "median-quartiles", "median-range", "counts"] = (
        setting("what is printed: `counts` are counts and percent of classes", "mean-sd")
    )
    test: Literal[
        "student", "welch", "mann-whitney", "pearson", "yates", "fisher", "linear-by-linear", "exact", "none"
    ] = setting("test of the p value, rows taken as independent", "none")  # fmt: skip
    per: Per = setting(_PER, "row")
    classes: tuple[str, ...] = setting("the classes in their order; empty: as they occur", ())
    digits: int = setting("decimal places of means, SDs and ranges", 1)

    def __post_init__(self) -> None:
        counted = self.show == "counts"
        numeric = ("student", "welch", "mann-whitney")
        if self.test != "none" and counted == (self.test in numeric):
            raise UsageError(
                "usage", f"{self.test} does not compare what {self.show} shows", values={"key": "test"},
                todo="Take student, welch or mann-whitney for numbers, another test for counts.",
            )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TableOne:
    """Table 1: the groups at baseline, a column each, as journals print it."""

    numeric: tuple[str, ...] = setting("columns described by mean and SD, without a test", ())
    categorical: tuple[str, ...] = setting("columns described by counts, without a test", ())
    variable: tuple[TableOneVariable, ...] = setting("variables with all that is said of them, in order", ())


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


@dataclass(frozen=True, kw_only=True)
class MatchingPlan:
    """1:1 matching on the propensity score of the first group, and everything again among the pairs."""

    covariates: tuple[str, ...] = setting("columns of the score")
    caliper: float = setting("largest distance of a pair, in units of `scale`", 0.2)
    scale: Literal["probability", "sd-probability", "sd-logit", "none"] = setting(
        "what the caliper is measured in; papers seldom say, and 0.1 differs 14-fold between two of them",
        "sd-logit",
    )
    order: Literal["largest", "smallest", "data", "random", "closest"] = setting(
        "who is matched first", "largest"
    )
    seed: int | None = setting("for `random`", None)
    by: Literal["patient", "row"] = setting("whether patients or rows are matched", "patient")
    weights: tuple[Literal["ate", "att", "overlap"], ...] = setting(
        "weighted analyses of yes-or-no, number and time endpoints beside the matched ones",
        (),
    )
    primary: bool = setting(
        "whether the matched rows give the primary answers, and the whole cohort the sensitivity", False
    )


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """Change classes again, under other choices."""

    thresholds_percent: tuple[float, ...] = setting("thresholds", (10.0, 15.0, 20.0, 25.0, 30.0))
    height_rules: tuple[HeightRuleChoice, ...] = setting("height rules (needs `measurements.csv`)", ())
    readers: tuple[str, ...] = setting("readers", ())
    ignore_guards: bool = setting("also with classes that a guard took away (few slices, changed gap)", False)


@dataclass(frozen=True, kw_only=True)
class ErrorPlan:
    """The error of measurement, and how often every change is measured once more."""

    repeatability: str = setting("`repeatability.json` of `volumetry agreement`, relative to the plan")
    simulations: int = setting("simulations", 1000)
    seed: int = setting("seed of the simulations", 0)

    def __post_init__(self) -> None:
        if not 10 <= self.simulations <= 100_000:
            raise UsageError(
                "invalid-plan",
                "the number of simulations is out of range",
                values={"key": "simulations", "simulations": self.simulations},
                todo="Write a number from 10 to 100,000.",
            )


@dataclass(frozen=True, kw_only=True)
class LiteraturePlan:
    """Published studies, a row per study or arm, beside the study's own rows. Nothing is pooled."""

    file: str = setting("CSV or xlsx of published studies, relative to the plan; its numbers have a point")
    sheet: str = setting("sheet of a workbook; needed where there are several", "")
    outcome: str = setting("the outcome that all share, as tables and figures call it")
    endpoint: str = setting("the yes-or-no endpoint of this plan that is the same")
    study: str = setting("column of the study", "study")
    arm: str = setting("column of the treatment; empty: none", "")
    events: str = setting("column of the number with the outcome", "events")
    n: str = setting("column of how many were followed", "n")
    percent: str = setting("column of the percentage as printed, used where events are not", "")
    show: tuple[str, ...] = setting("further columns that the table shows as they are", ())
    own: dict[str, str] | None = setting("what those say in the study's own rows", None)


@dataclass(frozen=True, kw_only=True)
class SampleSizePlan:
    """A sample size for two proportions."""

    name: str = setting("what it is for")
    p1: float = setting("proportion in the first group")
    p2: float = setting("proportion in the second group")
    alpha: float = setting("significance level", 0.05)
    power: float = setting("power", 0.8)
    sides: Literal["two-sided", "one-sided"] = setting("sidedness", "two-sided")
    method: Literal["normal-pooled", "normal-unpooled", "arcsine", "fleiss", "fisher-exact"] = setting(
        "method", "fisher-exact"
    )
    rows_correlation: float = setting("correlation of two rows of one patient, for the design effect", 0.0)


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


#: Sections of endpoints, in the order of the results.
ENDPOINTS = ("binary", "time_to_event", "continuous", "paired", "categorical", "ordinal", "change")

#: Columns that joining adds to the clinical table.
VOLUME_COLUMNS = (
    "volume_baseline_cm3", "volume_followup_cm3", "volume_change_cm3", "volume_change_percent",
    "change_category", "change_reason", "change_days", "patient_rows", "laterality",
)  # fmt: skip


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
