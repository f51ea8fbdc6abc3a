"""The worklist: what there is to trace, and how far it is."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_volumetry.keys import key_of
from napari_volumetry.panels.connections import Connections
from napari_volumetry.panels.messages import plain_label
from napari_volumetry.panels.parts import plain_tip
from napari_volumetry.panels.tones import set_tone
from napari_volumetry.tracer import Tracer
from volumetry import ERROR_CODES
from volumetry.tracing import ROW_COLUMNS, STATES, WorklistRow, chosen_rows

HEADINGS = {"name": "Case", "finding": "Finding"}
LEFT = "left to trace"
ROW = Qt.ItemDataRole.UserRole + 1
"""Under which a cell keeps its row."""
SMALLER_POINTS = 1.0
"""The rows are written smaller than the panel, so that case and state stand side by side."""
LONGEST_PIXELS = 190
"""A longer name is shown with dots in its middle, and whole in the tip."""
SHORTEST_PIXELS = 100
"""Room for a name at least, where the others want all there is."""
LINES = 4
"""Room for what is said."""
CHOICES = ("all", LEFT, *STATES)


class _BeginningFirst(QStyledItemDelegate):
    """Leaves the end of a text out where it has no room, not its middle."""

    def initStyleOption(  # noqa: N802
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().initStyleOption(option, index)
        option.textElideMode = Qt.TextElideMode.ElideRight


class WorklistPanel(QWidget):
    """A row per lesion, or per scan that is not traced; a double click, or Enter, opens it."""

    def __init__(self, tracer: Tracer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tracer = tracer
        self.heard = Connections()
        self.by = ""
        self.summary = QLabel("No study is open")
        # Names come from files: they are shown as they are, and never read as HTML.
        self.summary.setTextFormat(Qt.TextFormat.PlainText)
        self.summary.setWordWrap(True)
        self.words = QLineEdit()
        self.words.setPlaceholderText("Words to find")
        self.words.setClearButtonEnabled(True)
        self.words.textChanged.connect(self.refresh)
        self.state = QComboBox()
        self.state.addItems(CHOICES)
        self.state.currentIndexChanged.connect(self.refresh)
        self.next = QPushButton("Next untraced")
        self.next.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.next.setToolTip(f"Open the next case with something left to trace ({key_of('next_untraced')})")
        self.next.clicked.connect(lambda _checked=False: tracer.next_untraced())
        row = QHBoxLayout()
        for part in (self.words, self.state, self.next):
            row.addWidget(part)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.addWidget(self.summary)
        column.addLayout(row)
        self.table = self._made_table()
        self.table.viewport().installEventFilter(self)
        column.addWidget(self.table)
        # Below the rows, in a place of its own: what is said moves none of them under the mouse.
        self.said = plain_label()
        self.said.setMinimumHeight(LINES * self.said.fontMetrics().lineSpacing())
        self.said.setAlignment(Qt.AlignmentFlag.AlignTop)
        column.addWidget(self.said)
        self.heard.add(tracer.worklist_read, self.refresh)
        self.heard.add(tracer.case_opened, self._on_case)
        self.refresh()

    def _made_table(self) -> QTableWidget:
        table = QTableWidget(0, len(ROW_COLUMNS))
        table.setHorizontalHeaderLabels([HEADINGS.get(name, name.capitalize()) for name in ROW_COLUMNS])
        table.verticalHeader().setVisible(False)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        header = table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(ROW_COLUMNS.index("name"), QHeaderView.ResizeMode.Interactive)
        header.setHighlightSections(False)
        # A name stays on its line. Findings are few: they stand with the state, and names have their room.
        table.setWordWrap(False)
        table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        font = table.font()
        font.setPointSizeF(font.pointSizeF() - SMALLER_POINTS)
        table.setFont(font)
        header.setFont(font)
        header.setMaximumSectionSize(LONGEST_PIXELS)
        table.setItemDelegateForColumn(ROW_COLUMNS.index("state"), _BeginningFirst(table))
        table.setColumnHidden(ROW_COLUMNS.index("finding"), True)
        header.setStretchLastSection(True)
        header.setSectionsClickable(True)
        header.sectionClicked.connect(self.sort_by)
        table.activated.connect(self._open)
        return table

    def say(self, text: str, is_error: bool) -> None:
        """Show what happened."""
        self.said.setText(text)
        set_tone(self.said, "error" if is_error else "")

    def sort_by(self, column: int) -> None:
        """Sort by a column; the same column again: back to the reading order."""
        name = ROW_COLUMNS[column]
        self.by = "" if self.by == name else name
        self.refresh()

    def shown_rows(self) -> tuple[WorklistRow, ...]:
        """Return the rows that the filter lets through, in the order they are shown."""
        worklist = self.tracer.worklist
        if worklist is None:
            return ()
        state = self.state.currentText()
        states = () if state == "all" else ("untraced", "in progress") if state == LEFT else (state,)
        return chosen_rows(worklist.rows, words=self.words.text(), states=states, by=self.by)

    def refresh(self) -> None:
        """Show the rows as they are now."""
        rows = self.shown_rows()
        self.summary.setText(self._said(len(rows)))
        self.table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            for place, name in enumerate(ROW_COLUMNS):
                item = QTableWidgetItem(self._text(row, name))
                item.setToolTip(plain_tip(item.text()))
                item.setData(Qt.ItemDataRole.UserRole, row.number)
                item.setData(ROW, row)
                self.table.setItem(number, place, item)
        self._mark_open()
        self._fit_names()

    def _fit_names(self) -> None:
        """Give the names the room that the other columns leave: how far a case is must be read whole."""
        table, name = self.table, ROW_COLUMNS.index("name")
        shown = [n for n in range(table.columnCount()) if n != name and not table.isColumnHidden(n)]

        def wanted(column: int) -> int:
            # And the line beside it.
            return max(table.sizeHintForColumn(column), table.horizontalHeader().sectionSizeHint(column)) + 1

        room = table.viewport().width() - sum(wanted(n) for n in shown)
        table.setColumnWidth(name, max(min(wanted(name), room, LONGEST_PIXELS), SHORTEST_PIXELS))

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:  # noqa: N802, D102
        if event.type() == QEvent.Type.Resize:
            self._fit_names()  # also when a scroll bar has come
        return False

    def _text(self, row: WorklistRow, name: str) -> str:
        """What a column shows of a row."""
        if name == "reader":
            return row.reader or ("no reader" if row.form == "trace" else row.form)
        if name != "state":
            return str(getattr(row, name))
        state = "unreadable" if row.number in self.tracer.unreadable else row.state
        # What was found first: where the column is narrow, the end is left out. Without more, it is saved.
        return ", ".join(filter(None, (row.finding, "" if row.finding and state == "saved" else state)))

    def _said(self, n_shown: int) -> str:
        worklist = self.tracer.worklist
        if worklist is None:
            return "No study is open"
        if worklist.nothing_found:
            return worklist.nothing_found
        own = [row for row in worklist.rows if not row.form]
        done = sum(row.state in ("saved", "signed") for row in own)
        said = f"{len(own)} rows, {done} saved or signed"
        if len(own) < len(worklist.rows):
            said += f"; {len(worklist.rows) - len(own)} in other files"
        if n_shown < len(worklist.rows):
            said += f"; {n_shown} shown"
        if worklist.blinding != "none":
            said += f"; blinded: {worklist.blinding}"
        if worklist.n_unfit:
            visits = "1 visit has" if worklist.n_unfit == 1 else f"{worklist.n_unfit} visits have"
            said += f". {visits} no series that fits [scan] of the protocol"
        if worklist.refused:
            number = len(worklist.refused)
            # In words of the code alone: those of the error name patients.
            why = "; ".join(dict.fromkeys(ERROR_CODES[code] for code in worklist.refused.values()))
            visits = "1 visit" if number == 1 else f"{number} visits"
            said += f". Tables will refuse lesions of {visits}: {why}"
        if self.tracer.reader and not worklist.may_trace(self.tracer.reader):
            named = ", ".join(worklist.protocol.reading.readers)
            said += f". The protocol does not name the reader {self.tracer.reader} (it names {named})"
        return said

    def _on_case(self) -> None:
        self.say("", False)
        self._mark_open()

    def _mark_open(self) -> None:
        for row in range(self.table.rowCount()):
            item = self.table.item(row, 0)
            if item is not None and item.data(Qt.ItemDataRole.UserRole) == self.tracer.number:
                self.table.selectRow(row)
                return

    def _open(self, index: QModelIndex) -> None:
        item = self.table.item(index.row(), 0)
        row = None if item is None else item.data(ROW)
        if isinstance(row, WorklistRow) and self.tracer.open_row(row.number):
            self._choose(row)

    def _choose(self, row: WorklistRow) -> None:
        """Go on with the lesion of the row, or begin it; offer the outlines of a file."""
        session = self.tracer.session
        if session is None or not row.lesion:
            return
        found = [lesion.id for lesion in session.state.lesions.values() if lesion.name == row.lesion]
        if found:
            self.tracer.choose_lesion(found[0])
        elif session.is_read_only:
            return
        elif row.form:
            self._offer(row)
        else:
            self.tracer.begin_lesion(row.lesion, row.side)

    def _offer(self, row: WorklistRow) -> None:
        worklist, case = self.tracer.worklist, self.tracer.case
        path = None if worklist is None else worklist.file_of(row.number, row.lesion)
        # What the case itself asks comes first; and who has begun does not begin anew.
        if path is None or case is None or case.unsaved_events or case.session.state.lesions:
            return
        self.tracer.offer(
            f"{row.lesion} stands in {path.name}, and is not traced by {self.tracer.reader}. Its outlines "
            "can be gone on with: they are saved then as your own.",
            (
                (f"Take over {row.form}", lambda: self.tracer.load_outlines(path)),
                ("Leave them", lambda: None),
            ),
        )
