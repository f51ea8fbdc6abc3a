"""Layouts of other programs: which image a mask belongs to, and whose it is, where the two names differ.

- TotalSegmentator: ``<case>/segmentations/<organ>.nii.gz`` beside ``<case>/ct.nii.gz`` or ``mri.nii.gz``.
- nnU-Net and the Decathlon: ``imagesTr/CASE_0000.nii.gz``, ``labelsTr/CASE.nii.gz``, ``dataset.json``.
- MONAI Label: ``labels/final/NAME.nii.gz``, with ``NAME.nii.gz`` beside ``labels``.
- Twin folders: ``images/CASE.nii.gz``, ``masks/CASE.nii.gz`` (or ``labels``, ``segmentations``).
- Flat: ``P_<date>_mask.nii.gz`` beside ``P_<date>_t1.nii.gz``; the names say patient and visit.

Names alone are looked at, and ``dataset.json``; no image is opened.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from volumetry.errors import ReadError, VolumetryError
from volumetry.formats.lesion_names import side_of_name
from volumetry.formats.recognise import without_suffix
from volumetry.small_files import read_small
from volumetry.study.cases import Case
from volumetry.study.finding.name_parts import NameParts, parts_of_name

_CHANNEL = re.compile(r"(?P<case>.+)_\d{4}")
_SETS = re.compile(r"(?:(?P<above>.*)/)?(?P<kind>images|labels)(?P<set>Tr|Ts|Val)")
_READER = re.compile(r"reader-?([A-Za-z0-9]+)", re.IGNORECASE)


@dataclass(kw_only=True)
class _Files:
    """The voxel files of a study by folder, and those that a layout has claimed."""

    root: str
    is_mask: Callable[[str], bool]
    mask_stem: Callable[[str], str]
    by_folder: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    claimed: set[str] = field(default_factory=set)

    def beside(self, folder: str) -> list[str]:
        """The files of a folder that no layout has claimed yet."""
        return [name for name in self.by_folder.get(folder, ()) if name not in self.claimed]


def cases_of_layouts(
    root: str,
    volumes: Sequence[str],
    *,
    is_mask: Callable[[str], bool],
    mask_stem: Callable[[str], str],
) -> tuple[list[Case], set[str]]:
    """Return the cases of the layouts of other programs, and the files that they account for.

    Parameters
    ----------
    root : str
        The study folder.
    volumes : sequence of str
        Voxel files below it, relative.
    is_mask, mask_stem : callable
        Whether a file's name says that it is a mask, and the name without suffix and mask suffix.

    Returns
    -------
    cases : list of Case
        Tracings, and images without one. Where several images could be meant, ``scan`` is empty and
        ``note`` says why.
    claimed : set of str
        The files that a layout accounts for.
    """
    files = _Files(root=root, is_mask=is_mask, mask_stem=mask_stem)
    for name in volumes:
        files.by_folder[_folder(name)].append(name)
    cases = [*_twin_folders(files), *_total_segmentator(files), *_nnunet(files), *_monai_label(files)]
    cases += _flat(files)
    return cases, files.claimed


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _stem(name: str) -> str:
    return without_suffix(name.rpartition("/")[2])


def _who(stem: str) -> tuple[str, str]:
    """Patient and visit of a case that one name names."""
    parts = parts_of_name(stem)
    return (parts.patient, parts.visit) if parts is not None and parts.patient else (stem, "")


def _side(stem: str) -> str:
    """The side that a name of a patient's visit says, as of ``P01_v1_left``."""
    parts = parts_of_name(stem)
    return side_of_name(f"lesion {parts.rest}") if parts is not None and parts.patient else ""


# -- TotalSegmentator -------------------------------------------------------------------------------------


def _total_segmentator(files: _Files) -> Iterator[Case]:
    folders = [f for f in files.by_folder if f.rpartition("/")[2].lower() == "segmentations"]
    above = [folder.rpartition("/")[0] for folder in folders]
    for folder, case in zip(folders, above, strict=True):
        images = [name for name in files.beside(case) if not files.is_mask(name)]
        named = [name for name in images if _stem(name).lower() in ("ct", "mri", "mr")] or images
        scan = named[0] if len(named) == 1 else ""
        patient, visit = _who_of_case_folder(case, above, scan)
        for name in files.beside(folder):
            organ = _stem(name)
            yield Case(
                patient=patient,
                visit=visit,
                side=side_of_name(organ),
                lesion=organ,
                trace=name,
                scan=scan,
                scan_files=(scan,) if scan else (),
                note="" if scan else _several(images, "the folder segmentations"),
            )
        files.claimed.update((*files.by_folder[folder], *named))


