"""TOML documents as declared dataclasses: read with the key, the line and what would be right.

A section is a frozen dataclass; its fields are declared with `setting`, which holds the sentence that the
reference prints. Nothing that is not declared is accepted.
"""

from __future__ import annotations

import re
import tomllib
import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from volumetry.errors import ReadError, UsageError, did_you_mean
from volumetry.files.small_files import check_depth, read_small

Section = TypeVar("Section")
KeyPath = tuple[str | int, ...]

_HEADER = re.compile(r"^\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(
    r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"))*)\s*=(.*)$"""
)
_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"' + r"|'[^']*'")


def setting(what: str, default: Any = MISSING, *, example: str = "") -> Any:
    """Declare a field of a section: the sentence of the reference, and its default if it has one."""
    metadata = {"what": what, "example": example}
    return field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)


def table_setting(what: str) -> Any:
    """Declare a field that is a table of names and texts, empty by default."""
    return field(default_factory=dict, metadata={"what": what, "example": ""})


@dataclass(frozen=True, kw_only=True)
class Document:
    """A TOML text and where its keys stand, for messages about them.

    Attributes
    ----------
    text : str
    where : path or None
    code : str
        Error code of what is wrong in it.
    """

    text: str
    where: Path | str | None
    code: str = "invalid-plan"

    def fault(
        self, path: KeyPath, what: str, todo: str, *, also: Mapping[str, Any] | None = None
    ) -> UsageError:
        """Return the error of a key."""
        name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
        values: dict[str, Any] = {"key": name or "(top)"}
        line = self.line(path)
        if line:
            values["line"] = line
        values |= {name: value for name, value in (also or {}).items() if name != "key"}
        return UsageError(self.code, what, where=self.where, values=values, todo=todo)

    def line(self, path: KeyPath) -> int | None:
        """Return the line of a key, or of the nearest section around it."""
        lines = key_lines(self.text)
        for end in range(len(path), 0, -1):
            found = [line for key, line in lines.items() if key[:end] == path[:end]]
            if found:
                return min(found)
        return None


def read_document(
    path: Path | str, what: str, *, code: str = "invalid-plan"
) -> tuple[dict[str, Any], Document]:
    """Read a TOML file.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``, ``unsupported-format``, ``too-large``, ``too-deep``.
    UsageError
        `code` if it is not TOML.
    """
    try:
        content = read_small(path)
        check_depth(content, path)
        text = content.decode("utf-8")
        return tomllib.loads(text), Document(text=text, where=path, code=code)
    except FileNotFoundError:
        raise ReadError("not-found", f"there is no such {what}", where=path, todo="Check the name.") from None
    except OSError:
        raise ReadError("unreadable", f"the {what} cannot be read", where=path, todo="Check it.") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(
            code, f"the {what} is not TOML: {error}", where=path, todo="Correct that line."
        ) from None


def build(kind: type[Section], values: Any, document: Document, path: KeyPath = ()) -> Section:
    """Return a section of a document as its dataclass.

    Raises
    ------
    UsageError
        The document's code for an unknown or missing key, or a value of another type.
    """
    if not isinstance(values, dict):
        raise document.fault(path, f"the entry is {_shown(values)}", "Write a table of keys and values.")
    declared = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    for key in values:
        if key not in declared:
            hint = did_you_mean(key, declared)
            raise document.fault((*path, key), "unknown key", f"{hint}Known are {', '.join(declared)}.")
    missing = [
        name
        for name, item in declared.items()
        if name not in values and item.default is MISSING and item.default_factory is MISSING
    ]
    if missing:
        sentence = declared[missing[0]].metadata.get("what", "")
        raise document.fault(path, f"{missing[0]} is missing", f"Give {missing[0]}: {sentence}")
    hints = get_type_hints(kind)
    read = {name: _value(hints[name], value, document, (*path, name)) for name, value in values.items()}
    try:
        return kind(**read)
    except UsageError as error:
        key = error.values.get("key")
        place = (*path, key) if key else path
        raise document.fault(place, error.what, error.todo, also=error.values) from None


def _value(kind: Any, value: Any, document: Document, path: KeyPath) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        options = [option for option in get_args(kind) if option is not type(None)]
        kind = options[0] if len(options) == 1 else kind
    if is_dataclass(kind):
        return build(kind, value, document, path)  # type: ignore[arg-type]
    if get_origin(kind) is tuple:
        return _items(kind, value, document, path)
    if get_origin(kind) is dict:
        if not isinstance(value, dict):
            raise document.fault(path, f"the value is {_shown(value)}", f"Write {type_name(kind)}.")
        inner = get_args(kind)[1]
        return {name: _value(inner, entry, document, (*path, name)) for name, entry in value.items()}
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            allowed = [str(one) for one in get_args(kind)]
            hint = did_you_mean(str(value), allowed)
            raise document.fault(
                path, f"the value is {_shown(value)}", f"{hint}Choose one of {', '.join(allowed)}."
            )
        return value
    wanted = get_args(kind) or (kind,)
    if float in wanted and isinstance(value, int) and not isinstance(value, bool) and int not in wanted:
        return float(value)
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        raise document.fault(path, f"the value is {_shown(value)}", f"Write {type_name(kind)}.")
    return value


