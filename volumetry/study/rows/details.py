"""Lesions of one name that their files describe as several: by identifiers, codes, body parts or makers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations

from volumetry.formats.dicom.body_parts import are_apart
from volumetry.study.rows.keyed import Keyed, lesion_of, traces_of
from volumetry.study.rows.reads import SettledRead

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
    apart (BodyPartExamined HIP and LSPINE). What a program has segmented alone is not compared with what a
    person has. A lesion that a manifest names is that one.
    """
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place in traced:
        case, _, cells = rows[place]
        if not case.lesion:
            groups[lesion_of(cells)].append(place)
    settled: dict[int, SettledRead] = {}
    for places in groups.values():
        message = _message_about([rows[place] for place in places])
        if message is not None:
            settled |= dict.fromkeys(places, SettledRead(message=message(traces_of(rows, places))))
    return settled


def _message_about(rows: Sequence[Keyed]) -> Callable[[Iterable[str]], str] | None:
    """What is to be said of the tracings of one name; None where they may be of one lesion."""
    makers, tracked, kinds = ({row[2][name] for row in rows} for name in ("maker", "tracking", "kind"))
    is_nameless = _NAMELESS.fullmatch(rows[0][2]["lesion"]) is not None
    if "AUTOMATIC" in makers and makers & {"MANUAL", "SEMIAUTOMATIC"}:
        return _made_message
    if is_nameless and are_apart(frozenset(row[0].zones for row in rows)):
        return _parts_message
    if _are_several(tracked) or (is_nameless and len(kinds - {""}) > 1):
        return _described_message
    return None


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


def _described_message(traces: Iterable[str]) -> str:
    return (
        "one name, but the files say that it is of several lesions, by TrackingUID and TrackingID, or by "
        f"what kind of region it is: {', '.join(traces)}. Name them in the column lesion of a manifest."
    )
