"""What the lines of a manifest claim together: one tracing is of one lesion, one scan of one patient.

And what contradicts them: cells of one column that were moved against those of the others, as by sorting it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from volumetry.errors import UsageError, VolumetryError
from volumetry.study.cases import Case
from volumetry.study.finding.files import day_of_name, stem_of
from volumetry.study.finding.name_parts import parts_of_name
from volumetry.study.identity import date_of_name

Lined = tuple[int, Case]
"""The number of a line, and its case."""

_SHOWN = 6


def without_double_claims(lines: Sequence[Lined], owners: Mapping[int, str] | None = None) -> list[Case]:
    """Return the cases of a manifest's lines, those that claim what another line claims with an error.

    - One tracing (the same file, label and region) is of one patient, side, lesion, reader and read. What one
      file says of two visits is left to the change, which is not evaluable.
    - A line that names a whole file measures all of its labels, so no other line may name one of them.
    - One series is of one patient, who may have several lesions and readers. A voxel file names no patient:
      an atlas may be the scan of several, and a volume is that of its tracing whatever image it lies on.
    - Images of one PatientID are of one patient where a patient has images of several.
    - A tracing whose path names another patient or visit of the manifest, and not its own, is of neither.

    Parameters
    ----------
    lines : sequence of (int, Case)
    owners : mapping of int to str, optional
        PatientID of the images or tracing of a line.
    """
    errors: dict[int, VolumetryError] = {}
    errors |= _moved_by_path(lines)
    errors |= _moved_by_owner(lines, owners or {})
    for group in _by_scan(lines).values():
        if len({(case.site, case.patient) for _, case in group}) > 1:
            errors |= dict.fromkeys(_numbers(group), _scan_of_several(group))
    for group in _by_file(lines).values():
        parts = {_part(case) for _, case in group}
        if len(parts) > 1 and _WHOLE in parts:
            errors |= dict.fromkeys(_numbers(group), _whole_and_part(group))
            continue
        for part in parts:
            same = [(line, case) for line, case in group if _part(case) == part]
            if _is_claimed_twice([case for _, case in same]):
                errors |= dict.fromkeys(_numbers(same), _tracing_of_several(same))
    return [
        replace(case, error=errors[line].at(case.trace or case.scan)) if line in errors else case
        for line, case in lines
    ]


# -- cells that were moved -----------------------------------------------------------------------------------

_WORD = re.compile(r"[^\W_]+(?:[-.][^\W_]+)*")
_MOST = 0.5
"""A PatientID of more than this part of the patients, three or more, is what an anonymiser gave everybody."""


def _moved_by_owner(lines: Sequence[Lined], owners: Mapping[int, str]) -> dict[int, VolumetryError]:
    """The lines of patients on images of several PatientIDs, one of which is another patient's, too.

    Where patients are called by their PatientIDs, only those lines that contradict it.
    """
    whose: dict[str, set[tuple[str, str]]] = defaultdict(set)
    groups: dict[tuple[str, str], list[Lined]] = defaultdict(list)
    for line, case in lines:
        if case.error is None and owners.get(line):
            whose[owners[line]].add((case.site, case.patient))
            groups[case.site, case.patient].append((line, case))
    sound = {i for i, who in whose.items() if len(who) < 3 or len(who) <= _MOST * len(groups)}
    names = {patient for _, patient in groups}
    errors: dict[int, VolumetryError] = {}
    for group in groups.values():
        ids = {owners[line] for line, _ in group} & sound
        shared = {i for i in ids if len(whose[i]) > 1}
        if len(ids) < 2 or not shared:
            continue
        own = group[0][1].patient
        met = [other for i in shared for who in whose[i] for other in groups[who]]
        for line, case in {line: (line, case) for line, case in (*group, *met)}.values():
            is_own = case.patient == owners[line]
            if owners[line] in sound and not (is_own and {own, *ids} <= names):
                errors[line] = _of_another("patient-unclear", "PatientID of its images", [(line, case)])
    return errors


def _moved_by_path(lines: Sequence[Lined]) -> dict[int, VolumetryError]:
    """The lines whose tracing has a path that says another patient or visit of the manifest."""
    traced = [(line, case) for line, case in lines if case.trace and case.error is None]
    errors: dict[int, VolumetryError] = {}
    by_site: dict[str, list[Lined]] = defaultdict(list)
    for line, case in traced:
        by_site[case.site].append((line, case))
    for group in by_site.values():
        patients = {case.patient for _, case in group}
        for line, case in _naming_another(group, [case.patient for _, case in group], patients):
            errors[line] = _of_another("patient-unclear", "path of the tracing", [(line, case)])
        visits = {case.visit for _, case in group}
        for line, case in _naming_another(group, [case.visit for _, case in group], visits):
            errors.setdefault(line, _of_another("visit-unclear", "path of the tracing", [(line, case)]))
    return errors


def _naming_another(group: Sequence[Lined], own: Sequence[str], names: Collection[str]) -> list[Lined]:
    """The lines whose path has another of these names and not its own.

    None where a folder tells them apart as the manifest does, under other names: they were renamed.
    """
    known = {name.casefold(): name for name in names if _is_telling(name)}
    if len(known) < 2:
        return []
    found = [_words_of_path(case.trace) & known.keys() for _, case in group]
    if not any(name.casefold() in words for name, words in zip(own, found, strict=True)):
        is_swapped = all(found) and {word for words in found for word in words} == known.keys()
        if not is_swapped:
            return []
    if _is_renamed([case.trace for _, case in group], own, known.keys()):
        return []
    return [
        lined
        for lined, name, words in zip(group, own, found, strict=True)
        if words and _is_telling(name) and name.casefold() not in words
    ]


def _is_telling(name: str) -> bool:
    """Whether a name is not found in a path by chance: short numbers count much."""
    return len(name) > 1 and not (name.isdecimal() and len(name) < 3)


def _words_of_path(path: str) -> set[str]:
    places = path.casefold().split("/")
    return {*places, *(word for place in places for word in _WORD.findall(place))}


def _is_renamed(paths: Sequence[str], own: Sequence[str], known: Collection[str]) -> bool:
    """Whether the folders of one level stand for the names one by one, and are other names than these."""
    split = [path.casefold().split("/")[:-1] for path in paths]
    for level in range(min(map(len, split))):
        folders = [places[level] for places in split]
        pairs = set(zip(folders, own, strict=True))
        is_one_by_one = len(pairs) == len(set(folders)) == len(set(own))
        if is_one_by_one and set(folders) != set(known):
            return True
    return False


def _of_another(code: str, what: str, group: Sequence[Lined]) -> VolumetryError:
    name = code.partition("-")[0]
    return VolumetryError(
        code,
        f"the {what} says another {name} of the manifest than its line",
        values=_values(group) | {name: getattr(group[0][1], name)},
        todo=f"Correct the {name} or the files of the line: columns that were sorted alone are the usual "
        f"reason. Where the {name} is right, name the {name}s otherwise than folders are called.",
    )


Part = tuple[int | None, str, tuple[int, ...]]
_WHOLE: Part = (None, "", ())


def _part(case: Case) -> Part:
    """What of a file a case measures: a label, a region, or labels that are joined.

    The region ``2`` of a mask is its label 2.
    """
    if case.label is None and case.form == "mask" and case.roi.isdecimal():
        return int(case.roi), "", case.joined
    return case.label, case.roi, case.joined


def check_visit_dates(lines: Sequence[Lined], dated: Collection[int], path: Path) -> None:
    """Refuse a visit to which lines give several dates.

    A visit may take several days where the files say so: in a date that a file or its name has, its line is
    not doubted.

    Parameters
    ----------
    lines : sequence of (int, Case)
    dated : collection of int
        Lines that give a date.
    path : Path
        The manifest, for the message.

    Raises
    ------
    UsageError
        ``invalid-table`` with the lines.
    """
    visits: dict[tuple[str, ...], list[Lined]] = defaultdict(list)
    for line, case in lines:
        if line in dated and case.visit:
            visits[case.site, case.patient, case.visit].append((line, case))
    for group in visits.values():
        days = sorted({case.study_date for _, case in group})
        if len(days) > 1 and not all(case.study_date in _own_dates(case) for _, case in group):
            raise UsageError(
                "invalid-table",
                "one visit has several dates in study_date",
                where=path,
                values=_values(group) | {"study_date": lines_told(days)},
                todo="Write the same date in all lines of a visit, or name the visits apart.",
            )


def _own_dates(case: Case) -> set[str]:
    """The dates that the files of a case say: the StudyDate, and those in names of files and folders."""
    return {case.scan_date, *dates_of_path(case.trace), *dates_of_path(case.scan)}


def dates_of_path(path: str) -> set[str]:
    """Return the ISO dates that the names of a file and its folders say."""
    places = set(path.split("/"))
    names = {stem_of(place) for place in places} | places
    return {*map(date_of_name, names), *map(day_of_name, names), *map(_visit_day, names)} - {""}


def _visit_day(name: str) -> str:
    parts = parts_of_name(name)
    return date_of_name(parts.visit) if parts is not None else ""


def _is_claimed_twice(cases: Sequence[Case]) -> bool:
    """Whether cases with one tracing differ in more than their visit, or are of one visit."""
    names = {(c.site, c.patient, c.side, c.lesion, c.reader, c.read) for c in cases}
    return len(names) > 1 or len({case.visit for case in cases}) < len(cases)


def _by_file(lines: Iterable[Lined]) -> Mapping[str, list[Lined]]:
    found: dict[str, list[Lined]] = defaultdict(list)
    for line, case in lines:
        if case.trace and case.error is None:
            found[case.trace].append((line, case))
    return found


def _by_scan(lines: Iterable[Lined]) -> Mapping[tuple[str, ...], list[Lined]]:
    """Lines by their series; a folder of several series, of which tracings name theirs, may be of several."""
    found: dict[tuple[str, ...], list[Lined]] = defaultdict(list)
    for line, case in lines:
        if case.error is None and case.series_uid:
            found[case.scan_files].append((line, case))
    found.pop((), None)
    return found


def _numbers(group: Iterable[Lined]) -> list[int]:
    return [line for line, _ in group]


def lines_told(numbers: Iterable[int | str]) -> str:
    """Return what lines are numbered, or what is in them, as text: ``2, 5 and 7``.

    >>> lines_told([7, 2, 5])
    '2, 5 and 7'
    """
    texts = [str(number) for number in sorted(numbers)]
    if len(texts) > _SHOWN:
        texts = [*texts[:_SHOWN], f"{len(texts) - _SHOWN} more"]
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))


def _values(group: Sequence[Lined]) -> dict[str, Any]:
    return {"lines": lines_told(_numbers(group))}


def _scan_of_several(group: Sequence[Lined]) -> VolumetryError:
    return VolumetryError(
        "patient-unclear",
        "the manifest names one scan for several patients",
        values=_values(group),
        todo="Write the scan of every patient.",
    )


def _whole_and_part(group: Sequence[Lined]) -> VolumetryError:
    return VolumetryError(
        "ambiguous-lesion",
        "one line of the manifest names a whole file, another one a label or region of it",
        values=_values(group),
        todo="Write label or roi into all lines of the file.",
    )


def _tracing_of_several(group: Sequence[Lined]) -> VolumetryError:
    cases = [case for _, case in group]
    differing: dict[str, set[Any]] = {
        "patients": {(case.site, case.patient) for case in cases},
        "sides": {case.side for case in cases},
        "lesions": {case.lesion for case in cases},
        "readers": {case.reader for case in cases},
        "reads": {case.read for case in cases},
    }
    several = [name for name, values in differing.items() if len(values) > 1]
    if all(case == cases[0] for case in cases):
        return VolumetryError(
            "ambiguous-lesion",
            "lines of the manifest are equal",
            values=_values(group),
            todo="Delete all of them but one.",
        )
    return VolumetryError(
        "ambiguous-lesion",
        f"the manifest names one tracing for several {' and '.join(several)}"
        if several
        else "the manifest names one tracing several times for one visit",
        values=_values(group),
        todo="Write the tracing, or the label or roi, of every line; delete a line that is there twice.",
    )
