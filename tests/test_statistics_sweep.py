"""Random hostile calls of every public function: an answer, or an error that names what is wrong.

1,000 calls in every run, 20,000 with ``make prove``.
"""

from __future__ import annotations

import inspect
import math
import os
import warnings
from collections.abc import Callable
from dataclasses import is_dataclass
from datetime import date
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd
import pytest

import volumetry.statistics as vs
from volumetry.errors import VolumetryError

PROVE = os.environ.get("VOLUMETRY_PROVE") == "1"
CALLS = 20_000 if PROVE else 1_000
FUNCTIONS = [name for name in vs.__all__ if inspect.isfunction(getattr(vs, name))]
CALLS_EACH = math.ceil(CALLS / len(FUNCTIONS))

NUMBERS = ("n0", "n1", "n2", "n3", "n4", "n5", "n6")
LABELS = ("g1", "g2", "g3", "g4")
SCALARS = (0, 1, -1, 2, 5, 0.5, 0.05, 1e-300, 1e300, math.inf, math.nan, "text", None, True, 100)


def hostile_table(rng: np.random.Generator) -> pd.DataFrame:
    """Columns tied, constant, infinite, missing, separated, text; 0, 1, 2, 3, 8 or 30 rows."""
    n = int(rng.choice([0, 1, 2, 3, 8, 30, 30]))
    event = rng.integers(0, 2, n)
    infinite = rng.normal(size=n)
    infinite[: n // 4] = rng.choice([np.inf, np.nan, 1e200])
    columns: dict[str, Any] = {
        "n0": rng.normal(size=n),
        "n1": np.ones(n),
        "n2": event,
        "n3": rng.integers(0, 4, n) * 10.0 ** int(rng.choice([-300, -9, 0, 9, 90])),
        "n4": infinite,
        "n5": event * 2.0 - 1 + rng.normal(size=n) * 0.01,
        "n6": rng.integers(1, 20, n) / 2,
        "g1": rng.choice(["a", "b"], n),
        "g2": ["a"] * n,
        "g3": pd.Series(rng.choice(["a", "b", "c"], n), dtype="object").mask(rng.random(n) < 0.2),
        "g4": np.arange(n) // int(rng.integers(1, 4)),
        "patient": np.arange(n) // 2,
        "text": rng.choice(["1.5", "?", ""], n),
    }
    return pd.DataFrame(columns)


def pick(rng: np.random.Generator, values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


def column(rng: np.random.Generator, table: pd.DataFrame, name: str) -> Any:
    usual = NUMBERS if name not in {"group", "cluster", "strata", "groups", "classes"} else LABELS
    chosen = pick(rng, usual) if rng.random() < 0.85 else pick(rng, (*NUMBERS, *LABELS, "text", "absent"))
    if chosen == "absent" or rng.random() < 0.7:
        return chosen
    values = table[chosen]
    return pick(rng, (values, list(values), values.to_numpy(), values.iloc[:-1]))


def counts(rng: np.random.Generator) -> Any:
    shape = pick(rng, ((2, 2), (2, 3), (3, 2), (1, 2), (0, 0), (3, 3)))
    table = rng.integers(0, int(rng.choice([1, 2, 20])), shape).tolist()
    return pick(
        rng,
        (table, table, table, np.asarray(table), [["a", 1], [2, 3]], [[-1, 2], [3, 4]], [[0.5, 2], [1, 1]]),
    )


def of_type(rng: np.random.Generator, name: str, hint: Any, table: pd.DataFrame) -> Any:
    """Return a value for a parameter: often of the right kind, sometimes not."""
    if rng.random() < 0.04:
        return pick(rng, SCALARS)
    if get_origin(hint) is Literal:
        return pick(rng, (*get_args(hint), "nonsense") if rng.random() < 0.1 else get_args(hint))
    special: dict[str, Callable[[], Any]] = {
        "data": lambda: table,
        "table": lambda: counts(rng),
        "tau": lambda: pick(rng, (0.0, 1, 3.5, 1e9, -1)),
        "level": lambda: pick(rng, (0.95, 0.95, 0.5, 0, 1)),
        "levels": lambda: pick(rng, (("a", "b"), ("b", "a"), ("a", "z"), ("a",), None)),
        "classes": lambda: pick(rng, (["a", "b", "c"], [0, 1], [], ["a"])),
        "covariates": lambda: [column(rng, table.head(0), "x") for _ in range(int(rng.integers(0, 4)))],
        "score": lambda: vs.propensity_score("n2", ["n0"], data=table),
        "p_values": lambda: [pick(rng, (0.1, 0.0, 1.0, None, "a", 2, math.nan)) for _ in range(3)],
        "ratings": lambda: pick(rng, (["n0", "n6"], table[["n3", "n4"]], [[1, 2], [3]], [])),
        "reads": lambda: pick(rng, (["n6", "n6"], table[["n3", "n6"]], [[1, 2], [3]], [])),
        "group_levels": lambda: pick(rng, (["a", "b"], ["a", "b", "c"], [])),
        "class_levels": lambda: pick(rng, (["a", "b"], ["a", "b", "c"], [0, 1])),
        "probabilities": lambda: pick(rng, ((0.5,), (2,), ("a",), ())),
        "printed": lambda: pick(rng, ("13.1", "<0.001", "x", "", "16.0")),
        "points_mm": lambda: rng.normal(size=(int(rng.integers(0, 5)), 2)),
        "items": lambda: [pick(rng, (0, 1, 4, 5, -1, "a"))] * int(pick(rng, (24, 3))),
    }
    if name == "classes" and "Sequence" not in str(hint):
        return column(rng, table, name)
    if name in special:
        return special[name]()
    return by_kind(rng, name, hint, table)


def by_kind(rng: np.random.Generator, name: str, hint: Any, table: pd.DataFrame) -> Any:
    if hint in (vs.StatisticResult, vs.CoxFit) or name == "model":
        return vs.cox_regression("n6", "n2", ["n0"], data=table)
    if name == "matching":
        score = vs.propensity_score("n2", ["n0"], data=table)
        return vs.match_pairs(score, vs.MatchOptions(caliper=1.0, scale="sd-logit"))
    known: dict[Any, Callable[[], Any]] = {
        float: lambda: float(pick(rng, (0, 1, 0.4, 0.2, 12, -3, 1e-300, 1e90))),
        int: lambda: int(pick(rng, (0, 1, 2, 7, 40, -1))),
        bool: lambda: bool(rng.integers(2)),
        str: lambda: pick(rng, ("13.1", "a", "", *NUMBERS)),
        date: lambda: date(2020, 1, int(rng.integers(1, 28))),
        vs.SampleSummary: lambda: vs.SampleSummary(
            mean=float(rng.normal()), sd=pick(rng, (0.0, 1.0, 1e-200)), n=int(rng.integers(0, 5))
        ),
        vs.MatchOptions: lambda: vs.MatchOptions(
            caliper=pick(rng, (0.0, 0.1, -1.0, math.nan)),
            scale=pick(rng, ("probability", "none", "sd-logit")),
        ),
    }
    if hint in known:
        return known[hint]()
    text = str(hint)
    if "Iterable" in text or "ndarray" in text:
        return column(rng, table, name)
    if is_dataclass(hint):
        return built(rng, hint, table)
    options = [part for part in get_args(hint) if part is not type(None)]
    if options and get_origin(hint) not in (tuple, dict):
        return of_type(rng, name, options[0], table)
    return pick(rng, ((), [], {}, [1, 2], (1, 2), "a", None))


def built(rng: np.random.Generator, kind: Any, table: pd.DataFrame) -> Any:
    """Return a dataclass with random fields; one that refuses them is an answer, too."""
    hints = get_type_hints(kind)
    return kind(**{name: of_type(rng, name, hint, table) for name, hint in hints.items()})


def arguments(rng: np.random.Generator, function: Any, table: pd.DataFrame) -> dict[str, Any]:
    hints = get_type_hints(function)
    given = {}
    for name, parameter in inspect.signature(function).parameters.items():
        optional = parameter.default is not inspect.Parameter.empty
        if name == "table" and "Mapping" in str(hints[name]):
            given[name] = table
        elif name == "data" or not optional or rng.random() < 0.3:
            given[name] = of_type(rng, name, hints[name], table)
    return given


def undeclared(result: Any) -> list[str]:
    """Return the numbers of a result that are NaN: none may be."""
    if not isinstance(result, vs.StatisticResult):
        return ["value"] if isinstance(result, float) and math.isnan(result) else []
    numbers = {"statistic": result.statistic, "p_value": result.p_value}
    for estimate in result.estimates:
        for name in ("value", "ci_low", "ci_high", "standard_error", "statistic", "p_value"):
            numbers[f"{estimate.name}.{name}"] = getattr(estimate, name)
    wrong = [name for name, value in numbers.items() if value is not None and math.isnan(value)]
    p = result.p_value
    return wrong + ([f"p {p}"] if p is not None and not 0 <= p <= 1 else [])


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.prove) for name in FUNCTIONS])
def test_hostile_calls_get_an_answer_or_a_named_error(name: str) -> None:
    function = getattr(vs, name)
    for number in range(CALLS_EACH):
        rng = np.random.default_rng([number, *name.encode()])
        table = hostile_table(rng)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", vs.ClusteredDataWarning)
            given: Any = "arguments that were refused"
            try:
                given = arguments(rng, function, table)
                result = function(**given)
            except VolumetryError:
                continue
            except Exception as error:
                raise AssertionError(f"{name}, call {number}: {type(error).__name__} for {given}") from error
        assert undeclared(result) == [], f"{name}, call {number}: {given}"
