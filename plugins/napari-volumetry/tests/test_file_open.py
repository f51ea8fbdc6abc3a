"""napari's File > Open: masks as labels, scans that can be traced at once, what lies beside a series."""

from __future__ import annotations

import shutil
from itertools import product

import numpy as np
import pytest
from conftest import SAMPLES, needs_screen
from napari.settings import get_settings
from napari_volumetry.picture.layers import BASELINE_COLOUR, COLOURS, SHOWN_COLOURS
from napari_volumetry.picture.scene import PROPOSED_COLOUR
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication
from skimage.color import deltaE_ciede2000, rgb2lab

import volumetry
from volumetry.export import TracedFile, export_traced
from volumetry.tracing import display_orientation

SERIES = "hip01/2021-03-02/t1_cor"


@needs_screen
@pytest.mark.parametrize("name", ["axial_mask.nii.gz", "drawing.nii.gz"])
def test_a_mask_opens_as_labels_with_names_and_colours(make_napari_viewer, tmp_path, name):
    path = tmp_path / name
    shutil.copy(SAMPLES / "orientation" / "axial" / "axial_mask.nii.gz", path)
    viewer = make_napari_viewer()
    (layer,) = viewer.open(path, plugin="napari-volumetry")
    assert type(layer).__name__ == "Labels"
    mask = volumetry.read_mask(path)
    orientation = display_orientation(mask.geometry)
    assert np.array_equal(layer.data, orientation.to_display(mask.layers[0]))
    assert tuple(layer.scale) == pytest.approx(orientation.scale_mm)
    numbers = [label.number for label in mask.labels]
    assert list(layer.features["index"]) == [0, *numbers]
    assert all(layer.features["name"][1:])
    assert not np.allclose(layer.colormap.map(numbers[0]), layer.colormap.map(0))


def test_our_reader_is_taken_where_napari_would_ask(person, tmp_path):
    """Its own reader loses the letters and the size of pixels; nothing is remembered for other windows."""
    path = tmp_path / "L1.nii.gz"
    shutil.copy(SAMPLES / "orientation" / "axial" / "axial_mask.nii.gz", path)
    before = dict(get_settings().plugins.extension2reader)
    seen = []
    timer = QTimer()
    timer.timeout.connect(lambda: seen.append(reject(QApplication.activeModalWidget())))
    timer.start(100)

    def reject(dialog):
        if dialog is not None and dialog.isVisible():
            dialog.reject()
            return dialog.windowTitle()
        return ""

    # As File > Open does, once a file is chosen.
    person.viewer.window._qt_viewer._qt_open([str(path)], stack=False)
    person.look(0.3)
    timer.stop()
    assert not any(seen)
    (layer,) = person.viewer.layers
    assert "volumetry" in layer.metadata
    assert dict(get_settings().plugins.extension2reader) == before
    assert person.worklist.said.text().startswith("L1.nii.gz is shown without a scan")


def test_nothing_that_is_only_shown_has_the_colour_of_a_lesion():
    def lab(colour):
        return rgb2lab([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])

    counted = (*COLOURS, BASELINE_COLOUR, PROPOSED_COLOUR)
    assert min(deltaE_ciede2000(lab(a), lab(b)) for a, b in product(SHOWN_COLOURS, counted)) > 20


def test_what_file_open_brought_is_traced_at_once(person, study, disc):
    person.viewer.open(study / SERIES, plugin="napari-volumetry")
    person.until(lambda: person.tracer.case is not None)
    assert person.tracer.name == "hip01, 2021-03-02, t1_cor"
    images = [layer for layer in person.viewer.layers if type(layer).__name__ == "Image"]
    assert len(images) == 1
    person.key("G")
    person.drag(disc(40, 40, 8))
    assert person.tracer.session.state.contours


