"""The pictures of the tracer's tutorial, made by doing what the tutorial says: by mouse and keys.

.ci/on-a-screen python docs/make_tracer_pictures.py [--out docs/pictures]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "plugins" / "napari-volumetry" / "tests"))

CASE = "hip04, 2022-10-18"
BEFORE = ("hip04", "2020-10-06")
SIZE = (1280, 800)


def main() -> int:
    """Make all pictures."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    out = arguments.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study"
        shutil.copytree(ROOT / "sample_scans" / "study", study)
        trace(study, out)
    return 0


def trace(study: Path, out: Path) -> None:
    """Go through the tutorial, taking a picture at every step."""
    import napari
    from person import Person
    from PIL import Image

    viewer = napari.Viewer(show=True)
    person = Person(viewer, reader="AB")
    viewer.window.resize(*SIZE)

    def picture(name: str) -> None:
        person.look(0.4)
        pixels = viewer.screenshot(canvas_only=False, flash=False)
        few = Image.fromarray(pixels[..., :3]).quantize(
            256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
        few.save(out / f"trace-{name}.png", optimize=True)

    person.tracer.open_study(study)
    person.look(0.3)
    picture("1-worklist")
    person.pick(person.row_of(name=CASE))
    person.look(0.3)
    picture("2-case")

    rings = rings_of_baseline(person, study)
    slices = sorted(rings)
    go_to(person, slices[0])
    centre = np.concatenate(list(rings.values())).mean(axis=0)
    person.zoom_to(*centre, zoom=5.0)
    person.key("G")
    person.drag(rings[slices[0]])
    go_to(person, slices[2])
    person.drag(rings[slices[2]])
    picture("3-outline")
    go_to(person, slices[4])
    person.drag(rings[slices[4]])
    person.key("U")
    go_to(person, slices[1])
    picture("4-proposal")
    person.key("J")
    go_to(person, slices[3])
    person.key("J")
    person.key("Shift-S")
    go_to(person, slices[2])
    picture("5-saved")
    # The first visit as a read of one's own.
    person.pick(person.row_of(name=", ".join(BEFORE), lesion="lesion_R1"))
    person.press(person.panel.notice.buttons[0])
    person.key("Shift-S")
    person.pick(person.row_of(name=CASE))
    person.zoom_to(*centre, zoom=5.0)
    person.panel.compare.view.setCurrentIndex(1)
    person.panel.compare.view.activated.emit(1)
    person.press(person.panel.compare.outline)
    person.key("Shift-H")
    picture("6-baseline")
    person.widget.tabs.setCurrentWidget(person.widget.help)
    picture("7-keys")
    another_reader(person, rings)
    panel = person.widget.adjudication
    person.tracer.close_case()
    person.widget.tabs.setCurrentWidget(panel)
    person.look(0.3)
    panel.open(panel.adjudication.rows[0].number)
    person.look(0.3)
    go_to(person, slices[2])
    person.zoom_to(*centre, zoom=5.0)
    picture("8-readers")
    person.tracer.close_case()
    viewer.close()


def another_reader(person: object, rings: dict[int, np.ndarray]) -> None:
    """Let reader CD trace the same lesion, a little inside of AB's outline."""
    from volumetry.tracing import open_case

    tracer = person.tracer  # type: ignore[attr-defined]
    case = open_case(tracer.scene.scan, tracer.case.place, reader="CD")
    case.session.add_lesion(tracer.lesion.name, tracer.lesion.side)
    for index, ring in rings.items():
        middle = ring.mean(axis=0)
        inside = tracer.scene.orientation.display_to_pixels(middle + 0.85 * (ring[:-1] - middle))
        case.session.add_outline(index, inside)
    case.save()
    case.close()


def go_to(person: object, index: int) -> None:
    """Press W or Q until a slice is in view."""
    for _ in range(100):
        here = person.tracer.slice_index  # type: ignore[attr-defined]
        if here == index:
            return
        person.key("W" if here < index else "Q")  # type: ignore[attr-defined]


def rings_of_baseline(person: object, study: Path) -> dict[int, np.ndarray]:
    """The outlines of an earlier visit, which lie where this lesion is: what the mouse is to follow."""
    from volumetry import read_trace
    from volumetry.tracing import project_contours

    patient, visit = BEFORE
    trace = read_trace(study / patient / visit / "rtstruct.dcm", scan=study / patient / visit / "t1_cor")
    scene = person.tracer.scene  # type: ignore[attr-defined]
    shown = project_contours(trace.contours, trace.geometry, scene.scan.geometry)
    rings = {c.slice_index: scene.orientation.pixels_to_display(c.vertices)[::2] for c in shown}
    return {index: np.concatenate((ring, ring[:1])) for index, ring in rings.items()}


if __name__ == "__main__":
    sys.exit(main())
