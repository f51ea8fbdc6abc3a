"""Adjudication: two or more readers' outlines over one picture, to choose one or to draw a third."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from qtpy.QtCore import QModelIndex, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_volumetry.commands.wanted_case import WantedCase
from napari_volumetry.panels.connections import Connections
from napari_volumetry.panels.messages import plain_label
from napari_volumetry.picture.painting import Ring
from napari_volumetry.tracer import Tracer
from volumetry import Trace, VolumetryError
from volumetry.tracing import Adjudication, AdjudicationRow, read_adjudication

HEADINGS = ("Case", "Lesion", "Readers", "Differ", "Consensus")
READ_COLOURS = ("#2ad4ff", "#ff6ad5", "#7bea6f", "#c39bff")
CONSENSUS_COLOUR = "#ffffff"
SWATCH_PIXELS = (22, 8)
NOTHING = "No lesion has been traced by two readers"


class AdjudicationPanel(QWidget):
    """A row per lesion that several readers traced; a double click shows their outlines.

    Parameters
    ----------
    tracer : Tracer

    Signals
    -------
    opened : the outlines of a lesion are shown.
    """

    opened = Signal()

    def __init__(self, tracer: Tracer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tracer = tracer
        self.heard = Connections()
        self.adjudication: Adjudication | None = None
        self.number: int | None = None
        self._opening = -1
        self._reads: Mapping[str, Trace] = {}
        self._consensus: Trace | None = None
        self.said = plain_label(NOTHING)
        self.table = self._made_table()
        self.legend: list[QLabel] = []
        self._rows: list[QWidget] = []
        self._question = plain_label()
        self.buttons: list[QPushButton] = []
        self._legend = QVBoxLayout()
        self._choices = QHBoxLayout()
        self.again = QPushButton("Look again")
        self.again.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.again.setToolTip("Read from the study folder what the readers traced")
        self.again.clicked.connect(lambda _checked=False: self.read())
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        for part in (self.said, self.table):
            column.addWidget(part)
        column.addLayout(self._legend)
        column.addWidget(self._question)
        column.addLayout(self._choices)
        column.addWidget(self.again)
        self.heard.add(tracer.drawn, self.refresh)
        self.heard.add(tracer.case_closed, self.refresh)

    def _made_table(self) -> QTableWidget:
        table = QTableWidget(0, len(HEADINGS))
        table.setHorizontalHeaderLabels(HEADINGS)
        table.verticalHeader().setVisible(False)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        table.activated.connect(self._activate)
        return table

    # -- what there is ----------------------------------------------------------------------------------

    def read(self) -> bool:
        """Read what the readers traced; return whether it may be seen."""
        tracer, earlier = self.tracer, self.adjudication
        self.adjudication = None
        if tracer.study is None:
            self._show_rows("Open a study first")
            return False
        try:
            self.adjudication = read_adjudication(
                tracer.study, reader=tracer.reader, place=tracer.place, worklist=tracer.worklist
            )
        except VolumetryError as error:
            text = error.what if tracer.is_blinded else error.message
            self._show_rows(f"{text[:1].upper()}{text[1:].rstrip('.')}. {error.todo}")
            return False
        if earlier is not None and self.number is not None:
            self.number = self.adjudication.number_of(earlier, self.number)
        rows = self.adjudication.rows
        lesions = "lesion" if len(rows) == 1 else "lesions"
        left = sum(row.to_settle and not row.consensus for row in rows)
        self._show_rows(
            f"{len(rows)} {lesions} traced by several readers, {left} to settle" if rows else NOTHING
        )
        return True

    def _show_rows(self, said: str) -> None:
        self.said.setText(said)
        rows = self.adjudication.rows if self.adjudication is not None else ()
        self.table.setRowCount(len(rows))
        for line, row in enumerate(rows):
            for place, text in enumerate(_texts(row)):
                item = QTableWidgetItem(text)
                item.setData(Qt.ItemDataRole.UserRole, row.number)
                self.table.setItem(line, place, item)
        if not self.is_shown:
            self._close()

    def _activate(self, index: QModelIndex) -> None:
        item = self.table.item(index.row(), 0)
        if item is not None:
            self.open(int(item.data(Qt.ItemDataRole.UserRole)))

    # -- one lesion -------------------------------------------------------------------------------------

    @property
    def is_shown(self) -> bool:
        """Whether the outlines of the readers lie over the picture in view."""
        return (
            self.number is not None and self.tracer.case is not None and self.tracer.opening == self._opening
        )

    def open(self, number: int, *, draws: bool = False) -> bool:
        """Show the outlines of a lesion over its scan; `draws`: to draw a third one."""
        tracer, adjudication = self.tracer, self.adjudication
        if adjudication is None:
            return False
        row = next(row for row in adjudication.rows if row.number == number)
        wanted = WantedCase(
            path=adjudication.scan_path(number),
            series_uid=adjudication.series_uid(number),
            place=adjudication.place(number),
            name=f"{row.name}, {row.lesion}",
            only_look=not draws,
            is_own=draws,
            any_reader=True,
        )
        self.number = None
        if not tracer.open_wanted(wanted):
            return False
        self.number, self._opening = number, tracer.opening
        self._reads, self._consensus = adjudication.reads(number), adjudication.consensus(number)
        if draws and tracer.session is not None and not tracer.session.is_read_only:
            held = [x.id for x in tracer.session.state.lesions.values() if x.name == row.lesion]
            if held:
                tracer.choose_lesion(held[0])
            else:
                tracer.begin_lesion(row.lesion, row.side)
        traced = sorted({c.slice_index for trace in self._reads.values() for c in trace.contours})
        if traced:
            tracer.go_to_slice(traced[len(traced) // 2])
        self._show_legend(row)
        self.refresh()
        self.opened.emit()
        return True

    def _show_legend(self, row: AdjudicationRow) -> None:
        self._clear()
        for reader, volume in zip(row.readers, row.volumes_cm3, strict=True):
            text = f"{reader}: no volume" if volume is None else f"{reader}: {volume:.3f} cm\u00b3"
            self._add_legend(text, self._colour(reader))
        if row.consensus:
            self._add_legend(f"consensus: {row.consensus}", CONSENSUS_COLOUR)
        ways = self.adjudication.ways if self.adjudication is not None else ()
        if "chosen" in ways:
            for reader in self._candidates(row):
                self._add_button(f"Choose {reader}", partial(self.ask, reader))
        if "drawn" in ways and self._may_draw(row):
            is_drawing = self.tracer.session is not None and not self.tracer.session.is_read_only
            if is_drawing:
                self._add_button("Take mine", self.take_mine)
            else:
                self._add_button("Draw a third", self.draw)

    def _candidates(self, row: AdjudicationRow) -> tuple[str, ...]:
        named = self.adjudication.protocol.reading.readers if self.adjudication is not None else ()
        return tuple(reader for reader in row.readers if not named or reader in named)

    def _may_draw(self, row: AdjudicationRow) -> bool:
        """Whether this reader is a third one."""
        reader = self.tracer.reader
        named = self.adjudication.protocol.reading.readers if self.adjudication is not None else ()
        return bool(reader) and reader not in (named or row.readers[:2])

    def _colour(self, reader: str) -> str:
        return READ_COLOURS[list(self._reads).index(reader) % len(READ_COLOURS)]

    def _add_legend(self, text: str, colour: str) -> None:
        # The colour beside the text, not of it: it is chosen for the picture, and not for a light panel.
        row, swatch, label = QWidget(), QFrame(), plain_label(text)
        swatch.setFixedSize(*SWATCH_PIXELS)
        swatch.setStyleSheet(f"background: {colour}; border: 1px solid #707070")
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(swatch)
        line.addWidget(label, 1)
        self.legend.append(label)
        self._rows.append(row)
        self._legend.addWidget(row)

    def _add_button(self, text: str, do: partial[bool] | object) -> None:
        made = QPushButton(text)
        made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        assert callable(do)
        made.clicked.connect(lambda _checked=False: do())
        self.buttons.append(made)
        self._choices.addWidget(made)

    def _clear(self) -> None:
        for part in (*self._rows, *self.buttons):
            part.setParent(None)
            part.deleteLater()
        self.legend, self.buttons, self._rows = [], [], []
        self._question.clear()
        self._question.hide()

    def _close(self) -> None:
        self.number, self._reads, self._consensus = None, {}, None
        self._clear()

    def refresh(self) -> None:
        """Show the outlines on the slice in view."""
        scene = self.tracer.scene
        if scene is None or not self.is_shown:
            return
        index, orientation = self.tracer.slice_index, scene.orientation
        consensus = () if self._consensus is None else (self._consensus,)
        shown = [(trace, self._colour(reader), False) for reader, trace in self._reads.items()]
        shown += [(trace, CONSENSUS_COLOUR, True) for trace in consensus]
        scene.overlay.read_rings = [
            Ring(vertices=orientation.pixels_to_display(c.vertices), colour=colour, is_dashed=is_dashed)
            for trace, colour, is_dashed in shown
            for c in trace.contours
            if c.slice_index == index
        ]
        scene.overlay.refresh()

    # -- deciding ---------------------------------------------------------------------------------------

    def ask(self, reader: str, *, how: str = "chosen") -> None:
        """Ask whether a reader's outline is to be the consensus."""
        adjudication, number = self.adjudication, self.number
        if adjudication is None or number is None:
            return
        row = next(row for row in adjudication.rows if row.number == number)
        self._show_legend(row)
        for made in self.buttons:
            made.hide()
        said = [f"The outline of {reader} becomes the consensus of {row.lesion}."]
        read = self._reads.get(reader)
        if read is None or not read.provenance.signed_time:
            said.append(f"{reader} has not signed it.")
        if reader == self.tracer.reader:
            said.append("It is your own.")
        if row.consensus:
            said.append(f"So far it is {row.consensus}; that is kept among the versions.")
        self._question.setText(" ".join(said))
        self._question.show()
        self._add_button("Settle", partial(self._settle, reader, how))
        self._add_button("Not yet", partial(self._show_legend, row))

    def choose(self, reader: str) -> bool:
        """Make a reader's outline the consensus; return whether it is."""
        return self._settle(reader, "chosen")

    def draw(self) -> bool:
        """Draw a third outline, over those of the readers."""
        return self.number is not None and self.open(self.number, draws=True)

    def take_mine(self) -> bool:
        """Save what was drawn, and ask whether it is to be the consensus; return whether it is saved."""
        session, lesion = self.tracer.session, self.tracer.lesion
        if session is None or lesion is None:
            return False
        errors = session.signing_check(lesion.id).errors
        if errors:
            self.tracer.say(f"{lesion.name} cannot be the consensus yet. {errors[0].text}", True)
            return False
        if not self.tracer.save() or not self.read():
            return False
        if self.adjudication is None or self.number is None:
            return False
        self._reads = self.adjudication.reads(self.number)
        self.ask(self.tracer.reader, how="drawn")
        return True

    def _settle(self, reader: str, how: str) -> bool:
        adjudication, number = self.adjudication, self.number
        if adjudication is None or number is None:
            return False
        try:
            adjudication.settle(number, reader, how=how)
        except VolumetryError as error:
            self.tracer.tell(error)
            return False
        self.read()
        if self.adjudication is None or self.number is None:
            return False
        self._reads = self.adjudication.reads(self.number)
        self._consensus = self.adjudication.consensus(self.number)
        row = next(row for row in self.adjudication.rows if row.number == self.number)
        self._show_legend(row)
        self.refresh()
        self.tracer.say(f"{row.name}, {row.lesion}: the consensus is {row.consensus}.", False)
        return True


def _texts(row: AdjudicationRow) -> tuple[str, ...]:
    differ = "" if row.difference_percent is None else f"{abs(row.difference_percent):.1f} %"
    mark = " !" if row.to_settle and not row.consensus else ""
    lesion = f"{row.lesion} {row.side}".strip()
    return (row.name, lesion, ", ".join(row.readers), differ + mark, row.consensus)
