"""The public names of `volumetry.tracing` are those of its ``__all__``."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from test_import_order import packages_loaded_by

from volumetry import tracing


def public() -> set[str]:
    return {
        name
        for name in dir(tracing)
        if not name.startswith("_") and not isinstance(getattr(tracing, name), ModuleType)
    }


def test_public_names_of_tracing() -> None:
    assert list(tracing.__all__) == sorted(tracing.__all__)
    assert set(tracing.__all__) == public()


@pytest.mark.parametrize("name", tracing.__all__)
def test_every_public_name_of_tracing_is_documented(name: str) -> None:
    found = getattr(tracing, name)
    assert found.__doc__
    members = vars(found) if isinstance(found, type) else {}
    functions = [m for m, value in members.items() if callable(value) and not m.startswith("_")]
    assert [m for m in functions if not members[m].__doc__] == []


def test_importing_the_tracer_loads_numpy_alone(tmp_path: Path) -> None:
    assert packages_loaded_by("import volumetry.tracing", tmp_path) <= {"volumetry", "numpy"}
