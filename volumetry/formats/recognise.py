"""The one list of formats: their suffixes, how their bytes look, and which files belong together.

Everything that asks "is this a scan?", "what is its name without the suffix?" or "which files decide what is
read?" asks here.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from volumetry.errors import ReadError

HEAD_BYTES = 512
_TEXT_HEADER_BYTES = 1 << 16

RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
"""SOP class of an RT Structure Set."""

SEG_CLASSES = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})
"""SOP classes of a Segmentation and of a Label Map Segmentation."""

ENHANCED_CLASSES = frozenset(
    f"1.2.840.10008.5.1.4.1.1.{suffix}"
    for suffix in ("2.1", "2.2", "4.1", "4.3", "4.4", "128.1", "130", "30")
)
"""Enhanced and legacy converted CT, MR (also colour) and PET; parametric maps."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """A kind of file: how it is recognised, and the module that reads it."""

    name: str
    module: str
    matches: Callable[[str, bytes], bool]
    """Given the lower-case file name and the first `HEAD_BYTES` bytes."""
    suffixes: tuple[str, ...]
    """Lower case, with the dot; a longer one before a shorter one that it ends with."""
    companions: Callable[[Path], list[Path]] = lambda _path: []
    """The other files, present or not, whose bytes decide what is read from a file."""


def _is_nifti(name: str, head: bytes) -> bool:
    if name.endswith((".nii.gz", ".nii")):
        return True
    sizes = (head[:4], head[3::-1] if len(head) >= 4 else b"")
    return any(int.from_bytes(size, "little") in (348, 540) for size in sizes) and len(head) >= 348


_MASK_SUFFIX = re.compile(r"[_-](mask|dseg|label|labels|seg)$", re.I)


def nifti_sidecars(path: Path) -> list[Path]:
    """Return where the BIDS sidecar of a NIfTI file can be.

    ``X.json`` for ``X.nii.gz``; for ``X_mask.nii.gz`` also ``X.json``, the sidecar of the image.
    """
    stem = re.sub(r"\.(nii|hdr|img)(\.gz)?$", "", path.name, flags=re.I)
    stems = dict.fromkeys((stem, _MASK_SUFFIX.sub("", stem)))
    return [path.with_name(f"{stem}.json") for stem in stems if stem]


def _nifti_companions(path: Path) -> list[Path]:
    pair = re.fullmatch(r"(.*)\.(hdr|img)(\.gz)?", path.name, re.I | re.S)
    others = [] if pair is None else [path.with_name(f"{pair[1]}.{s}") for s in ("hdr", "img", "img.gz")]
    return [*(other for other in others if other != path), *nifti_sidecars(path)]


def _named_in_header(pattern: re.Pattern[bytes]) -> Callable[[Path], list[Path]]:
    """Return what finds the data file that a text header names, which is read from beside it only."""

    def companions(path: Path) -> list[Path]:
        with suppress(OSError, ValueError), path.open("rb") as file:
            found = pattern.search(file.read(_TEXT_HEADER_BYTES))
            name = "" if found is None else found[1].decode("utf-8", "replace").strip()
            if name and name.upper() not in ("LOCAL", "LIST") and "/" not in name and "\0" not in name:
                return [path.with_name(name)]
        return []

    return companions


FORMATS = (
    Format(
        name="trace",
        module="volumetry.formats.trace_json",
        matches=lambda name, head: name.endswith(".trace.json") or head.lstrip()[:1] == b"{",
        suffixes=(".trace.json",),
    ),
    Format(
        name="nrrd",
        module="volumetry.formats.voxels.nrrd",
        matches=lambda name, head: head[:4] == b"NRRD" or name.endswith((".nrrd", ".nhdr")),
        suffixes=(".seg.nrrd", ".nrrd", ".nhdr"),
        companions=_named_in_header(re.compile(rb"^data ?file\s*:=?([^\r\n]*)", re.I | re.M)),
    ),
    Format(
        name="metaimage",
        module="volumetry.formats.voxels.metaimage",
        matches=lambda name, _: name.endswith((".mha", ".mhd")),
        suffixes=(".mha", ".mhd"),
        companions=_named_in_header(re.compile(rb"^ElementDataFile\s*=([^\r\n]*)", re.I | re.M)),
    ),
    Format(
        name="nifti",
        module="volumetry.formats.voxels.nifti",
        matches=_is_nifti,
        suffixes=(".nii.gz", ".nii"),
        companions=_nifti_companions,
    ),
    Format(
        name="dicom",
        module="volumetry.formats.dicom.reader",
        matches=lambda _name, _head: True,
        suffixes=(".dcm", ".dicom", ".ima"),
    ),
)
"""In the order they are tried; DICOM last, whose module refuses what is not DICOM."""

TRACE_SUFFIX = ".trace.json"
DICOM_SUFFIXES = FORMATS[-1].suffixes
VOXEL_SUFFIXES = tuple(s for f in FORMATS if f.name not in ("trace", "dicom") for s in f.suffixes)
"""Of files that hold one volume of voxels each, scan or mask."""
SUFFIXES = tuple(suffix for f in FORMATS for suffix in f.suffixes)
"""Of every file that is read; DICOM files may also have none."""


def recognise(path: Path | str) -> Format:
    """Return the format of a file or folder (a folder is a DICOM series).

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``, ``truncated`` (an empty file).
    """
    path = Path(path)
    dicom = FORMATS[-1]
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return dicom
        if not stat.S_ISREG(mode):
            raise ReadError(
                "unsupported-format", "this is no regular file", where=path, todo="Name a file or a folder."
            )
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError:
        raise ReadError("not-found", "there is no such file", where=path, todo="Check the name.") from None
    except (OSError, ValueError) as error:
        raise ReadError(
            "unreadable",
            "the file cannot be read",
            where=path,
            values={"reason": getattr(error, "strerror", None) or type(error).__name__},
            todo="Check the rights of the file.",
        ) from None
    if not head:
        raise ReadError("truncated", "the file is empty", where=path, todo="Copy the file again.")
    return next(f for f in FORMATS if f.matches(path.name.lower(), head))


def is_voxel_file(name: str) -> bool:
    """Return whether a file's name says that it holds a volume of voxels: NIfTI, NRRD, MetaImage..."""
    return name.lower().endswith(VOXEL_SUFFIXES)


def without_suffix(name: str) -> str:
    """Return a file name without the suffix of its format, or without its last suffix.

    >>> without_suffix("hip_mask.nii.gz")
    'hip_mask'
    """
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return Path(name).stem


def files_of(path: Path | str) -> tuple[Path, ...]:
    """Return every file whose bytes decide what is read from one file: itself, sidecars, detached data.

    Parameters
    ----------
    path : path
        A file. A DICOM file decides for itself; which files are its series, the series says.

    Returns
    -------
    tuple of Path
        The file first, then those of the others that are there, whether it can be read or not.
    """
    path = Path(path)
    try:
        found = recognise(path)
    except ReadError:
        return (path,)
    if path.is_dir():
        return (path,)
    others = (other for other in found.companions(path) if other.is_file())
    return tuple(dict.fromkeys([path, *others]))
