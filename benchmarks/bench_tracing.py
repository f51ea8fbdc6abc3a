"""How fast the tracer's logic is, without a screen: from a stroke to the numbers of the panel.

``python benchmarks/bench_tracing.py`` prints the median and the 95th percentile in milliseconds.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from volumetry import Contour, Scan, ScanGeometry
from volumetry.tracing import (
    CasePlace,
    TracingCase,
    brush_pixels,
    interpolate_slice,
    nudge_outline,
    open_case,
)

SIZE = 512
REPEATS = 200


def scan_of(n_slices: int) -> Scan:
    geometry = ScanGeometry(
        rows=SIZE,
        columns=SIZE,
        pixel_spacing_mm=(0.5, 0.5),
        row_direction=(1, 0, 0),
        column_direction=(0, 0, -1),
        slice_origins_mm=[(-120.0, 1.2 * i, 120.0) for i in range(n_slices)],
        slice_thickness_mm=1.0,
    )
    return Scan(voxels=np.zeros((n_slices, SIZE, SIZE), np.int16), geometry=geometry)


def ring(radius: float, n: int = 200) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.column_stack((250 + radius * np.cos(angles), 300 + radius * np.sin(angles)))


def timed(name: str, act: Callable[[int], object], repeats: int = REPEATS) -> None:
    taken = []
    for number in range(repeats):
        start = time.perf_counter()
        act(number)
        taken.append(1000 * (time.perf_counter() - start))
    median, late = np.percentile(taken, (50, 95))
    print(f"{name:<58} median {median:7.2f} ms   95 % {late:7.2f} ms")


def stroke(case: TracingCase, contour: str, number: int) -> None:
    case.session.replace_vertices(contour, ring(40 + number / 50))
    case.session.readout(10)


def brush(case: TracingCase, number: int) -> None:
    pixels = brush_pixels([(250, 200 + number), (252, 205 + number)], 20, (SIZE, SIZE))
    case.session.paint(number % case.session.geometry.n_slices, pixels)
    case.session.readout(0)


def main() -> None:
    for n_slices in (40, 300):
        with tempfile.TemporaryDirectory() as folder:
            case = open_case(scan_of(n_slices), CasePlace(folder=Path(folder)), reader="bench")
            case.session.add_lesion("L1", "L")
            ids = [case.session.add_outline(index, ring(40)) for index in range(n_slices)]
            what = f"{n_slices} slices of 200 vertices"
            timed(f"stroke to numbers, {what}", lambda n, c=case, i=ids[10]: stroke(c, i, n))
            case.session.add_hole(10, ring(10))
            timed(f"the same beside a hole, {what}", lambda n, c=case, i=ids[10]: stroke(c, i, n))
            timed(f"undo and redo, {what}", lambda _, c=case: (c.session.undo(), c.session.redo()))
            timed(f"saving, {what}", lambda n, c=case, i=ids[10]: (stroke(c, i, n), c.save()), 10)
            case.close()
    with tempfile.TemporaryDirectory() as folder:
        case = open_case(scan_of(300), CasePlace(folder=Path(folder)), reader="bench")
        case.session.add_lesion("L1", "L")
        for index in range(300):
            case.session.paint(index, brush_pixels([(250, 250)], 120, (SIZE, SIZE)))
        timed("brush to numbers, 512 x 512 x 300 painted", lambda n: brush(case, n))
        case.session.add_outline(0, ring(40), status="proposed")
        timed("stroke on the disk (waiting for it)", lambda n: (brush(case, n), case.wait()), 50)
        start = time.perf_counter()
        case.close()
        open_case(case_scan(case), CasePlace(folder=Path(folder)), reader="bench").close()
        print(f"{'opening it again, with its whole history':<58} {time.perf_counter() - start:14.2f} s")
    timed("nudging 200 vertices", lambda n: nudge_outline(ring(40), [(250, 330), (250, 320 - n / 50)], 15))
    geometry = scan_of(9).geometry
    ends = [contours_of(index, radius) for index, radius in ((0, 40.0), (8, 60.0))]
    timed("interpolating one slice", lambda n: interpolate_slice(ends[0], ends[1], 1 + n % 7, geometry), 20)


def case_scan(case: TracingCase) -> Scan:
    return scan_of(case.session.geometry.n_slices)


def contours_of(index: int, radius: float) -> tuple[Contour, ...]:
    return (Contour(slice_index=index, vertices=ring(radius)),)


if __name__ == "__main__":
    main()
