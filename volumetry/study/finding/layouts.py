"""Layouts of other programs: which image a mask belongs to, and whose it is, where the two names differ.

- TotalSegmentator: ``<case>/segmentations/<organ>.nii.gz`` beside ``<case>/ct.nii.gz`` or ``mri.nii.gz``.
- nnU-Net and the Decathlon: ``imagesTr/CASE_0000.nii.gz``, ``labelsTr/CASE.nii.gz``, ``dataset.json``.
- MONAI Label: ``labels/final/NAME.nii.gz``, with ``NAME.nii.gz`` beside ``labels``.
- Twin folders: ``images/CASE.nii.gz``, ``masks/CASE.nii.gz`` (or ``labels``, ``segmentations``).
- A folder of masks: ``<visit>/masks/NAME.nii.gz`` beside the only image of the visit.
- Flat: ``P_<date>_mask.nii.gz`` beside ``P_<date>_t1.nii.gz``; the names say patient and visit.

Names alone are looked at, and ``dataset.json``; no image is opened.
"""

from __future__ import annotations

import json
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from volumetry.errors import ReadError
from volumetry.files.small_files import read_small
from volumetry.formats.lesion_names import side_of_name
from volumetry.study.case_table import CaseTable
from volumetry.study.cases import Case
from volumetry.study.finding.files import (
    Files,
    FilesByFolder,
    channels_of,
    day_of_name,
    side_of_visit,
    stem_of,
    who_of_name,
)
from volumetry.study.finding.name_parts import parts_of_name, patient_of_folder
from volumetry.study.finding.named_pairs import flat_names, mask_folders, several_images, twin_folders
from volumetry.study.finding.names import folders_of
from volumetry.study.hash_index import NameSet

IGNORED = "ignore"
"""The name that nnU-Net keeps for voxels that nobody annotated."""

Numbers = tuple[int, ...]
"""The numbers of labels that have one name: one, or those of a region."""

_LOG = logging.getLogger(__name__)
_SETS = re.compile(r"(?:(?P<above>.*)/)?(?P<kind>images|labels)(?P<set>Tr|Ts|Val)")


def cases_of_layouts(
    root: str,
    volumes: Sequence[str],
    *,
    is_mask: Callable[[str], bool],
    mask_stem: Callable[[str], str],
) -> tuple[CaseTable, NameSet]:
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
    cases : CaseTable
        Tracings, and images without one. Where several images could be meant, ``scan`` is empty and
        ``note`` says why.
    claimed : NameSet
        The files that a layout accounts for.
    """
    files = Files(root=root, is_mask=is_mask, mask_stem=mask_stem, by_folder=FilesByFolder(volumes))
    layouts = (twin_folders, _total_segmentator, _nnunet, _monai_label, mask_folders, flat_names)
    return CaseTable(case for find in layouts for case in find(files)), files.claimed


# -- TotalSegmentator -------------------------------------------------------------------------------------


def _total_segmentator(files: Files) -> Iterator[Case]:
    folders = [f for f in files.by_folder if f.rpartition("/")[2].lower() == "segmentations"]
    above = [folder.rpartition("/")[0] for folder in folders]
    for folder, case in zip(folders, above, strict=True):
        images = [name for name in files.beside(case) if not files.is_mask(name)]
        named = [name for name in images if stem_of(name).lower() in ("ct", "mri", "mr")] or images
        scan = named[0] if len(named) == 1 else ""
        patient, visit = _who_of_case_folder(case, above, scan)
        for name in files.beside(folder):
            organ = stem_of(name)
            yield Case(
                patient=patient,
                visit=visit,
                side=side_of_name(organ),
                lesion=organ,
                is_lesion_of_file=True,
                trace=name,
                scan=scan,
                scan_files=(scan,) if scan else (),
                note="" if scan else several_images(images, "the folder segmentations"),
            )
        files.claimed.update((*files.by_folder[folder], *named))


def _who_of_case_folder(case: str, cases: Sequence[str], scan: str) -> tuple[str, str]:
    """First and second folder; the second alone where all cases lie in one folder that is the data set's."""
    parts = case.split("/") if case else []
    if not parts:
        return stem_of(scan) or "segmentations", ""
    split = [other.split("/") for other in cases]
    one_above = len({other[0] for other in split}) == 1 and all(len(other) == 2 for other in split)
    if one_above and len(cases) > 1 and not any(parts_of_name(other[1]) for other in split):
        return parts[1], ""
    if one_above and all(patient_of_folder(other[1])[0] for other in split):
        return patient_of_folder(parts[1])
    return folders_of(f"{case}/segmentations")


