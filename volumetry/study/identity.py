"""Who, when and which: the names by which tracings are told apart and put in order.

A tracing is of one site, patient, visit, side, lesion, reader and read. What the input does not say is not
guessed: visits whose order is unknown make no class, two tracings of equal names are two reads only where
somebody said so, and one PatientID in several patients' folders is not believed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import combinations, groupby
from typing import Any, TypeVar

from volumetry.formats.lesion_names import side_of_name

Said = TypeVar("Said", str, int)

TIME_WORDS = ("month", "week", "day", "year", "visit", "v", "t", "tp", "ses", "fu")
"""Words after which a number says the place of a visit in time."""

_NUMBERED = re.compile(
    rf"(?:ses-(?=[a-z]))?(?P<word>{'|'.join(sorted(TIME_WORDS, key=len, reverse=True))})s?"
    r"(?P<mark>[-_. ]?)(?P<number>\d{1,5})",
    re.IGNORECASE,
)
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

_AT_TREATMENT = r"(?:[-_ .]?(?:op|operative|operativ|treatment|therapy|therapie|surgery|surgical|rt|chemo))?"
_OF_BEGINNING = re.compile(
    rf"(?:ses-)?(?:(?:pre|before|vor){_AT_TREATMENT}|base ?line|bl|screening|initial|vorher|avant|antes|prima"
    r"|(?:m|months?|weeks?|w|d|days?|monat|woche)[-_ ]?0{1,3})",
    re.IGNORECASE,
)
_OF_LATER = re.compile(
    rf"(?:ses-)?(?:(?:post|after|nach){_AT_TREATMENT}|follow[-_ ]?up|fu|nachher|verlauf|kontrolle|apr[eè]s"
    r"|despu[eé]s|dopo|(?:m|months?|weeks?|w|d|days?|monat|woche)[-_ ]?0*[1-9])[-_ ]?\d{0,3}",
    re.IGNORECASE,
)
"""Names of visits that say, without a date, which of two came first."""


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
    matched = _NUMBERED.fullmatch(visit.strip())
    return None if matched is None else (matched["word"].lower(), int(matched["number"]))


def is_visit_name(name: str) -> bool:
    """Return whether a folder's name is clearly one of a visit, not of a patient."""
    return bool(date_of_name(name) or number_of_name(name) or _VISIT_WORDS.fullmatch(name))


def is_clear_visit_name(name: str) -> bool:
    """Return whether a folder's name can be of a visit alone: a date, ``pre``, ``month12``; not ``V1``."""
    return bool(date_of_name(name) or _CLEAR_VISIT.fullmatch(name))


@dataclass(frozen=True, kw_only=True)
class VisitOrder:
    """The visits of one patient in order.

    Attributes
    ----------
    ranks : mapping of visit name to rank
        0 the first; empty where the order is not known.
    by : str
        ``protocol``, ``dates``, ``numbers``, ``unknown``; empty for a single visit, whose order needs no
        reason.
    """

    ranks: Mapping[str, int]
    by: str

    @property
    def is_known(self) -> bool:
        """Whether there is an order."""
        return self.by != "unknown"


def order_of_visits(
    dates: Mapping[str, str],
    declared: Sequence[str] = (),
    given: Mapping[str, int] | None = None,
) -> VisitOrder:
    """Return the order of the visits of one patient.

    Parameters
    ----------
    dates : mapping of visit name to ISO date, empty where unknown
    declared : sequence of str
        The protocol's order.
    given : mapping of visit name to number, optional
        The order a manifest gives.

    Notes
    -----
    The protocol's or manifest's order where it names every visit; else the dates where every visit has one
    and no two are equal; else numbers after one time word that all names share. Else the order is unknown:
    names are not sorted, ``day-7`` may be a week before, ``T1`` beside ``T2`` may be weightings, and ``T10``
    beside ``T11`` vertebrae.

    Examples
    --------
    >>> order_of_visits({"month12": "", "month2": ""}).ranks
    {'month2': 0, 'month12': 1}
    >>> order_of_visits({"pre": "", "post": ""}).by
    'unknown'
    """
    known = {visit: day or date_of_name(visit) for visit, day in dates.items()}
    numbers = {visit: number_of_name(visit) for visit in dates}
    words = {found[0] for found in numbers.values() if found}
    if _may_be_minus(dates) or _may_be_days(dates) or _may_be_no_times(dates):
        words = set()
    candidates: tuple[tuple[str, dict[str, Any]], ...] = (
        ("protocol", {visit: declared.index(visit) for visit in dates if visit in declared}),
        ("protocol", {visit: number for visit, number in (given or {}).items() if visit in dates}),
        ("dates", {visit: day for visit, day in known.items() if day}),
        ("numbers", {v: found[1] for v, found in numbers.items() if found} if len(words) == 1 else {}),
    )
    for by, places in candidates:
        if places and len(places) == len(set(places.values())) == len(dates):
            ordered = sorted(places, key=lambda visit: places[visit])
            return VisitOrder(ranks={visit: rank for rank, visit in enumerate(ordered)}, by=by)
    if len(dates) <= 1:
        return VisitOrder(ranks=dict.fromkeys(dates, 0), by="")
    return VisitOrder(ranks={}, by="unknown")


