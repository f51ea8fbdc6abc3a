"""The files that decide what is measured in a case, and what the ledger remembers of their bytes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from volumetry.errors import ReadError
from volumetry.formats.dicom.index import keep_header
from volumetry.formats.dicom.kept_headers import KeptHeaders
from volumetry.formats.opening import open_with_status
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


def input_files(case: Case, root: str, *, series: bool | None = None) -> Inputs:
    """Return the files that decide what is measured in a case; `series` as `is_series` says, where known."""
    base = Path(root)

    def every(names: Iterable[str]) -> tuple[str, ...]:
        found = (file for name in names for file in files_of(base / name))
        return tuple(dict.fromkeys(os.path.relpath(file, base).replace(os.sep, "/") for file in found))

    # The files of a series are all listed: a DICOM file has no companions.
    series = is_series(case) if series is None else series
    scan = case.scan_files if series else every(case.scan_files)
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
    return _mark(name, status)


def _mark(name: str, status: os.stat_result) -> list[str | int]:
    return [name, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def mark_and_hash(
    name: str, root: str, *, is_named: bool = False, headers: KeptHeaders | None = None
) -> tuple[list[str | int], str]:
    """The mark of a file and the hash of its bytes, empty where they cannot be read; opened once.

    Times first, bytes second: what is changed in between is seen by the next run.

    Parameters
    ----------
    name, root : str
    is_named : bool, optional
        Whether it is kept what the file is by its bytes: of a file that a case names.
    headers : KeptHeaders, optional
        Keeps its header, for whoever reads the file next; where it is named, only that of a DICOM file.
    """
    path = f"{root}/{name}"
    try:
        descriptor, status = open_with_status(path)  # a pipe or a device is refused
    except ReadError:
        return mark_of(name, root), ""
    mark = _mark(name, status)
    try:
        if is_named:
            head = os.pread(descriptor, HEAD_BYTES, 0)
            if (remember(path, status, head).name if head else "") != "dicom":
                headers = None
        digest = _hash_of(descriptor, status.st_size)
        if headers is not None:
            keep_header(headers, path, descriptor, status)
    except OSError:
        return mark, ""
    finally:
        os.close(descriptor)
    return mark, digest


def _hash_of(descriptor: int, size_bytes: int) -> str:
    """The hash of an open file."""
    if size_bytes > _AT_ONCE:
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()  # such as the files of a series, of which there are very many
    part = os.read(descriptor, size_bytes + 1)
    while part:
        digest.update(part)
        part = b"" if len(part) == size_bytes else os.read(descriptor, size_bytes + 1)
    return digest.hexdigest()


def joint_hash(hashes: list[str]) -> str | None:
    """The hash of one file; of several, that of their sorted hashes."""
    if not hashes or not all(hashes):
        return None
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()


def is_sidecar(name: str) -> bool:
    """Return whether a file is one of words beside an image, whose hash no table shows."""
    return name.endswith(".json") and not name.endswith(TRACE_SUFFIX)
