"""What lies beside a single scan that was opened without a study: its title, and files that trace it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from volumetry.errors import VolumetryError
from volumetry.formats.trace_json import SUFFIX
from volumetry.scan import Scan
from volumetry.study.cases import Case
from volumetry.tracing.worklist.scans import region_names

MOST_LABELS = 40
"""The largest value of a voxel file that is taken for labels whatever its name."""

MOST_FILES = 4000
"""A folder with more files than this is not searched for what belongs to one scan."""


@dataclass(frozen=True, kw_only=True)
class TracedFile:
    """An RTSTRUCT, a SEG or a mask that traces a scan.

    Attributes
    ----------
    path : Path
    kind : str
        ``RTSTRUCT``, ``SEG`` or ``mask``.
    lesions : tuple of str
        Names of what is traced in it, as far as the file tells them; printable.

    Examples
    --------
    >>> vt.TracedFile(path=Path("rtstruct.dcm"), kind="outlines", lesions=("L1", "R1")).lesions
    ('L1', 'R1')
    """

    path: Path
    kind: str
    lesions: tuple[str, ...] = ()


def scan_title(scan: Scan, path: Path | str) -> str:
    """Return what to call a scan that is no row of a study: ``hip04, 2022-10-18, t1_cor``.

    Patient and date of the scan, as far as it tells them, and the name of its file or folder; that of the
    folder, too, where a series was opened by one of its files.

    Examples
    --------
    >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> vt.scan_title(scan, "sample_scans/study/hip05/2021-06-01/t1_cor")
    'hip05, 2021-06-01, t1_cor'
    """
    path = Path(path)
    is_one_of_many = len(set(scan.slice_uids)) > 1 and not path.is_dir()
    name = path.absolute().parent.name if is_one_of_many else path.name
    parts = [scan.source.patient, scan.source.study_date, name]
    return ", ".join(dict.fromkeys(printable(part) for part in parts if part)) or "scan"


def printable(text: str, *, longest: int = 60) -> str:
    r"""Return a text without control and direction characters, shortened in its middle.

    Examples
    --------
    >>> vt.printable("hip\x07 1")
    'hip� 1'
    """
    plain = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    if len(plain) <= longest:
        return plain
    half = (longest - 1) // 2
    return f"{plain[:half]}…{plain[-half:]}"


def traced_beside(scan: Scan, path: Path | str) -> tuple[TracedFile, ...]:
    """Return the RTSTRUCTs, SEGs and masks that trace a scan, in its folder or the one above.

    Native traces are left out: a case opens with its reader's own. A folder with very many files is not
    searched, and nothing in it is opened because of a name.

    Parameters
    ----------
    scan : Scan
    path : path
        The scan's file, or the folder of its series.

    Examples
    --------
    >>> place = "sample_scans/study/hip01/2021-03-02/t1_cor"
    >>> [found.path.name for found in vt.traced_beside(vm.read_scan(place), place)]
    ['rtstruct.dcm']
    """
    from volumetry.study.finding.discovery import discover

    path = Path(path).absolute()
    base = path if path.is_dir() else path.parent
    for folder in (base, base.parent):
        if folder == folder.parent or not _is_small(folder):
            continue
        try:
            cases = discover(folder)
        except VolumetryError:
            continue
        found = {case.trace: case for case in cases if _traces(case, scan, path, folder)}
        if found:
            return tuple(_traced_file(folder / name) for name in sorted(found))
    return ()


def _is_small(folder: Path) -> bool:
    number = 0
    for _place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        number += len(files)
        if number > MOST_FILES:
            return False
    return True


def _traces(case: Case, scan: Scan, path: Path, folder: Path) -> bool:
    if not case.trace or case.error is not None or case.trace.endswith(SUFFIX):
        return False
    if scan.source.series_uid:
        return case.series_uid == scan.source.series_uid
    return bool(case.scan) and (folder / case.scan).absolute() == path


def _traced_file(path: Path) -> TracedFile:
    from volumetry.formats import read_regions, recognise
    from volumetry.formats.dicom.traced.rtstruct import list_rois

    kind, names = "mask", []
    with suppress(VolumetryError):
        if recognise(path).name == "dicom":
            kind = "RTSTRUCT" if _is_of_format(lambda: list_rois(path)) else "SEG"
            names = region_names(path)
        else:
            names = [region.name for region in read_regions(path)]
    return TracedFile(path=path, kind=kind, lesions=tuple(printable(name) for name in names if name))


def kind_of_file(path: Path | str) -> Literal["scan", "outlines", "labels"]:
    """Return what a file holds, for somebody who opens it without saying so.

    A trace and an RTSTRUCT hold outlines, a SEG holds labels. A voxel file holds labels where its name says
    so (as in BIDS), or its values are whole numbers from 0 to at most `MOST_LABELS`.

    Raises
    ------
    ReadError
        The file cannot be read.

    Examples
    --------
    >>> vt.kind_of_file("sample_scans/study/hip01/2021-03-02/rtstruct.dcm")
    'outlines'
    """
    from volumetry.formats import read_mask, read_scan, recognise
    from volumetry.formats.dicom.traced.rtstruct import list_rois
    from volumetry.study.finding.names import is_mask_name

    path = Path(path)
    kind = recognise(path).name
    if kind == "trace":
        return "outlines"
    if kind == "dicom":
        if _is_of_format(lambda: list_rois(path)):
            return "outlines"
        return "labels" if _is_of_format(lambda: read_mask(path)) else "scan"
    if is_mask_name(path.name):
        return "labels"
    voxels = read_scan(path).voxels
    if voxels.dtype.kind not in "iub":
        return "scan"
    low, high = int(voxels.min()), int(voxels.max())
    return "labels" if low == 0 and high <= MOST_LABELS else "scan"


def _is_of_format(read: Callable[[], object]) -> bool:
    """Whether a file is of the kind that a reader reads, readable or not."""
    try:
        read()
    except VolumetryError as error:
        return error.code != "unsupported-format"
    return True