def test_the_rtstruct_beside_a_series_is_offered_and_taken_over(person, study):
    asked = []
    person.tracer.decision_needed.connect(lambda text, choices: asked.append((text, choices)))
    assert person.tracer.open_series(study / SERIES)
    person.until(lambda: asked)
    (text, choices) = asked[-1]
    assert "RTSTRUCT rtstruct.dcm" in text
    assert "lesion_L1" in text
    dict(choices)["Take over RTSTRUCT"]()
    assert not person.panel.notice.isVisible()
    names = {lesion.name for lesion in person.tracer.session.state.lesions.values()}
    assert {"lesion_L1", "lesion_R1"} <= names
    # Taken back, it is offered again; left, it is not.
    person.key("Control-Z")
    assert not person.tracer.session.state.lesions
    assert person.panel.notice.isVisible()
    person.press(person.panel.notice.buttons[-1])
    person.key("Control-Shift-Z", "Control-Z")
    assert not person.panel.notice.isVisible()


def test_a_case_that_is_open_is_not_replaced(person, study):
    assert person.tracer.open_series(study / "hip04" / "2022-10-18" / "t1_cor")
    person.viewer.open(study / SERIES, plugin="napari-volumetry")
    person.look(0.3)
    assert "hip04" in person.tracer.name
    hidden = person.viewer.layers[-1]
    assert not hidden.visible
    assert "is hidden" in person.said


def test_the_offer_goes_once_something_is_traced(person, study, disc):
    assert person.tracer.open_series(study / SERIES / "0003.dcm")
    person.until(lambda: person.panel.notice.isVisible())
    assert person.tracer.name == "hip01, 2021-03-02, t1_cor"
    person.key("G")
    person.drag(disc(40, 40, 8))
    person.look()
    assert not person.panel.notice.isVisible()


@pytest.mark.parametrize("is_first", [True, False])
def test_the_mask_of_another_patient_is_hidden_and_never_taken_over(person, study, tmp_path, is_first):
    """Its grid is that of the case in view: the patient alone tells them apart."""
    case = study / "hip04" / "2022-10-18" / "t1_cor"
    for name, place in (("other", study / SERIES), ("own", case)):
        scan = volumetry.read_scan(place)
        square = np.array([(30.0, 30.0), (30.0, 50.0), (50.0, 50.0), (50.0, 30.0)])
        contours = [volumetry.Contour(slice_index=index, vertices=square) for index in range(4, 8)]
        trace = volumetry.Trace(lesion="R1", contours=contours, geometry=scan.geometry, source=scan.source)
        traced = TracedFile(path=tmp_path, traces=(trace,))
        export_traced(traced, tmp_path / f"{name}.seg.dcm", "seg", scan=place)

    def bring(name):
        (layer,) = person.viewer.open(tmp_path / f"{name}.seg.dcm", plugin="napari-volumetry")
        return layer

    early, layer = (bring("own"), bring("other")) if is_first else (None, None)
    assert person.tracer.open_series(case)
    layer = layer or bring("other")
    person.until(lambda: not layer.visible)
    assert "another patient" in person.said
    assert person.viewer.layers.selection.active is None
    if early is not None:
        assert "only shown" in person.said
    # napari's line would name keys that are the tracer's, and count slices from 0.
    assert not person.widget.window().statusBar().isVisible()
    person.tracer.load_outlines(tmp_path / "other.seg.dcm")
    assert not person.tracer.session.state.lesions
    assert person.said == "other.seg.dcm was drawn on another patient's scan."
    assert "belongs to another patient" in person.panel.said.toolTip()
    (both,) = {path.name for path in (study / "hip01" / "2021-03-02").glob("*.dcm")}
    person.viewer.open(study / "hip01" / "2021-03-02" / both, plugin="napari-volumetry")
    person.until(lambda: "are hidden" in person.said)
    assert person.said == "lesion_L1 and lesion_R1 are hidden: drawn on another patient's scan."
    assert not person.panel.said.toolTip()
    shown = early or bring("own")
    person.until(lambda: early is not None or "only shown" in person.said)
    assert shown.visible
    layers = person.viewer.layers
    assert layers.index(shown) > layers.index(person.tracer.scene.image)
    person.tracer.load_outlines(tmp_path / "own.seg.dcm")
    assert [lesion.name for lesion in person.tracer.session.state.lesions.values()] == ["R1"]
