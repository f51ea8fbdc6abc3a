"""The one list of formats: their suffixes, how their bytes look, and which files belong together.

Everything that asks "is this a scan?", "what is its name without the suffix?" or "which files decide what is
read?" asks here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path

from volumetry.errors import ReadError, VolumetryError
from volumetry.formats.dicom.classes import DICOM_SUFFIXES, RTSTRUCT_CLASS, SEG_CLASSES, TRACED_CLASSES
from volumetry.formats.opening import file_mark
from volumetry.formats.reader import FormatReader

HEAD_BYTES = 512
PAIRED = (".img", ".img.gz")
"""Halves of a pair whose other half, the header, stands for both."""

_VTK_HEAD_BYTES = 4096
_TIFF_SUFFIXES = (".ome.tiff", ".ome.tif", ".tiff", ".tif")
_TIFF_MAGIC = {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}


@dataclass(frozen=True, kw_only=True)
class Format:
    """A kind of file: how it is recognised, and what reads it.

    Examples
    --------
    >>> from volumetry.formats import FORMATS
    >>> [known.name for known in FORMATS][:3]
    ['trace', 'nrrd', 'metaimage']
    """

    name: str
    reader: Callable[[], FormatReader]
    """Imports the reader, which nobody needs before a file of its format is met."""
    matches: Callable[[str, bytes], bool]
    """Given the lower-case file name and the first `HEAD_BYTES` bytes."""
    suffixes: tuple[str, ...]
    """Lower case, with the dot; a longer one before a shorter one that it ends with."""
    by_library: bool = False
    """Whether compiled libraries read its bytes: what is damaged may then end a process, or never return."""
    doubtful: dict[str, Callable[[Path], bool]] = field(default_factory=dict)
    """Suffixes that files of other kinds have, too, and whether one is a volume: asked in study folders."""


def _is_nifti(name: str, head: bytes) -> bool:
    if name.endswith((".nii.gz", ".nii")):
        return True
    if name.endswith((".hdr", ".hdr.gz", ".img", ".img.gz")):
        return not _is_dicom(head)  # scanners call their DICOM files .img, too
    sizes = (head[:4], head[3::-1] if len(head) >= 4 else b"")
    return any(int.from_bytes(size, "little") in (348, 540) for size in sizes) and len(head) >= 348


def _is_dicom(head: bytes) -> bool:
    return head[128:132] == b"DICM" or head[:2] in (b"\x08\0", b"\x02\0")


def _is_pair_header(path: Path) -> bool:
    """Whether a ``.hdr`` is half of a pair, and no header of another kind of that name."""
    return len(list(path.parent.glob(f"{escape(path.name.partition('.hdr')[0])}.[iI][mM][gG]*"))) > 0


def _is_structured(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        return b"STRUCTURED_POINTS" in file.read(_VTK_HEAD_BYTES).upper()
    return False


def _is_stack(path: Path) -> bool:
    """Whether a TIFF says how far apart its slices are; other pictures are no volumes."""
    try:
        return bool(_tiff().read_scan_header(path))
    except VolumetryError:
        return False


def _trace() -> FormatReader:
    from volumetry.formats.trace_json import READER

    return READER


def _nrrd() -> FormatReader:
    from volumetry.formats.voxels.nrrd.reader import READER

    return READER


def _metaimage() -> FormatReader:
    from volumetry.formats.voxels.metaimage import READER

    return READER


def _nifti() -> FormatReader:
    from volumetry.formats.voxels.nifti.reader import READER

    return READER


def _mgh() -> FormatReader:
    from volumetry.formats.voxels.by_library.freesurfer import READER

    return READER


def _gipl() -> FormatReader:
    from volumetry.formats.voxels.by_library.itk_images import GIPL_READER

    return GIPL_READER


def _vtk() -> FormatReader:
    from volumetry.formats.voxels.by_library.itk_images import VTK_READER

    return VTK_READER


def _tiff() -> FormatReader:
    from volumetry.formats.voxels.by_library.tiff import READER

    return READER


def _dicom() -> FormatReader:
    from volumetry.formats.dicom.reader import READER

    return READER


FORMATS = (
    Format(
        name="trace",
        reader=_trace,
        matches=lambda name, head: name.endswith(".trace.json") or head.lstrip()[:1] == b"{",
        suffixes=(".trace.json",),
    ),
    Format(
        name="nrrd",
        reader=_nrrd,
        matches=lambda name, head: head[:4] == b"NRRD" or name.endswith((".nrrd", ".nhdr")),
        suffixes=(".seg.nrrd", ".nrrd", ".nhdr"),
    ),
    Format(
        name="metaimage",
        reader=_metaimage,
        matches=lambda name, _: name.endswith((".mha", ".mhd")),
        suffixes=(".mha", ".mhd"),
    ),
    Format(
        name="nifti",
        reader=_nifti,
        matches=_is_nifti,
        suffixes=(".nii.gz", ".nii", ".hdr.gz", ".hdr", ".img.gz", ".img"),
        doubtful={".hdr": _is_pair_header, ".hdr.gz": _is_pair_header}
        | dict.fromkeys(PAIRED, lambda _: False),
    ),
    Format(
        name="mgh",
        reader=_mgh,
        matches=lambda name, _: name.endswith((".mgz", ".mgh", ".mgh.gz")),
        suffixes=(".mgz", ".mgh.gz", ".mgh"),
    ),
    Format(
        name="gipl",
        reader=_gipl,
        by_library=True,
        matches=lambda name, head: (
            name.endswith((".gipl", ".gipl.gz")) or head[252:256] == b"\xef\xff\xe9\xb0"
        ),
        suffixes=(".gipl.gz", ".gipl"),
    ),
    Format(
        name="vtk",
        reader=_vtk,
        by_library=True,
        matches=lambda name, head: name.endswith(".vtk") or head[:22] == b"# vtk DataFile Version",
        suffixes=(".vtk",),
        doubtful={".vtk": _is_structured},
    ),
    Format(
        name="tiff",
        reader=_tiff,
        by_library=True,
        matches=lambda name, head: name.endswith((".tif", ".tiff")) or head[:4] in _TIFF_MAGIC,
        suffixes=_TIFF_SUFFIXES,
        doubtful=dict.fromkeys(_TIFF_SUFFIXES, _is_stack),
    ),
    Format(
        name="dicom",
        reader=_dicom,
        by_library=True,
        matches=lambda _name, _head: True,
        suffixes=DICOM_SUFFIXES,
    ),
)
"""In the order they are tried; DICOM last, whose module refuses what is not DICOM."""

TRACE_SUFFIX = ".trace.json"
VOXEL_SUFFIXES = tuple(s for f in FORMATS if f.name not in ("trace", "dicom") for s in f.suffixes)
"""Of files that hold one volume of voxels each, scan or mask."""
SUFFIXES = tuple(suffix for f in FORMATS for suffix in f.suffixes)
"""Of every file that is read; DICOM files may also have none."""
NEVER_DICOM = (TRACE_SUFFIX, ".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".mgz", ".mgh")
"""Of files that need not be opened to know that they are no DICOM: half the time of a network folder."""


def recognise(path: Path | str) -> Format:
    """Return the format of a file or folder (a folder is a DICOM series).

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``, ``truncated`` (an empty file).

    Examples
    --------
    >>> from volumetry.formats import recognise
    >>> recognise("sample_scans/orientation/axial/axial_mask.nii.gz").name
    'nifti'
    """
    name = os.fspath(path)
    dicom = FORMATS[-1]
    try:
        status = os.stat(name)  # noqa: PTH116 - a Path for each of many files takes longer
        if stat.S_ISDIR(status.st_mode):
            return dicom
        if not stat.S_ISREG(status.st_mode):
            raise ReadError(
                "unsupported-format", "this is no regular file", where=path, todo="Name a file or a folder."
            )
        known = _KNOWN.get(name)
        if known is not None and known[0] == file_mark(status):
            return known[1]
        head = b""
        if status.st_size:  # files of the system that say 0, such as /proc/kmsg, may never answer
            with open(name, "rb") as file:  # noqa: PTH123
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
    return remember(path, status, head)


_MOST_KNOWN = 8192
_KNOWN: dict[str, tuple[tuple[int, ...], Format]] = {}
"""What files were recognised as, so that one that was read lately is not opened to ask again."""


def remember(path: Path | str, status: os.stat_result, head: bytes) -> Format:
    """Return the format of a file by its first bytes, and keep it for those who ask `recognise`.

    Parameters
    ----------
    path : path
    status : os.stat_result
        Of the file, from before it was read: one that was changed since is looked at again.
    head : bytes
        Its first `HEAD_BYTES` bytes.
    """
    name = os.path.basename(path).lower()  # noqa: PTH119
    says_dicom = head[128:132] == b"DICM" and not is_voxel_file(name)  # its preamble may be that of a TIFF
    found = FORMATS[-1] if says_dicom else next(f for f in FORMATS if f.matches(name, head))
    if len(_KNOWN) >= _MOST_KNOWN:
        _KNOWN.clear()
    _KNOWN[os.fspath(path)] = (file_mark(status), found)
    return found


def is_voxel_file(name: str) -> bool:
    """Return whether a file's name says that it holds a volume of voxels: NIfTI, NRRD, MetaImage..."""
    return name.lower().endswith(VOXEL_SUFFIXES)


