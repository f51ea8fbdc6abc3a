"""One name for each patient and visit where DICOM objects, series and masks of voxels lie together.

DICOM names its patients and visits itself, masks have the names of their folders. So one visit would have two
names, and one patient would be two:

- A mask in a patient's folder is called as the DICOM tracings there are, where both are of one PatientID.
- A series that nobody traced is called as the masks that are drawn on its study, or lie in its folder.
- A mask that is tied to no series has the date of the only study in its folders of patient and visit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from volumetry.study.case_table import CaseTable
from volumetry.study.cases import Case
from volumetry.study.finding.folder_rules import image_folders
from volumetry.study.finding.names import folders_of, is_in_mask_folder
from volumetry.study.protocol import IdentitySection

_Who = tuple[str, str]
"""Patient and visit."""


def alike_named(cases: CaseTable, rules: IdentitySection) -> CaseTable:
    """Return the cases, those of one patient or visit with one name for it.

    What ``[identity]`` says of patients or visits stands.
    """
    if not any(cases.column("study_uid")):
        return cases
    return CaseTable(_Names(cases, rules).alike())


class _Names:
    """The names that masks, and DICOM's own tracings, give patients and visits."""

    def __init__(self, cases: CaseTable, rules: IdentitySection) -> None:
        self.cases, self.rules = cases, rules
        self.of_dicom: set[_Who] = set()
        self.studies: dict[_Who, dict[str, Case]] = defaultdict(dict)
        for case in cases:
            if case.study_uid and case.scan_files:
                self.studies[folders_of(case.scan_files[0])].setdefault(case.study_uid, case)
                if case.trace and case.form != "mask" and case.patient_id:
                    self.of_dicom.add((_first_folder(case), case.patient_id))
        self.of_masks: dict[str, set[_Who]] = defaultdict(set)
        self.places: set[_Who] = set()
        for case in map(self._tied, cases):
            if case.trace and case.form == "mask":
                self.places.add((case.patient, case.visit))
                if case.study_uid:
                    self.of_masks[case.study_uid].add((case.patient, case.visit))

    def alike(self) -> Iterator[Case]:
        """Yield the cases with one name for each patient and visit."""
        for case in map(self._tied, self.cases):
            is_mask = bool(case.trace) and case.form == "mask"
            is_untraced = not case.trace and bool(case.study_uid and case.scan_files)
            if (_first_folder(case), case.patient_id) in self.of_dicom:
                who = (case.patient_id, case.study_date or case.visit)
                yield self._called(case, who) if is_mask else case
            else:
                yield self._called(case, self._of_masks(case)) if is_untraced else case

    def _tied(self, case: Case) -> Case:
        """A mask without a series, with patient and date of the only study that lies in its folders."""
        if not case.trace or case.form != "mask" or case.scan or case.study_uid or not case.visit:
            return case
        studies = self.studies.get(folders_of(case.trace)) or self.studies.get((case.patient, case.visit), {})
        if len(studies) != 1:
            return case
        only = next(iter(studies.values()))
        if not is_in_mask_folder(case.trace) and not only.scan_files[0].startswith(_beside(case.trace)):
            return case
        return replace(case, patient_id=only.patient_id, study_date=only.study_date or case.study_date)

    def _of_masks(self, case: Case) -> _Who:
        """Patient and visit of a series that nobody traced, by the masks of its study or folder."""
        masks = self.of_masks.get(case.study_uid, set())
        if len(masks) == 1:
            return next(iter(masks))
        place = folders_of(case.scan_files[0])
        return place if place in self.places else (case.patient, case.visit)

    def _called(self, case: Case, who: _Who) -> Case:
        patient = case.patient if self.rules.patient else who[0]
        visit = case.visit if self.rules.visit else who[1]
        return replace(case, patient=patient, visit=visit)


def _beside(name: str) -> str:
    """The beginning of the paths of all that lies in the folder of a file, or below it."""
    return name[: name.rfind("/") + 1]


def _first_folder(case: Case) -> str:
    return next(iter(image_folders(case)), "")


__all__ = ["alike_named"]
