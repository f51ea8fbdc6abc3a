"""The journal: every event on a line of its own, appended and synced; it is the audit trail, too.

A line is ``<crc32> <length> <json>``; the JSON holds the SHA-256 of the line before. Reading stops at the
first line that does not fit, so that a file that is cut or damaged anywhere opens up to the damage.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from volumetry.errors import OutputError, ReadError, VolumetryError
from volumetry.files.atomic import named_output_errors, sync_folder
from volumetry.files.canonical_json import canonical_json
from volumetry.tracing.session.events import Event

JOURNAL_FORMAT = "volumetry-journal"
JOURNAL_VERSION = 1
RETRY_AFTER_S = 1.0
LONGEST_PAUSE_MIN = 5.0
_HEADER = -1

_sync = getattr(os, "fdatasync", os.fsync)


@dataclass(frozen=True, kw_only=True)
class JournalContent:
    """What a journal file holds up to its end, or up to its first damage.

    Attributes
    ----------
    header : mapping
        What the first line says of the session; empty where that line itself is damaged.
    events : tuple of Event
    hashes : tuple of str
        SHA-256 of the header's line and of every event's, hexadecimal.
    good_bytes : int
        Length of the good part of the file.
    is_damaged : bool
        Whether bytes follow that are no good lines.

    Examples
    --------
    >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> written = vt.JournalWriter("edits.journal", {"reader": "A"}, in_background=False)
    >>> session = vt.TracingSession(geometry=scan.geometry, reader="A", journal=written)
    >>> lesion = session.add_lesion("L1")
    >>> written.close()
    >>> vt.read_journal("edits.journal").header["reader"]
    'A'
    """

    header: Mapping[str, Any]
    events: tuple[Event, ...]
    hashes: tuple[str, ...]
    good_bytes: int
    is_damaged: bool


def read_journal(path: Path | str) -> JournalContent:
    """Read a journal up to its end or its first damage.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``; ``newer-format``. A damaged journal is no error.

    Examples
    --------
    >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> written = vt.JournalWriter("edits.journal", {"reader": "A"}, in_background=False)
    >>> session = vt.TracingSession(geometry=scan.geometry, reader="A", journal=written)
    >>> lesion = session.add_lesion("L1")
    >>> written.close()
    >>> [event.action for event in vt.read_journal("edits.journal").events]
    ['add-lesion']
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise ReadError("not-found", "there is no such journal", where=path, todo="Check the name.") from None
    except OSError as error:
        raise ReadError(
            "unreadable",
            "the journal cannot be read",
            where=path,
            values={"reason": error.strerror or type(error).__name__},
            todo="Check the rights of the file.",
        ) from None
    header: Mapping[str, Any] = {}
    events: list[Event] = []
    hashes: list[str] = []
    good = 0
    for body, line in good_lines(content):
        if not hashes:
            header = _header(body, path)
            if not header:
                break
        else:
            event = _event(body, hashes[-1])
            if event is None:
                break
            events.append(event)
        hashes.append(hashlib.sha256(line).hexdigest())
        good += len(line)
    return JournalContent(
        header=header,
        events=tuple(events),
        hashes=tuple(hashes),
        good_bytes=good,
        is_damaged=good < len(content) or not hashes,
    )


def minutes_of(contents: Iterable[JournalContent]) -> float:
    """Return the minutes that a reader worked on a case, by its journals.

    From opening to the last command; a pause of more than `LONGEST_PAUSE_MIN` minutes counts as that many.

    Parameters
    ----------
    contents : iterable of JournalContent
        One for every time the case was opened.
    """
    total = 0.0
    for content in contents:
        moments = [datetime.fromisoformat(time) for time in _times(content)]
        gaps = [(later - earlier).total_seconds() / 60 for earlier, later in pairwise(moments)]
        total += sum(min(max(gap, 0.0), LONGEST_PAUSE_MIN) for gap in gaps)
    return total


def _times(content: JournalContent) -> Iterator[str]:
    opened = content.header.get("time")
    if isinstance(opened, str) and opened:
        yield opened
    for event in content.events:
        if event.time:
            yield event.time


