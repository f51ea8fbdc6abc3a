"""What the names of files and folders say: which file is a mask, of which image, of whom and when."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from volumetry.formats.lesion_names import side_of_name
from volumetry.formats.recognise import without_suffix
from volumetry.study.finding.name_parts import patient_of_folder
from volumetry.study.identity import is_visit_name
from volumetry.study.plain_words import names_a_part

_MASK_WORD = r"(?:masks?|labels?|seg|dseg|segmentations?)"
_MASK_NAME = re.compile(
    rf"^(?:(?P<image>.*?)(?:^|[ _.-]){_MASK_WORD}\d{{0,2}}|{_MASK_WORD}[_.-](?P<rest>.+)"
    r"|(?P<before>.*?)(?:^|[ _.-])(?:seg(?=[ (])|masks?|labels?|dseg|segmentations?)\d{0,2}"
    r"(?P<behind>[ (_.].*)|(?P<bids>sub-.+)_roi)$",
    re.IGNORECASE,
)
"""Also with something behind the word: ``X_mask_corrected``, ``X_mask (1)`` are no images of ``X_mask``.

``roi`` is a word for a mask in names of BIDS alone: other programs cut out an image and call it ``t1_roi``.
"""
_MASK_FOLDER = re.compile(
    r"masks?|labels?|segs?|segmentations?|annotations?|predictions?|preds?|inference|outlines?|contours?",
    re.IGNORECASE,
)
_READER = re.compile(r"(?:^|[_.-])reader-?([A-Za-z0-9]+)", re.IGNORECASE)
READ = re.compile(r"(?:^|[_.-])read-?(\d{1,2})(?=$|[_.-])", re.IGNORECASE)
"""A read in the name of a file: ``read1``, ``read-2``."""
_NUMBERED_WORDS = (
    "t1", "t1w", "t2", "t2w", "pd", "pdw", "stir", "flair", "ct", "mr", "mri", "pet", "adc", "dwi",
    "dti", "swi", "tof", "bold", "scan", "image", "img", "im", "series", "se", "vol", "volume",
    "acq", "run", "echo", "ax", "axial", "axi", "tra", "transversal", "cor", "coronal", "sag",
    "sagittal", "tse", "fse", "gre", "ffe", "fs", "fatsat", "spair", "vibe", "space", "mprage",
    "mp2rage", "spgr", "fgre", "dess", "haste", "trufi", "blade", "propeller", "dixon", "water",
    "fat", "gd", "ce", "contrast", "native", "arterial", "venous", "portal", "phase", "map", "iso",
    "hr", "nii", "final", "new", "old", "draft", "done", "ok", "checked", "reviewed", "corrected",
    "edit", "edited", "manual", "copy", "gt", "truth", "contour", "outline", "trace",
    "tracing", "left", "right", "time", "point", "date",
)  # fmt: skip
_OF_NO_LESION = re.compile(
    rf"\d+|[23]d|[lr]|lesions?|rois?|reader.*|reads?\d*|{_MASK_WORD}|(?:{'|'.join(_NUMBERED_WORDS)})\d*"
)
"""Words in the name of a mask that do not say which lesion it is."""
_NUMBERED_LESION = re.compile(rf"lesions?|rois?|left|right|[lr]|{_MASK_WORD}")
"""Words after which a number may be that of a lesion: ``lesion_2``, ``roi-2``, ``mask_2``."""
_MASK = re.compile(_MASK_WORD)
_LETTERED_NAME = re.compile(r"(?:les|lesion|tumou?r|met|node|nodule|cyst)[a-f]")
_NUMBERED_NAME = re.compile(r"(?:[lr]|les|lesion|roi|gtv|tumou?r|met|node|nodule|cyst)\d{1,2}")
_DATES = re.compile(r"\d{4}([-_.])\d{1,2}\1\d{1,2}|\d{1,2}([-_.])\d{1,2}\2\d{4}")
_FOLDER_OF_NO_LESION = re.compile(
    _MASK_FOLDER.pattern
    + r"|anat|func|dicoms?|niftis?|raw|data|exports?|sessions?|study|studies|originals?|processed|derived"
    r"|results?|outputs?|anonymi[sz]ed|ge|siemens|philips|toshiba|canon|hitachi|hyperfine|backups?",
    re.IGNORECASE,
)
"""Words in the names of folders that do not say which lesion lies there."""
_READER_FOLDER = re.compile(r"reader[-_ ]?([A-Za-z0-9]+)", re.IGNORECASE)
_NO_TIME = re.compile(r"(?:pred|bl[aeou]).*")
"""Words that only begin as ``pre`` and ``bl`` do: prediction, bleeding."""
_BETWEEN = re.compile(r"[^_-]+")
_READ_WORD = re.compile(r"reads?-?\d*|reader.*")
_WARPED = re.compile(r"s?m?w[rc]?\d?(?P<rest>[a-z]+\d*w?)")
_IN_TEMPLATE = re.compile(
    r"(?:^|[\W_])(?:(?:in|to|2)?mni(?:\d\w*)?|(?:in|to)?talairach|warped|normali[sz]ed|icbm\d*\w*|template|"
    r"(?:in|to|2)(?:template|atlas|standard))(?:[\W_]|$)",
    re.IGNORECASE,
)
"""Words for the space of a template, in which a volume is not that of the patient."""
_NEW_LESION = re.compile(r"(?:^|[_. -])new[_. -]?(?:lesion|roi)s?(?![a-z])", re.IGNORECASE)
_ENTITY = re.compile(r"([A-Za-z0-9]+)-([A-Za-z0-9.+]+)")
_DERIVED_ENTITIES = {"label", "desc", "seg", "res", "den", "space", "hemi"}


def folders_of(name: str) -> tuple[str, str]:
    """Return patient and visit of a relative path: its first and second folder.

    A file that lies directly in the study folder stands for a patient of its own, named by its stem. The
    first folder may have both in its name, where the second is none of a visit: ``P01_2024-01-15/masks``.
    """
    parts = name.split("/")
    if len(parts) == 2 or (len(parts) > 2 and _FOLDER_OF_NO_LESION.fullmatch(parts[1])):
        patient, visit = patient_of_folder(parts[0])
        if patient:
            return patient, visit
    patient = parts[0] if len(parts) > 1 else image_stem(name)
    return patient, parts[1] if len(parts) > 2 else ""


def image_stem(name: str) -> str:
    """Return the file name without folder, format suffix and mask suffix."""
    stem = without_suffix(name.rpartition("/")[2])
    matched = _MASK_NAME.match(stem)
    if matched is None:
        return stem
    around = (matched["before"] or "", (matched["behind"] or "").strip(" _.-"))
    return matched["image"] or matched["bids"] or matched["rest"] or "_".join(filter(None, around)) or stem


def stem_before_mask(name: str) -> str:
    """Return what stands before the word for a mask, where something stands behind it; else empty.

    >>> stem_before_mask("t1_mask_corrected.nii.gz")
    't1'
    """
    matched = _MASK_NAME.match(without_suffix(name.rpartition("/")[2]))
    return (matched["before"] or "") if matched else ""


def is_mask_name(name: str) -> bool:
    """Return whether a file's name says that it is a mask."""
    base = name.rpartition("/")[2]
    return base.lower().endswith(".seg.nrrd") or bool(_MASK_NAME.match(without_suffix(base)))


