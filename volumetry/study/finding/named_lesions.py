"""Masks beside each other whose names stand alike at every visit: the names are those of lesions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from volumetry.study.case_table import CaseTable
from volumetry.study.cases import Case
from volumetry.study.finding.names import is_lesion_name
from volumetry.study.hash_index import SeveralValues


def with_names_of_lesions(cases: CaseTable) -> CaseTable:
    """Return the cases; masks that have names of lesions, the same ones at every visit, are these lesions.

    Two masks of one visit such as ``lesion1_mask`` and ``lesion2_mask``, or ``cyst_mask`` and ``tumor_mask``,
    are two lesions if the other visits have both, too. Where a visit has other names, or one of them alone,
    a lesion may have been renamed or numbered anew: nothing is changed, and nothing compared.
    """
    several = SeveralValues()
    for case in cases:
        if _is_named(case):
            several.add("\0".join((*_whose(case), case.visit)), case.described)
    if not several.keys:
        return cases
    of_several = {tuple(key.split("\0")[:-1]) for key in several.keys}
    names: dict[tuple[str, ...], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for case in cases:
        if _is_unnamed(case) and _whose(case) in of_several:
            names[_whose(case)][case.visit].add(case.described)
    alike = {whose for whose, visits in names.items() if _are_alike([*visits.values()])}
    return CaseTable(_named(cases, alike)) if alike else cases


def _are_alike(visits: list[set[str]]) -> bool:
    return all(own == visits[0] for own in visits) and all(map(is_lesion_name, visits[0]))


def _named(cases: CaseTable, alike: set[tuple[str, ...]]) -> Iterator[Case]:
    written: dict[tuple[str, ...], str] = {}
    for case in cases:
        if _is_unnamed(case) and _whose(case) in alike:
            name = written.setdefault((*_whose(case), case.described), _as_written(case))
            yield replace(case, lesion=name, described="")
        else:
            yield case


def _as_written(case: Case) -> str:
    """The name of a lesion as the file writes it: ``L1`` for ``l1``."""
    words = map(re.escape, case.described.split())
    found = re.search(r"[^\w/]*_*".join(words), case.trace, re.IGNORECASE)
    return found[0] if found else case.described


def _is_unnamed(case: Case) -> bool:
    return case.form == "mask" and bool(case.trace) and not case.lesion and case.is_lesion_of_file


def _is_named(case: Case) -> bool:
    return _is_unnamed(case) and bool(case.described)


def _whose(case: Case) -> tuple[str, ...]:
    return (case.site, case.patient, case.side, case.reader)
