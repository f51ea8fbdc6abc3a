"""Baseline and follow-up: the change, the linked views, registration in the background."""

from __future__ import annotations

import csv
import time

import numpy as np
from conftest import SAMPLES
from qtpy.QtCore import QTimer

from volumetry import read_scan


def open_followup(person, study):
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
    assert "+21.7 %" in panel.change.text()
    assert "increase" in panel.change.text()

    panel.view.setCurrentIndex(1)
    panel.view.activated.emit(1)
    person.press(panel.outline)
    person.look()
    image = person.viewer.layers["baseline"]
    baseline = read_scan(study / "hip01" / "2021-03-02" / "t1_cor")
    shown = []
    for index in (4, 6):
        person.tracer.go_to_slice(index)
        person.look()
        found = [n for n, pixels in enumerate(baseline.voxels) if np.array_equal(pixels, image.data)]
        shown.append(found[0])
    assert shown == [4, 6]
    # Beside it: the baseline's right edge lies left of the follow-up.
    corners = np.array([image.data_to_world(corner) for corner in ((0, 0), image.data.shape)])
    assert corners[:, 1].max() < 0
    assert len(person.viewer.layers["baseline outline"].data)

    # Over it, unregistered: one patient space, so a place in the patient is at one place in the picture.
    panel.view.setCurrentIndex(2)
    panel.view.activated.emit(2)
    person.look()
    point = baseline.geometry.pixel_to_patient(6, [(20.0, 30.0)])
    here = person.tracer.scene.orientation.patient_to_display(point)[0, 1:]
    world = here * np.array(person.tracer.scene.orientation.scale_mm[1:])
    assert np.allclose(image.data_to_world((20.0, 30.0)), world, atol=1e-6)


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


def test_registration_can_be_stopped(person, study):
    open_followup(person, study)
    panel = person.panel.compare
    person.press(panel.register)
    person.press(panel.register)
    person.look(0.3)
    assert panel.register.text() == "Register"
    assert not panel.comparison.is_registering
    assert not panel.comparison.is_registered
