"""Who, when and which: the names by which tracings are told apart and put in order.

A tracing is of one site, patient, visit, side, lesion, reader and read. What the input does not say is not
guessed: visits whose order is unknown make no class, two tracings of equal names are two reads only where
somebody said so, and one PatientID in several patients' folders is not believed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from typing import Any

from volumetry.errors import VolumetryError
from volumetry.formats.lesion_names import side_of_name
from volumetry.study.cases import Case
from volumetry.study.protocol import IdentitySection, folder_number

TIME_WORDS = ("month", "week", "day", "year", "visit", "v", "t", "tp", "ses", "fu")
"""Words after which a number says the place of a visit in time."""

_NUMBERED = re.compile(
    rf"(?:ses-(?=[a-z]))?(?P<word>{'|'.join(sorted(TIME_WORDS, key=len, reverse=True))})s?"
    r"(?P<mark>[-_. ]?)(?P<number>\d{1,5})",
    re.IGNORECASE,
)
_DATED = re.compile(r"(?:ses-)?(\d{4})([-_.]?)(\d{2})\2(\d{2})")
_CLEAR_VISIT = re.compile(
    r"(?:ses-)?(?:(?:pre|post)(?:[-_ ]?op)?|base ?line|screening|follow[-_ ]?up"
    r"|(?:months?|weeks?|years?|visits?)[-_. ]?\d)[-_ ]?\d{0,4}",
    re.IGNORECASE,
)
_VISIT_WORDS = re.compile(
    r"(?:ses-)?(?:pre|post|base ?line|bl|screening|follow[-_ ]?up|fu|initial|final|first|last)\w{0,4}",
    re.IGNORECASE,
)


# -- visits -------------------------------------------------------------------------------------------------


def date_of_name(visit: str) -> str:
    """Return the ISO date of a visit named ``2024-03-02``, ``20240302`` or ``ses-20240302``; else empty."""
    matched = _DATED.fullmatch(visit)
    if matched is None:
        return ""
    year, _, month, day = matched.groups()
    try:
        found = date(int(year), int(month), int(day))
    except ValueError:
        return ""
    return found.isoformat() if 1900 <= found.year <= 2100 else ""


def number_of_name(visit: str) -> tuple[str, int] | None:
    """Return time word and number of a visit named ``month12``, ``v1`` or ``ses-02``; None for others."""
    matched = _NUMBERED.fullmatch(visit)
    return None if matched is None else (matched["word"].lower(), int(matched["number"]))


def is_visit_name(name: str) -> bool:
    """Return whether a folder's name is clearly one of a visit, not of a patient."""
    return bool(date_of_name(name) or number_of_name(name) or _VISIT_WORDS.fullmatch(name))


@dataclass(frozen=True, kw_only=True)
class VisitOrder:
    """The visits of one patient in order.

    Attributes
    ----------
    ranks : mapping of visit name to rank
        0 the first; empty where the order is not known.
    by : str
        ``protocol``, ``dates``, ``numbers``, ``unknown``; empty for a single visit, whose order needs no
        reason.
    """

    ranks: Mapping[str, int]
    by: str

    @property
    def is_known(self) -> bool:
        """Whether there is an order."""
        return self.by != "unknown"


