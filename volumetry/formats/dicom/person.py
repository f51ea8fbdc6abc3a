"""Of whom and of which day images are: compared in memory, and written nowhere.

PatientID is the key of a study, and anonymisers write one for everybody. What else a header says of a person
(name, birth date, sex, issuer of the number, number in a trial, age) can contradict it, and is read for that
alone.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations
from pathlib import Path

from volumetry.errors import ReadError
from volumetry.formats.dicom.body_parts import zones_of
from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.file.elements import DicomElements, walk_file
from volumetry.formats.dicom.file.selection import ElementSelection
from volumetry.formats.dicom.file.values import iso_date
from volumetry.formats.dicom.index import read_header
from volumetry.formats.opening import open_regular
from volumetry.formats.side_words import SaidSide, said_side

_SELECTION = ElementSelection(
    tags=(
        tags.ImageType,
        tags.StudyDate,
        tags.SeriesDate,
        tags.AcquisitionDate,
        tags.AcquisitionDateTime,
        tags.StudyDescription,
        tags.SeriesDescription,
        tags.ProtocolName,
        tags.IssuerOfPatientID,
        tags.PatientName,
        tags.PatientBirthDate,
        tags.PatientSex,
        tags.PatientAge,
        tags.ClinicalTrialProtocolID,
        tags.ClinicalTrialSubjectID,
        tags.ClinicalTrialSubjectReadingID,
        tags.NumberOfFrames,
        tags.BodyPartExamined,
    )
)
_OF_FRAMES = ElementSelection(tags=(), sequences=frozenset({tags.SharedFunctionalGroupsSequence}))
_SALT = secrets.token_bytes(16)
_NO_DATES = {"", "0", "00000000", "00010101", "19000101", "18000101", "99999999"}
_CLOCK_STARTS = {"1900-01-01", "1970-01-01", "1980-01-01", "2000-01-01"}
"""Days that anonymisers and clocks without battery write."""
_PLACEHOLDER = re.compile(
    r"(?:anon\w*|de-?id(?:entified)?|redacted|removed|hidden|unknown|none|null|n/?a|no[-_ ]?(?:name|id)"
    r"|patient|subject|test|dummy|pseudo\w*|id|nn|x+(?:[-_. ]x+)*|0+|9{4,}|[\W_]+)?[-_^ ]*",
    re.IGNORECASE,
)
_DAYS_OF_UNITS = {"D": 1.0, "W": 7.0, "M": 30.44, "Y": 365.25}
_OLDEST_YEARS = 89
"""Ages from here on are often written as one, because they are rare."""
_YEAR_DAYS = 365.25
_MANY_BYTES = 1 << 22
"""Enough pixels to tell images apart."""


def is_placeholder(text: str) -> bool:
    """Return whether a PatientID, or another name of a person, is what anonymisers write for everybody.

    >>> [is_placeholder(text) for text in ("ANON", "0000", "P1")]
    [True, True, False]
    """
    return _PLACEHOLDER.fullmatch(text) is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class PersonMarks:
    """What stands for what a header says of its person and day.

    A mark is of this process alone: a salted hash, from which nothing can be read; 0 where the file does not
    say it, or an anonymiser has put something in its place.

    Attributes
    ----------
    born, sex, issuer : int
        Marks of PatientBirthDate, PatientSex and IssuerOfPatientID.
    names : frozenset of int
        Marks of the words of PatientName; empty where it is one word without a number.
    trial, subject, reading : int
        Marks of ClinicalTrialProtocolID, ClinicalTrialSubjectID and ClinicalTrialSubjectReadingID.
    acquired : str
        ISO day on which the images were made: AcquisitionDate, else AcquisitionDateTime, else SeriesDate of
        images that are not derived.
    day : str
        ISO day of the study: StudyDate, else `acquired`.
    age_days : (int, float) or None
        PatientAge as a number and the days of its unit.
    side : SaidSide
        FrameLaterality of all frames, else what the descriptions of series, protocol, study and part of the
        body say.
    is_unborn : bool
        Whether the study is dated before the birth of its patient, so that one of the days is wrong.
    zones : frozenset of str
        Where in the body BodyPartExamined lies, as `volumetry.formats.dicom.body_parts` names it.
    """

    born: int = 0
    sex: int = 0
    issuer: int = 0
    names: frozenset[int] = frozenset()
    trial: int = 0
    subject: int = 0
    reading: int = 0
    acquired: str = ""
    day: str = ""
    age_days: tuple[int, float] | None = None
    side: SaidSide = field(default=SaidSide())
    is_unborn: bool = False
    zones: frozenset[str] = frozenset()

    @property
    def age_years(self) -> int:
        """PatientAge in full years; 0 where it is not said in years."""
        return self.age_days[0] if self.age_days and self.age_days[1] == _YEAR_DAYS else 0


def person_marks(path: Path | str) -> PersonMarks:
    """Return what stands for what a file says of its person and day; the file passed the guarded walk.

    Nothing is said by a file that cannot be read.
    """
    try:
        elements = walk_file(path, _SELECTION)
        side = _side(elements)
    except (ReadError, OSError):
        return PersonMarks()
    born, sex = _text(elements, tags.PatientBirthDate), _text(elements, tags.PatientSex)
    is_day = born not in _NO_DATES and born.isdecimal() and not born.endswith("0101")
    acquired = _acquired(elements)
    day = iso_date(_text(elements, tags.StudyDate)) or acquired
    return PersonMarks(
        born=_mark(born) if is_day else 0,
        sex=_mark(sex) if sex in ("F", "M") else 0,
        issuer=_name_mark(elements, tags.IssuerOfPatientID),
        names=_marks_of_name(_text(elements, tags.PatientName)),
        trial=_name_mark(elements, tags.ClinicalTrialProtocolID),
        subject=_name_mark(elements, tags.ClinicalTrialSubjectID),
        reading=_name_mark(elements, tags.ClinicalTrialSubjectReadingID),
        acquired=acquired,
        day=day,
        age_days=_age(_text(elements, tags.PatientAge)),
        side=side,
        is_unborn=is_day and "" < day < iso_date(born),
        zones=zones_of(_text(elements, tags.BodyPartExamined)),
    )


def marks_said(number: str, born: str, sex: str, part: str, side: SaidSide) -> PersonMarks:
    """Return what stands for PatientID, PatientBirthDate, PatientSex and BodyPartExamined, as texts."""
    day = born.replace("-", "").strip()
    is_day = day not in _NO_DATES and day.isdecimal() and not day.endswith("0101")
    name = " ".join(number.casefold().split())
    return PersonMarks(
        born=_mark(day) if is_day else 0,
        sex=_mark(sex) if sex in ("F", "M") else 0,
        subject=0 if not name or is_placeholder(name) else _mark(name),
        side=side,
        zones=zones_of(part),
    )


def may_be_several(marks: Sequence[PersonMarks]) -> bool:
    """Return whether files with these marks cannot be of one person.

    - Two birth dates, sexes or issuers of the PatientID.
    - Two numbers of one trial.
    - Two names that have no word in common: one of them changes with marriage, or is spelled otherwise.
    - Ages that do not fit the days between them by more than a year, or by more than they are rounded; equal
      birth dates count more.
    """
    for name in ("born", "sex", "issuer"):
        if len({getattr(mark, name) for mark in marks} - {0}) > 1:
            return True
    names = {mark.names for mark in marks} - {frozenset()}
    has_common_word = bool(names) and bool(frozenset.intersection(*names))
    if not has_common_word and any(not first & second for first, second in combinations(names, 2)):
        return True
    for trial in {mark.trial for mark in marks}:
        for name in ("subject", "reading"):
            if len({getattr(mark, name) for mark in marks if mark.trial == trial} - {0}) > 1:
                return True
    return not all(mark.born for mark in marks) and _ages_contradict(marks)


def image_marks(path: Path | str) -> tuple[str, str]:
    """Return SOPInstanceUID of an image, and the hash of its pixels as stored; empty where not readable."""
    try:
        header = read_header(path)
        if header.pixel is None:
            return "", ""
        descriptor, _ = open_regular(path)
        try:
            pixels = os.pread(descriptor, min(header.pixel.length_bytes, _MANY_BYTES), header.pixel.offset)
        finally:
            os.close(descriptor)
        return header.sop_instance_uid or "", hashlib.sha256(pixels).hexdigest()
    except (ReadError, OSError):
        return "", ""


def _ages_contradict(marks: Iterable[PersonMarks]) -> bool:
    """Whether no day of birth fits all ages: each says one year, or another unit, of it."""
    said = [(date.fromisoformat(m.day), *m.age_days) for m in marks if m.day and m.age_days is not None]
    if len(said) < 2:
        return False
    numbers = [number for _, number, unit in said if unit == _YEAR_DAYS]
    rounded = next((n for n in (10, 5) if numbers and not any(number % n for number in numbers)), 0)
    latest = min(day.toordinal() - number * unit for day, number, unit in said)
    earliest = max(day.toordinal() - (number + 1) * unit for day, number, unit in said)
    return earliest - latest > (1 + rounded) * _YEAR_DAYS


def _age(text: str) -> tuple[int, float] | None:
    """PatientAge (``034Y``) as a number and the days of its unit; None where it says nothing."""
    matched = re.fullmatch(r"(\d{1,3})([DWMY])", text)
    if matched is None:
        return None
    number, unit = int(matched[1]), _DAYS_OF_UNITS[matched[2]]
    return None if number == 0 or number * unit >= _OLDEST_YEARS * _YEAR_DAYS else (number, unit)


def _side(elements: DicomElements) -> SaidSide:
    """The side of all frames, else what descriptions say."""
    is_enhanced = elements.raw(tags.NumberOfFrames) is not None  # others are walked at once
    groups = walk_file(elements.path, _OF_FRAMES).sequences if is_enhanced else {}
    for shared in groups.get(tags.SharedFunctionalGroupsSequence, []):
        for anatomy in shared.get(tags.FrameAnatomySequence) or ():
            side = (anatomy.get(tags.FrameLaterality) or b"").decode("latin-1").strip(" \0")
            if side in ("L", "R"):
                return SaidSide(side=side)
    of_series = (tags.SeriesDescription, tags.ProtocolName)
    of_more = (tags.StudyDescription, tags.BodyPartExamined)
    return said_side(
        tuple(_description(elements, tag) for tag in of_series),
        tuple(_description(elements, tag) for tag in of_more),
    )


def _description(elements: DicomElements, tag: int) -> str:
    """A description as text: UTF-8, else Latin-1, which knows all bytes."""
    raw = elements.raw(tag) or b""
    try:
        return raw.decode("utf-8").strip(" \0")
    except UnicodeDecodeError:
        return _text(elements, tag)


def _acquired(elements: DicomElements) -> str:
    said = [_text(elements, tags.AcquisitionDate), _text(elements, tags.AcquisitionDateTime)[:8]]
    if not _text(elements, tags.ImageType).upper().startswith("DERIVED"):
        said.append(_text(elements, tags.SeriesDate))  # of derived images, the day on which they were derived
    days = map(iso_date, said)
    return next((day for day in days if day and day not in _CLOCK_STARTS), "")


def _text(elements: DicomElements, tag: int) -> str:
    return (elements.raw(tag) or b"").decode("latin-1").strip(" \0")


def _name_mark(elements: DicomElements, tag: int) -> int:
    name = " ".join(_text(elements, tag).casefold().split())
    return 0 if not name or is_placeholder(name) else _mark(name)


def _marks_of_name(text: str) -> frozenset[int]:
    """Marks of the words of a name; a name of one word is compared where it is a number, as of a subject."""
    words = re.findall(r"\w+", text.casefold())
    is_said = len(words) > 1 or any(c.isdecimal() for word in words for c in word)
    return frozenset(map(_mark, words)) if is_said and not is_placeholder("_".join(words)) else frozenset()


def _mark(text: str) -> int:
    return hash((_SALT, text)) or 1
