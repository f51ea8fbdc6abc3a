"""Whether the names of patients that files and folders give can be believed, where no DICOM file says more.

- One name in several data sets may be of several patients: below two first folders, in two data sets of BIDS
  or of nnU-Net.
- Names of files in one folder that begin differently may be of several patients.
- Folders such as ``controls``, with folders ``V001`` and ``V002`` in them, are groups of patients.
- Cases of nnU-Net that are numbered alike (``hip_v001``, ``hip_v002``) may be cases, and no visits.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from volumetry.errors import VolumetryError
from volumetry.study.cases import Case
from volumetry.study.finding.files import stem_of
from volumetry.study.finding.name_parts import parts_of_name
from volumetry.study.finding.names import image_stem, is_image_word
from volumetry.study.identity import is_clear_visit_name, is_visit_name
from volumetry.study.protocol import IdentitySection

_GROUP = re.compile(
    r"(?:patients?|controls?|cases?|subjects?|volunteers?|participants?|groups?|arms?|cohorts?)[-_ ]?\w{0,2}",
    re.IGNORECASE,
)
_SET_FOLDER = re.compile(r"(?:images|labels)(?:Tr|Ts|Val)")
_LAYOUT_FOLDER = re.compile(
    r"images?|imgs|scans|volumes|masks?|labels?|segmentations?|segs|annotations|final|original"
    rf"|{_SET_FOLDER.pattern}"
)
_OF_DATA_SET = ("derivatives", "rawdata", "sourcedata")


@dataclass(frozen=True, kw_only=True)
class NameDoubts:
    """What speaks against the names of patients that files and folders give.

    Attributes
    ----------
    places : mapping of (site, patient) to set of str
        The data sets in which a name is, where there are several.
    groups : mapping of str to set of str
        Folders that are groups, after which patients are called, with what are called their visits.
    beginnings : mapping of folder to set of str
        What the names of files begin with in one folder, after which the patient is called.
    numbered : mapping of patient to set of str
        The only "patient" of a set of nnU-Net, with what are called his visits.
    """

    places: Mapping[tuple[str, str], set[str]]
    groups: Mapping[str, set[str]]
    beginnings: Mapping[str, set[str]]
    numbered: Mapping[str, set[str]]

    @classmethod
    def of(cls, cases: Iterable[Case], rules: IdentitySection) -> NameDoubts:
        """Return what speaks against the names; what the protocol says is not doubted."""
        places: dict[tuple[str, str], set[str]] = defaultdict(set)
        groups: dict[str, set[str]] = defaultdict(set)
        beginnings: dict[str, set[str]] = defaultdict(set)
        sets: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for case in () if rules.patient else cases:
            if not _is_named_by_files(case):
                continue
            first, *below = (case.trace or case.scan).split("/")
            place = _data_set(case)
            if place is not None and (case.trace or not case.patient.startswith("sub-")):
                places[case.site, case.patient].add(place)
            if below and case.trace and case.patient == first and _GROUP.fullmatch(first):
                groups[first].add(case.visit)
            if len(below) == 1 and case.patient == first and (start := _beginning(case)):
                beginnings[first].add(start)
            if _is_of_a_set(case):
                sets[place or ""][case.patient].add(case.visit)
        return cls(
            places={who: found for who, found in places.items() if len(found) > 1},
            groups=groups if any(map(_may_be_patients, groups.values())) else {},
            beginnings={name: starts for name, starts in beginnings.items() if len(starts) > 1},
            numbered={
                patient: visits
                for patients in sets.values()
                for patient, visits in patients.items()
                if len(patients) == 1 and len(visits) > 1 and not any(c.isdigit() for c in patient)
            },
        )

    def about(self, case: Case) -> VolumetryError | None:
        """Return why the patient of a case is not believed; None where nothing speaks against it."""
        if not _is_named_by_files(case):
            return None
        first = (case.trace or case.scan).split("/")[0]
        if (case.site, case.patient) in self.places:
            return _unclear(
                case,
                "one name of a patient is in several folders, which may be several patients",
                {"folders": self.places[case.site, case.patient]},
                'Write site = "folder:1" in [identity] of the protocol, or a manifest.',
            )
        if case.patient == first and first in self.groups:
            return _unclear(
                case,
                "the first folder may be a group of patients, and the folders in it patients",
                {"folders": self.groups[first]},
                'Write patient = "folder:2" in [identity] of the protocol, or "folder:1" if they are visits.',
            )
        if case.patient == first and first in self.beginnings:
            return _unclear(
                case,
                "the names of files in one folder begin differently and may be of several patients",
                {"names": self.beginnings[first]},
                'Write patient = "folder:1" in [identity] of the protocol if they are of one, or a manifest.',
            )
        if _is_of_a_set(case) and case.patient in self.numbered:
            return _unclear(
                case,
                "all cases of the data set would be visits of one patient",
                {"visits": self.numbered[case.patient]},
                "Write patients and visits into a manifest (volumetry manifest).",
            )
        return None


def doubted_names(cases: Iterable[Case], rules: IdentitySection) -> Iterator[Case]:
    """Yield the cases, those whose patient is not believed with an error.

    Parameters
    ----------
    cases : collection of Case
        All of a study; they are gone through twice.
    rules : IdentitySection
        What the protocol says of patients is not doubted.
    """
    doubts = NameDoubts.of(cases, rules)
    for case in cases:
        error = None if case.error else doubts.about(case)
        yield case if error is None else replace(case, error=error)


def _is_named_by_files(case: Case) -> bool:
    """Whether names of files and folders alone say whose a case is."""
    return case.form == "mask" and not (case.patient_id or case.study_uid or case.series_uid)


def _data_set(case: Case) -> str | None:
    """The folder of the data set that a patient's name is unique in; None where a folder is the patient's.

    Of BIDS it holds the subjects' folders, of others it is the first folder above those of the layout.
    """
    folders = (case.trace or case.scan).split("/")[:-1]
    if case.patient.startswith("sub-"):
        if case.patient not in folders:
            return None
        above = folders[: folders.index(case.patient)]
        cut = next((n for n, name in enumerate(above) if name in _OF_DATA_SET), len(above))
        return "/".join(
            name for name in above[:cut] if not name.startswith("ses-") and not is_visit_name(name)
        )
    if case.patient in folders[:2]:
        return None
    while folders and _LAYOUT_FOLDER.fullmatch(folders[-1]):
        folders.pop()
    return None if folders and parts_of_name(folders[0]) is not None else "/".join(folders[:1])


def _is_of_a_set(case: Case) -> bool:
    folders = case.trace.split("/")[:-1]
    return bool(folders) and bool(_SET_FOLDER.fullmatch(folders[-1]))


def _beginning(case: Case) -> str:
    """What a file's name begins with before its visit, where that may be a patient; else empty."""
    parts = parts_of_name(image_stem(case.trace) if case.trace else stem_of(case.scan))
    start = "" if parts is None else parts.patient
    return "" if all(map(is_image_word, re.split(r"[\W_]+", start.casefold()))) else start


def _may_be_patients(visits: set[str]) -> bool:
    """Whether folders that are called visits may be patients: ``V001``, not ``month12`` or a date."""
    return len(visits) > 1 and not any(is_clear_visit_name(visit) or not visit for visit in visits)


def _unclear(case: Case, what: str, values: Mapping[str, set[str]], todo: str) -> VolumetryError:
    told = {name: ", ".join(sorted(text or "." for text in found)) for name, found in values.items()}
    return VolumetryError("patient-unclear", what, where=case.trace or case.scan, values=told, todo=todo)