def order_of_visits(
    dates: Mapping[str, str],
    declared: Sequence[str] = (),
    given: Mapping[str, int] | None = None,
) -> VisitOrder:
    """Return the order of the visits of one patient.

    Parameters
    ----------
    dates : mapping of visit name to ISO date, empty where unknown
    declared : sequence of str
        The protocol's order.
    given : mapping of visit name to number, optional
        The order a manifest gives.

    Notes
    -----
    The protocol's or manifest's order where it names every visit; else the dates where every visit has one
    and no two are equal; else numbers after one time word that all names share. Else the order is unknown:
    names are not sorted, and ``day-7`` beside ``day28`` may be a week before.

    Examples
    --------
    >>> order_of_visits({"month12": "", "month2": ""}).ranks
    {'month2': 0, 'month12': 1}
    >>> order_of_visits({"pre": "", "post": ""}).by
    'unknown'
    """
    known = {visit: day or date_of_name(visit) for visit, day in dates.items()}
    numbers = {visit: number_of_name(visit) for visit in dates}
    words = {found[0] for found in numbers.values() if found}
    if _may_be_minus(dates):
        words = set()
    candidates: tuple[tuple[str, dict[str, Any]], ...] = (
        ("protocol", {visit: declared.index(visit) for visit in dates if visit in declared}),
        ("protocol", {visit: number for visit, number in (given or {}).items() if visit in dates}),
        ("dates", {visit: day for visit, day in known.items() if day}),
        ("numbers", {v: found[1] for v, found in numbers.items() if found} if len(words) == 1 else {}),
    )
    for by, places in candidates:
        if places and len(places) == len(set(places.values())) == len(dates):
            ordered = sorted(places, key=lambda visit: places[visit])
            return VisitOrder(ranks={visit: rank for rank, visit in enumerate(ordered)}, by=by)
    if len(dates) <= 1:
        return VisitOrder(ranks=dict.fromkeys(dates, 0), by="")
    return VisitOrder(ranks={}, by="unknown")


def _may_be_minus(visits: Iterable[str]) -> bool:
    """Whether a hyphen before the number may be a minus: some names have one, and others have none."""
    marks = {matched["mark"] == "-" for visit in visits if (matched := _NUMBERED.fullmatch(visit))}
    return len(marks) > 1


