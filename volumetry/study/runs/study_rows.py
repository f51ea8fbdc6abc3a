"""The rows of the tables, patient by patient: never those of all patients at once."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from volumetry.study.case_table import column_of
from volumetry.study.cases import Case
from volumetry.study.identity import composed_text, natural
from volumetry.study.protocol import Protocol
from volumetry.study.rows.alike import are_renamed, names_alike
from volumetry.study.rows.entries import Entry, identified_row, join_identities
from volumetry.study.rows.flags import with_flags
from volumetry.study.rows.joining import joined_rows, shown_patient
from volumetry.study.rows.shared_files import SharedFiles
from volumetry.study.runs.ledger import Ledger
from volumetry.study.runs.measuring import Settings, case_id
from volumetry.tables import SLICES, Row

_HELD = 64
"""So many records of a patient are held; of a patient with more cases, the others are read again."""
_TOLD = 3


@dataclass(kw_only=True)
class StudyRows:
    """What the ledger holds of the cases of a study, as rows of the tables.

    Parameters
    ----------
    cases : sequence of Case
        All of them are in the ledger.
    settings : Settings
    ledger : Ledger
    protocol : Protocol

    Attributes
    ----------
    counts : Counter of str
        Number of rows by status, once `measurements` has been gone through.
    n_hidden : int
        Rows in whose lesion or visit a case id stands for a name, under pseudonyms.
    hidden : dict of str
        Names of lesions, visits and readers by the case ids that stand for them.
    lesions_alike : list of tuple of str
        Lesions of one patient whose names are nearly equal.
    visits_alike : list of tuple of str
        Visits of one patient whose names are nearly equal.
    untraced_firsts : list of (str, str)
        Patients and their first visits, where nobody traced anything there, but at later visits.
    unordered : list of str
        Patients whose order of visits is not known.
    renamed : list of (str, dict)
        Patients of whom several visits are traced, one lesion at each, and every one has a name of its own;
        with these names by visits.
    shared : SharedFiles
        Files that several patients have, once `measurements` has been gone through; the rows of the next time
        have the flag.
    """

    cases: Sequence[Case]
    settings: Settings
    ledger: Ledger
    protocol: Protocol
    counts: Counter[str] = field(default_factory=Counter, init=False)
    n_hidden: int = field(default=0, init=False)
    hidden: dict[str, str] = field(default_factory=dict, init=False)
    lesions_alike: list[tuple[str, ...]] = field(default_factory=list, init=False)
    visits_alike: list[tuple[str, ...]] = field(default_factory=list, init=False)
    untraced_firsts: list[tuple[str, str]] = field(default_factory=list, init=False)
    unordered: list[str] = field(default_factory=list, init=False)
    renamed: list[tuple[str, dict[str, str]]] = field(default_factory=list, init=False)
    shared: SharedFiles = field(default_factory=SharedFiles, init=False)
    _held: dict[str, dict[str, Any]] = field(default_factory=dict, init=False, repr=False)
    _joined: dict[tuple[str, ...], list[Row]] = field(default_factory=dict, init=False, repr=False)

    def entries(self) -> Iterator[Entry]:
        """Yield every row's entry, in the order of the tables."""
        for places in self._patients():
            self._held.clear()
            self._joined.clear()
            cases = map(self.cases.__getitem__, places)
            yield from join_identities(self._measured(cases), self._protocol_of(places[0]))

    def _measured(self, cases: Iterable[Case]) -> Iterator[tuple[Case, int, Row]]:
        for case in cases:
            rows = list(joined_rows(case, self.record(case), self.settings.pseudonymiser))
            if len(self._joined) < _HELD:
                self._joined[case.identity] = rows
            for place, row in enumerate(rows):
                yield case, place, row

    def _protocol_of(self, place: int) -> Protocol:
        """The protocol with the names of visits that the rows of a patient have."""
        hidden = self.settings.pseudonymiser
        if hidden is None:
            return self.protocol
        patient = self.cases[place].patient
        return replace(self.protocol, visits=tuple(hidden.visit_of(v, patient) for v in self.protocol.visits))

    def record(self, case: Case) -> dict[str, Any]:
        """Return what the ledger holds of a case."""
        name = case_id(case, self.settings)
        record = self._held.get(name)
        if record is None:
            record = self.ledger[name]
            if len(self._held) < _HELD:
                self._held[name] = record
        return record

    def measurements(self) -> Iterator[Row]:
        """Yield the rows of measurements, and count them by status in `counts`."""
        return (row for row, _ in self.measurements_with_slices())

    def measurements_with_slices(self) -> Iterator[tuple[Row, Iterator[Row]]]:
        """Yield what `measurements` does, each with its rows of slices, to be taken before the next."""
        self.counts.clear()
        self.n_hidden = 0
        self.lesions_alike.clear()
        self.visits_alike.clear()
        self.untraced_firsts.clear()
        self.renamed.clear()
        self.unordered.clear()
        found = SharedFiles()
        for _, entries in groupby(self.entries(), key=lambda entry: (entry.site, entry.patient)):
            lesions, traced_at, first = set[str](), set[int | None](), None
            units: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
            for entry in entries:
                if entry.status != "not_traced":
                    traced_at.add(entry.visit_order)
                elif entry.visit_order == 0:
                    first = entry
                if entry.final_status in ("measured", "absent"):
                    units[entry.visit].add((entry.side, entry.lesion, entry.reader))
                self.counts[entry.final_status] += 1
                self.n_hidden += self._note_hidden(entry)
                lesions.add(entry.lesion)
                row = self.row(entry)
                found.add(row)
                is_shared = row["status"] == "measured" and self.shared.has(row)
                yield with_flags(row, "duplicate-file") if is_shared else row, self._slices_of(entry)
            if first is not None and traced_at and not traced_at & {0, None}:
                self.untraced_firsts.append((first.patient, first.visit))
            if entry.visit_order_by == "unknown" and units:
                self.unordered.append(entry.patient)
            if are_renamed(units.values()):
                told = {visit: " ".join(filter(None, *own)) for visit, own in units.items()}
                self.renamed.append((entry.patient, {} if len(self.renamed) > _TOLD else told))
            if len(lesions) > 1:
                self.lesions_alike += names_alike(lesions)
            if len(units) > 1:
                self.visits_alike += names_alike(units)
        self.shared = found

    def _note_hidden(self, entry: Entry) -> bool:
        """Note for which names of an entry case ids stand; return whether one is that of lesion or visit."""
        hidden = self.settings.pseudonymiser
        if hidden is None:
            return False
        lesion = entry.case.lesion
        if not lesion and (kept := self.record(entry.case)["rows"][entry.place].get("lesion")):
            lesion = hidden.opened(str(kept))
        found = {
            shown: name
            for shown, name in (
                (entry.lesion, composed_text(lesion)),
                (entry.visit, entry.case.visit),
                (entry.reader, entry.case.reader),
            )
            if name and shown == hidden.case_id(name)
        }
        self.hidden |= found
        return entry.lesion in found or entry.visit in found

    def row(self, entry: Entry) -> Row:
        """Return the row of an entry."""
        rows = self._joined.get(entry.case.identity)
        if rows is not None:
            return identified_row(rows[entry.place], entry)
        record = self.record(entry.case)
        record = record | {"rows": record["rows"][entry.place : entry.place + 1]}
        return identified_row(next(joined_rows(entry.case, record, self.settings.pseudonymiser)), entry)

    def slices(self) -> Iterator[Row]:
        """Yield the rows of slices, but for lesions of which it is not known whose they are."""
        return (row for entry in self.entries() for row in self._slices_of(entry))

    def _slices_of(self, entry: Entry) -> Iterator[Row]:
        if entry.code:
            return
        names = ("slice_index", "position_mm", "area_mm2", "height_thickness_mm", "height_spacing_mm")
        whose: Row = {name: getattr(entry, name) or None for name in SLICES.key[:-1]}
        for values in self.record(entry.case)["slices"][entry.place]:
            yield whose | dict(zip(names, values, strict=True))

    def _patients(self) -> Iterator[Sequence[int]]:
        """The places of the cases of every site and patient, in the order of the tables."""
        cases, pseudonymiser = self.cases, self.settings.pseudonymiser
        sites = [site or self.protocol.site for site in column_of(cases, "site")]
        patients = [shown_patient(patient, pseudonymiser) for patient in column_of(cases, "patient")]
        order = sorted(range(len(cases)), key=patients.__getitem__)
        order.sort(key=lambda place: natural(patients[place]))
        order.sort(key=sites.__getitem__)
        for _, group in groupby(order, key=lambda place: (sites[place], patients[place])):
            yield array("L", group)
