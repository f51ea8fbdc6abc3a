"""Whether the names of patients that files and folders give can be believed, where no DICOM file says more.

- One name in several data sets may be of several patients: below two first folders, in two data sets of BIDS
  or of nnU-Net.
- Names of files in one folder that begin differently may be of several patients.
- Names of files in the study folder that end in words for visits (``P1_before``), or in the same words for
  several patients (``P1_x``, ``P1_y``, ``P2_x``, ``P2_y``), may be those of visits.
- Folders such as ``controls``, with folders ``V001`` and ``V002`` in them, are groups of patients.
- Cases of nnU-Net that are numbered alike (``hip_v001``, ``hip_v002``) may be cases, and no visits.
- Below folders of visits, folders or images of other names each (``data/v1/001``, ``data/v2/002``) may be
  patients.
- A file that is called as another patient or visit than its folder may lie in the wrong one.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from volumetry.errors import VolumetryError
from volumetry.formats.lesion_names import side_of_name
from volumetry.study.cases import Case
from volumetry.study.finding.files import stem_of
from volumetry.study.finding.name_parts import parts_of_name, patient_of_folder
from volumetry.study.finding.names import (
    bids_contradiction,
    folders_below_visit,
    image_stem,
    is_image_word,
    is_of_template,
    side_of_folders,
    stem_before_mask,
    template_of_name,
)
from volumetry.study.hash_index import NameSet, SeveralValues
from volumetry.study.identity import (
    date_of_name,
    hemisphere_of,
    is_clear_visit_name,
    is_visit_name,
    side_of_file,
)
from volumetry.study.plain_words import is_plain_visit, names_a_part
from volumetry.study.protocol import IdentitySection

_GROUP = re.compile(
    r"(?:patients|controls?|cases|subjects|volunteers|participants|(?:group|arm|cohort)[-_ ]?\w{0,2}"
    r"|study|data(?:set)?|images|scans)",
    re.IGNORECASE,
)
"""Folders of many: ``controls``, ``group_A``; not ``case1``, who is a patient."""
_MANY = re.compile(
    r"(?:patients|controls|cases|subjects|volunteers|participants|cohort\w{0,2})", re.IGNORECASE
)
"""Those that nobody calls a patient, so that even folders of dates below them may be patients."""
_SET_FOLDER = re.compile(r"(?:images|labels)(?:Tr|Ts|Val)")
_LAYOUT_FOLDER = re.compile(
    r"images?|imgs|scans|volumes|masks?|labels?|segmentations?|segs|annotations|final|original"
    rf"|{_SET_FOLDER.pattern}"
)
_ID = re.compile(r"(?:[A-Za-z]{1,4}[-_]?\d{1,4}|0\d{1,3}|\d{3,4})(?![0-9A-Za-z])")
"""What may be the number of a patient: ``P1``, ``001``; not the number of a series, or of an accession."""
_WORD_BEHIND = re.compile(r"(?P<who>.*\d[^-_ ]*)[-_ ](?P<word>[^\W\d_]{2,})")
"""What a file is called where a word without a digit follows one with a digit: ``P1_before``."""
_DIGITS = re.compile(r"\d+")
_SMALL_NUMBER = re.compile(r"\d{1,2}$")
_OF_DATA_SET = ("derivatives", "rawdata", "sourcedata")


@dataclass(frozen=True, kw_only=True)
class NameDoubts:
    """What speaks against the names of patients that files and folders give.

    Attributes
    ----------
    places : mapping of site and patient to set of str
        The data sets in which a name is, where there are several.
    groups : mapping of str to set of str
        Folders that are groups, after which patients are called, with what are called their visits.
    beginnings : mapping of folder to set of str
        What the names of files begin with in one folder, after which the patient is called.
    of_visits : mapping of patient to set of str
        Patients called after files in the study folder, with what may be names of visits in these.
    numbered : mapping of patient to set of str
        The only "patient" of a set of nnU-Net, with what are called his visits.
    below_visits : mapping of patient to set of str
        What may be patients below the folders of visits.
    patients : NameSet
        First folders after which patients are called, in small letters.
    visits : mapping of site and patient to set of str
        Of patients with several.
    rules : IdentitySection
    """

    places: Mapping[str, set[str]]
    groups: Mapping[str, set[str]]
    beginnings: Mapping[str, set[str]]
    of_visits: Mapping[str, set[str]]
    numbered: Mapping[str, set[str]]
    below_visits: Mapping[str, set[str]]
    patients: NameSet
    visits: Mapping[str, set[str]]
    rules: IdentitySection

    @classmethod
    def of(cls, cases: Iterable[Case], rules: IdentitySection) -> NameDoubts:
        """Return what speaks against the names; what the protocol says is not doubted."""
        patients = NameSet()
        several_visits, several_places = SeveralValues(), SeveralValues()
        inner: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        groups: dict[str, set[str]] = defaultdict(set)
        beginnings: dict[str, set[str]] = defaultdict(set)
        sets: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        of_files: dict[str, set[str]] = defaultdict(set)
        for case in cases:
            if not _is_named_by_files(case):
                continue
            first, *below = (case.trace or case.scan).split("/")
            several_visits.add(_who(case), case.visit)
            if below and case.patient in (first, patient_of_folder(first)[0]):
                patients.add(case.patient.casefold())
                if case.trace and len(below) > 1 and not any(c.isdigit() for c in first):
                    inner[first][case.visit].add(_inner_name(case))
            if rules.patient:
                continue
            if not below and not case.visit and (named := _WORD_BEHIND.fullmatch(case.patient)):
                of_files[named["who"]].add(named["word"])
            place = _data_set(case)
            if place is not None and _is_placed(case):
                several_places.add(_who(case), place)
            if below and case.trace and case.patient == first and _GROUP.fullmatch(first):
                groups[first].add(case.visit)
            is_in_first = all(map(_LAYOUT_FOLDER.fullmatch, below[:-1]))
            if below and is_in_first and case.patient == first and (start := _beginning(case)):
                beginnings[first].add(start)
            if _is_of_a_set(case):
                sets[place or ""][case.patient].add(case.visit)
        visits, places = _of_several(cases, several_visits.keys, several_places.keys)
        return cls(
            places=places,
            groups=groups if any(_may_be_patients(v, g) for g, v in groups.items()) else {},
            beginnings={name: starts for name, starts in beginnings.items() if len(starts) > 1},
            of_visits=_may_be_visits(of_files),
            numbered={
                patient: visits
                for patients in sets.values()
                for patient, visits in patients.items()
                if len(patients) == 1 and len(visits) > 1 and not any(c.isdigit() for c in patient)
            },
            below_visits={} if rules.patient else _may_be_patients_below(inner),
            patients=patients,
            visits=visits,
            rules=rules,
        )

    def about(self, case: Case) -> VolumetryError | None:
        """Return why the patient of a case is not believed; None where nothing speaks against it."""
        if not _is_named_by_files(case):
            return None
        first = (case.trace or case.scan).split("/")[0]
        if _who(case) in self.places:
            return _unclear(
                case,
                "one name of a patient is in several folders, which may be several patients",
                {"folders": self.places[_who(case)]},
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
        if case.patient in self.of_visits and not case.visit:
            return _unclear(
                case,
                "the names of files may say visits, and which part of them is the patient is not known",
                {"names": self.of_visits[case.patient]},
                "Write patient and visit into a manifest (volumetry manifest), or name files as P1_v1_mask.",
            )
        if case.patient == first and first in self.below_visits:
            return _unclear(
                case,
                "below the folders of visits, the names differ from visit to visit and may be of patients",
                {"names": self.below_visits[first]},
                'Write patient = "folder:1" in [identity] of the protocol if they are of one, or a manifest.',
            )
        if _is_of_a_set(case) and case.patient in self.numbered:
            return _unclear(
                case,
                "all cases of the data set would be visits of one patient",
                {"visits": self.numbered[case.patient]},
                "Write patients and visits into a manifest (volumetry manifest).",
            )
        return self._contradiction(case, first)

    def _contradiction(self, case: Case, first: str) -> VolumetryError | None:
        """Return in what the name of a file contradicts its folder; None where it does not."""
        if not case.trace:
            return None
        if {side_of_file(image_stem(case.trace)), side_of_folders(case.trace)} == {"L", "R"}:
            return _contradicted("side-mismatch", case, "side", (case.side, "the other side"))
        if {hemisphere_of(image_stem(case.trace)), side_of_name(case.lesion)} == {"L", "R"}:
            return _contradicted("side-mismatch", case, "side", ("hemi", "label"))
        named, folder = bids_contradiction(case.trace) or ("", "")
        if named.startswith("sub-") and not self.rules.patient:
            return _contradicted("patient-unclear", case, "patient", (named, folder))
        if named.startswith("ses-") and not self.rules.visit:
            return _contradicted("visit-unclear", case, "visit", (named, folder))
        template = template_of_name(case.trace)
        if template and template_of_name(case.scan) != template:
            return VolumetryError(
                "grid-mismatch",
                "the mask lies in the space of a template, where a volume is not that of the patient",
                where=case.trace,
                values={"space": template},
                todo="Transform the mask back to the image of the patient.",
            )
        of_folder = patient_of_folder(first)
        if case.patient not in (first, of_folder[0]):
            return None
        stem = stem_before_mask(case.trace) or image_stem(case.trace)
        other = "" if self.rules.patient else self._other_patient(stem, case.patient)
        if other:
            return _contradicted("patient-unclear", case, "patient", (other, first))
        days = date_of_name(case.visit), date_of_name(of_folder[1])
        if all(days) and days[0] != days[1] and not self.rules.visit:
            return _contradicted("visit-unclear", case, "visit", (case.visit, first))
        parts = parts_of_name(stem)
        if parts is None or self.rules.visit or parts.visit.casefold() == case.visit.casefold():
            return None
        if parts.visit in self.visits.get(_who(case), ()):
            return _contradicted("visit-unclear", case, "visit", (parts.visit, case.visit))
        return None

    def _other_patient(self, stem: str, own: str) -> str:
        """The patient, other than its folder, that a file's name begins with; else empty.

        That is one of the study, or one that differs from the folder in its number alone: ``P2`` in ``P1``.
        """
        starts = [stem[: mark.start()] for mark in re.finditer(r"[_\-. ]|$", stem)]
        if own.casefold() in map(str.casefold, starts):
            return ""
        patients = (start for start in starts if start.casefold() in self.patients or _is_alike(start, own))
        return next((start for start in patients if not _SMALL_NUMBER.match(start)), "")


def doubted_names(cases: Iterable[Case], rules: IdentitySection) -> Iterator[Case]:
    """Yield the cases, those whose patient is not believed with an error.

    Parameters
    ----------
    cases : collection of Case
        All of a study; they are gone through twice.
    rules : IdentitySection
        What the protocol says of patients is not doubted.
    """
    doubts, told = NameDoubts.of(cases, rules), set[str]()
    for case in cases:
        error = None if case.error else doubts.about(case)
        if error is not None:
            if not (case.besides and case.trace in told):  # else its named labels have said why
                yield replace(case, error=error)
            told.add(case.trace)
        elif case.trace and case.form == "mask" and (is_of_template(case.trace) or is_of_template(case.scan)):
            yield replace(case, conflicts=(*case.conflicts, "template-space"))
        else:
            yield case


def _of_several(
    cases: Iterable[Case], visited: set[str], placed: set[str]
) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """The visits, and the data sets, of the patients who have several of them."""
    visits: dict[str, set[str]] = {who: set() for who in visited}
    places: dict[str, set[str]] = {who: set() for who in placed}
    for case in cases if visited or placed else ():
        if not _is_named_by_files(case):
            continue
        if _who(case) in visits:
            visits[_who(case)].add(case.visit)
        if _who(case) in places and _is_placed(case) and (place := _data_set(case)) is not None:
            places[_who(case)].add(place)
    return visits, places


def _who(case: Case) -> str:
    return f"{case.site}\0{case.patient}"


def _is_placed(case: Case) -> bool:
    """Whether where a file lies says to which data set its patient belongs: images of BIDS may lie apart."""
    return bool(case.trace) or not case.patient.startswith("sub-")


def _is_named_by_files(case: Case) -> bool:
    """Whether a case is a mask, or an image of which names of files and folders alone say whose it is."""
    return case.form == "mask" and bool(
        case.trace or not (case.patient_id or case.study_uid or case.series_uid)
    )


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


def _is_alike(name: str, own: str) -> bool:
    return _DIGITS.sub("0", name) == _DIGITS.sub("0", own) and any(c.isdigit() for c in own)


def _inner_name(case: Case) -> str:
    """What may name a patient below the folder of a visit: a folder, or the image of the mask's name."""
    names = folders_below_visit(case.trace)
    if case.scan and not case.described:
        names.append(stem_of(case.scan))
    found = (_ID.match(name) for name in names)
    ids = [matched[0] for matched in found if matched and not is_visit_name(matched[0])]
    return next((name for name in ids if name.isdecimal() or not is_image_word(name.casefold())), "")


