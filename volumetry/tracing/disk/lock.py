"""The lock of a case: a file that says who has it open.

It is made exclusively and holds host, process and start time; its modification time is the sign of life. A
lock is never broken by itself: who finds one is told, and may take the case over.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from volumetry.files.atomic import make_folder, named_output_errors
from volumetry.files.canonical_json import canonical_json
from volumetry.tracing.disk.exclusive import create_exclusively
from volumetry.tracing.disk.places import CasePlace
from volumetry.tracing.session.event_log import now

STALE_AFTER_S = 120.0


@dataclass(frozen=True, kw_only=True)
class LockHolder:
    """Who has a case open.

    Attributes
    ----------
    reader, host : str
    pid : int
    start_time : str
        When it was opened, ISO 8601 with zone.
    heartbeat_age_s : float
        Seconds since its last sign of life.
    is_gone : bool
        Whether it certainly ended: its process, on this machine, is no more.

    Examples
    --------
    >>> holder = vt.LockHolder(
    ...     reader="A", host="here", pid=1, start_time="", heartbeat_age_s=2.0, is_gone=False
    ... )
    >>> holder.reader
    'A'
    """

    reader: str
    host: str
    pid: int
    start_time: str
    heartbeat_age_s: float
    is_gone: bool

    @property
    def is_stale(self) -> bool:
        """Whether it ended, or has given no sign of life for two minutes: then taking over is offered."""
        return self.is_gone or self.heartbeat_age_s > STALE_AFTER_S

    @property
    def is_damaged(self) -> bool:
        """Whether the lock says of nobody that they have the case open: its file cannot be read.

        Examples
        --------
        >>> holder = vt.LockHolder(
        ...     reader="", host="", pid=0, start_time="", heartbeat_age_s=2.0, is_gone=False
        ... )
        >>> holder.is_damaged
        True
        """
        return not self.host or self.pid <= 0


class CaseLock:
    """A lock that this process holds. Made by `acquire`."""

    def __init__(self, path: Path, token: str) -> None:
        self.path = path
        self._token = token

    @property
    def is_mine(self) -> bool:
        """Whether nobody has taken the case over."""
        return str(_read(self.path).get("token")) == self._token

    def beat(self) -> bool:
        """Give a sign of life; return whether the lock is still held."""
        if not self.is_mine:
            return False
        with suppress(OSError):
            os.utime(self.path)
        return True

    def release(self) -> None:
        """Give the case free."""
        if self.is_mine:
            with suppress(OSError):
                self.path.unlink()


def acquire(
    path: Path, *, reader: str, start_time: str, take_over: bool = False
) -> tuple[CaseLock | None, LockHolder | None]:
    """Lock a case.

    Returns
    -------
    lock : CaseLock or None
    holder : LockHolder or None
        Who holds it, where it is not free and not taken over.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    token = secrets.token_hex(16)
    content = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "process_start": _process_start(os.getpid()),
        "reader": reader,
        "start_time": start_time,
        "token": token,
    }
    for _ in range(8):
        if create_exclusively(path, canonical_json(content).encode()):
            return CaseLock(path, token), None
        held = _read(path)
        if not take_over:
            break
        _break(path, held)
    return None, read_holder(path)


def read_holder(path: Path) -> LockHolder | None:
    """Return who holds a lock; None where it is free."""
    try:
        age = time.time() - path.stat().st_mtime
    except OSError:
        return None
    held = _read(path)
    pid = held.get("pid")
    return LockHolder(
        reader=str(held.get("reader", "")),
        host=str(held.get("host", "")),
        pid=pid if isinstance(pid, int) else 0,
        start_time=str(held.get("start_time", "")),
        heartbeat_age_s=max(0.0, age),
        is_gone=_is_gone(held),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _break(path: Path, expected: dict[str, Any]) -> None:
    """Take a lock away, but only the one that was looked at: another may have been put in its place."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}.broken")
    with named_output_errors(path), suppress(FileNotFoundError):
        path.rename(aside)
    if _read(aside) != expected:
        with suppress(OSError):
            os.link(aside, path)
    with suppress(OSError):
        aside.unlink()


def _is_gone(held: dict[str, Any]) -> bool:
    if held.get("host") != socket.gethostname() or os.name != "posix":
        return False
    pid = held.get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    started = held.get("process_start")
    return bool(started) and _process_start(pid) != started


def _process_start(pid: int) -> str:
    """When a process started, in the kernel's words, so that a number used again is not taken for it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2]
        state, start = fields.split()[0], fields.split()[19]
    except (OSError, IndexError):
        return ""
    # A process that ended and was not waited for is gone, too.
    return "" if state in "ZX" else start


def locked(
    place: CasePlace, key: str, reader: str, *, take_over: bool
) -> tuple[CaseLock | None, LockHolder | None]:
    """Lock a case for a reader; where it is locked already, return who holds it instead."""
    make_folder(place.hidden)
    return acquire(place.lock(key, reader), reader=reader, start_time=now(), take_over=take_over)
