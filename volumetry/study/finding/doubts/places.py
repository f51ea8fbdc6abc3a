"""Folders in which the files of a patient lie: what their names say against the patient or the visits."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from volumetry.formats.dicom.person import is_placeholder
from volumetry.study.cases import Case
from volumetry.study.finding.folder_rules import image_folders
from volumetry.study.identity import date_of_name, is_clear_visit_name, is_visit_name
from volumetry.study.protocol import IdentitySection, folder_number

_AS_PATIENTS = re.compile(
    r"(?:p|pt|pat|patients?|proband|subj?|subjects?|cases?)[-_ ]?\d{1,6}", re.IGNORECASE
)
_AS_PATIENTS_BELOW_DAYS = re.compile(_AS_PATIENTS.pattern + r"|0\d{2,5}", re.IGNORECASE)
"""What folders of patients may be called; below one that is called after a day, numbers are no visits."""


def is_named_by_headers(case: Case, rule: str) -> bool:
    """Return whether a case is called after its PatientID, and no rule of the protocol says so."""
    return not rule and bool(case.patient_id) and case.patient == case.patient_id


def first_folder(case: Case) -> str:
    """Return the first folder of a tracing, or of a scan; empty where it lies in none."""
    parts = (case.trace or (case.scan_files[0] if case.scan_files else case.scan)).split("/")
    return parts[0] if len(parts) > 1 else ""


def first_of_images(case: Case) -> str:
    """The first folder of a case's images: all tracings of an export may lie in one folder."""
    return next(iter(image_folders(case)), "")


def n_common(places: Iterable[Sequence[str]]) -> int:
    """How many folders from the study folder down are the same."""
    shared = [len(set(names)) == 1 for names in zip(*places, strict=False)]
    return (*shared, False).index(False)


def share_studies(cases: Iterable[Case]) -> bool:
    """Whether the first folders of a PatientID are joined by DICOM studies, each of which has one patient."""
    groups: list[tuple[set[str], set[str]]] = []
    for case in cases:
        if not is_named_by_headers(case, ""):
            continue
        names, studies = {first_of_images(case)}, {case.study_uid} - {""}
        for group in [g for g in groups if g[0] & names or g[1] & studies]:
            groups.remove(group)
            names, studies = names | group[0], studies | group[1]
        groups.append((names, studies))
    return len(groups) == 1


def called_as_patients(cases: Iterable[Case]) -> dict[str, tuple[int, set[str]]]:
    """PatientIDs whose studies lie in folders called as patients: ``data/p1``, or ``20240101/0001``."""
    places: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for case in cases:
        if case.trace and case.study_uid and not case.error and is_named_by_headers(case, ""):
            places[case.patient].setdefault(case.study_uid, image_folders(case))
    found: dict[str, tuple[int, set[str]]] = {}
    for patient, of_studies in places.items():
        level = n_common(of_studies.values())
        names = [folders[level : level + 2] for folders in of_studies.values()]
        pattern = _AS_PATIENTS
        if all(name and date_of_name(name[0]) for name in names):
            names, level, pattern = [name[1:] for name in names], level + 1, _AS_PATIENTS_BELOW_DAYS
        firsts = {name[0] for name in names if name}
        if len(firsts) == len(names) > 1 and all(map(pattern.fullmatch, firsts)) and level:
            found[patient] = level + 1, firsts
    return found


def unnamed_beside(cases: Iterable[Case]) -> dict[str, set[str]]:
    """Folders side by side, which may be patients, of traced studies that have no PatientID of their own.

    Without a PatientID, several first folders are patients; a single one may hold all of them.
    """
    places: dict[str, dict[str, list[str]]] = defaultdict(dict)
    without: set[str] = set()
    for case in cases:
        if case.trace and case.study_uid and not case.error:
            if not case.patient_id or is_placeholder(case.patient_id):
                places[case.patient].setdefault(case.study_uid, image_folders(case))
            if not case.patient_id:
                without.add(case.patient)
    found: dict[str, set[str]] = {}
    for patient, of_studies in places.items():
        if patient in without and len(without) > 1:
            continue
        common = n_common(of_studies.values())
        beside = {folders[common] for folders in of_studies.values() if len(folders) > common}
        if len(beside) > 1 and not (common and all(map(is_visit_name, beside))):
            found[patient] = beside
    return found


def visits_as_patients(cases: Iterable[Case], rules: IdentitySection) -> set[str]:
    """The first folders after which patients are called, where all of them are clearly named as visits."""
    if rules.patient:
        return set()
    below: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        if case.trace and case.patient == first_folder(case):
            if not is_clear_visit_name(case.patient):
                return set()
            below[case.patient].add(case.visit)
    if len(below) == 1 and all(is_visit_name(visit) for visits in below.values() for visit in visits):
        return set()  # one patient, who is called as a visit could be
    return set(below)


def places_of_patients(cases: Iterable[Case], rules: IdentitySection) -> dict[str, set[str]]:
    """Where the tracings of every patient lie, above the folders of patients and beside those of visits."""
    places: dict[str, set[str]] = defaultdict(set)
    number, visit = folder_number(rules.patient), folder_number(rules.visit)
    if number is None or rules.site:
        return places
    for case in cases:
        if case.trace and not case.error:
            above = [name for n, name in enumerate(image_folders(case)[: number - 1], start=1) if n != visit]
            places[case.patient].add("/".join(above))
    return places
