"""Measured rows and who they are of: order of visits, reads, and what is ambiguous."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from volumetry.study.cases import Case, are_several_lesions
from volumetry.study.identity import composed_text, day_in_file, natural, visit_without_patient
from volumetry.study.order_messages import (
    conflict_message,
    doubted_order_message,
    inconsistent_dates_message,
    unknown_order_message,
)
from volumetry.study.protocol import Protocol
from volumetry.study.rows.details import differently_described
from volumetry.study.rows.exchanged import exchanged_lesions
from volumetry.study.rows.flags import with_flags
from volumetry.study.rows.forms import claimed_together
from volumetry.study.rows.keyed import Keyed, lesion_of, traces_of
from volumetry.study.rows.reads import (
    Claim,
    SettledRead,
    differently_named_message,
    named_by_chance_message,
    settle_reads,
)
from volumetry.study.rows.sides import settle_sides
from volumetry.study.visit_order import (
    VisitOrder,
    first_days,
    order_of_visits,
    visits_against_names,
    visits_against_ranks,
)
from volumetry.tables import MEASUREMENTS, Row

Measured = tuple[Case, int, Row]
"""A case, and the place and cells of one of its rows."""

_OF_VOLUME = (
    "volume_mm3", "volume_cm3", "height_rule", "volume_thickness_mm3", "volume_spacing_mm3",
    "sampling_error_percent", "sampling_warning", "n_slices", "max_area_mm2", "flags",
)  # fmt: skip


_OF_KEYS = (
    "patient", "side", "lesion", "visit", "reader", "trace", "trace_sha256", "status", "study_date", "flags",
    "image_side", "x_mm", "y_mm", "z_mm", "tracking", "kind", "described_side", "maker",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of measurements: whose it is, how it sorts, and where in the ledger it is.

    Attributes
    ----------
    site, patient, side, lesion, visit, reader, status : str
    visit_order : int or None
    visit_order_by : str
    read : int
    code, message : str
        Why the volume is not believed; the message alone says that the order of visits is unknown.
    case : Case
    place : int
    dates_conflict : bool
        Whether the dates of images contradict the order of the visit and another one.
    has_copies : bool
        Other files hold the same tracing, byte by byte.
    """

    site: str
    patient: str
    side: str
    lesion: str
    visit: str
    visit_order: int | None
    visit_order_by: str
    reader: str
    read: int
    status: str
    code: str
    message: str
    case: Case
    place: int
    dates_conflict: bool = False
    has_copies: bool = False

    @property
    def final_status(self) -> str:
        """The status that the table shows: a volume that is not believed is not shown."""
        return "not_measurable" if self.code else self.status

    @property
    def sort_key(self) -> tuple[Any, ...]:
        """Patient, side, lesion, visit in order, reader, read."""
        unit = (self.site, natural(self.patient), self.patient, self.side, natural(self.lesion), self.lesion)
        place = -1 if self.visit_order is None else self.visit_order
        return (
            *unit,
            place,
            natural(self.visit),
            self.visit,
            self.reader,
            self.read,
            self.case.identity,
            self.place,
        )


_TOLD_BY_CASE = ("patient-unclear", "visit-unclear", "ambiguous-lesion")
"""Codes of cases whose messages say more than that their names are equal."""


def join_identities(measured: Iterable[Measured], protocol: Protocol) -> list[Entry]:
    """Return every row's entry, in the order of the tables.

    Rows whose tracing is replaced by another (a newer version of a trace, a preferred form) are left out.
    """
    light = [(case, place, _keys(case, row, protocol)) for case, place, row in measured]
    orders, visits = _orders(light, protocol)
    conflicts = _conflicts(light, orders, visits)
    traced = [i for i, (*_, keys) in enumerate(light) if _names_a_lesion(keys)]
    opposite = settle_sides(light, traced)
    claims = claimed_together(light, traced, [_claim(light[i][0], light[i][2]) for i in traced])
    settled = dict(zip(traced, settle_reads(claims, protocol.tracings.prefer), strict=True))
    differ = _differently_named(light, traced) | differently_described(light, traced)
    differ |= _named_by_chance(light, traced) | exchanged_lesions(light, traced)
    settled |= {place: read for place, read in differ.items() if settled[place].counts}
    entries = []
    for i, (case, place, keys) in enumerate(light):
        read = settled.get(i)
        if read is not None and not read.counts:
            continue
        patient = (keys["site"], keys["patient"])
        order = orders[patient]
        is_told = case.error is not None and case.error.code in _TOLD_BY_CASE
        message = read.message if read and not is_told else ""
        code = "ambiguous-lesion" if message else _empty_code(keys, protocol)
        if i in opposite and not code:
            code, message = "side-mismatch", "the tracing names another side than its images (Laterality)"
        if code == "no-outline" and not message:
            message = "the mask is empty, which this study takes for not traced ([study] empty_mask)"
        against = conflicts.get((*patient, keys["visit"]), ())
        if not code:
            message = _order_message(case, keys["visit"], against, order, visits[patient], protocol)
        entries.append(
            Entry(
                **{n: keys[n] for n in ("site", "patient", "side", "lesion", "visit", "reader", "status")},
                visit_order=order.ranks.get(keys["visit"]),
                visit_order_by=order.by,
                read=read.read if read else 1,
                code=code,
                message=message,
                case=case,
                place=place,
                dates_conflict=bool(against) and not code,
                has_copies=read is not None and read.has_copies,
            )
        )
    return _in_order(entries)


