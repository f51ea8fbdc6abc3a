"""What a file's name says of patient and visit, where folders leave it open."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from volumetry.study.identity import date_of_name, is_clear_visit_name

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
_NUMBERED_ID = re.compile(r"(?P<words>(?:[^\W\d_]+[-_ ]?)*)\d+(?P<letter>[a-z]?)")
_NOT_OF_A_PATIENT = re.compile(
    r"(?:site|cent(?:er|re)|hospital|zentrum|clinic|klinik|group|gruppe|arm|cohort|batch|set|dataset|export|import"
    r"|study|studie|series|scan|scans|scanner|day|tag|mri?|ct|pet|t|v|fu|run|acq|part|vol|volume|disc|disk|cd|dvd"
    r"|visit|session|ses|tp|time ?point|month|week|year|version|exam|reader|wave|round)s?",
    re.IGNORECASE,
)
"""Words before a number that is none of a patient: ``site1``, ``batch_2``, ``t1``."""
_SHORT_VISIT = re.compile(r"v\d{1,2}", re.IGNORECASE)
_FIRST_YEAR_OF_SCANS = 1980
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


@lru_cache(maxsize=1024)
def patient_of_folder(folder: str) -> tuple[str, str]:
    """Return patient and visit of a folder that has both in its name; else empty texts.

    The patient's name has a number at its end, for what stands beside a date may as well be a word.

    Examples
    --------
    >>> [patient_of_folder(name) for name in ("P01_2024-01-15", "20240115_HIP_001", "P01_v2")]
    [('P01', '2024-01-15'), ('HIP_001', '20240115'), ('P01', 'v2')]
    >>> [patient_of_folder(name) for name in ("MRI_2024-01-15", "site1_2024-01-15", "P01_19500312", "P01")]
    [('', ''), ('', ''), ('', ''), ('', '')]
    """
    parts = parts_of_name(folder)
    if parts is None or bool(parts.patient) == bool(parts.rest):
        return "", ""
    patient, is_before = parts.patient or parts.rest, bool(parts.patient)
    matched = _NUMBERED_ID.fullmatch(patient)
    if matched is None or (not matched["words"] and matched["letter"]):
        return "", ""
    if _NOT_OF_A_PATIENT.fullmatch(matched["words"].strip("-_ ").replace("_", " ")):
        return "", ""
    is_visit = is_before and (is_clear_visit_name(parts.visit) or _SHORT_VISIT.fullmatch(parts.visit))
    is_visit = bool(is_visit) and not _is_date(parts.visit)
    if not is_visit and not date_of_name(parts.visit, since=_FIRST_YEAR_OF_SCANS):
        return "", ""
    return patient, parts.visit


def _is_date(text: str) -> bool:
    return bool(_DATE_ALONE.fullmatch(text))
