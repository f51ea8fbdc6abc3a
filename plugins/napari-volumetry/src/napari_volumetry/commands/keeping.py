"""Keeping what is drawn: saving, signing, other folders, files to and from other programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from napari_volumetry.commands.command import command
from napari_volumetry.commands.outline_files import read_outlines
from napari_volumetry.commands.picture_commands import PictureCommands
from napari_volumetry.commands.window_words import refused_file
from napari_volumetry.keys import key_of
from volumetry import VolumetryError, read_trace
from volumetry.tracing import CasePlace, SavedTrace, TracingCase, TracingSession, printable

if TYPE_CHECKING:
    from volumetry.export import ExportFormat

NO_EXPORT = "What other programs read names the patient: a blinded case is not exported."
LONGEST_NAME = 20
"""Characters of a lesion's name in the state of the case, which stands on one line."""


def _clock(time: str) -> str:
    """Hour and minute of an ISO time, here."""
    return datetime.fromisoformat(time).astimezone().strftime("%H:%M") if time else ""


def _steps(number: int) -> str:
    return "1 step" if number == 1 else f"{number} steps"


def _slices(number: int) -> str:
    return "1 slice" if number == 1 else f"{number} slices"


class KeptCase(PictureCommands):
    """The case in view, and what is on the disk of it."""

    _may_lose = False
    """Whether the reader said that steps which cannot be written may be lost."""

    def save(self) -> bool:
        """Save what is traced; return whether it is on the disk."""
        if self.case is None:
            return False
        case = self.case
        try:
            saved = case.save()
        except VolumetryError as error:
            if error.code == "locked" and case.holder is not None:
                self.tell(error)
                if case.was_read_only:
                    self.tell_held(case.holder)
                else:
                    self.tell_taken_over()
            elif error.code not in ("read-only", "disk-full"):
                self.tell(error)
            else:
                self._ask_place(error, self._move_and_save)
            return False
        case.wait(timeout_s=1.0)
        if not case.n_unkept:
            self._place_is_found()
        if saved:
            self.saved_time = datetime.now().strftime("%H:%M")
        self.update_view()
        self.message_shown.emit(self._said_of_saving(saved), any(trace.is_conflict for trace in saved))
        self.refresh_worklist()
        return True

    def _said_of_saving(self, saved: tuple[SavedTrace, ...]) -> str:
        if not saved:
            return "There is nothing traced to save."
        theirs = [trace.path.name for trace in saved if trace.is_conflict and trace.is_deleted]
        if theirs:
            return f"Somebody else changed what you deleted meanwhile. It stays: {', '.join(theirs)}."
        conflicts = [trace.path.name for trace in saved if trace.is_conflict]
        if conflicts and self.case is not None and self.case.is_read_only:
            return f"This case was taken over. What you drew lies beside it: {', '.join(conflicts)}."
        if conflicts:
            return f"Somebody else saved this lesion meanwhile. Yours lies beside it: {', '.join(conflicts)}."
        written = ", ".join(trace.path.name for trace in saved if not trace.is_deleted)
        gone = ", ".join(trace.path.name for trace in saved if trace.is_deleted)
        return " ".join(
            part
            for part in (
                f"Saved: {written}." if written else "",
                f"Deleted: {gone}. It is kept in .volumetry/versions, and counts no more." if gone else "",
            )
            if part
        )

    @command
    def sign(self, session: TracingSession, acknowledged: Iterable[str] = ()) -> None:
        """Sign the current lesion, which locks it, and save it; the warnings named are acknowledged."""
        if self.case is not None and not self.case.is_read_only and not self.case.heartbeat():
            self.tell_taken_over()
        session.sign(acknowledged=acknowledged)
        if self.save():
            self.message_shown.emit(f"{self.state_words}.", False)

    @property
    def unsaved_names(self) -> tuple[str, ...]:
        """Names of the lesions that differ from what is on the disk; those that were deleted say so."""
        if self.session is None:
            return ()
        state = self.session.state
        changed = (state.lesions[found].name for found in state.unsaved_lesions)
        return (*changed, *(f"{name} deleted".strip() for name in state.deleted_lesions.values()))

    @property
    def state_words(self) -> str:
        """The state of the current lesion in words: unsaved, saved, signed."""
        session = self.session
        if session is None:
            return "No case is open"
        if session.is_read_only:
            return "Read-only"
        lesion = session.state.lesions.get(session.current_lesion)
        unsaved = self.unsaved_names
        if lesion is not None and lesion.is_signed and lesion.id not in session.state.unsaved_lesions:
            return f"Signed by {session.reader}, {_clock(lesion.signed_time)}"
        if unsaved:
            one = printable(unsaved[0], longest=LONGEST_NAME)
            return f"Unsaved: {one if len(unsaved) == 1 else f'{len(unsaved)} lesions'}"
        if lesion is None or (session.state.is_empty(lesion.id) and not lesion.is_judged):
            return "Nothing traced yet"
        return f"Saved {self.saved_time}".strip()

    @command
    def reopen(self, session: TracingSession, reason: str) -> None:
        """Open a signed lesion again, with a reason."""
        session.reopen(reason)

    def export(self, path: Path | str, as_: ExportFormat) -> None:
        """Save, and write all lesions that are saved in a format of other programs."""
        if self.case is None or self.scene is None:
            self.say("Open a case first.", False)
        elif self.is_blinded:
            self.say(NO_EXPORT, True)
        elif self.save():
            with self._telling():
                self._export(self.case, Path(path), as_)

    def _export(self, case: TracingCase, path: Path, as_: ExportFormat) -> None:
        from volumetry.export import TracedFile, export_traced

        traces = tuple(read_trace(saved.path) for saved in case.save())
        if not traces:
            return
        traced = TracedFile(path=case.place.folder, traces=traces)
        done = export_traced(traced, path, as_, scan=self.scan_path, rule=case.session.rule)
        names = ", ".join(written.name for written in done.paths)
        self.say(" ".join((f"Exported: {names}.", *done.notes)), False)

    @command
    def load_outlines(self, session: TracingSession, path: Path | str) -> None:
        """Take the outlines of a trace, an RTSTRUCT or a mask over, as lesions to go on with."""
        assert self.scene is not None
        taken = {lesion.name for lesion in session.state.lesions.values()}
        try:
            found = read_outlines(Path(path), self.scene.scan, reader=self.reader, taken=taken)
        except VolumetryError as error:
            name = "This file" if self.is_blinded else printable(Path(path).name)
            self.tell_shortly(refused_file(error, name), error)
            return
        loaded = session.load_traces(found, action="load", are_saved=False)
        if not loaded:
            self.say("There is no outline in this file.", False)
            return
        self.drop_for("the lesion changed")
        session.current_lesion = loaded[0]
        self.go_to_lesion()
        names = ", ".join(
            f"{session.state.lesions[i].name} ({_slices(len(session.state.slices_of(i)))})" for i in loaded
        )
        self.say(f"Loaded: {names}. {key_of('undo')} takes it back.", False)

    def _move_and_save(self, place: CasePlace) -> None:
        with self._telling():
            if self.case is not None:
                self.case.move_to(place)
                self._said_error = ""
                self.save()

    def update_view(self, *, redraw_now: bool = False) -> None:
        """Numbers at once; the picture after them; and what the disk refused, once."""
        super().update_view(redraw_now=redraw_now)
        error = None if self.case is None else self.case.error
        if error is not None and error.code != self._said_error:
            self._said_error = error.code
            self._ask_place(error, self._move_and_save)
        elif error is None and self._said_error:
            # The disk takes everything again.
            self._said_error = ""
            self.decision_over.emit()

    def may_leave(self, go_on: Callable[[], object]) -> bool:  # noqa: D102
        case = self.case
        if case is None or self._may_lose:
            return True
        case.wait(timeout_s=2.0)
        if not case.n_unkept:
            return True

        def elsewhere(chosen: CasePlace) -> None:
            self._move_and_save(chosen)
            if self.case is not None and not self.case.n_unkept:
                go_on()

        def lose() -> None:
            self._may_lose = True
            try:
                go_on()
            finally:
                self._may_lose = False

        self.decision_needed.emit(
            self.said_of_unkept(),
            (
                ("Choose another folder...", elsewhere),
                (f"Lose {_steps(case.n_unkept)}", lose),
                ("Stay", lambda: None),
            ),
        )
        return False

    def wait(self) -> None:
        """Wait until what is drawn is on the disk, or cannot be written."""
        if self.case is not None:
            self.case.wait(timeout_s=2.0)

    def said_of_unkept(self) -> str:
        """What would be lost if the case were left now; empty where nothing would."""
        if self.case is None or not self.case.n_unkept:
            return ""
        error = self.case.error
        why = "" if error is None or error.code != "disk-full" else " The disk is full."
        steps = "step" if self.case.n_unkept == 1 else f"{self.case.n_unkept} steps"
        return f"The last {steps} of {self.name} cannot be written to the disk, and would be lost.{why}"