def _order_message(
    case: Case,
    visit: str,
    against: Sequence[str],
    order: VisitOrder,
    visits: Iterable[str],
    protocol: Protocol,
) -> str:
    """What there is to say of the place of a measured visit among those of its patient; empty: nothing."""
    if not order.is_known and case.order_doubted:
        return doubted_order_message(visits)
    is_given = order.by == "protocol" or (bool(case.scan_date) and case.scan_date != case.study_date)
    if against and is_given:
        return conflict_message((visit, *against))
    if not order.is_known:
        return unknown_order_message(visits, protocol.visits)
    is_told = bool(against) or "visit-dates-conflict" in case.conflicts
    return inconsistent_dates_message() if is_told else ""


def _in_order(entries: Iterable[Entry]) -> list[Entry]:
    """The entries as the tables have them; sorted patient by patient, for keys of all take much memory."""
    groups: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.site, entry.patient].append(entry)
    patients = sorted(groups, key=lambda who: (who[0], natural(who[1]), who[1]))
    return [entry for who in patients for entry in sorted(groups[who], key=lambda entry: entry.sort_key)]


def identified_row(cells: Row, entry: Entry) -> Row:
    """Return a row of measurements: the measured cells, and whose they are."""
    row: Row = dict.fromkeys(MEASUREMENTS.column_names)
    row |= cells
    row["site"] = entry.site or None
    row["side"] = entry.side or None
    row["visit_order"] = entry.visit_order
    row["visit_order_by"] = entry.visit_order_by or None
    row["read"] = entry.read if entry.status != "not_traced" else None
    if entry.code:
        row |= dict.fromkeys(_OF_VOLUME)
        row |= {"status": entry.final_status, "code": entry.code}
    if not entry.code and row["status"] == "measured":
        more: list[str] = ["visit-dates-conflict"] if entry.dates_conflict else []
        more += ["duplicate-file"] if entry.has_copies else []
        more += [flag for flag in entry.case.conflicts if flag not in more]
        row = with_flags(row, *more)
    if entry.message and (entry.code or not row.get("message")):
        row["message"] = entry.message
    return row


def _keys(case: Case, row: Row, protocol: Protocol) -> dict[str, str]:
    return {name: str(row.get(name) or "") for name in _OF_KEYS} | {"site": case.site or protocol.site}


def _claim(case: Case, keys: dict[str, str]) -> Claim:
    return Claim(
        key=tuple(keys[name] for name in ("site", "patient", "side", "lesion", "visit", "reader")),
        trace=keys["trace"],
        read=case.read,
        form=case.form,
        version=case.version,
        parent=case.parent,
        content=keys["trace_sha256"],
    )


def _differently_named(light: Sequence[Keyed], traced: Iterable[int]) -> dict[int, SettledRead]:
    """What becomes of masks that would be one lesion at several visits, but whose names differ."""
    names: dict[tuple[str, ...], dict[int, str]] = defaultdict(dict)
    for place in traced:
        case, _, keys = light[place]
        is_named_by_file = case.form == "mask" and bool(case.lesion or keys["lesion"].isdigit())
        if is_named_by_file and (case.described or not case.lesion):
            names[lesion_of(keys)][place] = case.described
    settled: dict[int, SettledRead] = {}
    for group in names.values():
        if are_several_lesions(group.values()):
            message = differently_named_message(traces_of(light, group))
            settled |= dict.fromkeys(group, SettledRead(message=message))
    return settled


