"""What a plan says of rows: groups, volumes, derived columns, and who is analysed."""

# ruff: noqa: RUF009 - `setting` is dataclasses.field with a sentence
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from volumetry.errors import UsageError
from volumetry.files.documents import setting

Unit = Literal["hip", "lesion", "patient"]
Per = Literal["row", "patient"]
Rule = Literal[
    "present", "equals", "one-of", "not", "any", "all", "at-least", "more-than", "classes", "difference",
    "sum", "mean", "max", "min", "percent-change", "days-between", "years-between", "harris-category",
    "good-or-excellent", "collapse-progression", "collapse", "arco-stage", "arco-agrees", "subsidence",
    "nonunion", "bone-density",
]  # fmt: skip
_PER = "`row`; or `patient`: one value a patient, its rows must agree"


@dataclass(frozen=True, kw_only=True)
class Groups:
    """The two groups. Differences and ratios are of the first against the second."""

    column: str = setting("column of the clinical table")
    first: str | int = setting("value of the first (treated) group, as the table writes it")
    second: str | int = setting("value of the second (control) group")
    first_label: str = setting("its name in tables and figures; empty: its value", "")
    second_label: str = setting("its name; empty: its value", "")


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
