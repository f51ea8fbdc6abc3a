"""What the change of each row is worth: reading from the plan, slicing and comparability from the tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from volumetry.change import ChangeRule
from volumetry.error_model import ChangeWorth, ReadingError, judge_change
from volumetry.error_model.verdict import SLICING_FACTOR, Verdict
from volumetry.outcomes.analysis import Context
from volumetry.outcomes.inputs.lesion_volumes import (
    Key,
    UnitVolume,
    VisitKey,
    change_rule,
    read_keys,
    three_classes,
    unit_key,
    visit_key,
)
from volumetry.tables import Row

Percents = tuple[float, float]
"""Errors of slicing of both volumes, in percent."""

_SAME_ERROR = 1e-6
_VOLUMES = ("baseline_volume_mm3", "followup_volume_mm3")


@dataclass(frozen=True, kw_only=True)
class JudgedChange:
    """A change of a row with its worth.

    Attributes
    ----------
    worth : ChangeWorth
    slicing_known : bool
        Whether the error has a part of slicing; without it, it is too small, and there is no verdict.
    reading_unknown : bool
        The change is between two readers, and the error of reading is not; there is no verdict.
    other_verdict : bool
        ``changes.csv`` has a verdict that was made with another error than the plan's.
    """

    worth: ChangeWorth
    slicing_known: bool = True
    reading_unknown: bool = False
    other_verdict: bool = False


def judged_changes(context: Context) -> list[JudgedChange | None]:
    """Return what the change of each row is worth; None where a volume is missing or 0, or without an error.

    The error of reading is that of the plan. That of slicing is what ``changes.csv`` has, else that of the
    reads of ``measurements.csv`` that made the change; where it is not known there is no verdict. Where
    ``changes.csv`` judged the change by the same errors its verdict stands, and a change that is not
    comparable has none. A change between two readers has the error of ``changes.csv``, unless the plan's is
    of that kind.
    """
    error = context.cohort.inputs.reading_error
    if context.plan.error is None or error is None:
        return [None] * len(context.cohort.volumes)
    unit, rule = context.plan.volumes.unit, change_rule(context.plan.volumes)
    lesions: dict[Key, list[Row]] = {}
    for change in context.cohort.changes:
        lesions.setdefault(unit_key(change, unit), []).append(change)
    percents = _read_percents(context.cohort.inputs.measurements)
    return [
        _judged(volume, error, lesions.get(key, []), percents, rule)
        for key, volume in zip(context.cohort.keys, context.cohort.volumes, strict=True)
    ]


def error_words(context: Context) -> list[str]:
    """Say of each row whether the error of its change is ``known`` or ``error-unknown``; empty without one.

    It is known where the plan names one, or where ``changes.csv`` judged all changes of the row.
    """
    cohort = context.cohort
    by_plan = context.plan.error is not None and cohort.inputs.reading_error is not None
    unknown: dict[Key, bool] = {}
    for change in cohort.changes:
        key = unit_key(change, context.plan.volumes.unit)
        flagged = "error-unknown" in str(change.get("flags") or "").split(";")
        unknown[key] = unknown.get(key, False) or flagged
    found = []
    for key, volume in zip(cohort.keys, cohort.volumes, strict=True):
        measured = volume.baseline_cm3 is not None and volume.followup_cm3 is not None
        word = "known" if by_plan or not unknown.get(key, True) else "error-unknown"
        found.append(word if measured else "")
    return found


def error_word(context: Context) -> str:
    """Say it of all rows: ``known``, ``error-unknown``, or ``error-unknown for 3 of 40``."""
    told = [word for word in error_words(context) if word]
    unknown = told.count("error-unknown")
    if not unknown:
        return "known" if told else ""
    return "error-unknown" if unknown == len(told) else f"error-unknown for {unknown} of {len(told)}"


def verdicts(context: Context) -> list[str | None]:
    """Return the verdict of each row; None where nothing is judged, or the error is not known."""
    return [None if judged is None else judged.worth.verdict or None for judged in judged_changes(context)]


def log_errors(context: Context) -> list[float | None]:
    """Return the standard deviation of the logarithm of each row's ratio of volumes; None where not known."""
    return [
        None
        if judged is None or judged.worth.change_error_percent is None
        else _log_sd(judged.worth.change_error_percent)
        for judged in judged_changes(context)
    ]


def change_limits(percent: float, log_error: float | None) -> tuple[float, float] | None:
    """Return the change at 1.96 standard deviations of the logarithm of the ratio to either side."""
    if log_error is None:
        return None
    ratio, spread = 1 + percent / 100, math.exp(1.96 * log_error)
    return 100 * (ratio / spread - 1), 100 * (ratio * spread - 1)


