"""The ledger of a batch: one result per case, kept as it comes, so that an interrupted run resumes.

A line is ``<crc32> <json>``. Lines are only ever appended; reading stops at the first damaged line, which
a crash may have left at the end, and writing goes on from there. A later line for a case replaces an
earlier one.
"""

from __future__ import annotations

import json
import os
import weakref
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from volumetry.errors import OutputError
from volumetry.files.atomic import named_output_errors
from volumetry.study.hash_index import HashIndex

LEDGER_NAME = "ledger.jsonl"
_SYNC_EVERY = 256


_BEGINNING = b'00000000 {"case":'
"""How a ledger begins, whatever the eight digits."""
_OPEN: weakref.WeakSet[Ledger] = weakref.WeakSet()


class Ledger:
    """An append-only file of results, by case.

    Parameters
    ----------
    path : path
    fresh : bool
        Begin anew instead of going on.

    Raises
    ------
    OutputError
        ``read-only``, ``disk-full``; also where another run is writing to it.
    """

    def __init__(self, path: Path | str, *, fresh: bool = False) -> None:
        self.path = Path(path)
        self._places = HashIndex()
        self._unsynced = 0
        self._file = _opened(self.path)
        self._lock()
        _OPEN.add(self)
        try:
            _refuse_foreign(self._file, self.path)
        except OutputError:
            self._file.close()
            raise
        if fresh:
            self._file.truncate(0)
        self._end = self._load()

    def detach(self) -> None:
        """Give up the file in a process that was forked: the lock is the parent's alone."""
        with suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, self._file.fileno(), inheritable=False)
            os.close(null)

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # not on Windows, where opening twice is up to the user
            return
        try:
            fcntl.flock(self._file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise OutputError(
                "read-only",
                "another run is writing to this folder",
                where=self.path.parent,
                todo="Wait for it to end, or name another folder.",
            ) from None
        except OSError:
            pass  # a file system without locks

    def _load(self) -> int:
        self._file.seek(0)
        place = 0
        for line in self._file:
            record = _decoded(line)
            if record is None:
                break
            self._places[hash(record["case"])] = place
            place += len(line)
        if place < self._file.seek(0, os.SEEK_END):
            self._file.truncate(place)
        return place

    def __contains__(self, case: str) -> bool:
        return hash(case) in self._places

    def __getitem__(self, case: str) -> dict[str, Any]:
        """Return the result of a case. Raises KeyError where there is none."""
        place = self._places.get(hash(case))
        if place is None:
            raise KeyError(case)
        record = self._at(place)
        if record["case"] != case:
            raise self._changed()
        return record

    def _at(self, place: int) -> dict[str, Any]:
        self._file.seek(place)
        record = _decoded(self._file.readline())
        if record is None:
            raise self._changed()
        return record

    def _changed(self) -> OutputError:
        return OutputError(
            "unreadable",
            "the ledger changed while it was read",
            where=self.path,
            todo="Run again with --fresh.",
        )

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the current result of every case, in the order they were written."""
        for place in self._places.values():
            yield self._at(place)

    def append(self, record: dict[str, Any]) -> None:
        """Keep the result of a case; its key ``case`` names it."""
        body = json.dumps(record, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()
        line = b"%08x %s\n" % (zlib.crc32(body), body)
        with named_output_errors(self.path):
            self._file.write(line)
            self._file.flush()  # whatever ends this process now, the line is the system's
        self._places[hash(record["case"])] = self._end
        self._end += len(line)
        self._unsynced += 1
        if self._unsynced >= _SYNC_EVERY:
            self.sync()

    def sync(self) -> None:
        """Make what was appended last."""
        with named_output_errors(self.path):
            self._file.flush()
            os.fsync(self._file.fileno())
        self._unsynced = 0

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OutputError, OSError):
            self.sync()
        with suppress(OSError):
            self._file.close()


def check_ledger(path: Path | str) -> None:
    """Refuse the ledger of a folder of results before anything is looked for: a link, or a foreign file.

    Raises
    ------
    OutputError
        ``read-only``. Nothing is made or written.
    """
    path = Path(path)
    if path.is_symlink() or path.exists():
        _refuse_link(path)
        with named_output_errors(path), path.open("rb") as file:
            _refuse_foreign(file, path)


def _refuse_foreign(file: BinaryIO, path: Path) -> None:
    """Refuse a file that no batch has written, rather than cut it off at its first line."""
    file.seek(0)
    if not _is_own(file.read(len(_BEGINNING))):
        raise OutputError(
            "read-only",
            "there is a file of that name which no batch has written",
            where=path,
            todo="Name another folder with --out, or move that file.",
        )


def _refuse_link(path: Path) -> None:
    if path.is_symlink() or (path.exists() and (not path.is_file() or path.stat().st_nlink > 1)):
        raise OutputError(
            "read-only",
            "the ledger is a link, or no regular file, and is not written to",
            where=path,
            todo="Name another folder with --out, or remove the link.",
        )


def _decoded(line: bytes) -> dict[str, Any] | None:
    """Return the record of a line, None where the line is damaged or cut."""
    if not line.endswith(b"\n") or len(line) < 10:
        return None
    body = line[9:-1]
    if line[:9] != b"%08x " % zlib.crc32(body):
        return None
    try:
        record = json.loads(body)
    except ValueError:
        return None
    return record if isinstance(record, dict) and isinstance(record.get("case"), str) else None


def _opened(path: Path) -> BinaryIO:
    """Open a ledger, or make it: a regular file, and no link to one that lies elsewhere."""
    _refuse_link(path)
    with named_output_errors(path):
        return path.open("a+b")


def _is_own(head: bytes) -> bool:
    """Whether a file begins like a ledger, whole or cut; one damaged byte is damage, more is another file."""
    fits = (
        found == wanted or (wanted == ord("0") and found in b"123456789abcdef")
        for found, wanted in zip(head, _BEGINNING, strict=False)
    )
    return sum(not fit for fit in fits) <= 1


def _detach_all() -> None:
    for ledger in list(_OPEN):
        ledger.detach()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_detach_all)
