"""The dock widget: worklist, tracing, keys."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import napari.viewer
from napari.components import ViewerModel
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_volumetry.drawing.canvas_input import canvas_of
from napari_volumetry.opened_layers import OpenedLayers
from napari_volumetry.panels.adjudication_panel import AdjudicationPanel
from napari_volumetry.panels.connections import Connections
from napari_volumetry.panels.help_panel import HelpPanel
from napari_volumetry.panels.panel import TracerPanel
from napari_volumetry.panels.parts import OwnKeys, WheelGuard
from napari_volumetry.panels.tones import tone_sheet
from napari_volumetry.panels.worklist_panel import WorklistPanel
from napari_volumetry.picture.scene import warm_up
from napari_volumetry.reading_window import ReadingWindow
from napari_volumetry.tracer import Tracer
from volumetry.tracing import remember_reader, remembered_reader

READER_VARIABLE = "VOLUMETRY_READER"


class TracerWidget(QWidget):
    """Everything of the tracer that is not the picture.

    Parameters
    ----------
    viewer : napari.Viewer
    reader : str, optional
        Initials or number of who traces; that of the environment, or what was written last, by default.
    place : Path, optional
        Where traces are written, if not in the study folder.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        *,
        reader: str = "",
        place: Path | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        # napari hands a wrapped viewer to what its menus open, and layers seen through it are other objects.
        viewer = getattr(viewer, "__wrapped__", viewer)
        before = find_tracer(viewer)
        if before is not None:
            viewer.window.remove_dock_widget(before)
        model: ViewerModel = viewer
        # One tracer to a window: a panel that was closed and opened again goes on with its case.
        held = canvas_of(model).findChild(ReadingWindow)
        self.reading_window: ReadingWindow = held or ReadingWindow(
            Tracer(model, reader=reader or _reader(), place=place)
        )
        self.tracer = self.reading_window.tracer
        self.heard = Connections()
        self.worklist = WorklistPanel(self.tracer)
        self.panel = TracerPanel(self.tracer)
        self.tabs = QTabWidget()
        self.tabs.tabBar().setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.adjudication = AdjudicationPanel(self.tracer)
        self.help = HelpPanel()
        for widget, name in (
            (self.worklist, "Worklist"),
            (self.panel, "Trace"),
            (self.adjudication, "Readers"),
            (self.help, "Keys"),
        ):
            self.tabs.addTab(widget, name)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._top_row())
        column.addWidget(self.tabs)
        self.tabs.currentChanged.connect(self._on_tab)
        self.adjudication.opened.connect(lambda: self.tabs.setCurrentWidget(self.adjudication))
        self.heard.add(self.tracer.case_opened, self._show_panel)
        self.heard.add(self.tracer.reader_changed, self._show_reader)
        self.heard.add(self.tracer.keys_wanted, self._show_keys)
        # A question is asked in the trace tab; on the worklist nobody would see it.
        self.heard.add(self.tracer.decision_needed, self._show_panel)
        self.heard.add(self.tracer.message_shown, self._say)
        if self.tracer.case is not None:
            self._show_panel()
        if held is None:
            self.opened_layers = OpenedLayers(self.tracer)
        elif isinstance(held.panel, TracerWidget):
            held.panel.retire()
        self.reading_window.panel = self
        WheelGuard(self)
        self.heard.add(model.events.theme, self._show_theme)
        self._show_theme()
        self.setMinimumWidth(340)
        self.setMaximumWidth(420)
        QTimer.singleShot(0, warm_up)
        app = QApplication.instance()
        if app is not None and held is None:
            app.aboutToQuit.connect(self.tracer.close_case)

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802, D102
        super().hideEvent(event)
        self._tell_picture()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802, D102
        super().showEvent(event)
        self._tell_picture()

    def _tell_picture(self) -> None:
        """Let the picture say what the panel does not while it is closed."""
        with suppress(RuntimeError):  # the window goes, too
            QTimer.singleShot(0, self.reading_window, self.reading_window.refresh)

    def retire(self) -> None:
        """Hear the tracer no longer: another panel has taken this one's place."""
        self.heard.end()
        self.worklist.heard.end()
        self.adjudication.heard.end()
        self.panel.retire()
        self.deleteLater()

    def _show_theme(self, _event: object = None) -> None:
        self.setStyleSheet(tone_sheet(self.tracer.viewer.theme))

    def _on_tab(self, _index: int) -> None:
        if self.tabs.currentWidget() is self.adjudication and not self.adjudication.is_shown:
            self.adjudication.read()
        elif self.tabs.currentWidget() is self.worklist:
            # What was drawn meanwhile is in progress.
            self.tracer.refresh_worklist()

    def _show_panel(self, *_asked: object) -> None:
        self.tabs.setCurrentWidget(self.panel)

    def _show_keys(self) -> None:
        """Show the keys, or again the panel."""
        is_shown = self.tabs.currentWidget() is self.help
        self.tabs.setCurrentWidget(self.panel if is_shown else self.help)

    def _top_row(self) -> QWidget:
        row = QWidget()
        line = QHBoxLayout(row)
        line.setContentsMargins(6, 6, 6, 0)
        self.reader = QLineEdit(self.tracer.reader)
        self.reader.setMaximumWidth(90)
        OwnKeys(self.reader)
        self.reader.setToolTip("Your initials or number as a reader: kept in every trace")
        self.reader.editingFinished.connect(self._set_reader)
        self.open_study = QPushButton("Open study...")
        self.open_study.clicked.connect(lambda _checked=False: self.ask_study())
        self.open_series = QPushButton("Open series...")
        self.open_series.clicked.connect(lambda _checked=False: self.ask_series())
        for part in (QLabel("Reader"), self.reader, self.open_study, self.open_series):
            line.addWidget(part)
        for made in (self.open_study, self.open_series):
            made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        return row

    def _set_reader(self) -> None:
        name = self.reader.text().strip()
        if not name or name == self.tracer.reader:
            self.reader.setText(self.tracer.reader)
            return
        had_case = self.tracer.case is not None
        self.tracer.change_reader(name)
        # Where it is asked first whose the unsaved work is, the reader is still the one before.
        self.reader.setText(self.tracer.reader)
        if had_case and self.tracer.case is None:
            self.tabs.setCurrentWidget(self.worklist)

    def _show_reader(self) -> None:
        self.reader.setText(self.tracer.reader)
        remember_reader(self.tracer.reader)

    def _say(self, text: str, is_error: bool) -> None:
        # The trace tab has a line of its own; on the worklist, which is shown without a case, it is lost.
        if text and (self.tabs.currentWidget() is self.worklist or self.tracer.case is None):
            self.worklist.say(text, is_error)

    def ask_study(self) -> None:
        """Ask for a study folder and open it."""
        folder = QFileDialog.getExistingDirectory(self, "Open study")
        if folder and self.tracer.open_study(folder):
            self.tabs.setCurrentWidget(self.worklist)

    def ask_series(self) -> None:
        """Ask for the folder of a DICOM series, or cancel for a file, and open it."""
        path = QFileDialog.getExistingDirectory(self, "Open the folder of a DICOM series (cancel: a file)")
        if not path:
            path, _kind = QFileDialog.getOpenFileName(
                self,
                "Open a scan",
                "",
                "Scans (*.nii *.nii.gz *.nrrd *.nhdr *.mha *.mhd *.dcm);;All files (*)",
            )
        if path:
            self.tracer.open_series(path)

    def open_path(self, path: Path | str) -> bool:
        """Open a study folder, or a single scan; return whether it is open."""
        path = Path(path)
        if not path.is_dir():
            return self.tracer.open_series(path)
        if not self.tracer.open_study(path):
            return False
        worklist = self.tracer.worklist
        numbers = sorted({row.number for row in worklist.rows}) if worklist is not None else []
        if worklist is None or len(numbers) != 1 or worklist.blinding != "none":
            self.tabs.setCurrentWidget(self.worklist)
            return True
        return self.tracer.open_series(worklist.scan_path(numbers[0]))


class StudyWidget(TracerWidget):
    """The tracer, asking for a study: *Plugins > Volumetry > Open study...*."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        QTimer.singleShot(0, self.ask_study)


class SeriesWidget(TracerWidget):
    """The tracer, asking for a series: *Plugins > Volumetry > Open series...*."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        QTimer.singleShot(0, self.ask_series)


def find_tracer(viewer: napari.viewer.Viewer) -> TracerWidget | None:
    """Return the tracer of a viewer, or None."""
    for docked in viewer.window.dock_widgets.values():
        if isinstance(docked, TracerWidget):
            return docked
    return None


def _reader() -> str:
    return os.environ.get(READER_VARIABLE, "").strip() or remembered_reader()