def _items(kind: Any, value: Any, document: Document, path: KeyPath) -> tuple[Any, ...]:
    arguments = get_args(kind)
    if not isinstance(value, list):
        raise document.fault(path, f"the value is {_shown(value)}", f"Write {type_name(kind)}.")
    if Ellipsis in arguments:
        kinds = [arguments[0]] * len(value)
    elif len(arguments) != len(value):
        raise document.fault(path, f"the list has {len(value)} items", f"Write {type_name(kind)}.")
    else:
        kinds = list(arguments)
    return tuple(
        _value(k, v, document, (*path, n)) for n, (k, v) in enumerate(zip(kinds, value, strict=True))
    )


def type_name(kind: Any) -> str:
    """Return a type in words, as messages and the reference use it."""
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(type_name(option) for option in get_args(kind) if option is not type(None))
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(f"`{choice}`" for choice in get_args(kind) if choice != "")
    if get_origin(kind) is tuple:
        arguments = get_args(kind)
        inner = type_name(arguments[0]).removeprefix("a ").removeprefix("an ")
        if is_dataclass(arguments[0]):
            return "a list of tables"
        count = "" if Ellipsis in arguments else f"{len(arguments)} of "
        return f"a list: {count}{inner}"
    if get_origin(kind) is dict:
        inner = get_args(kind)[1]
        many = "lists of texts" if get_origin(inner) is tuple else "texts"
        return f"a table of names and {many}"
    if is_dataclass(kind):
        return "a table"
    return {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}[kind]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, from 1, of every key and section header of a TOML text."""
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    section: KeyPath = ()
    for number, line in _logical_lines(text):
        header = _HEADER.match(line)
        key = _KEY.match(line)
        if header:
            section = _section_path(header, counts)
            lines.setdefault(section, number)
        elif key:
            lines.setdefault((*section, *_names(key[1])), number)
    return lines


def _section_path(header: re.Match[str], counts: dict[KeyPath, int]) -> KeyPath:
    path: list[str | int] = []
    names = _names(header[2])
    for place, name in enumerate(names):
        path.append(name)
        last = place == len(names) - 1
        if last and header[1] == "[[":
            counts[tuple(path)] = counts.get(tuple(path), -1) + 1
        if tuple(path) in counts:
            path.append(counts[tuple(path)])
    return tuple(path)


def _names(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in re.findall(r'"[^"]*"|\'[^\']*\'|[^.]+', dotted)]


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines on which a key or header can stand: not those inside lists or long strings."""
    depth, fence = 0, ""
    for number, line in enumerate(text.splitlines(), start=1):
        inside = depth > 0 or fence
        if not inside:
            yield number, line
        for mark in ('"""', "'''"):
            if fence in ("", mark) and line.count(mark) % 2:
                fence = "" if fence else mark
        if fence:
            continue
        bare = _QUOTED.sub("", line).partition("#")[0]
        if not inside and _HEADER.match(line):
            continue
        depth = max(0, depth + bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}"))


def reference(kind: type, *, title: str, sections: bool = True) -> list[str]:
    """Return the reference of a section and of the sections in it, as lines of Markdown."""
    hints = get_type_hints(kind)
    lines = [
        f"## {title}",
        "",
        _first_paragraph(kind),
        "",
        "| key | type | default | what |",
        "|---|---|---|---|",
    ]
    inner: list[tuple[str, type]] = []
    for item in fields(kind):
        hint = hints[item.name]
        name = type_name(hint).replace("|", "\\|")
        nested = _nested(hint)
        if nested is not None and sections:
            listed = get_origin(hint) is tuple
            inner.append((f"`[[{item.name}]]`" if listed else f"`[{item.name}]`", nested))
        what = item.metadata.get("what") or ("" if nested is None else _first_paragraph(nested))
        lines.append(f"| `{item.name}` | {name} | {_default(item)} | {what} |")
    for heading, section in inner:
        lines += ["", *reference(section, title=heading)]
    return lines


def _nested(hint: Any) -> type | None:
    for candidate in (hint, *get_args(hint)):
        if is_dataclass(candidate) and isinstance(candidate, type):
            return candidate
    return None


def _default(item: Any) -> str:
    if item.default is MISSING:
        return "needed" if item.default_factory is MISSING else ""
    if item.default is None or item.default in ((), ""):
        return ""
    if is_dataclass(item.default):
        return "as below"
    if isinstance(item.default, tuple):
        return "`[" + ", ".join(_toml(value) for value in item.default) + "]`"
    return f"`{_toml(item.default)}`"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"


def _first_paragraph(kind: type) -> str:
    return " ".join((kind.__doc__ or "").strip().split("\n\n")[0].split())
