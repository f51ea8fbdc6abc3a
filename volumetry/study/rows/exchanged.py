"""Numbered lesions that have exchanged their places between two visits: programs number by size, or anew."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations

from volumetry.study.rows.keyed import Keyed, traces_of
from volumetry.study.rows.reads import SettledRead

Place = tuple[float, float, float]

_APART_MM = 20.0
_OPPOSITE = -0.8
"""Cosine below which the line from one label to another points the other way."""
_NUMBERED = re.compile(r"(.*?)[-_ ]?(?:\d{1,3}|(?<=[-_ ])[A-Za-z]|(?<=[a-z])[A-Z]|^[A-Za-z])")
"""Names that differ in a number or a letter alone are told apart by it: ``Segment_1``, ``lesion B``."""
_MOST = 40
"""So many labels are no lesions but an atlas, whose numbers are fixed."""


def exchanged_lesions(rows: Sequence[Keyed], traced: Iterable[int]) -> dict[int, SettledRead]:
    """Return what becomes of numbered lesions that lie the other way round at another visit.

    These are labels without a name, and lesions whose names differ in a number or a letter alone. Compared is
    the line from one to the other, which does not depend on how the patient lay. A list of labels says what
    their numbers mean, and a manifest which lesion each one is.
    """
    groups: dict[tuple[str, ...], dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for place in traced:
        case, _, cells = rows[place]
        is_listed = cells["lesion"].isdecimal() and "=" in case.described
        numbered = None if case.is_lesion_of_manifest or is_listed else _NUMBERED.fullmatch(cells["lesion"])
        if numbered and _centre(rows[place]) is not None:
            unit = *(cells[name] for name in ("site", "patient", "side", "reader")), numbered[1].casefold()
            groups[unit][cells["visit"]][cells["lesion"].casefold()] = place
    found: dict[int, SettledRead] = {}
    for visits in groups.values():
        for one, other in combinations(visits.values(), 2):
            labels = sorted(one.keys() & other.keys())
            for first, second in combinations(labels if len(labels) <= _MOST else (), 2):
                places = [own[label] for own in (one, other) for label in (first, second)]
                if _is_turned(*map(_centre, map(rows.__getitem__, places))):
                    message = _message((first, second), traces_of(rows, places))
                    found |= dict.fromkeys(places, SettledRead(message=message))
    return found


def _centre(row: Keyed) -> Place | None:
    texts = [row[2][name] for name in ("x_mm", "y_mm", "z_mm")]
    if not all(texts):
        return None
    x, y, z = map(float, texts)
    return x, y, z


def _is_turned(*centres: Place | None) -> bool:
    """Whether the line from the first to the second points the other way from the third to the fourth."""
    first, second, third, fourth = centres
    if first is None or second is None or third is None or fourth is None:
        return False
    lines = [[b - a for a, b in zip(*ends, strict=True)] for ends in ((first, second), (third, fourth))]
    lengths = [math.hypot(*line) for line in lines]
    if min(lengths) < _APART_MM:
        return False
    return bool(sum(a * b for a, b in zip(*lines, strict=True)) / math.prod(lengths) < _OPPOSITE)


def _message(labels: tuple[str, str], traces: Iterable[str]) -> str:
    return (
        f"the lesions {' and '.join(labels)} have exchanged their places between the visits, so their "
        f"numbers may not be of the same lesions: {', '.join(traces)}. Name each lesion in the column lesion "
        "of a manifest (volumetry manifest)."
    )