def is_by_library(name: str) -> bool:
    """Return whether a file of this name is read by compiled libraries (`Format.by_library`), by its suffix.

    >>> is_by_library("hip_mask.nii.gz"), is_by_library("IM0001")
    (False, True)
    """
    named = (one for one in FORMATS if name.lower().endswith(one.suffixes))
    return next(named, FORMATS[-1]).by_library


def is_volume(path: Path | str) -> bool:
    """Return whether a file found in a folder is a volume of voxels, to be measured or listed.

    As `is_voxel_file`; where other kinds of files have the same suffix (a picture in TIFF, a surface in VTK),
    its bytes decide. The image of a pair is not counted beside its header.
    """
    name = os.path.basename(path).lower()  # noqa: PTH119 - a Path for each of many files takes longer
    for one in FORMATS:
        for suffix in one.suffixes:
            if name.endswith(suffix):
                holds_volume = one.doubtful.get(suffix)
                return suffix in VOXEL_SUFFIXES and (holds_volume is None or holds_volume(Path(path)))
    return False


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
    others = (other for other in found.reader().companions(path) if other.is_file())
    return tuple(dict.fromkeys([path, *others]))


__all__ = [
    "DICOM_SUFFIXES",
    "FORMATS",
    "RTSTRUCT_CLASS",
    "SEG_CLASSES",
    "SUFFIXES",
    "TRACED_CLASSES",
    "TRACE_SUFFIX",
    "VOXEL_SUFFIXES",
    "Format",
    "files_of",
    "is_by_library",
    "is_volume",
    "is_voxel_file",
    "recognise",
    "without_suffix",
]