def _named_by_chance(light: Sequence[Keyed], traced: Iterable[int]) -> dict[int, SettledRead]:
    """What becomes of masks whose lesion has the number of their label, where another is called so.

    Somebody wrote ``1`` for one mask; that another mask, of which nobody said the lesion, has the value 1
    does not make them one.
    """
    groups: dict[tuple[str, ...], dict[bool, list[int]]] = defaultdict(dict)
    for place in traced:
        case, _, keys = light[place]
        if case.form == "mask" and keys["lesion"].isdigit():
            is_said = bool(case.lesion) or case.label is not None or bool(case.roi or case.joined)
            groups[lesion_of(keys)].setdefault(is_said, []).append(place)
    settled: dict[int, SettledRead] = {}
    for both in groups.values():
        if len(both) > 1:
            by_label = both[False]
            message = named_by_chance_message(light[by_label[0]][2]["lesion"], traces_of(light, by_label))
            settled |= dict.fromkeys((*both[True], *by_label), SettledRead(message=message))
    return settled


def _names_a_lesion(keys: dict[str, str]) -> bool:
    """Whether a row claims a lesion; a file that failed as a whole claims none."""
    if keys["status"] == "not_traced":
        return False
    return keys["status"] in ("measured", "absent") or bool(keys["lesion"] or keys["side"])


def _empty_code(keys: dict[str, str], protocol: Protocol) -> str:
    empty = keys["status"] == "absent" and "empty-mask" in keys["flags"].split(";")
    return "no-outline" if empty and protocol.empty_mask == "not_measurable" else ""


def _conflicts(
    light: Iterable[Keyed],
    orders: Mapping[tuple[str, str], VisitOrder],
    dates: Mapping[tuple[str, str], Mapping[str, str]],
) -> dict[tuple[str, str, str], list[str]]:
    """Visits whose place contradicts the dates of their images, each with those that it contradicts.

    Dates that the images say are compared with each other, and dates that somebody gave with these, and so
    are those in names of image files; numbers, words and dates in the names of visits with the dates that
    order them.
    """
    days: dict[tuple[str, str, int], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for case, _, keys in light:
        for of, day in enumerate((case.scan_date, case.study_date, day_in_file(case.scan))):
            if day:
                days[keys["site"], keys["patient"], of][keys["visit"]].add(day)
    found: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    given: dict[tuple[str, str], dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for case, _, keys in light:
        if case.visit_order is not None:
            given[keys["site"], keys["patient"]][keys["visit"]].add(case.visit_order)
    for who, places in given.items():  # of a manifest, where the protocol has another order
        for visit, others in visits_against_ranks(orders[who].ranks, places).items():
            found[(*who, visit)] += others
    for (site, patient, _), visits in days.items():
        for visit, others in visits_against_ranks(orders[site, patient].ranks, visits).items():
            found[site, patient, visit] += others
    for who, order in orders.items():
        if order.by == "dates":
            for visit, others in visits_against_names(dates[who]).items():
                found[(*who, visit)] += others
    return found


def _order(
    patient: str, dates: Mapping[str, str], declared: Sequence[str], given: Mapping[str, int]
) -> VisitOrder:
    """The order of a patient's visits; the numbers may stand behind the patient's own name: ``P1_v2``."""
    order = order_of_visits(dates, declared, given)
    plain = {visit: visit_without_patient(visit, patient) for visit in dates}
    if order.is_known or len(set(plain.values())) < len(plain):
        return order
    again = order_of_visits({plain[visit]: day for visit, day in dates.items()})
    if again.by != "numbers":
        return order
    return VisitOrder(ranks={visit: again.ranks[plain[visit]] for visit in dates}, by=again.by)


def _orders(
    light: Iterable[Keyed], protocol: Protocol
) -> tuple[dict[tuple[str, str], VisitOrder], dict[tuple[str, str], dict[str, str]]]:
    """The order of visits of every site and patient, and the dates of their visits."""
    days: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(dict)
    given: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for case, _, keys in light:
        patient, visit = (keys["site"], keys["patient"]), keys["visit"]
        if not visit and not _names_a_lesion(keys):
            days.setdefault(patient, {})
            continue  # a file outside the folders of visits that says nothing of a lesion
        days[patient].setdefault(visit, set()).update(filter(None, (keys["study_date"],)))
        if case.visit_order is not None:
            given[patient].setdefault(visit, case.visit_order)
    dates = {patient: first_days(visits) for patient, visits in days.items()}
    declared = tuple(map(composed_text, protocol.visits))
    orders = {p: _order(p[1], visits, declared, given[p]) for p, visits in dates.items()}
    doubted = {(keys["site"], keys["patient"]) for case, _, keys in light if case.order_doubted}
    for patient in doubted:
        if orders[patient].by == "dates":
            orders[patient] = VisitOrder(ranks={}, by="unknown")
    return orders, dates
