"""What the lines of a manifest claim together: one tracing is of one lesion, one scan of one patient."""

from __future__ import annotations

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


def without_double_claims(lines: Sequence[Lined]) -> list[Case]:
    """Return the cases of a manifest's lines, those that claim what another line claims with an error.

    - One tracing (the same file, label and region) is of one patient, side, lesion, reader and read. What one
      file says of two visits is left to the change, which is not evaluable.
    - A line that names a whole file measures all of its labels, so no other line may name one of them.
    - One series is of one patient, who may have several lesions and readers. A voxel file names no patient:
      an atlas may be the scan of several, and a volume is that of its tracing whatever image it lies on.
    """
    errors: dict[int, VolumetryError] = {}
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
    return VolumetryError(
        "ambiguous-lesion",
        f"the manifest names one tracing for several {' and '.join(several)}"
        if several
        else "the manifest names one tracing several times for one visit",
        values=_values(group),
        todo="Write the tracing, or the label or roi, of every line; delete a line that is there twice.",
    )
