"""What is asked for of lesions and of their slices: names, sides, copies, proposals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from napari.components import ViewerModel
from numpy.typing import NDArray

from napari_volumetry.commands.command import command
from napari_volumetry.commands.keeping import KeptCase
from napari_volumetry.keys import key_of
from volumetry import Contour
from volumetry.tracing import TracedLesion, TracingSession, slice_names

Array = NDArray[np.float64]

MIDLINE_MM = 5.0
"""Nearer to the patient's middle than this, an outline does not say its side."""


class LesionCommands(KeptCase):
    """The lesions of the case in view, and the commands over their slices."""

    def __init__(self, viewer: ViewerModel, *, reader: str = "", place: Path | None = None) -> None:
        super().__init__(viewer, reader=reader, place=place)
        self._guessed: set[str] = set()
        """Lesions that were added with the side of the one before, and have nothing drawn."""
        self.case_opened.connect(self._guessed.clear)

    @property
    def lesion(self) -> TracedLesion | None:
        """The lesion that is being traced."""
        session = self.session
        return None if session is None else session.state.lesions.get(session.current_lesion)

    def choose_lesion(self, lesion_id: str) -> None:
        """Trace another lesion."""
        session = self.session
        if session is not None and lesion_id in session.state.lesions:
            if lesion_id != session.current_lesion:
                self.drop_for("the lesion changed")
            session.current_lesion = lesion_id
            self.update_view()

    def next_lesion(self) -> None:
        """Trace the next lesion."""
        session = self.session
        if session is not None and session.state.lesions:
            ids = list(session.state.lesions)
            here = ids.index(session.current_lesion) + 1 if session.current_lesion in ids else 0
            self.choose_lesion(ids[here % len(ids)])

    @command
    def new_lesion(self, session: TracingSession, side: str | None = None) -> None:
        """Add a lesion, on the side of the current one unless another is given."""
        self.drop_for("the lesion changed")
        is_guessed = side is None
        if side is None:
            side = self.lesion.side if self.lesion else ""
        added = session.add_lesion(self._free_name(side), side)
        if is_guessed:
            self._guessed.add(added)

    @command
    def begin_lesion(self, session: TracingSession, name: str, side: str) -> None:
        """Add a lesion of a name."""
        session.add_lesion(name, side)

    def _free_name(self, side: str) -> str:
        assert self.session is not None
        # Beside a "lesion_R1" the next one on the right is R2.
        names = [lesion.name for lesion in self.session.state.lesions.values()]
        taken = {name.replace("_", " ").replace("-", " ").split(" ")[-1] for name in names}
        stem = side or "lesion"
        return next(f"{stem}{n}" for n in range(1, len(taken) + 2) if f"{stem}{n}" not in taken)

    @command
    def rename_lesion(self, session: TracingSession, name: str, side: str) -> None:
        """Give the current lesion another name and side."""
        self._guessed.discard(session.current_lesion)
        session.change_lesion(session.current_lesion, name=name, side=side)

    @command
    def delete_lesion(self, session: TracingSession) -> None:
        """Delete the current lesion with all its outlines."""
        self.drop_for("the lesion was deleted")
        lesion = self.lesion
        session.delete_lesion(session.current_lesion)
        if lesion is not None:
            self.say(
                f"{lesion.name} was deleted, with all its outlines. {key_of('undo')} brings it back.", False
            )

    @command
    def mark_absent(self, session: TracingSession, is_absent: bool) -> None:
        """Say that there is no lesion, or take it back."""
        session.mark_absent(session.current_lesion, is_absent=is_absent)

    @command
    def mark_not_measurable(self, session: TracingSession, reason: str) -> None:
        """Say that the lesion cannot be measured, and why; an empty reason takes it back."""
        session.mark_not_measurable(session.current_lesion, reason)

    def _lesion_for(self, lesion_id: str, vertices: Array | None) -> str:
        """Return the lesion that is drawn.

        Where there is none, a new one on the side where it is drawn. One that was added and has nothing drawn
        takes its name and side from there, too, unless the reader has written them.
        """
        session = self.session
        assert session is not None
        lesion = session.state.lesions.get(lesion_id)
        side = self._side_of(vertices)
        if lesion is not None:
            is_settled = lesion_id not in self._guessed or not session.state.is_empty(lesion_id)
            self._guessed.discard(lesion_id)
            if is_settled or side in ("", lesion.side):
                return lesion_id
        name = self._free_name(side)
        where = {"L": "on the patient's left", "R": "on the patient's right"}.get(side, "without a side")
        self.message_shown.emit(f"New lesion {name}, {where}. Change it above if that is wrong.", False)
        if lesion is None:
            return session.add_lesion(name, side)
        session.change_lesion(lesion_id, name=name, side=side)
        return lesion_id

    def _side_of(self, vertices: Array | None) -> str:
        """The side of the patient on which something is drawn; none near the midline."""
        if vertices is None or self.session is None:
            return ""
        middle = [vertices.mean(axis=0)]
        x_mm = float(self.session.geometry.pixel_to_patient(self.slice_index, middle)[0, 0])
        return "L" if x_mm > MIDLINE_MM else "R" if x_mm < -MIDLINE_MM else ""

    # -- commands over slices ----------------------------------------------------------------------------

    def copy_to_next(self) -> None:
        """Copy the outlines of the slice in view to the next one, and go there."""
        self._copy(1)

    def copy_to_previous(self) -> None:
        """Copy the outlines of the slice in view to the previous one, and go there."""
        self._copy(-1)

    @command
    def _copy(self, session: TracingSession, step: int) -> None:
        here = self.slice_index
        if not 0 <= here + step < session.geometry.n_slices:
            self.say(f"This is the {'last' if step > 0 else 'first'} slice.", False)
            return
        if session.copy_slice(here, here + step):
            self.go_to_slice(here + step)
        else:
            self.message_shown.emit("There is nothing to copy on this slice.", False)

    @command
    def interpolate(self, session: TracingSession) -> None:
        """Propose outlines for the slices between traced ones."""
        proposed = session.propose_between()
        text = (
            "There is no slice between traced ones."
            if not proposed
            else ("Dashed outlines are proposals: look at each slice, then accept them.")
        )
        self.message_shown.emit(text, False)

    @command
    def propose(self, session: TracingSession, contours: Sequence[Contour]) -> None:
        """Propose outlines from elsewhere: the baseline's. Only accepting makes them count."""
        if not session.propose(contours):
            self.message_shown.emit("There is no outline to propose.", False)

    @command
    def accept_slice(self, session: TracingSession) -> None:
        """Accept the proposals on the slice in view."""
        session.accept(self.slice_index)

    @command
    def accept_all(self, session: TracingSession) -> None:
        """Accept all proposals of the lesion that have a place."""
        session.accept()
        left = session.state.slices_of(session.current_lesion, status="proposed")
        if left:
            self.message_shown.emit(
                f"Not accepted on {slice_names(left, session.geometry.n_slices)}: there is an outline, or "
                f"paint. {key_of('reject_slice')} throws the proposal of a slice away.",
                True,
            )

    @command
    def reject_slice(self, session: TracingSession) -> None:
        """Throw the proposals on the slice in view away."""
        session.reject(self.slice_index)

    @command
    def clear_slice(self, session: TracingSession) -> None:
        """Delete what is traced of the lesion on the slice in view."""
        session.clear_slice(self.slice_index)

    @command
    def paint_outlines(self, session: TracingSession) -> None:
        """Turn the outlines of the slice in view into paint; the area becomes the pixel count."""
        session.paint(self.slice_index, np.zeros((0, 2)), convert=True)

    @command
    def outline_paint(self, session: TracingSession) -> None:
        """Turn the paint of the slice in view into outlines of the same area."""
        session.outline_paint(self.slice_index)
