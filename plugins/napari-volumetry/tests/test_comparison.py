"""Baseline and follow-up: the change, the linked views, registration in the background."""

from __future__ import annotations

import csv
import json
import math
import re
import time
from dataclasses import replace

import numpy as np
import pydicom
from conftest import SAMPLES
from qtpy.QtCore import QTimer

from volumetry import read_scan, read_trace, write_trace
from volumetry.cli import main
from volumetry.error_model import ReadingError
from volumetry.tracing import RigidTransform, display_orientation


def open_followup(person, study, *, reader="AB"):
    """Open a follow-up; `reader` read the baseline, whose file names nobody where it is empty."""
    first = study / "hip01" / "2021-03-02"
    for lesion in ("lesion_L1", "lesion_R1") if reader else ():
        trace = read_trace(first / "rtstruct.dcm", roi=lesion)
        own = replace(trace, provenance=replace(trace.provenance, reader=reader))
        write_trace(own, first / f"{lesion}_{reader}.trace.json")
    assert person.tracer.open_study(study)
    person.pick(person.row_of(name="hip01, 2021-09-07", lesion="lesion_L1"))
    for lesion in list(person.tracer.session.state.lesions):
        person.tracer.session.delete_lesion(lesion)
    person.tracer.load_outlines(study / "hip01" / "2021-09-07" / "rtstruct.dcm")
    person.look()


def test_change_is_told_and_baseline_is_linked(person, study):
    open_followup(person, study)
    panel = person.panel.compare
    assert panel.isVisible()
    overlay = person.tracer.scene.overlay
    assert overlay.note == ""
    for index, said in ((2, "Over it: Baseline  2021-03-02, not registered"), (0, "")):
        panel._set_view(index)
        assert overlay.note == said
    assert "+21.7 %" in panel.change.text()
    assert "increase" in panel.change.text()

    panel.view.setCurrentIndex(1)
    panel.view.activated.emit(1)
    person.press(panel.outline)
    other = person.widget.reading_window.other
    person.until(lambda: other.isVisible() and other.rings)
    assert panel.comparison.label == "Baseline  2021-03-02"
    assert overlay.note == ""  # the picture beside says it
    panel._set_view(0)
    assert overlay.note == "Dashed in white: Baseline  2021-03-02, not registered"
    panel._set_view(1)
    person.look()
    assert other.rings
    baseline = read_scan(study / "hip01" / "2021-03-02" / "t1_cor")
    orientation = person.tracer.scene.orientation
    for index in (4, 6):
        person.tracer.go_to_slice(index)
        person.look()
        shown = panel.comparison.slice_values()
        there = display_orientation(baseline.geometry)
        for place in ((30.0, 40.0), (50.0, 120.0)):
            point = orientation.display_to_patient(index, [place])
            at = there.patient_to_display(point)[0]
            low, high = np.floor(at).astype(int), np.ceil(at).astype(int)
            near = there.to_display(baseline.voxels)[
                low[0] : high[0] + 1, low[1] : high[1] + 1, low[2] : high[2] + 1
            ]
            assert near.min() - 1e-3 <= shown[int(place[0]), int(place[1])] <= near.max() + 1e-3
    assert other.height() == person.canvas.height()
    here = other.view.to_canvas([(20.0, 30.0)])[0] - np.array([other.width(), other.height()]) / 2
    there = person.on_canvas(np.array([(20.0, 30.0)]))[0]
    there = there - np.array([person.canvas.width(), person.canvas.height()]) / 2
    assert np.abs(here - there).max() < 0.01


