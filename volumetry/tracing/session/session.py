"""Tracing one scan by one reader: commands in, events out, undo and redo over all of it.

A session holds the events and their fold, `TracingState`. Every command makes one event, applies it, and
hands it to the journal; nothing else changes the state. What is saved, and where, is decided in
`volumetry.tracing.disk.storage`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol as Interface

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volumetry._version import __version__
from volumetry.change import ChangeRule
from volumetry.contour import Contour
from volumetry.error_model import ReadingError, VerdictRule
from volumetry.errors import TraceError, UsageError
from volumetry.geometry import ScanGeometry
from volumetry.outlines import fill_contours
from volumetry.scan import ScanSource
from volumetry.trace import NOT_MEASURABLE_REASONS, Provenance, Trace
from volumetry.tracing.planes.interpolate import fill_between
from volumetry.tracing.session.loading import loading
from volumetry.tracing.session.paint import follows_pixels, outlines_of_paint
from volumetry.tracing.session.pixels import (
    NO_RUNS,
    Runs,
    combine_runs,
    image_from_runs,
    runs_from_image,
    runs_from_pixels,
)
from volumetry.tracing.session.readout import LesionReadout, SectionCache, read_out
from volumetry.tracing.session.records import (
    Action,
    Event,
    PaintedSlice,
    Record,
    Replacement,
    Status,
    TracedContour,
    TracedLesion,
)
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
        self._check_name(name, side)
        if colour is None:
            colour = _free_colour({lesion.colour for lesion in self.state.lesions.values()})
        lesion = TracedLesion(id=f"l{self.state.next_id}", name=name, side=side, colour=colour)
        self._do("add-lesion", [Replacement(before=None, after=lesion)])
        self.current_lesion = lesion.id
        return lesion.id

    def change_lesion(
        self, lesion_id: str, *, name: str | None = None, side: str | None = None, colour: int | None = None
    ) -> None:
        """Give a lesion another name, side or colour; its id stays."""
        lesion = self._open_lesion(lesion_id)
        changed = replace(
            lesion,
            name=lesion.name if name is None else name,
            side=lesion.side if side is None else side,
            colour=lesion.colour if colour is None else colour,
        )
        self._check_name(changed.name, changed.side, lesion_id)
        if changed != lesion:
            self._do("change-lesion", [Replacement(before=lesion, after=changed)])

    def delete_lesion(self, lesion_id: str) -> None:
        """Delete a lesion and all its outlines. Its saved file, if there is one, stays where it is."""
        lesion = self._open_lesion(lesion_id)
        records: list[Record] = [lesion, *self._pieces(lesion_id)]
        self._do("delete-lesion", [Replacement(before=record, after=None) for record in records])
        if self.current_lesion == lesion_id:
            self.current_lesion = next(iter(self.state.lesions), "")

    def mark_absent(self, lesion_id: str, *, is_absent: bool = True) -> None:
        """Say that there is no lesion (volume 0, saved as a trace without outlines), or take it back.

        Raises
        ------
        TraceError
            ``invalid-contour``: the lesion has outlines.
        """
        lesion = self._open_lesion(lesion_id)
        if is_absent and self._pieces(lesion_id):
            raise TraceError(
                "invalid-contour",
                "a lesion with outlines cannot be absent",
                values={"lesion": lesion.name},
                todo="Delete its outlines first.",
            )
        if lesion.is_absent != is_absent:
            after = replace(lesion, is_absent=is_absent, not_measurable="")
            self._do("mark-absent", [Replacement(before=lesion, after=after)])

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
        lesion = self._open_lesion(lesion_id)
        if reason and reason not in NOT_MEASURABLE_REASONS:
            raise UsageError(
                "usage",
                "the reason why a lesion is not measurable is not known",
                values={"reason": reason},
                todo=f"Use one of {', '.join(NOT_MEASURABLE_REASONS)}.",
            )
        after = replace(lesion, not_measurable=reason, is_absent=lesion.is_absent and not reason)
        if after != lesion:
            self._do("mark-not-measurable", [Replacement(before=lesion, after=after)])

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
        lesion = self._open_lesion(lesion_id)
        self._check_slice(slice_index)
        if status == "confirmed":
            self._check_unpainted(lesion, slice_index)
        contour = Contour(slice_index=slice_index, vertices=np.asarray(vertices), is_hole=is_hole)
        (added,) = self._new_contours(lesion.id, [contour], status)
        changes = [Replacement(before=None, after=added), *self._no_longer_absent(lesion)]
        self._do("add-hole" if is_hole else "add-outline", changes, reason=note)
        return added.id

    def add_hole(self, slice_index: int, vertices: ArrayLike, *, lesion_id: str | None = None) -> str:
        """Add a hole and return its id. As `add_outline`."""
        return self.add_outline(slice_index, vertices, lesion_id=lesion_id, is_hole=True)

    def replace_vertices(self, contour_id: str, vertices: ArrayLike) -> None:
        """Give an outline other vertices: after editing, moving or nudging. A proposed one is accepted so."""
        held = self._contour(contour_id)
        self._open_lesion(held.lesion_id)
        contour = Contour(slice_index=held.slice_index, vertices=np.asarray(vertices), is_hole=held.is_hole)
        after = replace(held, contour=contour, status="confirmed")
        if after != held:
            self._do("replace-vertices", [Replacement(before=held, after=after)])

    def delete_contour(self, contour_id: str) -> None:
        """Delete an outline or a hole."""
        held = self._contour(contour_id)
        self._open_lesion(held.lesion_id)
        self._do("delete-contour", [Replacement(before=held, after=None)])

    def clear_slice(self, slice_index: int, *, lesion_id: str | None = None) -> None:
        """Delete everything of a lesion on one slice."""
        lesion = self._open_lesion(lesion_id)
        pieces = [piece for piece in self._pieces(lesion.id) if piece.slice_index == slice_index]
        if pieces:
            self._do("clear-slice", [Replacement(before=piece, after=None) for piece in pieces])

    def copy_slice(
        self, from_slice: int, to_slice: int, *, lesion_id: str | None = None, status: Status = "confirmed"
    ) -> tuple[str, ...]:
        """Copy the confirmed outlines of a lesion to another slice, beside what is there.

        Returns
        -------
        tuple of str
            Ids of the copies; empty where there is nothing to copy.
        """
        lesion = self._open_lesion(lesion_id)
        self._check_slice(to_slice)
        if status == "confirmed":
            self._check_unpainted(lesion, to_slice)
        copied = [replace(c, slice_index=to_slice) for c in self.confirmed_contours(lesion.id, from_slice)]
        added = self._new_contours(lesion.id, copied, status)
        if added:
            self._do("copy-slice", [Replacement(before=None, after=contour) for contour in added])
        return tuple(contour.id for contour in added)

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
        lesion = self._open_lesion(lesion_id)
        traced = {
            index: self.confirmed_contours(lesion.id, index)
            for index in self.state.slices_of(lesion.id, status="confirmed")
        }
        proposed = fill_between(traced, self.geometry, first=first, last=last)
        return self._propose(lesion, proposed)

    def propose(self, contours: Sequence[Contour], *, lesion_id: str | None = None) -> tuple[str, ...]:
        """Propose outlines from elsewhere, for instance the baseline's; they replace proposals there.

        Returns
        -------
        tuple of str
            Their ids.
        """
        return self._propose(self._open_lesion(lesion_id), contours)

    def accept(self, slice_index: int | None = None, *, lesion_id: str | None = None) -> tuple[str, ...]:
        """Confirm the proposed outlines of a lesion, on one slice or all, and return their ids."""
        lesion = self._open_lesion(lesion_id)
        found = self.proposed_contours(lesion.id, slice_index)
        for index in {c.slice_index for c in found}:
            self._check_unpainted(lesion, index)
        if found:
            self._do(
                "accept",
                [Replacement(before=c, after=replace(c, status="confirmed")) for c in found]
                + self._no_longer_absent(lesion),
            )
        return tuple(contour.id for contour in found)

    def reject(self, slice_index: int | None = None, *, lesion_id: str | None = None) -> tuple[str, ...]:
        """Delete the proposed outlines of a lesion, on one slice or all, and return their ids."""
        lesion = self._open_lesion(lesion_id)
        found = self.proposed_contours(lesion.id, slice_index)
        if found:
            self._do("reject", [Replacement(before=c, after=None) for c in found])
        return tuple(contour.id for contour in found)

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
        shape = (self.geometry.rows, self.geometry.columns)
        stroke = runs_from_pixels(pixels, shape)
        lesion = self._open_lesion(lesion_id)
        held, removed = self._paintable(lesion, slice_index, convert=convert)
        self._put_paint(lesion, slice_index, combine_runs(held, stroke, erase=erase), removed, erase=erase)

    def set_painted(
        self,
        slice_index: int,
        inside: NDArray[np.bool_],
        *,
        lesion_id: str | None = None,
        convert: bool = False,
    ) -> None:
        """Make the painted pixels of a lesion on a slice those of an image (rows, columns). As `paint`."""
        lesion = self._open_lesion(lesion_id)
        _, removed = self._paintable(lesion, slice_index, convert=convert)
        self._put_paint(lesion, slice_index, runs_from_image(inside), removed, erase=False)

    def painted_image(self, slice_index: int, *, lesion_id: str | None = None) -> NDArray[np.bool_]:
        """Return the painted pixels of a lesion on a slice, (rows, columns)."""
        painted = self.state.painted.get((self._lesion(lesion_id).id, slice_index))
        runs = NO_RUNS if painted is None else painted.runs
        return image_from_runs(runs, (self.geometry.rows, self.geometry.columns))

    def outline_paint(self, slice_index: int, *, lesion_id: str | None = None) -> tuple[str, ...]:
        """Turn the paint of a slice into outlines along the pixel edges, of exactly the same area.

        Returns
        -------
        tuple of str
            Ids of the outlines.
        """
        lesion = self._open_lesion(lesion_id)
        painted = self.state.painted.get((lesion.id, slice_index))
        if painted is None:
            return ()
        added = self._new_contours(lesion.id, outlines_of_paint(painted), "confirmed")
        changes = [Replacement(before=painted, after=None)]
        self._do("outline-paint", changes + [Replacement(before=None, after=c) for c in added])
        return tuple(contour.id for contour in added)

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
        target = self._event(self.state.undo_numbers[-1])
        changes = [change.reversed() for change in target.replacements]
        return self._repeat("undo", target, changes)

    def redo(self) -> Event | None:
        """Do again what was last taken back. As `undo`."""
        if not self.can_redo:
            return None
        target = self._event(self.state.redo_numbers[-1])
        return self._repeat("redo", target, list(target.replacements))

    def signing_check(self, lesion_id: str | None = None) -> SigningCheck:
        """Return what keeps a lesion from being signed, and what the reader should acknowledge first."""
        lesion = self._lesion(lesion_id)
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
        lesion = self._open_lesion(lesion_id)
        errors = self.signing_check(lesion.id).errors
        if errors:
            first = errors[0]
            raise TraceError(
                first.code,
                first.text[:1].lower() + first.text[1:].rstrip("."),
                values={"lesion": lesion.name},
                todo="Correct it, then sign.",
            )
        signed = replace(lesion, signed_time=self._clock())
        said = " ".join(acknowledged)
        self._do("sign", [Replacement(before=lesion, after=signed)], reason=said and f"acknowledged: {said}")

    def reopen(self, reason: str, lesion_id: str | None = None) -> None:
        """Open a signed lesion again; what is saved next is a new version that names its parent and why.

        Raises
        ------
        UsageError
            ``usage``: no reason is given, or the lesion is not signed.
        """
        lesion = self._lesion(lesion_id)
        if not reason.strip() or not lesion.is_signed:
            raise UsageError(
                "usage",
                "a lesion is opened again without a reason" if lesion.is_signed else "it is not signed",
                values={"lesion": lesion.name},
                todo="Give a reason." if lesion.is_signed else "Go on tracing.",
            )
        opened = replace(lesion, signed_time="", reason=reason.strip())
        self._do("reopen", [Replacement(before=lesion, after=opened)], reason=reason.strip())

    # -- looking ----------------------------------------------------------------------------------------

    def confirmed_contours(self, lesion_id: str, slice_index: int) -> tuple[Contour, ...]:
        """Return what counts of a lesion on a slice: confirmed outlines and holes, or the edges of paint."""
        painted = self.state.painted.get((lesion_id, slice_index))
        if painted is not None:
            return outlines_of_paint(painted)
        found = self.state.contours_on(lesion_id, slice_index, status="confirmed")
        return tuple(c.contour for c in found)

    def proposed_contours(self, lesion_id: str, slice_index: int | None = None) -> tuple[TracedContour, ...]:
        """Return the proposed outlines of a lesion, of one slice or all."""
        slices = self.state.slices_of(lesion_id, status="proposed") if slice_index is None else (slice_index,)
        return tuple(c for i in slices for c in self.state.contours_on(lesion_id, i, status="proposed"))

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
            self._lesion(lesion_id),
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
        lesion = self._lesion(lesion_id)
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
            colour = held.colour if held else _free_colour(colours)
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

    def _event(self, number: int) -> Event:
        return self.events[number - self.start.number - 1]

    def _repeat(self, action: Action, target: Event, changes: Sequence[Replacement]) -> Event:
        for change in changes:
            held = self.state.lesions.get(change.lesion_id)
            if held is not None and held.is_signed:
                raise _signed(held)
        event = self._do(action, [self._as_it_is(change) for change in changes], target=target.number)
        if self.current_lesion not in self.state.lesions:
            self.current_lesion = next(iter(self.state.lesions), "")
        return event

    def _as_it_is(self, change: Replacement) -> Replacement:
        """A change of a lesion's record that leaves alone what signing has changed since."""
        held = self.state.lesions.get(change.lesion_id)
        if held is None or not isinstance(change.before, TracedLesion):
            return change
        if not isinstance(change.after, TracedLesion):
            return Replacement(before=held, after=change.after)
        after = replace(change.after, signed_time=held.signed_time, reason=held.reason, read=held.read)
        return Replacement(before=held, after=after)

    # -- small helpers ----------------------------------------------------------------------------------

    def _lesion(self, lesion_id: str | None) -> TracedLesion:
        wanted = self.current_lesion if lesion_id is None else lesion_id
        lesion = self.state.lesions.get(wanted)
        if lesion is None:
            raise UsageError(
                "usage", "there is no such lesion", values={"lesion": wanted}, todo="Add a lesion first."
            )
        return lesion

    def _open_lesion(self, lesion_id: str | None) -> TracedLesion:
        lesion = self._lesion(lesion_id)
        if lesion.is_signed:
            raise _signed(lesion)
        return lesion

    def _contour(self, contour_id: str) -> TracedContour:
        held = self.state.contours.get(contour_id)
        if held is None:
            raise UsageError(
                "usage", "there is no such outline", values={"outline": contour_id}, todo="Choose another."
            )
        return held

    def _check_slice(self, slice_index: int) -> None:
        if not 0 <= slice_index < self.geometry.n_slices:
            raise UsageError(
                "usage",
                "there is no such slice",
                values={"slice_index": slice_index, "n_slices": self.geometry.n_slices},
                todo="Choose a slice of the scan.",
            )

    def _check_name(self, name: str, side: str, own_id: str = "") -> None:
        taken = any(x.name == name and x.id != own_id for x in self.state.lesions.values())
        if taken or not name.strip() or name != name.strip() or not name.isprintable():
            raise UsageError(
                "usage",
                "there is a lesion of that name" if taken else "a lesion needs a name",
                values={"name": name},
                todo="Name it like L2.",
            )
        if side not in ("", "L", "R"):
            raise UsageError(
                "usage", "a side is neither L nor R", values={"side": side}, todo="Write L or R."
            )

    def _check_unpainted(self, lesion: TracedLesion, slice_index: int) -> None:
        if (lesion.id, slice_index) in self.state.painted:
            raise TraceError(
                "ambiguous-overlap",
                "the slice is painted, and an outline over paint has no one area",
                values={"lesion": lesion.name, "slice_index": slice_index},
                todo="Turn the paint into an outline first, or clear the slice.",
            )

    def _pieces(self, lesion_id: str) -> list[TracedContour | PaintedSlice]:
        contours = [c for c in self.state.contours.values() if c.lesion_id == lesion_id]
        return [*contours, *(p for p in self.state.painted.values() if p.lesion_id == lesion_id)]

    def _new_contours(
        self, lesion_id: str, contours: Iterable[Contour], status: Status
    ) -> list[TracedContour]:
        first = self.state.next_id
        return [
            TracedContour(id=f"c{number}", lesion_id=lesion_id, contour=contour, status=status)
            for number, contour in enumerate(contours, first)
        ]

    def _no_longer_absent(self, lesion: TracedLesion) -> list[Replacement]:
        return (
            [Replacement(before=lesion, after=replace(lesion, is_absent=False))] if lesion.is_absent else []
        )

    def _propose(self, lesion: TracedLesion, contours: Sequence[Contour]) -> tuple[str, ...]:
        for contour in contours:
            self._check_slice(contour.slice_index)
        added = self._new_contours(lesion.id, contours, "proposed")
        replaced = [
            c for index in {c.slice_index for c in contours} for c in self.proposed_contours(lesion.id, index)
        ]
        if added:
            changes = [Replacement(before=c, after=None) for c in replaced]
            self._do("propose", changes + [Replacement(before=None, after=c) for c in added])
        return tuple(contour.id for contour in added)

    def _paintable(
        self, lesion: TracedLesion, slice_index: int, *, convert: bool
    ) -> tuple[Runs, tuple[TracedContour, ...]]:
        """The pixels of a slice to paint on, and the outlines they stand for."""
        self._check_slice(slice_index)
        painted = self.state.painted.get((lesion.id, slice_index))
        outlines = self.state.contours_on(lesion.id, slice_index, status="confirmed")
        if not outlines:
            return (NO_RUNS if painted is None else painted.runs), ()
        shape = (self.geometry.rows, self.geometry.columns)
        runs = runs_from_image(fill_contours([c.contour for c in outlines], shape))
        if not convert and not follows_pixels(outlines, runs):
            raise TraceError(
                "ambiguous-overlap",
                "the slice has outlines, and paint over an outline has no one area",
                values={"lesion": lesion.name, "slice_index": slice_index},
                todo="Turn the outlines into paint first, or clear the slice.",
            )
        return runs, outlines

    def _put_paint(
        self,
        lesion: TracedLesion,
        slice_index: int,
        runs: Runs,
        removed: Sequence[TracedContour],
        *,
        erase: bool,
    ) -> None:
        before = self.state.painted.get((lesion.id, slice_index))
        after = PaintedSlice(lesion_id=lesion.id, slice_index=slice_index, runs=runs) if len(runs) else None
        changes = [Replacement(before=contour, after=None) for contour in removed]
        if before != after:
            changes.append(Replacement(before=before, after=after))
        if changes:
            self._do("erase" if erase else "paint", changes + self._no_longer_absent(lesion))


def _signed(lesion: TracedLesion) -> TraceError:
    return TraceError(
        "signed",
        "the lesion is signed",
        values={"lesion": lesion.name},
        todo="Open it again with a reason; that makes a new version.",
    )


def _free_colour(used: set[int]) -> int:
    return next(index for index in range(len(used) + 1) if index not in used)