def _who_of_case_folder(case: str, cases: Sequence[str], scan: str) -> tuple[str, str]:
    """First and second folder; the second alone where all cases lie in one folder that is the data set's."""
    parts = case.split("/") if case else []
    if not parts:
        return _stem(scan) or "segmentations", ""
    split = [other.split("/") for other in cases]
    one_above = len({other[0] for other in split}) == 1 and all(len(other) == 2 for other in split)
    if one_above and len(cases) > 1 and not any(parts_of_name(other[1]) for other in split):
        return parts[1], ""
    return parts[0], parts[1] if len(parts) > 1 else ""


# -- nnU-Net ----------------------------------------------------------------------------------------------


def _nnunet(files: _Files) -> Iterator[Case]:
    sets: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for folder in files.by_folder:
        matched = _SETS.fullmatch(folder)
        if matched:
            sets[matched["above"] or "", matched["set"]][matched["kind"]] = folder
    for (above, _), folders in sorted(sets.items()):
        images = files.by_folder.get(folders.get("images", ""), []) if "images" in folders else []
        masks = files.by_folder.get(folders.get("labels", ""), []) if "labels" in folders else []
        channels = _channels(images, {_stem(name) for name in masks})
        names = _dataset_labels(Path(files.root) / above / "dataset.json")
        for name in masks:
            scans = channels.pop(_stem(name), ())
            note = "" if scans else "no image of its name lies in the folder of the images"
            yield from _labelled(name, scans, names, note)
        for stem, scans in channels.items():
            patient, visit = _who(stem)
            yield Case(patient=patient, visit=visit, scan=scans[0], scan_files=scans)
        files.claimed.update((*images, *masks))


