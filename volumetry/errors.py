"""What can go wrong, by name.

::

    VolumetryError            anything a user can cause; has a code, a place and a remedy
    ├── ReadError             a file cannot be read as what it should be
    ├── GeometryError         where slices and pixels lie is unknown or contradictory
    ├── TraceError            the outlines or labels do not say one lesion
    ├── MismatchError         trace and scan do not belong together
    ├── OutputError           a result cannot be written
    ├── UsageError            the call, the protocol, the plan or a table is not as it must be
    ├── StatisticsError       the data do not determine the statistic
    └── WorkerError           the process that measured a case ended

Catch `VolumetryError` to catch them all; look at ``.code`` to tell them apart. Every code is declared in
`volumetry.codes.ERROR_CODES`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from volumetry.codes import ERROR_CODES


class VolumetryError(Exception):
    """An error that a user can cause, and mend.

    Parameters
    ----------
    code : str
        A key of `volumetry.codes.ERROR_CODES`.
    what : str
        What is wrong, in one clause, without a full stop.
    where : path, str or None
        The file (or slice, table row, plan key) it is about.
    values : mapping of str to value, optional
        The values that show it, names with their units: ``{"spacing_mm": 0.0}``.
    todo : str
        What to do about it, as a sentence.

    Examples
    --------
    >>> try:
    ...     vm.read_scan("nowhere")
    ... except vm.VolumetryError as error:
    ...     print(error.code, "-", error.todo)
    not-found - Check the name.
    """

    def __init__(
        self,
        code: str,
        what: str,
        *,
        where: Path | str | None = None,
        values: Mapping[str, Any] | None = None,
        todo: str = "",
    ) -> None:
        if code not in ERROR_CODES:
            raise KeyError(f"undeclared error code {code!r}")
        super().__init__(code, what)
        self.code = code
        self.what = what
        self.where = None if where is None else str(where)
        self.values = dict(values or {})
        self.todo = todo

    @property
    def message(self) -> str:
        """Everything but the code: ``<what>, <where> (<values>). <what to do>``."""
        return composed(self.what, self.where or "", plain_values(self.values), self.todo)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def at(self, where: Path | str) -> VolumetryError:
        """Return the same error naming `where`, unless it already names a place."""
        if self.where is not None:
            return self
        return type(self)(self.code, self.what, where=where, values=self.values, todo=self.todo)

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword arguments do not survive the pickling of exceptions between processes.
        return _rebuild, (type(self), self.code, self.what, self.where, self.values, self.todo)


class ReadError(VolumetryError):
    """A file cannot be read as what it should be."""


class GeometryError(VolumetryError):
    """Where slices and pixels lie is unknown or contradictory."""


class TraceError(VolumetryError):
    """The outlines or labels do not say one lesion."""


class MismatchError(VolumetryError):
    """Trace and scan do not belong together."""


class OutputError(VolumetryError):
    """A result cannot be written."""


class UsageError(VolumetryError):
    """The call, the protocol, the plan or a table is not as it must be."""


class StatisticsError(VolumetryError):
    """The data do not determine the statistic."""


class WorkerError(VolumetryError):
    """The process that measured a case ended."""


def internal_error(fault: Exception, where: Path | str | None = None) -> VolumetryError:
    """Return the error that stands for a fault of this program: its kind and its line, no values."""
    frame = fault.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = "?" if frame is None else f"{Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}"
    return VolumetryError(
        "internal-error",
        "a fault of this program, not of the input",
        where=where,
        values={"kind": type(fault).__name__, "at": place},
        todo="Please report it with these values.",
    )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``Did you mean volume_mm3? `` where one of the known words is close to `word`; else nothing."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1)
    return f"Did you mean {close[0]}? " if close else ""


def _rebuild(
    kind: type[VolumetryError], code: str, what: str, where: str | None, values: dict[str, Any], todo: str
) -> VolumetryError:
    return kind(code, what, where=where, values=values, todo=todo)


def plain_values(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of an error as they are written."""
    return {name: _plain(value) for name, value in values.items()}


def composed(what: str, where: str, values: Mapping[str, str], todo: str) -> str:
    """Return the message of an error from its parts: ``<what>, <where> (<values>). <what to do>``."""
    text = f"{what}, {where}" if where else what
    if values:
        text += " (" + ", ".join(f"{name} {value}" for name, value in values.items()) + ")"
    return _one_line(f"{text}. {todo}".rstrip())


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple | list):
        return " x ".join(_plain(v) for v in value)
    return str(value)


def _one_line(text: str) -> str:
    """Without control characters: file names and tag values may hold terminal escapes."""
    return "".join(c if c.isprintable() else "?" for c in text)