def is_in_mask_folder(name: str) -> bool:
    """Return whether a file lies in a folder that is named after masks, and so is no image.

    >>> is_in_mask_folder("nnunet/predictions/case_1.nii.gz")
    True
    """
    return bool(_MASK_FOLDER.fullmatch(PurePosixPath(name).parent.name))


def folder_of(name: str) -> str:
    """Return the folder of a relative path; ``.`` for one that lies directly in the study folder."""
    return name.rpartition("/")[0] or "."


def is_hidden(name: str) -> bool:
    """Whether a file is one that programs keep beside others; folders that begin with a dot are read.

    Names that begin with a tilde are backups of editors.
    """
    return name.rpartition("/")[2].startswith((".", "~"))


def bids_who(name: str) -> tuple[str, str] | None:
    """Return subject and session of a BIDS name; None for other names."""
    entities = dict(_ENTITY.findall(name.rpartition("/")[2]))
    folders = [part for part in name.split("/")[:-1] if part.startswith(("sub-", "ses-"))]
    subject = next((part for part in folders if part.startswith("sub-")), None)
    if subject is None and "sub" not in entities:
        return None
    subject = subject or f"sub-{entities['sub']}"
    session = next((part for part in folders if part.startswith("ses-")), None)
    return subject, session or (f"ses-{entities['ses']}" if "ses" in entities else "")