def test_a_baseline_of_nobody_is_compared_as_batch_does(person, study, tmp_path):
    """``changes.csv`` pairs a tracing that names no reader with no named reader's: no class on the screen."""
    open_followup(person, study, reader="")
    assert person.panel.compare.change.text().startswith("The tracing at baseline names no reader")
    person.tracer.rename_lesion("L1", "L")
    assert person.panel.compare.change.text().startswith("At baseline it is named lesion_L1")
    person.tracer.rename_lesion("lesion_L1", "L")
    person.key("Shift-S")
    assert main(["batch", str(study), "--out", str(tmp_path / "out"), "--jobs", "1"]) in (0, 1)
    with (tmp_path / "out" / "changes.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if (r["patient"], r["reader"]) == ("hip01", "AB")]
    assert rows
    assert {row["category"] for row in rows} == {"not_evaluable"}


def test_the_class_is_told_beside_its_error(person, study):
    """With the study's own repeated reads: the change, its error, and what the two say together."""
    error = ReadingError(
        model="constant",
        log_sd_at_1_cm3=0.02,
        exponent=0.0,
        df=60,
        n_pairs=60,
        n_lesions=60,
        n_patients=60,
        size_range_mm3=(100.0, 60_000.0),
    )
    (study / "repeatability.json").write_text(json.dumps(error.as_dict()))
    (study / "study.toml").write_text(
        '[study]\nname = "hips"\n\n[repeatability]\nfile = "repeatability.json"\n'
    )
    open_followup(person, study)
    said = person.panel.compare.change.text()
    found = re.search(r"\+21\.7 %, error ([\d.]+) %: (\w+)", said)
    assert found, said
    # Two reads at least; the slicing of two visits comes on top.
    assert 2 * math.sqrt(2) - 0.1 <= float(found[1]) <= 10
    assert found[2] == "increase"
    assert "by the 15 % rule" not in said


def test_a_pair_that_may_not_be_compared_shows_no_class(person, study):
    """The panel says of the pair what ``changes.csv`` says of it."""
    for path in (study / "hip01" / "2021-09-07" / "t1_cor").glob("*.dcm"):
        data = pydicom.dcmread(path)
        data.RepetitionTime = 2 * data.RepetitionTime
        data.save_as(path)
    toml = '[study]\nname = "hips"\n\n[comparability]\nrefuse = ["repetition-time-changed"]\n'
    (study / "study.toml").write_text(toml)
    open_followup(person, study)
    said = person.panel.compare.change.text()
    assert "+21.7 %: not evaluable" in said
    assert "The repetition time changed." in said
    assert "increase" not in said


def test_a_turned_baseline_is_shown_at_the_same_place():
    from napari_volumetry.picture.reslicing import letters_of, resliced

    followup = read_scan(SAMPLES / "orientation" / "axial" / "axial.nii.gz")
    angle = np.radians(7.0)
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    to_other = RigidTransform(rotation=rotation, translation_mm=np.array([3.0, -2.0, 1.0]))
    orientation = display_orientation(followup.geometry)
    _, rows, columns = orientation.shape
    grid = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), axis=-1).reshape(-1, 2)
    for index in (3, 7):
        values = resliced(followup, orientation, index, to_other)
        points = to_other.apply(orientation.display_to_patient(index, grid))
        places = orientation.patient_to_display(points)
        size = np.array(orientation.shape) - 1
        inside = np.all((places >= 0) & (places <= size), axis=1).reshape(rows, columns)
        nearest = np.clip(np.rint(places).astype(int), 0, size)
        shown = orientation.to_display(followup.voxels)
        near = shown[nearest[:, 0], nearest[:, 1], nearest[:, 2]].reshape(rows, columns)
        assert inside.mean() > 0.5
        assert not np.isnan(values[inside]).any()
        assert np.corrcoef(values[inside], near[inside])[0, 1] > 0.9
    assert letters_of(orientation, to_other) == orientation.markers


def test_baseline_outlines_are_only_ever_proposed(person, study):
    open_followup(person, study)
    before = person.number("volume_thickness_cm3")
    person.press(person.panel.compare.propose)
    assert person.tracer.readout.slices_unconfirmed
    assert person.number("volume_thickness_cm3") == before
    person.key("Control-Z")
    assert not person.tracer.readout.slices_unconfirmed


def test_registration_answers_and_is_right(person, study):
    open_followup(person, study)
    panel, ticks = person.panel.compare, []
    timer = QTimer()
    timer.setInterval(20)
    timer.timeout.connect(lambda: ticks.append(time.monotonic()))
    timer.start()
    person.press(panel.register)
    assert panel.register.text() == "Cancel"
    assert panel.progress.isVisible()
    until = time.monotonic() + 120
    index = person.tracer.slice_index
    while panel.comparison.is_registering and time.monotonic() < until:
        person.key("W" if person.tracer.slice_index == index else "Q")
    timer.stop()
    assert panel.comparison.is_registered, person.said
    assert len(ticks) > 5
    assert person.said.startswith("Registered")

    with (SAMPLES / "motion.csv").open(newline="") as file:
        (row,) = [r for r in csv.DictReader(file) if (r["patient"], r["visit"]) == ("hip01", "2021-09-07")]
    rotation = np.array([[float(row[f"r{i}{j}"]) for j in (1, 2, 3)] for i in (1, 2, 3)])
    centre = np.array([float(row[f"centre_{axis}_mm"]) for axis in "xyz"])
    shift = np.array([float(row[f"translation_{axis}_mm"]) for axis in "xyz"])
    points = np.array([(-90, -3, 10), (90, -3, 10), (0, 0, 0), (0, -20, 40)], dtype=float)
    wanted = (points - centre) @ rotation.T + centre + shift
    assert np.linalg.norm(panel.comparison.to_followup.apply(points) - wanted, axis=1).max() < 0.5
    turned = panel.comparison.to_followup.rotation @ rotation.T
    assert np.degrees(np.arccos((np.trace(turned) - 1) / 2)) < 0.5

    # The panel is closed, and opened again: what was found, and what is shown, is as it was.
    panel.view.setCurrentIndex(1)
    panel.view.activated.emit(1)
    person.press(panel.outline)
    shown, box = panel.change.text(), panel.box.title()
    motion = panel.comparison.to_followup
    person.reopen_panel()
    again = person.panel.compare
    assert again is not panel
    assert again.comparison.is_registered
    assert again.comparison.to_followup is motion
    assert (again.change.text(), again.box.title()) == (shown, box)
    assert (again.view.currentText(), again.outline.isChecked()) == ("side by side", True)
    assert person.widget.reading_window.other.isVisible()


