"""Failure of a hip and the time to it, with what the films between allow to be known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.result import Result

TimeUnit = Literal["days", "months", "years"]
Event = Literal["none", "radiological", "clinical"]

DAYS_PER = {"days": 1.0, "months": 365.25 / 12, "years": 365.25}


@dataclass(frozen=True, kw_only=True)
class HipFollowUp:
    """What happened to a hip, and when.

    Attributes
    ----------
    start : date
        From which time is counted.
    films : tuple of (date, bool)
        Films in any order, and whether the head had collapsed on each.
    replacement : date or None
        Of total hip arthroplasty.
    last : date
        Last day on which the hip was known about.

    Examples
    --------
    >>> from datetime import date
    >>> films = ((date(2020, 7, 1), False), (date(2021, 1, 1), True))
    >>> dates = {'start': date(2020, 1, 1), 'replacement': None, 'last': date(2021, 6, 1)}
    >>> len(vc.HipFollowUp(films=films, **dates).films)
    2
    """

    start: date
    films: tuple[tuple[date, bool], ...]
    replacement: date | None
    last: date


@dataclass(frozen=True, kw_only=True, repr=False)
class FailureTime(Result):
    """Time to radiological failure, with replacement as the competing event.

    Attributes
    ----------
    event : {"none", "radiological", "clinical"}
        Which came first. A replacement without collapse on an earlier or the same day's film is clinical.
    days : int
        From start to the event as it was seen, or to the last film without.
    earliest_days : int or None
        Last film without collapse: the event lies between it and `days`. None where nothing is bounded.

    Examples
    --------
    >>> from datetime import date
    >>> films = ((date(2020, 7, 1), False), (date(2021, 1, 1), True))
    >>> dates = {'start': date(2020, 1, 1), 'replacement': None, 'last': date(2021, 6, 1)}
    >>> vc.failure_time(vc.HipFollowUp(films=films, **dates)).event
    'radiological'
    """

    event: Event
    days: int
    earliest_days: int | None

    @property
    def code(self) -> int:
        """0, 1 or 2, as `volumetry.statistics` takes events and competing events."""
        return {"none": 0, "radiological": 1, "clinical": 2}[self.event]

    @property
    def interval_days(self) -> int | None:
        """Length of the gap in which the event lies unseen."""
        return None if self.earliest_days is None else self.days - self.earliest_days

    def time(self, unit: TimeUnit) -> float:
        """Return the time in another unit (365.25 days are a year, a twelfth of that is a month)."""
        return self.days / DAYS_PER[unit]


@checked
def failure_time(hip: HipFollowUp) -> FailureTime:
    """Return the time to the first failure of a hip.

    Radiological failure is collapse as first *seen*; it happened at some time after the last film without.
    The published analysis takes the day of the film, as here; `earliest_days` keeps the other end.
    Replacement of a hip that no film shows collapsed is a competing event, not a censoring: that hip can no
    longer collapse. Without either, the hip is censored at its last film (not at its last visit: nobody
    knows what a later film would have shown).

    Raises
    ------
    UsageError
        ``invalid-table`` for dates before the start or in the wrong order.
    """
    _check(hip)
    films = sorted(hip.films)
    seen = next((day for day, collapsed in films if collapsed), None)
    before = [day for day, _ in films if seen is None or day < seen]
    earliest = (before[-1] - hip.start).days if before else None
    if seen is not None and (hip.replacement is None or seen <= hip.replacement):
        return FailureTime(event="radiological", days=(seen - hip.start).days, earliest_days=earliest or 0)
    if hip.replacement is not None:
        return FailureTime(event="clinical", days=(hip.replacement - hip.start).days, earliest_days=None)
    return FailureTime(event="none", days=earliest or 0, earliest_days=None)


@checked
def replacement_time(hip: HipFollowUp) -> tuple[int, bool]:
    """Return days to replacement (clinical failure) or to the last visit, and whether it was replaced.

    Collapse does not end this follow-up: a collapsed hip can still be replaced.
    """
    _check(hip)
    end = hip.replacement or hip.last
    return (end - hip.start).days, hip.replacement is not None


def _check(hip: HipFollowUp) -> None:
    days = [day for day, _ in hip.films] + [hip.last] + ([hip.replacement] if hip.replacement else [])
    if min(days) < hip.start:
        raise UsageError(
            "invalid-table",
            "a date lies before the start of follow-up",
            values={"start": hip.start.isoformat(), "date": min(days).isoformat()},
            todo="Check the dates.",
        )
