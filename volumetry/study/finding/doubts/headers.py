"""What is doubted: names of patients and visits that folders and headers give, but that cannot be right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from volumetry.errors import VolumetryError
from volumetry.formats.dicom.body_parts import are_apart
from volumetry.formats.dicom.person import (
    PersonMarks,
    image_marks,
    may_be_several,
    person_marks,
)
from volumetry.formats.side_words import sides_apart
from volumetry.study.case_table import CaseTable
from volumetry.study.cases import Case
from volumetry.study.finding.doubts.days import are_in_doubt, are_inconsistent
from volumetry.study.finding.doubts.errors import (
    drawn_on_several,
    no_patient_id,
    several_in_headers,
    study_of_several,
    unclear_deeper,
    unclear_folders,
    unclear_patient,
    unclear_site,
    unclear_visit,
)
from volumetry.study.finding.doubts.places import (
    called_as_patients,
    first_folder,
    first_of_images,
    is_named_by_headers,
    n_common,
    of_several_days,
    places_of_patients,
    share_studies,
    unnamed_beside,
    visits_as_patients,
)
from volumetry.study.finding.folder_rules import image_folders
from volumetry.study.identity import is_visit_name
from volumetry.study.protocol import IdentitySection

K = TypeVar("K")


def doubted(cases: Sequence[Case], rules: IdentitySection, root: Path) -> Sequence[Case]:
    """Return the cases, those whose patient or visit is not believed with an error.

    Where headers contradict each other in something that is no name, or that the protocol has decided, the
    cases of the patient say so (`Case.conflicts`, `Case.order_doubted`).

    - First folders that are all named as visits are no patients.
    - One PatientID under several first folders is believed where the folders are named as visits are.
    - With ``patient = "folder:N"``, one name below several other folders may be of several hospitals.
    - Images under one PatientID whose headers contradict each other (birth date, sex, issuer, number in a
      trial, age) are not of one patient.
    - A DICOM study is of one patient, so one under two PatientIDs was copied or mixed up.
    - Without a PatientID, or with one that anonymisers give everybody, folders side by side may be of several
      patients, but for folders of visits below that of a patient.
    - Traces and masks in one patient's folder were drawn on images of one patient.
    - One date for several StudyInstanceUIDs is not believed for tracings.
    """
    doubts = _Doubts.of(cases, rules, root)
    return CaseTable(_with_doubts(cases, doubts)) if doubts.are_any else cases


def _with_doubts(cases: Iterable[Case], doubts: _Doubts) -> Iterator[Case]:
    for found in cases:
        case = doubts.noted(found)
        error = doubts.about(case)
        if error is None or case.error:
            yield case
        elif case.patient in doubts.visits_as_patients:  # its second folder may be the patient's name
            yield replace(case, error=error, visit="")
        else:
            yield replace(case, error=error)


@dataclass(frozen=True, kw_only=True)
class _Doubts:
    """What speaks against the names of a study's patients and visits.

    Attributes
    ----------
    rules : IdentitySection
        What is said is not doubted.
    visits_as_patients : set of str
        First folders after which patients are called, where all of them are clearly named as visits.
    folders, places, drawn_on : mapping of patient to set of str
        First folders of a PatientID; where tracings lie beside the folders of patients and visits;
        PatientIDs of the images that native traces and masks were drawn on.
    deeper : mapping of patient to (int, set of str)
        Where the studies of a PatientID lie in folders that are called as patients are, or hold days as those
        of patients do: the number of the folder, and its names.
    studies : mapping of patient and visit to set of str
        StudyInstanceUIDs of tracings whose visit is a date.
    owners : mapping of StudyInstanceUID to set of str
        PatientIDs of traced images of one study.
    persons : set of str
        Patients whose images cannot be of one person by what else their headers say.
    unnamed : mapping of patient to set of str
        Folders side by side of a patient whose images have no PatientID of their own.
    orders, days : set of str
        Patients whose dates say two orders of their visits; whose dates contradict each other otherwise.
    sides : mapping of file to str
        Sides that descriptions of series name, by the first files of scans.
    zones : mapping of file to frozenset of str
        Where in the body the images of a patient lie who has images that lie apart, by first files of scans.
    """

    rules: IdentitySection
    visits_as_patients: set[str]
    folders: Mapping[str, set[str]]
    deeper: Mapping[str, tuple[int, set[str]]]
    places: Mapping[str, set[str]]
    drawn_on: Mapping[str, set[str]]
    studies: Mapping[tuple[str, str], set[str]]
    owners: Mapping[str, set[str]]
    persons: set[str]
    unnamed: Mapping[str, set[str]]
    orders: set[str]
    days: set[str]
    sides: Mapping[str, str]
    zones: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, cases: Sequence[Case], rules: IdentitySection, root: Path) -> _Doubts:
        every, cases = cases, [case for case in cases if case.patient_id or case.study_uid]
        folders = _sets(
            (c.patient, first_of_images(c)) for c in cases if is_named_by_headers(c, rules.patient)
        )
        drawn = _sets((c.patient, c.patient_id) for c in cases if _is_drawn_in_folder(c) and c.patient_id)
        marks = _marks_of_studies(cases, root)
        studies = _sets(
            ((c.patient, c.visit), c.study_uid) for c in cases if _is_dated_study(c) and not c.error
        )
        return cls(
            rules=rules,
            visits_as_patients=visits_as_patients(every, rules),
            folders={
                patient: names
                for patient, names in folders.items()
                if len(names) > 1
                and not all(map(is_visit_name, names))
                and not share_studies([c for c in cases if c.patient == patient])
            },
            deeper={} if rules.patient else {**of_several_days(cases), **called_as_patients(cases)},
            places=_several(places_of_patients(every, rules)),
            drawn_on={} if rules.patient else _several(drawn),
            studies={} if rules.visit else _several(studies),
            owners={} if rules.patient else _owners(cases, root),
            persons={patient for patient, (said, *_) in marks.items() if may_be_several(said)},
            unnamed={} if rules.patient else unnamed_beside(cases),
            orders={patient for patient, (said, *_) in marks.items() if are_in_doubt(said)},
            days={patient for patient, (said, places, _) in marks.items() if are_inconsistent(said, places)},
            sides={
                name: side
                for *_, of in marks.values()
                for name, side in sides_apart({name: one.side for name, one in of.items()}).items()
            },
            zones={
                name: one.zones
                for *_, of in marks.values()
                if are_apart(frozenset(one.zones for one in of.values()))
                for name, one in of.items()
            },
        )

    @property
    def are_any(self) -> bool:
        """Whether anything is doubted."""
        return any(
            (
                self.visits_as_patients,
                self.folders,
                self.deeper,
                self.places,
                self.drawn_on,
                self.studies,
                self.owners,
                self.persons,
                self.unnamed,
                self.orders,
                self.days,
                self.sides,
                self.zones,
            )
        )

    def noted(self, case: Case) -> Case:
        """Return a case with what contradicts itself without being an error."""
        if not case.trace or not case.study_uid:
            return case
        if not case.named_side and (side := self.sides.get(_first_file(case), "")):
            case = replace(case, named_side=side)
        if zones := self.zones.get(_first_file(case)):
            case = replace(case, zones=zones)
        is_doubted = case.patient in self.orders
        conflicts = []
        if is_doubted or case.patient in self.days:
            conflicts.append("visit-dates-conflict")
        if self.rules.patient and case.patient in self.persons:
            conflicts.append("patient-conflict")
        if not conflicts:
            return case
        # Who calls visits by StudyDate has said which of the dates counts.
        is_doubted = is_doubted and self.rules.visit != "StudyDate"
        return replace(case, conflicts=(*case.conflicts, *conflicts), order_doubted=is_doubted)

    def about(self, case: Case) -> VolumetryError | None:
        """Return why patient or visit of a case is not believed; None where nothing speaks against them."""
        if case.patient in self.visits_as_patients and case.patient == first_folder(case):
            return unclear_folders(case, self.visits_as_patients)
        if case.trace and case.patient in self.places:
            return unclear_site(case, self.places[case.patient])
        if _is_drawn_in_folder(case) and case.patient in self.drawn_on:
            return drawn_on_several(case, len(self.drawn_on[case.patient]))
        if is_named_by_headers(case, self.rules.patient) and case.patient in self.folders:
            return unclear_patient(case, self.folders[case.patient])
        if is_named_by_headers(case, self.rules.patient) and case.patient in self.deeper:
            return unclear_deeper(case, *self.deeper[case.patient])
        if case.trace and case.study_uid in self.owners:
            return study_of_several(case, len(self.owners[case.study_uid]))
        if case.trace and case.study_uid and case.patient in self.persons and not self.rules.patient:
            return several_in_headers(case)
        if case.trace and case.study_uid and case.patient in self.unnamed:
            return no_patient_id(case, self.unnamed[case.patient])
        if _is_dated_study(case) and (case.patient, case.visit) in self.studies:
            return unclear_visit(case, len(self.studies[case.patient, case.visit]))
        return None


def _sets(pairs: Iterable[tuple[K, str]]) -> dict[K, set[str]]:
    found: dict[K, set[str]] = defaultdict(set)
    for key, value in pairs:
        found[key].add(value)
    return found


def _several(sets: Mapping[K, set[str]]) -> dict[K, set[str]]:
    return {key: values for key, values in sets.items() if len(values) > 1}


def _is_dated_study(case: Case) -> bool:
    """Whether a case is a tracing of a DICOM study whose visit is a date."""
    return bool(case.trace and case.study_uid) and case.visit == case.study_date


def _owners(cases: Iterable[Case], root: Path) -> dict[str, set[str]]:
    """The PatientIDs of traced studies that have several, and whose UIDs are not those of everybody.

    One UID for several images, or one study for three patients or more, is an anonymiser's, and says nothing.
    """
    files: dict[str, dict[str, str]] = defaultdict(dict)
    for case in cases:
        if case.trace and case.study_uid and case.patient_id and case.scan_files:
            files[case.study_uid].setdefault(case.patient_id, case.scan_files[0])
    found: dict[str, set[str]] = {}
    for study, of_patients in files.items():
        if len(of_patients) < 2:
            continue
        pixels = _sets(image_marks(root / file) for file in of_patients.values())
        is_copy = len(pixels) == 1 and all(len(same) < len(of_patients) for same in pixels.values())
        is_parted = len(pixels) == len(of_patients) == 2
        if "" not in pixels and (is_copy or is_parted):
            found[study] = set(of_patients)
    return found


def _is_drawn_in_folder(case: Case) -> bool:
    """Whether a case is a tracing whose folder, not its own header, says whose it is."""
    return bool(case.trace) and case.form in ("trace", "mask")


Marks = tuple[tuple[PersonMarks, ...], tuple[str, ...], dict[str, PersonMarks]]
"""Of a patient: what a file of each study says, the folders of the studies, what first files of scans say."""


def _marks_of_studies(cases: Iterable[Case], root: Path) -> dict[str, Marks]:
    """What one file of each traced DICOM series says, for patients who have several studies.

    The folder of a study is the one by which the places of the studies differ; empty where there is none.
    """
    of_patients: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        if case.trace and case.study_uid and not case.error:
            of_patients[case.patient].append(case)
    found: dict[str, Marks] = {}
    for patient, own in of_patients.items():
        firsts = {case.study_uid: case for case in reversed(own)}
        if len(firsts) > 1:
            marks = {name: person_marks(root / name) for name in dict.fromkeys(map(_first_file, own))}
            folders = [image_folders(case) for case in firsts.values()]
            common = n_common(folders)
            places = tuple(names[common] if len(names) > common else "" for names in folders)
            said = tuple(marks[_first_file(case)] for case in firsts.values())
            found[patient] = said, places, marks
    return found


def _first_file(case: Case) -> str:
    return case.scan_files[0] if case.scan_files else case.trace
