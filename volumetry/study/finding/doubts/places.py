"""Folders in which the files of a patient lie: what their names say against the patient or the visits."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from volumetry.formats.dicom.person import is_placeholder
from volumetry.study.cases import Case
from volumetry.study.finding.folder_rules import image_folders
from volumetry.study.identity import date_of_name, is_clear_visit_name, is_visit_name
from volumetry.study.plain_words import is_plain_name
from volumetry.study.protocol import IdentitySection, folder_number

_AS_PATIENTS = re.compile(
    r"(?:p|pt|pat|patients?|proband|subj?|subjects?|cases?)[-_ ]?\d{1,6}", re.IGNORECASE
)
_AS_PATIENTS_BELOW_DAYS = re.compile(_AS_PATIENTS.pattern + r"|0\d{2,5}", re.IGNORECASE)
"""What folders of patients may be called; below one that is called after a day, numbers are no visits."""
_OF_MANY = re.compile(
    r"(?:dicoms?|exports?|data(?:set)?|images?|scans?|files|cds?|dvds?|study|studies|archive|pacs|patients|raw\w*"
    r"|inputs?|anon\w*)\d{0,3}",
    re.IGNORECASE,
)
"""What nobody calls the folder of one patient."""
_YEAR = re.compile(r"(?:19|20)\d\d")
_LONG = 3
"""Letters from which on a PatientID in the name of a folder is no accident."""


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


def of_several_days(cases: Iterable[Case]) -> dict[str, tuple[int, set[str]]]:
    """PatientIDs whose studies lie in folders side by side that are no visits by their days.

    Several of them hold studies of several days, or one has a day between two of another. A folder that is
    called after the PatientID is the patient's, and what lies in it is not doubted; nor are folders of
    modalities, sides or regions.
    """
    places: dict[str, dict[tuple[str, str], list[str]]] = defaultdict(dict)
    for case in cases:
        day = case.scan_date or case.study_date
        if day and case.study_uid and not case.error and is_named_by_headers(case, ""):
            places[case.patient].setdefault((case.study_uid, day), image_folders(case))
    found: dict[str, tuple[int, set[str]]] = {}
    for patient, of_studies in places.items():
        level = n_common(of_studies.values())
        above = next(iter(of_studies.values()))[:level]
        if any(_is_called_after(folder, patient) for folder in above):
            continue
        days: dict[str, set[str]] = defaultdict(set)
        for (_, day), folders in of_studies.items():
            if len(folders) > level:
                days[folders[level]].add(day)
        if len(days) > 1 and not all(map(_is_a_kind, days)) and _are_no_visits(days):
            found[patient] = level + 1, set(days)
    return found


def _is_called_after(folder: str, patient: str) -> bool:
    own, name = patient.casefold(), folder.casefold()
    return own == name or (len(own) >= _LONG and own in name)


def _is_a_kind(folder: str) -> bool:
    """Whether a folder is called as a modality, a side or a region: ``MR``, ``left_hip``; not ``S1``."""
    return is_plain_name(folder) and re.search(r"[^\W\d_]{2}", folder) is not None


def _are_no_visits(days: Mapping[str, set[str]]) -> bool:
    spans = sorted((min(own), max(own)) for own in days.values())
    if any(earlier[1] > later[0] for earlier, later in pairwise(spans)):
        return True
    are_called_so = all(is_visit_name(name) or _YEAR.fullmatch(name) for name in days)
    return not are_called_so and sum(len(own) > 1 for own in days.values()) > 1


def unnamed_beside(cases: Iterable[Case]) -> dict[str, set[str]]:
    """Folders, which may be of several patients, of traced studies that have no PatientID of their own.

    Without a PatientID, several first folders are patients; a single one may hold all of them. One folder
    with all the files is of one patient unless it is the study folder or called ``export``.
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
    in_none = {p for p in without if not any(places[p].values())}  # each is called after a file
    for patient, of_studies in places.items():
        if patient in without and len(without) > 1:
            if patient in in_none and len(in_none) > 1:
                found[patient] = {""}
            continue
        common = n_common(of_studies.values())
        beside = {folders[common] for folders in of_studies.values() if len(folders) > common}
        holding = next(iter(of_studies.values()))[:common]
        if len(beside) > 1 and not (common and all(map(is_visit_name, beside))):
            found[patient] = beside
        elif (
            len(of_studies) > 1
            and not beside
            and all(_OF_MANY.fullmatch(f) or _is_a_kind(f) for f in holding)
        ):
            found[patient] = {"/".join(holding)}
    return found


def visits_as_patients(cases: Iterable[Case], rules: IdentitySection) -> set[str]:
    """The first folders after which patients are called, where all of them are named as visits.

    Some names may be those of patients, too (``V1``). They are visits where one of them clearly is, or where
    folders of one name, which is none of a visit, lie in several of them: ``v1/P01`` and ``v2/P01``.
    """
    if rules.patient:
        return set()
    below: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        if case.trace and case.patient == first_folder(case):
            if not is_visit_name(case.patient):
                return set()
            below[case.patient].add(case.visit)
    if not all(map(is_clear_visit_name, below)) and not _hold_patients(below):
        return set()
    if len(below) == 1 and all(is_visit_name(visit) for visits in below.values() for visit in visits):
        return set()  # one patient, who is called as a visit could be
    return set(below)


def _hold_patients(below: Mapping[str, set[str]]) -> bool:
    """Whether the folders in folders of visits may be those of patients."""
    every = [name for names in below.values() for name in names]
    if not all(every) or any(is_visit_name(name) or _is_a_kind(name) for name in every):
        return False
    return len(below) > 1 and (any(map(is_clear_visit_name, below)) or len(set(every)) < len(every))


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
