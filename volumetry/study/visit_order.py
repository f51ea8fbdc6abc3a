"""The order of the visits of a patient, and what contradicts it.

Visits whose order is unknown make no class: names are not sorted, and no order is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeVar

from volumetry.study.identity import NUMBERED, date_of_name, number_of_name

Said = TypeVar("Said", str, int)

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
    found = [matched for visit in visits if (matched := NUMBERED.fullmatch(visit))]
    marks = {matched["mark"] == "-" for matched in found}
    from_zero = {m["word"].lower() for m in found} <= {"day", "week"} and 0 in {
        int(m["number"]) for m in found
    }
    return len(marks) > 1 or (marks == {True} and from_zero)


def _may_be_days(visits: Iterable[str]) -> bool:
    """Whether all numbers may be a month and a day without a year: ``ses-0615`` and ``ses-0110``."""
    texts = [matched["number"] for visit in visits if (matched := NUMBERED.fullmatch(visit))]
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
