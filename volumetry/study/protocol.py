"""The study protocol, ``study.toml``: what is measured, by which rules, and when a change counts."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from volumetry.change import ChangeRule
from volumetry.errors import ReadError, UsageError, VolumetryError
from volumetry.trace import canonical_json
from volumetry.volume import MeasurementRule

Blinding = Literal["none", "patient", "time"]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How traces are drawn.

    Attributes
    ----------
    blinding : {"none", "patient", "time"}
        What the tracer hides: nothing; identity; identity, visits, dates and change.
    seed : int
        Of the shuffled order under ``time``.
    readers : tuple of str
        Who may trace; empty: anybody.
    """

    blinding: Blinding = "none"
    seed: int = 0
    readers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.blinding not in get_args(Blinding):
            raise UsageError(
                "invalid-protocol",
                "a blinding is none",
                values={"blinding": self.blinding},
                todo=f"Choose one of {', '.join(get_args(Blinding))}.",
            )


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What a study measures, by which rules.

    Attributes
    ----------
    name : str
    region : str
        Anatomical site, in words.
    boundary_rule : str
        Which line a reader follows, in words; shown while tracing.
    measurement : MeasurementRule
    change : ChangeRule
    visits : tuple of str
        Names of the visits in order, the first the baseline; empty: by date.
    reading : Reading
    """

    name: str = "default"
    region: str = ""
    boundary_rule: str = ""
    measurement: MeasurementRule = field(default_factory=MeasurementRule)
    change: ChangeRule = field(default_factory=ChangeRule)
    visits: tuple[str, ...] = ()
    reading: Reading = field(default_factory=Reading)

    @property
    def sha256(self) -> str:
        """SHA-256 of the protocol's values."""
        return hashlib.sha256(canonical_json(asdict(self)).encode()).hexdigest()


_NAMES = {
    "measurement": {
        "height_rule": "height",
        "allow_overlap": "allow_overlap",
        "skipped_slices": "skipped_slices",
        "interpolate_missing": "interpolate_missing",
        "check_side": "check_side",
    },
    "change": {name: name for name in ("threshold_percent", "decrease_threshold_percent", "minimum_slices")},
    "reading": {name: name for name in ("blinding", "seed", "readers")},
    "study": {name: name for name in ("name", "region", "boundary_rule", "visits")},
}
_TYPES = {"str": (str,), "bool": (bool,), "int": (int,), "float": (int, float), "tuple": (list,)}


def read_protocol(path: Path | str) -> Protocol:
    """Read a study protocol.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``.
    UsageError
        ``invalid-protocol``: the key, its line, and what would be right. Unknown keys are errors.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8")
        document = tomllib.loads(text)
    except FileNotFoundError:
        raise ReadError(
            "not-found", "there is no such protocol", where=path, todo="Check the name."
        ) from None
    except OSError:
        raise ReadError(
            "unreadable", "the protocol cannot be read", where=path, todo="Check its rights."
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(
            "invalid-protocol", f"the protocol is not TOML: {error}", where=path, todo="Correct that line."
        ) from None
    return parse_protocol(document, text=text, where=path)


def parse_protocol(document: dict[str, Any], *, text: str = "", where: Path | str | None = None) -> Protocol:
    """Return the protocol of a parsed TOML document. Raises as `read_protocol`."""
    values: dict[str, dict[str, Any]] = {}
    for section, entries in document.items():
        if section not in _NAMES or not isinstance(entries, dict):
            raise _wrong(section, "unknown entry", f"Known are {', '.join(_NAMES)}.", text, where)
        for key, value in entries.items():
            if key not in _NAMES[section]:
                todo = f"Known in [{section}] are {', '.join(_NAMES[section])}."
                raise _wrong(f"{section}.{key}", "unknown entry", todo, text, where)
            values.setdefault(section, {})[_NAMES[section][key]] = _checked(section, key, value, text, where)
    try:
        return Protocol(
            **values.get("study", {}),
            measurement=MeasurementRule(**values.get("measurement", {})),
            change=ChangeRule(**values.get("change", {})),
            reading=Reading(**values.get("reading", {})),
        )
    except VolumetryError as error:
        raise UsageError(
            "invalid-protocol", error.what, where=where, values=error.values, todo=error.todo
        ) from None


def _checked(section: str, key: str, value: Any, text: str, where: Path | str | None) -> Any:
    kinds = {"measurement": MeasurementRule, "change": ChangeRule, "reading": Reading, "study": Protocol}
    declared = {f.name: str(f.type) for f in fields(kinds[section])}[_NAMES[section][key]]
    kind = next((name for name in _TYPES if declared.startswith(name)), "str")
    fits = isinstance(value, _TYPES[kind]) and (kind == "bool" or not isinstance(value, bool))
    if kind == "tuple":
        fits = fits and all(isinstance(item, str) for item in value)
        value = tuple(value) if fits else value
    if not fits:
        wanted = {"tuple": "a list of texts", "str": "a text", "bool": "true or false"}.get(kind, "a number")
        raise _wrong(f"{section}.{key}", f"entry is {value!r}", f"Write {wanted}.", text, where)
    return float(value) if kind == "float" else value


def _wrong(key: str, what: str, todo: str, text: str, where: Path | str | None) -> UsageError:
    last = key.rsplit(".", 1)[-1]
    pattern = re.compile(rf"^\s*(\[\s*)?{re.escape(last)}\b")
    line = next((n for n, content in enumerate(text.splitlines(), 1) if pattern.match(content)), None)
    values = {"key": key} | ({"line": line} if line else {})
    return UsageError("invalid-protocol", what, where=where, values=values, todo=todo)
