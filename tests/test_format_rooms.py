"""The rooms of `volumetry.formats`: imports point one way, late ones and names in strings counted."""

from __future__ import annotations

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import volumetry.formats
from volumetry.formats.recognise import FORMATS, Format

ROOM = Path(volumetry.formats.__file__).parent
PREFIX = "volumetry.formats"


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOM).with_suffix("").parts
    return ".".join((PREFIX, *parts)).removesuffix(".__init__")


def uses_of(source: str, known: set[str]) -> set[str]:
    """The modules of ``formats`` that a source names: imports anywhere in it, and strings."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= below & known
            if not below <= known:
                found.add(node.module)
        elif isinstance(node, ast.Call):
            texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            found.update(texts)
    return found & known


def import_graph() -> dict[str, set[str]]:
    files = {module_name(file): file for file in ROOM.rglob("*.py")}
    known = set(files)
    return {name: uses_of(file.read_text(encoding="utf-8"), known) - {name} for name, file in files.items()}


def test_no_module_needs_itself_by_any_way() -> None:
    try:
        order = tuple(TopologicalSorter(import_graph()).static_order())
    except CycleError as error:
        pytest.fail(f"modules import each other in a circle: {' > '.join(error.args[1])}")
    assert len(order) > 20


@pytest.mark.parametrize(
    "source",
    [
        "def late():\n    from volumetry.formats.voxels import nifti\n",
        "def named():\n    return import_module('volumetry.formats.voxels.nifti')\n",
        "import volumetry.formats.voxels.nifti\n",
    ],
)
def test_late_imports_and_names_in_strings_are_seen(source: str) -> None:
    assert uses_of(source, {"volumetry.formats.voxels.nifti"}) == {"volumetry.formats.voxels.nifti"}


def test_voxel_files_and_dicom_know_nothing_of_the_list_of_formats() -> None:
    for name, uses in import_graph().items():
        if name.startswith((f"{PREFIX}.dicom", f"{PREFIX}.voxels")):
            assert f"{PREFIX}.recognise" not in uses, name
            assert PREFIX not in uses, name


def test_no_module_is_longer_than_can_be_read_at_once() -> None:
    lengths = {file.name: len(file.read_text(encoding="utf-8").splitlines()) for file in ROOM.rglob("*.py")}
    assert {name: n for name, n in lengths.items() if n > 400} == {}


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.name)
def test_every_format_has_its_reader(one: Format) -> None:
    assert one.reader().name == one.name
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in one.suffixes)


def test_a_new_format_is_a_module_and_an_entry_of_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a developer writes: a reader (one file) and its entry in FORMATS (the other)."""
    from volumetry.formats.voxels.metaimage import read_header
    from volumetry.formats.voxels.reader import VoxelReader

    entry = Format(
        name="newcomer",
        reader=lambda: VoxelReader("newcomer", read_header),
        matches=lambda name, _head: name.endswith(".new"),
        suffixes=(".new",),
    )
    monkeypatch.setattr(sys.modules["volumetry.formats.recognise"], "FORMATS", (entry, *FORMATS))
    header = (
        "ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nElementSpacing = 1 1 2\nOffset = 0 0 0\n"
        "TransformMatrix = 1 0 0 0 1 0 0 0 1\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    )
    path = tmp_path / "mask.new"
    path.write_bytes(header.encode() + bytes([1, 0, 0, 0, 1, 0, 0, 0]))
    (region,) = volumetry.formats.read_regions(path)
    assert region.sections is not None
    assert region.sections.areas_mm2.tolist() == [1.0, 1.0]
