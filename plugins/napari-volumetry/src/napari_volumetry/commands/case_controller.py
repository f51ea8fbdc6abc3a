"""The open case: opening and closing it, the worklist it is of, and who else has it open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from napari.components import ViewerModel
from qtpy.QtCore import QTimer

from napari_volumetry.commands.case_view import CaseView
from napari_volumetry.commands.command import command
from napari_volumetry.commands.wanted_case import WantedCase
from napari_volumetry.picture.scene import Scene
from volumetry import MeasurementRule, Scan, VolumetryError, read_scan
from volumetry.tracing import (
    CasePlace,
    LockHolder,
    TracingCase,
    TracingSession,
    open_case,
    place_for,
    read_worklist,
    scan_title,
)

HEARTBEAT_MS = 30_000
TITLE = "Volumetry tracer"
"""Of the window, where no case is open."""


def _age(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _steps(number: int) -> str:
    return "step is" if number == 1 else f"{number} steps are"


class CaseController(CaseView):
    """The case in view, and the worklist it is of; signals are those of `CaseView`."""

    def __init__(self, viewer: ViewerModel, *, reader: str = "", place: Path | None = None) -> None:
        super().__init__(viewer)
        self.reader = reader
        self.place = place
        self.study: Path | None = None
        self.number: int | None = None
        self.name = ""
        self.saved_time = ""
        self._wanted: WantedCase | None = None
        self._said_error = ""
        self.opening = 0
        self.unreadable: dict[int, str] = {}
        """Numbers of scans of the worklist that could not be opened, and why."""
        self.was_dropped = False
        """Whether something half drawn was dropped when the last case was closed."""
        self._left_here: set[tuple[Path, str, str]] = set()
        """Scans, with their reader, that were left in this window: no session ended there by itself."""
        self._heart = QTimer(self)
        self._heart.setInterval(HEARTBEAT_MS)
        self._heart.timeout.connect(self._beat)
        self._fit = QTimer(self)
        self._fit.setSingleShot(True)
        self._fit.timeout.connect(self.fit)

    @property
    def scan_path(self) -> Path | None:
        """Where the scan in view lies."""
        return None if self.case is None or self._wanted is None else self._wanted.path

    @property
    def single_path(self) -> Path | None:
        """Where the scan in view lies, if it was opened without a study."""
        if self.case is None or self._wanted is None or self.worklist is not None:
            return None
        return self._wanted.path

    # -- opening -----------------------------------------------------------------------------------------

    def open_study(self, study: Path | str) -> bool:
        """Read the worklist of a study folder; return whether it could be read."""
        if not self.may_leave(partial(self.open_study, study)):
            return False
        try:
            worklist = read_worklist(study, reader=self.reader, place=self.place)
        except VolumetryError as error:
            self.tell(error)
            return False
        self.close_case()
        self.worklist, self.study, self.unreadable = worklist, Path(study), {}
        self.viewer.title = TITLE
        self.worklist_read.emit()
        return True

    def refresh_worklist(self) -> None:
        """Read the states of the cases again."""
        if self.study is not None:
            with self._telling():
                # What the folder holds is known: only what is traced is looked at again.
                self.worklist = read_worklist(
                    self.study, reader=self.reader, place=self.place, known=self.worklist
                )
                self.worklist_read.emit()

    def open_row(self, number: int, *, is_step: bool = False) -> bool:
        """Open a scan of the worklist by its number; return whether it is open (see `open_wanted`)."""
        worklist = self.worklist
        if worklist is None:
            return False
        row = next(row for row in worklist.rows if row.number == number)
        if worklist.choices(number):
            self._look_at_series(number, 0)
            return False
        wanted = WantedCase(
            path=worklist.scan_path(number),
            series_uid=worklist.series_uid(number),
            place=worklist.place(number),
            name=row.name,
            number=number,
        )
        return self.open_wanted(wanted, is_step=is_step)

    def open_wanted(self, wanted: WantedCase, *, take_over: bool = False, is_step: bool = False) -> bool:
        """Open a case; return whether it is open.

        Where it cannot be read, none is open: the next stroke must not go to the case before. A step (to the
        next case) leaves the case before as it is then, and goes on.
        """
        if not self.may_leave(partial(self.open_wanted, wanted, take_over=take_over)):
            return False
        try:
            scan = read_scan(wanted.path, series_uid=wanted.series_uid or None)
            return self._open(scan, wanted, take_over=take_over)
        except VolumetryError as error:
            if wanted.number is not None:
                self.unreadable[wanted.number] = self._text_of(error)
            if is_step:
                return False
            self.close_case()
            self.number = wanted.number
            self.worklist_read.emit()  # the row says so
            self.message_shown.emit(f"{wanted.name} cannot be opened. {self._text_of(error)}", True)
            return False

    def _look_at_series(self, number: int, choice: int) -> None:
        """Show one of several series of a visit, and ask which of them is read; it is asked once for all."""
        worklist = self.worklist
        if worklist is None or not self.may_leave(partial(self._look_at_series, number, choice)):
            return
        name = next(row.name for row in worklist.rows if row.number == number)
        path, uid = worklist.choice_path(number, choice)
        wanted = WantedCase(
            path=path,
            series_uid=uid,
            place=worklist.place(number),
            name=f"{name}, series {choice + 1}",
            number=number,
            only_look=True,
            is_own=False,
        )
        is_shown = self.open_wanted(wanted)
        self.unreadable.pop(number, None)  # another of its series may well be read
        facts = worklist.choices(number)
        said = f"Series {choice + 1} of {len(facts)} of {name} cannot be opened."
        if is_shown:
            said = f"Series {choice + 1} of {len(facts)} of {name} is shown: {facts[choice]}."
        self.decision_needed.emit(
            f"{said} Which one is read? The answer holds for all readers, and cannot be changed here.",
            (
                *((("Read this one", partial(self._choose_series, number, choice)),) if is_shown else ()),
                *(
                    (f"Look at series {n + 1}", partial(self._look_at_series, number, n))
                    for n in range(len(facts))
                    if n != choice
                ),
                ("Not now", self._leave_series),
            ),
        )

    def _choose_series(self, number: int, choice: int) -> None:
        with self._telling():
            if self.worklist is not None and not self.worklist.choose(number, choice):
                self.message_shown.emit("Somebody else has chosen the series meanwhile.", False)
            self.refresh_worklist()
            self.open_row(number)

    def _leave_series(self) -> None:
        self.close_case()
        self.refresh_worklist()

    def open_series(
        self, path: Path | str, *, place: CasePlace | None = None, take_over: bool = False
    ) -> bool:
        """Open one scan without a study; return whether it is open."""
        path = Path(path)
        where = place or place_for(path, place=self.place)
        if not self.may_leave(partial(self.open_series, path, place=place, take_over=take_over)):
            return False
        try:
            scan = read_scan(path)
            self.worklist = self.study = None
            self.worklist_read.emit()
            wanted = WantedCase(path=path, place=where, name=scan_title(scan, path))
            return self._open(scan, wanted, take_over=take_over)
        except VolumetryError as error:
            self.tell(error)
            return False

    def _open(self, scan: Scan, wanted: WantedCase, *, take_over: bool) -> bool:
        held = self._release()
        try:
            case = self._case(scan, wanted, take_over=take_over)
            if case.holder is not None and case.holder.is_gone:
                # The process that had it open is no more: nobody is disturbed.
                case.close()
                case = self._case(scan, wanted, take_over=True)
        except VolumetryError as error:
            if held is not None:
                held.close()
            if error.code not in ("read-only", "disk-full"):
                raise
            self._ask_place(
                error,
                lambda chosen: self._open(scan, replace(wanted, place=chosen), take_over=take_over),
                ("Only look", lambda: self._open(scan, replace(wanted, only_look=True), take_over=False)),
            )
            return False
        name = wanted.name
        self.case, self.name, self.number, self._wanted = case, name, wanted.number, wanted
        self.opening += 1
        if wanted.number is not None:
            self.unreadable.pop(wanted.number, None)
        self.scene = Scene(self.viewer, self.canvas, scan, name=name, on_undone=self._say_undone, held=held)
        self.viewer.title = f"{name} — {TITLE}"
        self._said_error = ""
        self.begin_drawing(self.scene)
        self.go_to_lesion()
        self._heart.start()
        self.case_opened.emit()
        self.update_view(redraw_now=True)
        # Only now is the panel as wide, and the picture as narrow, as they will be.
        self._fit.start(0)
        self._say_what_was_found(case, is_taken=take_over)
        if self.was_dropped:
            self.message_shown.emit(f"What was half drawn was dropped. Now open: {name}.", True)
        self.was_dropped = False
        return True

    def _say_undone(self, text: str) -> None:
        self.message_shown.emit(text, True)

    def _case(self, scan: Scan, wanted: WantedCase, *, take_over: bool) -> TracingCase:
        protocol = None if self.worklist is None else self.worklist.protocol
        return open_case(
            scan,
            wanted.place,
            reader=self.reader if wanted.is_own else "",
            rule=protocol.measurement if protocol else MeasurementRule(),
            change_rule=protocol.change if protocol else None,
            protocol=protocol.name if protocol else "",
            readers=protocol.reading.readers if protocol and not wanted.any_reader else (),
            take_over=take_over,
            only_look=wanted.only_look or not self.reader,
        )

    def _say_what_was_found(self, case: TracingCase, *, is_taken: bool) -> None:
        for problem in case.problems:
            self.tell(problem)
        if case.holder is not None:
            self.tell_held(case.holder)
        elif not self.reader:
            self.message_shown.emit(
                "Write your initials at the top first; until then nothing can be drawn.", True
            )
        elif case.unsaved_events and self._this_scan() in self._left_here:
            self.message_shown.emit(
                f"Not saved yet: the last {_steps(case.unsaved_events)} as you left them.", False
            )
        elif case.unsaved_events:
            ended = "The session that was taken over has not saved" if is_taken else "An earlier session "
            text = (
                f"{ended}{'' if is_taken else 'ended without saving'}. Its last "
                f"{_steps(case.unsaved_events)} here, and can be undone."
            )
            self.ask_until_edit(
                text, (("Go on", lambda: None), ("Back to what was saved", self.discard_unsaved))
            )

    def tell_held(self, holder: LockHolder) -> None:
        """Say who has the case open, and offer to take it over."""
        who = (
            "The file that says who has this case open is damaged. Take over if it is open nowhere else."
            if holder.is_damaged
            else f"{holder.reader or 'Somebody'} has this case open on {holder.host}, last active "
            f"{_age(holder.heartbeat_age_s)} ago."
        )
        text = f"{who} It is open read-only here: nothing can be drawn."
        self.decision_needed.emit(text, (("Only look", lambda: None), ("Take over", self._take_over)))

    @property
    def has_unsaved(self) -> bool:
        """Whether something is traced that is not saved."""
        session = self.session
        return session is not None and not session.is_read_only and session.state.has_unsaved

    def _this_scan(self) -> tuple[Path, str, str]:
        assert self._wanted is not None
        return (self._wanted.path, self._wanted.series_uid, self.reader)

    def _take_over(self) -> None:
        if self._wanted is not None:
            self.open_wanted(self._wanted, take_over=True)

    def close_case(self) -> None:
        """Close the case in view; what is drawn and not saved stays in its journal."""
        scene = self._release()
        if scene is not None:
            scene.close()
            self.viewer.title = TITLE

    def _release(self) -> Scene | None:
        """Close the case but leave its layers, for the next to go on with."""
        self._heart.stop()
        self.end_drawing()
        case, scene = self.case, self.scene
        if case is not None and self._wanted is not None:
            self._left_here.add(self._this_scan())
        self.case = self.scene = self.readout = self.number = None
        self._slice_shown = -1
        self.saved_time = ""
        if case is not None:
            case.close()
        if case is not None:
            self.case_closed.emit()
            self.drawn.emit()
        return scene

    @command
    def discard_unsaved(self, _session: TracingSession) -> None:
        """Go back to what was last saved."""
        if self.case is not None:
            self.case.discard_unsaved()

    # -- what a tracer adds ------------------------------------------------------------------------------

    def begin_drawing(self, scene: Scene) -> None:
        """Take the mouse: called when a case has been opened."""

    def end_drawing(self) -> None:
        """Let go of the mouse: called before a case is closed."""

    def may_leave(self, go_on: Callable[[], object]) -> bool:  # noqa: ARG002
        """Return whether the case in view can be left; else ask, and do `go_on` after the answer."""
        return True

    def drop_for(self, why: str) -> None:
        """Drop what is half drawn, and say why."""

    def _beat(self) -> None:
        if self.case is not None and not self.case.is_read_only and not self.case.heartbeat():
            self.tell_taken_over()
            self.update_view()

    def tell_taken_over(self) -> None:
        """Say that another window has the case now, and offer to take it back."""
        if self.case is None:
            return
        there = (
            "What you drew is there, too."
            if self.case.is_with_owner
            else "What you drew last is not there: Save puts it beside."
        )
        text = (
            f"This case was taken over: it is open in another window. Nothing more can be drawn here. {there}"
        )
        self.decision_needed.emit(text, (("Only look", lambda: None), ("Take over", self._take_over)))
