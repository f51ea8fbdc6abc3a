"""What a table of measurements leaves open, in the sentences that a batch says of a study."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from volumetry.study.order_messages import unordered_message
from volumetry.study.rows.alike import (
    VISITS_IN_NAMES,
    alike_message,
    are_renamed,
    names_alike,
    names_that_begin_alike,
    renamed_message,
)
from volumetry.study.rows.pairing import UNKNOWN_ORDER
from volumetry.tables import Row

_ORDER_OF_TABLE = "Give it in a column visit_order of the table, or dates in study_date."
_ORDER_OF_MAPPING = "Give it as visit_order in the mapping, or dates as study_date in [columns] or [dates]."


def doubts_of_table(rows: Sequence[Row], changes: Sequence[Row], *, is_mapped: bool) -> Iterator[str]:
    """Yield what is to be said of names that may be one, and of visits without an order.

    Parameters
    ----------
    rows : sequence of dict
        Measurements.
    changes : sequence of dict
        What they gave.
    is_mapped : bool
        Whether a mapping says how the table is read, and so may say more.
    """
    patients = sorted({row["patient"] for row in rows})
    lesions: dict[tuple[str | None, str], set[str]] = defaultdict(set)
    units: dict[tuple[str | None, str], dict[str, set[tuple[str, str, str]]]] = defaultdict(dict)
    for row in rows:
        who = row["site"], row["patient"]
        lesions[who].add(row["lesion"] or "")
        own = units[who].setdefault(row["visit"] or "", set())
        if row["volume_mm3"] is not None:
            own.add((row["side"] or "", row["lesion"] or "", row["reader"] or ""))
    for what, groups in (
        ("patients", names_alike(patients)),
        ("lesions", [group for names in lesions.values() for group in names_alike(names)]),
        ("visits", [group for visits in units.values() for group in names_alike(visits)]),
    ):
        if groups:
            yield alike_message(what, groups)
    if groups := names_that_begin_alike(patients):
        yield alike_message("patients", groups, todo=VISITS_IN_NAMES.format("columns of their own"))
    if unordered := [*dict.fromkeys(c["patient"] for c in changes if c["reason"] == UNKNOWN_ORDER)]:
        yield unordered_message(unordered, _ORDER_OF_MAPPING if is_mapped else _ORDER_OF_TABLE)
    renamed = [
        (patient, {visit: " ".join(filter(None, *own)) for visit, own in visits.items()})
        for (_, patient), visits in units.items()
        if are_renamed(visits.values())
    ]
    if renamed:
        yield renamed_message(renamed, where="the table")
