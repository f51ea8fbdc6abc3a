"""Fill between: half of the slices of a lesion traced by a hand that shakes, its volume near the formula."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from dicom_phantoms import stack_geometry
from hip_phantom import N_SLICES, stroke, true_volume_cm3, write_hip
from numpy.typing import NDArray
from test_tracing_session import coronal, disc

import volumetry as vm
from volumetry.contours.contour import Contour
from volumetry.tracing import TracingSession, fill_between, open_case, read_worklist

ALLOWED_ACTIONS = 22
TRACED = (0, 1, 4, 7, 10, 11)
"""Both ends, where a lesion changes fastest, and the slices beside them; every third between."""


class Hand:
    """What a reader does, counted: a double click, a stroke, a step to the next slice, a key, an answer."""

    def __init__(self) -> None:
        self.actions = 0

    def does(self, times: int = 1) -> None:
        self.actions += times


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(200 if os.environ.get("VOLUMETRY_PROVE") else 4))
def test_one_hip_of_twelve_slices_from_the_worklist_to_the_signature(seed: int, tmp_path: Path) -> None:
    chance, person = np.random.default_rng(seed), Hand()
    write_hip(tmp_path / "study" / "p01" / "2024-03-02" / "t1")
    worklist = read_worklist(tmp_path / "study", reader="AB")
    number = worklist.next_untraced()
    assert number is not None
    scan = vm.read_scan(worklist.scan_path(number))
    case = open_case(scan, worklist.place(number), reader="AB")
    person.does()  # double click on the row, which begins at the first slice
    session = case.session
    session.add_lesion("L1", "L")
    place = 0
    for index in TRACED:
        person.does(index - place)  # the wheel
        place = index
        session.add_outline(index, stroke(index, chance))
        person.does()  # the stroke
    session.propose_between()
    person.does()
    session.accept()
    person.does()
    check = session.signing_check()
    assert check.can_be_signed, check
    person.does()  # S opens the check list
    session.sign(acknowledged=[warning.code for warning in check.warnings])
    person.does()  # its answer
    (saved,) = case.save()
    case.close()
    assert person.actions <= ALLOWED_ACTIONS
    measured = vm.measure_volume(vm.read_trace(saved.path))
    assert measured.n_slices == N_SLICES
    assert measured.volume_cm3 == pytest.approx(true_volume_cm3(), rel=0.03)
    assert read_worklist(tmp_path / "study", reader="AB").rows[0].state == "signed"


def test_one_step_fills_all_gaps_and_one_undo_takes_them_back() -> None:
    session = TracingSession(geometry=coronal(), reader="A")
    session.add_lesion("L1", "L")
    for index, radius in ((0, 5), (3, 9), (6, 10), (9, 6)):
        session.add_outline(index, disc(radius))
    before = session.state.contours
    proposed = session.propose_between()
    assert {session.state.contours[name].slice_index for name in proposed} == {1, 2, 4, 5, 7, 8}
    assert {session.state.contours[name].status for name in proposed} == {"proposed"}
    session.undo()
    assert session.state.contours == before


def test_between_two_slices_it_is_the_straight_line() -> None:
    geometry = coronal()
    ends = {2: [Contour(slice_index=2, vertices=disc(6))], 6: [Contour(slice_index=6, vertices=disc(10))]}
    found = fill_between(ends, geometry)
    assert [c.slice_index for c in found] == [3, 4, 5]
    assert [np.sqrt(c.area_pixels / np.pi) for c in found] == pytest.approx([7, 8, 9], rel=0.01)
    assert fill_between(ends, geometry, first=3) == ()
    assert fill_between({2: ends[2]}, geometry) == ()


def test_it_never_goes_beyond_its_neighbours() -> None:
    geometry = coronal()
    radii = {0: 4.0, 2: 4.0, 4: 12.0, 6: 12.0}
    traced = {i: [Contour(slice_index=i, vertices=disc(r))] for i, r in radii.items()}
    found = {c.slice_index: float(np.sqrt(c.area_pixels / np.pi)) for c in fill_between(traced, geometry)}
    assert found[1] == pytest.approx(4, rel=0.02)
    assert 4 < found[3] < 12
    assert found[5] == pytest.approx(12, rel=0.02)


def circle(radius: float, centre: tuple[float, float] = (32.0, 32.0), n: int = 80) -> NDArray[np.float64]:
    angles = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.array(centre) + radius * np.column_stack((np.sin(angles), np.cos(angles)))


def net_area(contours: list[Contour]) -> float:
    return sum((-1 if c.is_hole else 1) * c.area_pixels for c in contours)


def sections(radii: list[float], holes: list[float]) -> dict[int, list[Contour]]:
    """Round outlines with round holes, slice by slice; a radius of 0: none."""
    found = {}
    for index, (radius, hole) in enumerate(zip(radii, holes, strict=True)):
        found[index] = [Contour(slice_index=index, vertices=circle(radius))]
        if hole > 0:
            found[index].append(Contour(slice_index=index, vertices=circle(hole), is_hole=True))
    return found


@pytest.mark.parametrize("traced", [(0, 1, 4, 7, 10, 11), (0, 3, 6, 9, 11), (0, 2, 4, 6, 8, 10, 11)])
def test_a_thin_rim_keeps_its_volume(traced: tuple[int, ...]) -> None:
    """A rim of 4 pixels that grows and shrinks: taken as one shape, a quarter of it would be lost."""
    radii = [28 * np.sqrt(1 - ((index - 5.5) / 6.5) ** 2) for index in range(N_SLICES)]
    whole = sections(radii, [radius - 4 for radius in radii])
    geometry = stack_geometry(n_slices=N_SLICES, rows=64, columns=64)
    filled = fill_between({index: whole[index] for index in traced}, geometry)
    got = net_area([*filled, *(c for index in traced for c in whole[index])])
    assert got == pytest.approx(net_area([c for cs in whole.values() for c in cs]), rel=0.005)


def test_a_cavity_that_ends_between_traced_slices_keeps_its_volume_in_the_mean() -> None:
    geometry = stack_geometry(n_slices=N_SLICES, rows=64, columns=64)
    errors = []
    for shift in np.linspace(-1.5, 1.5, 7):
        inside = [1 - ((index - 5.5 - shift) / 3.6) ** 2 for index in range(N_SLICES)]
        holes = [10 * np.sqrt(share) if share > 0.01 else 0.0 for share in inside]
        whole = sections([28.0] * N_SLICES, holes)
        filled = fill_between({index: whole[index] for index in (0, 3, 6, 9, 11)}, geometry)
        got = sum(c.area_pixels for c in filled if c.is_hole)
        got += sum(c.area_pixels for i in (0, 3, 6, 9, 11) for c in whole[i] if c.is_hole)
        errors.append(got / sum(c.area_pixels for cs in whole.values() for c in cs if c.is_hole) - 1)
        assert all(c.slice_index in range(N_SLICES) for c in filled)
    assert abs(np.mean(errors)) < 0.08
    assert np.max(np.abs(errors)) < 0.15


def test_an_island_that_ends_between_traced_slices_keeps_its_volume_in_the_mean() -> None:
    """A rounded island beside a body that goes on; the body is as it is without the island."""
    geometry = stack_geometry(n_slices=N_SLICES, rows=64, columns=64)
    traced = (0, 3, 6, 9, 11)
    errors = []
    for shift in np.linspace(-1.5, 1.5, 7):
        inside = [1 - ((index - 5.5 - shift) / 3.6) ** 2 for index in range(N_SLICES)]
        radii = [8 * np.sqrt(share) if share > 0.01 else 0.0 for share in inside]
        whole, islands = {}, {}
        for index, radius in enumerate(radii):
            whole[index] = [Contour(slice_index=index, vertices=circle(12 + index / 3, (20.0, 20.0)))]
            islands[index] = []
            if radius:
                islands[index].append(Contour(slice_index=index, vertices=circle(radius, (50.0, 50.0))))
        alone = fill_between({index: whole[index] for index in traced}, geometry)
        filled = fill_between({index: whole[index] + islands[index] for index in traced}, geometry)
        beside = [c for c in filled if c.vertices[:, 0].mean() > 40]
        assert len(filled) - len(beside) == len(alone)
        assert net_area(filled) - net_area(beside) == pytest.approx(net_area(alone), rel=1e-3)
        got = net_area(beside) + sum(net_area(islands[index]) for index in traced)
        errors.append(got / sum(net_area(found) for found in islands.values()) - 1)
    assert abs(np.mean(errors)) < 0.08
    assert np.max(np.abs(errors)) < 0.15


def test_parts_that_run_together_are_one_and_a_body_that_moved_is_none_between() -> None:
    geometry = stack_geometry(n_slices=N_SLICES, rows=64, columns=64)
    two = [Contour(slice_index=0, vertices=circle(7, (32.0, column))) for column in (22.0, 42.0)]
    one = [Contour(slice_index=4, vertices=circle(20))]
    found = fill_between({0: two, 4: one}, geometry)
    assert [c.slice_index for c in found] == sorted(c.slice_index for c in found)
    areas = [net_area([c for c in found if c.slice_index == index]) for index in (1, 2, 3)]
    assert net_area(two) < areas[0] < areas[1] < areas[2] < net_area(one)
    moved = [Contour(slice_index=4, vertices=circle(7, (50.0, 10.0)))]
    assert [c.slice_index for c in fill_between({0: two[1:], 4: moved}, geometry)].count(2) == 0


def test_a_rounded_body_may_be_thickest_between_two_traced_slices() -> None:
    geometry = stack_geometry(n_slices=N_SLICES, rows=64, columns=64)
    radii = [28 * np.sqrt(1 - ((index - 5.5) / 6.5) ** 2) for index in range(N_SLICES)]
    whole = sections(radii, [0.0] * N_SLICES)
    filled = {c.slice_index: c for c in fill_between({i: whole[i] for i in (0, 1, 4, 7, 10, 11)}, geometry)}
    for index in (5, 6):
        assert filled[index].area_pixels == pytest.approx(whole[index][0].area_pixels, rel=0.015)
    areas = [cs[0].area_pixels if i not in filled else filled[i].area_pixels for i, cs in whole.items()]
    assert sum(areas) == pytest.approx(sum(cs[0].area_pixels for cs in whole.values()), rel=0.005)


def test_a_slice_with_a_hole_alone_stays_as_it_is_and_is_no_body() -> None:
    session = TracingSession(geometry=coronal(), reader="A")
    session.add_lesion("L1", "L")
    session.add_outline(2, disc())
    session.add_hole(4, disc(3))
    session.add_outline(6, disc())
    session.propose_between()
    assert session.state.slices_of("l1", status="proposed") == (3, 5)
    traced = {
        2: [Contour(slice_index=2, vertices=disc(), is_hole=True)],
        5: session.confirmed_contours("l1", 6),
    }
    assert fill_between(traced, coronal()) == ()
