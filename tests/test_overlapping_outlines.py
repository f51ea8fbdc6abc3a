"""Outlines that overlap: refused, or holes of each other, or one outline around all, as was asked for."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from phantoms import contour_items, ring, trace_of, write_rtstruct
from test_dicom_stacks_and_tracings import CLEAN, SERIES, images, run

import volumetry as vm
from volumetry.contours.contour import Contour
from volumetry.contours.overlaps import without_overlaps
from volumetry.contours.slice_contours import check_slice_contours, slice_area_pixels
from volumetry.masks.outlines import fill_contours


def box(top: float, left: float, bottom: float, right: float, index: int = 0) -> Contour:
    return ring(index, [(top, left), (top, right), (bottom, right), (bottom, left)])


def area(contours: list[Contour], how: str) -> float:
    found, flags = without_overlaps(contours, how)  # type: ignore[arg-type]
    check_slice_contours(found)
    assert flags == {"ambiguous-overlap"}
    return slice_area_pixels(found)


@pytest.mark.parametrize(
    ("contours", "even_odd", "union"),
    [
        ([box(0, 0, 10, 10), box(2, 2, 6, 6)], 84, 100),
        ([box(2, 2, 6, 6), box(0, 0, 10, 10)], 84, 100),
        ([box(0, 0, 10, 10), box(2, 2, 8, 8), box(4, 4, 6, 6)], 68, 100),
        ([box(0, 0, 10, 10), box(2, 2, 4, 4), box(5, 5, 9, 9)], 80, 100),
        ([box(0, 0, 10, 10), box(5, 5, 15, 15)], 150, 175),
        ([box(0, 0, 10, 10), box(0, 0, 10, 5)], 50, 100),
        ([box(0, 0, 10, 10), box(0, 5, 10, 15)], 100, 150),
        ([box(0, 0, 4, 12), box(4, 4, 8, 8), box(-4, 4, 6, 8)], 56, 80),
        ([box(0, 0, 10, 10), box(2, 2, 6, 6), box(20, 20, 24, 24)], 100, 116),
        ([box(0, 0, 3, 9), box(6, 0, 9, 9), box(0, 0, 9, 3), box(0, 6, 9, 9)], 36, 72),
    ],
)
def test_the_area_of_outlines_that_overlap(contours: list[Contour], even_odd: float, union: float) -> None:
    assert area(contours, "even-odd") == pytest.approx(even_odd)
    assert area(contours, "union") == pytest.approx(union)
    same, flags = without_overlaps(contours, "refuse")
    assert list(same) == contours
    assert not flags


def test_outlines_that_say_one_area_are_left_as_they_are() -> None:
    contours = [box(0, 0, 10, 10), ring(0, [(2, 2), (2, 6), (6, 6), (6, 2)], is_hole=True), box(12, 0, 14, 9)]
    for how in ("even-odd", "union"):
        same, flags = without_overlaps(contours, how)  # type: ignore[arg-type]
        assert list(same) == contours
        assert not flags


def test_two_equal_outlines_stay_refused_by_even_odd_and_are_one_by_union() -> None:
    contours = [box(0, 0, 10, 10), box(0, 0, 10, 10)]
    with pytest.raises(vm.VolumetryError):
        check_slice_contours(without_overlaps(contours, "even-odd")[0])
    assert area(contours, "union") == pytest.approx(100)


@st.composite
def blobs(draw: st.DrawFn) -> list[Contour]:
    found = []
    for _ in range(draw(st.integers(2, 4))):
        centre = np.array([draw(st.integers(48, 112)) / 4, draw(st.integers(48, 112)) / 4])
        radii = 0.25 * np.array(draw(st.lists(st.integers(8, 40), min_size=5, max_size=24)))
        angles = np.linspace(0, 2 * np.pi, len(radii), endpoint=False)
        found.append(ring(0, centre + radii[:, None] * np.column_stack((np.cos(angles), np.sin(angles)))))
    return found


@settings(max_examples=40, deadline=None)
@given(blobs())
def test_any_outlines_have_the_area_of_their_pixels(contours: list[Contour]) -> None:
    """Counted on a fine raster, which knows nothing of edges that meet."""
    assume(len({c.vertices.tobytes() for c in contours}) == len(contours))  # equal ones: see above
    fine = 12
    small = [ring(0, c.vertices * fine + (fine - 1) / 2) for c in contours]
    depth = sum(fill_contours([c], (40 * fine, 40 * fine)).astype(int) for c in small)
    for how, inside in (("even-odd", np.asarray(depth) % 2 == 1), ("union", np.asarray(depth) > 0)):
        found, flags = without_overlaps(contours, how)  # type: ignore[arg-type]
        if not flags:
            continue  # edges nearly along each other: left as they are, which is refused and never wrong
        assert slice_area_pixels(found) == pytest.approx(inside.sum() / fine**2, rel=0.03, abs=1.0)


def test_the_way_out_of_the_message_works_in_measure_batch_protocol_and_export(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    images(folder / "mr")
    contours = [c for i in range(2, 6) for c in (box(4, 4, 14, 14, i), box(6, 6, 10, 10, i))]
    path = write_rtstruct(
        folder / "rs.dcm", {"L1": contour_items(trace_of(contours, CLEAN))}, series_uid=SERIES
    )
    code, _, err = run(["measure", str(path)])
    assert code == 4
    assert "ambiguous-overlap" in err
    assert "--overlapping-outlines" in err
    unit = 4 * CLEAN.pixel_area_mm2 * 4.0
    for how, expected in (("even-odd", 84 * unit), ("union", 100 * unit)):
        option = ["--overlapping-outlines", how]
        code, out, err = run(["measure", str(path), *option, "--format", "json"])
        assert code == 0, err
        (row,) = json.loads(out)
        assert row["volume_mm3"] == pytest.approx(expected)
        assert "ambiguous-overlap" in row["flags"]
        protocol = tmp_path / f"{how}.toml"
        protocol.write_text(f'[measurement]\noverlapping_outlines = "{how}"\n')
        for n, more in enumerate((option, ["--protocol", str(protocol)])):
            out_folder = tmp_path / f"out {how} {n}"
            assert run(["batch", str(folder), "--out", str(out_folder), "--jobs", "1", *more])[0] == 0
            with (out_folder / "measurements.csv").open() as file:
                (line,) = csv.DictReader(file)
            assert float(line["volume_mm3"]) == pytest.approx(expected)
        rule = vm.MeasurementRule(overlapping_outlines=how)  # type: ignore[arg-type]
        written = tmp_path / f"{how}.dcm"
        vm.export_file(path, written, "rtstruct", scan=folder / "mr", rule=rule)
        assert vm.measure_volume(vm.read_trace(written, scan=folder / "mr")).volume_mm3 == pytest.approx(
            expected
        )
