"""The worklist: what there is to trace, and how far it is."""

from __future__ import annotations

from qtpy.QtCore import QModelIndex, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_volumetry.tracer import Tracer

COLUMNS = ("case", "side", "lesion", "reader", "state")
STATE_COLOURS = {
    "untraced": "#a0a0a0",
    "in progress": "#ffb35e",
    "saved": "#9adf9a",
    "signed": "#2ad4ff",
    "conflict": "#ff6b5e",
}


class WorklistPanel(QWidget):
    """A row per lesion, or per scan that is not traced; a double click, or Enter, opens it."""

    def __init__(self, tracer: Tracer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tracer = tracer
        self.summary = QLabel("No study is open")
        self.summary.setWordWrap(True)
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setHorizontalHeaderLabels([name.capitalize() for name in COLUMNS])
        self.table.verticalHeader().setVisible(False)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.activated.connect(self._open)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.addWidget(self.summary)
        column.addWidget(self.table)
        tracer.worklist_read.connect(self.refresh)
        tracer.case_opened.connect(self._mark_open)
        self.refresh()

    def refresh(self) -> None:
        """Show the rows as they are now."""
        worklist = self.tracer.worklist
        rows = worklist.rows if worklist is not None else ()
        done = sum(row.state in ("saved", "signed") for row in rows)
        said = f"{len(rows)} rows, {done} saved or signed" if worklist is not None else "No study is open"
        if worklist is not None and worklist.blinding != "none":
            said += f"; blinded: {worklist.blinding}"
        self.summary.setText(said)
        self.table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            for place, value in enumerate((row.name, row.side, row.lesion, row.reader, row.state)):
                item = QTableWidgetItem(value)
                item.setData(Qt.ItemDataRole.UserRole, row.number)
                self.table.setItem(number, place, item)
        self._mark_open()

    def _mark_open(self) -> None:
        for row in range(self.table.rowCount()):
            item = self.table.item(row, 0)
            if item is not None and item.data(Qt.ItemDataRole.UserRole) == self.tracer.number:
                self.table.selectRow(row)
                return

    def _open(self, index: QModelIndex) -> None:
        item = self.table.item(index.row(), 0)
        side, lesion = (self.table.item(index.row(), place) for place in (1, 2))
        if item is None or side is None or lesion is None:
            return
        name, where = lesion.text(), side.text()
        if self.tracer.open_row(int(item.data(Qt.ItemDataRole.UserRole))):
            self._choose(name, where)

    def _choose(self, name: str, side: str) -> None:
        """Go on with the lesion of the row, or begin it."""
        session = self.tracer.session
        if session is None or not name:
            return
        found = [lesion.id for lesion in session.state.lesions.values() if lesion.name == name]
        if found:
            self.tracer.choose_lesion(found[0])
        elif not session.is_read_only:
            self.tracer.begin_lesion(name, side)
