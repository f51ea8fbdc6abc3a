"""Values as JSON and CSV can hold them: no NaN, no infinity, no objects."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_LONGEST = 200


def finite(value: Any) -> Any:
    """Return a number that is not finite as None, and everything else as it is."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def plain(value: Any) -> Any:
    """Return what JSON can hold of a value: plain numbers, texts, lists and mappings; None for the rest.

    Mappings lose the other entries (fitted models), and long columns (curves are tables of
    their own).
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return finite(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items() if _is_plain(item)}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None


def _is_plain(value: Any) -> bool:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return len(value) <= _LONGEST and all(_is_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float | str | Mapping)
