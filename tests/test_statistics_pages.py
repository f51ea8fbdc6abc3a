"""Every public function of the statistics has a page, made from its docstring and an example that runs."""

from __future__ import annotations

import inspect
import sys
from importlib import import_module

from conftest import ROOT

import volumetry.statistics as vs


def test_pages_are_those_that_the_generator_makes() -> None:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        made = import_module("make_statistics_pages").pages()
    finally:
        sys.path.remove(str(ROOT / "docs"))
    folder = ROOT / "docs" / "reference" / "statistics"
    assert {path.name for path in folder.glob("*.md")} == set(made)
    functions = {f"{name}.md" for name in vs.__all__ if inspect.isfunction(getattr(vs, name))}
    assert functions <= set(made)
    for name, text in made.items():
        # What an example answers may differ in its last digit between machines; the rest may not.
        kept = (folder / name).read_text(encoding="utf-8")
        parts = [page.rpartition("```python")[0] for page in (text, kept)]
        assert parts[0] == parts[1], f"{name}: run docs/make_statistics_pages.py"
