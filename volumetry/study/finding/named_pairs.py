"""Masks and images that are tied by their names: in one folder, or in two folders side by side."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from volumetry.errors import VolumetryError
from volumetry.formats.lesion_names import side_of_name
from volumetry.study.case_table import CaseTable
from volumetry.study.cases import Case
from volumetry.study.finding.files import Files, channels_of, day_of_name, side_of_visit, stem_of
from volumetry.study.finding.name_parts import NameParts, parts_of_name
from volumetry.study.finding.names import READ, folders_of, is_image_word, stem_before_mask, stem_of_patient
from volumetry.study.identity import date_of_name

K = TypeVar("K")
V = TypeVar("V")

_READER = re.compile(r"reader-?([A-Za-z0-9]+)", re.IGNORECASE)
_IMAGE_FOLDERS = ("images", "image", "imgs", "scans", "volumes")
_MASK_FOLDERS = ("masks", "mask", "labels", "label", "segmentations", "segs", "annotations")
_COPY = re.compile(r"[\W_]*(?:copy|kopie|copie|copia)?[\W_\d]*", re.IGNORECASE)
"""What file managers put behind the name of a copy: ``(1)``, `` - Copy``."""
_VERSION = re.compile(r"v\d{1,2}", re.IGNORECASE)
"""What people put behind the word for a mask when they trace anew: ``P1_v1_mask_v2``."""
_PLAIN_WORDS = {"", "lesion", "lesions", "roi", "left", "right", "l", "r"}
"""What follows the visit in a mask's name and names no lesion; a side is kept as the side."""


def twin_folders(files: Files) -> Iterator[Case]:
    """Yield the cases of folders of masks beside a folder of images, tied by their names."""
    twins: dict[str, tuple[str, str]] = {}
    images_of = (folder for folder in files.by_folder if folder.rpartition("/")[2].lower() in _IMAGE_FOLDERS)
    places = {folder.lower(): folder for folder in images_of}
    for folder in files.by_folder:
        above, mark, name = folder.rpartition("/")
        if name.lower() in _MASK_FOLDERS:
            beside = (places.get(f"{above}{mark}{other}".lower()) for other in _IMAGE_FOLDERS)
            images = [place for place in beside if place is not None]
            if len(images) == 1:
                twins[folder] = above, images[0]
    parents = {above for above, _ in twins.values()}
    for place, (above, images_place) in twins.items():
        # One folder of images is the data set's; several are those of patients.
        named = "" if len(parents) == 1 and "/" not in above else above
        yield from _twin_cases(files, place, images_place, named)


def _twin_cases(files: Files, place: str, images_place: str, above: str) -> Iterator[Case]:
    masks = {files.mask_stem(name): name for name in files.beside(place)}
    images = {name: stem_of(name) for name in files.beside(images_place)}
    channels = channels_of(list(images), set(masks))
    known, names = _Images(stems=images), sorted(masks)
    cases, tied = CaseTable(), set[str]()
    for stem, mask in masks.items():
        exact = list(channels.get(stem, ()))
        found, rest = (exact, "") if exact else _images_of(stem, parts_of_name(stem), names, known)
        case = _flat_case(mask, stem, above, found[:1] if exact else found, rest)
        cases.append(replace(case, scan_files=tuple(found)) if exact else case)
        tied.update(found)
    if not tied:
        return  # not this layout: their names have nothing in common
    yield from cases
    for image, own in images.items():
        if image not in tied:
            patient, visit = _flat_who(own, above)
            yield Case(
                patient=patient, visit=visit, study_date=day_of_name(own), scan=image, scan_files=(image,)
            )
    files.claimed.update((*masks.values(), *images))


def mask_folders(files: Files) -> Iterator[Case]:
    """Yield the cases of folders of masks of any names that lie beside the only image of a visit.

    ``P1/v1/masks/liver.nii.gz`` beside ``P1/v1/t1.nii.gz`` is the lesion *liver*; the image may as well lie
    alone in ``P1/v1/images``.
    """
    for folder in files.by_folder:
        above, _, name = folder.rpartition("/")
        masks = files.beside(folder)
        if name.lower() not in _MASK_FOLDERS or not above or not masks or _is_bids(above):
            continue
        images = [n for n in files.beside(above) if not files.is_mask(n)]
        images = images or [n for place in _IMAGE_FOLDERS for n in files.beside(f"{above}/{place}")]
        if len(images) != 1:
            continue
        for mask in masks:
            yield _case_in_folder(mask, above, images[0])
        files.claimed.update((*masks, *images))


