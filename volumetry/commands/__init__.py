"""The commands, one module each: what it does, an example, its arguments, and `run`.

A module of a command loads nothing heavy before its `run`, so that the help of all commands is quick.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Protocol, cast

NAMES = (
    "series",
    "measure",
    "batch",
    "manifest",
    "merge",
    "change",
    "agreement",
    "export",
    "figure",
    "trace",
    "study",
    "outcomes",
    "audit",
    "report",
    "demo",
)
"""Every command, in the order of the help."""


class Command(Protocol):
    """What the module of a command has.

    Attributes
    ----------
    WHAT : str
        What the command does, in one sentence without a full stop.
    EXAMPLE : str
        A call that works.
    """

    WHAT: str
    EXAMPLE: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments of the command."""

    def run(self, chosen: argparse.Namespace) -> int:
        """Do what was asked for, and return the exit code."""


def load(name: str) -> Command:
    """Return the module of a command. Raises ImportError where there is no such command."""
    return cast(Command, import_module(f"{__name__}.{name}"))