# -- nnU-Net ----------------------------------------------------------------------------------------------


def _nnunet(files: Files) -> Iterator[Case]:
    sets: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for folder in files.by_folder:
        matched = _SETS.fullmatch(folder)
        if matched:
            sets[matched["above"] or "", matched["set"]][matched["kind"]] = folder
    for (above, _), folders in sorted(sets.items()):
        images = files.by_folder.get(folders.get("images", ""), []) if "images" in folders else []
        masks = files.by_folder.get(folders.get("labels", ""), []) if "labels" in folders else []
        channels = channels_of(images, {stem_of(name) for name in masks})
        names = _dataset_labels(Path(files.root) / above / "dataset.json")
        for name in masks:
            scans = channels.pop(stem_of(name), ())
            note = "" if scans else "no image of its name lies in the folder of the images"
            yield from _labelled(name, scans, names, note)
        for stem, scans in channels.items():
            patient, visit = who_of_name(stem)
            yield Case(patient=patient, visit=visit, scan=scans[0], scan_files=scans)
        files.claimed.update((*images, *masks))


def _labelled(mask: str, scans: Sequence[str], names: Mapping[Numbers, str], note: str) -> Iterator[Case]:
    """A case for every label that the data set names, absent where it is not drawn; one for all others.

    A region of several labels is their union. The label ``ignore`` marks what nobody annotated: no lesion.
    """
    patient, visit = who_of_name(stem_of(mask))
    side = side_of_visit(stem_of(mask))
    others = Case(
        patient=patient,
        visit=visit,
        study_date=day_of_name(stem_of(mask)),
        side=side,
        besides=tuple(sorted({number for numbers in names for number in numbers})),
        trace=mask,
        scan=scans[0] if scans else "",
        scan_files=tuple(scans),
        note=note,
    )
    for numbers, label in names.items():
        if label.casefold() == IGNORED:
            continue
        own = replace(others, side=side_of_name(label) or side, lesion=label, besides=())
        if len(numbers) == 1:
            yield replace(own, label=numbers[0])
        else:
            yield replace(own, joined=numbers)
    yield others


def _dataset_labels(path: Path) -> dict[Numbers, str]:
    """The names of labels in ``dataset.json`` of either version, and of regions of several labels."""
    labels = _json(path).get("labels")
    names: dict[Numbers, str] = {}
    for key, value in labels.items() if isinstance(labels, dict) else ():
        if isinstance(value, list):
            numbers = tuple(sorted({n for n in value if isinstance(n, int) and n > 0}))
            name = key
        else:
            number, name = (value, key) if isinstance(value, int) else (key, value)
            numbers = (int(number),) if str(number).isdecimal() else ()
        if isinstance(name, str) and numbers and numbers != (0,):
            names[numbers] = name
            if name.casefold() == IGNORED:
                _LOG.warning("the label %s of dataset.json is no lesion: it is not measured", name)
    return names


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_small(path))
    except (OSError, ValueError, RecursionError, ReadError):
        return {}
    return found if isinstance(found, dict) else {}


# -- MONAI Label ------------------------------------------------------------------------------------------


def _monai_label(files: Files) -> Iterator[Case]:
    ends = ("/labels/final", "/labels/original")
    stores = dict.fromkeys(f.rpartition("/")[0] for f in files.by_folder if f"/{f}".endswith(ends))
    for store in stores:
        folder, above = f"{store}/final", store.removesuffix("labels").rstrip("/")
        images: dict[str, list[str]] = defaultdict(list)
        for name in files.beside(above):
            images[stem_of(name)].append(name)
        objects = _json(Path(files.root) / above / "datastore_v2.json").get("objects")
        for name in files.by_folder.get(folder, ()):
            scans = images.pop(stem_of(name), [])
            tied = tuple(scans) if len(scans) == 1 else ()
            note = "" if tied else several_images(scans, "the folder of the images")
            yield from _labelled(name, tied, _monai_names(objects, stem_of(name)), note)
        for stem, scans in images.items():
            patient, visit = who_of_name(stem)
            for name in scans:
                yield Case(patient=patient, visit=visit, scan=name, scan_files=(name,))
        labels = (*files.by_folder.get(folder, ()), *files.by_folder.get(f"{store}/original", ()))
        files.claimed.update((*files.beside(above), *labels))


def _monai_names(objects: Any, stem: str) -> dict[Numbers, str]:
    try:
        names = objects[stem]["labels"]["final"]["info"]["params"]["label_names"]
        return {(number,): name for name, number in names.items() if isinstance(number, int) and number}
    except (KeyError, TypeError, AttributeError):
        return {}
