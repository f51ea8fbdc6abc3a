"""What the names of files and folders say: which file is a mask, of which image, of whom and when."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from volumetry.formats.recognise import without_suffix
from volumetry.study.identity import is_visit_name

_MASK_WORD = r"(?:masks?|labels?|seg|dseg|segmentations?)"
_MASK_NAME = re.compile(
    rf"^(?:(?P<image>.*?)(?:^|[_.-]){_MASK_WORD}\d{{0,2}}|{_MASK_WORD}[_.-](?P<rest>.+)"
    r"|(?P<before>.*?)(?:^|[_.-])(?:seg(?=[ (])|masks?|labels?|dseg|segmentations?)\d{0,2}"
    r"(?P<behind>[ (_.].*))$",
    re.IGNORECASE,
)
"""Also with something behind the word: ``X_mask_corrected``, ``X_mask (1)`` are no images of ``X_mask``."""
_MASK_FOLDER = re.compile(
    r"masks?|labels?|segs?|segmentations?|annotations?|predictions?|preds?|inference|outlines?|contours?",
    re.IGNORECASE,
)
_READER = re.compile(r"(?:^|[_.-])reader-?([A-Za-z0-9]+)", re.IGNORECASE)
_NUMBERED_WORDS = (
    "t1", "t1w", "t2", "t2w", "pd", "pdw", "stir", "flair", "ct", "mr", "mri", "pet", "adc", "dwi",
    "dti", "swi", "tof", "bold", "scan", "image", "img", "im", "series", "se", "vol", "volume",
    "acq", "run", "echo", "ax", "axial", "axi", "tra", "transversal", "cor", "coronal", "sag",
    "sagittal", "tse", "fse", "gre", "ffe", "fs", "fatsat", "spair", "vibe", "space", "mprage",
    "mp2rage", "spgr", "fgre", "dess", "haste", "trufi", "blade", "propeller", "dixon", "water",
    "fat", "gd", "ce", "contrast", "native", "arterial", "venous", "portal", "phase", "map", "iso",
    "hr", "nii", "final", "new", "old", "draft", "done", "ok", "checked", "reviewed", "corrected",
    "edit", "edited", "manual", "auto", "copy", "gt", "truth", "contour", "outline", "trace",
    "tracing", "left", "right", "time", "point", "date",
)  # fmt: skip
_OF_NO_LESION = re.compile(
    rf"\d+|[23]d|[lr]|lesions?|rois?|reader.*|{_MASK_WORD}|(?:{'|'.join(_NUMBERED_WORDS)})\d*"
)
"""Words in the name of a mask that do not say which lesion it is."""
_ENTITY = re.compile(r"([A-Za-z0-9]+)-([A-Za-z0-9.+]+)")
_DERIVED_ENTITIES = {"label", "desc", "seg", "res", "den", "space", "hemi"}


def folders_of(name: str) -> tuple[str, str]:
    """Return patient and visit of a relative path: its first and second folder.

    A file that lies directly in the study folder stands for a patient of its own, named by its stem.
    """
    parts = name.split("/")
    patient = parts[0] if len(parts) > 1 else image_stem(name)
    return patient, parts[1] if len(parts) > 2 else ""


def image_stem(name: str) -> str:
    """Return the file name without folder, format suffix and mask suffix."""
    stem = without_suffix(PurePosixPath(name).name)
    matched = _MASK_NAME.match(stem)
    if matched is None:
        return stem
    around = (matched["before"] or "", (matched["behind"] or "").strip(" _.-"))
    return matched["image"] or matched["rest"] or "_".join(filter(None, around)) or stem


def stem_before_mask(name: str) -> str:
    """Return what stands before the word for a mask, where something stands behind it; else empty.

    >>> stem_before_mask("t1_mask_corrected.nii.gz")
    't1'
    """
    matched = _MASK_NAME.match(without_suffix(PurePosixPath(name).name))
    return (matched["before"] or "") if matched else ""


def is_mask_name(name: str) -> bool:
    """Return whether a file's name says that it is a mask."""
    base = PurePosixPath(name).name
    return base.lower().endswith(".seg.nrrd") or bool(_MASK_NAME.match(without_suffix(base)))


def is_in_mask_folder(name: str) -> bool:
    """Return whether a file lies in a folder that is named after masks, and so is no image.

    >>> is_in_mask_folder("nnunet/predictions/case_1.nii.gz")
    True
    """
    return bool(_MASK_FOLDER.fullmatch(PurePosixPath(name).parent.name))


def folder_of(name: str) -> str:
    """Return the folder of a relative path; ``.`` for one that lies directly in the study folder."""
    return str(PurePosixPath(name).parent)


def is_hidden(name: str) -> bool:
    """Whether a file is one that programs keep beside others; folders that begin with a dot are read."""
    return name.rpartition("/")[2].startswith(".")


def bids_who(name: str) -> tuple[str, str] | None:
    """Return subject and session of a BIDS name; None for other names."""
    entities = dict(_ENTITY.findall(PurePosixPath(name).name))
    folders = [part for part in name.split("/")[:-1] if part.startswith(("sub-", "ses-"))]
    subject = next((part for part in folders if part.startswith("sub-")), None)
    if subject is None and "sub" not in entities:
        return None
    subject = subject or f"sub-{entities['sub']}"
    session = next((part for part in folders if part.startswith("ses-")), None)
    return subject, session or (f"ses-{entities['ses']}" if "ses" in entities else "")


def bids_lesion(name: str) -> str:
    """The lesion of a BIDS mask, whose ``label`` names what is masked: ``label-R1`` is lesion ``R1``."""
    entities = dict(_ENTITY.findall(PurePosixPath(name).name))
    if "sub" not in entities:
        return ""
    described = entities.get("desc", "")
    return entities.get("label", "") or ("" if described.startswith("reader") else described)


def bids_reader(name: str) -> str:
    """The reader of a BIDS name: ``desc-readerA`` is reader ``A``."""
    matched = re.search(r"_desc-reader([A-Za-z0-9]+)", PurePosixPath(name).name)
    return matched[1] if matched else ""


def same_entities(image: str, mask: str) -> bool:
    """Whether an image has all the entities of a mask, save those that only derivatives have."""
    of_image = dict(_ENTITY.findall(PurePosixPath(image).name))
    of_mask = dict(_ENTITY.findall(PurePosixPath(mask).name))
    return all(of_image.get(k) == v for k, v in of_mask.items() if k not in _DERIVED_ENTITIES)


def reader_of_name(name: str) -> str:
    """Return the reader that a mask's name says: ``left_readerA_mask`` is of reader ``A``."""
    matched = _READER.search(image_stem(name))
    return matched[1] if matched else ""


def lesion_words(name: str, scan: str, known: Iterable[str]) -> str:
    """Return what a mask's name may say of its lesion; empty where it has the name of its image.

    Parameters
    ----------
    name, scan : str
        The mask and its image.
    known : iterable of str
        Patient and visit, whose words say nothing more.

    Examples
    --------
    >>> lesion_words("P1/v2/P1_v2_cyst_mask.nii.gz", "", ["P1", "v2"])
    'cyst'
    """
    stem = image_stem(name)
    if scan and without_suffix(PurePosixPath(scan).name).casefold().startswith(stem.casefold()):
        return ""
    said = {word for text in known for word in _words(text)}
    words = (w for w in _words(stem) if w not in said and not _OF_NO_LESION.fullmatch(w))
    return " ".join(word for word in words if not is_visit_name(word))


def _words(text: str) -> list[str]:
    return re.split(r"[\W_]+", text.casefold())
