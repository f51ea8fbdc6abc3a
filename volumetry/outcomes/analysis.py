"""One analysis with its answer, or with the reason why there is none."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from volumetry.errors import StatisticsError, VolumetryError, internal_error
from volumetry.outcomes.joining import Cohort
from volumetry.outcomes.plan import Plan
from volumetry.statistics.result import StatisticResult

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FEW_PATIENTS = 20
"""Below this, cluster-robust errors are said to be too small."""

Role = Literal["description", "published", "recommended", "sensitivity"]


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """One method on one endpoint.

    Attributes
    ----------
    endpoint, kind : str
    role : {"description", "published", "recommended", "sensitivity"}
        Published: the test as papers print it, rows taken as independent. Recommended: what allows for two
        hips of one patient.
    what : str
        What is asked: ``"odds ratio, adjusted"``.
    contrast : str
        ``"denosumab - control"``, or one group.
    result : StatisticResult or None
    code, reason : str
        Why there is no result.
    warned : tuple of str
        Warnings that the method gave beyond the result's notes.
    primary : bool
        Whether this is the endpoint's recommended p value, the one that is adjusted for their number.
    p_adjusted : float or None
    """

    endpoint: str
    kind: str
    role: Role
    what: str
    contrast: str
    result: StatisticResult | None = None
    code: str = ""
    reason: str = ""
    warned: tuple[str, ...] = ()
    primary: bool = False
    p_adjusted: float | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes of the result and warnings, each once."""
        known = self.result.notes if self.result else ()
        return tuple(dict.fromkeys((*known, *self.warned)))


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
    what: str
    contrast: str = ""
    primary: bool = False


@dataclass(frozen=True, kw_only=True)
class Context:
    """Plan and cohort, as every endpoint needs them."""

    plan: Plan
    cohort: Cohort
    extra: dict[str, Sequence[Any]] = field(default_factory=dict)

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
            "patient": list(self.cohort.patient),
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
    if question.role == "recommended" and result.n_clusters is not None and result.n_clusters < FEW_PATIENTS:
        warned.append(f"{result.n_clusters} patients are too few for errors that rest on clusters")
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
