"""One analysis with its answer, or with the reason why there is none."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from volumetry.errors import StatisticsError, UsageError, VolumetryError, internal_error
from volumetry.outcomes.inputs.joining import Cohort
from volumetry.outcomes.plan import Plan, file_name
from volumetry.outcomes.questions import QUESTIONS, Asked
from volumetry.statistics.result import StatisticResult

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FEW_PATIENTS = 20
"""Below this, cluster-robust errors are said to be too small."""

Role = Literal["description", "published", "recommended", "sensitivity", "check"]


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """One method on one endpoint.

    Attributes
    ----------
    endpoint, kind : str
    role : {"description", "published", "recommended", "sensitivity", "check"}
        Published: the test as papers print it, rows taken as independent. Recommended: the answer, which
        allows for two hips of one patient. Sensitivity: other answers to the same question. Check: whether
        the model of an answer fits.
    id : str
        What is asked, one of `volumetry.outcomes.questions.QUESTIONS`. Programs read this.
    contrast : str
        ``"denosumab - control"``, or one group.
    result : StatisticResult or None
    code, reason : str
        Why there is no result.
    warned : tuple of str
        Warnings that the method gave beyond the result's notes.
    primary : bool
        Whether this is the one answer to the endpoint's question, whose p value is adjusted for the number
        of endpoints; every other recommended method is a sensitivity analysis of it.
    p_adjusted : float or None
    population : str
        Whose rows: ``"all"``, ``"matched"``, or the name of a subgroup.
    subject : str
        Which class or variant of the endpoint is asked about, where it has several.
    detail : str
        What the label adds in words: the horizon, the weights.
    cluster : {"patient", "pair", "pair set"}
        What ``result.n_clusters`` counts.
    better : {"", "more", "less"}
        Which direction of the effect is good for the first group.
    """

    endpoint: str
    kind: str
    role: Role
    id: str
    contrast: str = ""
    result: StatisticResult | None = None
    code: str = ""
    reason: str = ""
    warned: tuple[str, ...] = ()
    primary: bool = False
    p_adjusted: float | None = None
    population: str = "all"
    subject: str = ""
    detail: str = ""
    cluster: str = "patient"
    better: str = ""

    @property
    def asked(self) -> Asked:
        """The question in full."""
        return QUESTIONS[self.id]

    @property
    def what(self) -> str:
        """The question in words. Labels are for people; see `id`."""
        label = " ".join(part for part in (self.asked.label, self.detail) if part)
        return f"{self.subject}: {label}" if self.subject else label

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes of the result and warnings, each once."""
        known = self.result.notes if self.result else ()
        return tuple(dict.fromkeys(_in_words(note, self.cluster) for note in (*known, *self.warned)))


