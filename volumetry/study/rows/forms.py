"""One lesion traced in two forms: a mask that names none, beside the only lesion that another file names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from volumetry.study.cases import Case
from volumetry.study.finding.names import bids_who, folder_of, image_stem
from volumetry.study.rows.keyed import Keyed
from volumetry.study.rows.reads import Claim


def claimed_together(rows: Sequence[Keyed], traced: Iterable[int], claims: Sequence[Claim]) -> list[Claim]:
    """Return the claims, that of a mask which may be of a named lesion of its visit with that lesion.

    A mask names no lesion where the number of its label stands for it. Where it is the only one at its visit,
    and an RTSTRUCT, a segmentation or a trace names a single lesion on the same scan (or a mask of the same
    name does, in another format, or in BIDS one with a label), both may be one lesion, which then would count
    twice. They claim it together: ``prefer`` says which form counts, else both are ambiguous.

    Parameters
    ----------
    rows : sequence of (Case, int, cells)
    traced : iterable of int
        Places of the rows that claim a lesion.
    claims : sequence of Claim
        In the order of `traced`.
    """
    found = list(claims)
    visits: dict[tuple[str, ...], list[tuple[int, Keyed]]] = defaultdict(list)
    for number, place in enumerate(traced):
        cells = rows[place][2]
        visits[cells["site"], cells["patient"], cells["visit"]].append((number, rows[place]))
    for group in visits.values():
        if len(group) < 2:
            continue
        unnamed = [one for one in group if _is_unnamed(one[1])]
        if len(unnamed) != 1:
            continue
        (number, mask), *_ = unnamed
        beside = [other for other in group if other[0] != number and _may_be_of_one(mask, other[1])]
        lesions = {(other[1][2]["side"], other[1][2]["lesion"]) for other in beside}
        if len(lesions) == 1 and _says_the_same(mask, *lesions):
            (side, lesion), *_ = lesions
            site, patient, _, _, visit, reader = found[number].key
            found[number] = replace(found[number], key=(site, patient, side, lesion, visit, reader))
    return found


def _is_unnamed(row: Keyed) -> bool:
    case, _, cells = row
    is_whole = case.label is None and not (case.roi or case.joined or case.lesion)
    return case.form == "mask" and is_whole and cells["lesion"].isdecimal()


def _may_be_of_one(mask: Keyed, other: Keyed) -> bool:
    """Whether two tracings may be of one lesion by where they lie; a manifest says what they are."""
    case, another = mask[0], other[0]
    if not case.is_lesion_of_file or other[2]["reader"] != mask[2]["reader"]:
        return False
    is_of_bids = bids_who(case.trace) is not None and another.is_lesion_of_file  # a dseg beside label-X_mask
    if another.form != "mask" or is_of_bids:
        return bool(case.scan) and case.scan == another.scan
    is_named_inside = not another.lesion and not other[2]["lesion"].isdecimal()
    return is_named_inside and _place(case) == _place(another) and case.trace != another.trace


def _place(case: Case) -> tuple[str, str]:
    return folder_of(case.trace), image_stem(case.trace).casefold()


def _says_the_same(mask: Keyed, named: tuple[str, str]) -> bool:
    """Whether side and words of a mask do not contradict a named lesion."""
    side, lesion = named
    said = set(re.split(r"[\W_]+", mask[0].described.casefold())) - {""}
    words = set(re.split(r"[\W_]+", lesion.casefold()))
    return (not side or mask[2]["side"] in ("", side)) and said <= words
