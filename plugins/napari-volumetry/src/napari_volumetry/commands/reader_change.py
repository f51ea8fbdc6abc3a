"""Another reader at the same window: the case in view is opened anew, and unsaved work has one owner."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from napari_volumetry.commands.case_controller import CaseController
from napari_volumetry.commands.wanted_case import WantedCase
from volumetry import Provenance, Trace


class ReaderChange(CaseController):
    """The case in view, and who reads it."""

    @property
    def is_half_drawn(self) -> bool:
        """Whether a stroke or clicks have no end yet."""
        return False

    def change_reader(self, reader: str, *, takes: bool | None = None) -> None:
        """Go on as another reader: the case in view is opened anew for them, if it is on their worklist.

        What the reader before drew and did not save becomes the new one's (`takes`), or stays in the journal
        of the reader before; None: ask.
        """
        # Who answers that has answered: what could not be kept is lost, or saved elsewhere.
        if not self.may_leave(partial(self.change_reader, reader, takes=bool(takes))):
            return
        before, was_unsaved = self.reader, self.has_unsaved
        if takes is None and before and was_unsaved:
            self._ask_whose(before, reader)
            return
        wanted, path, name, slice_index = self._wanted, self.scan_path, self.name, self.slice_index
        self.reader = reader
        self.refresh_worklist()
        kept = f" What {before} drew and did not save is kept." if was_unsaved and not takes else ""
        kept += " What was half drawn was dropped." if self.is_half_drawn else ""
        if self.case is not None and wanted is not None:
            if not self._is_read_by_all(wanted, path):
                self.close_case()
                self.message_shown.emit(f"{name} was closed: it was open for another reader.{kept}", False)
            else:
                drawn = self._handed_over() if takes else ()
                if self.open_wanted(wanted):
                    self._fit.stop()  # it is the same picture
                    self._take_over_drawn(drawn)
                    self.go_to_slice(slice_index)
                    if kept:
                        self.message_shown.emit(f"{name} is open for {reader} now.{kept}", False)
        self.reader_changed.emit()

    def _ask_whose(self, before: str, reader: str) -> None:
        self.decision_needed.emit(
            f"What is drawn and not saved was drawn as {before}. Whose is it?",
            (
                (f"It is {reader}'s", partial(self.change_reader, reader, takes=True)),
                (f"It stays with {before}", partial(self.change_reader, reader, takes=False)),
                (f"Stay {before}", lambda: None),
            ),
        )

    def _handed_over(self) -> tuple[Trace, ...]:
        """Take the unsaved lesions out of the session of the reader before, and return them."""
        case, session = self.case, self.session
        assert case is not None
        assert session is not None
        drawn = tuple(session.trace(lesion_id) for lesion_id in session.state.unsaved_lesions)
        case.discard_unsaved()
        return drawn

    def _take_over_drawn(self, drawn: tuple[Trace, ...]) -> None:
        session = self.session
        if not drawn or session is None or session.is_read_only:
            return
        own = Provenance(reader=self.reader)
        taken = [replace(trace, provenance=own) for trace in drawn]
        session.load_traces(taken, action="load", are_saved=False)

    def _is_read_by_all(self, wanted: WantedCase, path: Path | None) -> bool:
        """Whether a case is the same for the reader of the worklist that is read now.

        Not where it was opened to settle between readers, and not where another case has its number.
        """
        worklist = self.worklist
        if worklist is None or wanted.number is None:
            return worklist is None
        is_known = any(row.number == wanted.number for row in worklist.rows)
        return is_known and worklist.scan_path(wanted.number) == path
