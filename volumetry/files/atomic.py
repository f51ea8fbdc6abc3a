"""Outputs that are either the old ones or the new ones, never half of each."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from volumetry.errors import OutputError

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Errors of the system that mean a full disk, a quota or a limit of size."""


@contextmanager
def atomic_output(path: Path | str) -> Iterator[BinaryIO]:
    """Open a file to be written in full before it takes the place of `path`.

    The bytes go to a temporary file in the same folder, are synced, and are renamed onto `path` when the
    block ends without an error; after an error `path` is what it was.

    Raises
    ------
    OutputError
        ``disk-full`` or ``read-only``.
    """
    path = Path(path)
    with named_output_errors(path):
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            _keep_mode(name, path)
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
        sync_folder(path.parent)


def write_atomically(path: Path | str, content: bytes) -> None:
    """Write a whole file, as `atomic_output` does."""
    with atomic_output(path) as file:
        file.write(content)


def make_folder(path: Path | str) -> Path:
    """Make a folder and its parents, if they are not there.

    Raises
    ------
    OutputError
        ``disk-full`` or ``read-only``.
    """
    with named_output_errors(Path(path)):
        Path(path).mkdir(parents=True, exist_ok=True)
    return Path(path)


@contextmanager
def named_output_errors(path: Path | str) -> Iterator[None]:
    """Turn the system's errors about writing `path` into named ones."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise OutputError(
                "disk-full",
                "there is no room for the output; what was there before is intact",
                where=path,
                todo="Make room, or name another place.",
            ) from error
        raise OutputError(
            "read-only",
            "the output cannot be written",
            where=path,
            values={"reason": error.strerror or type(error).__name__},
            todo="Name a folder you may write to.",
        ) from error


def _keep_mode(temporary: str, path: Path) -> None:
    """Give the new file the mode of the old one, or what the umask leaves of 0666."""
    try:
        mode = path.stat().st_mode & 0o777
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        mode = 0o666 & ~umask
    Path(temporary).chmod(mode)


def sync_folder(folder: Path) -> None:
    """Make new names in a folder last; file systems that cannot sync a folder need no more."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
