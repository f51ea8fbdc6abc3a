"""Changes of a table of measurements in any order, as somebody else may have made it; what it may not be."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from volumetry.change import ChangeRule
from volumetry.errors import UsageError
from volumetry.study.identity import date_of_name, natural
from volumetry.study.rows.flags import flags_of, with_flags
from volumetry.study.rows.pairing import Patient, changes_of
from volumetry.study.rows.shared_files import SharedFiles
from volumetry.study.rows.worth import WorthRule
from volumetry.study.visit_order import (
    VisitOrder,
    first_days,
    order_of_visits,
    visits_against_names,
    visits_against_ranks,
)
from volumetry.tables import Row


def changes_of_table(rows: Sequence[Row], rule: ChangeRule, worth: WorthRule | None = None) -> Iterator[Row]:
    """Yield the rows of changes of a table of measurements in any order, as somebody else may have made it.

    Visits are ranked by ``visit_order`` where the visits of the patient have it, else as `order_of_visits`
    does, but for dates that a batch has doubted (``visit-dates-conflict``). Places that contradict the dates
    count, and their changes have that flag. A row without ``status`` is measured where it has a volume.

    Raises
    ------
    UsageError
        ``invalid-table`` where a volume is negative, two rows are of one lesion, visit and read (but for
        those with a code), or some
        visits of a patient have a place in ``visit_order`` and others none.
    """
    check_rows(rows)
    days: dict[Patient, dict[str, set[str]]] = {}
    rows = [
        row | {"study_date": row["study_date"] or date_of_name(row["visit"] or "") or None} for row in rows
    ]
    for row in rows:
        known = days.setdefault((row["site"], row["patient"]), {}).setdefault(row["visit"] or "", set())
        known.update(filter(None, (row["study_date"],)))
    visits = {patient: first_days(own) for patient, own in days.items()}
    unranked = {(row["site"], row["patient"]) for row in rows if row["visit_order"] is None}
    _check_places(rows)
    orders = {patient: order_of_visits(visits[patient]) for patient in unranked}
    for row in rows:
        patient = (row["site"], row["patient"])
        if row["visit_order"] is None and "visit-dates-conflict" in flags_of(row):
            orders[patient] = VisitOrder(ranks={}, by="unknown")  # a batch has doubted these dates
    ordered = []
    ranks: dict[Patient, dict[str, int]] = {}
    for row in rows:
        patient = (row["site"], row["patient"])
        rank = row["visit_order"]
        if patient in unranked:
            rank = orders[patient].ranks.get(row["visit"] or "")
        if rank is not None:
            ranks.setdefault(patient, {}).setdefault(row["visit"] or "", rank)
        status = row["status"] or ("not_measurable" if row["volume_mm3"] is None else "measured")
        ordered.append(row | {"visit_order": rank, "status": status})
    against = {
        (patient, visit)
        for patient, places in ranks.items()
        for visit in (
            *visits_against_ranks(places, days[patient]),
            *(visits_against_names(visits[patient]) if _is_dated(orders.get(patient)) else ()),
        )
    }
    ordered = [_in_conflict(row, against) for row in ordered]
    ordered.sort(key=lambda row: (row["site"] or "", natural(row["patient"]), row["patient"]))
    shared = SharedFiles()
    for row in ordered:
        shared.add(row)
    yield from changes_of(ordered, rule, worth, shared)


def _is_dated(order: VisitOrder | None) -> bool:
    return order is not None and order.by == "dates"


def _in_conflict(row: Row, against: Collection[tuple[Patient, str]]) -> Row:
    """A row with the flag of visits whose places contradict their dates."""
    is_against = ((row["site"], row["patient"]), row["visit"] or "") in against
    return with_flags(row, "visit-dates-conflict") if is_against else row


def _check_places(rows: Sequence[Row]) -> None:
    """Refuse a visit without a place where another visit of its patient has one."""
    with_place: dict[Patient, int] = {}
    for line, row in enumerate(rows, start=2):
        if row["visit_order"] is not None:
            with_place.setdefault((row["site"], row["patient"]), line)
    for line, row in enumerate(rows, start=2):
        first = with_place.get((row["site"], row["patient"]))
        if first is not None and row["visit_order"] is None and row["visit"]:
            raise UsageError(
                "invalid-table",
                "visit_order is given for some visits of a patient and not for others",
                values={"line with": first, "line without": line, "visit": row["visit"]},
                todo="Write the place of every visit, or of none.",
            )


def check_rows(rows: Sequence[Row]) -> None:
    """Refuse measurements of which a volume is negative, or two are of one lesion, visit and read."""
    names = ("site", "patient", "side", "lesion", "visit", "reader", "read")
    seen: dict[tuple[Any, ...], int] = {}
    without: dict[tuple[Any, ...], int] = {}
    for number, row in enumerate(rows, start=2):
        line = row.get("line", number)
        volume = row["volume_mm3"]
        key = tuple(row[name] for name in names)
        if volume is None:
            if not row["code"] and row["status"] in (None, "not_measurable"):
                without.setdefault(key, line)
            continue
        if volume < 0:
            raise UsageError(
                "invalid-table",
                "a volume is negative",
                values={"line": line, "volume_mm3": volume},
                todo="Correct the table; a volume is 0 mm3 or more.",
            )
        if key in seen:
            raise UsageError(
                "invalid-table",
                "two rows have a volume for one patient, side, lesion, visit, reader and read",
                values={"lines": f"{seen[key]} and {line}"},
                todo="Number the reads in a column read, or name the lesions apart.",
            )
        seen[key] = line
    for key in seen.keys() & without.keys():
        raise UsageError(
            "invalid-table",
            "two rows are of one patient, side, lesion, visit, reader and read, and one has no volume",
            values={"lines": f"{seen[key]} and {without[key]}"},
            todo="Delete the one that does not count, or number the reads in a column read.",
        )
