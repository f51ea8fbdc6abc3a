"""Layers of somebody else stay where they are, whatever becomes of the case."""

from __future__ import annotations

import numpy as np
import pytest

ADD = {
    "points": lambda viewer: viewer.add_points([[0, 5, 5]]),
    "vectors": lambda viewer: viewer.add_vectors(np.array([[[2, 5, 5], [0, 10, 10]]])),
    "labels": lambda viewer: viewer.add_labels(np.ones((12, 30, 30), int)),
}


@pytest.mark.parametrize("kind", ADD)
def test_a_case_is_closed_and_opened_beside_a_layer_of_somebody_else(person, study, kind):
    tracer, viewer = person.tracer, person.viewer
    tracer.open_study(study)
    tracer.open_row(1)
    person.look(0.1)
    layer = ADD[kind](viewer)
    person.look(0.1)
    for row in (2, 3):
        tracer.close_case()  # points and vectors ended the process here
        person.until(lambda: layer in viewer.layers and layer.visible)
        tracer.open_row(row)
        person.look(0.1)
        tracer.next_case()
        person.look(0.1)
    assert tracer.is_active()
    tracer.close_case()
    tracer.open_row(1)
    person.until(lambda: layer.visible)


@pytest.mark.parametrize("kind", ADD)
def test_the_picture_is_deleted_beside_a_layer_of_somebody_else(person, study, kind):
    """Buffers of a deleted layer to which OpenGL still pointed ended the process in the next frame."""
    tracer, viewer = person.tracer, person.viewer
    tracer.open_study(study)
    tracer.open_row(1)
    person.look(0.1)
    person.zoom_to(42, 42, 7.0)

    def place():
        return tracer.scene.view.centre_mm, tracer.scene.view.zoom

    before = place()
    for _ in range(3):
        ADD[kind](viewer)
        person.look(0.1)
        viewer.layers.remove(tracer.scene.image)
        person.until(lambda: tracer.scene.image in viewer.layers)
        person.look(0.1)
        assert place() == before
        ADD[kind](viewer)
        person.look(0.1)
        viewer.layers.clear()
        person.until(lambda: tracer.scene.image in viewer.layers)
        person.look(0.1)
        assert place() == before
    assert tracer.is_active()
