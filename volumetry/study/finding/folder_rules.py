"""Names of sites, patients and visits by folders, as ``[identity]`` of the protocol says.

The folders are those of the images: all tracings of an export may lie in one folder. A tracing between the
images of one patient that was drawn on images of another is not believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from volumetry.errors import VolumetryError
from volumetry.study.cases import Case
from volumetry.study.finding.names import bids_who
from volumetry.study.protocol import IdentitySection, folder_number

_BY_UIDS = ("rtstruct", "seg", "trace")
"""Forms of tracings that name their images; masks of voxels are tied to theirs by names."""


def image_folders(case: Case) -> list[str]:
    """Return the folders that hold the images of a case, from the study folder down; else its own.

    >>> image_folders(Case(patient="", visit="", trace="rt/1.dcm", scan="P1/a", scan_files=("P1/a/1.dcm",)))
    ['P1', 'a']
    """
    return (case.scan_files[0] if case.scan_files else case.trace or case.scan).split("/")[:-1]


@dataclass(frozen=True, kw_only=True)
class FolderRules:
    """What ``[identity]`` says, and the names of folders that hold images.

    Attributes
    ----------
    rules : IdentitySection
    taken : mapping of int to set of str
        Names of folders of images by their level below the study folder, the first being 1.
    """

    rules: IdentitySection
    taken: Mapping[int, set[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, rules: IdentitySection, images: Iterable[str]) -> FolderRules:
        """Return the rules for a study with these images, paths relative to the study folder."""
        numbers = {folder_number(rule) for rule in (rules.site, rules.patient, rules.visit)} - {None}
        taken: dict[int, set[str]] = {number: set() for number in numbers if number is not None}
        for name in images if taken else ():
            folders = name.split("/")[:-1]
            for number in taken:
                if number <= len(folders):
                    taken[number].add(folders[number - 1])
        return cls(rules=rules, taken=taken)

    def named(self, case: Case) -> Case:
        """Return a case with site, patient and visit as ``[identity]`` says."""
        rules, changes = self.rules, dict[str, Any]()
        for name, rule in (("site", rules.site), ("patient", rules.patient), ("visit", rules.visit)):
            number = folder_number(rule)
            if number is not None:
                try:
                    changes[name] = self._folder(case, name, number)
                except VolumetryError as error:
                    changes["error"] = error
        if rules.patient == "PatientID" and case.patient_id:
            changes["patient"] = case.patient_id
        if rules.visit == "StudyDate" and case.study_date:
            changes["visit"] = case.study_date
        if rules.visit == "StudyInstanceUID" and case.study_uid:
            changes["visit"] = case.study_uid
        return replace(case, **changes) if changes else case

    def _folder(self, case: Case, name: str, number: int) -> str:
        """The folder of this number that holds the images of a case; where there is none, its tracing."""
        code = "visit-unclear" if name == "visit" else "patient-unclear"
        paths = (image_folders(case), (case.trace or case.scan).split("/")[:-1])
        found = [path[number - 1] for path in paths if len(path) >= number]
        if not found:
            raise VolumetryError(
                code,
                f"the file does not lie in a folder {number} levels below the study folder",
                where=case.trace or case.scan,
                todo=f"Correct [identity] {name} in the protocol.",
            )
        own, other = found[0], found[-1]
        said = (bids_who(case.trace) or ("", ""))[name == "visit"] if name != "site" else ""
        if said in found[1:]:  # the names of BIDS say whose a derivative is
            return said
        is_certain = name == "visit" and case.form in _BY_UIDS
        if other != own != said and other in self.taken.get(number, ()) and not is_certain:
            raise VolumetryError(
                code,
                "the tracing lies between the images of one name, and was drawn on those of another",
                where=case.trace,
                values={"its folder": other, "folder of its images": own},
                todo="Move the tracing to its images, or name both in a manifest (volumetry manifest).",
            )
        return own


__all__ = ["FolderRules", "image_folders"]
