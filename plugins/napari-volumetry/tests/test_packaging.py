"""The manifest, the entry points, what is imported, and which keys are taken."""

from __future__ import annotations

import ast
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import napari_volumetry
import numpy as np
import pytest
from conftest import ROOT, SAMPLES, needs_screen
from napari_volumetry.keys import KEYS, key_of, keys_table
from napari_volumetry.launch import add_tracer
from napari_volumetry.tracer import Tracer
from napari_volumetry.widget import find_tracer
from npe2 import PluginManifest
from qtpy.QtWidgets import QMenu

import volumetry
import volumetry.export
import volumetry.formats
import volumetry.tracing

SOURCES = sorted((ROOT / "plugins" / "napari-volumetry" / "src").rglob("*.py"))


def trees():
    return [(path, ast.parse(path.read_text())) for path in SOURCES]


def test_one_version():
    project = tomllib.loads((ROOT / "plugins" / "napari-volumetry" / "pyproject.toml").read_text())["project"]
    assert project["version"] == napari_volumetry.__version__ == volumetry.__version__
    assert f"volumetry=={volumetry.__version__}" in project["dependencies"]


def test_manifest_and_entry_points():
    manifest = PluginManifest.from_distribution("napari-volumetry")
    manifest.validate_imports()
    names = {widget.display_name for widget in manifest.contributions.widgets}
    assert names == {"Tracer", "Open study...", "Open series...", "Keys and help"}
    (tracer,) = entry_points(group="volumetry.tracer", name="open")
    assert callable(tracer.load())


def test_only_public_names_of_volumetry_are_used():
    modules = (volumetry, volumetry.tracing, volumetry.formats, volumetry.export)
    public = {module.__name__: set(module.__all__) for module in modules}
    found = 0
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "volumetry":
                names = {alias.name for alias in node.names}
                assert node.module in public, f"{path.name} imports from {node.module}"
                assert names <= public[node.module], f"{path.name}: {names - public[node.module]}"
                found += 1
            elif isinstance(node, ast.Import):
                assert not any(alias.name.split(".")[0] == "volumetry" for alias in node.names), path.name
    assert found > 5


def test_no_private_names_of_others_are_used():
    for path, tree in trees():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Attribute)
                and node.attr.startswith("_")
                and not node.attr.startswith("__")
            ):
                assert isinstance(node.value, ast.Name), f"{path.name}:{node.lineno} {node.attr}"
                assert node.value.id == "self", f"{path.name}:{node.lineno} {node.attr}"
            if isinstance(node, ast.ImportFrom):
                parts = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
                assert not any(part.startswith("_") and part != "__future__" for part in parts), path.name


def test_keys_have_commands():
    assert len({key.key for key in KEYS}) == len(KEYS)
    for key in KEYS:
        assert callable(getattr(Tracer, key.command)), key
    assert key_of("copy_to_next") == "Shift+W"
    assert keys_table() in (ROOT / "docs" / "tutorials" / "trace-a-lesion.md").read_text()


def test_no_menu_has_our_keys(person):
    in_menus = {
        shortcut.toString().replace("Ctrl", "Control").replace("+", "-").replace("PgDown", "PageDown")
        for menu in person.widget.window().findChildren(QMenu)
        for action in menu.actions()
        for shortcut in action.shortcuts()
    }
    assert in_menus
    # Over the picture, saving is that of the traces: napari's own would save the layer of the scan.
    assert {key.key for key in KEYS} & in_menus == {"Control-S"}


def test_menu_opens_a_study_and_there_is_one_tracer(person, study, disc, monkeypatch):
    monkeypatch.setattr("napari_volumetry.widget.QFileDialog.getExistingDirectory", lambda *_: str(study))
    assert add_tracer(person.viewer) is person.widget
    assert person.tracer.open_series(study / "hip04" / "2022-10-18" / "t1_cor")
    person.viewer.window.add_plugin_dock_widget("napari-volumetry", "Open study...")
    person.until(lambda: find_tracer(person.viewer) not in (None, person.widget))
    tracer = find_tracer(person.viewer)
    assert tracer is not None
    assert tracer is not person.widget
    person.until(lambda: person.tracer.case is None)
    person.until(lambda: tracer.worklist.table.rowCount() > 10)
    person.widget, person.tracer = tracer, tracer.tracer
    person.panel, person.worklist = tracer.panel, tracer.worklist
    person.pick(person.row_of(name="hip04, 2022-10-18"))
    person.key("G")
    person.drag(disc(40, 40, 8))
    assert person.number("slice_area_mm2") > 0


@needs_screen
@pytest.mark.parametrize(
    ("path", "scale"), [("study/hip01/2021-03-02/t1_cor", 4.4), ("orientation/axial/axial.nii.gz", None)]
)
def test_file_open_gives_true_pixels(make_napari_viewer, path, scale):
    viewer = make_napari_viewer()
    (layer,) = viewer.open(SAMPLES / path, plugin="napari-volumetry")
    scan = volumetry.read_scan(SAMPLES / path)
    assert layer.data.shape == volumetry.tracing.display_orientation(scan.geometry).shape
    assert layer.scale[0] == pytest.approx(scale or scan.geometry.regular_step_mm)
    assert sorted(layer.scale[1:]) == pytest.approx(sorted(scan.geometry.pixel_spacing_mm))
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3


@needs_screen
@pytest.mark.parametrize(
    "path",
    [
        "study/hip05/2021-06-01/L1.trace.json",
        "study/hip01/2021-03-02/rtstruct.dcm",
    ],
)
def test_file_open_gives_editable_outlines(make_napari_viewer, path):
    viewer = make_napari_viewer()
    layers = viewer.open(SAMPLES / path, plugin="napari-volumetry")
    assert layers
    for layer in layers:
        assert type(layer).__name__ == "Shapes"
        assert set(layer.shape_type) == {"polygon"}
        assert layer.editable
    sections = volumetry.read_sections(SAMPLES / path)
    geometry = sections[0].geometry
    orientation = volumetry.tracing.display_orientation(geometry)
    for layer, section in zip(layers, sections, strict=True):
        rings = [orientation.display_to_pixels(polygon[:, 1:]) for polygon in layer.data]
        areas = [volumetry.Contour(slice_index=0, vertices=ring).area_pixels for ring in rings]
        signs = [-1 if is_hole else 1 for is_hole in layer.features["is_hole"]]
        area = np.dot(signs, areas) * geometry.pixel_area_mm2
        assert area == pytest.approx(section.areas_mm2.sum(), rel=1e-6)


def test_sources_are_found():
    assert len(SOURCES) > 12
    assert all(isinstance(path, Path) for path in SOURCES)


def test_rooms_import_one_way():
    order = ("keys", "drawing", "picture", "commands", "tracer", "panels")
    found = 0
    for path, tree in trees():
        here = path.parent.name if path.parent.name in order else path.stem
        for node in ast.walk(tree):
            module = getattr(node, "module", None) or ""
            there = module.partition("napari_volumetry.")[2].split(".")[0]
            if isinstance(node, ast.ImportFrom) and there and here in order:
                assert there in order, f"{path} imports {module}"
                assert order.index(there) <= order.index(here), f"{path} imports {module}"
                found += 1
    assert found > 30
