"""Random hostile calls of every public function: an answer, or an error that names what is wrong.

1,000 calls in every run, 20,000 with ``make prove``. Every second call has arguments of the right kind
on awkward data (ties, constants, separation, few rows), so that it comes as far as the computation.
"""

from __future__ import annotations

import inspect
import math
import os
import warnings
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import date
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd
import pytest

import volumetry.statistics as vs
from volumetry.errors import VolumetryError

PROVE = os.environ.get("VOLUMETRY_PROVE") == "1"
pytestmark = pytest.mark.timeout(1800 if PROVE else 300)  # a proof is run beside others, and paused by them
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
        "category": rng.choice(["increase", "no_change", "decrease", ""], n),
        "reason": rng.choice(["no follow-up", ""], n),
        "baseline_volume_mm3": rng.integers(0, 5, n) * 100.0,
        "followup_volume_mm3": rng.integers(0, 5, n) * 100.0,
    }
    return pd.DataFrame(columns)


#: What a parameter of this name is given in the calls of the right kind: columns, mostly.
PLAUSIBLE: dict[str, tuple[Any, ...]] = {
    "duration": ("n6", "n6", "n1", "n3"),
    "event": ("n2", "n2", "n2", "n1"),
    "outcome": ("n2", "n2", "n0", "n6", "n5"),
    "treated": ("n2",),
    "covariates": (["n0"], ["n0", "n6"], ["n5"], ["n3", "g1"], ["n1"], ["g3"], ["n0", "g1", "n6"]),
    "strata": ("g1", "g3", None),
    "cluster": ("patient", "g4", "g2", None, None),
    "weights": ("n6", "n1", None),
    "first": ("n0", "n6", "n3", "n1", "n2"),
    "values": ("n0", "n6", "n3", "n1"),
    "baseline": ("n6", "n3", "n1"),
    "followup": ("n6", "n3", "n1"),
    "left": ("n6", "n1"),
    "right": ("n6", "n3"),
    "unit": ("g4", "patient"),
    "groups": ("g1", "g2"),
    "group_levels": (["a", "b"],),
    "class_levels": (["a", "b", "c"],),
    "p_values": ([0.1, 0.2, None], [1.0], [], [0.0, 0.5, 0.5, 1e-9]),
    "ratings": (["n0", "n6"], ["n6", "n3", "n1"], ["n1", "n1"]),
    "reads": (["n6", "n6"], ["n6", "n3"], ["n6", "n1"]),
    "cluster_sizes": ([1, 2, 2], [1], [5, 5]),
    "sizes": ([75, 75], [10, 20]),
    "parts": ([1, 2, 3],),
    "items": ([0] * 24, [1, 2, 3] * 8),
    "printed": ("13.1", "50", "0", "100"),
    "printed_p": ("0.04", "<0.001", "1", ""),
    "read": ("II", "3a", "IV"),
    "item": ("age",),
    "value": ("n0", "n6", "n1"),
    "numeric": (["n0"], ["n0", "n1", "n6"], []),
    "categorical": (["g1"], ["g3", "g2"], []),
    "test": ("welch", "student", "mann-whitney", "fisher"),
    "baseline_mm": ({"ap": 1.0, "lateral": 0.0}, {"ap": 2.0}),
    "followup_mm": ({"ap": 3.0, "lateral": 2.0}, {"lateral": 2.0}),
    "tau": (1, 3.5, 9.0),
    "level": (0.95, 0.5, 0.999),
    "options": (None,),
    "p1": (0.2, 0.4, 0.0),
    "p2": (0.5, 0.3, 1.0),
    "alpha": (0.05, 0.01),
    "hazard_ratio": (0.6, 2.0, 1.0),
    "effect_size": (0.5, 2.0, 0.0),
    "correlation": (0.5, -1.0, 1.0),
    "p_value": (0.04, 0.5),
    "printed_n": (100, 3),
    "icc": (0.1, 1.0),
    "design_effect": (1.0, 1.5),
    "largest": ((40, 40), (5, 8)),
    "classes": (["a", "b", "c"],),
}
#: The same where the function decides.
BY_FUNCTION: dict[tuple[str, str], tuple[Any, ...]] = {
    ("compare_classes", "classes"): ("g3",),
    ("cross_tabulate", "classes"): ("g3",),
    ("proportional_odds", "first"): ("g3",),
    ("cohen_kappa_of_readers", "first"): ("g3", "g1"),
    ("cohen_kappa_of_readers", "second"): ("g3", "g1"),
    ("compare_proportions", "first"): ("n2", "n2", "n1"),
    ("tables_behind_shares", "printed"): (("50", "25"), ("0", "100")),
    ("good_or_excellent_share", "totals"): ([95.0, 70.0, None], [], [80.0]),
    ("power_two_proportions", "power"): (0.8, None),
    ("power_t_test", "power"): (0.8, None),
    ("power_log_rank", "power"): (0.8, None),
    ("power_two_proportions", "n"): (None, 40, (20, 40)),
    ("power_t_test", "n"): (None, 40, (20, 40)),
    ("power_log_rank", "events"): (None, 40.0),
    ("audit_sample_size", "power"): (0.8,),
    ("audit_percentage", "n"): (40,),
}


def plausible(
    rng: np.random.Generator, function: str, name: str, hint: Any, table: pd.DataFrame
) -> tuple[bool, Any]:
    """Return whether there is a value of the right kind for a parameter, and the value."""
    if name == "data" or (name in ("table", "changes") and hint_is_table(hint)):
        return True, table
    if (function, name) in BY_FUNCTION:
        return True, pick(rng, BY_FUNCTION[function, name])
    if name == "table":
        shape = (2, 2) if rng.random() < 0.6 else (3, 3)
        return True, rng.integers(0, int(rng.choice([2, 20])), shape).tolist()
    if name in ("group", "levels"):
        chosen = {"group": ("g1", "g1", "g2", "g3"), "levels": (("a", "b"), ("b", "a"))}[name]
        return True, pick(rng, chosen)
    if name == "value" and hint is not str:
        return False, None
    if name == "options" and rng.random() < 0.7:
        return False, None
    if name in PLAUSIBLE and "Printed" not in str(hint) and "Summary" not in str(hint):
        return True, pick(rng, PLAUSIBLE[name])
    kind = str(hint)
    if "PrintedSummary" in kind:
        one = vs.PrintedSummary(mean=printed(rng), sd=printed(rng), n=int(rng.integers(1, 40)))
        return True, [one, one] if "Sequence" in kind else one
    if hint is vs.Printed:
        return True, printed(rng)
    if hint is vs.SampleSummary:
        sd = float(pick(rng, (0.0, 1.0, 2.5)))
        return True, vs.SampleSummary(mean=float(rng.normal()), sd=sd, n=int(rng.integers(1, 40)))
    return False, None


def hint_is_table(hint: Any) -> bool:
    return "DataFrame" in str(hint) or "Mapping" in str(hint)


def printed(rng: np.random.Generator) -> vs.Printed:
    return vs.Printed.of(f"{rng.integers(0, 200) / 10:.1f}")


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


def arguments(rng: np.random.Generator, function: Any, table: pd.DataFrame, *, right: bool) -> dict[str, Any]:
    """Return arguments for a call; of the right kind where `right` and where a kind is known."""
    hints = get_type_hints(function)
    parameters = inspect.signature(function).parameters
    grouped = right and {"second", "group"} <= set(parameters)
    given = {}
    for name, parameter in parameters.items():
        optional = parameter.default is not inspect.Parameter.empty
        if grouped and name == "second":
            continue
        if right and (not optional or name in ("data", "group", "level") or rng.random() < 0.4):
            known, value = plausible(rng, function.__name__, name, hints[name], table)
            if known:
                given[name] = value
                continue
        if name == "table" and "Mapping" in str(hints[name]):
            given[name] = table
        elif name == "data" or not optional or rng.random() < (0.1 if right else 0.3):
            given[name] = of_type(rng, name, hints[name], table)
    return given


def undeclared(result: Any, path: str = "result") -> list[str]:
    """Return the numbers of a result that are NaN, and the p values outside 0 to 1: there may be none.

    Arrays are left out: a curve has no limits where it is 0, a row left out has no weight, and both are said.
    """
    if isinstance(result, float):
        wrong = math.isnan(result) or (path.endswith("p_value") and not 0 <= result <= 1)
        return [f"{path} {result}"] if wrong else []
    if is_dataclass(result):
        parts = {item.name: getattr(result, item.name) for item in fields(result)}
    elif isinstance(result, dict):
        parts = result
    elif isinstance(result, tuple | list):
        parts = dict(enumerate(result))
    else:
        return []
    return [entry for name, part in parts.items() for entry in undeclared(part, f"{path}.{name}")]


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
                given = arguments(rng, function, table, right=number % 2 == 1)
                result = function(**given)
            except VolumetryError:
                continue
            except Exception as error:
                raise AssertionError(f"{name}, call {number}: {type(error).__name__} for {given}") from error
        assert undeclared(result) == [], f"{name}, call {number}: {given}"
