"""What a file's name says of patient and visit, where folders leave it open."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from volumetry.study.identity import date_of_name

_DATE = (
    r"(?:19|20)\d{2}([-_.]?)(?:0[1-9]|1[0-2])\{n}(?:0[1-9]|[12]\d|3[01])|\d{1,2}[-.]\d{1,2}[-.](?:19|20)\d{2}"
)
_VISIT = (
    rf"(?:{_DATE}|(?:visit|month|week|day|year|ses|tp|fu|v)s?-?\d{{1,4}}"
    r"|pre|post|baseline|screening|follow-?up\d{0,2})"
)
"""What is clearly a visit in a file's name. A bare ``t1`` is not: it is as well a kind of image."""
_NAME = re.compile(
    r"(?:(?P<patient>.+?)[_-])?(?P<visit>" + _VISIT.replace("{n}", "3") + r")(?:[_-](?P<rest>.+))?",
    re.IGNORECASE,
)
_DATE_ALONE = re.compile(_DATE.replace("{n}", "1"))


@dataclass(frozen=True, kw_only=True)
class NameParts:
    """What a file's name says: ``P01_2024-01-15_left`` is patient P01, visit 2024-01-15, and *left*.

    Where it has a visit's name and a date, as ``P01_v2_2024-01-15``, the visit is ``v2`` of that date; and so
    it is in ``v2_2024-01-15``, which names no patient.
    """

    patient: str
    visit: str
    rest: str
    date: str = field(default="", repr=False)


def parts_of_name(stem: str) -> NameParts | None:
    """Return patient, visit and what follows them in a file's name; None where no visit is named.

    >>> parts_of_name("P01_2024-01-15_t1")
    NameParts(patient='P01', visit='2024-01-15', rest='t1')
    """
    matched = _NAME.fullmatch(stem)
    if matched is None:
        return None
    patient, visit, rest, day = matched["patient"] or "", matched["visit"], matched["rest"] or "", ""
    more = _NAME.fullmatch(rest)
    if more is not None and not more["patient"] and _is_date(visit) != _is_date(more["visit"]):
        visit, day = (more["visit"], visit) if _is_date(visit) else (visit, more["visit"])
        rest = more["rest"] or ""
    named = _NAME.fullmatch(patient)
    if named is not None and not named["patient"] and not named["rest"] and _is_date(visit) and not day:
        patient, visit, day = "", named["visit"], visit  # pre_2024-01-15
    before, mark, side = patient.rpartition("_")
    if mark and side.lower() in ("left", "right"):
        patient, rest = before, f"{side}_{rest}".strip("_")
    return NameParts(patient=patient, visit=visit, rest=rest, date=date_of_name(day))


def _is_date(text: str) -> bool:
    return bool(_DATE_ALONE.fullmatch(text))
