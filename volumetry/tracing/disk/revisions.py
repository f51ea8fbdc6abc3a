"""Saved traces of which none is ever overwritten: compare-and-swap on the hash of the parent.

The successor of a saved trace is linked, exclusively, to a name made of its parent's hash; of several
programs that save over one parent exactly one gets it, and only then takes the place of the file. A program
that ends in between loses nothing: the next one finds the successor and carries it on.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from volumetry.errors import ReadError, VolumetryError
from volumetry.files.atomic import named_output_errors, sync_folder
from volumetry.formats.trace_json import SUFFIX, decode_trace, encode_trace
from volumetry.trace import Trace
from volumetry.tracing.disk.exclusive import (
    create_exclusively,
    link_exclusively,
    write_temporary,
)


@dataclass(frozen=True, kw_only=True)
class Revision:
    """Where a trace was saved, and whether beside a file that somebody else had changed."""

    path: Path
    is_conflict: bool = False


@dataclass(frozen=True, kw_only=True)
class SavedTrace:
    """A trace that was saved.

    Attributes
    ----------
    lesion_id : str
    path : Path
    sha256 : str
    is_conflict : bool
        Whether somebody else had changed the file meanwhile, so that this was saved beside it.
    is_unchanged : bool
        Whether the file said so already and was not written.
    is_deleted : bool
        Whether nothing is left of the lesion: its file is kept in ``versions``, and counts no more. As a
        conflict, the file is somebody else's now, and stays.

    Examples
    --------
    >>> vt.SavedTrace(lesion_id="1", path=Path("L1.trace.json"), sha256="0" * 64).is_conflict
    False
    """

    lesion_id: str
    path: Path
    sha256: str
    is_conflict: bool = False
    is_unchanged: bool = False
    is_deleted: bool = False


def save_revision(trace: Trace, path: Path, *, parent_sha256: str, versions: Path) -> Revision:
    """Save a trace, if the file is still what it was made from; else beside it, as a conflict.

    Parameters
    ----------
    trace : Trace
    path : Path
        ``*.trace.json``.
    parent_sha256 : str
        Hash of the trace that `path` held when this one was begun; empty: there was no file.
    versions : Path
        Folder that keeps every version.

    Raises
    ------
    OutputError
        What was there before is intact.
    """
    content = encode_trace(trace)
    if not parent_sha256 or not path.exists():
        if create_exclusively(path, content):
            return Revision(path=path)
        return _beside(content, path)
    with named_output_errors(path):
        found = roll_forward(path, versions=versions)
    if found != parent_sha256:
        return _beside(content, path)
    place = successor_path(path, parent_sha256, versions=versions)
    with named_output_errors(path):
        place.parent.mkdir(parents=True, exist_ok=True)
        _keep_first(path, place.with_name(f"first-{parent_sha256}{SUFFIX}"))
        temporary = write_temporary(path, content)
        try:
            if not link_exclusively(temporary, place):
                roll_forward(path, versions=versions)
                return _beside(content, path)
            _put_in_place(temporary, path, place)
        finally:
            with suppress(OSError):
                temporary.unlink()
    if successor_path(path, trace.sha256, versions=versions).exists():
        roll_forward(path, versions=versions)
    return Revision(path=path)


def _keep_first(path: Path, place: Path) -> None:
    """Keep a file that is not among the versions yet: it has no second name."""
    if path.stat().st_nlink == 1:
        link_exclusively(path, place)


def _put_in_place(temporary: Path, path: Path, place: Path) -> None:
    try:
        temporary.replace(path)
    except BaseException:
        # Not saved, then: the same parent must be free for the next attempt.
        with suppress(OSError):
            place.unlink()
        raise
    sync_folder(path.parent)


def renamed(path: Path, target: Path, *, versions: Path) -> Path:
    """Give a trace file, and the folder of its versions, another name that is free; return it.

    Raises
    ------
    OutputError
        It keeps its name.
    """
    own, other = (versions / place.name.removesuffix(SUFFIX) for place in (path, target))
    with named_output_errors(path):
        path.rename(target)
        if own.exists() and not other.exists():
            own.rename(other)
        sync_folder(path.parent)
    return target


def put_away(path: Path, *, versions: Path) -> Path:
    """Take a trace file out of the folder, and keep it with all its versions; return where it lies then.

    Raises
    ------
    OutputError
        It stays where it is.
    """
    own = versions / path.name.removesuffix(SUFFIX)
    kept = next(place for n in count(1) if not (place := own.with_name(f"{own.name}.deleted-{n}")).exists())
    with named_output_errors(path):
        own.mkdir(parents=True, exist_ok=True)
        own.rename(kept)
        path.rename(kept / path.name)
        sync_folder(path.parent)
    return kept / path.name


def save_beside(trace: Trace, path: Path) -> Revision:
    """Save a trace as a sibling of a file that is somebody else's now. Raises OutputError."""
    return _beside(encode_trace(trace), path)


def _beside(content: bytes, path: Path) -> Revision:
    """Save as the first sibling that is free."""
    stem = path.name.removesuffix(SUFFIX)
    for number in count(1):
        sibling = path.with_name(f"{stem}.conflict-{number}{SUFFIX}")
        if not sibling.exists() and create_exclusively(sibling, content):
            return Revision(path=sibling, is_conflict=True)
    raise AssertionError("unreachable")


def successor_path(path: Path, sha256: str, *, versions: Path) -> Path:
    """Return where the successor of a version of a trace file is kept."""
    return versions / path.name.removesuffix(SUFFIX) / f"after-{sha256}{SUFFIX}"


def file_sha256(path: Path) -> str:
    """Return the hash of a trace file; empty where there is none, or none that is valid."""
    try:
        return decode_trace(path.read_bytes(), where=path).sha256
    except (OSError, VolumetryError):
        return ""


def roll_forward(path: Path, *, versions: Path) -> str:
    """Carry on what a program that ended, or is slower, has saved but not put in its place.

    Returns the hash of the file as it is then; empty where there is no valid one. Raises OSError.
    """
    while True:
        found = file_sha256(path)
        successor = successor_path(path, found, versions=versions)
        if not successor.exists():
            return found
        temporary = path.with_name(f".{secrets.token_hex(8)}.part")
        try:
            if link_exclusively(successor, temporary):
                temporary.replace(path)
                sync_folder(path.parent)
        finally:
            with suppress(OSError):
                temporary.unlink()


def read_saved(path: Path) -> Trace:
    """Read a saved trace.

    Raises
    ------
    ReadError
        As `volumetry.read_trace`.
    """
    try:
        return decode_trace(path.read_bytes(), where=path)
    except OSError as error:
        raise ReadError(
            "unreadable",
            "the trace cannot be read",
            where=path,
            values={"reason": os.strerror(error.errno or 0)},
            todo="Check the rights of the file.",
        ) from None