def _channels(images: Sequence[str], labelled: set[str]) -> dict[str, tuple[str, ...]]:
    """The images of every case: one a channel (``CASE_0000``), or the one of its name."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in sorted(images):
        stem = _stem(name)
        matched = _CHANNEL.fullmatch(stem)
        found[matched["case"] if matched and stem not in labelled else stem].append(name)
    return {stem: tuple(names) for stem, names in found.items()}


def _labelled(mask: str, scans: Sequence[str], names: Mapping[int, str], note: str) -> Iterator[Case]:
    """A case for every label that the data set names, absent where it is not drawn; one for all others."""
    patient, visit = _who(_stem(mask))
    side = _side(_stem(mask))
    others = Case(
        patient=patient,
        visit=visit,
        study_date=_day(_stem(mask)),
        side=side,
        besides=tuple(names),
        trace=mask,
        scan=scans[0] if scans else "",
        scan_files=tuple(scans),
        note=note,
    )
    for number, label in names.items():
        yield replace(others, side=side_of_name(label) or side, lesion=label, label=number, besides=())
    yield others


def _dataset_labels(path: Path) -> dict[int, str]:
    """The names of labels in ``dataset.json`` of either version; those of several numbers are left out."""
    labels = _json(path).get("labels")
    names: dict[int, str] = {}
    for key, value in labels.items() if isinstance(labels, dict) else ():
        pair = (value, key) if isinstance(value, int) else (key, value)
        if isinstance(pair[1], str) and str(pair[0]).isdecimal() and int(pair[0]):
            names[int(pair[0])] = pair[1]
    return names


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_small(path))
    except (OSError, ValueError, RecursionError, ReadError):
        return {}
    return found if isinstance(found, dict) else {}


# -- MONAI Label ------------------------------------------------------------------------------------------


def _monai_label(files: _Files) -> Iterator[Case]:
    ends = ("/labels/final", "/labels/original")
    stores = dict.fromkeys(f.rpartition("/")[0] for f in files.by_folder if f"/{f}".endswith(ends))
    for store in stores:
        folder, above = f"{store}/final", store.removesuffix("labels").rstrip("/")
        images: dict[str, list[str]] = defaultdict(list)
        for name in files.beside(above):
            images[_stem(name)].append(name)
        objects = _json(Path(files.root) / above / "datastore_v2.json").get("objects")
        for name in files.by_folder.get(folder, ()):
            scans = images.pop(_stem(name), [])
            tied = tuple(scans) if len(scans) == 1 else ()
            note = "" if tied else _several(scans, "the folder of the images")
            yield from _labelled(name, tied, _monai_names(objects, _stem(name)), note)
        for stem, scans in images.items():
            patient, visit = _who(stem)
            for name in scans:
                yield Case(patient=patient, visit=visit, scan=name, scan_files=(name,))
        labels = (*files.by_folder.get(folder, ()), *files.by_folder.get(f"{store}/original", ()))
        files.claimed.update((*files.beside(above), *labels))


def _monai_names(objects: Any, stem: str) -> dict[int, str]:
    try:
        names = objects[stem]["labels"]["final"]["info"]["params"]["label_names"]
        return {number: name for name, number in names.items() if isinstance(number, int) and number}
    except (KeyError, TypeError, AttributeError):
        return {}


# -- twin folders -----------------------------------------------------------------------------------------

_IMAGE_FOLDERS = ("images", "image", "imgs", "scans", "volumes")
_MASK_FOLDERS = ("masks", "mask", "labels", "label", "segmentations", "segs", "annotations")


def _twin_folders(files: _Files) -> Iterator[Case]:
    """The cases of folders of masks beside a folder of images, tied by their names."""
    twins: dict[str, tuple[str, str]] = {}
    for folder in files.by_folder:
        above, _, name = folder.rpartition("/")
        beside = [f"{above}/{other}".lstrip("/") for other in _IMAGE_FOLDERS]
        images = [other for other in files.by_folder if other.lower() in map(str.lower, beside)]
        if name.lower() in _MASK_FOLDERS and len(images) == 1:
            twins[folder] = above, images[0]
    parents = {above for above, _ in twins.values()}
    for place, (above, images_place) in twins.items():
        # One folder of images is the data set's; several are those of patients.
        named = "" if len(parents) == 1 and "/" not in above else above
        yield from _twin_cases(files, place, images_place, named)


def _twin_cases(files: _Files, place: str, images_place: str, above: str) -> Iterator[Case]:
    masks = {files.mask_stem(name): name for name in files.beside(place)}
    images = {name: _stem(name) for name in files.beside(images_place)}
    channels = {name: (m["case"] if (m := _CHANNEL.fullmatch(own)) else own) for name, own in images.items()}
    cases, tied = [], set()
    for stem, mask in masks.items():
        exact = [name for name, own in channels.items() if stem in (own, images[name])]
        found, rest = (exact, "") if exact else _images_of(stem, parts_of_name(stem), list(masks), images)
        case = _flat_case(mask, stem, above, found[:1] if exact else found, rest)
        cases.append(replace(case, scan_files=tuple(found)) if exact else case)
        tied.update(found)
    if not tied:
        return  # not this layout: their names have nothing in common
    yield from cases
    for image, own in images.items():
        if image not in tied:
            patient, visit = _flat_who(own, above)
            yield Case(patient=patient, visit=visit, study_date=_day(own), scan=image, scan_files=(image,))
    files.claimed.update((*masks.values(), *images))


# -- flat -------------------------------------------------------------------------------------------------

_PLAIN_WORDS = {"", "lesion", "lesions", "roi", "left", "right", "l", "r"}
"""What follows the visit in a mask's name and names no lesion; a side is kept as the side."""


def _flat(files: _Files) -> Iterator[Case]:
    cases = [case for folder in sorted(files.by_folder) for case in _flat_folder(files, folder)]
    folders: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        first = (case.trace or case.scan).rpartition("/")[0].split("/")[0]
        if case.patient != first and parts_of_name(first) is None:
            folders[case.patient].add(first)
    for case in cases:
        unclear = _unclear(case, folders[case.patient]) if len(folders[case.patient]) > 1 else None
        yield case if unclear is None else replace(case, error=unclear)


def _unclear(case: Case, folders: set[str]) -> VolumetryError:
    return VolumetryError(
        "patient-unclear",
        "file names in several first folders name one patient, which may be several",
        where=case.trace or case.scan,
        values={"folders": ", ".join(sorted(folders))},
        todo='Write patient = "folder:1" in [identity] of the protocol, or a manifest.',
    )


