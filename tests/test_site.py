"""The documents as a site: built without a warning, searchable, with a page part for every public name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from test_examples import OBJECTS

import volumetry

NOTEBOOK = ROOT / "docs" / "notebooks" / "measure.ipynb"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs")
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return out


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    page = (site / "reference" / "python.html").read_text(encoding="utf-8")
    anchors = set(re.findall(r'id="([\w.]+)"', page))
    wanted = {f"volumetry.{home}.{name}" for name, home in volumetry._HOMES.items()}
    assert set(volumetry._HOMES) == set(volumetry.__all__) - {"__version__"}
    assert wanted - anchors == set()


def test_every_name_of_every_part_is_in_the_reference(site: Path) -> None:
    pages = [site / "reference" / name for name in ("python.html", "python-parts.html")]
    anchors = {a for page in pages for a in re.findall(r'id="([\w.]+)"', page.read_text(encoding="utf-8"))}
    statistics = {page.stem for page in (site / "reference" / "statistics").glob("*.html")}
    shown = statistics | set(volumetry.__all__)
    missing = [p for p in OBJECTS if p not in anchors and p.rsplit(".", 1)[-1] not in shown]
    assert missing == []


def test_every_command_is_in_the_reference(site: Path) -> None:
    from volumetry.commands import NAMES

    page = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    assert [name for name in NAMES if f'id="volumetry-{name}"' not in page] == []


def test_the_search_finds_slice_thickness(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    found = [entry["location"] for entry in index["docs"] if "slice thickness" in entry["text"].lower()]
    assert any(place.startswith("glossary") for place in found)


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    loads = re.compile(r'<(?:script|img|link rel="stylesheet")[^>]*(?:src|href)="https?:')
    assert [page.name for page in site.rglob("*.html") if loads.search(page.read_text("utf-8"))] == []


def test_the_notebook_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(NOTEBOOK), str(ROOT)],
        cwd=tmp_path,
        env={**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1", "IPYTHONDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "hip01" in done.stdout


RUN = """
import sys
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
folder = {"metadata": {"path": sys.argv[2]}}
NotebookClient(notebook, resources=folder, timeout=200, kernel_name="python3").execute()
for cell in notebook.cells:
    print(*[output.get("data", {}).get("text/plain", "") for output in cell.get("outputs", [])])
"""
