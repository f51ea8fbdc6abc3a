"""Where traces, journals and snapshots lie, and how nobody's saved work is ever overwritten.

::

    <folder of the visit>/
        L1_AB.trace.json                 saved traces: <lesion>_<reader>
        L1_AB.conflict-1.trace.json      what would have overwritten somebody else's
        .volumetry/
            <series>_AB.0001.journal     events, a file for every time the case was opened
            <series>_AB.snapshot-1.json  the state as traces, two generations
            <series>.lock                who has the case open
            versions/                    every saved version, by the hash of its parent
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from volumetry.change import ChangeRule
from volumetry.errors import OutputError, VolumetryError
from volumetry.scan import Scan
from volumetry.tracing.lock import LockHolder
from volumetry.tracing.session import TracingSession
from volumetry.volume import MeasurementRule


@dataclass(frozen=True, kw_only=True)
class CasePlace:
    """Where the files of one case are written.

    Attributes
    ----------
    folder : Path
        Of the traces; ``.volumetry`` in it holds journals, snapshots and the lock.
    """

    folder: Path

    @property
    def hidden(self) -> Path:
        """Folder of journals, snapshots and the lock."""
        return self.folder / ".volumetry"


@dataclass(frozen=True, kw_only=True)
class SavedTrace:
    """A trace that was saved.

    Attributes
    ----------
    lesion_id : str
    path : Path
    sha256 : str
    is_conflict : bool
        Whether somebody else had changed the file meanwhile, so that this was saved beside it.
    is_unchanged : bool
        Whether the file said so already and was not written.
    """

    lesion_id: str
    path: Path
    sha256: str
    is_conflict: bool = False
    is_unchanged: bool = False


class TracingCase:
    """A case that is open: its session, its journal, its lock. Made by `open_case`.

    Attributes
    ----------
    session : TracingSession
    place : CasePlace
    holder : LockHolder or None
        Who else has the case open; the session is then read-only.
    unsaved_events : int
        How many events since the last save were found in the journal of an earlier session and are in this
        one: its work goes on, undo included. Offer `discard_unsaved` with it.
    problems : tuple of VolumetryError
        What could not be read of earlier sessions: a damaged journal, an unreadable trace.
    """

    session: TracingSession
    place: CasePlace
    holder: LockHolder | None
    unsaved_events: int
    problems: tuple[VolumetryError, ...]

    @property
    def is_read_only(self) -> bool:
        """Whether nothing can be drawn: somebody else has the case open."""
        raise NotImplementedError

    @property
    def error(self) -> OutputError | None:
        """Why the journal cannot be written at present; tracing goes on, see `move_to`."""
        raise NotImplementedError

    def wait(self, *, timeout_s: float = 5.0) -> bool:
        """Wait until every event is on the disk; return whether it is."""
        raise NotImplementedError

    def save(self, lesion_ids: Iterable[str] | None = None) -> tuple[SavedTrace, ...]:
        """Save lesions (all that are traced, or marked absent, by default), each in a trace file.

        A file that is not what this session last read or wrote is never overwritten: then the trace is
        saved beside it as ``*.conflict-1.trace.json``, and goes on there.

        Raises
        ------
        OutputError
            ``disk-full`` or ``read-only``; files that were there before are intact.
        """
        raise NotImplementedError

    def export_mask(self, path: Path | str, lesion_ids: Iterable[str] | None = None) -> Path:
        """Write a mask NIfTI of lesions, labels numbered from 1 in their order. Raises as `write_mask`."""
        raise NotImplementedError

    def move_to(self, place: CasePlace) -> None:
        """Go on in another folder: the whole journal is written there, and what is saved next goes there.

        Raises
        ------
        OutputError
            The other place cannot be written either; all stays as it was.
        """
        raise NotImplementedError

    def discard_unsaved(self) -> None:
        """Go back to what was last saved; the journal keeps what is thrown away."""
        raise NotImplementedError

    def heartbeat(self) -> bool:
        """Give a sign of life (call every 30 s); False, and read-only, if the case was taken over."""
        raise NotImplementedError

    def close(self) -> None:
        """Write the journal to its end and release the lock. Does not save."""
        raise NotImplementedError


def place_for(
    scan: Path | str, *, study: Path | str | None = None, place: Path | str | None = None
) -> CasePlace:
    """Return where the files of a scan go: beside its series, or in the same way below another folder.

    Parameters
    ----------
    scan : path
        The scan's file, or the folder of its series.
    study : path, optional
        The study folder it lies in: traces lie in ``<study>/<patient>/<visit>/``.
    place : path, optional
        Another folder that stands for the study folder, where that cannot be written.
    """
    raise NotImplementedError


def open_case(
    scan: Scan,
    place: CasePlace,
    *,
    reader: str,
    rule: MeasurementRule | None = None,
    change_rule: ChangeRule | None = None,
    protocol: str = "",
    take_over: bool = False,
    in_background: bool = True,
) -> TracingCase:
    """Open a scan for tracing: its saved traces, and the journal of a session that did not end.

    Parameters
    ----------
    scan : Scan
    place : CasePlace
    reader : str
    rule : MeasurementRule, optional
    change_rule : ChangeRule, optional
    protocol : str
        Name of the study protocol.
    take_over : bool
        Take the case from whoever has it open (`TracingCase.holder` of an earlier attempt).
    in_background : bool
        Write the journal in a thread of its own.

    Returns
    -------
    TracingCase
        Read-only where somebody else has the case open; nothing is written then.

    Raises
    ------
    OutputError
        ``read-only``, ``disk-full``: the journal cannot be begun; name another place.
    """
    raise NotImplementedError
