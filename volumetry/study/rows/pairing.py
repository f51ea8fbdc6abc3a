"""Visits into pairs: from rows of measurements to rows of changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby

from volumetry.change import ChangeRule, MeasuredVisit, VolumeChange, classify_change
from volumetry.study.identity import natural
from volumetry.study.rows.flags import flags_of, with_flags
from volumetry.study.rows.shared_files import SharedFiles
from volumetry.study.rows.worth import WorthRule, worth_cells
from volumetry.study.visit_order import (
    order_of_visits,
)
from volumetry.tables import CHANGES, Row

Unit = tuple[str, str, str]
"""Side, lesion and reader: what is followed within a patient."""

Patient = tuple[str | None, str]
"""Site and patient."""

UNKNOWN_ORDER = "visit-order-unknown"
_OTHER_SIDE_MM, _OTHER_JOINT_MM = 50.0, 100.0
"""Tracings so far apart, on both sides of the middle, may be of two lesions; they are, like hips, of two."""
_CONFLICTS = ("visit-dates-conflict", "patient-conflict", "template-space")
"""Flags of a change whose two visits both have them."""


def visit_ranks(visits: Mapping[str, str], declared: Sequence[str] = ()) -> dict[str, int]:
    """Return a rank for every visit of one patient, for lists on the screen: by name where nothing is known.

    Classes rest on `volumetry.study.visit_order.order_of_visits`, which does not guess.
    """
    order = order_of_visits(visits, declared)
    if order.is_known:
        return dict(order.ranks)
    return {visit: rank for rank, visit in enumerate(sorted(visits, key=natural))}


def changes_of(
    rows: Iterable[Row], rule: ChangeRule, worth: WorthRule | None = None, shared: SharedFiles | None = None
) -> Iterator[Row]:
    """Yield the rows of changes of measurements that come patient by patient.

    Every lesion that was traced at any visit has a row for every follow-up visit of its patient; where
    one of the two has no number, the change is not evaluable and says why. Of several reads by one reader
    the first counts. A lesion is followed within a reader; where the two visits have one reader each and
    these differ, they are one row, too. Where the order of a patient's visits is unknown, its changes are not
    evaluable. Changes whose files are `shared` by several patients have the flag ``duplicate-file``.
    """
    shared, worth = shared or SharedFiles(), worth or WorthRule()
    for patient, group in groupby(rows, key=lambda row: (row.get("site"), row["patient"])):
        yield from _changes_of_patient(patient, list(group), rule, worth, shared)


def _changes_of_patient(
    patient: Patient, rows: list[Row], rule: ChangeRule, worth: WorthRule, shared: SharedFiles
) -> Iterator[Row]:
    unknown = any(row["visit_order"] is None and (row["visit"] or row["lesion"]) for row in rows)
    if not unknown:
        rows = [row for row in rows if row["visit_order"] is not None]
    visits, units, failures = _gathered(rows)
    if unknown:
        if len(visits) > 1:
            for unit in sorted(units):
                flags = {flag for row in units[unit].values() for flag in _CONFLICTS if flag in flags_of(row)}
                yield _unordered_row(patient, unit, rule) | {"flags": ";".join(sorted(flags)) or None}
        return
    ordered = sorted(visits, key=lambda visit: (visits[visit][0], visit))
    for unit, baseline, followup, visit in _pairs(units, ordered):
        both = baseline.get(ordered[0]), followup.get(visit)
        dates = (_day(baseline, ordered[0], visits), _day(followup, visit, visits))
        pair = (
            _visit(both[0], _failure_of(unit, ordered[0], failures) or "baseline-not-traced"),
            _visit(both[1], _failure_of(unit, visit, failures) or "followup-not-traced"),
        )
        apart_mm = _mm_across(*both)
        if _is_one_tracing(*both) or apart_mm > _OTHER_JOINT_MM:
            pair = (pair[0], MeasuredVisit(volume_mm3=None, code="ambiguous-lesion"))
        row, change = _change_row(patient, unit, (ordered[0], visit), pair, dates, rule)
        is_shared = change.percent is not None and any(map(shared.has, both))
        if is_shared or _are_copies(*both):
            row = with_flags(row, "duplicate-file")
        if apart_mm > _OTHER_SIDE_MM:
            row = with_flags(row, "side-changed")
        if baseline is not followup:
            row |= _both_readers(*both)
        yield _with_worth(row, worth_cells(*both, change, rule, worth))


def _gathered(
    rows: Iterable[Row],
) -> tuple[dict[str, tuple[int, str]], dict[Unit, dict[str, Row]], dict[tuple[str, Unit], str]]:
    """Return the visits of a patient, the first read of every lesion by every reader, and what failed.

    Returns
    -------
    visits : dict of visit to (place in the order, study date)
    units : dict of (side, lesion, reader) to dict of visit to row
    failures : dict of visit and unit to code
        Of tracings without a volume whose lesion or side nobody knows, and which so may be of any of them:
        those that name neither, and those that fit a lesion which has no tracing at the visit.
    """
    visits: dict[str, tuple[int, str]] = {}
    units: dict[Unit, dict[str, Row]] = {}
    failures: dict[tuple[str, Unit], str] = {}
    partly_named: list[tuple[Unit, str, Row]] = []
    for row in rows:
        visit = row["visit"] or ""
        order, known_date = visits.get(visit, (row["visit_order"] or 0, ""))
        visits[visit] = (order, known_date or row["study_date"] or "")
        if row["status"] == "not_traced":
            continue
        if row["code"] and not row["lesion"] and not row["side"]:
            failures[visit, ("", "", "")] = row["code"]
            continue
        unit = (row["side"] or "", row["lesion"] or "", row["reader"] or "")
        if row["code"] and "" in unit[:2]:
            partly_named.append((unit, visit, row))
            continue
        held = units.setdefault(unit, {}).get(visit)
        if held is None or (row["read"] or 1) < (held["read"] or 1):
            units[unit][visit] = row
    fitting = {
        (unit, visit)
        for unit, visit, _ in partly_named
        if any(_may_be(unit, other) and visit not in held for other, held in units.items())
    }
    for unit, visit, row in partly_named:
        if (unit, visit) in fitting:
            failures[visit, unit] = row["code"] or ""
        else:
            units.setdefault(unit, {}).setdefault(visit, row)
    return visits, units, failures


def _may_be(partly: Unit, unit: Unit) -> bool:
    """Whether a tracing of which side or lesion is unknown may be of a lesion."""
    return all(name in ("", other) for name, other in zip(partly, unit, strict=True)) and partly != unit


def _failure_of(unit: Unit, visit: str, failures: Mapping[tuple[str, Unit], str]) -> str:
    """The code of a tracing of a visit that may be of a lesion; empty where there is none."""
    codes = (code for (at, partly), code in failures.items() if at == visit and _may_be(partly, unit))
    return next(codes, "")


def _pairs(
    units: Mapping[Unit, Mapping[str, Row]], visits: Sequence[str]
) -> Iterator[tuple[Unit, Mapping[str, Row], Mapping[str, Row], str]]:
    """Yield unit, reads of the baseline, reads of the follow-up, and its visit, for every row of changes.

    Both are the reads of one reader, but where each of the two visits has one reader and these differ. Whose
    reads take part in such a pair has no row for visits of which another reader read all that were read.
    """
    for unit in sorted(units):
        followed = [(_only_reader(units, unit, visits[0]), _only_reader(units, unit, v)) for v in visits[1:]]
        mixed = [bool(first and second and first != second) for first, second in followed]
        joined = any(mix and unit[2] == second for mix, (_, second) in zip(mixed, followed, strict=True))
        for visit, mix, (first, second) in zip(visits[1:], mixed, followed, strict=True):
            if mix and unit[2] == first:
                yield unit, units[unit], units[*unit[:2], second], visit
            elif mix and unit[2] == second:
                continue
            elif not joined or visits[0] in units[unit] or visit in units[unit]:
                yield unit, units[unit], units[unit], visit


def _only_reader(units: Mapping[Unit, Mapping[str, Row]], unit: Unit, visit: str) -> str:
    """The one reader who read a lesion at a visit; empty where nobody, several, or somebody unnamed did."""
    readers = [other[2] for other, rows in units.items() if other[:2] == unit[:2] and visit in rows]
    return readers[0] if len(readers) == 1 else ""


def _both_readers(baseline: Row | None, followup: Row | None) -> Row:
    """The cells that say who read which visit, where two readers did."""
    first, second = (None if row is None else row["reader"] for row in (baseline, followup))
    return {"reader": f"{first};{second}", "baseline_reader": first, "followup_reader": second}


def _is_one_tracing(first: Row | None, second: Row | None) -> bool:
    """Whether a table names one file as the tracing of two visits."""
    return first is not None and second is not None and first["trace"] == second["trace"] is not None


def _mm_across(first: Row | None, second: Row | None) -> float:
    """How far apart tracings without a side lie across the middle of the scanner; 0 on one side of it."""
    if first is None or second is None or first["side"] or second["side"]:
        return 0.0
    here, there = float(first.get("x_mm") or 0), float(second.get("x_mm") or 0)
    return abs(here - there) if here * there < 0 else 0.0


def _are_copies(first: Row | None, second: Row | None) -> bool:
    """Whether the tracings of two visits, or their scans, are one file by its bytes: it may be a copy.

    Empty masks of one grid are equal without being copies.
    """
    if first is None or second is None or not (first["volume_mm3"] or second["volume_mm3"]):
        return False
    return any(first.get(name) == second.get(name) is not None for name in ("trace_sha256", "scan_sha256"))


def _day(rows: Mapping[str, Row], visit: str, visits: Mapping[str, tuple[int, str]]) -> str:
    """The date of a lesion's scan at a visit, which may be a day after another of the visit."""
    own = rows[visit]["study_date"] if visit in rows else None
    return own or visits[visit][1]


