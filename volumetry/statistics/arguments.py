"""Arguments held against the types that a function declares: a wrong one is named, and not computed with.

`checked` reads a function's annotations once. Numbers must be finite numbers, choices one of the choices,
results of the kind that is asked for. Columns are read, and refused, by `volumetry.statistics.rows`.
"""

from __future__ import annotations

import functools
import inspect
import math
import types
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from numbers import Integral, Real
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd

from volumetry.errors import UsageError
from volumetry.statistics.rows import LARGEST, is_missing

# Dataclasses that callers fill in: their fields are checked, too. What a function answered needs no check.
_INPUTS = {"SampleSummary", "Printed", "PrintedSummary", "HipFindings", "HipFollowUp", "Threshold"}

Function = TypeVar("Function", bound=Callable[..., Any])


def checked(function: Function) -> Function:
    """Return the function with its arguments checked against its annotations."""
    signature = inspect.signature(function)
    parameters = list(signature.parameters)

    @functools.wraps(function)
    def checking(*args: Any, **kwargs: Any) -> Any:
        hints = _hints(function)
        for name, value in (*zip(parameters, args, strict=False), *kwargs.items()):
            if name in hints:
                check_argument(name, value, hints[name])
        return function(*args, **kwargs)

    return checking  # type: ignore[return-value]


@functools.cache
def _hints(annotated: Any) -> dict[str, Any]:
    return get_type_hints(annotated)


def check_argument(name: str, value: Any, hint: Any, *, in_options: bool = False) -> None:
    """Refuse a value that is not of the declared type."""
    problem = _problem(value, hint)
    if problem:
        raise UsageError("usage", f"{name} {problem}")
    if not in_options and isinstance(value, float) and abs(value) > LARGEST:
        raise UsageError("usage", f"{name} is infinite or too large", values={name: value})
    if name == "level" and hint is float and not 0 < value < 1:
        raise UsageError("usage", "the confidence level lies between 0 and 1", values={"level": value})
    kind = type(value).__name__
    if is_dataclass(value) and not isinstance(value, type) and (kind.endswith("Options") or kind in _INPUTS):
        for item, declared in _hints(type(value)).items():
            within = getattr(value, item)
            check_argument(item, within, declared, in_options=kind.endswith("Options"))


def _problem(value: Any, hint: Any) -> str:
    """Say what is wrong with a value, or nothing."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        problems = [_problem(value, part) for part in parts]
        return "" if "" in problems else problems[0]
    if origin is Literal:
        if isinstance(value, Hashable) and value in parts:
            return ""
        return f"{_shown(value)} is not known. Choose one of: {', '.join(map(str, parts))}"
    if origin is tuple:
        return _tuple_problem(value, parts)
    if origin in (Sequence, Iterable, Mapping):
        return _items_problem(value, origin, parts)
    return _plain_problem(value, hint)


def _plain_problem(value: Any, hint: Any) -> str:
    if hint is type(None):
        return "" if value is None else f"is {_shown(value)} and not None"
    if hint is float:
        return "" if _is_number(value) else f"must be a number, and is {_shown(value)}"
    if hint is int:
        whole = _is_number(value) and isinstance(value, Integral)
        return "" if whole else f"must be a whole number, and is {_shown(value)}"
    if hint is bool:
        return "" if isinstance(value, bool | np.bool_) else f"must be True or False, and is {_shown(value)}"
    if isinstance(hint, type) and hint is not Any:
        return "" if isinstance(value, hint) else f"must be a {hint.__name__}, and is {_shown(value)}"
    return ""


def _tuple_problem(value: Any, parts: tuple[Any, ...]) -> str:
    if not isinstance(value, tuple):
        return f"must be a tuple, and is {_shown(value)}"
    if len(parts) == 2 and parts[1] is Ellipsis:
        parts = (parts[0],) * len(value)
    if len(parts) != len(value):
        return f"must have {len(parts)} entries, and has {len(value)}"
    return next(filter(None, map(_problem, value, parts)), "")


def _items_problem(value: Any, origin: Any, parts: tuple[Any, ...]) -> str:
    if origin is Mapping:
        like = isinstance(value, Mapping | pd.DataFrame)
        return "" if like else f"must be columns by name, and is {_shown(value)}"
    if not isinstance(value, Iterable):
        return f"must be several values, and is {_shown(value)}"
    if origin is Sequence and not hasattr(value, "__len__"):
        return f"must be a list, and is {_shown(value)}"
    if parts in ((Any,), ()) or not hasattr(value, "__len__"):
        return ""
    if isinstance(value, str) and parts != (str,):
        return f"must be several values, and is {_shown(value)}"
    for item in value:
        problem = "" if type(None) in get_args(parts[0]) and is_missing(item) else _problem(item, parts[0])
        if problem:
            return f"holds a value that {problem}"
    return ""


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, Real) and not math.isnan(value)


def _shown(value: Any) -> str:
    plain = value is None or isinstance(value, str | int | float)
    text = repr(value) if plain else f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."
