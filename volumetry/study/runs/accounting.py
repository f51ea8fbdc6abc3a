"""Every file of a study folder is accounted for: used as image, as tracing, beside these, or why not."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from volumetry.formats.opening import follows_links, is_program_folder
from volumetry.formats.recognise import is_voxel_file, without_suffix
from volumetry.formats.walking import FolderWalk
from volumetry.study.case_table import column_of
from volumetry.study.cases import Case
from volumetry.study.hash_index import NameSet

FATES = (
    "images",
    "tracings",
    "beside",
    "of other series",
    "hidden",
    "links",
    "special",
    "archives",
    "unused volumes",
    "others",
)
ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".7z", ".rar")


def account(folder: Path | str, cases: Sequence[Case]) -> dict[str, int]:
    """Count the files below a folder by what became of them; opens none of them.

    Returns
    -------
    dict
        ``images``, ``tracings``, ``beside`` (sidecars and detached data of these, by their names), and why
        others were not used: ``of other series`` (which ``[scan]`` of the protocol does not choose),
        ``hidden``, ``links``, ``special`` (pipes, devices), ``archives``, ``unused volumes``, ``others``.
        Those that are 0 are left out; in order of the names here.
    """
    images, tracings, stems, left_out = NameSet(), NameSet(), NameSet(), NameSet()
    columns = (column_of(cases, name) for name in ("scan_files", "scan", "trace", "left_out"))
    for scan_files, scan, trace, others in zip(*columns, strict=True):
        for name in filter(None, (*scan_files, scan)):
            images.add(name.removeprefix("./"))
        if len(scan_files) == 1:  # the files of a series have nothing of their names beside them
            stems.add(_stem(scan_files[0].removeprefix("./")))
        if trace:
            tracings.add(os.path.normpath(trace))
            stems.add(_stem(os.path.normpath(trace)))
        for name in others:
            left_out.add(name)
    counts: Counter[str] = Counter()
    walk = FolderWalk(root=os.fspath(folder), follow=follows_links())
    for place, entries in walk:
        inside = os.path.relpath(place, folder)
        prefix = "" if inside == "." else f"{inside}/"
        for entry in entries:
            path = f"{prefix}{entry.name}"
            counts[_fate(path, entry.path, images, tracings, stems, left_out)] += 1
    counts["links"] += len(walk.passed_by)
    return {name: counts[name] for name in FATES if counts[name]}


def account_apart(folder: Path | str, traces: Path | str | None, cases: Iterable[Case]) -> dict[str, int]:
    """Count the files of a folder of tracings that are kept apart, as `account` does.

    Empty where there is none, or where it lies in the study folder and is counted there.
    """
    if traces is None or Path(traces).resolve().is_relative_to(Path(folder).resolve()):
        return {}
    inside = (case.shown_trace for case in cases)
    return account(traces, [Case(patient="", visit="", trace=name) for name in inside if name])


def without_image(cases: Iterable[Case]) -> dict[str, str]:
    """Return the tracings that are tied to no image, each with the reason.

    They are measured on their own grid; only the image's thickness of slices and its acquisition lack.
    """
    return {
        case.shown_trace or case.trace: case.note or "no image of its name lies beside it"
        for case in cases
        if case.trace and not case.scan and case.error is None
    }


def _fate(path: str, full: str, images: NameSet, tracings: NameSet, stems: NameSet, left_out: NameSet) -> str:
    if path in tracings:
        return "tracings"
    if path in images:
        return "images"
    if path in left_out:
        return "of other series"
    try:
        mode = os.stat(full, follow_symlinks=follows_links()).st_mode  # noqa: PTH116
    except OSError:
        return "others"
    if stat.S_ISLNK(mode):
        return "links"
    if not stat.S_ISREG(mode):
        return "special"
    stem = _stem(path)
    if stem in stems or any(f"{stem}{end}" in stems for end in ("_mask", "_dseg", "_label", "_seg")):
        return "beside"
    *folders, name = path.split("/")
    if name.startswith(".") or any(map(is_program_folder, folders)):
        return "hidden"
    if path.lower().endswith(ARCHIVES):
        return "archives"
    return "unused volumes" if is_voxel_file(path) else "others"


def _stem(path: str) -> str:
    folder, name = os.path.split(path)
    return f"{folder}/{without_suffix(name)}"


def told(counts: dict[str, int], apart: dict[str, int] | None = None) -> str:
    """Return the counts as one line; a second one for those of tracings that are kept apart."""
    if apart:
        return f"{told(counts)}\n{told(apart).replace('files: 0 images, ', 'files of --traces: ', 1)}"
    used = [f"{counts.get(name, 0)} {name}" for name in ("images", "tracings")]
    rest = [f"{number} {name}" for name, number in counts.items() if name not in ("images", "tracings")]
    return f"files: {', '.join(used)}" + (f"; besides {', '.join(rest)}" if rest else "")
