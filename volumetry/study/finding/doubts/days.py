"""Which days of a patient's studies are doubted: dates, ages and folders that say different orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import combinations

from volumetry.formats.dicom.person import PersonMarks
from volumetry.study.visit_order import visits_against_names

_FAR_DAYS = 31
"""So far apart, the two dates of a study are not the days before and after midnight."""


def are_in_doubt(studies: Sequence[PersonMarks]) -> bool:
    """Return whether the headers of a patient's studies contradict each other on which of them came first.

    - StudyDate puts one first, and the days on which the images were made (AcquisitionDate) the other; a
      day that all images have says nothing.
    - PatientAge falls.
    - A study is dated before the birth of its patient, or one to come and another not: one was shifted.
    """
    today = date.today().isoformat()
    days = [study.day for study in studies if study.day]
    is_to_come = {day > today for day in days} == {True, False}
    if is_to_come or any(study.is_unborn for study in studies):
        return True
    acquired = [study.acquired for study in studies if study.acquired]
    is_said = len(acquired) == 1 or len(set(acquired)) > 1
    for first, second in combinations(studies, 2):
        if not first.day or not second.day or first.day == second.day:
            continue
        earlier, later = (first, second) if first.day < second.day else (second, first)
        if is_said and (earlier.acquired or earlier.day) > (later.acquired or later.day):
            return True
        if 0 < later.age_years < earlier.age_years:
            return True
    return False


def are_inconsistent(studies: Sequence[PersonMarks], folders: Sequence[str]) -> bool:
    """Return whether something contradicts the StudyDates of a patient, though not their order in headers.

    - The days on which the images were made are not as far apart as the StudyDates.
    - The names of the folders are dates or numbers in another order.

    Parameters
    ----------
    studies : sequence of PersonMarks
    folders : sequence of str
        The folder of a visit for every study; empty where there is none.
    """
    shifts = [_days_between(study.day, study.acquired) for study in studies if study.acquired]
    is_one_day = len({study.acquired for study in studies if study.acquired}) < 2
    if shifts and not is_one_day and max(shifts) - min(shifts) > _FAR_DAYS:
        return True
    days = {folder: study.day for folder, study in zip(folders, studies, strict=True) if folder and study.day}
    return len(days) == len(studies) and bool(visits_against_names(days))


def _days_between(first: str, second: str) -> int:
    return (date.fromisoformat(second) - date.fromisoformat(first)).days