def _case_in_folder(mask: str, above: str, image: str) -> Case:
    patient, visit = _flat_who("", above)
    stem = stem_of(mask)
    reader = _READER.search(stem)
    lesion = (stem.replace(reader[0], "") if reader else stem).strip("_-")
    is_plain = stem == stem_of(image) or is_image_word(lesion.lower())
    return Case(
        patient=patient,
        visit=visit,
        side=side_of_name(f"lesion {lesion}"),
        lesion="" if is_plain else lesion,
        is_lesion_of_file=True,
        reader=reader[1] if reader else "",
        trace=mask,
        scan=image,
        scan_files=(image,),
    )


def _is_bids(folder: str) -> bool:
    return any(part.startswith(("sub-", "ses-")) for part in folder.split("/"))


def flat_names(files: Files) -> Iterator[Case]:
    """Yield the cases of folders in which the names of files say patient and visit."""
    for folder in files.by_folder:
        yield from _flat_folder(files, folder)


def _flat_folder(files: Files, folder: str) -> Iterator[Case]:
    """The cases of one folder whose masks are tied by the beginning of their names.

    In the study folder itself, names that say no visit are those of patients, without words for sides,
    readers and images: ``P1_left_mask`` and ``P1_t1`` are of P1.
    """
    if _is_bids(folder):
        return
    beside = [name for name in files.beside(folder) if not stem_of(name).startswith("sub-")]
    stems = {files.mask_stem(name): name for name in beside if files.is_mask(name)}
    images = {name: stem_of(name) for name in beside if not files.is_mask(name)}
    tied: set[str] = set()
    known, names = _Images(stems=images, folder=folder), sorted(stems)
    for whole, mask in stems.items():
        stem = _without_version(whole, mask)
        parts = _visit_parts(stem, folder)
        candidates, rest = _images_of(stem, parts, names, known)
        who = stem
        if parts is None and not candidates:
            is_taken = folder or stem in known.by_stem or parts_of_name(stem) is not None
            who = "" if is_taken else stem_of_patient(stem)
            if not who or who == stem:
                continue
            candidates, rest = known.by_patient.get(who, []), stem[len(who) :].strip("_-")
        tied.update(candidates)
        files.claimed.update((mask, *candidates))
        yield _flat_case(mask, stem, folder, candidates, rest, who)
    for image, stem in images.items():
        if tied and image not in tied and _visit_parts(stem, folder) is not None:
            files.claimed.add(image)
            patient, visit = _flat_who(stem, folder)
            yield Case(
                patient=patient, visit=visit, study_date=day_of_name(stem), scan=image, scan_files=(image,)
            )


def _without_version(stem: str, mask: str) -> str:
    """The name of a mask without a version behind the word for a mask, which is no visit: ``P1_mask_v2``."""
    before = stem_before_mask(mask)
    return before if before and _VERSION.fullmatch(stem[len(before) :].strip("_-. ")) else stem


def _visit_parts(stem: str, folder: str) -> NameParts | None:
    """What a name says of patient and visit where the folders leave it open."""
    parts = parts_of_name(stem)
    if parts is None or "/" in folder:
        return None
    return parts if folder or parts.patient else _date_first(parts)


def _parts_in(stem: str, folder: str) -> NameParts | None:
    parts = parts_of_name(stem)
    return _date_first(parts) if parts is not None and not folder and not parts.patient else parts


def _date_first(parts: NameParts) -> NameParts | None:
    """The parts of ``2024-01-15_P1_left``: the patient comes behind the date."""
    patient = stem_of_patient(parts.rest) if date_of_name(parts.visit) else ""
    return replace(parts, patient=patient, rest=parts.rest[len(patient) :].strip("_-")) if patient else None


def _flat_who(stem: str, folder: str) -> tuple[str, str]:
    """Patient and visit: of the folders, and of the name where the folders leave them open.

    ``data/p01_2024-01-15`` is of p01, and so is ``p01/scan_2024-01-15``.
    """
    parts = _visit_parts(stem, folder)
    if parts is None:
        return folders_of(f"{folder}/{stem}") if folder else (stem, "")
    numbered = [any(c.isdigit() for c in name) for name in (parts.patient, folder)]
    names_image = all(map(is_image_word, re.split(r"[\W_]+", parts.patient.casefold())))
    is_patient = not folder or (not names_image and (numbered[0] or not numbered[1]))
    return parts.patient if is_patient else folder, parts.visit


