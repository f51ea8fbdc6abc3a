"""How values look in a terminal and a notebook."""

from __future__ import annotations

import numpy as np
import pytest

import volumetry as vm
from volumetry.shown import picture_of_bars, picture_of_pixels, picture_of_rings

GEOMETRY = vm.ScanGeometry(
    rows=8,
    columns=10,
    pixel_spacing_mm=(1.0, 1.0),
    row_direction=(1, 0, 0),
    column_direction=(0, 1, 0),
    slice_origins_mm=np.array([(0, 0, 4.4 * k) for k in range(4)]),
    slice_thickness_mm=4.0,
)


def square(index: int) -> vm.Contour:
    return vm.Contour(slice_index=index, vertices=np.array([(2, 2), (2, 5), (5, 5), (5, 2)], dtype=float))


TRACE = vm.Trace(lesion="<b>L1</b>", side="L", contours=(square(1), square(2)), geometry=GEOMETRY)
VOLUME = vm.measure_volume(vm.Trace(lesion="L1", contours=(square(1), square(2)), geometry=GEOMETRY))
CHANGE = vm.classify_change(VOLUME, VOLUME)
SCAN = vm.Scan(voxels=np.arange(320, dtype=np.int16).reshape(4, 8, 10), geometry=GEOMETRY)
LABELS = np.zeros((4, 8, 10), dtype=np.uint8)
LABELS[1:3, 2:5, 2:5] = 1
MASK = vm.Mask(layers=(LABELS,), geometry=GEOMETRY, labels=(vm.MaskLabel(number=1, name="L1"),))

VALUES = [GEOMETRY, SCAN, MASK, TRACE, VOLUME, CHANGE]


@pytest.mark.parametrize("value", VALUES, ids=lambda v: type(v).__name__)
def test_one_line_and_a_small_table(value: object) -> None:
    line = repr(value)
    assert line.startswith(f"<{type(value).__name__}: ")
    assert len(line) < 500
    assert "\n" not in line
    html = value._repr_html_()  # type: ignore[attr-defined]
    assert len(html) < 20_000
    assert f"<caption>{type(value).__name__}</caption>" in html


@pytest.mark.parametrize(
    ("value", "rows"), [(GEOMETRY, 4), (SCAN, 4), (MASK, 1), (TRACE, 2), (VOLUME, 2), (CHANGE, 1)]
)
def test_a_table_of_each(value: object, rows: int) -> None:
    assert len(value.to_frame()) == rows  # type: ignore[attr-defined]


def test_the_numbers_of_the_tables() -> None:
    frame = VOLUME.to_frame()
    assert (frame["area_mm2"] * frame["height_mm"]).sum() == pytest.approx(VOLUME.volume_mm3)
    assert TRACE.to_frame()["area_mm2"].tolist() == [9.0, 9.0]
    assert MASK.to_frame().iloc[0].tolist() == [1, "L1", 0, 18, 2]
    assert GEOMETRY.to_frame()["slice_thickness_mm"].tolist() == [4.0] * 4


def test_names_are_text_and_never_markup() -> None:
    assert "<b>" not in TRACE._repr_html_()
    assert "&lt;b&gt;" in TRACE._repr_html_()


def test_pictures() -> None:
    assert "<svg" in TRACE._repr_html_()
    assert "<svg" in VOLUME._repr_html_()
    assert "data:image/png;base64" in SCAN._repr_html_()
    assert "data:image/png;base64" in MASK._repr_html_()
    assert picture_of_rings([]) == ""
    assert picture_of_bars([]) == ""
    assert picture_of_pixels(np.full((3, 3), np.nan)) == ""