def _may_be_patients_below(inner: Mapping[str, Mapping[str, set[str]]]) -> dict[str, set[str]]:
    """First folders without a number that hold visits in which no name is that of another visit."""
    found: dict[str, set[str]] = {}
    for first, by_visit in inner.items():
        names = [name for own in by_visit.values() for name in own]
        is_folder_of_group = not any(c.isdigit() for c in first)
        if is_folder_of_group and len(by_visit) > 1 and all(names) and len(names) == len(set(names)):
            found[first] = set(names)
    return found


def _contradicted(code: str, case: Case, what: str, said: tuple[str, str]) -> VolumetryError:
    return VolumetryError(
        code,
        f"the name of the file says another {what} than its folder",
        where=case.trace,
        values={"name": said[0], "folder": said[1]},
        todo=f"Move or rename the file, or write its {what} into a manifest (volumetry manifest).",
    )


def _beginning(case: Case) -> str:
    """What a file's name begins with before its visit, where that may be a patient; else empty."""
    parts = parts_of_name(image_stem(case.trace) if case.trace else stem_of(case.scan))
    start = "" if parts is None else parts.patient
    return "" if all(map(is_image_word, re.split(r"[\W_]+", start.casefold()))) else start


def _may_be_patients(visits: set[str], group: str) -> bool:
    """Whether folders that are called visits may be patients: ``V001``, not ``month12``.

    Days may be those of birth, or ids of eight digits, below a folder of many.
    """
    if len(visits) > 1 and _MANY.fullmatch(group) and all(map(date_of_name, visits)):
        return True
    return len(visits) > 1 and not any(is_clear_visit_name(visit) or not visit for visit in visits)


def _may_be_visits(words: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Patients called after files in the study folder whose last words may be visits, with these words."""
    found: dict[str, set[str]] = {}
    of_images = {word for own in words.values() for word in own if is_image_word(word.casefold())}
    several = {
        who: left
        for who, own in words.items()
        if len(left := {w for w in own - of_images if not names_a_part(w.casefold())}) > 1
    }
    alike = Counter(map(frozenset, several.values()))
    for who, own in several.items():
        if alike[frozenset(own)] > 1 or all(map(is_plain_visit, own)):
            found |= {
                name: own for word in own for name in (f"{who}_{word}", f"{who}-{word}", f"{who} {word}")
            }
    return found


def _unclear(case: Case, what: str, values: Mapping[str, set[str]], todo: str) -> VolumetryError:
    told = {name: ", ".join(sorted(text or "." for text in found)) for name, found in values.items()}
    return VolumetryError("patient-unclear", what, where=case.trace or case.scan, values=told, todo=todo)
