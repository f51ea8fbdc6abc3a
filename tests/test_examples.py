"""Every public name has an example in its docstring or on its page, and it runs as written."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from statistics_examples import EXAMPLES, SETUP

import volumetry
import volumetry.clinical
import volumetry.statistics
import volumetry.tracing

MODULES = [
    "volumetry",
    *(
        f"volumetry.{found.name}"
        for found in pkgutil.iter_modules(volumetry.__path__)
        if found.name != "__main__"
    ),
]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def public_objects() -> dict[str, Any]:
    """Classes and functions that the package or one of its parts names in ``__all__``, by their own home."""
    found = {}
    for module in map(importlib.import_module, MODULES):
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                found[f"{value.__module__}.{value.__qualname__}"] = value
    return found


OBJECTS = public_objects()


def test_every_public_name_has_an_example() -> None:
    without = [
        place
        for place, value in OBJECTS.items()
        if value.__name__ not in EXAMPLES and ">>>" not in (value.__doc__ or "")
    ]
    assert without == []
    assert len(OBJECTS) > 250


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    made: dict[str, Any] = {}
    exec(SETUP, made)
    return made


@pytest.mark.filterwarnings("ignore")  # of small examples
@pytest.mark.parametrize(
    "place", sorted(place for place, value in OBJECTS.items() if ">>>" in (value.__doc__ or ""))
)
def test_the_example_runs(
    place: str, data: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a reader has it: the sample scans in the current folder, and the usual short names."""
    value = OBJECTS[place]
    text = value.__doc__
    if "sample_scans" in text:
        copied = "copytree" in text
        source = ROOT / "sample_scans"
        shutil.copytree(source, tmp_path / "sample_scans") if copied else (
            tmp_path / "sample_scans"
        ).symlink_to(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    names = {
        "np": np,
        "pd": pd,
        "vm": volumetry,
        "vs": volumetry.statistics,
        "vc": volumetry.clinical,
        "vt": volumetry.tracing,
        "Path": Path,
        "hips": data["hips"].copy(),
        **{
            name: value for name, value in vars(inspect.getmodule(value)).items() if not name.startswith("__")
        },
    }
    test = doctest.DocTestParser().get_doctest(text, names, place, None, 0)
    told: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=told.append)
    assert result.attempted > 0
    assert result.failed == 0, "".join(told)
