"""What every statistics function answers with: the estimate, its interval, and how it was got.

Every result can be pickled, copied and given to `dataclasses.asdict`; `Result.to_frame` is its numbers as a
tidy table, and its repr fits on a screen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from html import escape
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_LINES, _WIDTH, _NOTES = 12, 100, 3
"""What a repr shows at most: rows, characters of a line, notes."""


class Details(dict[str, Any]):
    """The extras of a result: a dictionary that cannot be changed, so that a result stays what it was."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("the details of a result cannot be changed")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[Details], tuple[dict[str, Any]]]:
        return Details, (dict(self),)


class Result:
    """What the results of the statistics share: a table, a short text, and HTML for notebooks."""

    def to_frame(self) -> pd.DataFrame:
        """Return the numbers as a tidy table.

        Returns
        -------
        DataFrame
            One row for each row, pair or time that the result holds; one row in all where it holds none.
        """
        import pandas as pd

        values = {item.name: getattr(self, item.name) for item in fields(self)}  # type: ignore[arg-type]
        rows = values.get("rows")
        if isinstance(rows, tuple) and rows and is_dataclass(rows[0]):
            return pd.DataFrame([_cells(row) for row in rows])
        columns = {
            name: value for name, value in values.items() if isinstance(value, np.ndarray) and value.ndim == 1
        }
        length = max((len(value) for value in columns.values()), default=-1)
        if length < 0:
            return pd.DataFrame([_cells(self)])
        kept = {name: value for name, value in values.items() if _is_label(value)}
        kept |= {name: value for name, value in columns.items() if len(value) == length}
        return pd.DataFrame({name: kept[name] for name in values if name in kept}, index=range(length))

    def summary(self) -> pd.DataFrame:
        """Return the table that says most in least: for most results that of `to_frame`."""
        return self.to_frame()

    def __str__(self) -> str:
        return _clip([type(self).__name__, *_table_lines(self.to_frame())])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        lead = "".join(f"<div>{escape(line)}</div>" for line in self._lead())
        frame = self.to_frame()
        more = f"<div>{len(frame) - 60} more rows: to_frame()</div>" if len(frame) > 60 else ""
        return f"{lead}{frame.head(60).to_html(index=False, na_rep='')}{more}"

    def _lead(self) -> list[str]:
        return [type(self).__name__]


def _is_label(value: Any) -> bool:
    return value is None or isinstance(value, str | bool | int | float | np.generic)


def _cells(row: Any) -> dict[str, Any]:
    """Return the fields of a dataclass as cells; whatever is no plain value as text."""
    cells = {}
    for item in fields(row):
        value = getattr(row, item.name)
        cells[item.name] = value if _is_label(value) else _cell_text(value)
    return cells


def _cell_text(value: Any) -> str:
    if isinstance(value, tuple | list):
        return "; ".join(map(str, value))
    return type(value).__name__ if isinstance(value, np.ndarray) else str(value)


def _table_lines(frame: pd.DataFrame) -> list[str]:
    """Return the first rows of a table as lines of text, without the columns that are empty."""
    shown = frame.head(_LINES).dropna(axis="columns", how="all")
    shown = shown.loc[:, [not (shown[column] == "").all() for column in shown]]
    if shown.empty:
        return ["(no rows)"]
    text = shown.to_string(index=False, na_rep="", float_format=lambda value: f"{value:.6g}")
    more = [f"... {len(frame) - _LINES} more rows: to_frame()"] if len(frame) > _LINES else []
    return [*text.splitlines(), *more]


def _clip(lines: list[str]) -> str:
    """Return lines that fit on a screen: long ones are cut."""
    cut = [line if len(line) <= _WIDTH else f"{line[: _WIDTH - 3]}..." for line in lines]
    return "\n".join(cut)