def bids_lesion(name: str) -> str:
    """The lesion of a BIDS mask, whose ``label`` names what is masked: ``label-R1`` is lesion ``R1``."""
    entities = dict(_ENTITY.findall(name.rpartition("/")[2]))
    if "sub" not in entities:
        return ""
    described = entities.get("desc", "")
    return entities.get("label", "") or ("" if described.startswith("reader") else described)


def bids_pipeline(name: str) -> str:
    """Return which of the derivatives of a BIDS data set a file belongs to; empty for others.

    >>> bids_pipeline("derivatives/autoseg/sub-01/ses-1/sub-01_ses-1_mask.nii.gz")
    'autoseg'
    """
    parts = name.split("/")
    place = parts.index("derivatives") if "derivatives" in parts else len(parts)
    subject = next((n for n, part in enumerate(parts) if part.startswith("sub-")), 0)
    return "/".join(parts[place + 1 : subject])


def bids_reader(name: str) -> str:
    """The reader of a BIDS name: ``desc-readerA`` is reader ``A``."""
    matched = re.search(r"_desc-reader([A-Za-z0-9]+)", name.rpartition("/")[2])
    return matched[1] if matched else ""


_TEMPLATE = re.compile(
    r"_space-(?P<space>(?:MNI|ICBM|IXI|SPM|OASIS|UNCInfant|Talairach|NIHPD|fsaverage|fsLR|fsnative|template|atlas"
    r"|standard|group|common)[A-Za-z0-9]*)(?=_|$)",
    re.IGNORECASE,
)
"""Spaces of templates (BIDS, appendix on coordinate systems) in which a volume is not that of the patient."""


def template_of_name(name: str) -> str:
    """Return the template in whose space a file lies by its BIDS name; empty where it is the patient's own.

    >>> template_of_name("sub-01_space-MNI152NLin6Asym_label-lesion_mask.nii.gz")
    'MNI152NLin6Asym'
    """
    matched = _TEMPLATE.search(name.rpartition("/")[2].partition(".")[0])
    return matched["space"] if matched else ""


def is_of_template(name: str) -> bool:
    """Return whether the name of a file, of BIDS or others, says that it was warped to a template.

    SPM writes ``w`` before the name of what it has warped.

    >>> [is_of_template(f"{name}.nii") for name in ("lesion_mask_MNI", "wt1_mask", "wrist_mask", "w12_mask")]
    [True, True, False, False]
    """
    stem = without_suffix(name.rpartition("/")[2])
    first = re.split(r"[\W_]", image_stem(name).casefold())[0]
    warped = _WARPED.fullmatch(first)
    rest = warped["rest"] if warped else ""
    is_word = len(rest) > 1 and not rest.isdecimal() and (is_image_word(rest) or names_a_part(rest))
    return is_word or _IN_TEMPLATE.search(stem) is not None or bool(template_of_name(name))


