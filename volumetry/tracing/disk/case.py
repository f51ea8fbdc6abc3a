"""A case that is open: keeping every stroke, and saving so that nothing is overwritten.

::

    <folder of the visit>/
        L1_AB.trace.json                 saved traces: <lesion>_<reader>
        L1_AB.conflict-1.trace.json      what would have overwritten somebody else's
        .volumetry/
            <scan>_AB.0001.journal       events, a file for every time the case was opened
            <scan>_AB.snapshot-1.json    the state, two generations
            <scan>_AB.lock               who has the case open as AB
            versions/                    every saved version, by the hash of its parent
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from volumetry._version import __version__
from volumetry.errors import OutputError, ReadError, TraceError, UsageError, VolumetryError
from volumetry.files.atomic import make_folder
from volumetry.formats import write_mask
from volumetry.masks.outlines import mask_from_contours
from volumetry.trace import Trace
from volumetry.tracing.disk.journal import JournalWriter, read_journal
from volumetry.tracing.disk.lock import CaseLock, LockHolder, locked, read_holder
from volumetry.tracing.disk.places import CasePlace, as_saved
from volumetry.tracing.disk.recovery import Recovered
from volumetry.tracing.disk.revisions import (
    SavedTrace,
    file_sha256,
    put_away,
    read_saved,
    renamed,
    save_beside,
    save_revision,
)
from volumetry.tracing.disk.snapshot import write_snapshot
from volumetry.tracing.session.events import Event
from volumetry.tracing.session.session import TracingSession
from volumetry.tracing.session.state import TracingState, state_document

SNAPSHOT_EVERY = 50
"""Events between two snapshots."""


class TracingCase:
    """A case that is open: its session, its journal, its lock. Made by `open_case`.

    Attributes
    ----------
    session : TracingSession
    place : CasePlace
    holder : LockHolder or None
        Where the same reader has the case open already; the session is then read-only.
    was_read_only : bool
        Whether it was opened so, or is closed; a case that was taken over became so.
    unsaved_events : int
        How many events since the last save were found in the journal of an earlier session and are in this
        one: its work goes on, undo included. Offer `discard_unsaved` with it.
    problems : tuple of VolumetryError
        What could not be read of earlier sessions: a damaged journal, an unreadable trace.

    Examples
    --------
    >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> case = vt.open_case(scan, vt.CasePlace(folder=Path("case")), reader="A", in_background=False)
    >>> case.session.reader
    'A'
    >>> case.close()
    """

    def __init__(
        self,
        *,
        session: TracingSession,
        place: CasePlace,
        key: str,
        lock: CaseLock | None,
        holder: LockHolder | None,
        recovered: Recovered,
        paths: dict[str, Path],
        problems: tuple[VolumetryError, ...],
        in_background: bool,
        is_taken_over: bool = False,
    ) -> None:
        self.session = session
        self.place = place
        self.holder = holder
        self.problems = problems
        self.unsaved_events = recovered.unsaved_events
        self._key = key
        self._lock = lock
        self._paths = paths
        self._in_background = in_background
        self.was_read_only = session.is_read_only
        self._beside: dict[str, tuple[int, SavedTrace]] = {}
        self._writer: JournalWriter | None = None
        if not session.is_read_only:
            self._writer = self._new_writer(place, recovered.state, recovered.last_hash)
            if is_taken_over:
                # From whom it was taken sees what this session has of theirs.
                self._writer.begin()

    def _new_writer(self, place: CasePlace, state: TracingState, previous_hash: str) -> JournalWriter:
        header = {
            "events_before": state.number,
            "key": self._key,
            "previous_hash": previous_hash,
            "reader": self.session.reader,
            "state": state_document(state),
            "time": self.session.clock(),
            "tool": f"volumetry {__version__}",
        }
        return JournalWriter(
            place.next_journal(self._key, self.session.reader), header, in_background=self._in_background
        )

    def append(self, event: Event) -> None:
        """Take an event of the session: hand it to the journal, and make snapshots from time to time."""
        if self._writer is None:
            return
        self._writer.append(event)
        if event.number % SNAPSHOT_EVERY == 0 or event.action == "discard":
            self._snapshot()

    @property
    def is_read_only(self) -> bool:
        """Whether nothing can be drawn: somebody else has the case open."""
        return self.session.is_read_only

    @property
    def error(self) -> OutputError | None:
        """Why the journal cannot be written at present; tracing goes on, see `move_to`."""
        return None if self._writer is None else self._writer.error

    @property
    def durable(self) -> int:
        """Number of the last event that is on the disk."""
        return self.session.state.number if self._writer is None else self._writer.durable

    @property
    def n_unkept(self) -> int:
        """How many of the last events would be lost if the case were closed now: the disk takes no more."""
        if self._writer is None or self._writer.error is None:
            return 0
        return self.session.state.number - self._writer.durable

    def wait(self, *, timeout_s: float = 5.0) -> bool:
        """Wait until every event is on the disk; return whether it is."""
        if self._writer is None:
            return True
        self._writer.retry()
        return self._writer.wait(timeout_s=timeout_s)

    # -- saving -------------------------------------------------------------------------------------------

    def path_of(self, lesion_id: str) -> Path | None:
        """Return the trace file a lesion was last read from or saved in; None where there is none."""
        return self._paths.get(lesion_id)

    def save(self, lesion_ids: Iterable[str] | None = None) -> tuple[SavedTrace, ...]:
        """Save lesions (all that are traced, or marked absent, by default), each in a trace file.

        A file that is not what this session last read or wrote is never overwritten: then the trace is
        saved beside it as ``*.conflict-1.trace.json``, and goes on there. Where the case was taken over, only
        what its new owner does not have is saved, and always beside. The file of a lesion that was deleted,
        or has no outline any more, is put away among the versions.

        Raises
        ------
        OutputError
            ``disk-full`` or ``read-only``; files that were there before are intact.
        UsageError
            ``locked``: the case was opened read-only, or taken over with all that was drawn here.
        """
        if self.was_read_only:
            raise UsageError(
                "locked",
                "the case was opened read-only",
                todo="Close it where it is open, or take the case over.",
            )
        state = self.session.state
        wanted = list(state.lesions) if lesion_ids is None else list(lesion_ids)
        if lesion_ids is None:
            wanted = [i for i in wanted if state.lesions[i].is_judged or not state.is_empty(i)]
        is_lost = self._lock is not None and not self.heartbeat()
        if is_lost and self.is_with_owner:
            raise UsageError(
                "locked",
                "the case was taken over, with all that was drawn here",
                values={"reader": self.session.reader},
                todo="Save it where it is open now, or take it over again.",
            )
        make_folder(self.place.folder)
        # What is saved must not be ahead of the journal, or after a crash it would look like another's.
        self.wait(timeout_s=2.0)
        done: list[SavedTrace] = []
        gone: dict[str, str] = {}
        try:
            # First, so that another lesion of that name can have the file.
            for lesion_id in state.withdrawn_lesions if lesion_ids is None and not is_lost else ():
                done += self._put_away(lesion_id)
                gone[lesion_id] = ""
            for lesion_id in wanted:
                saved_now = self._save_beside(lesion_id) if is_lost else self._save(lesion_id)
                done.append(saved_now)
        finally:
            written = [found for found in done if not found.is_unchanged and not found.is_deleted]
            saved = gone | {found.lesion_id: found.sha256 for found in written}
            if saved and not self.is_read_only:
                self.session.record_saved(saved)
        return tuple(done)

    def _put_away(self, lesion_id: str) -> list[SavedTrace]:
        """Take the file of a lesion out of the folder, unless somebody else has changed it."""
        path = self._paths.get(lesion_id)
        if path is None or not path.exists():
            return []
        is_own = file_sha256(path) == self.session.state.saved[lesion_id].sha256
        kept = put_away(path, versions=self.place.versions) if is_own else path
        del self._paths[lesion_id]
        return [
            SavedTrace(lesion_id=lesion_id, path=kept, sha256="", is_deleted=True, is_conflict=not is_own)
        ]

    @property
    def is_with_owner(self) -> bool:
        """Whether another session, which took the case over, began with all that was drawn here."""
        found = self.place.journals(self._key, self.session.reader)
        own = None if self._writer is None else self._writer.path
        for path in found[found.index(own) + 1 :] if own in found else found:
            with suppress(ReadError):
                header = read_journal(path).header
                if int(header.get("events_before", -1)) >= self.session.state.number:
                    return True
        return False

    def _save_beside(self, lesion_id: str) -> SavedTrace:
        """Save what was drawn before the case was taken over; once for every state."""
        number, held = self._beside.get(lesion_id, (-1, None))
        if held is not None and number == self.session.state.number:
            return replace(held, is_unchanged=True)
        known = self.session.state.saved.get(lesion_id)
        path = self._paths.get(lesion_id)
        if path is not None and known is not None and lesion_id not in self.session.state.unsaved_lesions:
            return SavedTrace(lesion_id=lesion_id, path=path, sha256=known.sha256, is_unchanged=True)
        parent = known.sha256 if known else ""
        trace = as_saved(self.session.trace(lesion_id, parent_sha256=parent), self.place)
        target = path or self.place.trace(trace.lesion, trace.provenance.reader)
        revision = save_beside(trace, target)
        saved = SavedTrace(lesion_id=lesion_id, path=revision.path, sha256=trace.sha256, is_conflict=True)
        self._beside[lesion_id] = (self.session.state.number, saved)
        return saved

    def _save(self, lesion_id: str) -> SavedTrace:
        path = self._paths.get(lesion_id)
        held = self.session.state.saved.get(lesion_id)
        parent = held.sha256 if held else ""
        is_saved = held is not None and lesion_id not in self.session.state.unsaved_lesions
        if path is not None and is_saved and file_sha256(path) == parent:
            return SavedTrace(lesion_id=lesion_id, path=path, sha256=parent, is_unchanged=True)
        lesion = self.session.state.lesions.get(lesion_id)
        if lesion is not None and not lesion.is_judged and self.session.state.is_empty(lesion_id):
            # A file without outlines says that the lesion is absent.
            raise TraceError(
                "untraced-slice",
                "the lesion is not traced",
                values={"lesion": lesion.name},
                todo="Trace it, or mark it absent or not measurable.",
            )
        trace = as_saved(self.session.trace(lesion_id, parent_sha256=parent), self.place)
        if path is None:
            target, expected = self.place.trace(trace.lesion, trace.provenance.reader), ""
        else:
            target, expected = self._named_as(trace, path, parent), parent
            self._paths[lesion_id] = target
        revision = save_revision(trace, target, parent_sha256=expected, versions=self.place.versions)
        self._paths[lesion_id] = revision.path
        return SavedTrace(
            lesion_id=lesion_id,
            path=revision.path,
            sha256=trace.sha256,
            is_conflict=revision.is_conflict,
        )

    def _named_as(self, trace: Trace, path: Path, parent: str) -> Path:
        """Return the file of a lesion, renamed where the lesion was: a file is named after what it holds."""
        if file_sha256(path) != parent:
            return path
        held = read_saved(path)
        reader = held.provenance.reader
        if held.lesion == trace.lesion or not self.place.is_name_of(path, held.lesion, reader):
            return path
        return renamed(path, self.place.trace(trace.lesion, reader), versions=self.place.versions)

    def export_mask(self, path: Path | str, lesion_ids: Iterable[str] | None = None) -> Path:
        """Write a mask NIfTI of lesions, labels numbered from 1 in their order. Raises as `write_mask`."""
        state = self.session.state
        wanted = list(state.lesions) if lesion_ids is None else list(lesion_ids)
        traces = [self.session.trace(lesion_id) for lesion_id in wanted]
        mask = mask_from_contours(
            {number: trace.contours for number, trace in enumerate(traces, 1)},
            self.session.geometry,
            source=self.session.source,
        )
        names = {number: trace.lesion for number, trace in enumerate(traces, 1)}
        labels = tuple(replace(label, name=names[label.number]) for label in mask.labels)
        write_mask(replace(mask, labels=labels), path)
        return Path(path)

    # -- where it lies --------------------------------------------------------------------------------------

    def move_to(self, place: CasePlace) -> None:
        """Go on in another folder: the whole journal is written there, and what is saved next goes there.

        Raises
        ------
        OutputError
            The other place cannot be written either; all stays as it was.
        UsageError
            ``locked``: somebody else works there.
        """
        lock, holder = locked(place, self._key, self.session.reader, take_over=False)
        if lock is None:
            raise UsageError(
                "locked",
                "another program has the case open there",
                where=place.folder,
                values={"reader": holder.reader if holder else ""},
                todo="Name another place.",
            )
        start = self.session.start
        writer = self._new_writer(place, start, "")
        for event in self.session.events:
            writer.append(event)
        if not writer.wait(timeout_s=30.0):
            failed = writer.error
            writer.close()
            lock.release()
            raise failed or OutputError(
                "read-only",
                "the journal cannot be written in time",
                where=place.folder,
                todo="Name another place.",
            )
        previous, released = self._writer, self._lock
        self.place, self._writer, self._lock, self._paths = place, writer, lock, {}
        if previous is not None:
            previous.close()
        if released is not None:
            released.release()

    def discard_unsaved(self) -> None:
        """Go back to what was last saved; the journal keeps what is thrown away.

        Lesions that were never saved are deleted.
        """
        paths = list(self._paths.values())
        traces = [read_saved(path) for path in paths]
        kept = {trace.lesion for trace in traces}
        for lesion in list(self.session.state.lesions.values()):
            if lesion.name not in kept and not lesion.is_signed:
                self.session.delete_lesion(lesion.id)
        loaded = self.session.load_traces(traces, action="discard", reason="back to what was saved")
        self._paths = dict(zip(loaded, paths, strict=True))
        self.unsaved_events = 0

    def _snapshot(self) -> None:
        """Write the state, after what is in the journal so far; the generation before is kept."""
        if self._writer is None:
            return
        state, place = self.session.state, self.place
        newest, older = (place.snapshot(self._key, self.session.reader, n) for n in (1, 2))
        self._writer.call(partial(write_snapshot, state, newest, older))

    def heartbeat(self) -> bool:
        """Give a sign of life (call every 30 s); False, and read-only, if the case was taken over.

        What was drawn until then can still be saved.
        """
        if self._lock is None:
            return False
        if not self._lock.beat():
            self.session.is_read_only = True
            self.holder = read_holder(self.place.lock(self._key, self.session.reader))
            return False
        return True

    def close(self) -> None:
        """Write the journal to its end and release the lock. Does not save."""
        if self._writer is not None:
            self._writer.close()
        if self._lock is not None:
            self._lock.release()
        self._lock = None
        self.session.is_read_only = self.was_read_only = True
