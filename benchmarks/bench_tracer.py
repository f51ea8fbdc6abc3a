"""From stroke to updated panel, and from click to open scan, in the napari tracer.

    .ci/on-a-screen python benchmarks/bench_tracer.py [--strokes 40]

Strokes are Qt mouse events sent to the shown canvas, one on every slice. A stroke's time runs from the
release of the button until the panel's widgets hold the new numbers. Painting the window follows in the next
turn of the event loop and is timed apart: a virtual screen draws in software, window and picture at once.
Ends with 1 where a limit is exceeded.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "plugins" / "napari-volumetry" / "tests"))

MATRIX = 512
VERTICES = 200


def write_series(folder: Path, n_slices: int) -> None:
    """A DICOM series of noise, one file a slice."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    folder.mkdir()
    series, study, frame = generate_uid(), generate_uid(), generate_uid()
    noise = np.random.default_rng(1).integers(0, 1000, (MATRIX, MATRIX), dtype=np.int16)
    for index in range(n_slices):
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, generate_uid()
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = (
            series,
            study,
            frame,
        )
        dataset.PatientID, dataset.Modality, dataset.StudyDate = "bench", "MR", "20240101"
        dataset.Rows = dataset.Columns = MATRIX
        dataset.PixelSpacing, dataset.SliceThickness = [0.5, 0.5], 1.0
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        dataset.ImagePositionPatient = [-128.0, float(index), 128.0]
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation = 15, 1
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.PixelData = np.roll(noise, index, axis=0).tobytes()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = MRImageStorage
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(folder / f"{index:04d}.dcm", enforce_file_format=True)


def trace_all(person, n_slices: int) -> None:
    """Outlines of 200 vertices on every slice."""
    session = person.tracer.session
    angles = 2 * np.pi * np.arange(VERTICES) / VERTICES
    session.add_lesion("L1", "L")
    for index in range(n_slices):
        radius = 60 + 20 * np.sin(index / n_slices * np.pi)
        ring = np.column_stack((256 + radius * np.sin(angles), 300 + radius * np.cos(angles)))
        session.add_outline(index, ring)
    person.tracer.update_view(redraw_now=True)
    person.look()


def time_strokes(person, points: list[np.ndarray], strokes: int) -> tuple[np.ndarray, np.ndarray]:
    """Milliseconds from release to the panel's numbers, and to the painted window."""
    from qtpy.QtCore import QEvent
    from qtpy.QtWidgets import QApplication

    panel_ms, picture_ms = [], []
    for number in range(strokes):
        person.tracer.go_to_slice(number)
        person.look()
        path = person.on_canvas(points[number % len(points)])
        person.mouse(QEvent.Type.MouseButtonPress, path[0], held=True)
        person.canvas.setUpdatesEnabled(False)
        for at in path[1:]:
            person.mouse(QEvent.Type.MouseMove, at, held=True, button=False)
        person.canvas.setUpdatesEnabled(True)
        person.look(0.02)
        release = person.event(QEvent.Type.MouseButtonRelease, path[-1], held=False)
        before = person.tracer.session.state.number
        start = time.perf_counter()
        QApplication.sendEvent(person.canvas, release)
        panel_ms.append(1e3 * (time.perf_counter() - start))
        QApplication.processEvents()
        picture_ms.append(1e3 * (time.perf_counter() - start))
        assert person.tracer.session.state.number > before, "the stroke did not arrive"
    return np.array(panel_ms), np.array(picture_ms)


def discs(n: int) -> list[np.ndarray]:
    angles = 2 * np.pi * np.arange(17) / 16
    return [
        np.column_stack(
            (100 + 60 * (k % 5) + 12 * np.sin(angles), 60 + 40 * (k // 5 % 4) + 12 * np.cos(angles))
        )
        for k in range(n)
    ]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--strokes", type=int, default=40, help="40 at most: one a slice")
    chosen = arguments.parse_args()
    import napari
    from person import Person

    rows: list[tuple[str, float, float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        viewer = napari.Viewer(show=True)
        person = Person(viewer)
        for n_slices, limit_ms in ((40, 16.0), (300, 33.0)):
            series = Path(folder) / f"series{n_slices}"
            write_series(series, n_slices)
            start = time.perf_counter()
            person.tracer.open_series(series)
            person.look()
            rows.append((f"opening {n_slices} slices, s", time.perf_counter() - start, 0.0, 3.0))
            trace_all(person, n_slices)
            person.key("G")
            panel, picture = time_strokes(person, discs(20), chosen.strokes)
            rows.append((f"outline, {n_slices} slices, ms", *_percentiles(panel), limit_ms))
            rows.append(("  window painted, ms", *_percentiles(picture), 0.0))
            session = person.tracer.session
            for index in range(chosen.strokes):
                session.clear_slice(index)
            person.key("K")
            panel, picture = time_strokes(person, discs(20), chosen.strokes)
            rows.append((f"brush, {n_slices} slices, ms", *_percentiles(panel), limit_ms))
            rows.append(("  window painted, ms", *_percentiles(picture), 0.0))
        person.tracer.close_case()
        viewer.close()
    print(f"{'':32}{'median':>9}{'95 %':>9}{'limit':>9}")
    for name, median, high, limit in rows:
        print(f"{name:32}{median:9.2f}{high or median:9.2f}{limit or float('nan'):9.1f}")
    return int(any(limit and (high or median) > limit for _, median, high, limit in rows))


def _percentiles(values: np.ndarray) -> tuple[float, float]:
    return float(np.median(values)), float(np.percentile(values, 95))


if __name__ == "__main__":
    sys.exit(main())
