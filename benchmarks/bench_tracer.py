"""From stroke to updated panel, and from click to open scan, in the napari tracer.

    .ci/on-a-screen python benchmarks/bench_tracer.py [--strokes 40]

Strokes are Qt mouse events sent to the shown canvas, one on every slice. A stroke's time runs from the
release of the button until the panel's widgets hold the new numbers. Painting the window follows in the next
turn of the event loop and is timed apart: a virtual screen draws in software, window and picture at once.
Scrolling is by real keys (xdotool, with openbox) for the next slice, 30 times a second, for all slices; each
one's time is from the key, as the X server stamps it, until the canvas has drawn that slice. Ends with 1
where a limit is exceeded.
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
N_SLICES = (300, 40)
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


def time_wire(person, moves: int) -> np.ndarray:
    """Milliseconds that a preview of the live-wire takes: to find the path and to paint it."""
    chance = np.random.default_rng(2)
    person.key("L")
    person.click(np.array([(256.0, 300.0)]))
    overlay, taken = person.tracer.scene.overlay, []
    for _ in range(moves):
        place = np.array([256.0, 300.0]) + chance.uniform(-40, 40, 2)
        (at,) = person.on_canvas(np.array([place]))
        start, painted = time.perf_counter(), overlay.last_painted
        person.tracer.hover((float(at[0]), float(at[1])))
        while overlay.last_painted == painted and time.perf_counter() < start + 1.0:
            person.look(0.002)
        taken.append(1e3 * overlay.last_cost_s)
    person.key("Escape", "Escape")
    return np.array(taken)


def time_scrolling(person, n_slices: int, per_second: float = 30.0) -> tuple[np.ndarray, float]:
    """Milliseconds from a real key to its slice on the canvas; and how long the last one took, in seconds.

    The X server stamps its events with the monotonic clock.
    """
    from qtpy.QtCore import QEvent, QObject
    from real_hand import RealHand, turn_loop

    pressed: dict[int, float] = {}
    drawn: dict[int, float] = {}

    class Keys(QObject):
        def eventFilter(self, _watched: QObject, event: QEvent) -> bool:  # noqa: N802
            if event.type() == QEvent.Type.KeyPress and event.text() == "w":
                pressed[len(pressed) + 1] = float(event.timestamp())
            return False

    def on_draw(_event: object) -> None:
        drawn.setdefault(person.tracer.slice_index, 1e3 * time.monotonic())

    hand, keys = RealHand(person), Keys()
    hand.run(["mousemove", *hand.on_screen(person.canvas, (50, 50)), "click", "2"])
    person.tracer.go_to_slice(0)
    turn_loop(500)
    canvas = person.viewer.window._qt_viewer.canvas._scene_canvas
    canvas.events.draw.connect(on_draw, position="last")
    person.canvas.installEventFilter(keys)
    words: list[str] = []
    for _ in range(n_slices - 1):
        words += ["key", "--delay", "0", "w", "sleep", f"{1 / per_second - 0.0005:.4f}"]
    hand.run(words, settle_ms=500)
    canvas.events.draw.disconnect(on_draw)
    person.canvas.removeEventFilter(keys)
    assert person.tracer.slice_index == n_slices - 1, person.tracer.slice_index
    lag = [drawn[number] - pressed[number] for number in pressed if number in drawn]
    seconds = (pressed[n_slices - 1] - pressed[1]) / 1e3
    print(
        f"  {len(pressed)} keys in {seconds:.2f} s; {len(lag)} slices were drawn, the others overtaken",
        flush=True,
    )
    return np.array(lag), (drawn[n_slices - 1] - pressed[n_slices - 1]) / 1e3


def discs(n: int) -> list[np.ndarray]:
    angles = 2 * np.pi * np.arange(17) / 16
    return [
        np.column_stack(
            (100 + 60 * (k % 5) + 12 * np.sin(angles), 60 + 40 * (k // 5 % 4) + 12 * np.cos(angles))
        )
        for k in range(n)
    ]


class Results:
    """Prints each figure as soon as it is known, and keeps which limits were exceeded."""

    def __init__(self) -> None:
        self.exceeded: list[str] = []
        print(f"{'':32}{'median':>9}{'95 %':>9}{'limit':>9}", flush=True)

    def add(self, name: str, values: np.ndarray | float, limit: float = float("nan")) -> None:
        """Print the median and the 95th percentile of a figure beside its limit."""
        median, high = np.percentile(np.atleast_1d(values), (50, 95))
        print(f"{name:32}{median:9.2f}{high:9.2f}{limit:9.1f}", flush=True)
        if high > limit:
            self.exceeded.append(name)


def time_case(person, folder: Path, n_slices: int, limit_ms: float, strokes: int, results: Results) -> None:
    """Time everything on one scan."""
    series = folder / f"series{n_slices}"
    write_series(series, n_slices)
    start = time.perf_counter()
    person.tracer.open_series(series)
    person.look()
    results.add(f"opening {n_slices} slices, s", time.perf_counter() - start, 4.0)
    if n_slices == max(N_SLICES):
        lag, behind = time_scrolling(person, n_slices)
        results.add("scrolling 30/s, key to slice, ms", lag, 100.0)
        results.add("  the last slice after its key, s", behind, 0.1)
    trace_all(person, n_slices)
    session = person.tracer.session
    for key, name in (("G", "outline"), ("K", "brush")):
        person.key(key)
        panel, picture = time_strokes(person, discs(20), strokes)
        results.add(f"{name}, {n_slices} slices, ms", panel, limit_ms)
        results.add("  window painted, ms", picture)
        for index in range(strokes):
            session.clear_slice(index)
    results.add("live-wire preview, ms", time_wire(person, 60), 16.0)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--strokes", type=int, default=40, help="40 at most: one a slice")
    chosen = arguments.parse_args()
    import napari
    from napari.qt import get_qapp

    application = get_qapp()  # before anything that waits in Qt's event loop
    from person import Person
    from real_hand import window_manager

    with tempfile.TemporaryDirectory() as folder, window_manager():
        viewer = napari.Viewer(show=True)
        person = Person(viewer)
        results = Results()
        for n_slices, limit_ms in zip(N_SLICES, (33.0, 16.0), strict=True):
            time_case(person, Path(folder), n_slices, limit_ms, chosen.strokes, results)
        person.tracer.close_case()
        viewer.close()
        application.processEvents()
    for name in results.exceeded:
        print(f"over its limit: {name}")
    return int(bool(results.exceeded))


if __name__ == "__main__":
    sys.exit(main())
