"""Any stack, and a tracing that names any part of it: the analytic volume, never ``ambiguous-*``."""

from __future__ import annotations

import os
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from dicom_phantoms import uid_of, write_enhanced, write_series
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from phantoms import contour_items, squares, trace_of, write_rtstruct, write_seg
from pydicom.dataset import Dataset

import volumetry as vm
from volumetry.geometry import ScanGeometry

SERIES = "1.2.826.0.1.3680043.10.79"
EXAMPLES = 2000 if os.environ.get("VOLUMETRY_PROVE") else 10
AREA_MM2 = 100.0


@st.composite
def stacks(draw: st.DrawFn) -> ScanGeometry:
    """Slices of one thickness or of two, touching or with one regular gap."""
    n = draw(st.integers(4, 8))
    first, second = draw(st.sampled_from([(4.0, 4.0), (4.0, 7.0), (2.5, 7.5), (3.0, 2.0)]))
    thick = [first] * (n // 2) + [second] * (n - n // 2)
    gap = draw(st.sampled_from([0.0, 0.4, 1.0]))
    z = np.cumsum([0.0, *[(a + b) / 2 + gap for a, b in pairwise(thick)]])
    return ScanGeometry(
        rows=24,
        columns=32,
        pixel_spacing_mm=(1.0, 1.0),
        row_direction=(1, 0, 0),
        column_direction=(0, 1, 0),
        slice_origins_mm=[(0, 0, p) for p in z],
        slice_thickness_mm=first if first == second else None,
        slice_thicknesses_mm=None if first == second else thick,
        frame_of_reference_uid="1.2.826.0.1.3680043.10.1",
    )


def written(folder: Path, geometry: ScanGeometry, draw: st.DataObject) -> list[list[str]]:
    """Write phases of a stack, told apart in one of several ways, shuffled; return their instances."""
    n_phases = draw.draw(st.integers(1, 3), "phases")
    by = draw.draw(st.sampled_from(["time", "echo", "b-value"]), "told apart by")
    jitter = draw.draw(st.sampled_from(["none", "NORM", "echo time"]), "jitter")
    thick = geometry.slice_thicknesses_mm
    for phase in range(n_phases):

        def change(ds: Dataset, index: int, phase: int = phase) -> None:
            ds.SOPInstanceUID = uid_of("phase", phase, index)
            ds.ImageType = ["ORIGINAL", "PRIMARY", "M"] + ["NORM"] * (jitter == "NORM" and index % 2)
            ds.EchoTime = (
                f"{20 + 40 * phase * (by == 'echo') + 0.01 * (index % 2) * (jitter == 'echo time'):.2f}"
            )
            if by == "time":
                ds.TemporalPositionIdentifier = phase + 1
            if by == "b-value":
                ds.DiffusionBValue = 500.0 * phase
            if thick is not None:
                ds.SliceThickness = f"{thick[index]:.1f}"

        names = draw.draw(st.permutations(range(geometry.n_slices)), "names")
        voxels = np.zeros((geometry.n_slices, 24, 32), np.int16)
        write_series(
            folder / str(phase),
            geometry,
            voxels,
            series_uid=SERIES,
            names=[str(i) for i in names],
            change=change,
        )
    return [[uid_of("phase", p, i) for i in range(geometry.n_slices)] for p in range(n_phases)]


@pytest.mark.prove
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(geometry=stacks(), data=st.data())
def test_any_part_of_any_stack(geometry: ScanGeometry, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        uids = written(folder / "mr", geometry, data)
        phase = data.draw(st.integers(0, len(uids) - 1), "phase named")
        first = data.draw(st.integers(0, geometry.n_slices - 2), "first slice")
        last = data.draw(st.integers(first, geometry.n_slices - 1), "last slice")
        slices = range(first, last + 1)
        thick = geometry.slice_thicknesses_mm
        heights = [geometry.slice_thickness_mm if thick is None else thick[i] for i in slices]
        expected = AREA_MM2 * sum(float(h or 0) for h in heights)
        items = contour_items(trace_of(squares(slices), geometry), slice_uids=uids[phase])
        path = write_rtstruct(folder / "rs.dcm", {"L1": items}, series_uid=SERIES)
        trace = vm.read_trace(path, scan=folder / "mr")
        assert vm.measure_volume(trace).volume_thickness_mm3 == pytest.approx(expected, rel=1e-6)
        voxels = np.zeros((geometry.n_slices, 24, 32), np.uint8)
        voxels[first : last + 1, 4:14, 4:14] = 1
        seg = write_seg(folder / "seg.dcm", geometry, {"L1": voxels}, series_uid=SERIES)
        (sections,) = vm.read_sections(seg, scan=folder / "mr")
        assert vm.measure_volume(sections).volume_thickness_mm3 == pytest.approx(expected, rel=1e-6)


@pytest.mark.prove
@settings(max_examples=max(4, EXAMPLES // 10), deadline=None, suppress_health_check=list(HealthCheck))
@given(per_file=st.integers(1, 6), data=st.data())
def test_enhanced_files_and_concatenations(per_file: int, data: st.DataObject) -> None:
    origins = [(0, 0, 4.0 * i) for i in range(6)]
    values = {
        "rows": 24,
        "columns": 32,
        "pixel_spacing_mm": (1.0, 1.0),
        "row_direction": (1, 0, 0),
        "column_direction": (0, 1, 0),
        "slice_thickness_mm": 4.0,
        "frame_of_reference_uid": "1.2.826.0.1.3680043.10.1",
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        starts = data.draw(st.permutations(range(0, 6, per_file)), "order of files")
        for number, start in enumerate(starts):
            piece = ScanGeometry(**values, slice_origins_mm=origins[start : start + per_file])  # type: ignore[arg-type]
            voxels = np.full((piece.n_slices, 24, 32), start, np.int16)
            write_enhanced(folder / "mr" / f"{number}.dcm", piece, voxels, series_uid=SERIES)
        whole = ScanGeometry(**values, slice_origins_mm=origins)  # type: ignore[arg-type]
        items = contour_items(trace_of(squares(range(1, 5)), whole))
        path = write_rtstruct(folder / "rs.dcm", {"L1": items}, series_uid=SERIES)
        trace = vm.read_trace(path, scan=folder / "mr")
        assert vm.measure_volume(trace).volume_mm3 == pytest.approx(1600)
