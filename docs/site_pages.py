"""Parts of the site that come from the code as it is built: commands from the parser, Python from docstrings.

A hook of mkdocs: a page names the part that it wants in a comment, as ``reference/commands.md`` does.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import pkgutil
from typing import Any

import volumetry
from volumetry.cli import build_parser
from volumetry.commands import NAMES, load


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in the parts that a page asks for; called by mkdocs."""
    for marker, part in (
        ("<!-- the commands -->", commands),
        ("<!-- the public names -->", public_names),
        ("<!-- the names of the parts -->", names_of_parts),
    ):
        if marker in markdown:
            markdown = markdown.replace(marker, part())
    return markdown


def commands() -> str:
    """Return a section for every command, with its arguments."""
    lines: list[str] = []
    for name in NAMES:
        command = load(name)
        lines += [
            "",
            f"## volumetry {name}",
            "",
            f"{command.WHAT[0].upper()}{command.WHAT[1:]}. Example: `{command.EXAMPLE}`",
            "",
            "| argument | must be there | what it does |",
            "|---|---|---|",
            *map(_line, _arguments(name)),
        ]
    return "\n".join(lines) + "\n"


def _arguments(name: str) -> list[argparse.Action]:
    commands = next(a for a in build_parser(name)._actions if isinstance(a, argparse._SubParsersAction))
    return [a for a in commands.choices[name]._actions if a.dest != "help" and a.help != argparse.SUPPRESS]


def _line(action: argparse.Action) -> str:
    value = action.metavar or (action.dest.upper() if action.option_strings else action.dest)
    shown = value if isinstance(value, str) else " ".join(value)
    if action.choices is not None:
        shown = "{" + ",".join(map(str, action.choices)) + "}"
    takes = action.nargs != 0
    names = [f"{option} {shown}" if takes else option for option in action.option_strings] or [shown]
    written = ", ".join(f"`{name}`" for name in names).replace("|", "\\|")
    needed = action.required and action.nargs not in ("?", "*")
    what = (action.help or "").replace("%%", "%").replace("|", "\\|")
    return f"| {written} | {'yes' if needed else 'no'} | {what} |"


def public_names() -> str:
    """Return a line for every public name, which mkdocstrings replaces by its docstring."""
    lines: list[str] = []
    for name in volumetry.__all__:
        home = volumetry._HOMES.get(name)
        if home is not None:
            lines += ["", f"::: volumetry.{home}.{name}"]
    return "\n".join(lines) + "\n"


def names_of_parts() -> str:
    """Return a section for every part, with what it names in ``__all__`` and the package does not."""
    shown = {getattr(volumetry, name) for name in volumetry.__all__ if callable(getattr(volumetry, name))}
    lines: list[str] = []
    for found in pkgutil.iter_modules(volumetry.__path__):
        if found.name == "__main__":
            continue
        module = importlib.import_module(f"volumetry.{found.name}")
        values = [getattr(module, name) for name in getattr(module, "__all__", ())]
        new = [v for v in values if (inspect.isclass(v) or inspect.isfunction(v)) and v not in shown]
        if new:
            shown |= set(new)
            lines += ["", f"## volumetry.{found.name}"]
            lines += [line for v in new for line in ("", f"::: {v.__module__}.{v.__qualname__}", _OPTIONS)]
    return "\n".join(lines) + "\n"


_OPTIONS = "    options:\n      heading_level: 3"
