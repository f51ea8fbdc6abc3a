"""Which tracings are reads of one lesion, which replace each other, and which are ambiguous."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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
    content : str
        Hash of the bytes of the traced file.
    """

    key: Key
    trace: str
    read: int | None = None
    form: str = "mask"
    version: str = ""
    parent: str = ""
    content: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SettledRead:
    """What becomes of a claim: its number as a read, or that another one counts, or a message why neither.

    One of several copies counts, and `has_copies`.
    """

    read: int = 1
    counts: bool = True
    message: str = ""
    has_copies: bool = False


def settle_reads(claims: Sequence[Claim], prefer: Sequence[str] = ()) -> list[SettledRead]:
    """Return what becomes of every claim, in the order given.

    Claims of different keys do not touch each other, but for a less preferred form that names no side or no
    reader, as exports do: it gives way to a preferred one of its lesion and visit. Of those with one key, a
    native trace replaces the one it was edited from; then the form that comes first in `prefer` counts; of
    files with the same bytes one counts; then reads that are numbered apart are reads. What is still equal is
    ambiguous, all of it.
    """
    settled = [SettledRead()] * len(claims)
    given_way = _given_way(claims, prefer)
    places: dict[Key, list[int]] = defaultdict(list)
    for place, claim in enumerate(claims):
        if place in given_way:
            settled[place] = SettledRead(counts=False)
        else:
            places[claim.key].append(place)
    for group in places.values():
        parents = {claims[place].parent for place in group} - {""}
        left = [place for place in group if claims[place].version not in parents] or group
        forms = {claims[place].form for place in left}
        best = next((form for form in prefer if form in forms), None) if len(forms) > 1 else None
        if best is not None:
            left = [place for place in left if claims[place].form == best]
        single = _without_copies(claims, left)
        has_copies, left = len(single) < len(left), single
        for place in set(group) - set(left):
            settled[place] = SettledRead(counts=False)
        reads = [claims[place].read for place in left]
        if len(left) > 1 and (None in reads or len(set(reads)) < len(reads)):
            message = _ambiguous(claims[place].trace for place in left)
            for place in left:
                settled[place] = SettledRead(message=message)
        else:
            for place in left:
                settled[place] = SettledRead(read=claims[place].read or 1, has_copies=has_copies)
    return settled


def _without_copies(claims: Sequence[Claim], places: Sequence[int]) -> list[int]:
    """The places of claims without those of files that hold the bytes of another; read twice is no copy."""
    first: dict[tuple[str, int | None], str] = {}
    for place in places:
        claim = claims[place]
        first.setdefault((claim.content or claim.trace, claim.read), claim.trace)
    return [
        p for p in places if first[claims[p].content or claims[p].trace, claims[p].read] == claims[p].trace
    ]


def _given_way(claims: Sequence[Claim], prefer: Sequence[str]) -> set[int]:
    """Places of claims that name no side or no reader, where a preferred form of the lesion names them.

    Where preferred forms lie on both sides, nothing says of which the claim is, and it stays.
    """
    ranks = {form: rank for rank, form in enumerate(prefer)}
    lesions: dict[Key, list[Claim]] = defaultdict(list)
    for claim in claims:
        if claim.form in ranks:
            site, patient, _, lesion, visit, _ = claim.key
            lesions[site, patient, lesion, visit].append(claim)
    found = set()
    for place, claim in enumerate(claims):
        site, patient, side, lesion, visit, reader = claim.key
        if claim.form not in ranks or (side and reader):
            continue
        sides = {
            other.key[2]
            for other in lesions[site, patient, lesion, visit]
            if ranks[other.form] < ranks[claim.form]
            and other.key[2] in ((side,) if side else ("", "L", "R"))
            and (not reader or other.key[5] == reader)
        }
        if sides and len(sides - {""}) < 2:
            found.add(place)
    return found


def _ambiguous(traces: Iterable[str]) -> str:
    named = list(traces)
    files = ", ".join(sorted(set(named)))
    return (
        f"{len(named)} tracings claim one patient, visit, side, lesion and reader, and nothing says that "
        f"they are two reads: {files}. Name their sides or lesions, number them in the column read of a "
        "manifest, or say in [tracings] prefer of the protocol which form counts."
        f"{_told_folders(named)}"
    )


def _told_folders(traces: Iterable[str]) -> str:
    """What else may be: that folders below the second are the visits, where files of one name lie in them."""
    split = [trace.split("/") for trace in dict.fromkeys(traces)]
    if len(split) < 2 or len({(len(parts), parts[-1]) for parts in split}) > 1:
        return ""
    differing = [
        place for place, names in enumerate(zip(*split, strict=True), start=1) if len(set(names)) > 1
    ]
    if len(differing) != 1 or differing[0] < 3:
        return ""
    visit = differing[0]
    return (
        f" If the folders {', '.join(sorted(repr(parts[visit - 1]) for parts in split))} are visits, write "
        f'patient = "folder:{visit - 1}" and visit = "folder:{visit}" in [identity] of the protocol.'
    )


def differently_named_message(traces: Iterable[str]) -> str:
    """Return the sentence that says that masks of a patient may be of several lesions, and what to do."""
    return (
        "the names of the masks, or lists of labels beside them, differ, and nothing says that they are of "
        "one lesion: "
        f"{', '.join(traces)}. Name their lesions in the column lesion of a manifest (volumetry manifest)."
    )


def named_by_chance_message(lesion: str, traces: Iterable[str]) -> str:
    """Return the sentence that says that a lesion has the name of another by chance, and what to do."""
    return (
        f"the lesion {lesion} is the number of a label here, and the name that somebody gave elsewhere: "
        f"{', '.join(traces)}. Write the lesions of the patient in a manifest (volumetry manifest)."
    )
