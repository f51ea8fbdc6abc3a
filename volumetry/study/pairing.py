"""Visits into pairs: from rows of measurements to rows of changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from volumetry.change import ChangeRule, MeasuredVisit, classify_change
from volumetry.tables import Row

Unit = tuple[str, str, str]
"""Side, lesion and reader: what is followed within a patient."""


def visit_ranks(visits: Mapping[str, str], declared: Sequence[str] = ()) -> dict[str, int]:
    """Return the rank of every visit of one patient, 0 the first.

    Parameters
    ----------
    visits : mapping of visit name to ISO date (empty where unknown)
    declared : sequence of str
        The protocol's order; visits it does not name come after.

    Notes
    -----
    By the declared order; else by date where every visit has one; else by name, numbers by their value.
    """
    dated = all(visits.values())

    def order(visit: str) -> tuple[Any, ...]:
        place = declared.index(visit) if visit in declared else len(declared)
        return (place, visits[visit] if dated else "", natural(visit))

    return {visit: rank for rank, visit in enumerate(sorted(visits, key=order))}


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key by which ``month2`` comes before ``month12``."""
    parts: list[tuple[int, int, str]] = []
    for digits, run in groupby(text, key=lambda c: c.isascii() and c.isdigit()):
        word = "".join(run)
        parts.append((0, int(word), "") if digits else (1, 0, word))
    return tuple(parts)


def changes_of(rows: Iterable[Row], rule: ChangeRule) -> Iterator[Row]:
    """Yield the rows of changes of measurements that come patient by patient.

    Every lesion that was traced at any visit has a row for every follow-up visit of its patient; where
    one of the two has no number, the change is not evaluable and says why. Of several reads by one reader
    the first counts.
    """
    for patient, group in groupby(rows, key=lambda row: row["patient"]):
        yield from _changes_of_patient(patient, list(group), rule)


def _changes_of_patient(patient: str, rows: list[Row], rule: ChangeRule) -> Iterator[Row]:
    visits: dict[str, tuple[int, str]] = {}
    units: dict[Unit, dict[str, Row]] = {}
    failures: dict[str, str] = {}
    for row in rows:
        visit = row["visit"] or ""
        order, known_date = visits.get(visit, (row["visit_order"] or 0, ""))
        visits[visit] = (order, known_date or row["study_date"] or "")
        if row["status"] == "not_traced":
            continue
        if row["status"] == "failed" and not row["lesion"] and not row["side"]:
            failures[visit] = row["code"] or ""  # a file that names no lesion may have held any of them
            continue
        unit = (row["side"] or "", row["lesion"] or "", row["reader"] or "")
        held = units.setdefault(unit, {}).get(visit)
        if held is None or (row["read"] or 1) < (held["read"] or 1):
            units[unit][visit] = row
    ordered = sorted(visits, key=lambda visit: (visits[visit][0], visit))
    for unit in sorted(units):
        for visit in ordered[1:]:
            dates = (visits[ordered[0]][1], visits[visit][1])
            pair = (
                _visit(units[unit].get(ordered[0]), failures.get(ordered[0]) or "baseline-not-traced"),
                _visit(units[unit].get(visit), failures.get(visit) or "followup-not-traced"),
            )
            yield _change_row(patient, unit, (ordered[0], visit), pair, dates, rule)


def _change_row(
    patient: str,
    unit: Unit,
    visits: tuple[str, str],
    pair: tuple[MeasuredVisit, MeasuredVisit],
    dates: tuple[str, str],
    rule: ChangeRule,
) -> Row:
    change = classify_change(*pair, rule)
    days = _days(*dates)
    side, lesion, reader = unit
    return {
        "patient": patient,
        "side": side or None,
        "lesion": lesion or None,
        "reader": reader or None,
        "baseline_visit": visits[0],
        "followup_visit": visits[1],
        "days": days,
        "baseline_volume_mm3": change.baseline_volume_mm3,
        "followup_volume_mm3": change.followup_volume_mm3,
        "change_mm3": change.change_mm3,
        "change_percent": change.percent,
        "change_percent_per_year": change.percent_per_year(days),
        "threshold_percent": rule.threshold_percent,
        "threshold_category": change.threshold_category or None,
        "category": change.category,
        "reason": change.reason or None,
        "height_rule": change.height_rule or None,
        "flags": ";".join(change.flags) or None,
    }


def _visit(row: Row | None, otherwise: str) -> MeasuredVisit:
    if row is None:
        return MeasuredVisit(volume_mm3=None, code=otherwise)
    return MeasuredVisit(
        volume_mm3=row["volume_mm3"],
        n_slices=row["n_slices"],
        height_rule=row["height_rule"] or "",
        slice_thickness_mm=row["slice_thickness_mm"],
        slice_spacing_mm=row["slice_spacing_mm"],
        pixel_area_mm2=row["pixel_area_mm2"],
        side=row["side"] or "",
        code=row["code"] or "",
    )


def _days(first: str, second: str) -> int | None:
    if not first or not second:
        return None
    return (date.fromisoformat(second) - date.fromisoformat(first)).days


def changes_of_table(rows: Sequence[Row], rule: ChangeRule) -> Iterator[Row]:
    """Yield the rows of changes of a table of measurements in any order, as somebody else may have made it.

    Visits are ranked by ``visit_order`` where every row of the patient has one, else as `visit_ranks` does.
    A row without ``status`` is measured where it has a volume.
    """
    visits: dict[str, dict[str, str]] = {}
    for row in rows:
        dates = visits.setdefault(row["patient"], {})
        visit = row["visit"] or ""
        dates[visit] = dates.get(visit) or row["study_date"] or ""
    ranks = {patient: visit_ranks(dates) for patient, dates in visits.items()}
    unranked = {row["patient"] for row in rows if row["visit_order"] is None}
    ordered = []
    for row in rows:
        order = (
            ranks[row["patient"]][row["visit"] or ""] if row["patient"] in unranked else row["visit_order"]
        )
        status = row["status"] or ("not_measurable" if row["volume_mm3"] is None else "measured")
        ordered.append(row | {"visit_order": order, "status": status})
    ordered.sort(key=lambda row: (natural(row["patient"]), row["patient"], row["visit_order"]))
    yield from changes_of(ordered, rule)