@dataclass(frozen=True, kw_only=True, repr=False)
class Estimate(Result):
    """One estimated quantity with its confidence interval.

    Attributes
    ----------
    name : str
        What is estimated, for example ``"odds ratio"`` or a covariate's name.
    value : float
    ci_low, ci_high : float or None
        Confidence limits; None where the method gives none (the result's notes say why).
    level : float
        Confidence level of the interval.
    unit : str
        ``"%"``, ``"cm3"``, ``"points"``; empty for ratios and proportions.
    standard_error, statistic, p_value : float or None
        Of this quantity alone, where the method gives them.

    Examples
    --------
    >>> result = vs.compare_groups(hips, 'age', group='arm', levels=('drug', 'none'), cluster='patient')
    >>> [estimate.name for estimate in result.estimates]
    ['mean difference']
    """

    name: str
    value: float
    ci_low: float | None = None
    ci_high: float | None = None
    level: float = 0.95
    unit: str = ""
    standard_error: float | None = None
    statistic: float | None = None
    p_value: float | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class StatisticResult(Result):
    """The answer of one statistical method, with everything a methods section must say.

    Attributes
    ----------
    method : str
        The method's full name, for example ``"Fisher's exact test"``.
    estimates : tuple of Estimate
        Effects with their intervals, the main one first.
    statistic, df, p_value : float or None
        Of the test as a whole. `df` may be a pair (numerator, denominator).
    alternative : str
        ``"two-sided"``, ``"less"`` or ``"greater"``; empty where no hypothesis is tested.
    correction : str
        Continuity, small-sample or multiplicity correction; ``"none"`` where there is none.
    ties : str
        How ties were handled; empty where there can be none.
    n_used, n_missing : int
        Rows used, and rows left out for a missing value.
    n_clusters : int or None
        Number of clusters (patients), None where rows were taken as independent.
    notes : tuple of str
        Warnings in words: clustered data analysed as independent, sparse cells, no convergence.
    details : mapping
        Method-specific extras under documented keys (counts by group, covariance, curves).

    Examples
    --------
    >>> result = vs.compare_proportions(
    ...     'collapse', data=hips, group='arm', cluster='patient', primary='pearson'
    ... )
    >>> result.method, result.n_clusters
    ('Rao-Scott chi-squared test (ratio estimator)', 30)
    """

    method: str
    estimates: tuple[Estimate, ...] = ()
    statistic: float | None = None
    df: float | tuple[float, float] | None = None
    p_value: float | None = None
    alternative: str = ""
    correction: str = "none"
    ties: str = ""
    n_used: int = 0
    n_missing: int = 0
    n_clusters: int | None = None
    notes: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "details", Details(self.details))

    @property
    def estimate(self) -> Estimate:
        """The main estimate."""
        return self.estimates[0]

    def __getitem__(self, name: str) -> Estimate:
        """Return the estimate of that name."""
        for estimate in self.estimates:
            if estimate.name == name:
                return estimate
        raise KeyError(name)

    def to_frame(self) -> pd.DataFrame:
        """Return one row an estimate, with its limits and p-value; the test as a whole where there is none.

        Examples
        --------
        >>> import volumetry.statistics as vs
        >>> vs.proportion(3, 10).to_frame()[["name", "value", "ci_low", "ci_high"]].round(3)
                 name  value  ci_low  ci_high
        0  proportion    0.3   0.108    0.603
        """
        import pandas as pd

        rows = [_cells(estimate) for estimate in self.estimates]
        if not rows:
            whole = Estimate(name=self.method, value=float("nan"))
            rows = [_cells(whole) | {"value": None, "statistic": self.statistic, "p_value": self.p_value}]
        return pd.DataFrame(rows)

    def summary(self) -> pd.DataFrame:
        """Return one row that says how the result was got: method, test, rows used and left out, notes."""
        import pandas as pd

        cells = {item.name: getattr(self, item.name) for item in fields(self)}
        del cells["estimates"], cells["details"]
        cells["df"] = None if self.df is None else _plain_number(self.df)
        return pd.DataFrame([cells | {"notes": "; ".join(self.notes)}])

    def __str__(self) -> str:
        table = _table_lines(self.to_frame().drop(columns="level")) if self.estimates else []
        return _clip([*self._lead(), *table, *self._notes()])

    def _lead(self) -> list[str]:
        clusters = "" if self.n_clusters is None else f", {self.n_clusters} clusters"
        lines = [self.method, f"n = {self.n_used}{clusters}, {self.n_missing} left out for missing values"]
        test = []
        if self.statistic is not None:
            test.append(f"statistic {self.statistic:.6g}")
        if self.df is not None:
            test.append(f"df {_plain_number(self.df)}")
        if self.p_value is not None:
            test.append(f"p = {self.p_value:.4g}")
        if self.alternative:
            test.append(self.alternative)
        return [*lines, *([", ".join(test)] if test else [])]

    def _notes(self) -> list[str]:
        more = len(self.notes) - _NOTES
        notes = [f"note: {note}" for note in self.notes[:_NOTES]]
        return [*notes, *([f"... {more} more notes: .notes"] if more > 0 else [])]


@dataclass(frozen=True, kw_only=True)
class Used:
    """The rows that a method used, as its result must say them.

    Attributes
    ----------
    n_used, n_missing, n_clusters, notes
        As in `StatisticResult`.
    """

    n_used: int
    n_missing: int = 0
    n_clusters: int | None = None
    notes: tuple[str, ...] = ()

    def result(
        self, method: str, test: Estimate | None = None, *, notes: tuple[str, ...] = (), **answer: Any
    ) -> StatisticResult:
        """Return the result of a method on these rows: two-sided, and with these notes behind their own.

        `test` is the estimate whose statistic and p value are those of the whole.
        """
        known: dict[str, Any] = {"n_used": self.n_used, "n_missing": self.n_missing}
        known |= {"n_clusters": self.n_clusters, "alternative": "two-sided"}
        if test is not None:
            known |= {"estimates": (test,), "statistic": test.statistic, "p_value": test.p_value}
        return StatisticResult(method=method, notes=(*self.notes, *notes), **(known | answer))


def _plain_number(df: float | tuple[float, float]) -> str:
    return ", ".join(f"{part:.6g}" for part in (df if isinstance(df, tuple) else (df,)))
