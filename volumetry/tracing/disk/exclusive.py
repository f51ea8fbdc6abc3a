"""Files that come into being whole, and only if they were not there: what locks and revisions rest on."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from volumetry.files.atomic import named_output_errors, sync_folder


def create_exclusively(path: Path | str, content: bytes) -> bool:
    """Write a new file, whole and synced; return whether it is new (False: the name is taken).

    Of several programs that try at the same time exactly one succeeds: the content is linked to its name.
    Where the file system knows no links, the name is claimed first and filled at once.

    Raises
    ------
    OutputError
        ``disk-full`` or ``read-only``.
    """
    path = Path(path)
    with named_output_errors(path):
        temporary = write_temporary(path, content)
        try:
            return link_exclusively(temporary, path)
        finally:
            with suppress(OSError):
                temporary.unlink()


def write_temporary(path: Path, content: bytes) -> Path:
    """Write a synced temporary file beside `path` and return its name. Raises OSError, leaving nothing."""
    handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    return Path(name)


def link_exclusively(temporary: Path, path: Path) -> bool:
    """Give a finished file a second name; return whether that name was free. Raises OSError."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:
        return _claim(path, temporary.read_bytes())
    sync_folder(path.parent)
    return True


def _claim(path: Path, content: bytes) -> bool:
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise
    return True
