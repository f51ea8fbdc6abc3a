"""A half-drawn live-wire, closed: its outline goes once round, wherever the clicks lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari_volumetry.drawing.wire import Wire

from volumetry import read_scan
from volumetry.contours.rings import find_crossing, signed_area
from volumetry.tracing import LiveWire, display_orientation


@pytest.fixture(scope="module")
def slice_of_sample():
    """A slice with the dark band of a lesion, and its live-wire."""
    samples = Path(__file__).resolve().parents[3] / "sample_scans"
    scan = read_scan(samples / "study" / "hip04" / "2022-10-18" / "t1_cor")
    orientation = display_orientation(scan.geometry)
    return LiveWire(orientation.to_display(scan.voxels)[6].astype(float), orientation.scale_mm[1:])


def clicked(live_wire: LiveWire, places: np.ndarray) -> Wire:
    made = Wire(live_wire, tuple(places[0]))
    for place in places[1:]:
        made.add(tuple(place))
    return made


def test_the_closed_outline_does_not_cross_itself(slice_of_sample):
    """Clicks round a place, also off the margin: what is closed has one area, and holds the clicks' own."""
    chance = np.random.default_rng(3)
    for _ in range(60):
        angles = np.sort(chance.uniform(0, 2 * np.pi, chance.integers(3, 7)))
        if np.ptp(angles) < np.pi or np.diff(angles).max() > np.pi:
            continue
        radii = chance.uniform(7, 13, (len(angles), 1))
        middle = np.array([43.0, 41.0]) + chance.uniform(-4, 4, 2)
        made = clicked(slice_of_sample, middle + radii * np.column_stack((np.sin(angles), np.cos(angles))))
        corners = np.array(made.anchors)
        ring = made.closed()
        if find_crossing(corners) is None:
            assert find_crossing(ring) is None
            assert made.n_straightened < len(corners)
            assert abs(signed_area(ring)) > 0.3 * abs(signed_area(corners))


def test_the_path_keeps_off_what_is_drawn():
    """A bright disc of which three quarters are drawn: the last stretch is the quarter that is left."""
    rows, columns = np.indices((80, 80))
    live_wire = LiveWire(np.where(np.hypot(rows - 40, columns - 40) < 20, 20.0, 100.0))
    angles = np.deg2rad([0, 60, 120, 180, 240, 275])
    made = clicked(live_wire, 40 + 20 * np.column_stack((np.sin(angles), np.cos(angles))))
    last = made.preview(made.anchors[0])
    assert len(last) == pytest.approx(20 * np.deg2rad(85), abs=4)
    assert abs(signed_area(made.closed())) == pytest.approx(np.pi * 400, rel=0.03)
    assert made.n_straightened == 0
    # Without what is drawn, a stretch between two clicks may go either way; it never comes back on itself.
    there = made.path
    assert np.hypot(*(last[3:-3, None] - there[None]).transpose(2, 0, 1)).min(axis=1).min() > 1.0
