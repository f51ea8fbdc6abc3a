"""Left and right, up and down: letters and saved centroid agree with where things lie in the patient."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from conftest import SAMPLES

from volumetry import measure_volume, read_trace

PLANES = ("axial", "coronal", "sagittal", "oblique")
DIRECTIONS = {
    "L": (1, 0, 0),
    "R": (-1, 0, 0),
    "P": (0, 1, 0),
    "A": (0, -1, 0),
    "H": (0, 0, 1),
    "F": (0, 0, -1),
}
EXPECTED = {
    "axial": {"left": "R", "right": "L", "top": "A", "bottom": "P"},
    "coronal": {"left": "R", "right": "L", "top": "H", "bottom": "F"},
    "sagittal": {"left": "A", "right": "P", "top": "H", "bottom": "F"},
}
TOWARDS = {"left": (0, -1), "right": (0, 1), "top": (-1, 0), "bottom": (1, 0)}


def rows_of(name):
    with (SAMPLES / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_letters_and_centroids(person, tmp_path):
    for plane in PLANES:
        for kind in ("dicom", "nifti"):
            check_letters_and_centroid(person, tmp_path / f"{plane}-{kind}", plane, kind)


def check_letters_and_centroid(person, place, plane, kind):
    place.mkdir()
    (truth,) = [row for row in rows_of("orientation_truth.csv") if row["series"] == plane]
    person.tracer.place = place
    assert person.tracer.open_series(SAMPLES / truth[kind])
    scene = person.tracer.scene
    if plane in EXPECTED:
        assert scene.markers == EXPECTED[plane]

    # Every letter: a step that way in the patient is a step towards that edge of the picture.
    middle = np.array([0.0, -10.0, 20.0])
    here = scene.orientation.patient_to_display([middle])[0, 1:]
    for edge, letters in scene.markers.items():
        step = (
            scene.orientation.patient_to_display([middle + 10 * np.array(DIRECTIONS[letters[0]])])[0, 1:]
            - here
        )
        along = np.array(TOWARDS[edge]) @ (step * np.array(scene.orientation.scale_mm[1:]))
        assert along > 7, (edge, letters)

    # The balls of the phantom are in the picture where the patient has them.
    for marker in rows_of("orientation_markers.csv"):
        point = [float(marker[f"{axis}_mm"]) for axis in "xyz"]
        at = scene.orientation.patient_to_display([point])[0]
        index = tuple(np.round(at).astype(int))
        assert scene.image.data[index] > np.median(scene.image.data), marker["marker"]

    person.tracer.load_outlines(
        SAMPLES / ("orientation/" + plane + "/rtstruct.dcm" if kind == "dicom" else truth["mask"])
    )
    assert person.tracer.lesion is not None, person.said
    person.key("Shift-S")
    (saved,) = place.rglob("*.trace.json")
    centroid = measure_volume(read_trace(saved)).centroid_mm
    traced = [float(truth[f"traced_centroid_{axis}_mm"]) for axis in "xyz"]
    assert np.abs(centroid - traced).max() < (0.02 if kind == "dicom" else 0.5)
    # And what is drawn there lies there on the screen.
    shown = scene.orientation.patient_to_display([centroid])[0]
    person.tracer.go_to_slice(round(float(shown[0])))
    ring = scene.outlines[0][1].vertices
    assert np.abs(ring.mean(axis=0) - shown[1:]).max() < 1.5


def test_uneven_slices_are_said_and_measured_where_they_are(person, tmp_path):
    import pydicom

    series = tmp_path / "series"
    series.mkdir()
    for number, path in enumerate(sorted((SAMPLES / "orientation" / "axial" / "images").glob("*.dcm"))):
        image = pydicom.dcmread(path)
        x, y, z = (float(value) for value in image.ImagePositionPatient)
        # Every second slice lies a little higher: steps of 0.8 and 1.2 of the regular one.
        image.ImagePositionPatient = [x, y, z + (0.4 if number % 2 else 0.0)]
        image.save_as(series / path.name)
    assert person.tracer.open_series(series)
    assert "measured at their true positions" in person.tracer.scene.overlay.note
    scene, session = person.tracer.scene, person.tracer.session
    assert scene.image.scale[0] == pytest.approx(scene.scan.geometry.regular_step_mm)
    session.add_lesion("L1", "")
    for index in range(6, 11):
        session.add_outline(index, [(20, 20), (20, 30), (30, 30), (30, 20)])
    person.tracer.update_view()
    person.look()
    geometry = scene.scan.geometry
    heights = geometry.slice_heights_mm()[6:11]
    assert np.ptp(heights) >= 0
    wanted = 100 * geometry.pixel_area_mm2 * heights.sum() / 1000
    assert person.number("volume_spacing_cm3") == pytest.approx(wanted, rel=1e-9)
    assert geometry.is_uneven
