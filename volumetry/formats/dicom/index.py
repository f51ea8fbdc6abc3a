"""The headers of DICOM files, fast: of one file, or of every file below a folder.

A folder of thousands of files is indexed at the speed of opening them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Literal, cast

from volumetry.errors import ReadError, VolumetryError
from volumetry.formats.dicom.classes import DICOM_SUFFIXES
from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.file.elements import walk_open_file
from volumetry.formats.dicom.file.values import decode_value
from volumetry.formats.dicom.header_tags import HEADER_SELECTION
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.kept_headers import KeptHeaders, kept_headers, noted_headers
from volumetry.formats.limits import DEFAULT_LIMITS, Limits
from volumetry.formats.opening import (
    follows_links,
    is_program_folder,
    open_regular,
    open_with_status,
    tell_files,
    truncated,
)
from volumetry.formats.walking import FolderWalk

_SLOTS = HEADER_SELECTION.slots
_SOP_CLASS, _SERIES = _SLOTS[tags.SOPClassUID], _SLOTS[tags.SeriesInstanceUID]
_ROWS = _SLOTS[tags.Rows]
_MATRIX = itemgetter(
    *(
        _SLOTS[tag]
        for tag in (tags.Rows, tags.Columns, tags.SamplesPerPixel, tags.BitsAllocated, tags.NumberOfFrames)
    )
)
_PHOTOMETRIC = _SLOTS[tags.PhotometricInterpretation]
# Storage classes of images, below 1.2.840.10008.5.1.4.1.1: such a file without pixels was cut.
_IMAGE_CLASSES = re.compile(
    r"1\.2\.840\.10008\.5\.1\.4\.1\.1\."
    r"(1|1\.1|1\.1\.1|2|2\.[12]|3\.1|4|4\.[134]|6\.[12]|7|7\.[1-4]|12\.[12]|12\.[12]\.1|13\.1\.[123]|20|30"
    r"|66\.[47]|128|128\.1|130|481\.[12])"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderIndex:
    """What lies below a folder, each list in the order of sorted paths.

    Parameters
    ----------
    headers : list of DicomHeader
        The DICOM files.
    refusals : list of (str, VolumetryError)
        Files that should be DICOM and cannot be read, and folders that cannot be listed, each with its error.
    other_files : list of str
        Regular files that are not DICOM.
    dicomdirs : list of str
        DICOMDIR files; what they list was not followed.
    links : list of str
        Links to folders that were read under their own names, where links are followed.
    """

    headers: list[DicomHeader]
    refusals: list[tuple[str, VolumetryError]]
    other_files: list[str]
    dicomdirs: list[str]
    links: list[str]

    def by_series(self) -> dict[str, list[DicomHeader]]:
        """Return the headers grouped by SeriesInstanceUID, ``""`` where absent."""
        series: dict[str, list[DicomHeader]] = {}
        uids: dict[bytes | None, str] = {}  # decoded once for all images of a series
        for header in self.headers:
            raw = header.raw_values[_SERIES]
            if raw not in uids:
                uids[raw] = header.series_instance_uid or ""
            series.setdefault(uids[raw], []).append(header)
        return series


def read_header(path: Path | str, *, limits: Limits = DEFAULT_LIMITS) -> DicomHeader:
    """Read the header of one DICOM file.

    Parameters
    ----------
    path : path or str
        The file; may be a symbolic link.
    limits : Limits, optional
        Sizes and depth to hold it to.

    Returns
    -------
    DicomHeader
        Its header, once the file is known to hold all it declares.

    Raises
    ------
    ReadError
        As `volumetry.formats.dicom.file.elements.walk_file`; also ``truncated`` where an image has no
        pixels or fewer than its matrix needs, and ``unsupported-format`` for a DICOMDIR.
    """
    kept = kept_headers() if limits is DEFAULT_LIMITS else None
    known = None if kept is None else kept.at(os.fspath(path))
    if known is not None:
        return known
    descriptor, file_bytes = open_regular(path)
    try:
        header = _read(descriptor, file_bytes, os.fspath(path), {}, limits)
    except OSError as error:
        raise _not_listed(os.fspath(path), error) from None
    finally:
        os.close(descriptor)
    if header is None:
        raise ReadError(
            "unsupported-format",
            "a DICOMDIR is a list of files, and is not followed",
            where=path,
            todo="Name the folder that holds the files.",
        )
    return header


def keep_header(kept: KeptHeaders, path: str, descriptor: int, status: os.stat_result) -> None:
    """Keep the header of an open file, for `read_header` and `index_folder`; nothing where it has none.

    Parameters
    ----------
    kept : KeptHeaders
    path : str
    descriptor : int
    status : os.stat_result
        Of the file, from before anything of it was read.
    """
    header = kept.of(status, path)
    if header is None:
        try:
            header = _read(descriptor, status.st_size, path, kept.shared, DEFAULT_LIMITS)
        except (VolumetryError, OSError):
            return  # who needs it reads it, and says why it cannot be read
    if header is not None:
        kept.add(status, header)


def index_folder(
    path: Path | str,
    *,
    limits: Limits = DEFAULT_LIMITS,
    never_dicom: tuple[str, ...] = (),
    is_listed: Callable[[str], bool] = bool,
) -> FolderIndex:
    """Read the headers of all DICOM files below a folder.

    FIFOs, devices and the folders of programs below it are passed by, symbolic links too unless
    `volumetry.formats.opening.links_followed` (`volumetry.formats.walking`). A file without
    the mark of DICOM is another file, unless its suffix says ``.dcm``, ``.dicom`` or ``.ima``.

    Parameters
    ----------
    path : path or str
        A folder (may be a symbolic link), or one file.
    limits : Limits, optional
        Sizes and depth to hold each file to.
    never_dicom : tuple of str, optional
        Suffixes, in lower case, of files that are another file without being opened.
    is_listed : callable, optional
        Of the path of another file: whether anybody asks for it. There may be very many.

    Returns
    -------
    FolderIndex
        Headers, refusals and other files.

    Raises
    ------
    ReadError
        ``not-found`` where there is nothing at `path`.
    """
    index = FolderIndex(headers=[], refusals=[], other_files=[], dicomdirs=[], links=[])
    root = os.fspath(path)
    if not os.path.lexists(root):
        raise ReadError("not-found", "there is no such file or folder", where=root, todo="Check the path.")
    if not Path(root).is_dir():
        _add_files([(root, True)], index, limits)
        return index
    walk = FolderWalk(
        root=root,
        follow=follows_links(),
        enters=lambda name: not is_program_folder(name),
        refused=lambda folder, error: index.refusals.append((folder, _not_listed(folder, error))),
        passed_by=index.links,
    )
    for _, entries in walk:
        files = sorted(entry.path for entry in entries if entry.is_file(follow_symlinks=walk.follow))
        if never_dicom:
            index.other_files.extend(file for file in files if file.lower().endswith(never_dicom))
            files = [file for file in files if not file.lower().endswith(never_dicom)]
        _add_files(((file, follows_links()) for file in files), index, limits, is_listed)
        tell_files(len(index.headers) + len(index.refusals) + len(index.other_files))
    for found in (index.refusals, index.other_files, index.dicomdirs):
        found.sort(key=lambda entry: entry if isinstance(entry, str) else entry[0])
    index.headers.sort(key=lambda header: header.path)
    return index


def _add_files(
    files: Iterable[tuple[str, bool]],
    index: FolderIndex,
    limits: Limits,
    is_listed: Callable[[str], bool] = bool,
) -> None:
    """Sort files into the lists of `index`. Values that files share are kept once."""
    shared: dict[bytes | None, bytes | None] = {}
    kept, noted = (kept_headers(), noted_headers()) if limits is DEFAULT_LIMITS else (None, None)
    for path, is_named in files:
        known = None if kept is None else kept.at(path, follow_link=is_named)
        if known is not None:
            index.headers.append(known)
            continue
        try:
            descriptor, status = open_with_status(path, follow_link=is_named)
            try:
                header = _read(descriptor, status.st_size, path, shared, limits)
            finally:
                os.close(descriptor)
            if header is None:
                index.dicomdirs.append(path)
            else:
                index.headers.append(header)
                if noted is not None:
                    noted.add_settled(status, header)
        except ReadError as error:
            if _is_other(path, error):
                if is_listed(path):
                    index.other_files.append(path)
            else:
                index.refusals.append((path, error))
        except OSError as error:
            index.refusals.append((path, _not_listed(path, error)))


def _is_other(path: str, error: ReadError) -> bool:
    """Return whether a refused file never claimed to be DICOM."""
    if is_apple_double(os.path.basename(path)):  # noqa: PTH119 - faster, and the path is a text
        return True
    if path.lower().endswith(DICOM_SUFFIXES):
        return False
    return error.code == "unsupported-format" or error.values.get("present_bytes") == 0


def is_apple_double(name: str) -> bool:
    """Return whether a file is what macOS keeps beside another one on foreign disks: ``._name``."""
    return name.startswith("._")


def _not_listed(path: str, error: OSError) -> ReadError:
    return ReadError(
        "unreadable",
        f"reading failed: {error.strerror}",
        where=path,
        todo="Check its permissions and the disk.",
    )


def _read(
    descriptor: int, file_bytes: int, path: str, shared: dict[bytes | None, bytes | None], limits: Limits
) -> DicomHeader | None:
    """Return the header of an open file, None for a DICOMDIR; values that are in `shared` are taken there."""
    syntax, _, walked = walk_open_file(descriptor, file_bytes, path, HEADER_SELECTION, limits)
    if walked is None:
        return None
    header = DicomHeader(
        path=path,
        file_bytes=file_bytes,
        transfer_syntax_uid=syntax,
        pixel=walked.pixel,
        trailing_bytes=walked.trailing_bytes,
        raw_values=tuple(map(shared.setdefault, walked.values, walked.values)),
    )
    if header.raw_values[_SOP_CLASS] is None:
        raise _without_class(header)
    _check_pixels(header)
    return header


def _without_class(header: DicomHeader) -> ReadError:
    if not any(header.raw_values):
        return truncated("the file ends before its data set", header.path, 1, 0)
    return ReadError(
        "unreadable",
        "SOPClassUID is missing, so the file does not say what it is",
        where=header.path,
        todo="Export the file again.",
    )


def _check_pixels(header: DicomHeader) -> None:
    """Refuse an image with fewer pixels than its matrix needs; cut between elements, it reads as whole."""
    values, pixel = header.raw_values, header.pixel
    if pixel is None:
        is_image = (
            values[_ROWS] is not None or _IMAGE_CLASSES.fullmatch(header.sop_class_uid or "") is not None
        )
        if is_image:
            raise truncated("the image has no pixels", header.path, None, 0)
        return
    if pixel.fragments is not None or (values[_PHOTOMETRIC] or b"").startswith(b"YBR"):
        return
    try:
        needed = _needed_bytes(_MATRIX(values), header.little_endian)
    except ReadError as error:
        raise error.at(header.path) from None
    if needed > pixel.length_bytes:
        raise truncated("the image has fewer pixels than its matrix", header.path, needed, pixel.length_bytes)


@lru_cache(maxsize=256)
def _needed_bytes(matrix: tuple[bytes | None, ...], little_endian: bool) -> int:
    """Return the bytes of native pixels; the files of a series share their matrix."""
    *sizes, frames = matrix
    order: Literal["little", "big"] = "little" if little_endian else "big"
    needed_bits = 1
    for size in sizes:
        needed_bits *= int.from_bytes(size or b"\1", order)
    if frames is not None:
        number = cast("tuple[int, ...] | None", decode_value(tags.NumberOfFrames, frames))
        needed_bits *= 1 if number is None else max(1, number[0])
    return (needed_bits + 7) // 8
