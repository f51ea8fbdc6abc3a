"""Tracing one scan by one reader: commands in, events out, undo and redo over all of it.

A session holds the events and their fold, `TracingState`. What a command changes is worked out by pure
functions (`lesion_edits`, `outline_edits`, `paint_edits`, `history`); the session makes one event of it,
applies it, and hands it to the journal. Nothing else changes the state. What is saved, and where, is decided
in `volumetry.tracing.disk.case`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol as Interface

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volumetry._version import __version__
from volumetry.change import ChangeRule
from volumetry.contour import Contour
from volumetry.error_model import ReadingError, VerdictRule
from volumetry.errors import UsageError
from volumetry.geometry import ScanGeometry
from volumetry.scan import ScanSource
from volumetry.trace import Provenance, Trace
from volumetry.tracing.session import history, lesion_edits, outline_edits, paint_edits
from volumetry.tracing.session.edit import (
    Edit,
    confirmed_contours,
    lesion_of,
    open_lesion,
    proposed_contours,
)
from volumetry.tracing.session.loading import loading
from volumetry.tracing.session.pixels import (
    NO_RUNS,
    image_from_runs,
    runs_from_image,
    runs_from_pixels,
)
from volumetry.tracing.session.readout import LesionReadout, read_out
from volumetry.tracing.session.records import (
    Action,
    Event,
    Replacement,
    Status,
    TracedContour,
)
from volumetry.tracing.session.sections import SectionCache
from volumetry.tracing.session.signing import SigningCheck, signing_check
from volumetry.tracing.session.state import TracingState, apply_event, replay
from volumetry.volume import LesionVolume, MeasurementRule


class EventSink(Interface):
    """Where events go: a journal. Must return at once."""

    def append(self, event: Event) -> None:
        """Take an event."""


def now() -> str:
    """Return the time, ISO 8601 with zone."""
    return datetime.now().astimezone().isoformat(timespec="milliseconds")


class TracingSession:
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
        self.geometry = geometry
        self.source = source or ScanSource()
        self.reader = reader
        self.rule = rule or MeasurementRule()
        self.change_rule = change_rule or ChangeRule()
        self.protocol = protocol
        self.events = list(events)
        self.start = start or TracingState()
        self.state: TracingState = replay(self.events, self.start)
        self.journal = journal
        self.is_read_only = False
        self.current_lesion = next(iter(self.state.lesions), "")
        self._clock = clock
        self._sections = SectionCache(geometry)

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
        """Delete a lesion and all its outlines. Its saved file, if there is one, stays where it is."""
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

    # -- outlines ---------------------------------------------------------------------------------------

    def add_outline(
        self,
        slice_index: int,
        vertices: ArrayLike,
        *,
        lesion_id: str | None = None,
        is_hole: bool = False,
        status: Status = "confirmed",
        note: str = "",
    ) -> str:
        """Add an outline, freehand or polygon, and return its id.

        Parameters
        ----------
        slice_index : int
        vertices : (n, 2) array_like
            (row, column), integers at pixel centres.
        lesion_id : str, optional
            The current lesion by default.
        is_hole : bool
        status : {"confirmed", "proposed"}
        note : str
            What is to be known of the stroke, for instance that its points lie far apart; kept in the
            journal.

        Raises
        ------
        TraceError
            ``invalid-contour``: fewer than three vertices; ``ambiguous-overlap``: the slice is painted
            (see `outline_paint`).
        """
        edit = outline_edits.add_outline(
            self.state,
            self.geometry,
            self._id(lesion_id),
            slice_index,
            vertices,
            is_hole=is_hole,
            status=status,
            note=note,
        )
        (added,) = self._apply(edit)
        return added

    def add_hole(self, slice_index: int, vertices: ArrayLike, *, lesion_id: str | None = None) -> str:
        """Add a hole and return its id. As `add_outline`."""
        return self.add_outline(slice_index, vertices, lesion_id=lesion_id, is_hole=True)

    def replace_vertices(self, contour_id: str, vertices: ArrayLike) -> None:
        """Give an outline other vertices: after editing, moving or nudging. A proposed one is accepted so."""
        self._apply(outline_edits.replace_vertices(self.state, contour_id, vertices))

    def delete_contour(self, contour_id: str) -> None:
        """Delete an outline or a hole."""
        self._apply(outline_edits.delete_contour(self.state, contour_id))

    def clear_slice(self, slice_index: int, *, lesion_id: str | None = None) -> None:
        """Delete everything of a lesion on one slice."""
        self._apply(outline_edits.clear_slice(self.state, self._id(lesion_id), slice_index))

    def copy_slice(
        self, from_slice: int, to_slice: int, *, lesion_id: str | None = None, status: Status = "confirmed"
    ) -> tuple[str, ...]:
        """Copy the confirmed outlines of a lesion to another slice, beside what is there.

        Returns
        -------
        tuple of str
            Ids of the copies; empty where there is nothing to copy.
        """
        return self._apply(
            outline_edits.copy_slice(
                self.state, self.geometry, self._id(lesion_id), from_slice, to_slice, status=status
            )
        )

    # -- proposals --------------------------------------------------------------------------------------

    def propose_between(
        self, first: int | None = None, last: int | None = None, *, lesion_id: str | None = None
    ) -> tuple[str, ...]:
        """Interpolate the untraced slices between traced ones and propose the outlines.

        Parameters
        ----------
        first, last : int, optional
            Traced slices; all gaps of the lesion by default. Slices in between that are traced stay, and
            every gap is interpolated between its own neighbours, at its true positions.
        lesion_id : str, optional

        Returns
        -------
        tuple of str
            Ids of the proposed outlines; earlier proposals on those slices are replaced.
        """
        return self._apply(
            outline_edits.propose_between(self.state, self.geometry, self._id(lesion_id), first, last)
        )

    def propose(self, contours: Sequence[Contour], *, lesion_id: str | None = None) -> tuple[str, ...]:
        """Propose outlines from elsewhere, for instance the baseline's; they replace proposals there.

        Returns
        -------
        tuple of str
            Their ids.
        """
        return self._apply(outline_edits.propose(self.state, self.geometry, self._id(lesion_id), contours))

    def accept(self, slice_index: int | None = None, *, lesion_id: str | None = None) -> tuple[str, ...]:
        """Confirm the proposed outlines of a lesion, on one slice or all, and return their ids."""
        return self._apply(outline_edits.accept(self.state, self._id(lesion_id), slice_index))

    def reject(self, slice_index: int | None = None, *, lesion_id: str | None = None) -> tuple[str, ...]:
        """Delete the proposed outlines of a lesion, on one slice or all, and return their ids."""
        return self._apply(outline_edits.reject(self.state, self._id(lesion_id), slice_index))

    # -- paint ------------------------------------------------------------------------------------------

    def paint(
        self,
        slice_index: int,
        pixels: ArrayLike,
        *,
        erase: bool = False,
        lesion_id: str | None = None,
        convert: bool = False,
    ) -> None:
        """Add the pixels of a brush stroke to a lesion, or take them away.

        Parameters
        ----------
        slice_index : int
        pixels : (n, 2) array_like of int
            (row, column); `brush_pixels` makes them of a brush.
        erase : bool
        lesion_id : str, optional
        convert : bool
            Turn outlines on this slice into pixels first (pixel centre inside), which changes the area a
            little. Outlines that run along pixel edges are turned without being asked, exactly.

        Raises
        ------
        TraceError
            ``ambiguous-overlap``: the slice has outlines, and `convert` is not given.
        """
        stroke = runs_from_pixels(pixels, (self.geometry.rows, self.geometry.columns))
        self._apply(
            paint_edits.paint(
                self.state,
                self.geometry,
                self._id(lesion_id),
                slice_index,
                stroke,
                erase=erase,
                convert=convert,
            )
        )

    def set_painted(
        self,
        slice_index: int,
        inside: NDArray[np.bool_],
        *,
        lesion_id: str | None = None,
        convert: bool = False,
    ) -> None:
        """Make the painted pixels of a lesion on a slice those of an image (rows, columns). As `paint`."""
        runs = runs_from_image(inside)
        self._apply(
            paint_edits.set_painted(
                self.state, self.geometry, self._id(lesion_id), slice_index, runs, convert=convert
            )
        )

    def painted_image(self, slice_index: int, *, lesion_id: str | None = None) -> NDArray[np.bool_]:
        """Return the painted pixels of a lesion on a slice, (rows, columns)."""
        painted = self.state.painted.get((lesion_of(self.state, self._id(lesion_id)).id, slice_index))
        runs = NO_RUNS if painted is None else painted.runs
        return image_from_runs(runs, (self.geometry.rows, self.geometry.columns))

    def outline_paint(self, slice_index: int, *, lesion_id: str | None = None) -> tuple[str, ...]:
        """Turn the paint of a slice into outlines along the pixel edges, of exactly the same area.

        Returns
        -------
        tuple of str
            Ids of the outlines.
        """
        return self._apply(paint_edits.outline_paint(self.state, self._id(lesion_id), slice_index))

    # -- undo, signing ----------------------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        """Whether there is a command to take back."""
        return bool(self.state.undo_numbers) and self.state.undo_numbers[-1] > self.start.number

    @property
    def can_redo(self) -> bool:
        """Whether there is a command to do again."""
        return bool(self.state.redo_numbers) and self.state.redo_numbers[-1] > self.start.number

    def undo(self) -> Event | None:
        """Take back the last command, wherever it was; return the event that does so (`slice_indices`).

        None where there is nothing to take back. Undo is an event itself.

        Raises
        ------
        TraceError
            ``signed``: the lesion has been signed since.
        """
        if not self.can_undo:
            return None
        return self._repeat(history.undo(self.state, self._event(self.state.undo_numbers[-1])))

    def redo(self) -> Event | None:
        """Do again what was last taken back. As `undo`."""
        if not self.can_redo:
            return None
        return self._repeat(history.redo(self.state, self._event(self.state.redo_numbers[-1])))

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
        check, time = self.signing_check(wanted), self._clock()
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

    def confirmed_contours(self, lesion_id: str, slice_index: int) -> tuple[Contour, ...]:
        """Return what counts of a lesion on a slice: confirmed outlines and holes, or the edges of paint."""
        return confirmed_contours(self.state, lesion_id, slice_index)

    def proposed_contours(self, lesion_id: str, slice_index: int | None = None) -> tuple[TracedContour, ...]:
        """Return the proposed outlines of a lesion, of one slice or all."""
        return proposed_contours(self.state, lesion_id, slice_index)

    def readout(
        self,
        slice_index: int = 0,
        *,
        lesion_id: str | None = None,
        baseline: LesionVolume | None = None,
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
            The lesion at the first visit; give none under blinding.
        reading_error : ReadingError, optional
            From repeated reads; without it the worth of a change is not known.
        verdict_rule : VerdictRule, optional
        """
        return read_out(
            self.state,
            lesion_of(self.state, self._id(lesion_id)),
            self._sections,
            slice_index=slice_index,
            rule=self.rule,
            baseline=baseline,
            change_rule=self.change_rule,
            reading_error=reading_error,
            verdict_rule=verdict_rule,
        )

    def trace(self, lesion_id: str | None = None, *, parent_sha256: str = "", time: str = "") -> Trace:
        """Return the trace of a lesion as it would be saved: what is confirmed, and nothing proposed."""
        lesion = lesion_of(self.state, self._id(lesion_id))
        slices = self.state.slices_of(lesion.id, status="confirmed")
        contours = [c for index in slices for c in self.confirmed_contours(lesion.id, index)]
        provenance = Provenance(
            reader=self.reader,
            time=time or lesion.signed_time or self._clock(),
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
        """Record that lesions (by id) were saved in traces of those hashes."""
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

    # -- the one way to change anything -----------------------------------------------------------------

    def _do(
        self,
        action: Action,
        changes: Sequence[Replacement],
        *,
        target: int = 0,
        reason: str = "",
        saved: Mapping[str, str] | None = None,
    ) -> Event:
        if self.is_read_only:
            raise UsageError(
                "locked",
                "this session is read-only",
                todo="Close the other program that has the case open, or take the case over.",
            )
        event = Event(
            number=self.state.number + 1,
            time=self._clock(),
            reader=self.reader,
            action=action,
            replacements=tuple(changes),
            target=target,
            reason=reason,
            saved=dict(saved or {}),
        )
        self.state = apply_event(self.state, event)
        self.events.append(event)
        if self.journal is not None:
            self.journal.append(event)
        return event

    def _apply(self, edit: Edit | None) -> tuple[str, ...]:
        """Make an edit, where there is something to do, and return the ids it is about."""
        if edit is None:
            return ()
        self._do(edit.action, edit.changes, reason=edit.reason)
        return edit.ids

    def _id(self, lesion_id: str | None) -> str:
        return self.current_lesion if lesion_id is None else lesion_id

    def _choose_one_that_is_there(self) -> None:
        if self.current_lesion not in self.state.lesions:
            self.current_lesion = next(iter(self.state.lesions), "")

    def _event(self, number: int) -> Event:
        return self.events[number - self.start.number - 1]

    def _repeat(self, edit: Edit) -> Event:
        event = self._do(edit.action, edit.changes, target=edit.target)
        self._choose_one_that_is_there()
        return event
