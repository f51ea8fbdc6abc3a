"""The side of a lesion that its tracing does not name: by its images, or by names of files and folders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from volumetry.study.rows.keyed import Keyed

_CLEAR_MM = 30.0
"""So far from the middle of the scanner a body is on that side, wherever a single joint was put."""


def settle_sides(rows: Sequence[Keyed], traced: Iterable[int]) -> set[int]:
    """Write the sides that tracings do not name into the cells ``side``; return the rows that contradict.

    Laterality of the images (cell ``image_side``) counts, then the description of the region (cell
    ``described_side``), then what the names of file and folder say (`Case.named_side`). A tracing that names
    both sides was drawn on images that show both: neither counts. A side is written where all tracings of the
    lesion have one, or where they have both. A blank says nothing, so it parts no lesion.

    Parameters
    ----------
    rows : sequence of (Case, int, cells)
    traced : iterable of int
        Places of the rows that claim a lesion.

    Returns
    -------
    set of int
        Rows whose tracing names another side than its images.
    """
    places = list(traced)
    named: dict[str, set[str]] = defaultdict(set)
    for place in places:
        named[rows[place][2]["trace"]].add(rows[place][2]["side"])
    contradicting: set[int] = set()
    groups: dict[tuple[str, ...], dict[int, str]] = defaultdict(dict)
    for place in places:
        case, _, cells = rows[place]
        shows_both = {"L", "R"} <= named[cells["trace"]]
        of_images = "" if shows_both else cells["image_side"]
        if not cells["side"]:
            unit = tuple(cells[name] for name in ("site", "patient", "lesion", "reader"))
            side = "" if shows_both else of_images or cells["described_side"] or case.named_side
            groups[unit][place] = "" if _lies_opposite(cells["x_mm"], side) else side
        elif of_images and of_images != cells["side"]:
            contradicting.add(place)
    for sides in groups.values():
        if "" not in sides.values() or {"L", "R"} <= set(sides.values()):
            for place, side in sides.items():
                rows[place][2]["side"] = side
    return contradicting


def _lies_opposite(x_mm: str, side: str) -> bool:
    """Whether a lesion clearly lies on the other side than its images say; x grows to the patient's left."""
    x = float(x_mm or 0)
    return bool(side) and abs(x) > _CLEAR_MM and (x > 0) != (side == "L")
