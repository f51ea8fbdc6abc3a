"""Outcome statistics: tables and columns in, `StatisticResult` out.

Importing this package imports no scipy; a function's module is loaded when the function is first asked for.
"""

from importlib import import_module
from typing import Any

_MODULES = {
    "ClusteredDataWarning": "clusters",
    "Estimate": "result",
    "StatisticResult": "result",
}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