def judging_notes(context: Context) -> Iterator[str]:
    """Say of how many changes the error lacks its part of slicing, or a verdict rests on another error."""
    told = (one for one in judged_changes(context) if one is not None)
    judged = [one for one in told if one.worth.verdict != "not_evaluable"]
    unknown = sum(not one.slicing_known for one in judged)
    if unknown:
        yield (
            f"the error of slicing of {unknown} of {len(judged)} changes is not known, so that their error "
            "is too small and they have no verdict: name measurements.csv in the plan, or the changes.csv of "
            "this version's batch"
        )
    between = sum(one.reading_unknown for one in judged)
    if between:
        yield (
            f"{between} of {len(judged)} changes are between two readers, whose error is not known, so that "
            "their error is too small and they have no verdict: name repeatability_between_readers.json"
        )
    others = sum(one.other_verdict for one in judged)
    if others:
        yield (
            f"{others} of {len(judged)} changes have a verdict in changes.csv that rests on another error or "
            "threshold than the plan's; here the plan's count"
        )


def _judged(
    volume: UnitVolume,
    error: ReadingError,
    lesions: Sequence[Row],
    percents: Mapping[VisitKey, float],
    rule: ChangeRule,
) -> JudgedChange | None:
    first, second = volume.baseline_cm3, volume.followup_cm3
    if not first or not second:
        return None
    slicing = _slicing(lesions, percents)
    worth = judge_change(
        1000 * first,
        1000 * second,
        sampling_error_percent=slicing or (0.0, 0.0),
        reading_error=error,
        change_rule=rule,
        category=None if three_classes(volume.category) is not None else "not_evaluable",
    )
    known = slicing is not None
    if any(change.get("comparable") == "no" for change in lesions):
        return JudgedChange(worth=replace(worth, verdict="not_evaluable"), slicing_known=known)
    told = _told(lesions)
    if error.kind != "between_readers" and any(change.get("baseline_reader") for change in lesions):
        own = lesions[0].get("change_error_percent")
        if told is None or own is None:
            return JudgedChange(worth=_without_verdict(worth), slicing_known=known, reading_unknown=True)
        return JudgedChange(worth=replace(worth, verdict=told, change_error_percent=own))
    if not known:
        return JudgedChange(worth=_without_verdict(worth), slicing_known=False)
    if told is None or worth.verdict == "not_evaluable":
        return JudgedChange(worth=worth)
    if not _by_the_same_errors(worth, lesions[0], rule):
        return JudgedChange(worth=worth, other_verdict=True)
    return JudgedChange(worth=replace(worth, verdict=told))


def _without_verdict(worth: ChangeWorth) -> ChangeWorth:
    """A change whose error is a lower bound: it may lie within its error."""
    return worth if worth.verdict == "not_evaluable" else replace(worth, verdict="")


def _told(lesions: Sequence[Row]) -> Verdict | None:
    """The verdict of ``changes.csv`` of a unit that is one lesion."""
    if len(lesions) != 1:
        return None
    known: tuple[Verdict, ...] = ("increase", "no_change", "decrease", "within_error")
    return next((verdict for verdict in known if lesions[0].get("verdict") == verdict), None)


def _by_the_same_errors(worth: ChangeWorth, change: Row, rule: ChangeRule) -> bool:
    """Whether a change was judged by the errors and threshold of the plan, perhaps with another bound."""
    told, found = change.get("change_error_percent"), worth.change_error_percent
    if told is None or found is None or change.get("threshold_percent") != rule.threshold_percent:
        return False
    return math.isclose(told, found, rel_tol=_SAME_ERROR) and rule.decrease_percent == rule.threshold_percent


def _slicing(lesions: Sequence[Row], percents: Mapping[VisitKey, float]) -> Percents | None:
    """Errors of slicing of both volumes of a unit; None where that of a lesion is not known.

    Of several lesions the errors are independent, and that of the sum is the root of the sum of squares.
    """
    if len(lesions) == 1 and (bound := lesions[0].get("change_error_lower_bound_percent")) is not None:
        return 100 * _log_sd(bound) / SLICING_FACTOR, 0.0  # that of both volumes in one
    found = []
    for place, column in enumerate(_VOLUMES):
        parts = [(change[column], percents.get(read_keys(change)[place])) for change in lesions]
        known = [(volume, percent) for volume, percent in parts if volume is not None and percent is not None]
        # An absent lesion has no slices, and no error of slicing.
        if len(known) < sum(volume != 0 for volume, _ in parts) or not known:
            return None
        found.append(math.hypot(*(v * p for v, p in known)) / sum(v for v, _ in known))
    return found[0], found[1]


def _read_percents(measurements: Sequence[Row]) -> dict[VisitKey, float]:
    """Errors of slicing by visit of a lesion: of several reads by one reader the first counts."""
    held: dict[VisitKey, Row] = {}
    for row in measurements:
        key = visit_key(row, row.get("visit"))
        if key not in held or (row.get("read") or 1) < (held[key].get("read") or 1):
            held[key] = row
    return {
        key: float(row["sampling_error_percent"])
        for key, row in held.items()
        if row.get("sampling_error_percent") is not None
    }


def _log_sd(percent: float) -> float:
    """The standard deviation of the logarithm from that of the change in percent."""
    return math.sqrt(math.log1p((percent / 100) ** 2))
