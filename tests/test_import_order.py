"""Imports point one way, and the heavy ones wait until they are needed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

import volumetry

PACKAGE = Path(volumetry.__file__).parent

# A module may import from the rows above its own, and a package from itself. The core knows no file format.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("_version", "codes", "numbering"),
    ("errors", "shown"),
    ("files", "acquisition", "slice_steps"),
    ("geometry",),
    ("bridges",),
    ("scan", "contours"),
    ("sections",),
    ("masks",),
    ("trace",),
    ("scan_match", "volume"),
    ("change", "measurement"),
    ("error_model", "reslice"),
    ("comparability",),
    ("tables",),
    ("console",),
    ("samples",),
    ("formats", "statistics"),
    ("clinical",),
    ("figures",),
    ("export",),
    ("study", "outcomes"),
    ("agreement",),
    ("tracing",),
    ("pages",),
    ("demo",),
    ("commands",),
    ("cli",),
    ("__init__", "__main__"),
)
LEVEL = {name: level for level, row in enumerate(LAYERS) for name in row}

# Rows above their own that these may not use either.
FORBIDDEN = {
    # formats know no volumes
    "formats": {"volume", "measurement", "change", "error_model", "comparability", "tables"},
    # statistics know tables, but no scans
    "statistics": {
        "geometry",
        "slice_steps",
        "scan",
        "contours",
        "sections",
        "masks",
        "trace",
        "scan_match",
        "volume",
        "measurement",
        "change",
    },
}

# The same inside `volumetry.statistics`. Tests of groups know no models, and
# models know no matching.
STATISTICS_LAYERS: tuple[tuple[str, ...], ...] = (
    ("types",),
    ("rows",),
    ("arguments", "result"),
    ("clusters", "wald"),
    ("samples",),
    ("groups", "time"),
    ("planning",),
    ("models", "agreement", "audit"),
    ("matching",),
)
STATISTICS_LEVEL = {name: level for level, row in enumerate(STATISTICS_LAYERS) for name in row}

# The package's face names the clinical rules too, as version 0.1 did; nothing else in it may.
FACE_OF_STATISTICS = PACKAGE / "statistics" / "__init__.py"

SCREEN = {"napari", "npe2", "qtpy", "magicgui", "vispy", "PyQt5", "PyQt6", "PySide2", "PySide6"}


def module_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part_of(file: Path) -> str:
    """The module or subpackage that a file belongs to: ``formats/recognise.py`` to ``formats``."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_names(file: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a file imports, in functions and under TYPE_CHECKING, too."""
    package = ["volumetry", *file.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            stem = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*stem, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def test_the_architecture_page_names_every_module_and_no_other() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    cells = [
        line.split("|")[2] for line in page.splitlines() if line.startswith("| ") and line.count("|") == 4
    ]
    named = {name.rstrip("/") for cell in cells for name in re.findall(r"`([\w/]+)`", cell)}
    assert named == set(LEVEL) - {"__init__", "__main__", "_version"}


def test_every_module_has_its_layer() -> None:
    assert {part_of(file) for file in module_files()} - set(LEVEL) == set()


def objection(own: str, name: str) -> str:
    """Why a part of volumetry may not import what is named; empty if it may."""
    root, _, rest = name.partition(".")
    used = rest.partition(".")[0]
    if root in SCREEN:
        return "nobody but the plugin knows the screen"
    if root != "volumetry" or used == own or own in LAYERS[-1]:
        return ""
    if used not in LEVEL:
        return "name the module, not the package"
    allowed = LEVEL[used] < LEVEL.get(own, 0) and used not in FORBIDDEN.get(own, ())
    return "" if allowed else f"{own} may not use {used}"


@pytest.mark.parametrize("file", module_files(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_one_way(file: Path) -> None:
    names = [(line, name) for line, name in imported_names(file) if not is_face_of_clinical(file, name)]
    found = [(line, name, objection(part_of(file), name)) for line, name in names]
    assert [f"{file.name}:{line} imports {name}: {why}" for line, name, why in found if why] == []


def is_face_of_clinical(file: Path, name: str) -> bool:
    return file == FACE_OF_STATISTICS and name.startswith("volumetry.clinical.")


STATISTICS_FILES = [
    file for file in module_files() if part_of(file) == "statistics" and file != FACE_OF_STATISTICS
]


@pytest.mark.parametrize("file", STATISTICS_FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_rooms_of_statistics_import_one_way(file: Path) -> None:
    own = file.relative_to(PACKAGE / "statistics").parts[0].removesuffix(".py")
    wrong = []
    for line, name in imported_names(file):
        if name.startswith("volumetry.statistics."):
            used = name.split(".")[2]
            if used != own and not STATISTICS_LEVEL.get(used, 9) < STATISTICS_LEVEL[own]:
                wrong.append(f"{file.name}:{line} imports {name}")
    assert wrong == []


@pytest.mark.parametrize(
    ("own", "name"),
    [
        ("geometry", "volumetry.scan.Scan"),
        ("contours", "volumetry.scan.Scan"),
        ("trace", "volumetry.formats.voxels.nifti"),
        ("formats", "volumetry.measurement.measure_volume"),
        ("statistics", "volumetry.trace.Trace"),
        ("tables", "volumetry.Scan"),
        ("cli", "napari"),
    ],
)
def test_an_import_the_wrong_way_is_seen(own: str, name: str) -> None:
    assert objection(own, name)


LOADED = """
import sys
before = set(sys.modules)
{statements}
loaded = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(*sorted(loaded - set(sys.stdlib_module_names) - {{name.partition(".")[0] for name in before}}))
"""

HELP = """
from volumetry.cli import main
sys.argv = ["volumetry", "--help"]
try:
    main()
except SystemExit:
    pass
"""


def packages_loaded_by(statements: str, folder: Path) -> set[str]:
    """The packages outside the standard library that a fresh Python has loaded after the statements."""
    program = LOADED.format(statements=statements)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_import_volumetry_loads_numpy_alone(tmp_path: Path) -> None:
    assert packages_loaded_by("import volumetry", tmp_path) <= {"volumetry", "numpy"}


def test_help_loads_numpy_alone(tmp_path: Path) -> None:
    assert packages_loaded_by(HELP, tmp_path) <= {"volumetry", "numpy"}


def test_the_check_of_loaded_packages_sees_what_is_loaded(tmp_path: Path) -> None:
    assert "pytest" in packages_loaded_by("import pytest", tmp_path)
