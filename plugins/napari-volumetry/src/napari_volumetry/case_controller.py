"""The open case: opening and closing it, keeping what is drawn, saying what goes wrong.

It decides nothing about outlines, volumes or files; `volumetry.tracing` does. Whatever goes wrong is said in
the panel, by name, and the tracing goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ParamSpec, TypeVar
from weakref import ref

import numpy as np
from napari.components import ViewerModel
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QWidget

from napari_volumetry.canvas_input import canvas_of
from napari_volumetry.command import command
from napari_volumetry.scene import Scene
from volumetry import LesionVolume, MeasurementRule, Scan, VolumetryError, read_scan
from volumetry.tracing import (
    CasePlace,
    LesionReadout,
    TracingCase,
    TracingSession,
    Worklist,
    open_case,
    place_for,
    read_worklist,
    scan_title,
)

Array = NDArray[np.float64]
Given = ParamSpec("Given")
Controller = TypeVar("Controller", bound="CaseController")

HEARTBEAT_MS = 30_000


def _age(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _counted_from_1(error: VolumetryError) -> VolumetryError:
    """An error whose slice is named as the picture names it."""
    index = error.values.get("slice_index")
    if not isinstance(index, int):
        return error
    values = {("slice" if name == "slice_index" else name): value for name, value in error.values.items()}
    values["slice"] = index + 1
    return VolumetryError(error.code, error.what, where=error.where, values=values, todo=error.todo)


@dataclass(frozen=True, kw_only=True)
class WantedCase:
    """What is to be opened as a case.

    Attributes
    ----------
    path : Path
        The file or series folder of the scan.
    series_uid : str
    place : CasePlace
        Where its traces are written.
    name : str
        What to call it.
    number : int or None
        Of the worklist.
    only_look : bool
        Nothing can be drawn, and nothing is written.
    is_own : bool
        Whether the reader's own outlines are in it.
    any_reader : bool
        Whether readers whom the protocol does not name may draw.
    """

    path: Path
    place: CasePlace
    name: str
    series_uid: str = ""
    number: int | None = None
    only_look: bool = False
    is_own: bool = True
    any_reader: bool = False


class CaseController(QObject):
    """The case in view, and the worklist it is of.

    Signals
    -------
    case_opened, case_closed, worklist_read
    drawn : the state, the slice or the tool changed; look at `readout`.
    message_shown : (text, is an error) something the reader should know.
    decision_needed : (text, tuple of (button, callable)) something the reader has to decide.
    """

    case_opened = Signal()
    case_closed = Signal()
    worklist_read = Signal()
    drawn = Signal()
    message_shown = Signal(str, bool)
    decision_needed = Signal(str, object)

    def __init__(self, viewer: ViewerModel, *, reader: str = "", place: Path | None = None) -> None:
        super().__init__()
        self.viewer = viewer
        # Weak: napari's window must not outlive its closing for the tracer's sake.
        self._canvas = ref(canvas_of(viewer))
        self.reader = reader
        self.place = place
        self.study: Path | None = None
        self.worklist: Worklist | None = None
        self.number: int | None = None
        self.case: TracingCase | None = None
        self.scene: Scene | None = None
        self.readout: LesionReadout | None = None
        self.name = ""
        self.saved_time = ""
        self.baseline_of: Callable[[str], LesionVolume | None] = lambda _lesion: None
        self._wanted: WantedCase | None = None
        self._is_redraw_due = False
        self._said_error = ""
        self._slice_shown = -1
        self.opening = 0
        self._heart = QTimer(self)
        self._heart.setInterval(HEARTBEAT_MS)
        self._heart.timeout.connect(self._beat)
        viewer.dims.events.current_step.connect(self._on_step)

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

    @property
    def canvas(self) -> QWidget:
        """Napari's canvas."""
        found = self._canvas()
        assert found is not None
        return found

    # -- opening -----------------------------------------------------------------------------------------

    @property
    def is_blinded(self) -> bool:
        """Whether identity, dates or files must not be shown."""
        return self.worklist is not None and self.worklist.blinding != "none"

    @property
    def session(self) -> TracingSession | None:
        """The session of the case in view."""
        return None if self.case is None else self.case.session

    def open_study(self, study: Path | str) -> bool:
        """Read the worklist of a study folder; return whether it could be read."""
        try:
            worklist = read_worklist(study, reader=self.reader, place=self.place)
        except VolumetryError as error:
            self.tell(error)
            return False
        self.close_case()
        self.worklist, self.study = worklist, Path(study)
        self.viewer.title = "Volumetry tracer"
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

    def open_row(self, number: int, *, take_over: bool = False) -> bool:
        """Open a scan of the worklist by its number; return whether it is open."""
        worklist = self.worklist
        if worklist is None:
            return False
        row = next(row for row in worklist.rows if row.number == number)
        if worklist.choices(number):
            self._ask_series(number, row.name, worklist.choices(number))
            return False
        wanted = WantedCase(
            path=worklist.scan_path(number),
            series_uid=worklist.series_uid(number),
            place=worklist.place(number),
            name=row.name,
            number=number,
        )
        return self.open_wanted(wanted, take_over=take_over)

    def open_wanted(self, wanted: WantedCase, *, take_over: bool = False) -> bool:
        """Open a case; return whether it is open."""
        try:
            scan = read_scan(wanted.path, series_uid=wanted.series_uid or None)
            return self._open(scan, wanted, take_over=take_over)
        except VolumetryError as error:
            self.tell(error)
            return False

    def _ask_series(self, number: int, name: str, choices: tuple[str, ...]) -> None:
        """Ask which of several series of a visit is read; it is asked once."""

        def taking(choice: int) -> Callable[[], None]:
            def take() -> None:
                with self._telling():
                    if self.worklist is not None and not self.worklist.choose(number, choice):
                        self.message_shown.emit("Somebody else has chosen the series meanwhile.", False)
                    self.refresh_worklist()
                    self.open_row(number)

            return take

        said = "; ".join(f"series {n}: {facts}" for n, facts in enumerate(choices, 1))
        self.decision_needed.emit(
            f"Several series of {name} fit the protocol: {said}. Which one is read? The answer holds for all "
            "readers, and cannot be changed here.",
            tuple((f"Series {n}", taking(n - 1)) for n in range(1, len(choices) + 1)),
        )

    def open_series(
        self, path: Path | str, *, place: CasePlace | None = None, take_over: bool = False
    ) -> bool:
        """Open one scan without a study; return whether it is open."""
        path = Path(path)
        where = place or place_for(path, place=self.place)
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
        self.scene = Scene(self.viewer, self.canvas, scan, name=name, on_undone=self._say_undone, held=held)
        self.viewer.title = f"{name} — Volumetry tracer"
        self._said_error = ""
        self.begin_drawing(self.scene)
        self.go_to_lesion()
        self._heart.start()
        self.case_opened.emit()
        self.update_view(redraw_now=True)
        # Only now is the panel as wide, and the picture as narrow, as they will be.
        QTimer.singleShot(0, self.canvas, self.fit)
        self._say_what_was_found(case)
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

    def _say_what_was_found(self, case: TracingCase) -> None:
        for problem in case.problems:
            self.tell(problem)
        if case.holder is not None:
            who = case.holder.reader or "somebody"
            text = (
                f"{who} has this case open on {case.holder.host}, last active "
                f"{_age(case.holder.heartbeat_age_s)} ago. It opens read-only: nothing can be drawn."
            )
            self.decision_needed.emit(text, (("Only look", lambda: None), ("Take over", self._take_over)))
        elif not self.reader:
            self.message_shown.emit(
                "Write your initials at the top first; until then nothing can be drawn.", True
            )
        elif case.unsaved_events:
            text = (
                f"An earlier session ended without saving. Its last {case.unsaved_events} steps are here, "
                "and can be undone."
            )
            self.decision_needed.emit(
                text, (("Go on", lambda: None), ("Back to what was saved", self.discard_unsaved))
            )

    def _take_over(self) -> None:
        if self._wanted is not None:
            self.open_wanted(self._wanted, take_over=True)

    def close_case(self) -> None:
        """Close the case in view; what is drawn and not saved stays in its journal."""
        scene = self._release()
        if scene is not None:
            scene.close()

    def _release(self) -> Scene | None:
        """Close the case but leave its layers, for the next to go on with."""
        self._heart.stop()
        self.end_drawing()
        case, scene = self.case, self.scene
        self.case = self.scene = self.readout = self.number = None
        self._slice_shown = -1
        self.saved_time = ""
        if case is not None:
            case.close()
        if case is not None:
            self.case_closed.emit()
            self.drawn.emit()
        return scene

    def next_case(self) -> None:
        """Open the next scan of the worklist."""
        self._step_case(1)

    def previous_case(self) -> None:
        """Open the previous scan of the worklist."""
        self._step_case(-1)

    def next_untraced(self) -> None:
        """Open the next scan that has something left to trace."""
        number = None if self.worklist is None else self.worklist.next_untraced(self.number)
        if number is None:
            self.message_shown.emit("Everything on the worklist is saved or signed.", False)
            return
        self.open_row(number)
        self.refresh_worklist()

    def _step_case(self, step: int) -> None:
        numbers = list(dict.fromkeys(row.number for row in self.worklist.rows)) if self.worklist else []
        if not numbers:
            return
        here = numbers.index(self.number) + step if self.number in numbers else 0
        if not 0 <= here < len(numbers):
            self.message_shown.emit(
                "This was the last case." if step > 0 else "This is the first case.", False
            )
            return
        self.open_row(numbers[here])
        self.refresh_worklist()

    # -- slices ------------------------------------------------------------------------------------------

    @property
    def slice_index(self) -> int:
        """The slice in view."""
        return 0 if self.scene is None else self.scene.slice_index

    def go_to_slice(self, slice_index: int) -> None:
        """Bring a slice into view."""
        if self.scene is not None:
            self.scene.go_to(slice_index)

    def fit(self) -> None:
        """Fit the picture into its window."""
        if self.scene is not None and self.scene.is_open:
            self.scene.fit()

    def next_slice(self) -> None:
        """Bring the next slice into view."""
        self.go_to_slice(self.slice_index + 1)

    def previous_slice(self) -> None:
        """Bring the previous slice into view."""
        self.go_to_slice(self.slice_index - 1)

    def _on_step(self) -> None:
        # napari says so, too, when a layer grows or goes: only another slice is news.
        if self.scene is not None and self.scene.is_open and self.scene.slice_index != self._slice_shown:
            self._slice_shown = self.scene.slice_index
            self.on_slice()

    def on_slice(self) -> None:
        """Show the slice that came into view."""
        self.update_view(redraw_now=True)

    def go_to_lesion(self) -> None:
        """Bring the middle of what is traced into view, or of the scan."""
        assert self.scene is not None
        session = self.session
        traced = session.state.slices_of(session.current_lesion) if session else ()
        self.scene.go_to(traced[len(traced) // 2] if traced else self.scene.orientation.shape[0] // 2)

    @command
    def discard_unsaved(self, _session: TracingSession) -> None:
        """Go back to what was last saved."""
        if self.case is not None:
            self.case.discard_unsaved()

    def _ask_place(
        self,
        error: VolumetryError,
        go_on: Callable[[CasePlace], object],
        otherwise: tuple[str, Callable[[], object]] = ("Later", lambda: None),
    ) -> None:
        """Say that a folder cannot be written, and offer another."""
        self.tell(error)
        self.decision_needed.emit(
            f"{self._text_of(error)} Nothing is lost: what was saved is as it was.",
            (("Choose another folder...", go_on), otherwise),
        )

    # -- what a tracer adds ------------------------------------------------------------------------------

    def begin_drawing(self, scene: Scene) -> None:
        """Take the mouse: called when a case has been opened."""

    def end_drawing(self) -> None:
        """Let go of the mouse: called before a case is closed."""

    def drop_for(self, why: str) -> None:
        """Drop what is half drawn, and say why."""

    def say(self, text: str, is_error: bool) -> None:
        """Tell the reader something."""
        self.message_shown.emit(text, is_error)

    def _beat(self) -> None:
        if self.case is not None and not self.case.is_read_only and not self.case.heartbeat():
            self.message_shown.emit(
                "Somebody took this case over. What you drew until now can still be saved.", True
            )
            self.update_view()

    # -- showing -----------------------------------------------------------------------------------------

    def update_readout(self) -> None:
        """Measure what changed, and tell those who show it."""
        session = self.session
        if session is None or not session.current_lesion:
            self.readout = None
        else:
            lesion = session.state.lesions[session.current_lesion]
            worth = None if self.worklist is None else self.worklist.worth
            self.readout = session.readout(
                self.slice_index,
                baseline=self.baseline_of(lesion.name),
                reading_error=None if worth is None else worth.reading_error,
                verdict_rule=None if worth is None else worth.verdict,
            )
        self.drawn.emit()

    def update_view(self, *, redraw_now: bool = False) -> None:
        """Numbers at once; the picture after them, so that no stroke waits for it."""
        self.update_readout()
        if redraw_now:
            self._redraw()
        elif not self._is_redraw_due:
            self._is_redraw_due = True
            QTimer.singleShot(0, self._redraw)

    def _redraw(self) -> None:
        self._is_redraw_due = False
        if self.scene is not None and self.scene.is_open and self.session is not None:
            self.scene.show(self.session)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except VolumetryError as error:
            self.tell(error)

    def _text_of(self, error: VolumetryError) -> str:
        """An error in words; under blinding without the names of files."""
        text = error.what if self.is_blinded else _counted_from_1(error).message
        return text[:1].upper() + text[1:].rstrip(".") + (f". {error.todo}" if self.is_blinded else ".")

    def tell(self, error: VolumetryError) -> None:
        """Say what went wrong."""
        self.message_shown.emit(self._text_of(error), True)