def is_space_of(image: str, mask: str) -> bool:
    """Return whether a BIDS mask lies in the space of an image of the patient, which it names by the suffix.

    >>> is_space_of("sub-1_acq-2_T1w.nii.gz", "sub-1_space-T1w_mask.nii.gz")
    True
    """
    suffix = without_suffix(image.rpartition("/")[2]).rpartition("_")[2]
    return dict(_ENTITY.findall(mask.rpartition("/")[2])).get("space") == suffix


def bids_contradiction(name: str) -> tuple[str, ...]:
    """Return what a BIDS file is called against its folder: ``sub-02`` in ``sub-01``; empty where they agree.

    >>> bids_contradiction("sub-01/ses-2/anat/sub-02_ses-2_mask.nii.gz")
    ('sub-02', 'sub-01')
    """
    entities = dict(_ENTITY.findall(name.rpartition("/")[2]))
    for entity in ("sub", "ses"):
        start = f"{entity}-"
        folder = next((part for part in name.split("/")[:-1] if part.startswith(start)), "")
        if folder and entity in entities and folder != f"{start}{entities[entity]}":
            return f"{start}{entities[entity]}", folder
    return ()


def same_entities(image: str, mask: str) -> bool:
    """Whether an image has all the entities of a mask, save those that only derivatives have."""
    of_image = dict(_ENTITY.findall(image.rpartition("/")[2]))
    of_mask = dict(_ENTITY.findall(mask.rpartition("/")[2]))
    return all(of_image.get(k) == v for k, v in of_mask.items() if k not in _DERIVED_ENTITIES)


def reader_of_name(name: str) -> str:
    """Return the reader that a mask's name says, or a folder below that of the visit.

    >>> reader_of_name("P1/v1/left_readerA_mask.nii.gz"), reader_of_name("P1/v1/reader_B/mask.nii.gz")
    ('A', 'B')
    """
    matched = _READER.search(image_stem(name))
    found = (_READER_FOLDER.fullmatch(folder) for folder in folders_below_visit(name))
    matched = matched or next(filter(None, found), None)
    return matched[1] if matched else ""


def read_of_name(name: str) -> int | None:
    """Return the number of the read that a mask's name says; None where it says none.

    >>> read_of_name("P1/v1/left_read2_mask.nii.gz"), read_of_name("P1/v1/left_mask.nii.gz")
    (2, None)
    """
    matched = READ.search(image_stem(name))
    return int(matched[1]) if matched else None


def reader_of_folder(folder: str) -> str:
    """Return the reader that the name of a folder says; else empty.

    >>> reader_of_folder("reader_B"), reader_of_folder("P1")
    ('B', '')
    """
    matched = _READER_FOLDER.fullmatch(folder)
    return matched[1] if matched else ""


def folders_below_visit(name: str) -> list[str]:
    """Return the folders that hold a file below those of patient and visit.

    >>> folders_below_visit("P1/v1/left/mask.nii.gz")
    ['left']
    """
    return name.split("/")[2:-1]


def side_of_folders(name: str) -> str:
    """Return the side that folders between that of the visit and a mask say; empty where they say none."""
    return "" if bids_who(name) is not None else side_of_name(" ".join(folders_below_visit(name)))


def is_new_lesion(name: str) -> bool:
    """Return whether a mask's name says that its lesion is a new one, and so not the one before.

    >>> is_new_lesion("P1/v2/new_lesion_mask.nii.gz"), is_new_lesion("P1/v2/mask_new.nii.gz")
    (True, False)
    """
    return bool(_NEW_LESION.search(without_suffix(name.rpartition("/")[2])))


