"""What is drawn in a session: outlines, proposed outlines, paint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volumetry.contours.contour import Contour
from volumetry.geometry import ScanGeometry
from volumetry.tracing.session import outline_edits, paint_edits
from volumetry.tracing.session.edit import confirmed_contours, lesion_of, proposed_contours
from volumetry.tracing.session.event_log import EventLog, EventSink, now
from volumetry.tracing.session.events import Event
from volumetry.tracing.session.pixels import (
    NO_RUNS,
    image_from_runs,
    runs_from_image,
    runs_from_pixels,
)
from volumetry.tracing.session.records import Status, TracedContour
from volumetry.tracing.session.state import TracingState


class DrawnSlices(EventLog):
    """The slices of one scan, with what is drawn on them.

    Parameters
    ----------
    geometry : ScanGeometry
    reader, start, events, journal, clock
        As of `EventLog`.
    """

    def __init__(
        self,
        *,
        geometry: ScanGeometry,
        reader: str,
        start: TracingState | None = None,
        events: Iterable[Event] = (),
        journal: EventSink | None = None,
        clock: Callable[[], str] = now,
    ) -> None:
        super().__init__(reader=reader, start=start, events=events, journal=journal, clock=clock)
        self.geometry = geometry

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

        Proposed outlines that it overlaps are answered by it, and go.

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
        """Copy the confirmed outlines of a lesion to another slice, beside what is confirmed there.

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
        """Confirm the proposed outlines of a lesion, on one slice or all, and return their ids.

        Of all slices, those are passed over where the slice is painted, or an outline lies under the
        proposal.

        Raises
        ------
        TraceError
            ``ambiguous-overlap``: that is so of every slice that was asked for.
        """
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

    # -- looking ----------------------------------------------------------------------------------------

    def confirmed_contours(self, lesion_id: str, slice_index: int) -> tuple[Contour, ...]:
        """Return what counts of a lesion on a slice: confirmed outlines and holes, or the edges of paint."""
        return confirmed_contours(self.state, lesion_id, slice_index)

    def proposed_contours(self, lesion_id: str, slice_index: int | None = None) -> tuple[TracedContour, ...]:
        """Return the proposed outlines of a lesion, of one slice or all."""
        return proposed_contours(self.state, lesion_id, slice_index)