@dataclass(frozen=True, kw_only=True)
class _Images:
    """The images of a folder, by what their names say; each name is taken apart once."""

    stems: Mapping[str, str]
    folder: str = "."

    @cached_property
    def by_patient(self) -> dict[str, list[str]]:
        """Images by what their names say before words for sides and images."""
        return _listed((stem_of_patient(own), name) for name, own in self.stems.items())

    @cached_property
    def by_stem(self) -> dict[str, list[str]]:
        return _listed((own, name) for name, own in self.stems.items())

    @cached_property
    def by_visit(self) -> dict[tuple[str, str], list[tuple[str, str]]]:
        """Images, each with the rest of its name, by patient and visit."""
        parts = ((name, _parts_in(own, self.folder)) for name, own in self.stems.items())
        return _listed(((p.patient, p.visit), (name, p.rest)) for name, p in parts if p is not None)

    @cached_property
    def ordered(self) -> list[str]:
        return sorted(self.by_stem)


def _listed(pairs: Iterable[tuple[K, V]]) -> dict[K, list[V]]:
    found: dict[K, list[V]] = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return dict(found)


def _beginning(ordered: Sequence[str], start: str) -> Iterator[str]:
    """The texts that begin with one, of texts in order."""
    for place in range(bisect_left(ordered, start), len(ordered)):
        if not ordered[place].startswith(start):
            return
        yield ordered[place]


def _images_of(
    stem: str, parts: NameParts | None, masks: Sequence[str], images: _Images
) -> tuple[list[str], str]:
    """The images that a mask of this name may belong to, and what its name says beyond theirs.

    `masks` are the names of all masks, in order.
    """
    exact = [n for own in (stem, f"{stem}_image", f"{stem}_img") for n in images.by_stem.get(own, ())]
    if exact:
        return (exact, "") if parts is not None else ([], "")
    if parts is None:
        longer = tuple(f"{other}_" for other in _beginning(masks, f"{stem}_"))
        mine = (o for o in _beginning(images.ordered, f"{stem}_") if not f"{o}_".startswith(longer))
        return [name for own in mine for name in images.by_stem[own]], ""
    same = dict(images.by_visit.get((parts.patient, parts.visit), ()))
    named = [n for n, rest in same.items() if rest and f"{parts.rest}_".startswith(f"{rest}_")]
    if len(named) == 1:
        return named, parts.rest[len(same[named[0]]) :].strip("_-")
    return list(same), parts.rest


def _flat_case(
    mask: str, stem: str, folder: str, candidates: Sequence[str], rest: str, who: str = ""
) -> Case:
    patient, visit = _flat_who(who or stem, folder)
    reader = _READER.search(rest)
    lesion = (rest.replace(reader[0], "") if reader else rest).strip("_-")
    read = READ.search(lesion)
    lesion = READ.sub("", lesion).strip("_-")
    is_version = bool(_VERSION.fullmatch(lesion)) and bool(stem_before_mask(mask))
    tied = tuple(candidates) if len(candidates) == 1 else ()
    return Case(
        patient=patient,
        visit=visit,
        study_date=day_of_name(stem),
        side=side_of_name(f"lesion {lesion}") or side_of_visit(stem),
        lesion="" if lesion.lower() in _PLAIN_WORDS or _COPY.fullmatch(lesion) or is_version else lesion,
        is_lesion_of_file=True,
        reader=reader[1] if reader else "",
        read=int(read[1]) if read else None,
        described=f"lesion {int(lesion)}" if lesion.isdecimal() else "",
        trace=mask,
        scan=tied[0] if tied else "",
        scan_files=tied,
        note="" if tied else several_images(candidates, "the folder"),
        error=None if is_version else _two_visits(stem, mask),
    )


def _two_visits(stem: str, mask: str) -> VolumetryError | None:
    """Why a name is not believed that may be of two visits, one of which may be part of the patient."""
    parts = parts_of_name(stem)
    more = None if parts is None or parts.date else parts_of_name(parts.rest)
    if parts is None or more is None or more.patient:
        return None
    return VolumetryError(
        "visit-unclear",
        "the name of the file says two visits",
        where=mask,
        values={"visits": f"{parts.visit}, {more.visit}"},
        todo="Write patient and visit into a manifest (volumetry manifest).",
    )


def several_images(images: Sequence[str], where: str) -> str:
    """Return why a mask is tied to no image."""
    if not images:
        return (
            f"no image lies beside {where}"
            if where.startswith("the folder seg")
            else f"no image of its name lies in {where}"
        )
    return f"several images could be meant: {', '.join(sorted(images))}"
