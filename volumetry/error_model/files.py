"""The file of the error of reading, ``repeatability.json``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from volumetry.error_model.reading import (
    EXPONENTS,
    FORMAT_VERSION,
    ErrorKind,
    ErrorModel,
    ReadingError,
)
from volumetry.errors import ReadError


def read_repeatability(path: Path | str) -> ReadingError:
    """Read ``repeatability.json``.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``, ``newer-format``.

    Examples
    --------
    >>> import json
    >>> from volumetry.error_model import read_repeatability
    >>> reads = [[1000, 1100], [2000, 1900], [500, 520], [4000, 4300]]
    >>> error = vm.fit_reading_error(reads, model="constant")
    >>> _ = Path("repeatability.json").write_text(json.dumps(error.as_dict()))
    >>> read_repeatability("repeatability.json").n_pairs
    4
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        values = json.loads(text)
    except FileNotFoundError:
        raise ReadError(
            "not-found",
            "the repeatability file is not there",
            where=path,
            todo="Write it with `volumetry agreement`.",
        ) from None
    except (OSError, ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise ReadError(
            "unreadable",
            "the repeatability file is no JSON object",
            where=path,
            todo="Write it with `volumetry agreement`.",
        )
    return reading_error_from_dict(values, str(path))


def reading_error_from_dict(values: Mapping[str, Any], where: str = "") -> ReadingError:
    """Return the error of reading that ``repeatability.json`` holds.

    A file that somebody has edited is checked as a whole: numbers are numbers, the exponent is that of the
    model, limits and sizes ascend. A standard deviation above 3 is taken for a percentage and refused.

    Raises
    ------
    ReadError
        ``newer-format``; ``unreadable`` where an entry is missing, of another kind or out of range.

    Examples
    --------
    >>> from volumetry.error_model import reading_error_from_dict
    >>> reads = [[1000, 1100], [2000, 1900], [500, 520], [4000, 4300]]
    >>> error = vm.fit_reading_error(reads, model="constant")
    >>> reading_error_from_dict(error.as_dict()).n_pairs
    4
    """
    version = values.get("version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ReadError(
            "newer-format",
            "the repeatability file was written by a newer version of this program",
            where=where or None,
            values={"version": version, "read here": FORMAT_VERSION},
            todo="Update volumetry, or run `volumetry agreement` anew.",
        )
    try:
        _check_header(values)
        parameters, limits = values["parameters"], values["limits"]
        low, high = (_number("size_range_mm3", v) for v in values["size_range_mm3"])
        error = ReadingError(
            kind=_one_of("kind", values["kind"], get_args(ErrorKind)),
            model=_one_of("model", values["model"], get_args(ErrorModel)),
            log_sd_at_1_cm3=_number("log_sd_at_1_cm3", parameters["log_sd_at_1_cm3"]),
            exponent=_number("exponent", parameters["exponent"]),
            df=_number("df", values["df"]),
            n_pairs=_count("n_pairs", values["n_pairs"]),
            n_lesions=_count("n_lesions", values["n_lesions"]),
            n_patients=_count("n_patients", values["n_patients"]),
            size_range_mm3=(low, high),
            log_sd_limits=_pair("limits of log_sd_at_1_cm3", limits.get("log_sd_at_1_cm3")),
            exponent_limits=_pair("limits of exponent", limits.get("exponent")),
            level=_number("level", limits.get("level", 0.95)),
            limits_method=str(limits.get("method", "")),
            bic={str(k): _number("bic", v) for k, v in dict(values.get("bic", {})).items()},
            undecided=bool(values.get("undecided", False)),
            readers_differ=bool(values.get("readers_differ", False)),
            protocol_sha256=str(values.get("protocol_sha256", "")),
            measured_by=_rules(values.get("measured_by")),
            height_rules=_texts("height_rules", values.get("height_rules")),
            readers=_texts("readers", values.get("readers")),
            sites=_texts("sites", values.get("sites")),
        )
        _check_ranges(error)
    except KeyError as missing:
        raise _damaged(f"{missing.args[0]} is missing", where) from None
    except (TypeError, ValueError, AttributeError, OverflowError) as fault:
        raise _damaged(str(fault), where) from None
    return error


_PARAMETERS = {"log_sd_at_1_cm3", "exponent"}
_LARGEST_LOG_SD = 3.0


def _check_header(values: Mapping[str, Any]) -> None:
    if values.get("format") != "volumetry-repeatability":
        raise ValueError("format is not volumetry-repeatability")
    version = values.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ValueError(f"version is {version!r}")
    unknown = sorted(set(values["parameters"]) - _PARAMETERS)
    if unknown:
        raise ValueError(f"a parameter is not known: {unknown[0]}")


def _check_ranges(error: ReadingError) -> None:
    low, high = error.size_range_mm3
    if not 0 < low <= high:
        raise ValueError(f"size_range_mm3 is {low:g} to {high:g}")
    middle = math.sqrt(low) * math.sqrt(high)
    if not (error.log_sd_at_1_cm3 > 0 and error.log_sd(middle) <= _LARGEST_LOG_SD):
        raise ValueError(
            f"log_sd_at_1_cm3 is {error.log_sd_at_1_cm3:g}, which is {error.log_sd(middle):g} in the middle "
            "of the sizes; it is no percentage: 0.08 is an error of 8 %"
        )
    fixed = EXPONENTS.get(error.model)
    if fixed is not None and abs(error.exponent - fixed) > 1e-6:
        raise ValueError(f"model {error.model} has the exponent {fixed:g}, not {error.exponent:g}")
    if not (error.df > 0 and abs(error.exponent) <= 5 and 0 < error.level < 1):
        raise ValueError("df, exponent or level is out of range")


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}, not a number")
    return float(value)


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is {value!r}, not a number of at least 1")
    return value


def _rules(values: Any) -> dict[str, str | bool]:
    rules = values if values is not None else {}
    if not isinstance(rules, Mapping) or not all(isinstance(v, str | bool) for v in rules.values()):
        raise ValueError(f"measured_by is {values!r}, not rules of measurement")
    return {str(name): value for name, value in rules.items()}


def _texts(name: str, values: Any) -> tuple[str, ...]:
    texts = values if values is not None else []
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{name} is {values!r}, not a list of texts")
    return tuple(texts)


def _damaged(what: str, where: str) -> ReadError:
    return ReadError(
        "unreadable",
        f"the repeatability file lacks an entry or holds a wrong one: {what}",
        where=where or None,
        todo="Run `volumetry agreement` anew; it writes the file.",
    )


def _one_of(name: str, value: Any, allowed: tuple[Any, ...]) -> Any:
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}, not one of {', '.join(allowed)}")
    return value


def _pair(name: str, values: Any) -> tuple[float, float] | None:
    if values is None:
        return None
    low, high = (_number(name, v) for v in values)
    if low > high:
        raise ValueError(f"{name} are {low:g} to {high:g}")
    return low, high
