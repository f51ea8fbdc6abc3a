"""Further parts of a plan: Table 1, matching, literature, sensitivity, error, sample sizes."""

# ruff: noqa: RUF009 - `setting` is dataclasses.field with a sentence
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from volumetry.errors import UsageError
from volumetry.files.documents import setting
from volumetry.outcomes.plan.rows import _PER, Per
from volumetry.outcomes.plan.tables import Format

HeightRuleChoice = Literal["thickness", "spacing"]


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
    by: Literal["patient", "row"] = setting(
        "whether patients (one group and one value of each covariate a patient) or rows are matched",
        "patient",
    )
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
    simulations: int = setting("simulations; the ordered model is fitted in the first 25 of them", 1000)
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

    file: str = setting("CSV or xlsx of published studies, relative to the plan")
    sheet: str = setting("sheet of a workbook; needed where there are several", "")
    outcome: str = setting("the outcome that all share, as tables and figures call it")
    endpoint: str = setting("the yes-or-no endpoint of this plan that is the same")
    study: str = setting("column of the study", "study")
    arm: str = setting("column of the treatment; empty: none", "")
    events: str = setting("column of the number with the outcome", "events")
    n: str = setting("column of how many were followed", "n")
    percent: str = setting(
        "column of the percentage as printed, with or without its sign; used where events are not", ""
    )
    show: tuple[str, ...] = setting("further columns that the table shows as they are", ())
    own: dict[str, str] | None = setting("what those say in the study's own rows", None)
    delimiter: Literal["", ",", ";", "\t", "|"] = setting("as in `[format]`, of this file", "")
    encoding: Literal["utf-8", "cp1252", "latin-1", "utf-16"] = setting("the same", "utf-8")
    header_line: int = setting("the same", 1)
    decimal: Literal[".", ","] = setting("the same; the clinical table may have another", ".")
    thousands: Literal["", ".", ",", " ", "'"] = setting("the same", "")

    def __post_init__(self) -> None:
        _ = self.form  # which refuses what cannot be

    @property
    def form(self) -> Format:
        """How the file is written."""
        return Format(
            delimiter=self.delimiter, encoding=self.encoding, header_line=self.header_line,
            decimal=self.decimal, thousands=self.thousands,
        )  # fmt: skip


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
