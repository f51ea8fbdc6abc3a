"""``volumetry trace``: the tracer, which is a distribution of its own."""

from __future__ import annotations

import argparse

from volumetry.commands.options import add_traces
from volumetry.console import DONE
from volumetry.errors import UsageError

WHAT = "open napari with the tracer"
EXAMPLE = "volumetry trace scans/p01/2024-03-02/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", nargs="?", metavar="PATH")
    add_traces(parser)


def run(chosen: argparse.Namespace) -> int:
    """Hand over to the plugin."""
    from importlib.metadata import entry_points

    found = entry_points(group="volumetry.tracer", name="open")
    if not found:
        raise UsageError(
            "missing-dependency",
            "the tracer is not installed",
            todo="Install it: pip install napari-volumetry.",
        )
    return int(next(iter(found)).load()(chosen.path, traces=chosen.traces) or DONE)