def _with_worth(row: Row, cells: Row) -> Row:
    """Join what a class is worth to its row; its flags come after those of the change."""
    flags = with_flags(row, *cells.pop("worth_flags"))["flags"]
    return row | cells | {"flags": flags or None}


def _unordered_row(patient: Patient, unit: Unit, rule: ChangeRule) -> Row:
    side, lesion, reader = unit
    return dict.fromkeys(CHANGES.column_names) | {
        "site": patient[0],
        "patient": patient[1],
        "side": side or None,
        "lesion": lesion or None,
        "reader": reader or None,
        "threshold_percent": rule.threshold_percent,
        "category": "not_evaluable",
        "reason": UNKNOWN_ORDER,
    }


def _change_row(
    patient: Patient,
    unit: Unit,
    visits: tuple[str, str],
    pair: tuple[MeasuredVisit, MeasuredVisit],
    dates: tuple[str, str],
    rule: ChangeRule,
) -> tuple[Row, VolumeChange]:
    change = classify_change(*pair, rule)
    empty: tuple[str, ...] = ("empty-mask",) if any("empty-mask" in visit.flags for visit in pair) else ()
    empty += tuple(flag for flag in _CONFLICTS if all(flag in visit.flags for visit in pair))
    days = _days(*dates)
    side, lesion, reader = unit
    row = {
        "site": patient[0],
        "patient": patient[1],
        "side": side or None,
        "lesion": lesion or None,
        "reader": reader or None,
        "baseline_reader": None,
        "followup_reader": None,
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
        "flags": ";".join((*change.flags, *empty)) or None,
    }
    return row, change


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
        flags=flags_of(row),
    )


def _days(first: str, second: str) -> int | None:
    if not first or not second:
        return None
    days = (date.fromisoformat(second) - date.fromisoformat(first)).days
    return days if days > 0 else None  # dates that contradict the order of the visits say nothing
