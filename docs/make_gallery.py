"""Make docs/gallery.md and its pictures from the real program: ``python docs/make_gallery.py``."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from PIL import Image

from volumetry.cli import main

DOCS = Path(__file__).parent
SAMPLES = DOCS.parent / "sample_scans"
PICTURES = DOCS / "pictures" / "gallery"
WIDEST = 1000

FIGURES = {
    "lesion": ("`volumetry figure`: the traced slices of a lesion, areas and volume", ""),
    "volume-change-waterfall": ("The change of every lesion, the largest increase first", "waterfall"),
    "collapse-survival": ("Survival without collapse, with those at risk", "collapse-survival"),
    "collapse-incidence": ("Cumulative incidence beside a competing event", "collapse-incidence"),
    "forest": ("All ratios of a plan, by which direction is good", "forest"),
    "lesion-volume-paired": ("Volumes before and after", "lesion-volume-paired"),
    "bland-altman": ("Two readers: differences in percent of the mean", "bland-altman-percent"),
    "bars": ("Shares of two groups, with their intervals", "good-or-excellent-harris-score-bars"),
    "flow": ("Who was included, and why others were not", "flow"),
}
"""By the name of the picture: its sentence, and the end of the name of the figure that `outcomes` draws."""

HEAD = """# Gallery

Figures as the program draws them, from the sample study and the cohort beside it. `volumetry figure` draws
a lesion; `volumetry outcomes` draws the others from the plan `sample_scans/cohort/plan.toml`, each as SVG
and PNG. `docs/make_gallery.py` makes this page.
"""


def make() -> None:
    """Draw the figures and write the page."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    parts = [HEAD]
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary)
        visit = SAMPLES / "study/hip01/2021-03-02"
        drawn = out / "lesion.png"
        call = ["figure", str(visit / "rtstruct.dcm"), "--scan", str(visit / "t1_cor"), "--roi", "lesion_L1"]
        main([*call, "--out", str(drawn), "--quiet"])
        main(["outcomes", str(SAMPLES / "cohort/plan.toml"), "--out", str(out / "cohort"), "--quiet"])
        figures = sorted((out / "cohort/figures").glob("*.png"))
        for name, (sentence, end) in FIGURES.items():
            found = [p for p in figures if p.stem.endswith(end) and not p.stem.startswith("matched")]
            source = drawn if not end else min(found, key=lambda p: len(p.stem), default=None)
            if source is None:
                continue
            shrink(source, PICTURES / f"{name}.png")
            parts.append(f"## {sentence}\n\n![{sentence}](pictures/gallery/{name}.png)\n")
    (DOCS / "gallery.md").write_text("\n".join(parts), encoding="utf-8")


def shrink(source: Path, target: Path) -> None:
    """Write a picture as wide as the page is, in few colours."""
    image = Image.open(source).convert("RGB")
    if image.width > WIDEST:
        image = image.resize((WIDEST, round(image.height * WIDEST / image.width)), Image.Resampling.LANCZOS)
    image.quantize(128).save(target, optimize=True)


if __name__ == "__main__":
    make()
    shutil.rmtree(DOCS / "__pycache__", ignore_errors=True)