def _may_be_minus(visits: Iterable[str]) -> bool:
    """Whether a hyphen before the number may be a minus.

    Some names have one and others have none; or they are days or weeks with a zero among them, as trials
    count them from below zero: ``week-4`` beside ``week-0``.
    """
    found = [matched for visit in visits if (matched := _NUMBERED.fullmatch(visit))]
    marks = {matched["mark"] == "-" for matched in found}
    from_zero = {m["word"].lower() for m in found} <= {"day", "week"} and 0 in {
        int(m["number"]) for m in found
    }
    return len(marks) > 1 or (marks == {True} and from_zero)


def _may_be_days(visits: Iterable[str]) -> bool:
    """Whether all numbers may be a month and a day without a year: ``ses-0615`` and ``ses-0110``."""
    texts = [matched["number"] for visit in visits if (matched := _NUMBERED.fullmatch(visit))]
    if not any(text.startswith("0") for text in texts) or any(len(text) != 4 for text in texts):
        return False
    pairs = [(int(text[:2]), int(text[2:])) for text in texts]
    ways = (pairs, [(month, day) for day, month in pairs])
    return any(all(1 <= month <= 12 and 1 <= day <= 31 for month, day in way) for way in ways)


def _may_be_no_times(visits: Iterable[str]) -> bool:
    """Whether the visits may be folders of T1- and T2-weighted images, or of vertebrae: T10, T11.

    Points in time begin with 0, 1 or 2.
    """
    names = {visit.casefold() for visit in visits}
    numbers = [found[1] for name in names if (found := number_of_name(name)) and found[0] == "t"]
    are_vertebrae = len(numbers) == len(names) > 0 and min(numbers) > 2 and max(numbers) <= 12
    return names == {"t1", "t2"} or are_vertebrae


