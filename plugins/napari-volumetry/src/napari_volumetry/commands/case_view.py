"""The case in view: its slices, its numbers, and what the reader is told.

It decides nothing about outlines, volumes or files; `volumetry.tracing` does. Whatever goes wrong is said in
the panel, by name, and the tracing goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from weakref import ref

from napari.components import ViewerModel
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QWidget

from napari_volumetry.commands.window_words import in_window_words, not_written
from napari_volumetry.drawing.canvas_input import canvas_of
from napari_volumetry.picture.scene import Scene
from volumetry import LesionVolume, VolumetryError
from volumetry.tracing import CasePlace, LesionReadout, TracingCase, TracingSession, Worklist, printable


class CaseView(QObject):
    """The case in view, of a worklist or without one.

    Signals
    -------
    case_opened, case_closed, reader_changed, worklist_read
    drawn : the state, the slice or the tool changed; look at `readout`.
    message_shown : (text, is an error) something the reader should know.
    explained : all that is known of what was just shown, for its tip.
    decision_needed : (text, tuple of (button, callable)) something the reader has to decide.
    decision_over : what was to be decided is so no more.
    """

    case_opened = Signal()
    reader_changed = Signal()
    case_closed = Signal()
    worklist_read = Signal()
    drawn = Signal()
    message_shown = Signal(str, bool)
    explained = Signal(str)
    decision_needed = Signal(str, object)
    decision_over = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self.viewer = viewer
        # Weak: napari's window must not outlive its closing for the tracer's sake.
        self._canvas = ref(canvas_of(viewer))
        self.worklist: Worklist | None = None
        self.case: TracingCase | None = None
        self.scene: Scene | None = None
        self.readout: LesionReadout | None = None
        self.baseline_of: Callable[[str], tuple[LesionVolume, str] | None] = lambda _lesion: None
        self._is_redraw_due = False
        self._slice_shown = -1
        self._fitted: tuple[object, ...] = ()
        """Place and zoom that `fit` chose last."""
        self._is_offering = self._is_asking_place = False
        self._offered: tuple[str, tuple[tuple[str, Callable[[], object]], ...]] | None = None
        self._asked_of: int | None = None
        """Number of the state that a question is about; it is answered by the next edit."""
        self.decision_needed.connect(self._forget_offer)
        self.drawn.connect(self._end_offer)
        viewer.dims.events.current_step.connect(self._on_step)

    @property
    def canvas(self) -> QWidget:
        """Napari's canvas."""
        found = self._canvas()
        assert found is not None
        return found

    @property
    def is_blinded(self) -> bool:
        """Whether identity, dates or files must not be shown."""
        return self.worklist is not None and self.worklist.blinding != "none"

    @property
    def session(self) -> TracingSession | None:
        """The session of the case in view."""
        return None if self.case is None else self.case.session

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
            self._fitted = self._shown_now()

    def fit_again(self) -> None:
        """Fit the picture into a window of another size, unless the reader has zoomed or moved it."""
        if self.scene is not None and self.scene.is_open and self._fitted == self._shown_now():
            self.fit()

    def _shown_now(self) -> tuple[object, ...]:
        assert self.scene is not None
        return (self.scene.view.centre_mm, self.scene.view.zoom)

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

    # -- showing -----------------------------------------------------------------------------------------

    def update_readout(self) -> None:
        """Measure what changed, and tell those who show it."""
        session = self.session
        if session is None or not session.current_lesion:
            self.readout = None
        else:
            lesion = session.state.lesions[session.current_lesion]
            worth = None if self.worklist is None else self.worklist.worth
            volume, reader = self.baseline_of(lesion.name) or (None, "")
            readers = {"reader": reader or None}, {"reader": session.reader or None}
            self.readout = session.readout(
                self.slice_index,
                baseline=volume,
                baseline_reader=reader,
                comparability_rule=None if worth is None else worth.comparability,
                reading_error=None if worth is None else worth.error_of(*readers),
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
            self.scene.show(self.session, refused=self.readout.slices_refused if self.readout else ())

    # -- telling -----------------------------------------------------------------------------------------

    def say(self, text: str, is_error: bool) -> None:
        """Tell the reader something."""
        self.message_shown.emit(text, is_error)

    def offer(self, text: str, choices: tuple[tuple[str, Callable[[], object]], ...]) -> None:
        """Offer outlines to go on with, until there is a lesion or the case is left.

        Where the lesions are taken back, it is offered again.
        """

        def chosen(do: Callable[[], object]) -> None:
            do()
            if self.session is None or not self.session.state.lesions:
                self._is_offering, self._offered = False, None  # nothing is wanted of it

        self._offered = None
        self.decision_needed.emit(text, tuple((name, partial(chosen, do)) for name, do in choices))
        self._is_offering, self._offered = True, (text, choices)

    def ask_until_edit(self, text: str, choices: tuple[tuple[str, Callable[[], object]], ...]) -> None:
        """Ask what is to be done with the state as it is: who draws, undoes or saves goes on with it."""
        self.decision_needed.emit(text, choices)
        self._asked_of = None if self.session is None else self.session.state.number

    def _forget_offer(self, *_asked: object) -> None:
        # Something else is asked now, in its place.
        self._is_offering = self._is_asking_place = False
        self._asked_of = None

    def _end_offer(self) -> None:
        number = None if self.session is None else self.session.state.number
        if self._asked_of is not None and self._asked_of != number:
            self._asked_of = None
            self.decision_over.emit()
        if self._is_offering and (self.session is None or self.session.state.lesions):
            self._is_offering = False
            self.decision_over.emit()
        if self.session is None:
            self._offered = None
        elif self._offered is not None and not self.session.state.lesions and not self._is_asking:
            self.offer(*self._offered)

    @property
    def _is_asking(self) -> bool:
        """Whether a question of this view stands unanswered."""
        return self._is_offering or self._is_asking_place or self._asked_of is not None

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except VolumetryError as error:
            self.tell(error)

    def _text_of(self, error: VolumetryError) -> str:
        """An error in words; under blinding without the names of files."""
        error = in_window_words(error)
        text = error.what if self.is_blinded else error.message
        todo = f". {error.todo}".rstrip() if self.is_blinded and error.todo else "."
        return text[:1].upper() + text[1:].rstrip(".") + todo

    def tell(self, error: VolumetryError) -> None:
        """Say what went wrong."""
        self.tell_shortly(self._text_of(error), error)

    def tell_shortly(self, text: str, error: VolumetryError) -> None:
        """Say what went wrong in one sentence; the whole error is its tip, unless it would tell names."""
        self.message_shown.emit(text, True)
        if not self.is_blinded:
            self.explained.emit(error.message)

    def _ask_place(
        self,
        error: VolumetryError,
        go_on: Callable[[CasePlace], object],
        otherwise: tuple[str, Callable[[], object]] = ("Later", lambda: None),
    ) -> None:
        """Say that a folder cannot be written, and offer another."""
        session, since = self.session, ""
        if self.case is not None and self.case.n_unkept:
            since = "; what was drawn since then is in this window alone"
        elif session is not None and session.state.has_unsaved:
            since = "; what was drawn since then is kept in the journal"
        where = "" if self.is_blinded or not error.where else f" It is {printable(error.where)}."
        self.decision_needed.emit(
            f"{not_written(error)}{where} What was saved is as it was{since}.",
            (("Choose another folder...", go_on), otherwise),
        )
        self._is_asking_place = True

    def _place_is_found(self) -> None:
        """Take back the question for another folder: everything is written now."""
        if self._is_asking_place:
            self._is_asking_place = False
            self.decision_over.emit()
