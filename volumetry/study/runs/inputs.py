"""The files that decide what is measured in a case, and what the ledger remembers of their bytes."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from volumetry.formats.recognise import HEAD_BYTES, TRACE_SUFFIX, files_of, is_voxel_file, remember
from volumetry.study.cases import Case

_AT_ONCE = 1 << 20
"""Bytes of a file that is read at once."""


def digest_of(parts: Any) -> str:
    """Return the hash of a plain value; texts may be file names of any bytes."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The files that decide what is measured in a case, relative to the study folder.

    Attributes
    ----------
    trace, scan : tuple of str
        Every file whose bytes count: the named ones, their sidecars and their detached data.
    """

    trace: tuple[str, ...]
    scan: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((*self.scan, *self.trace)))


def input_files(case: Case, root: str) -> Inputs:
    """Return the files that decide what is measured in a case."""
    base = Path(root)

    def every(names: Iterable[str]) -> tuple[str, ...]:
        found = (file for name in names for file in files_of(base / name))
        return tuple(dict.fromkeys(os.path.relpath(file, base).replace(os.sep, "/") for file in found))

    # The files of a series are all listed: a DICOM file has no companions.
    scan = case.scan_files if is_series(case) else every(case.scan_files)
    return Inputs(trace=every([case.trace] if case.trace else []), scan=scan)


def is_series(case: Case) -> bool:
    """Return whether the scan of a case is a DICOM series of several files."""
    return len(case.scan_files) > 1 and not any(map(is_voxel_file, case.scan_files))


def stat_signature(inputs: Inputs, root: str) -> str:
    """Return a hash of size, times and inode of every input: equal means unchanged, without reading."""
    return digest_of([mark_of(name, root) for name in inputs.all])


def mark_of(name: str, root: str) -> list[str | int]:
    """Return name, size, times and inode of a file; or why it has none."""
    try:
        status = os.stat(f"{root}/{name}")  # noqa: PTH116 - a Path for each of many files takes longer
    except OSError as error:
        return [name, type(error).__name__]
    return [name, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def hash_of(name: str, root: str, *, is_named: bool = False) -> str:
    """The hash of a file, empty where it cannot be read; of a named one, what it is by its bytes is kept."""
    path = f"{root}/{name}"
    try:
        status = os.stat(path)  # noqa: PTH116 - as above
        if not stat.S_ISREG(status.st_mode):  # opening a pipe or a device may never end
            return ""
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            head = file.read(HEAD_BYTES) if is_named else b""
            if head:
                remember(path, status, head)
                file.seek(0)
            if status.st_size <= _AT_ONCE:  # such as the files of a series, of which there are very many
                digest = hashlib.sha256()
                while part := file.read(status.st_size + 1):
                    digest.update(part)
                return digest.hexdigest()
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def joint_hash(hashes: list[str]) -> str | None:
    """The hash of one file; of several, that of their sorted hashes."""
    if not hashes or not all(hashes):
        return None
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()


def is_sidecar(name: str) -> bool:
    """Return whether a file is one of words beside an image, whose hash no table shows."""
    return name.endswith(".json") and not name.endswith(TRACE_SUFFIX)