def visits_against_names(days: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the visits whose names are dates, numbers or words in another order than their days.

    Each comes with those that it contradicts. Words (``pre``, ``baseline``; ``post``, ``follow-up``) give no
    order by themselves.

    >>> visits_against_names({"v1": "2020-01-01", "v2": "2019-01-01"})
    {'v1': ['v2'], 'v2': ['v1']}
    """
    ranks = order_of_visits(dict.fromkeys(days, "")).ranks or _places_of_words(days)
    found: dict[str, list[str]] = {}
    for first, second in combinations(sorted(ranks, key=ranks.__getitem__), 2):
        if ranks[first] < ranks[second] and days[first] > days[second]:
            found.setdefault(first, []).append(second)
            found.setdefault(second, []).append(first)
    return found


def _places_of_words(visits: Iterable[str]) -> dict[str, int]:
    """0 for names that say the beginning, 1 for those that say a later time; others have no place."""
    places: dict[str, int] = {}
    for visit in visits:
        if _OF_BEGINNING.fullmatch(visit):
            places[visit] = 0
        elif _OF_LATER.fullmatch(visit):
            places[visit] = 1
    return places


def visits_against_ranks(
    ranks: Mapping[str, int], said: Mapping[str, Collection[Said]]
) -> dict[str, list[str]]:
    """Return the visits whose days, or places given elsewhere, come in another order than their ranks.

    Each comes with those that it contradicts; visits of which nothing is said contradict none.

    >>> visits_against_ranks({"pre": 0, "post": 1}, {"pre": ["2024-06-01"], "post": ["2024-01-01"]})
    {'pre': ['post'], 'post': ['pre']}
    >>> visits_against_ranks({"pre": 0, "post": 1}, {"pre": [2], "post": [1]})
    {'pre': ['post'], 'post': ['pre']}
    """
    found: dict[str, list[str]] = {}
    placed = sorted((visit for visit, own in said.items() if own and visit in ranks), key=ranks.__getitem__)
    for earlier, later in combinations(placed, 2):
        if min(said[earlier]) > max(said[later]):
            found.setdefault(earlier, []).append(later)
            found.setdefault(later, []).append(earlier)
    return found


def first_days(days: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return the first day of every visit; empty where the days of two visits overlap.

    >>> first_days({"a": ["2020-01-01", "2020-06-01"], "b": ["2020-03-01"]})
    {'a': '', 'b': ''}
    """
    spans = {visit: (known[0], known[-1]) for visit, own in days.items() if (known := sorted(own))}
    unclear: set[str] = set()
    for first, last in spans.values():
        if first != last:
            met = {other for other, (begin, end) in spans.items() if first <= end and begin <= last}
            unclear |= met if len(met) > 1 else set()
    return {visit: spans[visit][0] if visit in spans and visit not in unclear else "" for visit in days}


def twice_named(names: Sequence[str]) -> str:
    """Return the first of some names that is there twice; empty where each is there once."""
    return next((name for place, name in enumerate(names) if name in names[:place]), "")


def unknown_order_message(visits: Iterable[str], declared: Sequence[str] = ()) -> str:
    """Return the sentence that says that the order of visits is unknown, and what to do.

    >>> unknown_order_message(["Pre", "post"], ["pre", "post"])[:67]
    "the order of the visits 'Pre', 'post' is not known, so no change is"
    """
    known = sorted(visits)
    named = ", ".join(repr(visit) for visit in known)
    what = f"the order of the visits {named} is not known, so no change is computed."
    if not declared:
        return (
            f"{what} Give their order as visits in [study] of the protocol, or their dates as study_date in "
            "a manifest."
        )
    lacking = [visit for visit in known if visit not in declared]
    alike = {name.casefold(): name for name in declared}
    told = ", ".join(
        f"{visit!r} (it has {alike[visit.casefold()]!r})" if visit.casefold() in alike else repr(visit)
        for visit in lacking
    )
    return f"{what} visits in [study] of the protocol lacks {told}. Name every visit there as it is called."


ORDER_OF_A_STUDY = (
    "Give it as visits in [study] of the protocol, or dates in a manifest (see message in measurements.csv)."
)
"""How the order of visits is given to a batch."""


def unordered_message(patients: Sequence[str], todo: str = ORDER_OF_A_STUDY) -> str:
    """Return the sentence that says of which patients the order of visits is not known, and how to give it.

    >>> unordered_message(["P1"])[:61]
    'the order of the visits is not known, so no change is compute'
    """
    more = f" and {len(patients) - 3} more" if len(patients) > 3 else ""
    return (
        f"the order of the visits is not known, so no change is computed: {', '.join(patients[:3])}{more}. "
        f"{todo}"
    )


def untraced_first_message(firsts: Sequence[tuple[str, str]]) -> str:
    """Return the sentence that says that changes have no baseline, as nobody traced the first visit.

    Parameters
    ----------
    firsts : sequence of (str, str)
        Patients, as tables show them, and their first visits.

    Examples
    --------
    >>> untraced_first_message([("P1", "2022-01-01")])[:62]
    'nothing is traced at the first visit of P1 (2022-01-01), but a'
    """
    told = ", ".join(f"{patient} ({visit})" for patient, visit in firsts[:3])
    more = f" and {len(firsts) - 3} more patients" if len(firsts) > 3 else ""
    return (
        f"nothing is traced at the first visit of {told}{more}, but at later ones, so that their changes are "
        "baseline-not-traced. Trace it; or, if it is no visit of the study, leave it out of a manifest "
        "(volumetry manifest)."
    )


def conflict_message(visits: Iterable[str]) -> str:
    """Return the sentence that says that dates of images contradict the order of visits."""
    named = ", ".join(repr(visit) for visit in sorted(visits))
    return (
        f"the order of the visits {named} by the manifest or protocol contradicts the dates of their images "
        "(StudyDate, or a date in their names), or those or visit_order of the manifest; the order of the "
        "protocol counts, then that of the manifest. If it is wrong, "
        "correct study_date, visit_order, or visits in the protocol."
    )


def doubted_order_message(visits: Iterable[str]) -> str:
    """Return the sentence that says that the headers of images give two orders of visits."""
    named = ", ".join(repr(visit) for visit in sorted(visits))
    return (
        f"the order of the visits {named} is not known, so no change is computed: StudyDate says one order, "
        "and AcquisitionDate, PatientAge or PatientBirthDate another, or one of the days is to come. Give "
        "their order as visits in [study] of the protocol, or in a manifest; visit = "
        '"StudyDate" in [identity] says that StudyDate counts.'
    )


def inconsistent_dates_message() -> str:
    """Return the sentence that says that dates of images contradict each other, but not on their order."""
    return (
        "the date of the images (StudyDate) contradicts AcquisitionDate, or the dates or numbers in names of "
        "folders, files and visits; the date counts. If it is wrong, write study_date or visit_order in a "
        "manifest."
    )


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