def _in_words(note: str, cluster: str) -> str:
    """Return a note of the statistics with patients or pairs for clusters, whose columns are ours."""
    counted = re.sub(r"(\d+) clusters|few clusters", lambda m: m[0].replace("cluster", cluster), note)
    return re.sub(r" \((column 'patient'|cluster)\)", "", counted)


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure that is drawn when all else is done."""

    name: str
    caption: str
    draw: Callable[[], Figure]


@dataclass(frozen=True, kw_only=True)
class Tidy:
    """A table of results: its name and rows, all with the same columns."""

    name: str
    rows: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Everything that came of one part of the plan."""

    name: str
    kind: str
    population: str = "all"
    analyses: tuple[Analysis, ...] = ()
    tables: tuple[Tidy, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Question:
    """What `ask` needs to name an analysis."""

    endpoint: str
    kind: str
    role: Role
    id: str
    contrast: str = ""
    primary: bool = False
    population: str = "all"
    subject: str = ""
    detail: str = ""
    cluster: str = "patient"
    better: str = ""


@dataclass(frozen=True, kw_only=True)
class Context:
    """Plan and rows, as every endpoint needs them.

    Attributes
    ----------
    plan : Plan
    cohort : Cohort
        The rows that are analysed here: all of them, a subgroup, or those in matched pairs.
    population : str
        What these rows are called: ``"all"``, ``"matched"``, or the name of a subgroup.
    pairs : tuple of str
        The matched pair (or set of pairs that share patients) of each row, its cluster then; else empty.
    cluster : {"patient", "pair", "pair set"}
        What the clusters of these rows are.
    leading : bool
        Whether analyses of these rows give the primary answers of the plan.
    """

    plan: Plan
    cohort: Cohort
    population: str = "all"
    pairs: tuple[str, ...] = ()
    cluster: str = "patient"
    leading: bool = True

    @property
    def clusters(self) -> tuple[str, ...]:
        """The cluster of each row: its pair in matched data, else its patient."""
        return self.pairs or self.cohort.patient

    def subset(
        self,
        rows: Sequence[int],
        population: str,
        *,
        pairs: Sequence[Any] = (),
        cluster: str = "patient",
        leading: bool = False,
    ) -> Context:
        """Return the context of some of the rows."""
        return replace(
            self,
            cohort=self.cohort.take(rows),
            population=population,
            pairs=tuple(f"pair {pair}" for pair in pairs),
            cluster=cluster,
            leading=leading,
        )

    def question(self, endpoint: str, kind: str, role: Role, asks: str, **more: Any) -> Question:
        """Return a question about these rows; of rows that do not lead nothing is more than sensitivity."""
        primary = bool(more.pop("primary", False)) and self.leading
        if role == "recommended" and not self.leading:
            role = "sensitivity"
        return Question(
            endpoint=endpoint,
            kind=kind,
            role=role,
            id=asks,
            contrast=more.pop("contrast", self.contrast),
            primary=primary,
            population=self.population,
            cluster=self.cluster,
            **more,
        )

    def per_unit(
        self, per: str, *columns: str, instead: str = 'per = "row" in the plan', within_groups: bool = False
    ) -> Context:
        """Return the rows themselves, or the first row of each patient where the columns are of the patient.

        `within_groups` counts a patient with rows in both groups once in each; else such a patient is
        refused, as is a column with two values in one patient. `instead` is the way out.

        Raises
        ------
        UsageError
            ``invalid-table`` where a column has two values in one patient, naming both lines.
        """
        if per == "row":
            return self
        cohort, seen, rows = self.cohort, dict[Any, int](), list[int]()
        cells = {name: cohort.table.text(name) for name in columns} | {"group": list(cohort.group)}
        for row, patient in enumerate(cohort.patient):
            first = seen.setdefault((patient, cohort.group[row]) if within_groups else patient, row)
            if first == row:
                rows.append(row)
            for name, column in cells.items():
                if column[row] != column[first]:
                    raise UsageError(
                        "invalid-table", f"{name} has two values in one patient", where=cohort.table.name,
                        values={
                            "column": name, "patient": patient,
                            "lines": (cohort.table.lines[first], cohort.table.lines[row]),
                            "cells": (column[first], column[row]),
                        },
                        todo=f"Correct the cells, or analyse rows: {instead}.",
                    )  # fmt: skip
        return replace(
            self,
            cohort=self.cohort.take(rows),
            pairs=tuple(self.pairs[row] for row in rows) if self.pairs else (),
        )

    def drawing_name(self, name: str) -> str:
        """Return the file name of a figure of these rows."""
        return name if self.population == "all" else f"{file_name(self.population)}-{name}"

    @property
    def among(self) -> str:
        """These rows in a caption: empty for all of them."""
        return "" if self.population == "all" else f" ({self.population})"

    @property
    def contrast(self) -> str:
        """The comparison in words."""
        return f"{self.cohort.labels[0]} - {self.cohort.labels[1]}"

    @property
    def level(self) -> float:
        """Confidence level."""
        return self.plan.study.level

    def frame(self, values: Mapping[str, Sequence[Any]], covariates: Sequence[str] = ()) -> pd.DataFrame:
        """Return a table of ``patient``, ``group``, ``first`` (1 or 0), the values and the covariates.

        Covariates whose every cell is a number are numbers; others are text.
        """
        import pandas as pd

        columns: dict[str, Any] = {
            "patient": list(self.clusters),
            "group": pd.Categorical(self.cohort.group, categories=list(self.cohort.labels)),
            "first": [int(first) for first in self.cohort.first],
            **{name: list(cells) for name, cells in values.items()},
        }
        for name in covariates:
            columns[name] = self.covariate(name)
        return pd.DataFrame(columns)

    def require_groups(self, frame: pd.DataFrame, columns: Sequence[str]) -> None:
        """Refuse a comparison of which one group has no complete row.

        Raises
        ------
        StatisticsError
            ``not-estimable``, naming the group.
        """
        known = set(frame.dropna(subset=list(columns))["group"])
        for label in self.cohort.labels:
            if label not in known:
                raise StatisticsError(
                    "not-estimable", f"the group {label} is empty", values={"columns": ", ".join(columns)},
                    todo="Look at what is missing.",
                )  # fmt: skip

    def covariate(self, name: str) -> list[Any]:
        """Return a column as numbers if it holds nothing else, else as text."""
        table = self.cohort.table
        if table.is_numeric(name):
            return [float("nan") if value is None else value for value in table.numbers(name)]
        return list(table.text(name))


def columns_of(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """Return the columns of a data frame by name."""
    return {str(name): frame[name].tolist() for name in frame.columns}


def ask(question: Question, answer: Callable[[], StatisticResult]) -> Analysis:
    """Run a method; what the data do not determine becomes the analysis's reason, and the others go on."""
    known = asdict(question)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = answer()
        except VolumetryError as error:
            return Analysis(**known, code=error.code, reason=error.message)
        except (ArithmeticError, LookupError, ValueError) as fault:
            # A fault in one method is no reason to lose the others.
            internal = internal_error(fault)
            return Analysis(**known, code=internal.code, reason=internal.message)
    from volumetry.statistics.clusters import ClusteredDataWarning

    warned = [str(w.message) for w in caught if not issubclass(w.category, ClusteredDataWarning)]
    clustered = question.role in ("recommended", "sensitivity") and result.n_clusters is not None
    if clustered and (result.n_clusters or 0) < FEW_PATIENTS:
        warned.append(f"{result.n_clusters} {question.cluster}s are too few for errors that rest on clusters")
    return Analysis(**known, result=result, warned=tuple(dict.fromkeys(warned)))


def adjusted(analyses: Sequence[Analysis], method: str) -> list[Analysis]:
    """Return the analyses with the primary p values adjusted for their number."""
    from volumetry.statistics.planning.multiplicity import adjust_p_values

    if method == "none":
        return list(analyses)
    primary = [a for a in analyses if a.primary]
    p_values = [a.result.p_value if a.result else None for a in primary]
    answers = dict(
        zip(map(id, primary), adjust_p_values(p_values, method=method), strict=True)  # type: ignore[arg-type]
    )
    return [replace(a, p_adjusted=answers.get(id(a))) for a in analyses]
