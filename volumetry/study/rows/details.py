"""Lesions of one name that their files describe as several: by tracking identifiers and by codes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations

from volumetry.formats.dicom.body_parts import are_apart
from volumetry.study.rows.reads import SettledRead
from volumetry.study.rows.sides import Keyed

_NAMELESS = re.compile(
    r"(?:new|unnamed)?[-_ ]*(?:segment(?:ation)?|seg|region|roi|label|lesion|tumou?r|mass|contour|structure"
    r"|object|finding|mask)?s?[-_ ]*\d*",
    re.IGNORECASE,
)
"""Names that programs give, and that say nothing of which lesion it is."""


def differently_described(rows: Sequence[Keyed], traced: Iterable[int]) -> dict[int, SettledRead]:
    """Return what becomes of tracings that would be one lesion, but that their files describe as several.

    Two tracings of one name are two lesions where both TrackingUID and TrackingID differ: some programs write
    a new UID into every file. Lesions whose names say nothing (``ROI1``, ``Segment 1``) are several where
    property type, anatomic region or RTROIInterpretedType differ, or whose images are of body parts that lie
    apart (BodyPartExamined HIP and LSPINE). What a program has segmented alone is not
    compared with what a person has. A lesion that a manifest names is that one.
    """
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place in traced:
        case, _, cells = rows[place]
        if case.lesion:
            continue
        groups[tuple(cells[name] for name in ("site", "patient", "side", "lesion", "reader"))].append(place)
    settled: dict[int, SettledRead] = {}
    for unit, places in groups.items():
        tracked = {rows[place][2]["tracking"] for place in places}
        kinds = {rows[place][2]["kind"] for place in places} - {""}
        if _are_several(tracked) or (len(kinds) > 1 and _NAMELESS.fullmatch(unit[3])):
            traces = sorted({rows[place][2]["trace"] for place in places})
            settled |= dict.fromkeys(places, SettledRead(message=_message(traces)))
        if _NAMELESS.fullmatch(unit[3]) and are_apart(frozenset(rows[place][0].zones for place in places)):
            traces = sorted({rows[place][2]["trace"] for place in places})
            settled |= dict.fromkeys(places, SettledRead(message=_parts_message(traces)))
        makers = {rows[place][2]["maker"] for place in places}
        if "AUTOMATIC" in makers and makers & {"MANUAL", "SEMIAUTOMATIC"}:
            traces = sorted({rows[place][2]["trace"] for place in places})
            settled |= dict.fromkeys(places, SettledRead(message=_made_message(traces)))
    return settled


def _are_several(tracked: Iterable[str]) -> bool:
    """Whether two of the identifiers differ in both of their parts, UID and ID."""
    parts = [uid_and_id.split("-") for uid_and_id in tracked if "-" in uid_and_id]
    return any(first[0] != second[0] and first[1] != second[1] for first, second in combinations(parts, 2))


def _parts_message(traces: Iterable[str]) -> str:
    return (
        "the images are of body parts that lie apart (BodyPartExamined), so nothing says that this is one "
        f"lesion: {', '.join(traces)}. Name them in the column lesion of a manifest."
    )


def _made_message(traces: Iterable[str]) -> str:
    return (
        "a program alone has made some of the segments, and a person others (SegmentAlgorithmType), so they "
        f"are not compared: {', '.join(traces)}. Name their readers, or the lesion, in a manifest."
    )


def _message(traces: Iterable[str]) -> str:
    return (
        "one name, but the files say that it is of several lesions, by TrackingUID and TrackingID, or by "
        f"what kind of region it is: {', '.join(traces)}. Name them in the column lesion of a manifest."
    )
