"""The journal: every event on a line of its own, appended and synced; it is the audit trail, too.

A line is ``<crc32> <length> <json>``; the JSON holds the SHA-256 of the line before. Reading stops at the
first line that does not fit, so that a file that is cut or damaged anywhere opens up to the damage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from volumetry.errors import OutputError
from volumetry.tracing.records import Event


@dataclass(frozen=True, kw_only=True)
class JournalContent:
    """What a journal file holds up to its end, or up to its first damage.

    Attributes
    ----------
    header : mapping
        What the first line says of the session.
    events : tuple of Event
    last_hash : str
        SHA-256 of the last good line, hexadecimal.
    good_bytes : int
        Length of the good part of the file.
    is_damaged : bool
        Whether bytes follow that are no good lines.
    """

    header: Mapping[str, Any]
    events: tuple[Event, ...]
    last_hash: str
    good_bytes: int
    is_damaged: bool


def read_journal(path: Path | str) -> JournalContent:
    """Read a journal up to its end or its first damage.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``; ``newer-format``. A damaged journal is no error.
    """
    raise NotImplementedError


class JournalWriter:
    """Appends events to a journal file and syncs them, in a thread of its own.

    Parameters
    ----------
    path : path
        Must not exist.
    header : mapping
        Plain values for the first line.
    in_background : bool
        Otherwise `append` itself writes and syncs.
    on_error : callable, optional
        Called (from the thread) with the `OutputError` when writing fails for the first time.

    Attributes
    ----------
    path : Path
    durable : int
        Number of the last event that is on the disk.
    error : OutputError or None
        Why the last attempt failed: ``disk-full`` or ``read-only``. Events are kept in memory meanwhile,
        and written in order when an attempt succeeds.
    """

    def __init__(
        self,
        path: Path | str,
        header: Mapping[str, Any],
        *,
        in_background: bool = True,
        on_error: Callable[[OutputError], None] | None = None,
    ) -> None:
        raise NotImplementedError

    def append(self, event: Event) -> None:
        """Take an event; in the background this returns at once. Never raises for the disk: see `error`."""
        raise NotImplementedError

    def wait(self, number: int | None = None, *, timeout_s: float = 5.0) -> bool:
        """Wait until an event (the last one by default) is on the disk; return whether it is."""
        raise NotImplementedError

    def close(self) -> None:
        """Write what is left, as far as possible, and close the file."""
        raise NotImplementedError
