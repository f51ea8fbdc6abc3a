"""The names of `volumetry.statistics` and `volumetry.clinical`: one list, known to type checkers."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import volumetry.clinical
import volumetry.statistics as vs

CALLS = Path(__file__).parent / "typed_calls"


@pytest.mark.parametrize("package", ["statistics", "clinical"])
def test_the_imports_for_type_checkers_and_the_homes_say_the_same(package: str) -> None:
    module = import_module(f"volumetry.{package}")
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == module.MODULES
    assert list(module.__all__) == sorted(typed)


def test_clinical_rules_are_found_under_statistics_too() -> None:
    for name in volumetry.clinical.__all__:
        assert getattr(vs, name) is getattr(volumetry.clinical, name)


def mypy(file: Path, cache: Path) -> list[str]:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--cache-dir",
            str(cache),
            "--no-error-summary",
            str(file),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        cwd=cache,  # a folder without modules that could shadow others
    )
    return done.stdout.splitlines()


def test_type_checkers_know_right_calls_from_wrong_ones(tmp_path: Path) -> None:
    """The right calls pass `mypy --strict`, each wrong one fails on its own line, and types are shown."""
    file = CALLS / "calls.py"
    lines = file.read_text(encoding="utf-8").splitlines()
    said = mypy(file, tmp_path)
    faulted = {int(line.split(":")[1]) for line in said if ": error:" in line}
    shown = [line for line in said if "Revealed type" in line]
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    right = [line for line in lines if line.endswith("# right")]
    assert (len(right), len(wrong)) >= (40, 40)
    assert faulted == wrong, "\n".join(said)
    assert shown
    assert not [line for line in shown if '"Any"' in line]
