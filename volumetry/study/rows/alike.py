"""Names of patients and lesions that may be one, written in two ways: they count as two, and that is said."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import groupby

from volumetry.study.hash_index import NameSet

_LEADING_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_OF_A_SPREADSHEET = re.compile(r"(\d+)\.0+")
"""A number that a program has made a decimal of: ``1.0`` for 1."""
_NOT_TELLING = re.compile(r"[\W_]+")
_DATE = re.compile(r"[-_. ]*(?<!\d)(?:19|20)\d{2}([-_.]?)\d{2}\1\d{2}(?!\d)[-_. ]*")
MANIFEST = "a manifest (volumetry manifest)"
_PATIENT_AND_MORE = re.compile(r"(?P<patient>.*\d.*?)[_-][^_-]+")


def plain_name(name: str) -> str:
    """Return a name without what people write now so and now so: case, blanks, marks, leading zeros.

    >>> plain_name("P 01"), plain_name("p1"), plain_name("GTV_a"), plain_name("1.0")
    ('p1', 'p1', 'gtva', '1')
    """
    text = unicodedata.normalize("NFKC", name).casefold().strip()
    text = _OF_A_SPREADSHEET.sub(r"\1", text) if _OF_A_SPREADSHEET.fullmatch(text) else text
    return _LEADING_ZEROS.sub("", _NOT_TELLING.sub("", text))


def names_alike(names: Collection[str]) -> list[tuple[str, ...]]:
    """Return the groups of different names that differ in case, blanks, marks or leading zeros alone.

    >>> names_alike(["P1", "p01", "P2"])
    [('P1', 'p01')]
    """
    return _groups(names, plain_name)


def names_that_begin_alike(names: Collection[str]) -> list[tuple[str, ...]]:
    """Return the groups of names that may be one patient with several visits in it.

    >>> names_that_begin_alike(["P1_wk06", "P1_wk12", "HIP_001", "HIP_002"])
    [('P1_wk06', 'P1_wk12')]
    >>> names_that_begin_alike(["Sato_2024-01-15", "Sato_20240615"])
    [('Sato_2024-01-15', 'Sato_20240615')]
    """
    return _groups(names, _beginning)


def _beginning(name: str) -> str:
    if without_date := _DATE.sub(" ", name).strip() if _DATE.search(name) else "":
        return without_date
    matched = _PATIENT_AND_MORE.fullmatch(name)
    return "" if matched is None else matched["patient"]


def _groups(names: Collection[str], key: Callable[[str], str]) -> list[tuple[str, ...]]:
    """The different names with one key; they are gone through twice, so that few of many are held."""
    seen, twice = NameSet(), NameSet()
    for name, _ in groupby(names):  # they may be those of all cases, in order
        if plain := key(name):
            (twice if plain in seen else seen).add(plain)
    found: dict[str, set[str]] = defaultdict(set)
    for name in names:
        if (plain := key(name)) and plain in twice:
            found[plain].add(name)
    return sorted(tuple(sorted(group)) for group in found.values() if len(group) > 1)


VISITS_IN_NAMES = "If they are visits of one patient, write patient and visit into {}."
"""What to do with names that begin alike."""


def are_renamed(visits: Collection[Collection[tuple[str, ...]]]) -> bool:
    """Return whether every visit has one lesion (side, name, reader), and no two visits have the same.

    Visits that two named readers read are compared.

    >>> are_renamed([{("", "1", "")}, {("", "255", "")}]), are_renamed([{("", "1", "")}, {("", "1", "")}])
    (True, False)
    >>> are_renamed([{("", "1", "A")}, {("", "1", "B")}]), are_renamed([{("", "1", "A")}, {("", "1", "")}])
    (False, True)
    """
    names = {(*name[:2], bool(name[2])) for own in visits for name in own}
    return len(visits) > 1 and all(len(own) == 1 for own in visits) and len(names) == len(visits)


def renamed_message(
    patients: Collection[tuple[str, Mapping[str, str]]], *, shown: bool = True, where: str = MANIFEST
) -> str:
    """Return the sentence that says which patients have one lesion at each visit, and never the same.

    Examples
    --------
    >>> renamed_message([("P1", {"v1": "1", "v2": "255"})])[:58]
    'the one lesion of each visit has another side, name or rea'
    """
    what = "the one lesion of each visit has another side, name or reader at the next: nothing is compared"
    todo = f"Write side, lesion and reader alike in {where} if they are one."
    if not shown:
        return f"{what}: {len(patients)} patients. {todo}"
    told = "; ".join(
        f"{patient} ({', '.join(f'{name or 1!r} at {visit}' for visit, name in sorted(names.items()))})"
        for patient, names in [*patients][:3]
    )
    more = f" and {len(patients) - 3} more patients" if len(patients) > 3 else ""
    return f"{what}: {told}{more}. {todo}"


def alike_message(
    what: str,
    groups: Iterable[tuple[str, ...]],
    *,
    shown: bool = True,
    todo: str = "Name them alike if they are one.",
) -> str:
    """Return the sentence that says which names may be one.

    Parameters
    ----------
    what : str
        ``patients``, ``lesions`` or ``visits``.
    groups : iterable of tuple of str
    shown : bool
        Whether the names may be shown; else they are counted.
    todo : str
        What to do if they are one.

    Examples
    --------
    >>> alike_message("patients", [("P1", "p1")])
    "patients with nearly equal names count as several: 'P1', 'p1'. Name them alike if they are one."
    """
    groups = [*dict.fromkeys(groups)]
    told = "; ".join(", ".join(map(repr, group)) for group in groups[:3]) if shown else f"{len(groups)} times"
    more = f" and {len(groups) - 3} more" if shown and len(groups) > 3 else ""
    return f"{what} with nearly equal names count as several: {told}{more}. {todo}"
