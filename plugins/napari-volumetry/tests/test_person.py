"""A person at the window, by mouse and keys alone."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from volumetry import read_trace

CASE = "hip04, 2022-10-18"
RADIUS = 10.0


def measured(path: Path) -> dict:
    """What `volumetry measure` says of a file."""
    done = subprocess.run(
        [sys.executable, "-m", "volumetry", "measure", str(path), "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    (lesion,) = json.loads(done.stdout)
    return lesion


def test_a_first_lesion(person, study, disc, monkeypatch):
    monkeypatch.setattr("napari_volumetry.widget.QFileDialog.getExistingDirectory", lambda *_: str(study))
    person.press(person.widget.open_study)
    person.pick(person.row_of(name=CASE))
    assert person.viewer.title.startswith(CASE)
    assert person.tracer.tool == "none"

    scene = person.tracer.scene
    middle = scene.scan.geometry.rows / 2, 22.0
    start = 3
    while person.tracer.slice_index > start:
        person.key("Q")
    person.zoom_to(*middle, zoom=9.0)
    person.key("G")
    for index in (3, 4, 5, 8):
        while person.tracer.slice_index < index:
            person.key("W")
        assert person.tracer.slice_index == index
        person.drag(disc(*middle, RADIUS, 64))
        pixels = person.number("slice_area_mm2") / scene.scan.geometry.pixel_area_mm2
        assert pixels == pytest.approx(math.pi * RADIUS**2, rel=0.005)

    person.key("Q", "Q", "Q")
    person.key("H")
    assert person.panel.tools["hole"].isChecked()
    full = person.number("slice_area_mm2")
    person.drag(disc(*middle, 4.0, 40))
    hole = (full - person.number("slice_area_mm2")) / scene.scan.geometry.pixel_area_mm2
    assert hole == pytest.approx(math.pi * 16, rel=0.03)

    person.key("U")
    assert "2 unconfirmed" in person.panel.numbers.values["slices"].text()
    assert "not counted until" in person.panel.messages.warnings.text()
    # Slices between traced ones have no outline that counts: a dash, and the reason.
    assert "–" in person.panel.numbers.values["volume_thickness_cm3"].text()
    assert not person.panel.numbers.values["volume_thickness_cm3"].toolTip()
    person.key("W")
    assert len(scene.proposed) == 2  # the outline and its hole
    person.key("J", "W", "J")
    assert "6 traced, 0 skipped, 0 unconfirmed" in person.panel.numbers.values["slices"].text()
    assert len(scene.proposed) == 0
    assert person.number("volume_thickness_cm3") > 0

    person.key("Shift-S")
    assert person.said.startswith("Saved: ")
    shown = {name: person.number(f"volume_{name}_cm3") for name in ("thickness", "spacing")}
    largest = person.number("max_area_mm2")
    (saved,) = (study / "hip04" / "2022-10-18").glob("*.trace.json")
    numbers = measured(saved)
    for name, value in shown.items():
        assert numbers[f"volume_{name}_mm3"] / 1000 == pytest.approx(value, rel=1e-6)
    assert max(s["area_mm2"] for s in numbers["slices"]) == pytest.approx(largest, rel=1e-6)

    person.tracer.close_case()
    person.look()
    person.pick(person.row_of(name=CASE, reader="AB"))
    assert {name: person.number(f"volume_{name}_cm3") for name in shown} == shown
    trace = read_trace(saved)
    assert trace.side == "R"
    # The one that was drawn, and two filled in: it ends at three quarters of the way to slice 9.
    assert sorted(c.slice_index for c in trace.contours if c.is_hole) == [5, 6, 7]


def test_saving_a_hundred_times_changes_nothing(person, study):
    from volumetry import read_scan
    from volumetry.tracing import open_case, place_for

    series = study / "hip05" / "2021-06-01" / "t1_cor"
    assert person.tracer.open_series(series)
    person.tracer.load_outlines(study / "hip05" / "2021-06-01" / "L1.trace.json")
    person.key("Shift-S")
    shown = person.number("volume_thickness_cm3"), person.number("volume_spacing_cm3")
    (saved,) = series.glob("*.trace.json")
    bytes_before = saved.read_bytes()
    for _ in range(3):
        assert person.tracer.open_series(series)
        assert (person.number("volume_thickness_cm3"), person.number("volume_spacing_cm3")) == shown
        person.key("Shift-S")
    person.tracer.close_case()
    scan, place = read_scan(series), place_for(series)
    for _ in range(100):
        case = open_case(scan, place, reader="AB")
        case.save()
        readout = case.session.readout()
        case.close()
        assert (readout.volume_thickness_cm3, readout.volume_spacing_cm3) == shown
    assert saved.read_bytes() == bytes_before


@pytest.mark.parametrize("on_first", [False, True])
def test_clicks_make_a_polygon(person, study, on_first):
    """A double click closes it, also one on the first point, whose first press has closed it already."""
    person.tracer.open_series(study / "hip04" / "2022-10-18" / "t1_cor")
    person.look()
    corners = np.array([(30.0, 30.0), (30.0, 50.0), (50.0, 50.0), (50.0, 30.0)])
    person.zoom_to(40, 40, 6.0)
    person.key("Shift-G")
    person.click(corners if on_first else corners[:3])
    person.double_click(corners[:1] if on_first else corners[3:])
    assert not person.tracer.is_half_drawn
    (contour,) = person.tracer.session.state.contours.values()
    pixels = person.tracer.scene.orientation.display_to_pixels(corners)
    assert contour.contour.area_pixels == pytest.approx(400, rel=0.01)
    assert np.abs(contour.vertices.mean(axis=0) - pixels.mean(axis=0)).max() < 0.2


def test_the_live_wire_follows_the_margin(person, study):
    """Six clicks near the outer margin of the band: the outline lies on it."""
    series = study / "hip05" / "2021-06-01" / "t1_cor"
    person.tracer.open_series(series)
    person.look()
    truth = read_trace(study / "hip05" / "2021-06-01" / "R1.trace.json")
    contour = max((c for c in truth.contours if not c.is_hole), key=lambda c: c.area_pixels)
    shown = person.tracer.scene.orientation.pixels_to_display(contour.vertices)
    person.tracer.go_to_slice(contour.slice_index)
    person.zoom_to(*shown.mean(axis=0), 9.0)
    person.key("L")
    assert person.panel.tools["wire"].isChecked()
    clicks = shown[:: len(shown) // 6][:6]
    clicks = clicks + 0.4 * np.sign(clicks - shown.mean(axis=0))
    person.click(clicks[:3])
    assert len(person.tracer.drawing.wire.anchors) == 3
    person.key("Backspace")
    assert len(person.tracer.drawing.wire.anchors) == len(person.tracer.drawing.clicks.points) == 2
    person.key("Control-Z", "Escape")
    assert person.tracer.drawing.wire is None
    assert not person.tracer.session.state.contours
    assert person.tracer.tool == "wire"  # Escape dropped the one click that was left
    person.click(clicks)
    person.click(clicks[:1])
    (drawn,) = person.tracer.session.state.contours.values()
    assert drawn.contour.area_pixels == pytest.approx(contour.area_pixels, rel=0.04)
    assert person.tracer.session.events[-1].reason == "live-wire"


def test_a_ct_opens_in_the_window_of_its_file(person, tmp_path):
    import pydicom
    from pydicom.data import get_testdata_file

    data = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    data.WindowCenter, data.WindowWidth = ["40", "300"], ["400", "1500"]
    for index in range(3):
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{index}"
        data.ImagePositionPatient[2], data.InstanceNumber = 5.0 * index, index + 1
        data.save_as(tmp_path / f"{index}.dcm")
    assert person.tracer.open_series(tmp_path)
    person.look()
    assert person.tracer.scene.window == (-160, 240)
    person.key("2")
    assert person.said == "Window bone: level 300, width 1500."
    assert person.panel.window_presets.currentText() == "bone"
    person.key("1")
    assert person.said == "Window of the file: level 40, width 400."
    assert person.tracer.scene.window == (-160, 240)


def test_undo_goes_where_it_was_and_back(person, study, disc):
    person.tracer.open_series(study / "hip04" / "2022-10-18" / "t1_cor")
    person.look()
    person.zoom_to(40, 40, 6.0)
    person.key("G")
    first = person.tracer.slice_index
    person.drag(disc(40, 40, 8))
    person.key("W", "W")
    person.drag(disc(40, 40, 9))
    assert len(person.tracer.session.state.contours) == 2
    person.key("Q", "Q")
    person.key("Control-Z")
    assert person.tracer.slice_index == first + 2
    assert len(person.tracer.session.state.contours) == 1
    person.key("Control-Z")
    assert person.tracer.slice_index == first
    assert not person.tracer.session.state.contours
    person.key("Control-Shift-Z", "Control-Shift-Z")
    assert len(person.tracer.session.state.contours) == 2
    assert len(person.tracer.scene.outlines) == 1


def test_pushing_the_outline(person, study, disc):
    person.tracer.open_series(study / "hip04" / "2022-10-18" / "t1_cor")
    person.look()
    person.zoom_to(40, 40, 5.0)
    person.key("G")
    person.drag(disc(40, 40, 12))
    before = person.number("slice_area_mm2")
    person.key("N")
    person.drag(np.column_stack((np.full(30, 40.0), np.linspace(44, 50, 30))))
    assert person.number("slice_area_mm2") > before * 1.02
    person.key("Control-Z")
    assert person.number("slice_area_mm2") == before
    person.drag(np.column_stack((np.full(30, 40.0), np.linspace(60, 50, 30))))
    assert person.number("slice_area_mm2") < before * 0.98


def test_dragging_and_deleting_a_vertex(person, study):
    person.tracer.open_series(study / "hip04" / "2022-10-18" / "t1_cor")
    person.look()
    person.zoom_to(40, 40, 6.0)
    corners = np.array([(30.0, 30.0), (30.0, 50.0), (50.0, 50.0), (50.0, 30.0)])
    person.key("Shift-G")
    person.click(corners[:3])
    person.double_click(corners[3:])
    person.key("Shift-N")
    assert person.tracer.tool == "vertices"
    person.drag(np.array([(30.0, 30.0), (28.0, 28.0), (25.0, 25.0), (20.0, 20.0)]))
    (contour,) = person.tracer.session.state.contours.values()
    # The corner moved by 10 pixels each way: two triangles more.
    assert contour.contour.area_pixels == pytest.approx(400 + 200, rel=0.03)
    assert person.number("slice_area_mm2") == pytest.approx(
        contour.contour.area_pixels * person.tracer.scene.scan.geometry.pixel_area_mm2
    )
    person.hover(np.array([(20.0, 20.0)]))
    person.key("Backspace")
    (contour,) = person.tracer.session.state.contours.values()
    assert contour.contour.area_pixels == pytest.approx(200, rel=0.03)


def test_painting_counts_pixels(person, study):
    person.tracer.open_series(study / "hip04" / "2022-10-18" / "t1_cor")
    person.look()
    person.zoom_to(40, 40, 6.0)
    person.key("K")
    person.drag(np.column_stack((np.full(20, 40.0), np.linspace(30, 50, 20))))
    session = person.tracer.session

    def painted() -> int:
        return sum(piece.n_pixels for piece in session.state.painted.values())

    first = painted()
    assert first > 50
    area = session.geometry.pixel_area_mm2
    assert person.number("slice_area_mm2") == pytest.approx(first * area, rel=1e-12)
    person.key("Control-Z")
    assert painted() == 0
    person.key("Control-Shift-Z")
    assert painted() == first
    person.key("Shift-K")
    person.drag(np.column_stack((np.full(20, 40.0), np.linspace(46, 60, 20))))
    assert 0 < painted() < first
    person.key("Control-Z")
    person.key("Shift-S")
    (saved,) = (study / "hip04" / "2022-10-18" / "t1_cor").glob("*.trace.json")
    assert sum(s["area_mm2"] for s in measured(saved)["slices"]) == pytest.approx(first * area, rel=1e-12)


def test_copy_and_several_lesions(person, study, disc):
    person.tracer.open_series(study / "hip04" / "2022-10-18" / "t1_cor")
    person.look()
    person.viewer.reset_view()
    person.look()
    columns = person.tracer.scene.orientation.shape[2]
    person.key("G")
    person.drag(disc(35, 15, 8))
    person.key("Shift-W")
    index = person.tracer.slice_index
    assert person.tracer.session.state.slices_of(person.tracer.session.current_lesion) == (index - 1, index)
    person.key("Shift-F")
    person.panel.side.setCurrentIndex(person.panel.side.findData("L"))
    person.tracer.rename_lesion("L1", "L")
    person.key("G")
    person.drag(disc(35, columns - 15, 6))
    names = {lesion.name: lesion for lesion in person.tracer.session.state.lesions.values()}
    assert {name: lesion.side for name, lesion in names.items()} == {"R1": "R", "L1": "L"}
    assert names["R1"].colour != names["L1"].colour
    assert not [w for w in person.tracer.readout.warnings if w.code == "side-mismatch"]
    person.tracer.rename_lesion("L1", "R")
    assert [w for w in person.tracer.readout.warnings if w.code == "side-mismatch"]
    person.key("Shift-D")
    assert person.tracer.lesion.name == "R1"
