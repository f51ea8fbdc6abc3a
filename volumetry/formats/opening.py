"""Opening a file to read it: regular files alone, without waiting, without changing them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from fnmatch import fnmatchcase
from pathlib import Path

from volumetry.errors import ReadError

_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # non-blocking: opening a FIFO must not wait

PROGRAM_FOLDERS = (".volumetry", ".snapshot", ".zfs", ".trash*", "@eadir", "#recycle", "__macosx")
"""Folders that programs and file servers keep for themselves, in lower case; others with a dot are read."""

_TOLD: ContextVar[Callable[[int], None] | None] = ContextVar("volumetry_files_told", default=None)
_FOLLOWED: ContextVar[bool] = ContextVar("volumetry_follow_links", default=False)


def is_program_folder(name: str) -> bool:
    """Return whether a folder of this name is a program's own, and passed by.

    >>> is_program_folder(".Trash-1000"), is_program_folder(".scans")
    (True, False)
    """
    return any(fnmatchcase(name.lower(), pattern) for pattern in PROGRAM_FOLDERS)


@contextmanager
def links_followed(follow: bool = True) -> Iterator[None]:
    """While this context lasts, symbolic links found below a folder are followed (``--follow-links``).

    Everything that looks into a folder asks `follows_links`: who finds a case and who measures it must see
    the same files.
    """
    token = _FOLLOWED.set(follow)
    try:
        yield
    finally:
        _FOLLOWED.reset(token)


@contextmanager
def files_told(tell: Callable[[int], None]) -> Iterator[None]:
    """While this context lasts, `tell` hears how many files of a folder were looked at so far."""
    token = _TOLD.set(tell)
    try:
        yield
    finally:
        _TOLD.reset(token)


def tell_files(count: int) -> None:
    """Tell who listens (`files_told`) how many files of a folder were looked at so far."""
    tell = _TOLD.get()
    if tell is not None:
        tell(count)


def follows_links() -> bool:
    """Return whether symbolic links below a folder are followed."""
    return _FOLLOWED.get()


def open_regular(path: Path | str, *, follow_link: bool = True) -> tuple[int, int]:
    """Open a regular file for reading.

    Parameters
    ----------
    path : path or str
        The file.
    follow_link : bool, optional
        Whether `path` may itself be a symbolic link: yes for one that a user names, no for one found.

    Returns
    -------
    descriptor : int
        To be closed by the caller.
    size_bytes : int
        Its size in bytes.

    Raises
    ------
    ReadError
        ``not-found``; ``unreadable`` where it cannot be opened; ``unsupported-format`` where it is a folder,
        FIFO or device.
    """
    descriptor, status = open_with_status(path, follow_link=follow_link)
    return descriptor, status.st_size


def open_with_status(path: Path | str, *, follow_link: bool = True) -> tuple[int, os.stat_result]:
    """Open a regular file as `open_regular` does; return also its status, from before it is read."""
    try:
        descriptor = os.open(path, _OPEN_FLAGS if follow_link else _OPEN_FLAGS | os.O_NOFOLLOW)
    except (OSError, ValueError) as error:
        raise _not_opened(error, path) from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise ReadError(
            "unsupported-format", "this is not a regular file", where=path, todo="Name a file of a scan."
        )
    return descriptor, status


def file_mark(status: os.stat_result) -> tuple[int, ...]:
    """Return what is another after a file was changed or replaced: device, inode, size and times."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def truncated(what: str, path: Path | str, needed_bytes: int | None, file_bytes: int) -> ReadError:
    """Return the error for a file that ends before its contents do; None: nobody knows where they end."""
    needed = {} if needed_bytes is None else {"needed_bytes": needed_bytes}
    return ReadError(
        "truncated",
        what,
        where=path,
        values={**needed, "present_bytes": file_bytes},
        todo="Copy or export the file again.",
    )


def _not_opened(error: OSError | ValueError, path: Path | str) -> ReadError:
    if isinstance(error, OSError) and error.errno in (errno.ENOENT, errno.ENOTDIR):
        return ReadError("not-found", "there is no such file", where=path, todo="Check the path.")
    reason = error.strerror if isinstance(error, OSError) else "the name is no file name"
    return ReadError(
        "unreadable",
        f"the file cannot be opened: {reason}",
        where=path,
        todo="Check the file and its permissions.",
    )
