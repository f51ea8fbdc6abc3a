"""Who, when and which: what the names of visits and files say.

A tracing is of one site, patient, visit, side, lesion, reader and read. What the input does not say is not
guessed: two tracings of equal names are two reads only where somebody said so, and one PatientID in several
patients' folders is not believed. `volumetry.study.visit_order` puts visits in order.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from itertools import groupby
from typing import TypeVar

from volumetry.formats.lesion_names import side_of_name

Said = TypeVar("Said", str, int)

TIME_WORDS = ("month", "week", "day", "year", "visit", "v", "t", "tp", "ses", "fu")
"""Words after which a number says the place of a visit in time."""

NUMBERED = re.compile(
    rf"(?:ses-(?=[a-z]))?(?P<word>{'|'.join(sorted(TIME_WORDS, key=len, reverse=True))})s?"
    r"(?P<mark>[-_. ]?)(?P<number>\d{1,5})",
    re.IGNORECASE,
)
"""A name of a visit with a number after a word of time."""

_DATED = re.compile(
    r"(?:ses-|visit[-_ ]?)?(\d{4})([-_.]?)(\d{2})\2(\d{2})(?:T\d{2}[-:.]?\d{2}(?:[-:.]?\d{2})?)?",
    re.IGNORECASE,
)
_DATE_IN_NAME = re.compile(r"(?<![0-9A-Za-z])\d{4}([-_.]?)\d{2}\1\d{2}(?![0-9A-Za-z])")
_DAY_IN_FILE = re.compile(r"(?<![0-9])\d{4}([-_]?)\d{2}\1\d{2}(?![0-9])")
_CLEAR_VISIT = re.compile(
    r"(?:ses-)?(?:(?:pre|post)(?:[-_ ]?op)?|base ?line|screening|follow[-_ ]?up"
    r"|(?:months?|weeks?|years?|visits?)[-_. ]?\d)[-_ ]?\d{0,4}",
    re.IGNORECASE,
)
_VISIT_WORDS = re.compile(
    r"(?:ses-)?(?:pre|post|base ?line|bl|screening|follow[-_ ]?up|fu|initial|final|first|last)\w{0,4}",
    re.IGNORECASE,
)


# -- visits -------------------------------------------------------------------------------------------------


def date_of_name(visit: str, *, since: int = 1900) -> str:
    """Return the ISO date of a visit named ``2024-03-02``, ``20240302`` or ``ses-20240302``; else empty.

    Years before `since` are no dates: in a name such a number is more likely another.
    """
    matched = _DATED.fullmatch(visit.strip())
    if matched is None:
        return ""
    year, _, month, day = matched.groups()
    try:
        found = date(int(year), int(month), int(day))
    except ValueError:
        return ""
    return found.isoformat() if since <= found.year < 2300 else ""


def date_of_table(text: str) -> str:
    """Return the ISO date that a table gives; else empty. Data sets of BIDS move theirs, many to before 1900.

    >>> date_of_table("1867-06-15"), date_of_name("1867-06-15")
    ('1867-06-15', '')
    """
    return date_of_name(text, since=1800)


def date_in_name(visit: str) -> str:
    """Return the one ISO date in a visit's name that says nothing else of time; else empty.

    >>> date_in_name("20240115_MRI_Hip"), date_in_name("v2_2024-01-15"), date_in_name("A20240115001")
    ('2024-01-15', '', '')
    """
    found = [matched for matched in _DATE_IN_NAME.finditer(visit) if date_of_name(matched[0])]
    if len(found) != 1:
        return ""
    others = re.split(r"[-_. ]+", visit[: found[0].start()] + " " + visit[found[0].end() :])
    return "" if any(map(is_visit_name, others)) else date_of_name(found[0][0])


def visit_without_patient(visit: str, patient: str) -> str:
    """Return the name of a visit without that of its patient before it.

    >>> visit_without_patient("P1_v2", "P1"), visit_without_patient("v2", "P1")
    ('v2', 'v2')
    """
    start, rest = visit[: len(patient)], visit[len(patient) :]
    is_own = bool(patient) and start.casefold() == patient.casefold() and rest[:1] in ("_", "-", ".", " ")
    return rest.strip("_-. ") or visit if is_own else visit


def number_of_name(visit: str) -> tuple[str, int] | None:
    """Return time word and number of a visit named ``month12``, ``v1`` or ``ses-02``; None for others."""
    matched = NUMBERED.fullmatch(visit.strip())
    return None if matched is None else (matched["word"].lower(), int(matched["number"]))


def is_visit_name(name: str) -> bool:
    """Return whether a folder's name is clearly one of a visit, not of a patient."""
    return bool(date_of_name(name) or number_of_name(name) or _VISIT_WORDS.fullmatch(name))


def is_clear_visit_name(name: str) -> bool:
    """Return whether a folder's name can be of a visit alone: a date, ``pre``, ``month12``; not ``V1``."""
    return bool(date_of_name(name) or _CLEAR_VISIT.fullmatch(name))


def twice_named(names: Sequence[str]) -> str:
    """Return the first of some names that is there twice; empty where each is there once."""
    return next((name for place, name in enumerate(names) if name in names[:place]), "")


# -- names of files -----------------------------------------------------------------------------------------


def composed_text(name: str) -> str:
    """Return a name with composed letters: a Mac writes ``e`` and an accent, others one letter."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def day_in_file(scan: str) -> str:
    """Return the day in the name of an image as an ISO date; empty where there is none, or not one alone.

    >>> day_in_file("P1/v1/scan_2024-06-01.nii.gz")
    '2024-06-01'
    """
    found = {date_of_name(matched[0]) for matched in _DAY_IN_FILE.finditer(scan.rpartition("/")[2])} - {""}
    return found.pop() if len(found) == 1 else ""


def side_of_file(stem: str) -> str:
    """Return the side that a mask's file name says, ``L``, ``R`` or empty: ``left_mask``, ``hemi-R``."""
    return hemisphere_of(stem) or side_of_name(stem)


def hemisphere_of(stem: str) -> str:
    """Return the side of a name of BIDS by its entity ``hemi``, ``L``, ``R`` or empty.

    >>> hemisphere_of("sub-01_hemi-R_label-L2_mask")
    'R'
    """
    found = re.search(r"(?:^|_)hemi-([LR])(?:_|$)", stem)
    return found[1] if found else ""


@lru_cache(maxsize=1024)
def natural(text: str) -> str:
    """Return a sort key by which ``month2`` comes before ``month12``; for rows, not for visits."""
    parts = []
    for digits, run in groupby(text, key=lambda c: c.isascii() and c.isdigit()):
        word = "".join(run)
        number = word.lstrip("0") or "0"
        # Numbers before words, a short number before a long one; a text, as many keys are held at once.
        parts.append(f"\0{chr(len(number))}{number}" if digits else f"\1{word}")
    return "".join(parts)