def _flat_folder(files: _Files, folder: str) -> Iterator[Case]:
    """The cases of one folder whose masks are tied by the beginning of their names."""
    if any(part.startswith(("sub-", "ses-")) for part in folder.split("/")):
        return
    beside = [name for name in files.beside(folder) if not _stem(name).startswith("sub-")]
    stems = {files.mask_stem(name): name for name in beside if files.is_mask(name)}
    images = {name: _stem(name) for name in beside if not files.is_mask(name)}
    tied: set[str] = set()
    for stem, mask in stems.items():
        parts = _visit_parts(stem, folder)
        candidates, rest = _images_of(stem, parts, list(stems), images)
        if parts is None and not candidates:
            continue
        tied.update(candidates)
        files.claimed.update((mask, *candidates))
        yield _flat_case(mask, stem, folder, candidates, rest)
    for image, stem in images.items():
        if tied and image not in tied and _visit_parts(stem, folder) is not None:
            files.claimed.add(image)
            patient, visit = _flat_who(stem, folder)
            yield Case(patient=patient, visit=visit, study_date=_day(stem), scan=image, scan_files=(image,))


def _visit_parts(stem: str, folder: str) -> NameParts | None:
    """What a name says of patient and visit where the folders leave it open."""
    parts = parts_of_name(stem)
    if parts is None or "/" in folder or (not folder and not parts.patient):
        return None
    return parts


def _flat_who(stem: str, folder: str) -> tuple[str, str]:
    """Patient and visit: of the folders, and of the name where the folders leave them open.

    ``data/p01_2024-01-15`` is of p01, and so is ``p01/scan_2024-01-15``.
    """
    parts = _visit_parts(stem, folder)
    if parts is None:
        above = folder.split("/") if folder else [stem]
        return above[0], above[1] if len(above) > 1 else ""
    numbered = [any(c.isdigit() for c in name) for name in (parts.patient, folder)]
    is_patient = not folder or (parts.patient and (numbered[0] or not numbered[1]))
    return parts.patient if is_patient else folder, parts.visit


def _images_of(
    stem: str, parts: NameParts | None, masks: Sequence[str], images: Mapping[str, str]
) -> tuple[list[str], str]:
    """The images that a mask of this name may belong to, and what its name says beyond theirs."""
    exact = [name for name, own in images.items() if own in (stem, f"{stem}_image", f"{stem}_img")]
    if exact:
        return (exact, "") if parts is not None else ([], "")
    if parts is None:
        longer = tuple(f"{other}_" for other in masks if other.startswith(f"{stem}_"))
        mine = [
            n for n, own in images.items() if own.startswith(f"{stem}_") and not f"{own}_".startswith(longer)
        ]
        return mine, ""
    same = {n: found for n, own in images.items() if (found := parts_of_name(own)) is not None}
    same = {n: p for n, p in same.items() if (p.patient, p.visit) == (parts.patient, parts.visit)}
    named = [n for n, p in same.items() if p.rest and f"{parts.rest}_".startswith(f"{p.rest}_")]
    if len(named) == 1:
        return named, parts.rest[len(same[named[0]].rest) :].strip("_-")
    return list(same), parts.rest


def _day(stem: str) -> str:
    parts = parts_of_name(stem)
    return parts.date if parts is not None else ""


def _flat_case(mask: str, stem: str, folder: str, candidates: Sequence[str], rest: str) -> Case:
    patient, visit = _flat_who(stem, folder)
    reader = _READER.search(rest)
    lesion = (rest.replace(reader[0], "") if reader else rest).strip("_-")
    tied = tuple(candidates) if len(candidates) == 1 else ()
    return Case(
        patient=patient,
        visit=visit,
        study_date=_day(stem),
        side=side_of_name(f"lesion {lesion}") or _side(stem),
        lesion="" if lesion.lower() in _PLAIN_WORDS else lesion,
        reader=reader[1] if reader else "",
        trace=mask,
        scan=tied[0] if tied else "",
        scan_files=tied,
        note="" if tied else _several(candidates, "the folder"),
    )


def _several(images: Sequence[str], where: str) -> str:
    """Why a mask is tied to no image."""
    if not images:
        return (
            f"no image lies beside {where}"
            if where.startswith("the folder seg")
            else f"no image of its name lies in {where}"
        )
    return f"several images could be meant: {', '.join(sorted(images))}"