def good_lines(content: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Yield the documents of lines that fit their checksum and length, and the lines."""
    for line in content.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            return
        payload = line[:-1].split(b" ", 2)[-1]
        if checked_line(payload) != line:
            return
        try:
            body = json.loads(payload)
        except (ValueError, RecursionError):
            return
        if not isinstance(body, dict):
            return
        yield body, line


def checked_line(payload: bytes) -> bytes:
    """Return a line of a payload with its checksum and length before it."""
    return b"%08x %d %b\n" % (zlib.crc32(payload), len(payload), payload)


def _header(body: dict[str, Any], path: Path | str) -> Mapping[str, Any]:
    header = body.get("journal")
    if not isinstance(header, dict) or header.get("format") != JOURNAL_FORMAT:
        return {}
    if not isinstance(header.get("version"), int) or header["version"] > JOURNAL_VERSION:
        raise ReadError(
            "newer-format",
            "the journal was written by a newer version of this program",
            where=path,
            values={"file version": header.get("version"), "known version": JOURNAL_VERSION},
            todo="Update volumetry.",
        )
    return header


def _event(body: dict[str, Any], previous: str) -> Event | None:
    if body.get("previous") != previous:
        return None
    try:
        return Event.from_document(body["event"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, VolumetryError):
        return None


class JournalWriter:
    """Appends events to a journal file and syncs them, in a thread of its own.

    The file is made when the first event comes.

    Parameters
    ----------
    path : path
        Must not exist.
    header : mapping
        Plain values for the first line; ``events_before`` is the number of the event before the first.
    in_background : bool
        Otherwise `append` itself writes and syncs.
    on_error : callable, optional
        Called (from the thread) with the `OutputError` when writing begins to fail.

    Attributes
    ----------
    path : Path
    durable : int
        Number of the last event that is on the disk.
    error : OutputError or None
        Why the last attempt failed: ``disk-full`` or ``read-only``. Events are kept in memory meanwhile,
        and written in order when an attempt succeeds; there is one with every event, and every second.

    Examples
    --------
    >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> written = vt.JournalWriter("edits.journal", {"reader": "A"}, in_background=False)
    >>> session = vt.TracingSession(geometry=scan.geometry, reader="A", journal=written)
    >>> lesion = session.add_lesion("L1")
    >>> written.close()
    >>> len(vt.read_journal("edits.journal").events)
    1
    """

    def __init__(
        self,
        path: Path | str,
        header: Mapping[str, Any],
        *,
        in_background: bool = True,
        on_error: Callable[[OutputError], None] | None = None,
    ) -> None:
        self.path = Path(path)
        self.durable = int(header.get("events_before", 0))
        self.error: OutputError | None = None
        self._last = self.durable
        self._on_error = on_error
        self._handle = -1
        self._good_bytes = 0
        self._hash = ""
        self._taken: deque[Event] = deque()
        self._pending: deque[tuple[int, bytes]] = deque()
        self._jobs: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self._closing = self._is_begun = False
        self._thread: threading.Thread | None = None
        document = {"format": JOURNAL_FORMAT, "version": JOURNAL_VERSION, **header}
        self._enqueue(_HEADER, {"journal": document, "previous": str(header.get("previous_hash", ""))})
        if in_background:
            self._thread = threading.Thread(target=self._run, name="volumetry-journal", daemon=True)
            self._thread.start()
        atexit.register(self.close)

    def begin(self) -> None:
        """Write the first line now, without an event: who looks at the folder sees that a session runs."""
        self._is_begun = True
        self._flush()

    def retry(self) -> None:
        """Try again at once what could not be written."""
        if self.error is not None:
            self._flush()

    def append(self, event: Event) -> None:
        """Take an event; in the background this returns at once. Never raises for the disk: see `error`."""
        with self._changed:
            self._last = event.number
            self._taken.append(event)
            self._changed.notify_all()
        if self._thread is None:
            self._flush()

    def call(self, job: Callable[[], None]) -> None:
        """Run something after what was appended so far, in the same thread; its OutputError is dropped."""
        with self._changed:
            self._jobs.append(job)
            self._changed.notify_all()
        if self._thread is None:
            self._run_jobs()

    def wait(self, number: int | None = None, *, timeout_s: float = 5.0) -> bool:
        """Wait until an event (the last one by default) is on the disk; return whether it is.

        Returns at once when writing fails: see `error`.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            wanted = self._last if number is None else number
            while self.durable < wanted:
                left = deadline - time.monotonic()
                if left <= 0 or self._closing or self.error is not None:
                    break
                self._changed.wait(min(left, 0.5))
            return self.durable >= wanted

    def close(self) -> None:
        """Write what is left, as far as possible, and close the file."""
        atexit.unregister(self.close)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=10.0)
            if self._thread.is_alive():
                return
        self._flush()
        self._run_jobs()
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    # -- the thread ---------------------------------------------------------------------------------------

    def _enqueue(self, number: int, body: dict[str, Any]) -> None:
        line = checked_line(canonical_json(body).encode())
        self._hash = hashlib.sha256(line).hexdigest()
        self._pending.append((number, line))

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._closing and not self._jobs and self._last == self.durable:
                    self._changed.wait()
                elif self.error is not None and not self._closing:
                    self._changed.wait(RETRY_AFTER_S)
                if self._closing:
                    return
            self._flush()
            self._run_jobs()

    def _encode(self) -> None:
        """Make lines of what was taken: here, not in `append`, which must return at once."""
        while self._taken:
            event = self._taken.popleft()
            self._enqueue(event.number, {"event": event.document(), "previous": self._hash})

    def _run_jobs(self) -> None:
        while self._jobs:
            with suppress(OutputError):
                self._jobs.popleft()()

    def _flush(self) -> None:
        """Write and sync all that is pending; on failure leave the file as it was, and keep them."""
        with self._writing:
            self._encode()
            batch = list(self._pending)
            if not batch or (batch[-1][0] == _HEADER and not self._is_begun):
                return
            try:
                with named_output_errors(self.path):
                    self._write(b"".join(line for _, line in batch))
            except OutputError as error:
                self._failed(error)
                return
            with self._changed:
                for _ in batch:
                    self._pending.popleft()
                if batch[-1][0] != _HEADER:
                    self.durable = batch[-1][0]
                self.error = None
                self._changed.notify_all()

    def _write(self, content: bytes) -> None:
        if self._handle < 0:
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._handle = os.open(self.path, flags, 0o644)
            sync_folder(self.path.parent)
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(self._handle, rest) :]
            _sync(self._handle)
        except OSError:
            # What was written of a line must not stand before the next attempt.
            with suppress(OSError):
                os.ftruncate(self._handle, self._good_bytes)
            if not self._good_bytes:
                # An empty journal would look like a damaged one.
                os.close(self._handle)
                self._handle = -1
                with suppress(OSError):
                    self.path.unlink()
            raise
        self._good_bytes += len(content)

    def _failed(self, error: OutputError) -> None:
        first = self.error is None
        with self._changed:
            self.error = error
            self._changed.notify_all()
        if first and self._on_error is not None:
            self._on_error(error)