def test_registration_can_be_stopped(person, study):
    open_followup(person, study)
    panel = person.panel.compare
    person.press(panel.register)
    person.press(panel.register)
    person.until(lambda: panel.register.text() == "Register")
    assert not panel.comparison.is_registering
    assert not panel.comparison.is_registered


def test_outlines_of_any_visit_can_be_seen_and_proposed(person, study):
    open_followup(person, study)
    panel, comparison = person.panel.compare, person.tracer.comparison
    later = next(number for number, name in comparison.visits if name == "2022-03-08")
    said_of_baseline = panel.change.text()
    panel.choose_visit(later)
    person.press(panel.outline)
    rings = {}
    for index in range(person.tracer.scene.orientation.shape[0]):
        person.tracer.go_to_slice(index)
        person.look()
        rings[index] = len(person.tracer.scene.overlay.other_rings)
    assert max(rings.values()) >= 1
    # A change is told against the baseline only.
    assert "baseline" not in panel.change.text()
    lesion = person.tracer.lesion
    for index in person.tracer.session.state.slices_of(lesion.id):
        person.tracer.session.clear_slice(index)
    person.press(panel.propose)
    assert person.tracer.session.state.slices_of(lesion.id, status="proposed")
    panel.choose_visit(person.tracer.worklist.baseline_number(person.tracer.number))
    assert panel.change.text() == said_of_baseline or "At baseline" in panel.change.text()


def test_reads_of_two_readers_are_one_change_only_where_each_visit_has_one(person, study):
    """As ``changes.csv`` pairs them: the error is that between readers, and nobody is chosen of several."""
    known = {"df": 60, "n_pairs": 60, "n_lesions": 60, "n_patients": 60, "size_range_mm3": (100.0, 60_000.0)}
    within = ReadingError(model="constant", log_sd_at_1_cm3=0.02, exponent=0.0, **known)
    (study / "within.json").write_text(json.dumps(within.as_dict()))
    between = replace(within, log_sd_at_1_cm3=0.06, kind="between_readers")
    (study / "between.json").write_text(json.dumps(between.as_dict()))
    first = study / "hip01" / "2021-03-02"
    trace = read_trace(first / "rtstruct.dcm", roi="lesion_L1")
    (first / "rtstruct.dcm").unlink()

    def said_with(*readers, toml):
        for reader in readers:
            read = replace(trace, provenance=replace(trace.provenance, reader=reader))
            write_trace(read, first / f"lesion_L1_{reader}.trace.json")
        (study / "study.toml").write_text(f'[study]\nname = "hips"\n\n[repeatability]\n{toml}')
        assert person.tracer.open_study(study)
        person.pick(person.row_of(name="hip01, 2021-09-07"))
        for lesion in list(person.tracer.session.state.lesions):
            person.tracer.session.delete_lesion(lesion)
        person.tracer.load_outlines(own)
        lesions = {lesion.name: lesion.id for lesion in person.tracer.session.state.lesions.values()}
        person.tracer.choose_lesion(lesions["lesion_L1"])
        person.look()
        return person.panel.compare.change.text()

    # Of nobody named: it would be a second tracing of the visit.
    own = (study / "hip01" / "2021-09-07" / "rtstruct.dcm").rename(study.parent / "own.dcm")
    both = 'file = "within.json"\nbetween_readers_file = "between.json"\n'
    errors = []
    for readers, toml in ((("CD",), both), (("AB",), both)):
        found = re.search(r"error ([\d.]+) %", said_with(*readers, toml=toml))
        errors.append(float(found[1]))
        for path in first.glob("*.trace.json"):
            path.unlink()
    assert errors[0] > 2 * errors[1]
    assert "error not known" in said_with("CD", toml='file = "within.json"\n')
    said = said_with("CD", "EF", toml=both)
    assert said.startswith("At baseline it was read by CD and EF, not by AB")
    assert "%" not in said
