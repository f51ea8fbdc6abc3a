"""What leaves a volume as it is, and what scales it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import mask_of, ring, rotation, stack, trace_of

from volumetry.contours.contour import Contour
from volumetry.contours.rings import signed_area
from volumetry.geometry import ScanGeometry, sorted_by_position
from volumetry.masks.outlines import mask_from_contours
from volumetry.measurement import MeasurementRule, measure_volume
from volumetry.trace import Trace

SPACING = MeasurementRule(height="spacing", check_side=False)
FEW = settings(max_examples=40)


@st.composite
def star_rings(draw, slice_index: int):
    """A ring around a centre: simple, with any number of vertices and any radii."""
    n = draw(st.integers(3, 24))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    angles = 2 * np.pi * (np.arange(n) + random.uniform(0, 0.8, n)) / n
    radii = random.uniform(2.0, 9.0, n)
    centre = random.uniform(11, 13, 2)
    return ring(slice_index, centre + radii[:, None] * np.column_stack((np.sin(angles), np.cos(angles))))


@st.composite
def traces(draw):
    """A trace of one ring a slice on an oblique stack with steps of any length."""
    n = draw(st.integers(1, 5))
    steps = draw(st.lists(st.floats(2.0, 3.5), min_size=n + 1, max_size=n + 1))
    turn = rotation(draw(st.tuples(*[st.floats(-180, 180)] * 3)))
    geometry = stack(
        positions_mm=np.concatenate(([0.0], np.cumsum(steps))),
        directions=(turn[:, 0], turn[:, 1]),
        pixel_spacing_mm=(draw(st.floats(0.2, 3)), draw(st.floats(0.2, 3))),
        origin_mm=draw(st.tuples(*[st.floats(-500, 500)] * 3)),
    )
    return trace_of([draw(star_rings(index)) for index in range(1, n + 1)], geometry)


def volumes(traced, label=None):
    measured = measure_volume(traced, rule=SPACING, label=label)
    return pytest.approx((measured.volume_spacing_mm3, measured.volume_thickness_mm3), rel=1e-9)


def plain(traced):
    measured = measure_volume(traced, rule=SPACING)
    return (measured.volume_spacing_mm3, measured.volume_thickness_mm3)


def with_contours(trace: Trace, change) -> Trace:
    return replace(trace, contours=tuple(change(c) for c in trace.contours))


def with_vertices(contour: Contour, vertices) -> Contour:
    return replace(contour, vertices=vertices)


@FEW
@given(traces(), st.tuples(*[st.floats(-180, 180)] * 3), st.tuples(*[st.floats(-1000, 1000)] * 3))
def test_rigid_motion_leaves_the_volume(trace, angles, shift):
    turn, geometry = rotation(angles), trace.geometry
    moved = replace(
        geometry,
        row_direction=turn @ geometry.row_direction,
        column_direction=turn @ geometry.column_direction,
        slice_origins_mm=geometry.slice_origins_mm @ turn.T + shift,
    )
    assert plain(replace(trace, geometry=moved)) == volumes(trace)
    there = measure_volume(replace(trace, geometry=moved), rule=SPACING).centroid_mm
    assert there == pytest.approx(turn @ measure_volume(trace, rule=SPACING).centroid_mm + shift, abs=1e-6)


@FEW
@given(traces(), st.integers(0, 30), st.booleans())
def test_where_a_ring_starts_and_which_way_it_runs_leave_the_volume(trace, start, is_reversed):
    def turned(contour):
        vertices = np.roll(contour.vertices, start, axis=0)
        return with_vertices(contour, vertices[::-1] if is_reversed else vertices)

    assert plain(with_contours(trace, turned)) == volumes(trace)


@FEW
@given(traces(), st.randoms(use_true_random=False))
def test_the_order_of_contours_and_slices_leaves_the_volume(trace, random):
    contours = list(trace.contours)
    random.shuffle(contours)
    assert replace(trace, contours=tuple(contours)).sha256 == trace.sha256
    geometry = trace.geometry
    order = list(range(geometry.n_slices))
    random.shuffle(order)
    origins = geometry.slice_origins_mm[order]
    again = origins[sorted_by_position(geometry.row_direction, geometry.column_direction, origins)]
    assert plain(replace(trace, geometry=replace(geometry, slice_origins_mm=again))) == volumes(trace)


@FEW
@given(traces())
def test_counting_slices_from_the_other_end_leaves_the_volume(trace):
    """The same rings on the stack seen from behind: rows run the other way, so does the normal."""
    geometry, last = trace.geometry, trace.geometry.n_slices - 1
    to_last_column = geometry.pixel_to_patient_matrix[:, 1] * (geometry.columns - 1)
    behind = replace(
        geometry,
        row_direction=-geometry.row_direction,
        slice_origins_mm=(geometry.slice_origins_mm + to_last_column)[::-1],
    )

    def seen(contour):
        vertices = contour.vertices * (1, -1) + (0, geometry.columns - 1)
        return replace(contour, slice_index=last - contour.slice_index, vertices=vertices)

    mirrored = replace(with_contours(trace, seen), geometry=behind)
    assert plain(mirrored) == volumes(trace)
    centroid = measure_volume(trace, rule=SPACING).centroid_mm
    assert measure_volume(mirrored, rule=SPACING).centroid_mm == pytest.approx(centroid, abs=1e-6)


@FEW
@given(traces())
def test_rows_for_columns_leave_the_volume(trace):
    """Rows become columns: the normal turns round, and the slices are counted from the other end."""
    geometry, last = trace.geometry, trace.geometry.n_slices - 1
    swapped = ScanGeometry(
        rows=geometry.columns,
        columns=geometry.rows,
        pixel_spacing_mm=geometry.pixel_spacing_mm[::-1],
        row_direction=geometry.column_direction,
        column_direction=geometry.row_direction,
        slice_origins_mm=geometry.slice_origins_mm[::-1],
        slice_thickness_mm=geometry.slice_thickness_mm,
    )

    def seen(contour):
        return replace(contour, slice_index=last - contour.slice_index, vertices=contour.vertices[:, ::-1])

    assert plain(replace(with_contours(trace, seen), geometry=swapped)) == volumes(trace)


@FEW
@given(traces(), st.floats(0.05, 20))
def test_scaling_the_spacing_scales_the_volume(trace, k):
    geometry = trace.geometry
    longer = replace(
        geometry,
        slice_origins_mm=geometry.slice_origins_mm * k,
        slice_thickness_mm=geometry.slice_thickness_mm * k,
    )
    assert plain(replace(trace, geometry=longer)) == pytest.approx(
        tuple(k * v for v in plain(trace)), rel=1e-9
    )
    rows, columns = geometry.pixel_spacing_mm
    wider = replace(geometry, pixel_spacing_mm=(rows * k, columns))
    assert plain(replace(trace, geometry=wider)) == pytest.approx(
        tuple(k * v for v in plain(trace)), rel=1e-9
    )


@FEW
@given(star_rings(1), st.integers(0, 100), st.integers(2, 100))
def test_a_chord_splits_a_ring_and_keeps_the_sum(contour, first, apart):
    vertices = np.roll(contour.vertices, -first, axis=0)
    n = len(vertices)
    if n < 4:
        return
    cut = 2 + apart % (n - 3)
    halves = vertices[: cut + 1], np.vstack((vertices[cut:], vertices[:1]))
    # A chord outside the ring adds to one half what it takes from the other, with opposite sign.
    assert sum(map(signed_area, halves)) == pytest.approx(signed_area(vertices), rel=1e-9)


@FEW
@given(traces())
def test_an_outline_of_any_density_has_the_same_area(trace):
    def denser(contour):
        following = np.roll(contour.vertices, -1, axis=0)
        middle = (contour.vertices + following) / 2
        return with_vertices(contour, np.stack((contour.vertices, middle), axis=1).reshape(-1, 2))

    assert plain(with_contours(trace, denser)) == volumes(trace)


# -- masks: exactly ------------------------------------------------------------------------------------------


@FEW
@given(traces(), st.sets(st.integers(0, 2)))
def test_flips_of_a_mask_leave_its_volume(trace, axes):
    geometry = trace.geometry
    mask = mask_from_contours({1: trace.contours}, geometry)
    flipped = np.flip(mask.layers[0], tuple(axes))
    steps = geometry.slice_positions_mm
    origins = geometry.slice_origins_mm
    if 0 in axes:
        origins = origins[0] + np.outer((steps[-1] - steps)[::-1], geometry.normal)
    seen = mask_of(flipped, replace(geometry, slice_origins_mm=origins))
    if mask.layers[0].any():
        assert plain(seen) == volumes(mask)


@FEW
@given(traces(), st.integers(1, 30000))
def test_the_number_of_a_label_leaves_its_volume(trace, number):
    one = mask_from_contours({1: trace.contours}, trace.geometry)
    other = mask_from_contours({number: trace.contours}, trace.geometry)
    assert plain(other) == plain(one)