def first_days(days: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return the first day of every visit; empty where the days of two visits overlap.

    >>> first_days({"a": ["2020-01-01", "2020-06-01"], "b": ["2020-03-01"]})
    {'a': '', 'b': ''}
    """
    spans = {visit: (known[0], known[-1]) for visit, own in days.items() if (known := sorted(own))}
    unclear: set[str] = set()
    for first, last in spans.values():
        if first != last:
            met = {other for other, (begin, end) in spans.items() if first <= end and begin <= last}
            unclear |= met if len(met) > 1 else set()
    return {visit: spans[visit][0] if visit in spans and visit not in unclear else "" for visit in days}


def unknown_order_message(visits: Iterable[str]) -> str:
    """Return the sentence that says that the order of visits is unknown, and what to do."""
    named = ", ".join(repr(visit) for visit in sorted(visits))
    return (
        f"the order of the visits {named} is not known, so no change is computed. Give their order as visits "
        "in [study] of the protocol, or their dates as study_date in a manifest."
    )


# -- reads --------------------------------------------------------------------------------------------------

Key = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A tracing and the lesion it claims to be of.

    Attributes
    ----------
    key : tuple of str
        Site, patient, side, lesion, visit, reader.
    trace : str
        The traced file.
    read : int or None
        Number of the read, where somebody said so.
    form : str
        ``trace``, ``rtstruct``, ``seg`` or ``mask``.
    version, parent : str
        Hash of a native trace, and of the one that it was edited from.
    """

    key: Key
    trace: str
    read: int | None = None
    form: str = "mask"
    version: str = ""
    parent: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What becomes of a claim: its number as a read, or that another one counts, or a message why neither."""

    read: int = 1
    counts: bool = True
    message: str = ""


def settle_reads(claims: Sequence[Claim], prefer: Sequence[str] = ()) -> list[Verdict]:
    """Return what becomes of every claim, in the order given.

    Claims of different keys do not touch each other. Of those with one key, a native trace replaces the one
    it was edited from; then the form that comes first in `prefer` counts; then reads that are numbered apart
    are reads. What is still equal is ambiguous, all of it.
    """
    verdicts = [Verdict() for _ in claims]
    places: dict[Key, list[int]] = defaultdict(list)
    for place, claim in enumerate(claims):
        places[claim.key].append(place)
    for group in places.values():
        parents = {claims[place].parent for place in group} - {""}
        left = [place for place in group if claims[place].version not in parents] or group
        forms = {claims[place].form for place in left}
        best = next((form for form in prefer if form in forms), None) if len(forms) > 1 else None
        if best is not None:
            left = [place for place in left if claims[place].form == best]
        for place in set(group) - set(left):
            verdicts[place] = Verdict(counts=False)
        reads = [claims[place].read for place in left]
        if len(left) > 1 and (None in reads or len(set(reads)) < len(reads)):
            message = _ambiguous(claims[place].trace for place in left)
            for place in left:
                verdicts[place] = Verdict(message=message)
        else:
            for place in left:
                verdicts[place] = Verdict(read=claims[place].read or 1)
    return verdicts


def _ambiguous(traces: Iterable[str]) -> str:
    named = list(traces)
    files = ", ".join(sorted(set(named)))
    return (
        f"{len(named)} tracings claim one patient, visit, side, lesion and reader, and nothing says that "
        f"they are two reads: {files}. Name their sides or lesions, number them in the column read of a "
        "manifest, or say in [tracings] prefer of the protocol which form counts."
    )


def differently_named_message(traces: Iterable[str]) -> str:
    """Return the sentence that says that masks of a patient may be of several lesions, and what to do."""
    return (
        "the names of the masks differ, and nothing says that they are of one lesion: "
        f"{', '.join(traces)}. Name their lesions in the column lesion of a manifest (volumetry manifest)."
    )


# -- patients and visits of DICOM files ---------------------------------------------------------------------


def named_by_folders(case: Case, rules: IdentitySection) -> Case:
    """Return a case with site, patient and visit as ``[identity]`` of the protocol says."""
    path = _folders(case)
    changes: dict[str, Any] = {}
    for name, rule in (("site", rules.site), ("patient", rules.patient), ("visit", rules.visit)):
        number = folder_number(rule)
        if number is not None and number > len(path):
            changes["error"] = VolumetryError(
                "visit-unclear" if name == "visit" else "patient-unclear",
                f"the file does not lie in a folder {number} levels below the study folder",
                where=case.trace or case.scan,
                todo=f"Correct [identity] {name} in the protocol.",
            )
        elif number is not None:
            changes[name] = path[number - 1]
    if rules.patient == "PatientID" and case.patient_id:
        changes["patient"] = case.patient_id
    if rules.visit == "StudyDate" and case.study_date:
        changes["visit"] = case.study_date
    if rules.visit == "StudyInstanceUID" and case.study_uid:
        changes["visit"] = case.study_uid
    return replace(case, **changes) if changes else case


def doubted(cases: Sequence[Case], rules: IdentitySection) -> list[Case]:
    """Return the cases, those of DICOM files whose patient or visit is not believed with an error.

    One PatientID under several first folders is believed where the folders are named as visits are. One
    date for several StudyInstanceUIDs is not believed for tracings. First folders that are all named as
    visits are no patients.
    """
    folders: dict[str, set[str]] = defaultdict(set)
    studies: dict[tuple[str, str], set[str]] = defaultdict(set)
    for case in cases:
        if _is_doubtful(case, rules.patient):
            folders[case.patient].add(_first_folder(case))
        if case.study_uid and case.trace and not case.error and case.visit == case.study_date:
            studies[case.patient, case.visit].add(case.study_uid)
    several = {
        patient
        for patient, names in folders.items()
        if len(names) > 1 and not all(is_visit_name(name) for name in names)
    }
    swapped = _visits_as_patients(cases, rules)
    places = _places_of_patients(cases, rules)
    drawn: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        if case.form == "trace" and case.patient_id and not rules.patient:
            drawn[case.patient].add(case.patient_id)
    result = []
    for case in cases:
        error = None
        if swapped and case.patient in swapped and case.patient == _first_folder(case):
            error = _unclear_folders(case, swapped)
            case = replace(case, visit="")  # its second folder, which may be the patient's name
        elif case.trace and len(places[case.patient]) > 1:
            error = _unclear_site(case, places[case.patient])
        elif case.form == "trace" and len(drawn[case.patient]) > 1:
            error = _drawn_on_several(case, len(drawn[case.patient]))
        elif _is_doubtful(case, rules.patient) and case.patient in several:
            error = _unclear_patient(case, folders[case.patient])
        elif not rules.visit and case.trace and case.study_uid and case.visit == case.study_date:
            same = studies.get((case.patient, case.visit), set())
            error = _unclear_visit(case, len(same)) if len(same) > 1 else None
        result.append(case if error is None or case.error else replace(case, error=error))
    return result


def _is_doubtful(case: Case, rule: str) -> bool:
    return not rule and bool(case.patient_id) and case.patient == case.patient_id


def _first_folder(case: Case) -> str:
    parts = (case.trace or (case.scan_files[0] if case.scan_files else case.scan)).split("/")
    return parts[0] if len(parts) > 1 else ""


def _unclear_patient(case: Case, folders: Iterable[str]) -> VolumetryError:
    return VolumetryError(
        "patient-unclear",
        "one PatientID lies in several first folders, which may be several patients",
        where=case.trace or case.scan,
        values={"folders": ", ".join(sorted(folders))},
        todo='Write patient = "folder:1" or patient = "PatientID" in [identity] of the protocol, or a '
        "manifest.",
    )


def _visits_as_patients(cases: Iterable[Case], rules: IdentitySection) -> set[str]:
    """The first folders after which patients are called, where all of them are clearly named as visits."""
    if rules.patient:
        return set()
    found = {case.patient for case in cases if case.trace and case.patient == _first_folder(case)}
    return found if all(date_of_name(name) or _CLEAR_VISIT.fullmatch(name) for name in found) else set()


def _folders(case: Case) -> list[str]:
    """The folders that hold a case, from the study folder down."""
    return (case.trace or (case.scan_files[0] if case.scan_files else case.scan)).split("/")[:-1]


def _places_of_patients(cases: Iterable[Case], rules: IdentitySection) -> dict[str, set[str]]:
    """Where the tracings of every patient lie, above the folders of patients and beside those of visits."""
    places: dict[str, set[str]] = defaultdict(set)
    number, visit = folder_number(rules.patient), folder_number(rules.visit)
    if number is None or rules.site:
        return places
    for case in cases:
        if case.trace and not case.error:
            above = [name for n, name in enumerate(_folders(case)[: number - 1], start=1) if n != visit]
            places[case.patient].add("/".join(above))
    return places


def _unclear_site(case: Case, places: Iterable[str]) -> VolumetryError:
    return VolumetryError(
        "patient-unclear",
        "one name of a patient lies in several folders, which may be several hospitals",
        where=case.trace,
        values={"folders": ", ".join(sorted(places))},
        todo='Write site = "folder:1" in [identity] of the protocol, or a manifest.',
    )


def _drawn_on_several(case: Case, count: int) -> VolumetryError:
    # Who they are is not repeated: identities of patients are in no message.
    return VolumetryError(
        "patient-unclear",
        "traces in one patient's folder were drawn on images of several patients",
        where=case.trace,
        values={"patients": count},
        todo='Move the traces, or write patient = "folder:1" in [identity] of the protocol.',
    )


def _unclear_folders(case: Case, folders: Iterable[str]) -> VolumetryError:
    return VolumetryError(
        "patient-unclear",
        "the first folders are named as visits, so who the patients are is not known",
        where=case.trace or case.scan,
        values={"folders": ", ".join(sorted(folders))},
        todo='Write patient = "folder:2" and visit = "folder:1" in [identity] of the protocol, or a '
        "manifest; if all is of one patient, name the folder above.",
    )


def _unclear_visit(case: Case, count: int) -> VolumetryError:
    return VolumetryError(
        "visit-unclear",
        "several DICOM studies of the patient have one StudyDate and may be several visits",
        where=case.trace or case.scan,
        values={"StudyDate": case.study_date, "studies": count},
        todo='Write visit = "StudyInstanceUID", "StudyDate" or "folder:2" in [identity] of the protocol, '
        "or a manifest.",
    )


# -- names of files -----------------------------------------------------------------------------------------


def side_of_file(stem: str) -> str:
    """Return the side that a mask's file name says, ``L``, ``R`` or empty: ``left_mask``, ``hemi-R``."""
    hemisphere = re.search(r"(?:^|_)hemi-([LR])(?:_|$)", stem)
    return hemisphere[1] if hemisphere else side_of_name(stem)


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key by which ``month2`` comes before ``month12``; for rows, not for visits."""
    parts: list[tuple[int, int, str]] = []
    for digits, run in groupby(text, key=lambda c: c.isascii() and c.isdigit()):
        word = "".join(run)
        parts.append((0, int(word), "") if digits else (1, 0, word))
    return tuple(parts)
