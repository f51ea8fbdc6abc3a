"""Tracing one scan by one reader: commands in, events out, undo and redo over all of it.

A session holds the events and their fold, `TracingState` (`event_log`). What a command changes is worked out
by pure functions (`lesion_edits`, `outline_edits`, `paint_edits`, `history`); the session makes one event of
it, applies it, and hands it to the journal. Nothing else changes the state. What is saved, and where, is
decided in `volumetry.tracing.disk.case`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from volumetry._version import __version__
from volumetry.change import ChangeRule
from volumetry.comparability import ComparabilityRule
from volumetry.error_model import ReadingError, VerdictRule
from volumetry.geometry import ScanGeometry
from volumetry.measurement import MeasurementRule
from volumetry.scan import ScanSource
from volumetry.trace import Provenance, Trace
from volumetry.tracing.session import lesion_edits
from volumetry.tracing.session.drawn_slices import DrawnSlices
from volumetry.tracing.session.edit import lesion_of, open_lesion
from volumetry.tracing.session.event_log import EventSink, now
from volumetry.tracing.session.events import Action, Event, Replacement
from volumetry.tracing.session.loading import loading
from volumetry.tracing.session.neighbours import Neighbours
from volumetry.tracing.session.readout import LesionReadout, read_out
from volumetry.tracing.session.sections import SectionCache
from volumetry.tracing.session.signing import SigningCheck, signing_check
from volumetry.tracing.session.state import TracingState
from volumetry.volume import LesionVolume


class TracingSession(DrawnSlices):
    """The tracing of one scan by one reader.

    Parameters
    ----------
    geometry : ScanGeometry
    source : ScanSource
        Of the scan, with the hash of its voxels (`Scan.hashed_source`).
    reader : str
    rule : MeasurementRule, optional
        How areas become volumes, in the live numbers.
    change_rule : ChangeRule, optional
    protocol : str
        Name of the study protocol, kept in the traces.
    start : TracingState, optional
        The state before the first event, if not an empty one.
    events : iterable of Event
        A history to go on from.
    journal : EventSink, optional
    clock : callable
        Returns the time, ISO 8601 with zone.

    Attributes
    ----------
    state : TracingState
        Frozen; a new one after every command.
    events : list of Event
    current_lesion : str
        Id of the lesion that commands are about unless they name one; empty without lesions. Choosing it
        is no event.

    Notes
    -----
    Commands that draw raise `TraceError` ``signed`` where the lesion is signed, and `UsageError` ``usage``
    for ids and slices that are not there; a read-only session refuses all of them with ``locked``.

    Examples
    --------
    >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> session = vt.TracingSession(geometry=scan.geometry, reader="A")
    >>> lesion = session.add_lesion("L1")
    >>> [held.name for held in session.state.lesions.values()]
    ['L1']
    """

    def __init__(
        self,
        *,
        geometry: ScanGeometry,
        source: ScanSource | None = None,
        reader: str,
        rule: MeasurementRule | None = None,
        change_rule: ChangeRule | None = None,
        protocol: str = "",
        start: TracingState | None = None,
        events: Iterable[Event] = (),
        journal: EventSink | None = None,
        clock: Callable[[], str] = now,
    ) -> None:
        super().__init__(
            geometry=geometry, reader=reader, start=start, events=events, journal=journal, clock=clock
        )
        self.source = source or ScanSource()
        self.rule = rule or MeasurementRule()
        self.change_rule = change_rule or ChangeRule()
        self.protocol = protocol
        self._sections = SectionCache(geometry)
        self._neighbours = Neighbours()
        self._last_readout: (
            tuple[TracingState, LesionVolume | None, tuple[object, ...], LesionReadout] | None
        ) = None

    # -- lesions ----------------------------------------------------------------------------------------

    def add_lesion(self, name: str, side: str = "", *, colour: int | None = None) -> str:
        """Add a lesion, make it the current one, and return its id.

        Parameters
        ----------
        name : str
            Not that of another lesion.
        side : {"", "L", "R"}
        colour : int, optional
            Index of its colour; the first that is free by default.
        """
        (self.current_lesion,) = self._apply(lesion_edits.add_lesion(self.state, name, side, colour))
        return self.current_lesion

    def change_lesion(
        self, lesion_id: str, *, name: str | None = None, side: str | None = None, colour: int | None = None
    ) -> None:
        """Give a lesion another name, side or colour; its id stays."""
        self._apply(lesion_edits.change_lesion(self.state, lesion_id, name=name, side=side, colour=colour))

    def delete_lesion(self, lesion_id: str) -> None:
        """Delete a lesion and all its outlines. Its saved file, if there is one, goes when that is saved."""
        self._apply(lesion_edits.delete_lesion(self.state, lesion_id))
        self._choose_one_that_is_there()

    def mark_absent(self, lesion_id: str, *, is_absent: bool = True) -> None:
        """Say that there is no lesion (volume 0, saved as a trace without outlines), or take it back.

        Raises
        ------
        TraceError
            ``invalid-contour``: the lesion has outlines.
        """
        self._apply(lesion_edits.mark_absent(self.state, lesion_id, is_absent=is_absent))

    def mark_not_measurable(self, lesion_id: str, reason: str) -> None:
        """Say that a lesion has no volume that can be measured, and why; an empty reason takes it back.

        Outlines of what is seen may stay; they are saved, and not counted.

        Parameters
        ----------
        lesion_id : str
        reason : str
            A key of `volumetry.trace.NOT_MEASURABLE_REASONS`, or empty.

        Raises
        ------
        UsageError
            ``usage``: the reason is another.
        """
        self._apply(lesion_edits.mark_not_measurable(self.state, lesion_id, reason))

    # -- signing ----------------------------------------------------------------------------------------

    def signing_check(self, lesion_id: str | None = None) -> SigningCheck:
        """Return what keeps a lesion from being signed, and what the reader should acknowledge first."""
        lesion = lesion_of(self.state, self._id(lesion_id))
        return signing_check(self.state, lesion, self.readout(lesion_id=lesion.id), self.geometry.n_slices)

    def sign(self, lesion_id: str | None = None, *, acknowledged: Iterable[str] = ()) -> None:
        """Lock the read of a lesion.

        Parameters
        ----------
        lesion_id : str, optional
        acknowledged : iterable of str
            Codes of the warnings (`signing_check`) that the reader acknowledged; kept in the journal.

        Raises
        ------
        TraceError
            ``unconfirmed``: proposed outlines are neither accepted nor rejected; ``untraced-slice``: the
            lesion is neither traced, nor marked absent or not measurable; or the code with which
            `volumetry measure` would refuse what would be saved.
        """
        wanted = open_lesion(self.state, self._id(lesion_id)).id
        check, time = self.signing_check(wanted), self.clock()
        self._apply(lesion_edits.sign(self.state, wanted, check, time=time, acknowledged=acknowledged))

    def reopen(self, reason: str, lesion_id: str | None = None) -> None:
        """Open a signed lesion again; what is saved next is a new version that names its parent and why.

        Raises
        ------
        UsageError
            ``usage``: no reason is given, or the lesion is not signed.
        """
        self._apply(lesion_edits.reopen(self.state, self._id(lesion_id), reason))

    # -- looking ----------------------------------------------------------------------------------------

    def readout(
        self,
        slice_index: int = 0,
        *,
        lesion_id: str | None = None,
        baseline: LesionVolume | None = None,
        baseline_reader: str = "",
        comparability_rule: ComparabilityRule | None = None,
        reading_error: ReadingError | None = None,
        verdict_rule: VerdictRule | None = None,
    ) -> LesionReadout:
        """Return the live numbers and warnings of a lesion, and of one of its slices.

        Only slices that changed since the last call are measured again.

        Parameters
        ----------
        slice_index : int
        lesion_id : str, optional
        baseline : LesionVolume, optional
            The lesion at the first visit; give none under blinding. Its `source` says how the scan was
            acquired.
        baseline_reader : str
            Who traced it; empty where that is not known.
        comparability_rule : ComparabilityRule, optional
            Which differences between the visits forbid a class.
        reading_error : ReadingError, optional
            From repeated reads; without it the worth of a change is not known.
        verdict_rule : VerdictRule, optional
        """
        lesion = lesion_of(self.state, self._id(lesion_id))
        asked: tuple[object, ...] = (
            lesion,
            self.source,
            self.reader,
            self.rule,
            self.change_rule,
            baseline_reader,
        )
        asked += (comparability_rule, reading_error, verdict_rule)
        if self._last_readout is not None:
            state, against, known, readout = self._last_readout
            if state is self.state and against is baseline and known == asked:
                # Only another slice is looked at: who scrolls does not have everything measured anew.
                return readout.on_slice(slice_index)
        found = read_out(
            self.state,
            lesion,
            self._sections,
            self._neighbours,
            slice_index=slice_index,
            rule=self.rule,
            source=self.source,
            baseline=baseline,
            readers=(baseline_reader, self.reader),
            change_rule=self.change_rule,
            comparability_rule=comparability_rule,
            reading_error=reading_error,
            verdict_rule=verdict_rule,
        )
        self._last_readout = (self.state, baseline, asked, found)
        return found

    def trace(self, lesion_id: str | None = None, *, parent_sha256: str = "", time: str = "") -> Trace:
        """Return the trace of a lesion as it would be saved: what is confirmed, and nothing proposed."""
        lesion = lesion_of(self.state, self._id(lesion_id))
        slices = self.state.slices_of(lesion.id, status="confirmed")
        contours = [c for index in slices for c in self.confirmed_contours(lesion.id, index)]
        provenance = Provenance(
            reader=self.reader,
            time=time or lesion.signed_time or self.clock(),
            tool=f"volumetry {__version__}",
            protocol=self.protocol,
            read=lesion.read,
            parent_sha256=parent_sha256,
            reason=lesion.reason,
            signed_time=lesion.signed_time,
        )
        return Trace(
            lesion=lesion.name,
            side=lesion.side,
            contours=tuple(contours),
            geometry=self.geometry,
            source=self.source,
            provenance=provenance,
            not_measurable=lesion.not_measurable,
        )

    # -- what saving and opening record -----------------------------------------------------------------

    def record_saved(self, saved: Mapping[str, str]) -> None:
        """Record that lesions (by id) were saved in traces of those hashes; empty: there is no trace now."""
        self._do("save", [], saved=saved)

    def load_traces(
        self, traces: Iterable[Trace], *, action: Action = "open", reason: str = "", are_saved: bool = True
    ) -> tuple[str, ...]:
        """Make the lesions of these names what traces say, as one event; return their ids.

        Nothing is recorded where all of them are that already.

        Parameters
        ----------
        traces : iterable of Trace
        action, reason : str, optional
            Of the event.
        are_saved : bool, default True
            Whether they are what lies in the folder of the case. Those of other files are not saved yet.
        """
        changes: list[Replacement] = []
        saved: dict[str, str] = {}
        number = self.state.next_id
        colours = {lesion.colour for lesion in self.state.lesions.values()}
        ids = []
        for trace in traces:
            held = next((x for x in self.state.lesions.values() if x.name == trace.lesion), None)
            traced = self.trace(held.id).contours if held else ()
            colour = held.colour if held else lesion_edits.free_colour(colours)
            colours.add(colour)
            changed, lesion_id, number = loading(
                self.state, trace, held, traced, number=number, colour=colour
            )
            ids.append(lesion_id)
            changes += changed
            known = self.state.saved.get(lesion_id)
            if are_saved and (changed or known is None or known.sha256 != trace.sha256):
                saved[lesion_id] = trace.sha256
        if changes or saved:
            self._do(action, changes, reason=reason, saved=saved)
        self.current_lesion = self.current_lesion or next(iter(self.state.lesions), "")
        return tuple(ids)