def lesion_words(name: str, scan: str, known: Iterable[str]) -> str:
    """Return what the name of a mask, and of folders below the visit, may say of its lesion.

    Parameters
    ----------
    name, scan : str
        The mask and its image.
    known : iterable of str
        Patient and visit, whose words say nothing more.

    Returns
    -------
    str
        Empty where nothing is said, as where the mask has the name of its image.

    Examples
    --------
    >>> lesion_words("P1/v2/P1_v2_cyst_mask.nii.gz", "", ["P1", "v2"])
    'cyst'
    >>> lesion_words("P1/v2/pelvis/lesion_2_mask.nii.gz", "", ["P1", "v2"])
    'pelvis lesion 2'
    """
    said = {word for text in known for word in _words(text)}
    stem = without_suffix(name.rpartition("/")[2])
    of_image = without_suffix(scan.rpartition("/")[2]).casefold().startswith(image_stem(name).casefold())
    words = [*_folder_words(name), *(() if scan and of_image else _lesion_words(stem))]
    return " ".join(word for word in words if word not in said and not _says_a_visit(word))


def is_lesion_name(described: str) -> bool:
    """Return whether words of a mask's name (`lesion_words`) are the name of a lesion, and not of a reader.

    Examples
    --------
    >>> [is_lesion_name(words) for words in ("lesion 1", "l2", "tumora", "femoral head")]
    [True, True, True, True]
    >>> [is_lesion_name(words) for words in ("a", "mask 1", "anna")]
    [False, False, False]
    """
    words, before = described.split(), ""
    for word in words:
        is_number = word.isdecimal() and before in ("lesion", "lesions", "roi", "rois")
        is_counted = word in ("lesion", "lesions", "roi", "rois")
        is_name = _NUMBERED_NAME.fullmatch(word) or _LETTERED_NAME.fullmatch(word) or names_a_part(word)
        if not (is_number or is_counted or is_name):
            return False
        before = word
    return bool(words)


def _says_a_visit(word: str) -> bool:
    return is_visit_name(word) and not _NO_TIME.fullmatch(word)


def is_image_word(word: str) -> bool:
    """Return whether a word in a file's name tells no patient and no lesion: ``t1``, ``left``, ``scan2``."""
    return not word or bool(_OF_NO_LESION.fullmatch(word))


def stem_of_patient(stem: str) -> str:
    """Return the name of a file without words for side, reader, lesion and image at its end.

    Empty where nothing is left that may name a patient. Numbers stay: they may be that of the patient.

    >>> stem_of_patient("P1_left_readerA"), stem_of_patient("HIP_001_t1"), stem_of_patient("left_femur")
    ('P1', 'HIP_001', '')
    """
    end = len(stem)
    for word in reversed([*_BETWEEN.finditer(stem)]):
        text = word[0].casefold()
        is_known = is_image_word(text) or _READ_WORD.fullmatch(text) or names_a_part(text)
        if text.isdecimal() or not is_known:
            return stem[:end]
        end = max(word.start() - 1, 0)
    return ""


def _lesion_words(stem: str) -> Iterator[str]:
    before = ""
    words = _words(_DATES.sub(" ", stem))
    if len(words) == 2 and words[0].isdecimal() and len(words[0]) < 3 and _MASK.fullmatch(words[1]):
        yield f"mask {int(words[0])}"  # ``1_mask``, which nothing else is said of
    for word in words:
        if word.isdecimal() and len(word) <= 3 and _NUMBERED_LESION.fullmatch(before):
            yield f"{before} {int(word)}"
        elif not _OF_NO_LESION.fullmatch(word):
            yield word
        before = word


def _folder_words(name: str) -> Iterator[str]:
    """What folders below the visit say; those of archives have numbers and UIDs in their names."""
    for folder in folders_below_visit(name):
        if not _READER_FOLDER.fullmatch(folder):
            for word in _lesion_words(folder):
                is_said = not any(c.isdigit() for c in word) or " " in word or _NUMBERED_NAME.fullmatch(word)
                if is_said and not _FOLDER_OF_NO_LESION.fullmatch(word):
                    yield word


def _words(text: str) -> list[str]:
    return re.split(r"[\W_]+", text.casefold())
