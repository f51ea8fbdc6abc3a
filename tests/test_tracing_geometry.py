"""What the tracer decides about shapes and views: interpolation, nudging, orientation, linking."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volumetry import Contour, Scan, ScanGeometry, ScanSource
from volumetry.contours.rings import signed_area
from volumetry.contours.slice_contours import slice_area_pixels
from volumetry.errors import GeometryError
from volumetry.tracing import (
    RigidTransform,
    brush_pixels,
    clean_outline,
    display_orientation,
    interpolate_slice,
    link_pixel,
    link_slice,
    nudge_outline,
    project_contours,
    window_presets,
)
from volumetry.tracing.session.pixels import (
    combine_runs,
    count_pixels,
    image_from_runs,
    runs_from_image,
    runs_from_pixels,
)

X, Y, Z = np.eye(3)


def geometry_of(
    row: np.ndarray, column: np.ndarray, *, positions: list[float] | None = None, rows: int = 80
) -> ScanGeometry:
    normal = np.cross(row, column)
    steps = positions if positions is not None else [4.4 * i for i in range(9)]
    return ScanGeometry(
        rows=rows,
        columns=100,
        pixel_spacing_mm=(0.8, 0.7),
        row_direction=row,
        column_direction=column,
        slice_origins_mm=[np.array([-10.0, 20.0, 30.0]) + s * normal for s in steps],
        slice_thickness_mm=4.0,
    )


CORONAL = geometry_of(X, -Z)


def disc(radius: float, centre: tuple[float, float] = (40.0, 50.0), n: int = 90) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.column_stack((centre[0] + radius * np.cos(angles), centre[1] + radius * np.sin(angles)))


def outline(radius: float, index: int, *, hole: bool = False, centre: tuple[float, float] = (40.0, 50.0)):
    return Contour(slice_index=index, vertices=disc(radius, centre), is_hole=hole)


def radius_of(contours: tuple[Contour, ...]) -> float:
    return math.sqrt(slice_area_pixels(contours) / math.pi)


# -- interpolation ------------------------------------------------------------------------------------------


@settings(max_examples=10)
@given(st.floats(3, 20), st.floats(3, 20))
def test_between_discs_the_radius_is_nearly_linear(first: float, last: float) -> None:
    # Pixels are not square; the distances are in mm, so a disc in pixels stays one only nearly.
    square = ScanGeometry(
        rows=80,
        columns=100,
        pixel_spacing_mm=(0.7, 0.7),
        row_direction=X,
        column_direction=-Z,
        slice_origins_mm=[(0, 4 * i, 0) for i in range(5)],
    )
    radii = [first]
    for index in (1, 2, 3):
        found = interpolate_slice([outline(first, 0)], [outline(last, 4)], index, square)
        assert len(found) == 1
        radii.append(radius_of(found))
    radii.append(last)
    assert radii == pytest.approx(np.linspace(first, last, 5).tolist(), rel=0.01)
    steps = np.diff(radii)
    assert (steps >= -0.01 * first).all() or (steps <= 0.01 * first).all()


def test_interpolation_weighs_by_true_positions() -> None:
    uneven = geometry_of(X, -Z, positions=[0, 2, 10])
    (found,) = interpolate_slice([outline(5, 0)], [outline(15, 2)], 1, uneven)
    assert radius_of((found,)) == pytest.approx(7, rel=0.01)


def test_interpolation_keeps_holes_and_islands() -> None:
    ring = [outline(25, 0), outline(8, 0, hole=True)]
    further = [outline(25, 4), outline(12, 4, hole=True)]
    found = interpolate_slice(ring, further, 2, CORONAL)
    assert [c.is_hole for c in found] == [False, True]
    assert math.sqrt(found[1].area_pixels / math.pi) == pytest.approx(10, rel=0.01)
    apart = [outline(8, 4, centre=(40, 35)), outline(8, 4, centre=(40, 65))]
    assert len(interpolate_slice([outline(25, 0)], apart, 2, CORONAL)) == 1
    both = [outline(7, 0, centre=(40, 35)), outline(7, 0, centre=(40, 65))]
    assert len(interpolate_slice(both, apart, 2, CORONAL)) == 2


def test_shapes_that_do_not_meet_have_nothing_in_between() -> None:
    far = interpolate_slice([outline(4, 0, centre=(15, 15))], [outline(4, 4, centre=(60, 80))], 2, CORONAL)
    assert far == ()
    assert interpolate_slice([], [outline(4, 4)], 2, CORONAL) == ()


# -- nudging and freehand ----------------------------------------------------------------------------------


@settings(max_examples=40)
@given(st.floats(0, 2 * math.pi), st.floats(2, 12), st.booleans())
def test_a_nudge_leaves_nothing_in_the_brush_and_spacing_even(
    angle: float, reach: float, inside: bool
) -> None:
    before = disc(20)
    direction = np.array([math.cos(angle), math.sin(angle)])
    start, end = (12, 12 + reach) if inside else (32, 32 - reach)
    path = [np.array([40, 50]) + direction * r for r in np.linspace(start, end, 4)]
    after = nudge_outline(before, path, 6.0)
    assert np.hypot(*(after - path[-1]).T).min() >= 6.0 * 0.98
    gaps = np.hypot(*(np.roll(after, -1, axis=0) - after).T)
    assert gaps.max() <= max(1.0, np.hypot(*(before[1] - before[0]))) + 1e-9
    change = abs(signed_area(after)) - abs(signed_area(before))
    if inside:
        assert change >= -0.5
        assert (change > 0) == (np.hypot(*(path[-1] - (40, 50))) + 6 > 20) or abs(change) < 1
    else:
        assert change <= 0.5
    assert Contour(slice_index=0, vertices=after).crossing() is None


def test_a_nudge_elsewhere_changes_nothing() -> None:
    before = disc(20)
    assert np.array_equal(nudge_outline(before, [(5, 5), (6, 6)], 4), before)
    assert np.array_equal(nudge_outline(before, [(40, 50)], 4), before)


def test_a_brush_is_round_in_millimetres() -> None:
    after = nudge_outline(disc(20), [(40, 50), (52, 50)], 10, aspect=2.0)
    offset = (after - (52, 50)) * (2, 1)
    assert np.hypot(*offset.T).min() >= 9.8


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.floats(4, 30), st.integers(60, 1500))
def test_a_stroke_keeps_its_area(seed: int, radius: float, n: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.02 * radius / math.sqrt(n), (n, 2))
    stroke = disc(radius, n=n) + noise
    repeated = np.repeat(stroke, 2, axis=0)
    cleaned = clean_outline(repeated)
    assert abs(signed_area(cleaned)) == pytest.approx(abs(signed_area(stroke)), rel=1e-3)
    assert {tuple(v) for v in cleaned} <= {tuple(v) for v in stroke}
    # the lassoed disc: within 0.5 % of pi r^2
    if n > 200:
        assert abs(signed_area(clean_outline(disc(10, n=n)))) == pytest.approx(100 * math.pi, rel=5e-3)


def test_a_stroke_stays_within_the_image() -> None:
    cleaned = clean_outline([(-5, -5), (-5, 20), (10, 20), (10, -5)], shape=(12, 15))
    assert cleaned.min() == -0.5
    assert cleaned.max(axis=0).tolist() == [10, 14.5]


# -- pixels -------------------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.booleans())
def test_runs_are_sets_of_pixels(seed: int, erase: bool) -> None:
    chance = np.random.default_rng(seed)
    first, second = chance.random((2, 9, 13)) < 0.4
    runs, stroke = runs_from_image(first), runs_from_pixels(np.argwhere(second), (9, 13))
    combined = combine_runs(runs, stroke, erase=erase)
    expected = first & ~second if erase else first | second
    assert np.array_equal(image_from_runs(combined, (9, 13)), expected)
    assert count_pixels(combined) == expected.sum()


def test_a_brush_covers_pixel_centres() -> None:
    assert len(brush_pixels([(10, 10)], 0.5, (20, 20))) == 1
    assert len(brush_pixels([(10, 10)], 1, (20, 20))) == 5
    assert len(brush_pixels([(100, 100)], 300, (512, 512))) > 120_000
    assert len(brush_pixels([(-50, -50)], 3, (20, 20))) == 0
    # Rows lie twice as far apart as columns: the brush is round in millimetres.
    wide = brush_pixels([(50, 50)], 20, (100, 100), aspect=2.0)
    assert np.ptp(wide, axis=0).tolist() == [20, 40]
    assert len(wide) == pytest.approx(math.pi * 20**2 / 2, rel=0.02)
    assert len(brush_pixels([(10, 2), (10, 16)], 0.5, (20, 20))) == 15
    assert len(runs_from_pixels([(-1, 0), (0, 99)], (20, 20))) == 0


# -- display ------------------------------------------------------------------------------------------------

VIEWS = {
    "axial": (X, Y, ("R", "L", "A", "P")),
    "coronal": (X, -Z, ("R", "L", "H", "F")),
    "sagittal": (Y, -Z, ("A", "P", "H", "F")),
}


@pytest.mark.parametrize("plane", VIEWS)
@pytest.mark.parametrize("turn", range(8))
def test_every_way_of_storing_a_plane_is_shown_upright(plane: str, turn: int) -> None:
    right, down, letters = VIEWS[plane]
    row, column = (down, right) if turn & 4 else (right, down)
    geometry = geometry_of(row * (-1 if turn & 1 else 1), column * (-1 if turn & 2 else 1))
    view = display_orientation(geometry)
    assert view.plane == plane
    assert view.oblique_degrees == pytest.approx(0, abs=1e-5)
    markers = view.markers
    assert (markers["left"], markers["right"], markers["top"], markers["bottom"]) == letters
    # What is brightest at a patient position is shown where that position is shown.
    voxels = np.zeros((geometry.n_slices, geometry.rows, geometry.columns))
    voxels[3, 17, 71] = 1
    shown = view.to_display(voxels)
    assert shown.shape == view.shape
    index = np.unravel_index(int(shown.argmax()), shown.shape)
    point = geometry.pixel_to_patient(3, [(17, 71)])
    assert view.patient_to_display(point)[0] == pytest.approx(index, abs=1e-9)
    assert view.display_to_patient(3, [index[1:]])[0] == pytest.approx(point[0], abs=1e-9)
    assert np.array_equal(view.from_display(shown), voxels)
    # The screen's right is the patient's direction that the marker says.
    step = view.display_to_patient(3, [(5, 6)]) - view.display_to_patient(3, [(5, 5)])
    assert step[0] @ right == pytest.approx(view.scale_mm[2])
    step = view.display_to_patient(3, [(6, 5)]) - view.display_to_patient(3, [(5, 5)])
    assert step[0] @ down == pytest.approx(view.scale_mm[1])


@settings(max_examples=50)
@given(st.integers(0, 10_000))
def test_any_orientation_goes_there_and_back(seed: int) -> None:
    chance = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(chance.normal(size=(3, 3)))
    geometry = geometry_of(rotation[:, 0], rotation[:, 1])
    view = display_orientation(geometry)
    pixels = chance.random((5, 2)) * (80, 100)
    shown = view.pixels_to_display(pixels)
    assert view.display_to_pixels(shown) == pytest.approx(pixels, abs=1e-9)
    patient = geometry.pixel_to_patient(4, pixels)
    located = view.patient_to_display(patient)
    assert located[:, 0] == pytest.approx(np.full(5, 4.0), abs=1e-6)
    assert located[:, 1:] == pytest.approx(shown, abs=1e-6)
    down, right = view.down_and_right
    wanted_down, wanted_right = {"axial": (Y, X), "coronal": (-Z, X), "sagittal": (-Z, Y)}[view.plane]
    assert down @ wanted_down > -0.71
    assert right @ wanted_right > -0.71
    assert view.oblique_degrees <= 54.8


def test_oblique_edges_have_two_letters() -> None:
    tilt = math.radians(25)
    row = np.array([math.cos(tilt), math.sin(tilt), 0])
    view = display_orientation(geometry_of(row, -Z))
    assert view.plane == "coronal"
    assert view.markers == {"left": "RA", "right": "LP", "top": "H", "bottom": "F"}
    assert view.oblique_degrees == pytest.approx(25)


def test_uneven_slices_are_told_and_shown_at_the_median() -> None:
    view = display_orientation(geometry_of(X, -Z, positions=[0, 4, 8, 13, 17]))
    assert view.scale_mm[0] == 4
    assert "4.00 to 5.00 mm apart" in view.warnings[0]
    point = (
        view.geometry.pixel_to_patient(2, [(0, 0)]) * 0.5 + view.geometry.pixel_to_patient(3, [(0, 0)]) * 0.5
    )
    assert view.patient_to_display(point)[0, 0] == pytest.approx(2.5)
    assert "missing" in display_orientation(geometry_of(X, -Z, positions=[0, 4, 8, 16])).warnings[0]
    assert display_orientation(CORONAL).warnings == ()
    one = display_orientation(geometry_of(X, -Z, positions=[0]))
    assert one.warnings
    assert one.scale_mm[0] == 4.0
    assert one.patient_to_display(one.display_to_patient(0, [(1, 2)]))[0] == pytest.approx((0, 1, 2))


def test_windows() -> None:
    voxels = np.zeros((9, 80, 100), np.int16)
    voxels[:, 20:60, 20:80] = np.random.default_rng(0).integers(300, 900, (9, 40, 60))
    voxels[0, 0, 0] = 30000
    presets = window_presets(Scan(voxels=voxels, geometry=CORONAL, source=ScanSource(modality="MR")))
    assert presets[0].name == "standard"
    assert presets[0].low <= 310
    assert 880 <= presets[0].high <= 1000
    assert presets[-1].high == 30000
    ct = window_presets(Scan(voxels=voxels, geometry=CORONAL, source=ScanSource(modality="CT")))
    assert (ct[0].name, ct[0].level, ct[0].width) == ("bone", 300, 1500)
    asked = Scan(voxels=voxels, geometry=CORONAL, source=ScanSource(modality="CT"), shown_window=(40, 400))
    assert [(p.name, p.level, p.width) for p in window_presets(asked)][:2] == [
        ("of the file", 40, 400),
        ("bone", 300, 1500),
    ]
    flat = window_presets(Scan(voxels=np.zeros_like(voxels), geometry=CORONAL))
    assert all(preset.width > 0 for preset in flat)


# -- linking ------------------------------------------------------------------------------------------------


def turned(degrees: float, shift: tuple[float, float, float] = (3.0, -2.0, 5.0)) -> RigidTransform:
    angle = math.radians(degrees)
    rotation = [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    return RigidTransform(rotation=np.array(rotation), translation_mm=np.array(shift))


def test_motions_go_there_and_back() -> None:
    motion = turned(2.5)
    points = np.random.default_rng(0).normal(size=(5, 3)) * 50
    assert motion.inverse.apply(motion.apply(points)) == pytest.approx(points)
    assert motion.angle_degrees == pytest.approx(2.5)
    assert RigidTransform.identity().angle_degrees == 0
    with pytest.raises(GeometryError):
        RigidTransform(rotation=np.diag([1.0, 1, -1]), translation_mm=np.zeros(3))


def test_slices_are_linked_in_patient_space() -> None:
    other = geometry_of(X, -Z, positions=[2.0 * i - 4 for i in range(30)])
    linked = link_slice(CORONAL, 3, other)
    assert linked.distance_mm == pytest.approx(3 * 4.4 - (2 * linked.slice_index - 4))
    assert abs(linked.distance_mm) <= 1
    assert not linked.is_outside
    assert linked.angle_degrees == pytest.approx(0, abs=1e-5)
    moved = link_slice(CORONAL, 3, CORONAL, transform=turned(0, (0, 8.8, 0)))
    assert moved.slice_index == 5
    assert link_slice(CORONAL, 8, CORONAL, transform=turned(0, (0, 30, 0))).is_outside
    assert link_slice(CORONAL, 8, CORONAL, transform=turned(10)).angle_degrees == pytest.approx(10)
    located = link_pixel(CORONAL, 3, [(7, 9)], CORONAL, transform=turned(0, (0.7, 2.2, -0.8)))
    assert located[0] == pytest.approx((3.5, 8, 10))


def test_outlines_are_shown_where_the_patient_is() -> None:
    moved = ScanGeometry(
        rows=80,
        columns=100,
        pixel_spacing_mm=(0.8, 0.7),
        row_direction=X,
        column_direction=-Z,
        slice_origins_mm=CORONAL.slice_origins_mm + np.array([7.0, 4.4, 8.0]),
    )
    contours = [outline(10, index) for index in (0, 3)]
    shown = project_contours(contours, CORONAL, moved)
    assert [c.slice_index for c in shown] == [2]
    assert shown[0].centroid == pytest.approx((50, 40))
    assert shown[0].area_pixels == pytest.approx(contours[0].area_pixels)
    back = project_contours(contours, CORONAL, moved, transform=turned(0, (7.0, 4.4, 8.0)))
    assert [c.slice_index for c in back] == [0, 3]
    assert back[1].vertices == pytest.approx(contours[1].vertices)
