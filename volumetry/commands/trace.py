"""``volumetry trace``: the tracer, which is a distribution of its own."""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
from collections.abc import Callable
from typing import Any

from volumetry.commands.options import add_traces
from volumetry.console import DONE
from volumetry.errors import UsageError

WHAT = "open napari with the tracer"
EXAMPLE = "volumetry trace scans/p01/2024-03-02/"
INSTALL = 'pip install "napari-volumetry[qt]"'

DEMO_TRACES = "sample_traces"
"""Folder of the traces drawn on the sample study, in the current one: the samples stay as they are."""

# Without them Qt ends the process on X11, without an exception to catch; each with its Debian package.
_X11_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", nargs="?", metavar="PATH")
    parser.add_argument("--demo", action="store_true", help="open the sample study")
    add_traces(parser)


def run(chosen: argparse.Namespace) -> int:
    """Hand over to the plugin."""
    open_tracer = _tracer()
    path, traces = chosen.path, chosen.traces
    if chosen.demo:
        if path is not None:
            raise UsageError(
                "usage", "--demo opens the sample study, and a path is given, too", todo="Leave one out."
            )
        from volumetry.samples.folder import the_samples

        path, traces = str(the_samples() / "study"), traces or DEMO_TRACES
    return int(open_tracer(path, traces=traces) or DONE)


def _tracer() -> Callable[..., Any]:
    from importlib.metadata import entry_points

    found = entry_points(group="volumetry.tracer", name="open")
    if not found:
        raise UsageError("missing-dependency", "the tracer is not installed", todo=f"Install it: {INSTALL}")
    _check_screen()
    try:
        return next(iter(found)).load()  # type: ignore[no-any-return]
    except ImportError as error:
        raise UsageError(
            "missing-dependency",
            "the tracer lacks Qt, or a library of the system that Qt loads",
            values={"error": (str(error).strip().splitlines() or [type(error).__name__])[0]},
            todo=f"Install it with its Qt: {INSTALL}; a library (.so) comes with the system's packages.",
        ) from error


def _check_screen() -> None:
    """Refuse where Qt would end the process: no screen, or a library of X11 missing."""
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM", "xcb") != "xcb":
        return
    if os.environ.get("WAYLAND_DISPLAY"):
        return
    if not os.environ.get("DISPLAY"):
        raise UsageError(
            "missing-dependency",
            "the tracer needs a screen, and neither DISPLAY nor WAYLAND_DISPLAY names one",
            todo="Start it on a desktop, or under a virtual screen: xvfb-run volumetry trace.",
        )
    missing = [name for name in _X11_LIBRARIES if not _loads(name)]
    if missing:
        packages = " ".join(_X11_LIBRARIES[name] for name in missing)
        raise UsageError(
            "missing-dependency",
            "Qt needs libraries of the system that are not installed",
            values={"libraries": " ".join(missing)},
            todo=f"On Debian and Ubuntu: apt install {packages}.",
        )


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
