"""Which images a tracing means: the one place where that is decided.

The images that a region or segmentation names one by one count first, frames of a multi-frame image among
them; then the series it names; then where its outlines or frames lie. Only what remains open after that is
``ambiguous-series``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

from volumetry.errors import GeometryError, MismatchError, ReadError, VolumetryError
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.index import read_header
from volumetry.formats.dicom.series.choose import (
    choose_stack,
    headers_at,
    one_geometry,
    same_geometry,
    sole_stack,
    stack_facts,
)
from volumetry.formats.dicom.series.find import stacks_of
from volumetry.formats.dicom.series.stacks import SeriesStack, StackRefusal, with_flag
from volumetry.formats.dicom.traced.references import References, SourceStack, slice_uids_of
from volumetry.formats.reader import DicomImages
from volumetry.geometry import ScanGeometry

MAX_SEARCHED_FILES = 20_000
"""Files looked at in search of a series before the search is given up."""

MAX_FILES_BESIDE = 2_000
"""The same for a segmentation, which can do without."""


@dataclass(frozen=True, kw_only=True)
class TracedImages:
    """The images that a tracing may have been drawn on.

    Attributes
    ----------
    path : Path
        Of the images, for messages.
    references : References
    scan : SourceStack or None
        The one scan that was named with its geometry; else the headers are chosen from.
    headers : tuple of DicomHeader
    of_file : DicomHeader or None
        The stack must hold this file.
    """

    path: Path
    references: References
    scan: SourceStack | None = None
    headers: tuple[DicomHeader, ...] = ()
    of_file: DicomHeader | None = None

    def stack_of(
        self, named: Collection[str], fits: Callable[[ScanGeometry], bool], frame_of_reference_uid: str = ""
    ) -> SourceStack:
        """Return the stack that a region or segmentation means.

        Parameters
        ----------
        named : collection of str
            SOPInstanceUIDs that it names, with ``#n`` for frames; may be empty.
        fits : callable
            Whether its outlines or frames lie on a geometry.
        frame_of_reference_uid : str, optional
            That a region names for itself.

        Raises
        ------
        GeometryError, ReadError
            ``ambiguous-series``, also where it names images of several stacks that differ; what is wrong with
            the images.
        MismatchError
            ``wrong-series`` where it names images of another series than the scan that was named.
        """
        own = frozenset(named)
        named = own or self.references.referenced_instance_uids
        if self.scan is not None:
            _check_named(self.scan, named, self.references)
            return self.scan
        found = list(stacks_of(self.headers, named))
        if self.of_file is not None:
            found = [s for s in found if any(h.path == self.of_file.path for h in s.headers)]
        counted = [(_number_named(stack, named), stack) for stack in found]
        most = max((number for number, _ in counted), default=0)
        if most:
            meant = self._fitting([stack for number, stack in counted if number == most], fits)
            chosen = one_geometry(meant, series_uids=self.references.referenced_series_uids)
            _check_one_stack(chosen or meant[0], [stack for n, stack in counted if n], own, self.path)
            if chosen is not None:
                return _noted(sole_stack(chosen, found), found)
        return self._by_series(fits, frame_of_reference_uid)

    def lacks(self, named: Collection[str]) -> bool:
        """Whether images are named and none of them is there; False where one scan was named as an object."""
        return bool(named) and bool(self.headers) and not {n.partition("#")[0] for n in named} & self._uids

    @cached_property
    def _uids(self) -> frozenset[str]:
        return frozenset(header.sop_instance_uid or "" for header in self.headers)

    def _by_series(self, fits: Callable[[ScanGeometry], bool], frame_of_reference_uid: str) -> SourceStack:
        """Return the stack of the series that the file names, or the one that fits where nothing is named."""
        uids = self.references.referenced_series_uids
        headers = [h for h in self.headers if h.series_instance_uid in uids] or list(self.headers)
        if frame_of_reference_uid:
            headers = [h for h in headers if h.frame_of_reference_uid == frame_of_reference_uid] or headers
        try:
            return choose_stack(headers, self.path, of_file=self.of_file)
        except VolumetryError as error:
            if error.code != "ambiguous-series":
                raise
            if uids and not any(h.series_instance_uid in uids for h in headers):
                return choose_stack(headers, self.path, series_uid=uids[0])  # raises not-found
            found = list(stacks_of(headers))
            real = [s for s in found if not isinstance(s, SeriesStack) or s.n_slices > 1]
            fitting = [s for s in real if isinstance(s, SeriesStack) and fits(s.geometry)]
            chosen = one_geometry(fitting)
            if chosen is None:
                raise
            return _noted(sole_stack(chosen, found), found)

    def _fitting(
        self, stacks: Sequence[SeriesStack | StackRefusal], fits: Callable[[ScanGeometry], bool]
    ) -> list[SeriesStack | StackRefusal]:
        """Return the stacks on which a tracing lies, in the order in which the file names their series."""
        if len(stacks) == 1:
            return list(stacks)
        uids = self.references.referenced_series_uids
        order = {uid: number for number, uid in enumerate(uids)}
        stacks = sorted(stacks, key=lambda s: order.get(s.source.series_uid, len(order)))
        return [s for s in stacks if isinstance(s, SeriesStack) and fits(s.geometry)] or list(stacks)


def _check_one_stack(
    chosen: SeriesStack | StackRefusal,
    stacks: Sequence[SeriesStack | StackRefusal],
    named: Collection[str],
    path: Path,
) -> None:
    """Refuse a region that names images of several stacks, each with heights of its own.

    Raises
    ------
    GeometryError
        ``ambiguous-series``; ``inconsistent-series`` where the stacks are of one series.
    """
    if isinstance(chosen, StackRefusal):
        return
    names = frozenset(name for name in named if not chosen.holds(name))
    for other in stacks:
        if isinstance(other, StackRefusal) or not _number_named(other, names):
            continue
        if same_geometry(chosen.geometry, other.geometry):
            continue
        is_one = chosen.source.series_uid == other.source.series_uid
        raise GeometryError(
            "inconsistent-series" if is_one else "ambiguous-series",
            "one region names images of several stacks that differ",
            where=path,
            values={
                f"{which} {what}": value
                for which, stack in (("one", chosen), ("other", other))
                for what, value in (
                    ("series", stack.source.series_uid),
                    ("stack", stack_facts(stack)),
                    ("slice thickness_mm", stack.geometry.slice_thickness_mm),
                )
            },
            todo="Draw the region on one of them: each has slices of its own.",
        )


def _number_named(stack: SeriesStack | StackRefusal, named: Collection[str]) -> int:
    """Return how many of the named images, or frames, a stack holds."""
    if not named:
        return 0
    if isinstance(stack, StackRefusal):
        uids = {header.sop_instance_uid or "" for header in stack.headers}
        return len({name for name in named if name.partition("#")[0] in uids})
    return len({uid for uid in stack.slice_uids if uid in named or uid.partition("#")[0] in named})


def _noted(stack: SeriesStack, found: Sequence[SeriesStack | StackRefusal]) -> SeriesStack:
    return with_flag(stack, "split-series") if len(found) > 1 else stack


def _check_named(scan: SourceStack, named: Collection[str], references: References) -> None:
    """Refuse a region of a file about several series that names images of another one than the scan."""
    uids = {uid.partition("#")[0] for uid in slice_uids_of(scan) if uid}
    if len(references.referenced_series_uids) < 2 or not uids or not named:
        return
    if not uids & {name.partition("#")[0] for name in named}:
        raise MismatchError(
            "wrong-series",
            "the region was drawn on images of another series",
            where=references.path,
            values={"series of the scan": scan.source.series_uid},
            todo="Name the folder that holds both series, or the one of the region's series, with --scan.",
        )


# -- where they lie -----------------------------------------------------------------------------------------


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
        headers, of_file = headers_at(folder)
        return TracedImages(path=folder, references=references, headers=tuple(headers), of_file=of_file)
    if scan is not None:
        return TracedImages(path=Path(path), references=references, scan=scan)  # type: ignore[arg-type]
    folders = find_series_folders(path, references)
    if not folders:
        raise _not_found(path, references)
    found = [header for folder in folders for header in headers_at(folder)[0]]
    headers = list({header.path: header for header in found}.values())
    return TracedImages(path=folders[0], references=references, headers=tuple(headers))


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
        headers = [header for folder in folders for header in headers_at(folder)[0]]
    except VolumetryError:
        return None
    return TracedImages(path=folders[0], references=references, headers=tuple(headers))


def find_series_folder(
    path: Path | str, references: References, *, max_files: int = MAX_SEARCHED_FILES
) -> Path | None:
    """Return the first folder of `find_series_folders`, or None."""
    return next(iter(find_series_folders(path, references, max_files=max_files)), None)


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
