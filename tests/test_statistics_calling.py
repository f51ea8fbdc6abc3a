"""One calling style: columns by name with ``data=``, or as values, in every function that takes columns."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import warnings
from typing import Any, get_type_hints

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

import volumetry.clinical as vc
import volumetry.statistics as vs
from volumetry.statistics.types import Column, Table

sys.path.insert(0, str(ROOT / "docs"))
from statistics_examples import EXAMPLES, SETUP

FUNCTIONS = {name: getattr(vs, name) for name in vs.__all__ if inspect.isfunction(getattr(vs, name))}
WITH_DATA = [name for name, function in FUNCTIONS.items() if "data" in inspect.signature(function).parameters]
#: Tables of counts and a single column of weights: there is nothing to look up in a table.
WITHOUT_DATA = {
    "cohen_kappa", "contingency_test", "effective_size", "linear_by_linear_test", "mann_whitney_on_classes",
    "two_by_two",
}  # fmt: skip


def hinted(function: Any, kind: Any) -> set[str]:
    return {name for name, hint in get_type_hints(function).items() if hint in (kind, kind | None)}


def test_what_takes_columns_takes_a_table() -> None:
    lacking = {name for name, f in FUNCTIONS.items() if hinted(f, Column)} - set(WITH_DATA)
    assert lacking == WITHOUT_DATA


@pytest.mark.parametrize("name", FUNCTIONS)
def test_shared_parameters_look_the_same_everywhere(name: str) -> None:
    """The table, the cluster, the level and the options are given by name, and mean the same in each."""
    parameters = inspect.signature(FUNCTIONS[name]).parameters
    hints = get_type_hints(FUNCTIONS[name])
    for shared in ("data", "cluster", "level", "options", "levels", "alternative"):
        if shared in parameters and name not in ("check_clusters", "match_pairs"):
            assert parameters[shared].kind is inspect.Parameter.KEYWORD_ONLY, shared
    if "data" in parameters:
        assert parameters["data"].default is None
        assert hints["data"] == Table | None
    if "level" in parameters:
        assert parameters["level"].default == 0.95
    if "levels" in parameters and "data" in parameters:
        assert parameters["levels"].default is None


def flat(value: Any, path: str = "") -> dict[str, Any]:
    if dataclasses.is_dataclass(value):
        parts = {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
    elif isinstance(value, dict):
        parts = value
    elif isinstance(value, tuple | list):
        parts = {str(place): part for place, part in enumerate(value)}
    else:
        return {path: np.asarray(value).tolist()}
    return {key: v for name, part in parts.items() for key, v in flat(part, f"{path}.{name}").items()}


def as_values(given: Any, data: pd.DataFrame) -> Any:
    """Return a column's values for its name, columns by name for names; anything else as it is."""
    if isinstance(given, str) and given in data.columns:
        return data[given].to_numpy()
    if isinstance(given, list) and given and all(isinstance(n, str) and n in data.columns for n in given):
        return {name: data[name].to_numpy() for name in given}
    return given


@pytest.mark.parametrize("name", WITH_DATA)
def test_names_and_values_give_one_answer(name: str) -> None:
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    class Recorder:
        def __getattr__(self, asked: str) -> Any:
            def record(*args: Any, **kwargs: Any) -> Any:
                calls.append((args, kwargs))
                return FUNCTIONS[name](*args, **kwargs)

            return record if asked == name else getattr(vs, asked)

    namespace: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vs.ClusteredDataWarning)
        exec(SETUP, namespace)
        namespace |= {"vs": Recorder(), "vc": vc}
        exec(EXAMPLES[name], namespace)
        args, kwargs = calls[-1]
        bound = inspect.signature(FUNCTIONS[name]).bind(*args, **kwargs)
        data = bound.arguments.pop("data", None)
        if data is None:  # an example of values: the same by name
            columns = {
                key: list(bound.arguments[key])
                for key in hinted(FUNCTIONS[name], Column) & {*bound.arguments}
            }
            data = pd.DataFrame(columns)
            args, kwargs = (), dict(bound.arguments) | {key: key for key in columns} | {"data": data}
            bound = inspect.signature(FUNCTIONS[name]).bind(**kwargs)
            del bound.arguments["data"]
        values = {key: as_values(given, data) for key, given in bound.arguments.items()}
        if name in ("icc", "repeatability"):
            values |= {
                key: np.column_stack(list(v.values())) for key, v in values.items() if isinstance(v, dict)
            }
        by_name, by_value = FUNCTIONS[name](*args, **kwargs), FUNCTIONS[name](**values)
    one, other = (
        {key: v for key, v in flat(answer).items() if ".notes." not in key} for answer in (by_name, by_value)
    )
    assert one.keys() == other.keys()
    for key, value in one.items():
        if isinstance(value, str):
            continue  # names of columns may stand in words
        np.testing.assert_equal(other[key], value, err_msg=key)
