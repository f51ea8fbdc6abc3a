"""An outline that crosses itself: said in plain words, and marked in the picture."""

from __future__ import annotations

import numpy as np


def test_where_an_outline_crosses_itself_is_marked_in_the_picture(person, study, disc):
    person.tracer.open_series(study / "hip04" / "2022-10-18" / "t1_cor")
    person.look()
    person.zoom_to(40, 40, 5.0)
    person.key("G")
    angles = np.linspace(0.2, 2 * np.pi + 0.2, 60)
    larger = np.where(np.sin(angles) > 0, 1.3, 0.8)
    eight = np.column_stack((np.sin(2 * angles) * 8, np.sin(angles) * 12)) * larger[:, np.newaxis]
    person.drag(40 + eight)
    (place,) = person.tracer.scene.overlay.crossings
    assert np.hypot(*(place[0] - 40)) < 0.5
    said = person.panel.messages.errors.text()
    assert "An outline crosses itself (slice 7 of 12" in said
    assert "row" not in said
    person.key("W")
    assert person.tracer.scene.overlay.crossings == []
    person.key("Q", "Control-Z")
    assert person.tracer.scene.overlay.crossings == []
    person.drag(disc(40, 40, 8))
    assert person.tracer.scene.overlay.crossings == []
