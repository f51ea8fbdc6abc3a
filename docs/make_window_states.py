"""Pictures of the tracer's window in every state, in both sizes and themes, to be looked at.

.ci/on-a-screen python docs/make_window_states.py OUT [--size 1280x800] [--theme light] [--only WORDS]

One file a state (`03-first-outline-1280x800-light.png`), and sheets on which four panels lie side by side at
full size (`sheet-...`). Nothing of it is part of the documentation.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from window_states import STATES

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "plugins" / "napari-volumetry" / "tests"))

SIZES, THEMES = ((1600, 1000), (1280, 800)), ("dark", "light")
PANEL_WIDTH, PANELS_ON_A_SHEET = 430, 4


def image_share(person: Any) -> float:
    """Return the share of the window that pictures take, in percent."""
    window, other = person.widget.window(), person.widget.reading_window.other
    shown = [person.canvas] + ([other] if other.isVisible() else [])
    return 100 * sum(w.width() * w.height() for w in shown) / (window.width() * window.height())


def clipped(person: Any) -> str:
    """Name the visible parts of the panel that reach over its edge, or are narrower than their text."""
    from qtpy.QtCore import QPoint
    from qtpy.QtWidgets import QAbstractScrollArea, QCheckBox, QComboBox, QLabel, QPushButton, QWidget

    found, window = [], person.widget.window()
    for kind in (QLabel, QPushButton, QCheckBox, QComboBox):
        for part in person.widget.findChildren(kind):
            parents: list[QWidget] = []
            while (above := (parents[-1] if parents else part).parentWidget()) is not None:
                parents.append(above)
            if not part.isVisible() or any(isinstance(p, QAbstractScrollArea) for p in parents):
                continue  # what a scroll bar brings into view is not clipped
            corner = part.mapTo(window, QPoint(part.width(), part.height()))
            least = part.minimumSizeHint()
            is_out = corner.x() > window.width() or corner.y() > window.height()
            is_narrow = part.width() < least.width() or part.height() < least.height() - 1
            if is_out or is_narrow:
                text = part.currentText() if isinstance(part, QComboBox) else part.text()
                found.append(f"{kind.__name__} {text[:30]!r} {part.width()}<{least.width()}")
    return f"; clipped: {', '.join(found)}" if found else ""


def pictures(
    out: Path, sizes: list[tuple[int, int]], themes: list[str], only: str
) -> Iterator[tuple[str, str, Path]]:
    """Make the pictures; yield (state, size and theme, file)."""
    import napari
    import person as people
    from person import Person
    from PIL import Image

    people.PATIENCE_S = 300.0  # a registration takes a busy machine long
    for number, state in enumerate(STATES, 1):
        if not any(word in state.__name__ for word in only.split(",")):
            continue
        with tempfile.TemporaryDirectory() as folder:
            study = Path(folder) / "study"
            shutil.copytree(ROOT / "sample_scans" / "study", study)
            viewer = napari.Viewer(show=True)
            person = Person(viewer, reader="AB")
            viewer.window.resize(*sizes[0])
            person.look(0.2)
            try:
                state(person, study)
            except AssertionError as error:
                sys.stderr.write(f"{state.__name__}: {error}\n")
            # Snakewise: to change the theme takes napari longest.
            for theme in themes:
                for size in sizes if theme == themes[0] else sizes[::-1]:
                    viewer.window.resize(*size)
                    viewer.theme = theme
                    person.look(0.3)
                    kind = f"{size[0]}x{size[1]}-{theme}"
                    path = out / f"{number:02d}-{state.__name__.replace('_', '-')}-{kind}.png"
                    pixels = viewer.screenshot(canvas_only=False, flash=False)
                    Image.fromarray(pixels[..., :3]).save(path)
                    with (out / "image-share.txt").open("a") as file:
                        file.write(f"{state.__name__} {kind} {image_share(person):.1f} %{clipped(person)}\n")
                    yield state.__name__, kind, path
            person.tracer.close_case()
            viewer.close()
            person.look()


def sheets(out: Path, made: list[tuple[str, str, Path]]) -> None:
    """Lay the panels of the pictures side by side."""
    from PIL import Image

    for kind in sorted({kind for _, kind, _ in made}):
        paths = [path for _, found, path in made if found == kind]
        for start in range(0, len(paths), PANELS_ON_A_SHEET):
            panels = [Image.open(path) for path in paths[start : start + PANELS_ON_A_SHEET]]
            sheet = Image.new("RGB", (PANELS_ON_A_SHEET * PANEL_WIDTH, max(p.height for p in panels)))
            for place, panel in enumerate(panels):
                right = panel.crop((panel.width - PANEL_WIDTH + 4, 0, panel.width, panel.height))
                sheet.paste(right, (place * PANEL_WIDTH, 0))
            sheet.save(out / f"sheet-{kind}-{start // PANELS_ON_A_SHEET + 1:02d}.png")


def main() -> int:
    """Make all pictures and sheets."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--size", choices=[f"{w}x{h}" for w, h in SIZES])
    arguments.add_argument("--theme", choices=THEMES)
    arguments.add_argument("--only", default="", help="parts of names of states: saved,brush")
    chosen = arguments.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    sizes = [s for s in SIZES if chosen.size in (None, f"{s[0]}x{s[1]}")]
    themes = [t for t in THEMES if chosen.theme in (None, t)]
    sheets(chosen.out, list(pictures(chosen.out, sizes, themes, chosen.only)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
