"""Lesion volumes as one pair per unit: lesions of a hip summed, or each by itself, and their class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from volumetry.change import ChangeRule, MeasuredVisit, classify_change, threshold_category
from volumetry.comparability import REFUSED_BY_DEFAULT, RESERVATIONS
from volumetry.outcomes.plan import Unit, Volumes
from volumetry.tables import Row

Key = tuple[str, str, str]
"""Patient, side and lesion; what the unit does not tell apart is empty."""

VisitKey = tuple[str, ...]
"""Site, patient, side, lesion, reader and visit: the reads among which the first counts."""

HeightRule = Literal["as measured", "thickness", "spacing"]

ANY_READER = "any"

_OF_HEIGHT = ("height-rule-differs", "gap-changed")
"""Differences that matter under one height rule alone."""

CLASSES = ("decrease", "no_change", "increase")

_AS = {"new": "increase", "resolved": "decrease", "absent": "no_change"}
"""What the classes without a percentage count as where three classes are compared."""


@dataclass(frozen=True, kw_only=True)
class UnitVolume:
    """Volumes of one unit before and after.

    Attributes
    ----------
    baseline_cm3, followup_cm3 : float or None
        None where one of its lesions has no number.
    category : str
        Class of change, or ``not_evaluable``.
    reason : str
        Why it is not evaluable.
    days : float or None
    n_lesions : int
    """

    baseline_cm3: float | None
    followup_cm3: float | None
    category: str
    reason: str
    days: float | None
    n_lesions: int

    @property
    def percent(self) -> float | None:
        """Change in percent of the baseline; None where that is 0 or a volume is missing."""
        if self.followup_cm3 is None or not self.baseline_cm3:
            return None
        return 100 * (self.followup_cm3 - self.baseline_cm3) / self.baseline_cm3


def three_classes(category: str) -> str | None:
    """Return a class as one of `CLASSES`; None where it is not evaluable."""
    return None if category == "not_evaluable" else _AS.get(category, category)


def change_rule(volumes: Volumes, threshold_percent: float | None = None) -> ChangeRule:
    """Return the rule of the plan, or the same with another threshold both ways."""
    if threshold_percent is not None:
        return ChangeRule(threshold_percent=threshold_percent, decrease_threshold_percent=None)
    return ChangeRule(
        threshold_percent=volumes.threshold_percent,
        decrease_threshold_percent=volumes.decrease_threshold_percent,
    )


def unit_key(row: Mapping[str, Any], unit: Unit) -> Key:
    """Return the key of the unit that a row of changes or measurements belongs to."""
    side = "" if unit == "patient" else row.get("side") or ""
    return row.get("patient") or "", side, (row.get("lesion") or "") if unit == "lesion" else ""


def is_of_reader(row: Row, reader: str) -> bool:
    """Say whether a row is by a reader, or may be by anybody."""
    return reader == ANY_READER or (row["reader"] or "") == reader


def chosen_visits(changes: Iterable[Row], volumes: Volumes) -> dict[str, str]:
    """Return the follow-up visit of each patient that the plan asks for.

    The last is that with the most days since baseline; where days are unknown, the one listed last.
    """
    visits: dict[str, dict[str, tuple[float, int]]] = {}
    for place, row in enumerate(changes):
        days = float(row["days"]) if row.get("days") is not None else -1.0
        visits.setdefault(row["patient"], {}).setdefault(row["followup_visit"] or "", (days, place))
    if volumes.followup not in ("first", "last"):
        return {patient: volumes.followup for patient, known in visits.items() if volumes.followup in known}
    pick = min if volumes.followup == "first" else max
    return {patient: pick(known, key=lambda visit: known[visit]) for patient, known in visits.items()}


def volumes_of_changes(
    rows: Iterable[Row], volumes: Volumes, rule: ChangeRule, *, guarded: bool = True
) -> dict[Key, UnitVolume]:
    """Return the volumes of each unit from its rows of changes (of one reader and visit).

    A unit of several lesions is the sum of their volumes and is classed as one; if one of them is not
    evaluable the unit is not, for the same reason: a sum without it would be another lesion's change.
    """
    units: dict[Key, list[Row]] = {}
    for row in rows:
        units.setdefault(unit_key(row, volumes.unit), []).append(row)
    return {key: _unit_volume(lesions, rule, guarded) for key, lesions in units.items()}


def _unit_volume(lesions: Sequence[Row], rule: ChangeRule, guarded: bool) -> UnitVolume:
    sums = []
    for name in ("baseline_volume_mm3", "followup_volume_mm3"):
        values = [row[name] for row in lesions]
        sums.append(None if None in values else sum(values) / 1000)
    before, after = sums
    reasons = sorted({row["reason"] or "no reason given" for row in lesions if _is_guarded(row)})
    category: str
    days = next((float(row["days"]) for row in lesions if row.get("days") is not None), None)
    if before is None or after is None or (guarded and reasons):
        category, reason = "not_evaluable", reasons[0] if reasons else "followup-not-measured"
    else:
        category, reason = threshold_category(before, after, rule), ""
    return UnitVolume(
        baseline_cm3=before,
        followup_cm3=after,
        category=category,
        reason=reason,
        days=days,
        n_lesions=len(lesions),
    )


def _is_guarded(row: Row) -> bool:
    return bool(row["category"] == "not_evaluable")


def volumes_of_columns(
    baseline: Sequence[float | None], followup: Sequence[float | None], rule: ChangeRule
) -> list[UnitVolume]:
    """Return volumes that stand in the clinical table itself, in cm3."""
    found = []
    category: str
    for before, after in zip(baseline, followup, strict=True):
        reason = (
            "baseline-not-measured" if before is None else "followup-not-measured" if after is None else ""
        )
        known = before is not None and after is not None
        category = threshold_category(before, after, rule) if known else "not_evaluable"  # type: ignore[arg-type]
        found.append(
            UnitVolume(
                baseline_cm3=before, followup_cm3=after, category=category, reason=reason, days=None,
                n_lesions=1,
            )
        )  # fmt: skip
    return found


def changes_by_height(
    changes: Iterable[Row], measurements: Sequence[Row], height: HeightRule, rule: ChangeRule
) -> list[Row]:
    """Return rows of changes made anew from the measurements under one height rule, with its guards."""
    held: dict[VisitKey, Row] = {}
    for row in measurements:
        key = visit_key(row, row["visit"])
        if key not in held or (row["read"] or 1) < (held[key]["read"] or 1):
            held[key] = row
    made = []
    for change in changes:
        before, after = (_visit(held.get(key), height) for key in read_keys(change))
        found = classify_change(before, after, rule)
        category, reason = found.category, found.reason
        if refused := _refused_whatever_the_height(change):
            category, reason = "not_evaluable", refused
        elif category == "not_evaluable":
            reason = reason or change["reason"]
        made.append(
            {
                **change,
                "baseline_volume_mm3": found.baseline_volume_mm3,
                "followup_volume_mm3": found.followup_volume_mm3,
                "category": category,
                "reason": reason,
            }
        )
    return made


def _refused_whatever_the_height(change: Row) -> str:
    """Return for what a comparison is refused that another height rule does not mend; empty: for nothing."""
    if change.get("comparable") != "no":
        return ""
    told = {change["reason"], *(change.get("reservations") or "").split(";")}
    decisive = [code for code in RESERVATIONS if code in told and code not in _OF_HEIGHT]
    return next((c for c in decisive if c == change["reason"] or c in REFUSED_BY_DEFAULT), "")


def visit_key(row: Row, visit: str | None) -> VisitKey:
    """Return the key of the reads of a lesion by one reader at a visit."""
    return (*(row.get(name) or "" for name in ("site", "patient", "side", "lesion", "reader")), visit or "")


def read_keys(change: Row) -> tuple[VisitKey, VisitKey]:
    """Return the keys of both reads that a change compares, which may be those of two readers."""
    readers = [change.get(name) or change["reader"] for name in ("baseline_reader", "followup_reader")]
    return (
        visit_key(change | {"reader": readers[0]}, change["baseline_visit"]),
        visit_key(change | {"reader": readers[1]}, change["followup_visit"]),
    )


def _visit(row: Row | None, height: HeightRule) -> MeasuredVisit:
    if row is None:
        return MeasuredVisit(volume_mm3=None)
    column = "volume_mm3" if height == "as measured" else f"volume_{height}_mm3"
    volume = 0.0 if row["status"] == "absent" else row[column]
    return MeasuredVisit(
        volume_mm3=volume,
        n_slices=row["n_slices"],
        height_rule=row["height_rule"] or "" if height == "as measured" else height,
        slice_thickness_mm=row["slice_thickness_mm"],
        slice_spacing_mm=row["slice_spacing_mm"],
        pixel_area_mm2=row["pixel_area_mm2"],
        code=row["code"] or "",
    )
