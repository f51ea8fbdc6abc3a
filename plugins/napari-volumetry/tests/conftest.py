"""A person at the screen: a window that is shown, and a mouse and keys that are real Qt events."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = ROOT / "sample_scans"

os.environ.setdefault("QT_API", "pyside6")
# What a tester writes as initials is not remembered for whoever uses this machine.
os.environ["VOLUMETRY_READER"] = "AB"
os.environ["VOLUMETRY_CONFIG"] = tempfile.mkdtemp(prefix="volumetry-config-")


def _own_screen() -> None:
    """A screen for each process that tests: two windows on one screen take the keys from each other."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1600x1200x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    atexit.register(server.terminate)
    os.close(write)
    with os.fdopen(read) as told:
        os.environ["DISPLAY"] = f":{told.readline().strip()}"
    os.environ.pop("XAUTHORITY", None)


if "PYTEST_XDIST_WORKER" in os.environ:
    _own_screen()


def _has_screen() -> bool:
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


HAS_SCREEN = _has_screen()
needs_screen = pytest.mark.skipif(
    not HAS_SCREEN, reason="there is no display to draw on (start under xvfb-run)"
)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A copy of the sample study, to write in."""
    copied = tmp_path / "study"
    shutil.copytree(SAMPLES / "study", copied)
    return copied


@pytest.fixture
def person(make_napari_viewer: Callable[..., object]) -> Iterator[object]:
    """Somebody at a window that is shown, with the tracer in it."""
    if not HAS_SCREEN:
        pytest.skip("there is no display to draw on (start under xvfb-run)")
    from person import Person

    somebody = Person(make_napari_viewer(show=True))
    yield somebody
    somebody.tracer.close_case()


@pytest.fixture
def disc() -> Callable[..., np.ndarray]:
    """Points round a circle: (n, 2) of (row, column)."""

    def points(row: float, column: float, radius: float, n: int = 28) -> np.ndarray:
        angles = 2 * np.pi * np.arange(n + 1) / n
        return np.column_stack((row + radius * np.sin(angles), column + radius * np.cos(angles)))

    return points
