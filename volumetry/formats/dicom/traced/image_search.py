"""Where the images of a tracing lie: in the folder that is named, or beside the file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from volumetry.errors import ReadError, VolumetryError
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.index import read_header
from volumetry.formats.dicom.series.choose import readable_headers_at
from volumetry.formats.dicom.traced.images import TracedImages
from volumetry.formats.dicom.traced.references import References
from volumetry.formats.reader import DicomImages

MAX_SEARCHED_FILES = 20_000
"""Files looked at in search of a series before the search is given up."""

MAX_FILES_BESIDE = 2_000
"""The same for a segmentation, which can do without."""


def images_of(path: Path | str, references: References, scan: object = None) -> TracedImages:
    """Return the images that a segmentation or structure set may mean; pixels are not read.

    Parameters
    ----------
    path : path
        The segmentation or structure set.
    references : References
    scan : SourceStack, DicomImages or path, optional
        The scan; without it the series the file names is looked for in its folder, below it, and in the
        folders beside it.

    Raises
    ------
    ReadError
        ``not-found`` where the series is not there; what is wrong with its files.
    """
    if isinstance(scan, DicomImages | Path | str):
        folder = scan.path if isinstance(scan, DicomImages) else Path(scan)
        headers, of_file = _headers_of([folder], references)
        return TracedImages(path=folder, references=references, headers=headers, of_file=of_file)
    if scan is not None:
        return TracedImages(path=Path(path), references=references, scan=scan)  # type: ignore[arg-type]
    folders = find_series_folders(path, references)
    if not folders:
        raise _not_found(path, references)
    headers, _ = _headers_of(folders, references)
    return TracedImages(path=folders[0], references=references, headers=headers)


def _headers_of(
    folders: Sequence[Path], references: References
) -> tuple[tuple[DicomHeader, ...], DicomHeader | None]:
    """Return the headers of folders, or of one file and those of its series, and that of the file.

    A file that cannot be read could be a slice, and is refused; but not where every outline or frame names
    its image, and all of these are there.

    Raises
    ------
    ReadError
        What is wrong with a file.
    """
    found: dict[str, DicomHeader] = {}
    refusals: list[VolumetryError] = []
    of_file = None
    for folder in folders:
        headers, of_file, refusal = readable_headers_at(folder)
        found |= {header.path: header for header in headers}
        refusals += [] if refusal is None else [refusal]
    if refusals:
        named = {name.partition("#")[0] for name in references.traced_instance_uids}
        if not references.names_every_image or named - {h.sop_instance_uid for h in found.values()}:
            raise refusals[0]
    return tuple(found.values()), of_file


def _not_found(path: Path | str, references: References) -> ReadError:
    """Return the error for a series that is not there, or whose files cannot be read."""
    says = references.referenced_series_uids or references.referenced_instance_uids
    unread = _unread_files(Path(path).absolute().parent) if says else []
    values: dict[str, object] = {
        "series": " ".join(references.referenced_series_uids)[:140] or "none named",
    }
    if unread:
        first = unread[0]
        name = Path(str(first.where)).name
        values |= {
            "files that cannot be read": len(unread),
            "the first": f"{name}: {first.code}, {first.what}",
        }
    return ReadError(
        "not-found",
        "the file does not say which images the contours were drawn on"
        if not says
        else "no file that can be read beside it is of the series that the contours were drawn on"
        if unread
        else "the series that the contours were drawn on is not beside the file",
        where=path,
        values=values,
        todo="Export the files again that cannot be read, or name the folder of the series with --scan."
        if unread
        else "Name its folder with --scan.",
    )


def _unread_files(here: Path) -> list[VolumetryError]:
    """Return why DICOM files around a folder cannot be read."""
    errors = []
    for file in islice(_files_around(here), MAX_FILES_BESIDE):
        try:
            read_header(file)
        except VolumetryError as error:
            if error.code != "unsupported-format":
                errors.append(error.at(str(file)))
    return errors


def images_beside(path: Path | str, references: References) -> TracedImages | None:
    """Return the images of a segmentation, where they lie beside it and can be read.

    A segmentation declares a grid of its own, so that a series that is not there is no error.
    """
    try:
        folders = find_series_folders(path, references, max_files=MAX_FILES_BESIDE)
        if not folders:
            return None
        headers, _ = _headers_of(folders, references)
    except VolumetryError:
        return None
    return TracedImages(path=folders[0], references=references, headers=headers)


def find_series_folders(
    path: Path | str, references: References, *, max_files: int = MAX_SEARCHED_FILES
) -> tuple[Path, ...]:
    """Return the folders of the images that outlines or frames name, else of the series that are listed.

    Looked at in this order, `max_files` at most: the folder of the file, the folders below it, the folders
    beside it. Symbolic links are not followed.
    """
    here = Path(path).absolute().parent  # links are not resolved
    images = {name.partition("#")[0] for name in references.traced_instance_uids}
    if not references.referenced_series_uids and not images:
        images = {name.partition("#")[0] for name in references.referenced_instance_uids}
    series = set(references.sought_series_uids)
    missing = {*series, *images}
    folders: list[Path] = []
    for file in islice(_files_around(here), max_files):
        if not missing:
            break
        header = _other_image(file, references)
        if header is None:
            continue
        found = {header.series_instance_uid or "", header.sop_instance_uid or ""} & missing
        missing -= found
        if found and file.parent not in folders:
            folders.append(file.parent)
    if not folders and references.names_every_image:  # none of the named images: those of the series
        listed = replace(references, traced_instance_uids=frozenset(), names_every_image=False)
        return find_series_folders(path, listed, max_files=max_files)
    return tuple(folders)


def _other_image(file: Path, references: References) -> DicomHeader | None:
    """Return the header of a file that holds an image, and is not the tracing itself; None for any other."""
    try:
        header = read_header(file)
        is_other = header.pixel is not None and header.sop_instance_uid != references.sop_instance_uid
        _ = header.series_instance_uid  # refuses what is no UID
    except VolumetryError:
        return None
    return header if is_other else None


def _files_around(here: Path) -> Iterator[Path]:
    """Yield files of a folder, then below it, then below the folders beside it."""
    yield from _files_below(here)
    for sibling in _entries(here.parent):
        if sibling.is_dir(follow_symlinks=False) and Path(sibling.path) != here:
            yield from _files_below(Path(sibling.path))


def _files_below(folder: Path) -> Iterator[Path]:
    waiting = [folder]
    while waiting:
        entries = _entries(waiting.pop(0))
        yield from (Path(e.path) for e in entries if e.is_file(follow_symlinks=False))
        waiting += [Path(e.path) for e in entries if e.is_dir(follow_symlinks=False)]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []
