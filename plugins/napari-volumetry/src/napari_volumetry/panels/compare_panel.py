"""The part of the panel that compares with the baseline; under blinding of time there is none."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QGroupBox,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_volumetry.panels.connections import Connections
from napari_volumetry.panels.parts import plain_tip
from napari_volumetry.picture.compare import VIEWS
from napari_volumetry.tracer import Tracer
from volumetry import LesionVolume, VolumetryError, read_scan
from volumetry.tracing import LesionReadout, ReadoutChange, Worklist


def visits_of(worklist: Worklist, number: int) -> list[tuple[int, str]]:
    """Return (number, what to call it) of the visits of a scan's patient; none under blinding of time."""
    if worklist.blinding == "time":
        return []
    patient = next(row.patient for row in worklist.rows if row.number == number)
    found = {row.number: row.visit or row.name for row in worklist.rows if row.patient == patient}
    return sorted(found.items())


class ComparePanel(QWidget):
    """Baseline volume, change and class, and the baseline's picture."""

    def __init__(self, tracer: Tracer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tracer = tracer
        self.heard = Connections()
        self.comparison = tracer.comparison
        self.visit: int | None = None
        self._asked: set[str] = set()
        self._apart = ""
        """Why the lesion in view is not compared with the baseline, in words."""
        self.box = QGroupBox("Baseline")
        self.change = QLabel()
        self.change.setTextFormat(Qt.TextFormat.PlainText)
        self.change.setWordWrap(True)
        self.change.setTextFormat(Qt.TextFormat.PlainText)
        self.view = QComboBox()
        self.view.addItems(("picture hidden", *VIEWS[1:]))
        self.outline = QCheckBox("outline")
        self.propose = QPushButton("Propose its outlines")
        self.register = QPushButton("Register")
        self.progress = QProgressBar()
        self._build()
        tracer.baseline_of = self._baseline_of
        self.heard.add(tracer.case_opened, self._open)
        self.heard.add(tracer.case_closed, self._close)
        if tracer.scene is not None and self.comparison.scene is tracer.scene:
            self._go_on()
        else:
            self._open()

    def _build(self) -> None:
        for part in (self.view, self.outline, self.propose, self.register):
            part.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.view.setToolTip("Show the other visit, linked to the slice in view in patient space")
        self.outline.setToolTip("Show the other visit's outline, dashed in white")
        self.propose.setToolTip(
            "Take the other visit's outlines over as proposals, to be accepted slice by slice"
        )
        self.register.setToolTip("Find the rigid motion between the two scans, in the background")
        self.view.activated.connect(self._set_view)
        self.outline.clicked.connect(self._set_outline)
        self.propose.clicked.connect(self._propose)
        self.register.clicked.connect(self._register)
        self.progress.setRange(0, 1000)
        self.progress.setVisible(False)
        self.heard.add(self.comparison.progressed, self._on_progress)
        self.heard.add(self.comparison.registered, self._on_registered)
        self.heard.add(self.comparison.visit_wanted, self.choose_visit)
        grid = QGridLayout()
        grid.addWidget(self.view, 0, 0)
        grid.addWidget(self.outline, 0, 1)
        grid.addWidget(self.register, 1, 0)
        grid.addWidget(self.propose, 1, 1)
        inside = QVBoxLayout(self.box)
        inside.setContentsMargins(6, 2, 6, 4)
        inside.setSpacing(3)
        inside.addLayout(grid)
        # Below the buttons: its lines come and go.
        inside.addWidget(self.change)
        inside.addWidget(self.progress)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.box)

    # -- the baseline of a case -------------------------------------------------------------------------

    def _open(self) -> None:
        self._close()
        worklist, number = self.tracer.worklist, self.tracer.number
        if worklist is None or number is None:
            return
        visits = visits_of(worklist, number)
        if len(visits) < 2:
            return
        baseline = worklist.baseline_number(number)
        others = [other for other, _ in visits if other != number]
        self.choose_visit(baseline if baseline is not None else others[0])

    def _go_on(self) -> None:
        """Show what is compared already: this panel was closed and opened again."""
        comparison = self.comparison
        self.visit = comparison.visit
        self.box.setTitle(comparison.role)
        self.view.setCurrentIndex(VIEWS.index(comparison.view))
        self.outline.setChecked(comparison.shows_outline)
        if comparison.is_registering:
            self._show_progress()
        self.tracer.update_readout()

    def choose_visit(self, other: int) -> None:
        """Compare with another visit of the patient, by the number of its scan."""
        worklist, number, scene = self.tracer.worklist, self.tracer.number, self.tracer.scene
        if worklist is None or number is None or scene is None:
            return
        names = dict(visits_of(worklist, number))
        is_baseline = other == worklist.baseline_number(number)
        role = "Baseline" if is_baseline else "Other visit"
        try:
            uid = worklist.series_uid(other) or None
            scan = read_scan(worklist.scan_path(other), series_uid=uid)
        except VolumetryError as error:
            self.tracer.tell(error)
            return
        self._asked = set()
        self._stop_progress()
        self.visit = other
        self.box.setTitle(role)
        self.comparison.open(scene, scan, role=role, visit=names.get(other, ""))
        self.comparison.show_visits(sorted(names.items()), visit=other, read=number)
        # What was said of the visit before is not so of this one.
        self.tracer.say("", False)
        self.setVisible(True)
        self.tracer.update_readout()

    def _baseline_of(self, lesion: str) -> tuple[LesionVolume, str] | None:
        """The baseline's volume of a lesion, and its reader; its trace is read when it is first asked for.

        That of another visit is read for its outlines only: a change is told against the baseline.
        """
        worklist, number, self._apart = self.tracer.worklist, self.tracer.number, ""
        if worklist is None or number is None or self.comparison.scan is None:
            return None
        if self.visit is None:
            return None
        if lesion not in self._asked:
            self._asked.add(lesion)
            try:
                trace = worklist.trace_at(self.visit, lesion, self.tracer.reader)
                if trace is not None:
                    self.comparison.add_trace(lesion, trace, worklist.protocol.measurement)
            except VolumetryError as error:
                self.tracer.tell(error)
        if self.visit != worklist.baseline_number(number):
            return None
        self._apart = worklist.apart_because(number, self.visit, lesion, self.tracer.reader)
        if self._apart:
            return None
        volume = self.comparison.volumes.get(lesion)
        return None if volume is None else (volume, self._reader_of(lesion))

    def _close(self) -> None:
        self.comparison.close()
        self._asked = set()
        self.visit = None
        self.change.clear()
        self.view.setCurrentIndex(0)
        self.outline.setChecked(False)
        self._stop_progress()
        self.setVisible(False)

    def show_readout(self, readout: LesionReadout | None) -> None:
        """Show the change of a lesion in words."""
        change = None if readout is None else readout.change
        self.change.setToolTip("")
        if self.comparison.scan is None or readout is None:
            self.change.clear()
            return
        if change is None:
            is_baseline = self.box.title() == "Baseline"
            nothing = self._apart or "This lesion has no trace at baseline."
            self.change.setText(nothing if is_baseline else "")
            return
        volume = (
            "no volume" if change.baseline_volume_cm3 is None else f"{change.baseline_volume_cm3:.3f} cm³"
        )
        said = f"{change.words}." if change.words else ""
        parts = (f"At baseline {volume}.", said, change.reason_text, _reservation(change), *change.doubts[:1])
        self.change.setText(" ".join(part for part in parts if part))
        self.change.setToolTip(plain_tip("\n".join((*change.differences, *change.doubts))))

    def _reader_of(self, lesion: str) -> str:
        """Who traced a lesion at the other visit; empty where the file does not say so."""
        trace = self.comparison.traces.get(lesion)
        return "" if trace is None else trace.provenance.reader

    def _show(self) -> None:
        self.comparison.changed.emit()

    def _set_view(self, index: int) -> None:
        self.comparison.set_view(VIEWS[index])

    def _set_outline(self, is_shown: bool) -> None:
        self.comparison.shows_outline = is_shown
        self._show()

    def _on_progress(self, share: float) -> None:
        self.progress.setValue(round(share * 1000))

    def _propose(self) -> None:
        lesion = self.tracer.lesion
        self.tracer.propose(self.comparison.outlines_on_followup(lesion.name) if lesion else ())

    # -- registration -----------------------------------------------------------------------------------

    def _register(self) -> None:
        if self.comparison.is_registering:
            self.comparison.cancel()
            self._stop_progress()
            return
        self.comparison.register()
        self._show_progress()

    def _show_progress(self) -> None:
        self.register.setText("Cancel")
        self.progress.setValue(0)
        self.progress.setVisible(True)

    def _on_registered(self, is_done: bool, text: str) -> None:
        self._stop_progress()
        self.tracer.message_shown.emit(text, not is_done)
        self._show()

    def _stop_progress(self) -> None:
        self.register.setText("Register")
        self.progress.setVisible(False)


def _reservation(change: ReadoutChange) -> str:
    """What a comparison has to be taken with; all differences are in the tip."""
    if change.comparability is None or change.comparability.comparable != "with_reservations":
        return ""
    first, more = change.differences[0], len(change.differences) - 1
    return first if not more else f"{first.rstrip('.')}, and {more} more."
